"""Trees of records."""

from typing import Any, NamedTuple

import mlx.core as mx
import pytest

from genmlx.numerics.pytree import (
    flatten,
    join_arrays,
    map_arrays,
    map_nodes,
    record,
    same_structure,
    split_arrays,
    unflatten,
)


@record(lambda b: ((b.value,), b.label), lambda label, c: Box(label, c[0]))
class Box:
    def __init__(self, label: str, value: Any) -> None:
        self.label, self.value = label, value


class Pair(NamedTuple):
    a: Any
    b: Any


def tree(x):
    return {"box": Box("l", x), "pair": Pair(2 * x, "text"), "rest": [None, 3, (x,)]}


def test_arrays_and_the_rest_are_parted_and_joined():
    arrays, structure = split_arrays(tree(mx.array(1.0)))
    assert [a.item() for a in arrays] == [1.0, 2.0, 1.0]
    assert structure.static == ("text", 3)
    again = join_arrays(structure, arrays)
    assert again["box"].label == "l"
    assert isinstance(again["pair"], Pair)
    assert again["rest"][0] is None
    assert again["rest"][2][0].item() == 1.0


def test_a_function_is_mapped_over_arrays_only():
    result = map_arrays(lambda x, y: x + 10 * y, tree(mx.array(1.0)), tree(mx.array(2.0)))
    assert result["box"].value.item() == 21.0
    assert result["pair"] == Pair(result["pair"].a, "text")
    with pytest.raises(ValueError, match="zip"):
        map_arrays(lambda x, y: x, tree(mx.array(1.0)), [mx.array(1.0)])


def test_structures_are_compared_without_their_arrays():
    one, two = (split_arrays(tree(mx.array(x)))[1] for x in (1.0, 2.0))
    assert same_structure(one, two)
    for other in (
        {**tree(mx.array(1.0)), "box": Box("m", mx.array(1.0))},
        {**tree(mx.array(1.0)), "rest": [None, 4, (mx.array(1.0),)]},
        {**tree(mx.array(1.0)), "rest": [None, mx.array(3), (mx.array(1.0),)]},
        {**tree(mx.array(1.0)), "more": 1},
    ):
        assert not same_structure(one, split_arrays(other)[1])


def test_leaves_with_a_structure_key_are_compared_by_it():
    class Closure:
        def __init__(self, key, value):
            self.structure_key, self.value = key, value

    def structure(key, value):
        return split_arrays([Closure(key, value)])[1]

    assert same_structure(structure("k", 1), structure("k", 2))
    assert not same_structure(structure("k", 1), structure("l", 1))


def test_nodes_of_one_kind_are_mapped():
    result = map_nodes(lambda b: Box(b.label * 2, b.value), Box, [Box("x", Box("y", 1)), 3, {"a": Box("z", 2)}])
    assert [result[0].label, result[0].value.label, result[1], result[2]["a"].label] == ["xx", "y", 3, "zz"]


def test_flatten_and_unflatten():
    leaves, treedef = flatten(tree(1.0))
    assert leaves == [1.0, 2.0, "text", 3, 1.0]
    assert unflatten(treedef, leaves)["box"].value == 1.0
