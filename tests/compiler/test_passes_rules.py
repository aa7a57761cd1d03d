"""Rules on single operations: for each what it does, what it leaves alone, and that nothing else changes.

A row is a program and what becomes of it, both as text. Letters are parameters: x, y, z are float32[n], i, j, k are
int32[n], u is uint8[n], p, q are bool[n], s, t are float32 scalars, h is an int32 scalar, m is float32[2, 3], r is
float32[3], e is float32[1, 3], w is float32[10]. A number has the type of the value beside it.
"""

import numpy as np
import pytest

from genmlx.compiler.ir.graph import Builder, Type
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.ops import ELEMENTWISE, OPS
from genmlx.compiler.ir.verify import verify
from genmlx.compiler.passes import algebra, constants, indexing, joining, optimise, reductions, views
from genmlx.compiler.passes.patterns import merged
from genmlx.compiler.passes.rewriting import rewritten
from genmlx.compiler.passes.simplify import simplify
from helpers.programs import INTEGERS, NUMBERS, same_to_the_bit

_FLOATS = np.array([*NUMBERS, 3e38, -1e-45], np.float32)
_INTEGERS = np.array([*INTEGERS, -1, -3, 2**31 - 1, -(2**31)], np.int32)
_N = len(_FLOATS) ** 2


def _pairs(values, step):
    """Values so that two such arrays hold all pairs, and a third something else."""
    n = len(values)
    first = np.resize(np.repeat(values, n), _N) if step == 0 else np.resize(np.roll(values, step), _N)
    return first.astype(values.dtype)


_rng = np.random.default_rng(7)
ARGUMENTS = {
    "x": _pairs(_FLOATS, 0),
    "y": _pairs(_FLOATS, 1),
    "z": _pairs(_FLOATS, 5),
    "i": _pairs(_INTEGERS, 0),
    "j": _pairs(_INTEGERS, 1),
    "k": _pairs(_INTEGERS, 3),
    "u": np.resize(np.arange(256, dtype=np.uint8), _N),
    "p": np.resize([True, False, False], _N),
    "q": np.resize([True, False], _N),
    "s": np.float32(1.7),
    "t": np.float32(-0.3),
    "h": np.int32(2),
    "m": _rng.normal(size=(2, 3)).astype(np.float32),
    "r": _rng.normal(size=3).astype(np.float32),
    "e": _rng.normal(size=(1, 3)).astype(np.float32),
    "w": _rng.normal(size=10).astype(np.float32),
}


class _Namespace(dict):
    """What the words of a program mean: operations append themselves to a builder, letters are its parameters."""

    def __init__(self):
        self.b = Builder()
        self.letters = {}
        super().__init__(array=self.array, inf=np.inf, nan=np.nan)

    def __missing__(self, word):
        if word in ARGUMENTS:
            array = ARGUMENTS[word]
            self[word] = self.letters[word] = self.b.parameter(Type(array.dtype.name, array.shape))
            return self[word]
        if word not in OPS:
            raise KeyError(word)

        def operation(*operands, **attributes):
            like = next((v.type for v in reversed(operands) if not isinstance(v, bool | int | float)), None)
            values = [self.b.full(like, v) if isinstance(v, bool | int | float) else v for v in operands]
            return self.b(word, *values, **attributes)

        return operation

    def array(self, value, dtype="float32"):
        return self.b.constant(value, dtype)


def program(text):
    """The region that a text spells, and the letters of its parameters."""
    names = _Namespace()
    result = eval(text, {}, names)  # the texts of this file
    return names.b.finish(result), list(names.letters)


def spelled(region, letters):
    """The region as text: constants as numbers, broadcasts of them too, attributes but for shapes."""
    words = dict(zip(region.parameters, letters, strict=True))
    numbers = {op.outputs[0] for op in region.ops if op.name == "constant" and op.outputs[0].shape == ()}
    for op in region.ops:
        if op.name == "constant":
            value = op.attributes["value"]
            word = repr(value.item()) if value.size == 1 else f"array({value.tolist()})"
        elif op.name == "broadcast" and op.inputs[0] in numbers:
            word = words[op.inputs[0]]
        else:
            hidden = {"sizes", "steps"} if op.name == "slice" else {"shape"}
            attributes = [f"{k}={v}" for k, v in op.attributes.items() if k not in hidden]
            word = f"{op.name}({', '.join([*(words[v] for v in op.inputs), *attributes])})"
        words[op.outputs[0]] = word
    return words[region.results[0]]


def check(before, after, exact=True):
    region, letters = program(before)
    result = verify(optimise(region, verify=True))
    assert spelled(result, letters) == after
    if exact:
        arguments = [ARGUMENTS[letter] for letter in letters]
        same_to_the_bit(interpret(result, arguments), interpret(region, arguments))


