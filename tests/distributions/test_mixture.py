"""Mixtures against closed forms written by hand."""

import math

import mlx.core as mx
import numpy as np
import pytest
from scipy import special, stats

import genmlx as gm
from genmlx import gen, key
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.categorical import categorical
from genmlx.distributions.delta import delta
from genmlx.distributions.discrete_uniform import discrete_uniform
from genmlx.distributions.exponential import exponential
from genmlx.distributions.iid import iid
from genmlx.distributions.laplace import laplace
from genmlx.distributions.mixture import mixture
from genmlx.distributions.multivariate_normal import multivariate_normal
from genmlx.distributions.normal import normal
from genmlx.distributions.poisson import poisson
from genmlx.distributions.uniform import uniform
from genmlx.numerics.domains import Interval
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close, assert_within_mc

PLAUSIBLE = 1e-4
DRAWS = 20_000
W = np.array([0.3, 0.7])
LOG_W = [math.log(0.3) + 5.0, math.log(0.7) + 5.0]  # unnormalised


def log_mix(*log_densities, w=W):
    return special.logsumexp(np.stack(log_densities, axis=-1), b=w, axis=-1)


def two_normals(w=W):
    a, b = stats.norm(-2.0, 1.0), stats.norm(3.0, 0.5)
    return lambda x: w[0] * a.cdf(x) + w[1] * b.cdf(x)


# ---- densities ------------------------------------------------------------------------------------------------------


def test_two_normals():
    x = np.array([-60.0, -2.0, 0.0, 1.0, 3.0, 40.0])
    expected = log_mix(stats.norm(-2.0, 1.0).logpdf(x), stats.norm(3.0, 0.5).logpdf(x))
    assert_close(mixture([normal(-2.0, 1.0), normal(3.0, 0.5)], LOG_W).log_prob(x), expected)
    assert_close(mixture(normal(mx.array([-2.0, 3.0]), mx.array([1.0, 0.5])), LOG_W).log_prob(x), expected)
    arrays = mixture((normal(mx.array(-2.0), mx.array(1.0)), normal(mx.array(3.0), 0.5)), mx.array(LOG_W))
    assert_close(arrays.log_prob(x), expected)
    assert arrays.log_prob(x.reshape(2, 3)).shape == (2, 3)


def test_components_of_several_families():
    x = np.array([-3.0, -0.1, 0.0, 0.5, 1.0, 1.5, 8.0])
    call = mixture(
        [normal(0.0, 2.0), laplace(1.0, 0.5), exponential(1.5), uniform(0.0, 1.0)], np.log([0.1, 0.2, 0.3, 0.4])
    )
    parts = [stats.norm(0, 2), stats.laplace(1, 0.5), stats.expon(scale=1 / 1.5), stats.uniform(0, 1)]
    assert_close(call.log_prob(x), log_mix(*(p.logpdf(x) for p in parts), w=[0.1, 0.2, 0.3, 0.4]))


def test_a_discrete_mixture():
    k = np.arange(-2, 30)
    inflated = mixture([delta(0), poisson(3.0)], LOG_W)
    assert_close(inflated.log_prob(k), log_mix(np.where(k == 0, 0.0, -np.inf), stats.poisson(3.0).logpmf(k)))
    assert inflated.gen_fn.discrete
    assert inflated.sample(key=key(0), shape=(5,)).dtype == mx.int32
    assert inflated.log_prob(1.0).item() == inflated.log_prob(1).item()
    assert inflated.log_prob(0.5).item() == -math.inf
    several = mixture([bernoulli(0.2), categorical([0.0, 1.0, 2.0]), discrete_uniform(1, 4)], [0.0, 0.0, 1.0])
    assert_close(mx.sum(mx.exp(several.log_prob(mx.arange(-1, 8)))), 1.0)


