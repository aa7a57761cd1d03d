"""Sequences: a kernel executed step after step, where each step is given the state that the one before it left.

`Scan` and `Unfold` differ in what the kernel is given and what it returns (`Steps`); everything else stands here. In
an update or a regeneration a step is executed again only if something that it depends on changed: its input, its
choices, or the state before it. Once a step leaves the state that it left before, the steps after it are as they were.
"""

from __future__ import annotations

import abc
import bisect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.combinators.elements import (
    Done,
    Elements,
    ElementsTrace,
    Indices,
    Part,
    Stacked,
    combined,
    constraint_groups,
    gathered,
    indexed_choices,
    run_on,
    selection_groups,
    total,
)
from genmlx.combinators.steps import advance, known_equal
from genmlx.control import is_capturing
from genmlx.control.trees import as_arrays
from genmlx.core.choicemap import EMPTY, ChoiceMap
from genmlx.core.diff import Diff, NoChange, UnknownChange, VectorDiff
from genmlx.core.gfi import GenerativeFunction, unchanged_result, zero
from genmlx.core.selection import NONE, Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.pytree import flatten, map_arrays, record, same_structure, split_arrays, unflatten
from genmlx.numerics.random import scramble
from genmlx.numerics.types import Array, Key, Keys, Tree

__all__ = ["Changes", "Recipe", "SequenceTrace", "Sequential", "Steps", "as_stacked", "floats_as_arrays"]

_PATIENCE = 16
"""After so many steps, each of which left another state than before, the rest is executed without comparing."""


@record(lambda t: ((t.gen_fn, t.args, t.retval, t.score, t.elements), None), lambda _, c: SequenceTrace(*c))
class SequenceTrace(ElementsTrace):
    """The executions of a kernel, one for each step."""

    __slots__ = ()

    def step(self, t: int) -> Trace:
        """The trace of the kernel's execution at step ``t``."""
        return self._at(t, "step")


# ---- what the kernel is given ----------------------------------------------------------------------------------------


@record(lambda r: ((r.kernel, r.params), r.counted), lambda counted, c: Recipe(c[0], c[1], counted))
class Recipe:
    """How a step calls the kernel: ``kernel(state, input)``, or, counted, ``kernel(t, state, *params)``."""

    __slots__ = ("counted", "kernel", "params")

    def __init__(self, kernel: GenerativeFunction, params: tuple[Any, ...], counted: bool) -> None:
        self.kernel, self.params, self.counted = kernel, params, counted

    def args(self, state: Tree, row: Tree) -> tuple[Any, ...]:
        """The kernel's arguments at a step."""
        return self.kernel.bind((row, state, *self.params) if self.counted else (state, row), {})

    def state(self, retval: Any, before: Tree) -> Tree:
        """The state that a step leaves.

        Raises:
            UsageError: the kernel of a scan returned something else than a pair.
            ShapeError: it is not like the state before.
        """
        if not self.counted and not (isinstance(retval, tuple) and len(retval) == 2):
            raise UsageError(
                f"the kernel {self.kernel.name} of a scan returned {_described(retval)}, and not a pair",
                fix="return carry, output   (None for no output)",
            )
        after = as_arrays(retval if self.counted else retval[0])
        (old, was), (new, now) = split_arrays(before), split_arrays(after)
        alike = same_structure(was, now)
        if not alike or any(a.shape != b.shape or not _one_kind(a, b) for a, b in zip(old, new, strict=True)):
            raise ShapeError(
                f"the kernel {self.kernel.name} was given a state of {_described(before)} and returned one of "
                f"{_described(after)}",
                fix="one structure, shape and dtype for all steps: an initial state of 0.0 instead of 0, x.astype(...)",
            )
        return after


def _one_kind(a: Array, b: Array) -> bool:
    """Whether two arrays are of one dtype; floats of another width are let pass, a gradient check makes them."""
    return a.dtype == b.dtype or (mx.issubdtype(a.dtype, mx.floating) and mx.issubdtype(b.dtype, mx.floating))


