"""Functions of functions: `vmap` and `value_and_grad`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.compiler import capture
from genmlx.control.bodies import record, trace_body
from genmlx.control.loops import scan
from genmlx.control.trees import as_arrays
from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError
from genmlx.numerics.pytree import Structure, join_arrays, split_arrays
from genmlx.numerics.transforms import explain_control_flow
from genmlx.numerics.transforms import vmap as _vmap
from genmlx.numerics.types import Array, Tree

__all__ = ["Vectorised", "leading_size", "value_and_grad", "vmap"]


class Vectorised(NamedTuple):
    """``vmap(f, in_axes)``: callable; `genmlx.compile` makes its leading axis the lanes of a kernel."""

    f: Callable[..., Tree]
    in_axes: int | tuple[int | None, ...] | None

    def axes(self, args: Sequence[Tree]) -> tuple[int | None, ...]:
        """The axis of each argument."""
        axes = self.in_axes if isinstance(self.in_axes, tuple) else (self.in_axes,) * len(args)
        if len(axes) != len(args):
            raise UsageError(f"vmap has in_axes for {len(axes)} arguments and got {len(args)}")
        if all(a is None for a in axes):
            raise UsageError("vmap over nothing: in_axes is None for every argument", fix="an axis for at least one")
        return axes

    def lanes_first(self, args: Sequence[Tree]) -> tuple[Tree, ...]:
        """The arguments, with the axis that is mapped in front."""
        return tuple([_leading(arg, axis) for arg, axis in zip(args, self.axes(args), strict=True)])

    def __call__(self, *args: Tree) -> Tree:
        args = as_arrays(args)
        axes = self.axes(args)
        mapped = [arg for arg, axis in zip(self.lanes_first(args), axes, strict=True) if axis is not None]
        shared = [arg if axis is None else None for arg, axis in zip(args, axes, strict=True)]
        f = self.f

        def one(*xs: Tree) -> Tree:
            rest = iter(xs)
            return as_arrays(f(*(arg if a is None else next(rest) for arg, a in zip(shared, axes, strict=True))))

        if capture.is_capturing():
            return _map_captured(one, mapped)
        try:
            return _vmap(one)(*mapped)
        except ControlFlowError:  # a while loop: each execution has its own number of steps
            return scan(lambda _, xs: (None, one(*xs)), None, tuple(mapped))[1]


def vmap(f: Callable[..., Tree], in_axes: int | tuple[int | None, ...] | None = 0) -> Vectorised:
    """``f`` over an axis of its arguments: by default the leading one of each; ``None`` shares an argument.

    Results have the axis first. A function with a `while_loop` runs element by element where MLX runs it; compiled, the
    elements run side by side until all are done.

    Raises:
        ShapeError: the arguments have different sizes along the axis.
    """
    return Vectorised(f, in_axes)


def _leading(arg: Tree, axis: int | None) -> Tree:
    if axis is None:
        return arg
    arrays, structure = split_arrays(arg)
    for a in arrays:
        if not -a.ndim <= axis < a.ndim:
            raise ShapeError(f"vmap over axis {axis} of an array of shape {a.shape}")
    return join_arrays(structure, [mx.moveaxis(a, axis, 0) for a in arrays]) if axis else arg


def leading_size(arrays: Sequence[Array]) -> int:
    """The size of the axis that is mapped, where it is in front."""
    sizes = {a.shape[0] for a in arrays}
    if len(sizes) != 1:
        raise ShapeError(f"vmap got arguments of sizes {sorted(sizes)} along its axis: they must be one size")
    (size,) = sizes
    return size


def _map_captured(one: Callable[..., Tree], mapped: Sequence[Tree]) -> Tree:
    arrays, structure = split_arrays(tuple(mapped))
    size = leading_size(arrays)
    element = join_arrays(structure, [mx.zeros(a.shape[1:], a.dtype) for a in arrays])
    traced = trace_body(one, element)
    out = record("map", [*arrays, *traced.rest], {"size": size, "mapped": len(arrays)}, [traced.region])
    return join_arrays(traced.structure, out)


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Tree]]:
    """The value of a function, and its gradient by one argument or several.

    Args:
        f: returns a float scalar; with ``has_aux`` a pair of it and a tree.
        argnums: the argument to differentiate by (the gradient is a tree like it), or a tuple of them (a tuple of
            trees). Integer arrays in it get zeros.
        has_aux: whether ``f`` returns more than its value.

    Returns:
        A function of the same arguments: ``(value, gradient)``, or ``((value, aux), gradient)``.
    """
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)

    def with_gradient(*args: Tree) -> tuple[Any, Tree]:
        args = as_arrays(args)
        wanted = tuple(args[i] for i in numbers)
        xs, structure = split_arrays(wanted)
        floating = [i for i, x in enumerate(xs) if mx.issubdtype(x.dtype, mx.floating)]
        # What the function below closes over is what it needs, and no array that it replaces.
        fixed = [None if i in floating else x for i, x in enumerate(xs)]
        others = [None if i in numbers else arg for i, arg in enumerate(args)]

        def of_floats(floats: Sequence[Array]) -> tuple[Array, Tree]:
            full: list[Any] = list(fixed)
            for i, x in zip(floating, floats, strict=True):
                full[i] = x
            arguments = list(others)
            for i, arg in zip(numbers, join_arrays(structure, full), strict=True):
                arguments[i] = arg
            out = f(*arguments)
            value, aux = out if has_aux else (out, None)
            return _scalar(value), as_arrays(aux)

        if capture.is_capturing():
            value, aux, gradients = _gradient_captured(of_floats, [xs[i] for i in floating])
        else:
            with explain_control_flow():
                (value, aux), gradients = _mlx_gradient(of_floats, [xs[i] for i in floating])
        full = [mx.zeros_like(x) for x in xs]
        for i, gradient in zip(floating, gradients, strict=True):
            full[i] = gradient
        trees = join_arrays(structure, full)
        return (value, aux) if has_aux else value, trees if isinstance(argnums, tuple) else trees[0]

    return with_gradient


def _scalar(value: Any) -> Array:
    if not isinstance(value, mx.array) or value.size != 1 or not mx.issubdtype(value.dtype, mx.floating):
        found = capture.type_of(value) if isinstance(value, mx.array) else type(value).__name__
        raise UsageError(f"value_and_grad differentiates a float scalar, and the function returned {found}")
    return value.reshape(()) if value.ndim else value


def _mlx_gradient(f: Callable[..., tuple[Array, Tree]], xs: list[Array]) -> tuple[tuple[Array, Tree], list[Array]]:
    if not xs:
        return f(xs), []
    kept: list[Structure] = []

    def flat(floats: list[Array]) -> tuple[Array, list[Array]]:
        value, aux = f(floats)
        arrays, structure = split_arrays(aux)
        kept.append(structure)
        return value, arrays

    (value, arrays), gradients = mx.value_and_grad(flat)(xs)
    return (value, join_arrays(kept[-1], arrays)), gradients


def _gradient_captured(
    of_floats: Callable[..., tuple[Array, Tree]], xs: list[Array]
) -> tuple[Array, Tree, list[Array]]:
    traced = trace_body(lambda *floats: of_floats(floats), tuple(xs))
    out = record("gradient", [*xs, *traced.rest], {"wrt": tuple(range(len(xs)))}, [traced.region])
    count = len(traced.results)
    value, aux = join_arrays(traced.structure, out[:count])
    return value, aux, out[count:]
