"""Trigonometric functions and their inverses.

x = k pi/2 + r with |r| <= pi/4, r as a pair of floats. Up to `SMALL_ANGLES`, k times pi/2 in three parts is taken off,
the first part exactly. Beyond, k and r are the integer part and the fraction of x (2/pi), of which only the bits around
the binary point matter (Payne and Hanek 1983): a window of three words is shifted out of 2/pi by selection, without a
table in memory, and multiplied by the mantissa of x in integers. That stays a straight line, so it vectorises, and it
is skipped where no lane needs it.
"""

from genmlx.compiler.codegen.mathlib.constants import TWO_OVER_PI_WORDS
from genmlx.compiler.codegen.mathlib.function import Function, parts
from genmlx.compiler.codegen.mathlib.spelling import Bits

__all__ = ["FUNCTIONS", "PARTS"]

WINDOW = 4  # words that a shift by less than a word turns into three


def large_angle(bits: Bits) -> str:
    """The template of the reduction for large arguments.

    With x = m 2^e, m an integer: the bits of 2/pi above 2^(1-e) contribute multiples of 4 to x (2/pi), whole turns. So
    """
    words = TWO_OVER_PI_WORDS[bits]
    suffix = "u" if bits == 32 else "ul"
    lines = []
    names = [f"U() + {word:#x}{suffix}" for word in words]
    step = 1 << (len(words) - WINDOW).bit_length() - 1
    while step:
        # Shift by `step` words where the index says so; what is kept holds a window and all shifts still to come.
        lines.append(f"    far = (index & {step}) != 0;")
        kept = min(step - 1 + WINDOW, len(names))
        shifted = [*names[step:], *(["U()"] * step)]
        for i in range(kept):
            lines.append(f"    U w{step}_{i} = far ? {shifted[i]} : {names[i]};")
        names = [f"w{step}_{i}" for i in range(kept)]
        step //= 2
    selection = "\n".join(lines)
    return f"""
gm_fn U gm_high_product(U a, U b) {{
    U a_hi = a >> $HALF_WIDTH, a_lo = a & $HALF_MASK, b_hi = b >> $HALF_WIDTH, b_lo = b & $HALF_MASK;
    U cross = a_lo * b_hi;
    U middle = ((a_lo * b_lo) >> $HALF_WIDTH) + (cross & $HALF_MASK) + a_hi * b_lo;
    return a_hi * b_hi + (cross >> $HALF_WIDTH) + (middle >> $HALF_WIDTH);
}}
gm_fn Angle gm_large_angle(F x) {{
    I magnitude = gm_bits(x) & $MAGNITUDE_MASK;
    U m = (U)((magnitude & $MANTISSA_MASK) | ($MANTISSA_MASK + 1));
    I offset = (magnitude >> $MANTISSA) - ($BIAS + $MANTISSA + 2) + $WIDTH;
    I index = offset >> {5 if bits == 32 else 6};
    U shift = (U)(offset & ($WIDTH - 1));
    M far;
{selection}
    U a = (w1_0 << shift) | ((w1_1 >> 1) >> ($WIDTH - 1 - shift));
    U b = (w1_1 << shift) | ((w1_2 >> 1) >> ($WIDTH - 1 - shift));
    U c = (w1_2 << shift) | ((w1_3 >> 1) >> ($WIDTH - 1 - shift));
    // m (a b c) modulo 4, the binary point two bits into the first word
    U low = m * b;
    U second = low + gm_high_product(m, c);
    U first = m * a + gm_high_product(m, b) + (second < low ? U() + 1 : U());
    U quadrant = (first + ((U() + 1) << ($WIDTH - 3))) >> ($WIDTH - 2);
    I fraction = (I)(first - (quadrant << ($WIDTH - 2)));
    // the fraction in three parts, each exact as a float
    I part = ((fraction & $GUARD_MASK) << $SECOND) | (I)(second >> ($WIDTH - $SECOND));
    F f1 = gm_from_small(fraction >> $GUARD) * $TOP_UNIT;
    F f2 = gm_from_small(part) * $SECOND_UNIT;
    F f3 = gm_from_small((I)((second >> ($WIDTH - $SECOND - $THIRD_BITS)) & $THIRD_MASK)) * $THIRD_UNIT;
    F f = f1 + f2;
    F f_lo = (f2 - (f - f1)) + f3;
    Angle r;
    r.hi = gm_multiply(f, $HALF_PI);
    r.lo = gm_fma(f_lo, $HALF_PI, gm_fma(f, $HALF_PI_LO, gm_fma(f, $HALF_PI, -r.hi)));
    M negative = x < K(0);
    r.hi = negative ? -r.hi : r.hi;
    r.lo = negative ? -r.lo : r.lo;
    r.quadrant = negative ? -(I)quadrant : (I)quadrant;
    return r;
}}
"""


