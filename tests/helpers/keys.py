"""Keys for tests: fixed, and apart."""

import hashlib

import mlx.core as mx

__all__ = ["key_for"]


def key_for(name: str) -> mx.array:
    """The key that belongs to a name (a test, a case): the same in every process and every run."""
    return mx.random.key(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()))
