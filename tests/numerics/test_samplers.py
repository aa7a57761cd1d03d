"""Laws by goodness of fit against SciPy, edges of the parameters and of the uniforms, keys, vmap, gradients.

Samplers with rejection have two ways, one for small shapes and one for large ones: `many` draws both ways.
"""

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import scipy.special
from scipy import stats

from genmlx.numerics import memory, samplers
from genmlx.numerics.samplers import common, counts, directions
from genmlx.numerics.samplers import gamma as gamma_samplers
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close, assert_plausible, assert_within_mc

INF = math.inf
DRAWS = 20_000
Cdf = Callable[[np.ndarray], np.ndarray]


Draw = Callable[[mx.array, tuple[int, ...]], mx.array]


@pytest.fixture(params=["large", "small"])
def many(request: pytest.FixtureRequest, key: mx.array) -> Callable[[Draw], mx.array]:
    """DRAWS values of a sampler: in one call, or in five that are small enough for the other way."""

    def draw(sampler: Draw) -> mx.array:
        if request.param == "large":
            return sampler(key, (DRAWS,))
        shape = (DRAWS // 5,)
        assert common.is_large((DRAWS,)) and not common.is_large(shape)
        return mx.concatenate([sampler(k, shape) for k in mx.random.split(key, 5)])

    return draw


def numbers(x: mx.array) -> np.ndarray:
    return np.array(x).astype(np.float64)


def assert_continuous(draws: mx.array, cdf: Cdf) -> None:
    assert_plausible(float(stats.kstest(numbers(draws), cdf).pvalue))


def assert_counts(draws: mx.array, law: Any) -> None:
    """Chi-square over the support between the 1e-9 quantiles, in cells that expect 8 draws or more."""
    assert draws.dtype == mx.int32
    x = np.array(draws)
    low, high = int(law.ppf(1e-9)), int(law.ppf(1 - 1e-9))
    assert law.pmf(x.min()) > 1e-12 and law.pmf(x.max()) > 1e-12
    cdf = law.cdf(np.arange(low, high + 1)) * x.size
    edges, filled = [], 0.0
    for k, below in zip(range(low, high + 1), cdf, strict=True):
        if below - filled >= 8 and x.size - below >= 8:
            edges.append(k)
            filled = below
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges) * x.size, [x.size]]))
    observed = np.bincount(np.searchsorted(edges, x), minlength=len(expected))
    if len(expected) > 1:
        assert_plausible(float(stats.chisquare(observed, expected).pvalue))
    else:
        assert (x == law.median()).mean() > 0.99


# ---- continuous laws -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, 1e-3, 50.0])
def test_exponential(rate: float, key: mx.array) -> None:
    assert_continuous(samplers.exponential(key, rate, (DRAWS,)), stats.expon(scale=1 / rate).cdf)


@pytest.mark.parametrize(("sampler", "law"), [(samplers.cauchy, stats.cauchy), (samplers.laplace, stats.laplace)])
def test_laws_with_a_random_sign(sampler: Callable[..., mx.array], law: Any, key: mx.array) -> None:
    draws = sampler(key, (DRAWS,))
    assert_continuous(draws, law.cdf)
    assert_continuous(mx.abs(draws), lambda x: 2 * law.cdf(x) - 1)  # the sign says nothing about the size


@pytest.mark.parametrize("alpha", [1e-4, 1e-3, 0.3, 1.0, 2.5, 50.0, 1e5])
def test_gamma(alpha: float, many: Callable[[Draw], mx.array]) -> None:
    log_draws = many(lambda key, shape: samplers.log_standard_gamma(key, alpha, shape))

    def cdf(log_x: np.ndarray) -> np.ndarray:  # P(G < x) = x^alpha / Gamma(alpha + 1) for x -> 0
        tail = np.exp(np.minimum(alpha * log_x - scipy.special.gammaln(alpha + 1), 0))
        return np.where(log_x < -30, tail, scipy.special.gammainc(alpha, np.exp(np.maximum(log_x, -30))))

    assert_continuous(log_draws, cdf)
    draws = many(lambda key, shape: samplers.standard_gamma(key, alpha, shape))
    assert (numbers(draws) > 0).all()
    assert_close(draws, np.maximum(np.exp(numbers(log_draws)), 1.1754944e-38), rtol=1e-4)


