"""Factors: log densities that belong to no choice."""

import mlx.core as mx
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, UsageError
from helpers.tolerances import assert_close


@gen
def tilted(strength):
    x = normal(0.0, 1.0) @ "x"
    gm.factor("tilt", strength * x)
    return x


def test_a_factor_adds_to_score_and_weight():
    trace, weight = tilted(2.0).generate({}, key=0)
    x = trace["x"]
    assert_close(weight, 2.0 * x)
    assert_close(trace.score, normal(0.0, 1.0).log_prob(x) + 2.0 * x)
    assert_close(tilted(2.0).assess({"x": 1.0}).weight, normal(0.0, 1.0).log_prob(1.0) + 2.0)
    assert trace.choices.paths() == [("x",)]


def test_a_factor_is_weighed_by_update_and_by_regenerate_whatever_is_selected():
    trace = tilted(2.0).simulate(key=0)
    update = trace.update({"x": 1.0})
    assert_close(update.weight, update.trace.score - trace.score)
    for selection in (gm.ALL, gm.select("x"), gm.select("x", "tilt")):
        result = trace.regenerate(selection, key=1)
        assert_close(result.weight, 2.0 * result.trace["x"] - 2.0 * trace["x"])
    kept = trace.regenerate(gm.select("tilt"), args=(3.0,), key=1)
    assert_close(kept.weight, 3.0 * trace["x"] - 2.0 * trace["x"])


def test_a_factor_is_projected_where_its_address_is_selected():
    trace = tilted(2.0).simulate(key=0)
    assert_close(trace.project("tilt"), 2.0 * trace["x"])
    assert_close(trace.project("x"), normal(0.0, 1.0).log_prob(trace["x"]))
    assert_close(trace.project(gm.ALL), trace.score)


def test_a_number_is_a_factor():
    @gen
    def constant():
        gm.factor("c", -1)
        gm.factor(("c2", 0), 0.5)

    assert constant().simulate(key=0).score.item() == -0.5
    assert constant().simulate(n=3, key=0).score.tolist() == [-0.5] * 3


def test_a_factor_that_comes_and_goes_is_charged():
    @gen
    def branching(on):
        x = normal(0.0, 1.0) @ "x"
        if on:
            gm.factor("f", 3.0)
        return x

    trace = branching(True).simulate(key=0)
    assert_close(trace.update(args=(False,)).weight, -3.0)
    assert_close(trace.regenerate(gm.ALL, args=(False,)).weight, -3.0)
    off = branching(False).simulate(key=0)
    assert_close(off.update(args=(True,)).weight, 3.0)
    assert_close(off.regenerate(gm.ALL, args=(True,)).weight, 3.0)


def test_a_factor_in_a_call_that_vanishes_is_charged():
    @gen
    def outer(on):
        return tilted(1.0) @ "a" if on else normal(0.0, 1.0) @ "a"

    trace = outer(True).simulate(key=0)
    x = trace["a", "x"]
    gone = trace.regenerate(gm.ALL, args=(False,), key=1)
    assert_close(gone.weight, -x)
    back = outer(False).simulate(key=0).regenerate(gm.NONE, args=(True,), key=1)
    assert_close(back.weight, back.trace["a", "x"])


def test_a_factor_has_no_choice_to_constrain():
    for method in (tilted(1.0).generate, tilted(1.0).assess, tilted(1.0).simulate(key=0).update):
        with pytest.raises(ConstraintError, match=r"(?s)a factor has no choice to constrain.*at address 'tilt'"):
            method({"x": 1.0, "tilt": 2.0})


def test_a_factor_must_be_one_number():
    @gen
    def vector():
        gm.factor("f", mx.zeros(3))

    with pytest.raises(ShapeError, match=r"(?s)a factor is one log density.*shape \(3,\).*at address 'f'.*mx.sum"):
        vector().simulate(key=0)

    @gen
    def call():
        gm.factor("f", normal(0.0, 1.0))

    with pytest.raises(UsageError, match="the address is missing"):
        call().simulate(key=0)


def test_a_factor_outside_a_model_is_refused():
    with pytest.raises(UsageError, match=r"(?s)none is running.*inside a @gen function"):
        gm.factor("f", 1.0)


def test_the_address_of_a_factor_is_taken():
    @gen
    def twice():
        gm.factor("f", 1.0)
        gm.factor("f", 1.0)

    with pytest.raises(AddressError, match="used twice"):
        twice().simulate(key=0)
