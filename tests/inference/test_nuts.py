"""The No-U-Turn sampler against the recursive textbook version, which is written here in NumPy."""

import math
from typing import NamedTuple

import mlx.core as mx
import numpy as np
import pytest

from genmlx.control import compile, vmap
from genmlx.inference.adaptation.windows import Run
from genmlx.inference.mcmc import hmc, nuts
from genmlx.inference.mcmc.integrator import as_metric, draw_momentum, init
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import map_arrays
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_within_mc

PRECISION = np.array([[1.5, 0.6, 0.0], [0.6, 4.0, -0.5], [0.0, -0.5, 0.7]])
METRICS = {
    "unit": mx.ones((3,)),
    "diagonal": mx.array([0.5, 0.3, 2.0]),
    "dense": mx.array([[1.0, -0.2, 0.1], [-0.2, 0.4, 0.0], [0.1, 0.0, 1.5]]),
}
START = mx.array([0.9, -0.4, 1.3])


def log_density(q):
    return -0.5 * q @ (mx.array(PRECISION.astype(np.float32)) @ q)


# ---- when a trajectory turns back -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("momenta", "turning"),
    [
        ([[1], [1], [1], [1]], False),
        ([[1], [1], [-1], [-1]], True),  # the sum is 0
        ([[1], [1], [1], [-1]], True),  # the last is against the sum
        ([[-1], [1], [1], [1]], True),  # the first is
        ([[1], [1], [-0.5], [1]], True),  # only over the first half and what follows: -0.5 against 1.5
        ([[1], [-0.5], [1], [1]], True),  # only over the second half and what is before
        ([[1, 0], [0.6, 0.8], [0, 1], [-0.3, 0.9]], False),  # a turn of 108 degrees, not against the sum (1.3, 2.7)
        ([[1, 0], [0, 1], [-1, 0], [-1, -0.5]], True),  # sum (-1, 0.5): against the first
    ],
)
def test_a_trajectory_by_hand(momenta, turning):
    p = mx.array(momenta, dtype=mx.float32)
    metric = as_metric(mx.ones((p.shape[1],)))
    assert nuts.is_turning(metric, p[0], p[1], p[2], p[3], p[0] + p[1], p[2] + p[3]).item() is turning


def test_turning_is_measured_by_velocities():
    """The momenta (2, 1) and (2, -1) have sum (4, 0); with a metric that mixes the coordinates they are against it."""
    a, b = mx.array([1.0, 1.0]), mx.array([1.0, -0.8])
    assert not nuts.is_turning(as_metric(mx.array([1.0, 1.0])), a, a, b, b, a, b).item()
    # M^-1 (2, 0.2) = (0.04, 0.4): times b, 0.04 - 0.32 < 0.
    assert nuts.is_turning(as_metric(mx.array([0.02, 2.0])), a, a, b, b, a, b).item()


# ---- the textbook ---------------------------------------------------------------------------------------------------


class Leaf(NamedTuple):
    time: int
    q: np.ndarray
    p: np.ndarray
    weight: float


