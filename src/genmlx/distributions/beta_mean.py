"""The beta distribution by its mean and concentration: ``beta(mean=..., concentration=...)``."""

from typing import Any, final

from genmlx.distributions.beta import beta
from genmlx.distributions.derived import Derived
from genmlx.numerics import domains

__all__ = ["BetaMean", "beta_mean"]


@final
class BetaMean(Derived):
    r"""Beta distribution with ``mean`` and ``concentration``: a = mean concentration, b = (1 - mean) concentration.

    $$\log p(x) = (m k - 1) \log x + ((1 - m) k - 1) \log(1 - x) - \log B(m k, (1 - m) k), \quad 0 \le x \le 1.$$

    Mean m, variance m (1 - m) / (k + 1). The draws of ``rsample`` are differentiable.

    Args:
        mean: m, between 0 and 1, neither included.
        concentration: k, the sum of the pseudo-counts, positive.

    Example:
        >>> round(beta(mean=0.5, concentration=4.0).log_prob(0.25).item(), 6)
        0.117783
    """

    name = "beta"
    params = {  # noqa: RUF012
        "mean": domains.open_unit_interval,
        "concentration": domains.positive,
    }
    pathwise = ("mean", "concentration")
    family = beta

    def inner(self, mean: Any, concentration: Any) -> tuple[Any, ...]:
        return mean * concentration, (1.0 - mean) * concentration


beta_mean = BetaMean()
beta.alternatives = {**beta.alternatives, frozenset({"mean", "concentration"}): beta_mean}
