"""Chains of Metropolis-Hastings against exact posteriors, gated by the error that their effective sample size gives.

A thousand short vectorised chains cost little more than one, so a few dozen steps give thousands of effective draws.
"""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import gen, mh, normal, run_chain
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.beta import beta
from genmlx.inference.base import Info
from helpers.keys import key_for
from helpers.oracles import chain_mean, enumeration, linear_regression, normal_mean
from helpers.tolerances import assert_within_mc
from inference.models import LINE_OBSERVATIONS, LINE_XS, branches, coins, line, location, nested, tilted

K = 4.0  # standard errors

k = gm.kernels
LINE = linear_regression([[x, 1.0] for x in LINE_XS], list(LINE_OBSERVATIONS.values()), 10.0, 1.0)


def assert_mean(draws, expected, max_se):
    estimate = chain_mean(draws)
    assert_within_mc(estimate.mean, expected, estimate.se, k=K, max_se=max_se)


def assert_normal(draws, mean, sd, max_se):
    """Mean and variance, in units of the posterior's standard deviation."""
    z = (np.array(draws, np.float64) - mean) / sd
    assert_mean(z, 0.0, max_se)
    assert_mean(z**2, 1.0, 3 * max_se)


@gen
def around(values):
    """Where chains start."""
    for address, value in values.items():
        normal(value, 0.5) @ address


# ---- the exact numbers ----------------------------------------------------------------------------------------------


@gen
def near_the_line(trace):
    """Asymmetric: it pulls towards a point beside the posterior mean, and the second choice follows the first."""
    slope = normal(0.5 * trace["slope"] + 1.1, 0.3) @ "slope"
    normal(6.2 - 3.0 * slope, 0.6) @ "intercept"


LINE_KERNELS = {
    "custom": k.custom(near_the_line),
    "walks": k.cycle([k.random_walk("slope", 0.25), k.random_walk("intercept", 0.8)]),
    "mixed": k.mix([(0.7, k.custom(near_the_line)), (0.3, k.random_walk("intercept", 0.8))]),
}


@pytest.mark.parametrize("name", LINE_KERNELS)
def test_the_line(name):
    chains = mh(
        line(LINE_XS),
        LINE_OBSERVATIONS,
        kernel=LINE_KERNELS[name],
        initial=around({"slope": 2.0, "intercept": 0.0}),
        samples=40,
        burn=60,
        chains=1000,
        key=key_for(f"line {name}"),
    )
    assert_normal(chains["slope"], 1.988178, 0.314661, max_se=0.03)
    assert_normal(chains["intercept"], 0.055356, 1.042666, max_se=0.03)
    scale = np.sqrt(LINE.cov[0, 0] * LINE.cov[1, 1])
    product = (np.array(chains["slope"]) - LINE.mean[0]) * (np.array(chains["intercept"]) - LINE.mean[1])
    assert_mean(product / scale, LINE.cov[0, 1] / scale, max_se=0.04)


@gen
def measurements(n, prior_sd):
    mu = normal(0.0, prior_sd) @ "mu"
    for i in range(n):
        normal(mu, 1.0) @ ("x", i)


@gen
def drift(trace):
    normal(0.7 * trace["mu"] + 0.9, 0.7) @ "mu"


@pytest.mark.parametrize(
    ("data", "prior_sd"),
    [([3.0, 3.5, 2.5, 4.0, 3.0], 10.0), ([2.0], 5.0), ([2.0, 2.5, 1.5], 5.0), ([3.0, 3.1, 2.9], 10.0)],
)
@pytest.mark.parametrize("kernel", [k.random_walk("mu", 1.2), k.custom(drift)], ids=["walk", "drift"])
def test_a_normal_mean(data, prior_sd, kernel):
    exact = normal_mean(data, prior_sd, 1.0)
    chains = mh(
        measurements(len(data), prior_sd),
        {"x": dict(enumerate(data))},
        kernel=kernel,
        initial=around({"mu": 2.5}),
        samples=20,
        burn=30,
        chains=1000,
        key=key_for(f"{data}"),
    )
    assert_normal(chains["mu"], exact.mean[0], exact.sd[0], max_se=0.04)


