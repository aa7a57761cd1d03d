"""How much memory MLX holds, and how to bound it. All numbers are bytes.

MLX keeps freed buffers in a cache for reuse: *active* memory belongs to arrays that are alive, *cache* to buffers that
wait. The limits are settings of the whole process.
"""

from typing import NamedTuple

import mlx.core as mx

__all__ = ["MemoryReport", "clear_cache", "memory_report", "reset_peak", "set_cache_limit", "set_memory_limit"]


class MemoryReport(NamedTuple):
    """Memory of MLX at one moment, in bytes.

    Example:
        >>> print(MemoryReport(active=1_500_000, cache=0, peak=3_000_000_000, limit=16_000_000_000))
        active 1.5 MB, cache 0 B, peak 3.0 GB, limit 16.0 GB
    """

    active: int
    cache: int
    peak: int
    limit: int

    def __str__(self) -> str:
        return ", ".join(f"{name} {_readable(size)}" for name, size in self._asdict().items())


def memory_report() -> MemoryReport:
    """What MLX holds now, the most it has held (since the start or `reset_peak`), and the limit in force."""
    return MemoryReport(mx.get_active_memory(), mx.get_cache_memory(), mx.get_peak_memory(), mx.get_memory_limit())


def set_memory_limit(limit: int) -> int:
    """Guide MLX to stay under ``limit`` bytes in all; returns the limit before.

    When it is exceeded and the machine has no more memory, the allocation raises an error.
    """
    return mx.set_memory_limit(limit)


def set_cache_limit(limit: int) -> int:
    """Keep at most ``limit`` bytes of freed buffers for reuse (0: none); returns the limit before."""
    return mx.set_cache_limit(limit)


def clear_cache() -> None:
    """Give all freed buffers back to the system."""
    mx.clear_cache()


def reset_peak() -> None:
    """Start to measure the peak anew."""
    mx.reset_peak_memory()


def _readable(size: int) -> str:
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"
