"""Vectors as lower triangles of matrices, row by row."""

import functools
import math

import mlx.core as mx

from genmlx.numerics.errors import ShapeError
from genmlx.numerics.types import Array, Shape

__all__ = ["fill", "length_of", "pick", "size_of", "square_side"]


def fill(y: Array, n: int, *, strict: bool) -> Array:
    """The n x n matrix with y in its lower triangle (``strict``: below the diagonal), zeros elsewhere."""
    padded = mx.pad(y, [(0, 0)] * (y.ndim - 1) + [(1, 0)])  # place 0 holds the zero
    return mx.take(padded, _places(n, strict), axis=-1)


def pick(x: Array, *, strict: bool) -> Array:
    """The inverse of `fill`."""
    n = x.shape[-1]
    if n == 1 and strict:
        return x.reshape(*x.shape[:-2], 1)[..., :0]
    return mx.take(x.reshape(*x.shape[:-2], n * n), _entries(n, strict), axis=-1)


def size_of(name: str, event: Shape, *, strict: bool) -> int:
    """The n whose triangle has this many entries."""
    (m,) = event
    root = math.isqrt(8 * m + 1)
    n = (root + 1) // 2 if strict else (root - 1) // 2
    if length_of(n, strict=strict) != m or n < 1:
        below, above = length_of(max(n, 1), strict=strict), length_of(n + 1, strict=strict)
        count = "n (n - 1) / 2" if strict else "n (n + 1) / 2"
        raise ShapeError(
            f"{name} of n x n matrices takes {count} unconstrained values, and {m} is no such number",
            fix=f"a vector of length {below} (n = {max(n, 1)}) or {above} (n = {n + 1})",
        )
    return n


def length_of(n: int, *, strict: bool) -> int:
    """How many entries the triangle of an n x n matrix has."""
    return n * (n - 1) // 2 if strict else n * (n + 1) // 2


def square_side(name: str, event: Shape) -> int:
    """The n of an n x n matrix."""
    if event[0] != event[1] or not event[0]:
        raise ShapeError(f"{name} takes square matrices, found shape {event}")
    return event[0]


# Cached, and from Python lists, so that no trace can leak into the cache.


@functools.lru_cache(maxsize=64)
def _places(n: int, strict: bool) -> Array:
    return mx.array(
        [[length_of(i, strict=strict) + j + 1 if j < i + (not strict) else 0 for j in range(n)] for i in range(n)]
    )


@functools.lru_cache(maxsize=64)
def _entries(n: int, strict: bool) -> Array:
    return mx.array([i * n + j for i in range(n) for j in range(i + (not strict))])
