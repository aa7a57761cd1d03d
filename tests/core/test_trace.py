"""Traces: what they hold, how they print, and the sugar over the interface."""

import io

import mlx.core as mx
import pytest
import rich.console

import genmlx as gm
from genmlx import gen, normal
from genmlx.numerics.errors import AddressError, UsageError
from helpers.tolerances import assert_close
from helpers.type_checker import unchecked


@gen
def inner(x):
    return normal(x, 1.0) @ "z"


@gen
def model(x):
    a = normal(x, 1.0) @ "a"
    b = inner(a) @ ("b", 0)
    gm.factor("penalty", -0.5 * b)
    normal(mx.zeros(10), 1.0) @ "many"
    return a + b


@pytest.fixture
def trace():
    return model(2.0).simulate(key=1)


def test_a_trace_holds_function_arguments_choices_return_value_and_score(trace):
    assert trace.gen_fn is model
    assert trace.args == (2.0,)
    assert trace.choices.paths() == [("a",), ("b", 0, "z"), ("many",)]
    assert_close(trace.retval, trace["a"] + trace["b", 0, "z"])
    expected = normal(2.0, 1.0).log_prob(trace["a"]) + normal(trace["a"], 1.0).log_prob(trace["b", 0, "z"])
    expected = expected + mx.sum(normal(0.0, 1.0).log_prob(trace["many"])) - 0.5 * trace["b", 0, "z"]
    assert_close(trace.score, expected)
    assert trace.score.shape == ()
    assert trace.score.dtype == mx.float32


def test_choices_are_read_from_the_trace(trace):
    assert trace["b"][0, "z"].item() == trace["b", 0, "z"].item()
    assert "b" in trace
    assert ("b", 0) in trace
    assert "penalty" not in trace
    with pytest.raises(AddressError, match="there is no choice at 'q'"):
        trace["q"]


def test_the_trace_of_a_distribution_has_its_choice_at_the_empty_address():
    trace = normal(0.0, 1.0).simulate(key=0)
    assert trace[()].item() == trace.retval.item()
    assert trace.choices.paths() == [()]
    assert_close(trace.score, normal(0.0, 1.0).log_prob(trace.retval))


def rendered(value):
    console = rich.console.Console(file=io.StringIO(), width=120)
    console.print(value)
    return console.file.getvalue()


def test_show_prints_a_tree_of_address_distribution_value_and_log_density(trace, capsys):
    trace.show()
    text = capsys.readouterr().out
    assert "model" in text.splitlines()[0]
    assert "score" in text.splitlines()[0]
    line = next(line for line in text.splitlines() if "'a' ~ normal" in line)
    assert f"{trace['a'].item():.4g}" in line
    assert f"log p {normal(2.0, 1.0).log_prob(trace['a']).item():.4g}" in line
    assert "('b', 0) ~ inner" in text
    assert "'z' ~ normal" in text
    assert text.index("'z' ~ normal") > text.index("('b', 0) ~ inner")
    assert "'penalty' ~ factor" in text
    assert "float32[10]" in text


def test_choice_maps_print_as_a_tree_too(trace):
    text = rendered(trace.choices)
    assert "many" in text
    assert "z = " in text


def test_batched_traces_show_every_execution(trace):
    text = rendered(model(2.0).simulate(n=2, key=1))
    assert "model" in text
    assert "'a' ~ normal = [" in text


def test_the_printed_form_holds_choices_and_score(trace):
    assert repr(trace).startswith("Trace(model, choicemap({'a': ")
    assert "score=" in repr(trace)


def test_traces_print_where_no_values_exist():
    """Under vmap a trace still has a printed form: shapes in the place of values."""
    texts = []

    @gen
    def printing():
        x = normal(mx.zeros(2), 1.0) @ "x"
        texts.append(repr(inner(mx.sum(x)).simulate(key=0)))
        texts.append(rendered(inner(mx.sum(x)).simulate(key=0)))
        return x

    printing().simulate(n=3, key=0)
    assert all("<traced float32[]>" in text for text in texts)
    assert len(texts) == 2


def test_traces_are_not_changed_by_methods(trace):
    before, score = dict(trace.choices.items()), trace.score.item()
    trace.update({"a": 0.0})
    trace.regenerate(gm.ALL, key=1)
    trace.edit(gm.ConstraintEdit({"a": 0.0}))
    assert trace.score.item() == score
    assert all(trace[path].tolist() == value.tolist() for path, value in before.items())


def test_default_arguments_are_the_old_ones(trace):
    assert trace.update({"a": 0.0}).trace.args == (2.0,)
    assert trace.update({"a": 0.0}, args=(5.0,)).trace.args == (5.0,)
    assert trace.regenerate("a", args=(5.0,)).trace.args == (5.0,)
    assert trace.edit(gm.SelectionEdit("a"), args=(5.0,)).trace.args == (5.0,)


def test_new_arguments_are_a_tuple_that_fits_the_signature(trace):
    with pytest.raises(UsageError, match=r"(?s)args= takes a tuple of arguments, found 3.0.*instead: args=\(xs,\)"):
        unchecked(type(trace)._arguments)(trace, 3.0, None)
    with pytest.raises(UsageError, match=r"model\(x\): too many positional arguments"):
        trace.update(args=(1.0, 2.0))
    with pytest.raises(UsageError, match="argdiffs has 2 entries for 1 arguments"):
        trace.update(args=(1.0,), argdiffs=(gm.NoChange, gm.NoChange))


def test_an_address_stands_for_its_selection(trace):
    assert_close(trace.project("a"), trace.project(gm.select("a")))
    assert_close(trace.project(("b", 0)), trace.project(gm.select(("b", 0))))
    with pytest.raises(UsageError, match="a selection is expected"):
        trace.project(["a"])


def test_a_part_of_a_trace_is_not_updated_by_itself(trace):
    part = dict(trace.subtraces())["a"]
    with pytest.raises(UsageError, match=r"(?s)part of another trace.*instead: update the whole trace"):
        part.update(0.0)


def test_factor_score_is_the_part_without_choices(trace):
    assert_close(trace.factor_score(), -0.5 * trace["b", 0, "z"])
    assert inner(0.0).simulate(key=0).factor_score() is None