# ---- algebra ---------------------------------------------------------------------------------------------------------

ALGEBRA = [
    # Sums and differences.
    ("add(i, 0)", "i"),
    ("add(0, i)", "i"),
    ("add(x, -0.0)", "x"),
    ("add(x, 0.0)", "add(x, 0.0)"),
    ("add(exp(x), 0.0)", "exp(x)"),
    (
        "add(sqrt(multiply(abs(x), select(p, 2.0, square(y)))), 0.0)",
        "sqrt(multiply(abs(x), select(p, 2.0, square(y))))",
    ),
    ("add(subtract(add(x, exp(y)), z), 0.0)", "subtract(add(x, exp(y)), z)"),
    ("add(subtract(x, exp(y)), 0.0)", "add(subtract(x, exp(y)), 0.0)"),
    ("add(add(x, y), 0.0)", "add(add(x, y), 0.0)"),
    ("add(multiply(x, 3.0), 0.0)", "add(multiply(x, 3.0), 0.0)"),
    ("add(reduce(m, kind='sum', axes=(1,)), 0.0)", "reduce(m, kind=sum, axes=(1,))"),
    ("add(x, x)", "multiply(x, 2.0)"),
    ("add(multiply(r, -0.5), multiply(r, -0.5))", "negative(r)"),
    ("add(x, negative(y))", "subtract(x, y)"),
    ("add(negative(x), y)", "subtract(y, x)"),
    ("subtract(x, 0.0)", "x"),
    ("subtract(i, 0)", "i"),
    ("subtract(x, -0.0)", "subtract(x, -0.0)"),
    ("subtract(square(x), -0.0)", "square(x)"),
    ("subtract(0, i)", "negative(i)"),
    ("subtract(0.0, x)", "subtract(0.0, x)"),
    ("subtract(-0.0, x)", "negative(x)"),
    ("subtract(i, i)", "0"),
    ("subtract(x, x)", "subtract(x, x)"),
    ("subtract(x, negative(y))", "add(x, y)"),
    ("add(add(i, 3), 4)", "add(i, 7)"),
    ("add(add(x, 3.0), 4.0)", "add(add(x, 3.0), 4.0)"),
    ("add(subtract(i, 3), 4)", "add(i, 1)"),
    ("subtract(add(i, 3), 4)", "add(i, -1)"),
    # Products.
    ("multiply(x, 1.0)", "x"),
    ("multiply(1, i)", "i"),
    ("multiply(x, -1.0)", "negative(x)"),
    ("multiply(i, 0)", "0"),
    ("multiply(x, 0.0)", "multiply(x, 0.0)"),
    ("multiply(negative(x), 3.0)", "multiply(x, -3.0)"),
    ("multiply(negative(x), negative(y))", "multiply(x, y)"),
    ("multiply(multiply(i, 3), 5)", "multiply(i, 15)"),
    ("multiply(multiply(x, 3.0), 5.0)", "multiply(multiply(x, 3.0), 5.0)"),
    ("multiply(multiply(r, 2.0), -0.5)", "negative(r)"),
    ("multiply(multiply(r, 3.0), 0.5)", "multiply(r, 1.5)"),
    ("multiply(multiply(r, 2.0), 3e38)", "multiply(multiply(r, 2.0), 3.0000000054977558e+38)"),
    ("multiply(x, x)", "square(x)"),
    # Quotients.
    ("divide(x, 1.0)", "x"),
    ("divide(x, -1.0)", "negative(x)"),
    ("divide(i, -1)", "divide(i, -1)"),
    ("divide(negative(x), 3.0)", "divide(x, -3.0)"),
    ("divide(negative(x), negative(y))", "divide(x, y)"),
    ("divide(x, 4.0)", "multiply(x, 0.25)"),
    ("divide(x, 3.0)", "divide(x, 3.0)"),
    ("divide(x, 1e-40)", f"divide(x, {float(np.float32(1e-40))!r})"),
    ("divide(i, 4)", "divide(i, 4)"),
    ("floor_divide(i, 1)", "i"),
    ("floor_divide(x, 1.0)", "floor_divide(x, 1.0)"),
    ("remainder(i, 1)", "0"),
    ("remainder(x, 1.0)", "remainder(x, 1.0)"),
    # Signs.
    ("negative(negative(x))", "x"),
    ("abs(exp(x))", "exp(x)"),
    ("abs(log(x))", "abs(log(x))"),
    ("abs(negative(x))", "abs(x)"),
    ("abs(abs(i))", "abs(i)"),
    ("square(negative(x))", "square(x)"),
    ("square(abs(x))", "square(x)"),
    ("add(multiply(negative(x), y), z)", "subtract(z, multiply(x, y))"),
    ("add(divide(negative(x), y), z)", "subtract(z, divide(x, y))"),
    ("multiply(multiply(negative(i), j), negative(i))", "multiply(multiply(negative(i), j), negative(i))"),
    ("negative(multiply(x, 3.0))", "multiply(x, -3.0)"),
    ("negative(divide(3.0, x))", "divide(-3.0, x)"),
    ("negative(multiply(i, 3))", "negative(multiply(i, 3))"),
    ("negative(subtract(x, y))", "negative(subtract(x, y))"),
    # Powers.
    ("power(x, 0.0)", "1.0"),
    ("power(x, 1.0)", "x"),
    ("power(i, 2)", "square(i)"),
    ("power(i, 3)", "multiply(i, square(i))"),
    ("power(i, 4)", "power(i, 4)"),
    ("power(i, -1)", "power(i, -1)"),
    ("power(x, 0.5)", "power(x, 0.5)"),
    ("power(abs(x), 0.5)", "sqrt(abs(x))"),
    ("power(2.0, x)", "power(2.0, x)"),
    # Rounding.
    ("floor(i)", "i"),
    ("ceil(i)", "i"),
    ("round(i)", "i"),
    ("floor(ceil(x))", "ceil(x)"),
    ("ceil(cast(i, dtype='float32'))", "cast(i, dtype=float32)"),
    ("round(floor(x))", "floor(x)"),
    ("floor(multiply(x, y))", "floor(multiply(x, y))"),
    # Order.
    ("minimum(x, x)", "x"),
    ("maximum(x, x)", "x"),
    ("minimum(x, inf)", "x"),
    ("minimum(inf, x)", "x"),
    ("minimum(x, -inf)", "minimum(x, -inf)"),
    ("maximum(x, -inf)", "x"),
    ("maximum(-inf, x)", "x"),
    ("maximum(x, 0.0)", "maximum(x, 0.0)"),
    # Comparisons.
    ("equal(i, i)", "True"),
    ("equal(x, x)", "equal(x, x)"),
    ("not_equal(p, p)", "False"),
    ("not_equal(x, x)", "not_equal(x, x)"),
    ("less_equal(i, i)", "True"),
    ("less_equal(x, x)", "less_equal(x, x)"),
    ("greater_equal(i, i)", "True"),
    ("nan_equal(x, x)", "True"),
    ("less(x, x)", "False"),
    ("greater(x, x)", "False"),
    # Logic.
    ("logical_not(logical_not(p))", "p"),
    ("logical_not(equal(x, y))", "not_equal(x, y)"),
    ("logical_not(not_equal(x, y))", "equal(x, y)"),
    ("logical_not(less(x, y))", "logical_not(less(x, y))"),
    ("logical_and(p, True)", "p"),
    ("logical_and(False, p)", "False"),
    ("logical_and(p, p)", "p"),
    ("logical_and(logical_not(p), p)", "False"),
    ("logical_and(p, q)", "logical_and(p, q)"),
    ("logical_or(p, False)", "p"),
    ("logical_or(p, True)", "True"),
    ("logical_or(p, p)", "p"),
    ("logical_or(p, logical_not(p))", "True"),
    # Bits.
    ("bitwise_invert(bitwise_invert(i))", "i"),
    ("bitwise_and(i, i)", "i"),
    ("bitwise_and(i, 0)", "0"),
    ("bitwise_and(i, 1)", "bitwise_and(i, 1)"),
    ("bitwise_or(i, i)", "i"),
    ("bitwise_or(i, 0)", "i"),
    ("bitwise_xor(i, 0)", "i"),
    ("bitwise_xor(i, i)", "0"),
    ("left_shift(i, 0)", "i"),
    ("right_shift(i, 0)", "i"),
    ("right_shift(0, i)", "right_shift(0, i)"),
    # Choices.
    ("select(logical_or(p, True), x, y)", "x"),
    ("select(logical_and(p, False), x, y)", "y"),
    ("select(p, y, y)", "y"),
    ("select(p, logical_or(q, True), logical_and(q, False))", "p"),
    ("select(p, logical_and(q, False), logical_or(q, True))", "logical_not(p)"),
    ("select(p, add(bitwise_xor(i, i), 1), bitwise_and(i, 0))", "select(p, 1, 0)"),
    ("select(logical_not(p), x, y)", "select(p, y, x)"),
    ("select(p, select(p, x, y), z)", "select(p, x, z)"),
    ("select(p, x, select(p, y, z))", "select(p, x, z)"),
    ("select(p, x, select(q, y, z))", "select(p, x, select(q, y, z))"),
    ("stop_gradient(x)", "x"),
    # Casts.
    ("cast(x, dtype='float32')", "x"),
    ("cast(cast(x, dtype='float64'), dtype='float32')", "x"),
    ("cast(cast(i, dtype='float64'), dtype='float32')", "cast(i, dtype=float32)"),
    ("cast(cast(i, dtype='float32'), dtype='int32')", "cast(cast(i, dtype=float32), dtype=int32)"),
    ("cast(cast(u, dtype='int32'), dtype='float32')", "cast(u, dtype=float32)"),
    ("cast(cast(u, dtype='float32'), dtype='int16')", "cast(u, dtype=int16)"),
    ("cast(cast(u, dtype='float32'), dtype='int8')", "cast(cast(u, dtype=float32), dtype=int8)"),
    ("cast(cast(p, dtype='float32'), dtype='bool')", "p"),
    ("cast(cast(x, dtype='int32'), dtype='float32')", "cast(cast(x, dtype=int32), dtype=float32)"),
]

