"""How a template of the library becomes C++ for one type: names of types, constants, polynomials.

A template is C++ text in which

* `F`, `I`, `U`, `M` stand for the float type, the signed and unsigned integers of the same width, and the result of a
  comparison (`bool` for one lane, a vector of integers for several); `F2` is a pair `{hi, lo}`, an unevaluated sum;
* `$NAME` is a constant of `constants.CONSTANTS`, in the precision at hand;
* `K(0.5)` and `J(3)` are a float and an integer literal in every lane (in `m ? a : b` both sides must be vectors);
* `poly(name, x)` is the polynomial `coefficients.COEFFICIENTS[name]` at `x`, in fused multiply-adds.

So each function is written once and reads like C++, and what is printed uses neither templates nor headers.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from genmlx.compiler.codegen.mathlib.coefficients import COEFFICIENTS
from genmlx.compiler.codegen.mathlib.constants import CONSTANTS

__all__ = ["Bits", "Lanes", "instantiate", "literal"]

type_word = re.compile(r"\b(F|I|U|M|F2|U2|Angle)\b")
constant_word = re.compile(r"\$([A-Z][A-Z0-9_]*)")
lane_literal = re.compile(r"\b([KJ])\(([^()]*)\)")
polynomial = re.compile(r"\bpoly\((\w+), (\w+)\)")

Bits = Literal[32, 64]

# From this many coefficients on, even and odd powers are summed apart: half the latency for one more product.
SPLIT_FROM = 6


@dataclass(frozen=True)
class Lanes:
    """The type of one printed value: `lanes` floats of `bits` bits, and its companions.

    >>> Lanes(32, 16).name, Lanes(64, 1).name
    ('f32x16', 'f64')
    """

    bits: Bits
    lanes: int = 1

    @property
    def suffix(self) -> str:
        return f"{self.bits}" if self.lanes == 1 else f"{self.bits}x{self.lanes}"

    @property
    def name(self) -> str:
        return f"f{self.suffix}"

    @property
    def bytes(self) -> int:
        return self.bits // 8 * self.lanes

    def spell(self, word: str) -> str:
        """The C++ name of one of the words `F I U M F2 U2 Angle`."""
        match word:
            case "F":
                return self.name
            case "I":
                return f"i{self.suffix}"
            case "U":
                return f"u{self.suffix}"
            case "M":
                return "bool" if self.lanes == 1 else f"i{self.suffix}"
            case "F2":
                return f"f{self.suffix}_pair"
            case "U2":
                return f"u{self.suffix}_pair"
            case _:
                return f"f{self.suffix}_angle"


def literal(value: float, type_: Lanes) -> str:
    """`value` as a C++ literal in every lane; finite floats as hexadecimal, which loses nothing."""
    scalar = literal_of_one_lane(value, type_.bits)
    return scalar if type_.lanes == 1 else f"gm_{type_.name}({scalar})"


def literal_of_one_lane(value: float, bits: Bits) -> str:
    suffix = "f" if bits == 32 else ""
    if math.isnan(value):
        return f'__builtin_nan{suffix}("")'
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}__builtin_inf{suffix}()"
    short = repr(value)
    return (short if len(short) <= 8 else value.hex()) + suffix


def integer(value: int, type_: Lanes) -> str:
    scalar = f"{value}" if type_.bits == 32 else f"{value}L"
    return scalar if type_.lanes == 1 else f"gm_i{type_.suffix}({scalar})"


def constant(name: str, type_: Lanes) -> str:
    value = CONSTANTS[name][type_.bits == 64]
    return f"{value}" if isinstance(value, int) else literal(value, type_)


def horner(coefficients: tuple[float, ...], x: str, type_: Lanes) -> str:
    *lower, text = (literal(c, type_) for c in coefficients)
    for c in reversed(lower):
        text = f"gm_fma({text}, {x}, {c})"
    return text


def evaluate(name: str, x: str, type_: Lanes) -> str:
    """The polynomial `name` at the variable `x`, as one expression."""
    coefficients = COEFFICIENTS[name][type_.bits == 64]
    if len(coefficients) < SPLIT_FROM:
        return horner(coefficients, x, type_)
    square = f"({x} * {x})"
    even, odd = (horner(coefficients[start::2], square, type_) for start in (0, 1))
    return f"gm_fma({odd}, {x}, {even})"


def instantiate(template: str, type_: Lanes) -> str:
    """The C++ text of `template` for values of `type_`."""
    text = constant_word.sub(lambda m: constant(m[1], type_), template)
    text = polynomial.sub(lambda m: evaluate(m[1], m[2], type_), text)
    text = lane_literal.sub(
        lambda m: literal(float(m[2]), type_) if m[1] == "K" else integer(int(m[2], 0), type_), text
    )
    return type_word.sub(lambda m: type_.spell(m[1]), text)
