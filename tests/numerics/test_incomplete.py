"""Incomplete gamma and beta functions, Owen's T, Bessel functions of any order: edges, seams, derivatives, batching.

Their accuracy is in the table of `tests/numerics/accuracy.py`, which `test_special.py` holds them to.
"""

import math
from collections.abc import Callable

import mlx.core as mx
import mpmath as mp
import numpy as np
import pytest
from scipy import special as reference

from genmlx.numerics import special
from genmlx.numerics.transforms import one_by_one, vmap
from helpers.tolerances import assert_close
from numerics import accuracy
from numerics.accuracy import PRECISIONS, beta_tails, gamma_tails

INF, NAN = math.inf, math.nan

SHAPES = np.array([0.01, 0.3, 1.0, 2.5, 10.0, 80.0, 1e3, 1e5])
A, P = (x.astype(np.float32) for x in np.meshgrid(SHAPES, [0.001, 0.1, 0.5, 0.9, 0.999]))
B = A[:, ::-1].copy()
X = reference.gammaincinv(A.astype(float), P.astype(float)).astype(np.float32)
Y = reference.betaincinv(A.astype(float), B.astype(float), P.astype(float)).astype(np.float32)

CASES = {
    "gammainc": ((A, X), 3e-6),
    "gammaincc": ((A, X), 3e-6),
    "gammaincinv": ((A, P), 3e-6),
    "gammainccinv": ((A, P), 3e-6),
    "betainc": ((A, B, Y), 3e-6),
    "betaincinv": ((A, B, P), 3e-6),
    "owens_t": ((A, P), 3e-6),
}


@pytest.mark.parametrize("name", CASES)
def test_values_agree_with_scipy(name: str) -> None:
    args, rtol = CASES[name]
    expected = getattr(reference, name)(*(a.astype(float) for a in args))
    regular = expected > 1e-30
    actual = np.array(getattr(special, name)(*map(mx.array, args)))
    np.testing.assert_allclose(actual[regular], expected[regular], rtol=rtol)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.5, 20.0, 300.0])
def test_bessel_functions_of_any_order_agree_with_scipy(order: float) -> None:
    x = np.array([0.5, 1.0, 5.0, 50.0, 500.0, 5000.0], dtype=np.float32)
    with np.errstate(divide="ignore"):
        expected = np.log(reference.ive(order, x.astype(float)))
    finite = np.isfinite(expected)
    actual = np.array(special.log_ive(mx.array(order), mx.array(x)))
    np.testing.assert_allclose(actual[finite], expected[finite], rtol=1e-6, atol=1e-5)


# ---- edges and seams -------------------------------------------------------------------------------------------------


EDGES = {
    "gammainc": [
        (2.0, 0.0, 0.0), (2.0, INF, 1.0), (2.0, -1.0, NAN), (-1.0, 2.0, NAN), (0.0, 2.0, 1.0), (NAN, 1.0, NAN),
        (1.0, NAN, NAN), (1e-3, 0.0, 0.0), (1e6, 1.0, 0.0), (1e-3, 1e6, 1.0),
    ],
    "gammaincc": [
        (2.0, 0.0, 1.0), (2.0, INF, 0.0), (2.0, -1.0, NAN), (-1.0, 2.0, NAN), (0.0, 2.0, 0.0), (NAN, 1.0, NAN),
        (1.0, NAN, NAN), (1e6, 1.0, 1.0), (1e-3, 1e6, 0.0),
    ],
    "gammaincinv": [
        (2.0, 0.0, 0.0), (2.0, 1.0, INF), (2.0, -0.1, NAN), (2.0, 1.1, NAN), (2.0, NAN, NAN), (NAN, 0.5, NAN),
        (1e-6, 0.5, 0.0),
    ],
    "gammainccinv": [(2.0, 0.0, INF), (2.0, 1.0, 0.0), (2.0, -0.1, NAN), (2.0, 1.1, NAN), (2.0, NAN, NAN)],
    "betainc": [
        (2.0, 3.0, 0.0, 0.0), (2.0, 3.0, 1.0, 1.0), (2.0, 3.0, -0.1, NAN), (2.0, 3.0, 1.1, NAN), (2.0, 3.0, NAN, NAN),
        (-1.0, 3.0, 0.5, NAN), (2.0, -3.0, 0.5, NAN), (NAN, 1.0, 0.5, NAN), (1e5, 1e-3, 0.0, 0.0), (1e-3, 1e5, 1.0, 1.0),
    ],
    "betaincinv": [
        (2.0, 3.0, 0.0, 0.0), (2.0, 3.0, 1.0, 1.0), (2.0, 3.0, -0.1, NAN), (2.0, 3.0, 1.1, NAN), (2.0, 3.0, NAN, NAN),
        (1e-3, 1e-3, 0.25, 0.0), (1e-3, 1e-3, 0.75, 1.0),
    ],
    "log_ive": [
        (0.0, 0.0, 0.0), (0.5, 0.0, -INF), (1.0, -1.0, NAN), (-1.0, 1.0, NAN), (NAN, 1.0, NAN), (1.0, NAN, NAN),
    ],
    "owens_t": [
        (0.0, INF, 0.25), (INF, 1.0, 0.0), (-INF, -1.0, 0.0), (2.0, 0.0, 0.0), (NAN, 1.0, NAN), (1.0, NAN, NAN),
    ],
    "log_i1": [(0.0, -INF), (NAN, NAN), (-1.0, -0.5706480)],
    "log_i0": [(0.0, 0.0), (NAN, NAN), (-1.0, 0.23591436)],
    "bessel_ratio": [(0.0, 0.0), (INF, 1.0), (-INF, -1.0), (-2.0, -0.6977747), (NAN, NAN)],
    "erfc": [(-INF, 2.0), (INF, 0.0), (NAN, NAN)],
    "erfcx": [(-INF, INF), (INF, 0.0), (-30.0, INF), (NAN, NAN)],
    "log_erfc": [(-INF, 0.6931472), (INF, -INF), (NAN, NAN)],
}  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", EDGES)
def test_values_at_the_edges(name: str, precision: str) -> None:
    dtype, _ = PRECISIONS[precision]
    *args, expected = (mx.array(column, dtype=dtype) for column in zip(*EDGES[name], strict=True))
    np.testing.assert_allclose(np.array(getattr(special, name)(*args)), np.array(expected), rtol=1e-6, atol=1e-37)


