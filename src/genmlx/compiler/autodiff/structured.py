"""Adjoints of operations that run regions.

**Loops** (scan, and map as a scan without carries). The adjoint of ``carry, y[i] = body(carry, x[i], *rest)`` runs the
other way: from the cotangents of carry and y[i] of an iteration to those of the carry before it and of x[i]; those of
rest add up in carries of their own. What an iteration of the adjoint needs of the forward one is either saved there, in
an output of its own, or computed again:

* computed again: cheap operations (sums, products, comparisons, views), what depends on rest only, large results, and
  inner loops;
* saved: results of at most `SAVED_BYTES` (or the size of the carries) of all other operations, and carries, but only
  those that are then still needed.

So a scan of n iterations keeps n times (carries + small results) bytes, never n times its large temporaries, and an
inner loop keeps its own iterations for one outer iteration at a time: memory adds up over nested loops where it would
multiply. The price is at most one more forward run for each level of nesting.

**switch**: the adjoint is a switch, too, whose branches run forward and back.

**while** has no adjoint: what it would have to save has no known size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from genmlx.compiler.autodiff.activity import Activity, loop_activity
from genmlx.compiler.autodiff.indexing import Into
from genmlx.compiler.ir.graph import Builder, Op, Region, Value
from genmlx.compiler.ir.ops import STRUCTURED, VIEWS
from genmlx.numerics.errors import GenMLXError

__all__ = ["ADJOINTS", "CHEAP", "SAVED_BYTES", "STACKED_BYTES", "GradientError", "Pull"]

SAVED_BYTES = 1024
"""How large a result is at most that the forward run of a loop saves for each iteration."""

STACKED_BYTES = 1 << 16
"""How large the stacked gradients of a map's shared operands are at most; larger ones are summed by a scan."""

Pull = Callable[[Sequence[Value | None]], Sequence[Value | Into | None]]
"""From the cotangents of an operation's outputs to those of its inputs."""

CHEAP = VIEWS | frozenset(
    (
        *("add", "subtract", "multiply", "negative", "abs", "sign", "square", "minimum", "maximum", "select", "cast"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "nan_equal"),
        *("logical_and", "logical_or", "logical_not", "floor", "ceil", "round", "stop_gradient"),
        *("constant", "iota"),
    )
)
"""What is as fast to compute again as to load."""


class GradientError(GenMLXError, TypeError):
    """A program that has no gradient in reverse mode."""


class Linear(Protocol):
    """A region run forward, ready to go back (`genmlx.compiler.autodiff.reverse.Linearised`)."""

    activity: Activity
    names: dict[Value, Value]

    def pull(self, seeds: Sequence[Value | None], totals: dict[Value, Value] | None = None) -> list[Value | None]:
        """The cotangents of the parameters."""
        ...


Linearise = Callable[[Builder, Region, Sequence[Value], Sequence[bool], Sequence[bool], bool], Linear]
Adjoint = Callable[
    [Builder, Op, Sequence[Value], Sequence[bool], Sequence[bool], bool, Linearise], tuple[Sequence[Value], Pull]
]


# ---- loops -----------------------------------------------------------------------------------------------------------


