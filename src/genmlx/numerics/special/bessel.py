"""Logarithms of the modified Bessel functions of the first kind, and the ratio I1/I0 of the von Mises distribution.

``log_i0``, ``log_i1`` and ``log_iv`` are log I(x); with a final e they are scaled, log(I(x) e^(-x)), which stays small
for large x. Orders 0 and 1 are fits; any other is reached from an order ν + n, where Olver's uniform expansion
holds, by the recurrence that is stable downwards, I_ν = (2 (ν + 1)/x) I_(ν+1) + I_(ν+2).

Operations: log_i0e 70 in float32 and 130 in float64, log_ive 180 and 580.
"""

import math
from typing import NamedTuple

import mlx.core as mx

from genmlx.numerics.special.common import HALF_LOG_2PI, polynomial, promote
from genmlx.numerics.special.elementary import exp, expm1, log1p
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["bessel_ratio", "log_i0", "log_i0e", "log_i1", "log_i1e", "log_iv", "log_ive"]


_KNEE = {mx.float32: 8.0, mx.float64: 20.0}

# Chebyshev interpolants (computed with 60 digits) as coefficients of powers, lowest first; float32, float64.

# (I0(x) - 1) / q in q = (x/2)^2, x < 8 and 20 (error 2e-9, 6e-18).
_NEAR_0 = {
    mx.float32: (
        0.9999999977, 0.2500000286, 0.027777719, 1.736157901e-3, 6.942558335e-5, 1.933362166e-6, 3.876050259e-8,
        6.670349671e-10, 4.964065292e-12, 1.460443951e-13,
    ),
    mx.float64: (
        1.00000000000000001, 0.249999999999999926, 0.0277777777777779322, 1.73611111111098335e-3,
        6.94444444445005845e-5, 1.92901234566384349e-6, 3.93675988941603172e-8, 6.15118732322986245e-10,
        7.59405846212102714e-12, 7.59405817980711422e-14, 6.27608276093940897e-16, 4.35838342490660545e-18,
        2.57895210678642363e-20, 1.31571184783250943e-22, 5.84954175393191664e-25, 2.28115954626316801e-27,
        7.95491669294566987e-30, 2.37408175298788106e-32, 7.44248255618371656e-35, 1.11852544153488868e-37,
        7.56242307106170834e-40, -1.06562930625056205e-42, 8.21340872952925292e-45, -1.36182378466665058e-47,
        2.56781433233613434e-50,
    ),
}  # fmt: skip

# (2 I1(x) / x - 1) / q in q = (x/2)^2, x < 8 and 20 (error 4e-10, 4e-19).
_NEAR_1 = {
    mx.float32: (
        0.4999999998, 0.08333333562, 6.944439745e-3, 3.472259648e-4, 1.157256461e-5, 2.759215913e-7, 4.872265322e-9,
        7.251776583e-11, 5.474013298e-13, 1.259402461e-14,
    ),
    mx.float64: (
        0.5, 0.0833333333333333307, 6.94444444444444984e-3, 3.47222222222217758e-4, 1.15740740740760359e-5,
        2.75573192239328799e-7, 4.92094986152222924e-9, 6.83465258407221074e-11, 7.59405844000961581e-13,
        6.90368939330297973e-15, 5.23006828284979994e-17, 3.35260531883847447e-19, 1.84210018470478406e-21,
        8.77162837947388291e-24, 3.65551513891141502e-26, 1.34261614641050088e-28, 4.40900191810328776e-31,
        1.26104411827258055e-33, 3.61894291634214891e-36, 6.04201523400396237e-39, 3.05178136243235391e-41,
        -3.08950338145912097e-44, 2.99033439348480091e-46, -4.69360583831487353e-49, 9.25903182739398418e-52,
    ),
}  # fmt: skip

# x log(I0(x) e^(-x) sqrt(2 pi x)) in 1/x, x >= 8 and 20 (error 5e-9, 1e-16 of what it adds to the logarithm).
_FAR_0 = {
    mx.float32: (
        0.1250000042, 0.06249672722, 0.06551393145, 0.08276248977, 0.6051573195, -3.429027345, 17.82116694,
    ),
    mx.float64: (
        0.125000000000000061, 0.0624999999997031324, 0.0651041669022679173, 0.101562427583502843,
        0.209581634872270306, 0.535436172134843447, 1.69479811667628442, 3.82879838315384671, 66.436939599722661,
        -435.792844882224056, 3815.7880228485938,
    ),
}  # fmt: skip

