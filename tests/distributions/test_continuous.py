"""What the battery cannot ask: bounds of truncation, improper priors, costs, errors of single families."""

import math

import mlx.core as mx
import mpmath
import numpy as np
import pytest
from scipy import special, stats

import genmlx.distributions as d
from genmlx.core import execution
from genmlx.numerics.errors import DomainError, ImproperPriorError, ShapeError, UsageError
from genmlx.numerics.random import split
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close, assert_within_mc

INF = math.inf


# ---- truncated normal ------------------------------------------------------------------------------------------------


def exact_truncated(x, mu, sigma, lo, hi):
    """The log density with 60 digits."""
    with mpmath.workdps(60):
        x, mu, sigma, lo, hi = map(mpmath.mpf, (x, mu, sigma, lo, hi))

        def upper(z):
            return mpmath.erfc(z / mpmath.sqrt(2)) / 2

        mass = upper((lo - mu) / sigma) - upper((hi - mu) / sigma)
        return float(mpmath.log(mpmath.npdf(x, mu, sigma) / mass))


@pytest.mark.parametrize(
    "point",
    [
        (6.0, 0.0, 1.0, 6.0, 8.0),
        (7.5, 0.0, 1.0, 6.0, 8.0),
        (-6.25, 0.0, 1.0, -8.0, -6.0),
        (-0.25, 0.0, 1.0, -1.0, 2.0),
        (5.0, 0.0, 1.0, 5.0, 5.0 + 2.0**-17),
        (40.0625, 0.0, 1.0, 40.0, 41.0),
        (1000.0, 0.0, 1.0, 1000.0, 1001.0),
        (0.25, 0.0, 1e6, 0.0, 1.0),
        (0.125, -2.0, 0.5, 0.0, INF),
        (-0.125, 2.0, 0.5, -INF, 0.0),
    ],
)
def test_truncated_normal_agrees_with_sixty_digits(point):
    x, *params = point
    expected = exact_truncated(*point)
    assert_close(d.truncated_normal(*params).log_prob(x), expected)
    assert_close(d.truncated_normal(*map(mx.array, params)).log_prob(x), expected)


def test_truncated_normal_beyond_infinite_bounds_is_the_normal_distribution():
    x = mx.array([-30.0, -1.0, 0.5, 9.0])
    for params in [(0.5, 2.0, -INF, INF), tuple(mx.array(p) for p in (0.5, 2.0, -INF, INF))]:
        assert_close(d.truncated_normal(*params).log_prob(x), d.normal(0.5, 2.0).log_prob(x))
        assert d.truncated_normal(*params).log_prob(INF).item() == -INF


def test_truncated_normal_density_integrates_to_one_over_every_kind_of_interval():
    for mu, sigma, lo, hi in [
        (0.0, 1.0, 6.0, 8.0),
        (0.0, 1.0, -0.1, 0.05),
        (0.0, 1.0, -2.0, 3.0),
        (9.0, 1.0, 0.0, 1.0),
    ]:
        nodes, weights = np.polynomial.legendre.leggauss(100)
        x = 0.5 * (hi - lo) * nodes + 0.5 * (hi + lo)
        for params in [(mu, sigma, lo, hi), tuple(mx.array(p) for p in (mu, sigma, lo, hi))]:
            density = np.exp(np.asarray(d.truncated_normal(*params).log_prob(x), dtype=np.float64))
            assert_close(0.5 * (hi - lo) * np.sum(weights * density), 1.0)


def test_truncated_normal_gradients_are_finite_for_infinite_array_bounds():
    params = [mx.array(p) for p in (0.0, 1.0, -INF, 2.0)]
    x = mx.array(0.5)
    for gradient in mx.grad(lambda *p: d.truncated_normal.log_prob(x, *p), argnums=(0, 1, 2, 3))(*params):
        assert math.isfinite(gradient.item())
    key = mx.random.key(0)
    for gradient in mx.grad(lambda *p: d.truncated_normal.sample(key, *p, ()), argnums=(0, 1, 2, 3))(*params):
        assert math.isfinite(gradient.item())


