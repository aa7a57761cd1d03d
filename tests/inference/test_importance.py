"""Importance sampling: what it draws, how it weighs, what it refuses."""

import warnings

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, importance_resampling, importance_sampling, normal
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.flat import flat
from genmlx.numerics.errors import (
    AddressError,
    ConstraintError,
    DomainError,
    ImproperPriorError,
    ShapeError,
    UsageError,
    WeightError,
)
from helpers.tolerances import assert_close, assert_exact
from inference.models import (
    LINE_OBSERVATIONS,
    LINE_XS,
    branches,
    line,
    location,
    nested,
    selected,
    selected_by_python,
    vectors,
)

LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


def log_normal_density(x, mu, sigma):
    return -0.5 * ((np.float64(x) - mu) / sigma) ** 2 - np.log(sigma) - LOG_SQRT_2PI


def assert_same_particles(a, b):
    assert_exact(a.log_weights, b.log_weights)
    assert list(a.choices.stored()), "nothing to compare"
    for (path, x), (other, y) in zip(a.choices.stored(), b.choices.stored(), strict=True):
        assert path == other
        assert_exact(x, y)


# ---- draws and weights ----------------------------------------------------------------------------------------------


def test_from_the_prior_the_weight_is_the_likelihood(key):
    p = importance_sampling(location(5.0), {"y": 2.0}, particles=50, key=key)
    assert p["mu"].shape == p.log_weights.shape == (50,)
    assert_close(p.log_weights, log_normal_density(2.0, np.array(p["mu"], np.float64), 1.0))
    assert list(p.choices) == ["mu"]  # observations are not kept n times
    assert p.observations["y"].item() == 2.0


def test_a_proposal_is_divided_out(key):
    @gen
    def guide(center):
        normal(center, 0.5) @ "mu"

    p = importance_sampling(location(5.0), {"y": 2.0}, particles=50, proposal=guide(1.5), key=key)
    mu = np.array(p["mu"], np.float64)
    expected = log_normal_density(mu, 0.0, 5.0) + log_normal_density(2.0, mu, 1.0) - log_normal_density(mu, 1.5, 0.5)
    assert_close(p.log_weights, expected, atol=1e-5)


def test_what_a_proposal_does_not_choose_comes_from_the_prior(key):
    @gen
    def guide():
        normal(2.0, 0.5) @ "slope"

    p = importance_sampling(line([1.0]), {"y0": 2.0}, particles=50, proposal=guide(), key=key)
    slope, intercept = (np.array(p[a], np.float64) for a in ("slope", "intercept"))
    expected = (
        log_normal_density(slope, 0.0, 10.0)
        + log_normal_density(2.0, slope + intercept, 1.0)
        - log_normal_density(slope, 2.0, 0.5)
    )
    assert_close(p.log_weights, expected, rtol=1e-5, atol=1e-4)
    assert np.std(intercept) > 3.0  # N(0, 10), untouched


def test_a_proposal_reaches_below_an_address(key):
    @gen
    def guide():
        normal(0.5, 0.3) @ ("first", "mu")

    p = importance_sampling(nested(2), {"y": 0.3}, particles=20, proposal=guide(), key=key)
    for i in (0, 19):
        trace = p[i]
        mine = log_normal_density(trace["first", "mu"].item(), 0.5, 0.3)
        free = gm.select(("first", "y"), "second")
        expected = trace.score.item() - trace.project(free).item() - mine
        assert_close(p.log_weights[i].item(), expected, atol=1e-5)


def test_a_proposal_without_arguments_may_be_given_uncalled(key):
    @gen
    def guide():
        normal(0.5, 0.3) @ "mu"

    a = importance_sampling(location(5.0), {"y": 2.0}, particles=5, proposal=guide, key=key)
    b = importance_sampling(location(5.0), {"y": 2.0}, particles=5, proposal=guide(), key=key)
    assert_same_particles(a, b)


def test_a_proposal_makes_up_for_an_improper_prior(key):
    @gen
    def model():
        mu = flat() @ "mu"
        normal(mu, 1.0) @ "y"

    @gen
    def guide():
        normal(0.0, 2.0) @ "mu"

    p = importance_sampling(model(), {"y": 1.0}, particles=4000, proposal=guide(), key=key)
    assert abs(p.log_marginal_likelihood.item()) < 0.1  # the likelihood integrates to 1
    with pytest.raises(ImproperPriorError, match="improper prior"):
        importance_sampling(model(), {"y": 1.0}, particles=3, key=key)


