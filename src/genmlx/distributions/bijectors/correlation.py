"""Correlation matrices and their Cholesky factors."""

import dataclasses
import functools
import math

import mlx.core as mx

from genmlx.distributions.bijectors import triangular
from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.saturation import LIMIT, absolute, exp
from genmlx.numerics import linalg
from genmlx.numerics.types import Array, Shape

__all__ = ["Correlation", "CorrelationCholesky"]


@dataclasses.dataclass(frozen=True, eq=False)
class CorrelationCholesky(Bijector):
    r"""Cholesky factors L of n x n correlation matrices: lower triangles with positive diagonal and rows of length 1.

    The coordinates are partial correlations $z_{ij} = \tanh y_{ij}$, j < i, row by row. Each takes its share of what
    the row has left of its length,

    $$L_{ij} = z_{ij} \prod_{k<j} \sqrt{1 - z_{ik}^2}, \quad L_{ii} = \prod_{k<i} \sqrt{1 - z_{ik}^2}, \quad
      \log|\det J| = \sum_{j<i} \frac{i - j + 1}2 \log(1 - z_{ij}^2),$$

    with respect to the entries below the diagonal, as densities of such factors are. The products are sums of
    $\log(1 - \tanh^2 y)$, which does not cancel; the inverse is $\sinh y_{ij} = L_{ij} / |(L_{i,j+1}, ..., L_{ii})|$,
    accurate for correlations as near to ±1 as L can say: L_ii down to 1e-19 in float32, where it saturates.

    Shapes: y ``(..., n (n - 1) / 2)``, x ``(..., n, n)``.

    Example:
        >>> CorrelationCholesky().forward([math.atanh(0.6)])
        array([[1, 0],
               [0.6, 0.8]], dtype=float32)

    References:
        Lewandowski, Kurowicka and Joe, Generating random correlation matrices based on vines and extended onion
        method, Journal of Multivariate Analysis 100 (2009).
        Stan Reference Manual, chapter Constraint Transforms, section Cholesky Factors of Correlation Matrices.
    """

    event_ndim_in, event_ndim_out = 1, 2
    free_out = False

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        L, log_rests = _factor(y)
        return L, mx.sum(log_rests * _weights(L.shape[-1], False), axis=(-1, -2))

    def _inverse(self, x: Array) -> Array:
        rests = mx.cumsum(mx.square(x), axis=-1, reverse=True, inclusive=False)
        sinh = triangular.pick(x, strict=True) * mx.rsqrt(triangular.pick(rests, strict=True))
        limit = 0.5 * LIMIT[x.dtype]
        return mx.clip(mx.arcsinh(sinh), -limit, limit)

    def _constrained_event(self, event: Shape) -> Shape:
        n = triangular.size_of(type(self).__name__, event, strict=True)
        return (n, n)

    def _unconstrained_event(self, event: Shape) -> Shape:
        return (triangular.length_of(triangular.square_side(type(self).__name__, event), strict=True),)


@dataclasses.dataclass(frozen=True, eq=False)
class Correlation(CorrelationCholesky):
    r"""Correlation matrices: $R = L L^T$, with L and y as for `CorrelationCholesky`.

    $$\log|\det J| = \sum_{j<i} \frac{n - j + 1}2 \log(1 - z_{ij}^2)$$

    with respect to the entries of R below the diagonal. R itself, of which a float cannot tell a correlation of
    1 - 1e-8 from 1, has less room than L: prefer the factor where the model lets you choose.

    Shapes: y ``(..., n (n - 1) / 2)``, x ``(..., n, n)``.

    Example:
        >>> Correlation().forward([math.atanh(0.6)])
        array([[1, 0.6],
               [0.6, 1]], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Correlation Matrices.
    """

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        L, log_rests = _factor(y)
        return L @ L.swapaxes(-1, -2), mx.sum(log_rests * _weights(L.shape[-1], True), axis=(-1, -2))

    def _inverse(self, x: Array) -> Array:
        return super()._inverse(linalg.cholesky(x))


def _factor(y: Array) -> tuple[Array, Array]:
    """L, and log(1 - z²) in its places below the diagonal."""
    n = triangular.size_of("a correlation matrix", y.shape[-1:], strict=True)
    negative, size = absolute(triangular.fill(y, n, strict=True))
    decay = mx.expm1(-2.0 * size)
    tanh = decay / (2.0 + decay)
    z = mx.where(negative, tanh, -tanh)
    log_rests = 2.0 * (math.log(2.0) - size - mx.log1p(1.0 + decay))
    left = 0.5 * mx.cumsum(log_rests, axis=-1, inclusive=False)
    left = mx.maximum(left, -0.5 * LIMIT[y.dtype])  # the squares of what is left are floats, too
    return (z + mx.eye(n, dtype=y.dtype)) * exp(left), log_rests


@functools.lru_cache(maxsize=64)
def _weights(n: int, of_product: bool) -> Array:
    """The weight of each log(1 - z²) in the log determinant; i and j count from 0 here."""
    return mx.array([[0.5 * ((n if of_product else i + 1) - j) if j < i else 0.0 for j in range(n)] for i in range(n)])
