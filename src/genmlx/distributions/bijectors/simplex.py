"""Probability vectors."""

import dataclasses
import functools
import math

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.saturation import TINY, exp, saturating_log
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.types import Array, Shape

__all__ = ["Simplex"]


@dataclasses.dataclass(frozen=True, eq=False)
class Simplex(Bijector):
    r"""Vectors of n positive numbers with sum 1, of n - 1 coordinates: the isometric log ratio.

    With V the n x (n - 1) matrix of orthonormal columns that sum to 0 (Helmert's: column i is 1 in the first i places
    and -i in the next, over $\sqrt{i (i + 1)}$),

    $$x = \mathrm{softmax}(V y), \quad y = V^T \log x, \quad \log|\det J| = \sum_i \log x_i + \tfrac12 \log n.$$

    The volume is that of the first n - 1 components, as for the Dirichlet density. V is applied by a cumulative sum.

    Stick breaking (Betancourt 2012; Stan before 2.37) was not taken: its coordinates depend on the order of the
    components, a flat density is skewed in them (more so for large n), and the last components are differences from 1.
    Here y = 0 is the uniform vector, all components are treated alike, and each has full relative accuracy.

    Shapes: y ``(..., n - 1)``, x ``(..., n)``.

    Example:
        >>> Simplex().forward([0.0, 0.0])
        array([0.333333, 0.333333, 0.333333], dtype=float32)
        >>> Simplex().inverse([1.0 - 1e-30, 1e-30])
        array([48.8452], dtype=float32)

    References:
        Egozcue et al., Isometric logratio transformations for compositional data analysis, Mathematical Geology 35
        (2003).
        Stan Reference Manual, chapter Constraint Transforms, section Unit Simplex.
        Betancourt, Cruising the simplex: Hamiltonian Monte Carlo and the Dirichlet distribution, arXiv:1010.3436
        (2012).
    """

    event_ndim_in = event_ndim_out = 1
    free_out = False

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        n = y.shape[-1] + 1
        norms, steps = _helmert(n, y.dtype)
        w = y * norms
        z = _pad(mx.cumsum(w, axis=-1, reverse=True), 0, 1) - _pad(w * steps, 1, 0)
        z = z - mx.stop_gradient(mx.max(z, axis=-1, keepdims=True))  # softmax does not depend on it
        e = exp(z)
        total = mx.sum(e, axis=-1, keepdims=True)
        log_det = mx.sum(z - mx.log(total), axis=-1) + 0.5 * math.log(n)
        return mx.maximum(e / total, TINY[y.dtype]), log_det

    def _inverse(self, x: Array) -> Array:
        norms, steps = _helmert(x.shape[-1], x.dtype)
        z = saturating_log(x)
        z = z - mx.mean(z, axis=-1, keepdims=True)  # V' does not see it; the sums below stay small
        return (mx.cumsum(z[..., :-1], axis=-1) - z[..., 1:] * steps) * norms

    def _constrained_event(self, event: Shape) -> Shape:
        return (event[0] + 1,)

    def _unconstrained_event(self, event: Shape) -> Shape:
        if not event[0]:
            raise ShapeError("a vector on the simplex has at least one component, found none")
        return (event[0] - 1,)


def _pad(x: Array, before: int, after: int) -> Array:
    return mx.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])


@functools.lru_cache(maxsize=64)
def _helmert(n: int, dtype: mx.Dtype) -> tuple[Array, Array]:
    """1 / sqrt(i (i + 1)) and i, for i = 1 ... n - 1; from lists, so that no trace can leak into the cache."""
    steps = [float(i) for i in range(1, n)]
    return mx.array([(i * (i + 1.0)) ** -0.5 for i in steps], dtype=dtype), mx.array(steps, dtype=dtype)
