"""Switch: one of several functions, taken by an index.

There are two traces. A `SwitchTrace` is that of the branch taken, where the index had a value. A `BlendTrace` holds a
trace of every branch and an index that says which one counts, where the index had none (under vmap, ``n=``, in
compilation). What counts has one meaning in both; tests compare them. A trace that is a blend stays one.

When an update takes another branch, the new one is *generated* from the old choices at the addresses that both have.
So these are kept and weighed in their new context, choices at other addresses are drawn or vanish, and the weight is
that of generate less the old score: log p(t'; x') - log p(t; x) - log q(fresh).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from genmlx.combinators.branches import any_of, by_index, guarded, known_int, returned, united
from genmlx.core import execution
from genmlx.core.choicemap import EMPTY, ChoiceMap, Group, selection_of
from genmlx.core.diff import NoChange, UnknownChange, unchanged
from genmlx.core.gfi import GenerativeFunction, zero
from genmlx.core.selection import Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import ConstraintError, ControlFlowError, DomainError, ShapeError, UsageError, format_path
from genmlx.numerics.pytree import record
from genmlx.numerics.transforms import where
from genmlx.numerics.types import Array, Key

__all__ = ["BlendTrace", "Switch", "SwitchTrace"]


@record(
    lambda t: ((t.gen_fn, t.args, t.retval, t.inner), t.branch), lambda k, c: SwitchTrace(c[0], c[1], c[2], k, c[3])
)
class SwitchTrace(Trace):
    """The execution of one branch.

    Attributes:
        branch: its number.
        inner: its trace.
    """

    __slots__ = ("branch", "inner")

    def __init__(
        self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, retval: Any, branch: int, inner: Trace
    ) -> None:
        super().__init__(gen_fn, args, retval, inner.score)
        self.branch, self.inner = branch, inner

    @property
    def choices(self) -> ChoiceMap:
        return self.inner.choices

    def with_args(self, args: tuple[Any, ...] | None) -> SwitchTrace:
        return SwitchTrace(self.gen_fn, args, self.retval, self.branch, self.inner)

    def subtraces(self) -> list[tuple[Any, Trace]]:
        return self.inner.subtraces()

    def factor_score(self) -> Array | None:
        return self.inner.factor_score()


@record(lambda t: ((t.gen_fn, t.args, t.retval, t.score, t.index, t.traces), None), lambda _, c: BlendTrace(*c))
class BlendTrace(Trace):
    """An execution of every branch, one of which counts.

    Attributes:
        index: which one.
        traces: the trace of each branch; those that do not count hold values that they could have drawn.
    """

    __slots__ = ("_choices", "index", "traces")

    def __init__(
        self,
        gen_fn: GenerativeFunction,
        args: tuple[Any, ...] | None,
        retval: Any,
        score: Array,
        index: Array,
        traces: tuple[Trace, ...],
    ) -> None:
        super().__init__(gen_fn, args, retval, score)
        self.index, self.traces = index, traces
        self._choices: ChoiceMap | None = None

    @property
    def choices(self) -> ChoiceMap:
        """Those of the branch that counts; of many executions, the union of the addresses (`united`)."""
        if self._choices is None:
            known = None if self.index.ndim else known_int(self.index)
            if known is None:
                options = [(k, t.choices) for k, t in enumerate(self.traces)]
                self._choices = united(self.index, options, self.gen_fn.name)
            else:
                self._choices = self.traces[known].choices
        return self._choices

    def with_args(self, args: tuple[Any, ...] | None) -> BlendTrace:
        return BlendTrace(self.gen_fn, args, self.retval, self.score, self.index, self.traces)

    def factor_score(self) -> Array | None:
        parts = [t.factor_score() for t in self.traces]
        return (
            None if all(p is None for p in parts) else by_index(self.index, [zero if p is None else p for p in parts])
        )


class Switch(GenerativeFunction):
    r"""One of several generative functions, taken by an index: ``Switch(f, g)(index, *args)``.

    ::

        branch = (f, g)[index]
        return branch(*args)  # its addresses are those of the switch

    The density, the choices and the return value are those of the branch taken. All branches have the same arguments
    (`Dimap` gives a branch others).

    **Where the index has a value** (a Python int, a 0-d array outside vmap and compilation), only that branch runs,
    and branches may return what they like. An index out of range is an error.

    **Where it has none** (it was drawn in a model that runs with ``n=``, or is mapped over), all branches run and
    scores and weights are chosen by ``where``. Branches must return one structure. The choices have the union of the
    addresses, with one shape for each. An address that the branch taken by an execution does not have holds no value
    there: nan, or 0 for integers. A constraint goes to every branch that has the address, and is ignored by executions
    that take another one; assess needs a value at every address. An index out of range is clamped.

    ``update`` and ``regenerate`` run the branch that stays with what is known of the change of its arguments; when
    another branch is taken, choices at addresses that both have are kept, others vanish or are drawn. The discard of
    executions that run at once holds every address that one of them may have lost, and the value kept where it did
    not. The reverse of a `SelectionEdit` asks which addresses there are, so it weighs executions that run at once
    rightly only where they do not change their branch.

    Args:
        *branches: generative functions.

    Example:
        >>> from genmlx import Switch, laplace, normal
        >>> noise = Switch(normal, laplace)
        >>> round(noise(1, 0.0, 2.0).assess(1.0).weight.item(), 4)  # log Laplace(1; 0, 2)
        -1.8863
    """

    def __init__(self, *branches: GenerativeFunction) -> None:
        if not branches or not all(isinstance(b, GenerativeFunction) for b in branches):
            raise UsageError(
                f"Switch takes generative functions, found {branches!r}",
                fix="Switch(f, g)(index, *args), f and g decorated with @gen",
            )
        self.branches = branches
        self.name = f"Switch({', '.join(b.name for b in branches)})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        args = super().bind(args, kwargs)
        if not args:
            raise UsageError(f"{self.name} was called without an index", fix=f"{self.name}(index, *args)")
        self._index(args)  # is one
        return args

    @property
    def structure_key(self) -> Any:
        return type(self), *[b.structure_key for b in self.branches]

    def accepts(self, trace: Trace) -> bool:
        if isinstance(trace, SwitchTrace):
            return trace.branch < len(self.branches) and self.branches[trace.branch].accepts(trace.inner)
        if not isinstance(trace, BlendTrace) or len(trace.traces) != len(self.branches):
            return False
        return all(b.accepts(t) for b, t in zip(self.branches, trace.traces, strict=True))

    def simulate(self, key: Key, args: tuple[Any, ...]) -> Trace:
        index, rest = self._index(args), self._arguments(args)
        if isinstance(index, int):
            return self._taken(args, index, self.branches[index].simulate(key, rest[index]))
        return self._blend(args, index, [b.simulate(key, x) for b, x in zip(self.branches, rest, strict=True)])

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        index, rest = self._index(args), self._arguments(args)
        if isinstance(index, int):
            inner, weight = self.branches[index].generate(key, rest[index], constraints)
            return GenerateResult(self._taken(args, index, inner), weight)
        given = self._given(index, rest, constraints)
        done = [b.generate(key, x, c) for b, x, c in zip(self.branches, rest, given, strict=True)]
        weight = by_index(index, [d.weight for d in done])
        return GenerateResult(self._blend(args, index, [d.trace for d in done]), weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        index, rest = self._index(args), self._arguments(args)
        if isinstance(index, int):
            return self.branches[index].assess(rest[index], choices)
        given = self._given(index, rest, choices, complete=True)
        done = [b.assess(x, c) for b, x, c in zip(self.branches, rest, given, strict=True)]
        return AssessResult(by_index(index, [d.weight for d in done]), self._returned(index, [d.retval for d in done]))

    def project(self, trace: Trace, selection: Selection) -> Array:
        if isinstance(trace, SwitchTrace):
            return trace.inner.gen_fn.project(trace.inner, selection)
        assert isinstance(trace, BlendTrace)
        return by_index(trace.index, [t.gen_fn.project(t, selection) for t in trace.traces])

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        index, rest, diffs = self._index(args), self._arguments(args), self._diffs(trace, args, argdiffs)
        if isinstance(trace, SwitchTrace) and isinstance(index, int):
            return self._update_taken(key, trace, args, index, rest[index], diffs[index], constraints)
        old, index = self._as_blend(trace), index if isinstance(index, mx.array) else mx.array(index)
        given = self._given(index, rest, constraints)
        parts: list[Trace] = []
        weights: list[Array] = []
        gone: list[Selection] = []
        for k, branch in enumerate(self.branches):
            stays = branch.update(key, self._inner(old, k), rest[k], diffs[k], given[k])
            new, weight = stays.trace.with_args(None), stays.weight
            gone.append(selection_of(stays.discard))
            for came, kept in self._arrivals(old, index, k, rest[k], argdiffs, selection_of(constraints)):
                inner, log_density = branch.generate(key, rest[k], given[k] | kept)
                new = where(came, inner.with_args(None), new)
                weight = mx.where(came, log_density - old.score, weight)
                gone += [selection_of(constraints), *self._not_in(k, old, new)]
            parts.append(new)
            weights.append(weight)
        discard = old.choices.filter(any_of(gone))
        return UpdateResult(self._blend(args, index, parts), by_index(index, weights), discard, UnknownChange)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        index, rest, diffs = self._index(args), self._arguments(args), self._diffs(trace, args, argdiffs)
        if isinstance(trace, SwitchTrace) and isinstance(index, int):
            return self._regenerate_taken(key, trace, args, index, rest[index], diffs[index], selection)
        old, index = self._as_blend(trace), index if isinstance(index, mx.array) else mx.array(index)
        parts: list[Trace] = []
        weights: list[Array] = []
        for k, branch in enumerate(self.branches):
            stays = branch.regenerate(key, self._inner(old, k), rest[k], diffs[k], selection)
            new, weight = stays.trace.with_args(None), stays.weight
            for came, kept in self._arrivals(old, index, k, rest[k], argdiffs, selection):
                inner, log_density = branch.generate(key, rest[k], kept)
                new = where(came, inner.with_args(None), new)
                weight = mx.where(came, log_density - self._retained(old, kept), weight)
            parts.append(new)
            weights.append(weight)
        return RegenerateResult(self._blend(args, index, parts), by_index(index, weights), UnknownChange)

    # The index has a value: one branch runs.

    def _update_taken(
        self,
        key: Key,
        trace: SwitchTrace,
        args: tuple[Any, ...],
        k: int,
        rest: tuple[Any, ...],
        diffs: tuple[Any, ...],
        constraints: ChoiceMap,
    ) -> UpdateResult:
        branch, inner = self.branches[k], self._inner(trace)
        if branch.accepts(inner):
            diffs = diffs if k == trace.branch else (UnknownChange,) * len(rest)
            result = branch.update(key, inner, rest, diffs, constraints)
            same = result.retdiff if k == trace.branch and trace.gen_fn == self else UnknownChange
            return result._replace(trace=self._taken(args, k, result.trace), retdiff=same)
        kept = self._shared(inner.choices, k, rest, selection_of(constraints))
        new, weight = branch.generate(key, rest, kept | constraints)
        discard = inner.choices.filter(~selection_of(kept))
        return UpdateResult(self._taken(args, k, new), weight - inner.score, discard, UnknownChange)

    def _regenerate_taken(
        self,
        key: Key,
        trace: SwitchTrace,
        args: tuple[Any, ...],
        k: int,
        rest: tuple[Any, ...],
        diffs: tuple[Any, ...],
        selection: Selection,
    ) -> RegenerateResult:
        branch, inner = self.branches[k], self._inner(trace)
        if branch.accepts(inner):
            diffs = diffs if k == trace.branch else (UnknownChange,) * len(rest)
            result = branch.regenerate(key, inner, rest, diffs, selection)
            same = result.retdiff if k == trace.branch and trace.gen_fn == self else UnknownChange
            return result._replace(trace=self._taken(args, k, result.trace), retdiff=same)
        kept = self._shared(inner.choices, k, rest, selection)
        new, weight = branch.generate(key, rest, kept)
        return RegenerateResult(self._taken(args, k, new), weight - self._retained(trace, kept), UnknownChange)

    def _taken(self, args: tuple[Any, ...], k: int, inner: Trace) -> SwitchTrace:
        return SwitchTrace(self, args, inner.retval, k, inner.with_args(None))

    # It has none: all branches run.

    def _blend(self, args: tuple[Any, ...], index: Array, traces: Sequence[Trace]) -> BlendTrace:
        retval = self._returned(index, [t.retval for t in traces])
        score = by_index(index, [t.score for t in traces])
        return BlendTrace(self, args, retval, score, index, tuple([t.with_args(None) for t in traces]))

    def _returned(self, index: Array, values: Sequence[Any]) -> Any:
        return returned(index, values, self.name)

    def _as_blend(self, trace: Trace) -> BlendTrace:
        """The trace with an execution of every branch; those that were not taken are stand-ins."""
        if isinstance(trace, BlendTrace):
            return trace
        assert isinstance(trace, SwitchTrace)
        args = trace.args or ()
        rest = self._arguments(args)
        traces = [trace.inner if k == trace.branch else _stand_in(b, rest[k]) for k, b in enumerate(self.branches)]
        return self._blend(args, mx.array(trace.branch), traces)

    def _given(
        self, index: Array, rest: Sequence[tuple[Any, ...]], constraints: ChoiceMap, *, complete: bool = False
    ) -> list[ChoiceMap]:
        """What each branch is given: the constraints that it has a choice for, stand-ins where it is not taken."""
        if constraints.is_empty and not complete:
            return [EMPTY] * len(self.branches)
        stand_ins = [_stand_in(b, x).choices for b, x in zip(self.branches, rest, strict=True)]
        missing = Group({k: s.filter(~selection_of(constraints)) for k, s in enumerate(stand_ins)})
        if complete and not missing.is_empty:
            # Not an AddressError: with a value of the index there may be nothing missing, and Map then tries that.
            k, *path = missing.paths()[0]
            raise ControlFlowError(
                f"assess of {self.name} needs a value at {format_path(tuple(path))}, a choice of branch {k}: the index "
                "has no value yet, so any branch may be the one taken",
                fix="a value at every address of every branch; which one does not matter where the branch is not taken",
            )
        unused = constraints.filter(~any_of([selection_of(s) for s in stand_ins]))
        if not unused.is_empty:
            names = ", ".join(format_path(path) for path in unused.paths()[:5] if path)
            raise ConstraintError(
                f"no branch of {self.name} makes a choice at {names or 'this address'}, for which a value was given",
                fix="an address of one of the branches",
            )
        return [guarded(index == k, constraints, stand_in) for k, stand_in in enumerate(stand_ins)]

    def _arrivals(
        self,
        old: BlendTrace,
        index: Array,
        k: int,
        rest: tuple[Any, ...],
        argdiffs: tuple[Any, ...],
        changed: Selection,
    ) -> list[tuple[Array, ChoiceMap]]:
        """For executions that come to branch k from others: which ones, and the old choices that they keep there.

        What is kept differs from one old branch to the next, and what is not is drawn. So there is one entry for each
        set of addresses that some of the others share with k.
        """
        was, now = known_int(old.index), known_int(index)
        if argdiffs[0] is NoChange or (was is not None and was == now):
            return []
        stand_in = _stand_in(self.branches[k], rest).choices
        groups: dict[Any, list[tuple[int, ChoiceMap]]] = {}
        for m, t in enumerate(old.traces):
            if m != k:
                kept = t.choices.filter(selection_of(stand_in) & ~changed)
                groups.setdefault(tuple(sorted(map(repr, kept.paths()))), []).append((m, kept))
        found = []
        for members in groups.values():
            came = mx.any(mx.stack([old.index == m for m, _ in members]))
            here = mx.logical_and(came, index == k)
            kept = guarded(here, united(old.index, members, self.name), stand_in)
            found.append((came, kept))
        return found

    def _not_in(self, k: int, old: BlendTrace, new: Trace) -> list[Selection]:
        """The addresses of each other branch that branch k does not have."""
        return [selection_of(t.choices) & ~selection_of(new.choices) for m, t in enumerate(old.traces) if m != k]

    # Both.

    def _shared(self, choices: ChoiceMap, k: int, rest: tuple[Any, ...], changed: Selection) -> ChoiceMap:
        """Of the choices of another branch those that branch k makes too, and that do not change."""
        return choices.filter(selection_of(_stand_in(self.branches[k], rest).choices) & ~changed)

    def _retained(self, old: Trace, kept: ChoiceMap) -> Array:
        """The density of what was kept in its old context, with what belongs to no choice."""
        density, factors = self.project(old, selection_of(kept)), old.factor_score()
        return density if factors is None else density + factors

    def _index(self, args: tuple[Any, ...]) -> int | Array:
        """The number of the branch: an int where it has a value."""
        index = args[0]
        integer = isinstance(index, int) or (isinstance(index, mx.array) and not mx.issubdtype(index.dtype, mx.inexact))
        if not integer:
            raise UsageError(f"the index of {self.name} must be an integer, found {index!r}", fix="0, 1, ...")
        if isinstance(index, mx.array) and index.ndim:
            raise ShapeError(
                f"the index of {self.name} has shape {index.shape}, but one execution takes one branch",
                fix="Switch(f, g).vmap(in_axes)(indices, ...), a branch for each element",
            )
        known = known_int(index)
        if known is None:
            assert isinstance(index, mx.array)
            return mx.clip(index.astype(mx.int32), 0, len(self.branches) - 1)
        if not 0 <= known < len(self.branches):
            raise DomainError(
                f"the index of {self.name} is {known}, and it has {len(self.branches)} branches",
                fix=f"0 ... {len(self.branches) - 1}",
            )
        return known

    def _arguments(self, args: tuple[Any, ...]) -> _Arguments:
        return _Arguments(self.branches, args[1:])

    def _diffs(self, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """What is known of the change of each branch's arguments."""
        rest = argdiffs[1:] if trace.gen_fn == self else (UnknownChange,) * (len(args) - 1)
        found = []
        for x in self._arguments(args):
            whole = (NoChange if unchanged(rest) else UnknownChange,) * len(x)
            found.append(tuple(rest) if len(rest) == len(x) else whole)
        return found

    def _inner(self, trace: SwitchTrace | BlendTrace, k: int | None = None) -> Trace:
        """The trace of the branch taken (or of branch k), with the arguments that it had."""
        inner = trace.inner if isinstance(trace, SwitchTrace) else trace.traces[k or 0]
        number = trace.branch if isinstance(trace, SwitchTrace) else k or 0
        made_by = trace.gen_fn
        assert isinstance(made_by, Switch)
        return inner.with_args(None if trace.args is None else made_by._arguments(trace.args)[number])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.branches == other.branches

    def __hash__(self) -> int:
        return hash((type(self), self.branches))


class _Arguments(Sequence[tuple[Any, ...]]):
    """The arguments in the canonical form of each branch, bound when they are asked for."""

    def __init__(self, branches: tuple[GenerativeFunction, ...], args: tuple[Any, ...]) -> None:
        self._branches, self._args = branches, args

    def __len__(self) -> int:
        return len(self._branches)

    def __getitem__(self, k: Any) -> Any:
        return self._branches[k].bind(self._args, {})


def _stand_in(branch: GenerativeFunction, args: tuple[Any, ...]) -> Trace:
    """An execution that could have been: which addresses there are, and values that the branch can have.

    Its key is fixed: it decides no result, so it takes no randomness from one. Improper priors give starting values.
    """
    with execution.initialising():
        return branch.simulate(mx.zeros(2, mx.uint32), args)


def _switch(first: GenerativeFunction, *others: GenerativeFunction) -> Switch:
    """``f.switch(g, ...)``: see `Switch`."""
    return Switch(first, *others)


GenerativeFunction.switch = _switch  # type: ignore[attr-defined]
