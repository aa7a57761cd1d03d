"""Mask: a generative function that runs, or does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from genmlx.combinators.branches import known_int, returned
from genmlx.combinators.switch import Switch
from genmlx.core.choicemap import EMPTY, ChoiceMap
from genmlx.core.diff import NoChange
from genmlx.core.gfi import GenerativeFunction, unchanged_result, zero
from genmlx.core.selection import Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import ConstraintError, ShapeError, UsageError
from genmlx.numerics.pytree import map_arrays, record
from genmlx.numerics.types import Array, Key

__all__ = ["Mask", "flag_as_index"]


class Mask(Switch):
    r"""A generative function that runs where a flag is on: ``Mask(f)(flag, *args)``.

    ::

        if flag:
            return f(*args)  # its addresses are those of the mask
        return None  # no choices, log density 0

    It is the `Switch` between a function without choices and ``f``; what is said there about an index with a value,
    and without one, holds for the flag. In ``update`` a flag that goes on draws the choices of ``f`` (or takes them
    from the constraints), and one that goes off discards them and is charged their density.

    **Where the flag has a value**, the return value is that of ``f``, or None. **Where it has none**, it is that of
    ``f`` with arrays of zeros in the executions that are off. The flag is not a part of it: the model has the flag, and
    ``mx.where(flag, y, default)`` is the line that uses both (zeros, unlike nan, let gradients pass).

    Args:
        kernel: any generative function.

    Example:
        >>> from genmlx import Mask, normal
        >>> outlier = Mask(normal)
        >>> round(outlier(True, 0.0, 10.0).assess(0.0).weight.item(), 4)  # log N(0; 0, 10)
        -3.2215
        >>> outlier(False, 0.0, 10.0).assess({}).weight.item()
        0.0
    """

    def __init__(self, kernel: GenerativeFunction) -> None:
        if not isinstance(kernel, GenerativeFunction):
            raise UsageError(
                f"Mask takes a generative function, found {kernel!r}", fix="Mask(f)(flag, *args), f decorated with @gen"
            )
        super().__init__(_nothing, kernel)
        self.name = f"Mask({kernel.name})"

    @property
    def kernel(self) -> GenerativeFunction:
        """The function that is masked."""
        return self.branches[1]

    def _index(self, args: tuple[Any, ...]) -> int | Array:
        return flag_as_index(args[0], self.name)

    def _returned(self, index: Array, values: Sequence[Any]) -> Any:
        zeros = map_arrays(mx.zeros_like, values[1])
        return returned(index, [zeros, values[1]], self.name)


def flag_as_index(flag: Any, name: str) -> int | Array:
    """A flag as the index of a switch: 1 for true, an int where it has a value.

    Raises:
        UsageError: it is not a boolean or an integer.
        ShapeError: it is an array with axes.
    """
    is_flag = isinstance(flag, int) or (isinstance(flag, mx.array) and not mx.issubdtype(flag.dtype, mx.inexact))
    if not is_flag:
        raise UsageError(f"the flag of {name} must be a boolean, found {flag!r}", fix="True, or x > 0.0")
    if isinstance(flag, mx.array) and flag.ndim:
        raise ShapeError(
            f"the flag of {name} has shape {flag.shape}, but one execution has one flag",
            fix="f.mask().vmap(in_axes)(flags, ...), a flag for each element",
        )
    known = known_int(flag)
    return mx.where(flag, 1, 0) if known is None else int(known != 0)


@record(lambda t: ((t.gen_fn, t.args, t.score), None), lambda _, c: NothingTrace(*c))
class NothingTrace(Trace):
    """The trace of nothing."""

    __slots__ = ()

    def __init__(self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, score: Array = zero) -> None:
        super().__init__(gen_fn, args, None, score)

    @property
    def choices(self) -> ChoiceMap:
        return EMPTY

    def with_args(self, args: tuple[Any, ...] | None) -> NothingTrace:
        return NothingTrace(self.gen_fn, args, self.score)


class _Nothing(GenerativeFunction):
    """The function without choices that takes any arguments and returns None: a mask that is off."""

    name = "nothing"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return ()

    def simulate(self, key: Key, args: tuple[Any, ...]) -> NothingTrace:
        return NothingTrace(self, args)

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        self._no_choices(constraints)
        return GenerateResult(NothingTrace(self, args), zero)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        self._no_choices(choices)
        return AssessResult(zero, None)

    def project(self, trace: Trace, selection: Selection) -> Array:
        return zero

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        self._no_choices(constraints)
        return unchanged_result(trace)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        return RegenerateResult(trace, zero, NoChange)

    def _no_choices(self, constraints: ChoiceMap) -> None:
        if not constraints.is_empty:
            raise ConstraintError(
                f"the mask is off, so there is no choice at {list(constraints)}, for which a value was given",
                fix="constrain what is on only, or leave the flag without a value (n=), where what is off is ignored",
            )


_nothing = _Nothing()


def _mask(kernel: GenerativeFunction) -> Mask:
    """``f.mask()``: see `Mask`."""
    return Mask(kernel)


GenerativeFunction.mask = _mask  # type: ignore[attr-defined]
