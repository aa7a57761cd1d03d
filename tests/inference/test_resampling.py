"""Resampling by all methods: the law of the counts, the particles that must never appear, and accuracy at a million."""

import mlx.core as mx
import numpy as np
import pytest

from genmlx.inference.resampling import (
    METHODS,
    _points,
    check_weights,
    log_mean_exp,
    normalised,
    resample_indices,
)
from genmlx.numerics.errors import UsageError, WeightError
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_within_mc

each_method = pytest.mark.parametrize("method", METHODS)
LOG_WEIGHTS = mx.array([-1.0, 0.5, -mx.inf, 0.0, 2.0, -3.0])


def counts(indices, size):
    return np.bincount(np.array(indices), minlength=size)


def exact_weights(log_weights):
    log_w = np.array(log_weights, np.float64)
    w = np.exp(log_w - log_w.max())
    return w / w.sum()


# ---- the law of the counts ------------------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize("n", [6, 4, 10])
def test_the_expected_count_is_n_times_the_weight(method, n):
    keys = mx.random.split(key_for(f"counts {method} {n}"), 1500)
    found = np.stack([counts(resample_indices(k, LOG_WEIGHTS, n, method), 6) for k in keys]).astype(np.float64)
    assert found.sum(axis=1).tolist() == [n] * 1500
    expected = n * exact_weights(LOG_WEIGHTS)
    se = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    random = se > 0
    assert_within_mc(found.mean(axis=0)[random], expected[random], se[random])
    assert_close(found.mean(axis=0)[~random], expected[~random])


@each_method
def test_the_variance_of_the_counts_is_that_of_the_method(method):
    """Multinomial counts vary as n w (1 - w); systematic ones differ from n w by less than 1."""
    n, keys = 12, mx.random.split(key_for(f"variance {method}"), 1500)
    found = np.stack([counts(resample_indices(k, LOG_WEIGHTS, n, method), 6) for k in keys]).astype(np.float64)
    w = exact_weights(LOG_WEIGHTS)
    binomial = n * w * (1 - w)
    if method == "multinomial":
        likely = w > 0.01
        assert_close(found.var(axis=0)[likely] / binomial[likely], np.ones(likely.sum()), atol=0.2)
    else:
        assert found.var(axis=0).sum() < 0.6 * binomial.sum()
    if method == "systematic":
        assert np.all(np.abs(found - n * w) < 1)
    if method == "residual":
        assert np.all(found >= np.floor(n * w))
    if method == "stratified":
        assert np.all(np.abs(found - n * w) < 2)


@each_method
def test_equal_weights_give_every_particle_once_or_nearly(method, key):
    found = counts(resample_indices(key, mx.full((1000,), -7.5), 1000, method), 1000)
    if method in {"systematic", "residual"}:
        assert found.tolist() == [1] * 1000
    else:
        assert abs((found == 0).mean() - (np.exp(-1) if method == "multinomial" else 0.17)) < 0.2


@each_method
def test_a_particle_of_weight_zero_is_never_drawn(method):
    log_weights = mx.array([-mx.inf, -mx.inf, 0.0, -mx.inf, 1.0, -mx.inf])
    for k in mx.random.split(key_for(method), 200):
        assert set(np.array(resample_indices(k, log_weights, 7, method)).tolist()) <= {2, 4}


@each_method
@pytest.mark.parametrize("position", [0, 3, 4])
@pytest.mark.parametrize("n", [1, 5, 8])
def test_one_particle_with_all_the_weight_is_the_only_one_drawn(method, position, n, key):
    log_weights = mx.where(mx.arange(5) == position, 3.0, -mx.inf)
    assert np.array(resample_indices(key, log_weights, n, method)).tolist() == [position] * n


@each_method
def test_weights_are_relative(method, key):
    """Adding a constant, however large, changes nothing."""
    base = mx.array([0.0, 1.0, -2.0, 0.5])
    for shift in (1e4, -1e4, 64.0):
        shifted = base + shift
        expected = resample_indices(key, shifted - shift, 50, method)
        assert np.array_equal(np.array(resample_indices(key, shifted, 50, method)), np.array(expected))


@each_method
def test_indices_are_sorted_and_of_type_int32(method, key):
    indices = resample_indices(key, LOG_WEIGHTS, 40, method)
    assert indices.dtype == mx.int32
    assert indices.shape == (40,)
    assert np.all(np.diff(np.array(indices)) >= 0)


