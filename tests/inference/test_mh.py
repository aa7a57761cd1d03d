"""Metropolis-Hastings: what each kernel proposes, how it weighs it, what it must not touch."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, mh, normal
from genmlx.core.gfi import GenerativeFunction
from genmlx.inference.base import accept
from genmlx.inference.mcmc.mh import custom_kernel, mh_kernel, random_walk_kernel
from genmlx.numerics.errors import (
    AddressError,
    ConstraintError,
    ImproperPriorError,
    ShapeError,
    UsageError,
)
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact
from inference.models import (
    LINE_OBSERVATIONS,
    LINE_XS,
    branches,
    coins,
    line,
    location,
    lost_observation,
    nested,
    vectors,
)

k = gm.kernels


def log_normal(x, mu, sigma):
    return -0.5 * ((np.float64(x) - mu) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))


def rate_of(info):
    return info.acceptance_rate.item()


# ---- resampling from the prior --------------------------------------------------------------------------------------


def test_a_proposal_from_the_prior_is_weighed_by_the_likelihood():
    trace = location(5.0).generate({"y": 2.0, "mu": 1.0}).trace
    for key in split(key_for("prior"), 20):
        proposed = trace.regenerate("mu", key=split(key)[0]).trace["mu"].item()
        new, info = mh_kernel("mu")(key, trace)
        ratio = log_normal(2.0, proposed, 1.0) - log_normal(2.0, 1.0, 1.0)
        assert_close(rate_of(info), min(1.0, np.exp(ratio)), rtol=1e-4)
        assert new["mu"].item() == (proposed if info.accepted.item() else 1.0)
        assert new["y"].item() == 2.0


def test_only_the_selected_choices_move(key):
    chains = mh(line(LINE_XS[:1]), {"y0": 2.0}, selection="slope", samples=30, key=key)
    assert len(np.unique(np.array(chains["intercept"]))) == 1
    assert len(np.unique(np.array(chains["slope"]))) > 3


@pytest.mark.parametrize(
    "selection",
    [gm.select("mu", "y"), gm.ALL, gm.select_where(lambda a: True), None],
    ids=["y", "ALL", "where", "default"],
)
def test_observations_are_never_resampled_even_when_they_are_selected(selection, key):
    chains = mh(location(2.0), {"y": 1.5}, selection=selection, samples=40, key=key)
    assert chains.addresses == ["mu"]
    assert len(np.unique(np.array(chains["mu"]))) > 10
    assert chains[0, 39]["y"].item() == 1.5
    mu = np.array(chains["mu"], np.float64)
    assert_close(chains.stats["lp"], log_normal(mu, 0.0, 2.0) + log_normal(1.5, mu, 1.0))


@pytest.mark.parametrize("selection", ["um", gm.NONE, gm.select(("mu", "x"))], ids=str)
def test_a_kernel_that_selects_nothing_is_an_error_wherever_it_stands(selection, key):
    """In a cycle, a choice whose name is mistyped would stay where it started, and nothing would say so."""
    trace = location(2.0).generate({"y": 1.5}, key=key).trace
    with pytest.raises(UsageError, match="there is nothing to move: .* selects no choice of location") as error:
        k.cycle([k.mh("mu"), k.mh(selection)])(key, trace)
    assert "k.when" in str(error.value)


def test_the_default_selection_reaches_into_groups(key):
    chains = mh(nested(2), {"y": 0.3, "first": {"y": 1.0}}, samples=60, key=key)
    assert set(chains.addresses) == {("first", "mu"), ("second", "mu"), ("second", "y")}
    for address in chains.addresses:
        assert len(np.unique(np.array(chains[address]))) > 2
    assert chains[0, 59]["first", "y"].item() == 1.0


def test_a_group_may_be_selected_by_its_address(key):
    chains = mh(nested(2), {"y": 0.3}, selection=("second", "mu"), samples=40, key=key)
    assert len(np.unique(np.array(chains["second", "mu"]))) > 3
    assert len(np.unique(np.array(chains["second", "y"]))) == 1
    chains = mh(nested(2), {"y": 0.3}, selection="second", samples=40, key=key)
    assert len(np.unique(np.array(chains["second", "y"]))) > 3
    assert len(np.unique(np.array(chains["first", "y"]))) == 1


@pytest.mark.parametrize("selection", ["slop", gm.select("y0"), gm.NONE], ids=["unknown", "observed", "NONE"])
def test_a_selection_without_free_choices_is_an_error(selection):
    with pytest.raises(UsageError, match=r"there is nothing to move: .* selects no free choice of line") as error:
        mh(line(LINE_XS), LINE_OBSERVATIONS, selection=selection, samples=5)
    assert error.value.fix == "a selection of 'slope', 'intercept'"


def test_a_model_without_free_choices_is_an_error():
    with pytest.raises(UsageError, match="there is nothing to move") as error:
        mh(location(1.0), {"mu": 1.0, "y": 1.0}, samples=5)
    assert error.value.fix == "observations that leave a choice free"


def test_dependent_choices_may_be_selected_together(key):
    """Both redrawn: each new value is the other's context, and only the observation weighs."""
    trace = coins(3).generate({"y": 2.0, "bias": 1, "coin": {0: 1, 1: 0, 2: 1}}).trace
    for seed in range(10):
        key = key_for(f"dependent {seed}")
        proposed = trace.regenerate(gm.select("bias", "coin"), key=split(key)[0]).trace
        heads = sum(proposed["coin", i].item() for i in range(3))
        _, info = mh_kernel(gm.select("bias", "coin"))(key, trace)
        ratio = log_normal(2.0, heads, 0.5) - log_normal(2.0, 2.0, 0.5)
        assert_close(rate_of(info), min(1.0, np.exp(ratio)), rtol=1e-4)


