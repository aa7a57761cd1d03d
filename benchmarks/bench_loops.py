"""Compiled loops around gradients: nanoseconds a step, and how long the first call takes.

Every task is one loop of a known number of steps in one kernel, so that nothing but the loop is measured:

* `leapfrog`: eight schools (10 parameters), a leapfrog step with value and gradient, for 1 to 10,000 chains;
* `logistic`: logistic regression, 3,020 rows by 10 columns, a gradient step, for 1 and 8 chains;
* `garch`: a scan of 1,000 steps under a gradient, a gradient step;
* `gp`: a Gaussian process of 64 points, with its Cholesky factor under the gradient, a gradient step.

Each size runs in a process of its own, so that ``first`` is a first call; the cache of compiled kernels is an empty
folder. Where JAX_PYTHON names a Python with JAX, the same tasks run there (`peer_jax_loops.py`), in the same run.

    python benchmarks/bench_loops.py [task ...]
    JAX_PYTHON=.../bin/python python benchmarks/bench_loops.py
"""

import os
import sys
import tempfile

import mlx.core as mx
import numpy as np
from report import emit, genmlx_version, lines_of, machine, median, peer, print_table, timed

from genmlx import control
from genmlx.control import fori_loop, scan, value_and_grad, vmap

# task -> (chains, steps) of each measurement
SIZES = {
    "leapfrog": [(1, 1_000_000), (16, 200_000), (1024, 4_000), (10_000, 400)],
    "logistic": [(1, 2_000), (8, 500)],
    "garch": [(1, 2_000)],
    "gp": [(1, 500)],
}
Y = mx.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = mx.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def eight_schools(q, y, sigma):
    mu, log_tau, theta = q[0], q[1], q[2:]
    tau = mx.exp(log_tau)
    z = (y - (mu + tau * theta)) / sigma
    prior = -0.5 * (mu / 5) ** 2 + log_tau - mx.log1p((tau / 5) ** 2) - 0.5 * mx.sum(theta * theta)
    return prior - 0.5 * mx.sum(z * z)


def leapfrog(steps):
    def run(q, p, y, sigma):
        gradient = value_and_grad(lambda q: eight_schools(q, y, sigma))

        def step(i, carry):
            q, p, _, g = carry
            p = p + 0.05 * g
            q = q + 0.1 * p
            v, g = gradient(q)
            return q, p + 0.05 * g, v, g

        return fori_loop(0, steps, step, (q, p, *gradient(q)))

    return run


def ascent(log_density, steps, size):
    """Steps along the gradient; the values are added up, so that they are needed."""

    def run(q, *data):
        gradient = value_and_grad(lambda q: log_density(q, *data))

        def step(i, carry):
            q, total = carry
            v, g = gradient(q)
            return q + size * g, total + v

        return fori_loop(0, steps, step, (q, mx.array(0.0)))

    return run


def logistic(beta, x, y):
    logits = x @ beta
    return mx.sum(y * logits - mx.logaddexp(logits, mx.array(0.0))) - 0.5 * mx.sum(beta * beta)


def garch(q, y):
    a0, a1, b1 = mx.exp(q[1]), mx.sigmoid(q[2]), mx.sigmoid(q[3])
    squares = mx.square(y - q[0])

    def step(v, e):
        v = a0 + a1 * e + (1 - a1) * b1 * v
        return v, v

    _, v = scan(step, mx.array(1.0), squares)
    return -0.5 * mx.sum(mx.log(v) + squares / v) - 0.5 * mx.sum(q * q)


def gp(q, distances, y):
    n = len(y)
    k = mx.exp(2 * q[0] - 0.5 * distances * mx.exp(-2 * q[1])) + mx.exp(2 * q[2]) * mx.eye(n)
    factor = mx.linalg.cholesky(k, stream=mx.cpu)
    z = mx.linalg.solve_triangular(factor, y.reshape(n, 1), upper=False, stream=mx.cpu)
    return -0.5 * mx.sum(z * z) - mx.sum(mx.log(mx.diagonal(factor))) - 0.5 * mx.sum(q * q)


def task(name: str, chains: int, steps: int):
    """The function, its arguments, and which of them each chain has for itself."""
    rng = np.random.default_rng(0)

    def draws(*shape: int) -> mx.array:
        lead = () if chains == 1 else (chains,)
        return mx.array(rng.normal(size=(*lead, *shape)).astype(np.float32))

    match name:
        case "leapfrog":
            return leapfrog(steps), (0.1 * draws(10), draws(10), Y, SIGMA), (0, 0, None, None)
        case "logistic":
            x = rng.normal(size=(3020, 10)).astype(np.float32)
            y = (rng.random(3020) < 0.5).astype(np.float32)
            return ascent(logistic, steps, 1e-4), (0.1 * draws(10), mx.array(x), mx.array(y)), (0, None, None)
        case "garch":
            y = rng.normal(size=1000).astype(np.float32)
            return ascent(garch, steps, 1e-4), (0.1 * draws(4), mx.array(y)), (0, None)
        case _:
            at = np.linspace(0, 10, 64)
            d = ((at[:, None] - at) ** 2).astype(np.float32)
            y = np.sin(at).astype(np.float32)
            return ascent(gp, steps, 1e-5), (0.1 * draws(3), mx.array(d), mx.array(y)), (0, None, None)


def measure(name: str, chains: int, steps: int) -> None:
    f, args, axes = task(name, chains, steps)
    compiled = control.compile(f if chains == 1 else vmap(f, in_axes=axes), backend="native")

    def run(repetition: int) -> None:
        mx.eval(compiled(*args))

    first, warm = timed(run, 5)
    emit(
        system="genmlx",
        version=genmlx_version(),
        task=f"loops.{name}",
        variant=f"{chains} chains",
        first_s=first,
        warm_s=median(warm),
        ns=1e9 * median(warm) / steps / chains,
        check=float(np.sum(np.array(compiled(*args)[0]), dtype=np.float64)) / chains,
    )


def main(names: list[str]) -> None:
    rows, peers = [], {}
    for name in names:
        for chains, steps in SIZES[name]:
            arguments = [name, str(chains), str(steps)]
            with tempfile.TemporaryDirectory() as cache:
                os.environ["GENMLX_CACHE"] = cache
                ours = list(lines_of([sys.executable, __file__, "--one", *arguments]))
            peers = peer("JAX_PYTHON", "peer_jax_loops.py", *arguments)
            for line in (*ours, *peers):
                ratio = line["ns"] / ours[0]["ns"] if ours else float("nan")
                rows.append(
                    [name, chains, line["system"], line["version"], line["first_s"], line["ns"], ratio, line["check"]]
                )
    print(f"\n{machine()}\n")
    print_table(["task", "chains", "system", "version", "first s", "ns a step and chain", "to genmlx", "check"], rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(sys.argv[1:] or list(SIZES))
