"""Chains as a figure: for every parameter its density (left) and its trace (right), one colour a chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from genmlx.numerics.errors import ShapeError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["trace_density"]

MSG_NO_MATPLOTLIB = "pip install 'genmlx[plots]'"
_ROW_HEIGHT = 1.6  # inches


def trace_density(
    draws: Mapping[str, np.ndarray], *, reference: Mapping[str, np.ndarray] | None = None, title: str | None = None
) -> Figure:
    """Density and trace of every scalar in ``draws``.

    Args:
        draws: for every parameter its draws, of shape (chains, draws, ...). Each element of an array parameter has a
            row of its own.
        reference: known posterior means, of shape (...), drawn as dashed lines.
        title: the heading of the figure.

    Returns:
        A figure that belongs to no window: ``figure.savefig("chains.png")``.

    Raises:
        UsageError: Matplotlib is not installed.
        ShapeError: an array without a chain and a draw axis.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("figures need Matplotlib, which is not installed", fix=MSG_NO_MATPLOTLIB) from None

    rows = list(_scalars(draws, reference or {}))
    figure = Figure(figsize=(10, _ROW_HEIGHT * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(1, 2))
    for (name, chains, expected), (left, right) in zip(rows, axes, strict=True):
        _draw_row(left, right, chains, expected)
        left.set_ylabel(name)
    if title:
        figure.suptitle(title)
    return figure


def _draw_row(left: Axes, right: Axes, chains: np.ndarray, expected: float | None) -> None:
    for chain in chains:
        left.plot(*_density(chain), linewidth=1)
        right.plot(chain, linewidth=0.4)
    left.set_yticks([])
    if expected is not None:
        left.axvline(expected, color="black", linestyle="dashed", linewidth=0.8)
        right.axhline(expected, color="black", linestyle="dashed", linewidth=0.8)


def _scalars(
    draws: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, float | None]]:
    """Name, draws of shape (chains, draws), and reference of every scalar; elements count from 0."""
    for name, values in draws.items():
        if np.ndim(values) < 2:
            raise ShapeError(
                f"the draws of {name!r} have shape {np.shape(values)}; needed are a chain axis and a draw axis",
                fix="values[None] makes one chain of a vector of draws",
            )
        for index in np.ndindex(values.shape[2:]):
            label = f"{name}[{', '.join(map(str, index))}]" if index else name
            expected = float(np.asarray(reference[name])[index]) if name in reference else None
            yield label, values[(slice(None), slice(None), *index)], expected


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grid and kernel density estimate; a constant chain is a spike."""
    if values.min() == values.max():
        return np.repeat(values[:1], 2), np.array([0.0, 1.0])
    from arviz_stats.base.array import array_stats

    grid, density, _bandwidth = array_stats.kde(values)
    return grid, density
