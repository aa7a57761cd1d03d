"""Every bijector through the same questions: round trips, Jacobians, extremes, batches, gradients, measure."""

import math

import mlx.core as mx
import numpy as np
import pytest
from scipy import stats

from distributions.bijectors.cases import ALL, COORDINATES, Case
from genmlx.numerics import domains
from genmlx.numerics.domains import Interval
from genmlx.numerics.transforms import one_by_one
from helpers.keys import key_for
from helpers.tolerances import VALUE_ATOL, VALUE_RTOL, assert_close, assert_exact, assert_gradient_close

EXACT = {"rtol": 1e-11, "atol": 1e-11}  # float64 against float64
DIFFERENCE = {"rtol": 1e-6, "atol": 1e-6}  # float64 against a central difference
EPS = {mx.float32: 2.0**-23, mx.float64: 2.0**-52}


def each(keep=lambda case: True):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in ALL if keep(c)])


def one_to_one(case):
    return case.bijector.one_to_one


def points(case: Case, n: int = 40, dtype: mx.Dtype = mx.float32, scale: float = 1.5) -> mx.array:
    """Moderate unconstrained values, a batch of n."""
    return (scale * mx.random.normal((n, *case.unconstrained), key=key_for(case.name))).astype(dtype)


def extremes(case: Case, dtype: mx.Dtype) -> mx.array:
    """Unconstrained values far out: all coordinates alike, and of all sizes and signs."""
    sizes = [0.0, 1e-30, 1.0, 15.0, 20.0, 43.0, 44.0, 86.9, 87.5, 89.0, 104.0, 710.0, 1e4]
    alike = [np.full(case.unconstrained, s * sign) for s in sizes for sign in (1.0, -1.0)]
    rng = np.random.default_rng(0)
    mixed = [rng.choice(sizes, case.unconstrained) * rng.choice([-1.0, 1.0], case.unconstrained) for _ in range(200)]
    return mx.array(np.stack(alike + mixed), dtype=dtype)


def in_closure(case: Case, x: mx.array) -> np.ndarray:
    """Whether each x is in the domain, or at its border where a float cannot tell."""
    values = np.array(x, dtype=np.float64)
    if case.domain in (domains.ordered, domains.increasing_bounds, domains.positive_ordered):
        rising = np.all(np.diff(values, axis=-1) >= 0, axis=-1) & np.all(np.isfinite(values), axis=-1)
        return rising & (np.all(values > 0, axis=-1) | (case.domain is not domains.positive_ordered))
    if case.domain in MATRICES:  # semidefinite, up to rounding
        scale = np.sqrt(np.einsum("...ii->...i", values))
        correlations = values / scale[..., :, None] / scale[..., None, :]
        eigenvalues = np.linalg.eigvalsh(correlations)
        return np.all(scale > 0, axis=-1) & np.all(eigenvalues > -1e-5, axis=-1)
    if case.domain is domains.real_vector or case.domain is domains.real_matrix:
        return np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return np.array(case.domain.contains(x))


# ---- shapes ---------------------------------------------------------------------------------------------------------


@each()
@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_batch_axes_stay_and_event_axes_are_summed(case, batch):
    b = case.bijector
    y = mx.random.normal((*batch, *case.unconstrained), key=key_for(case.name))
    x, log_det = b.forward_and_log_det(y)
    assert x.shape == b.constrained_shape(y.shape) == batch + case.event
    assert log_det.shape == y.shape[: y.ndim - b.event_ndim_in] == batch
    assert b.inverse(x).shape == b.unconstrained_shape(x.shape) == y.shape
    assert_exact(b.forward(y), x)
    assert_exact(b.log_det_jacobian(y), log_det)


@each()
def test_vmap_is_a_loop_and_a_batch(case):
    y = points(case, 6)
    x, log_det = one_by_one(case.bijector.forward_and_log_det)(y)
    for found in (mx.vmap(case.bijector.forward_and_log_det)(y), case.bijector.forward_and_log_det(y)):
        assert_close(found[0], x)
        assert_close(found[1], log_det, atol=1e-5)
    back = one_by_one(case.bijector.inverse)(x)
    assert_close(mx.vmap(case.bijector.inverse)(x), back)
    assert_close(case.bijector.inverse(x), back)


