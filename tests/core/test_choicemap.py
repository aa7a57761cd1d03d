"""Choice maps: how they are made, read, changed and merged, and what they refuse."""

import time

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import normal
from genmlx.core.choicemap import Group, Leaf, Stack, as_choicemap, as_value, lifted, selection_of
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, UsageError
from genmlx.numerics.pytree import map_arrays
from helpers.tolerances import assert_exact
from helpers.traces import assert_same_choices
from helpers.type_checker import unchecked


@pytest.fixture
def cm():
    return gm.choicemap({"a": 1.0, ("b", "c"): 2.0, "d": {"e": mx.array([1.0, 2.0])}, 3: 4.0})


# ---- reading --------------------------------------------------------------------------------------------------------


def test_values_are_read_by_path(cm):
    assert cm["a"].item() == 1.0
    assert cm["b", "c"].item() == 2.0
    assert cm["d", "e"].tolist() == [1.0, 2.0]
    assert cm[3].item() == 4.0
    assert cm["d"]["e"].tolist() == [1.0, 2.0]
    assert cm["a"].dtype == mx.float32


def test_a_group_is_read_as_a_choice_map(cm):
    assert isinstance(cm["d"], gm.ChoiceMap)
    assert cm["d"].paths() == [("e",)]


def test_in_says_yes_to_groups_and_no_to_what_is_not_there(cm):
    for address in ("a", "b", ("b", "c"), "d", ("d", "e"), 3):
        assert address in cm
    for address in ("c", ("a", "b"), ("b", "d"), ("b", "c", "x"), 4, "3"):
        assert address not in cm


def test_a_missing_address_says_what_there_is(cm):
    with pytest.raises(AddressError, match=r"(?s)no choice at 'z'.*instead: one of 'a', \('b', 'c'\), \('d', 'e'\), 3"):
        cm["z"]
    with pytest.raises(AddressError, match=r"\('b', 'z'\)"):
        cm["b", "z"]
    with pytest.raises(AddressError, match="the choice map is empty"):
        gm.EMPTY["z"]
    assert isinstance(pytest.raises(LookupError, lambda: cm["z"]).value, AddressError)


def test_get_has_a_default(cm):
    assert cm.get("a").item() == 1.0
    assert cm.get("z") is None
    assert cm.get("z", 5) == 5


def test_a_value_of_zero_is_there():
    """Presence is asked, never truth."""
    choices = gm.choicemap(x=0.0, b=False, i=0)
    assert "x" in choices
    assert choices
    assert len(choices) == 3
    assert not choices.filter(gm.select("x")).is_empty
    assert choices.get("x", 1.0).item() == 0.0


def test_items_paths_and_length(cm):
    assert cm.paths() == [("a",), ("b", "c"), ("d", "e"), (3,)]
    assert list(cm) == ["a", ("b", "c"), ("d", "e"), 3]
    assert {p: v.tolist() for p, v in cm.items()} == {("a",): 1.0, ("b", "c"): 2.0, ("d", "e"): [1.0, 2.0], (3,): 4.0}
    assert len(cm) == 4
    assert len(gm.EMPTY) == 0
    assert not gm.EMPTY


def test_to_dict_nests(cm):
    assert cm.to_dict()["b"]["c"].item() == 2.0
    assert_same_choices(gm.choicemap(cm.to_dict()), cm)


def test_to_dict_keeps_the_own_choice_of_a_distribution():
    own = normal(0.0, 1.0).simulate(key=0).choices
    assert_same_choices(gm.choicemap(own.to_dict()), own)
    assert len(own) == 1


def test_the_printed_form_is_short(cm):
    assert repr(cm) == "choicemap({'a': 1, 'b': {'c': 2}, 'd': {'e': [1, 2]}, 3: 4})"
    assert "float32[100]" in repr(gm.choicemap(x=mx.zeros(100)))


# ---- making ---------------------------------------------------------------------------------------------------------


def test_dicts_keywords_and_choice_maps_mix():
    choices = gm.choicemap({"a": gm.choicemap(b=1.0), "c": {"d": {}}}, e=2.0)
    assert choices.paths() == [("a", "b"), ("e",)]
    assert_same_choices(gm.choicemap(choices, f=3.0), choices | {"f": 3.0})
    assert gm.choicemap() is gm.EMPTY or gm.choicemap().is_empty
    assert gm.choicemap({}).is_empty


