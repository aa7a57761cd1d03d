"""The Laplace (double exponential) distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log, log1p
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Laplace", "laplace"]

_LOG_2 = math.log(2.0)


@final
class Laplace(Distribution):
    r"""Laplace distribution with median ``loc`` and scale ``scale``.

    $$\log p(x) = -\frac{|x - loc|}{scale} - \log(2\, scale), \quad x \in R.$$

    Mean loc, variance 2 scale^2. Draws are ``loc + scale e``, e exponential with a random sign, and differentiable in
    both parameters.

    Args:
        loc: median, any real number.
        scale: positive.

    Example:
        >>> round(laplace(2.0, 1.0).log_prob(1.0).item(), 6)
        -1.693147
    """

    name = "laplace"
    params = {"loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale")

    def support(self, loc: Any, scale: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, loc: Any, scale: Any, shape: Shape) -> Array:
        return loc + scale * samplers.laplace(key, shape)

    def log_prob(self, x: Array, loc: Any, scale: Any) -> Array:
        return mx.abs(x - loc) / -scale - (log(scale) + _LOG_2)

    def mean(self, loc: Any, scale: Any) -> Any:
        return loc

    def variance(self, loc: Any, scale: Any) -> Any:
        return 2.0 * (scale * scale)

    def entropy(self, loc: Any, scale: Any) -> Any:
        return 1.0 + _LOG_2 + log(scale)

    def cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        z = (x - loc) / scale
        tail = 0.5 * exp(-mx.abs(z))
        return mx.where(z < 0.0, tail, 1.0 - tail)

    def log_cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        z = (x - loc) / scale
        below = z < 0.0
        return mx.where(below, z - _LOG_2, log1p(-0.5 * exp(-mx.where(below, 0.0, z))))

    def log_survival(self, x: Array, loc: Any, scale: Any) -> Array:
        return self.log_cdf(loc - x, 0.0, scale)

    def quantile(self, q: Array, loc: Any, scale: Any) -> Array:
        # 1 - q is exact where it is used.
        below = q < 0.5
        size = mx.log(2.0 * mx.where(below, q, 1.0 - q))
        return loc + scale * mx.where(below, size, -size)


laplace = Laplace()
