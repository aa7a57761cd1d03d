"""A function over MLX arrays to a region, through MLX's own export of its graph.

MLX calls the function once with arrays that have shapes and no values, and hands out inputs, constants and primitives.
Gradients and vmaps that the function takes with MLX are expanded in that graph. Constants of one element stay in the
region; larger ones become parameters, after those of the function, so that other data of the same shape needs no new
kernel.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

from genmlx.compiler.capture.markers import (
    NO_GRADIENT,
    Marker,
    dtype_name,
    marker_of,
    record,
    recording,
    supported,
    type_of,
)
from genmlx.compiler.capture.primitives import PRIMITIVES, UnsupportedPrimitive, exportable
from genmlx.compiler.ir.graph import Builder, Region, Type, Value
from genmlx.numerics.errors import GenMLXError
from genmlx.numerics.intrinsics import offering
from genmlx.numerics.repairs import repaired
from genmlx.numerics.transforms import explain_control_flow
from genmlx.numerics.types import Array

__all__ = ["CaptureError", "Captured", "UnsupportedPrimitive", "capture"]

_PACKAGE = str(Path(__file__).parents[2])


class CaptureError(GenMLXError, TypeError):
    """A function that cannot be captured."""


class Captured(NamedTuple):
    """A region, and the arrays that its last parameters stand for.

    Attributes:
        region: parameters are those of the function, then one for each array of ``data``.
        data: the larger constants of the function.
    """

    region: Region
    data: tuple[Array, ...]


def capture(f: Callable[..., Sequence[Array]], *examples: Array) -> Captured:
    """The graph of a function.

    Args:
        f: takes as many arrays as there are examples and returns a sequence of arrays. It is called once, with arrays
            that have no values.
        examples: arrays of the shapes and dtypes to compile for.

    Raises:
        UnsupportedPrimitive: the function uses a primitive of MLX that is not compiled.
        CaptureError: it uses a dtype that is not compiled, takes an array of a function around it that is being
            captured too, or differentiates a loop with MLX.
        ControlFlowError: Python needed the value of an array.
    """
    for x in examples:
        _check_dtype(type_of(x).dtype, "an argument")
    events: list[dict[str, Any]] = []
    with recording():
        _export(events, f, examples)
        return _Reader(events).read()


def _export(events: list[dict[str, Any]], f: Callable[..., Sequence[Array]], examples: Sequence[Array]) -> None:
    try:
        with explain_control_flow(), repaired(), exportable(), offering(record):
            mx.export_function(events.append, lambda *xs: tuple(f(*xs)), *examples)
    except ValueError as error:
        if "Unable to get state for primitive" in str(error):
            raise UnsupportedPrimitive(str(error).rpartition(" ")[2]) from error
        if NO_GRADIENT in str(error) and "not implemented" in str(error).lower():
            raise CaptureError(
                "mx.grad met a loop of genmlx.control, which MLX cannot differentiate under compilation",
                where=_user_line(error),
                fix="control.value_and_grad(f) instead of mx.grad(f) or mx.value_and_grad(f)",
            ) from error
        raise


def _user_line(error: BaseException) -> str | None:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_PACKAGE)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _check_dtype(dtype: str, what: str) -> None:
    if not supported(dtype):
        raise CaptureError(
            f"{what} is {dtype}, which is not compiled",
            fix="float32 (or float64 on the CPU): x.astype(mx.float32)",
        )


class _Reader:
    """The events of one export, read into a region."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._b = Builder()
        self._values: dict[str, Value] = {}
        self._markers: dict[str, Marker] = {}
        self._views: dict[str, str] = {}  # of the bits of a value, as another dtype: to the name of the value
        self._data: list[Array] = []
        self._outputs: list[str] = []
        self._events = events

    def read(self) -> Captured:
        for event in self._events:
            getattr(self, "_read_" + event["type"])(event)
        return Captured(self._b.finish(*(self._value(name) for name in self._outputs)), tuple(self._data))

    def _read_inputs(self, event: dict[str, Any]) -> None:
        for name, shape, dtype in event["inputs"]:
            self._values[name] = self._b.parameter(Type(dtype_name(dtype), tuple(shape)))

    def _read_keyword_inputs(self, event: dict[str, Any]) -> None:
        pass

    def _read_outputs(self, event: dict[str, Any]) -> None:
        self._outputs = [name for name, _, _ in event["outputs"]]

    def _read_constants(self, event: dict[str, Any]) -> None:
        known: dict[int, Value] = {}
        for name, array in event["constants"]:
            _check_dtype(dtype_name(array.dtype), "a constant")
            marker = marker_of(np.array(_evaluated(array))) if array.shape == (3,) else None
            if marker is not None:
                self._markers[name] = marker
            elif array.size == 1:
                self._values[name] = self._b.constant(np.array(_evaluated(array)))
            else:
                if id(array) not in known:
                    known[id(array)] = self._b.parameter(type_of(_evaluated(array)))
                    self._data.append(array)
                self._values[name] = known[id(array)]

    def _read_primitive(self, event: dict[str, Any]) -> None:
        outputs = [Type(dtype_name(dtype), tuple(shape)) for _, shape, dtype in event["outputs"]]
        names = [name for name, _, _ in event["inputs"]]
        if event["name"] == "Depends" and any(name in self._markers for name in names):
            results = self._marker(names)
        elif event["name"] == "View":
            self._view(names[0], event["outputs"][0][0], outputs[0])
            return
        else:
            if event["name"] not in PRIMITIVES:
                raise UnsupportedPrimitive(event["name"])
            for output in outputs:
                _check_dtype(output.dtype, f"a result of {event['name']}")
            results = PRIMITIVES[event["name"]](self._b, [self._value(n) for n in names], event["arguments"], outputs)
        for (name, _, _), value, expected in zip(event["outputs"], results, outputs, strict=True):
            assert value.type == expected, f"{event['name']}: {value.type}, not {expected}"
            self._values[name] = value

    def _view(self, name: str, output: str, expected: Type) -> None:
        """There and back again is a stopped gradient (`primitives.exportable`); one way alone is not compiled."""
        origin = self._views.get(name)
        if origin is not None and self._values[origin].type == expected:
            self._values[output] = self._b("stop_gradient", self._values[origin])
        else:
            self._views[output] = name

    def _value(self, name: str) -> Value:
        if name in self._views:
            raise UnsupportedPrimitive("View")
        return self._values[name]

    def _marker(self, names: list[str]) -> tuple[Value, ...]:
        at = next(i for i, name in enumerate(names) if name in self._markers)
        marker = self._markers[names[at]]
        self._b.source = marker.source
        outputs = self._b.emit(
            marker.name, [self._value(n) for n in names[at + 1 :]], marker.attributes, marker.regions
        )
        self._b.source = ""
        return outputs


def _evaluated(array: Array) -> Array:
    """The array, if it has a value; one that belongs to a function around this one has none."""
    try:
        mx.eval(array)
    except ValueError as error:
        raise CaptureError(
            f"the body of a loop uses {type_of(array)}, a value of the function around it, from a place where it "
            "cannot be found (an attribute, a global variable, or a container of an unknown type)",
            fix="pass it as an operand: in the carry, as a sequence, or by a local variable that the body closes over",
        ) from error
    return array
