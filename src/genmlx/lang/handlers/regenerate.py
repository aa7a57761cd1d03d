"""regenerate: redraw what is selected, keep the rest.

Only retained choices are weighed, each under its own context: a call that exists in both executions contributes the
weight of its own regenerate; what is new or vanished was drawn from the internal proposal on the way there or back
and cancels (factors, which nobody draws, do not).
"""

from typing import Any, NamedTuple

from genmlx.core.address import Path
from genmlx.core.choicemap import EMPTY
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.selection import Selection
from genmlx.core.trace import Trace
from genmlx.lang.handlers.step import Step
from genmlx.lang.handlers.update import argdiffs_of
from genmlx.numerics.types import Key

__all__ = ["Regenerate"]


class Regenerate(NamedTuple):
    """Each call is regenerated under the selection below its address, or drawn if it is new."""

    old: dict[Path, Trace]
    selection: Selection

    def at(self, key: Key, path: Path, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> Step:
        old = self.old.get(path)
        if old is None:
            return Step(*gen_fn.generate(key, args, EMPTY))
        if not gen_fn.accepts(old):
            trace, weight = gen_fn.generate(key, args, EMPTY)
            vanished = old.factor_score()
            return Step(trace, weight if vanished is None else weight - vanished)
        diffs = argdiffs_of(old, gen_fn, args)
        trace, weight, _ = gen_fn.regenerate(key, old, args, diffs, self.selection.below(path))
        return Step(trace, weight)
