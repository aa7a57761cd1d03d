"""Families made of others: wrong arguments, coordinates of their supports, models that use them."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx.distributions.bijectors import Exp, Scale, Shift, Simplex, bijector_for
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from helpers.tolerances import assert_close, assert_within_mc


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: gm.truncated(3.0, 0.0, 1.0), UsageError, "truncated takes the call of a distribution"),
        (lambda: gm.truncated(gm.dirichlet([1.0, 2.0]), 0.0, 1.0), UsageError, "dirichlet has vectors or matrices"),
        (lambda: gm.censored(3.0, 0.0, 1.0), UsageError, "censored takes the call of a distribution"),
        (lambda: gm.censored(gm.normal(0.0, 1.0), 1.0, 0.0).log_prob(0.5), DomainError, "'hi' of censored"),
        (lambda: gm.censored(gm.von_mises(0.0, 1.0), 0.0), UsageError, "von_mises has no cdf"),
        (lambda: gm.truncated(gm.normal(0.0, 1.0), 1.0, 0.0).log_prob(0.5), DomainError, "'hi' of truncated"),
        (lambda: gm.truncated(gm.normal(0.0, -1.0), 0.0, 1.0).log_prob(0.5), DomainError, "'sigma' of normal"),
        (lambda: gm.truncated(gm.normal(0.0, 1.0), 0.0, 1.0).mean(), UsageError, "no mean"),
        (lambda: gm.zero_inflated(gm.normal(0.0, 1.0), 0.5), UsageError, "normal is continuous"),
        (lambda: gm.zero_inflated(gm.multinomial(3, [0.5, 0.5]), 0.5), UsageError, "has vectors or matrices"),
        (lambda: gm.zero_inflated(gm.poisson(1.0), 1.5).log_prob(0), DomainError, "'p' of zero_inflated"),
        (lambda: gm.zero_inflated(gm.poisson(mx.ones(2)), mx.ones(3)).sample(), ShapeError, "does not broadcast"),
        (lambda: gm.product(), UsageError, "one or more calls"),
        (lambda: gm.product(gm.normal(0.0, 1.0), gm.poisson(1.0)), UsageError, "not both"),
        (lambda: gm.product(gm.dirichlet([1.0, 1.0])), UsageError, "dirichlet have axes"),
        (lambda: gm.transformed(gm.normal(0.0, 1.0), 3), UsageError, "a bijector, found"),
        (lambda: gm.transformed(gm.poisson(1.0), Exp()), UsageError, "poisson is discrete"),
        (lambda: gm.transformed(gm.normal(mx.zeros(3), 1.0), Simplex()), UsageError, "1 event axes"),
        (lambda: gm.lkj_cholesky(0, 1.0), UsageError, "dim is a positive int"),
        (lambda: gm.gaussian_random_walk(2.0, 1.0), UsageError, "n is a positive int"),
        (lambda: gm.hypergeometric(3, mx.array([5, 10]), 9).log_prob(1), DomainError, r"'total'.* at index \(1,\)"),
    ],
)
def test_wrong_arguments_are_errors(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()


def test_a_family_without_quantiles_cannot_be_truncated():
    with pytest.raises(UsageError, match="inverse_gaussian has no quantile"):
        gm.truncated(gm.inverse_gaussian(3.0, 1.0), 0.0, 1.0)


def test_the_support_of_a_transformed_call_has_coordinates():
    call = gm.transformed(gm.exponential(1.0), Shift(1.0) @ Scale(2.0))
    x = bijector_for(call.support).forward(mx.array([-3.0, 0.0, 3.0]))
    assert_close(x, 1 + 2 * np.exp([-3.0, 0.0, 3.0]))
    assert call.support.contains(mx.array([0.5, 1.5])).tolist() == [False, True]


def test_the_support_of_a_product_has_coordinates():
    bijector = bijector_for(gm.product(gm.normal(0.0, 1.0), gm.exponential(2.0)).support)
    x, log_det = bijector.forward_and_log_det([0.5, 1.0])
    assert_close(x, [0.5, np.e])
    assert_close(log_det, 1.0)
    assert_close(bijector.inverse(x), [0.5, 1.0])


def test_they_are_choices_in_a_model():
    @gm.gen
    def model():
        zeros = gm.zero_inflated(gm.poisson(3.0), 0.25) @ "zeros"
        positive = gm.truncated(gm.normal(0.0, 1.0), 0.0) @ "positive"
        pair = gm.product(gm.normal(positive, 1.0), gm.exponential(1.0)) @ "pair"
        return zeros, pair, gm.transformed(gm.normal(positive, 1.0), Exp()) @ "size"

    trace = model().simulate(n=3, key=1)
    zeros, positive, pair, size = (np.asarray(trace[a], np.float64) for a in ("zeros", "positive", "pair", "size"))
    poisson = stats.poisson(3.0)
    expected = np.log(0.25 * (zeros == 0) + 0.75 * poisson.pmf(zeros)) + stats.halfnorm().logpdf(positive)
    expected += stats.norm(positive, 1).logpdf(pair[:, 0]) + stats.expon().logpdf(pair[:, 1])
    expected += stats.lognorm(1, scale=np.exp(positive)).logpdf(size)
    assert_close(trace.score, expected)


def test_a_truncated_count_is_counted_from_its_bound():
    law = stats.poisson(1.5)
    k = np.arange(8)
    expected = np.where((k >= 1) & (k <= 5), law.logpmf(k) - np.log(law.cdf(5) - law.cdf(0)), -np.inf)
    for call in (gm.truncated(gm.poisson(1.5), 1, 5), gm.truncated(gm.poisson(1.5), 0.5, 5.25)):
        assert_close(call.log_prob(k), expected)
        draws = call.sample(key=mx.random.key(0), shape=20_000)
        assert draws.dtype == mx.int32
        counts = np.bincount(np.asarray(draws), minlength=8)
        assert stats.chisquare(counts[1:6], 20_000 * np.exp(expected[1:6])).pvalue > 1e-4
        assert_close(call.cdf(k), np.cumsum(np.exp(expected)))
        assert call.quantile([0.0, 0.999999, 1.0]).tolist() == [1.0, 5.0, 5.0]


def test_a_truncated_upper_tail_keeps_its_digits():
    x = np.array([100.0, 100.5, 101.0])
    call = gm.truncated(gm.exponential(1.0), 100.0, 101.0)
    assert_close(call.log_prob(x), stats.truncexpon(1.0, loc=100.0).logpdf(x), rtol=1e-5, atol=1e-5)  # x has 7 digits
    assert_close(call.cdf(x), stats.truncexpon(1.0, loc=100.0).cdf(x))
    assert_close(
        gm.truncated(gm.normal(0.0, 1.0), 6.0, 8.0).log_prob(6.0), gm.truncated_normal(0.0, 1.0, 6.0, 8.0).log_prob(6.0)
    )


def test_censored_values_have_the_probability_of_their_bound():
    normal, x = stats.norm(0.5, 2.0), np.array([-1.5, -1.0, 0.3, 3.0, 4.0])
    expected = [-np.inf, normal.logcdf(-1.0), normal.logpdf(0.3), normal.logsf(3.0), -np.inf]
    for lo, hi in ((-1.0, 3.0), (mx.array(-1.0), mx.array(3.0))):
        call = gm.censored(gm.normal(0.5, 2.0), lo, hi)
        assert_close(call.log_prob(x), expected)
        assert_close(call.cdf(x), [0.0, *normal.cdf(x[1:3]), 1.0, 1.0])
        draws = np.asarray(call.sample(key=mx.random.key(1), shape=20_000))
        at_bounds = np.array([(draws == -1.0).mean(), (draws == 3.0).mean()])
        p = np.array([normal.cdf(-1.0), normal.sf(3.0)])
        assert_within_mc(at_bounds, p, np.sqrt(p * (1 - p) / 20_000))
    counts = gm.censored(gm.poisson(3.0), 1, 5)
    law = stats.poisson(3.0)
    assert_close(counts.log_prob([0, 1, 3, 5, 6]), [-np.inf, law.logcdf(1), law.logpmf(3), law.logsf(4), -np.inf])
    assert_close(np.exp(counts.log_prob(np.arange(1, 6))).sum(), 1.0)


def test_the_likelihood_of_censored_times_has_its_gradient():
    times = mx.array([0.5, 2.0, 4.0, 4.0])  # the last two were cut off at 4: d/d rate of 2 log(rate) - rate * sum

    def log_likelihood(rate):
        return mx.sum(gm.censored(gm.exponential(rate), hi=4.0).log_prob(times))

    assert_close(mx.grad(log_likelihood)(mx.array(0.5)), 2 / 0.5 - 10.5)