def test_a_large_shape_keeps_each_value_with_its_parameter(key: mx.array) -> None:
    """Those that are rejected are gathered, drawn again, and put back."""
    alpha = mx.array(np.tile([0.3, 1.0, 1e4], DRAWS))
    x = samplers.standard_gamma(key, alpha)
    rate = mx.array(np.tile([2.0, 30.0, 1e5], DRAWS))
    k = samplers.poisson(key, rate)
    n, p = mx.array(np.tile([20, 20, 10**5], DRAWS)), mx.array(np.tile([0.1, 0.9, 0.3], DRAWS))
    m = samplers.binomial(key, n, p)
    for i, (a, r) in enumerate(((0.3, 2.0), (1.0, 30.0), (1e4, 1e5))):
        assert_continuous(x[i::3], stats.gamma(a).cdf)
        assert_counts(k[i::3], stats.poisson(r))
        assert_counts(m[i::3], stats.binom((20, 20, 10**5)[i], (0.1, 0.9, 0.3)[i]))
    kappa = mx.array(np.tile([0.1, 2.0, 100.0], DRAWS))
    angle = samplers.von_mises(key, 0.0, kappa)
    for i, c in enumerate((0.1, 2.0, 100.0)):
        assert_continuous(angle[i::3], stats.vonmises(c).cdf)


def test_gamma_rejects_what_the_cubed_normal_gets_wrong(key: mx.array) -> None:
    draws = numbers(samplers.standard_gamma(key, 1.0, (400_000,)))
    spread = (draws - 1.0) ** 2
    assert_within_mc(spread.mean(), 1.0, spread.std() / math.sqrt(draws.size))  # all accepted: 1.04, 9 errors off


def test_rounds_bound_the_total_variation_as_documented() -> None:
    for alpha in (1e-6, 0.1, 1.0, 10.0):
        d = alpha + 2 / 3
        x = np.linspace(-3 * math.sqrt(d), 12, 400_001)[1:]
        t = 1 + x / math.sqrt(9 * d)
        accepted = stats.norm.pdf(x) * np.exp(x**2 / 2 + d * (1 - t**3 + 3 * np.log(t)))
        rejected = 1 - np.trapezoid(accepted, x)
        assert rejected < gamma_samplers.GAMMA_REJECTED and rejected**gamma_samplers.GAMMA_ROUNDS < 7e-10
    for n, p in [(20, 0.5), (21, 0.5), (30, 0.4), (40, 0.25), (100, 0.1), (10**5, 1e-4), (1000, 0.5)]:
        sd = math.sqrt(n * p * (1 - p))
        bound = (2.83 + 5.1 / (1.15 + 2.53 * sd)) * sd * stats.binom.pmf(int((n + 1) * p), n, p)
        assert 1 - 1 / bound < counts.BINOMIAL_REJECTED and (1 - 1 / bound) ** counts.COUNT_ROUNDS < 8e-10
    for mean in (10.0, 12.5, 30.0, 1e3):
        b = 0.931 + 2.53 * math.sqrt(mean)
        bound = 1.006 * (1.1239 + 1.1328 / (b - 3.4))
        assert 1 - 1 / bound < counts.POISSON_REJECTED and (1 - 1 / bound) ** counts.COUNT_ROUNDS < 1e-10
    assert stats.poisson.sf(counts.COUNT_TABLE, counts.COUNT_SWITCH) < 1e-10
    for kappa in (0.0, 0.1, 1.0, 3.0, 100.0, 1e6):
        share = 0.5 + 0.5 / (math.sqrt(1 + 4 * kappa**2) + 2 * kappa)
        h = 2 * kappa / share
        q = np.tan(np.pi * (np.arange(1, 200_000) / 200_000 - 0.5)) ** 2
        e = h * q / (1 + h + q)
        rejected = 1 - np.exp(np.log1p(e) - share * e - (share - 1 - math.log(share))).mean()
        assert rejected < directions.VON_MISES_REJECTED and rejected**directions.VON_MISES_ROUNDS < 2.1e-11
    for mean in 10 ** np.linspace(-12, 1, 200):  # where the sums of a large shape begin
        last = min(math.floor(2.35 + 33.7 * (0.1 * mean) ** 0.4), counts.COUNT_TABLE)
        assert stats.poisson.sf(last, mean) < 1.7e-10 and (last == 2 or stats.poisson.pmf(last, mean) > 1e-30)


@pytest.mark.parametrize("mean", [10.0, 33.3, 1e4, 1e6])
def test_acceptance_compares_with_the_exact_probability(mean: float) -> None:
    sd = math.sqrt(mean)
    k = np.floor(mean + sd * np.linspace(-2.8, 6, 50))
    excess = numbers(counts.stirling_excess(mx.array(k + 1.0), mx.array(mean)))
    exact = stats.poisson.logpmf(k, float(np.float32(mean)))
    assert_close(-excess - 0.5 * math.log(2 * math.pi * mean), exact, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2.0, 5.0), (0.05, 30.0), (1e5, 1e5)])
def test_beta(a: float, b: float, key: mx.array) -> None:
    log_draws = samplers.log_beta(key, a, b, (DRAWS,))
    assert_continuous(log_draws, lambda log_x: stats.beta(a, b).cdf(np.exp(log_x)))
    assert_close(samplers.beta(key, a, b, (DRAWS,)), np.exp(numbers(log_draws)))


