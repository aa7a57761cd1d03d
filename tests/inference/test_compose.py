"""Kernels from kernels: what is run, with which keys, and what the info says."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import run_chain
from genmlx.inference.base import Info
from genmlx.numerics.errors import UsageError
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_within_mc
from inference.models import branches, line, location

k = gm.kernels


@pytest.fixture
def trace(key):
    return line([1.0, 2.0]).generate({"y0": 1.0, "y1": 2.0}, key=key).trace


def recorder(log, name, rate=1.0, accepted=True):
    """A kernel that notes its key and moves nothing."""

    def kernel(key, trace):
        log.append((name, tuple(np.array(key).tolist())))
        return trace, Info(mx.array(rate), mx.array(accepted))

    return kernel


# ---- cycle, chain, repeat -------------------------------------------------------------------------------------------


def test_cycle_runs_its_kernels_in_order_each_with_a_key_of_its_own(key, trace):
    log = []
    k.cycle([recorder(log, "a"), recorder(log, "b"), recorder(log, "c")])(key, trace)
    assert [name for name, _ in log] == ["a", "b", "c"]
    assert len({word for _, word in log}) == 3


def test_cycle_passes_the_trace_on(key, trace):
    def add(address):
        info = Info(mx.array(1.0), mx.array(True))
        return lambda _, t: (t.update({address: t[address] + 1.0}).trace, info)

    new, _ = k.cycle([add("slope"), add("intercept"), add("slope")])(key, trace)
    assert_close(new["slope"].item(), trace["slope"].item() + 2.0)
    assert_close(new["intercept"].item(), trace["intercept"].item() + 1.0)


def test_the_info_of_a_cycle_averages_the_rates_and_says_whether_anything_was_accepted(key, trace):
    parts = [recorder([], "a", 0.5, False), recorder([], "b", 0.2, True), recorder([], "c", 0.2, False)]
    _, info = k.cycle(parts)(key, trace)
    assert_close(info.acceptance_rate.item(), 0.3)
    assert info.accepted.item() is True
    _, info = k.cycle([parts[0], parts[2]])(key, trace)
    assert info.accepted.item() is False


def test_chain_is_cycle_of_its_arguments(key, trace):
    a, b = k.mh("slope"), k.random_walk("intercept", 0.5)
    assert_exact(k.chain(a, b)(key, trace)[0].score, k.cycle([a, b])(key, trace)[0].score)


def test_repeat_runs_the_kernel_that_often_with_different_keys(key, trace):
    log = []
    k.repeat(recorder(log, "a"), 5)(key, trace)
    assert len(log) == 5
    assert len({word for _, word in log}) == 5


def test_composition_nests(key, trace):
    log = []
    k.repeat(k.cycle([recorder(log, "a"), k.repeat(recorder(log, "b"), 2)]), 2)(key, trace)
    assert [name for name, _ in log] == ["a", "b", "b"] * 2
    assert len({word for _, word in log}) == 6


# ---- mix ------------------------------------------------------------------------------------------------------------


def test_mix_chooses_each_kernel_with_its_probability(trace):
    log = []
    kernel = k.mix([(1.0, recorder(log, "a")), (0.0, recorder(log, "never")), (3.0, recorder(log, "b"))])
    for key in split(key_for("mix"), 800):
        kernel(key, trace)
    names = np.array([name for name, _ in log])
    assert len(names) == 800
    assert set(names) == {"a", "b"}
    assert_within_mc((names == "b").mean(), 0.75, np.sqrt(0.75 * 0.25 / 800))


def test_the_choice_of_a_mix_and_its_kernel_use_different_keys(trace):
    """With one key for both, the kernel would see only the keys that chose it."""
    kernel = k.mix([(0.5, k.mh("slope")), (0.5, k.mh("slope"))])
    for key in split(key_for("mix keys"), 20):
        new, _ = kernel(key, trace)
        alone, _ = k.mh("slope")(key, trace)
        assert new["slope"].item() != alone["slope"].item() or new["slope"].item() == trace["slope"].item()


def test_vectorised_chains_mix_each_for_itself_and_equal_chains_run_one_by_one():
    """Both run the same keys; a counter that reads a value keeps the second from being vectorised."""
    starts = [
        line([1.0, 2.0]).generate({"y0": 1.0, "y1": 2.0}, key=key).trace for key in split(key_for("mix chains"), 6)
    ]
    kernel = k.mix([(0.3, k.random_walk("slope", 0.5)), (0.5, k.random_walk("intercept", 0.5)), (0.2, k.mh("slope"))])
    options = {"samples": 15, "key": key_for("mix run")}
    vectorised = run_chain(kernel, starts, **options)
    with pytest.warns(UserWarning, match="not vectorised"):
        one_by_one = run_chain(read_first(kernel), starts, **options)
    assert_close(vectorised["slope"], one_by_one["slope"], rtol=1e-4, atol=1e-5)
    assert_close(vectorised["intercept"], one_by_one["intercept"], rtol=1e-4, atol=1e-5)
    assert_exact(vectorised.stats["accepted"], one_by_one.stats["accepted"])
    moved = np.abs(np.diff(np.array(vectorised["slope"]), axis=1)) > 0
    assert len({tuple(row) for row in moved}) > 1  # the chains choose apart


def read_first(kernel):
    """The kernel, which cannot be vectorised because a value is read."""

    def reading(key, trace):
        trace.score.item()
        return kernel(key, trace)

    return reading


# ---- when -----------------------------------------------------------------------------------------------------------


def test_when_runs_its_kernel_only_where_the_condition_holds(key, trace):
    log = []
    k.when(lambda t: t["slope"] > 1e6, recorder(log, "a"))(key, trace)
    assert not log
    k.when(lambda t: t["slope"] < 1e6, recorder(log, "a"))(key, trace)
    k.when(lambda t: "slope" in t, recorder(log, "b"))(key, trace)
    assert [name for name, _ in log] == ["a", "b"]


def test_when_passes_its_own_key_on(key, trace):
    log = []
    k.when(lambda t: True, recorder(log, "a"))(key, trace)
    assert log == [("a", tuple(np.array(key).tolist()))]


def test_a_step_without_a_move_was_not_accepted(key, trace):
    new, info = k.when(lambda t: False, k.mh("slope"))(key, trace)
    assert new is trace
    assert info.acceptance_rate.item() == 0.0
    assert info.accepted.item() is False


def test_vectorised_chains_evaluate_the_condition_each_for_itself():
    starts = [location(2.0).generate({"y": 1.0, "mu": mu}).trace for mu in (-1.0, 1.0, -2.0)]
    chains = run_chain(
        k.when(lambda t: t["y"] * t["mu"] > 0.0, k.random_walk("mu", 1e-3)), starts, samples=20, key=key_for("when")
    )
    mu = np.array(chains["mu"])
    assert np.all(mu[0] == -1.0)
    assert np.all(mu[2] == -2.0)
    assert len(np.unique(mu[1])) > 10


def test_when_fits_kernels_to_branches(key):
    kernel = k.cycle(
        [
            k.mh("z"),
            k.when(lambda t: "a" in t, k.random_walk("a", 0.5)),
            k.when(lambda t: "b" in t, k.random_walk("b", 0.5)),
        ]
    )
    chains = gm.mh(branches(), {"y": 1.0}, kernel=kernel, samples=60, key=key)
    z = np.array(chains["z"])[0]
    assert 0 < z.sum() < 60
    assert np.array_equal(np.array(chains.present("a"))[0], z == 1)


# ---- seed -----------------------------------------------------------------------------------------------------------


def test_a_seeded_kernel_still_gets_a_new_key_at_every_step(trace):
    """With its own key alone it would propose one value for ever."""
    chains = run_chain(k.seed(k.random_walk("slope", 0.01), gm.key(5)), trace, samples=50, key=key_for("seed"))
    steps = np.diff(np.array(chains["slope"])[0])
    moves = steps[steps != 0]
    assert len(moves) > 30
    assert len(np.unique(moves)) == len(moves)
    assert (moves > 0).any()
    assert (moves < 0).any()


def test_a_seed_makes_a_stream_of_its_own(key, trace):
    keys = []
    for seed in (1, 2):
        log = []
        k.seed(recorder(log, "a"), gm.key(seed))(key, trace)
        k.seed(recorder(log, "a"), gm.key(seed))(key, trace)
        assert log[0] == log[1]
        keys.append(log[0][1])
    assert len({*keys, tuple(np.array(key).tolist())}) == 3


def test_a_seed_may_be_an_int(key, trace):
    log = []
    k.seed(recorder(log, "a"), 7)(key, trace)
    k.seed(recorder(log, "a"), gm.key(7))(key, trace)
    assert log[0] == log[1]


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: k.cycle([]), k.chain], ids=["cycle", "chain"])
def test_no_kernels_are_an_error(make):
    with pytest.raises(UsageError, match="cycle takes at least one kernel, found none"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: k.cycle([k.mh("x"), location]),
        lambda: k.chain(location),
        lambda: k.repeat(location, 2),
        lambda: k.mix([(1.0, "mu")]),
        lambda: k.when(lambda t: True, location),
        lambda: k.seed(location, gm.key(0)),
    ],
    ids=["cycle", "chain", "repeat", "mix", "when", "seed"],
)
def test_what_is_no_kernel_is_an_error(make):
    with pytest.raises(UsageError, match=r"a kernel is a function of \(key, trace\), found") as error:
        make()
    assert "gm.kernels" in error.value.fix


@pytest.mark.parametrize("times", [0, -1, True])
def test_repeat_takes_a_positive_count(times):
    with pytest.raises(UsageError, match="times= takes an int of at least 1, found"):
        k.repeat(k.mh("x"), times)


@pytest.mark.parametrize("pairs", [[], [k.mh("x"), k.mh("y")]], ids=["none", "without probabilities"])
def test_mix_takes_pairs(pairs):
    with pytest.raises(UsageError, match=r"mix takes \(probability, kernel\) pairs, found"):
        k.mix(pairs)


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_mix_takes_probabilities(weights):
    with pytest.raises(UsageError, match="probabilities that are not negative and not all 0, found") as error:
        k.mix([(w, k.mh("x")) for w in weights])
    assert "k.mix([(0.5," in error.value.fix
