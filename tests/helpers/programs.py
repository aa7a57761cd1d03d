"""Random programs: regions of the compiler's IR, and arguments for them.

A program is made of choices, and a source makes them: hypothesis (which shrinks a failing program), or a NumPy generator
(which is faster, for large sweeps)::

    @given(st.data())
    def test(data):
        region = random_region(data.draw, ops=(1, 40), dtypes=("float32", "int32", "bool"))
        arguments = random_arguments(data.draw, region)

Programs are well typed, end, and are defined everywhere; they hold the numbers and shapes where rules go wrong: 0, -0,
1, inf, nan, axes of size 0 and 1, loops with no iteration or one. Sums of floats are taken of numbers that are not -0,
because the sign of a sum of zeros is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from genmlx.compiler.ir.graph import DTYPES, Builder, Region, Type, Value

__all__ = ["INTEGERS", "MAKERS", "NUMBERS", "random_arguments", "random_region", "same_to_the_bit"]

SHAPES = ((), (), (), (1,), (2,), (3,), (2, 3), (2, 3), (1, 3), (2, 1), (2, 2), (3, 3), (2, 1, 3), (0,), (0, 3))
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.25, 3.0, 0.1, -1.7, 1e-3, 40.0, np.inf, -np.inf, np.nan)
INTEGERS = (0, 1, 2, 3, 5, 7)

UNARY = ("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "arcsin", "arccos")
UNARY += ("arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "erf", "erfinv", "sigmoid")
NUMERIC = ("floor", "ceil", "round", "negative", "negative", "abs", "sign", "square", "stop_gradient")
BINARY = ("add", "subtract", "multiply", "divide", "floor_divide", "remainder", "minimum", "maximum")
COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "nan_equal")


class Choices:
    """Where choices come from: hypothesis's ``draw``, or a NumPy generator."""

    def __init__(self, source: Callable[..., Any] | np.random.Generator) -> None:
        self._source = source

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        if isinstance(self._source, np.random.Generator):
            return int(self._source.integers(low, high + 1))
        return self._source(st.integers(low, high))

    def one_of(self, items: Sequence[Any]) -> Any:
        """One of some items."""
        return items[self.integer(0, len(items) - 1)]

    def flag(self) -> bool:
        """True or False."""
        return self.integer(0, 1) == 1


class Program:
    """A region in the making: its builder, and the values that operations may take."""

    def __init__(self, choices: Choices, dtypes: Sequence[str], names: Collection[str], depth: int) -> None:
        self.choices = choices
        self.dtypes = dtypes
        self.names = names
        self.depth = depth
        self.b = Builder()
        self.values: list[Value] = []

    # ---- values

    def type(self, dtypes: Sequence[str] | None = None) -> Type:
        """A random type."""
        return Type(self.choices.one_of(dtypes or self.dtypes), self.choices.one_of(SHAPES))

    def kinds(self, *prefixes: str) -> list[str]:
        """The dtypes of the program whose names begin so."""
        return [d for d in self.dtypes if d.startswith(prefixes)]

    def parameter(self, type: Type) -> Value:
        """A new parameter."""
        value = self.b.parameter(type)
        self.values.append(value)
        return value

    def constant(self, type: Type) -> Value:
        """A constant: one number everywhere, or, sometimes, an array."""
        if type.size and self.choices.integer(0, 3) == 0:
            numbers = [self.number(type.dtype) for _ in range(type.size)]
            return self.b.constant(np.array(numbers, DTYPES[type.dtype]).reshape(type.shape))
        return self.b.full(type, self.number(type.dtype))

    def number(self, dtype: str) -> Any:
        """A number where rules go wrong."""
        if dtype == "bool":
            return self.choices.flag()
        number = self.choices.one_of(NUMBERS if dtype.startswith("float") else INTEGERS)
        return -number if dtype.startswith("int") and self.choices.flag() else number

    def some(self, *prefixes: str, rank: int = 0) -> Value | None:
        """A value that there is already, of one of these kinds, with at least so many axes."""
        found = [v for v in self.values if v.dtype.startswith(prefixes or "") and len(v.shape) >= rank]
        return self.choices.one_of(found) if found else None

    def operand(self, type: Type) -> Value:
        """A value of a type: there already, made from one by views and casts, or a constant."""
        exact = [v for v in self.values if v.type == type]
        if exact and self.choices.integer(0, 5):
            return self.choices.one_of(exact)
        near = [v for v in self.values if v.dtype == type.dtype and _broadcasts(v.shape, type.shape)]
        if near and self.choices.integer(0, 2):
            return self.b.broadcast(self.choices.one_of(near), type.shape)
        return self.constant(type)

    def axis(self, x: Value) -> int:
        """One of the axes of a value."""
        return self.choices.integer(0, len(x.shape) - 1)

    # ---- operations

    def grow(self, count: int) -> None:
        """Appends operations."""
        makers = [maker for name, maker in MAKERS.items() if name in self.names]
        for _ in range(count):
            made = self.choices.one_of(makers)(self)
            self.values.extend(made if isinstance(made, tuple) else [made] if made is not None else [])

    def body(self, parameters: Sequence[Type], results: Sequence[Type], count: int = 6) -> Region:
        """A region inside, which sees its parameters only."""
        inner = Program(self.choices, self.dtypes, self.names, self.depth - 1)
        for type in parameters:
            inner.parameter(type)
        inner.grow(self.choices.integer(0, count))
        return inner.b.finish(*(inner.operand(t) for t in results))


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return len(shape) <= len(target) and all(
        a in {1, b} for a, b in zip(shape, target[len(target) - len(shape) :], strict=True)
    )