def test_without_observations_every_particle_weighs_the_same(key):
    p = importance_sampling(location(5.0), particles=100, key=key)
    assert_exact(p.log_weights, mx.zeros(100))
    assert p.log_marginal_likelihood.item() == 0.0
    assert sorted(p.choices) == ["mu", "y"]


def test_with_everything_observed_every_particle_weighs_the_score(key):
    choices = {"mu": 1.0, "y": 2.0}
    p = importance_sampling(location(5.0), choices, particles=3, key=key)
    score, _ = location(5.0).assess(choices)
    assert_exact(p.log_weights, mx.broadcast_to(score, (3,)))
    assert p.choices.is_empty
    assert p[1].score.item() == score.item()


def test_observations_belong_to_all_particles_whatever_their_number(key):
    @gen
    def model():
        mu = normal(mx.zeros(3), 1.0) @ "mu"
        normal(mu, 1.0) @ "y"

    data = mx.array([1.0, 2.0, 3.0])
    p = importance_sampling(model(), {"y": data}, particles=3, key=key)  # three values, three particles
    assert p["mu"].shape == (3, 3)
    expected = log_normal_density(np.array(data), np.array(p["mu"], np.float64), 1.0).sum(axis=1)
    assert_close(p.log_weights, expected)


@pytest.mark.parametrize("particles", [1, 3, 7])
def test_an_observation_of_the_wrong_shape_is_an_error_whatever_the_number_of_particles(particles):
    with pytest.raises(ShapeError, match=r"values of shape \(\), but the constraint has shape \(3,\)"):
        importance_sampling(location(5.0), {"y": mx.array([1.0, 2.0, 3.0])}, particles=particles)


def test_a_distribution_is_a_model(key):
    p = importance_sampling(normal(1.0, 2.0), particles=10, key=key)
    assert p[()].shape == (10,)
    assert p.summary().index.tolist() == ["value"]


# ---- keys and chunks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 7, 64, 4096, 5000, 10**6])
def test_the_chunk_size_changes_nothing(chunk, key):
    n = min(9_000, 50 * chunk)
    whole = importance_sampling(line(LINE_XS), LINE_OBSERVATIONS, particles=n, key=key)
    assert len(whole) == n
    parts = importance_sampling(line(LINE_XS), LINE_OBSERVATIONS, particles=n, chunk=chunk, key=key)
    assert_same_particles(whole, parts)


def test_more_particles_begin_with_the_same_ones(key):
    few = importance_sampling(location(5.0), {"y": 2.0}, particles=10, key=key)
    many = importance_sampling(location(5.0), {"y": 2.0}, particles=5_000, key=key)
    assert_exact(few["mu"], many["mu"][:10])


def test_no_two_particles_share_a_draw(key):
    p = importance_sampling(location(5.0), {"y": 2.0}, particles=20_000, chunk=3_000, key=key)
    distinct = len(np.unique(np.array(p["mu"])))
    assert distinct > 19_950  # a float32 normal repeats itself now and then; a block of keys would 4096 times


def test_one_key_gives_one_result_and_another_key_another(key):
    run = lambda k: importance_sampling(location(5.0), {"y": 2.0}, particles=10, key=k)  # noqa: E731
    assert_same_particles(run(key), run(key))
    assert not mx.any(run(key)["mu"] == run(gm.key(99))["mu"]).item()


def test_without_a_key_the_global_generator_rules():
    run = lambda: importance_sampling(location(5.0), {"y": 2.0}, particles=10)  # noqa: E731
    mx.random.seed(5)
    a, b = run(), run()
    mx.random.seed(5)
    assert_same_particles(a, run())
    assert not mx.any(a["mu"] == b["mu"]).item()


