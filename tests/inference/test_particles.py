"""`Particles`: estimates against NumPy in float64, resampling, tables, traces."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import Particles, importance_sampling, normal
from genmlx.core.choicemap import choicemap, lifted
from genmlx.inference.resampling import METHODS
from genmlx.numerics.errors import AddressError, UsageError, WeightError
from helpers.keys import key_for
from helpers.oracles import weighted_mean
from helpers.tolerances import assert_close, assert_exact, assert_within_mc
from inference.models import branches, line, location, nested, vectors

each_method = pytest.mark.parametrize("method", METHODS)


def particles(log_weights, **choices):
    """Weighted values, without a model behind them."""
    values = choicemap({name: mx.array(v) for name, v in choices.items()})
    return Particles(normal(0.0, 1.0), choicemap(), lifted(values, 1), mx.array(log_weights))


def random_particles(n, name="particles", shape=()):
    a, b = mx.random.split(key_for(name))
    return particles(mx.random.normal((n,), key=a), x=5.0 + mx.random.normal((n, *shape), key=b))


# ---- closed forms ---------------------------------------------------------------------------------------------------


def test_the_evidence_is_the_log_of_the_mean_weight():
    assert_close(particles([0.0, np.log(3.0)], x=[1.0, 2.0]).log_marginal_likelihood.item(), np.log(2.0))
    assert_close(particles([-1000.0] * 5, x=[0.0] * 5).log_marginal_likelihood.item(), -1000.0)
    assert particles([2.5], x=[1.0]).log_marginal_likelihood.item() == 2.5


def test_the_effective_sample_size_is_between_one_and_n():
    assert particles([-3.0] * 8, x=[0.0] * 8).ess.item() == 8.0
    assert particles([0.0, -mx.inf, -mx.inf], x=[1.0, 2.0, 3.0]).ess.item() == 1.0
    # weights 1/2, 1/4, 1/4: 1 / (1/4 + 1/16 + 1/16)
    assert_close(particles(np.log([2.0, 1.0, 1.0]).astype(np.float32), x=[1.0, 2.0, 3.0]).ess.item(), 8 / 3)


def test_weights_are_normalised():
    p = particles(np.log([2.0, 1.0, 1.0]).astype(np.float32) + 50.0, x=[1.0, 2.0, 3.0])
    assert_close(p.weights, [0.5, 0.25, 0.25])
    assert p.weights.dtype == mx.float32


def test_mean_and_variance_weigh_the_values():
    p = particles(np.log([2.0, 1.0, 1.0]).astype(np.float32), x=[1.0, 2.0, 4.0], k=[0, 1, 1])
    assert_close(p.mean("x").item(), 2.0)
    assert_close(p.variance("x").item(), 0.5 * 1.0 + 0.25 * 0.0 + 0.25 * 4.0)
    assert_close(p.mean("k").item(), 0.5)
    assert p.mean("k").dtype == mx.float32
    assert_close(p.variance("k").item(), 0.25)


def test_a_value_of_weight_zero_does_not_count_even_if_it_is_infinite():
    p = particles([0.0, -mx.inf, 0.0], x=[1.0, np.inf, 3.0])
    assert p.mean("x").item() == 2.0
    assert p.variance("x").item() == 1.0


# ---- against NumPy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_mean_and_variance_are_those_of_numpy(shape):
    p = random_particles(500, f"numpy {shape}", shape)
    x, w = np.array(p["x"], np.float64), np.array(p.weights, np.float64)
    mean = np.average(x, axis=0, weights=w)
    assert_close(p.mean("x"), mean)
    assert_close(p.variance("x"), np.average((x - mean) ** 2, axis=0, weights=w))
    assert p.mean("x").shape == p.variance("x").shape == shape


@pytest.mark.parametrize("q", [0.0, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_quantiles_are_those_of_numpy(q, shape):
    p = random_particles(501, f"quantile {shape}", shape)
    x, w = np.array(p["x"]), np.array(p.weights, np.float64)
    expected = np.array([np.quantile(c, q, weights=w, method="inverted_cdf") for c in x.reshape(501, -1).T])
    assert_exact(p.quantile("x", q), expected.reshape(shape).astype(np.float32))


def test_a_quantile_is_never_a_value_of_weight_zero():
    p = particles([-mx.inf, 0.0, 0.0, -mx.inf], x=[-9.0, 1.0, 2.0, 9.0])
    assert [p.quantile("x", q).item() for q in (0.0, 0.25, 0.75, 1.0)] == [1.0, 1.0, 2.0, 2.0]


def test_a_quantile_of_discrete_values_is_one_of_them():
    p = particles(np.log([0.1, 0.3, 0.6]).astype(np.float32), k=[0, 1, 2])
    assert p.quantile("k", 0.05).item() == 0
    assert p.quantile("k", 0.35).item() == 1
    assert p.quantile("k", 0.5).item() == 2


@pytest.mark.parametrize("q", [-0.1, 1.5, float("nan")])
def test_a_quantile_is_asked_for_by_a_probability(q):
    with pytest.raises(UsageError, match="q= is a probability, found"):
        particles([0.0], x=[1.0]).quantile("x", q)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_million_particles_are_summed_without_loss(spread):
    """In float32 the mean was off by a seventh of its Monte Carlo error, and the effective sample size by 1%."""
    n = 1_000_000
    a, b = mx.random.split(key_for("a million"))
    p = particles(spread * mx.random.normal((n,), key=a), x=5.0 + mx.random.normal((n,), key=b))
    log_w, x = np.array(p.log_weights, np.float64), np.array(p["x"], np.float64)
    w = np.exp(log_w)
    mean = np.average(x, weights=w)
    assert_close(p.ess.item(), w.sum() ** 2 / (w**2).sum(), rtol=1e-6)
    assert_close(p.mean("x").item(), mean, rtol=1e-6)
    assert_close(p.variance("x").item(), np.average((x - mean) ** 2, weights=w), rtol=1e-6)
    assert_close(p.log_marginal_likelihood.item(), np.log(w.mean()), atol=1e-6)


# ---- resampling -----------------------------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize("n", [None, 10, 300])
def test_resampled_particles_weigh_the_same_and_keep_the_evidence(method, n, key):
    p = random_particles(100)
    r = p.resample(n, method=method, key=key)
    assert len(r) == (n or 100)
    assert_exact(r.log_weights, mx.broadcast_to(p.log_marginal_likelihood, (len(r),)))
    assert_exact(r.log_marginal_likelihood, p.log_marginal_likelihood)
    assert_close(r.ess.item(), len(r))
    assert set(np.array(r["x"]).tolist()) <= set(np.array(p["x"]).tolist())


@each_method
def test_resampling_is_unbiased(method):
    """Over many keys, the plain mean after resampling is the weighted mean before."""
    p = random_particles(60, "unbiased")
    keys = mx.random.split(key_for(f"unbiased {method}"), 600)
    means = np.array([mx.mean(p.resample(20, method=method, key=k)["x"]).item() for k in keys])
    expected = weighted_mean(p["x"], p.log_weights).mean
    assert_within_mc(means.mean(), expected, means.std(ddof=1) / np.sqrt(600), max_se=0.02)


@each_method
def test_all_choices_of_a_particle_stay_together(method, key):
    p = particles(mx.random.normal((50,), key=key), x=mx.arange(50) * 1.0, y=mx.arange(50) + 100, v=mx.zeros((50, 2)))
    r = p.resample(70, method=method, key=key)
    assert_exact(r["x"] + 100.0, r["y"].astype(mx.float32))
    assert r["v"].shape == (70, 2)


def test_resampling_keeps_what_was_observed(key):
    p = importance_sampling(location(5.0), {"y": 2.0}, particles=20, key=key)
    r = p.resample(5, key=key)
    trace = r[3]
    assert trace["y"].item() == 2.0
    assert trace["mu"].item() == r["mu"][3].item()


def test_weights_that_say_nothing_cannot_be_resampled(key):
    with pytest.raises(WeightError, match="all 2 log weights to resample from are -inf"):
        particles([-mx.inf, -mx.inf], x=[1.0, 2.0]).resample(key=key)
    with pytest.raises(WeightError, match="1 of 2 log weights to resample from are NaN"):
        particles([mx.nan, 0.0], x=[1.0, 2.0]).resample(key=key)


def test_the_default_method_is_systematic(key):
    p = random_particles(30)
    assert_exact(p.resample(key=key)["x"], p.resample(method="systematic", key=key)["x"])


# ---- choices and traces ---------------------------------------------------------------------------------------------


def test_an_index_gives_a_trace_with_the_score_of_the_model(key):
    p = importance_sampling(line([1.0, 2.0]), {"y0": 1.0, "y1": 2.5}, particles=10, key=key)
    for i in (0, 7, -1):
        trace = p[i]
        slope, intercept = p["slope"][i].item(), p["intercept"][i].item()
        assert trace["slope"].item() == slope
        score = [
            -0.5 * (z / s) ** 2 - np.log(s * np.sqrt(2 * np.pi))
            for z, s in [
                (slope, 10.0),
                (intercept, 10.0),
                (1.0 - slope - intercept, 1.0),
                (2.5 - 2 * slope - intercept, 1.0),
            ]
        ]
        assert_close(trace.score.item(), sum(score), rtol=1e-5, atol=1e-4)
        assert trace.args == ([1.0, 2.0],)


@pytest.mark.parametrize("i", [10, -11])
def test_an_index_out_of_range_is_an_error(i, key):
    p = importance_sampling(location(5.0), {"y": 2.0}, particles=10, key=key)
    with pytest.raises(IndexError, match=f"particle {i} of 10"):
        p[i]


def test_groups_and_paths_are_addressed(key):
    p = importance_sampling(nested(2), {"y": 0.3}, particles=6, key=key)
    assert p["first", "mu"].shape == (6,)
    assert_exact(p["first"]["mu"], p["first", "mu"])
    assert p.mean(("first", "mu")).shape == ()
    with pytest.raises(AddressError, match="there is no choice at 'third'"):
        p["third"]


def test_branches_have_gaps(key):
    with pytest.warns(UserWarning, match="not vectorised"):
        p = importance_sampling(branches(), {"y": 1.0}, particles=30, key=key)
    z, a = np.array(p["z"]), np.array(p["a"])
    assert np.isnan(p.mean("a").item())
    assert_close(p.mean("z").item(), weighted_mean(z, p.log_weights).mean)
    for i in range(30):
        trace = p[i]
        assert ("a" in trace) == (z[i] == 1) == (not np.isnan(a[i]))
        assert trace["z"].item() == z[i]
    r = p.resample(50, key=key)
    assert np.array_equal(np.isnan(np.array(r["a"])), np.array(r["z"]) == 0)


def test_groups_of_different_structure_are_an_error_that_points_to_traces(key):
    @gm.gen
    def model():
        z = normal(0.0, 1.0) @ "z"
        if z.item() > 0:
            location(1.0) @ "w"
        else:
            normal(0.0, 1.0) @ "w"

    with pytest.warns(UserWarning, match="not vectorised"):
        p = importance_sampling(model(), particles=20, key=key)
    with pytest.raises(AddressError, match="the particles have different choices at 'w'") as error:
        p["w"]
    assert "particles[i]" in error.value.fix


# ---- tables ---------------------------------------------------------------------------------------------------------


def test_the_summary_has_a_row_for_every_number(key):
    p = importance_sampling(vectors(), {"y": [1.0, 2.0, 3.0]}, particles=400, key=key)
    table = p.summary()
    assert table.index.tolist() == ["a[0]", "a[1]", "a[2]", "sub.mu", "sub.y"]
    assert table.columns.tolist() == ["mean", "sd", "5%", "50%", "95%"]
    assert_close(table["mean"]["a[1]"], p.mean("a")[1].item())
    assert_close(table["sd"]["sub.mu"], np.sqrt(p.variance(("sub", "mu")).item()))
    assert_close(table["50%"]["a[2]"], p.quantile("a", 0.5)[2].item())
    assert np.all(table["5%"] <= table["95%"])


def test_arviz_data_has_one_chain_resampled_by_weight(key):
    p = importance_sampling(vectors(), {"y": [1.0, 2.0, 3.0]}, particles=400, key=key)
    data = p.to_arviz(key=key)
    draws = int(p.ess.item())
    assert data.posterior["a"].shape == (1, draws, 3)
    assert data.posterior["sub.mu"].shape == (1, draws)
    assert data.observed_data["y"].values.tolist() == [1.0, 2.0, 3.0]
    assert data.attrs["log_marginal_likelihood"] == p.log_marginal_likelihood.item()
    assert data.attrs["effective_sample_size"] == p.ess.item()
    assert p.to_arviz(7, key=key).posterior["a"].shape == (1, 7, 3)
    assert_exact(data.posterior["a"].values[0], p.resample(draws, key=key)["a"])


def test_arviz_data_of_one_heavy_particle_has_one_draw():
    data = particles([0.0, -mx.inf], x=[1.5, 2.0]).to_arviz()
    assert data.posterior["x"].values.tolist() == [[1.5]]


def test_two_addresses_with_one_name_are_an_error_in_a_table():
    p = particles([0.0, 0.0], **{"a.b": [1.0, 2.0], "a": [3.0, 4.0]})
    choices = lifted(choicemap({("a", "b"): p["a"], "a.b": p["a.b"]}), 1)
    p = Particles(p.call, p.observations, choices, p.log_weights)
    with pytest.raises(AddressError, match=r"two addresses have the name 'a\.b' in a table"):
        p.to_arviz()


def test_the_text_form_says_how_good_the_particles_are():
    assert repr(particles([0.0, 0.0], x=[1.0, 2.0])) == "Particles(2, log_marginal_likelihood=0, ess=2)"
