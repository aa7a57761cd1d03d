"""Types, values, operations and regions.

A region is a list of operations in static single assignment form:

    region(parameters) { outputs = operation(inputs) {attributes} (regions); ...; results }

Structured operations hold regions of their own, one for each of their bodies (`genmlx.compiler.ir.ops`). A region uses
its own parameters and values only: a body gets what it needs from outside by operands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["DTYPES", "Op", "Region", "Type", "Value", "scalar"]

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
