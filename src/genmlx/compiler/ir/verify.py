"""Whether a region is well formed."""

from __future__ import annotations

from genmlx.compiler.ir.ops import OPS, OpError, output_types
from genmlx.compiler.ir.types import Op, Region, Value

__all__ = ["InvalidRegion", "verify"]


class InvalidRegion(AssertionError):
    """A region that breaks a rule: a defect of the compiler, not of the user's program."""


def verify(region: Region, what: str = "region") -> Region:
    """The region itself, if it is well formed.

    Every value is made once, before it is used, in the region that uses it; every operation has a row in the table and
    outputs of the types that the row gives.

    Raises:
        InvalidRegion: it is not; the text shows the operation.
    """
    known: set[Value] = set()
    for parameter in region.parameters:
        _define(known, parameter, what)
    for op in region.ops:
        for value in op.inputs:
            if value not in known:
                raise InvalidRegion(f"{what}: {op.name} uses a {value.type} that is not made before it, in its region")
        _verify_op(op, what)
        for value in op.outputs:
            _define(known, value, what)
        for i, inner in enumerate(op.regions):
            verify(inner, f"{what}.{op.name}[{i}]")
    for result in region.results:
        if result not in known:
            raise InvalidRegion(f"{what}: a result of type {result.type} is not made in the region")
    return region


def _define(known: set[Value], value: Value, what: str) -> None:
    if value in known:
        raise InvalidRegion(f"{what}: a value of type {value.type} is made twice")
    known.add(value)


def _verify_op(op: Op, what: str) -> None:
    if op.name not in OPS:
        raise InvalidRegion(f"{what}: no operation is called {op.name!r}")
    try:
        expected = output_types(op.name, [v.type for v in op.inputs], op.attributes, op.regions)
    except (OpError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidRegion(f"{what}: {error}") from error
    found = tuple(v.type for v in op.outputs)
    if found != expected:
        raise InvalidRegion(
            f"{what}: {op.name} gives {', '.join(map(str, expected))}, not {', '.join(map(str, found))}"
        )