PARTS = {
    "large_angle": Function("large_angle", large_angle),
    **parts(
        angle="""
gm_fn Angle gm_angle(F x) {
    F t = gm_fma(x, $TWO_OVER_PI, $MAGIC);
    F k = t - $MAGIC;
    F a = gm_fma(-k, $HALF_PI, x);
    F p = gm_multiply(k, $HALF_PI_LO);
    F p_lo = gm_fma(k, $HALF_PI_LO, -p);
    Angle r;
    r.hi = a - p;
    F b = r.hi - a;
    r.lo = gm_fma(-k, $HALF_PI_LO2, ((a - (r.hi - b)) - (p + b)) - p_lo);
    r.quadrant = gm_bits(t);
    M large = gm_abs(x) > $SMALL_ANGLES;
    if (gm_any(large)) {
        Angle l = gm_large_angle(x);
        r.hi = large ? l.hi + (x - x) : r.hi;
        r.lo = large ? l.lo : r.lo;
        r.quadrant = large ? l.quadrant : r.quadrant;
    }
    return r;
}
""",
        # sin(r) and cos(r) as pairs.
        sin_near="""
gm_fn F2 gm_sin_near(Angle r) {
    F z = r.hi * r.hi;
    F rest = gm_fma(r.hi * z, poly(sin, z), gm_fma(K(-0.5) * z, r.lo, r.lo));
    F2 s;
    s.hi = r.hi + rest;
    s.lo = rest - (s.hi - r.hi);
    return s;
}
""",
        cos_near="""
gm_fn F2 gm_cos_near(Angle r) {
    F z = gm_multiply(r.hi, r.hi);
    F h = K(0.5) * z;
    F w = K(1) - h;
    F rest = ((K(1) - w) - h) + gm_fma(z * z, poly(cos, z), gm_fma(K(-0.5), gm_fma(r.hi, r.hi, -z), -r.hi * r.lo));
    F2 c;
    c.hi = w + rest;
    c.lo = rest - (c.hi - w);
    return c;
}
""",
        turned="""
gm_fn F gm_turned(F value, I quadrant) {
    return gm_from_bits(gm_bits(value) ^ ((quadrant & 2) << $SIGN_SHIFT));
}
""",
        # atan of a ratio n/d in [0, 1], by atan(q) = pi/4 + atan((q - 1)/(q + 1)) above tan(pi/8); a pair.
        atan_ratio="""
gm_fn F2 gm_atan_ratio(F n, F d) {
    M steep = n > $TAN_PI_8 * d;
    F top = steep ? n - d : n;
    F top_lo = steep ? n - (top + d) : K(0);
    F bottom = steep ? d + n : d;
    F bottom_lo = steep ? n - (bottom - d) : K(0);
    F inverse = K(1) / bottom;
    F t = gm_multiply(top, inverse);
    F t_lo = (gm_fma(-t, bottom, top) + gm_fma(-t, bottom_lo, top_lo)) * inverse;
    F z = t * t;
    F p = gm_fma(t * z, poly(atan, z), t_lo);
    F2 r;
    F base = steep ? $QUARTER_PI : K(0);
    F base_lo = steep ? $QUARTER_PI_LO : K(0);
    r.hi = base + t;
    r.lo = ((t - (r.hi - base)) + base_lo) + p;
    return r;
}
""",
    ),
}

