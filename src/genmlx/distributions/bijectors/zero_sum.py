"""Vectors with sum 0."""

import dataclasses
import math

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.types import Array, Shape

__all__ = ["ZeroSum"]


@dataclasses.dataclass(frozen=True, eq=False)
class ZeroSum(Bijector):
    r"""Vectors with sum 0, by orthonormal coordinates: $x = V y$, V the columns of Helmert's matrix.

    With $u_i = y_i / \sqrt{i (i + 1)}$, $x_k = \sum_{i \ge k} u_i - (k - 1) u_{k-1}$. Lengths are kept, |x| = |y|, and
    no component is preferred. With respect to the first n - 1 components, as the densities of such vectors are,
    $\log|\det J| = -\tfrac12 \log n$.

    Shapes: y ``(..., n - 1)``, x ``(..., n)``, n >= 2.

    Example:
        >>> ZeroSum().forward([2.0**0.5, 0.0])
        array([1, -1, 0], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Zero Sum Vector.
    """

    event_ndim_in = event_ndim_out = 1
    free_out = False

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        n = y.shape[-1] + 1
        i = mx.arange(1.0, float(n), dtype=y.dtype)
        u = y / mx.sqrt(i * (i + 1.0))
        zero = mx.zeros_like(y[..., :1])
        sums = mx.concatenate([mx.cumsum(u, axis=-1, reverse=True), zero], axis=-1)
        x = sums - mx.concatenate([zero, i * u], axis=-1)
        return x, mx.zeros_like(y[..., 0]) - 0.5 * math.log(n)

    def _inverse(self, x: Array) -> Array:
        i = mx.arange(1.0, float(x.shape[-1]), dtype=x.dtype)
        return (mx.cumsum(x, axis=-1)[..., :-1] - i * x[..., 1:]) / mx.sqrt(i * (i + 1.0))

    def _constrained_event(self, event: Shape) -> Shape:
        return (event[0] + 1,)

    def _unconstrained_event(self, event: Shape) -> Shape:
        if event[0] < 2:
            raise ShapeError(f"a vector with sum 0 has at least two components, found {event[0]}")
        return (event[0] - 1,)
