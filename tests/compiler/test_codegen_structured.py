"""Loops and branches, compiled, against the interpreter: carries in place, divergence, nesting, random programs."""

from __future__ import annotations

import ctypes
from unittest import mock

import numpy as np
import pytest

import genmlx.compiler.ir.interpret as interpreter
from genmlx.compiler.codegen import Lanes, generate
from genmlx.compiler.ir.graph import Builder, Region, Type, Value
from genmlx.compiler.ir.types import DTYPES
from genmlx.compiler.ir.verify import verify
from genmlx.compiler.runtime import load
from helpers.native import FLAGS, Case, expected, run_all, run_one
from helpers.programs import random_arguments, random_region

F, INT = "float32", "int32"
RTOL = 2e-5


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def check(case: Case, found: tuple[np.ndarray, ...]) -> None:
    for i, (a, e) in enumerate(zip(found, expected(case), strict=True)):
        np.testing.assert_allclose(a, e, rtol=RTOL, atol=1e-5, err_msg=f"{case.name}, result {i}")


def scan(
    b: Builder, body: Region, *operands: Value, length: int, carries: int, sequences: int = 0, reverse: bool = False
):
    attributes = {"length": length, "carries": carries, "sequences": sequences, "reverse": reverse}
    return b.emit("scan", operands, attributes, (body,))


def body_of(types: list[Type], make) -> Region:
    b = Builder()
    results = make(b, *(b.parameter(t) for t in types))
    return verify(b.finish(*results))


def outer_of(types: list[Type], make) -> Region:
    return body_of(types, make)


def every_way(name: str, region: Region, draw, lanes: int = 5, width: int = 4) -> list[Case]:
    """Without lanes, with all parameters mapped, and with each one mapped alone; and lanes without a rest."""
    n = len(region.parameters)
    cases = [Case(name, region, draw([None] * n))]
    for mapped in {(True,) * n, *(tuple(i == j for i in range(n)) for j in range(n))}:
        cases.append(
            Case(f"{name}, mapped {mapped}", region, draw([lanes if m else None for m in mapped]), mapped, width)
        )
    cases.append(Case(f"{name}, full", region, draw([width] * n), (True,) * n, width))
    cases.append(Case(f"{name}, apart", region, draw([lanes] * n), (True,) * n, 1))
    return cases


def drawing(types: list[Type], seed: int = 0, low: int = 0, high: int = 5):
    rng = np.random.default_rng(seed)

    def draw(lanes):
        found = []
        for type_, n in zip(types, lanes, strict=True):
            shape = (*((n,) if n is not None else ()), *type_.shape)
            x = rng.normal(size=shape) if type_.is_float else rng.integers(low, high, size=shape)
            found.append(np.asarray(x).astype(DTYPES[type_.dtype]))
        return tuple(found)

    return draw


# ---- scans -------------------------------------------------------------------------------------------------------------


def carries_that_trade_places(length: int, reverse: bool) -> tuple[Region, list[Type]]:
    """a, b -> b, a + x[i]; scalars and arrays; old and new carries stacked."""
    vector, scalar = Type(F, (3,)), Type(F)

    def body(b, u, v, s, t, x, w):
        new = b("add", u, b.broadcast(x, (3,)))
        return v, new, t, b("multiply", b("add", s, x), w), u, new, s

    inner = body_of([vector, vector, scalar, scalar, scalar, scalar], body)
    types = [vector, vector, scalar, scalar, Type(F, (length,)), scalar]
    region = outer_of(types, lambda b, *xs: scan(b, inner, *xs, length=length, carries=4, sequences=1, reverse=reverse))
    return region, types


def shifted_carry() -> tuple[Region, list[Type]]:
    """A carry whose new value reads the old one elsewhere: it cannot be written in place."""
    row = Type(F, (6,))

    def body(b, c):
        shifted = b(
            "concatenate",
            b("slice", c, starts=(1,), sizes=(5,), steps=(1,)),
            b("slice", c, starts=(0,), sizes=(1,), steps=(1,)),
            axis=0,
        )
        backwards = b("slice", c, starts=(5,), sizes=(6,), steps=(-1,))
        return (b("add", shifted, b("multiply", backwards, c)),)

    inner = body_of([row], body)
    return outer_of([row], lambda b, c: scan(b, inner, b("tanh", c), length=3, carries=1)), [row]


