"""Owen's T function, of which the distribution function of the skew normal law is made."""

import math

import mlx.core as mx

from genmlx.numerics.special.common import HALF_LOG_2PI, path_integral, promote
from genmlx.numerics.special.elementary import exp, exp2
from genmlx.numerics.special.normal import ndtr, scaled_tail
from genmlx.numerics.special.tails import DEPTH, nodes
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["owens_t"]

_LOG2_E = 1.0 / math.log(2.0)


def owens_t(h: ArrayLike, a: ArrayLike) -> Array:
    """Owen's T(h, a) = (1/2π) ∫ exp(-h² (1 + t²)/2) / (1 + t²) dt over 0 < t < a: P(X > h and 0 < Y < a X).

    X and Y are independent standard normals. Even in h, odd in a. The skew normal law has the distribution function
    Φ(x) - 2 T(x, shape). By Gauss and Legendre's rule for abs(a) < 1, else from T(a h, 1/a); 110 operations, 150 in
    float64.

    Example:
        >>> owens_t(0.0, 1.0)  # atan(1) / (2 pi)
        array(0.125, dtype=float32)

    References:
        Owen, Tables for computing bivariate normal probabilities, Ann. Math. Statist. 27 (1956).
    """
    h, a = mx.broadcast_arrays(*promote(h, a))
    # Beyond 40 all tails are 0. The root of the largest number is as good as infinity for a.
    h, a = mx.clip(h, -40.0, 40.0), mx.clip(a, -1e18, 1e18)
    return mx.stop_gradient(_value(h, a)) + path_integral(_slope, h, a)


def _value(h: Array, a: Array) -> Array:
    h, slope = mx.abs(h), mx.abs(a)
    steep = slope > 1.0
    within = mx.where(steep, 1.0 / mx.where(steep, slope, 1.0), slope)
    far = mx.minimum(slope * h, 40.0)
    value = _integral(mx.where(steep, far, h), within)
    near_tail, far_tail = _tail(h), _tail(far)
    value = mx.where(steep, 0.5 * (near_tail + far_tail) - near_tail * far_tail - value, value)
    return mx.where(a < 0.0, -value, value)


def _slope(h: Array, a: Array) -> tuple[Array, Array]:
    """∂T/∂h = -φ(h) (Φ(a h) - 1/2) and ∂T/∂a = exp(-h² (1 + a²)/2) / (2π (1 + a²)); they cancel in the reflection."""
    square = mx.square(a)
    towards_h = -exp(-0.5 * mx.square(h) - HALF_LOG_2PI) * (ndtr(mx.clip(a * h, -40.0, 40.0)) - 0.5)
    return towards_h, exp(-0.5 * mx.minimum(mx.square(h) * (1.0 + square), 200.0)) / ((2.0 * math.pi) * (1.0 + square))


def _tail(z: Array) -> Array:
    return scaled_tail(z) * exp(-0.5 * mx.square(z))


def _integral(h: Array, a: Array) -> Array:
    enough = math.sqrt(2.0 * DEPTH[h.dtype]) / mx.maximum(h, 1.0)
    end = mx.minimum(a, enough)
    places, weights = nodes(h.dtype, h.ndim)
    t2 = mx.square(end * places)
    density = exp2((-0.5 * _LOG2_E) * mx.square(h) * t2) / (1.0 + t2)
    return exp(-0.5 * mx.square(h)) * (0.5 / math.pi) * end * (density * weights).sum(axis=0)
