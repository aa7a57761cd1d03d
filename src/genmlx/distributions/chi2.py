"""The chi-square distribution, and the inverse ones: of 1/y, and of df scale^2 / y."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.gamma import gamma
from genmlx.distributions.inv_gamma import inv_gamma
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.special import gammainc, gammaincc, gammainccinv, gammaincinv
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["Chi2", "InvChi2", "ScaledInvChi2", "chi2", "inv_chi2", "scaled_inv_chi2"]


@final
class Chi2(Distribution):
    r"""Chi-square distribution with ``df`` degrees of freedom: gamma of shape df / 2 and rate 1/2.

    $$\log p(x) = \left(\tfrac\nu2 - 1\right) \log x - \tfrac x2 - \tfrac\nu2 \log 2 - \log \Gamma(\tfrac\nu2),
    \quad x > 0.$$

    At x = 0 the density is the limit: +inf for df below 2, 1/2 for 2, 0 above. Mean df, variance 2 df. Draws are
    constants to gradients.

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

    def support(self, df: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, df: Any, shape: Shape) -> Array:
        return gamma.sample(key, 0.5 * df, 0.5, shape)

    def log_prob(self, x: Array, df: Any) -> Array:
        return gamma.log_prob(x, 0.5 * df, 0.5)

    def mean(self, df: Any) -> Any:
        return df

    def variance(self, df: Any) -> Any:
        return 2.0 * df

    def entropy(self, df: Any) -> Any:
        return gamma.entropy(0.5 * df, 0.5)

    def cdf(self, x: Array, df: Any) -> Array:
        return gammainc(0.5 * df, 0.5 * mx.maximum(x, 0.0))

    def quantile(self, q: Array, df: Any) -> Array:
        return _with_ends(q, 2.0 * gammaincinv(0.5 * df, q))


@final
class InvChi2(Distribution):
    r"""Distribution of 1/y with y chi-square of ``df`` degrees of freedom: inverse gamma of shape df / 2, scale 1/2.

    $$\log p(x) = -\left(\tfrac\nu2 + 1\right) \log x - \frac1{2x} - \tfrac\nu2 \log 2 - \log \Gamma(\tfrac\nu2),
    \quad x > 0.$$

    Mean 1 / (df - 2) for df > 2, else inf; variance 2 / ((df - 2)^2 (df - 4)) for df > 4, else inf. Draws are constants
    to gradients.

    Args:
        df: degrees of freedom, positive, need not be an integer.

    Example:
        >>> round(inv_chi2(5.0).log_prob(0.3).item(), 6)
        0.529687
    """

    name = "inv_chi2"
    params = {"df": domains.positive}  # noqa: RUF012

    def support(self, df: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, df: Any, shape: Shape) -> Array:
        return inv_gamma.sample(key, 0.5 * df, 0.5, shape)

    def log_prob(self, x: Array, df: Any) -> Array:
        return inv_gamma.log_prob(x, 0.5 * df, 0.5)

    def mean(self, df: Any) -> Any:
        return inv_gamma.mean(0.5 * df, 0.5)

    def variance(self, df: Any) -> Any:
        return inv_gamma.variance(0.5 * df, 0.5)

    def entropy(self, df: Any) -> Any:
        return inv_gamma.entropy(0.5 * df, 0.5)

    def cdf(self, x: Array, df: Any) -> Array:
        return gammaincc(0.5 * df, 0.5 / mx.maximum(x, 0.0))

    def quantile(self, q: Array, df: Any) -> Array:
        return _with_ends(q, 0.5 / gammainccinv(0.5 * df, q))


@final
class ScaledInvChi2(Distribution):
    r"""Distribution of df scale^2 / y with y chi-square of ``df`` degrees of freedom: of a variance around scale^2.

    $$\log p(x) = \tfrac\nu2 \log \frac{\nu s^2}2 - \left(\tfrac\nu2 + 1\right) \log x - \frac{\nu s^2}{2x}
    - \log \Gamma(\tfrac\nu2), \quad x > 0.$$

    Inverse gamma of shape df / 2 and scale df s^2 / 2. Mean s^2 df / (df - 2) for df > 2, else inf; variance
    2 s^4 df^2 / ((df - 2)^2 (df - 4)) for df > 4, else inf. Draws are differentiable in the scale only.

    Args:
        df: degrees of freedom, positive, need not be an integer.
        scale: s, a standard deviation, positive.

    Example:
        >>> round(scaled_inv_chi2(5.0, 2.0).log_prob(3.0).item(), 6)
        -1.706696
    """

    name = "scaled_inv_chi2"
    params = {"df": domains.positive, "scale": domains.positive}  # noqa: RUF012

    def support(self, df: Any, scale: Any) -> Domain:
        return domains.positive

    def sample(self, key: Key, df: Any, scale: Any, shape: Shape) -> Array:
        return inv_gamma.sample(key, 0.5 * df, _scale(df, scale), shape)

    def log_prob(self, x: Array, df: Any, scale: Any) -> Array:
        return inv_gamma.log_prob(x, 0.5 * df, _scale(df, scale))

    def mean(self, df: Any, scale: Any) -> Any:
        return inv_gamma.mean(0.5 * df, _scale(df, scale))

    def variance(self, df: Any, scale: Any) -> Any:
        return inv_gamma.variance(0.5 * df, _scale(df, scale))

    def entropy(self, df: Any, scale: Any) -> Any:
        return inv_gamma.entropy(0.5 * df, _scale(df, scale))

    def cdf(self, x: Array, df: Any, scale: Any) -> Array:
        return gammaincc(0.5 * df, _scale(df, scale) / mx.maximum(x, 0.0))

    def quantile(self, q: Array, df: Any, scale: Any) -> Array:
        return _with_ends(q, _scale(df, scale) / gammainccinv(0.5 * df, q))


def _scale(df: Any, scale: Any) -> Any:
    # A negative scale stays one, so that its density is NaN.
    return (0.5 * df) * (scale * abs(scale))


def _with_ends(q: Array, x: Array) -> Array:
    return mx.where(q == 0.0, 0.0, mx.where(q == 1.0, math.inf, x))


chi2 = Chi2()
inv_chi2 = InvChi2()
scaled_inv_chi2 = ScaledInvChi2()
