"""The error function, its complement and its inverse."""

from genmlx.compiler.codegen.mathlib.function import Function, parts
from genmlx.compiler.codegen.mathlib.spelling import Bits

__all__ = ["FUNCTIONS", "PARTS"]

PARTS = parts(
    # erfc(x) for x >= 0.45: e^(-x^2) (1 + 2 x)^-1 times a function of (x - c)/(x + c) that one polynomial covers
    # (after Schonfelder 1978). x^2 is a pair: its last bits are e^(-x^2)'s first where x is large. What the quotient
    # lost is put back.
    erfc_tail="""
gm_fn F gm_erfc_tail(F x) {
    x = x > $ERFC_END ? $ERFC_END : x;
    F t = (x - $ERFC_CENTRE) / (x + $ERFC_CENTRE);
    F d = gm_fma(K(2), x, K(1));
    F d_lo = gm_fma(K(2), x, K(1) - d);
    F inverse = K(1) / d;
    F lost = gm_fma(-inverse, d_lo, gm_fma(-inverse, d, K(1)));
    F s = gm_multiply(x, x);
    F s_lo = gm_fma(x, x, -s);
    F p = poly(erfc, t);
    F e = gm_exp_scaled(-s, J($ERFC_SHIFT));
    return (e * inverse) * gm_fma(lost - s_lo, p, p) * $ERFC_UNSHIFT;
}
""",
)


def erfinv(bits: Bits) -> str:
    """x times a polynomial in w = -log(1 - x^2), or in sqrt(w) near +-1, with a third piece where w exceeds 16."""
    third = "" if bits == 32 else "    F u = s - K(5);\n    tail = w > K(16) ? poly(erfinv_far, u) : tail;\n"
    return f"""
gm_fn F gm_erfinv(F x) {{
    F w = -gm_log((K(1) - x) * (K(1) + x));
    F c = w - K(2.875);
    F s = gm_sqrt(w);
    F t = s - $ERFINV_TAIL_CENTRE;
    F tail = poly(erfinv_tail, t);
{third}    F p = w < K(5.75) ? poly(erfinv, c) : tail;
    return x * (gm_abs(x) == K(1) ? $INF : p);
}}
"""


FUNCTIONS = (
    Function(
        "erf",
        """
gm_fn F gm_erf(F x) {
    F a = gm_abs(x);
    F z = x * x;
    F near = gm_fma(x, poly(erf, z), x);
    F far = gm_copysign(K(1) - gm_erfc_tail(a), x);
    return a < K(1) ? near : far;
}
""",
        (1.2, 1.2),
    ),
    Function(
        "erfc",
        """
gm_fn F gm_erfc(F x) {
    F a = gm_abs(x);
    F z = x * x;
    F near = gm_fma(-x, poly(erf, z), K(1) - x);
    F tail = gm_erfc_tail(a);
    return a < K(1) ? near : (x < K(0) ? K(2) - tail : tail);
}
""",
        (3.9, 3.6),
    ),
    Function(
        "erfinv",
        erfinv,
        (3.6, 3.6),
        note="infinite at -1 and 1, NaN outside",
    ),
)
