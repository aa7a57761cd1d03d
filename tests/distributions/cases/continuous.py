"""Continuous families on the line: scipy in float64, and for the truncated normal a formula over scipy's log_ndtr."""

import math

import numpy as np
from scipy import integrate, special, stats

from distributions.cases.case import Case
from genmlx.distributions.beta import beta
from genmlx.distributions.beta_uniform_mixture import beta_uniform_mixture
from genmlx.distributions.cauchy import cauchy
from genmlx.distributions.exponential import exponential
from genmlx.distributions.gamma import gamma
from genmlx.distributions.half import half_cauchy, half_normal
from genmlx.distributions.inv_gamma import inv_gamma
from genmlx.distributions.laplace import laplace
from genmlx.distributions.log_normal import log_normal
from genmlx.distributions.normal import normal
from genmlx.distributions.piecewise_uniform import piecewise_uniform
from genmlx.distributions.student_t import student_t
from genmlx.distributions.truncated_normal import truncated_normal
from genmlx.distributions.uniform import uniform

__all__ = ["CASES", "TruncatedNormalOracle"]

INF, NAN = math.inf, math.nan
BAD_POSITIVE = (0.0, -1.0, NAN, INF)  # what "positive" excludes
TAILS = np.array([0.0, 1e-3, 0.5, 1.0, 2.0, 5.0, 10.0, 40.0, 1e3, 1e6])
UNIT = np.array([1e-30, 1e-10, 1e-3, 0.2, 0.5, 0.7, 0.99, 1 - 1e-4, 1 - 2.0**-23, 1 - 2.0**-24])
QUANTILES = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
BELOW_ZERO = [-1e-30, -1e-3, -1.0, -1e10]


def line(loc, scale):
    """Both tails and the centre of a family on the line."""
    return np.concatenate([loc - scale * TAILS[::-1], loc + scale * TAILS])


def heavy(loc, scale):
    """The same, to where a square overflows in float32."""
    far = np.array([1e15, 1e20, 1e30])
    return np.concatenate([line(loc, scale), loc - scale * far, loc + scale * far])


def positive(scale):
    """From 0 to far beyond a scale."""
    return scale * np.concatenate([[0.0, 1e-30, 1e-10, 1e-5], TAILS[1:-2], [300.0]])


def neighbours(x):
    """The float32 numbers next to x, below and above."""
    x = np.float32(x)
    return float(np.nextafter(x, np.float32(-INF))), float(np.nextafter(x, np.float32(INF)))


def between(lo, hi):
    """Both edges, their inner neighbours, and the inside."""
    return [lo, neighbours(lo)[1], lo + 0.3 * (hi - lo), 0.5 * (lo + hi), neighbours(hi)[0], hi]


def beyond(lo, hi):
    """What is next to the edges, and far off."""
    return [neighbours(lo)[0], neighbours(hi)[1], lo - 1.0, hi + 1.0, -1e30, 1e30]


def laplace_oracle(loc, scale):
    law = stats.laplace(loc, scale)
    law.logpdf = lambda x: -np.abs(x - loc) / scale - np.log(2.0 * scale)  # scipy's is log(pdf), which underflows
    return law


def t_oracle(df, loc, scale):
    law = stats.t(df, loc, scale)
    if df <= 1.0:
        law.mean = lambda: NAN  # scipy says inf; the integral does not exist
    return law


class BetaUniformOracle:
    """theta Beta(a, b) + (1 - theta) U(0, 1)."""

    def __init__(self, theta, a, b):
        self.theta, self.beta, self.uniform = theta, stats.beta(a, b), stats.uniform()

    def _mix(self, peak, background):
        return self.theta * peak + (1.0 - self.theta) * background

    def logpdf(self, x):
        with np.errstate(divide="ignore"):
            return np.logaddexp(
                np.log(self.theta) + self.beta.logpdf(x), np.log(1.0 - self.theta) + self.uniform.logpdf(x)
            )

    def cdf(self, x):
        return self._mix(self.beta.cdf(x), self.uniform.cdf(x))

    def mean(self):
        return self._mix(self.beta.mean(), 0.5)

    def var(self):
        return self._mix(self.beta.moment(2), 1.0 / 3.0) - self.mean() ** 2


