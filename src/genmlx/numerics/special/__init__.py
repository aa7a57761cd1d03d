"""Special functions that MLX lacks: the gamma family, the normal tails, logarithms that do not cancel.

Each function is a plain composition of MLX operations, so that ``mx.grad`` (to any order), ``mx.vmap``,
``mx.compile`` and ``mx.export_function`` see through it. Gradients are those of the approximations, which is why the
polynomials below have a few terms more than their values need. Inputs are float32 (Python numbers and integers
become float32) or float64; the tables hold one row for each.

Three traps shape the code. ``mx.where`` evaluates both branches, so the one not selected gets a harmless argument.
``mx.minimum(x, c)`` and ``mx.maximum(x, c)`` pass no gradient to ``x`` where ``x == c``, so a clip that protects a
branch is placed beyond the point where the branch is left; ``mx.abs`` has slope 0 at 0, so it is not used. And under
``mx.vmap`` the operators ``&``, ``|``, ``^`` go wrong if one side has no batch axis: ``mx.logical_and`` does not.

The largest errors against mpmath, of values and derivatives, are measured in docs/accuracy.md; most are a few units in
the last place of max(|f|, 1).

MLX sets these limits: ``mx.exp`` loses 0.3 ulp for each unit of ``|x|`` (57 ulp at -77, and 0 below -87.3) and has
float32 accuracy in float64, as have ``mx.erf``, ``mx.erfinv``, ``mx.logaddexp``, ``mx.sigmoid``, ``mx.sin``
(``elementary.exp`` goes around it, in float32 for large arrays); ``mx.erf`` is absolute only (0 below 1e-8). ``log``,
``log1p``, ``expm1`` are within 1 ulp.
"""

from genmlx.numerics.special.bessel import bessel_ratio, log_i0, log_i0e, log_i1, log_i1e, log_iv, log_ive
from genmlx.numerics.special.common import HALF_LOG_2PI as HALF_LOG_2PI
from genmlx.numerics.special.common import LOG_2 as LOG_2
from genmlx.numerics.special.common import promote as promote
from genmlx.numerics.special.gamma import betaln, digamma, lgamma, log_binomial, trigamma
from genmlx.numerics.special.gamma import binet as binet
from genmlx.numerics.special.incomplete_beta import betainc, betaincc, betaincinv
from genmlx.numerics.special.incomplete_gamma import gammainc, gammaincc, gammainccinv, gammaincinv
from genmlx.numerics.special.logs import log1mexp, log_sigmoid, logdiffexp, logit, softplus, xlog1py, xlogy
from genmlx.numerics.special.logs import logsumexp as logsumexp
from genmlx.numerics.special.normal import _log_scaled_tail as _log_scaled_tail
from genmlx.numerics.special.normal import erfc, erfcx, log_erfc, log_ndtr, ndtr, ndtri, ndtri_exp
from genmlx.numerics.special.owens import owens_t

__all__ = [
    "bessel_ratio",
    "betainc",
    "betaincc",
    "betaincinv",
    "betaln",
    "digamma",
    "erfc",
    "erfcx",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "lgamma",
    "log1mexp",
    "log_binomial",
    "log_erfc",
    "log_i0",
    "log_i0e",
    "log_i1",
    "log_i1e",
    "log_iv",
    "log_ive",
    "log_ndtr",
    "log_sigmoid",
    "logdiffexp",
    "logit",
    "ndtr",
    "ndtri",
    "ndtri_exp",
    "owens_t",
    "softplus",
    "trigamma",
    "xlog1py",
    "xlogy",
]
