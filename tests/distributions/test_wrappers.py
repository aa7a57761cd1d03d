"""Families made of others: wrong arguments, coordinates of their supports, models that use them."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx.distributions.bijectors import Exp, Scale, Shift, Simplex, bijector_for
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from helpers.tolerances import assert_close


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: gm.truncated(3.0, 0.0, 1.0), UsageError, "truncated takes the call of a distribution"),
        (lambda: gm.truncated(gm.poisson(1.0), 0.0, 1.0), UsageError, "poisson is discrete"),
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
    with pytest.raises(UsageError, match="student_t has no"):
        gm.truncated(gm.student_t(3.0), 0.0, 1.0)


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
