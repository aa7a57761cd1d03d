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

from genmlx.numerics.special.common import HALF_LOG_2PI, promote
from genmlx.numerics.special.elementary import exp, exp2, expm1, log1p
from genmlx.numerics.special.gamma import betaln, binet, binet_difference, lgamma_small
from genmlx.numerics.special.incomplete_gamma import log_gamma_start, rough_quantile
from genmlx.numerics.special.tails import DEPTH, SMALLEST, deviance, nodes, omega, product_difference
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["betainc", "betaincc", "betaincinv"]

_RAISE = {mx.float32: 8, mx.float64: 13}
_KNEE = 0.25
_SERIES = {mx.float32: 7, mx.float64: 15}
_HALLEY_STEPS = {mx.float32: 2, mx.float64: 3}
_BELOW_ONE = {mx.float32: 1.0 - 2.0**-24, mx.float64: 1.0 - 2.0**-53}
_LOG2_E = 1.0 / math.log(2.0)


class Tail(NamedTuple):
    """One tail of Beta(a, b) at x, the smaller one or nearly; x is a constant in it."""

    lower: Array
    """Whether it is the lower one, I_x(a, b)."""
    value: Array
    log_value: Array
    log_density: Array
    """Of the log odds: log(x^a (1 - x)^b / B(a, b))."""
    x: Array
    y: Array


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Regularised incomplete beta function, I_x(a, b) = ∫ t^(a-1) (1 - t)^(b-1) dt / B(a, b) over 0 < t < x.

    For a, b > 0, 0 <= x <= 1: the distribution function of Beta(a, b). nan elsewhere. The other tail, where small,
    is I_{1-x}(b, a).

    Example:
        >>> betainc(2.0, 3.0, 0.5)  # 11/16
        array(0.6875, dtype=float32)
    """
    a, b, x = mx.broadcast_arrays(*promote(a, b, x))
    t = beta_tail(a, b, x)
    value = mx.where(t.lower, t.value, 1.0 - t.value) + _integral_of_density(t, a, b, x)
    return _defined(a, b, x, value, mx.floor(x))


def betaincc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Complement of the regularised incomplete beta function, 1 - I_x(a, b), accurate where it is small.

    Example:
        >>> betaincc(3.0, 2.0, 0.5)  # 11/16
        array(0.6875, dtype=float32)
    """
    a, b, x = mx.broadcast_arrays(*promote(a, b, x))
    t = beta_tail(a, b, x)
    value = mx.where(t.lower, 1.0 - t.value, t.value) - _integral_of_density(t, a, b, x)
    return _defined(a, b, x, value, mx.ceil(1.0 - x))


def _defined(a: Array, b: Array, x: Array, value: Array, at_ends: Array) -> Array:
    """The value for 0 < x < 1, ``at_ends`` at 0 and 1, nan outside and unless a, b > 0."""
    inside = mx.minimum(x, 1.0 - x)
    defined = mx.logical_and(inside >= 0.0, mx.minimum(a, b) > 0.0)
    return mx.where(defined, mx.where(inside > 0.0, value, at_ends), math.nan)


def beta_tail(a: Array, b: Array, x: Array) -> Tail:
    """The smaller tail at x and the density there; differentiable in a and b to any order, and constant in x."""
    x = mx.stop_gradient(mx.clip(x, SMALLEST[x.dtype], _BELOW_ONE[x.dtype]))
    y = 1.0 - x
    log_x, log_y = mx.log(x), log1p(-x)
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
    shoulder = mx.logical_and(tiny, mx.logical_not(lower))

    # The tail below z of (s, t), or the tail below w of (t, s).
    n = _RAISE[x.dtype]
    p, q = mx.where(lower, s, t), mx.where(lower, t, s)
    z0, w0 = mx.where(lower, z, w), mx.where(lower, w, z)
    kappa = mx.where(shoulder, 1.0, mx.where(lower, distance, -distance) + float(n) * w0)
    total = p + q + float(n)
    end = _end(mx.stop_gradient(p + float(n)), mx.stop_gradient(q), z0, w0, mx.stop_gradient(kappa))
    at, weights = nodes(x.dtype, x.ndim)
    v = -end * at
    zv, wv = z0 * v, w0 * v
    excess = zv * wv * (z0 * omega(-zv) + w0 * omega(wv))
    exponent = (_LOG2_E * kappa) * v - (_LOG2_E * total) * log1p(excess)
    integral = end * (exp2(exponent) * weights).sum(axis=0)
    series = (p + float(n)) * integral
    for k in range(n, 0, -1):
        series = 1.0 + z0 * ((p + q + float(k - 1)) / (p + float(k))) * series
    factor = mx.where(lower, 1.0, s / t) * series

    # 1 - z^s / (s B) (1 + s Σ (1 - t)...(k - t) z^k / (k! (s + k))).
    small_s, small_z, small_t = mx.where(tiny, s, 0.5), mx.where(tiny, z, 0.0), mx.where(tiny, t, 1.0)
    term = (1.0 - small_t) * small_z
    further = term / (small_s + 1.0)
    for k in range(2, _SERIES[x.dtype] + 1):
        term = term * ((float(k) - small_t) * (1.0 / k)) * small_z
        further = further + term / (small_s + float(k))
    less = expm1(mx.where(tiny, u, 0.0))
    knee = -less - (less + 1.0) * small_s * further

    value = mx.where(shoulder, knee, exp(log_power) * factor)
    log_value = mx.where(shoulder, 0.0, log_power) + mx.log(mx.where(shoulder, knee, factor))
    return Tail(mx.logical_not(mx.equal(lower, swap)), value, log_value, log_power + mx.log(s), x, y)


