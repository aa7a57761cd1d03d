"""`compile`: a function of trees of arrays to a native kernel, made once for each shape of its arguments."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import mlx.core as mx

from genmlx.compiler import capture
from genmlx.compiler.capture import CaptureError, UnsupportedPrimitive
from genmlx.control.transforms import Vectorised, leading_size
from genmlx.control.trees import as_arrays
from genmlx.numerics.errors import ControlFlowError, GenMLXError, UsageError
from genmlx.numerics.pytree import Structure, join_arrays, split_arrays
from genmlx.numerics.types import Array, Tree

if TYPE_CHECKING:
    from genmlx.compiler.pipeline import Program

__all__ = ["Compiled", "FallbackWarning", "compile"]


class FallbackWarning(UserWarning):
    """A function runs by MLX, operation by operation, because it could not be compiled."""


class _Kernel(NamedTuple):
    """A function compiled for one shape of its arguments."""

    program: Program
    structure: Structure


class Compiled:
    """A compiled function: call it like the function."""

    def __init__(self, f: Callable[..., Tree], backend: str, precision: str) -> None:
        for name, value, known in (
            ("backend", backend, ("auto", "native", "mlx")),
            ("precision", precision, ("float32", "float64")),
        ):
            if value not in known:
                raise UsageError(f"{name}={value!r} is none of {', '.join(map(repr, known))}")
        if precision == "float64" and backend == "mlx":
            raise UsageError("precision='float64' is for compiled kernels", fix="backend='native'")
        self._f, self._backend, self._precision = f, backend, precision
        self._kernels: dict[Any, _Kernel | None] = {}
        functools.update_wrapper(self, f.f if isinstance(f, Vectorised) else f, updated=())

    def __call__(
        self, *args: Tree, threads: int | None = None, progress: Callable[[int], object] | None = None
    ) -> Tree:
        """The result of the function.

        Args:
            args: as for the function. Arrays of another shape or dtype than before make a new kernel.
            threads: at most so many, for a function with lanes; default: the cores that this process may use.
            progress: called now and then with the number of finished iterations of the outermost loop.

        Raises:
            Interrupted: Ctrl-C; it holds what was finished.
            UsageError: the call is differentiated, vectorised or compiled by MLX.
        """
        if self._backend == "mlx" or capture.is_capturing():
            return self._f(*args)
        args = as_arrays(args)
        kernel = self._kernel(args)
        if kernel is None:
            return self._f(*args)
        arrays = split_arrays(_lanes_first(self._f, args))[0]
        return join_arrays(kernel.structure, _run(kernel.program, arrays, threads, progress))

    def show(self, *args: Tree) -> str:
        """The captured graph, the optimised graph and the source, for arguments like these.

        Without arguments: for those of the first call.
        """
        if args:
            kernel = self._kernel(as_arrays(args))
        elif self._kernels:
            kernel = next(iter(self._kernels.values()))
        else:
            raise UsageError("nothing was compiled yet", fix="show(*args) with arguments like those of a call")
        return "not compiled: it runs by MLX" if kernel is None else kernel.program.show()

    def _kernel(self, args: tuple[Tree, ...]) -> _Kernel | None:
        arrays, structure = split_arrays(args)
        key = (structure, tuple((a.shape, a.dtype) for a in arrays))
        try:
            return self._kernels[key]
        except KeyError:
            kernel = self._kernels[key] = self._make(args)
            return kernel

    def _make(self, args: tuple[Tree, ...]) -> _Kernel | None:
        from genmlx.compiler.runtime import CompileError, CompilerNotFound, CompileTimeout

        reasons = (CaptureError, ControlFlowError, UnsupportedPrimitive)
        try:
            return _compile(self._f, args, self._precision == "float64")
        except (*reasons, CompileError, CompilerNotFound, CompileTimeout) as error:
            if self._backend == "native" or self._precision == "float64":
                raise
            name = getattr(self, "__name__", "a function")
            warnings.warn(f"{name} runs by MLX, without a compiled kernel: {error}", FallbackWarning, stacklevel=4)
            return None


def compile(  # noqa: A001 - its name in the field
    f: Callable[..., Tree], *, backend: str = "auto", precision: str = "float32"
) -> Compiled:
    """Compile a function over MLX arrays, loops of `genmlx.control` included, to one native kernel for the CPU.

    The function is called once for each shape and dtype of its arguments, with arrays that have no values; then the
    kernel runs in its place. Python in it runs once. Arrays that it closes over are read at that time. Compiled kernels
    are kept on disk, so that the next process does not compile again.

    Args:
        f: takes and returns trees of arrays. ``genmlx.control.vmap(f)`` makes its axis the lanes of the kernel, which
            run side by side in vector registers and threads.
        backend: ``"auto"`` falls back to MLX with a warning where it cannot compile; ``"native"`` raises then;
            ``"mlx"`` does not compile.
        precision: ``"float64"`` computes in double precision what the function computes in float32, and returns float64
            arrays. Constants are read as they are written: 0.1 is the double 0.1. Needs a kernel: there is no fallback.

    Raises:
        UsageError: another backend or precision.

    >>> import mlx.core as mx
    >>> from genmlx.control import compile, fori_loop
    >>> collatz = compile(lambda n: fori_loop(0, 4, lambda i, x: mx.where(x % 2 == 0, x // 2, 3 * x + 1), n))
    >>> collatz(mx.array(7)).item()
    17
    """
    return Compiled(f, backend, precision)


def _compile(f: Callable[..., Tree], args: tuple[Tree, ...], float64: bool) -> _Kernel:
    from genmlx.compiler.pipeline import build  # the stages of the compiler are loaded when they are needed

    body = f.f if isinstance(f, Vectorised) else f
    mx.eval(capture.lifted(body)[0])  # what it closes over: data of the kernel, not the way they were computed
    axes = f.axes(args) if isinstance(f, Vectorised) else (None,) * len(args)
    parts = [split_arrays(arg) for arg in _lanes_first(f, args)]
    mapped = [axis is not None for (leaves, _), axis in zip(parts, axes, strict=True) for _ in leaves]
    arrays = [a for leaves, _ in parts for a in leaves]
    examples = [mx.zeros(a.shape[1:] if m else a.shape, a.dtype) for a, m in zip(arrays, mapped, strict=True)]
    structure = split_arrays(args)[1]
    found: list[Structure] = []

    def flat(*arrays: Array) -> list[Array]:
        results, result_structure = split_arrays(as_arrays(body(*join_arrays(structure, list(arrays)))))
        found.append(result_structure)
        return results

    if not isinstance(f, Vectorised):
        return _Kernel(build(flat, examples, float64=float64), found[-1])
    lanes = leading_size([a for a, m in zip(arrays, mapped, strict=True) if m])
    return _Kernel(build(flat, examples, mapped, lanes, float64=float64), found[-1])


def _lanes_first(f: Callable[..., Tree], args: tuple[Tree, ...]) -> tuple[Tree, ...]:
    return f.lanes_first(args) if isinstance(f, Vectorised) else args


def _run(program: Program, arrays: list[Array], threads: int | None, progress: Any) -> list[Array]:
    if not any(mx.issubdtype(a.dtype, mx.floating) for a in arrays):
        return _explained(program, arrays, threads, progress)
    # To MLX the kernel's results are constants: without this, mx.grad of a compiled function would be zero.
    guarded = mx.custom_function(lambda *xs: _explained(program, list(xs), threads, progress))
    for rule in (guarded.vjp, guarded.jvp, guarded.vmap):
        rule(_refuse)
    results: Any = guarded(*arrays)
    return list(results)


def _explained(program: Program, arrays: list[Array], threads: int | None, progress: Any) -> list[Array]:
    try:
        return program(arrays, threads=threads, progress=progress)
    except ValueError as error:
        if isinstance(error, GenMLXError) or "function transformations" not in str(error):
            raise
        raise _transformed() from error


def _refuse(*_: Any) -> NoReturn:
    raise _transformed()


def _transformed() -> UsageError:
    return UsageError(
        "a compiled function was called inside mx.grad, mx.vmap or mx.compile, which do not see what it computes",
        fix="compile the outermost function: compile(control.value_and_grad(f)), compile(control.vmap(f))",
    )
