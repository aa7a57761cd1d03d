"""The loop over steps, for every Markov chain: starting points, burn-in, thinning, collection, progress, Ctrl-C.

Several chains advance together: vectorised (one traced step for all chains) where the model allows it, else one by
one within each step. Both use the same key for chain c and step i, so they make the same draws. Each step is
evaluated before the next is built, so the graph stays bounded and memory does not grow with the steps dropped.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx

from genmlx.core.choicemap import ChoiceMap, as_choicemap
from genmlx.core.gfi import Call
from genmlx.core.trace import Trace
from genmlx.inference.base import Info, Kernel, check_count, evaluate, free_selection, initial_trace, problem
from genmlx.inference.draws import DrawTable
from genmlx.inference.results import Chains
from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError
from genmlx.numerics.pytree import map_arrays, same_structure, split_arrays
from genmlx.numerics.random import as_key, fold_in, scramble, split
from genmlx.numerics.transforms import vmap
from genmlx.numerics.types import Array, Key, Keys

__all__ = ["run_chain", "sample"]

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
    key: Any = None,
    progress: bool | None = None,
) -> Chains:
    """Run a kernel on (call, observations): each chain starts from its own draw of the prior."""
    target, given = problem(call, observations)
    check_count("chains", chains, 1)
    key_initial, key_run = split(as_key(key))
    traces = [initial_trace(target, given, k, initial) for k in split(key_initial, chains)]
    return _run(kernel, traces, given, samples, burn, thin, key_run, progress)


def run_chain(
    kernel: Kernel,
    trace: Trace | list[Trace],
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
        observations: choices to leave out of the results; default none.
        key: random key.
        progress: show a progress bar; default: on a terminal.
    """
    traces = list(trace) if isinstance(trace, list | tuple) else [trace]
    for t in traces:
        if not isinstance(t, Trace) or t.args is None:
            raise UsageError(
                f"run_chain starts from a trace, found {t!r}", fix="model(args).generate(observations).trace"
            )
    return _run(kernel, traces, as_choicemap(observations), samples, burn, thin, as_key(key), progress)


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
    check_count("samples", samples, 1)
    check_count("burn", burn, 0)
    check_count("thin", thin, 1)
    free = free_selection(observations)
    table = DrawTable(len(traces))
    stepper = _Stepper(kernel, traces)
    keys = _step_keys(split(key, len(traces)))
    steps = burn + samples * thin
    interrupted = False
    with _progress_bar(steps, progress) as advance:
        try:
            for i in range(1, steps + 1):
                infos = stepper.step(next(keys))
                if i > burn and (i - burn) % thin == 0:
                    table.add([t.choices.filter(free) for t in stepper.traces()], stepper.scores(), infos)
                advance(i)
        except KeyboardInterrupt:
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


class _Stepper:
    """The current traces of the chains, and one step of all."""

    def __init__(self, kernel: Kernel, traces: list[Trace]) -> None:
        self._kernel, self._traces = kernel, traces
        self._args = traces[0].args
        self._stacked: Any = None
        structures = [split_arrays(t.with_args(None)) for t in traces]
        alike = all(
            same_structure(s, structures[0][1]) and [x.shape for x in a] == [x.shape for x in structures[0][0]]
            for a, s in structures
        )
        if len(traces) > 1 and alike and all(t.args is self._args or t.args == self._args for t in traces):
            self._stacked = map_arrays(lambda *xs: mx.stack(list(xs)), *[t.with_args(None) for t in traces])
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
            except (ControlFlowError, ShapeError, UsageError, ValueError) as error:
                self._one_by_one(error)
        infos = []
        for c, trace in enumerate(self._traces):
            self._traces[c], info = self._kernel(keys[c], trace)
            infos.append(info)
        evaluate(self._traces, infos)
        return infos

    def _one_by_one(self, error: Exception) -> None:
        """Give up vectorising the chains: from here they advance one after the other, with the same keys."""
        reason = getattr(error, "what", None) or str(error)
        place = f" ({error.where})" if getattr(error, "where", None) else ""  # type: ignore[attr-defined]
        warnings.warn(f"the chains run one after the other, not vectorised: {reason}{place}", UserWarning, stacklevel=5)
        self._traces = [self._chain(c) for c in range(len(self._traces))]
        self._stacked = None

    def _chain(self, c: int) -> Trace:
        return map_arrays(lambda a: a[c], self._stacked).with_args(self._args)

    def traces(self) -> list[Trace]:
        """One trace a chain, or one trace of all chains with a leading axis."""
        return self._traces if self._stacked is None else [self._stacked]

    def scores(self) -> list[Array]:
        return [t.score for t in self.traces()]


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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=steps)
        yield lambda i: bar.update(task, completed=i) if i % every == 0 or i == steps else None
