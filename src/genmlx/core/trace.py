"""Traces: immutable records of one execution, and the results of the interface's methods.

A trace knows the function that made it, its arguments, return value, choices and score. Its methods are thin sugar
over the interface (`genmlx.core.gfi`): they fill in defaults and call the function's method.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, NamedTuple

from genmlx.core.choicemap import ChoiceMap, as_choicemap, show_value
from genmlx.core.diff import Diff, NoChange, UnknownChange, as_argdiffs
from genmlx.core.selection import as_selection
from genmlx.numerics.errors import UsageError
from genmlx.numerics.fixed import fixed
from genmlx.numerics.random import as_key
from genmlx.numerics.types import Array

if TYPE_CHECKING:
    from rich.tree import Tree as RichTree

    from genmlx.core.gfi import GenerativeFunction

__all__ = [
    "AssessResult",
    "ChoiceGradients",
    "EditResult",
    "GenerateResult",
    "ProposeResult",
    "RegenerateResult",
    "Trace",
    "UpdateResult",
]


class Trace(abc.ABC):
    """One execution of a generative function.

    Attributes:
        gen_fn: the generative function.
        args: its arguments, in the canonical order of ``gen_fn.bind`` (None for a choice inside another trace).
        retval: what it returned.
        score: log p(choices; args), a 0-d array (shape ``[n]`` for a batched trace).
    """

    __slots__ = ("args", "gen_fn", "retval", "score")

    def __init__(self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, retval: Any, score: Array) -> None:
        self.gen_fn, self.args, self.retval, self.score = gen_fn, args, fixed(retval), fixed(score)

    @property
    @abc.abstractmethod
    def choices(self) -> ChoiceMap:
        """The random choices, by address."""

    @abc.abstractmethod
    def with_args(self, args: tuple[Any, ...] | None) -> Trace:
        """The same trace with other (equal or no) arguments recorded."""

    def subtraces(self) -> list[tuple[Any, Trace]]:
        """The traces of the calls inside, by address, where the function records them."""
        return []

    def factor_score(self) -> Array | None:
        """The part of the score that belongs to no choice (`genmlx.core.factor`); None where there is none."""
        total = None
        for _, subtrace in self.subtraces():
            part = subtrace.factor_score()
            if part is not None:
                total = part if total is None else total + part
        return total

    def __getitem__(self, address: object) -> Any:
        return self.choices[address]

    def __contains__(self, address: object) -> bool:
        return address in self.choices

    def update(
        self,
        constraints: Any = None,
        *,
        args: Any = None,
        argdiffs: tuple[Any, ...] | None = None,
        key: Any = None,
    ) -> UpdateResult:
        """Change choices or arguments; keep everything else (`GenerativeFunction.update`).

        Args:
            constraints: new values for some choices (choice map or dict).
            args: new arguments; default: unchanged.
            argdiffs: a diff for each argument; default: `NoChange` for unchanged arguments, else `UnknownChange`.
            key: random key for choices that appear.
        """
        new_args, diffs = self._arguments(args, argdiffs)
        return self.gen_fn.update(as_key(key), self, new_args, diffs, as_choicemap(constraints))

    def regenerate(
        self,
        selection: Any,
        *,
        args: Any = None,
        argdiffs: tuple[Any, ...] | None = None,
        key: Any = None,
    ) -> RegenerateResult:
        """Resample the selected choices from the internal proposal (`GenerativeFunction.regenerate`)."""
        new_args, diffs = self._arguments(args, argdiffs)
        return self.gen_fn.regenerate(as_key(key), self, new_args, diffs, as_selection(selection))

    def project(self, selection: Any) -> Array:
        """Log density of the selected choices, each in its context (`GenerativeFunction.project`)."""
        return self.gen_fn.project(self, as_selection(selection))

    def edit(
        self,
        request: Any,
        *,
        args: Any = None,
        argdiffs: tuple[Any, ...] | None = None,
        key: Any = None,
    ) -> EditResult:
        """Make the move that ``request`` describes, and the request that undoes it (`genmlx.core.edit`)."""
        new_args, diffs = self._arguments(args, argdiffs)
        return self.gen_fn.edit(as_key(key), self, request, new_args, diffs)

    def choice_gradients(self, selection: Any = None, *, retval_gradient: Any = None) -> ChoiceGradients:
        """Gradients of the score with respect to selected choices and the arguments.

        The gradient of an argument that is a Python number is None: give ``mx.array(2.0)``, not ``2.0``.

        Args:
            selection: which choices; default all. Integer-valued choices have no gradient and are left out.
            retval_gradient: gradient of some loss with respect to the return value, added in by the chain rule.
        """
        chosen = None if selection is None else as_selection(selection)
        return self.gen_fn.choice_gradients(self, chosen, retval_gradient)

    def _arguments(self, args: Any, argdiffs: tuple[Any, ...] | None) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        if self.args is None:
            raise UsageError(
                "this trace is a part of another trace and has no arguments of its own", fix="update the whole trace"
            )
        if args is None:
            return self.args, as_argdiffs(argdiffs, len(self.args), NoChange)
        if not isinstance(args, tuple):
            raise UsageError(f"args= takes a tuple of arguments, found {args!r}", fix="args=(xs,)")
        new_args = self.gen_fn.bind(args, {})
        return new_args, as_argdiffs(argdiffs, len(new_args), UnknownChange)

    def show(self) -> None:
        """Print a tree: address, distribution, value, log density."""
        from rich.console import Console

        Console().print(self.__rich__())

    def __rich__(self) -> RichTree:
        from rich.tree import Tree

        root = Tree(f"{self.gen_fn.name}   score {show_value(self.score)}   retval {show_value(self.retval)}")
        _add_branches(root, self)
        return root

    def __repr__(self) -> str:
        return f"Trace({self.gen_fn.name}, {self.choices!r}, score={show_value(self.score)})"


def _add_branches(tree: RichTree, trace: Trace) -> None:
    for address, subtrace in trace.subtraces():
        below = subtrace.subtraces()
        line = f"{address!r} ~ {subtrace.gen_fn.name}"
        if not below:
            line += f" = {show_value(subtrace.retval)}"
        branch = tree.add(f"{line}   log p {show_value(subtrace.score)}")
        _add_branches(branch, subtrace)


class GenerateResult(NamedTuple):
    """``trace, weight`` of `GenerativeFunction.generate`."""

    trace: Trace
    weight: Array


class AssessResult(NamedTuple):
    """``weight, retval`` of `GenerativeFunction.assess`."""

    weight: Array
    retval: Any


class ProposeResult(NamedTuple):
    """``choices, weight, retval`` of `GenerativeFunction.propose`."""

    choices: ChoiceMap
    weight: Array
    retval: Any


class UpdateResult(NamedTuple):
    """``trace, weight, discard, retdiff`` of `GenerativeFunction.update`."""

    trace: Trace
    weight: Array
    discard: ChoiceMap
    retdiff: Diff


class RegenerateResult(NamedTuple):
    """``trace, weight, retdiff`` of `GenerativeFunction.regenerate`."""

    trace: Trace
    weight: Array
    retdiff: Diff


class EditResult(NamedTuple):
    """``trace, weight, discard, backward, retdiff`` of `GenerativeFunction.edit`."""

    trace: Trace
    weight: Array
    discard: ChoiceMap
    backward: Any
    retdiff: Diff


class ChoiceGradients(NamedTuple):
    """``choices, gradients, args`` of `GenerativeFunction.choice_gradients`."""

    choices: ChoiceMap
    gradients: ChoiceMap
    args: tuple[Any, ...]