# ---- elementwise -----------------------------------------------------------------------------------------------------


def _unary(p: Program) -> Value | None:
    x = p.some("float")
    return p.b(p.choices.one_of(UNARY), x) if x is not None else None


def _numeric(p: Program) -> Value | None:
    x = p.some("float", "int", "uint")
    return p.b(p.choices.one_of(NUMERIC), x) if x is not None else None


def _pair(p: Program, *prefixes: str) -> tuple[Value, Value] | None:
    x = p.some(*prefixes)
    if x is None:
        return None
    y = p.operand(x.type)
    return (x, y) if p.choices.flag() else (y, x)


def _binary(p: Program) -> Value | None:
    pair = _pair(p, "float", "int", "uint")
    return p.b(p.choices.one_of(BINARY), *pair) if pair else None


def _float_binary(p: Program) -> Value | None:
    pair = _pair(p, "float")
    return p.b(p.choices.one_of(("arctan2", "logaddexp")), *pair) if pair else None


def _power(p: Program) -> Value | None:
    pair = _pair(p, "float", "int", "uint")
    return p.b("power", *pair) if pair else None


def _comparison(p: Program) -> Value | None:
    pair = _pair(p)
    return p.b(p.choices.one_of(COMPARISONS), *pair) if pair else None


def _logic(p: Program) -> Value | None:
    pair = _pair(p, "bool")
    if pair is None:
        return None
    name = p.choices.one_of(("logical_and", "logical_or", "logical_not"))
    return p.b(name, *pair[: 1 if name == "logical_not" else 2])


def _bits(p: Program) -> Value | None:
    pair = _pair(p, "int", "uint")
    if pair is None:
        return None
    names = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "bitwise_invert")
    name = p.choices.one_of(names)
    return p.b(name, *pair[: 1 if name == "bitwise_invert" else 2])


def _select(p: Program) -> Value | None:
    pair = _pair(p)
    return p.b("select", p.operand(Type("bool", pair[0].shape)), *pair) if pair else None


def _cast(p: Program) -> Value | None:
    x = p.some()
    return p.b.cast(x, p.choices.one_of(p.dtypes)) if x is not None else None


# ---- views and sources -----------------------------------------------------------------------------------------------


def _broadcast(p: Program) -> Value | None:
    x = p.some()
    if x is None:
        return None
    return p.b("broadcast", x, shape=p.choices.one_of([s for s in (*SHAPES, x.shape) if _broadcasts(x.shape, s)]))


def _reshape(p: Program) -> Value | None:
    x = p.some()
    if x is None:
        return None
    shapes = [s for s in SHAPES if Type("bool", s).size == x.type.size]
    return p.b("reshape", x, shape=p.choices.one_of([*shapes, (x.type.size,), (1, *x.shape), (*x.shape, 1)]))


def _transpose(p: Program) -> Value | None:
    x = p.some(rank=1)
    if x is None:
        return None
    axes = list(range(len(x.shape)))
    order = tuple(axes.pop(p.choices.integer(0, len(axes) - 1)) for _ in x.shape)
    return p.b("transpose", x, axes=order)