def reversed_view_as_carry() -> tuple[Region, list[Type]]:
    """A carry that becomes a view of itself, and one that becomes a view of another."""
    row = Type(F, (4,))

    def body(b, c, d):
        def turned(v):
            return b("slice", v, starts=(3,), sizes=(4,), steps=(-1,))

        return turned(c), b("add", turned(c), d), d

    inner = body_of([row, row], body)
    return outer_of([row, row], lambda b, c, d: scan(b, inner, c, d, length=3, carries=2)), [row, row]


def history() -> tuple[Region, list[Type]]:
    """An array that is updated at a running place, beside a counter; its initial value is needed afterwards, too."""
    table, scalar = Type(F, (5, 2)), Type(F, (2,))

    def body(b, h, i, x, w):
        row = b("multiply", x, w)
        new = b("dynamic_slice_update", h, b.reshape(row, (1, 2)), i, axes=(0,))
        return new, b("add", i, b.constant(1, INT)), row

    inner = body_of([table, Type(INT), scalar, scalar], body)

    def outer(b, h, x, w):
        outs = scan(b, inner, h, b.constant(-1, INT), x, w, length=7, carries=3)
        return (*outs, b("add", h, h))

    return outer_of([table, scalar, scalar], outer), [table, scalar, scalar]


def nested(length: int) -> tuple[Region, list[Type]]:
    """A scan in a scan, with sequences of sequences and stacked rows."""
    row = Type(F, (2,))

    def inner_body(b, c, x):
        new = b("sin", b("add", c, b.broadcast(x, (2,))))
        return new, b("reduce", new, kind="sum", axes=(0,))

    inner = body_of([row, Type(F)], inner_body)

    def outer_body(b, c, xs):
        c, ys = scan(b, inner, c, xs, length=3, carries=1, sequences=1, reverse=True)
        return c, ys, c

    middle = body_of([row, Type(F, (3,))], outer_body)
    types = [row, Type(F, (length, 3))]
    return outer_of(types, lambda b, c, xs: scan(b, middle, c, xs, length=length, carries=1, sequences=1)), types


@pytest.mark.parametrize(
    "make",
    [
        lambda: carries_that_trade_places(4, False),
        lambda: carries_that_trade_places(3, True),
        lambda: carries_that_trade_places(1, False),
        lambda: carries_that_trade_places(0, False),
        shifted_carry,
        reversed_view_as_carry,
        history,
        lambda: nested(4),
        lambda: nested(0),
    ],
)
def test_scans(make):
    region, types = make()
    cases = every_way("scan", region, drawing(types))
    for case, found in zip(cases, run_all(cases), strict=True):
        check(case, found)


def test_source_does_not_grow_with_the_length_of_a_scan():
    short, long = (generate(nested(n)[0]).text for n in (10, 10_000))
    assert len(long) < len(short) + 200


def test_carries_are_written_in_place():
    row = Type(F, (1000,))
    inner = body_of([row, row], lambda b, c, x: (b("add", b("multiply", c, x), x), b("exp", c)))
    region = outer_of([row, row], lambda b, c, x: scan(b, inner, b("exp", c), x, length=9, carries=2))
    # Two carries of 4,000 bytes lie on the stack; nothing else is needed.
    assert generate(region).text.count("alignas") == 2


# ---- while -------------------------------------------------------------------------------------------------------------


def counted_while() -> tuple[Region, list[Type]]:
    """While i < n: a scalar, an array updated in place, and a carry that does not change."""
    table, scalar = Type(F, (4,)), Type(F)

    def condition(b, i, x, h, k, n):
        return (b("less", i, n),)

    def body(b, i, x, h, k, n):
        new = b("add", b("multiply", x, b.constant(0.5, F)), k)
        return (
            b("add", i, b.constant(1, INT)),
            new,
            b("dynamic_slice_update", h, b.reshape(new, (1,)), i, axes=(0,)),
            k,
        )

    types = [Type(INT), scalar, table, scalar, Type(INT)]
    regions = (body_of(types, condition), body_of(types, body))

    def outer(b, i, x, h, k, n):
        outs = b.emit("while", (i, x, h, k, n), {"carries": 4}, regions)
        return (*outs, b("multiply", outs[1], x))

    return outer_of(types, outer), types


