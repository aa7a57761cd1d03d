"""Distributions as generative functions: one choice at the empty address."""

import math

import mlx.core as mx
import numpy as np
import pytest
import scipy.stats

import genmlx as gm
from genmlx import bernoulli, categorical, dirichlet, gamma, gen, laplace, normal, poisson
from genmlx.numerics import domains
from genmlx.numerics.errors import AddressError, ConstraintError, DomainError, ShapeError, UsageError
from helpers.tolerances import assert_close, assert_exact

# ---- the interface --------------------------------------------------------------------------------------------------


def test_the_score_is_the_log_density_summed_over_elements():
    trace = normal(mx.array([0.0, 1.0, 2.0]), 2.0).simulate(key=0)
    assert trace.retval.shape == (3,)
    assert trace.score.shape == ()
    assert_close(trace.score, scipy.stats.norm.logpdf(np.array(trace.retval), [0, 1, 2], 2.0).sum())
    assert_close(normal(0.0, 1.0).log_prob([0.5, -0.5]), scipy.stats.norm.logpdf([0.5, -0.5]))


def test_a_constraint_may_be_a_bare_value():
    trace, weight = normal(0.0, 1.0).generate(0.5)
    assert trace.retval.item() == 0.5
    assert_close(weight, scipy.stats.norm.logpdf(0.5))
    assert_close(normal(0.0, 1.0).assess(0.5).weight, scipy.stats.norm.logpdf(0.5))
    assert trace.update(1.5).trace.retval.item() == 1.5


def test_a_constraint_of_zero_is_a_constraint():
    trace, weight = normal(1.0, 1.0).generate(0.0, key=0)
    assert trace.retval.item() == 0.0
    assert_close(weight, scipy.stats.norm.logpdf(0.0, 1.0))
    assert bernoulli(0.3).generate(0, key=0).trace.retval.item() == 0


def test_update_discards_the_old_value_and_weighs_the_change():
    trace = normal(0.0, 1.0).simulate(key=0)
    result = trace.update(2.0)
    assert_exact(result.discard.value, trace.retval)
    assert_close(result.weight, normal(0.0, 1.0).log_prob(2.0) - trace.score)
    moved = trace.update(args=(1.0, 2.0))
    assert moved.discard.is_empty
    assert_exact(moved.trace.retval, trace.retval)
    assert moved.retdiff is gm.NoChange
    assert_close(moved.weight, normal(1.0, 2.0).log_prob(trace.retval) - trace.score)


def test_regenerate_weighs_zero_if_selected_and_the_change_if_not():
    trace = normal(0.0, 1.0).simulate(key=0)
    redrawn = trace.regenerate(gm.ALL, key=1, args=(3.0, 1.0))
    assert redrawn.trace.retval.item() != trace.retval.item()
    assert redrawn.weight.item() == 0.0
    kept = trace.regenerate(gm.NONE, key=1, args=(3.0, 1.0))
    assert_exact(kept.trace.retval, trace.retval)
    assert_close(kept.weight, normal(3.0, 1.0).log_prob(trace.retval) - trace.score)


def test_project_of_an_unrelated_selection_is_zero():
    trace = normal(0.0, 1.0).simulate(key=0)
    assert trace.project("x").item() == 0.0
    assert trace.project(gm.NONE).item() == 0.0
    assert_exact(trace.project(gm.ALL), trace.score)
    assert_exact(trace.project(~gm.select("x")), trace.score)


def test_integers_given_to_a_continuous_family_become_floats():
    trace, _ = normal(0.0, 1.0).generate(1)
    assert trace.retval.dtype == mx.float32
    assert normal(0.0, 1.0).generate(True).trace.retval.dtype == mx.float32
    assert poisson(2.0).generate(mx.array(3)).trace.retval.dtype == mx.int32


def test_a_sampled_value_given_back_is_equal_to_the_bit():
    for call in (normal(mx.zeros(5), 0.3), gamma(0.7, 2.0), dirichlet(mx.ones(3)), categorical(mx.zeros(4))):
        trace = call.simulate(key=3)
        again, weight = call.generate(trace.choices)
        assert_exact(again.retval, trace.retval)
        assert_exact(weight, trace.score)


