"""Map: densities, what an update executes, loops of an outer compilation, errors."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import control, gen, normal
from genmlx.core.diff import NoChange, VectorDiff
from genmlx.numerics.errors import ConstraintError, ShapeError, UsageError
from helpers.tolerances import assert_close, assert_exact

XS = mx.array([0.5, -1.0, 2.0])


@gen
def point(x, sd):
    return normal(2.0 * x, sd) @ "y"


executed: list[float] = []


@gen
def counted(x):
    """Reads a value, so that every element is an execution of its own, and counts."""
    executed.append(x.item())
    return normal(x, 1.0) @ "y"


def fresh_counts():
    executed.clear()
    return executed


def test_the_score_is_the_sum_over_the_elements():
    trace = gm.Map(point, in_axes=(0, None))(XS, 0.5).simulate(key=0)
    assert_close(trace.score, stats.norm(2.0 * np.asarray(XS), 0.5).logpdf(np.asarray(trace[:, "y"])).sum())
    assert_exact(trace.retval, trace[:, "y"])


@pytest.mark.parametrize("n", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_one_changed_element_is_one_execution(n):
    xs = mx.arange(n) / 10_000.0
    trace = gm.Map(counted)(xs).simulate(key=0)
    changed = mx.where(mx.arange(n) == 123, 5.0, xs)
    counts = fresh_counts()
    result = trace.update(args=(changed,), argdiffs=(VectorDiff([123]),))
    assert counts == [5.0]
    expected = stats.norm(5.0, 1.0).logpdf(trace[123, "y"].item()) - trace.element(123).score.item()
    assert_close(result.weight, expected, atol=1e-4)
    counts.clear()
    trace.update({77: {"y": 0.0}}, args=(xs,), argdiffs=(NoChange,))
    assert counts == [pytest.approx(0.0077)]


def test_discards_keep_the_number_of_their_element():
    trace = gm.Map(point, in_axes=(0, None))(XS, 1.0).simulate(key=0)
    discard = trace.update({2: {"y": 0.0}}).discard
    assert discard.paths() == [(2, "y")]
    assert_exact(discard[2, "y"], trace[2, "y"])


def test_an_outer_compilation_sees_a_map():
    def score(key, xs, sd):
        trace = gm.Map(point, in_axes=(0, None))(xs, sd).simulate(key=key)
        return trace.score, trace[:, "y"]

    args = (gm.key(1), mx.arange(100.0), mx.array(0.5))
    compiled = control.compile(score, backend="native")
    for found, expected in zip(compiled(*args), score(*args), strict=True):
        assert_close(found, expected, rtol=1e-5, atol=1e-5)
    few = control.compile(score, backend="native")
    few(gm.key(1), mx.arange(10.0), mx.array(0.5))
    assert len(compiled.show()) < 1.2 * len(few.show())


def test_lengths_that_differ():
    with pytest.raises(ShapeError, match="argument 0 has 3, argument 1 has 2"):
        gm.Map(point)(XS, mx.ones(2))


def test_arguments_without_elements():
    with pytest.raises(UsageError, match="maps over none of its arguments"):
        gm.Map(point, in_axes=(None, None))(XS, 1.0)
    with pytest.raises(ShapeError, match=r"which has no elements[\s\S]*in_axes=\(0, None\)"):
        gm.Map(point)(XS, 1.0)


def test_a_constraint_for_an_element_that_does_not_exist():
    with pytest.raises(ConstraintError, match=r"no element 3[\s\S]*0 ... 2"):
        gm.Map(point, in_axes=(0, None))(XS, 1.0).generate({3: {"y": 0.0}})
    with pytest.raises(ConstraintError, match="by their number"):
        gm.Map(point, in_axes=(0, None))(XS, 1.0).generate(1.0)
