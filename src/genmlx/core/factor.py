"""Factors: log densities that belong to no choice.

A factor adds to the score of a model, as an observation would. It is never resampled, so it counts as retained in
every weight: `generate` weighs it, and `regenerate` weighs its change whatever is selected. `project` counts it where
its address is selected.
"""

from typing import Any

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.address import as_path
from genmlx.core.choicemap import EMPTY, ChoiceMap
from genmlx.core.diff import NoChange
from genmlx.core.gfi import Call, GenerativeFunction, zero
from genmlx.core.selection import Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics.errors import ConstraintError, ShapeError, UsageError
from genmlx.numerics.pytree import record
from genmlx.numerics.types import Array, Key

__all__ = ["FactorTrace", "factor"]


@record(lambda t: ((t.gen_fn, t.args, t.score), None), lambda _, children: FactorTrace(*children))
class FactorTrace(Trace):
    """The trace of a factor: a score without choices."""

    __slots__ = ()

    def __init__(self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, score: Array) -> None:
        super().__init__(gen_fn, args, None, score)

    @property
    def choices(self) -> ChoiceMap:
        return EMPTY

    def factor_score(self) -> Array:
        return self.score

    def with_args(self, args: tuple[Any, ...] | None) -> "FactorTrace":
        return FactorTrace(self.gen_fn, args, self.score)


class _Factor(GenerativeFunction):
    """The generative function without choices whose score is its argument."""

    name = "factor"

    def simulate(self, key: Key, args: tuple[Any, ...]) -> FactorTrace:
        (log_density,) = args
        score = log_density if isinstance(log_density, mx.array) else mx.array(float(log_density))
        if score.ndim:
            raise ShapeError(f"a factor is one log density (shape ()), found shape {score.shape}", fix="mx.sum(...)")
        return FactorTrace(self, args, score)

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        self._no_choices(constraints)
        trace = self.simulate(key, args)
        return GenerateResult(trace, trace.score)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        self._no_choices(choices)
        return AssessResult(self.simulate(mx.zeros(2, mx.uint32), args).score, None)

    def project(self, trace: Trace, selection: Selection) -> Array:
        return trace.score if selection.here else zero

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        self._no_choices(constraints)
        new = self.simulate(key, args)
        return UpdateResult(new, new.score - trace.score, EMPTY, NoChange)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        new = self.simulate(key, args)
        return RegenerateResult(new, new.score - trace.score, NoChange)

    def _no_choices(self, constraints: ChoiceMap) -> None:
        if not constraints.is_empty:
            raise ConstraintError("a factor has no choice to constrain", fix="a distribution, to observe a value")


_factor = _Factor()


def factor(address: Any, log_density: Any) -> None:
    """Add a log density to the score of the running model.

    Args:
        address: the address of the factor, for `project` and error messages.
        log_density: a number or 0-d array.

    Example:
        >>> from genmlx import gen, normal, factor
        >>> @gen
        ... def tilted():
        ...     x = normal(0.0, 1.0) @ "x"
        ...     factor("tilt", 0.5 * x)
        >>> tilted().assess({"x": 1.0}).weight.item()  # log N(1; 0, 1) + 0.5
        -0.9189...
    """
    running = execution.current()
    if running is None:
        raise UsageError(
            "gm.factor adds to the score of a running model, and none is running", fix="call it inside a @gen function"
        )
    running.call(as_path(address), Call(_factor, (log_density,)))
