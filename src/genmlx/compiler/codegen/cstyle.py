"""How C spells types, literals and elementwise operations: one row an operation.

A row has a template for each kind of number: `float`, `int` (signed), `uint`, `bool`; what a kind lacks it takes from
another one (see `Row`). In a template `{0}`, `{1}`, `{2}` are operands, names or literals always, and

* `{T}` is the type of the result, `{U}` the unsigned integer of its width, `{N}` negation of a bool,
* `{zero}`, `{one}` are those numbers in the type of the operands, `{bits}` the width of an integer,
* `gm_...` is a function of the math library, or of `INTEGER_HELPERS`.

The same text is right for one lane and for a vector of lanes, where a bool is an `int32` for each lane, 0 or -1.
Signed integers wrap, through unsigned arithmetic. Integers of 8 and 16 bits are computed in 32, as C does anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from genmlx.compiler.codegen import mathlib
from genmlx.compiler.codegen.mathlib.spelling import Bits
from genmlx.compiler.ir.types import DTYPES

__all__ = ["CPP", "INTEGER_HELPERS", "ROWS", "Dialect", "Row", "kind_of", "literal", "spell", "splat", "type_name"]

CALLED = re.compile(r"\bgm_(\w+)\(")

SHORT = {name: name.replace("uint", "u").replace("int", "i").replace("float", "f") for name in DTYPES}


@dataclass(frozen=True)
class Dialect:
    """What differs between compilers of the C family.

    Attributes:
        independent: the line before a loop whose iterations may run in any order.
        reduction: the line before a loop that reduces; `{clauses}` are put in.
        clause: one reduction by an operator, or by a function that `declaration` names.
        declaration: how a function becomes a reduction.
    """

    independent: str
    reduction: str
    clause: str
    declaration: str


CPP = Dialect(
    independent="#pragma GCC ivdep",
    reduction="#pragma omp simd {clauses}",
    clause="reduction({operator}:{name})",
    declaration=(
        "#pragma omp declare reduction(gm_{kind} : {type} : omp_out = {combined}) initializer(omp_priv = {neutral})"
    ),
)


def kind_of(dtype: str) -> str:
    """The kind of number: float, int, uint or bool."""
    return {"f": "float", "i": "int", "u": "uint", "b": "bool"}[dtype[0]]


def bits_of(dtype: str) -> int:
    """The width of one element."""
    return DTYPES[dtype].itemsize * 8


def type_name(dtype: str, lanes: int = 1) -> str:
    """The C++ type of an element: `f32`, `f32x16`, for bools `bool`, `i32x16`."""
    if lanes == 1:
        return SHORT[dtype]
    return f"{'i32' if dtype == 'bool' else SHORT[dtype]}x{lanes}"


def literal(value: Any, dtype: str) -> str:
    """A number as C++ writes it."""
    match kind_of(dtype):
        case "bool":
            return "true" if value else "false"
        case "float":
            if np.isfinite(value):
                text = f"{DTYPES[dtype].type(value)!s}{'f' if dtype == 'float32' else ''}"
            else:
                bits: Bits = 32 if dtype == "float32" else 64
                text = mathlib.literal(float(value), mathlib.Lanes(bits, 1))
            return f"({text})" if text.startswith("-") else text
        case kind:
            number = int(value)
            if dtype == "int64" and number == np.iinfo(np.int64).min:
                return f"({number + 1}L - 1)"
            if dtype == "int32" and number == np.iinfo(np.int32).min:
                return f"({number + 1} - 1)"
            text = f"{number}{'u' if kind == 'uint' else ''}{'L' if bits_of(dtype) == 64 else ''}"
            return f"({text})" if number < 0 else text


def splat(expression: str, dtype: str, lanes: int) -> str:
    """One number in all lanes."""
    if lanes == 1:
        return expression
    if dtype == "bool":
        return f"gm_i32x{lanes}(-(i32){expression})"
    return f"gm_{type_name(dtype, lanes)}({expression})"


# ---- the table -------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """The spellings of an operation by kind of operand. An int without a template of its own takes that of uint."""

    float: str = ""
    int: str = ""
    uint: str = ""
    bool: str = ""
    compares: bool = False
    """Whether the result is a bool: for lanes, a vector as wide as the operands."""

    def template(self, kind: str) -> str:
        """The template for a kind of number."""
        return getattr(self, kind) or (self.uint if kind == "int" else "")


def _real(function: str) -> Row:
    return Row(float=f"gm_{function}({{0}})")


def _arithmetic(operator: str) -> Row:
    wrapped = f"({{T}})(({{U}}){{0}} {operator} ({{U}}){{1}})"
    return Row(float=f"{{0}} {operator} {{1}}", int=wrapped, uint=wrapped)


def _comparison(operator: str, on_bools: str) -> Row:
    text = f"{{0}} {operator} {{1}}"
    return Row(float=text, int=text, uint=text, bool=on_bools, compares=True)


def _call(name: str, on_bools: str = "") -> Row:
    text = f"gm_{name}({{0}}, {{1}})"
    return Row(float=text, int=text, uint=text, bool=on_bools)


def _bits(operator: str) -> Row:
    text = f"{{0}} {operator} {{1}}"
    return Row(int=text, uint=text, bool=text)


def _same() -> Row:
    return Row(float="{0}", int="{0}", uint="{0}", bool="{0}")


ROWS: dict[str, Row] = {
    # Of one value: functions of floats.
    **{name: _real(name) for name in ("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt")},
    **{name: _real(name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "erfinv", "sigmoid")},
    **{f"arc{name}": _real(f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    # Of one value: of any number.
    **{name: Row(float=f"gm_{name}({{0}})", uint="{0}") for name in ("floor", "ceil", "round")},
    "negative": Row(float="-{0}", uint="({T})-({U}){0}"),
    "abs": Row(float="gm_abs({0})", int="({T})({0} < {zero} ? -({U}){0} : ({U}){0})", uint="{0}"),
    "sign": Row(
        float="gm_sign({0})",
        int="{0} > {zero} ? {one} : ({0} < {zero} ? -{one} : {zero})",
        uint="{0} != {zero} ? {one} : {zero}",
    ),
    "square": Row(float="{0} * {0}", uint="({T})(({U}){0} * ({U}){0})"),
    "logical_not": Row(bool="{N}{0}"),
    "bitwise_invert": Row(uint="~{0}"),
    "stop_gradient": _same(),
    "cast": _same(),  # the conversion itself is `convert`
    # Of two: arithmetic.
    "add": _arithmetic("+"),
    "subtract": _arithmetic("-"),
    "multiply": _arithmetic("*"),
    "divide": Row(float="{0} / {1}", uint="gm_divide({0}, {1})"),
    "floor_divide": _call("floor_divide"),
    "remainder": _call("remainder"),
    "power": Row(float="gm_power({0}, {1})", uint="gm_integer_power({0}, {1})"),
    "minimum": _call("minimum", "{0} & {1}"),
    "maximum": _call("maximum", "{0} | {1}"),
    "arctan2": Row(float="gm_atan2({0}, {1})"),
    "logaddexp": Row(float="gm_logaddexp({0}, {1})"),
    # Of two: comparison and logic.
    "equal": _comparison("==", "{0} == {1}"),
    "not_equal": _comparison("!=", "{0} != {1}"),
    "less": _comparison("<", "{N}{0} & {1}"),
    "less_equal": _comparison("<=", "{N}{0} | {1}"),
    "greater": _comparison(">", "{0} & {N}{1}"),
    "greater_equal": _comparison(">=", "{0} | {N}{1}"),
    "nan_equal": _comparison("==", "{0} == {1}")._replace(
        float="({0} == {1}) | (({0} != {0}) & ({1} != {1}))",
    ),
    "logical_and": Row(bool="{0} & {1}"),
    "logical_or": Row(bool="{0} | {1}"),
    "bitwise_and": _bits("&"),
    "bitwise_or": _bits("|"),
    "bitwise_xor": _bits("^"),
    # A shift by the width or more gives 0; the count is cut so that the shift itself is defined.
    "left_shift": Row(uint="({U}){1} < {bits} ? ({T})(({U}){0} << (({U}){1} & {last_bit})) : {zero}"),
    "right_shift": Row(uint="({U}){1} < {bits} ? {0} >> ({1} & {last_bit}) : {zero}"),
    # Of three.
    "select": Row(float="{0} ? {1} : {2}", uint="{0} ? {1} : {2}", bool="{0} ? {1} : {2}"),
}

# Which operation combines partial results of a reduction, and the operator that compilers know it by.
COMBINE: dict[str, tuple[str, str]] = {
    "sum": ("add", "+"),
    "prod": ("multiply", "*"),
    "min": ("minimum", ""),
    "max": ("maximum", ""),
    "all": ("logical_and", "&"),
    "any": ("logical_or", "|"),
    "logaddexp": ("logaddexp", ""),
}

# Integer functions that the math library has not: templates of its kind (`F`, `I`, `U`, `M`, `J`).
INTEGER_HELPERS: dict[str, str] = {
    # Toward zero; by 0 gives 0. Divisors 0 and -1 are taken out: on them the processor traps.
    "divide": """
