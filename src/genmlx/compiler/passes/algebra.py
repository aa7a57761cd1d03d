"""Algebra of elements: operations that another does in fewer steps.

Input and output form: any region. Preserved: every result to the bit, where all nans count as one, inf and the signs of
zeros included. So ``x * 0`` is not 0 (x may be inf), ``x + 0`` is x only where x is not -0 (``x - 0`` always is), and
``log(exp(x))`` stays.

Two exceptions. A product with two constants, one a power of two, is one with their product: ``x * 2 * -0.5``, which the
gradient of a square leaves, is ``-x``, also where ``x * 2`` overflows (or ``x * 0.5`` has no room for all its digits).
And a power is a rounded approximation in every library: products take its place where they are no worse. ``x ** 2`` and
``x ** -1`` are rounded correctly, ``x ** 3`` is at most 1 ulp from that. (``x ** 4`` by two squares can be 2 off, and
``x ** -2`` loses all digits where ``x * x`` overflows: both stay.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from genmlx.compiler.ir.graph import DTYPES, Value
from genmlx.compiler.passes.patterns import Bound, rule, table
from genmlx.compiler.passes.rewriting import Attributes, Rewriter, Rule

__all__ = ["RULES"]

_VIEWS = frozenset({"broadcast", "reshape", "transpose", "slice"})


def _non_negative(b: Rewriter, value: Value, depth: int = 6) -> bool:
    """Whether every element is known to be at least +0, or nan."""
    if value in b.scalars:
        return math.copysign(1.0, b.scalars[value]) > 0.0
    op = b.definitions.get(value)
    if op is None or depth == 0 or not value.type.is_float:
        return False
    if op.name in {"exp", "square", "abs", "sigmoid"}:
        return True
    if op.name in _VIEWS or op.name in {"sqrt", "rsqrt", "add", "multiply", "divide"}:
        return all(_non_negative(b, v, depth - 1) for v in op.inputs)
    if op.name == "select":
        return all(_non_negative(b, v, depth - 1) for v in op.inputs[1:])
    return op.name == "cast" and op.inputs[0].dtype.startswith(("uint", "bool"))


def _not_negative_zero(b: Rewriter, value: Value, depth: int = 6) -> bool:
    """Whether no element is -0. A sum of two is -0 only if both are; one over an axis starts at 0."""
    if value in b.scalars:
        return b.scalars[value] != 0 or _non_negative(b, value)
    op = b.definitions.get(value)
    if op is None or depth == 0 or not value.type.is_float:
        return False
    if op.name == "add":
        return any(_not_negative_zero(b, v, depth - 1) for v in op.inputs)
    if op.name in _VIEWS or op.name == "subtract":
        return _not_negative_zero(b, op.inputs[0], depth - 1)
    return (op.name == "reduce" and op.attributes["kind"] == "sum") or _non_negative(b, value, depth - 1)


def _x_non_negative(b: Rewriter, bound: Bound) -> bool:
    return _non_negative(b, bound["x"])


def _x_not_negative_zero(b: Rewriter, bound: Bound) -> bool:
    return _not_negative_zero(b, bound["x"])


def _exact_reciprocal(b: Rewriter, bound: Bound) -> bool:
    """Whether 1 / c is exact: c is a power of two, and its reciprocal neither overflows nor loses digits."""
    c, info = b.scalars[bound["c"]], np.finfo(DTYPES[bound["c"].dtype])
    return abs(math.frexp(c)[0]) == 0.5 and float(info.tiny) <= abs(c) <= 1.0 / float(info.tiny)


def _exact_product(b: Rewriter, bound: Bound) -> bool:
    """Whether c d is exact, and x (c d) is rounded as (x c) d is: one of c and d is a power of two."""
    c, d = (b.scalars[bound[letter]] for letter in "cd")
    info = np.finfo(DTYPES[bound["c"].dtype])
    scales = abs(math.frexp(c)[0]) == 0.5 or abs(math.frexp(d)[0]) == 0.5
    return scales and float(info.tiny) <= abs(c * d) <= float(info.max)


def _integral(b: Rewriter, bound: Bound) -> bool:
    """Whether x has integral elements only, or inf, or nan."""
    op = b.definitions.get(bound["x"])
    if op is None:
        return False
    from_integer = op.name == "cast" and not op.inputs[0].type.is_float
    return from_integer or op.name in {"floor", "ceil", "round"}


# ---- casts -----------------------------------------------------------------------------------------------------------


def _range(dtype: str) -> tuple[int, int]:
    """Integers from which to which a dtype holds exactly, all of them."""
    kind = DTYPES[dtype]
    if kind.kind == "f":
        digits = np.finfo(kind).nmant + 1
        return -(2**digits), 2**digits
    return (0, 1) if kind.kind == "b" else (int(np.iinfo(kind).min), int(np.iinfo(kind).max))


def _lossless(source: str, target: str) -> bool:
    """Whether every value of a dtype is one of another."""
    if source.startswith("float"):
        return target.startswith("float") and DTYPES[source].itemsize <= DTYPES[target].itemsize
    (low, high), (least, most) = _range(source), _range(target)
    return least <= low and high <= most


def _cast(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """A cast to the same dtype; a cast of a cast that lost nothing."""
    (x,), target = inputs, attributes["dtype"]
    if x.dtype == target:
        return x
    op = b.made_by("cast", x)
    if op is None:
        return None
    (source,) = op.inputs
    # From floats to integers a cast saturates, between integers it wraps: the same only if nothing is out of range.
    saturates = x.type.is_float and not target.startswith("float") and target != "bool"
    if not _lossless(source.dtype, x.dtype) or (saturates and not _lossless(source.dtype, target)):
        return None
    return b.cast(source, target)


# ---- signs -----------------------------------------------------------------------------------------------------------


def _negation_out(name: str) -> Rule:
    """A product or quotient of a negation is one negated: then a sum takes the sign in. Only if the first one dies."""

    def apply(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
        for i, value in enumerate(inputs):
            op = b.made_by("negative", value)
            if op is not None and value.type.is_float and b.used_once(value):
                return b("negative", b(name, *inputs[:i], op.inputs[0], *inputs[i + 1 :]))
        return None

    return apply


def _negation_in(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """The negation of a product or quotient with a constant negates the constant, if nothing else takes the product."""
    op = b.definitions.get(inputs[0])
    if op is None or op.name not in {"multiply", "divide"} or not op.inputs[0].type.is_float:
        return None
    if not b.used_once(inputs[0]):
        return None
    for i, value in enumerate(op.inputs):
        if value in b.scalars:
            return b(op.name, *op.inputs[:i], b("negative", value), *op.inputs[i + 1 :])
    return None


# ---- the table -------------------------------------------------------------------------------------------------------

RULES = table(
    [
        # Sums and differences.
        rule("add(x, 0) -> x", "integer"),
        rule("add(x, -0.0) -> x", "float"),
        rule("add(x, 0.0) -> x", "float", when=_x_not_negative_zero),
        rule("add(x, x) -> multiply(x, 2)"),
        rule("add(x, negative(y)) -> subtract(x, y)"),
        rule("subtract(x, 0) -> x"),
        rule("subtract(x, -0.0) -> x", "float", when=_x_not_negative_zero),
        rule("subtract(0, x) -> negative(x)", "integer"),
        rule("subtract(-0.0, x) -> negative(x)", "float"),
        rule("subtract(x, x) -> 0", "integer"),
        rule("subtract(x, negative(y)) -> add(x, y)"),
        rule("add(add(x, c), d) -> add(x, add(c, d))", "integer"),
        rule("add(subtract(x, c), d) -> add(x, subtract(d, c))", "integer"),
        rule("subtract(add(x, c), d) -> add(x, subtract(c, d))", "integer"),
        # Products.
        rule("multiply(x, 1) -> x"),
        rule("multiply(x, -1) -> negative(x)"),
        rule("multiply(x, 0) -> 0", "integer"),
        rule("multiply(negative(x), c) -> multiply(x, negative(c))"),
        rule("multiply(negative(x), negative(y)) -> multiply(x, y)"),
        rule("multiply(multiply(x, c), d) -> multiply(x, multiply(c, d))", "integer"),
        rule("multiply(multiply(x, c), d) -> multiply(x, multiply(c, d))", "float", when=_exact_product),
        rule("multiply(x, x) -> square(x)"),
        # Quotients.
        rule("divide(x, 1) -> x"),
        rule("divide(x, -1) -> negative(x)", "float"),
        rule("divide(negative(x), c) -> divide(x, negative(c))", "float"),
        rule("divide(negative(x), negative(y)) -> divide(x, y)", "float"),
        rule("divide(x, c) -> multiply(x, divide(1.0, c))", "float", when=_exact_reciprocal),
        rule("floor_divide(x, 1) -> x", "integer"),
        rule("remainder(x, 1) -> 0", "integer"),
        # Signs.
        rule("negative(negative(x)) -> x"),
        rule("abs(x) -> x", "float", when=_x_non_negative),
        rule("abs(negative(x)) -> abs(x)", "float"),  # of unsigned integers it is the negative
        rule("abs(abs(x)) -> abs(x)"),
        rule("square(negative(x)) -> square(x)"),
        rule("square(abs(x)) -> square(x)"),
        ("multiply", _negation_out("multiply")),
        ("divide", _negation_out("divide")),
        ("negative", _negation_in),
        # Powers: see above.
        rule("power(x, 0) -> 1"),
        rule("power(x, 1) -> x"),
        rule("power(x, 2) -> square(x)"),
        rule("power(x, 3) -> multiply(x, square(x))"),
        rule("power(x, -1) -> divide(1, x)", "float"),
        rule("power(x, 0.5) -> sqrt(x)", "float", when=_x_non_negative),
        # Rounding.
        rule("floor(x) -> x", "integer"),
        rule("ceil(x) -> x", "integer"),
        rule("round(x) -> x", "integer"),
        rule("floor(x) -> x", "float", when=_integral),
        rule("ceil(x) -> x", "float", when=_integral),
        rule("round(x) -> x", "float", when=_integral),
        # Order. An infinity is never chosen unless it is equal; nan is chosen by both.
        rule("minimum(x, x) -> x"),
        rule("maximum(x, x) -> x"),
        rule("minimum(x, inf) -> x", "float"),
        rule("minimum(inf, x) -> x", "float"),
        rule("maximum(x, -inf) -> x", "float"),
        rule("maximum(-inf, x) -> x", "float"),
        # Comparisons of a value with itself: nan is not equal to itself, nor less.
        rule("equal(x, x) -> True", "exact"),
        rule("not_equal(x, x) -> False", "exact"),
        rule("less_equal(x, x) -> True", "exact"),
        rule("greater_equal(x, x) -> True", "exact"),
        rule("nan_equal(x, x) -> True"),
        rule("less(x, x) -> False"),
        rule("greater(x, x) -> False"),
        # Logic.
        rule("logical_not(logical_not(x)) -> x"),
        rule("logical_not(equal(x, y)) -> not_equal(x, y)"),
        rule("logical_not(not_equal(x, y)) -> equal(x, y)"),
        rule("logical_and(x, True) -> x"),
        rule("logical_and(x, False) -> False"),
        rule("logical_and(x, x) -> x"),
        rule("logical_and(x, logical_not(x)) -> False"),
        rule("logical_or(x, False) -> x"),
        rule("logical_or(x, True) -> True"),
        rule("logical_or(x, x) -> x"),
        rule("logical_or(x, logical_not(x)) -> True"),
        # Bits.
        rule("bitwise_invert(bitwise_invert(x)) -> x"),
        rule("bitwise_and(x, x) -> x"),
        rule("bitwise_and(x, 0) -> 0", "integer"),
        rule("bitwise_or(x, x) -> x"),
        rule("bitwise_or(x, 0) -> x", "integer"),
        rule("bitwise_xor(x, 0) -> x", "integer"),
        rule("bitwise_xor(x, x) -> 0", "integer"),
        rule("left_shift(x, 0) -> x"),
        rule("right_shift(x, 0) -> x"),
        # Choices.
        rule("select(True, x, y) -> x"),
        rule("select(False, x, y) -> y"),
        rule("select(x, y, y) -> y"),
        rule("select(x, True, False) -> x"),
        rule("select(x, False, True) -> logical_not(x)"),
        rule("select(logical_not(x), y, z) -> select(x, z, y)"),
        rule("select(x, select(x, y, z), w) -> select(x, y, w)"),
        rule("select(x, y, select(x, z, w)) -> select(x, y, w)"),
        # Gradients are taken already.
        rule("stop_gradient(x) -> x"),
        # Casts.
        ("cast", _cast),
    ]
)
