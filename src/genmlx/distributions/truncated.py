"""Distributions between two bounds, by their distribution and quantile functions."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall, broadcast_shapes
from genmlx.distributions.bounds import check_order
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Truncated", "truncated"]


def truncated(call: Any, lo: Any = -math.inf, hi: Any = math.inf) -> DistributionCall:
    r"""The distribution of ``call``, conditioned on ``lo`` <= x <= ``hi``.

    $$p(x) = \frac{f(x)}{F(hi) - F(lo)}, \quad lo \le x \le hi.$$

    For continuous families that have ``cdf`` and ``quantile``. A draw is the quantile of a uniform probability between
    F(lo) and F(hi), differentiable as far as the quantile function is; the log density is so in all parameters, the
    bounds included. Mean, variance and entropy have no common closed form.

    The mass is a difference of values of F, known to 6e-8: that of an interval far out in the *upper* tail, where F is
    nearly 1, has few digits, and NaN is the density where none is left. `truncated_normal` has all digits everywhere.

    Args:
        call: the call of a continuous family with numbers for values.
        lo: lower bound, a real number or -inf.
        hi: upper bound above ``lo``, a real number or inf.

    Returns:
        A call, with the broadcast batch shape of the call and the bounds.

    Example:
        >>> round(truncated(gm.exponential(1.0), 0.5, 2.0).log_prob(1.0).item(), 6)
        -0.247518
    """
    if not isinstance(call, DistributionCall):
        raise UsageError(
            f"truncated takes the call of a distribution, found {call!r}", fix="truncated(laplace(0.0, 1.0), 0.0, 2.0)"
        )
    return Truncated(call.gen_fn)(call, lo, hi)


@final
class Truncated(Distribution):
    """The calls of a family between bounds; `truncated` makes them.

    Attributes:
        family: before truncation.
    """

    name = "truncated"
    params = {  # noqa: RUF012
        "call": domains.any_value,
        "lo": domains.real_or_infinite,
        "hi": domains.real_or_infinite,
    }

    def __init__(self, family: Distribution) -> None:
        if family.event_ndim or family.discrete:
            kind = "has vectors or matrices for values" if family.event_ndim else "is discrete"
            raise UsageError(f"truncated takes a continuous family with numbers for values, and {family.name} {kind}")
        missing = [w for w in ("cdf", "quantile") if getattr(type(family), w) is getattr(Distribution, w)]
        if missing:
            raise UsageError(
                f"truncated needs the cdf and the quantile function of its family, and {family.name} has no "
                f"{' and no '.join(missing)}",
                fix="a family with both (normal, laplace, cauchy, exponential, ...)",
            )
        self.family = family

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 3 or kwargs:
            raise UsageError("truncated takes a call and two bounds", fix="truncated(call, lo, hi)")
        call, lo, hi = args
        if not isinstance(call, DistributionCall) or call.gen_fn != self.family:
            raise UsageError(f"this truncated takes calls of {self.family.name}, found {call!r}")
        domain = domains.real_or_infinite
        return call, self._parameter("lo", domain, lo), self._parameter("hi", domain, hi)

    def check(self, params: tuple[Any, ...]) -> None:
        call, lo, hi = params
        self.family.check(call.args)
        super().check((0.0, lo, hi))
        check_order(self, lo, hi)

    def batch_shape(self, *params: Any) -> Shape:
        call, lo, hi = params
        shapes = [self.family.batch_shape(*call.args), getattr(lo, "shape", ()), getattr(hi, "shape", ())]
        try:
            return broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(f"the shapes of a call and its bounds do not broadcast: {shapes}") from None

    def support(self, call: DistributionCall, lo: Any, hi: Any) -> Domain:
        inner = call.support

        def contains(x: Array) -> Array:
            between = mx.logical_and(x >= lo, x <= hi)
            return mx.logical_and(between, inner.contains(x))

        if not isinstance(inner, Interval):
            return Domain(f"{inner.name}, between bounds", contains)
        lower = _bound(max, mx.maximum, inner.lower, lo)
        upper = _bound(min, mx.minimum, inner.upper, hi)
        return Interval(f"{inner.name}, between bounds", contains, lower=lower, upper=upper)

    def sample(self, key: Key, call: DistributionCall, lo: Any, hi: Any, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        return self._at_fraction(u, call, lo, hi)

    def log_prob(self, x: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        inside = mx.logical_and(x >= lo, x <= hi)
        start, end = self._ends(call, lo, hi, x.dtype)
        mass = end - start
        log_mass = mx.where(mass > 0.0, mx.log(mx.where(mass > 0.0, mass, 1.0)), math.nan)
        return mx.where(inside, self.family.log_prob(x, *call.args) - log_mass, -math.inf)

    def cdf(self, x: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        start, end = self._ends(call, lo, hi, x.dtype)
        part = self.family.cdf(mx.clip(x, lo, hi), *call.args) - start
        return mx.where(x <= lo, 0.0, mx.where(x >= hi, 1.0, mx.clip(part / (end - start), 0.0, 1.0)))

    def quantile(self, q: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        lowest, highest = (self.family.quantile(mx.array(level, q.dtype), *call.args) for level in (0.0, 1.0))
        ends = mx.where(q == 0.0, mx.maximum(lo, lowest), mx.minimum(hi, highest))
        return mx.where(mx.logical_or(q == 0.0, q == 1.0), ends, self._at_fraction(q, call, lo, hi))

    def _at_fraction(self, q: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        start, end = self._ends(call, lo, hi, q.dtype)
        return mx.clip(self.family.quantile(start + q * (end - start), *call.args), lo, hi)

    def _ends(self, call: DistributionCall, lo: Any, hi: Any, dtype: mx.Dtype) -> tuple[Any, Any]:
        """F at the bounds."""
        return self._at_bound(lo, -math.inf, 0.0, call, dtype), self._at_bound(hi, math.inf, 1.0, call, dtype)

    def _at_bound(self, bound: Any, none: float, value: float, call: DistributionCall, dtype: mx.Dtype) -> Any:
        """F at a bound, ``value`` for the infinite one: there, gradients are 0, not NaN."""
        if not isinstance(bound, mx.array):
            if bound == none:
                return mx.array(value, dtype)
            return self.family.cdf(mx.array(bound, dtype), *call.args)
        infinite = bound == none
        return mx.where(infinite, value, self.family.cdf(mx.where(infinite, 0.0, bound), *call.args))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Truncated) and self.family == other.family

    def __hash__(self) -> int:
        return hash((Truncated, self.family))


def _bound(of_numbers: Any, of_arrays: Any, a: Any, b: Any) -> Any:
    return of_arrays(a, b) if isinstance(a, mx.array) or isinstance(b, mx.array) else of_numbers(a, b)