def test_an_improper_prior_cannot_be_proposed_from(key):
    from genmlx.distributions.flat import flat

    @gen
    def model():
        mu = flat() @ "mu"
        normal(mu, 1.0) @ "y"

    with pytest.raises(ImproperPriorError, match="improper prior"):
        mh(model(), {"y": 1.0}, samples=5, key=key)
    chains = mh(model(), {"y": 1.0}, kernel=k.random_walk("mu", 1.0), samples=20, key=key)
    assert len(np.unique(np.array(chains["mu"]))) > 5


# ---- custom proposals -----------------------------------------------------------------------------------------------


@gen
def drift_up(trace):
    """An asymmetric proposal: it drifts."""
    normal(trace["mu"] + 0.4, 0.3) @ "mu"


@gen
def pull_back(trace):
    normal(0.5 * trace["mu"], 0.6) @ "mu"


MOVES = {"drift_up": (lambda mu: mu + 0.4, 0.3), "pull_back": (lambda mu: 0.5 * mu, 0.6)}


def rate_of_move(forward, backward, proposed):
    """The acceptance probability of a move of mu from 1 under y = 2, in closed form."""
    (f, f_sd), (b, b_sd) = MOVES[forward.name], MOVES[backward.name]
    ratio = (
        log_normal(proposed, 0.0, 5.0)
        + log_normal(2.0, proposed, 1.0)
        - log_normal(1.0, 0.0, 5.0)
        - log_normal(2.0, 1.0, 1.0)
        - log_normal(proposed, f(1.0), f_sd)
        + log_normal(1.0, b(proposed), b_sd)
    )
    return min(1.0, np.exp(ratio))


@pytest.mark.parametrize("forward", [drift_up, pull_back], ids=lambda f: f.name)
def test_a_custom_proposal_is_weighed_by_its_density_there_and_back(forward):
    trace = location(5.0).generate({"y": 2.0, "mu": 1.0}).trace
    accepted = 0
    for key in split(key_for(f"custom {forward.name}"), 15):
        proposed = forward(trace).propose(key=split(split(key)[0])[0]).choices["mu"].item()
        new, info = custom_kernel(forward)(key, trace)
        assert_close(rate_of(info), rate_of_move(forward, forward, proposed), rtol=1e-4)
        assert new["mu"].item() == (proposed if info.accepted.item() else 1.0)
        accepted += info.accepted.item()
    assert accepted > 0


