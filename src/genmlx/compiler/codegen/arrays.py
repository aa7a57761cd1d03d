"""Parts of arrays: slices that move, gather and scatter, concatenate, pad.

An index counts from the end if it is negative. What reads is moved to the nearest place that fits, what writes outside
is left out (`genmlx.compiler.ir.ops`): no index, whatever it holds, leaves an array.

Where all lanes have one index, a part of an array is a view with an offset; where each has its own, lanes are served
one after the other. An operation that changes part of an array changes it in place if nothing else needs the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genmlx.compiler.codegen.cstyle import COMBINE, reduction_kind
from genmlx.compiler.codegen.frame import Frame, copy, parts_of
from genmlx.compiler.codegen.places import Place
from genmlx.compiler.ir.types import Op, Value

__all__ = ["PRINTERS", "each"]

CLAMPED = """
// An index from the end if it is negative, then the nearest of 0 ... high.
gm_fn i32 gm_clamped(i64 i, i64 n, i64 high) {
    i = i < 0 ? i + n : i;
    return (i32)(i < 0 ? 0 : (i > high ? high : i));
}
"""

WRAPPED = """
// An index from the end if it is negative; one that is still outside of 0 ... high is -1.
gm_fn i32 gm_wrapped(i64 i, i64 n, i64 high) {
    i = i < 0 ? i + n : i;
    return i < 0 || i > high ? -1 : (i32)i;
}
"""


def each(frame: Frame, shape: Sequence[int], body: Callable[[list[str]], None]) -> None:
    """Loops over a shape around what ``body`` prints for the indices of an element."""

    def run(indices: list[str]) -> None:
        if len(indices) == len(shape):
            body(indices)
            return
        n = shape[len(indices)]
        if n == 1:
            run([*indices, "0"])
            return
        with frame.writer.loop(n) as i:
            run([*indices, i])

    run([])


def _clamped(frame: Frame, index: str, n: int, size: int) -> str:
    """A variable with an index for reading ``size`` of ``n`` elements."""
    frame.writer.helper("clamped", CLAMPED)
    return _variable(frame, f"gm_clamped({index}, {n}, {n - size})")


def _wrapped(frame: Frame, index: str, n: int, size: int) -> str:
    """A variable with an index for writing; -1 if it is outside."""
    frame.writer.helper("wrapped", WRAPPED)
    return _variable(frame, f"gm_wrapped({index}, {n}, {n - size})")


def _variable(frame: Frame, value: str) -> str:
    name = frame.writer.name("at")
    frame.writer.line(f"const i32 {name} = {value};")
    return name


def _begins(shape: Sequence[int], axes: Sequence[int], found: Sequence[str]) -> list[str]:
    """An index for each axis: those found for some axes, 0 for others."""
    begins = ["0"] * len(shape)
    for axis, name in zip(axes, found, strict=True):
        begins[axis] = name
    return begins


def _plus(begins: Sequence[str], indices: Sequence[str]) -> list[str]:
    """Index by index the sum."""
    pairs = zip(begins, indices, strict=True)
    return [b if a == "0" else (a if b == "0" else f"({a} + {b})") for a, b in pairs]


def _changed(frame: Frame, x: Value, value: Value, *, by_lane: bool = False) -> Place:
    """The array that an operation changes: that of ``x`` itself if it may, else a copy."""
    source = frame.places[x]
    if source.varying == frame.varying[value] and frame.dies(x):
        return Place(source.root, value.shape, source.strides)
    place = frame.output(value, reads_back=by_lane)
    copy(frame.writer, place, source)
    return place


def _combine(frame: Frame, kind: str, target: Place, source: Place) -> None:
    """Write, add, ... all elements of one place to those of another."""
    if kind == "none":
        copy(frame.writer, target, source)
        return
    name = COMBINE[reduction_kind(kind, target.dtype)][0]

    def body(indices: list[str]) -> None:
        writer = frame.writer
        operands = [(writer.read(p, indices), p.varying) for p in (target, source)]
        value = frame.expression(name, operands, [target.dtype] * 2, target.dtype, target.varying)
        writer.write(target, indices, value, target.varying)

    each(frame, target.shape, body)


def _combine_lane(
    frame: Frame, kind: str, target: Place, at: list[str], source: Place, indices: list[str], lane: str
) -> None:
    """The same for one element of one lane."""
    writer, dtype = frame.writer, target.dtype
    value = writer.read_lane(source, indices, lane)
    if kind != "none":
        name = COMBINE[reduction_kind(kind, dtype)][0]
        old = writer.read_lane(target, at, lane)
        if dtype == "bool":
            value = f"{old} {COMBINE[reduction_kind(kind, dtype)][1]} {value}"
        else:
            value = frame.expression(name, [(old, False), (value, False)], [dtype] * 2, dtype, False)
    writer.write_lane(target, at, lane, value)


def _active(frame: Frame, lane: str) -> str:
    return f"{frame.mask}[{lane}] && " if frame.mask else ""


# ---- slices ----------------------------------------------------------------------------------------------------------


def _slice_update(frame: Frame, op: Op) -> None:
    (x, update), (value,), a = op.inputs, op.outputs, op.attributes
    kind = a["kind"]
    place = _changed(frame, x, value, by_lane=kind != "none")
    _combine(frame, kind, place.slice(a["starts"], a["sizes"], a["steps"]), frame.places[update])
    frame.define(value, place)


def _dynamic_slice(frame: Frame, op: Op) -> None:
    x, *starts = op.inputs
    _read_windows(frame, op, x, starts, ())


def _gather(frame: Frame, op: Op) -> None:
    x, *indices = op.inputs
    _read_windows(frame, op, x, indices, indices[0].shape if indices else ())


def _read_windows(frame: Frame, op: Op, x: Value, indices: Sequence[Value], lead: tuple[int, ...]) -> None:
    """A window of ``x`` for each element of the indices."""
    (value,), axes, sizes = op.outputs, op.attributes["axes"], tuple(op.attributes["sizes"])
    writer, source = frame.writer, frame.places[x]
    if value.type.size == 0:
        frame.define(value, frame.new(value))
        return
    by_lane = any(frame.varying[i] for i in indices)

    def begins(at: list[str], lane: str | None = None) -> list[str]:
        found = []
        for axis, index in zip(axes, indices, strict=True):
            place = frame.places[index]
            text = writer.read(place, at) if lane is None else writer.read_lane(place, at, lane)
            found.append(_clamped(frame, text, x.shape[axis], sizes[axis]))
        return _begins(x.shape, axes, found)

    if not lead and not by_lane:
        frame.define(value, source.window(begins([]), sizes))
        return
    target = frame.output(value, reads_back=by_lane)

    def shared(at: list[str]) -> None:
        copy(writer, target.element(at), source.window(begins(at), sizes))

    def apart(at: list[str]) -> None:
        with writer.each_lane() as lane:
            window = source.window(begins(at, lane), sizes)

            def one(indices: list[str]) -> None:
                writer.write_lane(target, [*at, *indices], lane, writer.read_lane(window, indices, lane))

            each(frame, sizes, one)

    each(frame, lead, apart if by_lane else shared)
    frame.define(value, target)


def _dynamic_slice_update(frame: Frame, op: Op) -> None:
    x, update, *starts = op.inputs
    (value,), axes = op.outputs, op.attributes["axes"]
    writer, source = frame.writer, frame.places[update]
    by_lane = any(frame.varying[s] for s in starts)
    place = _changed(frame, x, value, by_lane=by_lane)
    if update.type.size:
        if by_lane:
            with writer.each_lane() as lane:
                found = [
                    _clamped(frame, writer.read_lane(frame.places[s], [], lane), x.shape[a], update.shape[a])
                    for a, s in zip(axes, starts, strict=True)
                ]
                begins = _begins(x.shape, axes, found)

                def one(indices: list[str]) -> None:
                    _combine_lane(frame, "none", place, _plus(begins, indices), source, indices, lane)

                each(frame, update.shape, one)
        else:
            found = [
                _clamped(frame, frame.element(s), x.shape[a], update.shape[a])
                for a, s in zip(axes, starts, strict=True)
            ]
            copy(writer, place.window(_begins(x.shape, axes, found), update.shape), source)
    frame.define(value, place)


# ---- scatter ---------------------------------------------------------------------------------------------------------


def _scatter(frame: Frame, op: Op) -> None:
    x, updates, *indices = op.inputs
    (value,), axes, kind = op.outputs, op.attributes["axes"], op.attributes["kind"]
    writer, source = frame.writer, frame.places[updates]
    lead = indices[0].shape if indices else ()
    sizes = updates.shape[len(lead) :]
    by_lane = any(frame.varying[i] for i in indices)
    place = _changed(frame, x, value, by_lane=by_lane or kind != "none")

    def begins(at: list[str], lane: str | None) -> tuple[list[str], list[str]]:
        found = []
        for axis, index in zip(axes, indices, strict=True):
            where = frame.places[index]
            text = writer.read(where, at) if lane is None else writer.read_lane(where, at, lane)
            found.append(_wrapped(frame, text, x.shape[axis], sizes[axis]))
        return _begins(x.shape, axes, found), found

    def window(at: list[str]) -> None:
        where, found = begins(at, None)
        with writer.block(_if(" && ".join(f"{name} >= 0" for name in found))):
            _combine(frame, kind, place.window(where, sizes), source.element(at))

    def window_of_lane(at: list[str]) -> None:
        with writer.each_lane() as lane:
            where, found = begins(at, lane)
            with writer.block(_if(_active(frame, lane) + " && ".join(f"{name} >= 0" for name in found))):
                part = source.element(at)

                def one(inner: list[str]) -> None:
                    _combine_lane(frame, kind, place, _plus(where, inner), part, inner, lane)

                each(frame, sizes, one)

    if updates.type.size and x.type.size:
        each(frame, lead, window_of_lane if by_lane else window)
    frame.define(value, place)


def _if(condition: str) -> str:
    return f"if ({condition})" if condition else ""


# ---- an index for each element ---------------------------------------------------------------------------------------


def _gather_axis(frame: Frame, op: Op) -> None:
    x, indices = op.inputs
    (value,), axis = op.outputs, op.attributes["axis"]
    writer, source, where = frame.writer, frame.places[x], frame.places[indices]
    by_lane = where.varying
    target = frame.output(value, reads_back=by_lane)

    def body(at: list[str]) -> None:
        if not by_lane:
            index = _clamped(frame, writer.read(where, at), x.shape[axis], 1)
            found = writer.read(source, [*at[:axis], index, *at[axis + 1 :]])
            writer.write(target, at, found, source.varying)
            return
        with writer.each_lane() as lane:
            index = _clamped(frame, writer.read_lane(where, at, lane), x.shape[axis], 1)
            found = writer.read_lane(source, [*at[:axis], index, *at[axis + 1 :]], lane)
            writer.write_lane(target, at, lane, found)

    if value.type.size:
        each(frame, value.shape, body)
    frame.define(value, target)


def _scatter_axis(frame: Frame, op: Op) -> None:
    x, indices, updates = op.inputs
    (value,), axis, kind = op.outputs, op.attributes["axis"], op.attributes["kind"]
    writer, source, where = frame.writer, frame.places[updates], frame.places[indices]
    by_lane = where.varying
    place = _changed(frame, x, value, by_lane=by_lane or kind != "none")

    def body(at: list[str]) -> None:
        if not by_lane:
            index = _wrapped(frame, writer.read(where, at), x.shape[axis], 1)
            with writer.block(f"if ({index} >= 0)"):
                target = place.element([*at[:axis], index, *at[axis + 1 :]])
                _combine(frame, kind, target, source.element(at))
            return
        with writer.each_lane() as lane:
            index = _wrapped(frame, writer.read_lane(where, at, lane), x.shape[axis], 1)
            with writer.block(f"if ({_active(frame, lane)}{index} >= 0)"):
                _combine_lane(frame, kind, place, [*at[:axis], index, *at[axis + 1 :]], source, at, lane)

    if x.type.size:
        each(frame, indices.shape, body)
    frame.define(value, place)


# ---- put together ----------------------------------------------------------------------------------------------------


def _concatenate(frame: Frame, op: Op) -> None:
    (value,) = op.outputs
    target = frame.reserved.get(value) or frame.output(value)
    for x, part in zip(op.inputs, parts_of(op, target), strict=True):
        copy(frame.writer, part, frame.places[x])
    frame.define(value, target)


def _pad(frame: Frame, op: Op) -> None:
    (x, filling), (value,) = op.inputs, op.outputs
    target = frame.output(value)
    copy(frame.writer, target, frame.places[filling].broadcast(value.shape))
    inside = target.slice(op.attributes["low"], x.shape, [1] * len(x.shape))
    copy(frame.writer, inside, frame.places[x])
    frame.define(value, target)


PRINTERS = {
    "slice_update": _slice_update,
    "dynamic_slice": _dynamic_slice,
    "dynamic_slice_update": _dynamic_slice_update,
    "gather": _gather,
    "scatter": _scatter,
    "gather_axis": _gather_axis,
    "scatter_axis": _scatter_axis,
    "concatenate": _concatenate,
    "pad": _pad,
}
