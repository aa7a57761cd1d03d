"""Student's t distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.cauchy import log1p_square
from genmlx.distributions.positive import MAX
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import digamma_excess, exp, log, log1p, remainder, sqrt
from genmlx.numerics.special import HALF_LOG_2PI, betainc
from genmlx.numerics.special.common import path_integral
from genmlx.numerics.special.incomplete_beta import beta_quantile, beta_tail
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["StudentT", "student_t", "two_sided", "two_sided_quantile"]


@final
class StudentT(Distribution):
    r"""Student's t distribution with ``df`` degrees of freedom, location ``loc`` and scale ``scale``.

    $$\log p(x) = \log \frac{\Gamma(\frac{\nu + 1}{2})}{\Gamma(\frac \nu 2) \sqrt{\nu \pi}\, c}
    - \frac{\nu + 1}{2} \log\left(1 + \frac{(x - loc)^2}{\nu c^2}\right), \quad x \in R.$$

    Mean loc for df > 1, else none (NaN); variance c^2 df / (df - 2) for df > 2, inf for 1 < df <= 2, else none. Draws
    are ``loc + scale t`` and differentiable in these two parameters, those of ``rsample`` also in df.

    Args:
        df: degrees of freedom, positive, need not be an integer.
        loc: any real number. Default 0.
        scale: positive. Default 1.

    Example:
        >>> round(student_t(2.0, 2.1, 2.0).log_prob(2.0).item(), 6)
        -1.734742
    """

    name = "student_t"
    params = {"df": domains.positive, "loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("df", "loc", "scale")
    defaults = {"loc": 0.0, "scale": 1.0}  # noqa: RUF012

    def support(self, df: Any, loc: Any, scale: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, df: Any, loc: Any, scale: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        return loc + scale * samplers.student_t(key, df, shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, df: Any, loc: Any, scale: Any) -> Array:
        z = (x - loc) / (scale * sqrt(df))
        return (_log_height(df) - log(scale)) - (0.5 * (df + 1.0)) * log1p_square(z)

    def mean(self, df: Any, loc: Any, scale: Any) -> Any:
        if isinstance(df, mx.array):
            return mx.where(df > 1.0, loc, math.nan)
        return loc if df > 1.0 else math.nan

    def variance(self, df: Any, loc: Any, scale: Any) -> Any:
        if isinstance(df, mx.array):
            finite = (scale * scale) * df / (mx.maximum(df, 2.0) - 2.0)  # inf for df <= 2
            return mx.where(df > 1.0, finite, math.nan)
        if df <= 2.0:
            return math.inf if df > 1.0 else math.nan
        return scale * scale * (df / (df - 2.0))

    def entropy(self, df: Any, loc: Any, scale: Any) -> Any:
        half = 0.5 * df
        slope = log1p(0.5 / half) + digamma_excess(half + 0.5) - digamma_excess(half)
        return (half + 0.5) * slope - (_log_height(df) - log(scale))

    def cdf(self, x: Array, df: Any, loc: Any, scale: Any) -> Array:
        z = (x - loc) / scale
        inside, beyond = two_sided(mx.abs(z), df)
        value = mx.where(z < 0.0, 0.5 * beyond, mx.where(inside < 0.5, 0.5 + 0.5 * inside, 1.0 - 0.5 * beyond))
        z = mx.clip(z, -MAX, MAX)
        return value + path_integral(lambda z: (exp(self.log_prob(z, df, 0.0, 1.0)),), z)

    def log_survival(self, x: Array, df: Any, loc: Any, scale: Any) -> Array:
        return mx.log(self.cdf(loc - x, df, 0.0, scale))

    def quantile(self, q: Array, df: Any, loc: Any, scale: Any) -> Array:
        size = two_sided_quantile(mx.abs(1.0 - 2.0 * q), 2.0 * mx.minimum(q, 1.0 - q), df)
        return loc + scale * mx.where(q < 0.5, -size, size)


def _log_height(df: Any) -> Any:
    """Log density of the standard distribution at 0, log Gamma((df + 1)/2) - log Gamma(df/2) - log(df pi)/2.

    By Stirling's formula with its remainder S (`genmlx.distributions.counts`), so that nothing cancels for large df.
    """
    h = 0.5 * df
    return remainder(h + 0.5) - remainder(h) + (h - 0.5) * log1p(0.5 / h) - (0.5 + HALF_LOG_2PI)


# T²/(df + T²) is Beta(1/2, df/2), and its complement Beta(df/2, 1/2): the one below 1/2 is known to all its digits.


def two_sided(z: Array, df: Any) -> tuple[Array, Array]:
    """P(|T| <= z) and P(|T| > z) of the standard distribution for z >= 0; constants in z."""
    half = 0.5 * df
    z = mx.stop_gradient(z) / sqrt(df)
    square = mx.square(mx.minimum(z, 1e9))
    near = square < 1.0
    part = mx.where(near, square, 1.0) / (1.0 + square)
    tail = beta_tail(*mx.broadcast_arrays(mx.where(near, 0.5, half), mx.where(near, half, 0.5), part))
    power = exp(-df * mx.log(mx.maximum(z * 1e-9, 1.0)))  # of which the tail is one, from 1e9 on
    value = mx.where(square > 0.0, tail.value, 0.0) * power
    small_inside = mx.equal(tail.lower, near)
    return mx.where(small_inside, value, 1.0 - value), mx.where(small_inside, 1.0 - value, value)


def two_sided_quantile(inside: Array, beyond: Array, df: Any) -> Array:
    """z with P(|T| <= z) = inside and P(|T| > z) = beyond, two numbers of sum 1."""
    half = 0.5 * df
    near = inside < betainc(0.5, half, 0.5)
    a, b = mx.where(near, 0.5, half), mx.where(near, half, 0.5)
    part = beta_quantile(*mx.broadcast_arrays(a, b, mx.where(near, inside, beyond), mx.where(near, beyond, inside)))
    centre = part == 0.0  # of either law: the root has no slope there
    part = mx.where(centre, 0.25, part)
    size = mx.sqrt(df * mx.where(near, part / (1.0 - part), (1.0 - part) / part))
    return mx.where(centre, mx.where(near, 0.0, math.inf), size)


student_t = StudentT()
