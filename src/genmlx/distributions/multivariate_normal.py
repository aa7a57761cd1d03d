"""The multivariate normal distribution."""

import abc
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, linalg
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["MultivariateNormal", "multivariate_normal"]


class _Gaussian(Distribution):
    """What the parameterisations share: all compute with a triangular factor of their matrix."""

    name = "multivariate_normal"
    event_ndim = 1

    @abc.abstractmethod
    def _factor(self, matrix: Array) -> Array:
        """The triangular factor of the matrix."""

    def _square(self, d: Array, factor: Array) -> Array:
        """Squared Mahalanobis length of d, for a factor of the covariance."""
        return linalg.mahalanobis(factor, d)

    def _coloured(self, z: Array, factor: Array) -> Array:
        """A vector with the covariance, from white noise."""
        return _apply(factor, z)

    def _log_volume(self, factor: Array) -> Array:
        """log det of the covariance, halved."""
        return linalg.logdet_tril(factor)

    def _variances(self, factor: Array) -> Array:
        return mx.sum(factor * factor, axis=-1)

    def check_shapes(self, *params: Any) -> None:
        mean, matrix = params
        if isinstance(mean, mx.array) and isinstance(matrix, mx.array):
            n = mean.shape[-1]
            if matrix.shape[-2:] != (n, n):
                raise ShapeError(
                    f"the mean of {self.name} has {n} elements, but {list(self.params)[1]} has shape {matrix.shape}",
                    fix=f"a matrix of shape {(n, n)}, with batch axes in front",
                )

    def event_shape(self, *params: Any) -> Shape:
        return params[0].shape[-1:]

    def support(self, mean: Array, matrix: Array) -> Domain:
        return domains.real_vector

    def sample(self, key: Key, mean: Array, matrix: Array, shape: Shape) -> Array:
        z = mx.random.normal((*shape, mean.shape[-1]), key=key)
        return mean + self._coloured(z, self._factor(matrix))

    def log_prob(self, x: Array, mean: Array, matrix: Array) -> Array:
        factor = self._factor(matrix)
        n = mean.shape[-1]
        return -0.5 * self._square(x - mean, factor) - (self._log_volume(factor) + n * HALF_LOG_2PI)

    def mean(self, mean: Array, matrix: Array) -> Any:
        return mean

    def variance(self, mean: Array, matrix: Array) -> Any:
        return self._variances(self._factor(matrix))

    def entropy(self, mean: Array, matrix: Array) -> Any:
        return self._log_volume(self._factor(matrix)) + mean.shape[-1] * (HALF_LOG_2PI + 0.5)


def symmetric_cholesky(matrix: Array) -> Array:
    """Cholesky factor of the symmetric part, so that gradients with respect to the matrix are symmetric.

    Those of `linalg.cholesky` are right along symmetric directions only: a step along them would not stay symmetric.
    """
    return linalg.cholesky(0.5 * (matrix + matrix.swapaxes(-1, -2)))


def _apply(matrix: Array, x: Array) -> Array:
    """The product of each matrix with each vector."""
    return x @ matrix.T if matrix.ndim == 2 else (matrix @ x[..., None]).squeeze(-1)


@final
class MultivariateNormal(_Gaussian):
    r"""Multivariate normal distribution with mean vector and covariance matrix.

    $$\log p(x) = -\tfrac12 (x - m)^T C^{-1} (x - m) - \tfrac12 \log\det C - \tfrac{n}{2} \log 2\pi, \quad x \in R^n.$$

    ``multivariate_normal(mean, scale_tril=L)`` has covariance L L^T and saves a factorisation;
    ``multivariate_normal(mean, precision=P)`` has covariance P^-1 and never inverts P. Draws are ``mean + L z`` and
    differentiable in both parameters, as is the density.

    Args:
        mean: mean vector, shape ``(..., n)``.
        cov: covariance, symmetric and positive definite, shape ``(..., n, n)``; leading axes of the two broadcast.
        scale_tril: Cholesky factor of the covariance, lower triangular with positive diagonal (keyword only).
        precision: inverse of the covariance (keyword only).

    Example:
        >>> call = multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])
        >>> round(call.log_prob([1.0, 1.0]).item(), 5)
        -2.40340
    """

    params = {"mean": domains.real_vector, "cov": domains.positive_definite}  # noqa: RUF012
    pathwise = ("mean", "cov")

    def _factor(self, matrix: Array) -> Array:
        return symmetric_cholesky(matrix)

    def variance(self, mean: Array, matrix: Array) -> Any:
        return linalg.diagonal(matrix)


@final
class _ScaleTril(_Gaussian):
    """Multivariate normal distribution by the Cholesky factor of its covariance."""

    params = {"mean": domains.real_vector, "scale_tril": domains.lower_triangular}  # noqa: RUF012
    pathwise = ("mean", "scale_tril")

    def _factor(self, matrix: Array) -> Array:
        return matrix


@final
class _Precision(_Gaussian):
    """Multivariate normal distribution by its precision P = K K^T: the covariance is K^-T K^-1."""

    params = {"mean": domains.real_vector, "precision": domains.positive_definite}  # noqa: RUF012
    pathwise = ("mean", "precision")

    def _factor(self, matrix: Array) -> Array:
        return symmetric_cholesky(matrix)

    def _square(self, d: Array, factor: Array) -> Array:
        return mx.sum(mx.square(_apply(factor.swapaxes(-1, -2), d)), axis=-1)

    def _coloured(self, z: Array, factor: Array) -> Array:
        return linalg.solve_triangular(factor, z[..., None], transpose=True).squeeze(-1)

    def _log_volume(self, factor: Array) -> Array:
        return -linalg.logdet_tril(factor)

    def _variances(self, factor: Array) -> Array:
        n = factor.shape[-1]
        return mx.sum(mx.square(linalg.solve_triangular(factor, mx.eye(n))), axis=-2)


multivariate_normal = MultivariateNormal()
multivariate_normal.alternatives = {
    frozenset({"mean", "scale_tril"}): _ScaleTril(),
    frozenset({"mean", "precision"}): _Precision(),
}
