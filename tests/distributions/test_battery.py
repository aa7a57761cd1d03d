"""Every family through the same questions (`cases.ALL`): density, gradients, draws, interface, errors."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

from distributions.cases import ALL
from distributions.cases.case import Case, as_array, as_float64
from genmlx.core.distribution import Distribution
from genmlx.numerics.errors import DomainError, UsageError
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import (
    GRADIENT_ATOL,
    GRADIENT_RTOL,
    VALUE_ATOL,
    VALUE_RTOL,
    assert_close,
    assert_exact,
    assert_within_mc,
)

DRAWS = 20_000
PLAUSIBLE = 1e-4  # stricter than the suite's budget: about 150 tests here, so one alarm in 70 fresh seeds
CELLS = 40  # of a chi-square test


def named(cases):
    return [pytest.param(case, id=case.name) for case in cases]


SLOW = {"transformed logit-normal", "truncated normal"}  # their oracles integrate numerically


def at_points(cases, fast=None):
    """Every point of every case; from the ``fast``-th on they are slow tests."""
    return [
        pytest.param(c, p, id=f"{c.name}-{i}", marks=[pytest.mark.slow] if c.name in SLOW or i >= (fast or 99) else [])
        for c in cases
        for i, p in enumerate(c.points)
    ]


def each(keep=lambda case: True):
    return pytest.mark.parametrize("case", named(c for c in ALL if keep(c)))


def each_point(keep=lambda case: True, keep_point=lambda case, point: True, fast=None):
    pairs = [p for p in at_points([c for c in ALL if keep(c)], fast) if keep_point(*p.values)]
    return pytest.mark.parametrize(("case", "point"), pairs)


def samples(case):
    return case.sampler


def is_scalar(case):
    return not case.family.event_ndim


def has_vectors(case) -> bool:
    """Whether some parameter has event axes."""
    return any(domain.event_ndim for domain in case.family.params.values())


def defines(what):
    return lambda case: case.family.defines(what) and what not in case.undefined


def close(case: Case, actual, expected):
    assert_close(actual, expected, rtol=case.rtol or VALUE_RTOL, atol=case.atol or VALUE_ATOL)


def interesting(case: Case, point) -> mx.array:
    """The grid of a point, and what is outside."""
    grid = case.values(case.grid, point)
    outside = case.values(case.outside, point)
    return mx.concatenate([grid, outside.astype(grid.dtype)]) if outside.size else grid


def all_together(case: Case):
    """x of shape (m, points), the stacked parameters, and the oracle's log density."""
    points = case.stackable
    grids = [np.asarray(case.values(case.grid, p)) for p in points]
    rows = max(len(g) for g in grids)
    columns = [g[np.arange(rows) % len(g)] for g in grids]
    expected = np.stack([case.expected(as_array(c), p) for c, p in zip(columns, points, strict=True)], axis=1)
    return as_array(np.stack(columns, axis=1)), case.stacked(points), expected


# ---- the log density -------------------------------------------------------------------------------------------------


@each_point()
def test_log_prob_agrees_with_the_oracle(case, point):
    x = case.values(case.grid, point)
    expected = case.expected(x, point)
    close(case, case.family(*point).log_prob(x), expected)
    close(case, case.family(*map(as_array, point)).log_prob(x), expected)


@each()
def test_array_parameters_broadcast(case):
    x, params, expected = all_together(case)
    close(case, case.family(*params).log_prob(x), expected)


@each_point()
def test_outside_the_support_the_log_density_is_exactly_minus_infinity(case, point):
    outside = case.values(case.outside, point)
    for params in (point, tuple(map(as_array, point))):
        call = case.family(*params)
        if outside.size:
            assert np.all(np.asarray(call.log_prob(outside)) == -np.inf)
        if is_scalar(case):
            assert np.all(np.asarray(call.log_prob(mx.array([-np.inf, np.inf]))) == -np.inf)
            assert not np.isfinite(call.log_prob(mx.array(np.nan)).item())