class TruncatedNormalOracle:
    """All from log_ndtr of the interval reflected to the left, in float64."""

    def __init__(self, mu, sigma, lo, hi):
        self.mu, self.sigma, self.lo, self.hi = mu, sigma, lo, hi
        self.sign = -1.0 if lo + hi > 2.0 * mu else 1.0
        self.a, self.b = sorted([self.sign * (lo - mu) / sigma, self.sign * (hi - mu) / sigma])
        self.log_mass = self._log_between(self.a, self.b)

    @staticmethod
    def _log_between(a, b):
        top, bottom = special.log_ndtr(b), special.log_ndtr(a)
        with np.errstate(divide="ignore"):
            return top + np.log(-np.expm1(bottom - top))

    def logpdf(self, x):
        inside = (x >= self.lo) & (x <= self.hi)
        z = (np.where(inside, x, np.clip(0.0, self.lo, self.hi)) - self.mu) / self.sigma
        return np.where(inside, -0.5 * z * z - np.log(self.sigma) - 0.5 * np.log(2.0 * np.pi) - self.log_mass, -INF)

    def cdf(self, x):
        inside = (x > self.lo) & (x < self.hi)
        z = self.sign * (np.where(inside, x, self.mu + self.sigma * self.sign * self.b) - self.mu) / self.sigma
        below = np.exp(self._log_between(self.a, z) - self.log_mass)
        return np.where(inside, below if self.sign > 0 else 1.0 - below, x >= self.hi)

    def ppf(self, q):
        part = q if self.sign > 0 else 1.0 - q
        with np.errstate(divide="ignore"):
            log_p = special.log_ndtr(self.b) + np.log(
                part + (1 - part) * np.exp(special.log_ndtr(self.a) - special.log_ndtr(self.b))
            )
        x = np.clip(self.mu + self.sigma * self.sign * special.ndtri_exp(log_p), self.lo, self.hi)
        return np.where(q == 0.0, self.lo, np.where(q == 1.0, self.hi, x))

    def _integral(self, f):
        # From the bound nearer to the mode, over forty of its own scales.
        start = max(min(self.b, 10.0), self.a)
        end = max(self.a, start - 20.0 if start > 0 else start - 40.0 / max(-start, 1.0))
        mode = [0.0] if end < 0.0 < start else None

        def g(z):
            return f(self.mu + self.sigma * self.sign * z) * np.exp(
                -0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - self.log_mass
            )

        return integrate.quad(g, end, start, points=mode, epsabs=1e-12, epsrel=1e-10, limit=200)[0]

    def mean(self):
        near = self.mu + self.sigma * self.sign * max(min(self.b, 10.0), self.a)
        return near + self._integral(lambda x: x - near)

    def var(self):
        mean = self.mean()
        return self._integral(lambda x: (x - mean) ** 2)

    def entropy(self):
        return self._integral(lambda x: -float(self.logpdf(x)))


def inside_truncated(mu, sigma, lo, hi):
    """Edges, and fractions of the mass."""
    law = TruncatedNormalOracle(mu, sigma, lo, hi)
    return np.clip([*(e for e in (lo, hi) if np.isfinite(e)), *law.ppf(np.array([1e-6, *QUANTILES, 1 - 1e-6]))], lo, hi)


def outside_truncated(mu, sigma, lo, hi):
    edges = [neighbours(lo)[0], lo - 1.0, neighbours(hi)[1], hi + 1.0]
    return [e for e in edges if np.isfinite(e)]


def middle_truncated(mu, sigma, lo, hi):
    return TruncatedNormalOracle(mu, sigma, lo, hi).ppf(np.array([0.1, 0.3, 0.5, 0.7, 0.9]))


