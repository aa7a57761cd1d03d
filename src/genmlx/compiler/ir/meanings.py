"""What operations mean, in NumPy, where NumPy does not have the function itself. Slow and plain: the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from genmlx.compiler.ir.types import DTYPES
from genmlx.compiler.ir.typing_rules import slices_of

Meaning = Callable[..., Any]
Array = Any  # a NumPy array, or the scalar that NumPy gives in place of one without axes


def cast(x: Array, *, dtype: str) -> Array:
    target = DTYPES[dtype]
    if x.dtype.kind != "f" or target.kind not in "iu":
        return x.astype(target)
    info = np.iinfo(target)
    wide = np.trunc(x.astype(np.float64))
    inside = np.clip(np.nan_to_num(wide, nan=0.0, posinf=np.inf, neginf=-np.inf), float(info.min), float(info.max))
    # float(2^63 - 1) is 2^63: what reaches a bound gets it from the integers.
    out = np.where(np.abs(inside) < 2.0**63, inside, 0.0).astype(np.int64).astype(target)
    if target == np.uint64:
        out = np.where((inside >= 2.0**63) & (inside < 2.0**64), inside, 0.0).astype(np.uint64) + out
    out = np.where(wide >= float(info.max), target.type(info.max), out)
    return np.where(wide <= float(info.min), target.type(info.min), out).astype(target)


def divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return a / b
    quotient = np.where(b == 0, 0, np.trunc(np.floor_divide(a, np.where(b == 0, 1, b))))
    remainder = a - quotient * b  # floor to truncation: one more where the signs differ and something is left
    toward_zero = (remainder != 0) & ((a < 0) != (b < 0)) & (b != 0)
    return (quotient + toward_zero).astype(a.dtype)


def rounded(x: Array) -> Array:
    return np.rint(x) if x.dtype.kind == "f" else x


def floor_divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.floor(a / b)
    return np.where(b == 0, 0, np.floor_divide(a, np.where(b == 0, 1, b))).astype(a.dtype)


def remainder(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.remainder(a, b)
    return np.where(b == 0, 0, np.remainder(a, np.where(b == 0, 1, b))).astype(a.dtype)


def power(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.power(a, b)
    out = np.ones_like(a)
    base, exponent = a.copy(), b.copy()
    for _ in range(64):  # by squaring; a negative exponent gives 0 except for 1 and -1
        out = np.where((exponent & 1) == 1, out * base, out)
        base, exponent = base * base, exponent >> 1
        if not np.any(exponent > 0):
            break
    if a.dtype.kind == "i":
        unit = np.where(a == 1, 1, np.where(a == -1, np.where(b % 2 == 0, 1, -1), 0))
        out = np.where(b < 0, unit, out)
    return out.astype(a.dtype)


def shift(direction: Callable[..., Any]) -> Meaning:
    def meaning(a: Array, b: Array) -> Array:
        width = a.dtype.itemsize * 8
        inside = (b >= 0) & (b < width)
        return np.where(inside, direction(a, np.where(inside, b, 0)), 0).astype(a.dtype)

    return meaning


def special(name: str) -> Meaning:
    """A function that NumPy lacks, by the standard library, in float64."""

    def meaning(x: Array) -> Array:
        flat = [_SPECIAL[name](float(v)) for v in x.reshape(-1)]
        return np.array(flat, dtype=np.float64).reshape(x.shape).astype(x.dtype)

    return meaning


def _erfinv(y: float) -> float:
    """The inverse of erf: a rational approximation, polished by Newton on erf or its complement, whichever is small."""
    if math.isnan(y) or abs(y) > 1.0:
        return math.nan
    if abs(y) == 1.0 or y == 0.0:
        return math.copysign(math.inf, y) if y else y
    size = abs(y)
    x = -NormalDist().inv_cdf(0.5 * (1.0 - size)) / math.sqrt(2.0) if size > 0.5 else size
    for _ in range(4 if size > 0.5 else 8):
        excess = (1.0 - size) - math.erfc(x) if size > 0.5 else math.erf(x) - size
        step = excess * 0.5 * math.sqrt(math.pi) * math.exp(x * x)
        x -= step / (1.0 + x * step)  # Halley's correction
    return math.copysign(x, y)


_SPECIAL: dict[str, Callable[[float], float]] = {"erf": math.erf, "erfinv": _erfinv}


def sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x.astype(np.float64)))
    return np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e)).astype(x.dtype)


def _is_nan(x: Array) -> Array:
    return np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)


def sign(x: Array) -> Array:
    """-1, 0 or 1; 0 for nan, as in MLX."""
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def nan_equal(a: Array, b: Array) -> Array:
    return (a == b) | (_is_nan(a) & _is_nan(b))


def slice_(x: Array, **attributes: Any) -> Array:
    return x[slices_of(attributes)]


def _combined(kind: str, old: Any, new: Any) -> Any:
    return {
        "none": lambda: new,
        "sum": lambda: old + new,
        "prod": lambda: old * new,
        "min": lambda: np.minimum(old, new),
        "max": lambda: np.maximum(old, new),
    }[kind]()


def slice_update(x: Array, update: Array, *, kind: str, **attributes: Any) -> Array:
    out = x.copy()
    where = slices_of(attributes)
    out[where] = _combined(kind, out[where], update)
    return out


def _starts(x: Array, sizes: Sequence[int], axes: Sequence[int], starts: Sequence[Any]) -> tuple[slice, ...]:
    """Where a slice with traced starts lies: moved so that it fits."""
    at = [0] * x.ndim
    for axis, start in zip(axes, starts, strict=True):
        at[axis] = min(max(int(start) + (x.shape[axis] if int(start) < 0 else 0), 0), x.shape[axis] - sizes[axis])
    return tuple(slice(a, a + size) for a, size in zip(at, sizes, strict=True))


def dynamic_slice(x: Array, *starts: Any, axes: Any, sizes: Any) -> Array:
    return x[_starts(x, sizes, axes, starts)]


def dynamic_slice_update(x: Array, update: Array, *starts: Any, axes: Any) -> Array:
    out = x.copy()
    out[_starts(x, update.shape, axes, starts)] = update
    return out


def pad(x: Array, value: Array, *, low: Sequence[int], high: Sequence[int]) -> Array:
    out = np.full([n + lo + hi for n, lo, hi in zip(x.shape, low, high, strict=True)], value)
    out[tuple(slice(lo, lo + n) for n, lo in zip(x.shape, low, strict=True))] = x
    return out


def reduce(x: Array, *, kind: str, axes: Any) -> Array:
    axes = tuple(axes)
    if x.dtype.kind == "f" and kind in {"sum", "prod"}:
        wide = x.astype(np.float64)  # the reference is more exact than any order of summation in float32
        return (wide.sum(axis=axes) if kind == "sum" else wide.prod(axis=axes)).astype(x.dtype)
    if kind in {"min", "max"}:
        return getattr(x, kind)(axis=axes, initial=_worst(x.dtype, kind))
    out = {"sum": np.sum, "prod": np.prod, "all": np.all, "any": np.any}[kind](x, axis=axes)
    return np.asarray(out).astype(x.dtype)


def _worst(dtype: np.dtype[Any], kind: str) -> Any:
    """What an empty minimum or maximum gives."""
    if dtype.kind == "f":
        return np.inf if kind == "min" else -np.inf
    if dtype.kind == "b":
        return kind == "min"
    return np.iinfo(dtype).max if kind == "min" else np.iinfo(dtype).min


def argreduce(x: Array, *, kind: str, axis: int) -> Array:
    """The first of the least or greatest; the first nan, where there is one."""
    return (np.argmin if kind == "min" else np.argmax)(x, axis=axis).astype(np.uint32)


def cumulative(x: Array, *, kind: str, axis: int, reverse: bool, inclusive: bool) -> Array:
    x = np.flip(x, axis) if reverse else x
    function = {
        "sum": np.add,
        "prod": np.multiply,
        "min": np.minimum,
        "max": np.maximum,
        "logaddexp": np.logaddexp,
    }[kind]
    out = function.accumulate(x, axis=axis, dtype=x.dtype) if x.shape[axis] else x
    if not inclusive and x.shape[axis]:
        zero = {"sum": 0, "prod": 1, "logaddexp": -np.inf}.get(kind)
        zero = _worst(x.dtype, kind) if zero is None else zero
        first = np.full_like(np.take(out, [0], axis=axis), zero)
        out = np.concatenate([first, np.take(out, range(x.shape[axis] - 1), axis=axis)], axis=axis)
    return np.flip(out, axis) if reverse else out


def _wrap(index: Array, n: int) -> Array:
    index = index.astype(np.int64)
    return np.where(index < 0, index + n, index)


def gather(x: Array, *indices: Array, axes: Any, sizes: Any) -> Array:
    lead = indices[0].shape if indices else ()
    out = np.empty((*lead, *sizes), x.dtype)
    for at in np.ndindex(*lead):
        begin = [0] * x.ndim
        for axis, index in zip(axes, indices, strict=True):
            begin[axis] = int(np.clip(_wrap(index[at], x.shape[axis]), 0, x.shape[axis] - sizes[axis]))
        out[at] = x[tuple(slice(b, b + s) for b, s in zip(begin, sizes, strict=True))]
    return out


def scatter(x: Array, updates: Array, *indices: Array, axes: Any, kind: str) -> Array:
    out = x.copy()
    lead = indices[0].shape if indices else ()
    for at in np.ndindex(*lead):
        begin = [0] * x.ndim
        sizes = updates.shape[len(lead) :]
        for axis, index in zip(axes, indices, strict=True):
            begin[axis] = int(_wrap(index[at], x.shape[axis]))
        if all(b >= 0 and b + s <= n for b, s, n in zip(begin, sizes, x.shape, strict=True)):
            where = tuple(slice(b, b + s) for b, s in zip(begin, sizes, strict=True))
            out[where] = _combined(kind, out[where], updates[at])
    return out


def gather_axis(x: Array, indices: Array, *, axis: int) -> Array:
    n = x.shape[axis]
    return np.take_along_axis(x, np.clip(_wrap(indices, n), 0, n - 1), axis=axis)


def scatter_axis(x: Array, indices: Array, updates: Array, *, axis: int, kind: str) -> Array:
    out = x.copy()
    wrapped = _wrap(indices, x.shape[axis])
    for at in np.ndindex(*indices.shape):
        if 0 <= wrapped[at] < x.shape[axis]:
            where = (*at[:axis], int(wrapped[at]), *at[axis + 1 :])
            out[where] = _combined(kind, out[where], updates[at])
    return out


def matmul(a: Array, b: Array) -> Array:
    return np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(a.dtype)


def _matrices(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of one matrix, over leading axes, in float64."""

    def batched(x: Array) -> Array:
        out = np.empty_like(x)
        for at in np.ndindex(*x.shape[:-2]):
            out[at] = function(x[at].astype(np.float64))
        return out

    return batched