def test_truncated_normal_gradient_reaches_the_bounds():
    # d log p / d lo is the density at lo, d log p / d hi minus the density at hi.
    lo, hi = mx.array(6.0), mx.array(8.0)
    found = mx.grad(lambda lo, hi: d.truncated_normal.log_prob(mx.array(6.5), 0.0, 1.0, lo, hi), argnums=(0, 1))(lo, hi)
    assert_gradient_close(found[0], math.exp(exact_truncated(6.0, 0.0, 1.0, 6.0, 8.0)))
    assert_gradient_close(found[1], -math.exp(exact_truncated(8.0, 0.0, 1.0, 6.0, 8.0)))


def test_truncated_normal_draws_do_not_gather_at_the_bounds():
    draws = np.asarray(d.truncated_normal(0.0, 1.0, 6.0, 8.0).sample(key=mx.random.key(3), shape=(5000,)))
    assert np.mean((draws == 6.0) | (draws == 8.0)) < 0.001
    assert len(np.unique(draws)) > 4000


# ---- improper priors -------------------------------------------------------------------------------------------------


def test_flat_has_log_density_zero_on_its_support():
    assert_exact(d.flat().log_prob(mx.array([-1e30, 0.0, 3.0])), mx.zeros(3))
    assert_exact(d.positive_flat().log_prob(mx.array([1e-30, 3.0])), mx.zeros(2))
    assert d.flat().log_prob(mx.array([-INF, INF, math.nan])).tolist() == [-INF] * 3
    assert d.positive_flat().log_prob(mx.array([-INF, -1.0, 0.0, INF, math.nan])).tolist() == [-INF] * 5
    assert d.flat().log_prob(1).dtype == mx.float32


@pytest.mark.parametrize("prior", [d.flat, d.positive_flat])
def test_an_improper_prior_has_no_draws_and_says_what_to_do(prior):
    with pytest.raises(
        ImproperPriorError, match=rf"{prior.name} is an improper prior.*\n.*constrain it.*proposal.*starting value"
    ):
        prior().simulate(key=mx.random.key(0))
    with pytest.raises(ImproperPriorError):
        prior(3).sample(key=mx.random.key(0))
    with pytest.raises(UsageError, match="no mean"):
        prior().mean()


@pytest.mark.parametrize("prior", [d.flat, d.positive_flat])
def test_an_improper_prior_is_constrained_and_scored(prior):
    trace, weight = prior(shape=(3,)).generate([0.5, 1.0, 2.0], key=mx.random.key(0))
    assert weight.item() == 0.0 and trace.score.item() == 0.0
    assert prior(shape=3).args == prior((3,)).args == prior(3).args == ((3,),)
    with pytest.raises(ShapeError, match=r"shape \(3,\).*shape \(2,\)"):
        prior(3).assess([0.5, 1.0])
    updated = trace.update([1.0, 1.0, 1.0], key=mx.random.key(1))
    assert updated.weight.item() == 0.0
    batched, weights = prior(3).generate(mx.ones((5, 3)), n=5, key=mx.random.key(0))
    assert weights.tolist() == [0.0] * 5 and batched.retval.shape == (5, 3)


def test_inference_starts_an_improper_prior_between_minus_two_and_two_in_unconstrained_space():
    with execution.initialising():
        real = d.flat((1000,)).simulate(key=mx.random.key(0)).retval
        positive = d.positive_flat((1000,)).simulate(key=mx.random.key(0)).retval
    for unconstrained in (np.asarray(real), np.log(np.asarray(positive))):
        assert unconstrained.shape == (1000,)
        assert np.all(np.abs(unconstrained) <= 2.0 + 1e-6)
        assert abs(np.mean(unconstrained)) < 5 * 4 / math.sqrt(12 * 1000)
        assert np.min(unconstrained) < -1.9 and np.max(unconstrained) > 1.9


@pytest.mark.parametrize("shape", [-1, (2, -3), 1.5, "three", (2.0,), mx.array([1, 2])])
def test_the_shape_of_an_improper_prior_is_checked(shape):
    with pytest.raises(UsageError, match="shape of flat must be an int or a tuple of ints"):
        d.flat(shape)


# ---- single families -------------------------------------------------------------------------------------------------


