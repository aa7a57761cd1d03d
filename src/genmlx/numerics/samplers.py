"""Keyed samplers that MLX lacks, or gets wrong in a tail.

Each takes a key, the parameters, and ``shape``: the batch shape of the result, to which the parameters broadcast (by
default the shape they have among themselves). The draw is a function of the key alone: independent sub-keys for its
parts, no state; ``mx.vmap`` over keys gives the same bits as one call a key (``mx.compile`` rounds its own way).

Rejection samplers cannot loop here: they draw all their candidates at once along a new first axis, and the first one
accepted is taken. With acceptance rate a and R candidates, none is accepted with probability (1 - a)^R, and then the
first candidate stands; this bounds the total-variation error. Memory grows by the factor R.

Uniforms are MLX's, in [2^-32, 1 - 2^-24] and sometimes 0, which is raised to 2^-33: no logarithm here is infinite.
Draws are differentiable in parameters that enter by location, scale or inverse distribution function (`exponential`,
`truncated_normal`, the scale of `wishart`); gamma draws and all that are made of them are constants to ``mx.grad``.
"""

import math
from collections.abc import Callable

import mlx.core as mx

from genmlx.numerics.special import HALF_LOG_2PI, binet, log_ndtr, log_sigmoid, ndtri_exp, promote
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = [
    "beta",
    "binomial",
    "categorical",
    "cauchy",
    "dirichlet",
    "exponential",
    "geometric",
    "laplace",
    "log_beta",
    "log_standard_gamma",
    "negative_binomial",
    "poisson",
    "standard_gamma",
    "student_t",
    "truncated_normal",
    "wishart",
]

_TINY = 1.1754944e-38  # the smallest normal float32
_BELOW_ONE = 1.0 - 2.0**-24
_INT_MAX = 2147483520.0  # the largest float32 below 2^31

_GAMMA_ROUNDS = 7
_COUNT_ROUNDS = 17
_COUNT_SWITCH = 10.0  # the mean from which counts are drawn by rejection
_COUNT_TABLE = 36  # P(Poisson(10) > 36) = 4e-11; a binomial of this mean has a lighter tail


def _shape(shape: Shape | None, *parameters: Array) -> Shape:
    return tuple(mx.broadcast_shapes(*(p.shape for p in parameters))) if shape is None else shape


def _constants(*parameters: ArrayLike) -> tuple[Array, ...]:
    return tuple(mx.stop_gradient(p) for p in promote(*parameters))


def _uniform(key: Key, shape: Shape) -> Array:
    return mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)


def _signed(key: Key, magnitude: Array) -> Array:
    return mx.where(mx.random.uniform(shape=magnitude.shape, key=key) < 0.5, -magnitude, magnitude)


def _first_accepted(accept: Array, candidates: Array) -> Array:
    return mx.take_along_axis(candidates, mx.argmax(accept, axis=0, keepdims=True), axis=0)[0]


# ---- by inverse distribution function --------------------------------------------------------------------------------


def exponential(key: Key, rate: ArrayLike = 1.0, shape: Shape | None = None) -> Array:
    """Exponential draws, -log(U) / rate, between 6e-8 / rate and 23 / rate."""
    (rate,) = promote(rate)
    return -mx.log(_uniform(key, _shape(shape, rate))) / rate


def laplace(key: Key, shape: Shape = ()) -> Array:
    """Standard Laplace draws: an exponential with a random sign."""
    k_sign, k_size = mx.random.split(key)
    return _signed(k_sign, exponential(k_size, 1.0, shape))


def cauchy(key: Key, shape: Shape = ()) -> Array:
    """Standard Cauchy draws, with a tail to 5e9: 1 / tan(π U / 2), half-Cauchy, with a random sign.

    The textbook tan(π (U - 1/2)) rounds U - 1/2 in the lower tail, and changes its sign at the pole.
    """
    k_sign, k_size = mx.random.split(key)
    return _signed(k_sign, 1.0 / mx.tan((0.5 * math.pi) * _uniform(k_size, shape)))


