"""The normal distribution of vectors with sum 0."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import UsageError
from genmlx.numerics.number import log
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["ZeroSumNormal", "zero_sum_normal"]


def zero_sum_normal(n: Any, sigma: Any) -> DistributionCall:
    r"""Vectors of ``n`` independent normal numbers, given that their sum is 0: effects beside an intercept.

    $$\log p(x) = -\tfrac1{2\sigma^2} \sum_{i=1}^n x_i^2 - (n - 1) (\log \sigma + \tfrac12 \log 2\pi) + \tfrac12 \log n,
    \quad \sum_i x_i = 0,$$

    with respect to the first n - 1 components. A draw is sigma (z - mean(z)), z standard normal, and differentiable.
    Mean 0, variance sigma^2 (1 - 1/n), covariance of two components -sigma^2 / n.

    Args:
        n: number of components, a Python int, at least 2.
        sigma: standard deviation before the mean is taken off, positive.

    Returns:
        A call.

    Example:
        >>> round(zero_sum_normal(3, 2.0).log_prob([1.0, 0.5, -1.5]).item(), 5)
        -3.11237
    """
    return ZeroSumNormal(n)(sigma)


@final
class ZeroSumNormal(Distribution):
    """The normal distributions of vectors of one length with sum 0; `zero_sum_normal` makes them.

    Attributes:
        n: the length.
    """

    name = "zero_sum_normal"
    params = {"sigma": domains.positive}  # noqa: RUF012
    pathwise = ("sigma",)
    event_ndim = 1

    def __init__(self, n: Any) -> None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 2:
            raise UsageError(
                f"n is an int of at least 2, since the shape of values depends on it; found {n!r}",
                fix="zero_sum_normal(4, 1.0)",
            )
        self.n = n

    def event_shape(self, *params: Any) -> Shape:
        return (self.n,)

    def support(self, sigma: Any) -> Domain:
        return domains.zero_sum

    def sample(self, key: Key, sigma: Any, shape: Shape) -> Array:
        z = mx.random.normal((*shape, self.n), key=key)
        for _ in range(2):  # the second time takes off the rounding of the first, where all z are nearly equal
            z = z - mx.mean(z, axis=-1, keepdims=True)
        return _column(sigma) * z

    def log_prob(self, x: Array, sigma: Any) -> Array:
        squares = mx.sum(mx.square(x / _column(sigma)), axis=-1)
        constant = 0.5 * math.log(self.n) - (self.n - 1.0) * (log(sigma) + HALF_LOG_2PI)
        return mx.where(domains.zero_sum.contains(x), constant - 0.5 * squares, -math.inf)

    def mean(self, sigma: Any) -> Any:
        return 0.0

    def variance(self, sigma: Any) -> Any:
        return (1.0 - 1.0 / self.n) * _column(sigma * sigma)

    def entropy(self, sigma: Any) -> Any:
        return (self.n - 1.0) * (log(sigma) + (HALF_LOG_2PI + 0.5)) - 0.5 * math.log(self.n)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZeroSumNormal) and self.n == other.n

    def __hash__(self) -> int:
        return hash((ZeroSumNormal, self.n))


def _column(sigma: Any) -> Any:
    """sigma beside vectors."""
    return sigma[..., None] if isinstance(sigma, mx.array) else sigma
