"""From a support to its bijector."""

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from genmlx.distributions.bijectors.array_bounds import ArrayBounds
from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.compose import Independent
from genmlx.distributions.bijectors.correlation import Correlation, CorrelationCholesky
from genmlx.distributions.bijectors.covariance import CholeskyFactor, Covariance
from genmlx.distributions.bijectors.exp import Exp
from genmlx.distributions.bijectors.half_open import LowerBounded, UpperBounded
from genmlx.distributions.bijectors.identity import Identity
from genmlx.distributions.bijectors.interval import Sigmoid
from genmlx.distributions.bijectors.ordered import Ordered, PositiveOrdered
from genmlx.distributions.bijectors.simplex import Simplex
from genmlx.distributions.bijectors.unit_vector import Angle, UnitVector
from genmlx.distributions.bijectors.zero_sum import ZeroSum
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.errors import ShapeError, UsageError

__all__ = ["REGISTRY", "bijector_for", "register_bijector"]


def between(domain: Interval) -> Bijector:
    """The bijector of an interval, by its bounds: numbers decide at once, arrays element by element."""
    lower, upper = domain.lower, domain.upper
    if isinstance(lower, mx.array) or isinstance(upper, mx.array):
        return ArrayBounds(lower, upper)
    if lower == -math.inf:
        return Identity() if upper == math.inf else UpperBounded(upper)
    if upper == math.inf:
        return Exp() if lower == 0 else LowerBounded(lower)
    return Sigmoid(lower, upper)


REGISTRY: dict[Domain | type[Domain], Bijector | Callable[[Any], Bijector]] = {
    # numbers
    Interval: between,
    domains.circular: Angle(),
    # vectors
    domains.real_vector: Independent(Identity(), 1),
    domains.positive_vector: Independent(Exp(), 1),
    domains.simplex: Simplex(),
    domains.ordered: Ordered(),
    domains.increasing_bounds: Ordered(),
    domains.positive_ordered: PositiveOrdered(),
    domains.unit_vector: UnitVector(),
    domains.zero_sum: ZeroSum(),
    # matrices
    domains.real_matrix: Independent(Identity(), 2),
    domains.lower_triangular: CholeskyFactor(),
    domains.positive_definite: Covariance(),
    domains.correlation_cholesky: CorrelationCholesky(),
    domains.correlation: Correlation(),
}


def bijector_for(domain: Domain) -> Bijector:
    """The bijector from unconstrained values onto a support.

    Looked up by the domain itself, then by its class (an `Interval` by its bounds, which may be arrays that depend on
    other choices).

    Raises:
        UsageError: the domain is discrete, or has no bijector.

    Example:
        >>> bijector_for(domains.positive)
        Exp()
        >>> bijector_for(domains.interval(-1.0, 1.0)).forward(0.0).item()
        0.0
    """
    found = REGISTRY.get(domain)
    if isinstance(found, Bijector):
        return found
    if domain.discrete:
        raise UsageError(
            f"values that are {domain.name} are discrete: they have no gradient and no unconstrained coordinates",
            fix="leave these addresses out of the selection of a gradient-based method and move them by "
            "gm.kernels.mh or gm.kernels.gibbs, sum them out (gm.enumeration), or use a continuous relaxation",
        )
    for kind in type(domain).__mro__:
        make = REGISTRY.get(kind)
        if make is not None and not isinstance(make, Bijector):
            return make(domain)
    raise UsageError(
        f"no bijector onto the set of values that are {domain.name}",
        fix="register_bijector(domain, bijector), with the domain that the distribution gives as its support",
    )


def register_bijector(domain: Domain | type[Domain], bijector: Bijector | Callable[[Any], Bijector]) -> None:
    """Say which bijector belongs to a domain; a later registration replaces an earlier one.

    Args:
        domain: a domain, or a class of domains with parameters of their own.
        bijector: for a domain, a bijector; for a class, a function from a domain of that class to its bijector.

    Raises:
        UsageError: the two do not fit.

    Example:
        >>> from genmlx.distributions.bijectors import Independent, Sigmoid
        >>> cube = domains.Domain("a vector in the unit cube", lambda x: mx.all((x >= 0) & (x <= 1), axis=-1), 1)
        >>> register_bijector(cube, Independent(Sigmoid(0.0, 1.0), 1))
        >>> bijector_for(cube).log_det_jacobian([0.0, 0.0])  # 2 log(1/4)
        array(-2.77259, dtype=float32)
    """
    if isinstance(domain, Domain) != isinstance(bijector, Bijector):
        raise UsageError(
            f"a domain goes with a bijector, a class of domains with a function to one; found {domain!r}, {bijector!r}",
            fix="register_bijector(domain, Exp()) or register_bijector(MyDomain, lambda domain: Shift(domain.origin))",
        )
    if isinstance(domain, Domain) and isinstance(bijector, Bijector) and bijector.event_ndim_out != domain.event_ndim:
        raise ShapeError(
            f"the domain ({domain.name}) has {domain.event_ndim} event axes, values of {bijector!r} have "
            f"{bijector.event_ndim_out}",
            fix="Independent(bijector, axes), which counts batch axes as event",
        )
    REGISTRY[domain] = bijector
