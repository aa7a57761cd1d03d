"""Families that are others by different parameters."""

import abc
from typing import Any, ClassVar

from genmlx.core.distribution import Distribution
from genmlx.numerics.domains import Domain
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Derived"]


class Derived(Distribution):
    """The distributions of ``family``, whose parameters are functions of this family's.

    What ``family`` defines, this defines, with the gradients that follow.
    """

    family: ClassVar[Distribution]

    @abc.abstractmethod
    def inner(self, *params: Any) -> tuple[Any, ...]:
        """The parameters of ``family``, from those of this family."""

    def defines(self, what: str) -> bool:
        return self.family.defines(what)

    def support(self, *params: Any) -> Domain:
        return self.family.support(*self.inner(*params))

    def event_shape(self, *params: Any) -> Shape:
        return self.family.event_shape(*self.inner(*params))

    def sample(self, key: Key, *args: Any) -> Array:
        return self.family.sample(key, *self.inner(*args[:-1]), args[-1])

    def rsample(self, key: Key, *args: Any) -> Array:
        return self.family.rsample(key, *self.inner(*args[:-1]), args[-1])

    def log_prob(self, x: Array, *params: Any) -> Array:
        return self.family.log_prob(x, *self.inner(*params))

    def mean(self, *params: Any) -> Any:
        return self.family.mean(*self.inner(*params))

    def variance(self, *params: Any) -> Any:
        return self.family.variance(*self.inner(*params))

    def entropy(self, *params: Any) -> Any:
        return self.family.entropy(*self.inner(*params))

    def cdf(self, x: Array, *params: Any) -> Array:
        return self.family.cdf(x, *self.inner(*params))

    def log_cdf(self, x: Array, *params: Any) -> Array:
        return self.family.log_cdf(x, *self.inner(*params))

    def log_survival(self, x: Array, *params: Any) -> Array:
        return self.family.log_survival(x, *self.inner(*params))

    def quantile(self, q: Array, *params: Any) -> Array:
        return self.family.quantile(q, *self.inner(*params))
