"""The assertions that all other tests lean on must themselves fail."""

import math

import mlx.core as mx
import pytest

from helpers.tolerances import assert_close, assert_exact, assert_gradient_close, assert_plausible, assert_within_mc


def test_exact_is_to_the_bit():
    assert_exact(mx.array([0.1, math.nan]), mx.array([0.1, math.nan]))
    for other in (mx.array([0.1, 1.0]), mx.array([math.nextafter(0.1, 1)]), mx.array([0.1 + 1e-7, math.nan])):
        with pytest.raises(AssertionError):
            assert_exact(mx.array([0.1, math.nan]), other)
    with pytest.raises(AssertionError, match="dtype"):
        assert_exact(mx.array([1]), mx.array([1.0]))


def test_close_is_float32_accuracy():
    assert_close(mx.array(1.0), 1.0 + 9e-6)
    assert_close([math.inf, -math.inf], [math.inf, -math.inf])
    for actual, expected in [(1.0, 1.0 + 2e-5), (math.nan, 1.0), (math.inf, 1e38), (1.0, math.nan), ([1.0], 1.0)]:
        with pytest.raises(AssertionError):
            assert_close(actual, expected)


def test_gradients_have_a_tolerance_of_their_own():
    assert_gradient_close(1.0, 1.0009)
    with pytest.raises(AssertionError):
        assert_gradient_close(1.0, 1.002)


def test_monte_carlo_counts_standard_errors():
    assert_within_mc(1.0, 1.4, se=0.1)
    for mean, se in [(1.0, 0.05), ([1.5, 1.0], 0.05), (math.nan, 1.0), (1.5, 0.0), (1.5, math.nan), (1.5, math.inf)]:
        with pytest.raises(AssertionError):
            assert_within_mc(mean, 1.5, se)
    with pytest.raises(AssertionError, match="too large to test anything"):
        assert_within_mc(1.0, 1.4, se=0.1, max_se=0.05)


def test_p_values():
    assert_plausible(1e-5)
    for p in (1e-7, math.nan):
        with pytest.raises(AssertionError):
            assert_plausible(p)
