"""Layer 5: the families of distributions, one idiom each."""

from genmlx.distributions.bernoulli import bernoulli, flip
from genmlx.distributions.beta import beta
from genmlx.distributions.beta_uniform_mixture import beta_uniform_mixture
from genmlx.distributions.cauchy import cauchy
from genmlx.distributions.exponential import exponential
from genmlx.distributions.flat import flat, positive_flat
from genmlx.distributions.gamma import gamma
from genmlx.distributions.half import half_cauchy, half_normal
from genmlx.distributions.inv_gamma import inv_gamma
from genmlx.distributions.laplace import laplace
from genmlx.distributions.log_normal import log_normal
from genmlx.distributions.normal import broadcasted_normal, gaussian, normal
from genmlx.distributions.piecewise_uniform import piecewise_uniform
from genmlx.distributions.student_t import student_t
from genmlx.distributions.truncated_normal import truncated_normal
from genmlx.distributions.uniform import uniform

__all__ = [
    "bernoulli",
    "beta",
    "beta_uniform_mixture",
    "broadcasted_normal",
    "cauchy",
    "exponential",
    "flat",
    "flip",
    "gamma",
    "gaussian",
    "half_cauchy",
    "half_normal",
    "inv_gamma",
    "laplace",
    "log_normal",
    "normal",
    "piecewise_uniform",
    "positive_flat",
    "student_t",
    "truncated_normal",
    "uniform",
]
