"""Special functions that MLX lacks: the gamma family, the normal tails, logarithms that do not cancel.

Each function is a plain composition of MLX operations, so that ``mx.grad`` (to any order), ``mx.vmap``,
``mx.compile`` and ``mx.export_function`` see through it. Gradients are those of the approximations, which is why the
polynomials below have a few terms more than their values need. Inputs are float32 (Python numbers and integers
become float32) or float64; the tables hold one row for each.

Three traps shape the code. ``mx.where`` evaluates both branches, so the one not selected gets a harmless argument.
``mx.minimum(x, c)`` and ``mx.maximum(x, c)`` pass no gradient to ``x`` where ``x == c``, so a clip that protects a
branch is placed beyond the point where the branch is left; ``mx.abs`` has slope 0 at 0, so it is not used. And under
``mx.vmap`` the operators ``&``, ``|``, ``^`` go wrong if one side has no batch axis: ``mx.logical_and`` does not.

Largest error against mpmath, in units of eps * max(|f|, 1), eps = 1.2e-7 and 2.2e-16; (r): of eps * |f|:

    function           float32       float64          function           float32       float64
    lgamma             1.8, 2.4 (r)  1.9, 3.0 (r)     log_ndtr           2.5, 44 (r)   2.6, 43 (r)
    its derivative     1.1           1.3              its derivative     17, 44 (r)    24, 43 (r)
    its second         2.7           85               ndtr               1.3, 53 (r)   1.4, 62 (r)
    digamma            2.0           1.9              ndtri              2.6           2.6
    trigamma           1.9 (r)       1.6 (r)          ndtri_exp          3.1           3.3
    betaln             6             7                log1mexp, logit    1.0           1.0
    log_binomial       16            16               softplus           0.6           0.6

MLX sets these limits: ``mx.exp`` loses 0.3 ulp for each unit of ``|x|`` (57 ulp at -77, and 0 below -87.3) and has
float32 accuracy in float64, as have ``mx.erf``, ``mx.erfinv``, ``mx.logaddexp``, ``mx.sigmoid``, ``mx.sin`` (``_exp``
below goes around it); ``mx.erf`` is absolute only (0 below 1e-8). ``log``, ``log1p``, ``expm1`` are within 1 ulp.
"""

import math
from typing import Any, cast

import mlx.core as mx

from genmlx.numerics.types import Array, ArrayLike

__all__ = [
    "betaln",
    "digamma",
    "lgamma",
    "log1mexp",
    "log_binomial",
    "log_ndtr",
    "log_sigmoid",
    "logdiffexp",
    "logit",
    "ndtr",
    "ndtri",
    "ndtri_exp",
    "softplus",
    "trigamma",
    "xlog1py",
    "xlogy",
]

LOG_2 = math.log(2.0)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

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

# log(Q(z) exp(z^2/2) (z + c) / (2c)) in 2c/(z + c) - 1 with c = 3.5, z >= 0, Q the upper tail of N(0, 1) (error 2e-8,
# 2e-17). The idea, a Chebyshev fit of the logarithm of the scaled tail, is erfcc of Numerical Recipes.
_TAIL_KNEE = 3.5
_TAIL = {
    mx.float32: (
        -2.241065291, 0.7597388605, 0.1351185310, -0.01984823230, -0.02352789067, -1.318259775e-3, 4.734533433e-3,
        9.450428729e-4, -9.660636938e-4, -2.871361343e-4, 1.346728864e-4, 4.689055768e-5,
    ),
    mx.float64: (
        -2.24106530834409293, 0.759738854003898394, 0.135119767302873295, -0.0198477627536991012,
        -0.0235425987949661931, -1.32383780870628456e-3, 4.79988130386921112e-3, 9.69746910407909736e-4,
        -1.10226375352399012e-3, -3.38281481311555593e-4, 2.77236435007570674e-4, 9.95851327788457114e-5,
        -7.42544967415918893e-5, -2.61965155680708256e-5, 2.03568866696839047e-5, 6.07988606393318352e-6,
        -5.42679137996895132e-6, -1.19116713782701658e-6, 1.32220815011721397e-6, 1.82436915689813226e-7,
        -2.71230376922026328e-7, -1.90728288740649498e-8, 4.09139023350940110e-8, 9.99234656927298989e-10,
        -3.32932895970526292e-9,
    ),
}  # fmt: skip


def promote(*args: ArrayLike) -> tuple[Array, ...]:
    """The arguments as arrays of one dtype: float64 if one of them is, else float32."""
    dtype = mx.float64 if any(isinstance(x, mx.array) and x.dtype == mx.float64 for x in args) else mx.float32
    return tuple(x.astype(dtype) if isinstance(x, mx.array) else mx.array(cast(Any, x), dtype) for x in args)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    total = coefficients[-1] * x + coefficients[-2]
    for c in coefficients[-3::-1]:
        total = total * x + c
    return total


