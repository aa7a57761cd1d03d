"""Which values of a region a derivative passes through.

A value is *varied* if it depends on what is differentiated by, *useful* if what is differentiated depends on it, by
operations that have a derivative; only values that are both get a cotangent. For the carries of a loop both are least
fixed points over its iterations.

A value is *masked* if its cotangent may be 0 in places only because nothing used them: the branch of a `select` that
was not taken, an element that no slice read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from genmlx.compiler.autodiff.rules import MASKING, RULES
from genmlx.compiler.ir.graph import Op, Region, Value
from genmlx.compiler.ir.ops import STRUCTURED

__all__ = ["Activity", "analyse", "loop_activity"]

Flags = list[bool]


class Activity(NamedTuple):
    """What is known of a region before it is differentiated.

    Attributes:
        active: values that get a cotangent.
        masked: values whose cotangent may be 0 because nothing used them.
    """

    active: frozenset[Value]
    masked: frozenset[Value]

    def of(self, values: Sequence[Value]) -> Flags:
        """Which of some values are active."""
        return [v in self.active for v in values]


def analyse(region: Region, varied: Sequence[bool], useful: Sequence[bool], masked: bool = False) -> Activity:
    """The activity of a region's values.

    Args:
        region: what is differentiated.
        varied: for each parameter, whether it is differentiated by.
        useful: for each result, whether it has a cotangent.
        masked: whether the cotangents of the results are masked.
    """
    forward = _varied(region, varied)
    backward = _useful(region, useful)
    active = forward & backward
    hidden = set(region.results) & active if masked else set()
    for op in reversed(region.ops):
        if active.intersection(op.outputs) and (hidden.intersection(op.outputs) or _masks(op)):
            hidden.update(active.intersection(op.inputs))
    return Activity(frozenset(active), frozenset(hidden))


def _masks(op: Op) -> bool:
    return _chooses(op) or any(_chooses(inner) for region in op.regions for inner in region.walk())


def _chooses(op: Op) -> bool:
    return op.name in MASKING or (op.name == "reduce" and op.attributes["kind"] in {"min", "max"})


def _varied(region: Region, parameters: Sequence[bool]) -> set[Value]:
    found = {p for p, flag in zip(region.parameters, parameters, strict=True) if flag and p.type.is_float}
    for op in region.ops:
        if found.intersection(op.inputs):
            flags = _varied_outputs(op, [v in found for v in op.inputs])
            found.update(v for v, flag in zip(op.outputs, flags, strict=True) if flag and v.type.is_float)
    return found


def _useful(region: Region, results: Sequence[bool]) -> set[Value]:
    found = {r for r, flag in zip(region.results, results, strict=True) if flag and r.type.is_float}
    for op in reversed(region.ops):
        if found.intersection(op.outputs):
            flags = _useful_inputs(op, [v in found for v in op.outputs])
            found.update(v for v, flag in zip(op.inputs, flags, strict=True) if flag and v.type.is_float)
    return found


def _varied_results(region: Region, parameters: Sequence[bool]) -> Flags:
    found = _varied(region, parameters)
    return [r in found for r in region.results]


def _useful_parameters(region: Region, results: Sequence[bool]) -> Flags:
    found = _useful(region, results)
    return [p in found for p in region.parameters]


def _varied_outputs(op: Op, inputs: Flags) -> Flags:
    if op.name not in STRUCTURED:
        return [op.name in RULES]
    if op.name == "switch":
        return _any([_varied_results(branch, inputs[1:]) for branch in op.regions])
    body, carries = op.regions[-1], op.attributes.get("carries", 0)
    grown = _grown_varied(body, inputs, carries)
    return grown[:carries] + _varied_results(body, grown)[carries:]


def _useful_inputs(op: Op, outputs: Flags) -> Flags:
    if op.name not in STRUCTURED:
        return [op.name in RULES] * len(op.inputs)
    if op.name == "switch":
        return [False, *_any([_useful_parameters(branch, outputs) for branch in op.regions])]
    body, carries = op.regions[-1], op.attributes.get("carries", 0)
    grown = _grown_useful(body, outputs, carries)
    return grown[:carries] + _useful_parameters(body, grown)[carries:]


def loop_activity(op: Op, varied: Sequence[bool], useful: Sequence[bool]) -> tuple[Flags, Flags]:
    """Of a scan or map: which parameters of its body are varied, and which results useful, in some iteration.

    Args:
        op: the loop.
        varied: for each operand, whether it is varied.
        useful: for each output, whether it is useful.
    """
    body, carries = op.regions[-1], op.attributes.get("carries", 0)
    return _grown_varied(body, list(varied), carries), _grown_useful(body, list(useful), carries)


def _grown_varied(body: Region, parameters: Flags, carries: int) -> Flags:
    return _fixed_point(carries, parameters, lambda flags: _varied_results(body, flags))


def _grown_useful(body: Region, results: Flags, carries: int) -> Flags:
    return _fixed_point(carries, results, lambda flags: _useful_parameters(body, flags))


def _fixed_point(carries: int, start: Flags, step: Callable[[Flags], Flags]) -> Flags:
    """The flags to which an iteration adds no carry."""
    while True:
        added = step(start)[:carries]
        after = [a or b for a, b in zip(start[:carries], added, strict=True)] + start[carries:]
        if after == start:
            return start
        start = after


def _any(flags: Sequence[Flags]) -> Flags:
    return [any(column) for column in zip(*flags, strict=True)]
