"""Accuracy against mpmath in both precisions, derivatives, edges, and MLX's transformations."""

import math
from collections.abc import Callable
from typing import NamedTuple

import mlx.core as mx
import mpmath as mp
import numpy as np
import pytest

from genmlx.numerics import special
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close

mp.mp.dps = 40
INF, NAN = math.inf, math.nan
DTYPES = {"float32": (mx.float32, np.float32), "float64": (mx.float64, np.float64)}


def derivative(f: Callable[..., mx.array], order: int = 1) -> Callable[..., mx.array]:
    for _ in range(order):
        f = mx.grad(lambda x, *rest, f=f: f(x, *rest).sum())
    return f


def spread(low: float, high: float, n: int = 60) -> np.ndarray:
    """Points between two powers of ten."""
    return 10 ** np.random.default_rng(0).uniform(low, high, n)


def between(low: float, high: float, n: int = 100) -> np.ndarray:
    return np.random.default_rng(1).uniform(low, high, n)


# ---- references ----------------------------------------------------------------------------------------------------


def log_cdf(x: mp.mpf) -> mp.mpf:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2) if x < 0 else mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2)


def hazard(x: mp.mpf) -> mp.mpf:
    """phi(x) / Phi(x)."""
    return mp.exp(-x * x / 2 - log_cdf(x)) / mp.sqrt(2 * mp.pi)


def quantile(log_p: mp.mpf) -> mp.mpf:
    """Newton on the logarithm of the lower or upper tail, to 30 digits."""
    upper = log_p > -mp.log(2)
    target = mp.log(-mp.expm1(log_p)) if upper else log_p
    z = mp.sqrt(max(-2 * target - mp.mpf("1.38"), 0))
    for _ in range(200):
        step = (log_cdf(-z) - target) / hazard(-z)
        z += step
        if abs(step) < mp.mpf(10) ** -30:
            break
    return z if upper else -z


POSITIVE = np.concatenate([spread(-30, 30), between(0.001, 5), between(5, 1000)])
POSITIVE_MILD = np.concatenate([spread(-15, 15), between(0.001, 5), between(5, 1000)])
REAL = np.concatenate([between(-10, 12), -spread(-20, 4), spread(-20, 1)])
LOG_P = -np.concatenate([spread(-6, 4.5), between(0.01, 3), math.log(2) + spread(-7, -2, 20)])
PAIRS = (
    np.concatenate([spread(-8, 8, 150), between(0.01, 5)]),
    np.concatenate([spread(-8, 8, 150)[::-1], between(0.01, 5)[::-1]]),
)
COUNTS = (np.floor(spread(0, 6.5, 150)), np.floor(spread(0, 6.5, 150) * between(0, 1, 150) ** 4))


class Case(NamedTuple):
    """A function, its reference, points, and the largest error in eps * max(|f|, 1) (or eps * |f|) per precision."""

    f: Callable[..., mx.array]
    reference: Callable[..., mp.mpf]
    points: tuple[np.ndarray, ...]
    bounds: tuple[float, float]
    relative: bool = False


def psi(order: int) -> Callable[[mp.mpf], mp.mpf]:
    return lambda x: mp.psi(order, x)


