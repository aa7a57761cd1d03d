"""Counts: Poisson, binomial, and what is made of them. All in int32, and constants to ``mx.grad``.

Means below 10 by inversion of a sum of at most 36 probabilities, above by rejection. Both are computed for every
value. For a small shape the candidates (the probabilities) lie along a new axis: few operations. For a large one the
probabilities come one after the other (600 operations) and candidates are drawn for those that need them.
"""

import math
from collections.abc import Callable, Iterator

import mlx.core as mx

from genmlx.numerics.samplers.common import INT_MAX, batch_shape, constants, in_blocks, is_large, rejection, uniform
from genmlx.numerics.samplers.gamma import beta, standard_gamma
from genmlx.numerics.special import HALF_LOG_2PI, binet
from genmlx.numerics.special.elementary import exp, log1p
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = ["beta_binomial", "binomial", "multinomial", "negative_binomial", "poisson"]

COUNT_ROUNDS = 17
POISSON_REJECTED = 0.26
BINOMIAL_REJECTED = 0.3
COUNT_SWITCH = 10.0  # the mean from which counts are drawn by rejection
COUNT_TABLE = 36  # P(Poisson(10) > 36) = 4e-11; a binomial of this mean has a lighter tail


def poisson(key: Key, rate: ArrayLike, shape: Shape | None = None) -> Array:
    """Poisson draws in int32, for any rate from 0 to 1e7 (above, the nearest float32 to a count).

    Below rate 10 by inversion, above by Hörmann's transformed rejection (acceptance rate at least 0.748, 17 rounds:
    total-variation error below 1e-10).

    References:
        Hörmann, The transformed rejection method for generating Poisson random variables, Insurance: Mathematics and
        Economics 12 (1993).
    """
    (rate,) = constants(rate)
    return in_blocks(_poisson, key, batch_shape(shape, rate), rate)


def _poisson(key: Key, batch: Shape, rate: Array) -> Array:
    k_small, k_large = mx.random.split(key)
    large = rate >= COUNT_SWITCH

    low = mx.where(large, 0.0, rate)
    small_count = _inverted(k_small, batch, exp(-low), low, INT_MAX, lambda j: low / j)

    mean = mx.where(large, rate, COUNT_SWITCH)

    def propose(key: Key, shape: Shape, mean: Array) -> tuple[Array, Array]:
        b = 0.931 + 2.53 * mx.sqrt(mean)
        a = -0.059 + 0.02483 * b
        # The published bound, raised by 0.6%: up to that much the probability exceeds it, at rate 10 for one.
        log_bound = mx.log(1.006 * (1.1239 + 1.1328 / (b - 3.4))) + 0.5 * mx.log(mean) + HALF_LOG_2PI
        k, fits, log_v = _transformed_uniform(key, shape, mean + 0.43, a, b, INT_MAX)
        return k, mx.logical_and(fits, log_v + log_bound <= -stirling_excess(k + 1.0, mean))

    count = rejection(k_large, batch, COUNT_ROUNDS, POISSON_REJECTED, propose, mean)
    return mx.where(large, count, small_count).astype(mx.int32)


def binomial(key: Key, n: ArrayLike, p: ArrayLike, shape: Shape | None = None) -> Array:
    """Binomial draws in int32, for n up to 1e7 and p in [0, 1].

    With q = min(p, 1 - p): if n q < 10 by inversion, else by Hörmann's transformed rejection BTRS (acceptance rate at
    least 0.709, 17 rounds: total-variation error below 8e-10).

    References:
        Hörmann, The generation of binomial random variates, J. Statist. Comput. Simul. 46 (1993).
    """
    n, p = constants(n, p)
    return in_blocks(_binomial, key, batch_shape(shape, n, p), n, p)


def _binomial(key: Key, batch: Shape, n: Array, p: Array) -> Array:
    k_small, k_large = mx.random.split(key)
    flip = p > 0.5
    q = mx.where(flip, 1.0 - p, p)
    large = n * q >= COUNT_SWITCH

    trials = mx.where(large, 0.0, n)
    odds = q / (1.0 - q)
    at_zero = exp(trials * log1p(-q))

    def ratio(j: Array) -> Array:
        return mx.maximum(trials + 1.0 - j, 0.0) * odds / j

    small_count = _inverted(k_small, batch, at_zero, trials * q, trials, ratio)

    trials, q = mx.where(large, n, 40.0), mx.where(large, q, 0.25)

    def propose(key: Key, shape: Shape, trials: Array, q: Array) -> tuple[Array, Array]:
        def log_pmf(k: Array) -> Array:  # up to a constant, which falls out against the mode
            successes = stirling_excess(k + 1.0, (trials + 2.0) * q)
            return -successes - stirling_excess(trials - k + 1.0, (trials + 2.0) * (1.0 - q))

        sd = mx.sqrt(trials * q * (1.0 - q))
        b = 1.15 + 2.53 * sd
        a = -0.0873 + 0.0248 * b + 0.01 * q
        log_bound = mx.log((2.83 + 5.1 / b) * sd) + log_pmf(mx.floor((trials + 1.0) * q))
        k, fits, log_v = _transformed_uniform(key, shape, trials * q + 0.5, a, b, trials)
        return k, mx.logical_and(fits, log_v + log_bound <= log_pmf(k))

    count = mx.where(large, rejection(k_large, batch, COUNT_ROUNDS, BINOMIAL_REJECTED, propose, trials, q), small_count)
    return mx.where(flip, n - count, count).astype(mx.int32)


