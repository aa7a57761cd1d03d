"""Layer 5: the families of distributions, one idiom each."""

from genmlx.distributions.normal import normal

__all__ = ["normal"]
