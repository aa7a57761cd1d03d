"""Implicit gradients of draws: exact on one path, and right on average against the derivatives of expectations."""

import math
from collections.abc import Callable

import mlx.core as mx
import mpmath as mp
import numpy as np
import pytest
import scipy.integrate
from scipy.special import ive, polygamma

from genmlx.numerics import samplers
from genmlx.numerics.special.incomplete_gamma import log_quantile_path
from helpers.tolerances import assert_close, assert_exact, assert_within_mc
from numerics.accuracy import gamma_quantile, gamma_tails

DRAWS = 20_000
TRIL = mx.array([[1.0, 0.0], [0.5, 2.0]])


def gradients(f: Callable[[mx.array], mx.array], parameter: float) -> np.ndarray:
    """The gradient of each draw of f in its own copy of the parameter."""
    return np.array(mx.grad(lambda p: f(p).sum())(mx.full((DRAWS,), parameter))).astype(np.float64)


def assert_mean(values: np.ndarray, expected: float) -> None:
    assert_within_mc(values.mean(), expected, values.std() / math.sqrt(values.size))


# ---- one path --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "x"), [(1.5, 0.4), (3.0, 2.5), (3.0, 9.0), (40.0, 31.0)])
def test_the_path_keeps_the_probability_to_the_third_order(a: float, x: float) -> None:
    p, _ = gamma_tails(mp.mpf(a), mp.mpf(x))
    f = lambda t: log_quantile_path(t, mx.array(x, dtype=mx.float64))  # noqa: E731
    assert f(mx.array(a, dtype=mx.float64)).item() == 0.0
    for order in (1, 2, 3):
        f = mx.grad(f)
        expected = float(mp.diff(lambda t: mp.log(gamma_quantile(t, p)), a, order, h=mp.mpf("1e-6")))
        assert_close(f(mx.array(a, dtype=mx.float64)), expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kappa", [0.01, 0.7, 5.0, 80.0, 1e4])
def test_the_path_of_von_mises_keeps_the_probability(kappa: float, key: mx.array) -> None:
    k = mx.full((12,), kappa)
    x = np.array(samplers.von_mises(key, 0.0, k)).astype(np.float64)
    slopes = np.array(mx.grad(lambda k: samplers.von_mises(key, 0.0, k, pathwise=True).sum())(k))
    mean = ive(1, kappa) / ive(0, kappa)
    for draw, slope in zip(x, slopes, strict=True):
        top = abs(draw)

        def integrand(t: float, top: float = top) -> float:
            return (math.cos(t) - mean) * math.exp(kappa * (math.cos(t) - math.cos(top)))

        end = min(math.pi, top + 12 / math.sqrt(kappa))
        expected = np.sign(draw) * scipy.integrate.quad(integrand, top, end, epsabs=0, epsrel=1e-9)[0]
        assert abs(slope - expected) < 2e-5 * top + 2e-6


def test_the_draw_is_the_same_and_its_gradient_is_asked_for(key: mx.array) -> None:
    alpha = mx.array([0.01, 0.5, 3.0, 1e4])
    for f in (
        lambda a, **k: samplers.standard_gamma(key, a, **k),
        lambda a, **k: samplers.log_standard_gamma(key, a, **k),
        lambda a, **k: samplers.beta(key, a, 2.0, **k),
        lambda a, **k: samplers.log_beta(key, 2.0, a, **k),
        lambda a, **k: samplers.dirichlet(key, a, **k),
        lambda a, **k: samplers.student_t(key, a, **k),
        lambda a, **k: samplers.von_mises(key, 0.0, a, **k),
        lambda a, **k: samplers.lkj_cholesky(key, 3, a, **k),
        lambda a, **k: samplers.wishart(key, a + 2.0, TRIL, **k),
        lambda a, **k: samplers.inverse_wishart(key, a + 2.0, TRIL, **k),
    ):
        assert_exact(f(alpha, pathwise=True), f(alpha))
        assert_exact(mx.grad(lambda a, f=f: (f(a) + 0.0 * a.sum()).sum())(alpha), mx.zeros((4,)))
        slope = np.array(mx.grad(lambda a, f=f: mx.tanh(f(a, pathwise=True)).sum())(alpha))
        assert np.isfinite(slope).all() and (slope != 0.0).any()


# ---- on average ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-3, 0.05, 0.7, 2.5, 60.0, 1e4])
def test_gamma(alpha: float, key: mx.array) -> None:
    assert_mean(gradients(lambda a: samplers.log_standard_gamma(key, a, pathwise=True), alpha), polygamma(1, alpha))
    if alpha > 0.01:
        assert_mean(gradients(lambda a: samplers.standard_gamma(key, a, pathwise=True), alpha), 1.0)
        square = gradients(lambda a: mx.square(samplers.standard_gamma(key, a, pathwise=True)), alpha)
        assert_mean(square, 2 * alpha + 1)  # E G² = α² + α


@pytest.mark.parametrize(("a", "b"), [(0.02, 0.5), (0.8, 3.0), (40.0, 7.0)])
def test_beta(a: float, b: float, key: mx.array) -> None:
    by_a = gradients(lambda v: samplers.log_beta(key, v, b, pathwise=True), a)
    by_b = gradients(lambda v: samplers.log_beta(key, a, v, pathwise=True), b)
    assert_mean(by_a, polygamma(1, a) - polygamma(1, a + b))
    assert_mean(by_b, -polygamma(1, a + b))
    assert_mean(gradients(lambda v: samplers.beta(key, v, b, pathwise=True), a), b / (a + b) ** 2)


def test_dirichlet(key: mx.array) -> None:
    alpha = np.array([0.3, 2.0, 5.0])
    total = alpha.sum()

    def first(a: mx.array) -> mx.array:
        return samplers.dirichlet(key, a, pathwise=True)[..., 0].sum()

    slopes = np.array(mx.grad(first)(mx.array(np.tile(alpha, (DRAWS, 1))))).astype(np.float64)
    expected = (np.array([1.0, 0.0, 0.0]) * total - alpha[0]) / total**2
    assert_within_mc(slopes.mean(0), expected, slopes.std(0) / math.sqrt(DRAWS))


@pytest.mark.parametrize("df", [0.3, 3.0, 50.0])
def test_student_t(df: float, key: mx.array) -> None:
    slopes = gradients(lambda v: mx.log(mx.square(samplers.student_t(key, v, pathwise=True))), df)
    assert_mean(slopes, 1 / df - 0.5 * polygamma(1, df / 2))


@pytest.mark.parametrize("kappa", [0.0, 1e-3, 0.5, 3.0, 40.0, 1e4])
def test_von_mises(kappa: float, key: mx.array) -> None:
    slopes = gradients(lambda k: mx.cos(samplers.von_mises(key, 0.0, k, pathwise=True)), kappa)
    mean = ive(1, kappa) / ive(0, kappa)
    expected = 1 - (mean / kappa if kappa else 0.5) - mean**2
    if kappa > 100:  # where that cancels, also in double precision
        expected = 0.5 / kappa**2 * (1 + 0.5 / kappa)
    assert_mean(slopes, expected)


def test_wishart_and_its_inverse(key: mx.array) -> None:
    scale = np.array(TRIL @ TRIL.T).astype(np.float64)
    trace = gradients(lambda df: mx.trace(samplers.wishart(key, df, TRIL, pathwise=True), axis1=-2, axis2=-1), 7.5)
    assert_mean(trace, np.trace(scale))
    trace = gradients(
        lambda df: mx.trace(samplers.inverse_wishart(key, df, TRIL, pathwise=True), axis1=-2, axis2=-1), 12.0
    )
    assert_mean(trace, -np.trace(scale) / (12.0 - 3) ** 2)


def test_lkj_cholesky(key: mx.array) -> None:
    def log_det(eta: mx.array) -> mx.array:
        L = samplers.lkj_cholesky(key, 3, eta, pathwise=True)
        return 2 * mx.log(L[..., 1, 1]) + 2 * mx.log(L[..., 2, 2])

    eta = 1.5
    a, b = np.array([0.5, 1.0]), eta + np.array([0.5, 0.0])
    assert_mean(gradients(log_det, eta), (polygamma(1, b) - polygamma(1, a + b)).sum())


@pytest.mark.parametrize(("lo", "hi"), [(0.5, 3.0), (4.0, math.inf), (0.0, 0.3)])
def test_truncated_gamma_is_differentiable_in_all_its_parameters(lo: float, hi: float, key: mx.array) -> None:
    args = [mx.array(v) for v in (2.3, lo, hi)]
    x = samplers.truncated_gamma(key, *args).item()

    def cdf(alpha: mp.mpf, lo: mp.mpf, hi: mp.mpf) -> mp.mpf:
        top = gamma_tails(alpha, hi)[0] if hi < mp.inf else mp.mpf(1)
        low = gamma_tails(alpha, lo)[0] if lo > 0 else mp.mpf(0)
        return (gamma_tails(alpha, mp.mpf(x))[0] - low) / (top - low)

    exact = [mp.mpf(a.item()) for a in args]
    density = mp.diff(lambda t: gamma_tails(exact[0], t)[0], x, h=mp.mpf("1e-10"))
    top = gamma_tails(exact[0], exact[2])[0] if hi < math.inf else mp.mpf(1)
    low = gamma_tails(exact[0], exact[1])[0] if lo > 0.0 else mp.mpf(0)
    density /= top - low
    for i in range(3):
        slope = mx.grad(lambda *a: samplers.truncated_gamma(key, *a), argnums=i)(*args).item()
        if exact[i] in (0, mp.inf):
            assert slope == 0.0
            continue
        moved = lambda t, i=i: cdf(*(t if j == i else v for j, v in enumerate(exact)))  # noqa: E731
        expected = float(-mp.diff(moved, exact[i], h=mp.mpf("1e-10")) / density)
        assert slope == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("lo", "hi"), [(0.5, 2.0), (1.0, math.inf)])