def test_proposals_from_the_prior(key):
    """The default selection, from starts drawn from the prior."""
    chains = mh(location(5.0), {"y": 2.0}, samples=30, burn=60, chains=1500, key=key)
    assert_normal(chains["mu"], 1.923077, 0.980581, max_se=0.05)


def test_a_biased_coin(key):
    @gen
    def flips(n):
        p = beta(2.0, 2.0) @ "p"
        for i in range(n):
            bernoulli(p) @ ("flip", i)

    data = {"flip": dict(enumerate([1, 1, 0, 1, 1, 0, 1]))}
    kernel = k.cycle([k.mh("p"), k.random_walk("p", 0.15)])
    chains = mh(flips(7), data, kernel=kernel, samples=20, burn=20, chains=800, key=key)
    assert_mean(chains["p"], 7 / 11, max_se=0.005)
    assert_mean((np.array(chains["p"], np.float64) - 7 / 11) ** 2, stats.beta(7, 4).var(), max_se=0.001)


# ---- more kinds of models -------------------------------------------------------------------------------------------


def test_dependent_discrete_choices_against_enumeration(key):
    """Parent and children redrawn together, where the observation alone weighs, and each in its own context."""

    def log_joint(bias, *flips):
        p = [0.2, 0.5, 0.9][bias]
        prior = np.log([0.25, 0.25, 0.5][bias]) + sum(np.log(p if f else 1 - p) for f in flips)
        return prior + stats.norm(sum(flips), 0.5).logpdf(1.3)

    exact = enumeration(log_joint, range(3), *[range(2)] * 3)
    for kernel in (
        k.mh(gm.select("bias", "coin")),
        k.cycle([k.mh("bias"), k.mh(("coin", 0)), k.mh(gm.select(("coin", 1), ("coin", 2)))]),
    ):
        chains = mh(coins(3), {"y": 1.3}, kernel=kernel, samples=15, burn=25, chains=1500, key=key)
        bias, first, last = (np.array(chains[a]) for a in ("bias", ("coin", 0), ("coin", 2)))
        for found, event in [
            (bias == 0, lambda b, *_: b == 0),
            (bias == 2, lambda b, *_: b == 2),
            (first == 1, lambda b, f, *_: f == 1),
            ((bias == 2) & (last == 0), lambda b, *f: b == 2 and f[2] == 0),
        ]:
            assert_mean(found, exact.probability(event), max_se=0.01)


