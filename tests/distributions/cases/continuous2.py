"""More continuous families: scipy in float64, or a formula where scipy has none."""

import numpy as np
from scipy import integrate, special, stats

from distributions.cases.case import Case
from distributions.cases.continuous import (
    BAD_POSITIVE,
    BELOW_ZERO,
    INF,
    NAN,
    QUANTILES,
    UNIT,
    beyond,
    line,
    neighbours,
    positive,
)
from genmlx.distributions.asymmetric_laplace import asymmetric_laplace
from genmlx.distributions.beta_mean import beta_mean
from genmlx.distributions.chi2 import chi2, inv_chi2, scaled_inv_chi2
from genmlx.distributions.exp_modified_normal import exp_modified_normal
from genmlx.distributions.frechet import frechet
from genmlx.distributions.generalised_pareto import generalised_pareto
from genmlx.distributions.gompertz import gompertz
from genmlx.distributions.gumbel import gumbel
from genmlx.distributions.half_student_t import half_student_t
from genmlx.distributions.inverse_gaussian import inverse_gaussian
from genmlx.distributions.kumaraswamy import kumaraswamy
from genmlx.distributions.levy import levy
from genmlx.distributions.logistic import log_logistic, logistic
from genmlx.distributions.logit_normal import logit_normal
from genmlx.distributions.pareto import pareto
from genmlx.distributions.skew_normal import skew_normal
from genmlx.distributions.weibull import rayleigh, weibull
from genmlx.distributions.wrapped import wrapped_cauchy, wrapped_normal

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

        def ppf(self, q):
            return np.where(np.asarray(q) < 0.5, law.ppf(0.5 + 0.5 * q), law.isf(0.5 - 0.5 * q))

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


def frechet_oracle(shape, scale):
    law = stats.invweibull(shape, scale=scale)

    def logpdf(x):  # scipy's is log(pdf), which underflows
        y = np.log(np.where(np.asarray(x) > 0.0, x, 1.0) / scale)
        return np.where(np.asarray(x) > 0.0, np.log(shape / scale) - (shape + 1.0) * y - np.exp(-shape * y), -INF)

    law.logpdf = logpdf
    if shape <= 2.0:  # scipy says NaN
        law.var = lambda: INF
    if shape <= 1.0:
        law.mean = lambda: INF
    return law


def asymmetric_laplace_oracle(loc, scale, kappa):
    law = stats.laplace_asymmetric(kappa, loc, scale)

    def cdf(x):  # scipy's exponential overflows in the branch that is not taken
        z = (np.asarray(x) - loc) / scale
        below = kappa**2 / (1.0 + kappa**2) * np.exp(np.minimum(z, 0.0) / kappa)
        return np.where(z < 0.0, below, 1.0 - np.exp(-kappa * np.maximum(z, 0.0)) / (1.0 + kappa**2))

    law.cdf = cdf
    return law