def test_a_pair_of_proposals_makes_either_move_and_weighs_it_by_the_other():
    trace = location(5.0).generate({"y": 2.0, "mu": 1.0}).trace
    kernel = custom_kernel(drift_up, pull_back)
    moves = []
    for key in split(key_for("pair"), 60):
        key_part = split(key)[1]  # the first part chose the move
        proposed = {
            f.name: f(trace).propose(key=split(split(key_part)[0])[0]).choices["mu"].item()
            for f in (drift_up, pull_back)
        }
        _, info = kernel(key, trace)
        there = rate_of_move(drift_up, pull_back, proposed["drift_up"])
        back = rate_of_move(pull_back, drift_up, proposed["pull_back"])
        nearest = min(("there", there), ("back", back), key=lambda m: abs(m[1] - rate_of(info)))
        assert_close(rate_of(info), nearest[1], rtol=1e-4)
        if abs(there - back) > 0.01:
            moves.append(nearest[0])
    assert 10 < moves.count("there") < len(moves) - 10


def test_mh_takes_a_custom_proposal(key):
    chains = mh(location(5.0), {"y": 2.0}, proposal=drift_up, backward=pull_back, samples=20, key=key)
    alone = mh(location(5.0), {"y": 2.0}, kernel=k.custom(drift_up, pull_back), samples=20, key=key)
    assert_exact(chains["mu"], alone["mu"])
    other = mh(location(5.0), {"y": 2.0}, proposal=drift_up, samples=20, key=key)
    assert not mx.array_equal(chains.stats["acceptance_rate"], other.stats["acceptance_rate"]).item()


def test_a_proposal_that_touches_an_observation_is_an_error():
    @gen
    def greedy(trace):
        normal(trace["mu"], 1.0) @ "mu"
        normal(0.0, 1.0) @ "y"

    with pytest.raises(UsageError, match=r"the proposal greedy changes the observed choices \['y'\]"):
        mh(location(5.0), {"y": 2.0}, proposal=greedy, samples=5)
    with pytest.raises(UsageError, match="the proposal greedy changes the observed choices"):
        mh(location(5.0), {"y": 2.0}, proposal=greedy, samples=5, chains=3)


def test_a_proposal_for_a_choice_that_is_not_there_is_an_error():
    @gen
    def lost(trace):
        normal(0.0, 1.0) @ "nu"

    with pytest.raises(ConstraintError, match="made no choice at 'nu'"):
        mh(location(5.0), {"y": 2.0}, proposal=lost, samples=5)


def test_a_backward_proposal_that_cannot_reverse_the_move_is_an_error():
    @gen
    def nothing(trace):
        pass

    # Which of the two moves is tried first depends on the key; neither can be reversed.
    with pytest.raises((ConstraintError, AddressError), match=r"nothing made no choice at 'mu'|every choice"):
        mh(location(5.0), {"y": 2.0}, proposal=drift_up, backward=nothing, samples=5)


@pytest.mark.parametrize("proposal", [lambda trace: 0, normal(0.0, 1.0), "mu"], ids=["function", "call", "address"])
@pytest.mark.parametrize("role", ["proposal", "backward"])
def test_a_proposal_that_is_no_generative_function_is_an_error(proposal, role):
    arguments = (proposal, None) if role == "proposal" else (drift_up, proposal)
    with pytest.raises(UsageError, match="a proposal is a generative function of the current trace, found") as error:
        mh(location(5.0), {"y": 2.0}, proposal=arguments[0], backward=arguments[1], samples=5)
    assert "not called" in error.value.fix


