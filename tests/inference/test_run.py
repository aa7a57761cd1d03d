"""The loop: counts, keys, several chains, Ctrl-C, progress, memory."""

import contextlib
import gc
import inspect
import os
import subprocess
import sys

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, mh, normal, run_chain
from genmlx.distributions.bernoulli import bernoulli
from genmlx.inference.base import Info
from genmlx.inference.draws import DrawTable
from genmlx.numerics.errors import DomainError, UsageError, WeightError
from genmlx.numerics.pytree import split_arrays
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_within_mc
from inference.models import LINE_OBSERVATIONS, LINE_XS, branches, coins, line, location, nested, resized, vectors

k = gm.kernels


@pytest.fixture
def start():
    return location(5.0).generate({"y": 2.0, "mu": 1.0}).trace


def counting(log):
    """A kernel that adds 1 to mu and notes its key."""

    def kernel(key, trace):
        log.append(tuple(np.array(key).tolist()))
        return trace.update({"mu": trace["mu"] + 1.0}).trace, Info(mx.array(1.0), mx.array(True))

    return kernel


def failing_at(step, kernel, error):
    """The kernel, which raises ``error`` at a step."""
    taken = 0

    def failing(key, trace):
        nonlocal taken
        taken += 1
        if taken == step:
            raise error
        return kernel(key, trace)

    return failing


# ---- counts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "burn", "thin"), [(5, 0, 1), (1, 0, 1), (4, 3, 1), (3, 0, 4), (3, 5, 2)])
def test_burn_and_thin_are_counted_exactly(samples, burn, thin, start, key):
    log = []
    chains = run_chain(counting(log), start, samples=samples, burn=burn, thin=thin, key=key)
    assert len(log) == burn + samples * thin
    assert chains.shape == (1, samples)
    expected = [1.0 + burn + thin * (i + 1) for i in range(samples)]
    assert chains["mu"].tolist() == [expected]


def test_a_thinned_run_is_every_kth_draw_of_the_unthinned_run(key):
    options = {"selection": "slope", "key": key}
    every = mh(line(LINE_XS[:1]), {"y0": 2.0}, samples=24, **options)
    thinned = mh(line(LINE_XS[:1]), {"y0": 2.0}, samples=8, thin=3, **options)
    assert_exact(thinned["slope"], every["slope"][:, 2::3])
    assert_exact(thinned.stats["lp"], every.stats["lp"][:, 2::3])


def test_a_burnt_run_is_the_tail_and_a_short_run_the_head_of_a_long_one(key):
    run = lambda **options: mh(location(5.0), {"y": 2.0}, key=key, **options)["mu"]  # noqa: E731
    whole = run(samples=30)
    assert_exact(run(samples=20, burn=10), whole[:, 10:])
    assert_exact(run(samples=12), whole[:, :12])


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("samples", 0, 1), ("samples", -1, 1), ("samples", True, 1), ("burn", -1, 0), ("thin", 0, 1), ("chains", 0, 1)],
)
def test_counts_out_of_range_are_an_error(option, value, least):
    with pytest.raises(UsageError, match=f"{option}= takes an int of at least {least}, found {value}"):
        mh(location(5.0), {"y": 2.0}, **{option: value})


def test_counts_are_checked_before_anything_runs(start):
    log = []
    with pytest.raises(UsageError, match="thin= takes an int of at least 1, found 0"):
        run_chain(counting(log), start, thin=0)
    assert not log


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_every_step_has_a_key_of_its_own(start, key):
    log = []
    run_chain(counting(log), start, samples=600, key=key)  # more than two blocks of keys
    assert len(set(log)) == 600


def test_step_keys_differ_in_effect_from_one_key_used_again(key):
    """A frozen key proposes one and the same value at every step."""
    chains = mh(location(5.0), {"y": 2.0}, samples=200, key=key)
    values = np.unique(np.array(chains["mu"]))
    assert len(values) > 40
    frozen = run_chain(
        lambda _, t: k.mh("mu")(gm.key(0), t), location(5.0).generate({"y": 2.0}, key=key).trace, samples=50
    )
    assert len(np.unique(np.array(frozen["mu"]))) <= 2


