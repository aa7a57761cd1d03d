"""From source text to a function in this process: the cache, else the compiler, then the system's loader.

Nothing is loaded but what stands in the user's own cache (`genmlx.compiler.runtime.cache`), whole. A library stays
loaded until the process ends; the same source with the same flags is the same `Library`.
"""

import ctypes
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from genmlx.compiler.runtime.cache import UNUSABLE, Cache, entry_name, open_cache, temporary_cache
from genmlx.compiler.runtime.toolchain import CompileError, Toolchain, find_toolchain
from genmlx.numerics.errors import GenMLXError

__all__ = ["Library", "LibraryError", "load"]

MSG_NOT_LOADED = "a compiled kernel cannot be loaded: {error}"
MSG_OTHER_FOLDER = "a cache folder from which programs may be run (not mounted noexec): GENMLX_CACHE=/some/folder"


class LibraryError(GenMLXError, RuntimeError):
    """The system's loader refuses a library that the compiler made."""


class Library(NamedTuple):
    """A compiled source, loaded.

    Attributes:
        name: the hash that names it in the cache.
        source: the source text.
        path: where it was loaded from.
        handle: its functions, as attributes. Calls release the interpreter's lock.
    """

    name: str
    source: str
    path: Path
    handle: ctypes.CDLL

    def address(self, function: str) -> int:
        """The address of a function."""
        address = ctypes.cast(getattr(self.handle, function), ctypes.c_void_p).value
        assert address is not None
        return address


_loaded: dict[str, Library] = {}
_building: dict[str, threading.Lock] = {}  # by name: two threads that want one source compile it once


def load(source: str, *, flags: Iterable[str] = (), timeout: float | None = None) -> Library:
    """Compile C++ source text, or find it compiled, and load it.

    Args:
        source: what is compiled; its functions are declared ``extern "C"``.
        flags: for the compiler, after those of the toolchain.
        timeout: seconds that the compiler may take; default ``GENMLX_COMPILE_TIMEOUT``, else 60.

    Raises:
        CompilerNotFound: there is no compiler.
        CompileError: the compiler refused the source.
        CompileTimeout: it took too long.
        LibraryError: the system does not load the result.
    """
    toolchain, flags = find_toolchain(), tuple(flags)
    name = entry_name(source, (*toolchain.command, *toolchain.flags, *flags), toolchain.identity)
    library = _loaded.get(name)
    if library is None:
        with _building.setdefault(name, threading.Lock()):
            library = _loaded.get(name)
            if library is None:
                library = _loaded[name] = _load(name, source, toolchain, flags, timeout)
    return library


def _load(name: str, source: str, toolchain: Toolchain, flags: tuple[str, ...], timeout: float | None) -> Library:
    """Load an entry; one that another process removes, or that the system refuses, is made anew once."""
    cache = open_cache()
    path = cache.find(name)
    if path is not None:
        try:
            return Library(name, source, path, ctypes.CDLL(str(path)))
        except OSError:  # evicted since, or made where the system's libraries are others
            cache.discard(name)
    path = _build(cache, name, source, toolchain, flags, timeout)
    try:
        return Library(name, source, path, ctypes.CDLL(str(path)))
    except OSError as error:
        raise LibraryError(MSG_NOT_LOADED.format(error=error), where=str(path), fix=MSG_OTHER_FOLDER) from error


def _build(
    cache: Cache, name: str, source: str, toolchain: Toolchain, flags: tuple[str, ...], timeout: float | None
) -> Path:
    def compile_to(source_file: Path, library_file: Path) -> None:
        toolchain.compile(source_file, library_file, flags, timeout=timeout)

    try:
        try:
            return cache.build(name, source, compile_to)
        except OSError as error:
            if error.errno not in UNUSABLE:
                raise
            cache = temporary_cache(cache.folder, error.strerror or str(error))
            return cache.build(name, source, compile_to)
    except CompileError as error:
        where = _saved(cache, name, source, error.output)
        raise CompileError(error.output, error.how, where=where) from None


def _saved(cache: Cache, name: str, source: str, output: str) -> str | None:
    """Where a refused source is kept for a report; None if there is no room for it."""
    try:
        return str(cache.keep_failed(name, source, output))
    except OSError:
        return None
