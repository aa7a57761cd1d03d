"""The triangular distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.distribution import Distribution, broadcast_shapes
from genmlx.distributions.bounds import check_order
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import DomainError
from genmlx.numerics.number import log
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Triangular", "triangular"]


@final
class Triangular(Distribution):
    r"""Triangular distribution between ``lo`` and ``hi``, with its peak at ``mode``.

    $$p(x) = \frac{2}{hi - lo} \begin{cases} (x - lo) / (mode - lo) & x < mode \\ (hi - x) / (hi - mode) & x \ge mode
    \end{cases}, \quad lo \le x \le hi.$$

    Mean (lo + mode + hi) / 3, variance (lo^2 + mode^2 + hi^2 - lo mode - lo hi - mode hi) / 18, entropy
    1/2 + log((hi - lo) / 2). Draws are by the quantile function and differentiable in all parameters.

    Args:
        lo: lower bound, any real number.
        mode: of the highest density, between the bounds or at one of them.
        hi: upper bound, above ``lo``.

    Example:
        >>> round(triangular(0.0, 1.0, 4.0).log_prob(2.0).item(), 6)
        -1.098612
    """

    name = "triangular"
    params = {"lo": domains.real, "mode": domains.real, "hi": domains.real}  # noqa: RUF012
    pathwise = ("lo", "mode", "hi")

    def support(self, lo: Any, mode: Any, hi: Any) -> Domain:
        return domains.interval(lo, hi)

    def check(self, params: tuple[Any, ...]) -> None:
        super().check(params)
        lo, mode, hi = params
        check_order(self, lo, hi)
        between = domains.interval(lo, hi)
        if not any(isinstance(p, mx.array) for p in params):
            if not lo <= mode <= hi:
                raise DomainError(f"parameter 'mode' of {self.name} must be {between.name}, found {mode}")
        elif execution.is_validating():
            shape = broadcast_shapes(*(getattr(p, "shape", ()) for p in params))
            self._check_array("mode", between, mx.broadcast_to(mx.array(mode), shape))

    def sample(self, key: Key, lo: Any, mode: Any, hi: Any, shape: Shape) -> Array:
        u = mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)
        return self.quantile(u, lo, mode, hi)

    def log_prob(self, x: Array, lo: Any, mode: Any, hi: Any) -> Array:
        inside = mx.logical_and(x >= lo, x <= hi)
        below = x < mode
        rise = mx.where(below, x - lo, hi - x)
        run = mx.where(below, mode - lo, hi - mode)
        flat = run == 0.0  # the peak is at this bound
        height = mx.where(flat, 1.0, rise / mx.where(flat, 1.0, run))
        inside = mx.logical_and(inside, height > 0.0)
        log_prob = mx.log(mx.where(inside, height, 1.0)) - (log(hi - lo) - math.log(2.0))
        valid = mx.logical_and(mx.array(lo <= mode), mx.logical_and(mx.array(mode <= hi), mx.logical_not(mx.isnan(x))))
        return mx.where(valid, mx.where(inside, log_prob, -math.inf), math.nan)

    def mean(self, lo: Any, mode: Any, hi: Any) -> Any:
        return (lo + mode + hi) / 3.0

    def variance(self, lo: Any, mode: Any, hi: Any) -> Any:
        left, right = mode - lo, hi - mode
        return (left * left + right * right + left * right) / 18.0

    def entropy(self, lo: Any, mode: Any, hi: Any) -> Any:
        return 0.5 - math.log(2.0) + log(hi - lo)

    def cdf(self, x: Array, lo: Any, mode: Any, hi: Any) -> Array:
        x = mx.clip(x, lo, hi)
        below = x < mode
        side = mx.where(below, x - lo, hi - x)
        run = mx.where(below, mode - lo, hi - mode)
        area = (side / mx.where(run == 0.0, 1.0, run)) * (side / (hi - lo))
        return mx.where(below, area, 1.0 - area)

    def quantile(self, q: Array, lo: Any, mode: Any, hi: Any) -> Array:
        below = q * (hi - lo) < mode - lo
        run = mx.where(below, mode - lo, hi - mode)
        level = mx.where(below, q, 1.0 - q)
        end = level == 0.0  # the root has no slope there
        side = mx.where(end, 0.0, mx.sqrt(mx.where(end, 1.0, level * (hi - lo) * run)))
        return mx.clip(mx.where(below, lo + side, hi - side), lo, hi)


triangular = Triangular()