def test_the_proposal_and_the_model_draw_from_different_streams(key):
    @gen
    def model():
        normal(0.0, 1.0) @ "a"
        normal(0.0, 1.0) @ "b"

    @gen
    def guide():
        normal(0.0, 1.0) @ "a"

    guided = importance_sampling(model(), particles=200, proposal=guide(), key=key)
    a, b = np.array(guided["a"]), np.array(guided["b"])
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.3
    plain = importance_sampling(model(), particles=200, key=key)
    assert not np.any(np.array(plain["a"]) == a)  # and neither stream is that of the plain run
    assert not np.any(np.array(plain["b"]) == b)


# ---- models that do not vectorise -----------------------------------------------------------------------------------


def test_python_control_flow_runs_one_particle_at_a_time_and_says_so_once(key):
    with pytest.warns(UserWarning) as record:
        p = importance_sampling(branches(), {"y": 1.0}, particles=40, key=key)
    (warning,) = record
    text = str(warning.message)
    assert text.startswith("the particles run one after the other, not vectorised: ")
    assert "models.py" in text
    assert '"if z.item() == 1:"' in text
    z, a, b = (np.array(p[name]) for name in "zab")
    assert z.shape == (40,)
    assert 0 < z.sum() < 40
    assert np.array_equal(np.isnan(a), z == 0)
    assert np.array_equal(np.isnan(b), z == 1)
    mean = np.where(z == 1, a, b).astype(np.float64)
    assert_close(p.log_weights, log_normal_density(1.0, mean, 1.0))


def test_one_by_one_makes_the_draws_of_the_vectorised_twin(key):
    vectorised = importance_sampling(selected(), {"y": 1.0}, particles=60, key=key)
    with pytest.warns(UserWarning, match="not vectorised"):
        one_by_one = importance_sampling(selected_by_python(), {"y": 1.0}, particles=60, key=key)
    assert_exact(one_by_one["z"], vectorised["z"])
    assert_close(one_by_one["x"], vectorised["x"])
    assert_close(one_by_one.log_weights, vectorised.log_weights)
    assert sorted(one_by_one.choices) == ["x", "z"]  # one structure: stacked as if vectorised


def test_one_by_one_makes_the_draws_of_the_vectorised_twin_with_a_proposal(key):
    @gen
    def guide():
        normal(1.0, 0.7) @ "x"

    vectorised = importance_sampling(selected(), {"y": 1.0}, particles=30, proposal=guide(), key=key)
    with pytest.warns(UserWarning, match="not vectorised"):
        one_by_one = importance_sampling(selected_by_python(), {"y": 1.0}, particles=30, proposal=guide(), key=key)
    assert_exact(one_by_one["z"], vectorised["z"])
    assert_close(one_by_one["x"], vectorised["x"])
    assert_close(one_by_one.log_weights, vectorised.log_weights)


def test_an_operation_that_mlx_cannot_vmap_runs_one_by_one(key):
    @gen
    def model():
        x = normal(mx.zeros((2, 2)), 1.0) @ "x"
        q, _ = mx.linalg.qr(x, stream=mx.cpu)
        normal(q[0, 0], 1.0) @ "y"

    with pytest.warns(UserWarning, match="not vectorised: .*vmap"):
        p = importance_sampling(model(), {"y": 1.0}, particles=5, key=key)
    assert p["x"].shape == (5, 2, 2)


def test_an_error_of_the_user_is_not_taken_for_a_model_that_does_not_vectorise(recwarn):
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        if x.shape == ():
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        importance_sampling(model(), particles=5)
    assert not recwarn.list


def test_the_error_of_one_particle_is_reported_from_the_one_by_one_path(key):
    @gen
    def model():
        z = bernoulli(0.5) @ "z"
        if z.item() == 1:
            normal(0.0, 1.0) @ "y"

    with pytest.warns(UserWarning, match="not vectorised"):
        with pytest.raises(ConstraintError, match="made no choice at 'y'"):
            importance_sampling(model(), {"y": 0.0}, particles=50, key=key)


# ---- weights that say nothing ---------------------------------------------------------------------------------------


def test_weights_that_are_all_zero_name_the_choice(key):
    @gen
    def model():
        normal(0.0, 1.0) @ "x"
        bernoulli(0.0) @ "impossible"

    with pytest.raises(WeightError, match=r"all 7 log weights .* are -inf") as error:
        importance_sampling(model(), {"impossible": 1}, particles=7, key=key)
    assert "'impossible' (-inf)" in str(error.value)
    assert "'x'" not in str(error.value)
    assert "more particles" in error.value.fix


