"""A compiled kernel that takes and returns MLX arrays.

**Memory.** Inputs are read where MLX keeps them. Outputs are new MLX arrays that the kernel fills in place: MLX has no
way to adopt foreign memory, so an output that was computed elsewhere would be held twice and copied. They begin as
zeros, and what a stopped kernel has not reached stays zero.

**Lanes.** The lanes of a kernel are cut into blocks of fixed size, and threads take one block after the other. Which
thread computes a lane changes nothing of its result, so results do not depend on the number of threads.

**Interruption.** A call runs in the calling thread, together with helpers if there are several blocks: there is no
thread to wake, and a small kernel takes a few microseconds. In the main thread a signal makes the kernel return
(``launcher.cpp``); then Python's handler has its turn. If that raises, the exception leaves the call, Ctrl-C as
`Interrupted` with the outputs so far. If it returns, the kernel is run again from the start, now in other threads while
this one waits in short slices, in which Python can handle signals without the kernel noticing. A call with
``progress`` runs in this second way from the beginning.

A kernel that is called from another thread is not interrupted: Python raises KeyboardInterrupt in the main thread only.
"""

import ctypes
import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

from genmlx.compiler.runtime.launcher import Call, Control, Status, launcher
from genmlx.compiler.runtime.library import Library
from genmlx.compiler.runtime.machine import usable_cores
from genmlx.numerics.errors import GenMLXError, ShapeError, UsageError
from genmlx.numerics.types import Array, Shape

__all__ = ["ArraySpec", "Interrupted", "Kernel", "KernelError", "KernelMemory"]

ENTRY = "genmlx_kernel"
_SLICE_NANOSECONDS = 100_000_000
"""A thread that waits looks at signals, and calls ``progress``, ten times a second."""

NUMPY_TYPES = {
    mx.bool_: np.bool_,
    mx.int8: np.int8, mx.int16: np.int16, mx.int32: np.int32, mx.int64: np.int64,
    mx.uint8: np.uint8, mx.uint16: np.uint16, mx.uint32: np.uint32, mx.uint64: np.uint64,
    mx.float16: np.float16, mx.float32: np.float32, mx.float64: np.float64, mx.complex64: np.complex64,
}  # fmt: skip
"""The dtypes that a kernel can take and return."""

MSG_DTYPE = "a kernel cannot have {what} of dtype {dtype}, which C++ and NumPy do not have"
MSG_COUNT = "the kernel takes {expected} inputs, found {found}"
MSG_NOT_ARRAY = "input {index} of the kernel is {value!r}, not an MLX array"
MSG_INPUT = "input {index} of the kernel is {found}, and it was compiled for {expected}"
MSG_ERROR = "the kernel reports the internal error {code}"
MSG_NO_MEMORY = "no memory for a workspace of {bytes} bytes in each of {threads} threads"
MSG_NO_THREAD = "the system starts no thread"
MSG_OUR_BUG = "nothing in your program: this is a bug of GenMLX. Please report it with {source}"

_memory: Callable[[Any], Any] = (ctypes.c_char * 0).from_buffer
"""The memory of an evaluated array, as something that has an address and keeps it alive. TypeError: it is not dense."""


class KernelError(GenMLXError, RuntimeError):
    """A kernel ended with an internal error."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a kernel ran. Nothing is lost that was finished.

    Attributes:
        outputs: the outputs; what had not been reached is zero.
        progress: how many iterations of its outermost loop the kernel had finished (of the first block of lanes).
    """

    def __init__(self, outputs: list[Array], progress: int) -> None:
        super().__init__(f"interrupted after {progress} iterations")
        self.outputs, self.progress = outputs, progress


class ArraySpec(NamedTuple):
    """Dtype and shape of an input or an output."""

    dtype: mx.Dtype
    shape: Shape

    @property
    def nbytes(self) -> int:
        """Bytes of the dense array."""
        return self.dtype.size * prod(self.shape)

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('mlx.core.')}{list(self.shape)}"


