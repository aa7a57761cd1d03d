"""The inverse gamma distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.gamma import centred_power
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import digamma_excess, exp, log, remainder
from genmlx.numerics.special import gammainc, gammaincc, gammainccinv
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["InvGamma", "inv_gamma"]

_TINY, _MAX = 1.1754944e-38, 3.4028234e38


@final
class InvGamma(Distribution):
    r"""Distribution of 1/y with y gamma of shape ``shape`` and rate ``scale``.

    $$\log p(x) = s \log c - (s + 1) \log x - \frac{c}{x} - \log \Gamma(s), \quad x > 0.$$

    Mean c / (s - 1) for shape s > 1, else inf; variance c^2 / ((s - 1)^2 (s - 2)) for s > 2, else inf. Draws are
    differentiable in the scale, those of ``rsample`` also in the shape.

    Args:
        shape: positive.
        scale: positive.

    Example:
        >>> round(inv_gamma(3.0, 2.0).log_prob(1.0).item(), 6)
        -0.613706

    References:
        The formula used: see `genmlx.distributions.gamma.Gamma`, here with u = scale / (x shape).
    """

    name = "inv_gamma"
    params = {"shape": domains.positive, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("shape", "scale")

    def support(self, shape: Any, scale: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, shape_: Any, scale: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        # In logarithms: for a shape of 0.01 the gamma draw underflows.
        log_draw = log(scale) - samplers.log_standard_gamma(key, shape_, shape, pathwise=pathwise)
        return mx.clip(exp(log_draw), _TINY, _MAX)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, shape: Any, scale: Any) -> Array:
        inside = x > 0.0
        u = (scale / shape) / mx.where(inside, x, 1.0)
        constant = 2.0 * log(shape) - log(scale) - remainder(shape)
        return mx.where(inside, centred_power(u, shape, 1.0) + constant, -math.inf)

    def mean(self, shape: Any, scale: Any) -> Any:
        return _finite_above(shape, 1.0, lambda s: scale / (s - 1.0))

    def variance(self, shape: Any, scale: Any) -> Any:
        return _finite_above(shape, 2.0, lambda s: (scale / (s - 1.0)) * (scale / (s - 1.0)) / (s - 2.0))

    def entropy(self, shape: Any, scale: Any) -> Any:
        return remainder(shape) - 2.0 * log(shape) - (1.0 + shape) * digamma_excess(shape) + log(scale)

    def cdf(self, x: Array, shape: Any, scale: Any) -> Array:
        return gammaincc(shape, scale / mx.maximum(x, 0.0))

    def log_survival(self, x: Array, shape: Any, scale: Any) -> Array:
        return mx.log(gammainc(shape, scale / mx.maximum(x, 0.0)))

    def quantile(self, q: Array, shape: Any, scale: Any) -> Array:
        return scale / gammainccinv(shape, q)


def _finite_above(shape: Any, limit: float, moment: Any) -> Any:
    if isinstance(shape, mx.array):
        return mx.where(shape > limit, moment(mx.where(shape > limit, shape, limit + 1.0)), math.inf)
    return moment(shape) if shape > limit else math.inf


inv_gamma = InvGamma()
