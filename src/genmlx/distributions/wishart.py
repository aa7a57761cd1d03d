"""The Wishart distribution and its inverse: random covariance matrices."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.distribution import Distribution
from genmlx.distributions.multivariate_normal import symmetric_cholesky
from genmlx.numerics import domains, linalg, samplers, special
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import DomainError, ShapeError
from genmlx.numerics.number import lgamma
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["InvWishart", "Wishart", "inv_wishart", "value_factor", "wishart"]

_LOG_2, _LOG_PI = math.log(2.0), math.log(math.pi)
_SYMMETRY_TOLERANCE = 1e-5  # of the largest element


class _Matrices(Distribution):
    """What the families of this file share: degrees of freedom beyond n - 1, and an n by n matrix."""

    event_ndim = 2

    def check_shapes(self, *params: Any) -> None:
        _, matrix = params
        if isinstance(matrix, mx.array) and matrix.shape[-1] != matrix.shape[-2]:
            raise ShapeError(f"{list(self.params)[1]} of {self.name} must be square, found shape {matrix.shape}")

    def check(self, params: tuple[Any, ...]) -> None:
        super().check(params)
        df, matrix = params
        least = matrix.shape[-1] - 1
        if not isinstance(df, mx.array):
            if df <= least:
                raise DomainError(f"parameter 'df' of {self.name} must be greater than {least}, found {df}")
        elif execution.is_validating():
            self._check_array("df", Domain(f"greater than {least}", lambda x: x > least), df)

    def event_shape(self, *params: Any) -> Shape:
        return params[1].shape[-2:]

    def support(self, df: Any, matrix: Array) -> Domain:
        return domains.positive_definite


class _Wishart(_Matrices):
    name = "wishart"

    def _factor(self, matrix: Array) -> Array:
        """The Cholesky factor of the scale."""
        return matrix

    def _scale(self, matrix: Array) -> Array:
        return matrix @ matrix.swapaxes(-1, -2)

    def sample(self, key: Key, df: Any, matrix: Array, shape: Shape, *, pathwise: bool = False) -> Array:
        return samplers.wishart(key, df, self._factor(matrix), shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, df: Any, matrix: Array) -> Array:
        n = x.shape[-1]
        factor, inside = value_factor(x)
        scale = self._factor(matrix)
        squares = mx.sum(mx.square(linalg.solve_triangular(scale, factor)), axis=(-1, -2))
        shape = (df - (n + 1)) * linalg.logdet_tril(factor) - df * linalg.logdet_tril(scale)
        return mx.where(inside, shape - 0.5 * squares - _log_normaliser(df, n), -math.inf)

    def mean(self, df: Any, matrix: Array) -> Any:
        return _lifted(df) * self._scale(matrix)

    def variance(self, df: Any, matrix: Array) -> Any:
        scale = self._scale(matrix)
        return _lifted(df) * (scale * scale + _diagonal_products(scale))

    def entropy(self, df: Any, matrix: Array) -> Any:
        n = matrix.shape[-1]
        log_det = 2.0 * linalg.logdet_tril(self._factor(matrix)) + n * _LOG_2 + _digammas(df, n)  # E log det X
        return (
            _log_normaliser(df, n)
            - 0.5 * (df - (n + 1)) * log_det
            + 0.5 * df * (log_det - _digammas(df, n) - n * _LOG_2 + n)
        )


@final
class Wishart(_Wishart):
    r"""Wishart distribution: the sum of ``df`` outer products of N(0, scale) vectors.

    $$\log p(X) = \tfrac{\nu - n - 1}{2} \log\det X - \tfrac12 \mathrm{tr}(V^{-1} X) - \tfrac{\nu}{2} \log\det V
    - \tfrac{\nu n}{2} \log 2 - \log \Gamma_n(\tfrac{\nu}{2}), \quad X \in R^{n \times n} \text{ positive definite}.$$

    Mean df V, variance of X_ij df (V_ij^2 + V_ii V_jj). ``wishart(df, scale_tril=L)`` has the scale V = L L^T and
    saves a factorisation. Draws are Bartlett's (`genmlx.numerics.samplers.wishart`), differentiable in the scale, those
    of ``rsample`` also in df. A value that is not symmetric (to 1e-5 of its largest element) and positive definite has
    density 0.

    Args:
        df: degrees of freedom, above n - 1.
        scale: symmetric and positive definite, shape ``(..., n, n)``; leading axes are a batch.
        scale_tril: Cholesky factor of the scale, lower triangular with positive diagonal (keyword only).

    Example:
        >>> call = wishart(4.0, [[1.0, 0.0], [0.0, 2.0]])
        >>> round(call.log_prob([[3.0, 1.0], [1.0, 5.0]]).item(), 5)
        -6.04094
    """

    params = {"df": domains.positive, "scale": domains.positive_definite}  # noqa: RUF012
    pathwise = ("df", "scale")

    def _factor(self, matrix: Array) -> Array:
        return symmetric_cholesky(matrix)

    def _scale(self, matrix: Array) -> Array:
        return matrix


@final
class _WishartTril(_Wishart):
    """Wishart distribution by the Cholesky factor of its scale."""

    params = {"df": domains.positive, "scale_tril": domains.lower_triangular}  # noqa: RUF012
    pathwise = ("df", "scale_tril")


@final
class InvWishart(_Matrices):
    r"""Inverse Wishart distribution: the inverse of a Wishart(df, scale^-1) matrix.

    $$\log p(X) = \tfrac{\nu}{2} \log\det V - \tfrac{\nu + n + 1}{2} \log\det X - \tfrac12 \mathrm{tr}(V X^{-1})
    - \tfrac{\nu n}{2} \log 2 - \log \Gamma_n(\tfrac{\nu}{2}), \quad X \in R^{n \times n} \text{ positive definite}.$$

    Mean V / (df - n - 1) where df > n + 1; the variance exists where df > n + 3; NaN elsewhere. A draw is L W^-1 L^T
    with W from Wishart(df, I) and V = L L^T, differentiable in the scale, that of ``rsample`` also in df. The conjugate
    prior of a normal covariance.

    Args:
        df: degrees of freedom, above n - 1.
        scale: symmetric and positive definite, shape ``(..., n, n)``; leading axes are a batch.

    Example:
        >>> call = inv_wishart(4.0, [[1.0, 0.0], [0.0, 2.0]])
        >>> round(call.log_prob([[3.0, 1.0], [1.0, 5.0]]).item(), 5)
        -11.46743
    """

    name = "inv_wishart"
    params = {"df": domains.positive, "scale": domains.positive_definite}  # noqa: RUF012
    pathwise = ("df", "scale")

    def sample(self, key: Key, df: Any, scale: Array, shape: Shape, *, pathwise: bool = False) -> Array:
        return samplers.inverse_wishart(key, df, symmetric_cholesky(scale), shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, df: Any, scale: Array) -> Array:
        n = x.shape[-1]
        factor, inside = value_factor(x)
        scale_factor = symmetric_cholesky(scale)
        squares = mx.sum(mx.square(linalg.solve_triangular(factor, scale_factor)), axis=(-1, -2))
        shape = df * linalg.logdet_tril(scale_factor) - (df + (n + 1)) * linalg.logdet_tril(factor)
        return mx.where(inside, shape - 0.5 * squares - _log_normaliser(df, n), -math.inf)

    def mean(self, df: Any, scale: Array) -> Any:
        excess = _lifted(df) - (scale.shape[-1] + 1)
        return mx.where(excess > 0, scale / excess, math.nan)

    def variance(self, df: Any, scale: Array) -> Any:
        e = _lifted(df) - scale.shape[-1]
        products = (e + 1.0) * (scale * scale) + (e - 1.0) * _diagonal_products(scale)
        return mx.where(e > 3, products / (e * mx.square(e - 1.0) * (e - 3.0)), math.nan)

    def entropy(self, df: Any, scale: Array) -> Any:
        n = scale.shape[-1]
        log_det = 2.0 * linalg.logdet_tril(symmetric_cholesky(scale))
        expected = log_det - n * _LOG_2 - _digammas(df, n)  # E log det X
        return _log_normaliser(df, n) - 0.5 * df * log_det + 0.5 * (df + (n + 1)) * expected + 0.5 * n * df


def value_factor(x: Array) -> tuple[Array, Array]:
    """The Cholesky factor of a value (the identity for one outside the support), and whether it is in the support."""
    factor = symmetric_cholesky(x)
    asymmetry = mx.max(mx.abs(x - x.swapaxes(-1, -2)), axis=(-1, -2))
    symmetric = asymmetry <= _SYMMETRY_TOLERANCE * mx.max(mx.abs(x), axis=(-1, -2))
    inside = mx.logical_and(factor[..., 0, 0] > 0.0, symmetric)
    return mx.where(inside[..., None, None], factor, mx.eye(x.shape[-1])), inside


def _log_normaliser(df: Any, n: int) -> Any:
    """df n / 2 log 2 + log Γ_n(df / 2): a product of n gamma functions, at df / 2, (df - 1) / 2, ..."""
    return (0.5 * n * _LOG_2) * df + 0.25 * n * (n - 1) * _LOG_PI + _sum(lgamma, df, n)


def _digammas(df: Any, n: int) -> Any:
    """The derivative of log Γ_n at df / 2."""
    return _sum(special.digamma, df, n)


def _sum(f: Any, df: Any, n: int) -> Any:
    if isinstance(df, mx.array):
        return mx.sum(f(0.5 * (df[..., None] - mx.arange(n))), axis=-1)
    return sum(f(0.5 * (df - i)) for i in range(n))


def _lifted(df: Any) -> Any:
    """``df`` for products with matrices."""
    return df[..., None, None] if isinstance(df, mx.array) else df


def _diagonal_products(scale: Array) -> Array:
    """V_ii V_jj."""
    diagonal = linalg.diagonal(scale)
    return diagonal[..., :, None] * diagonal[..., None, :]


wishart = Wishart()
wishart.alternatives = {frozenset({"df", "scale_tril"}): _WishartTril()}
inv_wishart = InvWishart()
