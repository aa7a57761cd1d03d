"""The leapfrog integrator, metrics, and Hamiltonian Monte Carlo transition by transition."""

import math

import mlx.core as mx
import numpy as np
import pytest

from genmlx.control import compile, vmap
from genmlx.inference.mcmc import hmc
from genmlx.inference.mcmc.integrator import (
    Point,
    as_metric,
    draw_momentum,
    energy_change,
    init,
    kinetic_energy,
    leapfrog,
    velocity,
)
from genmlx.numerics.errors import UsageError
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_within_mc

COVARIANCE = np.array([[2.0, 0.6, 0.0], [0.6, 0.5, -0.2], [0.0, -0.2, 1.0]])
METRICS = {
    "diagonal": as_metric(mx.array([0.5, 2.0, 1.0])),
    "dense": as_metric(mx.array(COVARIANCE.astype(np.float32))),
}
START = mx.array([0.3, -0.8, 1.1])


def quartic(q):
    """Not a Gaussian, so that the integrator has an error in every order."""
    return -0.25 * mx.sum(q**4) - 0.5 * mx.square(q[0] - q[1])


def standard(q):
    return -0.5 * mx.sum(q * q)


@pytest.fixture(params=METRICS)
def metric(request):
    return METRICS[request.param]


def trajectory(point, step_size, steps, metric):
    step = leapfrog(quartic)
    for _ in range(steps):
        point = step(point, mx.array(step_size), metric)
    return point


def test_a_trajectory_is_reversed_by_the_negative_step_size(metric):
    start = Point(init(quartic, START), mx.array([0.5, 0.2, -0.7]))
    there = trajectory(start, 0.1, 12, metric)
    back = trajectory(there, -0.1, 12, metric)
    assert mx.max(mx.abs(there.state.position - START)).item() > 0.2
    assert_close(back.state.position, start.state.position)
    assert_close(back.momentum, start.momentum)


def test_the_energy_error_is_of_second_order(metric):
    """Over a fixed time it falls by four when the step is halved."""
    start = Point(init(quartic, START), mx.array([0.5, 0.2, -0.7]))
    errors = [energy_change(start, trajectory(start, 1.6 / n, n, metric), metric).item() for n in (8, 16, 32)]
    orders = np.log2(np.abs(errors[:-1]) / np.abs(errors[1:]))
    assert np.all(np.abs(orders - 2.0) < 0.3), (errors, orders)


def test_positions_move_by_the_velocity():
    """One step by hand, with a dense metric: momenta are not velocities."""
    metric = METRICS["dense"]
    point = leapfrog(standard)(Point(init(standard, START), mx.array([1.0, 0.0, 2.0])), mx.array(0.2), metric)
    q, p = np.array(START, np.float64), np.array([1.0, 0.0, 2.0])
    p = p - 0.1 * q
    q = q + 0.2 * COVARIANCE @ p
    assert_close(point.state.position, q)
    assert_close(point.momentum, p - 0.1 * q)
    assert_close(point.state.gradient, -q)


def test_momenta_have_the_mass_as_covariance(metric):
    n = 20_000
    p = np.array(vmap(lambda k: draw_momentum(k, metric))(mx.random.split(key_for("momenta"), n)), np.float64)
    inverse = np.array(metric.inverse_mass, np.float64)
    mass = np.linalg.inv(np.diag(inverse) if inverse.ndim == 1 else inverse)
    products = p[:, :, None] * p[:, None, :]
    assert_within_mc(products.mean(0), mass, products.std(0) / np.sqrt(n))


def test_kinetic_energy_and_velocity(metric):
    p = np.array([0.4, -1.0, 0.3])
    inverse = np.array(metric.inverse_mass, np.float64)
    v = inverse * p if inverse.ndim == 1 else inverse @ p
    assert_close(velocity(metric, mx.array(p)), v)
    assert_close(kinetic_energy(metric, mx.array(p)), 0.5 * p @ v)


def test_a_large_constant_in_the_log_density_does_not_drown_the_kinetic_energy():
    """At 1e6 a float32 has steps of 1/16; the kinetic energies are added to the difference and not to that."""
    metric = METRICS["diagonal"]
    near = init(lambda q: standard(q) + 1e6, START)
    a, b = Point(near, mx.array([0.01, 0.0, 0.0])), Point(near, mx.array([0.02, 0.0, 0.0]))
    assert_close(energy_change(a, b, metric), 0.5 * 0.5 * (0.02**2 - 0.01**2))


