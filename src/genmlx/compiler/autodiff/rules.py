"""The adjoint of each operation: a table from its name to a rule.

For y = f(x1, x2, ...) and the cotangent g = dL/dy of a scalar L, a rule gives dL/dx1, dL/dx2, ...: what g is worth at
the operands. The rules of elementwise operations are written for each operand by itself, as in

    multiply:  a -> g b,  b -> g a

and only those that are wanted run. Where a derivative does not exist, this is what is given:

* ``abs`` and ``sign`` at 0, steps (``floor``, ``round``, ...): 0;
* ``sqrt`` at 0: inf, the limit from the right; ``log`` at 0 likewise;
* ``minimum`` and ``maximum`` of equals: all to the second operand, as MLX does, so that max(x, 0) has slope 0 at 0; the
  least and greatest of an axis, and of what is scattered to one place: equal shares;
* ``logaddexp`` of two infinities of one sign: half to each;
* ``power`` by its exponent at base 0: 0; at exponent 0 by its base: 0, at base 0 too;
* a value of an index (``gather``, ``sort``, ...): the index is constant.

Formulas keep their accuracy where the plain ones overflow (``arcsinh``, ``arctan2``, ``logaddexp``) and are built of
operations that have rules, so that gradients can be differentiated again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genmlx.compiler.autodiff import indexing, linear_algebra
from genmlx.compiler.autodiff.indexing import Into
from genmlx.compiler.autodiff.terms import Term, arithmetic, where
from genmlx.compiler.ir.graph import Builder, Region, Type, Value

__all__ = ["LINEAR", "MASKING", "NOT_DIFFERENTIABLE", "RULES", "ZERO", "Into", "Rule"]

Attributes = Mapping[str, Any]
Rule = Callable[[Builder, Sequence[Value], Value, Attributes, Value, Sequence[bool]], Sequence[Value | Into | None]]
"""From builder, operands, result, attributes, cotangent of the result and which operands want theirs, to theirs."""

exp, log, sin, cos, sinh, cosh = map(arithmetic, ("exp", "log", "sin", "cos", "sinh", "cosh"))
sqrt, rsqrt, sigmoid, sign, rounded = map(arithmetic, ("sqrt", "rsqrt", "sigmoid", "sign", "round"))
magnitude, maximum, power = map(arithmetic, ("abs", "maximum", "power"))


# ---- elementwise -----------------------------------------------------------------------------------------------------

Partial = Callable[..., Term]


def _elementwise(*partials: Partial) -> Rule:
    """The rule made of a formula for each operand: of (g, operands, y)."""

    def rule(
        b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
    ) -> Sequence[Value | None]:
        terms = [Term(b, v) for v in (g, *xs, y)]
        return [partial(*terms).value if want else None for partial, want in zip(partials, wanted, strict=True)]

    return rule


def _arcsinh(g: Term, x: Term, y: Term) -> Term:
    """1 / sqrt(1 + x^2), of x / s and 1 / s with s = max(1, |x|): no square overflows."""
    small = 1.0 / maximum(magnitude(x), 1.0)
    ratio = x * small
    return g * small * rsqrt(small * small + ratio * ratio)


def _arctan2(g: Term, a: Term, b: Term) -> tuple[Term, Term]:
    """(b, -a) / (a^2 + b^2), of a / s and b / s with s = max(|a|, |b|)."""
    small = 1.0 / maximum(magnitude(a), magnitude(b))
    u, v = a * small, b * small
    scale = g * small / (u * u + v * v)
    return scale * v, -(scale * u)


def _power_base(g: Term, a: Term, b: Term, y: Term) -> Term:
    return g * where(b.equals(0.0), 0.0, b * power(a, b - 1.0))


def _power_exponent(g: Term, a: Term, b: Term, y: Term) -> Term:
    zero = a.equals(0.0)
    return g * where(zero, 0.0, y * log(where(zero, 1.0, a)))


def _log_odds(a: Term, b: Term) -> Term:
    """A - b, and 0 where both are the same infinity."""
    difference = a - b
    same = a.equals(b).apply("logical_and", difference.apply("not_equal", 0.0))
    return where(same, 0.0, difference)


ONE: dict[str, Partial] = {
    # Exponentials and logarithms.
    "exp": lambda g, x, y: g * y,
    "expm1": lambda g, x, y: g * exp(x),
    "log": lambda g, x, y: g / x,
    "log2": lambda g, x, y: g / (math.log(2.0) * x),
    "log10": lambda g, x, y: g / (math.log(10.0) * x),
    "log1p": lambda g, x, y: g / (1.0 + x),
    # Powers.
    "sqrt": lambda g, x, y: 0.5 * g / y,
    "rsqrt": lambda g, x, y: -0.5 * g * (y * y * y),
    "square": lambda g, x, y: 2.0 * g * x,
    # Circular and hyperbolic functions. (1 - x)(1 + x) is 1 - x^2 without its cancellation near 1.
    "sin": lambda g, x, y: g * cos(x),
    "cos": lambda g, x, y: -(g * sin(x)),
    "tan": lambda g, x, y: g * (1.0 + y * y),
    "arcsin": lambda g, x, y: g * rsqrt((1.0 - x) * (1.0 + x)),
    "arccos": lambda g, x, y: -(g * rsqrt((1.0 - x) * (1.0 + x))),
    "arctan": lambda g, x, y: g / (1.0 + x * x),
    "sinh": lambda g, x, y: g * cosh(x),
    "cosh": lambda g, x, y: g * sinh(x),
    "tanh": lambda g, x, y: g * ((1.0 - y) * (1.0 + y)),
    "arcsinh": _arcsinh,
    "arccosh": lambda g, x, y: g * (rsqrt(x - 1.0) * rsqrt(x + 1.0)),
    "arctanh": lambda g, x, y: g / ((1.0 - x) * (1.0 + x)),
    # Special functions.
    "erf": lambda g, x, y: 2.0 / math.sqrt(math.pi) * g * exp(-(x * x)),
    "erfinv": lambda g, x, y: math.sqrt(math.pi) / 2.0 * g * exp(y * y),
    "sigmoid": lambda g, x, y: g * (y * (1.0 - y)),
    # Of pieces.
    "negative": lambda g, x, y: -g,
    "abs": lambda g, x, y: g * sign(x),
}

TWO: dict[str, tuple[Partial, Partial]] = {
    "add": (lambda g, a, b, y: g, lambda g, a, b, y: g),
    "subtract": (lambda g, a, b, y: g, lambda g, a, b, y: -g),
    "multiply": (lambda g, a, b, y: g * b, lambda g, a, b, y: g * a),
    "divide": (lambda g, a, b, y: g / b, lambda g, a, b, y: -(g / b * y)),
    # a - n b, n an integer that y knows better than a / b does.
    "remainder": (lambda g, a, b, y: g, lambda g, a, b, y: -(g * rounded((a - y) / b))),
    "power": (_power_base, _power_exponent),
    "minimum": (
        lambda g, a, b, y: where(a.apply("less", b), g, 0.0),
        lambda g, a, b, y: where(a.apply("less", b), 0.0, g),
    ),
    "maximum": (
        lambda g, a, b, y: where(a.apply("greater", b), g, 0.0),
        lambda g, a, b, y: where(a.apply("greater", b), 0.0, g),
    ),
    "arctan2": (lambda g, a, b, y: _arctan2(g, a, b)[0], lambda g, a, b, y: _arctan2(g, a, b)[1]),
    "logaddexp": (
        lambda g, a, b, y: g * sigmoid(_log_odds(a, b)),
        lambda g, a, b, y: g * sigmoid(_log_odds(b, a)),
    ),
}


def _select(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    flag, zero = xs[0], b.full(y.type, 0.0)
    return [None, b("select", flag, g, zero) if wanted[1] else None, b("select", flag, zero, g) if wanted[2] else None]


def _cast(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    return [b.cast(g, xs[0].dtype)]


# ---- shapes ----------------------------------------------------------------------------------------------------------


def _broadcast(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    """What was repeated adds up."""
    (x,) = xs
    extra = len(y.shape) - len(x.shape)
    repeated = [a for a, n in enumerate(y.shape) if a < extra or (x.shape[a - extra] == 1 and n != 1)]
    return [b.reshape(b("reduce", g, kind="sum", axes=tuple(repeated)) if repeated else g, x.shape)]


def _reshape(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    return [b.reshape(g, xs[0].shape)]


def _transpose(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    axes = attributes["axes"]
    return [b("transpose", g, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__)))]


def _concatenate(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    axis, start, found = attributes["axis"], 0, []
    for x, want in zip(xs, wanted, strict=True):
        starts = tuple(start if a == axis else 0 for a in range(len(x.shape)))
        found.append(b("slice", g, starts=starts, sizes=x.shape, steps=(1,) * len(x.shape)) if want else None)
        start += x.shape[axis]
    return found


def _pad(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    """The inside to the array, the sum over the margin to the value; sums of all less the inside would cancel."""
    x = xs[0]
    inside: dict[str, Any] = {"starts": tuple(attributes["low"]), "sizes": x.shape, "steps": (1,) * len(x.shape)}
    dx = dvalue = None
    if wanted[0]:
        dx = b("slice", g, **inside)
    if wanted[1]:
        margin = b("slice_update", g, b.full(x.type, 0.0), **inside, kind="none")
        dvalue = b("reduce", margin, kind="sum", axes=tuple(range(len(g.shape))))
    return [dx, dvalue]


# ---- along axes ------------------------------------------------------------------------------------------------------


def _spread(b: Builder, v: Value, shape: tuple[int, ...], axes: Sequence[int]) -> Value:
    """A reduced value, repeated over the axes that the reduction dropped."""
    kept = tuple(1 if a in axes else n for a, n in enumerate(shape))
    return b.broadcast(b.reshape(v, kept), shape)


def _reduce(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    (x,), axes, kind = xs, attributes["axes"], attributes["kind"]
    if kind == "sum":
        return [_spread(b, g, x.shape, axes)]
    if kind == "prod":
        return [b("multiply", _spread(b, g, x.shape, axes), _product_of_others(b, x, axes))]
    chosen = b("equal", x, _spread(b, y, x.shape, axes))
    share = b("divide", g, b("reduce", b.cast(chosen, x.dtype), kind="sum", axes=axes))
    return [b("select", chosen, _spread(b, share, x.shape, axes), b.full(x.type, 0.0))]


def _product_of_others(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """For each element the product of all others of its reduction: right with any number of zeros."""
    order = (*(a for a in range(len(x.shape)) if a not in axes), *axes)
    last = len(order) - len(axes)
    turned = b("transpose", x, axes=order)
    flat = b.reshape(turned, (*turned.shape[:last], math.prod(turned.shape[last:])))
    before, after = (
        b("cumulative", flat, kind="prod", axis=last, reverse=reverse, inclusive=False) for reverse in (False, True)
    )
    others = b.reshape(b("multiply", before, after), turned.shape)
    return b("transpose", others, axes=tuple(sorted(range(len(order)), key=order.__getitem__)))


_STEPS = {"prod": "multiply", "min": "minimum", "max": "maximum", "logaddexp": "logaddexp"}


def _cumulative(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    """y[k] = f(y[k-1], x[k]) gives dx[k] = s[k] df/dx, with the cotangents s[k] of the inclusive y[k].

    They follow s[k] = g[k] + df/dy[k] s[k+1], backwards: no division, right with zeros and infinities. Where the result
    is exclusive, it is y[k-1] that got g[k].
    """
    (x,), kind, reverse = xs, attributes["kind"], attributes["reverse"]
    if kind == "sum":
        return [b("cumulative", g, **{**attributes, "reverse": not reverse})]
    before = b("cumulative", x, **{**attributes, "inclusive": False})
    after = b("cumulative", x, **{**attributes, "inclusive": True})
    by_before, by_x = TWO[_STEPS[kind]]
    slope = by_before(Term(b, b.full(x.type, 1.0)), *(Term(b, v) for v in (before, x, after))).value
    s = _recurrence(b, g, slope, attributes["axis"], not reverse, attributes["inclusive"])
    return [by_x(*(Term(b, v) for v in (s, before, x, after))).value]


def _recurrence(b: Builder, g: Value, slope: Value, axis: int, reverse: bool, inclusive: bool) -> Value:
    """s[k] = t + g[k], then t = slope[k] s[k], along an axis; if not inclusive g[k] comes one step later."""
    order = (axis, *(a for a in range(len(g.shape)) if a != axis))
    element = Type(g.dtype, tuple(g.shape[a] for a in order[1:]))
    step = Builder()
    t, here, factor = (step.parameter(element) for _ in range(3))
    if inclusive:
        s = step("add", t, here)
        body: Region = step.finish(step("multiply", factor, s), s)
    else:
        body = step.finish(step("add", here, step("multiply", factor, t)), t)
    _, out = b.emit(
        "scan",
        [b.full(element, 0.0), b("transpose", g, axes=order), b("transpose", slope, axes=order)],
        {"length": g.shape[axis], "carries": 1, "sequences": 2, "reverse": reverse},
        [body],
    )
    return b("transpose", out, axes=tuple(sorted(range(len(order)), key=order.__getitem__)))


# ---- the table -------------------------------------------------------------------------------------------------------

RULES: dict[str, Rule] = {
    **{name: _elementwise(partial) for name, partial in ONE.items()},
    **{name: _elementwise(*partials) for name, partials in TWO.items()},
    "select": _select,
    "cast": _cast,
    # Shapes.
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "pad": _pad,
    # Parts of arrays.
    **indexing.READS,
    **indexing.WRITES,
    # Along axes.
    "reduce": _reduce,
    "cumulative": _cumulative,
    "sort": indexing.sort,
    # Linear algebra.
    "matmul": linear_algebra.matmul,
    "cholesky": linear_algebra.cholesky,
    "inverse": linear_algebra.inverse,
    "solve_triangular": linear_algebra.solve_triangular,
    "convolve": linear_algebra.convolve,
}
"""The operations with a derivative."""

ZERO = frozenset(("floor", "ceil", "round", "sign", "floor_divide", "stop_gradient"))
"""Operations of floats whose derivative is 0 wherever it exists, or by definition."""

_FLAGS = "its results are flags, not real numbers"
_INTEGERS = "its results are integers"
_SOURCE = "it has no real operand"
NOT_DIFFERENTIABLE: dict[str, str] = {
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "nan_equal"), _FLAGS),
    **dict.fromkeys(("logical_not", "logical_and", "logical_or"), _FLAGS),
    **dict.fromkeys(("bitwise_invert", "bitwise_and", "bitwise_or", "bitwise_xor"), _INTEGERS),
    **dict.fromkeys(("left_shift", "right_shift", "argreduce", "argsort", "searchsorted"), _INTEGERS),
    **dict.fromkeys(("constant", "iota", "random_bits"), _SOURCE),
}
"""Operations without one, and why."""

LINEAR = frozenset(("add", "subtract", "negative", "cast", "select", "minimum", "maximum"))
"""Elementwise operations whose derivatives are finite whatever the operands are."""

MASKING = frozenset(
    (
        *("select", "minimum", "maximum", "switch"),
        *("slice", "dynamic_slice", "gather", "gather_axis"),
        *("slice_update", "dynamic_slice_update", "scatter", "scatter_axis"),
    )
)
"""Operations that may not use an operand (an element of it): its cotangent is then exactly 0, whatever follows."""