def _log_power(
    s: Array, t: Array, z: Array, w: Array, log_z: Array, log_w: Array, distance: Array
) -> tuple[Array, Array]:
    """log(z^s w^t / (s B(s, t))), s <= t; and without w^t, the latter for s < 3/2."""
    small = s < 1.5
    low = mx.where(small, s, 1.5)
    # log Γ(t + s) - log Γ(t) = s log t + what is below, by Stirling's formula; t is raised by 2 below 2.
    raised = t < 2.0
    up = mx.where(raised, t + 2.0, t)
    step = (low + up - 0.5) * log1p(low / up) - low + binet_difference(up, low)
    back = mx.where(raised, t, 1.0)
    step = step - mx.where(raised, log1p(low * (1.0 + 2.0 * back + low) / (back * (back + 1.0))), 0.0)
    u = low * (log_z + mx.log(up)) + step - lgamma_small(low)
    near = u + mx.where(small, t, 1.0) * log_w
    # Above 3/2 by Stirling's formula for Γ(s + 1), Γ(t + 1): the deviance of the odds, where it cancels.
    s1, t1 = mx.where(small, 2.5, s + 1.0), mx.where(small, 2.5, t + 1.0)
    z1, w1 = mx.where(small, 0.5, z), mx.where(small, 0.5, w)
    total = s1 + t1
    delta = mx.where(small, 0.0, distance + (w - z))
    apart = deviance(s1, total * z1, delta) + deviance(t1, total * w1, -delta)
    scale = mx.log((t1 - 1.0) / (total - 1.0) * mx.sqrt(s1 * (t1 / total)) / (total - 2.0))
    far = (scale - HALF_LOG_2PI - log_z - log_w) + (binet(total) - binet(s1) - binet(t1)) - apart
    return mx.where(small, near, far), u


def _end(p: Array, q: Array, z: Array, w: Array, kappa: Array) -> Array:
    """A bound of what the integrand reaches: first one for every case, then two that are sharp at either end."""
    depth = DEPTH[p.dtype]
    total = p + q
    b = depth - 2.0 * kappa
    s = 4.0 * depth / (mx.sqrt(mx.square(b) + (8.0 * depth) * (kappa + total * z * w)) - b)
    s = mx.minimum(s, (depth - total * mx.log(w + z * exp(-s))) / p)
    for _ in range(2):
        s = mx.minimum(s, mx.log((expm1(mx.minimum((depth + q * s) / total, 80.0)) + w) / w))
    return s


def _integral_of_density(t: Tail, a: Array, b: Array, x: Array) -> Array:
    """From x₀ to x, which is 0 in value, by Taylor's formula: derivatives to the third order are exact."""
    h = x - mx.stop_gradient(x)
    r, q = 1.0 / mx.maximum(t.x, 1e-18), 1.0 / mx.maximum(t.y, 1e-18)
    c, d = mx.clip((a - 1.0) * r, -1e18, 1e18), mx.clip((b - 1.0) * q, -1e18, 1e18)
    series = 1.0 + 0.5 * h * ((c - d) + (1.0 / 3.0) * h * (mx.square(c - d) - c * r - d * q))
    return h * (exp(t.log_density) / t.x / t.y) * series


# ---- the inverse -----------------------------------------------------------------------------------------------------


def betaincinv(a: ArrayLike, b: ArrayLike, p: ArrayLike) -> Array:
    """Inverse of `betainc` in x: the quantile function of Beta(a, b).

    0 at p = 0, 1 at 1, nan outside [0, 1]. Derivatives in a, b and p are exact to the third order. Halley's steps for
    the log odds, on the logarithm of the tail, which is concave there.

    Example:
        >>> betaincinv(2.0, 3.0, 0.6875)
        array(0.5, dtype=float32)

    References:
        Majumder and Bhattacharjee, Algorithm AS 64/109, Applied Statistics 22 (1973) and 26 (1977): one of the starts.
        Wise, On normalizing the incomplete beta-function, Biometrika 37 (1950): another.
    """
    a, b, p = mx.broadcast_arrays(*promote(a, b, p))
    return beta_quantile(a, b, p, 1.0 - p)


