"""Arrays that stay as they are.

MLX changes arrays in place: after ``b = a; b += 1`` also ``a`` is greater. In a model, ``t = normal(0.0, 1.0) @ "a"``
and ``t += 1`` would change the recorded choice; outside, ``w += 1`` a weight that others share. What traces hold and
what models are given is therefore `Fixed`: ``x += 1`` makes a new array, and ``x[0] = 1`` is an error.
"""

import operator
from typing import Any, NoReturn

import mlx.core as mx

from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import map_arrays

__all__ = ["Fixed", "fixed"]


class Fixed(mx.array):
    """An array that is not changed in place; every operation on it gives an ordinary array."""

    __slots__ = ()

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise UsageError(
            "choices, arguments, return values and scores cannot be changed in place",
            fix="x = mx.array(x) makes a copy; then x[i] = ...",
        )


def _out_of_place(name: str) -> Any:
    # ``x += 1`` binds x to what __iadd__ returns, so x + 1 does (looked up late: it may be repaired under vmap).
    operation = getattr(operator, f"__{name}__")
    return lambda self, other: operation(self, other)  # noqa: PLW0108 - a built-in function would not become a method


_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_BITWISE = ("and", "or", "xor", "lshift", "rshift")
for _name in _ARITHMETIC + _BITWISE:
    setattr(Fixed, f"__i{_name}__", _out_of_place(_name))


def _fixed(x: mx.array) -> Fixed:
    # A second handle of one array. Fixed(x) would be an operation, a copy in memory when it is evaluated.
    handle: Any = x.__copy__()
    handle.__class__ = Fixed
    return handle


def fixed(x: Any) -> Any:
    """``x`` with its arrays fixed: an array, or a tuple, list or dict of such; anything else as it is."""
    if type(x) is Fixed:  # first, because it is the most frequent
        return x
    if isinstance(x, mx.array):
        return _fixed(x)
    if isinstance(x, tuple | list | dict):
        return map_arrays(fixed, x)
    return x
