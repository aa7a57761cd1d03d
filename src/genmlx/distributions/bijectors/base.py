"""What a bijector is: a smooth one-to-one map from unconstrained values to a constrained set, with its Jacobian.

Gradient-based inference moves in R^n. A bijector f carries y in R^n to x = f(y) in the support of a distribution, and

    log p_Y(y) = log p_X(f(y)) + log |det df/dy|

is the density to move under. Forward is always the way from unconstrained to constrained; `log_det_jacobian` is taken
at the unconstrained y. A family is a frozen dataclass with `_forward_and_log_det` and `_inverse`; its arrays (bounds
that depend on other choices, say) are fields, so that it goes through ``vmap`` as a tree.

Values stay finite and log determinants are never NaN, however large ``|y|`` is: where a float cannot follow, forward
saturates inside the support with slope 0, and the log determinant is finite, or -inf where the density must end.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import mlx.core as mx

from genmlx.numerics.errors import ShapeError
from genmlx.numerics.pytree import record
from genmlx.numerics.special import promote
from genmlx.numerics.types import Array, ArrayLike, Number, Shape

__all__ = ["Bijector", "fit", "sum_trailing"]


class Bijector(abc.ABC):
    """A map from unconstrained values ``y`` to constrained values ``x``.

    Attributes:
        event_ndim_in: the trailing axes of y that are mapped together: 0 for a map of numbers, 1 of vectors.
        event_ndim_out: the trailing axes of x that they become; all axes before are a batch.
        one_to_one: whether ``inverse(forward(y))`` is y. If not, `log_det_jacobian` is the log density that makes the
            superfluous dimensions a distribution of their own (`UnitVector`).
        free_in: whether all entries of y are coordinates: only an inverse has others.
        free_out: whether all entries of x are coordinates. Those of a simplex are not: the last one follows from the
            others; nor are those of a symmetric or triangular matrix, or of a unit vector.
    """

    event_ndim_in: int = 0
    event_ndim_out: int = 0
    one_to_one: ClassVar[bool] = True
    free_in: ClassVar[bool] = True
    free_out: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        record(_fields, lambda whole, children: whole if whole is not None else cls(*children))(cls)

    # What a family defines.

    @abc.abstractmethod
    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        """Forward and the log determinant, summed over the event axes, of an array whose shape has been checked."""

    @abc.abstractmethod
    def _inverse(self, x: Array) -> Array:
        """The inverse of an array whose shape has been checked."""

    def _constrained_event(self, event: Shape) -> Shape:
        """The shape of one x, given the shape of one y; a ShapeError if there is none."""
        return event

    def _unconstrained_event(self, event: Shape) -> Shape:
        """The shape of one y, given the shape of one x; a ShapeError if there is none."""
        return event

    # What everyone calls.

    def forward(self, y: ArrayLike) -> Array:
        """The constrained value x of an unconstrained y."""
        return self.forward_and_log_det(y)[0]

    def log_det_jacobian(self, y: ArrayLike) -> Array:
        """log |det dx/dy| at the unconstrained y; event axes are summed, batch axes stay."""
        return self.forward_and_log_det(y)[1]

    def forward_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        """`forward` and `log_det_jacobian`, which share most of their work."""
        (y,) = promote(y)
        self.constrained_shape(y.shape)
        return self._forward_and_log_det(y)

    def inverse(self, x: ArrayLike) -> Array:
        """The unconstrained value y of a constrained x; the ends of a support give a finite y."""
        (x,) = promote(x)
        self.unconstrained_shape(x.shape)
        return self._inverse(x)

    def constrained_shape(self, shape: Shape) -> Shape:
        """The shape of x for a y of this shape, batch axes included.

        Raises:
            ShapeError: no x has that many unconstrained coordinates.
        """
        batch, event = self._split(shape, self.event_ndim_in, "an unconstrained")
        return batch + self._constrained_event(event)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        """The shape of y for an x of this shape, batch axes included.

        Raises:
            ShapeError: no value of the constrained set has that shape.
        """
        batch, event = self._split(shape, self.event_ndim_out, "a constrained")
        return batch + self._unconstrained_event(event)

    def __matmul__(self, inner: Bijector) -> Bijector:
        """``(a @ b).forward(y)`` is ``a.forward(b.forward(y))``; `compose`, which knows how, attaches it."""
        raise NotImplementedError

    def _split(self, shape: Shape, event_ndim: int, kind: str) -> tuple[Shape, Shape]:
        if len(shape) < event_ndim:
            raise ShapeError(
                f"{kind} value of {type(self).__name__} has {event_ndim} event axes, found an array of shape {shape}",
                fix=f"an array with at least {event_ndim} axes",
            )
        batch = len(shape) - event_ndim
        return tuple(shape[:batch]), tuple(shape[batch:])


def fit(bijector: Bijector, value: Array, *parameters: Number | Array) -> tuple[Any, ...]:
    """A value and the parameters of a map of numbers, arrays in one dtype.

    Raises:
        ShapeError: the parameters do not broadcast to the value. A larger one would make many x of one y.
    """
    arrays = [p for p in parameters if isinstance(p, mx.array)]
    if not arrays:
        return (value, *parameters)
    shapes = [p.shape for p in arrays]
    try:
        fits = tuple(mx.broadcast_shapes(value.shape, *shapes)) == value.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"the parameters of {type(bijector).__name__} have shape {' and '.join(map(str, shapes))}, "
            f"which does not broadcast to a value of shape {value.shape}",
            fix="one unconstrained value for each element: a value of the shape of the parameters, batch axes in front",
        )
    dtype = mx.result_type(value, *arrays)
    return tuple([p.astype(dtype) if isinstance(p, mx.array) else p for p in (value, *parameters)])


def sum_trailing(x: Array, axes: int) -> Array:
    """The sum over the last ``axes`` axes."""
    return mx.sum(x, axis=tuple(range(-axes, 0))) if axes else x


def _fields(bijector: Any) -> tuple[tuple[Any, ...], Any]:
    """A dataclass by its fields; anything else as a whole."""
    if not dataclasses.is_dataclass(bijector):
        return (), bijector
    return tuple([getattr(bijector, field.name) for field in dataclasses.fields(bijector)]), None
