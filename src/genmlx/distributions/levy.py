"""The Levy distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import EULER, MAX, TINY
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log
from genmlx.numerics.special import HALF_LOG_2PI, ndtr, ndtri
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Levy", "levy"]


@final
class Levy(Distribution):
    r"""Distribution of loc + scale / z^2 with z standard normal: when Brownian motion first passes a level.

    $$\log p(x) = \tfrac12 \log \frac{c}{2\pi} - \tfrac32 \log(x - loc) - \frac{c}{2(x - loc)}, \quad x > loc.$$

    Mean and variance are inf. Draws are differentiable in both parameters.

    Args:
        loc: lower end, any real number.
        scale: c, positive.

    Example:
        >>> round(levy(1.0, 2.0).log_prob(2.5).item(), 6)
        -1.847229
    """

    name = "levy"
    params = {"loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale")

    def support(self, loc: Any, scale: Any) -> Domain:
        return domains.above(loc)

    def sample(self, key: Key, loc: Any, scale: Any, shape: Shape) -> Array:
        z = mx.random.normal(shape, key=key)
        return mx.minimum(loc + scale / mx.maximum(z * z, 1e-37), MAX)

    def log_prob(self, x: Array, loc: Any, scale: Any) -> Array:
        below = x <= loc  # false for NaN, which stays
        z = mx.maximum(mx.where(below, 1.0, x - loc) / scale, TINY)
        return mx.where(below, -math.inf, -1.5 * mx.log(z) - 0.5 / z - (log(scale) + HALF_LOG_2PI))

    def mean(self, loc: Any, scale: Any) -> Any:
        return math.inf

    def variance(self, loc: Any, scale: Any) -> Any:
        return math.inf

    def entropy(self, loc: Any, scale: Any) -> Any:
        return 0.5 * (1.0 + 3.0 * EULER + math.log(16.0 * math.pi)) + log(scale)

    def cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        return 2.0 * ndtr(-mx.sqrt(scale / mx.maximum(x - loc, 0.0)))

    def quantile(self, q: Array, loc: Any, scale: Any) -> Array:
        upper = q > 0.5
        centre = math.sqrt(2.0) * mx.erfinv(mx.where(upper, 1.0 - q, 0.5))
        z = mx.where(upper, centre, ndtri(0.5 * mx.where(upper, 0.5, q)))
        return loc + scale / (z * z)


levy = Levy()
