"""Independent copies of a distribution."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["IID", "iid"]


def iid(call: Any, n: Any) -> DistributionCall:
    r"""``n`` independent draws from one distribution, as one choice.

    $$\log p(x_1, \dots, x_n) = \sum_{i=1}^n \log p(x_i).$$

    A value has the shape ``n`` (or ``*n``) in front of the shape of one value of ``call``, and all of it is one event:
    there is one log density for the whole block, and no batch axes, also where the parameters of ``call`` have some.
    In ``iid(normal(mus, 1.0), 5)`` with ``mus`` of shape (3,) the value has shape (5, 3), and column j has mean mus[j].

    Args:
        call: the call of a distribution.
        n: how many copies, an int; or the shape of the new leading axes, a tuple of ints.

    Returns:
        A call.

    Example:
        >>> call = iid(gm.normal(0.0, 1.0), 3)
        >>> round(call.log_prob([0.5, -0.5, 1.0]).item(), 5)
        -3.50682
        >>> call.sample(shape=2).shape
        (2, 3)
    """
    if not isinstance(call, DistributionCall):
        raise UsageError(f"iid repeats the call of a distribution, found {call!r}", fix="iid(normal(0.0, 1.0), 5)")
    return IID(call.gen_fn)(call, n)


@final
class IID(Distribution):
    """Independent copies of the calls of a family; `iid` makes them.

    Attributes:
        family: of each copy.
    """

    name = "iid"
    params = {"call": domains.any_value, "n": domains.nonnegative_integer}  # noqa: RUF012
    event_ndim = -1  # the new axes and all those of the call

    def __init__(self, family: Distribution) -> None:
        self.family = family
        self.discrete = family.discrete
        self.pathwise = ("call",) if family.is_reparametrised else ()

    # Arguments and shapes: n is kept as a tuple.

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) != 2 or kwargs:
            raise UsageError("iid takes a call and a number", fix="iid(call, n)")
        call, n = args
        if not isinstance(call, DistributionCall) or call.gen_fn != self.family:
            raise UsageError(f"this iid repeats calls of {self.family.name}, found {call!r}")
        shape = (n,) if isinstance(n, int) else n
        sizes = isinstance(shape, tuple | list) and all(isinstance(i, int) and not isinstance(i, bool) for i in shape)
        if not sizes or isinstance(n, bool) or any(i < 0 for i in shape):
            raise UsageError(f"n is an int or a tuple of ints, not negative, found {n!r}", fix="iid(call, 5)")
        return call, tuple(shape)

    def check(self, params: tuple[Any, ...]) -> None:
        call, _ = params
        self.family.check(call.args)

    def batch_shape(self, *params: Any) -> Shape:
        return ()

    def event_shape(self, *params: Any) -> Shape:
        call, n = params
        return n + self.family.value_shape(*call.args)

    # The distribution.

    def support(self, call: DistributionCall, n: Shape) -> Domain:
        return call.support

    def sample(self, key: Key, call: DistributionCall, n: Shape, shape: Shape) -> Array:
        return self.family.sample(key, *call.args, shape + n + self.family.batch_shape(*call.args))

    def rsample(self, key: Key, *args: Any) -> Array:
        call, n, shape = args
        return self.family.rsample(key, *call.args, shape + n + self.family.batch_shape(*call.args))

    def initial(self, key: Key, *args: Any) -> Array:
        call, n, shape = args
        return self.family.initial(key, *call.args, shape + n + self.family.batch_shape(*call.args))

    def log_prob(self, x: Array, call: DistributionCall, n: Shape) -> Array:
        event = self.event_shape(call, n)
        if x.shape[x.ndim - len(event) :] != event:
            raise ShapeError(f"a value of {call!r}, {n} times, has the trailing axes {event}, found shape {x.shape}")
        each = self.family.log_prob(x, *call.args)
        copies = len(n) + len(self.family.batch_shape(*call.args))
        return mx.sum(each, axis=tuple(range(-copies, 0))) if copies else each

    def mean(self, call: DistributionCall, n: Shape) -> Any:
        return mx.broadcast_to(call.mean(), self.event_shape(call, n))

    def variance(self, call: DistributionCall, n: Shape) -> Any:
        return mx.broadcast_to(call.variance(), self.event_shape(call, n))

    def entropy(self, call: DistributionCall, n: Shape) -> Any:
        return math.prod(n) * mx.sum(call.entropy())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IID) and self.family == other.family

    def __hash__(self) -> int:
        return hash((IID, self.family))
