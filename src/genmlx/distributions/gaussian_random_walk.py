"""The Gaussian random walk."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import UsageError
from genmlx.numerics.number import log
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["GaussianRandomWalk", "gaussian_random_walk"]


def gaussian_random_walk(n: Any, sigma: Any, start: Any = 0.0, drift: Any = 0.0) -> DistributionCall:
    r"""Gaussian random walk of ``n`` steps from ``start``, as one vector (x_1, ..., x_n) without the start itself.

    $$\log p(x) = -\tfrac12 \sum_{t=1}^n \left(\frac{x_t - x_{t-1} - drift}{\sigma}\right)^2 - n \log \sigma
    - \tfrac n2 \log 2\pi, \quad x_0 = start.$$

    Mean of x_t: start + t drift; variance t sigma^2. Draws are cumulative sums of normal steps and differentiable in
    the three real parameters, as is the density.

    Args:
        n: number of steps, a Python int, at least 1.
        sigma: standard deviation of a step, positive.
        start: x_0, any real number. Default 0.
        drift: mean of a step, any real number. Default 0.

    Returns:
        A call.

    Example:
        >>> round(gaussian_random_walk(3, 0.5).log_prob([0.5, 0.0, 1.0]).item(), 4)
        -3.6774

    References:
        Harvey, Forecasting, Structural Time Series Models and the Kalman Filter (1989), chapter 2.
    """
    return GaussianRandomWalk(n)(sigma, start, drift)


@final
class GaussianRandomWalk(Distribution):
    """The Gaussian random walks of one length; `gaussian_random_walk` makes them.

    Attributes:
        n: the number of steps.
    """

    name = "gaussian_random_walk"
    params = {  # noqa: RUF012
        "sigma": domains.positive,
        "start": domains.real,
        "drift": domains.real,
    }
    pathwise = ("sigma", "start", "drift")
    defaults = {"start": 0.0, "drift": 0.0}  # noqa: RUF012
    event_ndim = 1

    def __init__(self, n: Any) -> None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UsageError(
                f"n is a positive int, since the shape of values depends on it; found {n!r}",
                fix="gaussian_random_walk(100, 1.0)",
            )
        self.n = n

    def event_shape(self, *params: Any) -> Shape:
        return (self.n,)

    def support(self, sigma: Any, start: Any, drift: Any) -> Domain:
        return domains.real_vector

    def sample(self, key: Key, sigma: Any, start: Any, drift: Any, shape: Shape) -> Array:
        steps = _column(drift) + _column(sigma) * mx.random.normal((*shape, self.n), key=key)
        return _column(start) + mx.cumsum(steps, axis=-1)

    def log_prob(self, x: Array, sigma: Any, start: Any, drift: Any) -> Array:
        first = x[..., 0] - start
        later = x[..., 1:] - x[..., :-1]
        squares = mx.square((first - drift) / sigma)
        squares = squares + mx.sum(mx.square((later - _column(drift)) / _column(sigma)), axis=-1)
        finite = mx.all(mx.abs(x) < math.inf, axis=-1)
        return mx.where(finite, -0.5 * squares - self.n * (log(sigma) + HALF_LOG_2PI), -math.inf)

    def mean(self, sigma: Any, start: Any, drift: Any) -> Any:
        return _column(start) + _column(drift) * mx.arange(1, self.n + 1)

    def variance(self, sigma: Any, start: Any, drift: Any) -> Any:
        return _column(sigma * sigma) * mx.arange(1, self.n + 1)

    def entropy(self, sigma: Any, start: Any, drift: Any) -> Any:
        return self.n * (0.5 + HALF_LOG_2PI + log(sigma))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GaussianRandomWalk) and self.n == other.n

    def __hash__(self) -> int:
        return hash((GaussianRandomWalk, self.n))


def _column(parameter: Any) -> Any:
    """A parameter beside the vector."""
    return parameter[..., None] if isinstance(parameter, mx.array) else parameter
