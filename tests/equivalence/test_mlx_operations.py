"""Operations that a model may use: under n= they compute in each execution what they compute alone, or are an error.

MLX's vmap has had rules that are wrong without an error where one operand differs between the executions and another
does not. So every case runs with each choice of operands that differ, vectorised and one by one.
"""

import itertools
import zlib

import mlx.core as mx
import numpy as np
import pytest

from genmlx.numerics.transforms import one_by_one, vmap
from helpers.tolerances import assert_close

N = 3


def real(*shape):
    return lambda rng: mx.array(rng.normal(size=shape).astype(np.float32))


def unit(*shape):
    return lambda rng: mx.array(rng.uniform(0.2, 0.8, size=shape).astype(np.float32))


def index(high, *shape):
    return lambda rng: mx.array(rng.integers(0, high, size=shape).astype(np.int32))


def flag(*shape):
    return lambda rng: mx.array(rng.random(shape) < 0.5)


def key(rng):
    return mx.random.key(int(rng.integers(1000)))


def assign(x, i, value):
    y = mx.array(x)
    y[i] = value
    return y


def at(operation, i):
    return lambda x, v: getattr(x.at[i], operation)(v)


def named(name):
    """Looked up when it is called, as ``mx.name`` in a model is."""
    return lambda *operands: getattr(mx, name)(*operands)


BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum"]
BINARY += ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
LOGICAL = ["logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"]
K = mx.random.key(1)