def test_out_of_support_values_score_minus_infinity():
    assert gamma(2.0, 1.0).assess(-1.0).weight.item() == -math.inf
    assert bernoulli(0.5).assess(2).weight.item() == -math.inf
    assert poisson(3.0).assess(-1).weight.item() == -math.inf
    trace = gamma(2.0, 1.0).simulate(key=0)
    assert trace.update(-1.0).weight.item() == -math.inf


# ---- errors ---------------------------------------------------------------------------------------------------------


def test_assess_without_the_value_is_an_error():
    with pytest.raises(AddressError, match=r"(?s)assess needs every choice.*\(normal\) is missing.*or use generate"):
        normal(0.0, 1.0).assess({})
    with pytest.raises(AddressError, match="assess needs every choice"):
        normal(0.0, 1.0).assess(None)


def test_a_map_at_a_choice_is_an_error_in_every_method():
    trace = normal(0.0, 1.0).simulate(key=0)
    for method in (normal(0.0, 1.0).generate, normal(0.0, 1.0).assess, trace.update):
        with pytest.raises(
            ConstraintError, match=r"(?s)one choice \(normal\).*group with the addresses \['x'\].*a value"
        ):
            method({"x": 1.0})


@pytest.mark.parametrize("value", [[1.0], [1.0, 2.0, 3.0, 4.0], [[1.0, 2.0, 3.0]], 1.0])
def test_a_value_of_wrong_shape_is_an_error_in_every_method(value):
    call = normal(mx.zeros(3), 1.0) if value != [1.0] else normal(0.0, 1.0)
    trace = call.simulate(key=0)
    for method in (call.generate, call.assess, trace.update):
        with pytest.raises(
            ShapeError, match=r"(?s)values of shape \(.*\), but the constraint has shape \(.*mx.zeros\(8\)"
        ):
            method(value)


def test_an_old_value_that_no_longer_fits_is_an_error():
    trace = normal(mx.zeros(3), 1.0).simulate(key=0)
    for method in (trace.update, lambda args: trace.regenerate(gm.NONE, args=args)):
        with pytest.raises(ShapeError, match=r"now give values of shape \(4,\), but the old value has shape \(3,\)"):
            method(args=(mx.zeros(4), 1.0))
    assert trace.update(mx.zeros(4), args=(mx.zeros(4), 1.0)).discard.value.shape == (3,)
    assert trace.regenerate(gm.ALL, args=(mx.zeros(4), 1.0)).trace.retval.shape == (4,)


def test_parameters_that_do_not_broadcast_are_an_error():
    with pytest.raises(
        ShapeError, match=r"parameters of normal have shapes that do not broadcast: mu: \(3,\), sigma: \(2,\)"
    ):
        normal(mx.zeros(3), mx.ones(2)).simulate(key=0)


BAD_NUMBERS = [-1.0, 0.0, -1, math.nan, math.inf, np.float64(-1.0), np.float32(-1.0), np.int64(-1), np.array(-1.0)]


@pytest.mark.parametrize("sigma", BAD_NUMBERS, ids=repr)
def test_numbers_out_of_domain_are_always_an_error(sigma):
    """Inside and outside models, in every method, vectorised or not."""

    @gen
    def model():
        return normal(0.0, sigma) @ "x"

    @gen
    def outer():
        return model() @ ("sub", 0)

    message = r"parameter 'sigma' of normal must be positive, found"
    for call in (normal(0.0, sigma), model()):
        for n in (None, 2):
            with pytest.raises(DomainError, match=message):
                call.simulate(n=n, key=0)
        with pytest.raises(DomainError, match=message):
            call.assess(1.0 if call.gen_fn is normal else {"x": 1.0})
        with pytest.raises(DomainError, match=message):
            call.generate({} if call.gen_fn is model else 1.0)
    with pytest.raises(DomainError, match=r"(?s)of normal must be positive.*at address \('sub', 0, 'x'\)"):
        outer().simulate(key=0)
    with pytest.raises(DomainError, match=message):
        normal(0.0, sigma).log_prob(0.0)
    with pytest.raises(DomainError, match=message):
        normal(0.0, sigma).sample(key=0)


def test_bad_numbers_in_an_update_are_an_error():
    trace = normal(0.0, 1.0).simulate(key=0)
    for method in (
        trace.update,
        lambda args: trace.regenerate(gm.NONE, args=args),
        lambda args: trace.regenerate(gm.ALL, args=args),
    ):
        with pytest.raises(DomainError, match="sigma"):
            method(args=(0.0, -1.0))


