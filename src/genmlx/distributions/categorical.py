"""The categorical distribution: an index with given log weights."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, broadcast_shapes
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp
from genmlx.numerics.special import logsumexp, xlogy
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Categorical", "categorical"]


@final
class Categorical(Distribution):
    r"""Categorical distribution over 0, ..., K - 1 with unnormalised log probabilities ``logits``.

    $$\log p(x) = l_x - \log \sum_{k=0}^{K-1} e^{l_k}, \quad x \in \{0, \dots, K - 1\}.$$

    Values are int32; a logit of -inf is a category of probability 0. ``categorical(probs=w)`` takes weights, which
    need not sum to 1, and does not go through their logarithms. Draws are Gumbel's argmax
    (`genmlx.numerics.samplers.categorical`).

    Args:
        logits: log weights, shape ``(..., K)``, not all -inf; leading axes are a batch.
        probs: weights, shape ``(..., K)``, not negative, not all zero (keyword only).

    Example:
        >>> round(categorical(probs=[1.0, 1.0, 2.0]).log_prob(2).item(), 6)
        -0.693147
    """

    name = "categorical"
    params = {"logits": domains.log_weights}  # noqa: RUF012
    discrete = True

    def support(self, logits: Array) -> Domain:
        return domains.integer_interval(0, logits.shape[-1] - 1)

    def sample(self, key: Key, logits: Array, shape: Shape) -> Array:
        return samplers.categorical(key, logits, shape)

    def log_prob(self, x: Array, logits: Array) -> Array:
        index, inside = _as_index(x, logits.shape[-1])
        return mx.where(inside, _at(logits, index) - logsumexp(logits, axis=-1), -math.inf)

    def entropy(self, logits: Array) -> Any:
        log_p = logits - logsumexp(logits, axis=-1, keepdims=True)
        return -mx.sum(exp(log_p) * mx.where(logits == -math.inf, 0.0, log_p), axis=-1)


@final
class _CategoricalProbs(Distribution):
    """Categorical distribution by weights."""

    name = "categorical"
    params = {"probs": domains.probabilities}  # noqa: RUF012
    discrete = True

    def support(self, probs: Array) -> Domain:
        return domains.integer_interval(0, probs.shape[-1] - 1)

    def sample(self, key: Key, probs: Array, shape: Shape) -> Array:
        return samplers.categorical(key, mx.log(probs), shape)

    def log_prob(self, x: Array, probs: Array) -> Array:
        index, inside = _as_index(x, probs.shape[-1])
        inside = mx.logical_and(inside, mx.min(probs, axis=-1) >= 0.0)
        chosen = mx.where(inside, _at(probs, index), 1.0)
        return mx.where(inside, mx.log(chosen) - mx.log(mx.sum(probs, axis=-1)), -math.inf)

    def entropy(self, probs: Array) -> Any:
        total = mx.sum(probs, axis=-1)
        return mx.log(total) - mx.sum(xlogy(probs, probs), axis=-1) / total


def _as_index(x: Array, size: int) -> tuple[Array, Array]:
    """``x`` as an index that can be gathered, and where it is one: fractions, NaN and what is out of range are not."""
    index = mx.stop_gradient(mx.clip(x.astype(mx.int32), 0, size - 1))  # MLX refuses gradients through an index
    return index, index == x


def _at(values: Array, index: Array) -> Array:
    """The element of the last axis at ``index``, row by row (a plain take would pair every index with every row)."""
    if values.ndim == 1:
        return mx.take(values, index)
    batch = broadcast_shapes(index.shape, values.shape[:-1])
    rows = mx.broadcast_to(values, (*batch, values.shape[-1]))
    return mx.take_along_axis(rows, mx.broadcast_to(index, batch)[..., None], axis=-1).squeeze(-1)


categorical = Categorical()
categorical.alternatives = {frozenset({"probs"}): _CategoricalProbs()}
