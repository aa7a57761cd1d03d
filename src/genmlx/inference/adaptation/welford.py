r"""Running variances and covariances, and their estimate from few draws.

With $\delta = x - \bar x_{n-1}$ a draw moves the mean by $\delta / n$ and adds $\delta (x - \bar x_n)^\top$ to the sum
of squares: nothing is cancelled, as it is in $\sum x^2 - n \bar x^2$.

References: Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4 (1962);
the shrinkage is that of Stan's warm-up.
"""

from __future__ import annotations

from typing import NamedTuple

import mlx.core as mx

from genmlx.numerics.types import Array

__all__ = ["Welford", "covariance", "init", "update"]


class Welford(NamedTuple):
    """Sums over the draws so far.

    Attributes:
        number: of them, as a float.
        mean: shape ``(d,)``.
        squares: sum of squared deviations, shape ``(d,)``, or of their products, shape ``(d, d)``.
    """

    number: Array
    mean: Array
    squares: Array


def init(like: Array) -> Welford:
    """No draws yet.

    Args:
        like: an array of the covariance's shape: ``(d,)`` for variances only, or ``(d, d)``.
    """
    return Welford(mx.array(0.0), mx.zeros(like.shape[:1], like.dtype), mx.zeros_like(like))


def update(state: Welford, x: Array) -> Welford:
    """Add a draw of shape ``(d,)``."""
    number = state.number + 1.0
    before = x - state.mean
    mean = state.mean + before / number
    after = x - mean
    product = before * after if state.squares.ndim == 1 else before[:, None] * after[None, :]
    return Welford(number, mean, state.squares + product)


def covariance(state: Welford) -> Array:
    r"""The covariance, shrunk towards a small multiple of the identity as if 5 more draws had shown it.

    $\frac{n}{n + 5} \hat\Sigma + 10^{-3} \frac{5}{n + 5} I$, with $\hat\Sigma$ the unbiased estimate.
    """
    n, squares = state.number, state.squares
    unit = mx.ones_like(squares) if squares.ndim == 1 else mx.eye(squares.shape[0], dtype=squares.dtype)
    return (n / (n + 5.0)) * squares / mx.maximum(n - 1.0, 1.0) + 1e-3 * (5.0 / (n + 5.0)) * unit
