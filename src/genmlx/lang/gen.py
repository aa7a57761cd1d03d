"""`@gen`: a Python function as a generative function.

The body runs as ordinary Python under a handler for each method of the interface (`genmlx.lang.handlers`): any
control flow, recursion, closures, calls of other generative functions. This is the readable path, and the ground
truth for every faster one.
"""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any

from genmlx.core.address import Path
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.diff import UnknownChange
from genmlx.core.gfi import GenerativeFunction, as_arguments, unchanged_result, zero
from genmlx.core.selection import NONE, Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.lang.handlers.assess import Assess
from genmlx.lang.handlers.generate import Generate
from genmlx.lang.handlers.regenerate import Regenerate
from genmlx.lang.handlers.simulate import Simulate
from genmlx.lang.handlers.update import Update
from genmlx.lang.runtime import Run, run
from genmlx.lang.trace import CallTrace, _tree
from genmlx.numerics.errors import ConstraintError, UsageError, format_path
from genmlx.numerics.pytree import record
from genmlx.numerics.types import Array, Key

__all__ = ["GenFunction", "Keywords", "gen"]


@record(lambda k: (tuple(k.values()), tuple(k)), lambda names, values: Keywords(zip(names, values, strict=True)))
class Keywords(dict[str, Any]):
    """Keyword-only arguments, as the last of the canonical arguments."""


