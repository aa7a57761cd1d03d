"""Branches: `cond` and `switch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx

from genmlx.compiler import capture
from genmlx.control.bodies import record, trace_body
from genmlx.control.trees import as_arrays, as_flag, check_branches, check_same
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import join_arrays, split_arrays
from genmlx.numerics.types import Array, Tree

__all__ = ["cond", "switch"]


def cond(flag: bool | Array, on_true: Callable[..., Tree], on_false: Callable[..., Tree], *operands: Tree) -> Tree:
    """``on_true(*operands) if flag else on_false(*operands)``; both return one structure, with equal shapes and dtypes.

    Where the flag has no value (under ``mx.vmap`` and ``mx.grad``) both run and `mx.where` chooses.

    Raises:
        ShapeError: the two return different structures, shapes or dtypes.
    """
    index = flag if isinstance(flag, bool) else as_flag(flag)
    return switch(int(index) if isinstance(index, bool) else index.astype(mx.int32), (on_false, on_true), *operands)


def switch(index: int | Array, branches: Sequence[Callable[..., Tree]], *operands: Tree) -> Tree:
    """``branches[index](*operands)``; an index out of range means the nearest branch.

    Where the index has no value (under ``mx.vmap`` and ``mx.grad``) all branches run and `mx.where` chooses.

    Raises:
        ShapeError: the branches return different structures, shapes or dtypes.
        UsageError: there is no branch.
    """
    if not branches:
        raise UsageError("switch got no branches", fix="switch(index, (f, g), *operands)")
    operands = as_arrays(operands)
    if isinstance(index, int):
        return as_arrays(branches[min(max(index, 0), len(branches) - 1)](*operands))
    index = mx.array(index).reshape(()).astype(mx.int32)
    if capture.is_capturing():
        return _switch_captured(index, branches, operands)
    try:
        chosen = int(index)
    except ValueError:
        return _choose(index, [as_arrays(branch(*operands)) for branch in branches])
    return as_arrays(branches[min(max(chosen, 0), len(branches) - 1)](*operands))


def _choose(index: Array, results: Sequence[Tree]) -> Tree:
    """The result at an index that has no value yet."""
    chosen, structure = split_arrays(results[0])
    for i, result in enumerate(results[1:], 1):
        check_branches(results[0], result)
        chosen = [mx.where(index >= i, b, a) for a, b in zip(chosen, split_arrays(result)[0], strict=True)]
    return join_arrays(structure, chosen)


def _switch_captured(index: Array, branches: Sequence[Callable[..., Tree]], operands: Tree) -> Tree:
    def run(branch: Callable[..., Tree]) -> Callable[..., Tree]:
        return lambda *xs: as_arrays(branch(*xs))

    traced = [trace_body(run(branch), operands) for branch in branches]
    for other in traced[1:]:
        check_same("the branches return", traced[0].results, traced[0].structure, other.results, other.structure)
    arrays = split_arrays(operands)[0]
    types = [[capture.type_of(r) for r in t.rest] for t in traced]
    regions = []
    for i, t in enumerate(traced):
        before = [x for rest in types[:i] for x in rest]
        after = [x for rest in types[i + 1 :] for x in rest]
        regions.append(capture.widened(capture.widened(t.region, len(arrays), before, []), None, [], after))
    rest = [r for t in traced for r in t.rest]
    return join_arrays(traced[0].structure, record("switch", [index, *arrays, *rest], {}, regions))
