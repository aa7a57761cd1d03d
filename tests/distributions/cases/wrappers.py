"""Families made of others: the battery sees them through `Made`, a family of all their numbers."""

import numpy as np
from scipy import stats

from distributions.cases.case import Case, Oracle
from genmlx.core.distribution import Distribution
from genmlx.distributions import bijectors
from genmlx.distributions.binomial import binomial
from genmlx.distributions.exponential import exponential
from genmlx.distributions.gamma import gamma
from genmlx.distributions.laplace import laplace
from genmlx.distributions.multivariate_normal import multivariate_normal
from genmlx.distributions.normal import normal
from genmlx.distributions.poisson import poisson
from genmlx.distributions.product import product
from genmlx.distributions.transformed import transformed
from genmlx.distributions.truncated import truncated
from genmlx.distributions.zero_inflated import zero_inflated
from genmlx.numerics import domains

__all__ = ["CASES", "Made"]

NAN, INF = float("nan"), float("inf")


class Made(Distribution):
    """The family of the calls ``make(*params)``; what ``of`` defines, this defines."""

    def __init__(self, make, of, **params):
        self.name, self.params, self._make = of.name, params, make
        self.event_ndim, self.discrete = of.event_ndim, of.discrete
        self.pathwise = () if of.discrete else tuple(params)

    def check(self, params):
        call = self._make(*params)
        call.gen_fn.check(call.args)

    def _of_call(self, what, before, params, *after):
        call = self._make(*params)
        return getattr(call.gen_fn, what)(*before, *call.args, *after)

    def batch_shape(self, *params):
        return self._of_call("batch_shape", (), params)

    def event_shape(self, *params):
        return self._of_call("event_shape", (), params)

    def support(self, *params):
        return self._of_call("support", (), params)

    def sample(self, key, *args):
        return self._of_call("sample", (key,), args[:-1], args[-1])

    def rsample(self, key, *args):
        return self._of_call("rsample", (key,), args[:-1], args[-1])

    def log_prob(self, x, *params):
        return self._of_call("log_prob", (x,), params)


class WithMoments(Made):
    def mean(self, *params):
        return self._of_call("mean", (), params)

    def variance(self, *params):
        return self._of_call("variance", (), params)


class WithQuantiles(Made):
    def cdf(self, x, *params):
        return self._of_call("cdf", (x,), params)

    def quantile(self, q, *params):
        return self._of_call("quantile", (q,), params)


REAL, POSITIVE, PROBABILITY = domains.real, domains.positive, domains.unit_interval
BOUND = domains.real_or_infinite


class Like:
    """What `Made` must know of a family beforehand."""

    def __init__(self, name, event_ndim=0, discrete=False):
        self.name, self.event_ndim, self.discrete = name, event_ndim, discrete


def inflated(frozen, p):
    zero = p + (1 - p) * frozen.pmf(0)
    mean, var = frozen.mean(), frozen.var()

    def logpmf(x):
        return np.logaddexp(np.log(p), np.log1p(-p) + frozen.logpmf(0)) if x == 0 else np.log1p(-p) + frozen.logpmf(x)

    with np.errstate(divide="ignore"):
        assert np.isclose(np.exp(logpmf(0)), zero)
    return Oracle(
        logpmf=np.errstate(divide="ignore")(logpmf),
        cdf=lambda x: (p if x >= 0 else 0.0) + (1 - p) * frozen.cdf(x),
        mean=(1 - p) * mean,
        var=(1 - p) * (var + p * mean**2),
    )


NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)


def between(frozen, lo, hi):
    start, mass = frozen.cdf(lo), frozen.cdf(hi) - frozen.cdf(lo)

    def moment(k):
        a, b = max(lo, frozen.ppf(1e-16)), min(hi, frozen.isf(1e-16))
        x, w = a + (b - a) * (NODES + 1) / 2, WEIGHTS * (b - a) / 2
        return (w * x**k * frozen.pdf(x)).sum() / mass

    return Oracle(
        logpdf=lambda x: frozen.logpdf(x) - np.log(mass) if lo <= x <= hi else -INF,
        cdf=lambda x: min(1.0, max(0.0, (frozen.cdf(x) - start) / mass)),
        ppf=lambda q: np.clip(frozen.ppf(start + q * mass) if 0 < q < 1 else (lo, hi)[int(q)], *frozen.support()),
        mean=moment(1),
        var=moment(2) - moment(1) ** 2,
    )


