"""Recurse and repeat: functions made from themselves, and functions executed again."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import Recurse, Repeat, bernoulli, gen, normal
from genmlx.numerics.errors import ControlFlowError, UsageError
from genmlx.numerics.random import split
from helpers.tolerances import assert_close
from helpers.traces import assert_same_choices
from helpers.type_checker import as_users_run_it


def make_walk(walk):
    @gen
    def step(n, x):
        x = normal(x, 1.0) @ "x"
        return walk(n - 1, x) @ "next" if n > 1 else x

    return step


walk = Recurse(make_walk)


def make_list(self):
    """A list of geometric length: a coin says whether there is more, a switch goes on or ends."""
    end = gen(lambda: mx.array(0.0))

    @gen
    def element():
        x = normal(0.0, 1.0) @ "x"
        more = bernoulli(0.5) @ "more"
        return x + gm.Switch(end, self)(more) @ "rest"

    return element


a_list = Recurse(make_list)


def test_a_walk_is_the_chain_that_it_stands_for():
    trace = walk(4, 0.5).simulate(key=1)
    xs = [trace[("next",) * i + ("x",)].item() for i in range(4)]
    assert len(trace.choices.paths()) == 4
    assert_close(trace.score, sum(stats.norm.logpdf(x, m, 1.0) for x, m in zip(xs, [0.5, *xs], strict=False)))
    assert trace.retval.item() == xs[-1]


def test_a_longer_walk_keeps_the_first_steps():
    trace = walk(2, 0.5).simulate(key=1)
    result = trace.update({}, args=(4, 0.5), key=2)
    assert result.trace["x"].item() == trace["x"].item()
    assert result.trace["next", "x"].item() == trace["next", "x"].item()
    assert result.weight.item() == 0.0
    back = result.trace.update({}, args=(2, 0.5), key=3)
    assert_close(back.weight, trace.score - result.trace.score)
    assert_same_choices(back.trace.choices, trace.choices)


def test_the_depth_may_depend_on_values():
    lengths = set()
    for seed in range(12):
        trace = a_list().simulate(key=seed)
        lengths.add(len(trace.choices.paths()) // 2)
        assert_close(a_list().assess(trace.choices).weight, trace.score)
    assert len(lengths) > 2
    given = {"x": 0.1, "more": 1, "rest": {"x": 0.2, "more": 0}}
    weight, total = a_list().assess(given)
    assert_close(weight, stats.norm.logpdf([0.1, 0.2]).sum() + 2 * np.log(0.5))
    assert_close(total, 0.3)
    ended = a_list().generate(given).trace.update({"more": 0}, key=1)
    assert_close(ended.weight, -stats.norm.logpdf(0.2) - np.log(0.5))
    assert set(ended.discard.paths()) == {("more",), ("rest", "x"), ("rest", "more")}


def test_a_recursion_of_combinators_only():
    """make returns a combinator: a switch by an argument, no model that could name itself."""
    summed = Recurse(
        lambda self: gm.Switch(
            normal.contramap(lambda n: (0.0, 1.0)),
            self.repeat(2).contramap(lambda n: (mx.where(n > 1, 1, 0), n - 1)).map_retval(lambda xs: xs.sum()),
        ).contramap(lambda flag, n=None: (flag, n))
    )
    trace = summed(1, 2).simulate(key=1)
    assert trace.choices.paths() == [(i, j) for i in range(2) for j in range(2)]
    assert_close(trace.score, stats.norm.logpdf(np.array([v.item() for _, v in trace.choices.items()])).sum())


def test_executions_at_once_of_fixed_depth():
    batch = walk(3, 0.5).simulate(n=4, key=1)
    for i, key in enumerate(split(gm.key(1), 4)):
        assert_close(batch.score[i], walk(3, 0.5).simulate(key=key).score)


def test_a_recursion_that_nothing_ends_is_an_error():
    with pytest.raises(ControlFlowError, match=r"went on beyond Python's limit of depth.*\n.*counts down"):
        a_list().simulate(n=4, key=1)
    # The next run is not taken for a part of the one that failed.
    with pytest.raises(ControlFlowError, match="Python's limit"):
        a_list().simulate(n=4, key=1)
    assert walk(2, 0.0).simulate(key=1).score.shape == ()


def test_equality_and_errors():
    assert walk == Recurse(make_walk)
    assert hash(walk) == hash(Recurse(make_walk))
    assert walk != a_list
    assert walk.structure_key == Recurse(make_walk).structure_key
    assert "make_walk" in repr(walk)
    with pytest.raises(UsageError, match="must return a generative function made from its argument"):
        Recurse(lambda self: self)
    with as_users_run_it(), pytest.raises(UsageError, match="Recurse takes a function that makes"):
        Recurse(normal)


# ---- repeat ----------------------------------------------------------------------------------------------------------


def test_repeat_is_n_executions_below_their_numbers():
    pair = gen(lambda m: normal(normal(m, 1.0) @ "x", 0.5) @ "y")
    trace = pair.repeat(3)(0.4).simulate(key=1)
    assert trace[:, "x"].shape == trace.retval.shape == (3,)
    assert len({v.item() for v in trace[:, "x"]}) == 3
    alone = [pair(0.4).assess({"x": trace[i, "x"], "y": trace[i, "y"]}).weight.item() for i in range(3)]
    assert_close(trace.score, np.float32(sum(alone)))
    moved = trace.update({(1, "y"): 0.0}, args=(0.9,), key=2)
    new = [
        pair(0.9).assess({"x": trace[i, "x"], "y": 0.0 if i == 1 else trace[i, "y"]}).weight.item() for i in range(3)
    ]
    assert_close(moved.weight, np.float32(sum(new) - sum(alone)), atol=1e-4)
    assert moved.discard[1, "y"].item() == trace[1, "y"].item()


def test_repeat_takes_what_the_function_takes():
    assert gen(lambda: normal(0.0, 1.0) @ "x").repeat(2)().simulate(key=1)[:, "x"].shape == (2,)
    assert normal.repeat(0)(0.0, 1.0).simulate(key=1).score.item() == 0.0
    batch = normal.repeat(3)(0.0, 1.0).simulate(n=2, key=1)
    assert batch.retval.shape == (2, 3)


def test_equality_and_errors_of_repeat():
    assert normal.repeat(2) == Repeat(normal, 2)
    assert normal.repeat(2) != normal.repeat(3)
    assert normal.repeat(2).structure_key != normal.repeat(3).structure_key
    for n in (-1, True, 1.5):
        with as_users_run_it(), pytest.raises(UsageError, match="repeat takes a number of executions"):
            normal.repeat(n)
