"""Gradients of whole regions: edges, loops and branches in any nesting, what is saved, and errors."""

import numpy as np
import pytest

from compiler.test_autodiff_rules import check, finite_differences
from genmlx.compiler.autodiff import GradientError, expand_gradients, gradient, in_blocks, vjp
from genmlx.compiler.autodiff.structured import SAVED_BYTES
from genmlx.compiler.ir.graph import Builder, Region, Type
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.verify import verify

F = Type("float64")
FLOAT = "float64"


def body(*types, build):
    """A region of parameters of these types; ``build(b, *parameters)`` returns its results."""
    b = Builder()
    results = build(b, *(b.parameter(t) for t in types))
    return verify(b.finish(*(results if isinstance(results, tuple) else (results,))))


def scan(b, region, carry, xs, rest=(), length=None, reverse=False):
    length = xs[0].shape[0] if length is None else length
    attributes = {"length": length, "carries": len(carry), "sequences": len(xs), "reverse": reverse}
    return b.emit("scan", [*carry, *xs, *rest], attributes, [region])


def loops(region):
    return [op for op in region.walk() if op.name in {"scan", "map"}]


# ---- edges -----------------------------------------------------------------------------------------------------------


def slope(name, *points, dtype=FLOAT, **attributes):
    """The derivative of an elementwise operation by each of its operands, at a point."""
    region = body(*(Type(dtype) for _ in points), build=lambda b, *xs: b(name, *xs, **attributes))
    return [float(g) for g in interpret(gradient(region, range(len(points))), [np.array(p, dtype) for p in points])[1:]]


INF = float("inf")