FUNCTIONS = (
    Function(
        "sin",
        """
gm_fn F gm_sin(F x) {
    Angle r = gm_angle(x);
    F value = gm_turned((r.quadrant & 1) != 0 ? gm_cos_near(r).hi : gm_sin_near(r).hi, r.quadrant);
    return gm_abs(x) < $SMALLEST_MOVE ? x : value;
}
""",
        (1.0, 1.0),
    ),
    Function(
        "cos",
        """
gm_fn F gm_cos(F x) {
    Angle r = gm_angle(x);
    r.quadrant = r.quadrant + 1;
    return gm_turned((r.quadrant & 1) != 0 ? gm_cos_near(r).hi : gm_sin_near(r).hi, r.quadrant);
}
""",
        (1.0, 1.0),
    ),
    Function(
        "tan",
        """
gm_fn F gm_tan(F x) {
    Angle r = gm_angle(x);
    F2 s = gm_sin_near(r);
    F2 c = gm_cos_near(r);
    M odd = (r.quadrant & 1) != 0;
    F n = odd ? -c.hi : s.hi;
    F n_lo = odd ? -c.lo : s.lo;
    F d = odd ? s.hi : c.hi;
    F d_lo = odd ? s.lo : c.lo;
    F inverse = K(1) / d;
    F q = gm_multiply(n, inverse);
    F value = gm_fma(gm_fma(-q, d, n) + gm_fma(-q, d_lo, n_lo), inverse, q);
    return gm_abs(x) < $SMALLEST_MOVE ? x : value;
}
""",
        (1.0, 1.0),
    ),
    # Above 1/2: asin(x) = pi/2 - 2 asin(sqrt((1 - x)/2)), with what rounding the root lost put back.
    Function(
        "asin",
        """
gm_fn F gm_asin(F x) {
    F a = gm_abs(x);
    M near = a < K(0.5);
    F z = near ? a * a : K(0.5) - K(0.5) * a;
    F s = near ? a : gm_sqrt(z);
    F p = gm_multiply(s * z, poly(asin, z));
    F c = s > K(0) ? gm_fma(-s, s, z) / (s + s) : K(0);
    F twice = s + s;
    F top = $HALF_PI - twice;
    F far = top + ((($HALF_PI - top) - twice) + ($HALF_PI_LO - K(2) * (p + c)));
    return gm_copysign(near ? s + p : far, x);
}
""",
        (1.0, 1.0),
        note="NaN outside [-1, 1]",
    ),
    Function(
        "acos",
        """
gm_fn F gm_acos(F x) {
    F a = gm_abs(x);
    M near = a < K(0.5);
    F z = near ? a * a : K(0.5) - K(0.5) * a;
    F s = near ? x : gm_sqrt(z);
    F p = gm_multiply(s * z, poly(asin, z));
    F c = near | (s <= K(0)) ? K(0) : gm_fma(-s, s, z) / (s + s);
    F twice = s + s;
    F base = near ? $HALF_PI : $PI;
    F taken = near ? s : twice;
    F rest = near ? p : K(2) * (p + c);
    F top = base - taken;
    F below = top + (((base - top) - taken) + ((near ? $HALF_PI_LO : $PI_LO) - rest));
    F value = near | (x < K(0)) ? below : twice + rest;
    return a <= K(1) ? value : $NAN;
}
""",
        (1.0, 1.0),
        note="NaN outside [-1, 1]",
    ),
    Function(
        "atan",
        """
gm_fn F gm_atan(F x) {
    F a = gm_abs(x);
    a = a > $VERTICAL ? $VERTICAL : a;
    M inverse = a > K(1);
    F2 r = gm_atan_ratio(inverse ? K(1) : a, inverse ? a : K(1));
    F top = $HALF_PI - r.hi;
    F flipped = top + ((($HALF_PI - top) - r.hi) + ($HALF_PI_LO - r.lo));
    F value = inverse ? flipped : r.hi + r.lo;
    return gm_copysign(x == x ? value : x, x);
}
""",
        (1.0, 1.0),
    ),
    # The ratio of the smaller to the larger, then reflected at the diagonal and at the axis. Scaling by a power of two
    # keeps the sum of two large ones finite and the ratio of two denormal ones accurate.
    Function(
        "atan2",
        """
gm_fn F gm_atan2(F y, F x) {
    F a = gm_abs(x);
    F b = gm_abs(y);
    M swap = b > a;
    F large = swap ? b : a;
    F small = swap ? a : b;
    F scale = large > K(1) ? K(0.25) : $DENORMAL_SCALE;
    M equal = small == large;
    M unscaled = equal | (large == $INF);
    F n = unscaled ? (equal & (large > K(0)) ? K(1) : K(0)) : small * scale;
    F d = unscaled ? K(1) : large * scale;
    F2 r = gm_atan_ratio(n, d);
    F top = $HALF_PI - r.hi;
    F rest = (($HALF_PI - top) - r.hi) + ($HALF_PI_LO - r.lo);
    F hi = swap ? top : r.hi;
    F lo = swap ? rest : r.lo;
    M left = gm_bits(x) < 0;
    top = $PI - hi;
    rest = (($PI - top) - hi) + ($PI_LO - lo);
    F value = left ? top + rest : hi + lo;
    return gm_copysign((x == x) & (y == y) ? value : $NAN, y);
}
""",
        (2.0, 2.0),
        note="atan2(y, x) in [-pi, pi], with C's values at zeros and infinities",
    ),
)
