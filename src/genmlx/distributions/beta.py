"""The beta distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.gamma import centred_power
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import digamma_excess, log, log1p, remainder
from genmlx.numerics.special import betainc, betaincc, betaincinv
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Beta", "beta", "log_density"]

_SMALL = 30.0  # below this a + b the textbook formula, shorter by eight operations, loses no digit that counts


@final
class Beta(Distribution):
    r"""Beta distribution with ``a`` and ``b`` as pseudo-counts.

    $$\log p(x) = (a - 1) \log x + (b - 1) \log(1 - x) - \log B(a, b), \quad 0 \le x \le 1.$$

    At the edges the density is the limit: at 0, +inf for a < 1, b for a = 1, 0 for a > 1.
    Mean a / (a + b), variance a b / ((a + b)^2 (a + b + 1)). Draws lie in the open interval; those
    of ``rsample`` are differentiable.

    Args:
        a: positive.
        b: positive.

    Example:
        >>> round(beta(2.0, 2.0).log_prob(0.25).item(), 6)
        0.117783

    References:
        The formula used: see `genmlx.distributions.gamma.Gamma`. With n = a + b, u = x n / a and v = (1 - x) n / b,
        log p = log n - S(a) - S(b) + S(n) + [(a - 1) log u - a (u - 1)] + [(b - 1) log v - b (v - 1)], for
        a (u - 1) + b (v - 1) = 0.
    """

    name = "beta"
    params = {"a": domains.positive, "b": domains.positive}  # noqa: RUF012
    pathwise = ("a", "b")

    def support(self, a: Any, b: Any) -> Domain:
        return domains.unit_interval

    def sample(self, key: Key, a: Any, b: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        return samplers.beta(key, a, b, shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, a: Any, b: Any) -> Array:
        inside = mx.logical_and(x >= 0.0, x <= 1.0)
        return mx.where(inside, log_density(mx.where(inside, x, 0.5), a, b), -math.inf)

    def mean(self, a: Any, b: Any) -> Any:
        return a / (a + b)

    def variance(self, a: Any, b: Any) -> Any:
        n = a + b
        return (a / n) * (b / n) / (n + 1.0)

    def entropy(self, a: Any, b: Any) -> Any:
        n = a + b
        counts = remainder(a) + remainder(b) - remainder(n) - log(n)
        return counts - (a - 1.0) * digamma_excess(a) - (b - 1.0) * digamma_excess(b) + (n - 2.0) * digamma_excess(n)

    def cdf(self, x: Array, a: Any, b: Any) -> Array:
        return betainc(a, b, mx.clip(x, 0.0, 1.0))

    def log_survival(self, x: Array, a: Any, b: Any) -> Array:
        return mx.log(betaincc(a, b, mx.clip(x, 0.0, 1.0)))

    def quantile(self, q: Array, a: Any, b: Any) -> Array:
        return betaincinv(a, b, q)


def log_density(x: Array, a: Any, b: Any) -> Array:
    """Log density of Beta(a, b) at 0 <= x <= 1."""
    n = a + b
    if not isinstance(n, mx.array) and n < _SMALL:
        return _textbook(x, a, b)
    constant = log(n) - (remainder(a) + remainder(b) - remainder(n))
    return centred_power(x * (n / a), a) + centred_power((1.0 - x) * (n / b), b) + constant


def _textbook(x: Array, a: float, b: float) -> Array:
    """The formula for Python numbers; an exponent of 0 costs nothing and meets no 0 log 0."""
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    if a != 1.0 and b != 1.0:
        return (a - 1.0) * mx.log(x) + (b - 1.0) * log1p(-x) + constant
    if b != 1.0:
        return (b - 1.0) * log1p(-x) + constant
    return (a - 1.0) * mx.log(x) + constant if a != 1.0 else mx.zeros_like(x)


beta = Beta()
