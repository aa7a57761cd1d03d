"""The Poisson distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.counts import as_count, counts_below, k_log_ratio, remainder_of_count, smallest_count
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.special import gammainc, gammaincc
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Poisson", "poisson"]


@final
class Poisson(Distribution):
    r"""Poisson distribution with mean ``rate``.

    $$p(x) = \frac{\lambda^x e^{-\lambda}}{x!}, \quad x \in \{0, 1, 2, \dots\}.$$

    Mean and variance lambda. Values are int32. ``poisson(log_rate=l)`` is the same for lambda = e^l, and takes rates
    that underflow. Draws: `genmlx.numerics.samplers.poisson` (inversion below 10, Hoermann's rejection above).

    Args:
        rate: expected count, zero or positive.
        log_rate: its logarithm, any real number; above 88 all densities are -inf (keyword only).

    Example:
        >>> round(poisson(100.0).log_prob(100).item(), 5)
        -3.22236

    References:
        Loader, Fast and accurate computation of binomial probabilities (2000): the form of the log mass.
    """

    name = "poisson"
    params = {"rate": domains.nonnegative}  # noqa: RUF012
    discrete = True

    def support(self, rate: Any) -> Domain:
        return domains.nonnegative_integer

    def sample(self, key: Key, rate: Any, shape: Shape) -> Array:
        return samplers.poisson(key, rate, shape)

    def log_prob(self, x: Array, rate: Any) -> Array:
        k, inside = as_count(x)
        d = rate - k
        return mx.where(inside, k_log_ratio(rate, k, d) - d - remainder_of_count(k), -math.inf)

    def mean(self, rate: Any) -> Any:
        return rate

    def variance(self, rate: Any) -> Any:
        return rate

    def cdf(self, x: Array, rate: Any) -> Array:
        k, below = counts_below(x)
        return mx.where(below, 0.0, gammaincc(k + 1.0, rate))

    def log_survival(self, x: Array, rate: Any) -> Array:
        k, below = counts_below(x)
        return mx.where(below, 0.0, mx.log(gammainc(k + 1.0, rate)))

    def quantile(self, q: Array, rate: Any) -> Array:
        return smallest_count(q, lambda k: self.cdf(k, rate))


@final
class _PoissonLogRate(Distribution):
    """Poisson distribution by the logarithm of its mean."""

    name = "poisson"
    params = {"log_rate": domains.real}  # noqa: RUF012
    discrete = True

    def support(self, log_rate: Any) -> Domain:
        return domains.nonnegative_integer

    def sample(self, key: Key, log_rate: Any, shape: Shape) -> Array:
        return samplers.poisson(key, mx.exp(log_rate), shape)

    def log_prob(self, x: Array, log_rate: Any) -> Array:
        k, inside = as_count(x)
        rate = mx.exp(log_rate)
        d = rate - k
        powers = k_log_ratio(rate, k, d, 1.0, log_rate)
        return mx.where(inside, powers - d - remainder_of_count(k), -math.inf)

    def mean(self, log_rate: Any) -> Any:
        return mx.exp(log_rate)

    def variance(self, log_rate: Any) -> Any:
        return mx.exp(log_rate)

    def cdf(self, x: Array, log_rate: Any) -> Array:
        return poisson.cdf(x, mx.exp(log_rate))

    def quantile(self, q: Array, log_rate: Any) -> Array:
        return poisson.quantile(q, mx.exp(log_rate))


poisson = Poisson()
poisson.alternatives = {frozenset({"log_rate"}): _PoissonLogRate()}
