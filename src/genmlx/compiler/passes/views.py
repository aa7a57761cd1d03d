"""Views: broadcasts are done as late as possible, and a chain of views is one.

Input form: any region. Output form: an elementwise operation works on the smallest shape that holds its operands, and
its result is broadcast; axes of size 1 are left out of it where that is a change of names only. So what is computed of
scalars stays scalar, whatever shape MLX gave to it. Preserved: every result to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from genmlx.compiler.ir.graph import Value
from genmlx.compiler.ir.ops import ELEMENTWISE
from genmlx.compiler.passes.patterns import table
from genmlx.compiler.passes.rewriting import Attributes, Rewriter, Rule

__all__ = ["RULES", "drop_axes", "source_axes"]

Shape = tuple[int, ...]


def _squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def source_axes(b: Rewriter, value: Value) -> tuple[Value, Shape] | None:
    """What a broadcast is of, and its shape with as many axes as the broadcast: 1 where elements repeat."""
    op = b.made_by("broadcast", value)
    if op is None:
        return None
    (source,) = op.inputs
    return source, (1,) * (len(value.shape) - len(source.shape)) + source.shape


def drop_axes(b: Rewriter, value: Value, axes: Sequence[int]) -> Value | None:
    """A broadcast without some axes along which its elements repeat."""
    found = source_axes(b, value)
    if found is None:
        return None
    source, shape = found
    kept = tuple(n for axis, n in enumerate(shape) if axis not in axes)
    return b.broadcast(b.reshape(source, kept), tuple(n for axis, n in enumerate(value.shape) if axis not in axes))


# ---- elementwise operations ------------------------------------------------------------------------------------------


def _on_sources(name: str) -> Rule:
    """f(broadcast(x), broadcast(y)) is broadcast(f(x, y)), if the shape that holds x and y is smaller."""

    def apply(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
        sources = []
        for value in inputs:
            op = b.made_by("broadcast", value)
            if op is None:
                return None
            sources.append(op.inputs[0])
        rank = max(len(s.shape) for s in sources)
        padded = [(1,) * (rank - len(s.shape)) + s.shape for s in sources]
        joined = tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))
        shape = inputs[0].shape
        if math.prod(joined) >= math.prod(shape):  # of no elements too, the sources may have some
            return None
        (out,) = b.emit(name, [b.broadcast(s, joined) for s in sources], attributes)
        return b.broadcast(out, shape)

    return apply


def _without_unit_axes(name: str) -> Rule:
    """f(reshape(x), y) is reshape(f(x, reshape(y))), if the first reshape only adds axes of size 1."""

    def apply(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
        shape = inputs[0].shape
        if 1 not in shape:
            return None
        smaller = _squeezed(shape)
        reshapes = [b.made_by("reshape", v) for v in inputs]
        if not any(op is not None and op.inputs[0].shape == smaller for op in reshapes):
            return None
        (out,) = b.emit(name, [b.reshape(v, smaller) for v in inputs], attributes)
        return b.reshape(out, shape)

    return apply


# ---- broadcast -------------------------------------------------------------------------------------------------------


def _broadcast(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    (x,), shape = inputs, tuple(attributes["shape"])
    if x.shape == shape:
        return x
    if x.type.size == math.prod(shape):  # only axes of size 1 are new
        return b.reshape(x, shape)
    inner = b.made_by("broadcast", x)
    if inner is not None:
        return b.broadcast(inner.inputs[0], shape)
    if x.type.size == 1 and x.shape:
        return b.broadcast(b.reshape(x, ()), shape)
    inner = b.made_by("reshape", x)
    if inner is not None and x.shape[:1] == (1,):  # leading axes of size 1 need not be written
        first = next(axis for axis, n in enumerate(x.shape) if n != 1)
        return b.broadcast(b.reshape(x, x.shape[first:]), shape)
    return None


# ---- reshape ---------------------------------------------------------------------------------------------------------


def _reshape(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    (x,), shape = inputs, tuple(attributes["shape"])
    if x.shape == shape:
        return x
    inner = b.made_by("reshape", x)
    if inner is not None:
        return b.reshape(inner.inputs[0], shape)
    if x in b.scalars and x.shape:
        inner = b.made_by("broadcast", x)
        return b.broadcast(inner.inputs[0], shape) if inner is not None else None
    found = source_axes(b, x)
    if found is None:
        return None
    source, axes = found
    if source.shape == ():
        return b.broadcast(source, shape)
    if _squeezed(x.shape) != _squeezed(shape) or 0 in shape:
        return None
    sizes = iter(n for n, whole in zip(axes, x.shape, strict=True) if whole != 1)
    return b.broadcast(b.reshape(source, tuple(1 if n == 1 else next(sizes) for n in shape)), shape)


# ---- transpose -------------------------------------------------------------------------------------------------------


def _transpose(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    (x,), axes = inputs, tuple(attributes["axes"])
    moved = [a for a in axes if x.shape[a] != 1]
    if moved == sorted(moved) or 0 in x.shape:  # axes of size 1 move freely
        return b.reshape(x, tuple(x.shape[a] for a in axes))
    inner = b.made_by("transpose", x)
    if inner is not None:
        return b("transpose", inner.inputs[0], axes=tuple(inner.attributes["axes"][a] for a in axes))
    found = source_axes(b, x)
    if found is None:
        return None
    source, shape = found
    moved_source = b("transpose", b.reshape(source, shape), axes=axes)
    return b.broadcast(moved_source, tuple(x.shape[a] for a in axes))


# ---- the table -------------------------------------------------------------------------------------------------------

RULES = table(
    [
        ("broadcast", _broadcast),
        ("reshape", _reshape),
        ("transpose", _transpose),
        *((name, _on_sources(name)) for name in sorted(ELEMENTWISE)),
        *((name, _without_unit_axes(name)) for name in sorted(ELEMENTWISE)),
    ]
)
