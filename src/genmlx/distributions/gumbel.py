"""The Gumbel distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.positive import EULER
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log, log1p
from genmlx.numerics.special import log1mexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Gumbel", "gumbel"]


@final
class Gumbel(Distribution):
    r"""Gumbel distribution of maxima, with mode ``loc`` and scale ``scale``.

    $$\log p(x) = -z - e^{-z} - \log c, \quad z = \frac{x - loc}{c}, \quad x \in R.$$

    Mean loc + 0.5772 c (Euler's constant), variance pi^2 c^2 / 6. Draws are ``loc - scale log(e)``, e exponential, and
    differentiable in both parameters; e is -log(1 - u), which is fine where it is small: in the heavier, upper tail.

    Args:
        loc: mode, any real number.
        scale: c, positive.

    Example:
        >>> round(gumbel(1.0, 2.0).log_prob(0.5).item(), 6)
        -1.727173

    References:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 22.
    """

    name = "gumbel"
    params = {"loc": domains.real, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale")

    def support(self, loc: Any, scale: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, loc: Any, scale: Any, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        return loc - scale * mx.log(-log1p(-u))

    def log_prob(self, x: Array, loc: Any, scale: Any) -> Array:
        z = mx.maximum((x - loc) / scale, -1e30)  # at -inf: no inf - inf
        return -(z + exp(-z)) - log(scale)

    def mean(self, loc: Any, scale: Any) -> Any:
        return loc + EULER * scale

    def variance(self, loc: Any, scale: Any) -> Any:
        return (math.pi * math.pi / 6.0) * (scale * scale)

    def entropy(self, loc: Any, scale: Any) -> Any:
        return log(scale) + (EULER + 1.0)

    def cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        return exp(-exp((loc - x) / scale))

    def log_cdf(self, x: Array, loc: Any, scale: Any) -> Array:
        return -exp((loc - x) / scale)

    def log_survival(self, x: Array, loc: Any, scale: Any) -> Array:
        return log1mexp(exp((loc - x) / scale))

    def quantile(self, q: Array, loc: Any, scale: Any) -> Array:
        return loc - scale * mx.log(-mx.log(q))


gumbel = Gumbel()
