"""Random matrices: Wishart and its inverse, Cholesky factors of correlation matrices."""

import mlx.core as mx

from genmlx.numerics.linalg import solve_triangular
from genmlx.numerics.samplers.common import batch_shape
from genmlx.numerics.samplers.gamma import log_standard_gamma, standard_gamma
from genmlx.numerics.special import log_sigmoid, promote
from genmlx.numerics.special.elementary import exp
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = ["inverse_wishart", "lkj_cholesky", "wishart"]


def wishart(
    key: Key, df: ArrayLike, scale_tril: ArrayLike, shape: Shape | None = None, *, pathwise: bool = False
) -> Array:
    """Draws of Wishart(df, L Lᵀ), df > n - 1; differentiable in L = scale_tril, with ``pathwise`` in df.

    W = (L A)(L A)ᵀ with A lower triangular, A_ii² ~ chi²(df - i) for i = 0, ..., n - 1, and N(0, 1) below: Bartlett's
    decomposition.

    References:
        Smith and Hocking, Algorithm AS 53: Wishart variate generator, Applied Statistics 21 (1972).
    """
    df, scale_tril = promote(df, scale_tril)
    factor = scale_tril @ _bartlett(key, df, scale_tril, shape, pathwise)
    return factor @ factor.swapaxes(-1, -2)


def inverse_wishart(
    key: Key, df: ArrayLike, scale_tril: ArrayLike, shape: Shape | None = None, *, pathwise: bool = False
) -> Array:
    """Draws of inverse Wishart(df, L Lᵀ), df > n - 1, mean L Lᵀ / (df - n - 1); gradients as in `wishart`.

    The inverse of a draw of Wishart(df, (L Lᵀ)⁻¹): (L A⁻ᵀ)(L A⁻ᵀ)ᵀ, A of Bartlett's decomposition.
    """
    df, scale_tril = promote(df, scale_tril)
    bartlett = _bartlett(key, df, scale_tril, shape, pathwise)
    factor = solve_triangular(bartlett, scale_tril.swapaxes(-1, -2))
    return factor.swapaxes(-1, -2) @ factor


def _bartlett(key: Key, df: Array, scale_tril: Array, shape: Shape | None, pathwise: bool) -> Array:
    n = scale_tril.shape[-1]
    batch = tuple(mx.broadcast_shapes(df.shape, scale_tril.shape[:-2])) if shape is None else shape
    k_normal, k_gamma = mx.random.split(key)
    halves = 0.5 * (df[..., None] - mx.arange(n))
    diagonal = mx.sqrt(2.0 * standard_gamma(k_gamma, halves, (*batch, n), pathwise=pathwise))
    below = mx.random.normal((*batch, n, n), key=k_normal) * mx.tri(n, k=-1)
    return below + diagonal[..., None] * mx.eye(n)


def lkj_cholesky(key: Key, dim: int, eta: ArrayLike, shape: Shape | None = None, *, pathwise: bool = False) -> Array:
    """Cholesky factors L of correlation matrices with density proportional to det(L Lᵀ)^(eta - 1), eta > 0.

    The onion: row i has the first i entries sqrt(y) u, with u uniform on the sphere and
    y ~ Beta(i/2, eta + (dim - 1 - i)/2), and sqrt(1 - y) on the diagonal. All rows at once. Differentiable in eta with
    ``pathwise``.

    References:
        Lewandowski, Kurowicka and Joe, Generating random correlation matrices based on vines and extended onion method,
        J. Multivariate Analysis 100 (2009).
    """
    (eta,) = promote(eta)
    batch = batch_shape(shape, eta)
    k_row, k_diagonal, k_direction = mx.random.split(key, 3)
    i = mx.arange(1.0, float(dim))
    rows = (*batch, dim - 1)
    alpha, beta = 0.5 * i, eta[..., None] + 0.5 * (dim - 1.0 - i)
    logit = log_standard_gamma(k_row, alpha, rows) - log_standard_gamma(k_diagonal, beta, rows, pathwise=pathwise)
    length, diagonal = exp(0.5 * log_sigmoid(logit)), exp(0.5 * log_sigmoid(-logit))
    normals = mx.random.normal((*rows, dim), key=k_direction) * mx.tri(dim - 1, dim)
    size = mx.rsqrt(mx.maximum(mx.square(normals).sum(axis=-1), 1e-30))
    below = mx.pad(normals * (length * size)[..., None], [(0, 0)] * len(batch) + [(1, 0), (0, 0)])
    ones = mx.ones((*batch, 1))
    return below + mx.concatenate([ones, diagonal], axis=-1)[..., None] * mx.eye(dim)
