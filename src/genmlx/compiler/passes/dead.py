"""Dead code: what no result depends on.

Input form: any region. Output form: every operation, and every carry, sequence, operand and output of a structured
operation, takes part in some result. Preserved: every result to the bit. Operations are pure, so nothing else is lost;
a `while` without an end ends, if nobody needs what it computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from genmlx.compiler.ir.graph import Op, Region, Value
from genmlx.compiler.ir.ops import STRUCTURED
from genmlx.compiler.passes.structured import Structured

__all__ = ["remove_dead_code"]


def remove_dead_code(region: Region) -> Region:
    """The region without dead code; the same object if there is none."""
    ops = _alive(region.ops, _needed(region.ops, region.results))
    unchanged = len(ops) == len(region.ops) and all(a is b for a, b in zip(ops, region.ops, strict=True))
    return region if unchanged else Region(region.parameters, tuple(ops), region.results)


def _needed(ops: Sequence[Op], results: Iterable[Value]) -> set[Value]:
    """The values on which results depend, and the results."""
    needed = set(results)
    for op in reversed(ops):
        if not needed.isdisjoint(op.outputs):
            needed.update(_trimmed(op, needed).inputs if _has_bodies(op) else op.inputs)
    return needed


def _alive(ops: Iterable[Op], needed: set[Value]) -> list[Op]:
    kept = [op for op in ops if not needed.isdisjoint(op.outputs)]
    return [_trimmed(op, needed, inside=True) if _has_bodies(op) else op for op in kept]


def _has_bodies(op: Op) -> bool:
    return op.name in STRUCTURED and op.name != "gradient"


def _trimmed(op: Op, needed: set[Value], inside: bool = False) -> Op:
    """A structured operation with the items that count, and, if asked for, without dead code inside."""
    s = Structured.read(op)
    before = (len(s.carries), len(s.sequences), len(s.rest), len(s.outputs))
    s.outputs = [o for o in s.outputs if o.output in needed]
    everything, s.carries = s.carries, []
    grown = [c for c in everything if c.output in needed]
    uses: list[set[Value]] = []
    # A carry counts if its last value does, or if a carry that counts depends on it in some iteration.
    while not uses or len(grown) > len(s.carries):
        s.carries = grown
        uses = [_needed(body, s.results(i)) for i, body in enumerate(s.bodies)]
        grown = [c for c in everything if c in s.carries or _used(c.parameters, uses)]
    s.sequences = [x for x in s.sequences if _used(x.parameters, uses)]
    s.rest = [x for x in s.rest if _used(x.parameters, uses)]
    unchanged = before == (len(s.carries), len(s.sequences), len(s.rest), len(s.outputs))
    if inside:
        bodies = [_alive(body, found) for body, found in zip(s.bodies, uses, strict=True)]
        unchanged = unchanged and all(
            len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
            for a, b in zip(bodies, s.bodies, strict=True)
        )
        s.bodies = bodies
    return op if unchanged else s.write()


def _used(parameters: Sequence[Value], uses: Sequence[set[Value]]) -> bool:
    return any(p in found for p, found in zip(parameters, uses, strict=True))
