"""Bounds that depend on other choices: values, gradients through the bounds, infinite and crossed bounds."""

import math

import mlx.core as mx
import numpy as np
import pytest

from genmlx.distributions.bijectors import (
    ArrayBounds,
    Exp,
    Identity,
    LowerBounded,
    Scale,
    Shift,
    Sigmoid,
    UpperBounded,
    bijector_for,
    saturation,
)
from genmlx.numerics import domains
from genmlx.numerics.errors import DomainError, ShapeError
from helpers.tolerances import assert_close, assert_exact

INF = math.inf
LOWER = [-2.0, 0.5, -INF, -INF, 0.0, -1e3]
UPPER = [3.0, INF, 1.5, INF, 1.0, 1e3]


def static(lower, upper):
    return bijector_for(domains.interval(lower, upper))


def test_array_bounds_do_element_by_element_what_numbers_do():
    y = mx.random.normal((50, 6), key=mx.random.key(0)) * 3.0
    b = ArrayBounds(mx.array(LOWER), mx.array(UPPER))
    x, log_det = b.forward_and_log_det(y)
    back = b.inverse(x)
    kinds = [type(static(lo, hi)) for lo, hi in zip(LOWER, UPPER, strict=True)]
    assert kinds == [Sigmoid, LowerBounded, UpperBounded, Identity, Sigmoid, Sigmoid]
    for i, (lo, hi) in enumerate(zip(LOWER, UPPER, strict=True)):
        expected = static(lo, hi)
        assert_close(x[:, i], expected.forward(y[:, i]))
        assert_close(log_det[:, i], expected.log_det_jacobian(y[:, i]))
        assert_close(back[:, i], expected.inverse(expected.forward(y[:, i])))


@pytest.mark.parametrize("of", ["forward", "log_det_jacobian", "inverse"])
@pytest.mark.parametrize("kind", [Sigmoid, ArrayBounds, LowerBounded, UpperBounded, Shift, Scale])
def test_gradients_flow_through_the_parameters(kind, of):
    y = mx.array([-20.0, -1.3, 0.0, 0.4, 4.0, 9.0], dtype=mx.float64)
    parameters = [mx.array(p, dtype=mx.float64) for p in ([-2.0], [3.0])][: 2 if kind in (Sigmoid, ArrayBounds) else 1]
    parameters = [mx.broadcast_to(p, y.shape) for p in parameters]
    values = kind(*parameters).forward(0.3 * y) if of == "inverse" else y
    f = lambda *p: getattr(kind(*p), of)(values)  # noqa: E731
    for i in range(len(parameters)):
        found = mx.grad(lambda *p: mx.sum(f(*p)), argnums=i)(*parameters)
        h = 1e-6
        high, low = ([p + s * h * (i == j) for j, p in enumerate(parameters)] for s in (1.0, -1.0))
        assert_close(found, (f(*high) - f(*low)) / (2 * h), rtol=1e-6, atol=1e-7)


def test_a_target_with_bounds_from_another_choice_has_the_right_gradient():
    def log_density(z):  # width ~ Exp(1), x ~ Uniform(0, width) in unconstrained coordinates
        width, log_det_width = Exp().forward_and_log_det(z[0])
        b = bijector_for(domains.interval(0.0, width))
        x, log_det_x = b.forward_and_log_det(z[1])
        return -width - mx.log(width) - 0.0 * x + log_det_width + log_det_x

    z = mx.array([0.3, -0.8])
    w, s = math.exp(0.3), 1 / (1 + math.exp(0.8))
    assert_close(log_density(z), -w + 0.3 + math.log(s * (1 - s)))
    assert_close(mx.grad(log_density)(z), [1 - w, 1 - 2 * s])
    batch = mx.random.normal((7, 2), key=mx.random.key(1))
    assert_close(mx.vmap(mx.grad(log_density))(batch), mx.stack([mx.grad(log_density)(z) for z in batch]))


def test_infinite_bounds_have_gradient_zero():
    y = mx.array([0.4, -3.0, 1e4, -1e4, 0.0, 88.0])
    f = lambda y, lo, hi: sum(map(mx.sum, ArrayBounds(lo, hi).forward_and_log_det(y)))  # noqa: E731
    grads = mx.grad(f, argnums=(0, 1, 2))(y, mx.array(LOWER), mx.array(UPPER))
    assert all(np.all(np.isfinite(np.array(g))) for g in grads)
    assert np.all(np.array(grads[1])[np.isinf(LOWER)] == 0.0)
    assert np.all(np.array(grads[2])[np.isinf(UPPER)] == 0.0)


