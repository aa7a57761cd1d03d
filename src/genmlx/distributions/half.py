"""Half-normal and half-Cauchy: the absolute values of a normal and a Cauchy variable around 0."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.cauchy import log1p_square, no_moment
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log, log1p
from genmlx.numerics.special import log_ndtr, ndtr, ndtri_exp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["HalfCauchy", "HalfNormal", "half_cauchy", "half_normal"]

_LOG_2 = math.log(2.0)
_HALF_LOG_HALF_PI = 0.5 * math.log(0.5 * math.pi)
_LOG_HALF_PI = math.log(0.5 * math.pi)


@final
class HalfNormal(Distribution):
    r"""Distribution of the absolute value of a normal variable with mean 0 and standard deviation ``sigma``.

    $$\log p(x) = -\frac{x^2}{2\sigma^2} - \log \sigma + \tfrac12 \log \tfrac2\pi, \quad x \ge 0.$$

    Mean sigma sqrt(2/pi), variance sigma^2 (1 - 2/pi). Draws are ``sigma |z|`` and differentiable in sigma.

    Args:
        sigma: standard deviation of the whole normal variable, positive.

    Example:
        >>> round(half_normal(1.0).log_prob(0.5).item(), 6)
        -0.350791
    """

    name = "half_normal"
    params = {"sigma": domains.positive}  # noqa: RUF012
    pathwise = ("sigma",)

    def support(self, sigma: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, sigma: Any, shape: Shape) -> Array:
        return sigma * mx.abs(mx.random.normal(shape, key=key))

    def log_prob(self, x: Array, sigma: Any) -> Array:
        z = x / sigma
        return mx.where(x >= 0.0, -0.5 * (z * z) - (log(sigma) + _HALF_LOG_HALF_PI), -math.inf)

    def mean(self, sigma: Any) -> Any:
        return math.sqrt(2.0 / math.pi) * sigma

    def variance(self, sigma: Any) -> Any:
        return (1.0 - 2.0 / math.pi) * (sigma * sigma)

    def entropy(self, sigma: Any) -> Any:
        return 0.5 + _HALF_LOG_HALF_PI + log(sigma)

    def cdf(self, x: Array, sigma: Any) -> Array:
        return 1.0 - 2.0 * ndtr(-mx.maximum(x, 0.0) / sigma)

    def log_survival(self, x: Array, sigma: Any) -> Array:
        return _LOG_2 + log_ndtr(-mx.maximum(x, 0.0) / sigma)

    def quantile(self, q: Array, sigma: Any) -> Array:
        upper = q > 0.5
        centre = math.sqrt(2.0) * mx.erfinv(mx.where(upper, 0.5, q))
        return sigma * mx.where(upper, -ndtri_exp(log1p(-q) - _LOG_2), centre)


@final
class HalfCauchy(Distribution):
    r"""Distribution of the absolute value of a Cauchy variable with median 0 and scale ``scale``.

    $$\log p(x) = \log\frac{2}{\pi\, scale} - \log\left(1 + \frac{x^2}{scale^2}\right), \quad x \ge 0.$$

    The median is ``scale``; no mean and no variance exist. Draws are ``scale |t|`` and differentiable in the scale.

    Args:
        scale: median, positive.

    Example:
        >>> round(half_cauchy(5.0).log_prob(5.0).item(), 6)
        -2.754168
    """

    name = "half_cauchy"
    params = {"scale": domains.positive}  # noqa: RUF012
    pathwise = ("scale",)

    def support(self, scale: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, scale: Any, shape: Shape) -> Array:
        return scale * mx.abs(samplers.cauchy(key, shape))

    def log_prob(self, x: Array, scale: Any) -> Array:
        return mx.where(x >= 0.0, -(log(scale) + _LOG_HALF_PI) - log1p_square(x / scale), -math.inf)

    def mean(self, scale: Any) -> Any:
        raise no_moment(self, "mean")

    def variance(self, scale: Any) -> Any:
        raise no_moment(self, "variance")

    def entropy(self, scale: Any) -> Any:
        return log(scale) + math.log(2.0 * math.pi)

    def cdf(self, x: Array, scale: Any) -> Array:
        z = mx.maximum(x, 0.0) / scale
        far = z > 1.0
        tail = mx.arctan(1.0 / mx.where(far, z, 1.0))
        return mx.where(far, 1.0 - (2.0 / math.pi) * tail, (2.0 / math.pi) * mx.arctan(z))

    def log_survival(self, x: Array, scale: Any) -> Array:
        # 2/π atan(1/z), by the fraction that does not overflow.
        return mx.log((2.0 / math.pi) * mx.arctan2(mx.array(scale), mx.maximum(x, 0.0)))

    def quantile(self, q: Array, scale: Any) -> Array:
        far = q > 0.5
        t = mx.tan((0.5 * math.pi) * mx.where(far, 1.0 - q, q))
        return scale * mx.where(far, 1.0 / t, t)


half_normal = HalfNormal()
half_cauchy = HalfCauchy()
