"""Importance sampling of the line of the design document: particles a second, first and warm, and memory.

Each size runs in a process of its own, so that ``first`` is a first call. A call draws the particles, weighs them, and
computes the evidence, the two posterior means and the effective sample size. Where GENJAX_PYTHON names a Python with
GenJAX, the same work is done there, in the same run.

    python benchmarks/bench_importance.py [particles ...]
    GENJAX_PYTHON=.../bin/python python benchmarks/bench_importance.py
"""

import sys

import mlx.core as mx
import numpy as np
from report import emit, genmlx_version, lines_of, machine, median, peer, print_table, timed

import genmlx as gm
from genmlx import gen, importance_sampling, normal

PARTICLES = [10_000, 1_000_000]
XS = [1.0, 2.0, 3.0, 4.0, 5.0]
OBSERVATIONS = {"y0": 2.1, "y1": 3.9, "y2": 6.2, "y3": 7.8, "y4": 10.1}
EXACT = {"slope": (1.988178, 0.314661), "intercept": (0.055356, 1.042666), "log_ml": -11.235136}


@gen
def line(xs):
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j, x in enumerate(xs):
        normal(slope * x + intercept, 1.0) @ f"y{j}"
    return slope


def measure(particles: int) -> None:
    runs: list[tuple[float, float, float, float]] = []

    def run(seed: int) -> None:
        p = importance_sampling(line(XS), OBSERVATIONS, particles=particles, key=gm.key(seed))
        means = [p.mean(address).item() for address in ("slope", "intercept")]
        runs.append((p.log_marginal_likelihood.item(), p.ess.item(), *means))

    first, warm = timed(run, 15 if particles <= 100_000 else 7)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    run(99)
    log_ml, ess, slope, _ = np.median(np.array(runs), axis=0).tolist()
    emit(
        system="genmlx",
        version=genmlx_version(),
        task=f"B.line.is_{particles}",
        variant="eager",
        first_s=first,
        warm_s=median(warm),
        best_s=min(warm),
        warm_all_s=warm,
        particles=particles,
        particles_per_s=particles / median(warm),
        particles_per_s_first=particles / first,
        peak_mb=(mx.get_peak_memory() - before) / 1e6,
        bytes_per_particle=(mx.get_peak_memory() - before) / particles,
        log_ml=log_ml,
        log_ml_abs_err=abs(log_ml - EXACT["log_ml"]),
        is_ess=ess,
        slope_err_sd=abs(slope - EXACT["slope"][0]) / EXACT["slope"][1],
    )


def main() -> None:
    sizes = [int(a) for a in sys.argv[1:]] or PARTICLES
    print(f"# {machine()}; genmlx {genmlx_version()}", file=sys.stderr)
    rows = []
    for particles in sizes:
        ours = list(lines_of([sys.executable, __file__, "--one", str(particles)]))
        theirs = peer("GENJAX_PYTHON", "peer_genjax.py", "importance", str(particles))
        for r in ours + theirs:
            times = [r["first_s"], r["warm_s"], r["particles_per_s"] / 1e6]
            ratios = [theirs[0][k] / r[k] if theirs else "" for k in ("first_s", "warm_s")]
            memory = [r.get("peak_mb", ""), r["peak_rss_mb"]]
            rows.append(
                [f"{particles:,}", f"{r['system']} {r['version']}", *times, *ratios, *memory, r["log_ml_abs_err"]]
            )
    header = ["particles", "system", "first s", "warm s", "million/s", "first ratio", "warm ratio"]
    print_table([*header, "MB of arrays", "MB of process", "error of log evidence"], rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]))
    else:
        main()