@pytest.mark.parametrize(
    ("name", "points", "expected"),
    [
        ("abs", (0.0,), [0.0]),
        ("sqrt", (0.0,), [INF]),
        ("log", (0.0,), [INF]),
        ("log1p", (-1.0,), [INF]),
        ("square", (0.0,), [0.0]),
        ("tanh", (1e3,), [0.0]),
        ("tanh", (-1e3,), [0.0]),
        ("sigmoid", (1e3,), [0.0]),
        ("sigmoid", (-1e3,), [0.0]),
        ("erf", (1e3,), [0.0]),
        ("exp", (-INF,), [0.0]),
        ("expm1", (-INF,), [0.0]),
        ("maximum", (1.0, 1.0), [0.0, 1.0]),
        ("minimum", (1.0, 1.0), [0.0, 1.0]),
        ("logaddexp", (-INF, -INF), [0.5, 0.5]),
        ("logaddexp", (INF, INF), [0.5, 0.5]),
        ("logaddexp", (INF, 1.0), [1.0, 0.0]),
        ("logaddexp", (-INF, 1.0), [0.0, 1.0]),
        ("power", (0.0, 0.0), [0.0, 0.0]),
        ("power", (0.0, 1.0), [1.0, 0.0]),
        ("power", (0.0, 2.0), [0.0, 0.0]),
        ("power", (0.0, 0.5), [INF, 0.0]),
        ("power", (2.0, 0.0), [0.0, np.log(2.0)]),
        ("divide", (1.0, INF), [0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derivatives_at_edges(name, points, expected, dtype):
    np.testing.assert_allclose(slope(name, *points, dtype=dtype), expected, rtol=1e-6)


def test_derivatives_where_squares_overflow():
    assert slope("arcsinh", 1e30, dtype="float32") == pytest.approx([1e-30], rel=1e-6)
    assert slope("arctan2", 3e30, 4e30, dtype="float32") == pytest.approx([0.16e-30, -0.12e-30], rel=1e-6)
    assert slope("arctan2", 3e-30, 4e-30, dtype="float32") == pytest.approx([0.16e30, -0.12e30], rel=1e-6)


@pytest.mark.parametrize(("name", "x"), [("tanh", 200.0), ("sigmoid", -200.0), ("logaddexp", -INF)])
def test_second_derivatives_stay_finite(name, x):
    inputs = [x] if name != "logaddexp" else [x, x]
    region = body(*(F for _ in inputs), build=lambda b, *xs: b(name, *xs))
    first = gradient(region, [0])
    second = gradient(Region(first.parameters, first.ops, first.results[1:]), [0])
    assert np.isfinite(interpret(second, [np.array(v) for v in inputs])[1])


def test_equal_extremes_share():
    x = np.array([1.0, 3.0, 3.0, 2.0])
    region = body(Type(FLOAT, (4,)), build=lambda b, x: b("reduce", x, kind="max", axes=(0,)))
    np.testing.assert_array_equal(interpret(gradient(region, [0]), [x])[1], [0.0, 0.5, 0.5, 0.0])


@pytest.mark.parametrize("zeros", [(1,), (1, 3)])
def test_products_with_zeros(zeros):
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[list(zeros)] = 0.0
    region = body(Type(FLOAT, (4,)), build=lambda b, x: b("reduce", x, kind="prod", axes=(0,)))
    expected = [np.prod(np.delete(x, i)) for i in range(4)]
    np.testing.assert_array_equal(interpret(gradient(region, [0]), [x])[1], expected)


# ---- nan from what was not used --------------------------------------------------------------------------------------


def masked(name):
    """Where(x > 0, f(x), 0)."""

    def build(b, x):
        zero = b.constant(0.0, FLOAT)
        return b("select", b("greater", x, zero), b(name, x), zero)

    return gradient(body(F, build=build), [0])


@pytest.mark.parametrize("name", ["log", "sqrt", "rsqrt"])
def test_a_branch_not_taken_gives_no_nan(name):
    assert interpret(masked(name), [np.array(0.0)])[1] == 0.0
    assert interpret(masked(name), [np.array(-1.0)])[1] == 0.0
    assert interpret(masked(name), [np.array(4.0)])[1] != 0.0


def test_a_branch_not_taken_gives_no_nan_through_other_operations():
    def build(b, x, scale):
        bad = b("exp", b("multiply", b("square", x), scale))  # inf, with slope inf
        return b("select", b("less", x, b.constant(10.0, FLOAT)), b("divide", bad, x), x)

    _, dx, dscale = interpret(gradient(body(F, F, build=build), [0, 1]), [np.array(100.0), np.array(3.0)])
    assert (dx, dscale) == (1.0, 0.0)


def test_an_element_that_no_slice_reads_gives_no_nan():
    def build(b, x):
        tail = b("slice", b("log", x), starts=(1,), sizes=(2,), steps=(1,))
        return b("reduce", tail, kind="sum", axes=(0,))

    region = body(Type(FLOAT, (3,)), build=build)
    np.testing.assert_array_equal(interpret(gradient(region, [0]), [np.array([0.0, 1.0, 2.0])])[1], [0.0, 1.0, 0.5])


def test_a_branch_not_taken_in_a_loop_gives_no_nan():
    def step(b, c, x):
        zero = b.constant(0.0, FLOAT)
        chosen = b("select", b("greater", x, zero), b("log", x), zero)
        return b("add", c, chosen)

    xs = Type(FLOAT, (3,))
    region = body(F, xs, build=lambda b, c, x: scan(b, body(F, F, build=step), [c], [x])[0])
    _, dx = interpret(gradient(region, [1]), [np.array(0.0), np.array([2.0, 0.0, 4.0])])
    np.testing.assert_array_equal(dx, [0.5, 0.0, 0.25])


def test_a_result_of_a_loop_that_is_not_used_gives_no_nan():
    """The choice is outside, the slope that is inf inside."""
    xs = Type(FLOAT, (3,))
    one = body(F, build=lambda b, x: b("log", x))
    step = body(F, F, build=lambda b, c, x: (c, b("log", x)))

    def build(b, c, x):
        (mapped,) = b.emit("map", [x], {"size": 3, "mapped": 1}, [one])
        _, scanned = scan(b, step, [c], [x])
        zero = b.full(xs, 0.0)
        chosen = b("select", b("greater", x, zero), b("add", mapped, scanned), zero)
        return b("reduce", chosen, kind="sum", axes=(0,))

    region = gradient(body(F, xs, build=build), [1])
    _, dx = interpret(region, [np.array(0.0), np.array([2.0, 0.0, 4.0])])
    np.testing.assert_array_equal(dx, [1.0, 0.0, 0.5])


def test_nothing_is_guarded_where_nothing_hides():
    region = body(F, build=lambda b, x: b("log", b("multiply", x, x)))
    assert not [op for op in gradient(region, [0]).ops if op.name in {"equal", "select"}]


def test_a_constant_slope_is_not_guarded():
    def build(b, x):
        twice = b("multiply", x, b.constant(2.0, FLOAT))
        return b("select", b("greater", x, b.constant(0.0, FLOAT)), twice, x)

    assert not [op for op in gradient(body(F, build=build), [0]).ops if op.name == "equal"]


# ---- zeros are symbolic ----------------------------------------------------------------------------------------------


def test_what_does_not_matter_is_not_differentiated():
    def build(b, x, y):
        b("exp", y)
        stopped = b("stop_gradient", b("sin", y))
        return b("multiply", b("floor", b("cos", y)), b("add", x, stopped)), b("tan", x)

    region = gradient(body(F, F, build=build), [0, 1])
    value, other, dx, dy = interpret(region, [np.array(0.3), np.array(0.4)])
    assert (dx, dy) == (np.floor(np.cos(0.4)), 0.0)
    names = [op.name for op in region.ops]
    assert names.count("tan") == 1 and names.count("sin") == 1 and names.count("cos") == 1


def test_reads_of_one_array_add_to_one_cotangent():
    def build(b, x):
        parts = [b("slice", x, starts=(i,), sizes=(1,), steps=(1,)) for i in range(5)]
        total = parts[0]
        for p in parts[1:]:
            total = b("multiply", total, p)
        return b.reshape(total, ())

    region = gradient(body(Type(FLOAT, (5,)), build=build), [0])
    assert len([op for op in region.ops if op.name == "slice_update"]) == 5
    assert not [op for op in region.ops if op.name == "add" and op.outputs[0].shape == (5,)]
    x = np.arange(1.0, 6.0)
    np.testing.assert_allclose(interpret(region, [x])[1], 120.0 / x)


def test_gradient_by_a_float32_through_a_cast():
    region = body(Type("float32"), build=lambda b, x: b("exp", b.cast(x, "float64")))
    (_, dx) = interpret(gradient(region, [0]), [np.array(0.5, np.float32)])
    assert dx.dtype == np.float32
    assert dx == pytest.approx(np.exp(0.5), rel=1e-6)


def test_operations_of_integers_and_flags_pass_by():
    def build(b, x, i):
        j = b("add", i, b.cast(b("greater", x, b.constant(0.0, FLOAT)), "int32"))
        return b("multiply", x, b.cast(j, FLOAT))

    region = gradient(body(F, Type("int32"), build=build), [0])
    assert interpret(region, [np.array(2.0), np.array(3, np.int32)])[1] == 4.0


# ---- vjp and gradient ------------------------------------------------------------------------------------------------


def test_vjp_takes_a_cotangent_for_each_float_result():
    region = vjp(body(F, F, build=lambda b, x, y: (b("multiply", x, y), b("less", x, y), b("exp", x))), [0, 1])
    assert region.parameter_types == (F, F, F, F)
    *_, dx, dy = interpret(region, [np.array(v) for v in (2.0, 3.0, 10.0, 100.0)])
    assert (dx, dy) == (30.0 + 100.0 * np.exp(2.0), 20.0)


def test_gradient_of_another_output_and_by_one_parameter():
    region = gradient(body(F, F, build=lambda b, x, y: (x, b("multiply", x, y))), [1], output=1)
    assert [float(v) for v in interpret(region, [np.array(2.0), np.array(3.0)])] == [2.0, 6.0, 2.0]


def test_results_and_parameters_may_coincide():
    region = gradient(body(F, F, build=lambda b, x, y: (x, x, y)), [0, 1])
    assert [float(v) for v in interpret(region, [np.array(2.0), np.array(3.0)])] == [2.0, 2.0, 3.0, 1.0, 0.0]


def test_gradient_wants_floats():
    region = body(F, Type("int32"), build=lambda b, x, i: x)
    with pytest.raises(GradientError, match=r"parameter 1 is int32\[\], and only floats have derivatives"):
        gradient(region, [1])


def test_gradient_wants_a_scalar():
    region = body(Type(FLOAT, (2,)), build=lambda b, x: x)
    with pytest.raises(GradientError, match=r"result 0 is float64\[2\]"):
        gradient(region, [0])


def test_operations_keep_their_source():
    b = Builder(source="model.py:7")
    x = b.parameter(F)
    region = gradient(b.finish(b("exp", b("sin", x))), [0])
    assert {op.source for op in region.ops if op.name != "constant"} == {"model.py:7"}


def test_gradient_operations_are_expanded_inside_out():
    def cube(b, x):
        return b("multiply", b("square", x), x)

    inner = body(F, build=cube)
    outer = body(F, build=lambda b, x: b.emit("gradient", [x], {"wrt": (0,)}, [inner])[1])
    region = body(F, build=lambda b, x: b.emit("gradient", [x], {"wrt": (0,)}, [outer]))
    expanded = verify(expand_gradients(region))
    assert not [op for op in expanded.walk() if op.name == "gradient"]
    assert [float(v) for v in interpret(expanded, [np.array(2.0)])] == [12.0, 12.0]
    assert float(interpret(gradient(outer, [0]), [np.array(2.0)])[1]) == 12.0


def test_gradient_operations_inside_loops():
    def step(b, c):
        return b("subtract", c, b.emit("gradient", [c], {"wrt": (0,)}, [body(F, build=lambda b, x: b("cosh", x))])[1])

    region = body(F, build=lambda b, c: scan(b, body(F, build=step), [c], [], length=3)[0])
    check(expand_gradients(region), [0], [np.array(0.7)])
    adjoint = gradient(region, [0])
    assert not [op for op in adjoint.walk() if op.name == "gradient"]


# ---- loops -----------------------------------------------------------------------------------------------------------

X = np.array([0.5, -0.3, 0.8, 0.1])
XS = Type(FLOAT, (4,))


def autoregression(b, c, x, rho, shift):
    """Carry, and a function of it, as an output."""
    new = b("tanh", b("add", b("multiply", rho, c), b("multiply", x, shift)))
    return new, b("exp", b("multiply", c, x))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse):
    region = body(
        *(F, XS, F, F),
        build=lambda b, c, x, rho, shift: scan(
            b, body(F, F, F, F, build=autoregression), [c], [x], [rho, shift], reverse=reverse
        ),
    )
    check(region, [0, 1, 2, 3], [np.array(0.4), X, np.array(0.9), np.array(-0.6)])


def test_scan_without_iterations():
    step = body(F, F, F, F, build=autoregression)
    region = body(
        *(F, Type(FLOAT, (0,)), F, F), build=lambda b, c, x, rho, shift: scan(b, step, [c], [x], [rho, shift])[0]
    )
    *_, dc, drho = interpret(gradient(region, [0, 2]), [np.array(0.4), np.zeros(0), np.array(0.9), np.array(-0.6)])
    assert (dc, drho) == (1.0, 0.0)


def test_scan_with_carries_of_several_kinds():
    """A counter, a matrix, and a vector that is only replaced."""
    kinds = (Type("int32"), Type(FLOAT, (2, 2)), Type(FLOAT, (2,)))

    def step(b, i, m, v, x, w):
        i = b("add", i, b.constant(1, "int32"))
        scaled = b("multiply", x, b.cast(b.broadcast(i, (2,)), FLOAT))
        column = b.reshape(v, (2, 1))
        product = b.reshape(b("matmul", m, column), (2,))
        m = b("add", b("multiply", m, b.broadcast(w, (2, 2))), b("matmul", column, b.reshape(scaled, (1, 2))))
        return i, m, b("sin", b("add", product, scaled)), b("reduce", product, kind="prod", axes=(0,))

    inner = body(*kinds, Type(FLOAT, (2,)), F, build=step)
    region = body(
        *kinds,
        *(Type(FLOAT, (3, 2)), F),
        build=lambda b, i, m, v, x, w: scan(b, inner, [i, m, v], [x], [w]),
    )
    rng = np.random.default_rng(2)
    arguments = [np.array(0, np.int32), rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=(3, 2))]
    check(region, [1, 2, 3, 4], [*arguments, np.array(0.7)])


def test_scan_that_reads_a_shared_array_by_its_counter():
    def step(b, i, c, table):
        element = b("dynamic_slice", table, i, axes=(0,), sizes=(1,))
        return b("add", i, b.constant(1, "int32")), b("multiply", c, b("exp", b.reshape(element, ())))

    inner = body(Type("int32"), F, XS, build=step)
    region = body(
        *(Type("int32"), F, XS), build=lambda b, i, c, table: scan(b, inner, [i, c], [], [table], length=3)[1]
    )
    check(region, [1, 2], [np.array(0, np.int32), np.array(0.4), X])


def test_map():
    def one(b, x, y, w):
        return b("sin", b("multiply", x, y)), b(
            "reduce", b("exp", b("multiply", w, b.broadcast(x, (2,)))), kind="sum", axes=(0,)
        )

    inner = body(F, F, Type(FLOAT, (2,)), build=one)
    region = body(
        *(XS, XS, Type(FLOAT, (2,))),
        build=lambda b, x, y, w: b.emit("map", [x, y, w], {"size": 4, "mapped": 2}, [inner]),
    )
    check(region, [0, 1, 2], [X, X[::-1] + 0.2, np.array([0.4, -0.7])])


def test_a_map_with_a_large_shared_operand_sums_as_it_goes():
    size = 5000

    def one(b, x, w):
        return b("reduce", b("multiply", w, b.broadcast(b("exp", x), (size,))), kind="sum", axes=(0,))

    inner = body(F, Type(FLOAT, (size,)), build=one)
    region = body(
        *(XS, Type(FLOAT, (size,))),
        build=lambda b, x, w: b(
            "reduce", *b.emit("map", [x, w], {"size": 4, "mapped": 1}, [inner]), kind="sum", axes=(0,)
        ),
    )
    w = np.linspace(-1.0, 1.5, size)
    adjoint = verify(gradient(region, [0, 1]))
    _, dx, dw = interpret(adjoint, [X, w])
    np.testing.assert_allclose(dx, np.exp(X) * w.sum(), rtol=1e-12)
    np.testing.assert_allclose(dw, np.full(size, np.exp(X).sum()), rtol=1e-12)
    assert [op.name for op in loops(adjoint)] == ["map", "scan"]


@pytest.mark.parametrize("index", [0, 1, 7])
def test_switch(index):
    branches = [
        body(F, F, build=lambda b, x, y: (b("multiply", x, b("sin", y)), x)),
        body(F, F, build=lambda b, x, y: (b("exp", x), b.constant(2.0, FLOAT))),
    ]
    region = body(Type("int32"), F, F, build=lambda b, i, x, y: b.emit("switch", [i, x, y], {}, branches))
    check(region, [1, 2], [np.array(index, np.int32), np.array(0.3), np.array(1.1)])


def test_switch_passes_only_what_its_branches_use():
    branches = [
        body(F, F, Type(FLOAT, (100,)), build=lambda b, x, y, table: b("add", x, y)),
        body(
            F,
            F,
            Type(FLOAT, (100,)),
            build=lambda b, x, y, table: b("multiply", x, b("reduce", table, kind="sum", axes=(0,))),
        ),
    ]
    region = body(
        *(Type("int32"), F, F, Type(FLOAT, (100,))),
        build=lambda b, *xs: b.emit("switch", xs, {}, branches),
    )
    adjoint = gradient(region, [2])
    back = [op for op in adjoint.ops if op.name == "switch"][1]
    assert [v.shape for v in back.inputs] == [(), ()]  # the index and the cotangent


def test_while_is_refused_with_its_line():
    condition = body(F, build=lambda b, x: b("less", x, b.constant(10.0, FLOAT)))
    double = body(F, build=lambda b, x: b("add", x, x))
    b = Builder(source="model.py:12")
    x = b.parameter(F)
    region = b.finish(*b.emit("while", [x], {"carries": 1}, [condition, double]))
    with pytest.raises(GradientError, match=r"(?s)while loop.*in model.py:12.*instead: scan or fori_loop"):
        gradient(region, [0])


def test_while_beside_the_derivative_is_kept():
    condition = body(F, build=lambda b, x: b("less", x, b.constant(10.0, FLOAT)))
    double = body(F, build=lambda b, x: b("add", x, x))

    def build(b, x):
        (y,) = b.emit("while", [b("stop_gradient", x)], {"carries": 1}, [condition, double])
        return b("multiply", x, y)

    assert interpret(gradient(body(F, build=build), [0]), [np.array(3.0)])[1] == 12.0


# ---- nesting ---------------------------------------------------------------------------------------------------------


def test_scan_in_scan():
    inner = body(F, F, F, build=lambda b, c, x, w: (b("sin", b("add", b("multiply", c, w), x)), b("exp", c)))

    def step(b, c, x, xs, w):
        c, ys = scan(b, inner, [b("multiply", c, x)], [xs], [w])
        return c, b("reduce", ys, kind="sum", axes=(0,))

    outer = body(F, F, XS, F, build=step)
    region = body(F, Type(FLOAT, (3,)), XS, F, build=lambda b, c, x, xs, w: scan(b, outer, [c], [x], [xs, w]))
    check(region, [0, 1, 2, 3], [np.array(0.4), X[:3], X, np.array(0.8)])


def test_switch_in_map_in_scan():
    branches = [
        body(F, F, build=lambda b, x, w: b("multiply", b("sin", x), w)),
        body(F, F, build=lambda b, x, w: b("exp", x)),
        body(F, F, build=lambda b, x, w: w),
    ]
    one = body(F, Type("int32"), F, build=lambda b, x, i, w: b.emit("switch", [i, x, w], {}, branches))
    kinds = Type("int32", (4,))

    def step(b, c, i, x):
        ys = b.emit("map", [x, i, c], {"size": 4, "mapped": 2}, [one])
        return b("reduce", *ys, kind="sum", axes=(0,)), c

    outer = body(F, kinds, XS, build=step)
    region = body(*(F, Type("int32", (2, 4)), XS), build=lambda b, c, i, x: scan(b, outer, [c], [i], [x]))
    choices = np.array([[0, 1, 2, 0], [2, 0, 1, 1]], np.int32)
    check(region, [0, 2], [np.array(0.4), choices, X])


def test_scan_in_switch_in_scan():
    inner = body(F, F, build=lambda b, c, w: b("sin", b("multiply", c, w)))
    branches = [
        body(F, F, build=lambda b, c, w: scan(b, inner, [c], [], [w], length=3)),
        body(F, F, build=lambda b, c, w: b("multiply", c, w)),
    ]
    outer = body(F, Type("int32"), F, build=lambda b, c, i, w: b.emit("switch", [i, c, w], {}, branches))
    region = body(F, Type("int32", (3,)), F, build=lambda b, c, i, w: scan(b, outer, [c], [i], [w]))
    check(region, [0, 2], [np.array(0.9), np.array([0, 1, 0], np.int32), np.array(1.3)])


def test_while_in_scan_is_computed_once():
    """A while loop that nothing differentiates: its result is saved."""
    condition = body(F, build=lambda b, x: b("less", x, b.constant(10.0, FLOAT)))
    double = body(F, build=lambda b, x: b("add", x, x))

    def step(b, c, x):
        (y,) = b.emit("while", [b("stop_gradient", b("exp", x))], {"carries": 1}, [condition, double])
        return b("multiply", c, y)

    region = body(F, XS, build=lambda b, c, x: scan(b, body(F, F, build=step), [c], [x])[0])
    adjoint = gradient(region, [0])
    assert [op.name for op in adjoint.walk()].count("while") == 1
    check(region, [0], [np.array(0.5), X])


# ---- what a scan saves -----------------------------------------------------------------------------------------------


def saved(step, carry, x, rest=()):
    """Shapes of the stacks that the forward loop of a gradient has beside the outputs of the program."""
    inner = body(*carry, *x, *rest, build=step)
    n = 6
    types = (*carry, *(Type(t.dtype, (n, *t.shape)) for t in x), *rest)

    def build(b, *values):
        c, s = len(carry), len(x)
        out = scan(b, inner, values[:c], values[c : c + s], values[c + s :], length=n)
        total = b.constant(0.0, FLOAT)
        for value in out:
            total = b("add", total, b("reduce", value, kind="sum", axes=tuple(range(len(value.shape)))))
        return total

    region = verify(gradient(body(*types, build=build), range(len(types))))
    forward, backward = [op for op in region.ops if op.name == "scan"]
    return [v.shape for v in forward.outputs[len(inner.results) :]], [op.name for op in backward.regions[0].ops]


def test_a_linear_scan_saves_nothing():
    assert saved(lambda b, c, x: b("add", b("negative", c), x), [F], [F])[0] == []


def test_a_scan_saves_what_is_dear_and_small():
    stacks, backward = saved(lambda b, c, x: b("exp", b("multiply", c, x)), [F], [F])
    assert stacks == [(6,), (6,)]  # the exponential, and the carry that multiplies x
    assert "exp" not in backward


def test_a_scan_computes_again_what_is_cheap_or_large():
    n = SAVED_BYTES  # eight times too large

    def step(b, c, x):
        wide = b("exp", b("multiply", b.broadcast(c, (n,)), b.broadcast(x, (n,))))
        return b("reduce", b("square", wide), kind="sum", axes=(0,))

    stacks, backward = saved(step, [F], [F])
    assert stacks == [(6,)]  # the carry
    assert "exp" in backward


def test_a_scan_does_not_save_what_never_changes():
    stacks, backward = saved(lambda b, c, w: b("multiply", c, b("exp", w)), [F], [], [F])
    assert stacks == [(6,)]
    assert backward.count("exp") == 1


def test_an_output_of_the_program_is_not_saved_again():
    def step(b, c, x):
        y = b("exp", c)
        return b("add", b("multiply", y, y), x), y

    assert saved(step, [F], [F])[0] == []


# ---- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("every", [1, 2, 3, 4, 7])
def test_blocks_change_neither_values_nor_gradients(every, reverse):
    n = 7
    types = (F, Type(FLOAT, (n,)), F, F)
    step = body(F, F, F, F, build=autoregression)
    region = body(*types, build=lambda b, c, x, *rest: scan(b, step, [c], [x], rest, reverse=reverse))
    arguments = [
        np.array(0.4),
        np.sin(np.arange(n)),
        np.array(0.9),
        np.array(-0.6),
        np.array(1.0),
        np.cos(np.arange(n)),
    ]
    blocks = verify(in_blocks(region, every))
    assert len(loops(blocks)) == (1 if every == n else 2 if n % every == 0 else 3)
    for a, e in zip(
        interpret(vjp(blocks, range(4)), arguments), interpret(vjp(region, range(4)), arguments), strict=True
    ):
        np.testing.assert_allclose(a, e, rtol=1e-13)


def test_blocks_save_a_carry_each():
    step = body(F, F, build=lambda b, c, x: b("sin", b("multiply", c, x)))
    region = body(F, Type(FLOAT, (100,)), build=lambda b, c, x: scan(b, step, [c], [x])[0])

    def longest_stacks(r):
        return sorted({v.shape[0] for op in loops(gradient(r, [0])) for v in op.outputs if v.shape})

    assert longest_stacks(region) == [100]
    assert longest_stacks(in_blocks(region, 10)) == [10]


# ---- the oracle itself ---------------------------------------------------------------------------------------------


def test_finite_differences_find_a_wrong_slope():
    region = body(F, build=lambda b, x: b("multiply", x, b("stop_gradient", x)))
    (expected,) = finite_differences(region, [0], [np.array(3.0)])
    assert expected == pytest.approx(6.0)
    with pytest.raises(AssertionError):
        check(region, [0], [np.array(3.0)])
