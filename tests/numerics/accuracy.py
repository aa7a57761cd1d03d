"""The accuracy of the special functions against mpmath: ``python tests/numerics/accuracy.py`` writes docs/accuracy.md.

A row is a `Case`: a function (or a derivative of one), its reference, and points over its domain, among them the hard
ones. The error of a value is counted in units of eps, 1.2e-7 or 2.2e-16, times a size:

* ``absolute``: max(|f|, 1);
* ``relative``: |f|;
* ``tail``: |f| (1 + |log f|), for a small probability is the exponential of a number that has to be rounded;
* ``quantile``: |x| (1 + |d log x / d log p| (1 + |log p|)), what such an error of the probability p does to x.

`tests/numerics/test_special.py` holds every row to its bounds.
"""

import math
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import mlx.core as mx
import mpmath as mp
import numpy as np
import scipy.special

from genmlx.numerics import special
from genmlx.numerics.special import elementary

__all__ = [
    "CASES",
    "PRECISIONS",
    "Case",
    "committed",
    "derivative",
    "errors",
    "log_cdf",
    "of_many",
    "page",
    "psi",
    "quantile",
]

mp.mp.dps = 40

PRECISIONS = {"float32": (mx.float32, np.float32), "float64": (mx.float64, np.float64)}


class Case(NamedTuple):
    """A function, its reference, points, the unit of error, and the largest error allowed per precision."""

    f: Callable[..., mx.array]
    reference: Callable[..., mp.mpf]
    points: tuple[np.ndarray, ...]
    bounds: tuple[float, float]
    unit: str = "absolute"


def derivative(f: Callable[..., mx.array], order: int = 1, argument: int = 0) -> Callable[..., mx.array]:
    """The derivative of f, element by element."""
    for _ in range(order):
        f = mx.grad(lambda *args, f=f: f(*args).sum(), argnums=argument)
    return f


def errors(case: Case, precision: str, every: int = 1) -> np.ndarray:
    """The errors of the case, in units, at every n-th of its points."""
    dtype, np_dtype = PRECISIONS[precision]
    points = [p.astype(np_dtype)[::every] for p in case.points]
    values = np.array(case.f(*(mx.array(p, dtype=dtype) for p in points)))
    assert values.dtype == np_dtype
    smallest, found = 100 * float(np.finfo(np_dtype).tiny), []
    for value, *x in zip(values, *points, strict=True):
        args = [mp.mpf(float(v)) for v in x]
        truth = case.reference(*args)
        size = abs(truth)
        if case.unit == "absolute":
            size = max(size, 1)
        elif size < smallest:  # at the end of the numbers
            assert abs(value) <= 2 * smallest, f"{value} at {args}, where it is {truth}"
            continue
        elif case.unit == "tail":
            size *= 1 + abs(mp.log(size))
        elif case.unit == "quantile":
            size *= 1 + _elasticity(case.reference, args, truth) * (1 + abs(mp.log(args[-1])))
        error = abs(mp.mpf(float(value)) - truth) / size
        found.append(float(error) if mp.isfinite(value) else math.inf)
    return np.array(found) / float(np.finfo(np_dtype).eps)


def _elasticity(reference: Callable[..., mp.mpf], args: list[mp.mpf], x: mp.mpf) -> mp.mpf:
    step = mp.mpf("1e-8")
    return abs(reference(*args[:-1], args[-1] * (1 + step)) / x - 1) / step


def of_many(f: Callable[[mx.array], mx.array]) -> Callable[[mx.array], mx.array]:
    """f as computed for a large array (`elementary.is_large`), of which the first elements are the points."""

    def of_large(x: mx.array) -> mx.array:
        return f(mx.concatenate([x, mx.ones(4096, x.dtype)]))[: x.size]

    return of_large


# ---- points ----------------------------------------------------------------------------------------------------------


def spread(low: float, high: float, n: int = 60, seed: int = 0) -> np.ndarray:
    """Points between two powers of ten."""
    return 10 ** np.random.default_rng(seed).uniform(low, high, n)


