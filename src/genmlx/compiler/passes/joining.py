"""Arrays put together from parts.

Input form: any region. Output form: parts that fill an array are one `concatenate`, of parts that are not joined
themselves, and not neighbours in one array. So the gradient of a vector that a model takes apart, which MLX and
automatic differentiation spell as a sum of arrays of zeros with one part each, is what it should be: the gradients of
the parts, side by side.

Preserved: every result to the bit, but for the sign of a zero: a sum of zeros may be 0 or -0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genmlx.compiler.ir.graph import Op, Value
from genmlx.compiler.passes.indexing import apart, spans_of, take
from genmlx.compiler.passes.patterns import table
from genmlx.compiler.passes.rewriting import Attributes, Rewriter

__all__ = ["RULES"]

_DEEPEST = 32  # writes to look through: more would take time quadratic in the number of parts


# ---- concatenate -----------------------------------------------------------------------------------------------------


def _concatenate(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """One piece; pieces that are empty, joined themselves, or next to each other in one array."""
    axis = attributes["axis"]
    pieces: list[Value] = []
    for value in inputs:
        op = b.made_by("concatenate", value)
        nested = op is not None and op.attributes["axis"] == axis
        pieces.extend(v for v in (op.inputs if op is not None and nested else [value]) if v.shape[axis])
    joined: list[Value] = []
    for value in pieces:
        one = _adjacent(b, joined[-1], value, axis) if joined else None
        joined[-1:] = [*joined[-1:], value] if one is None else [one]
    if not joined:
        return inputs[0]
    if len(joined) == 1:
        return joined[0]
    return None if tuple(joined) == tuple(inputs) else b("concatenate", *joined, axis=axis)


def _adjacent(b: Rewriter, first: Value, second: Value, axis: int) -> Value | None:
    """The slice that two slices of one array make together."""
    op, after = b.made_by("slice", first), b.made_by("slice", second)
    if op is None or after is None or op.inputs[0] is not after.inputs[0]:
        return None
    spans, others = spans_of(op.attributes), spans_of(after.attributes)
    (start, size, step), (begin, count, by) = spans[axis], others[axis]
    if any(a != c for i, (a, c) in enumerate(zip(spans, others, strict=True)) if i != axis):
        return None
    if (step, by) != (1, 1) or start + size != begin:
        return None
    spans[axis] = (start, size + count, 1)
    return take(b, op.inputs[0], spans)


def _pad(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """A padding of nothing."""
    return None if any(attributes["low"]) or any(attributes["high"]) else inputs[0]


# ---- sums of parts ---------------------------------------------------------------------------------------------------


def _is_zero(b: Rewriter, value: Value) -> bool:
    """Whether an array is known to be zero everywhere, of either sign."""
    op = b.made_by("constant", value)
    return b.scalars.get(value) == 0 or (op is not None and not np.any(op.attributes["value"]))


def _written(b: Rewriter, value: Value) -> Op | None:
    """The operation that wrote a part over an array of zeros, if one did and nothing else takes the result."""
    op = b.made_by("slice_update", value)
    if op is None or not _is_zero(b, op.inputs[0]) or op.attributes["kind"] not in {"none", "sum"}:
        return None
    return op if b.used_once(value) else None


def _add(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """To add an array that is zero but for a part is to add that part."""
    for value, other in (inputs, inputs[::-1]):
        op = _written(b, value)
        if op is not None and value.type.is_float:
            return b("slice_update", other, op.inputs[1], **{**op.attributes, "kind": "sum"})
    return None


def _sum_into_zeros(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """To add to zeros is to write."""
    x, update = inputs
    if attributes["kind"] != "sum":
        return None
    part = _part(x, update, attributes)
    below = _parts(b, x, part.axis) if part is not None else _Parts(x, ())
    if not _is_zero(b, below.base) or (part is not None and below.added(part) is None):
        return None
    return b("slice_update", x, update, **{**attributes, "kind": "none"})


def _twice(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """To add to what was written to the same place is to write the sum, below what was written elsewhere since."""
    (value, update), spans = inputs, spans_of(attributes)
    since: list[Op] = []
    while attributes["kind"] == "sum" and len(since) < _DEEPEST:
        op = b.made_by("slice_update", value)
        if op is None or op.attributes["kind"] != "none" or not b.used_once(value):
            break
        if spans_of(op.attributes) == spans:
            value = b("slice_update", op.inputs[0], b("add", op.inputs[1], update), **op.attributes)
            for later in reversed(since):
                value = b("slice_update", value, later.inputs[1], **later.attributes)
            return value
        if not apart(spans_of(op.attributes), spans):
            break
        since.append(op)
        value = op.inputs[0]
    return None


def _into_a_piece(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """To write to one piece of what is joined is to join what was written to."""
    (value, update), spans = inputs, spans_of(attributes)
    op = b.made_by("concatenate", value)
    if op is None or not b.used_once(value):
        return None
    axis = op.attributes["axis"]
    start, size, step = spans[axis]
    begin = 0
    for i, piece in enumerate(op.inputs):
        end = begin + piece.shape[axis]
        if begin <= start and start + size <= end and (step == 1 or size == 1):
            starts = tuple(s - begin if a == axis else s for a, s in enumerate(attributes["starts"]))
            written = b("slice_update", piece, update, **{**attributes, "starts": starts})
            return b("concatenate", *op.inputs[:i], written, *op.inputs[i + 1 :], axis=axis)
        begin = end
    return None


def _filled(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Parts written beside each other that leave nothing of the array below them."""
    x, update = inputs
    part = _part(x, update, attributes)
    if attributes["kind"] != "none" or part is None:
        return None
    found = _parts(b, x, part.axis).added(part)
    if found is None or sum(p.stop - p.start for p in found.parts) < x.shape[part.axis]:
        return None
    return b("concatenate", *(p.update for p in found.parts), axis=part.axis)


