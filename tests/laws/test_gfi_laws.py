"""The laws of the generative function interface, over every function of the registry.

Each law is tried at several keys and with random parts of the choices. Where a law speaks about all choices (`weigh
nothing', `the score'), it is exact where the interface says exactly, else up to float32 rounding.
"""

import contextlib

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx.core.choicemap import EMPTY
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.selection import ALL, NONE
from genmlx.numerics.errors import ConstraintError
from helpers.registry import ENTRIES, ENTRY_NAMES, Entry, entries, is_slow
from helpers.tolerances import assert_exact
from helpers.traces import (
    Prior,
    assert_same_choices,
    assert_same_tree,
    assert_weight,
    at,
    common,
    factors_of,
    halves,
    parts,
    paths_of,
)


def every(keep=lambda entry: True, keys=2):
    """Run the test on the entries of the registry, at some keys: at twice as many where they decide which branch runs.

    Half of the keys belong to the slow tests, so that who works on the registry does not wait for them.
    """

    def cases(name):
        n = 1 if "batched" in name else 2 * keys if ENTRIES[name].branches else keys
        marks = [() if i < (n + 1) // 2 and not is_slow(name) else pytest.mark.slow for i in range(n)]
        return [pytest.param(name, 11 + i, marks=mark) for i, mark in enumerate(marks)]

    return pytest.mark.parametrize(("name", "seed"), [case for name in entries(keep) for case in cases(name)])


def each(keep=lambda entry: True):
    """Run the test once on each entry of the registry."""
    names = [pytest.param(n, marks=pytest.mark.slow) if is_slow(n) else n for n in entries(keep)]
    return pytest.mark.parametrize("name", names)


def simulated(entry: Entry, seed: int):
    return entry.gen_fn.simulate(gm.key(seed), entry.args)


@contextlib.contextmanager
def has_place(entry: Entry):
    """Constraints of another trace may have no place where the addresses depend on values; there it is an error."""
    try:
        yield
    except ConstraintError as error:
        assert entry.branches, "every constraint has a place here"
        assert "for which a value was given" in str(error) or "one choice" in str(error)


def update(entry: Entry, trace, constraints, seed: int, args=None):
    args, diffs = (trace.args, None) if args is None else (args, UnknownChange)
    return trace.update(constraints, args=args, argdiffs=None if diffs is None else (diffs,) * len(args), key=seed)


# ---- simulate, assess, propose --------------------------------------------------------------------------------------


@every()
def test_assess_of_simulated_choices_is_the_score_and_the_return_value(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    weight, retval = entry.gen_fn.assess(entry.args, trace.choices)
    assert_weight(weight, trace.score)
    assert_same_tree(retval, trace.retval)


@every()
def test_one_key_makes_one_trace(name, seed):
    entry = ENTRIES[name]
    first, second = simulated(entry, seed), simulated(entry, seed)
    assert_same_choices(first.choices, second.choices)
    assert_exact(first.score, second.score)
    assert_same_tree(first.retval, second.retval)


@each(lambda e: not e.deterministic)
def test_other_keys_make_other_traces(name):
    entry = ENTRIES[name]
    first = str(simulated(entry, 0).choices.to_dict())
    assert any(str(simulated(entry, seed).choices.to_dict()) != first for seed in range(1, 30))


@every()
def test_propose_is_simulate_with_the_same_key(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    choices, weight, retval = entry.gen_fn.propose(gm.key(seed), entry.args)
    assert_same_choices(choices, trace.choices)
    assert_exact(weight, trace.score)
    assert_same_tree(retval, trace.retval)


# ---- generate -------------------------------------------------------------------------------------------------------


@every()
def test_generate_without_constraints_is_simulate_and_weighs_nothing(name, seed):
    entry = ENTRIES[name]
    trace, weight = entry.gen_fn.generate(gm.key(seed), entry.args, EMPTY)
    assert_same_choices(trace.choices, simulated(entry, seed).choices)
    assert weight.shape == trace.score.shape
    if entry.factors:
        assert_weight(weight, factors_of(trace))
    else:
        assert_exact(weight, mx.zeros_like(trace.score))


@every()
def test_generate_with_all_choices_weighs_the_score(name, seed):
    entry = ENTRIES[name]
    choices = simulated(entry, seed).choices
    trace, weight = entry.gen_fn.generate(gm.key(seed + 1), entry.args, choices)
    assert_same_choices(trace.choices, choices)
    assert weight.shape == trace.score.shape
    assert_weight(weight, trace.score)
    assert_weight(weight, entry.gen_fn.assess(entry.args, choices).weight)


@every()
def test_generate_with_some_choices_weighs_their_projection(name, seed):
    entry = ENTRIES[name]
    source = simulated(entry, seed)
    for part in parts(paths_of(source), seed):
        with has_place(entry):
            trace, weight = entry.gen_fn.generate(gm.key(seed + 1), entry.args, source.choices.filter(at(part)))
            assert_same_choices(trace.choices.filter(at(part)), source.choices.filter(at(part)))
            assert_weight(weight, trace.project(at(part)) + factors_of(trace), trace.score)
            assert_weight(trace.score, entry.gen_fn.assess(entry.args, trace.choices).weight)


# ---- project --------------------------------------------------------------------------------------------------------


@every()
def test_project_adds_up_to_the_score_over_a_partition(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    part, rest = halves(paths_of(trace), seed)
    assert_weight(trace.project(ALL), trace.score)
    assert_exact(trace.project(NONE), mx.zeros_like(trace.score))
    assert_weight(trace.project(at(part)) + trace.project(~at(part)), trace.score, trace.score)
    assert_weight(trace.project(at(part)) + trace.project(at(rest)) + factors_of(trace), trace.score, trace.score)


@every(lambda e: not e.branches and not e.factors)
def test_project_is_the_weight_of_generating_the_same_trace(name, seed):
    """The one law that ties project to the densities: generate counts each constrained choice in its context."""
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    part, _ = halves(paths_of(trace), seed)
    # With one key, the free choices are drawn as before: their keys depend on the address only.
    again, weight = entry.gen_fn.generate(gm.key(seed), entry.args, trace.choices.filter(at(part)))
    assert_same_choices(again.choices, trace.choices)
    assert_weight(trace.project(at(part)), weight, trace.score)


# ---- update ---------------------------------------------------------------------------------------------------------


@every()
def test_update_with_nothing_changes_nothing(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    result = update(entry, trace, EMPTY, seed)
    assert_same_choices(result.trace.choices, trace.choices)
    assert_exact(result.weight, mx.zeros_like(trace.score))
    check_discard(entry, trace, result.discard, set())


def check_discard(entry, trace, discard, lost):
    """The discard holds the old values at the addresses that lost them.

    One for many executions also holds what only some of them lost; the others kept that value.
    """
    found = paths_of(discard)
    assert lost <= found <= paths_of(trace) if entry.blends else found == lost
    assert_same_choices(discard.filter(at(found)), trace.choices.filter(at(found)))
    assert entry.blends or found == set(discard.paths())


def check_update(entry, trace, constraints, result, args):
    """The laws of one update."""
    new = result.trace
    score, retval = entry.gen_fn.assess(args, new.choices)
    assert_weight(new.score, score)
    assert_same_tree(new.retval, retval)

    kept = common(trace, new) - paths_of(constraints)
    placed = paths_of(constraints) & paths_of(new) if entry.blends else set(constraints.paths())
    assert_same_choices(new.choices.filter(at(placed)), constraints.filter(at(placed)))
    assert_same_choices(new.choices.filter(at(kept)), trace.choices.filter(at(kept)))

    overwritten = paths_of(constraints) & paths_of(trace)
    vanished = paths_of(trace) - paths_of(new)
    check_discard(entry, trace, result.discard, overwritten | vanished)

    fresh = paths_of(new) - paths_of(trace) - paths_of(constraints)
    assert_weight(result.weight, new.score - trace.score - new.project(at(fresh)), new.score, trace.score)
    return fresh


@every()
def test_update_weighs_the_change_of_score_without_fresh_choices(name, seed):
    entry = ENTRIES[name]
    trace, other = simulated(entry, seed), simulated(entry, seed + 1)
    for part in parts(paths_of(other), seed):
        constraints = other.choices.filter(at(part))
        with has_place(entry):
            check_update(entry, trace, constraints, update(entry, trace, constraints, seed + 2), entry.args)


@every()
def test_update_with_all_choices_of_another_trace_and_back(name, seed):
    """Nothing is fresh: the discard undoes the update, and the two weights cancel."""
    entry = ENTRIES[name]
    trace, other = simulated(entry, seed), simulated(entry, seed + 1)
    there = update(entry, trace, other.choices, seed)
    fresh = check_update(entry, trace, other.choices, there, entry.args)
    assert not fresh
    assert_same_choices(there.trace.choices, other.choices)
    assert_weight(there.weight, other.score - trace.score, other.score, trace.score)

    back = update(entry, there.trace, there.discard, seed)
    assert_same_choices(back.trace.choices, trace.choices)
    assert_weight(back.trace.score, trace.score)
    assert_weight(there.weight + back.weight, mx.zeros_like(trace.score), there.weight, trace.score, other.score)


@every(lambda e: e.other_args is not None)
def test_update_with_new_arguments_and_back(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    there = update(entry, trace, EMPTY, seed + 1, args=entry.other_args)
    fresh = check_update(entry, trace, EMPTY, there, entry.other_args)
    if not fresh:
        back = update(entry, there.trace, there.discard, seed, args=entry.args)
        assert_same_choices(back.trace.choices, trace.choices)
        assert_weight(there.weight + back.weight, mx.zeros_like(trace.score), there.weight, trace.score)


@every(lambda e: e.other_args is not None)
def test_update_with_new_arguments_and_choices(name, seed):
    entry = ENTRIES[name]
    trace, other = simulated(entry, seed), entry.gen_fn.simulate(gm.key(seed + 1), entry.other_args)
    there = update(entry, trace, other.choices, seed, args=entry.other_args)
    assert not check_update(entry, trace, other.choices, there, entry.other_args)
    back = update(entry, there.trace, there.discard, seed, args=entry.args)
    assert_same_choices(back.trace.choices, trace.choices)
    assert_weight(there.weight + back.weight, mx.zeros_like(trace.score), there.weight, trace.score, other.score)


@every(keys=1)
def test_truthful_diffs_change_no_result(name, seed):
    entry = ENTRIES[name]
    trace, other = simulated(entry, seed), simulated(entry, seed + 1)
    n = len(entry.args)
    for constraints in (EMPTY, other.choices):
        known = entry.gen_fn.update(gm.key(3), trace, entry.args, (NoChange,) * n, constraints)
        unknown = entry.gen_fn.update(gm.key(3), trace, entry.args, (UnknownChange,) * n, constraints)
        assert_same_choices(known.trace.choices, unknown.trace.choices)
        if not entry.blends:
            assert_same_choices(known.discard, unknown.discard)
        assert_weight(known.weight, unknown.weight, trace.score)
        assert_weight(known.trace.score, unknown.trace.score)
        assert_same_tree(known.trace.retval, unknown.trace.retval)
    part, _ = halves(paths_of(trace), seed)
    for selection in (ALL, NONE, at(part)):
        known = entry.gen_fn.regenerate(gm.key(3), trace, entry.args, (NoChange,) * n, selection)
        unknown = entry.gen_fn.regenerate(gm.key(3), trace, entry.args, (UnknownChange,) * n, selection)
        assert_same_choices(known.trace.choices, unknown.trace.choices)
        assert_weight(known.weight, unknown.weight, trace.score)


# ---- regenerate -----------------------------------------------------------------------------------------------------


def check_regenerate(entry, trace, selected, result, args):
    """The laws of one regenerate; ``selected`` is a set of paths."""
    new = result.trace
    score, retval = entry.gen_fn.assess(args, new.choices)
    assert_weight(new.score, score)
    assert_same_tree(new.retval, retval)
    retained = common(trace, new) - selected
    assert_same_choices(new.choices.filter(at(retained)), trace.choices.filter(at(retained)))
    expected = new.project(at(retained)) - trace.project(at(retained)) + factors_of(new) - factors_of(trace)
    assert_weight(result.weight, expected, new.score, trace.score)


@every()
def test_regenerate_weighs_the_retained_choices_in_their_contexts(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    for part in parts(paths_of(trace), seed):
        check_regenerate(entry, trace, part, trace.regenerate(at(part), key=seed + 1), entry.args)


@every(lambda e: e.other_args is not None)
def test_regenerate_under_new_arguments(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    part, _ = halves(paths_of(trace), seed)
    result = trace.regenerate(at(part), args=entry.other_args, key=seed + 1)
    check_regenerate(entry, trace, part, result, entry.other_args)


@every()
def test_regenerate_of_everything_weighs_nothing(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    result = trace.regenerate(ALL, key=seed + 1)
    if entry.factors:
        assert_weight(result.weight, factors_of(result.trace) - factors_of(trace), trace.score, result.trace.score)
    else:
        assert_exact(result.weight, mx.zeros_like(trace.score))
    # It is a draw from the prior, the one that simulate makes with this key.
    assert_same_choices(result.trace.choices, simulated(entry, seed + 1).choices)


@every()
def test_regenerate_of_nothing_keeps_everything(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    result = trace.regenerate(NONE, key=seed + 1)
    assert_same_choices(result.trace.choices, trace.choices)
    assert_weight(result.weight, mx.zeros_like(trace.score), trace.score)


@each(lambda e: not e.deterministic)
def test_keys_of_successive_regenerations_differ_in_effect(name):
    """A frozen key passes every test of reproducibility: other keys must propose other values."""
    entry = ENTRIES[name]
    trace = simulated(entry, 0)
    proposals = (str(trace.regenerate(ALL, key=seed).trace.choices.to_dict()) for seed in range(30))
    first = next(proposals)
    assert any(proposal != first for proposal in proposals)


# ---- edit -----------------------------------------------------------------------------------------------------------


def check_edit(entry, trace, request, seed):
    """The move, and the move that undoes it."""
    there = trace.edit(request, key=seed)
    assert_weight(there.trace.score, entry.gen_fn.assess(there.trace.args, there.trace.choices).weight)
    back = there.trace.edit(there.backward, key=seed + 1)
    assert_same_choices(back.trace.choices, trace.choices)
    assert_weight(back.trace.score, trace.score)
    assert_same_tree(back.trace.args, trace.args)
    assert_weight(there.weight + back.weight, mx.zeros_like(trace.score), there.weight, trace.score, there.trace.score)
    return there


@every(keys=1)
def test_constraint_edit_is_update_and_its_backward_request_undoes_it(name, seed):
    entry = ENTRIES[name]
    trace, other = simulated(entry, seed), simulated(entry, seed + 1)
    there = check_edit(entry, trace, gm.ConstraintEdit(other.choices), seed)
    as_update = trace.update(other.choices, key=seed)
    assert_same_choices(there.trace.choices, as_update.trace.choices)
    assert_exact(there.weight, as_update.weight)
    assert_same_choices(there.discard, as_update.discard)


@every(lambda e: not e.blends, keys=1)  # tests/combinators/test_mix.py says why
def test_selection_edit_is_regenerate_and_its_backward_request_undoes_it(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    part, _ = halves(paths_of(trace), seed)
    for selection in (at(part), ALL):
        there = check_edit(entry, trace, gm.SelectionEdit(selection), seed + 1)
        as_regenerate = trace.regenerate(selection, key=seed + 1)
        assert_same_choices(there.trace.choices, as_regenerate.trace.choices)
        assert_exact(there.weight, as_regenerate.weight)
        replaced = {p for p in paths_of(trace) if p in selection or p not in paths_of(there.trace)}
        check_discard(entry, trace, there.discard, replaced)


@every(keys=1)
def test_proposal_edit_from_the_prior_weighs_only_factors(name, seed):
    """p(t') / p(t) * q(t) / q(t') is 1 for q = p, whatever addresses come and go."""
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    there = check_edit(entry, trace, gm.ProposalEdit(Prior()), seed + 1)
    # The proposal counts the factors too (they are in its score), so nothing is left at all.
    assert_weight(there.weight, mx.zeros_like(trace.score), trace.score, there.trace.score)


@every(lambda e: not e.blends, keys=1)  # tests/combinators/test_mix.py says why
def test_sequence_edit_adds_weights_and_goes_back_in_reverse(name, seed):
    entry = ENTRIES[name]
    trace, other = simulated(entry, seed), simulated(entry, seed + 1)
    part, _ = halves(paths_of(trace), seed)
    request = gm.SequenceEdit(
        [
            gm.SelectionEdit(at(part)),
            gm.ConstraintEdit(other.choices),
            gm.ProposalEdit(Prior()),
            gm.SelectionEdit(at(part)),
        ]
    )
    there = check_edit(entry, trace, request, seed + 2)
    changed = {
        p
        for p in paths_of(trace)
        if p not in paths_of(there.trace) or not np.array_equal(trace[p], there.trace[p], equal_nan=True)
    }
    assert changed <= paths_of(there.discard) <= paths_of(trace)
    check_discard(entry, trace, there.discard, paths_of(there.discard))


@every(lambda e: e.other_args is not None)
def test_edits_with_new_arguments_restore_the_old_ones(name, seed):
    entry = ENTRIES[name]
    trace = simulated(entry, seed)
    other = entry.gen_fn.simulate(gm.key(seed + 1), entry.other_args)
    for request in (gm.ConstraintEdit(other.choices), gm.SelectionEdit(ALL)):
        there = trace.edit(request, args=entry.other_args, key=seed)
        assert_same_tree(there.trace.args, entry.other_args)
        back = there.trace.edit(there.backward, key=seed)
        assert_same_tree(back.trace.args, entry.args)
        assert_same_choices(back.trace.choices, trace.choices)
        assert_weight(there.weight + back.weight, mx.zeros_like(trace.score), there.weight, trace.score)


# ---- gradients ------------------------------------------------------------------------------------------------------


def numeric_gradient(entry, choices, path, index, step=1e-5):
    """Central difference of the log density in float64."""
    value = np.asarray(choices[path], dtype=np.float64)

    def score(shift):
        moved = value.copy()
        moved[index] += shift
        with mx.stream(mx.cpu):
            given = choices.set(path, mx.array(moved, dtype=mx.float64))
            return np.sum(np.asarray(entry.gen_fn.assess(entry.args, given).weight, dtype=np.float64))

    return (score(step) - score(-step)) / (2 * step)


@each()
def test_choice_gradients_are_finite_differences_of_the_score(name):
    entry = ENTRIES[name]
    trace = simulated(entry, 5)
    floating = {p for p, v in trace.choices.items() if mx.issubdtype(v.dtype, mx.floating)}
    result = trace.choice_gradients()
    assert set(result.gradients.paths()) == floating == set(result.choices.paths())
    for path in floating:
        got = np.asarray(result.gradients[path], dtype=np.float64)
        for index in list(np.ndindex(got.shape))[:3]:
            expected = numeric_gradient(entry, trace.choices, path, index)
            np.testing.assert_allclose(got[index], expected, rtol=1e-3, atol=1e-4)


def test_the_registry_is_large_and_varied():
    assert len([n for n in ENTRY_NAMES if "batched" not in n]) >= 25
    assert len(entries(lambda e: e.branches)) >= 8
    assert len(entries(lambda e: e.factors)) >= 4
