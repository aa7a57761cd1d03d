"""Operations of the IR that MLX does not have, carried through MLX's graph.

While a function is captured, `record` returns arrays that stand for the outputs of an operation. In MLX's graph they
are the outputs of one ``Depends`` primitive, whose inputs are stand-ins of the right types, a constant that names the
operation, and its operands. MLX keeps such a node whether its outputs are used or not, and keeps its operands.

``mx.vmap`` through a marker raises in MLX. ``mx.grad`` would be zero without a word, so the stand-ins also depend, with
weight 0, on a primitive that MLX cannot differentiate (the inverse of a 1 x 1 matrix).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

from genmlx.compiler.ir.graph import DTYPES, Region, Type, Value
from genmlx.compiler.ir.ops import output_types
from genmlx.numerics.types import Array

__all__ = [
    "NO_GRADIENT",
    "Marker",
    "dtype_name",
    "is_capturing",
    "marker_of",
    "record",
    "recording",
    "supported",
    "type_of",
    "widened",
]

_MAGIC = (0x67656E6D, 0x6C786972)
NO_GRADIENT = "Inverse"  # the primitive whose missing gradient stops mx.grad at a marker


class Marker(NamedTuple):
    """An operation on its way through MLX's graph: all but its operands."""

    name: str
    attributes: Mapping[str, Any]
    regions: tuple[Region, ...]
    source: str


class _Recordings(threading.local):
    """The operations recorded while functions are captured in this thread, outermost first."""

    def __init__(self) -> None:
        self.depth = 0
        self.markers: list[Marker] = []


_recordings = _Recordings()


def is_capturing() -> bool:
    """Whether a function is captured in this thread: then control records its loops."""
    return _recordings.depth > 0


@contextmanager
def recording() -> Iterator[None]:
    """While a function is captured; the outermost one forgets the markers at its end."""
    _recordings.depth += 1
    try:
        yield
    finally:
        _recordings.depth -= 1
        if not _recordings.depth:
            _recordings.markers.clear()


def record(
    name: str,
    operands: Sequence[Array],
    attributes: Mapping[str, Any],
    regions: Sequence[Region] = (),
    source: str = "",
) -> list[Array]:
    """Arrays that stand for the outputs of an operation of the IR.

    Raises:
        OpError: the operation does not take these operands.
    """
    types = output_types(name, [type_of(x) for x in operands], attributes, regions)
    _recordings.markers.append(Marker(name, dict(attributes), tuple(regions), source))
    if not types:
        return []
    label = mx.array([*_MAGIC, len(_recordings.markers) - 1], dtype=mx.uint32)
    zero = _zero_without_gradient(operands)
    stand_ins = [mx.zeros(t.shape, getattr(mx, "bool_" if t.dtype == "bool" else t.dtype)) for t in types]
    if zero is not None:
        stand_ins = [s + zero.astype(s.dtype) if t.is_float else s for s, t in zip(stand_ins, types, strict=True)]
    return list(mx.depends(stand_ins, [label, *operands]))


def _zero_without_gradient(operands: Sequence[Array]) -> Array | None:
    """0 as a function of every float operand that MLX refuses to differentiate."""
    firsts = [x.reshape(-1)[:1].astype(mx.float32) for x in operands if x.size and mx.issubdtype(x.dtype, mx.floating)]
    if not firsts:
        return None
    matrix = mx.concatenate(firsts).sum().reshape(1, 1)
    return 0.0 * mx.linalg.inv(matrix, stream=mx.cpu).reshape(())


def marker_of(constant: np.ndarray) -> Marker | None:
    """The operation that a constant names, if it names one."""
    if constant.dtype != np.uint32 or constant.shape != (3,) or tuple(constant[:2]) != _MAGIC:
        return None
    return _recordings.markers[int(constant[2])]


def dtype_name(dtype: mx.Dtype) -> str:
    """The name of an MLX dtype in the IR."""
    name = str(dtype).rpartition(".")[2]
    return "bool" if name == "bool_" else name


def type_of(x: Array) -> Type:
    """The type of an array in the IR."""
    return Type(dtype_name(x.dtype), tuple(x.shape))


def supported(dtype: str) -> bool:
    """Whether values of a dtype can be compiled."""
    return dtype in DTYPES


def widened(region: Region, at: int | None, before: Sequence[Type], after: Sequence[Type]) -> Region:
    """The region with parameters more that it does not use: some before place ``at``, some at its end."""
    parameters = list(region.parameters)
    at = len(parameters) if at is None else at
    parameters[at:at] = [Value(t) for t in before]
    return Region((*parameters, *(Value(t) for t in after)), region.ops, region.results)
