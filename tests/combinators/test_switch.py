"""Switch: addresses, flips, and the one meaning of an index with a value and without one."""

import itertools

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import Map, Switch, bernoulli, categorical, exponential, gamma, gen, laplace, normal
from genmlx.combinators.switch import BlendTrace, SwitchTrace
from genmlx.core.choicemap import EMPTY
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.selection import ALL, NONE
from genmlx.numerics.errors import AddressError, ConstraintError, DomainError, ShapeError, UsageError
from genmlx.numerics.pytree import map_arrays
from genmlx.numerics.random import split
from genmlx.numerics.transforms import value_and_grad, vmap
from helpers.tolerances import assert_close
from helpers.traces import assert_same_choices, assert_weight
from helpers.type_checker import as_users_run_it


@gen
def left(m):
    x = normal(m, 1.0) @ "x"
    return normal(x, 0.5) @ "y"


@gen
def right(m):
    """Shares y with left."""
    z = gamma(2.0, 1.0) @ "z"
    return normal(m * z, 2.0) @ "y"


@gen
def apart(m):
    """Shares nothing, and has a factor."""
    w = exponential(1.0) @ ("w", 0)
    gm.factor("tilt", 0.5 * w + m)
    return w


three = Switch(left, right, apart)
pair = Switch(left, right)


def test_addresses_and_return_value_are_those_of_the_branch_taken():
    for k, branch in enumerate((left, right, apart)):
        trace, alone = three(k, 0.3).simulate(key=1), branch(0.3).simulate(key=1)
        assert_same_choices(trace.choices, alone.choices)
        assert trace.retval.item() == alone.retval.item()
        assert trace.score.item() == alone.score.item()
        assert isinstance(trace, SwitchTrace)
        assert trace.branch == k


def test_an_index_may_be_an_array_with_a_value_or_a_bool():
    assert_same_choices(three(mx.array(1), 0.3).simulate(key=1).choices, three(1, 0.3).simulate(key=1).choices)
    assert_same_choices(pair(True, 0.3).simulate(key=1).choices, pair(1, 0.3).simulate(key=1).choices)


def test_a_branch_may_be_a_distribution():
    trace = Switch(normal, laplace)(1, 0.0, 2.0).simulate(key=1)
    assert trace.choices.value is not None
    assert_close(trace.score, stats.laplace.logpdf(trace.retval.item(), 0.0, 2.0))


def test_a_flip_keeps_the_shared_address_and_weighs_it_by_closed_form():
    """left -> right: x vanishes, z is fresh, y stays under its new context."""
    trace = pair(0, 1.0).generate({"x": 0.2, "y": 0.7}, key=1).trace
    result = trace.update({}, args=(1, 1.0), key=2)
    z = result.trace["z"].item()
    old = stats.norm.logpdf(0.2, 1.0, 1.0) + stats.norm.logpdf(0.7, 0.2, 0.5)
    assert result.trace["y"].item() == np.float32(0.7)
    assert "x" not in result.trace
    assert_close(result.weight, stats.norm.logpdf(0.7, z, 2.0) - old)
    assert_same_choices(result.discard, gm.choicemap(x=0.2))

    back = result.trace.update({"x": 0.2}, args=(0, 1.0), key=3)
    density_of_z = stats.gamma.logpdf(z, 2.0)
    assert_close(back.weight, old - stats.norm.logpdf(0.7, z, 2.0) - density_of_z)
    assert_same_choices(back.discard, gm.choicemap(z=mx.array(z)))


def test_a_flip_between_disjoint_branches_weighs_only_what_vanished_and_factors():
    trace = three(0, 1.0).generate({"x": 0.2, "y": 0.7}, key=1).trace
    result = trace.update({}, args=(2, 1.0), key=2)
    w = result.trace["w", 0].item()
    assert_close(result.weight, 0.5 * w + 1.0 - trace.score.item())
    assert_same_choices(result.discard, trace.choices)


