"""Compiled libraries on disk, by the content that they were made from.

An entry is a folder, named by the hash of all that determines the library (`entry_name`). It holds the source, the
library, and the hash of the library::

    <cache>/kernels/<name>/kernel.cpp, kernel.so, sha256

**Trust.** What stands here is loaded into the process. So the cache belongs to the user alone: a folder of somebody
else, or one that others may write to, is refused. The hash guards against accidents (a torn write, a bad disk).

**Two processes, one entry.** Each builds in a scratch folder of its own, and a rename, which is atomic, puts it in
place: the first wins and the other takes what it finds. There is no lock: a lock file outlives a killed process and
everybody then waits for nobody; what its absence costs is one compilation done twice, once.

**Faults.** Where the folder cannot be used, a private temporary one takes its place until the process ends, and one
warning says so.
"""

import contextlib
import errno
import hashlib
import os
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from genmlx.compiler.runtime.machine import cpu_identity
from genmlx.numerics.errors import UsageError

__all__ = ["ABI_VERSION", "Cache", "CacheWarning", "cache_folder", "entry_name", "open_cache"]

ABI_VERSION = 1
"""Version of the call between the runtime and a kernel; old entries are not found any more when it changes."""

SOURCE, LIBRARY, DIGEST = "kernel.cpp", "kernel.so", "sha256"
UNUSABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR})
"""Errors of the system that mean: this folder cannot be written to."""

_SCRATCH = "building-"
_STALE = 3600.0  # seconds after which a scratch folder belongs to a process that was killed
_LIMIT_MB = 1024
_KEEP = 0.8  # of the limit remains when it was exceeded, so that not every store evicts
_STORES_BETWEEN_TRIMS = 32

MSG_OTHER_OWNER = "it belongs to another user"
MSG_OTHERS_WRITE = "other users may write to it (its mode is {mode:o})"
MSG_FALLBACK = (
    "the cache of compiled kernels at {folder} cannot be used: {reason}. Kernels are compiled anew in each process. "
    "Choose a private folder with GENMLX_CACHE=/some/folder."
)


class CacheWarning(UserWarning):
    """The cache folder cannot be used: kernels work, but each process compiles them anew."""


def entry_name(source: str, flags: Iterable[str], compiler: str, *, cpu: str | None = None) -> str:
    """The name of the entry: a hash of the source, the flags, the compiler, the CPU and the ABI.

    The CPU counts because code is made for the machine at hand, and a home folder may be on several. Each part goes
    in with its length in front, so that no two lists of parts give the same text.
    """
    parts = [str(ABI_VERSION), source, *flags, compiler, cpu_identity() if cpu is None else cpu]
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()[:40]


def cache_folder() -> Path:
    """``GENMLX_CACHE``, else the folder for caches of the system and in it ``genmlx``."""
    if chosen := os.environ.get("GENMLX_CACHE"):
        return Path(os.path.expanduser(chosen)).absolute()
    # The XDG specification: a relative path is to be ignored.
    if (base := os.environ.get("XDG_CACHE_HOME", "")) and os.path.isabs(base):
        return Path(base) / "genmlx"
    home = os.path.expanduser("~")
    if not os.path.isabs(home):  # a user without a home, as in a container; whose the folder is, is looked at anyway
        return Path("/tmp", f"genmlx-{os.geteuid()}")
    below_home = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return Path(home, *below_home, "genmlx")


_open: dict[Path, "Cache"] = {}
_temporary: dict[int, "Cache"] = {}  # by process: what a child of fork would remove at its end is not its own


def open_cache() -> "Cache":
    """The cache of this process, for the environment as it is now."""
    folder = cache_folder()
    cache = _open.get(folder)
    if cache is None:
        try:
            _make_private(folder)
            cache = Cache(folder)
        except OSError as error:
            cache = temporary_cache(folder, error.strerror or str(error))
        _open[folder] = cache
    return cache


def temporary_cache(instead_of: Path, reason: str) -> "Cache":
    """A private folder that lives as long as this process; warns once for each folder that it replaces."""
    import atexit
    import tempfile

    warnings.warn(MSG_FALLBACK.format(folder=instead_of, reason=reason), CacheWarning, stacklevel=2)
    process = os.getpid()
    if process not in _temporary:
        cache = _temporary[process] = Cache(Path(tempfile.mkdtemp(prefix="genmlx-")))
        atexit.register(lambda: _remove(cache.folder) if os.getpid() == process else None)
    _open[instead_of] = _temporary[process]
    return _temporary[process]