@each()
def test_a_batch_is_a_loop(case):
    x, params, _ = all_together(case)
    batch = np.asarray(case.family.log_prob(x, *params))
    mapped = mx.vmap(lambda x, *p: case.family.log_prob(x, *p), in_axes=(1, *[0] * len(params)), out_axes=1)(x, *params)
    loop = [
        [case.family.log_prob(x[i, j], *(p[j] for p in params)).item() for j in range(x.shape[1])]
        for i in range(0, x.shape[0], 5)
    ]
    assert_close(batch[::5], loop)
    assert_close(mapped, batch)


@each(is_scalar)
def test_a_large_array_has_the_densities_of_a_small_one(case):
    # From 4096 values on, logarithms and exponentials are other formulas.
    x = interesting(case, case.points[0])
    call = case.family(*map(as_array, case.points[0]))
    many = mx.tile(x, 4096 // x.size + 1)
    close(case, call.log_prob(many)[-x.size :], call.log_prob(x))


@each(lambda c: not c.family.discrete)
def test_float64_in_float64_out(case):
    x = interesting(case, case.points[0]).astype(mx.float64)
    params = tuple(as_array(p).astype(mx.float64) for p in case.points[0])
    result = case.family.log_prob(x, *params)
    assert result.dtype == mx.float64
    assert case.family(*case.points[0]).log_prob(x.astype(mx.float32)).dtype == mx.float32
    assert case.family.log_prob(x.astype(mx.float32), *map(as_array, case.points[0])).dtype == mx.float32


# ---- gradients -------------------------------------------------------------------------------------------------------


def gradients(case: Case, x: mx.array, point, names) -> dict[str, np.ndarray]:
    """The gradient of the log density of each draw in x; array parameters, one copy a draw."""
    n = x.shape[0]
    params = [mx.broadcast_to(as_array(p), (n, *np.shape(p))) for p in point]
    arguments = {"x": 0} | {name: i + 1 for i, name in enumerate(case.family.params)}
    argnums = [arguments[name] for name in names]
    results = mx.grad(lambda *a: mx.sum(case.family.log_prob(*a)), argnums=argnums)(x, *params)
    return dict(zip(names, map(np.asarray, results if isinstance(results, tuple | list) else [results]), strict=True))


def step(v):
    return np.where(v == 0, 1e-5, 1e-5 * np.abs(v))


def difference(case: Case, x: mx.array, point, name: str) -> np.ndarray:
    """A central difference of the float64 oracle, element by element of x, or in one number-valued parameter."""
    xs = np.asarray(x, dtype=np.float64)
    if name == "x":
        result = np.empty(xs.shape)
        elements = list(np.ndindex(*xs.shape[xs.ndim - case.family.event_ndim :]))
        for e in elements:
            h = np.zeros(xs.shape)
            h[(..., *e)] = step(xs[(..., *e)])
            high, low = _log_density(case, xs + h, point), _log_density(case, xs - h, point)
            result[(..., *e)] = (high - low) / (2 * h[(..., *e)])
        return result
    i = list(case.family.params).index(name)
    p = [as_float64(q) for q in point]
    h = step(p[i])
    high = _log_density(case, xs, [*p[:i], p[i] + h, *p[i + 1 :]])
    low = _log_density(case, xs, [*p[:i], p[i] - h, *p[i + 1 :]])
    return (high - low) / (2 * h)


def _log_density(case: Case, xs: np.ndarray, params) -> np.ndarray:
    oracle = case.oracle(*(p if not isinstance(p, float | np.floating) else float(p) for p in params))
    log_density = oracle.logpmf if hasattr(oracle, "logpmf") else oracle.logpdf
    if is_scalar(case):
        return np.asarray(log_density(xs))
    return np.array([float(log_density(draw)) for draw in xs])


@each_point(lambda c: c.compared_gradients())
def test_gradients_agree_with_finite_differences_of_the_oracle(case, point):
    x = case.smooth_values(point, key_for(f"gradient {case.name}"))
    float64 = [p if isinstance(p, int) else as_float64(p) for p in point]
    names = case.compared_gradients()
    for name, found in gradients(case, x, point, names).items():
        expected = difference(case, x, float64, name)
        scale = 1.0 if is_scalar(case) else max(1.0, float(np.max(np.abs(expected))))
        assert_close(found, expected, rtol=case.gradient_rtol or GRADIENT_RTOL, atol=GRADIENT_ATOL * scale)


@each_point(lambda c: c.compared_gradients() and is_scalar(c))
def test_gradients_are_never_nan_where_the_density_is_finite_nor_outside_the_support(case, point):
    outside = case.values(case.outside, point)
    x = interesting(case, point)
    may_be_nan = np.isinf(np.asarray(case.family(*point).log_prob(x)))  # at an edge of the support, not outside
    may_be_nan[len(may_be_nan) - outside.size :] = False
    for name, found in gradients(case, x, point, case.compared_gradients()).items():
        wrong = np.isnan(found) & ~may_be_nan
        assert not wrong.any(), f"d/d{name} is NaN at x = {np.asarray(x)[wrong]}"


# ---- draws -----------------------------------------------------------------------------------------------------------


def draws_at(case: Case, point, n: int = DRAWS) -> mx.array:
    return case.family(*point).sample(key=key_for(f"{case.name} {point}"), shape=(n,))


@each_point(lambda c: samples(c) and c.gof and is_scalar(c), fast=2)
def test_draws_follow_the_law(case, point):
    # Where no moments are compared, the law must be met more closely.
    n = DRAWS if case.moments(*point) else 5 * DRAWS
    draws = np.asarray(draws_at(case, point, n), dtype=np.float64)
    oracle = case.at(point)
    p_value = chi_square(draws, oracle) if case.family.discrete else stats.kstest(draws, oracle.cdf).pvalue
    assert p_value > PLAUSIBLE, f"p-value {p_value:.1e}"


def chi_square(draws, oracle) -> float:
    """Counts in about CELLS groups of neighbouring integers (by the oracle's quantiles) against their probabilities."""
    low, high = np.full(CELLS - 1, draws.min() - 1.0), np.full(CELLS - 1, draws.max())
    levels = np.arange(1, CELLS) / CELLS
    while np.any(high - low > 1):  # the smallest integer with cdf >= level, by bisection
        middle = np.floor(0.5 * (low + high))
        enough = np.asarray(oracle.cdf(middle)) >= levels
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    edges = np.unique(high)  # a cell is (edge, next edge]
    probabilities = np.diff([0.0, *oracle.cdf(edges), 1.0])
    counts = np.bincount(np.searchsorted(edges, draws, side="left"), minlength=len(edges) + 1)
    rare = probabilities * len(draws) < 5
    if rare.any():  # together they are one cell, or part of the most probable one
        pooled = probabilities[rare].sum(), counts[rare].sum()
        probabilities, counts = probabilities[~rare], counts[~rare]
        if pooled[0] * len(draws) >= 5:
            probabilities, counts = np.append(probabilities, pooled[0]), np.append(counts, pooled[1])
        else:
            largest = probabilities.argmax()
            probabilities[largest] += pooled[0]
            counts[largest] += pooled[1]
    if len(counts) == 1:
        return 1.0 if oracle.logpmf(np.median(draws)) > -1e-3 else 0.0  # (nearly) all mass at one value
    return float(stats.chisquare(counts, probabilities * len(draws)).pvalue)


@each_point(lambda c: samples(c) and c.statistics, fast=2)
def test_statistics_of_draws_follow_their_laws(case, point):
    draws = np.asarray(draws_at(case, point), dtype=np.float64)
    for name, (statistic, law) in case.statistics.items():
        p_value = stats.kstest(statistic(draws), law(*(as_float64(p) for p in point)).cdf).pvalue
        assert p_value > PLAUSIBLE, f"{name}: p-value {p_value:.1e}"


@each_point(samples, lambda c, p: c.moments(*p) and c.family.name != "delta", fast=2)
def test_draws_have_the_moments(case, point):
    draws = np.asarray(draws_at(case, point), dtype=np.float64)
    oracle = case.at(point)
    mean, var = np.asarray(oracle.mean()), np.asarray(oracle.var())
    assert_within_mc(draws.mean(0), mean, np.sqrt(var / DRAWS))
    squares = (draws - mean) ** 2
    assert_within_mc(squares.mean(0), var, squares.std(0) / np.sqrt(DRAWS))


@each_point(samples, fast=2)
def test_draws_are_in_the_support(case, point):
    call = case.family(*point)
    draws = draws_at(case, point)
    assert draws.shape == (DRAWS, *case.family.value_shape(*call.args))
    assert mx.all(call.support.contains(draws)).item()
    log_prob = np.asarray(call.log_prob(draws))
    assert not np.isnan(log_prob).any() and (log_prob > -np.inf).all()
    if not case.family.discrete:
        assert draws.dtype == mx.float32


@each(samples)
def test_a_draw_belongs_to_its_key(case):
    call = case.family(*case.points[0])
    keys = split(key_for(case.name), 3)
    first = call.sample(key=keys[0], shape=(32,))
    assert_exact(call.sample(key=keys[0], shape=(32,)), first)
    if case.family.name != "delta":
        assert (np.asarray(call.sample(key=keys[1], shape=(32,))) != np.asarray(first)).any()
        assert len(np.unique(np.asarray(first), axis=0)) > 1, "the draws of one call are all the same"


@each(samples)
def test_draws_under_vmap_are_a_loop(case):
    points = case.stackable
    params, keys = case.stacked(points), split(key_for(case.name), len(points))
    mapped = mx.vmap(lambda k, *p: case.family.sample(k, *p, ()))(keys, *params)
    loop = mx.stack([case.family.sample(keys[i], *(p[i] for p in params), ()) for i in range(len(points))])
    assert_close(mapped, loop)


@each(samples)
def test_draws_have_the_shape_asked_for(case):
    points = case.stackable
    event = case.family.value_shape(*case.family(*points[0]).args)
    call = case.family(*case.stacked(points))
    assert call.sample(key=mx.random.key(0)).shape == (len(points), *event)
    assert call.sample(key=mx.random.key(0), shape=(3, 2)).shape == (3, 2, len(points), *event)


def path_derivatives(case: Case, point, names, n: int, key, weigh=lambda x: x):
    """Reparametrised draws, and d weigh(x)/d parameter of each, summed over its elements: one copy of a parameter a draw."""
    params = [mx.broadcast_to(as_array(p), (n, *np.shape(p))) for p in point]
    argnums = [list(case.family.params).index(name) for name in names]
    x = case.family.rsample(key, *params, (n,))
    found = mx.grad(lambda *p: mx.sum(weigh(case.family.rsample(key, *p, (n,)))), argnums=argnums)(*params)
    return x, [np.asarray(f, dtype=np.float64) for f in (found if isinstance(found, tuple | list) else [found])]


def slope_of_cdf(case: Case, point, name: str, x: np.ndarray) -> np.ndarray:
    i = list(case.family.params).index(name)
    p = [as_float64(q) for q in point]
    h = step(p[i])
    high, low = (case.oracle(*p[:i], p[i] + d, *p[i + 1 :]).cdf(x) for d in (h, -h))
    return (high - low) / (2 * h)


@each(samples)
@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_empty_batches(case, shape):
    call = case.family(*case.points[0])
    value = (*shape, *case.family.value_shape(*call.args))
    draws = call.sample(key=mx.random.key(0), shape=shape)
    assert draws.shape == value
    assert call.log_prob(draws).shape == shape
    if case.family.pathwise:
        assert call.rsample(key=mx.random.key(0), shape=shape).shape == value
    nothing = [mx.zeros((*shape, *np.shape(p)), as_array(p).dtype) for p in case.points[0]]
    trace = case.family(*nothing).simulate(key=mx.random.key(0))
    assert trace.retval.shape == value
    assert trace.score.item() == 0.0


@each_point(lambda c: samples(c) and c.pathwise)
def test_draws_by_the_quantile_function_have_its_gradient(case, point):
    x, found = path_derivatives(case, point, case.pathwise, 64, key_for(f"pathwise {case.name}"))
    x = np.asarray(x, dtype=np.float64)
    density = np.exp(case.at(point).logpdf(x))
    for name, gradient in zip(case.pathwise, found, strict=True):
        expected = -slope_of_cdf(case, point, name, x) / density
        assert_close(gradient, expected, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL)


CIRCULAR = {"von_mises", "wrapped_normal", "wrapped_cauchy"}  # the cdf depends on where the circle is cut


def only_in_expectation(case, point) -> list[str]:
    """The reparametrised parameters that the test above does not see, and in which differences can be taken."""
    values = dict(zip(case.family.params, point, strict=True))
    smooth = case.compared_gradients()
    return [
        n for n in case.family.pathwise if n not in case.pathwise and n in smooth and np.all(np.isfinite(values[n]))
    ]


@each_point(
    lambda c: samples(c) and c.gof and is_scalar(c) and c.family.name not in CIRCULAR,
    lambda c, p: only_in_expectation(c, p),
    fast=2,
)
def test_reparametrised_draws_carry_the_derivative_of_their_law(case, point):
    # E[dx/dθ | x] = -(∂F/∂θ) / p, so p dx/dθ + ∂F/∂θ has mean 0 beside any function of x.
    n = 2000
    names = only_in_expectation(case, point)
    x, found = path_derivatives(case, point, names, n, key_for(f"reparametrised {case.name}"))
    assert_close(x, case.family.sample(key_for(f"reparametrised {case.name}"), *point, (n,)))
    x = np.asarray(x, dtype=np.float64)
    density, level = np.exp(case.at(point).logpdf(x)), case.at(point).cdf(x)
    for name, gradient in zip(names, found, strict=True):
        slope = slope_of_cdf(case, point, name, x)
        residual = density * gradient + slope
        rounding = GRADIENT_RTOL * np.abs(slope).mean() + 1e-6  # float32 draws have errors that do not average out
        for weight in (np.ones(n), level, level > 0.9, level < 0.1):
            r = weight * residual
            assert_within_mc(r.mean(), 0.0, np.hypot(r.std() / np.sqrt(n), rounding))


@each_point(
    lambda c: samples(c) and c.family.pathwise and (not is_scalar(c) or has_vectors(c)) and defines("mean")(c),
    lambda c, p: c.moments(*p) or c.family.name == "lkj_cholesky",
    fast=2,
)
def test_reparametrised_vectors_carry_the_derivatives_of_their_moments(case, point):
    n = 4000
    key = key_for(f"moments {case.name}")
    weights = mx.random.normal(case.family.value_shape(*case.family(*point).args), key=mx.random.key(1))
    # A matrix is moved within its kind.
    directions = [direction(domain, p) for domain, p in zip(case.family.params.values(), point, strict=True)]

    def shifted(t, name):
        names = case.family.params
        return [as_array(p) + t * d * (name == n) for n, p, d in zip(names, point, directions, strict=True)]

    def first(t, name):
        return mx.sum(weights * case.family.mean(*shifted(t, name)))

    def second(t, name):
        params = shifted(t, name)
        return mx.sum(weights * (case.family.variance(*params) + mx.square(case.family.mean(*params))))

    moments = [(first, lambda x: weights * x), (second, lambda x: weights * mx.square(x))]
    for exact, weigh in moments if defines("variance")(case) else moments[:1]:
        _, found = path_derivatives(case, point, case.family.pathwise, n, key, weigh)
        for name, gradient in zip(case.family.pathwise, found, strict=True):
            d = np.asarray(directions[list(case.family.params).index(name)])
            each = (gradient * d).reshape(n, -1).sum(axis=-1)
            expected = mx.grad(lambda t, name=name, exact=exact: exact(t, name))(mx.array(0.0)).item()
            assert_within_mc(each.mean(), expected, each.std() / np.sqrt(n) + 1e-5 * (1 + abs(expected)))


def direction(domain, p) -> mx.array:
    d = np.random.default_rng(3).normal(size=np.shape(p))
    if domain.event_ndim == 2 and "definite" in domain.name:
        d = d + d.swapaxes(-1, -2)
    return as_array(np.tril(d) if "triangular" in domain.name else d)


@each(lambda c: samples(c) and not c.family.pathwise)
def test_a_family_without_reparametrised_draws_says_so(case):
    with pytest.raises(UsageError, match=f"{case.family.name} has no reparametrised draws"):
        case.family(*case.points[0]).rsample(key=mx.random.key(0))


# ---- the generative function interface -------------------------------------------------------------------------------


@each(samples)
def test_simulate_assess_and_generate_agree_to_the_bit(case):
    for params in (case.points[0], case.stacked(case.stackable)):
        call = case.family(*params)
        trace = call.simulate(key=key_for(case.name))
        assert_exact(trace.score, mx.sum(case.family.log_prob(trace.retval, *call.args)))
        assert trace.retval.shape == case.family.value_shape(*call.args)
        assert_exact(call.assess(trace.choices).weight, trace.score)
        again, weight = call.generate(trace.choices, key=mx.random.key(1))
        assert_exact(weight, trace.score)
        assert_exact(again.retval, trace.retval)
        free, weight = call.generate(key=key_for(case.name))
        assert_exact(free.retval, trace.retval)
        assert weight.item() == 0.0


@each()
def test_the_score_is_the_sum_of_the_oracles_log_densities(case):
    points = case.stackable
    x = mx.stack([case.smooth_values(p, key_for(f"score {i}"))[0] for i, p in enumerate(points)])
    expected = sum(float(case.expected(x[i], p)) for i, p in enumerate(points))
    score = case.family(*case.stacked(points)).assess(x).weight
    assert score.shape == ()
    close(case, score, expected)


@each(samples)
def test_many_executions_have_one_score_each(case):
    trace = case.family(*case.points[0]).simulate(n=5, key=key_for(case.name))
    assert trace.score.shape == (5,)
    close(case, trace.score, case.expected(trace.retval, case.points[0]))


@each(lambda c: is_scalar(c) and not c.family.discrete)
def test_integers_are_values_of_continuous_families(case):
    call = case.family(*case.points[0])
    trace, weight = call.generate(1, key=mx.random.key(0))
    assert trace.retval.dtype == mx.float32
    assert_exact(weight, call.assess(1.0).weight)
    assert_exact(call.log_prob(1), call.log_prob(1.0))


# ---- moments, entropy, distribution function -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "what", "name"),
    [
        pytest.param(c, what, name, id=f"{c.name}-{what}")
        for what, name in (("mean", "mean"), ("variance", "var"), ("entropy", "entropy"))
        for c in ALL
        if defines(what)(c)
    ],
)
def test_closed_forms_agree_with_the_oracle(case, what, name):
    for point in case.points:
        expected = np.asarray(getattr(case.at(point), name)())
        close(case, getattr(case.family(*point), what)(), expected)
        close(case, getattr(case.family(*map(as_array, point)), what)(), expected)
    stacked = getattr(case.family(*case.stacked(case.stackable)), what)()
    close(case, stacked, np.stack([np.asarray(getattr(case.at(p), name)()) for p in case.stackable]))