# ---- random walks ---------------------------------------------------------------------------------------------------


def test_a_random_walk_is_weighed_by_the_change_of_the_score():
    trace = location(5.0).generate({"y": 2.0, "mu": 1.0}).trace
    for key in split(key_for("walk"), 20):
        proposed = 1.0 + 0.7 * mx.random.normal((), key=split(key, 3)[0]).item()
        new, info = random_walk_kernel("mu", 0.7)(key, trace)
        ratio = (
            log_normal(proposed, 0.0, 5.0)
            + log_normal(2.0, proposed, 1.0)
            - log_normal(1.0, 0.0, 5.0)
            - log_normal(2.0, 1.0, 1.0)
        )
        assert_close(rate_of(info), min(1.0, np.exp(ratio)), rtol=1e-4)
        if info.accepted.item():
            assert_close(new["mu"].item(), proposed)


@pytest.mark.parametrize("sd", [0.5, [0.1, 1.0, 10.0]])
def test_a_random_walk_moves_every_element_by_its_own_step(sd):
    trace = vectors().generate({"y": [1.0, 2.0, 3.0]}, key=key_for("start")).trace
    sd = mx.array(sd) if isinstance(sd, list) else sd
    steps = []
    kernel = random_walk_kernel("a", sd)
    for key in split(key_for("steps"), 60):
        new, _ = kernel(key, trace)
        if new is not trace:
            steps.append(np.array(new["a"] - trace["a"]))
    proposals = np.stack(
        [np.array(mx.random.normal((3,), key=split(key, 3)[0])) for key in split(key_for("steps"), 60)]
    )
    moved = np.stack(steps)
    accepted = np.any(moved != 0, axis=1)
    assert accepted.sum() > 0
    assert_close(moved[accepted], (proposals * np.array(sd))[accepted], rtol=1e-3, atol=1e-5)


def test_a_random_walk_reaches_a_nested_choice(key):
    chains = mh(nested(2), {"y": 0.3}, kernel=k.random_walk(("first", "mu"), 0.5), samples=20, key=key)
    assert len(np.unique(np.array(chains["first", "mu"]))) > 5
    assert len(np.unique(np.array(chains["second", "mu"]))) == 1


def test_the_step_of_a_walk_and_the_choices_that_it_makes_anew_have_different_keys():
    seen = []

    class Spy(GenerativeFunction):
        name = "spy"

        def __init__(self, inner):
            self.inner = inner

        def simulate(self, key, args):
            raise NotImplementedError

        generate = assess = project = regenerate = simulate

        def update(self, key, trace, args, argdiffs, constraints):
            seen.append(np.array(key).tolist())
            return self.inner.update(key, trace, args, argdiffs, constraints)

    trace = location(5.0).generate({"y": 2.0, "mu": 1.0}).trace
    trace.gen_fn = Spy(location)
    step = mx.random.normal((), key=split(key_for("w"), 3)[0]).item()
    new, _ = random_walk_kernel("mu", 0.01)(key_for("w"), trace)
    assert_close(new["mu"].item(), 1.0 + 0.01 * step)  # the step uses the first key of the split
    assert seen == [np.array(split(key_for("w"), 3)[1]).tolist()]


def test_a_random_walk_needs_a_continuous_choice():
    with pytest.raises(UsageError, match="moves one continuous choice, and 'z' is array") as error:
        mh(branches(), {"y": 1.0}, kernel=k.random_walk("z", 0.5), samples=3)
    assert "gm.kernels.mh" in error.value.fix
    with pytest.raises(UsageError, match="moves one continuous choice, and 'first' is choicemap"):
        mh(nested(2), {"y": 1.0}, kernel=k.random_walk("first", 0.5), samples=3)


def test_a_random_walk_of_an_unknown_choice_is_an_error():
    with pytest.raises(AddressError, match="there is no choice at 'slop'"):
        mh(line(LINE_XS), LINE_OBSERVATIONS, kernel=k.random_walk("slop", 0.5), samples=3)