def test_beta_with_tiny_parameters_stays_in_the_open_interval(key: mx.array) -> None:
    draws = numbers(samplers.beta(key, 1e-3, 2e-3, (DRAWS,)))
    assert (draws > 0).all() and (draws < 1).all()
    assert_within_mc(draws.mean(), 1 / 3, draws.std() / math.sqrt(DRAWS))
    assert np.isfinite(numbers(samplers.log_beta(key, 1e-4, 1.0, (DRAWS,)))).all()


def test_dirichlet(key: mx.array) -> None:
    alpha = np.array([0.3, 2.0, 5.0])
    draws = samplers.dirichlet(key, mx.array(alpha), (DRAWS,))
    assert draws.shape == (DRAWS, 3)
    assert_close(draws.sum(-1), np.ones(DRAWS))
    for i, a in enumerate(alpha):
        assert_continuous(draws[:, i], stats.beta(a, alpha.sum() - a).cdf)


def test_dirichlet_with_tiny_concentrations_draws_vertices(key: mx.array) -> None:
    weights = np.array([1.0, 2.0, 5.0])
    draws = numbers(samplers.dirichlet(key, mx.array(weights * 1e-6), (DRAWS,)))
    assert (draws > 0).all()
    assert np.abs(draws.sum(-1) - 1).max() < 1e-6
    which = np.bincount(draws.argmax(-1), minlength=3)
    assert_plausible(float(stats.chisquare(which, weights / weights.sum() * DRAWS).pvalue))


@pytest.mark.parametrize("df", [0.05, 0.7, 2.5, 30.0, 1e6])
def test_student_t_with_real_degrees_of_freedom(df: float, key: mx.array) -> None:
    draws = samplers.student_t(key, df, (DRAWS,))
    assert np.isfinite(numbers(draws)).all()
    assert_continuous(draws, stats.t(df).cdf)


@pytest.mark.parametrize(
    ("lo", "hi"),
    [(6, 8), (-INF, -20), (-1, 1), (5, INF), (-INF, INF), (-3, 8), (0.5, 0.501), (5, 5.01), (30, 31), (-INF, 0.3)],
)
def test_truncated_normal(lo: float, hi: float, key: mx.array) -> None:
    draws = samplers.truncated_normal(key, 0.0, 1.0, lo, hi, (DRAWS,))
    assert lo <= draws.min().item() and draws.max().item() <= hi
    assert_continuous(draws, stats.truncnorm(lo, hi).cdf)
    moved = samplers.truncated_normal(key, 3.0, 2.0, 3.0 + 2.0 * lo, 3.0 + 2.0 * hi, (DRAWS,))
    assert_close(moved, 3.0 + 2.0 * numbers(draws), rtol=1e-4, atol=1e-5)


def test_truncated_normal_does_not_leave_an_interval_of_a_few_floats(key: mx.array) -> None:
    for lo, hi in ((5.0, 5.00001), (0.1, 0.1000001), (-3.000001, -3.0), (1.0, 1.0)):
        draws = samplers.truncated_normal(key, 0.3, 1.7, lo, hi, (DRAWS,))
        assert mx.array(lo).item() <= draws.min().item() and draws.max().item() <= mx.array(hi).item()


@pytest.mark.parametrize(
    ("rate", "lo", "hi"), [(1.0, 0.0, INF), (2.0, 1.0, 1.5), (0.5, 3.0, INF), (-3.0, 0.0, 2.0), (1e-4, 0, 1)]
)
def test_truncated_exponential(rate: float, lo: float, hi: float, key: mx.array) -> None:
    draws = samplers.truncated_exponential(key, rate, lo, hi, (DRAWS,))
    assert lo <= draws.min().item() and draws.max().item() <= hi
    assert_continuous(draws, lambda x: np.expm1(-rate * (x - lo)) / (np.expm1(-rate * (hi - lo)) if hi < INF else -1.0))


@pytest.mark.parametrize(
    ("alpha", "lo", "hi"), [(2.0, 0.0, INF), (0.3, 1e-3, 0.1), (50.0, 70.0, INF), (50.0, 10.0, 20.0), (3.0, 2.0, 2.1)]
)
def test_truncated_gamma(alpha: float, lo: float, hi: float, key: mx.array) -> None:
    draws = samplers.truncated_gamma(key, alpha, lo, hi, (DRAWS,))
    assert mx.array(lo).item() <= draws.min().item() and draws.max().item() <= mx.array(hi).item()
    low, high = stats.gamma.cdf([lo, hi], alpha)
    if low > 0.9:  # the upper tail
        low, high = stats.gamma.sf([lo, hi], alpha)
        assert_continuous(draws, lambda x: (low - stats.gamma.sf(x, alpha)) / (low - high))
    else:
        assert_continuous(draws, lambda x: (stats.gamma.cdf(x, alpha) - low) / (high - low))


