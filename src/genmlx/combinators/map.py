"""Map: a kernel executed independently for each element of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from genmlx.combinators.elements import (
    Elements,
    ElementsTrace,
    Indices,
    Part,
    Stacked,
    combined,
    constraint_groups,
    gathered,
    indexed_choices,
    ordered,
    run,
    run_on,
    selection_groups,
    stacked_list,
    subset,
    total,
)
from genmlx.core.choicemap import EMPTY, ChoiceMap
from genmlx.core.diff import Diff, NoChange, UnknownChange, VectorDiff
from genmlx.core.gfi import GenerativeFunction, unchanged_result, zero
from genmlx.core.selection import NONE, Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.pytree import join_arrays, map_arrays, record, split_arrays
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key

__all__ = ["Map", "MapTrace"]

Axes = int | None | tuple[int | None, ...]


@record(lambda t: ((t.gen_fn, t.args, t.retval, t.score, t.elements), None), lambda _, children: MapTrace(*children))
class MapTrace(ElementsTrace):
    """The executions of a kernel, one for each element."""

    __slots__ = ()

    def element(self, i: int) -> Trace:
        """The trace of the kernel's execution for element ``i``."""
        return self._at(i, "element")


class Map(GenerativeFunction):
    r"""A kernel executed independently for each element of its arguments.

    ::

        for i in range(n):
            ys.append(kernel(x1[i], ..., xk[i]) @ i)
        return stack(ys)

    The choices of execution i lie below the address i, stored stacked: ``trace[3, "y"]``, ``trace[:, "y"]``. The log
    density is the sum over the executions. Executions that make choices at the same addresses run at once (vmap); a
    kernel that branches on its choices runs element by element.

    ``update`` with diffs executes the kernel for constrained and changed elements only: `NoChange` says that an
    argument is the same, ``VectorDiff([3, 7])`` that only those of its elements changed. The number of elements may
    change; the first ones are kept.

    Args:
        kernel: any generative function.
        in_axes: the axis of each argument that is mapped: an int for all, or a tuple with an int or None for each. The
            axis is that of every array in a tree of arguments; None shares the argument among the executions.

    Example:
        >>> import mlx.core as mx
        >>> from genmlx import Map, gen, normal
        >>> @gen
        ... def point(x):
        ...     return normal(2.0 * x, 1.0) @ "y"
        >>> weight, ys = Map(point)([1.0, 2.0]).assess({0: {"y": 2.0}, 1: {"y": 4.0}})
        >>> round(weight.item(), 4), ys.tolist()  # 2 log N(0; 0, 1)
        (-1.8379, [2.0, 4.0])
    """

    def __init__(self, kernel: GenerativeFunction, in_axes: Axes = 0) -> None:
        if not isinstance(kernel, GenerativeFunction):
            raise UsageError(
                f"Map takes a generative function, found {kernel!r}", fix="Map(point)(xs), point decorated with @gen"
            )
        self.kernel, self.in_axes = kernel, in_axes
        self.name = f"Map({kernel.name})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        args = super().bind(args, kwargs)
        axes = self._axes(args)
        pairs = zip(args, axes, strict=True)
        args = tuple(
            [stacked_list(a, "elements") if axis is not None and isinstance(a, list) else a for a, axis in pairs]
        )
        self._spread(args)  # the lengths agree
        return args

    @property
    def structure_key(self) -> Any:
        return Map, self.kernel.structure_key, self.in_axes

    def accepts(self, trace: Trace) -> bool:
        return isinstance(trace, MapTrace) and trace.elements.all(self.kernel.accepts)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> MapTrace:
        x = self._spread(args)
        parts, _ = self._generated(x, key, range(x.n), [])
        return self._trace(args, x, parts)

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        x = self._spread(args)
        parts, weight = self._generated(x, key, range(x.n), constraint_groups(constraints, x.n, self.name))
        return GenerateResult(self._trace(args, x, parts), weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        x = self._spread(args)
        groups = constraint_groups(choices, x.n, self.name)

        def alone(arrays: list[Array], given: ChoiceMap) -> AssessResult:
            return self.kernel.assess(x.element(arrays), given)

        done = [
            d
            for indices, given in _with_the_rest(groups, range(x.n))
            for d in run(alone, indices, x.rows(indices), given)
        ]
        if not done:
            return AssessResult(zero, self._trace(args, x, []).retval)
        weight = total([d.result.weight for d in done])
        return AssessResult(weight, ordered([(d.indices, d.result.retval) for d in done], x.n))

    def project(self, trace: Trace, selection: Selection) -> Array:
        assert isinstance(trace, MapTrace)
        parts = []
        for indices, below in selection_groups(selection, range(len(trace))):
            if below is not NONE:
                done = run_on(lambda inner, below=below: self.kernel.project(inner, below), trace.elements, indices)
                parts += [d.result for d in done]
        return total(parts)

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        assert isinstance(trace, MapTrace)
        x, was = self._spread(args), self._spread(trace.args or ())
        both = min(x.n, was.n)
        changed = self._changed(trace, argdiffs, both)
        groups = constraint_groups(constraints, x.n, self.name)
        if not groups and not changed and x.n == was.n:
            return unchanged_result(trace.with_args(args))
        keys = split(key, max(x.n, 1))
        done = []
        for indices, given, diff in _by_change(groups, changed, both):

            def alone(
                inner: Trace, key: Key, old: list[Array], new: list[Array], given: ChoiceMap, diff: Diff = diff
            ) -> UpdateResult:
                args = x.element(new)
                old_trace = inner.with_args(was.element(old))
                result = self.kernel.update(key, old_trace, args, (diff,) * len(args), given)
                return result._replace(trace=result.trace.with_args(None))

            rest = (gathered(keys, indices, x.n), was.rows(indices), x.rows(indices), given)
            done += run_on(alone, trace.elements, indices, *rest)
        touched = {i for d in done for i in d.indices}
        parts = [Part(d.indices, Stacked(d.result.trace, len(d.indices))) for d in done]
        weights = [d.result.weight for d in done]
        discarded = [(d.indices, d.result.discard) for d in done]
        kept = [i for i in range(both) if i not in touched] if touched else range(both)
        if len(kept):
            parts.append(Part(kept, trace.elements.take(kept)))
        if was.n > both:
            vanished = trace.elements.take(range(both, was.n))
            weights.append(-vanished.scores)
            discarded += _numbered(vanished, both)
        appeared = range(both, x.n)
        new_parts, new_weight = self._generated(x, key, appeared, groups)
        new = self._trace(args, x, parts + new_parts)
        diff = VectorDiff(sorted({*touched, *appeared})) if x.n >= was.n else UnknownChange
        return UpdateResult(new, total(weights) + new_weight, indexed_choices(discarded), diff)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        assert isinstance(trace, MapTrace)
        x, was = self._spread(args), self._spread(trace.args or ())
        both = min(x.n, was.n)
        changed = set(self._changed(trace, argdiffs, both))
        keys = split(key, max(x.n, 1))
        done = []
        for selected, below in selection_groups(selection, range(both)):
            for diff, wanted in ((NoChange, False), (UnknownChange, True)):
                indices = [i for i in selected if (i in changed) is wanted]
                if not indices or (below is NONE and diff is NoChange):
                    continue

                def alone(
                    inner: Trace,
                    key: Key,
                    old: list[Array],
                    new: list[Array],
                    below: Selection = below,
                    diff: Diff = diff,
                ) -> RegenerateResult:
                    args = x.element(new)
                    old_trace = inner.with_args(was.element(old))
                    result = self.kernel.regenerate(key, old_trace, args, (diff,) * len(args), below)
                    return result._replace(trace=result.trace.with_args(None))

                rest = (gathered(keys, indices, x.n), was.rows(indices), x.rows(indices))
                done += run_on(alone, trace.elements, indices, *rest)
        touched = {i for d in done for i in d.indices}
        parts = [Part(d.indices, Stacked(d.result.trace, len(d.indices))) for d in done]
        weights = [d.result.weight for d in done]
        kept = [i for i in range(both) if i not in touched] if touched else range(both)
        if len(kept):
            parts.append(Part(kept, trace.elements.take(kept)))
        if was.n > both:
            vanished = trace.elements.take(range(both, was.n)).factor_scores
            weights += [] if vanished is None else [-vanished]
        appeared = range(both, x.n)
        new_parts, new_weight = self._generated(x, key, appeared, [])
        diff = VectorDiff(sorted({*touched, *appeared})) if x.n >= was.n else UnknownChange
        return RegenerateResult(self._trace(args, x, parts + new_parts), total(weights) + new_weight, diff)

    # What the methods share.

    def _generated(self, x: Spread, key: Key, indices: Indices, groups: Groups) -> tuple[list[Part], Array]:
        """Executions that are new, and their weight: each element has a key of its own."""
        keys = split(key, max(x.n, 1))

        def alone(key: Key, arrays: list[Array], given: ChoiceMap) -> GenerateResult:
            trace, weight = self.kernel.generate(key, x.element(arrays), given)
            return GenerateResult(trace.with_args(None), weight)

        done = []
        for group, given in _with_the_rest(groups, indices):
            done += run(alone, group, gathered(keys, group, x.n), x.rows(group), given)
        parts = [Part(d.indices, Stacked(d.result.trace, len(d.indices))) for d in done]
        return parts, total([d.result.weight for d in done])

    def _trace(self, args: tuple[Any, ...], x: Spread, parts: Sequence[Part]) -> MapTrace:
        elements = combined(parts, x.n) if x.n else self._nothing(x)
        return MapTrace(self, args, elements.retval, total([elements.scores]), elements)

    def _nothing(self, x: Spread) -> Stacked:
        """No executions: the trace of one, with leading axes of length 0."""
        one = self.kernel.simulate(mx.zeros(2, mx.uint32), x.element(x.zeros())).with_args(None)
        return Stacked(map_arrays(lambda a: mx.zeros((0, *a.shape), a.dtype), one), 0)

    def _changed(self, trace: MapTrace, argdiffs: tuple[Any, ...], n: int) -> Indices:
        """The elements whose arguments may have changed, out of the first n."""
        if trace.gen_fn != self:
            return range(n)
        found: set[int] = set()
        for diff, axis in zip(argdiffs, self._axes(argdiffs), strict=True):
            if isinstance(diff, VectorDiff) and axis is not None:
                found.update(i for i in diff.indices if i < n)
            elif diff is not NoChange:
                return range(n)
        return sorted(found)

    def _axes(self, args: Sequence[Any]) -> tuple[int | None, ...]:
        axes = self.in_axes if isinstance(self.in_axes, tuple) else (self.in_axes,) * len(args)
        if len(axes) != len(args):
            raise UsageError(f"{self.name} has in_axes for {len(axes)} arguments and got {len(args)}")
        return axes

    def _spread(self, args: tuple[Any, ...]) -> Spread:
        return Spread(self.name, self.kernel, args, self._axes(args))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Map) and (self.kernel, self.in_axes) == (other.kernel, other.in_axes)

    def __hash__(self) -> int:
        return hash((Map, self.kernel, self.in_axes))


