"""OrElse: one function or another, each with its own arguments."""

from __future__ import annotations

from typing import Any

from genmlx.combinators.dimap import Dimap
from genmlx.combinators.mask import flag_as_index
from genmlx.combinators.switch import Switch
from genmlx.core.gfi import GenerativeFunction, as_arguments
from genmlx.numerics.errors import UsageError
from genmlx.numerics.types import Array

__all__ = ["OrElse"]


class OrElse(Switch):
    r"""One generative function or another: ``f.or_else(g)(flag, f_args, g_args)``.

    ::

        if flag:
            return f(*f_args)  # addresses are those of the one that runs
        return g(*g_args)

    It is the `Switch` between the two, each with arguments of its own, given as a tuple; what is said there about an
    index with a value, and without one, holds for the flag.

    Args:
        first: the function that runs where the flag is on.
        second: the function that runs where it is off.

    Example:
        >>> from genmlx import exponential, normal
        >>> tail = exponential.or_else(normal)
        >>> tail(True, (2.0,), (0.0, 1.0)).assess(0.0).weight.item()  # log 2 exp(-2 * 0)
        0.6931471...
    """

    def __init__(self, first: GenerativeFunction, second: GenerativeFunction) -> None:
        for f in (first, second):
            if not isinstance(f, GenerativeFunction):
                raise UsageError(f"or_else takes a generative function, found {f!r}", fix="f.or_else(g)")
        super().__init__(Dimap(second, _second), Dimap(first, _first))
        self.name = f"{first.name}.or_else({second.name})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 3 or not isinstance(args[1], tuple) or not isinstance(args[2], tuple):
            raise UsageError(
                f"{self.name} takes a flag and two tuples of arguments, found {args!r}",
                fix="f.or_else(g)(flag, (x,), (y,))",
            )
        flag, first, second = args
        return super().bind((flag, as_arguments(first), as_arguments(second)), kwargs)

    def _index(self, args: tuple[Any, ...]) -> int | Array:
        return flag_as_index(args[0], self.name)


def _first(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return first


def _second(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return second


def _or_else(first: GenerativeFunction, second: GenerativeFunction) -> OrElse:
    """``f.or_else(g)``: see `OrElse`."""
    return OrElse(first, second)


GenerativeFunction.or_else = _or_else  # type: ignore[attr-defined]
