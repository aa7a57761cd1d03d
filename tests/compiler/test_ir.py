"""The intermediate representation: types, builder, typing rules, verifier, printer, and the run of structured regions."""

import numpy as np
import pytest

from genmlx.compiler.ir.graph import Builder, Op, Region, Type, Value, rebuild, scalar
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.ops import ELEMENTWISE, OPS, STRUCTURED, VIEWS, OpError, output_types
from genmlx.compiler.ir.printer import show
from genmlx.compiler.ir.verify import InvalidRegion, verify

F32 = Type("float32")
VECTOR = Type("float32", (3,))
INT = Type("int32")
FLAG = Type("bool")


def body(*types, build):
    b = Builder()
    results = build(b, *(b.parameter(t) for t in types))
    return b.finish(*(results if isinstance(results, tuple) else (results,)))


# ---- types and builder -----------------------------------------------------------------------------------------------


def test_types_know_their_size():
    assert (VECTOR.size, VECTOR.nbytes, VECTOR.is_float, str(VECTOR)) == (3, 12, True, "float32[3]")
    assert (scalar("bool").size, scalar("bool").nbytes, scalar("bool").is_float) == (1, 1, False)
    assert Type("float64", (2, 0)).nbytes == 0


def test_equal_constants_are_one_value_and_bits_count():
    b = Builder()
    assert b.constant(1.0, "float32") is b.constant(1.0, "float32")
    assert b.constant(1.0, "float32") is not b.constant(1.0, "float64")
    assert b.constant(0.0, "float32") is not b.constant(-0.0, "float32")
    assert b.constant([1.0, 2.0]) is not b.constant([1.0, 2.0])


def test_changes_that_change_nothing_are_not_built():
    b = Builder()
    x = b.parameter(VECTOR)
    assert b.broadcast(x, (3,)) is b.reshape(x, (3,)) is b.cast(x, "float32") is x
    assert b.ops == []


def test_inlining_renames():
    square = body(F32, build=lambda b, x: b("multiply", x, x))
    b = Builder()
    x = b.parameter(F32)
    (y,) = b.inline(square, [x])
    (z,) = b.inline(square, [y])
    assert interpret(verify(b.finish(z)), [np.float32(3.0)])[0] == 81.0


def test_rebuilding_rewrites_inner_regions_first():
    inner = body(F32, build=lambda b, x: b("exp", x))
    region = body(INT, F32, build=lambda b, i, x: b.emit("switch", [i, x], {}, [inner, inner]))
    region = rebuild(region, lambda b, op, xs: [b("sin", *xs)] if op.name == "exp" else None)
    assert [op.name for op in verify(region).walk()] == ["switch", "sin", "sin"]


def test_uses_and_walk():
    b = Builder()
    x = b.parameter(F32)
    y = b("add", x, x)
    region = b.finish(y)
    assert [op.name for op in region.uses()[x]] == ["add", "add"]
    assert y not in region.uses()


# ---- typing rules ----------------------------------------------------------------------------------------------------

MATRIX, SQUARE = Type("float32", (2, 3)), Type("float32", (3, 3))
SLICE = {"starts": (0,), "sizes": (2,), "steps": (1,)}
IDENTITY = body(F32, build=lambda b, x: x)
CONVOLUTION = {
    **dict.fromkeys(("stride", "dilation", "input_dilation"), (1,)),
    **dict.fromkeys(("low", "high"), (0,)),
    "groups": 1,
    "flip": False,
}

