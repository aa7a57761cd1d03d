"""The bijectors under test: every entry of the registry, intervals of all kinds, and maps that are not registered.

A domain that is registered is tested at once. If it has other coordinates than its elements (the simplex has one
fewer), or a new range, it needs a row in `COORDINATES` or `RANGES`; the tests say so.
"""

import dataclasses
import math
from collections.abc import Callable

import mlx.core as mx
import numpy as np

from genmlx.distributions.bijectors import (
    Bijector,
    Exp,
    Invert,
    Negate,
    Scale,
    Shift,
    Sigmoid,
    Softplus,
    bijector_for,
)
from genmlx.distributions.bijectors.registry import REGISTRY
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.types import Array, Shape

ALL_REALS, POSITIVE, UNIT, SYMMETRIC = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0), (-1.0, 1.0)
SIZES: dict[int, Shape] = {0: (), 1: (4,), 2: (3, 3)}  # of an event


def below_diagonal(x: np.ndarray) -> np.ndarray:
    return x[(..., *np.tril_indices(x.shape[-1], -1))]


def with_diagonal(x: np.ndarray) -> np.ndarray:
    return x[(..., *np.tril_indices(x.shape[-1]))]


# Which entries of x are free, if not all of them: the measure with respect to which densities are.
COORDINATES: dict[Domain, Callable[[np.ndarray], np.ndarray]] = {
    domains.simplex: lambda x: x[..., :-1],
    domains.zero_sum: lambda x: x[..., :-1],
    domains.lower_triangular: with_diagonal,
    domains.positive_definite: with_diagonal,
    domains.correlation_cholesky: below_diagonal,
    domains.correlation: below_diagonal,
}

# An event with one unconstrained coordinate, and the range of the free entry.
RANGES: dict[Domain, tuple[Shape, tuple[float, float]]] = {
    domains.real_vector: ((1,), ALL_REALS),
    domains.positive_vector: ((1,), POSITIVE),
    domains.simplex: ((2,), UNIT),
    domains.zero_sum: ((2,), ALL_REALS),
    domains.ordered: ((1,), ALL_REALS),
    domains.increasing_bounds: ((1,), ALL_REALS),
    domains.positive_ordered: ((1,), POSITIVE),
    domains.real_matrix: ((1, 1), ALL_REALS),
    domains.lower_triangular: ((1, 1), POSITIVE),
    domains.positive_definite: ((1, 1), POSITIVE),
    domains.correlation_cholesky: ((2, 2), SYMMETRIC),
    domains.correlation: ((2, 2), SYMMETRIC),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A bijector, the set it maps onto, and the shape of an example."""

    name: str
    bijector: Bijector
    domain: Domain

    @property
    def event(self) -> Shape:
        return SIZES[self.bijector.event_ndim_out]

    @property
    def unconstrained(self) -> Shape:
        return self.bijector.unconstrained_shape(self.event)

    def free(self, x: np.ndarray) -> np.ndarray:
        """The free entries of one x, or of a batch, as vectors."""
        if self.domain in COORDINATES:
            return COORDINATES[self.domain](x)
        return x.reshape(*x.shape[: x.ndim - len(self.event)], -1)

    def one_coordinate(self) -> tuple[Shape, tuple[float, float]]:
        if isinstance(self.domain, Interval):
            return (), tuple(float(np.array(b)) for b in (self.domain.lower, self.domain.upper))
        assert self.domain in RANGES, f"give {self.domain!r} a row in RANGES"
        return RANGES[self.domain]


def number(x: float) -> Array:
    return mx.array(x)


INTERVALS = [
    domains.real,
    domains.positive,
    domains.nonnegative,
    domains.unit_interval,
    domains.above(-3.0),
    domains.lower_bounded(2.5),
    domains.upper_bounded(1.1),
    domains.interval(-2.0, 3.0),
    domains.interval(0.1, 0.7),
    domains.interval(1000.0, 1001.0),
    domains.interval(number(-2.0), number(3.0)),
    domains.interval(number(1.0), 4.0),
    domains.lower_bounded(number(0.5)),
    domains.upper_bounded(number(-0.5)),
    domains.interval(number(-math.inf), number(3.0)),
    domains.interval(number(-math.inf), number(math.inf)),
]

UNREGISTERED = {
    "softplus": (Softplus(), domains.positive),
    "shift": (Shift(2.0), domains.real),
    "shift by an array": (Shift(number(-1.0)), domains.real),
    "scale": (Scale(-4.0), domains.real),
    "scale by an array": (Scale(number(0.25)), domains.real),
    "negate": (Negate(), domains.real),
    "composed": (Shift(1.0) @ Scale(2.0) @ Exp(), domains.lower_bounded(1.0)),
    "composed twice": (Negate() @ Exp() @ Invert(Exp()) @ Softplus(), domains.upper_bounded(0.0)),
    "sigmoid": (Sigmoid(-1.0, 1.0), domains.interval(-1.0, 1.0)),
}

ALL = [
    *(Case(repr(d), b, d) for d, b in list(REGISTRY.items()) if isinstance(d, Domain) and isinstance(b, Bijector)),
    *(Case(f"{type(bijector_for(d)).__name__} {d!r} {i}", bijector_for(d), d) for i, d in enumerate(INTERVALS)),
    *(Case(name, b, d) for name, (b, d) in UNREGISTERED.items()),
]
