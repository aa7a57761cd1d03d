"""Operations without code: views, constants, counting. A reshape that strides cannot say is a copy."""

from __future__ import annotations

import numpy as np

from genmlx.compiler.codegen.frame import Frame, copy
from genmlx.compiler.codegen.places import Kind, Place, Root
from genmlx.compiler.ir.types import Op

__all__ = ["PRINTERS"]


def _constant(frame: Frame, op: Op) -> None:
    (value,) = op.outputs
    array = np.asarray(op.attributes["value"])
    flat = array.reshape(-1)
    # Equal bits, so that nan is found and -0 is not taken for 0.
    if flat.size and all(x.tobytes() == flat[0].tobytes() for x in flat[1:]):
        frame.define(value, frame.writer.number(flat[0], value.dtype).broadcast(value.shape))
    else:
        frame.define(value, frame.writer.table(array))


def _iota(frame: Frame, op: Op) -> None:
    (value,) = op.outputs
    frame.define(value, Place(Root("", value.dtype, False, Kind.RANGE, value.type.size), value.shape, (1,)))


def _broadcast(frame: Frame, op: Op) -> None:
    frame.define(op.outputs[0], frame.places[op.inputs[0]].broadcast(op.outputs[0].shape))


def _transpose(frame: Frame, op: Op) -> None:
    frame.define(op.outputs[0], frame.places[op.inputs[0]].transpose(op.attributes["axes"]))


def _slice(frame: Frame, op: Op) -> None:
    a = op.attributes
    frame.define(op.outputs[0], frame.places[op.inputs[0]].slice(a["starts"], a["sizes"], a["steps"]))


def _reshape(frame: Frame, op: Op) -> None:
    (x,), (value,) = op.inputs, op.outputs
    source = frame.places[x]
    place = source.reshape(value.shape)
    if place is None:
        place = frame.output(value)
        target = place.reshape(x.shape)
        if target is None:  # a target with strides of its own
            place = frame.new(value)
            target = place.reshape(x.shape)
            assert target is not None
        copy(frame.writer, target, source)
    frame.define(value, place)


def _reduce_one(frame: Frame, op: Op) -> None:
    """A reduction of one element is that element."""
    place = frame.places[op.inputs[0]].reshape(op.outputs[0].shape)
    assert place is not None
    frame.define(op.outputs[0], place)


PRINTERS = {
    "reduce": _reduce_one,
    "constant": _constant,
    "iota": _iota,
    "broadcast": _broadcast,
    "transpose": _transpose,
    "slice": _slice,
    "reshape": _reshape,
}
