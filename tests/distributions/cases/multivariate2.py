"""More families of vectors and matrices."""

import numpy as np
from scipy import special, stats

from distributions.cases.case import Case, Oracle
from genmlx.distributions.gaussian_random_walk import GaussianRandomWalk
from genmlx.distributions.lkj_cholesky import LKJCholesky
from genmlx.distributions.low_rank_multivariate_normal import low_rank_multivariate_normal
from genmlx.distributions.matrix_normal import matrix_normal
from genmlx.distributions.multivariate_student_t import multivariate_student_t

__all__ = ["CASES"]

NAN, INF = float("nan"), float("inf")


def lkj_oracle(n, eta):
    """Stan's form of the normaliser, by products of beta functions."""
    rows = np.arange(n)
    a = eta + (n - 1 - rows) / 2
    normaliser = sum((2 * eta - 2 + n - k) * (n - k) * np.log(2) for k in range(1, n)) + sum(
        (n - k) * special.betaln(eta + (n - k - 1) / 2, eta + (n - k - 1) / 2) for k in range(1, n)
    )
    radius = [stats.beta(m / 2, eta + (n - 1 - m) / 2) for m in range(1, n)]
    roots = [1.0, *(np.exp(special.betaln(b.args[0], b.args[1] + 0.5) - special.betaln(*b.args)) for b in radius)]
    squares = np.diag([1.0, *(1 - b.mean() for b in radius)])
    for m in range(1, n):
        squares[m, :m] = radius[m - 1].mean() / m

    def logpdf(x):
        diagonal = np.diag(x)
        return (np.log(diagonal[1:]) * (2 * a[1:] - 2)).sum() - normaliser

    expected = sum((2 * a[m] - 2) * (special.digamma(a[m]) - special.digamma(a[m] + m / 2)) / 2 for m in range(1, n))
    return Oracle(
        event_ndim=2,
        logpdf=logpdf,
        mean=np.diag(roots),
        var=squares - np.diag(roots) ** 2,
        entropy=normaliser - expected,
    )


def factors(n):
    """Cholesky factors of correlation matrices, from nearly independent to nearly singular."""
    towards = [np.eye(n), 0.5 * np.eye(n) + 0.5, 0.99 * np.ones((n, n)) + 0.01 * np.eye(n)]
    signs = (-1.0) ** np.arange(n)
    return np.stack([np.linalg.cholesky(c) for c in (*towards, np.outer(signs, signs) * towards[1])])


def not_factors(n):
    upper = factors(n)[1].T
    negative = -np.eye(n)
    long = factors(n)[1] * 1.01
    return np.stack([upper, negative, long, np.zeros((n, n)), np.full((n, n), np.nan)])


def lkj_case(n):
    return Case(
        family=LKJCholesky(n),
        name=f"lkj_cholesky {n}",
        points=[(1.0,), (0.5,), (2.5,), (40.0,)],
        oracle=lambda eta: lkj_oracle(n, eta),
        grid=lambda eta: factors(n),
        outside=lambda eta: not_factors(n),
        invalid={"eta": [(0.0,), (-1.0,), (NAN,)]},
        gradients=["eta"],
        moments=lambda eta: False,  # the first row is constant
        statistics={
            # C_ij is 2 B - 1, B from Beta(b, b), b = eta - 1 + n / 2
            "first": (
                lambda x: (x @ x.swapaxes(-1, -2))[:, 1, 0],
                lambda eta: stats.beta(eta - 1 + n / 2, eta - 1 + n / 2, loc=-1, scale=2),
            ),
            "last": (
                lambda x: (x @ x.swapaxes(-1, -2))[:, -1, -2],
                lambda eta: stats.beta(eta - 1 + n / 2, eta - 1 + n / 2, loc=-1, scale=2),
            ),
        },
    )