# ---- transitions ----------------------------------------------------------------------------------------------------


def transitions(kernel, n, step_size, name, metric=METRICS["diagonal"], log_density=standard, start=START):
    """One transition from one state under n keys."""
    state = init(log_density, start)
    run = compile(vmap(lambda k: kernel(k, state, mx.array(step_size), metric)), backend="native")
    return run(mx.random.split(key_for(name), n))


def test_the_state_is_one_of_the_two_ends():
    new, info = transitions(hmc.build_kernel(standard, leapfrog_steps=5), 500, 1.2, "ends")
    moved = np.array(mx.any(new.position != START, axis=1))
    assert 0 < moved.sum() < 500
    expected = np.array(info.acceptance_rate, np.float64)
    error = np.sqrt((expected * (1 - expected)).sum()) / 500
    assert_within_mc(moved.mean(), expected.mean(), error)
    assert_close(new.log_density, -0.5 * np.square(np.array(new.position, np.float64)).sum(1))
    assert_close(new.gradient, -np.array(new.position))


def test_steps_are_drawn_evenly_up_to_the_most():
    _, info = transitions(hmc.build_kernel(standard, leapfrog_steps=4), 4000, 0.1, "steps")
    counts = np.bincount(np.array(info.n_steps), minlength=6)
    assert counts[0] == counts[5] == 0
    assert_within_mc(counts[1:5] / 4000, np.full(4, 0.25), np.sqrt(0.25 * 0.75 / 4000))


def test_jitter_of_the_step_size_stays_within_its_bounds():
    """Without momentum change: on a flat density the first step moves by the step size times the velocity."""
    flat = lambda q: mx.sum(0.0 * q)  # noqa: E731
    state, metric = init(flat, START), METRICS["diagonal"]
    keys = mx.random.split(key_for("jitter"), 50)
    positions = []
    for jitter in ("step_size", None):
        kernel = hmc.build_kernel(flat, leapfrog_steps=1, jitter=jitter)
        new, info = vmap(lambda k, kernel=kernel: kernel(k, state, mx.array(0.5), metric))(keys)
        assert info.n_steps.tolist() == [1] * 50
        positions.append(np.array(new.position - START))
    ratios = positions[0] / positions[1]
    assert np.allclose(ratios, ratios[:, :1], rtol=1e-3)
    assert 0.8 <= ratios.min() < 0.85 and 1.15 < ratios.max() <= 1.2


def test_the_energy_is_that_of_the_new_state():
    kernel = hmc.build_kernel(standard, leapfrog_steps=3, jitter=None)
    metric, state, key = METRICS["diagonal"], init(standard, START), key_for("energy")
    new, info = kernel(key, state, mx.array(0.3), metric)
    point = Point(state, draw_momentum(mx.random.split(key, 3)[0], metric))
    for _ in range(3):
        point = leapfrog(standard)(point, mx.array(0.3), metric)
    assert_close(new.position, point.state.position)
    assert_close(info.energy, kinetic_energy(metric, point.momentum) - point.state.log_density)


def holes(value):
    """A normal density that has ``value`` where the first coordinate exceeds 0.5."""
    return lambda q: standard(q) + mx.where(q[0] > 0.5, mx.array(value), mx.array(0.0))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_diverges_and_is_rejected(value):
    density = holes(value)
    kernel = hmc.build_kernel(density, leapfrog_steps=3)
    new, info = transitions(kernel, 300, 0.5, "holes", log_density=density)
    diverging = np.array(info.diverging)
    assert 20 < diverging.sum() < 280
    assert np.all(np.array(new.position)[:, 0] <= 0.5)
    assert np.all(np.array(new.position)[diverging] == np.array(START))
    assert np.all(np.array(info.acceptance_rate)[diverging] == 0.0)
    assert np.all(np.isfinite(np.array(info.energy)))


def test_a_step_size_far_too_large_diverges_and_ends_the_trajectory():
    _, info = transitions(hmc.build_kernel(standard, leapfrog_steps=50, jitter=None), 20, 30.0, "large")
    assert np.all(np.array(info.diverging))
    assert np.all(np.array(info.n_steps) < 5)


def test_unknown_options_are_errors():
    with pytest.raises(UsageError, match="leapfrog_steps=0"):
        hmc.build_kernel(standard, leapfrog_steps=0)
    with pytest.raises(UsageError, match="jitter='some' is unknown"):
        hmc.build_kernel(standard, jitter="some")
