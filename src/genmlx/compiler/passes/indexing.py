"""Parts of arrays: what is read where it was made, and what is known about an index.

Input form: any region. Output form: a read at known places is a `slice`, of the array in which the elements were before
they were joined, repeated or read the first time; a write at known places is a `slice_update`. Preserved: every result
to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genmlx.compiler.ir.graph import Op, Value
from genmlx.compiler.passes.patterns import table
from genmlx.compiler.passes.rewriting import Attributes, Rewriter
from genmlx.compiler.passes.views import source_axes

__all__ = ["RULES", "apart", "spans_of", "take"]

Span = tuple[int, int, int]
"""Start, size and step along an axis."""


def take(b: Rewriter, x: Value, spans: Sequence[Span]) -> Value:
    """The slice of a value at spans, one for each axis."""
    starts, sizes, steps = (tuple(column) for column in zip(*spans, strict=True)) if spans else ((), (), ())
    return b("slice", x, starts=starts, sizes=sizes, steps=steps)


def spans_of(attributes: Attributes) -> list[Span]:
    """Where a slice or slice_update is."""
    return list(zip(attributes["starts"], attributes["sizes"], attributes["steps"], strict=True))


def _whole(spans: Sequence[Span], shape: Sequence[int]) -> bool:
    return all(start == 0 and size == n and step == 1 for (start, size, step), n in zip(spans, shape, strict=True))


# ---- slice -----------------------------------------------------------------------------------------------------------


def _slice(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """A slice of what another operation made."""
    (x,), given = inputs, spans_of(attributes)
    spans = [(start, size, 1 if size == 1 else step) for start, size, step in given]
    if 0 in attributes["sizes"]:
        return None
    if _whole(spans, x.shape):
        return x
    op = b.definitions.get(x)
    found = _SLICE_OF[op.name](b, op, spans) if op is not None and op.name in _SLICE_OF else None
    return take(b, x, spans) if found is None and spans != given else found


def _of_slice(b: Rewriter, op: Op, spans: list[Span]) -> Value | None:
    both = zip(spans_of(op.attributes), spans, strict=True)
    return take(b, op.inputs[0], [(s + start * t, size, t * step) for (s, _, t), (start, size, step) in both])


def _of_broadcast(b: Rewriter, op: Op, spans: list[Span]) -> Value | None:
    """Along a repeated axis every element is the first."""
    found = source_axes(b, op.outputs[0])
    assert found is not None
    source, shape = found
    inner = [(0, 1, 1) if n == 1 else span for n, span in zip(shape, spans, strict=True)]
    part = take(b, source, inner[len(shape) - len(source.shape) :])
    return b.broadcast(part, tuple(size for _, size, _ in spans))


def _of_reshape(b: Rewriter, op: Op, spans: list[Span]) -> Value | None:
    """Axes of size 1 are nothing to choose from."""
    (source,), (x,) = op.inputs, op.outputs
    if [n for n in x.shape if n != 1] != [n for n in source.shape if n != 1]:
        return None
    chosen = iter([span for n, span in zip(x.shape, spans, strict=True) if n != 1])
    part = take(b, source, [(0, 1, 1) if n == 1 else next(chosen) for n in source.shape])
    return b.reshape(part, tuple(size for _, size, _ in spans))


def _of_concatenate(b: Rewriter, op: Op, spans: list[Span]) -> Value | None:
    axis = op.attributes["axis"]
    start, size, step = spans[axis]
    begin = 0
    for piece in op.inputs:
        end = begin + piece.shape[axis]
        if begin <= _first(spans[axis]) and _last(spans[axis]) < end:
            return take(b, piece, [*spans[:axis], (start - begin, size, step), *spans[axis + 1 :]])
        begin = end
    return None


def _of_slice_update(b: Rewriter, op: Op, spans: list[Span]) -> Value | None:
    """What was just written there; or what was there before, if nothing was written along some axis."""
    written = [(s, n, 1 if n == 1 else t) for s, n, t in spans_of(op.attributes)]
    if op.attributes["kind"] == "none" and written == spans:
        return op.inputs[1]
    return take(b, op.inputs[0], spans) if apart(written, spans) else None


def apart(some: Sequence[Span], others: Sequence[Span]) -> bool:
    """Whether two parts of an array lie on different sides of a place along some axis."""
    return any(_last(s) < _first(o) or _last(o) < _first(s) for s, o in zip(some, others, strict=True))


def _first(span: Span) -> int:
    start, size, step = span
    return min(start, start + (size - 1) * step)


def _last(span: Span) -> int:
    start, size, step = span
    return max(start, start + (size - 1) * step)


def _of_iota(b: Rewriter, op: Op, spans: list[Span]) -> Value | None:
    ((start, size, _),) = spans
    return b.constant([start], op.attributes["dtype"]) if size == 1 else None


_SLICE_OF = {
    "slice": _of_slice,
    "broadcast": _of_broadcast,
    "reshape": _of_reshape,
    "concatenate": _of_concatenate,
    "slice_update": _of_slice_update,
    "iota": _of_iota,
}


# ---- known indices ---------------------------------------------------------------------------------------------------


def _known(b: Rewriter, index: Value) -> np.ndarray | None:
    """The values of an index, if they are known."""
    op = b.definitions.get(index)
    if op is not None and op.name == "constant":
        return op.attributes["value"].astype(np.int64)
    return np.full(index.shape, b.scalars[index], np.int64) if index in b.scalars else None


def _start(index: int, n: int, size: int) -> int:
    """Where a slice starts that is moved so that it fits."""
    return min(max(index + n if index < 0 else index, 0), n - size)


def _gather(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Scalars as indices, or one vector of them at equal distances, along an axis read element by element."""
    (x, *indices), axes, sizes = inputs, attributes["axes"], tuple(attributes["sizes"])
    known = [_known(b, i) for i in indices]
    spans = [(0, size, 1) for size in sizes]
    if any(k is None for k in known):
        return None
    lead = indices[0].shape if indices else ()
    if indices and indices[0].type.size == 1:
        for axis, k in zip(axes, known, strict=True):
            assert k is not None
            spans[axis] = (_start(int(k.reshape(-1)[0]), x.shape[axis], sizes[axis]), sizes[axis], 1)
        return b.reshape(take(b, x, spans), (*lead, *sizes))
    if len(indices) != 1 or len(lead) != 1 or sizes[axes[0]] != 1 or not lead[0]:
        return None if indices else take(b, x, spans)
    (axis,), (k,) = axes, known
    assert k is not None
    places = [_start(int(i), x.shape[axis], 1) for i in k]
    step = places[1] - places[0]
    if step == 0 or places != list(range(places[0], places[0] + len(places) * step, step)):
        return None
    spans[axis] = (places[0], len(places), step)
    order = (axis, *(a for a in range(len(sizes)) if a != axis))
    return b.reshape(b("transpose", take(b, x, spans), axes=order), (*lead, *sizes))