def test_a_flip_between_branches_of_two_kinds_keeps_what_they_share():
    """A combinator does not accept the trace of a model; the meaning is the same."""
    other = Switch(left, right.map_retval(lambda y: -y))
    trace = other(0, 1.0).generate({"x": 0.2, "y": 0.7}, key=1).trace
    plain = pair(0, 1.0).generate({"x": 0.2, "y": 0.7}, key=1).trace
    for constraints in ({}, {"z": 1.5}, {"y": 0.1}):
        found, expected = (t.update(constraints, args=(1, 1.0), key=2) for t in (trace, plain))
        assert_same_choices(found.trace.choices, expected.trace.choices)
        assert_same_choices(found.discard, expected.discard)
        assert_weight(found.weight, expected.weight, trace.score)
    for selection in (ALL, NONE, gm.select("y")):
        found, expected = (t.regenerate(selection, args=(1, 1.0), key=2) for t in (trace, plain))
        assert_same_choices(found.trace.choices, expected.trace.choices)
        assert_weight(found.weight, expected.weight, trace.score)


# ---- an index without a value ----------------------------------------------------------------------------------------

SWITCHES = {
    "overlapping and disjoint": three,
    "two kinds of branches": Switch(left.map_retval(lambda y: 2.0 * y), right, apart),
    "one shared distribution": Switch(*(gen(lambda m, sd=sd: normal(m, sd) @ "x") for sd in (1.0, 2.0, 3.0))),
    "distributions": Switch(*(normal.contramap(lambda m, sd=sd: (m, sd)) for sd in (1.0, 2.0, 3.0))),
    "maps of different lengths": Switch(
        *(left.repeat(n).map_retval(lambda ys: ys.sum()) for n in (2, 3)), right.repeat(1).map_retval(lambda y: y.sum())
    ),
    "nested": Switch(left, pair.contramap(lambda m: (1, m)), apart),
}
PAIRS = mx.array(list(itertools.product(range(3), range(3))))
FROM, TO = PAIRS[:, 0], PAIRS[:, 1]
KEYS = split(gm.key(5), 9)
M = 0.4


def lane(tree, i):
    return map_arrays(lambda a: a[i], tree)


def same_trace(blend, i, alone):
    one = lane(blend, i)
    assert_same_choices_closely(one.choices, alone.choices)
    assert_close(one.score, alone.score)
    assert_close(one.retval, alone.retval)
    if alone.factor_score() is not None:
        assert_close(one.factor_score(), alone.factor_score())


def assert_same_choices_closely(found, wanted):
    found, wanted = dict(found.items()), dict(wanted.items())
    assert found.keys() == wanted.keys()
    for path, value in wanted.items():
        assert_close(found[path], value)


@pytest.fixture(params=SWITCHES)
def switch(request):
    return SWITCHES[request.param]


def blended(switch, index=FROM):
    return vmap(lambda k, i: switch.simulate(k, (i, M)).with_args(None))(KEYS, index)


def alone(switch, i, index=FROM):
    return switch.simulate(KEYS[i], (index[i].item(), M))


def test_simulate_without_a_value_is_simulate_with_one(switch):
    trace = blended(switch)
    assert isinstance(trace, BlendTrace)
    for i in range(9):
        same_trace(trace, i, alone(switch, i))


def test_generate_and_assess_without_a_value_are_those_with_one(switch):
    source = blended(switch)
    part = [p for n, p in enumerate(sorted(lane(source, 0).choices.paths(), key=repr)) if n % 2 == 0]
    part = gm.select(*part) if () not in part else ALL
    for selection in (part, ALL, NONE):

        def both(k, i, given, selection=selection):
            return switch.generate(k, (i, M), given.filter(selection))

        trace, weight = vmap(both)(split(gm.key(6), 9), FROM, source.choices)
        for i in range(9):
            given = lane(source, i).choices.filter(selection)
            expected = switch.generate(split(gm.key(6), 9)[i], (FROM[i].item(), M), given)
            same_trace(trace, i, expected.trace)
            assert_close(weight[i], expected.weight)
    weight, retval = vmap(lambda i, given: switch.assess((i, M), given))(FROM, source.choices)
    assert_close(weight, source.score)
    assert_close(retval, source.retval)