def negative_binomial(key: Key, r: ArrayLike, p: ArrayLike, shape: Shape | None = None) -> Array:
    """Failures before the r-th success (r real), in int32: Poisson with rate Gamma(r) (1 - p)/p."""
    r, p = constants(r, p)
    batch = batch_shape(shape, r, p)
    k_rate, k_count = mx.random.split(key)
    return poisson(k_count, mx.minimum(standard_gamma(k_rate, r, batch) * ((1.0 - p) / p), INT_MAX), batch)


def beta_binomial(key: Key, n: ArrayLike, a: ArrayLike, b: ArrayLike, shape: Shape | None = None) -> Array:
    """Binomial draws with a probability drawn from Beta(a, b), in int32."""
    n, a, b = constants(n, a, b)
    batch = batch_shape(shape, n, a, b)
    k_p, k_count = mx.random.split(key)
    return binomial(k_count, n, beta(k_p, a, b, batch), batch)


def multinomial(key: Key, n: ArrayLike, probabilities: ArrayLike, shape: Shape | None = None) -> Array:
    """Counts of n draws among categories along the last axis, in int32; ``shape`` does not count it.

    The categories are halved again and again, and each count divided by a binomial: log2 of their number of steps, in
    the memory of the result. ``probabilities`` need not be normalised.
    """
    n, p = constants(n, probabilities)
    batch = tuple(mx.broadcast_shapes(n.shape, p.shape[:-1])) if shape is None else shape
    categories = p.shape[-1]
    levels = max(0, math.ceil(math.log2(categories)))
    p = mx.pad(p, [(0, 0)] * (p.ndim - 1) + [(0, 2**levels - categories)])
    sums = [p]  # of 1, 2, 4, ... categories
    for level in range(levels - 1, -1, -1):
        sums.append(sums[-1].reshape(*p.shape[:-1], 2**level, 2).sum(axis=-1))
    counts = mx.broadcast_to(n[..., None], (*batch, 1)).astype(mx.int32)
    keys = mx.random.split(key, max(levels, 1))
    for i, of_halves in enumerate(reversed(sums[:-1])):
        halves = of_halves.reshape(*p.shape[:-1], 2**i, 2)
        total = halves.sum(axis=-1)
        left = halves[..., 0] / mx.where(total > 0.0, total, 1.0)
        first = binomial(keys[i], counts, mx.minimum(left, 1.0), counts.shape)
        counts = mx.stack([first, counts - first], axis=-1).reshape(*batch, 2 ** (i + 1))
    return counts[..., :categories]


# ---- inversion -------------------------------------------------------------------------------------------------------


def _inverted(
    key: Key, shape: Shape, at_zero: Array, mean: Array, top: Array | float, ratio: Callable[[Array], Array]
) -> Array:
    """Counts by inversion; ``ratio(j)`` = P(j) / P(j - 1). The sums run from the tail, where they are small."""
    u = uniform(key, shape)
    if not is_large(shape):
        j = mx.arange(1.0, COUNT_TABLE + 1.0).reshape(-1, *(1,) * len(shape))
        probabilities = at_zero * mx.cumprod(ratio(j), axis=0)
        return (u < mx.cumsum(probabilities, axis=0, reverse=True)).sum(axis=0)
    # Down from a count that is hardly exceeded (P < 1e-10), twice: for the sum of the weights, and to where it is U.
    last = mx.minimum(mx.minimum(mx.floor(2.35 + 33.7 * mx.power(0.1 * mean, 0.4)), COUNT_TABLE), top)

    def weights(weight: Array) -> Iterator[Array]:
        for i in range(COUNT_TABLE + 1):
            yield weight
            step = mx.maximum(ratio(mx.maximum(last - float(i), 1.0)), 1e-15)
            weight = weight * (last > float(i)) / step

    total = sum(weights(mx.ones_like(last)), mx.zeros_like(last))
    # Each step hangs on the one before, in the graph too, so that MLX does not prepare all of them at once.
    rest, above = u * total, mx.zeros(shape)
    for weight in weights((total > 0.0).astype(mx.float32)):
        rest = rest - weight
        above = above + (rest >= 0.0)
    return mx.maximum(last - above, 0.0)


# ---- rejection -------------------------------------------------------------------------------------------------------


def _transformed_uniform(
    key: Key, shape: Shape, centre: Array, a: Array, b: Array, top: Array | float
) -> tuple[Array, Array, Array]:
    """k = floor(G(U)), G(U) = (2a / (1/2 - |U|) + b) U + centre; whether k is in [0, top]; log(V / G'(U)).

    The candidate is kept if V <= P(k) G'(U) / bound.
    """
    k_u, k_v = mx.random.split(key)
    u = mx.random.uniform(shape=shape, key=k_u) - 0.5
    edge = mx.maximum(0.5 - mx.abs(u), 2.0**-25)
    drawn = mx.floor((2.0 * a / edge + b) * u + centre)
    k = mx.clip(drawn, 0.0, top)
    return k, drawn == k, mx.log(uniform(k_v, shape)) - mx.log(a / mx.square(edge) + b)


def stirling_excess(y: Array, y0: Array) -> Array:
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
