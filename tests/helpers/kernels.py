"""Kernels written by hand, with which the runtime is tested."""

import mlx.core as mx

from genmlx.compiler.runtime import ArraySpec, Kernel, load

PREAMBLE = """
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
struct genmlx_control { int32_t stop; int32_t error; int64_t progress; };
#define KERNEL extern "C" int32_t genmlx_kernel( \\
    const void* const* inputs, void* const* outputs, char* workspace, \\
    int64_t lane_begin, int64_t lane_end, volatile genmlx_control* control)
"""


def source(body: str, before: str = "") -> str:
    """A kernel with this body."""
    return f"{PREAMBLE}{before}\nKERNEL {{\n{body}\n}}\n"


DOUBLE = source("""
    const float* x = (const float*)inputs[0];
    float* y = (float*)outputs[0];
    for (int i = 0; i < 10; ++i) y[i] = 2 * x[i];
    return 0;
""")

_COUNTING = """
    int64_t n = *(const int64_t*)inputs[0];
    volatile int64_t* count = (volatile int64_t*)outputs[0] + lane_begin;
    for (int64_t i = 0; i < n; ++i) {
        if (control->stop) return 1;
        PAUSE
        *count = i + 1;
        if (lane_begin == 0) control->progress = control->progress + 1;
    }
    return 0;
"""

# Each lane counts to inputs[0], in steps that the compiler cannot take at once. The output is the count so far.
COUNT = source(_COUNTING, "#define PAUSE")

# The same, and each count takes a millisecond.
SLOW_COUNT = source(
    _COUNTING,
    """
#include <time.h>
static const struct timespec millisecond = {0, 1000000};
#define PAUSE nanosleep(&millisecond, nullptr);
""",
)

# Lanes of 3 numbers each: the sum of a lane, and the lane in reverse, by way of the workspace.
LANES = source("""
    const float* x = (const float*)inputs[0];
    float *total = (float*)outputs[0], *reversed = (float*)outputs[1], *kept = (float*)workspace;
    for (int64_t lane = lane_begin; lane < lane_end; ++lane) {
        if (control->stop) return 1;
        for (int i = 0; i < 3; ++i) kept[i] = x[3 * lane + i];
        total[lane] = (kept[0] + kept[1]) + kept[2];
        for (int i = 0; i < 3; ++i) reversed[3 * lane + i] = kept[2 - i];
    }
    return 0;
""")

INT64, FLOAT32 = mx.int64, mx.float32


def double() -> Kernel:
    return Kernel(load(DOUBLE), [ArraySpec(FLOAT32, (10,))], [ArraySpec(FLOAT32, (10,))])


def count(lanes: int | None = None, text: str = COUNT) -> Kernel:
    return Kernel(load(text), [ArraySpec(INT64, ())], [ArraySpec(INT64, (lanes or 1,))], lanes=lanes)


def slow_count(lanes: int | None = None) -> Kernel:
    return count(lanes, SLOW_COUNT)


def lanes(n: int, block: int) -> Kernel:
    specs = [ArraySpec(FLOAT32, (n,)), ArraySpec(FLOAT32, (n, 3))]
    return Kernel(load(LANES), [ArraySpec(FLOAT32, (n, 3))], specs, workspace_bytes=12, lanes=n, lane_block=block)
