"""Log densities that everybody agrees on: the table of spot values, recomputed with SciPy in float64."""

import mlx.core as mx
import pytest

from genmlx.distributions import beta, exponential, gamma, laplace, neg_binomial, normal, poisson, student_t
from helpers.tolerances import assert_close

TABLE = [
    (normal, (0.0, 1.0), 0.5, -1.0439385332),
    (normal, (0.0, 2.0), 0.5, -1.6433357138),
    (normal, (0.0, 2.0), 0.0, -1.6120857138),
    (normal, (0.0, 1e-10), 0.0, 22.106912),
    (normal, (0.0, 1.0), 100.0, -5000.918939),
    (beta, (0.001, 1.0), 0.4, -5.9923808378),
    (beta, (1.0, 0.001), 0.4, -6.3974404808),
    (gamma, (0.001, 1.0), 0.4, -6.3918044442),
    (gamma, (1.0, 1000.0), 0.4, -393.0922447210),
    (exponential, (2.0,), 2.0, -3.3068528194),
    (exponential, (2.0,), 3.0, -5.3068528194),
    (laplace, (2.0, 1.0), 1.0, -1.6931471806),
    (laplace, (0.0, 2.0), 1.0, -1.8862943611),
    (laplace, (0.0, 0.001), 0.002, 4.2146080984),
    (student_t, (2.0, 2.1, 2.0), 2.0, -1.7347417805),
    (student_t, (1.0, 0.8, 4.0), 3.0, -2.7953096147),
    (poisson, (100.0,), 100, -3.222357),
    (neg_binomial, (100.0, 0.5), 50, -11.574579),
    (neg_binomial, (1.0, 0.01), 10, -4.705674),
]


@pytest.mark.parametrize(
    ("family", "params", "x", "expected"), [pytest.param(*row, id=f"{row[0].name}{row[1]}-{row[2]}") for row in TABLE]
)
def test_log_density(family, params, x, expected):
    assert_close(family(*params).log_prob(x), expected)
    assert_close(family(*map(mx.array, params)).log_prob(x), expected)
    assert_close(family(*params).assess(x).weight, expected)
