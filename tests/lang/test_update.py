"""update, in closed form: discard, vanished addresses, new arguments, and the weight without fresh choices."""

import mlx.core as mx
import pytest

import genmlx as gm
from genmlx import bernoulli, gen, normal
from helpers.tolerances import assert_close, assert_exact
from helpers.traces import assert_same_choices


def lp(x, mu, sd):
    return normal(mu, sd).log_prob(x)


@gen
def branching():
    """Both branches make "y"; only one of them makes "x", and only the other "z"."""
    if bernoulli(0.3) @ "heads":
        x = normal(0.0, 1.0) @ "x"
        return normal(x, 0.5) @ "y"
    z = normal(1.0, 2.0) @ "z"
    return normal(z, 3.0) @ "y"


HEADS = {"heads": 1, "x": 0.2, "y": 0.7}
TAILS = {"heads": 0, "z": 1.5, "y": 0.7}


def test_update_returns_the_discarded_choices():
    trace = branching().generate(HEADS).trace
    result = trace.update({"x": 1.0})
    assert result.discard.paths() == [("x",)]
    assert_exact(result.discard["x"], trace["x"])
    assert result.trace["x"].item() == 1.0
    assert_exact(result.trace["y"], trace["y"])


def test_the_weight_is_the_change_of_score_when_nothing_is_fresh():
    trace = branching().generate(HEADS).trace
    result = trace.update({"x": 1.0, "y": 0.0})
    expected = lp(1.0, 0.0, 1.0) + lp(0.0, 1.0, 0.5) - lp(0.2, 0.0, 1.0) - lp(0.7, 0.2, 0.5)
    assert_close(result.weight, expected)
    assert_close(result.weight, result.trace.score - trace.score)


def test_addresses_that_vanish_are_discarded_and_charged():
    trace = branching().generate(HEADS).trace
    result = trace.update({"heads": 0, "z": 1.5})
    assert set(result.discard.paths()) == {("heads",), ("x",)}
    old = mx.log(mx.array(0.3)) + lp(0.2, 0.0, 1.0) + lp(0.7, 0.2, 0.5)
    new = mx.log(mx.array(0.7)) + lp(1.5, 1.0, 2.0) + lp(0.7, 1.5, 3.0)
    assert_close(trace.score, old)
    assert_close(result.weight, new - old)
    assert "x" not in result.trace


def test_fresh_choices_do_not_count():
    trace = branching().generate(HEADS).trace
    result = trace.update({"heads": 0}, key=1)
    z = result.trace["z"]
    old = mx.log(mx.array(0.3)) + lp(0.2, 0.0, 1.0) + lp(0.7, 0.2, 0.5)
    assert_close(result.weight, mx.log(mx.array(0.7)) + lp(0.7, z, 3.0) - old, atol=1e-5)
    assert_close(result.trace.score, result.weight + old + lp(z, 1.0, 2.0), atol=1e-5)
    assert_exact(result.trace["z"], trace.update({"heads": 0}, key=1).trace["z"])
    assert trace.update({"heads": 0}, key=2).trace["z"].item() != z.item()


def test_a_flip_and_its_discard_cancel():
    trace = branching().generate(HEADS).trace
    there = trace.update({"heads": 0, "z": 1.5})
    back = there.trace.update(there.discard)
    assert_same_choices(back.trace.choices, trace.choices)
    assert_close(back.weight, -there.weight)
    assert_same_choices(back.discard, gm.choicemap({"heads": mx.array(0), "z": 1.5}))


def test_a_kept_value_of_zero_is_kept():
    """Whether an old value exists is not whether it is true."""
    trace = branching().generate({"heads": 0, "z": 0.0, "y": 0.0}).trace
    result = trace.update({"y": 1.0})
    assert result.trace["heads"].item() == 0
    assert result.trace["z"].item() == 0.0
    assert result.discard["y"].item() == 0.0
    assert result.discard.paths() == [("y",)]


@gen
def line(xs):
    slope = normal(0.0, 10.0) @ "slope"
    for j, x in enumerate(xs):
        normal(slope * x, 1.0) @ f"y{j}"
    return slope


