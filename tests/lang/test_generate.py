"""simulate, propose, generate and assess of models, in closed form."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from helpers.tolerances import assert_close, assert_exact, assert_within_mc
from helpers.traces import assert_same_choices


@gen
def model(sd):
    mu = normal(0.0, sd) @ "mu"
    y = normal(mu, 1.0) @ ("y", 0)
    return mu + y


def lp(x, mu, sd):
    return normal(mu, sd).log_prob(x)


def test_the_score_is_the_joint_log_density():
    trace = model(2.0).simulate(key=0)
    assert_close(trace.score, lp(trace["mu"], 0.0, 2.0) + lp(trace["y", 0], trace["mu"], 1.0))
    assert_close(trace.retval, trace["mu"] + trace["y", 0])


@pytest.mark.parametrize(
    ("given", "weight"),
    [
        ({}, lambda mu, y: 0.0),
        ({"mu": 0.5}, lambda mu, y: lp(0.5, 0.0, 2.0)),
        ({("y", 0): 1.0}, lambda mu, y: lp(1.0, mu, 1.0)),
        ({"mu": 0.5, "y": {0: 1.0}}, lambda mu, y: lp(0.5, 0.0, 2.0) + lp(1.0, 0.5, 1.0)),
    ],
)
def test_generate_weighs_the_constrained_choices_in_their_contexts(given, weight):
    trace, found = model(2.0).generate(given, key=0)
    assert_close(found, weight(trace["mu"], trace["y", 0]))


def test_importance_weights_average_to_the_evidence():
    """E exp(w) = p(y): here a normal density in closed form."""
    _, logw = model(2.0).generate({("y", 0): 1.5}, n=100_000, key=1)
    w = np.exp(np.array(logw, dtype=np.float64))
    evidence = np.exp(-0.5 * 1.5**2 / 5.0) / np.sqrt(2 * np.pi * 5.0)
    assert_within_mc(w.mean(), evidence, w.std() / np.sqrt(w.size), max_se=0.001)


def test_simulated_moments_are_those_of_the_model():
    trace = model(2.0).simulate(n=200_000, key=2)
    y = np.array(trace["y", 0], dtype=np.float64)
    n = y.size
    assert_within_mc(y.mean(), 0.0, y.std() / np.sqrt(n), max_se=0.01)
    assert_within_mc(y.var(), 5.0, 5.0 * np.sqrt(2 / n), max_se=0.02)


def test_assess_takes_choices_of_any_spelling():
    expected = model(2.0).assess({"mu": 0.5, ("y", 0): 1.0})
    for given in (
        {"mu": 0.5, "y": {0: 1.0}},
        gm.choicemap({"mu": 0.5, "y": gm.choicemap({0: 1.0})}),
        {"mu": np.float64(0.5), ("y", np.int64(0)): mx.array(1.0)},
    ):
        assert_exact(model(2.0).assess(given).weight, expected.weight)
    assert_close(expected.retval, 1.5)


def test_assess_draws_nothing():
    state = mx.random.state[0].tolist()
    model(2.0).assess({"mu": 0.5, ("y", 0): 1.0})
    assert mx.random.state[0].tolist() == state


def test_the_result_of_propose_names_its_fields():
    result = model(2.0).propose(key=0)
    assert_same_choices(result.choices, model(2.0).simulate(key=0).choices)
    assert_exact(result.weight, model(2.0).simulate(key=0).score)


def test_stacked_observations_meet_their_elements():
    @gen
    def series(n):
        return [normal(0.0, 1.0) @ ("steps", i, "y") for i in range(n)]

    ys = mx.array([1.0, -1.0, 0.5])
    trace, weight = series(3).generate(gm.C["steps", :, "y"].set(ys))
    assert [trace["steps", i, "y"].item() for i in range(3)] == ys.tolist()
    assert_close(weight, mx.sum(lp(ys, 0.0, 1.0)))
    part, weight = series(3).generate(gm.C["steps", 1:3, "y"].set(ys[1:]), key=0)
    assert_close(weight, mx.sum(lp(ys[1:], 0.0, 1.0)))
    assert part["steps", 1, "y"].item() == -1.0
