"""How close is close: the one place with tolerances. A red test is data; none of these numbers is widened for it.

Four kinds of comparison:

* exact: the same operation twice, or a value that was stored and read back: equal to the bit (`assert_exact`);
* value: float32 against a float64 oracle (`assert_close`);
* gradient: automatic differentiation against an oracle, often a finite difference (`assert_gradient_close`);
* statistics: a Monte Carlo estimate against the truth, in its own standard errors (`assert_within_mc`), or a
  goodness-of-fit p-value (`assert_plausible`).

The false-alarm budget of the whole suite is 1%: a correct program with fresh seeds fails some statistical test in at
most one run of a hundred. `STANDARD_ERRORS` spends 0.6% on 10,000 estimates (5.7e-7 each, two-sided, normal), and
`P_VALUE` spends 0.1% on 1,000 goodness-of-fit tests. Seeds are fixed, so that an alarm is met once, when a test is
written, and not by the next reader.
"""

import mlx.core as mx
import numpy as np

__all__ = [
    "GRADIENT_ATOL",
    "GRADIENT_RTOL",
    "P_VALUE",
    "STANDARD_ERRORS",
    "VALUE_ATOL",
    "VALUE_RTOL",
    "assert_close",
    "assert_exact",
    "assert_gradient_close",
    "assert_plausible",
    "assert_within_mc",
]

VALUE_RTOL = 1e-5
VALUE_ATOL = 1e-6  # for values that cancel to nearly zero: a few float32 roundings of terms of size one
GRADIENT_RTOL = 1e-3
GRADIENT_ATOL = 1e-4
STANDARD_ERRORS = 5.0
P_VALUE = 1e-6


def assert_exact(actual: object, expected: object) -> None:
    """Equal to the bit, with one shape and (for MLX arrays) one dtype; NaN equals NaN."""
    if isinstance(actual, mx.array) and isinstance(expected, mx.array):
        assert actual.dtype == expected.dtype, f"dtype {actual.dtype}, expected {expected.dtype}"
    a, e = np.asarray(actual), np.asarray(expected)
    assert a.shape == e.shape, f"shape {a.shape}, expected {e.shape}"
    np.testing.assert_array_equal(a, e)


def assert_close(actual: object, expected: object, *, rtol: float = VALUE_RTOL, atol: float = VALUE_ATOL) -> None:
    """Values agree to float32 accuracy, with one shape. Infinities must be equal; NaN fails unless expected."""
    a, e = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert a.shape == e.shape, f"shape {a.shape}, expected {e.shape}"
    np.testing.assert_allclose(a, e, rtol=rtol, atol=atol)


def assert_gradient_close(actual: object, expected: object) -> None:
    """Derivatives agree."""
    assert_close(actual, expected, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL)


def assert_within_mc(
    mean: object, expected: object, se: object, k: float = STANDARD_ERRORS, *, max_se: float | None = None
) -> None:
    """A Monte Carlo estimate lies within ``k`` standard errors of the truth, in every component.

    Args:
        mean: the estimate.
        expected: the truth.
        se: the standard error of the estimate; for correlated draws it comes from the effective sample size.
        k: how many standard errors are allowed.
        max_se: the largest standard error with which the test still says something.
    """
    mean, expected, se = (np.asarray(x, dtype=np.float64) for x in (mean, expected, se))
    assert np.all(np.isfinite(se) & (se > 0)), f"the standard error must be positive and finite, found {se}"
    if max_se is not None:
        assert np.all(se <= max_se), f"standard error {se} is too large to test anything (at most {max_se})"
    z = (mean - expected) / se
    worst = np.max(np.abs(z))  # NaN stays NaN, and fails
    assert worst <= k, f"{worst:.1f} standard errors off (at most {k}): estimate {mean}, expected {expected}, se {se}"


def assert_plausible(p_value: float) -> None:
    """A goodness-of-fit test did not reject."""
    assert p_value >= P_VALUE, f"p-value {p_value:.2e} is below {P_VALUE}: the draws do not follow the law"
