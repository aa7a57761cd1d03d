"""Every rule of differentiation against finite differences in float64, twice: the gradient, and its own gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from genmlx.compiler.autodiff import vjp
from genmlx.compiler.autodiff.rules import LINEAR, MASKING, NOT_DIFFERENTIABLE, RULES, ZERO
from genmlx.compiler.autodiff.structured import CHEAP
from genmlx.compiler.ir.graph import Builder, Region, Type, Value
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.ops import ELEMENTWISE, OPS, STRUCTURED
from genmlx.compiler.ir.verify import verify

rng = np.random.default_rng(11)
X = np.array([[-1.7, -0.6, 0.3], [0.9, 1.4, 2.2]])
Y = np.array([[0.8, -1.1, 1.9], [-0.4, 0.7, 1.3]])
UNIT = np.array([-0.9, -0.35, 0.2, 0.75])
POSITIVE = np.array([0.2, 0.7, 1.6, 3.1])
VECTOR = np.array([0.5, -1.2, 2.0, 0.9, -0.3])
CUBE = rng.normal(size=(2, 3, 4))
MATRIX = rng.normal(size=(3, 3)) + 2.0 * np.eye(3)
SPD = MATRIX @ MATRIX.T + np.eye(3)
BATCH = np.stack([SPD, SPD + np.diag([1.0, 2.0, 0.5])])


class Case(NamedTuple):
    """An operation on inputs; ``wrt`` among the attributes says by which to differentiate, else all floats."""

    op: str
    inputs: tuple[np.ndarray, ...]
    attributes: dict[str, Any]
    label: str


def case(op: str, *inputs: Any, label: str = "", **attributes: Any) -> Case:
    return Case(op, tuple(np.asarray(x) for x in inputs), attributes, label)


def convolution(x, w, label, **changes):
    rank = x.ndim - 2
    attributes: dict[str, Any] = {
        "stride": (1,) * rank,
        "low": (0,) * rank,
        "high": (0,) * rank,
        "dilation": (1,) * rank,
        "input_dilation": (1,) * rank,
        "groups": 1,
        "flip": False,
    }
    return case("convolve", x, w, label=label, **{**attributes, **changes})


ANYWHERE = ("exp", "expm1", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh", "erf", "sigmoid")
ANYWHERE += ("negative", "abs", "square")
INSIDE = ("arcsin", "arccos", "arctanh", "erfinv")
ABOVE_ZERO = ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")
PLAIN = ("add", "subtract", "multiply", "divide", "minimum", "maximum", "arctan2", "logaddexp")
FLAGS = np.array([[True, False, True], [False, False, True]])
INDEX = np.array([2, -1, 0, 2, 9, -7])  # twice the same, and two out of range
WITHIN = np.array([2, -1, 0, 2])
PAIRS = (np.array([0, 1, 1, -3]), np.array([2, 0, 0, 3]))

CASES = [
    *(case(name, X) for name in ANYWHERE),
    *(case(name, UNIT) for name in INSIDE),
    *(case(name, POSITIVE) for name in ABOVE_ZERO),
    case("arccosh", POSITIVE + 1.0),
    *(case(name, X, Y) for name in PLAIN),
    case("remainder", X + 0.13, Y),
    case("power", POSITIVE, UNIT),
    case("power", np.array([-1.3, 0.0, 0.0, 0.0, 2.0]), np.array([3.0, 1.0, 2.0, 3.0, 0.0]), label="base", wrt=[0]),
    case("select", FLAGS, X, Y),
    case("cast", X, dtype="float64"),
    # Shapes.
    case("broadcast", X[:, None, :], shape=(2, 2, 4, 3)),
    case("broadcast", np.array(1.5), shape=(2, 3), label="scalar"),
    case("broadcast", X, shape=(2, 3), label="same"),
    case("reshape", X, shape=(3, 1, 2)),
    case("transpose", CUBE, axes=(2, 0, 1)),
    case("concatenate", X, Y, X[:1], axis=0),
    case("concatenate", X, Y, axis=1, label="columns"),
    case("pad", X, np.array(0.7), low=(1, 0), high=(0, 2)),
    # Parts of arrays.
    case("slice", CUBE, starts=(0, 2, 3), sizes=(2, 2, 2), steps=(1, -1, -2)),
    case("slice", CUBE, starts=(1, 0, 1), sizes=(1, 3, 2), steps=(1, 1, 2), label="strided"),
    case("slice", VECTOR, starts=(4,), sizes=(5,), steps=(-1,), label="turned"),
    *(
        case("slice_update", VECTOR, np.array([0.3, 2.5]), starts=(3,), sizes=(2,), steps=(-2,), kind=kind, label=kind)
        for kind in ("none", "sum", "prod", "min", "max")
    ),
    case("dynamic_slice", CUBE, np.int32(1), np.int32(-2), axes=(1, 2), sizes=(2, 2, 3)),
    case("dynamic_slice_update", CUBE, CUBE[:, :2, :3] + 1, np.int32(9), np.int32(-4), axes=(1, 2)),
    case("gather", CUBE, INDEX, axes=(1,), sizes=(2, 1, 3)),
    case("gather", CUBE, *PAIRS, axes=(1, 2), sizes=(1, 1, 2), label="pairs"),
    case("gather", VECTOR, WITHIN.astype(np.uint32), axes=(0,), sizes=(1,), label="unsigned"),
    *(
        case("scatter", X, rng.normal(size=(4, 1, 1)), *PAIRS, axes=(0, 1), kind=kind, label=kind)
        for kind in ("none", "sum", "prod", "min", "max")
    ),
    case("scatter", VECTOR, rng.normal(size=(6, 2)), INDEX, axes=(0,), kind="sum", label="windows"),
    case("scatter", VECTOR, rng.normal(size=(6, 2)), INDEX, axes=(0,), kind="none", label="windows, none"),
    case("scatter", VECTOR, np.array([[0.0], [2.0], [1.5]]), np.array([1, 1, 3]), axes=(0,), kind="prod", label="0"),
    case("gather_axis", X, np.array([[2, 0, -1, 7], [1, 1, 0, -9]]), axis=1),
    *(
        case("scatter_axis", X, np.array([[2, 2], [0, 8]]), Y[:, :2], axis=1, kind=kind, label=kind)
        for kind in ("none", "sum", "prod", "min", "max")
    ),
    # Along axes.
    *(
        case("reduce", CUBE, kind=kind, axes=axes, label=f"{kind} {axes}")
        for kind in ("sum", "prod", "min", "max")
        for axes in ((1,), (0, 2), (0, 1, 2), ())
    ),
    case("reduce", np.array([[0.0, 2.0, 3.0], [0.0, 1.5, 0.0]]), kind="prod", axes=(1,), label="prod with zeros"),
    *(
        case(
            "cumulative",
            X,
            kind=kind,
            axis=1,
            reverse=reverse,
            inclusive=inclusive,
            label=f"{kind} {reverse} {inclusive}",
        )
        for kind in ("sum", "prod", "min", "max", "logaddexp")
        for reverse in (False, True)
        for inclusive in (False, True)
        if inclusive or kind in ("sum", "prod")  # the others begin with an infinity
    ),
    case(
        "cumulative",
        np.array([2.0, 0.0, 3.0, 0.0, 1.5]),
        kind="prod",
        axis=0,
        reverse=False,
        inclusive=True,
        label="zeros",
    ),
    case("sort", CUBE, axis=1),
    # Linear algebra.
    case("matmul", CUBE, rng.normal(size=(2, 4, 2))),
    *(case("cholesky", BATCH, upper=upper, label=str(upper)) for upper in (False, True)),
    case("inverse", BATCH),
    *(
        case("solve_triangular", BATCH, rng.normal(size=(2, 3, 2)), upper=upper, label=str(upper))
        for upper in (False, True)
    ),
    convolution(rng.normal(size=(2, 6, 2)), rng.normal(size=(3, 2, 2)), "plain"),
    convolution(rng.normal(size=(1, 7, 2)), rng.normal(size=(2, 3, 2)), "strided", stride=(2,), low=(1,), high=(2,)),
    convolution(rng.normal(size=(1, 8, 1)), rng.normal(size=(1, 3, 1)), "unread", stride=(3,)),
    convolution(rng.normal(size=(1, 7, 1)), rng.normal(size=(2, 2, 1)), "dilated", dilation=(3,), flip=True),
    convolution(
        rng.normal(size=(1, 4, 1)), rng.normal(size=(2, 3, 1)), "spread", input_dilation=(2,), low=(2,), high=(3,)
    ),
    convolution(rng.normal(size=(1, 5, 4)), rng.normal(size=(6, 2, 2)), "groups", groups=2, stride=(2,)),
    convolution(
        rng.normal(size=(2, 5, 4, 1)),
        rng.normal(size=(2, 2, 3, 1)),
        "two axes",
        stride=(2, 1),
        low=(0, 1),
        high=(1, 2),
        flip=True,
    ),
]
CASES_BY_OP = {c.op for c in CASES}


def _name(c: Case) -> str:
    return f"{c.op} {c.label}".strip()


def region_of(c: Case) -> tuple[Region, list[int], list[np.ndarray]]:
    """The region of a case, the numbers of its float parameters, its arguments."""
    attributes = dict(c.attributes)
    arguments = [x.astype(np.int32) if x.dtype == np.int64 else x for x in c.inputs]
    b = Builder()
    values = [b.parameter(Type(x.dtype.name, x.shape)) for x in arguments]
    wrt = attributes.pop("wrt", [i for i, v in enumerate(values) if v.type.is_float])
    return verify(b.finish(b(c.op, *values, **attributes))), wrt, arguments


def weighted(region: Region, weights: Callable[[Type], np.ndarray]) -> Region:
    """The sum of all float results, weighted."""
    b = Builder()
    results = b.inline(region, [b.parameter(t) for t in region.parameter_types])
    total: Value = b.constant(0.0, "float64")
    for r in results:
        if r.type.is_float:
            terms = b("multiply", r, b.constant(weights(r.type)))
            total = b("add", total, b("reduce", terms, kind="sum", axes=tuple(range(len(r.shape)))))
    return b.finish(total)


def along(region: Region, arguments, directions, h=1e-5):
    """The derivative of a scalar region along a direction: a difference of fourth order."""

    def at(step):
        moved = [a + step * directions[i] if i in directions else a for i, a in enumerate(arguments)]
        return float(interpret(region, moved)[0])

    return (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)


def finite_differences(region: Region, wrt, arguments):
    """The gradient of a scalar region by each of some parameters."""
    found = []
    for i in wrt:
        slopes = np.zeros(arguments[i].shape)
        for index in np.ndindex(*slopes.shape):
            unit = np.zeros(slopes.shape)
            unit[index] = 1.0
            slopes[index] = along(region, arguments, {i: unit})
        found.append(slopes)
    return found


def gradients(region: Region, wrt, arguments):
    """By the compiler: cotangent 1 of the only result, and the region that computes it."""
    adjoint = verify(vjp(region, wrt))
    return interpret(adjoint, [*arguments, np.ones(())])[1:], adjoint


def weights(t: Type) -> np.ndarray:
    return np.cos(1.0 + 1.7 * np.arange(t.size)).reshape(t.shape)


def check(region: Region, wrt, arguments):
    """First derivatives one by one; second ones along a direction."""
    scalar = weighted(region, weights)
    found, adjoint = gradients(scalar, wrt, arguments)
    for slope, expected in zip(found, finite_differences(scalar, wrt, arguments), strict=True):
        np.testing.assert_allclose(slope, expected, rtol=1e-7, atol=1e-8)
    curvature = weighted(_slopes(adjoint), weights)
    found, _ = gradients(curvature, wrt, arguments)
    directions = {i: np.sin(2.0 + i + 1.3 * np.arange(arguments[i].size)).reshape(arguments[i].shape) for i in wrt}
    expected = along(curvature, arguments, directions)
    total = sum(float(np.sum(slope * directions[i])) for i, slope in zip(wrt, found, strict=True))
    np.testing.assert_allclose(total, expected, rtol=1e-7, atol=1e-7)


def _slopes(adjoint: Region) -> Region:
    """The gradients alone, as a function of the parameters."""
    b = Builder()
    parameters = [b.parameter(t) for t in adjoint.parameter_types[:-1]]
    return b.finish(*b.inline(adjoint, [*parameters, b.constant(1.0, "float64")])[1:])


@pytest.mark.parametrize("c", CASES, ids=_name)
def test_rules_agree_with_finite_differences(c):
    check(*region_of(c))


def test_every_operation_has_a_rule_or_a_reason():
    tables = [set(RULES), set(ZERO), set(NOT_DIFFERENTIABLE), set(STRUCTURED)]
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert set().union(*tables) == set(OPS)
    assert set(RULES) == CASES_BY_OP
    assert all(NOT_DIFFERENTIABLE.values())
    assert LINEAR <= ELEMENTWISE & set(RULES)
    assert set(OPS) >= MASKING | CHEAP
