"""The incomplete gamma functions P and Q, that is both tails of the gamma distribution.

For a tail beyond x the variable of integration is y with t = x e^y. With κ = a - x and ω(y) = e^y - 1 - y >= 0,

    t^a e^(-t) dt/t = x^a e^(-x) exp(κ y - x ω(y)) dy,

where y < 0 belongs to P and y > 0 to Q: a Gaussian where a is large and x near it, an exponential far from there, and
log-concave always. `genmlx.numerics.special.tails` integrates it. Two places are out of a fixed rule's reach, both with
small a, where the integrand has a long flat shoulder: for P, a is raised first, P(a, x) being a few terms of the
power series and P(a + n, x); for Q at x < 1/4 there is a series of its own.

The derivative in a is that of the rule, which is as accurate as the value. In x the value is a constant, and the
density enters by the first three terms of its integral from x₀, the value of x: the gradient in x is the density.

Operations: 300 in float32, 460 in float64; of the inverses 800 and 1600. Twelve (26) values a result in flight.
"""

import math
from typing import NamedTuple

import mlx.core as mx

from genmlx.numerics.special.common import HALF_LOG_2PI, promote
from genmlx.numerics.special.elementary import exp, exp2, expm1, log1p
from genmlx.numerics.special.gamma import binet, lgamma, lgamma_small
from genmlx.numerics.special.tails import DEPTH, SMALLEST, deviance, nodes, omega
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["gammainc", "gammaincc", "gammainccinv", "gammaincinv"]

_RAISE = {mx.float32: 4, mx.float64: 8}
_KNEE = 0.25
_SERIES = {mx.float32: 7, mx.float64: 12}
_HALLEY_STEPS = {mx.float32: 1, mx.float64: 2}
_LOG2_E = 1.0 / math.log(2.0)


# ---- values ----------------------------------------------------------------------------------------------------------


class Tail(NamedTuple):
    """The tail of Gamma(a, 1) on the side of x that has less, or about as much, of the mass; x is a constant in it."""

    lower: Array
    """Whether it is P, else Q."""
    value: Array
    log_value: Array
    log_density: Array
    x: Array
    """Kept off 0 and infinity."""


def gammainc(a: ArrayLike, x: ArrayLike) -> Array:
    """Regularised lower incomplete gamma function, P(a, x) = ∫ t^(a-1) e^(-t) dt / Γ(a) over 0 < t < x.

    For a > 0, x >= 0: the distribution function of Gamma(a, 1). Also P(0, x) = 1; nan for a < 0 and for x < 0.

    Example:
        >>> gammainc(0.5, 2.0)  # erf(sqrt(2))
        array(0.9545, dtype=float32)

    References:
        Gil, Segura and Temme, Efficient and accurate algorithms for the computation and inversion of the incomplete
        gamma function ratios, SIAM J. Sci. Comput. 34 (2012): the choice of the tail, the series for small x.
    """
    a, x = _arguments(a, x)
    t = gamma_tail(a, x)
    value = mx.where(t.lower, t.value, 1.0 - t.value)
    return _defined(a, x, value, 0.0) + _integral_of_density(t, a, x)


def gammaincc(a: ArrayLike, x: ArrayLike) -> Array:
    """Regularised upper incomplete gamma function, Q(a, x) = 1 - P(a, x), accurate where it is small.

    Example:
        >>> gammaincc(3.0, 50.0)
        array(2.5093e-19, dtype=float32)
    """
    a, x = _arguments(a, x)
    t = gamma_tail(a, x)
    value = mx.where(t.lower, 1.0 - t.value, t.value)
    return _defined(a, x, value, 1.0) - _integral_of_density(t, a, x)


def gamma_tail(a: Array, x: Array) -> Tail:
    """The smaller tail beyond x and the density there; differentiable in a to any order, and constant in x."""
    x = mx.stop_gradient(mx.clip(x, SMALLEST[x.dtype], 1e30))
    log_power, u, log_x = _log_power(a, x)
    power = exp(log_power)
    tiny = x < _KNEE
    lower = mx.where(tiny, u < -0.7, x < a)

    # The integral over y, for P(a + n, x) or Q(a, x).
    n = _RAISE[a.dtype]
    inside = mx.where(lower, x, mx.maximum(x, _KNEE))
    kappa = (a - inside) + mx.where(lower, float(n), 0.0)
    end = _end(mx.stop_gradient(a), inside, mx.stop_gradient(kappa), lower, n)
    at, weights = nodes(a.dtype, a.ndim)
    y = end * at
    exponent = y * (_LOG2_E * kappa - (_LOG2_E * inside) * y * omega(y))
    integral = mx.abs(end) * (exp2(exponent) * weights).sum(axis=0)

    # P(a, x) = x^a e^(-x) / Γ(a + 1) (1 + x/(a + 1) (1 + x/(a + 2) (...))).
    below = mx.minimum(x, a + 1.0)  # it is x where P is wanted
    series = (a + float(n)) * integral
    for k in range(n, 0, -1):
        series = 1.0 + below / (a + float(k)) * series

    # Q(a, x) = 1 - x^a / Γ(a + 1) (1 + a Σ (-x)^k / (k! (a + k))), for small x and a: expm1 of a log x - log Γ(a + 1).
    small = mx.where(tiny, x, 0.0)
    small_a = mx.where(a < 1.0, a, 1.0)
    term, alternating = -small, -small / (small_a + 1.0)
    for k in range(2, _SERIES[a.dtype] + 1):
        term = term * small * (-1.0 / k)
        alternating = alternating + term / (small_a + float(k))
    less = expm1(mx.where(tiny, u, 0.0))
    knee = -less - (less + 1.0) * small_a * alternating

    shoulder = mx.logical_and(tiny, mx.logical_not(lower))
    factor = mx.where(lower, series, a * integral)
    value = mx.where(shoulder, knee, power * factor)
    log_value = mx.where(shoulder, 0.0, log_power) + mx.log(mx.where(shoulder, knee, factor))
    return Tail(lower, value, log_value, log_power - log_x + mx.log(a), x)