def beta_quantile(a: Array, b: Array, p: Array, q: Array) -> Array:
    """Solves I_x(a, b) = p if p < q, else 1 - I_x(a, b) = q."""
    inside = mx.minimum(p, q) > 0.0
    lower = p < q
    target = mx.where(inside, mx.where(lower, p, q), 0.25)
    least = SMALLEST[a.dtype]
    log_target = mx.log(mx.maximum(target, least))
    frozen_a, frozen_b, frozen = mx.stop_gradient(a), mx.stop_gradient(b), mx.stop_gradient(log_target)
    v = _start(frozen_a, frozen_b, frozen, lower)
    bottom, top = math.log(least), 16.6 if a.dtype == mx.float32 else 36.7
    for _ in range(_HALLEY_STEPS[a.dtype]):
        f, _, curve, _ = _log_tail(frozen_a, frozen_b, frozen, v, lower)
        v = mx.clip(v - mx.clip(f / mx.maximum(1.0 - 0.5 * f * curve, 0.3), -4.0, 4.0), bottom, top)
    f, slope, curve, t = _log_tail(a, b, log_target, mx.stop_gradient(v), lower)
    further = 2.0 * mx.square(curve) + (a + b) * t.x * t.y + slope * curve
    step = f * (1.0 + f * (0.5 * curve + f * (1.0 / 6.0) * further))
    x = t.x / (t.x + t.y * exp(mx.clip(step, -4.0, 4.0)))
    return mx.where(inside, x, mx.where(mx.minimum(p, q) >= 0.0, mx.stop_gradient(p), math.nan))


def _log_tail(a: Array, b: Array, log_target: Array, v: Array, lower: Array) -> tuple[Array, Array, Array, Tail]:
    """Of F(v) = log tail at log odds v: (F - log target) / F', F', F''/F', and the tail."""
    t = beta_tail(a, b, 1.0 / (1.0 + exp(-v)))
    log_tail = mx.where(mx.equal(t.lower, lower), t.log_value, log1p(-mx.minimum(t.value, 0.999)))
    r = exp(mx.clip(t.log_density - log_tail, -80.0, 80.0))
    slope = mx.where(lower, r, -r)
    return (log_tail - log_target) / slope, slope, (a * t.y - b * t.x) - slope, t


def _start(a: Array, b: Array, log_target: Array, lower: Array) -> Array:
    """The log odds, near enough for two steps to leave 1e-3."""
    # Exchanged, so that it is the lower tail of (c, d) that is known.
    c, d = mx.where(lower, a, b), mx.where(lower, b, a)
    log_beta = betaln(c, d)
    log_rest = log1p(-exp(log_target))

    # Leading terms at 0 and at 1, with one correction.
    near_0, size_0 = _leading(c, d, log_target, log_beta)
    near_1, size_1 = _leading(d, c, log_rest, log_beta)

    # AS 109, for both parameters above 5.
    z = rough_quantile(log_target)
    s, t = 1.0 / mx.maximum(2.0 * c - 1.0, 1.0), 1.0 / mx.maximum(2.0 * d - 1.0, 1.0)
    h, k = 2.0 / (s + t), (mx.square(z) - 3.0) / 6.0
    w = z * mx.sqrt(mx.maximum(h + k, 1e-3)) / h - (t - s) * (k + 5.0 / 6.0 - 2.0 / (3.0 * h))
    centre = mx.log(c / d) - 2.0 * w

    # Wise: -(large + (small - 1)/2) log(1 - x) is about Gamma(small).
    exchanged = c > d
    small, large = mx.where(exchanged, d, c), mx.where(exchanged, c, d)
    log_g = log_gamma_start(small, log_target, mx.logical_not(exchanged)) - mx.log(large + 0.5 * (small - 1.0))
    g = exp(mx.clip(log_g, -80.0, 4.0))
    odds = mx.log(expm1(g))
    wise = mx.where(exchanged, -odds, odds)

    other = mx.where(size_1 < 0.3, -near_1, mx.where(mx.maximum(c, d) < 1.0, 0.0, wise))
    v = mx.where(mx.minimum(c, d) > 5.0, centre, mx.where(size_0 < 0.5, near_0, other))
    limit = -math.log(SMALLEST[a.dtype])
    return mx.clip(mx.where(lower, v, -v), -limit, limit)


def _leading(c: Array, d: Array, log_p: Array, log_beta: Array) -> tuple[Array, Array]:
    """Log odds of x with x^c / (c B) = p, after one correction, and the size of the correction (1 for x > 0.9)."""
    log_x = (log_p + mx.log(c) + log_beta) / c
    x = exp(mx.clip(log_x, -80.0, 0.0))
    corrected = mx.minimum(log_x + (d - 1.0) * x / (c + 1.0), -1e-3)
    size = mx.where(log_x < -0.1, mx.maximum(d, 1.0) * x / (c + 1.0), 1.0)
    return corrected - mx.log(-expm1(corrected)), size
