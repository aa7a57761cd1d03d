"""What the families of counts share: a value read as a count, and log masses that do not cancel.

The terms of a log mass grow like k log k, their sum like log k: at k = 1e6 nothing of it is left in float32. So the
factorials go in as

    log k! = k log k - k + S(k),    S(k) = log(2πk)/2 + 1/(12k) - ...,

and what remains of the powers is k log(a/k), small where the mass is large (a is the expected count).

References:
    Loader, Fast and accurate computation of binomial probabilities (2000).
"""

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from genmlx.numerics.number import remainder
from genmlx.numerics.types import Array

__all__ = ["as_count", "counts_below", "k_log_ratio", "remainder_of_count", "smallest_count"]


def as_count(x: Array, upper: Any = math.inf) -> tuple[Array, Array]:
    """``x`` in float32 where it is an integer in [0, upper], else 0; and where it is one. Counts have no gradient."""
    inside = x >= 0
    if mx.issubdtype(x.dtype, mx.floating):
        inside = mx.logical_and(inside, x - mx.floor(x) == 0)  # false for infinity too
    if upper is not math.inf:
        inside = mx.logical_and(inside, x <= upper)
    return mx.stop_gradient(mx.where(inside, x, 0).astype(mx.float32)), inside


def counts_below(x: Array) -> tuple[Array, Array]:
    """The largest count up to x, in float32, between 0 and 2^31; and whether x is below all counts."""
    return mx.floor(mx.clip(x.astype(mx.float32), 0.0, 2147483520.0)), x < 0


def smallest_count(q: Array, cdf: Callable[[Array], Array], upper: Any = math.inf) -> Array:
    """The smallest count with ``cdf(count) >= q``, in float32, by bisection up to 2^25; ``upper`` for q = 1.

    A constant to gradients. No start from moments: 25 distribution functions are few beside its risk to be off.
    """
    q = mx.stop_gradient(q)
    low, high = mx.full(q.shape, -1.0), mx.full(q.shape, 2.0**25)
    for _ in range(26):
        middle = mx.floor(0.5 * (low + high))
        enough = mx.stop_gradient(cdf(middle)) >= q
        low, high = mx.where(enough, low, middle), mx.where(enough, middle, high)
    defined = mx.logical_and(q >= 0.0, q <= 1.0)
    return mx.where(q == 1.0, upper, mx.where(defined, mx.maximum(high, 0.0), math.nan))


def k_log_ratio(a: Any, k: Any, d: Array, factor: Any = None, log_factor: Any = None) -> Array:
    """k log(a/k), 0 for k = 0: by log1p(d/k) where a/k is near 1, by log where it is nearly 0.

    Args:
        a: the expected count, zero or positive.
        k: the count, or any positive number.
        d: a - k, which the caller may know better than by subtraction.
        factor: with ``log_factor``, a = factor * exp(log_factor) for an ``a`` that may have under- or overflowed.
        log_factor: see ``factor``.
    """
    near = 2.0 * a >= k  # also for k = a = 0
    positive = mx.where(k > 0, k, 1.0) if isinstance(k, mx.array) else k
    if log_factor is None:
        return k * (mx.log1p(mx.where(near, d / positive, 0.0)) + mx.log(mx.where(near, 1.0, a / positive)))
    near = mx.logical_and(near, a < _HUGE)
    far = mx.log(mx.where(near, 1.0, factor / positive)) + log_factor
    return k * mx.where(near, mx.log1p(mx.where(near, d / positive, 0.0)), far)


def remainder_of_count(k: Any) -> Any:
    """S(k) of a whole k >= 0: Gosper's log(2πk + π/3)/2 and a table of what it misses (1e-8 at 1023, and falling)."""
    if not isinstance(k, mx.array):
        return remainder(k)
    index = mx.stop_gradient(mx.minimum(k, _LAST)).astype(mx.int32)  # MLX refuses gradients through an index
    missed = mx.take(_MISSED, index)
    return 0.5 * mx.log((2.0 * math.pi) * k + math.pi / 3.0) + missed


_HUGE = 1e30
_LAST = 1023
_MISSED = mx.array([remainder(k) - 0.5 * math.log(2.0 * math.pi * k + math.pi / 3.0) for k in range(_LAST + 1)])
