"""NUTS with its warm-up as one compiled kernel: eight schools, 4 chains of 1,000 + 1,000 steps as lanes.

``first`` is the first call in a fresh process with an empty cache of kernels: capture, compilation and sampling.
``warm`` is the median of further calls with other keys. The headline is the smallest bulk effective sample size of the
parameters (mu, tau, theta) in a second of a warm call, the median over the calls.

    python benchmarks/bench_nuts_native.py [calls]
"""

import os
import sys
import tempfile

import mlx.core as mx
import numpy as np
from report import emit, genmlx_version, machine, median, print_table, timed

from genmlx import control
from genmlx.inference.adaptation.windows import Run
from genmlx.inference.mcmc import nuts

CHAINS, WARMUP, SAMPLES = 4, 1000, 1000
Y = mx.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = mx.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def log_density(q: mx.array) -> mx.array:
    """Non-centred: mu, log tau, and standard effects."""
    mu, log_tau, effects = q[0], q[1], q[2:]
    tau = mx.exp(log_tau)
    z = (Y - (mu + tau * effects)) / SIGMA
    prior = -0.5 * (mu / 5) ** 2 + log_tau - mx.log1p((tau / 5) ** 2) - 0.5 * mx.sum(effects * effects)
    return prior - 0.5 * mx.sum(z * z)


def chain(position: mx.array, key: mx.array) -> Run:
    """One chain."""
    return nuts.warmup_and_sample(log_density, position, key, WARMUP, SAMPLES)


def bulk_ess(run: Run) -> float:
    """The smallest over the parameters."""
    import arviz_stats

    q = np.array(run.positions, np.float64)
    mu, tau = q[..., 0], np.exp(q[..., 1])
    parameters = [mu, tau, *(mu + tau * q[..., 2 + j] for j in range(8))]
    return min(float(arviz_stats.ess(x, method="bulk")) for x in parameters)


def main(calls: int) -> None:
    """Measure and print."""
    compiled, runs = control.compile(control.vmap(chain), backend="native"), []

    def arguments(seed: int) -> tuple[mx.array, mx.array]:
        key_start, key_run = mx.random.split(mx.random.key(seed))
        return mx.random.uniform(-2.0, 2.0, (CHAINS, 10), key=key_start), mx.random.split(key_run, CHAINS)

    given = [arguments(seed) for seed in range(calls + 1)]
    mx.eval(given)

    def call(repetition: int) -> None:
        run = compiled(*given[repetition])
        mx.eval(run)
        runs.append(run)

    with tempfile.TemporaryDirectory() as cache:
        os.environ["GENMLX_CACHE"] = cache
        first, warm = timed(call, calls)
    ess = [bulk_ess(run) for run in runs[1:]]
    row = emit(
        system="genmlx",
        version=genmlx_version(),
        task="A.nuts.eight_schools",
        variant="native, chains as lanes",
        first_s=first,
        warm_s=median(warm),
        ess_per_s_warm=median([e / t for e, t in zip(ess, warm, strict=True)]),
        ess_bulk=median(ess),
        leapfrogs=median([float(np.array(run.info.n_steps).sum()) for run in runs[1:]]),
        divergences=sum(int(np.array(run.info.diverging).sum()) for run in runs[1:]),
        acceptance=median([float(np.array(run.info.acceptance_rate).mean()) for run in runs[1:]]),
    )
    print(f"\n{machine()}\n")
    names = ["first_s", "warm_s", "ess_per_s_warm", "ess_bulk", "leapfrogs", "divergences", "acceptance"]
    print_table(names, [[row[name] for name in names]])


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20)
