"""Operations on constants are done here, by their NumPy meanings.

Input form: any region. Output form: no operation has constants as its only operands, unless its result is larger than
`LIMIT` elements; an array with one value everywhere is a scalar, broadcast. Preserved: every result, as the interpreter
gives it, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genmlx.compiler.ir.graph import Value
from genmlx.compiler.ir.ops import OPS, output_types
from genmlx.compiler.passes.rewriting import Attributes, Rewriter, Rule, Rules

__all__ = ["LIMIT", "RULES"]

LIMIT = 64  # elements; more would be text in the kernel's source, and memory, for what takes no time to compute


def _value(b: Rewriter, value: Value) -> np.ndarray | None:
    op = b.definitions.get(value)
    if op is not None and op.name == "constant":
        return op.attributes["value"]
    if value in b.scalars and value.type.size <= LIMIT:
        return np.full(value.shape, b.scalars[value], np.dtype(value.dtype))
    return None


def _fold(name: str) -> Rule:
    meaning = OPS[name].meaning
    assert meaning is not None

    def apply(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
        found: list[Any] = []
        for value in inputs:
            array = _value(b, value)
            if array is None:
                return None
            found.append(array)
        (out,) = output_types(name, [v.type for v in inputs], attributes)
        if out.size > LIMIT:
            return None
        with np.errstate(all="ignore"):
            return b.constant(np.asarray(meaning(*found, **attributes)))

    return apply


def _uniform(b: Rewriter, inputs: Sequence[Value], attributes: Attributes) -> Value | None:
    """An array of equal elements: equal to the bit, so that zeros have one sign."""
    array = attributes["value"]
    if array.size < 2 or array.tobytes() != array.reshape(-1)[:1].tobytes() * array.size:
        return None
    return b.broadcast(b.constant(array.reshape(-1)[0]), array.shape)


RULES: Rules = {
    "constant": [_uniform],
    # Not a broadcast, nor a part written over zeros: they are simpler than the array. Nor sources: nothing goes in.
    **{
        name: [_fold(name)]
        for name, row in OPS.items()
        if row.kind not in {"source", "structured"} and name not in {"broadcast", "slice_update", "scatter"}
    },
}
