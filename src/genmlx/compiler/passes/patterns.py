"""Rules written as text: ``"multiply(x, 1) -> x"``.

Left of the arrow stands what to look for, right what to put in its place:

* ``x``, ``y``, ``z``: any value; the same letter twice, the same value;
* ``c``, ``d``: a value whose elements are all one known number;
* ``1``, ``-0.0``, ``inf``, ``True``: that number (zeros have signs);
* ``add(x, y)``: an operation without attributes. The operands of a commutative one are tried in both orders.

Right of the arrow a number has the type of the operand beside it, or, alone, that of the operation replaced.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from genmlx.compiler.ir.graph import Type, Value
from genmlx.compiler.ir.ops import output_types
from genmlx.compiler.passes.rewriting import COMMUTATIVE, Attributes, Rewriter, Rule, Rules

__all__ = ["merged", "rule", "table"]

Bound = dict[str, Value]
Matcher = Callable[[Rewriter, Value, Bound], bool]
Maker = Callable[[Rewriter, Bound, Type], Value]
Guard = Callable[[Rewriter, Bound], bool]

_CONSTANTS = frozenset({"c", "d"})
_NUMBERS = {"inf": math.inf}
_KINDS = {"any": ("",), "float": ("float",), "integer": ("int", "uint"), "exact": ("int", "uint", "bool")}


def table(rows: Sequence[tuple[str, Rule]]) -> Rules:
    """The rules by the name of the operation that they replace."""
    found: dict[str, list[Rule]] = {}
    for name, row in rows:
        found.setdefault(name, []).append(row)
    return found


def merged(*tables: Rules) -> Rules:
    """Tables as one; rules of earlier tables are tried first."""
    return table([(name, row) for rules in tables for name, rows in rules.items() for row in rows])


def rule(text: str, dtypes: str = "any", when: Guard | None = None) -> tuple[str, Rule]:
    """A row of a table of rules.

    Args:
        text: the rule.
        dtypes: the operands it holds for: ``"any"``, ``"float"``, ``"integer"``, or ``"exact"``, integers and bools.
        when: what else must be true of the values that the letters stand for.
    """
    left, right = (ast.parse(side.strip(), mode="eval").body for side in text.split("->"))
    assert isinstance(left, ast.Call)
    name = _name(left)
    orders = [[_matcher(a) for a in order.args] for order in _orders(left)]
    make = _maker(right)
    kinds = _KINDS[dtypes]

    def apply(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
        if not inputs[0].dtype.startswith(kinds):
            return None
        for matchers in orders:
            bound: Bound = {}
            if all(m(b, v, bound) for m, v in zip(matchers, inputs, strict=True)) and (not when or when(b, bound)):
                (type,) = output_types(name, [v.type for v in inputs], attributes)  # noqa: A001
                return make(b, bound, type)
        return None

    return name, apply


def _name(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Name)
    return call.func.id


def _orders(node: ast.expr) -> Iterator[Any]:
    """A pattern with the operands of its commutative operations in both orders."""
    if not isinstance(node, ast.Call):
        yield node
        return
    seen = set()
    for args in itertools.product(*map(_orders, node.args)):
        for order in itertools.permutations(args) if _name(node) in COMMUTATIVE else [args]:
            call = ast.Call(node.func, list(order), [])
            if ast.dump(call) not in seen:
                seen.add(ast.dump(call))
                yield call


def _number(node: ast.expr) -> Any:
    """The number that a node spells, or None."""
    if isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        return -_number(node.operand)
    if isinstance(node, ast.Constant):
        return node.value
    return _NUMBERS.get(node.id) if isinstance(node, ast.Name) else None


def _matcher(node: ast.expr) -> Matcher:
    number = _number(node)
    if number is not None:
        return lambda b, value, bound: _is(b.scalars.get(value), number)
    if isinstance(node, ast.Call):
        name, inner = _name(node), [_matcher(a) for a in node.args]

        def call(b: Rewriter, value: Value, bound: Bound) -> bool:
            op = b.definitions.get(value)
            return (
                op is not None
                and op.name == name
                and all(m(b, v, bound) for m, v in zip(inner, op.inputs, strict=True))
            )

        return call
    assert isinstance(node, ast.Name)
    letter, constant = node.id, node.id in _CONSTANTS

    def variable(b: Rewriter, value: Value, bound: Bound) -> bool:
        return (not constant or value in b.scalars) and bound.setdefault(letter, value) is value

    return variable


def _is(found: Any, number: Any) -> bool:
    """Whether a number is the one in a pattern: -0.0 is not 0, and True is not 1."""
    if found is None or found != number or isinstance(found, bool) != isinstance(number, bool):
        return False
    return found != 0 or math.copysign(1, found) == math.copysign(1, number)


def _maker(node: ast.expr) -> Maker:
    number = _number(node)
    if number is not None:
        return lambda b, bound, like: b.full(like, number)
    if isinstance(node, ast.Name):
        letter = node.id
        return lambda b, bound, like: bound[letter]
    assert isinstance(node, ast.Call)
    name, inner = _name(node), [_maker(a) for a in node.args]
    model = next(i for i, a in enumerate(node.args) if _number(a) is None)

    def call(b: Rewriter, bound: Bound, like: Type) -> Value:
        beside = inner[model](b, bound, like)
        return b(name, *(beside if i == model else make(b, bound, beside.type) for i, make in enumerate(inner)))

    return call
