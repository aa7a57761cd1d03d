"""MLX arrays change in place; what a trace has recorded does not."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.gfi import zero
from genmlx.numerics.errors import UsageError
from genmlx.numerics.fixed import Fixed, fixed
from helpers.tolerances import assert_close, assert_exact
from helpers.traces import assert_same_choices


@gen
def total(start):
    """Adds up in place, beginning with a choice and with an argument."""
    t = normal(0.0, 1.0) @ "a"
    t += normal(0.0, 1.0) @ "b"
    t *= 2.0
    start += t
    return start


def test_a_model_that_adds_up_in_place_keeps_its_choices_and_arguments():
    start = mx.array(1.0)
    trace = total(start).simulate(key=0)
    assert start.item() == 1.0
    assert trace.args[0].item() == 1.0
    assert_close(trace.retval, 1.0 + 2.0 * (trace["a"] + trace["b"]))
    assert_close(total(start).assess(trace.choices).weight, trace.score)
    assert_close(trace.score, normal(0.0, 1.0).log_prob(trace["a"]) + normal(0.0, 1.0).log_prob(trace["b"]))
    assert_same_choices(trace.regenerate(gm.NONE, key=1).trace.choices, trace.choices)
    for n in (None, 3):
        one, two = (total(start).simulate(n=n, key=0) for _ in range(2))
        assert_same_choices(one.choices, two.choices)
        assert_exact(one.retval, two.retval)


def test_return_values_of_calls_are_not_changed_by_the_caller():
    @gen
    def inner():
        x = normal(0.0, 1.0) @ "x"
        return {"scaled": 3.0 * x, "pair": (x + 1.0, x)}

    @gen
    def outer():
        r = inner() @ "in"
        y = r["scaled"]
        y += 100.0
        z = r["pair"][0]
        z -= 100.0
        return y + z

    trace = outer().simulate(key=0)
    (_, part), *_ = trace.subtraces()
    assert_close(part.retval["scaled"], 3.0 * trace["in", "x"])
    assert_close(part.retval["pair"][0], trace["in", "x"] + 1.0)


@pytest.mark.parametrize("what", ["choice", "score", "retval", "weight", "nothing", "constraint"])
def test_results_are_not_changed_from_outside(what):
    given = mx.array(0.5)
    trace, weight = total(1.0).generate({"a": given}, key=0)
    before = trace["a"].item(), trace.score.item(), trace.retval.item()
    _, nothing = total(1.0).generate({}, key=0)
    x = {
        "choice": trace["a"],
        "score": trace.score,
        "retval": trace.retval,
        "weight": weight,
        "nothing": nothing,
        "constraint": given,
    }[what]
    x += 1.0
    x *= 2.0
    assert (trace["a"].item(), trace.score.item(), trace.retval.item()) == before
    assert trace.choices["a"].item() == 0.5
    assert total(1.0).generate({}, key=0).weight.item() == 0.0
    assert zero.item() == 0.0


def test_assignment_to_elements_is_an_error_that_says_how():
    @gen
    def model():
        theta = normal(mx.zeros(3), 1.0) @ "theta"
        theta[0] = 0.0
        return theta

    for n in (None, 2):
        with pytest.raises(UsageError, match=r"(?s)cannot be changed in place.*x = mx.array\(x\) makes a copy"):
            model().simulate(n=n, key=0)

    @gen
    def copying():
        theta = mx.array(normal(mx.zeros(3), 1.0) @ "theta")
        theta[0] = 0.0
        return theta

    trace = copying().simulate(key=0)
    assert trace.retval[0].item() == 0.0
    assert trace["theta"][0].item() != 0.0
    assert_close(copying().assess(trace.choices).weight, trace.score)
    assert copying().simulate(n=2, key=0).retval[:, 0].tolist() == [0.0, 0.0]


def test_every_operator_in_place_leaves_a_fixed_array_alone():
    a = fixed(mx.array([6, 7]))
    for name in ("add", "sub", "mul", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift", "pow", "truediv"):
        result = getattr(a, f"__i{name}__")(mx.array([2, 2]))
        assert_close(result, getattr(np.array([6, 7]), f"__{name}__")(np.array([2, 2])))
        assert a.tolist() == [6, 7]
    m = fixed(mx.eye(2))
    m @= 2.0 * mx.eye(2)
    assert m.tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_fixing_an_array_is_no_operation(tmp_path):
    """A trace of a million executions would hold every array twice."""

    def operations(x):
        mx.export_to_dot(str(tmp_path / "graph.dot"), x)
        return (tmp_path / "graph.dot").read_text().count("shape=rectangle")

    x = mx.ones(3) + 1.0
    assert operations(fixed(x)) == operations(x) > 0
    mx.eval(fixed(x))
    assert fixed(x).tolist() == x.tolist() == [2.0] * 3


def test_fixed_arrays_are_arrays():
    a = fixed(mx.array([1.0, 2.0]))
    assert isinstance(a, mx.array)
    assert fixed(a) is a
    assert type(a + 1.0) is mx.array
    assert type(mx.array(a)) is mx.array
    assert repr(a) == repr(mx.array([1.0, 2.0]))
    assert mx.stack([a, a]).shape == (2, 2)
    assert mx.grad(lambda x: mx.sum(fixed(x) * x))(mx.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert mx.vmap(lambda x: fixed(x) * 2)(a).tolist() == [2.0, 4.0]
    assert mx.compile(lambda x: fixed(x) * 2)(a).tolist() == [2.0, 4.0]
    tree = fixed({"x": mx.array(1.0), "n": 3, "l": [mx.array(2.0), "text"]})
    assert isinstance(tree["x"], Fixed)
    assert isinstance(tree["l"][0], Fixed)
    assert tree["l"][1] == "text"
    assert fixed("text") == "text"
    assert fixed(None) is None