@each()
def test_exports_with_its_gradient(case, tmp_path):
    y = points(case, 3)

    def with_gradient(y):
        x, log_det = case.bijector.forward_and_log_det(y)
        return x, log_det, mx.grad(lambda y: mx.sum(case.bijector.log_det_jacobian(y)))(y)

    path = str(tmp_path / "bijector.mlxfn")
    mx.export_function(path, with_gradient, y)
    for actual, expected in zip(mx.import_function(path)(y), with_gradient(y), strict=True):
        assert_exact(actual, expected)


# ---- round trips ----------------------------------------------------------------------------------------------------


MATRICES = (domains.positive_definite, domains.correlation)  # singular in float32 rather soon


@each()
def test_forward_lands_in_the_domain_and_comes_back(case):
    for scale in (0.1, 1.5, *([] if case.domain in MATRICES else [4.0])):
        x = case.bijector.forward(points(case, scale=scale))
        assert np.all(np.array(case.domain.contains(x)) if scale < 2.0 else in_closure(case, x))
        again = case.bijector.forward(case.bijector.inverse(x))
        assert_close(again, x, atol=VALUE_ATOL * max(1.0, float(mx.max(mx.abs(x)))))


@each(one_to_one)
def test_inverse_undoes_forward(case):
    y = points(case, dtype=mx.float64)
    assert_close(case.bijector.inverse(case.bijector.forward(y)), y, rtol=1e-9, atol=1e-9)
    y = points(case, scale=0.5)
    x = case.bijector.forward(y)
    # What x can say about y: one unit in its last place, over the slope.
    widest = float(mx.max(mx.abs(x)))
    assert_close(case.bijector.inverse(x), y, atol=VALUE_ATOL * max(10.0, widest))


@each()
def test_float64_in_float64_out(case):
    y = points(case, dtype=mx.float64)
    x, log_det = case.bijector.forward_and_log_det(y)
    assert x.dtype == log_det.dtype == case.bijector.inverse(x).dtype == mx.float64
    assert_close(case.bijector.forward(case.bijector.inverse(x)), x, rtol=1e-12, atol=1e-12)
    x32, log_det32 = case.bijector.forward_and_log_det(y.astype(mx.float32))
    assert x32.dtype == log_det32.dtype == case.bijector.inverse(x32).dtype == mx.float32
    assert_close(x32, x, atol=VALUE_ATOL * max(1.0, float(mx.max(mx.abs(x.astype(mx.float32))))))
    assert_close(log_det32, log_det, atol=1e-5)


# ---- Jacobians ------------------------------------------------------------------------------------------------------


def automatic_jacobian(case: Case, y: mx.array) -> np.ndarray:
    """Of the free entries of x with respect to y, one reverse pass a row."""
    entries = case.free(np.arange(math.prod(case.event)).reshape(case.event)).reshape(-1)
    flat = lambda v: case.bijector.forward(v).reshape(-1)  # noqa: E731
    rows = [mx.vjp(flat, [y], [mx.array(np.eye(math.prod(case.event))[e], dtype=y.dtype)])[1][0] for e in entries]
    return np.array([np.array(row).reshape(-1) for row in rows])


def difference_jacobian(case: Case, y: mx.array, h: float = 1e-5) -> np.ndarray:
    flat = np.array(y).reshape(-1)
    steps = np.eye(flat.size) * h
    at = lambda v: case.free(np.array(case.bijector.forward(mx.array(v.reshape(-1, *y.shape), dtype=mx.float64))))  # noqa: E731
    return ((at(flat + steps) - at(flat - steps)) / (2 * h)).T


@each(one_to_one)
def test_log_det_is_that_of_the_jacobian(case):
    y = points(case, 6, mx.float64)
    for each_y in y:
        automatic, difference = automatic_jacobian(case, each_y), difference_jacobian(case, each_y)
        size = math.prod(case.unconstrained)
        assert automatic.shape == (size, size), f"give {case.domain!r} a row in COORDINATES"
        assert_close(automatic, difference, **DIFFERENCE)
        log_det = case.bijector.log_det_jacobian(each_y)
        assert_close(log_det, np.linalg.slogdet(automatic)[1], rtol=1e-9, atol=1e-9)
        assert_close(log_det, np.linalg.slogdet(difference)[1], rtol=1e-5, atol=1e-5)


