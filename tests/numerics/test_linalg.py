"""Values against NumPy and SciPy, derivatives to third order against mpmath, failure as nan, batching."""

import math
from collections.abc import Callable

import mlx.core as mx
import mpmath as mp
import numpy as np
import pytest
import scipy.linalg

from genmlx.numerics import linalg
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close

RNG = np.random.default_rng(5)


def definite(*shape: int) -> np.ndarray:
    """Well-conditioned symmetric positive definite matrices."""
    B = RNG.normal(size=(*shape, shape[-1]))
    return B @ B.swapaxes(-1, -2) / shape[-1] + np.eye(shape[-1])


def indefinite(n: int, eigenvalue: float) -> np.ndarray:
    """One eigenvalue given, the others between 1/2 and 2; all pivots are full of it."""
    Q, _ = np.linalg.qr(RNG.normal(size=(n, n)))
    w = RNG.uniform(0.5, 2.0, n)
    w[RNG.integers(n)] = eigenvalue
    return (Q * w) @ Q.T


def array(x: np.ndarray, dtype: mx.Dtype = mx.float32) -> mx.array:
    return mx.array(x, dtype=dtype)


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (40,), (3, 4), (2, 3, 6)])
def test_cholesky_is_the_lower_factor(shape: tuple[int, ...]) -> None:
    A = definite(*shape)
    assert_close(linalg.cholesky(array(A)), np.linalg.cholesky(A))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_solve_triangular_ignores_the_other_triangle(upper: bool, transpose: bool) -> None:
    A = definite(5)
    for b in (RNG.normal(size=5), RNG.normal(size=(5, 3))):
        x = linalg.solve_triangular(array(A), array(b), upper=upper, transpose=transpose)
        assert_close(x, scipy.linalg.solve_triangular(A, b, lower=not upper, trans=int(transpose)))


def test_refinement_leaves_the_residual_of_a_substitution() -> None:
    L = np.tril(RNG.normal(size=(60, 60))).astype(np.float32)  # condition numbers of such triangles grow like 2^n
    b = L @ np.ones(60, np.float32)  # a solution much smaller than the inverse makes of a vector of this size
    x = np.array(linalg.solve_triangular(mx.array(L), mx.array(b)), dtype=np.float64)
    backward = np.abs(b - L.astype(np.float64) @ x) / (np.abs(L) @ np.abs(x) + np.abs(b))
    assert backward.max() < 1e-5


def test_what_follows_from_the_factor() -> None:
    A, b, x = definite(3, 4), RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 4))
    L = linalg.cholesky(array(A))
    assert_close(linalg.solve_spd(array(A), array(b)), np.linalg.solve(A, b))
    assert_close(linalg.cholesky_solve(L, array(b)), np.linalg.solve(A, b))
    assert_close(linalg.inverse_spd(array(A)), np.linalg.inv(A))
    assert_close(linalg.logdet_spd(array(A)), np.linalg.slogdet(A)[1])
    assert_close(linalg.logdet_tril(L), np.linalg.slogdet(A)[1] / 2)
    assert_close(linalg.diagonal(array(A)), np.diagonal(A, axis1=-2, axis2=-1))
    assert_close(linalg.mahalanobis(L, array(x)), np.einsum("bi,bij,bj->b", x, np.linalg.inv(A), x))


@pytest.mark.parametrize(
    ("matrices", "vectors"), [((), ()), ((), (6,)), ((), (2, 6)), ((6,), ()), ((6,), (6,)), ((2, 1), (6,))]
)
def test_mahalanobis_broadcasts(matrices: tuple[int, ...], vectors: tuple[int, ...]) -> None:
    A, x = definite(*matrices, 3), RNG.normal(size=(*vectors, 3))
    expected = np.einsum("...i,...ij,...j->...", x, np.linalg.inv(A), x)
    assert_close(linalg.mahalanobis(linalg.cholesky(array(A)), array(x)), expected)


def test_float64_stays() -> None:
    A = definite(4)
    L = linalg.cholesky(array(A, mx.float64))
    assert L.dtype == mx.float64
    assert_close(L, np.linalg.cholesky(A), rtol=1e-13, atol=1e-14)
    x = linalg.solve_spd(array(A, mx.float64), mx.ones((4,)))
    assert_close(x, np.linalg.solve(A, np.ones(4)), rtol=1e-13, atol=1e-14)


