"""The logistic distribution, and the log-logistic one of its exponential."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import MAX, TINY, finite_above, log_power
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log, log1p
from genmlx.numerics.special import log_sigmoid, logit, softplus
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LogLogistic", "Logistic", "log_logistic", "log_standard_density", "logistic", "standard_logistic"]


@final
class Logistic(Distribution):
    r"""Logistic distribution with mean ``loc`` and scale ``scale``.

    $$\log p(x) = -z - 2 \log(1 + e^{-z}) - \log c, \quad z = \frac{x - loc}{c}, \quad x \in R.$$

    Mean loc, variance pi^2 c^2 / 3. Draws are ``loc + scale log(u / (1 - u))`` and differentiable in both parameters.

    Args:
        loc: mean, any real number.
        scale: c, positive.

    Example:
        >>> round(logistic(1.0, 2.0).log_prob(0.5).item(), 6)
        -2.095026

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 23.
    """

    name = "logistic"
    params = {"loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale")

    def support(self, loc: Any, scale: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, loc: Any, scale: Any, shape: Shape) -> Array:
        return loc + scale * standard_logistic(key, shape)

    def log_prob(self, x: Array, loc: Any, scale: Any) -> Array:
        return log_standard_density((x - loc) / scale) - log(scale)

    def mean(self, loc: Any, scale: Any) -> Any:
        return loc

    def variance(self, loc: Any, scale: Any) -> Any:
        return (math.pi * math.pi / 3.0) * (scale * scale)

    def entropy(self, loc: Any, scale: Any) -> Any:
        return log(scale) + 2.0

    def cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        return mx.sigmoid((x - loc) / scale)

    def log_cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        return log_sigmoid((x - loc) / scale)

    def log_survival(self, x: Array, loc: Any, scale: Any) -> Array:
        return log_sigmoid((loc - x) / scale)

    def quantile(self, q: Array, loc: Any, scale: Any) -> Array:
        return loc + scale * logit(q)


@final
class LogLogistic(Distribution):
    r"""Distribution of e^y with y logistic: odds raised to the power 1 / ``shape``, times ``scale``.

    $$\log p(x) = \log \frac kc + (k - 1) \log \frac xc - 2 \log\left(1 + \left(\frac xc\right)^k\right), \quad x > 0.$$

    At x = 0 the density is the limit: +inf for a shape below 1, 1 / scale for shape 1, 0 above. With b = pi / k the
    mean is c b / sin b for k > 1, else inf, the variance c^2 (2b / sin 2b - (b / sin b)^2) for k > 2, else inf. Draws
    are ``scale (u / (1 - u))^(1 / shape)`` and differentiable in both parameters.

    Args:
        shape: k, positive.
        scale: c, the median, positive.

    Example:
        >>> round(log_logistic(3.0, 2.0).log_prob(1.5).item(), 6)
        -0.873852

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 23.
    """

    name = "log_logistic"
    params = {"shape": domains.positive, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("shape", "scale")

    def support(self, shape: Any, scale: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, shape_: Any, scale: Any, shape: Shape) -> Array:
        return mx.clip(scale * exp(standard_logistic(key, shape) / shape_), TINY, MAX)

    def log_prob(self, x: Array, shape: Any, scale: Any) -> Array:
        inside = mx.logical_and(x >= 0.0, x < math.inf)
        z = mx.where(inside, x, 1.0) / scale
        odds = softplus(shape * mx.log(mx.maximum(z, TINY)))
        power = log_power(shape - 1.0, z)
        return mx.where(inside, power - 2.0 * odds + (log(shape) - log(scale)), -math.inf)

    def mean(self, shape: Any, scale: Any) -> Any:
        return scale * finite_above(shape, 1.0, _mean)

    def variance(self, shape: Any, scale: Any) -> Any:
        return (scale * scale) * finite_above(shape, 2.0, _variance)

    def entropy(self, shape: Any, scale: Any) -> Any:
        return log(scale) - log(shape) + 2.0

    def cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return mx.sigmoid(shape * mx.log(mx.maximum(x, 0.0) / scale))

    def log_cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return log_sigmoid(shape * mx.log(mx.maximum(x, 0.0) / scale))

    def log_survival(self, x: Array, shape: Any, scale: Any) -> Array:
        return log_sigmoid(-shape * mx.log(mx.maximum(x, 0.0) / scale))

    def quantile(self, q: Array, shape: Any, scale: Any) -> Array:
        return scale * exp(logit(q) / shape)


def log_standard_density(z: Array) -> Array:
    """Log density of location 0 and scale 1, -|z| - 2 log(1 + e^-|z|)."""
    size = mx.maximum(z, -z)  # with a slope at 0, where mx.abs has none
    return -(size + 2.0 * log1p(exp(-size)))


def standard_logistic(key: Key, shape: Shape) -> Array:
    """Draws of location 0 and scale 1: the log odds of a uniform number."""
    return logit(mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33))


def _mean(k: Any) -> Any:
    b = math.pi / k
    return b / (mx.sin(b) if isinstance(b, mx.array) else math.sin(b))


def _variance(k: Any) -> Any:
    """(b / sin b)^2 (tan(b) / b - 1), where the difference of the textbook formula is taken together."""
    b = math.pi / k
    tan = mx.tan(b) if isinstance(b, mx.array) else math.tan(b)
    mean, b2 = _mean(k), b * b
    series = b2 * (1.0 / 3.0 + b2 * (2.0 / 15.0 + b2 * (17.0 / 315.0 + b2 * (62.0 / 2835.0 + b2 * 1382.0 / 155925.0))))
    if isinstance(b, mx.array):
        return mean * mean * mx.where(b < 0.3, series, tan / b - 1.0)
    return mean * mean * (series if b < 0.3 else tan / b - 1.0)


logistic = Logistic()
log_logistic = LogLogistic()
