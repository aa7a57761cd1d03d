"""Addresses: the names of random choices.

An address is a string, an int, or a tuple of these (a path). Inside the package it is always a path: a tuple, ``()``
for a distribution's own choice. Where choices are looked up, a path may also hold slices or ranges of ints, and is
called a pattern: ``("steps", slice(None), "x")``. The pattern of a stored array has a range (which, unlike a slice, can
be the key of a dict).
"""

from typing import Any

import mlx.core as mx

from genmlx.numerics.errors import AddressError

__all__ = ["Address", "Component", "Path", "Pattern", "as_path", "as_pattern", "bare"]

Component = str | int
Path = tuple[Component, ...]
Pattern = tuple[Component | slice | range, ...]
Address = Component | Path


def as_path(address: object) -> Path:
    """The path of an address given by the user.

    Raises:
        AddressError: not a string, int or tuple of these (an MLX array, for example).
    """
    if type(address) is str:
        return (address,)
    if isinstance(address, tuple):
        if all(type(c) is str or type(c) is int for c in address):
            return address
        return tuple([_component(c) for c in address])
    return (_component(address),)


def as_pattern(address: object) -> Pattern:
    """Like `as_path`, but slices and ranges are allowed."""
    parts = address if isinstance(address, tuple) else (address,)
    return tuple([c if isinstance(c, slice | range) else _component(c) for c in parts])


def bare(path: tuple[Any, ...]) -> Any:
    """A path or pattern as the user writes it: a single component stands alone."""
    return path[0] if len(path) == 1 else path


def _component(c: object) -> Component:
    if isinstance(c, str):
        return str.__str__(c)  # the text itself, also of a member of a string enumeration
    if isinstance(c, int) and not isinstance(c, bool):
        return int(c)
    if type(c).__module__ == "numpy" and hasattr(c, "__index__") and not hasattr(c, "__len__"):
        return int(c)  # type: ignore[call-overload] - a NumPy integer; its arrays have a length
    found = f"an array of shape {c.shape}" if isinstance(c, mx.array) else f"{c!r} ({type(c).__name__})"
    raise AddressError(
        f"an address is a string, an int, or a tuple of these; found {found}",
        fix='normal(0.0, 1.0) @ "x", @ ("x", 3) with a Python int, or f"x{j}"',
    )