def test_arrays_out_of_domain_are_an_error_outside_models():
    sigma = mx.array([1.0, 2.0, -0.5])
    call = normal(0.0, sigma)
    message = r"parameter 'sigma' of normal must be positive, found -0.5 at index \(2,\)"
    for method in (
        lambda: call.simulate(key=0),
        lambda: call.simulate(n=3, key=0),
        lambda: call.generate(mx.zeros(3)),
        lambda: call.assess(mx.zeros(3)),
        lambda: call.propose(key=0),
        lambda: call.log_prob(mx.zeros(3)),
        lambda: call.sample(key=0),
        lambda: call.mean(),
        lambda: call.cdf(0.0),
    ):
        with pytest.raises(DomainError, match=message):
            method()


def test_arrays_out_of_domain_are_an_error_inside_models_while_validating():
    @gen
    def model(sigma):
        s = normal(0.0, 1.0) @ "s"
        return normal(s, sigma) @ "x"

    bad = mx.array([[1.0, 2.0], [3.0, mx.nan]])
    trace = model(mx.ones((2, 2))).simulate(key=0)
    with gm.validating():
        message = r"(?s)parameter 'sigma' of normal must be positive, found nan at index \(1, 1\).*at address 'x'"
        for n in (None, 3):
            with pytest.raises(DomainError, match=message):
                model(bad).simulate(n=n, key=0)
            with pytest.raises(DomainError, match=message):
                model(bad).generate({"s": 1.0}, n=n, key=0)
            with pytest.raises(DomainError, match=message):
                model(bad).assess({"s": 1.0, "x": mx.zeros((2, 2))}, n=n)
        with pytest.raises(DomainError, match=message):
            trace.update({}, args=(bad,))
        with pytest.raises(DomainError, match=message):
            trace.regenerate(gm.select("s"), args=(bad,))
        assert model(mx.ones(2)).simulate(n=3, key=0).score.shape == (3,)
    with gm.validating(), gm.validating(False):
        model(bad).simulate(key=0)


def test_validating_changes_no_result():
    @gen
    def model():
        s = gamma(2.0, 1.0) @ "s"
        return normal(mx.zeros(3), s) @ "x"

    plain = model().simulate(n=3, key=0)
    with gm.validating():
        checked = model().simulate(n=3, key=0)
    assert_close(checked["x"], plain["x"])
    assert_close(checked.score, plain.score)


def test_parameters_of_a_wrong_kind_are_an_error():
    for bad in ("one", None, {"a": 1.0}, object(), [1.0, "a"]):
        with pytest.raises(
            UsageError, match=r"(?s)parameter 'mu' of normal must be a real number, found.*a number, a list"
        ):
            normal(bad, 1.0)


def test_a_wrong_number_of_parameters_names_them():
    with pytest.raises(UsageError, match=r"(?s)normal takes 2 parameters \(mu, sigma\), found 1.*normal\(mu, sigma\)"):
        normal(0.0)
    with pytest.raises(UsageError, match="normal takes 2 parameters"):
        normal(0.0, 1.0, 2.0)
    with pytest.raises(UsageError, match=r"(?s)by keyword.*none of its parameterisations.*normal\(mu, sigma\)"):
        normal(0.0, scale=1.0)
    assert normal(sigma=2.0, mu=1.0).args == (1.0, 2.0)
    with pytest.raises(UsageError, match="none of its parameterisations"):
        normal(0.0, mu=1.0)


def test_parameters_of_any_numeric_kind_are_taken():
    expected = normal(0.0, 2.0).log_prob(1.0)
    for sigma in (2, 2.0, np.float64(2.0), np.array(2), mx.array(2), mx.array(2.0), np.float32(2.0)):
        assert_close(normal(0, sigma).assess(1.0).weight, expected)
    assert_close(normal([0.0, 1.0], [1, 2]).assess([0.0, 1.0]).weight, -0.9189385 * 2 - math.log(2.0))


# ---- one address, two families --------------------------------------------------------------------------------------


def test_another_family_at_an_address_keeps_the_value_and_scores_it_anew():
    @gen
    def model(heavy):
        return (laplace(0.0, 1.0) if heavy else normal(0.0, 1.0)) @ "x"

    trace = model(False).simulate(key=0)
    result = trace.update(args=(True,))
    assert_exact(result.trace["x"], trace["x"])
    assert_close(result.weight, laplace(0.0, 1.0).log_prob(trace["x"]) - normal(0.0, 1.0).log_prob(trace["x"]))
    assert_close(result.trace.score, laplace(0.0, 1.0).log_prob(trace["x"]))


