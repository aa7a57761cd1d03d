"""Sequences and maps: steps and elements at once against one by one, and what it costs to grow a sequence.

* *at once* is ``Unfold(step)`` and ``Scan(step)`` of 1,000 steps and ``Map(point)`` of 100,000 elements: simulate and
  assess. The first calls of a sequence run step by step; then its steps are compiled.
* *one by one* executes the same kernel in a Python loop, threading the state, for some of the steps; the time is for as
  many as at once.
* *grow* appends one observed step to an Unfold of n steps, n = 10^2 ... 10^5.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from report import emit, genmlx_version, machine, median, print_table, seconds, timed

import genmlx as gm
from genmlx import gen, normal

STEPS, ELEMENTS, ALONE = 1_000, 100_000, 300


@gen
def walk(t, x, sd):
    x = normal(0.9 * x, sd) @ "x"
    normal(x, 0.5) @ "y"
    return x


@gen
def track(x, gain):
    x = normal(gain * x, 1.0) @ "x"
    y = normal(x, 0.5) @ "y"
    return x, y


@gen
def point(x):
    z = normal(x, 1.0) @ "z"
    return normal(z, 0.5) @ "y"


def simulated(call: gm.Call) -> Callable[[int], None]:
    def run(seed: int) -> None:
        trace = call.simulate(key=gm.key(seed))
        mx.eval(trace.score, trace.retval)

    return run


def assessed(call: gm.Call) -> Callable[[int], None]:
    choices = call.simulate(key=gm.key(0)).choices
    return lambda _: mx.eval(call.assess(choices).weight)


def alone(kernel: Any, args: Callable[[int, Any], tuple[Any, ...]], n: int) -> tuple[float, float]:
    """Seconds to simulate and to assess ``n`` executions one after the other, from the time of some of them."""
    traces: list[Any] = []

    def simulate() -> None:
        state = mx.array(0.0)
        for i in range(ALONE):
            traces.append(kernel(*args(i, state)).simulate(key=gm.key(i)))
            state = traces[-1].retval[0] if isinstance(traces[-1].retval, tuple) else traces[-1].retval
            mx.eval(traces[-1].score, state)

    def assess() -> None:
        for trace in traces:
            mx.eval(trace.gen_fn.assess(trace.args, trace.choices).weight)

    return seconds(simulate) * n / ALONE, seconds(assess) * n / ALONE


def at_once() -> list[list[Any]]:
    gains, xs = mx.sin(mx.arange(float(STEPS))), mx.arange(float(ELEMENTS)) / ELEMENTS
    cases = [
        ("unfold", gm.Unfold(walk)(STEPS, 0.0, 0.7), walk, lambda i, s: (mx.array(i), s, mx.array(0.7)), STEPS),
        ("scan", gm.Scan(track)(0.0, gains), track, lambda i, s: (s, gains[i]), STEPS),
        ("map", gm.Map(point)(xs), point, lambda i, _: (xs[i],), ELEMENTS),
    ]
    rows = []
    for name, call, kernel, args, n in cases:
        one_by_one = alone(kernel, args, n)
        for method, run, slow in zip(("simulate", "assess"), (simulated, assessed), one_by_one, strict=True):
            first, times = timed(run(call), 9)
            warm = median(times[2:])
            emit(
                system="genmlx", version=genmlx_version(), task=name, variant=method, first_s=first, warm_s=warm,
                one_by_one_s=slow, ratio=slow / warm,
            )  # fmt: skip
            rows.append([name, method, n, first, times[0], warm, slow, slow / warm])
    return rows


def batched() -> list[list[Any]]:
    rows = []
    call = gm.Unfold(walk)(100, 0.0, 0.7)
    for particles in (100, 10_000):
        first, times = timed(lambda i, n=particles: mx.eval(call.simulate(n=n, key=gm.key(i)).score), 5)
        emit(system="genmlx", version=genmlx_version(), task="batched unfold", variant=particles, first_s=first,
             warm_s=median(times))  # fmt: skip
        rows.append([particles, 100, first, median(times), median(times) / particles / 100 * 1e9])
    return rows


def growing() -> list[list[Any]]:
    rows = []
    for n in (100, 1_000, 10_000, 100_000):
        trace = gm.Unfold(walk)(n, 0.0, 0.7).simulate(key=gm.key(0))
        times = []
        for i in range(50):

            def grow(i: int = i) -> None:
                nonlocal trace
                length = len(trace)
                trace = trace.update({length: {"y": 0.1}}, args=(length + 1, 0.0, 0.7), key=gm.key(i)).trace
                mx.eval(trace.score, trace.retval, *[v for _, v in trace.choices.stored()])

            times.append(seconds(grow))
        emit(system="genmlx", version=genmlx_version(), task="grow", variant=n, us_per_call=median(times) * 1e6)
        rows.append([n, median(times) * 1e6])
    return rows


def main() -> None:
    rows = at_once()
    particles = batched()
    grown = growing()
    print(f"\n{machine()}\n")
    print_table(["combinator", "method", "steps", "first s", "second s", "warm s", "one by one s", "ratio"], rows)
    print_table(["particles", "steps", "first s", "warm s", "ns a step"], particles)
    print_table(["length", "us to grow by one"], grown)


if __name__ == "__main__":
    main()