def both(case: Case, y: mx.array) -> mx.array:
    """What a target differentiates: a function of x, and the log determinant."""
    x, log_det = case.bijector.forward_and_log_det(y)
    return mx.sum(log_det) + mx.sum(mx.arctan(x))


@each()
def test_gradients_to_third_order_agree_with_differences(case):
    y = points(case, 1, mx.float64, scale=0.5)[0]
    v = mx.random.normal(y.shape, key=key_for("direction")).astype(mx.float64)
    f = lambda y: both(case, y)  # noqa: E731
    for _ in range(3):
        h = 1e-5
        along = lambda y, f=f: mx.sum(mx.grad(f)(y) * v)  # noqa: E731
        expected = ((f(y + h * v) - f(y - h * v)) / (2 * h)).item()
        assert_close(along(y), expected, rtol=1e-5, atol=1e-5)
        f = along
    zero = mx.zeros_like(y)
    if one_to_one(case):
        assert_gradient_close(
            mx.sum(mx.grad(lambda y: both(case, y))(zero) * v),
            (both(case, 1e-5 * v) - both(case, -1e-5 * v)).item() / 2e-5,
        )


@each(one_to_one)
def test_inverse_has_the_inverse_derivative(case):
    y = points(case, 5, mx.float64, scale=0.7)
    v = mx.random.normal(y.shape, key=key_for("direction")).astype(mx.float64)
    there_and_back = lambda y: mx.sum(case.bijector.inverse(case.bijector.forward(y)) * v)  # noqa: E731
    assert_close(mx.grad(there_and_back)(y), v, rtol=1e-7, atol=1e-7)


# ---- extremes -------------------------------------------------------------------------------------------------------


@each()
@pytest.mark.parametrize("dtype", [mx.float32, mx.float64], ids=["float32", "float64"])
def test_far_out_it_saturates_without_nan(case, dtype):
    y = extremes(case, dtype)
    x, log_det = case.bijector.forward_and_log_det(y)
    wrong = ~in_closure(case, x)
    assert not wrong.any(), f"outside the support at y = {np.array(y)[wrong][0]}: {np.array(x)[wrong][0]}"
    log_det = np.array(log_det)
    assert np.all(log_det < np.inf)  # -inf is allowed, NaN is not
    gradient = np.array(mx.grad(lambda y: both(case, y))(y))
    assert np.all(np.isfinite(gradient)), f"gradient at y = {np.array(y)[~np.isfinite(gradient)][:5]}"
    back = np.array(case.bijector.inverse(x))
    if case.domain not in MATRICES:
        assert np.all(np.isfinite(back))


@each()
def test_in_float32_log_dets_have_float32_accuracy(case):
    y = mx.concatenate([points(case, 40, scale=s) for s in (0.01, 1.0, 5.0, 15.0)])
    low, high = case.bijector.log_det_jacobian(y), case.bijector.log_det_jacobian(y.astype(mx.float64))
    size = max(1, math.prod(case.unconstrained)) * (1.0 + float(mx.max(mx.abs(y))))
    assert_close(low, high, rtol=4 * EPS[mx.float32], atol=4 * EPS[mx.float32] * size)


def bounds(case: Case) -> list[float]:
    """The finite bounds of an interval: lower, upper."""
    return [float(np.array(b)) for b in (case.domain.lower, case.domain.upper)]


def is_bounded(case: Case) -> bool:
    return isinstance(case.domain, Interval) and one_to_one(case) and bool(np.isfinite(bounds(case)).any())


@each(lambda c: is_bounded(c) and any(np.isfinite(b) and b for b in bounds(c)))
@pytest.mark.parametrize("dtype", [mx.float32, mx.float64], ids=["float32", "float64"])
def test_one_ulp_from_a_bound_there_and_back(case, dtype):
    as_number = np.float32 if dtype == mx.float32 else np.float64
    inside = []
    for bound, inward in zip(bounds(case), (np.inf, -np.inf), strict=True):
        if np.isfinite(bound) and bound:
            b = as_number(bound)
            inside += [b + k * (np.nextafter(b, as_number(inward)) - b) for k in (1, 2, 3, 10)]
    x = mx.array(np.array(inside), dtype=dtype)
    y = case.bijector.inverse(x)
    assert np.all(np.isfinite(np.array(y)))
    assert_exact(case.bijector.forward(y), x)