@each_method
def test_two_keys_give_two_results_and_one_key_one(method):
    log_weights = mx.random.normal((200,), key=key_for("weights"))
    draw = lambda k: np.array(resample_indices(k, log_weights, 100, method))  # noqa: E731
    assert np.array_equal(draw(key_for("a")), draw(key_for("a")))
    assert not np.array_equal(draw(key_for("a")), draw(key_for("b")))


# ---- a million ------------------------------------------------------------------------------------------------------


@each_method
def test_a_million_particles_get_the_counts_of_their_weights(method, key):
    n = 1_000_000
    log_weights = mx.random.normal((n,), key=key_for("a million"))
    found = counts(resample_indices(key, log_weights, n, method), n)
    w = exact_weights(log_weights)
    # Blocks of 10,000 neighbours: their share is known, and sorted points that drift would show here first.
    share = found.reshape(100, -1).sum(axis=1) - n * w.reshape(100, -1).sum(axis=1)
    if method == "systematic":
        # 10^6 cumulative sums of float64 and one rounded u: each block is right to one particle at either end.
        assert np.max(np.abs(share)) < 2.01
        assert np.max(np.abs(found - n * w)) < 1.01
    else:
        sd = np.sqrt(n * w.reshape(100, -1).sum(axis=1))
        assert np.max(np.abs(share) / sd) < 5.0


def test_multinomial_points_tell_a_million_particles_apart(key):
    """On a grid of 2^-24, a particle of weight 1e-6 gets 16 or 17 grid points: an error of 6% in its weight."""
    points = _points(key, 1_000_000, "multinomial")
    assert np.all((points >= 0) & (points < 1))
    assert np.all(np.diff(points) >= 0)
    assert len(np.unique(points)) > 999_990  # 30,000 ties on a float32 grid


def test_a_weight_far_below_float32_resolution_is_not_lost(key):
    """Weights of e^-20 beside 1: added to a cumulative sum in float32 they would leave it as it is."""
    log_weights = mx.concatenate([mx.zeros(1), mx.full((1000,), -20.0)])
    found = counts(resample_indices(key, log_weights, 4_000_000, "systematic"), 1001)
    assert_close(found[1:].sum(), 4_000_000 * exact_weights(log_weights)[1:].sum(), atol=2.0)


# ---- sums over particles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 1_000_000])
def test_normalised_weights_and_the_mean_weight_are_those_of_float64(n):
    log_weights = mx.random.normal((n,), key=key_for("normalised")) * 2.0 - 300.0
    weights = normalised(log_weights)
    assert_close(weights, exact_weights(log_weights), rtol=1e-12, atol=0)
    assert abs(weights.sum() - 1.0) < 1e-12
    log_w = np.array(log_weights, np.float64)
    expected = np.log(np.exp(log_w - log_w.max()).mean()) + log_w.max()
    assert_close(log_mean_exp(log_weights), expected, rtol=1e-12)


def test_a_million_equal_weights_sum_to_one():
    assert abs(normalised(mx.zeros(1_000_000)).sum() - 1.0) < 1e-12
    assert log_mean_exp(mx.full((1_000_000,), -3.5)) == -3.5


def test_the_mean_of_weights_that_are_all_zero_is_zero():
    assert log_mean_exp(mx.array([-mx.inf, -mx.inf])) == -mx.inf
    assert log_mean_exp(mx.array([-mx.inf, 2.0])) == pytest.approx(2.0 - np.log(2.0), rel=1e-6)


# ---- errors ---------------------------------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize(
    ("log_weights", "message"),
    [
        ([-mx.inf, -mx.inf, -mx.inf], "all 3 log weights to resample from are -inf"),
        ([0.0, mx.nan, -mx.inf], "1 of 3 log weights to resample from are NaN or \\+inf"),
        ([mx.nan, mx.nan, mx.nan], "3 of 3 log weights"),
        ([0.0, mx.inf, mx.nan], "2 of 3 log weights"),
    ],
)
def test_weights_that_say_nothing_are_an_error(method, log_weights, message, key):
    with pytest.raises(WeightError, match=message):
        resample_indices(key, mx.array(log_weights), 3, method)


def test_an_unknown_method_is_an_error(key):
    with pytest.raises(UsageError, match="method= is one of systematic, stratified, multinomial, residual, found 'b'"):
        resample_indices(key, LOG_WEIGHTS, 3, "b")


@pytest.mark.parametrize("n", [0, -1, True])
def test_the_number_to_draw_is_a_positive_int(n, key):
    with pytest.raises(UsageError, match="the number of particles to draw is a positive int, found"):
        resample_indices(key, LOG_WEIGHTS, n)


def test_good_weights_pass():
    check_weights(mx.array([-mx.inf, 0.0, -1e30]), "here")
