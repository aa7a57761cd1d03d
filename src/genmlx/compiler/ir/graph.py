"""Types, values, operations and regions, and the builder that makes regions.

A region is a list of operations in static single assignment form:

    region(parameters) { outputs = operation(inputs) {attributes} (regions); ...; results }

Structured operations hold regions of their own, one for each of their bodies (`genmlx.compiler.ir.ops`). A region uses
its own parameters and values only: a body gets what it needs from outside by operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["DTYPES", "Builder", "Op", "Region", "Type", "Value", "free_of", "rebuild", "scalar"]

# Names are MLX's and NumPy's. float16, bfloat16 and complex64 are not compiled.
DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype("bool" if name == "bool" else name)
    for name in (
        ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
    )
}


class Type(NamedTuple):
    """What a value is: the type of its elements, and its shape; ``()`` for a scalar."""

    dtype: str
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of a dense array of this type."""
        return self.size * DTYPES[self.dtype].itemsize

    @property
    def is_float(self) -> bool:
        """Whether the elements are real numbers: only those have gradients."""
        return self.dtype in {"float32", "float64"}

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def scalar(dtype: str) -> Type:
    """The type of one element."""
    return Type(dtype, ())


class Value:
    """A value of a region: a parameter, or an output of an operation. Two are the same if they are one object."""

    __slots__ = ("type",)

    def __init__(self, type: Type) -> None:  # noqa: A002
        self.type = type

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its type."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype of its type."""
        return self.type.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operation: its row in `genmlx.compiler.ir.ops.OPS`, what goes in and what comes out.

    Attributes:
        name: the name of the row.
        inputs: operands.
        attributes: what is known when the graph is built: axes, shapes, constants.
        regions: the bodies of a structured operation.
        outputs: new values.
        source: where the user's program asked for it, ``"model.py:12"``, or empty.
    """

    name: str
    inputs: tuple[Value, ...]
    attributes: Mapping[str, Any]
    regions: tuple[Region, ...]
    outputs: tuple[Value, ...]
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A function of its parameters: operations in an order in which they can run, and the values that come out."""

    parameters: tuple[Value, ...]
    ops: tuple[Op, ...]
    results: tuple[Value, ...]

    @property
    def parameter_types(self) -> tuple[Type, ...]:
        """The types of its parameters."""
        return tuple(p.type for p in self.parameters)

    @property
    def result_types(self) -> tuple[Type, ...]:
        """The types of its results."""
        return tuple(r.type for r in self.results)

    def walk(self) -> Iterator[Op]:
        """All operations, those of inner regions too, outer before inner."""
        for op in self.ops:
            yield op
            for region in op.regions:
                yield from region.walk()

    def uses(self) -> dict[Value, list[Op]]:
        """The operations that take a value, for each value; results are not counted."""
        found: dict[Value, list[Op]] = {}
        for op in self.ops:
            for value in op.inputs:
                found.setdefault(value, []).append(op)
        return found


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
        from genmlx.compiler.ir.ops import output_types

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


def free_of(values: Iterable[Value], op: Op) -> bool:
    """Whether an operation uses none of these values."""
    return not set(values).intersection(op.inputs)
