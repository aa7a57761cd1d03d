"""MLX's transformations over trees of our records.

``vmap`` and ``one_by_one`` have one meaning and two costs: the first traces the function once and runs all lanes
in each operation; the second is the reference that the first is tested against, and the way out for functions whose
Python control flow depends on values.
"""

import contextlib
import dataclasses
import linecache
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import mlx.core as mx

from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError
from genmlx.numerics.intrinsics import composed
from genmlx.numerics.pytree import Structure, join_arrays, map_arrays, same_structure, split_arrays
from genmlx.numerics.repairs import distinct, repaired
from genmlx.numerics.types import Array, Tree

__all__ = ["Mapper", "explain_control_flow", "one_by_one", "value_and_grad", "vmap", "where"]

Mapper = Callable[[Callable[..., Tree]], Callable[..., Tree]]
"""`vmap` or `one_by_one`: a function of one execution to a function of all, over the leading axis of every array."""

_EVAL_IN_TRANSFORM = "Attempting to eval an array during function transformations"
_PACKAGE = str(Path(__file__).parent.parent)
MSG_CONTROL_FLOW = (
    "mx.where(condition, a, b) for values, gm.Switch or gm.Mask for random choices, control.cond or control.scan "
    "for loops; or run without n= and without compilation, where Python control flow is free"
)


@contextlib.contextmanager
def explain_control_flow() -> Iterator[None]:
    """Turn MLX's "eval during transformations" into an error that names the user's line."""
    try:
        yield
    except ValueError as error:
        if _EVAL_IN_TRANSFORM not in str(error) or isinstance(error, ControlFlowError):
            raise
        raise ControlFlowError(
            "Python needed the value of an array (if, while, float(), .item(), a list index, a NumPy conversion), "
            "but the model is vectorised, differentiated or compiled here, and no values exist yet",
            where=_user_line(error),
            fix=MSG_CONTROL_FLOW,
        ) from error


def _user_line(error: BaseException) -> str:
    """The innermost line that is not ours: file, number and text."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if not f.filename.startswith(_PACKAGE)] or frames
    frame = outside[-1]
    text = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f'{frame.filename}:{frame.lineno} ({frame.name}): "{text}"'


def vmap(f: Callable[..., Tree]) -> Callable[..., Tree]:
    """``f`` over the leading axis of every array in its arguments; other leaves are shared by all lanes.

    Every array of the result has the leading axis, also one that no lane changed.
    """

    def mapped(*args: Tree) -> Tree:
        arrays, structure = split_arrays(args)
        _leading_axis(arrays)
        traced: list[Structure] = []

        def lane(*lane_arrays: Array) -> list[Array]:
            result, result_structure = split_arrays(f(*join_arrays(structure, list(lane_arrays))))
            _refuse_hidden_arrays(result_structure)
            traced.append(result_structure)
            return distinct(result)

        with explain_control_flow(), repaired(), composed():
            outputs = mx.vmap(lane)(*arrays)
        return join_arrays(traced[-1], list(outputs))

    return mapped


def _refuse_hidden_arrays(structure: Structure) -> None:
    """A dataclass is a leaf to us: an array inside it would leave the transformation without its value."""
    for leaf in structure.static:
        if not dataclasses.is_dataclass(leaf):
            continue
        arrays = [v for v in (getattr(leaf, f.name, None) for f in dataclasses.fields(leaf)) if isinstance(v, mx.array)]
        try:
            mx.eval(arrays)  # those of the caller have a value, and are shared by all lanes
        except ValueError as error:
            raise UsageError(
                f"a vectorised function returned an array inside {type(leaf).__name__}, which is a dataclass",
                fix="a tuple, a dict or a NamedTuple, whose arrays can be followed",
            ) from error


def one_by_one(f: Callable[..., Tree]) -> Callable[..., Tree]:
    """The reference for `vmap`: call ``f`` for each index of the leading axis and stack the results."""

    def mapped(*args: Tree) -> Tree:
        arrays, structure = split_arrays(args)
        results, shape = [], None
        for i in range(_leading_axis(arrays)):
            result, result_structure = split_arrays(f(*join_arrays(structure, [a[i] for a in arrays])))
            if shape is not None and not same_structure(shape, result_structure):
                raise ShapeError(
                    f"executions 0 and {i} made different choices or results, so they cannot be stacked",
                    fix="run them apart (without n=), or give the model one structure with gm.Switch or gm.Mask",
                )
            if results and any(x.shape != y.shape for x, y in zip(results[0], result, strict=True)):
                raise ShapeError(
                    f"executions 0 and {i} made arrays of different shapes, so they cannot be stacked",
                    fix="run them apart (without n=), or give the arrays one shape",
                )
            shape = result_structure
            results.append(result)
        assert shape is not None
        return join_arrays(shape, [mx.stack(list(column)) for column in zip(*results, strict=True)])

    return mapped


def _leading_axis(arrays: list[Array]) -> int:
    sizes = {a.shape[0] if a.ndim else None for a in arrays}
    if len(sizes) != 1 or None in sizes:
        raise ShapeError(f"the arrays to map over have leading axes {sorted(map(str, sizes))}: they must be one size")
    (size,) = sizes
    if not size:
        raise ShapeError("nothing to map over: the leading axis has size 0")
    return size


def value_and_grad(f: Callable[[Tree], Array]) -> Callable[[Tree], tuple[Array, Tree]]:
    """Value and gradient of a scalar function of one tree, with respect to its floating-point arrays.

    Integer arrays and other leaves are constants; their place in the gradient holds zeros or the leaf itself.
    """

    def with_gradient(tree: Tree) -> tuple[Array, Tree]:
        arrays, structure = split_arrays(tree)
        floating = [i for i, a in enumerate(arrays) if mx.issubdtype(a.dtype, mx.floating)]

        def of_floats(xs: list[Array]) -> Array:
            full = list(arrays)
            for i, x in zip(floating, xs, strict=True):
                full[i] = x
            return f(join_arrays(structure, full))

        with explain_control_flow(), composed():
            if floating:
                value, gradients = mx.value_and_grad(of_floats)([arrays[i] for i in floating])
            else:
                value, gradients = of_floats([]), []
        full = [mx.zeros_like(a) for a in arrays]
        for i, gradient in zip(floating, gradients, strict=True):
            full[i] = gradient
        return value, join_arrays(structure, full)

    return with_gradient


def where(flag: Array, a: Tree, b: Tree) -> Tree:
    """``a`` where ``flag``, else ``b``, array by array; the flag's axes are the leading axes of every array."""

    def choose(x: Array, y: Array) -> Array:
        return mx.where(flag.reshape(flag.shape + (1,) * (x.ndim - flag.ndim)), x, y)

    return map_arrays(choose, a, b)