def truncated_normal(
    key: Key, mu: ArrayLike, sigma: ArrayLike, lo: ArrayLike, hi: ArrayLike, shape: Shape | None = None
) -> Array:
    """Draws of N(mu, sigma²) between lo and hi (which may be infinite), differentiable in all four.

    The inverse distribution function in log space: z = Φ⁻¹(exp(log((1 - U) Φ(α) + U Φ(β)))), where an interval that
    lies more above the mean than below is reflected first, so that Φ is small where it matters. Exact in law as far as
    float32 goes: the draw has a resolution of 1e-7 max(1, |z|) sigma, and the tails of wide intervals end at -6.3 and
    5.4 sigma. MLX's ``truncated_normal`` returns the bound itself beyond 6 sigma.
    """
    mu, sigma, lo, hi = promote(mu, sigma, lo, hi)
    u = _uniform(key, _shape(shape, mu, sigma, lo, hi))
    # Finite stand-ins for infinite bounds: d((lo - mu) / sigma) would be inf * 0 in the backward pass.
    alpha = (mx.clip(lo, -1e25, 1e25) - mu) / sigma
    beta = (mx.clip(hi, -1e25, 1e25) - mu) / sigma
    above = alpha + beta > 0.0
    alpha, beta = mx.where(above, -beta, alpha), mx.where(above, -alpha, beta)
    z = ndtri_exp(mx.logaddexp(log_ndtr(alpha) + mx.log1p(-u), log_ndtr(beta) + mx.log(u)))
    # Rounding may step over a bound. There the gradient is the bound's, as in the exact law for U = 0 or 1.
    return mx.clip(mu + sigma * mx.where(above, -z, z), lo, hi)


def geometric(key: Key, p: ArrayLike, shape: Shape | None = None) -> Array:
    """Failures before the first success, in int32: floor(log U / log(1 - p)); 0 if p = 1, at most 2^31 - 128."""
    (p,) = _constants(p)
    count = mx.floor(mx.log(_uniform(key, _shape(shape, p))) / mx.log1p(-p))
    return mx.minimum(count, _INT_MAX).astype(mx.int32)


def categorical(key: Key, logits: ArrayLike, shape: Shape | None = None) -> Array:
    """Indices along the last axis with probabilities softmax(logits), in int32; never one whose logit is -inf.

    Gumbel's argmax, with noise -log(-log(1 - U)): fine where it is large (up to 23), so that categories down to 1e-9
    have their probability; the usual -log(-log(U)) ends at 16.6. ``shape`` does not count the last axis.
    """
    (logits,) = _constants(logits)
    batch = logits.shape[:-1] if shape is None else shape
    noise = _uniform(key, (*batch, logits.shape[-1]))
    return mx.argmax(logits - mx.log(-mx.log1p(-noise)), axis=-1).astype(mx.int32)


# ---- the gamma family ------------------------------------------------------------------------------------------------


def _gamma_factors(key: Key, alpha: Array, shape: Shape) -> tuple[Array, Array, Array]:
    """The draw is d t³ exp(boost): t³ Marsaglia and Tsang's at alpha + 1, the rest U^(1/alpha) brings it to alpha."""
    k_normal, k_accept, k_boost = mx.random.split(key, 3)
    d = alpha + 2.0 / 3.0
    x = mx.random.normal((_GAMMA_ROUNDS, *shape), key=k_normal)
    # The clip stands for t > 0: at 1e-10 the acceptance probability is below e^-27.
    t = mx.maximum(1.0 + x * mx.rsqrt(9.0 * d), 1e-10)
    log_u = mx.log(_uniform(k_accept, x.shape))
    accept = log_u < 0.5 * mx.square(x) + d * (1.0 - t * t * t + 3.0 * mx.log(t))
    return d, _first_accepted(accept, t), mx.log(_uniform(k_boost, shape)) / alpha


def standard_gamma(key: Key, alpha: ArrayLike, shape: Shape | None = None) -> Array:
    """Draws of Gamma(alpha, 1), for every alpha > 0.

    Marsaglia and Tsang's rejection from a cubed normal, at alpha + 1, times U^(1/alpha); so one formula serves shapes
    below and above 1. Acceptance rate at least 0.9517, 7 rounds: total-variation error below 7e-10. Draws under
    1.2e-38 (the rule for alpha under 0.01) are raised to it; `log_standard_gamma` keeps their size.

    References:
        Marsaglia and Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000).
    """
    (alpha,) = _constants(alpha)
    d, t, boost = _gamma_factors(key, alpha, _shape(shape, alpha))
    return mx.maximum(d * t * t * t * mx.exp(boost), _TINY)


def log_standard_gamma(key: Key, alpha: ArrayLike, shape: Shape | None = None) -> Array:
    """Logarithm of the draw that `standard_gamma` makes with this key; for alpha = 1e-4 it is about -1e4."""
    (alpha,) = _constants(alpha)
    d, t, boost = _gamma_factors(key, alpha, _shape(shape, alpha))
    return mx.log(d) + 3.0 * mx.log(t) + boost


def _beta_logit(key: Key, a: ArrayLike, b: ArrayLike, shape: Shape | None) -> Array:
    a, b = _constants(a, b)
    batch = _shape(shape, a, b)
    k_a, k_b = mx.random.split(key)
    return log_standard_gamma(k_a, a, batch) - log_standard_gamma(k_b, b, batch)


def beta(key: Key, a: ArrayLike, b: ArrayLike, shape: Shape | None = None) -> Array:
    """Draws of Beta(a, b) = G_a / (G_a + G_b), in the open interval: from 1.2e-38 to 1 - 6e-8."""
    return mx.clip(mx.sigmoid(_beta_logit(key, a, b, shape)), _TINY, _BELOW_ONE)


