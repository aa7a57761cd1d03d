"""Distributions of one's own: `genmlx.distribution`."""

import math

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import gen, key
from genmlx.distributions.iid import iid
from genmlx.distributions.mixture import mixture
from genmlx.distributions.normal import normal
from genmlx.numerics import domains
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close

triangular = gm.distribution(
    "triangular",
    sample=lambda key, width, shape: width * mx.sqrt(mx.random.uniform(shape=shape, key=key)),
    log_prob=lambda x, width: mx.where(
        mx.logical_and(x > 0, x <= width),
        mx.log(2.0 * mx.where(x > 0, x, 1.0)) - 2.0 * mx.log(width + mx.zeros(())),
        -math.inf,
    ),
    params={"width": domains.positive},
    support=lambda width: domains.interval(0.0, width),
)
"""Density 2x / width^2 on (0, width]."""


def on_sphere(z):
    return z / mx.linalg.norm(z, axis=-1, keepdims=True)


sphere = gm.distribution(
    "sphere",
    sample=lambda key, n, shape: on_sphere(mx.random.normal((*shape, 3), key=key)),
    log_prob=lambda x, n: mx.where(
        mx.abs(mx.sum(x * x, axis=-1) - 1) < 1e-4, -math.log(4 * math.pi) + 0.0 * n, -math.inf
    ),
    params=["n"],
    event_shape=(3,),
)

die = gm.distribution(
    "die",
    sample=lambda key, shape: mx.random.randint(1, 7, shape, key=key),
    log_prob=lambda x: mx.where(domains.integer_interval(1, 6).contains(x), -math.log(6), -math.inf),
    params={},
    support=domains.integer_interval(1, 6),
)


def test_the_density_is_the_one_given():
    x = np.array([0.5, 1.0, 1.9, 2.1, -1.0])
    frozen = stats.triang(1.0, scale=2.0)
    with np.errstate(divide="ignore"):
        assert_close(triangular(2.0).log_prob(x), frozen.logpdf(x))
    assert triangular(2.0).log_prob(x.reshape(5, 1)).shape == (5, 1)
    widths = mx.array([1.0, 2.0, 3.0])
    assert_close(triangular(widths).log_prob(0.5), np.log(2 * 0.5 / np.array([1.0, 2.0, 3.0]) ** 2))
    gradient = mx.grad(lambda w: triangular.log_prob(mx.array(0.5), w))(mx.array(2.0))
    assert_gradient_close(gradient, -1.0)


def test_draws_follow_the_law_and_have_the_shape():
    draws = np.asarray(triangular(2.0).sample(key=key_for("triangular"), shape=(20_000,)))
    assert stats.kstest(draws, stats.triang(1.0, scale=2.0).cdf).pvalue > 1e-4
    assert triangular(mx.array([1.0, 2.0])).sample(key=key(0), shape=(3,)).shape == (3, 2)
    assert sphere(0.0).sample(key=key(0), shape=(3, 2)).shape == (3, 2, 3)
    assert set(die().sample(key=key(0), shape=(200,)).tolist()) == {1, 2, 3, 4, 5, 6}


def test_it_has_the_whole_interface():
    call = triangular(2.0)
    trace = call.simulate(key=key(0))
    assert_exact(trace.score, call.log_prob(trace.retval))
    trace, weight = call.generate(0.5, key=key(0))
    assert_close(weight, math.log(2 * 0.5 / 4))
    assert call.assess(0.5).weight.item() == weight.item()
    moved = trace.update(args=(1.0,))
    assert_close(moved.weight, math.log(4.0))
    assert trace.regenerate(gm.ALL, key=key(1)).weight.item() == 0.0
    assert_gradient_close(trace.choice_gradients().gradients.value, 2.0)
    assert call.simulate(n=5, key=key(0)).score.shape == (5,)
    assert call.support.upper == 2.0 and not triangular.discrete and die.discrete
    assert die().assess(3).weight.item() == pytest.approx(-math.log(6))
    assert die().log_prob(3.5).item() == -math.inf
    assert repr(call) == "triangular(2.0)"