def while_in_while() -> tuple[Region, list[Type]]:
    """Collatz for each of 1 ... n, the steps added up: lanes leave both loops at different times."""

    def inner_condition(b, m, count):
        return (b("greater", m, b.constant(1, INT)),)

    def inner_body(b, m, count):
        odd = b("equal", b("remainder", m, b.constant(2, INT)), b.constant(1, INT))
        up = b("add", b("multiply", m, b.constant(3, INT)), b.constant(1, INT))
        return b("select", odd, up, b("divide", m, b.constant(2, INT))), b("add", count, b.constant(1, INT))

    pair = [Type(INT), Type(INT)]
    inner = (body_of(pair, inner_condition), body_of(pair, inner_body))

    def condition(b, i, total, n):
        return (b("less_equal", i, n),)

    def body(b, i, total, n):
        _, count = b.emit("while", (i, b.constant(0, INT)), {"carries": 2}, inner)
        return b("add", i, b.constant(1, INT)), b("add", total, count)

    triple = [Type(INT), Type(INT), Type(INT)]
    outer = (body_of(triple, condition), body_of(triple, body))
    region = outer_of(
        [Type(INT)], lambda b, n: b.emit("while", (b.constant(1, INT), b.constant(0, INT), n), {"carries": 2}, outer)
    )
    return region, [Type(INT)]


def scan_in_while() -> tuple[Region, list[Type]]:
    """An inner scan over the array that a diverging loop carries: lanes that have left keep theirs."""
    row = Type(F, (3,))
    step = body_of([row, Type(F)], lambda b, c, x: (b("tanh", b("add", c, b.broadcast(x, (3,)))),))

    def condition(b, i, c, n, xs):
        return (b("less", i, n),)

    def body(b, i, c, n, xs):
        (c,) = scan(b, step, c, xs, length=2, carries=1, sequences=1)
        return b("add", i, b.constant(1, INT)), c

    types = [Type(INT), row, Type(INT), Type(F, (2,))]
    regions = (body_of(types, condition), body_of(types, body))
    return outer_of(types, lambda b, *xs: b.emit("while", xs, {"carries": 2}, regions)), types


@pytest.mark.parametrize("make", [counted_while, while_in_while, scan_in_while])
def test_while_loops(make):
    region, types = make()
    cases = every_way("while", region, drawing(types, low=0, high=7))
    for case, found in zip(cases, run_all(cases), strict=True):
        check(case, found)


# ---- branches and maps -------------------------------------------------------------------------------------------------


def switch(branches: int) -> tuple[Region, list[Type]]:
    """Branches with scalars, arrays, loops that run for other lanes too, and operands passed on."""
    row = Type(F, (3,))

    def halve(b, x, s):
        condition = body_of([Type(F)], lambda c, v: (c("greater", v, c.constant(0.01, F)),))
        body = body_of([Type(F)], lambda c, v: (c("multiply", v, c.constant(0.5, F)),))
        (small,) = b.emit("while", (b("abs", s),), {"carries": 1}, (condition, body))
        return b("add", x, b.broadcast(small, (3,))), small

    makers = [
        lambda b, x, s: (x, s),
        halve,
        lambda b, x, s: (b("slice", x, starts=(2,), sizes=(3,), steps=(-1,)), b("reduce", x, kind="sum", axes=(0,))),
        lambda b, x, s: (b.full(row, 2.0), b.constant(1.5, F)),
    ]
    regions = tuple(body_of([row, Type(F)], make) for make in makers[:branches])

    def outer(b, k, x, s):
        a, c = b.emit("switch", (k, x, s), {}, regions)
        return a, c, b("add", x, a)

    types = [Type(INT), row, Type(F)]
    return outer_of(types, outer), types


