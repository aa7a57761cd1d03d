"""Exact posteriors, and Monte Carlo errors: float64 NumPy that shares no code with the package.

* Normal-linear models have a normal posterior and a normal evidence (`linear_regression`, `normal_mean`).
* A model with finitely many states is a table of its log joint density (`enumeration`).
* A weighted mean has a standard error by the delta method (`weighted_mean`); the mean of correlated draws one from the
  effective sample size (`chain_mean`), for which ArviZ is the oracle.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Estimate",
    "NormalPosterior",
    "Table",
    "chain_mean",
    "enumeration",
    "evidence",
    "linear_regression",
    "normal_mean",
    "weighted_mean",
]


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error."""

    mean: Any
    se: Any


class NormalPosterior(NamedTuple):
    """A normal posterior: means, covariance, standard deviations, and the log evidence."""

    mean: np.ndarray
    cov: np.ndarray
    sd: np.ndarray
    log_evidence: float


def linear_regression(
    design: Sequence[Sequence[float]], y: Sequence[float], prior_sd: float, noise: float
) -> NormalPosterior:
    """y ~ N(design b, noise^2) with independent b ~ N(0, prior_sd^2)."""
    x, data = np.asarray(design, np.float64), np.asarray(y, np.float64)
    cov = np.linalg.inv(x.T @ x / noise**2 + np.eye(x.shape[1]) / prior_sd**2)
    mean = cov @ x.T @ data / noise**2
    marginal = prior_sd**2 * x @ x.T + noise**2 * np.eye(len(data))
    _, log_det = np.linalg.slogdet(2 * np.pi * marginal)
    log_evidence = -0.5 * (data @ np.linalg.solve(marginal, data) + log_det)
    return NormalPosterior(mean, cov, np.sqrt(np.diag(cov)), float(log_evidence))


def normal_mean(y: Sequence[float], prior_sd: float, noise: float) -> NormalPosterior:
    """y_i ~ N(mu, noise^2) with mu ~ N(0, prior_sd^2)."""
    return linear_regression([[1.0]] * len(y), y, prior_sd, noise)


class Table(NamedTuple):
    """The posterior of a model with finitely many states."""

    states: list[tuple[Any, ...]]
    probabilities: np.ndarray
    log_evidence: float

    def probability(self, event: Callable[..., bool]) -> float:
        """The posterior probability of the states for which ``event(*state)`` holds."""
        return float(sum(p for state, p in zip(self.states, self.probabilities, strict=True) if event(*state)))


def enumeration(log_joint: Callable[..., float], *supports: Sequence[Any]) -> Table:
    """Every state of the product of the supports, weighed by its log joint density with the observations."""
    states = list(itertools.product(*supports))
    log_p = np.array([log_joint(*state) for state in states], np.float64)
    log_evidence = np.logaddexp.reduce(log_p)
    return Table(states, np.exp(log_p - log_evidence), float(log_evidence))


def weighted_mean(values: object, log_weights: object) -> Estimate:
    """Self-normalised importance sampling: the mean over the first axis, and its error by the delta method."""
    x, log_w = np.asarray(values, np.float64), np.asarray(log_weights, np.float64)
    w = np.exp(log_w - log_w.max())
    w = (w / w.sum()).reshape(-1, *[1] * (x.ndim - 1))
    mean = (w * x).sum(axis=0)
    return Estimate(mean, np.sqrt((w**2 * (x - mean) ** 2).sum(axis=0)))


def evidence(log_weights: object) -> Estimate:
    """The log of the mean weight, and its standard error: that of the mean, relative to it."""
    log_w = np.asarray(log_weights, np.float64)
    w = np.exp(log_w - log_w.max())
    return Estimate(np.log(w.mean()) + log_w.max(), w.std(ddof=1) / np.sqrt(len(w)) / w.mean())


def chain_mean(draws: object) -> Estimate:
    """The mean of draws of shape (chains, draws), and its error from the effective sample size."""
    import arviz_stats

    x = np.asarray(draws, np.float64)
    return Estimate(x.mean(), x.std(ddof=1) / np.sqrt(float(arviz_stats.ess(x, method="mean"))))
