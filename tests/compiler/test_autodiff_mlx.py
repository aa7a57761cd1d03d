"""Gradients of captured MLX functions, in float32, against those of MLX."""

import mlx.core as mx
import numpy as np
import pytest

from genmlx.compiler.autodiff import gradient
from genmlx.compiler.capture import capture
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.verify import verify

RNG = np.random.default_rng(5)


def normal(*shape):
    return mx.array(RNG.normal(size=shape).astype(np.float32))


def check(f, *args):
    numbers = tuple(i for i, a in enumerate(args) if mx.issubdtype(a.dtype, mx.floating))
    region, data = capture(lambda *xs: (f(*xs),), *args)
    value, *found = interpret(verify(gradient(region, numbers)), [np.array(a) for a in (*args, *data)])
    expected, slopes = mx.value_and_grad(f, argnums=numbers)(*args)
    np.testing.assert_allclose(value, np.array(expected), rtol=1e-5, atol=1e-6)
    slopes = [slopes] if len(numbers) == 1 else slopes  # MLX unpacks a tuple of one
    for a, e in zip(found, slopes, strict=True):
        np.testing.assert_allclose(a, np.array(e), rtol=2e-5, atol=2e-5)


def weighted(y):
    return (y * mx.cos(1.0 + mx.arange(y.size, dtype=mx.float32)).reshape(y.shape)).sum()


X, SECOND, CUBE = normal(3, 4), normal(3, 4), normal(2, 3, 4)
V = normal(5)
INDEX = mx.array([[2, -1, 0], [1, 1, 3]])

UNARY = ["abs", "exp", "expm1", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh", "erf", "sigmoid"]
UNARY += ["negative", "square", "floor", "round", "sign"]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_value(name):
    check(lambda x: weighted(getattr(mx, name)(x)), X)


@pytest.mark.parametrize("name", ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"])
def test_functions_of_a_positive_value(name):
    check(lambda x: weighted(getattr(mx, name)(x)), mx.exp(X))


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh", "erfinv"])
def test_functions_of_a_value_below_one(name):
    check(lambda x: weighted(getattr(mx, name)(x)), 0.9 * mx.sin(X))


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "minimum", "maximum", "arctan2", "logaddexp"]
)
def test_functions_of_two_values(name):
    check(lambda x, y: weighted(getattr(mx, name)(x, y)), X, SECOND)
    check(lambda x, y: weighted(getattr(mx, name)(x, y)), X, SECOND[0])


@pytest.mark.parametrize("name", ["minimum", "maximum"])
def test_ties_go_where_mlx_sends_them(name):
    check(lambda x, y: weighted(getattr(mx, name)(x, y)), mx.array([1.0, 0.0]), mx.array([1.0, 0.0]))
    check(lambda x: mx.maximum(x, 0.0).sum(), mx.zeros(2))
    check(lambda x: mx.max(x) + mx.min(x), mx.array([1.0, 3.0, 3.0, 1.0, 1.0]))


