"""A table of draws: one column an address, rows by chain and draw.

Models whose addresses change from draw to draw have columns with gaps; a gap reads as NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

from genmlx.core.address import Component, Pattern, as_pattern
from genmlx.core.choicemap import ChoiceMap, Leaf, choices_at
from genmlx.inference.base import Info
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, format_path
from genmlx.numerics.types import Array

__all__ = ["DrawTable", "on_host", "pattern_name"]


def pattern_name(pattern: Pattern) -> str:
    """An address as the name of a variable in a table: ``a``, ``a.b``, ``obs[0]``; a whole stack leaves no mark.

    The one choice of a distribution, which has no address, is called ``value``.
    """
    name = ""
    for component in pattern:
        if isinstance(component, int):
            name += f"[{component}]"
        elif not isinstance(component, slice | range):
            name += f".{component}" if name else component
    return name or "value"


def on_host(values: Array) -> np.ndarray:
    """The numbers for NumPy, which does not know bfloat16: as float32, which holds them exactly."""
    return np.array(values.astype(mx.float32) if values.dtype == mx.bfloat16 else values, copy=False)


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

    @classmethod
    def of(
        cls, columns: Mapping[Pattern, tuple[Array, Array | None]], scores: Array, stats: Mapping[str, Array]
    ) -> DrawTable:
        """A table from what `filled`, `scores` and `stats` gave; a column without gaps needs no presence."""
        chains, draws = scores.shape
        table = cls(chains)
        table.draws = draws
        for pattern, (values, present) in columns.items():
            if present is None:
                table._columns[pattern] = [[values[:, i] if chains > 1 else values[0, i]] for i in range(draws)]
            else:
                made: Any = present.tolist()
                table._columns[pattern] = [
                    [values[c, i] if made[c][i] else None for c in range(chains)] for i in range(draws)
                ]
        table._scores = [[scores[:, i]] for i in range(draws)]
        kind: Any = NamedTuple("Info", [(name, Array) for name in stats])  # type: ignore[misc]
        table._infos = [[kind(*[v[:, i] for v in stats.values()])] for i in range(draws)]
        return table

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

    def filled(self, pattern: Pattern) -> tuple[Array, np.ndarray]:
        """The values at one stored address with zeros in the gaps, in their own dtype, and which draws made them."""
        present = np.array(self.present(pattern))
        if present.all():
            return self.column(pattern), present
        rows = [self._by_chain(entry) for entry in self._columns[pattern]]
        made = [v for row in rows for v in row if v is not None]
        gap = np.zeros_like(self._of_one_shape(pattern, made))
        values = np.array([[gap if v is None else v for v in row] for row in rows])
        return mx.array(np.swapaxes(values, 0, 1)), present

    def _assemble(self, pattern: Pattern) -> Array:
        entries = self._columns[pattern]
        # All numbers on the host in one copy: stacking 10^5 small arrays in one graph is far slower.
        of_all = [entry[0] for entry in entries if len(entry) != self.chains and entry[0] is not None]
        if len(of_all) == len(entries):
            return mx.array(np.swapaxes(np.array([on_host(v) for v in of_all]), 0, 1))
        rows = [self._by_chain(entry) for entry in entries]
        made = [v for row in rows for v in row if v is not None]
        shape = self._of_one_shape(pattern, made).shape
        if len(made) < len(rows) * self.chains:
            gap = np.full(shape, np.nan, np.float32)
            rows = [[gap if v is None else v.astype(np.float32) for v in row] for row in rows]
        return mx.array(np.swapaxes(np.array(rows), 0, 1))

    def _of_one_shape(self, pattern: Pattern, made: list[Any]) -> Any:
        """The first of some draws, which must all have its shape."""
        if any(v.shape != made[0].shape for v in made):
            shapes = sorted({str(v.shape) for v in made})
            raise ShapeError(
                f"the draws of {format_path(pattern)} have different shapes: {', '.join(shapes)}",
                fix="chains[c, i] for the trace of one draw",
            )
        return made[0]

    def _by_chain(self, entry: list[Array | None]) -> list[Any]:
        """The values of one draw, one a chain; None for a choice that was not made."""
        if len(entry) == self.chains:
            return [None if v is None else on_host(v) for v in entry]
        return [None] * self.chains if entry[0] is None else list(on_host(entry[0]))

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
        made: list[tuple[Pattern, Array]] = []
        for pattern, entries in self._columns.items():
            entry = entries[draw]
            value = entry[chain] if len(entry) == self.chains else entry[0]
            if value is not None:
                made.append((pattern, value if len(entry) == self.chains else value[chain]))
        return choices_at(made)

    def find(self, address: object) -> list[Pattern]:
        """The columns at or below an address.

        Raises:
            AddressError: there are none.
        """
        wanted = as_pattern(address)
        if wanted in self.patterns:  # a slice has no hash
            return [wanted]
        found = [p for p in self._columns if len(p) >= len(wanted) and all(map(_meet, p, wanted))]
        if not found:
            names = ", ".join(format_path(p) for p in self.patterns[:8])
            raise AddressError(f"there are no draws of {format_path(wanted)}", fix=f"one of {names}")
        return found

    def gather(self, address: object) -> ChoiceMap:
        """All draws at or below an address: arrays with axes for chains and draws in front.

        Raises:
            AddressError: there are none, or they have different forms in different draws.
        """
        wanted, found = as_pattern(address), self.find(address)
        if found == [wanted]:
            return Leaf(self.column(wanted), 2)
        try:
            draws = choices_at([(p, self.column(p)) for p in found], 2)
        except ConstraintError:
            names = " and ".join(format_path(p) for p in found)
            raise AddressError(
                f"the draws at {format_path(wanted)} have different forms: {names}",
                fix="one of these addresses, or chains[c, i] for the trace of one draw",
            ) from None
        return draws.gather(wanted)


def _meet(stored: Component | slice | range, wanted: Component | slice | range) -> bool:
    """Whether a component of a look-up reaches a component of a stored pattern."""
    if isinstance(wanted, slice | range):
        if isinstance(stored, range):
            return True
        end = stored + 1 if isinstance(stored, int) else 0
        return stored in (range(*wanted.indices(end)) if isinstance(wanted, slice) else wanted)
    return wanted in stored if isinstance(stored, range) and isinstance(wanted, int) else wanted == stored
