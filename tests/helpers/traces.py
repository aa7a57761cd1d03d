"""Comparing traces and choice maps, and the choices of one as constraints on another."""

import random
from collections.abc import Iterable
from typing import Any

import mlx.core as mx
import numpy as np

import genmlx as gm
from genmlx.core.choicemap import ChoiceMap
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.selection import Selection
from genmlx.core.trace import ProposeResult, Trace
from genmlx.numerics.pytree import split_arrays
from helpers.tolerances import VALUE_RTOL, assert_close, assert_exact

__all__ = [
    "Prior",
    "assert_same_choices",
    "assert_same_tree",
    "assert_weight",
    "at",
    "common",
    "factors_of",
    "halves",
    "parts",
    "paths_of",
]


def paths_of(x: Trace | ChoiceMap) -> set[Any]:
    """The addresses that hold a value: of executions of several branches at once, some hold nan, which is none."""
    choices = x.choices if isinstance(x, Trace) else x
    return {path for path, value in choices.items() if not mx.any(mx.isnan(value)).item()}


def at(paths: Iterable[Any]) -> Selection:
    """The selection of exactly these paths."""
    wanted = {path if len(path) != 1 else path[0] for path in paths}
    return gm.select_where(lambda address: address in wanted)


def halves(paths: set[Any], seed: int) -> tuple[set[Any], set[Any]]:
    """A random part of the paths, and the rest."""
    order = sorted(paths, key=repr)
    part = {p for p in order if random.Random(f"{seed}{p!r}").random() < 0.5}
    return part, paths - part


def parts(paths: set[Any], seed: int) -> list[set[Any]]:
    """Some parts of the paths: one path alone, all but that one, and a random half."""
    order = sorted(paths, key=repr)
    one = {order[seed % len(order)]} if order else set()
    return [one, paths - one, halves(paths, seed)[0]]


def common(old: Trace, new: Trace) -> set[Any]:
    return paths_of(old) & paths_of(new)


def assert_same_choices(actual: ChoiceMap, expected: ChoiceMap) -> None:
    """One set of addresses, with values that are equal to the bit."""
    found, wanted = dict(actual.items()), dict(expected.items())
    assert found.keys() == wanted.keys()
    for path, value in wanted.items():
        assert_exact(found[path], value)


def assert_same_tree(actual: Any, expected: Any, *, exact: bool = True) -> None:
    """One structure, with arrays that are equal (to the bit, or to float32 accuracy)."""
    a, b = split_arrays(actual), split_arrays(expected)
    assert a[1].treedef == b[1].treedef
    assert a[1].is_array == b[1].is_array
    assert all(x is y or x == y for x, y in zip(a[1].static, b[1].static, strict=True))
    for x, y in zip(a[0], b[0], strict=True):
        if exact:
            assert_exact(x, y)
        else:
            assert_close(x, y)


def assert_weight(actual: mx.array, expected: Any, *terms: Any) -> None:
    """A weight has the value expected, up to float32 rounding of the terms that it is a difference of.

    It must be finite: a NaN or infinity on both sides says nothing.
    """
    a, e = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert np.all(np.isfinite(a)), f"weight {a}"
    scale = 1.0 + sum(np.max(np.abs(np.asarray(t, dtype=np.float64))) for t in terms)
    assert_close(a, e, atol=VALUE_RTOL * float(scale))


def factors_of(trace: Trace) -> Any:
    """The factor part of the score, 0 where there is none."""
    part = trace.factor_score()
    return mx.zeros_like(trace.score) if part is None else part


class Prior(GenerativeFunction):
    """A proposal for any trace: its own function, run again from scratch."""

    name = "prior"

    def simulate(self, key, args):
        (trace,) = args
        return trace.gen_fn.simulate(key, trace.args)

    def propose(self, key, args) -> ProposeResult:
        (trace,) = args
        return trace.gen_fn.propose(key, trace.args)

    def assess(self, args, choices):
        (trace,) = args
        return trace.gen_fn.assess(trace.args, choices)

    def generate(self, key, args, constraints):
        raise NotImplementedError

    project = update = regenerate = generate
