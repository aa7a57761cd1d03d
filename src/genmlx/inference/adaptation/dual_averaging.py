r"""Dual averaging: a step size whose acceptance rate approaches a target.

After step $t$ with acceptance rate $\alpha_t$ and target $\delta$, for the mean error
$\bar H_t = (1 - \frac{1}{t + t_0}) \bar H_{t-1} + \frac{1}{t + t_0} (\delta - \alpha_t)$,

$$\log \epsilon_{t+1} = \mu - \frac{\sqrt t}{\gamma} \bar H_t, \qquad
  \log \bar\epsilon_{t+1} = t^{-\kappa} \log \epsilon_{t+1} + (1 - t^{-\kappa}) \log \bar\epsilon_t,$$

with $\mu = \log(10 \epsilon_1)$, a preference for steps larger than the first, and $\gamma = 0.05$, $t_0 = 10$,
$\kappa = 0.75$. Warm-up runs with $\epsilon_t$; what it leaves is the average $\bar\epsilon$.

Reference: Hoffman and Gelman, "The No-U-Turn sampler", JMLR 15 (2014), section 3.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import mlx.core as mx

from genmlx.numerics.types import Array

__all__ = ["DualAveraging", "init", "update"]

GAMMA = 0.05
T0 = 10.0
KAPPA = 0.75


class DualAveraging(NamedTuple):
    """The state of the recursion; each is a scalar.

    Attributes:
        log_step: of the step size to use next.
        log_average: of the averaged step size.
        error: running mean of target minus acceptance rate.
        updates: their number so far, as a float.
        anchor: what log step sizes shrink to.
    """

    log_step: Array
    log_average: Array
    error: Array
    updates: Array
    anchor: Array


def init(step_size: Array) -> DualAveraging:
    """Start from a step size."""
    zero, log_step = mx.zeros_like(step_size), mx.log(step_size)
    return DualAveraging(log_step, log_step, zero, zero, log_step + math.log(10.0))


def update(state: DualAveraging, acceptance_rate: Array, target: float) -> DualAveraging:
    """One step of the recursion."""
    updates = state.updates + 1.0
    share = 1.0 / (updates + T0)
    error = (1.0 - share) * state.error + share * (target - acceptance_rate)
    log_step = state.anchor - mx.sqrt(updates) / GAMMA * error
    weight = mx.exp(-KAPPA * mx.log(updates))
    log_average = weight * log_step + (1.0 - weight) * state.log_average
    return DualAveraging(log_step, log_average, error, updates, state.anchor)
