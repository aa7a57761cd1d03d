"""Selections: sets of addresses, with one meaning everywhere.

A selection is a predicate on the full path of a choice. ``select("a")`` holds everything under ``"a"`` and nothing
else. Filter, project and regenerate all walk down a tree of choices with `Selection.at` and ask `Selection.here` at
a choice, so ``~``, ``|`` and ``&`` mean the same to each of them, at any depth.

Laws (`tests/laws/test_selections.py`): for every path ``p``, ``p in ~s == (p not in s)``, ``p in (s | t) == (p in s
or p in t)``, ``p in (s & t) == (p in s and p in t)``, and ``(c, *p) in s == p in s.at(c)``.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from genmlx.core.address import Component, Path, Pattern, as_path, as_pattern, bare
from genmlx.numerics.errors import UsageError, format_path

__all__ = ["ALL", "NONE", "Selection", "as_selection", "select", "select_where"]


class Selection(abc.ABC):
    """A set of addresses. Build with `select`, `select_where`, `ALL`, `NONE`; combine with ``~ | &``."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def here(self) -> bool:
        """Whether a choice at this very place (the empty path) is selected."""

    @abc.abstractmethod
    def at(self, component: Component) -> Selection:
        """The selection as seen from below ``component``."""

    @property
    def uniform(self) -> bool:
        """Whether `at` gives the same for every int."""
        return False

    def over(self, indices: range) -> Selection | None:
        """What `at` gives for each of some ints, if that is the same: a stack of choices is filtered in one piece."""
        return self.at(indices[0]) if len(indices) and self.uniform else None

    def below(self, path: Path) -> Selection:
        """The selection as seen from below ``path``."""
        selection = self
        for component in path:
            selection = selection.at(component)
        return selection

    def __contains__(self, address: object) -> bool:
        return self.below(as_path(address) if address != () else ()).here

    def __invert__(self) -> Selection:
        return _Not(self)

    def __bool__(self) -> bool:
        raise UsageError(
            "a selection has no truth value: `not s`, `s and t` and `s or t` do not combine selections",
            fix="~s, s & t, s | t; or address in s",
        )

    def __or__(self, other: object) -> Selection:
        return _either(self, as_selection(other))

    def __and__(self, other: object) -> Selection:
        return _both(self, as_selection(other))

    __ror__ = __or__
    __rand__ = __and__


class _Constant(Selection):
    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = value

    @property
    def here(self) -> bool:
        return self._value

    @property
    def uniform(self) -> bool:
        return True

    def at(self, component: Component) -> Selection:
        return self

    def __invert__(self) -> Selection:
        return NONE if self._value else ALL

    def __repr__(self) -> str:
        return "ALL" if self._value else "NONE"


ALL: Selection = _Constant(True)
"""Every address."""
NONE: Selection = _Constant(False)
"""No address."""


class _Tree(Selection):
    """The addresses under some paths: what is selected below each component, and below each slice of indices."""

    __slots__ = ("_children", "_slices")

    def __init__(self, children: dict[Component, Selection], slices: tuple[tuple[slice, Selection], ...] = ()) -> None:
        self._children, self._slices = children, slices

    @property
    def here(self) -> bool:
        return False

    @property
    def uniform(self) -> bool:
        return not any(isinstance(c, int) for c in self._children) and all(s == slice(None) for s, _ in self._slices)

    def at(self, component: Component) -> Selection:
        found = self._children.get(component, NONE)
        if isinstance(component, int):
            for indices, below in self._slices:
                if _in_slice(component, indices):
                    found = _either(found, below)
        return found

    def over(self, indices: range) -> Selection | None:
        if any(isinstance(c, int) and c in indices for c in self._children):
            return None
        found: Selection = NONE
        for chosen, below in self._slices:
            inside = sum(_in_slice(i, chosen) for i in indices)
            if 0 < inside < len(indices):
                return None
            found = _either(found, below) if inside else found
        return found

    def __repr__(self) -> str:
        return f"select({', '.join(format_path(p) for p in self._paths())})"

    def _paths(self) -> list[tuple[object, ...]]:
        paths: list[tuple[object, ...]] = []
        for component, below in [*self._children.items(), *self._slices]:
            tails = below._paths() if isinstance(below, _Tree) else [()]
            paths += [(component, *tail) for tail in tails]
        return paths


class _Where(Selection):
    __slots__ = ("_predicate", "_prefix")

    def __init__(self, predicate: Callable[[Any], bool], prefix: Path = ()) -> None:
        self._predicate, self._prefix = predicate, prefix

    @property
    def here(self) -> bool:
        return bool(self._predicate(bare(self._prefix)))

    def at(self, component: Component) -> Selection:
        return _Where(self._predicate, (*self._prefix, component))

    def __repr__(self) -> str:
        return f"select_where({self._predicate!r})"