def log_beta(key: Key, a: ArrayLike, b: ArrayLike, shape: Shape | None = None) -> Array:
    """Logarithm of the draw that `beta` makes with this key, without its limits."""
    return log_sigmoid(_beta_logit(key, a, b, shape))


def dirichlet(key: Key, alpha: ArrayLike, shape: Shape | None = None) -> Array:
    """Draws of Dirichlet(alpha), alpha along the last axis; ``shape`` does not count it.

    A softmax of log gammas, so that concentrations of 1e-6 give points of the simplex (nearly a vertex), where a ratio
    of gammas is 0/0. Components are at least 1.2e-38.
    """
    (alpha,) = _constants(alpha)
    batch = alpha.shape[:-1] if shape is None else shape
    return mx.maximum(mx.softmax(log_standard_gamma(key, alpha, (*batch, alpha.shape[-1])), axis=-1), _TINY)


def student_t(key: Key, df: ArrayLike, shape: Shape | None = None) -> Array:
    """Standard Student draws for real df > 0: N(0, 1) / sqrt(chi²/df), chi² = 2 Gamma(df/2); within ±3.4e38."""
    (df,) = _constants(df)
    k_normal, k_gamma = mx.random.split(key)
    batch = _shape(shape, df)
    half = 0.5 * df
    log_scale = 0.5 * (mx.log(half) - log_standard_gamma(k_gamma, half, batch))
    return mx.clip(mx.random.normal(batch, key=k_normal) * mx.exp(mx.minimum(log_scale, 88.0)), -3.4e38, 3.4e38)


def wishart(key: Key, df: ArrayLike, scale_tril: ArrayLike, shape: Shape | None = None) -> Array:
    """Draws of Wishart(df, L Lᵀ), df > n - 1, by Bartlett's decomposition; differentiable in L = scale_tril.

    W = (L A)(L A)ᵀ with A lower triangular, A_ii² ~ chi²(df - i) for i = 0, ..., n - 1, and N(0, 1) below.

    References:
        Smith and Hocking, Algorithm AS 53: Wishart variate generator, Applied Statistics 21 (1972).
    """
    df, scale_tril = promote(df, scale_tril)
    n = scale_tril.shape[-1]
    batch = tuple(mx.broadcast_shapes(df.shape, scale_tril.shape[:-2])) if shape is None else shape
    k_normal, k_gamma = mx.random.split(key)
    halves = 0.5 * (df[..., None] - mx.arange(n))
    diagonal = mx.sqrt(2.0 * standard_gamma(k_gamma, halves, (*batch, n)))
    below = mx.random.normal((*batch, n, n), key=k_normal) * mx.tri(n, k=-1)
    factor = scale_tril @ (below + diagonal[..., None] * mx.eye(n))
    return factor @ factor.swapaxes(-1, -2)


# ---- counts ----------------------------------------------------------------------------------------------------------


def poisson(key: Key, rate: ArrayLike, shape: Shape | None = None) -> Array:
    """Poisson draws in int32, for any rate from 0 to 1e7 (above, the nearest float32 to a count).

    Below rate 10 by inverting a table of 36 tail probabilities, above by Hörmann's transformed rejection (acceptance
    rate at least 0.748, 17 rounds: total-variation error below 1e-10). Memory factor 36.

    References:
        Hörmann, The transformed rejection method for generating Poisson random variables, Insurance: Mathematics and
        Economics 12 (1993).
    """
    (rate,) = _constants(rate)
    batch = _shape(shape, rate)
    k_small, k_large = mx.random.split(key)
    large = rate >= _COUNT_SWITCH

    low = mx.where(large, 0.0, rate)
    small_count = _inverted(k_small, mx.exp(-low), low / _table_index(len(batch)), batch)

    mean = mx.where(large, rate, _COUNT_SWITCH)
    b = 0.931 + 2.53 * mx.sqrt(mean)
    a = -0.059 + 0.02483 * b
    # The published bound, raised by 0.6%: up to that much the probability exceeds it, at rate 10 for one.
    log_bound = mx.log(1.006 * (1.1239 + 1.1328 / (b - 3.4))) + 0.5 * mx.log(mean) + HALF_LOG_2PI
    count = _transformed_rejection(
        k_large, batch, mean + 0.43, a, b, log_bound, lambda k: -_stirling_excess(k + 1.0, mean), mx.array(_INT_MAX)
    )
    return mx.where(large, count, small_count).astype(mx.int32)


