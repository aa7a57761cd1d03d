"""Resampling: indices of particles, drawn in proportion to their weights, in O(n).

All methods give particle i an expected count of n w_i. With u drawn uniformly and the cumulative weights inverted at
sorted points:

* multinomial: n independent points (the largest variance);
* stratified: one point in each of n equal strata;
* systematic: one u for all strata (the smallest variance in practice);
* residual: floor(n w_i) copies first, the rest stratified over what remains.

Sums over particles are in float64 on the CPU: at 10^6 particles, cumulative weights in float32 would misplace dozens
of them, and a mean would be off by a good part of its Monte Carlo error.

Reference: Douc, Cappé, Moulines, "Comparison of resampling schemes for particle filtering", ISPA 2005.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from genmlx.numerics.errors import UsageError, WeightError
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key

__all__ = ["METHODS", "check_weights", "log_mean_exp", "normalised", "resample_indices"]

METHODS = ("systematic", "stratified", "multinomial", "residual")


def normalised(log_weights: Array) -> Array:
    """Weights that sum to 1, in float64 on the CPU. A particle of log weight -inf has weight exactly 0."""
    with mx.stream(mx.cpu):
        exact = log_weights.astype(mx.float64)
        weights = mx.exp(exact - mx.max(exact))
        return weights / mx.sum(weights)


def log_mean_exp(log_weights: Array) -> Array:
    """The logarithm of the mean weight, 0-d float32; -inf if all weights are 0."""
    with mx.stream(mx.cpu):
        exact = log_weights.astype(mx.float64)
        top = mx.max(exact)
        top = mx.where(mx.isfinite(top), top, mx.zeros_like(top))  # -inf - -inf would be NaN
        return (mx.log(mx.mean(mx.exp(exact - top))) + top).astype(mx.float32)


def check_weights(log_weights: Array, where: str) -> None:
    """Raise if the weights say nothing.

    Raises:
        WeightError: a weight is NaN or +inf, or all are -inf.
    """
    top = mx.max(log_weights).item()
    if mx.any(mx.isnan(log_weights)).item() or top == mx.inf:
        count = mx.sum(mx.isnan(log_weights) | (log_weights == mx.inf)).item()
        raise WeightError(
            f"{count} of {log_weights.shape[0]} log weights {where} are NaN or +inf",
            fix="parameters inside their domains, whatever the choices that lead to them: mx.exp(x) for a scale, ...",
        )
    if top == -mx.inf:
        raise WeightError(
            f"all {log_weights.shape[0]} log weights {where} are -inf: no particle explains the observations",
            fix="more particles, a proposal= that knows the observations, or observations inside the support",
        )


def resample_indices(key: Key, log_weights: Array, n: int, method: str = "systematic") -> Array:
    """``n`` ancestor indices (int32, sorted), drawn in proportion to exp(log_weights).

    Raises:
        WeightError: all weights are -inf, or one is NaN.
    """
    if method not in METHODS:
        raise UsageError(f"method= is one of {', '.join(METHODS)}, found {method!r}")
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise UsageError(f"the number of particles to draw is a positive int, found {n!r}")
    check_weights(log_weights, "to resample from")
    with mx.stream(mx.cpu):
        weights = normalised(log_weights)
        if method == "residual":
            return _residual(key, weights, n)
        return _invert(weights, _points(key, n, method))


def _points(key: Key, n: int, method: str) -> Array:
    """Sorted points in [0, 1)."""
    if method == "multinomial":
        # A float32 uniform has 2^24 values: too few to tell a million particles apart.
        fine, coarse = (mx.random.uniform(shape=(n,), key=k).astype(mx.float64) for k in split(key))
        return mx.sort(coarse + fine / 2**24)
    u = mx.random.uniform(shape=(1 if method == "systematic" else n,), key=key).astype(mx.float64)
    return (mx.arange(n, dtype=mx.float64) + u) / n


def _invert(weights: Array, points: Array) -> Array:
    """For each point, the first particle whose cumulative weight exceeds it; never one of weight 0."""
    cumulative = mx.cumsum(weights)
    found = mx.searchsorted(cumulative, points, side="right")
    # Rounding can leave the last cumulative weight below a point: that point belongs to the last particle that counts.
    last = weights.shape[0] - 1 - mx.argmax((weights > 0)[::-1])
    return mx.minimum(found.astype(mx.int32), last.astype(mx.int32))


def _residual(key: Key, weights: Array, n: int) -> Array:
    size = weights.shape[0]
    copies = mx.floor(weights * n)
    kept = round(float(np.array(mx.sum(copies))))
    whole = mx.searchsorted(mx.cumsum(copies), mx.arange(kept, dtype=mx.float64), side="right").astype(mx.int32)
    if kept == n:
        return mx.minimum(whole, size - 1)
    rest = weights * n - copies
    drawn = _invert(rest / mx.sum(rest), _points(split(key)[0], n - kept, "stratified"))
    return mx.sort(mx.concatenate([whole, drawn]))
