"""A region run, one operation at a time, in NumPy: the reference of every other way to run it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genmlx.compiler.ir.ops import OPS
from genmlx.compiler.ir.types import DTYPES, Op, Region, Type, Value

__all__ = ["interpret"]


def interpret(region: Region, arguments: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """The results of a region for these arguments.

    Args:
        region: what to run.
        arguments: an array for each parameter, of its type.

    Raises:
        TypeError: an argument, or the result of an operation, is not of its type.
    """
    with np.errstate(all="ignore"):
        return _run(region, [np.asarray(a) for a in arguments])


def _run(region: Region, arguments: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    environment: dict[Value, np.ndarray] = {}
    for parameter, argument in zip(region.parameters, arguments, strict=True):
        environment[parameter] = _checked(argument, parameter.type, "argument")
    for op in region.ops:
        outputs = _apply(op, [environment[v] for v in op.inputs])
        for value, output in zip(op.outputs, outputs, strict=True):
            environment[value] = _checked(output, value.type, op.name)
    return tuple(environment[r] for r in region.results)


def _checked(array: np.ndarray, expected: Type, what: str) -> np.ndarray:
    if array.dtype != DTYPES[expected.dtype] or array.shape != expected.shape:
        raise TypeError(f"{what}: {array.dtype}{list(array.shape)} where {expected} is expected")
    return array


def _apply(op: Op, inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
    if op.name in _STRUCTURED:
        return _STRUCTURED[op.name](op, inputs)
    meaning = OPS[op.name].meaning
    assert meaning is not None
    return (np.asarray(meaning(*inputs, **op.attributes)),)


def _scan(op: Op, inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
    (body,) = op.regions
    n, carries, sequences = op.attributes["length"], op.attributes["carries"], op.attributes["sequences"]
    carry, xs, rest = inputs[:carries], inputs[carries : carries + sequences], inputs[carries + sequences :]
    stacked = [np.zeros(o.shape, DTYPES[o.dtype]) for o in op.outputs[carries:]]
    for i in reversed(range(n)) if op.attributes["reverse"] else range(n):
        results = _run(body, [*carry, *(x[i, ...] for x in xs), *rest])
        carry = list(results[:carries])
        for out, y in zip(stacked, results[carries:], strict=True):
            out[i] = y
    return [*carry, *stacked]


def _while(op: Op, inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
    condition, body = op.regions
    carries = op.attributes["carries"]
    carry, rest = inputs[:carries], inputs[carries:]
    while _run(condition, [*carry, *rest])[0]:
        carry = list(_run(body, [*carry, *rest]))
    return carry


def _switch(op: Op, inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
    index, *operands = inputs
    return _run(op.regions[int(np.clip(index, 0, len(op.regions) - 1))], operands)


def _map(op: Op, inputs: list[np.ndarray]) -> Sequence[np.ndarray]:
    (body,) = op.regions
    n, mapped = op.attributes["size"], op.attributes["mapped"]
    xs, rest = inputs[:mapped], inputs[mapped:]
    stacked = [np.zeros(o.shape, DTYPES[o.dtype]) for o in op.outputs]
    for i in range(n):
        for out, y in zip(stacked, _run(body, [*(x[i, ...] for x in xs), *rest]), strict=True):
            out[i] = y
    return stacked


_STRUCTURED = {"scan": _scan, "while": _while, "switch": _switch, "map": _map}