class KernelMemory(NamedTuple):
    """Bytes that one call of a kernel needs."""

    inputs: int
    outputs: int
    workspace: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)


class _Prepared(NamedTuple):
    """One call: addresses for the kernel, and what keeps the memory behind them alive."""

    inputs: Any
    outputs: Any
    control: Control
    results: list[Array]
    held: list[Any]


_running: dict[int, _Prepared] = {}
"""The calls that threads of the pool work on. An exception at the worst moment must not free their memory."""


class Kernel:
    """A function of MLX arrays, compiled.

    The function ``genmlx_kernel`` of the library runs lanes ``lane_begin`` to ``lane_end``; it reads whole dense
    row-major inputs and writes its part of whole dense row-major outputs, whose first axis are the lanes.

    Args:
        library: the loaded source.
        input_specs: dtype and shape of each input.
        output_specs: dtype and shape of each output.
        workspace_bytes: memory of its own that each running block needs.
        lanes: number of lanes; None for a kernel without lanes, which runs once.
        lane_block: how many lanes one call of the function runs.
    """

    def __init__(
        self,
        library: Library,
        input_specs: Sequence[ArraySpec],
        output_specs: Sequence[ArraySpec],
        workspace_bytes: int = 0,
        lanes: int | None = None,
        lane_block: int = 1,
    ) -> None:
        for what, specs in (("an input", input_specs), ("an output", output_specs)):
            for spec in specs:
                if spec.dtype not in NUMPY_TYPES:
                    raise UsageError(MSG_DTYPE.format(what=what, dtype=spec.dtype), fix="x.astype(mx.float32)")
        if lane_block < 1 or (lanes or 0) < 0 or workspace_bytes < 0:
            raise UsageError(f"a kernel of {lanes} lanes in blocks of {lane_block}, {workspace_bytes} bytes each")
        self.library, self.workspace_bytes = library, workspace_bytes
        self.lanes, self.lane_block = lanes, lane_block
        self.input_specs = tuple(ArraySpec(dtype, tuple(shape)) for dtype, shape in input_specs)
        self.output_specs = tuple(ArraySpec(dtype, tuple(shape)) for dtype, shape in output_specs)
        count = 1 if lanes is None else lanes
        self._blocks = -(-count // lane_block)
        self._call = Call(library.address(ENTRY), workspace_bytes, count, lane_block)
        self._call_address = ctypes.addressof(self._call)
        # Zeros that are never written to take no memory of their own: the system shows one page of zeros many times.
        self._zeros = [(np.zeros(spec.shape, NUMPY_TYPES[spec.dtype]), spec.dtype) for spec in self.output_specs]
        self._input_addresses = ctypes.c_void_p * len(self.input_specs)
        self._output_addresses = ctypes.c_void_p * len(self.output_specs)
        self._launcher = launcher()

    def __call__(
        self,
        inputs: Sequence[Array],
        *,
        threads: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[Array]:
        """Run the kernel.

        Args:
            inputs: arrays of the dtypes and shapes that the kernel was made for.
            threads: at most so many; default ``GENMLX_THREADS``, else the cores that this process may use.
            progress: called about ten times a second, and at the end, with the number of iterations that the first
                block of lanes has finished; an exception that it raises stops the kernel and is passed on.

        Raises:
            ShapeError: an input of another dtype or shape.
            Interrupted: Ctrl-C.
            KernelError: the kernel found something wrong with itself.
            MemoryError: there is no memory for the workspace.
        """
        call = self._prepare(inputs)
        if self._blocks == 0:
            return call.results
        threads = 1 if self._blocks == 1 else self._threads(threads)
        if progress is not None:
            status = self._watch(call, threads, progress)
        else:
            status = self._join(call, threads)
            if status == Status.STOPPED:  # by a signal whose handler lets us go on
                call = self._prepare(inputs)
                status = self._watch(call, threads, None)
        if status != Status.DONE:
            raise self._error(status, call.control, threads)
        return call.results

    def memory(self, threads: int | None = None) -> KernelMemory:
        """Bytes of one call; each thread keeps its workspace for its next kernel, if it is not large."""
        inputs, outputs = (sum(spec.nbytes for spec in specs) for specs in (self.input_specs, self.output_specs))
        return KernelMemory(inputs, outputs, self.workspace_bytes * self._threads(threads))

    def _threads(self, threads: int | None) -> int:
        if threads is not None and threads < 1:
            raise UsageError(f"a kernel cannot run in {threads} threads", fix="threads=1")
        return min(self._blocks, usable_cores() if threads is None else threads)

    def _prepare(self, inputs: Sequence[Array]) -> _Prepared:
        if len(inputs) != len(self.input_specs):
            raise UsageError(MSG_COUNT.format(expected=len(self.input_specs), found=len(inputs)))
        for index, (array, spec) in enumerate(zip(inputs, self.input_specs, strict=True)):
            if not isinstance(array, mx.array):
                raise UsageError(MSG_NOT_ARRAY.format(index=index, value=array), fix="mx.array(...)")
            if array.dtype != spec.dtype or array.shape != spec.shape:
                found = ArraySpec(array.dtype, array.shape)
                raise ShapeError(MSG_INPUT.format(index=index, found=found, expected=spec))
        mx.eval(*inputs)
        held = [_dense_memory(array) for array in inputs]
        results = [mx.array(zeros, dtype=dtype) for zeros, dtype in self._zeros]
        filled = [_memory(result) for result in results]
        return _Prepared(
            self._input_addresses(*map(ctypes.addressof, held)),
            self._output_addresses(*map(ctypes.addressof, filled)),
            Control(),
            results,
            held + filled,
        )

    def _join(self, call: _Prepared, threads: int) -> int:
        """Run in this thread. It has ended when this returns or raises."""
        main = threading.current_thread() is threading.main_thread()
        control = ctypes.byref(call.control)
        try:
            status = self._launcher.genmlx_join(self._call_address, call.inputs, call.outputs, control, threads, main)
            if status == Status.STOPPED:
                ctypes.pythonapi.PyErr_CheckSignals()  # its handler runs now, here
        except KeyboardInterrupt as error:
            raise Interrupted(call.results, call.control.progress) from error
        return status

    def _watch(self, call: _Prepared, threads: int, progress: Callable[[int], object] | None) -> int:
        """Run in other threads, and wait here."""
        native, control = self._launcher, call.control
        job, status = ctypes.c_void_p(), Status.NO_THREAD
        address = ctypes.addressof(control)
        _running[address] = call
        try:
            try:
                # The job comes back by reference: an exception just after the call must not lose it.
                native.genmlx_start(ctypes.byref(job), self._call_address, call.inputs, call.outputs, address, threads)
                while job and not native.genmlx_wait(job, _SLICE_NANOSECONDS):
                    if progress is not None:
                        progress(control.progress)
                if job and progress is not None:
                    progress(control.progress)
            finally:
                if job:
                    status = native.genmlx_finish(job)  # stops it if it runs, and waits for the threads
                del _running[address]
        except KeyboardInterrupt as error:
            raise Interrupted(call.results, control.progress) from error
        return status

    def _error(self, status: int, control: Control, threads: int) -> Exception:
        if status == Status.NO_MEMORY:
            return MemoryError(MSG_NO_MEMORY.format(bytes=self.workspace_bytes, threads=threads))
        if status == Status.NO_THREAD:
            return MemoryError(MSG_NO_THREAD)
        source = self.library.path.with_name("kernel.cpp")
        return KernelError(MSG_ERROR.format(code=control.error), fix=MSG_OUR_BUG.format(source=source))


def _dense_memory(array: Array) -> Any:
    """The memory of an evaluated array if it is dense and row-major, else that of a copy which is."""
    try:
        return _memory(array)
    except TypeError:  # float64 can be copied on the CPU only
        return _memory(mx.contiguous(array, stream=mx.cpu))
