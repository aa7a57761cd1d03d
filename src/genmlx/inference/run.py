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

from genmlx.core.choicemap import ChoiceMap, as_choicemap
from genmlx.core.gfi import Call
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
    return _run(kernel, traces, as_choicemap(observations), samples, burn, thin, as_key(key), progress)


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
    interrupted = False
    _check_observed(stepper, observations)
    with _progress_bar(steps, progress) as advance:
        try:
            for i in range(1, steps + 1):
                infos = stepper.step(next(keys))
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
    if interrupted:
        warnings.warn(
            f"interrupted: {table.draws} of {samples} draws were made and are kept", UserWarning, stacklevel=3
        )
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


class _Stepper:
    """The current traces of the chains, and one step of all."""

    def __init__(self, kernel: Kernel, traces: list[Trace]) -> None:
        self._kernel, self._traces = kernel, traces
        self._args = traces[0].args
        self._stacked: Any = None
        bare = [t.with_args(None) for t in traces]
        if len(traces) > 1 and all(alike(t, bare[0]) for t in bare):
            self._stacked = map_arrays(lambda *xs: mx.stack(list(xs)), *bare)
            self._all = vmap(self._one)

    def _one(self, key: Key, trace: Trace) -> tuple[Trace, Info]:
        new, info = self._kernel(key, trace.with_args(self._args))
        return new.with_args(None), info

    def step(self, keys: Keys) -> list[Info]:
        if self._stacked is not None:
            try:
                self._stacked, info = self._all(keys, self._stacked)
                evaluate(self._stacked, info)
                return [info]
            except (ControlFlowError, ValueError) as error:
                reason = not_vectorisable(error)
                if reason is None:
                    raise
                self._one_by_one(reason)
        infos = []
        for c, trace in enumerate(self._traces):
            self._traces[c], info = self._kernel(keys[c], trace)
            infos.append(info)
        evaluate(self._traces, infos)
        return infos

    def _one_by_one(self, reason: str) -> None:
        """Give up vectorising the chains: from here they advance one after the other, with the same keys."""
        warnings.warn(f"the chains run one after the other, not vectorised: {reason}", UserWarning, stacklevel=5)
        self._traces = [self._chain(c) for c in range(len(self._traces))]
        self._stacked = None

    def _chain(self, c: int) -> Trace:
        return map_arrays(lambda a: a[c], self._stacked).with_args(self._args)

    def look(self, f: Callable[[Trace], Any]) -> list[Any]:
        """``f`` of each trace: a list with one entry a chain, or with one for all and a leading axis over chains."""
        return [f(t) for t in self._traces] if self._stacked is None else [vmap(f)(self._stacked)]


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