def _log_power(a: Array, x: Array) -> tuple[Array, Array, Array]:
    """log(x^a e^(-x) / Γ(a + 1)); a log x - log Γ(a + 1), or its value at 3/2 for larger a; log x."""
    log_x = mx.log(x)
    small = a < 1.5
    low = mx.where(small, a, 1.5)
    u = low * log_x - lgamma_small(low)
    # Above 3/2 by Stirling's formula for Γ(a + 1), where what cancels near x = a is taken together.
    up = mx.where(small, 2.5, a + 1.0)
    apart = deviance(up, mx.where(small, 2.5, x), mx.where(small, 0.0, (a - x) + 1.0))
    far = 0.5 * mx.log(up) - HALF_LOG_2PI - binet(up) - log_x - apart
    return mx.where(small, u - x, far), u, log_x


def _end(a: Array, x: Array, kappa: Array, lower: Array, n: int) -> Array:
    """A bound of what the integrand reaches: by ω(-s) >= s²/(2 + s) below, ω(s) >= s²/2, then log1p, above."""
    depth = DEPTH[a.dtype]
    b = depth - 2.0 * kappa
    left = 4.0 * depth / (mx.sqrt(mx.square(b) + (8.0 * depth) * (a + float(n))) - b)
    right = 2.0 * depth / (mx.sqrt(mx.square(kappa) + (2.0 * depth) * x) - kappa)
    return mx.where(lower, -left, log1p((depth + a * right) / x))


def _integral_of_density(t: Tail, a: Array, x: Array) -> Array:
    """From x₀ to x, which is 0 in value, by Taylor's formula: derivatives to the third order are exact."""
    h = x - mx.stop_gradient(x)
    r = 1.0 / mx.maximum(t.x, 1e-18)
    c = mx.clip((a - 1.0) * r, -1e18, 1e18)
    series = 1.0 + 0.5 * h * ((c - 1.0) + (1.0 / 3.0) * h * (mx.square(c - 1.0) - c * r))
    return h * exp(mx.minimum(t.log_density, 80.0)) * series


def _arguments(a: ArrayLike, x: ArrayLike) -> tuple[Array, Array]:
    a, x = mx.broadcast_arrays(*promote(a, x))
    return mx.minimum(a, 1e30), mx.minimum(x, 1e30)


def _defined(a: Array, x: Array, value: Array, at_zero: float) -> Array:
    """The value for x > 0, ``at_zero`` at 0, nan for a < 0 or x < 0."""
    return mx.where(mx.logical_and(x > 0.0, a >= 0.0), value, at_zero + mx.stop_gradient(mx.sqrt(x) * mx.sqrt(a)) * 0.0)


# ---- inverses --------------------------------------------------------------------------------------------------------


def gammaincinv(a: ArrayLike, p: ArrayLike) -> Array:
    """Inverse of `gammainc` in x: the quantile function of Gamma(a, 1).

    0 at p = 0, +inf at 1, nan outside [0, 1]. Derivatives in a and p are exact to the third order.

    Example:
        >>> gammaincinv(3.0, 0.5)
        array(2.67406, dtype=float32)

    References:
        DiDonato and Morris, Computation of the incomplete gamma function ratios and their inverse, TOMS 12 (1986).
    """
    a, p = mx.broadcast_arrays(*promote(a, p))
    return gamma_quantile(a, p, 1.0 - p)


def gammainccinv(a: ArrayLike, q: ArrayLike) -> Array:
    """Inverse of `gammaincc` in x, accurate for small q: +inf at q = 0, 0 at 1.

    Example:
        >>> gammainccinv(3.0, 1e-20)
        array(53.3498, dtype=float32)
    """
    a, q = mx.broadcast_arrays(*promote(a, q))
    return gamma_quantile(a, 1.0 - q, q)


