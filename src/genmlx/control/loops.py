"""Loops: `scan`, `fori_loop`, `while_loop`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from genmlx.compiler import capture
from genmlx.control.bodies import record, trace_body
from genmlx.control.trees import as_arrays, as_flag, check_carry
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.pytree import join_arrays, same_structure, split_arrays
from genmlx.numerics.transforms import explain_control_flow
from genmlx.numerics.types import Array, Tree

__all__ = ["fori_loop", "scan", "while_loop"]


def scan(
    step: Callable[[Tree, Tree], tuple[Tree, Tree]],
    carry: Tree,
    inputs: Tree = None,
    length: int | None = None,
    *,
    reverse: bool = False,
) -> tuple[Tree, Tree]:
    """A loop that carries a state along a sequence: ``carry, outputs[i] = step(carry, inputs[i])``.

    Args:
        step: takes the carry and an element of the inputs, returns the next carry and an output (or None).
        carry: the initial state; ``step`` keeps its structure, shapes and dtypes.
        inputs: a tree of arrays with one leading axis, over which the loop runs; None with ``length``.
        length: how many steps; by default the size of that axis.
        reverse: from the last element to the first. Outputs stay at the place of their input.

    Returns:
        The last carry, and the outputs stacked along a new leading axis.

    Raises:
        ShapeError: the inputs have different lengths, or ``step`` changes what it carries.
    """
    carry, xs = as_arrays(carry), as_arrays(inputs)
    count = _length(xs, length)
    if capture.is_capturing():
        return _scan_captured(step, carry, xs, count, reverse)
    if not count:
        return _scan_nothing(step, carry, xs)
    arrays, structure = split_arrays(xs)
    outputs: list[Tree] = [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        following, outputs[i] = step(carry, join_arrays(structure, [a[i] for a in arrays]))
        following = as_arrays(following)
        check_carry("scan", carry, following)
        carry = following
    return carry, _stack(outputs)


def _length(inputs: Tree, length: int | None) -> int:
    lengths = {a.shape[0] if a.ndim else None for a in split_arrays(inputs)[0]}
    if length is not None:
        lengths.add(length)
    if len(lengths) != 1 or None in lengths:
        found = "no inputs and no length" if not lengths else f"lengths {sorted(map(str, lengths))}"
        raise ShapeError(f"scan got {found}", fix="inputs with one leading axis, or length=n")
    (count,) = lengths
    return count  # type: ignore[return-value]


def _scan_nothing(step: Callable[..., Any], carry: Tree, inputs: Tree) -> tuple[Tree, Tree]:
    """No step: the outputs have length 0, and the types that a step would give them."""
    arrays, structure = split_arrays(inputs)
    element = join_arrays(structure, [mx.zeros(a.shape[1:], a.dtype) for a in arrays])
    following, output = step(carry, element)
    check_carry("scan", carry, as_arrays(following))
    outputs, structure = split_arrays(as_arrays(output))
    return carry, join_arrays(structure, [mx.zeros((0, *a.shape), a.dtype) for a in outputs])


def _stack(outputs: Sequence[Tree]) -> Tree:
    parts = [split_arrays(as_arrays(o)) for o in outputs]
    structure = parts[0][1]
    if not all(same_structure(structure, other) for _, other in parts):
        raise ShapeError("the steps of a scan returned outputs of different structures", fix="one structure for all")
    return join_arrays(structure, [mx.stack(list(column)) for column in zip(*(a for a, _ in parts), strict=True)])


def _scan_captured(step: Callable[..., Any], carry: Tree, inputs: Tree, count: int, reverse: bool) -> tuple[Tree, Tree]:
    carried, xs = split_arrays(carry)[0], split_arrays(inputs)[0]
    element = join_arrays(split_arrays(inputs)[1], [mx.zeros(x.shape[1:], x.dtype) for x in xs])

    def body(carry: Tree, x: Tree) -> tuple[Tree, Tree]:
        following, output = step(carry, x)
        following = as_arrays(following)
        check_carry("scan", carry, following)
        return following, as_arrays(output)

    traced = trace_body(body, (carry, element))
    attributes = {"length": count, "carries": len(carried), "sequences": len(xs), "reverse": reverse}
    out = record("scan", [*carried, *xs, *traced.rest], attributes, [traced.region])
    return join_arrays(traced.structure, out)


def fori_loop(lower: int | Array, upper: int | Array, body: Callable[[Array, Tree], Tree], carry: Tree) -> Tree:
    """``for i in range(lower, upper): carry = body(i, carry)``; ``i`` is an int32 array.

    With Python integers as bounds the loop can be differentiated; with arrays it is a `while_loop`.

    Raises:
        ShapeError: ``body`` changes the structure, a shape or a dtype of what it carries.
    """
    if isinstance(lower, int) and isinstance(upper, int):
        indices = mx.arange(lower, max(upper, lower), dtype=mx.int32)
        return scan(lambda c, i: (body(i, c), None), carry, indices)[0]
    first = mx.array(lower, dtype=mx.int32)
    last = mx.array(upper, dtype=mx.int32)
    return while_loop(lambda s: s[0] < last, lambda s: (s[0] + 1, body(s[0], s[1])), (first, carry))[1]


def while_loop(condition: Callable[[Tree], Array], body: Callable[[Tree], Tree], carry: Tree) -> Tree:
    """``while condition(carry): carry = body(carry)``.

    Has no gradient in reverse mode: the number of steps is not known. `scan` and `fori_loop` with integers have.

    Raises:
        ShapeError: ``body`` changes the structure, a shape or a dtype of what it carries.
        ControlFlowError: it is vectorised by ``mx.vmap`` or differentiated, where there is no value to decide on.
    """
    carry = as_arrays(carry)
    if capture.is_capturing():
        return _while_captured(condition, body, carry)
    with explain_control_flow():
        while bool(condition(carry)):
            following = as_arrays(body(carry))
            check_carry("while_loop", carry, following)
            carry = following
            mx.eval(split_arrays(carry)[0])  # one step at a time, so that the graph does not grow with their number
    return carry


def _while_captured(condition: Callable[[Tree], Array], body: Callable[[Tree], Tree], carry: Tree) -> Tree:
    arrays, structure = split_arrays(carry)

    def checked(state: Tree) -> Tree:
        following = as_arrays(body(state))
        check_carry("while_loop", state, following)
        return following

    test = trace_body(lambda state: as_flag(condition(state)), (carry,))
    loop = trace_body(checked, (carry,))
    # Both regions see the same operands: each ignores what only the other needs.
    n, first, second = len(arrays), len(test.rest), len(loop.rest)
    regions = [
        capture.widened(test.region, n + first, [], [capture.type_of(r) for r in loop.rest]),
        capture.widened(loop.region, n, [capture.type_of(r) for r in test.rest], []),
    ]
    assert len(regions[0].parameters) == len(regions[1].parameters) == n + first + second
    return join_arrays(structure, record("while", [*arrays, *test.rest, *loop.rest], {"carries": n}, regions))
