"""Keyed samplers that MLX lacks, or gets wrong in a tail.

Each takes a key, the parameters, and ``shape``: the batch shape of the result, to which the parameters broadcast (by
default the shape they have among themselves). The draw is a function of the key alone: independent sub-keys for its
parts, no state; ``mx.vmap`` over keys gives the same bits as one call a key (``mx.compile`` rounds its own way).

Rejection samplers cannot loop here: they draw a fixed number R of candidates and take one that was accepted. With
acceptance rate a none is accepted with probability (1 - a)^R, and then a candidate stands that was not; this bounds the
total-variation error. For a small shape all candidates are drawn at once along a new first axis, for a large one (above
4096 values) round after round in the memory of one: two ways to the same law, chosen by the shape alone.

Uniforms are MLX's, in [2^-32, 1 - 2^-24] and sometimes 0, which is raised to 2^-33: no logarithm here is infinite.
Draws are differentiable in parameters that enter by location, scale or inverse distribution function. Those made of
gamma variables, and the concentration of `von_mises`, are constants, unless ``pathwise=True`` asks for implicit
gradients (`genmlx.numerics.samplers.gamma`). Counts are constants.
"""

from genmlx.numerics.samplers.counts import beta_binomial, binomial, multinomial, negative_binomial, poisson
from genmlx.numerics.samplers.directions import uniform_on_sphere, von_mises
from genmlx.numerics.samplers.gamma import (
    beta,
    dirichlet,
    log_beta,
    log_standard_gamma,
    standard_gamma,
    student_t,
)
from genmlx.numerics.samplers.inverse import (
    categorical,
    cauchy,
    exponential,
    from_table,
    geometric,
    gumbel,
    laplace,
    truncated_exponential,
    truncated_gamma,
    truncated_normal,
)
from genmlx.numerics.samplers.matrices import inverse_wishart, lkj_cholesky, wishart

__all__ = [
    "beta",
    "beta_binomial",
    "binomial",
    "categorical",
    "cauchy",
    "dirichlet",
    "exponential",
    "from_table",
    "geometric",
    "gumbel",
    "inverse_wishart",
    "laplace",
    "lkj_cholesky",
    "log_beta",
    "log_standard_gamma",
    "multinomial",
    "negative_binomial",
    "poisson",
    "standard_gamma",
    "student_t",
    "truncated_exponential",
    "truncated_gamma",
    "truncated_normal",
    "uniform_on_sphere",
    "von_mises",
    "wishart",
]
