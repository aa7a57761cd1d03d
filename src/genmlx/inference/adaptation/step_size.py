"""A first step size, of the right order of magnitude.

The largest of the powers of two times the start whose single step is accepted with probability 0.8, looked for upwards
or downwards until the acceptance crosses it. A ratio of NaN or of an infinite energy is not accepted: the step is
too large. Cost: one gradient a doubling.

Reference: Hoffman and Gelman, "The No-U-Turn sampler", JMLR 15 (2014), algorithm 4; here the search ends on the
accepted side, and has an end where no step size is accepted or all are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx

from genmlx.control import while_loop
from genmlx.numerics.types import Array

__all__ = ["reasonable_step_size"]

_LOG_ACCEPTANCE = math.log(0.8)
_DOUBLINGS = 40  # a factor of 1e12 either way


def reasonable_step_size(log_ratio: Callable[[Array], Array], start: Array) -> Array:
    """A step size from ``start``.

    Args:
        log_ratio: log acceptance ratio of one step of a size.
        start: a positive scalar.
    """

    def is_accepted(step_size: Array) -> Array:
        ratio = log_ratio(step_size)
        return (ratio > _LOG_ACCEPTANCE) & mx.isfinite(ratio)  # NaN compares false

    grows = is_accepted(start)
    factor = mx.where(grows, 2.0, 0.5)

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        _, crossed, count = carry
        return ~crossed & (count < _DOUBLINGS)

    def move(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        step_size, _, count = carry
        moved = step_size * factor
        crossed = is_accepted(moved) != grows
        return mx.where(crossed & grows, step_size, moved), crossed, count + 1

    return while_loop(goes_on, move, (start, mx.array(False), mx.array(0)))[0]