# ---- failure is a value ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 30, 150, 400])
def test_a_matrix_that_is_not_definite_gives_nan_throughout(n: int) -> None:
    for eigenvalue in (-1e-2, -1.0, -30.0):
        L = np.array(linalg.cholesky(array(indefinite(n, eigenvalue))))
        assert np.isnan(L).all()


@pytest.mark.parametrize(
    "A", [[[-1.0]], [[0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 1.0]], [[1.0, math.nan], [math.nan, 1.0]]]
)
def test_small_failures(A: list[list[float]]) -> None:
    assert np.isnan(np.array(linalg.cholesky(A))).all()
    assert np.isnan(np.array(linalg.inverse_spd(A))).all()
    assert math.isnan(linalg.logdet_spd(A).item())
    assert math.isnan(linalg.mahalanobis(linalg.cholesky(A), mx.ones((len(A),))).item())


def test_failure_leaves_the_neighbours_of_a_batch_alone() -> None:
    good = definite(3)
    batch = array(np.stack([good, indefinite(3, -1.0), np.zeros((3, 3)), good]))
    L = linalg.cholesky(batch)
    assert_exact(L[0], linalg.cholesky(array(good)))
    assert_exact(L[3], L[0])
    assert np.isnan(np.array(L[1:3])).all()

    def guarded(A: mx.array) -> mx.array:
        value = linalg.logdet_spd(A)
        return mx.where(mx.isnan(value), 0.0, value).sum()

    gradient = np.array(mx.grad(guarded)(batch))
    for i in (0, 3):
        assert_close(gradient[i], np.linalg.inv(good))


def test_a_singular_triangle_gives_nan_and_no_exception() -> None:
    L = mx.array([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 2.0]]])
    x = np.array(linalg.solve_triangular(L, mx.array([1.0, 3.0])))
    assert np.isnan(x[0]).any()
    assert_close(x[1], np.array([1.0, 1.0]))


# ---- derivatives -----------------------------------------------------------------------------------------------------

N = 3
A0, A1, A2 = definite(N), definite(N), definite(N)
W, B = RNG.normal(size=(N, N)), RNG.normal(size=N)


def along_mlx(t: mx.array) -> mx.array:
    return array(A0, mx.float64) + t * array(A1, mx.float64) + t * t * array(A2, mx.float64)


def along_mp(t: mp.mpf) -> mp.matrix:
    return mp.matrix(A0.tolist()) + t * mp.matrix(A1.tolist()) + t * t * mp.matrix(A2.tolist())


def factor_mlx(t: mx.array) -> mx.array:
    return (array(W, mx.float64) * linalg.cholesky(along_mlx(t))).sum()


def factor_mp(t: mp.mpf) -> mp.mpf:
    L = mp.cholesky(along_mp(t))
    return mp.fsum(W[i, j] * L[i, j] for i in range(N) for j in range(i + 1))


def lower_mlx(t: mx.array) -> mx.array:
    return (1.0 + t) * linalg.solve_triangular(along_mlx(t), array(B, mx.float64) * (1.0 + t * t)).sum()


def lower_mp(t: mp.mpf) -> mp.mpf:
    A, x = along_mp(t), []
    for i in range(N):
        x.append((B[i] * (1 + t * t) - mp.fsum(A[i, j] * x[j] for j in range(i))) / A[i, i])
    return (1 + t) * mp.fsum(x)


def transposed_mlx(t: mx.array) -> mx.array:
    return linalg.solve_triangular(along_mlx(t), array(B, mx.float64), upper=True, transpose=True).sum()


def transposed_mp(t: mp.mpf) -> mp.mpf:
    A, x = along_mp(t), []
    for i in range(N):
        x.append((B[i] - mp.fsum(A[j, i] * x[j] for j in range(i))) / A[i, i])
    return mp.fsum(x)


def log_density_mlx(t: mx.array) -> mx.array:
    L = linalg.cholesky(along_mlx(t))
    return linalg.mahalanobis(L, array(B, mx.float64)) + linalg.logdet_tril(L)


