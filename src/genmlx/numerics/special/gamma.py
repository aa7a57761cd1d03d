"""The gamma function and its relatives: log Γ, ψ, ψ', log B, binomial coefficients."""

import math

import mlx.core as mx

from genmlx.numerics.special.common import HALF_LOG_2PI, polynomial, promote
from genmlx.numerics.special.elementary import log1p
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["betaln", "binet", "digamma", "lgamma", "log_binomial", "trigamma"]

# Chebyshev interpolants (computed with 60 digits) as coefficients of powers, lowest first; float32, float64.

# lgamma(1 + w) / (w (w - 1)) in log1p(w), 0 <= w <= 3/2. The poles at w = -1, -2, ... go to +-i pi and beyond, which
# is why seven terms do (2e-10) where a polynomial in w needs fifteen.
_LGAMMA = {
    mx.float32: (
        0.5772156652, -0.2452514048, 0.03280920436, -5.914506299e-4, -1.807761109e-5, 2.533937857e-5, -1.988672779e-5,
    ),
    mx.float64: (
        0.577215664901532859, -0.245251368522579522, 0.0328085816026018392, -5.87504785342769499e-4,
        -2.96240055988525502e-5, 4.14754558533934851e-5, -2.84256857608961048e-5, -1.94889097813728265e-6,
        2.72426158934484826e-6, 4.44414878014492961e-8, -2.51446706611540358e-7, 2.25887759613870264e-8,
        1.63691273081390300e-8, -3.68424595332535133e-9,
    ),
}  # fmt: skip

# Binet's function: x (lgamma(x) - Stirling's formula) in 1/x^2, x >= 2 (error 1e-9, 1e-17).
_BINET = {
    mx.float32: (0.08333333237, -2.777582339e-3, 7.870204039e-4, -5.105176475e-4, 3.184209204e-4),
    mx.float64: (
        0.0833333333333333218, -2.77777777775412586e-3, 7.93650785424288563e-4, -5.95236942109898932e-4,
        8.41664026894510910e-4, -1.91346039995141370e-3, 6.28029765090619047e-3, -0.0265169860299630133,
        0.124673435019441656, -0.566269549082934837, 2.22793284900051932, -7.02127092620813046, 16.5957415287665378,
        -27.2784920162169996, 27.6111064315327517, -12.9062587573610299,
    ),
}  # fmt: skip

# x^2 (log(x) - 1/(2x) - digamma(x)) in 1/x^2, x >= 2 (error 1e-9, 2e-17).
_DIGAMMA = {
    mx.float32: (0.08333333227, -8.333023530e-3, 3.952934274e-3, -3.871175731e-3, 4.665774137e-3, -3.575915264e-3),
    mx.float64: (
        0.0833333333333333138, -8.33333333328240343e-3, 3.96825394583908778e-3, -4.16666268523844551e-3,
        7.57537674553099487e-3, -0.0210700546495527621, 0.0824035489185649166, -0.415431907607426650,
        2.40863266574014145, -14.1756723349169925, 76.3881820281913364, -350.659677299936608, 1303.32021577684275,
        -3758.40144556275036, 8025.26680599093632, -11879.6656963002022, 10847.1419827527355, -4591.93884678240402,
    ),
}  # fmt: skip

# x^3 (trigamma(x) - 1/x - 1/(2x^2)) in 1/x^2, x >= 2 (error 2e-9, 1e-16).
_TRIGAMMA = {
    mx.float32: (
        0.1666666648, -0.03333260388, 0.02376012424, -0.03200343447, 0.05695989692, -0.08768269654, 0.07043394875,
    ),
    mx.float64: (
        0.166666666666666534, -0.0333333333329493062, 0.0238095236211300094, -0.0333332959967597762,
        0.0757535850330560596, -0.252846726545238973, 1.15442341716983048, -6.67993945985216404, 44.1985614423747970,
        -298.108013602432013, 1861.05736322710845, -10052.5679425737885, 44879.3921784816539, -159871.074880153972,
        439123.653477877287, -891517.054930482308, 1255357.06872524030, -1092121.28754032646, 441443.434951898902,
    ),
}  # fmt: skip


def binet(x: Array) -> Array:
    """Binet's function μ(x) = log Γ(x) - ((x - 1/2) log x - x + log(2π)/2), for x >= 2 (to 1e-4 also at 1)."""
    r = 1.0 / x
    return r * polynomial(_BINET[x.dtype], r * r)


def binet_difference(x: Array, s: Array) -> Array:
    """μ(x + s) - μ(x), x >= 2, s >= 0, of full relative accuracy also for small s (divided differences)."""
    coefficients = _BINET[x.dtype]
    r0, r1 = 1.0 / x, 1.0 / (x + s)
    q0, q1 = mx.square(r0), mx.square(r1)
    divided, total = mx.array(coefficients[-1], x.dtype), coefficients[-1] * q1 + coefficients[-2]
    for c in coefficients[-3::-1]:
        divided = divided * q0 + total
        total = total * q1 + c
    return -s * r0 * r1 * (total + r0 * (r0 + r1) * divided)


def lgamma_small(w: Array) -> Array:
    """log Γ(1 + w) for 0 <= w <= 3/2, of full relative accuracy beside its zeros at 0 and 1."""
    return w * (w - 1.0) * polynomial(_LGAMMA[w.dtype], log1p(w))