class GenFunction(GenerativeFunction):
    """A model written as a Python function; made by `gen`."""

    def __init__(self, function: Callable[..., Any], instance: Any = None) -> None:
        functools.update_wrapper(self, function)
        self.function, self.instance = function, instance
        self.name = getattr(function, "__name__", "gen")
        parameters = list(inspect.signature(function).parameters.values())
        self._signature = inspect.signature(function).replace(parameters=parameters[0 if instance is None else 1 :])
        kinds = [p.kind for p in self._signature.parameters.values()]
        plain = all(
            kind is inspect.Parameter.POSITIONAL_OR_KEYWORD or kind is inspect.Parameter.POSITIONAL_ONLY
            for kind in kinds
        )
        self._arity = len(kinds) if plain else -1  # -1: a signature that only inspect can bind

    def __get__(self, instance: Any, owner: type | None = None) -> "GenFunction":
        """The model as a method."""
        return self if instance is None else GenFunction(self.function, instance)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if not kwargs and len(args) == self._arity:
            return as_arguments(args)
        if args and isinstance(args[-1], Keywords):
            args, kwargs = args[:-1], args[-1] | kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(f"{self.name}{self._signature}: {error}", fix="arguments that fit the signature") from None
        bound.apply_defaults()
        positional = as_arguments(bound.args)
        if not bound.kwargs:
            return positional
        return (*positional, Keywords(zip(bound.kwargs, as_arguments(tuple(bound.kwargs.values())), strict=True)))

    @property
    def structure_key(self) -> Any:
        return getattr(self.function, "__code__", self.function), self.instance

    def is_unchanged(self, trace: Trace, argdiffs: tuple[Any, ...]) -> bool:
        # A method reads its object, which the model may have changed: it always runs again.
        return self.instance is None and super().is_unchanged(trace, argdiffs)

    def _body(self, *args: Any) -> Any:
        keywords: dict[str, Any] = {}
        if args and isinstance(args[-1], Keywords):
            args, keywords = args[:-1], args[-1]
        if self.instance is not None:
            return self.function(self.instance, *args, **keywords)
        return self.function(*args, **keywords)

    def _run(self, handler: Any, key: Key | None, args: tuple[Any, ...]) -> tuple[Any, Run]:
        return run(handler, key, self.name, self._body, args)

    def _trace(self, args: tuple[Any, ...], retval: Any, execution: Run) -> CallTrace:
        score = zero if execution.score is None else execution.score
        return CallTrace(self, args, retval, score, execution.calls)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> CallTrace:
        return self._trace(args, *self._run(Simulate(), key, args))

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        retval, execution = self._run(Generate(constraints), key, args)
        self._check_used(constraints, execution)
        weight = zero if execution.weight is None else execution.weight
        return GenerateResult(self._trace(args, retval, execution), weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        retval, execution = self._run(Assess(choices), None, args)
        self._check_used(choices, execution)
        return AssessResult(zero if execution.score is None else execution.score, retval)

    def project(self, trace: Trace, selection: Selection) -> Array:
        assert isinstance(trace, CallTrace)
        total = None
        for path, subtrace in trace.calls.items():
            below = selection.below(path)
            if below is not NONE:
                part = subtrace.gen_fn.project(subtrace, below)
                total = part if total is None else total + part
        return zero if total is None else total

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        assert isinstance(trace, CallTrace)
        if constraints.is_empty and self.is_unchanged(trace, argdiffs):
            return unchanged_result(trace)
        retval, execution = self._run(Update(trace.calls, constraints), key, args)
        self._check_used(constraints, execution)
        weight = zero if execution.weight is None else execution.weight
        for path, old in trace.calls.items():
            if path not in execution.calls:
                weight = weight - old.score
                execution.discard[path] = old.choices
        return UpdateResult(self._trace(args, retval, execution), weight, _tree(execution.discard), UnknownChange)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        assert isinstance(trace, CallTrace)
        retval, execution = self._run(Regenerate(trace.calls, selection), key, args)
        weight = zero if execution.weight is None else execution.weight
        for path, old in trace.calls.items():
            vanished = None if path in execution.calls else old.factor_score()
            if vanished is not None:
                weight = weight - vanished
        return RegenerateResult(self._trace(args, retval, execution), weight, UnknownChange)

    def _check_used(self, constraints: ChoiceMap, execution: Run) -> None:
        """Every constraint must have met a choice; calls check their own."""
        unused = _unused(constraints, execution, ())
        if not unused:
            return
        if unused == [()]:
            raise ConstraintError(
                f"a value was given for {self.name}, which is not one choice but a model",
                fix="a dict with values at its addresses: "
                + (", ".join(map(format_path, list(execution.calls)[:8])) or "it has none"),
            )
        known = [format_path(path) for path in execution.calls]
        near = difflib.get_close_matches(format_path(unused[0]), known, n=1)
        names = ", ".join(map(format_path, unused[:5])) + (", ..." if len(unused) > 5 else "")
        raise ConstraintError(
            f"{self.name} made no choice at {names}, for which a value was given",
            fix=(f"did you mean {near[0]}? " if near else "")
            + f"this execution has the addresses {', '.join(known[:8]) or 'none'}{', ...' if len(known) > 8 else ''}",
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenFunction) and self.function is other.function and self.instance is other.instance

    def __hash__(self) -> int:
        return hash((self.function, id(self.instance)))

    def __repr__(self) -> str:
        return f"<gen function {self.name}>"


def _unused(constraints: ChoiceMap, execution: Run, prefix: Path) -> list[Path]:
    if constraints.value is not None:
        return [prefix]
    unused: list[Path] = []
    for component, below in constraints.components():
        path = (*prefix, component)
        if path not in execution.calls:
            unused += _unused(below, execution, path) if path in execution.groups else [path]
    return unused


def gen(function: Any) -> GenFunction:
    """Decorator: a Python function as a generative function.

    In the body, ``call @ address`` makes a random choice or calls another generative function; everything else is
    ordinary Python. Works on functions, methods, nested functions and lambdas.

    Args:
        function: the body; defaults, keywords, ``*args`` and ``**kwargs`` are allowed.

    Returns:
        A generative function: call it with arguments to get what is simulated, conditioned and given to inference.

    Example:
        >>> from genmlx import gen, normal
        >>> @gen
        ... def model(sd):
        ...     mu = normal(0.0, sd) @ "mu"
        ...     return normal(mu, 1.0) @ "x"
        >>> round(model(1.0).assess({"mu": 0.0, "x": 0.0}).weight.item(), 4)  # 2 log N(0; 0, 1)
        -1.8379
    """
    if not callable(function) or isinstance(function, GenerativeFunction | type | staticmethod):
        raise UsageError(
            f"@gen decorates a Python function, found {function!r}",
            fix="@gen directly above def model(...):, below @staticmethod or @classmethod",
        )
    if (
        inspect.isgeneratorfunction(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise UsageError(
            f"{function.__name__} does not run when it is called (it has yield, or is async), so it makes no choices",
            fix="a plain function that returns a list instead of yielding",
        )
    return GenFunction(function)
