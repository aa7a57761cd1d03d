"""Unfold: densities by closed form, what an update executes, compiled steps, errors."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import bernoulli, control, gen, normal
from genmlx.combinators import steps
from genmlx.core.diff import NoChange, UnknownChange, VectorDiff
from genmlx.numerics.errors import ConstraintError, ShapeError, UsageError
from genmlx.numerics.pytree import split_arrays
from helpers.tolerances import assert_close, assert_exact

DECAY, STEP_SD, NOISE_SD = 0.9, 0.7, 0.5


@gen
def tracking(t, x, noise):
    """A linear-Gaussian state and its observation."""
    x = normal(DECAY * x, STEP_SD) @ "x"
    normal(x, noise) @ "y"
    return x


executed: list[int] = []


@gen
def counted(t, x):
    """The state is the choice itself. The list makes it run step by step, and count."""
    executed.append(int(t))
    return normal(DECAY * x, STEP_SD) @ "x"


@gen
def summed(t, total):
    """The state remembers every choice."""
    executed.append(int(t))
    return total + normal(0.0, 1.0) @ "x"


@gen
def either(t, x):
    if bernoulli(0.5) @ "jump":
        return normal(x, 5.0) @ "far"
    return normal(x, 0.5) @ "near"


def joint(n, start):
    """Mean and covariance of (x_1 ... x_n, y_1 ... y_n)."""
    reach = np.array([[DECAY ** (t - s) if s <= t else 0.0 for s in range(n)] for t in range(n)])
    states = STEP_SD**2 * reach @ reach.T
    mean = start * DECAY ** np.arange(1, n + 1)
    return np.tile(mean, 2), np.block([[states, states], [states, states + NOISE_SD**2 * np.eye(n)]])


def fresh_counts():
    executed.clear()
    return executed


# ---- densities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_score_is_the_joint_gaussian_density(n):
    trace = gm.Unfold(tracking)(n, 0.4, NOISE_SD).simulate(key=gm.key(n))
    values = np.concatenate([np.asarray(trace[:, "x"]), np.asarray(trace[:, "y"])]).astype(np.float64)
    assert_close(trace.score, stats.multivariate_normal(*joint(n, 0.4)).logpdf(values))
    assert_exact(trace.retval, trace[:, "x"])


def test_the_weight_of_observations_is_their_density_given_the_states():
    ys = mx.array([0.3, -0.5, 1.2, 0.8])
    trace, weight = gm.Unfold(tracking)(4, 0.0, NOISE_SD).generate(gm.C[:, "y"].set(ys), key=gm.key(3))
    assert_exact(trace[:, "y"], ys)
    assert_close(weight, stats.norm(np.asarray(trace[:, "x"]), NOISE_SD).logpdf(np.asarray(ys)).sum())


def test_importance_weights_average_to_the_kalman_likelihood():
    ys = np.array([0.3, -0.5, 1.2])
    mean, covariance = joint(3, 0.0)
    exact = stats.multivariate_normal(mean[3:], covariance[3:, 3:]).logpdf(ys)
    call = gm.Unfold(tracking)(3, 0.0, NOISE_SD)
    _, weights = call.generate(gm.C[:, "y"].set(mx.array(ys)), n=20_000, key=gm.key(4))
    w = np.exp(np.asarray(weights, dtype=np.float64) - exact)
    assert abs(w.mean() - 1.0) < 5 * w.std() / np.sqrt(len(w))


def test_constraints_by_index_by_slice_and_with_gaps_are_one():
    call = gm.Unfold(tracking)(5, 0.0, NOISE_SD)
    by_index = call.generate({1: {"y": 1.0}, 2: {"y": 2.0}, 4: {"x": 0.5}}, key=5)
    by_slice = call.generate(gm.C[1:3, "y"].set([1.0, 2.0]) | gm.C[4, "x"].set(0.5), key=5)
    assert by_index.trace.choices.to_dict().keys() == by_slice.trace.choices.to_dict().keys()
    for name in ("x", "y"):
        assert_exact(by_index.trace[:, name], by_slice.trace[:, name])
    assert_exact(by_index.weight, by_slice.weight)
    assert by_index.trace[2, "y"].item() == 2.0
    assert by_index.trace[4, "x"].item() == 0.5


def test_a_longer_sequence_begins_as_the_shorter_one():
    """Keys do not depend on the number of steps."""
    short, long = (gm.Unfold(tracking)(n, 0.0, 1.0).simulate(key=8) for n in (3, 9))
    assert_exact(long[:, "x"][:3], short[:, "x"])
    xs = np.asarray(long[:, "x"])
    noise = xs - DECAY * np.concatenate([[0.0], xs[:-1]])
    assert np.min(np.diff(np.sort(noise))) > 1e-3  # a key for each step


# ---- what is executed -----------------------------------------------------------------------------------------------


def test_growing_by_one_step_executes_the_kernel_once():
    trace = gm.Unfold(counted)(50, 0.0).simulate(key=0)
    counts = fresh_counts()
    new, weight, discard, diff = trace.update({50: {"x": 0.25}}, args=(51, 0.0), key=1)
    assert counts == [50]
    assert diff == VectorDiff([50])
    assert discard.is_empty
    assert_exact(new[:, "x"][:50], trace[:, "x"])
    assert_close(weight, stats.norm(DECAY * trace.retval[-1].item(), STEP_SD).logpdf(0.25))


def test_a_promise_saves_the_comparison_and_changes_nothing():
    trace = gm.Unfold(counted)(5, 0.0).simulate(key=0)
    counts = fresh_counts()
    promised = trace.update(args=(6, 0.0), argdiffs=(UnknownChange, NoChange), key=1)
    found = trace.update(args=(6, 0.0), key=1)
    assert counts == [5, 5]
    assert_exact(promised.trace[:, "x"], found.trace[:, "x"])


def test_shrinking_executes_nothing_and_discards_the_steps_that_vanish():
    trace = gm.Unfold(counted)(5, 0.0).simulate(key=0)
    counts = fresh_counts()
    new, weight, discard, _ = trace.update(args=(2, 0.0), key=1)
    assert counts == []
    assert len(new) == 2
    assert sorted(discard.paths()) == [(2, "x"), (3, "x"), (4, "x")]
    assert_close(weight, new.score - trace.score)


def test_a_changed_choice_reaches_as_far_as_the_state_changes():
    trace = gm.Unfold(counted)(30, 0.0).simulate(key=0)
    counts = fresh_counts()
    result = trace.update({7: {"x": 1.0}})
    assert counts == [7, 8]
    assert_close(result.weight, result.trace.score - trace.score)
    assert_exact(result.discard[7, "x"], trace[7, "x"])
    counts.clear()
    trace.regenerate(gm.select((7, "x")), key=3)
    assert counts == [7, 8]


def test_a_state_that_remembers_is_executed_from_the_change_on():
    trace = gm.Unfold(summed)(40, 0.0).simulate(key=0)
    counts = fresh_counts()
    result = trace.update({5: {"x": 1.0}})
    assert counts == list(range(5, 40))
    assert_close(result.trace.retval[-1], trace.retval[-1] + 1.0 - trace[5, "x"], atol=1e-4)


def test_a_value_that_is_the_old_one_ends_at_once():
    trace = gm.Unfold(summed)(10, 0.0).simulate(key=0)
    counts = fresh_counts()
    trace.update({5: {"x": trace[5, "x"]}})
    assert counts == [5]


def test_a_changed_parameter_executes_every_step_and_an_equal_one_none():
    trace = gm.Unfold(counted.contramap(lambda t, x, sd: (t, x * sd)))(6, 0.0, 1.0).simulate(key=0)
    counts = fresh_counts()
    trace.update(args=(6, 0.0, 1.0))
    assert counts == []
    trace.update(args=(6, 0.0, 2.0))
    assert counts == list(range(6))


# ---- compiled -------------------------------------------------------------------------------------------------------


@pytest.fixture
def eager_then_compiled(monkeypatch):
    """Runs a method step by step, then as a kernel, and says whether the second was one."""

    def both(method):
        monkeypatch.setattr(steps, "_FEWEST", 10**9)
        eager = method()
        steps._recurrences.clear()
        for name, value in (("_FEWEST", 2), ("_AT_ONCE", 0)):
            monkeypatch.setattr(steps, name, value)
        compiled = method()
        recurrences = list(steps._recurrences.values())
        return eager, compiled, [r.run is not None and not r.refused for r in recurrences]

    yield both
    steps._recurrences.clear()


def assert_same_results(eager, compiled):
    (xs, a), (ys, b) = split_arrays(eager), split_arrays(compiled)
    assert a.treedef == b.treedef
    assert len(xs) == len(ys) >= 2
    for x, y in zip(xs, ys, strict=True):
        assert x.dtype == y.dtype
        assert_close(y, x, rtol=1e-5, atol=1e-4)


def test_compiled_steps_are_the_eager_ones(eager_then_compiled):
    call = gm.Unfold(tracking)(20, 0.0, NOISE_SD)
    trace = call.simulate(key=0)
    ys = gm.C[:, "y"].set(mx.zeros(20))
    for method in (
        lambda: call.simulate(key=1),
        lambda: call.generate(ys, key=1),
        lambda: call.assess(trace.choices),
        lambda: trace.update(ys, args=(20, 0.5, 0.7), key=1),
        lambda: trace.regenerate(gm.select((slice(None), "x")), args=(20, 0.5, 0.7), key=1),
    ):
        eager, compiled, native = eager_then_compiled(method)
        assert native == [True]
        assert_same_results(eager, compiled)


def test_gradients_pass_through_compiled_steps(eager_then_compiled):
    trace = gm.Unfold(tracking)(20, mx.array(0.2), NOISE_SD).simulate(key=0)
    eager, compiled, native = eager_then_compiled(lambda: trace.choice_gradients())
    assert native == [True]
    assert_same_results(eager, compiled)
    assert_close(compiled.gradients[:, "y"], -(trace[:, "y"] - trace[:, "x"]) / NOISE_SD**2, atol=1e-4)


def test_a_kernel_that_branches_is_not_compiled_and_stays_right(eager_then_compiled):
    eager, fallen_back, native = eager_then_compiled(lambda: gm.Unfold(either)(20, 0.0).simulate(key=2))
    assert native == [False]
    assert eager.choices.to_dict().keys() == fallen_back.choices.to_dict().keys()
    assert_exact(eager.score, fallen_back.score)


SPREAD = 1.0


@gen
def reads_a_global(t, x):
    return normal(x, SPREAD) @ "x"


def test_a_global_that_changes_is_read_again(monkeypatch):
    steps._recurrences.clear()
    for name, value in (("_FEWEST", 2), ("_AT_ONCE", 0)):
        monkeypatch.setattr(steps, name, value)
    call = gm.Unfold(reads_a_global)(20, 0.0)
    choices = gm.C[:, "x"].set(mx.ones(20))
    for spread in (1.0, 3.0):
        monkeypatch.setitem(globals(), "SPREAD", spread)
        expected = stats.norm(0.0, spread).logpdf(1.0) + 19 * stats.norm(0.0, spread).logpdf(0.0)
        assert_close(call.assess(choices).weight, expected)
    assert [r.run is not None and not r.refused for r in steps._recurrences.values()] == [True, True]
    steps._recurrences.clear()


def test_an_outer_compilation_sees_a_loop_and_no_unrolled_steps():
    def score(key, x0):
        return gm.Unfold(tracking)(500, x0, NOISE_SD).simulate(key=key).score

    compiled = control.compile(score, backend="native")
    assert_close(compiled(gm.key(1), mx.array(0.5)), score(gm.key(1), mx.array(0.5)), rtol=1e-5)
    shorter = control.compile(
        lambda key, x0: gm.Unfold(tracking)(50, x0, NOISE_SD).simulate(key=key).score, backend="native"
    )
    shorter(gm.key(1), mx.array(0.5))
    assert len(compiled.show()) < 1.2 * len(shorter.show())


def test_every_method_is_captured():
    trace = gm.Unfold(tracking)(30, 0.0, NOISE_SD).simulate(key=0)
    ys = mx.sin(mx.arange(30.0))

    def methods(key, ys, x0):
        """A trace made outside, moved inside."""
        updated = trace.update(gm.C[:, "y"].set(ys), args=(30, x0, NOISE_SD), key=key)
        redrawn = updated.trace.regenerate(gm.select((slice(None), "x")), key=key)
        longer = redrawn.trace.update(args=(33, x0, NOISE_SD), key=key)
        kept = longer.trace.project(gm.select((slice(None), "y")))
        return updated.weight, redrawn.weight, longer.weight, kept, longer.trace.retval

    args = (gm.key(3), ys, mx.array(0.3))
    for found, expected in zip(control.compile(methods, backend="native")(*args), methods(*args), strict=True):
        assert_close(found, expected, rtol=1e-5, atol=1e-4)


# ---- structure ------------------------------------------------------------------------------------------------------


def test_steps_of_different_structures_are_listed_and_keep_their_numbers():
    trace = gm.Unfold(either)(12, 0.0).simulate(key=3)
    jumps = [bool(trace[t, "jump"].item()) for t in range(12)]
    assert len(set(jumps)) == 2
    for t, jump in enumerate(jumps):
        assert ((t, "far") in trace) is jump
    assert trace.retval.shape == (12,)


def test_a_state_may_be_a_tree():
    @gen
    def step(t, state):
        x = normal(state["x"], 1.0) @ "x"
        return {"x": x, "seen": state["seen"] + mx.ones(2)}

    trace = gm.Unfold(step)(4, {"x": 0.0, "seen": mx.zeros(2)}).simulate(key=0)
    assert trace.retval["seen"].tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]


def test_no_step_returns_states_of_length_zero():
    trace = gm.Unfold(tracking)(0, 0.0, 1.0).simulate(key=0)
    assert trace.retval.shape == (0,)
    assert trace.choices.is_empty
    assert trace.score.item() == 0.0


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [-1, 2.5, True, "three"])
def test_the_number_of_steps_is_an_int(n):
    with pytest.raises(UsageError, match="takes a number of steps"):
        gm.Unfold(tracking)(n, 0.0, 1.0)


def test_a_constraint_for_a_step_that_does_not_exist():
    with pytest.raises(ConstraintError, match=r"no element 3[\s\S]*elements are 0 ... 2"):
        gm.Unfold(tracking)(3, 0.0, 1.0).generate({3: {"y": 1.0}})


def test_a_constraint_that_no_choice_uses_names_the_step():
    with pytest.raises(ConstraintError, match=r"z[\s\S]*at address 1"):
        gm.Unfold(tracking)(3, 0.0, 1.0).generate({1: {"z": 1.0}})


def test_another_structure_of_state_names_the_step_and_the_fix():
    grows = gen(lambda t, x: mx.concatenate([x, normal(mx.zeros(1), 1.0) @ "x"]))
    with pytest.raises(ShapeError, match=r"given a state of float32\[2\] and returned one of float32\[3\]"):
        gm.Unfold(grows)(3, mx.zeros(2)).simulate()
    with pytest.raises(ShapeError, match=r"int32\[\][\s\S]*at address 0[\s\S]*0.0 instead of 0"):
        gm.Unfold(tracking)(3, 0, 1.0).simulate()


def test_only_generative_functions_unfold():
    with pytest.raises(UsageError, match=r"gm.Unfold\(step\)\(n, state0\)"):
        gm.Unfold(lambda t, x: x)
    with pytest.raises(UsageError, match="takes n, a state and parameters"):
        gm.Unfold(tracking)(3)
