"""Accuracy and edges of the compiler's math library, on one lane and on many.

float32 against doubles, float64 against forty digits; the bounds are those that `mathlib.FUNCTIONS` documents. Where MLX
has choices of its own (ties, signs, NaN), MLX is the reference.
"""

import platform
import subprocess

import mlx.core as mx
import mpmath
import numpy as np
import pytest

from genmlx.compiler.codegen import mathlib
from genmlx.numerics.errors import UsageError
from helpers import mathlib as h
from helpers.mathlib import BINARY, DOUBLE, EXACT, INTEGER, LANES, MASKS, UNARY, Library, errors_in_ulp

pytestmark = pytest.mark.skipif(h.COMPILER is None, reason="no C++ compiler")

# How many float64 arguments a function is tried at, in each of five groups.
POINTS = 1200

# Where the functions are neither infinite nor NaN nor 0 by overflow; everywhere, where nothing is said.
DOMAINS = {
    "exp": (-745.0, 709.7), "exp2": (-1074.0, 1023.9), "expm1": (-50.0, 709.7), "log": (0.0, np.inf),
    "log2": (0.0, np.inf), "log10": (0.0, np.inf), "log1p": (-1.0, np.inf), "rsqrt": (0.0, np.inf), "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0), "sinh": (-710.4, 710.4), "cosh": (-710.4, 710.4), "acosh": (1.0, np.inf),
    "atanh": (-1.0, 1.0), "erf": (-6.5, 6.5), "erfc": (-6.5, 27.2), "erfinv": (-1.0, 1.0), "sigmoid": (-744.0, 40.0),
    "tanh": (-30.0, 30.0), "lgamma": (0.0, 1e305), "digamma": (0.0, np.inf),
}  # fmt: skip

# Their bounds hold where x >= 0; below, beside the roots between the poles, the terms of a reflection cancel.
REFLECTED = ("lgamma", "digamma")

KINKS = (0.0, 0.25, np.sqrt(2) - 1, 0.5, 0.55, np.sqrt(0.5), 1.0, np.sqrt(2), 2.0, np.sqrt(2) + 1)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    text = mathlib.emit(mathlib.FUNCTIONS, precisions=("float32", "float64"), lanes=(1, 2, 4, 8, 16))
    return Library(text + h.loops(), tmp_path_factory.mktemp("mathlib"))


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def arguments(name, rng):
    """Doubles in the domain of a function: over all magnitudes, over its middle, over its range, and beside its kinks."""
    low, high = DOMAINS.get(name, (-np.inf, np.inf))
    n = POINTS
    sign = rng.choice([-1.0, 1.0], size=(2, n))
    middle = rng.uniform(max(low, -30.0), min(high, 30.0), n)
    magnitudes = sign[0] * 10.0 ** rng.uniform(-307, 308, n)
    ones = sign[1] * 10.0 ** rng.uniform(-4, 1, n)
    whole = rng.uniform(low, high, n) if np.isfinite(low) and high < 1e4 else ones[::-1] * 100.0
    beside = np.concatenate(
        [s * k + d * 10.0 ** rng.uniform(-17, -2, 40) for k in KINKS for s in (-1, 1) for d in (-1, 1)]
    )
    x = np.concatenate([middle, magnitudes, ones, whole, beside])
    return x[(x > low) & (x < high)]


def every_kth_float32(k):
    """Floats of all signs and magnitudes, evenly over their bit patterns, with the edges of all ranges."""
    bits = np.arange(0, 2**32, k, dtype=np.uint64).astype(np.uint32)
    return np.concatenate(
        [bits.view(np.float32), special_values(np.float32), np.linspace(0, 10, 4001, dtype=np.float32)]
    )


