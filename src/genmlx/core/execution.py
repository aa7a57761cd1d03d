"""The execution under way: who answers when a model says ``call @ address``.

`lang.runtime` puts an execution here while a model runs; calls look it up. Context variables keep threads and
asynchronous tasks apart.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Protocol

from genmlx.core.address import Path

__all__ = ["Execution", "current", "initialising", "is_initialising", "is_validating", "running", "validating"]


class Execution(Protocol):
    """What a running model needs: the answer to a call at an address.

    Attributes:
        forgotten: the latest error about a call that was used as a value.
    """

    forgotten: Exception | None

    def call(self, path: Path, call: Any) -> Any:
        """Run ``call`` at ``path`` and return its value."""
        ...


_current: contextvars.ContextVar[Execution | None] = contextvars.ContextVar("genmlx_execution", default=None)
_validating: contextvars.ContextVar[bool] = contextvars.ContextVar("genmlx_validating", default=False)
_initialising: contextvars.ContextVar[bool] = contextvars.ContextVar("genmlx_initialising", default=False)

current = _current.get
is_validating = _validating.get
is_initialising = _initialising.get


@contextlib.contextmanager
def running(execution: Execution | None) -> Iterator[None]:
    """Make ``execution`` the one that answers calls."""
    token = _current.set(execution)
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def validating(on: bool = True) -> Iterator[None]:
    """Check array parameters against their domains at every site, at the cost of an evaluation each.

    Python numbers are always checked. Arrays are checked when a distribution is used outside a model, inside a model
    only here: a check reads the array, which costs more than the rest of the site.
    """
    token = _validating.set(on)
    try:
        yield
    finally:
        _validating.reset(token)


@contextlib.contextmanager
def initialising() -> Iterator[None]:
    """Let improper priors draw starting values (uniform on [-2, 2] in unconstrained space) instead of refusing."""
    token = _initialising.set(True)
    try:
        yield
    finally:
        _initialising.reset(token)
