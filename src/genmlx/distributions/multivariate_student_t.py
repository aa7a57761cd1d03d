"""Student's t distribution of vectors."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains, linalg, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.number import exp, log, log1p, remainder
from genmlx.numerics.random import split
from genmlx.numerics.special import HALF_LOG_2PI
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["MultivariateStudentT", "multivariate_student_t"]


@final
class MultivariateStudentT(Distribution):
    r"""Multivariate Student's t distribution with ``df`` degrees of freedom, location and scale matrix S = L L^T.

    $$p(x) = \frac{\Gamma(\frac{\nu + n}{2})}{\Gamma(\frac \nu 2)\, (\nu \pi)^{n/2} \det L}
    \left(1 + \frac{|L^{-1}(x - loc)|^2}{\nu}\right)^{-(\nu + n)/2}, \quad x \in R^n.$$

    Mean loc for df > 1, else none (NaN); variance of each element S_ii df / (df - 2) for df > 2, inf for 1 < df <= 2,
    else none; for large df it tends to the normal with covariance S. A draw is loc + L z / sqrt(w), z standard normal
    and df w chi-square distributed; differentiable in the location and the scale, that of ``rsample`` also
    in df.

    Args:
        df: degrees of freedom, positive, need not be an integer.
        loc: location, shape ``(..., n)``.
        scale_tril: L, lower triangular with positive diagonal, shape ``(..., n, n)``; leading axes broadcast.

    Example:
        >>> call = multivariate_student_t(3.0, [0.0, 1.0], [[1.0, 0.0], [0.5, 2.0]])
        >>> round(call.log_prob([1.0, 1.0]).item(), 5)
        -3.28899

    References:
        Kotz and Nadarajah, Multivariate t Distributions and Their Applications (2004), chapter 1.
    """

    name = "multivariate_student_t"
    params = {  # noqa: RUF012
        "df": domains.positive,
        "loc": domains.real_vector,
        "scale_tril": domains.lower_triangular,
    }
    pathwise = ("df", "loc", "scale_tril")
    event_ndim = 1

    def check_shapes(self, *params: Any) -> None:
        _, loc, tril = params
        n = loc.shape[-1]
        if tril.shape[-2:] != (n, n):
            raise ShapeError(
                f"loc of {self.name} has {n} elements, but scale_tril has shape {tril.shape}",
                fix=f"a matrix of shape {(n, n)}, with batch axes in front",
            )

    def event_shape(self, *params: Any) -> Shape:
        return params[1].shape[-1:]

    def support(self, df: Any, loc: Array, tril: Array) -> Domain:
        return domains.real_vector

    def sample(self, key: Key, df: Any, loc: Array, tril: Array, shape: Shape, *, pathwise: bool = False) -> Array:
        k_normal, k_gamma = split(key)
        z = mx.random.normal((*shape, loc.shape[-1]), key=k_normal)
        half = 0.5 * df
        log_scale = 0.5 * (log(half) - samplers.log_standard_gamma(k_gamma, half, shape, pathwise=pathwise))
        log_scale = mx.minimum(log_scale if pathwise else mx.stop_gradient(log_scale), 85.0)
        return loc + (tril @ (z * exp(log_scale)[..., None])[..., None]).squeeze(-1)

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.sample(key, *args, pathwise=True)

    def log_prob(self, x: Array, df: Any, loc: Array, tril: Array) -> Array:
        n = loc.shape[-1]
        # Lengths in units of sqrt(df), and logarithms far out, where the squares overflow.
        z = linalg.solve_triangular(tril, (x - loc)[..., None]).squeeze(-1)
        largest = mx.stop_gradient(mx.maximum(mx.max(mx.abs(z), axis=-1), 1.0))
        squares = mx.sum(mx.square(z / largest[..., None]), axis=-1) / df
        near = largest < 1e9
        close = log1p(mx.where(near, squares * mx.square(mx.where(near, largest, 1.0)), 0.0))
        far = mx.log(mx.where(near, 1.0, squares)) + 2.0 * mx.log(largest)
        height = _log_height(df, n) - linalg.logdet_tril(tril)
        result = height - (0.5 * (df + n)) * mx.where(near, close, far)
        return mx.where(mx.all(mx.abs(x) < math.inf, axis=-1), result, -math.inf)

    def mean(self, df: Any, loc: Array, tril: Array) -> Any:
        return mx.where(_lifted(df) > 1.0, loc, math.nan)

    def variance(self, df: Any, loc: Array, tril: Array) -> Any:
        df = _lifted(df)
        squares = mx.sum(tril * tril, axis=-1)
        return mx.where(df > 1.0, squares * (df / (mx.maximum(df, 2.0) - 2.0)), math.nan)


def _lifted(df: Any) -> Array:
    return df[..., None] if isinstance(df, mx.array) else mx.array(df, mx.float32)


def _log_height(df: Any, n: int) -> Any:
    """log Gamma((df + n)/2) - log Gamma(df/2) - n/2 log(df pi): Stirling's formula, so that nothing cancels."""
    h, m = 0.5 * df, 0.5 * n
    return remainder(h + m) - remainder(h) + (h + m - 1.0) * log1p(m / h) - (m + n * HALF_LOG_2PI)


multivariate_student_t = MultivariateStudentT()
