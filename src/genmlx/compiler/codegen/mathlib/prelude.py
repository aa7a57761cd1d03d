"""The primitives under the library: all that it asks of a compiler and of a processor.

A C-family dialect without vector types (CUDA, Metal) needs the one-lane primitives in its own spelling, and nothing
else of this file. On CPUs a value of several lanes is a GCC/Clang vector; these have operators, but neither a fused
multiply-add nor a square root, so those two reach for the processor's builtins, by part where the vector is wider than
the registers. Both round once, hence lane counts agree to the bit on whatever path.
"""

from genmlx.compiler.codegen.mathlib.spelling import Lanes

__all__ = ["HEAD", "primitives"]

# always_inline: a call would pass vectors through memory, and GCC does not vectorise loops around calls.
HEAD = """\
#ifdef __clang__
#pragma clang diagnostic ignored "-Wparentheses"
#endif
#define gm_fn static inline __attribute__((always_inline, unused))
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
typedef float f32;
typedef double f64;
typedef __INT32_TYPE__ i32;
typedef __INT64_TYPE__ i64;
typedef __UINT32_TYPE__ u32;
typedef __UINT64_TYPE__ u64;
gm_fn bool gm_any(bool m) { return m; }
"""

# gm_multiply is a product that no sum around it takes in (adding -0 leaves the sign of a zero alone).
SHARED = """\
struct F2 { F hi, lo; };
struct U2 { U first, second; };
struct Angle { F hi, lo; I quadrant; };
gm_fn F gm_abs(F x) { return gm_from_bits(gm_bits(x) & $MAGNITUDE_MASK); }
gm_fn F gm_copysign(F x, F sign) {
    return gm_from_bits((gm_bits(x) & $MAGNITUDE_MASK) | (gm_bits(sign) & ~J($MAGNITUDE_MASK)));
}
gm_fn F gm_multiply(F a, F b) { return gm_fma(a, b, K(-0.0)); }
gm_fn F gm_from_small(I i) { return gm_from_bits(i + $MAGIC_BITS) - $MAGIC; }
gm_fn F gm_pow2(I e) { return gm_from_bits((I)((U)(e + $BIAS) << $MANTISSA)); }
"""

ONE_LANE = """\
gm_fn I gm_bits(F x) { return __builtin_bit_cast(I, x); }
gm_fn F gm_from_bits(I i) { return __builtin_bit_cast(F, i); }
gm_fn F gm_fma(F a, F b, F c) { return __builtin_fma%(suffix)s(a, b, c); }
gm_fn F gm_sqrt(F x) { return __builtin_sqrt%(suffix)s(x); }
"""

# The integer lanes are by definition what a comparison yields: `long` and `long long` vectors do not mix.
MANY_LANES = """\
typedef %(scalar)s F __attribute__((vector_size(%(bytes)d)));
typedef decltype(F() < F()) I;
typedef %(unsigned)s U __attribute__((vector_size(%(bytes)d)));
gm_fn F gm_F(%(scalar)s x) { return x - F(); }
gm_fn I gm_I(%(integer)s x) { return x + I(); }
gm_fn U gm_U(%(unsigned)s x) { return x + U(); }
gm_fn I gm_bits(F x) { return (I)x; }
gm_fn F gm_from_bits(I i) { return (F)i; }
gm_fn bool gm_any(I m) {
    union { I lanes; u64 words[%(words)d]; } u = {m};
    u64 some = 0;
    for (int i = 0; i < %(words)d; ++i) some |= u.words[i];
    return some != 0;
}
"""


def primitives(type_: Lanes) -> str:
    """The template of the primitives for one type; `spelling.instantiate` makes it C++."""
    suffix = "f" if type_.bits == 32 else ""
    if type_.lanes == 1:
        return ONE_LANE % {"suffix": suffix} + SHARED
    fields = {
        "scalar": f"f{type_.bits}",
        "integer": f"i{type_.bits}",
        "unsigned": f"u{type_.bits}",
        "bytes": type_.bytes,
        "words": type_.bytes // 8,
    }
    # A splat is named by its type, gm_f32x16(0.5f): the word inside the name is spelled by hand.
    many = MANY_LANES % fields
    for word in "FIU":
        many = many.replace(f"gm_{word}(", f"gm_{type_.spell(word)}(")
    return many + by_processor("gm_fma", 3, type_) + by_processor("gm_sqrt", 1, type_) + SHARED


def by_processor(name: str, arity: int, type_: Lanes) -> str:
    """`gm_fma` or `gm_sqrt` on a vector: Clang's builtin, else the processor's by register, else lane by lane."""
    stem = name.removeprefix("gm_")
    letter = "s" if type_.bits == 32 else "d"
    operands = ["a", "b", "c"][:arity]
    intel = f"vfmaddp{letter}" if stem == "fma" else f"sqrtp{letter}"
    mask = "(unsigned short)-1" if type_.bits == 32 else "(unsigned char)-1"
    full = ", ".join(f"{x}.part[i]" for x in operands)
    # 512 bits take a mask (all lanes) and a rounding mode (4: the current one); the square root also what to keep.
    wide = f"__builtin_ia32_{intel}512_mask({full}{', a.part[i]' if arity == 1 else ''}, {mask}, 4)"
    lanes = ", ".join(f"{x}[i]" for x in operands)
    feature = "__FMA__" if stem == "fma" else "__AVX__"
    text = [f"gm_fn F {name}({', '.join(f'F {x}' for x in operands)}) {{"]
    text += [f"#if __has_builtin(__builtin_elementwise_{stem})"]
    text += [f"    return __builtin_elementwise_{stem}({', '.join(operands)});"]
    for register, condition, call in (
        (64, "__AVX512F__", wide),
        (32, feature, f"__builtin_ia32_{intel}256({full})"),
        (16, feature, f"__builtin_ia32_{intel}({full})"),
    ):
        if type_.bytes >= register:
            parts = type_.bytes // register
            text += [
                f"#elif defined({condition})",
                f"    typedef f{type_.bits} piece __attribute__((vector_size({register})));",
                f"    union pieces {{ F whole; piece part[{parts}]; }};",
                *(f"    pieces {x}_ = {{{x}}};" for x in operands),
                f"    for (int i = 0; i < {parts}; ++i) a_.part[i] = {call.replace('.part', '_.part')};",
                "    return a_.whole;",
            ]
    text += ["#else"]
    text += [f"    for (int i = 0; i < {type_.lanes}; ++i)"]
    text += [f"        a[i] = __builtin_{stem}{'f' if type_.bits == 32 else ''}({lanes});"]
    text += ["    return a;", "#endif", "}", ""]
    return "\n".join(text)
