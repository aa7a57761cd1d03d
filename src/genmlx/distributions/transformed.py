"""Distributions of functions of a draw: the pushforward under a bijector."""

import dataclasses
import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.distributions import bijectors
from genmlx.distributions.bijectors import Bijector, bijector_for, register_bijector
from genmlx.distributions.bijectors.base import sum_trailing
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import UsageError
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Transformed", "transformed"]


def transformed(call: Any, bijector: Any) -> DistributionCall:
    r"""The distribution of x = f(y), y drawn from ``call`` and f the ``forward`` of ``bijector``.

    $$\log p(x) = \log p_Y(f^{-1}(x)) - \log \left|\det \frac{df}{dy}\right|(f^{-1}(x)).$$

    The density is -inf outside the image of f, and where f^-1(x) is outside the support of the call. Draws and density
    are differentiable in the parameters of both. A map of numbers acts on each entry of a vector or matrix; a map of
    vectors needs a call with vectors for values: ``iid(normal(0.0, 1.0), 3)``, not ``normal(mx.zeros(3), 1.0)``. A
    bijector of one's own is taken to have all of R^n for its image.

    Args:
        call: the call of a continuous family.
        bijector: a `genmlx.distributions.bijectors.Bijector`, one-to-one.

    Returns:
        A call, with the batch shape of ``call``.

    Example:
        >>> from genmlx.distributions.bijectors import Exp
        >>> round(transformed(gm.normal(0.0, 1.0), Exp()).log_prob(2.0).item(), 5)
        -1.85231

    References:
        Dillon et al., TensorFlow Distributions, arXiv:1711.10604 (2017).
    """
    if not isinstance(call, DistributionCall) or not isinstance(bijector, Bijector):
        raise UsageError(
            f"transformed takes the call of a distribution and a bijector, found {call!r} and {bijector!r}",
            fix="transformed(normal(0.0, 1.0), Exp())",
        )
    return Transformed(call.gen_fn)(call, bijector)


@final
class Transformed(Distribution):
    """The calls of a family, followed by a bijector; `transformed` makes them.

    Attributes:
        family: of what is transformed.
    """

    name = "transformed"
    params = {"call": domains.any_value, "bijector": domains.any_value}  # noqa: RUF012
    event_ndim = -1  # what the bijector makes of the event of the call

    def __init__(self, family: Distribution) -> None:
        if family.discrete:
            raise UsageError(f"transformed takes a continuous family, and {family.name} is discrete")
        self.family = family
        self.pathwise = ("call", "bijector") if family.is_reparametrised else ()

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 2 or kwargs:
            raise UsageError("transformed takes a call and a bijector", fix="transformed(call, bijector)")
        call, bijector = args
        if not isinstance(call, DistributionCall) or call.gen_fn != self.family:
            raise UsageError(f"this transformed takes calls of {self.family.name}, found {call!r}")
        if not bijector.one_to_one:
            raise UsageError(f"{bijector!r} is not one-to-one, so the log determinant is not all of the log density")
        event = self.family.event_shape(*call.args)
        if bijector.event_ndim_in > len(event):
            raise UsageError(
                f"{bijector!r} maps values with {bijector.event_ndim_in} event axes, "
                f"those of {call!r} have {len(event)}",
                fix="gm.iid(call, n) has vectors for values",
            )
        bijector.constrained_shape(event)
        return call, bijector

    def check(self, params: tuple[Any, ...]) -> None:
        call, _ = params
        self.family.check(call.args)

    def batch_shape(self, *params: Any) -> Shape:
        call, _ = params
        return self.family.batch_shape(*call.args)

    def event_shape(self, *params: Any) -> Shape:
        call, bijector = params
        return bijector.constrained_shape(self.family.event_shape(*call.args))

    def support(self, call: DistributionCall, bijector: Bijector) -> Domain:
        event_ndim = len(self.family.event_shape(*call.args))
        return _Image(call.support, bijector, event_ndim, len(self.event_shape(call, bijector)))

    def sample(self, key: Key, call: DistributionCall, bijector: Bijector, shape: Shape) -> Array:
        return bijector.forward(self.family.sample(key, *call.args, shape))

    def rsample(self, key: Key, *args: Any) -> Array:
        call, bijector, shape = args
        return bijector.forward(self.family.rsample(key, *call.args, shape))

    def initial(self, key: Key, *args: Any) -> Array:
        call, bijector, shape = args
        return bijector.forward(self.family.initial(key, *call.args, shape))

    def log_prob(self, x: Array, call: DistributionCall, bijector: Bijector) -> Array:
        extra = len(self.family.event_shape(*call.args)) - bijector.event_ndim_in  # axes of independent maps
        inside = _in_image(bijector, x)
        y = bijector.inverse(_elsewhere(bijector, x, inside))
        log_det = sum_trailing(bijector.log_det_jacobian(y), extra)
        log_prob = self.family.log_prob(y, *call.args)
        nowhere = log_prob == -math.inf
        result = mx.where(nowhere, -math.inf, mx.where(nowhere, 0.0, log_prob) - log_det)
        return mx.where(_reduced(inside, extra), result, -math.inf)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transformed) and self.family == other.family

    def __hash__(self) -> int:
        return hash((Transformed, self.family))


