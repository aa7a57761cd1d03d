"""What kernels are made of: acceptance, starting points, checks of what the user gives."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.flat import flat, positive_flat
from genmlx.inference.base import (
    accept,
    alike,
    explain_weight,
    free_selection,
    initial_trace,
    initial_traces,
    not_vectorisable,
    problem,
    select,
)
from genmlx.numerics.errors import ConstraintError, ControlFlowError, DomainError, UsageError, WeightError
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_within_mc
from inference.models import branches, line, location, resized, vectors


def traces_of(call, seed="traces"):
    a, b = mx.random.split(key_for(seed))
    return call.simulate(key=a), call.simulate(key=b)


# ---- accept ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_weight", [-2.0, -0.5, -0.01])
def test_a_proposal_is_accepted_with_the_probability_of_its_weight(log_weight):
    old, new = traces_of(location(1.0))
    keys = mx.random.split(key_for(f"accept {log_weight}"), 4000)
    vectorised = mx.vmap(lambda k: accept(k, mx.array(log_weight), new, old)[1])(keys)
    rate = np.exp(log_weight)
    assert_close(vectorised.acceptance_rate, np.full(4000, rate))
    accepted = np.array(vectorised.accepted, np.float64)
    assert_within_mc(accepted.mean(), rate, np.sqrt(rate * (1 - rate) / 4000))


@pytest.mark.parametrize(
    ("log_weight", "rate", "accepted"),
    [(0.0, 1.0, True), (3.0, 1.0, True), (mx.inf, 1.0, True), (-mx.inf, 0.0, False), (mx.nan, 0.0, False)],
)
def test_sure_cases_are_sure_whatever_the_key(log_weight, rate, accepted):
    old, new = traces_of(location(1.0))
    for k in mx.random.split(key_for("sure"), 50):
        chosen, info = accept(k, mx.array(log_weight), new, old)
        assert info.acceptance_rate.item() == rate
        assert info.accepted.item() == accepted
        assert_exact(chosen["mu"], (new if accepted else old)["mu"])


def test_a_weight_of_zero_is_accepted_even_if_the_uniform_draw_is_zero(key, monkeypatch):
    old, new = traces_of(location(1.0))
    monkeypatch.setattr(mx.random, "uniform", lambda **_: mx.array(0.0))
    assert accept(key, mx.array(0.0), new, old)[1].accepted.item()
    assert not accept(key, mx.array(-mx.inf), new, old)[1].accepted.item()


@pytest.mark.parametrize("call", [location(1.0), vectors(), branches(), resized()], ids=lambda c: c.gen_fn.name)
def test_the_chosen_trace_is_one_of_the_two_as_a_whole(call):
    for seed in range(8):
        old, new = traces_of(call, f"whole {seed}")
        for log_weight in (mx.inf, -mx.inf):
            chosen, _ = accept(key_for("k"), mx.array(log_weight), new, old)
            wanted = new if log_weight > 0 else old
            assert chosen.choices.paths() == wanted.choices.paths()
            for path, value in wanted.choices.items():
                assert_exact(chosen[path], value)
            assert_exact(chosen.score, wanted.score)
            assert chosen.args is wanted.args
            assert chosen.gen_fn is wanted.gen_fn


def test_traces_of_one_structure_with_arrays_of_different_shapes_are_not_broadcast():
    """x of shape (1,) would broadcast to the (3,) of a rejected proposal without an error."""
    small = resized().generate({"n": 0}, key=key_for("small")).trace
    large = resized().generate({"n": 2}, key=key_for("large")).trace
    for new, old in [(small, large), (large, small)]:
        chosen, _ = accept(key_for("k"), mx.array(-mx.inf), new, old)
        assert_exact(chosen["x"], old["x"])
        chosen, _ = accept(key_for("k"), mx.array(0.0), new, old)
        assert_exact(chosen["x"], new["x"])


def test_arguments_and_data_that_both_traces_share_are_not_copied():
    data = mx.zeros(1000)

    @gen
    def model(x):
        mu = normal(0.0, 1.0) @ "mu"
        normal(mu + x, 1.0) @ "y"

    old = model(data).generate({"y": mx.ones(1000)}, key=key_for("old")).trace
    new = old.update({"mu": 0.5}).trace
    chosen, _ = accept(key_for("k"), mx.array(-0.5), new, old)
    assert chosen.args[0] is old.args[0]
    assert chosen["y"] is old["y"]


def test_traces_with_different_arguments_are_chosen_with_their_arguments():
    old = location(1.0).generate({"y": 1.0}, key=key_for("old")).trace
    new = old.update(args=(2.0,)).trace
    assert accept(key_for("k"), mx.array(mx.inf), new, old)[0].args == (2.0,)
    assert accept(key_for("k"), mx.array(-mx.inf), new, old)[0].args == (1.0,)


def test_alike_means_one_structure_one_shape_and_one_dtype():
    x = {"a": mx.zeros(3), "b": (mx.array(1), "s")}
    assert alike(x, {"a": mx.ones(3), "b": (mx.array(2), "s")})
    assert not alike(x, {"a": mx.ones(1), "b": (mx.array(2), "s")})
    assert not alike(x, {"a": mx.ones(3), "b": (mx.array(2.0), "s")})
    assert not alike(x, {"a": mx.ones(3), "b": (mx.array(2), "t")})
    assert not alike(x, {"a": mx.ones(3)})


def test_select_takes_every_array_from_one_side():
    a, b = {"x": mx.zeros(3), "y": mx.array(1)}, {"x": mx.ones(3), "y": mx.array(2)}
    assert select(mx.array(True), a, b)["y"].item() == 1
    assert select(mx.array(False), a, b)["x"].tolist() == [1.0, 1.0, 1.0]


# ---- the problem ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", [line, 3, None, lambda: 0])
def test_inference_takes_a_call(thing):
    with pytest.raises(UsageError, match="inference takes a generative function applied to its arguments, found"):
        problem(thing, None)


def test_the_free_choices_are_all_that_are_not_observed():
    free = free_selection(gm.choicemap({"y": 1.0, "sub": {"y": 2.0}}))
    assert "y" not in free
    assert ("sub", "y") not in free
    assert ("sub", "mu") in free
    assert "mu" in free
    assert "anything" in free_selection(gm.EMPTY)


def test_only_what_cannot_be_vectorised_counts_as_such():
    assert "why (in there)" in not_vectorisable(ControlFlowError("why", where="there"))
    assert "QRF" in not_vectorisable(ValueError("[Primitive::vmap] Not implemented for QRF."))
    assert not_vectorisable(ValueError("[matmul] shapes")) is None
    assert not_vectorisable(ConstraintError("a value for 'vmap' has no choice")) is None


# ---- starting points ------------------------------------------------------------------------------------------------


def test_a_chain_starts_from_the_prior_with_the_observations(key):
    trace = initial_trace(location(5.0), gm.choicemap(y=2.0), key)
    assert trace["y"].item() == 2.0
    draws = [initial_trace(location(5.0), gm.choicemap(y=2.0), k)["mu"].item() for k in mx.random.split(key, 200)]
    assert_within_mc(np.mean(draws), 0.0, np.std(draws) / np.sqrt(200))
    assert_close(np.std(draws), 5.0, rtol=0.2)


def test_given_starting_values_are_used_and_the_others_drawn(key):
    trace = initial_trace(line([1.0]), gm.choicemap(y0=1.0), key, {"slope": 2.5})
    other = initial_trace(line([1.0]), gm.choicemap(y0=1.0), key_for("other"), {"slope": 2.5})
    assert trace["slope"].item() == other["slope"].item() == 2.5
    assert trace["intercept"].item() != other["intercept"].item()


def test_an_observation_wins_over_a_starting_value(key):
    assert initial_trace(location(5.0), gm.choicemap(y=2.0), key, {"y": 7.0, "mu": 1.0})["y"].item() == 2.0


def test_starting_values_of_unknown_choices_are_an_error(key):
    with pytest.raises(ConstraintError, match="made no choice at 'slop'"):
        initial_trace(line([1.0]), gm.choicemap(y0=1.0), key, {"slop": 2.5})


def test_impossible_draws_are_passed_over(key):
    @gen
    def model():
        z = bernoulli(0.1) @ "z"
        bernoulli(z.astype(mx.float32)) @ "y"

    for k in mx.random.split(key, 5):
        assert initial_trace(model(), gm.choicemap(y=1), k)["z"].item() == 1


@gen
def half_impossible():
    z = bernoulli(0.5) @ "z"
    normal(mx.zeros(2), 1.0) @ "x"
    bernoulli(z.astype(mx.float32)) @ "y"


@pytest.mark.parametrize("call", [vectors(), branches(), half_impossible()], ids=lambda c: c.gen_fn.name)
def test_many_chains_start_where_each_would_start_alone(call):
    """Made in one piece where that is possible; a chain whose first attempt is impossible tries again by itself."""
    observed = gm.choicemap(y=[1.0, 2.0, 3.0] if call.gen_fn is vectors else 1)
    keys = mx.random.split(key_for("many"), 12)
    together = initial_traces(call, observed, keys)
    alone = [initial_trace(call, observed, key) for key in keys]
    for a, b in zip(together, alone, strict=True):
        assert a.args == b.args
        assert a.choices.paths() == b.choices.paths()
        for path, value in b.choices.items():
            assert_close(a[path], value)
        assert_close(a.score, b.score)


def test_an_error_of_the_user_at_the_start_is_not_taken_for_a_model_that_does_not_vectorise():
    with pytest.raises(ConstraintError, match="made no choice at 'Y'"):
        initial_traces(location(1.0), gm.choicemap(Y=1.0), mx.random.split(key_for("many"), 3))


def test_no_possible_start_is_an_error_that_names_the_choice(key):
    @gen
    def model():
        normal(0.0, 1.0) @ "x"
        bernoulli(0.0) @ ("impossible", 3)

    with pytest.raises(WeightError, match="not finite at any of 100 starting points") as error:
        initial_trace(model(), gm.choicemap({("impossible", 3): 1}), key)
    assert "('impossible', 3) (-inf)" in str(error.value)
    assert "initial={...}" in error.value.fix


def test_a_start_with_a_parameter_out_of_its_domain_names_the_parameter(key):
    @gen
    def model(sd):
        normal(0.0, sd) @ "x"

    with pytest.raises(DomainError, match="parameter 'sigma' of normal must be positive, found -2"):
        initial_trace(model(mx.array(-2.0)), gm.EMPTY, key)


def test_improper_priors_start_between_minus_two_and_two_in_unconstrained_space():
    @gen
    def model():
        mu = flat(50) @ "mu"
        tau = positive_flat(50) @ "tau"
        normal(mu, tau) @ "y"

    observed = gm.choicemap(y=mx.zeros(50))
    traces = [initial_trace(model(), observed, k) for k in mx.random.split(key_for("improper"), 4)]
    mu = np.stack([np.array(t["mu"]) for t in traces])
    log_tau = np.log(np.stack([np.array(t["tau"]) for t in traces]))
    for start in (mu, log_tau):
        assert np.all(np.abs(start) <= 2.0 + 1e-5)
        assert start.min() < -1.8
        assert start.max() > 1.8
        assert_within_mc(start.mean(), 0.0, np.sqrt(4 / 3 / start.size))


def test_an_error_about_weights_names_nested_choices(key):
    @gen
    def inner():
        bernoulli(0.0) @ "b"

    @gen
    def outer():
        inner() @ "sub"
        normal(0.0, 1.0) @ "x"

    trace, _ = outer().generate({("sub", "b"): 1}, key=key)
    error = explain_weight(trace, "what", "fix")
    assert isinstance(error, WeightError)
    assert error.what == "what; log density by choice: ('sub', 'b') (-inf)"
    assert error.fix == "fix"
