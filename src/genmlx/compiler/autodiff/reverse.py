"""Reverse-mode differentiation of a region: its operations again, and behind them their adjoints in reverse order.

The result is an ordinary region, so it can be differentiated again. Cotangents that are zero everywhere are not built:
a value without one has None, and only what is active (`genmlx.compiler.autodiff.activity`) has one at all.

**No nan from a branch not taken.** Where ``y = select(flag, f(x), other)`` does not choose f(x), its cotangent is 0;
the plain rule then multiplies 0 by f'(x), which is nan if f'(x) is inf: ``where(x > 0, log(x), 0)`` at 0. Behind an
operation that can leave a value unused, elementwise operations therefore give exactly 0 where they get exactly 0. That
costs one comparison there, and nothing elsewhere. It is not done for matrix operations (the cotangent of a Cholesky
factor with nan in it is nan), and cannot help where nan is made inside of one operation's own derivative.

References:
    Griewank and Walther, Evaluating Derivatives, 2nd edition (2008), chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genmlx.compiler.autodiff.activity import analyse
from genmlx.compiler.autodiff.indexing import Into
from genmlx.compiler.autodiff.rules import LINEAR, RULES
from genmlx.compiler.autodiff.structured import ADJOINTS, GradientError, Pull
from genmlx.compiler.ir.graph import Builder, Op, Region, Value, rebuild
from genmlx.compiler.ir.ops import ELEMENTWISE

__all__ = ["expand_gradients", "gradient", "vjp"]


def gradient(region: Region, wrt: Sequence[int], output: int = 0) -> Region:
    """The results of a region, and behind them the gradient of one by some of its parameters.

    Args:
        region: what to differentiate.
        wrt: numbers of the parameters to differentiate by; floats.
        output: number of the result to differentiate; a float scalar.

    Returns:
        A region with the same parameters.

    Raises:
        GradientError: something in it has no gradient.

    Example:
        >>> from genmlx.compiler.ir.graph import Builder, Type
        >>> from genmlx.compiler.ir.interpret import interpret
        >>> b = Builder()
        >>> x = b.parameter(Type("float64"))
        >>> value, slope = interpret(gradient(b.finish(b("square", x)), wrt=[0]), [np.array(3.0)])
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    b = Builder()
    parameters = [b.parameter(t) for t in region.parameter_types]
    return b.finish(*_with_gradient(b, expand_gradients(region), parameters, wrt, output))


def vjp(region: Region, wrt: Sequence[int]) -> Region:
    """The results of a region, and the cotangents of some of its parameters for given ones of its results.

    Args:
        region: what to differentiate.
        wrt: numbers of the parameters whose cotangents are wanted; floats.

    Returns:
        A region whose parameters are those of ``region`` and then a cotangent for each float among its results.

    Raises:
        GradientError: something in it has no gradient.
    """
    region = expand_gradients(region)
    b = Builder()
    parameters = [b.parameter(t) for t in region.parameter_types]
    useful = [t.is_float for t in region.result_types]
    linear = Linearised(b, region, parameters, _varied(region, wrt), useful, False)
    seeds = [b.parameter(t) if t.is_float else None for t in region.result_types]
    return b.finish(*linear.results, *_of_parameters(b, linear.pull(seeds), parameters, wrt))


def expand_gradients(region: Region) -> Region:
    """The region with each ``gradient`` operation, inner ones first, replaced by what it stands for."""

    def expand(b: Builder, op: Op, inputs: list[Value]) -> Sequence[Value] | None:
        if op.name != "gradient":
            return None
        return _with_gradient(b, op.regions[0], inputs, op.attributes["wrt"], 0)

    return rebuild(region, expand) if any(op.name == "gradient" for op in region.walk()) else region


def _with_gradient(
    b: Builder, region: Region, arguments: Sequence[Value], wrt: Sequence[int], output: int
) -> list[Value]:
    value = region.result_types[output]
    if not value.is_float or value.shape != ():
        raise GradientError(f"a gradient is that of a float scalar, and result {output} is {value}", fix="its sum()")
    useful = [k == output for k in range(len(region.results))]
    linear = Linearised(b, region, arguments, _varied(region, wrt), useful, False)
    seeds = [b.constant(1.0, value.dtype) if k == output else None for k in range(len(region.results))]
    return [*linear.results, *_of_parameters(b, linear.pull(seeds), arguments, wrt)]


def _varied(region: Region, wrt: Sequence[int]) -> list[bool]:
    for i in wrt:
        if not region.parameter_types[i].is_float:
            raise GradientError(
                f"parameter {i} is {region.parameter_types[i]}, and only floats have derivatives",
                fix="x.astype(mx.float32), or leave it out of what is differentiated by",
            )
    return [i in set(wrt) for i in range(len(region.parameters))]


