"""NumPyro's jitted sampling and log_prob on the rows of `bench_distributions`, run by the Python it is installed in.

.../bin/python benchmarks/peer_numpyro_distributions.py VALUES '{"normal": [1, 0.5, 2.0], ...}'

A row is the number of entries of one draw and the parameters. Families that NumPyro lacks are left out. So are, on more
than one core, those whose many small Cholesky factors hang in JAX 0.10: `taskset -c 0` in front measures them.
"""

import json
import os
import statistics
import sys
import time
from importlib.metadata import version

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpyro.distributions as d

REPETITIONS = 5

# From the parameters of GenMLX to the family of NumPyro.
FAMILIES = {
    "asymmetric_laplace": d.AsymmetricLaplace,
    "beta": d.Beta,
    "cauchy": d.Cauchy,
    "chi2": d.Chi2,
    "exponential": d.Exponential,
    "gamma": d.Gamma,
    "gompertz": lambda shape, scale: d.Gompertz(shape, 1.0 / scale),
    "gumbel": d.Gumbel,
    "half_cauchy": d.HalfCauchy,
    "half_normal": d.HalfNormal,
    "inv_gamma": d.InverseGamma,
    "kumaraswamy": d.Kumaraswamy,
    "laplace": d.Laplace,
    "levy": d.Levy,
    "log_normal": d.LogNormal,
    "log_uniform": d.LogUniform,
    "logistic": d.Logistic,
    "normal": d.Normal,
    "pareto": d.Pareto,
    "relaxed_bernoulli": d.RelaxedBernoulliLogits,
    "student_t": d.StudentT,
    "truncated_normal": lambda mu, sigma, lo, hi: d.TruncatedNormal(mu, sigma, low=lo, high=hi),
    "uniform": d.Uniform,
    "von_mises": d.VonMises,
    "weibull": lambda shape, scale: d.Weibull(scale, shape),
    "bernoulli": d.BernoulliProbs,
    "beta_binomial": lambda n, a, b: d.BetaBinomial(a, b, n),
    "binomial": lambda n, p: d.BinomialProbs(p, n),
    "categorical": d.CategoricalLogits,
    "discrete_uniform": d.DiscreteUniform,
    "geometric": d.GeometricProbs,
    "neg_binomial": lambda r, p: d.NegativeBinomialProbs(r, 1.0 - p),
    "ordered_logistic": d.OrderedLogistic,
    "poisson": d.Poisson,
    "dirichlet": d.Dirichlet,
    "inv_wishart": d.InverseWishart,
    "low_rank_multivariate_normal": d.LowRankMultivariateNormal,
    "matrix_normal": d.MatrixNormal,
    "multivariate_normal": d.MultivariateNormal,
    "multivariate_student_t": d.MultivariateStudentT,
    "wishart": d.Wishart,
    "iid": lambda mu, sigma: d.Normal(mu, sigma).expand([10]).to_event(1),
    "mixture": lambda mu, sigma, logits: d.MixtureSameFamily(d.CategoricalLogits(logits), d.Normal(mu, sigma)),
    "transformed": lambda mu, sigma: d.TransformedDistribution(d.Normal(mu, sigma), d.transforms.ExpTransform()),
    "zero_inflated": d.ZeroInflatedPoisson,
}

# Whose first parameter decides about shapes, and is a number that the compiler sees.
STATIC = {
    "dirichlet_multinomial": lambda n, alpha: d.DirichletMultinomial(alpha, n),
    "gaussian_random_walk": lambda n, sigma: d.GaussianRandomWalk(sigma, n),
    "lkj": d.LKJ,
    "lkj_cholesky": d.LKJCholesky,
    "multinomial": lambda n, p: d.MultinomialProbs(p, n),
    "zero_sum_normal": lambda n, sigma: d.ZeroSumNormal(sigma, (n,)),
}

HANGS = set() if len(os.sched_getaffinity(0)) == 1 else {"inv_wishart", "lkj", "wishart"}


def milliseconds(f, inputs):
    """The median of warm calls."""
    jax.block_until_ready(f(*inputs[0]))
    times = []
    for arguments in inputs[1:]:
        start = time.perf_counter()
        jax.block_until_ready(f(*arguments))
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measure(row, family, values, size, parameters):
    if family in STATIC:
        first, *parameters = parameters

        def make(*rest):
            return STATIC[family](first, *rest)

    else:
        make = FAMILIES[family]
    parameters = [jnp.array(p) for p in parameters]
    sample = jax.jit(lambda key, *p: make(*p).sample(key, (values // size,)))
    log_prob = jax.jit(lambda x, *p: make(*p).log_prob(x))
    keys = [jax.random.key(i) for i in range(REPETITIONS + 1)]
    x = sample(keys[0], *parameters)
    result = {
        "system": "numpyro",
        "version": f"{version('numpyro')}/jax {jax.__version__}",
        "task": f"distribution.{row}",
        "sample_ms": milliseconds(sample, [(key, *parameters) for key in keys]),
        "log_prob_ms": milliseconds(log_prob, [(x, *parameters)] * len(keys)),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    for row, (size, *parameters) in json.loads(sys.argv[2]).items():
        family = row.split(maxsplit=1)[0]
        if family in {*FAMILIES, *STATIC} - HANGS:
            measure(row, family, int(sys.argv[1]), size, parameters)
