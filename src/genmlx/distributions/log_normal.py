"""The log-normal distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, log
from genmlx.numerics.special import log_ndtr, ndtr, ndtri
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LogNormal", "log_normal"]

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@final
class LogNormal(Distribution):
    r"""Distribution of e^y with y normal of mean ``mu`` and standard deviation ``sigma``.

    $$\log p(x) = -\tfrac12 \left(\frac{\log x - \mu}{\sigma}\right)^2 - \log x - \log \sigma - \tfrac12 \log 2\pi,
    \quad x > 0.$$

    Mean exp(mu + sigma^2 / 2), variance (exp(sigma^2) - 1) mean^2. Draws are ``exp(mu + sigma z)`` and differentiable
    in both parameters.

    Args:
        mu: mean of the logarithm, any real number.
        sigma: standard deviation of the logarithm, positive.

    Example:
        >>> round(log_normal(0.0, 1.0).log_prob(1.0).item(), 6)
        -0.918939
    """

    name = "log_normal"
    params = {"mu": domains.real, "sigma": domains.positive}  # noqa: RUF012
    pathwise = ("mu", "sigma")

    def support(self, mu: Any, sigma: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, mu: Any, sigma: Any, shape: Shape) -> Array:
        return exp(mu + sigma * mx.random.normal(shape, key=key))

    def log_prob(self, x: Array, mu: Any, sigma: Any) -> Array:
        inside = x > 0.0
        y = mx.log(mx.where(inside, x, 1.0))
        z = (y - mu) / sigma
        return mx.where(inside, -0.5 * (z * z) - y - (log(sigma) + _LOG_SQRT_2PI), -math.inf)

    def mean(self, mu: Any, sigma: Any) -> Any:
        return exp(mu + 0.5 * (sigma * sigma))

    def variance(self, mu: Any, sigma: Any) -> Any:
        square = sigma * sigma
        return expm1(square) * exp(2.0 * mu + square)

    def entropy(self, mu: Any, sigma: Any) -> Any:
        return mu + log(sigma) + (0.5 + _LOG_SQRT_2PI)

    def cdf(self, x: Array, mu: Any, sigma: Any) -> Array:
        return ndtr((mx.log(mx.maximum(x, 0.0)) - mu) / sigma)

    def log_cdf(self, x: Array, mu: Any, sigma: Any) -> Array:
        return log_ndtr((mx.log(mx.maximum(x, 0.0)) - mu) / sigma)

    def log_survival(self, x: Array, mu: Any, sigma: Any) -> Array:
        return log_ndtr((mu - mx.log(mx.maximum(x, 0.0))) / sigma)

    def quantile(self, q: Array, mu: Any, sigma: Any) -> Array:
        return exp(mu + sigma * ndtri(q))


log_normal = LogNormal()
