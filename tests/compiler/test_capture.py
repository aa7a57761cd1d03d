"""Capture: MLX's graph of a function is a region with the same meaning."""

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn

from genmlx.compiler.capture import CaptureError, UnsupportedPrimitive, capture
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.verify import verify
from genmlx.numerics.errors import ControlFlowError
from genmlx.numerics.linalg import cholesky, solve_triangular
from genmlx.numerics.special import betaln, digamma, lgamma, log_ndtr

rng = np.random.default_rng(3)
X = mx.array(rng.normal(size=(4, 3)).astype(np.float32))
POSITIVE = mx.exp(X)
UNIT = mx.sigmoid(X)
V = mx.array(rng.normal(size=5).astype(np.float32))
INDEX = mx.array([1, 2, 1])
SCALAR = mx.array(1)
S = X @ X.T + 4.0 * mx.eye(4)
KEY = mx.random.key(5)


def run(f, *args):
    region, data = capture(lambda *xs: _flat(f(*xs)), *args)
    verify(region)
    return interpret(region, [np.array(a) for a in (*args, *data)])


def _flat(out):
    return tuple(out) if isinstance(out, tuple | list) else (out,)


def check(f, *args, rtol=2e-6, atol=2e-6):
    for got, out in zip(run(f, *args), _flat(f(*args)), strict=True):
        expected = np.array(out)
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