def between(low: float, high: float, n: int = 100, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, n)


def join(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)


POSITIVE = join(spread(-30, 30), between(0.001, 5), between(5, 1000))
POSITIVE_MILD = join(spread(-15, 15), between(0.001, 5), between(5, 1000))
REAL = join(between(-10, 12), -spread(-20, 4), spread(-20, 1))
LOG_P = -join(spread(-6, 4.5), between(0.01, 3), math.log(2) + spread(-7, -2, 20))
PAIRS = (join(spread(-8, 8, 150), between(0.01, 5)), join(spread(-8, 8, 150)[::-1], between(0.01, 5)[::-1]))
COUNTS = (np.floor(spread(0, 6.5, 150)), np.floor(spread(0, 6.5, 150) * between(0, 1, 150) ** 4))

# Shapes from 1e-3 to 1e6, with x in the centre of the law (6 standard deviations), far below it and above, and small.
_SHAPES = spread(-3, 6, 240, seed=2)
GAMMA_POINTS = (
    _SHAPES,
    np.abs(
        join(
            (_SHAPES + np.sqrt(_SHAPES) * between(-6, 8, 240, seed=3))[:120],
            (_SHAPES * spread(-2, 0.7, 240, seed=4))[120:180],
            spread(-8, 2, 60, seed=5),
        )
    ),
)
_SHAPES_A, _SHAPES_B = spread(-3, 5.5, 200, seed=6), spread(-3, 5.5, 200, seed=7)
_MEANS = _SHAPES_A / (_SHAPES_A + _SHAPES_B)
_SDS = np.sqrt(_MEANS * (1 - _MEANS) / (_SHAPES_A + _SHAPES_B + 1))
BETA_POINTS = (
    _SHAPES_A,
    _SHAPES_B,
    np.clip(
        join(
            (_MEANS + _SDS * between(-6, 6, 200, seed=8))[:100],
            np.random.default_rng(9).beta(_SHAPES_A, _SHAPES_B)[100:150],
            between(0, 1, 50, seed=10),
        ),
        1e-30,
        1 - 1e-7,
    ),
)
PROBABILITIES = join(np.exp(-spread(-3, 1.9, 60, seed=11)), np.exp(-between(0.7, 80, 60, seed=12)))
BESSEL_POINTS = (
    join(spread(-3, 3.3, 90), np.floor(between(0, 9, 30)) / 2),
    join(spread(-4, 4, 90), between(0, 40, 30)),
)
OWENS_POINTS = (
    join(between(-6, 6), spread(-6, 1)),
    join(between(-3, 3, seed=2), spread(-6, 6, seed=3)),
)


# ---- references ------------------------------------------------------------------------------------------------------


def log_cdf(x: mp.mpf) -> mp.mpf:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2) if x < 0 else mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2)


def hazard(x: mp.mpf) -> mp.mpf:
    """phi(x) / Phi(x)."""
    return mp.exp(-x * x / 2 - log_cdf(x)) / mp.sqrt(2 * mp.pi)


def quantile(log_p: mp.mpf) -> mp.mpf:
    """Newton on the logarithm of the lower or upper tail, to 30 digits."""
    upper = log_p > -mp.log(2)
    target = mp.log(-mp.expm1(log_p)) if upper else log_p
    z = mp.sqrt(max(-2 * target - mp.mpf("1.38"), 0))
    for _ in range(200):
        step = (log_cdf(-z) - target) / hazard(-z)
        z += step
        if abs(step) < mp.mpf(10) ** -30:
            break
    return z if upper else -z


def psi(order: int) -> Callable[[mp.mpf], mp.mpf]:
    return lambda x: mp.psi(order, x)


def slope(f: Callable[..., mp.mpf], argument: int = 0) -> Callable[..., mp.mpf]:
    """The derivative by a central difference; the references have 35 digits."""

    def by_difference(*args: mp.mpf) -> mp.mpf:
        step = args[argument] * mp.mpf("1e-10")
        up, down = ([*args[:argument], args[argument] + s, *args[argument + 1 :]] for s in (step, -step))
        return (f(*up) - f(*down)) / (2 * step)

    return by_difference


