"""Numbers between two bounds."""

import dataclasses
import math

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector, fit
from genmlx.distributions.bijectors.saturation import LIMIT, absolute, exp, just_above, just_below, saturating_log
from genmlx.numerics.errors import DomainError
from genmlx.numerics.special.elementary import log1p
from genmlx.numerics.types import Array, Number

__all__ = ["Sigmoid"]


@dataclasses.dataclass(frozen=True, eq=False)
class Sigmoid(Bijector):
    r"""$x = a + (b - a)\,\sigma(y)$ with $\sigma(y) = 1/(1 + e^{-y})$, of numbers between a and b.

    $$\log|dx/dy| = \log(b - a) - |y| - 2 \log(1 + e^{-|y|}).$$

    x is reckoned from the nearer bound, a + (b - a) σ(-|y|) or b - (b - a) σ(-|y|), and so is y: both are accurate up
    to the last float before either bound. The bounds themselves are not reached, since many densities are infinite
    there. Gradients flow to y and to the bounds.

    Args:
        lower: a, finite; a number or an array that broadcasts to y. It may depend on other choices.
        upper: b > a, likewise. Where arrays have b <= a, the log determinant is -inf.

    Example:
        >>> Sigmoid(0.0, 4.0).forward_and_log_det(0.0)  # the slope is 4/4
        (array(2, dtype=float32), array(0, dtype=float32))
        >>> Sigmoid(0.0, 1.0).inverse(1e-30).item()
        -69.07755279541016

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Lower and Upper Bounded Scalar.
    """

    lower: Number | Array
    upper: Number | Array

    def __post_init__(self) -> None:
        numbers = isinstance(self.lower, int | float) and isinstance(self.upper, int | float)
        if numbers and not -math.inf < self.lower < self.upper < math.inf:
            raise DomainError(
                f"the bounds of Sigmoid must be finite and increase, found {self.lower} and {self.upper}",
                fix="bijector_for(domains.interval(lower, upper)), which knows bounds that are infinite",
            )

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        y, lower, upper = fit(self, y, self.lower, self.upper)
        width = upper - lower
        negative, size = absolute(y)
        e = exp(-mx.minimum(size, LIMIT[y.dtype]))
        step = width * (e / (1.0 + e))
        x = mx.where(
            negative,
            mx.maximum(lower + step, just_above(lower, y.dtype)),
            mx.minimum(upper - step, just_below(upper, y.dtype)),
        )
        return x, _log(width) - size - 2.0 * log1p(e)

    def _inverse(self, x: Array) -> Array:
        x, lower, upper = fit(self, x, self.lower, self.upper)
        return saturating_log((x - lower) / (upper - x))


def _log(width: Number | Array) -> Number | Array:
    if not isinstance(width, mx.array):
        return math.log(width)
    positive = width > 0.0
    return mx.where(positive, mx.log(mx.where(positive, width, 1.0)), -math.inf)
