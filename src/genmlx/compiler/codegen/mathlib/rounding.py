"""Rounding, remainders, comparisons: exact functions, with MLX's choices for ties, signs and NaN."""

from genmlx.compiler.codegen.mathlib.function import Function

__all__ = ["FUNCTIONS"]


def of_each_type(template: str, words: str = "FIU") -> str:
    """One overload for each type word: `T` in the template."""
    return "".join(template.replace("T", word) for word in words)


FUNCTIONS = (
    Function("abs", "", (0.0, 0.0)),
    Function("copysign", "", (0.0, 0.0)),
    Function("sqrt", "", (0.5, 0.5), note="rounded correctly"),
    Function("fma", "", (0.5, 0.5), note="rounded once"),
    Function("rsqrt", "gm_fn F gm_rsqrt(F x) { return K(1) / gm_sqrt(x); }", (1.5, 1.5)),
    Function(
        "round",
        """
gm_fn F gm_round(F x) {
    F a = gm_abs(x);
    return a < $INTEGERS_FROM ? gm_copysign((a + $INTEGERS_FROM) - $INTEGERS_FROM, x) : x;
}
""",
        (0.0, 0.0),
        note="half to even",
    ),
    Function(
        "floor",
        """
gm_fn F gm_floor(F x) {
    F r = gm_round(x);
    return r > x ? r - K(1) : r;
}
""",
        (0.0, 0.0),
    ),
    Function(
        "ceil",
        """
gm_fn F gm_ceil(F x) {
    F r = gm_round(x);
    return gm_copysign(r < x ? r + K(1) : r, x);
}
""",
        (0.0, 0.0),
    ),
    Function(
        "trunc",
        """
gm_fn F gm_trunc(F x) {
    F a = gm_abs(x);
    F r = (a + $INTEGERS_FROM) - $INTEGERS_FROM;
    return a < $INTEGERS_FROM ? gm_copysign(r > a ? r - K(1) : r, x) : x;
}
""",
        (0.0, 0.0),
    ),
    # Long division, a mantissa of the quotient at a time. Each step takes trunc(r / (2^s d)) multiples of 2^s d off r,
    # with s the smallest shift that keeps this quotient an exact integer; the difference is exact, and where the
    # division rounded up to the next integer it comes out negative and one multiple goes back.
    Function(
        "fmod",
        """
gm_fn F gm_fmod(F x, F y) {
    F r = gm_abs(x);
    F d = gm_abs(y);
    M valid = (r < $INF) & (d > K(0));
    F n = d < $MIN_NORMAL ? d * $DENORMAL_SCALE : d;
    I d_exponent = (gm_bits(n) >> $MANTISSA) - (d < $MIN_NORMAL ? J($DENORMAL_SHIFT) : J(0));
    for (;;) {
        M more = valid & (r >= d);
        if (!gm_any(more)) break;
        I s = (gm_bits(r) >> $MANTISSA) - d_exponent - ($MANTISSA - 1);
        s = more & (s > 0) ? s : J(0);
        I half = s >> 1;
        F multiple = d * gm_pow2(half) * gm_pow2(s - half);
        F next = gm_fma(-gm_trunc(r / multiple), multiple, r);
        next = next < K(0) ? next + multiple : next;
        r = more ? next : r;
    }
    F value = gm_copysign(r, x);
    return valid & (y == y) ? value : $NAN;
}
""",
        (0.0, 0.0),
        note="exact, with the sign of x",
    ),
    Function(
        "remainder",
        """
gm_fn F gm_remainder(F x, F y) {
    F r = gm_fmod(x, y);
    return (r != K(0)) & ((r < K(0)) != (y < K(0))) ? r + y : r;
}
"""
        + of_each_type(
            "gm_fn T gm_remainder(T x, T y) { return y == 0 ? T() : (T)((U)x - (U)gm_floor_divide(x, y) * (U)y); }\n",
            "IU",
        ),
        (0.0, 0.0),
        note="with the sign of y; 0 for an integer modulo 0",
    ),
    # The divisors 0 and -1 are taken out: the processor traps on x / 0 and on the lowest integer divided by -1.
    Function(
        "floor_divide",
        """
gm_fn F gm_floor_divide(F x, F y) { return gm_floor(x / y); }
gm_fn U gm_floor_divide(U x, U y) { return y == 0 ? U() : x / (y == 0 ? ~U() : y); }
gm_fn I gm_floor_divide(I x, I y) {
    I d = (y == 0) | (y == -1) ? J(1) : y;
    I q = x / d;
    q = ((x % d) != 0) & ((x < 0) != (y < 0)) ? (I)((U)q - 1) : q;
    return y == 0 ? J(0) : (y == -1 ? (I)(U() - (U)x) : q);
}
""",
        (0.0, 0.0),
        note="floor(x / y); 0 for an integer over 0",
    ),
    Function(
        "minimum",
        """
gm_fn F gm_minimum(F x, F y) { return (x < y) | (x != x) ? x : y; }
"""
        + of_each_type("gm_fn T gm_minimum(T x, T y) { return x < y ? x : y; }\n", "IU"),
        (0.0, 0.0),
        note="NaN if either is; of equal ones the second",
    ),
    Function(
        "maximum",
        """
gm_fn F gm_maximum(F x, F y) { return (x > y) | (x != x) ? x : y; }
"""
        + of_each_type("gm_fn T gm_maximum(T x, T y) { return x > y ? x : y; }\n", "IU"),
        (0.0, 0.0),
        note="NaN if either is; of equal ones the second",
    ),
    Function(
        "sign",
        """
gm_fn F gm_sign(F x) { return (x > K(0) ? K(1) : K(0)) - (x < K(0) ? K(1) : K(0)); }
""",
        (0.0, 0.0),
        note="0 at NaN, and 0 without a sign at -0",
    ),
    Function("isnan", "gm_fn M gm_isnan(F x) { return x != x; }", (0.0, 0.0)),
    Function("isinf", "gm_fn M gm_isinf(F x) { return gm_abs(x) == $INF; }", (0.0, 0.0)),
    Function("isfinite", "gm_fn M gm_isfinite(F x) { return gm_abs(x) < $INF; }", (0.0, 0.0)),
)
