"""The Cauchy distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import UsageError
from genmlx.numerics.number import log, log1p
from genmlx.numerics.special.elementary import is_large
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Cauchy", "cauchy", "log1p_square", "no_moment"]

_LOG_PI = math.log(math.pi)
_LOG_4PI = math.log(4.0 * math.pi)


@final
class Cauchy(Distribution):
    r"""Cauchy distribution with median ``loc`` and scale ``scale``.

    $$\log p(x) = -\log(\pi\, scale) - \log\left(1 + \left(\frac{x - loc}{scale}\right)^2\right), \quad x \in R.$$

    No mean and no variance exist. Draws are ``loc + scale t`` and differentiable in both parameters.

    Args:
        loc: median, any real number.
        scale: half the distance of the quartiles, positive.

    Example:
        >>> round(cauchy(0.0, 1.0).log_prob(1.0).item(), 6)
        -1.837877
    """

    name = "cauchy"
    params = {"loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale")

    def support(self, loc: Any, scale: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, loc: Any, scale: Any, shape: Shape) -> Array:
        return loc + scale * samplers.cauchy(key, shape)

    def log_prob(self, x: Array, loc: Any, scale: Any) -> Array:
        return -(log(scale) + _LOG_PI) - log1p_square((x - loc) / scale)

    def mean(self, loc: Any, scale: Any) -> Any:
        raise no_moment(self, "mean")

    def variance(self, loc: Any, scale: Any) -> Any:
        raise no_moment(self, "variance")

    def entropy(self, loc: Any, scale: Any) -> Any:
        return log(scale) + _LOG_4PI

    def cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        # arctan(1/|z|) is the tail; 0.5 + arctan(z) / pi would cancel in the lower one.
        z = (x - loc) / scale
        far = mx.abs(z) > 1.0
        tail = mx.arctan(1.0 / mx.abs(mx.where(far, z, 1.0))) / math.pi
        return mx.where(far, mx.where(z < 0.0, tail, 1.0 - tail), 0.5 + mx.arctan(z) / math.pi)

    def log_survival(self, x: Array, loc: Any, scale: Any) -> Array:
        return mx.log(self.cdf(loc - x, 0.0, scale))

    def quantile(self, q: Array, loc: Any, scale: Any) -> Array:
        below = q < 0.5
        size = 1.0 / mx.tan(math.pi * mx.where(below, q, 1.0 - q))
        return loc + scale * mx.where(below, -size, size)


def log1p_square(z: Array) -> Array:
    """log(1 + z^2), for |z| up to the largest float: z^2 itself overflows at 1.8e19.

    For small arrays its slope is 0 below |z| = 1e-19, where the true one is 2z.
    """
    if z.dtype == mx.float64:
        return log1p(z * z)
    if is_large(z):  # beyond 1e18, where 1 + z^2 is z^2, the rest of the logarithm is that of |z| / 1e18
        inner = mx.clip(z, -1e18, 1e18)
        return log1p(inner * inner) + 2.0 * mx.log(mx.maximum(mx.abs(z) * 1e-18, 1.0))
    return mx.logaddexp(2.0 * mx.log(mx.maximum(mx.abs(z), 1e-19)), 0.0)


def no_moment(family: Distribution, what: str) -> UsageError:
    """The error for a mean or variance that does not exist, so that draws have none to estimate either."""
    return UsageError(
        f"{family.name} has no {what}: the integral diverges",
        fix="a quantile: call.quantile(0.5) is the median, quantile(0.75) - quantile(0.25) a spread",
    )


cauchy = Cauchy()