class Steps:
    """The arguments of a sequence, step by step.

    Attributes:
        n: the number of steps.
        start: the state before the first step.
        inputs: a tree of arrays with a leading axis over the steps (of a scan).
        recipe: how a step calls the kernel.
    """

    def __init__(self, recipe: Recipe, n: int, start: Tree, inputs: Tree = None) -> None:
        self.recipe, self.n, self.start, self.inputs = recipe, n, start, inputs
        self._states: Tree = None

    def rows(self, lo: int, hi: int) -> Tree:
        """What differs from step to step, with a leading axis."""
        if self.recipe.counted:
            return mx.arange(lo, hi, dtype=mx.int32)
        return map_arrays(lambda a: a[lo:hi], self.inputs)

    def states(self, elements: Elements) -> Tree:
        """The states that the steps left, stacked."""
        if isinstance(elements, Stacked):
            return as_stacked(elements.retval if self.recipe.counted else elements.retval[0], len(elements))
        if self._states is None:
            retvals = [t.retval if self.recipe.counted else t.retval[0] for t in elements.traces]
            self._states = map_arrays(lambda *column: mx.stack(list(column)), *[as_arrays(r) for r in retvals])
        return self._states

    def before(self, elements: Elements, lo: int, hi: int) -> Tree:
        """The states before some steps, stacked."""
        if lo == hi:
            return map_arrays(lambda a: mx.zeros((0, *a.shape), a.dtype), self.start)
        states = self.states(elements)
        if lo:
            return map_arrays(lambda s: s[lo - 1 : hi - 1], states)
        return map_arrays(lambda first, s: mx.concatenate([first[None], s[: hi - 1]]), self.start, states)

    def last(self, elements: Elements, n: int) -> Tree:
        """The state after ``n`` steps."""
        return map_arrays(lambda s: s[n - 1], self.states(elements)) if n else self.start


def as_stacked(values: Tree, n: int) -> Tree:
    """Stacked return values whose numbers are arrays too; of different structures they are a list, and stay one."""
    leaves, treedef = flatten(values)
    if not any(isinstance(x, bool | int | float) for x in leaves):
        return values
    return unflatten(
        treedef, [mx.broadcast_to(mx.array(x), (n,)) if isinstance(x, bool | int | float) else x for x in leaves]
    )


def floats_as_arrays(tree: Tree) -> Tree:
    """Floats in arguments as arrays, so that compiled steps are not made anew for each number."""
    leaves, treedef = flatten(tree)
    return unflatten(treedef, [mx.array(x) if isinstance(x, float) else x for x in leaves])


def _described(tree: Tree) -> str:
    arrays, structure = split_arrays(tree)
    shapes = ", ".join(f"{a.dtype}{list(a.shape)}".replace("mlx.core.", "") for a in arrays)
    return shapes if structure.treedef.num_nodes == 1 and arrays else f"{structure.treedef} with [{shapes}]"


# ---- one step, for each method ---------------------------------------------------------------------------------------
#
# Values without arrays of their own, equal where they do the same: compiled steps are kept by them.


class Generating(NamedTuple):
    """A new step: its trace and weight."""

    def __call__(self, shared: Recipe, state: Tree, row: Tree, key: Key, given: ChoiceMap) -> tuple[Tree, Tree]:
        trace, weight = shared.kernel.generate(key, shared.args(state, row), given)
        return shared.state(trace.retval, state), GenerateResult(trace.with_args(None), weight)


class Assessing(NamedTuple):
    """The density of a step's choices, and its return value."""

    def __call__(self, shared: Recipe, state: Tree, row: Tree, given: ChoiceMap) -> tuple[Tree, Tree]:
        weight, retval = shared.kernel.assess(shared.args(state, row), given)
        return shared.state(retval, state), AssessResult(weight, retval)


