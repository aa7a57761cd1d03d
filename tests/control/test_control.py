"""Loops and branches: what they mean, plainly, and that capture keeps the meaning."""

from typing import NamedTuple

import mlx.core as mx
import numpy as np
import pytest

from genmlx import control
from genmlx.compiler.capture import CaptureError, capture
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.verify import verify
from genmlx.control import cond, fori_loop, scan, switch, value_and_grad, vmap, while_loop
from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError
from genmlx.numerics.pytree import split_arrays

XS = mx.array([1.0, 2.0, 3.0, 4.0])


def captured(f, *args):
    """The results of ``f`` by capture and the interpreter."""
    region, data = capture(lambda *xs: split_arrays(f(*xs))[0], *args)
    verify(region)
    return interpret(region, [np.array(a) for a in (*args, *data)])


def agrees(f, *args):
    """Plainly and by capture the same."""
    expected = split_arrays(f(*args))[0]
    got = captured(f, *args)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, np.array(b), rtol=1e-6)
    return expected


class State(NamedTuple):
    position: mx.array
    steps: mx.array


def test_scan_carries_and_stacks():
    (total, sums) = agrees(lambda xs: scan(lambda s, x: (s + x, s * x), 1.0, xs), XS)
    assert total.item() == 11.0
    assert sums.tolist() == [1.0, 4.0, 12.0, 28.0]


def test_scan_in_reverse_keeps_the_places():
    (_, sums) = agrees(lambda xs: scan(lambda s, x: (s + x, s + x), 0.0, xs, reverse=True), XS)
    assert sums.tolist() == [10.0, 9.0, 7.0, 4.0]


def test_scan_over_trees():
    def f(xs):
        def step(state, x):
            return State(state.position + x["a"] * x["b"][0], state.steps + 1), {"seen": state.position}

        return scan(step, State(mx.array(0.0), mx.array(0)), {"a": xs, "b": (2.0 * xs,)})

    state, out = f(XS)
    assert state.steps.item() == 4
    assert out["seen"].tolist() == [0.0, 2.0, 10.0, 28.0]
    agrees(f, XS)


def test_scan_by_length_without_inputs_and_without_outputs():
    (x,) = agrees(lambda x: scan(lambda s, _: (2.0 * s, None), x, length=3), mx.array(1.0))
    assert x.item() == 8.0


def test_scan_of_nothing_has_typed_outputs():
    carry, ys = agrees(lambda xs: scan(lambda s, x: (s + x, x > 0), 1.0, xs), mx.zeros((0,)))
    assert carry.item() == 1.0
    assert ys.shape == (0,)
    assert ys.dtype == mx.bool_


def test_scan_closes_over_values_of_the_function_around_it():
    weight = mx.array([1.0, 2.0, 3.0])

    def f(x, y):
        scale = mx.exp(x)
        inner = {"pair": (scale, y)}

        def step(s, e):
            return s + e * inner["pair"][0] * weight.sum() + inner["pair"][1], s

        return scan(step, y, XS)

    agrees(f, mx.array(0.3), mx.array(1.5))


def test_a_body_that_hides_a_traced_value_is_told_so():
    class Holder:
        pass

    def f(x):
        holder = Holder()
        holder.value = x * 2.0
        return scan(lambda s, e: (s + holder.value, None), 0.0, XS)[0]

    with pytest.raises(CaptureError, match="pass it as an operand"):
        captured(f, mx.array(1.0))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda s, x: (mx.stack([s, s]), x), r"float32\[\] and then float32\[2\]"),
        (lambda s, x: ((s, s), x), "and then"),
        (lambda s, x: (s.astype(mx.int32), x), r"float32\[\] and then int32\[\]"),
    ],
)
def test_scan_refuses_a_carry_that_changes(step, message):
    with pytest.raises(ShapeError, match=message):
        scan(step, 0.0, XS)
    with pytest.raises(ShapeError, match=message):
        captured(lambda xs: scan(step, 0.0, xs), XS)