@pytest.mark.parametrize("sd", [0, -1.0, float("nan")])
def test_a_random_walk_needs_a_positive_sd(sd):
    with pytest.raises(UsageError, match="a random walk needs a positive sd, found"):
        k.random_walk("mu", sd)


def test_an_sd_that_does_not_fit_the_choice_is_an_error():
    with pytest.raises(ShapeError, match="shape") as error:
        mh(location(5.0), {"y": 2.0}, kernel=k.random_walk("mu", mx.array([0.1, 0.2])), samples=3)
    assert "'mu'" in str(error.value)


# ---- any kernel -----------------------------------------------------------------------------------------------------


def test_mh_takes_any_kernel(key):
    kernel = k.cycle([k.random_walk("slope", 0.3), k.random_walk("intercept", 0.5)])
    chains = mh(line(LINE_XS), LINE_OBSERVATIONS, kernel=kernel, samples=10, key=key)
    assert chains.shape == (1, 10)
    assert len(np.unique(np.array(chains["slope"]))) > 2


def test_a_kernel_of_ones_own_is_a_function_of_key_and_trace(key):
    def flip(key, trace):
        key_accept = split(key)[0]
        new, weight, _, _ = trace.update({"mu": -trace["mu"]})
        return accept(key_accept, weight, new, trace)

    chains = mh(location(5.0), {"y": 0.0}, kernel=flip, samples=6, initial={"mu": 1.0}, key=key)
    assert np.array(chains["mu"])[0].tolist() == [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]


def test_a_kernel_that_changes_an_observation_is_an_error():
    for kernel in (k.mh(gm.ALL), k.mh("y"), k.random_walk("y", 0.5)):
        with pytest.raises(UsageError, match="the kernel changes the observed choice 'y'") as error:
            mh(location(2.0), {"y": 1.5}, kernel=kernel, samples=20)
        assert "free choices only" in error.value.fix
        with pytest.raises(UsageError, match="the kernel changes the observed choice 'y'"):
            mh(location(2.0), {"y": 1.5}, kernel=kernel, samples=20, chains=3)


def test_a_chain_that_leaves_the_branch_of_an_observation_is_an_error():
    with pytest.raises(UsageError, match=r"the observed choice 'y' is gone|changes the observed choice 'y'"):
        mh(lost_observation(), {"y": 1.0}, samples=40, initial={"z": 1}, key=key_for("lost"))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"selection": "mu", "kernel": k.mh("mu")}, "selection and kernel"),
        ({"proposal": drift_up, "kernel": k.mh("mu")}, "proposal and kernel"),
        ({"selection": "mu", "proposal": drift_up}, "selection and proposal"),
        ({"backward": drift_up}, "backward"),
        ({"backward": drift_up, "selection": "mu"}, "selection and backward"),
    ],
)
def test_contradicting_options_are_an_error(options, found):
    with pytest.raises(UsageError, match=f"mh was given {found}") as error:
        mh(location(5.0), {"y": 2.0}, samples=3, **options)
    assert "one of selection=, proposal= (with backward=), kernel=" in error.value.fix


def test_what_is_no_kernel_is_an_error():
    with pytest.raises(UsageError, match=r"a kernel is a function of \(key, trace\), found"):
        mh(location(5.0), {"y": 2.0}, kernel=location, samples=3)


def test_a_model_that_is_not_called_is_an_error():
    with pytest.raises(UsageError, match="found <gen function location>"):
        mh(location, {"y": 2.0})


def test_the_same_key_gives_the_same_draws_and_another_key_others():
    run = lambda key: mh(location(5.0), {"y": 2.0}, samples=10, key=key)["mu"]  # noqa: E731
    assert_exact(run(gm.key(1)), run(gm.key(1)))
    assert_exact(run(1), run(gm.key(1)))
    assert not mx.any(run(gm.key(1)) == run(gm.key(2))).item()