def test_truncated_exponential_is_differentiable_in_all_its_parameters(lo: float, hi: float, key: mx.array) -> None:
    args = [mx.array(v) for v in (0.7, lo, hi)]

    def exact(rate: mp.mpf, lo: mp.mpf, hi: mp.mpf, u: mp.mpf) -> mp.mpf:
        mass = mp.expm1(-rate * (hi - lo)) if hi < mp.inf else mp.mpf(-1)
        return lo - mp.log1p(u * mass) / rate

    x = samplers.truncated_exponential(key, *args).item()
    point = [mp.mpf(a.item()) for a in args]
    mass = mp.expm1(-point[0] * (point[2] - point[1])) if hi < math.inf else mp.mpf(-1)
    u = mp.expm1(-point[0] * (x - point[1])) / mass
    for i in range(3 if hi < math.inf else 2):
        slope = mx.grad(lambda *a: samplers.truncated_exponential(key, *a), argnums=i)(*args).item()
        moved = lambda t, i=i: exact(*(t if j == i else v for j, v in enumerate(point)), u)  # noqa: E731
        assert slope == pytest.approx(float(mp.diff(moved, point[i], h=mp.mpf("1e-10"))), rel=1e-3)


def test_vmap_and_export(key: mx.array) -> None:
    keys, alpha = mx.random.split(key, 3), mx.array([0.4, 2.0])

    def slope(k: mx.array) -> mx.array:
        return mx.grad(lambda a: samplers.standard_gamma(k, a, pathwise=True).sum())(alpha)

    assert_close(mx.vmap(slope)(keys), mx.stack([slope(k) for k in keys]))
    nodes: list[dict] = []
    mx.export_function(nodes.append, slope, keys[0])
    assert "RandomBits" in {node["name"] for node in nodes if node["type"] == "primitive"}
