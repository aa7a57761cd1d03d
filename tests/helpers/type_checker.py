"""The type checker of the test run: beartype, with the two exceptions that our code needs."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Self

import jaxtyping
from beartype import BeartypeConf, FrozenDict, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

__all__ = ["as_users_run_it", "check_types", "unchecked"]

# jaxtyping decorates methods one at a time, where beartype cannot know what Self is.
_beartype = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: Any})))


def check_types(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with its types checked at every call.

    A function that names a Protocol which isinstance() refuses (no ``runtime_checkable``) stays unchecked.
    """
    try:
        return _beartype(function)
    except BeartypeDecorHintPep3119Exception:
        return function


def unchecked(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as users run it, without the check of its own arguments: to see the errors that they see."""
    return inspect.unwrap(function)


@contextlib.contextmanager
def as_users_run_it() -> Iterator[None]:
    """No types are checked: for tests that take thousands of steps, ten times as fast, through code checked elsewhere."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
