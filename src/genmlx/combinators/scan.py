"""Scan: a kernel executed along a sequence of inputs, carrying a state."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

from genmlx.combinators.elements import Elements, stacked_list
from genmlx.combinators.sequence import Changes, Recipe, Sequential, Steps, as_stacked
from genmlx.combinators.steps import known_equal
from genmlx.control.trees import as_arrays
from genmlx.core.diff import NoChange, VectorDiff
from genmlx.core.gfi import GenerativeFunction
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.pytree import same_structure, split_arrays
from genmlx.numerics.types import Tree

__all__ = ["Scan"]


class Scan(Sequential):
    r"""A kernel executed along a sequence of inputs, carrying a state.

    ::

        for t in range(n):
            carry, output = kernel(carry, inputs[t]) @ t
            outputs.append(output)
        return carry, stack(outputs)

    The choices of step t lie below the address t, stored stacked: ``trace[3, "x"]``, ``trace[:, "x"]``. The log density
    is the sum over the steps. A kernel that makes other choices in other steps is allowed; its traces are a list.

    ``update`` and ``regenerate`` execute the kernel from the first step on that is constrained, selected or given
    another input, and stop where the carry is what it was: of a chain whose carry is the choice itself, changing one
    choice executes two steps. Inputs are compared with the old ones unless ``argdiffs`` speaks of them: `NoChange`, or
    ``VectorDiff([3])`` for those of some steps. Longer inputs append steps: only those are executed.

    Args:
        kernel: takes the carry and an element of the inputs, returns the next carry (one structure, shape and dtype for
            all steps) and an output (or None).
        length: the number of steps; needed where the inputs are None.

    Example:
        >>> from genmlx import Scan, gen, normal
        >>> @gen
        ... def step(total, x):
        ...     y = normal(x, 1.0) @ "y"
        ...     return total + y, y - x
        >>> weight, (total, errors) = Scan(step)(0.0, [1.0, 2.0]).assess({0: {"y": 1.0}, 1: {"y": 3.0}})
        >>> round(weight.item(), 4), total.item(), errors.tolist()  # log N(0; 0, 1) + log N(1; 0, 1)
        (-2.3379, 4.0, [0.0, 1.0])
    """

    def __init__(self, kernel: Any, length: int | None = None) -> None:
        if not isinstance(kernel, GenerativeFunction):
            raise UsageError(f"Scan takes a generative function, found {kernel!r}", fix="gm.Scan(step)(carry, inputs)")
        self.kernel, self.length = kernel, length
        self.name = f"Scan({kernel.name})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        args = super().bind(args, kwargs)
        if len(args) == 1:
            args = (*args, None)
        if len(args) != 2:
            raise UsageError(f"{self.name} takes a carry and inputs, found {len(args)} arguments")
        carry, inputs = args
        args = as_arrays(carry), stacked_list(inputs, "inputs") if isinstance(inputs, list) else inputs
        self._steps(args)  # the lengths agree
        return args

    @property
    def structure_key(self) -> Any:
        return Scan, self.kernel.structure_key, self.length

    def _steps(self, args: tuple[Any, ...]) -> Steps:
        carry, inputs = args
        arrays = split_arrays(inputs)[0]
        lengths = {a.shape[0] if a.ndim else -1 for a in arrays}  # -1: no axis
        if self.length is not None:
            lengths.add(self.length)
        if -1 in lengths or len(lengths) != 1:
            found = f"the lengths {sorted(lengths)}" if lengths else "no inputs and no length"
            found = f"an input of shape {next(a.shape for a in arrays if not a.ndim)}" if -1 in lengths else found
            raise ShapeError(
                f"{self.name} was given {found}",
                fix="inputs with one leading axis of one length, or gm.Scan(kernel, length=n)(carry)",
            )
        (n,) = lengths
        return Steps(Recipe(self.kernel, (), False), n, carry, inputs)

    def _retval(self, x: Steps, elements: Elements) -> Tree:
        values = elements.retval
        outputs = [v[1] for v in values] if isinstance(values, list) else values[1]
        return x.last(elements, x.n), as_stacked(outputs, x.n)

    def _changes(self, argdiffs: tuple[Any, ...], was: Steps, now: Steps) -> Changes:
        start = argdiffs[0] is not NoChange and not known_equal(now.start, lambda: was.start)
        n = min(was.n, now.n)
        if isinstance(argdiffs[1], VectorDiff):
            return Changes(start, sorted({i for i in argdiffs[1].indices if i < n}), False)
        rows = () if argdiffs[1] is NoChange else _different(was, now, n)
        return Changes(start, () if rows is None else rows, rows is None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scan) and (self.kernel, self.length) == (other.kernel, other.length)

    def __hash__(self) -> int:
        return hash((Scan, self.kernel, self.length))


def _different(was: Steps, now: Steps, n: int) -> list[int] | None:
    """The steps, out of the first n, whose inputs are not what they were; None where that is not known."""
    (old, structure), (new, other) = split_arrays(was.inputs), split_arrays(now.inputs)
    if not same_structure(structure, other) or any(
        a.shape[1:] != b.shape[1:] or a.dtype != b.dtype for a, b in zip(old, new, strict=True)
    ):
        return None
    found = np.zeros(n, dtype=bool)
    try:
        for a, b in zip(old, new, strict=True):
            if a is not b and n:
                found |= np.array(mx.any((a[:n] != b[:n]).reshape(n, -1), axis=1))
    except ValueError:  # inside vmap or a gradient
        return None
    return np.flatnonzero(found).tolist()
