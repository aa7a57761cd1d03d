"""Invariant lifting: what is the same in every iteration is computed once, before the loop.

Input form: any region. Output form: no operation in the body of a scan, while or map depends on nothing but operands
that all iterations share, except

* constants and views, which cost nothing;
* values larger than `LARGEST` bytes and than what they are made from: memory that the loop would read in every
  iteration, and that a kernel for many chains needs many times;
* costly operations in the body of a while, which may not run at all, and in a branch, which may not be taken.

Preserved: every result to the bit: operations are pure, only when they run changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from genmlx.compiler.ir.graph import Op, Region, Value
from genmlx.compiler.ir.ops import OPS, STRUCTURED, VIEWS
from genmlx.compiler.passes.structured import LOOPS, Operand, Replacement, Structured, copied, transformed

__all__ = ["CHEAP", "LARGEST", "lift_invariants"]

LARGEST = 1 << 16  # bytes: several of them fit the second-level cache
CHEAP = 1 << 12  # elements

_EXPENSIVE = frozenset(
    {"random_bits", "sort", "argsort", "searchsorted", "matmul", "cholesky", "inverse", "solve_triangular", "convolve"}
)


def lift_invariants(region: Region) -> Region:
    """The region with invariants lifted; the same object where there are none."""
    return transformed(region, _visit)


def _visit(op: Op, definitions: Mapping[Value, Op]) -> Replacement | None:
    if op.name not in LOOPS:
        return None
    loop = Structured.read(op)
    lifted: list[Op] = []
    for i in range(len(loop.bodies)):
        runs = op.name != "while" or i == 0  # a loop whose length is known runs: `loops` removes empty ones
        _lift_from_branches(loop, i)
        lifted += _lift(loop, i, {x.parameters[i]: x.operand for x in loop.rest}, None if runs else _is_cheap)
    return Replacement([*lifted, loop.write()], {}) if lifted else None


def _lift_from_branches(loop: Structured, region: int) -> None:
    """Lifts what is cheap from the branches of a body to the body, if it does not change in the loop."""
    shared = {x.parameters[region] for x in loop.rest}
    body: list[Op] = []
    for op in loop.bodies[region]:
        if op.inputs and op.name not in STRUCTURED and shared.issuperset(op.inputs):
            shared.update(op.outputs)
        new = op
        if op.name == "switch":
            switch = Structured.read(op)
            lifted: list[Op] = []
            for i in range(len(switch.bodies)):
                lifted += _lift(
                    switch, i, {x.parameters[i]: x.operand for x in switch.rest if x.operand in shared}, _is_cheap
                )
            if lifted:
                body += lifted
                shared.update(v for o in lifted for v in o.outputs)
                new = switch.write()
        body.append(new)
    loop.bodies[region] = body


def _lift(s: Structured, region: int, shared: Mapping[Value, Value], allowed: Callable[[Op], bool] | None) -> list[Op]:
    """Moves operations out of a region that depend on shared parameters only.

    Args:
        s: the operation; its body loses what is lifted, and it gets the results as operands.
        region: which of its regions.
        shared: the parameters that are the same always, and what they are outside.
        allowed: which operations may move; None for all.

    Returns:
        The operations to run before it.
    """
    body = s.bodies[region]
    fixed = _fixed(body, shared, allowed)
    crossing, kept = _border(body, s.results(region), fixed)
    if not crossing:
        return []
    outside = set(crossing)
    moved: list[Op] = []
    for op in reversed(body):
        if not outside.isdisjoint(op.outputs):
            outside.update(op.inputs)
            moved.append(op)
    names = dict(shared)
    lifted = copied(reversed(moved), names)
    s.bodies[region] = kept
    for value in crossing:
        parameters = tuple(value if i == region else Value(value.type) for i in range(len(s.bodies)))
        s.rest.append(Operand(names[value], parameters))
    return lifted


def _fixed(body: Sequence[Op], shared: Iterable[Value], allowed: Callable[[Op], bool] | None) -> dict[Value, int]:
    """The values that do not change, and the bytes that each is made from."""
    fixed = {v: v.type.nbytes for v in shared}
    for op in body:
        if all(v in fixed for v in op.inputs) and (allowed is None or allowed(op)):
            fixed.update((v, min(v.type.nbytes, sum(fixed[v] for v in op.inputs))) for v in op.outputs)
    return fixed


def _border(body: Sequence[Op], results: Iterable[Value], fixed: Mapping[Value, int]) -> tuple[list[Value], list[Op]]:
    """The values that are to come from outside, and the operations that stay."""
    stays = {id(op) for op in body if not all(v in fixed for v in op.outputs)}
    inside = {v for op in body if id(op) in stays for v in op.inputs}.union(results)
    crossing: list[Value] = []
    for op in reversed(body):
        needed = [v for v in op.outputs if v in fixed and v in inside]
        room = max(LARGEST, sum(fixed.get(v, 0) for v in op.inputs))
        if needed and (_is_free(op) or any(v.type.nbytes > room for v in needed)):
            stays.add(id(op))
            inside.update(op.inputs)
        else:
            crossing += needed
    return crossing, [op for op in body if id(op) in stays]


def _is_free(op: Op) -> bool:
    """Whether an operation costs nothing where it is: it makes a constant, or only renames elements."""
    return op.name in VIEWS or not op.inputs


def _is_cheap(op: Op) -> bool:
    if op.name in STRUCTURED or op.name in _EXPENSIVE:
        return False
    return OPS[op.name].kind == "view" or sum(v.type.size for v in (*op.inputs, *op.outputs)) <= CHEAP
