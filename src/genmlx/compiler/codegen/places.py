"""Where values lie: memory, and views of it.

A value of the IR lies in a `Place`: a `Root` (a variable, an array, an input, a sequence of numbers), an offset and a
stride for each axis. Broadcast, transpose, slice and most reshapes make another place with the same root, and no code.
Index expressions are affine in the loop counters: a constant, plus C++ terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise

__all__ = ["Index", "Kind", "Place", "Root", "dense", "scaled", "squeezed"]


class Kind(Enum):
    """How the elements of a root are read and written."""

    VARIABLE = auto()
    """One element, a C++ variable or literal."""
    MEMORY = auto()
    """An array; a varying one has a vector of all lanes for each element."""
    LANES = auto()
    """An array [lane, element] outside the kernel: an input or output that has lanes."""
    RANGE = auto()
    """0, 1, 2, ...: the index itself."""


@dataclass(slots=True, eq=False)
class Root:
    """What holds elements.

    Attributes:
        name: the C++ name, or the expression of a variable.
        dtype: of the elements.
        varying: whether lanes have different elements.
        kind: how it is read.
        size: the number of elements; for `Kind.LANES` that of one lane.
        owned: whether the program may write over it when no value needs it any more.
        references: how many values need it, and loops that hold it.
        held: how many of these are loops; then no value needs it.
        mask: only lanes in which this C++ variable is set are written.
        slot: what the allocator gave, to be given back.
    """

    name: str
    dtype: str
    varying: bool
    kind: Kind
    size: int = 1
    owned: bool = False
    references: int = 0
    held: int = 0
    mask: str | None = None
    slot: tuple[int, int] | None = None

    @property
    def needed(self) -> int:
        """How many values need it."""
        return self.references - self.held


@dataclass(frozen=True, slots=True)
class Index:
    """An affine index: a constant, plus terms."""

    constant: int = 0
    terms: tuple[str, ...] = ()

    def plus(self, other: Index) -> Index:
        """The sum."""
        return Index(self.constant + other.constant, self.terms + other.terms)

    def __str__(self) -> str:
        parts = [*self.terms, *([str(self.constant)] if self.constant or not self.terms else [])]
        return " + ".join(parts).replace("+ -", "- ")


def scaled(expression: str, stride: int, cast: str = "") -> Index:
    """A C++ expression times a stride, after a cast; a literal is folded."""
    if stride == 0 or expression == "0":
        return Index()
    if expression.lstrip("-").isdigit():
        return Index(int(expression) * stride)
    return Index(0, (f"{cast}{expression}" if stride == 1 else f"{cast}{expression} * {stride}",))


def dense(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape without axes of one element: what a loop nest sees."""
    return tuple(n for n in shape if n != 1)


@dataclass(frozen=True, slots=True)
class Place:
    """A view of a root."""

    root: Root
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: Index = Index()

    @property
    def dtype(self) -> str:
        """The dtype of its elements."""
        return self.root.dtype

    @property
    def varying(self) -> bool:
        """Whether lanes have different elements."""
        return self.root.varying

    @property
    def is_dense(self) -> bool:
        """Whether its elements lie one after the other in row-major order."""
        expected = dense(self.shape)
        return 0 in self.shape or all(
            n == 1 or a == b for n, a, b in zip(self.shape, self.strides, expected, strict=True)
        )

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its root, in order."""
        return self.is_dense and self.offset == Index() and math.prod(self.shape) == self.root.size

    def at(self, indices: Sequence[str]) -> Index:
        """The index into the root, of one element."""
        index = self.offset
        wide = "(i64)" if self.root.size >= 2**31 else ""
        for expression, stride in zip(indices, self.strides, strict=True):
            index = index.plus(scaled(expression, stride, wide))
        return index

    def element(self, indices: Sequence[str]) -> Place:
        """One element, or with fewer indices than axes the part that they choose."""
        count = len(indices)
        head = replace(self, shape=self.shape[:count], strides=self.strides[:count])
        return Place(self.root, self.shape[count:], self.strides[count:], head.at(indices))

    def broadcast(self, shape: Sequence[int]) -> Place:
        """By the rules of NumPy."""
        lead = len(shape) - len(self.shape)
        kept = zip(self.shape, self.strides, shape[lead:], strict=True)
        strides = (0,) * lead + tuple(0 if n == 1 and m != 1 else s for n, s, m in kept)
        return Place(self.root, tuple(shape), strides, self.offset)

    def transpose(self, axes: Sequence[int]) -> Place:
        """Axes in another order."""
        return Place(self.root, tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes), self.offset)

    def slice(self, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> Place:
        """``sizes`` elements from ``starts`` on, every ``steps``-th."""
        shift = 0 if 0 in sizes else sum(a * b for a, b in zip(starts, self.strides, strict=True))
        strides = tuple(a * b for a, b in zip(steps, self.strides, strict=True))
        return Place(self.root, tuple(sizes), strides, self.offset.plus(Index(shift)))

    def window(self, starts: Sequence[str], sizes: Sequence[int]) -> Place:
        """``sizes`` elements from where C++ expressions say."""
        return Place(self.root, tuple(sizes), self.strides, self.at(starts))

    def squeeze(self) -> Place:
        """Without axes of one element."""
        kept = [a for a, n in enumerate(self.shape) if n != 1]
        return Place(self.root, tuple(self.shape[a] for a in kept), tuple(self.strides[a] for a in kept), self.offset)

    def reshape(self, shape: Sequence[int]) -> Place | None:
        """The same elements in another shape, if strides can say it; else None."""
        shape = tuple(shape)
        if 0 in shape:
            return Place(self.root, shape, dense(shape), self.offset)
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides: list[int] = []
        at = 0
        remaining = list(shape)
        axis = 0
        while axis < len(remaining):
            if remaining[axis] == 1:
                strides.append(0)
                axis += 1
                continue
            # The least run of old axes and the least run of new axes with one product.
            old_end, new_end = at + 1, axis + 1
            a, b = old[at][0], remaining[axis]
            while a != b:
                if a < b:
                    a *= old[old_end][0]
                    old_end += 1
                else:
                    b *= remaining[new_end]
                    new_end += 1
            run = old[at:old_end]
            if any(s != t * m for (_, s), (m, t) in pairwise(run)):
                return None
            step = run[-1][1]
            new = []
            for n in reversed(remaining[axis:new_end]):
                new.append(0 if n == 1 else step)
                step *= n
            strides.extend(reversed(new))
            at, axis = old_end, new_end
        return Place(self.root, shape, tuple(strides), self.offset)
