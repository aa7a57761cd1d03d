"""The von Mises distribution: angles around a direction."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.special import log_i0e
from genmlx.numerics.special.bessel import ratio_complement
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["VonMises", "von_mises"]

_LOG_TURN = math.log(2.0 * math.pi)


@final
class VonMises(Distribution):
    r"""Von Mises distribution on the circle, with mean direction ``mu`` and concentration ``kappa``.

    $$p(x) = \frac{e^{\kappa \cos(x - \mu)}}{2\pi I_0(\kappa)}, \quad -\pi \le x \le \pi.$$

    Uniform for kappa = 0, nearly normal with variance 1/kappa for large kappa. The mean resultant length, the mean of
    cos(x - mu), is I_1(kappa) / I_0(kappa). Draws (`genmlx.numerics.samplers.von_mises`) are differentiable in mu,
    those of ``rsample`` also in kappa (once).

    Args:
        mu: mean direction, any real number.
        kappa: concentration, zero or positive.

    Example:
        >>> round(von_mises(0.5, 2.0).log_prob(1.0).item(), 6)
        -0.906705

    References:
        Mardia and Jupp, Directional Statistics (2000), section 3.5.4. The exponent is computed as
        -2 kappa sin^2((x - mu) / 2), which does not cancel.
    """

    name = "von_mises"
    params = {"mu": domains.real, "kappa": domains.nonnegative}  # noqa: RUF012
    pathwise = ("mu", "kappa")

    def support(self, mu: Any, kappa: Any) -> Domain:
        return domains.circular

    def sample(self, key: Key, mu: Any, kappa: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        return samplers.von_mises(key, mu, kappa, shape, pathwise=pathwise)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, mu: Any, kappa: Any) -> Array:
        outside = mx.abs(x) > math.pi
        sine = mx.sin(0.5 * (mx.where(outside, 0.0, x) - mu))
        height = mx.where(mx.array(kappa) < 0.0, math.nan, log_i0e(kappa) + _LOG_TURN)  # I0 is even
        return mx.where(outside, -math.inf, -(2.0 * kappa) * (sine * sine) - height)

    def entropy(self, mu: Any, kappa: Any) -> Any:
        # log(2π I0(κ) e^-κ) + κ (1 - A(κ))
        kappa = kappa if isinstance(kappa, mx.array) else mx.array(kappa, mx.float32)
        return log_i0e(kappa) + _LOG_TURN + kappa * ratio_complement(kappa)


von_mises = VonMises()
