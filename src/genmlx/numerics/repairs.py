"""Repairs of MLX 0.32 under vmap.

An array that a mapped function returns twice comes back the second time with its axes swapped (`distinct`). And some
primitives have a wrong vmap rule there when one operand is mapped and the other is not (checked by
`tests/numerics/test_repairs.py`, which says when a release of MLX no longer needs this file):

* bitwise and, or, xor and shifts, on bools too: read outside their operand, without an error;
* ``not_equal`` and ``logical_xor`` with the unmapped operand first: the axes come out swapped;
* ``divmod``: fails;
* writing to elements (``x[0] = 1.0``, ``x.at[0].add(1.0)``, ``slice_update``) of a mapped array, with a value that is
  not mapped: happens in the first lane only.

A model may well write ``(x > 0) & mask``. While `genmlx.numerics.transforms.vmap` traces, these names stand for
equivalent compositions of primitives whose rules are right; outside tracing MLX is as it was. The compositions mean
the same, so another thread that happens to run meanwhile computes the same.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx

from genmlx.numerics.types import Array

__all__ = ["distinct", "repaired"]


def distinct(outputs: list[Array]) -> list[Array]:
    """The outputs of a mapped function, no two of them the same array to MLX.

    Arrays of different shape or dtype are different, and scalars have no axes to swap. The others may be one array
    under two names, also through an operation that does nothing (``x.astype(x.dtype)``): a view makes a new one.
    """
    seen: set[tuple[tuple[int, ...], mx.Dtype]] = set()
    result = []
    for array in outputs:
        kind = (array.shape, array.dtype)
        fresh = array if not array.ndim or kind not in seen else mx.squeeze(mx.expand_dims(array, 0), 0)
        seen.add(kind)
        result.append(fresh)
    return result


def _both(a: Any, b: Any) -> tuple[Array, Array]:
    """Both operands as arrays of one dtype, with the same axes and the same mapping."""
    if not isinstance(a, mx.array):
        a = mx.array(a, _dtype_of_number(a, b))
    if not isinstance(b, mx.array):
        b = mx.array(b, _dtype_of_number(b, a))
    dtype = mx.result_type(a, b)
    a, b = a.astype(dtype), b.astype(dtype)
    return mx.where(mx.equal(b, b), a, a), mx.where(mx.equal(a, a), b, b)


def _dtype_of_number(x: int, other: Array) -> mx.Dtype:
    """MLX's rule: a Python number takes the dtype of the array, unless the array is of bools and the number is not."""
    return mx.int32 if other.dtype == mx.bool_ and not isinstance(x, bool) else other.dtype


def _bitwise(primitive: Callable[..., Array], logical: Callable[..., Array] | None) -> Callable[..., Array]:
    def repaired(a: Any, b: Any, *, stream: Any = None) -> Array:
        a, b = _both(a, b)
        if logical is not None and a.dtype == mx.bool_:
            return logical(a, b, stream=stream)
        return primitive(a, b, stream=stream)

    return repaired


def _not_equal(a: Any, b: Any, *, stream: Any = None) -> Array:
    return mx.logical_not(mx.equal(a, b, stream=stream), stream=stream)


def _logical_xor(a: Any, b: Any, *, stream: Any = None) -> Array:
    a, b = _both(a, b)
    return _not_equal(a.astype(mx.bool_), b.astype(mx.bool_), stream=stream)


def _divmod(a: Any, b: Any, *, stream: Any = None) -> tuple[Array, Array]:
    return mx.floor_divide(a, b, stream=stream), mx.remainder(a, b, stream=stream)


def _ne_operator(a: Array, b: Any) -> Any:
    return _not_equal(a, b) if isinstance(b, mx.array | bool | int | float) else NotImplemented


def _mapped_like(x: Array, value: Any) -> Array:
    """A value for elements of ``x``, with the mapping of ``x``."""
    value = (value if isinstance(value, mx.array) else mx.array(value)).astype(x.dtype)
    if not x.size:
        return value
    first = x.reshape(-1)[:1].reshape(())
    return mx.where(mx.equal(first, first), value, value)


def _setitem(x: Array, index: Any, value: Any) -> None:
    _original_setitem(x, index, _mapped_like(x, value))


def _slice_update(x: Array, update: Array, *args: Any, **kwargs: Any) -> Array:
    return _original_slice_update(x, _mapped_like(x, update), *args, **kwargs)


class _At:
    """``x.at``: ``x.at[i].add(v)`` and its relatives."""

    def __init__(self, x: Array, at: Any) -> None:
        self._x, self._at = x, at

    def __getitem__(self, index: Any) -> _At:
        return _At(self._x, self._at[index])

    def __getattr__(self, operation: str) -> Callable[[Any], Array]:
        return lambda value: getattr(self._at, operation)(_mapped_like(self._x, value))


_original_setitem, _original_slice_update, _original_at = mx.array.__setitem__, mx.slice_update, mx.array.at
_and = _bitwise(mx.bitwise_and, mx.logical_and)
_or = _bitwise(mx.bitwise_or, mx.logical_or)
_xor = _bitwise(mx.bitwise_xor, _logical_xor)
_left = _bitwise(mx.left_shift, None)
_right = _bitwise(mx.right_shift, None)

_REPAIRS: list[tuple[Any, str, Any]] = [
    (mx, "bitwise_and", _and),
    (mx, "bitwise_or", _or),
    (mx, "bitwise_xor", _xor),
    (mx, "left_shift", _left),
    (mx, "right_shift", _right),
    (mx, "not_equal", _not_equal),
    (mx, "logical_xor", _logical_xor),
    (mx, "divmod", _divmod),
    (mx.array, "__and__", _and),
    (mx.array, "__iand__", _and),
    (mx.array, "__or__", _or),
    (mx.array, "__ior__", _or),
    (mx.array, "__xor__", _xor),
    (mx.array, "__ixor__", _xor),
    (mx.array, "__lshift__", _left),
    (mx.array, "__ilshift__", _left),
    (mx.array, "__rshift__", _right),
    (mx.array, "__irshift__", _right),
    (mx.array, "__ne__", _ne_operator),
    (mx, "slice_update", _slice_update),
    (mx.array, "__setitem__", _setitem),
    (mx.array, "at", property(lambda x: _At(x, _original_at.__get__(x)))),
]
_ORIGINALS = [(owner, name, getattr(owner, name)) for owner, name, _ in _REPAIRS]
_lock = threading.Lock()
_depth = 0


@contextlib.contextmanager
def repaired() -> Iterator[None]:
    """The repairs, while a vmap is traced."""
    global _depth  # noqa: PLW0603 - tracing nests, also across threads
    with _lock:
        _depth += 1
        if _depth == 1:
            for owner, name, repair in _REPAIRS:
                setattr(owner, name, repair)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                for owner, name, original in _ORIGINALS:
                    setattr(owner, name, original)