def student_oracle(df, loc, tril):
    n = len(loc)
    inverse = np.linalg.inv(tril)
    height = special.gammaln((df + n) / 2) - special.gammaln(df / 2) - n / 2 * np.log(df * np.pi)
    height -= np.log(np.diag(tril)).sum()
    variance = np.diag(tril @ tril.T) * (df / (df - 2) if df > 2 else INF)
    return Oracle(
        event_ndim=1,
        logpdf=lambda x: height - (df + n) / 2 * np.log1p(((inverse @ (x - loc)) ** 2).sum() / df),
        mean=loc if df > 1 else np.full(n, NAN),
        var=variance if df > 1 else np.full(n, NAN),
    )


DIRECTIONS = np.array([[1.0, 0.3, -0.5], [-0.2, 1.0, 0.4], [0.3, -0.7, 1.0], [1.0, 1.0, 1.0]])


def vectors(loc, tril, far=20.0):
    return np.concatenate([[loc], *(loc + s * DIRECTIONS[:, : len(loc)] @ tril.T for s in (0.5, 3.0, far))])


TRIL = [[1.4, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.1, 0.2, 0.8]]


def gaussian(mean, cov, shape):
    frozen = stats.multivariate_normal(mean, cov)
    return Oracle(
        event_ndim=len(shape),
        logpdf=lambda x: frozen.logpdf(x.ravel()),
        mean=np.reshape(mean, shape),
        var=np.reshape(np.diag(cov), shape),
        entropy=frozen.entropy(),
    )


def walk(n, sigma, start, drift):
    t = np.arange(1, n + 1)
    return gaussian(start + drift * t, sigma**2 * np.minimum.outer(t, t), (n,))


def walk_case(n):
    return Case(
        family=GaussianRandomWalk(n),
        name=f"gaussian_random_walk {n}",
        points=[(1.0, 0.0, 0.0), (0.25, 10.0, -0.5), (5.0, -3.0, 1.0)],
        oracle=lambda *p: walk(n, *p),
        grid=lambda sigma, start, drift: np.stack(
            [start + drift * np.arange(1.0, n + 1), np.full(n, start), start + 4 * sigma * (-1.0) ** np.arange(n)]
        ),
        outside=lambda *p: np.full((2, n), [[INF], [-INF]]),
        invalid={
            "sigma": [(0.0, 0.0, 0.0), (-1.0, 0.0, 0.0)],
            "start": [(1.0, INF, 0.0)],
            "drift": [(1.0, 0.0, NAN)],
        },
        statistics={
            "first": (lambda x: x[:, 0], lambda sigma, start, drift: stats.norm(start + drift, sigma)),
            "last": (lambda x: x[:, -1], lambda s, start, drift: stats.norm(start + n * drift, s * np.sqrt(n))),
        },
    )


def matrices(loc, rows, columns):
    n, m = loc.shape
    z = np.linspace(-1.0, 1.5, n * m).reshape(n, m)
    return np.stack([loc, *(loc + s * rows @ z @ columns.T for s in (0.5, 3.0, 20.0))])


W = [[1.0, 0.0], [0.5, -1.0], [0.25, 2.0]]