def test_crossed_bounds_have_no_density_and_no_nan():
    y = mx.array([0.3, -2.0])
    for kind in (Sigmoid, ArrayBounds):
        b = kind(mx.array([1.0, 2.0]), mx.array([1.0, -2.0]))
        x, log_det = b.forward_and_log_det(y)
        assert np.all(np.isfinite(np.array(x)))
        assert log_det.tolist() == [-INF, -INF]
        grads = mx.grad(
            lambda y, lo, hi, kind=kind: mx.sum(mx.arctan(kind(lo, hi).log_det_jacobian(y))), argnums=(0, 1, 2)
        )(y, b.lower, b.upper)
        assert not any(np.isnan(np.array(g)).any() for g in grads)


def test_a_nan_bound_is_not_silent():
    x, log_det = ArrayBounds(mx.array(math.nan), mx.array(1.0)).forward_and_log_det(0.0)
    assert math.isnan(x.item())
    assert not math.isfinite(log_det.item())


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 1.0), (2.0, 1.0), (0.0, INF), (-INF, 0.0), (math.nan, 1.0)])
def test_numbers_that_are_no_bounds_are_an_error(lower, upper):
    with pytest.raises(DomainError, match=r"must be finite and increase[\s\S]*bijector_for"):
        Sigmoid(lower, upper)


def test_scale_zero_is_an_error():
    with pytest.raises(DomainError, match="must not be 0"):
        Scale(0.0)


@pytest.mark.parametrize("kind", [Shift, Scale, LowerBounded, UpperBounded])
@pytest.mark.parametrize("of", ["forward", "inverse"])
def test_a_parameter_larger_than_the_value_is_an_error(kind, of):
    for shape in ((), (3,), (5, 1)):
        with pytest.raises(ShapeError, match=r"shape \(5,\), which does not broadcast[\s\S]*one unconstrained value"):
            getattr(kind(mx.ones(5)), of)(mx.zeros(shape))
    assert getattr(kind(mx.ones(5)), of)(mx.zeros((3, 5))).shape == (3, 5)


def test_bounds_of_more_precision_lift_the_value():
    b = Sigmoid(mx.array(0.1, dtype=mx.float64), mx.array(0.7, dtype=mx.float64))
    assert b.forward(mx.array(0.5)).dtype == mx.float64
    assert Sigmoid(mx.array(0), mx.array(2)).forward(0.0).item() == 1.0  # integers are bounds


# ---- the floats beside a bound --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [mx.float32, mx.float64], ids=["float32", "float64"])
def test_just_above_and_just_below_are_the_next_floats(dtype):
    as_number = np.float32 if dtype == mx.float32 else np.float64
    rng = np.random.default_rng(0)
    bounds = np.concatenate(
        [rng.normal(size=2000) * 10.0 ** rng.integers(-20, 20, 2000), [1.0, -1.0, 2.0, 0.5, 1.9999999]]
    )
    bounds = bounds.astype(as_number)
    bounds = np.concatenate([bounds, np.nextafter(as_number(1), as_number([0, 2]))])
    up, down = np.nextafter(bounds, as_number(np.inf)), np.nextafter(bounds, as_number(-np.inf))
    assert_exact(saturation.just_above(mx.array(bounds), dtype), mx.array(up))
    assert_exact(saturation.just_below(mx.array(bounds), dtype), mx.array(down))
    for bound, u, d in zip(bounds[:300].tolist(), up.tolist(), down.tolist(), strict=False):
        assert as_number(saturation.just_above(bound, dtype)) == u
        assert as_number(saturation.just_below(bound, dtype)) == d
    assert saturation.just_above(0.0, dtype) > 0.0 > saturation.just_below(0.0, dtype)


@pytest.mark.parametrize("lower", [0.1, 1e-3, -0.3, 1e6])
def test_a_number_as_bound_means_its_float32(lower):
    x = LowerBounded(lower).forward(mx.array(-80.0))
    assert np.array(x) == np.nextafter(np.float32(lower), np.float32(np.inf))


@pytest.mark.parametrize("dtype", [mx.float32, mx.float64], ids=["float32", "float64"])
def test_exp_has_the_accuracy_of_its_dtype(dtype):
    limit = saturation.LIMIT[dtype]
    x = np.array(mx.array(np.linspace(-limit, limit, 5001), dtype=dtype)).astype(np.longdouble)
    found = np.array(saturation.exp(mx.array(x.astype(np.float64), dtype=dtype))).astype(np.longdouble)
    eps = 2.0**-23 if dtype == mx.float32 else 2.0**-52
    allowed = 0.75 * np.abs(x) + 2 if dtype == mx.float32 else 2.0  # mx.exp in float32, ours in float64
    assert np.all(np.abs(found / np.exp(x) - 1) <= allowed * eps)


def test_derivatives_of_exp_are_exp():
    f = saturation.exp
    for y in (-700.0, -3.3, 0.0, 0.3, 600.0):
        for g in (mx.grad(f), mx.grad(mx.grad(f)), mx.grad(mx.grad(mx.grad(f)))):
            assert_close(g(mx.array(y, dtype=mx.float64)), math.exp(y), rtol=1e-14, atol=0.0)
