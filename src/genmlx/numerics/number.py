"""Functions of parameters that are Python numbers or arrays.

A Python number is computed on the host: a literal ``1.0`` in a model costs no MLX operation. Arrays go to MLX.
"""

import math
from typing import Any

import mlx.core as mx

from genmlx.numerics import special
from genmlx.numerics.special import elementary
from genmlx.numerics.types import Array, Number

__all__ = ["digamma_excess", "exp", "expm1", "lgamma", "log", "log1p", "remainder", "sqrt"]

Parameter = Any
"""A Python number or an array."""


def log(x: Parameter) -> Parameter:
    """log x; -inf at 0, NaN below."""
    if isinstance(x, mx.array):
        return mx.log(x)
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def log1p(x: Parameter) -> Parameter:
    """log(1 + x); -inf at -1."""
    if isinstance(x, mx.array):
        return elementary.log1p(x)
    return math.log1p(x) if x > -1 else (-math.inf if x == -1 else math.nan)


def exp(x: Parameter) -> Parameter:
    """e^x; inf where it overflows."""
    if isinstance(x, mx.array):
        return elementary.exp(x)
    return math.inf if x > 709.0 else math.exp(x)


def expm1(x: Parameter) -> Parameter:
    """e^x - 1; inf where it overflows."""
    if isinstance(x, mx.array):
        return elementary.expm1(x)
    return math.inf if x > 709.0 else math.expm1(x)


def sqrt(x: Parameter) -> Parameter:
    """Square root; NaN below 0."""
    if isinstance(x, mx.array):
        return mx.sqrt(x)
    return math.nan if x < 0 else math.sqrt(x)


def lgamma(x: Parameter) -> Parameter:
    """log |Gamma(x)|; +inf at 0."""
    if isinstance(x, mx.array):
        return special.lgamma(x)
    return math.lgamma(x) if x > 0 else (math.inf if x == 0 else math.nan)


def remainder(z: Parameter) -> Parameter:
    """S(z) of log Γ(z + 1) = z log z - z + S(z), z > 0: by Stirling's formula for Γ(z + 2) = (z + 1) z!.

    What is left of a factorial when its powers are taken together with others, log(2πz)/2 + 1/(12z) - ...
    """
    if not isinstance(z, mx.array):
        return _remainder_of_number(z)
    up = z + 2.0
    return z * mx.log1p(2.0 / z) + 1.5 * mx.log(up) - mx.log1p(z) + (special.HALF_LOG_2PI - 2.0) + special.binet(up)


def _remainder_of_number(z: Number) -> float:
    if z > 1e6:  # where the difference below cancels, also in double precision
        return special.HALF_LOG_2PI + 0.5 * math.log(z) + 1.0 / (12.0 * z)
    if z <= 0:
        return 0.0 if z == 0 else math.nan
    return math.lgamma(z + 1.0) - z * math.log(z) + z


def digamma_excess(s: Parameter) -> Array:
    """psi(s) - log(s), of relative accuracy also for large s, where entropies multiply it by s."""
    s = s if isinstance(s, mx.array) else mx.array(float(s))
    far = s > 8.0
    near = mx.where(far, 1.0, s)
    r = 1.0 / mx.where(far, s, 8.0)
    r2 = r * r
    series = -r * (0.5 + r * (1.0 / 12.0 - r2 * (1.0 / 120.0 - r2 * (1.0 / 252.0 - r2 / 240.0))))
    return mx.where(far, series, special.digamma(near) - mx.log(near))
