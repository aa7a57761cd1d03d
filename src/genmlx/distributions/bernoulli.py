"""The Bernoulli distribution: a coin."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log, log1p
from genmlx.numerics.special import log_sigmoid, xlog1py, xlogy
from genmlx.numerics.types import Array, Key, Number, Shape

__all__ = ["Bernoulli", "bernoulli", "flip"]


@final
class Bernoulli(Distribution):
    r"""Bernoulli distribution: 1 with probability ``p``, else 0.

    $$p(x) = p^x (1 - p)^{1 - x}, \quad x \in \{0, 1\}.$$

    Mean p, variance p (1 - p). Values are int32; booleans are accepted as constraints. ``bernoulli(logits=l)`` is the
    same for p = 1 / (1 + e^-l), without going through p.

    Args:
        p: probability of 1, in [0, 1].
        logits: log odds, any real number (keyword only).

    Example:
        >>> round(bernoulli(0.3).log_prob(1).item(), 6)
        -1.203973
    """

    name = "bernoulli"
    params = {"p": domains.unit_interval}  # noqa: RUF012
    discrete = True

    def support(self, p: Any) -> Domain:
        return domains.boolean

    def sample(self, key: Key, p: Any, shape: Shape) -> Array:
        return (mx.random.uniform(shape=shape, key=key) < p).astype(mx.int32)

    def log_prob(self, x: Array, p: Any) -> Array:
        one, zero = x == 1, x == 0
        if not isinstance(p, mx.array):
            return _choose(one, zero, log(p), log1p(-p))
        if x.size >= _LARGE and p.size < x.size:
            return _by_parameter(one, zero, p)
        result = mx.log(mx.where(one, p, 1.0)) + log1p(mx.where(zero, -p, 0.0))
        # Above 0 is only a p outside [0, 1].
        return mx.where(mx.logical_and(mx.logical_or(one, zero), result <= 0.0), result, -math.inf)

    def mean(self, p: Any) -> Any:
        return p

    def variance(self, p: Any) -> Any:
        return p * (1.0 - p)

    def entropy(self, p: Any) -> Any:
        return -(xlogy(p, p) + xlog1py(1.0 - p, -p))

    def cdf(self, x: Array, p: Any) -> Array:
        return mx.where(x < 0, 0.0, mx.where(x < 1, 1.0 - p, 1.0))

    def quantile(self, q: Array, p: Any) -> Array:
        return _step(q, 1.0 - p)


@final
class _BernoulliLogits(Distribution):
    """Bernoulli distribution by log odds."""

    name = "bernoulli"
    params = {"logits": domains.real}  # noqa: RUF012
    discrete = True

    def support(self, logits: Any) -> Domain:
        return domains.boolean

    def sample(self, key: Key, logits: Any, shape: Shape) -> Array:
        u = mx.random.uniform(shape=shape, key=key)
        return (u < mx.sigmoid(logits)).astype(mx.int32)

    def log_prob(self, x: Array, logits: Any) -> Array:
        one, zero = x == 1, x == 0
        if not isinstance(logits, mx.array):
            return _choose(one, zero, _log_sigmoid(logits), _log_sigmoid(-logits))
        return mx.where(mx.logical_or(one, zero), log_sigmoid(mx.where(one, logits, -logits)), -math.inf)

    def mean(self, logits: Any) -> Any:
        return mx.sigmoid(logits)

    def variance(self, logits: Any) -> Any:
        return mx.sigmoid(logits) * mx.sigmoid(-logits)

    def entropy(self, logits: Any) -> Any:
        return -(mx.sigmoid(logits) * log_sigmoid(logits) + mx.sigmoid(-logits) * log_sigmoid(-logits))

    def cdf(self, x: Array, logits: Any) -> Array:
        return mx.where(x < 0, 0.0, mx.where(x < 1, mx.sigmoid(-logits), 1.0))

    def quantile(self, q: Array, logits: Any) -> Array:
        return _step(q, mx.sigmoid(-logits))


_LARGE = 4096


def _by_parameter(one: Array, zero: Array, p: Array) -> Array:
    """The log mass of many values by two logarithms of the parameter, and products: a mixed selection takes longer."""
    valid = mx.logical_and(p >= 0.0, p <= 1.0)
    never, always = p == 0.0, p == 1.0
    at_one = mx.where(valid, mx.log(mx.where(never, 1.0, p)), math.nan)
    at_zero = mx.where(valid, log1p(-mx.where(always, 0.0, p)), math.nan)
    possible = mx.logical_or(mx.logical_and(one, mx.logical_not(never)), mx.logical_and(zero, mx.logical_not(always)))
    return mx.where(possible, one * at_one + zero * at_zero, -math.inf)


def _step(q: Array, at_zero: Any) -> Array:
    """1 above the probability of 0, and at q = 1."""
    return mx.where(mx.logical_or(q > at_zero, q == 1.0), 1.0, mx.where(q >= 0.0, 0.0, math.nan))


def _choose(one: Array, zero: Array, at_one: float, at_zero: float) -> Array:
    if not (at_one <= 0.0 and at_zero <= 0.0):
        return mx.full(one.shape, math.nan)
    return mx.where(one, at_one, mx.where(zero, at_zero, -math.inf))


def _log_sigmoid(x: Number) -> float:
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


bernoulli = Bernoulli()
bernoulli.alternatives = {frozenset({"logits"}): _BernoulliLogits()}
flip = bernoulli
