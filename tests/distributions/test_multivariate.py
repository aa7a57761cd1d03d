"""The families of vectors and matrices, where the battery does not reach: gradients to matrices, batches, limits."""

import math

import mlx.core as mx
import numpy as np
import pytest
from scipy import special, stats

from distributions.cases.multivariate import (
    INDEFINITE,
    SCALE,
    TRIL,
    dirichlet_oracle,
    gaussian,
    inv_wishart_oracle,
    spd,
    wishart_oracle,
)
from genmlx import gen, key
from genmlx.distributions.dirichlet import dirichlet
from genmlx.distributions.multivariate_normal import multivariate_normal
from genmlx.distributions.wishart import inv_wishart, wishart
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close, assert_within_mc

PLAUSIBLE = 1e-4
DRAWS = 20_000
STEP = 1e-5

precision_form = multivariate_normal.alternatives[frozenset({"mean", "precision"})]
tril_form = multivariate_normal.alternatives[frozenset({"mean", "scale_tril"})]
wishart_tril = wishart.alternatives[frozenset({"df", "scale_tril"})]


def f32(a):
    """What float32 holds, in float64."""
    return np.asarray(a, dtype=np.float32).astype(np.float64)


def as_mx(a):
    return mx.array(np.asarray(a, dtype=np.float32))


def symmetric_difference(f, a):
    """The symmetric gradient of a function of a symmetric matrix, by central differences that keep the symmetry."""
    gradient = np.zeros_like(a)
    for i, j in np.ndindex(*a.shape):
        h = np.zeros_like(a)
        h[i, j] += STEP / 2
        h[j, i] += STEP / 2
        gradient[i, j] = (f(a + h) - f(a - h)) / (2 * STEP)
    return gradient


def lower_difference(f, a):
    """The gradient of a function of a lower triangular matrix."""
    gradient = np.zeros_like(a)
    for i, j in zip(*np.tril_indices(len(a)), strict=True):
        h = np.zeros_like(a)
        h[i, j] = STEP
        gradient[i, j] = (f(a + h) - f(a - h)) / (2 * STEP)
    return gradient


X = np.array([1.5, -0.5, 2.0])
MEAN = np.array([0.0, 1.0, 2.0])
SPD = f32(SCALE)
LOWER = f32(TRIL)


# ---- gradients to matrices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            lambda a: multivariate_normal.log_prob(as_mx(X), as_mx(MEAN), a),
            lambda a: gaussian(MEAN, a).logpdf(X),
            id="covariance",
        ),
        pytest.param(
            lambda a: precision_form.log_prob(as_mx(X), as_mx(MEAN), a),
            lambda a: gaussian(MEAN, np.linalg.inv(a)).logpdf(X),
            id="precision",
        ),
        pytest.param(
            lambda a: wishart.log_prob(as_mx(4 * SPD + np.eye(3)), 5.5, a),
            lambda a: wishart_oracle(5.5, a).logpdf(4 * SPD + np.eye(3)),
            id="wishart scale",
        ),
        pytest.param(
            lambda a: wishart.log_prob(a, 5.5, as_mx(np.eye(3) + 0.2)),
            lambda a: wishart_oracle(5.5, f32(np.eye(3) + 0.2)).logpdf(a),
            id="wishart value",
        ),
        pytest.param(
            lambda a: inv_wishart.log_prob(as_mx(0.5 * SPD + np.eye(3)), 5.5, a),
            lambda a: inv_wishart_oracle(5.5, a).logpdf(0.5 * SPD + np.eye(3)),
            id="inv_wishart scale",
        ),
        pytest.param(
            lambda a: inv_wishart.log_prob(a, 5.5, as_mx(np.eye(3) + 0.2)),
            lambda a: inv_wishart_oracle(5.5, f32(np.eye(3) + 0.2)).logpdf(a),
            id="inv_wishart value",
        ),
    ],
)
def test_gradients_to_symmetric_matrices(found, expected):
    gradient = mx.grad(found)(as_mx(SPD))
    assert_exact(gradient, gradient.T)
    assert_gradient_close(gradient, symmetric_difference(expected, SPD))
    batch = mx.grad(lambda a: mx.sum(mx.vmap(found)(a)))(as_mx(np.stack([SPD, SPD + np.eye(3)])))
    assert_gradient_close(batch[1], symmetric_difference(expected, SPD + np.eye(3)))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            lambda a: tril_form.log_prob(as_mx(X), as_mx(MEAN), a),
            lambda a: gaussian(MEAN, a @ a.T).logpdf(X),
            id="normal",
        ),
        pytest.param(
            lambda a: wishart_tril.log_prob(as_mx(4 * SPD), mx.array(5.5), a),
            lambda a: wishart_oracle(5.5, a @ a.T).logpdf(4 * SPD),
            id="wishart",
        ),
    ],
)
def test_gradients_to_triangular_matrices(found, expected):
    assert_gradient_close(np.tril(mx.grad(found)(as_mx(LOWER))), lower_difference(expected, LOWER))


