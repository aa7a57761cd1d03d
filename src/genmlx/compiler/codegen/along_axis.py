"""Running values along an axis: the place of the least or greatest, and cumulative sums, products, extremes."""

from __future__ import annotations

from genmlx.compiler.codegen.arrays import each
from genmlx.compiler.codegen.cstyle import COMBINE, kind_of, literal, neutral, reduction_kind
from genmlx.compiler.codegen.frame import Frame, comment_of
from genmlx.compiler.ir.types import Op

__all__ = ["PRINTERS"]


def _argreduce(frame: Frame, op: Op) -> None:
    """The first of the least or greatest, or the first nan."""
    (x,), (value,) = op.inputs, op.outputs
    axis, kind = op.attributes["axis"], op.attributes["kind"]
    writer, source = frame.writer, frame.places[x]
    varying, dtype = frame.varying[value], x.dtype
    target = frame.output(value)

    def compared(name: str, a: str, b: str) -> str:
        return f"({frame.expression(name, [(a, varying), (b, varying)], [dtype] * 2, 'bool', varying)})"

    def element(at: list[str]) -> str:
        name = writer.name("x")
        writer.line(f"{writer.type(dtype, varying)} {name} = {writer.read(source, at, varying)};")
        return name

    def body(at: list[str]) -> None:
        best = element([*at[:axis], "0", *at[axis:]])
        place = writer.name("at")
        zero = writer.splat("0u", "uint32") if varying else "0u"
        writer.line(f"{writer.type('uint32', varying)} {place} = {zero};", comment_of(op))
        with writer.loop(x.shape[axis]) as i:
            found = element([*at[:axis], i, *at[axis:]])
            better = writer.name("better")
            test = compared("less" if kind == "min" else "greater", found, best)
            if kind_of(dtype) == "float":
                test += f" | ({compared('not_equal', found, found)} & {compared('equal', best, best)})"
            writer.line(f"const {writer.type('bool', varying)} {better} = {test};")
            number = writer.splat(f"(u32){i}", "uint32") if varying else f"(u32){i}"
            writer.line(f"{best} = {writer.choose(better, found, best, dtype, varying)};")
            writer.line(f"{place} = {writer.choose(better, number, place, 'uint32', varying)};")
        writer.write(target, at, place, varying)

    each(frame, value.shape, body)
    frame.define(value, target)


def _cumulative(frame: Frame, op: Op) -> None:
    (x,), (value,), a = op.inputs, op.outputs, op.attributes
    axis, kind = a["axis"], reduction_kind(a["kind"], x.dtype)
    writer, source = frame.writer, frame.places[x]
    varying, dtype = frame.varying[value], x.dtype
    target = frame.output(value)

    def body(at: list[str]) -> None:
        running = writer.name("r")
        start = literal(neutral(kind, dtype), dtype)
        start = writer.splat(start, dtype) if varying else start
        writer.line(f"{writer.type(dtype, varying)} {running} = {start};", comment_of(op))
        with writer.loop(x.shape[axis], reverse=a["reverse"]) as i:
            here = [*at[:axis], i, *at[axis + 1 :]]
            operands = [(running, varying), (writer.read(source, here), source.varying)]
            combined = frame.expression(COMBINE[kind][0], operands, [dtype] * 2, dtype, varying)
            if a["inclusive"]:
                writer.line(f"{running} = {combined};")
                writer.write(target, here, running, varying)
            else:
                writer.write(target, here, running, varying)
                writer.line(f"{running} = {combined};")

    lines = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    each(frame, lines, body)
    frame.define(value, target)


PRINTERS = {"argreduce": _argreduce, "cumulative": _cumulative}