class _Loop:
    """The adjoint of one loop: an iteration forward and back, built once as one region and then cut in two.

    Attributes:
        parameters: of that region, in place of the body's; cotangents and totals are further parameters of it.
        carry_seeds: the cotangent of each carry that has one, by the carry's number.
        output_seeds: the cotangent of each stacked output that has one, by the number of the body's result.
        totals: what the cotangents of rest operands are added to, by the operand's number; empty for a map.
        stacked_results: cotangents that each iteration gives by itself, by the operand's number.
        kept: the operations of the backward body.
        saved: the values that it gets from the forward one.
        needed: all values that it uses.
    """

    def __init__(
        self, op: Op, varied: Sequence[bool], useful: Sequence[bool], masked: bool, linearise: Linearise
    ) -> None:
        self.op, (self.body,) = op, op.regions
        self.carries = op.attributes.get("carries", 0)
        self.first_rest = self.carries + op.attributes["mapped" if op.name == "map" else "sequences"]
        self.length = op.attributes["size" if op.name == "map" else "length"]
        ins, outs = loop_activity(op, varied, useful)

        b = self._b = Builder(source=op.source)
        self.parameters = [b.parameter(t) for t in self.body.parameter_types]
        linear = linearise(b, self.body, self.parameters, ins, outs, masked)
        self._forward_ops = len(b.ops)
        self._original = {new: old for old, new in linear.names.items()}
        active = linear.activity.active
        results = dict(enumerate(self.body.results))
        rest = {i: p for i, p in enumerate(self.body.parameters) if i >= self.first_rest and p in active}
        stacked_bytes = self.length * sum(p.type.nbytes for p in rest.values())
        self.accumulates = op.name == "scan" or stacked_bytes > STACKED_BYTES

        def like(values: dict[int, Value]) -> dict[int, Value]:
            return {i: b.parameter(v.type) for i, v in values.items()}

        self.carry_seeds = like({j: results[j] for j in range(self.carries) if ins[j] and outs[j]})
        self.output_seeds = like({k: r for k, r in results.items() if k >= self.carries and r in active})
        self.totals = like(rest) if self.accumulates else {}
        seeds = {**self.carry_seeds, **self.output_seeds}
        found = linear.pull([seeds.get(k) for k in results], {rest[i]: total for i, total in self.totals.items()})

        self.carry_results = [found[j] or b.full(seed.type, 0.0) for j, seed in self.carry_seeds.items()]
        self.carry_results += [found[i] or total for i, total in self.totals.items()]
        stacked = [*range(self.carries, self.first_rest), *(i for i in rest if not self.accumulates)]
        self.stacked_results = {i: g for i in stacked if (g := found[i]) is not None}
        self.kept, self.saved, self.needed = self._cut()

    def _cut(self) -> tuple[list[Op], list[Value], set[Value]]:
        """What the backward body runs, what it gets from the forward one, and all that it uses."""
        limit = max(SAVED_BYTES, sum(p.type.nbytes for p in self.parameters[: self.carries]))
        changing = set(self.parameters[: self.first_rest])
        for op in self._b.ops[: self._forward_ops]:
            if changing.intersection(op.inputs):
                changing.update(op.outputs)

        def is_saved(op: Op, outputs: Sequence[Value]) -> bool:
            # What only the adjoint of an inner loop makes has no original, and is made again.
            dear = op.name not in CHEAP and all(v in self._original for v in outputs)
            return dear and all(v in changing and v.type.nbytes <= limit for v in outputs)

        needed = {*self.carry_results, *self.stacked_results.values()}
        kept: list[Op] = []
        saved: list[Value] = []
        for number, op in reversed([*enumerate(self._b.ops)]):
            outputs = [v for v in op.outputs if v in needed]
            if outputs and number < self._forward_ops and is_saved(op, outputs):
                saved += outputs
            elif outputs:
                kept.append(op)
                needed.update(op.inputs)
        saved += [p for p in self.parameters[: self.carries] if p in needed]
        return kept[::-1], saved, needed

    def forward(self, b: Builder, inputs: Sequence[Value]) -> tuple[Sequence[Value], list[Value]]:
        """Appends the loop, with an output for each saved value; returns the outputs it had, and the saved stacks."""
        results = self.body.results
        originals = [self._original[v] for v in self.saved]
        own = {r: k for k, r in enumerate(results) if k >= self.carries}
        extra = [v for v in originals if v not in own]
        step = Builder()
        names = {p: step.parameter(p.type) for p in self.body.parameters}
        for op in self.body.ops:
            step.copy(op, names)
        body = step.finish(*(names[r] for r in (*results, *extra)))
        outputs = b.emit(self.op.name, inputs, self.op.attributes, [body])
        stacks = {**{r: outputs[k] for r, k in own.items()}, **dict(zip(extra, outputs[len(results) :], strict=True))}
        return outputs[: len(results)], [stacks[v] for v in originals]

    def pull(
        self, b: Builder, inputs: Sequence[Value], stacks: Sequence[Value], cotangents: Sequence[Value | None]
    ) -> list[Value | None]:
        """Appends the loop that goes back; returns the cotangents of the operands."""

        def given(k: int) -> Value:
            return cotangents[k] or b.full(self.op.outputs[k].type, 0.0)

        used = [i for i, p in enumerate(self.parameters) if i >= self.carries and p in self.needed]
        carry = [(seed, given(j)) for j, seed in self.carry_seeds.items()]
        carry += [(total, b.full(total.type, 0.0)) for total in self.totals.values()]
        sequences = [*zip(self.saved, stacks, strict=True)]
        sequences += [(self.parameters[i], inputs[i]) for i in used if i < self.first_rest]
        sequences += [(seed, given(k)) for k, seed in self.output_seeds.items() if seed in self.needed]
        rest = [(self.parameters[i], inputs[i]) for i in used if i >= self.first_rest]

        outputs = b.emit(
            "scan" if self.accumulates else "map",
            [operand for _, operand in (*carry, *sequences, *rest)],
            self._attributes(len(carry), len(sequences)),
            [self._backward_body(carry, sequences, rest)],
        )
        numbers = (*self.carry_seeds, *self.totals, *self.stacked_results)
        found = dict(zip(numbers, outputs, strict=True))
        for i in self.stacked_results:
            if i >= self.first_rest:
                found[i] = b("reduce", found[i], kind="sum", axes=(0,))
        return [found.get(i) for i in range(len(inputs))]

    def _backward_body(self, *operands: Sequence[tuple[Value, Value]]) -> Region:
        step = Builder()
        names = {value: step.parameter(value.type) for group in operands for value, _ in group}
        for op in self.kept:
            step.copy(op, names)
        results = (*self.carry_results, *self.stacked_results.values())
        return step.finish(*(names[r] for r in results))

    def _attributes(self, carries: int, sequences: int) -> dict[str, Any]:
        if not self.accumulates:
            return {"size": self.length, "mapped": sequences}
        reverse = not self.op.attributes.get("reverse", True)
        return {"length": self.length, "carries": carries, "sequences": sequences, "reverse": reverse}


