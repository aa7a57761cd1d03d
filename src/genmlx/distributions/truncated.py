"""Distributions between two bounds, by their distribution and quantile functions."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.distributions.bounds import Bounded, as_call, at_bound
from genmlx.numerics.number import expm1
from genmlx.numerics.special import logdiffexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Truncated", "truncated"]


def truncated(call: Any, lo: Any = -math.inf, hi: Any = math.inf) -> DistributionCall:
    r"""The distribution of ``call``, conditioned on ``lo`` <= x <= ``hi``.

    $$p(x) = \frac{f(x)}{P(lo \le X \le hi)}, \quad lo \le x \le hi.$$

    For families that have ``cdf`` and ``quantile``, also of counts: ``truncated(poisson(3.0), 1)`` is never 0. The log
    density is differentiable in all parameters, for continuous families in the bounds too; mean, variance and entropy
    have no common closed form. The mass is that of the smaller tails, accurate as far as the ``log_cdf`` and the
    ``log_survival`` of the family are: for the normal, exponential, logistic and Weibull families in every tail.

    A draw is the quantile of a uniform probability between those of the bounds, differentiable as far as the quantile
    function is. Where the distribution function is 1 in float32, in the far upper tail, draws are NaN;
    `truncated_normal` has them there.

    Args:
        call: the call of a family with numbers for values.
        lo: lower bound, a real number or -inf.
        hi: upper bound above ``lo``, a real number or inf.

    Returns:
        A call, with the broadcast batch shape of the call and the bounds.

    Example:
        >>> round(truncated(gm.exponential(1.0), 0.5, 2.0).log_prob(1.0).item(), 6)
        -0.247518
    """
    return Truncated(as_call(call, "truncated").gen_fn)(call, lo, hi)


@final
class Truncated(Bounded):
    """The calls of a family between bounds; `truncated` makes them.

    Attributes:
        family: before truncation.
    """

    name = "truncated"
    needs = ("cdf", "quantile")

    def __init__(self, family: Distribution) -> None:
        super().__init__(family)
        self.discrete = family.discrete
        self.pathwise = ("call", "lo", "hi") if family.is_reparametrised and not family.discrete else ()

    def sample(self, key: Key, call: DistributionCall, lo: Any, hi: Any, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        draws = self._at_fraction(u, call, lo, hi)
        return draws.astype(mx.int32) if self.discrete else draws

    def log_prob(self, x: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        inside = mx.logical_and(x >= lo, x <= hi)
        start, end = self._ends(call, lo, hi, x)
        upper, log_start, log_end = self._log_survival(call, lo, hi, x)
        mass = mx.where(upper, 1.0, end - start)
        log_mass = mx.where(upper, logdiffexp(log_start, log_end), mx.log(mx.where(mass > 0.0, mass, 1.0)))
        log_mass = mx.where(mx.logical_and(mass > 0.0, log_mass > -math.inf), log_mass, math.nan)
        return mx.where(inside, self.family.log_prob(x, *call.args) - log_mass, -math.inf)

    def cdf(self, x: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        start, end = self._ends(call, lo, hi, x)
        upper, log_start, log_end = self._log_survival(call, lo, hi, x)
        at = mx.clip(x, lo, hi)
        part = (self.family.cdf(at, *call.args) - start) / mx.where(upper, 1.0, end - start)
        decay = mx.where(upper, log_start, 0.0)
        far = expm1(self.family.log_survival(at, *call.args) - decay) / expm1(mx.where(upper, log_end, -1.0) - decay)
        part = mx.clip(mx.where(upper, far, part), 0.0, 1.0)
        return mx.where(x < lo, 0.0, mx.where(x >= hi, 1.0, part))

    def quantile(self, q: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        lowest, highest = (self.family.quantile(mx.array(level, q.dtype), *call.args) for level in (0.0, 1.0))
        first, last = self._range(lo, hi)
        ends = mx.where(q == 0.0, mx.maximum(first, lowest), mx.minimum(last, highest))
        return mx.where(mx.logical_or(q == 0.0, q == 1.0), ends, self._at_fraction(q, call, lo, hi))

    def _at_fraction(self, q: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        start, end = self._ends(call, lo, hi, q)
        return mx.clip(self.family.quantile(start + q * (end - start), *call.args), *self._range(lo, hi))

    def _range(self, lo: Any, hi: Any) -> tuple[Any, Any]:
        """The smallest and the largest value."""
        return (_whole(lo, mx.ceil, math.ceil), _whole(hi, mx.floor, math.floor)) if self.discrete else (lo, hi)

    def _below(self, lo: Any) -> Any:
        """Where the distribution function is the probability of what lies below the interval."""
        return self._range(lo, lo)[0] - 1.0 if self.discrete else lo

    def _ends(self, call: DistributionCall, lo: Any, hi: Any, like: Array) -> tuple[Array, Array]:
        """The probabilities below the interval, and up to its end."""

        def cdf(x: Array) -> Array:
            return self.family.cdf(x, *call.args)

        return at_bound(self._below(lo), -math.inf, 0.0, cdf, like), at_bound(hi, math.inf, 1.0, cdf, like)

    def _log_survival(self, call: DistributionCall, lo: Any, hi: Any, like: Array) -> tuple[Array, Array, Array]:
        """Whether the interval lies in the upper half; the logarithms of the upper tails at its two ends."""

        def log_survival(x: Array) -> Array:
            return self.family.log_survival(x, *call.args)

        start = at_bound(self._below(lo), -math.inf, 0.0, log_survival, like)
        end = at_bound(hi, getattr(call.support, "upper", math.inf), -math.inf, log_survival, like)
        return start < -math.log(2.0), start, end


def _whole(bound: Any, of_array: Any, of_number: Any) -> Any:
    if isinstance(bound, mx.array):
        return of_array(bound)
    return bound if math.isinf(bound) else of_number(bound)
