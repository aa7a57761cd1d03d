"""The Dirichlet distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import remainder
from genmlx.numerics.special import digamma
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Dirichlet", "dirichlet"]


@final
class Dirichlet(Distribution):
    r"""Dirichlet distribution on the simplex, with concentrations ``alpha``.

    $$p(x) = \frac{\Gamma(\alpha_0)}{\prod_k \Gamma(\alpha_k)} \prod_{k=1}^K x_k^{\alpha_k - 1}, \quad x_k \ge 0,
    \ \sum_k x_k = 1, \quad \alpha_0 = \sum_k \alpha_k.$$

    Mean m = alpha / alpha_0, variance m (1 - m) / (alpha_0 + 1). Where a component is 0 the density is 0 (also below
    concentration 1, where it has a pole there), unless its concentration is 1, when it has no say. Draws are a softmax
    of log gammas (`genmlx.numerics.samplers.dirichlet`), with components down to 1e-38; those of ``rsample`` are
    differentiable.

    Args:
        alpha: concentrations, positive, shape ``(..., K)``; leading axes are a batch.

    Example:
        >>> round(dirichlet([1.0, 2.0, 3.0]).log_prob([0.2, 0.3, 0.5]).item(), 6)
        1.504077
    """

    name = "dirichlet"
    params = {"alpha": domains.positive_vector}  # noqa: RUF012
    pathwise = ("alpha",)
    event_ndim = 1

    def event_shape(self, *params: Any) -> Shape:
        return params[0].shape[-1:]

    def support(self, alpha: Array) -> Domain:
        return domains.simplex

    def sample(self, key: Key, alpha: Array, shape: Shape, *, pathwise: bool = False) -> Array:
        return samplers.dirichlet(key, alpha, shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, alpha: Array) -> Array:
        interior = x > 0.0
        inside = mx.logical_and(domains.simplex.contains(x), mx.all(mx.logical_or(interior, alpha == 1.0), axis=-1))
        x = mx.where(interior, x, 1.0)
        total = mx.sum(alpha, axis=-1, keepdims=True)
        return mx.where(inside, _log_density(alpha, total, mx.log(x), mx.log(x * (total / alpha))), -math.inf)

    def mean(self, alpha: Array) -> Any:
        return alpha / mx.sum(alpha, axis=-1, keepdims=True)

    def variance(self, alpha: Array) -> Any:
        total = mx.sum(alpha, axis=-1, keepdims=True)
        mean = alpha / total
        return mean * (1.0 - mean) / (total + 1.0)

    def entropy(self, alpha: Array) -> Any:
        total = mx.sum(alpha, axis=-1, keepdims=True)
        log_x = digamma(alpha) - digamma(total)  # expected, and the log density is linear in it
        return -_log_density(alpha, total, log_x, log_x + mx.log(total / alpha))


def _log_density(alpha: Array, total: Array, log_x: Array, log_ratio: Array) -> Array:
    """The log density for log x and log(x / mean), where large terms meet: log Γ(a) = a log a - a - log a + S(a)."""
    remainders = remainder(mx.concatenate([alpha, total], axis=-1))
    terms = alpha * log_ratio - log_x + mx.log(alpha) - remainders[..., :-1]
    return mx.sum(terms, axis=-1) + remainders[..., -1] - mx.log(total.squeeze(-1))


dirichlet = Dirichlet()
