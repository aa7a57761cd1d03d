"""Layer 5: the families of distributions, one idiom each."""

from genmlx.distributions.asymmetric_laplace import asymmetric_laplace
from genmlx.distributions.bernoulli import bernoulli, flip
from genmlx.distributions.beta import beta
from genmlx.distributions.beta_mean import beta_mean as beta_mean
from genmlx.distributions.beta_uniform_mixture import beta_uniform_mixture
from genmlx.distributions.binomial import binomial
from genmlx.distributions.categorical import categorical
from genmlx.distributions.cauchy import cauchy
from genmlx.distributions.censored import censored
from genmlx.distributions.chi2 import chi2, inv_chi2, scaled_inv_chi2
from genmlx.distributions.delta import delta
from genmlx.distributions.dirichlet import dirichlet
from genmlx.distributions.dirichlet_multinomial import beta_binomial, dirichlet_multinomial
from genmlx.distributions.discrete_uniform import discrete_uniform
from genmlx.distributions.exp_modified_normal import exp_modified_normal
from genmlx.distributions.exponential import exponential
from genmlx.distributions.flat import flat, positive_flat
from genmlx.distributions.frechet import frechet
from genmlx.distributions.gamma import gamma
from genmlx.distributions.gaussian_random_walk import gaussian_random_walk
from genmlx.distributions.generalised_pareto import generalised_pareto
from genmlx.distributions.geometric import geometric
from genmlx.distributions.gompertz import gompertz
from genmlx.distributions.gumbel import gumbel
from genmlx.distributions.half import half_cauchy, half_normal
from genmlx.distributions.half_student_t import half_student_t
from genmlx.distributions.hypergeometric import hypergeometric
from genmlx.distributions.iid import iid
from genmlx.distributions.inv_gamma import inv_gamma
from genmlx.distributions.inverse_gaussian import inverse_gaussian
from genmlx.distributions.kumaraswamy import kumaraswamy
from genmlx.distributions.laplace import laplace
from genmlx.distributions.levy import levy
from genmlx.distributions.lkj import lkj
from genmlx.distributions.lkj_cholesky import lkj_cholesky
from genmlx.distributions.log_normal import log_normal
from genmlx.distributions.log_uniform import log_uniform
from genmlx.distributions.logistic import log_logistic, logistic
from genmlx.distributions.logit_normal import logit_normal
from genmlx.distributions.low_rank_multivariate_normal import low_rank_multivariate_normal
from genmlx.distributions.matrix_normal import matrix_normal
from genmlx.distributions.mixture import mixture
from genmlx.distributions.multinomial import multinomial
from genmlx.distributions.multivariate_normal import multivariate_normal
from genmlx.distributions.multivariate_student_t import multivariate_student_t
from genmlx.distributions.neg_binomial import neg_binomial
from genmlx.distributions.normal import broadcasted_normal, gaussian, normal
from genmlx.distributions.ordered_logistic import ordered_logistic, ordered_probit
from genmlx.distributions.pareto import pareto
from genmlx.distributions.piecewise_uniform import piecewise_uniform
from genmlx.distributions.poisson import poisson
from genmlx.distributions.product import product
from genmlx.distributions.relaxed import relaxed_bernoulli, relaxed_categorical
from genmlx.distributions.skew_normal import skew_normal
from genmlx.distributions.student_t import student_t
from genmlx.distributions.transformed import transformed
from genmlx.distributions.triangular import triangular
from genmlx.distributions.truncated import truncated
from genmlx.distributions.truncated_normal import truncated_normal
from genmlx.distributions.uniform import uniform
from genmlx.distributions.von_mises import von_mises
from genmlx.distributions.weibull import rayleigh, weibull
from genmlx.distributions.wishart import inv_wishart, wishart
from genmlx.distributions.wrapped import wrapped_cauchy, wrapped_normal
from genmlx.distributions.zero_inflated import zero_inflated
from genmlx.distributions.zero_sum_normal import zero_sum_normal

__all__ = [
    "asymmetric_laplace",
    "bernoulli",
    "beta",
    "beta_binomial",
    "beta_uniform_mixture",
    "binomial",
    "broadcasted_normal",
    "categorical",
    "cauchy",
    "censored",
    "chi2",
    "delta",
    "dirichlet",
    "dirichlet_multinomial",
    "discrete_uniform",
    "exp_modified_normal",
    "exponential",
    "flat",
    "flip",
    "frechet",
    "gamma",
    "gaussian",
    "gaussian_random_walk",
    "generalised_pareto",
    "geometric",
    "gompertz",
    "gumbel",
    "half_cauchy",
    "half_normal",
    "half_student_t",
    "hypergeometric",
    "iid",
    "inv_chi2",
    "inv_gamma",
    "inv_wishart",
    "inverse_gaussian",
    "kumaraswamy",
    "laplace",
    "levy",
    "lkj",
    "lkj_cholesky",
    "log_logistic",
    "log_normal",
    "log_uniform",
    "logistic",
    "logit_normal",
    "low_rank_multivariate_normal",
    "matrix_normal",
    "mixture",
    "multinomial",
    "multivariate_normal",
    "multivariate_student_t",
    "neg_binomial",
    "normal",
    "ordered_logistic",
    "ordered_probit",
    "pareto",
    "piecewise_uniform",
    "poisson",
    "positive_flat",
    "product",
    "rayleigh",
    "relaxed_bernoulli",
    "relaxed_categorical",
    "scaled_inv_chi2",
    "skew_normal",
    "student_t",
    "transformed",
    "triangular",
    "truncated",
    "truncated_normal",
    "uniform",
    "von_mises",
    "weibull",
    "wishart",
    "wrapped_cauchy",
    "wrapped_normal",
    "zero_inflated",
    "zero_sum_normal",
]
