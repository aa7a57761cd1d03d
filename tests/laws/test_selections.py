"""Laws of selections: membership is a Boolean algebra, and everything that reads a selection reads it the same way."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genmlx as gm
from genmlx import gen, normal
from helpers.tolerances import assert_close, assert_exact

# The type checker of the test run looks at random elements of lists, also while a strategy builds a choice map.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

MANY = settings(max_examples=30)

components = st.sampled_from(["a", "b", "x", 0, 1])
paths = st.lists(components, min_size=0, max_size=3).map(tuple)
patterns = st.lists(
    st.one_of(components, st.sampled_from([slice(None), slice(1, None), slice(0, 4, 2)])), min_size=1, max_size=3
).map(tuple)

base = st.one_of(
    st.lists(patterns, max_size=3).map(lambda ps: gm.select(*ps)),
    st.just(gm.ALL),
    st.just(gm.NONE),
    st.sampled_from(["a", "x", 0]).map(lambda c: gm.select_where(lambda address: c in _tuple(address))),
)
selections = st.recursive(
    base,
    lambda s: st.one_of(
        s.map(lambda x: ~x), st.tuples(s, s).map(lambda t: t[0] | t[1]), st.tuples(s, s).map(lambda t: t[0] & t[1])
    ),
    max_leaves=5,
)


def _tuple(address):
    return address if isinstance(address, tuple) else (address,)


def starts(path, pattern):
    """Whether a path lies under a pattern: the definition of select, spelled out."""
    return len(path) >= len(pattern) and all(
        (isinstance(c, int) and c in range(*p.indices(1000))) if isinstance(p, slice) else c == p and type(c) is type(p)
        for c, p in zip(path, pattern, strict=False)
    )


@MANY
@given(st.lists(patterns, max_size=4), paths)
def test_select_holds_the_paths_under_its_addresses(chosen, path):
    assert (path in gm.select(*chosen)) == any(starts(path, pattern) for pattern in chosen)


@MANY
@given(selections, selections, paths)
def test_membership_is_a_boolean_algebra(s, t, path):
    assert (path in ~s) == (path not in s)
    assert (path in (s | t)) == (path in s or path in t)
    assert (path in (s & t)) == (path in s and path in t)
    assert (path in ~(s | t)) == (path in (~s & ~t))
    assert (path in ~~s) == (path in s)
    assert path in (s | ~s)
    assert path not in (s & ~s)
    assert (path in (s | gm.NONE)) == (path in (s & gm.ALL)) == (path in s)


@MANY
@given(selections, components, paths)
def test_looking_below_a_component_is_looking_at_longer_paths(s, component, path):
    assert ((component, *path) in s) == (path in s.at(component))
    assert s.below((component, *path)).here == ((component, *path) in s)


@MANY
@given(selections, st.integers(0, 5), st.integers(0, 5), paths)
def test_uniform_selections_do_not_tell_ints_apart(s, i, j, path):
    if s.uniform:
        assert ((i, *path) in s) == ((j, *path) in s)


@MANY
@given(selections, st.integers(0, 3), st.integers(1, 4), st.integers(1, 2), paths)
def test_a_selection_over_indices_is_what_it_is_at_each_of_them(s, start, length, step, path):
    indices = range(start, start + step * length, step)
    below = s.over(indices)
    if below is not None:
        for i in indices:
            assert ((i, *path) in s) == (path in below)


@gen
def leaf(m):
    x = normal(m, 1.0) @ "x"
    return normal(x, 2.0) @ "b"


@gen
def model():
    a = normal(0.0, 1.0) @ "a"
    for i in (0, 1):
        a = leaf(a) @ ("b", i)
    normal(mx.zeros(2), 1.0) @ ("x", 0)
    return leaf(a) @ 1


TRACE = model().simulate(key=0)
EACH = {path: TRACE.project(gm.select_where(lambda a, p=path: _tuple(a) == p)) for path in TRACE.choices.paths()}


@settings(max_examples=15)
@given(selections)
def test_filter_project_and_regenerate_agree(s):
    selected = {path for path in EACH if path in s}
    assert set(TRACE.choices.filter(s).paths()) == selected
    expected = sum([EACH[path] for path in selected], mx.array(0.0))
    assert_close(TRACE.project(s), expected, atol=1e-5)
    new = TRACE.regenerate(s, key=1).trace
    for path in EACH:
        if path in selected:
            assert new[path].tolist() != TRACE[path].tolist()
        else:
            assert_exact(new[path], TRACE[path])


@settings(max_examples=10)
@given(selections)
def test_batched_traces_read_selections_the_same_way(s):
    batch = model().simulate(n=2, key=0)
    for i in range(2):
        assert_close(batch.project(s)[i], batch.execution(i).project(s), atol=1e-5)
    new = batch.regenerate(s, key=1).trace
    for path in EACH:
        assert (new[path].tolist() != batch[path].tolist()) == (path in s)
