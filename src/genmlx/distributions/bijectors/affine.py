"""Shift, scale, negate: the maps from which others are composed."""

import dataclasses
import math

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector, fit
from genmlx.numerics.errors import DomainError
from genmlx.numerics.types import Array, Number

__all__ = ["Negate", "Scale", "Shift"]


@dataclasses.dataclass(frozen=True, eq=False)
class Shift(Bijector):
    """$x = y + c$, of numbers; the log determinant is 0.

    Args:
        shift: c, a number or an array that broadcasts to y; it may depend on other choices.

    Example:
        >>> Shift(2.0).forward(0.5).item()
        2.5
    """

    shift: Number | Array

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        y, shift = fit(self, y, self.shift)
        return y + shift, mx.zeros_like(y)

    def _inverse(self, x: Array) -> Array:
        x, shift = fit(self, x, self.shift)
        return x - shift


@dataclasses.dataclass(frozen=True, eq=False)
class Scale(Bijector):
    r"""$x = s y$, of numbers, with $\log|dx/dy| = \log|s|$.

    Args:
        scale: s, not 0, of either sign; a number or an array that broadcasts to y.

    Example:
        >>> Scale(-4.0).forward_and_log_det(0.5)
        (array(-2, dtype=float32), array(1.38629, dtype=float32))
    """

    scale: Number | Array

    def __post_init__(self) -> None:
        if isinstance(self.scale, int | float) and self.scale == 0:
            raise DomainError("the scale of Scale must not be 0, which maps every y to 0")

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        y, scale = fit(self, y, self.scale)
        log_scale = mx.log(mx.abs(scale)) if isinstance(scale, mx.array) else math.log(abs(scale))
        return y * scale, mx.zeros_like(y) + log_scale

    def _inverse(self, x: Array) -> Array:
        x, scale = fit(self, x, self.scale)
        return x / scale


@dataclasses.dataclass(frozen=True, eq=False)
class Negate(Bijector):
    """$x = -y$, of numbers; the log determinant is 0.

    Example:
        >>> Negate().forward(0.5).item()
        -0.5
    """

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        return -y, mx.zeros_like(y)

    def _inverse(self, x: Array) -> Array:
        return -x