@each(lambda c: c.undefined)
def test_moments_that_do_not_exist_are_errors(case):
    for what in case.undefined:
        with pytest.raises(UsageError, match=f"no {what}"):
            getattr(case.family(*case.points[0]), what)()


@each_point(lambda c: is_scalar(c) and defines("cdf")(c))
def test_the_distribution_function_agrees_with_the_oracle(case, point):
    x = mx.concatenate([interesting(case, point).astype(mx.float32), mx.array([-np.inf, np.inf])])
    for params in (point, tuple(map(as_array, point))):
        close(case, case.family(*params).cdf(x), case.at(point).cdf(np.asarray(x, dtype=np.float64)))


@each_point(lambda c: is_scalar(c) and c.family.defines("cdf"))
def test_the_logarithms_of_the_tails_agree_with_the_oracle(case, point):
    x = mx.concatenate([interesting(case, point).astype(mx.float32), mx.array([-np.inf, np.inf])])
    xs, oracle = np.asarray(x, dtype=np.float64), case.at(point)
    with np.errstate(all="ignore"):
        below = np.asarray(oracle.cdf(xs))
        tails = {"log_cdf": np.log(below), "log_survival": np.log1p(-below)}
        law = {"log_cdf": getattr(oracle, "logcdf", None), "log_survival": getattr(oracle, "logsf", None)}
        for what, expected in tails.items():
            known = expected > np.log(0.1)
            if case.family.defines(what) and law[what] is not None:  # in the tail too, while scipy's has digits
                truth = law[what](xs)
                known = truth > -80.0
            else:
                truth = expected
            for params in (point, tuple(map(as_array, point))):
                found = np.asarray(getattr(case.family(*params), what)(x))
                assert not np.isnan(found).any()
                # Of a probability above 1/10 that is right to VALUE_ATOL, the logarithm is to ten times that.
                atol = np.where(expected > np.log(0.1), 10.0, 1.0) * (case.atol or VALUE_ATOL)
                error = np.abs(found - truth)[known]
                assert (error <= atol[known] + (case.rtol or VALUE_RTOL) * np.abs(truth)[known]).all()