# ---- constants, views, indices, joins, reductions --------------------------------------------------------------------

_AT = "sizes=(3,), steps=(1,), kind='sum'"

ARRAYS = [
    # Constants. A scalar that is broadcast stays one; what is large stays an operation.
    ("exp(array(0.0))", "1.0"),
    ("add(add(s, array(0.0)), negative(multiply(array(2.0), array(3.0))))", "add(add(s, 0.0), -6.0)"),
    ("reduce(array([1.0, 2.0, 4.0]), kind='sum', axes=(0,))", "7.0"),
    ("multiply(array([1.0, 2.0, 4.0]), 2.0)", "array([2.0, 4.0, 8.0])"),
    ("concatenate(array([1.0] * 40), array([2.0] * 40), axis=0)", "concatenate(1.0, 2.0, axis=0)"),
    ("multiply(r, array([2.0, 2.0, 2.0]))", "multiply(r, 2.0)"),
    ("multiply(r, array([0.0, -0.0, 0.0]))", "multiply(r, array([0.0, -0.0, 0.0]))"),
    # Elementwise operations happen before broadcasts.
    ("multiply(m, broadcast(exp(broadcast(s, shape=(3,))), shape=(2, 3)))", "multiply(m, broadcast(exp(s)))"),
    ("exp(broadcast(r, shape=(2, 3)))", "broadcast(exp(r))"),
    ("add(broadcast(r, shape=(2, 3)), broadcast(s, shape=(2, 3)))", "broadcast(add(r, broadcast(s)))"),
    ("add(broadcast(r, shape=(2, 3)), m)", "add(broadcast(r), m)"),
    (
        "add(broadcast(r, shape=(3, 3)), broadcast(reshape(r, shape=(3, 1)), shape=(3, 3)))",
        "add(broadcast(r), broadcast(reshape(r)))",
    ),
    # ... and without axes of size 1.
    ("exp(reshape(s, shape=(1, 1)))", "reshape(exp(s))"),
    ("add(reshape(r, shape=(1, 3)), e)", "reshape(add(r, reshape(e)))"),
    ("exp(e)", "exp(e)"),
    ("exp(broadcast(e, shape=(0, 3)))", "exp(broadcast(e))"),
    # Broadcasts.
    ("broadcast(r, shape=(3,))", "r"),
    ("broadcast(r, shape=(1, 3))", "reshape(r)"),
    ("broadcast(broadcast(s, shape=(3,)), shape=(2, 3))", "broadcast(s)"),
    ("broadcast(reshape(s, shape=(1, 1)), shape=(2, 3))", "broadcast(s)"),
    ("broadcast(reshape(r, shape=(1, 3)), shape=(2, 3))", "broadcast(r)"),
    ("broadcast(e, shape=(2, 3))", "broadcast(e)"),
    # Reshapes.
    ("reshape(m, shape=(2, 3))", "m"),
    ("reshape(reshape(m, shape=(6,)), shape=(3, 2))", "reshape(m)"),
    ("reshape(broadcast(s, shape=(2, 3)), shape=(6,))", "broadcast(s)"),
    ("reshape(broadcast(r, shape=(2, 3)), shape=(2, 1, 3))", "broadcast(r)"),
    ("reshape(broadcast(reshape(r, shape=(3, 1)), shape=(3, 2)), shape=(3, 1, 2))", "broadcast(reshape(r))"),
    ("reshape(broadcast(r, shape=(2, 3)), shape=(6,))", "reshape(broadcast(r))"),
    # Transposes.
    ("transpose(m, axes=(0, 1))", "m"),
    ("transpose(e, axes=(1, 0))", "reshape(e)"),
    ("transpose(transpose(m, axes=(1, 0)), axes=(1, 0))", "m"),
    ("transpose(broadcast(r, shape=(2, 3)), axes=(1, 0))", "broadcast(reshape(r))"),
    ("transpose(m, axes=(1, 0))", "transpose(m, axes=(1, 0))"),
    # Slices.
    ("slice(w, starts=(0,), sizes=(10,), steps=(1,))", "w"),
    ("slice(w, starts=(9,), sizes=(10,), steps=(-1,))", "slice(w, starts=(9,))"),
    (
        "slice(slice(w, starts=(1,), sizes=(4,), steps=(2,)), starts=(3,), sizes=(2,), steps=(-1,))",
        "slice(w, starts=(7,))",
    ),
    ("slice(broadcast(r, shape=(2, 3)), starts=(1, 1), sizes=(1, 2), steps=(1, 1))", "reshape(slice(r, starts=(1,)))"),
    ("slice(broadcast(s, shape=(3,)), starts=(0,), sizes=(2,), steps=(1,))", "broadcast(s)"),
    ("slice(reshape(w, shape=(1, 10)), starts=(0, 3), sizes=(1, 2), steps=(1, 1))", "reshape(slice(w, starts=(3,)))"),
    ("slice(reshape(w, shape=(2, 5)), starts=(0, 3), sizes=(1, 2), steps=(1, 1))", "slice(reshape(w), starts=(0, 3))"),
    ("slice(concatenate(w, r, axis=0), starts=(10,), sizes=(2,), steps=(1,))", "slice(r, starts=(0,))"),
    (
        "slice(concatenate(w, r, axis=0), starts=(9,), sizes=(2,), steps=(1,))",
        "slice(concatenate(w, r, axis=0), starts=(9,))",
    ),
    (
        "slice(slice_update(w, r, starts=(2,), sizes=(3,), steps=(1,), kind='none'), starts=(2,), sizes=(3,), steps=(1,))",
        "r",
    ),
    (
        "slice(slice_update(w, r, starts=(2,), sizes=(3,), steps=(1,), kind='max'), starts=(5,), sizes=(3,), steps=(1,))",
        "slice(w, starts=(5,))",
    ),
    (
        "slice(slice_update(w, r, starts=(2,), sizes=(3,), steps=(1,), kind='none'), starts=(4,), sizes=(2,), steps=(1,))",
        "slice(slice_update(w, r, starts=(2,), sizes=(3,), steps=(1,), kind=none), starts=(4,))",
    ),
    (
        "slice(slice_update(w, r, starts=(2,), sizes=(3,), steps=(1,), kind='sum'), starts=(2,), sizes=(3,), steps=(1,))",
        "slice(slice_update(w, r, starts=(2,), sizes=(3,), steps=(1,), kind=sum), starts=(2,))",
    ),
    ("slice(iota(size=7, dtype='int32'), starts=(3,), sizes=(1,), steps=(1,))", "3"),
    # Known indices.
    ("gather(w, array(-2, 'int32'), axes=(0,), sizes=(1,))", "slice(w, starts=(8,))"),
    ("gather(w, array(99, 'int32'), axes=(0,), sizes=(1,))", "slice(w, starts=(9,))"),
    ("gather(w, h, axes=(0,), sizes=(1,))", "gather(w, h, axes=(0,), sizes=(1,))"),
    ("gather(w, array([2, 4, 6], 'int32'), axes=(0,), sizes=(1,))", "reshape(slice(w, starts=(2,)))"),
    (
        "gather(m, array([2, 1, 0], 'int32'), axes=(1,), sizes=(2, 1))",
        "reshape(transpose(slice(m, starts=(0, 2)), axes=(1, 0)))",
    ),
    (
        "gather(w, array([2, 4, 5], 'int32'), axes=(0,), sizes=(1,))",
        "gather(w, array([2, 4, 5]), axes=(0,), sizes=(1,))",
    ),
    ("gather(w, axes=(), sizes=(10,))", "w"),
    ("dynamic_slice(w, array(8, 'int32'), axes=(0,), sizes=(3,))", "slice(w, starts=(7,))"),
    ("dynamic_slice(m, h, array(1, 'int32'), axes=(0, 1), sizes=(2, 2))", "slice(m, starts=(0, 1))"),
    (
        "dynamic_slice(m, h, array(1, 'int32'), axes=(0, 1), sizes=(1, 2))",
        "dynamic_slice(slice(m, starts=(0, 1)), h, axes=(0,), sizes=(1, 2))",
    ),
    (
        "dynamic_slice_update(w, r, array(-3, 'int32'), axes=(0,))",
        "slice_update(w, r, starts=(7,), sizes=(3,), steps=(1,), kind=none)",
    ),
    ("dynamic_slice_update(w, r, h, axes=(0,))", "dynamic_slice_update(w, r, h, axes=(0,))"),
    (
        "scatter(w, reshape(s, shape=(1,)), array(-3, 'int32'), axes=(0,), kind='max')",
        "slice_update(w, reshape(s), starts=(7,), sizes=(1,), steps=(1,), kind=max)",
    ),
    ("scatter(w, reshape(s, shape=(1,)), array(10, 'int32'), axes=(0,), kind='max')", "w"),
    ("scatter(w, reshape(s, shape=(1,)), h, axes=(0,), kind='max')", "scatter(w, reshape(s), h, axes=(0,), kind=max)"),
    (
        "slice_update(m, e, starts=(1, 0), sizes=(1, 3), steps=(1, 1), kind='min')",
        "slice_update(m, e, starts=(1, 0), sizes=(1, 3), steps=(1, 1), kind=min)",
    ),
    ("slice_update(r, exp(r), starts=(0,), sizes=(3,), steps=(1,), kind='none')", "exp(r)"),
    ("slice_update(r, exp(r), starts=(0,), sizes=(3,), steps=(1,), kind='sum')", "add(r, exp(r))"),
    ("slice_update(w, array([]), starts=(4,), sizes=(0,), steps=(1,), kind='sum')", "w"),
    # Joins.
    ("concatenate(r, axis=0)", "r"),
    ("concatenate(concatenate(r, w, axis=0), array([]), r, axis=0)", "concatenate(r, w, r, axis=0)"),
    ("concatenate(array([]), array([]), axis=0)", "array([])"),
    (
        "concatenate(slice(w, starts=(2,), sizes=(3,), steps=(1,)), slice(w, starts=(5,), sizes=(5,), steps=(1,)), axis=0)",
        "slice(w, starts=(2,))",
    ),
    (
        "concatenate(slice(w, starts=(2,), sizes=(3,), steps=(1,)), slice(w, starts=(6,), sizes=(4,), steps=(1,)), axis=0)",
        "concatenate(slice(w, starts=(2,)), slice(w, starts=(6,)), axis=0)",
    ),
    ("pad(r, array(0.0), low=(0,), high=(0,))", "r"),
    ("pad(r, array(0.0), low=(1,), high=(0,))", "pad(r, 0.0, low=(1,), high=(0,))"),
    # Reductions.
    ("reduce(m, kind='sum', axes=())", "m"),
    ("reduce(e, kind='prod', axes=(0,))", "reshape(e)"),
    ("reduce(reshape(w, shape=(1, 10)), kind='sum', axes=(0, 1))", "reduce(w, kind=sum, axes=(0,))"),
    ("reduce(reshape(w, shape=(2, 5)), kind='sum', axes=(0, 1))", "reduce(reshape(w), kind=sum, axes=(0, 1))"),
    ("reduce(broadcast(s, shape=(8,)), kind='sum', axes=(0,))", "multiply(s, 8.0)"),
    ("reduce(broadcast(s, shape=(8,)), kind='max', axes=(0,))", "s"),
    ("reduce(broadcast(s, shape=(8,)), kind='prod', axes=(0,))", "reduce(broadcast(s), kind=prod, axes=(0,))"),
    ("reduce(broadcast(r, shape=(2, 3)), kind='sum', axes=(0,))", "multiply(r, 2.0)"),
    ("reduce(broadcast(r, shape=(2, 3)), kind='sum', axes=(0, 1))", "multiply(reduce(r, kind=sum, axes=(0,)), 2.0)"),
    ("reduce(broadcast(r, shape=(2, 3)), kind='sum', axes=(1,))", "broadcast(reduce(r, kind=sum, axes=(0,)))"),
    ("reduce(reduce(m, kind='min', axes=(0,)), kind='min', axes=(0,))", "reduce(m, kind=min, axes=(0, 1))"),
    (
        "reduce(reduce(m, kind='sum', axes=(0,)), kind='sum', axes=(0,))",
        "reduce(reduce(m, kind=sum, axes=(0,)), kind=sum, axes=(0,))",
    ),
    ("sort(e, axis=0)", "e"),
    ("sort(e, axis=1)", "sort(e, axis=1)"),
    ("cumulative(e, kind='sum', axis=0, reverse=False, inclusive=True)", "e"),
    (
        "cumulative(e, kind='sum', axis=0, reverse=False, inclusive=False)",
        "cumulative(e, kind=sum, axis=0, reverse=False, inclusive=False)",
    ),
]


