"""The asymmetric Laplace distribution."""

from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["AsymmetricLaplace", "asymmetric_laplace"]


@final
class AsymmetricLaplace(Distribution):
    r"""Laplace distribution with two scales: ``scale / kappa`` above the mode ``loc``, ``scale * kappa`` below.

    $$\log p(x) = -\log\left(\kappa + \tfrac1\kappa\right) - \log c
    - \begin{cases}\kappa z & z \ge 0\\ -z / \kappa & z < 0\end{cases}, \quad z = \frac{x - loc}{c}.$$

    Mean loc + c (1/kappa - kappa), variance c^2 (kappa^2 + 1/kappa^2). Draws are by the inverse distribution function
    and differentiable in all parameters. With kappa = sqrt(q / (1 - q)) loc is the q-quantile (quantile regression).

    Args:
        loc: mode, any real number.
        scale: c, positive.
        kappa: asymmetry, positive; 1 is the Laplace distribution.

    Example:
        >>> round(asymmetric_laplace(1.0, 0.5, 2.0).log_prob(1.5).item(), 6)
        -2.223144

    References:
        Kozubowski and Podgorski, A multivariate and asymmetric generalization of Laplace distribution, Computational
        Statistics 15 (2000).
    """

    name = "asymmetric_laplace"
    params = {"loc": domains.real, "scale": domains.positive, "kappa": domains.positive}  # noqa: RUF012
    pathwise = ("loc", "scale", "kappa")

    def support(self, loc: Any, scale: Any, kappa: Any) -> Domain:
        return domains.real

    def sample(self, key: Key, loc: Any, scale: Any, kappa: Any, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        return loc + scale * _standard(u, kappa)

    def log_prob(self, x: Array, loc: Any, scale: Any, kappa: Any) -> Array:
        z = (x - loc) / scale
        return mx.minimum(z, 0.0) / kappa - kappa * mx.maximum(z, 0.0) - (log(kappa + 1.0 / kappa) + log(scale))

    def mean(self, loc: Any, scale: Any, kappa: Any) -> Any:
        return loc + scale * (1.0 / kappa - kappa)

    def variance(self, loc: Any, scale: Any, kappa: Any) -> Any:
        return (scale * scale) * (kappa * kappa + 1.0 / (kappa * kappa))

    def entropy(self, loc: Any, scale: Any, kappa: Any) -> Any:
        return 1.0 + log(kappa + 1.0 / kappa) + log(scale)

    def cdf(self, x: Array, loc: Any, scale: Any, kappa: Any) -> Array:
        z = (x - loc) / scale
        square = kappa * kappa
        below = (square / (1.0 + square)) * exp(mx.minimum(z, 0.0) / kappa)
        above = 1.0 - exp(-kappa * mx.maximum(z, 0.0)) / (1.0 + square)
        return mx.where(z < 0.0, below, above)

    def quantile(self, q: Array, loc: Any, scale: Any, kappa: Any) -> Array:
        return loc + scale * _standard(q, kappa)


def _standard(q: Array, kappa: Any) -> Array:
    square = kappa * kappa
    below = q * (1.0 + square) < square
    left = kappa * mx.log(mx.where(below, q, 0.5) * ((1.0 + square) / square))
    right = mx.log((1.0 - mx.where(below, 0.5, q)) * (1.0 + square)) / -kappa
    return mx.where(below, left, right)


asymmetric_laplace = AsymmetricLaplace()