@pytest.mark.parametrize("constrained", [False, True])
def test_update_across_all_flips_is_that_with_a_value(switch, constrained):
    old = blended(switch)
    other = blended(switch, TO)
    chosen = [p for n, p in enumerate(sorted(dict(other.choices.stored()), key=repr)) if n % 2 == 0]
    chosen = gm.select(*chosen) if () not in chosen else ALL

    def move(k, trace, i, j, given):
        given = given.filter(chosen) if constrained else EMPTY
        result = switch.update(k, trace.with_args((i, M)), (j, 1.5), (UnknownChange, UnknownChange), given)
        return result._replace(trace=result.trace.with_args(None), retdiff=None)

    there = vmap(move)(KEYS, old, FROM, TO, other.choices)
    for i in range(9):
        j = TO[i].item()
        given = alone(switch, i, TO).choices.filter(chosen) if constrained else EMPTY
        expected = alone(switch, i).update(given, args=(j, 1.5), key=KEYS[i])
        same_trace(there.trace, i, expected.trace)
        assert_close(there.weight[i], expected.weight, atol=2e-5 * (1 + abs(expected.trace.score.item())))
        found = dict(lane(there.discard, i).items())
        for path, value in expected.discard.items():
            assert_close(found[path], value)
    # What is discarded restores what there was.

    def move_back(k, trace, i, j, given):
        trace = trace.with_args((j, 1.5))
        return switch.update(k, trace, (i, M), (UnknownChange, UnknownChange), given).trace.with_args(None)

    back = vmap(move_back)(KEYS, there.trace, FROM, TO, there.discard)
    for i in range(9):
        assert_same_choices(lane(back, i).choices, lane(old, i).choices)


def test_regenerate_across_all_flips_is_that_with_a_value(switch):
    old = blended(switch)
    one = sorted(lane(old, 0).choices.paths(), key=repr)[-1]
    for selection in (ALL, NONE, gm.select(one) if one else ALL):

        def move(k, trace, i, j, selection=selection):
            result = switch.regenerate(k, trace.with_args((i, M)), (j, 1.5), (UnknownChange, UnknownChange), selection)
            return result._replace(trace=result.trace.with_args(None), retdiff=None)

        there = vmap(move)(KEYS, old, FROM, TO)
        for i in range(9):
            expected = alone(switch, i).regenerate(selection, args=(TO[i].item(), 1.5), key=KEYS[i])
            same_trace(there.trace, i, expected.trace)
            assert_close(there.weight[i], expected.weight, atol=2e-5 * (1 + abs(expected.trace.score.item())))


def test_project_without_a_value_is_that_with_one(switch):
    old = blended(switch)
    one = sorted(lane(old, 0).choices.paths(), key=repr)[-1]
    for selection in (ALL, NONE, gm.select(one) if one else ALL):
        found = vmap(lambda t, selection=selection: switch.project(t, selection))(old)
        for i in range(9):
            assert_close(found[i], alone(switch, i).project(selection))


def test_a_trace_with_a_value_is_updated_under_an_index_without_one():
    trace = three(0, M).simulate(key=1)

    def move(k, j):
        result = three.update(k, trace, (j, 1.5), (UnknownChange, UnknownChange), EMPTY)
        return result._replace(trace=result.trace.with_args(None), retdiff=None)

    there = vmap(move)(KEYS[:3], mx.arange(3))
    for i in range(3):
        expected = trace.update({}, args=(i, 1.5), key=KEYS[i])
        same_trace(there.trace, i, expected.trace)
        assert_close(there.weight[i], expected.weight)


def test_addresses_of_branches_not_taken_hold_no_value():
    trace = blended(three)
    x, z = np.array(trace["x"]), np.array(trace["z"])
    assert np.array_equal(np.isnan(x), np.array(FROM) != 0)
    assert np.array_equal(np.isnan(z), np.array(FROM) != 1)
    assert np.array_equal(np.isnan(np.array(trace["y"])), np.array(FROM) == 2)
    coins = Switch(gen(lambda m: bernoulli(1.0) @ "a"), gen(lambda m: bernoulli(1.0) @ "b"))
    flips = vmap(lambda k, i: coins.simulate(k, (i, M)).with_args(None))(KEYS[:2], mx.array([0, 1]))
    assert flips["a"].tolist() == [1, 0]


