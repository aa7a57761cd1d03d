"""The structure of loops and branches: what does not loop, what does not branch, and what flows through for nothing.

Input form: any region. Output form: no loop with no iteration or one, no branch that is known; carries change, are
different from each other, and operands and outputs are given once; constants, and values that are broadcast, are made
where they are used. Preserved: every result to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from genmlx.compiler.ir.graph import DTYPES, Op, Region, Type, Value
from genmlx.compiler.passes.constants import LIMIT
from genmlx.compiler.passes.rewriting import Rewriter, structure
from genmlx.compiler.passes.structured import Carry, Operand, Output, Replacement, Structured, copied, transformed

__all__ = ["tidy_loops"]

Definitions = Mapping[Value, Op]


def tidy_loops(region: Region) -> Region:
    """The region with its structured operations tidied; the same object where nothing changes."""
    return transformed(region, _visit)


def _visit(op: Op, definitions: Definitions) -> Replacement | None:
    s = Structured.read(op)
    for whole in (_chosen, _never, _once):
        replacement = whole(s, definitions)
        if replacement is not None:
            return replacement
    edit = _Edit(s, definitions)
    for rule in _ITEM_RULES:
        rule(edit)
    if not edit.changed:
        return None
    return Replacement([*edit.before, s.write(), *edit.after], edit.names)


class _Edit:
    """Changes to one operation, on their way."""

    def __init__(self, s: Structured, definitions: Definitions) -> None:
        self.s = s
        self.definitions = definitions
        self.before: list[Op] = []
        self.after: list[Op] = []
        self.names: dict[Value, Value] = {}
        self.changed = False

    def define(self, parameters: Sequence[Value], make: Callable[[int, Value], list[Op]]) -> None:
        """Lets operations at the beginning of each region make what was a parameter."""
        for i, parameter in enumerate(parameters):
            self.s.bodies[i][:0] = make(i, parameter)
        self.changed = True


def _op(name: str, inputs: Sequence[Value], output: Value, **attributes: object) -> Op:
    return Op(name, tuple(inputs), attributes, (), (output,))


def _renaming(value: Value, alias: Value) -> Op:
    """An operation that gives a value a second name; simplification removes it."""
    return _op("reshape", [value], alias, shape=value.shape)


def _filled(type: Type, number: object) -> tuple[list[Op], Value]:  # noqa: A002
    one, out = Value(Type(type.dtype)), Value(type)
    constant = _op("constant", [], one, value=np.asarray(number, DTYPES[type.dtype]))
    return [constant, _op("broadcast", [one], out, shape=type.shape)], out


# ---- operations that go altogether -----------------------------------------------------------------------------------


def _inlined(s: Structured, region: int, names: dict[Value, Value]) -> tuple[list[Op], list[Value]]:
    ops = copied(s.bodies[region], names)
    return ops, [names[r] for r in s.results(region)]


def _chosen(s: Structured, definitions: Definitions) -> Replacement | None:
    """A switch whose branch is known, or whose branches are the same."""
    if s.op.name != "switch":
        return None
    index = definitions.get(s.op.inputs[0])
    if index is not None and index.name == "constant":
        branch = int(np.clip(index.attributes["value"], 0, len(s.bodies) - 1))
    elif len({structure(r) for r in s.op.regions}) == 1:
        branch = 0
    else:
        return None
    ops, results = _inlined(s, branch, {x.parameters[branch]: x.operand for x in s.rest})
    return Replacement(ops, dict(zip(s.op.outputs, results, strict=True)))


def _never(s: Structured, definitions: Definitions) -> Replacement | None:
    """A loop that does not run: carries stay, and what is stacked is empty."""
    if s.op.name == "while":
        stops = [op for op in s.bodies[0] if op.outputs[0] is s.op.regions[0].results[0] and op.name == "constant"]
        if not stops or stops[0].attributes["value"]:
            return None
    elif s.trips != 0:
        return None
    ops: list[Op] = []
    names = {c.output: c.operand for c in s.carries}
    for item in s.outputs:
        made, names[item.output] = _filled(item.output.type, 0)
        ops += made
    return Replacement(ops, names)


def _once(s: Structured, definitions: Definitions) -> Replacement | None:
    """A loop that runs once is its body."""
    if s.trips != 1:
        return None
    ops: list[Op] = []
    inside = {x.parameters[0]: x.operand for x in (*s.carries, *s.rest)}
    for x in s.sequences:
        (parameter,) = x.parameters
        inside[parameter] = Value(parameter.type)
        ops.append(_op("reshape", [x.operand], inside[parameter], shape=parameter.shape))
    body, results = _inlined(s, 0, inside)
    ops += body
    names = {c.output: r for c, r in zip(s.carries, results, strict=False)}
    for item, result in zip(s.outputs, results[len(s.carries) :], strict=True):
        names[item.output] = Value(item.output.type)
        ops.append(_op("reshape", [result], names[item.output], shape=item.output.shape))
    return Replacement(ops, names)


# ---- carries ---------------------------------------------------------------------------------------------------------


def _constant_carries(edit: _Edit) -> None:
    """A carry that is handed on as it is."""
    s = edit.s
    for carry in [c for c in s.carries if c.result is c.parameters[-1]]:
        s.carries.remove(carry)
        s.rest.append(Operand(carry.operand, carry.parameters))
        edit.names[carry.output] = carry.operand
        edit.changed = True


def _equal_carries(edit: _Edit) -> None:
    """Carries that start equal, and are equal after an iteration if they were before it."""
    s = edit.s
    groups = _classes(s.carries, lambda c: c.operand)
    while True:
        if all(len(group) == 1 for group in groups):
            return
        equal = _results_if_equal(s, groups)
        finer = [part for group in groups for part in _classes(group, lambda c, equal=equal: equal[c.result])]
        if len(finer) == len(groups):
            break
        groups = finer
    for first, *others in groups:
        for other in others:
            s.carries.remove(other)
            edit.names[other.output] = first.output
            edit.define(other.parameters, lambda i, p, kept=first: [_renaming(kept.parameters[i], p)])


def _classes(items: Sequence[Carry], key: Callable[[Carry], Value]) -> list[list[Carry]]:
    found: dict[Value, list[Carry]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def _results_if_equal(s: Structured, groups: Sequence[Sequence[Carry]]) -> Mapping[Value, Value]:
    """For each value of the body the first one equal to it, if the carries of each group are equal."""
    b = Rewriter()
    names = {c.parameters[-1]: group[0].parameters[-1] for group in groups for c in group}
    for op in s.bodies[-1]:
        inputs = tuple(names.get(v, v) for v in op.inputs)
        outputs = b.take(Op(op.name, inputs, op.attributes, op.regions, op.outputs, op.source))
        names.update(zip(op.outputs, outputs, strict=True))
    return {c.result: names.get(c.result, c.result) for c in s.carries}


# ---- operands --------------------------------------------------------------------------------------------------------


def _repeated_sequences(edit: _Edit) -> None:
    """A sequence of one value, again and again."""
    s = edit.s
    for item in list(s.sequences):
        op = edit.definitions.get(item.operand)
        if op is None or op.name != "broadcast":
            continue
        (source,), shape = op.inputs, item.operand.shape
        if len(source.shape) == len(shape) and source.shape[0] != 1:
            continue
        if len(source.shape) == len(shape):
            element = Value(Type(source.dtype, source.shape[1:]))
            edit.before.append(_op("reshape", [source], element, shape=element.shape))
            source = element
        s.sequences.remove(item)
        _broadcast_inside(edit, source, item.parameters)


def _broadcast_operands(edit: _Edit) -> None:
    """An operand that is broadcast: inside, where it costs nothing."""
    for item in list(edit.s.rest):
        op = edit.definitions.get(item.operand)
        if op is not None and op.name == "broadcast":
            edit.s.rest.remove(item)
            _broadcast_inside(edit, op.inputs[0], item.parameters)


def _broadcast_inside(edit: _Edit, source: Value, parameters: tuple[Value, ...]) -> None:
    smaller = tuple(Value(source.type) for _ in parameters)
    edit.s.rest.append(Operand(source, smaller))
    edit.define(parameters, lambda i, p: [_op("broadcast", [smaller[i]], p, shape=p.shape)])


def _constant_operands(edit: _Edit) -> None:
    """An operand that is a constant."""
    for item in list(edit.s.rest):
        op = edit.definitions.get(item.operand)
        if op is not None and op.name == "constant" and item.operand.type.size <= LIMIT:
            edit.s.rest.remove(item)
            value = op.attributes["value"]
            edit.define(item.parameters, lambda i, p, value=value: [_op("constant", [], p, value=value)])


def _equal_operands(edit: _Edit) -> None:
    """An operand that is given twice."""
    for items in (edit.s.sequences, edit.s.rest):
        first: dict[Value, Operand] = {}
        for item in list(items):
            kept = first.setdefault(item.operand, item)
            if kept is not item:
                items.remove(item)
                edit.define(item.parameters, lambda i, p, kept=kept: [_renaming(kept.parameters[i], p)])


# ---- outputs ---------------------------------------------------------------------------------------------------------


def _drop(edit: _Edit, item: Output, value: Value) -> None:
    edit.s.outputs.remove(item)
    edit.names[item.output] = value
    edit.changed = True


def _operands_as_outputs(edit: _Edit) -> None:
    """An output that is an operand: the sequence itself; an operand of a switch; anything else, stacked."""
    s = edit.s
    whole = {x.parameters[-len(s.outputs[0].results) :]: x.operand for x in s.sequences} if s.outputs else {}
    same = {x.parameters: x.operand for x in s.rest}
    for item in list(s.outputs):
        if s.op.name != "switch" and item.results in whole:
            _drop(edit, item, whole[item.results])
        elif item.results in same and s.op.name == "switch":
            _drop(edit, item, same[item.results])
        elif item.results in same:
            value = Value(item.output.type)
            edit.before.append(_op("broadcast", [same[item.results]], value, shape=value.shape))
            _drop(edit, item, value)


def _constant_outputs(edit: _Edit) -> None:
    """An output that is the same number everywhere, in every branch."""
    s = edit.s
    made = [{v: op for op in body for v in op.outputs} for body in s.bodies]
    made = made if s.op.name == "switch" else made[-1:]
    for item in list(s.outputs):
        numbers = {_number(r, definitions) for r, definitions in zip(item.results, made, strict=True)}
        (number, *others) = numbers
        if number is not None and not others:
            ops, value = _filled(item.output.type, np.frombuffer(number, DTYPES[item.output.dtype])[0])
            edit.before += ops
            _drop(edit, item, value)


def _number(value: Value, definitions: Definitions) -> bytes | None:
    """The bits of the number that all elements of a value are, or None."""
    op = definitions.get(value)
    while op is not None and op.name in {"broadcast", "reshape"}:
        op = definitions.get(op.inputs[0])
    known = op is not None and op.name == "constant" and op.attributes["value"].size == 1
    return op.attributes["value"].tobytes() if op is not None and known else None


def _equal_outputs(edit: _Edit) -> None:
    """An output that is given twice."""
    first: dict[tuple[Value, ...], Output] = {}
    for item in list(edit.s.outputs):
        kept = first.setdefault(item.results, item)
        if kept is not item:
            _drop(edit, item, kept.output)


_ITEM_RULES: Sequence[Callable[[_Edit], None]] = (
    # Carries.
    _constant_carries,
    _equal_carries,
    # Operands: broadcasts go inside before the constants that they are of.
    _repeated_sequences,
    _broadcast_operands,
    _constant_operands,
    _equal_operands,
    # Outputs.
    _operands_as_outputs,
    _constant_outputs,
    _equal_outputs,
)