def changed_or_left() -> tuple[Region, list[Type]]:
    """In a loop: an array whose element one branch changes, and which the others leave, exchange or need twice."""
    row = Type(F, (6,))

    def changed(b, x, y, i):
        return b("dynamic_slice_update", x, b.full(Type(F, (1,)), 9.0), i, axes=(0,)), y

    branches = (
        body_of([row, row, Type(INT)], changed),
        body_of([row, row, Type(INT)], lambda b, x, y, i: (x, y)),
        body_of([row, row, Type(INT)], lambda b, x, y, i: (y, x)),
        body_of([row, row, Type(INT)], lambda b, x, y, i: (b("add", x, y), x)),
    )

    def body(b, x, y, i, k):
        x, y = b.emit("switch", (k, x, y, i), {}, branches)
        return x, y, b("add", i, b.constant(1, INT))

    inner = body_of([row, row, Type(INT), Type(INT)], body)
    types = [row, row, Type(INT), Type(INT, (5,))]
    return outer_of(types, lambda b, *xs: scan(b, inner, *xs, length=5, carries=3, sequences=1)), types


def maps() -> tuple[Region, list[Type]]:
    """A map of a map, whose bodies reduce and branch; and one of scalars only."""
    inner = body_of([Type(F), Type(F)], lambda b, x, w: (b("multiply", b("exp", x), w),))

    def outer_body(b, row, k, w):
        (ys,) = b.emit("map", (row, w), {"size": 4, "mapped": 1}, (inner,))
        one = body_of([Type(F, (4,))], lambda c, v: (c("negative", v),))
        two = body_of([Type(F, (4,))], lambda c, v: (v,))
        (zs,) = b.emit("switch", (k, ys), {}, (one, two))
        return ys, b("reduce", zs, kind="sum", axes=(0,))

    middle = body_of([Type(F, (4,)), Type(INT), Type(F)], outer_body)
    types = [Type(F, (3, 4)), Type(INT, (3,)), Type(F)]
    return outer_of(types, lambda b, *xs: b.emit("map", xs, {"size": 3, "mapped": 2}, (middle,))), types


@pytest.mark.parametrize("make", [lambda: switch(4), lambda: switch(2), lambda: switch(1), changed_or_left, maps])
def test_branches_and_maps(make):
    region, types = make()
    cases = every_way("branches", region, drawing(types, low=-2, high=6))
    for case, found in zip(cases, run_all(cases), strict=True):
        check(case, found)


def test_a_branch_that_changes_an_element_copies_no_array():
    row = Type(F, (5000,))

    def changed(b, x, i):
        return (b("dynamic_slice_update", x, b.full(Type(F, (1,)), 9.0), i, axes=(0,)),)

    branches = (body_of([row, Type(INT)], changed), body_of([row, Type(INT)], lambda b, x, i: (x,)))
    inner = body_of([row, Type(INT)], lambda b, x, i: b.emit("switch", (i, x, i), {}, branches))
    region = outer_of([row, Type(INT)], lambda b, x, i: scan(b, inner, x, i, length=9, carries=1))
    text = generate(region).text
    assert generate(region).workspace_bytes < 2 * 4 * 5000  # the carry, and nothing else
    assert text.count("< 5000") == 2  # in and out
    lanes = generate(region, lanes=Lanes((True, True), 4))
    assert lanes.workspace_bytes < 2 * 16 * 5000


# ---- lanes -------------------------------------------------------------------------------------------------------------


def test_shared_data_is_not_copied_for_each_lane():
    rows = 500

    def model(b, x, beta):
        logits = b("matmul", x, b.reshape(beta, (10, 1)))
        return (b("reduce", b("square", b.reshape(logits, (rows,))), kind="sum", axes=(0,)),)

    region = outer_of([Type(F, (rows, 10)), Type(F, (10,))], model)
    source = generate(region, lanes=Lanes((False, True), 16))
    assert source.workspace_bytes <= rows * 64  # the logits of 16 lanes, and not the data
    case = Case(
        "shared",
        region,
        (floats(np.random.default_rng(0), rows, 10), floats(np.random.default_rng(1), 20, 10)),
        (False, True),
    )
    check(case, run_one(case))


