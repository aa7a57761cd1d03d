"""Addresses of a running model, unused constraints, and errors that name the whole path."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.numerics.errors import AddressError, ConstraintError, DomainError, ShapeError


@gen
def inner(x):
    y = normal(x, 1.0) @ "y"
    return normal(y, 1.0) @ ("z", 0)


@gen
def outer():
    a = normal(0.0, 1.0) @ "a"
    return inner(a) @ ("sub", "s")


@gen
def top():
    return outer() @ "top"


# ---- addresses ------------------------------------------------------------------------------------------------------


def run(*steps):
    @gen
    def model():
        for address in steps:
            (inner(0.0) if str(address) == "call" else normal(0.0, 1.0)) @ address

    return model().simulate(key=0)


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        (["x", "y", "x"], r"(?s)used twice in one execution.*at address 'x'.*f\"y\{j\}\" in a loop"),
        ([("a", 0), ("a", 0)], r"(?s)used twice.*at address \('a', 0\)"),
        ([3, np.int64(3)], "(?s)used twice.*at address 3"),
        (["x", ("x",)], "(?s)used twice.*at address 'x'"),
        (["a", ("a", "b")], r"(?s)lies below \('a',\), which is the address of another call.*at address \('a', 'b'\)"),
        ([("a", "b"), "a"], "(?s)choices were already made below this address.*at address 'a'"),
        ([("a", "b", "c"), ("a", "b")], r"(?s)already made below.*at address \('a', 'b'\)"),
        ([("a", "b"), ("a", "b", "c")], r"(?s)lies below \('a', 'b'\)"),
        (["call", ("call", "other")], r"(?s)lies below \('call',\)"),
        ([()], r"(?s)the empty tuple is not an address.*instead: a name"),
    ],
)
def test_addresses_that_meet_are_an_error(addresses, message):
    with pytest.raises(AddressError, match=message):
        run(*addresses)


def test_addresses_that_only_look_alike_are_apart():
    trace = run(1, "1", ("a", 1), ("a", "1"), ("b", "a"), "ab", "")
    assert len(trace.choices) == 7
    assert len({v.item() for _, v in trace.choices.items()}) == 7


def test_a_doubled_address_in_a_call_names_the_whole_path():
    @gen
    def doubled():
        normal(0.0, 1.0) @ "x"
        normal(0.0, 1.0) @ "x"

    @gen
    def around():
        doubled() @ ("in", 0)

    for method in (around().simulate, around().generate):
        with pytest.raises(AddressError, match=r"(?s)used twice.*at address \('in', 0, 'x'\)"):
            method()
    with pytest.raises(AddressError, match=r"(?s)used twice.*at address \('in', 0, 'x'\)"):
        around().assess({"in": {0: {"x": 1.0}}})


def test_one_address_in_two_executions_is_no_clash():
    trace = outer().simulate(key=0)
    for _ in range(3):
        trace = trace.regenerate(gm.ALL, key=1).trace
    assert len(trace.choices) == 3


# ---- unused constraints ---------------------------------------------------------------------------------------------

UNUSED = [
    ({"b": 1.0}, r"outer made no choice at 'b', for which a value was given"),
    ({"A": 1.0}, r"did you mean 'a'\?"),
    ({("sub", "x"): 1.0}, r"outer made no choice at \('sub', 'x'\)"),
    ({"sub": 1.0}, r"outer made no choice at 'sub'"),
    ({("sub", "s", "x"): 1.0}, r"(?s)inner made no choice at 'x'.*at address \('sub', 's'\)"),
    ({("sub", "s", "z", 1): 1.0}, r"(?s)inner made no choice at \('z', 1\).*did you mean \('z', 0\)"),
    ({"a": 1.0, "b": 1.0, "c": {"d": 1.0}}, r"outer made no choice at 'b', 'c'"),
]


@pytest.mark.parametrize(("constraints", "message"), UNUSED)
def test_unused_constraints_are_an_error_in_every_method(constraints, message):
    trace = outer().simulate(key=0)
    whole = trace.choices if {"sub", "a"} & set(constraints) else trace.choices
    complete = whole | constraints if constraints != {"sub": 1.0} else None
    methods = [
        lambda: outer().generate(constraints),
        lambda: outer().generate(constraints, n=3),
        lambda: trace.update(constraints),
        lambda: trace.edit(gm.ConstraintEdit(constraints)),
        lambda: outer().simulate(n=3, key=0).update(constraints),
    ]
    if complete is not None:
        methods += [lambda: outer().assess(complete), lambda: outer().assess(complete, n=3)]
    for method in methods:
        with pytest.raises(ConstraintError, match=message):
            method()


def test_unused_constraints_deep_inside_name_the_whole_path():
    with pytest.raises(ConstraintError, match=r"(?s)inner made no choice at 'q'.*at address \('top', 'sub', 's'\)"):
        top().generate({("top", "sub", "s", "q"): 1.0})
    trace = top().simulate(key=0)
    with pytest.raises(ConstraintError, match=r"(?s)inner made no choice at 'q'.*at address \('top', 'sub', 's'\)"):
        trace.update({("top", "sub", "s", "q"): 1.0})


def test_constraints_on_calls_without_choices_are_unused():
    @gen
    def nothing():
        return 1.0

    @gen
    def around():
        nothing() @ "n"

    with pytest.raises(ConstraintError, match=r"(?s)nothing made no choice at 'x'.*has the addresses none"):
        around().generate({"n": {"x": 1.0}})
    with pytest.raises(ConstraintError, match="around made no choice at 'm'"):
        around().generate({"m": 1.0})


def test_constraints_for_the_branch_not_taken_are_unused():
    @gen
    def branching():
        up = gm.bernoulli(0.5) @ "up"
        return normal(0.0, 1.0) @ ("a" if up else "b")

    trace = branching().generate({"up": 1}).trace
    for constraints in ({"b": 1.0}, {"up": 0, "a": 1.0}):
        with pytest.raises(ConstraintError, match="made no choice at"):
            trace.update(constraints)
    with pytest.raises(ConstraintError, match="made no choice at 'b'"):
        branching().generate({"up": 1, "b": 1.0})


def test_many_unused_constraints_are_told_in_short():
    with pytest.raises(ConstraintError) as caught:
        outer().generate({f"w{i}": 1.0 for i in range(100)})
    assert len(str(caught.value)) < 400
    assert "'w4', ..." in str(caught.value)


def test_empty_groups_constrain_nothing():
    assert outer().generate({"b": {}, "sub": {"s": {}}}, key=0).weight.item() == 0.0


# ---- a value where a group is, a group where a value is -------------------------------------------------------------


def test_a_value_for_a_call_of_a_model_is_an_error():
    trace = outer().simulate(key=0)
    for method in (outer().generate, trace.update, lambda c: outer().generate(c, n=2)):
        with pytest.raises(
            ConstraintError,
            match=r"(?s)a value was given for inner, which is not one choice but a model.*at address \('sub', 's'\).*"
            r"a dict with values at its addresses: 'y', \('z', 0\)",
        ):
            method({("sub", "s"): 1.0})
    with pytest.raises(ConstraintError, match="a value was given for outer"):
        outer().generate(1.0)


def test_a_group_for_a_choice_is_an_error_in_every_method():
    trace = outer().simulate(key=0)
    methods = (outer().generate, outer().assess, trace.update, lambda c: outer().generate(c, n=2))
    for method in methods:
        with pytest.raises(
            ConstraintError, match=r"(?s)one choice \(normal\).*group with the addresses \['value'\].*at address 'a'"
        ):
            method(trace.choices.set("a", {"value": 1.0}))
        with pytest.raises(ConstraintError, match=r"(?s)one choice \(normal\).*at address \('sub', 's', 'z', 0\)"):
            method(trace.choices.set(("sub", "s", "z", 0), {"value": 1.0}))


# ---- missing choices, shapes, domains -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [("a",), ("sub", "s", "y"), ("sub", "s", "z", 0)])
def test_a_missing_choice_in_assess_names_its_path(missing):
    choices = outer().simulate(key=0).choices
    address = missing if len(missing) > 1 else missing[0]
    place = r"\('sub', 's', .*\)" if len(missing) > 1 else "'a'"
    for n in (None, 3):
        with pytest.raises(AddressError, match=rf"(?s)assess needs every choice.*at address {place}.*or use generate"):
            outer().assess(choices.filter(~gm.select(address)), n=n)
    with pytest.raises(AddressError, match="(?s)assess needs every choice.*at address 'a'"):
        outer().assess({})


def test_a_wrong_shape_names_its_path():
    trace = top().simulate(key=0)
    constraints = {("top", "sub", "s", "y"): [1.0, 2.0]}
    for method in (top().generate, trace.update, lambda c: top().assess(trace.choices | c)):
        with pytest.raises(
            ShapeError,
            match=r"(?s)values of shape \(\), but the constraint has shape \(2,\).*at address \('top', 'sub', 's', 'y'\)",
        ):
            method(constraints)


def test_parameters_out_of_domain_name_their_path():
    @gen
    def bad():
        return normal(0.0, -1.0) @ "x"

    @gen
    def around():
        return bad() @ ("in", 0)

    for method in (around().simulate, around().propose, around().generate):
        with pytest.raises(DomainError, match=r"(?s)'sigma' of normal must be positive, found -1.0.*\('in', 0, 'x'\)"):
            method(key=0)
    with pytest.raises(DomainError, match=r"at address \('in', 0, 'x'\)"):
        around().assess({"in": {0: {"x": 1.0}}})


def test_a_parameter_that_becomes_bad_in_an_update_names_its_path():
    @gen
    def model(sd):
        return normal(0.0, sd) @ "x"

    trace = model(1.0).simulate(key=0)
    for method in (trace.update, lambda args: trace.regenerate(gm.ALL, args=args)):
        with pytest.raises(DomainError, match="(?s)found -1.0.*at address 'x'"):
            method(args=(-1.0,))


def test_an_error_has_what_where_and_what_to_write_instead():
    with pytest.raises(ConstraintError) as caught:
        top().generate({("top", "b"): 1.0})
    lines = str(caught.value).splitlines()
    assert lines[0] == "outer made no choice at 'b', for which a value was given"
    assert lines[1] == "  at address 'top'"
    assert lines[2].startswith("  instead: ")
    assert caught.value.path == ("top",)


def test_every_error_of_the_language_is_one_kind():
    for error in (AddressError, ConstraintError, DomainError, ShapeError):
        assert issubclass(error, gm.GenMLXError)


def test_no_nan_passes_where_a_constraint_is_nan():
    trace, weight = outer().generate({"a": mx.array(mx.nan)}, key=0)
    assert mx.isnan(weight).item()
