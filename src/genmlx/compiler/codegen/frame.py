"""One region while it is printed: where its values lie, how often they are still needed, where results should go.

Steps run in one order, so memory is managed as it would be at run time: a value holds a reference to its root until
its last use, and a root without references is free for the next array (`Writer.array`).

**Results in place.** The caller of a region may say where a result should go (`Target`), and the step that makes the
value writes it there at once if nothing is lost. The carry of a loop is such a target: the new value is written over
the old one if no later step needs the old one, and if this step reads it only where it writes (`may_overwrite`).
What could not be written in place is copied when the region has ended.

**Masks.** Where lanes have parted, the region runs under a mask, a C++ variable. Lanes outside compute numbers that
nobody looks at; what must not change for them is a root with a mask (`Root.mask`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from genmlx.compiler.codegen.cstyle import kind_of, spell
from genmlx.compiler.codegen.places import Kind, Place, Root
from genmlx.compiler.codegen.uniformity import Uniformity
from genmlx.compiler.codegen.writer import Writer
from genmlx.compiler.ir.types import DTYPES, Op, Region, Value

__all__ = ["Context", "Frame", "Target", "comment_of", "copy", "merged_axes", "parts_of"]

SHORT_VECTOR = 64
MOST_PIECES = 5
"""Loops over a short vector are printed in so many pieces at most."""


class Target(NamedTuple):
    """Where a result should go.

    Attributes:
        place: of the result's shape.
        fresh: whether nothing reads it before: then it may always be written.
    """

    place: Place
    fresh: bool


@dataclass(slots=True)
class Context:
    """What all regions of a kernel share.

    Attributes:
        writer: the text.
        uniformity: which values vary.
        run: prints the steps of a frame; given from outside, since structured operations need it.
    """

    writer: Writer
    uniformity: Uniformity
    run: Callable[[Frame], None]


@dataclass(slots=True)
class Frame:
    """A region being printed.

    Attributes:
        context: what all regions share.
        region: which one.
        varying: for each of its values whether lanes differ.
        targets: where results should go.
        mask: the C++ variable with the lanes that run; None for all.
        loops: how many loops are around it.
    """

    context: Context
    region: Region
    varying: Mapping[Value, bool]
    targets: dict[Value, Target]
    mask: str | None
    loops: int
    places: dict[Value, Place] = field(default_factory=dict)
    remaining: dict[Value, int] = field(default_factory=dict)
    pieces: dict[Value, tuple[Op, int]] = field(default_factory=dict)
    """Values that a concatenation puts together, with their numbers."""
    reserved: dict[Value, Place] = field(default_factory=dict)
    """Where concatenations go whose first piece is made already."""
    breaks: dict[int, list[int]] = field(default_factory=dict)
    """For a length, where vectors of it are put together or taken apart."""

    @classmethod
    def begin(
        cls,
        context: Context,
        region: Region,
        parameters: Sequence[Place],
        *,
        varying: Sequence[bool] | None = None,
        targets: Sequence[Target | None] = (),
        mask: str | None = None,
        loops: int = 0,
    ) -> Frame:
        """A frame with its parameters in place."""
        flags = [p.varying for p in parameters] if varying is None else varying
        wanted = {}
        for value, target in zip(region.results, targets or [None] * len(region.results), strict=True):
            if target is not None:
                wanted.setdefault(value, target)
        frame = cls(context, region, context.uniformity.of(region, flags), wanted, mask, loops)
        for op in region.ops:
            for value in op.inputs:
                frame.remaining[value] = frame.remaining.get(value, 0) + 1
        for value in region.results:
            frame.remaining[value] = frame.remaining.get(value, 0) + 1
        made = {v for op in region.ops for v in op.outputs if v.type.size > 1}
        for op in region.ops:
            if op.name == "concatenate":
                frame.pieces.update((x, (op, i)) for i, x in enumerate(op.inputs) if x in made)
        if loops:
            frame.breaks = _breaks(region)
        for value, place in zip(region.parameters, parameters, strict=True):
            frame.define(value, place)
        return frame

    @property
    def writer(self) -> Writer:
        """The text."""
        return self.context.writer

    # ---- values ----------------------------------------------------------------------------------------------------

    def define(self, value: Value, place: Place) -> None:
        """Say where a value lies."""
        self.places[value] = place
        if self.remaining.get(value, 0):
            place.root.references += 1
        elif place.root.references == 0 and place.root.owned:
            self.writer.free(place.root)

    def use(self, values: Iterable[Value]) -> None:
        """Count uses, after the step that made them."""
        for value in values:
            self.remaining[value] -= 1
            if self.remaining[value] == 0:
                self.drop(self.places[value].root)

    def drop(self, root: Root) -> None:
        """One reference less."""
        root.references -= 1
        if root.references == 0 and root.owned:
            self.writer.free(root)

    def results(self) -> list[Place]:
        """Where the results lie."""
        return [self.places[r] for r in self.region.results]

    def close(self) -> None:
        """The caller has what it wanted."""
        self.use(self.region.results)

    # ---- where outputs go ------------------------------------------------------------------------------------------

    def new(self, value: Value) -> Place:
        """A new dense array for a value."""
        return self.writer.array(value.dtype, self.varying[value], value.shape)

    def output(self, value: Value, *, reads_back: bool = False) -> Place:
        """Where an operation with loops of its own writes its output: the target if that is possible, or a new array.

        Args:
            value: the output.
            reads_back: whether the operation reads what it has written.
        """
        target = self.target(value, reads_back=reads_back)
        if target is not None and (target.fresh or not target.place.root.needed):
            return target.place
        return self.new(value)

    def target(self, value: Value, *, reads_back: bool = False, uses: int = 0) -> Target | None:
        """The target of a value, if its kind of memory will do; ``uses`` is how often the step at hand reads it."""
        target = self.targets.get(value) or self._piece_target(value)
        if target is None or target.place.varying != self.varying[value]:
            return None
        if target.place.root.kind is Kind.VARIABLE:
            return None
        outside = target.place.root.kind is Kind.LANES
        if outside and (reads_back or self.remaining.get(value, 0) - uses > 1):
            return None  # memory of lanes apart is slow to read
        return target

    def _piece_target(self, value: Value) -> Target | None:
        """A piece of a concatenation is made where it belongs; the first piece decides where that is."""
        if value not in self.pieces:
            return None
        op, number = self.pieces[value]
        (whole,) = op.outputs
        if whole not in self.reserved:
            self.reserved[whole] = self.output(whole)
        return Target(parts_of(op, self.reserved[whole])[number], True)

    def dies(self, value: Value) -> bool:
        """Whether the step at hand may write over a value: it owns all of an array that nothing else needs."""
        place = self.places[value]
        root = place.root
        alone = self.remaining[value] == 1 and root.needed == 1
        return alone and root.kind is Kind.MEMORY and root.owned and place.is_whole

    # ---- expressions -----------------------------------------------------------------------------------------------

    def element(self, value: Value, indices: Sequence[str] = (), varying: bool = False) -> str:
        """An element of a value as an expression; without indices that of a value of one element."""
        place = self.places[value]
        return self.writer.read(place, indices or ["0"] * len(place.shape), varying)

    def expression(
        self, name: str, operands: Sequence[tuple[str, bool]], dtypes: Sequence[str], result: str, varying: bool
    ) -> str:
        """An elementwise operation: operands are expressions, and whether each varies."""
        writer = self.writer
        if varying and any(DTYPES[d].itemsize < 4 and d != "bool" for d in (*dtypes, result)):
            for dtype in (*dtypes, result):
                if DTYPES[dtype].itemsize < 4 and dtype != "bool":
                    writer.small_vector(dtype)
        if name == "cast" and kind_of(dtypes[0]) == "float" and kind_of(result) in {"int", "uint"}:
            writer.saturate(dtypes[0], result, varying)
        # A vector plus a number is understood by compilers, and better to read than a vector of equal numbers.
        mixes = name in {"add", "subtract", "multiply", "divide"} and kind_of(result) == "float"
        texts = [
            writer.splat(text, dtype) if varying and not own and not (mixes and any(v for _, v in operands)) else text
            for (text, own), dtype in zip(operands, dtypes, strict=True)
        ]
        text = spell(name, texts, dtypes, result, writer.lanes if varying else 1)
        writer.note(text)
        return text

    def scalar(self, op: Op) -> None:
        """An elementwise operation on values of one element."""
        (value,) = op.outputs
        varying = self.varying[value]
        operands = [(self.element(v), self.places[v].varying) for v in op.inputs]
        dtypes = [v.dtype for v in op.inputs]
        if op.name == "stop_gradient" or (op.name == "cast" and dtypes[0] == value.dtype):
            source = self.places[op.inputs[0]]
            if source.root.kind is Kind.VARIABLE:
                self.define(value, Place(source.root, value.shape, (0,) * len(value.shape)))
                return
        text = self.expression(op.name, operands, dtypes, value.dtype, varying)
        name = self.writer.name("t")
        self.writer.line(f"const {self.writer.type(value.dtype, varying)} {name} = {text};", comment_of(op))
        root = Root(name, value.dtype, varying, Kind.VARIABLE)
        self.define(value, Place(root, value.shape, (0,) * len(value.shape)))


def comment_of(op: Op) -> str:
    """What a line does, and the user's line that asked for it."""
    return f"{op.name}, {op.source}" if op.source else op.name