def special_values(dtype):
    f = np.finfo(dtype)
    positive = [0.0, 1.0, 2.0, 0.5, 3.0, 2.5, 3.5, 1e-3, 7.0, 100.0, 1e10, np.inf, f.max, f.tiny, f.smallest_subnormal]
    with np.errstate(over="ignore"):
        overflow = [np.nextafter(dtype(v), dtype(d)) for v in (1.0, 0.5, f.tiny, np.log(f.max)) for d in (0.0, np.inf)]
    return np.array([*positive, *(-np.array(positive)), *overflow, np.nan], dtype)


def same_bits(a, b):
    integer = np.dtype(f"int{8 * a.itemsize}")
    return (a.view(integer) == b.view(integer)) | (np.isnan(a) & np.isnan(b))


def pairs(values):
    x, y = np.meshgrid(values, values)
    return x.ravel(), y.ravel()


# ---- one argument ----------------------------------------------------------------------------------------------------


def test_every_function_has_a_reference():
    functions = set(mathlib.FUNCTIONS) - {"threefry2x32", "random_word"}
    assert functions == {*UNARY, *BINARY, *MASKS, "fma"}
    assert set(UNARY) <= set(DOUBLE)


@pytest.mark.parametrize("name", UNARY)
def test_float32_is_within_its_bound_over_all_floats(library, name):
    x = every_kth_float32(4099)
    if name in REFLECTED:
        x = x[~(x < 0)]
    with np.errstate(all="ignore"):
        expected = DOUBLE[name](x.astype(np.float64))
    error = errors_in_ulp(library(name, x, lanes=16), expected)
    worst = int(np.argmax(error))
    assert error[worst] <= mathlib.FUNCTIONS[name].ulp[0], (x[worst], error[worst])


@pytest.mark.parametrize("name", [n for n in UNARY if n in EXACT])
def test_float64_is_within_its_bound(library, name, rng):
    x = arguments(name, rng)
    found = library(name, x, lanes=8)
    with mpmath.workdps(45):
        error = [
            h.exact_error_in_ulp(y, EXACT[name](mpmath.mpf(v))) for v, y in zip(x.tolist(), found.tolist(), strict=True)
        ]
    worst = int(np.argmax(error))
    assert len(x) >= 1000
    assert error[worst] <= mathlib.FUNCTIONS[name].ulp[1], (x[worst], found[worst], error[worst])


@pytest.mark.parametrize("name", UNARY)
def test_float64_at_its_edges(library, name):
    x = special_values(np.float64)
    if name in REFLECTED:
        x = x[~np.isfinite(x) & ~(x < 0) | (x == 0) | (x >= 2)]  # elsewhere SciPy's are not the better ones
    with np.errstate(all="ignore"):
        expected = DOUBLE[name](x)
    error = errors_in_ulp(library(name, x), expected)
    # The references are doubles, too, and a last place or two off themselves.
    worst = int(np.argmax(error))
    assert error[worst] <= mathlib.FUNCTIONS[name].ulp[1] + 2, (x[worst], error[worst])


@pytest.mark.parametrize("name", REFLECTED)
def test_reflected_arguments(library, name, rng):
    x = np.concatenate([-rng.uniform(0, 40, 2000), -(10.0 ** rng.uniform(-12, 0, 500)), -np.arange(12) - 0.5])
    found = library(name, x, lanes=8)
    with mpmath.workdps(45):
        for a, y in zip(x.tolist(), found.tolist(), strict=True):
            expected, mirrored = EXACT[name](mpmath.mpf(a)), EXACT[name](mpmath.mpf(-a))
            assert h.exact_error_in_ulp(y, expected, abs(expected) + abs(mirrored) + 1) < 4, a
    pole = np.inf if name == "lgamma" else np.nan
    np.testing.assert_array_equal(library(name, np.array([-1.0, -2.0, -7.0, -(2.0**40)], np.float32)), pole)


