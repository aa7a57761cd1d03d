"""A family as the battery sees it: parameters, an oracle, and the values at which the two are compared."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from genmlx.core.distribution import Distribution

__all__ = ["Case", "Oracle", "Point", "as_array", "as_float64"]

Point = tuple[Any, ...]
"""Parameters in the order of the family: Python numbers, nested lists for parameters with event axes."""


class Oracle:
    """An oracle of one's own, with the names of a frozen scipy distribution; constants are given as numbers.

    ``Oracle(logpdf=..., cdf=..., mean=1.0)``. Functions take one value and are applied value by value.
    """

    def __init__(self, *, event_ndim: int = 0, **functions: Any) -> None:
        self._event_ndim, self._functions = event_ndim, functions

    def __getattr__(self, name: str) -> Callable[..., Any]:
        functions = self.__dict__.get("_functions", {})
        if name not in functions:
            raise AttributeError(name)
        f = functions[name]
        if not callable(f):
            return lambda: f
        return f if self._event_ndim else np.vectorize(f, otypes=[np.float64])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One family (or one parameterisation of it) with all that the battery needs.

    Attributes:
        family: the public instance.
        points: parameter tuples in the domain. The battery uses each in three shapes: as given (Python numbers), as
            0-d arrays, and all points that have the shapes of the first one stacked.
        oracle: float64 parameters to a frozen scipy distribution, or an `Oracle`. Names used: ``logpdf`` or ``logpmf``
            (of one draw, if there are event axes), ``cdf``, ``ppf``, ``mean``, ``var``, ``entropy``.
        grid: parameters to values: tails, edges of the support, both sides of an edge. The oracle is right about all.
        outside: parameters to values with log density exactly -inf, whatever the oracle thinks. For numbers the
            battery adds -inf and +inf, and NaN, where the log density must not be finite.
        invalid: parameter name to points at which this parameter is outside its domain (and no earlier one is).
        smooth: parameters to values at which gradients are compared; default: draws.
        gradients: which gradients are compared with finite differences of the oracle; "x" is the value. Default: x for
            continuous families, and every number-valued, continuous parameter.
        pathwise: those of the family's ``pathwise`` in which a draw is the quantile function of one uniform number:
            it has the gradient -(dF/dparameter) / p(x) itself, not only in expectation.
        gof: whether draws are compared with the oracle's cdf (Kolmogorov-Smirnov) or pmf (chi-square).
        moments: at which points the fourth moment is finite (and small enough for 20,000 draws to say something).
        statistics: for families with event axes: name to (function of the draws, parameters to a scalar scipy
            distribution that the function's values follow).
        undefined: "mean" or "variance", if the family raises because there is none.
        sampler: False for improper families.
        rtol, atol, gradient_rtol: other tolerances than those of the suite, and ``reason``, why.
        quantile_atol: how far the probability at a quantile may be from its level, for the same ``reason``.
        name: of the test; default: the family's.
    """

    family: Distribution
    points: Sequence[Point]
    oracle: Callable[..., Any]
    grid: Callable[..., Any]
    outside: Callable[..., Any] = lambda *_: []
    invalid: Mapping[str, Sequence[Point]] = dataclasses.field(default_factory=dict)
    smooth: Callable[..., Any] | None = None
    gradients: Sequence[str] | None = None
    pathwise: Sequence[str] = ()
    gof: bool = True
    moments: Callable[..., bool] = lambda *_: True
    statistics: Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[..., Any]]] = dataclasses.field(
        default_factory=dict
    )
    undefined: Sequence[str] = ()
    sampler: bool = True
    rtol: float | None = None
    atol: float | None = None
    gradient_rtol: float | None = None
    quantile_atol: float = 3e-7
    reason: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        usual = (self.rtol, self.atol, self.gradient_rtol, self.quantile_atol) == (None, None, None, 3e-7)
        assert usual or self.reason, "a tolerance needs a reason"
        assert len(self.stackable) >= 2, "two points of one shape are needed for batches"
        if not self.name:
            object.__setattr__(self, "name", self.family.name)

    @property
    def stackable(self) -> list[Point]:
        """The points with the shapes of the first one."""
        shapes = [[np.shape(p) for p in point] for point in self.points]
        return [point for point, s in zip(self.points, shapes, strict=True) if s == shapes[0]]

    def stacked(self, points: Sequence[Point]) -> tuple[mx.array, ...]:
        """Points as one batch: each parameter with a leading axis."""
        return tuple(as_array(list(column)) for column in zip(*points, strict=True))

    def at(self, point: Point) -> Any:
        """The oracle at the parameters that float32 holds."""
        return self.oracle(*(as_float64(p) for p in point))

    def values(self, make: Callable[..., Any], point: Point) -> mx.array:
        """Values for a point, as float32 (integers for integers)."""
        return as_array(make(*(as_float64(p) for p in point)))

    def expected(self, x: mx.array, point: Point) -> np.ndarray:
        """The oracle's log density of each draw."""
        oracle = self.at(point)
        log_density = oracle.logpmf if hasattr(oracle, "logpmf") else oracle.logpdf
        xs = np.asarray(x, dtype=np.float64)
        if not self.family.event_ndim:
            return np.asarray(log_density(xs))
        flat = xs.reshape(-1, *xs.shape[xs.ndim - self.family.event_ndim :])
        return np.array([float(log_density(draw)) for draw in flat]).reshape(
            xs.shape[: xs.ndim - self.family.event_ndim]
        )

    def smooth_values(self, point: Point, key: mx.array) -> mx.array:
        """Values at which the log density is differentiable."""
        if self.smooth is not None:
            return self.values(self.smooth, point)
        return self.family(*point).sample(key=key, shape=(8,))

    def compared_gradients(self) -> list[str]:
        """The names of the gradients that are compared."""
        if self.gradients is not None:
            return list(self.gradients)
        names = [n for n, d in self.family.params.items() if not d.event_ndim and not d.discrete]
        return names if self.family.discrete else ["x", *names]


def as_array(x: Any) -> mx.array:
    """As MLX array: float32, or int32 for integers."""
    a = np.asarray(x)
    return mx.array(a.astype(np.int32 if np.issubdtype(a.dtype, np.integer) else np.float32))


def as_float64(p: Any) -> Any:
    """What the oracle gets: the float32 value, as float64; integers as they are."""
    if isinstance(p, int):
        return p
    a = np.asarray(p)
    a = a if np.issubdtype(a.dtype, np.integer) else a.astype(np.float32).astype(np.float64)
    return a if a.ndim else a.item()
