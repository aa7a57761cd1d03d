"""Sorting along an axis, the order that sorts, and places in a sorted vector. Stable; nan comes last.

A merge sort from the bottom up over runs that insertion has sorted: n log n comparisons, one array beside the line.
"""

from __future__ import annotations

from genmlx.compiler.codegen.arrays import each
from genmlx.compiler.codegen.cstyle import SHORT, kind_of
from genmlx.compiler.codegen.frame import Frame, comment_of
from genmlx.compiler.codegen.places import Place
from genmlx.compiler.ir.types import Op

__all__ = ["PRINTERS"]

BEFORE = """
gm_fn bool gm_before(T a, T b) { return COMPARISON; }
"""

# With `at`, an array of the numbers of the elements is moved with them.
SORT = """
static void gm_sort_T(T* x, T* spare, u32* at, u32* spare_at, i32 n) {
    const i32 run = 16;
    for (i32 begin = 0; begin < n; begin += run) {
        const i32 end = begin + run < n ? begin + run : n;
        for (i32 i = begin + 1; i < end; ++i) {
            const T value = x[i];
            const u32 number = at ? at[i] : 0;
            i32 j = i;
            for (; j > begin && gm_before(value, x[j - 1]); --j) {
                x[j] = x[j - 1];
                if (at) at[j] = at[j - 1];
            }
            x[j] = value;
            if (at) at[j] = number;
        }
    }
    T *from = x, *to = spare;
    u32 *from_at = at, *to_at = spare_at;
    for (i64 width = run; width < n; width *= 2) {
        for (i64 begin = 0; begin < n; begin += 2 * width) {
            const i64 middle = begin + width < n ? begin + width : n;
            const i64 end = begin + 2 * width < n ? begin + 2 * width : n;
            i64 a = begin, b = middle;
            for (i64 k = begin; k < end; ++k) {
                const i64 i = a < middle && (b >= end || !gm_before(from[b], from[a])) ? a++ : b++;
                to[k] = from[i];
                if (at) to_at[k] = from_at[i];
            }
        }
        T* swap = from;
        from = to;
        to = swap;
        u32* swap_at = from_at;
        from_at = to_at;
        to_at = swap_at;
    }
    if (from != x)
        for (i32 i = 0; i < n; ++i) {
            x[i] = from[i];
            if (at) at[i] = from_at[i];
        }
}
"""


def _before(frame: Frame, dtype: str) -> None:
    """Declare what comes first."""
    comparison = "a < b || (b != b && a == a)" if kind_of(dtype) == "float" else "a < b"
    text = BEFORE.replace("COMPARISON", comparison).replace("T ", f"{SHORT[dtype]} ")
    frame.writer.helper(f"before {dtype}", text)


def _sorted(frame: Frame, op: Op) -> None:
    (x,), (value,), axis = op.inputs, op.outputs, op.attributes["axis"]
    writer, source, dtype = frame.writer, frame.places[x], x.dtype
    varying, n, with_order = frame.varying[value], x.shape[op.attributes["axis"]], op.name == "argsort"
    target = frame.output(value, reads_back=varying)
    _before(frame, dtype)
    short = SHORT[dtype]
    writer.helper(f"sort {dtype}", SORT.replace("gm_sort_T", f"gm_sort_{short}").replace("T", short))
    line, spare = (writer.array(dtype, False, (n,)) for _ in range(2))
    order = [writer.array("uint32", False, (n,)) for _ in range(2 if with_order else 0)]
    names = ", ".join(p.root.name for p in order) or "nullptr, nullptr"

    def sort(at: list[str], lane: str | None) -> None:
        with writer.loop(n) as i:
            here = [*at[:axis], i, *at[axis + 1 :]]
            text = writer.read(source, here) if lane is None else writer.read_lane(source, here, lane)
            writer.write(line, [i], text, False)
            if with_order:
                writer.write(order[0], [i], f"(u32){i}", False)
        writer.line(f"gm_sort_{short}({line.root.name}, {spare.root.name}, {names}, {n});", comment_of(op))
        result = order[0] if with_order else line
        with writer.loop(n) as i:
            here = [*at[:axis], i, *at[axis + 1 :]]
            if lane is None:
                writer.write(target, here, writer.read(result, [i]), False)
            else:
                writer.write_lane(target, here, lane, writer.read_lane(result, [i], lane))

    def body(at: list[str]) -> None:
        if not varying:
            sort(at, None)
            return
        with writer.each_lane() as lane:
            sort(at, lane)

    each(frame, tuple(1 if i == axis else m for i, m in enumerate(x.shape)), body)
    for place in (line, spare, *order):
        writer.free(place.root)
    frame.define(value, target)


def _searchsorted(frame: Frame, op: Op) -> None:
    """Halving: the first place whose element does not come before (or, on the right, comes after) the number."""
    (sequence, x), (value,) = op.inputs, op.outputs
    writer, varying = frame.writer, frame.varying[value]
    line, numbers = frame.places[sequence], frame.places[x]
    target = frame.output(value, reads_back=varying)
    _before(frame, x.dtype)

    def search(at: list[str], lane: str | None) -> str:
        def read(place: Place, indices: list[str]) -> str:
            return writer.read(place, indices) if lane is None else writer.read_lane(place, indices, lane)

        number, low, high, middle = (writer.name(prefix) for prefix in ("x", "low", "high", "middle"))
        writer.line(f"const {SHORT[x.dtype]} {number} = {read(numbers, at)};")
        writer.line(f"i32 {low} = 0, {high} = {sequence.shape[0]};", comment_of(op))
        with writer.block(f"while ({low} < {high})"):
            writer.line(f"const i32 {middle} = {low} + ({high} - {low}) / 2;")
            element = read(line, [middle])
            right = op.attributes["right"]
            goes_on = f"!gm_before({number}, {element})" if right else f"gm_before({element}, {number})"
            writer.line(f"if ({goes_on}) {low} = {middle} + 1; else {high} = {middle};")
        return f"(u32){low}"

    def body(at: list[str]) -> None:
        if not varying:
            with writer.block(""):
                writer.write(target, at, search(at, None), False)
            return
        with writer.each_lane() as lane:
            writer.write_lane(target, at, lane, search(at, lane))

    each(frame, value.shape, body)
    frame.define(value, target)


PRINTERS = {"sort": _sorted, "argsort": _sorted, "searchsorted": _searchsorted}