def _make_private(folder: Path) -> None:
    """Make the folder if needed; an OSError says why it must not be used."""
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, mode=0o700)
        status = os.stat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder")
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, MSG_OTHER_OWNER)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, MSG_OTHERS_WRITE.format(mode=stat.S_IMODE(status.st_mode)))


class Cache:
    """One folder of compiled libraries. Opened by `open_cache`, which has looked whose it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kernels = folder / "kernels"
        self._stores = 0

    def find(self, name: str) -> Path | None:
        """The library of an entry, whole, or None: an entry that is not whole is removed."""
        entry = self._kernels / name
        library = entry / LIBRARY
        try:
            digest = (entry / DIGEST).read_bytes()
            whole = hashlib.sha256(library.read_bytes()).hexdigest().encode() == digest
        except OSError:
            if not entry.exists():
                return None
            whole = False
        if not whole:
            self.discard(name)
            return None
        with contextlib.suppress(OSError):
            os.utime(entry / DIGEST)  # the least recently used go first
        return library

    def discard(self, name: str) -> None:
        """Remove an entry. It is renamed first, so that nobody meets half of it."""
        with contextlib.suppress(FileNotFoundError):
            grave = self._kernels / f"{_SCRATCH}{os.getpid()}-{time.monotonic_ns()}"
            os.rename(self._kernels / name, grave)
            _remove(grave)

    def build(self, name: str, source: str, compile_to: Callable[[Path, Path], None]) -> Path:
        """Make an entry and return its library.

        Args:
            name: the name of the entry.
            source: what `compile_to` finds in the first of its two files.
            compile_to: compiles a source file to a library file, both in a scratch folder that is removed if it
                raises: an interrupted compilation leaves nothing behind.

        Raises:
            OSError: with a number of `UNUSABLE` where the folder cannot be written to.
        """
        import tempfile

        _make_private(self.folder)  # it may have been removed, or given away, since it was opened
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._kernels, mode=0o700)
        if self._stores % _STORES_BETWEEN_TRIMS == 0:
            self.trim()
        self._stores += 1
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self._kernels))  # mode 0700
        try:
            (scratch / SOURCE).write_text(source)
            compile_to(scratch / SOURCE, scratch / LIBRARY)
            (scratch / DIGEST).write_text(hashlib.sha256((scratch / LIBRARY).read_bytes()).hexdigest())
            return self._commit(scratch, name)
        finally:
            _remove(scratch)

    def _commit(self, scratch: Path, name: str) -> Path:
        entry = self._kernels / name
        for _ in range(8):  # each further round means that somebody made or removed the entry in between
            try:
                os.rename(scratch, entry)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                if theirs := self.find(name):
                    return theirs
            else:
                return entry / LIBRARY
        raise OSError(errno.EBUSY, "the entry is made and removed again and again", str(entry))

    def keep_failed(self, name: str, source: str, output: str) -> Path:
        """Save a source that did not compile, with what the compiler said, where a report can quote it."""
        folder = self.folder / "failed"
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, mode=0o700)
        path = folder / f"{name}.cpp"
        path.write_text(source)
        path.with_suffix(".log").write_text(output)
        return path

    def trim(self) -> None:
        """Remove what killed processes left, and the least recently used entries if all are above the limit."""
        entries: list[tuple[float, int, str]] = []
        for entry in os.scandir(self._kernels):
            with contextlib.suppress(OSError):  # removed meanwhile
                if entry.name.startswith(_SCRATCH):
                    if time.time() - entry.stat().st_mtime > _STALE:
                        _remove(Path(entry.path))
                    continue
                used = os.stat(os.path.join(entry.path, DIGEST)).st_mtime
                size = sum(file.stat().st_size for file in os.scandir(entry.path))
                entries.append((used, size, entry.name))
        total, limit = sum(size for _, size, _ in entries), _limit()
        if total <= limit:
            return
        for _, size, name in sorted(entries):
            self.discard(name)
            total -= size
            if total <= _KEEP * limit:
                return


def _limit() -> float:
    """The size in bytes that the entries may have together: ``GENMLX_CACHE_MB`` megabytes, by default 1024."""
    text = os.environ.get("GENMLX_CACHE_MB") or str(_LIMIT_MB)
    if not text.isdecimal():
        raise UsageError(f"GENMLX_CACHE_MB is {text!r}", fix="a number of megabytes: GENMLX_CACHE_MB=1024")
    return int(text) * 1e6


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