def test_chains_have_keys_of_their_own(key):
    log = []
    starts = [location(5.0).generate({"y": 2.0, "mu": mu}).trace for mu in (1.0, 2.0, 3.0)]

    def kernel(key, trace):
        trace.score.item()  # one by one
        return counting(log)(key, trace)

    with pytest.warns(UserWarning, match="not vectorised"):
        run_chain(kernel, starts, samples=20, key=key)
    assert len(set(log)) == 60


def test_the_starting_points_and_the_steps_use_different_keys(key):
    """With one stream, the first proposal would repeat the start."""
    chains = mh(location(5.0), {"y": 2.0}, samples=1, chains=50, kernel=lambda _, t: still(t), key=key)
    starts = set(np.array(chains["mu"]).reshape(-1).tolist())
    moved = mh(location(5.0), {"y": 2.0}, samples=1, chains=50, kernel=always_new, key=key)
    assert len(starts) == 50
    assert not starts & set(np.array(moved["mu"]).reshape(-1).tolist())


def still(trace):
    return trace, Info(mx.array(1.0), mx.array(True))


def always_new(key, trace):
    return trace.regenerate("mu", key=key).trace, Info(mx.array(1.0), mx.array(True))


def test_without_a_key_the_global_generator_rules():
    run = lambda: mh(location(5.0), {"y": 2.0}, samples=5)["mu"]  # noqa: E731
    mx.random.seed(3)
    a, b = run(), run()
    mx.random.seed(3)
    assert_exact(a, run())
    assert not mx.array_equal(a, b).item()


# ---- several chains -------------------------------------------------------------------------------------------------


def test_chains_start_apart_from_draws_of_the_prior(key):
    chains = mh(location(5.0), {"y": 2.0}, kernel=lambda _, t: still(t), samples=1, chains=300, key=key)
    mu = np.array(chains["mu"])[:, 0]
    assert len(np.unique(mu)) == 300
    assert_within_mc(mu.mean(), 0.0, 5.0 / np.sqrt(300))
    assert_within_mc((mu**2).mean(), 25.0, 25.0 * np.sqrt(2 / 300))


def test_given_starting_values_are_shared_by_the_chains(key):
    chains = mh(
        line(LINE_XS),
        LINE_OBSERVATIONS,
        kernel=lambda _, t: still(t),
        samples=1,
        chains=3,
        initial={"slope": 2.0},
        key=key,
    )
    assert np.array(chains["slope"]).reshape(-1).tolist() == [2.0] * 3
    assert len(np.unique(np.array(chains["intercept"]))) == 3


MODELS = {
    "line": (line(LINE_XS), LINE_OBSERVATIONS, k.cycle([k.random_walk("slope", 0.2), k.mh("intercept")])),
    "vectors": (vectors(), {"y": [1.0, 2.0, 3.0]}, k.cycle([k.random_walk("a", 0.5), k.mh("sub")])),
    "nested": (nested(2), {"y": 0.3}, k.mh(gm.select("first", ("second", "mu")))),
    "coins": (coins(3), {"y": 2.0}, k.mh(gm.select("bias", "coin"))),
}


def read_first(kernel):
    """The kernel, which cannot be vectorised because a value is read."""

    def reading(key, trace):
        trace.score.item()
        return kernel(key, trace)

    return reading


