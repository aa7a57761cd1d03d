"""The normal distribution between two bounds, in log space.

In standard units the interval is [alpha, beta]; reflected to lie rather below 0 it is [a, b] with a <= -|b|. The mass
log(Phi(b) - Phi(a)) of an interval far out is -r^2 / 2 + N with an *anchor* r where N is of moderate size, and what the
density needs of the two squares is (r - z)(r + z) / 2, which does not cancel. Three cases choose the anchor:

* b > 0: r = 0, N = log(1 - Q(b) - Q(-a)), Q the upper tail;
* b <= 0: r = b, the bound nearer to 0: N = log(Q(-b) e^(b^2/2)) + log(1 - e^-D), e^-D the ratio of the two tails;
* narrow, (b - a)(1 + |m|) < 0.2 around the middle m: r = b again, N = log of the width and a Taylor series.

Parameters that are Python numbers run through the same formulas on the host.
"""

import math
from typing import Any, NamedTuple, final

import mlx.core as mx
import numpy as np

from genmlx.core.distribution import Distribution
from genmlx.distributions.bounds import check_order
from genmlx.numerics import domains, special
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, log, log1p, sqrt
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["TruncatedNormal", "log_probability_between", "truncated_normal"]

_HALF_LOG_2PI = special.HALF_LOG_2PI
_FAR = 1e18  # stands for an infinite bound, in standard units: its square is finite


