"""What families between two bounds share."""

from typing import Any

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.distribution import Distribution, broadcast_shapes
from genmlx.numerics import domains
from genmlx.numerics.errors import DomainError

__all__ = ["check_order"]


def check_order(family: Distribution, lo: Any, hi: Any) -> None:
    """Raise a DomainError unless lo < hi; arrays are read only where values are at hand."""
    above = domains.above(lo)
    if not isinstance(lo, mx.array) and not isinstance(hi, mx.array):
        if not above.has(hi):
            raise DomainError(f"parameter 'hi' of {family.name} must be {above.name}, found {hi}")
    elif execution.is_validating():
        hi = hi if isinstance(hi, mx.array) else mx.array(hi)
        shape = broadcast_shapes(hi.shape, getattr(lo, "shape", ()))
        family._check_array("hi", above, mx.broadcast_to(hi, shape))
