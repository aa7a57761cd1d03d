"""Named numbers of the library, for float32 and for float64.

A number that a float does not hold is split into parts: `LN2_HI` has trailing zeros, so that its product with an
exponent is exact; in all other groups `_LO` (and `_LO2`) are what rounding the part before left.
"""

__all__ = ["CONSTANTS", "TWO_OVER_PI_WORDS"]

parse = float.fromhex
MANTISSA = (23, 52)
BIAS = (127, 1023)

CONSTANTS: dict[str, tuple[float, float] | tuple[int, int]] = {
    # Layout of the format.
    "MANTISSA": MANTISSA,
    "BIAS": BIAS,
    "WIDTH": (32, 64),
    "MANTISSA_MASK": ((1 << 23) - 1, (1 << 52) - 1),
    "MAGNITUDE_MASK": ((1 << 31) - 1, (1 << 63) - 1),
    "SIGN_SHIFT": (30, 62),                                     # (k & 2) << SIGN_SHIFT: bit 1 becomes the sign
    "MIN_NORMAL": (2.0**-126, 2.0**-1022),
    "LARGEST": (parse("0x1.fffffep127"), parse("0x1.fffffffffffffp1023")),
    "INF": (float("inf"), float("inf")),
    "NAN": (float("nan"), float("nan")),
    # Adding 1.5 * 2^mantissa rounds a small float to an integer, ties to even, and leaves it in the low bits.
    "MAGIC": (1.5 * 2.0**23, 1.5 * 2.0**52),
    "MAGIC_BITS": (0x4B400000, 0x4338000000000000),
    "INTEGERS_FROM": (2.0**23, 2.0**52),                        # from here on, every float is an integer
    "DENORMAL_SCALE": (2.0**24, 2.0**53),
    "DENORMAL_EXPONENT": (24.0, 53.0),
    "DENORMAL_SHIFT": (24, 53),
    "EXACT_BEYOND": (25.0, 54.0),                               # from 2^this on, 1 + x is x
    # Beyond these an exponential is 0, infinite, or -1 to the last place.
    "EXP_LOWEST": (-104.5, -746.0),
    "EXP_HIGHEST": (90.5, 711.5),
    "EXP2_LOWEST": (-151.0, -1076.0),
    "EXP2_HIGHEST": (129.0, 1025.0),
    "EXPM1_LOWEST": (-20.0, -40.0),
    "EXPM1_HIGHEST": (89.0, 710.0),
    "SMALLEST_MOVE": (2.0**-25, 2.0**-54),                      # x/2 vanishes beside 1
    "HUGE": (2.0**25, 2.0**54),                                 # 1 vanishes beside x
    # Logarithms.
    "SQRT_HALF_BITS": (0x3F3504F3, 0x3FE6A09E667F3BCD),
    "LN2_HI": (parse("0x1.62e4p-1"), parse("0x1.62e42fefa38p-1")),
    "LN2_LO": (parse("0x1.7f7d1cp-20"), parse("0x1.ef35793c7673p-45")),
    "LN2": (parse("0x1.62e43p-1"), parse("0x1.62e42fefa39efp-1")),
    "LOG2E": (parse("0x1.715476p+0"), parse("0x1.71547652b82fep+0")),
    "TWO_LOG2E": (parse("0x1.715476p+1"), parse("0x1.71547652b82fep+1")),
    "TWO_LOG2E_LO": (parse("0x1.4ae0cp-25"), parse("0x1.777d0ffda0d24p-55")),
    "LOG10_2": (parse("0x1.344136p-2"), parse("0x1.34413509f79ffp-2")),
    "LOG10_2_LO": (parse("-0x1.ec10cp-27"), parse("-0x1.9dc1da994fd21p-59")),
    "THIRD": (parse("0x1.555556p-2"), parse("0x1.5555555555555p-2")),
    "THIRD_LO": (parse("-0x1.555556p-27"), parse("0x1.5555555555555p-56")),
    # Angles.
    "TWO_OVER_PI": (parse("0x1.45f306p-1"), parse("0x1.45f306dc9c883p-1")),
    "PI": (parse("0x1.921fb6p+1"), parse("0x1.921fb54442d18p+1")),
    "PI_LO": (parse("-0x1.777a5cp-24"), parse("0x1.1a62633145c07p-53")),
    "HALF_PI": (parse("0x1.921fb6p+0"), parse("0x1.921fb54442d18p+0")),
    "HALF_PI_LO": (parse("-0x1.777a5cp-25"), parse("0x1.1a62633145c07p-54")),
    "HALF_PI_LO2": (parse("-0x1.ee59dap-50"), parse("-0x1.f1976b7ed8fbcp-110")),
    "QUARTER_PI": (parse("0x1.921fb6p-1"), parse("0x1.921fb54442d18p-1")),
    "QUARTER_PI_LO": (parse("-0x1.777a5cp-26"), parse("0x1.1a62633145c07p-55")),
    "VERTICAL": (2.0**60, 2.0**60),                             # the angle of this slope and of infinity are one float
    "TAN_PI_8": (parse("0x1.a8279ap-2"), parse("0x1.a827999fcef32p-2")),
    "SMALL_ANGLES": (2.0**17, 2.0**27),                         # the three-part reduction holds up to here
    # The fraction of a quarter turn as two words: how many bits the second part takes from each.
    "GUARD": (8, 11),
    "SECOND": (14, 40),
    "THIRD_BITS": (18, 24),
    "HALF_WIDTH": (16, 32),
    "HALF_MASK": ((1 << 16) - 1, (1 << 32) - 1),
    "GUARD_MASK": ((1 << 8) - 1, (1 << 11) - 1),
    "THIRD_MASK": ((1 << 18) - 1, (1 << 24) - 1),
    "TOP_UNIT": (2.0 ** (8 - 30), 2.0 ** (11 - 62)),
    "SECOND_UNIT": (2.0 ** -(30 + 14), 2.0 ** -(62 + 40)),
    "THIRD_UNIT": (2.0**-62, 2.0**-126),
    # Error functions: where the table of erfc is centred and ends, and the power of two that keeps e^(-x^2) normal.
    "ERFC_CENTRE": (2.0, 2.5),
    "ERFC_END": (10.19, 27.39),
    "ERFC_SHIFT": (64, 128),
    "ERFC_UNSHIFT": (2.0**-64, 2.0**-128),
    "ERFINV_TAIL_CENTRE": (3.25, 3.1875),
    # Gamma functions: (log(2 pi) - 1) / 2, log(pi), and where digamma is 0.
    "STIRLING": (parse("0x1.acfe38p-2"), parse("0x1.acfe390c97d68p-2")),
    "LOG_PI": (parse("0x1.250d06p+0"), parse("0x1.250d048e7a1bdp+0")),
    "DIGAMMA_ROOT": (parse("0x1.762d86p+0"), parse("0x1.762d86356be3fp+0")),
    "DIGAMMA_ROOT_LO": (parse("0x1.ab5f2p-27"), parse("0x1.b86a722197829p-54")),
}  # fmt: skip

# 2/pi in binary: 1,280 bits after the point, and as many words of zeros before it as a shift may reach.
TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee88235f5"
    "2ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d"
    "7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6babf0cfbc209af4361d",
    16,
)


def words(width: int, count: int) -> tuple[int, ...]:
    """A word of zeros and the first `count - 1` words of 2/pi."""
    return (0, *(TWO_OVER_PI >> (1280 - width * i) & ((1 << width) - 1) for i in range(1, count)))


TWO_OVER_PI_WORDS = {32: words(32, 8), 64: words(64, 20)}