@pytest.mark.parametrize("scalar", ["f32", "f64"])
@pytest.mark.parametrize("name", UNARY)
def test_lanes_agree_to_the_bit(library, name, scalar, rng):
    if scalar == "f32":
        x = every_kth_float32(65537)
    else:
        x = np.concatenate(
            [rng.integers(0, 2**64, 40_000, dtype=np.uint64).view(np.float64), special_values(np.float64)]
        )
        x = np.concatenate([x, rng.normal(size=4000) * 10])
    one, *many = (library(name, x, lanes=lanes) for lanes in LANES[scalar])
    assert all(same_bits(one, other).all() for other in many)


@pytest.mark.parametrize(("name", "numpy_name"), [("isnan", np.isnan), ("isinf", np.isinf), ("isfinite", np.isfinite)])
def test_masks(library, name, numpy_name):
    x = special_values(np.float32)
    found = library(name, np.where(np.isfinite(x), x, x))
    # The loop writes x - x + 1 for true and x - x for false: both are NaN where x is not finite, so ask at finite ones.
    finite = np.isfinite(x)
    np.testing.assert_array_equal(found[finite], numpy_name(x[finite]).astype(np.float32))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The library without contraction of products and sums, and for a processor with 256-bit registers."""
    text = mathlib.emit(mathlib.FUNCTIONS, precisions=("float32", "float64"), lanes=(1, 2, 4, 8, 16)) + h.loops()
    flags = [f.replace("=fast", "=off") for f in mathlib.FLAGS if f != "-march=native"]
    return Library(text, tmp_path_factory.mktemp("elsewhere"), flags=(*flags, "-march=x86-64-v3"))


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of x86-64")
@pytest.mark.slow
@pytest.mark.parametrize("scalar", ["f32", "f64"])
@pytest.mark.parametrize("name", UNARY)
def test_neither_contraction_nor_registers_change_a_bit(library, elsewhere, name, scalar):
    with np.errstate(invalid="ignore"):  # signalling NaNs become quiet
        x = every_kth_float32(65537).astype(h.DTYPE[scalar])
    for lanes in LANES[scalar]:
        assert same_bits(elsewhere(name, x, lanes=lanes), library(name, x, lanes=lanes)).all()


@pytest.mark.skipif("g++" not in str(h.COMPILER), reason="GCC's report")
def test_loops_over_one_lane_vectorise(tmp_path):
    names = [n for n in UNARY if n not in ("lgamma", "digamma")]
    loop = "void {0}_loop(const f32* x, f32* y) {{ for (int i = 0; i < 1024; ++i) y[i] = gm_{0}(x[i]); }}\n"
    path = tmp_path / "loops.cpp"
    path.write_text(mathlib.emit(names) + "".join(loop.format(n) for n in names))
    report = tmp_path / "report"
    command = [h.COMPILER, *mathlib.FLAGS, f"-fopt-info-vec-optimized={report}", "-c", path, "-o", tmp_path / "loops.o"]
    subprocess.run(command, check=True, timeout=120)
    lines = path.read_text().splitlines()
    vectorised = {
        lines[int(line.split(":")[1]) - 1].split("_loop")[0].removeprefix("void ")
        for line in report.read_text().splitlines()
        if "loop vectorized" in line
    }
    assert set(names) <= vectorised


# ---- two arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["power", "atan2", "logaddexp"])
def test_float32_of_two_arguments(library, name, rng):
    n = 300_000
    x, y = special_pairs_and(rng, name, np.float32, n)
    with np.errstate(all="ignore"):
        expected = DOUBLE[name](x.astype(np.longdouble), y.astype(np.longdouble)).astype(np.float64)
    scale = None
    if name == "logaddexp":
        with np.errstate(invalid="ignore"):
            scale = np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(expected)).astype(np.float64)
            scale = np.where(np.isfinite(scale), scale, expected)
        expected = np.where((x == -np.inf) & (y == 0), y, np.where((y == -np.inf) & (x == 0), x, expected))
    error = errors_in_ulp(library(name, x, y, lanes=16), expected, scale)
    worst = int(np.argmax(error))
    assert error[worst] <= mathlib.FUNCTIONS[name].ulp[0], (x[worst], y[worst], error[worst])


def special_pairs_and(rng, name, dtype, n):
    """All pairs of special values, and arguments with ordinary results."""
    sx, sy = pairs(special_values(dtype))
    if name == "power":
        x = np.exp(rng.uniform(-40, 40, n))
        y = rng.uniform(-1, 1, n) * (87 if dtype == np.float32 else 705) / np.maximum(np.abs(np.log(x)), 1e-3)
        x[: n // 4] = 1 + rng.normal(size=n // 4) * 10.0 ** rng.uniform(-6, -1, n // 4)
        y[: n // 4] = rng.normal(size=n // 4) * 50
        y[: n // 8], x[: n // 8] = np.rint(y[: n // 8]), -x[: n // 8]
    else:
        x, y = rng.normal(size=(2, n)) * 10.0 ** rng.uniform(-3, 3, (2, n))
    return np.concatenate([sx, x.astype(dtype)]), np.concatenate([sy, y.astype(dtype)])


@pytest.mark.parametrize("name", ["power", "atan2", "logaddexp"])
def test_float64_of_two_arguments(library, name, rng):
    x, y = special_pairs_and(rng, name, np.float64, 5000)
    x, y = x[-5000:], y[-5000:]
    found = library(name, x, y, lanes=8)
    error = []
    with mpmath.workdps(60):
        for a, b, z in zip(x.tolist(), y.tolist(), found.tolist(), strict=True):
            expected = EXACT[name](mpmath.mpf(a), mpmath.mpf(b))
            scale = max(abs(expected), abs(a), abs(b)) if name == "logaddexp" else None
            error.append(h.exact_error_in_ulp(z, expected, scale))
    worst = int(np.argmax(error))
    assert error[worst] <= mathlib.FUNCTIONS[name].ulp[1], (x[worst], y[worst], found[worst], error[worst])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["power", "atan2"])
def test_special_pairs_are_those_of_c(library, name, dtype):
    x, y = pairs(special_values(dtype))
    with np.errstate(all="ignore"):
        expected = DOUBLE[name](x.astype(np.longdouble), y.astype(np.longdouble)).astype(np.float64)
    error = errors_in_ulp(library(name, x, y), expected)
    worst = int(np.argmax(error))
    assert error[worst] <= mathlib.FUNCTIONS[name].ulp[0], (x[worst], y[worst])


MLX = {
    "remainder": mx.remainder, "floor_divide": mx.floor_divide, "minimum": mx.minimum, "maximum": mx.maximum,
    "logaddexp": mx.logaddexp, "power": mx.power,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["remainder", "floor_divide", "minimum", "maximum"])
def test_special_pairs_are_those_of_mlx(library, name, dtype):
    x, y = pairs(special_values(dtype))
    kind = mx.float32 if dtype == np.float32 else mx.float64
    expected = np.array(MLX[name](*(mx.array(v, dtype=kind) for v in (x, y)), stream=mx.cpu))
    np.testing.assert_array_equal(library(name, x, y), expected)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(library(name, x, y))[zero], np.signbit(expected)[zero])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logaddexp_at_infinities_and_nan_is_that_of_mlx(library, dtype):
    x, y = pairs(np.array([-np.inf, np.inf, np.nan, 0.0, 1.5, -2.0], dtype))
    expected = np.array(mx.logaddexp(*(mx.array(v.astype(np.float32)) for v in (x, y))))
    np.testing.assert_allclose(library("logaddexp", x, y), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sign", "round", "floor", "ceil"])
def test_roundings_are_those_of_mlx(library, name, dtype, rng):
    x = np.concatenate([special_values(dtype), np.arange(-20, 20, 0.25), rng.normal(size=2000) * 1e6]).astype(dtype)
    kind = mx.float32 if dtype == np.float32 else mx.float64
    expected = np.array(getattr(mx, name)(mx.array(x, dtype=kind), stream=mx.cpu))
    np.testing.assert_array_equal(library(name, x), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lanes", [1, "all"])
def test_fmod_is_exact_however_large_the_quotient(library, dtype, lanes, rng):
    bits = rng.integers(0, 2 ** (8 * np.dtype(dtype).itemsize), (2, 40_000), dtype=np.uint64)
    x, y = bits.astype(f"uint{8 * np.dtype(dtype).itemsize}").view(dtype)
    sx, sy = pairs(special_values(dtype))
    x, y = np.concatenate([sx, x]), np.concatenate([sy, y])
    with np.errstate(invalid="ignore"):
        expected = np.fmod(x, y)
    count = LANES["f32" if dtype == np.float32 else "f64"][-1] if lanes == "all" else 1
    np.testing.assert_array_equal(library("fmod", x, y, lanes=count), expected)


@pytest.mark.parametrize("scalar", ["f32", "f64"])
@pytest.mark.parametrize("name", BINARY)
def test_lanes_of_two_arguments_agree_to_the_bit(library, name, scalar, rng):
    dtype = np.dtype(h.DTYPE[scalar])
    x, y = special_pairs_and(rng, name, dtype.type, 20_000)
    one, *many = (library(name, x, y, lanes=lanes) for lanes in LANES[scalar])
    assert all(same_bits(one, other).all() for other in many)


# ---- integers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scalar", ["i32", "u32", "i64", "u64"])
@pytest.mark.parametrize("name", INTEGER)
def test_integers_are_those_of_mlx(library, name, scalar, rng):
    dtype = np.dtype(h.DTYPE[scalar])
    low = -9 if scalar[0] == "i" else 0
    x, y = (v.ravel().astype(dtype) for v in np.meshgrid(np.arange(low, 12), np.arange(low, 12)))
    if name in ("floor_divide", "remainder"):
        x, y = x[y != 0], y[y != 0]
    elif name == "power":
        x, y = x[y >= 0], y[y >= 0]
    expected = np.array(MLX[name](mx.array(x), mx.array(y)))
    for lanes in LANES[scalar]:
        np.testing.assert_array_equal(library(name, x, y, lanes=lanes), expected)


@pytest.mark.parametrize("scalar", ["i32", "i64"])
def test_integer_division_defines_what_a_processor_traps_on(library, scalar):
    dtype = np.dtype(h.DTYPE[scalar])
    lowest = np.iinfo(dtype).min
    x, y = np.array([5, -5, 0, lowest, lowest], dtype), np.array([0, 0, 0, -1, 0], dtype)
    for lanes in LANES[scalar]:
        np.testing.assert_array_equal(library("floor_divide", x, y, lanes=lanes), [0, 0, 0, lowest, 0])
        np.testing.assert_array_equal(library("remainder", x, y, lanes=lanes), [0, 0, 0, 0, 0])


def test_integer_powers_wrap_and_negative_exponents_give_zero(library):
    x, y = np.array([3, 2, 7, 1, -1], np.int32), np.array([40, 31, -1, -1, -3], np.int32)
    expected = [np.int64(3**40 & 0xFFFFFFFF).astype(np.int32), -(2**31), 0, 0, 0]
    np.testing.assert_array_equal(library("power", x, y, lanes=16), expected)


# ---- the text --------------------------------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_printed():
    text = mathlib.emit(["exp"])
    assert "gm_exp(f32 x)" in text
    assert "gm_log" not in text
    assert "f64 gm_" not in text
    assert "#include" not in mathlib.emit(mathlib.FUNCTIONS)


def test_callees_come_before_callers():
    text = mathlib.emit(["logaddexp"])
    order = [text.index(f"gm_fn f32 gm_{name}(") for name in ("fma", "maximum", "exp_scaled", "log1p", "logaddexp")]
    assert order[0] == min(order)
    assert order[-1] == max(order)


def test_words_are_printed_beside_float64():
    text = mathlib.emit(["random_word", "exp"], precisions=("float64",), lanes=(8,))
    assert "u32x8 gm_random_word(" in text
    assert "f64x8 gm_exp(" in text
    assert "f32x8 gm_exp(" not in text


def test_an_unknown_function_is_named():
    with pytest.raises(UsageError, match=r"no function 'besselj'[\s\S]*instead: one of .*log1p"):
        mathlib.emit(["besselj"])


def test_literals_lose_nothing():
    assert (
        mathlib.literal(0.1, mathlib.Lanes(64)) == "0x1.999999999999ap-4"
        or float(mathlib.literal(0.1, mathlib.Lanes(64))) == 0.1
    )
    assert mathlib.literal(-float("inf"), mathlib.Lanes(32)) == "-__builtin_inff()"
    assert mathlib.literal(0.5, mathlib.Lanes(32, 16)) == "gm_f32x16(0.5f)"


# ---- random bits -----------------------------------------------------------------------------------------------------

WORDS = """
extern "C" void words_%(lanes)d(unsigned k0, unsigned k1, unsigned n, unsigned* out) {
    for (unsigned i = 0; i < n; i += %(lanes)d) {
        %(type)s index, size, a, b;
        for (unsigned j = 0; j < %(lanes)d; ++j) %(set)s
        %(type)s r = gm_random_word(a, b, size, index);
        __builtin_memcpy(out + i, &r, sizeof r);
    }
}
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    text = mathlib.emit(["random_word"], lanes=(1, 16))
    one = WORDS % {"lanes": 1, "type": "u32", "set": "index = i, size = n, a = k0, b = k1;"}
    many = WORDS % {"lanes": 16, "type": "u32x16", "set": "index[j] = i + j, size[j] = n, a[j] = k0, b[j] = k1;"}
    binary = Library(text + one + many, tmp_path_factory.mktemp("words"), "words").binary

    def draw(key, n, lanes):
        out = np.zeros(-(-n // lanes) * lanes, np.uint32)
        k0, k1 = np.array(key).tolist()
        getattr(binary, f"words_{lanes}")(
            h.ctypes.c_uint32(k0), h.ctypes.c_uint32(k1), n, h.ctypes.c_void_p(out.ctypes.data)
        )
        return out[:n]

    return draw


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 100, 1000, 1001])
def test_random_words_are_those_of_mlx(words, n, lanes):
    key = mx.random.key(1234567 * n + 1)
    split = np.array(mx.random.split(key, n)).ravel()
    np.testing.assert_array_equal(words(key, 2 * n, lanes), split)
    # uniform is word / (2^32 - 1) in float32, kept below 1.
    uniform = np.array(mx.random.uniform(shape=(n,), key=key))
    bits = words(key, n, lanes).astype(np.float32)
    below_one = np.nextafter(np.float32(1), np.float32(0))
    np.testing.assert_array_equal(np.minimum(bits / np.float32(2**32 - 1), below_one), uniform)


def test_a_matrix_is_drawn_in_row_major_order(words):
    key = mx.random.key(9)
    matrix = np.array(mx.random.bernoulli(mx.array(0.5), (5, 7), key=key))
    np.testing.assert_array_equal(
        matrix.ravel(), words(key, 35, 1).astype(np.float32) < np.float32(0.5) * np.float32(2**32 - 1)
    )


def test_each_key_of_a_batch_draws_by_itself(words):
    keys = mx.random.split(mx.random.key(5), 3)
    batch = np.array(mx.vmap(lambda key: mx.random.split(key, 4))(keys)).reshape(3, 8)
    np.testing.assert_array_equal(np.stack([words(key, 8, 1) for key in keys]), batch)