def test_bounds_in_the_wrong_order_are_an_error_that_shows_both():
    with pytest.raises(DomainError, match=r"parameter 'hi' of uniform must be above 2, found 1\.0"):
        d.uniform(2.0, 1.0).log_prob(1.5)
    with pytest.raises(DomainError, match=r"parameter 'hi' of uniform must be above .*, found 0.5 at index \(1,\)"):
        d.uniform(mx.array([0.0, 1.0]), 0.5).log_prob(0.2)
    with pytest.raises(DomainError, match="parameter 'hi' of truncated_normal must be above 0"):
        d.truncated_normal(0.0, 1.0, 0.0, 0.0).log_prob(0.0)


def test_uniform_draws_do_not_leave_an_interval_of_few_floats():
    draws = d.uniform(1e6, 1e6 + 0.125).sample(key=mx.random.key(0), shape=(10_000,))
    assert set(draws.tolist()) == {1e6, 1e6 + 0.0625, 1e6 + 0.125}


def test_piecewise_uniform_needs_one_bound_more_than_weights():
    with pytest.raises(ShapeError, match="3 bounds and 3 probabilities"):
        d.piecewise_uniform([0.0, 1.0, 2.0], [1.0, 1.0, 1.0]).log_prob(0.5)


def test_piecewise_uniform_bins_are_half_open_and_empty_bins_have_no_draws():
    histogram = d.piecewise_uniform([0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 3.0])
    assert_close(histogram.log_prob([0.0, 2.0]), [math.log(0.25), math.log(0.75)])
    assert histogram.log_prob([1.0, 1.5, 3.0]).tolist() == [-INF] * 3
    draws = np.asarray(histogram.sample(key=mx.random.key(0), shape=(10_000,)))
    assert not np.any((draws >= 1.0) & (draws < 2.0)) and draws.max() < 3.0


def test_piecewise_uniform_draws_do_not_round_into_the_next_bin():
    draws = d.piecewise_uniform([1e6, 1e6 + 0.125, 1e6 + 1.0], [1.0, 0.0]).sample(key=mx.random.key(0), shape=(10_000,))
    assert set(draws.tolist()) == {1e6, 1e6 + 0.0625}


def test_piecewise_uniform_batches_of_histograms():
    bounds, probs = mx.array([[0.0, 1.0, 3.0], [5.0, 6.0, 6.5]]), mx.array([1.0, 3.0])
    draws = d.piecewise_uniform(bounds, probs).sample(key=mx.random.key(0), shape=(1000,))
    assert draws.shape == (1000, 2)
    assert d.piecewise_uniform(bounds, probs).log_prob([2.0, 5.5]).tolist() == pytest.approx(
        [math.log(0.375), math.log(0.25)]
    )


def test_beta_uniform_mixture_gradients_are_right_at_the_ends_of_theta():
    x = mx.array([0.3, 0.7])
    peak = np.exp(np.asarray(d.beta(2.0, 5.0).log_prob(x), dtype=np.float64))
    slope = mx.grad(lambda theta: mx.sum(d.beta_uniform_mixture.log_prob(x, theta, 2.0, 5.0)))
    assert_gradient_close(slope(mx.array(0.0)), np.sum(peak - 1.0))
    assert_gradient_close(slope(mx.array(0.25)), np.sum((peak - 1.0) / (0.25 * peak + 0.75)))


def test_beta_uniform_mixture_has_a_gradient_at_the_edges():
    for params in [(0.5, 2.0, 2.0), tuple(mx.array(p) for p in (0.5, 2.0, 2.0))]:
        slope = mx.grad(lambda x: mx.sum(d.beta_uniform_mixture.log_prob(x, *params)))(mx.array([0.0, 1.0]))  # noqa: B023
        assert np.all(np.isfinite(np.asarray(slope)))
        assert_close(d.beta_uniform_mixture(*params).log_prob([0.0, 1.0]), [math.log(0.5)] * 2)


def test_student_t_is_standard_by_default():
    assert_exact(d.student_t(3.0).log_prob(0.7), d.student_t(3.0, 0.0, 1.0).log_prob(0.7))
    assert_exact(d.student_t(3.0, scale=2.0).log_prob(0.7), d.student_t(3.0, 0.0, 2.0).log_prob(0.7))


