"""Warm-up: dual averaging, running covariances, the first step size, windows."""

import math

import mlx.core as mx
import numpy as np
import pytest

from genmlx.control import compile, scan, vmap
from genmlx.inference.adaptation import dual_averaging, welford
from genmlx.inference.adaptation.step_size import reasonable_step_size
from genmlx.inference.adaptation.windows import Stage, stages
from genmlx.inference.mcmc import hmc, nuts
from genmlx.inference.mcmc.integrator import as_metric, init
from genmlx.numerics.errors import UsageError
from helpers.keys import key_for
from helpers.tolerances import assert_close

# ---- dual averaging -------------------------------------------------------------------------------------------------


def test_dual_averaging_by_hand():
    """The recursion of the paper, in float64, over acceptance rates."""
    rates, target, first = [0.2, 0.9, 1.0, 0.0, 0.75], 0.8, 0.3
    mu, error, log_average = math.log(10 * first), 0.0, 0.0
    state = dual_averaging.init(mx.array(first))
    assert_close(state.log_step, math.log(first))
    for t, rate in enumerate(rates, 1):
        error = (1 - 1 / (t + 10)) * error + (target - rate) / (t + 10)
        log_step = mu - math.sqrt(t) / 0.05 * error
        log_average = t**-0.75 * log_step + (1 - t**-0.75) * log_average
        state = dual_averaging.update(state, mx.array(rate), target)
        assert_close(state.log_step, log_step)
        assert_close(state.log_average, log_average)


def test_dual_averaging_finds_the_step_size_of_a_known_curve():
    """Acceptance exp(-step) meets 0.8 at -log(0.8)."""

    def body(state, _):
        return dual_averaging.update(state, mx.exp(-mx.exp(state.log_step)), 0.8), None

    state, _ = compile(lambda s: scan(body, dual_averaging.init(s), length=3000), backend="native")(mx.array(5.0))
    assert_close(mx.exp(state.log_average), -math.log(0.8), rtol=0.03)


# ---- running covariances --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dense", [False, True])
def test_welford_is_numpy_with_shrinkage(dense):
    rng = np.random.default_rng(0)
    xs = (100.0 + rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))).astype(np.float32)
    state = welford.init(mx.zeros((3, 3) if dense else (3,)))
    for x in xs:
        state = welford.update(state, mx.array(x))
    exact = np.cov(xs.astype(np.float64), rowvar=False)
    expected = 40 / 45 * exact + 1e-3 * 5 / 45 * np.eye(3)
    assert_close(state.mean, xs.astype(np.float64).mean(0))
    # The mean of 100 is kept to 4e-6, some deviations of size one are so exact and no better.
    assert_close(welford.covariance(state), expected if dense else np.diag(expected), rtol=1e-4, atol=1e-5)


def test_no_draws_or_one_give_a_small_multiple_of_the_identity():
    state = welford.init(mx.zeros((2,)))
    assert_close(welford.covariance(state), [1e-3, 1e-3])
    state = welford.update(state, mx.array([3.0, 4.0]))
    assert_close(welford.covariance(state), [1e-3 * 5 / 6] * 2)


# ---- the first step size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [1e-6, 0.01, 1.0, 64.0, 1e5])
def test_the_first_step_size_is_the_largest_power_of_two_that_is_accepted(start):
    """A log ratio of -step is accepted up to -log(0.8) = 0.223."""
    found = reasonable_step_size(lambda step: -step, mx.array(start)).item()
    assert found <= -math.log(0.8) < 2 * found
    assert math.log2(found / start) == pytest.approx(round(math.log2(found / start)), abs=1e-3)


@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf])
def test_a_ratio_that_is_not_finite_is_a_step_too_large(value):
    def log_ratio(step):
        return mx.where(step > 0.3, mx.array(value), mx.array(0.0))

    assert reasonable_step_size(log_ratio, mx.array(1.0)).item() == 0.25
    assert reasonable_step_size(log_ratio, mx.array(2.0**-6)).item() == 0.25


def test_the_search_ends_where_everything_is_accepted_and_where_nothing_is():
    assert reasonable_step_size(lambda step: 0.0 * step, mx.array(1.0)).item() == 2.0**40
    assert reasonable_step_size(lambda step: math.nan * step, mx.array(1.0)).item() == 2.0**-40


