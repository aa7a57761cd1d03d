"""Families of integers."""

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case, Oracle
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.binomial import binomial
from genmlx.distributions.categorical import categorical
from genmlx.distributions.discrete_uniform import discrete_uniform
from genmlx.distributions.geometric import geometric
from genmlx.distributions.neg_binomial import neg_binomial
from genmlx.distributions.poisson import poisson

__all__ = ["CASES"]

NAN, INF = float("nan"), float("inf")
NOT_COUNTS = [-1.0, -0.5, 0.5, 3.5, -1e9]


def not_counts(*_):
    return NOT_COUNTS


def varied(p):
    """Whether 20,000 coins have both sides, and squared deviations that are not all the same."""
    return 1e-3 < p < 1 - 1e-3 and p != 0.5


def around(mean, sd, top=np.inf):
    """Counts from 0 up, near the mean, in both tails: floats, so that what is outside can stand beside them."""
    k = np.concatenate(
        [np.arange(4.0), mean + sd * np.array([-8, -3, -1, -0.1, 0, 0.1, 1, 3, 8]), [mean / 10, 5 * mean]]
    )
    return np.unique(np.clip(np.round(k), 0, min(top, 2**24)))


def bernoulli_logits(eta):
    p, q = special.expit(eta), special.expit(-eta)
    return Oracle(
        logpmf=lambda x: -np.logaddexp(0, -eta if x == 1 else eta) if x in (0, 1) else -np.inf,
        cdf=lambda x: 0.0 if x < 0 else (q if x < 1 else 1.0),
        ppf=stats.bernoulli(p).ppf,
        mean=p,
        var=p * q,
        entropy=p * np.logaddexp(0, -eta) + q * np.logaddexp(0, eta),
    )


def binomial_logits(n, eta):
    p, q = special.expit(eta), special.expit(-eta)

    def logpmf(k):
        if k < 0 or k > n or k != np.floor(k):
            return -np.inf
        log_ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
        return log_ways - k * np.logaddexp(0, -eta) - (n - k) * np.logaddexp(0, eta)

    return Oracle(logpmf=logpmf, cdf=stats.binom(n, p).cdf, ppf=stats.binom(n, p).ppf, mean=n * p, var=n * p * q)


def category(probs):
    probs = np.asarray(probs)
    return stats.rv_discrete(values=(np.arange(probs.size), probs / probs.sum()))


def shifted_geometric(p):
    if p == 1:  # where scipy divides by zero
        return Oracle(
            logpmf=lambda k: 0.0 if k == 0 else -np.inf,
            cdf=lambda k: float(k >= 0),
            ppf=lambda q: 0.0 if q > 0 else -1.0,
            mean=0,
            var=0,
            entropy=0,
        )
    return stats.geom(p, loc=-1)


def uniform(lo, hi):
    n, frozen = hi - lo + 1, stats.randint(lo, hi + 1)
    return Oracle(
        logpmf=frozen.logpmf,
        cdf=frozen.cdf,
        ppf=frozen.ppf,
        mean=(lo + hi) / 2,
        var=(n * n - 1) / 12,
        entropy=np.log(n),
    )


