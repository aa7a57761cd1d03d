"""The uniform distribution on an interval."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.bounds import check_order
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Uniform", "uniform"]


@final
class Uniform(Distribution):
    r"""Uniform distribution on [``lo``, ``hi``].

    $$p(x) = \frac{1}{hi - lo}, \quad lo \le x \le hi.$$

    Mean (lo + hi) / 2, variance (hi - lo)^2 / 12. Draws are ``lo + (hi - lo) u`` and differentiable in both bounds.

    Args:
        lo: lower bound, any real number.
        hi: upper bound, a real number above ``lo``.

    Example:
        >>> round(uniform(-1.0, 3.0).log_prob(0.5).item(), 6)
        -1.386294
    """

    name = "uniform"
    params = {"lo": domains.real, "hi": domains.real}  # noqa: RUF012
    pathwise = ("lo", "hi")

    def support(self, lo: Any, hi: Any) -> Domain:
        return domains.interval(lo, hi)

    def check(self, params: tuple[Any, ...]) -> None:
        super().check(params)
        check_order(self, *params)

    def sample(self, key: Key, lo: Any, hi: Any, shape: Shape) -> Array:
        # Rounding may reach hi, which belongs to the support, and with huge bounds step beyond it.
        return mx.minimum(lo + (hi - lo) * mx.random.uniform(shape=shape, key=key), hi)

    def log_prob(self, x: Array, lo: Any, hi: Any) -> Array:
        inside = mx.logical_and(x >= lo, x <= hi)
        width = hi - lo
        if isinstance(width, mx.array):
            inside = mx.logical_and(inside, width > 0.0)  # lo = hi would give +inf
        return mx.where(inside, -log(width), -math.inf)

    def mean(self, lo: Any, hi: Any) -> Any:
        return 0.5 * (lo + hi)

    def variance(self, lo: Any, hi: Any) -> Any:
        return (hi - lo) * (hi - lo) / 12.0

    def entropy(self, lo: Any, hi: Any) -> Any:
        return log(hi - lo)

    def cdf(self, x: Array, lo: Any, hi: Any) -> Array:
        return mx.clip((x - lo) / (hi - lo), 0.0, 1.0)

    def quantile(self, q: Array, lo: Any, hi: Any) -> Array:
        return lo + (hi - lo) * q


uniform = Uniform()