class Updating(NamedTuple):
    """A step with other choices or arguments."""

    diffs: tuple[Diff, ...]

    def __call__(
        self, shared: tuple[Recipe, Recipe], state: Tree, row: Tree, key: Key, old: Old, given: ChoiceMap
    ) -> tuple[Tree, Tree]:
        now, was = shared
        trace = old.trace.with_args(was.args(old.state, old.row))
        result = now.kernel.update(key, trace, now.args(state, row), self.diffs, given)
        return now.state(result.trace.retval, state), result._replace(trace=result.trace.with_args(None))


class Regenerating(NamedTuple):
    """A step with its selected choices redrawn."""

    diffs: tuple[Diff, ...]
    selection: Selection

    def __call__(self, shared: tuple[Recipe, Recipe], state: Tree, row: Tree, key: Key, old: Old) -> tuple[Tree, Tree]:
        now, was = shared
        trace = old.trace.with_args(was.args(old.state, old.row))
        result = now.kernel.regenerate(key, trace, now.args(state, row), self.diffs, self.selection)
        return now.state(result.trace.retval, state), result._replace(trace=result.trace.with_args(None))


class Old(NamedTuple):
    """A step as it was."""

    trace: Trace
    state: Tree
    row: Tree


class Segment(NamedTuple):
    """Steps in a row that are treated alike; ``given`` has a leading axis over them."""

    lo: int
    hi: int
    given: Any


# ---- the interface ---------------------------------------------------------------------------------------------------


