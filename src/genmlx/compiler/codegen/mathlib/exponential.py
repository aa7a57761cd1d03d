"""Exponentials: exp, exp2, expm1, and what is built on them alone: sigmoid and the hyperbolic functions.

x = k log(2) + r with |r| <= log(2)/2 and e^x = 2^k e^r; k comes from adding and taking away 1.5 * 2^mantissa, and 2^k
is multiplied in two halves so that denormal results round once.
"""

from genmlx.compiler.codegen.mathlib.function import Function, parts

__all__ = ["FUNCTIONS", "PARTS"]

PARTS = parts(
    # 2^n e^x: with the power inside, e^x / 2 and e^x 2^64 neither overflow nor become denormal on the way.
    exp_scaled="""
gm_fn F gm_exp_scaled(F x, I n) {
    x = x < $EXP_LOWEST ? $EXP_LOWEST : x;
    x = x > $EXP_HIGHEST ? $EXP_HIGHEST : x;
    F t = gm_fma(x, $LOG2E, $MAGIC);
    F k = t - $MAGIC;
    F a = gm_fma(k, -$LN2_HI, x);
    F r = gm_fma(k, -$LN2_LO, a);
    F r_lo = gm_fma(k, -$LN2_LO, a - r);
    F p = (gm_fma(poly(exp, r), r * r, r_lo) + r) + K(1);
    I e = gm_bits(t) - $MAGIC_BITS + n;
    I half = e >> 1;
    return p * gm_pow2(half) * gm_pow2(e - half);
}
""",
    # 2^(x + x_lo) for a pair of floats.
    exp2_pair="""
gm_fn F gm_exp2_pair(F x, F x_lo) {
    x_lo = (x > $EXP2_LOWEST) & (x < $EXP2_HIGHEST) ? x_lo : K(0);
    x = x < $EXP2_LOWEST ? $EXP2_LOWEST : x;
    x = x > $EXP2_HIGHEST ? $EXP2_HIGHEST : x;
    F t = x + $MAGIC;
    F r = (x - (t - $MAGIC)) + x_lo;
    F p = gm_fma(poly(exp2, r), r, K(1));
    I e = gm_bits(t) - $MAGIC_BITS;
    I half = e >> 1;
    return p * gm_pow2(half) * gm_pow2(e - half);
}
""",
)

FUNCTIONS = (
    Function("exp", "gm_fn F gm_exp(F x) { return gm_exp_scaled(x, J(0)); }", (1.0, 1.0)),
    Function("exp2", "gm_fn F gm_exp2(F x) { return gm_exp2_pair(x, K(0)); }", (1.1, 1.0)),
    # 2^k (e^r - 1) + (2^k - 1), all at half its size: for the last k, 2^k is no float.
    Function(
        "expm1",
        """
gm_fn F gm_expm1(F x) {
    F y = x < $EXPM1_LOWEST ? $EXPM1_LOWEST : x;
    y = y > $EXPM1_HIGHEST ? $EXPM1_HIGHEST : y;
    F t = gm_fma(y, $LOG2E, $MAGIC);
    F k = t - $MAGIC;
    F a = gm_fma(k, -$LN2_HI, y);
    F r = gm_fma(k, -$LN2_LO, a);
    F r_lo = gm_fma(k, -$LN2_LO, a - r);
    F q = gm_fma(poly(exp, r), r * r, r_lo);
    F half = gm_pow2(gm_bits(t) - ($MAGIC_BITS + 1));
    F u = gm_fma(half, r, half - K(0.5));
    F u_lo = gm_fma(half, r, (half - K(0.5)) - u);
    F value = u + gm_fma(half, q, u_lo);
    return gm_abs(x) < $SMALLEST_MOVE ? x : value + value;
}
""",
        (1.2, 1.0),
    ),
    Function(
        "sigmoid",
        """
gm_fn F gm_sigmoid(F x) {
    F e = gm_exp_scaled(-gm_abs(x), J(0));
    F d = K(1) + e;
    F inverse = K(1) / d;
    F lost = gm_fma(-inverse, e - (d - K(1)), gm_fma(-inverse, d, K(1)));
    F q = gm_multiply(x < K(0) ? e : K(1), inverse);
    return gm_fma(q, lost, q);
}
""",
        (2.0, 2.0),
    ),
    # sinh: a polynomial up to 1, then h - 1/(4 h) with h = e^|x| / 2, which overflows no earlier than the result.
    Function(
        "sinh",
        """
gm_fn F gm_sinh(F x) {
    F a = gm_abs(x);
    F z = a * a;
    F near = gm_fma(a * z, poly(sinh, z), a);
    F h = gm_exp_scaled(a, J(-1));
    F far = h - K(0.25) / h;
    return gm_copysign(a < K(1) ? near : far, x);
}
""",
        (2.0, 2.0),
    ),
    Function(
        "cosh",
        """
gm_fn F gm_cosh(F x) {
    F h = gm_exp_scaled(gm_abs(x), J(-1));
    return h + K(0.25) / h;
}
""",
        (2.0, 2.0),
    ),
    Function(
        "tanh",
        """
gm_fn F gm_tanh(F x) {
    F a = gm_abs(x);
    F z = a * a;
    F near = gm_fma(a * z, poly(tanh, z), a);
    F far = K(1) - K(2) / (gm_exp_scaled(a + a, J(0)) + K(1));
    return gm_copysign(a < K(0.55) ? near : far, x);
}
""",
        (2.0, 2.0),
    ),
)
