"""Formulas and values from elsewhere: log determinants as books print them, extremes of each family, wrong sizes."""

import math

import mlx.core as mx
import numpy as np
import pytest
from scipy import special, stats

from genmlx.distributions.bijectors import (
    Angle,
    CholeskyFactor,
    Correlation,
    CorrelationCholesky,
    Covariance,
    Exp,
    Ordered,
    PositiveOrdered,
    Sigmoid,
    Simplex,
    Softplus,
    UnitVector,
)
from genmlx.numerics.errors import ShapeError
from helpers.tolerances import assert_close

RNG = np.random.default_rng(8)


def f64(x):
    return mx.array(np.asarray(x), dtype=mx.float64)


# ---- simplex --------------------------------------------------------------------------------------------------------


def helmert(n):
    V = np.zeros((n, n - 1))
    for i in range(1, n):
        V[:i, i - 1], V[i, i - 1] = 1.0, -i
        V[:, i - 1] /= math.sqrt(i * (i + 1))
    return V


@pytest.mark.parametrize("n", [2, 3, 7, 200])
def test_simplex_is_softmax_of_helmert(n):
    y = RNG.normal(size=n - 1)
    x = special.softmax(helmert(n) @ y)
    assert_close(Simplex().forward(f64(y)), x, rtol=1e-12, atol=1e-15)
    assert_close(Simplex().log_det_jacobian(f64(y)), np.sum(np.log(x)) + 0.5 * math.log(n), rtol=1e-12)
    assert_close(Simplex().inverse(mx.array(x)), y, rtol=1e-5, atol=1e-5)


def test_the_uniform_vector_is_the_origin_and_orders_do_not_matter():
    assert_close(Simplex().inverse(mx.full((1000,), 1e-3)), np.zeros(999), atol=1e-6)
    x = RNG.dirichlet(np.ones(6))
    distance = lambda a, b: np.linalg.norm(np.array(Simplex().inverse(f64(a))) - np.array(Simplex().inverse(f64(b))))  # noqa: E731
    shuffle = RNG.permutation(6)
    other = RNG.dirichlet(np.ones(6))
    assert_close(distance(x[shuffle], other[shuffle]), distance(x, other), rtol=1e-10)


@pytest.mark.parametrize("place", [0, 2, 4])
def test_tiny_components_of_a_simplex_are_kept(place):
    x = np.array([0.1, 0.2, 1e-30, 0.3, 0.4])
    x = mx.array(np.roll(x, place - 2))
    y = Simplex().inverse(x)
    again = Simplex().forward(y)
    assert_close(again, x, rtol=4e-5, atol=0.0)  # half a unit of the largest coordinate, 62, is 2e-6 of x
    exact = Simplex().forward(Simplex().inverse(x.astype(mx.float64)))
    assert_close(exact, x.astype(mx.float64) / mx.sum(x.astype(mx.float64)), rtol=1e-12, atol=0.0)


def test_zero_components_of_a_simplex_have_coordinates():
    y = Simplex().inverse([1.0, 0.0, 0.0])
    assert np.all(np.isfinite(np.array(y)))
    assert_close(Simplex().forward(y), [1.0, 0.0, 0.0])
    assert np.isnan(np.array(Simplex().inverse([1.5, -0.5]))).any()


def test_components_of_a_simplex_stay_positive_far_out():
    x = Simplex().forward([[1e4, -1e4, 300.0], [-1e4, 0.0, 0.0], [200.0, 1e4, 1e4]])
    assert mx.min(x).item() > 0.0


def test_a_simplex_of_one_component():
    x, log_det = Simplex().forward_and_log_det(mx.zeros((3, 0)))
    assert x.tolist() == [[1.0]] * 3
    assert log_det.tolist() == [0.0] * 3
    assert Simplex().inverse(x).shape == (3, 0)


# ---- ordered --------------------------------------------------------------------------------------------------------


def test_ordered_vectors_with_steps_of_all_sizes():
    x = mx.array([1e-30, 2e-30, 1e-10, 1.0, 1e20, 1e30])
    assert_close(PositiveOrdered().forward(PositiveOrdered().inverse(x)), x, rtol=1e-5, atol=0.0)
    x = mx.array([-5.0, -1.0, 0.0, 3.0, 3.0 + 2.0**-22])
    assert_close(Ordered().forward(Ordered().inverse(x)), x)


def test_equal_components_of_an_ordered_vector_have_coordinates():
    y = Ordered().inverse([1.0, 1.0, 2.0])
    assert np.all(np.isfinite(np.array(y)))
    assert_close(Ordered().forward(y), [1.0, 1.0, 2.0])
    assert np.isnan(np.array(Ordered().inverse([2.0, 1.0]))).any()


# ---- correlation ----------------------------------------------------------------------------------------------------


