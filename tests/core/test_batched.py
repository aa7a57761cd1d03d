"""n=: many executions as one."""

import dataclasses

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.batched import Batched
from genmlx.core.choicemap import Group, Lanes, Leaf, Stack, lifted
from genmlx.core.gfi import GenerativeFunction, unchanged_result
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, UsageError
from genmlx.numerics.pytree import record
from genmlx.numerics.random import split
from genmlx.numerics.transforms import one_by_one, vmap
from helpers.tolerances import assert_close, assert_exact
from helpers.traces import assert_same_choices


@gen
def inner(x):
    return normal(x, 1.0) @ "z"


@gen
def model(x):
    a = normal(x, 1.0) @ "a"
    b = inner(a) @ ("b", 0)
    normal(mx.zeros(4) + b, 1.0) @ "v"
    return a


@pytest.fixture
def batch():
    return model(0.5).simulate(n=4, key=0)


# ---- shapes ---------------------------------------------------------------------------------------------------------


def test_every_array_has_the_leading_axis(batch):
    assert batch["a"].shape == (4,)
    assert batch["b", 0, "z"].shape == (4,)
    assert batch["v"].shape == (4, 4)
    assert batch.score.shape == (4,)
    assert batch.retval.shape == (4,)
    assert batch.args == (0.5,)
    assert len(batch) == 4


def test_one_execution_is_still_a_batch():
    batch = model(0.5).simulate(n=1, key=0)
    assert batch.score.shape == (1,)
    assert batch["v"].shape == (1, 4)


def test_weights_and_scores_are_never_collapsed():
    """Also where all is constrained by shared values, where nothing is random, and where nothing happens."""
    shared = {"a": 0.0, "b": {0: {"z": 0.0}}, "v": mx.zeros(4)}
    trace, weight = model(0.5).generate(shared, n=3)
    assert weight.shape == trace.score.shape == (3,)
    assert model(0.5).assess(shared, n=3).weight.shape == (3,)
    assert trace.update(shared).weight.shape == (3,)
    assert trace.update({}).weight.shape == (3,)
    assert trace.regenerate(gm.NONE).weight.shape == (3,)
    assert trace.project(gm.NONE).shape == (3,)

    @gen
    def nothing():
        return 1.0

    trace, weight = nothing().generate({}, n=3)
    assert weight.shape == trace.score.shape == (3,)
    assert nothing().assess({}, n=3).weight.shape == (3,)
    assert trace.regenerate(gm.ALL).weight.shape == (3,)
    assert nothing().propose(n=3).weight.shape == (3,)


def test_a_return_value_that_is_no_array_is_shared():
    @gen
    def constant():
        normal(0.0, 1.0) @ "x"
        return {"n": 3, "name": "text", "array": mx.array([1.0, 2.0])}

    result = constant().simulate(n=3, key=0).retval
    assert (result["n"], result["name"]) == (3, "text")
    assert result["array"].shape == (3, 2)


def test_a_dataclass_with_arrays_is_refused_as_return_value():
    @dataclasses.dataclass
    class State:
        x: mx.array

    @gen
    def returning():
        return State(normal(0.0, 1.0) @ "x")

    assert returning().simulate(key=0).retval.x.shape == ()
    with pytest.raises(UsageError, match=r"(?s)inside State, which is a dataclass.*a tuple, a dict or a NamedTuple"):
        returning().simulate(n=3, key=0)

    @gen
    def taking(data):
        return inner(mx.sum(data.x)) @ "in"

    trace = taking(State(mx.ones(2))).simulate(n=3, key=0)
    assert trace.update({"in": {"z": 0.0}}).weight.shape == (3,)


# ---- one execution of many ------------------------------------------------------------------------------------------


def test_an_execution_is_the_execution_alone(batch):
    for i, key in enumerate(split(gm.key(0), 4)):
        alone = model(0.5).simulate(key=key)
        one = batch.execution(i)
        assert_close(one.score, alone.score)
        assert_close(one["v"], alone["v"])
        assert one.gen_fn is model
        assert one.args == (0.5,)
        assert_close(one.update({"a": 0.0}).weight, alone.update({"a": 0.0}).weight)
    assert_exact(batch.execution(-1)["a"], batch["a"][3])
    with pytest.raises(IndexError, match="execution 4 of 4"):
        batch.execution(4)