def test_another_family_without_parameters_is_scored_anew_too():
    """No parameters, so none has changed; the family has."""

    def standard(name, family):
        return gm.distribution(
            name,
            sample=lambda key, shape: family(0.0, 1.0).sample(key=key, shape=shape),
            log_prob=lambda x: family(0.0, 1.0).log_prob(x),
            params=[],
        )

    a, b = standard("a", normal), standard("b", laplace)

    @gen
    def model(first):
        return (a if first else b)() @ "x"

    trace = model(True).simulate(key=0)
    for result in (trace.update(args=(False,)), trace.regenerate(gm.NONE, args=(False,))):
        assert_close(result.trace.score, laplace(0.0, 1.0).log_prob(trace["x"]))
        assert_close(result.weight, result.trace.score - trace.score)


# ---- one's own ------------------------------------------------------------------------------------------------------


def test_a_user_distribution_with_the_name_of_another_replaces_nothing():
    mine = gm.distribution(
        "normal",
        sample=lambda key, shape: mx.zeros(shape),
        log_prob=lambda x: mx.where(x == 0, 0.0, -mx.inf),
        params=[],
    )
    assert mine().simulate(key=0).retval.item() == 0.0
    assert_close(normal(0.0, 1.0).log_prob(0.0), -0.9189385)


def test_a_user_distribution_has_the_whole_interface():
    shifted = gm.distribution(
        "shifted",
        sample=lambda key, start, shape: (
            start + mx.random.exponential(shape=shape, key=key)
            if hasattr(mx.random, "exponential")
            else start - mx.log1p(-mx.random.uniform(shape=shape, key=key))
        ),
        log_prob=lambda x, start: mx.where(x >= start, start - x, -mx.inf),
        params={"start": domains.positive},
        support=lambda start: domains.interval(start, math.inf),
    )
    with pytest.raises(DomainError, match=r"parameter 'start' of shifted must be positive, found -1.0"):
        shifted(-1.0).simulate(key=0)
    with pytest.raises(UsageError, match=r"shifted takes 1 parameters \(start\), found 0"):
        shifted()

    @gen
    def model(start):
        x = shifted(start) @ "x"
        return normal(x, 1.0) @ "y"

    trace = model(mx.array([1.0, 2.0])).simulate(key=0)
    assert trace["x"].shape == (2,)
    assert_close(trace.project("x"), mx.sum(mx.array([1.0, 2.0]) - trace["x"]))
    assert model(2.0).generate({"x": 1.0}).weight.item() == -math.inf
    assert model(2.0).simulate(n=4, key=0)["x"].shape == (4,)


@pytest.mark.parametrize(
    ("sample", "log_prob", "message"),
    [
        (
            lambda key, a, shape: mx.zeros((2,)),
            lambda x, a: x,
            r"sample of the distribution 'mine' must return.*shape \(\)",
        ),
        (lambda key, a, shape: 0.5, lambda x, a: x, r"sample .*'mine' must return an array of shape \(\), found 0.5"),
        (
            lambda key, a, shape: mx.zeros(shape),
            lambda x, a: mx.zeros(3),
            r"log_prob .* of shape \(\), found shape \(3,\)",
        ),
        (lambda key, a, shape: mx.zeros(shape), lambda x, a: 1.0, r"log_prob .* of shape \(\), found 1.0"),
    ],
)
def test_a_user_distribution_that_returns_the_wrong_thing_says_what_it_should(sample, log_prob, message):
    mine = gm.distribution("mine", sample=sample, log_prob=log_prob, params=["a"])

    @gen
    def model():
        return mine(1.0) @ "x"

    with pytest.raises(ShapeError, match=rf"(?s){message}.*at address 'x'.*one number for each draw"):
        model().simulate(key=0)


def test_what_a_family_does_not_have_says_so():
    mine = gm.distribution("mine", sample=lambda key, shape: mx.zeros(shape), log_prob=lambda x: x, params=[])
    with pytest.raises(UsageError, match=r"(?s)mine has no mean in closed form.*estimate it from draws"):
        mine().mean()