def stan_cholesky_corr(y, n):
    """Stan Reference Manual, Cholesky Factors of Correlation Matrices, term by term."""
    z, L, log_det, k = np.tanh(y), np.zeros((n, n)), 0.0, 0
    L[0, 0] = 1.0
    for i in range(1, n):
        rest = 1.0
        for j in range(i):
            log_det += math.log1p(-(z[k] ** 2)) + 0.5 * math.log(rest)
            L[i, j] = z[k] * math.sqrt(rest)
            rest -= L[i, j] ** 2
            k += 1
        L[i, i] = math.sqrt(rest)
    return L, log_det


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_correlation_factors_as_in_stan(n):
    y = RNG.normal(size=n * (n - 1) // 2)
    L, log_det = stan_cholesky_corr(y, n)
    found, found_log_det = CorrelationCholesky().forward_and_log_det(f64(y))
    assert_close(found, L, rtol=1e-10, atol=1e-12)
    assert_close(found_log_det, log_det, rtol=1e-10, atol=1e-12)
    R, log_det_R = Correlation().forward_and_log_det(f64(y))
    assert_close(R, L @ L.T, rtol=1e-10, atol=1e-12)
    powers = np.arange(n)[::-1]  # |dR/dL| = prod L_jj^(n - j)
    assert_close(log_det_R, log_det + np.sum(powers * np.log(np.diagonal(L))), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("small", [1e-3, 1e-8, 1e-15, 1e-18])
def test_correlations_near_one_come_back(small):
    for sign in (1.0, -1.0):
        L = mx.array([[1.0, 0.0, 0.0], [sign, small, 0.0], [0.6, -sign * 0.8, 3 * small]])
        y = CorrelationCholesky().inverse(L)
        again = np.array(CorrelationCholesky().forward(y))
        assert_close(again, L, rtol=2e-5, atol=1e-6)
        assert_close(np.diagonal(again), np.diagonal(np.array(L)), rtol=2e-5, atol=0.0)
    assert_close(CorrelationCholesky().inverse([[1.0, 0.0], [1e-30, 1.0]]), [1e-30], atol=0.0)


# ---- covariance -----------------------------------------------------------------------------------------------------


def test_covariances_of_all_sizes():
    x = mx.array([[[1e-30, 0.0], [0.0, 1e30]], [[4e-30, 2e-30], [2e-30, 5e-30]], [[4e30, 2e30], [2e30, 5e30]]])
    assert_close(Covariance().forward(Covariance().inverse(x)), x, rtol=2e-5, atol=0.0)
    L = mx.array([[1e-30, 0.0], [-1e30, 1e30]])
    assert_close(CholeskyFactor().forward(CholeskyFactor().inverse(L)), L, rtol=1e-5, atol=0.0)


def test_covariance_log_det_as_in_stan():
    n, y = 4, RNG.normal(size=10)
    diagonal = y[[0, 2, 5, 9]]
    expected = n * math.log(2.0) + sum((n - k + 1) * diagonal[k] for k in range(n))
    assert_close(Covariance().log_det_jacobian(f64(y)), expected, rtol=1e-12)


def test_a_wishart_density_pushed_through_is_its_bartlett_decomposition():
    # L_ii^2 ~ chi2(df - i), L_ij ~ N(0, 1), all independent.
    y, df = RNG.normal(size=6), 5.5
    S, log_det = Covariance().forward_and_log_det(f64(y))
    pushed = stats.wishart(df, np.eye(3)).logpdf(np.array(S)) + log_det.item()
    diagonal, below = y[[0, 2, 5]], y[[1, 3, 4]]
    expected = np.sum(stats.norm.logpdf(below))
    for i, u in enumerate(diagonal):
        expected += stats.chi2(df - i).logpdf(math.exp(2 * u)) + math.log(2.0) + 2 * u
    assert_close(pushed, expected, rtol=1e-10)


# ---- directions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 8])
def test_uniform_directions_are_standard_normal_coordinates(n):
    y = RNG.normal(size=n)
    area = math.log(2.0) + 0.5 * n * math.log(math.pi) - special.gammaln(0.5 * n)
    log_det = UnitVector().log_det_jacobian(f64(y)).item()
    assert_close(-area + log_det, stats.norm.logpdf(y).sum(), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1.0, 1e15, 1e30])
def test_directions_do_not_depend_on_the_length(size):
    y = size * mx.array([3.0, -4.0])
    assert_close(UnitVector().forward(y), [0.6, -0.8])
    assert_close(Angle().forward(y), math.atan2(-4.0, 3.0))
    gradient = mx.grad(lambda y: Angle().forward(y))(y)
    assert_close(gradient * size, [4.0 / 25, 3.0 / 25])
    assert not math.isnan(UnitVector().log_det_jacobian(y).item())


def test_the_origin_has_a_direction():
    for b in (UnitVector(), Angle()):
        x, log_det = b.forward_and_log_det(mx.zeros((2,)))
        assert np.all(np.array(x) == ([1.0, 0.0] if x.ndim else 0.0))
        assert log_det.item() == 0.0
        assert np.all(np.isfinite(np.array(mx.grad(lambda y, b=b: mx.sum(b.forward(y)))(mx.zeros((2,))))))


def test_angles_on_both_sides_of_the_cut_are_neighbours():
    y = Angle().inverse(mx.array([math.pi - 1e-3, -math.pi + 1e-3]))
    assert mx.max(mx.abs(y[0] - y[1])).item() < 3e-3
    assert_close(Angle().forward(y), [math.pi - 1e-3, -math.pi + 1e-3])
    assert_close(Angle().inverse(mx.array(7.0)), [math.cos(7.0), math.sin(7.0)])  # a full turn more
    grid = mx.array(np.linspace(-math.pi, math.pi, 1001), dtype=mx.float64)
    assert_close(Angle().forward(Angle().inverse(grid))[1:-1], grid[1:-1], rtol=1e-13, atol=1e-13)


# ---- softplus and sigmoid against scipy -----------------------------------------------------------------------------


def test_scalar_maps_against_scipy():
    y = np.linspace(-30.0, 30.0, 301)
    assert_close(Softplus().forward(f64(y)), np.logaddexp(y, 0.0), rtol=1e-14, atol=0.0)
    assert_close(Sigmoid(0.0, 1.0).forward(f64(y)), special.expit(y), rtol=1e-14, atol=0.0)
    assert_close(Sigmoid(0.0, 1.0).log_det_jacobian(f64(y)), special.log_expit(y) + special.log_expit(-y), rtol=1e-14)
    assert_close(Softplus().log_det_jacobian(f64(y)), special.log_expit(y), rtol=1e-14, atol=0.0)
    assert_close(Exp().forward(f64(y)), np.exp(y), rtol=1e-15, atol=0.0)
    assert_close(Softplus().inverse([1e-30, 1e-5, 1.0, 30.0, 1e30]), [-69.07755, -11.51292, 0.541325, 30.0, 1e30])


def test_where_x_stands_still_above_there_is_no_density():
    assert Exp().log_det_jacobian([86.0, 88.0, 1e4, -88.0, -1e4]).tolist() == [86.0, -math.inf, -math.inf, -88.0, -1e4]
    for b, n in ((Ordered(), 2), (PositiveOrdered(), 2), (CholeskyFactor(), 1), (Covariance(), 1)):
        assert b.log_det_jacobian(mx.full((n,), 1e4)).item() == -math.inf
    assert Covariance().log_det_jacobian([43.0]).item() > 0.0 > Covariance().log_det_jacobian([44.0]).item()


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_many_huge_steps_add_up_to_a_float(n):
    y = mx.full((n,), 1e4)
    for b in (Ordered(), PositiveOrdered()):
        assert np.all(np.isfinite(np.array(b.forward(y))))


# ---- wrong sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bijector", "length", "message"),
    [
        (
            CorrelationCholesky(),
            4,
            r"n \(n - 1\) / 2 unconstrained values, and 4[\s\S]*length 3 \(n = 3\) or 6 \(n = 4\)",
        ),
        (Correlation(), 2, r"Correlation of n x n[\s\S]*length 1 \(n = 2\) or 3 \(n = 3\)"),
        (CholeskyFactor(), 5, r"n \(n \+ 1\) / 2 unconstrained values, and 5[\s\S]*length 3 \(n = 2\) or 6 \(n = 3\)"),
        (Covariance(), 0, r"Covariance[\s\S]*length 1 \(n = 1\)"),
        (UnitVector(), 1, "at least two components, found 1"),
        (Angle(), 3, r"two unconstrained coordinates, found an event of shape \(3,\)"),
    ],
)
def test_lengths_that_no_value_has(bijector, length, message):
    for method in (bijector.forward, bijector.log_det_jacobian):
        with pytest.raises(ShapeError, match=message):
            method(mx.zeros((2, length)))


@pytest.mark.parametrize(
    ("bijector", "shape", "message"),
    [
        (Covariance(), (2, 3), r"square matrices, found shape \(2, 3\)"),
        (CorrelationCholesky(), (0, 0), "square matrices"),
        (CholeskyFactor(), (3,), r"CholeskyFactor has 2 event axes, found an array of shape \(3,\)"),
        (Simplex(), (3, 0), "at least one component"),
        (Ordered(), (), r"a constrained value of Ordered has 1 event axes[\s\S]*at least 1"),
        (UnitVector(), (1,), "at least two components"),
    ],
)
def test_shapes_that_no_value_has(bijector, shape, message):
    with pytest.raises(ShapeError, match=message):
        bijector.inverse(mx.zeros(shape))


def test_every_triangular_length_is_understood():
    for n in range(1, 60):
        assert CorrelationCholesky().constrained_shape((n * (n - 1) // 2,)) == (n, n)
        assert Covariance().constrained_shape((7, n * (n + 1) // 2)) == (7, n, n)
        assert CorrelationCholesky().unconstrained_shape((n, n)) == (n * (n - 1) // 2,)
