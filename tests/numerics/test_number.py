"""Functions of numbers and of arrays: the same values, and the limits of MLX where Python raises."""

import math

import mlx.core as mx
import pytest

from genmlx.numerics import number
from helpers.tolerances import assert_close, assert_exact

POINTS = {
    "exp": (-800.0, -1.0, 0.0, 1.0, 90.0),
    "expm1": (-800.0, -1.0, 0.0, 1e-8, 1.0, 90.0),
    "lgamma": (0.0, 0.5, 1.0, 7.5),
    "log": (0.0, 0.5, 1.0, 7.5),
    "log1p": (-1.0, -0.5, 0.0, 1e-8, 3.0),
    "sqrt": (0.0, 0.25, 2.0),
}


def test_every_function_is_tested() -> None:
    assert set(POINTS) <= set(number.__all__)


@pytest.mark.parametrize("name", POINTS)
def test_a_number_has_the_value_of_an_array(name: str) -> None:
    f = getattr(number, name)
    for x in POINTS[name]:
        value = f(x)
        assert isinstance(value, float)
        if abs(value) < 3e38 or math.isinf(value):
            assert_close(f(mx.array(x)), value)


@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_an_overflow_is_infinite(name: str) -> None:
    f = getattr(number, name)
    assert f(1e4) == math.inf
    assert_exact(f(mx.array(1e4)), mx.array(math.inf))


@pytest.mark.parametrize(("name", "x"), [("log", -1.0), ("log1p", -2.0), ("sqrt", -1.0), ("lgamma", -1.5)])
def test_outside_the_domain_is_nan(name: str, x: float) -> None:
    f = getattr(number, name)
    assert math.isnan(f(x))
    assert math.isnan(f(mx.array(x)).item())
