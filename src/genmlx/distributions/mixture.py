"""Mixtures of distributions."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall, broadcast_shapes
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.random import split
from genmlx.numerics.special import logsumexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Mixture", "mixture"]


def mixture(components: Any, log_weights: Any) -> DistributionCall:
    r"""A mixture: a component is drawn by its weight, then a value from it; the component is not a choice of its own.

    $$\log p(x) = \log \sum_k w_k\, p_k(x), \quad w = \mathrm{softmax}(\mathrm{log\_weights}).$$

    Mean and variance are those of the components, weighted. The support is the union. The density is differentiable in
    the parameters of all components and in the weights; draws are differentiable in the parameters of the component
    that they come from, not in the weights.

    Args:
        components: a list of K calls of any families with values of one shape, all discrete or all continuous; or one
            call whose parameters have an axis of length K after their batch axes (before the event axes), the fast form
            for many components of one family: ``mixture(normal(mus, sigmas), log_weights)``.
        log_weights: unnormalised log weights, shape ``(..., K)``, not all -inf; leading axes are a batch.

    Returns:
        A call, with the broadcast batch shape of components and weights.

    Example:
        >>> call = mixture([gm.normal(-2.0, 1.0), gm.normal(3.0, 0.5)], [math.log(0.3), math.log(0.7)])
        >>> round(call.log_prob(2.5).item(), 5)
        -1.08245
        >>> round(call.mean().item(), 6)
        1.5
    """
    return Mixture(_families(components), isinstance(components, DistributionCall))(components, log_weights)


@final
class Mixture(Distribution):
    """The mixtures of components from given families; `mixture` makes them.

    Attributes:
        families: of the components; one, if all are in one call.
        stacked: whether one call holds all components, along the last batch axis of its parameters.
    """

    name = "mixture"
    params = {"components": domains.any_value, "log_weights": domains.log_weights}  # noqa: RUF012

    def __init__(self, families: tuple[Distribution, ...], stacked: bool) -> None:
        kinds = {family.discrete for family in families}
        if len(kinds) > 1:
            found = ", ".join(f"{f.name} ({'discrete' if f.discrete else 'continuous'})" for f in families)
            raise UsageError(
                f"a mixture of discrete and continuous components has no density: {found}",
                fix="a choice of its own for the component, and gm.Switch or gm.Mix on it",
            )
        ndims = {family.event_ndim for family in families}
        self.families, self.stacked = families, stacked
        self.discrete = kinds.pop()
        self.event_ndim = ndims.pop() if len(ndims) == 1 else -1
        self.pathwise = ("components",) if all(family.is_reparametrised for family in families) else ()

    # Arguments and shapes: components are a tuple of calls, or one call.

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 2 or kwargs:
            raise UsageError("mixture takes components and log weights", fix="mixture(components, log_weights)")
        components, log_weights = args
        if (_families(components), isinstance(components, DistributionCall)) != (self.families, self.stacked):
            raise UsageError(
                f"the components of this mixture are of the families {_names(self.families)}, found {components!r}",
                fix="components of the same families in the same order",
            )
        log_weights = self._parameter("log_weights", domains.log_weights, log_weights)
        components = components if self.stacked else tuple(components)
        params = components, log_weights
        if isinstance(log_weights, mx.array):
            self._check_shapes(components, log_weights)
        return params

    def _check_shapes(self, components: Any, log_weights: Array) -> None:
        k = log_weights.shape[-1]
        if self.stacked:
            batch = components.gen_fn.batch_shape(*components.args)
            if batch[-1:] != (k,):
                raise ShapeError(
                    f"a mixture of {k} components in one call needs parameters with a last batch axis of {k}, "
                    f"found the batch shape {batch}",
                    fix="parameters of shape (..., K), or a list of K calls",
                )
        elif len(components) != k:
            raise ShapeError(f"the mixture has {len(components)} components, but {k} log weights")
        events = [c.gen_fn.event_shape(*c.args) for c in _calls(components)]
        if any(event != events[0] for event in events):
            raise ShapeError(
                f"the components of a mixture have values of one shape, found the event shapes {events}",
                fix="delta(0) for a point mass at each element of a batch; gm.iid(call, n) for a vector",
            )

    def check(self, params: tuple[Any, ...]) -> None:
        components, log_weights = params
        for call in _calls(components):
            call.gen_fn.check(call.args)
        super().check((0.0, log_weights))

    def batch_shape(self, *params: Any) -> Shape:
        components, log_weights = params
        batches = [call.gen_fn.batch_shape(*call.args) for call in _calls(components)]
        if self.stacked:
            batches = [batches[0][:-1]]
        try:
            return broadcast_shapes(log_weights.shape[:-1], *batches)
        except ValueError:
            raise ShapeError(
                f"the batch shapes of a mixture do not broadcast: components {batches}, "
                f"log weights {log_weights.shape[:-1]}"
            ) from None

    def event_shape(self, *params: Any) -> Shape:
        call = _calls(params[0])[0]
        return call.gen_fn.event_shape(*call.args)

    # The distribution.

    def support(self, components: Any, log_weights: Array) -> Domain:
        return _union([call.support for call in _calls(components)])

    def sample(self, key: Key, components: Any, log_weights: Array, shape: Shape) -> Array:
        return self._from_component(key, components, log_weights, shape, "sample")

    def rsample(self, key: Key, *args: Any) -> Array:
        components, log_weights, shape = args
        return self._from_component(key, components, log_weights, shape, "rsample")

    def initial(self, key: Key, *args: Any) -> Array:
        components, log_weights, shape = args
        return self._from_component(key, components, log_weights, shape, "initial")

    def _from_component(self, key: Key, components: Any, log_weights: Array, shape: Shape, method: str) -> Array:
        k = log_weights.shape[-1]
        k_index, *keys = split(key, 1 + len(self.families))
        index = samplers.categorical(k_index, log_weights, shape)
        if self.stacked:
            draws = getattr(components.gen_fn, method)(keys[0], *components.args, (*shape, k))
        else:
            each = [getattr(c.gen_fn, method)(k_c, *c.args, shape) for c, k_c in zip(components, keys, strict=True)]
            draws = mx.stack(each, axis=len(shape))
        event_ndim = draws.ndim - len(shape) - 1
        index = index.reshape(*shape, 1, *(1,) * event_ndim)
        index = mx.broadcast_to(index, (*shape, 1, *draws.shape[len(shape) + 1 :]))
        return mx.take_along_axis(draws, index, axis=len(shape)).squeeze(len(shape))

    def log_prob(self, x: Array, components: Any, log_weights: Array) -> Array:
        joint = self._of_components("log_prob", x, components) + log_weights
        # The gradient of logsumexp is NaN where all terms are -inf: another value there, and none of its gradient.
        nowhere = mx.max(joint, axis=-1, keepdims=True) == -math.inf
        total = logsumexp(mx.where(nowhere, 0.0, joint), axis=-1)
        return mx.where(nowhere.squeeze(-1), -math.inf, total) - logsumexp(log_weights, axis=-1)

    def mean(self, components: Any, log_weights: Array) -> Any:
        weights, axis = self._weights(components, log_weights)
        return mx.sum(weights * self._moments("mean", components, axis), axis=axis)

    def variance(self, components: Any, log_weights: Array) -> Any:
        weights, axis = self._weights(components, log_weights)
        means = self._moments("mean", components, axis)
        centred = means - mx.sum(weights * means, axis=axis, keepdims=True)
        return mx.sum(weights * (self._moments("variance", components, axis) + mx.square(centred)), axis=axis)

    def cdf(self, x: Array, components: Any, log_weights: Array) -> Array:
        return mx.sum(mx.softmax(log_weights, axis=-1) * self._of_components("cdf", x, components), axis=-1)

    def _of_components(self, what: str, x: Array, components: Any) -> Array:
        """``what`` of each component at x, along a new last axis."""
        if self.stacked:
            event_ndim = len(components.gen_fn.event_shape(*components.args))
            return getattr(components.gen_fn, what)(mx.expand_dims(x, x.ndim - event_ndim), *components.args)
        each = [getattr(call.gen_fn, what)(x, *call.args) for call in components]
        if any(e.shape != each[0].shape for e in each):
            each = list(mx.broadcast_arrays(*each))
        return mx.stack(each, axis=-1)

    def _moments(self, what: str, components: Any, axis: int) -> Array:
        """The moment of each component, along ``axis``."""
        if self.stacked:
            return getattr(components, what)()
        return mx.stack(list(mx.broadcast_arrays(*[getattr(call, what)() for call in components])), axis=axis)

    def _weights(self, components: Any, log_weights: Array) -> tuple[Array, int]:
        """The probabilities with event axes behind them, and the axis of the components."""
        event_ndim = len(self.event_shape(components))
        weights = mx.softmax(log_weights, axis=-1)
        return weights.reshape(*weights.shape, *(1,) * event_ndim), -1 - event_ndim

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mixture) and (self.families, self.stacked) == (other.families, other.stacked)

    def __hash__(self) -> int:
        return hash((self.families, self.stacked))


def _calls(components: Any) -> tuple[DistributionCall, ...]:
    calls = (components,) if isinstance(components, DistributionCall) else components
    if not isinstance(calls, list | tuple) or not calls or not all(isinstance(c, DistributionCall) for c in calls):
        raise UsageError(
            f"the components of a mixture are calls of distributions, found {components!r}",
            fix="mixture([normal(0.0, 1.0), normal(5.0, 1.0)], log_weights)",
        )
    return tuple(calls)


def _families(components: Any) -> tuple[Distribution, ...]:
    return tuple([call.gen_fn for call in _calls(components)])


def _names(families: tuple[Distribution, ...]) -> list[str]:
    return [family.name for family in families]


def _union(supports: list[Domain]) -> Domain:
    """The union of supports; its bounds, if they are intervals of numbers, are those of the hull."""
    first = supports[0]
    if all(s is first for s in supports):
        return first
    names = list(dict.fromkeys(s.name for s in supports))

    def contains(x: Array) -> Array:
        inside = first.contains(x)
        for s in supports[1:]:
            inside = mx.logical_or(inside, s.contains(x))
        return inside

    if all(isinstance(s, Interval) for s in supports):
        lowers, uppers = [s.lower for s in supports], [s.upper for s in supports]  # type: ignore[attr-defined]
        lower, upper = _extreme(min, mx.minimum, lowers), _extreme(max, mx.maximum, uppers)
        return Interval(" or ".join(names), contains, discrete=first.discrete, lower=lower, upper=upper)
    return Domain(" or ".join(names), contains, first.event_ndim, first.discrete)


def _extreme(of_numbers: Any, of_arrays: Any, bounds: list[Any]) -> Any:
    result = bounds[0]
    for bound in bounds[1:]:
        arrays = isinstance(result, mx.array) or isinstance(bound, mx.array)
        result = of_arrays(result, bound) if arrays else of_numbers(result, bound)
    return result
