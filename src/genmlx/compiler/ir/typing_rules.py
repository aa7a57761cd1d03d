"""The typing rules of the operations: from the types of the inputs, and the attributes, to the types of the outputs.

A structured operation's rule gets its regions too, and its docstring says what the operation means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genmlx.compiler.ir.types import DTYPES, Region, Type

Attributes = Mapping[str, Any]
Rule = Callable[[Sequence[Type], Attributes], Type]


class OpError(ValueError):
    """An operation that its row in the table does not allow."""


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise OpError(text)


# ---- elementwise -----------------------------------------------------------------------------------------------------


def elementwise(count: int, dtypes: str = "any", result: str | None = None) -> Rule:
    """Inputs of one type; the output has it too, or dtype ``result``."""

    def typing(inputs: Sequence[Type], attributes: Attributes) -> Type:
        _require(len(inputs) == count, f"takes {count} inputs")
        _require(all(t == inputs[0] for t in inputs), "the inputs have different types")
        _require_kind(inputs[0].dtype, dtypes)
        return inputs[0] if result is None else Type(result, inputs[0].shape)

    return typing


def _require_kind(dtype: str, kind: str) -> None:
    kinds = {
        "any": True,
        "float": dtype.startswith("float"),
        "number": dtype != "bool",
        "integer": "int" in dtype,
        "bits": "int" in dtype or dtype == "bool",
        "bool": dtype == "bool",
    }
    _require(kinds[kind], f"{dtype} is not {'an' if kind[0] in 'aeiou' else 'a'} {kind} type")


def select(inputs: Sequence[Type], attributes: Attributes) -> Type:
    _require(len(inputs) == 3, "takes 3 inputs")
    flag, yes, no = inputs
    _require(flag.dtype == "bool" and yes == no and flag.shape == yes.shape, "takes a bool and two equal types")
    return yes


def cast(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    _require(attributes["dtype"] in DTYPES, f"{attributes['dtype']} is not compiled")
    return Type(attributes["dtype"], x.shape)


def constant(inputs: Sequence[Type], attributes: Attributes) -> Type:
    value = attributes["value"]
    _require(value.dtype.name in DTYPES, f"{value.dtype} is not compiled")
    return Type(value.dtype.name, value.shape)


def broadcast(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    shape = tuple(attributes["shape"])
    tail = shape[len(shape) - len(x.shape) :]
    fits = len(shape) >= len(x.shape) and all(a in {1, b} for a, b in zip(x.shape, tail, strict=True))
    _require(fits, f"does not broadcast to {shape}")
    return Type(x.dtype, shape)


def reshape(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    shape = tuple(attributes["shape"])
    _require(math.prod(shape) == x.size, f"does not have the size of {shape}")
    return Type(x.dtype, shape)


def transpose(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    axes = attributes["axes"]
    _require(sorted(axes) == list(range(len(x.shape))), f"{axes} are not its axes")
    return Type(x.dtype, tuple(x.shape[a] for a in axes))


def slice_(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    return Type(x.dtype, tuple(len(range(n)[s]) for n, s in zip(x.shape, slices_of(attributes), strict=True)))


def slices_of(attributes: Attributes) -> tuple[slice, ...]:
    """Per axis where it starts, how many elements, and the step, which may be negative."""
    found = []
    for start, size, step in zip(attributes["starts"], attributes["sizes"], attributes["steps"], strict=True):
        stop = start + size * step
        found.append(slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0))
    return tuple(found)


def slice_update(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, update = inputs
    _require(x.dtype == update.dtype, "the dtypes differ")
    _require(update.shape == tuple(attributes["sizes"]), f"the update is not of shape {attributes['sizes']}")
    return x


def dynamic_slice(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, *starts = inputs
    axes, sizes = attributes["axes"], attributes["sizes"]
    _require(len(starts) == len(axes), "an axis needs a start")
    _require(all(s.shape == () and "int" in s.dtype for s in starts), "starts are integer scalars")
    _require(all(size <= n for size, n in zip(sizes, x.shape, strict=True)), "the slice is larger than the array")
    return Type(x.dtype, tuple(sizes))


def dynamic_slice_update(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, update, *starts = inputs
    _require(len(starts) == len(attributes["axes"]), "an axis needs a start")
    _require(x.dtype == update.dtype, "the dtypes differ")
    _require(all(a <= b for a, b in zip(update.shape, x.shape, strict=True)), "the update is larger than the array")
    return x


def concatenate(inputs: Sequence[Type], attributes: Attributes) -> Type:
    axis = attributes["axis"]

    def rest(t: Type) -> tuple[int, ...]:
        return t.shape[:axis] + t.shape[axis + 1 :]

    first = inputs[0]
    _require(all(t.dtype == first.dtype and rest(t) == rest(first) for t in inputs), "the inputs do not fit")
    total = sum(t.shape[axis] for t in inputs)
    return Type(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))


def pad(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, value = inputs
    _require(value == Type(x.dtype), "the padding is a scalar of the same dtype")
    edges = zip(x.shape, attributes["low"], attributes["high"], strict=True)
    return Type(x.dtype, tuple(n + low + high for n, low, high in edges))


def reduce(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    axes = attributes["axes"]
    _require(all(0 <= a < len(x.shape) for a in axes), f"{axes} are not its axes")
    if attributes["kind"] in {"all", "any"}:
        _require(x.dtype == "bool", "all and any reduce bools")
    return Type(x.dtype, tuple(n for a, n in enumerate(x.shape) if a not in axes))


def argreduce(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    axis = attributes["axis"]
    _require(x.shape[axis] > 0, "nothing to choose from")
    return Type("uint32", x.shape[:axis] + x.shape[axis + 1 :])


def along_axis(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    _require(0 <= attributes["axis"] < len(x.shape), "no such axis")
    return x


def argsort(inputs: Sequence[Type], attributes: Attributes) -> Type:
    return Type("uint32", along_axis(inputs, attributes).shape)


def searchsorted(inputs: Sequence[Type], attributes: Attributes) -> Type:
    sequence, x = inputs
    _require(len(sequence.shape) == 1 and sequence.dtype == x.dtype, "takes a sorted vector and values of its dtype")
    return Type("uint32", x.shape)


def gather(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, *indices = inputs
    axes, sizes = attributes["axes"], tuple(attributes["sizes"])
    _require(len(indices) == len(axes), "an axis needs its indices")
    _require(
        all(i.shape == indices[0].shape and "int" in i.dtype for i in indices), "indices are integers of one shape"
    )
    _require(len(sizes) == len(x.shape) and all(a <= b for a, b in zip(sizes, x.shape, strict=True)), "bad slice sizes")
    return Type(x.dtype, (*(indices[0].shape if indices else ()), *sizes))


def scatter(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, updates, *indices = inputs
    _require(len(indices) == len(attributes["axes"]), "an axis needs its indices")
    _require(x.dtype == updates.dtype, "the dtypes differ")
    lead = indices[0].shape if indices else ()
    _require(updates.shape[: len(lead)] == lead, "the updates do not begin with the shape of the indices")
    _require(len(updates.shape) == len(lead) + len(x.shape), "the updates end with one size for each axis")
    return x


def gather_axis(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, indices = inputs
    axis = attributes["axis"]
    _require("int" in indices.dtype and len(indices.shape) == len(x.shape), "indices are integers with as many axes")
    same = all(a == b for i, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != axis)
    _require(same, "the shapes differ outside the axis")
    return Type(x.dtype, indices.shape)


def scatter_axis(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, indices, updates = inputs
    _require(updates == gather_axis((x, indices), attributes), "an index needs its update")
    return x


def matmul(inputs: Sequence[Type], attributes: Attributes) -> Type:
    a, b = inputs
    _require(a.dtype == b.dtype and a.is_float, "takes two matrices of floats")
    _require(len(b.shape) == len(a.shape) >= 2, "takes matrices with equal batch axes")
    _require(a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2], "the shapes do not fit")
    return Type(a.dtype, (*a.shape[:-1], b.shape[-1]))


def square_matrix(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = inputs
    _require(x.is_float and len(x.shape) >= 2 and x.shape[-1] == x.shape[-2], "takes square matrices of floats")
    return x


def solve_triangular(inputs: Sequence[Type], attributes: Attributes) -> Type:
    a, b = inputs
    square_matrix([a], attributes)
    _require(
        a.dtype == b.dtype and a.shape[:-2] == b.shape[:-2] and b.shape[-2] == a.shape[-1], "the shapes do not fit"
    )
    return b


def convolve(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, w = inputs
    _require(x.dtype == w.dtype and x.is_float and len(x.shape) == len(w.shape), "takes two float arrays of equal rank")
    groups = attributes["groups"]
    _require(x.shape[-1] == w.shape[-1] * groups and w.shape[0] % groups == 0, "the channels do not fit")
    spatial = []
    for i, (n, k) in enumerate(zip(x.shape[1:-1], w.shape[1:-1], strict=True)):
        padded = (n - 1) * attributes["input_dilation"][i] + 1 + attributes["low"][i] + attributes["high"][i]
        window = (k - 1) * attributes["dilation"][i] + 1
        spatial.append((padded - window) // attributes["stride"][i] + 1)
    return Type(x.dtype, (x.shape[0], *spatial, w.shape[0]))


def random_bits(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (key,) = inputs
    _require(key.dtype == "uint32" and key.shape[-1:] == (2,), "takes keys, uint32[..., 2]")
    dtype = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}[attributes["width"]]
    return Type(dtype, (*key.shape[:-1], *attributes["shape"]))


def iota(inputs: Sequence[Type], attributes: Attributes) -> Type:
    return Type(attributes["dtype"], (attributes["size"],))


# ---- structured operations -------------------------------------------------------------------------------------------


def scan(inputs: Sequence[Type], attributes: Attributes, regions: Sequence[Region]) -> tuple[Type, ...]:
    """scan: ``carry, y[i] = body(carry, x[i], *rest)`` for i = 0 ... length - 1 (downwards if ``reverse``)."""
    (body,) = regions
    n, carries, sequences = attributes["length"], attributes["carries"], attributes["sequences"]
    carry, xs, rest = inputs[:carries], inputs[carries : carries + sequences], inputs[carries + sequences :]
    _require(all(x.shape[:1] == (n,) for x in xs), f"scan: a sequence does not have length {n}")
    expected = (*carry, *(Type(x.dtype, x.shape[1:]) for x in xs), *rest)
    _require_types("scan: parameters", body.parameter_types, expected)
    _require_types("scan: carries", body.result_types[:carries], tuple(carry))
    return (*carry, *(Type(y.dtype, (n, *y.shape)) for y in body.result_types[carries:]))


def while_(inputs: Sequence[Type], attributes: Attributes, regions: Sequence[Region]) -> tuple[Type, ...]:
    """while: ``while condition(carry, *rest): carry = body(carry, *rest)``."""
    condition, body = regions
    carries = attributes["carries"]
    _require_types("while: parameters", condition.parameter_types, tuple(inputs))
    _require_types("while: parameters", body.parameter_types, tuple(inputs))
    _require_types("while: condition", condition.result_types, (Type("bool"),))
    _require_types("while: carries", body.result_types, tuple(inputs[:carries]))
    return tuple(inputs[:carries])


def switch(inputs: Sequence[Type], attributes: Attributes, regions: Sequence[Region]) -> tuple[Type, ...]:
    """switch: ``branches[clip(index)](*operands)``, index an int32 scalar."""
    index, *operands = inputs
    _require(index == Type("int32"), "switch: the index is an int32 scalar")
    _require(len(regions) > 0, "switch: no branch")
    for region in regions:
        _require_types("switch: parameters", region.parameter_types, tuple(operands))
        _require_types("switch: results", region.result_types, regions[0].result_types)
    return regions[0].result_types


def map_(inputs: Sequence[Type], attributes: Attributes, regions: Sequence[Region]) -> tuple[Type, ...]:
    """map: ``y[i] = body(x[i], *rest)`` for every i, independent of each other."""
    (body,) = regions
    n, mapped = attributes["size"], attributes["mapped"]
    xs, rest = inputs[:mapped], inputs[mapped:]
    _require(all(x.shape[:1] == (n,) for x in xs), f"map: an operand does not have size {n}")
    _require_types("map: parameters", body.parameter_types, (*(Type(x.dtype, x.shape[1:]) for x in xs), *rest))
    return tuple(Type(y.dtype, (n, *y.shape)) for y in body.result_types)


def gradient(inputs: Sequence[Type], attributes: Attributes, regions: Sequence[Region]) -> tuple[Type, ...]:
    """gradient: the results of ``body(*inputs)``, and the derivative of the first by each input of ``wrt``.

    Automatic differentiation puts operations in its place (`genmlx.compiler.autodiff`); nothing else runs it.
    """
    (body,) = regions
    _require_types("gradient: parameters", body.parameter_types, tuple(inputs))
    value, wanted = body.result_types[0], [inputs[i] for i in attributes["wrt"]]
    _require(value.is_float and value.shape == (), f"gradient: the value is {value}, not a float scalar")
    _require(all(t.is_float for t in wanted), "gradient: only floats have derivatives")
    return (*body.result_types, *wanted)


def _require_types(what: str, found: Sequence[Type], expected: Sequence[Type]) -> None:
    show = ", ".join
    _require(tuple(found) == tuple(expected), f"{what} are ({show(map(str, found))}), not ({show(map(str, expected))})")