def test_weights_that_are_all_zero_name_the_choice_in_a_branch(key):
    @gen
    def model():
        z = bernoulli(0.5) @ "z"
        bernoulli(0.0 if z.item() == 1 else 1.0) @ "impossible"
        bernoulli(0.0) @ "never"

    with pytest.warns(UserWarning, match="not vectorised"), pytest.raises(WeightError, match="'never' \\(-inf\\)"):
        importance_sampling(model(), {"impossible": 1, "never": 1}, particles=7, key=key)


def test_a_parameter_out_of_its_domain_is_found_behind_a_nan_weight(key):
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        normal(0.0, x) @ ("obs", 0)

    with pytest.raises(DomainError, match="'sigma' of normal must be positive") as error:
        importance_sampling(model(), {("obs", 0): 1.0}, particles=20, key=key)
    assert "('obs', 0)" in str(error.value)


def test_a_nan_weight_is_explained_by_the_particle_that_has_it_not_by_one_of_weight_zero(key):
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        gm.factor("broken", mx.where(x > 1.0, mx.nan, -mx.inf))

    with pytest.raises(WeightError, match="of 200 log weights") as error:
        importance_sampling(model(), particles=200, key=key)
    assert "'broken' (nan)" in str(error.value)
    assert "-inf" not in str(error.value)


def test_a_proposal_with_a_nan_density_is_blamed(key):
    @gen
    def guide(sd):
        normal(0.0, sd) @ "mu"

    with pytest.raises(WeightError, match=r"the density of the model is finite, that of the proposal guide\(") as error:
        importance_sampling(location(5.0), {"y": 2.0}, particles=4, proposal=guide(mx.array(-1.0)), key=key)
    assert "4 of 4 log weights" in str(error.value)


def test_a_weight_of_zero_among_others_is_fine(key):
    @gen
    def model():
        z = bernoulli(0.5) @ "z"
        bernoulli(z.astype(mx.float32)) @ "y"

    p = importance_sampling(model(), {"y": 1}, particles=100, key=key)
    z = np.array(p["z"])
    assert_exact(p.log_weights, mx.where(p["z"] == 1, 0.0, -mx.inf))
    assert p.mean("z").item() == 1.0
    assert_close(p.log_marginal_likelihood.item(), np.log(z.mean()))
    assert_close(p.ess.item(), z.sum())


# ---- errors of use --------------------------------------------------------------------------------------------------


def test_a_model_that_is_not_called_is_an_error():
    with pytest.raises(UsageError, match="applied to its arguments, found <gen function line>") as error:
        importance_sampling(line, LINE_OBSERVATIONS)
    assert "line(...)" in error.value.fix


@pytest.mark.parametrize("particles", [0, -3, True])
def test_the_number_of_particles_is_a_positive_int(particles):
    with pytest.raises(UsageError, match="particles= takes an int of at least 1, found"):
        importance_sampling(location(5.0), {"y": 2.0}, particles=particles)


def test_the_chunk_is_a_positive_int():
    with pytest.raises(UsageError, match="chunk= takes an int of at least 1, found 0"):
        importance_sampling(location(5.0), {"y": 2.0}, chunk=0)


def test_an_unknown_observation_is_an_error():
    with pytest.raises(ConstraintError, match="made no choice at 'Y'") as error:
        importance_sampling(location(5.0), {"Y": 2.0}, particles=3)
    assert "did you mean 'y'" in str(error.value)


def test_a_proposal_that_is_no_generative_function_is_an_error():
    with pytest.raises(UsageError, match="proposal= takes a generative function applied to its arguments, found <func"):
        importance_sampling(location(5.0), {"y": 2.0}, proposal=lambda: 0)


def test_a_proposal_that_chooses_an_observed_address_is_an_error():
    @gen
    def guide():
        normal(0.0, 1.0) @ "mu"
        normal(0.0, 1.0) @ "y"

    with pytest.raises(UsageError, match=r"the proposal chooses the observed addresses \['y'\]"):
        importance_sampling(location(5.0), {"y": 2.0}, particles=3, proposal=guide())


