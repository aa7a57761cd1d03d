"""A beta distribution with a uniform background."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.beta import beta, log_density
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["BetaUniformMixture", "beta_uniform_mixture"]

# log(theta + 1e-37) has the slope of log(theta), and at theta = 0 one that makes the gradient of the mixture right.
_TINY = 1e-37
_SMALLEST, _BELOW_ONE = 1.1754944e-38, 1.0 - 2.0**-24


@final
class BetaUniformMixture(Distribution):
    r"""Beta(``a``, ``b``) with probability ``theta``, else uniform on [0, 1].

    $$p(x) = \theta\, \mathrm{Beta}(x; a, b) + (1 - \theta), \quad 0 \le x \le 1.$$

    Mean theta a / (a + b) + (1 - theta) / 2; the variance is that of the mixture.

    Args:
        theta: weight of the beta distribution, in [0, 1].
        a: positive.
        b: positive.

    Example:
        >>> round(beta_uniform_mixture(0.5, 2.0, 2.0).log_prob(0.5).item(), 6)
        0.223144
    """

    name = "beta_uniform_mixture"
    params = {"theta": domains.unit_interval, "a": domains.positive, "b": domains.positive}  # noqa: RUF012

    def support(self, theta: Any, a: Any, b: Any) -> Domain:
        return domains.unit_interval

    def sample(self, key: Key, theta: Any, a: Any, b: Any, shape: Shape) -> Array:
        k_beta, k_uniform = mx.random.split(key)
        which, background = mx.random.uniform(shape=(2, *shape), key=k_uniform)
        return mx.where(which < theta, samplers.beta(k_beta, a, b, shape), background)

    def log_prob(self, x: Array, theta: Any, a: Any, b: Any) -> Array:
        inside = mx.logical_and(x >= 0.0, x <= 1.0)
        # At an edge where the beta density is 0 and the other is not, its logarithm must not have an infinite slope.
        lowest = _where(_both(a > 1.0, theta < 1.0), _SMALLEST, 0.0)
        highest = _where(_both(b > 1.0, theta < 1.0), _BELOW_ONE, 1.0)
        peak = log_density(mx.clip(mx.where(inside, x, 0.5), lowest, highest), a, b)
        return mx.where(inside, mx.logaddexp(log(theta + _TINY) + peak, _log_of_rest(theta)), -math.inf)

    def mean(self, theta: Any, a: Any, b: Any) -> Any:
        return theta * beta.mean(a, b) + 0.5 * (1.0 - theta)

    def variance(self, theta: Any, a: Any, b: Any) -> Any:
        gap = beta.mean(a, b) - 0.5
        return theta * beta.variance(a, b) + (1.0 - theta) / 12.0 + theta * (1.0 - theta) * (gap * gap)

    def cdf(self, x: Array, theta: Any, a: Any, b: Any) -> Array:
        return theta * beta.cdf(x, a, b) + (1.0 - theta) * mx.clip(x, 0.0, 1.0)


def _log_of_rest(theta: Any) -> Any:
    """log(1 - theta), exactly -inf at theta = 1, where the beta density alone counts."""
    rest = 1.0 - theta
    if isinstance(rest, mx.array):
        return mx.where(rest == 0.0, -math.inf, mx.log(rest + _TINY))
    return log(rest)


def _both(p: Any, q: Any) -> Any:
    return mx.logical_and(p, q) if isinstance(p, mx.array) or isinstance(q, mx.array) else p and q


def _where(condition: Any, x: float, y: float) -> Any:
    return mx.where(condition, x, y) if isinstance(condition, mx.array) else (x if condition else y)


beta_uniform_mixture = BetaUniformMixture()
