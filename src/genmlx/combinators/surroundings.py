"""What a function reads beside its arguments: the globals, closures and defaults that its code names.

A compiled function is Python that ran once. It stays valid while what it read is the same, and a user who runs a cell
of a notebook again with ``sd = 2.0`` must not be given the results of ``sd = 1.0``. So compiled steps are kept by the
values that `surroundings` finds, and a function that reads something whose changes cannot be seen is not compiled.
"""

from __future__ import annotations

import types
from typing import Any

import mlx.core as mx

from genmlx.core.gfi import Call, GenerativeFunction

__all__ = ["surroundings"]

_STABLE_MODULES = ("genmlx", "mlx", "math", "numpy", "builtins", "nanobind")


class _Unseen(Exception):
    """A thing that may change without a trace."""


def surroundings(gen_fn: GenerativeFunction) -> tuple[Any, ...] | None:
    """What the code of a generative function reads: hashable, equal as long as it would read the same.

    None where that cannot be said: it is a method, or reads a list, a dict or an object of an unknown class. Arrays in
    closures are no constants either: they may be values of a model around it, whose gradient is asked.
    """
    found: list[Any] = []
    try:
        _read(gen_fn, found, set())
        hash(tuple(found))
    except (_Unseen, TypeError, ValueError):
        return None
    return tuple(found)


def _read(x: Any, found: list[Any], seen: set[int]) -> None:
    if x is None or isinstance(x, bool | int | float | complex | str | bytes | mx.Dtype):
        found.append((type(x), x))
        return
    if id(x) in seen:
        return
    seen.add(id(x))
    if isinstance(x, mx.array):
        found.append((x.shape, x.dtype, memoryview(x).tobytes()))  # type: ignore[arg-type]
    elif isinstance(x, types.FunctionType):
        _read_function(x, found, seen)
    elif isinstance(x, tuple | frozenset):
        found.append((type(x), len(x)))
        for part in x:
            _read(part, found, seen)
    elif isinstance(x, types.ModuleType):
        _check(x.__name__)
        found.append(x)
    elif isinstance(x, type | types.BuiltinFunctionType) or type(x).__module__ == "nanobind":
        found.append(x)
    elif _is_ours(type(x).__module__):
        _read_object(x, found, seen)
    else:
        raise _Unseen


def _read_function(f: types.FunctionType, found: list[Any], seen: set[int]) -> None:
    found.append(f.__code__)
    if _is_ours(f.__module__ or ""):
        found.append(f)
        return
    for cell in f.__closure__ or ():
        if isinstance(cell.cell_contents, mx.array):
            raise _Unseen
        _read(cell.cell_contents, found, seen)
    for default in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
        _read(default, found, seen)
    for name in sorted(_names(f.__code__)):
        if name in f.__globals__:
            _read(f.__globals__[name], found, seen)


def _names(code: types.CodeType) -> set[str]:
    """The names that code may look up, and the code inside it."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)


def _read_object(x: Any, found: list[Any], seen: set[int]) -> None:
    """An object of this package: a generative function, a call."""
    found.append(type(x))
    function = getattr(x, "function", None)
    if isinstance(function, types.FunctionType):
        if getattr(x, "instance", None) is not None:
            raise _Unseen  # a method reads its object
        _read(function, found, seen)
        return
    if isinstance(x, Call):
        _read(x.gen_fn, found, seen)
        _read(x.args, found, seen)
        return
    found.append(x)
    for value in getattr(x, "__dict__", {}).values():
        _read_part(value, found, seen)


def _read_part(value: Any, found: list[Any], seen: set[int]) -> None:
    """A part of an object of this package, whose containers nobody changes."""
    if isinstance(value, list | tuple):
        for part in value:
            _read_part(part, found, seen)
    elif isinstance(value, dict | types.MappingProxyType):
        for part in value.values():
            _read_part(part, found, seen)
    elif isinstance(value, types.FunctionType | GenerativeFunction):
        _read(value, found, seen)


def _is_ours(module: str) -> bool:
    return module == "genmlx" or module.startswith("genmlx.")


def _check(module: str) -> None:
    if module.partition(".")[0] not in _STABLE_MODULES:
        raise _Unseen
