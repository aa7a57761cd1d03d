"""The trace of a `@gen` function: the traces of its calls, by address."""

from typing import Any

from genmlx.core.address import Path, bare
from genmlx.core.choicemap import EMPTY, ChoiceMap, Group
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.trace import Trace
from genmlx.numerics.pytree import record
from genmlx.numerics.types import Array

__all__ = ["Assessed", "CallTrace"]


@record(
    lambda t: ((t.gen_fn, t.args, t.retval, t.score, tuple(t.calls.values())), tuple(t.calls)),
    lambda paths, c: CallTrace(c[0], c[1], c[2], c[3], dict(zip(paths, c[4], strict=True))),
)
class CallTrace(Trace):
    """One execution of a `@gen` function.

    Attributes:
        calls: path to the trace of the call there, in the order of execution.
    """

    __slots__ = ("_choices", "calls")

    def __init__(
        self,
        gen_fn: GenerativeFunction,
        args: tuple[Any, ...] | None,
        retval: Any,
        score: Array,
        calls: dict[Path, Trace],
    ) -> None:
        super().__init__(gen_fn, args, retval, score)
        self.calls = calls
        self._choices: ChoiceMap | None = None

    @property
    def choices(self) -> ChoiceMap:
        if self._choices is None:
            self._choices = _tree({path: trace.choices for path, trace in self.calls.items()})
        return self._choices

    def with_args(self, args: tuple[Any, ...] | None) -> "CallTrace":
        return CallTrace(self.gen_fn, args, self.retval, self.score, self.calls)

    def subtraces(self) -> list[tuple[Any, Trace]]:
        return [(bare(path), trace) for path, trace in self.calls.items()]


class Assessed(Trace):
    """What assess keeps of a call: its value and its score."""

    __slots__ = ()

    def __init__(self, gen_fn: GenerativeFunction, retval: Any, score: Array) -> None:
        super().__init__(gen_fn, None, retval, score)

    @property
    def choices(self) -> ChoiceMap:
        return EMPTY

    def with_args(self, args: tuple[Any, ...] | None) -> "Assessed":
        return self


def _tree(by_path: dict[Path, ChoiceMap]) -> ChoiceMap:
    """Choice maps at paths, none of which is a prefix of another, as one choice map."""
    children: dict[Any, Any] = {}
    for path, choices in by_path.items():
        node = children
        for component in path[:-1]:
            node = node.setdefault(component, {})
        node[path[-1]] = choices
    return _group(children)


def _group(children: dict[Any, Any]) -> Group:
    return Group({c: _group(below) if isinstance(below, dict) else below for c, below in children.items()})
