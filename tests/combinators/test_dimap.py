"""Dimap: a function between two plain functions."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import Dimap, gen, normal
from genmlx.core.diff import NoChange, UnknownChange, VectorDiff
from genmlx.numerics.errors import UsageError
from helpers.tolerances import assert_close
from helpers.traces import assert_same_choices
from helpers.type_checker import as_users_run_it


@gen
def chain(m, sd):
    x = normal(m, sd) @ "x"
    return normal(x, 0.5) @ "y"


between = chain.dimap(lambda m: (m, 2.0), lambda y: {"square": y * y})


def test_arguments_and_return_value_are_transformed_and_choices_are_not():
    trace = between(0.4).simulate(key=1)
    inner = chain(0.4, 2.0).simulate(key=1)
    assert_same_choices(trace.choices, inner.choices)
    assert trace.score.item() == inner.score.item()
    assert_close(trace.retval["square"], inner.retval * inner.retval)
    assert trace.args == (0.4,)


def test_a_result_of_before_that_is_no_tuple_is_the_only_argument():
    shifted = gen(lambda m: normal(m, 1.0) @ "x").contramap(lambda m: m + 1.0)
    assert_close(shifted(0.5).assess({"x": 0.2}).weight, stats.norm.logpdf(0.2, 1.5, 1.0))


def test_update_and_its_reverse_by_closed_form():
    trace = between(0.4).generate({"x": 0.2, "y": 0.7}).trace
    result = trace.update({"y": 0.1}, args=(1.0,))
    change = stats.norm.logpdf(0.2, 1.0, 2.0) - stats.norm.logpdf(0.2, 0.4, 2.0)
    change += stats.norm.logpdf(0.1, 0.2, 0.5) - stats.norm.logpdf(0.7, 0.2, 0.5)
    assert_close(result.weight, change, atol=1e-5)
    assert_close(result.trace.retval["square"], 0.01)
    back = result.trace.update(result.discard, args=(0.4,))
    assert_close(back.weight, -change, atol=1e-5)


def test_what_is_known_of_arguments_passes_only_where_they_do():
    """Under map_retval an element that changed is one execution; before may mix the elements, so all of them run."""
    runs = []

    @gen
    def counted(x):
        runs.append(x)
        return normal(x, 1.0) @ "y"

    xs = mx.arange(5.0)
    for f, expected in ((counted.vmap().map_retval(mx.sum), 1), (counted.vmap().contramap(lambda x: x + 1.0), 5)):
        trace = f(xs).simulate(key=1)
        runs.clear()
        moved = xs + mx.array([0.0, 0.0, 1.0, 0.0, 0.0])
        result = trace.update({}, args=(moved,), argdiffs=(VectorDiff([2]),), key=2)
        y = np.array(trace[:, "y"])
        shift = 0.0 if expected == 1 else 1.0
        new, old = (stats.norm.logpdf(y[2], m + shift, 1.0) for m in (3.0, 2.0))
        assert_close(result.weight, new - old, atol=1e-5)
        touched = result.retdiff
        assert touched is not NoChange
        if expected == 5:
            assert touched == VectorDiff(range(5))
        else:
            assert touched is UnknownChange
        assert len(runs) == 1  # one vectorised execution, of one element or of five


def test_unchanged_arguments_change_nothing():
    trace = between(0.4).simulate(key=1)
    result = trace.update({})
    assert result.weight.item() == 0.0
    assert result.retdiff is NoChange


def test_executions_at_once():
    batch = between(0.4).simulate(n=3, key=1)
    assert batch.retval["square"].shape == (3,)
    for i, key in enumerate(gm.split(gm.key(1), 3)):
        assert_close(batch.score[i], between(0.4).simulate(key=key).score)


def test_equality_and_errors():
    def square(y):
        return y * y

    assert chain.map_retval(square) == Dimap(chain, None, square)
    assert chain.map_retval(square) != chain.map_retval(lambda y: y * y)
    with as_users_run_it(), pytest.raises(UsageError, match="before is .*, not a plain function"):
        chain.contramap(normal)
    with pytest.raises(UsageError, match="no keyword arguments"):
        between(m=0.4)
    assert chain.map_retval(square)(0.4, sd=1.0).args == (0.4, 1.0)
