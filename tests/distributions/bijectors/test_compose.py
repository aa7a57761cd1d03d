"""Compose, Invert and Independent: laws, event axes, shapes, bijectors as trees."""

import math

import mlx.core as mx
import pytest

from distributions.bijectors.cases import ALL
from genmlx.distributions.bijectors import (
    Angle,
    CholeskyFactor,
    Compose,
    CorrelationCholesky,
    Exp,
    Identity,
    Independent,
    Invert,
    Negate,
    Ordered,
    Scale,
    Shift,
    Sigmoid,
    Simplex,
    UnitVector,
)
from genmlx.numerics import transforms
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import join_arrays, split_arrays
from helpers.tolerances import assert_close, assert_exact

Y = mx.array([-1.2, 0.3, 2.0])


def assert_same(a, b, y):
    assert a.event_ndim_in == b.event_ndim_in
    assert a.event_ndim_out == b.event_ndim_out
    for actual, expected in zip(a.forward_and_log_det(y), b.forward_and_log_det(y), strict=True):
        assert_close(actual, expected)
    x = b.forward(y)
    assert_close(a.inverse(x), b.inverse(x), atol=1e-5)


def test_compose_applies_the_right_one_first():
    b = Shift(1.0) @ Scale(2.0)
    assert isinstance(b, Compose)
    assert_close(b.forward(Y), 1.0 + 2.0 * Y)
    assert_close(b.log_det_jacobian(Y), [math.log(2.0)] * 3)


def test_compose_is_associative_and_has_a_unit():
    a, b, c = Shift(1.0), Exp(), Scale(-0.5)
    assert_same((a @ b) @ c, a @ (b @ c), Y)
    assert_same(Identity() @ b, b, Y)
    assert_same(b @ Identity(), b, Y)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in ALL if c.bijector.one_to_one])
def test_a_bijector_and_its_inverse_cancel(case):
    b = case.bijector
    back = Invert(b)
    y = (0.5 * mx.random.normal((4, *case.unconstrained), key=mx.random.key(3))).astype(mx.float64)
    x, log_det = b.forward_and_log_det(y)
    again, log_det_back = back.forward_and_log_det(x)
    assert_close(again, y, rtol=1e-9, atol=1e-9)
    assert_close(log_det_back, -log_det, rtol=1e-9, atol=1e-9)
    assert_exact(back.inverse(y), x)
    assert back.constrained_shape(x.shape) == y.shape
    assert back.unconstrained_shape(y.shape) == x.shape
    around = back @ b
    assert (around.event_ndim_in, around.event_ndim_out) == (b.event_ndim_in, b.event_ndim_in)
    assert_close(around.forward(y), y, rtol=1e-9, atol=1e-9)
    assert_close(around.log_det_jacobian(y), mx.zeros(log_det.shape), atol=1e-9)
    assert_same(Invert(back), b, y)


def test_event_axes_of_the_parts_are_brought_together():
    elementwise_after_vector = Exp() @ Ordered()
    assert (elementwise_after_vector.event_ndim_in, elementwise_after_vector.event_ndim_out) == (1, 1)
    expected = Ordered().log_det_jacobian(Y) + mx.sum(Ordered().forward(Y))
    assert_close(elementwise_after_vector.log_det_jacobian(Y), expected)

    vector_after_elementwise = Ordered() @ Scale(2.0)
    assert_close(vector_after_elementwise.log_det_jacobian(Y), Ordered().log_det_jacobian(2.0 * Y) + 3 * math.log(2.0))

    angle = Negate() @ Angle()
    assert (angle.event_ndim_in, angle.event_ndim_out, angle.one_to_one) == (1, 0, False)
    assert angle.log_det_jacobian(mx.zeros((4, 2))).shape == (4,)


@pytest.mark.parametrize(
    "bijector", [Simplex(), CholeskyFactor(), CorrelationCholesky(), UnitVector(), Independent(Simplex(), 1)]
)
def test_a_map_of_entries_cannot_follow_where_not_all_are_coordinates(bijector):
    for outer, inner in ((Scale(2.0), bijector), (Negate(), bijector @ Shift(1.0))):
        with pytest.raises(UsageError, match=r"cannot follow[\s\S]*not all coordinates[\s\S]*a bijector of your own"):
            outer @ inner
    if bijector.one_to_one:
        with pytest.raises(UsageError, match="cannot follow"):
            Invert(bijector) @ Exp()


def test_independent_counts_batch_axes_as_event():
    b = Independent(Simplex(), 1)
    y = mx.random.normal((6, 3, 4), key=mx.random.key(0))
    assert (b.event_ndim_in, b.event_ndim_out) == (2, 2)
    assert b.constrained_shape(y.shape) == (6, 3, 5)
    assert b.unconstrained_shape((6, 3, 5)) == y.shape
    x, log_det = b.forward_and_log_det(y)
    assert_close(log_det, mx.sum(Simplex().log_det_jacobian(y), axis=-1))
    assert_close(b.inverse(x), y, atol=1e-5)
    assert_same(Independent(Independent(Exp(), 1), 1), Independent(Exp(), 2), y)
    assert Independent(UnitVector(), 1).one_to_one is False


@pytest.mark.parametrize("bijector", [UnitVector(), Angle(), Negate() @ Angle(), Independent(UnitVector(), 1)])
def test_what_is_not_one_to_one_has_no_inverse_bijector(bijector):
    with pytest.raises(UsageError, match="not one-to-one"):
        Invert(bijector)


def test_a_bijector_is_a_tree_of_its_arrays():
    b = Shift(mx.array([1.0, 2.0])) @ Invert(Independent(Sigmoid(mx.array([0.0, 1.0]), 4.0), 0)) @ Ordered()
    arrays, structure = split_arrays(b)
    assert [a.tolist() for a in arrays] == [[1.0, 2.0], [0.0, 1.0]]
    again = join_arrays(structure, arrays)
    assert repr(again) == repr(b)
    assert (again.event_ndim_in, again.event_ndim_out) == (b.event_ndim_in, b.event_ndim_out)


def test_vmap_maps_over_the_bounds_in_a_bijector():
    b = Sigmoid(mx.array([0.0, 1.0, 5.0]), mx.array([1.0, 2.0, 9.0]))
    f = lambda b, y: b.forward_and_log_det(y)  # noqa: E731
    for actual, expected in zip(transforms.vmap(f)(b, Y), b.forward_and_log_det(Y), strict=True):
        assert_close(actual, expected)
    for actual, expected in zip(transforms.one_by_one(f)(b, Y), b.forward_and_log_det(Y), strict=True):
        assert_close(actual, expected)
