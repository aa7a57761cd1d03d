"""How many lanes a vector should have.

There are two ways to fill the vectors of a processor: with lanes, or with the elements of one lane's arrays. Lanes are
better where there are many of them: no sum across a vector, no rest of an array, and shared data is read once for all.
Where there are few, blocks of lanes leave vectors half empty and threads without work; then a lane whose work is in
long arrays does better alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from genmlx.compiler.codegen.uniformity import Uniformity
from genmlx.compiler.ir.ops import ELEMENTWISE
from genmlx.compiler.ir.types import DTYPES, Op, Region

__all__ = ["lane_width"]

LONG = 64
"""An array of so many elements keeps vectors busy by itself."""
MOSTLY = 0.8
"""The share of the work that must be in long arrays."""
ITERATIONS = 16
"""What a loop of unknown length is taken for."""


def lane_width(region: Region, mapped: Sequence[bool], vector_bytes: int, lanes: int, threads: int = 1) -> int:
    """The lanes of a vector, for `genmlx.compiler.codegen.Lanes`; 1 for one lane after the other.

    Vectors wider than registers would be right, and slow: compilers take their comparisons apart lane by lane.

    Args:
        region: what will run.
        mapped: for each parameter whether each lane has its own.
        vector_bytes: of a register of the processor.
        lanes: how many there will be.
        threads: how many share them.
    """
    full = max(2, vector_bytes // _widest(region, mapped, Uniformity()))
    fitting = min(full, max(2, 1 << (lanes - 1).bit_length()))
    # Work for each element of an array: one step of a vector for each block, or a part of a step for each lane.
    together = math.ceil(math.ceil(lanes / fitting) / threads)
    apart = math.ceil(lanes / threads) / full
    long, all_of_it = _work(region)
    return 1 if apart < 0.75 * together and long > MOSTLY * all_of_it else fitting


def _widest(region: Region, flags: Sequence[bool], uniformity: Uniformity) -> int:
    """The bytes of the widest number that varies, at least 4."""
    varying = uniformity.of(region, flags)
    found = max((DTYPES[v.dtype].itemsize for v, flag in varying.items() if flag), default=4)
    for op in region.ops:
        inner = [varying[v] for v in op.inputs]
        if op.name in {"scan", "while"}:
            inner[: op.attributes["carries"]] = uniformity.carries(op, inner)
        for part in op.regions:
            found = max(found, _widest(part, inner[1:] if op.name == "switch" else inner, uniformity))
    return max(4, found)


def _work(region: Region) -> tuple[float, float]:
    """Roughly how many elements are computed in long arrays, and in all."""
    long = total = 0.0
    for op in region.ops:
        if op.regions:
            times = _times(op)
            inner = [_work(part) for part in op.regions]
            long += times * sum(i[0] for i in inner)
            total += times * sum(i[1] for i in inner)
        elif op.name in ELEMENTWISE or op.name == "reduce":
            size = op.inputs[0].type.size
            total += size
            long += size if size >= LONG else 0
        elif op.name == "matmul":
            size = op.outputs[0].type.size * op.inputs[0].shape[-1]
            total += size
            long += size if max(op.inputs[0].shape[-2:]) >= LONG else 0
    return long, total


def _times(op: Op) -> int:
    return op.attributes.get("length", op.attributes.get("size", ITERATIONS if op.name == "while" else 1))