def cholesky(x: Array, *, upper: bool) -> Array:
    """The factor; for a matrix that is not positive definite nan from the first bad pivot on. Reads one triangle."""

    def factor(a: Array) -> Array:
        a = a.T if upper else a
        n = len(a)
        out = np.zeros_like(a)
        for j in range(n):
            pivot = a[j, j] - out[j, :j] @ out[j, :j]
            out[j, j] = np.sqrt(pivot) if pivot > 0.0 else np.nan
            for i in range(j + 1, n):
                out[i, j] = (a[i, j] - out[i, :j] @ out[j, :j]) / out[j, j]
        return out.T if upper else out

    return _matrices(factor)(x)


def inverse(x: Array) -> Array:
    """The inverse; inf and nan where the matrix is singular."""

    def invert(a: Array) -> Array:
        try:
            return np.linalg.inv(a)
        except np.linalg.LinAlgError:
            return np.full_like(a, np.nan)

    return _matrices(invert)(x)


def solve_triangular(a: Array, b: Array, *, upper: bool) -> Array:
    """x with a x = b by substitution; reads one triangle of a. A zero on the diagonal divides by zero."""
    out = np.empty_like(b)
    n = a.shape[-1]
    for at in np.ndindex(*a.shape[:-2]):
        wide, x = a[at].astype(np.float64), b[at].astype(np.float64).copy()
        for i in reversed(range(n)) if upper else range(n):
            done = slice(i + 1, n) if upper else slice(0, i)
            x[i] = (x[i] - wide[i, done] @ x[done]) / wide[i, i]
        out[at] = x
    return out


