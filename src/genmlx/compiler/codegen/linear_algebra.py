"""Matrices: products, Cholesky factors, triangular systems, inverses, convolutions.

Plain loops, in an order in which the innermost one steps through memory evenly. Matrices of this compiler are those of
models, tens to hundreds of rows; beyond that a tuned library is faster. With lanes every element is a vector of all
lanes, and the same loops do all of them.
"""

from __future__ import annotations

from genmlx.compiler.codegen.arrays import each
from genmlx.compiler.codegen.frame import Frame, comment_of, copy
from genmlx.compiler.codegen.places import Place
from genmlx.compiler.codegen.writer import vector_widths
from genmlx.compiler.ir.types import Op

__all__ = ["PRINTERS"]

# Products are made in tiles of rows times columns, whose sums fit into registers; about so many sums run at once.
TILE_ROWS = 4
TILE_COLUMNS = 32
LANE_TILE = 8
RUNNING_SUMS = 8
SOLVED_COLUMNS = 64


# ---- products --------------------------------------------------------------------------------------------------------


def _matmul(frame: Frame, op: Op) -> None:
    a, b = (frame.places[v] for v in op.inputs)
    (value,) = op.outputs
    target = frame.output(value)
    frame.writer.line(f"// {comment_of(op)}: {op.inputs[0].shape} by {op.inputs[1].shape}")

    def product(at: list[str]) -> None:
        _product(frame, target.element(at), a.element(at), b.element(at))

    each(frame, value.shape[:-2], product)
    frame.define(value, target)


def _product(frame: Frame, target: Place, a: Place, b: Place) -> None:
    """target[i, j] = sum over k of a[i, k] b[k, j]."""
    rows, columns = target.shape
    inner = a.shape[1]
    if target.varying:
        tall = rows >= columns
        _tiled(frame, target, a, b, LANE_TILE if tall else 1, 1 if tall else LANE_TILE)
    elif columns >= 4 and b.strides[1] == 1:
        _tiled(frame, target, a, b, TILE_ROWS, TILE_COLUMNS)
    elif rows >= 4 and a.strides[0] == 1:
        _tiled(frame, target.transpose((1, 0)), b.transpose((1, 0)), a.transpose((1, 0)), TILE_ROWS, TILE_COLUMNS)
    elif rows >= 4 and columns >= 4:
        straight = frame.writer.array(b.dtype, False, b.shape)
        copy(frame.writer, straight, b)
        _tiled(frame, target, a, straight, TILE_ROWS, TILE_COLUMNS)
        frame.writer.free(straight.root)
    else:
        _dots(frame, target, a, b, inner)


def _dots(frame: Frame, target: Place, a: Place, b: Place, inner: int) -> None:
    """Each element by itself, its sum vectorised where both operands lie along it."""
    writer = frame.writer
    along = inner >= 16 and a.strides[1] == 1 and b.strides[0] == 1

    def dot(at: list[str]) -> None:
        total = writer.name("r")
        writer.line(f"{writer.type(target.dtype, False)} {total} = 0;")
        pragma = writer.dialect.reduction.format(clauses=writer.dialect.clause.format(operator="+", name=total))
        with writer.loop(inner, before=pragma if along else "") as k:
            writer.line(f"{total} += {writer.read(a, [at[0], k])} * {writer.read(b, [k, at[1]])};")
        writer.write(target, at, total, False)

    each(frame, target.shape, dot)


def _tiled(frame: Frame, target: Place, a: Place, b: Place, high: int, wide: int) -> None:
    """Tiles of `high` rows and `wide` columns, and smaller ones at the ends."""
    writer = frame.writer
    for row, rows, row_count in _pieces(target.shape[0], high):
        for column, columns, column_count in _pieces(target.shape[1], wide):
            with writer.loop(row_count) as i, writer.loop(column_count) as j:
                _tile(frame, target, a, b, _start(row, i, rows), rows, _start(column, j, columns), columns)


