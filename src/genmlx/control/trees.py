"""Trees of arrays: Python numbers in them, and what bodies must not change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from genmlx.compiler import capture
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.pytree import Structure, flatten, same_structure, split_arrays, unflatten
from genmlx.numerics.types import Array, Tree

__all__ = ["as_arrays", "as_flag", "check_branches", "check_carry", "check_same"]


def as_arrays(tree: Tree) -> Tree:
    """The tree with its Python numbers as arrays: floats in float32, integers in int32."""
    if isinstance(tree, mx.array):
        return tree
    leaves, treedef = flatten(tree)
    if not any(isinstance(leaf, bool | int | float) for leaf in leaves):
        return tree
    return unflatten(treedef, [mx.array(x) if isinstance(x, bool | int | float) else x for x in leaves])


def as_flag(flag: Any) -> Array:
    """A condition as a bool scalar."""
    flag = mx.array(flag)
    if flag.size != 1:
        raise ShapeError(f"a condition has shape {flag.shape}, not one element", fix="mx.all(...) or mx.any(...)")
    return flag.reshape(()).astype(mx.bool_)


def check_carry(what: str, before: Tree, after: Tree) -> None:
    """A loop's body returns what it was given: the same structure, shapes and dtypes."""
    (old, old_structure), (new, new_structure) = split_arrays(before), split_arrays(after)
    check_same(f"{what} carries", old, old_structure, new, new_structure)


def check_branches(first: Tree, other: Tree) -> None:
    """Branches return the same structure, shapes and dtypes."""
    (a, a_structure), (b, b_structure) = split_arrays(first), split_arrays(other)
    check_same("the branches return", a, a_structure, b, b_structure)


def check_same(
    what: str, a: Sequence[Array], a_structure: Structure, b: Sequence[Array], b_structure: Structure
) -> None:
    """Two trees have one structure, and their arrays one shape and dtype.

    Raises:
        ShapeError: they have not.
    """
    if not same_structure(a_structure, b_structure):
        raise ShapeError(f"{what} {a_structure.treedef} and then {b_structure.treedef}", fix="one structure for both")
    for x, y in zip(a, b, strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            raise ShapeError(
                f"{what} {capture.type_of(x)} and then {capture.type_of(y)}",
                fix="one shape and dtype for both: mx.broadcast_to(x, shape), x.astype(dtype)",
            )
