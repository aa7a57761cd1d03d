"""What operations mean: against MLX, in float64 against SciPy, and where MLX leaves it undefined against the rules."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import scipy.signal
import scipy.special

from genmlx.compiler.ir.graph import Builder, Type
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.ops import OPS, STRUCTURED
from genmlx.compiler.ir.verify import verify

rng = np.random.default_rng(4)
INF, NAN = np.inf, np.nan


def run(name, *inputs, **attributes):
    """An operation on arrays, through a region of it alone."""
    arrays = [np.asarray(x) for x in inputs]
    b = Builder()
    out = b(name, *(b.parameter(Type(a.dtype.name, a.shape)) for a in arrays), **attributes)
    (result,) = interpret(verify(b.finish(out)), arrays)
    return result


def agree(found, expected, rtol=0.0, atol=0.0):
    expected = np.array(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def f32(*values):
    return np.array(values, np.float32)


def i32(*values):
    return np.array(values, np.int32)


# ---- elementwise, against MLX ----------------------------------------------------------------------------------------

WIDE = f32(-INF, -30.0, -2.5, -1.5, -1.0, -0.5, -0.3, -1e-20, -0.0, 0.0, 1e-20, 0.3, 0.5, 1.0, 1.5, 2.5, 30.0, INF, NAN)
EXACT = ("floor", "ceil", "round", "negative", "abs", "square", "sqrt")
ROUNDED = ("exp", "expm1", "log", "log2", "log10", "log1p", "rsqrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan")
ROUNDED += ("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "erf", "erfinv", "sigmoid")


@pytest.mark.parametrize("name", EXACT)
def test_exact_functions_are_those_of_mlx(name):
    agree(run(name, WIDE), getattr(mx, name)(mx.array(WIDE)))


@pytest.mark.parametrize("name", ROUNDED)
def test_functions_are_those_of_mlx(name):
    smallest = 2e-20 if name == "erf" else 1e-37  # MLX's erf of 1e-20 is 0
    agree(run(name, WIDE), getattr(mx, name)(mx.array(WIDE)), rtol=2e-6, atol=smallest)


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "negative", "abs", "sign", "square"])
def test_functions_of_integers_are_those_of_mlx(name):
    x = i32(-(2**31), -7, -1, 0, 1, 65536, 2**31 - 1)
    agree(run(name, x), getattr(mx, name)(mx.array(x)))


def test_sign_of_floats():
    x = WIDE[~np.isnan(WIDE)]
    agree(run("sign", x), mx.sign(mx.array(x)))


PAIRS = tuple(f32(*column) for column in zip(*((a, b) for a in WIDE for b in WIDE), strict=True))
BINARY = ("add", "subtract", "multiply", "divide", "minimum", "maximum", "equal", "not_equal", "less", "less_equal")
BINARY += ("greater", "greater_equal")


@pytest.mark.parametrize("name", BINARY)
def test_exact_functions_of_two_values_are_those_of_mlx(name):
    agree(run(name, *PAIRS), getattr(mx, name)(*map(mx.array, PAIRS)))


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "power", "arctan2", "logaddexp"])
def test_functions_of_two_values_are_those_of_mlx(name):
    a, b = PAIRS
    if name == "remainder":  # MLX: inf where the signs differ and the divisor is infinite, as here; nan otherwise
        keep = np.isfinite(a) & np.isfinite(b) & (np.abs(a) > 1e-10)
        a, b = a[keep], b[keep]
    agree(run(name, a, b), getattr(mx, name)(mx.array(a), mx.array(b)), rtol=2e-6, atol=1e-37)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64", "uint32"])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "floor_divide", "remainder", "minimum", "maximum"])
def test_integers_are_those_of_mlx_and_wrap(name, dtype):
    info = np.iinfo(dtype)
    column = np.array([info.min, info.min + 3, 1, 2, 7, 100, info.max], dtype)
    a, b = (v.reshape(-1) for v in np.meshgrid(column, column))
    keep = b != 0
    if name in {"floor_divide", "remainder"} and info.min < 0:
        keep &= ~((a == info.min) & (b == -1))
    a, b = a[keep], b[keep]
    agree(run(name, a, b), getattr(mx, name)(mx.array(a), mx.array(b)))


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"])
def test_operations_on_bits_are_those_of_mlx(name):
    a, b = i32(-8, 5, 2**30, -1, 12), i32(1, 3, 2, 31, 0)
    agree(run(name, a, b), getattr(mx, name)(mx.array(a), mx.array(b)))


def test_logic():
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    agree(run("logical_and", a, b), a & b)
    agree(run("logical_or", a, b), a | b)
    agree(run("logical_not", a), ~a)
    agree(run("bitwise_invert", i32(0, 5, -1)), i32(-1, -6, 0))
    agree(run("nan_equal", f32(NAN, NAN, 1.0), f32(NAN, 1.0, 1.0)), np.array([True, False, True]))
    agree(run("select", a, f32(1, 2, 3, 4), f32(5, 6, 7, 8)), f32(1, 2, 7, 8))
    agree(run("stop_gradient", f32(1.0, NAN)), f32(1.0, NAN))


ORACLES = {"erf": scipy.special.erf, "erfinv": scipy.special.erfinv, "sigmoid": scipy.special.expit}


@pytest.mark.parametrize("name", ORACLES)
def test_float64_functions_are_those_of_scipy(name):
    inside = np.array([-1.0, -0.999999, -0.7, -0.5, -1e-9, 0.0, 1e-300, 0.2, 0.5, 0.500001, 0.9, 1.0 - 1e-15, 1.0])
    x = np.concatenate([inside, [NAN]] if name == "erfinv" else [30.0 * inside, inside, [INF, -INF, NAN]])
    agree(run(name, x), ORACLES[name](x), rtol=1e-14)
    assert run("erfinv", np.array([1.5])) != 1.5


# ---- elementwise, where MLX leaves it undefined ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_casts_from_floats_saturate(source, dtype):
    info = np.iinfo(dtype)
    x = np.array([-INF, -1e30, -3.9, -0.5, 0.0, 3.9, 100.0, 1e30, INF, NAN], source)
    expected = [info.min, info.min, *((-3, 0) if info.min else (0, 0)), 0, 3, 100, info.max, info.max, 0]
    agree(run("cast", x, dtype=dtype), np.array(expected, dtype))


def test_casts_at_the_ends_of_64_bits():
    below, above = np.nextafter(2.0**63, 0.0), 2.0**63
    agree(run("cast", np.array([below, above]), dtype="int64"), np.array([int(below), 2**63 - 1]))
    below = np.nextafter(2.0**64, 0.0)
    agree(
        run("cast", np.array([above, below, 2.0**64]), dtype="uint64"),
        np.array([2**63, int(below), 2**64 - 1], "uint64"),
    )


def test_other_casts():
    agree(run("cast", i32(300, -1, 128), dtype="uint8"), np.array([44, 255, 128], np.uint8))
    agree(run("cast", f32(NAN, 0.0, -0.0, 0.1), dtype="bool"), np.array([True, False, False, True]))
    agree(run("cast", np.array([True, False]), dtype="float32"), f32(1.0, 0.0))
    agree(run("cast", np.array([0.1, 1e300]), dtype="float32"), f32(0.1, INF))


def test_division_of_integers_by_zero_gives_zero():
    a, zero = i32(7, -7, 0), i32(0, 0, 0)
    for name in ("divide", "floor_divide", "remainder"):
        agree(run(name, a, zero), zero)


def test_division_of_integers():
    a, b = i32(-7, 7, -7, 7, -(2**31)), i32(2, -2, -2, 2, -1)
    agree(run("divide", a, b), i32(-3, -3, 3, 3, -(2**31)))  # towards zero, and wraps
    agree(run("floor_divide", a, b), i32(-4, -4, 3, 3, -(2**31)))
    agree(run("remainder", a, b), i32(1, -1, -1, 1, 0))
    agree(run("divide", np.array([200, 7], np.uint8), np.array([3, 9], np.uint8)), np.array([66, 0], np.uint8))


def test_shifts_by_the_width_or_more_give_zero():
    agree(run("left_shift", i32(1, 1, 1, -5), i32(31, 32, -1, 40)), i32(-(2**31), 0, 0, 0))
    agree(run("right_shift", i32(-8, -8, 8, -1), i32(1, 32, 100, -1)), i32(-4, 0, 0, 0))
    agree(run("right_shift", np.array([255], np.uint8), np.array([8], np.uint8)), np.array([0], np.uint8))


def test_powers_of_integers():
    a, b = i32(2, -3, 3, 0, 7, 1, -1, -1, 2, 0), i32(5, 3, 25, 0, 0, -4, -4, -3, -1, -1)
    agree(run("power", a, b), i32(32, -27, 3**25 - 197 * 2**32, 1, 1, 1, 1, -1, 0, 0))
    agree(run("power", np.array([3], np.uint8), np.array([6], np.uint8)), np.array([729 % 256], np.uint8))


def test_remainder_has_the_sign_of_the_divisor():
    agree(run("remainder", f32(-7, 7, 5, -0.5), f32(2, -2, 3, 3)), f32(1, -1, 2, 2.5))


# ---- shapes and sources ----------------------------------------------------------------------------------------------

CUBE = rng.normal(size=(2, 3, 4)).astype(np.float32)


def test_views():
    agree(run("broadcast", CUBE[:, :1], shape=(5, 2, 3, 4)), np.broadcast_to(CUBE[:, :1], (5, 2, 3, 4)))
    agree(run("reshape", CUBE, shape=(4, 6)), CUBE.reshape(4, 6))
    agree(run("transpose", CUBE, axes=(2, 0, 1)), CUBE.transpose(2, 0, 1))
    agree(run("slice", CUBE, starts=(0, 2, 3), sizes=(2, 3, 2), steps=(1, -1, -2)), CUBE[:, ::-1, 3::-2])
    agree(run("slice", CUBE, starts=(1, 0, 1), sizes=(1, 2, 2), steps=(1, 2, 2)), CUBE[1:, ::2, 1::2])
    agree(run("slice", CUBE, starts=(0, 0, 0), sizes=(2, 0, 4), steps=(1, 1, 1)), CUBE[:, :0])


def test_sources():
    agree(run("constant", value=f32(1, 2)), f32(1, 2))
    agree(run("iota", size=4, dtype="float32"), f32(0, 1, 2, 3))
    agree(run("iota", size=0, dtype="int32"), i32())


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (7,), (8,), (3, 5)])
def test_random_bits_are_those_of_mlx(shape, width):
    dtype = {1: mx.uint8, 2: mx.uint16, 4: mx.uint32}[width]
    key = mx.random.key(11)
    if width == 4:
        expected = mx.random.split(key, int(np.prod(shape))).reshape(-1)
        shape = (expected.size,)
    else:  # MLX draws words of other widths for floats of that width only
        info = np.iinfo(np.uint8 if width == 1 else np.uint16)
        words = run("random_bits", np.array(key), shape=((int(np.prod(shape)) * width + 3) // 4,), width=4)
        expected = mx.array(np.frombuffer(words.tobytes(), info.dtype)[: int(np.prod(shape))].reshape(shape))
    agree(run("random_bits", np.array(key), shape=shape, width=width), expected.astype(dtype))


def test_random_bits_of_several_keys():
    keys = np.array(mx.random.split(mx.random.key(3), 4))
    found = run("random_bits", keys, shape=(2, 2), width=4)
    for key, bits in zip(keys, found, strict=True):
        agree(bits.reshape(2, 2), np.array(mx.random.split(mx.array(key), 2)))


# ---- parts of arrays -------------------------------------------------------------------------------------------------

V = f32(10, 11, 12, 13, 14)
UPDATE_RULES = {
    "none": lambda old, new: new,
    "sum": lambda old, new: old + new,
    "prod": lambda old, new: old * new,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("kind", UPDATE_RULES)
def test_slice_update(kind):
    expected = V.copy()
    expected[3::-2] = UPDATE_RULES[kind](expected[3::-2], f32(1, 100))
    agree(run("slice_update", V, f32(1, 100), starts=(3,), sizes=(2,), steps=(-2,), kind=kind), expected)


@pytest.mark.parametrize(
    ("start", "begins"), [(0, 0), (2, 2), (3, 3), (4, 3), (99, 3), (-1, 3), (-2, 3), (-5, 0), (-99, 0)]
)
def test_dynamic_slices_move_so_that_they_fit(start, begins):
    agree(run("dynamic_slice", V, np.int32(start), axes=(0,), sizes=(2,)), V[begins : begins + 2])
    expected = V.copy()
    expected[begins : begins + 2] = [1, 2]
    agree(run("dynamic_slice_update", V, f32(1, 2), np.int32(start), axes=(0,)), expected)


def test_dynamic_slice_is_that_of_mlx():
    expected = mx.slice(mx.array(CUBE), mx.array([1, 2]), axes=(0, 2), slice_size=(1, 3, 2))
    agree(run("dynamic_slice", CUBE, np.int32(1), np.int32(2), axes=(0, 2), sizes=(1, 3, 2)), expected)


def test_concatenate_and_pad():
    agree(run("concatenate", CUBE, CUBE[:, :1], axis=1), np.concatenate([CUBE, CUBE[:, :1]], axis=1))
    agree(run("pad", V, np.float32(7), low=(1,), high=(2,)), f32(7, *V, 7, 7))
    agree(run("pad", np.float32(3), np.float32(7), low=(), high=()), np.float32(3))


def test_gather_is_that_of_mlx():
    index = i32(1, -1, 0)
    agree(
        run("gather", CUBE, index, axes=(1,), sizes=(2, 1, 4)).reshape(3, 2, 4),
        mx.array(CUBE)[:, mx.array(index)].swapaxes(0, 1),
    )
    agree(run("gather_axis", CUBE, np.zeros((2, 1, 4), np.int32) - 1, axis=1), CUBE[:, 2:])


def test_indices_out_of_range_read_the_nearest():
    index = i32(0, 4, 5, 99, -1, -5, -6, -99)
    nearest = f32(10, 14, 14, 14, 14, 10, 10, 10)
    agree(run("gather", V, index, axes=(0,), sizes=(1,)), nearest[:, None])
    agree(run("gather_axis", V, index, axis=0), nearest)
    agree(run("gather", V, i32(3, 4, -9), axes=(0,), sizes=(2,)), np.stack([V[3:], V[3:], V[:2]]))
    agree(run("gather", V, np.array([2**32 - 1], np.uint32), axes=(0,), sizes=(1,)), f32(14)[:, None])


@pytest.mark.parametrize("kind", UPDATE_RULES)
def test_scatter_in_order_and_never_out_of_range(kind):
    index, updates = i32(1, 1, -1, 5, -6, 99, 1), f32(2, 3, 100, 7, 7, 7, 0.5)
    expected = V.copy()
    for i, u in zip(index, updates, strict=True):
        if -5 <= i < 5:
            expected[i] = UPDATE_RULES[kind](expected[i], u)
    agree(run("scatter", V, updates[:, None], index, axes=(0,), kind=kind), expected)
    agree(run("scatter_axis", V, index, updates, axis=0, kind=kind), expected)


def test_windows_that_do_not_fit_are_not_written():
    updates = np.arange(8.0, dtype=np.float32).reshape(4, 2)
    agree(run("scatter", V, updates, i32(3, 4, -1, -5), axes=(0,), kind="none"), f32(6, 7, 12, 0, 1))


@pytest.mark.parametrize("name", ["add", "multiply", "minimum", "maximum"])
def test_scatter_is_that_of_mlx(name):
    index, updates = i32(1, 3, 1), rng.normal(size=(3, 4)).astype(np.float32)
    x = rng.normal(size=(5, 4)).astype(np.float32)
    expected = getattr(mx.array(x).at[mx.array(index)], name)(mx.array(updates))
    kind = {"add": "sum", "multiply": "prod", "minimum": "min", "maximum": "max"}[name]
    agree(run("scatter", x, updates[:, None], index, axes=(0,), kind=kind), expected, rtol=1e-6)


def test_scatter_without_indices_updates_everything():
    agree(run("scatter", V, V, axes=(), kind="sum"), V + V)


# ---- along axes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("kind", ["sum", "prod", "min", "max"])
def test_reductions_are_those_of_mlx(kind, axes):
    agree(run("reduce", CUBE, kind=kind, axes=axes), getattr(mx, kind)(mx.array(CUBE), axis=axes), rtol=1e-6, atol=1e-6)


def test_reductions_of_integers_wrap_and_of_flags_are_logic():
    agree(run("reduce", i32(2**31 - 1, 1), kind="sum", axes=(0,)), np.int32(-(2**31)))
    agree(run("reduce", i32(2**20, 2**20), kind="prod", axes=(0,)), np.int32(0))
    flags = np.array([[True, False], [True, True]])
    agree(run("reduce", flags, kind="all", axes=(1,)), np.array([False, True]))
    agree(run("reduce", flags, kind="any", axes=(0, 1)), np.array(True))


@pytest.mark.parametrize(
    ("kind", "dtype", "expected"),
    [
        ("sum", "float32", 0.0),
        ("prod", "float32", 1.0),
        ("min", "float32", INF),
        ("max", "float32", -INF),
        ("sum", "int32", 0),
        ("prod", "int32", 1),
        ("min", "int32", 2**31 - 1),
        ("max", "int32", -(2**31)),
        ("all", "bool", True),
        ("any", "bool", False),
    ],
)
def test_empty_reductions(kind, dtype, expected):
    agree(run("reduce", np.zeros((2, 0), dtype), kind=kind, axes=(1,)), np.full(2, expected, dtype))


def test_reductions_over_no_axis_change_nothing():
    agree(run("reduce", CUBE, kind="sum", axes=()), CUBE)


def test_nan_in_extremes():
    x = f32(3.0, NAN, 1.0)
    agree(run("reduce", x, kind="min", axes=(0,)), np.float32(NAN))
    agree(run("reduce", x, kind="max", axes=(0,)), np.float32(NAN))


def test_the_first_nan_is_chosen():
    for values in ([1.0, NAN, 2.0, NAN], [-np.inf, NAN], [np.inf, NAN], [NAN, -np.inf], [2.0, 1.0, NAN]):
        for kind, of_mlx in (("min", mx.argmin), ("max", mx.argmax)):
            agree(run("argreduce", f32(*values), kind=kind, axis=0), of_mlx(mx.array(f32(*values))))
    agree(run("sign", f32(NAN, -0.0, -2.0)), mx.sign(mx.array(f32(NAN, -0.0, -2.0))))


def test_the_first_of_equals_is_chosen():
    x = np.array([[3.0, 1.0, 1.0], [5.0, 7.0, 7.0]], np.float32)
    agree(run("argreduce", x, kind="min", axis=1), np.array([1, 0], np.uint32))
    agree(run("argreduce", x, kind="max", axis=1), np.array([0, 1], np.uint32))
    agree(run("argreduce", x, kind="max", axis=0), mx.argmax(mx.array(x), axis=0))
    agree(run("argreduce", i32(5, -2, -2), kind="min", axis=0), np.uint32(1))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("kind", ["sum", "prod", "min", "max", "logaddexp"])
def test_cumulative_operations_are_those_of_mlx(kind, inclusive, reverse):
    name = {"logaddexp": "logcumsumexp"}.get(kind, "cum" + kind)
    expected = getattr(mx, name)(mx.array(CUBE), axis=1, reverse=reverse, inclusive=inclusive)
    agree(
        run("cumulative", CUBE, kind=kind, axis=1, reverse=reverse, inclusive=inclusive), expected, rtol=1e-5, atol=1e-6
    )


def test_cumulative_operations_of_nothing_and_of_integers():
    attributes = {"axis": 0, "reverse": False, "inclusive": False}
    agree(run("cumulative", f32(), kind="max", **attributes), f32())
    agree(run("cumulative", i32(5, 7), kind="max", **attributes), i32(-(2**31), 5))


def test_sorting_is_stable_and_puts_nan_last():
    x = f32(3.0, NAN, 1.0, 3.0, -INF)
    agree(run("sort", x, axis=0), mx.sort(mx.array(x)))
    agree(run("argsort", x, axis=0), np.array([4, 2, 0, 3, 1], np.uint32))
    agree(run("sort", CUBE, axis=1), np.sort(CUBE, axis=1))
    agree(run("argsort", CUBE, axis=1), mx.argsort(mx.array(CUBE), axis=1))


def test_searching():
    sequence, x = f32(1, 2, 2, 3), f32(2, 0, 9, 2.5)
    agree(run("searchsorted", sequence, x, right=False), np.array([1, 0, 4, 3], np.uint32))
    agree(run("searchsorted", sequence, x, right=True), np.array([3, 0, 4, 3], np.uint32))


# ---- linear algebra --------------------------------------------------------------------------------------------------

M = rng.normal(size=(2, 3, 3)).astype(np.float32)
SPD = M @ M.swapaxes(1, 2) + np.eye(3, dtype=np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linear_algebra(dtype):
    rtol = 1e-5 if dtype == "float32" else 1e-12
    a, right = SPD.astype(dtype), CUBE[:, :, :2].astype(dtype)
    lower, upper = run("cholesky", a, upper=False), run("cholesky", a, upper=True)
    agree(lower, np.linalg.cholesky(a), rtol=rtol, atol=rtol)
    agree(upper, lower.swapaxes(1, 2))
    agree(run("inverse", a), np.linalg.inv(a), rtol=rtol, atol=rtol)
    agree(run("matmul", a, right), a @ right, rtol=rtol, atol=rtol)
    agree(run("solve_triangular", lower, right, upper=False), np.linalg.solve(lower, right), rtol=rtol, atol=rtol)
    agree(run("solve_triangular", upper, right, upper=True), np.linalg.solve(upper, right), rtol=rtol, atol=rtol)


def test_only_one_triangle_is_read():
    lower = np.tril(SPD) + np.triu(np.full_like(SPD, NAN), 1)
    agree(run("cholesky", lower, upper=False), run("cholesky", SPD, upper=False))
    agree(run("cholesky", lower.swapaxes(1, 2), upper=True), run("cholesky", SPD, upper=True))
    right = CUBE[:, :, :2]
    agree(run("solve_triangular", lower, right, upper=False), run("solve_triangular", np.tril(SPD), right, upper=False))


def test_failures_of_linear_algebra_are_values():
    bad = np.array([[1.0, 2.0], [2.0, 1.0]])
    agree(run("cholesky", bad, upper=False), np.array([[1.0, 0.0], [2.0, NAN]]))
    agree(run("inverse", np.ones((2, 2))), np.full((2, 2), NAN))
    agree(run("solve_triangular", np.array([[0.0]]), np.array([[2.0]]), upper=False), np.array([[INF]]))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "input_dilation", "groups", "flip"),
    [
        (1, 0, 1, 1, 1, False),
        (2, (1, 2), 1, 1, 1, False),
        (3, (0, 1), 2, 1, 2, True),
        (1, (2, 2), 1, 3, 1, True),
    ],
)
def test_convolutions_are_those_of_mlx(stride, padding, dilation, input_dilation, groups, flip):
    x, w = (rng.normal(size=s).astype(np.float32) for s in ((2, 9, 4), (2, 3, 4 // groups)))
    low, high = padding if isinstance(padding, tuple) else (padding, padding)
    expected = mx.conv_general(
        *(mx.array(x), mx.array(w)),
        stride=stride,
        padding=([low], [high]),
        kernel_dilation=dilation,
        input_dilation=input_dilation,
        groups=groups,
        flip=flip,
    )
    found = run(
        *("convolve", x, w),
        stride=(stride,),
        low=(low,),
        high=(high,),
        dilation=(dilation,),
        input_dilation=(input_dilation,),
        groups=groups,
        flip=flip,
    )
    agree(found, expected, rtol=1e-5, atol=1e-5)


def test_convolution_over_two_axes_is_that_of_scipy():
    x, w = rng.normal(size=(5, 6)), rng.normal(size=(2, 3))
    ones: dict[str, tuple[int, ...]] = dict.fromkeys(("stride", "dilation", "input_dilation"), (1, 1))
    found = run(
        "convolve", x[None, ..., None], w[None, ..., None], **ones, low=(0, 0), high=(0, 0), groups=1, flip=True
    )
    agree(found[0, ..., 0], scipy.signal.convolve2d(x, w, mode="valid"), rtol=1e-12, atol=1e-12)


def test_every_operation_is_named_in_this_file():
    text = Path(__file__).read_text()
    assert [name for name in OPS if name not in STRUCTURED and f'"{name}"' not in text] == []
