"""Regions run as compiled kernels, many in one library, to be compared with the interpreter."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genmlx.compiler.codegen import FLAGS, Lanes, Source, generate
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.types import DTYPES, Region
from genmlx.compiler.runtime import load

__all__ = ["FLAGS", "Case", "expected", "run_all", "run_one"]


class Case(NamedTuple):
    """A region, arguments, and how it is run.

    Attributes:
        name: for messages.
        region: what runs.
        arguments: an array for each parameter; a mapped one has the lanes as its first axis.
        mapped: which parameters are mapped; None for a run without lanes.
        width: lanes of a vector.
    """

    name: str
    region: Region
    arguments: tuple[np.ndarray, ...]
    mapped: tuple[bool, ...] | None = None
    width: int = 16

    @property
    def lanes(self) -> int | None:
        """How many lanes the arguments have."""
        if self.mapped is None:
            return None
        return next(len(a) for a, m in zip(self.arguments, self.mapped, strict=True) if m)

    def source(self, name: str = "genmlx_kernel") -> Source:
        """Its kernel."""
        lanes = None if self.mapped is None else Lanes(self.mapped, self.width)
        return generate(self.region, lanes=lanes, name=name)


def expected(case: Case) -> tuple[np.ndarray, ...]:
    """What the interpreter gives, lane after lane."""
    if case.mapped is None:
        return interpret(case.region, case.arguments)
    runs = [
        interpret(case.region, [a[i] if m else a for a, m in zip(case.arguments, case.mapped, strict=True)])
        for i in range(case.lanes or 0)
    ]
    return tuple(np.stack(column) for column in zip(*runs, strict=True))


def run_all(cases: Sequence[Case], flags: Sequence[str] = ()) -> list[tuple[np.ndarray, ...]]:
    """The results of each case, all compiled as one source."""
    sources = [case.source(f"kernel{i}") for i, case in enumerate(cases)]
    text = "\n".join(f"namespace n{i} {{\n{s.text}\n}}" for i, s in enumerate(sources))
    handle = load(text, flags=(*FLAGS, *flags)).handle
    return [_call(getattr(handle, f"kernel{i}"), c, s) for i, (c, s) in enumerate(zip(cases, sources, strict=True))]


def run_one(case: Case) -> tuple[np.ndarray, ...]:
    """The results of one case."""
    return run_all([case])[0]


def _call(function: ctypes._CFuncPtr, case: Case, source: Source) -> tuple[np.ndarray, ...]:
    lead = () if case.lanes is None else (case.lanes,)
    arguments = [np.ascontiguousarray(a) for a in case.arguments]
    outputs = [np.full((*lead, *t.shape), 77).astype(DTYPES[t.dtype]) for t in source.outputs]
    control = (ctypes.c_int64 * 2)()
    workspace = np.full(source.workspace_bytes + 64, 0xFF, np.uint8)
    aligned = workspace.ctypes.data + (-workspace.ctypes.data) % 64
    pointers = [(ctypes.c_void_p * max(len(xs), 1))(*(x.ctypes.data for x in xs)) for xs in (arguments, outputs)]
    end = 1 if case.lanes is None else case.lanes
    status = function(*pointers, ctypes.c_void_p(aligned), ctypes.c_int64(0), ctypes.c_int64(end), control)
    assert status == 0, f"{case.name}: status {status}"
    return tuple(outputs)