def test_the_rest_of_a_block_of_lanes_is_not_written():
    region = outer_of([Type(F, (2,))], lambda b, x: (b("exp", x), b("reduce", x, kind="max", axes=(0,))))
    source = generate(region, lanes=Lanes((True,), 8))
    x, outputs = np.ones((16, 2), np.float32), [np.full((16, 2), -1, np.float32), np.full(16, -1, np.float32)]
    call(source, [x], outputs, 3, 8)
    for out in outputs:
        assert np.all(out[:3] == -1) and np.all(out[3:8] != -1) and np.all(out[8:] == -1)


def call(source, inputs, outputs, begin: int = 0, end: int = 1, stop: int = 0) -> tuple[int, int]:
    """One call: its status and the progress."""
    function = load(source.text, flags=FLAGS).handle.genmlx_kernel
    control = (ctypes.c_int64 * 2)(stop, 0)
    workspace = np.zeros(source.workspace_bytes + 64, np.uint8)
    aligned = workspace.ctypes.data + (-workspace.ctypes.data) % 64
    pointers = [(ctypes.c_void_p * len(xs))(*(x.ctypes.data for x in xs)) for xs in (inputs, outputs)]
    status = function(*pointers, ctypes.c_void_p(aligned), ctypes.c_int64(begin), ctypes.c_int64(end), control)
    return status, control[1]


def test_a_kernel_tells_its_progress_and_stops_when_asked():
    inner = body_of([Type(F)], lambda b, c: (b("sin", c), c))
    region = outer_of([Type(F)], lambda b, c: scan(b, inner, c, length=100, carries=1))
    x, outputs = np.ones((), np.float32), [np.zeros((), np.float32), np.zeros(100, np.float32)]
    source = generate(region)
    assert call(source, [x], outputs) == (0, 100)
    assert call(source, [x], outputs, stop=1) == (1, 0)
    rows = body_of([Type(F), Type(F)], lambda b, c, d: scan(b, inner, b("add", c, d), length=100, carries=1)[:1])
    region = outer_of(
        [Type(F, (3,)), Type(F)], lambda b, c, d: b.emit("map", (c, d), {"size": 3, "mapped": 1}, (rows,))
    )
    assert call(generate(region), [np.ones(3, np.float32), x], [np.zeros(3, np.float32)], stop=1)[0] == 1
    endless = (body_of([Type(F)], lambda b, c: (b.constant(True),)), body_of([Type(F)], lambda b, c: (b("sin", c),)))
    region = outer_of([Type(F)], lambda b, c: b.emit("while", (c,), {"carries": 1}, endless))
    assert call(generate(region), [x], outputs[:1], stop=1) == (1, 0)


# ---- random programs -------------------------------------------------------------------------------------------------


def noisy(region: Region, arguments, seed: int) -> tuple[np.ndarray, ...]:
    """The interpreter, with each float result moved by a rounding or two: how far may a right result be off?"""
    rng = np.random.default_rng(seed)
    exact = interpreter._apply
    moves = {
        "broadcast",
        "reshape",
        "transpose",
        "slice",
        "constant",
        "iota",
        "select",
        "concatenate",
        "gather",
        "sort",
    }

    sums = {"reduce", "cumulative", "matmul", "convolve", "cholesky", "inverse", "solve_triangular"}

    def apply(op, inputs):
        outputs = exact(op, inputs)
        if op.regions or op.name in moves:
            return outputs
        if op.name == "inverse" and not np.isfinite(inputs[0]).all():
            # Which elements become nan depends on the order of elimination: none of them can be compared.
            return [np.zeros_like(y) for y in outputs]
        return [_moved(np.asarray(y), rng, op.name in sums) for y in outputs]

    with mock.patch.object(interpreter, "_apply", apply):
        return interpreter.interpret(region, arguments)