def convolve(
    x: Array,
    w: Array,
    *,
    stride: Any,
    low: Any,
    high: Any,
    dilation: Any,
    input_dilation: Any,
    groups: int,
    flip: bool,
) -> Array:
    rank = x.ndim - 2
    spread = np.zeros(
        (x.shape[0], *((n - 1) * d + 1 for n, d in zip(x.shape[1:-1], input_dilation, strict=True)), x.shape[-1])
    )
    spread[(slice(None), *(slice(None, None, d) for d in input_dilation), slice(None))] = x
    padded = np.pad(spread, [(0, 0), *((lo, hi) for lo, hi in zip(low, high, strict=True)), (0, 0)])
    w = w.astype(np.float64)
    w = np.flip(w, axis=tuple(range(1, rank + 1))) if flip else w
    spatial = [
        (n - ((k - 1) * d + 1)) // s + 1
        for n, k, d, s in zip(padded.shape[1:-1], w.shape[1:-1], dilation, stride, strict=True)
    ]
    out = np.zeros((x.shape[0], *spatial, w.shape[0]))
    ins, outs = w.shape[-1], w.shape[0] // groups
    for at in np.ndindex(*w.shape[1:-1]):
        window = tuple(
            slice(a * d, a * d + (n - 1) * s + 1, s) for a, d, n, s in zip(at, dilation, spatial, stride, strict=True)
        )
        patch = padded[(slice(None), *window, slice(None))]
        for g in range(groups):
            out[..., g * outs : (g + 1) * outs] += np.tensordot(
                patch[..., g * ins : (g + 1) * ins], w[(slice(g * outs, (g + 1) * outs), *at)], axes=([-1], [-1])
            )
    return out.astype(x.dtype)


