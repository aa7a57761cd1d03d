"""Incomplete gamma and beta functions, their inverses, and Bessel functions, against SciPy in float64."""

import mlx.core as mx
import numpy as np
import pytest
from scipy import special as reference

from genmlx.numerics import special
from genmlx.numerics.transforms import one_by_one, vmap

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
    "betainc": ((A, B, Y), 4e-5),  # x is rounded to float32: at (1e5, 0.01) its last digit is worth 1e-5
}


@pytest.mark.parametrize("name", CASES)
def test_values_agree_with_scipy(name):
    args, rtol = CASES[name]
    expected = getattr(reference, name)(*(a.astype(float) for a in args))
    regular = expected > 1e-30
    actual = np.array(getattr(special, name)(*map(mx.array, args)))
    np.testing.assert_allclose(actual[regular], expected[regular], rtol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_a_loop(name):
    args = [mx.array(a) for a in CASES[name][0]]
    f = getattr(special, name)
    mapped, reference_loop = vmap(f)(*args), one_by_one(f)(*args)
    np.testing.assert_allclose(np.array(mapped), np.array(reference_loop), rtol=1e-6)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.5, 20.0, 300.0])
def test_bessel_functions_of_any_order_agree_with_scipy(order):
    x = np.array([0.5, 1.0, 5.0, 50.0, 500.0, 5000.0], dtype=np.float32)
    with np.errstate(divide="ignore"):
        expected = np.log(reference.ive(order, x.astype(float)))
    finite = np.isfinite(expected)
    actual = np.array(special.log_ive(mx.array(order), mx.array(x)))
    np.testing.assert_allclose(actual[finite], expected[finite], rtol=1e-6, atol=1e-5)


def test_the_gradient_in_x_is_the_gamma_density():
    a, x = mx.array(2.5), mx.array(3.0)
    slope = mx.grad(lambda t: special.gammainc(a, t))(x).item()
    expected = np.exp(1.5 * np.log(3.0) - 3.0 - reference.gammaln(2.5))
    assert slope == pytest.approx(expected, rel=1e-5)


def test_the_quantile_has_its_ends():
    assert special.gammaincinv(2.5, 1.0).item() == np.inf
    assert special.gammaincinv(2.5, 0.0).item() == 0.0
    assert special.gammainccinv(2.5, 0.0).item() == np.inf