# ---- windows --------------------------------------------------------------------------------------------------------


def test_the_stages_are_those_of_stan():
    assert stages(1000) == [(100, 75), (50, 0), (100, 0), (200, 0), (500, 0), (50, 50)]
    assert stages(150) == [(100, 75), (50, 50)]
    assert stages(100) == [(90, 15), (10, 10)]
    assert stages(19) == [Stage(19, 19)]
    assert stages(0) == []


@pytest.mark.parametrize("warmup", [1, 20, 149, 151, 333, 5000])
def test_stages_add_up(warmup):
    assert sum(s.steps for s in stages(warmup)) == warmup
    assert all(0 <= s.skipped <= s.steps and s.steps > 0 for s in stages(warmup))


SCALES = np.array([0.1, 0.3, 1.0, 3.0, 10.0])


def scaled(q):
    return -0.5 * mx.sum(mx.square(q / mx.array(SCALES.astype(np.float32))))


@pytest.mark.parametrize("algorithm", [hmc, nuts], ids=["hmc", "nuts"])
def test_dual_averaging_reaches_the_target_acceptance(algorithm):
    """Given time: 4,000 steps of it, and then 500 with the averaged step size."""
    kernel, metric = algorithm.build_kernel(scaled), as_metric(mx.array((SCALES**2).astype(np.float32)))

    def chain(position, key):
        key_adapt, key_run = mx.random.split(key)

        def adapt(carry, k):
            state, averaging = carry
            state, info = kernel(k, state, mx.exp(averaging.log_step), metric)
            return (state, dual_averaging.update(averaging, info.acceptance_rate, 0.8)), None

        begin = (init(scaled, position), dual_averaging.init(mx.array(0.5)))
        (state, averaging), _ = scan(adapt, begin, mx.random.split(key_adapt, 4000))

        def step(state, k):
            state, info = kernel(k, state, mx.exp(averaging.log_average), metric)
            return state, info.acceptance_rate

        return scan(step, state, mx.random.split(key_run, 500))[1]

    keys = mx.random.split(key_for("target"), 16)
    rates = compile(vmap(chain), backend="native")(mx.random.normal((16, 5), key=key_for("starts")), keys)
    assert abs(mx.mean(rates).item() - 0.8) < 0.05


@pytest.mark.parametrize("algorithm", [hmc, nuts], ids=["hmc", "nuts"])
def test_a_warmup_finds_the_variances_and_a_step_size_on_the_safe_side(algorithm):
    """The last 50 steps of Stan's windows leave the averaged step size below the one of the target."""

    def chain(position, key):
        return algorithm.warmup_and_sample(scaled, position, key, 1000, 500)

    keys = mx.random.split(key_for("windows"), 32)
    run = compile(vmap(chain), backend="native")(mx.random.normal((32, 5), key=key_for("starts")), keys)
    assert 0.75 < mx.mean(run.info.acceptance_rate).item() < 0.95
    # 500 draws of the last window: each variance within a factor of 1.6 in every chain.
    assert np.all(np.abs(np.log(np.array(run.inverse_mass) / SCALES**2)) < math.log(1.6))
    assert not np.any(np.array(run.info.diverging))


def test_without_adaptation_step_size_and_metric_are_those_given():

    def chain(warmup, **options):
        f = compile(lambda key: nuts.warmup_and_sample(scaled, mx.ones(5), key, warmup, 3, **options), backend="native")
        return f(key_for("fixed"))

    run = chain(0, step_size=0.05)
    assert_close(run.step_size, 0.05)
    assert run.inverse_mass.tolist() == [1.0] * 5
    run = chain(25, metric="unit")
    assert run.inverse_mass.tolist() == [1.0] * 5
    assert run.positions.shape == (3, 5)


def test_wrong_options_are_errors():
    for options, text in (
        ({"metric": "sparse"}, "metric='sparse' is unknown"),
        ({"target_accept": 1.0}, "target_accept=1.0 is not between 0 and 1"),
    ):
        with pytest.raises(UsageError, match=text):
            hmc.warmup_and_sample(scaled, mx.zeros(5), key_for("wrong"), 10, 10, **options)
    with pytest.raises(UsageError, match="without warm-up nothing finds a step size"):
        hmc.warmup_and_sample(scaled, mx.zeros(5), key_for("wrong"), 0, 10)
