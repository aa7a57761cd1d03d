"""What families of positive numbers share: powers with their limits at 0, moments that exist from an order on."""

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from genmlx.numerics.number import exp, lgamma, log
from genmlx.numerics.types import Array

__all__ = ["EULER", "MAX", "TINY", "finite_above", "log_gamma_ratio", "log_power", "scaled_exponential_integral"]

EULER = 0.5772156649015329
MAX = 3.4028234e38  # the largest float32
TINY = 1.1754944e-38  # the smallest normal one

# (-1)^n zeta(n) (2^n - 2) / n for n = 2, 3, ...: log Gamma(1 + 2w) - 2 log Gamma(1 + w) in powers of w.
_RATIO = (
    1.6449340668, -2.4041138063, 3.7881313180, -6.2215665309, 10.5125449738, -18.1502869929, 31.8794560593,
    -56.7804755935, 102.3016455781,
)  # fmt: skip


def log_power(exponent: Any, z: Array) -> Array:
    """The product exponent * log(z) for z >= 0: its limit -inf or +inf at z = 0, and 0 for an exponent of 0."""
    if isinstance(exponent, mx.array):
        # 0 log 0 is 0 by a floor that only an exponent of 0 has, chosen at the shape of the exponent.
        return exponent * mx.log(mx.maximum(z, mx.where(exponent == 0.0, TINY, 0.0)))
    return exponent * mx.log(z) if exponent else mx.zeros_like(z)


def finite_above(p: Any, limit: float, moment: Callable[[Any], Any]) -> Any:
    """``moment(p)`` where the parameter is above ``limit``, else inf; NaN stays NaN."""
    if isinstance(p, mx.array):
        return mx.where(p <= limit, math.inf, moment(mx.where(p <= limit, limit + 1.0, p)))
    return math.inf if p <= limit else moment(p)


def log_gamma_ratio(w: Any) -> Any:
    """log Gamma(1 + 2w) - 2 log Gamma(1 + w) for w > -1/2, of relative accuracy also near 0, where it is w^2 pi^2/6."""
    if not isinstance(w, mx.array) and abs(w) > 1e-3:
        return lgamma(1.0 + 2.0 * w) - 2.0 * lgamma(1.0 + w)
    near = abs(w) < 0.1
    small = mx.where(near, w, 0.0) if isinstance(w, mx.array) else w
    series = _RATIO[-1]
    for c in _RATIO[-2::-1]:
        series = series * small + c
    series = small * small * series
    if not isinstance(w, mx.array):
        return series
    far = mx.where(near, 1.0, w)
    return mx.where(near, series, lgamma(1.0 + 2.0 * far) - 2.0 * lgamma(1.0 + far))


def scaled_exponential_integral(b: Any) -> Any:
    """e^b E_1(b): the power series below 1, above the continued fraction (Abramowitz and Stegun 5.1.11 and 5.1.22)."""
    if not isinstance(b, mx.array):
        return exp(b) * _series(b) if b < 1.0 else _fraction(b)
    small = b < 1.0
    near = mx.where(small, b, 1.0)
    return mx.where(small, exp(near) * _series(near), _fraction(mx.where(small, 1.0, b)))


def _series(b: Any) -> Any:
    total = 0.0
    for n in range(12, 0, -1):
        total = b * ((-1.0) ** (n + 1) / (n * math.factorial(n)) + total)
    return total - EULER - log(b)


def _fraction(b: Any) -> Any:
    tail = 0.0
    for n in range(40, 0, -1):
        tail = (n * n) / (b + (2.0 * n + 1.0) - tail)
    return 1.0 / (b + 1.0 - tail)
