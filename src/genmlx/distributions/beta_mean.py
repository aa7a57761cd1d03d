"""The beta distribution by its mean and concentration: ``beta(mean=..., concentration=...)``."""

from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.beta import beta
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain, Interval
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["BetaMean", "beta_mean"]


@final
class BetaMean(Distribution):
    r"""Beta distribution with ``mean`` and ``concentration``: a = mean concentration, b = (1 - mean) concentration.

    $$\log p(x) = (m k - 1) \log x + ((1 - m) k - 1) \log(1 - x) - \log B(m k, (1 - m) k), \quad 0 \le x \le 1.$$

    Mean m, variance m (1 - m) / (k + 1). Draws are constants to gradients.

    Args:
        mean: m, between 0 and 1, neither included.
        concentration: k, the sum of the pseudo-counts, positive.

    Example:
        >>> round(beta(mean=0.5, concentration=4.0).log_prob(0.25).item(), 6)
        0.117783
    """

    name = "beta"
    params = {  # noqa: RUF012
        "mean": Interval(
            "in (0, 1)",
            lambda m: mx.logical_and(m > 0.0, m < 1.0),
            number=lambda m: 0.0 < m < 1.0,
            lower=0.0,
            upper=1.0,
        ),
        "concentration": domains.positive,
    }

    def support(self, mean: Any, concentration: Any) -> Domain:
        return domains.unit_interval

    def sample(self, key: Key, mean: Any, concentration: Any, shape: Shape) -> Array:
        return beta.sample(key, *_counts(mean, concentration), shape)

    def log_prob(self, x: Array, mean: Any, concentration: Any) -> Array:
        return beta.log_prob(x, *_counts(mean, concentration))

    def mean(self, mean: Any, concentration: Any) -> Any:
        return mean

    def variance(self, mean: Any, concentration: Any) -> Any:
        return mean * (1.0 - mean) / (concentration + 1.0)

    def entropy(self, mean: Any, concentration: Any) -> Any:
        return beta.entropy(*_counts(mean, concentration))


def _counts(mean: Any, concentration: Any) -> tuple[Any, Any]:
    return mean * concentration, (1.0 - mean) * concentration


beta_mean = BetaMean()
beta.alternatives = {**beta.alternatives, frozenset({"mean", "concentration"}): beta_mean}
