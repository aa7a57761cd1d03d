"""The skew-normal distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log, sqrt
from genmlx.numerics.special import HALF_LOG_2PI, log_ndtr, ndtr
from genmlx.numerics.special.owens import owens_t
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["SkewNormal", "skew_normal"]

_LOG_2 = math.log(2.0)


@final
class SkewNormal(Distribution):
    r"""Azzalini's skew-normal distribution; the normal with mean ``loc`` for ``alpha`` = 0.

    $$\log p(x) = \log 2 - \tfrac12 z^2 - \tfrac12 \log 2\pi - \log c + \log \Phi(\alpha z),
    \quad z = \frac{x - loc}{c}.$$

    With d = alpha / sqrt(1 + alpha^2) the mean is loc + c d sqrt(2/pi), the variance c^2 (1 - 2 d^2 / pi). Draws are
    ``loc + scale (alpha |u| + v) / sqrt(1 + alpha^2)``, u and v normal, and differentiable in all parameters.

    Args:
        loc: any real number.
        scale: c, positive.
        alpha: skewness, any real number.

    Example:
        >>> round(skew_normal(1.0, 2.0, 3.0).log_prob(0.5).item(), 6)
        -2.434637

    References:
        Azzalini, A class of distributions which includes the normal ones, Scandinavian Journal of Statistics 12 (1985).
    """

    name = "skew_normal"
    params = {"loc": domains.real, "scale": domains.positive, "alpha": domains.real}  # noqa: RUF012
    pathwise = ("loc", "scale", "alpha")

    def support(self, loc: Any, scale: Any, alpha: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, loc: Any, scale: Any, alpha: Any, shape: Shape) -> Array:
        k_u, k_v = mx.random.split(key)
        u, v = mx.abs(mx.random.normal(shape, key=k_u)), mx.random.normal(shape, key=k_v)
        return loc + scale * ((alpha * u + v) / sqrt(1.0 + alpha * alpha))

    def log_prob(self, x: Array, loc: Any, scale: Any, alpha: Any) -> Array:
        z = (x - loc) / scale
        tilt = log_ndtr(alpha * mx.clip(z, -1e15, 1e15))  # at infinity: no 0 * inf
        return tilt - 0.5 * (z * z) - (log(scale) + (HALF_LOG_2PI - _LOG_2) + 0.0 * alpha)  # NaN for infinite alpha

    def mean(self, loc: Any, scale: Any, alpha: Any) -> Any:
        return loc + scale * (math.sqrt(2.0 / math.pi) * alpha / sqrt(1.0 + alpha * alpha))

    def variance(self, loc: Any, scale: Any, alpha: Any) -> Any:
        return (scale * scale) * ((1.0 + (1.0 - 2.0 / math.pi) * (alpha * alpha)) / (1.0 + alpha * alpha))

    def cdf(self, x: Array, loc: Any, scale: Any, alpha: Any) -> Array:
        z = mx.clip((x - loc) / scale, -40.0, 40.0)
        return mx.clip(ndtr(z) - 2.0 * owens_t(z, alpha), 0.0, 1.0)


skew_normal = SkewNormal()
