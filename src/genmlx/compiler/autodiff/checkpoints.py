"""Scans in blocks, so that their gradients need less memory."""

from __future__ import annotations

from collections.abc import Sequence

from genmlx.compiler.ir.graph import Builder, Op, Region, Type, Value

__all__ = ["in_blocks"]


def in_blocks(region: Region, every: int) -> Region:
    """The region with each of its long scans made a scan over blocks of ``every`` iterations.

    The meaning is the same. But the gradient of a scan saves values for each iteration, and that of a scan in a scan
    only for each outer one: the inner one runs again, block by block, on the way back. So n iterations keep
    n / every + every times their values instead of n times, least for every = sqrt(n), and run forward once more.

    Args:
        region: what to rewrite; scans within the bodies of its operations stay as they are.
        every: iterations in a block, at least 1; shorter scans stay as they are.
    """
    b = Builder()
    names = {p: b.parameter(p.type) for p in region.parameters}
    for op in region.ops:
        if op.name == "scan" and op.attributes["length"] > every:
            b.source = op.source
            outputs = _blocks(b, op, [names[v] for v in op.inputs], every)
            names.update(zip(op.outputs, outputs, strict=True))
            b.source = ""
        else:
            b.copy(op, names)
    return b.finish(*(names[r] for r in region.results))


def _blocks(b: Builder, op: Op, inputs: Sequence[Value], every: int) -> list[Value]:
    """Whole blocks, and what is left at the end of the sequences by itself: first if the scan is reversed."""
    n, carries, sequences = op.attributes["length"], op.attributes["carries"], op.attributes["sequences"]
    carry, xs, rest = inputs[:carries], inputs[carries : carries + sequences], inputs[carries + sequences :]
    whole = n // every
    block = _block_body(op, every)
    stacked: dict[int, list[Value]] = {}
    parts = [(0, whole), (whole * every, 0)] if n % every else [(0, whole)]
    for start, count in reversed(parts) if op.attributes["reverse"] else parts:
        size = count * every or n % every
        part = [_rows(b, x, start, size) for x in xs]
        if count:
            part = [b.reshape(x, (count, every, *x.shape[1:])) for x in part]
        attributes = {**op.attributes, "length": count or size}
        outputs = b.emit("scan", [*carry, *part, *rest], attributes, [block if count else op.regions[0]])
        carry = outputs[:carries]
        ys = outputs[carries:]
        stacked[start] = [b.reshape(y, (size, *y.shape[2:])) for y in ys] if count else list(ys)
    columns = [[stacked[start][k] for start in sorted(stacked)] for k in range(len(op.outputs) - carries)]
    return [*carry, *(b("concatenate", *ys, axis=0) if len(ys) > 1 else ys[0] for ys in columns)]


def _block_body(op: Op, every: int) -> Region:
    """One block: the scan itself, of ``every`` iterations."""
    carries, sequences = op.attributes["carries"], op.attributes["sequences"]
    b = Builder(source=op.source)
    parameters = []
    for i, t in enumerate(op.regions[0].parameter_types):
        in_sequence = carries <= i < carries + sequences
        parameters.append(b.parameter(Type(t.dtype, (every, *t.shape)) if in_sequence else t))
    return b.finish(*b.emit("scan", parameters, {**op.attributes, "length": every}, op.regions))


def _rows(b: Builder, x: Value, start: int, size: int) -> Value:
    if size == x.shape[0]:
        return x
    inner = len(x.shape) - 1
    starts, steps = (start, *(0,) * inner), (1,) * (inner + 1)
    return b("slice", x, starts=starts, sizes=(size, *x.shape[1:]), steps=steps)
