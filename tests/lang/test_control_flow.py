"""Python control flow over random values: free eagerly, an error with the user's line where values do not exist."""

import math

import mlx.core as mx
import numpy as np
import pytest

from genmlx import gen, normal
from genmlx.numerics.errors import ControlFlowError, GenMLXError

USES = {
    "if": lambda x: 1.0 if x > 0 else 2.0,
    "while": lambda x: [None for _ in iter(lambda: bool(x > 100), False)],
    "and": lambda x: x > 0 and x < 1,
    "float": float,
    "int": int,
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "math": math.exp,
    "range": lambda x: range(x.astype(mx.int32)),
    "list index": lambda x: [1.0, 2.0][(x > 0).astype(mx.int32)],
    "NumPy": np.array,
    "NumPy function": np.exp,
    "format": lambda x: f"{x:.2f}",
    "print": str,
    "eval": mx.eval,
    "address": lambda x: normal(0.0, 1.0) @ f"y{int(x)}",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_values_needed_in_a_vectorised_run_are_an_error_that_names_the_line(use):
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        use(x)  # THE LINE
        return x

    model().simulate(key=0)  # eagerly anything goes
    for_each = {"x": mx.arange(3.0)}
    methods = [
        lambda: model().simulate(n=3, key=0),
        lambda: model().generate(for_each, n=3, key=0),
        lambda: model().assess(for_each, n=3),
        lambda: model().propose(n=3, key=0),
    ]
    for method in methods:
        with pytest.raises(ControlFlowError) as caught:
            method()
        text = str(caught.value)
        assert "the model is vectorised" in text
        assert "test_control_flow.py" in text
        for way_out in ("mx.where", "gm.Switch", "gm.Mask", "control.cond", "without n="):
            assert way_out in text


def test_the_line_named_is_the_users():
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        if x > 0:  # THE LINE
            return 1.0
        return 2.0

    with pytest.raises(ControlFlowError, match=r'in .*test_control_flow.py:\d+ \(model\): "if x > 0:  # THE LINE"'):
        model().simulate(n=3, key=0)


def test_the_line_named_is_the_innermost():
    def helper(x):
        return float(x)  # IN THE HELPER

    @gen
    def inner(x):
        y = normal(x, 1.0) @ "y"
        return helper(y)

    @gen
    def model():
        return inner(normal(0.0, 1.0) @ "x") @ "in"

    with pytest.raises(ControlFlowError, match=r'\(helper\): "return float\(x\)  # IN THE HELPER"'):
        model().simulate(n=3, key=0)


def test_control_flow_over_arguments_is_free():
    @gen
    def model(xs, flag):
        total = 0.0
        for j, x in enumerate(xs):
            total = total + normal(x, 1.0) @ f"y{j}"
        return total if flag else -total

    assert model([1.0, 2.0], True).simulate(n=3, key=0).score.shape == (3,)


def test_values_that_all_executions_share_are_known():
    """Nothing is vectorised over them, so Python may look at them."""

    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        return normal(0.0, 1.0) @ ("up" if x > 0 else "down")

    trace, _ = model().generate({"x": 1.0}, n=3, key=0)
    assert trace["up"].shape == (3,)


def test_updates_of_a_batch_say_so_too():
    """The branch depends on an argument in the first run, and on a value in the update."""

    @gen
    def model(eager):
        x = normal(0.0, 1.0) @ "x"
        if not eager and x > 0:
            return 1.0
        return 2.0

    batch = model(True).simulate(n=3, key=0)
    for method in (lambda: batch.update(args=(False,)), lambda: batch.regenerate("x", args=(False,), key=0)):
        with pytest.raises(ControlFlowError, match=r'"if not eager and x > 0:"'):
            method()


def test_where_is_the_way_out():
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        return normal(mx.where(x > 0, 3.0 * x, -x), 1.0) @ "y"

    assert model().simulate(n=3, key=0).score.shape == (3,)


def test_other_value_errors_pass_unchanged():
    @gen
    def model():
        normal(0.0, 1.0) @ "x"
        raise ValueError("mine")

    with pytest.raises(ValueError, match="^mine$") as caught:
        model().simulate(n=3, key=0)
    assert not isinstance(caught.value, GenMLXError)
