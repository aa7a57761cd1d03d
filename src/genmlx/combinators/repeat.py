"""Repeat: independent executions of one function on the same arguments."""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from genmlx.combinators.dimap import Dimap
from genmlx.combinators.map import Map
from genmlx.core.gfi import GenerativeFunction
from genmlx.numerics.errors import UsageError

__all__ = ["Repeat"]


class Repeat(Dimap):
    r"""Independent executions of one generative function on the same arguments: ``f.repeat(n)(*args)``.

    ::

        return stack([f(*args) @ i for i in range(n)])

    It is the `Map` of ``f`` over nothing: the choices of execution i lie below the address i, stored stacked, and the
    log density is the sum. Unchanged arguments execute ``f`` for constrained elements only.

    Args:
        kernel: any generative function.
        n: the number of executions, 0 or more.

    Example:
        >>> from genmlx import normal
        >>> weight, xs = normal.repeat(2)(0.0, 1.0).assess({0: 0.0, 1: 0.0})
        >>> round(weight.item(), 4), xs.tolist()  # 2 log N(0; 0, 1)
        (-1.8379, [0.0, 0.0])
    """

    def __init__(self, kernel: GenerativeFunction, n: int) -> None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise UsageError(f"repeat takes a number of executions, found {n!r}", fix="f.repeat(3)(*args)")
        # Map wants an array to map over: the numbers of the executions, which the kernel does not see.
        super().__init__(Map(Dimap(kernel, _without_number), in_axes=(0, None)), self._with_numbers)
        self.repeated, self.n = kernel, n
        self.name = f"{kernel.name}.repeat({n})"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return self.repeated.bind(args, kwargs)

    def _with_numbers(self, *args: Any) -> tuple[Any, ...]:
        return mx.arange(self.n), args

    @property
    def structure_key(self) -> Any:
        return Repeat, self.repeated.structure_key, self.n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Repeat) and (self.repeated, self.n) == (other.repeated, other.n)

    def __hash__(self) -> int:
        return hash((Repeat, self.repeated, self.n))


def _without_number(number: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args


def _repeat(kernel: GenerativeFunction, n: int) -> Repeat:
    """``f.repeat(n)``: see `Repeat`."""
    return Repeat(kernel, n)


GenerativeFunction.repeat = _repeat  # type: ignore[attr-defined]