def test_gradients_to_means_and_values_are_opposite():
    def f(x, mean):
        return multivariate_normal.log_prob(x, mean, as_mx(SPD))

    of_x, of_mean = mx.grad(f, argnums=(0, 1))(as_mx(X), as_mx(MEAN))
    assert_gradient_close(of_mean, np.linalg.solve(SPD, X - MEAN))
    assert_gradient_close(of_x, -np.linalg.solve(SPD, X - MEAN))


@pytest.mark.parametrize("alpha", [[1.0, 2.0, 3.0], [0.05, 0.3, 8.0], [200.0, 30.0, 70.0]])
def test_the_gradient_of_a_dirichlet_to_its_concentrations(alpha):
    alpha, x = f32(alpha), f32([0.2, 0.3, 0.5])
    expected = special.digamma(alpha.sum()) - special.digamma(alpha) + np.log(x)
    assert_gradient_close(mx.grad(lambda a: dirichlet.log_prob(as_mx(x), a))(as_mx(alpha)), expected)


@pytest.mark.parametrize("form", [multivariate_normal, tril_form, precision_form], ids=lambda f: list(f.params)[1])
def test_draws_of_a_normal_are_differentiable(form):
    """The gradient of a draw to mean and matrix, against a difference with the same key."""
    matrix = LOWER if form is tril_form else SPD
    weights = mx.array([1.0, -2.0, 0.5])
    k = key_for("pathwise")

    def f(mean, a):
        return mx.sum(weights * form.sample(k, mean, a, ()))

    of_mean, of_matrix = mx.grad(f, argnums=(0, 1))(as_mx(MEAN), as_mx(matrix))
    assert_gradient_close(of_mean, weights)
    direction = np.array([[0.2, 0.0, 0.0], [0.3, -0.1, 0.0], [-0.2, 0.1, 0.4]])
    direction = direction if form is tril_form else direction + direction.T
    h = 1e-2
    high, low = (f(as_mx(MEAN), as_mx(matrix + s * h * direction)).item() for s in (1, -1))
    assert_close(np.sum(np.asarray(of_matrix) * direction), (high - low) / (2 * h), rtol=2e-3)


def test_draws_of_wishart_matrices_are_differentiable_in_the_scale():
    k = key_for("wishart pathwise")
    for family in (wishart, inv_wishart):
        trace = mx.grad(lambda s, f=family: mx.trace(f.sample(k, 6.0, s * as_mx(SPD), ())))(mx.array(1.0))
        assert_close(trace, mx.trace(family.sample(k, 6.0, as_mx(SPD), ())), rtol=1e-4)  # a draw is linear in the scale


# ---- batches: each side may have the axes, or both ------------------------------------------------------------------


@pytest.mark.parametrize("form", [multivariate_normal, tril_form, precision_form], ids=lambda f: list(f.params)[1])
def test_batches_of_means_and_matrices_are_loops(form):
    matrix = LOWER if form is tril_form else SPD
    means = as_mx([MEAN, MEAN + 1, MEAN * 2, -MEAN])
    matrices = as_mx([matrix, matrix * 2, matrix * 0.3, matrix * 1.1])
    x = as_mx([X, X + 1, X * 0, X * 3])
    one_mean, one_matrix = means[0], matrices[0]
    for m, a in ((means, one_matrix), (one_mean, matrices), (means, matrices), (one_mean, one_matrix)):
        expected = [
            form.log_prob(x[i], m[i] if m.ndim == 2 else m, a[i] if a.ndim == 3 else a).item() for i in range(4)
        ]
        assert_close(form.log_prob(x, m, a), expected)
        assert_close(form.log_prob(mx.stack([x, x]), m, a), [expected, expected])
        axes = (0, 0 if m.ndim == 2 else None, 0 if a.ndim == 3 else None)
        assert_close(mx.vmap(form.log_prob, in_axes=axes)(x, m, a), expected)
        keys = split(key_for("batch"), 4)
        drawn = mx.vmap(lambda k, m, a: form.sample(k, m, a, ()), in_axes=axes)(keys, m, a)
        alone = [form.sample(keys[i], m[i] if m.ndim == 2 else m, a[i] if a.ndim == 3 else a, ()) for i in range(4)]
        assert_close(drawn, mx.stack(alone))
        call = form(m, a)
        batch = call.gen_fn.batch_shape(*call.args)
        assert call.sample(key=key(0), shape=(5,)).shape == (5, *batch, 3)
        assert call.entropy().shape == batch and call.variance().shape == (*batch, 3)


