"""More continuous families on the line and the positive numbers: scipy in float64, or a formula where scipy has none."""

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case
from distributions.cases.continuous import (
    BAD_POSITIVE,
    BELOW_ZERO,
    INF,
    NAN,
    QUANTILES,
    UNIT,
    beyond,
    heavy,
    line,
    neighbours,
    positive,
)
from genmlx.distributions.chi2 import chi2, inv_chi2, scaled_inv_chi2
from genmlx.distributions.gumbel import gumbel
from genmlx.distributions.half_student_t import half_student_t
from genmlx.distributions.logistic import log_logistic, logistic
from genmlx.distributions.pareto import pareto
from genmlx.distributions.weibull import rayleigh, weibull

__all__ = ["CASES"]

LOC_SCALE = {"loc": [(INF, 1.0), (NAN, 1.0)], "scale": [(0.0, bad) for bad in BAD_POSITIVE]}
SHAPE_SCALE = {"shape": [(bad, 1.0) for bad in BAD_POSITIVE], "scale": [(2.0, bad) for bad in BAD_POSITIVE]}
LEVELS = np.array([1e-9, 1e-6, *QUANTILES, 1 - 1e-6, 1 - 1e-9])


def half(law):
    """The law of |X| for X symmetric around 0."""
    logpdf = law.logpdf
    mean = law.expect(lambda x: 2.0 * x, lb=0.0, ub=INF) if law.var() < INF else INF

    class Half:
        def logpdf(self, x):
            return np.where(np.asarray(x) >= 0.0, logpdf(x) + np.log(2.0), -INF)

        def cdf(self, x):
            return np.where(np.asarray(x) >= 0.0, 1.0 - 2.0 * law.sf(x), 0.0)

        def mean(self):
            return mean

        def var(self):
            return law.var() - mean**2 if mean < INF else INF

        def entropy(self):
            return law.entropy() - np.log(2.0)

    return Half()


def pareto_oracle(scale, alpha):
    law = stats.pareto(alpha, scale=scale)
    law.logpdf = lambda x: np.where(  # scipy's is log(pdf), which underflows
        x >= scale, np.log(alpha / scale) - (alpha + 1.0) * np.log(np.maximum(x, scale) / scale), -INF
    )
    return law


class LogLogisticOracle:
    """X^shape / scale^shape are the odds of a uniform number; scipy's fisk overflows."""

    def __init__(self, shape, scale):
        self.shape, self.scale, self.law = shape, scale, stats.fisk(shape, scale=scale)

    def _t(self, x):
        with np.errstate(divide="ignore"):
            return self.shape * np.log(np.maximum(x, 0.0) / self.scale)

    def logpdf(self, x):
        power = special.xlogy(self.shape - 1.0, np.maximum(x, 0.0) / self.scale)
        inside = power - 2.0 * np.logaddexp(0.0, self._t(x)) + np.log(self.shape / self.scale)
        return np.where(np.asarray(x) >= 0.0, inside, -INF)

    def cdf(self, x):
        return special.expit(self._t(x))

    def ppf(self, q):
        return self.law.ppf(q)

    def mean(self):
        return self.law.mean() if self.shape > 1.0 else INF

    def var(self):
        return self.law.var() if self.shape > 2.0 else INF

    def entropy(self):
        return np.log(self.scale / self.shape) + 2.0