def _into(base, part, start, size, kind="sum"):
    return f"slice_update({base}, {part}, starts=({start},), sizes=({size},), steps=(1,), kind='{kind}')"


_ZEROS = "broadcast(array(0.0), shape=(10,))"
_ONE, _SIX = "reshape(s, shape=(1,))", "broadcast(exp(t), shape=(6,))"

GRADIENTS = [
    # A vector was taken apart: the gradients of its parts lie side by side.
    (
        f"add(add({_into(_ZEROS, _ONE, 9, 1)}, {_into(_ZEROS, 'r', 0, 3)}), {_into(_ZEROS, _SIX, 3, 6, 'none')})",
        "concatenate(r, broadcast(exp(t)), reshape(s), axis=0)",
    ),
    (
        _into(_into(_into(_ZEROS, _SIX, 3, 6), "r", 0, 3), _ONE, 9, 1),
        "concatenate(r, broadcast(exp(t)), reshape(s), axis=0)",
    ),
    (
        _into(_into(_into(_into(_ZEROS, _SIX, 3, 6), "r", 0, 3), _ONE, 9, 1), _SIX, 3, 6),
        "concatenate(r, broadcast(multiply(exp(t), 2.0)), reshape(s), axis=0)",
    ),
    (
        f"add(add(add({_into(_ZEROS, 'array([1.0])', 9, 1)}, {_into(_ZEROS, 'r', 0, 3)}), {_into(_ZEROS, _SIX, 3, 6)}), "
        f"{_into(_ZEROS, _ONE, 9, 1)})",
        "concatenate(r, broadcast(exp(t)), reshape(add(1.0, s)), axis=0)",
    ),
    # Twice to one place, before the others are there.
    (
        _into(_into(_into(_ZEROS, _SIX, 3, 6), "r", 0, 3), _SIX, 3, 6),
        "slice_update(slice_update(0.0, broadcast(multiply(exp(t), 2.0)), starts=(3,), sizes=(6,), steps=(1,), kind=none), "
        "r, starts=(0,), sizes=(3,), steps=(1,), kind=none)",
    ),
    # To a part of a piece, and over the end of one.
    (
        _into("concatenate(w, r, axis=0)", "r", 4, 3),
        "concatenate(slice_update(w, r, starts=(4,), sizes=(3,), steps=(1,), kind=sum), r, axis=0)",
    ),
    (
        _into("concatenate(w, r, axis=0)", "r", 8, 3),
        "slice_update(concatenate(w, r, axis=0), r, starts=(8,), sizes=(3,), steps=(1,), kind=sum)",
    ),
    # A place that no part fills, one that two fill.
    (
        f"add({_into(_ZEROS, _ONE, 9, 1)}, {_into(_ZEROS, 'r', 0, 3)})",
        "slice_update(slice_update(0.0, r, starts=(0,), sizes=(3,), steps=(1,), kind=none), reshape(s), starts=(9,), "
        "sizes=(1,), steps=(1,), kind=none)",
    ),
    (
        f"add({_into(_ZEROS, 'r', 1, 3)}, {_into(_ZEROS, 'r', 0, 3)})",
        "slice_update(slice_update(0.0, r, starts=(0,), sizes=(3,), steps=(1,), kind=none), r, starts=(1,), "
        "sizes=(3,), steps=(1,), kind=sum)",
    ),
    # Zeros of both signs are zeros.
    (
        _into("array([0.0, -0.0, 0.0, 0.0])", "add(r, 0.0)", 0, 3),
        "slice_update(array([0.0, -0.0, 0.0, 0.0]), add(r, 0.0), starts=(0,), sizes=(3,), steps=(1,), kind=none)",
    ),
    # To add a part is not to add an array of zeros. What else takes the array keeps it.
    (f"add(w, {_into(_ZEROS, 'r', 1, 3)})", "slice_update(w, r, starts=(1,), sizes=(3,), steps=(1,), kind=sum)"),
]


