"""The figure of a family: its density (or mass function) under the settings of its page, as SVG.

What is drawn follows from the event shape: a curve or bars for numbers, contours for two real entries and for three on
the simplex, bars of the first count for two counts; for symmetric matrices the correlation that they hold.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mlx.core as mx
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from settings import SETTINGS, Shown

import genmlx as gm
from genmlx.core.distribution import DistributionCall
from genmlx.numerics import domains
from genmlx.numerics.domains import Interval

__all__ = ["draw", "painter"]

INK = "#808080"  # readable on a light and on a dark page
DRAWS = 4000
_POINTS = 401
_STYLE: Any = {
    "svg.hashsalt": "genmlx",  # the same file from the same density
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
}


def draw(name: str, folder: Path) -> Path:
    """Write the figure of a family."""
    path = folder / f"{name}.svg"
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        painter(SETTINGS[name].calls[0])(figure, SETTINGS[name])
        figure.savefig(path, transparent=True, metadata={"Date": None})
    return path


def painter(call: DistributionCall) -> Callable[[Figure, Shown], None]:
    """How densities like that of ``call`` are drawn."""
    family = call.gen_fn
    shape = family.event_shape(*call.args)
    if family.discrete:
        return masses
    if family.name == "censored":
        return with_atoms
    if call.support is domains.simplex:
        return triangles
    if call.support in (domains.correlation, domains.correlation_cholesky, domains.positive_definite):
        return correlations
    if call.support is domains.zero_sum:
        return firsts
    return planes if np.prod(shape) == 2 else curves


def curves(figure: Figure, shown: Shown) -> None:
    """Densities of numbers."""
    axes = figure.add_subplot(ylabel="density", xlabel="x")
    lower, upper = shown.window or _window(shown.calls)
    x = np.linspace(lower, upper, _POINTS)
    tops = []
    for text, call in zip(shown.texts, shown.calls, strict=True):
        density = np.exp(np.array(call.log_prob(mx.array(x))))
        axes.plot(x, np.where(np.isfinite(density), density, np.nan), label=text)
        inside = density[np.isfinite(density) & (density > 0)]
        tops.append(inside.max() if not _has_pole(call) else 4.0 * np.quantile(inside, 0.8))
    axes.set(xlim=(lower, upper), ylim=(0.0, 1.1 * max(tops)))
    _legend(figure)


def with_atoms(figure: Figure, shown: Shown) -> None:
    """Densities between two bounds, and the probabilities of the bounds themselves."""
    axes = figure.add_subplot(ylabel="density, probability (dots)", xlabel="x")
    for text, call in zip(shown.texts, shown.calls, strict=True):
        _, lower, upper = call.args
        bounds = [lower, upper]
        x = np.linspace(lower, upper, _POINTS)
        (curve,) = axes.plot(x[1:-1], np.exp(np.array(call.log_prob(mx.array(x[1:-1])))), label=text)
        axes.plot(bounds, np.exp(np.array(call.log_prob(mx.array(bounds)))), "o", color=curve.get_color())
    axes.set(ylim=(0.0, None))
    _legend(figure)


def firsts(figure: Figure, shown: Shown) -> None:
    """Densities of the first of two numbers with sum 0."""
    axes = figure.add_subplot(ylabel="density", xlabel="$x_1$")
    x = np.linspace(-4.0, 4.0, _POINTS)
    for text, call in zip(shown.texts, shown.calls, strict=True):
        axes.plot(x, np.exp(np.array(call.log_prob(mx.array(np.stack([x, -x], axis=-1))))), label=text)
    axes.set(xlim=(-4.0, 4.0), ylim=(0.0, None))
    _legend(figure)


def masses(figure: Figure, shown: Shown) -> None:
    """Probabilities of integers; of vectors of two counts with a given sum, those of the first one."""
    axes = figure.add_subplot(ylabel="probability", xlabel="x")
    draws = np.concatenate([_draws(call) for call in shown.calls])
    pairs = draws.ndim == 2
    first = draws[:, 0] if pairs else draws
    if pairs:
        axes.set_xlabel("first count")
    lower, upper = (int(np.quantile(first, q)) for q in (0.0, 0.999))
    x = np.arange(lower - (lower > 0), upper + 2)
    width = 0.8 / len(shown.calls)
    for i, (text, call) in enumerate(zip(shown.texts, shown.calls, strict=True)):
        values = np.stack([x, int(_draws(call)[0].sum()) - x], axis=-1) if pairs else x
        mass = np.array([np.exp(call.log_prob(mx.array(v.tolist())).item()) for v in values])
        axes.bar(x + (i - 0.5 * (len(shown.calls) - 1)) * width, mass, width, label=text)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure)


def planes(figure: Figure, shown: Shown) -> None:
    """Contours of densities of two numbers (a vector, or a matrix with two entries)."""
    for i, (text, call) in enumerate(zip(shown.texts, shown.calls, strict=True)):
        axes = figure.add_subplot(1, len(shown.calls), i + 1, xlabel="$x_1$", ylabel="$x_2$")
        axes.set_title(textwrap.fill(text, 36), fontsize=8)
        draws = _draws(call).reshape(DRAWS, 2)
        sides = [np.linspace(*_spread(column), 121) for column in draws.T]
        grid = np.stack(np.meshgrid(*sides), axis=-1)
        values = grid.reshape(*grid.shape[:2], *call.gen_fn.event_shape(*call.args))
        density = np.exp(np.array(call.log_prob(mx.array(values))))
        axes.contourf(*sides, density, levels=12, cmap="viridis")


def triangles(figure: Figure, shown: Shown) -> None:
    """Densities on the simplex of three entries, seen from the front."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    steps = 60
    weights = np.array([[i, j, steps - i - j] for i in range(1, steps) for j in range(1, steps - i)]) / steps
    for i, (text, call) in enumerate(zip(shown.texts, shown.calls, strict=True)):
        axes = figure.add_subplot(1, len(shown.calls), i + 1, aspect="equal")
        axes.set_title(text, fontsize=8)
        density = np.exp(np.array(call.log_prob(mx.array(weights))))
        across, up = (weights @ corners).T
        axes.tricontourf(across, up, density, levels=12, cmap="viridis")
        axes.fill(*corners.T, fill=False, edgecolor=INK)
        axes.axis("off")


