"""Structured operations taken apart: what flows into, through and out of their regions, item by item.

The operands of an operation, the parameters of each of its regions, their results and the operation's outputs are four
lists that belong together. A `Structured` holds them as items: a pass adds, drops or moves an item in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from genmlx.compiler.ir.graph import Op, Region, Value

__all__ = ["LOOPS", "Carry", "Operand", "Output", "Replacement", "Structured", "copied", "renamed", "transformed"]

LOOPS = frozenset({"scan", "while", "map"})


class Carry(NamedTuple):
    """What a loop hands from iteration to iteration: first value, a parameter a region, next value, last value."""

    operand: Value
    parameters: tuple[Value, ...]
    result: Value
    output: Value


class Operand(NamedTuple):
    """What a structured operation gets: a sequence, of which regions see an element, or a value as it is."""

    operand: Value
    parameters: tuple[Value, ...]


class Output(NamedTuple):
    """What comes out: a result of each region (of the last, for a loop), and the operation's output."""

    results: tuple[Value, ...]
    output: Value


@dataclass(slots=True)
class Structured:
    """A scan, while, map or switch.

    Attributes:
        op: the operation that was read.
        carries: of scan and while.
        sequences: of scan and map.
        rest: operands that are the same for all iterations; all but the index of a switch.
        outputs: stacked over the iterations of scan and map; chosen by switch.
        bodies: the operations of each region.
    """

    op: Op
    carries: list[Carry]
    sequences: list[Operand]
    rest: list[Operand]
    outputs: list[Output]
    bodies: list[list[Op]]

    @classmethod
    def read(cls, op: Op) -> Structured:
        """Takes an operation apart."""
        carries, sequences, offset = _counts(op)
        columns = list(zip(*(r.parameters for r in op.regions), strict=True))
        operands = op.inputs[offset:]
        items = [Operand(v, tuple(c)) for v, c in zip(operands, columns, strict=True)]
        results = op.regions[-1].results
        flowing = [
            Carry(*item, result, output)
            for item, result, output in zip(items[:carries], results[:carries], op.outputs[:carries], strict=True)
        ]
        chosen = op.regions if op.name == "switch" else op.regions[-1:]
        stacked = list(zip(*(r.results[carries:] for r in chosen), strict=True))
        outputs = [Output(tuple(r), o) for r, o in zip(stacked, op.outputs[carries:], strict=True)]
        bodies = [list(r.ops) for r in op.regions]
        return cls(op, flowing, items[carries : carries + sequences], items[carries + sequences :], outputs, bodies)

    def write(self) -> Op:
        """Puts the operation together."""
        op = self.op
        items = [*self.carries, *self.sequences, *self.rest]
        attributes: dict[str, Any] = dict(op.attributes)
        for key, found in (("carries", self.carries), ("sequences", self.sequences), ("mapped", self.sequences)):
            if key in attributes:
                attributes[key] = len(found)
        regions = []
        for i, body in enumerate(self.bodies):
            regions.append(Region(tuple(item.parameters[i] for item in items), tuple(body), self.results(i)))
        inputs = (*op.inputs[: _counts(op)[2]], *(item.operand for item in items))
        outputs = (*(c.output for c in self.carries), *(o.output for o in self.outputs))
        return Op(op.name, inputs, attributes, tuple(regions), outputs, op.source)

    def results(self, region: int) -> tuple[Value, ...]:
        """The results of a region."""
        if self.op.name == "while" and region == 0:
            return self.op.regions[0].results
        last = self.op.name == "switch" or region == len(self.bodies) - 1
        assert last
        at = region if self.op.name == "switch" else 0
        return (*(c.result for c in self.carries), *(o.results[at] for o in self.outputs))

    @property
    def trips(self) -> int | None:
        """The number of iterations, where it is known."""
        return self.op.attributes.get("length", self.op.attributes.get("size"))


def _counts(op: Op) -> tuple[int, int, int]:
    """The numbers of carries and sequences, and of operands before them."""
    attributes = op.attributes
    sequences = attributes.get("sequences", attributes.get("mapped", 0))
    return attributes.get("carries", 0), sequences, int(op.name == "switch")


def copied(ops: Iterable[Op], names: dict[Value, Value]) -> list[Op]:
    """Operations once more, with new outputs, which are entered in ``names``, and inputs renamed by it."""
    found = []
    for op in ops:
        outputs = tuple(Value(v.type) for v in op.outputs)
        found.append(Op(op.name, tuple(names[v] for v in op.inputs), op.attributes, op.regions, outputs, op.source))
        names.update(zip(op.outputs, outputs, strict=True))
    return found


# ---- a pass over structured operations -------------------------------------------------------------------------------


class Replacement(NamedTuple):
    """What stands for an operation: operations, and other values for those of its outputs that they do not make."""

    ops: list[Op]
    names: Mapping[Value, Value]


Visit = Callable[[Op, Mapping[Value, Op]], Replacement | None]
"""Gets a structured operation and what made the values before it; None leaves it as it is."""


def transformed(region: Region, visit: Visit) -> Region:
    """The region with its structured operations replaced, inner ones first; the same object where nothing changes."""
    ops: list[Op] = []
    definitions: dict[Value, Op] = {}
    names: dict[Value, Value] = {}
    changed = False
    for old in region.ops:
        op = renamed(old, names, lambda inner: transformed(inner, visit))
        replacement = visit(op, definitions) if op.regions and op.name != "gradient" else None
        changed = changed or op is not old or replacement is not None
        added: Sequence[Op] = [op] if replacement is None else replacement.ops
        if replacement is not None:
            names.update(replacement.names)
        for new in added:
            ops.append(new)
            definitions.update((v, new) for v in new.outputs)
    if not changed:
        return region
    return Region(region.parameters, tuple(ops), tuple(names.get(r, r) for r in region.results))


def renamed(op: Op, names: Mapping[Value, Value], inner: Callable[[Region], Region]) -> Op:
    """An operation with inputs renamed and regions rewritten; the same object where nothing changes.

    Its outputs stay: new inputs have the types of the old ones.
    """
    inputs, regions = op.inputs, op.regions
    if names and not names.keys().isdisjoint(inputs):
        inputs = tuple(names.get(v, v) for v in inputs)
    if regions and op.name != "gradient":
        after = tuple(inner(r) for r in regions)
        regions = regions if all(a is b for a, b in zip(after, regions, strict=True)) else after
    if inputs is op.inputs and regions is op.regions:
        return op
    return Op(op.name, inputs, op.attributes, regions, op.outputs, op.source)
