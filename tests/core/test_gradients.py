"""Gradients of the score with respect to choices and arguments."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import bernoulli, gen, normal
from helpers.tolerances import assert_gradient_close


@gen
def model(m, sds):
    x = normal(m, 1.0) @ "x"
    k = bernoulli(0.5) @ "k"
    y = normal(x * mx.ones(2), sds) @ ("y", 0)
    return x * x + mx.sum(y) + k


ARGS = (mx.array(0.5), mx.array([1.0, 2.0]))


@pytest.fixture
def trace():
    return model(*ARGS).generate({"x": 0.3, "k": 1, ("y", 0): [1.0, -1.0]}).trace


def test_gradients_of_the_score_in_closed_form(trace):
    result = trace.choice_gradients()
    y = np.array([1.0, -1.0])
    sds = np.array([1.0, 2.0])
    assert_gradient_close(result.gradients["x"], -(0.3 - 0.5) + np.sum((y - 0.3) / sds**2))
    assert_gradient_close(result.gradients["y", 0], -(y - 0.3) / sds**2)
    assert "k" not in result.gradients
    assert result.choices["x"].item() == trace["x"].item()
    assert_gradient_close(result.args[0], 0.3 - 0.5)
    assert_gradient_close(result.args[1], (y - 0.3) ** 2 / sds**3 - 1 / sds)


def test_gradients_of_a_selection(trace):
    result = trace.choice_gradients(gm.select("x"))
    assert result.gradients.paths() == [("x",)]
    assert_gradient_close(result.gradients["x"], trace.choice_gradients().gradients["x"])
    assert trace.choice_gradients(("y", 0)).gradients.paths() == [("y", 0)]
    assert trace.choice_gradients("k").gradients.is_empty


def test_the_gradient_of_a_loss_of_the_return_value_is_added(trace):
    plain, with_loss = trace.choice_gradients(), trace.choice_gradients(retval_gradient=mx.array(2.0))
    assert_gradient_close(with_loss.gradients["x"], plain.gradients["x"] + 2.0 * 2 * 0.3)
    assert_gradient_close(with_loss.gradients["y", 0], plain.gradients["y", 0] + 2.0)


def test_python_numbers_have_no_gradient_and_say_so():
    """The gradient of an argument must never be its value."""
    trace = model(0.5, mx.array([1.0, 2.0])).simulate(key=0)
    args = trace.choice_gradients().args
    assert args[0] is None
    assert args[1].shape == (2,)

    @gen
    def other(n, x, label):
        return normal(x, 1.0) @ "x"

    args = other(mx.array(3), mx.array(1.0), "text").simulate(key=0).choice_gradients().args
    assert args[0] is None
    assert args[2] == "text"
    assert other(1, True, None).simulate(key=0).choice_gradients().args == (None, None, None)


def test_gradients_of_a_batch_are_those_of_each_execution():
    batch = model(*ARGS).simulate(n=3, key=0)
    result = batch.choice_gradients()
    assert result.gradients["y", 0].shape == (3, 2)
    for i in range(3):
        alone = batch.execution(i).choice_gradients()
        assert_gradient_close(result.gradients["x"][i], alone.gradients["x"])
        assert_gradient_close(result.gradients["y", 0][i], alone.gradients["y", 0])


def test_gradients_go_through_python_control_flow():
    """Eagerly the values are known while the gradient is taken."""

    @gen
    def branching():
        x = normal(0.0, 1.0) @ "x"
        return normal(3.0 * x if x > 0 else -x, 1.0) @ "y"

    for x, slope in ((0.5, 3.0), (-0.5, -1.0)):
        trace = branching().generate({"x": x, "y": 1.0}).trace
        assert_gradient_close(trace.choice_gradients().gradients["x"], -x + slope * (1.0 - slope * x))


def test_gradients_reach_choices_of_calls_and_factors():
    @gen
    def inner():
        return normal(0.0, 1.0) @ "z"

    @gen
    def outer():
        z = inner() @ "in"
        gm.factor("f", 2.0 * z)

    trace = outer().generate({("in", "z"): 0.25}).trace
    assert_gradient_close(trace.choice_gradients().gradients["in", "z"], -0.25 + 2.0)


def test_gradients_of_a_model_without_choices_are_empty():
    @gen
    def nothing(x):
        return x

    result = nothing(mx.array(1.0)).simulate(key=0).choice_gradients()
    assert result.gradients.is_empty
    assert result.args[0].item() == 0.0
