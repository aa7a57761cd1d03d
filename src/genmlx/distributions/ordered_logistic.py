"""The ordered logistic distribution: a graded response."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.counts import as_count
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.special import log1mexp, log_sigmoid
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["OrderedLogistic", "ordered_logistic"]


@final
class OrderedLogistic(Distribution):
    r"""Ordered logistic distribution over 0, ..., K - 1: between which cutpoints a logistic variable around eta falls.

    $$p(x) = \sigma(c_{x+1} - \eta) - \sigma(c_x - \eta), \quad x \in \{0, \dots, K - 1\},$$

    with the cutpoints $c_1 < \dots < c_{K-1}$, $c_0 = -\infty$, $c_K = \infty$ and $\sigma(z) = 1/(1 + e^{-z})$. Values
    are int32. The log mass is computed in log space, and is accurate for narrow gaps and far from the cutpoints. Mean
    and variance are sums over the K values.

    Args:
        eta: linear predictor, any real number.
        cutpoints: increasing, shape ``(..., K - 1)``; leading axes are a batch.

    Example:
        >>> round(ordered_logistic(0.5, [-1.0, 0.0, 2.0]).log_prob(2).item(), 6)
        -0.820904

    References:
        McCullagh, Regression models for ordinal data, J. R. Statist. Soc. B 42 (1980).
    """

    name = "ordered_logistic"
    params = {"eta": domains.real, "cutpoints": domains.ordered}  # noqa: RUF012
    discrete = True

    def support(self, eta: Any, cutpoints: Array) -> Domain:
        return domains.integer_interval(0, cutpoints.shape[-1])

    def sample(self, key: Key, eta: Any, cutpoints: Array, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        latent = eta + (mx.log(u) - mx.log1p(-u))
        return mx.sum(latent[..., None] > cutpoints, axis=-1).astype(mx.int32)

    def log_prob(self, x: Array, eta: Any, cutpoints: Array) -> Array:
        k, inside = as_count(x, cutpoints.shape[-1])
        log_p = _log_masses(eta, cutpoints)
        chosen = k[..., None] == mx.arange(cutpoints.shape[-1] + 1)
        valid = mx.logical_and(mx.all(cutpoints[..., 1:] > cutpoints[..., :-1], axis=-1), mx.isfinite(mx.array(eta)))
        log_prob = mx.sum(mx.where(chosen, log_p, 0.0), axis=-1)
        return mx.where(inside, mx.where(valid, log_prob, math.nan), -math.inf)

    def mean(self, eta: Any, cutpoints: Array) -> Any:
        values = mx.arange(cutpoints.shape[-1] + 1)
        return mx.sum(values * mx.exp(_log_masses(eta, cutpoints)), axis=-1)

    def variance(self, eta: Any, cutpoints: Array) -> Any:
        deviations = mx.arange(cutpoints.shape[-1] + 1) - self.mean(eta, cutpoints)[..., None]
        return mx.sum(mx.square(deviations) * mx.exp(_log_masses(eta, cutpoints)), axis=-1)

    def entropy(self, eta: Any, cutpoints: Array) -> Any:
        log_p = _log_masses(eta, cutpoints)
        return -mx.sum(mx.exp(log_p) * log_p, axis=-1)


def _log_masses(eta: Any, cutpoints: Array) -> Array:
    """Log probabilities of all values, along the last axis.

    For a < b the difference of logistic functions is σ(b) σ(-a) (1 - e^(a - b)).
    """
    z = cutpoints - (eta[..., None] if isinstance(eta, mx.array) else eta)
    below, above = log_sigmoid(z), log_sigmoid(-z)
    gaps = cutpoints[..., 1:] - cutpoints[..., :-1]
    between = below[..., 1:] + above[..., :-1] + mx.broadcast_to(log1mexp(gaps), z[..., 1:].shape)
    return mx.concatenate([below[..., :1], between, above[..., -1:]], axis=-1)


ordered_logistic = OrderedLogistic()
