"""The negative binomial distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.binomial import smaller_difference
from genmlx.distributions.counts import as_count, counts_below, k_log_ratio, remainder_of_count, smallest_count
from genmlx.distributions.derived import Derived
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, remainder
from genmlx.numerics.random import split
from genmlx.numerics.special import betainc, betaincc
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["NegBinomial", "neg_binomial"]


@final
class NegBinomial(Distribution):
    r"""Negative binomial distribution: failures before the ``r``-th success.

    $$p(x) = \frac{\Gamma(x + r)}{x!\, \Gamma(r)} p^r (1 - p)^x, \quad x \in \{0, 1, 2, \dots\}.$$

    Mean m = r (1 - p) / p, variance m / p = m + m^2 / r. Values are int32. ``neg_binomial(mean=m, concentration=r)``
    is the same for p = r / (r + m), the usual regression form; it tends to Poisson(m) for large r. A draw is Poisson
    with a gamma distributed rate.

    Args:
        r: number of successes, any positive number.
        p: probability of success, in (0, 1].
        mean: expected count, zero or positive (keyword only).
        log_mean: its logarithm, any real number (keyword only, with ``concentration``).
        concentration: the same as ``r`` (keyword only).

    Example:
        >>> round(neg_binomial(100.0, 0.5).log_prob(50).item(), 4)
        -11.5746

    References:
        Loader, Fast and accurate computation of binomial probabilities (2000): the form of the log mass.
    """

    name = "neg_binomial"
    params = {"r": domains.positive, "p": domains.positive_probability}  # noqa: RUF012
    discrete = True

    def support(self, r: Any, p: Any) -> Domain:
        return domains.nonnegative_integer

    def sample(self, key: Key, r: Any, p: Any, shape: Shape) -> Array:
        return samplers.negative_binomial(key, r, p, shape)

    def log_prob(self, x: Array, r: Any, p: Any) -> Array:
        return _log_mass(x, r, p, 1.0 - p)

    def mean(self, r: Any, p: Any) -> Any:
        return r * (1.0 - p) / p

    def variance(self, r: Any, p: Any) -> Any:
        return r * (1.0 - p) / (p * p)

    def cdf(self, x: Array, r: Any, p: Any) -> Array:
        k, below = counts_below(x)
        return mx.where(below, 0.0, betainc(r, k + 1.0, p))

    def log_survival(self, x: Array, r: Any, p: Any) -> Array:
        k, below = counts_below(x)
        return mx.where(below, 0.0, mx.log(betaincc(r, k + 1.0, p)))

    def quantile(self, q: Array, r: Any, p: Any) -> Array:
        return smallest_count(q, lambda k: self.cdf(k, r, p))


@final
class _NegBinomialMean(Distribution):
    """Negative binomial distribution by mean and concentration."""

    name = "neg_binomial"
    params = {"mean": domains.nonnegative, "concentration": domains.positive}  # noqa: RUF012
    discrete = True

    def support(self, mean: Any, concentration: Any) -> Domain:
        return domains.nonnegative_integer

    def sample(self, key: Key, mean: Any, concentration: Any, shape: Shape) -> Array:
        k_rate, k_count = split(key)
        gamma = samplers.standard_gamma(k_rate, concentration, shape)
        return samplers.poisson(k_count, gamma * (mean / concentration), shape)

    def log_prob(self, x: Array, mean: Any, concentration: Any) -> Array:
        total = mean + concentration
        return _log_mass(x, concentration, concentration / total, mean / total)

    def mean(self, mean: Any, concentration: Any) -> Any:
        return mean

    def variance(self, mean: Any, concentration: Any) -> Any:
        return mean + mean * mean / concentration

    def cdf(self, x: Array, mean: Any, concentration: Any) -> Array:
        k, below = counts_below(x)
        total = mean + concentration
        # Of p = r / (r + m) and 1 - p, the smaller one has all digits.
        rare = mx.array(concentration < mean)
        p = mx.where(rare, concentration / total, mean / total)
        tail = betainc(mx.where(rare, concentration, k + 1.0), mx.where(rare, k + 1.0, concentration), p)
        return mx.where(below, 0.0, mx.where(rare, tail, 1.0 - tail))

    def quantile(self, q: Array, mean: Any, concentration: Any) -> Array:
        return smallest_count(q, lambda k: self.cdf(k, mean, concentration))


def _log_mass(x: Array, r: Any, p: Any, q: Any) -> Array:
    """The mass of r successes in n = r + k trials, of which the last is one (r / n): q = 1 - p."""
    k, inside = as_count(x)
    if isinstance(q, mx.array) or not q > 0:
        # More than 0 failures are impossible for q = 0. The slope in q is infinite there, but must not reach r as NaN.
        possible = mx.logical_or(q > 0.0, k == 0.0)
        k, inside = mx.where(possible, k, 0.0), mx.logical_and(inside, possible)
    n = r + k
    a, b = n * p, n * q
    d = smaller_difference(p, a - r, k - b)
    result = k_log_ratio(a, r, d) + k_log_ratio(b, k, -d)
    result = result + (remainder(n) - remainder(r) - remainder_of_count(k)) - mx.log1p(k / r)
    return mx.where(inside, result, -math.inf)


_by_mean = _NegBinomialMean()


@final
class _NegBinomialLogMean(Derived):
    """Negative binomial distribution by the logarithm of its mean, for regressions with a logarithmic link."""

    name = "neg_binomial"
    params = {"log_mean": domains.real, "concentration": domains.positive}  # noqa: RUF012
    discrete = True
    family = _by_mean

    def inner(self, log_mean: Any, concentration: Any) -> tuple[Any, ...]:
        return exp(log_mean), concentration


neg_binomial = NegBinomial()
neg_binomial.alternatives = {
    frozenset({"mean", "concentration"}): _by_mean,
    frozenset({"log_mean", "concentration"}): _NegBinomialLogMean(),
}
