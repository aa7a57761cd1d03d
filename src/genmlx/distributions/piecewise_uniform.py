"""The piecewise uniform (histogram) distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, broadcast_shapes
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["PiecewiseUniform", "piecewise_uniform"]


@final
class PiecewiseUniform(Distribution):
    r"""Histogram: bin i, [bounds[i], bounds[i + 1]), has a probability in proportion to ``probs[i]``.

    $$p(x) = \frac{q_i}{\sum_j q_j} \frac{1}{b_{i+1} - b_i}, \quad b_i \le x < b_{i+1}.$$

    Mean and variance are those of the mixture of the bins. Draws are differentiable in the bounds.

    Args:
        bounds: an increasing vector of n + 1 real numbers (more axes: one vector for each value).
        probs: a vector of n weights, zero or positive and not all zero; they need not be normalised.

    Example:
        >>> round(piecewise_uniform([0.0, 1.0, 3.0], [1.0, 3.0]).log_prob(2.0).item(), 6)
        -0.980829
    """

    name = "piecewise_uniform"
    params = {"bounds": domains.increasing_bounds, "probs": domains.probabilities}  # noqa: RUF012
    pathwise = ("bounds",)

    def support(self, bounds: Array, probs: Array) -> Domain:
        return domains.interval(bounds[..., 0], bounds[..., -1])

    def check(self, params: tuple[Any, ...]) -> None:
        bounds, probs = params
        if bounds.shape[-1] != probs.shape[-1] + 1:
            raise ShapeError(
                f"{self.name} has {bounds.shape[-1]} bounds and {probs.shape[-1]} probabilities",
                fix="one bound more than probabilities: piecewise_uniform([0, 1, 3], [0.2, 0.8])",
            )
        super().check(params)

    def sample(self, key: Key, bounds: Array, probs: Array, shape: Shape) -> Array:
        which, where = mx.random.uniform(shape=(2, *shape), key=key)
        weight = which[..., None] * mx.sum(probs, axis=-1, keepdims=True)
        below = mx.cumsum(probs, axis=-1)[..., :-1]
        # Bins of probability 0 are stepped over: their cumulated weight is not above that of their predecessor.
        i = mx.sum(weight >= below, axis=-1, keepdims=True)
        lo, hi = _at(bounds[..., :-1], i), _at(bounds[..., 1:], i)
        x = lo + (hi - lo) * where
        return mx.where(x < hi, x, lo)  # rounding may reach hi, which is not in the bin

    def log_prob(self, x: Array, bounds: Array, probs: Array) -> Array:
        lo, hi = bounds[..., :-1], bounds[..., 1:]
        x = x[..., None]
        width = hi - lo
        height = probs / width
        # A negative weight and a width of 0 or infinity spoil the whole, not one bin.
        mass = mx.sum(mx.where(height >= 0.0, height * width, math.nan), axis=-1)
        density = mx.sum(mx.where(mx.logical_and(x >= lo, x < hi), height, 0.0), axis=-1) / mass
        inside = density > 0.0
        return mx.where(inside, mx.log(mx.where(inside, density, 1.0)), -math.inf)

    def mean(self, bounds: Array, probs: Array) -> Array:
        p, lo, hi = _bins(bounds, probs)
        return mx.sum(p * (0.5 * (lo + hi)), axis=-1)

    def variance(self, bounds: Array, probs: Array) -> Array:
        p, lo, hi = _bins(bounds, probs)
        offset = 0.5 * (lo + hi) - self.mean(bounds, probs)[..., None]
        return mx.sum(p * (offset * offset + (hi - lo) * (hi - lo) / 12.0), axis=-1)

    def entropy(self, bounds: Array, probs: Array) -> Array:
        p, lo, hi = _bins(bounds, probs)
        return -mx.sum(p * mx.log(mx.where(p > 0.0, p, 1.0) / (hi - lo)), axis=-1)

    def cdf(self, x: Array, bounds: Array, probs: Array) -> Array:
        p, lo, hi = _bins(bounds, probs)
        return mx.sum(p * mx.clip((x[..., None] - lo) / (hi - lo), 0.0, 1.0), axis=-1)

    def quantile(self, q: Array, bounds: Array, probs: Array) -> Array:
        p, lo, hi = _bins(bounds, probs)
        before = mx.cumsum(p, axis=-1) - p
        excess = q[..., None] - before
        inside = p > 0.0
        part = mx.where(inside, excess / mx.where(inside, p, 1.0), mx.where(excess > 0.0, 1.0, 0.0))
        return bounds[..., 0] + mx.sum((hi - lo) * mx.clip(part, 0.0, 1.0), axis=-1)


def _bins(bounds: Array, probs: Array) -> tuple[Array, Array, Array]:
    """Probabilities, lower and upper bounds."""
    return probs / mx.sum(probs, axis=-1, keepdims=True), bounds[..., :-1], bounds[..., 1:]


def _at(values: Array, i: Array) -> Array:
    """``values`` along the last axis at the index ``i`` of each draw."""
    batch = broadcast_shapes(i.shape[:-1], values.shape[:-1])
    return mx.take_along_axis(mx.broadcast_to(values, (*batch, values.shape[-1])), i, axis=-1)[..., 0]


piecewise_uniform = PiecewiseUniform()
