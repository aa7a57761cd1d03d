"""What the benchmarks share: timing, JSON lines, tables, the machine, and a peer in an environment of its own.

A benchmark prints one JSON line for each measurement (``system``, ``version``, ``task``, ``variant``, ``first_s``,
``warm_s`` and a headline such as ``particles_per_s`` or ``us_per_call``) and a table at the end. ``first`` is the first
call in a fresh process with everything imported, ``warm`` the median of further calls with other keys.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["emit", "genmlx_version", "lines_of", "machine", "median", "peer", "print_table", "seconds", "timed"]


def seconds(f: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def timed(f: Callable[[int], Any], repetitions: int) -> tuple[float, list[float]]:
    """Seconds of the first call, ``f(0)``, and of each of the further ones, ``f(1)``, ..."""
    first = seconds(lambda: f(0))
    return first, [seconds(lambda i=i: f(i)) for i in range(1, repetitions + 1)]


def emit(**fields: Any) -> dict[str, Any]:
    """Print one JSON line."""
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    fields.setdefault("peak_rss_mb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
    fields.setdefault("loadavg", os.getloadavg()[0])
    fields = {name: _short(value) for name, value in fields.items()}
    print(json.dumps(fields), flush=True)
    return fields


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def genmlx_version() -> str:
    """The versions that a result belongs to."""
    return f"{version('genmlx')}/mlx {version('mlx')}"


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def machine() -> str:
    """Processor, cores, and system, in one line."""
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        named = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def lines_of(command: list[str], timeout: float = 600.0) -> Iterator[dict[str, Any]]:
    """Run a command in a process of its own, pass its JSON lines on, and give them as dicts."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        print(f"# {' '.join(command[1:])} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            print(line, flush=True)
            yield json.loads(line)


def peer(variable: str, script: str, *arguments: str) -> list[dict[str, Any]]:
    """The results of a peer: a script of this folder, run by the Python that an environment variable names."""
    python = os.environ.get(variable)
    if not python:
        print(f"# no peer: {variable} does not name a Python with the peer in it", file=sys.stderr)
        return []
    return list(lines_of([python, str(Path(__file__).parent / script), *arguments]))


def print_table(header: list[str], rows: list[list[Any]]) -> None:
    """A Markdown table."""
    text = [[f"{c:.3g}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *text]) for i in range(len(header))]
    for row in [header, ["-" * w for w in widths], *text]:
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