class _Not(Selection):
    __slots__ = ("_selection",)

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    @property
    def here(self) -> bool:
        return not self._selection.here

    @property
    def uniform(self) -> bool:
        return self._selection.uniform

    def at(self, component: Component) -> Selection:
        return ~self._selection.at(component)

    def over(self, indices: range) -> Selection | None:
        below = self._selection.over(indices)
        return None if below is None else ~below

    def __invert__(self) -> Selection:
        return self._selection

    def __repr__(self) -> str:
        return f"~{self._selection!r}"


class _Pair(Selection):
    __slots__ = ("_a", "_b")

    def __init__(self, a: Selection, b: Selection) -> None:
        self._a, self._b = a, b

    @property
    def uniform(self) -> bool:
        return self._a.uniform and self._b.uniform


class _Or(_Pair):
    __slots__ = ()

    @property
    def here(self) -> bool:
        return self._a.here or self._b.here

    def at(self, component: Component) -> Selection:
        return _either(self._a.at(component), self._b.at(component))

    def over(self, indices: range) -> Selection | None:
        a, b = self._a.over(indices), self._b.over(indices)
        return None if a is None or b is None else _either(a, b)

    def __repr__(self) -> str:
        return f"({self._a!r} | {self._b!r})"


class _And(_Pair):
    __slots__ = ()

    @property
    def here(self) -> bool:
        return self._a.here and self._b.here

    def at(self, component: Component) -> Selection:
        return _both(self._a.at(component), self._b.at(component))

    def over(self, indices: range) -> Selection | None:
        a, b = self._a.over(indices), self._b.over(indices)
        return None if a is None or b is None else _both(a, b)

    def __repr__(self) -> str:
        return f"({self._a!r} & {self._b!r})"


def _either(a: Selection, b: Selection) -> Selection:
    if a is ALL or b is NONE:
        return a
    if b is ALL or a is NONE:
        return b
    return _Or(a, b)


def _both(a: Selection, b: Selection) -> Selection:
    if a is NONE or b is ALL:
        return a
    if b is NONE or a is ALL:
        return b
    return _And(a, b)


def _in_slice(index: int, indices: slice) -> bool:
    start, step = indices.start or 0, indices.step or 1
    return index >= start and (indices.stop is None or index < indices.stop) and (index - start) % step == 0


def select(*addresses: object) -> Selection:
    """The addresses given, and everything under them.

    Args:
        *addresses: strings, ints, or tuples (paths); a path may hold slices or ranges of non-negative indices.

    Example:
        >>> s = select("a", ("b", "c"))
        >>> "a" in s, ("a", "x") in s, "b" in s, ("b", "c") in s, ("b", "c") in ~s
        (True, True, False, True, False)
    """
    for address in addresses:
        if isinstance(address, Selection):
            raise UsageError(f"select() takes addresses, found the selection {address!r}", fix="s1 | s2")
    return _union([as_pattern(address) for address in addresses])


def _union(patterns: list[Pattern]) -> Selection:
    """The addresses under some patterns as one tree, so that selecting many addresses costs one look-up a step."""
    if not patterns:
        return NONE
    if () in patterns:
        return ALL
    tails: dict[Component, list[Pattern]] = {}
    slices: list[tuple[slice, Selection]] = []
    for head, *tail in patterns:
        if not isinstance(head, slice | range):
            tails.setdefault(head, []).append(tuple(tail))
        elif any(bound is not None and bound < 0 for bound in (head.start, head.stop, head.step)):
            raise UsageError(f"a selection takes slices of non-negative indices, found {head}")
        else:
            slices.append((slice(head.start, head.stop, head.step), _union([tuple(tail)])))
    return _Tree({component: _union(below) for component, below in tails.items()}, tuple(slices))


def select_where(predicate: Callable[[Any], bool]) -> Selection:
    """The addresses for which ``predicate(address)`` is true.

    Args:
        predicate: takes the address of a choice as the user writes it: a string or int, or a tuple for a path.

    Example:
        >>> "y3" in select_where(lambda a: a.startswith("y"))
        True
    """
    return _Where(predicate)


def as_selection(x: object) -> Selection:
    """The selection that an argument stands for: itself, or an address with everything under it."""
    if isinstance(x, Selection):
        return x
    if isinstance(x, str | int | tuple) and not isinstance(x, bool):
        return select(x)
    raise UsageError(
        f"a selection is expected, found {x!r} ({type(x).__name__})",
        fix='gm.select("a", ("b", "c")), gm.ALL or gm.NONE',
    )
