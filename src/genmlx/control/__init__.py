"""Loops and branches over MLX functions, with one meaning on every path.

Called plainly they are Python loops over MLX operations: readable, and the ground truth. While a function is compiled
(`genmlx.compile`) they are recorded, and become loops of one native kernel. This module is the only door to the
compiler.

Carries, inputs and results are trees of arrays: tuples, lists, dicts, NamedTuples, records. Python numbers in them
become arrays. Conventions are JAX's:

    scan(step, carry, inputs)          carry, y[i] = step(carry, inputs[i])
    fori_loop(lower, upper, body, x)   x = body(i, x)
    while_loop(condition, body, x)     while condition(x): x = body(x)
    cond(flag, yes, no, *operands)     (yes if flag else no)(*operands)
    switch(index, branches, *operands) branches[index](*operands)
    vmap(f)(xs)                        f over the leading axis
    value_and_grad(f)(x)               f(x) and df/dx
    compile(f)(x)                      f(x), by one native kernel

>>> import mlx.core as mx
>>> from genmlx.control import scan
>>> total, sums = scan(lambda s, x: (s + x, s + x), 0.0, mx.array([1.0, 2.0, 3.0]))
>>> sums.tolist()
[1.0, 3.0, 6.0]
"""

from genmlx.compiler.capture import is_capturing
from genmlx.control.branches import cond, switch
from genmlx.control.compiling import Compiled, FallbackWarning, compile  # noqa: A004
from genmlx.control.loops import fori_loop, scan, while_loop
from genmlx.control.transforms import value_and_grad, vmap

__all__ = [
    "Compiled",
    "FallbackWarning",
    "compile",
    "cond",
    "fori_loop",
    "is_capturing",
    "scan",
    "switch",
    "value_and_grad",
    "vmap",
    "while_loop",
]