# x log(I1(x) e^(-x) sqrt(2 pi x)) in 1/x, x >= 8 and 20 (error 6e-9, 1e-16).
_FAR_1 = {
    mx.float32: (
        -0.3750000054, -0.1874957701, -0.1645915505, -0.18670896, -0.879492204, 4.242735822, -23.12873514,
    ),
    mx.float64: (
        -0.375000000000000071, -0.187499999999655713, -0.164062500273266384, -0.210937415987959833,
        -0.370911577272187864, -0.842563196543531718, -2.43531232335874177, -5.61292803243408097,
        -80.6552122199103591, 498.470171296249649, -4504.09363606114307,
    ),
}  # fmt: skip

# The logarithm of Olver's series: log(I_ν(x) / leading term) = Σ s^(-k) d_k((ν/s)²), s² = ν² + x². Row k - 1 is d_k.
_OLVER = (
    (1 / 8, -5 / 24),
    (1 / 16, -3 / 8, 5 / 16),
    (25 / 384, -531 / 640, 221 / 128, -1105 / 1152),
    (13 / 128, -71 / 32, 531 / 64, -339 / 32, 565 / 128),
    (1073 / 5120, -50049 / 7168, 186821 / 4608, -44899 / 512, 82825 / 1024, -82825 / 3072),
    (103 / 192, -405 / 16, 1677 / 8, -5389 / 8, 65385 / 64, -11805 / 16, 19675 / 96),
    (375733 / 229376, -3407083 / 32768, 38038059 / 32768, -168434443 / 32768, 1852155413 / 163840, -432038457 /
     32768, 256406305 / 32768, -1282031525 / 688128),
    (23797 / 4096, -244539 / 512, 7069979 / 1024, -20526309 / 512, 243859359 / 2048, -101540765 / 512, 192309147 /
     1024, -48436755 / 512, 80727925 / 4096),
    (55384775 / 2359296, -6999290379 / 2883584, 2888157483 / 65536, -63676527235 / 196608, 162545648553 / 131072,
     -360824073279 / 131072, 724227025637 / 196608, -192361155885 / 65536, 336696124375 / 262144, -1683480621875 /
     7077888),
    (2180461 / 20480, -27703287 / 2048, 1233662049 / 4096, -1396460847 / 512, 26678079073 / 2048, -188684363709 /
     5120, 133349678685 / 2048, -37247429635 / 512, 204913633365 / 4096, -39629535375 / 2048, 13209845125 / 4096),
)  # fmt: skip

_RAISE = {mx.float32: 7, mx.float64: 20}
_OLVER_TERMS = {mx.float32: 4, mx.float64: 10}


# ---- orders 0 and 1 --------------------------------------------------------------------------------------------------


class Fit(NamedTuple):
    """I_ν for ν = 0 or 1, in two pieces."""

    z: Array
    """The absolute value of the argument."""
    near: Array
    """Whether it is below the knee."""
    power: Array
    """There: I_ν(z) / (z/2)^ν - 1."""
    series: Array
    """Elsewhere: log(I_ν(z) e^(-z) sqrt(2πz)), and `far`, without the square root."""
    far: Array


def log_i0(x: ArrayLike) -> Array:
    """Logarithm of I0(x), (1/π) ∫ exp(x cos t) dt over 0 < t < π; of relative accuracy where it is small.

    Example:
        >>> log_i0(1.0)
        array(0.235914, dtype=float32)

    References:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 9.6.12, 9.7.1.
    """
    fit = _fit(x, _NEAR_0, _FAR_0)
    return mx.where(fit.near, log1p(fit.power), fit.z + fit.far)


def log_i0e(x: ArrayLike) -> Array:
    """Logarithm of I0(x) exp(-abs(x)).

    Example:
        >>> log_i0e(1e6)
        array(-7.82669, dtype=float32)
    """
    fit = _fit(x, _NEAR_0, _FAR_0)
    return mx.where(fit.near, log1p(fit.power) - fit.z, fit.far)


def log_i1(x: ArrayLike) -> Array:
    """Logarithm of abs(I1(x)), I1 = I0'; -inf at 0.

    Example:
        >>> log_i1(1.0)
        array(-0.570648, dtype=float32)
    """
    fit = _fit(x, _NEAR_1, _FAR_1)
    return mx.where(fit.near, _log_near_1(fit), fit.z + fit.far)


def log_i1e(x: ArrayLike) -> Array:
    """Logarithm of abs(I1(x)) exp(-abs(x)).

    Example:
        >>> log_i1e(1e6)
        array(-7.82669, dtype=float32)
    """
    fit = _fit(x, _NEAR_1, _FAR_1)
    return mx.where(fit.near, _log_near_1(fit) - fit.z, fit.far)