def correlations(figure: Figure, shown: Shown) -> None:
    """The correlation in a 2 x 2 matrix: its density where it is the only free entry, elsewhere that of draws."""
    axes = figure.add_subplot(xlabel="correlation", ylabel="density")
    r = np.linspace(-0.999, 0.999, _POINTS)
    zero, one = np.zeros_like(r), np.ones_like(r)
    entries = {
        domains.correlation: [one, r, r, one],
        domains.correlation_cholesky: [one, zero, r, np.sqrt(1.0 - r * r)],
    }
    for text, call in zip(shown.texts, shown.calls, strict=True):
        if call.support in entries:
            matrices = np.stack(entries[call.support], axis=-1).reshape(-1, 2, 2)
            axes.plot(r, np.exp(np.array(call.log_prob(mx.array(matrices)))), label=text)
        else:
            matrices = np.array(call.sample(key=gm.key(0), shape=20 * DRAWS))
            found = matrices[:, 0, 1] / np.sqrt(matrices[:, 0, 0] * matrices[:, 1, 1])
            axes.hist(found, bins=80, range=(-1, 1), density=True, histtype="step", label=text)
    axes.set(xlim=(-1, 1), ylim=(0, 2))
    _legend(figure)


def _draws(call: DistributionCall) -> np.ndarray:
    """Draws that show where the mass is; of an improper prior, starting values."""
    return np.array(call.gen_fn.initial(gm.key(0), *call.args, (DRAWS,)))


def _spread(draws: np.ndarray) -> tuple[float, float]:
    """From the bulk of draws to where a light tail ends."""
    low, high = np.quantile(draws, [0.2, 0.8])
    return max(low - 1.2 * (high - low), draws.min()), min(high + 1.2 * (high - low), draws.max())


def _window(calls: list[DistributionCall]) -> tuple[float, float]:
    """The union of the spreads, and a little beyond, so that the edges of the support are seen."""
    spreads = np.array([_spread(_draws(call)) for call in calls])
    lower, upper = spreads[:, 0].min(), spreads[:, 1].max()
    margin = 0.04 * (upper - lower)
    return lower - margin, upper + margin


def _has_pole(call: DistributionCall) -> bool:
    """Whether the density is infinite at an end of the support, and would leave nothing to see of the rest."""
    support = call.support
    edges = [float(e) for e in (support.lower, support.upper)] if isinstance(support, Interval) else []
    return any(call.log_prob(e).item() == math.inf for e in edges if math.isfinite(e))


def _legend(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = 1 if max(map(len, labels)) > 28 else len(labels)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