@pytest.mark.parametrize(("before", "after"), ALGEBRA)
def test_algebra(before, after):
    check(before, after)


@pytest.mark.parametrize(("before", "after"), ARRAYS)
def test_arrays(before, after):
    check(before, after)


@pytest.mark.parametrize(("before", "after"), GRADIENTS)
def test_gradients_of_parts(before, after):
    check(before, after)


# ---- what is not to the bit ------------------------------------------------------------------------------------------


def _ulps(found, exact):
    """How far apart two float32 arrays are, in steps from one float to the next."""
    found, exact = (np.where(np.isnan(a), np.float32(0), a).view(np.int32).astype(np.int64) for a in (found, exact))
    return np.max(np.abs(found - exact))


@pytest.mark.parametrize(
    ("exponent", "after", "ulps"),
    [(2.0, "square(x)", 0), (-1.0, "divide(1.0, x)", 0), (3.0, "multiply(x, square(x))", 1)],
)
def test_small_powers_are_within_an_ulp(exponent, after, ulps):
    region, letters = program(f"power(x, {exponent})")
    result = optimise(region)
    assert spelled(result, letters) == after
    x = np.concatenate([_rng.normal(size=_N - len(_FLOATS)), _FLOATS]).astype(np.float32)
    x[: _N // 2] *= 10.0 ** _rng.uniform(-12, 12, size=_N // 2)
    with np.errstate(all="ignore"):
        exact = (x.astype(np.float64) ** exponent).astype(np.float32)
    (found,) = interpret(result, [x])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(exact))
    assert _ulps(found, exact) == ulps


