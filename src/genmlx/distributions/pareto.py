"""The Pareto distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import MAX, finite_above
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, log, log1p
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Pareto", "pareto"]


@final
class Pareto(Distribution):
    r"""Pareto distribution of the first kind, from ``scale`` on with tail exponent ``alpha``.

    $$\log p(x) = \log \frac \alpha c - (\alpha + 1) \log \frac xc, \quad x \ge c.$$

    Mean alpha c / (alpha - 1) for alpha > 1, else inf; variance alpha c^2 / ((alpha - 1)^2 (alpha - 2)) for alpha > 2,
    else inf. Draws are ``scale exp(e / alpha)``, e exponential, and differentiable in both parameters.

    Args:
        scale: c, the smallest value, positive.
        alpha: positive.

    Example:
        >>> round(pareto(2.0, 3.0).log_prob(4.0).item(), 6)
        -2.367124

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), chapter 20.
    """

    name = "pareto"
    params = {"scale": domains.positive, "alpha": domains.positive}  # noqa: RUF012
    pathwise = ("scale", "alpha")

    def support(self, scale: Any, alpha: Any) -> Domain:
        return domains.lower_bounded(scale)

    def sample(self, key: Key, scale: Any, alpha: Any, shape: Shape) -> Array:
        excess = expm1(mx.minimum(samplers.exponential(key, 1.0, shape) / alpha, 88.0))
        return mx.minimum(scale + scale * excess, MAX)  # not below the scale by rounding

    def log_prob(self, x: Array, scale: Any, alpha: Any) -> Array:
        below = x < scale  # false for NaN, which stays
        excess = mx.where(below, 0.0, x - scale) / scale
        return mx.where(below, -math.inf, (log(alpha) - log(scale)) - (alpha + 1.0) * log1p(excess))

    def mean(self, scale: Any, alpha: Any) -> Any:
        return scale * finite_above(alpha, 1.0, lambda a: a / (a - 1.0))

    def variance(self, scale: Any, alpha: Any) -> Any:
        return (scale * scale) * finite_above(alpha, 2.0, lambda a: a / ((a - 1.0) * (a - 1.0) * (a - 2.0)))

    def entropy(self, scale: Any, alpha: Any) -> Any:
        return log(scale) - log(alpha) + 1.0 / alpha + 1.0

    def cdf(self, x: Array, scale: Any, alpha: Any) -> Array:
        return -expm1(-alpha * log1p(mx.maximum(x - scale, 0.0) / scale))

    def log_survival(self, x: Array, scale: Any, alpha: Any) -> Array:
        return -alpha * log1p(mx.maximum(x - scale, 0.0) / scale)

    def quantile(self, q: Array, scale: Any, alpha: Any) -> Array:
        return scale * exp(-log1p(-q) / alpha)


pareto = Pareto()
