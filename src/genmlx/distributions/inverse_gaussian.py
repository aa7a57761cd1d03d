"""The inverse Gaussian (Wald) distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import MAX, TINY, scaled_exponential_integral
from genmlx.numerics import domains, special
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log
from genmlx.numerics.special import HALF_LOG_2PI, ndtr
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["InverseGaussian", "inverse_gaussian"]

_SQRT_2PI = math.sqrt(2.0 * math.pi)


@final
class InverseGaussian(Distribution):
    r"""Inverse Gaussian distribution with mean ``mu`` and shape ``lam``: when drifting Brownian motion passes a level.

    $$\log p(x) = \tfrac12 \log \frac{\lambda}{2\pi} - \tfrac32 \log x - \frac{\lambda (x - \mu)^2}{2 \mu^2 x},
    \quad x > 0.$$

    Mean mu, variance mu^3 / lam. Draws are differentiable in both parameters, to first order, by the derivative
    -(dF / dparameter) / p of the draw, which has a closed form.

    Args:
        mu: mean, positive.
        lam: shape, positive.

    Example:
        >>> round(inverse_gaussian(2.0, 3.0).log_prob(1.5).item(), 6)
        -1.04033

    References:
        Michael, Schucany and Haas, Generating random variates using transformations with multiple roots, The American
        Statistician 30 (1976): the sampler, here with the smaller root in a form that does not cancel.
    """

    name = "inverse_gaussian"
    params = {"mu": domains.positive, "lam": domains.positive}  # noqa: RUF012
    pathwise = ("mu", "lam")

    def support(self, mu: Any, lam: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, mu: Any, lam: Any, shape: Shape) -> Array:
        k_normal, k_root = mx.random.split(key)
        w = (0.5 * mx.square(mx.random.normal(shape, key=k_normal))) * (mu / lam)
        root = 1.0 + w + mx.sqrt(w * (2.0 + w))  # the two roots are mu times this, and mu divided by it
        small = mx.random.uniform(shape=shape, key=k_root) * (1.0 + 1.0 / root) <= 1.0
        x = mx.stop_gradient(mx.clip(mu * mx.where(small, 1.0 / root, root), TINY, MAX))
        if not (isinstance(mu, mx.array) or isinstance(lam, mx.array)):
            return x
        # What is added is 0, and has the derivatives of the quantile.
        fixed_mu, fixed_lam = mx.stop_gradient(mx.array(mu)), mx.stop_gradient(mx.array(lam))
        ratio = mx.sqrt(x / fixed_lam)
        mills = _SQRT_2PI * exp(special._log_scaled_tail((x / fixed_mu + 1.0) / ratio))
        share = (2.0 * mills) * ratio * (x / fixed_mu)
        return x + (mu - fixed_mu) * (share * (fixed_lam / fixed_mu)) + (lam - fixed_lam) * (x / fixed_lam - share)

    def log_prob(self, x: Array, mu: Any, lam: Any) -> Array:
        inside = x > 0.0
        y = mx.where(inside, x, mu)
        # As a product of two factors (x - mu)^2 / x neither overflows nor is NaN at infinity.
        z = (y - mu) / mu
        distance = z * ((1.0 - mu / y) * (lam / mu))
        return mx.where(inside, 0.5 * (log(mu) + log(lam / mu) - distance) - 1.5 * mx.log(y) - HALF_LOG_2PI, -math.inf)

    def mean(self, mu: Any, lam: Any) -> Any:
        return mu

    def variance(self, mu: Any, lam: Any) -> Any:
        return mu * mu * (mu / lam)

    def entropy(self, mu: Any, lam: Any) -> Any:
        integral = scaled_exponential_integral(2.0 * (lam / mu))
        return log(mu) - 0.5 * log(lam / mu) - 1.5 * integral + (0.5 + HALF_LOG_2PI)

    def cdf(self, x: Array, mu: Any, lam: Any) -> Array:
        y = mx.clip(x, TINY, 1e30)
        root = mx.sqrt(lam / y)
        a = root * ((y - mu) / mu)
        # exp(2 lam / mu) Phi(-b), where b^2 = a^2 + 4 lam / mu.
        second = exp(special._log_scaled_tail(root * (y / mu + 1.0)) - 0.5 * (a * a))
        return mx.where(x > 0.0, mx.where(x == math.inf, 1.0, ndtr(a) + second), 0.0)


inverse_gaussian = InverseGaussian()
