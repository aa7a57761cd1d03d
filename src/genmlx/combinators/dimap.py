"""Dimap: a generative function with its arguments, or its return value, transformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from genmlx.core.choicemap import ChoiceMap
from genmlx.core.diff import NoChange, UnknownChange, unchanged
from genmlx.core.gfi import GenerativeFunction, as_arguments
from genmlx.core.selection import Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import record
from genmlx.numerics.types import Array, Key

__all__ = ["Dimap", "DimapTrace"]


@record(lambda t: ((t.gen_fn, t.args, t.retval, t.inner), None), lambda _, children: DimapTrace(*children))
class DimapTrace(Trace):
    """The trace of the function inside, with other arguments and another return value."""

    __slots__ = ("inner",)

    def __init__(self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, retval: Any, inner: Trace) -> None:
        super().__init__(gen_fn, args, retval, inner.score)
        self.inner = inner

    @property
    def choices(self) -> ChoiceMap:
        return self.inner.choices

    def with_args(self, args: tuple[Any, ...] | None) -> DimapTrace:
        return DimapTrace(self.gen_fn, args, self.retval, self.inner)

    def subtraces(self) -> list[tuple[Any, Trace]]:
        return self.inner.subtraces()

    def factor_score(self) -> Array | None:
        return self.inner.factor_score()


class Dimap(GenerativeFunction):
    r"""A generative function between two plain functions: ``after(kernel(*before(*args)))``.

    Choices, addresses and weights are those of the kernel; ``before`` and ``after`` are deterministic.

    Args:
        kernel: any generative function.
        before: takes the arguments, and returns a tuple of arguments for the kernel (one that is not a tuple is the
            only one). None: the same arguments.
        after: takes the kernel's return value. None: the same.

    Example:
        >>> from genmlx import normal
        >>> squared = normal.dimap(lambda sd: (0.0, sd), lambda x: x * x)
        >>> weight, value = squared(1.0).assess(3.0)
        >>> value.item()
        9.0
    """

    def __init__(
        self,
        kernel: GenerativeFunction,
        before: Callable[..., Any] | None = None,
        after: Callable[[Any], Any] | None = None,
    ) -> None:
        for what, f in (("before", before), ("after", after)):
            if f is not None and (not callable(f) or isinstance(f, GenerativeFunction)):
                raise UsageError(f"{what} is {f!r}, not a plain function", fix="lambda x: (0.0, x)")
        self.kernel, self.before, self.after = kernel, before, after
        self.name = f"Dimap({kernel.name})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return self.kernel.bind(args, kwargs) if self.before is None else super().bind(args, kwargs)

    @property
    def structure_key(self) -> Any:
        codes = [getattr(f, "__code__", f) for f in (self.before, self.after)]
        return Dimap, self.kernel.structure_key, *codes

    def accepts(self, trace: Trace) -> bool:
        return isinstance(trace, DimapTrace) and self.kernel.accepts(trace.inner)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> DimapTrace:
        return self._trace(args, self.kernel.simulate(key, self._before(args)))

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        inner, weight = self.kernel.generate(key, self._before(args), constraints)
        return GenerateResult(self._trace(args, inner), weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        weight, retval = self.kernel.assess(self._before(args), choices)
        return AssessResult(weight, self._after(retval))

    def project(self, trace: Trace, selection: Selection) -> Array:
        assert isinstance(trace, DimapTrace)
        return self.kernel.project(trace.inner, selection)

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        new_args, diffs = self._moved(trace, args, argdiffs)
        result = self.kernel.update(key, self._inner(trace), new_args, diffs, constraints)
        return result._replace(trace=self._trace(args, result.trace), retdiff=self._retdiff(trace, result.retdiff))

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        new_args, diffs = self._moved(trace, args, argdiffs)
        result = self.kernel.regenerate(key, self._inner(trace), new_args, diffs, selection)
        return result._replace(trace=self._trace(args, result.trace), retdiff=self._retdiff(trace, result.retdiff))

    def _before(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.before is None:
            return args
        inner = self.before(*args)
        return self.kernel.bind(as_arguments(inner if isinstance(inner, tuple) else (inner,)), {})

    def _after(self, retval: Any) -> Any:
        return retval if self.after is None else self.after(retval)

    def _trace(self, args: tuple[Any, ...], inner: Trace) -> DimapTrace:
        return DimapTrace(self, args, self._after(inner.retval), inner.with_args(None))

    def _inner(self, trace: Trace) -> Trace:
        """The kernel's trace, with the arguments that it had under the function that made it."""
        assert isinstance(trace, DimapTrace)
        made_by = trace.gen_fn
        assert isinstance(made_by, Dimap)
        return trace.inner.with_args(None if trace.args is None else made_by._before(trace.args))

    def _moved(
        self, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The kernel's arguments, and what is known of their change."""
        inner = self._before(args)
        if self.before is None and trace.gen_fn == self:
            return inner, argdiffs
        same = unchanged(argdiffs) and trace.gen_fn == self
        return inner, (NoChange if same else UnknownChange,) * len(inner)

    def _retdiff(self, trace: Trace, diff: Any) -> Any:
        if diff is NoChange and trace.gen_fn == self:
            return NoChange
        return diff if self.after is None and trace.gen_fn == self else UnknownChange

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dimap) and (self.kernel, self.before, self.after) == (
            other.kernel,
            other.before,
            other.after,
        )

    def __hash__(self) -> int:
        return hash((Dimap, self.kernel, self.before, self.after))


def _dimap(kernel: GenerativeFunction, before: Callable[..., Any], after: Callable[[Any], Any]) -> Dimap:
    """The function between two plain functions: see `Dimap`."""
    return Dimap(kernel, before, after)


def _contramap(kernel: GenerativeFunction, before: Callable[..., Any]) -> Dimap:
    """The function with its arguments transformed first: see `Dimap`."""
    return Dimap(kernel, before)


def _map_retval(kernel: GenerativeFunction, after: Callable[[Any], Any]) -> Dimap:
    """The function with its return value transformed: see `Dimap`."""
    return Dimap(kernel, None, after)


GenerativeFunction.dimap = _dimap  # type: ignore[attr-defined]
GenerativeFunction.contramap = _contramap  # type: ignore[attr-defined]
GenerativeFunction.map_retval = _map_retval  # type: ignore[attr-defined]
