"""Numbers above or below one bound."""

import dataclasses

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector, fit
from genmlx.distributions.bijectors.saturation import just_above, just_below, saturating_exp, saturating_log
from genmlx.numerics.types import Array, Number

__all__ = ["LowerBounded", "UpperBounded"]


@dataclasses.dataclass(frozen=True, eq=False)
class LowerBounded(Bijector):
    r"""$x = a + e^y > a$, of numbers, with $\log|dx/dy| = y$.

    Where $e^y$ is lost beside a, x is the next float above a and not a, at which many densities are infinite.

    Args:
        lower: a, finite; a number or an array that broadcasts to y. It may depend on other choices.

    Example:
        >>> LowerBounded(2.0).forward(0.0).item()
        3.0

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Lower Bounded Scalar.
    """

    lower: Number | Array

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        y, lower = fit(self, y, self.lower)
        above, log_slope = saturating_exp(y)
        return mx.maximum(lower + above, just_above(lower, y.dtype)), log_slope

    def _inverse(self, x: Array) -> Array:
        x, lower = fit(self, x, self.lower)
        return saturating_log(x - lower)


@dataclasses.dataclass(frozen=True, eq=False)
class UpperBounded(Bijector):
    r"""$x = b - e^y < b$, of numbers, with $\log|dx/dy| = y$; decreasing.

    Args:
        upper: b, finite; a number or an array that broadcasts to y. It may depend on other choices.

    Example:
        >>> UpperBounded(2.0).forward(0.0).item()
        1.0

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Upper Bounded Scalar.
    """

    upper: Number | Array

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        y, upper = fit(self, y, self.upper)
        below, log_slope = saturating_exp(y)
        return mx.minimum(upper - below, just_below(upper, y.dtype)), log_slope

    def _inverse(self, x: Array) -> Array:
        x, upper = fit(self, x, self.upper)
        return saturating_log(upper - x)