def gamma_quantile(a: Array, p: Array, q: Array) -> Array:
    """Solves P(a, x) = p if p < q, else Q(a, x) = q.

    Wilson and Hilferty's cube, or the leading term of a tail, are within a factor 1.6; Halley's steps for log x follow
    on the logarithm of the tail, which is concave there.
    """
    inside = mx.logical_and(p > 0.0, q > 0.0)
    lower = p < q
    target = mx.where(inside, mx.where(lower, p, q), 0.25)
    least = SMALLEST[a.dtype]
    log_target = mx.where(target > least, mx.log(mx.where(target > least, target, 1.0)), math.log(least))
    log_p = mx.where(lower, log_target, log1p(-target))
    leading = (log_p + lgamma(a + 1.0)) / a  # log x for x -> 0
    frozen, log_frozen = mx.stop_gradient(a), mx.stop_gradient(log_target)
    log_x = _start(frozen, log_frozen, mx.stop_gradient(leading), lower)  # to 0.5
    for _ in range(_HALLEY_STEPS[a.dtype]):
        t = gamma_tail(frozen, exp(log_x))
        f, _, curve = _newton(t, _log_of(t, lower), log_frozen, lower, frozen)
        log_x = log_x - mx.clip(f / mx.maximum(1.0 - 0.5 * f * curve, 0.3), -1.5, 1.5)
    log_x = mx.stop_gradient(mx.clip(log_x, math.log(least), 80.0))
    t = gamma_tail(a, exp(log_x))
    step = _step(t, _log_of(t, lower), log_target, lower, a)
    tiny = log_x < 0.9 * math.log(least)
    found = mx.where(tiny, exp(mx.minimum(leading, 80.0)), t.x * exp(-step))
    return mx.where(inside, found, mx.sqrt(mx.stop_gradient(p / q)))  # 0, inf, nan


def log_gamma_start(a: Array, log_target: Array, lower: Array) -> Array:
    """The logarithm of the quantile, to 0.5; without gradients."""
    a, log_target = mx.stop_gradient(a), mx.stop_gradient(log_target)
    log_p = mx.where(lower, log_target, log1p(-exp(log_target)))
    return _start(a, log_target, (log_p + lgamma(a + 1.0)) / a, lower)


def rough_quantile(log_p: Array) -> Array:
    """The upper normal quantile for p <= 1/2, to 4.5e-4: Abramowitz and Stegun 26.2.23."""
    t = mx.sqrt(-2.0 * log_p)
    return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))


def _start(a: Array, log_target: Array, leading: Array, lower: Array) -> Array:
    z = rough_quantile(log_target)
    c = 1.0 / (9.0 * a)
    root = (1.0 - c) + mx.where(lower, -z, z) * mx.sqrt(c)
    cube = 3.0 * mx.log(mx.maximum(root, 1e-3)) + mx.log(a)
    below = leading + mx.minimum(exp(mx.minimum(leading, 20.0)) / (a + 1.0), 1.0)
    y = lgamma_small(mx.minimum(a, 1.0)) - mx.log(a) + log_target  # log of q Γ(a), for a < 1
    above = mx.maximum((a - 1.0) * mx.log(mx.maximum(-y, 1.0)) - y, 0.5)
    above = mx.log(mx.maximum((a - 1.0) * mx.log(above) - y, 0.5))
    small = a < 1.0
    use_below = mx.where(lower, mx.logical_or(root < 0.53, a < 0.5), mx.logical_and(small, below < -0.5))
    use_above = mx.logical_and(small, mx.logical_not(lower))
    return mx.where(use_below, below, mx.where(use_above, above, cube))


def log_quantile_path(a: Array, x: Array) -> Array:
    """log of the quantile that keeps P(a, x) at its value, less log x: 0, with the derivatives of the quantile in a.

    For a >= 1; x counts as a constant.
    """
    a, x = mx.broadcast_arrays(a, x)
    t = gamma_tail(a, x)
    return -_step(t, t.log_value, mx.stop_gradient(t.log_value), t.lower, a)


def _step(t: Tail, log_tail: Array, log_target: Array, lower: Array, a: Array) -> Array:
    """log x - log of the quantile, by the inverse Taylor series: exact to the third order in what log_tail is off."""
    f, slope, q = _newton(t, log_tail, log_target, lower, a)
    return f * (1.0 + f * (0.5 * q + f * (1.0 / 6.0) * (2.0 * mx.square(q) + t.x + slope * q)))


def _newton(t: Tail, log_tail: Array, log_target: Array, lower: Array, a: Array) -> tuple[Array, Array, Array]:
    """Of F(w) = log tail at x = e^w: (F - log target) / F', F', F''/F'."""
    r = exp(mx.clip(t.log_density + mx.log(t.x) - log_tail, -80.0, 80.0))
    slope = mx.where(lower, r, -r)
    return (log_tail - log_target) / slope, slope, (a - t.x) - slope


def _log_of(t: Tail, lower: Array) -> Array:
    """The logarithm of the lower tail, or of the upper one."""
    return mx.where(mx.equal(t.lower, lower), t.log_value, log1p(-mx.minimum(t.value, 0.999)))
