"""Trees of records: how our records meet MLX's transformations.

MLX's own traversal knows list, tuple and dict. Records with static parts (traces, choice maps) are registered with
optree by `record` and flattened here; `split_arrays` parts a tree into its arrays and everything else, and
`genmlx.numerics.transforms` builds vmap, grad and compile on that.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import mlx.core as mx
import optree

from genmlx.numerics.types import Array, Tree

__all__ = [
    "Structure",
    "flatten",
    "join_arrays",
    "map_arrays",
    "map_nodes",
    "record",
    "same_structure",
    "split_arrays",
    "unflatten",
]

T = TypeVar("T")
_NAMESPACE = "genmlx"

unflatten = optree.tree_unflatten
flatten = functools.partial(optree.tree_flatten, namespace=_NAMESPACE)


def record(
    flat: Callable[[Any], tuple[tuple[Any, ...], Any]], build: Callable[[Any, tuple[Any, ...]], Any]
) -> Callable[[type[T]], type[T]]:
    """Class decorator: register a record as a tree node.

    Args:
        flat: the record to (children, static part); the static part must be hashable or comparable.
        build: (static part, children) to the record.
    """

    def register(cls: type[T]) -> type[T]:
        optree.register_pytree_node(cls, flat, build, namespace=_NAMESPACE)  # type: ignore[arg-type]
        return cls

    return register


class Structure(NamedTuple):
    """A tree without its arrays: the shape of the tree, which leaves are arrays, and the other leaves."""

    treedef: optree.PyTreeSpec
    is_array: tuple[bool, ...]
    static: tuple[Any, ...]


def split_arrays(tree: Tree) -> tuple[list[Array], Structure]:
    """Part a tree into its arrays (in order) and the rest."""
    leaves, treedef = optree.tree_flatten(tree, namespace=_NAMESPACE)
    flags = tuple([isinstance(leaf, mx.array) for leaf in leaves])
    arrays = [leaf for leaf, flag in zip(leaves, flags, strict=True) if flag]
    static = tuple([leaf for leaf, flag in zip(leaves, flags, strict=True) if not flag])
    return arrays, Structure(treedef, flags, static)


def join_arrays(structure: Structure, arrays: list[Array]) -> Tree:
    """The inverse of `split_arrays`."""
    dynamic, static = iter(arrays), iter(structure.static)
    leaves = [next(dynamic) if flag else next(static) for flag in structure.is_array]
    return optree.tree_unflatten(structure.treedef, leaves)


def map_arrays(f: Callable[..., Array], tree: Tree, *others: Tree) -> Tree:
    """Apply ``f`` to the arrays of ``tree`` (and, in step, of ``others``); other leaves come from ``tree``."""
    arrays, structure = split_arrays(tree)
    columns = [split_arrays(other)[0] for other in others]
    return join_arrays(structure, [f(*xs) for xs in zip(arrays, *columns, strict=True)])


def same_structure(a: Structure, b: Structure) -> bool:
    """Whether two trees differ in their arrays only.

    A leaf with an attribute ``structure_key`` is compared by it: closures that one ``def`` made in two executions are
    not equal (they captured different values), yet what they return has one structure.
    """
    if a.treedef != b.treedef or a.is_array != b.is_array:
        return False
    return all(x is y or _key(x) == _key(y) for x, y in zip(a.static, b.static, strict=True))


def _key(leaf: Any) -> Any:
    return getattr(leaf, "structure_key", leaf)


def map_nodes(f: Callable[[Any], Any], kind: Any, tree: Tree) -> Tree:
    """Apply ``f`` to the outermost nodes of a kind (a class, or a union of classes); everything else stays."""
    leaves, treedef = flatten(tree, is_leaf=lambda x: isinstance(x, kind))
    return unflatten(treedef, [f(x) if isinstance(x, kind) else x for x in leaves])
