"""More families of counts: of several categories, overdispersed, without replacement."""

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case, Oracle
from genmlx.distributions.dirichlet_multinomial import beta_binomial, dirichlet_multinomial
from genmlx.distributions.hypergeometric import Hypergeometric
from genmlx.distributions.multinomial import multinomial
from genmlx.distributions.ordered_logistic import ordered_logistic, ordered_probit

__all__ = ["CASES"]

NAN, INF = float("nan"), float("inf")


class Jittered:
    """The law of a count plus a uniform number, which is continuous, for the Kolmogorov-Smirnov test of a marginal."""

    def __init__(self, counts):
        self._counts = counts

    def cdf(self, y):
        k = np.floor(y)
        return self._counts.cdf(k - 1) + (y - k) * self._counts.pmf(k)


def jittered(counts):
    return counts + np.random.default_rng(1).uniform(size=counts.shape)


def marginals(probability, law):
    """The first and the last count, and the sum of both, by the law of one count with its parameters."""
    return {
        "first": (lambda x: jittered(x[:, 0]), lambda n, w: Jittered(law(n, probability(w), [0]))),
        "last": (lambda x: jittered(x[:, -1]), lambda n, w: Jittered(law(n, probability(w), [-1]))),
        "both": (lambda x: jittered(x[:, 0] + x[:, -1]), lambda n, w: Jittered(law(n, probability(w), [0, -1]))),
    }