def wide(low: float, high: float, n: int, seed: int) -> np.ndarray:
    return 10 ** np.random.default_rng(seed).uniform(low, high, n)


SHAPE, OTHER = wide(-4, 7, 3000, 0), wide(-4, 7, 3000, 1)
UNIT = np.random.default_rng(2).uniform(size=3000)
UNIT[::5] = wide(-44, 0, 600, 3)
UNIT[1::5] = 1 - wide(-8, 0, 600, 4)
UNIT[2::500] = 0.0
UNIT[3::500] = 1.0
OTHER[4::50] = SHAPE[4::50]
ANYWHERE = np.where(UNIT > 0.5, SHAPE * (1 + np.random.default_rng(5).normal(size=3000) / np.sqrt(SHAPE)), OTHER * UNIT)
FINITE = {
    "gammainc": (SHAPE, np.abs(ANYWHERE)),
    "gammaincc": (SHAPE, np.abs(ANYWHERE)),
    "gammaincinv": (SHAPE, UNIT),
    "gammainccinv": (SHAPE, UNIT),
    "betainc": (SHAPE, OTHER, UNIT),
    "betaincinv": (SHAPE, OTHER, UNIT),
    "log_iv": (SHAPE, OTHER),
    "log_ive": (SHAPE, OTHER),
    "owens_t": (SHAPE, OTHER * (UNIT - 0.5)),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FINITE)
def test_no_value_and_no_gradient_is_nan(name: str, precision: str) -> None:
    f, dtype = getattr(special, name), PRECISIONS[precision][0]
    args = [mx.array(a, dtype=dtype) for a in FINITE[name]]
    value = np.array(f(*args))
    assert not np.isnan(value).any()
    if name in {"gammainc", "gammaincc", "betainc", "betaincinv"}:
        assert value.min() >= 0.0 and value.max() <= 1.0
    for i in range(len(args)):
        assert not np.isnan(np.array(mx.grad(lambda *a: f(*a).sum(), argnums=i)(*args))).any()


SEAMS = [  # where the branches of the functions meet
    (
        "gammainc",
        gamma_tails,
        [(1.5, 0.2), (1.5, 3.0), (3.0, 3.0), (0.2, 0.25), (0.5, 0.25), (0.3, 0.0908), (1e4, 1e4)],
    ),
    ("betainc", beta_tails, [(0.5, 0.5, 0.5), (2.0, 2.0, 0.5), (1.5, 4.0, 0.1), (1.5, 1.5, 0.5), (0.2, 2.0, 0.0555)]),
]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "tails", "points"), SEAMS)
def test_gradients_where_the_branches_meet(
    name: str, tails: Callable[..., tuple[mp.mpf, mp.mpf]], points: list[tuple[float, ...]], precision: str
) -> None:
    for point in points:
        args = [mx.array(p, dtype=PRECISIONS[precision][0]) for p in point]
        exact = [mp.mpf(a.item()) for a in args]
        for i in range(len(point)):
            slope = mx.grad(getattr(special, name), argnums=i)(*args).item()
            expected = accuracy.slope(lambda *a: tails(*a)[0], i)(*exact)
            assert abs(slope / float(expected) - 1) < 3e-6


# ---- derivatives -----------------------------------------------------------------------------------------------------


