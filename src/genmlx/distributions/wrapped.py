"""The normal and the Cauchy distribution wrapped around the circle: angles in [-pi, pi].

A distribution function on the circle depends on where it starts, at -pi. It comes from the function of an angle that
is odd around the centre and gains 1 with each turn.
"""

import math
from collections.abc import Callable
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, expm1, log, log1p
from genmlx.numerics.special import HALF_LOG_2PI, ndtr
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["WrappedCauchy", "WrappedNormal", "wrapped_cauchy", "wrapped_normal"]

_TURN = 2.0 * math.pi
_LOG_TURN = math.log(_TURN)
_WIDE = math.sqrt(_TURN)  # here the sum over turns and the Fourier series converge equally fast


@final
class WrappedNormal(Distribution):
    r"""Distribution of a normal angle of mean ``mu`` and standard deviation ``sigma``, taken modulo 2 pi.

    $$p(x) = \sum_{k = -\infty}^\infty N(x + 2 \pi k; \mu, \sigma)
    = \frac1{2\pi} \left(1 + 2 \sum_{n = 1}^\infty \rho^{n^2} \cos n (x - \mu)\right), \quad \rho = e^{-\sigma^2 / 2},
    \quad -\pi \le x \le \pi.$$

    The mean direction is mu, the mean resultant length rho. Draws are differentiable in both parameters.

    Args:
        mu: mean direction, any real number.
        sigma: standard deviation before it is wrapped, positive.

    Example:
        >>> round(wrapped_normal(0.5, 2.0).log_prob(1.0).item(), 6)
        -1.624462

    References:
        Mardia and Jupp, Directional Statistics (2000), section 3.5.7. Of the sum five terms are used, for sigma up to
        sqrt(2 pi), of the series two, above; what is left out is below 1e-8 of the density.
    """

    name = "wrapped_normal"
    params = {"mu": domains.real, "sigma": domains.positive}  # noqa: RUF012
    pathwise = ("mu", "sigma")

    def support(self, mu: Any, sigma: Any) -> Domain:
        return domains.circular

    def sample(self, key: Key, mu: Any, sigma: Any, shape: Shape) -> Array:
        return _wrapped(mu + sigma * mx.random.normal(shape, key=key))

    def log_prob(self, x: Array, mu: Any, sigma: Any) -> Array:
        outside = mx.abs(x) > math.pi
        d = _wrapped(mx.where(outside, 0.0, x) - mu)
        if isinstance(sigma, mx.array):
            wide = sigma > _WIDE
            narrow = mx.where(wide, _WIDE, sigma)
            result = mx.where(wide, _log_series(d, mx.where(wide, sigma, _WIDE)), _log_sum(d, narrow))
            result = result + 0.0 * sigma  # NaN for infinity
        else:
            result = _log_series(d, sigma) + 0.0 * sigma if sigma > _WIDE else _log_sum(d, sigma)
        return mx.where(outside, -math.inf, result)

    def cdf(self, x: Array, mu: Any, sigma: Any) -> Array:
        def area(d: Array) -> Array:
            if not isinstance(sigma, mx.array):
                return _series_area(d, sigma) if sigma > _WIDE else _sum_area(d, sigma)
            return mx.where(sigma > _WIDE, _series_area(d, sigma), _sum_area(d, sigma))

        return _from_start(x, mu, area)


