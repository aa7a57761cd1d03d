"""The sanitizers see what they are there to see."""

import mlx.core as mx
import numpy as np
import pytest

from genmlx.compiler.runtime import ArraySpec
from helpers import kernels
from helpers.sanitize import SanitizerError, run_sanitized

TEN = ArraySpec(mx.float32, (10,))


def test_a_right_kernel_passes_and_computes_the_same():
    x = np.arange(21, dtype=np.float32).reshape(7, 3)
    specs = [ArraySpec(mx.float32, (7,)), ArraySpec(mx.float32, (7, 3))]
    total, reverse = run_sanitized(kernels.LANES, [mx.array(x)], specs, workspace_bytes=12, lanes=7, lane_block=2)
    np.testing.assert_array_equal(total, x.sum(axis=1))
    np.testing.assert_array_equal(reverse, x[:, ::-1])


@pytest.mark.parametrize(
    ("fault", "report"),
    [
        ("y[0] = x[10];", "heap-buffer-overflow"),
        ("y[10] = x[0];", "heap-buffer-overflow"),
        ("y[0] = x[-1];", "heap-buffer-overflow"),
        ("workspace[8] = 1; y[0] = workspace[0];", "heap-buffer-overflow"),
        ("float on_stack[4]; float* p = on_stack; p[4 + (int)x[0]] = 1; y[0] = on_stack[0];", "insufficient space"),
        ("y[0] = (float)(2147483647 + (int)x[1]);", "signed integer overflow"),
        ("y[0] = (float)(1 << (40 + (int)x[0]));", "shift exponent"),
        ("return 2;", "status 2"),
    ],
)
def test_a_fault_is_reported(fault, report):
    body = f"const float* x = (const float*)inputs[0]; float* y = (float*)outputs[0]; {fault} return 0;"
    with pytest.raises(SanitizerError, match=report):
        run_sanitized(kernels.source(body), [np.arange(10, dtype=np.float32)], [TEN], workspace_bytes=8)


def test_what_is_not_written_shows():
    (y,) = run_sanitized(
        kernels.source("((float*)outputs[0])[0] = ((float*)workspace)[0]; return 0;"), [], [TEN], workspace_bytes=4
    )
    assert np.isnan(y).all()
