"""Continuous families on the line."""

import numpy as np
from scipy import stats

from distributions.cases.case import Case
from genmlx.distributions.normal import normal

__all__ = ["CASES"]

TAILS = np.array([0.0, 1e-3, 0.5, 1.0, 2.0, 5.0, 10.0, 40.0, 1e3, 1e6])


def line(loc, scale):
    """Both tails and the centre of a family on the line."""
    return np.concatenate([loc - scale * TAILS[::-1], loc + scale * TAILS])


CASES = [
    Case(
        family=normal,
        points=[(0.0, 1.0), (-1.5, 0.3), (100.0, 25.0), (0.5, 1e-3)],
        oracle=lambda mu, sigma: stats.norm(mu, sigma),
        grid=line,
        invalid={"mu": [(float("inf"), 1.0)], "sigma": [(0.0, 0.0), (0.0, -1.0), (0.0, float("nan"))]},
        pathwise=["mu", "sigma"],
    ),
]
