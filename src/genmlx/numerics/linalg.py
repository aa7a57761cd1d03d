"""Cholesky factors and what follows from them, with the gradients that MLX lacks.

``mx.linalg`` has no gradient for ``cholesky`` and ``tri_inv``. Here both are computed once behind ``stop_gradient``,
and followed by a fixed-point iteration whose steps are ordinary matrix products. The iteration starts at its fixed
point, so the steps leave the value as it is (`cholesky`) or polish its last digits (`solve_triangular`); but each step
makes the derivatives of one more order exact, for an error of order k in the perturbation becomes one of order k + 1.
`ORDER` steps are taken: gradients, Hessians, and gradients of Hessians (as of a Laplace approximation) are exact,
fourth derivatives are not.

Failure is a value: a matrix that is not positive definite gives a factor filled with nan, a singular triangle a
solution with nan, never an exception when the graph is evaluated. ``mx.linalg`` runs on the CPU stream only; all else
runs on the default one. A compiler has both operations and their gradients, and is given them (`intrinsics`).
"""

import functools
import math

import mlx.core as mx

from genmlx.numerics.intrinsics import taken
from genmlx.numerics.special import promote
from genmlx.numerics.types import Array, ArrayLike

__all__ = [
    "cholesky",
    "cholesky_solve",
    "diagonal",
    "inverse_spd",
    "logdet_spd",
    "logdet_tril",
    "mahalanobis",
    "solve_spd",
    "solve_triangular",
]

ORDER = 3


def cholesky(A: ArrayLike) -> Array:
    """Lower factor L of a symmetric positive definite matrix, A = L Lᵀ, over any leading axes.

    The value is LAPACK's, L₀. With L = L₀ (I + X) and E = L₀⁻¹ (A - A₀) L₀⁻ᵀ, which is zero in value,

        (I + X)(I + X)ᵀ = I + E,   that is   X = Φ(E - X Xᵀ),

    Φ taking the lower triangle and half of the diagonal. Iterating from X = 0 gives the Taylor series of X in E, one
    order a step; the first step alone is the well-known derivative dL = L Φ(L⁻¹ dA L⁻ᵀ).

    Only the lower triangle of A is read, as LAPACK does; gradients are those along symmetric perturbations. Where A is
    not positive definite (or has a nan) its factor is nan throughout, and so is the gradient of what is made of it
    (``mx.where`` multiplies cotangents by 0 and 1); its neighbours in a batch are not touched. MLX itself returns the
    unfinished factorisation without a word. LAPACK stops at the first pivot that is not positive and leaves it on the
    diagonal: that is what is looked for.

    Args:
        A: symmetric matrices, shape ``(..., n, n)``.

    Returns:
        Lower triangular matrices with positive diagonal, the shape of ``A``.

    Example:
        >>> cholesky([[4.0, 2.0], [2.0, 5.0]])
        array([[2, 0],
               [1, 2]], dtype=float32)

    References:
        Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527 (2016).
    """
    (A,) = promote(A)
    n = A.shape[-1]
    native = taken("cholesky", [A], upper=False)
    if native is not None:
        return mx.where(mx.all(diagonal(native) > 0.0, axis=-1)[..., None, None], native, math.nan)
    frozen = mx.stop_gradient(A)
    factor = mx.linalg.cholesky(frozen, stream=mx.cpu)
    definite = mx.all(diagonal(factor) > 0.0, axis=-1)[..., None, None]
    factor = mx.stop_gradient(mx.where(definite, factor, _identity(n)))  # a zero pivot would make tri_inv raise
    inverse = mx.stop_gradient(mx.linalg.tri_inv(factor, stream=mx.cpu))
    E = inverse @ (A - frozen) @ inverse.swapaxes(-1, -2)
    X = E * _half_lower(n)
    for _ in range(ORDER - 1):
        X = (E - X @ X.swapaxes(-1, -2)) * _half_lower(n)
    return mx.where(definite, factor + factor @ X, math.nan)


def solve_triangular(L: ArrayLike, b: ArrayLike, *, upper: bool = False, transpose: bool = False) -> Array:
    """The solution x of L x = b (or Lᵀ x = b), L triangular.

    MLX multiplies by the inverse M of L, taken as constant here, and iterative refinement follows,
    x ← x + M (b - L x). It brings the residual down to that of a substitution, which the inverse alone does not for an
    ill-conditioned L; and each step makes the derivatives with respect to L of one more order exact. nan where L has a
    zero on its diagonal.

    Args:
        L: triangular matrices, shape ``(..., n, n)``; the other triangle is ignored.
        b: one vector of shape ``(n,)``, or columns, shape ``(..., n, k)``; leading axes broadcast against L's.
        upper: L is upper triangular.
        transpose: solve with Lᵀ.

    Example:
        >>> solve_triangular([[2.0, 0.0], [1.0, 2.0]], [2.0, 5.0])
        array([1, 2], dtype=float32)

    References:
        Higham, Accuracy and Stability of Numerical Algorithms (2002), chapter 12.
    """
    L, b = promote(L, b)
    n = L.shape[-1]
    L = mx.where(_triangle(n, upper), L, 0.0)
    # LAPACK refuses a zero on the diagonal, and MLX then raises at evaluation; a nan passes through.
    regular = mx.where(mx.logical_and(L == 0.0, _identity(n) == 1.0), math.nan, L)
    native = _solved_natively(regular, b, upper, transpose)
    if native is not None:
        return native
    frozen = mx.stop_gradient(regular)
    inverse = mx.stop_gradient(mx.linalg.tri_inv(frozen, upper=upper, stream=mx.cpu))
    if transpose:
        L, inverse = L.swapaxes(-1, -2), inverse.swapaxes(-1, -2)
    columns = b[:, None] if b.ndim == 1 else b
    # One matrix for many right-hand sides makes them the columns of one product: MLX makes many small ones one by one.
    unfolded = mx.moveaxis(columns, -2, 0) if L.ndim == 2 and columns.ndim > 2 else None
    if unfolded is not None:
        columns = unfolded.reshape(n, math.prod(unfolded.shape[1:]))
    x = inverse @ columns
    for _ in range(ORDER):
        x = x + inverse @ (columns - L @ x)
    if unfolded is not None:
        return mx.moveaxis(x.reshape(unfolded.shape), 0, -2)
    return x.squeeze(-1) if b.ndim == 1 else x