POSITIVE = [1e-30, 3e-20, 1e-10, 1e-3, 1.0, 1e3, 1e10, 1e30]


@each(lambda c: isinstance(c.domain, Interval) and isinstance(c.domain.lower, float) and c.domain.lower == 0.0)
@pytest.mark.parametrize("dtype", [mx.float32, mx.float64], ids=["float32", "float64"])
def test_tiny_and_huge_positive_values(case, dtype):
    x = mx.array([v for v in POSITIVE if v < case.domain.upper], dtype=dtype)
    y = case.bijector.inverse(x)
    again = np.array(case.bijector.forward(y), dtype=np.float64)
    # x knows as much as y says: an error of one unit in the last place of y, and three in that of x.
    allowed = (np.abs(np.array(y, dtype=np.float64)) + 3.0) * EPS[dtype]
    error = np.abs(again / np.array(x, dtype=np.float64) - 1.0)
    assert np.all(error <= allowed), f"{error / EPS[dtype]} units"
    assert np.all(error <= VALUE_RTOL)


@each(is_bounded)
def test_the_ends_of_a_support_have_finite_coordinates_and_beyond_is_nan(case):
    for end, outward in zip(bounds(case), (-1.0, 1.0), strict=True):
        if np.isfinite(end):
            y = case.bijector.inverse(end)
            assert np.isfinite(y.item())
            assert abs(case.bijector.forward(y).item() - end) <= 2 * EPS[mx.float32] * max(abs(end), 1e-30)
            assert math.isnan(case.bijector.inverse(end + outward).item())


@each()
def test_nan_stays_nan(case):
    if not math.prod(case.unconstrained):
        return
    y = mx.full(case.unconstrained, math.nan)
    x = np.array(case.bijector.forward(y))
    assert np.isnan(x).any()


# ---- measure --------------------------------------------------------------------------------------------------------


@each(one_to_one)
def test_a_density_pushed_through_integrates_to_one(case):
    shape, (lower, upper) = case.one_coordinate()
    if np.isfinite(lower) and np.isfinite(upper):
        density = stats.beta(2.0, 3.0, loc=lower, scale=upper - lower)
    elif np.isfinite(lower):
        density = stats.gamma(2.5, loc=lower)
    elif np.isfinite(upper):
        density = stats.gamma(2.5, loc=-upper)
    else:
        density = stats.norm(0.7, 1.3)
    y = np.linspace(-60.0, 60.0, 12_001)
    x, log_det = case.bijector.forward_and_log_det(
        mx.array(y.reshape(-1, *case.bijector.unconstrained_shape(shape)), dtype=mx.float64)
    )
    x = np.array(x)
    free = (COORDINATES[case.domain](x) if case.domain in COORDINATES else x).reshape(-1)
    sign = -1.0 if not np.isfinite(lower) and np.isfinite(upper) else 1.0
    pushed = density.pdf(sign * free) * np.exp(np.array(log_det))
    assert_close(np.trapezoid(pushed, y), 1.0, rtol=1e-6)


def test_a_density_of_directions_pushed_through_integrates_to_one():
    law = stats.vonmises(1.7, loc=0.9)
    grid = np.linspace(-9.0, 9.0, 1001) + 1e-3
    y = mx.array(np.stack(np.meshgrid(grid, grid), axis=-1), dtype=mx.float64)
    for case in ALL:
        if case.domain is domains.circular:
            x, log_det = case.bijector.forward_and_log_det(y)
            angle = np.array(x)
        elif case.domain is domains.unit_vector:
            x, log_det = case.bijector.forward_and_log_det(y)
            angle = np.arctan2(np.array(x)[..., 1], np.array(x)[..., 0])
        else:
            continue
        pushed = law.pdf(angle) * np.exp(np.array(log_det))
        assert_close(np.trapezoid(np.trapezoid(pushed, grid), grid), 1.0, rtol=1e-4)
