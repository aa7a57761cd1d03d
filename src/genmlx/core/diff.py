"""Diffs: what a caller knows about how an argument or a result changed.

A diff is a hint that saves work; a truthful one changes no result. `NoChange` promises that the new value equals the
old one; `UnknownChange` promises nothing.
"""

from collections.abc import Iterable
from typing import Any

from genmlx.numerics.errors import UsageError

__all__ = ["Diff", "NoChange", "UnknownChange", "VectorDiff", "as_argdiffs", "diff_of", "unchanged"]


class Diff:
    """How a value changed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class VectorDiff(Diff):
    """Which elements of an array (or a list) may have changed; the others are the same.

    Args:
        indices: numbers of elements along the leading axis.
    """

    def __init__(self, indices: Iterable[int]) -> None:
        self.indices = tuple(indices)
        super().__init__(f"VectorDiff({list(self.indices)})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VectorDiff) and self.indices == other.indices

    def __hash__(self) -> int:
        return hash(self.indices)


NoChange = Diff("NoChange")
"""The value is the same as before."""
UnknownChange = Diff("UnknownChange")
"""Nothing is known about the change."""


def unchanged(argdiffs: tuple[Any, ...]) -> bool:
    """Whether every argument is known to be the same."""
    return all(d is NoChange for d in argdiffs)


def diff_of(new: Any, old: Any) -> Diff:
    """`NoChange` when ``new`` is the very object ``old``, or an equal Python scalar or string."""
    if new is old or (type(new) is type(old) and isinstance(new, int | float | str | bool) and new == old):
        return NoChange
    return UnknownChange


def as_argdiffs(argdiffs: tuple[Any, ...] | None, n: int, default: Diff) -> tuple[Any, ...]:
    """One diff for each of ``n`` arguments."""
    if argdiffs is None:
        return (default,) * n
    if len(argdiffs) != n:
        raise UsageError(
            f"argdiffs has {len(argdiffs)} entries for {n} arguments",
            fix="one gm.NoChange or gm.UnknownChange for each argument",
        )
    for d in argdiffs:
        if not isinstance(d, Diff):
            raise UsageError(
                f"argdiffs holds {d!r}, which is not a diff",
                fix="gm.NoChange, gm.UnknownChange, gm.VectorDiff(indices)",
            )
    return tuple(argdiffs)
