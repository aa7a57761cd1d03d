"""Edit requests: moves, their importance weights, and their reverses."""

import math

import mlx.core as mx
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.trace import EditResult
from genmlx.numerics.errors import AddressError, ConstraintError, UsageError
from genmlx.numerics.pytree import record
from helpers.tolerances import assert_close, assert_exact
from helpers.traces import assert_same_choices


@gen
def model(sd):
    x = normal(0.0, sd) @ "x"
    y = normal(x, 1.0) @ "y"
    return x + y


@gen
def forward(trace):
    """Up: wide."""
    normal(trace["x"] + 1.0, 0.7) @ "x"


@gen
def backward(trace):
    """Down: narrow. Its arguments come from the new trace."""
    normal(trace["x"] - 0.5, 0.3) @ "x"


@pytest.fixture
def trace():
    return model(1.5).generate({"x": 0.4, "y": 1.1}).trace


def logpdf(x, mu, sd):
    return -0.5 * ((x - mu) / sd) ** 2 - math.log(sd) - 0.5 * math.log(2 * math.pi)


def test_proposal_edit_with_different_proposals_there_and_back(trace):
    """The backward proposal sees the new trace; each proposal's density has its own side of the ratio."""
    there = trace.edit(gm.ProposalEdit(forward, backward), key=3)
    old, new, y = 0.4, there.trace["x"].item(), 1.1
    change = logpdf(new, 0.0, 1.5) + logpdf(y, new, 1.0) - logpdf(old, 0.0, 1.5) - logpdf(y, old, 1.0)
    expected = change - logpdf(new, old + 1.0, 0.7) + logpdf(old, new - 0.5, 0.3)
    assert new != old
    assert_close(there.weight, expected, rtol=1e-4, atol=1e-5)
    assert there.discard.paths() == [("x",)]
    assert abs(there.discard["x"].item() - 0.4) < 1e-7

    back = there.trace.edit(there.backward, key=9)
    assert_exact(back.trace["x"], trace["x"])
    assert_close(back.weight, -there.weight)
    again = back.trace.edit(back.backward, key=10)
    assert_exact(again.trace["x"], there.trace["x"])
    assert_close(again.weight, there.weight)


def test_a_symmetric_walk_weighs_the_ratio_of_densities_alone(trace):
    @gen
    def walk(t):
        normal(t["x"], 0.5) @ "x"

    there = trace.edit(gm.ProposalEdit(walk), key=3)
    assert_close(there.weight, there.trace.score - trace.score)


def test_a_proposal_draws_with_the_key_of_the_edit(trace):
    values = {trace.edit(gm.ProposalEdit(forward, backward), key=k).trace["x"].item() for k in range(5)}
    assert len(values) == 5
    first, second = (trace.edit(gm.ProposalEdit(forward, backward), key=1) for _ in range(2))
    assert_exact(first.trace["x"], second.trace["x"])


def test_a_backward_proposal_that_cannot_make_the_old_choices_is_an_error(trace):
    @gen
    def other(t):
        normal(0.0, 1.0) @ "y"

    with pytest.raises((AddressError, ConstraintError), match="'y'|'x'"):
        trace.edit(gm.ProposalEdit(forward, other), key=0)


def test_a_proposal_of_an_address_that_the_model_does_not_have_is_an_error(trace):
    @gen
    def typo(t):
        normal(0.0, 1.0) @ "xx"

    with pytest.raises(ConstraintError, match=r"(?s)model made no choice at 'xx'.*did you mean 'x'"):
        trace.edit(gm.ProposalEdit(typo), key=0)


def test_a_proposal_must_be_a_generative_function():
    for bad in (lambda t: t, 3.0, "walk"):
        with pytest.raises(UsageError, match=r"(?s)the forward proposal is .*not a generative function.*ProposalEdit"):
            gm.ProposalEdit(bad)
        with pytest.raises(UsageError, match="the backward proposal is"):
            gm.ProposalEdit(forward, bad)
    with pytest.raises(UsageError, match="not a generative function"):
        gm.ProposalEdit(forward(3.0))