def _exp(x: Array) -> Array:
    return mx.exp(x) if x.dtype == mx.float32 else mx.power(math.e, x)


# ---- the gamma family ------------------------------------------------------------------------------------------------


def binet(x: Array) -> Array:
    """Binet's function μ(x) = log Γ(x) - ((x - 1/2) log x - x + log(2π)/2), for x >= 2 (to 1e-4 also at 1)."""
    r = 1.0 / x
    return r * _polynomial(_BINET[x.dtype], r * r)


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
    near = w * (w - 1.0) * _polynomial(_LGAMMA[x.dtype], mx.log1p(w))
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
    value = mx.log(y) - r * (0.5 + r * _polynomial(_DIGAMMA[x.dtype], r * r)) - (1.0 / low + 1.0 / (low + 1.0))
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
    value = r * (1.0 + r * (0.5 + r * _polynomial(_TRIGAMMA[x.dtype], r * r)))
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
    stirling = s0 * mx.log(q) - (total - 0.5) * mx.log1p(q) + mx.log(by_s * by_t * mx.rsqrt(s)) - log_low
    return stirling + (HALF_LOG_2PI + (binet(s) + binet(t) - binet(total)))


def log_binomial(n: ArrayLike, k: ArrayLike) -> Array:
    """Logarithm of the binomial coefficient, log(n! / (k! (n - k)!)), for real 0 <= k <= n.

    -log(n + 1) - log B(n - k + 1, k + 1); accurate for large n with small k, where three log-factorials cancel.

    Example:
        >>> log_binomial(10, 3)  # log(120)
        array(4.78749, dtype=float32)
    """
    n, k = promote(n, k)
    return -mx.log1p(n) - betaln(n - k + 1.0, k + 1.0)


# ---- the normal distribution -----------------------------------------------------------------------------------------


def _log_scaled_tail(z: Array) -> Array:
    """log(Q(z) exp(z²/2)), Q(z) = P(N(0, 1) > z), for z >= 0 (and a little below)."""
    u = (2.0 * _TAIL_KNEE) / (z + _TAIL_KNEE)
    return mx.log(u) + _polynomial(_TAIL[z.dtype], u - 1.0)


def _log_tail(x: Array) -> tuple[Array, Array]:
    """Whether x < 0, and log Q(|x|)."""
    # Beyond the clip the value is -inf on the left (x² overflows) and Q is 0 on the right; the gradient is 0, not nan.
    x = mx.clip(x, -1.9e19 if x.dtype == mx.float32 else -1.4e154, 40.0)
    negative = x < 0.0
    z = mx.where(negative, -x, x)
    return negative, _log_scaled_tail(z) - 0.5 * mx.square(z)


def log_ndtr(x: ArrayLike) -> Array:
    """Logarithm of the standard normal distribution function, log Φ(x).

    Accurate on the whole line: for x < 0 it is the logarithm of the tail itself, log Q(-x); for x >= 0 it is
    log1p(-Q(x)). -inf at -inf, 0 at +inf. The gradient is φ(x)/Φ(x) in both tails, and 0 at ±inf.

    Example:
        >>> log_ndtr(-20.0)
        array(-203.917, dtype=float32)
    """
    (x,) = promote(x)
    negative, tail = _log_tail(x)
    return mx.where(negative, tail, mx.log1p(-_exp(tail)))  # Q(|x|) <= 1/2: both branches are harmless


def ndtr(x: ArrayLike) -> Array:
    """Standard normal distribution function Φ(x); of relative accuracy in the lower tail, down to exp's underflow.

    Example:
        >>> ndtr(-5.0)
        array(2.86652e-07, dtype=float32)
    """
    (x,) = promote(x)
    negative, tail = _log_tail(x)
    q = _exp(tail)
    return mx.where(negative, q, 1.0 - q)


def ndtri(p: ArrayLike) -> Array:
    """Inverse of the standard normal distribution function: x with Φ(x) = p.

    -inf at 0, +inf at 1, nan outside [0, 1]. Probabilities that have no float (below 1e-38) go through `ndtri_exp`.

    Example:
        >>> ndtri(0.975)
        array(1.95996, dtype=float32)
    """
    (p,) = promote(p)
    lower = p < 0.5
    z = _tail_quantile(-mx.log(2.0 * mx.where(lower, p, 1.0 - p)))
    return mx.where(lower, -z, z)


