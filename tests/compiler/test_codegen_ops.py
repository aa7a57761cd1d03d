"""Every operation, compiled, against the interpreter: one lane and many, shared and mapped inputs, edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from genmlx.compiler.codegen.cstyle import ROWS
from genmlx.compiler.codegen.kernel import PRINTERS
from genmlx.compiler.ir.graph import Builder, Region, Type
from genmlx.compiler.ir.ops import ELEMENTWISE, OPS
from genmlx.compiler.ir.types import DTYPES
from helpers.native import Case, expected, run_all
from helpers.op_cases import CASES, arguments, region_of

# Relative to the largest element: the reference sums and solves in float64.
TOLERANCE = {"float32": 4e-6, "float64": 4e-14}
# Elementwise: eight units in the last place; NumPy's own functions are off by up to four.
ELEMENTWISE_TOLERANCE = {"float32": 1e-6, "float64": 2e-15}

INTEGERS = [d for d in DTYPES if "int" in d]
REALS = ["float32", "float64"]


def check(case: Case, found: tuple[np.ndarray, ...], tolerance: dict[str, float], *, scaled: bool) -> None:
    for i, (a, e) in enumerate(zip(found, expected(case), strict=True)):
        name = f"{case.name}, result {i}"
        assert a.dtype == e.dtype and a.shape == e.shape, name
        if e.dtype.kind != "f":
            np.testing.assert_array_equal(a, e, err_msg=name)
            continue
        finite = np.abs(e[np.isfinite(e)])
        atol = tolerance[e.dtype.name] * (finite.max() if scaled and finite.size else 0.0)
        np.testing.assert_allclose(a, e, rtol=tolerance[e.dtype.name], atol=atol, err_msg=name)


# ---- the tables are complete -----------------------------------------------------------------------------------------


def test_every_operation_has_a_spelling_or_a_printer():
    missing = [name for name in OPS if name not in ROWS and name not in PRINTERS and name != "gradient"]
    assert missing == []
    assert set(ROWS) == ELEMENTWISE


def test_every_operation_with_loops_of_its_own_has_a_case():
    structured = {"scan", "while", "switch", "map", "gradient"}
    assert set(OPS) - ELEMENTWISE - structured == {c.op for c in CASES}


# ---- elementwise -----------------------------------------------------------------------------------------------------


EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e-40, -1e-45, 3e38, 88.0, -104.0, 1e5, 2.0]


def takes(name: str, dtype: str) -> int:
    """How many operands an elementwise operation takes of a dtype; 0 if it does not take it."""
    for count in (1, 2):
        b = Builder()
        try:
            b(name, *(b.parameter(Type(dtype, (3,))) for _ in range(count)))
        except ValueError:
            continue
        return count
    return 0


def all_elementwise(dtype: str, shape: tuple[int, ...]) -> tuple[Region, list[str]]:
    """Every elementwise operation on two parameters of a dtype, and a flag to select by."""
    b = Builder()
    x, y, flag = (b.parameter(Type(d, shape)) for d in (dtype, dtype, "bool"))
    names = [name for name in sorted(ELEMENTWISE - {"cast", "select"}) if takes(name, dtype)]
    results = [b(name, *(x, y)[: takes(name, dtype)]) for name in names]
    return b.finish(*results, b("select", flag, x, y)), [*names, "select"]


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two arrays with all pairs of edges, and flags."""
    if dtype == "bool":
        edges = np.array([False, True])
    elif dtype in REALS:
        edges = np.array(EDGES)
    else:
        info = np.iinfo(dtype)
        edges = np.unique(
            np.array([0, 1, 2, 3, 7, 31, 33, 100, info.max, info.max - 1, info.min, info.min // 2], object)
        )
        signed = [-1, -2, -3, -65] if info.min < 0 else []
        edges = np.array(sorted({*(int(e) for e in edges), *signed}), object)
    both = list(itertools.product(edges, edges))
    flags = np.arange(len(both)) % 3 == 0
    with np.errstate(over="ignore"):
        x, y = (np.array(column, object).astype(DTYPES[dtype]) for column in zip(*both, strict=True))
    return x, y, flags


def comparable(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the reference is the definition: for a scalar to the power 0.5 NumPy takes the root, nan at -inf."""
    return (x != -np.inf) | (y != 0.5) if name == "power" else np.ones(x.shape, bool)


@pytest.mark.parametrize(
    "dtype", [d if d in {"bool", "int32", "float32"} else pytest.param(d, marks=pytest.mark.slow) for d in DTYPES]
)
def test_elementwise_operations_at_all_pairs_of_edges(dtype):
    x, y, flags = pairs(dtype)
    region, names = all_elementwise(dtype, x.shape)
    one = Case(dtype, region, (x, y, flags))
    lanes, width = len(x), 8 if dtype.endswith("64") else 16
    scalar_region, _ = all_elementwise(dtype, ())
    cases = [one]
    for mapped in ((True, True, True), (True, False, False), (False, True, True), (False, False, True)):
        picked = tuple(a if m else a[5 % lanes] for a, m in zip((x, y, flags), mapped, strict=True))
        cases.append(Case(f"{dtype} {mapped}", scalar_region, picked, mapped, width))
    for case, found in zip(cases, run_all(cases), strict=True):
        for name, a, e in zip(names, found, expected(case), strict=True):
            keep = comparable(name, *(np.broadcast_to(v, a.shape) for v in case.arguments[:2]))
            tolerance = ELEMENTWISE_TOLERANCE.get(a.dtype.name, 0)
            wrong = np.flatnonzero(~np.isclose(a, e, rtol=1e-3, equal_nan=True)) if a.dtype.kind == "f" else []
            where = [tuple(v.reshape(-1)[i % v.size] for v in case.arguments[:2]) for i in wrong[:5]]
            smallest = np.finfo(a.dtype).smallest_subnormal if a.dtype.kind == "f" else 0
            if a.dtype.kind == "f":
                np.testing.assert_allclose(
                    a[keep], e[keep], rtol=tolerance, atol=2 * smallest, err_msg=f"{name} {case.name} at {where}"
                )
            else:
                np.testing.assert_array_equal(a[keep], e[keep], err_msg=f"{name} {case.name}")


def test_casts_between_all_types():
    cases = []
    for source in DTYPES:
        x, _, _ = pairs(source)
        x = np.unique(x) if source != "bool" else x
        if source in REALS:
            near = [127.5, 128.0, -128.9, 255.9, 256.0, 65535.5, 2.0**31, -(2.0**31), 2.0**32, 2.0**63, 2.0**64, 1e30]
            x = np.array([*EDGES, *near, *(-v for v in near)], source)
        for lanes in (False, True):
            b = Builder()
            p = b.parameter(Type(source, () if lanes else x.shape))
            region = b.finish(*(b("cast", p, dtype=target) for target in DTYPES))
            cases.append(Case(f"cast {source} {lanes}", region, (x,), (True,) if lanes else None))
    for case, found in zip(cases, run_all(cases), strict=True):
        for target, a, e in zip(DTYPES, found, expected(case), strict=True):
            np.testing.assert_array_equal(a, e, err_msg=f"{case.name} to {target}")


@pytest.mark.parametrize(
    "shape",
    [(), (2, 0, 3), (3, 5), *(pytest.param(s, marks=pytest.mark.slow) for s in ((1,), (0,), (1, 4, 1), (33,)))],
)
def test_elementwise_shapes(shape):
    rng = np.random.default_rng(1)
    cases = []
    for dtype in ("float32", "int32", "bool"):
        region, _ = all_elementwise(dtype, shape)
        for lanes in (None, 3):
            lead = () if lanes is None else (lanes,)
            x, y = (np.abs(rng.normal(size=(*lead, *shape)) * 3).astype(DTYPES[dtype]) for _ in range(2))
            flags = rng.random((*lead, *shape)) < 0.5
            cases.append(Case(f"{dtype} {shape} {lanes}", region, (x, y, flags), lanes and (True,) * 3, 4))
    for case, found in zip(cases, run_all(cases), strict=True):
        check(case, found, ELEMENTWISE_TOLERANCE, scaled=False)


# ---- operations with loops -------------------------------------------------------------------------------------------


def op_cases(real: str, variants: list[tuple[int | None, int, str]], seed: int) -> list[Case]:
    """All cases, each with lanes, width, and which parameters are mapped."""
    rng = np.random.default_rng(seed)
    cases = []
    for op in CASES:
        region = region_of(op, real)
        for lanes, width, which in variants:
            n = len(op.types)
            mapped = {"all": (True,) * n, "first": (True,) + (False,) * (n - 1), "last": (False,) * (n - 1) + (True,)}
            if lanes is not None and n == 0:
                continue
            flags = mapped[which] if n and lanes is not None else (False,) * n
            label = f"{op.op}, {op.label}, {real}, {lanes} lanes of {width}, {which}"
            cases.append(
                Case(label, region, arguments(op, real, rng, lanes, flags), None if lanes is None else flags, width)
            )
    return cases


def check_all(cases: list[Case]) -> None:
    failed = []
    for case, found in zip(cases, run_all(cases), strict=True):
        try:
            check(case, found, TOLERANCE, scaled=True)
        except AssertionError as error:
            failed.append(str(error))
    assert not failed, f"{len(failed)} of {len(cases)} cases fail:\n" + "\n".join(failed[:5])


def test_operations_without_lanes():
    check_all(op_cases("float32", [(None, 1, "all")], 2))


def test_operations_with_lanes():
    check_all(op_cases("float32", [(3, 4, "all")], 3))


@pytest.mark.slow
@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize(
    "variant", [(None, 1, "all"), (1, 16, "all"), (16, 16, "first"), (100, 16, "last"), (5, 8, "all")]
)
def test_operations_in_both_precisions_and_many_lanes(real, variant):
    check_all(op_cases(real, [variant], 4))