def test_a_proposal_that_chooses_an_observed_nested_address_is_an_error():
    @gen
    def guide():
        normal(0.0, 1.0) @ ("first", "y")

    with pytest.raises(UsageError, match=r"the observed addresses \[\('first', 'y'\)\]"):
        importance_sampling(nested(2), {"first": {"y": 1.0}}, particles=3, proposal=guide())


def test_a_proposal_for_a_choice_that_the_model_does_not_make_is_an_error():
    @gen
    def guide():
        normal(0.0, 1.0) @ "nu"

    with pytest.raises(ConstraintError, match="made no choice at 'nu'"):
        importance_sampling(location(5.0), {"y": 2.0}, particles=3, proposal=guide())


# ---- resampling -----------------------------------------------------------------------------------------------------


def test_importance_resampling_gives_equal_weights_and_keeps_the_evidence(key):
    options = {"particles": 2_000, "key": key}
    p = importance_resampling(location(5.0), {"y": 2.0}, samples=100, **options)
    assert len(p) == 100
    assert_exact(p.log_weights, mx.broadcast_to(p.log_marginal_likelihood, (100,)))
    assert_close(p.log_marginal_likelihood.item(), -2.624910, atol=0.2)
    assert_close(p.ess.item(), 100.0)


def test_importance_resampling_draws_one_by_default_and_any_method(key):
    assert len(importance_resampling(location(5.0), {"y": 2.0}, particles=10, key=key)) == 1
    with pytest.raises(UsageError, match="method= is one of systematic, stratified, multinomial, residual"):
        importance_resampling(location(5.0), {"y": 2.0}, particles=10, method="best", key=key)
    with pytest.raises(UsageError, match="samples= takes an int of at least 1, found 0"):
        importance_resampling(location(5.0), {"y": 2.0}, particles=10, samples=0, key=key)


def test_importance_resampling_uses_one_key_for_the_draws_and_another_for_resampling(key):
    a = importance_resampling(location(5.0), {"y": 2.0}, particles=50, samples=20, method="multinomial", key=key)
    b = importance_resampling(location(5.0), {"y": 2.0}, particles=50, samples=20, method="multinomial", key=key)
    assert_exact(a["mu"], b["mu"])
    plain = importance_sampling(location(5.0), {"y": 2.0}, particles=50, key=key)
    again = plain.resample(20, method="multinomial", key=key)
    assert not np.intersect1d(np.array(a["mu"]), np.array(again["mu"])).size


def test_importance_resampling_works_for_branches(key):
    with pytest.warns(UserWarning, match="not vectorised"):
        p = importance_resampling(branches(), {"y": 1.0}, particles=60, samples=30, key=key)
    z, a = np.array(p["z"]), np.array(p["a"])
    assert np.array_equal(np.isnan(a), z == 0)
    with pytest.raises(AddressError, match="no particle made a choice at 'c'"):
        p["c"]


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_a_million_particles_need_memory_for_what_is_kept_and_for_one_chunk(key):
    """A particle keeps 2 latents and the weight, 12 bytes, one of them twice: 16. On the way it needs 64."""
    particles, chunk = 1_000_000, 65_536
    peak = peak_memory(particles, chunk, key)
    assert peak < 16 * particles + 64 * chunk, f"{peak} bytes"
    assert peak_memory(particles, particles, key) > 40 * particles  # without chunks: what one bounds


def test_memory_is_linear_in_the_chunk_and_in_the_choices_that_are_kept(key):
    small, large = (peak_memory(400_000, chunk, key) for chunk in (25_000, 200_000))
    slope = (large - small) / (200_000 - 25_000)
    assert 20 < slope < 64, f"{slope} bytes for each particle of a chunk"
    few, many = (peak_memory(n, 25_000, key) for n in (200_000, 400_000))
    assert (many - few) / 200_000 < 16.5, "bytes for each particle"


def peak_memory(particles, chunk, key):
    mx.synchronize()
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    p = importance_sampling(line(LINE_XS), LINE_OBSERVATIONS, particles=particles, chunk=chunk, key=key)
    peak = mx.get_peak_memory() - before
    assert len(p) == particles
    return peak


def test_vectorised_particles_make_no_warning(key):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importance_sampling(vectors(), {"y": [1.0, 2.0, 3.0]}, particles=10, key=key)