def test_gumbel_has_a_right_tail(key: mx.array) -> None:
    draws = samplers.gumbel(key, (1_000_000,))
    assert_continuous(draws, stats.gumbel_r.cdf)
    far = int((numbers(draws) > 10.0).sum())  # 45 are expected
    assert_plausible(float(stats.binomtest(far, draws.size, stats.gumbel_r.sf(10.0)).pvalue))


@pytest.mark.parametrize("kappa", [0.0, 1e-3, 0.3, 2.0, 50.0, 1e3, 1e6])
def test_von_mises(kappa: float, many: Callable[[Draw], mx.array]) -> None:
    draws = many(lambda key, shape: samplers.von_mises(key, 0.0, kappa, shape))
    assert np.abs(numbers(draws)).max() <= np.float32(math.pi)
    if kappa == 0.0:
        assert_continuous(draws, stats.uniform(-math.pi, 2 * math.pi).cdf)
    elif kappa <= 50.0:
        assert_continuous(draws, stats.vonmises(kappa).cdf)
    else:  # 2 sin(x/2) is normal, but for a correction of a relative 1/(8 kappa)
        assert_continuous(2 * math.sqrt(kappa) * mx.sin(0.5 * draws), stats.norm.cdf)


def test_von_mises_turns_around_the_circle(key: mx.array) -> None:
    centred = numbers(samplers.von_mises(key, 0.0, 2.0, (DRAWS,)))
    for mu in (3.0, -10.0, math.pi):
        draws = numbers(samplers.von_mises(key, mu, 2.0, (DRAWS,)))
        assert draws.min() >= -math.pi - 1e-6 and draws.max() <= math.pi + 1e-6
        assert np.abs(np.exp(1j * draws) - np.exp(1j * (centred + mu))).max() < 1e-5
    gradient = mx.grad(lambda mu: samplers.von_mises(key, mu, 2.0, (50,)).sum())(mx.array(3.0))
    assert gradient.item() == 50.0


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_uniform_on_sphere(dim: int, key: mx.array) -> None:
    draws = samplers.uniform_on_sphere(key, dim, (DRAWS,))
    assert draws.shape == (DRAWS, dim)
    assert_close(mx.square(draws).sum(-1), np.ones(DRAWS))
    v = np.arange(1.0, dim + 1.0)
    v /= np.linalg.norm(v)
    along = numbers(draws) @ v
    if dim > 1:
        assert_continuous(mx.array(along), lambda x: stats.beta((dim - 1) / 2, (dim - 1) / 2).cdf((1 + x) / 2))
    else:
        assert_plausible(float(stats.binomtest(int((along > 0).sum()), DRAWS, 0.5).pvalue))


@pytest.mark.parametrize(("dim", "eta"), [(2, 0.3), (3, 1.0), (5, 2.5), (4, 50.0)])
def test_lkj_cholesky(dim: int, eta: float, key: mx.array) -> None:
    factors = samplers.lkj_cholesky(key, dim, eta, (DRAWS,))
    L = numbers(factors)
    assert (L == np.tril(L)).all() and (np.diagonal(L, axis1=-2, axis2=-1) > 0).all()
    R = L @ L.swapaxes(-1, -2)
    assert np.abs(np.diagonal(R, axis1=-2, axis2=-1) - 1).max() < 1e-5
    half = eta + dim / 2 - 1
    for i in range(dim):
        for j in range(i):  # every entry has the same law
            assert_continuous(mx.array(R[:, i, j]), lambda r: stats.beta(half, half).cdf((1 + r) / 2))
    # The determinant is a product of independent beta variables: mean and variance of its logarithm.
    log_det = 2 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(-1)
    a, b = np.arange(1, dim) / 2, eta + (dim - 1 - np.arange(1, dim)) / 2
    assert_within_mc(
        log_det.mean(), (scipy.special.psi(b) - scipy.special.psi(a + b)).sum(), log_det.std() / math.sqrt(DRAWS)
    )
    variance = (scipy.special.polygamma(1, b) - scipy.special.polygamma(1, a + b)).sum()
    squares = (log_det - log_det.mean()) ** 2
    assert_within_mc(squares.mean(), variance, squares.std() / math.sqrt(DRAWS))


def test_inverse_wishart(key: mx.array) -> None:
    scale, df = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.5]]), 9.5
    draws = numbers(samplers.inverse_wishart(key, df, mx.array(np.linalg.cholesky(scale)), (DRAWS,)))
    assert draws.shape == (DRAWS, 3, 3)
    assert_within_mc(draws.mean(0), scale / (df - 4), draws.std(0) / math.sqrt(DRAWS))
    v = np.array([0.3, -1.0, 2.0])
    precision = np.einsum("i,bij,j->b", v, np.linalg.inv(draws), v) / (v @ np.linalg.inv(scale) @ v)
    assert_plausible(float(stats.kstest(precision, stats.chi2(df).cdf).pvalue))
    inverse = (v @ scale @ v) / np.einsum("i,bij,j->b", v, draws, v)
    assert_plausible(float(stats.kstest(inverse, stats.chi2(df - 2).cdf).pvalue))


