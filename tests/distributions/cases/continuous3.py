"""Continuous families that users of other systems expect: the circle, bounds, peaks."""

import math

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case
from distributions.cases.continuous import BAD_POSITIVE, INF, NAN, beyond, neighbours
from distributions.cases.continuous2 import ANGLES, CircularOracle
from genmlx.distributions.log_uniform import log_uniform
from genmlx.distributions.relaxed import relaxed_bernoulli
from genmlx.distributions.triangular import triangular
from genmlx.distributions.von_mises import von_mises

__all__ = ["CASES"]


def von_mises_oracle(mu, kappa):
    log_height = -np.log(2.0 * np.pi * special.i0e(kappa)) + min(kappa, 0.0) * 2.0

    def lifted(d):
        return stats.vonmises.cdf(d, kappa) if kappa else np.asarray(d) / (2.0 * np.pi) + 0.5

    oracle = CircularOracle(None, mu, lifted)
    oracle.logpdf = lambda x: np.where(
        np.abs(x) <= float(np.float32(np.pi)) + 1e-9, log_height - 2.0 * kappa * np.sin(0.5 * (x - mu)) ** 2, -INF
    )
    oracle.entropy = lambda: -log_height + kappa * (1.0 - special.i1e(kappa) / special.i0e(kappa))
    return oracle


def log_uniform_oracle(lo, hi):
    law = stats.loguniform(lo, hi)
    law.mean = lambda: (hi - lo) / math.log(hi / lo)
    law.var = lambda: (hi**2 - lo**2) / (2.0 * math.log(hi / lo)) - law.mean() ** 2
    return law


class TriangularOracle:
    """scipy's, with the distribution function of the nearer side, and +-inf outside."""

    def __init__(self, lo, mode, hi):
        self.lo, self.mode, self.hi = lo, mode, hi
        self.law = stats.triang((mode - lo) / (hi - lo), loc=lo, scale=hi - lo)

    def logpdf(self, x):
        x = np.asarray(x)
        inside = (x >= self.lo) & (x <= self.hi)
        with np.errstate(divide="ignore", invalid="ignore"):
            left, right = (x - self.lo) / (self.mode - self.lo), (self.hi - x) / (self.hi - self.mode)
            height = np.where(x < self.mode, left, np.where(self.mode == self.hi, 1.0, right))
            return np.where(inside, np.log(2.0 / (self.hi - self.lo)) + np.log(np.where(inside, height, 1.0)), -INF)

    def __getattr__(self, name):
        return getattr(self.law, name)


class RelaxedOracle:
    """Of the log odds, which are logistic."""

    def __init__(self, temperature, logits):
        self.law = stats.logistic(logits / temperature, 1.0 / temperature)

    def logpdf(self, x):
        x = np.asarray(x)
        inside = (x > 0.0) & (x < 1.0)
        y = np.where(inside, x, 0.5)
        return np.where(inside, self.law.logpdf(special.logit(y)) - np.log(y) - np.log1p(-y), -INF)

    def cdf(self, x):
        return self.law.cdf(special.logit(np.clip(x, 0.0, 1.0)))

    def ppf(self, q):
        return special.expit(self.law.ppf(q))


def inside_triangle(lo, mode, hi):
    return [lo + f * (hi - lo) for f in (1e-3, 0.2, 0.4, 0.6, 0.9)] + [mode]


