"""The binomial distribution."""

import functools
import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.counts import as_count, counts_below, k_log_ratio, remainder_of_count, smallest_count
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.special import betainc, betaincc, log_sigmoid, xlog1py, xlogy
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Binomial", "binomial", "is_few", "smaller_difference"]


@final
class Binomial(Distribution):
    r"""Binomial distribution: successes in ``n`` trials of probability ``p``.

    $$p(x) = \binom{n}{x} p^x (1 - p)^{n - x}, \quad x \in \{0, \dots, n\}.$$

    Mean n p, variance n p (1 - p). Values are int32. ``binomial(n, logits=l)`` is the same for p = 1 / (1 + e^-l),
    without going through p. Draws: n coins for a literal n up to 64, else
    `genmlx.numerics.samplers.binomial` (inversion, or Hoermann's rejection).

    Args:
        n: number of trials, an integer, zero or positive.
        p: probability of success, in [0, 1].
        logits: log odds, any real number (keyword only).

    Example:
        >>> round(binomial(10, 0.3).log_prob(3).item(), 5)
        -1.32115

    References:
        Loader, Fast and accurate computation of binomial probabilities (2000): the form of the log mass.
    """

    name = "binomial"
    params = {"n": domains.nonnegative_integer, "p": domains.unit_interval}  # noqa: RUF012
    discrete = True

    def support(self, n: Any, p: Any) -> Domain:
        return domains.integer_interval(0, n)

    def sample(self, key: Key, n: Any, p: Any, shape: Shape) -> Array:
        if is_few(n, shape):
            return _tossed(key, int(n), p, shape)
        return samplers.binomial(key, n, p, shape)

    def log_prob(self, x: Array, n: Any, p: Any) -> Array:
        if _is_small(n):
            k, m, inside, log_ways = _few_trials(x, int(n))
            if isinstance(p, mx.array) or not 0 < p < 1:
                k, m = mx.where(inside, k, 0.0), mx.where(inside, m, 0.0)  # no infinite slope outside
                return mx.where(inside, log_ways + (xlogy(k, p) + xlog1py(m, -p)), -math.inf)
            return mx.where(inside, log_ways + (k * math.log(p) + m * math.log1p(-p)), -math.inf)
        k, m, inside = _as_successes(x, n)
        q = 1.0 - p
        a, b = n * p, n * q
        d = smaller_difference(p, a - k, m - b)
        return mx.where(inside, k_log_ratio(a, k, d) + k_log_ratio(b, m, -d) + _remainders(n, k, m), -math.inf)

    def mean(self, n: Any, p: Any) -> Any:
        return n * p

    def variance(self, n: Any, p: Any) -> Any:
        return n * p * (1.0 - p)

    def cdf(self, x: Array, n: Any, p: Any) -> Array:
        k, below = counts_below(x)
        all_of_them = k >= n
        return mx.where(below, 0.0, mx.where(all_of_them, 1.0, betaincc(k + 1.0, mx.where(all_of_them, 1.0, n - k), p)))

    def log_survival(self, x: Array, n: Any, p: Any) -> Array:
        k, below = counts_below(x)
        all_of_them = k >= n
        tail = betainc(k + 1.0, mx.where(all_of_them, 1.0, n - k), p)
        return mx.where(below, 0.0, mx.log(mx.where(all_of_them, 0.0, tail)))

    def quantile(self, q: Array, n: Any, p: Any) -> Array:
        return smallest_count(q, lambda k: self.cdf(k, n, p), n)


