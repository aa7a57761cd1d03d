"""Selections: sets of addresses with one meaning for filter, project and regenerate."""

import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.selection import as_selection
from genmlx.numerics.errors import AddressError, UsageError
from helpers.tolerances import assert_close


def test_select_holds_everything_under_an_address_and_nothing_else():
    chosen = gm.select("a", ("b", "c"))
    for inside in ("a", ("a", "x"), ("a", "x", 0), ("b", "c"), ("b", "c", "d")):
        assert inside in chosen
    for outside in ("b", ("b", "d"), "c", "x", ()):
        assert outside not in chosen


def test_selecting_a_name_selects_nothing_beside_it():
    """A flat selection must not spill into other calls: `all' is meant only beneath a selected address."""
    chosen = gm.select("x")
    assert ("sub", "x") not in chosen
    assert not chosen.at("sub").at("x").here


def test_the_extremes():
    assert "a" in gm.ALL
    assert () in gm.ALL
    assert "a" not in gm.NONE
    assert ~gm.ALL is gm.NONE
    assert ~gm.NONE is gm.ALL
    assert gm.select() is gm.NONE
    assert gm.select(()) is gm.ALL
    assert gm.select("a", ()) is gm.ALL


def test_operators_take_addresses_too():
    assert "b" in gm.select("a") | "b"
    assert "a" in "a" | gm.select("b")
    assert ("a", "x") in gm.select("a") & ("a", "x")
    assert ("a", "y") not in gm.select("a") & ("a", "x")
    assert ("a", "y") in gm.select("a") & ~gm.select(("a", "x"))


def test_a_prefix_swallows_its_extensions_in_either_order():
    for chosen in (gm.select("a", ("a", "b")), gm.select(("a", "b"), "a")):
        assert ("a", "c") in chosen


def test_slices_select_elements():
    chosen = gm.select(("s", slice(None), "x"))
    assert ("s", 5, "x") in chosen
    assert ("s", 5, "y") not in chosen
    assert ("s", "x") not in chosen
    part = gm.select(("s", slice(1, 6, 2)), ("s", 0, "y"))
    assert [i for i in range(8) if ("s", i, "x") in part] == [1, 3, 5]
    assert ("s", 0, "y") in part
    assert ("s", 0, "x") not in part


def test_select_where_sees_addresses_as_they_are_written():
    seen = []
    chosen = gm.select_where(lambda a: seen.append(a) or a == ("b", 0))
    assert ("b", 0) in chosen
    assert "b" not in chosen
    assert seen == [("b", 0), "b"]


def test_select_where_under_a_prefix_sees_the_whole_path():
    assert gm.select_where(lambda a: a == ("b", 0)).at("b").at(0).here


@pytest.mark.parametrize("bad", [1.5, None, True, ["a"], {"a": 1}, gm.choicemap(a=1.0)])
def test_what_is_not_a_selection_is_refused(bad):
    with pytest.raises(UsageError, match=r"(?s)a selection is expected.*gm.select\("):
        as_selection(bad)
    with pytest.raises(UsageError, match="a selection is expected"):
        gm.ALL | bad


def test_python_operators_that_do_not_combine_selections_are_refused():
    s, t = gm.select("a"), gm.select("b")
    for use in (lambda: not s, lambda: s and t, lambda: s or t, lambda: 1 if s else 2):
        with pytest.raises(UsageError, match=r"(?s)no truth value.*instead: ~s, s & t, s \| t"):
            use()


def test_bad_addresses_in_a_selection_are_refused():
    with pytest.raises(UsageError, match=r"(?s)select\(\) takes addresses.*instead: s1 \| s2"):
        gm.select(gm.select("a"))
    with pytest.raises(AddressError, match="an address is a string"):
        gm.select(1.5)
    with pytest.raises(UsageError, match="non-negative indices"):
        gm.select(("s", slice(-2, None)))


def test_selections_print_as_they_are_written():
    assert repr(gm.select("a", ("b", 0))) == "select('a', ('b', 0))"
    assert repr(~gm.select("a")) == "~select('a')"
    assert repr(gm.select("a") | gm.select_where(len)).startswith("(select('a') | select_where(")
    assert repr(gm.ALL) == "ALL"


def test_complement_of_a_nested_path_means_the_same_everywhere():
    """To filter, to project and to regenerate."""

    @gen
    def inner():
        a = normal(0.0, 1.0) @ "a"
        return normal(a, 1.0) @ "b"

    @gen
    def outer():
        x = normal(0.0, 1.0) @ "x"
        return normal(inner() @ "in", 1.0) @ "y" + x

    trace = outer().simulate(key=0)
    chosen = ~gm.select(("in", "a"))
    assert trace.choices.filter(chosen).paths() == [("x",), ("in", "b"), ("y",)]
    rest = trace.project(gm.select(("in", "a")))
    assert_close(trace.project(chosen), trace.score - rest)
    assert_close(rest, normal(0.0, 1.0).log_prob(trace["in", "a"]))
    again = trace.regenerate(chosen, key=1).trace
    assert again["in", "a"].item() == trace["in", "a"].item()
    for address in ("x", ("in", "b"), "y"):
        assert again[address].item() != trace[address].item()
