"""Mix: the component as a choice beside those of the component."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import special, stats

import genmlx as gm
from genmlx import Mix, gamma, gen, normal
from genmlx.core.selection import ALL
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, UsageError
from genmlx.numerics.random import split
from helpers.tolerances import assert_close, assert_within_mc
from helpers.traces import assert_same_choices
from helpers.type_checker import as_users_run_it

LOG_WEIGHTS = [0.3, -0.8]
LOG_P = np.array(LOG_WEIGHTS) - special.logsumexp(LOG_WEIGHTS)


@gen
def chain(m):
    x = normal(m, 1.0) @ "x"
    return normal(x, 0.5) @ "y"


@gen
def scaled(m):
    z = gamma(2.0, 1.0) @ "z"
    return normal(m * z, 2.0) @ "y"


mix = Mix([chain, scaled], LOG_WEIGHTS)


def test_the_density_is_that_of_component_and_choices():
    weight, retval = mix(0.4).assess({"component": 0, "x": 0.2, "y": 0.7})
    assert_close(weight, LOG_P[0] + stats.norm.logpdf(0.2, 0.4, 1.0) + stats.norm.logpdf(0.7, 0.2, 0.5))
    assert_close(retval, 0.7)
    weight, _ = mix(0.4).assess({"component": 1, "z": 1.5, "y": 0.7})
    assert_close(weight, LOG_P[1] + stats.gamma.logpdf(1.5, 2.0) + stats.norm.logpdf(0.7, 0.6, 2.0))


def test_components_are_drawn_by_their_weights():
    n = 4000
    share = np.mean(np.array(mix(0.4).simulate(n=n, key=1)["component"]))
    p = np.exp(LOG_P[1])
    assert_within_mc(share, p, np.sqrt(p * (1 - p) / n), max_se=0.01)


def test_weights_may_be_a_function_of_the_arguments():
    by_m = Mix([chain, scaled], lambda m: mx.stack([mx.array(m), mx.array(0.0)]))
    for m in (0.4, -1.0):
        expected = -np.log1p(np.exp(-m)) + chain(m).assess({"x": 0.2, "y": 0.7}).weight.item()
        assert_close(by_m(m).assess({"component": 0, "x": 0.2, "y": 0.7}).weight, np.float32(expected))
    trace = by_m(0.4).generate({"component": 0, "x": 0.2, "y": 0.7}).trace
    moved = trace.update({}, args=(-1.0,), key=1)
    assert_close(moved.weight, by_m(-1.0).assess(trace.choices).weight - trace.score)


def test_a_component_flip_in_update_by_closed_form():
    trace = mix(0.4).generate({"component": 0, "x": 0.2, "y": 0.7}).trace
    result = trace.update({"component": 1}, key=2)
    z = result.trace["z"].item()
    assert_close(result.weight, LOG_P[1] + stats.norm.logpdf(0.7, 0.4 * z, 2.0) - trace.score.item())
    assert_same_choices(result.discard, gm.choicemap(component=0, x=0.2))
    assert result.trace["y"].item() == np.float32(0.7)


def test_update_without_the_component_keeps_it():
    trace = mix(0.4).generate({"component": 1, "z": 1.5, "y": 0.7}).trace
    result = trace.update({"y": 0.1}, key=1)
    assert result.trace["component"].item() == 1
    assert_close(result.weight, stats.norm.logpdf(0.1, 0.6, 2.0) - stats.norm.logpdf(0.7, 0.6, 2.0), atol=1e-5)


def test_regenerate_with_the_component_selected():
    """All selected weighs 0; the component alone keeps y and weighs its change; a same-component redraw redraws."""
    trace = mix(0.4).generate({"component": 0, "x": 0.2, "y": 0.7}).trace
    kept = set()
    for seed in range(12):
        result = trace.regenerate(ALL, key=seed)
        assert result.weight.item() == 0.0
        if result.trace["component"].item() == 0:
            assert result.trace["x"].item() != np.float32(0.2)
        alone = trace.regenerate("component", key=seed)
        kept.add(alone.trace["component"].item())
        assert alone.trace["y"].item() == np.float32(0.7)
        if alone.trace["component"].item() == 1:
            new = stats.norm.logpdf(0.7, 0.4 * alone.trace["z"].item(), 2.0)
            assert_close(alone.weight, new - stats.norm.logpdf(0.7, 0.2, 0.5), atol=1e-5)
        else:
            assert alone.weight.item() == 0.0
            assert alone.trace["x"].item() == np.float32(0.2)
    assert kept == {0, 1}


def test_in_a_model_with_n_executions():
    @gen
    def model():
        m = normal(0.0, 1.0) @ "m"
        return mix(m) @ "mix"

    batch = model().simulate(n=10, key=1)
    assert set(batch["mix", "component"].tolist()) == {0, 1}
    moved = batch.update({("mix", "component"): 1}, key=2)
    again = batch.regenerate(gm.select(("mix", "component"), ("mix", "y")), key=3)
    keys = [split(gm.key(seed), 10) for seed in (1, 2, 3)]
    for i in range(10):
        one = model().simulate(key=keys[0][i])
        for path, value in one.choices.items():
            assert_close(batch.execution(i).choices[path], value)
        assert set(batch.execution(i).choices.paths()) == set(one.choices.paths())
        assert_close(batch.score[i], one.score)
        assert_close(moved.weight[i], one.update({("mix", "component"): 1}, key=keys[1][i]).weight, atol=1e-4)
        expected = one.regenerate(gm.select(("mix", "component"), ("mix", "y")), key=keys[2][i])
        assert_close(again.weight[i], expected.weight, atol=1e-4)
        assert_close(again.trace.score[i], expected.trace.score, atol=1e-4)
    assert_close(model().assess(batch.choices, n=10).weight, batch.score)


def test_a_chain_over_the_component_has_the_exact_posterior():
    """regenerate's weight accepts or refuses a component with its own choices, in many executions at once."""
    plain = Mix([gen(lambda: normal(-1.0, 1.0) @ "y"), gen(lambda: normal(2.0, 0.5) @ "y")], LOG_WEIGHTS)
    chains = 2000
    trace, _ = plain().generate({"y": 0.8}, n=chains, key=1)
    for key in split(gm.key(2), 20):
        key_move, key_accept = split(key)
        new, weight, _ = trace.regenerate("component", key=key_move)
        accept = mx.log(mx.random.uniform(shape=(chains,), key=key_accept)) < weight
        trace = trace.update({"component": mx.where(accept, new["component"], trace["component"])}).trace
    log_joint = LOG_P + stats.norm.logpdf(0.8, [-1.0, 2.0], [1.0, 0.5])
    p = np.exp(log_joint[1] - special.logsumexp(log_joint))
    found = np.mean(np.array(trace["component"]))
    assert_within_mc(found, p, np.sqrt(p * (1 - p) / chains), max_se=0.02)


