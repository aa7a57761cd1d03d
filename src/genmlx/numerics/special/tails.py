"""What the incomplete gamma and beta functions share: exponents that do not cancel, and a rule for tail integrals.

Both tails are integrals ∫ exp(l(s)) ds over s > 0 of a log-concave, decreasing function, once the variable is a
logarithm (log odds). With a bound S beyond which nothing is left (l(S) < -17 in float32, -38 in float64) Gauss and
Legendre's rule on [0, S] converges at a rate that hardly depends on the parameters: 12 nodes leave 4e-8, 26 nodes
1e-16 of the integral. The nodes lie along a new first axis, so that all of them cost a few operations.
"""

import functools

import mlx.core as mx
import numpy as np

from genmlx.numerics.special.common import polynomial
from genmlx.numerics.special.elementary import log1p
from genmlx.numerics.types import Array

__all__ = ["DEPTH", "SMALLEST", "deviance", "nodes", "omega", "product_difference"]

DEPTH = {mx.float32: 17.0, mx.float64: 38.0}
"""The logarithm, up to its sign, of what an integrand may have fallen to where the integration stops."""

SMALLEST = {mx.float32: 1e-37, mx.float64: 1e-290}
"""Variables are kept above it."""

_SPLITTER = {mx.float32: 2.0**12 + 1.0, mx.float64: 2.0**27 + 1.0}
_NODES = {mx.float32: 12, mx.float64: 26}

# Chebyshev interpolants (computed with 80 digits) as coefficients of powers, lowest first; float32, float64.

# (exp(y) - 1 - y) / y^2 for |y| < 4.5 and 5.25 (error 4e-8, at both ends where it does not count, and 4e-17).
_OMEGA = {
    mx.float32: (
        0.5000000103, 0.1666666673, 0.04166661703, 8.333330483e-3, 1.388927979e-3, 1.984149441e-4, 2.479008124e-5,
        2.755070469e-6, 2.771778395e-7, 2.514446268e-8, 1.973880709e-9, 1.540272003e-10, 1.537997669e-11,
        9.912003476e-13,
    ),
    mx.float64: (
        0.5, 0.166666666666666634, 0.0416666666666666655, 8.33333333333345595e-3, 1.38888888888889321e-3,
        1.98412698412561494e-4, 2.48015873015824793e-5, 2.75573192246946615e-6, 2.75573192242355423e-7,
        2.50521083649070402e-8, 2.0876756980634286e-9, 1.60590442043308046e-10, 1.14707457272145178e-11,
        7.64715943924745415e-13, 4.77947581963788938e-14, 2.81149090417295978e-15, 1.56193255921734938e-16,
        8.21885279885156598e-18, 4.10968897690640604e-19, 1.9635773513002482e-20, 8.91896739772310861e-22,
        3.72755647497435099e-23, 1.56204938359404546e-24, 8.23220031874482363e-26, 3.11201301446009115e-27,
    ),
}  # fmt: skip

# (atanh(s) / s - 1) / s^2 in s^2 < 0.1 (error 1e-10, 3e-20).
_ATANH = {
    mx.float32: (0.3333333333, 0.2000000308, 0.1428535717, 0.1112614839, 0.08808120364, 0.100740175),
    mx.float64: (
        0.333333333333333333, 0.200000000000000023, 0.142857142857132051, 0.11111111111312206,
        0.0909090907160826076, 0.0769230878297211554, 0.0666662770506365898, 0.0588326554108910469,
        0.0524898439055035794, 0.0490580369045741395, 0.0344011249977728588, 0.0712261415653869854,
    ),
}  # fmt: skip


def omega(y: Array) -> Array:
    """(exp(y) - 1 - y) / y² for |y| < 4.5 in float32, 5.25 in float64."""
    return polynomial(_OMEGA[y.dtype], y)


def deviance(y: Array, y0: Array, difference: Array) -> Array:
    """y log(y / y0) - (y - y0) for y, y0 > 0, given y - y0; to a few ulp where y is near y0, where it is small."""
    s = difference / (y + y0)
    s2 = mx.square(s)
    near = s2 < 0.1
    s2 = mx.where(near, s2, 0.0)
    series = s * (difference + 2.0 * y * s2 * polynomial(_ATANH[y.dtype], s2))
    # The logarithm of a constant and relative changes: second derivatives of log(y0 / y) overflow at 1e-20.
    least = SMALLEST[y.dtype]
    fixed, fixed0 = mx.stop_gradient(y), mx.stop_gradient(mx.maximum(y0, least))
    log_ratio = mx.log(mx.maximum(fixed0 / fixed, least)) + log1p((y0 - mx.stop_gradient(y0)) / fixed0)
    log_ratio = log_ratio - log1p((y - fixed) / fixed)
    return mx.where(near, series, -y * log_ratio - difference)


def product_difference(a: Array, b: Array, c: Array, d: Array) -> Array:
    """The difference a b - c d with the rounding errors of both products added back (Dekker's, by halves)."""
    error = _rounding(a, b) - _rounding(c, d)
    return (a * b - c * d) + mx.stop_gradient(error)


def _rounding(a: Array, b: Array) -> Array:
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return ((a_high * b_high - a * b) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(x: Array) -> tuple[Array, Array]:
    scaled = _SPLITTER[x.dtype] * x
    high = scaled - (scaled - x)
    return high, x - high


def nodes(dtype: mx.Dtype, ndim: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre's rule on [0, 1], along an axis before ``ndim`` others."""
    places, weights = _rule(dtype)
    shape = (-1, *(1,) * ndim)
    return places.reshape(shape), weights.reshape(shape)


@functools.lru_cache(maxsize=2)
def _rule(dtype: mx.Dtype) -> tuple[Array, Array]:
    places, weights = np.polynomial.legendre.leggauss(_NODES[dtype])
    return mx.array(0.5 * (places + 1.0), dtype), mx.array(0.5 * weights, dtype)