CASES = [
    Case(
        family=low_rank_multivariate_normal,
        points=[
            ([0.0, 1.0, 2.0], W, [1.0, 0.5, 2.0]),
            ([-1.0, 5.0, 0.0], (10 * np.array(W)).tolist(), [0.5, 0.25, 1.0]),
            ([0.0, 1.0], [[1.0], [0.5]], [1.0, 0.75]),
        ],
        oracle=lambda loc, w, d: gaussian(loc, w @ w.T + np.diag(d), loc.shape),
        grid=lambda loc, w, d: vectors(loc, np.linalg.cholesky(w @ w.T + np.diag(d))),
        invalid={
            "loc": [([INF, 0.0, 0.0], W, [1.0, 0.5, 2.0])],
            "cov_factor": [([0.0, 0.0, 0.0], np.full((3, 2), NAN).tolist(), [1.0, 0.5, 2.0])],
            "cov_diag": [([0.0, 0.0, 0.0], W, [1.0, 0.0, 2.0]), ([0.0, 0.0, 0.0], W, [1.0, -1.0, 2.0])],
        },
        statistics={
            "last": (lambda x: x[:, -1], lambda m, w, d: stats.norm(m[-1], np.sqrt((w[-1] ** 2).sum() + d[-1]))),
            "difference": (
                lambda x: x[:, 0] - x[:, 1],
                lambda m, w, d: stats.norm(m[0] - m[1], np.sqrt(((w[0] - w[1]) ** 2).sum() + d[0] + d[1])),
            ),
        },
    ),
    walk_case(1),
    walk_case(5),
    Case(
        family=matrix_normal,
        points=[
            ([[0.0, 1.0], [2.0, 3.0], [-1.0, 0.0]], TRIL, [[1.0, 0.0], [-0.5, 2.0]]),
            ([[5.0, 1.0], [2.0, 0.0], [0.0, 0.0]], (0.1 * np.array(TRIL)).tolist(), [[0.5, 0.0], [0.25, 0.5]]),
            ([[0.0, 1.0]], [[2.0]], [[1.0, 0.0], [0.5, 1.5]]),
        ],
        oracle=lambda loc, a, b: gaussian(loc.ravel(), np.kron(a @ a.T, b @ b.T), loc.shape),
        grid=matrices,
        invalid={
            "loc": [(np.full((3, 2), INF).tolist(), TRIL, [[1.0, 0.0], [0.5, 1.5]])],
            "row_scale_tril": [(np.zeros((3, 2)).tolist(), (-np.array(TRIL)).tolist(), [[1.0, 0.0], [0.5, 1.5]])],
            "column_scale_tril": [(np.zeros((3, 2)).tolist(), TRIL, [[1.0, 0.0], [0.5, -1.5]])],
        },
        statistics={
            "last": (
                lambda x: x[:, -1, -1],
                lambda m, a, b: stats.norm(m[-1, -1], np.sqrt((a @ a.T)[-1, -1] * (b @ b.T)[-1, -1])),
            ),
            "sum": (
                lambda x: x.sum(axis=(1, 2)),
                lambda m, a, b: stats.norm(m.sum(), np.sqrt((a @ a.T).sum() * (b @ b.T).sum())),
            ),
        },
    ),
    lkj_case(2),
    lkj_case(4),
    Case(
        family=multivariate_student_t,
        points=[
            (3.0, [0.0, 1.0, 2.0], TRIL),
            (0.5, [5.0, 1.0, -2.0], (0.1 * np.array(TRIL)).tolist()),
            (25.0, [0.0, 0.0, 0.0], TRIL),
            (1e6, [0.0, 1.0, -1.0], TRIL),
            (1.5, [1.0, 2.0], [[1.0, 0.0], [-1.0, 0.5]]),
        ],
        oracle=student_oracle,
        grid=lambda df, loc, tril: (
            np.concatenate([vectors(loc, tril), loc + 1e12 * DIRECTIONS[:, : len(loc)]])
            if df < 100
            else vectors(loc, tril)
        ),
        outside=lambda df, loc, tril: np.stack([np.full(len(loc), INF), np.append(loc[1:], -INF)]),
        invalid={
            "df": [(0.0, [0.0, 1.0, 2.0], TRIL), (-1.0, [0.0, 1.0, 2.0], TRIL)],
            "loc": [(3.0, [INF, 0.0, 0.0], TRIL)],
            "scale_tril": [(3.0, [0.0, 0.0, 0.0], (-np.array(TRIL)).tolist())],
        },
        smooth=lambda df, loc, tril: vectors(loc, tril, 6.0),
        moments=lambda df, loc, tril: df > 8,
        statistics={
            "last": (lambda x: x[:, -1], lambda df, m, t: stats.t(df, m[-1], np.sqrt((t @ t.T)[-1, -1]))),
            "difference": (
                lambda x: x[:, 0] - x[:, 1],
                lambda df, m, t: stats.t(df, m[0] - m[1], np.sqrt(((t[0] - t[1]) ** 2).sum())),
            ),
        },
    ),
]
