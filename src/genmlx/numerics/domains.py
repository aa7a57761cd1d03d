"""Sets of values: the domains of parameters and the supports of distributions.

A `Domain` says what a value may be, element by element or (``event_ndim`` > 0) by vector or matrix. It checks Python
numbers at once (`has`) and arrays as one operation (`contains`, a boolean array, ``False`` for NaN).

Example:
    >>> positive.has(-1.0), interval(0.0, 2.0).contains(mx.array([1.0, 3.0])).tolist()
    (False, [True, False])
"""

import dataclasses
import math
from collections.abc import Callable

import mlx.core as mx

from genmlx.numerics.types import Array, Number

__all__ = [
    "Domain",
    "Interval",
    "above",
    "any_value",
    "boolean",
    "circular",
    "correlation",
    "correlation_cholesky",
    "increasing_bounds",
    "integer",
    "integer_interval",
    "interval",
    "log_weights",
    "lower_bounded",
    "lower_triangular",
    "nonnegative",
    "nonnegative_integer",
    "open_unit_interval",
    "ordered",
    "positive",
    "positive_definite",
    "positive_integer",
    "positive_ordered",
    "positive_probability",
    "positive_vector",
    "probabilities",
    "real",
    "real_matrix",
    "real_or_infinite",
    "real_vector",
    "simplex",
    "unit_interval",
    "unit_vector",
    "upper_bounded",
    "zero_sum",
]

_SIMPLEX_TOLERANCE = 1e-4  # float32 probabilities that were normalised sum to 1 within a few ulp per element
_SYMMETRY_TOLERANCE = 1e-5
_SUM_TOLERANCE = 1e-5  # of the sum of absolute values


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """A set of values.

    Attributes:
        name: how an error names it: "a parameter must be <name>".
        contains: array to boolean array; the last ``event_ndim`` axes are reduced.
        event_ndim: 0 for a set of numbers, 1 of vectors, 2 of matrices.
        discrete: whether the set is countable.
    """

    name: str
    contains: Callable[[Array], Array]
    event_ndim: int = 0
    discrete: bool = False
    number: Callable[[float], bool] | None = None

    def has(self, x: Number) -> bool:
        """Whether a Python number belongs to the set, without an MLX operation where possible."""
        if self.event_ndim:
            return False
        return self.number(x) if self.number is not None else bool(self.contains(mx.array(x)).item())

    def __repr__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Interval(Domain):
    """An interval whose bounds may be arrays that depend on other choices; closed unless said otherwise."""

    lower: Number | Array = -math.inf
    upper: Number | Array = math.inf


def interval(lower: Number | Array, upper: Number | Array) -> Interval:
    """The closed interval [lower, upper]."""
    return Interval(
        f"in [{_show(lower)}, {_show(upper)}]", lambda x: (x >= lower) & (x <= upper), lower=lower, upper=upper
    )


def above(lower: Number | Array) -> Interval:
    """The numbers above ``lower``, infinity too."""
    return Interval(f"above {_show(lower)}", lambda x: x > lower, number=lambda x: bool(x > lower), lower=lower)


def lower_bounded(lower: Number | Array) -> Interval:
    """The real numbers from ``lower`` on."""
    return Interval(
        f"at least {_show(lower)}", lambda x: mx.logical_and(x >= lower, x < math.inf), lower=lower, upper=math.inf
    )


def upper_bounded(upper: Number | Array) -> Interval:
    """The real numbers up to ``upper``."""
    return Interval(
        f"at most {_show(upper)}", lambda x: mx.logical_and(x <= upper, x > -math.inf), lower=-math.inf, upper=upper
    )


def integer_interval(lower: Number | Array, upper: Number | Array) -> Interval:
    """The integers from lower to upper, both included."""
    return Interval(
        f"an integer in [{_show(lower)}, {_show(upper)}]",
        lambda x: (x >= lower) & (x <= upper) & (mx.floor(x) == x),
        discrete=True,
        lower=lower,
        upper=upper,
    )


def _show(bound: Number | Array) -> str:
    return "..." if isinstance(bound, mx.array) else f"{bound:g}"


def _all(x: Array) -> Array:
    return mx.all(x, axis=-1)


def _is_positive_definite(x: Array) -> Array:
    # mx.linalg.cholesky does not raise on every matrix that is not positive definite: look at the eigenvalues.
    symmetric = mx.all(
        mx.abs(x - mx.swapaxes(x, -1, -2)) <= _SYMMETRY_TOLERANCE * mx.maximum(1.0, mx.abs(x)), axis=(-1, -2)
    )
    return symmetric & mx.all(mx.linalg.eigvalsh(x, stream=mx.cpu) > 0, axis=-1)


def _is_lower_triangular(x: Array) -> Array:
    return mx.all(mx.triu(x, 1) == 0, axis=(-1, -2)) & _all(mx.diagonal(x, axis1=-2, axis2=-1) > 0)


def _is_correlation_cholesky(x: Array) -> Array:
    return _is_lower_triangular(x) & _all(mx.abs(mx.sum(x * x, axis=-1) - 1) <= _SIMPLEX_TOLERANCE)