def test_wishart(key: mx.array) -> None:
    scale, df = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.5]]), 3.7
    tril = mx.array(np.linalg.cholesky(scale))
    draws = numbers(samplers.wishart(key, df, tril, (DRAWS,)))
    assert draws.shape == (DRAWS, 3, 3)
    assert_exact(draws, draws.swapaxes(-1, -2))
    assert_within_mc(draws.mean(0), df * scale, draws.std(0) / math.sqrt(DRAWS))
    v = np.array([0.3, -1.0, 2.0])
    assert_plausible(float(stats.kstest((draws @ v) @ v / (v @ scale @ v), stats.chi2(df).cdf).pvalue))
    # 1 / (v' W^-1 v) is chi-square with df - n + 1 degrees of freedom: this sees the diagonal of Bartlett's factor
    inverse = 1 / np.einsum("i,bij,j->b", v, np.linalg.inv(draws), v)
    assert_plausible(float(stats.kstest(inverse * (v @ np.linalg.inv(scale) @ v), stats.chi2(df - 2).cdf).pvalue))


# ---- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.01, 3.0, 9.9, 10.1, 15.5, 700.0, 1e5, 1e6])
def test_poisson(rate: float, many: Callable[[Draw], mx.array]) -> None:
    assert_counts(many(lambda key, shape: samplers.poisson(key, rate, shape)), stats.poisson(rate))


@pytest.mark.parametrize(
    ("n", "p"),
    [(1, 0.01), (1, 0.5), (10, 0.01), (10, 0.5), (10, 0.99), (21, 0.5), (1000, 0.0095), (1000, 0.011), (1000, 0.5)]
    + [(1000, 0.99), (1000, 0.9), (10**6, 1e-5), (10**6, 0.3)],
)
def test_binomial(n: int, p: float, many: Callable[[Draw], mx.array]) -> None:
    assert_counts(many(lambda key, shape: samplers.binomial(key, n, p, shape)), stats.binom(n, p))


@pytest.mark.parametrize(("r", "p"), [(0.3, 0.2), (5.0, 0.5), (2.5, 0.9), (100.0, 0.01)])
def test_negative_binomial(r: float, p: float, key: mx.array) -> None:
    assert_counts(samplers.negative_binomial(key, r, p, (DRAWS,)), stats.nbinom(r, p))


@pytest.mark.parametrize(("n", "a", "b"), [(10, 0.5, 0.5), (100, 2.0, 30.0), (1, 2.0, 3.0)])
def test_beta_binomial(n: int, a: float, b: float, key: mx.array) -> None:
    assert_counts(samplers.beta_binomial(key, n, a, b, (DRAWS,)), stats.betabinom(n, a, b))


@pytest.mark.parametrize("p", [[0.3, 0.7], [0.1, 0.2, 0.3, 0.4], [0.5, 0.0, 0.2, 0.05, 0.25], [1.0]])
@pytest.mark.parametrize("n", [1, 40])
def test_multinomial(n: int, p: list[float], key: mx.array) -> None:
    draws = samplers.multinomial(key, n, 3.0 * mx.array(p), (DRAWS,))
    assert draws.dtype == mx.int32 and draws.shape == (DRAWS, len(p))
    x = numbers(draws)
    assert (x.sum(-1) == n).all() and (x >= 0).all()
    for i, q in enumerate(p):
        if q in {0.0, 1.0}:
            assert (x[:, i] == n * q).all()
        else:
            assert_counts(draws[:, i], stats.binom(n, q))
    for i in range(len(p)):
        for j in range(i):
            if p[i] * p[j] > 0.0:
                products = (x[:, i] - n * p[i]) * (x[:, j] - n * p[j])
                assert_within_mc(products.mean(), -n * p[i] * p[j], products.std() / math.sqrt(DRAWS))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.9])
def test_geometric_counts_failures(p: float, key: mx.array) -> None:
    assert_counts(samplers.geometric(key, p, (DRAWS,)), stats.geom(p, loc=-1))


def test_categorical(key: mx.array) -> None:
    logits = np.array([[0.0, -INF, 1.0, -3.0], [2.0, 2.0, -INF, -INF]])
    draws = samplers.categorical(key, mx.array(logits), (DRAWS, 2))
    assert draws.dtype == mx.int32 and draws.shape == (DRAWS, 2)
    for i in range(2):
        observed = np.bincount(np.array(draws[:, i]), minlength=4)
        support = np.isfinite(logits[i])
        assert observed[~support].sum() == 0
        assert_plausible(
            float(stats.chisquare(observed[support], scipy.special.softmax(logits[i])[support] * DRAWS)[1])
        )


