"""Which values differ between lanes.

A value that depends on shared inputs only is *uniform*: it stays one number, in every lane the same, so that a data
matrix is never copied for each lane. All others are *varying*. Loops are followed to a fixpoint: a carry varies if it
begins so or if an iteration makes it so; where lanes leave a loop after different numbers of iterations every carry
varies that changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from genmlx.compiler.ir.types import Op, Region, Value

__all__ = ["Uniformity"]

Flags = tuple[bool, ...]


@dataclass(slots=True)
class Uniformity:
    """The analysis, with what it found so far: regions by the flags of their parameters."""

    _found: dict[tuple[Region, Flags], dict[Value, bool]] = field(default_factory=dict)

    def of(self, region: Region, parameters: Sequence[bool]) -> dict[Value, bool]:
        """For each value of a region whether it is varying, if the parameters are so."""
        key = (region, tuple(parameters))
        if key not in self._found:
            varying = dict(zip(region.parameters, parameters, strict=True))
            for op in region.ops:
                varying.update(zip(op.outputs, self.outputs(op, [varying[v] for v in op.inputs]), strict=True))
            self._found[key] = varying
        return self._found[key]

    def results(self, region: Region, parameters: Sequence[bool]) -> Flags:
        """The flags of a region's results."""
        varying = self.of(region, parameters)
        return tuple(varying[r] for r in region.results)

    def outputs(self, op: Op, inputs: Sequence[bool]) -> Flags:
        """The flags of an operation's outputs."""
        match op.name:
            case "scan":
                carries = op.attributes["carries"]
                flags = self.carries(op, inputs)
                stacked = self.results(op.regions[0], (*flags, *inputs[carries:]))[carries:]
                return (*flags, *stacked)
            case "while":
                return self.carries(op, inputs)
            case "switch":
                index, *operands = inputs
                branches = [self.results(region, operands) for region in op.regions]
                return tuple(index or any(flags) for flags in zip(*branches, strict=True))
            case "map":
                return self.results(op.regions[0], inputs)
            case _:
                return (any(inputs),) * len(op.outputs)

    def carries(self, op: Op, inputs: Sequence[bool]) -> Flags:
        """The flags of the carries of a scan or while, inside it and after it."""
        carries = op.attributes["carries"]
        flags, rest = tuple(inputs[:carries]), tuple(inputs[carries:])
        body = op.regions[-1]
        while True:
            new = self.results(body, (*flags, *rest))[:carries]
            if op.name == "while" and self.diverges(op, (*flags, *rest)):
                kept = zip(body.results[:carries], body.parameters, strict=False)
                new = tuple(n or r is not p for n, (r, p) in zip(new, kept, strict=True))
            merged = tuple(a or b for a, b in zip(flags, new, strict=True))
            if merged == flags:
                return flags
            flags = merged

    def diverges(self, op: Op, parameters: Sequence[bool]) -> bool:
        """Whether lanes may leave a while loop at different iterations."""
        return self.results(op.regions[0], parameters)[0]
