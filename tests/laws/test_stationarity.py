"""What the weights are for: chains built by hand from them leave the posterior unchanged.

The estimates are gated by their own error: chains are independent, so the error of an average over chains is known.
"""

import itertools
import math

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import bernoulli, gen, normal
from genmlx.numerics.random import split
from helpers.tolerances import assert_within_mc


@gen
def pair():
    """mu ~ N(0, 1), x ~ N(mu, 1), and y ~ N(x, 1) is observed."""
    mu = normal(0.0, 1.0) @ "mu"
    x = normal(mu, 1.0) @ "x"
    normal(x, 1.0) @ "y"


def chains_of_pairs(move, y, chains=4000, steps=40):
    """Independent chains in one batch; the choices after the last step."""
    trace, _ = pair().generate({"y": y}, n=chains, key=1)
    for key in split(gm.key(2), steps):
        key_move, key_accept = split(key)
        new, weight = move(trace, key_move)
        flag = mx.log(mx.random.uniform(shape=(chains,), key=key_accept)) < weight
        kept = {a: mx.where(flag, new[a], trace[a]) for a in ("mu", "x")}
        trace = trace.update(kept).trace
        mx.eval(kept)
    return {a: np.array(trace[a], dtype=np.float64) for a in ("mu", "x")}


def check_pair(draws, y):
    """(mu, x) given y is normal with mean (y/3, 2y/3), variances (2/3, 2/3) and covariance 1/3."""
    n = draws["mu"].size
    for address, mean in (("mu", y / 3), ("x", 2 * y / 3)):
        assert_within_mc(draws[address].mean(), mean, math.sqrt(2 / 3 / n), max_se=0.02)
        assert_within_mc(draws[address].var(), 2 / 3, 2 / 3 * math.sqrt(2 / n), max_se=0.02)
    covariance = np.mean((draws["mu"] - y / 3) * (draws["x"] - 2 * y / 3))
    assert_within_mc(covariance, 1 / 3, math.sqrt((2 / 3 * 2 / 3 + 1 / 9) / n), max_se=0.02)


def test_regenerate_of_one_dependent_site_after_the_other_has_the_right_moments():
    def move(trace, key):
        keys = split(key, 2)
        first = trace.regenerate("mu", key=keys[0])
        return first.trace, first.weight

    def move_x(trace, key):
        result = trace.regenerate("x", key=key)
        return result.trace, result.weight

    moves = itertools.cycle([move, move_x])
    check_pair(chains_of_pairs(lambda trace, key: next(moves)(trace, key), 1.5, steps=80), 1.5)


def test_regenerate_of_both_dependent_sites_has_the_right_moments():
    """Their old and new values must not be mixed: the weight is that of the observation alone."""

    def move(trace, key):
        result = trace.regenerate(gm.select("mu", "x"), key=key)
        return result.trace, result.weight

    check_pair(chains_of_pairs(move, 1.5), 1.5)


def test_edits_with_a_lopsided_proposal_have_the_right_moments():
    """Forward and backward densities differ; a term of the wrong side or sign moves the mean."""

    @gen
    def pull(trace):
        mu = normal(0.5 * trace["mu"] + 0.4, 0.8) @ "mu"
        normal(0.5 * mu + 0.3 * trace["x"], 1.1) @ "x"

    def move(trace, key):
        result = trace.edit(gm.ProposalEdit(pull), key=key)
        return result.trace, result.weight

    check_pair(chains_of_pairs(move, 1.5), 1.5)


@gen
def branching():
    """A coin decides which choices there are; everything is discrete, so the posterior can be enumerated."""
    if bernoulli(0.3) @ "heads":
        a = bernoulli(0.8) @ "a"
        b = bernoulli(mx.where(a == 1, 0.6, 0.1)) @ "b"
        p = mx.where(a + b == 2, 0.9, 0.2)
    else:
        b = bernoulli(0.4) @ "b"
        c = bernoulli(mx.where(b == 1, 0.7, 0.5)) @ "c"
        p = mx.where(c == 1, 0.6, 0.3)
    bernoulli(p) @ "y"


def enumerated():
    """State to posterior probability, by assess of every possible choice map."""
    weights = {}
    for heads, b, other in itertools.product((0, 1), repeat=3):
        choices = {"heads": heads, "b": b, ("a" if heads else "c"): other, "y": 1}
        weights[heads, b, other] = math.exp(branching().assess(choices).weight.item())
    total = sum(weights.values())
    return {state: w / total for state, w in weights.items()}


def state_of(trace):
    heads = int(trace["heads"].item())
    return heads, int(trace["b"].item()), int(trace["a" if heads else "c"].item())


def visits(move, steps, key):
    """The states along one chain."""
    trace = branching().generate({"heads": 1, "a": 1, "b": 0, "y": 1}).trace
    uniforms = np.random.default_rng(5).random(steps)
    seen = []
    for i, k in enumerate(split(gm.key(key), steps)):
        new, weight = move(trace, k, i)
        if math.log(uniforms[i]) < weight.item():
            trace = new
        seen.append(state_of(trace))
    return seen


def check_branching(seen):
    """Each state's frequency against enumeration, in standard errors from batch means."""
    expected = enumerated()
    blocks = 25
    for state, probability in expected.items():
        indicator = np.array([s == state for s in seen], dtype=float)[: len(seen) // blocks * blocks]
        means = indicator.reshape(blocks, -1).mean(axis=1)
        se = means.std(ddof=1) / math.sqrt(blocks)
        assert_within_mc(means.mean(), probability, max(se, 1e-3), max_se=0.04)


def test_regenerate_across_branches_agrees_with_enumeration():
    """One random address at a time; the coin's own move changes which addresses exist."""
    selections = [gm.select("heads"), gm.select("b"), gm.select("a", "c")]

    def move(trace, key, i):
        result = trace.regenerate(selections[i % 3], key=key)
        return result.trace, result.weight

    check_branching(visits(move, 1200, 11))


@pytest.mark.slow
def test_edits_across_branches_agree_with_enumeration():
    @gen
    def flip(trace):
        """Proposes the other branch with all its choices, unevenly."""
        heads = bernoulli(0.8 if trace["heads"].item() == 0 else 0.3) @ "heads"
        bernoulli(0.7) @ "b"
        bernoulli(0.35) @ ("a" if heads.item() else "c")

    def move(trace, key, i):
        result = trace.edit(gm.ProposalEdit(flip), key=key)
        return result.trace, result.weight

    check_branching(visits(move, 800, 12))


def test_the_enumeration_itself_is_a_distribution_with_both_branches():
    expected = enumerated()
    assert abs(sum(expected.values()) - 1.0) < 1e-9
    assert 0.2 < sum(p for (heads, _, _), p in expected.items() if heads) < 0.8
