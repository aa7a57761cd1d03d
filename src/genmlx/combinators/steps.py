"""Step after step: a recurrence run as a Python loop, or as one loop of the compiler.

The Python loop is the reference, and what runs first. While something around it is compiled, the recurrence is one
`genmlx.control.scan`; and a recurrence that has taken many steps is compiled itself, where its step can be captured.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from genmlx import control
from genmlx.combinators.elements import Done, Kept
from genmlx.combinators.surroundings import surroundings
from genmlx.control import is_capturing
from genmlx.core import execution
from genmlx.core.gfi import GenerativeFunction
from genmlx.numerics.errors import GenMLXError
from genmlx.numerics.pytree import Structure, join_arrays, map_arrays, same_structure, split_arrays
from genmlx.numerics.types import Array, Tree

__all__ = ["Step", "advance", "known_equal"]

Step = Callable[..., tuple[Tree, Tree]]
"""``step(shared, state, *row) -> (state, result)``."""


_FEWEST = 16
"""Fewer steps than these are not compiled: a call of a kernel costs about as much as an eager step."""
_BEFORE_COMPILING = 1_000
"""So many eager steps are taken first: they take about as long as a compilation. What runs once, such as a kernel that
is a closure of the model around it, is never compiled."""
_AT_ONCE = 5_000
"""A sequence of so many steps is compiled the first time."""
_RECURRENCES = 128
"""So many recurrences are remembered."""


def advance(
    step: Step, kernel: GenerativeFunction, shared: Tree, state: Tree, lo: int, hi: int, mapped: tuple[Tree, ...]
) -> tuple[Tree, list[Done]]:
    """Steps ``lo ... hi - 1`` of a recurrence.

    Args:
        kernel: the generative function that the step calls.
        step: what one step does.
        shared: what all steps are given.
        state: the state before the first of them.
        lo: the first step.
        hi: the step after the last.
        mapped: what differs from step to step: a leading axis on every array.

    Returns:
        The state after them, and their results: in one piece where all have one structure, else one by one.
    """
    if hi - lo > 1 and is_capturing():
        state, result = _in_a_loop(step, shared, state, hi - lo, mapped)
        return state, [Done(range(lo, hi), result)]
    if hi - lo >= _FEWEST:
        found = _compiled(step, kernel, shared, state, hi - lo, mapped)
        if found is not None:
            return found[0], [Done(range(lo, hi), found[1])]
    return _one_by_one(step, shared, state, lo, hi, mapped)


def _one_by_one(
    step: Step, shared: Tree, state: Tree, lo: int, hi: int, mapped: tuple[Tree, ...]
) -> tuple[Tree, list[Done]]:
    results = []
    for i in range(lo, hi):
        row = map_arrays(lambda a, k=i - lo: a[k], mapped)
        try:
            state, result = step(shared, state, *row)
        except GenMLXError as error:
            raise error.within((i,))  # noqa: B904 - the same error, with a longer path
        results.append(result)
    return state, _stacked(lo, results)


def _stacked(lo: int, results: Sequence[Tree]) -> list[Done]:
    """The results of steps in a row, in one piece if they are alike."""
    if not results:
        return []
    split = [split_arrays(r) for r in results]
    arrays, structure = split[0]
    shapes = [(a.shape, a.dtype) for a in arrays]
    if all(same_structure(structure, s) and shapes == [(a.shape, a.dtype) for a in xs] for xs, s in split[1:]):
        columns = zip(*(xs for xs, _ in split), strict=True)
        stacked = join_arrays(structure, [mx.stack(list(column)) for column in columns])
        return [Done(range(lo, lo + len(results)), stacked)]
    return [Done(range(i, i + 1), map_arrays(lambda a: a[None], r)) for i, r in enumerate(results, lo)]


def _in_a_loop(step: Step, shared: Tree, state: Tree, n: int, mapped: tuple[Tree, ...]) -> tuple[Tree, Tree]:
    """All steps as one `genmlx.control.scan`; results have one structure."""
    carried, carry = split_arrays(state)
    sequences, row = split_arrays(mapped)
    kept = Kept()

    def body(carried: list[Array], xs: list[Array]) -> tuple[list[Array], list[Array]]:
        following, result = step(shared, join_arrays(carry, carried), *join_arrays(row, xs))
        results, kept.structure = split_arrays(result)
        return split_arrays(following)[0], results

    carried, results = control.scan(body, carried, sequences, n)
    return join_arrays(carry, carried), join_arrays(kept.structure, results)


# ---- compiled --------------------------------------------------------------------------------------------------------


class _Recurrence:
    """A recurrence of one structure: how many steps it has taken, and its kernel once there is one."""

    def __init__(self) -> None:
        self.taken = 0
        self.run: Callable[..., list[Array]] | None = None
        self.kept = Kept()
        self.refused = False


_recurrences: collections.OrderedDict[Any, _Recurrence] = collections.OrderedDict()


def _compiled(
    step: Step, kernel: GenerativeFunction, shared: Tree, state: Tree, n: int, mapped: tuple[Tree, ...]
) -> tuple[Tree, Tree] | None:
    """`_in_a_loop` by a native kernel; None where the steps are to be taken one by one."""
    if execution.is_validating() or execution.is_initialising():
        return None  # what a step does then is not what was compiled
    arrays, structure = split_arrays((shared, state, mapped))
    reads = surroundings(kernel)
    if reads is None:
        return None
    key = (step, reads, n, structure, tuple([(a.shape, a.dtype) for a in arrays]))
    try:
        recurrence = _remembered(key)
    except TypeError:  # a part of the structure has no hash
        return None
    taken, recurrence.taken = recurrence.taken, recurrence.taken + n
    if recurrence.refused or (taken < _BEFORE_COMPILING and n < _AT_ONCE):
        return None
    try:
        mx.eval(arrays)
    except ValueError:  # inside vmap, where there are no values
        return None
    if recurrence.run is None:
        recurrence.run = _kernel_of(step, n, structure, recurrence.kept)
    try:
        results = recurrence.run(*arrays)
    except Exception:  # whatever it is: step by step it works, or fails in the words of the user's program
        recurrence.refused = True
        return None
    return join_arrays(recurrence.kept.structure, list(results))


def _remembered(key: Any) -> _Recurrence:
    recurrence = _recurrences.get(key)
    if recurrence is None:
        recurrence = _recurrences[key] = _Recurrence()
        if len(_recurrences) > _RECURRENCES:
            _recurrences.popitem(last=False)
    else:
        _recurrences.move_to_end(key)
    return recurrence


def _kernel_of(step: Step, n: int, structure: Structure, kept: Kept) -> Callable[..., list[Array]]:
    """A native kernel of arrays to arrays; its derivatives are those of the steps one by one."""

    def steps(*arrays: Array) -> list[Array]:
        shared, state, mapped = join_arrays(structure, list(arrays))
        results, kept.structure = split_arrays(_in_a_loop(step, shared, state, n, mapped))
        return results

    guarded = mx.custom_function(control.compile(steps, backend="native"))

    def of_floats(primals: Sequence[Array]) -> tuple[list[int], Callable[..., list[Array]]]:
        """The floats among the arguments, and the steps as a function of them: integers have no derivative."""
        floats = [i for i, x in enumerate(primals) if mx.issubdtype(x.dtype, mx.floating)]

        def f(*xs: Array) -> list[Array]:
            full = list(primals)
            for i, x in zip(floats, xs, strict=True):
                full[i] = x
            return [r for r in steps(*full) if mx.issubdtype(r.dtype, mx.floating)]

        return floats, f

    @guarded.vjp
    def _(primals: Any, cotangents: Any, _: Any) -> list[Array]:
        floats, f = of_floats(primals)
        wanted = [c for c in cotangents if mx.issubdtype(c.dtype, mx.floating)]
        gradients = mx.vjp(f, [primals[i] for i in floats], wanted)[1]
        full = [mx.zeros_like(p) for p in primals]
        for i, gradient in zip(floats, gradients, strict=True):
            full[i] = gradient
        return full

    return guarded  # type: ignore[return-value]


def known_equal(new: Tree, old: Callable[[], Tree]) -> bool:
    """Whether a state has a value now, and it is the one that it was; where it has none, nothing is known."""
    arrays, others = split_arrays(new)[0], split_arrays(old())[0]
    try:
        return all(a is b or bool(mx.array_equal(a, b)) for a, b in zip(arrays, others, strict=True))
    except ValueError:  # inside vmap, or a tree of another size
        return False
