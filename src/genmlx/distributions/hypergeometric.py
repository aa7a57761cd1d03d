"""The hypergeometric distribution: draws without replacement."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.distribution import Distribution, DistributionCall, broadcast_shapes
from genmlx.distributions.counts import as_count, k_log_ratio, remainder_of_count
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import DomainError, UsageError
from genmlx.numerics.number import exp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Hypergeometric", "hypergeometric"]


def hypergeometric(n: Any, successes: Any, total: Any) -> DistributionCall:
    r"""Hypergeometric distribution: successes among ``n`` draws without replacement from a population.

    $$p(x) = \binom{K}{x} \binom{N - K}{n - x} \Big/ \binom{N}{n}, \quad \max(0, n + K - N) \le x \le \min(n, K),$$

    with K successes in a population of N = total. Mean n K / N, variance n (K / N) (1 - K / N) (N - n) / (N - 1).
    Values are int32. A draw is made from the table of all n + 1 log masses.

    Args:
        n: number of draws, an int, zero or positive, at most ``total``; it is the size of the table, hence no array.
        successes: how many in the population are successes, an integer from 0 to ``total``.
        total: size of the population, an integer.

    Returns:
        A call.

    Example:
        >>> round(hypergeometric(5, 7, 20).log_prob(2).item(), 5)
        -0.94834

    References:
        Loader, Fast and accurate computation of binomial probabilities (2000): the form of the log mass.
    """
    return Hypergeometric(n)(successes, total)


@final
class Hypergeometric(Distribution):
    """The hypergeometric distributions with one number of draws; `hypergeometric` makes them.

    Attributes:
        n: the number of draws.
    """

    name = "hypergeometric"
    params = {"successes": domains.nonnegative_integer, "total": domains.nonnegative_integer}  # noqa: RUF012
    discrete = True

    def __init__(self, n: Any) -> None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise UsageError(f"n is an int, zero or positive; found {n!r}", fix="hypergeometric(5, 7, 20)")
        self.n = n

    def check(self, params: tuple[Any, ...]) -> None:
        super().check(params)
        successes, total = params
        if not isinstance(successes, mx.array) and not isinstance(total, mx.array):
            if total < max(successes, self.n):
                raise DomainError(
                    f"parameter 'total' of {self.name} must be at least n and at least successes, found {total}"
                )
        elif execution.is_validating():
            successes, total = mx.array(successes), mx.array(total)
            total = mx.broadcast_to(total, broadcast_shapes(successes.shape, total.shape))
            self._check_array("total", domains.lower_bounded(mx.maximum(successes, self.n)), total)

    def support(self, successes: Any, total: Any) -> Domain:
        successes, total = mx.array(successes), mx.array(total)
        return domains.integer_interval(mx.maximum(self.n + successes - total, 0), mx.minimum(successes, self.n))

    def sample(self, key: Key, successes: Any, total: Any, shape: Shape) -> Array:
        log_masses = self.log_prob(mx.arange(self.n + 1), _column(successes), _column(total))
        return samplers.from_table(key, exp(log_masses), shape)

    def log_prob(self, x: Array, successes: Any, total: Any) -> Array:
        n = self.n
        successes, total = _as_float(successes), _as_float(total)
        k, inside = as_count(x, n)
        others = total - successes
        inside = mx.logical_and(inside, mx.logical_and(k <= successes, n - k <= others))
        for count in (successes, total):
            inside = mx.logical_and(inside, mx.floor(count) == count)
        # The table of four counts, and for each its expectation a and a - count, which is e or -e.
        counts = [mx.where(inside, c, 0.0) for c in (k, successes - k, n - k, others - (n - k))]
        part = n / mx.maximum(total, 1.0)
        rest = (total - n) / mx.maximum(total, 1.0)
        e = successes * part - k
        expected = [successes * part, successes * rest, others * part, others * rest]
        result = remainder_of_count(float(n)) - remainder_of_count(mx.maximum(total, 0.0))
        for margin in (successes, others, total - n):
            result = result + remainder_of_count(mx.maximum(margin, 0.0))
        for count, a, d in zip(counts, expected, (e, -e, -e, e), strict=True):
            result = result + k_log_ratio(a, count, d) - remainder_of_count(count)
        return mx.where(inside, result, -math.inf)

    def mean(self, successes: Any, total: Any) -> Any:
        return self.n * (_as_float(successes) / mx.maximum(total, 1.0))

    def variance(self, successes: Any, total: Any) -> Any:
        total = _as_float(total)
        p = _as_float(successes) / mx.maximum(total, 1.0)
        return self.n * p * (1.0 - p) * ((total - self.n) / mx.maximum(total - 1.0, 1.0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hypergeometric) and self.n == other.n

    def __hash__(self) -> int:
        return hash((Hypergeometric, self.n))


def _as_float(count: Any) -> Array:
    return count.astype(mx.float32) if isinstance(count, mx.array) else mx.array(float(count))


def _column(count: Any) -> Any:
    return count[..., None] if isinstance(count, mx.array) else count