REFUSED = [
    ("exp", [INT], {}, "int32 is not a float type"),
    ("exp", [F32, F32], {}, "takes 1 inputs"),
    ("add", [FLAG, FLAG], {}, "bool is not a number type"),
    ("add", [F32, VECTOR], {}, "the inputs have different types"),
    ("bitwise_invert", [F32], {}, "float32 is not an integer type"),
    ("bitwise_and", [F32, F32], {}, "float32 is not a bits type"),
    ("logical_and", [INT, INT], {}, "int32 is not a bool type"),
    ("select", [FLAG, F32], {}, "takes 3 inputs"),
    ("select", [INT, F32, F32], {}, "takes a bool and two equal types"),
    ("cast", [F32], {"dtype": "float16"}, "float16 is not compiled"),
    ("constant", [], {"value": np.zeros(2, np.complex64)}, "complex64 is not compiled"),
    ("broadcast", [VECTOR], {"shape": (3, 2)}, "does not broadcast"),
    ("broadcast", [MATRIX], {"shape": (3,)}, "does not broadcast"),
    ("reshape", [VECTOR], {"shape": (2,)}, "does not have the size"),
    ("transpose", [MATRIX], {"axes": (0, 0)}, "are not its axes"),
    ("slice_update", [VECTOR, VECTOR], {**SLICE, "kind": "none"}, "the update is not of shape"),
    ("slice_update", [VECTOR, Type("int32", (2,))], {**SLICE, "kind": "none"}, "the dtypes differ"),
    ("dynamic_slice", [VECTOR, F32], {"axes": (0,), "sizes": (2,)}, "starts are integer scalars"),
    ("dynamic_slice", [VECTOR], {"axes": (0,), "sizes": (2,)}, "an axis needs a start"),
    ("dynamic_slice", [VECTOR, INT], {"axes": (0,), "sizes": (4,)}, "larger than the array"),
    ("dynamic_slice_update", [VECTOR, Type("float32", (4,)), INT], {"axes": (0,)}, "larger than the array"),
    ("dynamic_slice_update", [VECTOR, Type("int32", (1,)), INT], {"axes": (0,)}, "the dtypes differ"),
    ("concatenate", [VECTOR, MATRIX], {"axis": 0}, "the inputs do not fit"),
    ("pad", [VECTOR, INT], {"low": (1,), "high": (0,)}, "the padding is a scalar"),
    ("reduce", [VECTOR], {"kind": "sum", "axes": (1,)}, "are not its axes"),
    ("reduce", [VECTOR], {"kind": "any", "axes": (0,)}, "all and any reduce bools"),
    ("argreduce", [Type("float32", (0,))], {"kind": "min", "axis": 0}, "nothing to choose from"),
    ("cumulative", [VECTOR], {"axis": 1}, "no such axis"),
    ("searchsorted", [MATRIX, F32], {"right": False}, "takes a sorted vector"),
    ("gather", [VECTOR], {"axes": (0,), "sizes": (1,)}, "an axis needs its indices"),
    ("gather", [VECTOR, F32], {"axes": (0,), "sizes": (1,)}, "indices are integers"),
    ("gather", [VECTOR, INT], {"axes": (0,), "sizes": (4,)}, "bad slice sizes"),
    ("scatter", [VECTOR, INT, INT], {"axes": (0,), "kind": "sum"}, "the dtypes differ"),
    ("scatter", [VECTOR, VECTOR, Type("int32", (2,))], {"axes": (0,), "kind": "sum"}, "do not begin with the shape"),
    ("scatter", [VECTOR, F32, INT], {"axes": (0,), "kind": "sum"}, "end with one size for each axis"),
    ("gather_axis", [MATRIX, Type("int32", (1, 3))], {"axis": 1}, "the shapes differ outside the axis"),
    ("gather_axis", [MATRIX, MATRIX], {"axis": 1}, "indices are integers"),
    ("scatter_axis", [MATRIX, Type("int32", (2, 1)), MATRIX], {"axis": 1, "kind": "sum"}, "an index needs its update"),
    ("matmul", [MATRIX, MATRIX], {}, "the shapes do not fit"),
    ("matmul", [VECTOR, VECTOR], {}, "equal batch axes"),
    ("cholesky", [MATRIX], {"upper": False}, "takes square matrices"),
    ("inverse", [Type("int32", (2, 2))], {}, "takes square matrices of floats"),
    ("solve_triangular", [SQUARE, MATRIX], {"upper": False}, "the shapes do not fit"),
    ("convolve", [Type("float32", (1, 5, 2)), Type("float32", (1, 2, 3))], CONVOLUTION, "the channels do not fit"),
    ("random_bits", [INT], {"shape": (2,), "width": 4}, "takes keys"),
]


@pytest.mark.parametrize(("name", "inputs", "attributes", "text"), REFUSED)
def test_typing_rules_refuse(name, inputs, attributes, text):
    with pytest.raises(OpError, match=text) as error:
        output_types(name, inputs, attributes)
    assert str(error.value).startswith(f"{name}(")


