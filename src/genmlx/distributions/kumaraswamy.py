"""The Kumaraswamy distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import EULER, TINY, log_power
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, log, log1p
from genmlx.numerics.special import betaln, digamma, log1mexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Kumaraswamy", "kumaraswamy"]

_BELOW_ONE = 1.0 - 2.0**-24


@final
class Kumaraswamy(Distribution):
    r"""Kumaraswamy distribution on the unit interval: like the beta, with a distribution function in closed form.

    $$\log p(x) = \log a b + (a - 1) \log x + (b - 1) \log(1 - x^a), \quad 0 \le x \le 1.$$

    The distribution function is 1 - (1 - x^a)^b.
    At the edges the density is the limit: at 0, +inf for a < 1, b for a = 1, 0 for a > 1; at 1 likewise, with a for
    b = 1. The moments are E x^n = b B(1 + n/a, b). Draws are by the inverse distribution function, lie in the open
    interval, and are differentiable in both parameters.

    Args:
        a: positive.
        b: positive.

    Example:
        >>> round(kumaraswamy(2.0, 3.0).log_prob(0.25).item(), 6)
        0.276388

    References:
        Kumaraswamy, A generalized probability density function for double-bounded random processes, Journal of
        Hydrology 46 (1980).
    """

    name = "kumaraswamy"
    params = {"a": domains.positive, "b": domains.positive}  # noqa: RUF012
    pathwise = ("a", "b")

    def support(self, a: Any, b: Any) -> Domain:
        return domains.unit_interval

    def sample(self, key: Key, a: Any, b: Any, shape: Shape) -> Array:
        return mx.clip(exp(-_over(samplers.exponential(key, 1.0, shape), a, b)), TINY, _BELOW_ONE)

    def log_prob(self, x: Array, a: Any, b: Any) -> Array:
        inside = mx.logical_and(x >= 0.0, x <= 1.0)
        y = mx.where(inside, x, 0.5)
        result = log_power(a - 1.0, y) + (log(a) + log(b))
        if isinstance(b, mx.array) or b != 1.0:
            d = -a * mx.log(mx.maximum(y, TINY))
            if isinstance(b, mx.array):
                d = mx.where(mx.logical_and(d == 0.0, b == 1.0), 1.0, d)
            result = result + (b - 1.0) * log1mexp(d)
        return mx.where(inside, result, -math.inf)

    def mean(self, a: Any, b: Any) -> Any:
        return exp(_log_moment(1.0, a, b))

    def variance(self, a: Any, b: Any) -> Any:
        first = _log_moment(1.0, a, b)
        return exp(2.0 * first) * expm1(_log_moment(2.0, a, b) - 2.0 * first)

    def entropy(self, a: Any, b: Any) -> Any:
        return (1.0 - 1.0 / b) + (1.0 - 1.0 / a) * (digamma(b + 1.0) + EULER) - log(a) - log(b)

    def cdf(self, x: Array, a: Any, b: Any) -> Array:
        return -expm1(b * log1mexp(-a * mx.log(mx.clip(x, 0.0, 1.0))))

    def log_survival(self, x: Array, a: Any, b: Any) -> Array:
        return b * log1mexp(-a * mx.log(mx.clip(x, 0.0, 1.0)))

    def quantile(self, q: Array, a: Any, b: Any) -> Array:
        return exp(-_over(-log1p(-q), a, b))


def _over(e: Array, a: Any, b: Any) -> Array:
    """-log x at the point with a tail of exp(-e)."""
    return log1mexp(e / b) / -a


def _log_moment(n: float, a: Any, b: Any) -> Any:
    return betaln(1.0 + n / a, b) + log(b)


kumaraswamy = Kumaraswamy()
