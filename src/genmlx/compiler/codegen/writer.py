"""The text of a kernel as it grows: lines, names, arrays, and what the kernel calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from genmlx.compiler.codegen import mathlib
from genmlx.compiler.codegen.cstyle import (
    CPP,
    INTEGER_HELPERS,
    SHORT,
    Dialect,
    called,
    literal,
    saturating,
    type_name,
)
from genmlx.compiler.codegen.mathlib.spelling import Bits, instantiate
from genmlx.compiler.codegen.places import Kind, Place, Root, dense
from genmlx.compiler.ir.types import DTYPES

__all__ = ["Writer", "vector_widths"]

ALIGNMENT = 64

# Arrays up to the first size lie on the stack, where compilers keep them in registers or know that nothing else points
# to them; all together up to the second (a thread may have half a megabyte).
STACK_ARRAY_BYTES = 8 * 1024
STACK_BYTES = 128 * 1024

INDENT = "    "


@dataclass(slots=True)
class Writer:
    """Collects a kernel.

    Attributes:
        lanes: how many lanes a vector has; 1 without lanes.
        dialect: the compiler's own spellings.
    """

    lanes: int = 1
    dialect: Dialect = CPP
    lines: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    """Constant arrays, at the top of the kernel's file."""
    helpers: dict[str, str] = field(default_factory=dict)
    """Functions that are not the math library's, by name."""
    names_used: dict[str, None] = field(default_factory=dict)
    """The math library's functions that the kernel calls."""
    workspace_bytes: int = 0
    stack_bytes: int = 0
    depth: int = 1
    _counts: dict[str, int] = field(default_factory=dict)
    _free: list[tuple[int, int]] = field(default_factory=list)
    """Gaps in the workspace: (begin, end), in order, without neighbours."""
    _table_roots: dict[tuple[str, bytes], Root] = field(default_factory=dict)

    # ---- lines ---------------------------------------------------------------------------------------------------

    def line(self, text: str, comment: str = "") -> None:
        """One statement, with a comment behind it."""
        self.note(text)
        self.lines.append(f"{INDENT * self.depth}{text}{'  // ' + comment if comment else ''}")

    def note(self, text: str) -> None:
        """Remember which functions a text calls."""
        for name in called(text):
            if name in INTEGER_HELPERS:
                self.helpers.setdefault(name, "")
            elif name in mathlib.FUNCTIONS:
                self.names_used.setdefault(name)

    @contextmanager
    def block(self, head: str, comment: str = "") -> Iterator[None]:
        """Braces: ``head { ... }``."""
        self.line(f"{head} {{" if head else "{", comment)
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    @contextmanager
    def loop(self, n: int, *, reverse: bool = False, independent: bool = False, before: str = "") -> Iterator[str]:
        """A loop over 0 ... n - 1; gives the counter, "0" if there is one iteration only."""
        if n == 1:
            yield "0"
            return
        i = self.name("j")
        if before:
            self.line(before)
        elif independent:
            self.line(self.dialect.independent)
        head = f"i32 {i} = {n - 1}; {i} >= 0; --{i}" if reverse else f"i32 {i} = 0; {i} < {n}; ++{i}"
        with self.block(f"for ({head})"):
            yield i

    @contextmanager
    def span(self, begin: str, end: str | int, *, independent: bool = False, before: str = "") -> Iterator[str]:
        """A loop between bounds that other loops set; gives the counter."""
        i = self.name("j")
        if before or independent:
            self.line(before or self.dialect.independent)
        with self.block(f"for (i32 {i} = {begin}; {i} < {end}; ++{i})"):
            yield i

    def name(self, prefix: str) -> str:
        """A new name: ``t0``, ``t1``, ..."""
        count = self._counts.get(prefix, 0)
        self._counts[prefix] = count + 1
        return f"{prefix}{count}"

    def type(self, dtype: str, varying: bool) -> str:
        """The C++ type of an element."""
        return type_name(dtype, self.lanes if varying else 1)

    # ---- where values lie ------------------------------------------------------------------------------------------

    def variable(self, dtype: str, varying: bool, value: str | None = None, *, prefix: str = "v") -> Place:
        """A new variable of one element, with a value or none yet."""
        name = self.name(prefix)
        type_ = self.type(dtype, varying)
        self.line(f"{type_} {name};" if value is None else f"{type_} {name} = {value};")
        return Place(Root(name, dtype, varying, Kind.VARIABLE, owned=True), (), ())

    def number(self, value: object, dtype: str) -> Place:
        """A literal."""
        return Place(Root(literal(value, dtype), dtype, False, Kind.VARIABLE), (), ())

    def array(self, dtype: str, varying: bool, shape: Sequence[int]) -> Place:
        """A new dense array, on the stack or in the workspace."""
        size = max(int(np.prod(shape, dtype=np.int64)), 1)
        lanes = self.lanes if varying else 1
        itemsize = 4 if dtype == "bool" and lanes > 1 else DTYPES[dtype].itemsize
        nbytes = -(-size * itemsize * lanes // ALIGNMENT) * ALIGNMENT
        type_, name = type_name(dtype, lanes), self.name("b")
        root = Root(name, dtype, varying, Kind.MEMORY, size, owned=True)
        if nbytes <= STACK_ARRAY_BYTES and self.stack_bytes + nbytes <= STACK_BYTES:
            self.stack_bytes += nbytes
            self.line(f"alignas({ALIGNMENT}) {type_} {name}[{size}];")
        else:
            root.slot = self._allocate(nbytes)
            self.line(f"{type_}* const {name} = ({type_}*)(workspace + {root.slot[0]});")
        return Place(root, tuple(shape), dense(shape))

    def table(self, value: np.ndarray) -> Place:
        """A constant array."""
        dtype = value.dtype.name
        key = (dtype, value.tobytes())
        if key not in self._table_roots:
            name = self.name("table")
            numbers = ", ".join(literal(x, dtype) for x in value.reshape(-1)) or "0"
            size = max(value.size, 1)
            self.tables.append(f"static const {SHORT[dtype]} {name}[{size}] = {{{numbers}}};")
            self._table_roots[key] = Root(name, dtype, False, Kind.MEMORY, value.size, references=1, held=1)
        return Place(self._table_roots[key], value.shape, dense(value.shape))

    def _allocate(self, nbytes: int) -> tuple[int, int]:
        """The first gap that is large enough, else more workspace."""
        for i, (begin, end) in enumerate(self._free):
            if end - begin >= nbytes:
                self._free[i : i + 1] = [(begin + nbytes, end)] if end - begin > nbytes else []
                return begin, begin + nbytes
        begin = self.workspace_bytes
        if self._free and self._free[-1][1] == begin:
            begin = self._free.pop()[0]
        self.workspace_bytes = begin + nbytes
        return begin, begin + nbytes

    def free(self, root: Root) -> None:
        """Give the memory of a root back."""
        if root.slot is None:
            return
        gaps = sorted([*self._free, root.slot])
        root.slot = None
        self._free = []
        for begin, end in gaps:
            if self._free and self._free[-1][1] == begin:
                self._free[-1] = (self._free[-1][0], end)
            else:
                self._free.append((begin, end))

    # ---- reading and writing an element ----------------------------------------------------------------------------

    def read(self, place: Place, indices: Sequence[str], varying: bool | None = None) -> str:
        """An element as an expression; in all lanes, if ``varying``."""
        text = self._read(place, indices)
        if varying and not place.varying:
            return self.splat(text, place.dtype)
        return text

    def _read(self, place: Place, indices: Sequence[str]) -> str:
        root = place.root
        match root.kind:
            case Kind.VARIABLE:
                return root.name
            case Kind.MEMORY:
                return f"{root.name}[{place.at(indices)}]"
            case Kind.LANES:
                load = self.lane_access("load", root.dtype)
                return f"{load}({root.name} + ({place.at(indices)}), {root.size}, count)"
            case Kind.RANGE:
                return f"({SHORT[root.dtype]})({place.at(indices)})"

    def write(self, place: Place, indices: Sequence[str], value: str, varying: bool, comment: str = "") -> None:
        """Store an element; only in the lanes of its root's mask, if it has one."""
        self.line(self.assignment(place, indices, value, varying), comment)

    def assignment(self, place: Place, indices: Sequence[str], value: str, varying: bool) -> str:
        """The statement that stores an element."""
        root = place.root
        if place.varying and not varying:
            value = self.splat(value, root.dtype)
        if root.kind is Kind.LANES:
            store = self.lane_access("store", root.dtype)
            return f"{store}({root.name} + ({place.at(indices)}), {root.size}, count, {value});"
        target = self._read(place, indices)
        if root.mask is not None:
            value = self.choose(root.mask, value, target, root.dtype)
        return f"{target} = {value};"

    @contextmanager
    def each_lane(self) -> Iterator[str]:
        """A loop over the lanes of a vector; gives the lane."""
        lane = self.name("l")
        with self.block(f"for (i32 {lane} = 0; {lane} < {self.lanes}; ++{lane})"):
            yield lane

    def read_lane(self, place: Place, indices: Sequence[str], lane: str) -> str:
        """The element of one lane; of bools 0 or -1, as in a vector."""
        root = place.root
        if not root.varying:
            text = self._read(place, indices)
            return f"-(i32){text}" if root.dtype == "bool" else text
        if root.kind is Kind.LANES:
            at = f"({lane} < count ? {lane} : count - 1) * (i64){root.size}"
            text = f"{root.name}[{at} + ({place.at(indices)})]"
            return f"-(i32){text}" if root.dtype == "bool" else text
        return f"{self._read(place, indices)}[{lane}]"

    def write_lane(self, place: Place, indices: Sequence[str], lane: str, value: str) -> None:
        """Store the element of one lane of a varying array; not where its root's mask is unset."""
        condition = f"if ({place.root.mask}[{lane}]) " if place.root.mask else ""
        self.line(f"{condition}{self._read(place, indices)}[{lane}] = {value};")

    def splat(self, value: str, dtype: str) -> str:
        """One number in all lanes."""
        if dtype == "bool":
            return f"gm_i32x{self.lanes}(-(i32){value})"
        if DTYPES[dtype].itemsize < 4:
            self.small_vector(dtype)
        return f"gm_{type_name(dtype, self.lanes)}({value})"

    def choose(self, mask: str, yes: str, no: str, dtype: str, varying: bool = True) -> str:
        """``yes`` in the lanes of a mask, or where a flag is set, else ``no``."""
        if not varying:
            return f"{mask} ? {yes} : {no}"
        bits = 32 if dtype == "bool" else DTYPES[dtype].itemsize * 8
        if bits == 64:
            mask = f"__builtin_convertvector({mask}, i64x{self.lanes})"
        elif bits < 32:
            self.small_vector(dtype)
            mask = f"__builtin_convertvector({mask}, i{bits}x{self.lanes})"
        return f"{mask} ? {yes} : {no}"

    # ---- functions beside the kernel -------------------------------------------------------------------------------

    def helper(self, name: str, text: str) -> str:
        """A function that the kernel calls, printed once before it."""
        self.helpers.setdefault(name, text)
        return name

    def small_vector(self, dtype: str) -> None:
        """The vector types of 8 and 16 bits, which the math library has not."""
        bits = DTYPES[dtype].itemsize * 8
        texts = []
        for one in (f"i{bits}", f"u{bits}"):
            many = f"{one}x{self.lanes}"
            texts.append(f"typedef {one} {many} __attribute__((vector_size({bits // 8 * self.lanes})));")
            texts.append(f"gm_fn {many} gm_{many}({one} x) {{ return x + {many}(); }}")
        self.helper(f"vector{bits}", "\n".join(texts) + "\n")

    def register(self, dtype: str, count: int) -> str:
        """The type of neighbouring elements of an array, wherever they begin."""
        one = SHORT[dtype]
        name, itemsize = f"{one}r{count}", DTYPES[dtype].itemsize
        attributes = f"vector_size({itemsize * count}), aligned({itemsize}), may_alias"
        return self.helper(name, f"typedef {one} {name} __attribute__(({attributes}));\n")

    def total(self, array: str, n: int, dtype: str) -> str:
        """The sum of a short array, in pairs and not in a row: additions that wait for each other are few."""
        parts: list[str] = []
        begin = 0
        for width in vector_widths(n, dtype):
            if width == 1:
                parts.append(f"{array}[{begin}]")
            else:
                parts.append(
                    f"{self._total_of(width, dtype)}(*(const {self.register(dtype, width)}*)&{array}[{begin}])"
                )
            begin += width
        return " + ".join(parts)

    def _total_of(self, width: int, dtype: str) -> str:
        """The function that adds the elements of a vector: one half to the other, as long as there are halves."""
        one, half, name = SHORT[dtype], width // 2, f"gm_total{width}"
        type_ = self.register(dtype, width)
        pairs = " + ".join(f"(x[{i}] + x[{i + half}])" for i in range(half))
        text = f"gm_fn {one} {name}({type_} x) {{ return {pairs}; }}\n"
        if half >= 4:
            inner = self._total_of(half, dtype)
            low, high = (", ".join(map(str, range(a, a + half))) for a in (0, half))
            shuffles = " + ".join(f"__builtin_shufflevector(x, x, {at})" for at in (low, high))
            text = (
                f"#if __has_builtin(__builtin_shufflevector)\n"
                f"gm_fn {one} {name}({type_} x) {{ return {inner}({shuffles}); }}\n#else\n{text}#endif\n"
            )
        self.helper(f"{name} {dtype}", text)
        return name

    def saturate(self, dtype: str, to: str, varying: bool) -> None:
        """The conversion of a float type to an integer type."""
        lanes = self.lanes if varying else 1
        if lanes > 1 and DTYPES[to].itemsize < 4:
            self.small_vector(to)
        self.helper(f"saturate {dtype} {to} {lanes}", saturating(dtype, to, lanes))

    def lane_access(self, what: str, dtype: str) -> str:
        """``gm_load_f32``, ``gm_store_f32``: an element of each lane, where a lane's elements lie together.

        Lanes beyond the last one read what the last one reads, and are not written.
        """
        one, many = SHORT[dtype], type_name(dtype, self.lanes)
        if DTYPES[dtype].itemsize < 4 and dtype != "bool":
            self.small_vector(dtype)
        name = f"gm_{what}_{one}"
        if what == "load":
            value = "-(i32)p[at]" if dtype == "bool" else "p[at]"
            body = f"""{many} r = {{}};
    for (i32 l = 0; l < {self.lanes}; ++l) {{
        const i64 at = (l < count ? l : count - 1) * stride;
        r[l] = {value};
    }}
    return r;"""
            return self.helper(name, f"gm_fn {many} {name}(const {one}* p, i64 stride, i32 count) {{\n    {body}\n}}\n")
        value = "value[l] != 0" if dtype == "bool" else "value[l]"
        body = f"""if (count == {self.lanes})
        for (i32 l = 0; l < {self.lanes}; ++l) p[l * stride] = {value};
    else
        for (i32 l = 0; l < count; ++l) p[l * stride] = {value};"""
        text = f"gm_fn void {name}({one}* p, i64 stride, i32 count, {many} value) {{\n    {body}\n}}\n"
        return self.helper(name, text)

    def declare_reduction(self, kind: str, dtype: str, combined: str, neutral: str) -> None:
        """A reduction by a function, for the compiler that vectorises it."""
        text = self.dialect.declaration.format(
            kind=f"{kind}_{SHORT[dtype]}", type=SHORT[dtype], combined=combined, neutral=neutral
        )
        self.note(combined)
        self.helper(f"reduction {kind} {dtype}", text + "\n")

    def preamble(self, wide: bool) -> str:
        """All that comes before the kernel: types, the math library, helpers, tables.

        Args:
            wide: whether 64-bit numbers occur.
        """
        widths: tuple[Bits, ...] = (32, 64) if wide else (32,)
        counts = sorted({1, self.lanes})
        text = [
            mathlib.emit(
                self.names_used,
                precisions=("float32", "float64") if wide else ("float32",),
                lanes=counts,
            )
        ]
        text.append(
            "typedef signed char i8;\ntypedef unsigned char u8;\ntypedef short i16;\ntypedef unsigned short u16;\n"
        )
        for name, helper in self.helpers.items():
            if name in INTEGER_HELPERS:
                types = [mathlib.Lanes(bits, count) for bits in widths for count in counts]
                text.extend(instantiate(INTEGER_HELPERS[name], type_) for type_ in types)
            else:
                text.append(helper)
        text.extend(self.tables)
        return "\n".join(text)


def vector_widths(n: int, dtype: str) -> list[int]:
    """Neighbouring elements as vectors of 64 bytes, then of 32 and 16, then single ones."""
    widths = []
    for width in (16, 8, 4) if dtype == "float32" else (8, 4, 2):
        widths.extend([width] * (n // width))
        n %= width
    return [*widths, *([1] * n)]