def test_take_chooses_executions_with_everything_that_is_theirs(batch):
    taken = batch.take(mx.array([2, 2, 0]))
    assert len(taken) == 3
    for j, i in enumerate([2, 2, 0]):
        assert_exact(taken["a"][j], batch["a"][i])
        assert_exact(taken["v"][j], batch["v"][i])
        assert_exact(taken.score[j], batch.score[i])
        assert_exact(taken.retval[j], batch.retval[i])
    assert taken.update({"a": 0.0}).weight.shape == (3,)
    assert taken.regenerate("a", key=0).trace["a"].shape == (3,)


def test_executions_differ():
    values = model(0.5).simulate(n=100, key=0)["a"].tolist()
    assert len(set(values)) == 100


def test_executions_that_were_resampled_apart_move_apart(batch):
    """Copies of one execution must not propose one value."""
    copies = batch.take(mx.array([1, 1, 1, 1]))
    assert len(set(copies.regenerate("a", key=1).trace["a"].tolist())) == 4


# ---- constraints ----------------------------------------------------------------------------------------------------


def test_a_value_of_the_choices_own_shape_is_shared():
    trace, weight = model(0.5).generate({"a": 2.0}, n=4, key=0)
    assert trace["a"].tolist() == [2.0] * 4
    assert_close(weight, mx.full((4,), normal(0.5, 1.0).log_prob(2.0).item()))


def test_a_value_with_a_leading_axis_is_split():
    values = mx.arange(4.0)
    trace, weight = model(0.5).generate({"a": values, "b": {0: {"z": 1.0}}}, n=4, key=0)
    assert_exact(trace["a"], values)
    assert_close(weight, normal(0.5, 1.0).log_prob(values) + normal(values, 1.0).log_prob(1.0))
    assert_exact(trace.update({"a": -values}).trace["a"], -values)


def test_where_both_could_be_meant_the_choices_own_shape_wins():
    """Four executions of a choice of shape (4,): an array of shape (4,) is one value, (4, 4) is four."""
    shared, split_up = mx.arange(4.0), mx.arange(16.0).reshape(4, 4)
    trace, _ = model(0.5).generate({"v": shared}, n=4, key=0)
    assert_exact(trace["v"], mx.broadcast_to(shared, (4, 4)))
    trace, _ = model(0.5).generate({"v": split_up}, n=4, key=0)
    assert_exact(trace["v"], split_up)
    assert_exact(trace.update({"v": shared}).trace["v"], mx.broadcast_to(shared, (4, 4)))
    assert_exact(trace.update({"v": split_up}).trace["v"], split_up)
    assert_exact(
        model(0.5).generate({"v": mx.arange(12.0).reshape(3, 4)}, n=3, key=0).trace["v"][1], mx.arange(4.0) + 4
    )


def test_choices_of_a_batch_given_back_are_equal_to_the_bit(batch):
    again, weight = model(0.5).generate(batch.choices, n=4, key=9)
    assert_same_choices(again.choices, batch.choices)
    assert_close(weight, batch.score)
    assert_close(model(0.5).assess(batch.choices, n=4).weight, batch.score)


@pytest.mark.parametrize("value", [mx.zeros(3), mx.zeros((4, 2)), mx.zeros((2, 4)), [1.0]])
def test_a_value_of_neither_shape_is_an_error(value, batch):
    for method in (lambda c: model(0.5).generate(c, n=4), batch.update):
        with pytest.raises(ShapeError, match=r"(?s)constraint has shape .*at address 'a'.*with n=, a leading axis"):
            method({"a": value})