@pytest.mark.parametrize("name", MODELS)
def test_vectorised_chains_make_the_draws_of_chains_run_one_by_one(name):
    """Acceptance could flip where a weight lies within a rounding of the drawn level; with these keys it does not."""
    call, observed, kernel = MODELS[name]
    starts = [call.generate(observed, key=key).trace for key in split(key_for(name), 4)]
    options = {"samples": 12, "burn": 2, "thin": 2, "observations": observed, "key": key_for(f"run {name}")}
    vectorised = run_chain(kernel, starts, **options)
    with pytest.warns(UserWarning, match="the chains run one after the other, not vectorised"):
        one_by_one = run_chain(read_first(kernel), starts, **options)
    assert vectorised.addresses == one_by_one.addresses
    assert vectorised.addresses
    for address in vectorised.addresses:
        assert_close(vectorised[address], one_by_one[address], rtol=1e-4, atol=1e-4)
    assert_exact(vectorised.stats["accepted"], one_by_one.stats["accepted"])
    assert_close(vectorised.stats["lp"], one_by_one.stats["lp"], rtol=1e-4, atol=1e-4)
    assert np.array(vectorised.stats["accepted"]).mean() > 0
    assert_close(vectorised[1, 5].score.item(), one_by_one[1, 5].score.item(), rtol=1e-4, atol=1e-4)


def test_chains_that_start_in_different_branches_run_one_by_one_with_gaps(key):
    starts = [branches().generate({"y": 1.0, "z": z}, key=key).trace for z in (0, 1, 1)]
    chains = run_chain(k.mh(~gm.select("y")), starts, samples=40, key=key)
    z, a, b = (np.array(chains[name]) for name in "zab")
    assert z.shape == (3, 40)
    assert np.array_equal(np.array(chains.present("a")), z == 1)
    assert np.array_equal(np.array(chains.present("b")), z == 0)
    assert np.array_equal(np.isnan(a), z == 0)
    assert np.array_equal(np.isnan(b), z == 1)
    assert np.array(chains.present("z")).all()
    assert 0 < z.mean() < 1


def test_chains_that_start_alike_but_branch_later_say_that_they_are_not_vectorised(key):
    starts = [branches().generate({"y": 1.0, "z": 1}, key=key).trace for key in split(key, 2)]
    with pytest.warns(UserWarning) as record:
        chains = run_chain(k.mh(~gm.select("y")), starts, samples=30, key=key)
    (warning,) = record
    assert '"if z.item() == 1:"' in str(warning.message)
    assert 0 < np.array(chains["z"]).mean() < 1


def test_an_error_in_a_vectorised_step_is_the_error_of_the_user(recwarn):
    starts = [location(5.0).generate({"y": 2.0}, key=key).trace for key in split(key_for("starts"), 2)]
    with pytest.raises(ValueError, match="mine"):
        run_chain(failing_at(3, k.mh("mu"), ValueError("mine")), starts, samples=5)
    assert not recwarn.list


def test_the_shape_of_a_choice_may_depend_on_another(key):
    chains = mh(resized(), {"y": 1.0}, samples=60, chains=2, key=key)
    n = np.array(chains["n"])
    assert len(np.unique(n)) == 3
    for c, i in [(0, 3), (1, 59), (0, 30)]:
        trace = chains[c, i]
        assert trace["x"].shape == (n[c, i] + 1,)
        assert_close(trace.score.item(), chains.stats["lp"][c, i].item())


def test_a_chain_of_many_is_its_own_whatever_the_number_of_draws(key):
    """The chains do not share a stream: no two have a draw in common."""
    mu = np.array(mh(location(5.0), {"y": 2.0}, samples=20, chains=8, key=key)["mu"])
    for c in range(8):
        for other in range(c):
            assert not np.intersect1d(mu[c], mu[other]).size


# ---- run_chain ------------------------------------------------------------------------------------------------------


def test_run_chain_starts_from_the_trace_given(start, key):
    chains = run_chain(lambda _, t: still(t), start, samples=2, key=key)
    assert chains["mu"].tolist() == [[1.0, 1.0]]
    assert chains["y"].tolist() == [[2.0, 2.0]]  # without observations= everything is a draw


def test_run_chain_leaves_the_observations_out(start, key):
    chains = run_chain(k.mh("mu"), start, observations={"y": 2.0}, samples=3, key=key)
    assert chains.addresses == ["mu"]
    assert chains[0, 2]["y"].item() == 2.0