def ndtri_exp(log_p: ArrayLike) -> Array:
    """Inverse of `log_ndtr`: x with log Φ(x) = log_p, for log_p <= 0.

    What sampling from a truncated normal far in a tail needs: log_p = -1e4 gives x = -141.38. -inf at -inf, +inf at 0,
    nan above 0. Gradients are right to the order to which they are taken, since all steps are differentiated.

    Example:
        >>> ndtri_exp(-1e4)
        array(-141.38, dtype=float32)
    """
    (log_p,) = promote(log_p)
    lower = log_p < -LOG_2
    z = _tail_quantile(mx.where(lower, -log_p - LOG_2, -mx.log(-2.0 * mx.expm1(log_p))))
    return mx.where(lower, -z, z)


def _tail_quantile(u: Array) -> Array:
    """Solves P(|N(0, 1)| > z) = exp(-u) for z >= 0, u >= 0: Hastings' start, Halley steps on the logarithm."""
    capped = mx.minimum(u, 1e30)  # no inf - inf on the way
    t = mx.sqrt(2.0 * (capped + LOG_2))
    r = 1.0 / t
    # Abramowitz and Stegun 26.2.23, in 1/t: absolute error below 4.5e-4 in the centre, small beside z in the tail.
    z = t - r * (0.010328 + r * (0.802853 + r * 2.515517)) / (0.001308 + r * (0.189269 + r * (1.432788 + r)))
    for _ in range(1 if u.dtype == mx.float32 else 2):
        tail = _log_scaled_tail(z)
        # f(z) = log 2Q(z) + u has f' = -h and f'' = -h (h - z) with h = φ/Q the hazard. Halley's correction needs
        # h - z only roughly, and the difference cancels: 1/(z + sqrt(pi/2)) has its value at 0 and its tail.
        step = (tail - 0.5 * mx.square(z) + LOG_2 + capped) * _exp(tail + HALF_LOG_2PI)
        z = z + step / (1.0 + 0.5 * step / (z + 1.2533141))
    return mx.where(u == math.inf, math.inf, z)


# ---- logarithms that do not cancel -----------------------------------------------------------------------------------


def xlogy(x: ArrayLike, y: ArrayLike) -> Array:
    """The product x log(y), and 0 where x = y = 0, with finite gradients there.

    Where x = 0 and y > 0 the gradient with respect to x is log(y), as it must be: Beta(1, b) has a score.

    Example:
        >>> xlogy(0.0, 0.0)
        array(0, dtype=float32)
    """
    x, y = promote(x, y)
    return x * mx.log(mx.where(mx.logical_and(x == 0.0, y == 0.0), 1.0, y))


def xlog1py(x: ArrayLike, y: ArrayLike) -> Array:
    """The product x log(1 + y), and 0 where x = 0 and y = -1, with finite gradients there.

    Example:
        >>> xlog1py(2.0, -0.5)
        array(-1.38629, dtype=float32)
    """
    x, y = promote(x, y)
    return x * mx.log1p(mx.where(mx.logical_and(x == 0.0, y == -1.0), 0.0, y))


def log1mexp(x: ArrayLike) -> Array:
    """log(1 - exp(-x)) for x >= 0; -inf at 0, 0 at +inf, nan below 0.

    log(-expm1(-x)) up to log 2, log1p(-exp(-x)) above.

    Example:
        >>> log1mexp(1e-10)
        array(-23.0259, dtype=float32)

    References:
        Maechler, Accurately computing log(1 - exp(-|a|)), vignette of the R package Rmpfr (2012).
    """
    (x,) = promote(x)
    small = x < LOG_2
    return mx.where(small, mx.log(-mx.expm1(-x)), mx.log1p(-_exp(-mx.where(small, 1.0, x))))


def logdiffexp(a: ArrayLike, b: ArrayLike) -> Array:
    """log(exp(a) - exp(b)) for a >= b; -inf where a = b (also -inf = -inf), nan where a < b.

    Example:
        >>> logdiffexp(1000.0, 999.0)
        array(999.541, dtype=float32)
    """
    a, b = promote(a, b)
    same = a == b
    return mx.where(same, -math.inf, a + log1mexp(mx.where(same, 1.0, a - b)))


def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)).

    Example:
        >>> softplus(0.0)
        array(0.693147, dtype=float32)
    """
    (x,) = promote(x)
    if x.dtype == mx.float32:
        return mx.logaddexp(x, 0.0)
    positive = x > 0.0
    return mx.where(positive, x, 0.0) + mx.log1p(_exp(mx.where(positive, -x, x)))


def log_sigmoid(x: ArrayLike) -> Array:
    """Logarithm of the logistic function, -log(1 + exp(-x)).

    Example:
        >>> log_sigmoid(-100.0)
        array(-100, dtype=float32)
    """
    (x,) = promote(x)
    return -softplus(-x)


def logit(p: ArrayLike) -> Array:
    """Log odds, log(p / (1 - p)); -inf at 0, +inf at 1, nan outside.

    Example:
        >>> logit(0.75)  # log(3)
        array(1.09861, dtype=float32)
    """
    (p,) = promote(p)
    return mx.log(p) - mx.log1p(-p)