gm_fn U gm_divide(U x, U y) { return y == 0 ? U() : x / (y == 0 ? ~U() : y); }
gm_fn I gm_divide(I x, I y) {
    I q = x / ((y == 0) | (y == -1) ? J(1) : y);
    return y == 0 ? J(0) : (y == -1 ? (I)-(U)x : q);
}
""",
    # By squaring; a negative exponent gives 0, except for the bases 1 and -1.
    "integer_power": """
gm_fn U gm_integer_power(U x, U y) {
    U r = U() + 1;
    for (; gm_any(y != 0); y >>= 1, x *= x) r = (y & 1) != 0 ? r * x : r;
    return r;
}
gm_fn I gm_integer_power(I x, I y) {
    I r = (I)gm_integer_power((U)x, y < 0 ? U() : (U)y);
    I unit = x == 1 ? J(1) : (x == -1 ? ((y & 1) == 0 ? J(1) : J(-1)) : J(0));
    return y < 0 ? unit : r;
}
""",
}


# ---- expressions -----------------------------------------------------------------------------------------------------


def _working_dtype(dtype: str) -> str:
    """Small integers are computed in 32 bits."""
    return {"int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}.get(dtype, dtype)


def _resized(expression: str, dtype: str, to: str, lanes: int) -> str:
    """An integer or float as another type, by C's conversion."""
    if dtype == to:
        return expression
    if lanes == 1:
        return f"({type_name(to)}){_atom(expression)}"
    return f"__builtin_convertvector({expression}, {type_name(to, lanes)})"


