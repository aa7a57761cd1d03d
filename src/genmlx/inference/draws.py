"""A table of draws: one column an address, rows by chain and draw.

Models whose addresses change from draw to draw have columns with gaps; a gap reads as NaN.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

from genmlx.core.address import Component, as_pattern
from genmlx.core.choicemap import EMPTY, ChoiceMap
from genmlx.inference.base import Info
from genmlx.numerics.errors import AddressError, ShapeError, format_path
from genmlx.numerics.types import Array

__all__ = ["DrawTable", "Pattern", "pattern_name"]

Pattern = tuple[Component | slice, ...]


def pattern_name(pattern: Pattern) -> str:
    """An address as the name of a variable in a table: ``a``, ``a.b``, ``obs[0]``; a whole stack leaves no mark.

    The one choice of a distribution, which has no address, is called ``value``.
    """
    name = ""
    for component in pattern:
        if isinstance(component, int):
            name += f"[{component}]"
        elif not isinstance(component, slice):
            name += f".{component}" if name else component
    return name or "value"


class DrawTable:
    """Choices, scores and step infos, collected draw by draw.

    An entry of a column is the array of one chain, or of all chains with a leading axis (vectorised chains).
    """

    def __init__(self, chains: int) -> None:
        self.chains, self.draws = chains, 0
        self._columns: dict[Pattern, list[list[Array | None]]] = {}
        self._scores: list[list[Array]] = []
        self._infos: list[list[Info]] = []
        self._ready: dict[Pattern, Array] = {}

    def add(self, choices: list[ChoiceMap], scores: list[Array], infos: list[Info]) -> None:
        """Add one draw: a list with one entry a chain, or with one entry for all."""
        rows = [dict(c.stored()) for c in choices]
        for name in dict.fromkeys([*self._columns, *(name for row in rows for name in row)]):
            if name not in self._columns:
                self._columns[name] = [[None] * len(rows) for _ in range(self.draws)]
            self._columns[name].append([row.get(name) for row in rows])
        self._scores.append(scores)
        self._infos.append(infos)
        self.draws += 1
        self._ready.clear()

    def settle(self) -> None:
        """Drop the draw that an interrupted `add` left half done."""
        n = self.draws
        self._columns = {
            name: entries[:n]
            for name, entries in self._columns.items()
            if any(v is not None for entry in entries[:n] for v in entry)
        }
        self._scores, self._infos = self._scores[:n], self._infos[:n]

    @property
    def patterns(self) -> list[Pattern]:
        """The addresses of the columns, in the order in which they were met."""
        return list(self._columns)

    def column(self, pattern: Pattern) -> Array:
        """The values at one stored address, shape (chains, draws, ...); NaN where a draw did not make the choice."""
        if pattern not in self._ready:
            self._ready[pattern] = self._assemble(pattern)
        return self._ready[pattern]

    def present(self, pattern: Pattern) -> Array:
        """Which draws made the choice, shape (chains, draws)."""
        rows = [[v is not None for v in self._by_chain(entry)] for entry in self._columns[pattern]]
        return mx.array(np.array(rows, dtype=bool).T)

    def _assemble(self, pattern: Pattern) -> Array:
        entries = self._columns[pattern]
        # All numbers on the host in one copy: stacking 10^5 small arrays in one graph is far slower.
        if all(len(entry) != self.chains for entry in entries):
            stacked = np.array([np.array(entry[0], copy=False) for entry in entries])
            return mx.array(np.swapaxes(stacked, 0, 1))
        rows = [self._by_chain(entry) for entry in entries]
        made = [v for row in rows for v in row if v is not None]
        if any(v.shape != made[0].shape for v in made):
            shapes = sorted({str(v.shape) for v in made})
            raise ShapeError(
                f"the draws of {format_path(pattern)} have different shapes: {', '.join(shapes)}",
                fix="chains[c, i] for the trace of one draw",
            )
        if len(made) < len(rows) * self.chains:
            gap = np.full(made[0].shape, np.nan, np.float32)
            rows = [[gap if v is None else v.astype(np.float32) for v in row] for row in rows]
        return mx.array(np.swapaxes(np.array(rows), 0, 1))

    def _by_chain(self, entry: list[Array | None]) -> list[Any]:
        """The values of one draw, one a chain; None for a choice that was not made."""
        if len(entry) == self.chains:
            return [None if v is None else np.array(v, copy=False) for v in entry]
        return [None] * self.chains if entry[0] is None else list(np.array(entry[0]))

    def scores(self) -> Array:
        """The scores of the draws, shape (chains, draws)."""
        return self._numbers(self._scores)

    def stats(self) -> dict[str, Array]:
        """The fields of the infos, each of shape (chains, draws)."""
        fields = self._infos[0][0]._fields
        return {f: self._numbers([[getattr(info, f) for info in row] for row in self._infos]) for f in fields}

    def _numbers(self, rows: list[list[Array]]) -> Array:
        return mx.array(np.array([np.concatenate([np.array(v).reshape(-1) for v in row]) for row in rows]).T)

    def choices(self, chain: int, draw: int) -> ChoiceMap:
        """The choices of one draw."""
        found: ChoiceMap = EMPTY
        for pattern, entries in self._columns.items():
            entry = entries[draw]
            value = entry[chain] if len(entry) == self.chains else entry[0]
            if value is not None:
                if len(entry) != self.chains:
                    value = value[chain]
                found = found | EMPTY.set(pattern, value)
        return found

    def find(self, address: object) -> list[Pattern]:
        """The columns at or below an address.

        Raises:
            AddressError: there are none.
        """
        wanted = as_pattern(address)
        found = [p for p in self._columns if p[: len(wanted)] == wanted]
        if not found:
            names = ", ".join(format_path(p) for p in self.patterns[:8])
            raise AddressError(f"there are no draws of {format_path(wanted)}", fix=f"one of {names}")
        return found
