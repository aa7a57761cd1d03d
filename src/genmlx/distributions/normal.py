"""The normal (Gaussian) distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log
from genmlx.numerics.special import log_ndtr, ndtr, ndtri
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Normal", "broadcasted_normal", "gaussian", "normal"]

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@final
class Normal(Distribution):
    r"""Normal distribution with mean ``mu`` and standard deviation ``sigma``.

    $$\log p(x) = -\tfrac12 \left(\frac{x - \mu}{\sigma}\right)^2 - \log \sigma - \tfrac12 \log 2\pi, \quad x \in R.$$

    Mean mu, variance sigma^2. Draws are ``mu + sigma z`` and differentiable in both parameters.

    Args:
        mu: mean, any real number.
        sigma: standard deviation, positive.

    Example:
        >>> round(normal(0.0, 1.0).log_prob(0.5).item(), 6)
        -1.043939
    """

    name = "normal"
    params = {"mu": domains.real, "sigma": domains.positive}  # noqa: RUF012
    pathwise = ("mu", "sigma")

    def support(self, mu: Any, sigma: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, mu: Any, sigma: Any, shape: Shape) -> Array:
        return mu + sigma * mx.random.normal(shape, key=key)

    def log_prob(self, x: Array, mu: Any, sigma: Any) -> Array:
        z = (x - mu) / sigma
        return -0.5 * (z * z) - (log(sigma) + _LOG_SQRT_2PI)

    def mean(self, mu: Any, sigma: Any) -> Any:
        return mu

    def variance(self, mu: Any, sigma: Any) -> Any:
        return sigma * sigma

    def entropy(self, mu: Any, sigma: Any) -> Any:
        return 0.5 + _LOG_SQRT_2PI + log(sigma)

    def cdf(self, x: Array, mu: Any, sigma: Any) -> Array:
        return ndtr((x - mu) / sigma)

    def log_cdf(self, x: Array, mu: Any, sigma: Any) -> Array:
        return log_ndtr((x - mu) / sigma)

    def log_survival(self, x: Array, mu: Any, sigma: Any) -> Array:
        return log_ndtr((mu - x) / sigma)

    def quantile(self, q: Array, mu: Any, sigma: Any) -> Array:
        return mu + sigma * ndtri(q)


normal = Normal()
gaussian = normal
broadcasted_normal = normal