def inner_grid(lo, hi):
    a, b = max(lo, -8.0), min(hi, 12.0)
    return a + (b - a) * np.array([0, 1e-6, 0.03, 0.3, 0.6, 0.97, 1])


def outer(lo, hi):
    return [v for v in (lo - 0.01, lo - 50, hi + 0.01, hi + 50) if np.isfinite(v)]


def logistic_normal(mean, cov):
    """On the simplex of three components, by isometric log ratios."""
    frozen = stats.multivariate_normal(mean, cov)
    v = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    return Oracle(event_ndim=1, logpdf=lambda x: frozen.logpdf(v @ np.log(x)) - np.log(x).sum() - 0.5 * np.log(3))


def entries(*frozen):
    discrete = isinstance(frozen[0].dist, stats.rv_discrete)
    what = "logpmf" if discrete else "logpdf"
    moments = {"mean": np.array([f.mean() for f in frozen]), "var": np.array([f.var() for f in frozen])}
    log_density = {what: lambda x: sum(getattr(f, what)(v) for f, v in zip(frozen, x, strict=True))}
    return Oracle(event_ndim=1, **moments, **log_density)


CASES = [
    Case(
        family=WithMoments(
            lambda rate, p: zero_inflated(poisson(rate), p),
            Like("zero_inflated", discrete=True),
            rate=domains.nonnegative,
            p=PROBABILITY,
        ),
        name="zero_inflated poisson",
        points=[(3.0, 0.25), (0.5, 0.875), (20.0, 1e-3), (60.0, 0.5)],
        oracle=lambda rate, p: inflated(stats.poisson(rate), p),
        grid=lambda rate, p: [0.0, 1.0, 2.0, np.round(rate), np.round(3 * rate), 100.0],
        outside=lambda rate, p: [-1.0, 0.5, 3.5, -1e9, 1e-7],
        moments=lambda rate, p: p < 0.9,
    ),
    Case(
        family=WithMoments(
            lambda n, q, p: zero_inflated(binomial(n, q), p),
            Like("zero_inflated", discrete=True),
            n=domains.nonnegative_integer,
            q=PROBABILITY,
            p=PROBABILITY,
        ),
        name="zero_inflated edges",
        points=[
            (10, 0.25, 0.0),
            (10, 0.5, 1.0),
            (10, 1.0, 0.5),
            (10, 0.25, 0.5),
            (300, 0.5, 0.0),
            (300, 0.5, 1e-35),
            (5, 0.5, 1e-9),
        ],
        oracle=lambda n, q, p: inflated(stats.binom(n, q), p),
        grid=lambda n, q, p: [0.0, 1.0, n],
        outside=lambda n, q, p: [-1.0, 0.5, n + 1],
        gradients=[],
        moments=lambda n, q, p: p == 0.5 and q < 1,
    ),
    Case(
        family=WithQuantiles(
            lambda mu, sigma, lo, hi: truncated(normal(mu, sigma), lo, hi),
            Like("truncated"),
            mu=REAL,
            sigma=POSITIVE,
            lo=BOUND,
            hi=BOUND,
        ),
        name="truncated normal",
        points=[
            (0.0, 1.0, -1.0, 2.0),
            (1.0, 2.0, 0.0, INF),
            (3.0, 0.5, -INF, 2.5),
            (0.0, 1.0, -INF, INF),
            (5.0, 1.0, -2.0, 1.0),
        ],
        oracle=lambda mu, sigma, lo, hi: between(stats.norm(mu, sigma), lo, hi),
        grid=lambda mu, sigma, lo, hi: inner_grid(lo, hi),
        outside=lambda mu, sigma, lo, hi: outer(lo, hi),
        gradients=["x", "mu", "sigma"],
        pathwise=["mu", "sigma"],
    ),
    Case(
        family=WithQuantiles(
            lambda rate, lo, hi: truncated(exponential(rate), lo, hi),
            Like("truncated"),
            rate=POSITIVE,
            lo=BOUND,
            hi=BOUND,
        ),
        name="truncated exponential",
        points=[(1.0, 0.5, 2.0), (3.0, 0.0, 0.25), (0.5, -1.0, 4.0), (2.0, 0.125, INF)],
        oracle=lambda rate, lo, hi: between(stats.expon(scale=1 / rate), lo, hi),
        grid=lambda rate, lo, hi: np.maximum(0, inner_grid(max(0.0, lo), hi)),
        outside=lambda rate, lo, hi: [*outer(lo, hi), -1e-3],
        gradients=["x", "rate"],
    ),
    Case(
        family=WithQuantiles(
            lambda mu, b, lo, hi: truncated(laplace(mu, b), lo, hi),
            Like("truncated"),
            mu=REAL,
            b=POSITIVE,
            lo=BOUND,
            hi=BOUND,
        ),
        name="truncated laplace",
        points=[(0.0, 1.0, -1.0, 2.0), (1.0, 2.0, 0.0, INF), (3.0, 0.5, -INF, 2.5)],
        oracle=lambda mu, b, lo, hi: between(stats.laplace(mu, b), lo, hi),
        grid=lambda mu, b, lo, hi: inner_grid(lo, hi),
        outside=lambda mu, b, lo, hi: outer(lo, hi),
        gradients=["x", "mu", "b"],
        smooth=lambda mu, b, lo, hi: inner_grid(lo, hi)[1:-1] + 1e-3,
    ),
    Case(
        family=Made(
            lambda mu, sigma: transformed(normal(mu, sigma), bijectors.Exp()),
            Like("transformed"),
            mu=REAL,
            sigma=POSITIVE,
        ),
        name="transformed log-normal",
        points=[(0.0, 1.0), (2.0, 0.25), (-3.0, 0.5)],
        oracle=lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
        grid=lambda mu, sigma: np.exp(mu + sigma * np.array([-6.0, -1.0, 0.0, 0.5, 5.0])),
        outside=lambda mu, sigma: [0.0, -1.0, -1e-30],
        moments=lambda mu, sigma: sigma < 0.6,
    ),
    Case(
        family=Made(
            lambda a, rate, shift, scale: transformed(gamma(a, rate), bijectors.Shift(shift) @ bijectors.Scale(scale)),
            Like("transformed"),
            a=POSITIVE,
            rate=POSITIVE,
            shift=REAL,
            scale=REAL,
        ),
        name="transformed gamma",
        points=[(3.0, 1.0, 1.0, 2.0), (2.0, 0.5, -1.0, 0.25), (5.0, 2.0, 0.0, 1.0)],
        oracle=lambda a, rate, shift, scale: stats.gamma(a, loc=shift, scale=scale / rate),
        grid=lambda a, rate, shift, scale: shift + scale / rate * np.array([0.25, 1.0, 3.0, 20.0]),
        outside=lambda a, rate, shift, scale: [shift - 0.01, shift - 100],
        gradients=["x", "a", "rate", "shift", "scale"],
    ),
    Case(
        family=Made(
            lambda mu, sigma, lo, hi: transformed(normal(mu, sigma), bijectors.Sigmoid(lo, hi)),
            Like("transformed"),
            mu=REAL,
            sigma=POSITIVE,
            lo=REAL,
            hi=REAL,
        ),
        name="transformed logit-normal",
        points=[(0.0, 1.0, 0.0, 1.0), (1.0, 0.5, -1.0, 3.0), (-1.0, 2.0, 0.0, 1.0)],
        oracle=lambda mu, sigma, lo, hi: Oracle(
            logpdf=lambda x: (
                stats.norm(mu, sigma).logpdf(np.log((x - lo) / (hi - x))) + np.log((hi - lo) / ((x - lo) * (hi - x)))
            ),
            cdf=lambda x: stats.norm(mu, sigma).cdf(np.log((x - lo) / (hi - x))),
        ),
        grid=lambda mu, sigma, lo, hi: lo + (hi - lo) * np.array([0.01, 0.25, 0.5, 0.75, 0.99]),
        outside=lambda mu, sigma, lo, hi: [lo, hi, lo - 1, hi + 1],
        gradients=["x", "mu", "sigma"],
        moments=lambda *_: False,
    ),
    Case(
        family=Made(
            lambda mu, sigma: transformed(gamma(mu, sigma), bijectors.Invert(bijectors.Exp())),
            Like("transformed"),
            mu=POSITIVE,
            sigma=POSITIVE,
        ),
        name="transformed log-gamma",
        points=[(3.0, 1.0), (0.5, 2.0)],
        oracle=lambda a, rate: stats.loggamma(a, loc=-np.log(rate)),
        grid=lambda a, rate: [-5.0, -1.0, 0.25, 1.5],
    ),
    Case(
        family=Made(
            lambda mean, cov: transformed(multivariate_normal(mean, cov), bijectors.Exp()),
            Like("transformed", 1),
            mean=domains.real_vector,
            cov=domains.positive_definite,
        ),
        name="transformed vector",
        points=[([0.0, 0.5], [[0.25, 0.125], [0.125, 0.5]]), ([1.0, 0.0], [[0.25, 0.0], [0.0, 0.0625]])],
        oracle=lambda mean, cov: Oracle(
            event_ndim=1,
            logpdf=lambda x: stats.multivariate_normal(mean, cov).logpdf(np.log(x)) - np.log(x).sum(),
            mean=stats.lognorm(np.sqrt(np.diag(cov)), scale=np.exp(mean)).mean(),
            var=stats.lognorm(np.sqrt(np.diag(cov)), scale=np.exp(mean)).var(),
        ),
        grid=lambda mean, cov: np.array([[1.0, 2.0], [0.5, 0.1], [4.0, 0.01]]),
        outside=lambda mean, cov: np.array([[1.0, 0.0], [-0.5, 0.1], [np.inf, 1.0]]),
        moments=lambda mean, cov: cov[1][1] < 0.1,
        statistics={"last": (lambda x: x[:, -1], lambda m, c: stats.lognorm(np.sqrt(c[1, 1]), scale=np.exp(m[1])))},
    ),
    Case(
        family=Made(
            lambda mean, cov: transformed(multivariate_normal(mean, cov), bijectors.Simplex()),
            Like("transformed", 1),
            mean=domains.real_vector,
            cov=domains.positive_definite,
        ),
        name="transformed simplex",
        points=[([0.0, 0.5], [[1.0, 0.5], [0.5, 2.0]]), ([1.0, 0.0], [[0.25, 0.0], [0.0, 1.0]])],
        oracle=logistic_normal,
        grid=lambda mean, cov: np.array([[0.25, 0.25, 0.5], [0.1, 0.7, 0.2], [1 / 3, 1 / 3, 1 / 3]]),
        outside=lambda mean, cov: np.array([[0.25, 0.25, 0.25], [-0.5, 1.0, 0.5]]),
        gradients=[],
        moments=lambda *_: False,
    ),
    Case(
        family=WithMoments(
            lambda mu, sigma, a, rate: product(normal(mu, sigma), gamma(a, rate), laplace(mu, 1.0)),
            Like("product", 1),
            mu=REAL,
            sigma=POSITIVE,
            a=POSITIVE,
            rate=POSITIVE,
        ),
        name="product",
        points=[(0.0, 1.0, 2.0, 1.0), (1.0, 0.25, 5.0, 0.5)],
        oracle=lambda mu, sigma, a, rate: entries(
            stats.norm(mu, sigma), stats.gamma(a, scale=1 / rate), stats.laplace(mu)
        ),
        grid=lambda mu, sigma, a, rate: np.array([[0.0, 1.0, 2.0], [mu + 8 * sigma, 1e-3, -5.0], [mu, 40.0, 0.5]]),
        outside=lambda mu, sigma, a, rate: np.array([[0.0, -1.0, 2.0], [np.inf, 1.0, 0.0]]),
        statistics={
            "first": (lambda x: x[:, 0], lambda mu, sigma, a, rate: stats.norm(mu, sigma)),
            "middle": (lambda x: x[:, 1], lambda mu, sigma, a, rate: stats.gamma(a, scale=1 / rate)),
        },
    ),
    Case(
        family=WithMoments(
            lambda rate, p: product(poisson(rate), binomial(10, p)),
            Like("product", 1, discrete=True),
            rate=domains.nonnegative,
            p=PROBABILITY,
        ),
        name="product of counts",
        points=[(3.0, 0.25), (0.5, 0.75)],
        oracle=lambda rate, p: entries(stats.poisson(rate), stats.binom(10, p)),
        grid=lambda rate, p: np.array([[0, 0], [3, 10], [20, 5]]),
        outside=lambda rate, p: np.array([[0.5, 1.0], [1.0, 11.0], [-1.0, 2.0]]),
    ),
]
