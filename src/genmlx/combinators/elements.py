"""Elements: the traces of many executions of one kernel, side by side.

Executions that made choices at the same addresses are stored as one trace whose arrays have a leading axis (`Stacked`);
a kernel that branches may give traces of different structures, which are then a tuple (`Listed`). Both answer the same
questions, and `combined` decides which of the two there is.

Work on elements goes in *groups*: elements that are treated alike, at once by vmap where that is possible, else one by
one (`run`). So what is not touched costs nothing but its place in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import mlx.core as mx

from genmlx import control
from genmlx.control import is_capturing
from genmlx.control.trees import as_arrays
from genmlx.core.choicemap import EMPTY, ChoiceMap, Group, Stack
from genmlx.core.gfi import zero
from genmlx.core.selection import ALL, NONE, Selection
from genmlx.core.trace import Trace
from genmlx.numerics.errors import ConstraintError, ControlFlowError, GenMLXError, ShapeError
from genmlx.numerics.pytree import Structure, join_arrays, map_arrays, record, same_structure, split_arrays
from genmlx.numerics.transforms import vmap
from genmlx.numerics.types import Array, Tree

if TYPE_CHECKING:
    from genmlx.core.gfi import GenerativeFunction

__all__ = [
    "Done",
    "Elements",
    "ElementsTrace",
    "Indices",
    "Kept",
    "Listed",
    "Part",
    "Stacked",
    "combined",
    "constraint_groups",
    "gathered",
    "indexed_choices",
    "ordered",
    "run",
    "run_on",
    "selection_groups",
    "stacked_list",
    "subset",
    "total",
]

Indices = Sequence[int]


@record(lambda e: ((e.inner,), e.n), lambda n, children: Stacked(children[0], n))
class Stacked:
    """Executions of one structure: a trace with a leading axis on every array."""

    __slots__ = ("inner", "n")

    def __init__(self, inner: Trace, n: int) -> None:
        self.inner, self.n = inner, n

    def __len__(self) -> int:
        return self.n

    def at(self, i: int) -> Trace:
        """The trace of one execution, without arguments."""
        return map_arrays(lambda a: a[i], self.inner)

    def take(self, indices: Indices) -> Stacked:
        """Some of the executions."""
        return Stacked(gathered(self.inner, indices, self.n), len(indices))

    @property
    def scores(self) -> Array:
        """The score of each."""
        return self.inner.score

    @property
    def factor_scores(self) -> Array | None:
        """The part of each score that belongs to no choice."""
        return self.inner.factor_score()

    @property
    def retval(self) -> Tree:
        """The return values, stacked."""
        return self.inner.retval

    def all(self, test: Callable[[Trace], bool]) -> bool:
        """Whether every trace passes a test of its structure."""
        return test(self.inner)

    def choices(self) -> ChoiceMap:
        """The choices, below the number of the execution."""
        inner = self.inner.choices
        return EMPTY if inner.is_empty else Stack(range(self.n), inner)


@record(lambda e: ((e.traces,), None), lambda _, children: Listed(children[0]))
class Listed:
    """Executions of different structures."""

    __slots__ = ("traces",)

    def __init__(self, traces: tuple[Trace, ...]) -> None:
        self.traces = traces

    def __len__(self) -> int:
        return len(self.traces)

    def at(self, i: int) -> Trace:
        """The trace of one execution, without arguments."""
        return self.traces[i]

    def take(self, indices: Indices) -> Elements:
        """Some of the executions."""
        return combined([Part([k], _alone(self.traces[i])) for k, i in enumerate(indices)], len(indices))

    @property
    def scores(self) -> Array:
        """The score of each."""
        return mx.stack([t.score for t in self.traces])

    @property
    def factor_scores(self) -> Array | None:
        """The part of each score that belongs to no choice."""
        parts = [t.factor_score() for t in self.traces]
        return None if all(p is None for p in parts) else mx.stack([mx.array(0.0) if p is None else p for p in parts])

    @property
    def retval(self) -> Tree:
        """The return values: stacked where they are alike, else a list."""
        return _stacked_or_list([t.retval for t in self.traces])

    def all(self, test: Callable[[Trace], bool]) -> bool:
        """Whether every trace passes a test of its structure."""
        return all(test(t) for t in self.traces)

    def choices(self) -> ChoiceMap:
        """The choices, below the number of the execution."""
        return Group({i: t.choices for i, t in enumerate(self.traces)})


Elements = Stacked | Listed


class ElementsTrace(Trace):
    """The trace of a function whose choices are those of many executions of a kernel, below their numbers.

    Attributes:
        elements: their traces.
    """

    __slots__ = ("_choices", "elements")

    def __init__(
        self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, retval: Tree, score: Array, elements: Elements
    ) -> None:
        super().__init__(gen_fn, args, retval, score)
        self.elements = elements
        self._choices: ChoiceMap | None = None

    @property
    def choices(self) -> ChoiceMap:
        if self._choices is None:
            self._choices = self.elements.choices()
        return self._choices

    def with_args(self, args: tuple[Any, ...] | None) -> Self:
        return type(self)(self.gen_fn, args, self.retval, self.score, self.elements)

    def factor_score(self) -> Array | None:
        parts = self.elements.factor_scores
        return None if parts is None else parts.sum(axis=-1)

    def __len__(self) -> int:
        return len(self.elements)

    def _at(self, i: int, what: str) -> Trace:
        if not -len(self) <= i < len(self):
            raise IndexError(f"{what} {i} of {len(self)}")
        return self.elements.at(i % len(self))


class Part(NamedTuple):
    """The executions at some indices."""

    indices: Indices
    elements: Elements


def combined(parts: Sequence[Part], n: int) -> Elements:
    """Executions 0 ... n - 1 from parts that hold each of them once."""
    parts = [p for p in parts if len(p.indices)]
    if len(parts) == 1 and _is_whole(parts[0].indices, n):
        return parts[0].elements
    inner = _joined_traces([p.elements for p in parts])
    if inner is not None and _in_a_row([p.indices for p in parts]):
        return Stacked(inner, n)
    order = [i for p in parts for i in p.indices]
    if inner is not None:
        return Stacked(gathered(inner, _inverse(order), n), n)
    traces: list[Any] = [None] * n
    for part in parts:
        for k, i in enumerate(part.indices):
            traces[i] = part.elements.at(k)
    return Listed(tuple(traces))


def _joined_traces(elements: Sequence[Elements]) -> Trace | None:
    """The traces as one, one after the other; None where they are not alike."""
    if not all(isinstance(e, Stacked) for e in elements):
        return None
    split = [split_arrays(e.inner) for e in elements]  # type: ignore[union-attr]
    arrays, structure = split[0]
    for others, other in split[1:]:
        alike = same_structure(structure, other)
        if not alike or any(a.shape[1:] != b.shape[1:] for a, b in zip(arrays, others, strict=True)):
            return None
    if len(split) == 1:
        return elements[0].inner  # type: ignore[union-attr]
    columns = zip(*(arrays for arrays, _ in split), strict=True)
    return join_arrays(structure, [mx.concatenate(list(column)) for column in columns])


def _alone(trace: Trace) -> Stacked:
    return Stacked(map_arrays(lambda a: a[None], trace), 1)


def _is_whole(indices: Indices, n: int) -> bool:
    return len(indices) == n and (indices == range(n) or all(i == k for k, i in enumerate(indices)))


def _in_a_row(parts: Sequence[Indices]) -> bool:
    """Whether each part is a range that starts where the one before it stops: nothing is to be put in order."""
    following = 0
    for indices in parts:
        if not isinstance(indices, range) or indices.step != 1 or indices.start != following:
            return False
        following = indices.stop
    return True


def _inverse(order: Sequence[int]) -> list[int]:
    place = [0] * len(order)
    for k, i in enumerate(order):
        place[i] = k
    return place


def gathered(tree: Tree, indices: Indices, n: int) -> Any:
    """The rows of every array at some indices, out of n."""
    if _is_whole(indices, n):
        return tree
    if isinstance(indices, range) and indices.step == 1:
        return map_arrays(lambda a: a[indices.start : indices.stop], tree)
    rows = mx.array(list(indices), dtype=mx.int32)
    return map_arrays(lambda a: mx.take(a, rows, axis=0), tree)


def stacked_list(values: list[Any], what: str) -> Tree:
    """A list given by the user as arrays with a leading axis: of numbers, of arrays, or of trees of them.

    Args:
        values: the list.
        what: its entries are, for the error.

    Raises:
        ShapeError: they are not alike.
    """
    if not values:
        return mx.zeros((0,))
    trees = [as_arrays(v) for v in values]
    odd = _unlike_the_first(trees)
    if odd is not None:
        raise ShapeError(f"{what} 0 and {odd} of a list have different structures or shapes", fix="one for all")
    return _stacked(trees)


def _stacked_or_list(values: list[Any]) -> Tree:
    return values if not values or _unlike_the_first(values) is not None else _stacked(values)


def _unlike_the_first(trees: Sequence[Tree]) -> int | None:
    """The number of the first tree whose structure or shapes are not those of the first one; None if there is none."""
    arrays, structure = split_arrays(trees[0])
    for i, tree in enumerate(trees):
        others, other = split_arrays(tree)
        if not same_structure(structure, other) or [a.shape for a in arrays] != [b.shape for b in others]:
            return i
    return None


def _stacked(trees: Sequence[Tree]) -> Any:
    """Trees that are alike, as one with a leading axis."""
    split = [split_arrays(tree) for tree in trees]
    return join_arrays(split[0][1], [mx.stack(list(c)) for c in zip(*(arrays for arrays, _ in split), strict=True)])


# ---- running ---------------------------------------------------------------------------------------------------------


def total(parts: Sequence[Array]) -> Array:
    """The sum of all elements of some vectors."""
    sums = [p.sum() for p in parts]
    return sum(sums[1:], sums[0]) if sums else zero


def ordered(parts: Sequence[tuple[Indices, Tree]], n: int) -> Tree:
    """Return values of parts of n elements, stacked in the order of the elements (a list where they are not alike)."""
    if len(parts) == 1 and _is_whole(parts[0][0], n):
        return parts[0][1]
    values: list[Any] = [None] * n
    for indices, stacked in parts:
        for k, i in enumerate(indices):
            values[i] = map_arrays(lambda a, k=k: a[k], stacked)
    return _stacked_or_list(values)


class Done(NamedTuple):
    """What a group gave: every array has a leading axis over its indices."""

    indices: Indices
    result: Any


def run(f: Callable[..., Any], indices: Indices, *mapped: Tree, one_by_one: bool = False) -> list[Done]:
    """``f`` for each of a group of elements.

    Args:
        f: a function of one element.
        indices: the numbers of the elements, for errors.
        mapped: arguments, with a leading axis over the group on every array.
        one_by_one: do not try vmap.

    Returns:
        One entry for all, or, where Python control flow depends on values, one for each.
    """
    where = indices[0] if len(indices) == 1 else slice(None)
    if not one_by_one and len(indices) > 1:
        try:
            return [Done(indices, (_vmap_captured if is_capturing() else vmap)(f)(*mapped))]
        except ControlFlowError:
            pass
        except GenMLXError as error:
            raise error.within((where,))  # noqa: B904 - the same error, with a longer path
    found = []
    for k, i in enumerate(indices):
        try:
            result = f(*map_arrays(lambda a, k=k: a[k], mapped))
        except GenMLXError as error:
            raise error.within((i,))  # noqa: B904
        found.append(Done([i], map_arrays(lambda a: a[None], result)))
    return found


class Kept:
    """A place for what a function under capture found beside its arrays.

    Not a list: the compiler copies the trees that a loop's body closes over.
    """

    structure: Structure


def _vmap_captured(f: Callable[..., Tree]) -> Callable[..., Tree]:
    """`vmap` as one operation of the compiler, for trees of our records."""

    def mapped(*args: Tree) -> Tree:
        arrays, structure = split_arrays(args)
        kept = Kept()

        def one(*xs: Array) -> list[Array]:
            results, kept.structure = split_arrays(f(*join_arrays(structure, list(xs))))
            return results

        results = control.vmap(one)(*arrays)
        return join_arrays(kept.structure, results)

    return mapped


def run_on(
    f: Callable[..., Any], elements: Elements, indices: Indices, *mapped: Tree, one_by_one: bool = False
) -> list[Done]:
    """`run` for a function of an element's trace and more."""
    if isinstance(elements, Stacked):
        return run(f, indices, gathered(elements.inner, indices, elements.n), *mapped, one_by_one=one_by_one)
    found = []
    for k, i in enumerate(indices):
        rows = map_arrays(lambda a, k=k: a[k : k + 1], mapped)
        trace = map_arrays(lambda a: a[None], elements.at(i))
        found += run(f, [i], trace, *rows)
    return found