def parts_of(op: Op, target: Place) -> list[Place]:
    """Where each input of a concatenation goes."""
    axis, begin, parts = op.attributes["axis"], 0, []
    for x in op.inputs:
        starts = [begin if a == axis else 0 for a in range(len(x.shape))]
        parts.append(target.slice(starts, x.shape, [1] * len(x.shape)))
        begin += x.shape[axis]
    return parts


def _breaks(region: Region) -> dict[int, list[int]]:
    """For each short length, where vectors of it are put together or taken apart in a region.

    A loop over the whole that is cut there writes memory in the pieces in which it is read afterwards. A processor
    passes a store on to a load of the same bytes at once; a load that spans several stores waits until they are done.
    """
    found: dict[int, set[int]] = {}
    for op in region.ops:
        (x, *_), y = op.inputs or (None,), op.outputs[0] if op.outputs else None
        if op.name == "slice" and x is not None and len(x.shape) == 1 and op.attributes["steps"] == (1,):
            (start,), (size,) = op.attributes["starts"], op.attributes["sizes"]
            found.setdefault(x.shape[0], set()).update((start, start + size))
        if op.name == "concatenate" and y is not None and len(y.shape) == 1:
            end = 0
            for piece in op.inputs:
                end += piece.shape[0]
                found.setdefault(y.shape[0], set()).add(end)
    cut = {n: sorted(ends - {0, n}) for n, ends in found.items() if n <= SHORT_VECTOR}
    return {n: ends for n, ends in cut.items() if 0 < len(ends) < MOST_PIECES}


