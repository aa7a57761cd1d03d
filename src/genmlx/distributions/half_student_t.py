"""The half-t distribution: the absolute value of a Student's t variable around 0."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import MAX, finite_above
from genmlx.distributions.student_t import student_t, two_sided, two_sided_quantile
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp
from genmlx.numerics.special.common import path_integral
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["HalfStudentT", "half_student_t"]

_LOG_2 = math.log(2.0)


@final
class HalfStudentT(Distribution):
    r"""Distribution of the absolute value of a t variable with ``df`` degrees of freedom, location 0 and ``scale``.

    $$\log p(x) = \log \frac{2\, \Gamma(\frac{\nu + 1}{2})}{\Gamma(\frac \nu 2) \sqrt{\nu \pi}\, c}
    - \frac{\nu + 1}{2} \log\left(1 + \frac{x^2}{\nu c^2}\right), \quad x \ge 0.$$

    With f the density at 0, the mean is c^2 f df / (df - 1) for df > 1, else inf; variance c^2 df / (df - 2) - mean^2
    for df > 2, else inf. Draws are ``scale |t|`` and differentiable in the scale, those
    of ``rsample`` also in df.

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
    pathwise = ("df", "scale")
    defaults = {"scale": 1.0}  # noqa: RUF012

    def support(self, df: Any, scale: Any) -> Domain:
        return domains.nonnegative

    def sample(self, key: Key, df: Any, scale: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        return scale * mx.abs(samplers.student_t(key, df, shape, pathwise=pathwise))

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

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
        z = mx.minimum(mx.maximum(x, 0.0) / scale, MAX)
        inside, _ = two_sided(z, df)
        return inside + path_integral(lambda z: (2.0 * exp(student_t.log_prob(z, df, 0.0, 1.0)),), z)

    def log_survival(self, x: Array, df: Any, scale: Any) -> Array:
        return _LOG_2 + student_t.log_survival(mx.maximum(x, 0.0), df, 0.0, scale)

    def quantile(self, q: Array, df: Any, scale: Any) -> Array:
        return scale * two_sided_quantile(q, 1.0 - q, df)


half_student_t = HalfStudentT()
