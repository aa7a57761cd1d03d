"""The ordered logistic and the ordered probit distribution: graded responses."""

import abc
import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.counts import as_count
from genmlx.distributions.logistic import standard_logistic
from genmlx.distributions.truncated_normal import log_probability_between
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp
from genmlx.numerics.special import log1mexp, log_ndtr, log_sigmoid
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["OrderedLogistic", "OrderedProbit", "ordered_logistic", "ordered_probit"]


class _Ordered(Distribution):
    """Between which cutpoints a variable around eta falls; its noise is what the families of this file differ in."""

    params = {"eta": domains.real, "cutpoints": domains.ordered}  # noqa: RUF012
    discrete = True

    def support(self, eta: Any, cutpoints: Array) -> Domain:
        return domains.integer_interval(0, cutpoints.shape[-1])

    def sample(self, key: Key, eta: Any, cutpoints: Array, shape: Shape) -> Array:
        latent = eta + self._noise(key, shape)
        return mx.sum(latent[..., None] > cutpoints, axis=-1).astype(mx.int32)

    def log_prob(self, x: Array, eta: Any, cutpoints: Array) -> Array:
        k, inside = as_count(x, cutpoints.shape[-1])
        log_p = self._log_masses(eta, cutpoints)
        chosen = k[..., None] == mx.arange(cutpoints.shape[-1] + 1)
        valid = mx.logical_and(mx.all(cutpoints[..., 1:] > cutpoints[..., :-1], axis=-1), mx.isfinite(mx.array(eta)))
        log_prob = mx.sum(mx.where(chosen, log_p, 0.0), axis=-1)
        return mx.where(inside, mx.where(valid, log_prob, math.nan), -math.inf)

    def mean(self, eta: Any, cutpoints: Array) -> Any:
        values = mx.arange(cutpoints.shape[-1] + 1)
        return mx.sum(values * exp(self._log_masses(eta, cutpoints)), axis=-1)

    def variance(self, eta: Any, cutpoints: Array) -> Any:
        deviations = mx.arange(cutpoints.shape[-1] + 1) - self.mean(eta, cutpoints)[..., None]
        return mx.sum(mx.square(deviations) * exp(self._log_masses(eta, cutpoints)), axis=-1)

    def entropy(self, eta: Any, cutpoints: Array) -> Any:
        log_p = self._log_masses(eta, cutpoints)
        return -mx.sum(exp(log_p) * log_p, axis=-1)

    @abc.abstractmethod
    def _noise(self, key: Key, shape: Shape) -> Array:
        """Draws of the variable around 0."""

    @abc.abstractmethod
    def _log_tails(self, z: Array, gaps: Array) -> tuple[Array, Array, Array]:
        """log P(noise <= z), log P(noise > z), and log P(z_k < noise <= z_(k+1)), whose difference is ``gaps``."""

    def _log_masses(self, eta: Any, cutpoints: Array) -> Array:
        """Log probabilities of all values, along the last axis."""
        z = cutpoints - (eta[..., None] if isinstance(eta, mx.array) else eta)
        below, above, between = self._log_tails(z, cutpoints[..., 1:] - cutpoints[..., :-1])
        between = mx.broadcast_to(between, z[..., 1:].shape)
        return mx.concatenate([below[..., :1], between, above[..., -1:]], axis=-1)


@final
class OrderedLogistic(_Ordered):
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

    def _noise(self, key: Key, shape: Shape) -> Array:
        return standard_logistic(key, shape)

    def _log_tails(self, z: Array, gaps: Array) -> tuple[Array, Array, Array]:
        # For a < b the difference of logistic functions is σ(b) σ(-a) (1 - e^(a - b)).
        below, above = log_sigmoid(z), log_sigmoid(-z)
        return below, above, below[..., 1:] + above[..., :-1] + log1mexp(gaps)


@final
class OrderedProbit(_Ordered):
    r"""Ordered probit distribution over 0, ..., K - 1: between which cutpoints a normal variable around eta falls.

    $$p(x) = \Phi(c_{x+1} - \eta) - \Phi(c_x - \eta), \quad x \in \{0, \dots, K - 1\},$$

    with the cutpoints $c_1 < \dots < c_{K-1}$, $c_0 = -\infty$ and $c_K = \infty$; the variance of the normal variable
    is 1. Values are int32. The log mass is computed in log space, and is accurate for narrow gaps and far from the
    cutpoints. Mean and variance are sums over the K values.

    Args:
        eta: linear predictor, any real number.
        cutpoints: increasing, shape ``(..., K - 1)``; leading axes are a batch.

    Example:
        >>> round(ordered_probit(0.5, [-1.0, 0.0, 2.0]).log_prob(2).item(), 6)
        -0.470555

    References:
        McCullagh, Regression models for ordinal data, J. R. Statist. Soc. B 42 (1980).
    """

    name = "ordered_probit"

    def _noise(self, key: Key, shape: Shape) -> Array:
        return mx.random.normal(shape, key=key)

    def _log_tails(self, z: Array, gaps: Array) -> tuple[Array, Array, Array]:
        return log_ndtr(z), log_ndtr(-z), log_probability_between(z[..., :-1], z[..., 1:], gaps)


ordered_logistic = OrderedLogistic()
ordered_probit = OrderedProbit()