def test_errors_inside_a_batch_keep_their_address_and_text(batch):
    with pytest.raises(ConstraintError, match=r"(?s)model made no choice at 'c'.*this execution has the addresses 'a'"):
        model(0.5).generate({"c": mx.zeros(4)}, n=4)
    with pytest.raises(ConstraintError, match=r"(?s)one choice \(normal\).*at address \('b', 0, 'z'\)"):
        model(0.5).generate({("b", 0, "z", "deeper"): 1.0}, n=4)
    with pytest.raises(AddressError, match=r"(?s)assess needs every choice.*at address \('b', 0, 'z'\)"):
        model(0.5).assess({"a": 0.0, "v": mx.zeros(4)}, n=4)
    with pytest.raises(ConstraintError, match="made no choice at 'c'"):
        batch.update({"c": 1.0})


def test_a_discard_undoes_an_update_of_a_batch(batch):
    there = batch.update({"a": mx.arange(4.0), "v": mx.zeros(4)})
    assert there.discard["v"].shape == (4, 4)
    back = there.trace.update(there.discard)
    assert_same_choices(back.trace.choices, batch.choices)
    assert_close(there.weight + back.weight, mx.zeros(4), atol=1e-5)


def test_batched_updates_take_new_arguments(batch):
    result = batch.update({}, args=(2.0,))
    assert result.trace.args == (2.0,)
    expected = normal(2.0, 1.0).log_prob(batch["a"]) - normal(0.5, 1.0).log_prob(batch["a"])
    assert_close(result.weight, expected, atol=1e-5)


# ---- n keys ---------------------------------------------------------------------------------------------------------


def test_the_executions_use_the_keys_of_a_split():
    for mapper in (vmap, one_by_one):
        f = Batched(model, 4, mapper)
        one, many = f.simulate(gm.key(0), (0.5,)), f.simulate(split(gm.key(0), 4), (0.5,))
        assert_same_choices(one.choices, many.choices)


# ---- stacks ---------------------------------------------------------------------------------------------------------


@gen
def steps(n):
    return [normal(0.0, 1.0) @ ("steps", i) for i in range(n)]


@pytest.mark.parametrize("n", [3, 4, 5])
def test_a_stack_of_observations_is_shared_by_the_executions(n):
    """Also where there are as many observations as executions: the axis of a slice is the axis of the steps."""
    ys = mx.array([1.0, 2.0, 3.0, 4.0])
    trace, weight = steps(4).generate(gm.C["steps", :].set(ys), n=n)
    for i in range(4):
        assert trace["steps", i].tolist() == [ys[i].item()] * n
    assert_close(weight, mx.full((n,), mx.sum(normal(0.0, 1.0).log_prob(ys)).item()))
    assert_exact(trace.update(gm.C["steps", 1:3].set(mx.zeros(2))).trace["steps", 2], mx.zeros(n))
    assert_exact(steps(4).assess(gm.C["steps", :].set(ys), n=n).weight, weight)


def test_too_long_a_stack_is_an_unused_constraint():
    for n in (None, 4):
        with pytest.raises(ConstraintError, match=r"made no choice at \('steps', 3\)"):
            steps(3).generate(gm.C["steps", :].set(mx.zeros(4)), n=n)


@record(lambda t: ((t.gen_fn, t.args, t.values, t.score), None), lambda _, c: StepsTrace(*c))
class StepsTrace(Trace):
    """A trace that stores three choices as one stack, as a combinator does."""

    __slots__ = ("values",)

    def __init__(self, gen_fn, args, values, score):
        super().__init__(gen_fn, args, values, score)
        self.values = values

    @property
    def choices(self):
        return Group({"s": Stack(range(3), Leaf(self.values))})

    def with_args(self, args):
        return StepsTrace(self.gen_fn, args, self.values, self.score)


