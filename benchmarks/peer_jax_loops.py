"""JAX on the tasks of `bench_loops`, run by the Python it is installed in.

.../bin/python benchmarks/peer_jax_loops.py TASK CHAINS STEPS
"""

import json
import os
import statistics
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

Y = jnp.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = jnp.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def eight_schools(q, y, sigma):
    mu, log_tau, theta = q[0], q[1], q[2:]
    tau = jnp.exp(log_tau)
    z = (y - (mu + tau * theta)) / sigma
    prior = -0.5 * (mu / 5) ** 2 + log_tau - jnp.log1p((tau / 5) ** 2) - 0.5 * jnp.sum(theta * theta)
    return prior - 0.5 * jnp.sum(z * z)


def leapfrog(steps):
    def run(q, p, y, sigma):
        gradient = jax.value_and_grad(lambda q: eight_schools(q, y, sigma))

        def step(i, carry):
            q, p, _, g = carry
            p = p + 0.05 * g
            q = q + 0.1 * p
            v, g = gradient(q)
            return q, p + 0.05 * g, v, g

        return jax.lax.fori_loop(0, steps, step, (q, p, *gradient(q)))

    return run


def ascent(log_density, steps, size):
    def run(q, *data):
        gradient = jax.value_and_grad(lambda q: log_density(q, *data))

        def step(i, carry):
            q, total = carry
            v, g = gradient(q)
            return q + size * g, total + v

        return jax.lax.fori_loop(0, steps, step, (q, 0.0))

    return run


def logistic(beta, x, y):
    logits = x @ beta
    return jnp.sum(y * logits - jnp.logaddexp(logits, 0.0)) - 0.5 * jnp.sum(beta * beta)


def garch(q, y):
    a0, a1, b1 = jnp.exp(q[1]), jax.nn.sigmoid(q[2]), jax.nn.sigmoid(q[3])
    squares = jnp.square(y - q[0])

    def step(v, e):
        v = a0 + a1 * e + (1 - a1) * b1 * v
        return v, v

    _, v = jax.lax.scan(step, 1.0, squares)
    return -0.5 * jnp.sum(jnp.log(v) + squares / v) - 0.5 * jnp.sum(q * q)


def gp(q, distances, y):
    n = len(y)
    k = jnp.exp(2 * q[0] - 0.5 * distances * jnp.exp(-2 * q[1])) + jnp.exp(2 * q[2]) * jnp.eye(n)
    factor = jnp.linalg.cholesky(k)
    z = jax.scipy.linalg.solve_triangular(factor, y, lower=True)
    return -0.5 * jnp.sum(z * z) - jnp.sum(jnp.log(jnp.diagonal(factor))) - 0.5 * jnp.sum(q * q)


def task(name, chains, steps):
    rng = np.random.default_rng(0)

    def draws(*shape):
        lead = () if chains == 1 else (chains,)
        return jnp.array(rng.normal(size=(*lead, *shape)).astype(np.float32))

    if name == "leapfrog":
        return leapfrog(steps), (0.1 * draws(10), draws(10), Y, SIGMA), (0, 0, None, None)
    if name == "logistic":
        x = rng.normal(size=(3020, 10)).astype(np.float32)
        y = (rng.random(3020) < 0.5).astype(np.float32)
        return ascent(logistic, steps, 1e-4), (0.1 * draws(10), jnp.array(x), jnp.array(y)), (0, None, None)
    if name == "garch":
        y = rng.normal(size=1000).astype(np.float32)
        return ascent(garch, steps, 1e-4), (0.1 * draws(4), jnp.array(y)), (0, None)
    at = np.linspace(0, 10, 64)
    d = ((at[:, None] - at) ** 2).astype(np.float32)
    return (
        ascent(gp, steps, 1e-5),
        (0.1 * draws(3), jnp.array(d), jnp.array(np.sin(at).astype(np.float32))),
        (0, None, None),
    )


def main(name, chains, steps):
    f, args, axes = task(name, chains, steps)
    run = jax.jit(f if chains == 1 else jax.vmap(f, in_axes=axes))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        out = jax.block_until_ready(run(*args))
        seconds.append(time.perf_counter() - start)
    warm = statistics.median(seconds[1:])
    row = {"system": "jax", "version": jax.__version__, "task": f"loops.{name}", "variant": f"{chains} chains"}
    row |= {"first_s": seconds[0], "warm_s": warm, "ns": 1e9 * warm / steps / chains}
    print(json.dumps(row | {"check": float(np.sum(np.asarray(out[0]), dtype=np.float64)) / chains}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