def shares(n, p):
    """Vectors of counts with sum n: near the mean, all in one category, even."""
    p = np.asarray(p) / np.sum(p)
    size = len(p)
    rows = [np.floor(n * p), np.floor(n * p * np.linspace(0.5, 1.0, size)), np.zeros(size), np.full(size, n // size)]
    for i, row in enumerate(rows):
        row[i % size if p[i % size] > 0 else np.argmax(p)] += n - row.sum()
    return np.stack(rows)


def not_shares(n, size):
    """The wrong sum, fractions, negative counts."""
    rows = np.zeros((5, size))
    rows[:, 0] = [n + 1, n - 1, n - 0.5, n + 1, np.nan]
    rows[2, 1], rows[3, 1] = 0.5, -1
    return rows


def multinomial_oracle(n, w):
    p = np.asarray(w) / np.sum(w)

    def logpmf(x):
        if (x < 0).any() or (x != np.floor(x)).any() or x.sum() != n:
            return -np.inf
        return special.gammaln(n + 1) - special.gammaln(x + 1).sum() + special.xlogy(x, p).sum()

    return Oracle(event_ndim=1, logpmf=logpmf, mean=n * p, var=n * p * (1 - p))


def multinomial_logits(n, logits):
    log_p = logits - special.logsumexp(logits)
    p = np.exp(log_p)

    def logpmf(x):
        positive = x > 0
        return special.gammaln(n + 1) - special.gammaln(x + 1).sum() + (x[positive] * log_p[positive]).sum()

    return Oracle(event_ndim=1, logpmf=logpmf, mean=n * p, var=n * p * (1 - p))


def rising(a, k):
    """log Γ(a + k) - log Γ(a), which does not cancel for large a."""
    return np.log(a + np.arange(k)).sum()


def polya_oracle(n, alpha):
    s, m = alpha.sum(), alpha / alpha.sum()

    def logpmf(x):
        if (x < 0).any() or (x != np.floor(x)).any() or x.sum() != n:
            return -np.inf
        ways = special.gammaln(n + 1) - special.gammaln(x + 1).sum()
        return ways + sum(map(rising, alpha, x)) - rising(s, n)

    return Oracle(event_ndim=1, logpmf=logpmf, mean=n * m, var=n * m * (1 - m) * (n + s) / (1 + s))


def together(n, p, of):
    return stats.binom(n, min(1.0, p[of].sum()))


def graded(eta, cutpoints, below=special.expit):
    z = np.concatenate([[-INF], cutpoints - eta, [INF]])
    upper = z[:-1] > 0  # by the smaller tails
    p = np.where(upper, below(-z[:-1]) - below(-z[1:]), below(z[1:]) - below(z[:-1]))
    k = np.arange(len(p))
    mean = (k * p).sum()
    return Oracle(
        logpmf=lambda x: np.log(p[int(x)]) if x in k else -INF,
        cdf=lambda x: p[k <= x].sum(),
        mean=mean,
        var=((k - mean) ** 2 * p).sum(),
        entropy=-special.xlogy(p, p).sum(),
    )


def without_replacement(n, *points):
    return Case(
        family=Hypergeometric(n),
        name=f"hypergeometric {n}",
        points=points,
        oracle=lambda successes, total: Oracle(
            logpmf=stats.hypergeom(total, successes, n).logpmf,
            cdf=stats.hypergeom(total, successes, n).cdf,
            mean=n * successes / total,
            var=n * (successes / total) * (1 - successes / total) * (total - n) / (total - 1),
        ),
        grid=lambda successes, total: np.unique(
            np.clip(
                np.round(n * successes / total * np.array([0, 0.5, 0.9, 1, 1.1, 2, 100])),
                max(0, n + successes - total),
                min(n, successes),
            )
        ),
        outside=lambda successes, total: [-1.0, n + 1.0, 0.5, min(n, successes) + 1.0, n + successes - total - 1.0],
        invalid={"successes": [(-1, 2000), (2.5, 2000)], "total": [(7, n - 1), (7, 6), (7, 2000.5)]},
        moments=lambda successes, total: 0 < successes < total and n < total,
    )


CASES = [
    without_replacement(5, (7, 20), (0, 9), (3, 5), (400, 1000), (1000, 1000)),
    without_replacement(300, (700, 2000), (10, 1000), (990, 1000), (300_000, 1_000_000)),
    Case(
        family=multinomial,
        points=[
            (6, [0.2, 0.3, 0.5]),
            (100, [1.0, 1.0, 2.0]),
            (0, [0.5, 0.25, 0.25]),
            (30, [0.0, 2.0, 1.0]),
            (1000, [1e-4, 0.3, 0.6]),
            (5, [0.25, 0.75]),
            (200, [0.3, 0.0, 0.1, 0.4, 0.0]),
        ],
        oracle=multinomial_oracle,
        grid=shares,
        outside=lambda n, w: not_shares(n, len(w)),
        invalid={
            "n": [(-1, [0.2, 0.3, 0.5]), (2.5, [0.2, 0.3, 0.5])],
            "probs": [(6, [-0.1, 0.6, 0.5]), (6, [NAN, 0.5, 0.5]), (6, [0.0, 0.0, 0.0])],
        },
        moments=lambda n, w: n > 0 and min(w) > 0,
        statistics=marginals(lambda w: w / w.sum(), together),
    ),
    Case(
        family=multinomial.alternatives[frozenset({"n", "logits"})],
        name="multinomial logits",
        points=[
            (6, [0.2, 0.3, 0.5]),
            (100, [-1.0, 3.0, 2.0]),
            (30, [-INF, 2.0, 1.0]),
            (1000, [-120.0, 0.3, 0.6]),
            (5, [0.25, 0.75]),
        ],
        oracle=multinomial_logits,
        grid=lambda n, logits: shares(n, special.softmax(logits)),
        outside=lambda n, logits: not_shares(n, len(logits)),
        invalid={
            "n": [(-1, [0.2, 0.3, 0.5])],
            "logits": [(6, [INF, 0.0, 0.0]), (6, [NAN, 0.0, 0.0]), (6, [-INF, -INF, -INF])],
        },
        moments=lambda n, logits: min(logits) > -20,
        statistics=marginals(special.softmax, together),
    ),
    Case(
        family=beta_binomial,
        points=[(10, 2.0, 3.0), (1, 0.5, 0.5), (0, 1.0, 2.0), (40, 0.01, 3.0), (1000, 20.0, 5.0), (100, 1e5, 3e5)],
        oracle=lambda n, a, b: Oracle(
            logpmf=lambda k: (
                special.gammaln(n + 1)
                - special.gammaln(k + 1)
                - special.gammaln(n - k + 1)
                + rising(a, k)
                + rising(b, n - k)
                - rising(a + b, n)
                if 0 <= k <= n and k == np.floor(k)
                else -INF
            ),
            cdf=stats.betabinom(n, a, b).cdf,
            mean=n * a / (a + b),
            var=stats.betabinom(n, a, b).var(),
        ),
        grid=lambda n, a, b: np.unique(np.clip(np.round(n * np.array([0, 0.01, a / (a + b), 0.5, 0.9, 1])), 0, n)),
        outside=lambda n, a, b: [-1.0, 0.5, n + 1.0, n + 0.5, -1e9],
        invalid={
            "n": [(-1, 2.0, 3.0), (2.5, 2.0, 3.0)],
            "a": [(10, 0.0, 1.0), (10, -1.0, 1.0), (10, NAN, 1.0)],
            "b": [(10, 1.0, 0.0), (10, 1.0, -1.0), (10, 1.0, INF)],
        },
        moments=lambda n, a, b: n > 1,
    ),
    Case(
        family=beta_binomial,
        name="beta_binomial wide",
        points=[(100_000, 30.0, 70.0), (1_000_000, 0.5, 500.0), (1_000_000, 1e6, 2e6)],
        oracle=stats.betabinom,
        grid=lambda n, a, b: np.unique(np.round(n * np.array([0.2, 0.9, 1.0, 1.1, 2]) * a / (a + b))),
        gradients=[],
        gof=False,
        rtol=1e-4,
        reason="scipy's own log mass is a difference of log gammas of 1e7",
    ),
    Case(
        family=dirichlet_multinomial,
        points=[
            (6, [0.5, 1.0, 2.5]),
            (100, [1.0, 1.0, 2.0]),
            (0, [0.5, 0.25, 0.25]),
            (1000, [0.1, 3.0, 60.0]),
            (5, [1e4, 2e4]),
            (200, [0.3, 10.0, 0.1, 4.0, 2.0]),
        ],
        oracle=polya_oracle,
        grid=shares,
        outside=lambda n, alpha: not_shares(n, len(alpha)),
        invalid={
            "n": [(-1, [0.2, 0.3, 0.5]), (2.5, [0.2, 0.3, 0.5])],
            "alpha": [(6, [-0.1, 0.6, 0.5]), (6, [NAN, 0.5, 0.5]), (6, [0.0, 1.0, 1.0])],
        },
        moments=lambda n, alpha: n > 0,
        statistics=marginals(
            lambda alpha: alpha, lambda n, a, of: stats.betabinom(n, a[of].sum(), max(1e-9, a.sum() - a[of].sum()))
        ),
    ),
    Case(
        family=ordered_logistic,
        points=[
            (0.5, [-1.0, 0.0, 2.0]),
            (-3.0, [-1.0, 0.5, 0.75]),
            (12.0, [-1.0, 0.0, 2.0]),
            (0.0, [1.0]),
            (1.0, [-60.0, 0.0, 0.001, 30.0]),
        ],
        oracle=graded,
        grid=lambda eta, cutpoints: np.arange(len(cutpoints) + 1.0),
        outside=lambda eta, cutpoints: [-1.0, 0.5, len(cutpoints) + 1.0, 1e9],
        invalid={
            "eta": [(NAN, [-1.0, 0.0, 2.0]), (INF, [-1.0, 0.0, 2.0])],
            "cutpoints": [(0.0, [0.0, 0.0, 1.0]), (0.0, [0.0, 2.0, 1.0]), (0.0, [NAN, 0.0, 1.0])],
        },
        moments=lambda eta, cutpoints: eta < 12 and len(cutpoints) > 1,
    ),
    Case(
        family=ordered_probit,
        points=[
            (0.5, [-1.0, 0.0, 2.0]),
            (-3.0, [-1.0, 0.5, 0.75]),
            (6.0, [-1.0, 0.0, 2.0]),
            (0.0, [1.0]),
            (1.0, [-12.0, 0.0, 0.001, 5.0, 5.5]),
        ],
        oracle=lambda eta, cutpoints: graded(eta, cutpoints, special.ndtr),
        grid=lambda eta, cutpoints: np.arange(len(cutpoints) + 1.0),
        outside=lambda eta, cutpoints: [-1.0, 0.5, len(cutpoints) + 1.0, 1e9],
        invalid={
            "eta": [(NAN, [-1.0, 0.0, 2.0]), (INF, [-1.0, 0.0, 2.0])],
            "cutpoints": [(0.0, [0.0, 0.0, 1.0]), (0.0, [0.0, 2.0, 1.0]), (0.0, [NAN, 0.0, 1.0])],
        },
        moments=lambda eta, cutpoints: eta < 6 and len(cutpoints) > 1,
    ),
]
