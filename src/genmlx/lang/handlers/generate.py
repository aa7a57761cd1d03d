"""generate: draw what is not constrained.

Ancestral sampling is the internal proposal: a free choice is drawn from its own density given what came before, so
its log density cancels in log p - log q, and the weight is the sum of the weights of the calls.
"""

from typing import Any, NamedTuple

from genmlx.core.address import Path
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.gfi import GenerativeFunction
from genmlx.lang.handlers.step import Step
from genmlx.numerics.types import Key

__all__ = ["Generate"]


class Generate(NamedTuple):
    """Each call is generated under the constraints at its address."""

    constraints: ChoiceMap

    def at(self, key: Key, path: Path, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> Step:
        trace, weight = gen_fn.generate(key, args, self.constraints.below(path))
        return Step(trace, weight)
