"""Bijectors from bijectors: one after the other, backwards, or with more axes counted as one event."""

import dataclasses

from genmlx.distributions.bijectors.base import Bijector, sum_trailing
from genmlx.numerics.errors import UsageError
from genmlx.numerics.types import Array, Shape

__all__ = ["Compose", "Independent", "Invert"]


@dataclasses.dataclass(frozen=True, eq=False)
class Compose(Bijector):
    r"""First ``inner``, then ``outer``: $x = f(g(y))$, written ``outer @ inner``.

    $$\log|\det J| = \log|\det J_f(g(y))| + \log|\det J_g(y)|.$$

    Each part may map numbers, vectors or matrices; the whole has as many event axes as the part with most of them.
    After a part whose entries are not all coordinates (a simplex, a triangle) only the inverse of such a part may
    follow: a map of single entries would count the others, too.

    Example:
        >>> from genmlx.distributions.bijectors import Exp, Shift
        >>> above_two = Shift(2.0) @ Exp()
        >>> above_two.forward(0.0).item(), above_two.log_det_jacobian(0.5).item()
        (3.0, 0.5)
    """

    outer: Bijector
    inner: Bijector

    def __post_init__(self) -> None:
        f, g = self.outer, self.inner
        if f.free_in != g.free_out:
            f, g = type(f).__name__, type(g).__name__
            raise UsageError(
                f"{f} cannot follow {g}: between them, one has values whose entries are not all coordinates and the "
                "other counts them all, so the log determinant would be wrong",
                fix="a bijector of your own: a subclass of Bijector with its log determinant",
            )
        change = g.event_ndim_out - g.event_ndim_in
        ndim = max(g.event_ndim_in, f.event_ndim_in - change)
        object.__setattr__(self, "event_ndim_in", ndim)
        object.__setattr__(self, "event_ndim_out", ndim + change + f.event_ndim_out - f.event_ndim_in)
        object.__setattr__(self, "one_to_one", f.one_to_one and g.one_to_one)
        object.__setattr__(self, "free_in", g.free_in)
        object.__setattr__(self, "free_out", f.free_out)

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        f, g = self.outer, self.inner
        between, log_det_g = g.forward_and_log_det(y)
        x, log_det_f = f.forward_and_log_det(between)
        change = g.event_ndim_out - g.event_ndim_in
        return x, (
            sum_trailing(log_det_g, self.event_ndim_in - g.event_ndim_in)
            + sum_trailing(log_det_f, self.event_ndim_in + change - f.event_ndim_in)
        )

    def _inverse(self, x: Array) -> Array:
        return self.inner.inverse(self.outer.inverse(x))

    def _constrained_event(self, event: Shape) -> Shape:
        return self.outer.constrained_shape(self.inner.constrained_shape(event))

    def _unconstrained_event(self, event: Shape) -> Shape:
        return self.inner.unconstrained_shape(self.outer.unconstrained_shape(event))


def _matmul(self: Bijector, inner: Bijector) -> Bijector:
    return Compose(self, inner)


Bijector.__matmul__ = _matmul


@dataclasses.dataclass(frozen=True, eq=False)
class Invert(Bijector):
    r"""A bijector backwards: $x = f^{-1}(y)$, with $\log|\det J| = -\log|\det J_f(f^{-1}(y))|$.

    Example:
        >>> from genmlx.distributions.bijectors import Exp
        >>> log = Invert(Exp())
        >>> log.forward(1.0).item(), round(log.log_det_jacobian(8.0).item(), 5)  # the slope of log is 1/y
        (0.0, -2.07944)
    """

    bijector: Bijector

    def __post_init__(self) -> None:
        if isinstance(self.bijector, Bijector) and not self.bijector.one_to_one:
            raise UsageError(
                f"{type(self.bijector).__name__} is not one-to-one, so it cannot be inverted",
                fix="its inverse(x) alone, which picks one of the values that forward maps to x",
            )
        object.__setattr__(self, "event_ndim_in", self.bijector.event_ndim_out)
        object.__setattr__(self, "event_ndim_out", self.bijector.event_ndim_in)
        object.__setattr__(self, "free_in", self.bijector.free_out)
        object.__setattr__(self, "free_out", self.bijector.free_in)

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        x = self.bijector.inverse(y)
        return x, -self.bijector.log_det_jacobian(x)

    def _inverse(self, x: Array) -> Array:
        return self.bijector.forward(x)

    def _constrained_event(self, event: Shape) -> Shape:
        return self.bijector.unconstrained_shape(event)

    def _unconstrained_event(self, event: Shape) -> Shape:
        return self.bijector.constrained_shape(event)


@dataclasses.dataclass(frozen=True, eq=False)
class Independent(Bijector):
    """The same map for each element of ``axes`` further trailing axes, which count as event: their terms are summed.

    Example:
        >>> from genmlx.distributions.bijectors import Exp
        >>> Exp().log_det_jacobian([1.0, 2.0]).tolist(), Independent(Exp(), 1).log_det_jacobian([1.0, 2.0]).item()
        ([1.0, 2.0], 3.0)
    """

    bijector: Bijector
    axes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_ndim_in", self.bijector.event_ndim_in + self.axes)
        object.__setattr__(self, "event_ndim_out", self.bijector.event_ndim_out + self.axes)
        for name in ("one_to_one", "free_in", "free_out"):
            object.__setattr__(self, name, getattr(self.bijector, name))

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        x, log_det = self.bijector.forward_and_log_det(y)
        return x, sum_trailing(log_det, self.axes)

    def _inverse(self, x: Array) -> Array:
        return self.bijector.inverse(x)

    def _constrained_event(self, event: Shape) -> Shape:
        return self.bijector.constrained_shape(event)

    def _unconstrained_event(self, event: Shape) -> Shape:
        return self.bijector.unconstrained_shape(event)
