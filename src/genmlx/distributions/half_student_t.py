"""The half-t distribution: the absolute value of a Student's t variable around 0."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import finite_above
from genmlx.distributions.student_t import student_t
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, sqrt
from genmlx.numerics.special import betainc, betaincinv
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["HalfStudentT", "half_student_t"]

_LOG_2 = math.log(2.0)


@final
class HalfStudentT(Distribution):
    r"""Distribution of the absolute value of a t variable with ``df`` degrees of freedom, location 0 and ``scale``.

    $$\log p(x) = \log \frac{2\, \Gamma(\frac{\nu + 1}{2})}{\Gamma(\frac \nu 2) \sqrt{\nu \pi}\, c}
    - \frac{\nu + 1}{2} \log\left(1 + \frac{x^2}{\nu c^2}\right), \quad x \ge 0.$$

    With f the density at 0, the mean is c^2 f df / (df - 1) for df > 1, else inf; variance c^2 df / (df - 2) - mean^2
    for df > 2, else inf. Draws are ``scale |t|`` and differentiable in the scale.

    Args:
        df: degrees of freedom, positive, need not be an integer.
        scale: positive. Default 1.

    Example:
        >>> round(half_student_t(4.0, 2.0).log_prob(1.5).item(), 6)
        -1.30977

    References:
        Gelman, Prior distributions for variance parameters in hierarchical models, Bayesian Analysis 1 (2006).
    """

    name = "half_student_t"
    params = {"df": domains.positive, "scale": domains.positive}  # noqa: RUF012
    defaults = {"scale": 1.0}  # noqa: RUF012

    def support(self, df: Any, scale: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, df: Any, scale: Any, shape: Shape) -> Array:
        return scale * mx.abs(samplers.student_t(key, df, shape))

    def log_prob(self, x: Array, df: Any, scale: Any) -> Array:
        return mx.where(x >= 0.0, student_t.log_prob(x, df, 0.0, scale) + _LOG_2, -math.inf)

    def mean(self, df: Any, scale: Any) -> Any:
        at_zero = exp(student_t.log_prob(mx.array(0.0), df, 0.0, 1.0) + _LOG_2)
        return scale * finite_above(df, 1.0, lambda v: at_zero * (v / (v - 1.0)))

    def variance(self, df: Any, scale: Any) -> Any:
        mean = self.mean(df, 1.0)
        return (scale * scale) * finite_above(df, 2.0, lambda v: v / (v - 2.0) - mean * mean)

    def entropy(self, df: Any, scale: Any) -> Any:
        return student_t.entropy(df, 0.0, scale) - _LOG_2

    def cdf(self, x: Array, df: Any, scale: Any) -> Array:
        # t^2 / (df + t^2) is Beta(1/2, df/2); beyond 1/2 its complement is small and exact.
        half = 0.5 * df
        z = mx.maximum(x, 0.0) / (scale * sqrt(df))
        square = mx.square(mx.minimum(z, 1e9))
        near = square < 1.0
        part = mx.where(near, square, 1.0) / (1.0 + square)
        tail = betainc(mx.where(near, 0.5, half), mx.where(near, half, 0.5), part)
        power = mx.exp(-df * mx.log(mx.maximum(z * 1e-9, 1.0)))  # of which the tail is one, from 1e9 on
        return mx.where(near, tail, 1.0 - tail * power)

    def quantile(self, q: Array, df: Any, scale: Any) -> Array:
        half = 0.5 * df
        near = q < betainc(0.5, half, 0.5)
        level = mx.where(near, q, 1.0 - q)
        inner = mx.logical_and(q > 0.0, q < 1.0)
        part = betaincinv(mx.where(near, 0.5, half), mx.where(near, half, 0.5), mx.where(inner, level, 0.25))
        odds = mx.where(near, part / (1.0 - part), (1.0 - part) / part)
        return mx.where(q == 0.0, 0.0, mx.where(q == 1.0, math.inf, scale * mx.sqrt(df * odds)))


half_student_t = HalfStudentT()