def test_run_chain_wants_the_observations_of_its_trace(start, key):
    with pytest.raises(UsageError, match="changes the observed choice 'y'"):
        run_chain(k.mh("mu"), start, observations={"y": 3.0}, samples=3, key=key)
    with pytest.raises(UsageError, match="the observed choice 'z' is gone"):
        run_chain(k.mh("mu"), start, observations={"z": 3.0}, samples=3, key=key)


def test_traces_of_equal_array_arguments_are_chains_of_one_call(key):
    @gen
    def model(x):
        mu = normal(0.0, 1.0) @ "mu"
        normal(mu * x, 1.0) @ "y"

    starts = [model(np.ones(3, np.float32)).simulate(key=key) for key in split(key, 2)]
    assert run_chain(k.mh("mu"), starts, samples=3, key=key).shape == (2, 3)
    other = model(np.zeros(3, np.float32)).simulate(key=key)
    with pytest.raises(UsageError, match="the chains start from different calls") as error:
        run_chain(k.mh("mu"), [*starts, other], samples=3, key=key)
    assert "the same arguments" in error.value.fix


def test_traces_of_different_models_are_not_chains_of_one_call(start, key):
    with pytest.raises(UsageError, match="the chains start from different calls"):
        run_chain(k.mh("mu"), [start, vectors().simulate(key=key)], samples=3)


@pytest.mark.parametrize("thing", [[]], ids=["none"])
def test_run_chain_without_a_trace_is_an_error(thing):
    with pytest.raises(UsageError, match="run_chain was given no trace to start from") as error:
        run_chain(k.mh("mu"), thing)
    assert error.value.fix == "model(args).generate(observations).trace"


@pytest.mark.parametrize("thing", [location(1.0), location, {"mu": 1.0}, [location(1.0)]], ids=repr)
def test_run_chain_from_what_is_no_trace_is_an_error(thing):
    with pytest.raises(UsageError, match="run_chain starts from a trace, found") as error:
        run_chain(k.mh("mu"), thing)
    assert error.value.fix == "model(args).generate(observations).trace"


def test_run_chain_from_a_trace_without_density_is_an_error(key):
    @gen
    def model(sd):
        normal(0.0, sd) @ "x"
        bernoulli(0.0) @ "b"

    with pytest.raises(WeightError, match=r"the chain starts from a trace whose density is not finite.*'b' \(-inf\)"):
        run_chain(k.mh("x"), model(1.0).generate({"b": 1}, key=key).trace, samples=3)
    with pytest.raises(DomainError, match="'sigma' of normal must be positive"):
        run_chain(k.mh("x"), model(mx.array(-1.0)).generate({"b": 0}, key=key).trace, samples=3)


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_keeps_its_draws(start, key):
    with pytest.warns(UserWarning, match="interrupted: 7 of 50 draws were made and are kept"):
        chains = run_chain(failing_at(8, k.mh("mu"), KeyboardInterrupt()), start, samples=50, key=key)
    assert chains.interrupted
    assert chains.shape == (1, 7)
    assert_exact(chains["mu"], run_chain(k.mh("mu"), start, samples=7, key=key)["mu"])
    assert chains.stats["lp"].shape == (1, 7)
    assert chains.to_arviz().posterior["mu"].shape == (1, 7)
    assert_close(chains[0, 6].score.item(), chains.stats["lp"][0, 6].item())
    assert not run_chain(k.mh("mu"), start, samples=2, key=key).interrupted


def test_an_interrupted_thinned_run_keeps_whole_draws(start, key):
    with pytest.warns(UserWarning, match="interrupted: 2 of 50 draws"):
        chains = run_chain(
            failing_at(3 + 2 * 4 + 3, counting([]), KeyboardInterrupt()), start, samples=50, burn=3, thin=4, key=key
        )
    assert chains["mu"].tolist() == [[8.0, 12.0]]


