"""Branches side by side: executions of several functions of which an index takes one.

Where the index has a value, only the branch taken runs (`genmlx.combinators.switch`). Where it has none yet, because
many executions run at once, all branches run and every result is chosen by ``where``. What is chosen here are
numbers (`by_index`), return values (`returned`) and choices (`united`).

``where`` keeps the values of a branch that is not taken out of a result, but not out of a gradient: 0 times nan is nan.
So the arguments are chosen too. A branch that is not taken is given a value that it could have drawn, a *stand-in*
(`guarded`).

The index has as many axes as there are executions of something outside; they are the leading axes of every array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from genmlx.control.trees import as_arrays
from genmlx.core.choicemap import EMPTY, ChoiceMap, Group, Lanes, Leaf, Stack
from genmlx.core.selection import NONE, Selection
from genmlx.numerics.errors import AddressError, GenMLXError, ShapeError, UsageError
from genmlx.numerics.pytree import flatten, join_arrays, same_structure, split_arrays, unflatten
from genmlx.numerics.transforms import where
from genmlx.numerics.types import Array, Tree

__all__ = ["any_of", "by_index", "guarded", "known_int", "returned", "united"]


def known_int(x: Any) -> int | None:
    """The int that a number or a 0-d array holds; None where there is no value yet (under vmap, in compilation)."""
    if not isinstance(x, mx.array):
        return int(x)
    try:
        return int(x.item())  # type: ignore[arg-type] - of an integer or boolean array
    except ValueError as error:
        if "function transformations" in str(error):
            return None
        raise


def by_index(index: Array, values: Sequence[Array]) -> Array:
    """``values[index]``, execution by execution."""
    chosen = values[-1]
    for k in reversed(range(len(values) - 1)):
        chosen = where(index == k, values[k], chosen)
    return chosen


def any_of(selections: Sequence[Selection]) -> Selection:
    """The addresses that one of some selections holds."""
    found: Selection = NONE
    for selection in selections:
        found = found | selection
    return found


def returned(index: Array, values: Sequence[Tree], name: str) -> Tree:
    """The return value of the branch taken, array by array; numbers become arrays.

    Raises:
        UsageError: two branches return different structures.
        ShapeError: they return arrays of different shapes.
    """
    split = [split_arrays(as_arrays(value)) for value in values]
    arrays, structure = split[0]
    for k, (others, other) in enumerate(split):
        if not same_structure(structure, other):
            raise UsageError(
                f"branches 0 and {k} of {name} return different structures, {_kind(values[0])} and "
                f"{_kind(values[k])}, and here the index has no value yet that says which one it is",
                fix="one structure for all branches (branch.map_retval(...) changes it), or an index with a value",
            )
        if [a.shape for a in arrays] != [b.shape for b in others]:
            raise ShapeError(
                f"branches 0 and {k} of {name} return arrays of different shapes: {[a.shape for a in arrays]} and "
                f"{[b.shape for b in others]}",
                fix="one shape for all branches (branch.map_retval(...) changes it), or an index with a value",
            )
    return join_arrays(structure, [by_index(index, column) for column in zip(*(a for a, _ in split), strict=True)])


def _kind(value: Tree) -> str:
    """A return value whose arrays may have no value yet."""
    leaves, treedef = flatten(value)
    return repr(unflatten(treedef, [f"array{x.shape}" if isinstance(x, mx.array) else x for x in leaves]))


# ---- choices ---------------------------------------------------------------------------------------------------------


def united(index: Array, options: Sequence[tuple[int, ChoiceMap]], name: str) -> ChoiceMap:
    """The choices of some branches under all their addresses: at each, the value in the branch taken.

    Where the branch taken has no such address (or is none of these) there is no value: nan, or 0 for what is no float.

    Raises:
        AddressError: an address is a choice in one branch and a group of choices in another.
        ShapeError: an address has values of different shapes.
    """
    options = [(k, node) for k, node in options if not node.is_empty]
    if not options:
        return EMPTY
    leaves = [node.value is not None for _, node in options]
    if all(leaves):
        return _chosen_leaf(index, options, name)
    if any(leaves):
        raise AddressError(
            f"one branch of {name} has a choice here, another has choices below",
            fix="another address in one of the branches",
        )
    first = options[0][1]
    if isinstance(first, Stack) and all(_alike(first, node) for _, node in options):
        inner = [(k, node.inner) for k, node in options if isinstance(node, Stack)]
        return Stack(first.indices, united(index, inner, name), first.axis)
    below: dict[Any, list[tuple[int, ChoiceMap]]] = {}
    for k, node in options:
        for component, child in _components(node, index.ndim):
            below.setdefault(component, []).append((k, child))
    children: dict[Any, ChoiceMap] = {}
    for component, found in below.items():
        try:
            children[component] = united(index, found, name)
        except GenMLXError as error:
            raise error.within((component,))  # noqa: B904 - the same error, with a longer path
    return Group(children)


def _chosen_leaf(index: Array, options: Sequence[tuple[int, ChoiceMap]], name: str) -> ChoiceMap:
    values = [node.value for _, node in options]
    if any(v.shape != values[0].shape for v in values):
        raise ShapeError(
            f"branches of {name} have values of different shapes at one address: {[v.shape for v in values]}",
            fix="another address in one of the branches",
        )
    chosen = mx.full(values[0].shape, mx.nan if mx.issubdtype(values[0].dtype, mx.floating) else 0, values[0].dtype)
    for (k, _), value in zip(options, values, strict=True):
        chosen = where(index == k, value, chosen)
    return Leaf(chosen, options[0][1].axis)  # type: ignore[attr-defined]


def _alike(a: Stack, b: ChoiceMap) -> bool:
    return isinstance(b, Stack) and (a.indices, a.axis) == (b.indices, b.axis)


def _components(node: ChoiceMap, axes: int) -> list[tuple[Any, ChoiceMap]]:
    """The components of a node whose arrays have ``axes`` more axes in front than it knows of."""
    if not isinstance(node, Stack) or not axes:
        return node.components()
    axis = node.axis + axes
    return [(i, node.inner.map(lambda v, k=k: mx.take(v, k, axis=axis))) for k, i in enumerate(node.indices)]


def guarded(flag: Array, given: ChoiceMap, stand_in: ChoiceMap) -> ChoiceMap:
    """Of the choices given those that a branch has: their values where it is taken, else the values of a stand-in.

    Args:
        flag: whether the branch is taken.
        given: choices for any of the branches.
        stand_in: choices that the branch could have made.
    """
    if given.is_empty or stand_in.is_empty:
        return EMPTY
    if given.value is not None or stand_in.value is not None:
        if given.value is None or stand_in.value is None:
            return given  # a value for a group, or the other way round: the branch says what is wrong
        value, other = given.value, stand_in.value
        if isinstance(value, Lanes):
            value = value.resolve(other.shape)
        return Leaf(mx.where(flag, value, other) if value.shape == other.shape else value)
    if isinstance(given, Stack) and _alike(given, stand_in) and isinstance(stand_in, Stack):
        return Stack(given.indices, guarded(flag, given.inner, stand_in.inner), given.axis)
    return Group({c: guarded(flag, below, stand_in.child(c)) for c, below in given.components()})