MORE = {
    "arccosh": lambda x: mx.arccosh(1.5 + mx.square(x)),
    "power": lambda x: mx.power(mx.abs(x) + 0.5, x),
    "integer powers": lambda x: x**2 + x**3,
    "remainder": lambda x: mx.remainder(x, 0.7),
    "where": lambda x: mx.where(x > 0.2, mx.sin(x), x * x),
    "clip": lambda x: mx.clip(x, -0.5, 0.8),
    "softmax": lambda x: mx.softmax(x, axis=0),
    "logsumexp": lambda x: mx.logsumexp(x, axis=1),
    "mean and var": lambda x: x.mean(axis=0) + x.var(axis=0),
    "prod": lambda x: mx.prod(x, axis=1),
    "extremes": lambda x: mx.max(x, axis=0) - mx.min(x, axis=0),
    "cumsum": lambda x: mx.cumsum(x, axis=1, reverse=True, inclusive=False),
    "cumprod": lambda x: mx.cumprod(x, axis=0),
    "cummax": lambda x: mx.cummax(x, axis=1),
    "sort": lambda x: mx.sort(x, axis=1),
    "transpose": lambda x: mx.exp(x.T).reshape(2, 6),
    "strided": lambda x: x[::-2, 1::2] * x[0, 0],
    "split": lambda x: mx.split(x, 2, axis=1)[1] * 2.0,
    "concatenate": lambda x: mx.concatenate([x, x[:1] * 2.0], axis=0),
    "stack": lambda x: mx.stack([x, mx.sin(x)]),
    "pad": lambda x: mx.pad(x, [(1, 0), (0, 2)], constant_values=3.0),
    "take": lambda x: mx.take(x, INDEX, axis=1),
    "gather": lambda x: x[INDEX[0], INDEX[1]],
    "take_along_axis": lambda x: mx.take_along_axis(x, mx.array([[2, 0], [1, 1], [3, 3]]), axis=1),
    "put_along_axis": lambda x: mx.put_along_axis(mx.square(x), mx.array([[2], [1], [3]]), x[:, :1], axis=1),
    "at add": lambda x: x.at[mx.array([1, 1])].add(mx.sin(x[:2])),
    "at set": lambda x: _set(x),
    "diagonal": lambda x: mx.diagonal(x),
    "tril": lambda x: mx.tril(x) + mx.triu(x, 1) * 2.0,
    "matmul": lambda x: x @ x.T,
    "addmm": lambda x: mx.addmm(x[:, :3], x, x.T, alpha=0.5, beta=2.0),
    "outer and inner": lambda x: mx.outer(x[0], x[1]) * mx.inner(x[0], x[2]),
    "einsum": lambda x: mx.einsum("ij,kj->ik", x, mx.exp(x)),
    "norm": lambda x: mx.linalg.norm(x, axis=1),
    "conv": lambda x: mx.conv1d(x[None], mx.sin(x[:2, None, :2]).transpose(0, 2, 1)[:, :, :1] * mx.ones((2, 2, 4))),
}


def _set(x):
    y = mx.square(x)
    y[1:, ::2] = mx.sin(x[1:, 1::2])
    return y


@pytest.mark.parametrize("name", MORE)
def test_more(name):
    check(lambda x: weighted(MORE[name](x)), X)


def test_stopped_gradients():
    check(lambda x: weighted(x * mx.stop_gradient(x)), X)


def test_nothing_goes_through_integers():
    """MLX passes the cotangent on as an integer."""
    region, _ = capture(lambda x: ((x.astype(mx.int32).astype(mx.float32) * x).sum(),), V)
    _, dx = interpret(gradient(region, [0]), [np.array(V)])
    np.testing.assert_array_equal(dx, np.trunc(np.array(V)))


# ---- models ----------------------------------------------------------------------------------------------------------


def eight_schools(q, y, sigma):
    mu, log_tau, theta = q[0], q[1], q[2:]
    tau = mx.exp(log_tau)
    prior = -0.5 * mx.square(mu / 5.0) - mx.log1p(mx.square(tau / 5.0)) + log_tau - 0.5 * mx.square(theta).sum()
    return prior - 0.5 * mx.square((y - mu - tau * theta) / sigma).sum()


def regression(w, x, y):
    logits = x @ w
    return (y * logits - mx.logaddexp(0.0, logits)).sum() - 0.5 * mx.square(w).sum()


def network(w, v, x):
    hidden = mx.tanh(x @ w)
    probabilities = mx.softmax(hidden, axis=-1)
    return mx.logsumexp(hidden @ v, axis=-1).sum() + mx.max(mx.sigmoid(hidden)) - probabilities[:, 0].sum()


def series(x, rho):
    steps = mx.cumsum(x) - rho * mx.concatenate([mx.zeros(1), x[:-1]])
    parts = mx.where(steps > 0, mx.log(mx.abs(steps) + 1.0), steps[::-1] * 2.0)
    return parts.sum() + mx.sort(x)[2] * x[mx.array([1, 1])].sum()


def test_models():
    check(eight_schools, normal(10), normal(8), mx.exp(normal(8)))
    check(regression, normal(3), normal(20, 3), (normal(20) > 0).astype(mx.float32))
    check(network, normal(3, 4), normal(4, 2), normal(5, 3))
    check(series, normal(6), mx.array(0.4))
