"""Edit requests: moves of a trace, each with its importance weight and the request that undoes it.

``exp(weight)`` is the importance ratio of the move. The backward request is the reverse of *this* move, not of its
kind: applied to the new trace it restores the old choices, and the two weights cancel. Randomness that the reverse
needs is recorded in it, so a backward `SelectionEdit` or `ProposalEdit` carries choices.

A user's own request is a subclass of `EditRequest` with a method `apply`.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from genmlx.core.choicemap import EMPTY, ChoiceMap, as_choicemap, selection_of
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.selection import as_selection
from genmlx.core.trace import EditResult, Trace
from genmlx.numerics.errors import UsageError
from genmlx.numerics.pytree import record
from genmlx.numerics.random import split

if TYPE_CHECKING:
    from genmlx.core.gfi import GenerativeFunction
    from genmlx.numerics.types import Array, Key

__all__ = ["ConstraintEdit", "EditRequest", "ProposalEdit", "SelectionEdit", "SequenceEdit"]


class EditRequest(abc.ABC):
    """A move that can be asked of a trace."""

    args: tuple[Any, ...] | None = None
    """Arguments that the move restores; None leaves them as the caller says. Shared by the executions of a batch."""

    @abc.abstractmethod
    def apply(self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]) -> EditResult:
        """Make the move.

        Args:
            key: random key.
            trace: the current trace.
            args: the arguments after the move.
            argdiffs: how they differ from ``trace.args``.
        """


@record(lambda r: ((r.choices,), r.args), lambda args, c: ConstraintEdit(c[0], args))
class ConstraintEdit(EditRequest):
    """Set choices (`GenerativeFunction.update`); the reverse sets the discarded ones.

    The weights of move and reverse cancel when the move sampled nothing (update says when it does).
    """

    def __init__(self, choices: Any, args: tuple[Any, ...] | None = None) -> None:
        self.choices, self.args = as_choicemap(choices), args

    def apply(self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]) -> EditResult:
        new, weight, discard, retdiff = trace.gen_fn.update(key, trace, args, argdiffs, self.choices)
        return EditResult(new, weight, discard, ConstraintEdit(discard, trace.args), retdiff)

    def __repr__(self) -> str:
        return f"ConstraintEdit({self.choices!r})"


@record(lambda r: ((r.choices,), (r.selection, r.args)), lambda s, c: SelectionEdit(s[0], c[0], s[1]))
class SelectionEdit(EditRequest):
    """Resample the selection (`GenerativeFunction.regenerate`).

    With ``choices``, the selected and the new addresses take these values instead of draws; the weight counts the
    retained choices all the same. That is the reverse of a selection edit.
    """

    def __init__(self, selection: Any, choices: Any = None, args: tuple[Any, ...] | None = None) -> None:
        self.selection, self.args = as_selection(selection), args
        self.choices = None if choices is None else as_choicemap(choices)

    def apply(self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]) -> EditResult:
        gen_fn = trace.gen_fn
        if self.choices is None:
            new, weight, retdiff = gen_fn.regenerate(key, trace, args, argdiffs, self.selection)
        else:
            # Nothing is fresh, so the update weighs the whole change of score; set choices do not count.
            new, change, _, retdiff = gen_fn.update(key, trace, args, argdiffs, self.choices)
            before, after = selection_of(trace.choices), selection_of(new.choices)
            was = gen_fn.project(trace, (self.selection | ~after) & before)
            weight = change + was - gen_fn.project(new, (self.selection | ~before) & after)
        # What the move replaced: selected choices, and choices that vanished.
        discard = trace.choices.filter(self.selection | ~selection_of(new.choices))
        return EditResult(new, weight, discard, SelectionEdit(self.selection, discard, trace.args), retdiff)

    def __repr__(self) -> str:
        return f"SelectionEdit({self.selection!r})"


@record(lambda r: ((r.choices,), (r.forward, r.backward, r.args)), lambda s, c: ProposalEdit(s[0], s[1], c[0], s[2]))
class ProposalEdit(EditRequest):
    """Propose new values with one generative function, and account for the reverse with another.

    Both take a trace and make choices at addresses of the model. For forward choices u and discarded choices d:

        weight = log p(t'; x') - log p(t; x) - log forward(u; t) + log backward(d; t').

    Args:
        forward: the proposal, a generative function of the current trace.
        backward: the proposal of the reverse move, given the new trace; default: the same as ``forward``.
        choices: take these values instead of a draw of the forward proposal (the reverse of a recorded move).

    Reference: Cusumano-Towner et al., "Gen: a general-purpose probabilistic programming system" (2019), section 4.
    """

    def __init__(
        self,
        forward: GenerativeFunction,
        backward: GenerativeFunction | None = None,
        choices: Any = None,
        args: tuple[Any, ...] | None = None,
    ) -> None:
        for role, proposal in (("forward", forward), ("backward", backward)):
            if proposal is not None and not callable(getattr(proposal, "update", None)):
                raise UsageError(
                    f"the {role} proposal is {proposal!r}, not a generative function",
                    fix="a @gen function of the current trace, without calling it: gm.ProposalEdit(forward, backward)",
                )
        self.forward, self.backward, self.args = forward, forward if backward is None else backward, args
        self.choices = None if choices is None else as_choicemap(choices)

    def apply(self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]) -> EditResult:
        key_forward, key_update = split(key)
        if self.choices is None:
            choices, forward_score, _ = self.forward.propose(key_forward, self.forward.bind((trace,), {}))
        else:
            choices = self.choices
            forward_score, _ = self.forward.assess(self.forward.bind((trace,), {}), choices)
        new, weight, discard, retdiff = trace.gen_fn.update(key_update, trace, args, argdiffs, choices)
        backward_score, _ = self.backward.assess(self.backward.bind((new,), {}), discard)
        reverse = ProposalEdit(self.backward, self.forward, discard, trace.args)
        return EditResult(new, weight - forward_score + backward_score, discard, reverse, retdiff)

    def __repr__(self) -> str:
        return f"ProposalEdit({self.forward.name}, {self.backward.name})"


@record(lambda r: ((tuple(r.requests),), None), lambda _, c: SequenceEdit(list(c[0])))
class SequenceEdit(EditRequest):
    """One request after the other; weights add, and the reverse undoes them in reverse order."""

    def __init__(self, requests: list[EditRequest]) -> None:
        self.requests = list(requests)
        if not self.requests:
            raise UsageError("SequenceEdit needs at least one request", fix="gm.SequenceEdit([first, second])")

    def apply(self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...]) -> EditResult:
        first = trace
        weight: Array | None = None
        discard: ChoiceMap = EMPTY
        backward: list[EditRequest] = []
        retdiffs = []
        keys = split(key, len(self.requests))
        for i, request in enumerate(self.requests):
            step = trace.gen_fn.edit(keys[i], trace, request, args, argdiffs)
            trace, weight = step.trace, step.weight if weight is None else weight + step.weight
            discard = step.discard | discard  # the oldest value of an address is the one that was discarded
            backward.insert(0, step.backward)
            retdiffs.append(step.retdiff)
            args, argdiffs = _as_they_are(trace)
        discard = discard.filter(selection_of(first.choices))
        retdiff = retdiffs[0] if all(d is retdiffs[0] for d in retdiffs) else UnknownChange
        assert weight is not None
        return EditResult(trace, weight, discard, SequenceEdit(backward), retdiff)

    def __repr__(self) -> str:
        return f"SequenceEdit({self.requests!r})"


def _as_they_are(trace: Trace) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The arguments of a trace, and the diffs that say they stay."""
    args = trace.args or ()
    return args, (NoChange,) * len(args)


def restored_arguments(
    request: EditRequest, args: tuple[Any, ...], argdiffs: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The arguments after a request: its own if it restores some, else the caller's."""
    if request.args is None:
        return args, argdiffs
    return request.args, (UnknownChange,) * len(request.args)
