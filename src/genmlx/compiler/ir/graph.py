"""Making regions: the builder, and a region rewritten operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genmlx.compiler.ir.ops import output_types
from genmlx.compiler.ir.types import DTYPES, Op, Region, Type, Value, scalar

__all__ = ["DTYPES", "Builder", "Op", "Region", "Type", "Value", "rebuild", "scalar"]


@dataclass(slots=True)
class Builder:
    """Makes a region, one operation after the other. Output types come from the table of operations.

    ::

        b = Builder()
        x = b.parameter(Type("float32", (3,)))
        y = b("multiply", x, x)
        region = b.finish(b("reduce", y, kind="sum", axes=(0,)))
    """

    parameters: list[Value] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    source: str = ""
    _constants: dict[Any, Value] = field(default_factory=dict)

    def parameter(self, type: Type) -> Value:  # noqa: A002
        """A new parameter."""
        value = Value(type)
        self.parameters.append(value)
        return value

    def __call__(self, name: str, *inputs: Value, **attributes: Any) -> Value:
        """Appends an operation with one output, which is returned."""
        (output,) = self.emit(name, inputs, attributes)
        return output

    def emit(
        self,
        name: str,
        inputs: Sequence[Value],
        attributes: Mapping[str, Any] | None = None,
        regions: Sequence[Region] = (),
    ) -> tuple[Value, ...]:
        """Appends an operation and returns its outputs."""
        attributes = dict(attributes or {})
        types = output_types(name, [v.type for v in inputs], attributes, regions)
        outputs = tuple(Value(t) for t in types)
        self.ops.append(Op(name, tuple(inputs), attributes, tuple(regions), outputs, self.source))
        return outputs

    def constant(self, value: Any, dtype: str | None = None) -> Value:
        """A constant; equal scalars are one value."""
        array = np.asarray(value, dtype=DTYPES[dtype] if dtype else None)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size == 1 else None
        if key is None or key not in self._constants:
            out = self("constant", value=array)
            if key is None:
                return out
            self._constants[key] = out
        return self._constants[key]

    def full(self, type: Type, value: Any) -> Value:  # noqa: A002
        """An array with one value everywhere."""
        return self.broadcast(self.constant(value, type.dtype), type.shape)

    def broadcast(self, x: Value, shape: tuple[int, ...]) -> Value:
        """``x`` broadcast to a shape, by the rules of NumPy."""
        return x if x.shape == shape else self("broadcast", x, shape=shape)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        """``x`` in another shape."""
        return x if x.shape == shape else self("reshape", x, shape=shape)

    def cast(self, x: Value, dtype: str) -> Value:
        """``x`` in another dtype."""
        return x if x.dtype == dtype else self("cast", x, dtype=dtype)

    def inline(self, region: Region, arguments: Sequence[Value]) -> tuple[Value, ...]:
        """The operations of a region, applied to arguments here; returns its results."""
        names = dict(zip(region.parameters, arguments, strict=True))
        for op in region.ops:
            self.copy(op, names)
        return tuple(names[r] for r in region.results)

    def copy(self, op: Op, names: dict[Value, Value]) -> None:
        """Appends a copy of an operation, with its inputs renamed, and enters its outputs in ``names``."""
        if op.name == "constant":
            names[op.outputs[0]] = self.constant(op.attributes["value"])
            return
        source, self.source = self.source, op.source or self.source
        outputs = self.emit(op.name, [names[v] for v in op.inputs], op.attributes, op.regions)
        self.source = source
        names.update(zip(op.outputs, outputs, strict=True))

    def finish(self, *results: Value) -> Region:
        """The region."""
        return Region(tuple(self.parameters), tuple(self.ops), results)


def rebuild(region: Region, rewrite: Callable[[Builder, Op, list[Value]], Sequence[Value] | None]) -> Region:
    """The region made anew, operation by operation, inner regions first.

    Args:
        region: what to rewrite.
        rewrite: gets the builder, an operation (its regions rewritten already) and its new inputs, and returns the
            values that stand for its outputs, or None to copy it.
    """
    b = Builder()
    names = {p: b.parameter(p.type) for p in region.parameters}
    for old in region.ops:
        op = old
        if old.regions:
            regions = tuple(rebuild(r, rewrite) for r in old.regions)
            op = Op(old.name, old.inputs, old.attributes, regions, old.outputs, old.source)
        b.source = op.source
        outputs = rewrite(b, op, [names[v] for v in op.inputs])
        if outputs is None:
            b.copy(op, names)
        else:
            names.update(zip(op.outputs, outputs, strict=True))
    return b.finish(*(names[r] for r in region.results))
