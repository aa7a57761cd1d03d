"""Counts with more zeros than their family has."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall, broadcast_shapes
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.number import exp, log1p
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["ZeroInflated", "zero_inflated"]


def zero_inflated(call: Any, p: Any) -> DistributionCall:
    r"""With probability ``p`` the value is 0, else it is drawn from ``call``, which may be 0, too.

    $$p(0) = p + (1 - p)\, f(0), \qquad p(x) = (1 - p)\, f(x), \quad x \ne 0.$$

    With mean m and variance v of the call: mean (1 - p) m, variance (1 - p) (v + p m^2). The log mass is differentiable
    in ``p`` from 0 on and in the parameters of the call. Values are int32. For continuous families there is no density:
    a choice of its own (`bernoulli`) says which it is.

    Args:
        call: the call of a discrete family with numbers for values.
        p: probability of the additional zeros, in [0, 1]; it broadcasts against the batch shape of the call.

    Returns:
        A call.

    Example:
        >>> round(zero_inflated(gm.poisson(3.0), 0.25).log_prob(0).item(), 5)
        -1.24709
        >>> zero_inflated(gm.poisson(3.0), 0.25).mean().item()
        2.25

    References:
        Lambert, Zero-inflated Poisson regression, Technometrics 34 (1992).
    """
    if not isinstance(call, DistributionCall):
        raise UsageError(
            f"zero_inflated takes the call of a distribution, found {call!r}", fix="zero_inflated(poisson(3.0), 0.25)"
        )
    return ZeroInflated(call.gen_fn)(call, p)


@final
class ZeroInflated(Distribution):
    """The calls of a family with additional zeros; `zero_inflated` makes them.

    Attributes:
        family: of what is not an additional zero.
    """

    name = "zero_inflated"
    params = {"call": domains.any_value, "p": domains.unit_interval}  # noqa: RUF012
    discrete = True

    def __init__(self, family: Distribution) -> None:
        if not family.discrete or family.event_ndim:
            kind = "has vectors or matrices for values" if family.event_ndim else "is continuous"
            raise UsageError(
                f"zero_inflated takes a discrete family with numbers for values, and {family.name} {kind}",
                fix="a choice of its own for whether the value is 0, and gm.Switch or gm.Mix on it",
            )
        self.family = family

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 2 or kwargs:
            raise UsageError("zero_inflated takes a call and a probability", fix="zero_inflated(call, p)")
        call, p = args
        if not isinstance(call, DistributionCall) or call.gen_fn != self.family:
            raise UsageError(f"this zero_inflated takes calls of {self.family.name}, found {call!r}")
        return call, self._parameter("p", domains.unit_interval, p)

    def check(self, params: tuple[Any, ...]) -> None:
        call, p = params
        self.family.check(call.args)
        super().check((0.0, p))

    def batch_shape(self, *params: Any) -> Shape:
        call, p = params
        inner, outer = self.family.batch_shape(*call.args), getattr(p, "shape", ())
        try:
            return broadcast_shapes(inner, outer)
        except ValueError:
            raise ShapeError(
                f"p has shape {outer}, which does not broadcast against the batch shape {inner} of {call!r}"
            ) from None

    def support(self, call: DistributionCall, p: Any) -> Domain:
        inner = call.support

        def contains(x: Array) -> Array:
            return mx.logical_or(x == 0, inner.contains(x))

        if not isinstance(inner, Interval):
            return Domain(f"0 or {inner.name}", contains, discrete=True)
        lower, upper = inner.lower, inner.upper
        lower = mx.minimum(lower, 0) if isinstance(lower, mx.array) else min(lower, 0)
        upper = mx.maximum(upper, 0) if isinstance(upper, mx.array) else max(upper, 0)
        return Interval(f"0 or {inner.name}", contains, discrete=True, lower=lower, upper=upper)

    def sample(self, key: Key, call: DistributionCall, p: Any, shape: Shape) -> Array:
        k_zero, k_value = split(key)
        draws = self.family.sample(k_value, *call.args, shape)
        return mx.where(mx.random.uniform(shape=shape, key=k_zero) < p, 0, draws).astype(draws.dtype)

    def log_prob(self, x: Array, call: DistributionCall, p: Any) -> Array:
        of_call = self.family.log_prob(x, *call.args)
        other = log1p(-p) + of_call
        return mx.where(x == 0, _log_mass_at_zero(mx.array(p), of_call), other)

    def mean(self, call: DistributionCall, p: Any) -> Any:
        return (1.0 - p) * call.mean()

    def variance(self, call: DistributionCall, p: Any) -> Any:
        return (1.0 - p) * (call.variance() + p * mx.square(call.mean()))

    def cdf(self, x: Array, call: DistributionCall, p: Any) -> Array:
        return mx.where(x >= 0, p, 0.0) + (1.0 - p) * self.family.cdf(x, *call.args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZeroInflated) and self.family == other.family

    def __hash__(self) -> int:
        return hash((ZeroInflated, self.family))


_DIRECT = 1e-30  # from this mass on its logarithm is taken as it is, which has the right slope also at p = 0


def _log_mass_at_zero(p: Array, of_call: Array) -> Array:
    """log(p + (1 - p) exp(of_call)); the branch not taken has harmless arguments, for the sake of gradients."""
    invalid = mx.logical_not(mx.logical_and(p >= 0.0, p <= 1.0))
    mass = p + (1.0 - p) * exp(of_call)
    direct = mass > _DIRECT
    some = mx.logical_and(p > 0.0, mx.logical_not(direct))
    tail = mx.where(direct, 0.0, of_call)  # p < 1e-30 here, and 1 - p is 1
    both = mx.logaddexp(mx.log(mx.where(some, p, 1.0)), mx.where(some, tail, 0.0))
    far = mx.where(some, both, tail)
    return mx.where(invalid, math.nan, mx.where(direct, mx.log(mx.where(direct, mass, 1.0)), far))
