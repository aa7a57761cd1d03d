"""Draws by inverse distribution function: one uniform, and differentiable in the parameters."""

import math

import mlx.core as mx

from genmlx.numerics.samplers.common import INT_MAX, argmax, batch_shape, constants, in_blocks, signed, uniform
from genmlx.numerics.special import gammainc, gammaincc, log_ndtr, ndtri_exp, promote
from genmlx.numerics.special.elementary import exp, expm1, log1p
from genmlx.numerics.special.incomplete_gamma import gamma_quantile
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = [
    "categorical",
    "cauchy",
    "exponential",
    "from_table",
    "geometric",
    "gumbel",
    "laplace",
    "truncated_exponential",
    "truncated_gamma",
    "truncated_normal",
]


def exponential(key: Key, rate: ArrayLike = 1.0, shape: Shape | None = None) -> Array:
    """Exponential draws, -log(U) / rate, between 6e-8 / rate and 23 / rate."""
    (rate,) = promote(rate)
    return -mx.log(uniform(key, batch_shape(shape, rate))) / rate


def truncated_exponential(key: Key, rate: ArrayLike, lo: ArrayLike, hi: ArrayLike, shape: Shape | None = None) -> Array:
    """Draws of the exponential law between lo and hi (which may be infinite), differentiable in all three.

    lo - log1p(-U (1 - exp(-rate (hi - lo)))) / rate. A rate of 0 is not allowed, a negative one is, if hi is finite.
    """
    rate, lo, hi = promote(rate, lo, hi)
    u = uniform(key, batch_shape(shape, rate, lo, hi))
    mass = expm1(-rate * (mx.minimum(hi, 1e30) - lo))
    return mx.clip(lo - log1p(u * mass) / rate, lo, hi)


def gumbel(key: Key, shape: Shape = ()) -> Array:
    """Standard Gumbel draws, -log(-log(1 - U)): from -3.1 to 23, where the usual -log(-log(U)) ends at 16.6."""
    return -mx.log(-mx.log1p(-uniform(key, shape)))  # one for each category: the primitive takes less memory


def laplace(key: Key, shape: Shape = ()) -> Array:
    """Standard Laplace draws: an exponential with a random sign."""
    k_sign, k_size = mx.random.split(key)
    return signed(k_sign, exponential(k_size, 1.0, shape))


def cauchy(key: Key, shape: Shape = ()) -> Array:
    """Standard Cauchy draws, with a tail to 5e9: 1 / tan(π U / 2), half-Cauchy, with a random sign.

    The textbook tan(π (U - 1/2)) rounds U - 1/2 in the lower tail, and changes its sign at the pole.
    """
    k_sign, k_size = mx.random.split(key)
    return signed(k_sign, 1.0 / mx.tan((0.5 * math.pi) * uniform(k_size, shape)))


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
    u = uniform(key, batch_shape(shape, mu, sigma, lo, hi))
    # Finite stand-ins for infinite bounds: d((lo - mu) / sigma) would be inf * 0 in the backward pass.
    alpha = (mx.clip(lo, -1e25, 1e25) - mu) / sigma
    beta = (mx.clip(hi, -1e25, 1e25) - mu) / sigma
    above = alpha + beta > 0.0
    alpha, beta = mx.where(above, -beta, alpha), mx.where(above, -alpha, beta)
    top = log_ndtr(beta)
    ratio = log_ndtr(alpha) - top
    z = ndtri_exp(top + mx.log(exp(ratio) - u * expm1(ratio)))
    # Rounding may step over a bound. There the gradient is the bound's, as in the exact law for U = 0 or 1.
    return mx.clip(mu + sigma * mx.where(above, -z, z), lo, hi)


def truncated_gamma(key: Key, alpha: ArrayLike, lo: ArrayLike, hi: ArrayLike, shape: Shape | None = None) -> Array:
    """Draws of Gamma(alpha, 1) between lo and hi (hi may be infinite), differentiable in all three.

    The inverse of the smaller tail, for an interval of probability 1e-37 at least. Costs three incomplete gamma
    functions a value.
    """
    alpha, lo, hi = promote(alpha, lo, hi)
    u = uniform(key, batch_shape(shape, alpha, lo, hi))
    below = (1.0 - u) * gammainc(alpha, lo) + u * gammainc(alpha, hi)
    beyond = (1.0 - u) * gammaincc(alpha, lo) + u * gammaincc(alpha, hi)
    return mx.clip(gamma_quantile(*mx.broadcast_arrays(alpha, below, beyond)), lo, hi)


def geometric(key: Key, p: ArrayLike, shape: Shape | None = None) -> Array:
    """Failures before the first success, in int32: floor(log U / log(1 - p)); 0 if p = 1, at most 2^31 - 128."""
    (p,) = constants(p)
    count = mx.floor(mx.log(uniform(key, batch_shape(shape, p))) / log1p(-p))
    return mx.minimum(count, INT_MAX).astype(mx.int32)


def from_table(key: Key, probabilities: ArrayLike, shape: Shape | None = None) -> Array:
    """Indices along the last axis with the given probabilities (up to a factor), in int32.

    By inversion of their sums and bisection: a table that serves many draws, of which `categorical` would make a row
    of noise each. Probabilities below 6e-8 are those of the rounding of the sums. ``shape`` does not count the last
    axis.
    """
    (p,) = constants(probabilities)
    batch = p.shape[:-1] if shape is None else shape
    size = p.shape[-1]
    sums = mx.cumsum(p, axis=-1)
    levels = (sums / sums[..., -1:]).reshape(-1)
    rows = (mx.arange(math.prod(p.shape[:-1])) * size).reshape(p.shape[:-1])

    def draw(key: Key, shape: Shape) -> Array:
        u, index = uniform(key, shape), mx.zeros(shape, mx.int32)
        for step in [2**i for i in range((size - 1).bit_length() - 1, -1, -1)]:
            further = mx.minimum(index + step, size - 1)
            index = mx.where(mx.take(levels, rows + further - 1) < u, further, index)
        return index

    return in_blocks(draw, key, batch) if p.ndim == 1 else draw(key, batch)


def categorical(key: Key, logits: ArrayLike, shape: Shape | None = None) -> Array:
    """Indices along the last axis with probabilities softmax(logits), in int32; never one whose logit is -inf.

    Gumbel's argmax, with noise that is fine where it is large (`gumbel`), so that categories down to 1e-9 have their
    probability. ``shape`` does not count the last axis.
    """
    (logits,) = constants(logits)
    batch = logits.shape[:-1] if shape is None else shape
    return argmax(logits + gumbel(key, (*batch, logits.shape[-1])), -1).astype(mx.int32)