@pytest.mark.xfail(strict=True, reason="the reverse asks which addresses there are, not which hold a value")
def test_the_reverse_of_a_selection_edit_at_once_is_that_one_by_one():
    """In executions at once the addresses of all components are there, so those that vanish are not seen to."""
    batch, _ = mix(0.4).generate({"component": mx.array([0, 0, 1, 1])}, n=4, key=1)
    there = batch.edit(gm.SelectionEdit("component"), key=2)
    assert there.trace["component"].tolist() != [0, 0, 1, 1]
    back = there.trace.edit(there.backward, key=3)
    assert_close(there.weight + back.weight, mx.zeros(4), atol=1e-4)


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_addresses_that_meet_that_of_the_component_are_named():
    other = Mix([chain, gen(lambda m: normal(m, 1.0) @ "component")], LOG_WEIGHTS)
    with pytest.raises(AddressError, match=r"makes a choice at an address that the mixture uses\n.*'component'"):
        other(0.0).simulate(n=3, key=1)
    below = gen(lambda: other(0.0) @ "in")
    with pytest.raises(AddressError, match=r"\('in', 'component'\)"):
        below().simulate(n=3, key=1)
    with pytest.raises(AddressError, match=r"is a distribution, whose choice has no address beside 'component'"):
        Mix([normal, normal], LOG_WEIGHTS)(0.0, 1.0).simulate(key=1)


def test_other_errors():
    with pytest.raises(ShapeError, match=r"has 2 components and log weights of shape \(3,\)"):
        Mix([chain, scaled], [0.0, 0.0, 0.0])
    with pytest.raises(ShapeError, match=r"has 2 components and log weights of shape \(\)"):
        Mix([chain, scaled], lambda m: mx.array(m))(0.0).simulate(key=1)
    with as_users_run_it(), pytest.raises(UsageError, match="Mix takes a list of generative functions"):
        Mix(chain, LOG_WEIGHTS)
    with pytest.raises(ConstraintError, match="not one choice but a mixture"):
        mix(0.0).generate(1.0)
    with pytest.raises(ConstraintError, match=r"no choice at 'q'"):
        mix(0.0).generate({"component": 0, "q": 1.0})
    with pytest.raises(AddressError, match=r"the component of Mix\(chain, scaled\) is missing\n.*'component'"):
        mix(0.0).assess({"x": 0.0, "y": 0.0})


def test_equality_and_sugar():
    weights = mx.array(LOG_WEIGHTS)
    assert chain.mix(scaled, log_weights=weights).components == (chain, scaled)
    assert mix == mix
    assert mix != Mix([scaled, chain], LOG_WEIGHTS)
    assert mix.structure_key == Mix([chain, scaled], weights).structure_key