def test_gradients_of_the_branch_taken_are_finite_and_those_of_others_zero():
    """The density of gamma at nan, or at a value of another branch, must not reach a gradient."""
    trace = blended(three)

    def score(values):
        weights, _ = vmap(lambda i, given: three.assess((i, M), given))(FROM, values)
        return weights.sum()

    _, gradients = value_and_grad(score)(trace.choices)
    for path, value in trace.choices.items():
        found, missing = np.array(gradients[path]), np.isnan(np.array(value))
        assert np.all(np.isfinite(found)), path
        assert np.all(found[missing] == 0.0)
        assert np.all(found[~missing] != 0.0)


def test_gradients_of_an_update_do_not_see_what_a_branch_not_taken_would_keep():
    """The root of a negative x, kept in a branch that no execution takes, is nan; so would be its slope."""
    wide = gen(lambda m: normal(m, 1.0) @ "x")
    root = gen(lambda m: normal(m * mx.sqrt(gamma(2.0, 1.0) @ "x"), 1.0) @ "y")
    either = Switch(wide, root)
    old = vmap(lambda k, i, x: either.generate(k, (i, M), gm.choicemap(x=x)).trace.with_args(None))(
        KEYS[:2], mx.array([0, 1]), mx.array([-1.5, 0.5])
    )

    def weight(m):
        def move(k, trace, i):
            diffs = (UnknownChange, UnknownChange)
            return either.update(k, trace.with_args((i, M)), (i, m), diffs, EMPTY).weight

        return vmap(move)(KEYS[:2], old, mx.array([0, 1])).sum()

    _, slope = value_and_grad(weight)(mx.array(1.0))
    y, root_x = old["y"][1].item(), np.sqrt(0.5)
    assert_close(slope, (-1.5 - 1.0) + root_x * (y - 1.0 * root_x))


def test_an_index_without_a_value_is_clamped():
    trace = vmap(lambda k, i: pair.simulate(k, (i, M)).with_args(None))(KEYS[:2], mx.array([-3, 7]))
    assert trace.index.tolist() == [0, 1]


def test_in_a_model_with_n_executions():
    """The index is a choice; each execution is that of its branch."""

    @gen
    def model():
        k = categorical(mx.zeros(3)) @ "k"
        return three(k, M) @ "s"

    batch = model().simulate(n=12, key=3)
    assert set(batch["k"].tolist()) == {0, 1, 2}
    for i, key in enumerate(split(gm.key(3), 12)):
        one = model().simulate(key=key)
        assert_same_choices_closely(batch.execution(i).choices, one.choices)
        assert_close(batch.score[i], one.score)
    assert_close(model().assess(batch.choices, n=12).weight, batch.score)
    moved = batch.update({"k": 1}, key=4)
    for i, key in enumerate(split(gm.key(4), 12)):
        expected = model().simulate(key=split(gm.key(3), 12)[i]).update({"k": 1}, key=key)
        assert_same_choices_closely(moved.trace.execution(i).choices, expected.trace.choices)
        assert_close(moved.weight[i], expected.weight, atol=1e-4)
    gradients = batch.choice_gradients().gradients
    assert all(np.all(np.isfinite(np.array(g))) for _, g in gradients.items())


def test_in_a_compiled_model_the_index_has_no_value():
    @gen
    def model():
        return three(categorical(mx.zeros(3)) @ "k", M) @ "s"

    compiled = gm.compile(lambda key: model.simulate(key, ()).score)
    for seed in range(6):
        assert_close(compiled(gm.key(seed)), model().simulate(key=seed).score)


def test_map_of_a_switch_takes_a_branch_for_each_element():
    f = Map(three)
    trace = f(mx.array([0, 2, 1, 0]), mx.array([0.1, 0.2, 0.3, 0.4])).simulate(key=1)
    for i, k in enumerate((0, 2, 1, 0)):
        inner = trace.element(i)
        assert_same_choices(inner.choices, three(k, 0.1).generate(inner.choices).trace.choices)
        score = three(k, np.float32(0.1 * (i + 1)).item()).assess(inner.choices).weight
        assert_close(inner.score, score)
    assert_close(trace[:, "x"].shape[0], 4)