def test_a_product_of_powers_of_two_does_not_overflow():
    region, letters = program("multiply(multiply(x, 2.0), -0.5)")
    result = optimise(region)
    assert spelled(result, letters) == "negative(x)"
    finite = np.abs(ARGUMENTS["x"]) < 1e38
    (found,), (before,) = (interpret(r, [ARGUMENTS["x"]]) for r in (result, region))
    same_to_the_bit([found[finite]], [before[finite]])
    same_to_the_bit([found], [-ARGUMENTS["x"]])


# ---- the tables ------------------------------------------------------------------------------------------------------


def test_every_rule_has_a_row():
    fired = set()

    def watched(name, number, row):
        def apply(b, inputs, attributes):
            value = row(b, inputs, attributes)
            if value is not None:
                fired.add((name, number))
            return value

        return apply

    tables = merged(constants.RULES, views.RULES, algebra.RULES, indexing.RULES, joining.RULES, reductions.RULES)
    rules = {name: [watched(name, i, row) for i, row in enumerate(rows)] for name, rows in tables.items()}
    powers = [(f"power(x, {n})", "") for n in (-1.0, 2.0, 3.0)]
    for before, _ in [*ALGEBRA, *ARRAYS, *GRADIENTS, *powers]:
        rewritten(rewritten(program(before)[0], rules), rules)
    assert set(algebra.RULES) <= {name for name, _ in fired}
    missing = {(name, i) for name, rows in rules.items() for i in range(len(rows))} - fired
    # Rules for all operations alike are tested on some: folding (the first), and broadcasts and axes of size 1.
    assert not {(name, i) for name, i in missing if i > 2 or (name not in ELEMENTWISE and i > 0)}