def slope_of_lower_tail(tails: Callable[..., tuple[mp.mpf, mp.mpf]], argument: int = 0) -> Callable[..., mp.mpf]:
    """The derivative of the lower tail, taken of the upper one where that is smaller."""

    def by_difference(*args: mp.mpf) -> mp.mpf:
        lower, upper = tails(*args)
        if lower < upper:
            return slope(lambda *args: tails(*args)[0], argument)(*args)
        return -slope(lambda *args: tails(*args)[1], argument)(*args)

    return by_difference


def curvature_of_lower_tail(tails: Callable[..., tuple[mp.mpf, mp.mpf]], argument: int = 0) -> Callable[..., mp.mpf]:
    """The second derivative of the lower tail, by the rule of `slope_of_lower_tail`."""
    return lambda *args: slope(slope_of_lower_tail(tails, argument), argument)(*args)


def slope_of_quantile(
    quantile: Callable[..., mp.mpf],
    tails: Callable[..., tuple[mp.mpf, mp.mpf]],
    log_density: Callable[..., mp.mpf],
    argument: int | None = None,
) -> Callable[..., mp.mpf]:
    """The derivative of a quantile in a parameter, -(∂F/∂a) / p, or in the probability, 1 / p."""

    def at_quantile(*args: mp.mpf) -> mp.mpf:
        *shape, _ = args
        x = quantile(*args)
        numerator = mp.mpf(1) if argument is None else -slope_of_lower_tail(tails, argument)(*shape, x)
        return numerator / mp.exp(log_density(*shape, x))

    return at_quantile


def continued_fraction(terms: Callable[[int], tuple[mp.mpf, mp.mpf]]) -> mp.mpf:
    """b_0 + a_1/(b_1 + a_2/(b_2 + ...)) by Lentz's method; ``terms(i)`` = a_i, b_i, and a_0 is not used."""
    tiny = mp.mpf(10) ** -400
    _, value = terms(0)
    value = c = value or tiny
    d, i = mp.mpf(0), 0
    while True:
        i += 1
        a, b = terms(i)
        d = 1 / (b + a * d or tiny)
        c = b + a / c or tiny
        value *= c * d
        if abs(c * d - 1) < mp.mpf(10) ** -38:
            return value


def log_gamma_density(a: mp.mpf, x: mp.mpf) -> mp.mpf:
    return (a - 1) * mp.log(x) - x - mp.loggamma(a)


