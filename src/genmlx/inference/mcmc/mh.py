r"""Metropolis-Hastings.

Each kernel proposes a trace and accepts it with probability $\min(1, e^w)$, where $w$ is the log importance ratio of
the move. Detailed balance holds because $w$ is $\log \frac{p(t') q(t' \to t)}{p(t) q(t \to t')}$:

* `mh`: the weight of `GenerativeFunction.regenerate`; the proposal is the prior of the selected choices;
* `custom`: the weight of a `ProposalEdit`; the proposal is a generative function of the current trace, or one of a
  pair of which each reverses the other;
* `random_walk`: a normal step of one choice; the proposal is symmetric, so the weight is the update's.

Cost per step: one execution of the model (and of the proposals).

References: Hastings, "Monte Carlo sampling methods using Markov chains and their applications", Biometrika 57 (1970);
Cusumano-Towner et al., PLDI 2019, section 4.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from genmlx.core.address import as_pattern
from genmlx.core.choicemap import EMPTY, selection_of
from genmlx.core.diff import NoChange
from genmlx.core.edit import ProposalEdit
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.selection import NONE, Selection, as_selection
from genmlx.core.trace import Trace
from genmlx.inference.base import Info, Kernel, accept, free_selection, problem
from genmlx.inference.compose import mix
from genmlx.inference.results import Chains
from genmlx.inference.run import sample
from genmlx.numerics.errors import UsageError, format_path
from genmlx.numerics.random import split
from genmlx.numerics.types import Key

__all__ = ["custom_kernel", "mh", "mh_kernel", "random_walk_kernel"]


def mh_kernel(selection: Any) -> Kernel:
    """Resample the selected choices from the prior, and accept or reject.

    Args:
        selection: what to resample; an address or a selection. It is an error if it selects no choice of the trace.
    """
    chosen = as_selection(selection)

    def kernel(key: Key, trace: Trace) -> tuple[Trace, Info]:
        if trace.choices.filter(chosen).is_empty:
            raise UsageError(
                f"there is nothing to move: {chosen!r} selects no choice of {trace.gen_fn.name}",
                fix='an address of the model; k.when(lambda t: "a" in t, k.mh("a")) for one that is not always made',
            )
        key_propose, key_accept = split(key)
        new, weight, _ = trace.gen_fn.regenerate(key_propose, trace, *_same_arguments(trace), chosen)
        return accept(key_accept, weight, new, trace)

    return kernel


def custom_kernel(forward: Any, backward: Any = None, fixed: Selection = NONE) -> Kernel:
    """Propose with a generative function, and account for the reverse move.

    With a ``backward`` of its own, each is the reverse of the other, and a step makes one of the two moves at random:
    always ``forward``, accepted as if the way back were ``backward``, would not leave the posterior invariant.

    Args:
        forward: the proposal, a generative function of the current trace, with choices at addresses of the model.
        backward: the proposal of the reverse move; default ``forward``.
        fixed: choices that the proposal must not touch (the observations).
    """
    for proposal in (forward, forward if backward is None else backward):
        if not isinstance(proposal, GenerativeFunction):
            raise UsageError(
                f"a proposal is a generative function of the current trace, found {proposal!r}",
                fix="a @gen function with the trace as its argument, not called: proposal=guide",
            )
    if backward is None or backward == forward:
        return _proposal_kernel(forward, forward, fixed)
    return mix([(0.5, _proposal_kernel(forward, backward, fixed)), (0.5, _proposal_kernel(backward, forward, fixed))])


def _proposal_kernel(forward: GenerativeFunction, backward: GenerativeFunction, fixed: Selection) -> Kernel:
    request = ProposalEdit(forward, backward)

    def kernel(key: Key, trace: Trace) -> tuple[Trace, Info]:
        key_propose, key_accept = split(key)
        result = trace.gen_fn.edit(key_propose, trace, request, *_same_arguments(trace))
        touched = result.discard.filter(fixed)
        if not touched.is_empty:
            raise UsageError(
                f"the proposal {forward.name} changes the observed choices {list(touched)}",
                fix="propose free choices only",
            )
        return accept(key_accept, result.weight, result.trace, trace)

    return kernel


def random_walk_kernel(address: Any, sd: Any) -> Kernel:
    """Add a normal step to one choice.

    Args:
        address: a continuous choice.
        sd: standard deviation of the step, a number or an array that broadcasts to the choice.
    """
    pattern = as_pattern(address)
    if isinstance(sd, float | int) and not sd > 0:
        raise UsageError(f"a random walk needs a positive sd, found {sd}", fix="sd=0.5")

    def kernel(key: Key, trace: Trace) -> tuple[Trace, Info]:
        key_propose, key_update, key_accept = split(key, 3)
        value = trace.choices[address]
        if not isinstance(value, mx.array) or not mx.issubdtype(value.dtype, mx.floating):
            raise UsageError(
                f"a random walk moves one continuous choice, and {format_path(pattern)} is {value!r}",
                fix="gm.kernels.mh(selection) for discrete choices and groups",
            )
        step = mx.random.normal(value.shape, dtype=value.dtype, key=key_propose)
        constraints = EMPTY.set(address, value + sd * step)
        args, diffs = _same_arguments(trace)
        new, weight, _, _ = trace.gen_fn.update(key_update, trace, args, diffs, constraints)
        return accept(key_accept, weight, new, trace)

    return kernel


def _same_arguments(trace: Trace) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    assert trace.args is not None
    return trace.args, (NoChange,) * len(trace.args)


def mh(
    call: Any,
    observations: Any = None,
    *,
    selection: Any = None,
    proposal: Any = None,
    backward: Any = None,
    kernel: Any = None,
    samples: int = 1000,
    burn: int = 0,
    thin: int = 1,
    chains: int = 1,
    initial: Any = None,
    key: Any = None,
    progress: bool | None = None,
) -> Chains:
    """Metropolis-Hastings from the prior, with a custom proposal, or with any kernel.

    Args:
        call: the model applied to its arguments.
        observations: observed choices (choice map or dict).
        selection: what to resample in a step; default: everything that is not observed.
        proposal: a generative function of the current trace that proposes new values, instead of the prior.
        backward: the proposal of the reverse move; default ``proposal``. A step makes one of the two moves.
        kernel: any kernel (`gm.kernels`), instead of the above.
        samples: draws to keep, per chain.
        burn: steps to drop first.
        thin: steps per kept draw.
        chains: number of chains, each started from its own draw of the prior.
        initial: starting values for some choices, shared by the chains; or a generative function applied to its
            arguments, from which each chain draws its own.
        key: random key; the same key gives the same draws.
        progress: show a progress bar; default: on a terminal.

    Returns:
        The draws. ``chains["slope"]`` has shape ``(chains, samples, ...)``.

    Example:
        >>> from genmlx import gen, normal, mh, key
        >>> @gen
        ... def model():
        ...     mu = normal(0.0, 1.0) @ "mu"
        ...     normal(mu, 1.0) @ "x"
        >>> mh(model(), {"x": 1.0}, samples=10, key=key(0))["mu"].shape
        (1, 10)
    """
    target, given = problem(call, observations)
    ways = {"selection": selection, "proposal": proposal, "kernel": kernel}
    chosen = [name for name, way in ways.items() if way is not None]
    if len(chosen) > 1 or (backward is not None and proposal is None):
        found = [*chosen, "backward"] if backward is not None else chosen
        raise UsageError(
            f"mh was given {' and '.join(found)}", fix="one of selection=, proposal= (with backward=), kernel="
        )
    moved = None
    if kernel is None:
        if proposal is not None:
            kernel = custom_kernel(proposal, backward, selection_of(given))
        else:
            free = free_selection(given)
            moved = free if selection is None else as_selection(selection) & free
            kernel = mh_kernel(moved)
    return sample(
        kernel,
        target,
        given,
        samples=samples,
        burn=burn,
        thin=thin,
        chains=chains,
        initial=initial,
        moved=moved,
        key=key,
        progress=progress,
    )
