"""The result of one call inside a model."""

from typing import Any, NamedTuple, Protocol

from genmlx.core.address import Path
from genmlx.core.choicemap import EMPTY, ChoiceMap
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.trace import Trace
from genmlx.numerics.types import Array, Key

__all__ = ["Handler", "Step"]


class Step(NamedTuple):
    """What a call contributed.

    Attributes:
        trace: the trace of the call; its return value is the value of ``call @ address``.
        weight: its log weight, None for 0.
        discard: the old choices that it replaced.
    """

    trace: Trace
    weight: Array | None = None
    discard: ChoiceMap = EMPTY


class Handler(Protocol):
    """What a call at an address does, as a pure function."""

    def at(self, key: Key | None, path: Path, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> Step:
        """The call of ``gen_fn`` on ``args`` at ``path``."""
        ...
