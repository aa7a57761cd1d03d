"""The logit-normal distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import TINY
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log, log1p
from genmlx.numerics.special import HALF_LOG_2PI, ndtr, ndtri
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LogitNormal", "logit_normal"]

_BELOW_ONE = 1.0 - 2.0**-24


@final
class LogitNormal(Distribution):
    r"""Distribution of 1 / (1 + e^-y) with y normal of mean ``mu`` and standard deviation ``sigma``.

    $$\log p(x) = -\tfrac12 \left(\frac{\log\frac{x}{1 - x} - \mu}{\sigma}\right)^2 - \log x(1 - x) - \log \sigma
    - \tfrac12 \log 2\pi, \quad 0 < x < 1.$$

    The median is 1 / (1 + e^-mu); mean and variance have no closed form. Draws are differentiable in both parameters.

    Args:
        mu: mean of the log odds, any real number.
        sigma: standard deviation of the log odds, positive.

    Example:
        >>> round(logit_normal(0.5, 2.0).log_prob(0.25).item(), 6)
        -0.257554

    References:
        Aitchison and Shen, Logistic-normal distributions: some properties and uses, Biometrika 67 (1980).
    """

    name = "logit_normal"
    params = {"mu": domains.real, "sigma": domains.positive}  # noqa: RUF012
    pathwise = ("mu", "sigma")

    def support(self, mu: Any, sigma: Any) -> Domain:
        return domains.unit_interval

    def sample(self, key: Key, mu: Any, sigma: Any, shape: Shape) -> Array:
        return mx.clip(mx.sigmoid(mu + sigma * mx.random.normal(shape, key=key)), TINY, _BELOW_ONE)

    def log_prob(self, x: Array, mu: Any, sigma: Any) -> Array:
        inside = mx.logical_and(x > 0.0, x < 1.0)
        y = mx.where(inside, x, 0.5)
        left, right = mx.log(y), log1p(-y)
        z = ((left - right) - mu) / sigma
        return mx.where(inside, -0.5 * (z * z) - (left + right) - (log(sigma) + HALF_LOG_2PI), -math.inf)

    def cdf(self, x: Array, mu: Any, sigma: Any) -> Array:
        y = mx.clip(x, 0.0, 1.0)
        return ndtr(((mx.log(y) - log1p(-y)) - mu) / sigma)

    def quantile(self, q: Array, mu: Any, sigma: Any) -> Array:
        return mx.sigmoid(mu + sigma * ndtri(q))


logit_normal = LogitNormal()
