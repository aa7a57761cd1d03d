"""Positive numbers: the exponential, and softplus for those who want no exponential growth."""

import dataclasses

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.saturation import LIMIT, absolute, exp, saturating_exp, saturating_log
from genmlx.numerics.special.elementary import expm1, log1p
from genmlx.numerics.types import Array

__all__ = ["Exp", "Softplus"]


@dataclasses.dataclass(frozen=True, eq=False)
class Exp(Bijector):
    r"""$x = e^y > 0$, of numbers, with $\log|dx/dy| = y$.

    Float32 holds $1.6 \cdot 10^{-38} \le x \le 6 \cdot 10^{37}$, which is |y| <= 87. x saturates beyond; above 87 the
    log determinant is -inf. The choice for scales: a change of y by 1 is a factor, wherever x is.

    Example:
        >>> Exp().inverse(1e-30).item(), Exp().log_det_jacobian(1.5).item()
        (-69.07755279541016, 1.5)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Lower Bounded Scalar.
    """

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        return saturating_exp(y)

    def _inverse(self, x: Array) -> Array:
        return saturating_log(x)


@dataclasses.dataclass(frozen=True, eq=False)
class Softplus(Bijector):
    r"""$x = \log(1 + e^y) > 0$, of numbers, with $\log|dx/dy| = -\log(1 + e^{-y})$.

    Like $e^y$ for small x and like y for large ones, so that a wild step in y is no astronomical x: the usual choice
    for optimisation. Not the registered bijector of positive numbers; ``register_bijector(domains.positive,
    Softplus())`` makes it so.

    Example:
        >>> round(Softplus().forward(0.0).item(), 6), round(Softplus().inverse(100.0).item(), 6)
        (0.693147, 100.0)
    """

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        negative, size = absolute(y)
        rest = log1p(exp(-mx.minimum(size, LIMIT[y.dtype])))
        return mx.where(negative, 0.0, y) + rest, -mx.where(negative, size, 0.0) - rest

    def _inverse(self, x: Array) -> Array:
        # log(e^x - 1), written so that it neither overflows nor cancels.
        return mx.maximum(x + mx.log(-expm1(-x)), -LIMIT[x.dtype])
