"""The order in which a region runs, and which of its operations share a loop nest.

Elementwise operations and reductions over one iteration shape go into one nest, whether they depend on each other or
not; a value that only the nest needs is a variable in it. The order of the region is kept only where values depend on
each other, so that what belongs together comes together:

* scalars and views as soon as they can run: they wait for nothing and cost next to nothing;
* then operations that have loops of their own, since what follows from them may join a nest;
* then the nest that leaves no operation of its shape behind, or the fewest.

Axes of one element do not count: `[8]`, `[8, 1]` and `[1, 8]` are one iteration shape, and the views between them are
names of one variable.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from genmlx.compiler.codegen.places import squeezed
from genmlx.compiler.ir.ops import ELEMENTWISE, VIEWS
from genmlx.compiler.ir.types import Op, Region, Value

__all__ = ["Nest", "Step", "is_identity", "schedule"]

Space = tuple[int, ...]
Key = tuple[Space, bool]


class Nest(NamedTuple):
    """Operations that share loops: elementwise ones, reductions, and views that rename a value of the nest."""

    space: Space
    varying: bool
    ops: tuple[Op, ...]


Step = Op | Nest


def is_identity(op: Op) -> bool:
    """Whether a view keeps all elements in their row-major order."""
    (x,) = op.inputs
    (y,) = op.outputs
    if x.type.size != y.type.size or squeezed(x.shape) != squeezed(y.shape):
        return False
    if op.name == "transpose":
        order = [a for a in op.attributes["axes"] if x.shape[a] != 1]
        return order == sorted(order)
    if op.name == "slice":
        return all(step == 1 or n == 1 for step, n in zip(op.attributes["steps"], y.shape, strict=True))
    return True


def schedule(region: Region, varying: Mapping[Value, bool]) -> list[Step]:
    """The steps of a region."""
    return list(_Scheduler(region, varying).steps())


class _Scheduler:
    def __init__(self, region: Region, varying: Mapping[Value, bool]) -> None:
        self._ops = region.ops
        self._keys = [self._key(op, varying) for op in region.ops]
        self._consumers: list[list[int]] = [[] for _ in region.ops]
        self._waiting = [0] * len(region.ops)
        self._left: dict[Key, int] = {}
        maker = {value: i for i, op in enumerate(region.ops) for value in op.outputs}
        for i, op in enumerate(region.ops):
            producers = {maker[v] for v in op.inputs if v in maker}
            self._waiting[i] = len(producers)
            for j in producers:
                self._consumers[j].append(i)
        for key in self._keys:
            if key is not None:
                self._left[key] = self._left.get(key, 0) + 1
        # What can run: operations without loops, with loops of their own, and for each key those that can share.
        self._simple: list[int] = []
        self._alone: list[int] = []
        self._shared: dict[Key, list[int]] = {}

    @staticmethod
    def _key(op: Op, varying: Mapping[Value, bool]) -> Key | None:
        if op.name in ELEMENTWISE or op.name == "reduce":
            space = squeezed(op.inputs[0].shape)
            if space:
                return space, varying[op.outputs[0]]
        return None

    def _is_simple(self, i: int) -> bool:
        op = self._ops[i]
        return op.name in VIEWS or op.name in ELEMENTWISE or op.name in {"constant", "iota", "reduce"}

    def _ready(self, i: int) -> None:
        key = self._keys[i]
        if key is not None:
            heapq.heappush(self._shared.setdefault(key, []), i)
        else:
            heapq.heappush(self._simple if self._is_simple(i) else self._alone, i)

    def _finish(self, done: Iterable[int]) -> None:
        finished = set(done)
        for i in finished:
            for j in self._consumers[i]:
                self._waiting[j] -= 1
                if self._waiting[j] == 0 and j not in finished:
                    self._ready(j)

    def steps(self) -> Iterable[Step]:
        for i, waiting in enumerate(self._waiting):
            if waiting == 0:
                self._ready(i)
        while True:
            if self._simple:
                i = heapq.heappop(self._simple)
            elif self._alone:
                i = heapq.heappop(self._alone)
            elif self._shared:
                yield self._nest()
                continue
            else:
                return
            yield self._ops[i]
            self._finish([i])

    def _nest(self) -> Nest:
        grown = {key: self._grow(key) for key in self._shared}
        left = {key: self._left[key] - sum(self._keys[i] == key for i in members) for key, members in grown.items()}
        key = min(grown, key=lambda k: (left[k], self._shared[k][0]))
        members = sorted(grown[key])
        del self._shared[key]
        self._left[key] = left[key]
        self._finish(members)
        return Nest(*key, tuple(self._ops[i] for i in members))

    def _grow(self, key: Key) -> list[int]:
        """The operations that can share a nest of this key now, each after what it needs."""
        members: list[int] = []
        have: dict[int, int] = {}
        stack = list(self._shared[key])
        while stack:
            i = stack.pop()
            members.append(i)
            if self._ops[i].name == "reduce":
                continue  # whole only when the loops have ended
            for j in self._consumers[i]:
                have[j] = have.get(j, 0) + 1
                if have[j] == self._waiting[j] and self._joins(j, key):
                    stack.append(j)
        return members

    def _joins(self, j: int, key: Key) -> bool:
        if self._keys[j] == key:
            return True
        op = self._ops[j]
        return op.name in VIEWS and is_identity(op) and bool(squeezed(op.outputs[0].shape))