def test_student_t_draws_have_the_density_s_degrees_of_freedom():
    # The interquartile range at df = 2.9 differs from that at df = 2 by 6%.
    draws = np.asarray(d.student_t(2.9, 0.0, 1.0).sample(key=mx.random.key(0), shape=(100_000,)))
    low, high = np.quantile(draws, [0.25, 0.75])
    assert high - low == pytest.approx(2 * stats.t(2.9).ppf(0.75), rel=0.015)


def test_gradient_of_the_gamma_family_s_draws_to_shape_is_not_pretended():
    # Draws are constants in the shape (the docstrings say so); rate and scale are exact.
    key = mx.random.key(0)
    assert mx.grad(lambda s: d.gamma.sample(key, s, 2.0, ()))(mx.array(3.0)).item() == 0.0
    draw = d.gamma.sample(key, 3.0, 2.0, ())
    assert_gradient_close(mx.grad(lambda r: d.gamma.sample(key, 3.0, r, ()))(mx.array(2.0)), -draw.item() / 2.0)


def test_step_keys_matter():
    # A frozen key passes a same-seed test; twenty keys must give twenty draws.
    keys = split(mx.random.key(0), 20)
    for family, params in [(d.gamma, (2.0, 1.0)), (d.beta, (2.0, 3.0)), (d.truncated_normal, (0.0, 1.0, 6.0, 8.0))]:
        assert len({family(*params).sample(key=k).item() for k in keys}) == 20


# ---- costs -----------------------------------------------------------------------------------------------------------


def operations(f, *arrays):
    names = []
    mx.export_function(lambda event: names.append(event["name"]) if event["type"] == "primitive" else None, f, *arrays)
    return len(names)


@pytest.mark.parametrize(
    ("family", "params", "most"),
    [
        (d.uniform, (0.0, 1.0), 4),
        (d.exponential, (2.0,), 4),
        (d.laplace, (0.0, 1.0), 4),
        (d.normal, (0.0, 1.0), 5),
        (d.half_normal, (1.0,), 6),
        (d.truncated_normal, (0.0, 1.0, 0.0, INF), 7),
        (d.cauchy, (0.0, 1.0), 8),
        (d.half_cauchy, (1.0,), 9),
        (d.student_t, (3.0, 0.0, 1.0), 9),
        (d.truncated_normal, (0.0, 1.0, -1.0, 2.0), 9),
        (d.log_normal, (0.0, 1.0), 10),
        (d.gamma, (2.0, 3.0), 11),
        (d.inv_gamma, (2.0, 3.0), 11),
        (d.beta, (2.0, 2.0), 12),
        (d.beta_uniform_mixture, (0.5, 2.0, 2.0), 16),
    ],
    ids=lambda v: getattr(v, "name", None),
)
def test_parameters_that_are_numbers_cost_no_operation(family, params, most):
    assert operations(lambda x: family.log_prob(x, *params), mx.array(0.5)) <= most


# ---- reparametrised directions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "point", "length"),
    [
        (d.von_mises, (0.5, 2.0), lambda kappa: special.i1e(kappa) / special.i0e(kappa)),
        (d.von_mises, (-2.0, 0.25), lambda kappa: special.i1e(kappa) / special.i0e(kappa)),
        (d.wrapped_normal, (3.0, 0.75), lambda sigma: np.exp(-0.5 * sigma**2)),
        (d.wrapped_cauchy, (1.0, 0.5), lambda scale: np.exp(-scale)),
    ],
)
def test_reparametrised_angles_carry_the_derivatives_of_their_mean_direction(family, point, length):
    # E cos x and E sin x are those of the direction, times the resultant length: functions that the cut does not see.
    n, (mu, spread) = 20_000, point
    params = [mx.full((n,), p) for p in point]
    h = 1e-5
    slope = (length(spread + h) - length(spread - h)) / (2 * h)
    expected = {
        mx.cos: (-length(spread) * np.sin(mu), slope * np.cos(mu)),
        mx.sin: (length(spread) * np.cos(mu), slope * np.sin(mu)),
    }
    for f, derivatives in expected.items():
        found = mx.grad(lambda *p, f=f: mx.sum(f(family.rsample(mx.random.key(3), *p, (n,)))), argnums=(0, 1))(*params)
        for each, derivative in zip(map(np.asarray, found), derivatives, strict=True):
            assert_within_mc(each.mean(), derivative, each.std() / np.sqrt(n))
