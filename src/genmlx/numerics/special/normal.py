"""The normal distribution: its tails, their logarithms and inverses, the error functions."""

import math

import mlx.core as mx

from genmlx.numerics.special.common import HALF_LOG_2PI, LOG_2, polynomial, promote
from genmlx.numerics.special.elementary import exp, expm1, log1p
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["erfc", "erfcx", "log_erfc", "log_ndtr", "ndtr", "ndtri", "ndtri_exp"]

_SQRT2 = math.sqrt(2.0)

# A Chebyshev interpolant (computed with 60 digits) as coefficients of powers, lowest first; float32, float64.
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


def _log_scaled_tail(z: Array) -> Array:
    """log(Q(z) exp(z²/2)), Q(z) = P(N(0, 1) > z), for z >= 0 (and a little below)."""
    u = (2.0 * _TAIL_KNEE) / (z + _TAIL_KNEE)
    return mx.log(u) + polynomial(_TAIL[z.dtype], u - 1.0)


def scaled_tail(z: Array) -> Array:
    """Q(z) exp(z²/2), for z >= 0; slope 0 at +inf."""
    u = (2.0 * _TAIL_KNEE) / (z + _TAIL_KNEE)
    return u * exp(polynomial(_TAIL[z.dtype], u - 1.0))


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
    return mx.where(negative, tail, log1p(-exp(tail)))  # Q(|x|) <= 1/2: both branches are harmless


def ndtr(x: ArrayLike) -> Array:
    """Standard normal distribution function Φ(x); of relative accuracy in the lower tail, down to exp's underflow.

    Example:
        >>> ndtr(-5.0)
        array(2.86652e-07, dtype=float32)
    """
    (x,) = promote(x)
    negative, tail = _log_tail(x)
    q = exp(tail)
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
    z = _tail_quantile(mx.where(lower, -log_p - LOG_2, -mx.log(-2.0 * expm1(log_p))))
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
        step = (tail - 0.5 * mx.square(z) + LOG_2 + capped) * exp(tail + HALF_LOG_2PI)
        z = z + step / (1.0 + 0.5 * step / (z + 1.2533141))
    return mx.where(u == math.inf, math.inf, z)


# ---- the error functions ---------------------------------------------------------------------------------------------


def erfcx(x: ArrayLike) -> Array:
    """Scaled complementary error function, exp(x²) erfc(x): 1/(x sqrt(π)) for large x, +inf below -9.4 (-26.6).

    Example:
        >>> erfcx(10.0)
        array(0.0561410, dtype=float32)
    """
    (x,) = promote(x)
    negative = x < 0.0
    tail = 2.0 * scaled_tail(_SQRT2 * mx.where(negative, -x, x))
    return mx.where(negative, 2.0 * exp(mx.square(mx.where(negative, x, 0.0))) - tail, tail)


def erfc(x: ArrayLike) -> Array:
    """Complementary error function, (2/sqrt(π)) ∫ exp(-t²) dt over t > x; of relative accuracy for x > 0 too.

    Example:
        >>> erfc(5.0)
        array(1.53746e-12, dtype=float32)
    """
    (x,) = promote(x)
    x = mx.clip(x, -30.0, 30.0)  # 0 and 2 long before
    negative = x < 0.0
    tail = 2.0 * scaled_tail(_SQRT2 * mx.where(negative, -x, x)) * exp(-mx.square(x))
    return mx.where(negative, 2.0 - tail, tail)


def log_erfc(x: ArrayLike) -> Array:
    """Logarithm of the complementary error function: `log_ndtr` in other units, log 2 + log Φ(-x sqrt(2)).

    Example:
        >>> log_erfc(100.0)
        array(-10005.2, dtype=float32)
    """
    (x,) = promote(x)
    return LOG_2 + log_ndtr(-_SQRT2 * x)
