"""The exponential function and log(1 + x), each in two forms.

On the CPU, MLX computes ``exp``, ``expm1`` and ``log1p`` number by number through the C library (8 to 10 ms for a
million), sums and products many at a time (0.1 ms). For a large array the compositions below therefore take a third of
the time, and ``exp`` has all its digits (`mx.exp` loses 57 units at -77). A small array costs what its operations cost:
there, on a GPU, and where a compiler reads the graph, the primitive stays.
"""

import math

import mlx.core as mx

from genmlx.numerics.intrinsics import is_read
from genmlx.numerics.types import Array

__all__ = ["exp", "exp2", "exp_parts", "expm1", "is_large", "log1p"]

_LARGE = 4096

_LOG2_E = 1.0 / math.log(2.0)
_LOG_2_HIGH = 0.693359375  # of ten bits, so that whole multiples are exact
_LOG_2_LOW = math.log(2.0) - _LOG_2_HIGH
# Taylor's (e^r - 1 - r) / r^2 for |r| <= log(2) / 2: three terms more than the value needs, for three derivatives.
_SERIES = tuple(1.0 / math.factorial(n) for n in range(9, 1, -1))

_BEYOND = 1e10  # log(1 + x) is the logarithm of the rounded sum
_TINY = 1.1754944e-38


def is_large(x: Array) -> bool:
    """Whether a composition of many cheap operations is faster than one expensive primitive."""
    return x.size >= _LARGE and x.dtype == mx.float32 and mx.default_device() == mx.cpu and not is_read()


def exp(x: Array) -> Array:
    """e^x in the precision of x (``mx.exp`` has that of float32 always); derivatives up to the third at least."""
    if x.dtype == mx.float64:
        return _power(math.e, 1.0, x, 6)
    if not is_large(x):
        return mx.exp(x)
    two_to_k, rest = exp_parts(x)
    return two_to_k * rest + two_to_k


def expm1(x: Array) -> Array:
    """e^x - 1, of relative accuracy near 0."""
    if not is_large(x):
        return mx.expm1(x)
    two_to_k, rest = exp_parts(x)
    return two_to_k * rest + (two_to_k - 1.0)


def exp2(x: Array) -> Array:
    """2^x: on the CPU ``mx.power`` has three times the speed of ``mx.exp``. Derivatives up to the third."""
    return _power(2.0, math.log(2.0), x, 3)


def log1p(x: Array) -> Array:
    """log(1 + x): with u the rounded sum, log(u) + (1 + x - u) / u (Kahan)."""
    if not is_large(x):
        return mx.log1p(x)
    y = mx.minimum(x, _BEYOND)  # inf - inf would be nan
    v = 1.0 + y
    missed = (y - (v - 1.0)) / mx.maximum(v, _TINY)  # at -1: 0, beside -inf
    return mx.log(1.0 + x) + mx.stop_gradient(missed)  # whose derivatives would be rounding


def exp_parts(x: Array) -> tuple[Array, Array]:
    """2^k and e^r - 1 for a float32 x = k log 2 + r, |r| <= log(2) / 2; 2^k is 0 below -87.7, r > 0 grows above 88.

    2^k is made of its bits.
    """
    x = mx.maximum(x, -88.0)
    k = mx.stop_gradient(mx.minimum(mx.round(x * _LOG2_E), 127.0))
    r = (x - k * _LOG_2_HIGH) - k * _LOG_2_LOW
    series = _SERIES[0] * r + _SERIES[1]
    for c in _SERIES[2:]:
        series = series * r + c
    bits = (k.astype(mx.int32) + 127) * 2**23
    return mx.stop_gradient(bits.view(mx.float32)), r + series * r * r


def _power(base: float, log_base: float, x: Array, order: int) -> Array:
    # The third derivative of mx.power in its exponent is wrong in MLX 0.32. A polynomial has derivatives in its place.
    x = mx.clip(x, -3000.0, 3000.0)  # no inf - inf
    frozen = mx.stop_gradient(x)
    h = (x - frozen) * log_base
    series = 1.0 + h * (1.0 / order)
    for k in range(order - 1, 0, -1):
        series = 1.0 + h * (1.0 / k) * series
    return mx.power(base, frozen) * series
