"""Bodies of loops and branches under capture: from a Python function to a region and its operands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.compiler import capture
from genmlx.numerics.pytree import Structure, join_arrays, split_arrays
from genmlx.numerics.types import Array, Tree

__all__ = ["Traced", "record", "trace_body"]

_PACKAGE = str(Path(__file__).parents[1])


class Traced(NamedTuple):
    """A body: its region, the operands it needs beside its arguments, and what it returns."""

    region: Any
    rest: list[Array]
    results: list[Array]
    structure: Structure


def trace_body(body: Callable[..., Tree], args: tuple[Tree, ...]) -> Traced:
    """Capture ``body`` for arguments like ``args``."""
    closed, remake = capture.lifted(body)
    arrays, structure = split_arrays(args)
    found: list[tuple[list[Array], Structure]] = []

    def flat(*xs: Array) -> list[Array]:
        out = split_arrays(remake(xs[len(arrays) :])(*join_arrays(structure, list(xs[: len(arrays)]))))
        found.append(out)
        return out[0]

    examples = [mx.zeros(x.shape, x.dtype) for x in (*arrays, *closed)]
    captured = capture.capture(flat, *examples)
    results, result_structure = found[-1]
    return Traced(captured.region, [*closed, *captured.data], results, result_structure)


def record(name: str, operands: Sequence[Array], attributes: dict[str, Any], regions: Sequence[Any]) -> list[Array]:
    """Arrays that stand for an operation's outputs; it remembers the line of the user's program."""
    return capture.record(name, operands, attributes, regions, source=_user_line())


def _user_line() -> str:
    """Where the user's program is: file and line."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
