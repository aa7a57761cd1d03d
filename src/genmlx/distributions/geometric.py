"""The geometric distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.counts import as_count, counts_below
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import expm1, log, log1p
from genmlx.numerics.special import xlog1py, xlogy
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Geometric", "geometric"]


@final
class Geometric(Distribution):
    r"""Geometric distribution: failures before the first success.

    $$p(x) = p (1 - p)^x, \quad x \in \{0, 1, 2, \dots\}.$$

    Mean (1 - p) / p, variance (1 - p) / p^2. Values are int32; draws, by the inverse distribution function, end at
    2^31 - 128.

    Args:
        p: probability of success, in (0, 1].

    Example:
        >>> round(geometric(0.25).log_prob(2).item(), 5)
        -1.96166
    """

    name = "geometric"
    params = {"p": domains.positive_probability}  # noqa: RUF012
    discrete = True

    def support(self, p: Any) -> Domain:
        return domains.nonnegative_integer

    def sample(self, key: Key, p: Any, shape: Shape) -> Array:
        return samplers.geometric(key, p, shape)

    def log_prob(self, x: Array, p: Any) -> Array:
        k, inside = as_count(x)
        if isinstance(p, mx.array) or p == 1:
            certain = mx.array(p) == 1.0  # of success: no failures, and no infinite slope
            inside = mx.logical_and(inside, mx.logical_or(k == 0.0, mx.logical_not(certain)))
            p = mx.array(p)
            return mx.where(inside, k * log1p(-mx.where(certain, 0.0, p)) + log(p), -math.inf)
        return mx.where(inside, k * log1p(-p) + log(p), -math.inf)

    def mean(self, p: Any) -> Any:
        return (1.0 - p) / p

    def variance(self, p: Any) -> Any:
        return (1.0 - p) / (p * p)

    def entropy(self, p: Any) -> Any:
        return -(xlogy(p, p) + xlog1py(1.0 - p, -p)) / p

    def cdf(self, x: Array, p: Any) -> Array:
        inside = x >= 0
        draws = mx.where(inside, mx.floor(x) + 1.0, 1.0)
        return mx.where(inside, -expm1(draws * log1p(-p)), 0.0)

    def log_survival(self, x: Array, p: Any) -> Array:
        k, below = counts_below(x)
        return mx.where(below, 0.0, (k + 1.0) * log1p(-p))

    def quantile(self, q: Array, p: Any) -> Array:
        certain = mx.array(p) == 1.0  # there the rate is infinite, and q = 1 its fraction
        rate = -log1p(-mx.where(certain, 0.5, p))
        # A count below one that is a rounding error too high, where the distribution function says so.
        k = mx.maximum(mx.ceil(-log1p(-q) / rate) - 1.0, 0.0)
        k = mx.where(mx.logical_and(k > 0.0, -expm1(-rate * k) >= q), k - 1.0, k)
        return mx.where(certain, 0.0, k)


geometric = Geometric()