def gamma_tails(a: mp.mpf, x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """P and Q: the power series below the mean, Legendre's continued fraction above."""
    power = mp.exp(log_gamma_density(a, x)) * x
    if x < max(a, mp.mpf("1.5")):
        term = total = 1 / a
        k = 0
        while term > total * mp.mpf(10) ** -38:
            k += 1
            term *= x / (a + k)
            total += term
        return power * total, 1 - power * total
    q = power / continued_fraction(lambda i: (-i * (i - a), x + 2 * i + 1 - a))
    return 1 - q, q


def log_beta_density(a: mp.mpf, b: mp.mpf, x: mp.mpf) -> mp.mpf:
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    return (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - log_beta


def beta_tails(a: mp.mpf, b: mp.mpf, x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """Both tails by Gauss's continued fraction, which converges below the mean."""
    if x * (a + b + 2) > a + 1:
        return beta_tails(b, a, 1 - x)[::-1]

    def terms(i: int) -> tuple[mp.mpf, mp.mpf]:
        m = i // 2
        if i % 2:
            return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), mp.mpf(1)
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), mp.mpf(1)

    with mp.workdps(50):
        p = mp.exp(log_beta_density(a, b, x)) * x * (1 - x) / a / continued_fraction(terms)
    return p, 1 - p


def inverse(
    tails: Callable[..., tuple[mp.mpf, mp.mpf]],
    log_density: Callable[..., mp.mpf],
    start: Callable[..., float],
    *,
    upper: bool = False,
    odds: bool = False,
) -> Callable[..., mp.mpf]:
    """x with a given lower (or upper) tail: Newton on the logarithm of the smaller tail, from SciPy's value.

    In log x, or (for x < 1) in the log odds.
    """

    def solve(*args: mp.mpf) -> mp.mpf:
        *shape, p = args
        side = int(upper)
        if p > 0.5:
            side, p = 1 - side, 1 - p
        x = min(max(mp.mpf(start(*map(float, args))), mp.mpf(10) ** -300), 1 - mp.mpf(10) ** -16 if odds else mp.inf)
        for _ in range(200):
            tail = tails(*shape, x)[side]
            rate = mp.exp(log_density(*shape, x)) * x * (1 - x if odds else 1) / tail * (-1 if side else 1)
            factor = mp.exp(-max(min(mp.log(tail / p) / rate, 2), -2))
            x = x * factor / (1 - x + x * factor) if odds else x * factor
            if abs(factor - 1) < mp.mpf(10) ** -20:
                break
        return x

    return solve


def log_bessel(v: mp.mpf, x: mp.mpf) -> mp.mpf:
    return mp.log(mp.besseli(v, x))


def log_bessel_curvature(v: mp.mpf, x: mp.mpf) -> mp.mpf:
    """By Bessel's equation, I'' = (1 + v²/x²) I - I'/x."""
    slope = mp.besseli(v + 1, x) / mp.besseli(v, x) + v / x
    return 1 + (v / x) ** 2 - slope / x - slope**2


def owens_t(h: mp.mpf, a: mp.mpf) -> mp.mpf:
    def integrand(angle: mp.mpf) -> mp.mpf:  # t = tan(angle)
        return mp.exp(-h * h / (2 * mp.cos(angle) ** 2))

    return mp.quad(integrand, mp.linspace(0, mp.atan(a), 7)) / (2 * mp.pi)


# ---- the table -------------------------------------------------------------------------------------------------------

gamma_quantile = inverse(gamma_tails, log_gamma_density, scipy.special.gammaincinv)
gamma_upper_quantile = inverse(gamma_tails, log_gamma_density, scipy.special.gammainccinv, upper=True)
beta_quantile = inverse(beta_tails, log_beta_density, scipy.special.betaincinv, odds=True)
QUANTILE_SHAPES = spread(-1.5, 5, 120, seed=13)

CASES = {
    "lgamma": Case(special.lgamma, mp.loggamma, (POSITIVE,), (2.0, 2.0)),
    "lgamma, beside its zeros": Case(
        special.lgamma, mp.loggamma, (join(*(c + s * spread(-6, -1) for c in (1, 2) for s in (-1, 1))),),
        (3.0, 3.0), "relative",
    ),
    "lgamma, small": Case(special.lgamma, mp.loggamma, (between(0.001, 5),), (2.6, 3.2), "relative"),
    "lgamma'": Case(derivative(special.lgamma), mp.digamma, (POSITIVE,), (2.0, 2.0)),
    "lgamma''": Case(derivative(special.lgamma, 2), psi(1), (POSITIVE_MILD,), (6.0, 200.0), "relative"),
    "digamma": Case(special.digamma, mp.digamma, (POSITIVE,), (2.5, 2.5)),
    "digamma'": Case(derivative(special.digamma), psi(1), (POSITIVE_MILD,), (2.0, 8.0), "relative"),
    "trigamma": Case(special.trigamma, psi(1), (POSITIVE_MILD,), (2.5, 2.5), "relative"),
    "trigamma'": Case(derivative(special.trigamma), psi(2), (between(0.01, 50),), (4.0, 30.0), "relative"),
    "betaln": Case(special.betaln, lambda a, b: mp.log(mp.beta(a, b)), PAIRS, (7.0, 7.0)),
    "betaln, d/da": Case(
        derivative(special.betaln), lambda a, b: mp.digamma(a) - mp.digamma(a + b),
        (between(0.1, 100), between(0.1, 100)[::-1]), (12.0, 40.0),
    ),
    "log_binomial": Case(special.log_binomial, lambda n, k: mp.log(mp.binomial(n, k)), COUNTS, (16.0, 16.0)),
    "log_ndtr": Case(special.log_ndtr, log_cdf, (REAL,), (3.0, 3.0)),
    "log_ndtr, relative": Case(special.log_ndtr, log_cdf, (between(-10, 9),), (50.0, 50.0), "relative"),
    "log_ndtr'": Case(derivative(special.log_ndtr), hazard, (REAL[REAL < 12.5],), (50.0, 50.0), "relative"),
    "log_ndtr''": Case(
        derivative(special.log_ndtr, 2), lambda x: -hazard(x) * (hazard(x) + x), (between(-10, 6),), (300.0, 180.0)
    ),
    "ndtr": Case(special.ndtr, mp.ncdf, (between(-12, 12),), (70.0, 70.0), "relative"),
    "ndtri": Case(
        special.ndtri, lambda p: quantile(mp.log(p)), (join(between(1e-5, 1 - 1e-5), spread(-37, -1)),), (3.0, 3.0)
    ),
    "ndtri_exp": Case(special.ndtri_exp, quantile, (LOG_P,), (3.5, 3.5)),
    "ndtri'": Case(
        derivative(special.ndtri), lambda p: 1 / mp.npdf(quantile(mp.log(p))), (between(1e-4, 1 - 1e-4),), (12.0, 9.0),
        "relative",
    ),
    "ndtri_exp'": Case(
        derivative(special.ndtri_exp), lambda v: 1 / hazard(quantile(v)), (LOG_P,), (60.0, 60.0), "relative"
    ),
    "erfc": Case(special.erfc, mp.erfc, (between(-5, 9, 200),), (3.0, 3.0), "tail"),
    "erfc'": Case(
        derivative(special.erfc), lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x), (between(-5, 9, 200),),
        (6.0, 6.0), "tail",
    ),
    "erfcx": Case(
        special.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), (join(between(-5, 9, 200), spread(-3, 10)),),
        (4.0, 4.0), "tail",
    ),
    "erfcx'": Case(
        derivative(special.erfcx), lambda x: 2 * x * mp.exp(x * x) * mp.erfc(x) - 2 / mp.sqrt(mp.pi),
        (join(between(-3, 9, 200), spread(-3, 3)),), (25.0, 30.0),
    ),
    "log_erfc": Case(special.log_erfc, lambda x: mp.log(mp.erfc(x)), (join(between(-5, 9), spread(-5, 4)),), (3.0, 3.0)),
    "gammainc": Case(special.gammainc, lambda a, x: gamma_tails(a, x)[0], GAMMA_POINTS, (5.0, 9.0), "tail"),
    "gammaincc": Case(special.gammaincc, lambda a, x: gamma_tails(a, x)[1], GAMMA_POINTS, (4.0, 12.0), "tail"),
    "gammainc, d/da": Case(
        derivative(special.gammainc), slope_of_lower_tail(gamma_tails), GAMMA_POINTS, (3.0, 7.0), "tail"
    ),
    "gammainc, d/dx": Case(
        derivative(special.gammainc, 1, 1), lambda a, x: mp.exp(log_gamma_density(a, x)), GAMMA_POINTS,
        (3.0, 3.0), "tail",
    ),
    "gammainc, d²/da²": Case(
        derivative(special.gammainc, 2), curvature_of_lower_tail(gamma_tails), GAMMA_POINTS, (4.0, 16.0)
    ),
    "gammainc, d²/dx²": Case(
        derivative(special.gammainc, 2, 1), lambda a, x: mp.exp(log_gamma_density(a, x)) * ((a - 1) / x - 1),
        tuple(p[:180] for p in GAMMA_POINTS), (5.0, 4.0),
    ),
    "gammaincinv": Case(
        special.gammaincinv, gamma_quantile, (QUANTILE_SHAPES, PROBABILITIES), (2.0, 2.0), "quantile"
    ),
    "gammainccinv": Case(
        special.gammainccinv, gamma_upper_quantile, (QUANTILE_SHAPES, PROBABILITIES), (2.0, 2.5), "quantile"
    ),
    "gammaincinv, d/da": Case(
        derivative(special.gammaincinv), slope_of_quantile(gamma_quantile, gamma_tails, log_gamma_density, 0),
        (QUANTILE_SHAPES, PROBABILITIES), (80.0, 220.0), "relative",
    ),
    "gammaincinv, d/dp": Case(
        derivative(special.gammaincinv, 1, 1), slope_of_quantile(gamma_quantile, gamma_tails, log_gamma_density),
        (np.maximum(QUANTILE_SHAPES, 0.5), np.maximum(PROBABILITIES, 1e-12)), (2.0, 5.0), "tail",
    ),
    "betainc": Case(special.betainc, lambda a, b, x: beta_tails(a, b, x)[0], BETA_POINTS, (7.0, 16.0), "tail"),
    "betaincc": Case(special.betaincc, lambda a, b, x: beta_tails(a, b, x)[1], BETA_POINTS, (6.0, 16.0), "tail"),
    "betainc, d/da": Case(
        derivative(special.betainc), slope_of_lower_tail(beta_tails), BETA_POINTS, (8.0, 16.0), "tail"
    ),
    "betainc, d/db": Case(
        derivative(special.betainc, 1, 1), slope_of_lower_tail(beta_tails, 1), BETA_POINTS,
        (10.0, 20.0), "tail",
    ),
    "betainc, d/dx": Case(
        derivative(special.betainc, 1, 2), lambda a, b, x: mp.exp(log_beta_density(a, b, x)), BETA_POINTS,
        (20.0, 8.0), "tail",
    ),
    "betainc, d²/da²": Case(
        derivative(special.betainc, 2), curvature_of_lower_tail(beta_tails), BETA_POINTS, (9.0, 24.0)
    ),
    "betaincinv": Case(
        special.betaincinv, beta_quantile, (QUANTILE_SHAPES, QUANTILE_SHAPES[::-1], PROBABILITIES), (3.0, 4.0),
        "quantile",
    ),
    "betaincinv, d/da": Case(
        derivative(special.betaincinv), slope_of_quantile(beta_quantile, beta_tails, log_beta_density, 0),
        (QUANTILE_SHAPES, QUANTILE_SHAPES[::-1], PROBABILITIES), (4.0, 12.0),
    ),
    "betaincinv, d/dp": Case(
        derivative(special.betaincinv, 1, 2), slope_of_quantile(beta_quantile, beta_tails, log_beta_density),
        (np.maximum(QUANTILE_SHAPES, 0.5), np.maximum(QUANTILE_SHAPES, 0.5)[::-1], np.maximum(PROBABILITIES, 1e-12)), (15.0, 20.0), "tail",
    ),
    "log_i0": Case(special.log_i0, lambda x: log_bessel(0, x), (join(spread(-6, 6), between(0, 40)),), (2.0, 2.0), "relative"),
    "log_i0'": Case(
        derivative(special.log_i0), lambda x: mp.besseli(1, x) / mp.besseli(0, x), (join(spread(-6, 6), between(0, 40)),),
        (3.0, 4.0), "relative",
    ),
    "log_i0e": Case(special.log_i0e, lambda x: log_bessel(0, x) - x, (join(spread(-6, 6), between(0, 40)),), (2.0, 4.0)),
    "log_i1": Case(special.log_i1, lambda x: log_bessel(1, x), (join(spread(-6, 6), between(0, 40)),), (2.0, 2.0)),
    "log_i1e": Case(special.log_i1e, lambda x: log_bessel(1, x) - x, (join(spread(-6, 6), between(0, 40)),), (2.0, 4.0)),
    "bessel_ratio": Case(
        special.bessel_ratio, lambda x: mp.besseli(1, x) / mp.besseli(0, x), (join(spread(-6, 6), between(0, 40)),),
        (3.0, 4.0), "relative",
    ),
    "bessel_ratio'": Case(
        derivative(special.bessel_ratio), slope(lambda x: mp.besseli(1, x) / mp.besseli(0, x)),
        (join(spread(-6, 6), between(0.01, 40)),), (3.0, 4.0),
    ),
    "log_iv": Case(special.log_iv, log_bessel, BESSEL_POINTS, (12.0, 60.0)),
    "log_ive": Case(special.log_ive, lambda v, x: log_bessel(v, x) - x, BESSEL_POINTS, (12.0, 60.0)),
    "log_ive, d/dx": Case(
        derivative(special.log_ive, 1, 1),
        lambda v, x: mp.besseli(v + 1, x) / mp.besseli(v, x) + v / x - 1, BESSEL_POINTS, (3.0, 4.0),
    ),
    "log_ive, d²/dx²": Case(
        derivative(special.log_ive, 2, 1), log_bessel_curvature, BESSEL_POINTS, (5.0, 6.0)
    ),
    "log_ive, d/dv": Case(
        derivative(special.log_ive), lambda v, x: mp.diff(lambda v: log_bessel(v, x), v, h=mp.mpf("1e-12")),
        BESSEL_POINTS, (4.0, 8.0),
    ),
    "owens_t": Case(special.owens_t, owens_t, OWENS_POINTS, (2.0, 2.0), "tail"),
    "owens_t, d/da": Case(
        derivative(special.owens_t, 1, 1),
        lambda h, a: mp.exp(-h * h * (1 + a * a) / 2) / (1 + a * a) / (2 * mp.pi), OWENS_POINTS, (1.0, 1.0),
    ),
    "owens_t, d/dh": Case(
        derivative(special.owens_t),
        lambda h, a: -mp.npdf(h) * mp.erf(a * h / mp.sqrt(2)) / 2, OWENS_POINTS, (1.0, 1.0),
    ),
    "log1mexp": Case(special.log1mexp, lambda x: mp.log(-mp.expm1(-x)), (spread(-20, 1.9, 150),), (1.0, 1.0)),
    "log1mexp, relative": Case(
        special.log1mexp, lambda x: mp.log(-mp.expm1(-x)), (between(1, 12),), (12.0, 12.0), "relative"
    ),
    "log1mexp'": Case(
        derivative(special.log1mexp), lambda x: 1 / mp.expm1(x), (spread(-10, 1.9, 150),), (1.5, 1.5), "tail"
    ),
    "logdiffexp": Case(
        special.logdiffexp, lambda a, b: a + mp.log(-mp.expm1(b - a)), (between(-5, 5), between(-5, 5) - spread(-3, 2, 100)),
        (2.0, 2.0),
    ),
    "softplus": Case(special.softplus, lambda x: mp.log1p(mp.exp(x)), (between(-80, 80),), (1.0, 1.0)),
    "softplus, relative": Case(
        special.softplus, lambda x: mp.log1p(mp.exp(x)), (between(-80, 80),), (40.0, 40.0), "relative"
    ),
    "log_sigmoid": Case(special.log_sigmoid, lambda x: -mp.log1p(mp.exp(-x)), (between(-80, 80),), (1.0, 1.0)),
    "exp, large arrays": Case(of_many(elementary.exp), mp.exp, (between(-87, 88),), (1.5, 40.0), "relative"),
    "expm1, large arrays": Case(
        of_many(elementary.expm1), mp.expm1, (join(between(-20, 20), spread(-20, 0), -spread(-20, 0)),), (2.0, 2.0),
        "relative",
    ),
    "log1p, large arrays": Case(
        of_many(elementary.log1p), mp.log1p, (join(spread(-30, 30), -spread(-20, -0.01)),), (2.0, 2.0), "relative"
    ),
    "exp, large arrays, d^3": Case(
        derivative(of_many(elementary.exp), 3), mp.exp, (between(-80, 80),), (3.0, 40.0), "relative"
    ),
    "log1p, large arrays, d/dx": Case(
        derivative(of_many(elementary.log1p)), lambda x: 1 / (1 + x), (spread(-30, 10),), (2.0, 2.0), "relative"
    ),
    "log1mexp, large arrays": Case(
        of_many(special.log1mexp), lambda x: mp.log1p(-mp.exp(-x)) if x > 1 else mp.log(-mp.expm1(-x)), (join(spread(-20, 1.9, 150), between(0.3, 3)),),
        (3.0, 40.0), "relative",
    ),
    "log1mexp, large arrays, d/dx": Case(
        derivative(of_many(special.log1mexp)), lambda x: 1 / mp.expm1(x), (spread(-10, 1.9, 150),), (1.5, 1.5), "tail"
    ),
    "softplus, large arrays": Case(
        of_many(special.softplus), lambda x: mp.log1p(mp.exp(x)), (between(-80, 80),), (3.0, 40.0), "relative"
    ),
    "softplus, large arrays, d^2": Case(
        derivative(of_many(special.softplus), 2), lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2, (join(between(-30, 30), np.zeros(1)),), (2.0, 2.0), "tail"
    ),
    "logit": Case(
        special.logit, lambda p: mp.log(p) - mp.log1p(-p), (join(between(0, 0.999), spread(-30, -1)),), (1.0, 1.0)
    ),
}  # fmt: skip