@final
class TruncatedNormal(Distribution):
    r"""Normal distribution of mean ``mu`` and standard deviation ``sigma``, conditioned on ``lo`` <= x <= ``hi``.

    $$\log p(x) = -\tfrac12 z^2 - \log \sigma - \tfrac12 \log 2\pi - \log(\Phi(\beta) - \Phi(\alpha)),$$
    $$z = \frac{x - \mu}\sigma, \quad \alpha = \frac{lo - \mu}\sigma, \quad \beta = \frac{hi - \mu}\sigma.$$

    Mean, variance and entropy are integrals over 64 Gauss-Legendre nodes. Draws are by the inverse distribution
    function and differentiable in all four parameters, the bounds included.

    Args:
        mu: mean before truncation, any real number.
        sigma: standard deviation before truncation, positive.
        lo: lower bound, a real number or -inf.
        hi: upper bound above ``lo``, a real number or inf.

    Example:
        >>> round(truncated_normal(0.0, 1.0, 6.0, 8.0).log_prob(6.0).item(), 5)
        1.81783
    """

    name = "truncated_normal"
    params = {  # noqa: RUF012
        "mu": domains.real,
        "sigma": domains.positive,
        "lo": domains.real_or_infinite,
        "hi": domains.real_or_infinite,
    }
    pathwise = ("mu", "sigma", "lo", "hi")

    def support(self, mu: Any, sigma: Any, lo: Any, hi: Any) -> Domain:
        return domains.interval(lo, hi)

    def check(self, params: tuple[Any, ...]) -> None:
        super().check(params)
        check_order(self, params[2], params[3])

    def sample(self, key: Key, mu: Any, sigma: Any, lo: Any, hi: Any, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        return _at_fraction(_interval(mu, sigma, lo, hi), 1.0 - u, u)

    def log_prob(self, x: Array, mu: Any, sigma: Any, lo: Any, hi: Any) -> Array:
        if _is(hi, math.inf):
            inside = x >= lo  # infinity gets -inf from its square
        elif _is(lo, -math.inf):
            inside = x <= hi
        else:
            inside = mx.logical_and(x >= lo, x <= hi)
            if isinstance(lo, mx.array) or isinstance(hi, mx.array):
                inside = mx.logical_and(inside, lo < hi)
        anchor, log_mass = _log_mass(_interval(mu, sigma, lo, hi))
        constant = log_mass + log(sigma) + _HALF_LOG_2PI
        if not isinstance(anchor, mx.array) and abs(anchor - mu) < 4.0 * sigma:
            r, z = (anchor - mu) / sigma, (x - mu) / sigma
            return mx.where(inside, -0.5 * (z * z) - (constant - 0.5 * (r * r)), -math.inf)
        product = ((anchor - x) / sigma) * (((x - mu) + (anchor - mu)) * (0.5 / sigma))
        return mx.where(inside, product - constant, -math.inf)

    def mean(self, mu: Any, sigma: Any, lo: Any, hi: Any) -> Array:
        nodes = _nodes(_interval(mu, sigma, lo, hi))
        return nodes.origin + nodes.step * nodes.expected(nodes.s)

    def variance(self, mu: Any, sigma: Any, lo: Any, hi: Any) -> Array:
        nodes = _nodes(_interval(mu, sigma, lo, hi))
        offset = nodes.s - nodes.expected(nodes.s)[..., None]
        return (sigma * sigma) * nodes.expected(offset * offset)

    def entropy(self, mu: Any, sigma: Any, lo: Any, hi: Any) -> Array:
        interval = _interval(mu, sigma, lo, hi)
        nodes = _nodes(interval)
        return nodes.expected(nodes.half_squares) + (_log_mass(interval)[1] + log(sigma) + _HALF_LOG_2PI)

    def cdf(self, x: Array, mu: Any, sigma: Any, lo: Any, hi: Any) -> Array:
        x = mx.clip(x, lo, hi)
        start, log_part = _log_mass(_interval(mu, sigma, lo, x))
        anchor, log_mass = _log_mass(_interval(mu, sigma, lo, hi))
        squares = ((anchor - start) / sigma) * (((start - mu) + (anchor - mu)) * (0.5 / sigma))
        return mx.where(x <= lo, 0.0, mx.where(x >= hi, 1.0, exp(squares + (log_part - log_mass))))

    def quantile(self, q: Array, mu: Any, sigma: Any, lo: Any, hi: Any) -> Array:
        interval = _interval(mu, sigma, lo, hi)
        x = _at_fraction(interval, _where(interval.above, q, 1.0 - q), _where(interval.above, 1.0 - q, q))
        return mx.where(q == 0.0, lo, mx.where(q == 1.0, hi, x))


class _Interval(NamedTuple):
    """An interval, and in standard units its reflected bounds a <= b (a <= -|b|), width and middle."""

    mu: Any
    sigma: Any
    lo: Any
    hi: Any
    above: Any  # whether it lies rather above the mean, and was reflected
    a: Any
    b: Any
    width: Any
    middle: Any

    @property
    def near(self) -> Any:
        """The bound nearer to the mean."""
        return _where(self.above, self.lo, self.hi)

    @property
    def bounded(self) -> bool:
        """Whether the far bound may be finite."""
        return isinstance(self.a, mx.array) or self.a > -_FAR


def _interval(mu: Any, sigma: Any, lo: Any, hi: Any) -> _Interval:
    # (inf - mu) / sigma would be inf * 0 in the backward pass.
    low = mx.clip(lo, -1e25, 1e25) if isinstance(lo, mx.array) else lo
    high = mx.clip(hi, -1e25, 1e25) if isinstance(hi, mx.array) else hi
    alpha, beta = _standard(low, mu, sigma), _standard(high, mu, sigma)
    above = True if _is(beta, _FAR) and not _is(alpha, -_FAR) else False if _is(alpha, -_FAR) else alpha + beta > 0.0
    a, b = _where(above, -beta, alpha), _where(above, -alpha, beta)
    if _is(a, -_FAR):
        return _Interval(mu, sigma, lo, hi, above, a, b, _FAR, -0.5 * _FAR)
    return _Interval(mu, sigma, lo, hi, above, a, b, (high - low) / sigma, 0.5 * (a + b))


def _standard(bound: Any, mu: Any, sigma: Any) -> Any:
    if not isinstance(bound, mx.array):
        return math.copysign(_FAR, bound) if math.isinf(bound) else (bound - mu) / sigma
    return mx.clip((bound - mu) / sigma, -_FAR, _FAR)


def _log_mass(interval: _Interval) -> tuple[Any, Any]:
    """The anchor (as a value of x) and N."""
    mu, _, _, _, _, a, b, width, middle = interval
    central, near = b > 0.0, interval.near
    tail_b = _log_scaled_tail(_where(central, b, -b))
    q = exp(tail_b - 0.5 * (b * b))
    if not interval.bounded:
        return _where(central, mu, near), _where(central, log1p(-_smaller(q, 0.95)), tail_b)
    tail_a = _log_scaled_tail(-a)
    # The clips are beyond what a selected case can reach.
    q = _smaller(q + exp(tail_a - 0.5 * (a * a)), 0.95)
    ratio = _larger(tail_b - tail_a - width * middle, 0.05)
    narrow = width * (1.0 - middle) < 0.2
    w, m = _where(narrow, width, 0.1), _where(narrow, middle, 0.0)
    slope = (0.5 * w) * (m + 0.25 * w)  # (b^2 - m^2) / 2
    series = log(w) - _HALF_LOG_2PI + log1p((m * m - 1.0) * (w * w) / 24.0) + slope
    n = _where(narrow, series, _where(central, log1p(-q), tail_b + _log1mexp(ratio)))
    return _where(narrow, near, _where(central, mu, near)), n


def log_probability_between(a: Array, b: Array, width: Array) -> Array:
    """log(Φ(b) - Φ(a)) for a < b of difference ``width``, which the caller may know better than by subtraction."""
    above = a + b > 0.0
    low, high = mx.where(above, -b, a), mx.where(above, -a, b)
    anchor, n = _log_mass(_Interval(0.0, 1.0, a, b, above, low, high, width, 0.5 * (low + high)))
    return n - 0.5 * mx.square(anchor)


def _at_fraction(interval: _Interval, v: Array, u: Array) -> Array:
    """The point with a fraction v = 1 - u of the mass between it and the bound nearer to the mean.

    Its distance t from that bound has a relative tail e^-E = 1 - v (1 - e^-D). Where the interval is narrow (t is
    exponential of rate |m|) or far out (k t + t^2/2 = E with k = |b| + 1/|b|), t has a closed form, in which nothing
    cancels. Elsewhere log Phi(z) = log Phi(b) - E is inverted.
    """
    _, sigma, lo, hi, above, _, b, width, middle = interval
    narrow = width < 0.01
    closed = _either(narrow, b < -20.0)
    if closed is False:
        log_b, d = _log_tails(interval)
        return mx.clip(_inverse(interval, log_b - _excess(d, v, u)), lo, hi)
    k = _where(narrow, _larger(-middle, 1e-6 / width), 1.0 / _larger(-b, 1.0) - b)
    curved = _where(narrow, 0.0, 1.0)
    d = width * (k + (0.5 * curved) * width)
    log_b, d_open = (0.0, 0.0) if closed is True else _log_tails(interval)
    e = _excess(_where(closed, d, d_open), v, u)
    t = (2.0 * sigma) * e / (sqrt(k * k + (2.0 * curved) * e) + k)
    x = _where(above, lo + t, hi - t)
    if closed is not True:
        x = mx.where(closed, x, _inverse(interval, mx.where(closed, -1.0, log_b - e)))
    return mx.clip(x, lo, hi)


def _log_tails(interval: _Interval) -> tuple[Any, Any]:
    """log Phi(b), and D = log Phi(b) - log Phi(a)."""
    a, b = interval.a, interval.b
    central = b > 0.0
    tail_b = _log_scaled_tail(_where(central, b, -b))
    log_q = tail_b - 0.5 * (b * b)
    log_b = _where(central, log1p(-exp(log_q)), log_q)
    if not interval.bounded:
        return log_b, math.inf
    tail_a = _log_scaled_tail(-a)
    return log_b, _where(central, log_b - tail_a + 0.5 * (a * a), tail_b - tail_a - interval.width * interval.middle)


def _excess(d: Any, v: Array, u: Array) -> Array:
    """E = -log(1 - v (1 - e^-D)), by the form that keeps the smaller of the two ends."""
    if not isinstance(d, mx.array):
        return -log1p(v * expm1(-d)) if d < 1.0 else -mx.log(u + v * exp(-d))
    return -mx.where(d < 1.0, log1p(v * expm1(-mx.minimum(d, 1.0))), mx.log(u + v * exp(-d)))


def _inverse(interval: _Interval, log_p: Array) -> Array:
    z = special.ndtri_exp(log_p)
    return interval.mu + interval.sigma * _where(interval.above, -z, z)


class _Nodes(NamedTuple):
    """Integration nodes x = origin + step s, with normalised weights, and (z^2 - r^2) / 2 for the anchor r."""

    origin: Array
    step: Array
    s: Array
    weights: Array
    half_squares: Array

    def expected(self, f: Array) -> Array:
        return mx.sum(f * self.weights, axis=-1)


_POINTS, _WEIGHTS = (v.astype(np.float32).tolist() for v in np.polynomial.legendre.leggauss(64))


def _nodes(interval: _Interval) -> _Nodes:
    mu, sigma, _, _, above, a, b, width, middle = (_as_array(v) for v in interval)
    k, top = mx.maximum(-b, 0.0), mx.minimum(b, 9.0)
    narrow = width * (1.0 - middle) < 0.2
    central = mx.logical_and(b > 0.0, mx.logical_not(narrow))
    # What is left out has a mass of e^-40.
    reach = mx.where(central, top - mx.maximum(a, -9.0), 80.0 / (mx.sqrt(k * k + 80.0) + k))
    t = mx.minimum(width, reach)[..., None] * (0.5 + 0.5 * mx.array(_POINTS))
    s = mx.where(central[..., None], t - top[..., None], t)
    half_squares = mx.where(central[..., None], 0.5 * (s * s), t * (0.5 * t - b[..., None]))
    weights = mx.array(_WEIGHTS) * exp(-half_squares)
    return _Nodes(
        mx.where(central, mu, _as_array(interval.near)),
        mx.where(above, sigma, -sigma),
        s,
        weights / mx.sum(weights, axis=-1, keepdims=True),
        half_squares,
    )


def _as_array(x: Any) -> Array:
    return x if isinstance(x, mx.array) else mx.array(x)


# ---- numbers or arrays -----------------------------------------------------------------------------------------------


def _is(x: Any, number: float) -> bool:
    return not isinstance(x, mx.array) and x == number


def _where(condition: Any, x: Any, y: Any) -> Any:
    return mx.where(condition, x, y) if isinstance(condition, mx.array) else (x if condition else y)


def _either(p: Any, q: Any) -> Any:
    if isinstance(p, mx.array) and isinstance(q, mx.array):
        return mx.logical_or(p, q)
    if isinstance(p, mx.array):
        return True if q else p
    return True if p else q


def _smaller(x: Any, limit: float) -> Any:
    return mx.minimum(x, limit) if isinstance(x, mx.array) else min(x, limit)


def _larger(x: Any, limit: Any) -> Any:
    if isinstance(x, mx.array) or isinstance(limit, mx.array):
        return mx.maximum(x, limit)
    return max(x, limit)


def _log1mexp(d: Any) -> Any:
    if isinstance(d, mx.array):
        return special.log1mexp(d)
    return math.log(-math.expm1(-d)) if d < 1.0 else math.log1p(-math.exp(-d))


def _log_scaled_tail(z: Any) -> Any:
    """log(Q(z) e^(z^2/2)) for z >= 0."""
    if isinstance(z, mx.array):
        return special._log_scaled_tail(z)
    if z < 25.0:
        return math.log(0.5 * math.erfc(z / math.sqrt(2.0))) + 0.5 * z * z
    r = 1.0 / (z * z)
    return math.log1p(-r * (1.0 - 3.0 * r * (1.0 - 5.0 * r))) - math.log(z) - _HALF_LOG_2PI


truncated_normal = TruncatedNormal()
