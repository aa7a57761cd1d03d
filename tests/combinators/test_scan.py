"""Scan: densities by closed form, what an update executes, compiled steps, errors."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import control, gen, normal
from genmlx.combinators import steps
from genmlx.core.diff import NoChange, VectorDiff
from genmlx.numerics.errors import ConstraintError, ShapeError, UsageError
from helpers.tolerances import assert_close, assert_exact

XS = mx.array([0.5, -1.0, 2.0, 0.3])


@gen
def regression(total, x):
    y = normal(x + 0.1 * total, 0.5) @ "y"
    return total + y, y - x


executed: list[float] = []


@gen
def counted(carry, x):
    """The carry is the choice itself. The list makes it run step by step, and count."""
    executed.append(round(x.item()))
    z = normal(carry + x, 1.0) @ "z"
    return z, z


def fresh_counts():
    executed.clear()
    return executed


def test_the_score_is_the_sum_over_the_steps():
    trace = gm.Scan(regression)(1.0, XS).simulate(key=0)
    total, expected = 1.0, 0.0
    ys = np.asarray(trace[:, "y"], dtype=np.float64)
    for x, y in zip(np.asarray(XS), ys, strict=True):
        expected += stats.norm(x + 0.1 * total, 0.5).logpdf(y)
        total += y
    assert_close(trace.score, expected)
    last, errors = trace.retval
    assert_close(last, total)
    assert_close(errors, ys - np.asarray(XS))


def test_inputs_are_trees_lists_or_nothing():
    kernel = gen(lambda c, x: (normal(c + x["a"] * x["b"].sum(), 1.0) @ "y", None))
    trace = gm.Scan(kernel)(0.0, {"a": XS, "b": mx.ones((4, 2))}).simulate(key=0)
    assert trace[:, "y"].shape == (4,)
    as_list = gm.Scan(kernel)(0.0, [{"a": x, "b": mx.ones(2)} for x in XS.tolist()]).simulate(key=0)
    assert_exact(as_list[:, "y"], trace[:, "y"])
    without = gm.Scan(gen(lambda c, x: (normal(c, 1.0) @ "y", x)), length=3)(0.0).simulate(key=0)
    assert without[:, "y"].shape == (3,)
    assert without.retval[1] is None


def test_constant_outputs_are_stacked():
    _, outputs = gm.Scan(gen(lambda c, x: (normal(c, 1.0) @ "y", 1.5)))(0.0, XS).simulate(key=0).retval
    assert outputs.tolist() == [1.5] * 4


# ---- what is executed -----------------------------------------------------------------------------------------------


def test_a_changed_input_is_executed_from_there_on_until_the_carry_is_the_old_one():
    xs = mx.arange(20.0)
    trace = gm.Scan(counted)(0.0, xs).simulate(key=0)
    changed = mx.where(mx.arange(20) == 6, 100.0, xs)
    counts = fresh_counts()
    result = trace.update(args=(0.0, changed))
    assert counts == [100]  # the choice at step 6 stays, and so does the carry
    assert_close(result.weight, result.trace.score - trace.score, atol=1e-2)
    counts.clear()
    told = trace.update(args=(0.0, changed), argdiffs=(NoChange, VectorDiff([6])))
    assert counts == [100]
    assert_exact(told.weight, result.weight)
    counts.clear()
    trace.update({6: {"z": 0.0}}, args=(0.0, changed))
    assert counts == [100, 7]


def test_an_equal_copy_of_the_inputs_executes_nothing():
    trace = gm.Scan(counted)(0.0, mx.arange(20.0)).simulate(key=0)
    counts = fresh_counts()
    result = trace.update(args=(0.0, mx.arange(20.0)))
    assert counts == []
    assert result.weight.item() == 0.0


def test_longer_inputs_execute_the_new_steps_only():
    trace = gm.Scan(counted)(0.0, mx.arange(20.0)).simulate(key=0)
    counts = fresh_counts()
    result = trace.update(args=(0.0, mx.arange(23.0)), key=1)
    assert counts == [20, 21, 22]
    assert_exact(result.trace[:, "z"][:20], trace[:, "z"])
    assert result.weight.item() == 0.0


def test_another_carry_to_begin_with_changes_the_first_step():
    trace = gm.Scan(counted)(0.0, mx.arange(5.0)).simulate(key=0)
    counts = fresh_counts()
    result = trace.update(args=(1.0, mx.arange(5.0)))
    assert counts == [0]
    assert_close(result.weight, result.trace.score - trace.score)


def test_a_closure_that_captured_another_value_is_executed_again():
    @gen
    def outer():
        mu = normal(0.0, 1.0) @ "mu"
        return gm.Scan(gen(lambda c, x: (normal(mu + x, 1.0) @ "y", None)))(0.0, XS) @ "ys"

    trace = outer().simulate(key=0)
    result = trace.update({"mu": 3.0})
    expected = stats.norm(0.0, 1.0).logpdf(3.0) + sum(
        stats.norm(3.0 + x, 1.0).logpdf(y) for x, y in zip(XS.tolist(), trace["ys", :, "y"].tolist(), strict=True)
    )
    assert_close(result.trace.score, expected)
    assert_close(result.weight, expected - trace.score.item())


# ---- compiled -------------------------------------------------------------------------------------------------------


def test_compiled_steps_are_the_eager_ones(monkeypatch):
    xs = mx.sin(mx.arange(50.0))
    call = gm.Scan(regression)(1.0, xs)
    monkeypatch.setattr(steps, "_FEWEST", 10**9)
    eager = call.simulate(key=5)
    monkeypatch.setattr(steps, "_FEWEST", 2)
    monkeypatch.setattr(steps, "_AT_ONCE", 0)
    steps._recurrences.clear()
    compiled = call.simulate(key=5)
    assert [r.run is not None and not r.refused for r in steps._recurrences.values()] == [True]
    assert_close(compiled[:, "y"], eager[:, "y"], atol=1e-5)
    assert_close(compiled.retval[1], eager.retval[1], atol=1e-5)
    assert_close(compiled.score, eager.score)
    # An eager update of a compiled trace: its choices are of one structure with the old ones.
    shorter = compiled.update({49: {"y": 0.0}}, args=(1.0, xs))
    assert shorter.trace[:, "y"].shape == (50,)
    steps._recurrences.clear()


def test_nested_in_a_map_it_becomes_loops_of_an_outer_compilation():
    def score(key, carries, xs):
        return gm.Map(gm.Scan(regression), in_axes=(0, None))(carries, xs).simulate(key=key).score

    args = (gm.key(2), mx.arange(3.0), mx.sin(mx.arange(30.0)))
    assert_close(control.compile(score, backend="native")(*args), score(*args), rtol=1e-5)


# ---- errors ---------------------------------------------------------------------------------------------------------


def test_lengths_that_differ():
    with pytest.raises(ShapeError, match=r"lengths \[3, 4\]"):
        gm.Scan(regression)(0.0, (XS, XS[:3]))
    with pytest.raises(ShapeError, match=r"lengths \[4, 5\]"):
        gm.Scan(regression, length=5)(0.0, XS)
    with pytest.raises(ShapeError, match=r"no inputs and no length[\s\S]*length=n"):
        gm.Scan(regression)(0.0)


def test_an_input_without_an_axis():
    with pytest.raises(ShapeError, match=r"an input of shape \(\)[\s\S]*one leading axis"):
        gm.Scan(regression)(0.0, mx.array(1.0))


def test_list_elements_of_different_structures():
    with pytest.raises(ShapeError, match="inputs 0 and 1 of a list"):
        gm.Scan(regression)(0.0, [mx.zeros(2), mx.zeros(3)])


def test_a_constraint_for_a_step_that_does_not_exist():
    with pytest.raises(ConstraintError, match=r"no element 4[\s\S]*0 ... 3"):
        gm.Scan(regression)(0.0, XS).generate({4: {"y": 1.0}})
    with pytest.raises(ConstraintError, match="it has no elements"):
        gm.Scan(regression)(0.0, mx.zeros((0,))).generate({0: {"y": 1.0}})


def test_a_kernel_that_returns_no_pair():
    with pytest.raises(UsageError, match=r"not a pair[\s\S]*return carry, output"):
        gm.Scan(gen(lambda c, x: normal(c, 1.0) @ "y"))(0.0, XS).simulate()


def test_a_kernel_that_returns_another_structure_of_carry():
    with pytest.raises(ShapeError, match=r"given a state of float32\[\] and returned one of .*\[float32\[\]"):
        gm.Scan(gen(lambda c, x: ((normal(0.0, 1.0) @ "y", x), None)))(0.0, XS).simulate()


def test_only_generative_functions_are_scanned():
    with pytest.raises(UsageError, match=r"gm.Scan\(step\)\(carry, inputs\)"):
        gm.Scan(lambda c, x: (c, x))
    with pytest.raises(UsageError, match="takes a carry and inputs"):
        gm.Scan(regression)(0.0, XS, XS)


def test_a_carry_may_be_nothing():
    call = gm.Scan(gen(lambda c, x: (None, normal(x, 1.0) @ "y")))(None, XS)
    trace = call.simulate(key=0)
    assert trace.retval[0] is None
    shorter = trace.update(args=(None, XS[:0]))
    assert_close(shorter.weight, -trace.score)
    longer = trace.update(args=(None, mx.concatenate([XS, XS])), key=1)
    assert_exact(longer.trace[:, "y"][:4], trace[:, "y"])
    assert longer.trace[:, "y"].shape == (8,)