def test_paths_and_dicts_of_one_group_grow_together():
    choices = gm.choicemap({("a", "b"): 1.0, "a": {"c": 2.0}, ("a", "d", 0): 3.0})
    assert set(choices.paths()) == {("a", "b"), ("a", "c"), ("a", "d", 0)}


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (1.5, mx.float32, ()),
        (2, mx.int32, ()),
        (True, mx.bool_, ()),
        ([1.0, 2.0], mx.float32, (2,)),
        ([[1], [2]], mx.int32, (2, 1)),
        ((1.0, 2.0), mx.float32, (2,)),
        (np.float64(0.1), mx.float32, ()),
        (np.array([0.1, 0.2]), mx.float32, (2,)),
        (np.array([1, 2], dtype=np.int32), mx.int32, (2,)),
        (np.float32(0.1), mx.float32, ()),
        (mx.array([1], dtype=mx.uint8), mx.uint8, (1,)),
        ([mx.array(1.0), mx.array(2.0)], mx.float32, (2,)),
    ],
)
def test_values_become_arrays(value, dtype, shape):
    found = as_value(value)
    assert (found.dtype, found.shape) == (dtype, shape)


@pytest.mark.parametrize(
    "value",
    [None, "text", 1j, object(), normal(0.0, 1.0), [normal(0.0, 1.0)], np.array(["a"]), np.array([object()]), 2**70]
    + [[1.0, mx.array([1.0, 2.0])], [[1.0], [1.0, 2.0]], {1, 2}, lambda: 1.0, mx.array(1j), np.array([1j])],
)
def test_what_is_not_a_value_is_refused_with_its_address(value):
    with pytest.raises(ConstraintError, match=r"(?s)is not the value of a choice.*at address \('a', 'b'\)"):
        gm.choicemap({"a": {"b": value}})
    with pytest.raises(ConstraintError, match="is not the value of a choice"):
        gm.choicemap(a=1.0).set("b", value)


@pytest.mark.parametrize("argument", [[("a", 1.0)], "a", 3.0, {"a"}, normal(0.0, 1.0)])
def test_bad_constructors_are_refused(argument):
    """An odd argument must not be dropped: the model would run unconstrained."""
    with pytest.raises(UsageError, match=r"(?s)made from a dict or keywords.*gm.choicemap\(x=1.0\)"):
        unchecked(gm.choicemap)(argument)
    with pytest.raises(TypeError):
        gm.choicemap("a", 1.0)


def test_an_address_of_a_wrong_kind_is_refused():
    for bad in (1.5, None, mx.array(0)):
        with pytest.raises(AddressError, match="an address is a string"):
            gm.choicemap({bad: 1.0})


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        ({"a": 1.0, ("a",): 2.0}, "'a'"),
        ({("a", "b"): 1.0, "a": {"b": 2.0}}, r"\('a', 'b'\)"),
        ({"a": {"b": {"c": 2.0}}, ("a", "b", "c"): 1.0}, r"\('a', 'b', 'c'\)"),
    ],
)
def test_an_address_given_twice_is_refused(entries, place):
    with pytest.raises(ConstraintError, match=f"(?s)given twice.*at address {place}"):
        gm.choicemap(entries)
    with pytest.raises(ConstraintError, match="given twice"):
        gm.choicemap({"a": 1.0}, a=2.0)
    with pytest.raises(ConstraintError, match="given twice"):
        gm.choicemap(gm.choicemap(a=1.0), a=2.0)


@pytest.mark.parametrize("entries", [{"a": 1.0, ("a", "b"): 2.0}, {("a", "b"): 2.0, "a": 1.0}, {(): 1.0, "a": 2.0}])
def test_a_value_and_choices_below_it_are_refused(entries):
    with pytest.raises(ConstraintError, match="a value is given here, and choices below it"):
        gm.choicemap(entries)


# ---- changing -------------------------------------------------------------------------------------------------------


def test_set_replaces_and_leaves_the_original_alone(cm):
    changed = cm.set("a", 5.0).set(("b", "x"), 6.0).set("d", 7.0)
    assert changed["a"].item() == 5.0
    assert changed["b", "c"].item() == 2.0
    assert changed["b", "x"].item() == 6.0
    assert changed["d"].item() == 7.0
    assert cm["a"].item() == 1.0
    assert ("b", "x") not in cm


