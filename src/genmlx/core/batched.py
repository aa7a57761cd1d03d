"""``n=``: many executions as one generative function, by vmap over the interface.

``Batched(f, n)`` is the product of n independent executions of ``f`` with the same arguments. Its choices have the
addresses of ``f``, with a leading axis of length n on every array; scores and weights have shape ``[n]``. Execution i
uses the i-th key of a split, so it equals the execution of ``f`` alone with that key.

With ``mapper=one_by_one`` the executions run one after the other: the reference that the vectorised path is tested
against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from genmlx.core import execution, gradients
from genmlx.core.choicemap import ChoiceMap, Lanes, Leaf, Stack, lifted
from genmlx.core.selection import Selection
from genmlx.core.trace import (
    AssessResult,
    ChoiceGradients,
    EditResult,
    GenerateResult,
    ProposeResult,
    RegenerateResult,
    Trace,
    UpdateResult,
)
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import flatten, map_arrays, record, unflatten
from genmlx.numerics.random import split
from genmlx.numerics.transforms import Mapper, one_by_one, vmap
from genmlx.numerics.types import Array, Key, Keys, Tree

if TYPE_CHECKING:
    from genmlx.core.edit import EditRequest
    from genmlx.core.gfi import GenerativeFunction

__all__ = ["Batched", "BatchedTrace"]


@record(lambda t: ((t.gen_fn, t.args, t.inner), None), lambda _, children: BatchedTrace(*children))
class BatchedTrace(Trace):
    """The traces of n executions: one trace of the function with a leading axis on every array."""

    __slots__ = ("_choices", "inner")

    def __init__(self, gen_fn: Any, args: tuple[Any, ...] | None, inner: Trace) -> None:
        super().__init__(gen_fn, args, inner.retval, inner.score)
        self.inner = inner
        self._choices: ChoiceMap | None = None

    @property
    def choices(self) -> ChoiceMap:
        if self._choices is None:
            self._choices = lifted(self.inner.choices, 1)
        return self._choices

    def with_args(self, args: tuple[Any, ...] | None) -> BatchedTrace:
        return BatchedTrace(self.gen_fn, args, self.inner)

    def subtraces(self) -> list[tuple[Any, Trace]]:
        return self.inner.subtraces()

    def __len__(self) -> int:
        return self.gen_fn.n  # type: ignore[attr-defined]

    def execution(self, i: int) -> Trace:
        """The trace of execution ``i``."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"execution {i} of {len(self)}")
        return map_arrays(lambda a: a[i], self.inner).with_args(self.args)

    def take(self, indices: Array) -> BatchedTrace:
        """The traces of some executions, in the order given (resampling)."""
        inner = map_arrays(lambda a: mx.take(a, indices, axis=0), self.inner)
        gen_fn: Any = self.gen_fn
        return BatchedTrace(Batched(gen_fn.gen_fn, indices.shape[0], gen_fn.mapper), self.args, inner)