def test_degenerate_parameters_have_their_only_value(key: mx.array) -> None:
    shape = (1000,)
    assert_exact(samplers.poisson(key, 0.0, shape), mx.zeros(shape, mx.int32))
    assert_exact(samplers.binomial(key, 1000, 0.0, shape), mx.zeros(shape, mx.int32))
    assert_exact(samplers.binomial(key, 1000, 1.0, shape), mx.full(shape, 1000))
    assert_exact(samplers.binomial(key, 0, 0.3, shape), mx.zeros(shape, mx.int32))
    assert_exact(samplers.negative_binomial(key, 2.0, 1.0, shape), mx.zeros(shape, mx.int32))
    assert_exact(samplers.geometric(key, 1.0, shape), mx.zeros(shape, mx.int32))
    assert_exact(samplers.categorical(key, mx.array([-INF, 0.0]), shape), mx.ones(shape, mx.int32))
    assert_exact(samplers.truncated_normal(key, 0.0, 1.0, 2.0, 2.0, shape), mx.full(shape, 2.0))


# ---- keys, shapes, transformations -----------------------------------------------------------------------------------


TRIL = mx.array([[1.0, 0.0], [0.5, 2.0]])
CALLS: dict[str, Callable[[mx.array], mx.array]] = {
    "beta": lambda k: samplers.beta(k, mx.array([0.01, 3.0]), 2.0),
    "beta_binomial": lambda k: samplers.beta_binomial(k, mx.array([7, 1000]), 0.5, 2.0),
    "binomial": lambda k: samplers.binomial(k, mx.array([7, 100]), mx.array([0.3, 0.7])),
    "categorical": lambda k: samplers.categorical(k, mx.array([[0.0, 1.0, -INF], [0.0, 0.0, 0.0]])),
    "cauchy": lambda k: samplers.cauchy(k, (2,)),
    "dirichlet": lambda k: samplers.dirichlet(k, mx.array([[0.1, 1.0, 9.0]])),
    "exponential": lambda k: samplers.exponential(k, mx.array([1.0, 5.0])),
    "from_table": lambda k: samplers.from_table(k, mx.array([[0.1, 0.2, 0.7], [0.0, 1.0, 0.0]])),
    "geometric": lambda k: samplers.geometric(k, mx.array([0.01, 0.02])),
    "gumbel": lambda k: samplers.gumbel(k, (2,)),
    "inverse_wishart": lambda k: samplers.inverse_wishart(k, 3.5, TRIL),
    "laplace": lambda k: samplers.laplace(k, (2,)),
    "lkj_cholesky": lambda k: samplers.lkj_cholesky(k, 3, mx.array([0.5, 2.0])),
    "log_beta": lambda k: samplers.log_beta(k, mx.array([0.01, 3.0]), 2.0),
    "log_standard_gamma": lambda k: samplers.log_standard_gamma(k, mx.array([0.01, 3.0])),
    "multinomial": lambda k: samplers.multinomial(k, 50, mx.array([0.1, 0.6, 0.3])),
    "negative_binomial": lambda k: samplers.negative_binomial(k, mx.array([5.0, 80.0]), 0.1),
    "poisson": lambda k: samplers.poisson(k, mx.array([4.0, 400.0])),
    "standard_gamma": lambda k: samplers.standard_gamma(k, mx.array([0.5, 3.0])),
    "student_t": lambda k: samplers.student_t(k, mx.array([0.5, 3.0])),
    "truncated_exponential": lambda k: samplers.truncated_exponential(k, mx.array([1.0, 5.0]), 0.5, INF),
    "truncated_gamma": lambda k: samplers.truncated_gamma(k, mx.array([0.5, 5.0]), 0.5, 3.0),
    "truncated_normal": lambda k: samplers.truncated_normal(k, 0.0, mx.array([1.0, 2.0]), -1.0, INF),
    "uniform_on_sphere": lambda k: samplers.uniform_on_sphere(k, 3),
    "von_mises": lambda k: samplers.von_mises(k, 0.5, mx.array([0.5, 300.0])),
    "wishart": lambda k: samplers.wishart(k, 3.5, TRIL),
}