def merged_axes(extents: Sequence[int], strides: Iterable[Sequence[int]], flags: Sequence[object]) -> list[list[int]]:
    """Axes that one loop can run over, because each array steps over them evenly.

    Args:
        extents: of the axes.
        strides: of each array.
        flags: axes with different flags stay apart.
    """
    strides = list(strides)
    groups: list[list[int]] = []
    for axis, n in enumerate(extents):
        if groups:
            last = groups[-1][-1]
            if flags[last] == flags[axis] and all(s[last] == s[axis] * n for s in strides):
                groups[-1].append(axis)
                continue
        groups.append([axis])
    return groups


def copy(writer: Writer, target: Place, source: Place) -> None:
    """Write all elements of one place to another one of the same shape."""
    if target == source:
        return
    a, b = target.squeeze(), source.squeeze()
    groups = merged_axes(a.shape, [a.strides, b.strides], [None] * len(a.shape))
    extents = [_product(a.shape[axis] for axis in g) for g in groups]
    a, b = (Place(p.root, tuple(extents), tuple(p.strides[g[-1]] for g in groups), p.offset) for p in (a, b))
    independent = not (a.varying or b.varying)

    def run(indices: list[str]) -> None:
        depth = len(indices)
        if depth == len(extents):
            writer.write(a, indices, writer.read(b, indices), b.varying)
            return
        with writer.loop(extents[depth], independent=independent and depth == len(extents) - 1) as i:
            run([*indices, i])

    run([])


def _product(numbers: Iterable[int]) -> int:
    result = 1
    for n in numbers:
        result *= n
    return result