def indexed_choices(parts: Iterable[tuple[Indices, ChoiceMap]]) -> ChoiceMap:
    """Choices with a leading axis over some indices, below those indices."""
    found: ChoiceMap = EMPTY
    for indices, inner in parts:
        if inner.is_empty or not len(indices):
            continue
        whole = _as_range(indices)
        if whole is not None:
            found = found | Stack(whole, inner)
        else:
            found = found | Group({i: inner.map(lambda v, k=k: v[k]) for k, i in enumerate(indices)})
    return found


def _as_range(indices: Indices) -> range | None:
    if isinstance(indices, range):
        return indices
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    whole = range(indices[0], indices[0] + step * len(indices), step) if step > 0 else None
    return whole if whole is not None and list(whole) == list(indices) else None


# ---- groups ----------------------------------------------------------------------------------------------------------


def constraint_groups(constraints: ChoiceMap, n: int, name: str) -> list[tuple[Indices, ChoiceMap]]:
    """Which of n elements are given choices of one structure: indices, and the choices with a leading axis over them.

    Elements that are given nothing are in no group.

    Raises:
        ConstraintError: choices for an element that does not exist, or for no element.
    """
    if constraints.value is not None:
        raise ConstraintError(
            f"a value was given for {name}, which has elements", fix="{0: ..., 1: ...}, by their number"
        )
    if isinstance(constraints, Stack):
        _check_indices(constraints.indices, n, name)
        return [] if constraints.is_empty else [(constraints.indices, constraints.inner)]
    groups: list[tuple[list[int], list[ChoiceMap], list[Array], Structure]] = []
    for i, given in constraints.components():
        _check_indices([i], n, name)
        arrays, structure = split_arrays(given)
        for indices, members, firsts, first in groups:
            if same_structure(first, structure) and [a.shape for a in firsts] == [a.shape for a in arrays]:
                indices.append(i)  # type: ignore[arg-type]
                members.append(given)
                break
        else:
            groups.append(([i], [given], arrays, structure))  # type: ignore[list-item]
    return [(indices, _stacked(members)) for indices, members, _, _ in groups]


