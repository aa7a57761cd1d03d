"""The runtime: C++ source text becomes a function of MLX arrays. It knows neither IR nor probability.

In the order of the way: the machine, the cache of libraries, the compiler, loading, calling.
"""

from genmlx.compiler.runtime.cache import Cache, CacheWarning, open_cache
from genmlx.compiler.runtime.kernel import ArraySpec, Interrupted, Kernel, KernelError, KernelMemory
from genmlx.compiler.runtime.library import Library, LibraryError, load
from genmlx.compiler.runtime.machine import usable_cores
from genmlx.compiler.runtime.toolchain import CompileError, CompilerNotFound, CompileTimeout, Toolchain, find_toolchain

__all__ = [
    "ArraySpec",
    "Cache",
    "CacheWarning",
    "CompileError",
    "CompileTimeout",
    "CompilerNotFound",
    "Interrupted",
    "Kernel",
    "KernelError",
    "KernelMemory",
    "Library",
    "LibraryError",
    "Toolchain",
    "find_toolchain",
    "load",
    "open_cache",
    "usable_cores",
]
