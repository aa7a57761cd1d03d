"""The Dirichlet-multinomial and beta-binomial distributions: counts whose probabilities are random themselves.

With N = n + s, s the sum of the concentrations, the log mass is a sum of powers and of remainders of Stirling's formula
(`genmlx.distributions.counts`). For a category of concentration a and count k the powers are

    k log((k + a) n / (k N)) + a log((k + a) s / (a N)),

both ratios 1 + e / (k N) and 1 - e / (a N) for one e = a n - k s, which is 0 at the mean: nothing large cancels.
"""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.binomial import smaller_difference
from genmlx.distributions.counts import as_count, k_log_ratio, remainder_of_count
from genmlx.distributions.multinomial import as_counts, composition, lifted, multinomial
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import log, remainder
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["BetaBinomial", "DirichletMultinomial", "beta_binomial", "dirichlet_multinomial"]


@final
class DirichletMultinomial(Distribution):
    r"""Dirichlet-multinomial distribution: multinomial with probabilities from Dirichlet(``alpha``).

    $$p(x) = \frac{n!\, \Gamma(\alpha_0)}{\Gamma(n + \alpha_0)} \prod_{k=1}^K \frac{\Gamma(x_k + \alpha_k)}
    {x_k!\, \Gamma(\alpha_k)}, \quad x_k \in \{0, 1, 2, \dots\},\ \sum_k x_k = n, \quad \alpha_0 = \sum_k \alpha_k.$$

    With m = alpha / alpha_0: mean n m, variance n m (1 - m) (n + alpha_0) / (1 + alpha_0). Values are int32 vectors. A
    draw is multinomial with Dirichlet distributed probabilities.

    Args:
        n: number of trials, an integer, zero or positive.
        alpha: concentrations, positive, shape ``(..., K)``; leading axes are a batch.

    Example:
        >>> round(dirichlet_multinomial(6, [0.5, 1.0, 2.5]).log_prob([1, 2, 3]).item(), 5)
        -3.24259

    References:
        Mosimann, On the compound multinomial distribution, Biometrika 49 (1962).
    """

    name = "dirichlet_multinomial"
    params = {"n": domains.nonnegative_integer, "alpha": domains.positive_vector}  # noqa: RUF012
    event_ndim = 1
    discrete = True

    def event_shape(self, *params: Any) -> Shape:
        return params[1].shape[-1:]

    def support(self, n: Any, alpha: Array) -> Domain:
        return composition(n)

    def sample(self, key: Key, n: Any, alpha: Array, shape: Shape) -> Array:
        k_probs, k_counts = split(key)
        return multinomial.sample(k_counts, n, samplers.dirichlet(k_probs, alpha, shape), shape)

    def log_prob(self, x: Array, n: Any, alpha: Array) -> Array:
        k, inside = as_counts(x, n)
        inside = mx.logical_and(inside, mx.min(alpha, axis=-1) > 0.0)
        k = mx.where(inside[..., None], k, 0.0)
        s = mx.sum(alpha, axis=-1, keepdims=True)
        trials = lifted(n)
        terms = _of_category(k, alpha, alpha * trials - k * s, trials, s)
        return mx.where(inside, mx.sum(terms, axis=-1) + _of_total(n, s.squeeze(-1)), -math.inf)

    def mean(self, n: Any, alpha: Array) -> Any:
        return lifted(n) * (alpha / mx.sum(alpha, axis=-1, keepdims=True))

    def variance(self, n: Any, alpha: Array) -> Any:
        s = mx.sum(alpha, axis=-1, keepdims=True)
        m, trials = alpha / s, lifted(n)
        return trials * m * (1.0 - m) * ((trials + s) / (1.0 + s))


@final
class BetaBinomial(Distribution):
    r"""Beta-binomial distribution: successes in ``n`` trials of one probability, which is from Beta(``a``, ``b``).

    $$p(x) = \binom{n}{x} \frac{B(x + a, n - x + b)}{B(a, b)}, \quad x \in \{0, \dots, n\}.$$

    With m = a / (a + b): mean n m, variance n m (1 - m) (n + a + b) / (1 + a + b). Values are int32. A draw is binomial
    with a beta distributed probability.

    Args:
        n: number of trials, an integer, zero or positive.
        a: pseudocount of successes, positive.
        b: pseudocount of failures, positive.

    Example:
        >>> round(beta_binomial(10, 2.0, 3.0).log_prob(4).item(), 5)
        -1.96711

    References:
        Skellam, A probability distribution derived from the binomial distribution, J. R. Statist. Soc. B 10 (1948).
    """

    name = "beta_binomial"
    params = {"n": domains.nonnegative_integer, "a": domains.positive, "b": domains.positive}  # noqa: RUF012
    discrete = True

    def support(self, n: Any, a: Any, b: Any) -> Domain:
        return domains.integer_interval(0, n)

    def sample(self, key: Key, n: Any, a: Any, b: Any, shape: Shape) -> Array:
        k_p, k_count = split(key)
        return samplers.binomial(k_count, n, samplers.beta(k_p, a, b, shape), shape)

    def log_prob(self, x: Array, n: Any, a: Any, b: Any) -> Array:
        k, inside = as_count(x, n)
        if isinstance(n, mx.array) and mx.issubdtype(n.dtype, mx.floating):
            inside = mx.logical_and(inside, mx.floor(n) == n)
        m = mx.where(inside, n - k, 0.0)
        s = a + b
        e = smaller_difference(a / s, a * n - k * s, m * s - b * n)
        terms = _of_category(k, a, e, n, s) + _of_category(m, b, -e, n, s)
        return mx.where(inside, terms + _of_total(n, s), -math.inf)

    def mean(self, n: Any, a: Any, b: Any) -> Any:
        return n * (a / (a + b))

    def variance(self, n: Any, a: Any, b: Any) -> Any:
        s = a + b
        return n * (a / s) * (b / s) * ((n + s) / (1.0 + s))


def _of_category(k: Array, a: Any, e: Array, n: Any, s: Any) -> Array:
    """What one category of concentration a and count k adds to the log mass; e = a n - k s."""
    total = n + s
    powers = k_log_ratio((k + a) * (n / total), k, e / total) + k_log_ratio((k + a) * (s / total), a, -e / total)
    return powers + (remainder(k + a) - remainder_of_count(k) - remainder(a)) - mx.log1p(k / a)


def _of_total(n: Any, s: Any) -> Any:
    """What belongs to no category."""
    total = n + s
    return remainder_of_count(n) + remainder(s) - remainder(total) + log(total / s)


dirichlet_multinomial = DirichletMultinomial()
beta_binomial = BetaBinomial()
