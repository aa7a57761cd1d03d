"""n executions at once are n executions one by one: the same choices, scores, weights, discards and return values.

`Batched(f, n, one_by_one)` is the readable reference. Its results are those of ``f`` alone (checked first); the
vectorised path must agree with it for every function of the registry, in every method. Choices are drawn with the same
keys, so they agree to float32 rounding (an operation over lanes may round differently), and discrete ones exactly.
"""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx.core.batched import Batched
from genmlx.core.choicemap import EMPTY
from genmlx.core.selection import ALL, NONE
from genmlx.numerics.errors import ControlFlowError
from genmlx.numerics.random import split
from genmlx.numerics.transforms import one_by_one
from helpers.registry import BATCHED, ENTRIES, entries, is_slow
from helpers.tolerances import assert_close, assert_exact
from helpers.traces import Prior, assert_same_choices, assert_same_tree, assert_weight, at, halves, paths_of

N = BATCHED
# Executions of different branches cannot be stacked when they run one by one: tests/combinators compares those.
NAMES = entries(lambda e: e.vectorises and not e.blends and "batched" not in e.name)
VECTORISED = [pytest.param(name, marks=pytest.mark.slow) if is_slow(name) else name for name in NAMES]


def both(name):
    entry = ENTRIES[name]
    return entry, Batched(entry.gen_fn, N), Batched(entry.gen_fn, N, one_by_one)


def assert_agree(fast, slow):
    """Two trees of results: one structure, arrays equal (exactly, where they are integers)."""
    assert_same_tree(_plain(fast), _plain(slow), exact=False)


def _plain(result):
    """A result without the functions that made it, which differ in their mapper."""
    if isinstance(result, gm.Trace):
        return dict(result.choices.items()), result.score, result.retval, result.args
    if hasattr(result, "_fields"):
        return tuple(_plain(getattr(result, field)) for field in result._fields if field not in {"backward", "retdiff"})
    if isinstance(result, gm.ChoiceMap):
        return dict(result.items())
    return result


@pytest.mark.parametrize("name", VECTORISED)
def test_one_by_one_is_each_execution_alone(name):
    entry, _, slow = both(name)
    trace = slow.simulate(gm.key(1), entry.args)
    assert trace.score.shape == (N,)
    for i, key in enumerate(split(gm.key(1), N)):
        alone = entry.gen_fn.simulate(key, entry.args)
        assert_same_choices(trace.execution(i).choices, alone.choices)
        assert_exact(trace.score[i], alone.score)
        for path, value in alone.choices.items():
            assert_exact(trace.choices[path][i] if path else trace.choices.value[i], value)


@pytest.mark.parametrize("name", VECTORISED)
def test_simulate_and_propose(name):
    entry, fast, slow = both(name)
    assert_agree(fast.simulate(gm.key(1), entry.args), slow.simulate(gm.key(1), entry.args))
    assert_agree(fast.propose(gm.key(1), entry.args), slow.propose(gm.key(1), entry.args))


@pytest.mark.parametrize("name", VECTORISED)
def test_generate_and_assess(name):
    entry, fast, slow = both(name)
    source = slow.simulate(gm.key(2), entry.args)
    one = entry.gen_fn.simulate(gm.key(3), entry.args)
    part, _ = halves(paths_of(source), 3)
    # Each execution its own values, all executions one value, and some of each.
    split_up, shared = source.choices.filter(at(part)), one.choices.filter(~at(part))
    for constraints in (EMPTY, split_up, shared, split_up | shared):
        fast_result, slow_result = (f.generate(gm.key(4), entry.args, constraints) for f in (fast, slow))
        assert_agree(fast_result, slow_result)
        assert fast_result.weight.shape == (N,)
    for choices in (source.choices, one.choices, split_up | shared):
        fast_result, slow_result = (f.assess(entry.args, choices) for f in (fast, slow))
        assert_agree(fast_result, slow_result)
        assert fast_result.weight.shape == (N,)
    for i in range(N):
        assert_close(fast.assess(entry.args, one.choices).weight[i], one.score)