def binomial(key: Key, n: ArrayLike, p: ArrayLike, shape: Shape | None = None) -> Array:
    """Binomial draws in int32, for n up to 1e7 and p in [0, 1].

    With q = min(p, 1 - p): if n q < 10 by inverting a table of 36 tail probabilities, else by Hörmann's transformed
    rejection BTRS (acceptance rate at least 0.709, 17 rounds: total-variation error below 8e-10). Memory factor 36.

    References:
        Hörmann, The generation of binomial random variates, J. Statist. Comput. Simul. 46 (1993).
    """
    n, p = _constants(n, p)
    batch = _shape(shape, n, p)
    k_small, k_large = mx.random.split(key)
    flip = p > 0.5
    q = mx.where(flip, 1.0 - p, p)
    large = n * q >= _COUNT_SWITCH

    j = _table_index(len(batch))
    trials = mx.where(large, 0.0, n)
    ratios = mx.maximum(trials + 1.0 - j, 0.0) * (q / (1.0 - q)) / j
    small_count = _inverted(k_small, mx.exp(trials * mx.log1p(-q)), ratios, batch)

    trials, q = mx.where(large, n, 40.0), mx.where(large, q, 0.25)
    sd = mx.sqrt(trials * q * (1.0 - q))
    b = 1.15 + 2.53 * sd
    a = -0.0873 + 0.0248 * b + 0.01 * q

    def log_pmf(k: Array) -> Array:  # up to a constant, which falls out against the mode
        successes = _stirling_excess(k + 1.0, (trials + 2.0) * q)
        return -successes - _stirling_excess(trials - k + 1.0, (trials + 2.0) * (1.0 - q))

    log_bound = mx.log((2.83 + 5.1 / b) * sd) + log_pmf(mx.floor((trials + 1.0) * q))
    count = _transformed_rejection(k_large, batch, trials * q + 0.5, a, b, log_bound, log_pmf, trials)
    count = mx.where(large, count, small_count)
    return mx.where(flip, n - count, count).astype(mx.int32)


def negative_binomial(key: Key, r: ArrayLike, p: ArrayLike, shape: Shape | None = None) -> Array:
    """Failures before the r-th success (r real), in int32: Poisson with rate Gamma(r) (1 - p)/p."""
    r, p = _constants(r, p)
    batch = _shape(shape, r, p)
    k_rate, k_count = mx.random.split(key)
    return poisson(k_count, mx.minimum(standard_gamma(k_rate, r, batch) * ((1.0 - p) / p), _INT_MAX), batch)


def _table_index(ndim: int) -> Array:
    return mx.arange(1.0, _COUNT_TABLE + 1.0).reshape(-1, *(1,) * ndim)


def _inverted(key: Key, at_zero: Array, ratios: Array, shape: Shape) -> Array:
    """Counts by inversion; ``ratios[j - 1]`` = P(j) / P(j - 1). The sums run from the tail, where they are small."""
    probabilities = at_zero * mx.cumprod(ratios, axis=0)
    tail = mx.cumsum(probabilities, axis=0, reverse=True)
    return (_uniform(key, shape) < tail).sum(axis=0)


def _transformed_rejection(
    key: Key,
    shape: Shape,
    centre: Array,
    a: Array,
    b: Array,
    log_bound: Array,
    log_pmf: Callable[[Array], Array],
    top: Array,
) -> Array:
    """Counts k = floor(G(U)) in [0, top], G(U) = (2a / (1/2 - |U|) + b) U + centre, kept if V <= P(k) G'(U) / bound."""
    k_u, k_v = mx.random.split(key)
    full = (_COUNT_ROUNDS, *shape)
    u = mx.random.uniform(shape=full, key=k_u) - 0.5
    edge = mx.maximum(0.5 - mx.abs(u), 2.0**-25)
    drawn = mx.floor((2.0 * a / edge + b) * u + centre)
    k = mx.clip(drawn, 0.0, top)
    log_v = mx.log(_uniform(k_v, full))
    fits = log_v + log_bound - mx.log(a / mx.square(edge) + b) <= log_pmf(k)
    return _first_accepted(mx.logical_and(fits, drawn == k), k)


def _stirling_excess(y: Array, y0: Array) -> Array:
    """Computes log Γ(y) - [(y - 1/2) log y0 - y0] - log(2π)/2, without cancellation for large y near y0.

    y log(y/y0) - (y - y0) - log(y/y0)/2 + μ(y): Loader's deviance, by a series in s = (y - y0)/(y + y0) if |s| < 0.1.
    In float32 log-factorials of 1e6 would leave an error of 1 in the logarithm of a probability.
    """
    log_ratio = mx.log(y / y0)
    s = (y - y0) / (y + y0)
    s2 = s * s
    near = s * ((y - y0) + 2.0 * y * s2 * (1.0 / 3.0 + s2 * (0.2 + s2 / 7.0)))
    deviance = mx.where(s2 < 0.01, near, y * log_ratio - (y - y0))
    return deviance - 0.5 * log_ratio + binet(y)
