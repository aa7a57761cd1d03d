"""Adjoints of linear algebra and convolution.

References:
    Giles, An extended collection of matrix derivative results for forward and reverse mode automatic differentiation,
    Oxford NA-08/01 (2008). Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527 (2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genmlx.compiler.ir.graph import Builder, Value

__all__ = ["cholesky", "convolve", "inverse", "matmul", "solve_triangular"]

Attributes = Mapping[str, Any]


def matmul(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    """Y = A B: dA = G Bᵀ, dB = Aᵀ G."""
    left, right = xs
    return [
        b("matmul", g, _transposed(b, right)) if wanted[0] else None,
        b("matmul", _transposed(b, left), g) if wanted[1] else None,
    ]


def inverse(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value]:
    """Y = A⁻¹: dA = -Yᵀ G Yᵀ."""
    turned = _transposed(b, y)
    return [b("negative", b("matmul", b("matmul", turned, g), turned))]


def solve_triangular(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    """A Y = B: dB = A⁻ᵀ G, dA = -dB Yᵀ, in the triangle that is read."""
    a, upper = xs[0], attributes["upper"]
    dright = b("solve_triangular", _transposed(b, a), g, upper=not upper)
    dleft = None
    if wanted[0]:
        outer = b("negative", b("matmul", dright, _transposed(b, y)))
        dleft = _triangle(b, outer, upper=upper)
    return [dleft, dright if wanted[1] else None]


def cholesky(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value]:
    """A = L Lᵀ: S = L⁻ᵀ Φ(Lᵀ G) L⁻¹, with Φ the lower triangle and half of the diagonal.

    L is a function of the triangle of A that is read, where an element off the diagonal stands for two of A: its
    derivative is Sᵢⱼ + Sⱼᵢ, and that of the diagonal Sᵢᵢ. For U = Lᵀ everything is transposed.
    """
    upper = attributes["upper"]
    factor, g = (_transposed(b, y), _transposed(b, g)) if upper else (y, g)
    turned = _transposed(b, factor)
    inner = _half_lower(b, b("matmul", turned, g))
    left = b("solve_triangular", turned, inner, upper=True)  # L⁻ᵀ Φ
    sides = b("solve_triangular", turned, _transposed(b, left), upper=True)  # (L⁻ᵀ Φ L⁻¹)ᵀ
    found = _half_lower(b, b("add", sides, _transposed(b, sides)))
    return [_transposed(b, found) if upper else found]


def _transposed(b: Builder, x: Value) -> Value:
    rank = len(x.shape)
    return b("transpose", x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _compared(b: Builder, x: Value, comparison: str) -> Value:
    """Flags of the shape of matrices: how row and column numbers compare."""
    rows, columns = x.shape[-2:]
    row = b.reshape(b("iota", size=rows, dtype="int32"), (rows, 1))
    column = b("iota", size=columns, dtype="int32")
    return b(comparison, b.broadcast(row, x.shape), b.broadcast(column, x.shape))


def _triangle(b: Builder, x: Value, *, upper: bool) -> Value:
    inside = _compared(b, x, "less_equal" if upper else "greater_equal")
    return b("select", inside, x, b.full(x.type, 0.0))


def _half_lower(b: Builder, x: Value) -> Value:
    """The lower triangle, with half of the diagonal."""
    half = b("multiply", x, b.full(x.type, 0.5))
    return _triangle(b, b("select", _compared(b, x, "equal"), half, x), upper=False)


# ---- convolution -----------------------------------------------------------------------------------------------------


def convolve(
    b: Builder, xs: Sequence[Value], y: Value, attributes: Attributes, g: Value, wanted: Sequence[bool]
) -> Sequence[Value | None]:
    """Y[n, s, o] = sum over window t and channels c of X̃[n, stride s + dilation t, c] W[o, t, c].

    X̃ is the input with zeros between its elements (input_dilation) and around them (low, high). Both derivatives are
    convolutions: that of X̃ is G, spread by the stride, with the turned window; that of W is X̃, channels as batch, with
    G as the window.
    """
    x, w = xs
    groups = attributes["groups"]
    dx = _input_of_convolution(b, x, w, g, attributes) if wanted[0] else None
    if not wanted[1]:
        return [dx, None]
    parts = [
        _window_of_convolution(b, _part(b, x, i, groups, -1), w, _part(b, g, i, groups, -1), attributes)
        for i in range(groups)
    ]
    return [dx, parts[0] if groups == 1 else b("concatenate", *parts, axis=0)]


def _input_of_convolution(b: Builder, x: Value, w: Value, g: Value, attributes: Attributes) -> Value:
    rank, groups = len(x.shape) - 2, attributes["groups"]
    reach = [(k - 1) * d for k, d in zip(w.shape[1:-1], attributes["dilation"], strict=True)]
    unread = _unread(x, w, g, attributes)
    spread = b(
        "convolve",
        g,
        _channels_exchanged(b, w, groups),
        stride=(1,) * rank,
        low=tuple(reach),
        high=tuple(r + n for r, n in zip(reach, unread, strict=True)),
        dilation=attributes["dilation"],
        input_dilation=attributes["stride"],
        groups=groups,
        flip=not attributes["flip"],
    )
    return b(
        "slice",
        spread,
        starts=(0, *attributes["low"], 0),
        sizes=x.shape,
        steps=(1, *attributes["input_dilation"], 1),
    )


def _unread(x: Value, w: Value, g: Value, attributes: Attributes) -> list[int]:
    """How many elements at the end of X̃ the last window does not reach, for each axis."""
    found = []
    for i, (n, k, m) in enumerate(zip(x.shape[1:-1], w.shape[1:-1], g.shape[1:-1], strict=True)):
        padded = (n - 1) * attributes["input_dilation"][i] + 1 + attributes["low"][i] + attributes["high"][i]
        found.append(padded - (m - 1) * attributes["stride"][i] - (k - 1) * attributes["dilation"][i] - 1)
    return found


def _window_of_convolution(b: Builder, x: Value, w: Value, g: Value, attributes: Attributes) -> Value:
    """For one group: of X [n, s, c] and G [n, s, o], [o, t, c]."""
    rank = len(x.shape) - 2
    inner = tuple(range(1, rank + 1))
    channels_first = (rank + 1, *inner, 0)
    found = b(
        "convolve",
        b("transpose", x, axes=channels_first),
        b("transpose", g, axes=channels_first),
        stride=attributes["dilation"],
        low=attributes["low"],
        high=attributes["high"],
        dilation=attributes["stride"],
        input_dilation=attributes["input_dilation"],
        groups=1,
        flip=False,
    )
    found = b("transpose", found, axes=channels_first)
    # Elements that no window reached make it longer; a flipped window is read from its end.
    k = w.shape[1:-1]
    back = attributes["flip"]
    return b(
        "slice",
        found,
        starts=(0, *(n - 1 if back else 0 for n in k), 0),
        sizes=(found.shape[0], *k, found.shape[-1]),
        steps=(1, *(-1 if back else 1 for _ in k), 1),
    )


def _channels_exchanged(b: Builder, w: Value, groups: int) -> Value:
    """W [g o, t, c] as [g c, t, o]: what reads the channels of the result and gives those of the input."""
    rank = len(w.shape) - 2
    apart = b.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    turned = b("transpose", apart, axes=(0, rank + 2, *range(2, rank + 2), 1))
    return b.reshape(turned, (groups * w.shape[-1], *w.shape[1:-1], w.shape[0] // groups))


def _part(b: Builder, x: Value, i: int, count: int, axis: int) -> Value:
    """Part i of count equal parts along an axis."""
    if count == 1:
        return x
    axis %= len(x.shape)
    size = x.shape[axis] // count
    return b(
        "slice",
        x,
        starts=tuple(i * size if a == axis else 0 for a in range(len(x.shape))),
        sizes=tuple(size if a == axis else n for a, n in enumerate(x.shape)),
        steps=(1,) * len(x.shape),
    )