def test_a_body_to_be_differentiated_stays_as_it_is():
    b = Builder()
    x = b.parameter(Type("float32"))
    body = b.finish(b("multiply", b("stop_gradient", x), b.constant(1.0, "float32")))
    b = Builder()
    y = b.parameter(Type("float32"))
    region = b.finish(*b.emit("gradient", [y], {"wrt": (0,)}, [body]))
    assert optimise(region) is region


def test_equal_operations_are_one():
    b = Builder()
    x, y = (b.parameter(Type("float32", (3,))) for _ in range(2))
    once, again = b("add", x, y), b("add", y, x)
    other = b("minimum", x, y), b("minimum", y, x)
    result = simplify(b.finish(once, again, *other))
    assert result.results[0] is result.results[1]
    assert result.results[2] is not result.results[3]  # which zero of 0 and -0 comes out depends on the order
    assert len(result.ops) == 3


def test_what_is_used_twice_is_not_done_twice():
    b = Builder()
    x, y, z = (b.parameter(Type("float32", (10,))) for _ in range(3))
    short = b.parameter(Type("float32", (3,)))
    part = b("slice_update", b.full(x.type, 0.0), short, starts=(0,), sizes=(3,), steps=(1,), kind="none")
    minus = b("negative", x)
    region = b.finish(b("add", b("multiply", minus, y), z), minus, b("add", y, part), part)
    names = [op.name for op in optimise(region).ops if op.name not in {"constant", "broadcast"}]
    assert names == ["slice_update", "negative", "multiply", "add", "add"]


def test_an_array_that_is_used_otherwise_is_not_written_again():
    b = Builder()
    x, u, v = (b.parameter(Type("float32", (n,))) for n in (10, 3, 4))
    at = {"starts": (0,), "sizes": (3,), "steps": (1,)}
    once = b("slice_update", x, u, **at, kind="none")
    other = b("slice_update", once, v, starts=(4,), sizes=(4,), steps=(1,), kind="none")
    region = b.finish(b("slice_update", other, b("exp", u), **at, kind="sum"), once)
    assert [op.name for op in optimise(region).ops] == ["slice_update", "slice_update", "exp", "slice_update"]


def test_the_absolute_value_of_a_negative_unsigned_integer_stays():
    b = Builder()
    x = b.parameter(Type("uint32"))
    region = b.finish(b("abs", b("negative", x)))
    (value,) = interpret(optimise(region), [np.array(5, np.uint32)])
    assert value == 2**32 - 5