class Textbook:
    """Recursive NUTS in float64: the trajectory of a momentum and directions, and the probability of each point."""

    def __init__(self, inverse_mass, step_size, q, p):
        inverse = np.array(inverse_mass, np.float64)
        self.inverse = np.diag(inverse) if inverse.ndim == 1 else inverse
        self.step_size, self.visited, self.acceptance = step_size, 0, 0.0
        self.energy = self.energy_of(q, p)
        self.start = Leaf(0, q, p, 1.0)

    def energy_of(self, q, p):
        return 0.5 * q @ PRECISION @ q + 0.5 * p @ self.inverse @ p

    def step(self, leaf, direction):
        e = direction * self.step_size
        p = leaf.p - 0.5 * e * PRECISION @ leaf.q
        q = leaf.q + e * self.inverse @ p
        p = p - 0.5 * e * PRECISION @ q
        weight = math.exp(self.energy - self.energy_of(q, p))
        self.visited += 1
        self.acceptance += min(1.0, weight)
        return Leaf(leaf.time + direction, q, p, weight)

    def turns(self, leaves):
        rho = sum(leaf.p for leaf in leaves)
        return min(leaves[0].p @ self.inverse @ rho, leaves[-1].p @ self.inverse @ rho) <= 0

    def joined_turn(self, left, right):
        return self.turns(left + right) or self.turns([*left, right[0]]) or self.turns([left[-1], *right])

    def build(self, leaf, depth, direction):
        """The leaves in the order of their visits, or None where the subtree turns back."""
        if depth == 0:
            return [self.step(leaf, direction)]
        first = self.build(leaf, depth - 1, direction)
        if first is None:
            return None
        second = self.build(first[-1], depth - 1, direction)
        return None if second is None or self.joined_turn(first, second) else first + second

    def run(self, directions):
        """Leaves by time, their probabilities, and the depth."""
        leaves, chance, depth = [self.start], {0: 1.0}, 0
        for direction in directions:
            near = leaves[-1] if direction > 0 else leaves[0]
            tree = self.build(near, depth, direction)
            if tree is None:
                break
            total, new = sum(leaf.weight for leaf in leaves), sum(leaf.weight for leaf in tree)
            replaced = min(1.0, new / total)
            chance = {t: (1 - replaced) * c for t, c in chance.items()}
            chance |= {leaf.time: replaced * leaf.weight / new for leaf in tree}
            depth += 1
            old = leaves if direction > 0 else leaves[::-1]
            stops = self.joined_turn(old, tree)
            leaves = leaves + tree if direction > 0 else tree[::-1] + leaves
            if stops:
                break
        return leaves, chance, depth


def directions_of(key, most):
    u = [mx.random.uniform(shape=(2,), key=key + mx.array(i, mx.uint32))[0].item() for i in range(most)]
    return [1 if x < 0.5 else -1 for x in u]


@pytest.mark.parametrize("step_size", [0.15, 0.6])
@pytest.mark.parametrize("name", METRICS)
def test_the_trajectory_and_the_draw_are_those_of_the_textbook(name, step_size):
    metric, state, n, most = as_metric(METRICS[name]), init(log_density, START), 400, 6
    kernel = nuts.build_kernel(log_density, max_tree_depth=most)
    keys = mx.random.split(key_for(f"textbook {name} {step_size}"), n)
    new, info = compile(vmap(lambda k: kernel(k, state, mx.array(step_size), metric)), backend="native")(keys)
    surprise, variance = np.zeros(3), np.zeros(3)
    for i in range(n):
        key_momentum, key_doublings, _ = mx.random.split(keys[i], 3)
        p = np.array(draw_momentum(key_momentum, metric), np.float64)
        book = Textbook(METRICS[name], step_size, np.array(START, np.float64), p)
        leaves, chance, depth = book.run(directions_of(key_doublings, most))
        assert info.tree_depth[i].item() == depth
        assert info.n_steps[i].item() == book.visited
        assert_close(info.acceptance_rate[i], book.acceptance / book.visited, rtol=1e-4)
        distances = [np.abs(leaf.q - np.array(new.position[i])).max() for leaf in leaves]
        drawn = leaves[int(np.argmin(distances))]
        assert min(distances) < 1e-4
        assert_close(info.energy[i], book.energy_of(drawn.q, drawn.p), rtol=1e-4, atol=1e-4)
        # Given the trajectory, statistics of the draw have known means: of its time, its distance, and its weight.
        values = np.array([[leaf.time, abs(leaf.time), leaf.weight] for leaf in leaves], np.float64)
        probabilities = np.array([chance[leaf.time] for leaf in leaves])
        mean = probabilities @ values
        surprise += [drawn.time, abs(drawn.time), drawn.weight] - mean
        variance += probabilities @ values**2 - mean**2
    assert_within_mc(surprise, np.zeros(3), np.sqrt(variance))


# ---- transitions ----------------------------------------------------------------------------------------------------