def _check_indices(indices: Iterable[Any], n: int, name: str) -> None:
    for i in indices if not isinstance(indices, range) else indices[-1:]:
        if not isinstance(i, int) or not 0 <= i < n:
            raise ConstraintError(
                f"{name} has no element {i!r}, for which a value was given",
                path=(i,),
                fix=f"its elements are 0 ... {n - 1}" if n else "it has no elements",
            )


def subset(indices: Indices, given: ChoiceMap, kept: Callable[[int], bool]) -> tuple[list[int], ChoiceMap]:
    """Those of a group that are kept, with their rows of the choices."""
    rows = [k for k, i in enumerate(indices) if kept(i)]
    return [indices[k] for k in rows], gathered(given, rows, len(indices)) if rows else EMPTY


def selection_groups(selection: Selection, indices: Indices) -> list[tuple[Indices, Selection]]:
    """The indices by what is selected below them. Elements of which nothing is selected are there too."""
    if not len(indices):
        return []
    alike = selection.over(indices) if isinstance(indices, range) else None
    if alike is not None:
        return [(indices, alike)]
    nothing: list[int] = []
    everything: list[int] = []
    others: list[tuple[Indices, Selection]] = []
    for i in indices:
        below = selection.at(i)
        if below is NONE:
            nothing.append(i)
        elif below is ALL:
            everything.append(i)
        else:
            others.append(([i], below))
    whole = [(nothing, NONE), (everything, ALL)]
    return [(found, below) for found, below in whole if found] + others