def test_a_run_of_vectorised_chains_can_be_interrupted():
    starts = [location(5.0).generate({"y": 2.0}, key=key).trace for key in split(key_for("starts"), 3)]
    with pytest.warns(UserWarning, match="interrupted: 4 of 9 draws"):
        chains = run_chain(failing_at(5, k.mh("mu"), KeyboardInterrupt()), starts, samples=9)
    assert chains.shape == chains["mu"].shape == (3, 4)


def test_a_run_of_chains_one_by_one_that_is_interrupted_between_chains_keeps_whole_draws():
    starts = [branches().generate({"y": 2.0, "z": z}, key=key_for("start")).trace for z in (0, 1)]
    with pytest.warns(UserWarning, match="interrupted: 3 of 9 draws"):
        chains = run_chain(failing_at(8, k.mh("z"), KeyboardInterrupt()), starts, samples=9)
    assert chains.shape == chains["z"].shape == chains.stats["lp"].shape == (2, 3)


def test_a_run_that_is_interrupted_while_a_draw_is_stored_keeps_whole_draws(start, key, monkeypatch):
    class Interrupting(list):
        def append(self, _):
            raise KeyboardInterrupt

    class Interrupted(DrawTable):
        def add(self, *draw):
            if self.draws == 3:
                self._scores = Interrupting(self._scores)
            super().add(*draw)

    monkeypatch.setitem(inspect.unwrap(run_chain).__globals__, "DrawTable", Interrupted)
    with pytest.warns(UserWarning, match="interrupted: 3 of 9 draws"):
        chains = run_chain(k.mh("mu"), start, samples=9, key=key)
    assert chains["mu"].shape == chains.stats["lp"].shape == chains.stats["accepted"].shape == (1, 3)


def test_an_interrupt_before_the_first_draw_is_passed_on(start):
    with pytest.raises(KeyboardInterrupt):
        run_chain(failing_at(5, k.mh("mu"), KeyboardInterrupt()), start, samples=9, burn=10)


def test_another_error_is_passed_on(start):
    with pytest.raises(ZeroDivisionError):
        run_chain(failing_at(5, k.mh("mu"), ZeroDivisionError()), start, samples=9)


# ---- weights that say nothing ---------------------------------------------------------------------------------------


@gen
def below_zero():
    """A scale that proposals may take below 0, where the density of y is NaN."""
    s = normal(1.0, 1.0) @ "s"
    normal(0.0, s + 0.0) @ "y"


@pytest.mark.parametrize("chains", [1, 3])
def test_nan_weights_are_counted_and_named_at_the_end(chains, key):
    with pytest.warns(UserWarning) as record:
        draws = mh(below_zero(), {"y": 0.5}, kernel=k.random_walk("s", 2.0), samples=60, chains=chains, key=key)
    (warning,) = record
    undefined = np.array(draws.stats["nan_weight"])
    assert undefined.shape == (chains, 60)
    assert 0 < undefined.sum() < undefined.size
    assert not np.array(draws.stats["accepted"])[undefined].any()
    assert (np.array(draws.stats["acceptance_rate"])[undefined] == 0).all()
    text = str(warning.message)
    assert f"{undefined.sum()} of {undefined.size} steps" in text
    assert "parameter 'sigma' of normal must be positive, found -" in text
    assert "at address 'y'" in text


def test_nan_weights_of_steps_that_are_not_kept_are_counted_too(key):
    with pytest.warns(UserWarning, match=r"(\d+) of 60 steps") as record:
        draws = mh(below_zero(), {"y": 0.5}, kernel=k.random_walk("s", 2.0), samples=1, burn=59, key=key)
    with pytest.warns(UserWarning, match="NaN"):
        every = mh(below_zero(), {"y": 0.5}, kernel=k.random_walk("s", 2.0), samples=60, key=key)
    assert draws.shape == (1, 1)
    assert str(record[0].message).startswith(f"{np.array(every.stats['nan_weight']).sum()} of 60")


