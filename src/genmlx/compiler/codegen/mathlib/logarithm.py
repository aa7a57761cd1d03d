"""Logarithms, the inverse hyperbolic functions made of them, log-sum-exp of two, and powers.

x = 2^k m with sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f): log(m) = 2 atanh(s) = f - h + s (h + R(s^2)) with
h = f^2/2, where the large terms are exact. Powers and the logarithms to other bases need more digits than one float
holds; they carry the same series through pairs of floats.
"""

from genmlx.compiler.codegen.mathlib.function import Function, parts

__all__ = ["FUNCTIONS", "PARTS"]

PARTS = parts(
    # log2|x| as a pair; +-inf and NaN in its first part at 0, infinity and NaN.
    log2_pair="""
gm_fn F2 gm_log2_pair(F x) {
    M tiny = x < $MIN_NORMAL;
    I i = gm_bits(tiny ? x * $DENORMAL_SCALE : x) - $SQRT_HALF_BITS;
    F k = gm_from_small(i >> $MANTISSA) - (tiny ? $DENORMAL_EXPONENT : K(0));
    F f = gm_from_bits((i & $MANTISSA_MASK) + $SQRT_HALF_BITS) - K(1);
    // s = f / (2 + f)
    F d = f + K(2);
    F d_lo = f - (d - K(2));
    F inverse = K(1) / d;
    F s = gm_multiply(f, inverse);
    F s_lo = gm_fma(-s, d_lo, gm_fma(-s, d, f)) * inverse;
    // w = s^2/3 + s^4 Q(s^2), so that atanh(s) = s + s w
    F z = gm_multiply(s, s);
    F z_lo = gm_fma(s + s, s_lo, gm_fma(s, s, -z));
    F third = gm_multiply(z, $THIRD);
    F third_lo = gm_fma(z_lo, $THIRD, gm_fma(z, $THIRD_LO, gm_fma(z, $THIRD, -third)));
    F rest = gm_fma(z * z, poly(log5, z), third_lo);
    F w = third + rest;
    F w_lo = rest - (w - third);
    F p = gm_multiply(s, w);
    F p_lo = gm_fma(s_lo, w, gm_fma(s, w_lo, gm_fma(s, w, -p)));
    F a = s + p;
    F a_lo = (p - (a - s)) + (s_lo + p_lo);
    // k + (2 / log 2) atanh(s)
    F m = gm_multiply(a, $TWO_LOG2E);
    F m_lo = gm_fma(a_lo, $TWO_LOG2E, gm_fma(a, $TWO_LOG2E_LO, gm_fma(a, $TWO_LOG2E, -m)));
    F sum = k + m;
    F sum_lo = (m - (sum - k)) + m_lo;
    F2 result;
    result.hi = sum + sum_lo;
    result.lo = sum_lo - (result.hi - sum);
    M finite = (x > K(0)) & (x <= $LARGEST);
    F special = x == K(0) ? -$INF : (x < K(0) ? $NAN : x);
    result.hi = finite ? result.hi : special;
    result.lo = finite ? result.lo : K(0);
    return result;
}
""",
)