# ---- the page --------------------------------------------------------------------------------------------------------

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "accuracy.md"

HEADER = """# Accuracy of the special functions

Errors of `gm.special` and of its derivatives, measured against mpmath with 40 digits, on the CPU. This page is written
by `python tests/numerics/accuracy.py`; the tests hold every row to its limit.

The unit is one rounding error, 1.2e-7 in float32 and 2.2e-16 in float64, times a size:

* *absolute*: the larger one of 1 and the value;
* *relative*: the value;
* *tail*: |f| (1 + |log f|), for a small probability is the exponential of a number that has to be rounded;
* *quantile*: what an error of that size in the probability does to x, and the rounding of x.

Points are spread over the domain, on a logarithmic scale where it is wide, and lie close where the function is hard:
beside zeros, at the seams of its formulas, in the centre of a law and far out in its tails.

MLX sets some of these limits: `mx.exp` loses 0.3 units for each unit of its argument (57 at -77, and 0 below -87.3) and
has float32 accuracy in float64, where `gm.special` goes around it.
"""


def page() -> str:
    """The measured errors as a page in Markdown: values, then derivatives."""
    values = {name: case for name, case in CASES.items() if not is_derivative(name)}
    derivatives = {name: case for name, case in CASES.items() if is_derivative(name)}
    return "\n".join([HEADER, "## Values", "", *_table(values), "", "## Derivatives", "", *_table(derivatives), ""])


def is_derivative(name: str) -> bool:
    return name.endswith("'") or ", d" in name


def _table(cases: dict[str, Case]) -> list[str]:
    rows = [
        "| function | points | unit | float32: largest | median | limit | float64: largest | median | limit |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, case in cases.items():
        cells = [f"`{name}`", _domain(case.points), case.unit]
        for precision, bound in zip(PRECISIONS, case.bounds, strict=True):
            e = errors(case, precision)
            cells += [f"{e.max():.1f}", f"{np.median(e):.2f}", f"{bound:g}"]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def _domain(points: tuple[np.ndarray, ...]) -> str:
    return " × ".join(f"[{p.min():.3g}, {p.max():.3g}]" for p in points)


def committed() -> dict[str, tuple[float, ...]]:
    """The rows of the page: the name of a case to its numbers."""
    rows = [line.strip("|\n ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): tuple(map(float, row[3:])) for row in rows}


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