def test_matrix_families_batch_over_both_parameters():
    scales = as_mx([SPD, 2 * SPD])
    dfs = mx.array([4.0, 7.0])
    x = as_mx([3 * SPD, SPD + np.eye(3)])
    for family in (wishart, inv_wishart):
        for df, scale in ((dfs, scales), (5.0, scales), (dfs, scales[0])):
            expected = [
                family.log_prob(
                    x[i], df[i] if isinstance(df, mx.array) else df, scale[i] if scale.ndim == 3 else scale
                ).item()
                for i in range(2)
            ]
            assert_close(family.log_prob(x, df, scale), expected)
            call = family(df, scale)
            assert call.sample(key=key(0), shape=4).shape == (4, 2, 3, 3)
            assert (
                call.mean().shape == (2, 3, 3) and call.variance().shape == (2, 3, 3) and call.entropy().shape == (2,)
            )


def test_dirichlet_batches():
    alphas = as_mx([[1.0, 2.0, 3.0], [0.5, 0.5, 4.0]])
    x = as_mx([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
    assert_close(dirichlet(alphas).log_prob(x), [dirichlet(alphas[i]).log_prob(x[i]).item() for i in range(2)])
    assert dirichlet(alphas).log_prob(x[0]).shape == (2,)
    assert dirichlet(alphas).sample(key=key(0), shape=(4,)).shape == (4, 2, 3)
    assert dirichlet(alphas).simulate(key=key(0)).score.shape == ()


def test_the_parameterisations_agree():
    mean, x = as_mx(MEAN), as_mx([X, X * 2])
    by_cov = multivariate_normal(mean, SPD).log_prob(x)
    assert_close(multivariate_normal(mean, scale_tril=np.linalg.cholesky(SPD)).log_prob(x), by_cov)
    assert_close(multivariate_normal(mean, precision=np.linalg.inv(SPD)).log_prob(x), by_cov)
    value = 3 * SPD + np.eye(3)
    assert_close(wishart(5.0, scale_tril=np.linalg.cholesky(SPD)).log_prob(value), wishart(5.0, SPD).log_prob(value))


def test_an_inverse_wishart_is_the_inverse_of_a_wishart():
    """p_IW(X; df, V) = p_W(X^-1; df, V^-1) |X|^-(n + 1)."""
    for x in spd(SPD):
        expected = wishart(5.5, np.linalg.inv(SPD)).log_prob(np.linalg.inv(x)).item() - 4 * np.linalg.slogdet(x)[1]
        assert_close(inv_wishart(5.5, SPD).log_prob(x), expected, rtol=3e-5)


def test_one_dimension_is_the_family_of_numbers():
    x = 1.7
    assert_close(multivariate_normal([0.3], [[4.0]]).log_prob([x]), stats.norm(0.3, 2.0).logpdf(x))
    assert_close(wishart(3.5, [[2.0]]).log_prob([[x]]), stats.gamma(1.75, scale=4.0).logpdf(x))
    assert_close(inv_wishart(3.5, [[2.0]]).log_prob([[x]]), stats.invgamma(1.75, scale=1.0).logpdf(x))


# ---- densities integrate to one -------------------------------------------------------------------------------------


def test_densities_integrate_to_one():
    grid = np.linspace(-8.0, 8.0, 161)
    plane = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    for call in (
        multivariate_normal([0.3, -0.5], [[1.0, 0.6], [0.6, 0.8]]),
        multivariate_normal([0.3, -0.5], scale_tril=[[1.0, 0.0], [0.6, 0.8]]),
        multivariate_normal([0.3, -0.5], precision=[[1.5, 0.6], [0.6, 1.8]]),
    ):
        assert_close(np.exp(np.asarray(call.log_prob(plane))).sum() * 0.1**2, 1.0)
    n = 400
    a, b = (np.indices((n, n)) + 0.5) / n
    inside = a + b < 1
    simplex = np.stack([a, b, 1 - a - b], axis=-1)[inside]
    density = np.exp(np.asarray(dirichlet([3.0, 2.0, 4.0]).log_prob(simplex)))
    assert_close(density.sum() / n**2, 1.0, rtol=1e-3)


# ---- draws ----------------------------------------------------------------------------------------------------------


def test_covariances_between_elements():
    """Of a normal: the covariance. Of a Wishart: Cov(W_ij, W_kl) = df (V_ik V_jl + V_il V_jk)."""
    x = np.asarray(multivariate_normal(MEAN, SPD).sample(key=key_for("cov"), shape=(DRAWS,)), dtype=np.float64) - MEAN
    products = x[:, :, None] * x[:, None, :]
    assert_within_mc(products.mean(0), SPD, products.std(0) / math.sqrt(DRAWS))
    df = 6.5
    w = np.asarray(wishart(df, SPD).sample(key=key_for("wishart cov"), shape=(DRAWS,)), dtype=np.float64) - df * SPD
    for (i, j), (k, q) in (((0, 0), (1, 1)), ((0, 1), (1, 2)), ((0, 2), (2, 2)), ((0, 1), (0, 1))):
        products = w[:, i, j] * w[:, k, q]
        expected = df * (SPD[i, k] * SPD[j, q] + SPD[i, q] * SPD[j, k])
        assert_within_mc(products.mean(), expected, products.std() / math.sqrt(DRAWS))


def test_the_entropy_of_an_inverse_wishart_is_the_mean_of_minus_log_p():
    call = inv_wishart(6.0, SPD)
    surprise = -np.asarray(call.log_prob(call.sample(key=key_for("entropy"), shape=(DRAWS,))), dtype=np.float64)
    assert_within_mc(surprise.mean(), call.entropy().item(), surprise.std() / math.sqrt(DRAWS))


def test_moments_that_do_not_exist_are_nan():
    assert np.isnan(np.asarray(inv_wishart(3.5, SPD).mean())).all()
    assert np.isnan(np.asarray(inv_wishart(5.5, SPD).variance())).all()
    assert not np.isnan(np.asarray(inv_wishart(5.5, SPD).mean())).any()


def test_tiny_concentrations_give_vertices_of_the_simplex():
    alpha = [1e-3, 2e-3, 5e-3]
    call = dirichlet(alpha)
    draws = call.sample(key=key_for("tiny"), shape=(DRAWS,))
    x = np.asarray(draws)
    assert_close(x.sum(-1), np.ones(DRAWS))
    assert (x > 0).all()
    log_prob = np.asarray(call.log_prob(draws))
    assert np.isfinite(log_prob).all()
    counts = np.bincount(x.argmax(-1), minlength=3)  # the largest is k with probability alpha_k / alpha_0, nearly
    assert stats.chisquare(counts, DRAWS * np.array(alpha) / 8e-3).pvalue > PLAUSIBLE
    near = f32(x[:50])
    expected = [dirichlet_oracle(f32(alpha)).logpdf(row) for row in near]
    assert_close(log_prob[:50], expected)
    gradient = mx.grad(lambda a: mx.sum(dirichlet.log_prob(draws, a)))(as_mx(alpha))
    assert np.isfinite(np.asarray(gradient)).all()


# ---- edges ----------------------------------------------------------------------------------------------------------


def test_a_zero_component_of_a_dirichlet():
    x = mx.array([0.0, 0.4, 0.6])
    assert_close(dirichlet([1.0, 2.0, 2.0]).log_prob(x), math.log(24) + math.log(0.4 * 0.6))
    for alpha in ([2.0, 2.0, 2.0], [0.5, 2.0, 2.0]):
        assert dirichlet(alpha).log_prob(x).item() == -math.inf
        of_x, of_alpha = mx.grad(dirichlet.log_prob, argnums=(0, 1))(x, mx.array(alpha))
        assert np.isfinite(np.asarray(of_x)).all() and np.isfinite(np.asarray(of_alpha)).all()


def test_points_off_the_simplex_are_impossible_and_rounding_is_not():
    call = dirichlet([1.0, 2.0, 3.0])
    assert call.log_prob([0.2, 0.3, 0.6]).item() == -math.inf
    assert call.log_prob([-0.1, 0.3, 0.8]).item() == -math.inf
    assert math.isfinite(call.log_prob(np.float32([1 / 3, 1 / 3, 1 / 3])).item())


@pytest.mark.parametrize("family", [wishart, inv_wishart], ids=lambda f: f.name)
def test_a_value_that_is_not_positive_definite_leaves_its_neighbours_alone(family):
    good = 2 * SPD
    x = as_mx([good, INDEFINITE, np.zeros((3, 3)), good + np.triu(np.full((3, 3), 0.1), 1), np.full((3, 3), np.nan)])
    log_prob = family(5.0, SPD).log_prob(x)
    assert_close(log_prob[0], family(5.0, SPD).log_prob(good))
    assert np.asarray(log_prob)[1:].tolist() == [-math.inf] * 4
    of_df, of_scale = mx.grad(lambda df, scale: mx.sum(family.log_prob(x, df, scale)), argnums=(0, 1))(
        mx.array(5.0), as_mx(SPD)
    )
    alone = mx.grad(lambda df, scale: family.log_prob(as_mx(good), df, scale), argnums=(0, 1))(
        mx.array(5.0), as_mx(SPD)
    )
    assert_gradient_close(of_df, alone[0])
    assert_gradient_close(of_scale, alone[1])


def test_an_indefinite_covariance_is_nan_for_its_row_only():
    covs = as_mx([SPD, INDEFINITE])
    log_prob = np.asarray(multivariate_normal.log_prob(as_mx(X), as_mx(MEAN), covs))
    assert np.isfinite(log_prob[0]) and np.isnan(log_prob[1])


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: multivariate_normal([0.0, 1.0], np.eye(3)), "has 2 elements, but cov has shape \\(3, 3\\)"),
        (lambda: multivariate_normal([0.0, 1.0], np.ones((2, 3))), "cov has shape \\(2, 3\\)"),
        (lambda: multivariate_normal([0.0, 1.0], scale_tril=np.eye(3)), "scale_tril has shape"),
        (lambda: multivariate_normal([0.0, 1.0], [1.0, 1.0]), "parameter 'cov' .* found an array of shape \\(2,\\)"),
        (lambda: wishart(3.0, np.ones((2, 3))), "scale of wishart must be square"),
        (lambda: multivariate_normal(mx.zeros((2, 3)), mx.stack([mx.eye(3)] * 4)).simulate(), "do not broadcast"),
    ],
)
def test_shapes_that_do_not_fit_are_errors_that_name_them(wrong, text):
    with pytest.raises(ShapeError, match=text):
        wrong()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: multivariate_normal([0.0], [[1.0]], scale_tril=[[1.0]]),
        lambda: multivariate_normal([0.0], covariance=[[1.0]]),
        lambda: wishart(3.0, [[1.0]], scale_tril=[[1.0]]),
    ],
)
def test_mixed_parameterisations_are_an_error_that_shows_the_choices(wrong):
    with pytest.raises(UsageError, match="none of its parameterisations"):
        wrong()