FUNCTIONS = (
    Function(
        "log",
        """
gm_fn F gm_log(F x) {
    M tiny = x < $MIN_NORMAL;
    I i = gm_bits(tiny ? x * $DENORMAL_SCALE : x) - $SQRT_HALF_BITS;
    F k = gm_from_small(i >> $MANTISSA) - (tiny ? $DENORMAL_EXPONENT : K(0));
    F f = gm_from_bits((i & $MANTISSA_MASK) + $SQRT_HALF_BITS) - K(1);
    F s = f / (f + K(2));
    F z = s * s;
    F h = gm_multiply(K(0.5) * f, f);
    F r = gm_fma(s, gm_fma(z, poly(log, z), h), k * $LN2_LO);
    F value = gm_fma(k, $LN2_HI, f - (h - r));
    F special = x == K(0) ? -$INF : (x < K(0) ? $NAN : x);
    return (x > K(0)) & (x <= $LARGEST) ? value : special;
}
""",
        (1.0, 1.0),
        note="-inf at 0, NaN below",
    ),
    Function(
        "log2",
        "gm_fn F gm_log2(F x) { return gm_log2_pair(x).hi; }",
        (0.6, 0.6),
        note="exact at powers of two",
    ),
    Function(
        "log10",
        """
gm_fn F gm_log10(F x) {
    F2 l = gm_log2_pair(x);
    F p = gm_multiply(l.hi, $LOG10_2);
    F p_lo = gm_fma(l.lo, $LOG10_2, gm_fma(l.hi, $LOG10_2_LO, gm_fma(l.hi, $LOG10_2, -p)));
    return gm_abs(p) < $INF ? p + p_lo : p;
}
""",
        (0.6, 0.6),
    ),
    # u = 1 + x and what its rounding lost, c: log(u + c) = log(u) + c/u, and 1/u is 1 - f + f^2 to the bits that count.
    Function(
        "log1p",
        """
gm_fn F gm_log1p(F x) {
    F u = x + K(1);
    F c = x >= K(1) ? K(1) - (u - x) : x - (u - K(1));
    I i = gm_bits(u) - $SQRT_HALF_BITS;
    I e = i >> $MANTISSA;
    F k = gm_from_small(e);
    M whole = k == K(0);
    F f = whole ? x : gm_from_bits((i & $MANTISSA_MASK) + $SQRT_HALF_BITS) - K(1);
    c = whole | (k > $EXACT_BEYOND) ? K(0) : c * gm_pow2(k > $EXACT_BEYOND ? J(0) : -e);
    F s = f / (f + K(2));
    F z = s * s;
    F h = gm_multiply(K(0.5) * f, f);
    F r = gm_fma(s, gm_fma(z, poly(log, z), h), gm_fma(k, $LN2_LO, c * gm_fma(f, f, K(1) - f)));
    F value = gm_fma(k, $LN2_HI, f - (h - r));
    value = gm_abs(x) < $SMALLEST_MOVE ? x : value;
    F special = x == K(-1) ? -$INF : (x < K(-1) ? $NAN : x);
    return (x > K(-1)) & (x <= $LARGEST) ? value : special;
}
""",
        (1.0, 1.0),
        note="-inf at -1, NaN below",
    ),
    # asinh: log1p(a + a^2 / (1 + sqrt(1 + a^2))); where 1 vanishes beside a^2, log(2 a).
    Function(
        "asinh",
        """
gm_fn F gm_asinh(F x) {
    F a = gm_abs(x);
    M far = a > $HUGE;
    F z = far ? K(0) : gm_multiply(a, a);
    F value = gm_log1p(a + z / (K(1) + gm_sqrt(K(1) + z))) + (far ? $LN2 : K(0));
    return gm_copysign(value, x);
}
""",
        (2.0, 2.0),
    ),
    Function(
        "acosh",
        """
gm_fn F gm_acosh(F x) {
    F t = x - K(1);
    M far = x > $HUGE;
    F value = gm_log1p(far ? x : t + gm_sqrt(gm_fma(t, t, t + t))) + (far ? $LN2 : K(0));
    return x < K(1) ? $NAN : value;
}
""",
        (2.1, 2.0),
        note="NaN below 1",
    ),
    Function(
        "atanh",
        """
gm_fn F gm_atanh(F x) {
    F a = gm_abs(x);
    return gm_copysign(K(0.5) * gm_log1p((a + a) / (K(1) - a)), x);
}
""",
        (2.1, 2.0),
        note="infinite at -1 and 1, NaN outside",
    ),
    Function(
        "logaddexp",
        """
gm_fn F gm_logaddexp(F x, F y) {
    F m = gm_maximum(x, y);
    F n = gm_minimum(x, y);
    F value = m + gm_log1p(gm_exp_scaled(n - m, J(0)));
    return (n == -$INF) | (m == $INF) ? m : value;
}
""",
        (2.5, 2.5),
        note="the error is relative to max(|x|, |y|, |result|): a result near 0 is a difference",
    ),
    # |x|^y = 2^(y log2|x|); C's rules at 0, 1, infinity and NaN, which are MLX's.
    Function(
        "power",
        """
gm_fn F gm_power(F x, F y) {
    F a = gm_abs(x);
    F2 l = gm_log2_pair(a);
    F p = gm_multiply(y, l.hi);
    F p_lo = gm_fma(y, l.lo, gm_fma(y, l.hi, -p));
    F value = gm_exp2_pair(p, p_lo);
    F half = y * K(0.5);
    M integer = gm_trunc(y) == y;
    M odd = integer & (gm_trunc(half) != half);
    M negative = gm_bits(x) < 0;
    value = negative & odd ? -value : value;
    value = (x < K(0)) & (x > -$INF) & (gm_trunc(y) != y) ? $NAN : value;
    M one = (x == K(1)) | (y == K(0)) | ((x == K(-1)) & (gm_abs(y) == $INF));
    return one ? K(1) : value;
}
gm_fn U gm_power(U x, U y) {
    U r = U() + 1;
    for (; gm_any(y != 0); y >>= 1, x *= x) r = (y & 1) != 0 ? r * x : r;
    return r;
}
gm_fn I gm_power(I x, I y) { return y < 0 ? I() : (I)gm_power((U)x, y < 0 ? U() : (U)y); }
""",
        (2.0, 3.0),
        note="C's pow: NaN for a negative base and a fractional exponent, x^0 = 1^y = 1; "
        "integers wrap, and a negative exponent gives 0",
    ),
)
