"""Two or three settings of every family, which its page shows: by group, in the order of the tables.

A family that is added gets a row here. A setting is a call as a user writes it; the page asks the call for its support,
shapes and densities. A `Shown` with a window fixes the interval of the figure, where the bulk of the draws would not
show what matters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import mlx.core as mx

import genmlx as gm
from genmlx import distributions
from genmlx.core.distribution import DistributionCall
from genmlx.distributions.bijectors import Exp

__all__ = ["GROUPS", "SETTINGS", "Shown"]

_NAMES = {**vars(distributions), "Exp": Exp, "gm": gm, "math": math, "mx": mx}


class Shown(NamedTuple):
    """The calls of a figure, and the interval of values that it shows."""

    texts: list[str]
    window: tuple[float, float] | None = None

    @property
    def calls(self) -> list[DistributionCall]:
        """The settings, as calls."""
        return [eval(text, dict(_NAMES)) for text in self.texts]  # our own, below


GROUPS: dict[str, dict[str, Shown | list[str]]] = {
    "On the line": {
        "normal": ["normal(0.0, 1.0)", "normal(0.0, 2.0)", "normal(3.0, 0.5)"],
        "student_t": ["student_t(1.0)", "student_t(4.0)", "student_t(30.0)"],
        "cauchy": ["cauchy(0.0, 0.5)", "cauchy(0.0, 1.0)", "cauchy(2.0, 1.0)"],
        "laplace": ["laplace(0.0, 1.0)", "laplace(0.0, 2.0)", "laplace(3.0, 0.5)"],
        "asymmetric_laplace": ["asymmetric_laplace(0.0, 1.0, 0.5)", "asymmetric_laplace(0.0, 1.0, 2.0)"],
        "logistic": ["logistic(0.0, 0.5)", "logistic(0.0, 1.0)", "logistic(3.0, 1.0)"],
        "gumbel": ["gumbel(0.0, 1.0)", "gumbel(0.0, 2.0)", "gumbel(3.0, 1.0)"],
        "skew_normal": ["skew_normal(0.0, 1.0, -4.0)", "skew_normal(0.0, 1.0, 1.0)", "skew_normal(0.0, 1.0, 8.0)"],
        "exp_modified_normal": ["exp_modified_normal(0.0, 1.0, 0.25)", "exp_modified_normal(0.0, 1.0, 2.0)"],
    },
    "Positive": {
        "half_normal": ["half_normal(0.5)", "half_normal(1.0)", "half_normal(2.0)"],
        "half_cauchy": ["half_cauchy(0.5)", "half_cauchy(1.0)", "half_cauchy(2.0)"],
        "half_student_t": ["half_student_t(1.0)", "half_student_t(4.0)", "half_student_t(4.0, 2.0)"],
        "log_normal": ["log_normal(0.0, 0.25)", "log_normal(0.0, 0.5)", "log_normal(0.0, 1.0)"],
        "exponential": ["exponential(0.5)", "exponential(1.0)", "exponential(2.0)"],
        "gamma": ["gamma(1.0, 1.0)", "gamma(2.0, 1.0)", "gamma(9.0, 2.0)"],
        "inv_gamma": ["inv_gamma(1.0, 1.0)", "inv_gamma(3.0, 1.0)", "inv_gamma(3.0, 4.0)"],
        "chi2": ["chi2(2.0)", "chi2(4.0)", "chi2(9.0)"],
        "inv_chi2": Shown(["inv_chi2(2.0)", "inv_chi2(4.0)", "inv_chi2(9.0)"], (0.0, 1.0)),
        "scaled_inv_chi2": Shown(["scaled_inv_chi2(2.0, 1.0)", "scaled_inv_chi2(20.0, 1.0)"], (0.0, 4.0)),
        "weibull": ["weibull(0.8, 1.0)", "weibull(1.5, 1.0)", "weibull(4.0, 1.0)"],
        "rayleigh": ["rayleigh(0.5)", "rayleigh(1.0)", "rayleigh(2.0)"],
        "frechet": Shown(["frechet(1.0, 1.0)", "frechet(2.0, 1.0)", "frechet(4.0, 2.0)"], (0.0, 6.0)),
        "log_logistic": Shown(
            ["log_logistic(1.0, 1.0)", "log_logistic(2.0, 1.0)", "log_logistic(6.0, 1.0)"], (0.0, 3.0)
        ),
        "inverse_gaussian": ["inverse_gaussian(1.0, 0.3)", "inverse_gaussian(1.0, 1.0)", "inverse_gaussian(1.0, 5.0)"],
        "gompertz": ["gompertz(0.1, 1.0)", "gompertz(0.5, 1.0)", "gompertz(2.0, 1.0)"],
        "levy": Shown(["levy(0.0, 0.5)", "levy(0.0, 1.0)", "levy(1.0, 1.0)"], (0.0, 5.0)),
        "pareto": Shown(["pareto(1.0, 1.0)", "pareto(1.0, 3.0)", "pareto(2.0, 3.0)"], (0.0, 5.0)),
        "generalised_pareto": Shown(
            [
                "generalised_pareto(0.0, 1.0, -0.4)",
                "generalised_pareto(0.0, 1.0, 0.0)",
                "generalised_pareto(0.0, 1.0, 1.0)",
            ],
            (0.0, 5.0),
        ),
    },
    "Between bounds": {
        "uniform": ["uniform(0.0, 1.0)", "uniform(-1.0, 3.0)"],
        "log_uniform": ["log_uniform(0.2, 5.0)", "log_uniform(1.0, 3.0)"],
        "triangular": ["triangular(0.0, 1.0, 4.0)", "triangular(0.0, 4.0, 4.0)"],
        "piecewise_uniform": ["piecewise_uniform([0.0, 1.0, 3.0, 4.0], [1.0, 3.0, 0.5])"],
        "beta": ["beta(0.5, 0.5)", "beta(2.0, 2.0)", "beta(2.0, 6.0)"],
        "beta_uniform_mixture": ["beta_uniform_mixture(0.2, 4.0, 8.0)", "beta_uniform_mixture(0.9, 4.0, 8.0)"],
        "kumaraswamy": ["kumaraswamy(0.5, 0.5)", "kumaraswamy(2.0, 2.0)", "kumaraswamy(2.0, 6.0)"],
        "logit_normal": ["logit_normal(0.0, 0.5)", "logit_normal(0.0, 2.0)", "logit_normal(1.0, 1.0)"],
        "relaxed_bernoulli": [
            "relaxed_bernoulli(0.5, 0.0)",
            "relaxed_bernoulli(0.5, 1.0)",
            "relaxed_bernoulli(2.0, 1.0)",
        ],
        "truncated_normal": ["truncated_normal(0.0, 1.0, -1.0, 2.0)", "truncated_normal(3.0, 1.0, -1.0, 2.0)"],
    },
    "Angles": {
        "von_mises": ["von_mises(0.0, 0.5)", "von_mises(0.0, 2.0)", "von_mises(1.5, 8.0)"],
        "wrapped_normal": ["wrapped_normal(0.0, 0.5)", "wrapped_normal(0.0, 1.5)", "wrapped_normal(2.0, 0.8)"],
        "wrapped_cauchy": ["wrapped_cauchy(0.0, 0.3)", "wrapped_cauchy(0.0, 1.0)", "wrapped_cauchy(2.0, 0.5)"],
    },
    "Counts and categories": {
        "bernoulli": ["bernoulli(0.2)", "bernoulli(logits=1.0)"],
        "categorical": ["categorical(probs=[1.0, 2.0, 4.0, 2.0])", "categorical([0.0, 0.0, 0.0, 2.0])"],
        "ordered_logistic": ["ordered_logistic(-1.0, [-1.0, 0.0, 2.0])", "ordered_logistic(1.0, [-1.0, 0.0, 2.0])"],
        "ordered_probit": ["ordered_probit(-1.0, [-1.0, 0.0, 2.0])", "ordered_probit(1.0, [-1.0, 0.0, 2.0])"],
        "discrete_uniform": ["discrete_uniform(1, 6)", "discrete_uniform(3, 10)"],
        "binomial": ["binomial(10, 0.3)", "binomial(20, 0.3)", "binomial(20, 0.7)"],
        "beta_binomial": [
            "beta_binomial(20, 0.7, 0.7)",
            "beta_binomial(20, 2.0, 4.0)",
            "beta_binomial(20, 30.0, 30.0)",
        ],
        "hypergeometric": ["hypergeometric(10, 10, 40)", "hypergeometric(10, 30, 40)"],
        "geometric": ["geometric(0.2)", "geometric(0.5)", "geometric(0.8)"],
        "poisson": ["poisson(1.0)", "poisson(4.0)", "poisson(12.0)"],
        "neg_binomial": [
            "neg_binomial(1.0, 0.3)",
            "neg_binomial(5.0, 0.5)",
            "neg_binomial(mean=10.0, concentration=20.0)",
        ],
        "multinomial": ["multinomial(10, [0.2, 0.8])", "multinomial(10, [0.5, 0.5])"],
        "dirichlet_multinomial": ["dirichlet_multinomial(10, [0.5, 0.5])", "dirichlet_multinomial(10, [2.0, 8.0])"],
        "delta": ["delta(1)", "delta(3)"],
    },
    "Vectors and matrices": {
        "multivariate_normal": [
            "multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]])",
            "multivariate_normal([1.0, 0.0], scale_tril=[[1.0, 0.0], [-0.5, 0.5]])",
        ],
        "low_rank_multivariate_normal": [
            "low_rank_multivariate_normal([0.0, 0.0], [[1.0], [1.0]], [0.2, 0.2])",
            "low_rank_multivariate_normal([0.0, 0.0], [[1.0], [-0.5]], [0.2, 0.2])",
        ],
        "multivariate_student_t": [
            "multivariate_student_t(1.0, [0.0, 0.0], [[1.0, 0.0], [0.6, 0.8]])",
            "multivariate_student_t(10.0, [0.0, 0.0], [[1.0, 0.0], [0.6, 0.8]])",
        ],
        "gaussian_random_walk": ["gaussian_random_walk(2, 1.0)", "gaussian_random_walk(2, 0.5, drift=1.0)"],
        "dirichlet": ["dirichlet([0.8, 0.8, 0.8])", "dirichlet([2.0, 2.0, 2.0])", "dirichlet([2.0, 4.0, 8.0])"],
        "relaxed_categorical": [
            "relaxed_categorical(1.5, [0.0, 0.0, 0.0])",
            "relaxed_categorical(1.5, [0.0, 0.0, 1.0])",
        ],
        "zero_sum_normal": ["zero_sum_normal(2, 0.5)", "zero_sum_normal(2, 1.0)", "zero_sum_normal(2, 2.0)"],
        "matrix_normal": [
            "matrix_normal([[0.0, 0.0]], [[1.0]], [[1.0, 0.0], [0.0, 1.0]])",
            "matrix_normal([[0.0, 0.0]], [[1.0]], [[1.0, 0.0], [0.6, 0.8]])",
        ],
        "lkj": ["lkj(2, 0.5)", "lkj(2, 1.0)", "lkj(2, 4.0)"],
        "lkj_cholesky": ["lkj_cholesky(2, 0.5)", "lkj_cholesky(2, 1.0)", "lkj_cholesky(2, 4.0)"],
        "wishart": ["wishart(4.0, [[1.0, 0.0], [0.0, 1.0]])", "wishart(4.0, [[1.0, 0.6], [0.6, 1.0]])"],
        "inv_wishart": ["inv_wishart(4.0, [[1.0, 0.0], [0.0, 1.0]])", "inv_wishart(4.0, [[1.0, 0.6], [0.6, 1.0]])"],
    },
    "Made of others": {
        "iid": ["iid(gm.normal(0.0, 1.0), 2)", "iid(gm.exponential(1.0), 2)"],
        "product": [
            "product(gm.normal(0.0, 1.0), gm.exponential(1.0))",
            "product(gm.beta(2.0, 2.0), gm.uniform(0.0, 2.0))",
        ],
        "mixture": [
            "mixture([gm.normal(-2.0, 1.0), gm.normal(3.0, 0.5)], [math.log(0.3), math.log(0.7)])",
            "mixture(gm.normal([-3.0, 0.0, 3.0], 1.0), mx.zeros(3))",
        ],
        "truncated": ["truncated(gm.laplace(0.0, 1.0), -1.0, 2.0)", "truncated(gm.exponential(1.0), 0.5, 2.0)"],
        "censored": ["censored(gm.normal(0.0, 1.0), -1.0, 1.5)", "censored(gm.normal(1.0, 1.0), -1.0, 1.5)"],
        "transformed": Shown(
            ["transformed(gm.normal(0.0, 0.25), Exp())", "transformed(gm.normal(0.0, 1.0), Exp())"], (0.0, 4.0)
        ),
        "zero_inflated": ["zero_inflated(gm.poisson(4.0), 0.1)", "zero_inflated(gm.poisson(4.0), 0.4)"],
    },
    "Improper": {
        "flat": ["flat()"],
        "positive_flat": ["positive_flat()"],
    },
}

SETTINGS: dict[str, Shown] = {
    name: row if isinstance(row, Shown) else Shown(row) for rows in GROUPS.values() for name, row in rows.items()
}