@final
class WrappedCauchy(Distribution):
    r"""Distribution of a Cauchy angle of median ``loc`` and scale ``scale``, taken modulo 2 pi.

    $$\log p(x) = \log \frac{1 - \rho^2}{2\pi} - \log(1 + \rho^2 - 2 \rho \cos(x - loc)), \quad \rho = e^{-scale},
    \quad -\pi \le x \le \pi.$$

    The mean direction is loc, the mean resultant length rho. Draws are ``loc + 2 arctan(t tanh(scale / 2))``, t Cauchy,
    and differentiable in both parameters.

    Args:
        loc: mean direction, any real number.
        scale: half the distance of the quartiles before it is wrapped, positive.

    Example:
        >>> round(wrapped_cauchy(0.5, 1.0).log_prob(1.0).item(), 6)
        -1.269218

    References:
        Mardia and Jupp, Directional Statistics (2000), section 3.5.7. The denominator is computed as
        (1 - rho)^2 + 4 rho sin^2((x - loc) / 2), which does not cancel.
    """

    name = "wrapped_cauchy"
    params = {"loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale")

    def support(self, loc: Any, scale: Any) -> Domain:
        return domains.circular

    def sample(self, key: Key, loc: Any, scale: Any, shape: Shape) -> Array:
        tanh = -expm1(-scale) / (1.0 + exp(-scale))
        return _wrapped(loc + 2.0 * mx.arctan(samplers.cauchy(key, shape) * tanh))

    def log_prob(self, x: Array, loc: Any, scale: Any) -> Array:
        outside = mx.abs(x) > math.pi
        sine = mx.sin(0.5 * (mx.where(outside, 0.0, x) - loc))
        gap = expm1(-scale)
        height = log(-expm1(-2.0 * scale)) + (0.0 * scale - _LOG_TURN)  # NaN for infinity
        return mx.where(outside, -math.inf, height - mx.log(gap * gap + (4.0 * exp(-scale)) * (sine * sine)))

    def entropy(self, loc: Any, scale: Any) -> Any:
        return log(-expm1(-2.0 * scale)) + _LOG_TURN

    def cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        def area(d: Array) -> Array:
            half = 0.5 * d
            return mx.arctan2((1.0 + exp(-scale)) * mx.sin(half), -expm1(-scale) * mx.cos(half)) / math.pi

        return _from_start(x, loc, area)


def _wrapped(d: Array) -> Array:
    """The angle in [-pi, pi]."""
    return mx.clip(d - _TURN * mx.round(d / _TURN), -math.pi, math.pi)


def _from_start(x: Array, centre: Any, area: Callable[[Array], Array]) -> Array:
    """P(-pi <= X <= x) from ``area(d)``, the probability between the centre and an angle d in [-pi, pi] from it."""

    def lifted(d: Array) -> Array:
        turns = mx.round(d / _TURN)
        return turns + area(mx.clip(d - _TURN * turns, -math.pi, math.pi))

    start = mx.full(x.shape, -math.pi, x.dtype) - centre
    return mx.clip(lifted(mx.clip(x, -math.pi, math.pi) - centre) - lifted(start), 0.0, 1.0)


def _log_sum(d: Array, sigma: Any) -> Array:
    """Five turns, relative to the nearest one."""
    z, step = d / sigma, _TURN / sigma
    tail = step * z
    square = step * step
    others = exp(-tail - 0.5 * square) + exp(tail - 0.5 * square)
    others = others + exp(-2.0 * tail - 2.0 * square) + exp(2.0 * tail - 2.0 * square)
    return log1p(others) - 0.5 * (z * z) - (log(sigma) + HALF_LOG_2PI)


def _log_series(d: Array, sigma: Any) -> Array:
    rho = exp(-0.5 * (sigma * sigma))
    fourth = (rho * rho) * (rho * rho)
    return log1p(2.0 * (rho * mx.cos(d) + fourth * mx.cos(2.0 * d))) - _LOG_TURN


def _sum_area(d: Array, sigma: Any) -> Array:
    total = ndtr(d / sigma) - 0.5
    for k in (1, 2):
        total = total + (ndtr((d + _TURN * k) / sigma) - ndtr((_TURN * k - d) / sigma))
    return total


def _series_area(d: Array, sigma: Any) -> Array:
    rho = exp(-0.5 * (sigma * sigma))
    fourth = (rho * rho) * (rho * rho)
    return d / _TURN + (rho * mx.sin(d) + 0.5 * fourth * mx.sin(2.0 * d)) / math.pi


wrapped_normal = WrappedNormal()
wrapped_cauchy = WrappedCauchy()
