"""Numbers between bounds that are arrays, infinite in some places perhaps."""

import dataclasses
import math
from collections.abc import Callable

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector, fit
from genmlx.distributions.bijectors.half_open import LowerBounded, UpperBounded
from genmlx.distributions.bijectors.identity import Identity
from genmlx.distributions.bijectors.interval import Sigmoid
from genmlx.numerics.types import Array, Number

__all__ = ["ArrayBounds"]


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayBounds(Bijector):
    """Element by element `Sigmoid`, `LowerBounded`, `UpperBounded` or `Identity`, as its bounds are finite or infinite.

    Bounds that depend on other choices have no values while a model is traced, so all four are computed and chosen
    from. Where an element is known to have two finite bounds, `Sigmoid` is the cheaper one.

    Args:
        lower: a number or an array that broadcasts to y; -inf for no bound.
        upper: likewise; inf for no bound.

    Example:
        >>> ArrayBounds(mx.array([0.0, -mx.inf]), 4.0).forward([0.0, 0.0])
        array([2, 3], dtype=float32)
    """

    lower: Number | Array
    upper: Number | Array

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        y, choose, bijectors = self._by_elements(y)
        x, log_det = zip(*[b.forward_and_log_det(y) for b in bijectors], strict=True)
        return choose(*x), choose(*log_det)

    def _inverse(self, x: Array) -> Array:
        x, choose, bijectors = self._by_elements(x)
        return choose(*[b.inverse(x) for b in bijectors])

    def _by_elements(self, value: Array) -> tuple[Array, Callable[..., Array], tuple[Bijector, ...]]:
        """The value, the four bijectors, and how to choose from their results."""
        value, lower, upper = fit(self, value, self.lower, self.upper)
        no_lower, lower = _replace(lower, -math.inf, 0.0)
        no_upper, upper = _replace(upper, math.inf, 1.0)

        def choose(both: Array, above: Array, below: Array, free: Array) -> Array:
            return mx.where(no_lower, mx.where(no_upper, free, below), mx.where(no_upper, above, both))

        # As an array, for where Sigmoid is not chosen its bounds may decrease, which those of numbers may not.
        lower = lower if isinstance(lower, mx.array) else mx.array(lower, value.dtype)
        return value, choose, (Sigmoid(lower, upper), LowerBounded(lower), UpperBounded(upper), Identity())


def _replace(bound: Number | Array, infinity: float, finite: float) -> tuple[Array | bool, Number | Array]:
    """Whether there is no bound, and the bound with a finite number in that place."""
    if not isinstance(bound, mx.array):
        return bound == infinity, finite if bound == infinity else bound
    infinite = bound == infinity
    return infinite, mx.where(infinite, finite, bound)
