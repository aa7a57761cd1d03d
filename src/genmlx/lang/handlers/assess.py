"""assess: every choice is given; the log densities add up."""

from typing import Any, NamedTuple

from genmlx.core.address import Path
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.gfi import GenerativeFunction
from genmlx.lang.handlers.step import Step
from genmlx.lang.trace import Assessed
from genmlx.numerics.types import Key

__all__ = ["Assess"]


class Assess(NamedTuple):
    """Each call is assessed at the choices of its address. No trace is kept, only score and value."""

    choices: ChoiceMap

    def at(self, key: Key | None, path: Path, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> Step:
        weight, retval = gen_fn.assess(args, self.choices.below(path))
        return Step(Assessed(gen_fn, retval, weight))