def test_scan_needs_one_length():
    with pytest.raises(ShapeError, match="no inputs and no length"):
        scan(lambda s, x: (s, x), 0.0)
    with pytest.raises(ShapeError, match="lengths"):
        scan(lambda s, x: (s, x), 0.0, (XS, mx.zeros(3)))
    with pytest.raises(ShapeError, match="lengths"):
        scan(lambda s, x: (s, x), 0.0, XS, length=3)


def test_fori_loop_counts():
    (x,) = agrees(lambda x: fori_loop(2, 5, lambda i, s: s + i.astype(mx.float32), x), mx.array(0.0))
    assert x.item() == 9.0
    assert fori_loop(3, 3, lambda i, s: s + 1.0, 0.0).item() == 0.0
    assert fori_loop(5, 3, lambda i, s: s + 1.0, 0.0).item() == 0.0


def test_fori_loop_with_bounds_that_are_values():
    f = lambda n: fori_loop(0, n, lambda i, s: s + i, 0)  # noqa: E731
    (x,) = agrees(f, mx.array(5))
    assert x.item() == 10


def test_while_loop_runs_until_the_condition_fails():
    def f(x, limit):
        return while_loop(lambda s: s[0] < limit, lambda s: (s[0] * 2.0, s[1] + 1), (x, 0))

    x, n = agrees(f, mx.array(1.0), mx.array(100.0))
    assert (x.item(), n.item()) == (128.0, 7)
    x, n = agrees(f, mx.array(1.0), mx.array(0.0))
    assert n.item() == 0


def test_while_loop_closes_over_different_values_in_condition_and_body():
    def f(x):
        limit, factor = x * 50.0, x + 1.0
        return while_loop(lambda s: s < limit, lambda s: s * factor, mx.array(1.0))

    agrees(f, mx.array(2.0))


def test_while_loop_under_mlx_transformations_says_what_to_do():
    f = lambda x: while_loop(lambda s: s < 10.0, lambda s: s * 2.0, x)  # noqa: E731
    with pytest.raises(ControlFlowError):
        mx.vmap(f)(XS)


def test_cond_takes_one_branch():
    f = lambda flag, x: cond(flag, lambda x: x + 1.0, lambda x: x - 1.0, x)  # noqa: E731
    assert f(True, mx.array(1.0)).item() == 2.0
    (x,) = agrees(f, mx.array(False), mx.array(1.0))
    assert x.item() == 0.0
    (x,) = agrees(lambda x: cond(x > 0, lambda: x * 3.0, lambda: x), mx.array(2.0))
    assert x.item() == 6.0


def test_only_the_branch_that_is_taken_runs():
    ran = []
    cond(mx.array(True), lambda: ran.append("yes") or mx.array(1.0), lambda: ran.append("no") or mx.array(0.0))
    assert ran == ["yes"]


def test_switch_takes_the_nearest_branch():
    f = lambda i, x: switch(i, [lambda x: x, lambda x: 2.0 * x, lambda x: 3.0 * x], x)  # noqa: E731
    for i, factor in [(-5, 1.0), (0, 1.0), (1, 2.0), (2, 3.0), (9, 3.0)]:
        (x,) = agrees(f, mx.array(i), mx.array(2.0))
        assert x.item() == 2.0 * factor
        assert f(i, mx.array(2.0)).item() == 2.0 * factor


def test_switch_branches_close_over_different_values():
    def f(i, x):
        a, b = mx.exp(x), mx.sin(x)
        return switch(i, [lambda y: y + a, lambda y: y * b, lambda y: a - b], x)

    for i in range(3):
        agrees(f, mx.array(i), mx.array(0.7))


@pytest.mark.parametrize("other", [lambda x: (x, x), lambda x: mx.stack([x, x]), lambda x: x > 0])
def test_branches_return_one_structure(other):
    with pytest.raises(ShapeError, match="branches return"):
        captured(lambda flag, x: cond(flag, lambda x: x, other, x), mx.array(True), mx.array(1.0))
    with pytest.raises(ShapeError, match="branches return"):
        mx.vmap(lambda flag: cond(flag, lambda x: x, other, mx.array(1.0)))(mx.array([True, False]))


def test_switch_without_branches():
    with pytest.raises(UsageError, match="no branches"):
        switch(0, [])