def threefry(key: Array, counts: Array) -> Array:
    """Threefry 2x32 with 20 rounds of counters [n, 2] under one key: Salmon et al., SC (2011)."""
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    keys = [key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA)]
    a, b = counts[:, 0] + keys[0], counts[:, 1] + keys[1]
    for i in range(5):
        for r in rotations[i % 2]:
            a = a + b
            b = (b << np.uint32(r)) | (b >> np.uint32(32 - r))
            b = a ^ b
        a = a + keys[(i + 1) % 3]
        b = b + keys[(i + 2) % 3] + np.uint32(i + 1)
    return np.stack([a, b], axis=1)


def random_bits(keys: Array, *, shape: Any, width: int) -> Array:
    """MLX's layout: for w words in a row, word i of the first half is the first half of block i = (i, i + half).

    With an odd number of words the block in the middle gives one word only, from the counter (half, 0).
    """
    size = math.prod(shape) * width
    words = (size + 3) // 4
    half, odd = words // 2, words % 2
    out = np.empty((*keys.shape[:-1], words), np.uint32)
    for at in np.ndindex(*keys.shape[:-1]):
        first = np.arange(half, dtype=np.uint32)
        blocks = threefry(keys[at], np.stack([first, first + np.uint32(half + odd)], axis=1))
        out[at][:half], out[at][half + odd :] = blocks[:, 0], blocks[:, 1]
        if odd:
            out[at][half] = threefry(keys[at], np.array([[half, 0]], np.uint32))[0, 0]
    dtype = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[width]
    raw = np.ascontiguousarray(out).view(np.uint8)[..., :size]
    return np.ascontiguousarray(raw).view(dtype).reshape((*keys.shape[:-1], *shape))


def sort(x: Array, *, axis: int) -> Array:
    return np.sort(x, axis=axis, kind="stable")  # nan last


def argsort(x: Array, *, axis: int) -> Array:
    return np.argsort(x, axis=axis, kind="stable").astype(np.uint32)
