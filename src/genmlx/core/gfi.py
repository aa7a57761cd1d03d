r"""The generative function interface, with its mathematics.

A generative function $f$ takes arguments $x$ and defines a density $p(t; x)$ over choice maps $t$, a return value
$r(t, x)$, and an internal proposal $q(t; x, u)$ that completes partial choices $u$. Everything else in GenMLX
(distributions, `@gen` functions, combinators, batched executions) implements this interface, and inference uses
nothing but it. What each method means stands here, once:

* ``simulate(key, x)``: $t \sim p(\cdot; x)$.
* ``generate(key, x, u)``: $t \sim q(\cdot; x, u)$, so that $u \subseteq t$;
  weight $= \log p(t; x) - \log q(t; x, u)$. Where the internal proposal is ancestral sampling, that is the sum of
  the log densities of the constrained choices: exactly 0 for no constraints, the score if all is constrained.
* ``assess(x, t)``: $\log p(t; x)$ and $r$; a missing choice is an error.
* ``propose(key, x)``: ``simulate`` seen as (choices, score, return value).
* ``update(key, t, x', u)``: keep what exists, overwrite with $u$, sample what is new ($t'$);
  weight $= \log p(t'; x') - \log p(t; x) - \log q(\text{fresh})$; discard = overwritten values and choices that
  vanished. When nothing was fresh, update with the discard and the old arguments undoes it and the weights cancel.
* ``regenerate(key, t, x', S)``: resample $S$ from the internal proposal, keep the rest, sample what is new;
  weight $= \mathrm{project}(t', R) - \mathrm{project}(t, R)$, where $R$ are the retained choices (in both, not in
  $S$), each under its own context. So ``regenerate(ALL)`` weighs 0.
* ``project(t, S)``: the log density of the selected choices in their context.
* ``edit(key, t, request)``: a move with its importance weight and its reverse (`genmlx.core.edit`).
* ``choice_gradients(t, S)``: gradients of $\log p(t; x)$.

Constraints that no choice uses, missing choices and wrong shapes are errors, never ignored. Log weights and scores
are 0-d arrays. Methods take ``(key, args, ...)`` explicitly; `Call` and `Trace` are thin sugar over them.

References: Cusumano-Towner, Saad, Lew, Mansinghka, "Gen: a general-purpose probabilistic programming system with
programmable inference", PLDI 2019; Lew et al., "Probabilistic programming with programmable variational inference",
PLDI 2024 (edits).
"""

from __future__ import annotations

import abc
from typing import Any, NoReturn

import mlx.core as mx

from genmlx.core import execution, gradients
from genmlx.core.address import as_path
from genmlx.core.batched import Batched
from genmlx.core.choicemap import EMPTY, ChoiceMap, as_choicemap, as_value, show_value
from genmlx.core.diff import NoChange, unchanged
from genmlx.core.edit import EditRequest, restored_arguments
from genmlx.core.selection import Selection
from genmlx.core.trace import (
    AssessResult,
    ChoiceGradients,
    EditResult,
    GenerateResult,
    ProposeResult,
    RegenerateResult,
    Trace,
    UpdateResult,
)
from genmlx.numerics.errors import UsageError
from genmlx.numerics.fixed import fixed
from genmlx.numerics.pytree import record
from genmlx.numerics.random import as_key
from genmlx.numerics.types import Array, Key

__all__ = ["Call", "GenerativeFunction", "as_arguments", "unchanged_result", "zero"]

zero = fixed(mx.array(0.0))
"""The log weight of an event of probability 1."""


class ForgottenAddressError(UsageError, AttributeError):
    """An attribute of arrays was asked of a call."""


class GenerativeFunction(abc.ABC):
    """A function with random choices; the module says what each method means.

    A subclass gives `name`, and the methods simulate, generate, assess, project, update and regenerate; propose,
    edit and choice_gradients follow.
    """

    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Call:
        """The function applied to arguments: what is simulated, conditioned, and addressed with ``@``."""
        return Call(self, self.bind(args, kwargs))

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The canonical arguments of a call: one tuple, NumPy arrays as MLX arrays.

        Raises:
            UsageError: the arguments do not fit the function.
        """
        if kwargs:
            raise UsageError(f"{self.name} takes no keyword arguments, found {sorted(kwargs)}")
        return as_arguments(args)

    @property
    def structure_key(self) -> Any:
        """What two functions share whose traces have one structure; closures of one ``def`` do."""
        return self

    def accepts(self, trace: Trace) -> bool:
        """Whether ``update`` and ``regenerate`` can start from this trace, which another function may have made."""
        return type(trace.gen_fn) is type(self)

    def is_unchanged(self, trace: Trace, argdiffs: tuple[Any, ...]) -> bool:
        """Whether running again on the choices of ``trace`` would give the same trace.

        Unchanged arguments are not enough: at one address an execution may call another function, or a closure that
        captured other values.
        """
        return unchanged(argdiffs) and trace.gen_fn == self

    @abc.abstractmethod
    def simulate(self, key: Key, args: tuple[Any, ...]) -> Trace:
        """Run the function, drawing every choice."""

    @abc.abstractmethod
    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        """Run the function with some choices given."""

    @abc.abstractmethod
    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        """The log density of all choices, and the return value."""

    def propose(self, key: Key, args: tuple[Any, ...]) -> ProposeResult:
        """``simulate``, seen as (choices, score, return value)."""
        trace = self.simulate(key, args)
        return ProposeResult(trace.choices, trace.score, trace.retval)

    @abc.abstractmethod
    def project(self, trace: Trace, selection: Selection) -> Array:
        """The log density of the selected choices, each in its context."""

    @abc.abstractmethod
    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        """Overwrite choices, change arguments, keep the rest."""

    @abc.abstractmethod
    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        """Resample the selected choices, keep the rest."""

    def edit(
        self, key: Key, trace: Trace, request: Any, args: tuple[Any, ...], argdiffs: tuple[Any, ...]
    ) -> EditResult:
        """Make the move that ``request`` (an `EditRequest`) describes."""
        if not isinstance(request, EditRequest):
            raise UsageError(
                f"{request!r} is not an edit request",
                fix="gm.ConstraintEdit(choices), gm.SelectionEdit(selection), gm.ProposalEdit(forward, backward)",
            )
        return request.apply(key, trace, *restored_arguments(request, args, argdiffs))

    def choice_gradients(
        self, trace: Trace, selection: Selection | None = None, retval_gradient: Any = None
    ) -> ChoiceGradients:
        """Gradients of the score (and, through ``retval_gradient``, of the return value)."""
        return gradients.choice_gradients(self, trace, selection, retval_gradient)

    def __repr__(self) -> str:
        return self.name


GenerativeFunction.register(Batched)  # it stands below this module, which needs it for n=


def unchanged_result(trace: Trace) -> UpdateResult:
    """The result of an update in which nothing changed."""
    return UpdateResult(trace, zero, EMPTY, NoChange)


def as_arguments(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments as the interface keeps them: NumPy arrays become MLX arrays, NumPy scalars Python numbers.

    Arrays are fixed: a model may run many times on them.
    """
    return tuple([_argument(a) for a in args])


