"""Loops and branches over MLX functions, with one meaning on every path.

Called plainly they are Python loops over MLX operations: readable, and the ground truth. While a function is compiled
(`genmlx.compile`) they are recorded, and become loops of one native kernel. This module is the only door to the
compiler.

Carries, inputs and results are trees of arrays: tuples, lists, dicts, NamedTuples, records. Python numbers in them
become arrays. Conventions are JAX's:

    scan(step, carry, inputs)          carry, y[i] = step(carry, inputs[i])
    fori_loop(lower, upper, body, x)   x = body(i, x)
    while_loop(condition, body, x)     while condition(x): x = body(x)
    cond(flag, yes, no, *operands)     (yes if flag else no)(*operands)
    switch(index, branches, *operands) branches[index](*operands)
    vmap(f)(xs)                        f over the leading axis
    value_and_grad(f)(x)               f(x) and df/dx

>>> import mlx.core as mx
>>> from genmlx.control import scan
>>> total, sums = scan(lambda s, x: (s + x, s + x), 0.0, mx.array([1.0, 2.0, 3.0]))
>>> sums.tolist()
[1.0, 3.0, 6.0]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.compiler import capture as _capture
from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError
from genmlx.numerics.pytree import Structure, flatten, join_arrays, same_structure, split_arrays, unflatten
from genmlx.numerics.transforms import explain_control_flow
from genmlx.numerics.transforms import vmap as _vmap
from genmlx.numerics.types import Array, Tree

__all__ = ["cond", "fori_loop", "scan", "switch", "value_and_grad", "vmap", "while_loop"]

_PACKAGE = str(Path(__file__).parent)


# ---- scan ------------------------------------------------------------------------------------------------------------


def scan(
    step: Callable[[Tree, Tree], tuple[Tree, Tree]],
    carry: Tree,
    inputs: Tree = None,
    length: int | None = None,
    *,
    reverse: bool = False,
) -> tuple[Tree, Tree]:
    """A loop that carries a state along a sequence: ``carry, outputs[i] = step(carry, inputs[i])``.

    Args:
        step: takes the carry and an element of the inputs, returns the next carry and an output (or None).
        carry: the initial state; ``step`` keeps its structure, shapes and dtypes.
        inputs: a tree of arrays with one leading axis, over which the loop runs; None with ``length``.
        length: how many steps; by default the size of that axis.
        reverse: from the last element to the first. Outputs stay at the place of their input.

    Returns:
        The last carry, and the outputs stacked along a new leading axis.

    Raises:
        ShapeError: the inputs have different lengths, or ``step`` changes what it carries.
    """
    carry, xs = _as_arrays(carry), _as_arrays(inputs)
    count = _length(xs, length)
    if _capture.is_capturing():
        return _scan_captured(step, carry, xs, count, reverse)
    if not count:
        return _scan_nothing(step, carry, xs)
    arrays, structure = split_arrays(xs)
    outputs: list[Tree] = [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        following, outputs[i] = step(carry, join_arrays(structure, [a[i] for a in arrays]))
        following = _as_arrays(following)
        _check_carry("scan", carry, following)
        carry = following
    return carry, _stack(outputs)


def _length(inputs: Tree, length: int | None) -> int:
    lengths = {a.shape[0] if a.ndim else None for a in split_arrays(inputs)[0]}
    if length is not None:
        lengths.add(length)
    if len(lengths) != 1 or None in lengths:
        found = "no inputs and no length" if not lengths else f"lengths {sorted(map(str, lengths))}"
        raise ShapeError(f"scan got {found}", fix="inputs with one leading axis, or length=n")
    (count,) = lengths
    return count  # type: ignore[return-value]


def _scan_nothing(step: Callable[..., Any], carry: Tree, inputs: Tree) -> tuple[Tree, Tree]:
    """No step: the outputs have length 0, and the types that a step would give them."""
    arrays, structure = split_arrays(inputs)
    element = join_arrays(structure, [mx.zeros(a.shape[1:], a.dtype) for a in arrays])
    following, output = step(carry, element)
    _check_carry("scan", carry, _as_arrays(following))
    outputs, structure = split_arrays(_as_arrays(output))
    return carry, join_arrays(structure, [mx.zeros((0, *a.shape), a.dtype) for a in outputs])


def _stack(outputs: Sequence[Tree]) -> Tree:
    parts = [split_arrays(_as_arrays(o)) for o in outputs]
    structure = parts[0][1]
    if not all(same_structure(structure, other) for _, other in parts):
        raise ShapeError("the steps of a scan returned outputs of different structures", fix="one structure for all")
    return join_arrays(structure, [mx.stack(list(column)) for column in zip(*(a for a, _ in parts), strict=True)])


def _scan_captured(step: Callable[..., Any], carry: Tree, inputs: Tree, count: int, reverse: bool) -> tuple[Tree, Tree]:
    carried, xs = split_arrays(carry)[0], split_arrays(inputs)[0]
    element = join_arrays(split_arrays(inputs)[1], [mx.zeros(x.shape[1:], x.dtype) for x in xs])

    def body(carry: Tree, x: Tree) -> tuple[Tree, Tree]:
        following, output = step(carry, x)
        following = _as_arrays(following)
        _check_carry("scan", carry, following)
        return following, _as_arrays(output)

    traced = _trace(body, (carry, element))
    attributes = {"length": count, "carries": len(carried), "sequences": len(xs), "reverse": reverse}
    out = _record("scan", [*carried, *xs, *traced.rest], attributes, [traced.region])
    return join_arrays(traced.structure, out)


# ---- loops -----------------------------------------------------------------------------------------------------------


def fori_loop(lower: int | Array, upper: int | Array, body: Callable[[Array, Tree], Tree], carry: Tree) -> Tree:
    """``for i in range(lower, upper): carry = body(i, carry)``; ``i`` is an int32 array.

    With Python integers as bounds the loop can be differentiated; with arrays it is a `while_loop`.

    Raises:
        ShapeError: ``body`` changes the structure, a shape or a dtype of what it carries.
    """
    if isinstance(lower, int) and isinstance(upper, int):
        indices = mx.arange(lower, max(upper, lower), dtype=mx.int32)
        return scan(lambda c, i: (body(i, c), None), carry, indices)[0]
    first = mx.array(lower, dtype=mx.int32)
    last = mx.array(upper, dtype=mx.int32)
    return while_loop(lambda s: s[0] < last, lambda s: (s[0] + 1, body(s[0], s[1])), (first, carry))[1]


def while_loop(condition: Callable[[Tree], Array], body: Callable[[Tree], Tree], carry: Tree) -> Tree:
    """``while condition(carry): carry = body(carry)``.

    Has no gradient in reverse mode: the number of steps is not known. `scan` and `fori_loop` with integers have.

    Raises:
        ShapeError: ``body`` changes the structure, a shape or a dtype of what it carries.
        ControlFlowError: it is vectorised by ``mx.vmap`` or differentiated, where there is no value to decide on.
    """
    carry = _as_arrays(carry)
    if _capture.is_capturing():
        return _while_captured(condition, body, carry)
    with explain_control_flow():
        while bool(condition(carry)):
            following = _as_arrays(body(carry))
            _check_carry("while_loop", carry, following)
            carry = following
            mx.eval(split_arrays(carry)[0])  # one step at a time, so that the graph does not grow with their number
    return carry


def _while_captured(condition: Callable[[Tree], Array], body: Callable[[Tree], Tree], carry: Tree) -> Tree:
    arrays, structure = split_arrays(carry)

    def checked(state: Tree) -> Tree:
        following = _as_arrays(body(state))
        _check_carry("while_loop", state, following)
        return following

    test = _trace(lambda state: _flag(condition(state)), (carry,))
    loop = _trace(checked, (carry,))
    # Both regions see the same operands: each ignores what only the other needs.
    n, first, second = len(arrays), len(test.rest), len(loop.rest)
    regions = [
        _capture.widened(test.region, n + first, [], [_capture.type_of(r) for r in loop.rest]),
        _capture.widened(loop.region, n, [_capture.type_of(r) for r in test.rest], []),
    ]
    assert len(regions[0].parameters) == len(regions[1].parameters) == n + first + second
    return join_arrays(structure, _record("while", [*arrays, *test.rest, *loop.rest], {"carries": n}, regions))


# ---- branches --------------------------------------------------------------------------------------------------------


def cond(flag: bool | Array, on_true: Callable[..., Tree], on_false: Callable[..., Tree], *operands: Tree) -> Tree:
    """``on_true(*operands) if flag else on_false(*operands)``; both return one structure, with equal shapes and dtypes.

    Where the flag has no value (under ``mx.vmap`` and ``mx.grad``) both run and `mx.where` chooses.

    Raises:
        ShapeError: the two return different structures, shapes or dtypes.
    """
    index = flag if isinstance(flag, bool) else _flag(flag)
    return switch(int(index) if isinstance(index, bool) else index.astype(mx.int32), (on_false, on_true), *operands)


def switch(index: int | Array, branches: Sequence[Callable[..., Tree]], *operands: Tree) -> Tree:
    """``branches[index](*operands)``; an index out of range means the nearest branch.

    Where the index has no value (under ``mx.vmap`` and ``mx.grad``) all branches run and `mx.where` chooses.

    Raises:
        ShapeError: the branches return different structures, shapes or dtypes.
        UsageError: there is no branch.
    """
    if not branches:
        raise UsageError("switch got no branches", fix="switch(index, (f, g), *operands)")
    operands = _as_arrays(operands)
    if isinstance(index, int):
        return _as_arrays(branches[min(max(index, 0), len(branches) - 1)](*operands))
    index = mx.array(index).reshape(()).astype(mx.int32)
    if _capture.is_capturing():
        return _switch_captured(index, branches, operands)
    try:
        chosen = int(index)
    except ValueError:
        return _choose(index, [_as_arrays(branch(*operands)) for branch in branches])
    return _as_arrays(branches[min(max(chosen, 0), len(branches) - 1)](*operands))


def _choose(index: Array, results: Sequence[Tree]) -> Tree:
    """The result at an index that has no value yet."""
    chosen, structure = split_arrays(results[0])
    for i, result in enumerate(results[1:], 1):
        _check_branches(results[0], result)
        chosen = [mx.where(index >= i, b, a) for a, b in zip(chosen, split_arrays(result)[0], strict=True)]
    return join_arrays(structure, chosen)


def _switch_captured(index: Array, branches: Sequence[Callable[..., Tree]], operands: Tree) -> Tree:
    def run(branch: Callable[..., Tree]) -> Callable[..., Tree]:
        return lambda *xs: _as_arrays(branch(*xs))

    traced = [_trace(run(branch), operands) for branch in branches]
    for other in traced[1:]:
        _check_same("the branches return", traced[0].results, traced[0].structure, other.results, other.structure)
    arrays = split_arrays(operands)[0]
    types = [[_capture.type_of(r) for r in t.rest] for t in traced]
    regions = []
    for i, t in enumerate(traced):
        before = [x for rest in types[:i] for x in rest]
        after = [x for rest in types[i + 1 :] for x in rest]
        regions.append(_capture.widened(_capture.widened(t.region, len(arrays), before, []), None, [], after))
    rest = [r for t in traced for r in t.rest]
    return join_arrays(traced[0].structure, _record("switch", [index, *arrays, *rest], {}, regions))


# ---- transformations -------------------------------------------------------------------------------------------------


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

    def __call__(self, *args: Tree) -> Tree:
        args = _as_arrays(args)
        axes = self.axes(args)
        mapped = [_leading(arg, axis) for arg, axis in zip(args, axes, strict=True) if axis is not None]
        shared = [arg if axis is None else None for arg, axis in zip(args, axes, strict=True)]
        f = self.f

        def one(*xs: Tree) -> Tree:
            rest = iter(xs)
            return _as_arrays(f(*(arg if a is None else next(rest) for arg, a in zip(shared, axes, strict=True))))

        if _capture.is_capturing():
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
    arrays, structure = split_arrays(arg)
    if axis is None or axis == 0:
        return arg
    return join_arrays(structure, [mx.moveaxis(a, axis, 0) for a in arrays])


def _map_captured(one: Callable[..., Tree], mapped: Sequence[Tree]) -> Tree:
    arrays, structure = split_arrays(tuple(mapped))
    sizes = {a.shape[0] if a.ndim else None for a in arrays}
    if len(sizes) != 1 or None in sizes:
        raise ShapeError(f"vmap got arguments of sizes {sorted(map(str, sizes))} along its axis: they must be one size")
    (size,) = sizes
    element = join_arrays(structure, [mx.zeros(a.shape[1:], a.dtype) for a in arrays])
    traced = _trace(one, element)
    out = _record("map", [*arrays, *traced.rest], {"size": size, "mapped": len(arrays)}, [traced.region])
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
        args = _as_arrays(args)
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
            return _scalar(value), _as_arrays(aux)

        if _capture.is_capturing():
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
        found = _capture.type_of(value) if isinstance(value, mx.array) else type(value).__name__
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
    traced = _trace(lambda *floats: of_floats(floats), tuple(xs))
    out = _record("gradient", [*xs, *traced.rest], {"wrt": tuple(range(len(xs)))}, [traced.region])
    count = len(traced.results)
    value, aux = join_arrays(traced.structure, out[:count])
    return value, aux, out[count:]


# ---- capture ---------------------------------------------------------------------------------------------------------


class _Traced(NamedTuple):
    """A body: its region, the operands it needs beside its arguments, and what it returns."""

    region: Any
    rest: list[Array]
    results: list[Array]
    structure: Structure


def _trace(body: Callable[..., Tree], args: tuple[Tree, ...]) -> _Traced:
    """Capture ``body`` for arguments like ``args``."""
    closed, remake = _capture.lifted(body)
    arrays, structure = split_arrays(args)
    found: list[tuple[list[Array], Structure]] = []

    def flat(*xs: Array) -> list[Array]:
        out = split_arrays(remake(xs[len(arrays) :])(*join_arrays(structure, list(xs[: len(arrays)]))))
        found.append(out)
        return out[0]

    examples = [mx.zeros(x.shape, x.dtype) for x in (*arrays, *closed)]
    captured = _capture.capture(flat, *examples)
    results, result_structure = found[-1]
    return _Traced(captured.region, [*closed, *captured.data], results, result_structure)


def _record(name: str, operands: Sequence[Array], attributes: dict[str, Any], regions: Sequence[Any]) -> list[Array]:
    return _capture.record(name, operands, attributes, regions, source=_user_line())


def _user_line() -> str:
    """Where the user's program is: file and line."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


