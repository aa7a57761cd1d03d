"""Every kernel leaves the posterior invariant.

Geweke's argument, with independent draws instead of a chain: choices and data drawn from the joint law, then moved by a
kernel that holds the data, follow the joint law again. Each of thousands of executions is moved a few times; a test
function g of choices and data must have the same mean before and after. The differences are paired and independent, so
their own standard deviation gives the error, and no effective sample size is needed.

The test is blind to a kernel that does not move, so it also asks for a rate of acceptance.

Reference: Geweke, "Getting it right: joint distribution tests of posterior simulators", JASA 99 (2004).
"""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.edit import ProposalEdit
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.categorical import categorical
from genmlx.inference.base import accept
from genmlx.numerics.random import split
from genmlx.numerics.transforms import vmap
from helpers.keys import key_for
from helpers.tolerances import assert_plausible, assert_within_mc
from inference.models import branches, coins, line, location, nested, resized, vectors

K = 4.0  # standard errors
EXECUTIONS = 40_000

k = gm.kernels


# ---- the machinery --------------------------------------------------------------------------------------------------


def moved(kernel, call, executions, name, constraints=None):
    """Traces from the joint law, and what the kernel makes of them: two dicts of arrays, and the mean rate."""
    key_joint, key_move = split(key_for(name))
    trace, _ = call.generate(constraints, n=executions, key=key_joint)

    def move(key, inner):
        new, info = kernel(key, inner.with_args(call.args))
        return new.with_args(None), info

    new, info = vmap(move)(split(key_move, executions), trace.inner)
    before, after = ({path: np.array(v, np.float64) for path, v in t.choices.items()} for t in (trace, new))
    return before, after, float(np.array(info.acceptance_rate).mean())


def moved_one_by_one(kernel, call, executions, name):
    """The same for a model that does not vectorise; gaps are NaN."""
    key_joint, key_move = split(key_for(name))
    pairs, rates = [], []
    for key, step in zip(split(key_joint, executions), split(key_move, executions), strict=True):
        old = call.simulate(key=key)
        new, info = kernel(step, old)
        pairs.append((dict(old.choices.items()), dict(new.choices.items())))
        rates.append(info.acceptance_rate.item())
    return [old for old, _ in pairs], [new for _, new in pairs], float(np.mean(rates))


def features(choices):
    """Columns: first, second and third powers of every number, and products of every two."""
    x = np.concatenate([v.reshape(len(v), -1) for v in choices.values()], axis=1)
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j], x**3], axis=1)


def assert_same_law(before, after):
    """The mean of every feature is the same before and after, for paired and independent executions."""
    difference = features(after) - features(before)
    se = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    changed = se > 0
    assert changed.any(), "nothing moved"
    assert_within_mc(difference.mean(axis=0)[changed], 0.0, se[changed], k=K)


# ---- models and kernels ---------------------------------------------------------------------------------------------


@gen
def mixture():
    """A discrete choice that is the context of two continuous ones, and skewed."""
    z = categorical(probs=[0.6, 0.3, 0.1]) @ "z"
    x = normal(mx.take(mx.array([-1.0, 0.5, 3.0]), z), 0.8) @ "x"
    b = bernoulli(mx.sigmoid(x)) @ "b"
    normal(x + b, 0.7) @ "y"


@gen
def drift_up(trace):
    normal(trace["mu"] + 0.4, 0.8) @ "mu"


@gen
def pull_back(trace):
    normal(0.3 * trace["mu"] + 0.5, 0.9) @ "mu"


@gen
def posterior_guess(trace):
    """It looks at the data, and at nothing else."""
    normal(0.6 * trace["y"], 1.2) @ "mu"


@gen
def joint_guess(trace):
    """A discrete and a continuous choice together, the second in the context of the proposed first."""
    z = categorical(probs=[0.2, 0.3, 0.5]) @ "z"
    normal(0.5 * trace["x"] + mx.take(mx.array([-0.5, 0.0, 1.0]), z), 0.9) @ "x"


