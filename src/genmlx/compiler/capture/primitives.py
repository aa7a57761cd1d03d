"""What MLX's primitives are in the IR: a table from their names to functions that append operations.

Each row gets the builder, the operands, the arguments of the primitive as MLX exports them, and the types that MLX
gives to the outputs; it returns a value for each output. Names and order of arguments are those of MLX 0.32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import numpy as np

from genmlx.compiler.capture.markers import record
from genmlx.compiler.ir.graph import DTYPES, Builder, Type, Value
from genmlx.numerics.errors import GenMLXError
from genmlx.numerics.types import Array

__all__ = ["PRIMITIVES", "UnsupportedPrimitive", "exportable"]

Row = Callable[[Builder, Sequence[Value], Sequence[Any], Sequence[Type]], Sequence[Value]]


class UnsupportedPrimitive(GenMLXError, NotImplementedError):
    """A primitive of MLX that is not compiled."""

    def __init__(self, name: str) -> None:
        self.primitive = name
        super().__init__(
            f"the function uses MLX's primitive {name}, which is not compiled",
            fix='an operation on the page "Compiled loops" of the documentation, or backend="mlx" for no kernel',
        )


# ---- elementwise -----------------------------------------------------------------------------------------------------


def _same(name: str) -> Row:
    """An operation of the same operands."""
    return lambda b, xs, arguments, outputs: [b(name, *xs)]


def _identity(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [xs[0]]


def _flag(otherwise: str, if_set: str) -> Row:
    """Two operations that MLX tells apart by a flag."""
    return lambda b, xs, arguments, outputs: [b(if_set if arguments[0] else otherwise, *xs)]


def _log(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b(("log2", "log10", "log")[arguments[0]], *xs)]


def _cast(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b.cast(xs[0], outputs[0].dtype)]


def _divide_modulo(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    return [b("floor_divide", *xs), b("remainder", *xs)]


def _logical(number: str, logic: str) -> Row:
    """An operation, on bools the logical one."""
    return lambda b, xs, arguments, outputs: [b(logic if outputs[0].dtype == "bool" else number, *xs)]


def _bitwise(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    on_bools = outputs[0].dtype == "bool" and arguments[0] < len(_LOGIC)
    return [b((_LOGIC if on_bools else _BITWISE)[arguments[0]], *xs)]


_BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
_LOGIC = ("logical_and", "logical_or", "not_equal")


# ---- shapes ----------------------------------------------------------------------------------------------------------


def _broadcast(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b.broadcast(xs[0], outputs[0].shape)]


def _reshape(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b.reshape(xs[0], outputs[0].shape)]


def _transpose(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    axes = tuple(arguments[0])
    return [xs[0] if axes == tuple(range(len(axes))) else b("transpose", xs[0], axes=axes)]


def _slice(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    starts, _, steps = arguments
    return [b("slice", xs[0], starts=tuple(starts), sizes=outputs[0].shape, steps=tuple(steps))]


def _split(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    (x,), (cuts, axis) = xs, arguments
    rank = len(x.shape)
    found = []
    for start, type in zip((0, *cuts), outputs, strict=True):  # noqa: A001
        starts = tuple(start if a == axis else 0 for a in range(rank))
        found.append(b("slice", x, starts=starts, sizes=type.shape, steps=(1,) * rank))
    return found


def _concatenate(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b("concatenate", *xs, axis=arguments[0])]


def _pad(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    axes, lows, highs = arguments
    low, high = [0] * len(xs[0].shape), [0] * len(xs[0].shape)
    for axis, before, after in zip(axes, lows, highs, strict=True):
        low[axis], high[axis] = before, after
    return [b("pad", xs[0], b.reshape(xs[1], ()), low=tuple(low), high=tuple(high))]


def _as_strided(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    """Elements of the flat array, at positions that are known."""
    shape, strides, offset = arguments
    position = np.full(tuple(shape), offset, np.int32)
    for axis, (n, stride) in enumerate(zip(shape, strides, strict=True)):
        position += (np.arange(n) * stride).reshape(-1, *(1,) * (len(shape) - axis - 1)).astype(np.int32)
    flat = b.reshape(xs[0], (xs[0].type.size,))
    taken = b("gather", flat, b.constant(position), axes=(0,), sizes=(1,))
    return [b.reshape(taken, tuple(shape))]


# ---- sources ---------------------------------------------------------------------------------------------------------


def _arange(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    """Start + i step, as MLX computes it: in the dtype of the result."""
    (start, _, step), (out,) = arguments, outputs
    (size,) = out.shape
    x = b("iota", size=size, dtype=out.dtype)
    cast = DTYPES[out.dtype].type
    if cast(start + step) - cast(start) != 1:
        x = b("multiply", x, b.full(out, cast(start + step) - cast(start)))
    return [x if cast(start) == 0 else b("add", x, b.full(out, cast(start)))]


def _random_bits(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b("random_bits", xs[0], shape=outputs[0].shape[len(xs[0].shape) - 1 :], width=arguments[1])]


def _number_of_elements(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    axes, inverted, _ = arguments
    count = math.prod(xs[0].shape[a] for a in axes)
    return [b.constant(1.0 / count if inverted else count, outputs[0].dtype)]


# ---- along axes ------------------------------------------------------------------------------------------------------

_REDUCTIONS = ("all", "any", "sum", "prod", "min", "max")
_CUMULATIVE = ("max", "min", "sum", "prod", "logaddexp")
_SCATTER = ("max", "min", "sum", "prod", "none")


def _reduce(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    """MLX keeps the axes with size 1."""
    kind, axes = _REDUCTIONS[arguments[0]], tuple(arguments[1])
    (x,), (out,) = xs, outputs
    if kind in {"all", "any"}:
        x = b.cast(x, "bool")
    elif x.dtype == "bool":
        kind, x = (kind, b.cast(x, out.dtype)) if out.dtype != "bool" else ({"min": "all", "max": "any"}[kind], x)
    return [b.reshape(b("reduce", b.cast(x, out.dtype), kind=kind, axes=axes), out.shape)]


def _argreduce(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    kind, axis = arguments
    return [b.reshape(b("argreduce", xs[0], kind=("min", "max")[kind], axis=axis), outputs[0].shape)]


def _cumulative(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    kind, axis, reverse, inclusive = arguments
    x = b.cast(xs[0], outputs[0].dtype)
    return [b("cumulative", x, kind=_CUMULATIVE[kind], axis=axis, reverse=reverse, inclusive=inclusive)]


def _softmax(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    """exp(x - max x) / sum of the same, along the last axis."""
    (x,) = xs
    last = (len(x.shape) - 1,)
    kept = (*x.shape[:-1], 1)
    top = b("stop_gradient", b.reshape(b("reduce", x, kind="max", axes=last), kept))
    scaled = b("exp", b("subtract", x, b.broadcast(top, x.shape)))
    total = b.reshape(b("reduce", scaled, kind="sum", axes=last), kept)
    return [b("divide", scaled, b.broadcast(total, x.shape))]


def _logsumexp(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    """Max + log(sum(exp(x - max))), along the last axis; an infinite max stands for itself."""
    (x,) = xs
    last = (len(x.shape) - 1,)
    top = b("stop_gradient", b("reduce", x, kind="max", axes=last))
    infinite = b("equal", b("abs", top), b.full(top.type, np.inf))
    shift = b("select", infinite, b.full(top.type, 0.0), top)
    shifted = b("subtract", x, b.broadcast(b.reshape(shift, (*x.shape[:-1], 1)), x.shape))
    total = b("reduce", b("exp", shifted), kind="sum", axes=last)
    return [b.reshape(b("add", shift, b("log", total)), outputs[0].shape)]


def _axis(name: str) -> Row:
    """An operation along the axis that is the last argument."""
    return lambda b, xs, arguments, outputs: [b(name, *xs, axis=arguments[-1])]


def _searchsorted(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    return [b("searchsorted", *xs, right=bool(arguments[0]))]


# ---- indices ---------------------------------------------------------------------------------------------------------


def _gather(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    axes, sizes = arguments
    return [b("gather", *xs, axes=tuple(axes), sizes=tuple(sizes))]


def _scatter(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    (x, *indices, updates), (kind, axes) = xs, arguments
    return [b("scatter", x, updates, *indices, axes=tuple(axes), kind=_SCATTER[kind])]


def _gather_axis(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    x, indices = _aligned(b, xs, arguments[0])
    return [b("gather_axis", x, indices, axis=arguments[0])]


def _scatter_axis(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    kind, axis = arguments
    x, indices, updates = xs
    return [b("scatter_axis", x, indices, updates, axis=axis, kind=("sum", "none")[kind])]


def _aligned(b: Builder, xs: Sequence[Value], axis: int) -> tuple[Value, Value]:
    """Array and indices with one shape outside the axis: either may have size 1 there."""
    x, indices = xs
    shape = [max(m, n) if m and n else 0 for m, n in zip(x.shape, indices.shape, strict=True)]

    def fit(v: Value) -> Value:
        return b.broadcast(v, tuple(v.shape[a] if a == axis else n for a, n in enumerate(shape)))

    return fit(x), fit(indices)


def _slice_update(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    kind, starts, _, steps = arguments
    x, update = xs
    rank = len(x.shape)
    update = b.reshape(update, (1,) * (rank - len(update.shape)) + update.shape)
    return [
        b(
            "slice_update",
            x,
            update,
            starts=tuple(starts),
            sizes=update.shape,
            steps=tuple(steps),
            kind=_SCATTER[kind],
        )
    ]


def _starts(b: Builder, start: Value, axes: Sequence[int]) -> list[Value]:
    """The elements of a vector of starts, as scalars."""
    flat = b.reshape(start, (len(axes),))
    parts = [b("slice", flat, starts=(i,), sizes=(1,), steps=(1,)) for i in range(len(axes))]
    return [b.reshape(p, ()) for p in parts]


def _dynamic_slice(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    axes, sizes = arguments
    x, start = xs
    return [b("dynamic_slice", x, *_starts(b, start, axes), axes=tuple(axes), sizes=tuple(sizes))]


def _dynamic_slice_update(
    b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]
) -> Sequence[Value]:
    (axes,) = arguments
    x, update, start = xs
    return [b("dynamic_slice_update", x, update, *_starts(b, start, axes), axes=tuple(axes))]


# ---- linear algebra --------------------------------------------------------------------------------------------------


def _add_matmul(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    """Alpha a b + beta c."""
    (x, y, c), (alpha, beta) = xs, arguments
    product = b("matmul", x, y)
    c = b.broadcast(c, product.shape)
    if alpha != 1.0:
        product = b("multiply", product, b.full(product.type, alpha))
    return [b("add", product, c if beta == 1.0 else b("multiply", c, b.full(c.type, beta)))]


def _inverse(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    triangular, upper = arguments
    (x,) = xs
    if not triangular:
        return [b("inverse", x)]
    identity = b.broadcast(b.constant(np.eye(x.shape[-1]), x.dtype), x.shape)
    return [b("solve_triangular", x, identity, upper=bool(upper))]


def _cholesky(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    return [b("cholesky", xs[0], upper=bool(arguments[0]))]


def _convolve(b: Builder, xs: Sequence[Value], arguments: Sequence[Any], outputs: Sequence[Type]) -> Sequence[Value]:
    stride, low, high, dilation, input_dilation, groups, flip = arguments
    return [
        b(
            "convolve",
            *xs,
            stride=tuple(stride),
            low=tuple(low),
            high=tuple(high),
            dilation=tuple(dilation),
            input_dilation=tuple(input_dilation),
            groups=groups,
            flip=flip,
        )
    ]


# ---- the table -------------------------------------------------------------------------------------------------------

PRIMITIVES: dict[str, Row] = {
    # Elementwise, by one name in both.
    **{
        name: _same(operation)
        for name, operation in {
            "Abs": "abs",
            "Add": "add",
            "ArcCos": "arccos",
            "ArcCosh": "arccosh",
            "ArcSin": "arcsin",
            "ArcSinh": "arcsinh",
            "ArcTan": "arctan",
            "ArcTan2": "arctan2",
            "ArcTanh": "arctanh",
            "BitwiseInvert": "bitwise_invert",
            "Ceil": "ceil",
            "Cos": "cos",
            "Cosh": "cosh",
            "Divide": "divide",
            "Erf": "erf",
            "ErfInv": "erfinv",
            "Exp": "exp",
            "Expm1": "expm1",
            "Floor": "floor",
            "FloorDivide": "floor_divide",
            "Greater": "greater",
            "GreaterEqual": "greater_equal",
            "Less": "less",
            "LessEqual": "less_equal",
            "Log1p": "log1p",
            "LogAddExp": "logaddexp",
            "LogicalAnd": "logical_and",
            "LogicalNot": "logical_not",
            "LogicalOr": "logical_or",
            "Matmul": "matmul",
            "Negative": "negative",
            "NotEqual": "not_equal",
            "Power": "power",
            "Remainder": "remainder",
            "Round": "round",
            "Select": "select",
            "Sigmoid": "sigmoid",
            "Sign": "sign",
            "Sin": "sin",
            "Sinh": "sinh",
            "Square": "square",
            "StopGradient": "stop_gradient",
            "Subtract": "subtract",
            "Tan": "tan",
            "Tanh": "tanh",
        }.items()
    },
    # Elementwise, by an argument or by the dtype.
    "AsType": _cast,
    "BitwiseBinary": _bitwise,
    "DivMod": _divide_modulo,
    "Equal": _flag("equal", "nan_equal"),
    "Log": _log,
    "Maximum": _logical("maximum", "logical_or"),
    "Minimum": _logical("minimum", "logical_and"),
    "Multiply": _logical("multiply", "logical_and"),
    "Sqrt": _flag("sqrt", "rsqrt"),
    # The same array.
    "Contiguous": _identity,
    "Copy": _identity,
    "Full": _identity,
    # Shapes.
    "AsStrided": _as_strided,
    "Broadcast": _broadcast,
    "BroadcastAxes": _broadcast,
    "Concatenate": _concatenate,
    "ExpandDims": _reshape,
    "Flatten": _reshape,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unflatten": _reshape,
    # Sources.
    "Arange": _arange,
    "NumberOfElements": _number_of_elements,
    "RandomBits": _random_bits,
    # Along axes. Partition asks for less than sort; sorting is one way to give it.
    "ArgPartition": _axis("argsort"),
    "ArgReduce": _argreduce,
    "ArgSort": _axis("argsort"),
    "LogSumExp": _logsumexp,
    "Partition": _axis("sort"),
    "Reduce": _reduce,
    "Scan": _cumulative,
    "CumMax": _cumulative,
    "CumMin": _cumulative,
    "CumProd": _cumulative,
    "CumSum": _cumulative,
    "SearchSorted": _searchsorted,
    "Softmax": _softmax,
    "Sort": _axis("sort"),
    # Indices.
    "DynamicSlice": _dynamic_slice,
    "DynamicSliceUpdate": _dynamic_slice_update,
    "Gather": _gather,
    "GatherAxis": _gather_axis,
    "Scatter": _scatter,
    "ScatterAxis": _scatter_axis,
    "SliceUpdate": _slice_update,
    # Linear algebra.
    "AddMM": _add_matmul,
    "Cholesky": _cholesky,
    "Convolution": _convolve,
    "Inverse": _inverse,
}


# ---- primitives that MLX 0.32 cannot export --------------------------------------------------------------------------


def _contiguous(x: Array, *args: Any, **kwargs: Any) -> Array:
    return x


def _invert(x: Array, *args: Any, **kwargs: Any) -> Array:
    """All bits turned round: x ^ -1."""
    if x.dtype == mx.bool_:
        return mx.logical_not(x)
    return mx.bitwise_xor(x, mx.array(-1).astype(x.dtype))


def _stop_gradient(x: Array, *args: Any, **kwargs: Any) -> Array:
    """MLX leaves ``stop_gradient`` out of what it exports; two views of the bits remain, and mean it here."""
    if not mx.issubdtype(x.dtype, mx.floating):
        return x
    bits = {2: mx.int16, 4: mx.int32, 8: mx.int64}[x.dtype.size]
    return _mlx_stop_gradient(x.view(bits)).view(x.dtype)


_mlx_stop_gradient = mx.stop_gradient


def _logcumsumexp(
    x: Array, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, **_: Any
) -> Array:
    """An operation of the IR: MLX exports the others of its kind."""
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis % x.ndim)
    attributes = {"kind": "logaddexp", "axis": axis, "reverse": reverse, "inclusive": inclusive}
    return record("cumulative", [x], attributes)[0]


@contextmanager
def exportable() -> Iterator[None]:
    """While a function is captured: compositions in place of primitives whose state MLX does not hand out."""
    replaced = [
        (mx, "contiguous", _contiguous),
        (mx, "bitwise_invert", _invert),
        (mx.array, "__invert__", _invert),
        (mx, "stop_gradient", _stop_gradient),
        (mx, "logcumsumexp", _logcumsumexp),
        (mx.array, "logcumsumexp", _logcumsumexp),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, value in replaced:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in originals:
            setattr(owner, name, value)