@pytest.mark.parametrize("name", VECTORISED)
def test_update(name):
    entry, fast, slow = both(name)
    traces = [f.simulate(gm.key(5), entry.args) for f in (fast, slow)]
    other, one = slow.simulate(gm.key(6), entry.args), entry.gen_fn.simulate(gm.key(7), entry.args)
    part, _ = halves(paths_of(other), 5)
    for constraints in (EMPTY, other.choices.filter(at(part)), one.choices.filter(at(part)), other.choices):
        fast_result, slow_result = (t.update(constraints, key=8) for t in traces)
        assert_agree(fast_result, slow_result)
        assert fast_result.weight.shape == (N,)
    if entry.other_args is not None:
        assert_agree(*(t.update(EMPTY, args=entry.other_args, key=9) for t in traces))


@pytest.mark.parametrize("name", VECTORISED)
def test_regenerate_and_project(name):
    entry, fast, slow = both(name)
    traces = [f.simulate(gm.key(5), entry.args) for f in (fast, slow)]
    part, _ = halves(paths_of(traces[0]), 5)
    for selection in (at(part), ALL, NONE):
        fast_result, slow_result = (t.regenerate(selection, key=8) for t in traces)
        assert_agree(fast_result, slow_result)
        assert fast_result.weight.shape == (N,)
        fast_result, slow_result = (t.project(selection) for t in traces)
        assert_agree(fast_result, slow_result)
        assert fast_result.shape == (N,)
    if entry.other_args is not None:
        assert_agree(*(t.regenerate(at(part), args=entry.other_args, key=9) for t in traces))


@pytest.mark.parametrize("name", VECTORISED)
def test_edit_there_and_back(name):
    entry, fast, slow = both(name)
    traces = [f.simulate(gm.key(5), entry.args) for f in (fast, slow)]
    other, one = slow.simulate(gm.key(6), entry.args), entry.gen_fn.simulate(gm.key(7), entry.args)
    part, _ = halves(paths_of(other), 5)
    request = gm.SequenceEdit(
        [
            gm.ConstraintEdit(other.choices),
            gm.SelectionEdit(at(part)),
            gm.ConstraintEdit(one.choices),
            gm.ProposalEdit(Prior()),
        ]
    )
    there = [t.edit(request, key=8) for t in traces]
    assert_agree(*there)
    back = [t.trace.edit(t.backward, key=9) for t in there]
    assert_agree(*back)
    for t, b, trace in zip(there, back, traces, strict=True):
        assert_same_choices(b.trace.choices, trace.choices)
        assert_weight(t.weight + b.weight, mx.zeros(N), t.weight, trace.score, t.trace.score)


@pytest.mark.parametrize("name", VECTORISED)
def test_choice_gradients(name):
    entry, fast, slow = both(name)
    fast_trace, slow_trace = fast.simulate(gm.key(5), entry.args), slow.simulate(gm.key(5), entry.args)
    result = fast_trace.choice_gradients()
    for i in range(N):
        alone = slow_trace.execution(i).choice_gradients()
        assert paths_of(alone.gradients) == paths_of(result.gradients)
        for path, gradient in alone.gradients.items():
            assert_close(result.gradients.below(path).value[i], gradient)


@pytest.mark.parametrize("name", entries(lambda e: not e.vectorises))
def test_what_cannot_be_vectorised_says_so_and_never_runs_wrongly(name):
    """One by one such a function runs, if its executions happen to make the same addresses."""
    entry, fast, slow = both(name)
    with pytest.raises(ControlFlowError, match=r"the model is vectorised"):
        fast.simulate(gm.key(0), entry.args)
    same = Batched(entry.gen_fn, 1, one_by_one).simulate(gm.key(0), entry.args)
    assert_same_choices(same.execution(0).choices, entry.gen_fn.simulate(split(gm.key(0), 1)[0], entry.args).choices)


def test_some_results_differ_between_executions():
    """The comparisons above would hold for N copies of one execution."""
    different = 0
    random = [name for name in NAMES if not ENTRIES[name].deterministic]
    for name in random:
        entry, fast, _ = both(name)
        trace = fast.simulate(gm.key(1), entry.args)
        different += any(np.any(np.asarray(v)[0] != np.asarray(v)[1]) for v in dict(trace.choices.items()).values())
    assert different >= len(random) - 4  # a discrete choice may fall the same way twice