STRUCTURED_REFUSED = [
    (
        "scan",
        [F32, VECTOR],
        {"length": 2, "carries": 1, "sequences": 1, "reverse": False},
        [IDENTITY],
        "does not have length",
    ),
    (
        "scan",
        [F32, VECTOR],
        {"length": 3, "carries": 1, "sequences": 1, "reverse": False},
        [IDENTITY],
        "parameters are",
    ),
    (
        *("scan", [F32], {"length": 3, "carries": 1, "sequences": 0, "reverse": False}),
        *([body(F32, build=lambda b, x: b.cast(x, "int32"))], "carries are"),
    ),
    ("while", [F32], {"carries": 1}, [IDENTITY, IDENTITY], "condition are"),
    ("switch", [F32, F32], {}, [IDENTITY], "the index is an int32 scalar"),
    ("switch", [INT, F32], {}, [], "no branch"),
    ("switch", [INT, F32], {}, [IDENTITY, body(F32, build=lambda b, x: b.cast(x, "int32"))], "results are"),
    ("map", [VECTOR], {"size": 2, "mapped": 1}, [IDENTITY], "does not have size"),
    ("map", [F32], {"size": 2, "mapped": 1}, [IDENTITY], "does not have size"),
    ("gradient", [F32], {"wrt": (0,)}, [body(F32, build=lambda b, x: b.cast(x, "int32"))], "not a float scalar"),
    ("gradient", [INT], {"wrt": (0,)}, [body(INT, build=lambda b, i: b.cast(i, "float32"))], "only floats"),
]


@pytest.mark.parametrize(("name", "inputs", "attributes", "regions", "text"), STRUCTURED_REFUSED)
def test_typing_rules_of_structured_operations_refuse(name, inputs, attributes, regions, text):
    with pytest.raises(OpError, match=text) as error:
        output_types(name, inputs, attributes, regions)
    assert str(error.value).startswith(f"{name}:")


def test_an_unknown_operation_is_refused():
    with pytest.raises(OpError, match="no operation is called 'cosecant'"):
        Builder()("cosecant")


def test_every_row_has_a_kind_and_a_meaning():
    assert {row.kind for row in OPS.values()} == {"elementwise", "view", "source", "array", "reduction", "structured"}
    assert ELEMENTWISE | VIEWS | STRUCTURED <= set(OPS)
    assert [n for n, row in OPS.items() if row.meaning is None] == [n for n in OPS if n in STRUCTURED]


# ---- the verifier ----------------------------------------------------------------------------------------------------


def region(ops=(), parameters=(), results=()):
    return Region(tuple(parameters), tuple(ops), tuple(results))


def op(name, inputs=(), outputs=(), attributes=None, regions=()):
    return Op(name, tuple(inputs), attributes or {}, tuple(regions), tuple(outputs))


X, Y, Z = Value(F32), Value(F32), Value(F32)
WRONG = Value(VECTOR)
STRAY = region([op("exp", [X], [Z])], [Y], [Z])  # uses a value of the region around it

BROKEN = {
    "uses a float32\\[\\] that is not made before it": region([op("exp", [Y], [Z]), op("exp", [X], [Y])], [X], [Z]),
    "exp uses a float32": region([op("exp", [X], [Z])], [], [Z]),
    "is made twice": region([op("exp", [X], [X])], [X], [X]),
    "region: a value of type float32\\[\\] is made twice": region([], [X, X], [X]),
    "a result of type float32\\[\\] is not made in the region": region([], [X], [Y]),
    "no operation is called 'cosecant'": region([op("cosecant", [X], [Y])], [X], [Y]),
    "exp gives float32\\[\\], not float32\\[3\\]": region([op("exp", [X], [WRONG])], [X], [WRONG]),
    "int32\\[\\]\\): int32 is not a float type": region([op("exp", [v := Value(INT)], [Y])], [v], [Y]),
    "region: 'shape'": region([op("reshape", [X], [Y])], [X], [Y]),
    "region.switch\\[1\\]: exp uses": region(
        [op("switch", [i := Value(INT), X], [Y], regions=[IDENTITY, STRAY])], [i, X], [Y]
    ),
}


@pytest.mark.parametrize("text", BROKEN)
def test_the_verifier_refuses(text):
    with pytest.raises(InvalidRegion, match=text):
        verify(BROKEN[text])


def test_the_verifier_returns_a_region_that_is_well_formed():
    fine = region([op("exp", [X], [Y])], [X], [Y])
    assert verify(fine) is fine


# ---- the printer -----------------------------------------------------------------------------------------------------


