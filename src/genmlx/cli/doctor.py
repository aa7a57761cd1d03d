"""``genmlx doctor``: what is installed here, what it runs on, and what is missing."""

import argparse
import platform
import shlex
from collections.abc import Iterator
from importlib import metadata

import mlx.core as mx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genmlx.compiler.runtime import CompilerNotFound, find_toolchain, open_cache
from genmlx.numerics.memory import memory_report

__all__ = ["add_parser", "run"]

PACKAGES = (
    "genmlx", "mlx", "mlx-metal", "mlx-cpu", "mlx-cuda-12", "mlx-cuda-13",
    "numpy", "optree", "jaxtyping", "rich", "arviz-base", "arviz-stats", "arviz-plots", "matplotlib", "h5netcdf",
)  # fmt: skip
OPTIONAL = {"arviz-plots": "plots", "matplotlib": "plots", "h5netcdf": "netcdf"}
"""Packages that come with an extra of genmlx."""

MSG_CUDA_HIDDEN = (
    "{cuda} is installed but MLX sees no GPU. Either there is no NVIDIA driver, or mlx-cpu has replaced the CUDA "
    "library, which then comes back with: pip install --force-reinstall --no-deps {cuda}=={version}"
)
MSG_BROKEN = "MLX cannot compute here: {error}"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``doctor`` to the commands."""
    parser = commands.add_parser("doctor", help="versions, device, memory, C++ compiler; exit code 0 when usable")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 0 if GenMLX can compute here."""
    console = Console()
    problem = _try_mlx()
    table = Table("what", "found", title="GenMLX doctor", title_justify="left")
    for name, found in _rows():
        table.add_row(name, Text(found))  # as it is: genmlx[plots] is no markup
    console.print(table)
    for advice in _advice():
        console.print(advice, style="yellow")
    if problem is None:
        console.print("GenMLX is ready.", style="green")
        return 0
    console.print(MSG_BROKEN.format(error=problem), style="red", markup=False)
    return 1


def _rows() -> Iterator[tuple[str, str]]:
    yield "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in PACKAGES:
        if version := _version(package):
            yield package, version
        elif extra := OPTIONAL.get(package):
            yield package, f"not installed: pip install 'genmlx[{extra}]'"
    yield "default device", f"{mx.default_device().type.name}, {mx.device_info().get('device_name', 'unknown')}"
    yield "GPU", "available" if mx.is_available(mx.gpu) else "none"
    yield "MLX memory", str(memory_report())
    try:
        compiler = find_toolchain()
        yield "C++ compiler", f"{shlex.join(compiler.command)}\n{compiler.version}"
    except CompilerNotFound as error:
        yield "C++ compiler", f"{error.what}\n{error.where}\ninstead: {error.fix}"
    yield "cache of kernels", str(open_cache().folder)


def _advice() -> Iterator[str]:
    for cuda in ("mlx-cuda-12", "mlx-cuda-13"):
        if (version := _version(cuda)) and not mx.is_available(mx.gpu):
            yield MSG_CUDA_HIDDEN.format(cuda=cuda, version=version)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _try_mlx() -> Exception | None:
    """The error of a small computation on the default device, if it fails."""
    try:
        result = (mx.arange(4, dtype=mx.float32) ** 2).sum().item()
    except (RuntimeError, ValueError) as error:
        return error
    return None if result == 14.0 else ArithmeticError(f"0 + 1 + 4 + 9 came out as {result}")