def test_set_takes_dicts_and_choice_maps(cm):
    assert cm.set("a", {"z": 1.0})["a", "z"].item() == 1.0
    assert cm.set("a", gm.choicemap(z=1.0)).paths()[0] == ("a", "z")
    assert "a" not in cm.set("a", {})


def test_set_through_a_value_is_refused(cm):
    with pytest.raises(ConstraintError, match=r"(?s)goes through a value.*at address 'a'.*instead: remove the value"):
        cm.set(("a", "b"), 1.0)
    with pytest.raises(ConstraintError, match=r"(?s)goes through a value.*at address \('b', 'c'\)"):
        cm.set(("b", "c", "d", "e"), 1.0)


def test_merge_is_right_biased(cm):
    merged = cm | {"a": 10.0, "g": 4.0, "b": {"x": 1.0}}
    assert merged["a"].item() == 10.0
    assert merged["b", "c"].item() == 2.0
    assert merged["b", "x"].item() == 1.0
    assert merged["g"].item() == 4.0
    assert ({"a": 10.0, "z": 1.0} | cm)["a"].item() == 1.0
    assert ({"a": 10.0, "z": 1.0} | cm)["z"].item() == 1.0


def test_merge_of_a_value_and_a_group_takes_the_right_one():
    leaf, group = gm.choicemap(a=1.0), gm.choicemap({"a": {"b": 2.0}})
    assert (leaf | group).paths() == [("a", "b")]
    assert (group | leaf).paths() == [("a",)]


def test_merge_with_nothing_is_the_same(cm):
    for nothing in (gm.EMPTY, {}, None):
        assert_same_choices(cm | nothing, cm)
    assert_same_choices({} | cm, cm)


def test_filter_keeps_what_is_selected(cm):
    assert cm.filter(gm.select("a", "d")).paths() == [("a",), ("d", "e")]
    assert cm.filter(~gm.select(("b", "c"))).paths() == [("a",), ("d", "e"), (3,)]
    assert cm.filter(gm.select(("a", "b"))).is_empty
    assert cm.filter(gm.ALL) is cm
    assert cm.filter(gm.NONE).is_empty
    assert cm.filter(gm.select_where(lambda a: a in {"a", ("d", "e")})).paths() == [("a",), ("d", "e")]


def test_empty_groups_do_not_exist():
    assert gm.choicemap({"a": {}, "b": {"c": {}}}).is_empty
    assert "a" not in gm.choicemap({"a": {}})


def test_a_choice_map_is_a_tree_of_arrays(cm):
    doubled = map_arrays(lambda v: 2 * v, cm | gm.C["s", :].set(mx.arange(3)))
    assert doubled["b", "c"].item() == 4.0
    assert doubled["s", :].tolist() == [0, 2, 4]


def test_selection_of_holds_the_addresses_of_a_map(cm):
    chosen = selection_of(cm)
    assert ("b", "c") in chosen
    assert "b" not in chosen
    assert ("b", "c", "d") not in chosen
    assert_same_choices((cm | {"new": 1.0}).filter(chosen), cm)


# ---- stacks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def steps():
    return gm.C["steps", :, "y"].set(mx.array([10.0, 11.0, 12.0]))


def test_a_slice_stacks_the_elements_of_an_array(steps):
    assert steps["steps", 1, "y"].item() == 11.0
    assert steps["steps", :, "y"].tolist() == [10.0, 11.0, 12.0]
    assert steps["steps", 1:, "y"].tolist() == [11.0, 12.0]
    assert steps["steps", ::2, "y"].tolist() == [10.0, 12.0]
    assert steps["steps", :2, "y"].tolist() == [10.0, 11.0]
    assert steps["steps", :]["y"].tolist() == [10.0, 11.0, 12.0]
    assert steps["steps"][2, "y"].item() == 12.0
    assert steps["steps", 2]["y"].item() == 12.0