def _atom(expression: str) -> str:
    """In parentheses, unless it is a name, a literal or a call."""
    return expression if re.fullmatch(r"[\w.+]+(\([^()]*\)|\[[^\[\]]*\])?", expression) else f"({expression})"


def _mask(expression: str, dtype: str, to: str, lanes: int) -> str:
    """A mask, as wide as elements of one dtype, made as wide as those of another."""
    if lanes == 1 or bits_of(dtype) == bits_of(to):
        return expression
    return f"__builtin_convertvector({expression}, i{bits_of(to)}x{lanes})"


def spell(name: str, operands: Sequence[str], dtypes: Sequence[str], result: str, lanes: int = 1) -> str:
    """An elementwise operation as an expression.

    Args:
        name: of the operation.
        operands: names or literals, each with as many lanes as the result.
        dtypes: theirs.
        result: the dtype of the result.
        lanes: 1, or how many a vector has.
    """
    if name == "cast":
        return convert(operands[0], dtypes[0], result, lanes)
    dtype = dtypes[-1]
    working = _working_dtype(dtype)
    kind = kind_of(dtype)
    row = ROWS[name]
    xs = [_resized(x, d, _working_dtype(d), lanes) for x, d in zip(operands, dtypes, strict=True)]
    if name == "select":
        mask_as = "int32" if dtype == "bool" else working
        xs[0] = _mask(xs[0], "int32", mask_as, lanes)
    unsigned = working if kind == "float" else f"uint{bits_of(working)}"
    text = row.template(kind).format(
        *xs,
        T=type_name(working, lanes),
        U=type_name(unsigned, lanes),
        N="!" if lanes == 1 else "~",
        zero=splat(literal(0, working), working, lanes),
        one=splat(literal(1, working), working, lanes),
        bits=bits_of(dtype) if kind != "float" else "",
        last_bit=bits_of(working) - 1,
    )
    if row.compares:
        return text if dtype == "bool" else _mask(_wrapped(text, lanes, working), working, "int32", lanes)
    return _resized(text, working, dtype, lanes)