@dataclasses.dataclass(frozen=True, eq=False, repr=False, init=False)
class _Image(Domain):
    """The image of a domain under a bijector."""

    inner: Domain
    bijector: Bijector
    inner_event_ndim: int

    def __init__(self, inner: Domain, bijector: Bijector, inner_event_ndim: int, event_ndim: int) -> None:
        super().__init__(f"{bijector!r} of what is {inner.name}", self._contains, event_ndim)
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "bijector", bijector)
        object.__setattr__(self, "inner_event_ndim", inner_event_ndim)

    def _contains(self, x: Array) -> Array:
        inside = self.inner.contains(self.bijector.inverse(x))
        inside = _reduced(inside, self.inner_event_ndim - self.inner.event_ndim)
        image = _in_image(self.bijector, x)
        return mx.logical_and(inside, _reduced(image, self.event_ndim - self.bijector.event_ndim_out))

    def unconstrained(self) -> Bijector:
        """From R^n by way of the inner domain."""
        whole = self.bijector @ bijector_for(self.inner)
        return whole if whole.event_ndim_out == self.event_ndim else _independent(whole, self.event_ndim)


def _independent(bijector: Bijector, event_ndim: int) -> Bijector:
    return bijectors.Independent(bijector, event_ndim - bijector.event_ndim_out)


register_bijector(_Image, _Image.unconstrained)


def _in_image(bijector: Bijector, x: Array) -> Array:
    """Whether x is a value of the bijector (for some y in R^n); event axes are reduced."""
    match bijector:
        case bijectors.Exp() | bijectors.Softplus():
            return mx.logical_and(x > 0.0, x < math.inf)
        case bijectors.Sigmoid() | bijectors.ArrayBounds():
            return mx.logical_and(mx.isfinite(x), mx.logical_and(x > bijector.lower, x < bijector.upper))
        case bijectors.LowerBounded():
            return mx.logical_and(x > bijector.lower, x < math.inf)
        case bijectors.UpperBounded():
            return mx.logical_and(x < bijector.upper, x > -math.inf)
        case bijectors.Independent():
            return _reduced(_in_image(bijector.bijector, x), bijector.axes)
        case bijectors.Compose():
            f, g = bijector.outer, bijector.inner
            inside = _in_image(f, x)
            before = _in_image(g, f.inverse(_elsewhere(f, x, inside)))
            extra = bijector.event_ndim_out - f.event_ndim_out
            before = _reduced(before, extra + f.event_ndim_in - g.event_ndim_out)
            return mx.logical_and(_reduced(inside, extra), before)
        case _:
            domain = _IMAGES.get(type(bijector))
            return _reduced(mx.isfinite(x), bijector.event_ndim_out) if domain is None else domain.contains(x)


def _elsewhere(bijector: Bijector, x: Array, inside: Array) -> Array:
    """x, with a value of the bijector where it is none, so that no NaN comes back in gradients."""
    # Where no field is an array, one value does for all x.
    unbounded = isinstance(bijector, bijectors.Exp | bijectors.Softplus)
    value = bijector.forward(mx.zeros(() if unbounded else bijector.unconstrained_shape(x.shape), x.dtype))
    return mx.where(_lifted(inside, bijector.event_ndim_out), x, value)


def _lifted(inside: Array, axes: int) -> Array:
    return mx.reshape(inside, inside.shape + (1,) * axes)  # MLX crashes on x.reshape() of a number


def _reduced(inside: Array, axes: int) -> Array:
    return mx.all(inside, axis=tuple(range(-axes, 0))) if axes else inside


_IMAGES = {
    bijectors.Simplex: domains.simplex,
    bijectors.Ordered: domains.ordered,
    bijectors.ZeroSum: domains.zero_sum,
    bijectors.PositiveOrdered: domains.positive_ordered,
    bijectors.CholeskyFactor: domains.lower_triangular,
    bijectors.Covariance: domains.positive_definite,
    bijectors.CorrelationCholesky: domains.correlation_cholesky,
    bijectors.Correlation: domains.correlation,
}
