"""regenerate, in closed form: only retained choices are weighed, each under its own context."""

import mlx.core as mx
import numpy as np

import genmlx as gm
from genmlx import bernoulli, gen, normal
from helpers.tolerances import assert_close, assert_exact


def lp(x, mu, sd):
    return normal(mu, sd).log_prob(x)


@gen
def chain():
    a = normal(0.0, 1.0) @ "a"
    b = normal(a, 1.0) @ "b"
    return normal(b, 1.0) @ "c"


def test_the_weight_is_that_of_the_choices_below_the_selected_one():
    trace = chain().simulate(key=0)
    result = trace.regenerate("a", key=1)
    a, new = trace["a"], result.trace["a"]
    assert a.item() != new.item()
    assert_exact(result.trace["b"], trace["b"])
    assert_close(result.weight, lp(trace["b"], new, 1.0) - lp(trace["b"], a, 1.0), atol=1e-5)


def test_selected_choices_that_depend_on_each_other_do_not_count():
    """The old value of one must not be weighed under the new value of the other."""
    trace = chain().simulate(key=0)
    result = trace.regenerate(gm.select("a", "b"), key=1)
    expected = lp(trace["c"], result.trace["b"], 1.0) - lp(trace["c"], trace["b"], 1.0)
    assert_close(result.weight, expected, atol=1e-5)
    assert trace.regenerate(gm.ALL, key=1).weight.item() == 0.0
    assert trace.regenerate(gm.select("a", "b", "c"), key=1).weight.item() == 0.0


@gen
def around():
    x = normal(0.0, 2.0) @ "x"
    y = chain() @ "in"
    normal(x + y, 1.0) @ "obs"


def test_a_whole_call_redrawn_from_its_prior_weighs_what_depends_on_it():
    trace = around().simulate(key=0)
    result = trace.regenerate("in", key=1)
    expected = trace["x"] + result.trace["in", "c"], trace["x"] + trace["in", "c"]
    assert_close(result.weight, lp(trace["obs"], expected[0], 1.0) - lp(trace["obs"], expected[1], 1.0), atol=1e-5)

    @gen
    def alone():
        chain() @ "in"
        normal(0.0, 1.0) @ "other"

    assert alone().simulate(key=0).regenerate("in", key=1).weight.item() == 0.0


def test_a_part_of_a_call_weighs_the_rest_of_the_call():
    trace = around().simulate(key=0)
    result = trace.regenerate(("in", "b"), key=1)
    old, new, c = trace["in", "b"], result.trace["in", "b"], trace["in", "c"]
    assert_exact(result.trace["in", "c"], c)
    assert_close(result.weight, lp(c, new, 1.0) - lp(c, old, 1.0), atol=1e-5)


def test_a_name_selects_nothing_in_calls_beside_it():
    trace = around().simulate(key=0)
    result = trace.regenerate("x", key=1)
    for address in (("in", "a"), ("in", "b"), ("in", "c"), "obs"):
        assert_exact(result.trace[address], trace[address])
    assert_exact(trace.regenerate("b", key=1).trace["in", "b"], trace["in", "b"])


@gen
def branching():
    if bernoulli(0.3) @ "heads":
        x = normal(0.0, 1.0) @ "x"
        return normal(x, 0.5) @ "y"
    z = normal(1.0, 2.0) @ "z"
    return normal(z, 3.0) @ "y"


def flipped(trace):
    """A regeneration of "heads" that took the other branch."""
    results = (trace.regenerate("heads", key=k) for k in range(100))
    return next(r for r in results if r.trace["heads"].item() != trace["heads"].item())


def test_addresses_that_appear_are_drawn_and_do_not_count():
    for given in ({"heads": 1, "x": 0.2, "y": 0.7}, {"heads": 0, "z": 1.5, "y": 0.7}):
        trace = branching().generate(given).trace
        result = flipped(trace)
        new = result.trace
        old_y = lp(0.7, 0.2, 0.5) if given["heads"] else lp(0.7, 1.5, 3.0)
        new_y = lp(0.7, new["z"], 3.0) if given["heads"] else lp(0.7, new["x"], 0.5)
        assert_exact(new["y"], trace["y"])
        assert_close(result.weight, new_y - old_y, atol=1e-5)
        assert ("z" in new) == bool(given["heads"])


def test_an_unselected_address_that_did_not_exist_before_is_no_error():
    trace = branching().generate({"heads": 1, "x": 0.2, "y": 0.7}).trace
    assert "z" in flipped(trace).trace


def test_selected_choices_are_drawn_with_keys_of_their_own():
    @gen
    def many():
        return [normal(0.0, 1.0) @ ("x", i) for i in range(20)]

    trace = many().simulate(key=0)
    values = [v.item() for _, v in trace.regenerate(gm.ALL, key=1).trace.choices.items()]
    assert len(set(values)) == 20


def test_selections_by_predicate_and_complement():
    trace = around().simulate(key=0)
    by_name = trace.regenerate(gm.select_where(lambda a: a in {"x", ("in", "a")}), key=1)
    by_path = trace.regenerate(gm.select("x", ("in", "a")), key=1)
    complement = trace.regenerate(~gm.select(("in", "b"), ("in", "c"), "obs"), key=1)
    for other in (by_path, complement):
        assert_exact(by_name.weight, other.weight)
        assert_exact(by_name.trace["x"], other.trace["x"])
        assert_exact(by_name.trace["in", "a"], other.trace["in", "a"])


def test_regenerate_of_choices_that_are_not_there_changes_nothing():
    trace = chain().simulate(key=0)
    result = trace.regenerate("nowhere", key=1)
    assert_close(result.weight, 0.0)
    assert_exact(result.trace["a"], trace["a"])


def test_acceptance_of_single_site_moves_is_what_enumeration_says():
    """P(accept) for a coin in a two-coin model, where everything is finite."""

    @gen
    def coins():
        a = bernoulli(0.5) @ "a"
        return bernoulli(mx.where(a == 1, 0.9, 0.2)) @ "b"

    trace = coins().generate({"a": 1, "b": 1}).trace
    to_zero = [r for r in (trace.regenerate("a", key=k) for k in range(40)) if r.trace["a"].item() == 0]
    assert 5 < len(to_zero) < 35
    assert_close(np.array([r.weight.item() for r in to_zero]), np.full(len(to_zero), np.log(0.2 / 0.9)), atol=1e-5)
