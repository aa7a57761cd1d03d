"""The Frechet (inverse Weibull) distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import EULER, MAX, TINY, finite_above, log_gamma_ratio
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, lgamma, log, log1p
from genmlx.numerics.special import log1mexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Frechet", "frechet"]


@final
class Frechet(Distribution):
    r"""Frechet distribution of maxima with a tail exponent ``shape``: of 1/y with y Weibull.

    $$\log p(x) = \log \frac ac - (a + 1) \log \frac xc - \left(\frac xc\right)^{-a}, \quad x > 0.$$

    Mean c Gamma(1 - 1/a) for a > 1, else inf; variance c^2 (Gamma(1 - 2/a) - Gamma(1 - 1/a)^2) for a > 2, else inf.
    Draws are ``scale e^(-1 / shape)``, e exponential, and differentiable in both parameters.

    Args:
        shape: a, positive.
        scale: c, positive.

    Example:
        >>> round(frechet(3.0, 2.0).log_prob(1.5).item(), 6)
        -0.814177

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 22.
    """

    name = "frechet"
    params = {"shape": domains.positive, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("shape", "scale")

    def support(self, shape: Any, scale: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, shape_: Any, scale: Any, shape: Shape) -> Array:
        # -log(1 - u) is fine where it is small, which is where the draw is large.
        e = -log1p(-mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33))
        return mx.clip(scale * exp(mx.log(e) / -shape_), TINY, MAX)

    def log_prob(self, x: Array, shape: Any, scale: Any) -> Array:
        inside = x > 0.0
        y = mx.log(mx.maximum(mx.where(inside, x, 1.0) / scale, TINY))
        return mx.where(inside, (log(shape) - log(scale)) - (shape + 1.0) * y - exp(-shape * y), -math.inf)

    def mean(self, shape: Any, scale: Any) -> Any:
        return scale * finite_above(shape, 1.0, _mean)

    def variance(self, shape: Any, scale: Any) -> Any:
        return (scale * scale) * finite_above(shape, 2.0, _variance)

    def entropy(self, shape: Any, scale: Any) -> Any:
        return 1.0 + EULER * (1.0 + 1.0 / shape) + log(scale) - log(shape)

    def cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return exp(-exp(-shape * mx.log(mx.maximum(x, 0.0) / scale)))

    def log_cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return -exp(-shape * mx.log(mx.maximum(x, 0.0) / scale))

    def log_survival(self, x: Array, shape: Any, scale: Any) -> Array:
        return log1mexp(-self.log_cdf(x, shape, scale))

    def quantile(self, q: Array, shape: Any, scale: Any) -> Array:
        return scale * exp(mx.log(-mx.log(q)) / -shape)


def _mean(a: Any) -> Any:
    return exp(lgamma(1.0 - 1.0 / a))


def _variance(a: Any) -> Any:
    mean = _mean(a)
    return mean * mean * expm1(log_gamma_ratio(-1.0 / a))


frechet = Frechet()
