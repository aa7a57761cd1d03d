"""What one scalar site costs in simulate, assess, generate, update and regenerate: eager, evaluated at the end.

The model is the line of the design document with 7, 100 and 1,000 sites: two latents, the rest observations. Printed
for each method: microseconds a site in all (median, and the best call, which other work on the machine disturbs least),
in building the graph, and in evaluating it; MLX operations a site; and the slope from 100 to 1,000 sites, which is the
cost of one more site. Beside it, where GENJAX_PYTHON names a Python with
GenJAX, its un-jitted and jitted calls on the model of 7 sites.

    python benchmarks/bench_interface.py
    GENJAX_PYTHON=.../bin/python python benchmarks/bench_interface.py
"""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from report import emit, genmlx_version, machine, median, peer, print_table, seconds

import genmlx as gm
from genmlx import gen, normal
from genmlx.numerics.pytree import join_arrays, split_arrays

SITES = [7, 100, 1000]
REPETITIONS = {7: 300, 100: 80, 1000: 25}
BARS = {"simulate": 100.0, "assess": 50.0}  # microseconds a site


@gen
def line(xs):
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j, x in enumerate(xs):
        normal(slope * x + intercept, 1.0) @ f"y{j}"
    return slope


def methods(sites: int) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Each method as a function of a key and of trees, and the trees."""
    call = line([j / sites for j in range(sites - 2)])
    trace = call.simulate(key=gm.key(0))
    observed = trace.choices.filter(~gm.select("slope", "intercept"))
    new = gm.choicemap(slope=mx.array(0.3))
    mx.eval(split_arrays((trace, new))[0])
    return {
        "simulate": (lambda key: call.simulate(key=key), ()),
        "generate": (lambda key, given: call.generate(given, key=key), (observed,)),
        "assess": (lambda key, choices: call.assess(choices), (trace.choices,)),
        "update": (lambda key, trace, given: trace.update(given, key=key), (trace, new)),
        "regenerate": (lambda key, trace: trace.regenerate("slope", key=key), (trace,)),
    }


def measure(method: Callable[..., Any], trees: tuple[Any, ...], repetitions: int) -> dict[str, Any]:
    """Seconds of the first call, and of the median call in parts."""
    results: list[Any] = []
    build, evaluate = [], []
    for i in range(repetitions + 1):
        key = gm.key(i)
        mx.eval(key)
        results.clear()
        build.append(seconds(lambda key=key: results.append(method(key, *trees))))
        evaluate.append(seconds(lambda: mx.eval(split_arrays(results)[0])))
    return {
        "first_s": build[0] + evaluate[0],
        "build_s": median(build[1:]),
        "eval_s": median(evaluate[1:]),
        "warm_s": median(total := [b + e for b, e in zip(build[1:], evaluate[1:], strict=True)]),
        "best_s": min(total),
    }


def operations(method: Callable[..., Any], trees: tuple[Any, ...]) -> Counter[str]:
    """The MLX operations of one call, by name."""
    found: Counter[str] = Counter()
    arrays, structure = split_arrays(trees)

    def of_arrays(key: mx.array, *inputs: mx.array) -> list[mx.array]:
        return split_arrays(method(key, *join_arrays(structure, list(inputs))))[0]

    def count(event: dict[str, Any]) -> None:
        if event["type"] == "primitive":
            found[event["name"]] += 1

    mx.export_function(count, of_arrays, gm.key(0), *arrays)
    return found


def main() -> None:
    print(f"# {machine()}; genmlx {genmlx_version()}", file=sys.stderr)
    results: dict[tuple[str, int], dict[str, Any]] = {}
    for sites in SITES:
        for name, (method, trees) in methods(sites).items():
            result = measure(method, trees, REPETITIONS[sites])
            ops = operations(method, trees)
            results[name, sites] = emit(
                system="genmlx",
                version=genmlx_version(),
                task=f"B.line.gfi_{name}",
                variant="eager",
                sites=sites,
                us_per_call=1e6 * result["warm_s"],
                us_per_site=1e6 * result["warm_s"] / sites,
                best_us_per_site=1e6 * result["best_s"] / sites,
                build_us_per_site=1e6 * result["build_s"] / sites,
                eval_us_per_site=1e6 * result["eval_s"] / sites,
                ops_per_site=ops.total() / sites,
                ops=dict(ops.most_common(6)),
                **result,
            )
    columns = [
        "us_per_site",
        "best_us_per_site",
        "build_us_per_site",
        "eval_us_per_site",
        "ops_per_site",
        "us_per_call",
    ]
    rows = [[name, sites, *(r[c] for c in columns)] for (name, sites), r in results.items()]
    print_table(
        ["method", "sites", "us a site", "best", "graph", "evaluation", "ops a site", "us a call"], sorted(rows)
    )
    slopes = []
    for name in dict.fromkeys(name for name, _ in results):
        few, many = results[name, 100], results[name, 1000]
        slope, best = ((many[c] * 1000 - few[c] * 100) / 900 for c in ("us_per_site", "best_us_per_site"))
        bar = BARS.get(name)
        verdict = "" if bar is None else f"under {bar:g}: {'yes' if best < bar else 'NO'}"
        slopes.append([name, slope, best, best / few["best_us_per_site"], verdict])
    print()
    print_table(["method", "us for one more site", "best", "of the mean at 100", "bar"], slopes)
    theirs = peer("GENJAX_PYTHON", "peer_genjax.py", "interface")
    table = []
    for r in theirs:
        name = r["task"].removeprefix("B.line.gfi_")
        table.append([name, r["variant"], r["us_per_call"], r["us_per_call"] / results[name, 7]["us_per_call"]])
    if table:
        print()
        print_table(["method", f"genjax {theirs[0]['version']}", "us a call (7 sites)", "genjax / genmlx"], table)


if __name__ == "__main__":
    main()
