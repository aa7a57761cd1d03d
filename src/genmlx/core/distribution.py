"""Distributions: generative functions with one choice, at the empty address.

A family is a final class with `params`, `support`, `sample` and `log_prob`, and one public instance in lower case.
This module gives it the interface. Parameters are Python numbers or arrays; the value has their broadcast shape (and
the event shape behind it), and the score is the sum over elements.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx

from genmlx.core import execution
from genmlx.core.choicemap import EMPTY, ChoiceMap, Lanes, Leaf, as_value, show_value
from genmlx.core.diff import NoChange, UnknownChange
from genmlx.core.gfi import Call, GenerativeFunction, as_arguments, unchanged_result, zero
from genmlx.core.selection import Selection
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import AddressError, ConstraintError, DomainError, ShapeError, UsageError
from genmlx.numerics.pytree import record
from genmlx.numerics.random import as_key, scramble
from genmlx.numerics.types import Array, Key, Shape

__all__ = ["ChoiceTrace", "Distribution", "DistributionCall", "broadcast_shapes", "distribution"]


@record(lambda t: ((t.gen_fn, t.args, t.retval, t.score), None), lambda _, children: ChoiceTrace(*children))
class ChoiceTrace(Trace):
    """The trace of one choice; its return value is the value."""

    __slots__ = ()

    @property
    def choices(self) -> ChoiceMap:
        return Leaf(self.retval)

    def with_args(self, args: tuple[Any, ...] | None) -> ChoiceTrace:
        return ChoiceTrace(self.gen_fn, args, self.retval, self.score)


class Distribution(GenerativeFunction):
    """A family of distributions.

    Class attributes of a family:

    * ``params``: name to domain, in the order of the arguments; a domain with an event dimension takes that many
      trailing axes of the parameter.
    * ``defaults``: values of parameters that may be left out.
    * ``event_ndim``: trailing axes of a value that form one draw (0 for a number, 1 for a vector, -1 where it depends
      on the parameters).
    * ``discrete``: whether values are integers; those of a continuous family are converted to float32.
    * ``pathwise``: the parameters in which the draws of `rsample` are differentiable; none for a discrete family.

    A family defines `support`, `sample` and `log_prob`, and where they exist `mean`, `variance`, `entropy`, `cdf`,
    `quantile` (and `log_cdf`, `log_survival` where a tail has a form of its own). Alternative parameterisations are
    families of their own, which `alternatives` names by their keywords.
    """

    params: Mapping[str, Domain]
    defaults: Mapping[str, float] = {}
    event_ndim: int = 0
    discrete: bool = False
    pathwise: tuple[str, ...] = ()
    alternatives: Mapping[frozenset[str], Distribution] = {}

    # What a family defines.

    @abc.abstractmethod
    def sample(self, key: Key, *args: Any) -> Array:
        """``sample(key, *params, shape)``: independent draws, of batch shape ``shape`` (parameters broadcast to it)."""

    @abc.abstractmethod
    def log_prob(self, x: Array, *params: Any) -> Array:
        """Log density of each draw in ``x``: the event axes are reduced, the batch axes stay."""

    def rsample(self, key: Key, *args: Any) -> Array:
        r"""Reparametrised draws: those of `sample`, differentiable in the parameters that ``pathwise`` names.

        A draw is x = g(noise, theta), and its derivative carries an expectation:
        $d/d\theta\, E[f(x)] = E[f'(x)\, dx/d\theta]$. Families by location, scale or quantile function have it in
        `sample` already. Those made of gamma variables override this method: implicit derivatives cost an incomplete
        gamma function a variable.
        """
        return self.sample(key, *args)

    @property
    def is_reparametrised(self) -> bool:
        """Whether the draws of `rsample` are differentiable in all parameters that are real numbers."""
        return all(name in self.pathwise for name, domain in self.params.items() if not domain.discrete)

    def support(self, *params: Any) -> Domain:
        """The set of values with positive density."""
        raise self._missing("support")

    def mean(self, *params: Any) -> Any:
        """The mean, of the shape of a value."""
        raise self._missing("mean")

    def variance(self, *params: Any) -> Any:
        """The variance of each element (not the covariance)."""
        raise self._missing("variance")

    def entropy(self, *params: Any) -> Any:
        """The entropy in nats."""
        raise self._missing("entropy")

    def cdf(self, x: Array, *params: Any) -> Array:
        """P(X <= x)."""
        raise self._missing("cdf")

    def log_cdf(self, x: Array, *params: Any) -> Array:
        """log P(X <= x), by default of the distribution function, which has no digits left below 1e-38."""
        return mx.log(self.cdf(x, *params))

    def log_survival(self, x: Array, *params: Any) -> Array:
        """log P(X > x), by default of the distribution function, which has few digits left near 1."""
        return mx.log1p(-self.cdf(x, *params))

    def quantile(self, q: Array, *params: Any) -> Array:
        """The smallest x with P(X <= x) >= q."""
        raise self._missing("quantile")

    def check_shapes(self, *params: Any) -> None:
        """Raise a ShapeError where event axes of parameters do not fit together; called when they are bound."""

    def event_shape(self, *params: Any) -> Shape:
        """The shape of one draw."""
        if not self.event_ndim:
            return ()
        raise NotImplementedError(f"{self.name} has an event dimension and must define event_shape")

    def initial(self, key: Key, *args: Any) -> Array:
        """A starting value for inference: ``initial(key, *params, shape)``; a draw, where the family has one."""
        return self.sample(key, *args)

    def defines(self, what: str) -> bool:
        """Whether this family has a mean, an entropy, ...: ``what`` is the name of the method."""
        return getattr(type(self), what) is not getattr(Distribution, what)

    # Shapes and arguments.

    def batch_shape(self, *params: Any) -> Shape:
        """The broadcast shape of the parameters, event axes removed."""
        shapes = []
        for param, domain in zip(params, self.params.values(), strict=False):
            if isinstance(param, mx.array) and param.ndim > domain.event_ndim:
                shapes.append(param.shape[: param.ndim - domain.event_ndim])
        if not shapes:
            return ()
        try:
            return broadcast_shapes(*shapes)
        except ValueError:
            found = ", ".join(f"{n}: {getattr(p, 'shape', ())}" for n, p in zip(self.params, params, strict=False))
            raise ShapeError(
                f"the parameters of {self.name} have shapes that do not broadcast: {found}",
                fix="shapes that are equal or 1 in each axis, from the right",
            ) from None

    def value_shape(self, *params: Any) -> Shape:
        """The shape of a value under these parameters."""
        if not self.event_ndim:
            return self.batch_shape(*params)
        return self.batch_shape(*params) + self.event_shape(*params)

    def __call__(self, *args: Any, **kwargs: Any) -> DistributionCall:
        if kwargs:
            family, params = self._parameterisation(args, kwargs)
            return DistributionCall(family, family.bind(params, {}))
        return DistributionCall(self, self.bind(args, kwargs))

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if kwargs:
            family, args = self._parameterisation(args, kwargs)
            if family is not self:
                raise UsageError(f"{self.name} takes the parameters {list(self.params)}, found {sorted(kwargs)}")
        if len(args) != len(self.params):
            missing = list(self.params)[len(args) :]
            if len(args) > len(self.params) or any(name not in self.defaults for name in missing):
                raise UsageError(
                    f"{self.name} takes {len(self.params)} parameters ({', '.join(self.params)}), found {len(args)}",
                    fix=f"{self.name}({', '.join(self.params)})",
                )
            args = args + tuple([self.defaults[name] for name in missing])
        params = tuple([self._parameter(n, d, a) for (n, d), a in zip(self.params.items(), args, strict=True)])
        self.check_shapes(*params)
        return params

    def _parameter(self, name: str, domain: Domain, value: Any) -> Any:
        """A parameter as a Python number or an array with the axes that its domain needs."""
        if type(value) is float:
            return value
        if isinstance(value, Call):
            raise UsageError(
                f"parameter {name!r} of {self.name} is the call {value!r}, not a value: the address is missing",
                fix=f'{value!r} @ "address"',
            )
        if not domain.event_ndim:
            (value,) = as_arguments((value,))  # a NumPy number is a number, and checked like one
            if isinstance(value, bool | int | float):
                return int(value) if isinstance(value, bool) else value
        if not isinstance(value, mx.array):
            try:
                value = as_value(value)
            except ConstraintError:
                raise UsageError(
                    f"parameter {name!r} of {self.name} must be {domain.name}, found {type(value).__name__} {value!r}",
                    fix="a number, a list of numbers, a NumPy or MLX array",
                ) from None
        if not domain.discrete and not mx.issubdtype(value.dtype, mx.inexact):
            value = value.astype(mx.float32)
        if value.ndim < domain.event_ndim:
            raise ShapeError(
                f"parameter {name!r} of {self.name} must be {domain.name}, found an array of shape {value.shape}",
                fix=f"an array with at least {domain.event_ndim} axes",
            )
        return value

    def _parameterisation(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Distribution, tuple[Any, ...]]:
        """The family and positional parameters that keywords stand for."""
        for names, family in {frozenset(self.params): self, **self.alternatives}.items():
            order = list(family.params)
            taken = set(order[: len(args)])
            if set(kwargs) <= names and not taken & set(kwargs) and len(args) <= len(order):
                given = dict(zip(order, args, strict=False)) | kwargs
                if all(name in given or name in family.defaults for name in order):
                    return family, tuple([given.get(name, family.defaults.get(name)) for name in order])
        forms = [list(self.params), *(list(family.params) for family in self.alternatives.values())]
        raise UsageError(
            f"{self.name} was given {len(args)} parameters by position and {sorted(kwargs)} by keyword, "
            "which is none of its parameterisations",
            fix=" or ".join(f"{self.name}({', '.join(names)})" for names in forms),
        )

    def check(self, params: tuple[Any, ...]) -> None:
        """Check parameters against their domains: numbers always, arrays where values are at hand (`validating`).

        Raises:
            DomainError: names the parameter, the value and its position.
        """
        arrays = execution.is_validating()
        for (name, domain), param in zip(self.params.items(), params, strict=True):
            if isinstance(param, mx.array):
                if arrays:
                    self._check_array(name, domain, param)
            elif isinstance(param, float | int) and not domain.has(param):
                raise DomainError(f"parameter {name!r} of {self.name} must be {domain.name}, found {param}")

    def _check_array(self, name: str, domain: Domain, param: Array) -> None:
        inside = domain.contains(param)
        if bool(mx.all(inside).item()):
            return
        flags: Any = inside.reshape(-1).tolist()
        flat = flags.index(False)
        position = _unravel(flat, inside.shape)
        value = param.reshape(len(flags), *param.shape[inside.ndim :])[flat]
        where = f" at index {position}" if position else ""
        raise DomainError(f"parameter {name!r} of {self.name} must be {domain.name}, found {show_value(value)}{where}")

    # The interface.

    def accepts(self, trace: Trace) -> bool:
        return isinstance(trace, ChoiceTrace)

    def simulate(self, key: Key, args: tuple[Any, ...]) -> ChoiceTrace:
        self.check(args)
        value = self._draw(key, args)
        return ChoiceTrace(self, args, value, self._score(value, args))

    def generate(self, key: Key, args: tuple[Any, ...], constraints: ChoiceMap) -> GenerateResult:
        self.check(args)
        if constraints.is_empty:
            value = self._draw(key, args)
            return GenerateResult(ChoiceTrace(self, args, value, self._score(value, args)), zero)
        value = self._constrained(constraints, args)
        score = self._score(value, args)
        return GenerateResult(ChoiceTrace(self, args, value, score), score)

    def assess(self, args: tuple[Any, ...], choices: ChoiceMap) -> AssessResult:
        self.check(args)
        if choices.is_empty:
            raise AddressError(
                f"assess needs every choice, and the value of this choice ({self.name}) is missing",
                fix="give the value, or use generate, which samples what is missing",
            )
        value = self._constrained(choices, args)
        return AssessResult(self._score(value, args), value)

    def project(self, trace: Trace, selection: Selection) -> Array:
        return trace.score if selection.here else zero

    def update(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], constraints: ChoiceMap
    ) -> UpdateResult:
        if constraints.is_empty:
            if self.is_unchanged(trace, argdiffs):
                return unchanged_result(trace)
            value, discard, diff = self._kept(trace, args), EMPTY, NoChange
        else:
            value, discard, diff = self._constrained(constraints, args), trace.choices, UnknownChange
        self.check(args)
        score = self._score(value, args)
        return UpdateResult(ChoiceTrace(self, args, value, score), score - trace.score, discard, diff)

    def regenerate(
        self, key: Key, trace: Trace, args: tuple[Any, ...], argdiffs: tuple[Any, ...], selection: Selection
    ) -> RegenerateResult:
        if selection.here:
            return RegenerateResult(self.simulate(key, args), zero, UnknownChange)
        new, weight, _, diff = self.update(key, trace, args, argdiffs, EMPTY)
        return RegenerateResult(new, weight, diff)

    def _draw(self, key: Key, args: tuple[Any, ...]) -> Array:
        if execution.is_initialising():
            return self.initial(key, *args, self.batch_shape(*args))
        return self.sample(key, *args, self.batch_shape(*args))

    def _score(self, value: Array, args: tuple[Any, ...]) -> Array:
        log_prob = self.log_prob(value, *args)
        return mx.sum(log_prob) if log_prob.ndim else log_prob

    def _kept(self, trace: Trace, args: tuple[Any, ...]) -> Array:
        """The old value, which must fit the new parameters."""
        value, shape = trace.retval, self.value_shape(*args)
        if value.shape != shape:
            raise ShapeError(
                f"the parameters of {self.name} now give values of shape {shape}, "
                f"but the old value has shape {value.shape}",
                fix="constrain this choice with a value of the new shape, or give it another address",
            )
        return self._as_float(value)

    def _constrained(self, constraints: ChoiceMap, args: tuple[Any, ...]) -> Array:
        value = constraints.value
        if value is None:
            raise ConstraintError(
                f"this is one choice ({self.name}), "
                f"but the constraint is a group with the addresses {list(constraints)}",
                fix="a value: a number or an array",
            )
        shape = self.value_shape(*args)
        if isinstance(value, Lanes):
            value = value.resolve(shape)
        if value.shape != shape:
            raise ShapeError(
                f"{self.name} with these parameters has values of shape {shape}, "
                f"but the constraint has shape {value.shape}",
                fix="parameters of the shape of the data (mx.zeros(8) for 8 values), or gm.iid(call, n); "
                "with n=, a leading axis of length n gives each execution its own value",
            )
        return self._as_float(value)

    def _as_float(self, value: Array) -> Array:
        """Integers given to a continuous family, as float32."""
        return value if self.discrete or mx.issubdtype(value.dtype, mx.inexact) else value.astype(mx.float32)

    def _missing(self, what: str) -> UsageError:
        return UsageError(
            f"{self.name} has no {what} in closed form", fix="estimate it from draws: call.sample(shape=(10_000,))"
        )


@record(lambda call: ((call.gen_fn, call.args), None), lambda _, children: DistributionCall(*children))
class DistributionCall(Call):
    """A distribution with its parameters."""

    __slots__ = ()
    gen_fn: Distribution

    def _target(self, n: int | None) -> GenerativeFunction:
        self._check()  # outside a model arrays are checked too
        return super()._target(n)

    def sample(self, *, key: Any = None, shape: Shape | int = ()) -> Array:
        """Independent draws: ``shape`` in front of the shape of one value."""
        return self._draws(self.gen_fn.sample, key, shape)

    def rsample(self, *, key: Any = None, shape: Shape | int = ()) -> Array:
        """The same draws, differentiable in the parameters that the ``pathwise`` of the family names.

        Example:
            >>> mx.grad(lambda a: gm.gamma(a, 1.0).rsample(key=gm.key(0), shape=100).mean())(mx.array(3.0)).item() > 0.0
            True
        """
        if not self.gen_fn.pathwise:
            why = "its values are integers" if self.gen_fn.discrete else "no derivative of its draws is known"
            raise UsageError(
                f"{self.gen_fn.name} has no reparametrised draws: {why}",
                fix="call.sample(), and the gradient of the log density (the score) for that of an expectation",
            )
        return self._draws(self.gen_fn.rsample, key, shape)

    def _draws(self, sample: Callable[..., Array], key: Any, shape: Shape | int) -> Array:
        self._check()
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return sample(scramble(as_key(key)), *self.args, shape + self.gen_fn.batch_shape(*self.args))

    def log_prob(self, x: Any) -> Array:
        """Log density of each draw in ``x`` (elementwise over the batch; event axes are reduced)."""
        self._check()
        return self.gen_fn.log_prob(self._value(x), *self.args)

    def mean(self) -> Array:
        """The mean."""
        return self._of("mean")

    def variance(self) -> Array:
        """The variance of each element."""
        return self._of("variance")

    def entropy(self) -> Array:
        """The entropy in nats."""
        return self._of("entropy")

    def cdf(self, x: Any) -> Array:
        """P(X <= x)."""
        self._check()
        return self.gen_fn.cdf(self._value(x), *self.args)

    def log_cdf(self, x: Any) -> Array:
        """log P(X <= x): the density of a value of which only this is known."""
        self._check()
        return self.gen_fn.log_cdf(self._value(x), *self.args)

    def log_survival(self, x: Any) -> Array:
        """log P(X > x): the density of a value that is only known to be beyond x."""
        self._check()
        return self.gen_fn.log_survival(self._value(x), *self.args)

    def quantile(self, q: Any) -> Array:
        """The smallest x with P(X <= x) >= q."""
        self._check()
        return self.gen_fn.quantile(as_value(q), *self.args)

    @property
    def support(self) -> Domain:
        """The set of values with positive density."""
        return self.gen_fn.support(*self.args)

    def _of(self, what: str) -> Array:
        self._check()
        result = getattr(self.gen_fn, what)(*self.args)
        shape = self.gen_fn.batch_shape(*self.args) if what == "entropy" else self.gen_fn.value_shape(*self.args)
        return mx.broadcast_to(mx.array(result) if not isinstance(result, mx.array) else result, shape)

    def _value(self, x: Any) -> Array:
        return self.gen_fn._as_float(as_value(x))

    def _check(self) -> None:
        if execution.current() is not None:
            self.gen_fn.check(self.args)
            return
        try:
            with execution.validating():
                self.gen_fn.check(self.args)
        except ValueError as error:
            if isinstance(error, DomainError) or "function transformations" not in str(error):
                raise  # inside a user's vmap, grad or compile the parameters have no values yet


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape to which all broadcast; a ValueError if there is none."""
    if len(shapes) == 1 or all(s == shapes[0] for s in shapes):
        return tuple(shapes[0])
    return tuple(mx.broadcast_shapes(*shapes))


def _unravel(flat: int, shape: Shape) -> tuple[int, ...]:
    position = []
    for size in reversed(shape):
        flat, i = divmod(flat, size)
        position.append(i)
    return tuple(reversed(position))


class _UserDistribution(Distribution):
    """A distribution from two functions."""

    def __init__(
        self,
        name: str,
        sample: Callable[..., Array],
        log_prob: Callable[..., Array],
        params: Mapping[str, Domain],
        support: Domain | Callable[..., Domain],
        event_shape: Shape | Callable[..., Shape],
    ) -> None:
        self.name, self._sample, self._log_prob = name, sample, log_prob
        self.params = params
        self._support, self._event_shape = support, event_shape
        self.event_ndim = -1 if callable(event_shape) else len(event_shape)
        self.discrete = isinstance(support, Domain) and support.discrete

    def sample(self, key: Key, *args: Any) -> Array:
        value = self._sample(key, *args)
        return self._checked("sample", value, args[-1] + self.event_shape(*args[:-1]))

    def log_prob(self, x: Array, *params: Any) -> Array:
        batch = x.shape[: x.ndim - len(self.event_shape(*params))]
        return self._checked("log_prob", self._log_prob(x, *params), broadcast_shapes(batch, self.batch_shape(*params)))

    def _checked(self, what: str, result: Any, shape: Shape) -> Array:
        if not isinstance(result, mx.array) or result.shape != shape:
            found = f"shape {result.shape}" if isinstance(result, mx.array) else repr(result)
            raise ShapeError(
                f"{what} of the distribution {self.name!r} must return an array of shape {shape}, found {found}",
                fix="sample: the shape given, then the event shape; log_prob: one number for each draw",
            )
        return result

    def support(self, *params: Any) -> Domain:
        return self._support(*params) if callable(self._support) else self._support

    def event_shape(self, *params: Any) -> Shape:
        return self._event_shape(*params) if callable(self._event_shape) else self._event_shape


def distribution(
    name: str,
    *,
    sample: Callable[..., Array],
    log_prob: Callable[..., Array],
    params: Mapping[str, Domain] | list[str] | tuple[str, ...],
    support: Domain | Callable[..., Domain] = domains.real,
    event_shape: Shape | Callable[..., Shape] = (),
) -> Distribution:
    """A distribution of one's own, with the whole interface.

    Args:
        name: how traces and errors call it.
        sample: ``sample(key, *params, shape)``: draws of batch shape ``shape``, from MLX operations.
        log_prob: ``log_prob(x, *params)``: the log density of each draw, event axes reduced; -inf outside the support.
        params: the parameters, in order: names, or names with their domains (`genmlx.domains`).
        support: the set of values, or a function of the parameters.
        event_shape: the shape of one draw, or a function of the parameters.

    Example:
        >>> shifted = distribution(
        ...     "shifted_exponential",
        ...     sample=lambda key, start, shape: start - mx.log1p(-mx.random.uniform(shape=shape, key=key)),
        ...     log_prob=lambda x, start: mx.where(x >= start, start - x, -mx.inf),
        ...     params=["start"],
        ... )
        >>> shifted(1.0).log_prob(3.0).item()
        -2.0
    """
    if not isinstance(params, Mapping):
        params = dict.fromkeys(params, domains.real)
    return _UserDistribution(name, sample, log_prob, params, support, event_shape)