def test_new_arguments_add_and_remove_choices():
    trace = line([1.0, 2.0]).generate({"slope": 1.0, "y0": 0.5, "y1": 2.5}).trace
    longer = trace.update({"y2": 2.0}, args=([1.0, 2.0, 3.0],))
    assert_close(longer.weight, lp(2.0, 3.0, 1.0))
    assert longer.discard.is_empty
    shorter = trace.update(args=([1.0],))
    assert_close(shorter.weight, -lp(2.5, 2.0, 1.0))
    assert shorter.discard.paths() == [("y1",)]
    fresh = trace.update(args=([1.0, 2.0, 3.0],), key=1)
    assert_close(fresh.weight, 0.0)
    moved = trace.update(args=([2.0, 2.0],))
    assert_close(moved.weight, lp(0.5, 2.0, 1.0) - lp(0.5, 1.0, 1.0))


def test_observing_a_fresh_choice_later_is_not_free():
    """A choice drawn from the prior and then overwritten is charged its old density and credited the new one."""
    trace = line([1.0]).simulate(key=0)
    grown = trace.update(args=([1.0, 2.0],), key=1)
    overwritten = grown.trace.update({"y1": 0.0})
    at_once = trace.update({"y1": 0.0}, args=([1.0, 2.0],))
    fresh = grown.trace.project("y1")
    assert_close(grown.weight + overwritten.weight, at_once.weight - fresh, atol=1e-5)


def test_a_constraint_equal_to_the_old_value_is_still_discarded():
    trace = line([1.0]).simulate(key=0)
    result = trace.update({"slope": trace["slope"]})
    assert result.discard.paths() == [("slope",)]
    assert_close(result.weight, 0.0)


@gen
def either(which):
    """One address: a choice, a model, another model."""
    x = normal(0.0, 1.0) @ "x"
    if which == "choice":
        return normal(x, 1.0) @ "a"
    if which == "first":
        return first(x) @ "a"
    return second(x) @ "a"


@gen
def first(x):
    p = normal(x, 1.0) @ "p"
    return normal(p, 1.0) @ "q"


@gen
def second(x):
    q = normal(x, 2.0) @ "q"
    return normal(q, 1.0) @ "r"


def test_another_model_at_an_address_keeps_what_the_two_share():
    trace = either("first").simulate(key=0)
    x, p, q = trace["x"], trace["a", "p"], trace["a", "q"]
    result = trace.update({"a": {"r": 0.5}}, args=("second",))
    assert result.discard.paths() == [("a", "p")]
    assert_exact(result.trace["a", "q"], q)
    expected = lp(q, x, 2.0) + lp(0.5, q, 1.0) - lp(p, x, 1.0) - lp(q, p, 1.0)
    assert_close(result.weight, expected, atol=1e-5)
    back = result.trace.update(result.discard, args=("first",))
    assert_same_choices(back.trace.choices, trace.choices)
    assert_close(back.weight, -result.weight, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [("choice", "first"), ("first", "choice"), ("second", "choice")])
def test_another_kind_at_an_address_replaces_all_of_it(before, after):
    trace, wanted = either(before).simulate(key=0), either(after).simulate(key=1).choices.filter(gm.select("a"))
    result = trace.update(wanted, args=(after,))
    assert_same_choices(result.discard, trace.choices.filter(gm.select("a")))
    assert_close(result.weight, result.trace.score - trace.score, atol=1e-5)
    assert_close(result.trace.score, either(after).assess(result.trace.choices).weight)
    back = result.trace.update(result.discard, args=(before,))
    assert_same_choices(back.trace.choices, trace.choices)
    assert_close(back.weight, -result.weight, atol=1e-5)
    fresh = trace.update(args=(after,), key=2)
    assert_close(fresh.weight, -trace.project("a"), atol=1e-5)


def test_a_call_that_vanishes_takes_its_choices_along():
    @gen
    def maybe(on):
        x = normal(0.0, 1.0) @ "x"
        if on:
            first(x) @ ("in", 0)
        return x

    trace = maybe(True).simulate(key=0)
    result = trace.update(args=(False,))
    assert result.discard.paths() == [("in", 0, "p"), ("in", 0, "q")]
    assert_close(result.weight, -trace.project("in"))
    back = result.trace.update(result.discard, args=(True,))
    assert_same_choices(back.trace.choices, trace.choices)


def test_infinite_scores_make_infinite_weights_not_nan():
    @gen
    def bounded():
        x = gm.uniform(0.0, 1.0) @ "x"
        return normal(x, 1.0) @ "y"

    trace = bounded().simulate(key=0)
    out = trace.update({"x": 2.0})
    assert out.weight.item() == -mx.inf
    back = out.trace.update({"x": 0.5})
    assert back.weight.item() == mx.inf
    assert mx.isfinite(back.trace.score).item()
