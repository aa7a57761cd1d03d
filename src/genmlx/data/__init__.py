"""Small real data sets, and what their posteriors are known to be. README.md beside this file names the sources."""

import json
from importlib import resources
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.numerics.errors import UsageError
from genmlx.numerics.types import Array

__all__ = ["Moments", "load", "names", "reference"]


class Moments(NamedTuple):
    """Posterior mean and standard deviation of one parameter, elementwise."""

    mean: Array
    sd: Array


def names() -> tuple[str, ...]:
    """The data sets that there are.

    Example:
        >>> names()
        ('eight_schools', 'kidiq')
    """
    files = [entry.name for entry in resources.files(__name__).iterdir()]
    return tuple(sorted(name.removesuffix(".json") for name in files if name.endswith(".json")))


def load(name: str) -> dict[str, Array]:
    """The columns of a data set, as float32 arrays.

    Example:
        >>> load("eight_schools")["y"]
        array([28, 8, -3, ..., 1, 18, 12], dtype=float32)
    """
    return {column: mx.array(values, dtype=mx.float32) for column, values in _read(name)["data"].items()}


def reference(name: str) -> dict[str, Moments]:
    """The posterior of a data set's standard model: moments from at least 10,000 independent reference draws.

    Example:
        >>> reference("kidiq")["sigma"].mean
        array(17.9811, dtype=float32)
    """
    moments = _read(name)["reference"]
    return {parameter: Moments(mx.array(m["mean"]), mx.array(m["sd"])) for parameter, m in moments.items()}


def _read(name: str) -> dict[str, Any]:
    if name not in names():
        raise UsageError(
            f"no data set is called {name!r}", where="genmlx.data", fix=" or ".join(f"load({n!r})" for n in names())
        )
    return json.loads((resources.files(__name__) / f"{name}.json").read_text())
