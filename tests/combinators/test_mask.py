"""Mask and or_else: what is on, what is off, and flags that flip."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import Map, Mask, OrElse, bernoulli, exponential, gen, normal
from genmlx.core.batched import Batched
from genmlx.core.choicemap import EMPTY
from genmlx.core.diff import UnknownChange
from genmlx.core.selection import ALL, NONE
from genmlx.numerics.errors import ConstraintError, ShapeError, UsageError
from genmlx.numerics.pytree import map_arrays
from genmlx.numerics.random import split
from genmlx.numerics.transforms import vmap
from helpers.tolerances import assert_close
from helpers.traces import assert_same_choices
from helpers.type_checker import as_users_run_it


@gen
def noisy(m):
    z = normal(m, 1.0) @ "z"
    return normal(z, 0.5) @ "y"


masked = Mask(noisy)


def test_on_it_is_the_function_and_off_it_is_nothing():
    on, off = masked(True, 0.3).simulate(key=1), masked(False, 0.3).simulate(key=1)
    assert_same_choices(on.choices, noisy(0.3).simulate(key=1).choices)
    assert on.retval.item() == noisy(0.3).simulate(key=1).retval.item()
    assert off.choices.is_empty
    assert off.retval is None
    assert off.score.item() == 0.0
    assert_same_choices(masked(mx.array(1), 0.3).simulate(key=1).choices, on.choices)
    assert masked(mx.array(2) > 3, 0.3).simulate(key=1).choices.is_empty


def test_a_flag_that_flips_draws_or_discards():
    trace = masked(True, 1.0).generate({"z": 0.2, "y": 0.7}, key=1).trace
    old = stats.norm.logpdf(0.2, 1.0, 1.0) + stats.norm.logpdf(0.7, 0.2, 0.5)
    off = trace.update({}, args=(False, 1.0), key=2)
    assert_close(off.weight, -old)
    assert_same_choices(off.discard, trace.choices)
    assert off.trace.choices.is_empty

    on = off.trace.update({}, args=(True, 1.0), key=3)
    assert on.weight.item() == 0.0
    assert set(on.trace.choices) == {"z", "y"}
    given = off.trace.update({"y": 0.7}, args=(True, 1.0), key=3)
    assert_close(given.weight, stats.norm.logpdf(0.7, given.trace["z"].item(), 0.5))
    back = off.trace.update(off.discard, args=(True, 1.0), key=3)
    assert_close(back.weight, old)
    assert_same_choices(back.trace.choices, trace.choices)


def test_regenerate_across_a_flip_weighs_nothing():
    trace = masked(True, 1.0).simulate(key=1)
    for selection in (ALL, NONE):
        off = trace.regenerate(selection, args=(False, 1.0), key=2)
        assert off.weight.item() == 0.0
        assert off.trace.regenerate(selection, args=(True, 1.0), key=2).weight.item() == 0.0


FROM, TO = mx.array([True, True, False, False]), mx.array([True, False, True, False])
KEYS = split(gm.key(4), 4)


def test_a_flag_without_a_value_has_the_meaning_of_one_with_it():
    old = vmap(lambda k, on: masked.simulate(k, (on, 0.3)).with_args(None))(KEYS, FROM)

    def move(k, trace, was, now):
        result = masked.update(k, trace.with_args((was, 0.3)), (now, 1.5), (UnknownChange, UnknownChange), EMPTY)
        return result._replace(trace=result.trace.with_args(None), retdiff=None)

    there = vmap(move)(KEYS, old, FROM, TO)
    for i in range(4):
        first = masked(FROM[i].item(), 0.3).simulate(key=KEYS[i])
        one = map_arrays(lambda a, i=i: a[i], old)
        assert_close(one.score, first.score)
        assert set(one.choices) == set(first.choices)
        assert_close(one.retval, 0.0 if first.retval is None else first.retval)  # 0 where it is off
        expected = first.update({}, args=(TO[i].item(), 1.5), key=KEYS[i])
        found = map_arrays(lambda a, i=i: a[i], there)
        assert_close(found.weight, expected.weight)
        assert_close(found.trace.score, expected.trace.score)
        assert set(found.trace.choices) == set(expected.trace.choices)
        for path, value in expected.trace.choices.items():
            assert_close(found.trace.choices[path], value)


def test_map_of_a_mask_has_elements_that_are_off():
    trace = Map(masked)(FROM, mx.arange(4.0)).simulate(key=1)
    y = np.array(trace[:, "y"])
    assert np.isnan(y).tolist() == [False, False, True, True]
    assert_close(trace.retval, np.nan_to_num(y))
    alone = [masked(FROM[i].item(), float(i)).assess(trace.element(i).choices).weight.item() for i in range(4)]
    assert_close(trace.score, np.float32(sum(alone)))
    result = trace.update({}, args=(TO, mx.arange(4.0)), key=2)
    new = np.array(result.trace[:, "y"])
    assert np.isnan(new).tolist() == [False, True, False, True]
    assert new[0] == y[0]
    assert_close(result.weight, np.float32(-alone[1]))


def test_constraints_by_element_where_some_are_off():
    """Elements with one structure of choices run at once, where the flag has no value; the meaning is the same."""
    f = Map(masked)
    choices = {i: {"z": 0.1 * i, "y": 0.2} for i in (0, 2, 3)}
    flags = mx.array([True, False, True, True])
    expected = sum(noisy(0.5).assess(c).weight.item() for c in choices.values())
    assert_close(f(flags, mx.full((4,), 0.5)).assess(choices).weight, np.float32(expected))


def test_gradients_pass_what_is_off():
    trace = Map(masked)(FROM, mx.arange(4.0)).simulate(key=1)
    gradients = trace.choice_gradients().gradients
    z = np.array(gradients[:, "z"])
    assert np.all(np.isfinite(z))
    assert np.all(z[2:] == 0.0)
    assert np.all(z[:2] != 0.0)


def test_in_a_model_with_n_executions():
    @gen
    def model():
        on = bernoulli(0.5) @ "on"
        x = masked(on, 1.0) @ "in"
        return normal(mx.where(on, mx.array(0.0) if x is None else x, 5.0), 1.0) @ "y"

    batch = model().simulate(n=8, key=1)
    assert set(batch["on"].tolist()) == {0, 1}
    for i, key in enumerate(split(gm.key(1), 8)):
        one = model().simulate(key=key)
        assert_close(batch.score[i], one.score)
        assert_close(batch["y"][i], one["y"])
    assert_close(Batched(model, 8).assess((), batch.choices).weight, batch.score)


def test_errors():
    with pytest.raises(ConstraintError, match=r"the mask is off, so there is no choice at \['z'\]"):
        masked(False, 0.0).generate({"z": 1.0})
    with pytest.raises(ConstraintError, match=r"the mask is off.*\n.*at address 's'"):
        gen(lambda: masked(False, 0.0) @ "s")().generate({("s", "z"): 1.0})
    with pytest.raises(UsageError, match="must be a boolean, found 0.5"):
        masked(0.5, 0.0)
    with pytest.raises(ShapeError, match=r"shape \(4,\).*one flag"):
        masked(FROM, 0.0)
    with as_users_run_it(), pytest.raises(UsageError, match="Mask takes a generative function"):
        Mask(lambda m: m)


def test_equality_and_sugar():
    assert masked == noisy.mask() == Mask(noisy)
    assert masked != gm.Switch(*masked.branches)
    assert hash(masked) == hash(noisy.mask())


# ---- or_else ---------------------------------------------------------------------------------------------------------


def test_or_else_gives_each_function_its_own_arguments():
    either = noisy.or_else(exponential)
    assert isinstance(either, OrElse)
    assert_same_choices(either(True, (0.5,), (2.0,)).simulate(key=1).choices, noisy(0.5).simulate(key=1).choices)
    trace = either(False, (0.5,), (2.0,)).simulate(key=1)
    assert_close(trace.score, stats.expon.logpdf(trace.retval.item(), scale=0.5))
    result = trace.update({"z": 0.1, "y": 0.2}, args=(True, (0.5,), (2.0,)), key=1)
    assert_close(result.weight, noisy(0.5).assess({"z": 0.1, "y": 0.2}).weight - trace.score)
    assert either == noisy.or_else(exponential)
    assert either != exponential.or_else(noisy)


def test_or_else_without_a_value_of_the_flag():
    either = normal.or_else(exponential)
    found = vmap(lambda k, on: either.simulate(k, (on, (0.5, 2.0), (3.0,))).score)(KEYS, FROM)
    for i in range(4):
        assert_close(found[i], either(FROM[i].item(), (0.5, 2.0), (3.0,)).simulate(key=KEYS[i]).score)


def test_or_else_errors():
    with pytest.raises(UsageError, match="takes a flag and two tuples of arguments"):
        normal.or_else(exponential)(True, 0.0, 1.0)
    with as_users_run_it(), pytest.raises(UsageError, match="or_else takes a generative function"):
        normal.or_else(lambda: 1.0)
