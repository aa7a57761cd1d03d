"""Kernels from kernels.

A composition of kernels that leave the posterior invariant leaves it invariant: one after the other (`cycle`,
`chain`), many times (`repeat`), or one of several chosen at random independently of the trace (`mix`). Each part gets
a key of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from genmlx.core.trace import Trace
from genmlx.inference.base import Info, Kernel, alike, check_count, check_kernel, select
from genmlx.numerics.errors import ControlFlowError, UsageError
from genmlx.numerics.random import as_key, scramble, split
from genmlx.numerics.transforms import explain_control_flow
from genmlx.numerics.types import Array, Key

__all__ = ["chain", "cycle", "mix", "repeat", "seed", "when"]

_MIX = "k.mix([(0.5, k.mh(...)), (0.5, k.random_walk(...))])"


def cycle(kernels: Sequence[Kernel]) -> Kernel:
    """All kernels, one after the other; the info averages over them."""
    parts = [check_kernel(k) for k in kernels]
    if not parts:
        raise UsageError("cycle takes at least one kernel, found none", fix="k.cycle([k.mh(...), k.mh(...)])")

    def kernel(key: Key, trace: Trace) -> tuple[Trace, Info]:
        infos = []
        for part_key, part in zip(split(key, len(parts)), parts, strict=True):
            trace, info = part(part_key, trace)
            infos.append(info)
        return trace, _average(infos)

    return kernel


def chain(*kernels: Kernel) -> Kernel:
    """`cycle` of the arguments."""
    return cycle(kernels)


def repeat(kernel: Kernel, times: int) -> Kernel:
    """The kernel ``times`` times, with a fresh key each time."""
    return cycle([kernel] * check_count("times", times, 1))


def mix(weighted: Sequence[Any]) -> Kernel:
    """One of several kernels, chosen with the given probabilities (normalised) at each step.

    Vectorised chains choose apart: there, each step runs all the kernels and keeps one of their results.

    Args:
        weighted: pairs (probability, kernel).
    """
    pairs = list(weighted)
    if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise UsageError(f"mix takes (probability, kernel) pairs, found {pairs!r}", fix=_MIX)
    weights, parts = [w for w, _ in pairs], [check_kernel(part) for _, part in pairs]
    if any(w < 0 for w in weights) or not 0 < sum(weights) < math.inf:
        raise UsageError(f"mix takes probabilities that are not negative and not all 0, found {weights}", fix=_MIX)
    cumulative = [sum(weights[: i + 1]) / sum(weights) for i in range(len(weights) - 1)]

    def kernel(key: Key, trace: Trace) -> tuple[Trace, Info]:
        key_choice, key_part = split(key)
        u = mx.random.uniform(key=key_choice)

        def move(i: int) -> tuple[Trace, Info]:
            if i == len(cumulative):
                return parts[i](key_part, trace)
            return _choose(u < cumulative[i], lambda: parts[i](key_part, trace), lambda: move(i + 1))

        return move(0)

    return kernel


def when(condition: Callable[[Trace], Any], kernel: Kernel) -> Kernel:
    """The kernel where ``condition(trace)`` holds, else no move.

    The posterior stays invariant only if the kernel cannot change the condition. A step without a move counts as a
    proposal that was not accepted.
    """
    check_kernel(kernel)

    def guarded(key: Key, trace: Trace) -> tuple[Trace, Info]:
        holds = condition(trace)
        if not isinstance(holds, mx.array):
            holds = mx.array(bool(holds))
        return _choose(
            holds.astype(mx.bool_),
            lambda: kernel(key, trace),
            lambda: (trace, Info(mx.array(0.0), mx.array(False))),
        )

    return guarded


def _choose(
    flag: Array, yes: Callable[[], tuple[Trace, Info]], no: Callable[[], tuple[Trace, Info]]
) -> tuple[Trace, Info]:
    """``yes()`` where ``flag``, else ``no()``; both are run only where the value of the flag is not known yet."""
    try:
        with explain_control_flow():
            known: Any = flag.item()
    except ControlFlowError:
        a, b = yes(), no()
        if not alike(a, b):
            raise
        return select(flag, a, b)
    return yes() if known else no()


def seed(kernel: Kernel, key: Any) -> Kernel:
    """The kernel under its own stream: step keys are mixed with ``key``, and still differ from step to step."""
    check_kernel(kernel)
    salt = scramble(as_key(key))

    def seeded(step_key: Key, trace: Trace) -> tuple[Trace, Info]:
        return kernel(scramble(step_key + salt), trace)

    return seeded


def _average(infos: list[Info]) -> Info:
    rate: Array = sum((i.acceptance_rate for i in infos[1:]), infos[0].acceptance_rate) / len(infos)
    accepted, undefined = infos[0].accepted, infos[0].nan_weight
    for info in infos[1:]:
        accepted, undefined = accepted | info.accepted, undefined | info.nan_weight
    return Info(rate, accepted, undefined)
