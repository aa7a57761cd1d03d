"""Improper priors: constant log density, on the whole line and on the positive half."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ImproperPriorError, UsageError
from genmlx.numerics.number import exp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Flat", "flat", "positive_flat"]


@final
class Flat(Distribution):
    r"""Improper uniform prior: $\log p(x) = 0$ on the real line (``flat``) or for $0 < x < \infty$ (``positive_flat``).

    It has no mass to draw from: a draw is an `ImproperPriorError`. Inference starts it at a draw from the uniform
    distribution on [-2, 2] (``positive_flat``: at e to that power).

    Args:
        shape: the shape of a value; ``()`` (default) is a number, ``3`` or ``(3,)`` a vector.

    Example:
        >>> flat(3).assess([0.5, 2.0, -1.0]).weight.item(), positive_flat().log_prob(-1.0).item()
        (0.0, -inf)
    """

    params = {"shape": domains.any_value}  # noqa: RUF012
    defaults = {"shape": ()}  # type: ignore[assignment]  # noqa: RUF012

    def __init__(self, name: str, domain: Domain) -> None:
        self.name, self._domain = name, domain

    def _parameter(self, name: str, domain: Domain, value: Any) -> Shape:
        sizes = (value,) if isinstance(value, int) else tuple(value) if isinstance(value, tuple | list) else None
        if sizes is None or not all(type(size) is int and size >= 0 for size in sizes):
            raise UsageError(
                f"shape of {self.name} must be an int or a tuple of ints, found {value!r}", fix=f"{self.name}((3,))"
            )
        return sizes

    def batch_shape(self, *params: Any) -> Shape:
        return params[0]

    def support(self, shape: Shape) -> Domain:
        return self._domain

    def sample(self, key: Key, shape_: Shape, shape: Shape) -> Array:
        raise ImproperPriorError(
            f"{self.name} is an improper prior: it has no distribution to draw from",
            fix='constrain it with .generate({"address": value}), give it a proposal (proposal=...), or give inference '
            "a starting value; for draws from the prior use a proper one: normal(0.0, 10.0), half_normal(10.0)",
        )

    def initial(self, key: Key, shape_: Shape, shape: Shape) -> Array:
        start = mx.random.uniform(-2.0, 2.0, shape=shape, key=key)
        return exp(start) if self._domain is domains.positive else start

    def log_prob(self, x: Array, shape: Shape) -> Array:
        if self._domain is domains.positive:
            return mx.where(mx.logical_and(x > 0.0, x < math.inf), mx.array(0.0, dtype=x.dtype), -math.inf)
        return mx.where(mx.abs(x) < math.inf, mx.array(0.0, dtype=x.dtype), -math.inf)

    def _missing(self, what: str) -> UsageError:
        return UsageError(
            f"{self.name} is an improper prior: it has no {what}", fix="a proper prior, such as normal(0.0, 10.0)"
        )


flat = Flat("flat", domains.real)
positive_flat = Flat("positive_flat", domains.positive)
