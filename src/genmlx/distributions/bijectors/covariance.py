"""Covariance matrices and their Cholesky factors."""

import dataclasses
import functools
import math

import mlx.core as mx

from genmlx.distributions.bijectors import triangular
from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.saturation import LIMIT, saturating_exp, saturating_log
from genmlx.numerics import linalg
from genmlx.numerics.types import Array, Shape

__all__ = ["CholeskyFactor", "Covariance"]


@dataclasses.dataclass(frozen=True, eq=False)
class CholeskyFactor(Bijector):
    r"""Lower triangular n x n matrices with positive diagonal: $L_{ii} = e^{y_{ii}}$, $L_{ij} = y_{ij}$ below it.

    y holds the triangle row by row; $\log|\det J| = \sum_i y_{ii}$, with respect to the entries of the triangle.

    Shapes: y ``(..., n (n + 1) / 2)``, x ``(..., n, n)``.

    Example:
        >>> CholeskyFactor().forward([0.0, 0.5, 0.0])
        array([[1, 0],
               [0.5, 1]], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Cholesky Factors of Covariance Matrices.
    """

    event_ndim_in, event_ndim_out = 1, 2
    free_out = False

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        L, log_slopes = _factor(y, LIMIT[y.dtype])
        return L, mx.sum(log_slopes, axis=-1)

    def _inverse(self, x: Array) -> Array:
        return _coordinates(x, LIMIT[x.dtype])

    def _constrained_event(self, event: Shape) -> Shape:
        n = triangular.size_of(type(self).__name__, event, strict=False)
        return (n, n)

    def _unconstrained_event(self, event: Shape) -> Shape:
        return (triangular.length_of(triangular.square_side(type(self).__name__, event), strict=False),)


@dataclasses.dataclass(frozen=True, eq=False)
class Covariance(CholeskyFactor):
    r"""Symmetric positive definite n x n matrices: $\Sigma = L L^T$, with L and y as for `CholeskyFactor`.

    $$\log|\det J| = n \log 2 + \sum_i (n - i + 2)\, y_{ii}, \quad i = 1 ... n,$$

    with respect to the lower triangle of Σ, diagonal included. The diagonal of L stays between the square roots of the
    smallest and the largest float. The inverse is NaN for a matrix that is not positive definite in floats.

    Shapes: y ``(..., n (n + 1) / 2)``, x ``(..., n, n)``.

    Example:
        >>> Covariance().forward([0.0, 0.5, 0.0])
        array([[1, 0.5],
               [0.5, 1.25]], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Covariance Matrices.
    """

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        L, log_slopes = _factor(y, 0.5 * LIMIT[y.dtype])
        n = L.shape[-1]
        return L @ L.swapaxes(-1, -2), mx.sum(log_slopes * _powers(n), axis=-1) + n * math.log(2.0)

    def _inverse(self, x: Array) -> Array:
        return _coordinates(linalg.cholesky(x), 0.5 * LIMIT[x.dtype])


def _factor(y: Array, limit: float) -> tuple[Array, Array]:
    """L, and the logarithms of the slopes of its diagonal."""
    n = triangular.size_of("a covariance matrix", y.shape[-1:], strict=False)
    below = triangular.fill(y, n, strict=False)
    scales, log_slopes = saturating_exp(linalg.diagonal(below), limit)
    return mx.where(mx.eye(n, dtype=mx.bool_), scales[..., None], below), log_slopes


def _coordinates(L: Array, limit: float) -> Array:
    logs = saturating_log(linalg.diagonal(L), limit)
    return triangular.pick(mx.where(mx.eye(L.shape[-1], dtype=mx.bool_), logs[..., None], L), strict=False)


@functools.lru_cache(maxsize=64)
def _powers(n: int) -> Array:
    return mx.array([float(n - i + 1) for i in range(n)])
