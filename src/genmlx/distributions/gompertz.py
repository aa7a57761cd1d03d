"""The Gompertz distribution."""

import math
from typing import Any, final

import mlx.core as mx
import numpy as np

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import scaled_exponential_integral
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, log, log1p
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Gompertz", "gompertz"]


@final
class Gompertz(Distribution):
    r"""Gompertz distribution: a life time with a hazard (shape / scale) exp(x / scale), which grows from the start.

    $$\log p(x) = \log \frac bc + z - b (e^z - 1), \quad z = \frac xc, \quad x \ge 0.$$

    Mean c e^b E_1(b), with the exponential integral E_1; the variance is an integral over 64 Gauss-Legendre nodes.
    Draws are ``scale log(1 + e / shape)``, e exponential, and differentiable in both parameters.

    Args:
        shape: b, the hazard at 0 in units of 1 / scale, positive.
        scale: c, positive.

    Example:
        >>> round(gompertz(0.5, 2.0).log_prob(1.5).item(), 6)
        -1.194794

    References:
        Gompertz, On the nature of the function expressive of the law of human mortality, Philosophical Transactions of
        the Royal Society 115 (1825).
    """

    name = "gompertz"
    params = {"shape": domains.positive, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("shape", "scale")

    def support(self, shape: Any, scale: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, shape_: Any, scale: Any, shape: Shape) -> Array:
        return scale * log1p(samplers.exponential(key, 1.0, shape) / shape_)

    def log_prob(self, x: Array, shape: Any, scale: Any) -> Array:
        inside = x >= 0.0
        z = mx.minimum(mx.where(inside, x, 0.0) / scale, 1e30)  # at infinity: no inf - inf
        return mx.where(inside, z - shape * expm1(z) + (log(shape) - log(scale)), -math.inf)

    def mean(self, shape: Any, scale: Any) -> Any:
        return scale * scaled_exponential_integral(shape)

    def variance(self, shape: Any, scale: Any) -> Any:
        return (scale * scale) * _variance(shape)

    def entropy(self, shape: Any, scale: Any) -> Any:
        return 1.0 - log(shape) + log(scale) - scaled_exponential_integral(shape)

    def cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return -expm1(-shape * expm1(mx.maximum(x, 0.0) / scale))

    def log_survival(self, x: Array, shape: Any, scale: Any) -> Array:
        return -shape * expm1(mx.maximum(x, 0.0) / scale)

    def quantile(self, q: Array, shape: Any, scale: Any) -> Array:
        return scale * log1p(-log1p(-q) / shape)


_POINTS, _WEIGHTS = (v.astype(np.float32).tolist() for v in np.polynomial.legendre.leggauss(64))


def _variance(b: Any) -> Any:
    """The integral of (z - mean)^2 over z, up to a tail of e^-25."""
    mean = mx.array(scaled_exponential_integral(b))[..., None]
    b = mx.array(b)[..., None]
    reach = log1p(25.0 / b)
    z = reach * (0.5 + 0.5 * mx.array(_POINTS))
    density = b * exp(z - b * expm1(z))
    return mx.sum((0.5 * reach) * (mx.array(_WEIGHTS) * density * mx.square(z - mean)), axis=-1)


gompertz = Gompertz()