class Steps(GenerativeFunction):
    """Three normal choices under ("s", i), stored in one array."""

    name = "steps"
    _call = normal(mx.zeros(3), 1.0)

    def _trace(self, args, values):
        return StepsTrace(self, args, values, mx.sum(self._call.log_prob(values)))

    def simulate(self, key, args):
        return self._trace(args, mx.random.normal((3,), key=key))

    def generate(self, key, args, constraints):
        fresh = mx.random.normal((3,), key=key)
        given = [self._number(constraints.below(("s", i)).value) for i in range(3)]
        values = mx.stack([fresh[i] if v is None else v for i, v in enumerate(given)])
        weight = sum([normal(0.0, 1.0).log_prob(v) for v in given if v is not None], mx.array(0.0))
        return GenerateResult(self._trace(args, values), weight)

    @staticmethod
    def _number(value):
        return value.resolve(()) if isinstance(value, Lanes) else value

    def assess(self, args, choices):
        values = choices["s", :]
        values = values.resolve((3,)) if isinstance(values, Lanes) else values
        return AssessResult(self._trace(args, values).score, values)

    def project(self, trace, selection):
        chosen = mx.array([selection.below(("s", i)).here for i in range(3)])
        return mx.sum(mx.where(chosen, self._call.log_prob(trace.values), 0.0))

    def update(self, key, trace, args, argdiffs, constraints):
        if constraints.is_empty:
            return unchanged_result(trace)
        new = self.generate(key, args, trace.choices | constraints).trace
        given = [("s", i) for i in range(3) if ("s", i) in constraints]
        discard = trace.choices if len(given) == 3 else trace.choices.filter(gm.select(*given))
        return UpdateResult(new, new.score - trace.score, discard, gm.UnknownChange)

    def regenerate(self, key, trace, args, argdiffs, selection):
        new = self.generate(key, args, trace.choices.filter(~selection)).trace
        return RegenerateResult(new, mx.array(0.0), gm.UnknownChange)


def test_stacks_of_a_batch_are_addressed_by_element():
    batch = Steps()().simulate(n=4, key=0)
    assert batch.retval.shape == (4, 3)
    for i in range(3):
        assert_exact(batch["s", i], batch.retval[:, i])
    assert_exact(batch["s", :], batch.retval)
    assert_exact(batch["s", 1:], batch.retval[:, 1:])
    assert batch.choices.paths() == [("s", 0), ("s", 1), ("s", 2)]
    assert_exact(batch.choices.filter(gm.select(("s", 2)))["s", 2], batch.retval[:, 2])
    assert_exact(batch.execution(1)["s", 2], batch.retval[1, 2])
    assert_exact(Steps()().propose(n=4, key=0).choices["s", 2], batch.retval[:, 2])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_stacks_of_a_batch_given_back_are_split_among_the_executions(n):
    batch, other = Steps()().simulate(n=n, key=0), Steps()().simulate(n=n, key=1)
    again, weight = Steps()().generate(batch.choices, n=n, key=2)
    assert_exact(again.retval, batch.retval)
    assert_close(weight, batch.score)
    assert_close(Steps()().assess(batch.choices, n=n).weight, batch.score)
    there = batch.update(other.choices)
    assert_exact(there.trace.retval, other.retval)
    assert_exact(there.discard["s", 1], batch["s", 1])
    back = there.trace.update(there.discard)
    assert_exact(back.trace.retval, batch.retval)
    edited = batch.edit(gm.SelectionEdit(("s", 1)), key=3)
    assert_exact(edited.discard["s", 1], batch["s", 1])
    undone = edited.trace.edit(edited.backward, key=4)
    assert_exact(undone.trace.retval, batch.retval)


def test_stacks_of_a_batch_have_gradients():
    batch = Steps()().simulate(n=4, key=0)
    result = batch.choice_gradients()
    assert_close(result.gradients["s", :], -batch.retval)
    part = batch.choice_gradients(gm.select(("s", 1)))
    assert_close(part.gradients["s", 1], -batch.retval[:, 1])
    assert part.gradients.paths() == [("s", 1)]


def test_elements_of_a_batch_read_as_one_array_keep_the_executions_in_front():
    """However the choices are stored: a slice comes behind the axis of the executions."""
    for batch in (steps(3).simulate(n=4, key=0), Steps()().simulate(n=4, key=0)):
        name = "steps" if "steps" in batch else "s"
        assert batch[name, :].shape == (4, 3)
        assert_exact(batch[name, :][:, 1], batch[name, 1])
        assert batch[name, 1:].shape == (4, 2)
        assert batch.execution(2)[name, :].shape == (3,)
        assert_exact(batch.execution(2)[name, :], batch[name, :][2])