def _spans(p: Program, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    starts, sizes, steps = [], [], []
    for n in shape:
        start, stop = sorted((p.choices.integer(0, n), p.choices.integer(0, n)))
        step = p.choices.one_of((1, 1, 2, -1))
        size = len(range(start, stop, abs(step)))
        starts.append(start if step > 0 or not size else start + (size - 1) * abs(step))
        sizes.append(size)
        steps.append(step)
    return {"starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)}


def _slice(p: Program) -> Value | None:
    x = p.some(rank=1)
    return p.b("slice", x, **_spans(p, x.shape)) if x is not None else None


def _constant(p: Program) -> Value:
    return p.constant(p.type())


def _iota(p: Program) -> Value | None:
    kinds = p.kinds("float", "int", "uint")
    return p.b("iota", size=p.choices.integer(0, 4), dtype=p.choices.one_of(kinds)) if kinds else None


def _random_bits(p: Program) -> Value | None:
    if "uint32" not in p.dtypes:
        return None
    return p.b("random_bits", p.operand(Type("uint32", (2,))), shape=p.choices.one_of(SHAPES), width=4)


# ---- parts of arrays -------------------------------------------------------------------------------------------------


def _slice_update(p: Program) -> Value | None:
    x = p.some("float", "int", "uint", rank=1)
    if x is None:
        return None
    at = _spans(p, x.shape)
    kind = p.choices.one_of(("none", "none", "sum", "prod", "min", "max"))
    return p.b("slice_update", x, p.operand(Type(x.dtype, at["sizes"])), **at, kind=kind)


def _index(p: Program, shape: tuple[int, ...] = ()) -> Value:
    kinds = p.kinds("int", "uint") or ["int32"]
    return p.operand(Type(p.choices.one_of(kinds), shape))


def _dynamic(p: Program) -> Value | None:
    x = p.some(rank=1)
    if x is None:
        return None
    axes = tuple(a for a in range(len(x.shape)) if p.choices.flag())
    sizes = tuple(p.choices.integer(0, n) if a in axes else n for a, n in enumerate(x.shape))
    starts = [_index(p) for _ in axes]
    if p.choices.flag():
        return p.b("dynamic_slice", x, *starts, axes=axes, sizes=sizes)
    return p.b("dynamic_slice_update", x, p.operand(Type(x.dtype, sizes)), *starts, axes=axes)


def _windows(p: Program) -> Value | None:
    x = p.some("float", "int", "uint", rank=1)
    if x is None:
        return None
    axes = tuple(a for a in range(len(x.shape)) if p.choices.flag())
    sizes = tuple(p.choices.integer(0, min(n, 1)) if a in axes else n for a, n in enumerate(x.shape))
    lead = p.choices.one_of(((), (2,), (1,), (3,))) if axes else ()
    dtype = p.choices.one_of(p.kinds("int", "uint") or ["int32"])
    indices = [p.operand(Type(dtype, lead)) for _ in axes]
    if p.choices.flag():
        return p.b("gather", x, *indices, axes=axes, sizes=sizes)
    kind = p.choices.one_of(("none", "sum", "prod", "min", "max"))
    return p.b("scatter", x, p.operand(Type(x.dtype, (*lead, *sizes))), *indices, axes=axes, kind=kind)


def _along(p: Program) -> Value | None:
    x = p.some("float", "int", "uint", rank=1)
    if x is None or 0 in x.shape:
        return None
    axis = p.axis(x)
    shape = (*x.shape[:axis], p.choices.integer(1, 3), *x.shape[axis + 1 :])
    index = _index(p, shape)
    if p.choices.flag():
        return p.b("gather_axis", x, index, axis=axis)
    kind = p.choices.one_of(("none", "sum", "prod", "min", "max"))
    return p.b("scatter_axis", x, index, p.operand(Type(x.dtype, shape)), axis=axis, kind=kind)


def _concatenate(p: Program) -> Value | None:
    x = p.some(rank=1)
    if x is None:
        return None
    pieces = [x, *(p.operand(x.type) for _ in range(p.choices.integer(0, 2)))]
    return p.b("concatenate", *pieces, axis=p.axis(x))


def _split(p: Program) -> tuple[Value, ...] | None:
    """Two parts of an array, and the two joined."""
    x = p.some(rank=1)
    if x is None:
        return None
    axis = p.axis(x)
    cut = p.choices.integer(0, x.shape[axis])
    parts = []
    for start, stop in ((0, cut), (cut, x.shape[axis])):
        starts = tuple(start if a == axis else 0 for a in range(len(x.shape)))
        sizes = tuple(stop - start if a == axis else n for a, n in enumerate(x.shape))
        parts.append(p.b("slice", x, starts=starts, sizes=sizes, steps=(1,) * len(sizes)))
    return (*parts, p.b("concatenate", *parts, axis=axis))


def _pad(p: Program) -> Value | None:
    x = p.some(rank=1)
    if x is None:
        return None
    low, high = (tuple(p.choices.integer(0, 1) for _ in x.shape) for _ in range(2))
    return p.b("pad", x, p.operand(Type(x.dtype)), low=low, high=high)


# ---- along axes ------------------------------------------------------------------------------------------------------


def _reduce(p: Program) -> Value | None:
    x = p.some()
    if x is None:
        return None
    axes = tuple(a for a in range(len(x.shape)) if p.choices.flag())
    kinds = ("all", "any") if x.dtype == "bool" else ("sum", "sum", "prod", "min", "max")
    kind = p.choices.one_of(kinds)
    if kind == "sum" and x.type.is_float:
        x = p.b("add", x, p.b.full(x.type, 0.0))  # 0 + -0 is 0
    return p.b("reduce", x, kind=kind, axes=axes)


def _ordered(p: Program) -> Value | None:
    x = p.some("float", "int", "uint", rank=1)
    if x is None or 0 in x.shape:
        return None
    axis, name = p.axis(x), p.choices.one_of(("sort", "argsort", "argreduce", "cumulative", "searchsorted"))
    if name == "argreduce":
        return p.b(name, x, kind=p.choices.one_of(("min", "max")), axis=axis)
    if name == "searchsorted":
        return p.b(name, p.b("sort", p.b.reshape(x, (x.type.size,)), axis=0), p.operand(x.type), right=p.choices.flag())
    if name == "cumulative":
        kind = p.choices.one_of(("sum", "prod", "min", "max"))
        return p.b(name, x, kind=kind, axis=axis, reverse=p.choices.flag(), inclusive=p.choices.flag())
    return p.b(name, x, axis=axis)


def _matmul(p: Program) -> Value | None:
    x = p.some("float", rank=2)
    if x is None:
        return None
    return p.b("matmul", x, p.operand(Type(x.dtype, (*x.shape[:-2], x.shape[-1], p.choices.integer(1, 3)))))


def _linear_algebra(p: Program) -> Value | None:
    square = [v for v in p.values if v.type.is_float and len(v.shape) == 2 and v.shape[0] == v.shape[1]]
    if not square:
        return None
    x, name = p.choices.one_of(square), p.choices.one_of(("cholesky", "inverse", "solve_triangular"))
    if name == "inverse":
        return p.b(name, x)
    if name == "cholesky":
        return p.b(name, x, upper=p.choices.flag())
    return p.b(name, x, p.operand(Type(x.dtype, (x.shape[0], 2))), upper=p.choices.flag())


# ---- structured ------------------------------------------------------------------------------------------------------


def _types(p: Program, most: int) -> list[Type]:
    """Types, mostly of values that there are."""
    known = [v.type for v in p.values]
    return [
        p.choices.one_of(known) if known and p.choices.flag() else p.type() for _ in range(p.choices.integer(0, most))
    ]


def _operands(p: Program, types: Sequence[Type]) -> list[Value]:
    return [p.operand(t) for t in types]


def _scan(p: Program) -> tuple[Value, ...] | None:
    if not p.depth:
        return None
    length = p.choices.integer(0, 3)
    carry, xs, rest, ys = (_types(p, most) for most in (3, 2, 3, 2))
    body = p.body((*carry, *xs, *rest), (*carry, *ys))
    operands = _operands(p, [*carry, *(Type(x.dtype, (length, *x.shape)) for x in xs), *rest])
    attributes = {"length": length, "carries": len(carry), "sequences": len(xs), "reverse": p.choices.flag()}
    return p.b.emit("scan", operands, attributes, [body])


def _while(p: Program) -> tuple[Value, ...] | None:
    """While a counter is below a bound."""
    if not p.depth:
        return None
    carry, rest = _types(p, 2), _types(p, 2)
    counter = Type("int32")
    types = (*carry, counter, *rest)
    inner = p.body(types, carry)
    b = Builder()
    parameters = [b.parameter(t) for t in types]
    results = b.inline(inner, parameters)
    body = b.finish(*results, b("add", parameters[len(carry)], b.constant(1, "int32")))
    b = Builder()
    parameters = [b.parameter(t) for t in types]
    condition = b.finish(b("less", parameters[len(carry)], b.constant(p.choices.integer(0, 3), "int32")))
    operands = [*_operands(p, carry), p.b.constant(0, "int32"), *_operands(p, rest)]
    return p.b.emit("while", operands, {"carries": len(carry) + 1}, [condition, body])


def _switch(p: Program) -> tuple[Value, ...] | None:
    if not p.depth:
        return None
    operands, results = _types(p, 3), _types(p, 2)
    branches = [p.body(operands, results, 4) for _ in range(p.choices.integer(1, 3))]
    return p.b.emit("switch", [p.operand(Type("int32")), *_operands(p, operands)], {}, branches)


def _map(p: Program) -> tuple[Value, ...] | None:
    if not p.depth:
        return None
    size = p.choices.integer(0, 3)
    xs, rest, ys = _types(p, 2), _types(p, 2), _types(p, 2)
    operands = _operands(p, [*(Type(x.dtype, (size, *x.shape)) for x in xs), *rest])
    return p.b.emit("map", operands, {"size": size, "mapped": len(xs)}, [p.body((*xs, *rest), ys)])


STRUCTURED = {"scan": _scan, "while": _while, "switch": _switch, "map": _map}

MAKERS: dict[str, Callable[[Program], Any]] = {
    "unary": _unary,
    "numeric": _numeric,
    "binary": _binary,
    "float_binary": _float_binary,
    "power": _power,
    "comparison": _comparison,
    "logic": _logic,
    "bits": _bits,
    "select": _select,
    "cast": _cast,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "constant": _constant,
    "iota": _iota,
    "random_bits": _random_bits,
    "slice_update": _slice_update,
    "dynamic": _dynamic,
    "windows": _windows,
    "along": _along,
    "concatenate": _concatenate,
    "split": _split,
    "pad": _pad,
    "reduce": _reduce,
    "ordered": _ordered,
    "matmul": _matmul,
    "linear_algebra": _linear_algebra,
    **STRUCTURED,
}
"""Kinds of operations that a program may contain."""


def random_region(
    source: Callable[..., Any] | np.random.Generator,
    *,
    ops: tuple[int, int] = (1, 40),
    dtypes: Sequence[str] = ("float32", "int32", "bool"),
    loops: bool = True,
    without: Collection[str] = (),
    depth: int = 2,
) -> Region:
    """A random program.

    Args:
        source: hypothesis's ``draw``, or a NumPy generator.
        ops: the least and greatest number of operations (views and constants for their operands come on top).
        dtypes: those of its values. Indices are int32 if no integer type is among them.
        loops: whether structured operations may occur.
        without: kinds of operations that may not: keys of `MAKERS`.
        depth: how deep loops are nested.
    """
    names = set(MAKERS) - set(without) - (set() if loops else set(STRUCTURED))
    p = Program(Choices(source), dtypes, names, depth)
    for _ in range(p.choices.integer(1, 4)):
        p.parameter(p.type())
    p.grow(p.choices.integer(*ops))
    results = {p.choices.one_of(p.values) for _ in range(p.choices.integer(1, 8))}
    return p.b.finish(*(v for v in p.values if v in results), p.values[-1])


def random_arguments(source: Callable[..., Any] | np.random.Generator, region: Region) -> list[np.ndarray]:
    """Arguments for a region, with inf, nan and zeros of both signs among them."""
    choices = Choices(source)
    rng = np.random.default_rng(choices.integer(0, 2**32 - 1))
    arguments = []
    for parameter in region.parameters:
        dtype, shape = DTYPES[parameter.dtype], parameter.shape
        if dtype.kind == "b":
            arguments.append(rng.integers(0, 2, shape).astype(bool))
        elif dtype.kind == "f":
            ordinary = rng.normal(scale=2.0, size=shape)
            special = rng.choice(np.array(NUMBERS), size=shape)
            arguments.append(np.where(rng.random(shape) < 0.25, special, ordinary).astype(dtype))
        else:
            low = -6 if dtype.kind == "i" else 0
            edge = rng.choice([np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1], size=shape)
            arguments.append(np.where(rng.random(shape) < 0.1, edge, rng.integers(low, 7, shape)).astype(dtype))
    return [np.asarray(a) for a in arguments]


def same_to_the_bit(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """Asserts that results are the same: types, shapes, elements, signs of zeros; all nans count as one."""
    assert len(found) == len(expected)
    for a, e in zip(found, expected, strict=True):
        assert a.dtype == e.dtype
        np.testing.assert_array_equal(a, e)
        if a.dtype.kind == "f":
            zeros = a == 0
            np.testing.assert_array_equal(np.signbit(a[zeros]), np.signbit(e[zeros]), "the signs of zeros differ")