def _moved(x: np.ndarray, rng: np.random.Generator, sums: bool) -> np.ndarray:
    """An element that is a sum, or solved for, is as exact as the largest around it."""
    if x.dtype.kind != "f":
        return x
    finite = np.abs(x[np.isfinite(x)])
    size = finite.max() if sums and finite.size else np.abs(x)
    with np.errstate(all="ignore"):
        moved = x + (4 * np.finfo(x.dtype).eps * size * rng.uniform(-1, 1, x.shape)).astype(x.dtype)
    return np.where(np.isfinite(moved), moved, x).astype(x.dtype)


def agree(found: np.ndarray, case_expected: np.ndarray, runs: list[np.ndarray]) -> tuple[bool, int]:
    """Whether a result is right as far as roundings decide, and how many elements could be compared."""
    f, e = (np.asarray(v, np.float64).reshape(-1) for v in (found, case_expected))
    others = [np.asarray(r, np.float64).reshape(-1) for r in runs]
    with np.errstate(all="ignore"):
        same_kind = np.all([(np.isfinite(r) == np.isfinite(e)) & (np.isnan(r) == np.isnan(e)) for r in others], axis=0)
        spread = np.max([np.where(np.isfinite(r - e), np.abs(r - e), 0) for r in others], axis=0)
        settled = same_kind & (spread <= 1e-3 * np.abs(e) + 1e-30)
        right = np.where(
            np.isfinite(e),
            np.abs(f - e) <= 50 * spread + 1e-5 * np.abs(e) + 1e-37,
            (f == e) | (np.isnan(f) & np.isnan(e)),
        )
    return bool(np.all(right | ~settled)), int(settled.sum())


def random_cases(seeds: range, dtypes=("float32", "int32", "bool"), lanes: int | None = None) -> list[Case]:
    cases = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        region = verify(random_region(rng, dtypes=dtypes))
        if lanes is None:
            cases.append(Case(f"program {seed}", region, tuple(random_arguments(rng, region))))
            continue
        mapped = tuple(bool(rng.integers(0, 2)) for _ in region.parameters)
        mapped = mapped if any(mapped) else (True, *mapped[1:])
        runs = [random_arguments(rng, region) for _ in range(lanes)]
        arguments = tuple(
            np.stack(column) if m else column[0] for column, m in zip(zip(*runs, strict=True), mapped, strict=True)
        )
        cases.append(Case(f"program {seed}, {mapped}", region, arguments, mapped, 4))
    return cases


def check_programs(cases: list[Case]) -> None:
    failed, compared, total = [], 0, 0
    for case, found in zip(cases, run_all(cases), strict=True):
        reference = expected(case)
        lanes = range(case.lanes or 1)
        picked = [
            [
                a[i] if case.mapped and m else a
                for a, m in zip(case.arguments, case.mapped or (False,) * len(case.arguments), strict=True)
            ]
            for i in lanes
        ]
        runs = [[noisy(case.region, p, 100 * k + i) for i, p in enumerate(picked)] for k in range(3)]
        for j, (a, e) in enumerate(zip(found, reference, strict=True)):
            assert a.dtype == e.dtype and a.shape == e.shape
            if a.size == 0:
                continue
            other = [np.stack([r[j] for r in run]) if case.mapped else run[0][j] for run in runs]
            right, settled = agree(a, e, other)
            compared, total = compared + settled, total + a.size
            if not right:
                failed.append(f"{case.name}, result {j}: {a.reshape(-1)[:6]}, expected {e.reshape(-1)[:6]}")
    assert not failed, f"{len(failed)} results differ:\n" + "\n".join(failed[:8])
    assert compared > 0.8 * total, f"only {compared} of {total} elements could be compared"


def test_random_programs():
    check_programs(random_cases(range(30)))


def test_random_programs_with_lanes():
    check_programs(random_cases(range(1000, 1020), lanes=3))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(8))
def test_many_random_programs(block):
    check_programs(random_cases(range(2000 + 100 * block, 2080 + 100 * block)))
    check_programs(random_cases(range(4000 + 100 * block, 4040 + 100 * block), ("float64", "int64", "uint8", "bool")))
    check_programs(random_cases(range(6000 + 100 * block, 6040 + 100 * block), lanes=5))
