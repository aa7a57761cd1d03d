"""The chi-square distribution, and the inverse ones: of 1/y, and of df scale^2 / y."""

from typing import Any, final

from genmlx.distributions.derived import Derived
from genmlx.distributions.gamma import gamma
from genmlx.distributions.inv_gamma import inv_gamma
from genmlx.numerics import domains

__all__ = ["Chi2", "InvChi2", "ScaledInvChi2", "chi2", "inv_chi2", "scaled_inv_chi2"]


@final
class Chi2(Derived):
    r"""Chi-square distribution with ``df`` degrees of freedom: gamma of shape df / 2 and rate 1/2.

    $$\log p(x) = \left(\tfrac\nu2 - 1\right) \log x - \tfrac x2 - \tfrac\nu2 \log 2 - \log \Gamma(\tfrac\nu2),
    \quad x > 0.$$

    At x = 0 the density is the limit: +inf for df below 2, 1/2 for 2, 0 above. Mean df, variance 2 df. The
    draws of ``rsample`` are differentiable.

    Args:
        df: degrees of freedom, positive, need not be an integer.

    Example:
        >>> round(chi2(5.0).log_prob(3.0).item(), 6)
        -1.869632

    References:
        The formula used: see `genmlx.distributions.gamma.Gamma`.
    """

    name = "chi2"
    params = {"df": domains.positive}  # noqa: RUF012
    pathwise = ("df",)
    family = gamma

    def inner(self, df: Any) -> tuple[Any, ...]:
        return 0.5 * df, 0.5


@final
class InvChi2(Derived):
    r"""Distribution of 1/y with y chi-square of ``df`` degrees of freedom: inverse gamma of shape df / 2, scale 1/2.

    $$\log p(x) = -\left(\tfrac\nu2 + 1\right) \log x - \frac1{2x} - \tfrac\nu2 \log 2 - \log \Gamma(\tfrac\nu2),
    \quad x > 0.$$

    Mean 1 / (df - 2) for df > 2, else inf; variance 2 / ((df - 2)^2 (df - 4)) for df > 4, else inf. The draws of
    ``rsample`` are differentiable.

    Args:
        df: degrees of freedom, positive, need not be an integer.

    Example:
        >>> round(inv_chi2(5.0).log_prob(0.3).item(), 6)
        0.529687
    """

    name = "inv_chi2"
    params = {"df": domains.positive}  # noqa: RUF012
    pathwise = ("df",)
    family = inv_gamma

    def inner(self, df: Any) -> tuple[Any, ...]:
        return 0.5 * df, 0.5


@final
class ScaledInvChi2(Derived):
    r"""Distribution of df scale^2 / y with y chi-square of ``df`` degrees of freedom: of a variance around scale^2.

    $$\log p(x) = \tfrac\nu2 \log \frac{\nu s^2}2 - \left(\tfrac\nu2 + 1\right) \log x - \frac{\nu s^2}{2x}
    - \log \Gamma(\tfrac\nu2), \quad x > 0.$$

    Inverse gamma of shape df / 2 and scale df s^2 / 2. Mean s^2 df / (df - 2) for df > 2, else inf; variance
    2 s^4 df^2 / ((df - 2)^2 (df - 4)) for df > 4, else inf. Draws are differentiable in the scale,
    those of ``rsample`` also in df.

    Args:
        df: degrees of freedom, positive, need not be an integer.
        scale: s, a standard deviation, positive.

    Example:
        >>> round(scaled_inv_chi2(5.0, 2.0).log_prob(3.0).item(), 6)
        -1.706696
    """

    name = "scaled_inv_chi2"
    params = {"df": domains.positive, "scale": domains.positive}  # noqa: RUF012
    pathwise = ("df", "scale")
    family = inv_gamma

    def inner(self, df: Any, scale: Any) -> tuple[Any, ...]:
        return 0.5 * df, (0.5 * df) * (scale * abs(scale))  # a negative scale stays one: its density is NaN


chi2 = Chi2()
inv_chi2 = InvChi2()
scaled_inv_chi2 = ScaledInvChi2()
