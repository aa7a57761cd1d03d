"""float32 to float64 throughout.

Input: any region. Output: the same operations on float64 values, with float64 parameters and results. Integers, bools
and random bits stay, so a program draws the same bits. A constant becomes the float64 nearest to its shortest decimal:
what was written as 0.1 is 0.1 again. Preserved: everything but rounding; where a formula was made for float32 (the
polynomials inside special functions) its error stays what it is in float32.
"""

from __future__ import annotations

import numpy as np

from genmlx.compiler.ir.graph import Builder
from genmlx.compiler.ir.types import Op, Region, Type

__all__ = ["in_float64"]


def in_float64(region: Region) -> Region:
    """The region in double precision."""
    b = Builder()
    names = {p: b.parameter(_wide(p.type)) for p in region.parameters}
    for op in region.ops:
        b.source = op.source
        if op.name == "constant":
            names[op.outputs[0]] = b.constant(_constant(op.attributes["value"]))
            continue
        regions = tuple(in_float64(r) for r in op.regions)
        outputs = b.emit(op.name, [names[v] for v in op.inputs], _attributes(op), regions)
        names.update(zip(op.outputs, outputs, strict=True))
    return b.finish(*(names[r] for r in region.results))


def _wide(type: Type) -> Type:  # noqa: A002
    return Type("float64" if type.dtype == "float32" else type.dtype, type.shape)


def _constant(value: np.ndarray) -> np.ndarray:
    if value.dtype != np.float32:
        return value
    decimals = [float(np.format_float_scientific(x)) for x in value.reshape(-1)]
    return np.array(decimals, dtype=np.float64).reshape(value.shape)


def _attributes(op: Op) -> dict[str, object]:
    attributes = dict(op.attributes)
    if attributes.get("dtype") == "float32":
        attributes["dtype"] = "float64"
    return attributes
