"""Logarithms that do not cancel, and products with a logarithm that are 0 at 0."""

import math

import mlx.core as mx

from genmlx.numerics.special.common import LOG_2, promote
from genmlx.numerics.special.elementary import exp, exp_parts, expm1, is_large, log1p
from genmlx.numerics.types import Array, ArrayLike

__all__ = ["log1mexp", "log_sigmoid", "logdiffexp", "logit", "logsumexp", "softplus", "xlog1py", "xlogy"]


def xlogy(x: ArrayLike, y: ArrayLike) -> Array:
    """The product x log(y), and 0 where x = y = 0, with finite gradients there.

    Where x = 0 and y > 0 the gradient with respect to x is log(y), as it must be: Beta(1, b) has a score.

    Example:
        >>> xlogy(0.0, 0.0)
        array(0, dtype=float32)
    """
    x, y = promote(x, y)
    return x * mx.log(mx.where(mx.logical_and(x == 0.0, y == 0.0), 1.0, y))


def xlog1py(x: ArrayLike, y: ArrayLike) -> Array:
    """The product x log(1 + y), and 0 where x = 0 and y = -1, with finite gradients there.

    Example:
        >>> xlog1py(2.0, -0.5)
        array(-1.38629, dtype=float32)
    """
    x, y = promote(x, y)
    return x * log1p(mx.where(mx.logical_and(x == 0.0, y == -1.0), 0.0, y))


def log1mexp(x: ArrayLike) -> Array:
    """log(1 - exp(-x)) for x >= 0; -inf at 0, 0 at +inf, nan below 0.

    log(-expm1(-x)) up to log 2, log1p(-exp(-x)) above.

    Example:
        >>> log1mexp(1e-10)
        array(-23.0259, dtype=float32)

    References:
        Maechler, Accurately computing log(1 - exp(-|a|)), vignette of the R package Rmpfr (2012).
    """
    (x,) = promote(x)
    if is_large(x):
        # One logarithm with Kahan's correction in place of two: where the difference w is near 1.
        two_to_k, rest = exp_parts(-x)
        product = two_to_k * rest
        w = (1.0 - two_to_k) - product
        missed = (((1.0 - w) - (product + two_to_k)) / mx.maximum(w, 0.25)) * (x > LOG_2)
        return mx.log(w) + mx.stop_gradient(missed)
    small = x < LOG_2
    return mx.where(small, mx.log(-expm1(-x)), log1p(-exp(-mx.where(small, 1.0, x))))


def logdiffexp(a: ArrayLike, b: ArrayLike) -> Array:
    """log(exp(a) - exp(b)) for a >= b; -inf where a = b (also -inf = -inf), nan where a < b.

    Example:
        >>> logdiffexp(1000.0, 999.0)
        array(999.541, dtype=float32)
    """
    a, b = promote(a, b)
    same = a == b
    return mx.where(same, -math.inf, a + log1mexp(mx.where(same, 1.0, a - b)))


def logsumexp(x: Array, axis: int = -1, *, keepdims: bool = False) -> Array:
    """Logarithm of the sum of exponentials along an axis: ``mx.logsumexp``, which refuses empty arrays.

    Example:
        >>> logsumexp(mx.zeros((0, 3))).shape
        (0,)
    """
    return mx.logsumexp(x, axis=axis, keepdims=keepdims) if x.size else mx.log(x.sum(axis=axis, keepdims=keepdims))


def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)).

    Example:
        >>> softplus(0.0)
        array(0.693147, dtype=float32)
    """
    (x,) = promote(x)
    if is_large(x):
        # With y = max(x, 0), x - 2y is -|x|, and has the right slope at 0 whichever one mx.maximum has there.
        centre = mx.clip(x, -100.0, 100.0)
        return mx.maximum(x, 0.0) + log1p(exp(centre - 2.0 * mx.maximum(centre, 0.0)))
    if x.dtype == mx.float32:
        return mx.logaddexp(x, 0.0)
    positive = x > 0.0
    return mx.where(positive, x, 0.0) + log1p(exp(mx.where(positive, -x, x)))


def log_sigmoid(x: ArrayLike) -> Array:
    """Logarithm of the logistic function, -log(1 + exp(-x)).

    Example:
        >>> log_sigmoid(-100.0)
        array(-100, dtype=float32)
    """
    (x,) = promote(x)
    return -softplus(-x)


def logit(p: ArrayLike) -> Array:
    """Log odds, log(p / (1 - p)); -inf at 0, +inf at 1, nan outside.

    Example:
        >>> logit(0.75)  # log(3)
        array(1.09861, dtype=float32)
    """
    (p,) = promote(p)
    return mx.log(p) - log1p(-p)
