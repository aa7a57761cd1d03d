"""Diffs: hints about what changed."""

import mlx.core as mx
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.diff import as_argdiffs, diff_of, unchanged
from genmlx.numerics.errors import UsageError


def test_the_same_object_and_equal_numbers_have_not_changed():
    x = mx.array([1.0])
    assert diff_of(x, x) is gm.NoChange
    assert diff_of(2.0, 2.0) is gm.NoChange
    assert diff_of("a", "a") is gm.NoChange


@pytest.mark.parametrize(
    ("new", "old"), [(1, 1.0), (True, 1), (float("nan"), float("nan")), ((1,), (2,)), (mx.array(1.0), mx.array(1.0))]
)
def test_nothing_is_promised_about_the_rest(new, old):
    assert diff_of(new, old) is gm.UnknownChange


def test_unchanged_needs_every_argument():
    assert unchanged(())
    assert unchanged((gm.NoChange, gm.NoChange))
    assert not unchanged((gm.NoChange, gm.UnknownChange))


def test_bad_argdiffs_are_refused():
    with pytest.raises(
        UsageError, match=r"(?s)argdiffs has 1 entries for 2 arguments.*gm.NoChange or gm.UnknownChange"
    ):
        as_argdiffs((gm.NoChange,), 2, gm.NoChange)
    with pytest.raises(UsageError, match=r"argdiffs holds True, which is not a diff"):
        as_argdiffs((True,), 1, gm.NoChange)


def test_an_update_that_is_promised_no_change_does_not_run_the_model():
    runs = []

    @gen
    def model(x):
        runs.append(x)
        return normal(x, 1.0) @ "x"

    trace = model(1.0).simulate(key=0)
    assert trace.update().trace is trace
    assert trace.update(args=(1.0,), argdiffs=(gm.NoChange,)).retdiff is gm.NoChange
    assert runs == [1.0]
    assert trace.update(args=(2.0,)).retdiff is gm.UnknownChange
    assert runs == [1.0, 2.0]


def test_calls_whose_arguments_stay_are_not_run_again():
    runs = []

    @gen
    def part(x):
        runs.append("part")
        return normal(x, 1.0) @ "x"

    @gen
    def model():
        a = normal(0.0, 1.0) @ "a"
        part(1.0) @ "constant"
        part(a) @ "dependent"
        return normal(a, 1.0) @ "b"

    trace = model().simulate(key=0)
    runs.clear()
    trace.update({"b": 0.0})
    assert not runs
    trace.update({"a": 0.0})
    assert runs == ["part"]
