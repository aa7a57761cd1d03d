"""Laws of choice maps: merging, filtering, setting, and the round trips."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genmlx as gm
from genmlx.core.choicemap import Group, Leaf, Stack, choices_at, lifted, selection_of
from genmlx.numerics.pytree import flatten, join_arrays, map_arrays, split_arrays, unflatten
from helpers.tolerances import assert_exact
from helpers.traces import assert_same_choices

# The type checker of the test run looks at random elements of lists, also while a strategy builds a choice map.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

MANY = settings(max_examples=20)

components = st.sampled_from(["a", "b", "c", 0, 1, 2])
values = st.integers(-5, 5).map(float)


def trees(leaves):
    return st.recursive(leaves, lambda below: st.dictionaries(components, below, max_size=4), max_leaves=8)


groups = st.dictionaries(components, trees(values), max_size=4)
stacks = st.tuples(st.integers(0, 2), st.integers(1, 3)).flatmap(
    lambda t: trees(st.integers(-5, 5).map(lambda v: [float(v + i) for i in range(t[1])])).map(
        lambda tree: Group({"s": Stack(range(t[0], t[0] + t[1]), gm.choicemap({"v": tree}))})
    )
)
maps = st.one_of(groups.map(gm.choicemap), st.tuples(groups, stacks).map(lambda t: gm.choicemap(t[0]) | t[1]))
paths = st.lists(components, min_size=1, max_size=3).map(tuple)
selections = st.recursive(
    st.lists(paths, max_size=3).map(lambda ps: gm.select(*ps)),
    lambda s: st.one_of(
        s.map(lambda x: ~x), st.tuples(s, s).map(lambda t: t[0] | t[1]), st.tuples(s, s).map(lambda t: t[0] & t[1])
    ),
    max_leaves=4,
)


def as_plain(choices):
    return {path: value.tolist() for path, value in choices.items()}


def oracle_merge(a, b):
    """Right-biased union of nested dicts."""
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return a if b == {} else b
    return {c: oracle_merge(a.get(c, {}), b.get(c, {})) for c in [*a, *[c for c in b if c not in a]]}


def plain_dict(choices):
    return {
        c: below.tolist() if isinstance(below, mx.array) else _plain(below) for c, below in choices.to_dict().items()
    }


def _plain(x):
    return {c: v.tolist() if isinstance(v, mx.array) else _plain(v) for c, v in x.items()}


@MANY
@given(maps, maps)
def test_merge_is_the_right_biased_union(a, b):
    assert plain_dict(a | b) == oracle_merge(plain_dict(a), plain_dict(b))


@MANY
@given(maps, maps, maps)
def test_merge_is_associative_and_idempotent_and_has_a_unit(a, b, c):
    assert as_plain((a | b) | c) == as_plain(a | (b | c))
    assert as_plain(a | a) == as_plain(a)
    assert as_plain(a | gm.EMPTY) == as_plain(gm.EMPTY | a) == as_plain(a)


@MANY
@given(maps, maps)
def test_everything_of_the_right_is_in_the_union(a, b):
    merged = a | b
    for path, value in b.items():
        assert_exact(merged[path], value)


@MANY
@given(maps, selections)
def test_filter_keeps_exactly_the_selected_paths(choices, selection):
    expected = {p: v for p, v in as_plain(choices).items() if p in selection}
    assert as_plain(choices.filter(selection)) == expected


@MANY
@given(maps, selections, selections)
def test_filter_follows_the_algebra_of_selections(choices, s, t):
    both = choices.filter(s).filter(t)
    assert as_plain(both) == as_plain(choices.filter(s & t))
    assert as_plain(choices.filter(s) | choices.filter(~s)) == as_plain(choices) | {}
    assert set(choices.filter(s | t).paths()) == set(choices.filter(s).paths()) | set(choices.filter(t).paths())
    assert not set(choices.filter(s).paths()) & set(choices.filter(~s).paths())
    assert len(choices.filter(s)) + len(choices.filter(~s)) == len(choices)


@MANY
@given(maps, paths, values)
def test_get_after_set_is_the_value_and_nothing_else_changes(choices, path, value):
    through = any(path[:i] in set(choices.paths()) for i in range(1, len(path)))
    if through:
        try:
            choices.set(path, value)
        except gm.GenMLXError:
            return
        raise AssertionError("set through a value must be refused")
    changed = choices.set(path, value)
    assert changed[path].item() == value
    assert path in changed
    rest = {p: v for p, v in as_plain(choices).items() if p[: len(path)] != path}
    assert {p: v for p, v in as_plain(changed).items() if p != path} == rest
    assert as_plain(changed.set(path, value)) == as_plain(changed)


@MANY
@given(maps, maps)
def test_set_of_a_map_puts_it_below(choices, below):
    changed = choices.set("new", below)
    assert as_plain(changed.filter(~gm.select("new"))) == as_plain(choices.filter(~gm.select("new")))
    if below.is_empty:
        assert "new" not in changed
    else:
        assert as_plain(changed["new"]) == as_plain(below)


@MANY
@given(maps)
def test_membership_reading_and_listing_agree(choices):
    listed = list(choices.items())
    assert len(listed) == len(choices) == len(choices.paths()) == len(set(choices.paths()))
    assert bool(listed) == bool(choices) == (not choices.is_empty)
    for path, value in listed:
        for i in range(1, len(path) + 1):
            assert path[:i] in choices
        assert (*path, "deeper") not in choices
        assert_exact(choices[path], value)
        assert_exact(choices.below(path).value, value)
    assert sum(1 for _, below in choices.components() for _ in below.items()) == len(listed)


@MANY
@given(maps)
def test_dict_round_trip(choices):
    again = gm.choicemap(choices.to_dict())
    assert_same_choices(again, choices)
    by_path = gm.choicemap(dict(choices.items()))
    assert_same_choices(by_path, choices)


@MANY
@given(maps, st.integers(0, 2))
def test_a_map_is_made_again_of_what_it_stores(choices, axes):
    for _ in range(axes):
        choices = lifted(choices.map(lambda v: mx.stack([v, v + 1.0, v + 2.0])), 1)
    stored = dict(choices.stored())  # the patterns can be keys
    again = choices_at(stored.items(), axes)
    assert flatten(again)[1] == flatten(choices)[1]  # stacks are stacks again
    assert_same_choices(again, choices)
    for pattern, value in stored.items():
        assert_exact(choices[pattern], value)


@MANY
@given(maps)
def test_tree_round_trips(choices):
    leaves, treedef = flatten(choices)
    assert_same_choices(unflatten(treedef, leaves), choices)
    arrays, structure = split_arrays(choices)
    assert_same_choices(join_arrays(structure, arrays), choices)
    assert flatten(unflatten(treedef, leaves))[1] == treedef
    assert len(arrays) == len(list(choices.stored()))
    doubled = map_arrays(lambda v: 2 * v, choices)
    assert as_plain(doubled) == as_plain(choices.map(lambda v: 2 * v))


@MANY
@given(maps)
def test_selection_of_a_map_is_the_set_of_its_paths(choices):
    selection = selection_of(choices)
    assert_same_choices(choices.filter(selection), choices)
    assert choices.filter(~selection).is_empty
    for path in choices.paths():
        assert path in selection
        assert (*path, "deeper") not in selection


@MANY
@given(maps, st.integers(0, 8))
def test_what_is_observed_one_by_one_and_the_rest_make_the_whole(choices, n):
    """Some elements of a stack may be observed and others not, or in parts."""
    observed = gm.choicemap(dict(list(choices.items())[:n]))
    for given_as in (observed, choices.filter(selection_of(observed))):
        free = choices.filter(~selection_of(given_as))
        assert as_plain(free) == {p: v for p, v in as_plain(choices).items() if p not in observed}
        assert as_plain(free | given_as) == as_plain(choices)


@MANY
@given(groups.map(gm.choicemap), st.integers(1, 3))
def test_a_stack_is_its_elements(element, n):
    """Stacked and read back element by element; a slice gives the arrays again."""
    stacked = element.map(lambda v: mx.stack([v + i for i in range(n)]))
    choices = gm.choicemap({"s": Stack(range(n), stacked)})
    for i in range(n):
        assert as_plain(choices["s", i] if element else gm.EMPTY) == as_plain(element.map(lambda v, i=i: v + i))
    one_by_one = gm.choicemap({"s": {i: element.map(lambda v, i=i: v + i) for i in range(n)}})
    assert as_plain(choices) == as_plain(one_by_one)
    for path in element.paths():
        assert_exact(choices[("s", slice(None), *path)], one_by_one[("s", slice(None), *path)])
        assert_exact(choices[("s", slice(1, None), *path)], one_by_one[("s", slice(1, None), *path)]) if n > 1 else None


@MANY
@given(maps, st.integers(1, 3))
def test_lifted_choices_have_the_executions_in_front(choices, n):
    """Element i of the executions of a lifted map is the map that was lifted."""
    many = lifted(choices.map(lambda v: mx.stack([v + 10.0 * i for i in range(n)])), 1)
    for path, value in choices.items():
        assert_exact(many[path], mx.stack([value + 10.0 * i for i in range(n)]))
    for i in range(n):
        one = lifted(many.map(lambda v, i=i: v[i]), -1)
        assert as_plain(one) == as_plain(choices.map(lambda v, i=i: v + 10.0 * i))


def test_the_strategies_make_what_the_laws_are_about():
    found = {"leaf at depth": 0, "stack": 0, "empty": 0}

    @settings(max_examples=60, database=None)
    @given(maps)
    def look(choices):
        found["leaf at depth"] += any(len(p) > 2 for p in choices.paths())
        found["stack"] += any(isinstance(below, Stack) for _, below in choices.components())
        found["empty"] += choices.is_empty

    look()
    assert min(found.values()) > 2, found
    assert isinstance(gm.choicemap(a=1.0).child("a"), Leaf)
