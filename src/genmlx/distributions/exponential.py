"""The exponential distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import expm1, log, log1p
from genmlx.numerics.special import log1mexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Exponential", "exponential"]


@final
class Exponential(Distribution):
    r"""Exponential distribution with rate ``rate``.

    $$\log p(x) = \log \lambda - \lambda x, \quad x \ge 0.$$

    Mean 1/rate, variance 1/rate^2. Draws are ``-log(u) / rate`` and differentiable in the rate.

    Args:
        rate: positive.

    Example:
        >>> round(exponential(2.0).log_prob(3.0).item(), 6)
        -5.306853
    """

    name = "exponential"
    params = {"rate": domains.positive}  # noqa: RUF012
    pathwise = ("rate",)

    def support(self, rate: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, rate: Any, shape: Shape) -> Array:
        return samplers.exponential(key, 1.0, shape) / rate

    def log_prob(self, x: Array, rate: Any) -> Array:
        return mx.where(x >= 0.0, log(rate) - rate * x, -math.inf)

    def mean(self, rate: Any) -> Any:
        return 1.0 / rate

    def variance(self, rate: Any) -> Any:
        return 1.0 / (rate * rate)

    def entropy(self, rate: Any) -> Any:
        return 1.0 - log(rate)

    def cdf(self, x: Array, rate: Any) -> Array:
        return -expm1(-rate * mx.maximum(x, 0.0))

    def log_cdf(self, x: Array, rate: Any) -> Array:
        return log1mexp(rate * mx.maximum(x, 0.0))

    def log_survival(self, x: Array, rate: Any) -> Array:
        return -rate * mx.maximum(x, 0.0)

    def quantile(self, q: Array, rate: Any) -> Array:
        return -log1p(-q) / rate


exponential = Exponential()