class Sequential(GenerativeFunction):
    """What `Scan` and `Unfold` have in common."""

    kernel: GenerativeFunction

    @abc.abstractmethod
    def _steps(self, args: tuple[Any, ...]) -> Steps:
        """The arguments, step by step."""

    @abc.abstractmethod
    def _retval(self, x: Steps, elements: Elements) -> Tree:
        """The return value of the whole."""

    @abc.abstractmethod
    def _changes(self, argdiffs: tuple[Any, ...], was: Steps, now: Steps) -> Changes:
        """What changed of the arguments."""

    def accepts(self, trace: Trace) -> bool:
        return super().accepts(trace) and isinstance(trace, SequenceTrace) and trace.elements.all(self.kernel.accepts)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> SequenceTrace:
        return self.generate(key, args, EMPTY).trace  # type: ignore[return-value]

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        x = self._steps(args)
        groups = constraint_groups(constraints, x.n, self.name)
        parts, weight = self._generated(x, scramble(key), x.start, _segments(groups, 0, x.n))
        return GenerateResult(self._trace(args, x, parts), weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        x = self._steps(args)
        state, done = x.start, []
        for lo, hi, given in _segments(constraint_groups(choices, x.n, self.name), 0, x.n):
            state, more = advance(Assessing(), self.kernel, x.recipe, state, lo, hi, (x.rows(lo, hi), given))
            done += more
        if not done:
            return AssessResult(zero, self._trace(args, x, []).retval)
        weight = total([d.result.weight for d in done])
        elements = combined([Part(d.indices, Stacked(_Returned(d.result), len(d.indices))) for d in done], x.n)
        return AssessResult(weight, self._retval(x, elements))

    def project(self, trace: Trace, selection: Selection) -> Array:
        assert isinstance(trace, SequenceTrace)
        parts = []
        for indices, below in selection_groups(selection, range(len(trace))):
            if below is not NONE:
                done = run_on(lambda inner, below=below: self.kernel.project(inner, below), trace.elements, indices)
                parts += [d.result for d in done]
        return total(parts)

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        assert isinstance(trace, SequenceTrace)
        x, was = self._steps(args), _steps_of(trace)
        both = min(x.n, was.n)
        changes = self._changed(trace, argdiffs, was, x)
        groups = constraint_groups(constraints, x.n, self.name)
        if not groups and changes.nothing and x.n == was.n:
            return unchanged_result(trace.with_args(args))
        key = scramble(key)
        touched = _segments(groups, 0, both)

        def again(
            segment: Segment, state: Tree, known: bool, elements: Elements, keys: Keys
        ) -> tuple[Tree, list[Done]]:
            lo, hi, given = segment
            step = Updating(changes.diffs(x.recipe, known))
            mapped = (x.rows(lo, hi), keys, _old(was, elements, lo, hi), given)
            return advance(step, self.kernel, (x.recipe, was.recipe), state, lo, hi, mapped)

        state, done, kept = self._walk(key, trace.elements, was, x, changes, touched, lambda g: not g.is_empty, again)
        weights = [d.result.weight for d in done]
        discarded = [(d.indices, d.result.discard) for d in done]
        if was.n > both:
            vanished = trace.elements.take(range(both, was.n))
            weights.append(-vanished.scores)
            discarded += _numbered(vanished, both)
        appeared, new_weight = self._generated(x, key, state, _segments(groups, both, x.n))
        new = self._trace(args, x, [*kept, *_parts(done), *appeared])
        return UpdateResult(
            new, total(weights) + new_weight, indexed_choices(discarded), self._retdiff(done, kept, both, x, was)
        )

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        assert isinstance(trace, SequenceTrace)
        x, was = self._steps(args), _steps_of(trace)
        both = min(x.n, was.n)
        changes = self._changed(trace, argdiffs, was, x)
        key = scramble(key)
        touched = _selected(selection, both)

        def again(
            segment: Segment, state: Tree, known: bool, elements: Elements, keys: Keys
        ) -> tuple[Tree, list[Done]]:
            lo, hi, below = segment
            step = Regenerating(changes.diffs(x.recipe, known), below)
            mapped = (x.rows(lo, hi), keys, _old(was, elements, lo, hi))
            return advance(step, self.kernel, (x.recipe, was.recipe), state, lo, hi, mapped)

        state, done, kept = self._walk(key, trace.elements, was, x, changes, touched, lambda s: s is not NONE, again)
        weights = [d.result.weight for d in done]
        if was.n > both:
            vanished = trace.elements.take(range(both, was.n)).factor_scores
            weights += [] if vanished is None else [-vanished]
        appeared, new_weight = self._generated(x, key, state, _segments([], both, x.n))
        new = self._trace(args, x, [*kept, *_parts(done), *appeared])
        return RegenerateResult(new, total(weights) + new_weight, self._retdiff(done, kept, both, x, was))

    # What the methods share.

    def _generated(self, x: Steps, key: Key, state: Tree, segments: Sequence[Segment]) -> tuple[list[Part], Array]:
        """Steps that are new, and their weight."""
        done = []
        for lo, hi, given in segments:
            state, more = advance(
                Generating(), self.kernel, x.recipe, state, lo, hi, (x.rows(lo, hi), _keys(key, lo, hi), given)
            )
            done += more
        return _parts(done), total([d.result.weight for d in done])

    def _walk(
        self,
        key: Key,
        elements: Elements,
        was: Steps,
        x: Steps,
        changes: Changes,
        segments: Sequence[Segment],
        is_asked: Callable[[Any], bool],
        again: Callable[[Segment, Tree, bool, Elements, Keys], tuple[Tree, list[Done]]],
    ) -> tuple[Tree, list[Done], list[Part]]:
        """Execute again what changed, out of the steps that were there before.

        Returns:
            The state after them, what was executed, and what was kept.
        """
        known = not changes.start  # whether the state before the step is what it was
        state: Tree = x.start  # None after steps that were kept: it is looked up where it is needed
        done: list[Done] = []
        kept: list[Part] = []
        different = 0
        for segment in segments:
            t, end, asked = segment
            while t < end:
                if known and not is_asked(asked):
                    following = changes.next(t, end)
                    if following > t:
                        kept.append(Part(range(t, following), elements.take(range(t, following))))
                        t = following
                        state = None
                        continue
                if state is None:
                    state = was.last(elements, t)
                # A step at a time where its successors may stay as they were; else all at once.
                may_end = different < _PATIENCE and not changes.everything and not is_capturing()
                stop = t + 1 if may_end or not isinstance(elements, Stacked) else end
                piece = Segment(t, stop, _rows(segment, t, stop))
                state, more = again(piece, state, known and stop == t + 1, elements, _keys(key, t, stop))
                done += more
                known = may_end and known_equal(state, lambda t=t: was.last(elements, t + 1))
                different = 0 if known else different + 1
                t = stop
        if state is None:
            state = was.last(elements, min(x.n, was.n))
        return state, done, kept

    def _changed(self, trace: SequenceTrace, argdiffs: tuple[Any, ...], was: Steps, now: Steps) -> Changes:
        same = trace.gen_fn == self and trace.elements.all(lambda inner: self.kernel.is_unchanged(inner, ()))
        return self._changes(argdiffs, was, now) if same else EVERYTHING

    def _retdiff(self, done: list[Done], kept: list[Part], both: int, x: Steps, was: Steps) -> Diff:
        """What changed of the states of an unfold; a scan returns a pair, of which nothing is known."""
        if not x.recipe.counted or x.n < was.n or not kept:
            return UnknownChange
        return VectorDiff(sorted([i for d in done for i in d.indices]) + list(range(both, x.n)))

    def _trace(self, args: tuple[Any, ...], x: Steps, parts: Sequence[Part]) -> SequenceTrace:
        if x.n:
            elements = combined(sorted(parts, key=lambda p: p.indices[0]), x.n)
        else:
            elements = self._nothing(x)
        return SequenceTrace(self, args, self._retval(x, elements), total([elements.scores]), elements)

    def _nothing(self, x: Steps) -> Stacked:
        """No step: the trace of one, with leading axes of length 0."""
        row = mx.array(0, dtype=mx.int32) if x.recipe.counted else _zero_row(x.inputs)
        one = self.kernel.simulate(mx.zeros(2, mx.uint32), x.recipe.args(x.start, row)).with_args(None)
        x.recipe.state(one.retval, x.start)
        return Stacked(map_arrays(lambda a: mx.zeros((0, *a.shape), a.dtype), one), 0)


class Changes(NamedTuple):
    """What changed of the arguments.

    Attributes:
        start: whether the initial state may have changed.
        rows: the steps whose input may have changed, in order.
        everything: whether what all steps are given may have changed.
        others: the diffs of the parameters of an unfold.
    """

    start: bool
    rows: Sequence[int]
    everything: bool
    others: tuple[Diff, ...] = ()

    @property
    def nothing(self) -> bool:
        return not self.start and not self.everything and not len(self.rows)

    def next(self, t: int, end: int) -> int:
        """The first step from ``t`` on that is given something else, or ``end``."""
        if self.everything:
            return t
        place = bisect.bisect_left(self.rows, t)
        return min(self.rows[place], end) if place < len(self.rows) else end

    def diffs(self, recipe: Recipe, known: bool) -> tuple[Diff, ...]:
        """The diffs of the kernel's arguments at a step."""
        if self is EVERYTHING:
            return (UnknownChange,) * (2 + len(recipe.params))
        state = NoChange if known else UnknownChange
        if recipe.counted:
            return (NoChange, state, *self.others)
        return (state, UnknownChange if self.everything or len(self.rows) else NoChange)


EVERYTHING = Changes(True, (), True)
"""Another function made the trace."""


@record(lambda t: ((t.retval, t.score), None), lambda _, c: _Returned(AssessResult(c[1], c[0])))
class _Returned(Trace):
    """A return value in the place of a trace."""

    __slots__ = ()

    def __init__(self, result: AssessResult) -> None:
        super().__init__(None, None, result.retval, result.weight)  # type: ignore[arg-type]

    @property
    def choices(self) -> ChoiceMap:
        return EMPTY

    def with_args(self, args: tuple[Any, ...] | None) -> _Returned:
        return self


def _steps_of(trace: Trace) -> Steps:
    """The arguments of a trace, as the function that made it reads them."""
    gen_fn = trace.gen_fn
    assert isinstance(gen_fn, Sequential)
    return gen_fn._steps(trace.args or ())


def _keys(key: Key, lo: int, hi: int) -> Keys:
    """The keys of some steps under a scrambled key. Unlike a split, they do not depend on how many steps there are."""
    t = mx.arange(lo, hi, dtype=mx.uint32)
    return key + mx.stack([mx.zeros_like(t), t], axis=1)


def _old(was: Steps, elements: Elements, lo: int, hi: int) -> Old:
    """Some steps as they were: a row each."""
    traces = elements.take(range(lo, hi))
    assert isinstance(traces, Stacked)  # `_walk` takes steps of different structures one at a time
    return Old(traces.inner, was.before(elements, lo, hi), was.rows(lo, hi))


def _parts(done: Sequence[Done]) -> list[Part]:
    return [Part(d.indices, Stacked(d.result.trace, len(d.indices))) for d in done]


def _zero_row(inputs: Tree) -> Tree:
    return map_arrays(lambda a: mx.zeros(a.shape[1:], a.dtype), inputs)


def _numbered(vanished: Elements, first: int) -> list[tuple[Indices, ChoiceMap]]:
    """The choices of steps that vanished, by their numbers."""
    if isinstance(vanished, Stacked):
        return [(range(first, first + vanished.n), vanished.inner.choices)]
    return [([first + i], t.choices.map(lambda v: v[None])) for i, t in enumerate(vanished.traces)]


# ---- segments --------------------------------------------------------------------------------------------------------


def _segments(groups: Sequence[tuple[Indices, ChoiceMap]], lo: int, hi: int) -> list[Segment]:
    """Steps ``lo ... hi - 1``, cut where another group of choices is given, or none."""
    whole, given = groups[0] if len(groups) == 1 else ((), EMPTY)
    if isinstance(whole, range) and whole.step == 1:
        first = max(whole.start, lo)
        places = [(first, min(whole.stop, hi), given, first - whole.start)]
    else:
        places = _runs(groups, lo, hi)
    found, t = [], lo
    for start, stop, given, row in places:
        if stop <= start:
            continue
        if start > t:
            found.append(Segment(t, start, EMPTY))
        found.append(Segment(start, stop, map_arrays(lambda a, r=row, m=stop - start: a[r : r + m], given)))
        t = stop
    return [*found, Segment(t, hi, EMPTY)] if t < hi else found


def _runs(groups: Sequence[tuple[Indices, ChoiceMap]], lo: int, hi: int) -> list[tuple[int, int, ChoiceMap, int]]:
    """The runs of steps with choices in a row: first, end, choices of the group, and the first's place in it."""
    members = sorted(
        [(i, g, k) for g, (indices, _) in enumerate(groups) for k, i in enumerate(indices) if lo <= i < hi]
    )
    runs: list[list[int]] = []
    for i, g, k in members:
        if runs and runs[-1][1] == i and runs[-1][2] == g and runs[-1][3] + i - runs[-1][0] == k:
            runs[-1][1] = i + 1
        else:
            runs.append([i, i + 1, g, k])
    return [(first, end, groups[g][1], k) for first, end, g, k in runs]


def _selected(selection: Selection, n: int) -> list[Segment]:
    """The first n steps, cut where what is selected of a step changes."""
    groups = selection_groups(selection, range(n))
    if len(groups) == 1:
        return [Segment(0, n, groups[0][1])]
    found: list[Segment] = []
    for i, below in sorted([(i, below) for indices, below in groups for i in indices], key=lambda pair: pair[0]):
        if found and found[-1].given is below:
            found[-1] = found[-1]._replace(hi=i + 1)
        else:
            found.append(Segment(i, i + 1, below))
    return found


def _rows(segment: Segment, lo: int, hi: int) -> Any:
    """What is given for some steps of a segment."""
    if (lo, hi) == (segment.lo, segment.hi) or isinstance(segment.given, Selection):
        return segment.given
    return gathered(segment.given, range(lo - segment.lo, hi - segment.lo), segment.hi - segment.lo)