CASES = {
    **{n: (named(n), [real(3), real(3)]) for n in BINARY},
    **{f"{n}, broadcast": (named(n), [real(3), real()]) for n in BINARY},
    **{f"{n}, broadcast left": (named(n), [real(), real(2, 3)]) for n in BINARY},
    **{n: (named(n), [flag(3), flag(3)]) for n in LOGICAL},
    **{f"{n}, broadcast": (named(n), [flag(), flag(3)]) for n in LOGICAL},
    "&": (lambda a, b: a & b, [flag(3), flag()]),
    "|": (lambda a, b: a | b, [flag(3), flag(3)]),
    "^": (lambda a, b: a ^ b, [index(8, 3), index(8, 3)]),
    "<<": (lambda a, b: a << b, [index(8, 3), index(3)]),
    ">>": (lambda a, b: a >> b, [index(8, 3), index(3, 3)]),
    "!=": (lambda a, b: a != b, [index(2, 3), index(2)]),
    "logaddexp": (mx.logaddexp, [real(3), real()]),
    "power": (mx.power, [unit(3), real(3)]),
    "arctan2": (mx.arctan2, [real(3), real()]),
    "floor_divide": (mx.floor_divide, [real(3), unit(3)]),
    "remainder": (mx.remainder, [real(3), unit()]),
    "divmod": (lambda a, b: mx.divmod(a, b)[1], [real(3), unit(3)]),
    "isclose": (mx.isclose, [real(3), real(3)]),
    "array_equal": (mx.array_equal, [real(3), real(3)]),
    "where": (mx.where, [flag(4), real(4), real(4)]),
    "where, broadcast": (mx.where, [flag(), real(4), real()]),
    "clip": (mx.clip, [real(4), real(), unit()]),
    "matmul": (mx.matmul, [real(2, 3), real(3, 4)]),
    "matrix times vector": (mx.matmul, [real(2, 3), real(3)]),
    "vector times matrix": (mx.matmul, [real(2), real(2, 3)]),
    "vector times vector": (mx.matmul, [real(3), real(3)]),
    "inner": (mx.inner, [real(3), real(3)]),
    "outer": (mx.outer, [real(3), real(2)]),
    "tensordot": (lambda a, b: mx.tensordot(a, b, 1), [real(2, 3), real(3, 2)]),
    "einsum": (lambda a, b: mx.einsum("ij,jk->ik", a, b), [real(2, 3), real(3, 2)]),
    "kron": (mx.kron, [real(2, 2), real(2, 2)]),
    "concatenate": (lambda a, b: mx.concatenate([a, b], axis=1), [real(2, 2), real(2, 3)]),
    "stack": (lambda a, b: mx.stack([a, b], axis=-1), [real(2), real(2)]),
    "stack of scalars": (lambda a, b: mx.stack([a, b]), [real(), real()]),
    "x[i]": (lambda x, i: x[i], [real(4), index(4)]),
    "x[is]": (lambda x, i: x[i], [real(4, 2), index(4, 3)]),
    "x[i, j]": (lambda x, i, j: x[i, j], [real(4, 5), index(4), index(5)]),
    "x[:, i]": (lambda x, i: x[:, i], [real(4, 5), index(5)]),
    "take": (lambda x, i: mx.take(x, i, axis=1), [real(4, 5), index(5, 2)]),
    "take_along_axis": (lambda x, i: mx.take_along_axis(x, i, axis=-1), [real(4, 3), index(3, 4, 1)]),
    "put_along_axis": (lambda x, i, v: mx.put_along_axis(x, i, v, axis=0), [real(4), index(4, 1), real(1)]),
    "x[1] = v": (lambda x, v: assign(x, 1, v), [real(4), real()]),
    "x[1] = 0.0": (lambda x: assign(x, 1, 0.0), [real(4)]),
    "x[1] = row": (lambda x, v: assign(x, 1, v), [real(4, 2), real(2)]),
    "x[1:3] = v": (lambda x, v: assign(x, slice(1, 3), v), [real(4), real(2)]),
    "x[1:3] = scalar": (lambda x, v: assign(x, slice(1, 3), v), [real(4), real()]),
    "x[:, 0] = v": (lambda x, v: assign(x, (slice(None), 0), v), [real(4, 2), real(4)]),
    "x[...] = v": (lambda x, v: assign(x, Ellipsis, v), [real(4), real()]),
    "x[i] = v": (assign, [real(4), index(4), real()]),
    "x[is] = v": (lambda x, v: assign(x, mx.array([0, 2]), v), [real(4), real(2)]),
    "x[i] = row": (assign, [real(4, 2), index(4), real(2)]),
    "x[mask] = v": (assign, [real(4), flag(4), real()]),
    "ints[1] = v": (lambda x, v: assign(x, 1, v), [index(9, 4), index(9)]),
    "slice_update": (lambda x, v: mx.slice_update(x, v, mx.array([1]), axes=[0]), [real(4), real(2)]),
    **{f"at[1].{n}": (at(n, 1), [real(4), unit()]) for n in ("add", "subtract", "multiply", "divide", "maximum")},
    **{f"at[1:3].{n}": (at(n, slice(1, 3)), [real(4), unit(2)]) for n in ("add", "multiply", "minimum")},
    "at[i].add": (lambda x, i, v: x.at[i].add(v), [real(4), index(4), unit()]),
    "at[1].add(1.0)": (lambda x: x.at[1].add(1.0), [real(4)]),
    "in place": (lambda x, v: _in_place(x, v), [real(4), real(4)]),
    "logsumexp": (mx.logsumexp, [real(2, 3)]),
    "softmax": (lambda a: mx.softmax(a, axis=-1), [real(2, 3)]),
    "cumsum": (lambda a: mx.cumsum(a, axis=0), [real(3, 2)]),
    "cumprod": (lambda a: mx.cumprod(a, axis=-1), [real(3, 2)]),
    "sort": (lambda a: mx.sort(a, axis=0), [real(3, 2)]),
    "argsort": (mx.argsort, [real(4)]),
    "argmax": (lambda a: mx.argmax(a, axis=0), [real(3, 2)]),
    "topk": (lambda a: mx.sort(mx.topk(a, 2)), [real(4)]),
    "roll": (lambda a: mx.roll(a, 1, axis=0), [real(3, 2)]),
    "repeat": (lambda a: mx.repeat(a, 2), [real(3)]),
    "diagonal": (mx.diagonal, [real(3, 3)]),
    "diag": (mx.diag, [real(3)]),
    "triangle": (mx.tril, [real(3, 3)]),
    "transpose": (lambda a: mx.transpose(a, (2, 0, 1)), [real(3, 2, 4)]),
    "reshape": (lambda a: a.reshape(-1), [real(2, 3)]),
    "split": (lambda a: mx.split(a, 2)[1], [real(4)]),
    "steps": (lambda a: a[::-2], [real(4)]),
    "new axis": (lambda a: a[None, :, None], [real(4)]),
    "var": (lambda a: mx.var(a, axis=0), [real(3, 2)]),
    "any": (lambda a: mx.any(a, axis=0), [flag(3, 2)]),
    "norm": (mx.linalg.norm, [real(3)]),
    "cross": (mx.linalg.cross, [real(3), real(3)]),
    "inverse": (lambda a: mx.linalg.inv(a + 3 * mx.eye(2), stream=mx.cpu), [unit(2, 2)]),
    "cholesky": (lambda a: mx.linalg.cholesky(a @ a.T + mx.eye(2), stream=mx.cpu), [real(2, 2)]),
    "convolve": (mx.convolve, [real(5), real(3)]),
    "draws by key": (lambda k: mx.random.normal((2,), key=k), [key]),
    "draws by key and parameter": (lambda k, p: mx.random.bernoulli(p, key=k), [key, unit(3)]),
    "draws by parameter": (lambda a, b: mx.random.uniform(a, b, (3,), key=K), [real(), unit()]),
    "categorical draws": (lambda k, logits: mx.random.categorical(logits, key=k), [key, real(3)]),
    "splits of keys": (lambda k: mx.random.split(k, 3), [key]),
    "twice the same": (lambda a: mx.stack([a, a]).swapaxes(0, 1), [real(2)]),
}


def _in_place(x, v):
    y = mx.array(x)
    y += v
    y *= v
    return y


@pytest.mark.parametrize("name", CASES)
def test_an_operation_over_executions_is_the_operation_in_each(name):
    function, makers = CASES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    single = [make(rng) for make in makers]
    several = [mx.stack([make(rng) for _ in range(N)]) for make in makers]
    for differs in itertools.product([True, False], repeat=len(makers)):
        if not any(differs):
            continue

        def run(mapped, differs=differs):
            operands = iter(mapped)
            return function(*[next(operands) if d else x for d, x in zip(differs, single, strict=True)])

        mapped = [x for d, x in zip(differs, several, strict=True) if d]
        assert_close(vmap(run)(mapped), one_by_one(run)(mapped), rtol=1e-4, atol=1e-5)


def test_repairs_leave_mlx_as_it_was():
    before = mx.array.__setitem__, mx.array.at, mx.slice_update, mx.array.__and__
    vmap(lambda a: a.at[0].add(1.0))(mx.ones((2, 3)))
    assert (mx.array.__setitem__, mx.array.at, mx.slice_update, mx.array.__and__) == before
    x = mx.zeros(3)
    x[0] = 1.0
    assert x.at[1].add(2.0).tolist() == [1.0, 2.0, 0.0]