def lgamma(x: ArrayLike) -> Array:
    r"""Logarithm of the gamma function, log Γ(x) = log ∫ t^(x-1) e^(-t) dt over t > 0.

    Exactly 0 at 1 and 2, and of full *relative* accuracy beside these zeros: with Γ(x) = Γ(x + 1) / x there is one
    polynomial for 1 + w = x + 1 or x in [1, 5/2], multiplied by w (w - 1). Above 5/2 it is Stirling's formula with
    Binet's function. +inf at 0 and +inf; nan for x < 0. Its gradient is `digamma`, the next `trigamma`.

    Example:
        >>> lgamma(0.5)  # log(pi) / 2
        array(0.572365, dtype=float32)

    References:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 6.1.15, 6.1.40-42.
    """
    (x,) = promote(x)
    below = x < 1.5
    w = mx.minimum(mx.where(below, x, x - 1.0), 2.0)
    near = lgamma_small(w)
    big = mx.maximum(x, 2.0)
    far = (big - 0.5) * (mx.log(big) - 1.0) + (HALF_LOG_2PI - 0.5) + binet(big)
    return mx.where(x < 2.5, near, far) - mx.log(mx.where(below, x, 1.0))


def digamma(x: ArrayLike) -> Array:
    """Derivative of log Γ, ψ(x), for x > 0.

    ψ(x) = ψ(x + 2) - 1/x - 1/(x + 1) below 2; the asymptotic series, economised, above. -inf at 0, +inf at +inf, nan
    for x < 0. The root at 1.4616 is reached with absolute accuracy.

    Example:
        >>> digamma(1.0)  # minus Euler's constant
        array(-0.577216, dtype=float32)

    References:
        Abramowitz and Stegun, 6.3.5, 6.3.18.
    """
    (x,) = promote(x)
    below = x < 2.0
    y = mx.where(below, x + 2.0, x)
    r = 1.0 / y
    low = mx.where(below, x, 1e30)  # the two fractions vanish where they are not wanted
    value = mx.log(y) - r * (0.5 + r * polynomial(_DIGAMMA[x.dtype], r * r)) - (1.0 / low + 1.0 / (low + 1.0))
    return mx.where(x < 0.0, math.nan, value)


def trigamma(x: ArrayLike) -> Array:
    """Second derivative of log Γ, ψ'(x), for x > 0.

    ψ'(x) = ψ'(x + 2) + 1/x² + 1/(x + 1)² below 2; the asymptotic series, economised, above. +inf at 0 (and where 1/x²
    overflows), 0 at +inf, nan for x < 0.

    Example:
        >>> trigamma(1.0)  # pi^2 / 6
        array(1.64493, dtype=float32)

    References:
        Abramowitz and Stegun, 6.4.6, 6.4.12.
    """
    (x,) = promote(x)
    below = x < 2.0
    y = mx.where(below, x + 2.0, x)
    r = 1.0 / y
    low = mx.where(below, x, 1e30)
    value = r * (1.0 + r * (0.5 + r * polynomial(_TRIGAMMA[x.dtype], r * r)))
    value = value + mx.square(1.0 / low) + mx.square(1.0 / (low + 1.0))
    return mx.where(x < 0.0, math.nan, value)


def betaln(a: ArrayLike, b: ArrayLike) -> Array:
    """Logarithm of the beta function, log B(a, b) = log Γ(a) + log Γ(b) - log Γ(a + b), for a, b > 0.

    The three Stirling formulas are subtracted term by term, so that nothing large cancels: with s the smaller and t
    the larger argument, q = s/t, and μ Binet's function,

        log B = s log q - (s + t - 1/2) log1p(q) - log(s)/2 + log(2π)/2 + μ(s) + μ(t) - μ(s + t).

    Arguments below 2 are first raised by 2: B(s, t) = B(s + 2, t) (s + t)(s + t + 1) / (s (s + 1)). +inf if one
    argument is 0; nan if one is negative.

    Example:
        >>> betaln(1e6, 0.5)  # lgamma in float32 would lose 6 of its 7 digits
        array(-6.33539, dtype=float32)

    References:
        DiDonato and Morris, Significant digit computation of the incomplete beta function ratios, TOMS 18 (1992).
    """
    a, b = promote(a, b)
    swap = a > b  # not mx.minimum and mx.maximum: where a == b, both give their whole gradient to b
    s0, t0 = mx.where(swap, b, a), mx.where(swap, a, b)
    lift_s, lift_t = s0 < 2.0, t0 < 2.0
    total = s0 + t0
    by_t = mx.where(lift_t, (total / t0) * ((total + 1.0) / (t0 + 1.0)), 1.0)
    t = mx.where(lift_t, t0 + 2.0, t0)
    s = mx.where(lift_s, s0 + 2.0, s0)
    q, total = s / t, s0 + t
    # Of s log q, the part 2 log q that comes from raising s goes in here: it cancels (s0 + t)(s0 + t + 1) for large t.
    by_s = mx.where(lift_s, (total / t) * ((total + 1.0) / t) * s * (s / (s0 + 1.0)), 1.0)
    log_low = mx.log(mx.where(lift_s, s0, 1.0))  # apart, for the slope of 1/s0 overflows at 1e-20
    total = s + t
    stirling = s0 * mx.log(q) - (total - 0.5) * log1p(q) + mx.log(by_s * by_t * mx.rsqrt(s)) - log_low
    return stirling + (HALF_LOG_2PI + (binet(s) + binet(t) - binet(total)))


def log_binomial(n: ArrayLike, k: ArrayLike) -> Array:
    """Logarithm of the binomial coefficient, log(n! / (k! (n - k)!)), for real 0 <= k <= n.

    -log(n + 1) - log B(n - k + 1, k + 1); accurate for large n with small k, where three log-factorials cancel.

    Example:
        >>> log_binomial(10, 3)  # log(120)
        array(4.78749, dtype=float32)
    """
    n, k = promote(n, k)
    return -log1p(n) - betaln(n - k + 1.0, k + 1.0)