# ---- trees -----------------------------------------------------------------------------------------------------------


def _as_arrays(tree: Tree) -> Tree:
    """The tree with its Python numbers as arrays: floats in float32, integers in int32."""
    if isinstance(tree, mx.array):
        return tree
    leaves, treedef = flatten(tree)
    if not any(isinstance(leaf, bool | int | float) for leaf in leaves):
        return tree
    return unflatten(treedef, [mx.array(x) if isinstance(x, bool | int | float) else x for x in leaves])


def _flag(flag: Any) -> Array:
    flag = mx.array(flag)
    if flag.size != 1:
        raise ShapeError(f"a condition has shape {flag.shape}, not one element", fix="mx.all(...) or mx.any(...)")
    return flag.reshape(()).astype(mx.bool_)


def _check_carry(what: str, before: Tree, after: Tree) -> None:
    (old, old_structure), (new, new_structure) = split_arrays(before), split_arrays(after)
    _check_same(f"{what} carries", old, old_structure, new, new_structure)


def _check_branches(first: Tree, other: Tree) -> None:
    (a, a_structure), (b, b_structure) = split_arrays(first), split_arrays(other)
    _check_same("the branches return", a, a_structure, b, b_structure)


def _check_same(
    what: str, a: Sequence[Array], a_structure: Structure, b: Sequence[Array], b_structure: Structure
) -> None:
    if not same_structure(a_structure, b_structure):
        raise ShapeError(f"{what} {a_structure.treedef} and then {b_structure.treedef}", fix="one structure for both")
    for x, y in zip(a, b, strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            raise ShapeError(
                f"{what} {_capture.type_of(x)} and then {_capture.type_of(y)}",
                fix="one shape and dtype for both: mx.broadcast_to(x, shape), x.astype(dtype)",
            )
