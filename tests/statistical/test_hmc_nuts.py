"""Hamiltonian Monte Carlo and NUTS: what they leave invariant, and whole chains against known posteriors."""

import mlx.core as mx
import numpy as np
import pytest

from genmlx.control import compile, scan, vmap
from genmlx.inference.mcmc import hmc, nuts
from genmlx.inference.mcmc.integrator import as_metric, init
from helpers.keys import key_for
from helpers.oracles import chain_mean
from helpers.tolerances import assert_within_mc

ALGORITHMS = {"hmc": hmc, "nuts": nuts}


def correlated(d, scales, correlation):
    """A normal density with these scales, and correlations that fall with the distance of the indices."""
    distance = np.abs(np.arange(d)[:, None] - np.arange(d))
    covariance = np.outer(scales, scales) * correlation**distance
    precision = mx.array(np.linalg.inv(covariance).astype(np.float32))
    return (lambda q: -0.5 * q @ (precision @ q)), covariance


TARGETS = {
    "two": correlated(2, np.array([1.0, 3.0]), 0.9),
    "ten": correlated(10, np.geomspace(0.1, 10.0, 10), 0.5),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_draws_of_the_target_stay_draws_of_the_target(name, target):
    """Twenty thousand independent draws, three transitions each with a rough step size and a wrong metric."""
    density, covariance = TARGETS[target]
    d, n = len(covariance), 20_000
    # Half of the variances, turned round a little: neither the identity nor the right metric.
    metric = as_metric(mx.array((np.diag(covariance) * np.linspace(0.4, 0.8, d)).astype(np.float32)))
    kernel = ALGORITHMS[name].build_kernel(density)

    def moved(position, key):
        def step(state, k):
            state, info = kernel(k, state, mx.array(0.7), metric)
            return state, info.acceptance_rate

        state, rates = scan(step, init(density, position), mx.random.split(key, 3))
        return state.position, rates

    starts = np.random.default_rng(1).multivariate_normal(np.zeros(d), covariance, n, method="cholesky")
    run = compile(vmap(moved), backend="native")
    q, rates = run(mx.array(starts.astype(np.float32)), mx.random.split(key_for(f"invariant {name} {target}"), n))
    q = np.array(q, np.float64)
    assert 0.4 < np.mean(np.array(rates)) < 0.97
    assert np.mean(np.square(q - starts)) > 0.2 * np.mean(np.diag(covariance))
    assert_within_mc(q.mean(0), np.zeros(d), q.std(0) / np.sqrt(n))
    products = q[:, :, None] * q[:, None, :]
    assert_within_mc(products.mean(0), covariance, products.std(0) / np.sqrt(n))


@pytest.mark.parametrize("metric", ["diag", "dense"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_chains_of_a_correlated_normal(name, target, metric):
    density, covariance = TARGETS[target]
    d = len(covariance)

    def chain(position, key):
        return ALGORITHMS[name].warmup_and_sample(density, position, key, 600, 1500, metric=metric)

    keys = mx.random.split(key_for(f"chains {name} {target} {metric}"), 16)
    starts = mx.random.uniform(-2.0, 2.0, (16, d), key=key_for("starts"))
    run = compile(vmap(chain), backend="native")(starts, keys)
    z = np.array(run.positions, np.float64) / np.sqrt(np.diag(covariance))
    for i in range(d):
        mean, square = chain_mean(z[:, :, i]), chain_mean(z[:, :, i] ** 2)
        assert_within_mc(mean.mean, 0.0, mean.se, max_se=0.05)
        assert_within_mc(square.mean, 1.0, square.se, max_se=0.1)
    neighbours = chain_mean(z[:, :, 0] * z[:, :, 1])
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert_within_mc(neighbours.mean, expected, neighbours.se, max_se=0.1)
    assert not np.any(np.array(run.info.diverging))


# ---- eight schools, non-centred: reference draws of posteriordb -----------------------------------------------------

# Means and standard deviations of 10,000 reference draws.
REFERENCE = {
    "mu": (4.4105183, 3.3092965),
    "tau": (3.6020595, 3.1984777),
    "theta[1]": (6.1505023, 5.6158634),
    "theta[2]": (4.9395811, 4.6455781),
    "theta[3]": (3.9059061, 5.280712),
    "theta[4]": (4.7960168, 4.770938),
    "theta[5]": (3.6144363, 4.6147207),
    "theta[6]": (4.0511476, 4.7962484),
    "theta[7]": (6.3171698, 5.0028554),
    "theta[8]": (4.8839969, 5.3176921),
}
EFFECTS = mx.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERRORS = mx.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def eight_schools(q):
    """mu ~ N(0, 5), tau ~ half-Cauchy(5) as its logarithm, eight standard effects."""
    mu, log_tau, effects = q[0], q[1], q[2:]
    tau = mx.exp(log_tau)
    z = (EFFECTS - (mu + tau * effects)) / ERRORS
    prior = -0.5 * mx.square(mu / 5.0) + log_tau - mx.log1p(mx.square(tau / 5.0)) - 0.5 * mx.sum(effects * effects)
    return prior - 0.5 * mx.sum(z * z)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_eight_schools(name):
    def chain(position, key):
        return ALGORITHMS[name].warmup_and_sample(eight_schools, position, key, 1000, 2500, target_accept=0.9)

    keys = mx.random.split(key_for(f"eight schools {name}"), 16)
    starts = mx.random.uniform(-2.0, 2.0, (16, 10), key=key_for("schools starts"))
    q = np.array(compile(vmap(chain), backend="native")(starts, keys).positions, np.float64)
    mu, tau = q[..., 0], np.exp(q[..., 1])
    draws = {"mu": mu, "tau": tau} | {f"theta[{j + 1}]": mu + tau * q[..., 2 + j] for j in range(8)}
    for parameter, (mean, sd) in REFERENCE.items():
        estimate, square = chain_mean(draws[parameter]), chain_mean(np.square(draws[parameter] - mean))
        assert_within_mc(estimate.mean, mean, np.hypot(estimate.se, sd / 100), max_se=0.1 * sd)
        # The reference's own error of a variance: sqrt((kurtosis - 1) / n), with a kurtosis of at most 12.
        assert_within_mc(square.mean, sd**2, np.hypot(square.se, sd**2 * np.sqrt(11.0) / 100), max_se=0.2 * sd**2)
