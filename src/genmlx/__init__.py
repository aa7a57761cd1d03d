"""GenMLX: a probabilistic programming language with Gen's generative function interface, on MLX arrays."""

from genmlx.core.choicemap import EMPTY, C, ChoiceMap, choicemap
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.distribution import Distribution, distribution
from genmlx.core.edit import ConstraintEdit, EditRequest, ProposalEdit, SelectionEdit, SequenceEdit
from genmlx.core.execution import validating
from genmlx.core.factor import factor
from genmlx.core.gfi import Call, GenerativeFunction
from genmlx.core.selection import ALL, NONE, Selection, select, select_where
from genmlx.core.trace import Trace
from genmlx.distributions import (
    bernoulli,
    beta,
    beta_uniform_mixture,
    binomial,
    broadcasted_normal,
    categorical,
    cauchy,
    delta,
    dirichlet,
    discrete_uniform,
    exponential,
    flat,
    flip,
    gamma,
    gaussian,
    geometric,
    half_cauchy,
    half_normal,
    iid,
    inv_gamma,
    inv_wishart,
    laplace,
    log_normal,
    mixture,
    multivariate_normal,
    neg_binomial,
    normal,
    piecewise_uniform,
    poisson,
    positive_flat,
    student_t,
    truncated_normal,
    uniform,
    wishart,
)
from genmlx.inference import kernels
from genmlx.inference.importance import importance_resampling, importance_sampling
from genmlx.inference.mcmc.mh import mh
from genmlx.inference.results import Chains, Particles
from genmlx.inference.run import run_chain
from genmlx.lang.gen import gen
from genmlx.numerics import domains, linalg, special
from genmlx.numerics.errors import GenMLXError
from genmlx.numerics.memory import memory_report
from genmlx.numerics.random import key, split

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "ALL",
    "bernoulli",
    "beta",
    "beta_uniform_mixture",
    "binomial",
    "broadcasted_normal",
    "C",
    "Call",
    "categorical",
    "cauchy",
    "Chains",
    "ChoiceMap",
    "choicemap",
    "ConstraintEdit",
    "delta",
    "dirichlet",
    "discrete_uniform",
    "Distribution",
    "distribution",
    "domains",
    "EditRequest",
    "EMPTY",
    "exponential",
    "factor",
    "flat",
    "flip",
    "gamma",
    "gaussian",
    "gen",
    "GenerativeFunction",
    "GenMLXError",
    "geometric",
    "half_cauchy",
    "half_normal",
    "iid",
    "importance_resampling",
    "importance_sampling",
    "inv_gamma",
    "inv_wishart",
    "kernels",
    "key",
    "laplace",
    "linalg",
    "log_normal",
    "memory_report",
    "mh",
    "mixture",
    "multivariate_normal",
    "neg_binomial",
    "NoChange",
    "NONE",
    "normal",
    "Particles",
    "piecewise_uniform",
    "poisson",
    "positive_flat",
    "ProposalEdit",
    "run_chain",
    "select",
    "select_where",
    "Selection",
    "SelectionEdit",
    "SequenceEdit",
    "special",
    "split",
    "student_t",
    "Trace",
    "truncated_normal",
    "uniform",
    "UnknownChange",
    "validating",
    "wishart",
]
