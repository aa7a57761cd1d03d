"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.numerics import domains, linalg, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import UsageError
from genmlx.numerics.number import exp, expm1, lgamma, log1p
from genmlx.numerics.special import digamma
from genmlx.numerics.special.common import polynomial
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LKJCholesky", "lkj_cholesky", "log_normaliser"]

_LOG_PI = math.log(math.pi)
_SERIES = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432)  # in 1/z^2, after a factor 1/z


def lkj_cholesky(dim: Any, eta: Any) -> DistributionCall:
    r"""Cholesky factors L of n x n correlation matrices C = L L^T with density proportional to det(C)^(eta - 1).

    $$p(L) = \prod_{i=2}^{n} \frac{\Gamma(a_i + \frac{i - 1}{2})}{\pi^{(i - 1)/2}\, \Gamma(a_i)}\, L_{ii}^{2 a_i - 2},
    \quad a_i = \eta + \tfrac{n - i}{2},$$

    with respect to the entries below the diagonal. A factor is lower triangular with positive diagonal and rows of
    length 1; other matrices have density 0. For eta = 1 the matrices C are uniform, above 1 the identity is favoured.
    The rows are independent: i - 1 entries, uniform in direction, of squared length from Beta((i - 1)/2, a_i), which is
    how a draw is made (the onion method). The entries below the diagonal have mean 0 and variance 1 / (2 a_i + i - 1).

    Args:
        dim: n, a Python int, at least 1.
        eta: concentration, positive.

    Returns:
        A call.

    Example:
        >>> round(lkj_cholesky(2, 1.5).log_prob([[1.0, 0.0], [0.6, 0.8]]).item(), 5)
        -0.67473

    References:
        Lewandowski, Kurowicka and Joe, Generating random correlation matrices based on vines and extended onion method,
        J. Multivariate Analysis 100 (2009).
        Stan Functions Reference, section Cholesky LKJ correlation distribution.
    """
    return LKJCholesky(dim)(eta)


@final
class LKJCholesky(Distribution):
    """The Cholesky factors of correlation matrices of one size; `lkj_cholesky` makes them.

    Attributes:
        dim: the size.
    """

    name = "lkj_cholesky"
    params = {"eta": domains.positive}  # noqa: RUF012
    pathwise = ("eta",)
    event_ndim = 2

    def __init__(self, dim: Any) -> None:
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise UsageError(
                f"dim is a positive int, since the shape of values depends on it; found {dim!r}",
                fix="lkj_cholesky(3, 1.0)",
            )
        self.dim = dim

    def event_shape(self, *params: Any) -> Shape:
        return (self.dim, self.dim)

    def support(self, eta: Any) -> Domain:
        return domains.correlation_cholesky

    def sample(self, key: Key, eta: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        return samplers.lkj_cholesky(key, self.dim, eta, shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, eta: Any) -> Array:
        inside = domains.correlation_cholesky.contains(x)
        diagonal = mx.where(inside[..., None], linalg.diagonal(x), 1.0)
        powers = 2.0 * (_a(self.dim, _column(eta)) - 1.0) * mx.log(diagonal)
        kernel = mx.sum(mx.where(mx.arange(self.dim) == 0, 0.0, powers), axis=-1)
        invalid = mx.logical_not(mx.array(eta) > 0.0)
        return mx.where(invalid, math.nan, mx.where(inside, kernel - log_normaliser(self.dim, eta), -math.inf))

    def mean(self, eta: Any) -> Any:
        return _diagonal_mean(self.dim, eta)[..., None] * mx.eye(self.dim)

    def variance(self, eta: Any) -> Any:
        rows = mx.arange(self.dim)
        total = _a(self.dim, _column(eta)) + 0.5 * rows
        below = (0.5 / total)[..., None] * mx.tri(self.dim, k=-1)
        return below + _diagonal_variance(self.dim, eta)[..., None] * mx.eye(self.dim)

    def entropy(self, eta: Any) -> Any:
        rows = mx.arange(self.dim)
        a = _a(self.dim, _column(eta))
        expected = (a - 1.0) * (digamma(a) - digamma(a + 0.5 * rows))  # of the logarithms of the diagonal
        return log_normaliser(self.dim, eta) - mx.sum(mx.where(rows == 0, 0.0, expected), axis=-1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LKJCholesky) and self.dim == other.dim

    def __hash__(self) -> int:
        return hash((LKJCholesky, self.dim))


def _column(eta: Any) -> Any:
    """eta beside rows."""
    return eta[..., None] if isinstance(eta, mx.array) else eta


def _a(dim: int, eta: Any) -> Array:
    """a_i of each row; i - 1 is counted from 0."""
    return eta + 0.5 * (dim - 1 - mx.arange(dim))


def _diagonal_mean(dim: int, eta: Any) -> Array:
    """The mean of the root of a Beta(a, t - a) variable, row by row, a ratio of gamma functions."""
    a = _a(dim, _column(eta))
    total = a + 0.5 * mx.arange(dim)
    return mx.sqrt(a / total) * exp(_excess(a) - _excess(total))


def _diagonal_variance(dim: int, eta: Any) -> Array:
    a = _a(dim, _column(eta))
    total = a + 0.5 * mx.arange(dim)
    return -(a / total) * expm1(2.0 * (_excess(a) - _excess(total)))


def _excess(z: Array) -> Array:
    """log Γ(z + 1/2) - log Γ(z) - log(z)/2 by its asymptotic series, below 4 from that at z + 4."""
    near = z < 4.0
    r = 1.0 / mx.where(near, z + 4.0, z)
    series = r * polynomial(_SERIES, mx.square(r))
    steps = 0.5 * log1p(4.0 / z) - sum(log1p(0.5 / (z + j)) for j in range(4))
    return mx.where(near, series + steps, series)


def log_normaliser(dim: int, eta: Any) -> Any:
    """The sum over m = i - 1 of the log volume of {v in R^m}, weighted by (1 - |v|^2)^(a - 1)."""
    total = lgamma(eta + 0.5 * (dim - 1))  # of a_i + m / 2, which is the same in all rows
    result = 0.25 * dim * (dim - 1) * _LOG_PI
    for m in range(1, dim):
        result = result + (lgamma(eta + 0.5 * (dim - 1 - m)) - total)
    return result