@pytest.mark.parametrize("sds", [(2.0, 1e-3), (1e-3, 2.0)])
def test_a_nan_in_a_kernel_of_kernels_is_counted_too(sds, key):
    kernel = k.cycle([k.random_walk("s", sd) for sd in sds])
    with pytest.warns(UserWarning, match="NaN"):
        draws = mh(below_zero(), {"y": 0.5}, kernel=kernel, samples=60, key=key)
    assert 0 < np.array(draws.stats["nan_weight"]).sum() < 60


def test_the_step_that_is_explained_starts_where_it_started():
    """The kernel runs away, to where no weight is NaN."""

    def kernel(key, trace):
        _, info = k.random_walk("s", 2.0)(key, trace)
        return trace.update({"s": trace["s"] + 100.0}).trace, info

    start = below_zero().generate({"s": 0.1, "y": 0.5}).trace
    with pytest.warns(UserWarning) as record:
        for seed in range(8):
            run_chain(kernel, start, samples=1, key=gm.key(seed))
    assert 1 < len(record) < 8
    assert all("at address 'y'" in str(warning.message) for warning in record)


def test_a_nan_of_the_proposal_is_told_from_one_of_the_model(key):
    @gen
    def proposal(trace):
        normal(trace["mu"], mx.where(trace["mu"] > 1.5, mx.nan, 1.0)) @ "mu"

    with pytest.warns(UserWarning, match="the model's density is finite, that of the proposal is not"):
        mh(location(5.0), {"y": 2.0}, proposal=proposal, samples=60, initial={"mu": 0.5}, key=key)


def test_chains_without_nan_weights_say_nothing(start, key, recwarn):
    draws = run_chain(k.mh("mu"), start, samples=20, key=key)
    assert not recwarn.list
    assert not np.array(draws.stats["nan_weight"]).any()


def test_a_chain_that_never_moves_says_so(start, key):
    """Every proposal is impossible: the draws are constant, and ArviZ would call each of them independent."""
    with pytest.warns(UserWarning, match="no chain accepted any of its 120 proposals"):
        draws = run_chain(k.random_walk("mu", 1e4), start, samples=100, burn=20, key=key)
    assert np.unique(np.array(draws["mu"])).size == 1


def test_the_chains_that_never_move_are_named(key):
    starts = [location(5.0).generate({"y": 2.0, "mu": mu}).trace for mu in (1.0, 2.0)]

    def kernel(key, trace):
        new, info = k.random_walk("mu", 0.1)(key, trace)
        moves = trace["mu"] < 1.9
        chosen = trace.update({"mu": mx.where(moves, new["mu"], trace["mu"])}).trace
        return chosen, info._replace(accepted=info.accepted & moves)

    with pytest.warns(UserWarning, match=r"of the chains \[1\] none accepted any of its 100 proposals"):
        run_chain(kernel, starts, samples=100, key=key)


# ---- equal starts ---------------------------------------------------------------------------------------------------


def test_chains_that_start_from_one_point_say_that_r_hat_means_nothing(start, key):
    with pytest.warns(UserWarning, match="all 3 chains start from the same point"):
        run_chain(k.mh("mu"), [start] * 3, observations={"y": 2.0}, samples=2, key=key)
    with pytest.warns(UserWarning, match="all 2 chains start from the same point"):
        mh(location(5.0), {"y": 2.0}, initial={"mu": 1.0}, chains=2, samples=2, key=key)


def test_dispersed_discrete_and_single_starts_say_nothing(start, key, recwarn):
    apart = [start, location(5.0).generate({"y": 2.0, "mu": 3.0}).trace]
    run_chain(k.mh("mu"), apart, observations={"y": 2.0}, samples=2, key=key)
    run_chain(k.mh("mu"), start, samples=2, key=key)
    mh(line(LINE_XS), LINE_OBSERVATIONS, initial={"slope": 2.0}, chains=2, samples=2, key=key)
    mh(coins(1), {"y": 0.0}, initial={"bias": 1, ("coin", 0): 0}, chains=2, samples=2, key=key)
    assert not recwarn.list