def _pieces(n: int, size: int) -> list[tuple[int, int, int]]:
    """(begin, size, count) of the whole tiles along an axis, and of the rest."""
    whole = n // size
    pieces = [(0, size, whole)] if whole else []
    return [*pieces, *([(whole * size, n - whole * size, 1)] if n % size else [])]


def _start(begin: int, i: str, size: int) -> str:
    if i == "0":
        return str(begin)
    step = i if size == 1 else f"({i} * {size})"
    return f"({begin} + {step})" if begin else step


def _tile(frame: Frame, target: Place, a: Place, b: Place, row: str, rows: int, column: str, columns: int) -> None:
    """One tile, whose sums are variables: arrays of them would stay in memory.

    Without lanes neighbouring columns are one vector. A small tile has several sums for each element, since each
    addition waits for the one before.
    """
    writer, varying, inner = frame.writer, target.varying, a.shape[1]
    widths = [1] * columns if varying else vector_widths(columns, target.dtype)
    starts = [sum(widths[:i]) for i in range(len(widths))]
    ways = max(1, min(RUNNING_SUMS // (rows * len(widths)), inner))
    sums: dict[tuple[int, int, int], str] = {}
    for way in range(ways):
        for i in range(rows):
            for j, width in enumerate(widths):
                name = sums[way, i, j] = writer.name("sum")
                type_ = writer.register(target.dtype, width) if width > 1 else writer.type(target.dtype, varying)
                writer.line(f"{type_} {name} = {{}};")

    def add(k: str, way: int) -> None:
        right = []
        for start, width in zip(starts, widths, strict=True):
            element = writer.read(b, [k, _sum(column, str(start))])
            type_ = writer.register(b.dtype, width) if width > 1 else writer.type(b.dtype, b.varying)
            right.append(writer.name("y"))
            value = element if width == 1 else f"*(const {type_}*)&{element}"
            writer.line(f"const {type_} {right[-1]} = {value};")
        for i in range(rows):
            left = writer.name("x")
            value = writer.read(a, [_sum(row, str(i)), k])
            writer.line(f"const {writer.type(a.dtype, a.varying)} {left} = {value};")
            for j, y in enumerate(right):
                writer.line(f"{sums[way, i, j]} += {left} * {y};")

    with writer.loop(inner // ways) as k:
        for way in range(ways):
            add(_sum(_start(0, k, ways), str(way)), way)
    for way, rest in enumerate(range(inner // ways * ways, inner)):
        add(str(rest), way)
    for i in range(rows):
        for j, (start, width) in enumerate(zip(starts, widths, strict=True)):
            total = " + ".join(sums[way, i, j] for way in range(ways))
            at = [_sum(row, str(i)), _sum(column, str(start))]
            if width == 1:
                writer.write(target, at, total, varying)
            elif target.strides[1] == 1:
                writer.line(f"*({writer.register(target.dtype, width)}*)&{writer.read(target, at)} = {total};")
            else:
                whole = writer.name("sum")
                writer.line(f"const {writer.register(target.dtype, width)} {whole} = {total};")
                with writer.loop(width) as c:
                    writer.write(target, [at[0], _sum(_sum(column, str(start)), c)], f"{whole}[{c}]", False)


def _sum(begin: str, i: str) -> str:
    if begin == "0" or i == "0":
        return i if begin == "0" else begin
    if begin.isdigit() and i.isdigit():
        return str(int(begin) + int(i))
    return f"({begin} + {i})"


# ---- triangles -------------------------------------------------------------------------------------------------------


def _cholesky(frame: Frame, op: Op) -> None:
    """Row after row of u with u' u = x: what the rows above leave, over the root of its first element.

    A pivot that is not positive gives nan, and so does all that follows.
    """
    (x,), (value,), upper = op.inputs, op.outputs, op.attributes["upper"]
    writer, varying, n = frame.writer, frame.varying[value], x.shape[-1]
    source = frame.places[x]
    if not upper:  # reads the lower triangle
        source = source.transpose((*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2))
    target = frame.output(value, reads_back=True)
    zero = writer.number(0, x.dtype)
    writer.line(f"// {comment_of(op)}: {n} rows")

    def factor(at: list[str]) -> None:
        out = target.element(at)
        if upper:
            u = out
        else:
            u = writer.array(x.dtype, varying, (n, n))
        copy(writer, out, zero.broadcast(out.shape))
        a = source.element(at)
        with writer.loop(n) as j:
            with writer.span(j, n) as k:
                writer.write(u, [j, k], writer.read(a, [j, k]), varying)
            with writer.span("0", j) as i:
                left = _named(frame, writer.read(u, [i, j]), x.dtype, varying)
                with writer.span(j, n, independent=not varying) as k:
                    rest = f"{writer.read(u, [j, k])} - {left} * {writer.read(u, [i, k])}"
                    writer.write(u, [j, k], rest, varying)
            pivot = _named(frame, writer.read(u, [j, j]), x.dtype, varying)
            root = _pivot_root(frame, pivot, x.dtype, varying)
            with writer.span(j, n, independent=not varying) as k:
                quotient = f"{writer.read(u, [j, k])} / {root}"
                writer.write(u, [j, k], quotient, varying)
            writer.write(u, [j, j], root, varying)
        if not upper:
            with writer.loop(n) as i:
                with writer.span(i, n) as j:
                    writer.write(out, [j, i], writer.read(u, [i, j]), varying)
            writer.free(u.root)

    if value.type.size:
        each(frame, value.shape[:-2], factor)
    frame.define(value, target)


def _pivot_root(frame: Frame, pivot: str, dtype: str, varying: bool) -> str:
    writer = frame.writer
    zero, nan = writer.number(0, dtype).root.name, writer.number(float("nan"), dtype).root.name
    positive = frame.expression("greater", [(pivot, varying), (zero, False)], [dtype] * 2, "bool", varying)
    flag = _named(frame, positive, "bool", varying)
    root = frame.expression("sqrt", [(pivot, varying)], [dtype], dtype, varying)
    nan = writer.splat(nan, dtype) if varying else nan
    return _named(frame, writer.choose(flag, root, nan, dtype, varying), dtype, varying)


def _solve_triangular(frame: Frame, op: Op) -> None:
    """Substitution, row after row: x[i] = (b[i] - sum over the rows done of a[i, k] x[k]) / a[i, i]."""
    a, b = (frame.places[v] for v in op.inputs)
    (value,), upper = op.outputs, op.attributes["upper"]
    writer, varying, dtype = frame.writer, frame.varying[value], value.dtype
    n, columns = value.shape[-2:]
    target = frame.output(value, reads_back=True)
    writer.line(f"// {comment_of(op)}: {n} rows")

    def solve(at: list[str]) -> None:
        x, matrix = target.element(at), a.element(at)
        copy(writer, x, b.element(at))
        by_column = columns == 1 and not varying and matrix.strides[0] == 1
        with writer.loop(n, reverse=upper) as i:
            diagonal = _named(frame, writer.read(matrix, [i, i]), dtype, matrix.varying)
            if by_column:  # the solved element goes into all rows left
                solved = _named(frame, f"{writer.read(x, [i, '0'])} / {diagonal}", dtype, varying)
                writer.write(x, [i, "0"], solved, varying)
                begin, end = ("0", i) if upper else (_next(i), n)
                with writer.span(begin, end, independent=True) as k:
                    rest = f"{writer.read(x, [k, '0'])} - {solved} * {writer.read(matrix, [k, i])}"
                    writer.write(x, [k, "0"], rest, varying)
                return
            begin, end = (_next(i), n) if upper else ("0", i)
            if columns == 1:
                total = writer.name("r")
                writer.line(f"{writer.type(dtype, varying)} {total} = {{}};")
                clause = writer.dialect.clause.format(operator="+", name=total)
                simd = not varying and matrix.strides[1] == 1
                pragma = writer.dialect.reduction.format(clauses=clause) if simd else ""
                with writer.span(begin, end, before=pragma) as k:
                    writer.line(f"{total} += {writer.read(matrix, [i, k])} * {writer.read(x, [k, '0'])};")
                solved = f"({writer.read(x, [i, '0'])} - {total}) / {diagonal}"
                writer.write(x, [i, "0"], solved, varying)
                return
            if not varying and x.strides[1] == 1:
                for start in range(0, columns, SOLVED_COLUMNS):
                    _solve_row(frame, x, matrix, i, (begin, end), diagonal, start)
                return
            with writer.span(begin, end) as k:
                left = _named(frame, writer.read(matrix, [i, k]), dtype, matrix.varying)
                with writer.loop(columns, independent=not varying) as j:
                    rest = f"{writer.read(x, [i, j])} - {left} * {writer.read(x, [k, j])}"
                    writer.write(x, [i, j], rest, varying)
            with writer.loop(columns, independent=not varying) as j:
                writer.write(x, [i, j], f"{writer.read(x, [i, j])} / {diagonal}", varying)

    if value.type.size:
        each(frame, value.shape[:-2], solve)
    frame.define(value, target)


def _solve_row(
    frame: Frame, x: Place, matrix: Place, i: str, others: tuple[str, str | int], diagonal: str, start: int
) -> None:
    """Some columns of row i, whose running values stay in registers while the solved rows are taken off."""
    writer = frame.writer
    widths = vector_widths(min(SOLVED_COLUMNS, x.shape[1] - start), x.dtype)
    columns = [start + sum(widths[:n]) for n in range(len(widths))]
    types = [writer.register(x.dtype, w) if w > 1 else writer.type(x.dtype, False) for w in widths]

    def piece(row: str, column: int, width: int, type_: str) -> str:
        element = writer.read(x, [row, str(column)])
        return element if width == 1 else f"*({type_}*)&{element}"

    running = []
    for column, width, type_ in zip(columns, widths, types, strict=True):
        running.append(writer.name("r"))
        writer.line(f"{type_} {running[-1]} = {piece(i, column, width, type_)};")
    with writer.span(*others) as k:
        left = _named(frame, writer.read(matrix, [i, k]), x.dtype, False)
        for name, column, width, type_ in zip(running, columns, widths, types, strict=True):
            writer.line(f"{name} -= {left} * {piece(k, column, width, type_)};")
    for name, column, width, type_ in zip(running, columns, widths, types, strict=True):
        writer.line(f"{piece(i, column, width, type_)} = {name} / {diagonal};")


# ---- inverse ---------------------------------------------------------------------------------------------------------


def _inverse(frame: Frame, op: Op) -> None:
    """Gauss and Jordan on [x | 1].

    A row with a larger leading element trades places with the pivot row, each in turn, so that the largest ends there;
    with lanes each decides for itself.
    """
    (x,), (value,) = op.inputs, op.outputs
    writer, varying, n, dtype = frame.writer, frame.varying[value], x.shape[-1], x.dtype
    target, source = frame.output(value), frame.places[x]
    work = writer.array(dtype, varying, (n, 2 * n))
    writer.line(f"// {comment_of(op)}: {n} rows")

    def number(text: str) -> str:
        return writer.splat(text, dtype) if varying else text

    def larger(c: str, r: str) -> str:
        sizes = [
            (frame.expression("abs", [(writer.read(work, [row, c]), varying)], [dtype], dtype, varying), varying)
            for row in (r, c)
        ]
        return frame.expression("greater", sizes, [dtype] * 2, "bool", varying)

    def invert(at: list[str]) -> None:
        a = source.element(at)
        with writer.loop(n) as i:
            with writer.loop(n) as j:
                writer.write(work, [i, j], writer.read(a, [i, j]), varying)
                one = f"({i} == {j} ? 1 : 0)"
                writer.write(work, [i, _sum(str(n), j)], number(f"({writer.type(dtype, False)}){one}"), varying)
        with writer.loop(n) as c:
            with writer.span(_next(c), n) as r:
                swaps = _named(frame, larger(c, r), "bool", varying)
                with writer.loop(2 * n, independent=not varying) as j:
                    one = _named(frame, writer.read(work, [c, j]), dtype, varying)
                    other = _named(frame, writer.read(work, [r, j]), dtype, varying)
                    writer.write(
                        work,
                        [c, j],
                        writer.choose(swaps, other, one, dtype, varying),
                        varying,
                    )
                    writer.write(
                        work,
                        [r, j],
                        writer.choose(swaps, one, other, dtype, varying),
                        varying,
                    )
            pivot = _named(frame, writer.read(work, [c, c]), dtype, varying)
            with writer.loop(2 * n, independent=not varying) as j:
                writer.write(work, [c, j], f"{writer.read(work, [c, j])} / {pivot}", varying)
            with writer.loop(n) as r:
                with writer.block(f"if ({r} != {c})"):
                    left = _named(frame, writer.read(work, [r, c]), dtype, varying)
                    with writer.loop(2 * n, independent=not varying) as j:
                        rest = f"{writer.read(work, [r, j])} - {left} * {writer.read(work, [c, j])}"
                        writer.write(work, [r, j], rest, varying)
        copy(writer, target.element(at), work.slice((0, n), (n, n), (1, 1)))

    if value.type.size:
        each(frame, value.shape[:-2], invert)
    writer.free(work.root)
    frame.define(value, target)


# ---- convolution -----------------------------------------------------------------------------------------------------


def _convolve(frame: Frame, op: Op) -> None:
    """For each place of the output the window over the input, where it is inside and not between spread elements."""
    x, w = (frame.places[v] for v in op.inputs)
    (value,), a = op.outputs, op.attributes
    writer, varying = frame.writer, frame.varying[value]
    target = frame.output(value)
    rank = len(value.shape) - 2
    channels, outs = w.shape[-1], w.shape[0] // a["groups"]
    writer.line(f"// {comment_of(op)}")

    def body(at: list[str]) -> None:
        total = writer.name("r")
        writer.line(f"{writer.type(value.dtype, varying)} {total} = {{}};")

        def window(k: list[str], d: int, place: list[str]) -> None:
            if d < rank:
                with writer.loop(w.shape[1 + d]) as i:
                    gap = a["input_dilation"][d]
                    position = writer.name("at")
                    shift = f"{at[1 + d]} * {a['stride'][d]} + {i} * {a['dilation'][d]} - {a['low'][d]}"
                    writer.line(f"const i32 {position} = {shift};")
                    inside = f"{position} >= 0 && {position} < {(x.shape[1 + d] - 1) * gap + 1}"
                    with writer.block(f"if ({inside}{f' && {position} % {gap} == 0' if gap != 1 else ''})"):
                        tap = f"({w.shape[1 + d] - 1} - {i})" if a["flip"] else i
                        where = position if gap == 1 else f"({position} / {gap})"
                        window([*k, tap], d + 1, [*place, where])
                return
            group = f"({at[-1]} / {outs}) * {channels}" if a["groups"] > 1 else "0"
            with writer.loop(channels) as c:
                left = writer.read(x, [at[0], *place, _sum(f"({group})" if group != "0" else "0", c)])
                right = writer.read(w, [at[-1], *k, c])
                writer.line(f"{total} += {left} * {right};")

        window([], 0, [])
        writer.write(target, at, total, varying)

    if value.type.size:
        each(frame, value.shape, body)
    frame.define(value, target)


# ---- small pieces ----------------------------------------------------------------------------------------------------


def _next(i: str) -> str:
    return "1" if i == "0" else f"{i} + 1"


def _named(frame: Frame, value: str, dtype: str, varying: bool) -> str:
    name = frame.writer.name("s")
    frame.writer.line(f"const {frame.writer.type(dtype, varying)} {name} = {value};")
    return name


PRINTERS = {
    "matmul": _matmul,
    "cholesky": _cholesky,
    "solve_triangular": _solve_triangular,
    "inverse": _inverse,
    "convolve": _convolve,
}
