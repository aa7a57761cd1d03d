"""What every inference algorithm is made of: a call, its observations, kernels.

A *kernel* maps (key, trace) to (trace, info) and leaves the posterior invariant: if the trace is a draw from it, so
is the new one. Kernels are plain callables, so that they compose (`genmlx.inference.compose`), vectorise over chains
and, where every operation can be captured, compile.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.choicemap import ChoiceMap, as_choicemap, selection_of
from genmlx.core.gfi import Call, GenerativeFunction
from genmlx.core.selection import Selection
from genmlx.core.trace import Trace
from genmlx.numerics.errors import ControlFlowError, DomainError, GenMLXError, UsageError, WeightError, format_path
from genmlx.numerics.pytree import join_arrays, map_arrays, same_structure, split_arrays
from genmlx.numerics.random import split
from genmlx.numerics.transforms import explain_control_flow, vmap, where
from genmlx.numerics.types import Array, Key, Keys

__all__ = [
    "Info",
    "Kernel",
    "accept",
    "alike",
    "check_count",
    "check_kernel",
    "evaluate",
    "explain_weight",
    "free_selection",
    "initial_trace",
    "initial_traces",
    "not_vectorisable",
    "problem",
    "recording",
    "select",
]

_INITIAL_ATTEMPTS = 100
_false = mx.array(False)


class Info(NamedTuple):
    """What a kernel says of one step.

    Attributes:
        acceptance_rate: the probability with which the proposal was accepted, min(1, exp(log_weight)).
        accepted: whether it was.
        nan_weight: whether the weight was NaN, so that the proposal was rejected without being weighed.
    """

    acceptance_rate: Array
    accepted: Array
    nan_weight: Array = _false


Kernel = Callable[[Key, Trace], tuple[Trace, Info]]


def problem(call: Any, observations: Any) -> tuple[Call, ChoiceMap]:
    """The (call, observations) that inference is asked about, checked."""
    if not isinstance(call, Call):
        name = getattr(call, "name", "model")
        raise UsageError(
            f"inference takes a generative function applied to its arguments, found {call!r} ({type(call).__name__})",
            fix=f"call the model: {name}(...) with its arguments",
        )
    return call, as_choicemap(observations)


def check_count(name: str, value: Any, least: int) -> int:
    """A count given by the user: an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{name}= takes an int of at least {least}, found {value!r}", fix=f"{name}={max(least, 1)}")
    return value


def check_kernel(kernel: Any) -> Kernel:
    """A kernel given by the user: a function of (key, trace)."""
    if not callable(kernel) or isinstance(kernel, GenerativeFunction):
        raise UsageError(
            f"a kernel is a function of (key, trace), found {kernel!r}",
            fix='one of gm.kernels: gm.kernels.mh("x"), gm.kernels.random_walk("x", 0.5)',
        )
    return kernel  # type: ignore[return-value]


def free_selection(observations: ChoiceMap) -> Selection:
    """Everything that is not observed: what inference may change. Observations are never resampled."""
    return ~selection_of(observations)


def accept(key: Key, log_weight: Array, new: Trace, old: Trace) -> tuple[Trace, Info]:
    """The Metropolis-Hastings choice between two traces: ``new`` with probability min(1, exp(log_weight)).

    A NaN weight rejects, and the info says so. Traces that are alike are selected array by array, without waiting for
    the value of the weight; traces that differ in structure or in shapes (a branch flipped) need it.
    """
    # log(u) with u in (0, 1], so finite: a weight of -inf is never accepted, a weight of 0 always.
    flag = mx.log(1.0 - mx.random.uniform(key=key)) <= log_weight
    undefined = mx.isnan(log_weight)
    rate = mx.where(undefined, 0.0, mx.minimum(1.0, mx.exp(log_weight)))
    record = _record.get()
    if record is not None:
        record.append((new, log_weight))
    # Arguments that both share are not selected: that would copy the data at every step.
    shared = (old.args,) if new.args is old.args else ()
    if shared:
        new, old = new.with_args(None), old.with_args(None)
    if alike(new, old):
        chosen = select(flag, new, old)
    else:
        with explain_control_flow():
            chosen = new if flag.item() else old
    return chosen.with_args(*shared) if shared else chosen, Info(rate, flag, undefined)


_record: contextvars.ContextVar[list[tuple[Trace, Array]] | None] = contextvars.ContextVar(
    "genmlx_record", default=None
)


@contextlib.contextmanager
def recording() -> Iterator[list[tuple[Trace, Array]]]:
    """Note each proposal that `accept` weighs, with its weight: a step made again can then be explained."""
    proposals: list[tuple[Trace, Array]] = []
    token = _record.set(proposals)
    try:
        yield proposals
    finally:
        _record.reset(token)