@each_point(lambda c: is_scalar(c) and defines("quantile")(c))
def test_the_quantile_function_agrees_with_the_oracle(case, point):
    q = mx.array([0.0, 1e-6, 0.01, 0.2, 0.5, 0.7, 0.99, 0.9999, 1.0])
    level, oracle = np.asarray(q, dtype=np.float64), case.at(point)
    expected = oracle.ppf(level)
    if case.family.discrete:
        expected[0] += 1.0  # scipy puts the 0-quantile of integers one below the lowest
    for params in (point, tuple(map(as_array, point))):
        found = np.asarray(case.family(*params).quantile(q), dtype=np.float64)
        assert_exact(found[[0, -1]], expected[[0, -1]].astype(np.float32).astype(np.float64))
        # Where the distribution is narrow beside its location, x is right if its probability is.
        right = np.isclose(found, expected, rtol=case.rtol or VALUE_RTOL, atol=VALUE_ATOL)
        right |= np.abs(oracle.cdf(found) - level) <= VALUE_RTOL * level + case.quantile_atol
        assert right.all(), f"found {found[~right]}, expected {expected[~right]} at {level[~right]}"


# ---- parameters outside their domains --------------------------------------------------------------------------------


def invalid_points():
    return [
        pytest.param(c, name, p, id=f"{c.name}-{name}-{i}")
        for c in ALL
        for name, points in c.invalid.items()
        for i, p in enumerate(points)
    ]


