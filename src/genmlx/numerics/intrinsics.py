"""Operations that a compiler may know better than as compositions of MLX's.

Some functions here are compositions that exist because MLX lacks an operation, or its gradient. A compiler that is
reading the graph may have it: it offers `taken` while it reads (`offering`), and the function gives it the arrays
instead of composing. Under MLX's own transformations the composition is used all the same (`composed`), because they
see into it.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from genmlx.numerics.types import Array

__all__ = ["composed", "is_read", "offering", "taken"]

Recorder = Callable[[str, Sequence[Array], Mapping[str, Any]], list[Array]]


class _State(threading.local):
    recorder: Recorder | None = None
    is_read: bool = False


_state = _State()


def taken(name: str, arrays: Sequence[Array], **attributes: Any) -> Array | None:
    """The result of an operation by the compiler that reads the graph; None where there is none."""
    return None if _state.recorder is None else _state.recorder(name, arrays, attributes)[0]


def is_read() -> bool:
    """Whether a compiler reads the graph, be it through one of MLX's transformations: it has primitives of its own."""
    return _state.is_read


@contextmanager
def offering(recorder: Recorder | None) -> Iterator[None]:
    """While a compiler reads the graph."""
    before = _state.recorder, _state.is_read
    _state.recorder, _state.is_read = recorder, _state.is_read or recorder is not None
    try:
        yield
    finally:
        _state.recorder, _state.is_read = before


def composed() -> Any:
    """While one of MLX's transformations traces."""
    return offering(None)
