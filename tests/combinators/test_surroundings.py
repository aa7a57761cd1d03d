"""What code reads beside its arguments: found, and refused where its changes cannot be seen."""

import mlx.core as mx
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.combinators.surroundings import surroundings

SCALE = 2.0
TABLE = [1.0, 2.0]
WEIGHTS = mx.array([1.0, 2.0])


def scaled(x):
    return SCALE * x


@gen
def direct(x):
    return normal(x, SCALE) @ "x"


@gen
def through_a_function(x):
    return normal(scaled(x), 1.0) @ "x"


@gen
def through_a_call(x):
    return direct(x) @ "in"


@gen
def weighted(x):
    return normal(mx.sum(WEIGHTS) * x, 1.0) @ "x"


@pytest.mark.parametrize("model", [direct, through_a_function, through_a_call, gm.Map(direct), gm.Unfold(direct)])
def test_a_global_is_found_however_deep(model, monkeypatch):
    before = surroundings(model)
    assert before is not None
    assert surroundings(model) == before
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert surroundings(model) != before


def test_an_array_that_is_changed_in_place_is_another(monkeypatch):
    monkeypatch.setitem(globals(), "WEIGHTS", mx.array([1.0, 2.0]))
    before = surroundings(weighted)
    WEIGHTS[0] = 5.0
    assert surroundings(weighted) != before


def test_a_closure_over_a_number_is_told_from_another():
    def made(sd):
        return gen(lambda x: normal(x, sd) @ "x")

    assert surroundings(made(1.0)) != surroundings(made(2.0))


class Model:
    sd = 1.0

    @gen
    def step(self, x):
        return normal(x, self.sd) @ "x"


def test_what_may_change_unseen_is_refused():
    captured = mx.array(1.0)
    for model in (
        gen(lambda x: normal(x, TABLE[0]) @ "x"),
        gen(lambda x: normal(x, captured) @ "x"),
        Model().step,
        gm.Map(Model().step),
    ):
        assert surroundings(model) is None
