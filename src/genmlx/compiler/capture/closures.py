"""The arrays that a function takes from the functions around it.

A loop body closes over values of the function that holds the loop. When both are captured, those values are operands
of the loop: `lifted` finds them, and makes a function that takes them as arguments instead.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import optree

from genmlx.numerics.pytree import flatten, unflatten
from genmlx.numerics.types import Array

__all__ = ["lifted"]


def lifted(f: Callable[..., Any]) -> tuple[list[Array], Callable[[Sequence[Array]], Callable[..., Any]]]:
    """The arrays that ``f`` closes over, and how to make ``f`` with others in their places.

    Looks into closures, default arguments, bound arguments of `functools.partial` and trees of those, through functions
    that functions close over; not into attributes and globals.

    >>> def adder(a):
    ...     return lambda x: x + a
    >>> arrays, remake = lifted(adder(mx.array([1.0, 2.0])))
    >>> remake([mx.array([5.0, 5.0])])(mx.zeros(2)).tolist()
    [5.0, 5.0]
    """
    found: dict[int, Array] = {}
    _find(f, found, set())
    arrays = list(found.values())

    def remake(others: Sequence[Array]) -> Callable[..., Any]:
        replaced = {id(a): b for a, b in zip(arrays, others, strict=True)}
        return _replace(f, replaced, {}) if arrays else f

    return arrays, remake


def _parts(f: Any) -> list[Any] | None:
    """What a callable holds: cells, defaults, bound arguments."""
    if isinstance(f, types.FunctionType):
        cells = [c.cell_contents for c in f.__closure__ or () if not _is_empty(c)]
        return [*cells, *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    if isinstance(f, functools.partial):
        return [f.func, *f.args, *f.keywords.values()]
    if isinstance(f, types.MethodType):
        return [f.__func__, f.__self__]
    return None


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _find(x: Any, found: dict[int, Array], seen: set[int]) -> None:
    if isinstance(x, mx.array):
        found.setdefault(id(x), x)
        return
    if id(x) in seen:
        return
    seen.add(id(x))
    parts = _parts(x)
    if parts is None:
        leaves = flatten(x)[0] if _is_tree(x) else []
        parts = [leaf for leaf in leaves if leaf is not x]
    for part in parts:
        _find(part, found, seen)


def _is_tree(x: Any) -> bool:
    return isinstance(x, tuple | list | dict) or _registered(type(x))


@functools.cache
def _registered(cls: type) -> bool:
    return optree.register_pytree_node.get(cls, namespace="genmlx") is not None


def _replace(x: Any, arrays: dict[int, Array], made: dict[int, Any]) -> Any:
    if isinstance(x, mx.array):
        return arrays.get(id(x), x)
    if id(x) in made:
        return made[id(x)]
    if isinstance(x, types.FunctionType):
        return _replace_function(x, arrays, made)
    if isinstance(x, functools.partial):
        keywords = {k: _replace(v, arrays, made) for k, v in x.keywords.items()}
        return functools.partial(
            _replace(x.func, arrays, made), *(_replace(a, arrays, made) for a in x.args), **keywords
        )
    if isinstance(x, types.MethodType):
        return types.MethodType(_replace(x.__func__, arrays, made), _replace(x.__self__, arrays, made))
    if _is_tree(x):
        leaves, treedef = flatten(x)
        return x if leaves == [x] else unflatten(treedef, [_replace(leaf, arrays, made) for leaf in leaves])
    return x


def _replace_function(f: types.FunctionType, arrays: dict[int, Array], made: dict[int, Any]) -> types.FunctionType:
    if not _parts(f):
        return f
    cells = tuple(types.CellType() for _ in f.__closure__ or ())
    copy = types.FunctionType(f.__code__, f.__globals__, f.__name__, None, cells or None)
    made[id(f)] = copy  # before its cells: a recursive function closes over itself
    for cell, old in zip(cells, f.__closure__ or (), strict=True):
        if not _is_empty(old):
            cell.cell_contents = _replace(old.cell_contents, arrays, made)
    copy.__defaults__ = tuple(_replace(d, arrays, made) for d in f.__defaults__) if f.__defaults__ else None
    copy.__kwdefaults__ = {k: _replace(v, arrays, made) for k, v in (f.__kwdefaults__ or {}).items()} or None
    copy.__dict__.update(f.__dict__)
    return copy