def bessel_ratio(x: ArrayLike) -> Array:
    """I1(x) / I0(x), from 0 at 0 to 1 at infinity, odd: the mean resultant length of the von Mises distribution.

    Example:
        >>> bessel_ratio(2.0)
        array(0.697775, dtype=float32)
    """
    (x,) = promote(x)
    zero, one = _fit(x, _NEAR_0, _FAR_0), _fit(x, _NEAR_1, _FAR_1)
    near = 0.5 * mx.where(zero.near, x, 1.0) * (1.0 + one.power) / (1.0 + zero.power)
    far = exp(one.series - zero.series)
    return mx.where(zero.near, near, mx.where(x < 0.0, -far, far))


def ratio_complement(x: Array) -> Array:
    """1 - I1(x) / I0(x) for x >= 0, of relative accuracy where it is small."""
    zero, one = _fit(x, _NEAR_0, _FAR_0), _fit(x, _NEAR_1, _FAR_1)
    near = 0.5 * mx.where(zero.near, x, 1.0) * (1.0 + one.power) / (1.0 + zero.power)
    return mx.where(zero.near, 1.0 - near, -expm1(one.series - zero.series))


def _log_near_1(fit: Fit) -> Array:
    return log1p(fit.power) + mx.log(0.5 * mx.where(fit.near, fit.z, 1.0))


def _fit(x: ArrayLike, near_fit: dict[mx.Dtype, tuple[float, ...]], far_fit: dict[mx.Dtype, tuple[float, ...]]) -> Fit:
    (x,) = promote(x)
    z = mx.where(x < 0.0, -x, x)
    near = z < _KNEE[x.dtype]
    q = mx.square(0.5 * mx.where(near, z, 1.0))
    large = mx.where(near, _KNEE[x.dtype], z)
    r = 1.0 / large
    series = r * polynomial(far_fit[x.dtype], r)
    return Fit(z, near, q * polynomial(near_fit[x.dtype], q), series, series - 0.5 * mx.log(large) - HALF_LOG_2PI)


# ---- any order -------------------------------------------------------------------------------------------------------


def log_iv(v: ArrayLike, x: ArrayLike) -> Array:
    """Logarithm of I_v(x) for any real order v >= 0 and x >= 0, with gradients in both.

    Example:
        >>> log_iv(2.5, 3.0)
        array(0.415639, dtype=float32)
    """
    v, x = mx.broadcast_arrays(*promote(v, x))
    return log_ive(v, x) + x


def log_ive(v: ArrayLike, x: ArrayLike) -> Array:
    """Logarithm of I_v(x) exp(-x) for any real order v >= 0 and 0 <= x < 1e18.

    At x = 0 it is 0 for v = 0 and -inf above; nan for a negative argument. The error is absolute: where the result is
    nearly 0, for order 0 and small x, `log_i0e` has relative accuracy.

    Example:
        >>> log_ive(1000.0, 10.0)
        array(-4312.67, dtype=float32)

    References:
        Olver, The asymptotic expansion of Bessel functions of large order, Phil. Trans. R. Soc. A 247 (1954).
    """
    v, x = mx.broadcast_arrays(*promote(v, x))
    n, terms = _RAISE[v.dtype], _OLVER_TERMS[v.dtype]
    z = mx.clip(x, 1e-37, 1e18)
    top = v + float(n)
    s = mx.sqrt(mx.square(top) + mx.square(z))
    w = 1.0 / s
    p = mx.square(top * w)
    excess = top * (top / (s + z))  # s - z

    # What multiplies x in the ratio of orders n + 1 and n, the derivative of the expansion; then down to 1 and 0.
    slope = _olver(w, p, [tuple(-(k + 2 * j) * c for j, c in enumerate(_OLVER[k - 1])) for k in range(1, terms)])
    ratio = 1.0 / (top + s) - mx.square(w) * (0.5 - slope)
    square, scale, product = mx.square(z), 2.0 * top + z, mx.array(1.0, v.dtype)
    for k in range(n, 0, -1):
        ratio = 1.0 / (2.0 * (v + float(k)) + square * ratio)
        product = product * (ratio * scale)

    moderate = z > 1e-3 * top
    log_base = mx.where(moderate, -log1p((top + excess) / mx.where(moderate, z, top)), mx.log(z) - mx.log(top + s))
    steps = float(n) * log1p((top - excess) / (top + s)) - mx.log(product)
    series = _olver(w, p, _OLVER[:terms])
    value = v * log_base + excess + (steps + series - 0.5 * mx.log(s) - HALF_LOG_2PI)
    at_zero = mx.where(mx.logical_and(x == 0.0, v >= 0.0), mx.where(v > 0.0, -math.inf, 0.0), math.nan)
    return mx.where(mx.logical_and(x > 0.0, v >= 0.0), value, at_zero)


def _olver(w: Array, p: Array, rows: tuple[tuple[float, ...], ...] | list[tuple[float, ...]]) -> Array:
    total = polynomial(rows[-1], p)
    for row in rows[-2::-1]:
        total = total * w + polynomial(row, p)
    return total * w
