"""Independent numbers of several families as one vector."""

import dataclasses
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall, broadcast_shapes
from genmlx.distributions.bijectors import Bijector, bijector_for, register_bijector
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Product", "product"]


def product(*calls: Any) -> DistributionCall:
    r"""A vector whose K entries are independent draws from K calls, as one choice.

    $$\log p(x_1, \dots, x_K) = \sum_{k=1}^K \log p_k(x_k).$$

    The families may differ; each has numbers for values, and all are discrete or all continuous (then one array holds
    the values). The batch shapes of the calls broadcast; the vector is the last axis. Mean, variance and entropy are
    those of the entries. Entries of one family are faster as ``iid`` or with parameters of shape (K,).

    Args:
        calls: the calls of distributions, one or more.

    Returns:
        A call with vectors of length K for values.

    Example:
        >>> call = product(gm.normal(0.0, 1.0), gm.exponential(2.0))
        >>> round(call.log_prob([0.5, 1.0]).item(), 5)
        -2.35079
        >>> call.mean()
        array([0, 0.5], dtype=float32)
    """
    if not calls or not all(isinstance(call, DistributionCall) for call in calls):
        raise UsageError(
            f"product takes one or more calls of distributions, found {calls!r}",
            fix="product(normal(0.0, 1.0), gamma(2.0, 1.0))",
        )
    return Product(tuple([call.gen_fn for call in calls]))(*calls)


@final
class Product(Distribution):
    """The vectors with entries from given families; `product` makes them.

    Attributes:
        families: of the entries.
    """

    name = "product"
    event_ndim = 1

    def __init__(self, families: tuple[Distribution, ...]) -> None:
        for family in families:
            if family.event_ndim:
                raise UsageError(f"product takes families with numbers for values, those of {family.name} have axes")
        if len({family.discrete for family in families}) > 1:
            found = ", ".join(f"{f.name} ({'discrete' if f.discrete else 'continuous'})" for f in families)
            raise UsageError(f"product takes discrete or continuous families, not both: {found}", fix="two choices")
        self.families = families
        self.discrete = families[0].discrete
        self.params = dict.fromkeys([f"call{i}" for i in range(len(families))], domains.any_value)
        self.pathwise = tuple([f"call{i}" for i, family in enumerate(families) if family.is_reparametrised])

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        found = tuple([getattr(call, "gen_fn", None) for call in args])
        if kwargs or found != self.families:
            names = [family.name for family in self.families]
            raise UsageError(f"this product takes calls of the families {names}, found {args!r}")
        return args

    def check(self, params: tuple[Any, ...]) -> None:
        for call in params:
            call.gen_fn.check(call.args)

    def batch_shape(self, *params: Any) -> Shape:
        shapes = [call.gen_fn.batch_shape(*call.args) for call in params]
        try:
            return broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(f"the batch shapes of the entries of a product do not broadcast: {shapes}") from None

    def event_shape(self, *params: Any) -> Shape:
        return (len(params),)

    def support(self, *params: Any) -> Domain:
        return _Entries(tuple([call.support for call in params]))

    def sample(self, key: Key, *args: Any) -> Array:
        return self._entries("sample", key, args[:-1], args[-1])

    def rsample(self, key: Key, *args: Any) -> Array:
        return self._entries("rsample", key, args[:-1], args[-1])

    def initial(self, key: Key, *args: Any) -> Array:
        return self._entries("initial", key, args[:-1], args[-1])

    def _entries(self, method: str, key: Key, calls: tuple[Any, ...], shape: Shape) -> Array:
        keys = split(key, len(calls))
        draws = [getattr(c.gen_fn, method)(keys[i], *c.args, shape) for i, c in enumerate(calls)]
        return mx.stack([mx.broadcast_to(draw, shape) for draw in draws], axis=-1)

    def log_prob(self, x: Array, *params: Any) -> Array:
        if x.shape[-1:] != (len(params),):
            raise ShapeError(f"a value of this product is a vector of {len(params)} numbers, found shape {x.shape}")
        total = params[0].gen_fn.log_prob(x[..., 0], *params[0].args)
        for i, call in enumerate(params[1:], start=1):
            total = total + call.gen_fn.log_prob(x[..., i], *call.args)
        return total

    def mean(self, *params: Any) -> Any:
        return _stacked([call.mean() for call in params])

    def variance(self, *params: Any) -> Any:
        return _stacked([call.variance() for call in params])

    def entropy(self, *params: Any) -> Any:
        return mx.sum(_stacked([call.entropy() for call in params]), axis=-1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and self.families == other.families

    def __hash__(self) -> int:
        return hash((Product, self.families))


def _stacked(entries: list[Array]) -> Array:
    return mx.stack(list(mx.broadcast_arrays(*entries)), axis=-1)


@dataclasses.dataclass(frozen=True, eq=False, repr=False, init=False)
class _Entries(Domain):
    """The vectors with each entry in a domain of its own."""

    domains: tuple[Domain, ...]

    def __init__(self, domains: tuple[Domain, ...]) -> None:
        name = ", ".join([domain.name for domain in domains])
        super().__init__(f"a vector with entries that are {name}", self._contains, 1, domains[0].discrete)
        object.__setattr__(self, "domains", domains)

    def _contains(self, x: Array) -> Array:
        each = [domain.contains(x[..., i]) for i, domain in enumerate(self.domains)]
        return mx.all(_stacked(each), axis=-1)

    def unconstrained(self) -> Bijector:
        """Entry by entry."""
        return _Each(tuple([bijector_for(domain) for domain in self.domains]))


@dataclasses.dataclass(frozen=True, eq=False)
class _Each(Bijector):
    """A bijector of numbers for each entry of a vector."""

    bijectors: tuple[Bijector, ...]

    event_ndim_in = event_ndim_out = 1

    def _forward_and_log_det(self, y: Array) -> tuple[Array, Array]:
        each = [b.forward_and_log_det(y[..., i]) for i, b in enumerate(self.bijectors)]
        log_dets = mx.stack([log_det for _, log_det in each], axis=-1)
        return mx.stack([x for x, _ in each], axis=-1), mx.sum(log_dets, axis=-1)

    def _inverse(self, x: Array) -> Array:
        return mx.stack([b.inverse(x[..., i]) for i, b in enumerate(self.bijectors)], axis=-1)


register_bijector(_Entries, _Entries.unconstrained)
