"""The Gompertz distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import EULER
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Gompertz", "gompertz"]


@final
class Gompertz(Distribution):
    r"""Gompertz distribution: a life time with a hazard (shape / scale) exp(x / scale), which grows from the start.

    $$\log p(x) = \log \frac bc + z - b (e^z - 1), \quad z = \frac xc, \quad x \ge 0.$$

    Mean c e^b E_1(b), with the exponential integral E_1. Draws are ``scale log(1 + e / shape)``, e exponential, and
    differentiable in both parameters.

    Args:
        shape: b, the hazard at 0 in units of 1 / scale, positive.
        scale: c, positive.

    Example:
        >>> round(gompertz(0.5, 2.0).log_prob(1.5).item(), 6)
        -1.194794
    """

    name = "gompertz"
    params = {"shape": domains.positive, "scale": domains.positive}  # noqa: RUF012

    def support(self, shape: Any, scale: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, shape_: Any, scale: Any, shape: Shape) -> Array:
        return scale * mx.log1p(samplers.exponential(key, 1.0, shape) / shape_)

    def log_prob(self, x: Array, shape: Any, scale: Any) -> Array:
        inside = x >= 0.0
        z = mx.minimum(mx.where(inside, x, 0.0) / scale, 1e30)  # at infinity: no inf - inf
        return mx.where(inside, z - shape * mx.expm1(z) + (log(shape) - log(scale)), -math.inf)

    def mean(self, shape: Any, scale: Any) -> Any:
        return scale * _scaled_exponential_integral(shape)

    def entropy(self, shape: Any, scale: Any) -> Any:
        return 1.0 - log(shape) + log(scale) - _scaled_exponential_integral(shape)

    def cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return -mx.expm1(-shape * mx.expm1(mx.maximum(x, 0.0) / scale))

    def quantile(self, q: Array, shape: Any, scale: Any) -> Array:
        return scale * mx.log1p(-mx.log1p(-q) / shape)


def _scaled_exponential_integral(b: Any) -> Any:
    """e^b E_1(b): the power series below 1, above the continued fraction (Abramowitz and Stegun 5.1.11 and 5.1.22)."""
    if not isinstance(b, mx.array):
        return exp(b) * _series(b) if b < 1.0 else _fraction(b)
    small = b < 1.0
    near = mx.where(small, b, 1.0)
    return mx.where(small, mx.exp(near) * _series(near), _fraction(mx.where(small, 1.0, b)))


def _series(b: Any) -> Any:
    total = 0.0
    for n in range(12, 0, -1):
        total = b * ((-1.0) ** (n + 1) / (n * math.factorial(n)) + total)
    return total - EULER - log(b)


def _fraction(b: Any) -> Any:
    tail = 0.0
    for n in range(40, 0, -1):
        tail = (n * n) / (b + (2.0 * n + 1.0) - tail)
    return 1.0 / (b + 1.0 - tail)


gompertz = Gompertz()