def test_elements_given_one_by_one_may_be_split_or_shared():
    for call in (steps(3), Steps()()):
        name = "steps" if call.gen_fn is steps else "s"
        shared, split_up = {name: {i: float(i) for i in range(3)}}, {name: {i: mx.arange(4.0) + i for i in range(3)}}
        assert_exact(call.generate(shared, n=4, key=0).trace[name, 2], mx.full((4,), 2.0))
        assert_exact(call.generate(split_up, n=4, key=0).trace[name, 2], mx.arange(4.0) + 2)
        assert call.assess(split_up, n=4).weight.shape == (4,)
        expected = mx.sum(normal(0.0, 1.0).log_prob(mx.stack([mx.arange(4.0) + i for i in range(3)])), axis=0)
        assert_close(call.assess(split_up, n=4).weight, expected)


def test_choices_of_a_batch_are_never_mistaken_for_shared_ones():
    """A choice of shape (4,) in four executions of a model whose value then has shape (4, 4)."""
    batch = model(0.5).simulate(n=4, key=0)
    part = batch.choices.filter(gm.select("v"))
    assert_exact(model(0.5).generate(part, n=4, key=1).trace["v"], batch["v"])

    @gen
    def square():
        return normal(mx.zeros((4, 4)), 1.0) @ "v"

    with pytest.raises(ShapeError, match=r"values of shape \(4, 4\), but the constraint has shape \(4,\)"):
        square().generate(part, n=4)
    assert square().generate({"v": batch["v"]}, n=4).trace["v"].shape == (4, 4, 4)


def test_shared_stacks_do_not_need_as_many_elements_as_executions():
    trace, _ = Steps()().generate(gm.C["s", :].set(mx.array([1.0, 2.0, 3.0])), n=5, key=0)
    assert_exact(trace["s", 2], mx.full((5,), 3.0))


def test_lifted_and_lowered_is_the_same():
    choices = gm.choicemap(x=1.0) | gm.C["a", :, "b", :].set(mx.zeros((2, 3)))
    assert lifted(lifted(choices, 1), -1)["a", 1, "b", 2].shape == ()
    assert lifted(choices, 0) is choices


# ---- one by one -----------------------------------------------------------------------------------------------------


def test_executions_of_different_structure_cannot_be_stacked():
    @gen
    def branching():
        x = normal(0.0, 1.0) @ "x"
        return normal(0.0, 1.0) @ ("up" if x > 0 else "down")

    with pytest.raises(ShapeError, match=r"(?s)executions 0 and \d+ made different choices.*gm.Switch or gm.Mask"):
        Batched(branching, 20, one_by_one).simulate(gm.key(0), ())


def test_closures_of_each_execution_are_one_structure():
    @gen
    def closing():
        mu = normal(0.0, 1.0) @ "mu"
        return gen(lambda: normal(mu, 1.0) @ "x")() @ "in"

    trace = Batched(closing, 3, one_by_one).simulate(gm.key(0), ())
    assert trace["in", "x"].shape == (3,)


def test_batches_are_equal_by_what_they_run():
    assert Batched(model, 3) == Batched(model, 3)
    assert hash(Batched(model, 3)) == hash(Batched(model, 3))
    assert Batched(model, 3) != Batched(model, 4)
    assert Batched(model, 3) != Batched(inner, 3)
    assert Batched(model, 3) != Batched(model, 3, one_by_one)


def test_a_bad_number_of_executions_is_refused():
    with pytest.raises(UsageError, match="n= takes a positive int, found 0"):
        Batched(model, 0)


def test_a_million_executions_are_one_call():
    trace, weight = model(0.5).generate({"a": 1.0}, n=1_000_000, key=0)
    assert weight.shape == (1_000_000,)
    z = np.asarray(trace["b", 0, "z"])
    assert abs(z.mean() - 1.0) < 5 / np.sqrt(len(z))