def _dynamic_slice(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Starts that are known, or that cannot differ from 0."""
    (x, *starts), axes, sizes = inputs, attributes["axes"], tuple(attributes["sizes"])
    spans = [(0, size, 1) for size in sizes]
    traced = []
    for axis, start in zip(axes, starts, strict=True):
        known = b.scalars.get(start, 0 if sizes[axis] == x.shape[axis] else None)
        if known is None:
            traced.append((axis, start))
        else:
            spans[axis] = (_start(known, x.shape[axis], sizes[axis]), sizes[axis], 1)
    if len(traced) == len(axes):
        return None
    for axis, _ in traced:
        spans[axis] = (0, x.shape[axis], 1)
    part = take(b, x, spans)
    if not traced:
        return part
    return b("dynamic_slice", part, *(s for _, s in traced), axes=tuple(a for a, _ in traced), sizes=sizes)


def _dynamic_slice_update(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Starts that are all known."""
    (x, update, *starts), axes = inputs, attributes["axes"]
    begin = [0] * len(x.shape)
    for axis, start in zip(axes, starts, strict=True):
        known = b.scalars.get(start, 0 if update.shape[axis] == x.shape[axis] else None)
        if known is None:
            return None
        begin[axis] = _start(known, x.shape[axis], update.shape[axis])
    steps = (1,) * len(begin)
    return b("slice_update", x, update, starts=tuple(begin), sizes=update.shape, steps=steps, kind="none")


def _scatter(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """One update, at a known place; outside the array it writes nothing."""
    (x, updates, *indices), axes = inputs, attributes["axes"]
    if not indices or indices[0].type.size != 1 or any(i not in b.scalars for i in indices):
        return None
    sizes = updates.shape[len(indices[0].shape) :]
    begin = [0] * len(x.shape)
    for axis, index in zip(axes, indices, strict=True):
        at = b.scalars[index]
        begin[axis] = at + x.shape[axis] if at < 0 else at
    if not all(s >= 0 and s + size <= n for s, size, n in zip(begin, sizes, x.shape, strict=True)):
        return x
    update, steps = b.reshape(updates, sizes), (1,) * len(begin)
    return b("slice_update", x, update, starts=tuple(begin), sizes=sizes, steps=steps, kind=attributes["kind"])


def _slice_update(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """A write of nothing; a write of everything."""
    x, update = inputs
    if update.type.size == 0:
        return x
    if not _whole(spans_of(attributes), x.shape) or attributes["kind"] not in {"none", "sum"}:
        return None
    return update if attributes["kind"] == "none" else b("add", x, update)


# ---- the table -------------------------------------------------------------------------------------------------------

RULES = table(
    [
        # Reads.
        ("slice", _slice),
        ("dynamic_slice", _dynamic_slice),
        ("gather", _gather),
        # Writes.
        ("slice_update", _slice_update),
        ("dynamic_slice_update", _dynamic_slice_update),
        ("scatter", _scatter),
    ]
)