def _is_correlation(x: Array) -> Array:
    ones = _all(mx.abs(mx.diagonal(x, axis1=-2, axis2=-1) - 1) <= _SYMMETRY_TOLERANCE)
    return mx.logical_and(_is_positive_definite(x), ones)


def _has_sum_zero(x: Array) -> Array:
    return mx.abs(mx.sum(x, axis=-1)) <= _SUM_TOLERANCE * mx.sum(mx.abs(x), axis=-1)


any_value = Domain("any value", lambda x: mx.full(x.shape, True), number=lambda x: True)
real = Interval("a real number", mx.isfinite, number=math.isfinite)
real_or_infinite = Interval(
    "a real number, -inf or inf", lambda x: mx.logical_not(mx.isnan(x)), number=lambda x: not math.isnan(x)
)
positive = Interval("positive", lambda x: (x > 0) & (x < math.inf), number=lambda x: 0 < x < math.inf, lower=0.0)
nonnegative = Interval(
    "zero or positive", lambda x: (x >= 0) & (x < math.inf), number=lambda x: 0 <= x < math.inf, lower=0.0
)
unit_interval = Interval("in [0, 1]", lambda x: (x >= 0) & (x <= 1), number=lambda x: 0 <= x <= 1, lower=0.0, upper=1.0)
open_unit_interval = Interval(
    "in (0, 1)",
    lambda x: mx.logical_and(x > 0, x < 1),
    number=lambda x: 0 < x < 1,
    lower=0.0,
    upper=1.0,
)
positive_probability = Interval(
    "in (0, 1]", lambda x: (x > 0) & (x <= 1), number=lambda x: 0 < x <= 1, lower=0.0, upper=1.0
)
boolean = Interval(
    "0 or 1", lambda x: (x == 0) | (x == 1), discrete=True, number=lambda x: x in (0, 1), lower=0.0, upper=1.0
)
integer = Interval("an integer", lambda x: mx.floor(x) == x, discrete=True, number=lambda x: float(x).is_integer())
nonnegative_integer = Interval(
    "an integer, zero or positive",
    lambda x: (x >= 0) & (mx.floor(x) == x),
    discrete=True,
    number=lambda x: x >= 0 and float(x).is_integer(),
    lower=0,
)
positive_integer = Interval(
    "a positive integer",
    lambda x: (x >= 1) & (mx.floor(x) == x),
    discrete=True,
    number=lambda x: x >= 1 and float(x).is_integer(),
    lower=1,
)
real_vector = Domain("a vector of real numbers", lambda x: _all(mx.isfinite(x)), 1)
log_weights = Domain(
    "a vector of log weights, not all -inf, none +inf or NaN",
    lambda x: _all(x < math.inf) & mx.any(x > -math.inf, axis=-1),
    1,
)
probabilities = Domain(
    "a vector of non-negative weights, not all zero",
    lambda x: _all((x >= 0) & (x < math.inf)) & mx.any(x > 0, axis=-1),
    1,
)
simplex = Domain(
    "a vector on the simplex (non-negative, sum 1)",
    lambda x: _all(x >= 0) & (mx.abs(mx.sum(x, axis=-1) - 1) <= _SIMPLEX_TOLERANCE),
    1,
)
positive_vector = Domain("a vector of positive numbers", lambda x: _all((x > 0) & (x < math.inf)), 1)
increasing_bounds = Domain(
    "an increasing vector of at least two real numbers",
    lambda x: _all(x[..., 1:] > x[..., :-1]) & _all(mx.isfinite(x)) & (x.shape[-1] >= 2),
    1,
)
ordered = Domain("an increasing vector", lambda x: _all(x[..., 1:] > x[..., :-1]), 1)
real_matrix = Domain("a matrix of real numbers", lambda x: mx.all(mx.isfinite(x), axis=(-1, -2)), 2)
positive_definite = Domain("a symmetric positive definite matrix", _is_positive_definite, 2)
lower_triangular = Domain("a lower triangular matrix with positive diagonal", _is_lower_triangular, 2)
correlation_cholesky = Domain("the Cholesky factor of a correlation matrix", _is_correlation_cholesky, 2)
circular = Interval(
    "an angle in [-pi, pi]",
    lambda x: mx.logical_and(x >= -math.pi, x <= math.pi),
    number=lambda x: -math.pi <= x <= math.pi,
    lower=-math.pi,
    upper=math.pi,
)
positive_ordered = Domain(
    "an increasing vector of positive numbers",
    lambda x: mx.logical_and(_all(x[..., 1:] > x[..., :-1]), _all(mx.logical_and(x > 0, x < math.inf))),
    1,
)
unit_vector = Domain("a vector of length 1", lambda x: mx.abs(mx.sum(x * x, axis=-1) - 1) <= _SIMPLEX_TOLERANCE, 1)
correlation = Domain("a correlation matrix", _is_correlation, 2)
zero_sum = Domain("a vector with sum 0", _has_sum_zero, 1)
