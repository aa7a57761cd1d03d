"""The log-uniform (reciprocal) distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.bounds import check_order
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import exp, log, log1p, sqrt
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LogUniform", "log_uniform"]


@final
class LogUniform(Distribution):
    r"""Distribution of a number between ``lo`` and ``hi`` whose logarithm is uniform.

    $$p(x) = \frac{1}{x \log(hi / lo)}, \quad lo \le x \le hi.$$

    With w = log(hi / lo): mean (hi - lo) / w, variance (hi^2 - lo^2) / (2 w) - mean^2. Draws are lo (hi / lo)^u and
    differentiable in both bounds.

    Args:
        lo: lower bound, positive.
        hi: upper bound, above ``lo``.

    Example:
        >>> round(log_uniform(0.01, 100.0).log_prob(1.0).item(), 6)
        -2.220327
    """

    name = "log_uniform"
    params = {"lo": domains.positive, "hi": domains.positive}  # noqa: RUF012
    pathwise = ("lo", "hi")

    def support(self, lo: Any, hi: Any) -> Domain:
        return domains.interval(lo, hi)

    def check(self, params: tuple[Any, ...]) -> None:
        super().check(params)
        check_order(self, *params)

    def sample(self, key: Key, lo: Any, hi: Any, shape: Shape) -> Array:
        return self.quantile(mx.random.uniform(shape=shape, key=key), lo, hi)

    def log_prob(self, x: Array, lo: Any, hi: Any) -> Array:
        inside = mx.logical_and(x >= lo, x <= hi)
        return mx.where(inside, -(mx.log(mx.where(inside, x, 1.0)) + log(_width(lo, hi))), -math.inf)

    def mean(self, lo: Any, hi: Any) -> Any:
        return (hi - lo) / _width(lo, hi)

    def variance(self, lo: Any, hi: Any) -> Any:
        mean = self.mean(lo, hi)
        far = 0.5 * (lo + hi) - mean  # of wide bounds; for narrow ones it cancels to sqrt(lo hi) (cosh h - sinh(h)/h)
        h = 0.5 * _width(lo, hi)
        square = h * h
        near = (sqrt(lo) * sqrt(hi)) * (square * (1 / 3 + square * (1 / 30 + square * (1 / 840 + square / 45360))))
        if isinstance(h, mx.array):
            return mean * mx.where(h < 1.0, near, far)
        return mean * (near if h < 1.0 else far)

    def entropy(self, lo: Any, hi: Any) -> Any:
        return 0.5 * (log(hi) + log(lo)) + log(_width(lo, hi))

    def cdf(self, x: Array, lo: Any, hi: Any) -> Array:
        return mx.clip(_width(lo, mx.clip(x, lo, hi)) / _width(lo, hi), 0.0, 1.0)

    def quantile(self, q: Array, lo: Any, hi: Any) -> Array:
        x = lo * exp(q * _width(lo, hi))
        return mx.clip(mx.where(q == 1.0, hi, x), lo, hi)


def _width(lo: Any, hi: Any) -> Any:
    """log(hi / lo), of full accuracy for narrow bounds too."""
    if isinstance(lo, mx.array) or isinstance(hi, mx.array):
        near = hi < 2.0 * lo
        return mx.where(near, log1p(mx.where(near, hi - lo, 0.0) / lo), log(hi) - log(lo))
    return log1p((hi - lo) / lo) if hi < 2.0 * lo else log(hi) - log(lo)


log_uniform = LogUniform()