Groups = Sequence[tuple[Indices, ChoiceMap]]


@record(
    lambda x: ((x._kernel, x._parts, x._arrays), (x._name, x.n)),
    lambda static, children: Spread._made(static, children),  # noqa: PLW0108 - the class does not exist yet
)
class Spread:
    """Arguments, spread over elements.

    A record, so that the compiler finds the arrays in it where a function closes over it.

    Attributes:
        n: the number of elements.
    """

    def __init__(
        self, name: str, kernel: GenerativeFunction, args: tuple[Any, ...], axes: Sequence[int | None]
    ) -> None:
        self._kernel, self._name = kernel, name
        self._parts: list[tuple[Any, Any]] = []
        self._arrays: list[Array] = []
        sizes: dict[int, int] = {}
        for number, (arg, axis) in enumerate(zip(args, axes, strict=True)):
            if axis is None:
                self._parts.append((None, arg))
                continue
            arrays, structure = split_arrays(arg)
            if not arrays:
                others = tuple(None if i == number else a for i, a in enumerate(axes))
                raise ShapeError(
                    f"argument {number} of {name} is {arg!r}, which has no elements",
                    fix=f"an array or a list; or share it among all: in_axes={others}",
                )
            for a in arrays:
                if not -a.ndim <= axis < a.ndim:
                    raise ShapeError(f"argument {number} of {name} has shape {a.shape} and no axis {axis}")
            arrays = [mx.moveaxis(a, axis, 0) if axis else a for a in arrays]
            self._parts.append((structure, len(arrays)))
            self._arrays += arrays
            sizes.update(dict.fromkeys([number], arrays[0].shape[0]))
            if len({a.shape[0] for a in arrays}) > 1:
                raise ShapeError(f"argument {number} of {name} has arrays of lengths {[a.shape[0] for a in arrays]}")
        if not sizes:
            raise UsageError(f"{name} maps over none of its arguments", fix="in_axes with an int for at least one")
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"argument {i} has {n}" for i, n in sizes.items())
            raise ShapeError(f"{name} maps over arguments of different lengths: {found}", fix="one length for all")
        self.n = next(iter(sizes.values()))

    @classmethod
    def _made(cls, static: tuple[str, int], children: tuple[Any, ...]) -> Spread:
        made = object.__new__(cls)
        (made._name, made.n), (made._kernel, made._parts, made._arrays) = static, children
        return made

    def rows(self, indices: Indices) -> list[Array]:
        """The arrays of some elements."""
        return gathered(self._arrays, indices, self.n)

    def zeros(self) -> list[Array]:
        """Arrays like those of one element."""
        return [mx.zeros(a.shape[1:], a.dtype) for a in self._arrays]

    def element(self, arrays: list[Array]) -> tuple[Any, ...]:
        """The kernel's arguments for one element, from its arrays."""
        rest = iter(arrays)
        args = [
            part if structure is None else join_arrays(structure, [next(rest) for _ in range(part)])
            for structure, part in self._parts
        ]
        return self._kernel.bind(tuple(args), {})


