"""simulate: draw every choice."""

from typing import Any, NamedTuple

from genmlx.core.address import Path
from genmlx.core.gfi import GenerativeFunction
from genmlx.lang.handlers.step import Step
from genmlx.numerics.types import Key

__all__ = ["Simulate"]


class Simulate(NamedTuple):
    """Each call is simulated; nothing is weighed."""

    def at(self, key: Key, path: Path, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> Step:
        return Step(gen_fn.simulate(key, args))
