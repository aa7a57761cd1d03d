"""The native half of the runtime, ``launcher.cpp``: threads, workspaces and signals; here are its types.

It is compiled like a kernel, once for a machine.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any, Final

from genmlx.compiler.runtime.library import load

__all__ = ["Call", "Control", "Status", "launcher"]

SOURCE: Final = Path(__file__).with_name("launcher.cpp")


class Status:
    """What a kernel answers, or the launcher for it; of several blocks, the largest."""

    DONE, STOPPED, FAILED, NO_MEMORY, NO_THREAD = range(5)


class Control(ctypes.Structure):
    """``genmlx_control``: what a kernel looks at while it runs (``stop``), and where it reports."""

    _fields_ = (("stop", ctypes.c_int32), ("error", ctypes.c_int32), ("progress", ctypes.c_int64))
    stop: int
    error: int
    progress: int


class Call(ctypes.Structure):
    """``Call``: what is the same for all calls of a kernel."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_int64),
        ("lanes", ctypes.c_int64),
        ("block", ctypes.c_int64),
    )


@functools.cache
def launcher() -> Any:
    """The functions of ``launcher.cpp``: genmlx_join, genmlx_start, genmlx_wait, genmlx_finish."""
    handle = load(SOURCE.read_text()).handle
    pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    handle.genmlx_join.argtypes = (pointer, pointer, pointer, pointer, int32, int32)
    handle.genmlx_start.argtypes = (pointer, pointer, pointer, pointer, pointer, int32)
    handle.genmlx_start.restype = None
    handle.genmlx_wait.argtypes = (pointer, int64)
    handle.genmlx_finish.argtypes = (pointer,)
    return handle
