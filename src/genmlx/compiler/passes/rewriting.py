"""A builder that simplifies what it is given: rules are tried on every operation before it is appended.

Input form: operations, one after the other. Output form: the same values, by operations to which no rule applies. A
rule looks at operands only, and those are simple already; what a rule puts in the place of an operation goes through
the rules as well. So one walk over a region reaches a fixed point, up to rules that count uses.

Equal operations are one operation: they are pure, and the same name, operands, attributes and regions give the same
values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genmlx.compiler.ir.graph import Builder, Op, Region, Value
from genmlx.compiler.passes.structured import renamed

__all__ = ["COMMUTATIVE", "Rewriter", "Rule", "Rules", "rewritten", "structure"]

Attributes = Mapping[str, Any]

Rule = Callable[["Rewriter", Sequence[Value], Attributes], Value | None]
"""Gets the builder, operands and attributes; returns the value to put in place, or None where it does not apply."""

Rules = Mapping[str, Sequence[Rule]]
"""The rules for each name of an operation, in the order in which they are tried."""

COMMUTATIVE = frozenset(
    # Not minimum and maximum: which zero of minimum(0, -0) comes out depends on the order.
    ("add", "multiply", "equal", "not_equal", "nan_equal", "logical_and", "logical_or")
    + ("bitwise_and", "bitwise_or", "bitwise_xor")
)


@dataclass(slots=True)
class Rewriter(Builder):
    """A builder with rules.

    Attributes:
        rules: what is tried on each operation.
        definitions: the operation that made a value.
        scalars: values whose elements are all one known number.
        uses: how often a value is used; 1 for a value that a rule made.
        facts: what rules found out about values, under keys of their own.
    """

    rules: Rules = field(default_factory=dict)
    definitions: dict[Value, Op] = field(default_factory=dict)
    scalars: dict[Value, Any] = field(default_factory=dict)
    uses: dict[Value, int] = field(default_factory=dict)
    facts: dict[Any, Any] = field(default_factory=dict)
    _known: dict[Any, tuple[Value, ...]] = field(default_factory=dict)

    def emit(
        self,
        name: str,
        inputs: Sequence[Value],
        attributes: Attributes | None = None,
        regions: Sequence[Region] = (),
    ) -> tuple[Value, ...]:
        """Values equal to the outputs of an operation."""
        attributes = attributes or {}
        key = _key(name, inputs, attributes, regions)
        outputs = self._known.get(key) or self._simplified(name, inputs, attributes)
        if outputs is None:
            outputs = Builder.emit(self, name, inputs, attributes, regions)
            self._define(self.ops[-1])
        self._known[key] = outputs
        return outputs

    def take(self, op: Op) -> tuple[Value, ...]:
        """Values equal to the outputs of an operation that was made elsewhere: its own, where no rule applies."""
        key = _key(op.name, op.inputs, op.attributes, op.regions)
        outputs = self._known.get(key) or self._simplified(op.name, op.inputs, op.attributes)
        if outputs is None:
            outputs = op.outputs
            self.ops.append(op)
            self._define(op)
        self._known[key] = outputs
        return outputs

    def _simplified(self, name: str, inputs: Sequence[Value], attributes: Attributes) -> tuple[Value, ...] | None:
        for rule in self.rules.get(name, ()):
            value = rule(self, inputs, attributes)
            if value is not None:
                return (value,)
        return None

    def _define(self, op: Op) -> None:
        for output in op.outputs:
            self.definitions[output] = op
        if op.name == "constant" and op.attributes["value"].size == 1:
            self.scalars[op.outputs[0]] = op.attributes["value"].item()
        elif op.name in {"broadcast", "reshape"} and op.inputs[0] in self.scalars:
            self.scalars[op.outputs[0]] = self.scalars[op.inputs[0]]

    def made_by(self, name: str, value: Value) -> Op | None:
        """The operation that made a value, if it has this name."""
        op = self.definitions.get(value)
        return op if op is not None and op.name == name else None

    def used_once(self, value: Value) -> bool:
        """Whether nothing but one operation takes a value, so that it dies when that operation is replaced."""
        return self.uses.get(value, 1) <= 1


def rewritten(region: Region, rules: Rules) -> Region:
    """A region with rules applied to every operation, inner regions first; the same object where nothing changes.

    The body of a `gradient` stays as it is: derivatives are those of the program as it was written.
    """
    uses = Counter(value for op in region.ops for value in op.inputs)
    uses.update(region.results)
    b = Rewriter(parameters=list(region.parameters), rules=rules, uses=dict(uses))
    names: dict[Value, Value] = {}
    changed = False
    for old in region.ops:
        op = renamed(old, names, lambda inner: rewritten(inner, rules))
        b.source = op.source
        outputs = b.take(op)
        changed = changed or outputs is not old.outputs or op is not old
        for before, after in zip(old.outputs, outputs, strict=True):
            if before is not after:
                names[before] = after
                b.uses[after] = b.uses.get(after, 0) + uses[before]
    if not changed:
        return region
    return b.finish(*(names.get(r, r) for r in region.results))


# ---- equal operations ------------------------------------------------------------------------------------------------


def _key(name: str, inputs: Sequence[Value], attributes: Attributes, regions: Sequence[Region]) -> Any:
    if name in COMMUTATIVE and id(inputs[0]) > id(inputs[1]):
        inputs = (inputs[1], inputs[0])
    frozen = tuple((k, _frozen(v)) for k, v in attributes.items()) if attributes else ()
    if len(frozen) > 1:
        frozen = tuple(sorted(frozen))
    return (name, *inputs, frozen, *map(structure, regions))


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def structure(region: Region) -> Any:
    """What two regions have in common that compute the same in the same way: operations, with values by number."""
    numbers: dict[Value, int] = {}
    for value in region.parameters:
        numbers[value] = len(numbers)
    ops = []
    for op in region.ops:
        inputs = [numbers[v] for v in op.inputs]
        if op.name in COMMUTATIVE:
            inputs.sort()
        frozen = tuple(sorted((k, _frozen(v)) for k, v in op.attributes.items()))
        ops.append((op.name, *inputs, frozen, *map(structure, op.regions)))
        for value in op.outputs:
            numbers[value] = len(numbers)
    return (region.parameter_types, tuple(ops), tuple(numbers[r] for r in region.results))
