"""Adjoints of operations that read or write parts of arrays.

Reading is linear: the cotangent of what was read is added where it was read (`Into`), into the array that collects the
cotangents of the operand, so that a thousand reads of one array make one such array and not a thousand.

Writing ``u`` to a place of ``x`` by a kind (none, sum, prod, min, max) has one rule for all operations that write, in
terms of a `Place`. Several updates may go to one place: the last of them stays (none), or they combine. An index out of
range reads the nearest element, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from genmlx.compiler.autodiff.terms import Term, where
from genmlx.compiler.ir.graph import Builder, Type, Value

__all__ = ["READS", "WRITES", "Into", "Place", "sort"]

Attributes = Mapping[str, Any]


class Place(NamedTuple):
    """Which elements of an array an operation reads or writes.

    Attributes:
        get: those elements of an array.
        put: an array with others written over them, by a kind.
        inside: where an update is written at all: flags of its shape, or None for everywhere.
        unique: no element is there twice.
    """

    get: Callable[[Value], Value]
    put: Callable[[Value, Value, str], Value]
    inside: Callable[[], Value] | None = None
    unique: bool = True


class Into(NamedTuple):
    """A cotangent that is 0 but for a place."""

    place: Place
    cotangent: Value

    def added(self, total: Value) -> Value:
        """The sum of this cotangent and a total."""
        return self.place.put(total, self.cotangent, "sum")


# ---- places: from the type of an array, the shape of the part, the operands that say where, attributes ---------------

PlaceOf = Callable[[Builder, Type, tuple[int, ...], Sequence[Value], Attributes], Place]


def _fixed(b: Builder, x: Type, part: tuple[int, ...], indices: Sequence[Value], attributes: Attributes) -> Place:
    """Where slice and slice_update are."""
    at = {key: attributes[key] for key in ("starts", "sizes", "steps")}
    return Place(lambda v: b("slice", v, **at), lambda v, u, kind: b("slice_update", v, u, **at, kind=kind))


def _moving(b: Builder, x: Type, part: tuple[int, ...], indices: Sequence[Value], attributes: Attributes) -> Place:
    """Where dynamic_slice and dynamic_slice_update are; both move a start so that the slice fits."""
    axes = attributes["axes"]

    def get(v: Value) -> Value:
        return b("dynamic_slice", v, *indices, axes=axes, sizes=part)

    def put(v: Value, u: Value, kind: str) -> Value:
        return b("dynamic_slice_update", v, b("add", get(v), u) if kind == "sum" else u, *indices, axes=axes)

    return Place(get, put)


def _windows(b: Builder, x: Type, part: tuple[int, ...], indices: Sequence[Value], attributes: Attributes) -> Place:
    """Where gather and scatter are: a window for each tuple of indices."""
    axes = attributes["axes"]
    lead = len(indices[0].shape) if indices else 0
    sizes = part[lead:]
    last = [x.shape[axis] - sizes[axis] for axis in axes]

    def inside() -> Value:
        flags = [_in_range(b, i, x.shape[axis], n) for i, axis, n in zip(indices, axes, last, strict=True)]
        flag = flags[0]
        for other in flags[1:]:
            flag = b("logical_and", flag, other)
        return b.broadcast(b.reshape(flag, (*flag.shape, *(1 for _ in sizes))), part)

    return Place(
        lambda v: b("gather", v, *indices, axes=axes, sizes=sizes),
        lambda v, u, kind: b("scatter", v, u, *indices, axes=axes, kind=kind),
        inside if indices else None,
        unique=not indices,
    )


def _nearest_windows(
    b: Builder, x: Type, part: tuple[int, ...], indices: Sequence[Value], attributes: Attributes
) -> Place:
    """Where gather reads: the windows are moved so that they fit."""
    axes, sizes = attributes["axes"], attributes["sizes"]
    clipped = [_nearest(b, i, x.shape[a], x.shape[a] - sizes[a]) for i, a in zip(indices, axes, strict=True)]
    return _windows(b, x, part, clipped, attributes)


def _along(b: Builder, x: Type, part: tuple[int, ...], indices: Sequence[Value], attributes: Attributes) -> Place:
    """Where gather_axis and scatter_axis are."""
    (index,), axis = indices, attributes["axis"]
    return Place(
        lambda v: b("gather_axis", v, index, axis=axis),
        lambda v, u, kind: b("scatter_axis", v, index, u, axis=axis, kind=kind),
        lambda: _in_range(b, index, x.shape[axis], x.shape[axis] - 1),
        unique=False,
    )


def _nearest_along(
    b: Builder, x: Type, part: tuple[int, ...], indices: Sequence[Value], attributes: Attributes
) -> Place:
    """Where gather_axis reads."""
    n = x.shape[attributes["axis"]]
    return _along(b, x, part, [_nearest(b, indices[0], n, n - 1)], attributes)


def _from_start(b: Builder, index: Value, n: int) -> Term:
    """An index with those counted from the end made positive, signed, wide enough for the values it had."""
    wide = np.dtype(index.dtype).itemsize == 8 or index.dtype == "uint32"
    i = Term(b, b.cast(index, "int64" if wide else "int32"))
    return i if index.dtype.startswith("u") else where(i.apply("less", 0), i + n, i)


def _in_range(b: Builder, index: Value, n: int, last: int) -> Value:
    i = _from_start(b, index, n)
    return i.apply("greater_equal", 0).apply("logical_and", i.apply("less_equal", last)).value


def _nearest(b: Builder, index: Value, n: int, last: int) -> Value:
    return _from_start(b, index, n).apply("minimum", last).apply("maximum", 0).value


# ---- reading ---------------------------------------------------------------------------------------------------------


def _read(place_of: PlaceOf) -> Callable[..., Sequence[Into | None]]:
    def rule(
        b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
    ) -> Sequence[Into | None]:
        x, *indices = xs
        return [Into(place_of(b, x.type, y.shape, indices, attributes), g), *(None for _ in indices)]

    return rule


READS = {
    "slice": _read(_fixed),
    "dynamic_slice": _read(_moving),
    "gather": _read(_nearest_windows),
    "gather_axis": _read(_nearest_along),
}


def sort(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Into]:
    """Sorting reads the elements in the order of argsort."""
    (x,) = xs
    return [Into(_along(b, x.type, x.shape, [b("argsort", x, **attributes)], attributes), g)]


# ---- writing ---------------------------------------------------------------------------------------------------------


def _overwritten(b: Builder, place: Place, x: Value, u: Value, y: Value, g: Value) -> tuple[Value, Value]:
    """Nothing is left for what was there; of several updates to an element the one that stayed gets all."""
    dx, du = place.put(g, b.full(u.type, 0.0), "none"), place.get(g)
    if place.unique:
        return dx, du
    numbers = b.reshape(b("iota", size=u.type.size, dtype="int32"), u.shape)
    winner = place.put(b.full(Type("int32", x.shape), -1), numbers, "none")
    return dx, b("select", b("equal", place.get(winner), numbers), du, b.full(u.type, 0.0))


def _added(b: Builder, place: Place, x: Value, u: Value, y: Value, g: Value) -> tuple[Value, Value]:
    return g, _if_inside(b, place, place.get(g))


def _multiplied(b: Builder, place: Place, x: Value, u: Value, y: Value, g: Value) -> tuple[Value, Value]:
    """The product of all other factors, that of the zeros apart, so that nothing is divided by 0.

    Second derivatives by two updates of one element are right where at most one of all its updates is 0.
    """
    dx, gx = place.put(g, u, "prod"), b("multiply", g, x)
    if place.unique:
        return dx, place.get(gx)
    factor = Term(b, u)
    zero = factor.equals(0.0)
    nonzero = where(zero, 1.0, factor)
    count = Term(b, place.get(place.put(b.full(x.type, 0.0), b.cast(zero.value, u.dtype), "sum")))
    of_zeros = Term(b, place.get(place.put(b.full(x.type, 1.0), where(zero, factor, 1.0).value, "prod")))
    of_others = Term(b, place.get(place.put(gx, nonzero.value, "prod")))
    slope = where(zero, where(count.equals(1.0), count.like(1.0), 0.0), of_zeros / nonzero)
    return dx, _if_inside(b, place, (of_others * slope).value)


def _chosen(b: Builder, place: Place, x: Value, u: Value, y: Value, g: Value) -> tuple[Value, Value]:
    """The old value and all updates that are equal to what was chosen share it."""
    old, new = b("equal", x, y), b("equal", u, place.get(y))
    share = b("divide", g, place.put(b.cast(old, g.dtype), b.cast(new, g.dtype), "sum"))
    du = b("select", new, place.get(share), b.full(u.type, 0.0))
    return b("select", old, share, b.full(x.type, 0.0)), _if_inside(b, place, du)


def _if_inside(b: Builder, place: Place, du: Value) -> Value:
    return du if place.inside is None else b("select", place.inside(), du, b.full(du.type, 0.0))


_KINDS = {"none": _overwritten, "sum": _added, "prod": _multiplied, "min": _chosen, "max": _chosen}


def _write(place_of: PlaceOf, update: int = 1) -> Callable[..., Sequence[Value | None]]:
    """The rule of an operation whose operand number ``update`` is what is written."""

    def rule(
        b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
    ) -> Sequence[Value | None]:
        x, u = xs[0], xs[update]
        indices = [v for i, v in enumerate(xs) if i not in {0, update}]
        place = place_of(b, x.type, u.shape, indices, attributes)
        dx, du = _KINDS[attributes.get("kind", "none")](b, place, x, u, y, g)
        return [dx if i == 0 else du if i == update else None for i in range(len(xs))]

    return rule


WRITES = {
    "slice_update": _write(_fixed),
    "dynamic_slice_update": _write(_moving),
    "scatter": _write(_windows),
    "scatter_axis": _write(_along, update=2),
}
