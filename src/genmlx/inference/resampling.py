"""Resampling: indices of particles, drawn in proportion to their weights, in O(n).

All methods give particle i an expected count of n w_i. With u drawn uniformly and the cumulative weights inverted at
sorted points:

* multinomial: n independent points (the largest variance);
* stratified: one point in each of n equal strata;
* systematic: one u for all strata (the smallest variance in practice);
* residual: floor(n w_i) copies first, the rest stratified over what remains.

Sums over particles are in float64: at 10^6 particles, cumulative weights in float32 would misplace dozens of them, and
a mean would be off by a good part of its Monte Carlo error. NumPy computes them: MLX has float64 on the CPU only, and
there its exp is slow and accurate to float32.

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


def normalised(log_weights: Array) -> np.ndarray:
    """Weights that sum to 1, in float64. A particle of log weight -inf has weight exactly 0."""
    weights, _ = _relative(log_weights)
    with np.errstate(invalid="ignore"):
        weights /= weights.sum()
    return weights


def log_mean_exp(log_weights: Array) -> float:
    """The logarithm of the mean weight; -inf if all weights are 0."""
    weights, top = _relative(log_weights)
    with np.errstate(divide="ignore"):
        return float(np.log(weights.mean()) + top)


def _relative(log_weights: Array) -> tuple[np.ndarray, float]:
    """Weights relative to the largest, and its logarithm."""
    weights = np.array(log_weights, dtype=np.float64)
    top = float(weights.max())
    top = top if np.isfinite(top) else 0.0  # -inf - -inf would be NaN
    weights -= top
    with np.errstate(over="ignore"):
        np.exp(weights, out=weights)
    return weights, top


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
    weights = normalised(log_weights)
    drawn = _residual(key, weights, n) if method == "residual" else _invert(weights, _points(key, n, method))
    return mx.array(drawn.astype(np.int32))


def _points(key: Key, n: int, method: str) -> np.ndarray:
    """Sorted points in [0, 1)."""
    if method == "multinomial":
        # A float32 uniform has 2^24 values: too few to tell a million particles apart.
        fine, coarse = (_uniforms(k, n) for k in split(key))
        return np.sort(coarse + fine / 2**24)
    return (np.arange(n) + _uniforms(key, 1 if method == "systematic" else n)) / n


def _uniforms(key: Key, n: int) -> np.ndarray:
    return np.array(mx.random.uniform(shape=(n,), key=key), dtype=np.float64)


def _invert(weights: np.ndarray, points: np.ndarray) -> np.ndarray:
    """For each point, the first particle whose cumulative weight exceeds it; never one of weight 0."""
    found = np.searchsorted(np.cumsum(weights), points, side="right")
    # Rounding can leave the last cumulative weight below a point: that point belongs to the last particle that counts.
    return np.minimum(found, np.flatnonzero(weights)[-1])


def _residual(key: Key, weights: np.ndarray, n: int) -> np.ndarray:
    copies = np.floor(weights * n)
    whole = np.repeat(np.arange(len(weights)), copies.astype(np.int64))
    if len(whole) == n:
        return whole
    rest = weights * n - copies
    drawn = _invert(rest / rest.sum(), _points(key, n - len(whole), "stratified"))
    return np.sort(np.concatenate([whole, drawn]))