CASES = [
    Case(
        family=normal,
        points=[(0.0, 1.0), (-1.5, 0.3), (100.0, 25.0), (0.5, 1e-3)],
        oracle=lambda mu, sigma: stats.norm(mu, sigma),
        grid=line,
        invalid={"mu": [(INF, 1.0), (NAN, 1.0)], "sigma": [(0.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["mu", "sigma"],
    ),
    Case(
        family=uniform,
        points=[(0.0, 1.0), (-1.5, 2.25), (0.1, 0.3), (-1e6, 1e6)],
        oracle=lambda lo, hi: stats.uniform(lo, hi - lo),
        grid=between,
        outside=beyond,
        smooth=lambda lo, hi: lo + np.array([0.1, 0.5, 0.8]) * (hi - lo),
        invalid={
            "lo": [(-INF, 1.0), (NAN, 1.0)],
            "hi": [(0.0, 0.0), (0.0, -1.0), (0.0, INF), (0.0, NAN)],
        },
        pathwise=["lo", "hi"],
    ),
    Case(
        name="uniform_offset",
        family=uniform,
        points=[(1e4, 1e4 + 0.125), (-64.0, -64.0 + 2.0**-10)],
        oracle=lambda lo, hi: stats.uniform(lo, hi - lo),
        grid=between,
        outside=beyond,
        gof=False,  # there are only 128 floats in the interval
        gradients=[],  # a finite difference needs a step wider than it
    ),
    Case(
        family=exponential,
        points=[(1.0,), (0.02,), (300.0,)],
        oracle=lambda rate: stats.expon(scale=1.0 / rate),
        grid=lambda rate: positive(1.0 / rate),
        outside=lambda rate: BELOW_ZERO,
        invalid={"rate": [(bad,) for bad in BAD_POSITIVE]},
        pathwise=["rate"],
    ),
    Case(
        family=laplace,
        points=[(0.0, 1.0), (2.0, 0.001), (-30.0, 7.0)],
        oracle=laplace_oracle,
        grid=line,
        smooth=lambda loc, scale: loc + scale * np.array([-9.0, -0.5, 0.3, 1.7]),
        invalid={"loc": [(INF, 1.0)], "scale": [(0.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["loc", "scale"],
    ),
    Case(
        family=cauchy,
        points=[(0.0, 1.0), (2.0, 0.01), (-30.0, 700.0)],
        oracle=stats.cauchy,
        grid=heavy,
        invalid={"loc": [(NAN, 1.0)], "scale": [(0.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["loc", "scale"],
        moments=lambda *_: False,
        undefined=["mean", "variance"],
    ),
    Case(
        family=log_normal,
        points=[(0.0, 0.5), (-2.0, 0.1), (3.0, 2.0)],
        oracle=lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
        grid=lambda mu, sigma: [0.0, 1e-30, 1e30, *np.exp(mu + sigma * np.linspace(-12.0, 12.0, 13))],
        outside=lambda *_: [0.0, *BELOW_ZERO],
        invalid={"mu": [(INF, 1.0)], "sigma": [(0.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["mu", "sigma"],
        moments=lambda mu, sigma: sigma <= 0.5,
    ),
    Case(
        family=half_normal,
        points=[(1.0,), (0.01,), (50.0,)],
        oracle=lambda sigma: stats.halfnorm(scale=sigma),
        grid=positive,
        outside=lambda sigma: BELOW_ZERO,
        invalid={"sigma": [(bad,) for bad in BAD_POSITIVE]},
        pathwise=["sigma"],
    ),
    Case(
        family=half_cauchy,
        points=[(1.0,), (0.01,), (50.0,)],
        oracle=lambda scale: stats.halfcauchy(scale=scale),
        grid=lambda scale: [*positive(scale), 1e15 * scale, 1e20 * scale, 1e30 * scale],
        outside=lambda scale: BELOW_ZERO,
        invalid={"scale": [(bad,) for bad in BAD_POSITIVE]},
        pathwise=["scale"],
        moments=lambda *_: False,
        undefined=["mean", "variance"],
    ),
    Case(
        family=student_t,
        points=[
            (12.0, 0.0, 1.0),
            (2.0, 2.1, 2.0),
            (1.0, 0.8, 4.0),
            (0.3, -5.0, 0.1),
            (1e4, 3.0, 2.0),
            (30.0, 0.0, 0.5),
        ],
        oracle=t_oracle,
        grid=lambda df, loc, scale: heavy(loc, scale),
        invalid={
            "df": [(bad, 0.0, 1.0) for bad in BAD_POSITIVE],
            "loc": [(2.0, INF, 1.0)],
            "scale": [(2.0, 0.0, bad) for bad in BAD_POSITIVE],
        },
        pathwise=["loc", "scale"],
        moments=lambda df, *_: df > 8.0,
    ),
    Case(
        family=gamma,
        points=[(2.0, 3.0), (1.0, 0.5), (0.3, 2.0), (50.0, 10.0), (1e4, 100.0), (1.0 + 2.0**-13, 1.0)],
        oracle=lambda shape, rate: stats.gamma(shape, scale=1.0 / rate),
        grid=lambda shape, rate: [
            *positive(shape / rate),
            *stats.gamma(shape, scale=1.0 / rate).ppf([1e-9, *QUANTILES, 1 - 1e-9]),
        ],
        outside=lambda *_: BELOW_ZERO,
        invalid={"shape": [(bad, 1.0) for bad in BAD_POSITIVE], "rate": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["rate"],
    ),
    Case(
        name="gamma scale",
        family=gamma.alternatives[frozenset({"shape", "scale"})],
        points=[(2.0, 3.0), (0.3, 2.0), (50.0, 10.0)],
        oracle=lambda shape, scale: stats.gamma(shape, scale=scale),
        grid=lambda shape, scale: positive(shape * scale),
        outside=lambda *_: BELOW_ZERO,
        invalid={"shape": [(bad, 1.0) for bad in BAD_POSITIVE], "scale": [(2.0, bad) for bad in (-1.0, NAN, INF)]},
        pathwise=["scale"],
    ),
    Case(
        name="gamma_extreme",
        family=gamma,
        points=[(0.001, 1.0), (1.0, 1000.0), (1e-6, 5.0), (1e6, 1e-3)],
        oracle=lambda shape, rate: stats.gamma(shape, scale=1.0 / rate),
        grid=lambda shape, rate: [0.0, 0.4, 1e-30, 1e-5, shape / rate, 1.001 * shape / rate, 50.0 / rate],
        smooth=lambda shape, rate: np.array([0.5, 0.999, 1.002, 20.0]) * (shape / rate),
        sampler=False,  # most draws of shape 0.001 are below the smallest float
        rtol=2e-5,
        reason="shape 1e6: x * (rate / shape) is rounded, which counts shape |x rate / shape - 1| times",
    ),
    Case(
        family=inv_gamma,
        points=[(3.0, 2.0), (0.5, 1.0), (20.0, 300.0), (1e4, 1e4), (1.0, 1e-3)],
        oracle=lambda shape, scale: stats.invgamma(shape, scale=scale),
        grid=lambda shape, scale: [
            1e-3 * scale / shape,
            1e6 * scale,
            1e30,
            *stats.invgamma(shape, scale=scale).ppf([1e-9, *QUANTILES, 1 - 1e-9]),
        ],
        outside=lambda *_: [0.0, *BELOW_ZERO],
        invalid={"shape": [(bad, 1.0) for bad in BAD_POSITIVE], "scale": [(2.0, bad) for bad in BAD_POSITIVE]},
        pathwise=["scale"],
        moments=lambda shape, scale: shape > 8.0,
    ),
    Case(
        family=beta,
        points=[(2.0, 2.0), (0.5, 0.5), (1.0, 3.0), (20.0, 5.0), (300.0, 700.0), (1.0, 1.0), (4.0, 1.0)],
        oracle=stats.beta,
        grid=lambda a, b: [0.0, 1.0, *UNIT, *stats.beta(a, b).ppf(QUANTILES)],
        outside=lambda *_: beyond(0.0, 1.0),
        smooth=lambda a, b: stats.beta(a, b).ppf([0.1, 0.3, 0.5, 0.7, 0.9]),
        invalid={"a": [(bad, 1.0) for bad in BAD_POSITIVE], "b": [(2.0, bad) for bad in BAD_POSITIVE]},
    ),
    Case(
        name="beta_extreme",
        family=beta,
        points=[(0.001, 1.0), (1.0, 0.001), (0.001, 0.001), (1e4, 3e4), (1e6, 0.01), (1e5, 1.0)],
        oracle=stats.beta,
        grid=lambda a, b: [0.0, 1.0, 0.4, *UNIT, a / (a + b)],
        smooth=lambda a, b: np.clip(stats.beta(a, b).ppf([0.02, 0.25, 0.98]), 1e-6, 0.99),
        sampler=False,  # most draws are below the smallest float, or 1
    ),
    Case(
        family=beta_uniform_mixture,
        points=[(0.5, 2.0, 2.0), (0.9, 0.5, 3.0), (0.25, 60.0, 20.0), (0.01, 1.0, 1.0)],
        oracle=BetaUniformOracle,
        grid=lambda theta, a, b: [0.0, 1.0, *UNIT],
        outside=lambda *_: beyond(0.0, 1.0),
        smooth=lambda *_: [0.1, 0.3, 0.7, 0.9],
        invalid={
            "theta": [(-0.1, 2.0, 2.0), (1.1, 2.0, 2.0), (NAN, 2.0, 2.0)],
            "a": [(0.5, bad, 1.0) for bad in BAD_POSITIVE],
            "b": [(0.5, 2.0, bad) for bad in BAD_POSITIVE],
        },
    ),
    Case(
        name="beta_uniform_mixture_of_one",
        family=beta_uniform_mixture,
        points=[(0.0, 2.0, 3.0), (1.0, 2.0, 3.0), (1.0, 300.0, 300.0)],
        oracle=BetaUniformOracle,
        grid=lambda theta, a, b: [0.0, 1.0, *UNIT],
        smooth=lambda *_: [0.1, 0.3, 0.7, 0.9],
        gradients=["x", "a", "b"],
    ),
    Case(
        family=piecewise_uniform,
        points=[
            ([0.0, 1.0, 3.0], [1.0, 3.0]),
            ([-5.0, 0.25, 0.5], [0.001, 7.0]),
            ([0.0, 1.0, 2.0], [0.0, 2.0]),
            ([-1.0, 0.0, 0.5, 10.0, 11.0], [3.0, 0.0, 0.0, 1.0]),
        ],
        oracle=lambda bounds, probs: stats.rv_histogram((probs, bounds), density=False),
        grid=lambda bounds, probs: [
            *bounds,
            *(0.5 * (bounds[1:] + bounds[:-1])),
            neighbours(bounds[1])[0],
            neighbours(bounds[-1])[0],
        ],
        outside=lambda bounds, probs: [neighbours(bounds[0])[0], bounds[-1], -1e30, 1e30],
        smooth=lambda bounds, probs: np.full(2, 0.5 * (bounds[-2] + bounds[-1])),
        invalid={
            "bounds": [([0.0, 0.0, 1.0], [1.0, 1.0]), ([0.0, 1.0, INF], [1.0, 1.0]), ([1.0, 0.0, 2.0], [1.0, 1.0])],
            "probs": [([0.0, 1.0, 2.0], [0.0, 0.0]), ([0.0, 1.0, 2.0], [-1.0, 2.0]), ([0.0, 1.0, 2.0], [NAN, 1.0])],
        },
        gradients=["x"],
    ),
    Case(
        family=truncated_normal,
        points=[
            (0.0, 1.0, -1.0, 2.0),
            (0.0, 1.0, 6.0, 8.0),
            (0.0, 1.0, -8.0, -6.0),
            (1.0, 2.0, -9.0, 1.5),
            (0.5, 0.1, 0.0, 1.0),
            (0.0, 100.0, 0.0, 10.0),
            (0.0, 1.0, 30.0, 31.0),
            (5.0, 1.0, -100.0, 3.0),
        ],
        oracle=TruncatedNormalOracle,
        grid=inside_truncated,
        outside=outside_truncated,
        smooth=middle_truncated,
        invalid={
            "mu": [(INF, 1.0, 0.0, 1.0)],
            "sigma": [(0.0, bad, 0.0, 1.0) for bad in BAD_POSITIVE],
            "lo": [(0.0, 1.0, NAN, 1.0)],
            "hi": [(0.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0, -1.0), (0.0, 1.0, 0.0, NAN)],
        },
        pathwise=["mu", "sigma", "lo", "hi"],
        quantile_atol=2e-6,
        reason="z is found to 1e-7, which is 1e-6 of the mass of an interval of width 0.1 sigma",
    ),
    Case(
        name="truncated_normal_above",
        family=truncated_normal,
        points=[
            (0.0, 1.0, 0.0, INF),
            (1.0, 2.0, 0.0, INF),
            (-3.0, 1.0, 0.0, INF),
            (0.0, 1.0, 12.0, INF),
            (0.0, 1.0, -7.0, INF),
        ],
        oracle=TruncatedNormalOracle,
        grid=inside_truncated,
        outside=outside_truncated,
        smooth=middle_truncated,
        gradients=["x", "mu", "sigma", "lo"],
        pathwise=["mu", "sigma", "lo"],
    ),
    Case(
        name="truncated_normal_below",
        family=truncated_normal,
        points=[(0.0, 1.0, -INF, 0.5), (1.0, 2.0, -INF, -40.0), (2.0, 0.5, -INF, 9.0)],
        oracle=TruncatedNormalOracle,
        grid=inside_truncated,
        outside=outside_truncated,
        smooth=middle_truncated,
        gradients=["x", "mu", "sigma", "hi"],
        pathwise=["mu", "sigma", "hi"],
    ),
    Case(
        name="truncated_normal_narrow",
        family=truncated_normal,
        points=[
            (-5.0, 1.0, 0.0, 2.0**-17),
            (0.0, 1.0, -(2.0**-18), 2.0**-17),
            (0.0, 2.0**20, 0.0, 1.0),
            (-1000.0, 1.0, 0.0, 2.0**-7),
            (3.0, 1.0, -1000.0, 0.0),
        ],
        oracle=TruncatedNormalOracle,
        grid=inside_truncated,
        outside=outside_truncated,
        smooth=middle_truncated,
        gradients=[],  # finite differences need steps wider than the interval
    ),
    Case(
        name="truncated_normal_few_floats",
        family=truncated_normal,
        points=[(0.0, 1.0, 5.0, 5.0 + 2.0**-17), (0.0, 1.0, 1000.0, 1000.0 + 2.0**-7), (0.0, 1.0, -1000.0, 3.0)],
        oracle=TruncatedNormalOracle,
        grid=inside_truncated,
        outside=outside_truncated,
        smooth=middle_truncated,
        gradients=[],
        sampler=False,  # the draws of the first are 16 floats
    ),
]
