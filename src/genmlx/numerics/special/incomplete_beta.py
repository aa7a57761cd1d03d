"""The regularised incomplete beta function, that is both tails of the beta distribution.

For a tail below x the variable of integration is v, with log odds log(t/(1 - t)) = log(x/(1 - x)) + v, v < 0. With
κ = a - (a + b) x >= 0 and ω(y) = e^y - 1 - y,

    t^(a-1) (1 - t)^(b-1) dt = x^a (1 - x)^b exp(κ v) / (1 + (1 - x) ω(-x v) + x ω((1 - x) v))^(a + b) dv,

in which nothing cancels; upper tails are lower ones with (a, x) and (b, 1 - x) exchanged.
`genmlx.numerics.special.tails` integrates it, after a few terms of a series that raises a. The limits for large b and a
are the tails of the gamma distribution, and so is what remains to be done apart: the tail far from the end of
the smaller parameter s, for s < 1 at a variable z near 0, is 1 - z^s / (s B) (1 + s Σ ...), by expm1.
"""

import math
from typing import NamedTuple

import mlx.core as mx

from genmlx.numerics.special.common import HALF_LOG_2PI, exp, promote
from genmlx.numerics.special.gamma import binet, binet_difference, lgamma_small
from genmlx.numerics.special.tails import DEPTH, deviance, nodes, omega, product_difference
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["betainc"]

_RAISE = {mx.float32: 8, mx.float64: 13}
_KNEE = 0.25
_SERIES = {mx.float32: 7, mx.float64: 15}
_SMALLEST = {mx.float32: 1e-37, mx.float64: 1e-290}
_BELOW_ONE = {mx.float32: 1.0 - 2.0**-24, mx.float64: 1.0 - 2.0**-53}
_LOG2_E = 1.0 / math.log(2.0)


