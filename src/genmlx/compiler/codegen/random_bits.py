"""Random bits, the same as MLX's for the same key: Threefry 2x32, in MLX's order of counters.

For w words, with half = w // 2 and odd = w % 2, block j < half has the counters (j, half + odd + j) and gives the words
j and half + odd + j; an odd number has the block (half, 0), whose first word is word half.
"""

from __future__ import annotations

from genmlx.compiler.codegen.arrays import each
from genmlx.compiler.codegen.frame import Frame, comment_of
from genmlx.compiler.codegen.places import Place, dense
from genmlx.compiler.ir.types import DTYPES, Op

__all__ = ["PRINTERS"]


def _random_bits(frame: Frame, op: Op) -> None:
    (key,), (value,) = op.inputs, op.outputs
    writer, keys, varying = frame.writer, frame.places[key], frame.varying[value]
    width = op.attributes["width"]
    lead = key.shape[:-1]
    size = value.type.size // max(_count(lead), 1)
    if value.type.size == 0:
        frame.define(value, frame.new(value))
        return
    target = frame.output(value)
    words = (size * width + 3) // 4
    flat = target.reshape((*lead, size))
    direct = width == 4 and flat is not None

    def one_key(at: list[str]) -> None:
        key0, key1 = (writer.variable("uint32", varying, writer.read(keys, [*at, i], varying)) for i in "01")
        if direct:
            assert flat is not None
            _words(frame, op, flat.element(at), key0.root.name, key1.root.name, words)
            return
        scratch = writer.array("uint32", varying, (words,))
        _words(frame, op, scratch, key0.root.name, key1.root.name, words)
        part = target.element(at)
        counter = dense(part.shape)

        def store(indices: list[str]) -> None:
            number = " + ".join(f"{i} * {s}" for i, s in zip(indices, counter, strict=True)) or "0"
            writer.write(part, indices, _from_words(frame, scratch, f"({number})", width, varying), varying)

        each(frame, part.shape, store)
        writer.free(scratch.root)

    each(frame, lead, one_key)
    frame.define(value, target)


def _words(frame: Frame, op: Op, target: Place, key0: str, key1: str, words: int) -> None:
    """The first ``words`` words of a key."""
    writer, varying = frame.writer, target.varying
    half, ahead = words // 2, words // 2 + words % 2
    pair = "u32_pair" if not varying else f"u32x{writer.lanes}_pair"

    def number(text: str) -> str:
        return writer.splat(text, "uint32") if varying else text

    if half:
        with writer.loop(half, independent=not varying) as j:
            counters = f"{number(f'(u32){j}')}, {number(f'(u32){j} + {ahead}u')}"
            block = writer.name("block")
            writer.line(f"const {pair} {block} = gm_threefry2x32({key0}, {key1}, {counters});", comment_of(op))
            writer.write(target, [j], f"{block}.first", varying)
            writer.write(target, [f"({j} + {ahead})"], f"{block}.second", varying)
    if words % 2:
        middle = f"gm_threefry2x32({key0}, {key1}, {number(f'{half}u')}, {number('0u')}).first"
        writer.write(target, [str(half)], middle, varying)


def _from_words(frame: Frame, words: Place, number: str, width: int, varying: bool) -> str:
    """Element ``number`` of ``width`` bytes, of which a word has the low ones first."""
    writer = frame.writer
    if width == 4:
        return writer.read(words, [number])
    if width == 8:
        low, high = (writer.read(words, [f"({number} * 2 + {i})"]) for i in (0, 1))
        low, high = (frame.expression("cast", [(w, varying)], ["uint32"], "uint64", varying) for w in (low, high))
        return f"{low} | ({high} << 32)"
    per_word = 4 // width
    word = writer.read(words, [f"({number} / {per_word})"])
    shifted = f"({word} >> (({number} % {per_word}) * {8 * width}))"
    dtype = f"uint{8 * width}"
    assert dtype in DTYPES
    return frame.expression("cast", [(shifted, varying)], ["uint32"], dtype, varying)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


PRINTERS = {"random_bits": _random_bits}