def test_a_sequence_needs_a_request():
    with pytest.raises(UsageError, match=r"(?s)at least one request.*gm.SequenceEdit\(\["):
        gm.SequenceEdit([])


def test_constraint_edit_restores_the_arguments_too(trace):
    there = trace.edit(gm.ConstraintEdit({"x": 2.0}), args=(3.0,))
    assert there.trace.args == (3.0,)
    back = there.trace.edit(there.backward)
    assert back.trace.args == (1.5,)
    assert_exact(back.trace["x"], trace["x"])
    assert_close(back.trace.score, trace.score)
    assert_close(back.weight, -there.weight)


def test_selection_edit_keeps_its_draws_for_the_way_back(trace):
    there = trace.edit(gm.SelectionEdit(gm.select("x")), key=1)
    y, old, new = 1.1, 0.4, there.trace["x"].item()
    assert_close(there.weight, logpdf(y, new, 1.0) - logpdf(y, old, 1.0), rtol=1e-4, atol=1e-5)
    back = there.trace.edit(there.backward, key=2)
    assert_exact(back.trace["x"], trace["x"])
    assert_close(back.weight, -there.weight)


def test_a_sequence_is_one_request_after_the_other(trace):
    requests = [gm.SelectionEdit("x"), gm.ConstraintEdit({"y": 0.0}), gm.ProposalEdit(forward, backward)]
    there = trace.edit(gm.SequenceEdit(requests), key=1)
    step, weight = trace, mx.array(0.0)
    for request, key in zip(requests, gm.split(gm.key(1), 3), strict=True):
        result = step.edit(request, key=key)
        step, weight = result.trace, weight + result.weight
    assert_same_choices(there.trace.choices, step.choices)
    assert_close(there.weight, weight)
    assert_same_choices(there.discard, trace.choices)


def test_the_discard_of_a_sequence_holds_the_oldest_values(trace):
    there = trace.edit(gm.SequenceEdit([gm.ConstraintEdit({"x": 5.0}), gm.ConstraintEdit({"x": 6.0})]))
    assert there.trace["x"].item() == 6.0
    assert_exact(there.discard["x"], trace["x"])


def test_a_sequence_takes_new_arguments_at_its_first_request(trace):
    there = trace.edit(gm.SequenceEdit([gm.SelectionEdit("x"), gm.SelectionEdit("y")]), args=(4.0,), key=0)
    assert there.trace.args == (4.0,)
    assert_close(there.trace.score, model(4.0).assess(there.trace.choices).weight)
    back = there.trace.edit(there.backward, key=1)
    assert back.trace.args == (1.5,)
    assert_same_choices(back.trace.choices, trace.choices)


class Mirror(gm.EditRequest):
    """x becomes c - x: deterministic, of Jacobian 1, its own reverse."""

    def __init__(self, centre):
        self.centre = centre

    def apply(self, key, trace, args, argdiffs):
        new, weight, discard, retdiff = trace.gen_fn.update(
            key, trace, args, argdiffs, gm.choicemap(x=self.centre - trace["x"])
        )
        return EditResult(new, weight, discard, Mirror(self.centre), retdiff)


record(lambda r: ((r.centre,), None), lambda _, c: Mirror(c[0]))(Mirror)


def test_a_user_defines_an_edit_request(trace):
    there = trace.edit(Mirror(1.0))
    assert_close(there.trace["x"], 0.6)
    assert_close(there.weight, there.trace.score - trace.score)
    back = there.trace.edit(there.backward)
    assert_close(back.trace["x"], trace["x"])
    assert_close(there.weight + back.weight, 0.0)
    in_sequence = trace.edit(gm.SequenceEdit([Mirror(1.0), Mirror(1.0)]))
    assert_close(in_sequence.trace["x"], trace["x"])
    assert_close(in_sequence.weight, 0.0)


def test_a_user_defined_request_runs_over_executions(trace):
    batch = model(1.5).simulate(n=4, key=0)
    there = batch.edit(Mirror(1.0))
    assert_close(there.trace["x"], 1.0 - batch["x"])
    assert_close(there.weight, there.trace.score - batch.score)


