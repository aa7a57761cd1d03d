import mlx.core as mx
import pytest

from genmlx.numerics import memory
from genmlx.numerics.memory import MemoryReport

MEGABYTE = 1_000_000


def test_active_memory_and_the_peak_grow_with_a_live_array():
    before = memory.memory_report()
    array = mx.zeros(5 * MEGABYTE // 4)
    mx.eval(array)
    during = memory.memory_report()
    assert during.active - before.active >= 5 * MEGABYTE
    assert during.peak >= during.active
    del array
    assert memory.memory_report().active - before.active < MEGABYTE
    memory.reset_peak()
    assert memory.memory_report().peak < during.peak


def test_freed_buffers_wait_in_the_cache_until_it_is_cleared():
    mx.eval(mx.zeros(5 * MEGABYTE // 4))
    assert memory.memory_report().cache > 0
    memory.clear_cache()
    assert memory.memory_report().cache == 0


def test_the_memory_limit_is_reported_and_can_be_put_back():
    before = memory.set_memory_limit(123 * MEGABYTE)
    try:
        assert memory.memory_report().limit == 123 * MEGABYTE
    finally:
        assert memory.set_memory_limit(before) == 123 * MEGABYTE
    assert memory.memory_report().limit == before


def test_with_a_cache_limit_of_zero_freed_buffers_are_not_kept():
    memory.clear_cache()
    before = memory.set_cache_limit(0)
    try:
        mx.eval(mx.zeros(5 * MEGABYTE // 4))
        mx.eval(mx.zeros(10))
        assert memory.memory_report().cache == 0
    finally:
        assert memory.set_cache_limit(before) == 0


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_550_000, "1.6 MB"), (2 * 10**15, "2000.0 TB")]
)
def test_sizes_are_readable(size, text):
    assert str(MemoryReport(size, 1, 2, 3)) == f"active {text}, cache 1 B, peak 2 B, limit 3 B"
