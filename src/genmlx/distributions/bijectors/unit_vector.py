"""Directions: vectors of length 1, and angles."""

import dataclasses
import math

import mlx.core as mx

from genmlx.distributions.bijectors.base import Bijector
from genmlx.numerics.errors import ShapeError
from genmlx.numerics.types import Array, Shape

__all__ = ["Angle", "UnitVector"]


@dataclasses.dataclass(frozen=True, eq=False)
class UnitVector(Bijector):
    r"""Vectors of length 1: $x = y / |y|$. **Not one-to-one**: the length r of y is lost.

    No smooth map of R^(n-1) covers a sphere, so y has one dimension more than the sphere, and the log determinant is
    instead the log density that makes r a variable of its own, independent of x and of chi distribution,

    $$-\tfrac12 |y|^2 - \log\left(2^{n/2 - 1} \Gamma(n/2)\right), \quad \int p(f(y))\, e^{(\cdot)} dy = 1$$

    for a density p with respect to the surface of the sphere. (Stan leaves the constant out; with it, evidences
    and ELBOs are right.) If p is constant, y is standard normal. ``inverse(x)`` is x, of length 1. y = 0 is mapped to
    the first axis.

    Shapes: y and x ``(..., n)``, n >= 2.

    Example:
        >>> UnitVector().forward([3.0, 4.0])
        array([0.6, 0.8], dtype=float32)

    References:
        Stan Reference Manual, chapter Constraint Transforms, section Unit Vector.
        Marsaglia, Choosing a point from the surface of a sphere, Annals of Mathematical Statistics 43 (1972).
    """

    event_ndim_in = event_ndim_out = 1
    one_to_one = free_out = False

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        d, n = _direction(y), y.shape[-1]
        return d * mx.rsqrt(mx.sum(mx.square(d), axis=-1, keepdims=True)), _log_density_of_length(y, n)

    def _inverse(self, x: Array) -> Array:
        return x

    def _constrained_event(self, event: Shape) -> Shape:
        if event[0] < 2:
            raise ShapeError(f"a unit vector has at least two components, found {event[0]}")
        return event

    _unconstrained_event = _constrained_event


@dataclasses.dataclass(frozen=True, eq=False)
class Angle(Bijector):
    r"""Angles between -π and π: the direction of a vector in the plane, $x = \mathrm{atan2}(y_2, y_1)$.

    **Not one-to-one**, as `UnitVector`: the log determinant is the log density $-|y|^2/2$ of the length, for which
    $\int p(f(y)) e^{-|y|^2/2} dy = 1$, p a density of the angle. ``inverse(x)`` is (cos x, sin x).

    A map of one coordinate onto the interval (``Sigmoid(-math.pi, math.pi)``) cuts the circle at ±π, and a posterior
    around the cut comes apart into two modes at the far ends of R, between which no chain moves; a coordinate wrapped
    round the circle has infinitely many y for one x, and no proper density. In the plane neighbours are neighbours.

    Shapes: y ``(..., 2)``, x ``(...)``.

    Example:
        >>> round(Angle().forward([-1.0, 1.0]).item() / math.pi, 6)
        0.75

    References:
        Stan User's Guide, chapter Directions, Rotations, and Hyperspheres, section Circular representation of days.
    """

    event_ndim_in = 1
    one_to_one = False

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        d = _direction(y)
        return mx.arctan2(d[..., 1], d[..., 0]), _log_density_of_length(y, 2)

    def _inverse(self, x: Array) -> Array:
        c, s = mx.cos(x), mx.sin(x)
        turn = x - mx.arctan2(s, c)  # of a float64, mx.cos and mx.sin are float32: turn by what is missing
        turn = mx.where(mx.abs(turn) < 0.5, turn, 0.0)  # outside [-pi, pi], and across the cut
        return mx.stack([c - s * turn, s + c * turn], axis=-1)

    def _constrained_event(self, event: Shape) -> Shape:
        if event != (2,):
            raise ShapeError(f"an angle has two unconstrained coordinates, found an event of shape {event}")
        return ()

    def _unconstrained_event(self, event: Shape) -> Shape:
        return (2,)


def _direction(y: Array) -> Array:
    """y over its largest component, so that no square over- or underflows; the first axis where y = 0."""
    size = mx.stop_gradient(mx.max(mx.abs(y), axis=-1, keepdims=True))  # directions do not depend on it
    zero = size == 0.0
    axis = mx.array([1.0] + [0.0] * (y.shape[-1] - 1))
    return mx.where(zero, axis, y / mx.where(zero, 1.0, size))


def _log_density_of_length(y: Array, n: int) -> Array:
    return -0.5 * mx.sum(mx.square(y), axis=-1) - ((0.5 * n - 1.0) * math.log(2.0) + math.lgamma(0.5 * n))