def _loop(
    b: Builder,
    op: Op,
    inputs: Sequence[Value],
    varied: Sequence[bool],
    useful: Sequence[bool],
    masked: bool,
    linearise: Linearise,
) -> tuple[Sequence[Value], Pull]:
    loop = _Loop(op, varied, useful, masked, linearise)
    outputs, stacks = loop.forward(b, inputs)
    return outputs, lambda cotangents: loop.pull(b, inputs, stacks, cotangents)


# ---- choices ---------------------------------------------------------------------------------------------------------


def _switch(
    b: Builder,
    op: Op,
    inputs: Sequence[Value],
    varied: Sequence[bool],
    useful: Sequence[bool],
    masked: bool,
    linearise: Linearise,
) -> tuple[Sequence[Value], Pull]:
    def pull(cotangents: Sequence[Value | None]) -> list[Value | None]:
        given = [c is not None for c in cotangents]
        branches = [_back(region, varied[1:], given, masked, linearise) for region in op.regions]
        reached = [i for i in range(len(inputs) - 1) if any(found[i] is not None for _, found in branches)]
        regions = [
            _live(step.finish(*(found[i] or step.full(inputs[i + 1].type, 0.0) for i in reached)))
            for step, found in branches
        ]
        operands = [*inputs[1:], *(c for c in cotangents if c is not None)]
        used = [i for i in range(len(operands)) if any(_is_used(r, i) for r in regions)]
        regions = [Region(tuple(r.parameters[i] for i in used), r.ops, r.results) for r in regions]
        outputs = iter(b.emit("switch", [inputs[0], *(operands[i] for i in used)], {}, regions))
        return [None, *(next(outputs) if i in reached else None for i in range(len(inputs) - 1))]

    return b.emit("switch", inputs, op.attributes, op.regions), pull


def _back(
    region: Region, varied: Sequence[bool], given: Sequence[bool], masked: bool, linearise: Linearise
) -> tuple[Builder, list[Value | None]]:
    """A branch, forward and back: parameters of the branch and the cotangents that are given; not yet finished."""
    step = Builder()
    parameters = [step.parameter(t) for t in region.parameter_types]
    linear = linearise(step, region, parameters, varied, given, masked)
    seeds = [step.parameter(r.type) if flag else None for r, flag in zip(region.results, given, strict=True)]
    return step, linear.pull(seeds)


def _live(region: Region) -> Region:
    """A region without the operations that no result needs."""
    needed, kept = set(region.results), []
    for op in reversed(region.ops):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    return Region(region.parameters, tuple(kept[::-1]), region.results)


def _is_used(region: Region, i: int) -> bool:
    parameter = region.parameters[i]
    return parameter in region.results or any(parameter in op.inputs for op in region.ops)


# ---- no adjoint ------------------------------------------------------------------------------------------------------


def _while(
    b: Builder,
    op: Op,
    inputs: Sequence[Value],
    varied: Sequence[bool],
    useful: Sequence[bool],
    masked: bool,
    linearise: Linearise,
) -> tuple[Sequence[Value], Pull]:
    raise GradientError(
        "the gradient goes through a while loop: how many iterations it takes, and so what they would have to keep for "
        "the way back, is not known before it runs",
        where=op.source or None,
        fix="scan or fori_loop with a fixed number of steps (a flag in the carry stops its effect early), or "
        "mx.stop_gradient on what goes in, if the loop is to count as constant",
    )


ADJOINTS: dict[str, Adjoint] = {"scan": _loop, "map": _loop, "switch": _switch, "while": _while}
"""The structured operations: forward outputs, and the way back."""

assert set(ADJOINTS) | {"gradient"} == STRUCTURED
