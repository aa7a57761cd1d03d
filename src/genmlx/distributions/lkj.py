"""The LKJ distribution of correlation matrices."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.distributions.lkj_cholesky import LKJCholesky, log_normaliser
from genmlx.distributions.wishart import value_factor
from genmlx.numerics import domains, linalg
from genmlx.numerics.domains import Domain
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["LKJ", "lkj"]


def lkj(dim: Any, eta: Any) -> DistributionCall:
    r"""Correlation matrices C of size n x n with density proportional to det(C)^(eta - 1).

    $$p(C) = \det(C)^{\eta - 1} \prod_{m=1}^{n-1} \frac{\Gamma(\eta + \frac{n - 1}{2})}{\pi^{m/2}\,
    \Gamma(\eta + \frac{n - 1 - m}{2})},$$

    with respect to the entries below the diagonal. For eta = 1 all are equally dense, above 1 the identity is favoured.
    The mean is the identity; an entry off the diagonal is 2 B - 1, B from Beta(b, b) with b = eta - 1 + n/2, and has
    variance 1 / (2 eta + n - 1). A matrix that is not symmetric (to 1e-5) and positive definite with a diagonal of ones
    has density 0. `lkj_cholesky` draws the Cholesky factors, at less cost. Draws of ``rsample`` are differentiable.

    Args:
        dim: n, a Python int, at least 1.
        eta: concentration, positive.

    Returns:
        A call.

    Example:
        >>> round(lkj(2, 1.5).log_prob([[1.0, 0.6], [0.6, 1.0]]).item(), 5)
        -0.67473

    References:
        Lewandowski, Kurowicka and Joe, Generating random correlation matrices based on vines and extended onion method,
        J. Multivariate Analysis 100 (2009).
    """
    return LKJ(dim)(eta)


@final
class LKJ(Distribution):
    """The correlation matrices of one size; `lkj` makes them.

    Attributes:
        dim: the size.
    """

    name = "lkj"
    params = {"eta": domains.positive}  # noqa: RUF012
    pathwise = ("eta",)
    event_ndim = 2

    def __init__(self, dim: Any) -> None:
        self._factors = LKJCholesky(dim)
        self.dim = self._factors.dim

    def event_shape(self, *params: Any) -> Shape:
        return (self.dim, self.dim)

    def support(self, eta: Any) -> Domain:
        return domains.correlation

    def sample(self, key: Key, eta: Any, shape: Shape, *, pathwise: bool = False) -> Array:
        factor = self._factors.sample(key, eta, shape, pathwise=pathwise)
        # Towards the identity by a few rounding errors, so that a nearly singular matrix stays positive definite.
        correlation = (1.0 - 5e-7 * self.dim) * (factor @ factor.swapaxes(-1, -2))
        return mx.where(mx.eye(self.dim) == 1.0, 1.0, correlation)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, eta: Any) -> Array:
        factor, inside = value_factor(x)
        ones = mx.all(mx.abs(linalg.diagonal(x) - 1.0) <= 1e-5, axis=-1)
        kernel = 2.0 * (eta - 1.0) * linalg.logdet_tril(factor)
        result = mx.where(mx.logical_and(inside, ones), kernel - log_normaliser(self.dim, eta), -math.inf)
        return mx.where(mx.array(eta) > 0.0, result, math.nan)

    def mean(self, eta: Any) -> Any:
        return mx.eye(self.dim)

    def variance(self, eta: Any) -> Any:
        each = 1.0 / (2.0 * eta + (self.dim - 1.0))
        return (each[..., None, None] if isinstance(each, mx.array) else each) * (1.0 - mx.eye(self.dim))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LKJ) and self.dim == other.dim

    def __hash__(self) -> int:
        return hash((LKJ, self.dim))
