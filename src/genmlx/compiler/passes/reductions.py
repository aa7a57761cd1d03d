"""Reductions of what repeats, of single elements, and of views.

Input form: any region. Output form: no reduction runs along an axis of size 1, or along one where elements repeat.
Preserved: every result to the bit but for sums. A sum has no order: the sum of n equal numbers is n times the number,
rounded once, and the sum of nothing but zeros may be 0 or -0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from genmlx.compiler.ir.graph import DTYPES, Type, Value
from genmlx.compiler.passes.patterns import table
from genmlx.compiler.passes.rewriting import Attributes, Rewriter
from genmlx.compiler.passes.views import drop_axes, source_axes

__all__ = ["RULES"]

_IDEMPOTENT = frozenset({"min", "max", "all", "any"})


def _of_one(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """A reduction of single elements gives the elements."""
    (x,), axes = inputs, attributes["axes"]
    if any(x.shape[a] != 1 for a in axes):
        return None
    return b.reshape(x, tuple(n for a, n in enumerate(x.shape) if a not in axes))


def _of_reshape(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Axes of size 1 that a reshape adds, or leaves out, are nothing to reduce."""
    (x,), axes = inputs, attributes["axes"]
    op = b.made_by("reshape", x)
    if op is None:
        return None
    (source,) = op.inputs
    real, before = ([a for a, n in enumerate(shape) if n != 1] for shape in (x.shape, source.shape))
    if [x.shape[a] for a in real] != [source.shape[a] for a in before]:
        return None
    reduced = tuple(s for a, s in zip(real, before, strict=True) if a in axes)
    out = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    return b.reshape(b("reduce", source, kind=attributes["kind"], axes=reduced), out)


def _of_broadcast(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Equal elements: the element itself, or, in a sum, so many times the element. Equal rows: one, repeated."""
    (x,), axes, kind = inputs, tuple(attributes["axes"]), attributes["kind"]
    found = source_axes(b, x)
    if found is None or x.type.size == 0:
        return None
    source, sizes = found
    one = tuple(n if a in axes else size for a, (n, size) in enumerate(zip(x.shape, sizes, strict=True)))
    if one != x.shape:
        part = b("reduce", b.broadcast(b.reshape(source, sizes), one), kind=kind, axes=axes)
        return b.broadcast(part, tuple(n for a, n in enumerate(x.shape) if a not in axes))
    repeated = [a for a in axes if sizes[a] == 1]
    if not repeated or kind == "prod":
        return None
    count = math.prod(x.shape[a] for a in repeated)
    if kind == "sum" and not _exact(count, x.type):
        return None
    smaller = drop_axes(b, x, repeated)
    assert smaller is not None
    left = [a for a in range(len(x.shape)) if a not in repeated]
    part = b("reduce", smaller, kind=kind, axes=tuple(left.index(a) for a in axes if a not in repeated))
    return part if kind in _IDEMPOTENT else b("multiply", part, b.full(part.type, count))


def _exact(count: int, type: Type) -> bool:  # noqa: A002
    """Whether a count is a number of this dtype."""
    dtype = DTYPES[type.dtype]
    return count <= (2 ** (np.finfo(dtype).nmant + 1) if dtype.kind == "f" else np.iinfo(dtype).max)


def _of_reduction(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """A reduction of a reduction is one along the axes of both; a sum of floats would be rounded otherwise."""
    (x,), kind = inputs, attributes["kind"]
    op = b.made_by("reduce", x)
    if op is None or op.attributes["kind"] != kind or not (kind in _IDEMPOTENT or not x.type.is_float):
        return None
    (source,) = op.inputs
    left = [a for a in range(len(source.shape)) if a not in op.attributes["axes"]]
    both = {*op.attributes["axes"], *(left[a] for a in attributes["axes"])}
    return b("reduce", source, kind=kind, axes=tuple(sorted(both)))


def _short(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """Along an axis of size 1 there is nothing to sort, or to accumulate."""
    (x,) = inputs
    return x if x.shape[attributes["axis"]] <= 1 and attributes.get("inclusive", True) else None


RULES = table(
    [
        ("reduce", _of_one),
        ("reduce", _of_reshape),
        ("reduce", _of_broadcast),
        ("reduce", _of_reduction),
        ("sort", _short),
        ("cumulative", _short),
    ]
)