def test_each_chain_draws_its_start_where_a_function_gives_them(key):
    @gen
    def spread(sd):
        normal(100.0, sd) @ "mu"

    chains = mh(
        location(5.0), {"y": 2.0}, initial=spread(2.0), kernel=lambda _, t: still(t), chains=200, samples=1, key=key
    )
    mu = np.array(chains["mu"])[:, 0]
    assert len(np.unique(mu)) == 200
    assert_within_mc(mu.mean(), 100.0, 2.0 / np.sqrt(200))
    assert_within_mc(((mu - 100.0) ** 2).mean(), 4.0, 4.0 * np.sqrt(2 / 200))


# ---- progress -------------------------------------------------------------------------------------------------------


def test_progress_is_printed_on_stderr_and_changes_no_draw(start, key, capfd):
    chains = run_chain(k.mh("mu"), start, samples=30, burn=10, key=key, progress=True)
    out, err = capfd.readouterr()
    assert not out
    assert "sampling" in err
    assert "40/40" in err
    assert_exact(chains["mu"], run_chain(k.mh("mu"), start, samples=30, burn=10, key=key)["mu"])
    assert capfd.readouterr() == ("", "")  # by default only on a terminal


def test_progress_stops_cleanly_on_an_interrupt(start, key, capfd):
    with pytest.warns(UserWarning, match="interrupted"):
        run_chain(failing_at(20, k.mh("mu"), KeyboardInterrupt()), start, samples=30, key=key, progress=True)
    assert "19/30" in capfd.readouterr().err


def test_progress_is_seen_on_a_terminal():
    pty = pytest.importorskip("pty")
    script = "import genmlx as gm\n@gm.gen\ndef model(): gm.normal(0.0, 1.0) @ 'x'\ngm.mh(model(), samples=20)\n"
    terminal, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", script], stderr=child, check=True, env=environment, timeout=60)
    os.close(child)
    seen = b""
    with contextlib.suppress(OSError):  # the end of a terminal that nobody holds
        while part := os.read(terminal, 65536):
            seen += part
    os.close(terminal)
    assert b"sampling" in seen
    assert b"20/20" in seen


# ---- resources ------------------------------------------------------------------------------------------------------


def walk(key, trace):
    """A step with a graph behind it, that is cheap to build."""
    new, _, _, _ = trace.update({"mu": trace["mu"] + 0.1 * mx.random.normal(key=key)})
    return new, Info(mx.array(1.0), mx.array(True))


def resources_after(kernel, start, steps, kept, key):
    """Bytes that MLX holds and objects that Python holds, with the chain alive."""
    gc.collect()
    mx.synchronize()
    mx.reset_peak_memory()
    before = mx.get_active_memory(), len(gc.get_objects())
    chains = run_chain(kernel, start, samples=kept, thin=steps // kept, key=key)
    gc.collect()
    assert len(chains) == kept
    return mx.get_peak_memory() - before[0], len(gc.get_objects()) - before[1]


@pytest.mark.parametrize(("few", "many"), [(260, 520), pytest.param(2_000, 20_000, marks=pytest.mark.slow)])
def test_steps_that_are_not_kept_need_no_memory(few, many, start, key):
    resources_after(walk, start, 20, 10, key)  # what is allocated once
    peak_few, objects_few = resources_after(walk, start, few, 10, key)
    peak_many, objects_many = resources_after(walk, start, many, 10, key)
    assert peak_many < peak_few + 2_000, f"{peak_few} bytes after {few} steps, {peak_many} after {many}"
    assert objects_many < objects_few + 200, f"{objects_few} objects after {few} steps, {objects_many} after {many}"


def test_a_trace_along_the_chain_is_evaluated(start, key):
    """Each step is computed before the next, so no graph grows: what a kernel is given exists already."""

    def kernel(key, trace):
        arrays = split_arrays(trace)[0]
        before = mx.get_active_memory()
        mx.eval(arrays)
        assert mx.get_active_memory() == before
        return walk(key, trace)

    run_chain(kernel, start, samples=20, key=key)