class Tail(NamedTuple):
    """One tail of Beta(a, b) at x, the smaller one or nearly; x is a constant in it."""

    lower: Array
    """Whether it is the lower one, I_x(a, b)."""
    value: Array
    log_density: Array
    """Of the log odds: log(x^a (1 - x)^b / B(a, b))."""
    x: Array
    y: Array


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Regularised incomplete beta function, I_x(a, b)."""
    a, b, x = mx.broadcast_arrays(*promote(a, b, x))
    t = beta_tail(a, b, x)
    value = mx.where(t.lower, t.value, 1.0 - t.value)
    return value + _integral_of_density(t, a, b, x)


def beta_tail(a: Array, b: Array, x: Array) -> Tail:
    """The smaller tail at x and the density there; differentiable in a and b to any order, and constant in x."""
    x = mx.stop_gradient(mx.clip(x, _SMALLEST[x.dtype], _BELOW_ONE[x.dtype]))
    y = 1.0 - x
    log_x, log_y = mx.log(x), mx.log1p(-x)
    swap = a > b
    s, t = mx.where(swap, b, a), mx.where(swap, a, b)
    z, w = mx.where(swap, y, x), mx.where(swap, x, y)
    log_z, log_w = mx.where(swap, log_y, log_x), mx.where(swap, log_x, log_y)
    # The distance from the mean, a (1 - x) - b x; 1 - x is y and a rounding error.
    distance = product_difference(a, y, b, x) + a * ((1.0 - y) - x)
    distance = mx.where(swap, -distance, distance)
    log_power, u = _log_power(s, t, z, w, log_z, log_w, distance)
    tiny = mx.logical_and(z * (t + 2.5) < _KNEE, s < 1.0)
    lower = mx.where(tiny, u < -0.7, distance > 0.0)

    # The tail below z of (s, t), or the tail below w of (t, s).
    n = _RAISE[x.dtype]
    p, q = mx.where(lower, s, t), mx.where(lower, t, s)
    z0, w0 = mx.where(lower, z, w), mx.where(lower, w, z)
    kappa = mx.where(lower, distance, -distance) + n * w0
    total = p + q + float(n)
    end = _end(mx.stop_gradient(p + float(n)), mx.stop_gradient(q), z0, w0, mx.stop_gradient(kappa))
    at, weights = nodes(x.dtype, x.ndim)
    v = -end * at
    zv, wv = z0 * v, w0 * v
    excess = zv * wv * (z0 * omega(-zv) + w0 * omega(wv))
    exponent = (_LOG2_E * kappa) * v - (_LOG2_E * total) * mx.log1p(excess)
    integral = end * (mx.power(2.0, exponent) * weights).sum(axis=0)
    series = (p + float(n)) * integral
    for k in range(n, 0, -1):
        series = 1.0 + z0 * ((p + q + float(k - 1)) / (p + float(k))) * series
    power = exp(log_power)
    direct = mx.where(lower, power, power * (s / t)) * series

    # 1 - z^s / (s B) (1 + s Σ (1 - t)...(k - t) z^k / (k! (s + k))).
    small_s, small_z, small_t = mx.where(tiny, s, 0.5), mx.where(tiny, z, 0.0), mx.where(tiny, t, 1.0)
    term = (1.0 - small_t) * small_z
    further = term / (small_s + 1.0)
    for k in range(2, _SERIES[x.dtype] + 1):
        term = term * ((float(k) - small_t) * (1.0 / k)) * small_z
        further = further + term / (small_s + float(k))
    less = mx.expm1(mx.where(tiny, u, 0.0))
    knee = -less - (less + 1.0) * small_s * further

    value = mx.where(mx.logical_and(tiny, mx.logical_not(lower)), knee, direct)
    return Tail(mx.not_equal(lower, swap), value, log_power + mx.log(s), x, y)


def _log_power(
    s: Array, t: Array, z: Array, w: Array, log_z: Array, log_w: Array, distance: Array
) -> tuple[Array, Array]:
    """log(z^s w^t / (s B(s, t))), s <= t; and without w^t, the latter for s < 3/2."""
    small = s < 1.5
    low = mx.where(small, s, 1.5)
    # log Γ(t + s) - log Γ(t) = s log t + what is below, by Stirling's formula; t is raised by 2 below 2.
    raised = t < 2.0
    up = mx.where(raised, t + 2.0, t)
    step = (low + up - 0.5) * mx.log1p(low / up) - low + binet_difference(up, low)
    back = mx.where(raised, t, 1e30)
    step = step - mx.log1p(low * (1.0 + 2.0 * back + low) / (back * (back + 1.0)))
    u = low * (log_z + mx.log(up)) + step - lgamma_small(low)
    near = u + mx.where(small, t, 1.0) * log_w
    # Above 3/2 by Stirling's formula for Γ(s + 1), Γ(t + 1): the deviance of the odds, where it cancels.
    s1, t1 = mx.where(small, 2.5, s + 1.0), mx.where(small, 2.5, t + 1.0)
    z1, w1 = mx.where(small, 0.5, z), mx.where(small, 0.5, w)
    total = s1 + t1
    delta = mx.where(small, 0.0, distance + (w - z))
    apart = deviance(s1, total * z1, delta) + deviance(t1, total * w1, -delta)
    scale = mx.log((t1 - 1.0) / ((total - 1.0) * z1)) + mx.log(mx.sqrt(s1 * (t1 / total)) / ((total - 2.0) * w1))
    far = scale - HALF_LOG_2PI + (binet(total) - binet(s1) - binet(t1)) - apart
    return mx.where(small, near, far), u


def _end(p: Array, q: Array, z: Array, w: Array, kappa: Array) -> Array:
    """A bound of what the integrand reaches: first one for every case, then two that are sharp at either end."""
    depth = DEPTH[p.dtype]
    total = p + q
    b = depth - 2.0 * kappa
    s = 4.0 * depth / (mx.sqrt(mx.square(b) + (8.0 * depth) * (kappa + total * z * w)) - b)
    s = mx.minimum(s, (depth - total * mx.log(w + z * exp(-s))) / p)
    for _ in range(2):
        s = mx.minimum(s, mx.log((mx.expm1(mx.minimum((depth + q * s) / total, 80.0)) + w) / w))
    return s


def _integral_of_density(t: Tail, a: Array, b: Array, x: Array) -> Array:
    """From x₀ to x, which is 0 in value, by Taylor's formula: derivatives to the third order are exact."""
    h = x - mx.stop_gradient(x)
    r, q = 1.0 / mx.maximum(t.x, 1e-18), 1.0 / mx.maximum(t.y, 1e-18)
    c, d = (a - 1.0) * r, (b - 1.0) * q
    series = 1.0 + 0.5 * h * ((c - d) + (1.0 / 3.0) * h * (mx.square(c - d) - c * r - d * q))
    return h * exp(mx.minimum(t.log_density - mx.log(t.x) - mx.log(t.y), 80.0)) * series
