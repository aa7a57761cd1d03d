"""Mix: a mixture of generative functions, with the component as a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from genmlx.combinators.switch import Switch
from genmlx.core.choicemap import ChoiceMap, Group, as_value
from genmlx.core.diff import Diff, NoChange, UnknownChange, unchanged
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.selection import Selection, select
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.distributions.categorical import categorical
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, UsageError
from genmlx.numerics.fixed import fixed
from genmlx.numerics.pytree import record
from genmlx.numerics.random import split
from genmlx.numerics.types import Array, Key

__all__ = ["Mix", "MixTrace"]

COMPONENT = "component"


@record(lambda t: ((t.gen_fn, t.args, t.component, t.inner), None), lambda _, children: MixTrace(*children))
class MixTrace(Trace):
    """A component, and its execution.

    Attributes:
        component: the trace of the choice of the component.
        inner: the trace of the switch that runs it.
    """

    __slots__ = ("component", "inner")

    def __init__(
        self, gen_fn: GenerativeFunction, args: tuple[Any, ...] | None, component: Trace, inner: Trace
    ) -> None:
        super().__init__(gen_fn, args, inner.retval, component.score + inner.score)
        self.component, self.inner = component, inner

    @property
    def choices(self) -> ChoiceMap:
        return Group({COMPONENT: self.component.choices}) | self.inner.choices

    def with_args(self, args: tuple[Any, ...] | None) -> MixTrace:
        return MixTrace(self.gen_fn, args, self.component, self.inner)

    def subtraces(self) -> list[tuple[Any, Trace]]:
        return [(COMPONENT, self.component), *self.inner.subtraces()]

    def factor_score(self) -> Array | None:
        return self.inner.factor_score()


class Mix(GenerativeFunction):
    r"""A mixture of generative functions, with the component as a choice: ``Mix(components, log_weights)(*args)``.

    ::

        k = categorical(log_weights) @ "component"
        return components[k](*args)  # its addresses are those of the mixture, beside "component"

    $$\log p(k, t; x) = \log w_k(x) - \log \textstyle\sum_j w_j(x) + \log p_k(t; x).$$

    The component runs in a `Switch`; what is said there about an index with a value, and without one (``n=``), holds
    for the component. ``update`` keeps the component unless it is constrained; when it changes, choices at addresses
    that both have are kept, others vanish or are drawn. `genmlx.mixture` is the mixture of distributions in which the
    component is summed out.

    Args:
        components: generative functions that take the same arguments and do not use the address "component".
        log_weights: unnormalised log weights, one for each component; or a function of the arguments that returns them.

    Example:
        >>> from genmlx import Mix, gen, normal
        >>> narrow, wide = (gen(lambda m, sd=sd: normal(m, sd) @ "x") for sd in (1.0, 2.0))
        >>> mix = Mix([narrow, wide], [0.0, 0.0])
        >>> round(mix(0.0).assess({"component": 1, "x": 0.0}).weight.item(), 4)  # log 1/2 + log N(0; 0, 2)
        -2.3052
    """

    def __init__(self, components: Sequence[GenerativeFunction], log_weights: Any) -> None:
        if isinstance(components, GenerativeFunction) or not all(isinstance(c, GenerativeFunction) for c in components):
            raise UsageError(
                f"Mix takes a list of generative functions, found {components!r}", fix="Mix([f, g], log_weights)(*args)"
            )
        self.switch = Switch(*components)
        self.name = f"Mix({', '.join(c.name for c in components)})"
        self.log_weights = log_weights if callable(log_weights) else self._weights(log_weights)

    @property
    def components(self) -> tuple[GenerativeFunction, ...]:
        """The functions mixed."""
        return self.switch.branches

    @property
    def structure_key(self) -> Any:
        return Mix, self.switch.structure_key

    def accepts(self, trace: Trace) -> bool:
        return isinstance(trace, MixTrace) and self.switch.accepts(trace.inner)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> MixTrace:
        key_component, key_inner = split(key)
        component = categorical.simulate(key_component, self._logits(args))
        return self._trace(args, component, self.switch.simulate(key_inner, (component.retval, *args)))

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        key_component, key_inner = split(key)
        given, rest = self._parted(constraints)
        component, weight = categorical.generate(key_component, self._logits(args), given)
        inner, inner_weight = self.switch.generate(key_inner, (component.retval, *args), rest)
        return GenerateResult(self._trace(args, component, inner), weight + inner_weight)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        given, rest = self._parted(choices)
        if given.is_empty:
            raise AddressError(
                f"assess needs every choice, and the component of {self.name} is missing",
                path=(COMPONENT,),
                fix="give the value, or use generate, which samples what is missing",
            )
        weight, component = categorical.assess(self._logits(args), given)
        inner_weight, retval = self.switch.assess((component, *args), rest)
        return AssessResult(weight + inner_weight, retval)

    def project(self, trace: Trace, selection: Selection) -> Array:
        assert isinstance(trace, MixTrace)
        component = categorical.project(trace.component, selection.at(COMPONENT))
        return component + self.switch.project(trace.inner, selection)

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        assert isinstance(trace, MixTrace)
        key_component, key_inner = split(key)
        given, rest = self._parted(constraints)
        logits, diff = self._logits(args), self._logits_diff(trace, argdiffs)
        old = trace.component.with_args(logits)
        component, weight, discard, moved = categorical.update(key_component, old, logits, (diff,), given)
        inner = self.switch.update(key_inner, self._inner(trace), (component.retval, *args), (moved, *argdiffs), rest)
        gone = Group({COMPONENT: discard}) | inner.discard
        same = inner.retdiff if trace.gen_fn == self else UnknownChange
        return UpdateResult(self._trace(args, component, inner.trace), weight + inner.weight, gone, same)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        assert isinstance(trace, MixTrace)
        key_component, key_inner = split(key)
        logits, diff = self._logits(args), self._logits_diff(trace, argdiffs)
        old = trace.component.with_args(logits)
        component, weight, moved = categorical.regenerate(key_component, old, logits, (diff,), selection.at(COMPONENT))
        inner = self.switch.regenerate(
            key_inner, self._inner(trace), (component.retval, *args), (moved, *argdiffs), selection
        )
        same = inner.retdiff if trace.gen_fn == self else UnknownChange
        return RegenerateResult(self._trace(args, component, inner.trace), weight + inner.weight, same)

    def _trace(self, args: tuple[Any, ...], component: Trace, inner: Trace) -> MixTrace:
        choices = inner.choices
        if choices.value is not None:
            raise AddressError(
                f"a component of {self.name} is a distribution, whose choice has no address beside {COMPONENT!r}",
                fix='gen(lambda *args: f(*args) @ "x") as the component',
            )
        if not choices.child(COMPONENT).is_empty:
            raise AddressError(
                f"a component of {self.name} makes a choice at an address that the mixture uses",
                path=(COMPONENT,),
                fix="another address in the component",
            )
        return MixTrace(self, args, component.with_args(None), inner.with_args(None))

    def _inner(self, trace: MixTrace) -> Trace:
        """The switch's trace, with the arguments that it had."""
        return trace.inner.with_args(None if trace.args is None else (trace.component.retval, *trace.args))

    def _parted(self, choices: ChoiceMap) -> tuple[ChoiceMap, ChoiceMap]:
        """What is given for the component, and for the rest."""
        if choices.value is not None:
            raise ConstraintError(
                f"a value was given for {self.name}, which is not one choice but a mixture",
                fix=f"a dict with {COMPONENT!r} and the addresses of the components",
            )
        given = choices.child(COMPONENT)
        return given, choices if given.is_empty else choices.filter(~select(COMPONENT))

    def _logits(self, args: tuple[Any, ...]) -> tuple[Array]:
        return (self._weights(self.log_weights(*args)) if callable(self.log_weights) else self.log_weights,)

    def _weights(self, log_weights: Any) -> Array:
        logits = as_value(log_weights)
        if logits.shape != (len(self.components),):
            raise ShapeError(
                f"{self.name} has {len(self.components)} components and log weights of shape {logits.shape}",
                fix="one log weight for each component",
            )
        return fixed(logits.astype(mx.float32) if not mx.issubdtype(logits.dtype, mx.inexact) else logits)

    def _logits_diff(self, trace: Trace, argdiffs: tuple[Any, ...]) -> Diff:
        same = trace.gen_fn == self and (not callable(self.log_weights) or unchanged(argdiffs))
        return NoChange if same else UnknownChange

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mix) and self.switch == other.switch and self.log_weights is other.log_weights

    def __hash__(self) -> int:
        return hash((Mix, self.switch))


def _mix(first: GenerativeFunction, *others: GenerativeFunction, log_weights: Any) -> Mix:
    """``f.mix(g, ..., log_weights=...)``: see `Mix`."""
    return Mix([first, *others], log_weights)


GenerativeFunction.mix = _mix  # type: ignore[attr-defined]
