"""The identity, for supports without a constraint."""

import dataclasses

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector
from genmlx.numerics.types import Array

__all__ = ["Identity"]


@dataclasses.dataclass(frozen=True, eq=False)
class Identity(Bijector):
    r"""$x = y$, of numbers; the log determinant is 0.

    Example:
        >>> Identity().forward_and_log_det(0.5)
        (array(0.5, dtype=float32), array(0, dtype=float32))
    """

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        return y, mx.zeros_like(y)

    def _inverse(self, x: Array) -> Array:
        return x