CASES = [
    Case(
        family=half_student_t,
        points=[(12.0, 1.0), (2.5, 2.0), (1.0, 4.0), (0.3, 0.1), (1e4, 2.0), (30.0, 0.5)],
        oracle=lambda df, scale: half(stats.t(df, 0.0, scale)),
        grid=lambda df, scale: [*positive(scale), 1e15 * scale, 1e20 * scale, 1e30 * scale],
        outside=lambda *_: BELOW_ZERO,
        invalid={"df": [(bad, 1.0) for bad in BAD_POSITIVE], "scale": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["scale"],
        moments=lambda df, *_: df > 8.0,
    ),
    Case(
        family=weibull,
        points=[(1.5, 2.0), (1.0, 0.5), (0.5, 30.0), (2.0, 1e-3), (10.0, 3.0), (1.0 + 2.0**-13, 1.0)],
        oracle=lambda shape, scale: stats.weibull_min(shape, scale=scale),
        grid=lambda shape, scale: [0.0, 1e-10 * scale, 1e-3 * scale, scale, *stats.weibull_min(shape, scale=scale).ppf(LEVELS)],
        outside=lambda *_: BELOW_ZERO,
        invalid=SHAPE_SCALE,
        pathwise=["shape", "scale"],
        moments=lambda shape, scale: shape >= 1.0,
    ),
    Case(
        name="weibull_steep",
        family=weibull,
        points=[(100.0, 3.0), (50.0, 7.0)],
        oracle=lambda shape, scale: stats.weibull_min(shape, scale=scale),
        grid=lambda shape, scale: [0.0, 1e-3 * scale, scale, *stats.weibull_min(shape, scale=scale).ppf(LEVELS)],
        rtol=1e-4,
        reason="x / scale is rounded, which counts shape (x / scale)^shape times",
    ),
    Case(
        family=pareto,
        points=[(2.0, 3.0), (0.01, 10.0), (1.0, 0.5), (300.0, 1.5), (5.0, 100.0)],
        oracle=pareto_oracle,
        grid=lambda scale, alpha: [scale, neighbours(scale)[1], *(scale * np.array([1.001, 1.5, 4.0, 100.0, 1e6, 1e30]))],
        outside=lambda scale, alpha: [neighbours(scale)[0], 0.5 * scale, 0.0, *BELOW_ZERO],
        smooth=lambda scale, alpha: scale * np.array([1.01, 1.5, 7.0]),
        invalid={"scale": [(bad, 1.0) for bad in BAD_POSITIVE], "alpha": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["scale", "alpha"],
        moments=lambda scale, alpha: alpha > 8.0,
    ),
    Case(
        family=gumbel,
        points=[(0.0, 1.0), (-1.5, 0.3), (100.0, 25.0), (0.5, 1e-3)],
        oracle=stats.gumbel_r,
        grid=lambda loc, scale: loc + scale * np.array([-80.0, -10.0, -2.0, -0.5, 0.0, 1e-3, 1.0, 5.0, 40.0, 1e6]),
        invalid=LOC_SCALE,
        pathwise=["loc", "scale"],
    ),
    Case(
        family=logistic,
        points=[(0.0, 1.0), (-1.5, 0.3), (100.0, 25.0), (0.5, 1e-3)],
        oracle=stats.logistic,
        grid=line,
        invalid=LOC_SCALE,
        pathwise=["loc", "scale"],
    ),
    Case(
        family=chi2,
        points=[(5.0,), (2.0,), (0.5,), (100.0,), (1e4,)],
        oracle=stats.chi2,
        grid=lambda df: [*positive(df), *stats.chi2(df).ppf(LEVELS)],
        outside=lambda *_: BELOW_ZERO,
        invalid={"df": [(bad,) for bad in BAD_POSITIVE]},
    ),
    Case(
        family=inv_chi2,
        points=[(5.0,), (1.0,), (40.0,), (1e4,), (20.0,)],
        oracle=lambda df: stats.invgamma(0.5 * df, scale=0.5),
        grid=lambda df: [1e-3 / df, 1e6, 1e30, *stats.invgamma(0.5 * df, scale=0.5).ppf(LEVELS)],
        outside=lambda *_: [0.0, *BELOW_ZERO],
        invalid={"df": [(bad,) for bad in BAD_POSITIVE]},
        moments=lambda df: df > 16.0,
    ),
    Case(
        family=scaled_inv_chi2,
        points=[(5.0, 2.0), (1.0, 0.1), (40.0, 30.0), (500.0, 1.0), (20.0, 0.5)],
        oracle=lambda df, scale: stats.invgamma(0.5 * df, scale=0.5 * df * scale**2),
        grid=lambda df, scale: [1e-3 * scale**2, 1e6 * scale**2, 1e30, *stats.invgamma(0.5 * df, scale=0.5 * df * scale**2).ppf(LEVELS)],
        outside=lambda *_: [0.0, *BELOW_ZERO],
        invalid={"df": [(bad, 1.0) for bad in BAD_POSITIVE], "scale": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["scale"],
        moments=lambda df, scale: df > 16.0,
    ),
    Case(
        family=rayleigh,
        points=[(1.0,), (0.01,), (50.0,)],
        oracle=lambda scale: stats.rayleigh(scale=scale),
        grid=lambda scale: positive(scale)[1:],
        outside=lambda scale: [0.0, *BELOW_ZERO],
        invalid={"scale": [(bad,) for bad in BAD_POSITIVE]},
        pathwise=["scale"],
    ),
    Case(
        family=log_logistic,
        points=[(3.0, 2.0), (1.0, 0.5), (0.5, 30.0), (20.0, 1e-3), (9.0, 1.0), (2.5, 1.0)],
        oracle=LogLogisticOracle,
        grid=lambda shape, scale: scale * np.array([0.0, 1e-10, 1e-3, 0.5, 0.99, 1.0, 1.5, 10.0, 1e5]),
        outside=lambda *_: BELOW_ZERO,
        invalid=SHAPE_SCALE,
        pathwise=["shape", "scale"],
        moments=lambda shape, scale: shape > 8.0,
    ),
]
