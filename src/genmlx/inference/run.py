"""The loop over steps, for every Markov chain: starting points, burn-in, thinning, collection, progress, Ctrl-C.

Several chains advance together: vectorised (one traced step for all chains) where the model allows it, else one by
one within each step. Both use the same key for chain c and step i, so they make the same draws. Each step is
evaluated before the next is built, so the graph stays bounded and memory does not grow with the steps dropped.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import numpy as np

from genmlx.core.choicemap import ChoiceMap, as_choicemap, selection_of
from genmlx.core.gfi import Call
from genmlx.core.gradients import is_floating
from genmlx.core.selection import Selection
from genmlx.core.trace import Trace
from genmlx.inference.base import (
    Info,
    Kernel,
    alike,
    check_count,
    check_kernel,
    evaluate,
    explain_weight,
    free_selection,
    initial_traces,
    not_vectorisable,
    problem,
    recording,
)
from genmlx.inference.draws import DrawTable
from genmlx.inference.results import Chains
from genmlx.numerics.errors import ControlFlowError, UsageError, format_path
from genmlx.numerics.pytree import map_arrays, same_structure, split_arrays
from genmlx.numerics.random import as_key, fold_in, scramble, split
from genmlx.numerics.transforms import vmap
from genmlx.numerics.types import Array, Key, Keys

__all__ = ["run_chain", "sample"]

_START = "model(args).generate(observations).trace"
_DOMAIN = "parameters inside their domains, whatever the choices that lead to them: mx.exp(x) for a scale, ..."
_ENOUGH = 100  # steps after which a chain that never moved is reported
_BLOCK = 256  # step keys are made this many at a time, so that a long run needs constant memory for them


def sample(
    kernel: Kernel,
    call: Any,
    observations: Any = None,
    *,
    samples: int = 1000,
    burn: int = 0,
    thin: int = 1,
    chains: int = 1,
    initial: Any = None,
    moved: Selection | None = None,
    key: Any = None,
    progress: bool | None = None,
) -> Chains:
    """Run a kernel on (call, observations): each chain starts from its own draw of the prior.

    ``moved`` are the only choices that the kernel changes, where that is known: there must be some.
    """
    target, given = problem(call, observations)
    check_count("chains", chains, 1)
    _check_counts(samples, burn, thin)
    key_initial, key_run = split(as_key(key))
    traces = initial_traces(target, given, split(key_initial, chains), initial)
    if initial is not None:
        _warn_of_equal_starts(traces, given)
    if moved is not None and any(trace.choices.filter(moved).is_empty for trace in traces):
        free = ", ".join(map(repr, traces[0].choices.filter(free_selection(given))))
        raise UsageError(
            f"there is nothing to move: {moved!r} selects no free choice of {target!r}",
            fix=f"a selection of {free}" if free else "observations that leave a choice free",
        )
    return _run(kernel, traces, given, samples, burn, thin, key_run, progress)


def run_chain(
    kernel: Any,
    trace: Any,
    *,
    samples: int = 1000,
    burn: int = 0,
    thin: int = 1,
    observations: Any = None,
    key: Any = None,
    progress: bool | None = None,
) -> Chains:
    """Run a kernel from a given trace.

    Args:
        kernel: (key, trace) to (trace, info); see `gm.kernels`.
        trace: where to start; a list of traces gives a chain each. R-hat means something only if they are dispersed.
        samples: draws to keep, per chain.
        burn: steps to drop first.
        thin: steps per kept draw.
        observations: choices to leave out of the results, which must keep the values given here; default none.
        key: random key.
        progress: show a progress bar; default: on a terminal.
    """
    traces = list(trace) if isinstance(trace, list | tuple) else [trace]
    if not traces:
        raise UsageError("run_chain was given no trace to start from", fix=_START)
    for t in traces:
        if not isinstance(t, Trace) or t.args is None:
            raise UsageError(f"run_chain starts from a trace, found {t!r}", fix=_START)
        if t.gen_fn != traces[0].gen_fn or not _equal(t.args, traces[0].args):
            raise UsageError(
                "the chains start from different calls", fix="one model with the same arguments for all chains"
            )
        if not mx.isfinite(t.score).item():
            raise explain_weight(t, "the chain starts from a trace whose density is not finite", _START)
    _check_counts(samples, burn, thin)
    given = as_choicemap(observations)
    _warn_of_equal_starts(traces, given)
    return _run(kernel, traces, given, samples, burn, thin, as_key(key), progress)


def _check_counts(samples: int, burn: int, thin: int) -> None:
    check_count("samples", samples, 1)
    check_count("burn", burn, 0)
    check_count("thin", thin, 1)


def _equal(a: Any, b: Any) -> bool:
    """Whether two trees of arguments are equal."""
    if a is b:
        return True
    (xs, structure), (ys, other) = split_arrays(a), split_arrays(b)
    return same_structure(structure, other) and all(mx.array_equal(x, y).item() for x, y in zip(xs, ys, strict=True))


def _warn_of_equal_starts(traces: list[Trace], observations: ChoiceMap) -> None:
    """Chains from one point agree before they have converged: R-hat, which compares them, would say nothing."""
    free = free_selection(observations)
    starts = [trace.choices.filter(free) for trace in traces]
    # Discrete choices may coincide by chance.
    if starts[0].filter(selection_of(starts[0], is_floating)).is_empty:
        return
    if len(starts) > 1 and all(_equal(start, starts[0]) for start in starts):
        warnings.warn(
            f"all {len(starts)} chains start from the same point, so R-hat cannot tell whether they have converged; "
            "instead: traces that are further apart than the posterior is wide, or initial=call of a generative "
            "function that draws them",
            UserWarning,
            stacklevel=4,
        )


def _run(
    kernel: Kernel,
    traces: list[Trace],
    observations: ChoiceMap,
    samples: int,
    burn: int,
    thin: int,
    key: Key,
    progress: bool | None,
) -> Chains:
    check_kernel(kernel)
    free = free_selection(observations)
    table = DrawTable(len(traces))
    stepper = _Stepper(kernel, traces)
    keys = _step_keys(split(key, len(traces)))
    steps = burn + samples * thin
    tally = _Tally(len(traces))
    interrupted = False
    _check_observed(stepper, observations)
    with _progress_bar(steps, progress) as advance:
        try:
            for i in range(1, steps + 1):
                before, step_keys = stepper.state, next(keys)
                infos = stepper.step(step_keys)
                failed = tally.add(infos)
                if failed is not None and tally.reason is None:
                    tally.reason = _explain_step(kernel, step_keys[failed], stepper.chain(failed, before))
                if i % _BLOCK == 0 or i == steps:
                    _check_observed(stepper, observations)
                if i > burn and (i - burn) % thin == 0:
                    table.add(stepper.look(lambda t: t.choices.filter(free)), stepper.look(lambda t: t.score), infos)
                advance(i)
        except KeyboardInterrupt:
            table.settle()
            if not table.draws:
                raise
            interrupted = True
    notes = tally.notes()
    if interrupted:
        notes.append(f"interrupted: {table.draws} of {samples} draws were made and are kept")
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    first = traces[0]
    assert first.args is not None
    return Chains(Call(first.gen_fn, first.args), observations, table, interrupted=interrupted)


def _check_observed(stepper: _Stepper, observations: ChoiceMap) -> None:
    """A kernel that moves observed choices, or leaves the branch in which they are made, samples something else.

    Looked at every few hundred steps and at the end: once changed, a value hardly comes back.
    """
    observed = list(observations.items())

    def kept(trace: Trace) -> list[Array]:
        choices = trace.choices
        gone = [path for path, _ in observed if path not in choices]
        if gone:
            raise UsageError(
                f"the observed choice {format_path(gone[0])} is gone: the chain moved to an execution without it",
                fix="a model that makes the observed choices in every branch",
            )
        return [mx.all(choices[path] == value) for path, value in observed]

    flags = [mx.stack([mx.all(flag) for flag in column]) for column in zip(*stepper.look(kept), strict=True)]
    if not flags:
        return
    unchanged: Any = mx.all(mx.stack(flags), axis=1).tolist()
    for (path, _), same in zip(observed, unchanged, strict=True):
        if not same:
            raise UsageError(
                f"the kernel changes the observed choice {format_path(path)}",
                fix="a kernel of free choices only: gm.kernels.mh(gm.select(...)), not gm.ALL",
            )


class _Tally:
    """What the infos of all steps add up to, burn-in and thinned steps included.

    Attributes:
        reason: why the first weight that was NaN was NaN.
    """

    def __init__(self, chains: int) -> None:
        self.reason: str | None = None
        self._steps, self._undefined = 0, 0
        self._accepted = np.zeros(chains, dtype=int)

    def add(self, infos: list[Any]) -> int | None:
        """Count one step of all chains; a chain whose weight was NaN, if there is one."""
        self._steps += 1
        self._accepted += _by_chain(infos, "accepted", True)
        undefined = np.flatnonzero(_by_chain(infos, "nan_weight", False))
        self._undefined += len(undefined)
        return int(undefined[0]) if len(undefined) else None

    def notes(self) -> list[str]:
        """What the user has to know of the steps."""
        notes: list[str] = []
        proposals = self._steps * len(self._accepted)
        if self._undefined:
            notes.append(
                f"{self._undefined} of {proposals} steps proposed a move whose weight was NaN, which was rejected: "
                f"the draws may miss a part of the posterior. {self.reason or ''}".rstrip()
            )
        stuck = np.flatnonzero(self._accepted == 0).tolist()
        if stuck and self._steps >= _ENOUGH:
            who = "no chain" if len(stuck) == len(self._accepted) else f"of the chains {stuck} none"
            notes.append(
                f"{who} accepted any of its {self._steps} proposals: the draws are where it started; "
                "instead: smaller moves (fewer choices, a smaller sd=), or initial= nearer to the posterior"
            )
        return notes


def _by_chain(infos: list[Any], field: str, default: bool) -> np.ndarray:
    """A field of the infos of one step, by chain; the default where a kernel does not say."""
    return np.concatenate([np.array(getattr(info, field, default)).reshape(-1) for info in infos])


def _explain_step(kernel: Kernel, key: Key, trace: Trace) -> str:
    """Why a step had a NaN weight: it is made again, and what it proposed is looked at."""
    with recording() as proposals:
        kernel(key, trace)
    for proposed, log_weight in proposals:
        if mx.isnan(log_weight).item():
            if mx.isfinite(proposed.score).item():
                return "The first: the model's density is finite, that of the proposal is not"
            return f"The first: {explain_weight(proposed, 'the density is not a number', _DOMAIN)}"
    return ""


class _Stepper:
    """The current traces of the chains, and one step of all.

    Attributes:
        state: one trace a chain, or one trace of all chains, with a leading axis on its arrays.
    """

    def __init__(self, kernel: Kernel, traces: list[Trace]) -> None:
        self._kernel, self._args = kernel, traces[0].args
        self.state: list[Trace] | Trace = traces
        bare = [t.with_args(None) for t in traces]
        if len(traces) > 1 and all(alike(t, bare[0]) for t in bare):
            self.state = map_arrays(lambda *xs: mx.stack(list(xs)), *bare)
            self._all = vmap(self._one)

    def _one(self, key: Key, trace: Trace) -> tuple[Trace, Info]:
        new, info = self._kernel(key, trace.with_args(self._args))
        return new.with_args(None), info

    def step(self, keys: Keys) -> list[Info]:
        """Advance all chains; the infos, one a chain or one for all."""
        if not isinstance(self.state, list):
            try:
                self.state, info = self._all(keys, self.state)
                evaluate(self.state, info)
                return [info]
            except (ControlFlowError, ValueError) as error:
                reason = not_vectorisable(error)
                if reason is None:
                    raise
                self._one_by_one(reason, len(keys))
        assert isinstance(self.state, list)
        steps = [self._kernel(key, trace) for key, trace in zip(keys, self.state, strict=True)]
        self.state = [trace for trace, _ in steps]
        infos = [info for _, info in steps]
        evaluate(self.state, infos)
        return infos

    def _one_by_one(self, reason: str, chains: int) -> None:
        """Give up vectorising the chains: from here they advance one after the other, with the same keys."""
        warnings.warn(f"the chains run one after the other, not vectorised: {reason}", UserWarning, stacklevel=5)
        self.state = [self.chain(c, self.state) for c in range(chains)]

    def chain(self, c: int, state: list[Trace] | Trace) -> Trace:
        """The trace of one chain in a state."""
        if isinstance(state, list):
            return state[c]
        return map_arrays(lambda a: a[c], state).with_args(self._args)

    def look(self, f: Callable[[Trace], Any]) -> list[Any]:
        """``f`` of each trace: a list with one entry a chain, or with one for all and a leading axis over chains."""
        return [f(t) for t in self.state] if isinstance(self.state, list) else [vmap(f)(self.state)]


def _step_keys(chain_keys: Keys) -> Iterator[Keys]:
    """For each step, the keys of the chains, shape (chains, 2)."""
    roots = [scramble(k) for k in chain_keys]
    block = 0
    while True:
        keys = mx.stack([split(fold_in(root, ("block", block)), _BLOCK) for root in roots], axis=1)
        mx.eval(keys)
        for i in range(_BLOCK):
            yield keys[i]
        block += 1


@contextmanager
def _progress_bar(steps: int, show: bool | None) -> Iterator[Any]:
    """Yield a function of the step number; a rich progress bar on a terminal, nothing elsewhere."""
    if show is None:
        show = sys.stderr.isatty()
    if not show:
        yield lambda i: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("sampling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    every = max(1, steps // 200)
    console = Console(stderr=True)
    # Where lines cannot be rewritten (a log file), the last state is printed once.
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task("", total=steps)
        yield lambda i: bar.update(task, completed=i) if i % every == 0 or i == steps else None
