"""Exponentials that stay inside the range of floats, and bounds that are not reached.

A long trajectory may try y = 1e4. The exponential of it is no float; what takes its place here is a value at the edge
of the range with slope 0, so that no inf or NaN reaches the density behind it.
"""

import math

import mlx.core as mx
import numpy as np

from genmlx.numerics.special import elementary
from genmlx.numerics.types import Array, Number

__all__ = ["LIMIT", "TINY", "absolute", "exp", "just_above", "just_below", "saturating_exp", "saturating_log"]

# e^±limit is a normal float. On the CPU mx.exp is 0 below -87.3 and inf from 88.4 on or so, in float32.
LIMIT = {mx.float32: 87.0, mx.float64: 708.0}
_EPS = {mx.float32: 2.0**-23, mx.float64: 2.0**-52}
TINY = {mx.float32: 2.0**-126, mx.float64: 2.0**-1022}
_LOG_2_HIGH = float.fromhex("0x1.62e42feep-1")  # 32 bits, so that k times it is exact
_LOG_2_LOW = 1.9082149292705877e-10
_NUMPY = {mx.float32: np.float32, mx.float64: np.float64}


def exp(x: Array) -> Array:
    """e^x, with the accuracy of its dtype and derivatives of every order, for e^x within the range of floats."""
    if x.dtype == mx.float32:
        return elementary.exp(x)
    # mx.exp of a float64 is a float32 in disguise, and the third derivative of mx.power is twice what it should be.
    k = mx.stop_gradient(mx.round(x * (1.0 / math.log(2.0))))
    return (1.0 + mx.expm1((x - k * _LOG_2_HIGH) - k * _LOG_2_LOW)) * mx.power(2.0, k)


def saturating_exp(y: Array, limit: float | None = None) -> tuple[Array, Array]:
    """e^y for |y| <= limit, its value there beyond; and the logarithm of its slope.

    Beyond the upper limit the logarithm is -inf: it would grow with y while the density stands still, and the mass
    would run away. Below the lower one it stays y, which is smaller than anything, and its gradient points back.
    """
    limit = LIMIT[y.dtype] if limit is None else limit
    return exp(mx.clip(y, -limit, limit)), mx.where(y > limit, -math.inf, y)


def saturating_log(x: Array, limit: float | None = None) -> Array:
    """The inverse of `saturating_exp`, finite for 0 and inf; NaN for x < 0."""
    limit = LIMIT[x.dtype] if limit is None else limit
    return mx.clip(mx.log(x), -limit, limit)


def absolute(y: Array) -> tuple[Array, Array]:
    """Whether y < 0, and |y| with slope 1 at 0, where mx.abs has none (the even functions of it want one)."""
    negative = y < 0.0
    return negative, mx.where(negative, -y, y)


def just_above(bound: Number | Array, dtype: mx.Dtype) -> Number | Array:
    """The next float above a bound (above 0: the smallest normal one)."""
    # 0.501 eps |b| rounds to one unit in the last place for every b, and differentiates with the bound.
    if isinstance(bound, mx.array):
        return bound + mx.maximum(mx.abs(bound) * (0.501 * _EPS[dtype]), TINY[dtype])
    bound = float(_NUMPY[dtype](bound))
    return bound + max(abs(bound) * (0.501 * _EPS[dtype]), TINY[dtype])


def just_below(bound: Number | Array, dtype: mx.Dtype) -> Number | Array:
    """The next float below a bound (below 0: the smallest normal one)."""
    return -just_above(-bound, dtype)
