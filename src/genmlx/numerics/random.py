"""Keys: where randomness comes from, and how streams stay apart.

A key is a ``uint32`` array of two words, MLX's own kind. Three operations derive keys, and all of them are MLX
operations, so that they run eagerly, under ``mx.vmap`` and in compiled kernels with the same bits:

* `split` makes independent keys from one (Threefry over a counter);
* `scramble` is a split into one; a model run scrambles its key once, so that nested runs are apart;
* `fold_in` makes the key of an *address* (key plus a hash of the address, word by word). A choice's draw therefore
  depends on the key and its address only, not on how many choices came before it: constraining one site does not
  shift the draws of the others, and ``propose``, ``simulate`` and ``generate`` with one key make the same choices.

Fold only into scrambled keys: two folds in a row would commute (``k + a + b``).
"""

import functools
import hashlib
from typing import Any

import mlx.core as mx

from genmlx.numerics.errors import UsageError
from genmlx.numerics.types import Array, Key, Keys

__all__ = ["as_key", "fold_in", "key", "next_key", "scramble", "split"]

_GLOBAL_DOMAIN = (0x9E3779B9, 0x7F4A7C15)  # keeps keys drawn from MLX's generator apart from MLX's own use of it


def key(seed: Any) -> Key:
    """A key from an integer seed (any Python int; taken modulo 2**64).

    Example:
        >>> key(7)
        array([0, 7], dtype=uint32)
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UsageError(f"a seed is an int, found {seed!r}", fix="gm.key(0)")
    return mx.random.key(seed % 2**64)


def as_key(key: Any) -> Key:
    """The key that ``key=`` stands for: itself, a seed, or (None) a fresh one from MLX's global generator."""
    if key is None:
        return next_key()
    if isinstance(key, int) and not isinstance(key, bool):
        return mx.random.key(key % 2**64)
    if isinstance(key, mx.array) and key.shape == (2,) and key.dtype == mx.uint32:
        return key
    found = f"array of shape {key.shape} and dtype {key.dtype}" if isinstance(key, mx.array) else repr(key)
    raise UsageError(f"key= takes a key (uint32 array of shape (2,)), found {found}", fix="key=gm.key(0)")


def next_key() -> Key:
    """A fresh key from MLX's global generator, so that ``mx.random.seed`` rules."""
    state = mx.random.state[0]  # type: ignore[index]
    mx.random.uniform()  # advances the global generator; never evaluated
    return scramble(state + mx.array(_GLOBAL_DOMAIN, dtype=mx.uint32))


def split(key: Key, n: int = 2) -> Keys:
    """``n`` independent keys, shape ``(n, 2)``; they can be unpacked: ``a, b = split(key)``."""
    return mx.random.split(key, n)


def scramble(key: Key) -> Key:
    """One key, independent of ``key`` and of everything folded into it."""
    return mx.random.split(key, 1).reshape(2)


def fold_in(key: Key, path: tuple[object, ...]) -> Key:
    """The key of the address ``path`` under a scrambled ``key``: one addition.

    Not XOR: MLX 0.32 reads out of bounds when it vmaps a bitwise operation with an unmapped operand.
    """
    return key + _address_bits(path)


@functools.lru_cache(maxsize=65536, typed=True)
def _address_bits(path: tuple[object, ...]) -> Array:
    # Python's hash() differs from process to process; the draw at an address must not.
    digest = hashlib.blake2b(repr(path).encode(), digest_size=8).digest()
    return mx.array([int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")], dtype=mx.uint32)
