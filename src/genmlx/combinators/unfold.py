"""Unfold: a kernel executed step after step from an initial state."""

from __future__ import annotations

import operator
from typing import Any

from genmlx.combinators.elements import Elements
from genmlx.combinators.sequence import Changes, Recipe, Sequential, Steps, floats_as_arrays
from genmlx.combinators.steps import known_equal
from genmlx.control.trees import as_arrays
from genmlx.core.diff import Diff, NoChange, UnknownChange, diff_of
from genmlx.core.gfi import GenerativeFunction
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import same_structure, split_arrays
from genmlx.numerics.types import Tree

__all__ = ["Unfold"]


class Unfold(Sequential):
    r"""A kernel executed step after step from an initial state: a chain that can grow.

    ::

        for t in range(n):
            state = kernel(t, state, *params) @ t
            states.append(state)
        return stack(states)

    The choices of step t lie below the address t, stored stacked: ``trace[3, "x"]``, ``trace[:, "x"]``. The log density
    is the sum over the steps. ``t`` is an int32 array of one element. A kernel that makes other choices in other steps
    is allowed; its traces are a list.

    ``update(args=(n + 1, state0))`` appends a step: it executes the kernel once, whatever n is, because arguments that
    are what they were are found out (or promised: ``argdiffs=(UnknownChange, NoChange)``). ``update`` and
    ``regenerate`` execute the kernel from the first step on that is constrained or selected, and stop where the state
    is what it was: of a chain whose state is the choice itself, changing one choice executes two steps.

    Args:
        kernel: takes the number of the step, the state and the parameters, and returns the next state: one structure,
            shape and dtype for all steps.

    Example:
        >>> import mlx.core as mx
        >>> from genmlx import Unfold, gen, normal
        >>> @gen
        ... def walk(t, x, sd):
        ...     return normal(x, sd) @ "x"
        >>> weight, xs = Unfold(walk)(2, 0.0, 1.0).assess({0: {"x": 1.0}, 1: {"x": 1.0}})
        >>> round(weight.item(), 4), xs.tolist()  # log N(1; 0, 1) + log N(1; 1, 1)
        (-2.3379, [1.0, 1.0])
        >>> trace = Unfold(walk)(2, 0.0, 1.0).simulate(key=0)
        >>> len(trace.update({2: {"x": 0.5}}, args=(3, 0.0, 1.0)).trace)
        3
    """

    def __init__(self, kernel: Any) -> None:
        if not isinstance(kernel, GenerativeFunction):
            raise UsageError(f"Unfold takes a generative function, found {kernel!r}", fix="gm.Unfold(step)(n, state0)")
        self.kernel = kernel
        self.name = f"Unfold({kernel.name})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        args = super().bind(args, kwargs)
        if len(args) < 2:
            raise UsageError(f"{self.name} takes n, a state and parameters, found {len(args)} arguments")
        n, state, *params = args
        try:
            n = operator.index(n)
        except TypeError:
            n = -1
        if n < 0 or isinstance(args[0], bool):
            raise UsageError(
                f"{self.name} takes a number of steps, found {args[0]!r}", fix=f"gm.{self.name}(10, state0)"
            )
        return n, as_arrays(state), *floats_as_arrays(tuple(params))

    @property
    def structure_key(self) -> Any:
        return Unfold, self.kernel.structure_key

    def _steps(self, args: tuple[Any, ...]) -> Steps:
        n, state, *params = args
        return Steps(Recipe(self.kernel, tuple(params), True), n, state)

    def _retval(self, x: Steps, elements: Elements) -> Tree:
        return x.states(elements)

    def _changes(self, argdiffs: tuple[Any, ...], was: Steps, now: Steps) -> Changes:
        start = argdiffs[1] is not NoChange and not known_equal(now.start, lambda: was.start)
        old, new = was.recipe.params, now.recipe.params
        if len(old) != len(new):
            return Changes(start, (), True, (UnknownChange,) * len(new))
        diffs = tuple([_diff(d, a, b) for d, a, b in zip(argdiffs[2:], new, old, strict=True)])
        return Changes(start, (), any(d is not NoChange for d in diffs), diffs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unfold) and self.kernel == other.kernel

    def __hash__(self) -> int:
        return hash((Unfold, self.kernel))


def _diff(told: Diff, new: Any, old: Any) -> Diff:
    """What is known of the change of a parameter: what was told, and what can be seen."""
    if told is NoChange or diff_of(new, old) is NoChange:
        return NoChange
    (arrays, structure), (_, other) = split_arrays(new), split_arrays(old)
    if arrays and same_structure(structure, other) and known_equal(new, lambda: old):
        return NoChange
    return told
