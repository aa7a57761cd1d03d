"""The Weibull distribution and its special case, the Rayleigh distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import EULER, MAX, TINY, log_gamma_ratio, log_power
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, lgamma, log, log1p
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Rayleigh", "Weibull", "rayleigh", "weibull"]


@final
class Weibull(Distribution):
    r"""Weibull distribution with shape ``shape`` and scale ``scale``: a power of an exponential variable.

    $$\log p(x) = \log \frac kc + (k - 1) \log \frac xc - \left(\frac xc\right)^k, \quad x > 0.$$

    At x = 0 the density is the limit: +inf for a shape below 1, 1 / scale for shape 1, 0 above.
    Mean c Gamma(1 + 1/k), variance c^2 (Gamma(1 + 2/k) - Gamma(1 + 1/k)^2). Draws are ``scale e^(1/shape)``, e
    exponential, and differentiable in both parameters.

    Args:
        shape: k, positive.
        scale: c, positive.

    Example:
        >>> round(weibull(1.5, 2.0).log_prob(1.0).item(), 6)
        -0.987809

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), chapter 21.
    """

    name = "weibull"
    params = {"shape": domains.positive, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("shape", "scale")

    def support(self, shape: Any, scale: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, shape_: Any, scale: Any, shape: Shape) -> Array:
        power = exp(mx.log(samplers.exponential(key, 1.0, shape)) / shape_)
        return mx.clip(scale * power, TINY, MAX)

    def log_prob(self, x: Array, shape: Any, scale: Any) -> Array:
        inside = mx.logical_and(x >= 0.0, x < math.inf)
        z = mx.where(inside, x, 1.0) / scale
        t = exp(shape * mx.log(mx.maximum(z, TINY)))
        power = log_power(shape - 1.0, z)
        return mx.where(inside, power - t + (log(shape) - log(scale)), -math.inf)

    def mean(self, shape: Any, scale: Any) -> Any:
        return scale * exp(lgamma(1.0 + 1.0 / shape))

    def variance(self, shape: Any, scale: Any) -> Any:
        mean = self.mean(shape, scale)
        return mean * mean * expm1(log_gamma_ratio(1.0 / shape))

    def entropy(self, shape: Any, scale: Any) -> Any:
        return EULER * (1.0 - 1.0 / shape) + 1.0 + log(scale) - log(shape)

    def cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return -expm1(-exp(shape * mx.log(mx.maximum(x, 0.0) / scale)))

    def log_survival(self, x: Array, shape: Any, scale: Any) -> Array:
        return -exp(shape * mx.log(mx.maximum(x, 0.0) / scale))

    def quantile(self, q: Array, shape: Any, scale: Any) -> Array:
        return scale * exp(mx.log(-log1p(-q)) / shape)


@final
class Rayleigh(Distribution):
    r"""Rayleigh distribution: the length of a plane normal vector with standard deviation ``scale`` in each direction.

    $$\log p(x) = \log x - 2 \log \sigma - \frac{x^2}{2 \sigma^2}, \quad x > 0.$$

    Mean sigma sqrt(pi/2), variance sigma^2 (2 - pi/2). Draws are ``scale sqrt(2 e)``, e exponential, and differentiable
    in the scale.

    Args:
        scale: sigma, positive.

    Example:
        >>> round(rayleigh(2.0).log_prob(1.5).item(), 6)
        -1.262079

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), chapter 18.
    """

    name = "rayleigh"
    params = {"scale": domains.positive}  # noqa: RUF012
    pathwise = ("scale",)

    def support(self, scale: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, scale: Any, shape: Shape) -> Array:
        return scale * mx.sqrt(2.0 * samplers.exponential(key, 1.0, shape))

    def log_prob(self, x: Array, scale: Any) -> Array:
        inside = x > 0.0
        z = mx.minimum(mx.where(inside, x, 1.0) / scale, MAX)  # infinity gets -inf from its square
        return mx.where(inside, mx.log(z) - 0.5 * (z * z) - log(scale), -math.inf)

    def mean(self, scale: Any) -> Any:
        return math.sqrt(0.5 * math.pi) * scale

    def variance(self, scale: Any) -> Any:
        return (2.0 - 0.5 * math.pi) * (scale * scale)

    def entropy(self, scale: Any) -> Any:
        return 1.0 + 0.5 * EULER - 0.5 * math.log(2.0) + log(scale)

    def cdf(self, x: Array, scale: Any) -> Array:
        z = mx.maximum(x, 0.0) / scale
        return -expm1(-0.5 * (z * z))

    def log_survival(self, x: Array, scale: Any) -> Array:
        z = mx.maximum(x, 0.0) / scale
        return -0.5 * (z * z)

    def quantile(self, q: Array, scale: Any) -> Array:
        return scale * mx.sqrt(-2.0 * log1p(-q))


weibull = Weibull()
rayleigh = Rayleigh()