def test_a_user_defined_request_on_a_plain_distribution():
    class Shift(gm.EditRequest):
        def apply(self, key, trace, args, argdiffs):
            result = trace.gen_fn.update(key, trace, args, argdiffs, gm.choicemap({(): trace.retval + 1.0}))
            return EditResult(result.trace, result.weight, result.discard, self, result.retdiff)

    trace = normal(0.0, 1.0).simulate(key=0)
    assert_close(trace.edit(Shift()).trace.retval, trace.retval + 1.0)


@gen
def branching():
    """Addresses come and go with a sign."""
    x = normal(0.0, 1.0) @ "x"
    if x > 0:
        return normal(x, 1.0) @ "up"
    return normal(x, 2.0) @ "down"


def test_a_proposal_that_moves_between_branches_weighs_both_ways():
    @gen
    def flip(t):
        """Proposes everything that the other branch needs."""
        x = normal(-t["x"], 0.1) @ "x"
        if x > 0:
            normal(0.0, 1.0) @ "up"
        else:
            normal(1.0, 1.0) @ "down"

    trace = branching().generate({"x": 1.0, "up": 0.3}).trace
    there = trace.edit(gm.ProposalEdit(flip), key=0)
    x, down = there.trace["x"].item(), there.trace["down"].item()
    assert there.discard.paths() == [("x",), ("up",)]
    score = logpdf(x, 0.0, 1.0) + logpdf(down, x, 2.0)
    forward_score = logpdf(x, -1.0, 0.1) + logpdf(down, 1.0, 1.0)
    backward_score = logpdf(1.0, -x, 0.1) + logpdf(0.3, 0.0, 1.0)
    expected = score - trace.score.item() - forward_score + backward_score
    assert_close(there.weight, expected, rtol=1e-4, atol=1e-4)
    back = there.trace.edit(there.backward, key=1)
    assert_same_choices(back.trace.choices, trace.choices)
    assert_close(back.weight, -there.weight, atol=1e-5)


def test_edits_of_a_batch_move_every_execution():
    batch = model(1.5).simulate(n=4, key=0)
    for request in (
        gm.ProposalEdit(forward, backward),
        gm.SelectionEdit("x"),
        gm.ConstraintEdit({"x": mx.arange(4.0)}),
        gm.ConstraintEdit({"x": 1.0}),
        gm.SequenceEdit([gm.SelectionEdit("y"), gm.ProposalEdit(forward, backward)]),
    ):
        there = batch.edit(request, key=1)
        assert there.weight.shape == (4,)
        assert len(set(there.trace["x"].tolist())) == (
            1 if getattr(request, "choices", None) and request.choices["x"].ndim == 0 else 4
        )
        back = there.trace.edit(there.backward, key=2)
        assert_same_choices(back.trace.choices, batch.choices)
        assert_close(there.weight + back.weight, mx.zeros(4), atol=1e-5)
        for i in range(4):
            alone = back.trace.execution(i).edit(
                gm.ConstraintEdit({"x": there.trace["x"][i], "y": there.trace["y"][i]})
            )
            assert_close(alone.trace.score, there.trace.score[i])


def test_requests_print(trace):
    assert repr(gm.ConstraintEdit({"x": 1.0})) == "ConstraintEdit(choicemap({'x': 1}))"
    assert repr(gm.SelectionEdit("x")) == "SelectionEdit(select('x'))"
    assert repr(gm.ProposalEdit(forward, backward)) == "ProposalEdit(forward, backward)"
    assert repr(gm.SequenceEdit([gm.SelectionEdit("x")])) == "SequenceEdit([SelectionEdit(select('x'))])"


def test_a_sequence_says_whether_the_return_value_may_have_changed(trace):
    assert trace.edit(gm.ConstraintEdit({})).retdiff is NoChange
    assert trace.edit(gm.SequenceEdit([gm.ConstraintEdit({}), gm.ConstraintEdit({})])).retdiff is NoChange
    assert trace.edit(gm.SequenceEdit([gm.ConstraintEdit({}), gm.ConstraintEdit({"x": 0.0})])).retdiff is UnknownChange
