"""Student's t distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.cauchy import log1p_square
from genmlx.distributions.counts import remainder
from genmlx.distributions.gamma import digamma_excess
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log, log1p, sqrt
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["StudentT", "student_t"]


@final
class StudentT(Distribution):
    r"""Student's t distribution with ``df`` degrees of freedom, location ``loc`` and scale ``scale``.

    $$\log p(x) = \log \frac{\Gamma(\frac{\nu + 1}{2})}{\Gamma(\frac \nu 2) \sqrt{\nu \pi}\, c}
    - \frac{\nu + 1}{2} \log\left(1 + \frac{(x - loc)^2}{\nu c^2}\right), \quad x \in R.$$

    Mean loc for df > 1, else none (NaN); variance c^2 df / (df - 2) for df > 2, inf for 1 < df <= 2, else none. Draws
    are ``loc + scale t`` and differentiable in these two parameters.

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
    defaults = {"loc": 0.0, "scale": 1.0}  # noqa: RUF012

    def support(self, df: Any, loc: Any, scale: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, df: Any, loc: Any, scale: Any, shape: Shape) -> Array:
        return loc + scale * samplers.student_t(key, df, shape)

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


def _log_height(df: Any) -> Any:
    """Log density of the standard distribution at 0, log Gamma((df + 1)/2) - log Gamma(df/2) - log(df pi)/2.

    By Stirling's formula with its remainder S (`genmlx.distributions.counts`), so that nothing cancels for large df.
    """
    h = 0.5 * df
    return remainder(h + 0.5) - remainder(h) + (h - 0.5) * log1p(0.5 / h) - (0.5 + HALF_LOG_2PI)


student_t = StudentT()