def _wrapped(text: str, lanes: int, dtype: str) -> str:
    return text if lanes == 1 or bits_of(dtype) == 32 else f"({text})"


def convert(x: str, dtype: str, to: str, lanes: int = 1) -> str:
    """A cast: wraps between integers, saturates from floats to integers."""
    if dtype == to:
        return x
    if to == "bool":
        working = _working_dtype(dtype)
        zero = splat(literal(0, working), working, lanes)
        return _mask(f"({_resized(x, dtype, working, lanes)} != {zero})", working, "int32", lanes)
    if dtype == "bool":
        return f"({type_name(to)}){x}" if lanes == 1 else f"__builtin_convertvector(-{x}, {type_name(to, lanes)})"
    if kind_of(dtype) == "float" and kind_of(to) != "float":
        return f"gm_to_{SHORT[to]}({x})"
    return _resized(x, dtype, to, lanes)


def saturating(dtype: str, to: str, lanes: int) -> str:
    """The text of `gm_to_...`: toward zero, the nearest that fits, and 0 for nan."""
    float_type, info = np.dtype(dtype).type, np.iinfo(to)
    low, high = float_type(info.min), float_type(info.max)
    if int(high) > info.max:
        high = np.nextafter(high, float_type(0))
    source, target = type_name(dtype, lanes), type_name(to, lanes)

    def number(value: Any) -> str:
        return splat(literal(value, dtype), dtype, lanes)

    def integer(value: int) -> str:
        text = literal(value, to)
        return f"({target})({text})" if lanes == 1 else f"(({target}){{}} + ({type_name(to)}){text})"

    limit = float_type(info.max) if int(float_type(info.max)) > info.max else high
    beyond = _mask(f"(x >= {number(limit)})", dtype, to, lanes)
    is_number = _mask("(x == x)", dtype, to, lanes)
    return f"""
gm_fn {target} gm_to_{SHORT[to]}({source} x) {{
    {source} y = x > {number(low)} ? x : {number(low)};
    y = y < {number(high)} ? y : {number(high)};
    {target} r = {_resized("y", dtype, to, lanes)};
    r = {beyond} ? {integer(int(info.max))} : r;
    return {is_number} ? r : {integer(0)};
}}
"""


def neutral(kind: str, dtype: str) -> Any:
    """What a reduction of nothing gives."""
    if kind in {"sum", "prod"}:
        return 0 if kind == "sum" else 1
    if kind in {"all", "any"}:
        return kind == "all"
    if kind == "logaddexp":
        return -np.inf
    match kind_of(dtype):
        case "float":
            return np.inf if kind == "min" else -np.inf
        case "bool":
            return kind == "min"
        case _:
            return np.iinfo(dtype).max if kind == "min" else np.iinfo(dtype).min


def reduction_kind(kind: str, dtype: str) -> str:
    """What a reduction is on bools: a sum is `any`, a product `all`."""
    if dtype != "bool":
        return kind
    return {"sum": "any", "max": "any", "prod": "all", "min": "all"}.get(kind, kind)


def called(text: str) -> Mapping[str, None]:
    """The names of the `gm_` functions that a text calls, each once, in order."""
    return dict.fromkeys(CALLED.findall(text))