def test_an_event_shape_may_depend_on_the_parameters():
    steps = gm.distribution(
        "steps",
        sample=lambda key, scales, shape: mx.random.normal((*shape, scales.shape[-1]), key=key) * scales,
        log_prob=lambda x, scales: mx.sum(normal.log_prob(x, 0.0, scales), axis=-1),
        params={"scales": domains.positive_vector},
        event_shape=lambda scales: scales.shape[-1:],
    )
    x = np.array([1.0, -2.0, 0.5])
    scales = np.array([1.0, 2.0, 3.0])
    expected = stats.norm(0.0, scales).logpdf(x).sum()
    assert_close(steps(scales).log_prob(x), expected)
    assert_close(steps(scales).log_prob(np.stack([x, x])), [expected, expected])
    batch = steps(np.stack([scales, 2 * scales]))
    assert batch.log_prob(x).shape == (2,)
    assert batch.sample(key=key(0), shape=(4,)).shape == (4, 2, 3)
    assert batch.simulate(key=key(0)).score.shape == ()


def test_in_a_model_under_n_and_inside_other_distributions():
    @gen
    def model():
        w = triangular(3.0) @ "w"
        triangular(w) @ "x"
        die() @ "d"

    trace = model().simulate(n=4, key=key(0))
    assert trace["x"].shape == (4,) and trace["d"].dtype == mx.int32
    alone = [model().assess(trace.execution(i).choices).weight.item() for i in range(4)]
    assert_close(trace.score, alone)
    both = mixture([triangular(1.0), triangular(2.0)], [0.0, 0.0])
    assert_close(both.log_prob(0.5), math.log(0.5 * 1.0 + 0.5 * 0.25))
    assert_close(iid(triangular(2.0), 2).log_prob([0.5, 1.0]), math.log(0.25 * 0.5))


# ---- errors ---------------------------------------------------------------------------------------------------------


def of_shape(name, *, sample=None, log_prob=None, **rest):
    return gm.distribution(
        name,
        sample=sample or (lambda key, mu, shape: mx.random.normal(shape, key=key) + mu),
        log_prob=log_prob or (lambda x, mu: -((x - mu) ** 2)),
        params=["mu"],
        **rest,
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: of_shape("a", sample=lambda key, mu, shape: mx.zeros((2,)))(0.0).sample(),
            r"sample of .* 'a' must return an array of shape \(\), found shape \(2,\)",
        ),
        (lambda: of_shape("b", sample=lambda key, mu, shape: 0.0)(0.0).simulate(), r"sample of .* 'b' .* found 0.0"),
        (
            lambda: of_shape("c", log_prob=lambda x, mu: mx.zeros((3,)))(0.0).log_prob(1.0),
            r"log_prob of .* 'c' must return an array of shape \(\)",
        ),
        (
            lambda: of_shape("d", log_prob=lambda x, mu: mx.sum(x))(mx.zeros(3)).log_prob([1.0, 2.0, 3.0]),
            r"log_prob of .* 'd' .* shape \(3,\), found shape \(\)",
        ),
        (lambda: of_shape("e", log_prob=lambda x, mu: 0.5)(0.0).assess(1.0), r"log_prob of .* 'e'"),
        (
            lambda: of_shape("f", event_shape=(2,), sample=lambda key, mu, shape: mx.zeros(shape))(0.0).simulate(),
            r"must return an array of shape \(2,\), found shape \(\)",
        ),
        (lambda: of_shape("g", event_shape=(2,))(0.0).assess(mx.zeros(3)), r"has values of shape \(2,\)"),
    ],
)
def test_results_of_the_wrong_shape_are_errors_that_name_the_function(call, text):
    with pytest.raises(ShapeError, match=text):
        call()


def test_parameters_are_checked():
    with pytest.raises(DomainError, match="parameter 'width' of triangular must be positive, found -1\\.0"):
        triangular(-1.0).sample()
    with pytest.raises(UsageError, match="triangular takes 1 parameters"):
        triangular(1.0, 2.0)
    with pytest.raises(UsageError, match="none of its parameterisations"):
        triangular(height=2.0)
    with pytest.raises(UsageError, match="triangular has no mean in closed form"):
        triangular(1.0).mean()
    assert triangular(width=2.0).args == (2.0,)


def test_a_name_that_exists_already_replaces_nothing():
    other = gm.distribution(
        "normal", sample=normal.sample, log_prob=lambda x, mu, sigma: mx.zeros(x.shape), params=["mu", "sigma"]
    )
    assert other(0.0, 1.0).log_prob(3.0).item() == 0.0
    assert_close(normal(0.0, 1.0).log_prob(3.0), stats.norm.logpdf(3.0))
