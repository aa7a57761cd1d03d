"""The C++ compiler: where it is, what it can do, and how it is run.

Candidates are ``GENMLX_CXX`` (then nothing else is tried), ``CXX``, c++, g++, clang++ and the compiler in the ziglang
wheel (the extra ``genmlx[compiler]``). The first that compiles a small program with vector types is taken. What was
learned of it is kept beside the cache of libraries, under the identity of the compiler's file and of the CPU: a
second process runs no compiler at all if its kernels are cached.

Nothing goes through a shell.
"""

import ast
import errno
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib import util
from pathlib import Path
from typing import NamedTuple

from genmlx.compiler.runtime.cache import entry_name, open_cache
from genmlx.numerics.errors import GenMLXError, UsageError

__all__ = [
    "CompileError",
    "CompileTimeout",
    "CompilerNotFound",
    "Toolchain",
    "candidates",
    "compile_timeout",
    "find_toolchain",
    "run_compiler",
]

BASE_FLAGS = ("-std=gnu++17", "-O3", "-shared", "-fPIC", "-pipe", "-w")
NATIVE_FLAGS = ("-march=native", "-mcpu=native")
"""Code for the CPU at hand. GCC and Clang on x86 know the first, zig and some Clangs on ARM only the second."""
SPEED_FLAGS = ("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fno-exceptions", "-fno-rtti")
"""Speed that costs no more than a rounding. Never ``-ffinite-math-only``: a log density outside a support is -inf."""

PROBE = """
typedef float lanes __attribute__((vector_size(64)));
typedef int words __attribute__((vector_size(64)));
extern "C" void probe(lanes* x) {
    words positive = *x > 0.0f;
    *x = positive ? *x : __builtin_convertvector(__builtin_bit_cast(words, *x), lanes);
}
"""
"""Everything beyond C++17 that a printed kernel uses: vector types, masks, conversion, bit casts."""

VECTOR_MACROS = (("__AVX512F__", 64), ("__AVX__", 32))
"""Macros of the compiler, and the bytes of a vector register if it is defined; otherwise 16 (SSE, NEON)."""

_ANSWER_SECONDS = 30.0  # for --version and the small programs
_ZIG_SECONDS = 300.0  # zig builds its own libraries when it runs for the first time
_COMPILE_SECONDS = 60.0
_SHOWN_LINES = 12

INSTALL = (
    "install one: apt install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), xcode-select --install (macOS), "
    "or anywhere pip install 'genmlx[compiler]'; or name one: GENMLX_CXX=/path/to/compiler"
)
MSG_ZIG = "the compiler of the ziglang wheel runs here for the first time: it builds libraries of its own for a minute"
MSG_NOT_FOUND = "no C++ compiler was found, and compiled loops need one"
MSG_FAILED = "the C++ compiler refused a source that GenMLX wrote ({how}):\n{lines}"
MSG_OUR_BUG = "nothing in your program: this is a bug of GenMLX. Please report it with that file"
MSG_TIMEOUT = "the C++ compiler did not finish within {seconds:g} s"
MSG_MORE_TIME = "more time, GENMLX_COMPILE_TIMEOUT={seconds:g}, or a smaller function"


class CompilerNotFound(GenMLXError, RuntimeError):
    """There is no C++ compiler that can compile a kernel."""


class CompileError(GenMLXError, RuntimeError):
    """The compiler refused a source; ``output`` is what it said."""

    def __init__(self, output: str, how: str, *, where: str | None = None) -> None:
        shown = [line for line in output.splitlines() if line.strip()][:_SHOWN_LINES]
        lines = "\n".join(f"    {line}" for line in shown)
        super().__init__(MSG_FAILED.format(how=how, lines=lines), where=where, fix=MSG_OUR_BUG)
        self.output, self.how = output, how


class CompileTimeout(GenMLXError, TimeoutError):
    """The compiler took too long and was stopped."""

    def __init__(self, seconds: float) -> None:
        super().__init__(MSG_TIMEOUT.format(seconds=seconds), fix=MSG_MORE_TIME.format(seconds=10 * seconds))


