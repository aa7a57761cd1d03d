"""Relaxed Bernoulli and categorical variables: numbers that are nearly 0 or 1, with gradients."""

import math
from typing import Any, final

import mlx.core as mx

from genmlx.core.distribution import Distribution
from genmlx.distributions.derived import Derived
from genmlx.distributions.logistic import log_standard_density, standard_logistic
from genmlx.distributions.positive import TINY
from genmlx.numerics import domains, samplers
from genmlx.numerics.domains import Domain
from genmlx.numerics.number import lgamma, log
from genmlx.numerics.special import logit, logsumexp
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["RelaxedBernoulli", "RelaxedCategorical", "relaxed_bernoulli", "relaxed_categorical"]

_BELOW_ONE = 1.0 - 2.0**-24


@final
class RelaxedBernoulli(Distribution):
    r"""Relaxed Bernoulli distribution: the logistic function of (logits + a logistic variable) / temperature.

    $$p(x) = \frac{t\, e^{l} x^{-t - 1} (1 - x)^{-t - 1}}{(x^{-t} e^{l} + (1 - x)^{-t})^2}, \quad 0 < x < 1,$$

    with the temperature t and the log odds l. x > 1/2 has probability 1 / (1 + e^-l); for t to 0 draws tend to
    Bernoulli's, for t <= 1 the density has its peaks at 0 and 1. Draws are differentiable in both parameters.
    ``relaxed_bernoulli(t, probs=p)`` is the same for l = log(p / (1 - p)).

    Args:
        temperature: positive.
        logits: log odds, any real number.
        probs: probability of a value near 1, strictly between 0 and 1 (keyword only).

    Example:
        >>> round(relaxed_bernoulli(0.5, 1.0).log_prob(0.75).item(), 5)
        -0.45582

    References:
        Maddison, Mnih and Teh, The Concrete distribution, ICLR (2017).
    """

    name = "relaxed_bernoulli"
    params = {"temperature": domains.positive, "logits": domains.real}  # noqa: RUF012
    pathwise = ("temperature", "logits")

    def support(self, temperature: Any, logits: Any) -> Domain:
        return domains.unit_interval

    def sample(self, key: Key, temperature: Any, logits: Any, shape: Shape) -> Array:
        return mx.clip(mx.sigmoid((logits + standard_logistic(key, shape)) / temperature), TINY, _BELOW_ONE)

    def log_prob(self, x: Array, temperature: Any, logits: Any) -> Array:
        inside = mx.logical_and(x > 0.0, x < 1.0)
        y = mx.where(inside, x, 0.5)
        left, right = mx.log(y), mx.log1p(-y)  # the primitive takes less memory
        z = temperature * (left - right) - logits  # a standard logistic variable
        log_prob = log(temperature) + log_standard_density(z) - (left + right)
        return mx.where(inside, log_prob, mx.where(mx.isnan(x), math.nan, -math.inf))

    def cdf(self, x: Array, temperature: Any, logits: Any) -> Array:
        inside = mx.logical_and(x > 0.0, x < 1.0)
        z = temperature * logit(mx.where(inside, x, 0.5)) - logits
        return mx.where(inside, mx.sigmoid(z), mx.where(x <= 0.0, 0.0, mx.where(x >= 1.0, 1.0, math.nan)))

    def quantile(self, q: Array, temperature: Any, logits: Any) -> Array:
        return mx.sigmoid((logits + logit(q)) / temperature)


@final
class _RelaxedBernoulliProbs(Derived):
    """Relaxed Bernoulli distribution by probability."""

    name = "relaxed_bernoulli"
    params = {"temperature": domains.positive, "probs": domains.open_unit_interval}  # noqa: RUF012
    pathwise = ("temperature", "probs")

    def inner(self, temperature: Any, probs: Any) -> tuple[Any, ...]:
        return temperature, logit(probs)


@final
class RelaxedCategorical(Distribution):
    r"""Relaxed categorical (Concrete) distribution on the simplex: a softmax of (logits + Gumbel noise) / temperature.

    $$p(x) = (K - 1)!\, t^{K-1} \prod_{k=1}^K \frac{p_k x_k^{-t-1}}{\sum_j p_j x_j^{-t}},
    \quad p = \mathrm{softmax}(l),$$

    with respect to K - 1 of the components. The largest component is a categorical variable with the probabilities p;
    for t to 0 draws tend to the vertices. Draws are differentiable in both parameters.

    Args:
        temperature: t, positive.
        logits: l, real numbers, shape ``(..., K)``; leading axes are a batch.

    Example:
        >>> round(relaxed_categorical(0.5, [0.0, 1.0, 0.0]).log_prob([0.25, 0.5, 0.25]).item(), 5)
        -0.67388

    References:
        Maddison, Mnih and Teh, The Concrete distribution, ICLR (2017).
        Jang, Gu and Poole, Categorical reparameterization with Gumbel-softmax, ICLR (2017).
    """

    name = "relaxed_categorical"
    params = {"temperature": domains.positive, "logits": domains.real_vector}  # noqa: RUF012
    pathwise = ("temperature", "logits")
    event_ndim = 1

    def event_shape(self, *params: Any) -> Shape:
        return params[1].shape[-1:]

    def support(self, temperature: Any, logits: Array) -> Domain:
        return domains.simplex

    def sample(self, key: Key, temperature: Any, logits: Array, shape: Shape) -> Array:
        noisy = logits + samplers.gumbel(key, (*shape, logits.shape[-1]))
        return mx.maximum(mx.softmax(noisy / _lifted(temperature), axis=-1), TINY)

    def log_prob(self, x: Array, temperature: Any, logits: Array) -> Array:
        k = logits.shape[-1]
        inside = mx.logical_and(domains.simplex.contains(x), mx.all(x > 0.0, axis=-1))
        log_x = mx.log(mx.where(inside[..., None], x, 1.0 / k))
        scores = logits - _lifted(temperature) * log_x
        constant = lgamma(float(k)) + (k - 1.0) * log(temperature)
        log_prob = mx.sum(scores - log_x, axis=-1) - k * logsumexp(scores)
        return mx.where(inside, constant + log_prob, -math.inf)


def _lifted(temperature: Any) -> Any:
    """One number for a whole vector."""
    return temperature[..., None] if isinstance(temperature, mx.array) else temperature


relaxed_bernoulli = RelaxedBernoulli()
_RelaxedBernoulliProbs.family = relaxed_bernoulli
relaxed_bernoulli.alternatives = {frozenset({"temperature", "probs"}): _RelaxedBernoulliProbs()}
relaxed_categorical = RelaxedCategorical()