@final
class _BinomialLogits(Distribution):
    """Binomial distribution by log odds."""

    name = "binomial"
    params = {"n": domains.nonnegative_integer, "logits": domains.real}  # noqa: RUF012
    discrete = True

    def support(self, n: Any, logits: Any) -> Domain:
        return domains.integer_interval(0, n)

    def sample(self, key: Key, n: Any, logits: Any, shape: Shape) -> Array:
        if is_few(n, shape):
            return _tossed(key, int(n), mx.sigmoid(logits), shape)
        failures = samplers.binomial(key, n, mx.sigmoid(-mx.abs(logits)), shape)  # of the rarer kind
        return mx.where(logits > 0.0, n - failures, failures).astype(mx.int32)

    def log_prob(self, x: Array, n: Any, logits: Any) -> Array:
        if _is_small(n):
            k, m, inside, log_ways = _few_trials(x, int(n))
            return mx.where(inside, log_ways + (k * log_sigmoid(logits) + m * log_sigmoid(-logits)), -math.inf)
        k, m, inside = _as_successes(x, n)
        p = mx.sigmoid(logits)
        a, b = n * p, n * mx.sigmoid(-logits)
        d = smaller_difference(p, a - k, m - b)
        successes = k_log_ratio(a, k, d, b, logits)
        failures = k_log_ratio(b, m, -d, a, -logits)
        return mx.where(inside, successes + failures + _remainders(n, k, m), -math.inf)

    def mean(self, n: Any, logits: Any) -> Any:
        return n * mx.sigmoid(logits)

    def variance(self, n: Any, logits: Any) -> Any:
        return n * mx.sigmoid(logits) * mx.sigmoid(-logits)

    def cdf(self, x: Array, n: Any, logits: Any) -> Array:
        k, below = counts_below(x)
        all_of_them = k >= n
        m = mx.where(all_of_them, 1.0, n - k)
        rare = mx.array(logits < 0.0)  # of both probabilities, the smaller one has all digits
        p = mx.sigmoid(mx.where(rare, logits, -logits))
        tail = betainc(mx.where(rare, k + 1.0, m), mx.where(rare, m, k + 1.0), p)
        value = mx.where(rare, 1.0 - tail, tail)
        return mx.where(below, 0.0, mx.where(all_of_them, 1.0, value))

    def quantile(self, q: Array, n: Any, logits: Any) -> Array:
        return smallest_count(q, lambda k: self.cdf(k, n, logits), n)


def smaller_difference(p: Any, below: Array, above: Array) -> Array:
    """n p - k, as ``below`` = n p - k or ``above`` = (n - k) - n q: the one with the smaller terms, q = 1 - p."""
    if isinstance(p, mx.array):
        return mx.where(p < 0.5, below, above)
    return below if p < 0.5 else above


# A literal n up to 64 is common and needs a third of the operations: log C(n, k) is in a table (what cancels in the sum
# is at most 45, which float32 has to 2e-6), and a draw is the sum of n coins, where memory allows it.

_SMALL = 64


def _is_small(n: Any) -> bool:
    return not isinstance(n, mx.array) and n <= _SMALL


def is_few(n: Any, shape: Shape) -> bool:
    """Whether to draw trial by trial: a literal number of trials, of at most 64 bytes a value in large batches."""
    return _is_small(n) and (n <= 16 or math.prod(shape) <= 4096)


def _few_trials(x: Array, n: int) -> tuple[Array, Array, Array, Array]:
    """Successes, failures, whether ``x`` is in the support, log C(n, x)."""
    index = mx.stop_gradient(mx.clip(x.astype(mx.int32), 0, n))
    k = index.astype(mx.float32)
    return k, n - k, index == x, mx.take(_log_ways(n), index)


def _tossed(key: Key, n: int, p: Any, shape: Shape) -> Array:
    """Draws by n coins each."""
    u = mx.random.uniform(shape=(*shape, n), key=key)
    return mx.sum(u < (p[..., None] if isinstance(p, mx.array) else p), axis=-1)


@functools.lru_cache(maxsize=_SMALL + 1)
def _log_ways(n: int) -> Array:
    return mx.array([math.log(math.comb(n, k)) for k in range(n + 1)])


def _as_successes(x: Array, n: Any) -> tuple[Array, Array, Array]:
    """Successes, failures (both 0 outside the support: no infinite slope there), whether ``x`` is in the support."""
    k, inside = as_count(x, n)
    if isinstance(n, mx.array) and mx.issubdtype(n.dtype, mx.floating):
        inside = mx.logical_and(inside, mx.floor(n) == n)
    return k, mx.where(inside, n - k, 0.0), inside


def _remainders(n: Any, k: Array, m: Array) -> Array:
    return remainder_of_count(n) - (remainder_of_count(k) + remainder_of_count(m))


binomial = Binomial()
binomial.alternatives = {frozenset({"n", "logits"}): _BinomialLogits()}