# The bounds are those of the table in the module's docstring, with a little room.
CASES = {
    "lgamma": Case(special.lgamma, mp.loggamma, (POSITIVE,), (2.0, 2.0)),
    "lgamma, beside its zeros": Case(
        special.lgamma, mp.loggamma, (np.concatenate([c + s * spread(-6, -1) for c in (1, 2) for s in (-1, 1)]),),
        (3.0, 3.0), relative=True,
    ),
    "lgamma, small": Case(special.lgamma, mp.loggamma, (between(0.001, 5),), (2.6, 3.2), relative=True),
    "lgamma'": Case(derivative(special.lgamma), mp.digamma, (POSITIVE,), (2.0, 2.0)),
    "lgamma''": Case(derivative(special.lgamma, 2), psi(1), (POSITIVE_MILD,), (6.0, 200.0), relative=True),
    "digamma": Case(special.digamma, mp.digamma, (POSITIVE,), (2.5, 2.5)),
    "digamma'": Case(derivative(special.digamma), psi(1), (POSITIVE_MILD,), (2.0, 8.0), relative=True),
    "trigamma": Case(special.trigamma, psi(1), (POSITIVE_MILD,), (2.5, 2.5), relative=True),
    "trigamma'": Case(derivative(special.trigamma), psi(2), (between(0.01, 50),), (4.0, 30.0), relative=True),
    "betaln": Case(special.betaln, lambda a, b: mp.log(mp.beta(a, b)), PAIRS, (7.0, 7.0)),
    "betaln, d/da": Case(
        derivative(special.betaln), lambda a, b: mp.digamma(a) - mp.digamma(a + b),
        (between(0.1, 100), between(0.1, 100)[::-1]), (12.0, 40.0),
    ),
    "log_binomial": Case(special.log_binomial, lambda n, k: mp.log(mp.binomial(n, k)), COUNTS, (16.0, 16.0)),
    "log_ndtr": Case(special.log_ndtr, log_cdf, (REAL,), (3.0, 3.0)),
    "log_ndtr, relative": Case(special.log_ndtr, log_cdf, (between(-10, 9),), (50.0, 50.0), relative=True),
    "log_ndtr'": Case(derivative(special.log_ndtr), hazard, (REAL[REAL < 12.5],), (50.0, 50.0), relative=True),
    "ndtr": Case(special.ndtr, mp.ncdf, (between(-12, 12),), (70.0, 70.0), relative=True),
    "ndtri": Case(
        special.ndtri, lambda p: quantile(mp.log(p)), (np.concatenate([between(1e-5, 1 - 1e-5), spread(-37, -1)]),),
        (3.0, 3.0),
    ),
    "ndtri_exp": Case(special.ndtri_exp, quantile, (LOG_P,), (3.5, 3.5)),
    "ndtri_exp'": Case(
        derivative(special.ndtri_exp), lambda v: 1 / hazard(quantile(v)), (LOG_P,), (60.0, 60.0), relative=True
    ),
    "log1mexp": Case(special.log1mexp, lambda x: mp.log(-mp.expm1(-x)), (spread(-20, 1.9, 150),), (1.0, 1.0)),
    "log1mexp, relative": Case(
        special.log1mexp, lambda x: mp.log(-mp.expm1(-x)), (between(1, 12),), (12.0, 12.0), relative=True
    ),
    "softplus": Case(special.softplus, lambda x: mp.log1p(mp.exp(x)), (between(-80, 80),), (1.0, 1.0)),
    "softplus, relative": Case(
        special.softplus, lambda x: mp.log1p(mp.exp(x)), (between(-80, 80),), (40.0, 40.0), relative=True
    ),
    "log_sigmoid": Case(special.log_sigmoid, lambda x: -mp.log1p(mp.exp(-x)), (between(-80, 80),), (1.0, 1.0)),
    "logit": Case(
        special.logit, lambda p: mp.log(p) - mp.log1p(-p), (np.concatenate([between(0, 0.999), spread(-30, -1)]),),
        (1.0, 1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_errors_stay_within_the_documented_table(name: str, precision: str) -> None:
    case = CASES[name]
    dtype, np_dtype = DTYPES[precision]
    points = [p.astype(np_dtype) for p in case.points]
    values = np.array(case.f(*(mx.array(p, dtype=dtype) for p in points)))
    assert values.dtype == np_dtype
    eps, worst = np.finfo(np_dtype).eps, 0.0
    for value, *x in zip(values, *points, strict=True):
        truth = case.reference(*(mp.mpf(float(v)) for v in x))
        size = abs(truth) if case.relative else max(abs(truth), 1)
        worst = max(worst, float(abs(mp.mpf(float(value)) - truth) / size / eps))
    assert worst <= case.bounds[precision == "float64"]


# ---- edges and seams -------------------------------------------------------------------------------------------------


EDGES = [
    ("lgamma", (0.0, 1.0, 2.0, INF, -1.0, -0.5, NAN, 1e38), (INF, 0.0, 0.0, INF, NAN, NAN, NAN, INF)),
    ("digamma", (0.0, INF, -0.5, -1.0, -3.5, NAN), (-INF, INF, NAN, NAN, NAN, NAN)),
    ("trigamma", (0.0, 1e-30, INF, -0.5, -2.5, NAN), (INF, INF, 0.0, NAN, NAN, NAN)),
    ("log_ndtr", (-INF, -3e19, INF, 50.0, NAN), (-INF, -INF, 0.0, 0.0, NAN)),
    ("ndtr", (-INF, -50.0, 50.0, INF, NAN), (0.0, 0.0, 1.0, 1.0, NAN)),
    ("ndtri", (0.0, 1.0, -0.1, 1.1, NAN), (-INF, INF, NAN, NAN, NAN)),
    ("ndtri_exp", (-INF, 0.0, 0.1, NAN), (-INF, INF, NAN, NAN)),
    ("log1mexp", (0.0, INF, -1.0, NAN), (-INF, 0.0, NAN, NAN)),
    ("softplus", (-INF, INF, NAN), (0.0, INF, NAN)),
    ("log_sigmoid", (-INF, INF, NAN), (-INF, 0.0, NAN)),
    ("logit", (0.0, 0.5, 1.0, -0.1, 1.1), (-INF, 0.0, INF, NAN, NAN)),
]


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize(("name", "points", "expected"), EDGES, ids=[e[0] for e in EDGES])
def test_values_at_the_edges(name: str, points: tuple[float, ...], expected: tuple[float, ...], precision: str) -> None:
    dtype, _ = DTYPES[precision]
    if precision == "float64":  # these two overflow or underflow in float32 only
        points = tuple({1e38: INF, 1e-30: 0.0, -3e19: -INF}.get(p, p) for p in points)
    values = np.array(getattr(special, name)(mx.array(points, dtype=dtype)))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-50)


def test_two_argument_functions_at_their_edges() -> None:
    def table(f: Callable[..., mx.array], *rows: tuple[float, float, float]) -> None:
        a, b, expected = (mx.array(v) for v in zip(*rows, strict=True))
        assert_close(f(a, b), expected, rtol=1e-6)

    table(special.xlogy, (0, 0, 0), (0, 2, 0), (2, 0, -INF), (1, 1, 0), (2, -1, NAN))
    table(special.xlog1py, (0, -1, 0), (0, 2, 0), (2, -1, -INF), (1, 0, 0), (2, -2, NAN))
    table(
        special.logdiffexp, (1, 1, -INF), (-INF, -INF, -INF), (1, -INF, 1), (1, 2, NAN), (INF, 1, INF),
        (1000, 999, 999.5413),
    )  # fmt: skip
    table(special.betaln, (0, 1, INF), (3, 0, INF), (1, 1, 0), (-1, 1, NAN), (1e30, 1e-30, 69.07755))
    table(special.log_binomial, (0, 0, 0), (5, 0, 0), (5, 5, 0), (5, 6, -INF), (5, -1, -INF), (52, 5, 14.770622))


SEAMS = [
    (special.lgamma, mp.loggamma, (1.0, 1.5, 2.0, 2.5, 3.0)),
    (special.digamma, mp.digamma, (1.0, 2.0)),
    (special.trigamma, psi(1), (1.0, 2.0)),
    (special.log_ndtr, log_cdf, (0.0, -0.0, 1e-30, -1e-30)),
    (special.ndtr, mp.ncdf, (0.0,)),
    (special.ndtri_exp, quantile, (-0.6931471, -0.6931472)),
    (special.log1mexp, lambda x: mp.log(-mp.expm1(-x)), (0.6931471, 0.6931472)),
    (special.softplus, lambda x: mp.log1p(mp.exp(x)), (0.0,)),
    (lambda a: special.betaln(a, 2.0), lambda a: mp.log(mp.beta(a, 2)), (2.0, 1.0)),
    (lambda a: special.betaln(3.0, a), lambda a: mp.log(mp.beta(3, a)), (3.0, 2.0)),
]


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize(("f", "reference", "points"), SEAMS)
def test_derivatives_where_the_branches_meet(
    f: Callable[..., mx.array], reference: Callable[..., mp.mpf], points: tuple[float, ...], precision: str
) -> None:
    for x in points:
        at = mx.array(x, dtype=DTYPES[precision][0])
        for order in (1, 2):
            expected = float(mp.diff(reference, mp.mpf(float(at)), order, h=mp.mpf("1e-10")))
            assert_gradient_close(derivative(f, order)(at), expected)


def test_lgamma_is_exactly_zero_at_one_and_two() -> None:
    for dtype, _ in DTYPES.values():
        assert_exact(special.lgamma(mx.array([1.0, 2.0], dtype=dtype)), mx.zeros((2,), dtype=dtype))


def test_no_gradient_is_nan_because_of_the_branch_not_taken() -> None:
    def gradients(f: Callable[..., mx.array], *args: float) -> list[float]:
        return [mx.grad(f, argnums=i)(*(mx.array(a) for a in args)).item() for i in range(len(args))]

    assert gradients(special.xlogy, 0.0, 0.0) == [0.0, 0.0]
    assert gradients(special.xlog1py, 0.0, -1.0) == [0.0, 0.0]
    assert gradients(special.logdiffexp, -INF, -INF) == [0.0, 0.0]
    assert gradients(special.logdiffexp, 1.0, -INF) == [1.0, 0.0]
    assert gradients(special.log_ndtr, -INF) == gradients(special.log_ndtr, INF) == [0.0]
    assert gradients(special.log1mexp, 200.0) == [0.0]
    for f in (special.lgamma, special.digamma, special.trigamma):
        for x in (1e-5, 0.5, 1.7, 3.0, 1e15):
            assert math.isfinite(derivative(f, 2)(mx.array(x)).item())
    for a, b in ((1e-25, 1e-3), (1e-25, 1e30), (1e30, 1e30), (1.0, 1e30)):
        assert all(math.isfinite(g) for g in gradients(special.betaln, a, b))


def test_xlogy_keeps_its_score_at_zero() -> None:
    assert_close(mx.grad(special.xlogy)(mx.array(0.0), mx.array(2.0)), math.log(2.0))
    assert_close(mx.grad(special.xlog1py)(mx.array(0.0), mx.array(1.0)), math.log(2.0))


# ---- arguments and transformations -----------------------------------------------------------------------------------


UNARY = [n for n in special.__all__ if n not in {"betaln", "log_binomial", "logdiffexp", "xlog1py", "xlogy"}]


def test_numbers_become_float32_and_float64_stays() -> None:
    assert special.lgamma(3).dtype == special.lgamma(3.0).dtype == special.lgamma(mx.array([3])).dtype == mx.float32
    assert special.lgamma(mx.array(3.0, dtype=mx.float16)).dtype == mx.float32
    assert special.betaln(2.0, mx.array([1.0, 2.0], dtype=mx.float64)).dtype == mx.float64
    assert special.betaln([1.0, 2.0], mx.ones((3, 1))).shape == (3, 2)


@pytest.mark.parametrize("name", ["betaln", "log_binomial", "logdiffexp", "xlog1py", "xlogy"])
def test_vmap_over_one_of_two_arguments(name: str) -> None:
    f = getattr(special, name)
    a, b = mx.array([[1.0, 3.0, 5.0], [1.0, 0.0, 4.0], [0.0, 8.0, 0.0]]), mx.array([0.0, 1.0, 2.0])
    assert_exact(mx.vmap(f, in_axes=(0, None))(a, b), f(a, b))
    assert_exact(mx.vmap(f, in_axes=(None, 0))(b, a), f(b, a))


# The incomplete integrals and Bessel functions of any order have arguments of their own: test_incomplete.py.
SHAPED = {
    "betainc",
    "betaincinv",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "log_iv",
    "log_ive",
    "owens_t",
}


@pytest.mark.parametrize("name", [name for name in special.__all__ if name not in SHAPED])
def test_functions_pass_through_the_transformations(name: str) -> None:
    f = getattr(special, name)
    x = mx.array([-0.9, -0.3]) if name == "ndtri_exp" else mx.array([0.9, 0.3])
    args = (x,) if name in UNARY else (x, 0.5 * x)
    assert_exact(mx.vmap(f)(*args), f(*args))
    assert_close(mx.compile(f)(*args), f(*args))
    hessian = mx.vmap(derivative(f, 2))(*args)
    assert_close(hessian, mx.stack([derivative(f, 2)(*(a[i] for a in args)) for i in range(2)]))
    nodes: list[dict] = []
    mx.export_function(nodes.append, derivative(f), *args)
    assert any(node["type"] == "primitive" for node in nodes)
