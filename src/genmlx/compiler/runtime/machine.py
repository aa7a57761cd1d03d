"""What the runtime must know of the machine: which CPU it is, and how many cores this process may use."""

import ctypes
import functools
import os
import sys

from genmlx.numerics.errors import UsageError

__all__ = ["cpu_identity", "usable_cores"]

# What tells one instruction set from another in /proc/cpuinfo, on x86 and on ARM. Clock rates and the like change.
_TELLING = ("vendor_id", "model name", "flags", "CPU implementer", "CPU architecture", "CPU part", "Features", "isa")
_ONE_CORE = 16_384  # bytes: the entry of the first core is shorter, and the file is long where there are many


@functools.cache
def cpu_identity() -> str:
    """A text that differs between machines which cannot run each other's ``-march=native`` code.

    It is part of the name of a cached library, because a cache folder may be shared between machines.
    """
    return "\n".join([sys.platform, os.uname().machine, *_cpu_lines()])


def _cpu_lines() -> list[str]:
    if sys.platform == "darwin":
        return [_sysctl(name) for name in ("machdep.cpu.brand_string", "hw.cpufamily", "hw.cpusubfamily")]
    try:
        file = os.open("/proc/cpuinfo", os.O_RDONLY)
    except OSError:
        return []
    try:
        first_core = os.read(file, _ONE_CORE).decode(errors="replace").partition("\n\n")[0]
    finally:
        os.close(file)
    return [line for line in first_core.splitlines() if line.partition("\t")[0].partition(":")[0].strip() in _TELLING]


def _sysctl(name: str) -> str:
    """One entry of macOS's table of the system, as hexadecimal bytes; empty where there is no such entry."""
    value, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    found = ctypes.CDLL(None).sysctlbyname(name.encode(), value, ctypes.byref(size), None, ctypes.c_size_t(0)) == 0
    return value.raw[: size.value].hex() if found else ""


def usable_cores() -> int:
    """How many threads a kernel uses: ``GENMLX_THREADS``, else the cores that this process may run on."""
    if text := os.environ.get("GENMLX_THREADS"):
        if not text.isdecimal() or int(text) < 1:
            raise UsageError(f"GENMLX_THREADS is {text!r}", fix="a number of threads: GENMLX_THREADS=4")
        return int(text)
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
