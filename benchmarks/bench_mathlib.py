"""The compiler's math library beside the C library: nanoseconds an element, and what it costs to compile.

Each function runs over 4,096 numbers in the first cache: in a loop over one lane, which the compiler vectorises, on
vector types (16 float32 or 8 float64 lanes), and as the C library's function of the same name in the same loop. The
best of thirty runs. Then kernels with a few calls are compiled, five times each, against an empty file.

    python benchmarks/bench_mathlib.py [function ...]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import emit, machine, print_table

from genmlx.compiler.codegen import mathlib

COMPILER = "g++"
BARS = {"exp": 0.35, "log": 0.35}

# name here: name in the C library
C_NAMES = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh", "sqrt": "sqrt", "erf": "erf",
    "erfc": "erfc", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "rint", "lgamma": "lgamma",
}  # fmt: skip
OTHERS = ("rsqrt", "erfinv", "sigmoid", "digamma")
KERNELS = (["exp", "log"], ["log1p", "erf", "tanh"], ["sin", "cos"], ["power", "erfinv", "lgamma"])
TWO_ARGUMENTS = {"power": "pow", "atan2": "atan2", "fmod": "fmod", "logaddexp": None, "remainder": None}

PROGRAM = """
#include <chrono>
#include <cmath>
#include <cstdio>
%(library)s
enum { N = 4096, RUNS = 30, REPEATS = 10 };
alignas(64) static %(scalar)s x[N], y[N], out[N];
%(loops)s
template <class F> static double best(F f) {
    double least = 1e9;
    for (int run = 0; run < RUNS; ++run) {
        auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < REPEATS; ++i) f();
        std::chrono::duration<double> t = std::chrono::steady_clock::now() - start;
        if (t.count() < least) least = t.count();
    }
    return least / REPEATS / N * 1e9;
}
int main() {
    // In the domain of every function, acosh alone excepted (it takes the same time).
    for (int i = 0; i < N; ++i) x[i] = 0.01 + 0.98 * (i * 7919 %% N) / N, y[i] = 0.5 + 2.0 * (i * 1237 %% N) / N;
%(calls)s}
"""

LOOP = "__attribute__((noinline)) static void {0}() {{ for (int i = 0; i < N; i += {1}) {{ {2} }} }}\n"
VECTOR = (
    "{type} a, b; __builtin_memcpy(&a, x + i, sizeof a); __builtin_memcpy(&b, y + i, sizeof b); "
    "a = {call}; __builtin_memcpy(out + i, &a, sizeof a);"
)


def timings(names: list[str], precision: str) -> dict[str, list[float]]:
    """Nanoseconds an element: one lane, vectors, the C library (not a number where it has no such function)."""
    scalar, lanes, suffix = ("f32", 16, "f") if precision == "float32" else ("f64", 8, "")
    loops, calls = [], []
    for name in names:
        arguments = "x[i], y[i]" if name in TWO_ARGUMENTS else "x[i]"
        peer = (C_NAMES | TWO_ARGUMENTS).get(name)
        call = f"gm_{name}({'a, b' if name in TWO_ARGUMENTS else 'a'})"
        loops.append(LOOP.format(f"one_{name}", 1, f"out[i] = gm_{name}({arguments});"))
        loops.append(LOOP.format(f"many_{name}", lanes, VECTOR.format(type=f"{scalar}x{lanes}", call=call)))
        loops.append(LOOP.format(f"peer_{name}", 1, f"out[i] = {peer}{suffix}({arguments});" if peer else ""))
        results = ", ".join(f"best({kind}_{name})" for kind in ("one", "many", "peer"))
        calls.append(f'    std::printf("%g %g %g\\n", {results});\n')
    library = mathlib.emit(names, precisions=(precision,), lanes=(1, lanes))
    fields = {"library": library, "scalar": scalar, "loops": "".join(loops), "calls": "".join(calls)}
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "bench.cpp"), Path(folder, "bench")
        source.write_text(PROGRAM % fields)
        subprocess.run([COMPILER, *mathlib.FLAGS, "-Wno-psabi", source, "-o", program], check=True)
        lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    found = {name: [float(word) for word in line.split()] for name, line in zip(names, lines, strict=True)}
    for name in names:
        if not (C_NAMES | TWO_ARGUMENTS).get(name):
            found[name][2] = float("nan")
    return found


def compile_seconds(text: str) -> float:
    """The least time of five that the compiler needs for a text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "text.cpp")
        source.write_text(text)
        least = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            flags = [*mathlib.FLAGS, "-Wno-psabi", "-fPIC", "-shared"]
            subprocess.run([COMPILER, *flags, source, "-o", source.with_suffix(".so")], check=True)
            least = min(least, time.perf_counter() - start)
    return least


def kernel(names: list[str], lanes: int) -> str:
    """A kernel that calls each function once on one or several lanes."""
    type_ = mathlib.Lanes(32, lanes).name
    calls = "".join(f"v = gm_{name}({'v, v' if name in TWO_ARGUMENTS else 'v'}); " for name in names)
    body = f'extern "C" void kernel({type_}* p) {{ {type_} v = *p; {calls}*p = v; }}\n'
    return mathlib.emit(names, lanes=sorted({1, lanes})) + body


def main() -> None:
    print(f"# {machine()}", file=sys.stderr)
    names = sys.argv[1:] or [*C_NAMES, *OTHERS, *TWO_ARGUMENTS]
    found = {precision: timings(names, precision) for precision in ("float32", "float64")}
    rows = []
    for name in names:
        for precision, times in found.items():
            one, many, c = times[name]
            emit(task=name, variant=precision, one_lane_ns=one, vectors_ns=many, c_library_ns=c)
            bar = BARS.get(name) if precision == "float32" else None
            verdict = "" if bar is None else f"under {bar}: {'yes' if max(one, many) < bar else 'NO'}"
            rows.append([name, precision, one, many, c, c / one, verdict])
    print_table(["function", "precision", "one lane, ns", "vectors, ns", "C library, ns", "C / ours", "bar"], rows)

    empty = compile_seconds("")
    costs = []
    for group in KERNELS:
        for lanes in (1, 16):
            milliseconds = 1e3 * (compile_seconds(kernel(group, lanes)) - empty)
            emit(task="compile", variant=" ".join(group), lanes=lanes, ms=milliseconds)
            costs.append([", ".join(group), lanes, milliseconds])
    everything = mathlib.emit(mathlib.FUNCTIONS, lanes=(1, 16))
    costs.append(["none, all printed", 16, 1e3 * (compile_seconds(everything) - empty)])
    print()
    print_table(["one call of", "lanes", "ms more to compile"], costs)


if __name__ == "__main__":
    main()