def _solved_natively(L: Array, b: Array, upper: bool, transpose: bool) -> Array | None:
    columns = b[:, None] if b.ndim == 1 else b
    batch = mx.broadcast_shapes(L.shape[:-2], columns.shape[:-2])
    left, right = (mx.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (L, columns))
    if transpose:
        left = left.swapaxes(-1, -2)
    x = taken("solve_triangular", [left, right], upper=upper != transpose)
    return x.squeeze(-1) if x is not None and b.ndim == 1 and x.ndim == 2 else x


def cholesky_solve(L: ArrayLike, b: ArrayLike) -> Array:
    """The solution x of L Lᵀ x = b, for a lower triangular L; shapes as in `solve_triangular`.

    Example:
        >>> cholesky_solve([[2.0, 0.0], [1.0, 2.0]], [8.0, 12.0])
        array([1, 2], dtype=float32)
    """
    return solve_triangular(L, solve_triangular(L, b), transpose=True)


def solve_spd(A: ArrayLike, b: ArrayLike) -> Array:
    """The solution x of A x = b, A symmetric positive definite; nan where it is not.

    Example:
        >>> solve_spd([[4.0, 2.0], [2.0, 5.0]], [8.0, 12.0])
        array([1, 2], dtype=float32)
    """
    A, b = promote(A, b)
    return cholesky_solve(cholesky(A), b)


def inverse_spd(A: ArrayLike) -> Array:
    """The inverse of a symmetric positive definite matrix; nan where it is not.

    Example:
        >>> inverse_spd([[2.0, 0.0], [0.0, 4.0]])
        array([[0.5, 0],
               [0, 0.25]], dtype=float32)
    """
    (A,) = promote(A)
    return cholesky_solve(cholesky(A), _identity(A.shape[-1]))


def diagonal(A: ArrayLike) -> Array:
    """The diagonals of square matrices, ``(..., n, n)`` to ``(..., n)``: a slice, where `mx.diagonal` gathers."""
    (A,) = promote(A)
    n = A.shape[-1]
    return A.reshape(*A.shape[:-2], n * n)[..., :: n + 1]


def logdet_tril(L: ArrayLike) -> Array:
    """Logarithm of the determinant of a triangular matrix, Σ log Lᵢᵢ; nan for a negative entry on the diagonal.

    Example:
        >>> logdet_tril([[2.0, 0.0], [1.0, 2.0]])  # log(4)
        array(1.38629, dtype=float32)
    """
    return mx.log(diagonal(L)).sum(-1)


def logdet_spd(A: ArrayLike) -> Array:
    """Logarithm of the determinant of a symmetric positive definite matrix; nan where it is not definite.

    Example:
        >>> logdet_spd([[4.0, 2.0], [2.0, 5.0]])  # log(16)
        array(2.77259, dtype=float32)
    """
    return 2.0 * logdet_tril(cholesky(A))


def mahalanobis(L: ArrayLike, x: ArrayLike) -> Array:
    """The quadratic form |L⁻¹ x|² = xᵀ (L Lᵀ)⁻¹ x.

    Args:
        L: lower triangular matrices, shape ``(..., n, n)``.
        x: vectors, shape ``(..., n)``; leading axes broadcast against L's.

    Returns:
        Shape ``(...)``. The square of the Mahalanobis distance of x from 0.

    Example:
        >>> mahalanobis([[2.0, 0.0], [1.0, 2.0]], [2.0, 5.0])
        array(5, dtype=float32)
    """
    L, x = promote(L, x)
    return mx.square(solve_triangular(L, x[..., None])).sum((-2, -1))


# ---- constant matrices -----------------------------------------------------------------------------------------------
# Cached, for building them takes six operations; from Python lists, so that no trace can leak into the cache.


@functools.lru_cache(maxsize=64)
def _identity(n: int) -> Array:
    return mx.array([[float(i == j) for j in range(n)] for i in range(n)])


@functools.lru_cache(maxsize=64)
def _half_lower(n: int) -> Array:
    return mx.array([[1.0 if i > j else 0.5 * (i == j) for j in range(n)] for i in range(n)])


@functools.lru_cache(maxsize=64)
def _triangle(n: int, upper: bool) -> Array:
    return mx.array([[j >= i if upper else j <= i for j in range(n)] for i in range(n)])
