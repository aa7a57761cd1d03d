"""The execution of a model: the only place of the language with mutable state.

A `Run` answers ``call @ address`` with a handler's step and folds the steps: traces by address, the sums of scores
and weights, the discard. It enforces that addresses are distinct and that errors name the whole path.
"""

import re
from collections.abc import Callable
from typing import Any

from genmlx.core.address import Path
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.distribution import ChoiceTrace
from genmlx.core.execution import running
from genmlx.core.gfi import MSG_FORGOTTEN, Call
from genmlx.core.trace import Trace
from genmlx.lang.handlers.step import Handler
from genmlx.numerics.errors import AddressError, GenMLXError, UsageError
from genmlx.numerics.random import fold_in, scramble
from genmlx.numerics.types import Array, Key

__all__ = ["Run", "run"]


class Run:
    """One execution of a model under a handler.

    Attributes:
        calls: path to trace, in order.
        groups: the proper prefixes of the paths.
        score: sum of the scores of the calls (None for no call).
        weight: sum of their weights (None for 0).
        discard: path to the discarded choices.
        forgotten: the latest error about a call that was used as a value.
    """

    __slots__ = ("calls", "discard", "forgotten", "groups", "handler", "key", "score", "weight")

    def __init__(self, handler: Handler, key: Key | None) -> None:
        self.handler, self.key = handler, key
        self.calls: dict[Path, Trace] = {}
        self.groups: set[Path] = set()
        self.score: Array | None = None
        self.weight: Array | None = None
        self.discard: dict[Path, ChoiceMap] = {}
        self.forgotten: Exception | None = None

    def call(self, path: Path, call: Call) -> Any:
        """Answer ``call @ path``."""
        self._claim(path)
        key = None if self.key is None else fold_in(self.key, path)
        try:
            trace, weight, discard = self.handler.at(key, path, call.gen_fn, call.args)
        except GenMLXError as error:
            raise error.within(path)  # noqa: B904 - the same error, with a longer path
        if isinstance(trace, ChoiceTrace) and trace.args is not None:
            trace = trace.with_args(None)  # parameters would keep their graph alive; no method needs them
        self.calls[path] = trace
        self.score = trace.score if self.score is None else self.score + trace.score
        if weight is not None:
            self.weight = weight if self.weight is None else self.weight + weight
        if not discard.is_empty:
            self.discard[path] = discard
        return trace.retval

    def _claim(self, path: Path) -> None:
        """Check that the address is new, and neither above nor below another."""
        if path in self.calls:
            raise AddressError(
                "the address is used twice in one execution", path=path, fix='another name, f"y{j}" in a loop'
            )
        if not path:
            raise AddressError("the empty tuple is not an address", fix='a name: @ "x"')
        if path in self.groups:
            raise AddressError("choices were already made below this address", path=path, fix="another address")
        for i in range(1, len(path)):
            if path[:i] in self.calls:
                raise AddressError(
                    f"the address lies below {path[:i]}, which is the address of another call",
                    path=path,
                    fix="another address",
                )
            self.groups.add(path[:i])


def run(
    handler: Handler, key: Key | None, name: str, body: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[Any, Run]:
    """Run a model body under a handler: its return value, and what the calls added up to."""
    execution = Run(handler, None if key is None else scramble(key))
    with running(execution):
        try:
            retval = body(*args)
        except (TypeError, ValueError, RuntimeError) as error:
            if not isinstance(error, GenMLXError):
                _explain_forgotten_address(error, execution.forgotten)
            raise
    if isinstance(retval, Call):
        raise UsageError(
            f"{name} returned the call {retval!r}, not a value: the address is missing",
            fix="return " + MSG_FORGOTTEN.format(call=repr(retval)),
        )
    return retval, execution


def _explain_forgotten_address(error: Exception, forgotten: Exception | None) -> None:
    """MLX functions that met a call instead of an array say so in their own words; say it in ours."""
    text = str(error)
    if "bad_cast" in text and forgotten is not None:
        raise forgotten from error
    if "incompatible function arguments" in text and ("types: list" in text or "types: tuple" in text):
        error.add_note(
            "If the list holds a call such as normal(0.0, 1.0), its address is missing: "
            + MSG_FORGOTTEN.format(call="normal(0.0, 1.0)")
        )
    if re.search(r"genmlx\.core\.\w+\.\w*Call\b", text):
        raise UsageError(
            "a call of a generative function was given to an MLX function as a value: the address is missing",
            fix=MSG_FORGOTTEN.format(call="normal(0.0, 1.0)"),
        ) from error
