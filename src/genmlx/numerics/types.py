"""The array kinds of GenMLX, named once.

``Array`` is any MLX array; ``Scalar`` has no axes; ``Key`` is a random key (two 32-bit words). The shapes and
dtypes are checked in the test run, where jaxtyping is imported before this module. In ordinary use jaxtyping is
not imported (it would double the time of ``import genmlx``) and the names are plain ``mx.array``.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx

__all__ = ["Array", "ArrayLike", "BoolArray", "Key", "Keys", "Number", "Scalar", "Shape", "Tree"]

Array = mx.array
if "jaxtyping" in sys.modules and not TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt32

    Scalar = Float[mx.array, ""]
    BoolArray = Bool[mx.array, "..."]
    Key = UInt32[mx.array, "2"]
    Keys = UInt32[mx.array, "n 2"]
else:
    Scalar = mx.array
    BoolArray = mx.array
    Key = mx.array
    Keys = mx.array

Number = bool | int | float
ArrayLike = mx.array | bool | int | float | Sequence[Any]
Shape = tuple[int, ...]
Tree = Any
"""A tree of tuples, lists, dicts, NamedTuples and our records, with arrays among its leaves."""
