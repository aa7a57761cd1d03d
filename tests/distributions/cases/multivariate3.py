"""Families of vectors and matrices whose entries are tied to each other."""

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case, Oracle
from distributions.cases.multivariate2 import factors
from genmlx.distributions.lkj import LKJ
from genmlx.distributions.relaxed import relaxed_categorical
from genmlx.distributions.zero_sum_normal import ZeroSumNormal

__all__ = ["CASES"]

NAN, INF = float("nan"), float("inf")


def lkj_oracle(n, eta):
    """The normaliser by products of beta functions, the density by the determinant."""
    normaliser = sum((2 * eta - 2 + n - k) * (n - k) * np.log(2) for k in range(1, n)) + sum(
        (n - k) * special.betaln(eta + (n - k - 1) / 2, eta + (n - k - 1) / 2) for k in range(1, n)
    )
    return Oracle(
        event_ndim=2,
        logpdf=lambda c: (eta - 1) * np.linalg.slogdet(c)[1] - normaliser,
        mean=np.eye(n),
        var=(1 - np.eye(n)) / (2 * eta + n - 1),
    )


def correlations(n):
    return factors(n) @ factors(n).swapaxes(-1, -2)


def not_correlations(n):
    c = correlations(n)[1]
    tilted = c + np.triu(np.full((n, n), 0.1), 1)
    return np.stack([2.0 * c, tilted, np.full((n, n), 1.0) + np.eye(n) * 0.1, -np.eye(n), np.full((n, n), NAN)])


def lkj_case(n):
    return Case(
        family=LKJ(n),
        name=f"lkj {n}",
        points=[(1.0,), (0.5,), (2.5,), (40.0,)],
        oracle=lambda eta: lkj_oracle(n, eta),
        grid=lambda eta: correlations(n),
        outside=lambda eta: not_correlations(n),
        invalid={"eta": [(0.0,), (-1.0,), (NAN,)]},
        gradients=["eta"],
        moments=lambda eta: False,  # the diagonal is constant
        statistics={
            "first": (
                lambda x: x[:, 1, 0],
                lambda eta: stats.beta(eta - 1 + n / 2, eta - 1 + n / 2, loc=-1, scale=2),
            ),
            "last": (
                lambda x: x[:, -1, -2],
                lambda eta: stats.beta(eta - 1 + n / 2, eta - 1 + n / 2, loc=-1, scale=2),
            ),
        },
        rtol=2e-5,
        reason="a determinant of 1e-4 is known to 1e-3 of itself where the entries are rounded",
    )


def zero_sum_oracle(n, sigma):
    """The first n - 1 components are normal with covariance sigma^2 (I - 1/n)."""
    cov = sigma**2 * (np.eye(n) - 1.0 / n)
    frozen = stats.multivariate_normal(np.zeros(n - 1), cov[:-1, :-1])
    return Oracle(
        event_ndim=1,
        logpdf=lambda x: frozen.logpdf(x[:-1]) if abs(x.sum()) <= 1e-5 * np.abs(x).sum() else -INF,
        mean=np.zeros(n),
        var=np.diag(cov),
        entropy=frozen.entropy(),
    )


def zero_sum_case(n):
    shape = np.arange(n) - (n - 1) / 2
    return Case(
        family=ZeroSumNormal(n),
        name=f"zero_sum_normal {n}",
        points=[(1.0,), (0.25,), (30.0,)],
        oracle=lambda sigma: zero_sum_oracle(n, sigma),
        grid=lambda sigma: np.stack([np.zeros(n), sigma * shape, 8.0 * sigma * shape[::-1]]),
        outside=lambda sigma: np.stack([np.ones(n), sigma * shape + 0.1 * sigma]),
        invalid={"sigma": [(0.0,), (-1.0,), (NAN,)]},
        gradients=["sigma"],
        statistics={
            "first": (lambda x: x[:, 0], lambda sigma: stats.norm(0.0, sigma * np.sqrt(1.0 - 1.0 / n))),
            "difference": (lambda x: x[:, -1] - x[:, 0], lambda sigma: stats.norm(0.0, sigma * np.sqrt(2.0))),
        },
    )


def concrete_oracle(temperature, logits):
    """Change of variables from Gumbel's: log x_j - log x_K are differences of noise over the temperature."""
    k, log_p = len(logits), logits - special.logsumexp(logits)

    def logpdf(x):
        if (x <= 0).any() or abs(x.sum() - 1) > 1e-4:
            return -INF
        scores = log_p - temperature * np.log(x)
        constant = special.gammaln(k) + (k - 1) * np.log(temperature)
        return constant + (scores - np.log(x)).sum() - k * special.logsumexp(scores)

    return Oracle(event_ndim=1, logpdf=logpdf)


def two(temperature, logits):
    """The log odds of two components are logistic."""
    difference = logits[..., 1] - logits[..., 0]
    return stats.logistic(difference / temperature, 1.0 / temperature)


CASES = [
    lkj_case(2),
    lkj_case(4),
    zero_sum_case(2),
    zero_sum_case(5),
    Case(
        family=relaxed_categorical,
        points=[(0.5, [0.0, 1.0, -1.0]), (1.0, [0.0, 0.0, 0.0]), (3.0, [2.0, -4.0, 0.5]), (0.75, [0.3, -0.4])],
        oracle=concrete_oracle,
        grid=lambda temperature, logits: np.stack(
            [np.full(len(logits), 1 / len(logits)), np.linspace(1, 2, len(logits)) / (1.5 * len(logits))]
        ),
        outside=lambda temperature, logits: np.stack([np.eye(len(logits))[0], np.full(len(logits), 0.9)]),
        invalid={
            "temperature": [(0.0, [0.0, 1.0, 0.0]), (-1.0, [0.0, 1.0, 0.0])],
            "logits": [(1.0, [0.0, NAN, 0.0]), (1.0, [0.0, INF, 0.0])],
        },
        gradients=["temperature"],
        moments=lambda *_: False,
        statistics={"first and second": (lambda x: np.log(x[:, 1] / x[:, 0]), two)},
    ),
]
