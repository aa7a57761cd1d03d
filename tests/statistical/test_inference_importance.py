"""Importance sampling against exact posteriors: moments and evidence within 4 standard errors of their own."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import gen, importance_resampling, importance_sampling, normal
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.beta import beta
from genmlx.inference.resampling import METHODS
from helpers.oracles import enumeration, evidence, linear_regression, normal_mean, weighted_mean
from helpers.tolerances import assert_within_mc
from inference.models import (
    LINE_OBSERVATIONS,
    LINE_XS,
    branches,
    coins,
    line,
    location,
    nested,
    selected,
    tilted,
)

K = 4.0  # standard errors


def assert_mean(particles, address, expected, max_se, power=1, center=0.0):
    values = (np.array(particles[address], np.float64) - center) ** power
    estimate = weighted_mean(values, particles.log_weights)
    assert_within_mc(estimate.mean, expected, estimate.se, k=K, max_se=max_se)


def assert_normal(particles, address, mean, sd, max_se):
    """Mean and variance of a normal posterior."""
    assert_mean(particles, address, mean, max_se)
    assert_mean(particles, address, sd**2, 3 * sd * max_se, power=2, center=mean)
    # The particles' own estimates are the same numbers.
    assert abs(particles.mean(address).item() - weighted_mean(particles[address], particles.log_weights).mean) < 1e-5


def assert_evidence(particles, expected, max_se):
    estimate = evidence(particles.log_weights)
    assert_within_mc(particles.log_marginal_likelihood.item(), expected, estimate.se, k=K, max_se=max_se)


# ---- the exact numbers ----------------------------------------------------------------------------------------------

LINE = linear_regression([[x, 1.0] for x in LINE_XS], list(LINE_OBSERVATIONS.values()), 10.0, 1.0)


def test_the_oracle_has_the_published_numbers():
    np.testing.assert_allclose(LINE.mean, [1.988178, 0.055356], atol=1e-6)
    np.testing.assert_allclose(LINE.sd, [0.314661, 1.042666], atol=1e-6)
    np.testing.assert_allclose(LINE.log_evidence, -11.235136, atol=1e-6)
    five = normal_mean([3.0, 3.5, 2.5, 4.0, 3.0], 10.0, 1.0)
    np.testing.assert_allclose([five.mean[0], five.sd[0]], [3.193613, 0.446767], atol=1e-6)
    for y, prior_sd, expected in [
        ([2.0], 5.0, -2.624910),
        ([2.0, 2.5, 1.5], 5.0, -5.251130),
        ([3.0, 3.1, 2.9], 10.0, -5.665221),
    ]:
        np.testing.assert_allclose(normal_mean(y, prior_sd, 1.0).log_evidence, expected, atol=1e-6)


def test_the_line_from_the_prior(key):
    p = importance_sampling(line(LINE_XS), LINE_OBSERVATIONS, particles=1_000_000, key=key)
    assert_evidence(p, -11.235136, max_se=0.03)
    assert_normal(p, "slope", 1.988178, 0.314661, max_se=0.01)
    assert_normal(p, "intercept", 0.055356, 1.042666, max_se=0.03)
    product = weighted_mean(np.array(p["slope"], np.float64) * np.array(p["intercept"]), p.log_weights)
    assert_within_mc(product.mean, LINE.cov[0, 1] + LINE.mean[0] * LINE.mean[1], product.se, k=K, max_se=0.08)


def test_the_line_with_a_proposal_near_the_posterior(key):
    @gen
    def guide():
        slope = normal(1.8, 0.5) @ "slope"
        normal(0.4 - 3.0 * (slope - 1.8), 0.7) @ "intercept"

    p = importance_sampling(line(LINE_XS), LINE_OBSERVATIONS, particles=200_000, proposal=guide(), key=key)
    assert p.ess.item() > 60_000
    assert_evidence(p, -11.235136, max_se=0.004)
    assert_normal(p, "slope", 1.988178, 0.314661, max_se=0.002)
    assert_normal(p, "intercept", 0.055356, 1.042666, max_se=0.005)


@gen
def measurements(n, prior_sd):
    mu = normal(0.0, prior_sd) @ "mu"
    for i in range(n):
        normal(mu, 1.0) @ ("x", i)


@pytest.mark.parametrize(
    ("data", "prior_sd"),
    [([3.0, 3.5, 2.5, 4.0, 3.0], 10.0), ([2.0], 5.0), ([2.0, 2.5, 1.5], 5.0), ([3.0, 3.1, 2.9], 10.0)],
)
def test_a_normal_mean(data, prior_sd, key):
    exact = normal_mean(data, prior_sd, 1.0)
    p = importance_sampling(measurements(len(data), prior_sd), {"x": dict(enumerate(data))}, particles=200_000, key=key)
    assert_evidence(p, exact.log_evidence, max_se=0.02)
    assert_normal(p, "mu", exact.mean[0], exact.sd[0], max_se=0.01)


def test_a_biased_coin(key):
    @gen
    def flips(n):
        p = beta(2.0, 2.0) @ "p"
        for i in range(n):
            bernoulli(p) @ ("flip", i)

    data = dict(enumerate([1, 1, 0, 1, 1, 0, 1]))
    p = importance_sampling(flips(7), {"flip": data}, particles=100_000, key=key)
    assert_mean(p, "p", 7 / 11, max_se=0.001)
    assert_mean(p, "p", stats.beta(7, 4).var(), 0.001, power=2, center=7 / 11)
    log_beta = lambda a, b: stats.beta(a, b).logpdf(0.5) - ((a - 1) + (b - 1)) * np.log(0.5)  # noqa: E731 - minus log B
    assert_evidence(p, log_beta(2, 2) - log_beta(7, 4), max_se=0.01)


# ---- more kinds of models -------------------------------------------------------------------------------------------


def log_normal(x, mu, sigma):
    return stats.norm(mu, sigma).logpdf(x)


def test_dependent_discrete_choices_against_enumeration(key):
    def log_joint(bias, *flips):
        p = [0.2, 0.5, 0.9][bias]
        prior = np.log([0.25, 0.25, 0.5][bias]) + sum(np.log(p if f else 1 - p) for f in flips)
        return prior + log_normal(2.3, sum(flips), 0.5)

    exact = enumeration(log_joint, range(3), *[range(2)] * 4)
    p = importance_sampling(coins(4), {"y": 2.3}, particles=200_000, key=key)
    assert_evidence(p, exact.log_evidence, max_se=0.01)
    bias, first, last = (np.array(p[a]) for a in ("bias", ("coin", 0), ("coin", 3)))
    for found, event in [
        (bias == 0, lambda b, *_: b == 0),
        (bias == 2, lambda b, *_: b == 2),
        (first == 1, lambda b, f, *_: f == 1),
        ((bias == 2) & (last == 0), lambda b, *f: b == 2 and f[3] == 0),
    ]:
        estimate = weighted_mean(found, p.log_weights)
        assert_within_mc(estimate.mean, exact.probability(event), estimate.se, k=K, max_se=0.005)


def test_a_branch_against_enumeration(key):
    """P(z = 1 | y) by integrating each branch: y ~ N(0, 2) or N(3, 1.25)."""
    y = 1.2
    ones, zeros = 0.3 * stats.norm(0, np.sqrt(2)).pdf(y), 0.7 * stats.norm(3, np.sqrt(1.25)).pdf(y)
    with pytest.warns(UserWarning, match="not vectorised"):
        p = importance_sampling(branches(), {"y": y}, particles=800, key=key)
    assert_evidence(p, np.log(ones + zeros), max_se=0.08)
    assert_mean(p, "z", ones / (ones + zeros), max_se=0.04)
    z, a = np.array(p["z"]), np.array(p["a"], np.float64)
    taken = z == 1
    estimate = weighted_mean(a[taken], np.array(p.log_weights)[taken])
    assert_within_mc(estimate.mean, y / 2, estimate.se, k=K, max_se=0.1)


def test_a_vectorised_branch_against_enumeration(key):
    y = 1.2
    ones, zeros = 0.3 * stats.norm(0, np.sqrt(2)).pdf(y), 0.7 * stats.norm(3, np.sqrt(2)).pdf(y)
    p = importance_sampling(selected(), {"y": y}, particles=200_000, key=key)
    assert_evidence(p, np.log(ones + zeros), max_se=0.01)
    share = ones / (ones + zeros)
    assert_mean(p, "z", share, max_se=0.005)
    assert_mean(p, "x", share * y / 2 + (1 - share) * (3 - y) / 2, max_se=0.01)


def test_a_factor_counts_as_an_observation(key):
    p = importance_sampling(tilted(), particles=100_000, key=key)
    assert_evidence(p, 1 / 8, max_se=0.005)
    assert_normal(p, "x", 0.5, 1.0, max_se=0.01)


def test_a_factor_counts_with_a_proposal_too(key):
    @gen
    def guide():
        normal(1.0, 1.5) @ "x"

    p = importance_sampling(tilted(), proposal=guide(), particles=100_000, key=key)
    assert_evidence(p, 1 / 8, max_se=0.005)
    assert_normal(p, "x", 0.5, 1.0, max_se=0.01)


def test_a_nested_model(key):
    """first - second is N(0, 5), observed with sd 1/2."""
    y = 1.2
    p = importance_sampling(nested(2), {"y": y}, particles=200_000, key=key)
    assert_evidence(p, log_normal(y, 0.0, np.sqrt(5.25)), max_se=0.01)
    for address, sign, variance in [(("first", "mu"), 1.0, 4.0), (("second", "mu"), -1.0, 1.0)]:
        gain = variance / 5.25
        assert_normal(p, address, sign * gain * y, np.sqrt(variance - gain * variance), max_se=0.02)
    assert_normal(p, ("first", "y"), 4.0 / 5.25 * y, np.sqrt(5.0 - 16.0 / 5.25), max_se=0.02)  # follows its own mean


def test_a_nested_observation(key):
    """The second location is observed too. With first.mu = 2 u and second.mu = v, 2 y ~ N(4 u - 2 v, 1)."""
    exact = linear_regression([[4.0, -2.0], [0.0, 1.0]], [2.4, 0.4], 1.0, 1.0)
    p = importance_sampling(nested(2), {"y": 1.2, "second": {"y": 0.4}}, particles=200_000, key=key)
    assert_normal(p, ("first", "mu"), 2.0 * exact.mean[0], 2.0 * exact.sd[0], max_se=0.02)
    assert_normal(p, ("second", "mu"), exact.mean[1], exact.sd[1], max_se=0.02)
    assert_evidence(p, exact.log_evidence + np.log(2.0), max_se=0.01)


# ---- resampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_resampled_draws_follow_the_posterior(method, key):
    p = importance_resampling(location(5.0), {"y": 2.0}, particles=100_000, samples=5_000, method=method, key=key)
    exact = normal_mean([2.0], 5.0, 1.0)
    mu = np.array(p["mu"], np.float64)
    z = (mu - exact.mean[0]) / exact.sd[0]
    # 5,000 draws out of about 27,000 effective particles: the two errors add up.
    se = np.sqrt(1 / 5_000 + 1 / 20_000)
    assert_within_mc(z.mean(), 0.0, se, k=K)
    assert_within_mc((z**2).mean(), 1.0, np.sqrt(2) * se, k=K)


def test_the_evidence_estimate_is_unbiased(key):
    """Not its logarithm: the mean of exp over 2,000 runs of 20 particles."""
    p = importance_sampling(location(5.0), {"y": 2.0}, particles=40_000, key=key)
    runs = np.exp(np.array(p.log_weights, np.float64)).reshape(2_000, 20).mean(axis=1)
    few = [importance_sampling(location(5.0), {"y": 2.0}, particles=20, key=k) for k in mx.random.split(key, 100)]
    own = np.exp([q.log_marginal_likelihood.item() for q in few])
    exact = np.exp(normal_mean([2.0], 5.0, 1.0).log_evidence)
    for estimates in (runs, own):
        assert_within_mc(estimates.mean(), exact, estimates.std(ddof=1) / np.sqrt(len(estimates)), k=K)


def test_a_wider_proposal_and_the_prior_agree(key):
    @gen
    def guide():
        normal(0.0, 8.0) @ "mu"

    call, data = location(5.0), {"y": 2.0}
    for q in (
        importance_sampling(call, data, particles=200_000, key=key),
        importance_sampling(call, data, particles=200_000, proposal=guide(), key=key),
        importance_sampling(call, data, particles=200_000, chunk=10_000, key=gm.key(7)),
    ):
        assert_evidence(q, -2.624910, max_se=0.01)
        assert_normal(q, "mu", 1.923077, 0.980581, max_se=0.01)