def test_vectors_and_copies_as_components():
    mean, cov = np.array([1.0, -1.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    x = np.array([[0.0, 0.0], [1.0, -1.0], [5.0, 5.0]])
    a, b = stats.multivariate_normal(np.zeros(2), np.eye(2)), stats.multivariate_normal(mean, cov)
    expected = log_mix(a.logpdf(x), b.logpdf(x))
    call = mixture([multivariate_normal(np.zeros(2), np.eye(2)), multivariate_normal(mean, cov)], LOG_W)
    assert_close(call.log_prob(x), expected)
    stacked = mixture(multivariate_normal(np.stack([np.zeros(2), mean]), np.stack([np.eye(2), cov])), LOG_W)
    assert_close(stacked.log_prob(x), expected)
    for c in (call, stacked):
        assert c.sample(key=key(0), shape=(4, 5)).shape == (4, 5, 2)
        assert c.simulate(key=key(0)).score.shape == ()
    blocks = mixture([iid(normal(0.0, 1.0), 3), iid(normal(5.0, 1.0), 3)], LOG_W)
    y = np.array([0.1, -0.4, 2.0])
    assert_close(blocks.log_prob(y), log_mix(stats.norm(0, 1).logpdf(y).sum(), stats.norm(5, 1).logpdf(y).sum()))
    draws = np.asarray(blocks.sample(key=key_for("blocks"), shape=(1000,)))
    assert ((draws > 2.5).all(1) | (draws < 2.5).all(1)).mean() > 0.95  # one component for the whole block


def test_mixtures_of_mixtures():
    inner = mixture([normal(-2.0, 1.0), normal(3.0, 0.5)], LOG_W)
    outer = mixture([inner, laplace(0.0, 1.0)], [0.0, 0.0])
    x = np.array([-1.0, 0.0, 3.0])
    expected = log_mix(
        stats.norm(-2, 1).logpdf(x), stats.norm(3, 0.5).logpdf(x), stats.laplace.logpdf(x), w=[0.15, 0.35, 0.5]
    )
    assert_close(outer.log_prob(x), expected)
    assert outer.sample(key=key(0), shape=(3,)).shape == (3,)


# ---- batches --------------------------------------------------------------------------------------------------------


def test_batched_weights_and_components_are_loops():
    rng = np.random.default_rng(0)
    mus, sigmas, log_w = rng.normal(size=(4, 3)), rng.uniform(0.5, 2.0, size=(4, 3)), rng.normal(size=(4, 3))
    x = rng.normal(size=(2, 4))
    parts = stats.norm(mus, sigmas).logpdf(x[..., None])
    expected = special.logsumexp(parts + special.log_softmax(log_w, axis=-1), axis=-1)
    stacked = mixture(normal(mus, sigmas), log_w)
    listed = mixture([normal(mus[:, k], sigmas[:, k]) for k in range(3)], log_w)
    for call in (stacked, listed):
        assert call.gen_fn.batch_shape(*call.args) == (4,)
        assert_close(call.log_prob(x), expected)
        assert call.sample(key=key(0), shape=(5,)).shape == (5, 4)
        assert call.simulate(key=key(0)).score.shape == ()
        assert_close(call.mean(), (special.softmax(log_w, axis=-1) * mus).sum(-1))
        second = (special.softmax(log_w, axis=-1) * (sigmas**2 + mus**2)).sum(-1)
        assert_close(call.variance(), second - (special.softmax(log_w, axis=-1) * mus).sum(-1) ** 2)
    shared = special.logsumexp(parts + special.log_softmax(log_w[0]), axis=-1)
    assert_close(mixture(normal(mus, sigmas), log_w[0]).log_prob(x), shared)
    only_weights = mixture([normal(0.0, 1.0), normal(1.0, 2.0), laplace(0.0, 1.0)], log_w)
    assert only_weights.log_prob(0.5).shape == (4,)
    assert only_weights.sample(key=key(0)).shape == (4,)
    one_batched = mixture([normal(mus[:, 0], 1.0), laplace(0.0, 1.0)], LOG_W)
    assert one_batched.log_prob(0.3).shape == (4,) and one_batched.mean().shape == (4,)


def test_moments_of_vectors():
    means = np.array([[0.0, 1.0], [2.0, -1.0], [5.0, 5.0]])
    w = np.array([0.2, 0.3, 0.5])
    mean = w @ means
    variance = w @ (1.0 + (means - mean) ** 2)
    for call in (
        mixture([multivariate_normal(m, np.eye(2)) for m in means], np.log(w)),
        mixture(multivariate_normal(means, np.eye(2)), np.log(w)),
    ):
        assert_close(call.mean(), mean)
        assert_close(call.variance(), variance)


# ---- gradients ------------------------------------------------------------------------------------------------------


def test_gradients_are_responsibilities():
    """d/dl_k = r_k - w_k, and d/dmu_k = r_k (x - mu_k) / sigma_k^2."""
    x = 0.4
    mus, sigmas, log_w = np.array([-2.0, 0.5, 3.0]), np.array([1.0, 2.0, 0.5]), np.array([0.3, -1.0, 2.0])
    r = special.softmax(stats.norm(mus, sigmas).logpdf(x) + log_w)

    def listed(mus, sigmas, log_w):
        return mixture([normal(mus[k], sigmas[k]) for k in range(3)], log_w).log_prob(x)

    def stacked(mus, sigmas, log_w):
        return mixture(normal(mus, sigmas), log_w).log_prob(x)

    for f in (listed, stacked):
        of_mus, of_sigmas, of_weights = mx.grad(f, argnums=(0, 1, 2))(
            *(mx.array(v, dtype=mx.float32) for v in (mus, sigmas, log_w))
        )
        assert_gradient_close(of_mus, r * (x - mus) / sigmas**2)
        assert_gradient_close(of_sigmas, r * ((x - mus) ** 2 / sigmas**3 - 1 / sigmas))
        assert_gradient_close(of_weights, r - special.softmax(log_w))
    of_x = mx.grad(lambda x: mixture(normal(mus, sigmas), log_w).log_prob(x))(mx.array(x))
    assert_gradient_close(of_x, np.sum(r * (mus - x) / sigmas**2))


def test_where_no_component_has_mass_the_gradient_is_zero():
    def f(x, lo, log_w):
        return mixture([uniform(lo, 1.0), exponential(2.0)], log_w).log_prob(x)

    arguments = mx.array(-3.0), mx.array(0.0), mx.array(LOG_W)
    assert f(*arguments).item() == -math.inf
    of_x, of_lo, of_weights = mx.grad(f, argnums=(0, 1, 2))(*arguments)
    assert of_x.item() == 0.0 and of_lo.item() == 0.0
    assert_gradient_close(of_weights, -W)  # of the normaliser alone
    counts = mx.grad(lambda rate: mixture([poisson(rate), poisson(2.0)], LOG_W).log_prob(-1))(mx.array(3.0))
    assert counts.item() == 0.0
    batch = mx.grad(lambda lo: mx.sum(mixture([uniform(lo, 1.0), exponential(2.0)], LOG_W).log_prob([-3.0, 0.5])))(
        mx.array(0.0)
    )
    p = 0.3 * 1.0 + 0.7 * stats.expon(scale=0.5).pdf(0.5)
    assert_gradient_close(batch, 0.3 / p)


def test_where_one_component_has_no_mass_the_others_have_their_gradient():
    rate = mx.array(2.0)
    of_rate = mx.grad(lambda rate: mixture([uniform(0.0, 1.0), exponential(rate)], LOG_W).log_prob(3.0))(rate)
    assert_gradient_close(of_rate, 1 / 2.0 - 3.0)
    call = mixture([normal(0.0, 1.0), normal(1.0, 1.0)], mx.array([0.0, -math.inf]))
    assert_close(call.log_prob(0.5), stats.norm.logpdf(0.5))
    gradient = mx.grad(lambda lw: mixture([normal(0.0, 1.0), normal(1.0, 1.0)], lw).log_prob(0.5))(
        mx.array([0.0, -math.inf])
    )
    assert_gradient_close(gradient, [0.0, 0.0])


# ---- draws ----------------------------------------------------------------------------------------------------------


def test_draws_follow_the_law():
    for call in (
        mixture([normal(-2.0, 1.0), normal(3.0, 0.5)], LOG_W),
        mixture(normal(mx.array([-2.0, 3.0]), mx.array([1.0, 0.5])), LOG_W),
    ):
        draws = np.asarray(call.sample(key=key_for(repr(call)), shape=(DRAWS,)), dtype=np.float64)
        assert stats.kstest(draws, two_normals()).pvalue > PLAUSIBLE
        assert_within_mc(draws.mean(), call.mean().item(), draws.std() / math.sqrt(DRAWS))
        grid = np.linspace(-5, 5, 11)
        assert_close(call.cdf(grid), two_normals()(grid))


def test_draws_of_a_discrete_mixture_follow_the_law():
    call = mixture([delta(0), poisson(3.0)], LOG_W)
    draws = np.asarray(call.sample(key=key_for("inflated"), shape=(DRAWS,)))
    top = 9
    mass = np.exp(np.asarray(call.log_prob(np.arange(top)), dtype=np.float64))
    counts = np.bincount(np.minimum(draws, top), minlength=top + 1)
    assert stats.chisquare(counts, DRAWS * np.append(mass, 1 - mass.sum())).pvalue > PLAUSIBLE


def test_each_row_of_a_batch_draws_from_its_own_components():
    mus = np.array([[-50.0, 50.0], [-5.0, 5.0], [100.0, 200.0]])
    log_w = np.log([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    for call in (mixture(normal(mus, 1.0), log_w), mixture([normal(mus[:, 0], 1.0), normal(mus[:, 1], 1.0)], log_w)):
        draws = np.asarray(call.sample(key=key_for("rows"), shape=(2000,)))
        second = np.abs(draws - mus[:, 1]) < np.abs(draws - mus[:, 0])
        assert_within_mc(second.mean(0), [0.1, 0.5, 0.8], second.std(0) / math.sqrt(2000))
        nearest = np.where(second, mus[:, 1], mus[:, 0])
        assert_within_mc((draws - nearest).std(), 1.0, 1 / math.sqrt(2 * 6000))


def test_the_component_says_nothing_about_where_in_it_the_draw_lies():
    """The index and the draws have keys of their own."""
    call = mixture([uniform(0.0, 1.0), uniform(0.0, 1.0), uniform(0.0, 1.0)], [0.0, 0.0, 0.0])
    draws = np.asarray(call.sample(key=key_for("disjoint"), shape=(DRAWS,)))
    assert stats.kstest(draws, "uniform").pvalue > PLAUSIBLE
    apart = mixture([uniform(0.0, 1.0), uniform(1.0, 2.0)], [0.0, 1.0])
    y = np.asarray(apart.sample(key=key_for("disjoint 2"), shape=(DRAWS,)))
    for low in (0.0, 1.0):
        inside = y[(y >= low) & (y < low + 1)] - low
        assert stats.kstest(inside, "uniform").pvalue > PLAUSIBLE


def test_draws_are_differentiable_in_the_component_they_come_from():
    def f(mus):
        return mx.sum(mixture(normal(mus, 1.0), LOG_W).gen_fn.sample(k, normal(mus, 1.0), mx.array(LOG_W), (50,)))

    k = key_for("pathwise")
    gradient = np.asarray(mx.grad(f)(mx.array([0.0, 1000.0])))
    draws = np.asarray(
        mixture(normal(mx.array([0.0, 1000.0]), 1.0), LOG_W).gen_fn.sample(
            k, normal(mx.array([0.0, 1000.0]), 1.0), mx.array(LOG_W), (50,)
        )
    )
    assert gradient.tolist() == [float((draws < 500).sum()), float((draws > 500).sum())]


# ---- under vmap and in models ---------------------------------------------------------------------------------------


def test_traced_parameters_under_vmap_are_a_loop():
    mus, log_w = mx.array([[0.0, 1.0], [2.0, -1.0], [5.0, 5.0]]), mx.array([[0.0, 0.0], [1.0, 0.0], [0.0, -math.inf]])
    xs, keys = mx.array([0.3, 1.0, 4.0]), split(key(0), 3)

    def listed(mu, lw):
        return mixture([normal(mu[0], 1.0), laplace(mu[1], 1.0)], lw)

    def stacked(mu, lw):
        return mixture(normal(mu, 1.0), lw)

    for make in (listed, stacked):
        density = mx.vmap(lambda x, mu, lw, make=make: make(mu, lw).log_prob(x))(xs, mus, log_w)
        assert_close(density, [make(mus[i], log_w[i]).log_prob(xs[i]).item() for i in range(3)])
        draws = mx.vmap(lambda k, mu, lw, make=make: make(mu, lw).gen_fn.sample(k, *make(mu, lw).args, ()))(
            keys, mus, log_w
        )
        assert_close(
            draws,
            mx.stack(
                [make(mus[i], log_w[i]).gen_fn.sample(keys[i], *make(mus[i], log_w[i]).args, ()) for i in range(3)]
            ),
        )
        slope = mx.vmap(mx.grad(lambda mu, lw, x, make=make: make(mu, lw).log_prob(x)))(mus, log_w, xs)
        assert_close(
            slope,
            mx.stack(
                [mx.grad(lambda mu, i=i, make=make: make(mu, log_w[i]).log_prob(xs[i]))(mus[i]) for i in range(3)]
            ),
        )
        shared = mx.vmap(lambda x, make=make: make(mus[0], log_w[0]).log_prob(x))(xs)
        assert_close(shared, make(mus[0], log_w[0]).log_prob(xs))


def test_a_mixture_in_a_model_has_the_whole_interface():
    @gen
    def model(x):
        mu = normal(0.0, 3.0) @ "mu"
        mixture([normal(mu, 1.0), laplace(x, 0.5)], LOG_W) @ "y"
        mixture([poisson(mx.exp(mu * 0.1)), delta(0)], LOG_W) @ "n"

    x = mx.array(1.0)
    trace = model(x).simulate(key=key(0))
    assert_exact(model(x).assess(trace.choices).weight, trace.score)
    moved = trace.update({"mu": 0.7})
    back = moved.trace.update(moved.discard)
    assert_close(moved.weight + back.weight, 0.0)
    y, n = trace["y"].item(), trace["n"].item()

    def log_density(mu):
        return (
            stats.norm(0, 3).logpdf(mu)
            + log_mix(stats.norm(mu, 1).logpdf(y), stats.laplace(1.0, 0.5).logpdf(y))
            + log_mix(stats.poisson(np.exp(mu * 0.1)).logpmf(n), 0.0 if n == 0 else -np.inf)
        )

    assert_close(moved.trace.score, log_density(0.7))
    slope = moved.trace.choice_gradients(gm.select("mu")).gradients["mu"]
    assert_gradient_close(slope, (log_density(0.7 + 1e-5) - log_density(0.7 - 1e-5)) / 2e-5)
    assert trace.regenerate(gm.ALL, key=key(1)).weight.item() == 0.0
    batched = model(x).simulate(n=4, key=key(2))
    assert batched["n"].dtype == mx.int32 and batched["y"].shape == (4,)
    assert_exact(model(x).assess(batched.choices, n=4).weight, batched.score)
    assert_close(batched.score, [model(x).assess(batched.execution(i).choices).weight.item() for i in range(4)])
    assert batched.update({"mu": mx.zeros(4)}).trace.score.shape == (4,)


def test_arguments_of_a_trace_may_change():
    call = mixture([normal(0.0, 1.0), normal(1.0, 1.0)], LOG_W)
    trace = call.simulate(key=key(0))
    new = ([normal(2.0, 1.0), normal(1.0, 1.0)], mx.array([0.0, 0.0]))
    assert_close(trace.update(args=new).trace.score, mixture(*new).log_prob(trace.retval))
    with pytest.raises(UsageError, match=r"of the families \['normal', 'normal'\]"):
        trace.update(args=([normal(2.0, 1.0), laplace(1.0, 1.0)], LOG_W))


def test_equal_families_make_equal_functions():
    a, b = mixture([normal(0.0, 1.0), laplace(0.0, 1.0)], LOG_W), mixture([normal(1.0, 1.0), laplace(2.0, 1.0)], LOG_W)
    assert a.gen_fn == b.gen_fn and hash(a.gen_fn) == hash(b.gen_fn)
    assert a.gen_fn != mixture([laplace(0.0, 1.0), normal(0.0, 1.0)], LOG_W).gen_fn
    assert mixture(normal(mx.zeros(2), 1.0), LOG_W).gen_fn != mixture([normal(0.0, 1.0)], [0.0]).gen_fn


# ---- the support ----------------------------------------------------------------------------------------------------


def test_the_support_is_the_union():
    assert mixture([normal(0.0, 1.0), normal(1.0, 1.0)], LOG_W).support is normal(0.0, 1.0).support
    union = mixture([uniform(0.0, 1.0), uniform(2.0, 3.0)], LOG_W).support
    assert union.contains(mx.array([-0.5, 0.5, 1.5, 2.5, 3.5])).tolist() == [False, True, False, True, False]
    assert isinstance(union, Interval) and (union.lower, union.upper) == (0.0, 3.0)
    half = mixture([uniform(-1.0, mx.array(1.0)), exponential(1.0)], LOG_W).support
    assert (half.lower, half.upper.item()) == (-1.0, math.inf)
    counts = mixture([delta(7), poisson(1.0)], LOG_W).support
    assert counts.discrete and counts.contains(mx.array([7.0, 3.0, -1.0, 0.5])).tolist() == [True, True, False, False]
    simplex = mixture([multivariate_normal([0.0], [[1.0]]), multivariate_normal([1.0], [[1.0]])], LOG_W).support
    assert simplex.event_ndim == 1


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda: mixture([normal(0.0, 1.0), poisson(1.0)], LOG_W),
            UsageError,
            r"normal \(continuous\), poisson \(discrete\)",
        ),
        (lambda: mixture([normal(0.0, 1.0), 3.0], LOG_W), UsageError, "components of a mixture are calls"),
        (lambda: mixture(normal, LOG_W), UsageError, "components of a mixture are calls"),
        (lambda: mixture([], LOG_W), UsageError, "components of a mixture are calls"),
        (lambda: mixture([normal(0.0, 1.0)], LOG_W), ShapeError, "has 1 components, but 2 log weights"),
        (
            lambda: mixture(normal(mx.zeros(3), 1.0), LOG_W),
            ShapeError,
            r"last batch axis of 2, found the batch shape \(3,\)",
        ),
        (lambda: mixture(normal(0.0, 1.0), LOG_W), ShapeError, r"found the batch shape \(\)"),
        (
            lambda: mixture([normal(0.0, 1.0), iid(normal(0.0, 1.0), 2)], LOG_W),
            ShapeError,
            r"found the event shapes \[\(\), \(2,\)\]",
        ),
        (lambda: mixture([delta(mx.zeros(4)), poisson(mx.ones(4))], LOG_W), ShapeError, "values of one shape"),
        (
            lambda: mixture([normal(mx.zeros(3), 1.0), normal(mx.zeros(2), 1.0)], LOG_W).simulate(),
            ShapeError,
            "batch shapes of a mixture do not broadcast",
        ),
        (
            lambda: mixture([normal(0.0, -1.0), normal(0.0, 1.0)], LOG_W).simulate(),
            DomainError,
            "parameter 'sigma' of normal must be positive",
        ),
        (
            lambda: mixture([normal(0.0, 1.0), normal(0.0, 1.0)], [-math.inf, -math.inf]).log_prob(0.0),
            DomainError,
            "parameter 'log_weights' of mixture",
        ),
        (
            lambda: mixture([normal(0.0, 1.0), normal(0.0, 1.0)], 0.5).log_prob(0.0),
            DomainError,
            "parameter 'log_weights' of mixture",
        ),
        (lambda: mixture([normal(0.0, 1.0), normal(0.0, 1.0)], LOG_W).entropy(), UsageError, "mixture has no entropy"),
    ],
)
def test_wrong_arguments_are_errors(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()
