"""The uniform distribution on a range of integers."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["DiscreteUniform", "discrete_uniform"]


@final
class DiscreteUniform(Distribution):
    r"""Uniform distribution on the integers from ``lo`` to ``hi``, both included.

    $$p(x) = \frac{1}{hi - lo + 1}, \quad x \in \{lo, \dots, hi\}.$$

    Mean (lo + hi) / 2, variance (n^2 - 1) / 12 with n = hi - lo + 1. Values are int32. A draw is lo plus 32 random
    bits modulo n, so probabilities are uneven by n / 2^32 of themselves.

    Args:
        lo: smallest value, an integer.
        hi: largest value, an integer, not below ``lo``.

    Example:
        >>> round(discrete_uniform(1, 6).log_prob(6).item(), 6)
        -1.791759
    """

    name = "discrete_uniform"
    params = {"lo": domains.integer, "hi": domains.integer}  # noqa: RUF012
    discrete = True

    def support(self, lo: Any, hi: Any) -> Domain:
        return domains.integer_interval(lo, hi)

    def sample(self, key: Key, lo: Any, hi: Any, shape: Shape) -> Array:
        n = hi - lo + 1
        n = n.astype(mx.uint32) if isinstance(n, mx.array) else mx.array(int(n), dtype=mx.uint32)
        bits = split(key, math.prod(shape))[:, 0].reshape(shape)  # MLX's integers come from uniforms of 24 bits
        offset = (bits % n).astype(mx.int32)
        return offset + (lo.astype(mx.int32) if isinstance(lo, mx.array) else int(lo))

    def log_prob(self, x: Array, lo: Any, hi: Any) -> Array:
        inside = mx.logical_and(x >= lo, x <= hi)
        for value in (x, lo, hi):
            if isinstance(value, mx.array) and mx.issubdtype(value.dtype, mx.floating):
                inside = mx.logical_and(inside, mx.floor(value) == value)
        if isinstance(lo, mx.array) or isinstance(hi, mx.array):
            return mx.where(inside, -mx.log(mx.maximum(hi - lo + 1, 1)), -math.inf)
        return mx.where(inside, -log(hi - lo + 1), -math.inf)

    def mean(self, lo: Any, hi: Any) -> Any:
        return 0.5 * (lo + hi)

    def variance(self, lo: Any, hi: Any) -> Any:
        n = hi - lo + 1.0
        return (n * n - 1.0) / 12.0

    def entropy(self, lo: Any, hi: Any) -> Any:
        return log(hi - lo + 1.0)

    def cdf(self, x: Array, lo: Any, hi: Any) -> Array:
        return mx.clip((mx.floor(x) - lo + 1.0) / (hi - lo + 1.0), 0.0, 1.0)

    def quantile(self, q: Array, lo: Any, hi: Any) -> Array:
        n = hi - lo + 1.0
        k = mx.ceil(q * n)
        k = mx.where((k - 1.0) / n >= q, k - 1.0, k)  # the product was rounded upwards
        return lo + mx.maximum(k - 1.0, 0.0)


discrete_uniform = DiscreteUniform()
