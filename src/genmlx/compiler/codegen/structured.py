"""Loops and branches: scan, while, switch, map.

Carries live where the loop's results will be: a variable for one element, an array otherwise, which is the initial
value's own if nothing else needs that. An iteration writes the new carries over the old ones where it can (`frame`);
the rest is copied when the body has ended, through copies of their own where carries trade places.

Where lanes diverge, a while loop runs until no lane is left, and writes only lanes that still run; of a switch every
branch runs that some lane takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from genmlx.compiler.codegen.frame import Frame, Target, comment_of, copy
from genmlx.compiler.codegen.places import Kind, Place
from genmlx.compiler.ir.ops import ELEMENTWISE, STRUCTURED, VIEWS
from genmlx.compiler.ir.types import Op, Region, Value

__all__ = ["PRINTERS"]

POLL_EVERY = 16
"""Short iterations look for a stop, and tell their progress, so often; a power of two."""
LONG_LOOP = 64
"""Inner loops of fewer short iterations do not look at all: the loop around them does."""


# ---- carries ---------------------------------------------------------------------------------------------------------


def _carry(frame: Frame, value: Value, varying: bool) -> Place:
    """Where a carry lives, with its initial value in it."""
    writer, source = frame.writer, frame.places[value]
    if value.type.size == 1:
        place = writer.variable(value.dtype, varying, frame.element(value, varying=varying), prefix="c")
        place = Place(place.root, value.shape, (0,) * len(value.shape))
    elif source.varying == varying and frame.dies(value):
        source.root.held += 1  # the reference of the initial value, until the loop has ended
        return Place(source.root, value.shape, source.strides)
    else:
        place = writer.array(value.dtype, varying, value.shape)
        copy(writer, place, source)
    place.root.references += 1
    place.root.held += 1
    return place


def _store_results(frame: Frame, targets: Sequence[Place], carries: int) -> None:
    """Copy the results of an iteration that are not in place yet: stacked ones, then carries."""
    writer = frame.writer
    results = frame.results()
    for target, source in zip(targets[carries:], results[carries:], strict=True):
        copy(writer, target, source)
    pending = [(t, s) for t, s in zip(targets[:carries], results[:carries], strict=True) if t != s]
    overwritten = {t.root for t, _ in pending}
    ready = []
    for target, source in pending:
        lost = source.root in overwritten and (len(pending) > 1 or source.root is target.root)
        ready.append((target, _kept(frame, source) if lost else source))
    for target, source in ready:
        copy(writer, target, source)


def _kept(frame: Frame, source: Place) -> Place:
    """A copy that outlives the carries."""
    writer = frame.writer
    if not source.squeeze().shape:
        value = writer.read(source, ["0"] * len(source.shape))
        root = writer.variable(source.dtype, source.varying, value).root
        return Place(root, source.shape, (0,) * len(source.shape))
    place = writer.array(source.dtype, source.varying, source.shape)
    copy(writer, place, source)
    return place


def _end(frame: Frame, op: Op, carried: Sequence[Place], stacked: Sequence[Place]) -> None:
    """The outputs of a loop lie where its carries lived."""
    for value, place in zip(op.outputs, (*carried, *stacked), strict=True):
        frame.define(value, place)
    for value, place in zip(op.inputs, carried, strict=False):
        place.root.held -= 1
        if frame.places[value].root is not place.root:
            frame.drop(place.root)


def _stacked(frame: Frame, values: Sequence[Value]) -> list[Place]:
    return [frame.output(value) for value in values]


# ---- loops of known length -----------------------------------------------------------------------------------------


def _scan(frame: Frame, op: Op) -> None:
    (body,) = op.regions
    n, carries, sequences = op.attributes["length"], op.attributes["carries"], op.attributes["sequences"]
    writer = frame.writer
    flags = frame.context.uniformity.carries(op, [frame.varying[v] for v in op.inputs])
    carried = [_carry(frame, v, f) for v, f in zip(op.inputs[:carries], flags, strict=True)]
    xs = [frame.places[v] for v in op.inputs[carries : carries + sequences]]
    rest = [frame.places[v] for v in op.inputs[carries + sequences :]]
    stacked = _stacked(frame, op.outputs[carries:])
    done = _begin_progress(frame)
    writer.line(f"// {comment_of(op)}: {n} iterations")
    with writer.loop(n, reverse=op.attributes["reverse"]) as i:
        finished = f"({n - 1} - {i})" if op.attributes["reverse"] else i
        _poll(frame, body, i, n, f"{done} + {finished}" if done else "")
        targets = [*(Target(p, False) for p in carried), *(Target(p.element([i]), True) for p in stacked)]
        parameters = [*carried, *(x.element([i]) for x in xs), *rest]
        inner = Frame.begin(frame.context, body, parameters, targets=targets, mask=frame.mask, loops=frame.loops + 1)
        frame.context.run(inner)
        _store_results(inner, [t.place for t in targets], carries)
        inner.close()
    if done:
        writer.line(f"if (first) control->progress = {done} + {n};")
    _end(frame, op, carried, stacked)


def _map(frame: Frame, op: Op) -> None:
    (body,) = op.regions
    n, mapped = op.attributes["size"], op.attributes["mapped"]
    writer = frame.writer
    xs, rest = [frame.places[v] for v in op.inputs[:mapped]], [frame.places[v] for v in op.inputs[mapped:]]
    stacked = _stacked(frame, op.outputs)
    varying = any(p.varying for p in (*xs, *rest))
    writer.line(f"// {comment_of(op)}: {n} elements")
    with writer.loop(n, independent=_only_scalars(body) and not varying) as i:
        if not _only_scalars(body):
            _poll(frame, body, i, n, "")
        targets = [Target(p.element([i]), True) for p in stacked]
        parameters = [*(x.element([i]) for x in xs), *rest]
        inner = Frame.begin(frame.context, body, parameters, targets=targets, mask=frame.mask, loops=frame.loops + 1)
        frame.context.run(inner)
        _store_results(inner, [t.place for t in targets], 0)
        inner.close()
    for value, place in zip(op.outputs, stacked, strict=True):
        frame.define(value, place)


def _only_scalars(body: Region) -> bool:
    """Whether a body has no loop in it, so that a compiler can vectorise the loop around it."""
    plain = ELEMENTWISE | VIEWS | {"constant", "iota"}
    return all(op.name in plain and all(v.type.size == 1 for v in op.outputs) for op in body.ops)


def _begin_progress(frame: Frame) -> str:
    """The variable with the progress before an outermost loop, or nothing."""
    if frame.loops:
        return ""
    name = frame.writer.name("done")
    frame.writer.line(f"const i64 {name} = control->progress;")
    return name


def _poll(frame: Frame, body: Region, i: str, n: int, progress: str) -> None:
    """Return when asked to, now and then, and in an outermost loop tell the progress."""
    writer = frame.writer
    nested = any(op.name in STRUCTURED for op in body.ops)
    if not (progress or nested or n >= LONG_LOOP):
        return
    with writer.block("" if nested else f"if (({i} & {POLL_EVERY - 1}) == 0)"):
        writer.line("if (control->stop) return 1;")
        if progress:
            writer.line(f"if (first) control->progress = {progress};")


# ---- loops of unknown length ---------------------------------------------------------------------------------------


def _while(frame: Frame, op: Op) -> None:
    condition, body = op.regions
    carries = op.attributes["carries"]
    writer, uniformity = frame.writer, frame.context.uniformity
    inputs = [frame.varying[v] for v in op.inputs]
    flags = uniformity.carries(op, inputs)
    carried = [_carry(frame, v, f) for v, f in zip(op.inputs[:carries], flags, strict=True)]
    parameters = [*carried, *(frame.places[v] for v in op.inputs[carries:])]
    diverges = uniformity.diverges(op, (*flags, *inputs[carries:]))
    mask = frame.mask
    writer.line(f"// {comment_of(op)}")
    if diverges:
        mask = writer.name("active")
        every = frame.mask or writer.splat("true", "bool")
        writer.line(f"{writer.type('bool', True)} {mask} = {every};")
    done = _begin_progress(frame)
    outer_masks = [p.root.mask for p in carried]
    with writer.block("for (;;)"):
        writer.line("if (control->stop) return 1;")
        test = Frame.begin(frame.context, condition, parameters, mask=mask, loops=frame.loops + 1)
        frame.context.run(test)
        going = test.element(condition.results[0])
        test.close()
        if diverges:
            writer.line(f"{mask} = {mask} & {going};")
            writer.line(f"if (!gm_any({mask})) break;")
            _set_masks(carried, [mask] * carries)
        else:
            writer.line(f"if (!{going}) break;")
        targets = [Target(p, False) for p in carried]
        inner = Frame.begin(frame.context, body, parameters, targets=targets, mask=mask, loops=frame.loops + 1)
        frame.context.run(inner)
        _store_results(inner, carried, carries)
        inner.close()
        if done:
            writer.line("if (first) control->progress = control->progress + 1;")
    _set_masks(carried, outer_masks)
    _end(frame, op, carried, [])


def _set_masks(places: Sequence[Place], masks: Sequence[str | None]) -> None:
    for place, mask in zip(places, masks, strict=True):
        if place.varying:
            place.root.mask = mask


# ---- branches --------------------------------------------------------------------------------------------------------


def _switch(frame: Frame, op: Op) -> None:
    writer = frame.writer
    index, *operands = op.inputs
    diverges = frame.varying[index]
    parameters = [frame.places[v] for v in operands]
    passed = _passed_on(frame, op)
    for v in passed.values():
        frame.places[v].root.held += 1
    outputs = [
        frame.places[passed[value]] if value in passed else _branch_output(frame, value, diverges)
        for value in op.outputs
    ]
    chosen = frame.element(index)
    writer.line(f"// {comment_of(op)}: {len(op.regions)} branches")
    last = len(op.regions) - 1
    for number, region in enumerate(op.regions):
        mask = frame.mask
        if diverges:
            taken = _taken(number, last, chosen, writer.lanes)
            mask = writer.name("taken")
            both = f"{taken} & {frame.mask}" if frame.mask else taken
            writer.line(f"const {writer.type('bool', True)} {mask} = {both};")
            head = f"if (gm_any({mask}))"
        else:
            head = _uniform_head(number, last, chosen)
        outer_masks = [p.root.mask for p in outputs]
        if diverges:
            _set_masks(outputs, [mask] * len(outputs))
        with writer.block(head):
            targets = [
                Target(place, value not in passed) if place.root.kind is not Kind.VARIABLE else None
                for value, place in zip(op.outputs, outputs, strict=True)
            ]
            inner = Frame.begin(frame.context, region, parameters, targets=targets, mask=mask, loops=frame.loops)
            frame.context.run(inner)
            _store_results(inner, outputs, len(outputs))
            inner.close()
        _set_masks(outputs, outer_masks)
    for v in passed.values():
        frame.places[v].root.held -= 1
    for value, place in zip(op.outputs, outputs, strict=True):
        frame.define(value, place)


def _passed_on(frame: Frame, op: Op) -> dict[Value, Value]:
    """Outputs that are an operand in some branch, where that operand's array can become the output's.

    So a branch that changes an element of a large array, beside one that leaves it, copies nothing.
    """
    found: dict[Value, Value] = {}
    for region in op.regions:
        for value, result in zip(op.outputs, region.results, strict=True):
            for parameter, v in zip(region.parameters, op.inputs[1:], strict=True):
                same = result is parameter and frame.varying[value] == frame.varying[v]
                if same and value not in found and v not in found.values() and frame.dies(v):
                    found[value] = v
    return found


def _branch_output(frame: Frame, value: Value, diverges: bool) -> Place:
    writer = frame.writer
    varying = frame.varying[value]
    if value.type.size == 1:
        place = writer.variable(value.dtype, varying, f"{writer.type(value.dtype, varying)}()")
        return Place(place.root, value.shape, (0,) * len(value.shape))
    place = frame.output(value, reads_back=diverges)
    if diverges:  # lanes outside every branch that runs must hold something
        copy(writer, place, writer.number(0, value.dtype).broadcast(value.shape))
    return place


def _uniform_head(number: int, last: int, chosen: str) -> str:
    if last == 0:
        return ""
    if number == last:
        return "else"
    test = f"if ({chosen} <= 0)" if number == 0 else f"if ({chosen} == {number})"
    return test if number == 0 else f"else {test}"


def _taken(number: int, last: int, chosen: str, lanes: int) -> str:
    if last == 0:
        return f"gm_i32x{lanes}(-1)"
    if number == 0:
        return f"({chosen} <= 0)"
    return f"({chosen} >= {last})" if number == last else f"({chosen} == {number})"


PRINTERS = {"scan": _scan, "while": _while, "switch": _switch, "map": _map}
