"""Sampling and log_prob of a million values for every family on plain MLX: milliseconds, and bytes of memory a value.

A value is one number: families of vectors and matrices make as many draws as have a million entries. Parameters are
arrays of no axes (what they are in a model whose parameters are random), the values of `log_prob` draws of the family.
Memory is the peak of MLX's allocator from a cleared cache, beyond inputs and outputs. Where NUMPYRO_PYTHON names a
Python with NumPyro, its jitted functions do the same work in the same run.

    python benchmarks/bench_distributions.py [row ...]
    NUMPYRO_PYTHON=.../bin/python python benchmarks/bench_distributions.py
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from report import emit, genmlx_version, machine, median, peer, print_table, seconds

import genmlx as gm
from genmlx import distributions
from genmlx.core.distribution import DistributionCall
from genmlx.distributions.bijectors import Exp

VALUES = 1_000_000
REPETITIONS = 5
BARS = {"ratio": 10.0, "bytes": 64.0}

MEAN = [0.0, 1.0, -1.0]
COVARIANCE = [[2.0, 0.5, 0.3], [0.5, 1.0, 0.2], [0.3, 0.2, 1.5]]
TRIANGLE = [[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [0.2, 0.3, 1.0]]

# The name of a row is that of the family, with a word behind it where the parameters decide about the algorithm.
ROWS: dict[str, tuple[Any, ...]] = {
    # continuous
    "asymmetric_laplace": (1.0, 0.5, 2.0),
    "beta": (2.0, 3.0),
    "beta small": (0.3, 0.5),
    "beta_uniform_mixture": (0.5, 2.0, 3.0),
    "cauchy": (0.5, 2.0),
    "chi2": (5.0,),
    "exp_modified_normal": (1.0, 2.0, 0.5),
    "exponential": (2.0,),
    "frechet": (3.0, 2.0),
    "gamma": (3.0, 2.0),
    "gamma small": (0.2, 2.0),
    "generalised_pareto": (1.0, 2.0, 0.25),
    "gompertz": (0.5, 2.0),
    "gumbel": (1.0, 2.0),
    "half_cauchy": (2.0,),
    "half_normal": (2.0,),
    "half_student_t": (4.0, 2.0),
    "inv_chi2": (5.0,),
    "inv_gamma": (3.0, 2.0),
    "inverse_gaussian": (2.0, 3.0),
    "kumaraswamy": (2.0, 3.0),
    "laplace": (0.5, 2.0),
    "levy": (1.0, 2.0),
    "log_logistic": (3.0, 2.0),
    "log_normal": (0.5, 1.0),
    "log_uniform": (0.01, 100.0),
    "logistic": (0.5, 2.0),
    "logit_normal": (0.5, 1.0),
    "normal": (0.5, 2.0),
    "pareto": (2.0, 3.0),
    "piecewise_uniform": ([0.0, 1.0, 3.0, 4.0], [1.0, 3.0, 2.0]),
    "rayleigh": (2.0,),
    "relaxed_bernoulli": (0.5, 1.0),
    "scaled_inv_chi2": (5.0, 2.0),
    "skew_normal": (1.0, 2.0, 3.0),
    "student_t": (4.0, 0.5, 2.0),
    "triangular": (0.0, 1.0, 4.0),
    "truncated_normal": (0.0, 1.0, -0.5, 2.0),
    "truncated_normal tail": (0.0, 1.0, 6.0, 8.0),
    "uniform": (-1.0, 3.0),
    "von_mises": (0.5, 2.0),
    "weibull": (1.5, 2.0),
    "wrapped_cauchy": (0.5, 1.0),
    "wrapped_normal": (0.5, 1.0),
    # counts and categories
    "bernoulli": (0.3,),
    "beta_binomial": (10, 2.0, 3.0),
    "binomial": (10, 0.3),
    "binomial large": (1000, 0.3),
    "categorical": ([0.1, -0.5, 1.0, 0.3],),
    "discrete_uniform": (1, 6),
    "geometric": (0.25,),
    "hypergeometric": (5, 7, 20),
    "neg_binomial": (5.0, 0.3),
    "ordered_logistic": (0.5, [-1.0, 0.0, 2.0]),
    "ordered_probit": (0.5, [-1.0, 0.0, 2.0]),
    "poisson": (3.0,),
    "poisson large": (100.0,),
    # vectors and matrices
    "dirichlet": ([0.5, 1.0, 2.5],),
    "dirichlet_multinomial": (6, [0.5, 1.0, 2.5]),
    "gaussian_random_walk": (100, 0.5),
    "inv_wishart": (5.0, COVARIANCE),
    "lkj": (3, 1.5),
    "lkj_cholesky": (3, 1.5),
    "low_rank_multivariate_normal": (MEAN, [[1.0], [0.5], [0.2]], [1.0, 0.75, 0.5]),
    "matrix_normal": ([[0.0, 1.0, 2.0], [1.0, 0.0, 0.5]], [[1.0, 0.0], [0.5, 1.5]], TRIANGLE),
    "multinomial": (6, [0.2, 0.3, 0.5]),
    "multinomial large": (1000, [0.2, 0.3, 0.5]),
    "multivariate_normal": (MEAN, COVARIANCE),
    "multivariate_student_t": (4.0, MEAN, TRIANGLE),
    "relaxed_categorical": (0.5, [0.1, -0.5, 1.0]),
    "wishart": (5.0, COVARIANCE),
    "zero_sum_normal": (10, 2.0),
    # made of others
    "censored": (1.0, 0.5, 2.0),
    "iid": (0.5, 2.0),
    "mixture": ([-2.0, 0.0, 3.0], [1.0, 0.5, 2.0], [0.1, -0.5, 0.3]),
    "product": (0.5, 2.0),
    "transformed": (0.5, 1.0),
    "truncated": (1.0, 0.5, 2.0),
    "zero_inflated": (0.25, 3.0),
}
NOT_MEASURED = {"delta", "flat", "positive_flat"}  # nothing to draw, or nothing to compute

# How a row becomes a call, where that is not the family applied to its parameters as arrays.
MAKE: dict[str, Callable[..., DistributionCall]] = {
    "censored": lambda rate, lo, hi: gm.censored(gm.exponential(rate), lo, hi),
    "hypergeometric": lambda n, successes, total: gm.hypergeometric(n.item(), successes, total),
    "gaussian_random_walk": lambda n, sigma: gm.gaussian_random_walk(n.item(), sigma),
    "lkj": lambda dim, eta: gm.lkj(dim.item(), eta),
    "lkj_cholesky": lambda dim, eta: gm.lkj_cholesky(dim.item(), eta),
    "iid": lambda mu, sigma: gm.iid(gm.normal(mu, sigma), 10),
    "mixture": lambda mu, sigma, log_weights: gm.mixture(gm.normal(mu, sigma), log_weights),
    "product": lambda mu, rate: gm.product(gm.normal(mu, 1.0), gm.exponential(rate)),
    "transformed": lambda mu, sigma: gm.transformed(gm.normal(mu, sigma), Exp()),
    "truncated": lambda rate, lo, hi: gm.truncated(gm.exponential(rate), lo, hi),
    "zero_sum_normal": lambda n, sigma: gm.zero_sum_normal(n.item(), sigma),
    "zero_inflated": lambda p, rate: gm.zero_inflated(gm.poisson(rate), p),
}


def without_row() -> list[str]:
    """The families that no row measures, under any of their names."""
    measured = {id(getattr(distributions, row.split(maxsplit=1)[0])) for row in ROWS}
    return [n for n in distributions.__all__ if n not in NOT_MEASURED and id(getattr(distributions, n)) not in measured]


def call_of(row: str) -> DistributionCall:
    """The family of a row, applied to its parameters."""
    family = row.split(maxsplit=1)[0]
    make = MAKE[family] if family in MAKE else getattr(distributions, family)
    return make(*(mx.array(p) for p in ROWS[row]))


def measure(row: str) -> dict[str, Any]:
    """Time and memory of both functions."""
    call = call_of(row)
    size = call.sample(key=gm.key(0)).size
    draws = VALUES // size
    x = call.sample(key=gm.key(0), shape=draws)
    mx.eval(x)
    result: dict[str, Any] = {"size": size}
    for name, f in (
        ("sample", lambda i: call.sample(key=gm.key(i), shape=draws)),
        ("log_prob", lambda _: call.log_prob(x)),
    ):
        times = [seconds(lambda i=i, f=f: mx.eval(f(i))) for i in range(REPETITIONS + 1)]
        result[f"{name}_ms"] = 1e3 * median(times[1:])
        result[f"{name}_bytes"] = max(bytes_beyond(f) for _ in range(3)) / VALUES
    return emit(system="genmlx", version=genmlx_version(), task=f"distribution.{row}", **result)


def bytes_beyond(f: Callable[[int], mx.array]) -> int:
    """The peak of memory while f runs, beyond what is there before it and what it returns."""
    mx.synchronize()
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    y = f(1)
    mx.eval(y)
    return mx.get_peak_memory() - before - y.nbytes


def line(row: str, ours: dict[str, Any], theirs: dict[str, Any] | None) -> list[Any]:
    cells: list[Any] = [row]
    for name in ("sample", "log_prob"):
        peers: list[Any] = ["", ""]
        if theirs:
            peers = [theirs[f"{name}_ms"], ours[f"{name}_ms"] / theirs[f"{name}_ms"]]
        cells += [ours[f"{name}_ms"], *peers, ours[f"{name}_bytes"]]
    return cells


def main() -> None:
    rows = sys.argv[1:] or list(ROWS)
    rows = [name for name in ROWS if name in rows or name.split()[0] in rows]
    print(f"# {machine()}; genmlx {genmlx_version()}", file=sys.stderr)
    if missing := without_row():
        print(f"# no row: {', '.join(missing)}", file=sys.stderr)
    ours = {row: measure(row) for row in rows}
    asked = {row: [ours[row]["size"], *ROWS[row]] for row in rows}
    found = peer("NUMPYRO_PYTHON", "peer_numpyro_distributions.py", str(VALUES), json.dumps(asked))
    theirs = {r["task"].removeprefix("distribution."): r for r in found}
    columns = [
        h for name in ("sample", "log_prob") for h in (f"{name} ms", "NumPyro", "times as long", "bytes a value")
    ]
    print_table(["family", *columns], [line(row, ours[row], theirs.get(row)) for row in rows])
    print()
    for row in rows:
        cells = line(row, ours[row], theirs.get(row))
        for name, ratio, size in (("sample", cells[3], cells[4]), ("log_prob", cells[7], cells[8])):
            if ratio != "" and ratio > BARS["ratio"]:
                print(f"{row}: {name} takes {ratio:.3g} times as long as NumPyro's")
            if size > BARS["bytes"]:
                print(f"{row}: {name} takes {size:.3g} bytes a value")


if __name__ == "__main__":
    main()
