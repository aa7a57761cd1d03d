"""The table of operations: for each its kind, the types it gives, and what it means, in NumPy.

Operations are those of MLX, fewer: what MLX spells in several ways (``squeeze``, ``flatten``, ``expand_dims``) is one
operation (``reshape``), and nothing broadcasts implicitly. Where MLX leaves a result undefined it is defined here:

* an index counts from the end if it is negative; one that is still outside reads the nearest element (gather), and
  writes nothing (scatter); the start of a slice is moved so that the slice fits;
* a float that does not fit an integer becomes the nearest that does, and nan becomes 0;
* division of integers by zero gives 0, and so does a shift by the width or more;
* integers wrap.

Kinds: *elementwise* operations take values of one shape and mean the same at each element; *views* only rename
elements; *structured* operations run regions. In the attributes ``axes`` and ``axis`` are not negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from genmlx.compiler.ir import meanings
from genmlx.compiler.ir import typing_rules as rules
from genmlx.compiler.ir.types import DTYPES, Region, Type
from genmlx.compiler.ir.typing_rules import OpError

__all__ = ["ELEMENTWISE", "OPS", "STRUCTURED", "VIEWS", "OpDef", "OpError", "output_types"]


class OpDef(NamedTuple):
    """A row: kind, typing rule, and meaning: a function of NumPy arrays and keyword attributes."""

    name: str
    kind: str
    rule: rules.Rule | None
    meaning: Callable[..., Any] | None


def output_types(
    name: str, inputs: Sequence[Type], attributes: Mapping[str, Any], regions: Sequence[Region] = ()
) -> tuple[Type, ...]:
    """The types of an operation's outputs.

    Raises:
        OpError: the operation does not take these inputs.
    """
    if name not in OPS:
        raise OpError(f"no operation is called {name!r}")
    if name in _STRUCTURED_RULES:
        return _STRUCTURED_RULES[name](inputs, attributes, regions)
    rule = OPS[name].rule
    assert rule is not None
    try:
        return (rule(inputs, attributes),)
    except OpError as error:
        raise OpError(f"{name}({', '.join(map(str, inputs))}): {error}") from None


_STRUCTURED_RULES = {
    "scan": rules.scan,
    "while": rules.while_,
    "switch": rules.switch,
    "map": rules.map_,
    "gradient": rules.gradient,
}


def _rows() -> list[OpDef]:
    def unary(name: str, meaning: Callable[..., Any], dtypes: str = "float", result: str | None = None) -> OpDef:
        return OpDef(name, "elementwise", rules.elementwise(1, dtypes, result), meaning)

    def binary(name: str, meaning: Callable[..., Any], dtypes: str = "any", result: str | None = None) -> OpDef:
        return OpDef(name, "elementwise", rules.elementwise(2, dtypes, result), meaning)

    one = {name: getattr(np, name) for name in ("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt")}
    trigonometric = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
    trigonometric += ("arcsinh", "arccosh", "arctanh")
    return [
        # Elementwise, of one value.
        *(unary(name, function) for name, function in one.items()),
        *(unary(name, getattr(np, name)) for name in trigonometric),
        unary("rsqrt", lambda x: 1.0 / np.sqrt(x)),
        unary("erf", meanings.special("erf")),
        unary("erfinv", meanings.special("erfinv")),
        unary("sigmoid", meanings.sigmoid),
        *(unary(name, getattr(np, name), "number") for name in ("floor", "ceil")),
        unary("round", meanings.rounded, "number"),
        unary("negative", np.negative, "number"),
        unary("abs", np.abs, "number"),
        unary("sign", meanings.sign, "number"),
        unary("square", np.square, "number"),
        unary("logical_not", np.logical_not, "bool"),
        unary("bitwise_invert", np.invert, "integer"),
        unary("stop_gradient", lambda x: x, "any"),
        OpDef("cast", "elementwise", rules.cast, meanings.cast),
        # Of two.
        *(binary(name, getattr(np, name), "number") for name in ("add", "subtract", "multiply")),
        binary("divide", meanings.divide, "number"),
        binary("floor_divide", meanings.floor_divide, "number"),
        binary("remainder", meanings.remainder, "number"),
        binary("power", meanings.power, "number"),
        binary("minimum", np.minimum),
        binary("maximum", np.maximum),
        binary("arctan2", np.arctan2, "float"),
        binary("logaddexp", np.logaddexp, "float"),
        *(binary(name, getattr(np, name), "any", "bool") for name in ("equal", "not_equal", "less", "less_equal")),
        *(binary(name, getattr(np, name), "any", "bool") for name in ("greater", "greater_equal")),
        binary("nan_equal", meanings.nan_equal, "any", "bool"),
        binary("logical_and", np.logical_and, "bool"),
        binary("logical_or", np.logical_or, "bool"),
        *(binary(name, getattr(np, name), "bits") for name in ("bitwise_and", "bitwise_or", "bitwise_xor")),
        binary("left_shift", meanings.shift(np.left_shift), "integer"),
        binary("right_shift", meanings.shift(np.right_shift), "integer"),
        # Of three.
        OpDef("select", "elementwise", rules.select, np.where),
        # Views: the same elements, named otherwise.
        OpDef("broadcast", "view", rules.broadcast, lambda x, *, shape: np.broadcast_to(x, shape)),
        OpDef("reshape", "view", rules.reshape, lambda x, *, shape: np.reshape(x, shape)),
        OpDef("transpose", "view", rules.transpose, lambda x, *, axes: np.transpose(x, axes)),
        OpDef("slice", "view", rules.slice_, meanings.slice_),
        # Sources.
        OpDef("constant", "source", rules.constant, lambda *, value: value),
        OpDef("iota", "source", rules.iota, lambda *, size, dtype: np.arange(size).astype(DTYPES[dtype])),
        OpDef("random_bits", "source", rules.random_bits, meanings.random_bits),
        # Parts of arrays.
        OpDef("slice_update", "array", rules.slice_update, meanings.slice_update),
        OpDef("dynamic_slice", "array", rules.dynamic_slice, meanings.dynamic_slice),
        OpDef("dynamic_slice_update", "array", rules.dynamic_slice_update, meanings.dynamic_slice_update),
        OpDef("concatenate", "array", rules.concatenate, lambda *xs, axis: np.concatenate(xs, axis=axis)),
        OpDef("pad", "array", rules.pad, meanings.pad),
        OpDef("gather", "array", rules.gather, meanings.gather),
        OpDef("scatter", "array", rules.scatter, meanings.scatter),
        OpDef("gather_axis", "array", rules.gather_axis, meanings.gather_axis),
        OpDef("scatter_axis", "array", rules.scatter_axis, meanings.scatter_axis),
        # Along axes. Reductions drop their axes.
        OpDef("reduce", "reduction", rules.reduce, meanings.reduce),
        OpDef("argreduce", "reduction", rules.argreduce, meanings.argreduce),
        OpDef("cumulative", "array", rules.along_axis, meanings.cumulative),
        OpDef("sort", "array", rules.along_axis, meanings.sort),
        OpDef("argsort", "array", rules.argsort, meanings.argsort),
        OpDef(
            "searchsorted",
            "array",
            rules.searchsorted,
            lambda sequence, x, *, right: np.searchsorted(sequence, x, "right" if right else "left").astype(np.uint32),
        ),
        # Linear algebra, over leading axes.
        OpDef("matmul", "array", rules.matmul, meanings.matmul),
        OpDef("cholesky", "array", rules.square_matrix, meanings.cholesky),
        OpDef("inverse", "array", rules.square_matrix, meanings.inverse),
        OpDef("solve_triangular", "array", rules.solve_triangular, meanings.solve_triangular),
        OpDef("convolve", "array", rules.convolve, meanings.convolve),
        # Structured: run by `genmlx.compiler.ir.interpret`.
        *(OpDef(name, "structured", None, None) for name in _STRUCTURED_RULES),
    ]


OPS: dict[str, OpDef] = {row.name: row for row in _rows()}
"""Every operation by name."""

ELEMENTWISE = frozenset(name for name, row in OPS.items() if row.kind == "elementwise")
VIEWS = frozenset(name for name, row in OPS.items() if row.kind == "view")
STRUCTURED = frozenset(_STRUCTURED_RULES)