def _of_parameters(
    b: Builder, found: Sequence[Value | None], parameters: Sequence[Value], wrt: Sequence[int]
) -> list[Value]:
    return [found[i] or b.full(parameters[i].type, 0.0) for i in wrt]


class Linearised:
    """A region's operations appended to a builder, and the way back.

    Args:
        b: where to append.
        region: what to append; without ``gradient`` operations.
        arguments: values in place of its parameters.
        varied: for each parameter, whether its cotangent is wanted.
        useful: for each result, whether it will have a cotangent.
        masked: whether those may be 0 where nothing used the results.

    Attributes:
        activity: which values of the region get cotangents.
        names: the values of the builder that stand for those of the region.
    """

    def __init__(
        self,
        b: Builder,
        region: Region,
        arguments: Sequence[Value],
        varied: Sequence[bool],
        useful: Sequence[bool],
        masked: bool,
    ) -> None:
        self._b, self._region = b, region
        self.activity = analyse(region, varied, useful, masked)
        self.names = dict(zip(region.parameters, arguments, strict=True))
        self._constants: set[Value] = set()
        self._pulls: list[tuple[Op, Pull]] = []
        for op in region.ops:
            self._append(op)

    @property
    def results(self) -> list[Value]:
        """The results of the region."""
        return [self.names[r] for r in self._region.results]

    def pull(self, seeds: Sequence[Value | None], totals: Mapping[Value, Value] | None = None) -> list[Value | None]:
        """Appends the adjoints.

        Args:
            seeds: the cotangents of the results; None is zero.
            totals: for some parameters of the region, what their cotangents are added to.

        Returns:
            The cotangents of the parameters; None is zero.
        """
        b, cotangents = self._b, dict(totals or {})
        source = b.source
        for result, seed in zip(self._region.results, seeds, strict=True):
            self._add(cotangents, result, seed)
        for op, pull in reversed(self._pulls):
            given = [cotangents.pop(v, None) for v in op.outputs]
            if any(g is not None for g in given):
                b.source = op.source or source
                for value, found in zip(op.inputs, pull(given), strict=True):
                    self._add(cotangents, value, found)
        b.source = source
        return [cotangents.get(p) for p in self._region.parameters]

    def _add(self, cotangents: dict[Value, Value], value: Value, found: Value | Into | None) -> None:
        if found is None or value not in self.activity.active:
            return
        total = cotangents.get(value)
        if isinstance(found, Into):
            cotangents[value] = found.added(self._b.full(value.type, 0.0) if total is None else total)
        else:
            cotangents[value] = found if total is None else self._b("add", total, found)

    def _append(self, op: Op) -> None:
        b, activity = self._b, self.activity
        if _is_constant(op, self._constants):
            self._constants.update(op.outputs)
        varied, useful = activity.of(op.inputs), activity.of(op.outputs)
        if not (any(varied) and any(useful)):
            b.copy(op, self.names)
            return
        masked = not activity.masked.isdisjoint(op.outputs)
        if op.name in RULES:
            b.copy(op, self.names)
            pull = self._rule(op, varied, masked)
        else:
            source, b.source = b.source, op.source or b.source
            inputs = [self.names[v] for v in op.inputs]
            masked = masked or not activity.masked.isdisjoint(op.inputs)
            outputs, pull = ADJOINTS[op.name](b, op, inputs, varied, useful, masked, Linearised)
            self.names.update(zip(op.outputs, outputs, strict=True))
            b.source = source
        self._pulls.append((op, pull))

    def _rule(self, op: Op, wanted: list[bool], masked: bool) -> Pull:
        b = self._b
        inputs, output = [self.names[v] for v in op.inputs], self.names[op.outputs[0]]

        def pull(cotangents: Sequence[Value | None]) -> Sequence[Value | Into | None]:
            (g,) = cotangents
            assert g is not None
            found = RULES[op.name](b, inputs, output, op.attributes, g, wanted)
            if not masked or op.name not in ELEMENTWISE or op.name in LINEAR:
                return found
            return [c if isinstance(c, Into) or c is None else self._guarded(op, i, g, c) for i, c in enumerate(found)]

        return pull

    def _guarded(self, op: Op, i: int, g: Value, found: Value) -> Value:
        """0 where the cotangent of the result is 0, whatever the slope."""
        if op.name in {"multiply", "divide"} and op.inputs[1 - i] in self._constants and (op.name, i) != ("divide", 1):
            return found  # the slope is a finite number
        b = self._b
        zero = b.full(g.type, 0.0)
        return b("select", b("equal", g, zero), zero, found)


def _is_constant(op: Op, known: set[Value]) -> bool:
    """Whether an operation gives finite numbers, none of them 0, that are known."""
    if op.name == "constant":
        value: Any = op.attributes["value"]
        return bool(np.all(np.isfinite(value) & (value != 0)))
    return op.name in {"broadcast", "reshape", "cast"} and op.inputs[0] in known
