r"""Hamiltonian dynamics on a log density: positions with momenta, metrics, and the leapfrog integrator.

For a log density $\log \pi(q)$ over positions $q \in \mathbb{R}^d$ and an inverse mass matrix $M^{-1}$ the energy is

$$H(q, p) = -\log \pi(q) + \tfrac12 p^\top M^{-1} p,$$

and $e^{-H}$ has $\pi$ as its marginal. The flow moves positions by the velocity, $\dot q = M^{-1} p$, and momenta by
the gradient, $\dot p = \nabla \log \pi(q)$. The best $M^{-1}$ is the covariance of $\pi$: the target, seen by the flow,
is then isotropic.

Energies are compared with that of a trajectory's start, as a difference of like terms: log densities of $10^6$ keep no
digits for a kinetic energy that is added to them in float32.

References: Neal, "MCMC using Hamiltonian dynamics", Handbook of MCMC (2011); Leimkuhler and Reich, "Simulating
Hamiltonian Dynamics" (2004).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import mlx.core as mx

from genmlx.control import value_and_grad
from genmlx.numerics.linalg import cholesky, solve_triangular
from genmlx.numerics.types import Array, Key, Scalar

__all__ = [
    "DIVERGENCE_THRESHOLD",
    "LogDensity",
    "Metric",
    "Point",
    "State",
    "as_metric",
    "diverges",
    "draw_momentum",
    "energy_change",
    "init",
    "kinetic_energy",
    "leapfrog",
    "step_ratio",
    "velocity",
]

DIVERGENCE_THRESHOLD = 1000.0
"""An energy that rises by more is an integrator gone astray, and not a proposal: Stan's value."""

LogDensity = Callable[[Array], Scalar]


class State(NamedTuple):
    """A position of the chain.

    Attributes:
        position: shape ``(d,)``.
        log_density: of the position; unnormalised.
        gradient: of the log density, shape ``(d,)``.
    """

    position: Array
    log_density: Array
    gradient: Array


class Point(NamedTuple):
    """A point of phase space: a position and its momentum, shape ``(d,)``."""

    state: State
    momentum: Array


class Metric(NamedTuple):
    r"""The kinetic energy of a chain.

    Attributes:
        inverse_mass: $M^{-1}$, an estimate of the target's covariance: shape ``(d,)`` for its diagonal, or ``(d, d)``.
        momentum_scale: $S$ with $S S^\top = M$, of the same shape.
    """

    inverse_mass: Array
    momentum_scale: Array


def as_metric(covariance: Array) -> Metric:
    """The metric for a target with this covariance: variances of shape ``(d,)``, or a matrix of shape ``(d, d)``."""
    if covariance.ndim == 1:
        return Metric(covariance, mx.rsqrt(covariance))
    # C = L Lᵀ gives M = C⁻¹ = L⁻ᵀ L⁻¹.
    inverse = solve_triangular(cholesky(covariance), mx.eye(covariance.shape[0], dtype=covariance.dtype))
    return Metric(covariance, inverse.T)


def _times(matrix: Array, vector: Array) -> Array:
    """A matrix, or the diagonal of one, times a vector."""
    return matrix * vector if matrix.ndim == 1 else matrix @ vector


def draw_momentum(key: Key, metric: Metric) -> Array:
    """A momentum from $N(0, M)$."""
    return _times(metric.momentum_scale, mx.random.normal((metric.inverse_mass.shape[0],), key=key))


def velocity(metric: Metric, momentum: Array) -> Array:
    r"""$M^{-1} p$."""
    return _times(metric.inverse_mass, momentum)


def kinetic_energy(metric: Metric, momentum: Array) -> Scalar:
    r"""$\tfrac12 p^\top M^{-1} p$."""
    return 0.5 * mx.sum(momentum * velocity(metric, momentum))


def init(log_density: LogDensity, position: Array) -> State:
    """The state at a position."""
    return State(position, *value_and_grad(log_density)(position))


def leapfrog(log_density: LogDensity) -> Callable[[Point, Array, Metric], Point]:
    """The integrator of a log density: ``step(point, step_size, metric)``.

    Half a step of the momentum, a step of the position, half a step of the momentum. It preserves volume, is reversed
    by the negative step size, and its error of energy is of second order in it. Cost: one gradient.
    """

    def step(point: Point, step_size: Array, metric: Metric) -> Point:
        (position, _, gradient), momentum = point
        momentum = momentum + 0.5 * step_size * gradient
        state = init(log_density, position + step_size * velocity(metric, momentum))
        return Point(state, momentum + 0.5 * step_size * state.gradient)

    return step


def energy_change(start: Point, point: Point, metric: Metric) -> Scalar:
    """$H(point) - H(start)$."""
    kinetic = kinetic_energy(metric, point.momentum) - kinetic_energy(metric, start.momentum)
    return kinetic - (point.state.log_density - start.state.log_density)


def diverges(change: Array) -> Array:
    """Whether an energy change means that integration failed: too large, infinite either way, or NaN."""
    return ~(mx.isfinite(change) & (change <= DIVERGENCE_THRESHOLD))


def step_ratio(log_density: LogDensity) -> Callable[[Key, State, Metric], Callable[[Array], Scalar]]:
    """The log acceptance ratio of one leapfrog step, as a function of its size, for a momentum drawn from the key."""
    step = leapfrog(log_density)

    def at(key: Key, state: State, metric: Metric) -> Callable[[Array], Scalar]:
        start = Point(state, draw_momentum(key, metric))
        return lambda step_size: -energy_change(start, step(start, step_size, metric), metric)

    return at
