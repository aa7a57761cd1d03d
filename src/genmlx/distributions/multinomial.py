"""The multinomial distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.binomial import is_few
from genmlx.distributions.counts import as_count, k_log_ratio, remainder_of_count
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp
from genmlx.numerics.special import logsumexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Multinomial", "as_counts", "composition", "lifted", "multinomial"]


@final
class Multinomial(Distribution):
    r"""Multinomial distribution: how often each of K categories comes up in ``n`` independent trials.

    $$p(x) = n! \prod_{k=1}^K \frac{p_k^{x_k}}{x_k!}, \quad x_k \in \{0, 1, 2, \dots\},\ \sum_k x_k = n.$$

    Mean n p, variance n p (1 - p). Values are int32 vectors. The weights are normalised: p = w / sum(w).
    ``multinomial(n, logits=l)`` is the same for p = softmax(l), without going through p. Draws: n categories for a
    literal n that is small, else `genmlx.numerics.samplers.multinomial`.

    Args:
        n: number of trials, an integer, zero or positive.
        probs: weights, shape ``(..., K)``, not negative, not all zero; leading axes are a batch.
        logits: log weights, shape ``(..., K)``, not all -inf (keyword only).

    Example:
        >>> round(multinomial(6, [0.2, 0.3, 0.5]).log_prob([1, 2, 3]).item(), 5)
        -2.00248

    References:
        Loader, Fast and accurate computation of binomial probabilities (2000): the form of the log mass.
    """

    name = "multinomial"
    params = {"n": domains.nonnegative_integer, "probs": domains.probabilities}  # noqa: RUF012
    event_ndim = 1
    discrete = True

    def event_shape(self, *params: Any) -> Shape:
        return params[1].shape[-1:]

    def support(self, n: Any, probs: Array) -> Domain:
        return composition(n)

    def sample(self, key: Key, n: Any, probs: Array, shape: Shape) -> Array:
        if is_few(n, shape) and n > 0:
            return _tallied(key, int(n), mx.log(probs), shape)
        return samplers.multinomial(key, n, probs, shape)

    def log_prob(self, x: Array, n: Any, probs: Array) -> Array:
        p = probs / mx.sum(probs, axis=-1, keepdims=True)
        k, inside = as_counts(x, n)
        inside = mx.logical_and(inside, mx.min(probs, axis=-1) >= 0.0)
        # What cannot be has an infinite slope, which must not reach the other weights as NaN.
        possible = mx.all(mx.logical_or(p > 0.0, k == 0.0), axis=-1)
        inside = mx.logical_and(inside, possible)
        k = mx.where(inside[..., None], k, 0.0)
        a = lifted(n) * p
        d = a - k
        return mx.where(inside, _log_ways(n, k) + mx.sum(k_log_ratio(a, k, d) - d, axis=-1), -math.inf)

    def mean(self, n: Any, probs: Array) -> Any:
        return lifted(n) * (probs / mx.sum(probs, axis=-1, keepdims=True))

    def variance(self, n: Any, probs: Array) -> Any:
        p = probs / mx.sum(probs, axis=-1, keepdims=True)
        return lifted(n) * p * (1.0 - p)


@final
class _MultinomialLogits(Distribution):
    """Multinomial distribution by log weights."""

    name = "multinomial"
    params = {"n": domains.nonnegative_integer, "logits": domains.log_weights}  # noqa: RUF012
    event_ndim = 1
    discrete = True

    def event_shape(self, *params: Any) -> Shape:
        return params[1].shape[-1:]

    def support(self, n: Any, logits: Array) -> Domain:
        return composition(n)

    def sample(self, key: Key, n: Any, logits: Array, shape: Shape) -> Array:
        if is_few(n, shape) and n > 0:
            return _tallied(key, int(n), logits, shape)
        return samplers.multinomial(key, n, mx.softmax(logits, axis=-1), shape)

    def log_prob(self, x: Array, n: Any, logits: Array) -> Array:
        log_p = logits - logsumexp(logits, axis=-1, keepdims=True)
        k, inside = as_counts(x, n)
        inside = mx.logical_and(inside, mx.all(mx.logical_or(log_p > -math.inf, k == 0.0), axis=-1))
        k = mx.where(inside[..., None], k, 0.0)
        trials = lifted(n)
        a = trials * exp(log_p)
        log_p = mx.where(log_p == -math.inf, 0.0, log_p)  # times a count of 0
        d = a - k
        ratios = k_log_ratio(a, k, d, trials, log_p)
        return mx.where(inside, _log_ways(n, k) + mx.sum(ratios - d, axis=-1), -math.inf)

    def mean(self, n: Any, logits: Array) -> Any:
        return lifted(n) * mx.softmax(logits, axis=-1)

    def variance(self, n: Any, logits: Array) -> Any:
        p = mx.softmax(logits, axis=-1)
        return lifted(n) * p * (1.0 - p)


def lifted(n: Any) -> Any:
    """A parameter that is one number for the whole vector, beside vectors."""
    return n[..., None] if isinstance(n, mx.array) else n


def composition(n: Any) -> Domain:
    """The vectors of counts whose sum is ``n``."""

    def contains(x: Array) -> Array:
        counts = mx.all(mx.logical_and(x >= 0, mx.floor(x) == x), axis=-1)
        return mx.logical_and(counts, mx.sum(x, axis=-1) == n)

    shown = "n" if isinstance(n, mx.array) else f"{n:g}"
    return Domain(f"a vector of counts with sum {shown}", contains, event_ndim=1, discrete=True)


def as_counts(x: Array, n: Any) -> tuple[Array, Array]:
    """``x`` in float32, with counts only, and whether it is in the support: all are counts and their sum is ``n``."""
    k, are_counts = as_count(x)
    return k, mx.logical_and(mx.all(are_counts, axis=-1), mx.sum(k, axis=-1) == n)


def _log_ways(n: Any, k: Array) -> Any:
    """log(n! / prod k!) without its powers, which k_log_ratio has.

    The sum of all d = a - k is 0, but for the rounding of a: without d, the terms are flat in a where a is near k.
    """
    return remainder_of_count(n) - mx.sum(remainder_of_count(k), axis=-1)


def _tallied(key: Key, n: int, logits: Array, shape: Shape) -> Array:
    """Draws by n categories each."""
    size = logits.shape[-1]
    index = samplers.categorical(key, logits[..., None, :], (*shape, n))
    return mx.sum(index[..., None] == mx.arange(size), axis=-2).astype(mx.int32)


multinomial = Multinomial()
multinomial.alternatives = {frozenset({"n", "logits"}): _MultinomialLogits()}
