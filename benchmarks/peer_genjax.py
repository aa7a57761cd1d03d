"""GenJAX (1.0 or newer) on the tasks of `bench_importance` and `bench_interface`, run by the Python it is installed in.

.../bin/python benchmarks/peer_genjax.py importance PARTICLES
.../bin/python benchmarks/peer_genjax.py interface
"""

import json
import os
import resource
import statistics
import sys
import time
from importlib.metadata import version

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import genjax
import jax
import jax.numpy as jnp
from genjax import gen, modular_vmap, normal, seed, sel

XS = [1.0, 2.0, 3.0, 4.0, 5.0]
OBSERVATIONS = {f"y{j}": jnp.array(y) for j, y in enumerate([2.1, 3.9, 6.2, 7.8, 10.1])}
LOG_ML = -11.235136


@gen
def line(xs):
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j in range(len(XS)):
        normal(slope * xs[j] + intercept, 1.0) @ f"y{j}"
    return slope


def emit(**fields):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    row = {"system": "genjax", "version": f"{version('genjax')}/jax {jax.__version__}", **fields}
    print(json.dumps({**row, "peak_rss_mb": peak, "loadavg": os.getloadavg()[0]}), flush=True)


def seconds(f):
    start = time.perf_counter()
    jax.block_until_ready(f())
    return time.perf_counter() - start


def importance(particles):
    xs = jnp.array(XS)

    @jax.jit
    def run(key):
        trace, weights = seed(modular_vmap(lambda: line.generate(OBSERVATIONS, xs), axis_size=particles))(key)
        total = jax.scipy.special.logsumexp(weights)
        p = jnp.exp(weights - total)
        choices = trace.get_choices()
        means = jnp.stack([(p * choices["slope"]).sum(), (p * choices["intercept"]).sum()])
        return total - jnp.log(particles), means, 1 / (p * p).sum()

    first = seconds(lambda: run(jax.random.key(0)))
    warm = [seconds(lambda i=i: run(jax.random.key(i))) for i in range(1, 16 if particles <= 100_000 else 8)]
    log_ml = statistics.median(float(run(jax.random.key(i))[0]) for i in range(5))
    emit(
        task=f"B.line.is_{particles}",
        variant="jit",
        first_s=first,
        warm_s=statistics.median(warm),
        best_s=min(warm),
        warm_all_s=warm,
        particles=particles,
        particles_per_s=particles / statistics.median(warm),
        log_ml=log_ml,
        log_ml_abs_err=abs(log_ml - LOG_ML),
    )


def interface():
    xs = jnp.array(XS)
    keys = list(jax.random.split(jax.random.key(1), 2000))
    trace = seed(line.simulate)(keys[0], xs)
    choices = trace.get_choices()
    calls = {
        "simulate": (lambda key: seed(line.simulate)(key, xs), ()),
        "generate": (lambda key, given: seed(line.generate)(key, given, xs), (OBSERVATIONS,)),
        "assess": (lambda key, given: line.assess(given, xs)[0], (choices,)),
        "update": (lambda key, t, given: seed(line.update)(key, t, given, xs)[:2], (trace, {"slope": jnp.array(0.3)})),
        "regenerate": (lambda key, t: seed(lambda: line.regenerate(t, sel("slope"), xs)[:2])(key), (trace,)),
    }
    for name, (call, trees) in calls.items():
        for variant, f, repetitions in (("eager", call, 10), ("jit", jax.jit(call), 1000)):
            first = seconds(lambda f=f, trees=trees: f(keys[0], *trees))
            warm = [seconds(lambda f=f, trees=trees, i=i: f(keys[i], *trees)) for i in range(1, repetitions + 1)]
            emit(
                task=f"B.line.gfi_{name}",
                variant=variant,
                first_s=first,
                warm_s=statistics.median(warm),
                us_per_call=1e6 * statistics.median(warm),
            )


if __name__ == "__main__":
    assert int(version("genjax").split(".")[0]) >= 1, f"GenJAX 1.0 or newer, found {genjax.__file__}"
    if sys.argv[1] == "importance":
        importance(int(sys.argv[2]))
    else:
        interface()
