"""Functions of parameters that are Python numbers or arrays.

A Python number is computed on the host: a literal ``1.0`` in a model costs no MLX operation. Arrays go to MLX.
"""

import math
from typing import Any

import mlx.core as mx

from genmlx.numerics import special

__all__ = ["exp", "expm1", "lgamma", "log", "log1p", "sqrt"]

Parameter = Any
"""A Python number or an array."""


def log(x: Parameter) -> Parameter:
    """log x; -inf at 0, NaN below."""
    if isinstance(x, mx.array):
        return mx.log(x)
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def log1p(x: Parameter) -> Parameter:
    """log(1 + x); -inf at -1."""
    if isinstance(x, mx.array):
        return mx.log1p(x)
    return math.log1p(x) if x > -1 else (-math.inf if x == -1 else math.nan)


def exp(x: Parameter) -> Parameter:
    """e^x."""
    return mx.exp(x) if isinstance(x, mx.array) else math.exp(x)


def expm1(x: Parameter) -> Parameter:
    """e^x - 1."""
    return mx.expm1(x) if isinstance(x, mx.array) else math.expm1(x)


def sqrt(x: Parameter) -> Parameter:
    """Square root."""
    return mx.sqrt(x) if isinstance(x, mx.array) else math.sqrt(x)


def lgamma(x: Parameter) -> Parameter:
    """log |Gamma(x)|; +inf at 0."""
    if isinstance(x, mx.array):
        return special.lgamma(x)
    return math.lgamma(x) if x > 0 else (math.inf if x == 0 else math.nan)
