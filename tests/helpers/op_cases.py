"""One case or more for each operation that is not elementwise: what it takes, and the attributes.

A case is a function of the builder and parameters; the shapes include zeros and ones, and indices lie outside too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from genmlx.compiler.ir.graph import Builder, Region, Type, Value
from genmlx.compiler.ir.types import DTYPES

__all__ = ["CASES", "OpCase", "arguments", "region_of"]


class OpCase(NamedTuple):
    """A case.

    Attributes:
        op: the operation that it tests.
        label: what is special.
        types: of the parameters; ``"real"`` stands for the float type under test.
        make: gives the results.
        draw: how arguments are drawn: "normal", "index" (small integers, some outside), "positive definite",
            "triangular", "invertible", "key", "sorted", "coarse" (with ties and nan).
    """

    op: str
    label: str
    types: tuple[tuple[str, tuple[int, ...]], ...]
    make: Callable[..., Value | Sequence[Value]]
    draw: tuple[str, ...] = ()


def region_of(case: OpCase, real: str) -> Region:
    """The region of a case in a float type."""
    b = Builder()
    parameters = [b.parameter(Type(real if dtype == "real" else dtype, shape)) for dtype, shape in case.types]
    results = case.make(b, *parameters)
    return b.finish(*([results] if isinstance(results, Value) else results))


def arguments(
    case: OpCase, real: str, rng: np.random.Generator, lanes: int | None, mapped: Sequence[bool]
) -> tuple[np.ndarray, ...]:
    """An array for each parameter."""
    found = []
    kinds = case.draw or ("normal",) * len(case.types)
    for (dtype, shape), kind, flag in zip(case.types, kinds, mapped, strict=True):
        lead = (lanes,) if lanes is not None and flag else ()
        found.append(_draw(kind, (*lead, *shape), real if dtype == "real" else dtype, rng))
    return tuple(found)


def _draw(kind: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "positive definite":
        a = rng.normal(size=shape)
        x = a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])
    elif kind == "triangular":
        x = rng.normal(size=shape) + 4.0 * np.eye(shape[-1])
    elif kind == "invertible":  # the large elements are not where elimination begins
        x = rng.normal(size=shape) + 6.0 * np.eye(shape[-1])[::-1]
    elif kind == "index":
        low, high = (0, 9) if dtype.startswith("u") else (-9, 9)
        x = rng.integers(low, high, size=shape)
    elif kind == "key":
        x = rng.integers(0, 2**32, size=shape)
    elif kind == "sorted":
        x = np.sort(np.round(rng.normal(size=shape), 1), axis=-1)
    elif kind == "coarse":  # with ties and nan
        x = np.round(rng.normal(size=shape), 1)
        if dtype.startswith("float"):
            x = np.where(rng.random(shape) < 0.1, np.nan, x)
    elif dtype == "bool":
        x = rng.random(shape) < 0.6
    elif dtype.startswith("float"):
        x = rng.normal(size=shape)
    else:
        x = rng.integers(0 if dtype.startswith("u") else -50, 50, size=shape)
    return np.asarray(x).astype(DTYPES[dtype])


def _one(op: str, label: str, types: Any, draw: tuple[str, ...] = (), **attributes: Any) -> OpCase:
    """A case of one operation on the parameters."""
    return OpCase(op, label, tuple(types), lambda b, *xs: b(op, *xs, **attributes), draw)


def _real(*shapes: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [("real", s) for s in shapes]


R = "real"


def _views() -> list[OpCase]:
    def chain(b: Builder, x: Value) -> list[Value]:
        y = b("transpose", x, axes=(2, 0, 1))  # [4, 2, 3]
        z = b("slice", y, starts=(3, 0, 0), sizes=(4, 2, 2), steps=(-1, 1, 1))
        w = b("reshape", z, shape=(8, 2))
        v = b("reshape", y, shape=(24,))  # not a view
        return [
            y,
            z,
            w,
            v,
            b("exp", z),
            b("exp", w),
            b("add", b("broadcast", w, shape=(3, 8, 2)), b("broadcast", w, shape=(3, 8, 2))),
        ]

    def counting(b: Builder) -> list[Value]:
        i = b("iota", size=6, dtype="int32")
        f = b("iota", size=6, dtype="float32")
        r = b("slice", f, starts=(5,), sizes=(3,), steps=(-2,))
        return [i, f, r, b("reshape", i, shape=(2, 3)), b("sqrt", r), b("iota", size=300, dtype="uint8")]

    def constants(b: Builder, x: Value) -> list[Value]:
        table = b.constant(np.arange(6).reshape(2, 3), x.dtype)
        same = b.constant(np.full((2, 3), -0.0), x.dtype)
        return [
            b("add", x, table),
            same,
            table,
            b("multiply", x, same),
            b.constant(np.array([np.inf, np.nan]), x.dtype),
        ]

    return [
        OpCase("transpose", "chain of views", ((R, (2, 3, 4)),), chain),
        OpCase("iota", "and views of it", (), counting),
        OpCase("constant", "tables and equal numbers", ((R, (2, 3)),), constants),
        _one("broadcast", "of one element", _real((1,)), shape=(2, 0, 3)),
        _one("broadcast", "of a scalar", _real(()), shape=(2, 3)),
        _one("reshape", "empty", _real((0, 3)), shape=(3, 0)),
        _one("reshape", "ones", _real((1, 5, 1)), shape=(5, 1, 1)),
        _one("slice", "empty", _real((4, 3)), starts=(2, 1), sizes=(0, 2), steps=(1, 1)),
        _one("slice", "steps", _real((7, 5)), starts=(1, 4), sizes=(3, 5), steps=(2, -1)),
    ]


def _reductions() -> list[OpCase]:
    cases = []
    for kind in ("sum", "prod", "min", "max"):
        for shape, axes in [
            ((5,), (0,)),
            ((3, 4), (0,)),
            ((3, 4), (1,)),
            ((3, 4), (0, 1)),
            ((2, 3, 4), (1,)),
            ((2, 3, 4), (0, 2)),
            ((0, 3), (0,)),
            ((0, 3), (1,)),
            ((1, 3, 1), (0, 2)),
            ((2, 37), (1,)),
        ]:
            cases.append(_one("reduce", f"{kind} {shape} {axes}", _real(shape), ("coarse",), kind=kind, axes=axes))
    for kind in ("all", "any", "sum", "max"):
        cases.append(_one("reduce", f"{kind} of bools", [("bool", (3, 20))], kind=kind, axes=(1,)))
        cases.append(_one("reduce", f"{kind} of all bools", [("bool", (3, 20))], kind=kind, axes=(0, 1)))
    for dtype in ("int8", "uint16", "int32", "uint64"):
        for kind in ("sum", "prod", "min", "max"):
            cases.append(_one("reduce", f"{kind} of {dtype}", [(dtype, (3, 20))], kind=kind, axes=(0, 1)))
            cases.append(_one("reduce", f"{kind} of columns of {dtype}", [(dtype, (3, 20))], kind=kind, axes=(0,)))
    for kind in ("min", "max"):
        cases.append(_one("argreduce", f"{kind} rows", _real((3, 7)), ("coarse",), kind=kind, axis=1))
        cases.append(_one("argreduce", f"{kind} columns", _real((5, 3)), ("coarse",), kind=kind, axis=0))
        cases.append(_one("argreduce", f"{kind} of integers", [("int16", (9,))], kind=kind, axis=0))
        cases.append(_one("argreduce", f"{kind} of bools", [("bool", (9,))], kind=kind, axis=0))
    for kind in ("sum", "prod", "min", "max", "logaddexp"):
        for reverse in (False, True):
            attributes = {"kind": kind, "reverse": reverse}
            cases.append(_one("cumulative", f"{kind} {reverse}", _real((3, 5)), axis=1, inclusive=True, **attributes))
            cases.append(
                _one("cumulative", f"{kind} {reverse} open", _real((4, 3)), axis=0, inclusive=False, **attributes)
            )
    cases.append(_one("cumulative", "empty", _real((2, 0)), kind="sum", axis=1, reverse=False, inclusive=True))
    cases.append(_one("cumulative", "of uint8", [("uint8", (40,))], kind="sum", axis=0, reverse=False, inclusive=True))

    def softmax(b: Builder, x: Value) -> list[Value]:
        def rows(v: Value) -> Value:
            return b("broadcast", b("reshape", v, shape=(4, 1)), shape=(4, 6))

        top = b("reduce", x, kind="max", axes=(1,))
        e = b("exp", b("subtract", x, rows(top)))
        total = b("reduce", e, kind="sum", axes=(1,))
        return [b("divide", e, rows(total)), b("add", b("log", total), top)]

    cases.append(OpCase("reduce", "softmax", ((R, (4, 6)),), softmax))
    return cases


def _parts() -> list[OpCase]:
    window = {"starts": (1, 3), "sizes": (2, 2), "steps": (1, -1)}
    cases = [
        *(
            _one("slice_update", kind, _real((4, 5), (2, 2)), kind=kind, **window)
            for kind in ("none", "sum", "prod", "min", "max")
        ),
        _one(
            "dynamic_slice",
            "two axes",
            [(R, (5, 4)), ("int32", ()), ("int32", ())],
            ("normal", "index", "index"),
            axes=(0, 1),
            sizes=(2, 3),
        ),
        _one("dynamic_slice", "an element", [(R, (5,)), ("int64", ())], ("normal", "index"), axes=(0,), sizes=(1,)),
        _one("dynamic_slice", "unsigned", [("bool", (5,)), ("uint8", ())], ("normal", "index"), axes=(0,), sizes=(2,)),
        _one(
            "dynamic_slice_update",
            "two axes",
            [(R, (5, 4)), (R, (2, 3)), ("int32", ()), ("int32", ())],
            ("normal", "normal", "index", "index"),
            axes=(0, 1),
        ),
        _one(
            "dynamic_slice_update",
            "bools",
            [("bool", (5,)), ("bool", (2,)), ("int32", ())],
            ("normal", "normal", "index"),
            axes=(0,),
        ),
        _one("gather", "rows", [(R, (5, 3)), ("int32", (4,))], ("normal", "index"), axes=(0,), sizes=(1, 3)),
        _one("gather", "one row", [(R, (5, 3)), ("int32", ())], ("normal", "index"), axes=(0,), sizes=(1, 3)),
        _one(
            "gather",
            "elements",
            [(R, (5, 3)), ("int32", (2, 2)), ("uint32", (2, 2))],
            ("normal", "index", "index"),
            axes=(0, 1),
            sizes=(1, 1),
        ),
        _one("gather", "windows", [("int8", (6, 3)), ("int64", (3,))], ("normal", "index"), axes=(0,), sizes=(2, 2)),
        _one("gather", "nothing", [(R, (5, 3)), ("int32", (0,))], ("normal", "index"), axes=(0,), sizes=(1, 3)),
        *(
            _one(
                "scatter",
                f"rows {kind}",
                [(R, (5, 3)), (R, (4, 1, 3)), ("int32", (4,))],
                ("normal", "normal", "index"),
                axes=(0,),
                kind=kind,
            )
            for kind in ("none", "sum", "prod", "min", "max")
        ),
        _one(
            "scatter",
            "elements",
            [("int32", (5, 3)), ("int32", (6, 1, 1)), ("int32", (6,)), ("int32", (6,))],
            ("normal", "normal", "index", "index"),
            axes=(0, 1),
            kind="sum",
        ),
        _one(
            "scatter",
            "windows of bools",
            [("bool", (5,)), ("bool", (2, 2)), ("int32", (2,))],
            ("normal", "normal", "index"),
            axes=(0,),
            kind="max",
        ),
        _one(
            "scatter",
            "one",
            [(R, (5, 3)), (R, (1, 3)), ("int32", ())],
            ("normal", "normal", "index"),
            axes=(0,),
            kind="none",
        ),
        _one("gather_axis", "rows", [(R, (3, 5)), ("int32", (3, 4))], ("normal", "index"), axis=1),
        _one("gather_axis", "columns", [("bool", (3, 5)), ("int32", (2, 5))], ("normal", "index"), axis=0),
        *(
            _one(
                "scatter_axis",
                kind,
                [(R, (3, 5)), ("int32", (3, 4)), (R, (3, 4))],
                ("normal", "index", "normal"),
                axis=1,
                kind=kind,
            )
            for kind in ("none", "sum", "max")
        ),
        OpCase(
            "concatenate",
            "three",
            ((R, (2, 3)), (R, (2, 0)), (R, (2, 1))),
            lambda b, *xs: b("concatenate", *xs, axis=1),
        ),
        OpCase(
            "concatenate",
            "made here",
            ((R, (3,)), (R, ())),
            lambda b, x, y: b(
                "concatenate", b("exp", x), b("reshape", b("exp", y), shape=(1,)), b("negative", x), axis=0
            ),
        ),
        _one("pad", "both sides", [(R, (2, 3)), (R, ())], low=(1, 0), high=(0, 2)),
        _one("pad", "bools", [("bool", (3,)), ("bool", ())], low=(2,), high=(1,)),
    ]
    for dtype in (R, "int16", "bool"):
        for op in ("sort", "argsort"):
            cases.append(_one(op, f"rows of {dtype}", [(dtype, (2, 41))], ("coarse",), axis=1))
            cases.append(_one(op, f"columns of {dtype}", [(dtype, (3, 2))], ("coarse",), axis=0))
    for right in (False, True):
        cases.append(
            _one("searchsorted", f"right {right}", [(R, (9,)), (R, (3, 4))], ("sorted", "coarse"), right=right)
        )
        cases.append(
            _one(
                "searchsorted",
                f"of integers, right {right}",
                [("int32", (9,)), ("int32", ())],
                ("sorted", "normal"),
                right=right,
            )
        )
    for width in (1, 2, 4, 8):
        for shape in ((), (1,), (7,), (2, 3)):
            cases.append(
                _one("random_bits", f"{width} bytes {shape}", [("uint32", (2,))], ("key",), shape=shape, width=width)
            )
    cases.append(_one("random_bits", "keys", [("uint32", (3, 2))], ("key",), shape=(5,), width=4))
    cases.append(_one("random_bits", "nothing", [("uint32", (2,))], ("key",), shape=(0,), width=4))
    return cases


def _matrices() -> list[OpCase]:
    shapes = [
        ((3, 4), (4, 2)),
        ((1, 5), (5, 1)),
        ((7, 3), (3, 1)),
        ((1, 3), (3, 9)),
        ((5, 20), (20, 1)),
        ((9, 6), (6, 40)),
    ]
    cases = [_one("matmul", f"{a} {b}", _real(a, b)) for a, b in shapes]
    cases.append(_one("matmul", "batch", _real((2, 3, 4), (2, 4, 5))))
    cases.append(_one("matmul", "empty sum", _real((2, 0), (0, 3))))
    cases.append(
        OpCase(
            "matmul",
            "transposed",
            ((R, (7, 5)), (R, (7, 1))),
            lambda b, x, r: b("matmul", b("transpose", x, axes=(1, 0)), r),
        )
    )
    for upper in (False, True):
        cases.append(_one("cholesky", f"upper {upper}", _real((5, 5)), ("positive definite",), upper=upper))
        cases.append(_one("cholesky", f"not positive definite {upper}", _real((4, 4)), ("normal",), upper=upper))
        cases.append(_one("cholesky", f"batch {upper}", _real((2, 3, 3)), ("positive definite",), upper=upper))
        for columns in (1, 5):
            types = _real((5, 5), (5, columns))
            cases.append(_one("solve_triangular", f"{columns} {upper}", types, ("triangular", "normal"), upper=upper))

            def transposed(b: Builder, a: Value, y: Value, upper: bool = upper) -> Value:
                return b("solve_triangular", b("transpose", a, axes=(1, 0)), y, upper=upper)

            cases.append(
                OpCase(
                    "solve_triangular",
                    f"transposed {columns} {upper}",
                    tuple(types),
                    transposed,
                    ("triangular", "normal"),
                )
            )
    cases.append(_one("inverse", "pivots", _real((4, 4)), ("invertible",)))
    cases.append(_one("inverse", "batch", _real((2, 1, 1)), ("triangular",)))
    plain = {
        "stride": (1,),
        "low": (1,),
        "high": (2,),
        "dilation": (1,),
        "input_dilation": (1,),
        "groups": 1,
        "flip": False,
    }
    cases.append(_one("convolve", "one axis", _real((2, 6, 3), (4, 3, 3)), **plain))
    special = plain | {"stride": (2,), "dilation": (2,), "input_dilation": (3,), "flip": True, "groups": 2}
    cases.append(_one("convolve", "dilated groups", _real((1, 5, 4), (2, 2, 2)), **special))
    two = {
        "stride": (1, 2),
        "low": (0, 1),
        "high": (1, 0),
        "dilation": (1, 1),
        "input_dilation": (1, 1),
        "groups": 1,
        "flip": False,
    }
    cases.append(_one("convolve", "two axes", _real((1, 4, 5, 2), (3, 2, 3, 2)), **two))
    return cases


CASES: list[OpCase] = [*_views(), *_reductions(), *_parts(), *_matrices()]
"""All cases."""
