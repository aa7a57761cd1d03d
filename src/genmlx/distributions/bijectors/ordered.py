"""Increasing vectors, of any sign or positive."""

import dataclasses
import math

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.saturation import LIMIT, saturating_exp, saturating_log
from genmlx.numerics.types import Array

__all__ = ["Ordered", "PositiveOrdered"]


@dataclasses.dataclass(frozen=True, eq=False)
class Ordered(Bijector):
    r"""Increasing vectors: $x_1 = y_1$, $x_k = x_{k-1} + e^{y_k}$, with $\log|\det J| = \sum_{k \ge 2} y_k$.

    A step that is lost beside x makes two components equal. The inverse knows a step no better than the components
    from whose difference it comes.

    Shapes: y and x ``(..., n)``.

    Example:
        >>> Ordered().forward([-1.0, 0.0, 0.0])
        array([-1, 0, 1], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Ordered Vector.
    """

    event_ndim_in = event_ndim_out = 1

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        steps, log_slopes = saturating_exp(y[..., 1:], _limit(y))
        x = mx.cumsum(mx.concatenate([y[..., :1], steps], axis=-1), axis=-1)
        return x, mx.sum(log_slopes, axis=-1)

    def _inverse(self, x: Array) -> Array:
        steps = saturating_log(x[..., 1:] - x[..., :-1], _limit(x))
        return mx.concatenate([x[..., :1], steps], axis=-1)


@dataclasses.dataclass(frozen=True, eq=False)
class PositiveOrdered(Bijector):
    r"""Increasing vectors of positive numbers: $x_k = \sum_{j \le k} e^{y_j}$, with $\log|\det J| = \sum_k y_k$.

    Shapes: y and x ``(..., n)``.

    Example:
        >>> PositiveOrdered().forward([0.0, 0.0, 0.0])
        array([1, 2, 3], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Positive Ordered Vector.
    """

    event_ndim_in = event_ndim_out = 1

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        steps, log_slopes = saturating_exp(y, _limit(y))
        return mx.cumsum(steps, axis=-1), mx.sum(log_slopes, axis=-1)

    def _inverse(self, x: Array) -> Array:
        return saturating_log(mx.concatenate([x[..., :1], x[..., 1:] - x[..., :-1]], axis=-1), _limit(x))


def _limit(x: Array) -> float:
    """So that n steps add up to a finite number."""
    return LIMIT[x.dtype] - math.log(max(x.shape[-1], 1))
