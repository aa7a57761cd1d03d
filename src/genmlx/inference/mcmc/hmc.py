r"""Hamiltonian Monte Carlo.

A step draws a momentum $p \sim N(0, M)$, follows the leapfrog integrator for a number of steps, and accepts where it
arrives with probability $\min(1, e^{-\Delta H})$. The integrator preserves volume and is its own inverse once the
momentum is turned round, so $e^{-H}$ is left invariant, and its marginal $\pi(q)$ too.

A trajectory of fixed length can be in resonance with a period of the target, and then comes back to where it started.
So its number of steps or their size is drawn anew in each transition, independently of the state.

Cost per step: as many gradients as leapfrog steps.

References: Duane, Kennedy, Pendleton and Roweth, "Hybrid Monte Carlo", Physics Letters B 195 (1987); Neal, "MCMC using
Hamiltonian dynamics", Handbook of MCMC (2011), section 3.2 on random lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.control import while_loop
from genmlx.inference.adaptation import windows
from genmlx.inference.mcmc.integrator import (
    LogDensity,
    Metric,
    Point,
    State,
    as_metric,
    diverges,
    draw_momentum,
    energy_change,
    init,
    kinetic_energy,
    leapfrog,
    step_ratio,
)
from genmlx.numerics.errors import UsageError
from genmlx.numerics.random import split
from genmlx.numerics.transforms import where
from genmlx.numerics.types import Array, Key

__all__ = ["Info", "State", "build_kernel", "init", "warmup_and_sample"]


class Info(NamedTuple):
    """What a transition says of itself.

    Attributes:
        acceptance_rate: the probability with which the end of the trajectory was accepted.
        diverging: whether the energy rose beyond the threshold, or was not finite; then the state stays.
        energy: $H$ of the new state, with the momentum that it came with.
        n_steps: leapfrog steps, that is gradients.
    """

    acceptance_rate: Array
    diverging: Array
    energy: Array
    n_steps: Array


def build_kernel(
    log_density: LogDensity, *, leapfrog_steps: int = 10, jitter: str | None = "steps"
) -> Callable[[Key, State, Array, Metric], tuple[State, Info]]:
    """The transition ``kernel(key, state, step_size, metric) -> (state, info)``.

    Args:
        log_density: of a position of shape ``(d,)``.
        leapfrog_steps: of a trajectory; with ``jitter="steps"`` the most.
        jitter: ``"steps"`` draws their number from 1, ..., ``leapfrog_steps``; ``"step_size"`` draws the step size
            within 20 percent of what is given; None leaves both.

    Raises:
        UsageError: there is no leapfrog step, or no such jitter.
    """
    if leapfrog_steps < 1:
        raise UsageError(
            f"leapfrog_steps={leapfrog_steps}: a trajectory has at least one step", fix="leapfrog_steps=10"
        )
    if jitter not in ("steps", "step_size", None):
        raise UsageError(f"jitter={jitter!r} is unknown", fix='jitter="steps", jitter="step_size" or jitter=None')
    step = leapfrog(log_density)

    def kernel(key: Key, state: State, step_size: Array, metric: Metric) -> tuple[State, Info]:
        key_momentum, key_jitter, key_accept = split(key, 3)
        count = mx.array(leapfrog_steps)
        if jitter == "steps":
            count = mx.random.randint(1, leapfrog_steps + 1, key=key_jitter)
        elif jitter == "step_size":
            step_size = step_size * mx.random.uniform(0.8, 1.2, key=key_jitter)
        start = Point(state, draw_momentum(key_momentum, metric))
        end, change, steps = _trajectory(step, start, step_size, metric, count)
        failed = diverges(change)
        rate = mx.where(failed, 0.0, mx.exp(-mx.maximum(change, 0.0)))
        accepted = mx.random.uniform(key=key_accept) < rate
        energy = kinetic_energy(metric, start.momentum) - state.log_density
        info = Info(rate, failed, energy + mx.where(accepted, change, 0.0), steps)
        return where(accepted, end.state, state), info

    return kernel


def _trajectory(
    step: Callable[[Point, Array, Metric], Point], start: Point, step_size: Array, metric: Metric, count: Array
) -> tuple[Point, Array, Array]:
    """Where ``count`` leapfrog steps lead, the change of energy, and the steps taken: a divergence ends them."""

    def goes_on(carry: tuple[Point, Array, Array]) -> Array:
        _, change, taken = carry
        return (taken < count) & ~diverges(change)

    def forward(carry: tuple[Point, Array, Array]) -> tuple[Point, Array, Array]:
        point, _, taken = carry
        point = step(point, step_size, metric)
        return point, energy_change(start, point, metric), taken + 1

    return while_loop(goes_on, forward, (start, mx.zeros_like(step_size), mx.array(0)))


def warmup_and_sample(
    log_density: LogDensity,
    position: Array,
    key: Key,
    warmup: int,
    samples: int,
    *,
    leapfrog_steps: int = 10,
    jitter: str | None = "steps",
    metric: str = "diag",
    target_accept: float = 0.8,
    step_size: Any = None,
) -> windows.Run:
    """A chain of Hamiltonian Monte Carlo with its warm-up; see `genmlx.inference.adaptation.windows.run`."""
    return windows.run(
        build_kernel(log_density, leapfrog_steps=leapfrog_steps, jitter=jitter),
        init(log_density, position),
        key,
        warmup,
        samples,
        as_metric=as_metric,
        step_ratio=step_ratio(log_density),
        metric=metric,
        target_accept=target_accept,
        step_size=step_size,
    )
