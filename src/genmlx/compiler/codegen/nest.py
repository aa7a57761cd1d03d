"""Elementwise operations and reductions that share loops.

One nest runs over one shape. Each value in it is a local variable; what is needed after it is stored at the end of an
iteration, so that everything is read before anything is written. A value that does not change in the inner loops is
computed outside them. Axes over which every array steps evenly become one loop.

A reduction keeps a running value in a variable where the reduced axes are the inner loops, and in its array where an
inner loop is kept. Without lanes the innermost loop is marked for the compiler to vectorise, reductions included: the
order of a sum is then the compiler's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from genmlx.compiler.codegen.cstyle import COMBINE, SHORT, kind_of, literal, neutral, reduction_kind
from genmlx.compiler.codegen.frame import Frame, comment_of, merged_axes
from genmlx.compiler.codegen.places import Kind, Place, Root
from genmlx.compiler.codegen.schedule import Nest
from genmlx.compiler.ir.ops import VIEWS
from genmlx.compiler.ir.types import Op, Value

__all__ = ["print_nest"]

SHORT_SUM = range(4, 65)
"""So many terms are kept, and then added in pairs; a compiler adds what its vectors hold one after the other."""


class _Local(NamedTuple):
    """A variable of the nest: its name, whether lanes differ, and inside how many loops it is set."""

    name: str
    varying: bool
    depth: int


@dataclass(slots=True)
class _Reduction:
    """A reduction: where its result goes, over which axes of the nest it runs, and where its running value lives."""

    op: Op
    place: Place
    axes: frozenset[int]
    kind: str
    target: Place
    """The place, seen with the loops that it keeps only."""
    name: str = ""
    depth: int = 0
    kept: list[int] = field(default_factory=list)
    """The loops that it keeps."""
    in_memory: bool = False
    """Whether the running value is in the array itself."""
    terms: str = ""
    """The array of the terms of a short sum, which is added up at the end."""
    partial: bool = False
    """Whether a loop outside a kept one is reduced, so that the array collects running values."""


def print_nest(frame: Frame, nest: Nest) -> None:
    """Print a nest and say where its values lie."""
    _Printer(frame, nest).run()


class _Printer:
    def __init__(self, frame: Frame, nest: Nest) -> None:
        self.frame, self.nest, self.writer = frame, nest, frame.writer
        self.made = {v for op in nest.ops for v in op.outputs}
        self.uses: dict[Value, int] = {}
        self.base: dict[Value, Value] = {}
        for op in nest.ops:
            for v in op.inputs:
                self.uses[v] = self.uses.get(v, 0) + 1
            if op.name in VIEWS:
                self.base[op.outputs[0]] = self.base.get(op.inputs[0], op.inputs[0])
        self.locals: dict[Value, _Local] = {}
        self.loads: dict[tuple[Root, object, tuple[int, ...]], _Local] = {}

    def run(self) -> None:
        frame, nest = self.frame, self.nest
        stores = self._stores()
        reductions = [self._reduction(op) for op in nest.ops if op.name == "reduce"]
        loaded = {v: frame.places[v].squeeze() for op in nest.ops for v in op.inputs if v not in self.made}
        strides = [p.strides for p in (*loaded.values(), *stores.values())]
        flags = [tuple(axis in r.axes for r in reductions) for axis in range(len(nest.space))]
        for r in reductions:
            strides.append(self._spread(r))
        groups = merged_axes(nest.space, strides, flags)
        self.extents = [math.prod(nest.space[a] for a in g) for g in groups]
        self.loaded = {v: self._merged(p, groups) for v, p in loaded.items()}
        self.stores = {v: self._merged(p, groups) for v, p in stores.items()}
        self.reductions = {r.op: r for r in reductions}
        for r in reductions:
            self._plan(r, groups)
        self.before: list[list[tuple[str, str]]] = [[] for _ in range(len(groups) + 1)]
        self.counters = [self.writer.name("j") for _ in groups]
        self._statements()
        for r in reductions:
            self._begin(r)
        self._loops(0)
        self._define(stores)

    # ---- where values go -------------------------------------------------------------------------------------------

    def _base(self, value: Value) -> Value:
        return self.base.get(value, value)

    def _outside(self) -> dict[Value, list[Value]]:
        """Values that are needed after the nest, by the value of the nest that they name."""
        found: dict[Value, list[Value]] = {}
        for op in self.nest.ops:
            for v in op.outputs:
                if self.frame.remaining.get(v, 0) > self.uses.get(v, 0) and op.name != "reduce":
                    found.setdefault(self._base(v), []).append(v)
        return found

    def _stores(self) -> dict[Value, Place]:
        """Where each stored value goes, seen in the shape of the nest."""
        stores = {}
        self.names = self._outside()
        for base, names in self.names.items():
            for name in names:
                target = self.frame.target(name, uses=self.uses.get(name, 0))
                if target is not None and len(names) > 1 and target.place.root.kind is Kind.LANES:
                    continue
                if target is not None and (target.fresh or self._may_overwrite(target.place)):
                    stores[base] = target.place.squeeze()
                    break
            else:
                stores[base] = self.writer.array(base.dtype, self.frame.varying[base], self.nest.space)
        return stores

    def _may_overwrite(self, place: Place) -> bool:
        """Whether all that still needs the carry at this place is read here, where it is written."""
        harmless = 0
        for value in self.uses:
            if value not in self.made and self.frame.places[value].root is place.root:
                here = self.frame.places[value].squeeze()
                same = (here.strides, here.offset) == (place.squeeze().strides, place.squeeze().offset)
                if not same or self.frame.remaining[value] > self.uses[value]:
                    return False
                harmless += 1
        return place.root.needed == harmless

    def _define(self, stores: dict[Value, Place]) -> None:
        frame = self.frame
        for op in self.nest.ops:
            if op.name == "reduce":
                r = self.reductions[op]
                frame.define(op.outputs[0], r.place)
        for base, place in stores.items():
            for value in self.names[base]:
                frame.remaining[value] -= self.uses.get(value, 0)
                whole = _unsqueezed(place, value.shape)
                frame.define(value, whole)
        inputs = [v for op in self.nest.ops for v in op.inputs if v not in self.made]
        frame.use(inputs)

    # ---- reductions ------------------------------------------------------------------------------------------------

    def _reduction(self, op: Op) -> _Reduction:
        (x,), (value,) = op.inputs, op.outputs
        position = {a: i for i, a in enumerate(a for a, n in enumerate(x.shape) if n != 1)}
        axes = frozenset(position[a] for a in op.attributes["axes"] if a in position)
        kind = reduction_kind(op.attributes["kind"], value.dtype)
        if value.type.size == 1:
            root = Root("", value.dtype, self.frame.varying[value], Kind.VARIABLE)
            place = Place(root, value.shape, (0,) * len(value.shape))
        else:
            place = self.frame.output(value, reads_back=True)
        return _Reduction(op, place, axes, kind, place)

    def _spread(self, r: _Reduction) -> tuple[int, ...]:
        """The strides of a reduction's result in the axes of the nest."""
        kept = iter(r.place.squeeze().strides if r.place.root.kind is not Kind.VARIABLE else ())
        if r.place.root.kind is Kind.VARIABLE:
            return (0,) * len(self.nest.space)
        return tuple(0 if a in r.axes else next(kept) for a in range(len(self.nest.space)))

    def _plan(self, r: _Reduction, groups: Sequence[Sequence[int]]) -> None:
        reduced = [g[0] in r.axes for g in groups]
        if r.place.root.kind is Kind.VARIABLE:
            r.kept = []
        else:
            r.kept = [i for i, flag in enumerate(reduced) if not flag]
        spread = self._spread(r)
        strides = tuple(spread[groups[i][-1]] for i in r.kept)
        r.target = Place(r.place.root, tuple(self.extents[i] for i in r.kept), strides, r.place.offset)
        r.depth = r.kept[-1] + 1 if r.kept else 0
        r.in_memory = r.depth == len(groups)
        r.partial = not r.in_memory and any(reduced[: r.depth])
        r.name = self.writer.name("r")
        if r.place.root.kind is Kind.VARIABLE:
            r.place.root.name = r.name
        floats = kind_of(r.op.outputs[0].dtype) == "float" and not self.nest.varying
        if floats and r.kind == "sum" and not r.kept and len(groups) == 1 and self.extents[0] in SHORT_SUM:
            r.terms = self.writer.name("terms")

    def _neutral(self, r: _Reduction) -> str:
        value = literal(neutral(r.kind, r.op.outputs[0].dtype), r.op.outputs[0].dtype)
        return self.writer.splat(value, r.op.outputs[0].dtype) if self.nest.varying else value

    def _combined(self, r: _Reduction, a: str, b: str) -> str:
        dtype = r.op.outputs[0].dtype
        name, _ = COMBINE[r.kind]
        operands = [(a, self.nest.varying), (b, self.nest.varying)]
        return self.frame.expression(name, operands, [dtype, dtype], dtype, self.nest.varying)

    def _begin(self, r: _Reduction) -> None:
        """Neutral elements in an array that collects."""
        if not (r.in_memory or r.partial):
            return

        def fill(indices: list[str]) -> None:
            depth = len(indices)
            if depth == len(r.kept):
                self.writer.write(r.target, indices, self._neutral(r), self.nest.varying)
                return
            with self.writer.loop(self.extents[r.kept[depth]]) as i:
                fill([*indices, i])

        fill([])

    def _end(self, r: _Reduction) -> None:
        """A running value that is complete, or complete for these loops."""
        if not r.kept:
            return
        indices = [self.counters[i] for i in r.kept]
        value = r.name
        if r.partial:
            value = self._combined(r, self.writer.read(r.target, indices), r.name)
        self.writer.write(r.target, indices, value, self.nest.varying)

    # ---- statements ------------------------------------------------------------------------------------------------

    def _merged(self, place: Place, groups: Sequence[Sequence[int]]) -> Place:
        strides = place.strides if place.shape else (0,) * len(self.nest.space)
        return Place(place.root, tuple(self.extents), tuple(strides[g[-1]] for g in groups), place.offset)

    def _operand(self, value: Value) -> _Local:
        if value in self.locals:
            return self.locals[value]
        place = self.loaded[value]
        if place.root.kind is Kind.VARIABLE:
            return _Local(place.root.name, place.varying, 0)
        key = (place.root, place.offset, place.strides)
        if key not in self.loads:
            depth = max((a + 1 for a, s in enumerate(place.strides) if s != 0), default=0)
            name = self.writer.name("x")
            type_ = self.writer.type(place.dtype, place.varying)
            text = f"const {type_} {name} = {self.writer.read(place, self.counters)};"
            self.before[depth].append((text, ""))
            self.loads[key] = _Local(name, place.varying, depth)
        return self.loads[key]

    def _statements(self) -> None:
        for op in self.nest.ops:
            operands = [self._operand(v) for v in op.inputs]
            (value,) = op.outputs
            if op.name in VIEWS or op.name == "stop_gradient":
                self.locals[value] = operands[0]
            elif op.name == "reduce":
                self._accumulate(self.reductions[op], operands[0])
            else:
                depth = max(o.depth for o in operands)
                varying = self.frame.varying[value]
                dtypes = [v.dtype for v in op.inputs]
                text = self.frame.expression(
                    op.name, [(o.name, o.varying) for o in operands], dtypes, value.dtype, varying
                )
                name = self.writer.name("t")
                type_ = self.writer.type(value.dtype, varying)
                self.before[depth].append((f"const {type_} {name} = {text};", comment_of(op)))
                self.locals[value] = _Local(name, varying, depth)

    def _accumulate(self, r: _Reduction, x: _Local) -> None:
        value = x.name
        if self.nest.varying and not x.varying:
            value = self.writer.splat(value, r.op.inputs[0].dtype)
        if r.in_memory:
            indices = [self.counters[i] for i in r.kept]
            combined = self._combined(r, self.writer.read(r.target, indices), value)
            text = self.writer.assignment(r.target, indices, combined, self.nest.varying)
        elif r.terms:
            text = f"{r.terms}[{self.counters[0]}] = {value};"
        else:
            text = f"{r.name} = {self._combined(r, r.name, value)};"
        self.before[-1].append((text, comment_of(r.op)))

    # ---- loops -----------------------------------------------------------------------------------------------------

    def _loops(self, depth: int) -> None:
        writer = self.writer
        for text, comment in self.before[depth]:
            writer.line(text, comment)
        if depth == len(self.extents):
            for value, place in self.stores.items():
                local = self.locals[value]
                writer.write(place, self.counters, local.name, local.varying)
            return
        here = [r for r in self.reductions.values() if r.depth == depth and not r.in_memory]
        for r in here:
            type_ = writer.type(r.op.outputs[0].dtype, self.nest.varying)
            if r.terms:
                writer.line(f"{type_} {r.terms}[{self.extents[0]}];")
            else:
                writer.line(f"{type_} {r.name} = {self._neutral(r)};")
        i, n = self.counters[depth], self.extents[depth]
        last = depth == len(self.extents) - 1
        cuts = self.frame.breaks.get(n, []) if len(self.extents) == 1 and not self.nest.varying else []
        for begin, end in pairwise([0, *cuts, n]):
            if end - begin == 1 and cuts:
                with writer.block(""):
                    writer.line(f"const i32 {i} = {begin};")
                    self._loops(depth + 1)
                continue
            if last and not self.nest.varying:
                writer.line(self._pragma())
            with writer.block(f"for (i32 {i} = {begin}; {i} < {end}; ++{i})"):
                self._loops(depth + 1)
        for r in here:
            if r.terms:
                total = writer.total(r.terms, self.extents[0], r.op.outputs[0].dtype)
                writer.line(f"const {writer.type(r.op.outputs[0].dtype, False)} {r.name} = {total};", comment_of(r.op))
            self._end(r)

    def _pragma(self) -> str:
        dialect = self.writer.dialect
        running = [r for r in self.reductions.values() if not r.in_memory and not r.terms]
        if not any(not r.in_memory for r in self.reductions.values()):
            return dialect.independent
        clauses = []
        for r in running:
            kind, dtype = r.kind, r.op.outputs[0].dtype
            _, operator = COMBINE[kind]
            if not operator or kind_of(dtype) in {"int", "uint"}:  # C's own would overflow
                operator = f"gm_{kind}_{SHORT[dtype]}"
                combined = self._combined(r, "omp_out", "omp_in")
                self.writer.declare_reduction(kind, dtype, combined, self._neutral(r))
            clauses.append(dialect.clause.format(operator=operator, name=r.name))
        return dialect.reduction.format(clauses=" ".join(clauses)).rstrip()


def _unsqueezed(place: Place, shape: tuple[int, ...]) -> Place:
    """A place of the nest's shape, in the shape of a value."""
    strides = iter(place.strides)
    return Place(place.root, shape, tuple(0 if n == 1 else next(strides) for n in shape), place.offset)