def test_the_printer_shows_regions_sources_and_constants():
    step = body(F32, F32, build=lambda b, c, x: (b("add", c, x), c))
    b = Builder(source="model.py:3")
    xs = b.parameter(VECTOR)
    start = b.constant(0.0, "float32")
    large = b.constant(np.zeros(100, np.float32))
    out = b.emit("scan", [start, xs], {"length": 3, "carries": 1, "sequences": 1, "reverse": False}, [step])
    assert show(b.finish(*out, large), "prefix") == "\n".join(
        (
            "prefix(%0: float32[3])",
            "  %1 = constant() {value=0.0} : float32[]    # model.py:3",
            "  %2 = constant() {value=[... 100 elements]} : float32[100]    # model.py:3",
            "  %3, %4 = scan(%1, %0) {length=3, carries=1, sequences=1, reverse=False} : float32[], float32[3]"
            "    # model.py:3",
            "    region 0(%5: float32[], %6: float32[])",
            "      %7 = add(%5, %6) : float32[]",
            "      return %7, %5",
            "  return %3, %4, %2",
        )
    )


# ---- the interpreter: structured operations --------------------------------------------------------------------------


def run(r, *arguments):
    return interpret(verify(r), arguments)


def test_arguments_must_have_the_types_of_the_parameters():
    with pytest.raises(TypeError, match=r"argument: float64\[\] where float32\[\] is expected"):
        interpret(IDENTITY, [np.float64(1.0)])
    with pytest.raises(TypeError, match=r"argument: float32\[2\] where float32\[\] is expected"):
        interpret(IDENTITY, [np.zeros(2, np.float32)])


PREFIX = body(F32, F32, F32, build=lambda b, c, x, w: (b("add", b("multiply", c, w), x), b("multiply", c, x)))
XS = np.array([1.0, 2.0, 5.0], np.float32)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse):
    attributes = {"length": 3, "carries": 1, "sequences": 1, "reverse": reverse}
    r = body(F32, VECTOR, F32, build=lambda b, *xs: b.emit("scan", xs, attributes, [PREFIX]))
    c, expected = np.float32(0.5), np.zeros(3, np.float32)
    for i in (2, 1, 0) if reverse else (0, 1, 2):
        c, expected[i] = c * np.float32(2.0) + XS[i], c * XS[i]
    carry, ys = run(r, np.float32(0.5), XS, np.float32(2.0))
    assert carry == c
    np.testing.assert_array_equal(ys, expected)


def test_scan_of_no_iterations_returns_the_carry():
    attributes = {"length": 0, "carries": 1, "sequences": 1, "reverse": False}
    r = body(F32, Type("float32", (0,)), F32, build=lambda b, *xs: b.emit("scan", xs, attributes, [PREFIX]))
    carry, ys = run(r, np.float32(0.5), np.zeros(0, np.float32), np.float32(2.0))
    assert (carry, ys.shape) == (0.5, (0,))


def test_while_runs_as_long_as_its_condition_holds():
    condition = body(F32, F32, build=lambda b, x, top: b("less", x, top))
    double = body(F32, F32, build=lambda b, x, top: b("add", x, x))
    r = body(F32, F32, build=lambda b, *xs: b.emit("while", xs, {"carries": 1}, [condition, double]))
    assert run(r, np.float32(1.0), np.float32(10.0))[0] == 16.0
    assert run(r, np.float32(11.0), np.float32(10.0))[0] == 11.0


@pytest.mark.parametrize(("index", "expected"), [(-5, 3.0), (0, 3.0), (1, 6.0), (2, 9.0), (99, 9.0)])
def test_switch_takes_the_nearest_branch(index, expected):
    branches = [
        IDENTITY,
        body(F32, build=lambda b, x: b("add", x, x)),
        body(F32, build=lambda b, x: b("multiply", x, x)),
    ]
    r = body(INT, F32, build=lambda b, *xs: b.emit("switch", xs, {}, branches))
    assert run(r, np.int32(index), np.float32(3.0))[0] == expected


def test_map_shares_what_is_not_mapped():
    one = body(F32, VECTOR, build=lambda b, x, w: (b("multiply", b.broadcast(x, (3,)), w), x))
    attributes = {"size": 2, "mapped": 1}
    r = body(Type("float32", (2,)), VECTOR, build=lambda b, *xs: b.emit("map", xs, attributes, [one]))
    x = np.array([2.0, -1.0], np.float32)
    products, same = run(r, x, XS)
    np.testing.assert_array_equal(products, np.outer(x, XS))
    np.testing.assert_array_equal(same, x)
