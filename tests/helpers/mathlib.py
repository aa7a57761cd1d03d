"""The compiler's math library as a shared object: each function over arrays, in loops of one lane and in vectors."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy import special

from genmlx.compiler.codegen import mathlib

Floats = NDArray[np.floating]

COMPILER = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")

# Every lane count below is printed and compared; 4 float32 and 2 float64 fill the smallest registers, 16 and 8 the largest.
LANES = {"f32": (1, 4, 16), "f64": (1, 2, 8), "i32": (1, 16), "u32": (1, 16), "i64": (1, 8), "u64": (1, 8)}
DTYPE = {"f32": "float32", "f64": "float64", "i32": "int32", "u32": "uint32", "i64": "int64", "u64": "uint64"}

BINARY = ("power", "atan2", "logaddexp", "fmod", "remainder", "floor_divide", "minimum", "maximum", "copysign")
INTEGER = ("floor_divide", "remainder", "minimum", "maximum", "power")
MASKS = ("isnan", "isinf", "isfinite")
APART = ("fma", "threefry2x32", "random_word")
UNARY = tuple(name for name in mathlib.FUNCTIONS if name not in (*BINARY, *MASKS, *APART))

LOOP = """
extern "C" void {name}_{scalar}_{lanes}(long n, const {scalar}* a, const {scalar}* b, {scalar}* out) {{
    for (long i = 0; i < n; i += {lanes}) {{
        {type} x, y, r;
        __builtin_memcpy(&x, a + i, sizeof x);
        __builtin_memcpy(&y, b + i, sizeof y);
        r = {call};
        __builtin_memcpy(out + i, &r, sizeof r);
    }}
}}
"""


def loops() -> str:
    """An exported loop for each function, type and lane count."""
    text = []
    for scalar, counts in LANES.items():
        floats = scalar[0] == "f"
        for lanes in counts:
            type_ = scalar if lanes == 1 else f"{scalar}x{lanes}"
            calls = {name: f"gm_{name}(x, y)" for name in (BINARY if floats else INTEGER)}
            if floats:
                calls |= {name: f"gm_{name}(x)" for name in UNARY}
                calls |= {name: f"gm_{name}(x) ? x - x + 1 : x - x" for name in MASKS if lanes == 1}
            for name, call in calls.items():
                text.append(LOOP.format(name=name, type=type_, lanes=lanes, scalar=scalar, call=call))
    return "".join(text)


class Library:
    """A compiled library; `library(name, x, y, lanes=1)` applies `gm_<name>` to arrays."""

    def __init__(self, source: str, folder: Path, name: str = "mathlib", flags: Sequence[str] = mathlib.FLAGS) -> None:
        path = folder / f"{name}.cpp"
        path.write_text(source)
        binary = path.with_suffix(".so")
        command = [COMPILER, *flags, "-Wall", "-Wno-psabi", "-Werror", "-fPIC", "-shared", path, "-o", binary]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[:5000]
        self.binary = ctypes.CDLL(str(binary))

    def __call__(self, name: str, x: NDArray, y: NDArray | None = None, *, lanes: int = 1) -> NDArray:
        x = np.ascontiguousarray(x)
        y = np.ones_like(x) if y is None else np.ascontiguousarray(y, x.dtype)
        size = -(-x.size // lanes) * lanes
        a, b = (np.concatenate([v.ravel(), np.ones(size - v.size, v.dtype)]) for v in (x, y))
        out = np.empty_like(a)
        scalar = next(s for s, dtype in DTYPE.items() if x.dtype == dtype)
        function = getattr(self.binary, f"{name}_{scalar}_{lanes}")
        function(ctypes.c_long(size), *(ctypes.c_void_p(v.ctypes.data) for v in (a, b, out)))
        return out[: x.size].reshape(x.shape)


# ---- references ------------------------------------------------------------------------------------------------------


def sigmoid(x: NDArray) -> NDArray:
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))


# In double precision, for float32.
DOUBLE: Mapping[str, Callable[..., NDArray]] = {
    "abs": np.abs, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "round": np.rint, "floor": np.floor,
    "ceil": np.ceil, "trunc": np.trunc, "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)) + 0.0,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "erf": special.erf, "erfc": special.erfc, "erfinv": lambda x: np.copysign(special.erfinv(x), x), "sigmoid": sigmoid,
    "lgamma": special.gammaln, "digamma": special.digamma, "power": np.power, "atan2": np.arctan2, "logaddexp": np.logaddexp,
    "fmod": np.fmod, "copysign": np.copysign,
}  # fmt: skip


def exact_erfinv(x: mpmath.mpf) -> mpmath.mpf:
    """Newton's method from SciPy's double: two steps reach forty digits. In terms of erfc near 1, where erf is flat."""
    a = abs(x)
    y = mpmath.mpf(float(special.erfinv(float(a))))
    for _ in range(3):
        error = mpmath.erf(y) - a if a < 0.5 else (1 - a) - mpmath.erfc(y)
        y -= error * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
    return mpmath.sign(x) * y


# In forty digits, for float64.
EXACT: Mapping[str, Callable[..., mpmath.mpf]] = {
    "rsqrt": lambda x: 1 / mpmath.sqrt(x), "exp": mpmath.exp, "exp2": lambda x: mpmath.mpf(2) ** x,
    "expm1": mpmath.expm1, "log": mpmath.log, "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": lambda x: mpmath.log(x) / mpmath.log(10), "log1p": mpmath.log1p, "sin": mpmath.sin, "cos": mpmath.cos,
    "tan": mpmath.tan, "asin": mpmath.asin, "acos": mpmath.acos, "atan": mpmath.atan, "sinh": mpmath.sinh,
    "cosh": mpmath.cosh, "tanh": mpmath.tanh, "asinh": mpmath.asinh, "acosh": mpmath.acosh, "atanh": mpmath.atanh,
    "erf": mpmath.erf, "erfc": mpmath.erfc, "erfinv": exact_erfinv, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))) if abs(x) < 30 else mpmath.re(mpmath.loggamma(x)),
    "digamma": mpmath.digamma, "power": lambda x, y: mpmath.re(mpmath.mpf(x) ** y), "atan2": mpmath.atan2,
    "logaddexp": lambda x, y: max(x, y) + mpmath.log1p(mpmath.exp(-abs(x - y))),
}  # fmt: skip


# ---- errors ------------------------------------------------------------------------------------------------------------


def ulp_of(value: NDArray, dtype: np.dtype) -> NDArray:
    """One unit in the last place of a float of type `dtype` of that size, as a double (the value may be a double)."""
    mantissa, lowest = (24, -149) if dtype == np.float32 else (53, -1074)
    exponent = np.frexp(value)[1]
    return np.ldexp(1.0, np.maximum(exponent - mantissa, lowest))


def errors_in_ulp(found: Floats, expected: Floats, scale: Floats | None = None) -> Floats:
    """Errors of float32 results against doubles, in ulp (of `scale`, where given); infinite where a special value differs.

    A reference that rounds to infinity asks for infinity or the largest float, and zeros must agree in sign.
    """
    with np.errstate(over="ignore"):
        rounded = expected.astype(found.dtype)
    special_value = ~np.isfinite(rounded) | ~np.isfinite(found) | ((expected == 0) & (found == 0))
    same = (found == rounded) & (np.signbit(found) == np.signbit(rounded)) | (np.isnan(found) & np.isnan(rounded))
    largest = np.finfo(found.dtype).max
    edge = np.isfinite(expected) & (np.abs(expected) > 0.999999 * largest) & (np.abs(found) >= largest)
    size = ulp_of(expected if scale is None else scale, found.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(found.astype(np.float64) - expected) / size
    return np.where(special_value, np.where(same | edge, 0.0, np.inf), error)


def exact_error_in_ulp(found: float, expected: mpmath.mpf, scale: mpmath.mpf | None = None) -> float:
    """The error of a double against forty digits, in ulp."""
    size = abs(expected if scale is None else scale)
    if size > mpmath.mpf(float(np.finfo(np.float64).max)):
        return 0.0 if np.isinf(found) or abs(found) == np.finfo(np.float64).max else float("inf")
    if not np.isfinite(found):
        return float("inf")
    exponent = mpmath.frexp(size)[1] if size else -2000
    return float(abs(mpmath.mpf(float(found)) - expected) / mpmath.ldexp(1, max(exponent - 53, -1074)))