def test_a_stack_has_the_addresses_of_its_elements(steps):
    assert steps.paths() == [("steps", i, "y") for i in range(3)]
    assert len(steps) == 3
    for address in ("steps", ("steps", 2), ("steps", 2, "y"), ("steps", slice(None), "y"), ("steps", slice(1, 2))):
        assert address in steps
    for address in (
        ("steps", 3),
        ("steps", -1),
        ("steps", "y"),
        ("steps", slice(5, 9), "y"),
        ("steps", slice(None), "z"),
    ):
        assert address not in steps
    assert steps.to_dict()["steps"][1]["y"].item() == 11.0


def test_a_missing_element_says_what_there_is(steps):
    with pytest.raises(AddressError, match=r"(?s)no choice at \('steps', 3, 'y'\).*one of \('steps', :, 'y'\)"):
        steps["steps", 3, "y"]


def test_a_slice_may_start_anywhere():
    late = gm.C["steps", 5:8, "y"].set([1.0, 2.0, 3.0])
    assert late.paths() == [("steps", i, "y") for i in (5, 6, 7)]
    assert late["steps", 6, "y"].item() == 2.0
    assert late["steps", :, "y"].tolist() == [1.0, 2.0, 3.0]
    assert late["steps", 6:, "y"].tolist() == [2.0, 3.0]
    even = gm.C["steps", 0:6:2].set([1.0, 2.0, 3.0])
    assert even.paths() == [("steps", 0), ("steps", 2), ("steps", 4)]


def test_elements_may_be_arrays_and_groups():
    choices = gm.C["s", :].set({"x": mx.zeros((4, 2)), "in": {"y": mx.arange(4)}})
    assert choices["s", 1, "x"].shape == (2,)
    assert choices["s", 3, "in", "y"].item() == 3
    assert choices["s", :, "x"].shape == (4, 2)
    assert len(choices) == 8


def test_two_slices_stack_twice():
    grid = gm.C["a", :, "b", :].set(mx.arange(6).reshape(2, 3))
    assert grid["a", 1, "b", 2].item() == 5
    assert grid["a", :, "b", 0].tolist() == [0, 3]
    assert grid["a", 1, "b", :].tolist() == [3, 4, 5]
    assert grid["a", :, "b", :].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert grid["a", ::-1, "b", 1:].shape == (2, 2)
    assert len(grid) == 6


def test_a_partial_slice_leaves_a_stack_whose_elements_are_still_right():
    """What a slice leaves behind is indexed by element, not by its leading axis."""
    grid = gm.C["a", :, "b", :].set(mx.arange(6).reshape(2, 3))
    part = grid["a", :]
    assert part["b", 2].tolist() == [2, 5]
    assert part["b", :].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert part["b", 1:].tolist() == [[1, 2], [4, 5]]
    assert part.paths() == [("b", 0), ("b", 1), ("b", 2)]


def test_a_lifted_stack_keeps_its_axis_behind_the_executions():
    batched = lifted(
        gm.choicemap({"x": mx.zeros(4)}) | Group({"s": Stack(range(3), Leaf(mx.arange(12).reshape(4, 3)))}), 1
    )
    assert batched["s", 1].tolist() == [1, 4, 7, 10]
    assert batched["s", :].shape == (4, 3)
    assert batched["s", 1:].tolist() == [[1, 2], [4, 5], [7, 8], [10, 11]]
    assert_exact(lifted(batched, -1)["s", 1], mx.array([3, 4, 5]))


def test_set_of_one_element_changes_that_element(steps):
    changed = steps.set(("steps", 1, "y"), 0.0)
    assert changed["steps", :, "y"].tolist() == [10.0, 0.0, 12.0]
    assert steps["steps", 1, "y"].item() == 11.0


def test_stacks_merge_by_element(steps):
    other = gm.C["steps", :, "z"].set([1.0, 2.0, 3.0])
    both = steps | other
    assert both["steps", 1, "y"].item() == 11.0
    assert both["steps", :, "z"].tolist() == [1.0, 2.0, 3.0]
    longer = steps | gm.C["steps", 3:5, "y"].set([13.0, 14.0])
    assert longer["steps", :, "y"].tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]
    overlapping = steps | gm.C["steps", 2:4, "y"].set([-1.0, -2.0])
    assert overlapping["steps", :, "y"].tolist() == [10.0, 11.0, -1.0, -2.0]
    assert (steps | {"steps": {0: {"y": 0.0}}})["steps", :, "y"].tolist() == [0.0, 11.0, 12.0]