HIGHER = [
    ("gammainc", lambda a, x: gamma_tails(a, x)[0], (2.5, 1.7)),
    ("gammaincc", lambda a, x: gamma_tails(a, x)[1], (0.7, 2.2)),
    ("gammainc", lambda a, x: gamma_tails(a, x)[0], (0.3, 0.1)),
    ("gammaincinv", accuracy.gamma_quantile, (2.5, 0.2)),
    ("gammainccinv", accuracy.gamma_upper_quantile, (1.2, 0.1)),
    ("betainc", lambda a, b, x: beta_tails(a, b, x)[0], (2.5, 0.8, 0.7)),
    ("betaincinv", accuracy.beta_quantile, (2.5, 1.8, 0.3)),
]


@pytest.mark.parametrize(("name", "exact", "point"), HIGHER, ids=[name for name, _, _ in HIGHER])
def test_derivatives_are_exact_to_the_third_order(
    name: str, exact: Callable[..., mp.mpf], point: tuple[float, ...]
) -> None:
    """Along a curve on which all arguments move, so that the mixed ones are in it."""
    directions = (1.0, -0.7, 0.4)[: len(point)]

    def along(t: mx.array) -> mx.array:
        return getattr(special, name)(*(p + t * (d + 0.3 * t * d) for p, d in zip(point, directions, strict=True)))

    def exactly(t: mp.mpf) -> mp.mpf:
        return exact(*(mp.mpf(p) + t * (d + 0.3 * t * d) for p, d in zip(point, directions, strict=True)))

    f = along
    for order in (1, 2, 3):
        f = mx.grad(f)
        expected = float(mp.diff(exactly, 0, order, h=mp.mpf("1e-6")))
        assert_close(f(mx.array(0.0, dtype=mx.float64)), expected, rtol=1e-7)


def test_the_gradient_in_x_is_the_density() -> None:
    slope = mx.grad(special.gammainc, argnums=1)(mx.array(2.5), mx.array(3.0)).item()
    assert slope == pytest.approx(np.exp(1.5 * np.log(3.0) - 3.0 - reference.gammaln(2.5)), rel=1e-6)
    assert mx.grad(special.gammainc, argnums=1)(mx.array(1.0), mx.array(0.0)).item() == pytest.approx(1.0, rel=1e-6)


# ---- arguments and transformations -----------------------------------------------------------------------------------


BATCH = {**CASES, "log_iv": ((A, X), 1e-6), "log_ive": ((A, X), 1e-6)}


@pytest.mark.parametrize("name", BATCH)
def test_vmap_is_a_loop(name: str) -> None:
    args = [mx.array(a[1:4, 1:7]) for a in BATCH[name][0]]
    f = getattr(special, name)

    def slopes(*args: mx.array) -> list[mx.array]:
        return [mx.grad(lambda *a: f(*a).sum(), argnums=i)(*args) for i in range(len(args))]

    for g in (f, slopes):
        mapped, looped = vmap(g)(*args), one_by_one(g)(*args)
        for m, one in zip(*([x] if isinstance(x, mx.array) else x for x in (mapped, looped)), strict=True):
            np.testing.assert_allclose(np.array(m), np.array(one), rtol=1e-6)
    for i in range(len(args)):  # one argument with an axis, the others without
        axes = tuple(0 if j == i else None for j in range(len(args)))
        some = [a if j == i else a[0] for j, a in enumerate(args)]
        rows = [f(*(a[k] if j == i else a[0] for j, a in enumerate(args))) for k in range(3)]
        assert_close(mx.vmap(f, in_axes=axes)(*some), mx.stack(rows))


@pytest.mark.parametrize("name", BATCH)
def test_export(name: str) -> None:
    args = [mx.array(a[2, 2:5]) for a in BATCH[name][0]]

    def slope(*args: mx.array) -> mx.array:
        return mx.grad(lambda *a: getattr(special, name)(*a).sum())(*args)

    nodes: list[dict] = []
    mx.export_function(nodes.append, slope, *args)
    assert any(node["type"] == "primitive" for node in nodes)


@pytest.mark.slow  # the C compiler takes ten seconds for the kernel of one function
@pytest.mark.parametrize("name", BATCH)
def test_compile(name: str) -> None:
    args = [mx.array(a[2, 2:5]) for a in BATCH[name][0]]
    f = getattr(special, name)
    assert_close(mx.compile(f)(*args), f(*args))


def test_numbers_broadcast_and_float64_stays() -> None:
    for name, n in (
        ("gammainc", 2),
        ("gammaincinv", 2),
        ("betainc", 3),
        ("betaincinv", 3),
        ("log_ive", 2),
        ("owens_t", 2),
    ):
        f = getattr(special, name)
        assert f(*[0.5] * n).dtype == mx.float32
        assert f(*[0.5] * (n - 1), mx.array(0.5, dtype=mx.float64)).dtype == mx.float64
        assert f(mx.full((3, 1), 0.5), *[0.5] * (n - 2), mx.full((4,), 0.25)).shape == (3, 4)