UNARY = ["abs", "exp", "expm1", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh", "erf", "sigmoid"]
UNARY += ["floor", "ceil", "round", "negative", "sign", "square"]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_value(name):
    check(getattr(mx, name), X)


@pytest.mark.parametrize("name", ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"])
def test_functions_of_a_positive_value(name):
    check(getattr(mx, name), POSITIVE)


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh", "erfinv"])
def test_functions_of_a_value_below_one(name):
    check(getattr(mx, name), UNIT, rtol=1e-5)


def test_arccosh():
    check(mx.arccosh, 1.0 + POSITIVE)


BINARY = ["add", "subtract", "multiply", "divide", "remainder", "floor_divide", "minimum", "maximum", "arctan2"]
BINARY += ["logaddexp", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_values(name):
    check(getattr(mx, name), X, UNIT)
    check(getattr(mx, name), X, mx.array(0.5))


def test_powers():
    check(mx.power, POSITIVE, X, rtol=1e-5)
    check(lambda x: x**2 + x**3, X)
    check(lambda i: i**3, INDEX)


@pytest.mark.parametrize(
    "f",
    [
        lambda i, j: i // j,
        lambda i, j: i % j,
        lambda i, j: i & j,
        lambda i, j: i | j,
        lambda i, j: i ^ j,
        lambda i, j: i << j,
        lambda i, j: i >> j,
        lambda i, j: ~i,
        lambda i, j: mx.divmod(i, j),
        lambda i, j: (i > j) & ~(j > 1),
        lambda i, j: (i > j) | (j > 1),
        lambda i, j: mx.logical_xor(i > j, j > 1),
        lambda i, j: i / j,
    ],
)
def test_integers_and_bools(f):
    check(f, mx.array([7, -7, 5, 0]), mx.array([2, 2, 1, 3]))


@pytest.mark.parametrize("kind", ["sum", "prod", "min", "max", "all", "any", "mean", "var", "logsumexp"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_reductions(kind, axis):
    x = X > 0 if kind in {"all", "any"} else X
    check(lambda x: getattr(mx, kind)(x, axis=axis), x)
    check(lambda x: getattr(mx, kind)(x, axis=axis, keepdims=True), x)


def test_sums_of_bools_and_integers():
    check(lambda x: ((x > 0).sum(), (x > 0).sum(axis=0), mx.max(x > 0)), X)
    check(lambda i: (i.sum(), i.prod()), INDEX)


@pytest.mark.parametrize("x", [[-np.inf, -np.inf], [np.inf, 0.0], [-np.inf, 1.0]])
def test_logsumexp_at_infinity(x):
    check(mx.logsumexp, mx.array(x, dtype=mx.float32))


def test_along_axes():
    check(lambda x: (mx.argmin(x, axis=0), mx.argmax(x, axis=1, keepdims=True), mx.argmax(x)), X)
    check(lambda x: (mx.sort(x, axis=0), mx.argsort(x, axis=1), mx.partition(x, 1, axis=0)[1]), X)
    check(lambda x: (mx.cumsum(x, axis=1, reverse=True, inclusive=False), mx.cumprod(x, axis=0)), X)
    check(lambda x: (mx.cummax(x, axis=1), mx.cummin(x, axis=0, reverse=True)), X)
    check(lambda x: (mx.softmax(x, axis=0), mx.softmax(x, axis=-1), mx.topk(x, 2)[..., :0]), X)
    check(lambda x: (mx.logcumsumexp(x, axis=1), x.logcumsumexp(), mx.logcumsumexp(x, 0, reverse=True)), X)
    check(lambda v: mx.searchsorted(mx.array([-1.0, 0.0, 0.5]), v), V)


def test_views():
    check(lambda x: (x.T, x.reshape(-1), x.flatten(), x.reshape(2, 6), mx.unflatten(x, 0, (2, 2))), X)
    check(lambda x: (x[1:3], x[::-1], x[::2, 1:], x[:, ::-2], x[None], x[..., None], mx.squeeze(x[:1])), X)
    check(lambda x: (mx.tile(x, (2, 1)), mx.repeat(x, 2, axis=1), mx.roll(x, 1, axis=0)), X)
    check(lambda x: (mx.split(x, [1, 3]), mx.concatenate([x, x], axis=1), mx.stack([x, x]))[1], X)
    check(lambda x: mx.split(x, [1, 3]), X)
    check(lambda x: mx.pad(x, [(1, 2), (0, 1)], constant_values=3.0), X)
    check(lambda x: (mx.diagonal(x), mx.diag(x[0]), mx.tril(x), mx.as_strided(x, (2, 2), (3, 1), 1)), X)


def test_sources():
    check(lambda x: (mx.arange(3, 9, 2), mx.linspace(0, 1, 5), mx.eye(3), mx.zeros((2, 0)), mx.arange(0.5, 3.0)), X)
    check(lambda x: (x.astype(mx.int32), (x > 0).astype(mx.float32), mx.array([1.0, 2.0, 3.0]), x, x), X)


def test_indices():
    check(lambda x, i: (x[i], x[:, i], x[i, i], x[i[0]], mx.take(x, i, axis=1), x[-1]), X, INDEX)
    check(lambda x, i: mx.take_along_axis(x, i.reshape(3, 1)[:, :1], axis=1), X[:3], INDEX)
    check(lambda x, i: mx.take_along_axis(x, i[None], axis=0), X, INDEX)
    check(lambda x, i: mx.put_along_axis(x, i[None], mx.array(2.0), axis=0), X, INDEX)
    check(lambda x, i: (x.at[i].add(1.0), x.at[1:3].maximum(0.3), x.at[i].multiply(x[i])), X, INDEX)
    check(lambda x, s: mx.slice(x, s[None], (0,), (2, 3)), X, SCALAR)
    check(lambda x, s: mx.slice_update(x, mx.zeros((2, 3)), s[None], (0,)), X, SCALAR)


def test_writing_to_elements():
    def write(x, i):
        x[i] = 2.0
        x[1:3, 0] = mx.array([5.0, 6.0])
        x[::-2, 1] = 7.0
        return x

    check(lambda x, i: write(x + 0.0, i), X, mx.array([0, 3]))


def test_linear_algebra():
    check(lambda x: (x @ x.T, x @ x[0], mx.addmm(x, x, x.T @ x, alpha=2.0, beta=3.0)), X, rtol=1e-5, atol=1e-5)
    check(lambda x: mx.einsum("ij,kj->ik", x, x), X, rtol=1e-5, atol=1e-5)
    check(lambda s: (cholesky(s), solve_triangular(cholesky(s), s)), S, rtol=1e-5, atol=1e-4)
    check(lambda s: mx.linalg.inv(s, stream=mx.cpu), S, rtol=1e-4, atol=1e-5)
    check(lambda x: (mx.linalg.norm(x), mx.outer(x[0], x[1]), mx.inner(x[0], x[0]), mx.tensordot(x, x.T, 1)), X)
    batch = mx.stack([S, 2.0 * S])
    check(lambda s: s @ s, batch, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("flip", [False, True])
def test_convolution(flip):
    x = mx.array(rng.normal(size=(2, 8, 6)).astype(np.float32))
    w = mx.array(rng.normal(size=(4, 3, 3)).astype(np.float32))
    check(
        lambda x, w: mx.conv_general(
            x, w, stride=2, padding=([1], [2]), kernel_dilation=2, input_dilation=3, groups=2, flip=flip
        ),
        x,
        w,
        rtol=1e-4,
        atol=1e-5,
    )


def test_randomness_is_bit_for_bit():
    def draws(key):
        a, b, c = mx.random.split(key, 3)
        return (
            mx.random.uniform(shape=(7,), key=a),
            mx.random.randint(0, 100, (5,), key=b),
            mx.random.categorical(mx.zeros((4, 3)), key=c),
            mx.random.split(a, 3),
        )

    for got, expected in zip(run(draws, KEY), draws(KEY), strict=True):
        np.testing.assert_array_equal(got, np.array(expected))
    check(lambda key: (mx.random.normal((6,), key=key), mx.random.bernoulli(0.3, (5,), key=key)), KEY)


def test_gradients_and_vmaps_of_mlx_are_expanded():
    check(mx.value_and_grad(lambda x: mx.sum(mx.exp(x) * x[0])), X, rtol=1e-5)
    check(mx.vmap(lambda x, i: x[i] * mx.sum(x)), X, mx.array([0, 1, 2, 0]))


def test_special_functions():
    check(lambda x: (lgamma(x), digamma(x), betaln(x, x + 1.0), log_ndtr(-x)), POSITIVE, rtol=1e-5, atol=1e-6)
    check(mx.grad(lambda x: lgamma(x).sum()), POSITIVE, rtol=1e-5)


def test_networks():
    model = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 2))
    check(lambda x: (model(x), nn.softplus(x), nn.relu(x)), X, rtol=1e-5, atol=1e-5)


def test_large_constants_are_parameters_and_small_ones_stay():
    data = mx.array([1.0, 2.0, 3.0])
    captured = capture(lambda x: (x * data + data * 2.0,), V[:3])
    assert [a.tolist() for a in captured.data] == [[1.0, 2.0, 3.0]]
    assert len(captured.region.parameters) == 2


def test_results_may_be_arguments_constants_or_the_same_twice():
    x, same, constant, y, again = run(lambda x: (x, x, mx.array([1.0, 2.0]), (y := x + 1.0), y), V)
    np.testing.assert_array_equal(x, same)
    np.testing.assert_array_equal(y, again)
    assert constant.tolist() == [1.0, 2.0]


def test_python_control_flow_names_the_line():
    with pytest.raises(ControlFlowError, match="test_capture.py") as error:
        capture(lambda x: (x if x.sum() > 0 else -x,), X)
    assert "control.cond" in str(error.value)


def test_a_primitive_that_is_not_compiled_is_named():
    with pytest.raises(UnsupportedPrimitive, match="FFT"):
        capture(lambda x: (mx.abs(mx.fft.rfft(x)).astype(mx.float32),), X)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16, mx.complex64])
def test_a_dtype_that_is_not_compiled_is_named(dtype):
    with pytest.raises(CaptureError, match=str(dtype).rpartition(".")[2]):
        capture(lambda x: (x,), X.astype(dtype))
    with pytest.raises(CaptureError, match=str(dtype).rpartition(".")[2]):
        capture(lambda x: (x.astype(dtype).astype(mx.float32),), X)