@pytest.mark.parametrize("samples", [80, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_branch_against_enumeration(samples):
    y = 1.2
    ones, zeros = 0.3 * stats.norm(0, np.sqrt(2)).pdf(y), 0.7 * stats.norm(3, np.sqrt(1.25)).pdf(y)
    share = ones / (ones + zeros)
    starts = [
        branches().generate({"y": y, "z": z}, key=key_for(f"start {z}{i}")).trace for z in (0, 1) for i in range(2)
    ]
    kernel = k.cycle(
        [
            k.mh("z"),
            k.when(lambda t: "a" in t, k.random_walk("a", 1.0)),
            k.when(lambda t: "b" in t, k.random_walk("b", 0.7)),
        ]
    )
    chains = run_chain(kernel, starts, samples=samples, burn=20, observations={"y": y}, key=key_for("branches"))
    assert_mean(chains["z"], share, max_se=0.08)
    z, a, b = (np.nan_to_num(np.array(chains[name], np.float64)) for name in "zab")
    # E[a; z = 1] and E[b; z = 0]: the mean in the branch times the share of the branch
    assert_mean(z * a, share * y / 2, max_se=0.12)
    assert_mean((1 - z) * b, (1 - share) * (3.0 + 0.25 / 1.25 * (y - 3.0)), max_se=0.25)


@pytest.mark.parametrize("kernel", [k.mh("x"), k.random_walk("x", 1.5)], ids=["prior", "walk"])
def test_a_factor_tilts_the_target(kernel):
    chains = mh(tilted(), kernel=kernel, samples=20, burn=20, chains=1000, key=key_for("tilted"))
    assert_normal(chains["x"], 0.5, 1.0, max_se=0.04)


def test_a_nested_model(key):
    y = 1.2
    kernel = k.cycle([k.mh("first"), k.mh("second"), k.random_walk(("first", "mu"), 1.0)])
    chains = mh(nested(2), {"y": y}, kernel=kernel, samples=20, burn=40, chains=1200, key=key)
    for address, sign, variance in [(("first", "mu"), 1.0, 4.0), (("second", "mu"), -1.0, 1.0)]:
        gain = variance / 5.25
        assert_normal(chains[address], sign * gain * y, np.sqrt(variance - gain * variance), max_se=0.05)
    assert_normal(chains["first", "y"], 4.0 / 5.25 * y, np.sqrt(5.0 - 16.0 / 5.25), max_se=0.05)


# ---- the law of what is reported ------------------------------------------------------------------------------------


def test_moves_are_accepted_as_often_as_the_rates_say(key):
    chains = mh(location(5.0), {"y": 2.0}, kernel=k.random_walk("mu", 3.0), samples=20, burn=20, chains=1000, key=key)
    rate, accepted = (np.array(chains.stats[s], np.float64) for s in ("acceptance_rate", "accepted"))
    difference = (accepted - rate).reshape(-1)  # each step's own coin: independent, given the rates
    assert_within_mc(difference.mean(), 0.0, difference.std(ddof=1) / np.sqrt(difference.size), k=K, max_se=0.005)
    assert 0.2 < rate.mean() < 0.6


def test_chains_from_dispersed_starts_come_together(key):
    starts = [location(5.0).generate({"y": 2.0, "mu": mu}).trace for mu in (-15.0, -5.0, 5.0, 15.0)]
    chains = run_chain(k.random_walk("mu", 2.0), starts, samples=300, observations={"y": 2.0}, key=key)
    mu = np.array(chains["mu"])
    assert mu[:, 0].std() > 5.0
    r_hat = float(chains.summary(var_names=["mu"])["r_hat"]["mu"])
    assert 1.02 < r_hat < 1.5  # the way from the starts is still in it
    assert_normal(mu[:, 60:], 1.923077, 0.980581, max_se=0.15)


def test_more_steps_than_one_block_of_keys_do_not_repeat(key):
    """Blocks of 256 step keys: a second block equal to the first would correlate steps 256 apart."""

    def independent(key, trace):
        return trace.regenerate("mu", key=key).trace, Info(mx.array(1.0), mx.array(True))

    start = location(1.0).generate({"y": 0.0}, key=key).trace
    chains = run_chain(independent, start, samples=768, key=key)
    mu = np.array(chains["mu"], np.float64)[0]
    correlation = np.corrcoef(mu[:-256], mu[256:])[0, 1]
    assert_within_mc(correlation, 0.0, 1 / np.sqrt(512), k=K)
    assert len(np.unique(mu)) == 768


def test_the_posterior_of_a_vector_is_found_element_by_element(key):
    @gen
    def model(sd):
        x = normal(mx.zeros(3), mx.array([1.0, 2.0, 3.0])) @ "x"
        normal(x, sd) @ "y"

    y, sd = np.array([0.5, -1.0, 2.0]), 0.8
    chains = mh(
        model(sd),
        {"y": y},
        kernel=k.random_walk("x", mx.array([0.7, 0.8, 0.9])),
        samples=25,
        burn=40,
        chains=1500,
        key=key,
    )
    for j, prior in enumerate([1.0, 2.0, 3.0]):
        gain = prior**2 / (prior**2 + sd**2)
        assert_normal(np.array(chains["x"])[..., j], gain * y[j], np.sqrt(gain) * sd, max_se=0.05)
