"""The point mass."""

import dataclasses
import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Delta", "delta"]

_VALUE = dataclasses.replace(domains.any_value, discrete=True)  # so that integers stay integers


@final
class Delta(Distribution):
    r"""Point mass at ``v``: the value is ``v``, with probability 1.

    $$\log p(x) = 0 \text{ if } x = v \text{ (every element, exactly), else } -\infty.$$

    Mean v, variance 0. The event is the whole of ``v``: an array has one score, and no batch axes. The value has the
    dtype of ``v``. It counts as discrete, since it has no density.

    Args:
        v: the value, a number or an array of any shape.

    Example:
        >>> delta(mx.array([1.0, 2.0])).log_prob([1.0, 2.5]).item()
        -inf
    """

    name = "delta"
    params = {"v": _VALUE}  # noqa: RUF012
    pathwise = ("v",)
    event_ndim = -1  # as many as v has
    discrete = True

    def support(self, v: Any) -> Domain:
        return Domain("the value of the delta", lambda x: _equal(x, v), getattr(v, "ndim", 0), discrete=True)

    def batch_shape(self, *params: Any) -> Shape:
        return ()

    def event_shape(self, *params: Any) -> Shape:
        return getattr(params[0], "shape", ())

    def sample(self, key: Key, v: Any, shape: Shape) -> Array:
        return mx.broadcast_to(mx.array(v), shape + self.event_shape(v))

    def log_prob(self, x: Array, v: Any) -> Array:
        return mx.where(_equal(x, v), 0.0, -math.inf)

    def mean(self, v: Any) -> Any:
        return v

    def variance(self, v: Any) -> Any:
        return 0.0

    def entropy(self, v: Any) -> Any:
        return 0.0


def _equal(x: Array, v: Any) -> Array:
    ndim = getattr(v, "ndim", 0)
    return mx.all(x == v, axis=tuple(range(-ndim, 0))) if ndim else x == v


delta = Delta()
