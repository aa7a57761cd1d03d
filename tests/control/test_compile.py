"""`compile`: one native kernel gives what MLX gives."""

import mlx.core as mx
import numpy as np
import pytest

from genmlx.compiler.capture import UnsupportedPrimitive
from genmlx.compiler.runtime import CompilerNotFound
from genmlx.control import FallbackWarning, compile, cond, fori_loop, scan, value_and_grad, vmap, while_loop
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.pytree import split_arrays
from genmlx.numerics.special import lgamma

XS = mx.array([0.3, -1.2, 0.8, 2.0])


def agrees(f, *args, rtol=2e-5, atol=1e-6):
    """By a kernel and by MLX the same."""
    got, structure = split_arrays(compile(f, backend="native")(*args))
    expected, expected_structure = split_arrays(f(*args))
    assert structure == expected_structure
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=rtol, atol=atol)
    return got


def log_density(q, data):
    """A small hierarchy: a location, a log scale, and effects."""
    scale = mx.exp(q["log_scale"])
    effects = q["location"] + scale * q["effects"]
    prior = -0.5 * (mx.square(q["location"]) + mx.square(q["log_scale"]) + mx.square(q["effects"]).sum())
    return prior - 0.5 * mx.square(data - effects).sum()


POSITION = {"location": mx.array(0.3), "log_scale": mx.array(-0.2), "effects": mx.array([0.1, -0.4, 0.9, 0.0])}


def leapfrog(position, momentum, step):
    gradient = value_and_grad(log_density)

    def body(i, state):
        q, p, g = state
        p = {k: p[k] + 0.5 * step * g[k] for k in p}
        q = {k: q[k] + step * p[k] for k in q}
        _, g = gradient(q, XS)
        return q, {k: p[k] + 0.5 * step * g[k] for k in p}, g

    return fori_loop(0, 20, body, (position, momentum, gradient(position, XS)[1]))


def test_a_leapfrog_loop_over_trees():
    momentum = {k: 0.5 * v + 0.1 for k, v in POSITION.items()}
    agrees(leapfrog, POSITION, momentum, mx.array(0.1))


@pytest.mark.parametrize("lanes", [1, 3, 40])
def test_lanes_are_runs_side_by_side(lanes):
    position = {k: mx.stack([v * (1.0 + 0.1 * i) for i in range(lanes)]) for k, v in POSITION.items()}
    momentum = {k: 0.5 * v + 0.1 for k, v in position.items()}
    agrees(vmap(leapfrog, in_axes=(0, 0, None)), position, momentum, mx.array(0.1))


def collatz(n):
    return while_loop(
        lambda s: s[0] != 1, lambda s: (mx.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0)
    )


def test_lanes_leave_a_while_loop_each_at_its_time():
    numbers = mx.arange(1, 30)
    _, steps = agrees(vmap(collatz), numbers)
    assert steps.tolist()[:7] == [0, 1, 7, 2, 5, 8, 16]


def test_draws_are_those_of_mlx_to_the_bit():
    def walk(key):
        def step(x, k):
            a, b = mx.random.split(k)
            x = cond(mx.random.uniform(key=a) < 0.5, lambda: x + 1, lambda: x - 1)
            return x, (x, mx.random.randint(0, 1000, (3,), key=b))

        return scan(step, 0, mx.random.split(key, 20))

    for a, b in zip(
        split_arrays(compile(walk, backend="native")(mx.random.key(4)))[0],
        split_arrays(walk(mx.random.key(4)))[0],
        strict=True,
    ):
        assert a.tolist() == b.tolist()


def test_stopped_gradients_stay_stopped():
    def f(x):
        return (x * mx.stop_gradient(mx.exp(x))).sum() + mx.logsumexp(x) + lgamma(mx.abs(x)).sum()

    agrees(value_and_grad(f), XS)
    agrees(lambda x: mx.vmap(lambda e: e * mx.stop_gradient(e))(x), XS)
    agrees(lambda x: mx.grad(lambda y: (y * mx.stop_gradient(y)).sum())(x), XS)


def test_one_compiled_function_for_many_shapes():
    total = compile(lambda x: x.sum(), backend="native")
    assert total(mx.ones(3)).item() == 3.0
    assert total(mx.ones((2, 5))).item() == 10.0
    assert total(mx.arange(4)).item() == 6
    assert total(7.5).item() == 7.5


def test_data_are_inputs_of_the_kernel():
    source = []
    for data in (XS, 2.0 * XS):
        f = compile(lambda x, data=data: (x * data).sum(), backend="native")
        np.testing.assert_allclose(f(mx.array(2.0)).item(), (2.0 * data).sum().item(), rtol=1e-6)
        source.append(f.show().split("---- source")[1].split("----")[1])
    assert source[0] == source[1]


