"""Recurse: a generative function that is made from itself."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from genmlx.combinators.dimap import Dimap
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.selection import Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import ControlFlowError, UsageError
from genmlx.numerics.types import Array, Key

__all__ = ["Recurse"]

_running: contextvars.ContextVar[bool] = contextvars.ContextVar("genmlx_recurse_running", default=False)


class Recurse(Dimap):
    r"""A generative function that is made from itself: ``Recurse(make)(*args)``.

    ::

        f = make(f)
        return f(*args)

    ``make`` takes the function to be, and returns the function that it is: a combinator or a model that calls it
    again. Models by `gen` can name themselves; combinators, which are values, cannot, and a `Switch` between an end
    and a step does it here. Addresses, choices and weights are those of the function made.

    The depth may depend on values where these exist. Where executions are vectorised or compiled a switch runs all of
    its branches, so the depth must be that of Python numbers there; a recursion without end is an error.

    Args:
        make: a function from a generative function to a generative function. It is called once.

    Example:
        >>> from genmlx import Recurse, gen, normal
        >>> def make(walk):
        ...     @gen
        ...     def step(n, x):
        ...         x = normal(x, 1.0) @ "x"
        ...         return walk(n - 1, x) @ "next" if n > 1 else x
        ...
        ...     return step
        >>> walk = Recurse(make)
        >>> round(
        ...     walk(2, 0.0).assess({"x": 1.0, ("next", "x"): 1.0}).weight.item(), 4
        ... )  # log N(1; 0, 1) + log N(1; 1, 1)
        -2.3379
    """

    def __init__(self, make: Callable[[GenerativeFunction], GenerativeFunction]) -> None:
        if not callable(make) or isinstance(make, GenerativeFunction):
            raise UsageError(
                f"Recurse takes a function that makes a generative function, found {make!r}",
                fix="Recurse(lambda self: Switch(end, step(self)))",
            )
        self.make = make
        self.name = f"Recurse({getattr(make, '__name__', 'make')})"
        made = make(self)
        if not isinstance(made, GenerativeFunction) or made is self:
            raise UsageError(
                f"what Recurse is given must return a generative function made from its argument, found {made!r}",
                fix="a combinator, or a function decorated with @gen",
            )
        super().__init__(made)
        self.name = f"Recurse({getattr(make, '__name__', 'make')})"

    @property
    def structure_key(self) -> Any:
        return Recurse, getattr(self.make, "__code__", self.make)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> Any:
        with self._ending():
            return super().simulate(key, args)

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        with self._ending():
            return super().generate(key, args, constraints)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        with self._ending():
            return super().assess(args, choices)

    def project(self, trace: Trace, selection: Selection) -> Array:
        with self._ending():
            return super().project(trace, selection)

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        with self._ending():
            return super().update(key, trace, args, argdiffs, constraints)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        with self._ending():
            return super().regenerate(key, trace, args, argdiffs, selection)

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Explain Python's own error, once for the whole recursion."""
        if _running.get():
            yield
            return
        token = _running.set(True)
        try:
            yield
        except RecursionError as error:
            raise ControlFlowError(
                f"the recursion of {self.name} went on beyond Python's limit of depth; where the model is vectorised, "
                "differentiated or compiled, a switch runs all branches, and an index that is a choice ends nothing",
                fix="an argument that is a Python int and counts down; or run without n= and without compilation",
            ) from error
        finally:
            _running.reset(token)

    # The function made contains this one: what it is, is what makes it.

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recurse) and self.make == other.make

    def __hash__(self) -> int:
        return hash((Recurse, self.make))
