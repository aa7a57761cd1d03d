r"""Warm-up in windows, and the chain after it, as one function of arrays.

The step size adapts in every step of the warm-up. The metric is estimated from windows that double: early draws are far
from the target, and what they say is forgotten. As in Stan, 75 steps come first, in which the chain finds the target;
then windows of 25, 50, 100, ... steps, the last one as long as there is room; then 50 steps for the step size alone.

In *stages* that is one loop: each stage looks for a first step size, restarts dual averaging, runs, and makes the
metric of the draws after those that it skips:

    steps    100   50  100  200  500   50
    skipped   75    0    0    0    0   50

Everything is an array in the carry of a loop, so that warm-up and sampling compile to one kernel, and vectorise over
chains. Draws of the warm-up are not kept.

Reference: Stan Reference Manual, "HMC algorithm parameters: automatic parameter tuning".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.control import cond, fori_loop, scan
from genmlx.inference.adaptation import dual_averaging, welford
from genmlx.inference.adaptation.step_size import reasonable_step_size
from genmlx.numerics.errors import UsageError
from genmlx.numerics.random import split
from genmlx.numerics.transforms import where
from genmlx.numerics.types import Array, Key

__all__ = ["Run", "Stage", "run", "stages"]

FIRST, WINDOW, LAST = 75, 25, 50


class Stage(NamedTuple):
    """A stage of the warm-up: its number of steps, and how many of them come before the metric's draws."""

    steps: int
    skipped: int


class Run(NamedTuple):
    """A chain.

    Attributes:
        positions: the draws, shape ``(samples, d)``.
        log_density: of each, shape ``(samples,)``.
        info: what the kernel said of each step, arrays of shape ``(samples,)``.
        step_size: that of the sampling.
        inverse_mass: that of the sampling, shape ``(d,)`` or ``(d, d)``.
    """

    positions: Array
    log_density: Array
    info: Any
    step_size: Array
    inverse_mass: Array


def stages(warmup: int) -> list[Stage]:
    """The stages of a warm-up of so many steps.

    A warm-up of less than 20 steps is for the step size alone; one too short for the first and last steps and a window
    spends 15 and 10 percent on those.

    >>> stages(1000)[:2], stages(1000)[-1], sum(s.steps for s in stages(1000))
    ([Stage(steps=100, skipped=75), Stage(steps=50, skipped=0)], Stage(steps=50, skipped=50), 1000)
    """
    if warmup < 20:
        return [Stage(warmup, warmup)] if warmup else []
    first, window, last = FIRST, WINDOW, LAST
    if first + window + last > warmup:
        first, last = int(0.15 * warmup), int(0.1 * warmup)
        window = warmup - first - last
    room = warmup - first - last
    windows = []
    while room:
        # A window grows to the end if the next one, of twice its length, would not fit.
        size = window if 3 * window <= room else room
        windows.append(Stage(size, 0))
        room, window = room - size, 2 * window
    windows[0] = Stage(first + windows[0].steps, first)
    return [*windows, Stage(last, last)]


def run(
    kernel: Callable[[Key, Any, Array, Any], tuple[Any, Any]],
    state: Any,
    key: Key,
    warmup: int,
    samples: int,
    *,
    as_metric: Callable[[Array], Any],
    step_ratio: Callable[[Key, Any, Any], Callable[[Array], Array]],
    metric: str = "diag",
    target_accept: float = 0.8,
    step_size: Any = None,
) -> Run:
    """Warm up, and sample.

    Args:
        kernel: ``kernel(key, state, step_size, metric) -> (state, info)``; the info has an ``acceptance_rate``.
        state: where the chain starts: with ``position`` of shape ``(d,)`` and ``log_density``.
        key: the same key gives the same chain; warm-up and sampling have streams of their own.
        warmup: steps of adaptation.
        samples: draws to keep.
        as_metric: the metric of a covariance.
        step_ratio: ``step_ratio(key, state, metric)`` is the log acceptance ratio of a step, by its size.
        metric: ``"diag"`` adapts variances, ``"dense"`` a covariance matrix, ``"unit"`` neither.
        target_accept: the acceptance rate to adapt to, between 0 and 1.
        step_size: where to start from (default 1); with ``warmup=0`` the step size to use.

    Raises:
        UsageError: an unknown metric; a rate outside (0, 1); ``warmup=0`` without a step size.
    """
    if metric not in ("diag", "dense", "unit"):
        raise UsageError(f"metric={metric!r} is unknown", fix='metric="diag", metric="dense" or metric="unit"')
    if not 0.0 < target_accept < 1.0:
        raise UsageError(f"target_accept={target_accept} is not between 0 and 1", fix="target_accept=0.8")
    if not warmup and step_size is None:
        raise UsageError("without warm-up nothing finds a step size", fix="step_size=0.1, or warmup=1000")
    d = state.position.shape[0]
    covariance = mx.eye(d) if metric == "dense" else mx.ones((d,))
    step = mx.array(1.0 if step_size is None else step_size)
    key_warmup, key_sample = split(key)

    def stage(
        carry: tuple[Any, Array, Array], inputs: tuple[Key, Array, Array]
    ) -> tuple[tuple[Any, Array, Array], None]:
        state, step, covariance = carry
        key, steps, skipped = inputs
        key_search, key_steps = split(key)
        tuned = as_metric(covariance)
        step = reasonable_step_size(step_ratio(key_search, state, tuned), step)

        def body(i: Array, carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            state, averaging, draws = carry
            state, info = kernel(key_steps + i.astype(mx.uint32), state, mx.exp(averaging.log_step), tuned)
            averaging = dual_averaging.update(averaging, info.acceptance_rate, target_accept)
            return state, averaging, where(i >= skipped, welford.update(draws, state.position), draws)

        begin = (state, dual_averaging.init(step), welford.init(covariance))
        state, averaging, draws = fori_loop(mx.array(0), steps, body, begin)
        if metric != "unit":
            covariance = cond(draws.number > 0, lambda: welford.covariance(draws), lambda: covariance)
        return (state, mx.exp(averaging.log_average), covariance), None

    if warmup:
        steps, skipped = (mx.array(column, dtype=mx.int32) for column in zip(*stages(warmup), strict=True))
        inputs = (split(key_warmup, len(steps)), steps, skipped)
        (state, step, covariance), _ = scan(stage, (state, step, covariance), inputs)
    tuned = as_metric(covariance)

    def sampling(state: Any, key: Key) -> tuple[Any, tuple[Array, Array, Any]]:
        state, info = kernel(key, state, step, tuned)
        return state, (state.position, state.log_density, info)

    _, (positions, log_density, info) = scan(sampling, state, split(key_sample, samples))
    return Run(positions, log_density, info, step, covariance)
