"""The compiler's own vector math library: C++ text for the elementary and special functions that kernels call.

A kernel is one C++ source without headers, compiled within a fraction of a second; it holds the functions that it uses,
and these only. Each is written once, in a straight line (`fmod` and powers of integers loop), and printed for the types
at hand:

* one lane (`f32`, `f64`), in loops that compilers vectorise because nothing in them branches;
* several lanes (`f32x16`, `f64x8`, any power of two), as GCC/Clang vectors.

All of them give the same bits: where a product meets a sum the text says whether they are fused, so neither the number
of lanes nor the optimiser's choices change a result. (A kernel's own expressions have no such promise under
`-ffp-contract=fast`: `gm_fma(a, b, c)` and `gm_multiply(a, b)` say what is meant.) Compile with `FLAGS`, and never with
`-ffast-math`: results at infinity, NaN and zeros of either sign are part of the contract, as are denormal numbers.
Clang's `-ffp-contract=fast` fuses across statements what the text keeps apart; give it `-ffp-contract=off`.

>>> from genmlx.compiler.codegen import mathlib
>>> text = mathlib.emit(["log1p"], precisions=("float32",), lanes=(1, 16))
>>> "f32 gm_log1p(f32 x)" in text, "f32x16 gm_log1p(f32x16 x)" in text, "gm_exp" in text
(True, True, False)

**Random bits.** `threefry2x32(key0, key1, count0, count1)` is the block function, `random_word(key0, key1, size, i)`
word `i` of the `size` words that MLX draws from one key. With half = size // 2 and odd = size % 2, block j < half has
the counter (j, half + odd + j) and fills word j with its first and word half + odd + j with its second output; an odd
size has one more block, the counter (half, 0), whose first output is word half. So `mx.random.split(key, n)` is words 0
to 2 n - 1 of size 2 n (key i is words 2 i and 2 i + 1), and `mx.random.uniform`, `normal`, `bernoulli` and `randint` of
n elements use word i of size n for element i in row-major order, for every dtype: MLX asks for 4 bytes an element
always. A batch of keys (under `vmap`) is one such draw a key.
"""

import re
from collections.abc import Iterable, Sequence

from genmlx.compiler.codegen.mathlib import (
    error_function,
    exponential,
    gamma,
    logarithm,
    prelude,
    random,
    rounding,
    trigonometric,
)
from genmlx.compiler.codegen.mathlib.function import Function
from genmlx.compiler.codegen.mathlib.spelling import Bits, Lanes, instantiate, literal
from genmlx.numerics.errors import UsageError

__all__ = ["FLAGS", "FUNCTIONS", "Function", "Lanes", "emit", "literal"]

FLAGS = ("-std=gnu++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")

MODULES = (rounding, exponential, logarithm, trigonometric, error_function, gamma, random)

FUNCTIONS: dict[str, Function] = {f.name: f for module in MODULES for f in module.FUNCTIONS}
"""What kernels may call, as `gm_<name>`, with the error of each."""

PARTS = {**exponential.PARTS, **logarithm.PARTS, **trigonometric.PARTS, **error_function.PARTS, **gamma.PARTS}

BITS: dict[str, Bits] = {"float32": 32, "float64": 64}
called = re.compile(r"\bgm_(\w+)\(")


def emit(names: Iterable[str], *, precisions: Sequence[str] = ("float32",), lanes: Sequence[int] = (1,)) -> str:
    """The primitives and the functions `names` with all that they call, each before its use.

    Args:
        names: Functions of `FUNCTIONS`.
        precisions: "float32", "float64", or both.
        lanes: How many lanes a value has; 1 is a plain number, more a vector type. One kernel may use several.

    Returns:
        C++ text that includes no header and defines only static inline functions and types.
    """
    ordered = closure(names)
    wanted = {BITS[precision] for precision in precisions}
    text = [prelude.HEAD]
    widths: tuple[Bits, ...] = (32, 64)
    for bits in widths:
        # Functions of 32-bit words are needed beside float64, too.
        here = [f for f in ordered if bits in f.bits and (bits in wanted or len(f.bits) == 1)]
        if bits not in wanted and not here:
            continue
        for count in sorted(set(lanes)):
            type_ = Lanes(bits, count)
            text.append(instantiate(prelude.primitives(type_), type_))
            text.extend(instantiate(f.template(bits), type_) for f in here)
    return "\n".join(text)


def closure(names: Iterable[str]) -> list[Function]:
    """The functions `names` and all that these call, callees first."""
    ordered: dict[str, Function] = {}

    def visit(function: Function) -> None:
        for callee in called.findall(function.template(function.bits[0])):
            if callee != function.name and callee in known and callee not in ordered:
                visit(known[callee])
        ordered.setdefault(function.name, function)

    known = FUNCTIONS | PARTS
    for name in names:
        if name not in FUNCTIONS:
            raise UsageError(
                f"The math library has no function {name!r}.",
                fix=f"one of {', '.join(sorted(FUNCTIONS))}",
            )
        visit(FUNCTIONS[name])
    return list(ordered.values())