def test_branches_under_vmap_are_chosen_by_lane():
    f = lambda x: cond(x > 2.0, lambda: -x, lambda: x)  # noqa: E731
    assert mx.vmap(f)(XS).tolist() == [1.0, 2.0, -3.0, -4.0]


def test_vmap_over_axes():
    m = mx.arange(6.0).reshape(2, 3)
    f = lambda m, v: vmap(lambda row, s: (row * s).sum(), in_axes=(1, 0))(m, v)  # noqa: E731
    (out,) = agrees(f, m, mx.array([1.0, 2.0, 3.0]))
    assert out.tolist() == [3.0, 10.0, 21.0]
    (out,) = agrees(lambda m, v: vmap(lambda row, v: row @ v, in_axes=(0, None))(m, v), m, mx.array([1.0, 2.0, 3.0]))
    assert out.tolist() == [8.0, 26.0]


def test_vmap_of_a_while_loop():
    f = lambda x: while_loop(lambda s: s < 10.0, lambda s: s * 2.0, x)  # noqa: E731
    (out,) = agrees(lambda xs: vmap(f)(xs), XS)
    assert out.tolist() == [16.0, 16.0, 12.0, 16.0]


def test_vmap_refuses():
    with pytest.raises(ShapeError):
        vmap(lambda x, y: x + y)(XS, mx.zeros(3))
    with pytest.raises(UsageError, match="in_axes"):
        vmap(lambda x, y: x + y, in_axes=(0,))(XS, XS)
    with pytest.raises(UsageError, match="None"):
        vmap(lambda x: x, in_axes=None)(XS)


def test_nested_loops():
    def f(xs):
        def outer(total, x):
            inner = fori_loop(0, 3, lambda i, s: s + x * i.astype(mx.float32), total)
            inner = cond(inner > 10.0, lambda v: v / 2.0, lambda v: v, inner)
            powers = vmap(lambda p: x**p)(mx.array([1.0, 2.0]))
            return while_loop(lambda s: s > 5.0, lambda s: s - x, inner), powers.sum()

        return scan(outer, 0.0, xs)

    agrees(f, XS)


def test_value_and_grad():
    def f(x, y):
        return scan(lambda s, e: (s * mx.sin(e * x["a"]) + y, None), 1.0, XS)[0] + x["n"].astype(mx.float32)

    x = {"a": mx.array(0.3), "n": mx.array(2)}
    value, gradient = value_and_grad(f)(x, mx.array(0.5))
    h = 1e-3
    up = f({**x, "a": mx.array(0.3 + h)}, mx.array(0.5))
    down = f({**x, "a": mx.array(0.3 - h)}, mx.array(0.5))
    np.testing.assert_allclose(gradient["a"].item(), (up - down).item() / (2 * h), rtol=1e-2)
    assert gradient["n"].item() == 0
    assert value.item() == f(x, mx.array(0.5)).item()


def test_value_and_grad_of_several_with_more_results():
    f = lambda x, y, z: ((x * y).sum(), {"z": z})  # noqa: E731
    (value, aux), (dx, dz) = value_and_grad(f, argnums=(0, 2), has_aux=True)(XS, 2.0, XS)
    assert value.item() == 20.0
    assert dx.tolist() == [2.0] * 4
    assert dz.tolist() == [0.0] * 4
    assert aux["z"].tolist() == XS.tolist()


def test_value_and_grad_needs_a_scalar():
    with pytest.raises(UsageError, match=r"float32\[4\]"):
        value_and_grad(lambda x: x)(XS)
    with pytest.raises(UsageError, match="int32"):
        value_and_grad(lambda x: mx.array(3))(XS)


def test_mlx_gradients_through_a_captured_loop_are_an_error_and_never_zero():
    f = lambda x: scan(lambda s, e: (s * x, None), 1.0, XS)[0]  # noqa: E731
    with pytest.raises(CaptureError, match="control.value_and_grad"):
        captured(mx.grad(f), mx.array(2.0))


def test_the_public_names():
    assert set(control.__all__) == {
        "Compiled",
        "FallbackWarning",
        "compile",
        "cond",
        "fori_loop",
        "is_capturing",
        "scan",
        "switch",
        "value_and_grad",
        "vmap",
        "while_loop",
    }
