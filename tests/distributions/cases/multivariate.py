"""Families of vectors and matrices."""

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case, Oracle
from genmlx.distributions.dirichlet import dirichlet
from genmlx.distributions.multivariate_normal import multivariate_normal
from genmlx.distributions.wishart import inv_wishart, wishart

__all__ = ["CASES"]

INF = float("inf")


# ---- oracles: scipy's insist on exact symmetry and exact sums, which float32 values do not have ---------------------


def gaussian(mean, cov):
    n = len(mean)
    inverse, (_, log_det) = np.linalg.inv(cov), np.linalg.slogdet(cov)
    return Oracle(
        event_ndim=1,
        logpdf=lambda x: -0.5 * ((x - mean) @ inverse @ (x - mean) + log_det + n * np.log(2 * np.pi)),
        mean=mean,
        var=np.diag(cov),
        entropy=0.5 * (log_det + n * (1 + np.log(2 * np.pi))),
    )


def dirichlet_oracle(alpha):
    frozen = stats.dirichlet(alpha)
    log_b = special.gammaln(alpha).sum() - special.gammaln(alpha.sum())

    def logpdf(x):
        if (x < 0).any() or ((x == 0) & (alpha != 1)).any():
            return -np.inf
        return special.xlogy(alpha - 1, x).sum() - log_b

    return Oracle(event_ndim=1, logpdf=logpdf, mean=frozen.mean(), var=frozen.var(), entropy=frozen.entropy())


def log_det(x):
    sign, value = np.linalg.slogdet(x)
    return value if sign > 0 else np.nan


def digammas(a, n):
    return sum(special.digamma(a - i / 2) for i in range(n))


def wishart_oracle(df, scale):
    n, inverse, frozen = len(scale), np.linalg.inv(scale), stats.wishart(df, scale)
    constant = df * (log_det(scale) + n * np.log(2)) / 2 + special.multigammaln(df / 2, n)
    return Oracle(
        event_ndim=2,
        logpdf=lambda x: 0.5 * ((df - n - 1) * log_det(x) - np.trace(inverse @ x)) - constant,
        mean=frozen.mean(),
        var=frozen.var(),
        entropy=frozen.entropy(),
    )


def inv_wishart_oracle(df, scale):
    n, frozen = len(scale), stats.invwishart(df, scale)
    constant = df * (n * np.log(2) - log_det(scale)) / 2 + special.multigammaln(df / 2, n)
    # scipy 1.17 has log 2 for n log 2 in its entropy; this is -E log p, with E tr(V X^-1) = n df.
    expected_log_det = log_det(scale) - n * np.log(2) - digammas(df / 2, n)
    return Oracle(
        event_ndim=2,
        logpdf=lambda x: -0.5 * ((df + n + 1) * log_det(x) + np.trace(scale @ np.linalg.inv(x))) - constant,
        mean=frozen.mean(),
        var=frozen.var(),
        entropy=constant + 0.5 * ((df + n + 1) * expected_log_det + n * df),
    )


# ---- values: the mean, and away from it -----------------------------------------------------------------------------

DIRECTIONS = np.array([[1.0, 0.3, -0.5], [-0.2, 1.0, 0.4], [0.3, -0.7, 1.0], [1.0, 1.0, 1.0]])


def vectors(mean, scale_tril):
    return np.concatenate([[mean], *(mean + s * DIRECTIONS[:, : len(mean)] @ scale_tril.T for s in (0.5, 3.0, 20.0))])


def gaussian_statistics(make):
    """The squared Mahalanobis distance, and one direction."""

    def first(mean, matrix):
        cov = make(matrix)
        return stats.norm(mean[0] - mean[1], np.sqrt(cov[0, 0] - 2 * cov[0, 1] + cov[1, 1]))

    return {
        "difference": (lambda x: x[:, 0] - x[:, 1], first),
        "last": (lambda x: x[:, -1], lambda m, a: stats.norm(m[-1], np.sqrt(make(a)[-1, -1]))),
    }


def compositions(alpha):
    n = len(alpha)
    centre = np.full(n, 1 / n)
    corner = np.full(n, 1e-6)
    corner[0] = 1 - 1e-6 * (n - 1)
    uneven = np.arange(1.0, n + 1)
    return np.stack([alpha / alpha.sum(), centre, corner, uneven / uneven.sum()])


def spd(scale):
    """Matrices around a scale, from narrow to wide, turned and correlated."""
    n = len(scale)
    turn = np.eye(n) + 0.5 * np.tri(n, k=-1)
    return np.stack(
        [
            s * turn @ scale @ turn.T + d * np.diag(np.arange(1.0, n + 1))
            for s, d in ((1, 0), (5, 1), (0.2, 0.5), (50, 0))
        ]
    )


def not_spd(scale):
    n = len(scale)
    lopsided = np.eye(n)
    lopsided[0, 1] = 0.1
    return np.stack(
        [np.zeros((n, n)), -np.eye(n), np.ones((n, n)) - 0.5 * np.eye(n) * 2, lopsided, np.full((n, n), np.nan)]
    )


