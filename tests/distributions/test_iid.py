"""Independent copies: one event, whatever the call has."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

from genmlx import gen, key
from genmlx.distributions.delta import delta
from genmlx.distributions.dirichlet import dirichlet
from genmlx.distributions.iid import iid
from genmlx.distributions.mixture import mixture
from genmlx.distributions.multivariate_normal import multivariate_normal
from genmlx.distributions.normal import normal
from genmlx.distributions.poisson import poisson
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close


def test_the_log_density_is_the_sum_over_copies():
    x = np.array([0.5, -0.5, 1.0])
    assert_close(iid(normal(0.3, 2.0), 3).log_prob(x), stats.norm(0.3, 2.0).logpdf(x).sum())
    assert_close(
        iid(normal(0.3, 2.0), 3).log_prob(np.stack([x, x + 1])), stats.norm(0.3, 2.0).logpdf([x, x + 1]).sum(-1)
    )
    grid = np.arange(6.0).reshape(2, 3)
    assert_close(iid(normal(0.3, 2.0), (2, 3)).log_prob(grid), stats.norm(0.3, 2.0).logpdf(grid).sum())
    assert_close(iid(poisson(2.0), 3).log_prob([0, 1, 5]), stats.poisson(2.0).logpmf([0, 1, 5]).sum())
    assert iid(poisson(2.0), 3).log_prob([0, 1, -5]).item() == -np.inf
    assert_close(iid(normal(0.3, 2.0), ()).log_prob(x), stats.norm(0.3, 2.0).logpdf(x))
    assert_exact(iid(normal(0.0, 1.0), 0).log_prob(mx.zeros(0)), mx.array(0.0))


def test_a_batch_of_parameters_is_part_of_the_event():
    mus = np.array([0.0, 5.0, -5.0])
    call = iid(normal(mus, 1.0), 2)
    assert call.gen_fn.batch_shape(*call.args) == () and call.gen_fn.event_shape(*call.args) == (2, 3)
    x = np.arange(6.0).reshape(2, 3)
    assert_close(call.log_prob(x), stats.norm(mus, 1.0).logpdf(x).sum())
    draws = call.sample(key=key_for("columns"), shape=(500,))
    assert draws.shape == (500, 2, 3)
    assert_close(np.asarray(draws).mean((0, 1)), mus, atol=5 / np.sqrt(1000))
    assert_close(call.mean(), np.broadcast_to(mus, (2, 3)))
    assert_close(call.variance(), np.ones((2, 3)))
    assert_close(call.entropy(), 6 * stats.norm().entropy())


def test_copies_of_vectors_of_mixtures_of_copies_and_of_point_masses():
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    x = np.arange(6.0).reshape(3, 2)
    vectors = iid(multivariate_normal([0.0, 1.0], cov), 3)
    assert_close(vectors.log_prob(x), stats.multivariate_normal([0.0, 1.0], cov).logpdf(x).sum())
    assert vectors.sample(key=key(0), shape=(4, 5)).shape == (4, 5, 3, 2)
    mixed = mixture([normal(0.0, 1.0), normal(3.0, 2.0)], [0.0, 1.0])
    assert_close(iid(mixed, 2).log_prob([1.0, 2.0]), mixed.log_prob(1.0) + mixed.log_prob(2.0))
    nested = iid(iid(normal(0.0, 1.0), 3), 2)
    assert_close(nested.log_prob(x.reshape(2, 3)), stats.norm().logpdf(x).sum())
    assert nested.sample(key=key(0)).shape == (2, 3)
    points = iid(delta(mx.array([1.0, 2.0])), 2)
    assert points.log_prob([[1.0, 2.0], [1.0, 2.0]]).item() == 0.0
    assert points.log_prob([[1.0, 2.0], [2.0, 1.0]]).item() == -np.inf


def test_copies_are_independent():
    draws = np.asarray(iid(normal(0.0, 1.0), 4).sample(key=key_for("independent"), shape=(20_000,)))
    correlation = np.corrcoef(draws.T)
    assert np.abs(correlation - np.eye(4)).max() < 5 / np.sqrt(20_000)
    assert stats.kstest(draws.reshape(-1), stats.norm().cdf).pvalue > 1e-4


def test_the_interface():
    call = iid(normal(mx.array(0.5), 1.0), 3)
    trace = call.simulate(key=key(0))
    assert_exact(trace.score, call.log_prob(trace.retval))
    assert trace.gen_fn.discrete is False and iid(poisson(1.0), 2).gen_fn.discrete
    moved = trace.update(args=(normal(1.0, 1.0), 3))
    assert_close(moved.weight, iid(normal(1.0, 1.0), 3).log_prob(trace.retval) - trace.score)
    with pytest.raises(ShapeError, match="now give values of shape"):
        trace.update(args=(normal(1.0, 1.0), 4))
    with pytest.raises(UsageError, match="repeats calls of normal"):
        trace.update(args=(poisson(1.0), 3))
    gradients = trace.choice_gradients()
    assert_gradient_close(gradients.gradients.value, 0.5 - np.asarray(trace.retval))
    assert call.generate([1, 2, 3], key=key(0)).trace.retval.dtype == mx.float32
    assert iid(dirichlet([1.0, 1.0]), 2).support.name == dirichlet([1.0, 1.0]).support.name
    with pytest.raises(DomainError, match="parameter 'sigma' of normal"):
        iid(normal(0.0, -1.0), 3).simulate(key=key(0))


def test_many_executions():
    @gen
    def model():
        mu = normal(0.0, 1.0) @ "mu"
        iid(normal(mu, 1.0), 3) @ "x"

    batched = model().simulate(n=4, key=key(0))
    assert batched["x"].shape == (4, 3) and batched.score.shape == (4,)
    weights, _ = model().assess(batched.choices, n=4)
    assert_exact(weights, batched.score)
    _, shared = model().generate({"x": [1.0, 2.0, 3.0]}, n=4, key=key(0))
    assert shared.shape == (4,)
    mus, keys = mx.array([0.0, 1.0, 2.0]), split(key(0), 3)

    def one(k, mu):
        call = iid(normal(mu, 1.0), 2)
        value = call.gen_fn.sample(k, *call.args, ())
        return value, call.gen_fn.log_prob(value, *call.args)

    values, scores = mx.vmap(one)(keys, mus)
    for i in range(3):
        value, score = one(keys[i], mus[i])
        assert_close(values[i], value)
        assert_close(scores[i], score)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: iid(normal, 3), "iid repeats the call of a distribution"),
        (lambda: iid(3.0, 3), "iid repeats the call of a distribution"),
        (lambda: iid(normal(0.0, 1.0), -1), "not negative, found -1"),
        (lambda: iid(normal(0.0, 1.0), 2.5), "an int or a tuple of ints"),
        (lambda: iid(normal(0.0, 1.0), True), "an int or a tuple of ints"),
        (lambda: iid(normal(0.0, 1.0), (2, 0.5)), "an int or a tuple of ints"),
    ],
)
def test_wrong_arguments_are_errors(wrong, text):
    with pytest.raises(UsageError, match=text):
        wrong()


def test_a_value_of_another_shape_is_an_error():
    call = iid(normal(0.0, 1.0), 3)
    with pytest.raises(ShapeError, match="trailing axes \\(3,\\), found shape \\(2,\\)"):
        call.log_prob([1.0, 2.0])
    with pytest.raises(ShapeError, match="has values of shape \\(3,\\)"):
        call.assess(1.0)