def test_numbers_for_vectors_and_few_degrees_of_freedom_are_domain_errors():
    with pytest.raises(DomainError, match=r"'alpha' of dirichlet must be a vector of positive numbers, found 1\.0"):
        dirichlet(1.0).log_prob([1.0])
    with pytest.raises(DomainError, match="parameter 'mean' of multivariate_normal must be a vector"):
        multivariate_normal(0.0, [[1.0]]).simulate()
    with pytest.raises(DomainError, match=r"parameter 'df' of wishart must be greater than 2, found 2\.0"):
        wishart(2.0, SPD).simulate(key=key(0))
    with pytest.raises(DomainError, match="parameter 'scale' of wishart must be a symmetric positive definite matrix"):
        wishart(3.0, 1.0).simulate(key=key(0))


# ---- in models ------------------------------------------------------------------------------------------------------


def test_a_hierarchy_of_vectors_and_matrices_vectorises():
    @gen
    def model(scale):
        cov = inv_wishart(8.0, scale) @ "cov"
        x = multivariate_normal(mx.zeros(3), cov) @ "x"
        w = dirichlet(mx.exp(x)) @ "w"
        multivariate_normal(w, precision=scale) @ "y"

    trace = model(as_mx(SPD)).simulate(n=4, key=key(0))
    assert trace["cov"].shape == (4, 3, 3) and trace["w"].shape == (4, 3)
    weights, _ = model(as_mx(SPD)).assess(trace.choices, n=4)
    assert_exact(weights, trace.score)
    alone = [model(as_mx(SPD)).assess(trace.execution(i).choices).weight.item() for i in range(4)]
    assert_close(trace.score, alone)
    gradients = trace.execution(0).choice_gradients().gradients
    assert gradients["cov"].shape == (3, 3) and np.isfinite(np.asarray(gradients["cov"])).all()
