"""The type checker of the test run: beartype, with the two exceptions that our code needs."""

import inspect
from collections.abc import Callable
from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

__all__ = ["check_types", "unchecked"]

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
