"""Bijectors: from R^n onto the supports of distributions, with log Jacobians.

Reading order: `base` (what a bijector is), `exp` (the simplest), `interval`, `simplex`, `correlation`, and `registry`
(from a support to its bijector).
"""

from genmlx.distributions.bijectors.affine import Negate, Scale, Shift
from genmlx.distributions.bijectors.array_bounds import ArrayBounds
from genmlx.distributions.bijectors.base import Bijector
from genmlx.distributions.bijectors.compose import Compose, Independent, Invert
from genmlx.distributions.bijectors.correlation import Correlation, CorrelationCholesky
from genmlx.distributions.bijectors.covariance import CholeskyFactor, Covariance
from genmlx.distributions.bijectors.exp import Exp, Softplus
from genmlx.distributions.bijectors.half_open import LowerBounded, UpperBounded
from genmlx.distributions.bijectors.identity import Identity
from genmlx.distributions.bijectors.interval import Sigmoid
from genmlx.distributions.bijectors.ordered import Ordered, PositiveOrdered
from genmlx.distributions.bijectors.registry import bijector_for, register_bijector
from genmlx.distributions.bijectors.simplex import Simplex
from genmlx.distributions.bijectors.unit_vector import Angle, UnitVector
from genmlx.distributions.bijectors.zero_sum import ZeroSum

__all__ = [
    "Angle",
    "ArrayBounds",
    "Bijector",
    "CholeskyFactor",
    "Compose",
    "Correlation",
    "CorrelationCholesky",
    "Covariance",
    "Exp",
    "Identity",
    "Independent",
    "Invert",
    "LowerBounded",
    "Negate",
    "Ordered",
    "PositiveOrdered",
    "Scale",
    "Shift",
    "Sigmoid",
    "Simplex",
    "Softplus",
    "UnitVector",
    "UpperBounded",
    "ZeroSum",
    "bijector_for",
    "register_bijector",
]