# ---- parts written beside each other ---------------------------------------------------------------------------------


class _Part(NamedTuple):
    """What was written from a place to another along an axis, over the whole of the other axes."""

    start: int
    stop: int
    axis: int
    update: Value


class _Parts(NamedTuple):
    """An array, and parts written over it, in order of their places."""

    base: Value
    parts: tuple[_Part, ...]

    def added(self, part: _Part) -> _Parts | None:
        """With a part more, if it lies beside the others."""
        at = bisect_left(self.parts, part.start, key=lambda p: p.start)
        before, after = self.parts[:at], self.parts[at:]
        if (before and before[-1].stop > part.start) or (after and after[0].start < part.stop):
            return None
        return _Parts(self.base, (*before, part, *after))


def _part(x: Value, update: Value, attributes: Attributes) -> _Part | None:
    """What an update writes, if it is such a part."""
    spans = spans_of(attributes)
    axes = [a for a, (n, span) in enumerate(zip(x.shape, spans, strict=True)) if span != (0, n, 1)]
    if len(axes) != 1:
        return None
    start, size, step = spans[axes[0]]
    return _Part(start, start + size, axes[0], update) if step == 1 or size == 1 else None


def _parts(b: Rewriter, value: Value, axis: int) -> _Parts:
    """The parts along an axis of which an array was made: found once for each value, from those of the one below."""
    key = ("parts", value, axis)
    if key not in b.facts:
        op, found = b.made_by("slice_update", value), None
        if op is not None and op.attributes["kind"] == "none":
            part = _part(op.inputs[0], op.inputs[1], op.attributes)
            found = _parts(b, op.inputs[0], axis).added(part) if part is not None and part.axis == axis else None
        b.facts[key] = _Parts(value, ()) if found is None else found
    return b.facts[key]


# ---- the table -------------------------------------------------------------------------------------------------------

RULES = table(
    [
        ("concatenate", _concatenate),
        ("pad", _pad),
        # Gradients of parts.
        ("add", _add),
        ("slice_update", _sum_into_zeros),
        ("slice_update", _twice),
        ("slice_update", _into_a_piece),
        ("slice_update", _filled),
    ]
)
