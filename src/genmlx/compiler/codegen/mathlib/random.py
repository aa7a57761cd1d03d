"""Threefry 2x32 with twenty rounds (Salmon et al. 2011), and the order in which MLX lays its output out.

The layout is described in the package's docstring.
"""

from genmlx.compiler.codegen.mathlib.function import Function

__all__ = ["FUNCTIONS"]

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def threefry() -> str:
    """Five groups of four rounds, unrolled; after each group the next two of three key words and its number go in."""
    lines = []
    keys = ("key0", "key1", "key2")
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            lines.append("    x += y;")
            lines.append(f"    y = ((y << {rotation}) | (y >> {32 - rotation})) ^ x;")
        lines.append(f"    x += {keys[(group + 1) % 3]};")
        lines.append(f"    y += {keys[(group + 2) % 3]} + {group + 1}u;")
    rounds = "\n".join(lines)
    return f"""
gm_fn U2 gm_threefry2x32(U key0, U key1, U count0, U count1) {{
    U key2 = key0 ^ key1 ^ {PARITY:#x}u;
    U x = count0 + key0;
    U y = count1 + key1;
{rounds}
    U2 r;
    r.first = x;
    r.second = y;
    return r;
}}
"""


FUNCTIONS = (
    Function(
        "threefry2x32",
        threefry(),
        (0.0, 0.0),
        bits=(32,),
        note="of four unsigned words: the pair {first, second}",
    ),
    # i < half: first word of block (i, half + odd + i); the middle of an odd size: first word of block (half, 0);
    # beyond: second word of the block of word i - half - odd.
    Function(
        "random_word",
        """
gm_fn U gm_random_word(U key0, U key1, U size, U i) {
    U half = size >> 1;
    U ahead = half + (size & 1u);
    M first = i < ahead;
    U count0 = first ? i : i - ahead;
    U count1 = first ? (i < half ? i + ahead : U()) : i;
    U2 r = gm_threefry2x32(key0, key1, count0, count1);
    return first ? r.first : r.second;
}
""",
        (0.0, 0.0),
        bits=(32,),
        note="word i of size words drawn from a key: mx.random.split(key, n) is size = 2 n",
    ),
)
