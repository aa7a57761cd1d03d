"""The logarithm of the gamma function and its derivative.

From 8 on, Stirling's series with a fitted remainder; below, the argument moves by integers to where a polynomial holds
that has the function's root as a factor, so that results near a root keep their digits. Negative arguments reflect;
near a root there (between the poles) the error is relative to the terms of the reflection.
"""

from genmlx.compiler.codegen.mathlib.function import Function, parts

__all__ = ["FUNCTIONS", "PARTS"]

LARGEST_SHIFT = 6  # arguments below 8 move to [1.25, 2.25) or [1, 2)

PRODUCT = "".join(
    f"    product = k >= K({j}) ? product * (x - K({j})) : product;\n" for j in range(1, LARGEST_SHIFT + 1)
)

# sum of 1/(x - j) for j = 1 .. k, as one fraction
FRACTION = "".join(
    f"""\
    step = x - K({j});
    top = k >= K({j}) ? gm_fma(top, step, bottom) : top;
    bottom = k >= K({j}) ? bottom * step : bottom;
"""
    for j in range(1, LARGEST_SHIFT + 1)
)

PARTS = parts(
    # x >= 0. With k = floor(x + 3/4) - 2 and t = x - 2 - k: lgamma(x) = lgamma(2 + t) + log((x - 1) .. (x - k)), and
    # below 1.25 lgamma(x) = lgamma(2 + t) - log(x) or - log(x (x + 1)); both terms keep enough digits at the root 1.
    lgamma_positive=f"""
gm_fn F gm_lgamma_positive(F x) {{
    M large = x >= K(8);
    F whole = gm_floor(x + K(0.75));
    F k = whole - K(2);
    F t = x - whole;
    F product = K(1);
{PRODUCT}    F shift = k < K(-1) ? gm_fma(x, x, x) : (k < K(0) ? x : product);
    F l = gm_log(large ? x : shift);
    F near = gm_fma(t, poly(lgamma, t), k < K(0) ? -l : l);
    F inverse = K(1) / x;
    F z = inverse * inverse;
    F far = gm_fma(x - K(0.5), l - K(1), gm_fma(inverse, poly(stirling, z), $STIRLING));
    return large ? far : (x == x ? near : x);
}}
""",
    # x >= 0, or -0. With k = floor(x) - 1: digamma(x) = digamma(x - k) + 1/(x - 1) + .. + 1/(x - k), or - 1/x for
    # k = -1.
    digamma_positive=f"""
gm_fn F gm_digamma_positive(F x) {{
    F k = gm_floor(x) - K(1);
    M below = k < K(0);
    F t = (x - k) - K(1.5);
    F top = below ? K(-1) : K(0);
    F bottom = below ? x : K(1);
    F step;
{FRACTION}    F root = ((x - k) - $DIGAMMA_ROOT) - $DIGAMMA_ROOT_LO;
    F near = gm_fma(root, poly(digamma, t), top / bottom);
    F inverse = K(1) / x;
    F z = inverse * inverse;
    F far = gm_log(x) - gm_fma(z, poly(digamma_tail, z), K(0.5) * inverse);
    return x >= K(8) ? far : near;
}}
""",
    # sin(pi r) and cos(pi r) of the distance r from a positive x to the nearest integer.
    half_turn="""
gm_fn F2 gm_half_turn(F x) {
    F r = x < $INTEGERS_FROM ? x - gm_round(x) : K(0);
    F a = gm_abs(r);
    M steep = a > K(0.25);
    F u = steep ? K(0.5) - a : a;
    Angle angle;
    angle.hi = gm_multiply(u, $PI);
    angle.lo = gm_fma(u, $PI_LO, gm_fma(u, $PI, -angle.hi));
    angle.quadrant = I();
    F s = gm_sin_near(angle).hi;
    F c = gm_cos_near(angle).hi;
    F2 result;
    result.hi = gm_copysign(steep ? c : s, r);
    result.lo = steep ? s : c;
    return result;
}
""",
)

FUNCTIONS = (
    # lgamma(-a) = log(pi / (a |sin(pi a)|)) - lgamma(a)
    Function(
        "lgamma",
        """
gm_fn F gm_lgamma(F x) {
    F a = gm_abs(x);
    F value = gm_lgamma_positive(a);
    M reflected = (x < K(0)) & (a >= $SMALLEST_MOVE);
    if (gm_any(reflected)) {
        F s = gm_abs(gm_half_turn(a).hi);
        F other = ($LOG_PI - gm_log(a * s)) - value;
        value = reflected ? (s == K(0) ? $INF : other) : value;
    }
    return value;
}
""",
        (4.0, 4.0),
        note="log|gamma(x)|; infinite at 0, -1, -2, ...; the bound holds for x >= 0",
    ),
    # digamma(-a) = digamma(a) + 1/a + pi cot(pi a)
    Function(
        "digamma",
        """
gm_fn F gm_digamma(F x) {
    F a = gm_abs(x);
    M reflected = x < K(0);
    F value = gm_digamma_positive(reflected ? a : x);
    if (gm_any(reflected)) {
        F2 turn = gm_half_turn(a);
        F inverse = K(1) / a;
        F other = a < $SMALLEST_MOVE ? inverse : value + gm_fma($PI, turn.lo / turn.hi, inverse);
        other = turn.hi == K(0) ? $NAN : other;
        value = reflected ? other : value;
    }
    return value;
}
""",
        (4.0, 4.0),
        note="NaN at -1, -2, ..., -inf at 0 and inf at -0; the bound holds for x >= 0",
    ),
)