CASES = [
    Case(
        family=von_mises,
        points=[(0.5, 2.0), (-1.0, 100.0), (3.0, 1.0), (0.0, 0.0), (0.25, 1e-3), (2.0, 1e4), (10.0, 8.5)],
        oracle=von_mises_oracle,
        grid=lambda mu, kappa: [*ANGLES, np.remainder(mu + np.pi, 2 * np.pi) - np.pi],
        outside=lambda *_: [3.2, -3.2, 7.0, 1e30, -1e30],
        smooth=lambda *_: [-3.0, -1.5, -0.5, 0.3, 1.0, 2.5],
        invalid={
            "mu": [(INF, 1.0), (NAN, 1.0)],
            "kappa": [(0.0, bad) for bad in (-1.0, NAN, INF)],
        },
        moments=lambda *_: False,
        rtol=2e-5,
        reason="x - mu is rounded, which counts kappa |x - mu| times",
    ),
    Case(
        family=log_uniform,
        points=[(0.01, 100.0), (1.0, 2.0), (1e-20, 1e10), (3.0, 3.5)],
        oracle=log_uniform_oracle,
        grid=lambda lo, hi: [
            lo,
            neighbours(lo)[1],
            *(lo * (hi / lo) ** np.array([0.1, 0.5, 0.9])),
            neighbours(hi)[0],
            hi,
        ],
        outside=lambda lo, hi: [neighbours(lo)[0], neighbours(hi)[1], 0.5 * lo, 2.0 * hi, 0.0, -1.0, -1e30],
        smooth=lambda lo, hi: lo * (hi / lo) ** np.array([0.1, 0.5, 0.8]),
        invalid={
            "lo": [(bad, 5.0) for bad in BAD_POSITIVE],
            "hi": [(2.0, bad) for bad in (2.0, 1.0, *BAD_POSITIVE)],
        },
        pathwise=["lo", "hi"],
        moments=lambda lo, hi: hi < 1e3 * lo,
    ),
    Case(
        family=triangular,
        points=[(0.0, 1.0, 4.0), (-1.5, 2.0, 2.25), (-1e6, 0.0, 1e6)],
        oracle=TriangularOracle,
        grid=inside_triangle,
        outside=lambda lo, mode, hi: beyond(lo, hi),
        smooth=lambda lo, mode, hi: lo + np.array([0.1, 0.45, 0.8]) * (hi - lo),
        invalid={
            "lo": [(-INF, 0.0, 1.0), (NAN, 0.0, 1.0)],
            "mode": [(0.0, -1.0, 1.0), (0.0, 2.0, 1.0), (0.0, NAN, 1.0)],
            "hi": [(0.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 0.0, INF), (0.0, 0.0, NAN)],
        },
        pathwise=["lo", "mode", "hi"],
    ),
    Case(
        name="triangular, peak at a bound",
        family=triangular,
        points=[(-2.0, -2.0, 1.0), (0.0, 3.0, 3.0)],
        oracle=TriangularOracle,
        grid=inside_triangle,
        outside=lambda lo, mode, hi: beyond(lo, hi),
        smooth=lambda lo, mode, hi: lo + np.array([0.1, 0.45, 0.8]) * (hi - lo),
        gradients=["x"],
    ),
    Case(
        family=relaxed_bernoulli,
        points=[(0.5, 1.0), (1.0, -2.0), (2.5, 0.25), (0.75, 0.0)],
        oracle=RelaxedOracle,
        grid=lambda *_: [1e-10, 1e-3, 0.2, 0.5, 0.7, 0.99, 1.0 - 2.0**-20],
        outside=lambda *_: [0.0, 1.0, -0.5, 1.5, 1e30],
        smooth=lambda *_: [1e-3, 0.2, 0.5, 0.9],
        invalid={
            "temperature": [(bad, 0.0) for bad in BAD_POSITIVE],
            "logits": [(1.0, bad) for bad in (INF, NAN)],
        },
        moments=lambda *_: False,
        pathwise=["temperature", "logits"],
    ),
    Case(
        name="relaxed_bernoulli probs",
        family=relaxed_bernoulli.alternatives[frozenset({"temperature", "probs"})],
        points=[(0.5, 0.75), (1.0, 0.1)],
        oracle=lambda temperature, probs: RelaxedOracle(temperature, special.logit(probs)),
        grid=lambda *_: [1e-10, 1e-3, 0.2, 0.5, 0.7, 0.99],
        smooth=lambda *_: [1e-3, 0.2, 0.5, 0.9],
        invalid={"probs": [(1.0, bad) for bad in (0.0, 1.0, -0.5, NAN)]},
        moments=lambda *_: False,
        pathwise=["temperature", "probs"],
    ),
]
