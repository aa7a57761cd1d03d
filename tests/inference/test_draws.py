"""The table of draws: columns by address, gaps, an interrupted draw."""

import mlx.core as mx
import numpy as np
import pytest

from genmlx.core.choicemap import choicemap
from genmlx.inference.base import Info
from genmlx.inference.draws import DrawTable, pattern_name
from genmlx.numerics.errors import AddressError, ShapeError
from helpers.tolerances import assert_exact

INFO = Info(mx.array(0.5), mx.array(True))


def table(chains, *draws):
    """Each draw is a list with a dict a chain."""
    result = DrawTable(chains)
    for i, rows in enumerate(draws):
        result.add([choicemap(row) for row in rows], [mx.array(float(i))] * chains, [INFO] * chains)
    return result


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (("a",), "a"),
        (("a", "b"), "a.b"),
        (("a", 0), "a[0]"),
        (("a", 0, "b"), "a[0].b"),
        ((3,), "[3]"),
        (("steps", slice(None), "x"), "steps.x"),
        ((), "value"),
    ],
)
def test_an_address_has_a_name_as_a_variable(pattern, name):
    assert pattern_name(pattern) == name


def test_a_column_has_an_axis_for_chains_and_one_for_draws():
    t = table(2, [{"x": 1.0}, {"x": 2.0}], [{"x": 3.0}, {"x": 4.0}], [{"x": 5.0}, {"x": 6.0}])
    assert t.column(("x",)).tolist() == [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]
    assert t.scores().tolist() == [[0.0, 1.0, 2.0]] * 2
    assert t.stats()["accepted"].tolist() == [[True] * 3] * 2


def test_vectorised_chains_make_one_array_a_draw():
    t = DrawTable(2)
    for i in range(3):
        t.add(
            [choicemap(x=mx.array([[1.0 + i, 0.0], [2.0 + i, 0.0]]))],
            [mx.array([0.0 + i, 10.0 + i])],
            [Info(mx.array([0.1, 0.2]), mx.array([True, False]))],
        )
    assert t.column(("x",))[..., 0].tolist() == [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    assert t.column(("x",)).shape == (2, 3, 2)
    assert t.scores().tolist() == [[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]
    assert t.stats()["accepted"].tolist() == [[True] * 3, [False] * 3]
    assert t.present(("x",)).tolist() == [[True] * 3] * 2
    assert t.choices(1, 2)["x"].tolist() == [4.0, 0.0]


def test_chains_that_stop_being_vectorised_keep_their_draws():
    t = DrawTable(2)
    t.add(
        [choicemap(x=mx.array([1.0, 2.0]))],
        [mx.array([0.0, 0.5])],
        [Info(mx.array([0.1, 0.2]), mx.array([True, False]))],
    )
    t.add([choicemap(x=3.0), choicemap(x=4.0, y=9.0)], [mx.array(1.0), mx.array(1.5)], [INFO, INFO])
    assert t.column(("x",)).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert np.isnan(np.array(t.column(("y",)))).tolist() == [[True, True], [True, False]]
    assert t.present(("y",)).tolist() == [[False, False], [False, True]]
    assert t.scores().tolist() == [[0.0, 1.0], [0.5, 1.5]]
    assert t.choices(1, 0)["x"].item() == 2.0


def test_dtypes_stay():
    t = table(1, [{"k": mx.array(3), "b": mx.array(True), "x": 1.0}])
    assert [t.column((name,)).dtype for name in "kbx"] == [mx.int32, mx.bool_, mx.float32]


def test_columns_stand_in_the_order_in_which_they_were_met():
    names = list("zmaqbxkw")
    t = table(1, [dict.fromkeys(names, 1.0)], [{"c": 1.0, **dict.fromkeys(names, 1.0)}])
    assert [p[0] for p in t.patterns] == [*names, "c"]


def test_a_choice_that_was_not_made_is_a_gap():
    t = table(2, [{"x": 1, "a": 1.0}, {"x": 2}], [{"x": 3}, {"x": 4, "b": 7.0}])
    a = np.array(t.column(("a",)))
    assert np.isnan(a).tolist() == [[False, True], [True, True]]
    assert a[0, 0] == 1.0
    assert t.present(("b",)).tolist() == [[False, False], [False, True]]
    assert t.column(("x",)).dtype == mx.int32
    assert t.choices(0, 0).paths() == [("x",), ("a",)]


def test_an_integer_with_gaps_becomes_a_float():
    t = table(1, [{"k": 3}], [{}])
    assert_exact(t.column(("k",)), mx.array([[3.0, mx.nan]]))


def test_draws_of_different_shapes_cannot_be_one_array():
    t = table(1, [{"x": [1.0, 2.0]}], [{"x": [1.0, 2.0, 3.0]}])
    with pytest.raises(ShapeError, match=r"the draws of 'x' have different shapes: \(2,\), \(3,\)") as error:
        t.column(("x",))
    assert "chains[c, i]" in error.value.fix
    assert t.choices(0, 1)["x"].shape == (3,)


def test_columns_are_found_at_and_below_an_address():
    t = table(1, [{"a": 1.0, "g": {"x": 1.0, "y": {0: 2.0}}, "gx": 3.0}])
    assert t.find("a") == [("a",)]
    assert t.find("g") == [("g", "x"), ("g", "y", 0)]
    assert t.find(("g", "y")) == [("g", "y", 0)]
    with pytest.raises(AddressError, match="there are no draws of 'h'") as error:
        t.find("h")
    assert error.value.fix.startswith("one of 'a', ('g', 'x')")


def test_a_draw_that_was_added_half_is_dropped():
    class Interrupting(list):
        def append(self, _):
            raise KeyboardInterrupt

    t = table(1, [{"x": 1.0}], [{"x": 2.0}])
    t._scores = Interrupting(t._scores)
    with pytest.raises(KeyboardInterrupt):
        t.add([choicemap(x=3.0, new=4.0)], [mx.array(2.0)], [INFO])
    t.settle()
    assert t.draws == 2
    assert t.patterns == [("x",)]
    assert t.column(("x",)).tolist() == [[1.0, 2.0]]
    assert t.scores().shape == t.stats()["accepted"].shape == (1, 2)


def test_a_column_is_new_after_another_draw():
    t = table(1, [{"x": 1.0}])
    assert t.column(("x",)).shape == (1, 1)
    t.add([choicemap(x=2.0)], [mx.array(0.0)], [INFO])
    assert t.column(("x",)).tolist() == [[1.0, 2.0]]


def test_draws_of_half_precision_are_read_in_single_precision():
    """NumPy has no bfloat16; the traces keep it."""
    x = mx.array([1.5, 3.140625], mx.bfloat16)
    t = table(2, [{"x": x}, {"x": 2 * x}])
    assert t.column(("x",)).dtype == mx.float32
    assert t.column(("x",)).tolist() == [[[1.5, 3.140625]], [[3.0, 6.28125]]]
    assert t.choices(1, 0)["x"].dtype == mx.bfloat16