def _with_the_rest(groups: Groups, indices: Indices) -> list[tuple[Indices, ChoiceMap]]:
    """The groups among some indices, and the others with no choices."""
    if not groups:
        return [(indices, EMPTY)] if len(indices) else []
    wanted = set(indices)
    found = [(i, c) if wanted.issuperset(i) else subset(i, c, wanted.__contains__) for i, c in groups]
    given = {i for group, _ in found for i in group}
    rest = [i for i in indices if i not in given]
    return [(i, c) for i, c in [*found, (rest, EMPTY)] if len(i)]


def _by_change(groups: Groups, changed: Indices, n: int) -> list[tuple[Indices, ChoiceMap, Diff]]:
    """The elements to update, out of the first n: those given choices, and those whose arguments changed."""
    different = set(changed)
    found: list[tuple[Indices, ChoiceMap, Diff]] = []
    for indices, given in groups:
        for diff, wanted in ((NoChange, False), (UnknownChange, True)):
            some, rows = subset(indices, given, lambda i, wanted=wanted: i < n and (i in different) is wanted)
            found.append((some, rows, diff))
    constrained = {i for indices, _ in groups for i in indices}
    rest = [i for i in changed if i not in constrained] if constrained else changed
    found.append((rest, EMPTY, UnknownChange))
    return [(i, c, d) for i, c, d in found if len(i)]


def _numbered(vanished: Elements, first: int) -> list[tuple[Indices, ChoiceMap]]:
    """The choices of elements that vanished, by their numbers."""
    if isinstance(vanished, Stacked):
        return [(range(first, first + vanished.n), vanished.inner.choices)]
    return [([first + i], t.choices.map(lambda v: v[None])) for i, t in enumerate(vanished.traces)]


def _vmap(kernel: GenerativeFunction, in_axes: Axes = 0) -> Map:
    """``kernel.vmap(in_axes)``: see `Map`."""
    return Map(kernel, in_axes)


GenerativeFunction.vmap = _vmap  # type: ignore[attr-defined]
