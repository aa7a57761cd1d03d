"""The matrix normal distribution."""

from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, linalg
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["MatrixNormal", "matrix_normal"]


@final
class MatrixNormal(Distribution):
    r"""Matrix normal distribution: entries with covariance U between rows and V between columns.

    $$\log p(X) = -\tfrac12 |A^{-1} (X - M) B^{-T}|^2 - m \log\det A - n \log\det B - \tfrac{nm}{2} \log 2\pi,$$

    with U = A A^T, V = B B^T and the sum of the squares of all entries; X is any real n x m matrix. Mean M, covariance
    of X_ij and X_kl is U_ik V_jl. A draw is M + A Z B^T, Z of independent standard normal entries; draws and density
    are differentiable in all parameters.

    Args:
        loc: M, shape ``(..., n, m)``.
        row_scale_tril: A, lower triangular with positive diagonal, shape ``(..., n, n)``.
        column_scale_tril: B, lower triangular with positive diagonal, shape ``(..., m, m)``; leading axes broadcast.

    Example:
        >>> call = matrix_normal([[0.0, 1.0]], [[2.0]], [[1.0, 0.0], [0.5, 1.5]])
        >>> round(call.log_prob([[1.0, 1.0]]).item(), 5)
        -3.76853

    References:
        Dawid, Some matrix-variate distribution theory, Biometrika 68 (1981).
    """

    name = "matrix_normal"
    params = {  # noqa: RUF012
        "loc": domains.real_matrix,
        "row_scale_tril": domains.lower_triangular,
        "column_scale_tril": domains.lower_triangular,
    }
    pathwise = ("loc", "row_scale_tril", "column_scale_tril")
    event_ndim = 2

    def check_shapes(self, *params: Any) -> None:
        loc, rows, columns = params
        n, m = loc.shape[-2:]
        if rows.shape[-2:] != (n, n) or columns.shape[-2:] != (m, m):
            raise ShapeError(
                f"loc of {self.name} is {n} x {m}, but the scales have shapes {rows.shape} and {columns.shape}",
                fix=f"matrices of shapes {(n, n)} and {(m, m)}, with batch axes in front",
            )

    def event_shape(self, *params: Any) -> Shape:
        return params[0].shape[-2:]

    def support(self, loc: Array, rows: Array, columns: Array) -> Domain:
        return domains.real_matrix

    def sample(self, key: Key, loc: Array, rows: Array, columns: Array, shape: Shape) -> Array:
        z = mx.random.normal((*shape, *loc.shape[-2:]), key=key)
        return loc + rows @ z @ columns.swapaxes(-1, -2)

    def log_prob(self, x: Array, loc: Array, rows: Array, columns: Array) -> Array:
        n, m = loc.shape[-2:]
        z = linalg.solve_triangular(columns, linalg.solve_triangular(rows, x - loc).swapaxes(-1, -2))
        log_volume = m * linalg.logdet_tril(rows) + n * linalg.logdet_tril(columns)
        return -0.5 * mx.sum(mx.square(z), axis=(-1, -2)) - (log_volume + (n * m) * HALF_LOG_2PI)

    def mean(self, loc: Array, rows: Array, columns: Array) -> Any:
        return loc

    def variance(self, loc: Array, rows: Array, columns: Array) -> Any:
        return mx.sum(rows * rows, axis=-1)[..., :, None] * mx.sum(columns * columns, axis=-1)[..., None, :]

    def entropy(self, loc: Array, rows: Array, columns: Array) -> Any:
        n, m = loc.shape[-2:]
        log_volume = m * linalg.logdet_tril(rows) + n * linalg.logdet_tril(columns)
        return log_volume + (n * m) * (HALF_LOG_2PI + 0.5)


matrix_normal = MatrixNormal()
