"""vmap, one_by_one and value_and_grad over trees."""

import dataclasses

import mlx.core as mx
import numpy as np
import pytest

from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError
from genmlx.numerics.transforms import explain_control_flow, one_by_one, value_and_grad, vmap, where
from helpers.tolerances import assert_close, assert_exact

MAPPERS = pytest.mark.parametrize("mapper", [vmap, one_by_one])


@MAPPERS
def test_arrays_are_mapped_and_the_rest_is_shared(mapper):
    def f(tree, factor):
        return {"out": factor * tree["x"] + mx.sum(tree["v"]), "same": tree["x"], "n": tree["n"], "one": mx.array(1.0)}

    result = mapper(f)({"x": mx.arange(3.0), "v": mx.ones((3, 2)), "n": 7}, 10.0)
    assert result["out"].tolist() == [2.0, 12.0, 22.0]
    assert result["same"].tolist() == [0.0, 1.0, 2.0]
    assert result["one"].tolist() == [1.0, 1.0, 1.0]
    assert result["n"] == 7


@MAPPERS
def test_one_array_returned_twice_and_given_twice(mapper):
    a = mx.arange(6.0).reshape(3, 2)
    result = mapper(lambda x, y: (x, y, x.astype(x.dtype), x + y, mx.swapaxes(mx.stack([x, y]), 0, 1)))(a, a)
    for one in result[:3]:
        assert_exact(one, a)
    assert_exact(result[3], 2 * a)
    assert result[4].shape == (3, 2, 2)


@MAPPERS
@pytest.mark.parametrize(
    "args", [(mx.zeros(3), mx.zeros(4)), (mx.zeros(3), mx.array(0.0)), (mx.zeros(0), mx.zeros(0)), (1.0, 2.0)]
)
def test_leading_axes_must_be_of_one_size(mapper, args):
    with pytest.raises(ShapeError, match="to map over"):
        mapper(lambda x, y: x)(*args)


def test_one_by_one_needs_one_structure_and_one_shape():
    with pytest.raises(ShapeError, match="executions 0 and 2 made different choices or results"):
        one_by_one(lambda x: x if x.item() < 2 else (x, x))(mx.arange(3))
    with pytest.raises(ShapeError, match="executions 0 and 2 made different choices or results"):
        one_by_one(lambda x: (x, "a" if x.item() < 2 else "b"))(mx.arange(3))
    with pytest.raises(ShapeError, match="executions 0 and 1 made arrays of different shapes"):
        one_by_one(lambda x: mx.zeros(1 + int(x.item())))(mx.arange(3))


@MAPPERS
def test_errors_of_the_function_pass(mapper):
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        mapper(broken)(mx.arange(3))


def test_a_value_needed_under_vmap_names_the_line():
    def f(x):
        return 1.0 if x > 0 else x  # HERE

    with pytest.raises(ControlFlowError, match=r'test_transforms.py:\d+ \(f\): "return 1.0 if x > 0 else x  # HERE"'):
        vmap(f)(mx.arange(3.0))
    assert isinstance(pytest.raises(ControlFlowError, lambda: vmap(f)(mx.arange(3.0))).value.__cause__, ValueError)
    with pytest.raises(ControlFlowError), explain_control_flow():
        mx.vmap(f)(mx.arange(3.0))


def test_other_value_errors_are_not_explained():
    with pytest.raises(ValueError, match="^mine$"), explain_control_flow():
        raise ValueError("mine")


@dataclasses.dataclass
class State:
    x: mx.array


def test_arrays_inside_a_dataclass_do_not_escape():
    """They would be arrays without a value."""
    with pytest.raises(UsageError, match=r"(?s)inside State, which is a dataclass.*a tuple, a dict or a NamedTuple"):
        vmap(lambda x: State(x + 1.0))(mx.arange(3.0))
    constant = State(mx.array(2.0))
    assert vmap(lambda x: (constant, x * constant.x))(mx.arange(3.0))[0] is constant


def test_gradients_of_a_tree():
    tree = {"x": mx.array([1.0, 2.0]), "k": mx.array([1, 2]), "n": 3, "y": (mx.array(2.0),)}
    value, gradient = value_and_grad(lambda t: mx.sum(t["x"] ** 2 * t["k"]) * t["y"][0] * t["n"])(tree)
    assert_close(value, (1 + 8) * 2 * 3)
    assert_close(gradient["x"], np.array([1.0 * 2, 2.0 * 2 * 2]) * 6)
    assert_close(gradient["y"][0], 27.0)
    assert gradient["k"].tolist() == [0, 0]
    assert gradient["n"] == 3


def test_gradient_of_a_tree_without_floats():
    value, gradient = value_and_grad(lambda t: mx.array(1.0) * t["k"])({"k": mx.array(2)})
    assert value.item() == 2.0
    assert gradient["k"].item() == 0


def test_one_array_in_two_places_has_two_gradients():
    x = mx.array(3.0)
    _, gradient = value_and_grad(lambda t: t[0] * 2 + t[1] * t[1])([x, x])
    assert [g.item() for g in gradient] == [2.0, 6.0]


def test_where_chooses_along_leading_axes():
    flag = mx.array([True, False])
    a, b = {"s": mx.array([1.0, 2.0]), "m": mx.ones((2, 3))}, {"s": mx.array([-1.0, -2.0]), "m": mx.zeros((2, 3))}
    chosen = where(flag, a, b)
    assert chosen["s"].tolist() == [1.0, -2.0]
    assert chosen["m"].tolist() == [[1.0] * 3, [0.0] * 3]
    assert where(mx.array(True), a, b)["m"].tolist() == a["m"].tolist()