def test_a_truthful_hint_saves_the_flips_and_changes_no_result():
    old = blended(three)
    for diffs in ((NoChange, UnknownChange), (UnknownChange, UnknownChange)):

        def move(k, trace, i, diffs=diffs):
            result = three.update(k, trace.with_args((i, M)), (i, 1.5), diffs, EMPTY)
            return result._replace(trace=result.trace.with_args(None), retdiff=None)

        there = vmap(move)(KEYS, old, FROM)
        for i in range(9):
            expected = alone(three, i).update({}, args=(FROM[i].item(), 1.5), key=KEYS[i])
            same_trace(there.trace, i, expected.trace)
            assert_close(there.weight[i], expected.weight)
        if diffs[0] is NoChange:
            assert there.discard.is_empty


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [2, -1, mx.array(5)])
def test_an_index_out_of_range_is_named(index):
    with pytest.raises(DomainError, match=r"the index of Switch\(left, right\) is (2|-1|5), and it has 2 branches"):
        pair(index, 0.0)


def test_what_is_no_index_is_named():
    with pytest.raises(UsageError, match="must be an integer, found 0.5"):
        pair(0.5, 0.0)
    with pytest.raises(ShapeError, match=r"shape \(2,\).*one branch\n.*vmap"):
        pair(mx.array([0, 1]), 0.0)
    with pytest.raises(UsageError, match="without an index"):
        pair()
    with pytest.raises(UsageError, match="Switch takes generative functions"):
        Switch()
    with as_users_run_it(), pytest.raises(UsageError, match="Switch takes generative functions"):
        Switch(left, lambda m: m)


def run_all(switch, f=None):
    f = f or (lambda k, i: switch.simulate(k, (i, M)).with_args(None))
    return vmap(f)(KEYS[:2], mx.array([0, 1]))


def test_branches_that_return_other_structures_are_named():
    other = Switch(left, right.map_retval(lambda y: (y, None)))
    with pytest.raises(UsageError, match=r"branches 0 and 1 .* return different structures"):
        run_all(other)
    assert other(1, 0.0).simulate(key=1).retval[1] is None  # with a value, anything goes
    with pytest.raises(ShapeError, match=r"arrays of different shapes: \[\(\)\] and \[\(2,\)\]"):
        run_all(Switch(left, right.map_retval(lambda y: mx.stack([y, y]))))


def test_addresses_that_do_not_fit_together_are_named():
    with pytest.raises(ShapeError, match=r"different shapes at one address.*\n.*'y'"):
        run_all(Switch(left, gen(lambda m: (normal(mx.zeros(2), 1.0) @ "y").sum()))).choices
    with pytest.raises(AddressError, match=r"choice here, another has choices below\n.*'y'"):
        run_all(Switch(left, gen(lambda m: normal(m, 1.0) @ ("y", "in")))).choices


def test_a_constraint_that_no_branch_uses_is_an_error():
    with pytest.raises(ConstraintError, match=r"no choice at 'q'"):
        pair(0, 0.0).generate({"q": 1.0})
    with pytest.raises(ConstraintError, match=r"no choice at 'z'"):
        pair(0, 0.0).generate({"z": 1.0})
    given = gm.choicemap(q=1.0)
    with pytest.raises(ConstraintError, match=r"no branch of Switch\(left, right\) makes a choice at 'q'"):
        run_all(pair, lambda k, i: pair.generate(k, (i, M), given).weight)
    with pytest.raises(ConstraintError, match=r"a choice at 'q'.*\n.*at address 's'"):
        gen(lambda: pair(categorical(mx.zeros(2)) @ "k", 0.0) @ "s")().generate({("s", "q"): 1.0}, n=3)


def test_equality_structure_and_sugar():
    assert pair == Switch(left, right) == left.switch(right)
    assert hash(pair) == hash(Switch(left, right))
    assert pair != Switch(right, left)
    assert pair.structure_key == Switch(left, right).structure_key