def transitions(density, n, step_size, name, **options):
    state, metric = init(density, START), as_metric(METRICS["unit"])
    kernel = nuts.build_kernel(density, **options)
    run = compile(vmap(lambda k: kernel(k, state, mx.array(step_size), metric)), backend="native")
    return run(mx.random.split(key_for(name), n))


def test_the_depth_is_limited():
    _, info = transitions(log_density, 50, 1e-3, "depth", max_tree_depth=4)
    assert info.tree_depth.tolist() == [4] * 50
    assert info.n_steps.tolist() == [15] * 50


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_diverges_and_is_never_drawn(value):
    def density(q):
        return log_density(q) + mx.where(q[0] > 1.2, mx.array(value), mx.array(0.0))

    new, info = transitions(density, 300, 0.3, "holes")
    diverging = np.array(info.diverging)
    assert 20 < diverging.sum() < 280
    assert np.all(np.array(new.position)[:, 0] <= 1.2)
    for field in (info.energy, info.acceptance_rate, new.log_density, new.gradient):
        assert np.all(np.isfinite(np.array(field)))


def test_a_step_size_far_too_large_diverges_and_stays():
    new, info = transitions(log_density, 20, 50.0, "large")
    assert np.all(np.array(info.diverging))
    assert info.n_steps.tolist() == [1] * 20
    assert info.tree_depth.tolist() == [0] * 20
    assert np.all(np.array(new.position) == np.array(START))


def test_a_depth_out_of_range_is_an_error():
    with pytest.raises(UsageError, match="max_tree_depth=0"):
        nuts.build_kernel(log_density, max_tree_depth=0)


# ---- one source on three paths --------------------------------------------------------------------------------------


def on_three_paths(chain, name):
    """A chain eagerly, compiled, and as the first of three lanes."""
    positions, keys = mx.stack([START, -START, 0.5 * START]), mx.random.split(key_for(name), 3)
    lanes = compile(vmap(chain), backend="native")(positions, keys)
    assert not np.allclose(np.array(lanes.positions[0]), np.array(lanes.positions[2]), atol=0.1)
    one = compile(chain, backend="native")
    for i in (1, 2):
        assert_close(lanes.positions[i, 0], one(positions[i], keys[i]).positions[0], rtol=1e-2, atol=1e-2)
    first = Run(*(map_arrays(lambda x: x[0], field) for field in lanes))
    return chain(positions[0], keys[0]), one(positions[0], keys[0]), first


@pytest.mark.parametrize("algorithm", [hmc, nuts], ids=["hmc", "nuts"])
def test_the_same_draws_eagerly_compiled_and_as_lanes(algorithm):
    def chain(position, key):
        return algorithm.warmup_and_sample(log_density, position, key, 0, 20, step_size=0.3)

    eager, *others = on_three_paths(chain, "draws")
    for other in others:
        assert other.info.n_steps.tolist() == eager.info.n_steps.tolist()
        assert_close(other.positions, eager.positions, rtol=1e-4, atol=1e-5)
        assert_close(other.info.energy, eager.info.energy, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("metric", ["diag", "dense"])
@pytest.mark.parametrize("algorithm", [hmc, nuts], ids=["hmc", "nuts"])
def test_the_same_warmup_eagerly_compiled_and_as_lanes(algorithm, metric):
    """Early dual averaging multiplies a rounding several times a step: the agreement is in fewer digits than above."""

    def chain(position, key):
        return algorithm.warmup_and_sample(log_density, position, key, 25, 5, metric=metric, target_accept=0.9)

    eager, *others = on_three_paths(chain, "warm-up")
    assert not np.allclose(np.array(eager.inverse_mass), np.eye(3) if metric == "dense" else 1.0, atol=0.1)
    for other in others:
        assert other.info.n_steps.tolist() == eager.info.n_steps.tolist()
        assert_close(other.step_size, eager.step_size, rtol=1e-2)
        assert_close(other.inverse_mass, eager.inverse_mass, rtol=1e-2, atol=1e-3)
        assert_close(other.positions, eager.positions, rtol=1e-2, atol=1e-2)
