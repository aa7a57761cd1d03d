"""What the special functions share: the dtype of the arguments, constants, polynomials."""

import math
from collections.abc import Callable
from typing import Any, cast

import mlx.core as mx

from genmlx.numerics.types import Array, ArrayLike

__all__ = ["HALF_LOG_2PI", "LOG_2", "path_integral", "polynomial", "promote"]

LOG_2 = math.log(2.0)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def promote(*args: ArrayLike) -> tuple[Array, ...]:
    """The arguments as arrays of one dtype: float64 if one of them is, else float32."""
    dtype = mx.float64 if any(isinstance(x, mx.array) and x.dtype == mx.float64 for x in args) else mx.float32
    return tuple(x.astype(dtype) if isinstance(x, mx.array) else mx.array(cast(Any, x), dtype) for x in args)


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """The polynomial with these coefficients, lowest first (two at least)."""
    total = coefficients[-1] * x + coefficients[-2]
    for c in coefficients[-3::-1]:
        total = total * x + c
    return total


def path_integral(slope: Callable[..., tuple[Array, ...]], *args: Array) -> Array:
    """The integral of a gradient field from the values of the arguments to the arguments: 0, with its derivatives.

    What is added to a value that was computed without derivatives, where the gradient has a formula of its own. By
    Gauss and Legendre's rule of two nodes: derivatives up to the fourth order are exact.

    Args:
        slope: the arguments to the derivative in each.
        args: finite numbers.
    """
    fixed = [mx.stop_gradient(x) for x in args]
    steps = [x - x0 for x, x0 in zip(args, fixed, strict=True)]
    total = mx.zeros_like(args[0])
    for t in (0.5 - math.sqrt(1.0 / 12.0), 0.5 + math.sqrt(1.0 / 12.0)):
        slopes = slope(*[x0 + t * step for x0, step in zip(fixed, steps, strict=True)])
        for step, s in zip(steps, slopes, strict=True):
            total = total + 0.5 * step * s
    return total
