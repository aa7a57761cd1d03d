"""The exponentially modified normal distribution."""

from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers, special
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log, log1p
from genmlx.numerics.special import ndtr
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["ExpModifiedNormal", "exp_modified_normal"]


@final
class ExpModifiedNormal(Distribution):
    r"""Distribution of a sum: a normal variable plus an independent exponential one.

    $$\log p(x) = \log \lambda + \tfrac12 k^2 - k z + \log \Phi(z - k), \quad z = \frac{x - \mu}{\sigma}, \quad
    k = \lambda \sigma.$$

    Mean mu + 1/rate, variance sigma^2 + 1/rate^2. Draws are ``mu + sigma z + e / rate`` and differentiable in all
    parameters.

    Args:
        mu: mean of the normal part, any real number.
        sigma: standard deviation of the normal part, positive.
        rate: of the exponential part, positive.

    Example:
        >>> round(exp_modified_normal(1.0, 2.0, 0.5).log_prob(1.5).item(), 6)
        -1.927595

    References:
        Grushka, Characterization of exponentially modified Gaussian peaks in chromatography, Analytical Chemistry 44
        (1972). Where z < k the squares are taken together, with w = z - k:
        log p = log rate - z^2 / 2 + log(Phi(w) exp(w^2 / 2)).
    """

    name = "exp_modified_normal"
    params = {"mu": domains.real, "sigma": domains.positive, "rate": domains.positive}  # noqa: RUF012
    pathwise = ("mu", "sigma", "rate")

    def support(self, mu: Any, sigma: Any, rate: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, mu: Any, sigma: Any, rate: Any, shape: Shape) -> Array:
        k_normal, k_exponential = mx.random.split(key)
        centre = mu + sigma * mx.random.normal(shape, key=k_normal)
        return centre + samplers.exponential(k_exponential, 1.0, shape) / rate

    def log_prob(self, x: Array, mu: Any, sigma: Any, rate: Any) -> Array:
        k = rate * sigma
        return _log_ratio((x - mu) / sigma, k) + (log(k) - log(sigma))

    def mean(self, mu: Any, sigma: Any, rate: Any) -> Any:
        return mu + 1.0 / rate

    def variance(self, mu: Any, sigma: Any, rate: Any) -> Any:
        return sigma * sigma + 1.0 / (rate * rate)

    def cdf(self, x: Array, mu: Any, sigma: Any, rate: Any) -> Array:
        z = (x - mu) / sigma
        return mx.maximum(ndtr(z) - exp(_log_ratio(z, rate * sigma)), 0.0)


def _log_ratio(z: Array, k: Any) -> Array:
    """The log density without log(rate)."""
    left = z < k
    tail = special._log_scaled_tail(mx.where(left, k - z, z - k))
    w = mx.where(left, 0.0, z - k)
    right = log1p(-exp(mx.where(left, -1.0, tail) - 0.5 * (w * w))) - k * (mx.where(left, 0.0, z) - 0.5 * k)
    return mx.where(left, tail - 0.5 * (z * z), right)


exp_modified_normal = ExpModifiedNormal()
