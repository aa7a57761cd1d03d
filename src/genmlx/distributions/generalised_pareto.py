"""The generalised Pareto distribution.

In standard units z = (x - loc) / scale all is a function of g = log(1 + shape z) / shape, the exponential variable that
belongs to z, which is z for shape 0. Near there, and for its derivative there, g / z is a series in t = shape z.
"""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import MAX, finite_above
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import expm1, log, log1p
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["GeneralisedPareto", "generalised_pareto"]

_NEAR = 0.1
_LOG1P = tuple((-1.0) ** n / (n + 1.0) for n in range(8))  # log(1 + t) / t
_EXPM1 = tuple(1.0 / math.factorial(n + 1) for n in range(7))  # (e^t - 1) / t


@final
class GeneralisedPareto(Distribution):
    r"""Generalised Pareto distribution: of exceedances of a high threshold ``loc``.

    $$\log p(x) = -\log c - \left(1 + \tfrac1\xi\right) \log(1 + \xi z), \quad z = \frac{x - loc}{c} \ge 0, \quad
    \xi z \ge -1.$$

    For xi = 0 it is the exponential distribution, log p = -log c - z. For xi < 0 it ends at loc - c / xi, where the
    density is 0 for xi > -1, 1/c for xi = -1, and +inf below.
    Mean loc + c / (1 - xi) for xi < 1, else inf; variance c^2 / ((1 - xi)^2 (1 - 2 xi)) for xi < 1/2, else inf. Draws
    are by the inverse distribution function and differentiable in all parameters.

    Args:
        loc: lower end, any real number.
        scale: c, positive.
        shape: xi, any real number.

    Example:
        >>> round(generalised_pareto(1.0, 2.0, 0.25).log_prob(2.5).item(), 6)
        -1.552398

    References:
        Pickands, Statistical inference using extreme order statistics, Annals of Statistics 3 (1975).
    """

    name = "generalised_pareto"
    params = {"loc": domains.real, "scale": domains.positive, "shape": domains.real}  # noqa: RUF012
    pathwise = ("loc", "scale", "shape")

    def support(self, loc: Any, scale: Any, shape: Any) -> Domain:
        if not isinstance(shape, mx.array):
            return domains.interval(loc, loc - scale / shape) if shape < 0.0 else domains.lower_bounded(loc)
        return domains.interval(loc, mx.where(shape < 0.0, loc - scale / mx.minimum(shape, -1e-30), MAX))

    def sample(self, key: Key, loc: Any, scale: Any, shape_: Any, shape: Shape) -> Array:
        z = _from_exponential(samplers.exponential(key, 1.0, shape), shape_)
        return mx.minimum(loc + scale * z, MAX)

    def log_prob(self, x: Array, loc: Any, scale: Any, shape: Any) -> Array:
        z = (x - loc) / scale
        # All comparisons are false for NaN, which stays.
        outside = mx.logical_or(x < loc, x == math.inf)
        outside = mx.logical_or(outside, shape * z < -1.0)
        z = mx.where(outside, 0.0, z)
        if isinstance(shape, mx.array):
            t = shape * z
            corner = mx.logical_and(t == -1.0, shape == -1.0)  # no 0 * inf
            excess = (1.0 + shape) * _to_exponential(z, mx.where(corner, 0.0, t), shape)
        else:
            excess = (1.0 + shape) * (_to_exponential(z, shape * z, shape) if shape != -1.0 else z)
        return mx.where(outside, -math.inf, -excess - log(scale))

    def mean(self, loc: Any, scale: Any, shape: Any) -> Any:
        return loc + scale * finite_above(-shape, -1.0, lambda m: 1.0 / (1.0 + m))

    def variance(self, loc: Any, scale: Any, shape: Any) -> Any:
        return (scale * scale) * finite_above(-shape, -0.5, lambda m: 1.0 / ((1.0 + m) * (1.0 + m) * (1.0 + 2.0 * m)))

    def entropy(self, loc: Any, scale: Any, shape: Any) -> Any:
        return log(scale) + shape + 1.0

    def cdf(self, x: Array, loc: Any, scale: Any, shape: Any) -> Array:
        z = mx.clip((x - loc) / scale, 0.0, MAX)
        e = _to_exponential(z, mx.maximum(shape * z, -1.0), shape)
        return mx.where(x == math.inf, 1.0, -expm1(-e))

    def quantile(self, q: Array, loc: Any, scale: Any, shape: Any) -> Array:
        inner = loc + scale * _from_exponential(-log1p(-mx.where(q == 1.0, 0.0, q)), shape)
        end = mx.where(shape < 0.0, loc - scale / mx.minimum(shape, -1e-30), math.inf)
        return mx.where(q == 1.0, end, inner)


def _to_exponential(z: Array, t: Array, shape: Any) -> Array:
    """The number g = log(1 + t) / shape for t = shape z."""
    if not isinstance(shape, mx.array):
        return log1p(t) / shape if shape else z
    near = mx.abs(t) < _NEAR
    series = z * _polynomial(_LOG1P, mx.where(near, t, 0.0))
    return mx.where(near, series, log1p(mx.where(near, 1.0, t)) / mx.where(near, 1.0, shape))


def _from_exponential(e: Array, shape: Any) -> Array:
    """The number (exp(t) - 1) / shape for t = shape e, kept off the upper end."""
    if not isinstance(shape, mx.array):
        return _excess(shape * e) / shape if shape else e
    t = shape * e
    near = mx.abs(t) < _NEAR
    series = e * _polynomial(_EXPM1, mx.where(near, t, 0.0))
    return mx.where(near, series, _excess(mx.where(near, 1.0, t)) / mx.where(near, 1.0, shape))


def _excess(t: Array) -> Array:
    return mx.maximum(expm1(mx.minimum(t, 88.0)), 2.0**-22 - 1.0)


def _polynomial(coefficients: tuple[float, ...], t: Array) -> Array:
    total = coefficients[-1] * t + coefficients[-2]
    for c in coefficients[-3::-1]:
        total = total * t + c
    return total


generalised_pareto = GeneralisedPareto()