def log_density_mp(t: mp.mpf) -> mp.mpf:
    A = along_mp(t)
    b = mp.matrix(B.tolist())
    return (b.T * mp.lu_solve(A, b))[0] + mp.log(mp.det(A)) / 2


@pytest.mark.parametrize("order", [1, 2, linalg.ORDER])
@pytest.mark.parametrize(
    ("f", "reference"),
    [
        (factor_mlx, factor_mp),
        (lower_mlx, lower_mp),
        (transposed_mlx, transposed_mp),
        (log_density_mlx, log_density_mp),
    ],
)
def test_derivatives_are_exact_to_third_order(
    f: Callable[[mx.array], mx.array], reference: Callable[[mp.mpf], mp.mpf], order: int
) -> None:
    with mp.workdps(50):
        expected = float(mp.diff(reference, 0, order))
    for _ in range(order):
        f = mx.grad(f)
    assert_close(f(mx.array(0.0, dtype=mx.float64)), expected, rtol=1e-6)


def test_gradients_in_float32_have_their_closed_forms() -> None:
    A, x = definite(4), RNG.normal(size=4)
    inverse = np.linalg.inv(A)
    assert_gradient_close(mx.grad(linalg.logdet_spd)(array(A)), inverse)

    def quadratic(A: mx.array, x: mx.array) -> mx.array:
        return linalg.mahalanobis(linalg.cholesky(A), x)

    by_A, by_x = mx.grad(quadratic, argnums=(0, 1))(array(A), array(x))
    expected = -np.outer(inverse @ x, inverse @ x)  # its symmetric part: only the lower triangle is read
    assert_gradient_close(0.5 * (by_A + by_A.T), expected)
    assert_gradient_close(by_x, 2 * inverse @ x)


# ---- transformations -------------------------------------------------------------------------------------------------

BATCH = [
    ("cholesky", lambda A, b: linalg.cholesky(A)),
    ("solve_triangular", lambda A, b: linalg.solve_triangular(linalg.cholesky(A), b)),
    ("solve_triangular, columns", lambda A, b: linalg.solve_triangular(A, b[:, None], upper=True, transpose=True)),
    ("solve_spd", linalg.solve_spd),
    ("inverse_spd", lambda A, b: linalg.inverse_spd(A)),
    ("logdet_spd", lambda A, b: linalg.logdet_spd(A)),
    ("mahalanobis", lambda A, b: linalg.mahalanobis(linalg.cholesky(A), b)),
]


@pytest.mark.parametrize("in_axes", [(0, 0), (0, None), (None, 0)])
@pytest.mark.parametrize(("name", "f"), BATCH, ids=[name for name, _ in BATCH])
def test_vmap_equals_a_loop(name: str, f: Callable[..., mx.array], in_axes: tuple[int | None, int | None]) -> None:
    A, b = array(definite(3, 4)), array(RNG.normal(size=(3, 4)))
    A, b = (x if axis == 0 else x[0] for x, axis in zip((A, b), in_axes, strict=True))

    def pick(i: int) -> tuple[mx.array, mx.array]:
        return (A[i] if in_axes[0] == 0 else A, b[i] if in_axes[1] == 0 else b)

    def slope(A: mx.array, b: mx.array) -> mx.array:
        return mx.grad(lambda A, b: mx.square(f(A, b)).sum())(A, b)

    for g in (f, slope):
        one_by_one = mx.stack([g(*pick(i)) for i in range(3)])
        assert_close(mx.vmap(g, in_axes=in_axes)(A, b), one_by_one)


def test_compile_and_export() -> None:
    A, b = array(definite(4)), array(RNG.normal(size=4))

    def f(A: mx.array, b: mx.array) -> mx.array:
        return mx.grad(lambda A: linalg.mahalanobis(linalg.cholesky(A), b) + linalg.logdet_spd(A))(A)

    assert_close(mx.compile(f)(A, b), f(A, b))
    nodes: list[dict] = []
    mx.export_function(nodes.append, f, A, b)
    assert {"Cholesky", "Inverse", "Matmul"} <= {node["name"] for node in nodes if node["type"] == "primitive"}
