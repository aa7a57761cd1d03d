"""Values that are not known beyond two bounds: distributions of what an instrument shows."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.distributions.bounds import Bounded, as_call, at_bound
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Censored", "censored"]


def censored(call: Any, lo: Any = -math.inf, hi: Any = math.inf) -> DistributionCall:
    r"""The distribution of a draw of ``call`` that is shown as ``lo`` if it is below, as ``hi`` if it is above.

    $$p(lo) = P(X \le lo), \qquad p(hi) = P(X \ge hi), \qquad p(x) = f(x), \quad lo < x < hi.$$

    The bounds are values with a probability of their own, and between them is the density (or mass) of the call: for
    observations with a limit of detection, and for survival times that end with the study, where ``hi`` is the time of
    the end, one for each observation. For families that have ``cdf``; probabilities are as accurate as its ``log_cdf``
    and ``log_survival``. A draw is min(max(x, lo), hi).

    Args:
        call: the call of a family with numbers for values.
        lo: lower bound, a real number or -inf.
        hi: upper bound above ``lo``, a real number or inf.

    Returns:
        A call, with the broadcast batch shape of the call and the bounds.

    Example:
        >>> call = censored(gm.exponential(0.5), hi=4.0)
        >>> call.log_prob([1.0, 4.0]).tolist()  # the density of 1, the probability to exceed 4
        [-1.1931471824645996, -2.0]
    """
    return Censored(as_call(call, "censored").gen_fn)(call, lo, hi)


@final
class Censored(Bounded):
    """The calls of a family, shown between bounds; `censored` makes them.

    Attributes:
        family: before censoring.
    """

    name = "censored"
    needs = ("cdf",)

    def __init__(self, family: Distribution) -> None:
        super().__init__(family)
        self.discrete = family.discrete

    def sample(self, key: Key, call: DistributionCall, lo: Any, hi: Any, shape: Shape) -> Array:
        draws = self.family.sample(key, *call.args, shape)
        return mx.clip(draws, lo, hi).astype(draws.dtype)

    def log_prob(self, x: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        beyond = hi - 1.0 if self.discrete else hi  # P(X >= hi) of counts
        at_low = at_bound(lo, -math.inf, -math.inf, lambda b: self.family.log_cdf(b, *call.args), x)
        at_high = at_bound(beyond, math.inf, -math.inf, lambda b: self.family.log_survival(b, *call.args), x)
        between = mx.logical_and(x > lo, x < hi)
        ends = mx.where(x == lo, at_low, mx.where(x == hi, at_high, mx.where(mx.isnan(x), math.nan, -math.inf)))
        return mx.where(between, self.family.log_prob(x, *call.args), ends)

    def cdf(self, x: Array, call: DistributionCall, lo: Any, hi: Any) -> Array:
        return mx.where(x < lo, 0.0, mx.where(x >= hi, 1.0, self.family.cdf(x, *call.args)))
