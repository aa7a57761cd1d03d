"""`Chains`: draws by address, traces, statistics, tables."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import Chains, gen, mh, normal, run_chain
from genmlx.core.choicemap import choicemap
from genmlx.distributions.bernoulli import bernoulli
from genmlx.inference.base import Info
from genmlx.inference.draws import DrawTable
from genmlx.numerics.errors import AddressError
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact
from inference.models import LINE_OBSERVATIONS, LINE_XS, branches, coins, line, location, nested, vectors

k = gm.kernels


@pytest.fixture(scope="module")
def chains():
    return mh(vectors(), {"y": [1.0, 2.0, 3.0]}, samples=25, chains=3, key=key_for("chains"))


@pytest.fixture(scope="module")
def branching():
    starts = [branches().generate({"y": 1.0, "z": z}, key=key_for(f"{z}")).trace for z in (0, 1)]
    return run_chain(k.mh(~gm.select("y")), starts, observations={"y": 1.0}, samples=30, key=key_for("branching"))


def test_draws_have_axes_for_chains_and_draws_in_front_of_those_of_the_choice(chains):
    assert chains.shape == (3, 25)
    assert len(chains) == 25
    assert chains["a"].shape == (3, 25, 3)
    assert chains["sub", "mu"].shape == (3, 25)
    assert chains.addresses == ["a", ("sub", "mu"), ("sub", "y")]


def test_a_group_is_a_dict_of_arrays(chains):
    group = chains["sub"]
    assert list(group) == ["mu", "y"]
    assert_exact(group["mu"], chains["sub", "mu"])


def test_groups_go_deep_and_hold_ints(key):
    @gen
    def model():
        nested(2) @ ("outer", 0)

    drawn = mh(model(), {("outer", 0, "y"): 0.3}, samples=3, key=key)
    assert list(drawn["outer"]) == ["[0].first.mu", "[0].first.y", "[0].second.mu", "[0].second.y"]
    assert list(drawn["outer", 0]) == ["first.mu", "first.y", "second.mu", "second.y"]
    assert drawn["outer", 0, "first", "mu"].shape == (1, 3)


def test_membership_holds_for_choices_and_groups(chains):
    assert "a" in chains
    assert "sub" in chains
    assert ("sub", "mu") in chains
    assert "mu" not in chains
    assert "y" not in chains  # observed


def test_an_unknown_address_is_an_error_with_the_known_ones(chains):
    with pytest.raises(AddressError, match="there are no draws of 'b'") as error:
        chains["b"]
    assert error.value.fix == "one of 'a', ('sub', 'mu'), ('sub', 'y')"


@pytest.mark.parametrize("index", [(0, 0), (2, 24), (-1, -1), (1, 7)])
def test_a_pair_of_ints_is_a_trace_with_the_score_that_the_chain_recorded(index, chains):
    trace = chains[index]
    assert trace.gen_fn is vectors
    assert trace["y"].tolist() == [1.0, 2.0, 3.0]
    assert_exact(trace["a"], chains["a"][index])
    assert_exact(trace["sub", "mu"], chains["sub", "mu"][index])
    assert_close(trace.score.item(), chains.stats["lp"][index].item())
    assert_close(trace.score.item(), vectors().assess(trace.choices).weight.item())


@pytest.mark.parametrize("index", [(3, 0), (0, 25), (-4, 0), (0, -26)])
def test_a_trace_out_of_range_is_an_error(index, chains):
    with pytest.raises(IndexError, match="there are 3 chains of 25 draws, found"):
        chains[index]


def test_a_trace_can_go_on_as_the_start_of_a_chain(chains):
    more = run_chain(k.mh("a"), chains[1, -1], samples=3, key=key_for("more"))
    assert more["a"].shape == (1, 3, 3)


def test_statistics_have_arviz_names(chains):
    assert list(chains.stats) == ["lp", "acceptance_rate", "accepted", "nan_weight"]
    for value in chains.stats.values():
        assert value.shape == (3, 25)
    rate, accepted = np.array(chains.stats["acceptance_rate"]), np.array(chains.stats["accepted"])
    assert np.all((rate >= 0) & (rate <= 1))
    assert accepted.dtype == bool
    moved = np.any(np.diff(np.array(chains["a"]), axis=1) != 0, axis=-1)
    assert np.array_equal(moved, accepted[:, 1:])


def test_the_recorded_log_density_is_that_of_the_draws(key):
    drawn = mh(line(LINE_XS), LINE_OBSERVATIONS, samples=15, chains=2, key=key)
    slope, intercept = (np.array(drawn[a], np.float64) for a in ("slope", "intercept"))

    def log_normal(x, mu, sigma):
        return -0.5 * ((x - mu) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))

    expected = log_normal(slope, 0.0, 10.0) + log_normal(intercept, 0.0, 10.0)
    for x, y in zip(LINE_XS, LINE_OBSERVATIONS.values(), strict=True):
        expected += log_normal(y, slope * x + intercept, 1.0)
    assert_close(drawn.stats["lp"], expected, rtol=1e-5, atol=1e-3)


# ---- gaps -----------------------------------------------------------------------------------------------------------


def test_a_branch_that_was_not_taken_is_a_gap(branching):
    z, a, b = (np.array(branching[name]) for name in "zab")
    assert np.array_equal(np.isnan(a), z == 0)
    assert np.array_equal(np.isnan(b), z == 1)
    assert np.array_equal(np.array(branching.present("a")), z == 1)
    assert branching["z"].dtype == mx.int32
    assert 0 < z.mean() < 1


def test_traces_of_a_branching_chain_have_the_choices_of_their_branch(branching):
    z = np.array(branching["z"])
    for c in range(2):
        for i in range(30):
            trace = branching[c, i]
            assert set(trace.choices) == {"z", "y", "a" if z[c, i] else "b"}
            assert_close(trace.score.item(), branching.stats["lp"][c, i].item())


def test_presence_is_asked_of_one_choice(chains):
    assert np.array(chains.present("a")).all()
    assert chains.present(("sub", "mu")).shape == (3, 25)
    with pytest.raises(AddressError, match="'sub' is a group of choices") as error:
        chains.present("sub")
    assert "('sub', 'mu')" in error.value.fix


# ---- tables ---------------------------------------------------------------------------------------------------------


def test_the_summary_is_that_of_arviz(key):
    drawn = mh(location(1.0), {"y": 0.5}, samples=400, chains=2, key=key)
    table = drawn.summary()
    assert table.index.tolist() == ["mu"]
    assert {"mean", "sd", "ess_bulk", "ess_tail", "r_hat", "mcse_mean"} <= set(table.columns)
    assert float(table["r_hat"]["mu"]) < 1.1
    assert float(table["ess_bulk"]["mu"]) > 50
    assert_close(float(table["mean"]["mu"]), np.array(drawn["mu"]).mean(), atol=0.02)


def test_options_of_the_summary_reach_arviz(chains):
    assert chains.summary(var_names=["sub.mu"]).index.tolist() == ["sub.mu"]


def test_arviz_data_has_posterior_statistics_and_data(chains):
    data = chains.to_arviz()
    assert set(data.children) == {"posterior", "sample_stats", "observed_data"}
    assert set(data.posterior.data_vars) == {"a", "sub.mu", "sub.y"}
    assert data.posterior["a"].dims[:2] == ("chain", "draw")
    assert data.posterior["a"].shape == (3, 25, 3)
    assert_exact(data.posterior["sub.mu"].values, np.array(chains["sub", "mu"]))
    assert set(data.sample_stats.data_vars) == {"lp", "acceptance_rate", "accepted", "nan_weight"}
    assert data.observed_data["y"].values.tolist() == [1.0, 2.0, 3.0]


def test_without_observations_there_is_no_group_of_data(key):
    drawn = mh(location(1.0), samples=5, key=key)
    assert set(drawn.to_arviz().children) == {"posterior", "sample_stats"}


def test_arviz_takes_gaps_and_discrete_draws(branching, key):
    table = branching.summary()
    assert table.index.tolist() == ["z", "b", "a"]
    drawn = mh(coins(2), {"y": 1.0}, samples=20, chains=2, key=key)
    assert set(drawn.to_arviz().posterior.data_vars) == {"bias", "coin[0]", "coin[1]"}


def test_two_addresses_with_one_name_are_an_error_in_a_table():
    table = DrawTable(1)
    info = Info(mx.array(1.0), mx.array(True))
    table.add([choicemap({("a", "b"): 1.0, "a.b": 2.0})], [mx.array(0.0)], [info])
    ambiguous = Chains(location(1.0), choicemap(), table)
    assert ambiguous["a", "b"].item() == 1.0
    assert ambiguous["a.b"].item() == 2.0
    with pytest.raises(AddressError, match=r"two addresses have the name 'a\.b' in a table") as error:
        ambiguous.to_arviz()
    assert "without dots" in error.value.fix


def test_a_distribution_has_draws_at_the_empty_address(key):
    drawn = mh(bernoulli(0.3), samples=30, key=key)
    assert drawn[()].shape == (1, 30)
    assert drawn.addresses == [()]
    assert set(drawn.to_arviz().posterior.data_vars) == {"value"}
    assert set(np.array(drawn[()]).reshape(-1).tolist()) == {0, 1}


def test_the_text_form_names_the_choices(chains):
    assert repr(chains) == "Chains(3 chains of 25 draws: 'a', ('sub', 'mu'), ('sub', 'y'))"


def test_the_order_of_the_addresses_is_that_of_the_model(key):
    @gen
    def model():
        for name in "zkamqb":
            normal(0.0, 1.0) @ name

    assert mh(model(), {"m": 0.0}, samples=2, key=key).addresses == list("zkaqb")