CASES = {
    "prior": (location(1.5), k.mh("mu")),
    "prior of a correlated choice": (line([1.0, 2.0]), k.mh("slope")),
    "prior of dependent choices": (mixture(), k.mh(gm.select("z", "x"))),
    "prior of a parent": (mixture(), k.mh("z")),
    "prior of a child": (mixture(), k.mh("b")),
    "prior of a group": (nested(2), k.mh("first")),
    "prior below an address": (nested(2), k.mh(gm.select(("first", "mu"), ("second", "mu")))),
    "prior of discrete choices": (coins(3), k.mh(gm.select("bias", ("coin", 1)))),
    "prior of arrays": (vectors(), k.mh("a")),
    "custom, drifting": (location(1.5), k.custom(drift_up)),
    "custom, contracting": (location(1.5), k.custom(pull_back)),
    "custom, from the data": (location(1.5), k.custom(posterior_guess)),
    "custom, of two choices": (mixture(), k.custom(joint_guess)),
    "custom pair": (location(1.5), k.custom(drift_up, pull_back)),
    "custom pair, from the data": (location(1.5), k.custom(posterior_guess, drift_up)),
    "walk": (location(1.5), k.random_walk("mu", 1.3)),
    "walk of an array": (vectors(), k.random_walk("a", mx.array([0.3, 1.0, 2.0]))),
    "walk below an address": (nested(2), k.random_walk(("second", "mu"), 1.0)),
    "walk of a choice in a mixture": (mixture(), k.random_walk("x", 1.5)),
    "cycle": (mixture(), k.cycle([k.mh("z"), k.random_walk("x", 1.0), k.mh("b")])),
    "chain": (line([1.0, 2.0]), k.chain(k.random_walk("slope", 1.0), k.random_walk("intercept", 1.0))),
    "repeat": (location(1.5), k.repeat(k.mh("mu"), 3)),
    "mix": (mixture(), k.mix([(0.2, k.mh("z")), (0.5, k.random_walk("x", 1.0)), (0.3, k.custom(joint_guess))])),
    "when": (location(1.5), k.when(lambda t: t["y"] > 0.3, k.mh("mu"))),
    "seed": (location(1.5), k.seed(k.random_walk("mu", 1.0), gm.key(3))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_leaves_the_joint_law_of_choices_and_data(name):
    call, kernel = CASES[name]
    before, after, rate = moved(k.repeat(kernel, 2), call, EXECUTIONS, name)
    assert 0.03 < rate < 0.98, f"acceptance rate {rate}"
    assert_same_law(before, after)


def test_the_data_stay_where_they_are():
    before, after, _ = moved(k.mh(~gm.select("y")), mixture(), 100, "data")
    assert np.array_equal(before["y",], after["y",])


@pytest.mark.parametrize("name", ["prior", "walk", "custom, drifting"])
def test_the_law_of_a_moved_latent_is_its_prior(name):
    """Absolute, not paired: Kolmogorov-Smirnov against the exact prior, which the latent follows in the joint law."""
    _, after, _ = moved(CASES[name][1], location(1.5), EXECUTIONS, f"prior law {name}")
    assert_plausible(stats.kstest(after["mu",], stats.norm(0, 1.5).cdf).pvalue)
    residual = after["y",] - after["mu",]
    assert_plausible(stats.kstest(residual, stats.norm(0, 1).cdf).pvalue)


def test_a_factor_belongs_to_the_target():
    """N(1/2, 1) is the law with the factor; a kernel that lost the factor would move it to N(0, 1)."""

    @gen
    def tilted(tilt):
        x = normal(0.0, 1.0) @ "x"
        gm.factor("tilt", tilt * x)

    start = 0.5 + mx.random.normal((EXECUTIONS,), key=key_for("factor"))
    kernels = {
        "mh": k.mh("x"),
        "walk": k.random_walk("x", 1.0),
        "custom": k.custom(gen(lambda trace: normal(0.5 * trace["x"], 1.0) @ "x")),
    }
    for name, kernel in kernels.items():
        _, after, rate = moved(k.repeat(kernel, 2), tilted(0.5), EXECUTIONS, name, {"x": start})
        assert 0.1 < rate < 0.98
        assert_plausible(stats.kstest(after["x",], stats.norm(0.5, 1).cdf).pvalue)


def test_a_pair_of_proposals_used_in_one_direction_is_not_invariant():
    """Why `custom` with a backward proposal makes either move: the test sees the difference."""

    def one_way(key, trace):
        key_propose, key_accept = split(key)
        result = trace.edit(ProposalEdit(drift_up, pull_back), key=key_propose)
        return accept(key_accept, result.weight, result.trace, trace)

    before, after, _ = moved(one_way, location(1.5), EXECUTIONS, "one way")
    with pytest.raises(AssertionError, match="standard errors off"):
        assert_same_law(before, after)


BRANCHING = {
    "all": k.mh(~gm.select("y")),
    "the branch": k.mh("z"),
    "the branch and what is in it": k.cycle([k.mh("z"), k.when(lambda t: "a" in t, k.random_walk("a", 1.0))]),
    "one or the other": k.mix([(0.5, k.mh("z")), (0.5, k.mh(gm.select("a", "b")))]),
}

one_by_one = pytest.mark.parametrize("executions", [200, pytest.param(2_000, marks=pytest.mark.slow)])


@one_by_one
@pytest.mark.parametrize("name", BRANCHING)
def test_a_kernel_moves_between_branches(name, executions):
    before, after, rate = moved_one_by_one(BRANCHING[name], branches(), executions, name)
    assert 0.05 < rate < 0.98

    def columns(draws):
        z, y = (np.array([float(d[name,].item()) for d in draws]) for name in "zy")
        mean = np.array([(d.get(("a",)) if ("a",) in d else d["b",]).item() for d in draws], np.float64)
        return {"z": z, "y": y, "mean": mean, "zmean": z * mean}

    assert_same_law(columns(before), columns(after))


@one_by_one
def test_a_kernel_moves_between_shapes(executions):
    before, after, rate = moved_one_by_one(k.mh(gm.select("n", "x")), resized(), executions, "shapes")
    assert 0.05 < rate < 0.98

    def columns(draws):
        n, y = (np.array([float(d[name,].item()) for d in draws]) for name in "ny")
        total = np.array([float(np.array(d["x",]).sum()) for d in draws])
        first = np.array([float(np.array(d["x",])[0]) for d in draws])
        assert all(d["x",].shape == (i + 1,) for d, i in zip(draws, n, strict=True))
        return {"n": n, "y": y, "total": total, "first": first}

    assert_same_law(columns(before), columns(after))