def test_axes_and_shared_arguments():
    m = mx.arange(12.0).reshape(3, 4)
    agrees(vmap(lambda column, v: (column * v).sum(), in_axes=(1, None)), m, mx.array([1.0, 2.0, 3.0]))
    with pytest.raises(ShapeError, match="sizes"):
        compile(vmap(lambda a, b: a + b), backend="native")(mx.ones(3), mx.ones(4))
    with pytest.raises(ShapeError, match="axis 2"):
        compile(vmap(lambda a: a, in_axes=2), backend="native")(mx.ones((3, 3)))


def test_inside_another_compiled_function():
    inner = compile(lambda x: mx.exp(x))
    agrees(lambda x: scan(lambda s, e: (s + inner(e), None), 0.0, x)[0], XS)


def test_what_cannot_be_compiled_runs_by_mlx_and_says_so_once():
    f = compile(lambda x: mx.abs(mx.fft.rfft(x)))
    with pytest.warns(FallbackWarning, match="FFT"):
        f(XS)
    np.testing.assert_allclose(np.array(f(XS)), np.abs(np.fft.rfft(np.array(XS))), rtol=1e-5)
    assert "by MLX" in f.show()
    with pytest.raises(UnsupportedPrimitive, match="FFT"):
        compile(lambda x: mx.abs(mx.fft.rfft(x)), backend="native")(XS)


def test_python_control_flow_runs_by_mlx():
    f = compile(lambda x: x if x.sum() > 0 else -x)
    with pytest.warns(FallbackWarning, match=r"control\.cond"):
        assert f(XS).tolist() == XS.tolist()


def test_without_a_compiler_it_runs_by_mlx(monkeypatch):
    def missing(*args, **kwargs):
        raise CompilerNotFound("none")

    monkeypatch.setattr("genmlx.compiler.pipeline.load", missing)
    f = compile(lambda x: x + 1.0)
    with pytest.warns(FallbackWarning):
        assert f(XS).tolist() == (XS + 1.0).tolist()


def test_mlx_transformations_of_a_compiled_function_are_errors():
    f = compile(lambda x: (x * x).sum(), backend="native")
    for transformed in (mx.grad(f), mx.vmap(f), mx.compile(f), lambda x: mx.jvp(f, [x], [x])):
        with pytest.raises(UsageError, match="compile the outermost function"):
            transformed(XS)


def test_nan_is_the_least_and_the_greatest():
    x = mx.array([[1.0, float("nan"), 2.0], [3.0, 1.0, 2.0], [float("-inf"), 5.0, float("nan")]])
    agrees(lambda x: (mx.argmin(x, axis=1), mx.argmax(x, axis=1), mx.argmin(x), mx.sign(x), mx.max(x, axis=0)), x)
    agrees(vmap(lambda row: (mx.argmin(row), mx.argmax(row))), x)


def test_double_precision():
    def f(x):
        return fori_loop(0, 1000, lambda i, s: s + 0.1 * mx.sin(x), mx.array(0.0)), x > 0.5

    total, above = compile(f, precision="float64")(mx.array(0.5))
    assert total.dtype == mx.float64
    assert above.dtype == mx.bool_
    np.testing.assert_allclose(np.array(total), 100.0 * np.sin(0.5), rtol=1e-13)
    lanes, _ = compile(vmap(f), precision="float64")(mx.array([0.5, 0.25]))
    np.testing.assert_allclose(np.array(lanes), 100.0 * np.sin([0.5, 0.25]), rtol=1e-13)
    draw = lambda key: mx.random.uniform(shape=(4,), key=key)  # noqa: E731 - the bits are the same
    np.testing.assert_allclose(
        np.array(compile(draw, precision="float64")(mx.random.key(1))), np.array(draw(mx.random.key(1))), rtol=1e-7
    )
    with pytest.raises(UsageError, match="float16"):
        compile(f, precision="float16")
    with pytest.raises(UsageError, match="compiled kernels"):
        compile(f, backend="mlx", precision="float64")


def test_float64_arrays():
    with mx.stream(mx.cpu):
        x = mx.array([0.1, 0.7, 1.3], dtype=mx.float64)
        got = compile(lambda x: mx.exp(x).sum(), backend="native")(x)
        assert got.dtype == mx.float64
        np.testing.assert_allclose(np.array(got), np.exp(np.array(x)).sum(), rtol=1e-14)


def test_backends():
    assert compile(lambda x: x + 1.0, backend="mlx")(XS).tolist() == (XS + 1.0).tolist()
    with pytest.raises(UsageError, match="cuda"):
        compile(lambda x: x, backend="cuda")


def test_show_needs_a_call_or_arguments():
    f = compile(lambda x: mx.exp(x).sum(), backend="native")
    with pytest.raises(UsageError, match="nothing was compiled"):
        f.show()
    text = f.show(XS)
    for stage in ("captured", "optimised", "source", "workspace"):
        assert f"---- {stage}" in text or stage in text
    assert "gm_exp" in text