def test_every_sampler_is_called_here() -> None:
    assert set(CALLS) == set(samplers.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_vmap_over_keys_equals_one_by_one_to_the_bit(name: str) -> None:
    keys = mx.random.split(key_for(name), 5)
    one_by_one = mx.stack([CALLS[name](k) for k in keys])
    assert_exact(mx.vmap(CALLS[name])(keys), one_by_one)
    assert len({tuple(np.array(row).ravel().tolist()) for row in one_by_one}) > 1  # other keys, other draws
    if name != "truncated_gamma":  # minutes in the C compiler
        assert_close(mx.compile(CALLS[name])(keys[0]), one_by_one[0], rtol=1e-4)
    nodes: list[dict] = []
    mx.export_function(nodes.append, CALLS[name], keys[0])
    assert "RandomBits" in {node["name"] for node in nodes if node["type"] == "primitive"}


@pytest.mark.parametrize(
    "draw",
    [
        lambda k: samplers.standard_gamma(k, mx.linspace(0.1, 5.0, 5000)),
        lambda k: samplers.poisson(k, 12.0, (2, 2500)),
        lambda k: samplers.poisson(k, 2.0, (5000,)),
        lambda k: samplers.binomial(k, 100, mx.linspace(0.0, 1.0, 5000)),
        lambda k: samplers.von_mises(k, 0.0, 2.0, (5000,)),
    ],
)
def test_vmap_over_keys_equals_one_by_one_for_large_shapes(draw: Callable[[mx.array], mx.array], key: mx.array) -> None:
    keys = mx.random.split(key, 3)
    assert_exact(mx.vmap(draw)(keys), mx.stack([draw(k) for k in keys]))


@pytest.mark.parametrize(
    "name", ["standard_gamma", "poisson", "binomial", "negative_binomial", "multinomial", "from_table", "von_mises"]
)
def test_many_draws_have_at_most_64_bytes_each_in_flight(name: str, key: mx.array) -> None:
    """Beside the draws; candidates along an axis take 190 to 2000."""
    shape = (200_000,)
    calls = {
        "standard_gamma": lambda: samplers.standard_gamma(key, 2.0, shape),
        "poisson": lambda: samplers.poisson(key, 30.0, shape),
        "binomial": lambda: samplers.binomial(key, 100, 0.5, shape),
        "negative_binomial": lambda: samplers.negative_binomial(key, 3.0, 0.5, shape),
        "multinomial": lambda: samplers.multinomial(key, 100, [0.2, 0.3, 0.5], shape),
        "from_table": lambda: samplers.from_table(key, mx.ones(300), shape),
        "von_mises": lambda: samplers.von_mises(key, 0.0, 2.0, shape),
    }
    memory.clear_cache()
    memory.reset_peak()
    before = memory.memory_report().active
    draws = calls[name]()
    mx.eval(draws)
    assert (memory.memory_report().peak - before - draws.nbytes) / draws.size <= 64


def test_vmap_over_parameters_equals_one_by_one(key: mx.array) -> None:
    values = mx.array([0.5, 8.0, 20.0])
    for f in (
        lambda v: samplers.standard_gamma(key, v),
        lambda v: samplers.poisson(key, v),
        lambda v: samplers.binomial(key, v * 10, 0.3),
        lambda v: samplers.truncated_normal(key, v, 1.0, 0.0, 9.0),
    ):
        assert_exact(mx.vmap(f)(values), mx.stack([f(v) for v in values]))


def test_shape_is_the_batch_shape(key: mx.array) -> None:
    assert samplers.standard_gamma(key, 2.0).shape == ()
    assert samplers.standard_gamma(key, mx.ones((3,)), (4, 3)).shape == (4, 3)
    assert samplers.poisson(key, mx.ones((3, 1)), (2, 3, 4)).shape == (2, 3, 4)
    assert samplers.binomial(key, mx.ones((3, 1)), mx.full((4,), 0.5)).shape == (3, 4)
    assert samplers.dirichlet(key, mx.ones((3,)), (5,)).shape == (5, 3)
    assert samplers.categorical(key, mx.zeros((2, 3))).shape == (2,)
    assert samplers.wishart(key, mx.full((4,), 3.0), TRIL).shape == (4, 2, 2)


def test_parts_of_a_draw_are_independent(key: mx.array) -> None:
    """One sub-key used twice would tie the two gammas of a ratio, or the normal of a Student draw to its scale."""
    a, b = (np.log(numbers(samplers.beta(k, 2.0, 2.0, (DRAWS,)))) for k in mx.random.split(key))
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(DRAWS)
    rows = numbers(samplers.standard_gamma(key, mx.full((4,), 0.7), (DRAWS, 4)))
    off = np.corrcoef(rows.T) - np.eye(4)
    assert np.abs(off).max() < 5 / math.sqrt(DRAWS)


@pytest.mark.parametrize("u", [0.0, 2.0**-32, 0.5, 1.0 - 2.0**-24])
def test_extreme_uniforms_give_finite_draws(u: float, key: mx.array, monkeypatch: pytest.MonkeyPatch) -> None:
    def constant(low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = (), **_: Any) -> mx.array:
        return mx.full(shape, low + (high - low) * u)

    monkeypatch.setattr(mx.random, "uniform", constant)
    for name, call in CALLS.items():
        draw = numbers(call(key))
        assert np.isfinite(draw).all(), name
        if name in {"beta", "dirichlet", "exponential", "standard_gamma"}:
            assert (draw > 0).all(), name
        if name in {
            "beta_binomial",
            "binomial",
            "categorical",
            "geometric",
            "multinomial",
            "negative_binomial",
            "poisson",
        }:
            assert (draw >= 0).all() and (draw < 2**31).all(), name
    assert samplers.categorical(key, mx.array([-INF, 0.0, -INF])).item() == 1
    assert samplers.geometric(key, 1.0).item() == 0
    assert 0 <= samplers.geometric(key, 1e-12).item() < 2**31


def test_counts_beyond_int32_stop_at_its_end(key: mx.array) -> None:
    assert samplers.poisson(key, 1e12).item() == 2**31 - 128
    assert 2e9 < samplers.negative_binomial(key, 1e6, 1e-6).item() < 2**31


# ---- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lo", "hi"), [(-1.0, 1.5), (2.5, 4.0), (-9.0, -8.0), (0.5, INF), (-INF, 0.2)])
def test_truncated_normal_is_reparametrised_in_all_its_parameters(lo: float, hi: float, key: mx.array) -> None:
    mu, sigma = 0.3, 1.7
    args = [mx.array(v) for v in (mu, sigma, lo, hi)]
    gradients = [mx.grad(lambda *a: samplers.truncated_normal(key, *a), argnums=i)(*args).item() for i in range(4)]
    # Implicit differentiation of F(x) = u, F the distribution function; the weights of the bounds are exact.
    x = samplers.truncated_normal(key, *args).item()
    law = stats.norm(mu, sigma)
    mass = law.cdf(hi) - law.cdf(lo)
    u = (law.cdf(x) - law.cdf(lo)) / mass
    d_lo, d_hi = law.pdf(lo) * (1 - u) / law.pdf(x), law.pdf(hi) * u / law.pdf(x)
    z, a, b = ((v - mu) / sigma for v in (x, lo, hi))
    d_sigma = z - (d_lo * a if lo > -INF else 0.0) - (d_hi * b if hi < INF else 0.0)
    assert_gradient_close(gradients, [1 - d_lo - d_hi, d_sigma, d_lo, d_hi])
    second = mx.grad(mx.grad(lambda s: samplers.truncated_normal(key, mu, s, lo, hi)))(args[1]).item()
    assert math.isfinite(second)


def test_other_gradients(key: mx.array) -> None:
    rate = mx.array(2.0)
    assert_close(mx.grad(lambda r: samplers.exponential(key, r))(rate), -samplers.exponential(key, rate) / rate)

    def trace(c: mx.array) -> mx.array:
        return mx.trace(samplers.wishart(key, 4.0, c * TRIL))

    assert_close(mx.grad(trace)(rate), 2.0 * trace(rate) / rate)
    for f in (samplers.standard_gamma, samplers.student_t, samplers.poisson):  # constants, as documented
        assert mx.grad(lambda v, f=f: 1.0 * f(key, v))(rate).item() == 0.0
    assert mx.grad(lambda p: 1.0 * samplers.geometric(key, p))(mx.array(1.0)).item() == 0.0


def test_indices_from_a_table_have_its_probabilities(key: mx.array) -> None:
    p = np.array([0.0, 0.3, 0.0, 0.5, 0.2, 0.0])
    table = mx.array(np.stack([p, p[::-1]]).astype(np.float32))
    draws = np.array(samplers.from_table(key, 7.0 * table, (50_000, 2)))  # the table of each column
    for column, expected in zip(draws.T, (p, p[::-1]), strict=True):
        counts = np.bincount(column, minlength=6)
        assert (counts[expected == 0.0] == 0).all()
        assert_plausible(stats.chisquare(counts[expected > 0.0], 50_000 * expected[expected > 0.0]).pvalue)
    assert (np.array(samplers.from_table(key, [3.0], (4,))) == 0).all()
    keys = mx.random.split(key, 2)
    mapped = mx.vmap(lambda k, t: samplers.from_table(k, t, (10,)))(keys, table)
    assert_exact(mapped, mx.stack([samplers.from_table(keys[i], table[i], (10,)) for i in range(2)]))


def test_many_counts_follow_the_law_of_few(key: mx.array) -> None:
    """Above 2^17 values counts are drawn in blocks, with parameters that differ from value to value."""
    rate = mx.broadcast_to(mx.array([3.0, 40.0]), (100_000, 2))
    draws = np.array(samplers.poisson(key, rate))
    for column, mean in zip(draws.T, (3.0, 40.0), strict=True):
        top = int(mean + 8 * math.sqrt(mean))
        expected = stats.poisson(mean).pmf(np.arange(top))
        counts = np.bincount(column, minlength=top)[:top]
        common = expected * len(column) > 5
        observed = np.append(counts[common], len(column) - counts[common].sum())
        wanted = np.append(expected[common], 1 - expected[common].sum()) * len(column)
        assert_plausible(stats.chisquare(observed, wanted).pvalue)
    assert np.corrcoef(draws[:12_500, 0], draws[12_500:25_000, 0])[0, 1] < 0.05  # blocks have keys of their own