class Toolchain(NamedTuple):
    """A C++ compiler that works.

    Attributes:
        command: the program and the arguments that it always gets.
        version: the first line of its ``--version``.
        flags: what it is given for every kernel.
        vector_bytes: the width of a vector register of the machine: 64, 32 or 16.
        identity: a text that changes when another compiler stands at the same place.
    """

    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]
    vector_bytes: int
    identity: str

    def compile(self, source: Path, library: Path, flags: Iterable[str] = (), *, timeout: float | None = None) -> None:
        """Compile a source file to a shared library.

        Raises:
            CompileError: the compiler refused it.
            CompileTimeout: it took longer than `timeout` seconds (default: ``GENMLX_COMPILE_TIMEOUT``, else 60).
            OSError: the disk is full.
        """
        arguments = [*self.command, *self.flags, *flags, "-o", str(library), str(source)]
        status, output = run_compiler(arguments, library.parent, compile_timeout() if timeout is None else timeout)
        if status == 0 and library.exists():
            return
        if "No space left on device" in output:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(library))
        raise CompileError(output, f"exit code {status}" if status >= 0 else f"killed by signal {-status}")


def compile_timeout() -> float:
    """Seconds that one compilation may take."""
    text = os.environ.get("GENMLX_COMPILE_TIMEOUT")
    if not text:
        return _COMPILE_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds > 0:
        raise UsageError(f"GENMLX_COMPILE_TIMEOUT is {text!r}", fix="a number of seconds: GENMLX_COMPILE_TIMEOUT=120")
    return seconds