class Batched:
    """n independent executions of a generative function.

    It implements the whole of `genmlx.core.gfi.GenerativeFunction` (which imports this module for ``n=``, so the
    subclass relation is registered there), with weights and scores of shape ``[n]``.
    """

    def __init__(self, gen_fn: GenerativeFunction, n: int, mapper: Mapper = vmap) -> None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UsageError(f"n= takes a positive int, found {n!r}", fix="n=1000")
        self.gen_fn, self.n, self.mapper = gen_fn, n, mapper
        self.name = f"{gen_fn.name}[n={n}]"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return self.gen_fn.bind(args, kwargs)

    def simulate(self, key: Key | Keys, args: tuple[Any, ...]) -> BatchedTrace:
        inner = self._map(lambda k: self.gen_fn.simulate(k, args).with_args(None), self._keys(key))
        return BatchedTrace(self, args, inner)

    def generate(self, key: Key | Keys, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        def alone(k: Key, given: ChoiceMap) -> GenerateResult:
            trace, weight = self.gen_fn.generate(k, args, given)
            return GenerateResult(trace.with_args(None), weight)

        inner, weight = self._map_given(alone, constraints, self._keys(key))
        return GenerateResult(BatchedTrace(self, args, inner), weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        def alone(_: Array, given: ChoiceMap) -> AssessResult:
            return self.gen_fn.assess(args, given)

        return self._map_given(alone, choices, mx.arange(self.n))

    def propose(self, key: Key | Keys, args: tuple[Any, ...]) -> ProposeResult:
        return lifted(self._map(lambda k: self.gen_fn.propose(k, args), self._keys(key)), 1)

    def project(self, trace: BatchedTrace, selection: Selection) -> Array:
        return self._map(lambda inner: self.gen_fn.project(inner, selection), trace.inner)

    def update(
        self,
        key: Key | Keys,
        trace: BatchedTrace,
        args: tuple[Any, ...],
        argdiffs: tuple[Any, ...],
        constraints: ChoiceMap,
    ) -> UpdateResult:
        def alone(k: Key, inner: Trace, given: ChoiceMap) -> UpdateResult:
            result = self.gen_fn.update(k, inner.with_args(trace.args), args, argdiffs, given)
            return result._replace(trace=result.trace.with_args(None))

        result = self._map_given(alone, constraints, self._keys(key), trace.inner)
        discard = lifted(result.discard, 1)
        return result._replace(trace=BatchedTrace(self, args, result.trace), discard=discard)

    def regenerate(
        self,
        key: Key | Keys,
        trace: BatchedTrace,
        args: tuple[Any, ...],
        argdiffs: tuple[Any, ...],
        selection: Selection,
    ) -> RegenerateResult:
        def alone(k: Key, inner: Trace) -> RegenerateResult:
            result = self.gen_fn.regenerate(k, inner.with_args(trace.args), args, argdiffs, selection)
            return result._replace(trace=result.trace.with_args(None))

        result = self._map(alone, self._keys(key), trace.inner)
        return result._replace(trace=BatchedTrace(self, args, result.trace))

    def edit(
        self,
        key: Key | Keys,
        trace: BatchedTrace,
        request: EditRequest,
        args: tuple[Any, ...],
        argdiffs: tuple[Any, ...],
    ) -> EditResult:
        new_args: list[Any] = []

        def alone(k: Key, inner: Trace, asked: EditRequest) -> EditResult:
            result = self.gen_fn.edit(k, inner.with_args(trace.args), asked, args, argdiffs)
            new_args.append(result.trace.args)  # the request may restore some; all executions share them
            return result._replace(trace=result.trace.with_args(None))

        result = self._map_given(alone, request, self._keys(key), trace.inner)
        discard, backward = lifted((result.discard, result.backward), 1)
        return result._replace(trace=BatchedTrace(self, new_args[-1], result.trace), discard=discard, backward=backward)

    def choice_gradients(
        self, trace: BatchedTrace, selection: Selection | None = None, retval_gradient: Any = None
    ) -> ChoiceGradients:
        return gradients.choice_gradients(self, trace, selection, retval_gradient)

    def _keys(self, key: Array) -> Array:
        """The keys of the executions: n keys given as they are, or split from one."""
        return key if key.ndim == 2 else split(key, self.n)

    def _map(self, f: Callable[..., Tree], *mapped: Tree) -> Any:
        # `validating` looks at values, and there are none inside vmap.
        mapper = one_by_one if execution.is_validating() else self.mapper
        return mapper(f)(*mapped)

    def _map_given(self, f: Callable[..., Tree], given: Tree, *mapped: Tree) -> Any:
        """Map ``f(*mapped, given)``, where arrays of ``given`` may or may not have the leading axis.

        Choices of a batched trace say it themselves (`genmlx.core.choicemap.lifted`): they are split among the
        executions. For other values the choice that they meet decides (`Lanes`), and other stacks are shared, because
        their leading axis is that of their elements.
        """
        leaves, treedef = flatten(given, is_leaf=lambda x: isinstance(x, Leaf | Stack))
        split_up = [self._lane(leaf) for leaf in leaves]

        def lane(lanes: list[Any], *rest: Tree) -> Tree:
            return f(*rest, unflatten(treedef, [_met(lane, leaf) for lane, leaf in zip(lanes, leaves, strict=True)]))

        return self._map(lane, split_up, *mapped)

    def _lane(self, leaf: Any) -> Any:
        if isinstance(leaf, Leaf | Stack) and leaf.axis:
            return lifted(leaf, -1)
        value = leaf.value if isinstance(leaf, Leaf) else None
        return value if value is not None and value.ndim and value.shape[0] == self.n else None

    @property
    def structure_key(self) -> Any:
        return self.gen_fn.structure_key, self.n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Batched) and (self.gen_fn, self.n, self.mapper) == (
            other.gen_fn,
            other.n,
            other.mapper,
        )

    def __hash__(self) -> int:
        return hash((self.gen_fn, self.n))

    def __repr__(self) -> str:
        return self.name


def _met(lane: Any, leaf: Any) -> Any:
    """What one execution is given of a constraint."""
    if isinstance(leaf, Leaf) and not leaf.axis:
        return Leaf(Lanes(lane, leaf.value))
    return leaf if lane is None else lane