SCALE = [[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 0.7]]
NARROW = [[1e-4, 9e-5, 0.0], [9e-5, 1e-4, 0.0], [0.0, 0.0, 4.0]]
INDEFINITE = [[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
TRIL = [[1.4, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.1, 0.2, 0.8]]


def lower_times_upper(a):
    return a @ a.T


CASES = [
    Case(
        family=multivariate_normal,
        points=[([0.0, 1.0, 2.0], SCALE), ([-1.0, 0.0, 30.0], NARROW), ([0.5, -0.5], [[1.0, -0.6], [-0.6, 2.0]])],
        oracle=gaussian,
        grid=lambda mean, cov: vectors(mean, np.linalg.cholesky(cov)),
        invalid={
            "mean": [([INF, 0.0, 0.0], SCALE)],
            "cov": [([0.0, 0.0, 0.0], INDEFINITE), ([0.0, 0.0, 0.0], np.zeros((3, 3)).tolist())],
        },
        statistics=gaussian_statistics(lambda cov: cov),
    ),
    Case(
        family=multivariate_normal.alternatives[frozenset({"mean", "scale_tril"})],
        name="multivariate_normal scale_tril",
        points=[([0.0, 1.0, 2.0], TRIL), ([5.0, 1.0, -2.0], (0.1 * np.array(TRIL)).tolist())],
        oracle=lambda mean, tril: gaussian(mean, tril @ tril.T),
        grid=vectors,
        invalid={
            "mean": [([INF, 0.0, 0.0], TRIL)],
            "scale_tril": [([0.0, 0.0, 0.0], [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])],
        },
        statistics=gaussian_statistics(lower_times_upper),
    ),
    Case(
        family=multivariate_normal.alternatives[frozenset({"mean", "precision"})],
        name="multivariate_normal precision",
        points=[([0.0, 1.0, 2.0], SCALE), ([5.0, 1.0, -2.0], [[100.0, 20.0, 0.0], [20.0, 90.0, 5.0], [0.0, 5.0, 0.5]])],
        oracle=lambda mean, precision: gaussian(mean, np.linalg.inv(precision)),
        grid=lambda mean, precision: vectors(mean, np.linalg.cholesky(np.linalg.inv(precision))),
        invalid={"mean": [([INF, 0.0, 0.0], SCALE)], "precision": [([0.0, 0.0, 0.0], INDEFINITE)]},
        statistics=gaussian_statistics(np.linalg.inv),
    ),
    Case(
        family=dirichlet,
        points=[([1.0, 2.0, 3.0],), ([0.1, 0.2, 0.3],), ([1.0, 1.0, 1.0],), ([100.0, 50.0, 3.0],), ([0.5, 4.0],)],
        oracle=dirichlet_oracle,
        grid=compositions,
        outside=lambda alpha: np.stack(
            [
                np.full(len(alpha), 0.9),
                np.zeros(len(alpha)),
                np.append(-0.5, np.full(len(alpha) - 1, 1.5 / (len(alpha) - 1))),
            ]
        ),
        invalid={"alpha": [([0.0, 1.0, 1.0],), ([-1.0, 2.0, 2.0],), ([float("nan"), 1.0, 1.0],)]},
        statistics={
            "first": (lambda x: x[:, 0], lambda alpha: stats.beta(alpha[0], alpha.sum() - alpha[0])),
            "last": (lambda x: x[:, -1], lambda alpha: stats.beta(alpha[-1], alpha.sum() - alpha[-1])),
        },
    ),
    Case(
        family=wishart,
        points=[(5.0, SCALE), (12.5, NARROW), (3.5, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])],
        oracle=wishart_oracle,
        grid=lambda df, scale: spd(scale),
        outside=lambda df, scale: not_spd(scale),
        invalid={
            "df": [(1.5, SCALE), (2.0, SCALE), (-1.0, SCALE)],
            "scale": [(5.0, INDEFINITE), (5.0, np.zeros((3, 3)).tolist())],
        },
        smooth=lambda df, scale: df * spd(scale),
        statistics={
            "first": (lambda x: x[:, 0, 0], lambda df, scale: stats.chi2(df, scale=scale[0, 0])),
            "difference": (
                lambda x: x[:, 0, 0] - 2 * x[:, 0, 1] + x[:, 1, 1],
                lambda df, scale: stats.chi2(df, scale=scale[0, 0] - 2 * scale[0, 1] + scale[1, 1]),
            ),
            "last of the inverse": (
                lambda x: 1 / np.linalg.inv(x)[:, 2, 2],
                lambda df, scale: stats.chi2(df - 2, scale=1 / np.linalg.inv(scale)[2, 2]),
            ),
        },
    ),
    Case(
        family=wishart.alternatives[frozenset({"df", "scale_tril"})],
        name="wishart scale_tril",
        points=[(5.0, TRIL), (12.5, TRIL)],
        oracle=lambda df, tril: wishart_oracle(df, tril @ tril.T),
        grid=lambda df, tril: spd(tril @ tril.T),
        outside=lambda df, tril: not_spd(tril),
        invalid={"df": [(2.0, TRIL)], "scale_tril": [(5.0, (-np.array(TRIL)).tolist())]},
        smooth=lambda df, tril: df * spd(tril @ tril.T),
        statistics={"last": (lambda x: x[:, 2, 2], lambda df, tril: stats.chi2(df, scale=(tril @ tril.T)[2, 2]))},
    ),
    Case(
        family=inv_wishart,
        points=[(12.0, SCALE), (20.5, NARROW), (9.0, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])],
        oracle=inv_wishart_oracle,
        grid=lambda df, scale: spd(scale),
        outside=lambda df, scale: not_spd(scale),
        invalid={
            "df": [(1.5, SCALE), (2.0, SCALE), (-1.0, SCALE)],
            "scale": [(5.0, INDEFINITE), (5.0, np.zeros((3, 3)).tolist())],
        },
        smooth=lambda df, scale: spd(scale) / df,
        moments=lambda df, scale: df > 3 + 7,  # the fourth moment needs df > n + 7
        statistics={
            "first": (lambda x: x[:, 0, 0], lambda df, scale: stats.invgamma((df - 2) / 2, scale=scale[0, 0] / 2)),
            "last of the inverse": (
                lambda x: np.linalg.inv(x)[:, 2, 2],
                lambda df, scale: stats.chi2(df, scale=np.linalg.inv(scale)[2, 2]),
            ),
        },
    ),
]
