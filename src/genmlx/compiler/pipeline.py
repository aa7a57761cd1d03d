"""The order of the compiler's stages: from a function over arrays to a kernel.

    capture -> gradients -> passes -> code -> machine code

`lower` goes as far as source text, and needs no C++ compiler; `build` goes all the way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import mlx.core as mx

from genmlx.compiler.autodiff import expand_gradients
from genmlx.compiler.capture import Captured, capture
from genmlx.compiler.codegen import FLAGS, Lanes, Source, generate, lane_width
from genmlx.compiler.ir.printer import show
from genmlx.compiler.ir.types import Region, Type
from genmlx.compiler.passes import optimise
from genmlx.compiler.passes.dead import remove_dead_code
from genmlx.compiler.passes.precision import in_float64
from genmlx.compiler.runtime import ArraySpec, CompilerNotFound, Kernel, find_toolchain, load, usable_cores
from genmlx.numerics.types import Array

__all__ = ["Lowered", "Program", "build", "lower"]

_REGISTER_BYTES = 64
"""Of a vector register, where no compiler says: source text for AVX-512."""


_COMMENT = re.compile(r"[ \t]*//[^\n]*")
"""Comments name lines of the user's program: they are shown, and must not decide whether a kernel is found again."""


class Lowered(NamedTuple):
    """A function on its way to a kernel, at each stage.

    Attributes:
        captured: as MLX gave it, and the arrays that it holds.
        optimised: gradients expanded, after all passes.
        source: the text of the kernel.
        seconds: what capture, passes and printing took.
    """

    captured: Captured
    optimised: Region
    source: Source
    seconds: dict[str, float]


class Program(NamedTuple):
    """A function, compiled: its stages, and the kernel."""

    lowered: Lowered
    kernel: Kernel
    float64: bool

    def __call__(self, arrays: Sequence[Array], **options: object) -> list[Array]:
        """Run the kernel: see `genmlx.compiler.runtime.kernel.Kernel`."""
        inputs = [*arrays, *self.lowered.captured.data]
        if self.float64:
            inputs = [x.astype(mx.float64, stream=mx.cpu) if x.dtype == mx.float32 else x for x in inputs]
        return self.kernel(inputs, **options)  # type: ignore[arg-type]

    def show(self) -> str:
        """The captured graph, the optimised graph, and the source."""
        captured, optimised, source, seconds = self.lowered
        times = ", ".join(f"{stage} {1e3 * s:.1f} ms" for stage, s in seconds.items())
        return "\n\n".join(
            [
                "---- captured ----\n" + show(remove_dead_code(captured.region), "kernel"),
                "---- optimised ----\n" + show(optimised, "kernel"),
                "---- source ----\n" + source.text,
                f"---- {times}; workspace {source.workspace_bytes} bytes a thread ----",
            ]
        )


def lower(
    f: Callable[..., Sequence[Array]],
    examples: Sequence[Array],
    mapped: Sequence[bool] | None = None,
    lanes: int = 1,
    *,
    float64: bool = False,
) -> Lowered:
    """A function over arrays to the source of its kernel.

    Args:
        f: takes as many arrays as there are examples, and returns a sequence of arrays.
        examples: arrays of the shapes and dtypes of one execution.
        mapped: which arguments have a lane each; None for a kernel of one execution.
        lanes: about how many lanes there will be.
        float64: compute in double precision: float32 parameters and results become float64.

    Raises:
        CaptureError: see `genmlx.compiler.capture.capture`.
    """
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage], clock = now - clock, now

    captured = capture(f, *examples)
    lap("capture")
    region = expand_gradients(captured.region)
    optimised = optimise(in_float64(region) if float64 else region)
    lap("passes")
    layout = None
    if mapped is not None:
        all_mapped = (*mapped, *(False for _ in captured.data))
        layout = Lanes(all_mapped, lane_width(optimised, all_mapped, _register_bytes(), lanes, usable_cores()))
    source = generate(optimised, lanes=layout)
    lap("printing")
    return Lowered(captured, optimised, source, seconds)


def build(
    f: Callable[..., Sequence[Array]],
    examples: Sequence[Array],
    mapped: Sequence[bool] | None = None,
    lanes: int | None = None,
    *,
    float64: bool = False,
) -> Program:
    """A function over arrays to a kernel; with ``mapped``, to one of many lanes.

    Raises:
        CaptureError: see `genmlx.compiler.capture.capture`.
        CompilerNotFound: there is no C++ compiler.
    """
    lowered = lower(f, examples, mapped, lanes or 1, float64=float64)
    clock = time.perf_counter()
    source = lowered.source
    library = load(_COMMENT.sub("", source.text), flags=FLAGS)
    layout = source.lanes or Lanes((False,) * len(source.inputs), 1)
    inputs = [_spec(t, lanes if m else None) for t, m in zip(source.inputs, layout.mapped, strict=True)]
    outputs = [_spec(t, lanes) for t in source.outputs]
    kernel = Kernel(library, inputs, outputs, source.workspace_bytes, lanes, layout.width)
    lowered.seconds["compiling and loading"] = time.perf_counter() - clock
    return Program(lowered, kernel, float64)


def _register_bytes() -> int:
    try:
        return find_toolchain().vector_bytes
    except CompilerNotFound:
        return _REGISTER_BYTES


def _spec(type: Type, lanes: int | None) -> ArraySpec:  # noqa: A002
    dtype = getattr(mx, "bool_" if type.dtype == "bool" else type.dtype)
    return ArraySpec(dtype, type.shape if lanes is None else (lanes, *type.shape))
