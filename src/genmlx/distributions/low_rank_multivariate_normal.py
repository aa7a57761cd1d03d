"""The multivariate normal distribution with a covariance of low rank plus a diagonal."""

from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, linalg
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.random import split
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LowRankMultivariateNormal", "low_rank_multivariate_normal"]


@final
class LowRankMultivariateNormal(Distribution):
    r"""Multivariate normal distribution with covariance C = W W^T + diag(d), W of r columns.

    $$\log p(x) = -\tfrac12 (x - m)^T C^{-1} (x - m) - \tfrac12 \log\det C - \tfrac n2 \log 2\pi, \quad x \in R^n.$$

    Only r x r matrices are factorised: with G = I + W^T D^-1 W, log det C = log det G + log det D, and the square is
    |D^-1/2 (y - W b)|^2 + |b|^2 for y = x - m and b = G^-1 W^T D^-1 y, in which nothing cancels. Draws are
    m + W z + sqrt(d) z' and differentiable in all parameters, as is the density.

    Args:
        loc: mean m, shape ``(..., n)``.
        cov_factor: W, shape ``(..., n, r)``.
        cov_diag: d, positive, shape ``(..., n)``; leading axes broadcast.

    Example:
        >>> call = low_rank_multivariate_normal([0.0, 1.0], [[1.0], [0.5]], [1.0, 0.75])
        >>> round(call.log_prob([1.0, 1.0]).item(), 5)
        -2.40340

    References:
        Woodbury, Inverting modified matrices (1950).
    """

    name = "low_rank_multivariate_normal"
    params = {  # noqa: RUF012
        "loc": domains.real_vector,
        "cov_factor": domains.real_matrix,
        "cov_diag": domains.positive_vector,
    }
    pathwise = ("loc", "cov_factor", "cov_diag")
    event_ndim = 1

    def check_shapes(self, *params: Any) -> None:
        loc, factor, diag = params
        n = loc.shape[-1]
        if factor.shape[-2] != n or diag.shape[-1] != n:
            raise ShapeError(
                f"loc of {self.name} has {n} elements, but cov_factor has shape {factor.shape} "
                f"and cov_diag has shape {diag.shape}",
                fix=f"shapes {(n, 'r')} and {(n,)}, with batch axes in front",
            )

    def event_shape(self, *params: Any) -> Shape:
        return params[0].shape[-1:]

    def support(self, loc: Array, factor: Array, diag: Array) -> Domain:
        return domains.real_vector

    def sample(self, key: Key, loc: Array, factor: Array, diag: Array, shape: Shape) -> Array:
        k_common, k_own = split(key)
        common = mx.random.normal((*shape, factor.shape[-1]), key=k_common)
        own = mx.random.normal((*shape, loc.shape[-1]), key=k_own)
        return loc + (factor @ common[..., None]).squeeze(-1) + mx.sqrt(diag) * own

    def log_prob(self, x: Array, loc: Array, factor: Array, diag: Array) -> Array:
        root = _capacitance_root(factor, diag)
        y = x - loc
        projected = _products(y / diag, factor)
        b = linalg.cholesky_solve(root, projected[..., None]).squeeze(-1)
        rest = y - _products(b, factor.swapaxes(-1, -2))
        squares = mx.sum(rest * rest / diag, axis=-1) + mx.sum(b * b, axis=-1)
        return -0.5 * squares - (_log_volume(root, diag) + loc.shape[-1] * HALF_LOG_2PI)

    def mean(self, loc: Array, factor: Array, diag: Array) -> Any:
        return loc

    def variance(self, loc: Array, factor: Array, diag: Array) -> Any:
        return mx.sum(factor * factor, axis=-1) + diag

    def entropy(self, loc: Array, factor: Array, diag: Array) -> Any:
        return _log_volume(_capacitance_root(factor, diag), diag) + loc.shape[-1] * (HALF_LOG_2PI + 0.5)


def _capacitance_root(factor: Array, diag: Array) -> Array:
    """The Cholesky factor of I + W^T D^-1 W."""
    scaled = factor / mx.sqrt(diag)[..., None]
    return linalg.cholesky(mx.eye(factor.shape[-1]) + scaled.swapaxes(-1, -2) @ scaled)


def _products(x: Array, matrix: Array) -> Array:
    """x^T matrix for each vector x; with one matrix as one product."""
    return x @ matrix if matrix.ndim == 2 else (x[..., None, :] @ matrix).squeeze(-2)


def _log_volume(root: Array, diag: Array) -> Array:
    """log det of the covariance, halved."""
    return linalg.logdet_tril(root) + 0.5 * mx.sum(mx.log(diag), axis=-1)


low_rank_multivariate_normal = LowRankMultivariateNormal()