def alike(a: Any, b: Any) -> bool:
    """Whether two trees differ in the values of their arrays only: one structure, the same shapes and dtypes."""
    (xs, structure), (ys, other) = split_arrays(a), split_arrays(b)
    return same_structure(structure, other) and all(
        x.shape == y.shape and x.dtype == y.dtype for x, y in zip(xs, ys, strict=True)
    )


def select(flag: Array, a: Any, b: Any) -> Any:
    """``a`` where ``flag``, else ``b``, for trees that are alike. What both share (observed data) is not touched."""
    (xs, structure), (ys, _) = split_arrays(a), split_arrays(b)
    differ = [i for i, (x, y) in enumerate(zip(xs, ys, strict=True)) if x is not y]
    for i, chosen in zip(differ, where(flag, [xs[i] for i in differ], [ys[i] for i in differ]), strict=True):
        xs[i] = chosen
    return join_arrays(structure, xs)


def evaluate(*trees: Any) -> None:
    """Compute every array of the trees now: bounds the graph, and frees what led there."""
    arrays = [a for tree in trees for a in split_arrays(tree)[0]]
    if arrays:
        mx.eval(arrays)


def not_vectorisable(error: Exception) -> str | None:
    """Why something cannot be vectorised, if that is what the error says; None for every other error."""
    if isinstance(error, ControlFlowError):
        return f"{error.what} (in {error.where})"
    if not isinstance(error, GenMLXError) and "vmap" in str(error):
        return str(error)  # MLX has no vmap rule for some operations (QR)
    return None


def initial_trace(call: Call, observations: ChoiceMap, key: Key, initial: Any = None) -> Trace:
    """A starting point with positive posterior density: free choices from the prior, or ``initial``.

    Improper priors start uniformly on [-2, 2] in unconstrained space. Where ``initial`` is a call of a generative
    function, each attempt draws from it.

    Raises:
        WeightError: no starting point with positive density in 100 attempts; names the choices to blame.
    """
    trace = None
    for attempt in split(key, _INITIAL_ATTEMPTS):
        trace = _attempt(call, observations, attempt, initial)
        evaluate(trace)
        if mx.isfinite(trace.score).item():
            return trace
    assert trace is not None
    raise explain_weight(
        trace,
        f"the density is not finite at any of {_INITIAL_ATTEMPTS} starting points drawn from the prior",
        "check the observations against the support of their distributions, or give initial={...}",
    )


def initial_traces(call: Call, observations: ChoiceMap, keys: Keys, initial: Any = None) -> list[Trace]:
    """`initial_trace` of each key; the first attempts of all are made in one piece, where the model allows it."""

    def first_attempt(key: Key) -> Trace:
        return _attempt(call, observations, split(key, _INITIAL_ATTEMPTS)[0], initial).with_args(None)

    good: Any = [False] * len(keys)
    batch: Any = None
    if len(keys) > 1:
        try:
            batch = vmap(first_attempt)(keys)
            good = mx.isfinite(batch.score).tolist()
        except (ControlFlowError, ValueError) as error:
            if not_vectorisable(error) is None:
                raise
    return [
        map_arrays(lambda a, c=c: a[c], batch).with_args(call.args)
        if good[c]
        else initial_trace(call, observations, keys[c], initial)
        for c in range(len(keys))
    ]


def _attempt(call: Call, observations: ChoiceMap, key: Key, initial: Any) -> Trace:
    """One draw of a starting point, whose density may be 0."""
    if isinstance(initial, Call):
        key, key_initial = split(key)
        initial, _, _ = initial.gen_fn.propose(key_initial, initial.args)
    with execution.initialising():
        trace, _ = call.gen_fn.generate(key, call.args, as_choicemap(initial) | observations)
    return trace


def explain_weight(trace: Trace, what: str, fix: str) -> GenMLXError:
    """An error about a score that is NaN or infinite, which names the choices at fault."""
    bad = [(path, score) for path, score in _leaves(trace, ()) if not mx.isfinite(score).item()]
    if any(mx.isnan(score).item() for _, score in bad):
        # Out-of-domain parameters are the usual reason for NaN: run once more with checks of arrays.
        try:
            with execution.validating():
                trace.gen_fn.assess(trace.args, trace.choices)  # type: ignore[arg-type]
        except DomainError as error:
            return error
        except GenMLXError:
            pass
    blame = ", ".join(f"{format_path(path)} ({score.item()})" for path, score in bad[:5])
    return WeightError(what + (f"; log density by choice: {blame}" if blame else ""), fix=fix)


def _leaves(trace: Trace, path: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Array]]:
    below = trace.subtraces()
    if not below:
        return [(path, trace.score)]
    parts = [(a if isinstance(a, tuple) else (a,), t) for a, t in below]
    return [leaf for address, subtrace in parts for leaf in _leaves(subtrace, path + address)]