def run_compiler(arguments: list[str], folder: Path, timeout: float) -> tuple[int, str]:
    """Run a compiler in a folder, where its own temporary files go too; its exit code and what it printed.

    A compiler is a driver that starts other programs. They form a process group: when it takes too long, or the user
    presses Ctrl-C, the whole group is ended.
    """
    import signal
    import subprocess

    environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
    process = subprocess.Popen(
        arguments, cwd=folder, env=environment, process_group=0,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CompileTimeout(timeout) from None
            raise
    return process.returncode, output.decode(errors="replace")


class Candidate(NamedTuple):
    """A compiler that may be there.

    Attributes:
        origin: where we know it from, as an error names it.
        command: how to run it; empty when there is none.
        missing: why there is none.
        program: the file by which to tell whether it has changed.
        seconds: how long it may take to answer.
    """

    origin: str
    command: tuple[str, ...] = ()
    missing: str = ""
    program: str = ""
    seconds: float = _ANSWER_SECONDS


def candidates() -> Iterator[Candidate]:
    """The compilers to try, in order, with those that are missing and why."""
    if chosen := os.environ.get("GENMLX_CXX"):
        yield _from_variable("GENMLX_CXX", chosen)
        return
    if general := os.environ.get("CXX"):
        yield _from_variable("CXX", general)
    for name in ("c++", "g++", "clang++"):
        path = _which(name)
        yield Candidate(name, (path,), program=path) if path else Candidate(name, missing="not on the PATH")
    spec = util.find_spec("ziglang")
    if spec is None:
        yield Candidate("ziglang", missing="not installed")
    else:
        yield Candidate("ziglang", (sys.executable, "-m", "ziglang", "c++"), "", spec.origin or "", _ZIG_SECONDS)


def _from_variable(name: str, text: str) -> Candidate:
    import shlex

    program, *arguments = shlex.split(text)
    if path := _which(program):
        return Candidate(name, (path, *arguments), program=path)
    return Candidate(name, missing=f"{program!r} is not a program")


def _which(name: str) -> str | None:
    """As `shutil.which`, whose import takes longer than all else that a warm start does."""
    folders = [""] if os.sep in name else os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders:
        path = os.path.abspath(os.path.join(folder, name))
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


_found: dict[tuple[str | None, ...], Toolchain] = {}


def find_toolchain() -> Toolchain:
    """The C++ compiler of this process, for the environment as it is now.

    Raises:
        CompilerNotFound: no candidate can compile a kernel; says why for each.
    """
    environment = tuple(map(os.environ.get, ("GENMLX_CXX", "CXX", "PATH", "GENMLX_CACHE", "XDG_CACHE_HOME", "HOME")))
    if environment not in _found:
        _found[environment] = _find()
    return _found[environment]


def _find() -> Toolchain:
    reasons: list[str] = []
    for candidate in candidates():
        if not candidate.command:
            reasons.append(f"{candidate.origin}: {candidate.missing}")
            continue
        try:
            return _recorded(candidate)
        except (OSError, CompileError, CompileTimeout) as error:
            reason = error.output or error.how if isinstance(error, CompileError) else str(error)
            reasons.append(f"{candidate.origin}: {' '.join(candidate.command)}: {reason.partition(os.linesep)[0]}")
    raise CompilerNotFound(MSG_NOT_FOUND, where="the search, which tried\n    " + "\n    ".join(reasons), fix=INSTALL)


def _recorded(candidate: Candidate) -> Toolchain:
    """What is known of a compiler, from the record on disk if there is one that is true."""
    program = os.path.realpath(candidate.program)
    status = os.stat(program)
    identity = f"{program} {status.st_size} {status.st_mtime_ns}"
    asked = (*candidate.command, *BASE_FLAGS, *NATIVE_FLAGS, *SPEED_FLAGS)
    record = open_cache().folder / "toolchains" / entry_name(PROBE, asked, identity)
    try:
        toolchain = Toolchain(*ast.literal_eval(record.read_text()))
        if (toolchain.command, toolchain.identity) == (candidate.command, identity):
            return toolchain
    except (OSError, ValueError, SyntaxError, TypeError):
        pass  # never asked, or half a record
    toolchain = _probe(candidate, identity)
    _write_record(record, toolchain)
    return toolchain


def _write_record(record: Path, toolchain: Toolchain) -> None:
    try:
        os.makedirs(record.parent, mode=0o700, exist_ok=True)
        part = record.with_suffix(f".{os.getpid()}")
        part.write_text(repr(tuple(toolchain)))
        os.replace(part, record)
    except OSError:
        return  # the next process asks again


def _probe(candidate: Candidate, identity: str) -> Toolchain:
    """Ask a compiler for its version, the flags that it takes, and the machine that it compiles for."""
    import tempfile

    if candidate.seconds == _ZIG_SECONDS:
        warnings.warn(MSG_ZIG, UserWarning, stacklevel=2)
    with tempfile.TemporaryDirectory(prefix="genmlx-") as name:
        folder = Path(name)
        command, seconds = candidate.command, candidate.seconds
        status, answer = run_compiler([*command, "--version"], folder, seconds)
        if status != 0:
            raise CompileError(answer, f"--version: exit code {status}")
        version = answer.strip().partition("\n")[0]
        (folder / "probe.cpp").write_text(PROBE)
        toolchain = Toolchain(command, version, BASE_FLAGS, 16, identity)

        def accepts(*flags: str) -> bool:
            try:
                toolchain.compile(folder / "probe.cpp", folder / "probe.so", flags, timeout=seconds)
            except CompileError:
                return False
            return True

        native = next((flag for flag in NATIVE_FLAGS if accepts(flag, *SPEED_FLAGS)), None)
        if native is not None:
            flags = (native, *SPEED_FLAGS)
        else:  # an old or unusual compiler: whatever it takes, one by one; the bare program must compile
            toolchain.compile(folder / "probe.cpp", folder / "probe.so", timeout=seconds)
            flags = tuple(flag for flag in (*NATIVE_FLAGS, *SPEED_FLAGS) if accepts(flag))
        toolchain = toolchain._replace(flags=(*BASE_FLAGS, *flags))
        preprocess = [*command, *toolchain.flags, "-dM", "-E", str(folder / "probe.cpp")]
        _, macros = run_compiler(preprocess, folder, seconds)
        widths = (size for macro, size in VECTOR_MACROS if f"#define {macro} " in macros)
        return toolchain._replace(vector_bytes=next(widths, 16))
