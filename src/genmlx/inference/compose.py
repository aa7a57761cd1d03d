"""Kernels from kernels.

A composition of kernels that leave the posterior invariant leaves it invariant: one after the other (`cycle`,
`chain`), many times (`repeat`), or one of several chosen at random independently of the trace (`mix`). Each part gets
a key of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from genmlx.core.trace import Trace
from genmlx.inference.base import Info, Kernel, check_count
from genmlx.numerics.errors import UsageError
from genmlx.numerics.random import scramble, split
from genmlx.numerics.transforms import explain_control_flow
from genmlx.numerics.types import Array, Key

__all__ = ["chain", "cycle", "mix", "repeat", "seed", "when"]


def cycle(kernels: Sequence[Kernel]) -> Kernel:
    """All kernels, one after the other; the info averages over them."""
    parts = list(kernels)
    if not parts or not all(callable(k) for k in parts):
        raise UsageError(
            f"cycle takes a non-empty list of kernels, found {kernels!r}", fix="k.cycle([k.mh(...), k.mh(...)])"
        )

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


def mix(weighted: Sequence[tuple[float, Kernel]]) -> Kernel:
    """One of several kernels, chosen with the given probabilities (normalised) at each step."""
    weights = [w for w, _ in weighted]
    if not weighted or any(w < 0 for w in weights) or not sum(weights) > 0:
        raise UsageError(
            f"mix takes (probability, kernel) pairs with non-negative weights, found weights {weights}",
            fix="k.mix([(0.5, k.mh(...)), (0.5, k.random_walk(...))])",
        )
    cumulative = [sum(weights[: i + 1]) / sum(weights) for i in range(len(weights))]

    def kernel(key: Key, trace: Trace) -> tuple[Trace, Info]:
        key_choice, key_part = split(key)
        with explain_control_flow():
            u: Any = mx.random.uniform(key=key_choice).item()
        index = next((i for i, c in enumerate(cumulative) if u < c), len(cumulative) - 1)
        return weighted[index][1](key_part, trace)

    return kernel


def when(condition: Callable[[Trace], Any], kernel: Kernel) -> Kernel:
    """The kernel where ``condition(trace)`` holds, else no move.

    The posterior stays invariant only if the kernel cannot change the condition.
    """

    def guarded(key: Key, trace: Trace) -> tuple[Trace, Info]:
        with explain_control_flow():
            holds = bool(condition(trace))
        if holds:
            return kernel(key, trace)
        return trace, Info(mx.array(1.0), mx.array(False))

    return guarded


def seed(kernel: Kernel, key: Key) -> Kernel:
    """The kernel under its own stream: step keys are mixed with ``key``, and still differ from step to step."""
    salt = scramble(key)

    def seeded(step_key: Key, trace: Trace) -> tuple[Trace, Info]:
        return kernel(scramble(step_key + salt), trace)

    return seeded


def _average(infos: list[Info]) -> Info:
    rate: Array = sum((i.acceptance_rate for i in infos[1:]), infos[0].acceptance_rate) / len(infos)
    accepted = infos[0].accepted
    for info in infos[1:]:
        accepted = accepted | info.accepted
    return Info(rate, accepted)
