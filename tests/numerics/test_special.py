"""Accuracy against mpmath in both precisions, derivatives, edges, and MLX's transformations."""

import math
from collections.abc import Callable

import mlx.core as mx
import mpmath as mp
import numpy as np
import pytest

from genmlx.numerics import special
from genmlx.numerics.special import elementary
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close
from numerics.accuracy import (
    CASES,
    PRECISIONS,
    committed,
    derivative,
    errors,
    is_derivative,
    log_cdf,
    of_many,
    psi,
    quantile,
)

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["few", "all"])
def test_errors_stay_within_the_documented_limits(name: str, precision: str, every: int) -> None:
    case = CASES[name]
    assert errors(case, precision, every).max() <= case.bounds[precision == "float64"]


def test_the_documented_table_has_every_case_and_keeps_its_limits() -> None:
    rows = committed()
    assert list(rows) == [*(n for n in CASES if not is_derivative(n)), *(n for n in CASES if is_derivative(n))]
    for name, (max32, _, limit32, max64, _, limit64) in rows.items():
        assert (limit32, limit64) == CASES[name].bounds, f"{name}: write the page anew"
        assert max32 <= limit32 and max64 <= limit64, name


def test_every_function_is_measured() -> None:
    measured = {name.split(",")[0].rstrip("'") for name in CASES}
    assert set(special.__all__) - measured == {"xlog1py", "xlogy"}  # of log and log1p


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


OF_ELEMENTARY = {"log1mexp", "softplus", "log_sigmoid", "logit"}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "points", "expected"), EDGES, ids=[e[0] for e in EDGES])
def test_values_at_the_edges(name: str, points: tuple[float, ...], expected: tuple[float, ...], precision: str) -> None:
    dtype, _ = PRECISIONS[precision]
    if precision == "float64":  # these two overflow or underflow in float32 only
        points = tuple({1e38: INF, 1e-30: 0.0, -3e19: -INF}.get(p, p) for p in points)
    values = np.array(getattr(special, name)(mx.array(points, dtype=dtype)))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-50)


@pytest.mark.parametrize(
    ("f", "points", "expected"),
    [
        (elementary.exp, (-INF, -1e30, 0.0, -0.0, 1e-45, 89.0, 1e30, INF, NAN), (0, 0, 1, 1, 1, INF, INF, INF, NAN)),
        (elementary.expm1, (-INF, -1e30, 0.0, 1e-30, 89.0, INF, NAN), (-1, -1, 0, 1e-30, INF, INF, NAN)),
        (elementary.log1p, (-INF, -2.0, -1.0, 0.0, 1e-30, INF, NAN), (NAN, NAN, -INF, 0, 1e-30, INF, NAN)),
        *((getattr(special, name), points, expected) for name, points, expected in EDGES if name in OF_ELEMENTARY),
    ],
)
def test_values_at_the_edges_in_a_large_array(
    f: Callable[[mx.array], mx.array], points: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    np.testing.assert_allclose(np.array(of_many(f)(mx.array(points))), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("f", [elementary.exp, elementary.expm1, elementary.log1p, special.softplus])
def test_a_large_array_has_the_values_and_derivatives_of_a_small_one(f: Callable[[mx.array], mx.array]) -> None:
    x = mx.array([-0.75, -1e-6, 0.0, 1e-6, 0.5, 3.0, 20.0])
    for order in range(4):
        assert_close(derivative(of_many(f), order)(x), derivative(f, order)(x), rtol=1e-5)


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


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("f", "reference", "points"), SEAMS)
def test_derivatives_where_the_branches_meet(
    f: Callable[..., mx.array], reference: Callable[..., mp.mpf], points: tuple[float, ...], precision: str
) -> None:
    for x in points:
        at = mx.array(x, dtype=PRECISIONS[precision][0])
        for order in (1, 2):
            expected = float(mp.diff(reference, mp.mpf(float(at)), order, h=mp.mpf("1e-10")))
            assert_gradient_close(derivative(f, order)(at), expected)


def test_lgamma_is_exactly_zero_at_one_and_two() -> None:
    for dtype, _ in PRECISIONS.values():
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
    "betaincc",
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