def test_filter_of_a_stack_by_name_and_by_element(steps):
    both = steps | gm.C["steps", :, "z"].set([1.0, 2.0, 3.0])
    by_name = both.filter(gm.select(("steps", slice(None), "y")))
    assert by_name.paths() == steps.paths()
    by_element = both.filter(gm.select(("steps", 1)))
    assert by_element.paths() == [("steps", 1, "y"), ("steps", 1, "z")]
    assert by_element["steps", 1, "y"].item() == 11.0
    assert both.filter(~gm.select(("steps", slice(1, None)))).paths() == [("steps", 0, "y"), ("steps", 0, "z")]
    assert_same_choices(both.filter(selection_of(steps)), steps)
    assert both.filter(gm.select("other")).is_empty


def test_a_slice_reads_separate_elements_as_one_array():
    choices = gm.choicemap({("y", i): float(i) for i in range(4)})
    assert choices["y", :].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert choices["y", 1:3].tolist() == [1.0, 2.0]
    assert choices["y", -1:].tolist() == [3.0]


def test_elements_of_different_addresses_or_shapes_do_not_stack():
    with pytest.raises(AddressError, match="different addresses"):
        gm.choicemap({("y", 0, "a"): 1.0, ("y", 1, "b"): 1.0})["y", :]
    with pytest.raises(ShapeError, match="different shapes"):
        gm.choicemap({("y", 0): 1.0, ("y", 1): [1.0, 2.0]})["y", :]


def test_the_values_of_a_slice_must_have_its_length():
    with pytest.raises(ShapeError, match="3 values were given for the indices 0:2:1"):
        gm.C["y", 0:2].set([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match="one leading axis of one length"):
        gm.C["y", :].set(1.0)
    with pytest.raises(ShapeError, match="one leading axis of one length"):
        gm.C["y", :].set({"a": [1.0, 2.0], "b": [1.0]})


def test_the_builder_needs_an_address():
    with pytest.raises(UsageError, match=r"gm.C needs an address"):
        gm.C.set(1.0)
    assert gm.C["a"]["b"].set(1.0).paths() == [("a", "b")]


# ---- what an argument stands for ------------------------------------------------------------------------------------


def test_dicts_values_and_none_stand_for_choice_maps(cm):
    assert as_choicemap(cm) is cm
    assert as_choicemap(None).is_empty
    assert as_choicemap({"a": 1.0}).paths() == [("a",)]
    assert as_choicemap(0.5).value.item() == 0.5


# ---- cost -----------------------------------------------------------------------------------------------------------


def seconds(f):
    times = []
    for _ in range(3):
        start = time.process_time()
        f()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "operation",
    [
        lambda n: gm.choicemap({("x", i): 0.0 for i in range(n)}),
        lambda n: gm.choicemap({"x": dict.fromkeys(range(n), 0.0)}),
        lambda n: gm.choicemap({"x": dict.fromkeys(range(n), 0.0)})["x", :],
        lambda n: gm.select(*[("x", i) for i in range(n)]),
    ],
    ids=["paths", "dict", "slice", "selection"],
)
def test_cost_is_linear_in_the_number_of_choices(operation):
    """Ten times as many cost about ten times as much; a quadratic operation would cost a hundred times."""
    small, large = seconds(lambda: operation(300)), seconds(lambda: operation(3000))
    assert large < 40 * small


def test_a_stack_without_elements_is_empty_under_every_selection():
    nothing = Stack(range(0), gm.choicemap(x=mx.zeros((0,))))
    assert nothing.is_empty
    for selection in (gm.ALL, ~selection_of(gm.choicemap({("a", 0): 1.0})), gm.select("x"), gm.select_where(bool)):
        assert nothing.filter(selection).is_empty


def test_of_a_stack_with_one_element_observed_the_others_are_free():
    choices = gm.C["s", :, "x"].set(mx.array([1.0, 2.0, 3.0]))
    for i in range(3):
        observed = gm.choicemap({("s", i, "x"): 0.0})
        assert choices.filter(~selection_of(observed)).paths() == [("s", j, "x") for j in range(3) if j != i]
        assert choices.filter(selection_of(observed)).paths() == [("s", i, "x")]