def _argument(a: Any) -> Any:
    if isinstance(a, mx.array):
        return fixed(a)
    if type(a).__module__ != "numpy" or not hasattr(a, "dtype"):
        return a
    return a.item() if getattr(a, "ndim", None) == 0 else fixed(as_value(a))


MSG_FORGOTTEN = '{call} @ "address" inside a model; {call}.sample() or .simulate().retval outside'


@record(lambda call: ((call.gen_fn, call.args), None), lambda _, children: Call(*children))
class Call:
    """A generative function applied to arguments.

    Inside a model, ``call @ address`` makes its choices below the address and is its return value. Outside, a call is
    simulated, conditioned and given to inference. A call is not a number: arithmetic on it is an error that says so.
    """

    __slots__ = ("args", "gen_fn")

    def __init__(self, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> None:
        self.gen_fn, self.args = gen_fn, args

    def __matmul__(self, address: object) -> Any:
        running = execution.current()
        if running is None:
            raise UsageError(
                f"no model is running, so {self!r} @ {address!r} has no meaning here",
                fix="put the line into a function decorated with @gen, or use .sample() / .simulate()",
            )
        return running.call(as_path(address), self)

    def simulate(self, *, n: int | None = None, key: Any = None) -> Trace:
        """A trace with every choice drawn (``n``: of n executions at once)."""
        return self._target(n).simulate(as_key(key), self.args)

    def generate(self, constraints: Any = None, *, n: int | None = None, key: Any = None) -> GenerateResult:
        """A trace with some choices given, and its weight.

        Args:
            constraints: choice map or dict. With ``n``, a value with one leading axis more than its choice is split
                among the executions; a value of the choice's own shape is shared.
            n: number of executions at once.
            key: random key.
        """
        return self._target(n).generate(as_key(key), self.args, as_choicemap(constraints))

    def assess(self, choices: Any, *, n: int | None = None) -> AssessResult:
        """The log density of all choices, and the return value."""
        return self._target(n).assess(self.args, as_choicemap(choices))

    def propose(self, *, n: int | None = None, key: Any = None) -> ProposeResult:
        """Draw choices: (choices, score, return value)."""
        return self._target(n).propose(as_key(key), self.args)

    def _target(self, n: int | None) -> Any:
        return self.gen_fn if n is None else Batched(self.gen_fn, n)

    def __repr__(self) -> str:
        args = ", ".join(_short(a) for a in self.args)
        return f"{self.gen_fn.name}({args})"

    # A call used as a value: the @ was forgotten.

    def _forgotten(self, *_: Any) -> NoReturn:
        error = UsageError(
            f"{self!r} was used as a value, but it is a call of a generative function: the address is missing",
            fix=MSG_FORGOTTEN.format(call=repr(self)),
        )
        running = execution.current()
        if running is not None:
            running.forgotten = error  # some MLX functions turn it into a bad_cast; the model run raises it then
        raise error

    def __eq__(self, other: object) -> bool:
        return self is other if isinstance(other, Call) else self._forgotten()

    __hash__ = object.__hash__

    def __format__(self, spec: str) -> str:
        return self._forgotten() if spec else repr(self)

    def __getattr__(self, name: str) -> NoReturn:
        if not name.startswith("_") and hasattr(mx.array, name):
            raise ForgottenAddressError(
                f"{self!r} has no {name!r}: it is a call of a generative function, not a value; the address is missing",
                fix=MSG_FORGOTTEN.format(call=repr(self)),
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _forgotten
    __pow__ = __rpow__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __neg__ = __pos__ = __abs__ = _forgotten
    __divmod__ = __rdivmod__ = __round__ = __trunc__ = __floor__ = __ceil__ = __complex__ = __contains__ = _forgotten
    __rmatmul__ = __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __xor__ = __invert__ = _forgotten
    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __array__ = __mlx_array__ = (
        _forgotten
    )


def _short(a: Any) -> str:
    text = show_value(a) if isinstance(a, mx.array) else repr(a)
    return text if len(text) <= 40 else text[:37] + "..."
