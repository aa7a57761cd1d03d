"""The cost of a model is linear in its choices, in every method."""

import time

import pytest

import genmlx as gm
from genmlx import gen, normal


@gen
def leaf(x):
    return normal(x, 1.0) @ "v"


@gen
def flat(n):
    x = normal(0.0, 1.0) @ "x0"
    for i in range(1, n):
        x = normal(x, 1.0) @ f"x{i}"
    return x


@gen
def paths(n):
    x = normal(0.0, 1.0) @ ("x", 0)
    for i in range(1, n):
        x = leaf(x) @ ("x", i)
    return x


METHODS = {
    "simulate": lambda m, n, t: m(n).simulate(key=0).choices,
    "generate": lambda m, n, t: m(n).generate(t.choices, key=0),
    "assess": lambda m, n, t: m(n).assess(t.choices),
    "update": lambda m, n, t: t.update(t.choices),
    "regenerate": lambda m, n, t: t.regenerate(gm.ALL, key=0),
    "project": lambda m, n, t: t.project(~gm.select("x3")),
    "edit": lambda m, n, t: t.edit(gm.SelectionEdit(gm.ALL), key=0),
    "shrink": lambda m, n, t: t.update(args=(2,)),
    "show": lambda m, n, t: t.__rich__() and repr(t),
}


def seconds(f):
    times = []
    for _ in range(2):
        start = time.process_time()
        f()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("model", [flat, paths], ids=["flat", "nested"])
def test_ten_times_the_choices_cost_ten_times_as_much(model, method):
    """A quadratic method would take a hundred times as long."""
    small, large = (model(n).simulate(key=0) for n in (25, 250))
    assert seconds(lambda: method(model, 250, large)) < 35 * seconds(lambda: method(model, 25, small)) + 0.01