CASES = [
    Case(
        family=bernoulli,
        points=[(0.3,), (0.5,), (1e-6,), (0.96875,)],
        oracle=stats.bernoulli,
        grid=lambda p: [0.0, 1.0],
        outside=lambda p: [-1.0, 0.5, 2.0, 1e-7, 0.9999999],
        invalid={"p": [(-0.1,), (1.5,), (NAN,)]},
        moments=varied,
    ),
    Case(
        family=bernoulli,
        name="bernoulli edges",
        points=[(0.25,), (0.0,), (1.0,)],
        oracle=stats.bernoulli,
        grid=lambda p: [0, 1],
        gradients=[],
        moments=varied,
    ),
    Case(
        family=bernoulli.alternatives[frozenset({"logits"})],
        name="bernoulli logits",
        points=[(0.3,), (0.0,), (-5.0,), (30.0,), (-80.0,)],
        oracle=bernoulli_logits,
        grid=lambda logits: [0.0, 1.0],
        outside=lambda logits: [-1.0, 0.5, 2.0],
        invalid={"logits": [(NAN,)]},
        moments=lambda logits: varied(special.expit(logits)),
    ),
    Case(
        family=categorical,
        points=[([0.0, 1.0, -2.0],), ([-0.5, 30.0, 29.0],), ([1.0, -INF, 0.5],), ([-1.0, 0.5, 0.3, -40.0],)],
        oracle=lambda logits: category(special.softmax(logits)),
        grid=lambda logits: np.arange(float(len(logits))),
        outside=lambda logits: [-1.0, 0.5, 1.7, float(len(logits)), 1e9],
        invalid={"logits": [([INF, 0.0, 0.0],), ([NAN, 0.0, 0.0],), ([-INF, -INF, -INF],)]},
    ),
    Case(
        family=categorical.alternatives[frozenset({"probs"})],
        name="categorical probs",
        points=[([1.0, 2.0, 0.5],), ([0.2, 0.0, 0.8],), ([1e-20, 1.0, 1.5],), ([0.25, 0.25, 0.25, 0.25],)],
        oracle=category,
        grid=lambda probs: np.arange(float(len(probs))),
        outside=lambda probs: [-1.0, 0.5, 1.7, float(len(probs)), 1e9],
        invalid={"probs": [([-0.1, 0.6, 0.5],), ([NAN, 0.5, 0.5],), ([0.0, 0.0, 0.0],), ([INF, 1.0, 1.0],)]},
    ),
    Case(
        family=discrete_uniform,
        points=[(1, 6), (-3, 3), (4, 4), (-1_000_000_000, -999_999_990)],
        oracle=uniform,
        grid=lambda lo, hi: np.unique(np.array([lo, (lo + hi) // 2, hi])),
        outside=lambda lo, hi: np.array([lo - 1, hi + 1, lo - 100_000, hi + 100_000]),
        invalid={"lo": [(0.5, 2)], "hi": [(0, 2.5), (0, NAN)]},
        moments=lambda lo, hi: hi > lo,
    ),
    Case(
        family=discrete_uniform,
        name="discrete_uniform wide",
        points=[(0, 1_000_000), (-500_000, 20_000_000)],
        oracle=uniform,
        grid=lambda lo, hi: np.array([lo, lo + 1, hi]),
        gof=False,
    ),
    Case(
        family=binomial,
        points=[(10, 0.3), (1, 0.75), (64, 0.01), (65, 0.99), (1000, 0.5)],
        oracle=stats.binom,
        grid=lambda n, p: around(n * p, np.sqrt(n * p * (1 - p)), n),
        outside=lambda n, p: [*NOT_COUNTS, n + 1.0, n + 0.5],
        invalid={"n": [(-1, 0.5), (2.5, 0.5)], "p": [(10, -0.1), (10, 1.5), (10, NAN)]},
    ),
    Case(
        family=binomial,
        name="binomial wide",
        points=[(100_000, 0.3), (1_000_000, 1e-6), (1_000_000, 0.5), (1_000_000, 1 - 2**-10)],
        oracle=stats.binom,
        grid=lambda n, p: around(n * p, np.sqrt(n * p * (1 - p)), n),
        gradients=[],  # test_discrete has them: differences of the oracle are no better than float32 here
        gof=False,
        moments=lambda n, p: n * p > 10,
        rtol=3e-5,
        reason="for n = 1e6, eight sd off the mean, k log(np/k) and (n - k) log(nq/(n - k)) are 4000 and -4040",
    ),
    Case(
        family=binomial,
        name="binomial edges",
        points=[(10, 0.5), (0, 0.5), (0, 0.0), (10, 0.0), (10, 1.0), (1000, 0.0), (1000, 1.0)],
        oracle=stats.binom,
        grid=lambda n, p: np.unique(np.clip(np.array([0, 1, 5, n - 1, n]), 0, n)),
        outside=lambda n, p: np.array([-1, n + 1]),
        gradients=[],
        moments=lambda n, p: n > 0 and p == 0.5,
    ),
    Case(
        family=binomial.alternatives[frozenset({"n", "logits"})],
        name="binomial logits",
        points=[(10, 0.3), (64, -4.0), (500, 20.0), (1000, -0.5), (10, -90.0), (1000, 95.0)],
        oracle=binomial_logits,
        grid=lambda n, eta: around(n * special.expit(eta), np.sqrt(n * special.expit(eta) * special.expit(-eta)), n),
        outside=lambda n, eta: [*NOT_COUNTS, n + 1.0],
        invalid={"n": [(-1, 0.5)], "logits": [(10, NAN)]},
        moments=lambda n, eta: abs(eta) < 6,
    ),
    Case(
        family=poisson,
        points=[(3.0,), (1e-3,), (0.7,), (12.0,), (100.0,), (1000.0,)],
        oracle=stats.poisson,
        grid=lambda rate: around(rate, np.sqrt(rate)),
        outside=not_counts,
        invalid={"rate": [(-1.0,), (NAN,), (INF,)]},
        moments=lambda rate: rate > 0.1,
    ),
    Case(
        family=poisson,
        name="poisson wide",
        points=[(1e4,), (1e6,)],
        oracle=stats.poisson,
        grid=lambda rate: around(rate, np.sqrt(rate)),
        gof=False,
        rtol=3e-5,
        reason="at 1e6, eight sd off the mean, half an ulp of the rate is 3e-8 rate 8e-3 = 2e-4, of about 40",
    ),
    Case(
        family=poisson,
        name="poisson edges",
        points=[(1.0,), (0.0,)],
        oracle=stats.poisson,
        grid=lambda rate: [0, 1, 5],
        gradients=[],
        moments=lambda rate: rate > 0,
    ),
    Case(
        family=poisson.alternatives[frozenset({"log_rate"})],
        name="poisson log_rate",
        points=[(1.0,), (-7.0,), (-100.0,), (4.5,), (6.5,)],
        oracle=lambda eta: Oracle(
            logpmf=lambda k: k * eta - np.exp(eta) - special.gammaln(k + 1) if k >= 0 and k == np.floor(k) else -np.inf,
            cdf=stats.poisson(np.exp(eta)).cdf,
            ppf=stats.poisson(np.exp(eta)).ppf,
            mean=np.exp(eta),
            var=np.exp(eta),
        ),
        grid=lambda eta: around(np.exp(eta), np.exp(0.5 * eta)),
        outside=not_counts,
        invalid={"log_rate": [(NAN,), (INF,)]},
        moments=lambda eta: eta > -2,
    ),
    Case(
        family=geometric,
        points=[(0.25,), (0.9,), (0.02,)],
        oracle=shifted_geometric,
        grid=lambda p: around((1 - p) / p, np.sqrt(1 - p) / p),
        outside=not_counts,
        invalid={"p": [(0.0,), (-0.5,), (1.5,), (NAN,)]},
    ),
    Case(
        family=geometric,
        name="geometric wide",
        points=[(1e-3,), (1e-6,)],
        oracle=shifted_geometric,
        grid=lambda p: around((1 - p) / p, np.sqrt(1 - p) / p),
        gof=False,
    ),
    Case(
        family=geometric,
        name="geometric edges",
        points=[(0.5,), (1.0,)],
        oracle=shifted_geometric,
        grid=lambda p: [0, 1, 5],
        gradients=[],
        moments=lambda p: p < 1,
    ),
    Case(
        family=neg_binomial,
        points=[(3.0, 0.4), (0.5, 0.1), (1.0, 0.05), (100.0, 0.5), (2500.0, 0.9)],
        oracle=stats.nbinom,
        grid=lambda r, p: around(r * (1 - p) / p, np.sqrt(r * (1 - p)) / p),
        outside=not_counts,
        invalid={"r": [(0.0, 0.5), (-1.0, 0.5)], "p": [(2.0, 0.0), (2.0, 1.5), (2.0, NAN)]},
    ),
    Case(
        family=neg_binomial,
        name="neg_binomial wide",
        points=[(1.0, 0.01), (1e4, 0.3), (1e6, 1 - 2**-10)],
        oracle=stats.nbinom,
        grid=lambda r, p: around(r * (1 - p) / p, np.sqrt(r * (1 - p)) / p),
        gradients=[],
        gof=False,
    ),
    Case(
        family=neg_binomial,
        name="neg_binomial edges",
        points=[(2.0, 0.5), (2.0, 1.0), (0.01, 1.0)],
        oracle=stats.nbinom,
        grid=lambda r, p: [0, 1, 5],
        gradients=[],
        moments=lambda r, p: p < 1,
    ),
    Case(
        family=neg_binomial.alternatives[frozenset({"mean", "concentration"})],
        name="neg_binomial mean",
        points=[(3.0, 2.0), (0.1, 1.0), (100.0, 0.7), (20.0, 1e4)],
        oracle=lambda mean, c: stats.nbinom(c, c / (c + mean)),
        grid=lambda mean, c: around(mean, np.sqrt(mean + mean**2 / c)),
        outside=not_counts,
        invalid={"mean": [(-1.0, 1.0), (NAN, 1.0)], "concentration": [(1.0, 0.0), (1.0, -1.0)]},
    ),
    Case(
        family=neg_binomial.alternatives[frozenset({"log_mean", "concentration"})],
        name="neg_binomial log_mean",
        points=[(1.0, 2.0), (-2.0, 1.0), (4.5, 0.7)],
        oracle=lambda log_mean, c: stats.nbinom(c, c / (c + np.exp(log_mean))),
        grid=lambda log_mean, c: around(np.exp(log_mean), np.sqrt(np.exp(log_mean) + np.exp(2 * log_mean) / c)),
        outside=not_counts,
        invalid={"log_mean": [(NAN, 1.0)], "concentration": [(1.0, 0.0), (1.0, -1.0)]},
    ),
]