class KumaraswamyOracle:
    """X^a is Beta(1, b)."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    def logpdf(self, x):
        inside = (np.asarray(x) >= 0.0) & (np.asarray(x) <= 1.0)
        y = np.where(inside, x, 0.5)
        with np.errstate(divide="ignore"):
            rest = special.xlogy(self.b - 1.0, -np.expm1(self.a * np.log(y)))
        return np.where(inside, np.log(self.a * self.b) + special.xlogy(self.a - 1.0, y) + rest, -INF)

    def cdf(self, x):
        return stats.beta(1.0, self.b).cdf(np.clip(x, 0.0, 1.0) ** self.a)

    def ppf(self, q):
        return stats.beta(1.0, self.b).ppf(q) ** (1.0 / self.a)

    def _moment(self, n):
        return self.b * special.beta(1.0 + n / self.a, self.b)

    def mean(self):
        return self._moment(1)

    def var(self):
        return self._moment(2) - self._moment(1) ** 2

    def entropy(self):
        return integrate.quad(lambda q: -float(self.logpdf(self.ppf(q))), 0.0, 1.0, epsabs=1e-11, limit=500)[0]


class LogitNormalOracle:
    """The log odds are normal."""

    def __init__(self, mu, sigma):
        self.law = stats.norm(mu, sigma)

    def logpdf(self, x):
        inside = (np.asarray(x) > 0.0) & (np.asarray(x) < 1.0)
        y = np.where(inside, x, 0.5)
        return np.where(inside, self.law.logpdf(special.logit(y)) - np.log(y) - np.log1p(-y), -INF)

    def cdf(self, x):
        return self.law.cdf(special.logit(np.clip(x, 0.0, 1.0)))

    def ppf(self, q):
        return special.expit(self.law.ppf(q))

    def _moment(self, f):
        return integrate.quad(
            lambda z: f(special.expit(self.law.mean() + self.law.std() * z)) * stats.norm.pdf(z), -9, 9
        )[0]

    def mean(self):
        return self._moment(lambda x: x)

    def var(self):
        mean = self.mean()
        return self._moment(lambda x: (x - mean) ** 2)


def generalised_pareto_oracle(loc, scale, shape):
    law = stats.genpareto(shape, loc, scale)
    if shape >= 0.5:  # scipy says NaN beyond
        law.var = lambda: INF
    return law


class CircularOracle:
    """From the Fourier series, or many turns."""

    def __init__(self, wrapped_pdf, centre, lifted):
        self.pdf, self.centre, self.lifted = wrapped_pdf, centre, lifted

    def logpdf(self, x):
        inside = np.abs(x) <= float(np.float32(np.pi)) + 1e-9
        with np.errstate(divide="ignore"):
            return np.where(inside, np.log(self.pdf(np.where(inside, x, 0.0) - self.centre)), -INF)

    def cdf(self, x):
        return self.lifted(np.clip(x, -np.pi, np.pi) - self.centre) - self.lifted(-np.pi - self.centre)

    def entropy(self):
        return integrate.quad(
            lambda x: -float(self.logpdf(x)) * np.exp(float(self.logpdf(x))),
            -np.pi,
            np.pi,
            points=[self.centre],
            epsabs=1e-11,
            limit=500,
        )[0]


def wrapped_normal_oracle(mu, sigma):
    turns = 2.0 * np.pi * np.arange(-60, 61)
    law = stats.norm(0.0, sigma)
    return CircularOracle(
        lambda d: law.pdf(np.asarray(d)[..., None] + turns).sum(-1),
        mu,
        lambda d: law.cdf(np.asarray(d)[..., None] + turns).sum(-1),
    )


def wrapped_cauchy_oracle(loc, scale):
    rho = np.exp(-scale)

    def lifted(d):
        turns = np.round(d / (2.0 * np.pi))
        half = 0.5 * (d - 2.0 * np.pi * turns)
        return turns + np.arctan2((1.0 + rho) * np.sin(half), (1.0 - rho) * np.cos(half)) / np.pi

    return CircularOracle(
        lambda d: -np.expm1(-2.0 * scale) / (2.0 * np.pi * (np.expm1(-scale) ** 2 + 4.0 * rho * np.sin(0.5 * d) ** 2)),
        loc,
        lifted,
    )


ANGLES = [-3.1415925, -3.0, -1.5, -0.5, 0.0, 1e-3, 0.5, 1.0, 2.5, 3.1415925]


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
        grid=lambda shape, scale: [
            0.0,
            1e-10 * scale,
            1e-3 * scale,
            scale,
            *stats.weibull_min(shape, scale=scale).ppf(LEVELS),
        ],
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
        grid=lambda scale, alpha: [
            scale,
            neighbours(scale)[1],
            *(scale * np.array([1.001, 1.5, 4.0, 100.0, 1e6, 1e30])),
        ],
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
        grid=lambda df, scale: [
            1e-3 * scale**2,
            1e6 * scale**2,
            1e30,
            *stats.invgamma(0.5 * df, scale=0.5 * df * scale**2).ppf(LEVELS),
        ],
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
    Case(
        family=kumaraswamy,
        points=[(2.0, 3.0), (0.5, 0.5), (1.0, 3.0), (5.0, 40.0), (1.0, 1.0), (4.0, 1.0), (3.0, 0.7)],
        oracle=KumaraswamyOracle,
        grid=lambda a, b: [0.0, 1.0, *UNIT, *KumaraswamyOracle(a, b).ppf(QUANTILES)],
        outside=lambda *_: beyond(0.0, 1.0),
        smooth=lambda a, b: KumaraswamyOracle(a, b).ppf(np.array([0.1, 0.3, 0.5, 0.7, 0.9])),
        invalid={"a": [(bad, 1.0) for bad in BAD_POSITIVE], "b": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["a", "b"],
    ),
    Case(
        family=frechet,
        points=[(3.0, 2.0), (1.0, 0.5), (0.5, 30.0), (20.0, 1e-3), (9.0, 1.0), (2.5, 1.0)],
        oracle=frechet_oracle,
        grid=lambda shape, scale: [
            1e-3 ** (1 / shape) * scale,
            scale,
            1e3 * scale,
            *stats.invweibull(shape, scale=scale).ppf(LEVELS),
        ],
        outside=lambda *_: [0.0, *BELOW_ZERO],
        invalid=SHAPE_SCALE,
        pathwise=["shape", "scale"],
        moments=lambda shape, scale: shape > 8.0,
    ),
    Case(
        family=levy,
        points=[(0.0, 1.0), (2.0, 0.5), (-30.0, 700.0)],
        oracle=stats.levy,
        grid=lambda loc, scale: loc + scale * np.array([1e-2, 0.1, 0.5, 1.0, 3.0, 100.0, 1e6, 1e20]),
        outside=lambda loc, scale: [loc, neighbours(loc)[0], loc - 1.0, -1e30],
        smooth=lambda loc, scale: loc + scale * np.array([0.1, 0.5, 3.0, 50.0]),
        invalid=LOC_SCALE,
        pathwise=["loc", "scale"],
        moments=lambda *_: False,
    ),
    Case(
        family=skew_normal,
        points=[(0.0, 1.0, 2.0), (-1.5, 0.3, 0.0), (100.0, 25.0, -5.0), (0.5, 1e-3, 0.5), (1.0, 2.0, 30.0)],
        oracle=lambda loc, scale, alpha: stats.skewnorm(alpha, loc, scale),
        grid=lambda loc, scale, alpha: line(loc, scale),
        invalid={
            "loc": [(INF, 1.0, 1.0)],
            "scale": [(0.0, bad, 1.0) for bad in BAD_POSITIVE],
            "alpha": [(0.0, 1.0, NAN), (0.0, 1.0, INF)],
        },
        pathwise=["loc", "scale"],
    ),
    Case(
        family=asymmetric_laplace,
        points=[(0.0, 1.0, 1.0), (2.0, 0.01, 2.0), (-30.0, 7.0, 0.3), (1.0, 2.0, 10.0)],
        oracle=asymmetric_laplace_oracle,
        grid=lambda loc, scale, kappa: line(loc, scale),
        smooth=lambda loc, scale, kappa: loc + scale * np.array([-9.0, -0.5, 0.3, 1.7]),
        invalid={
            "loc": [(INF, 1.0, 1.0)],
            "scale": [(0.0, bad, 1.0) for bad in BAD_POSITIVE],
            "kappa": [(0.0, 1.0, bad) for bad in BAD_POSITIVE],
        },
        pathwise=["loc", "scale", "kappa"],
    ),
    Case(
        family=inverse_gaussian,
        points=[(2.0, 3.0), (1.0, 0.1), (0.01, 5.0), (50.0, 20.0), (3.0, 300.0)],
        oracle=lambda mu, lam: stats.invgauss(mu / lam, scale=lam),
        grid=lambda mu, lam: [1e-3 * lam, 100.0 * mu, 1e3 * mu, *stats.invgauss(mu / lam, scale=lam).ppf(LEVELS[1:-1])],
        outside=lambda *_: [0.0, *BELOW_ZERO],
        invalid={"mu": [(bad, 1.0) for bad in BAD_POSITIVE], "lam": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["mu", "lam"],
        moments=lambda mu, lam: mu < 5.0 * lam,
    ),
    Case(
        family=exp_modified_normal,
        points=[(0.0, 1.0, 1.0), (1.0, 2.0, 0.5), (-30.0, 0.1, 0.01), (2.0, 3.0, 10.0), (0.0, 1.0, 1e-3)],
        oracle=lambda mu, sigma, rate: stats.exponnorm(1.0 / (rate * sigma), mu, sigma),
        grid=lambda mu, sigma, rate: [*line(mu, sigma), mu + rate * sigma**2, mu + 3.0 / rate, mu + 20.0 / rate],
        invalid={
            "mu": [(INF, 1.0, 1.0)],
            "sigma": [(0.0, bad, 1.0) for bad in BAD_POSITIVE],
            "rate": [(0.0, 1.0, bad) for bad in BAD_POSITIVE],
        },
        pathwise=["mu"],
    ),
    Case(
        family=gompertz,
        points=[(0.5, 2.0), (1.0, 1.0), (1e-3, 10.0), (30.0, 0.01), (3.0, 50.0)],
        oracle=lambda shape, scale: stats.gompertz(shape, scale=scale),
        grid=lambda shape, scale: [
            *(scale * np.array([0.0, 1e-10, 1e-3, 0.5, 3.0])),
            *stats.gompertz(shape, scale=scale).ppf(LEVELS),
        ],
        outside=lambda *_: BELOW_ZERO,
        invalid=SHAPE_SCALE,
        pathwise=["shape", "scale"],
    ),
    Case(
        family=logit_normal,
        points=[(0.0, 1.0), (0.5, 2.0), (-3.0, 0.1), (2.0, 0.5)],
        oracle=LogitNormalOracle,
        grid=lambda mu, sigma: [*UNIT, *LogitNormalOracle(mu, sigma).ppf(LEVELS)],
        outside=lambda *_: [0.0, 1.0, *beyond(0.0, 1.0)],
        smooth=lambda mu, sigma: LogitNormalOracle(mu, sigma).ppf(np.array([0.1, 0.3, 0.5, 0.7, 0.9])),
        invalid={"mu": [(INF, 1.0), (NAN, 1.0)], "sigma": [(0.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["mu", "sigma"],
    ),
    Case(
        family=generalised_pareto,
        points=[
            (1.0, 2.0, 0.125),
            (0.0, 1.0, 0.0),
            (-30.0, 0.5, 1.5),
            (0.0, 4.0, -0.5),
            (0.0, 2.0, -1.0),
            (2.0, 1.0, 1e-3),
            (0.0, 1.0, -(2.0**-20)),
            (0.0, 1.0, -2.0),
        ],
        oracle=generalised_pareto_oracle,
        grid=lambda loc, scale, shape: [
            loc,
            loc + 2.0**-10 * scale,
            loc + 0.25 * scale,
            *(
                (loc + scale * np.array([1.5, 10.0, 1e3]))
                if shape > -1e-3
                else [loc - 0.5 * scale / shape, loc - 0.9 * scale / shape]
            ),
        ],
        outside=lambda loc, scale, shape: [
            neighbours(loc)[0],
            loc - 1.0,
            -1e30,
            *([1.001 * (loc - scale / shape), 1e30] if shape < 0.0 else []),
        ],
        smooth=lambda loc, scale, shape: stats.genpareto(shape, loc, scale).ppf([0.1, 0.4, 0.6, 0.9]),
        invalid={
            "loc": [(INF, 1.0, 1.0)],
            "scale": [(0.0, bad, 1.0) for bad in BAD_POSITIVE],
            "shape": [(0.0, 1.0, NAN), (0.0, 1.0, INF)],
        },
        pathwise=["loc", "scale", "shape"],
        moments=lambda loc, scale, shape: shape < 0.2,
    ),
    Case(
        name="generalised_pareto_ends",
        family=generalised_pareto,
        points=[(0.0, 4.0, -0.5), (0.0, 2.0, -1.0), (0.0, 1.0, -2.0)],
        oracle=lambda loc, scale, shape: stats.genpareto(shape, loc, scale),
        grid=lambda loc, scale, shape: [loc - scale / shape, loc - 0.75 * scale / shape],
        outside=lambda loc, scale, shape: [neighbours(loc - scale / shape)[1]],
        gradients=[],
    ),
    Case(
        name="beta_mean",
        family=beta_mean,
        points=[(0.5, 4.0), (0.25, 2.0), (0.75, 100.0), (0.5, 2.0), (0.125, 1.0)],
        oracle=lambda mean, concentration: stats.beta(mean * concentration, (1.0 - mean) * concentration),
        grid=lambda mean, k: [0.0, 1.0, *UNIT, *stats.beta(mean * k, (1.0 - mean) * k).ppf(QUANTILES)],
        outside=lambda *_: beyond(0.0, 1.0),
        smooth=lambda mean, k: stats.beta(mean * k, (1.0 - mean) * k).ppf([0.2, 0.3, 0.5, 0.7, 0.9]),
        invalid={
            "mean": [(bad, 1.0) for bad in (0.0, 1.0, -0.5, 1.5, NAN)],
            "concentration": [(0.5, bad) for bad in BAD_POSITIVE],
        },
    ),
    Case(
        family=wrapped_normal,
        points=[(0.5, 2.0), (-1.0, 0.125), (3.0, 1.0), (0.0, 2.5), (0.25, 2.625), (-3.0, 5.0), (10.0, 0.5)],
        oracle=wrapped_normal_oracle,
        grid=lambda mu, sigma: [*ANGLES, np.remainder(mu + np.pi, 2 * np.pi) - np.pi],
        outside=lambda *_: [3.2, -3.2, 7.0, 1e30, -1e30],
        smooth=lambda *_: [-3.0, -1.5, -0.5, 0.3, 1.0, 2.5],
        invalid={"mu": [(INF, 1.0), (NAN, 1.0)], "sigma": [(0.0, bad) for bad in BAD_POSITIVE]},
        moments=lambda *_: False,
    ),
    Case(
        family=wrapped_cauchy,
        points=[(0.5, 1.0), (-1.0, 0.125), (3.0, 1e-3), (0.0, 10.0), (2.0, 3.0)],
        oracle=wrapped_cauchy_oracle,
        grid=lambda loc, scale: [*ANGLES, loc],
        outside=lambda *_: [3.2, -3.2, 7.0, 1e30, -1e30],
        smooth=lambda *_: [-3.0, -1.5, -0.5, 0.3, 1.0, 2.5],
        invalid=LOC_SCALE,
        moments=lambda *_: False,
    ),
    Case(
        name="log_logistic_steep",
        family=log_logistic,
        points=[(60.0, 3.0), (100.0, 7.0)],
        oracle=LogLogisticOracle,
        grid=lambda shape, scale: scale * np.array([0.0, 0.5, 0.95, 1.0, 1.05, 1.5]),
        rtol=1e-4,
        reason="x / scale is rounded, which counts shape times",
    ),
    Case(
        name="scaled_inv_chi2_narrow",
        family=scaled_inv_chi2,
        points=[(1e4, 1.0), (2000.0, 0.5)],
        oracle=lambda df, scale: stats.invgamma(0.5 * df, scale=0.5 * df * scale**2),
        grid=lambda df, scale: stats.invgamma(0.5 * df, scale=0.5 * df * scale**2).ppf(LEVELS),
        rtol=1e-4,
        reason="scale^2 / x is rounded, which counts df |scale^2 / x - 1| / 2 times",
    ),
]
