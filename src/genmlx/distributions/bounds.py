"""What families between two bounds share."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.distribution import Distribution, DistributionCall, broadcast_shapes
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from genmlx.numerics.types import Array, Shape

__all__ = ["Bounded", "as_call", "at_bound", "check_order"]


def check_order(family: Distribution, lo: Any, hi: Any) -> None:
    """Raise a DomainError unless lo < hi; arrays are read only where values are at hand."""
    above = domains.above(lo)
    if not isinstance(lo, mx.array) and not isinstance(hi, mx.array):
        if not above.has(hi):
            raise DomainError(f"parameter 'hi' of {family.name} must be {above.name}, found {hi}")
    elif execution.is_validating():
        hi = hi if isinstance(hi, mx.array) else mx.array(hi)
        shape = broadcast_shapes(hi.shape, getattr(lo, "shape", ()))
        family._check_array("hi", above, mx.broadcast_to(hi, shape))


def as_call(call: Any, name: str) -> DistributionCall:
    """The call of a distribution with numbers for values; a UsageError for anything else."""
    if not isinstance(call, DistributionCall):
        raise UsageError(
            f"{name} takes the call of a distribution, found {call!r}", fix=f"{name}(laplace(0.0, 1.0), 0.0, 2.0)"
        )
    if call.gen_fn.event_ndim:
        raise UsageError(
            f"{name} takes a family with numbers for values, and {call.gen_fn.name} has vectors or matrices for values"
        )
    return call


class Bounded(Distribution):
    """The calls of one family and two bounds.

    Attributes:
        family: of the calls.
        needs: what it must define.
    """

    params = {  # noqa: RUF012
        "call": domains.any_value,
        "lo": domains.real_or_infinite,
        "hi": domains.real_or_infinite,
    }
    needs: tuple[str, ...]

    def __init__(self, family: Distribution) -> None:
        missing = [what for what in self.needs if not family.defines(what)]
        if missing:
            raise UsageError(
                f"{self.name} needs the {' and the '.join(self.needs)} of its family, and {family.name} has no "
                f"{' and no '.join(missing)}",
                fix="a family that has (normal, gamma, student_t, beta, ...)",
            )
        self.family = family

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 3 or kwargs:
            raise UsageError(f"{self.name} takes a call and two bounds", fix=f"{self.name}(call, lo, hi)")
        call, lo, hi = args
        if not isinstance(call, DistributionCall) or call.gen_fn != self.family:
            raise UsageError(f"this {self.name} takes calls of {self.family.name}, found {call!r}")
        domain = domains.real_or_infinite
        return call, self._parameter("lo", domain, lo), self._parameter("hi", domain, hi)

    def check(self, params: tuple[Any, ...]) -> None:
        call, lo, hi = params
        self.family.check(call.args)
        super().check((0.0, lo, hi))
        check_order(self, lo, hi)

    def batch_shape(self, *params: Any) -> Shape:
        call, lo, hi = params
        shapes = [self.family.batch_shape(*call.args), getattr(lo, "shape", ()), getattr(hi, "shape", ())]
        try:
            return broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(f"the shapes of a call and its bounds do not broadcast: {shapes}") from None

    def support(self, call: DistributionCall, lo: Any, hi: Any) -> Domain:
        inner = call.support

        def contains(x: Array) -> Array:
            between = mx.logical_and(x >= lo, x <= hi)
            return mx.logical_and(between, inner.contains(x))

        name = f"{inner.name}, between bounds"
        if not isinstance(inner, Interval):
            return Domain(name, contains, discrete=self.discrete)
        lower = _bound(max, mx.maximum, inner.lower, lo)
        upper = _bound(min, mx.minimum, inner.upper, hi)
        return Interval(name, contains, discrete=self.discrete, lower=lower, upper=upper)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.family == other.family

    def __hash__(self) -> int:
        return hash((type(self), self.family))


def _bound(of_numbers: Any, of_arrays: Any, a: Any, b: Any) -> Any:
    return of_arrays(a, b) if isinstance(a, mx.array) or isinstance(b, mx.array) else of_numbers(a, b)


def at_bound(bound: Any, end: Any, value: float, f: Callable[[Array], Array], like: Array) -> Array:
    """f at a bound, ``value`` where it is at the ``end`` of all numbers: there, gradients are 0, not NaN.

    A bound that is a number becomes an array of the dtype of ``like``, if that is real.
    """
    if not isinstance(bound, mx.array) and not isinstance(end, mx.array):
        dtype = like.dtype if mx.issubdtype(like.dtype, mx.floating) else mx.float32
        return mx.array(value, dtype) if bound == end else f(mx.array(bound, dtype))
    infinite = bound == end
    return mx.where(infinite, value, f(mx.where(infinite, 0.0, bound)))
