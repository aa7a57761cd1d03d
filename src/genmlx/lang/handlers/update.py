"""update: keep what exists, overwrite what is constrained, draw what is new.

For the calls that the old and the new execution share, weight and discard are those of the call's own update. A new
call weighs what generate says (its fresh choices cancel). Calls that vanished are charged their old score, and their
choices are discarded; that happens when the execution ends (`genmlx.lang.gen`), because only then is it known.
"""

from typing import Any, NamedTuple

from genmlx.core.address import Path
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.diff import UnknownChange, diff_of
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.trace import Trace
from genmlx.lang.handlers.step import Step
from genmlx.numerics.types import Key

__all__ = ["Update", "argdiffs_of"]


class Update(NamedTuple):
    """Each call is updated from its old trace, or generated if it had none."""

    old: dict[Path, Trace]
    constraints: ChoiceMap

    def at(self, key: Key, path: Path, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> Step:
        given = self.constraints.below(path)
        old = self.old.get(path)
        if old is None:
            trace, weight = gen_fn.generate(key, args, given)
            return Step(trace, weight)
        if not gen_fn.accepts(old):
            # Another kind of call stands at this address now: the old one vanished, this one is new.
            trace, weight = gen_fn.generate(key, args, given)
            return Step(trace, weight - old.score, old.choices)
        trace, weight, discard, _ = gen_fn.update(key, old, args, argdiffs_of(old, gen_fn, args), given)
        return Step(trace, weight, discard)


def argdiffs_of(old: Trace, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is known about the arguments of an inner call: the very same objects have not changed."""
    if old.args is None or old.gen_fn != gen_fn or len(old.args) != len(args):
        return (UnknownChange,) * len(args)
    return tuple([diff_of(new, was) for new, was in zip(args, old.args, strict=True)])
