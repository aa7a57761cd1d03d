"""What the families of counts share: a value read as a count, and log masses that do not cancel.

The terms of a log mass grow like k log k, their sum like log k: at k = 1e6 nothing of it is left in float32. So the
factorials go in as

    log k! = k log k - k + S(k),    S(k) = log(2πk)/2 + 1/(12k) - ...,

and what remains of the powers is k log(a/k), small where the mass is large (a is the expected count).

References:
    Loader, Fast and accurate computation of binomial probabilities (2000).
"""

import math
from typing import Any

import mlx.core as mx

from genmlx.numerics.special import HALF_LOG_2PI, binet
from genmlx.numerics.types import Array

__all__ = ["as_count", "log_ratio", "remainder", "remainder_of_count"]


def as_count(x: Array, upper: Any = math.inf) -> tuple[Array, Array]:
    """``x`` in float32 where it is an integer in [0, upper], else 0; and where it is one."""
    inside = x >= 0
    if mx.issubdtype(x.dtype, mx.floating):
        inside = inside & (x - mx.floor(x) == 0)  # false for infinity too
    if upper is not math.inf:
        inside = inside & (x <= upper)
    return mx.where(inside, x, 0).astype(mx.float32), inside


def log_ratio(a: Any, k: Array, d: Array) -> Array:
    """log(a/k) for d = a - k: by log1p where a/k is near 1, by log where it is nearly 0; 0 < k, or k = 0 read as 1."""
    near = 2.0 * a >= k  # also for k = 0, where a = 0 would leave log 0
    k = mx.maximum(k, 1.0)
    return mx.log1p(mx.where(near, d / k, 0.0)) + mx.log(mx.where(near, 1.0, a / k))


def remainder_of_count(k: Any) -> Any:
    """S(k) of a whole k >= 0: Gosper's log(2πk + π/3)/2 and a table of what it misses (1e-8 at 1023, and falling)."""
    if not isinstance(k, mx.array):
        return _remainder_of_number(k)
    missed = mx.take(_MISSED, mx.minimum(k, _LAST).astype(mx.int32))
    return 0.5 * mx.log((2.0 * math.pi) * k + math.pi / 3.0) + missed


def remainder(z: Any) -> Any:
    """S(z) of a real z > 0, by Stirling's formula for Γ(z + 2) = (z + 1) z!."""
    if not isinstance(z, mx.array):
        return _remainder_of_number(z)
    up = z + 2.0
    return z * mx.log1p(2.0 / z) + 1.5 * mx.log(up) - mx.log1p(z) + (HALF_LOG_2PI - 2.0) + binet(up)


def _remainder_of_number(z: float) -> float:
    if z > 1e6:  # where the difference below cancels, also in double precision
        return HALF_LOG_2PI + 0.5 * math.log(z) + 1.0 / (12.0 * z)
    if z <= 0:
        return 0.0 if z == 0 else math.nan
    return math.lgamma(z + 1.0) - z * math.log(z) + z


_LAST = 1023
_MISSED = mx.array(
    [_remainder_of_number(k) - 0.5 * math.log(2.0 * math.pi * k + math.pi / 3.0) for k in range(_LAST + 1)]
)