@pytest.mark.parametrize(("case", "name", "point"), invalid_points())
def test_a_parameter_outside_its_domain_is_an_error_that_names_it(case, name, point):
    i = list(case.family.params).index(name)
    x = case.values(case.grid, case.points[0])[:1]
    number = isinstance(point[i], int | float)
    with pytest.raises(DomainError, match=f"parameter '{name}' of {case.family.name} must be") as error:
        case.family(*point).log_prob(x)
    if number:
        assert f"found {point[i]}" in str(error.value)
    with pytest.raises(DomainError, match=f"parameter '{name}'"):
        case.family(*map(as_array, point)).sample(key=mx.random.key(0))
    with pytest.raises(DomainError, match=f"parameter '{name}'"):
        case.family(*point).simulate(key=mx.random.key(0)) if number else case.family(*point).mean()
    good = case.points[0]
    if [np.shape(p) for p in good] == [np.shape(p) for p in point]:
        with pytest.raises(DomainError, match=rf"parameter '{name}'.* at index \(1,\)"):
            case.family(*case.stacked([good, point])).sample(key=mx.random.key(0))


@pytest.mark.parametrize(("case", "name", "point"), invalid_points())
def test_a_parameter_outside_its_domain_gives_nan_or_minus_infinity(case, name, point):
    x = case.values(case.grid, case.points[0])
    log_prob = np.asarray(case.family.log_prob(x, *map(as_array, point)))
    assert not (log_prob > -np.inf).any(), f"{log_prob} at {np.asarray(x)}"  # NaN or -inf


# ---- completeness ----------------------------------------------------------------------------------------------------


BY_HAND = {"flat", "positive_flat", "delta"}  # no draws, or no batch of them: test_continuous.py, test_discrete.py


def test_every_family_is_in_the_battery():
    import genmlx.distributions as package

    public = {id(d): name for name in package.__all__ if isinstance(d := getattr(package, name), Distribution)}
    missing = set(public.values()) - {public[id(c.family)] for c in ALL if id(c.family) in public}
    assert missing == BY_HAND, f"without a case: {sorted(missing - BY_HAND)}"
