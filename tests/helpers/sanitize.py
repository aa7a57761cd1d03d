"""Kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a program of their own.

Every input, output and workspace is a block of the heap of exactly its size: one byte beyond it is found. Workspaces
and outputs begin as bytes 0xff (NaN as a float, -1 as an integer), so that a value read before it is written shows.
"""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmlx.compiler.runtime import ArraySpec, find_toolchain
from genmlx.compiler.runtime.kernel import NUMPY_TYPES
from genmlx.compiler.runtime.toolchain import run_compiler

__all__ = ["SanitizerError", "run_sanitized"]

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1")
SETTINGS = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}

HARNESS = """
#include <cstdio>
#include <cstdlib>
#include <cstring>

static char* block(size_t bytes, size_t alignment, const char* file) {
    void* data = nullptr;  // aligned_alloc of a size that is no multiple keeps the bytes after it poisoned
    if (posix_memalign(&data, alignment, bytes)) exit(3);
    memset(data, 0xff, bytes);
    if (file && bytes) {
        FILE* stream = fopen(file, "rb");
        if (!stream || fread(data, 1, bytes, stream) != bytes) exit(4);
        fclose(stream);
    }
    return (char*)data;
}

int main() {
    static const size_t input_bytes[] = {INPUT_BYTES 0}, output_bytes[] = {OUTPUT_BYTES 0};
    static const void* inputs[INPUTS + 1];
    static void* outputs[OUTPUTS + 1];
    char name[64];
    for (int i = 0; i < INPUTS; ++i) {
        snprintf(name, sizeof name, "input%d", i);
        inputs[i] = block(input_bytes[i], 16, name);
    }
    for (int i = 0; i < OUTPUTS; ++i) outputs[i] = block(output_bytes[i], 16, nullptr);
    genmlx_control control = {0, 0, 0};
    for (long begin = 0; begin < LANES; begin += BLOCK) {
        char* workspace = block(WORKSPACE, 64, nullptr);
        long end = begin + BLOCK < LANES ? begin + BLOCK : LANES;
        int status = genmlx_kernel(inputs, outputs, workspace, begin, end, &control);
        if (status) { fprintf(stderr, "status %d, error %d\\n", status, control.error); exit(5); }
        free(workspace);
    }
    for (int i = 0; i < OUTPUTS; ++i) {
        snprintf(name, sizeof name, "output%d", i);
        FILE* stream = fopen(name, "wb");
        if (!stream || fwrite(outputs[i], 1, output_bytes[i], stream) != output_bytes[i]) exit(6);
        fclose(stream);
    }
}
"""


class SanitizerError(AssertionError):
    """A kernel did what C++ does not define; the text is the report."""


def run_sanitized(
    source: str,
    inputs: Sequence[object],
    output_specs: Sequence[ArraySpec],
    *,
    workspace_bytes: int = 0,
    lanes: int | None = None,
    lane_block: int = 1,
    flags: Sequence[str] = (),
    timeout: float = 120.0,
) -> list[np.ndarray]:
    """Run a kernel under the sanitizers; its outputs.

    Args:
        source: C++ text with ``genmlx_control`` and ``genmlx_kernel``.
        inputs: arrays of MLX or NumPy.
        output_specs: dtype and shape of each output.
        workspace_bytes: as for `Kernel`.
        lanes: as for `Kernel`.
        lane_block: as for `Kernel`.
        flags: for the compiler, after those of the toolchain.
        timeout: seconds for the compiler, and again for the run.

    Raises:
        SanitizerError: memory out of bounds, undefined behaviour, or a status other than 0.
    """
    toolchain = find_toolchain()
    arrays = [np.ascontiguousarray(np.asarray(value)) for value in inputs]
    macros = {
        "INPUTS": len(arrays),
        "INPUT_BYTES": "".join(f"{array.nbytes}, " for array in arrays),
        "OUTPUTS": len(output_specs),
        "OUTPUT_BYTES": "".join(f"{spec.nbytes}, " for spec in output_specs),
        "WORKSPACE": workspace_bytes,
        "LANES": 1 if lanes is None else lanes,
        "BLOCK": lane_block,
    }
    defines = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    with tempfile.TemporaryDirectory(prefix="genmlx-sanitize-") as name:
        folder = Path(name)
        (folder / "kernel.cpp").write_text(source + defines + HARNESS)
        for index, array in enumerate(arrays):
            array.tofile(folder / f"input{index}")
        used = [flag for flag in toolchain.flags if flag not in {"-shared", "-O3"}]
        command = [*toolchain.command, *used, *flags, *SANITIZERS, "-o", "kernel", "kernel.cpp"]
        status, output = run_compiler(command, folder, timeout)
        assert status == 0, output
        answer = subprocess.run(
            ["./kernel"], cwd=folder, env={**os.environ, **SETTINGS}, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        if answer.returncode != 0:
            raise SanitizerError(f"exit code {answer.returncode}\n{answer.stderr}")
        return [
            np.fromfile(folder / f"output{index}", dtype=NUMPY_TYPES[spec.dtype]).reshape(spec.shape)
            for index, spec in enumerate(output_specs)
        ]
