"""Addresses: strings, ints, and tuples of these."""

import enum

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.address import as_path, as_pattern, bare
from genmlx.numerics.errors import AddressError


class Colour(str, enum.Enum):
    RED = "red"


class Row(enum.IntEnum):
    FIRST = 1


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("x", ("x",)),
        ("", ("",)),
        (3, (3,)),
        (-1, (-1,)),
        (("a", 0, "b"), ("a", 0, "b")),
        (np.int64(3), (3,)),
        (("a", np.int32(3)), ("a", 3)),
        (np.str_("x"), ("x",)),
        (Colour.RED, ("red",)),
        (Row.FIRST, (1,)),
        ((), ()),
    ],
)
def test_an_address_becomes_a_path(address, path):
    found = as_path(address)
    assert found == path
    assert all(type(c) in {str, int} for c in found)


@pytest.mark.parametrize(
    "address",
    [1.0, True, None, ("a", ("b",)), ("a", 1.5), ("a", True), b"x", np.float32(1.0), np.bool_(True), ["a"], {"a": 1}],
)
def test_what_is_not_an_address_is_refused(address):
    with pytest.raises(AddressError, match="an address is a string, an int, or a tuple of these"):
        as_path(address)


@pytest.mark.parametrize("array", [mx.array(3), np.array(3), np.array([1, 2]), mx.array([1, 2])])
def test_arrays_are_not_addresses(array):
    """Also an integer array of no axes: its value may not exist yet, and in a vectorised run there are many."""
    for address in (array, ("y", array)):
        with pytest.raises(AddressError, match=r"(?s)array.*instead: .*with a Python int"):
            as_path(address)


def test_an_array_address_in_a_vectorised_model_is_an_address_error():
    @gen
    def model():
        x = normal(0.0, 1.0) @ "x"
        return normal(0.0, 1.0) @ ("y", x.astype(mx.int32))

    for n in (None, 3):
        with pytest.raises(AddressError, match=r"found an array of shape \(\)"):
            model().simulate(n=n, key=0)


def test_string_and_int_components_are_different():
    choices = gm.choicemap({1: 1.0, "1": 2.0})
    assert choices[1].item() == 1.0
    assert choices["1"].item() == 2.0


def test_patterns_may_hold_slices_and_paths_may_not():
    assert as_pattern(("steps", slice(None), "x")) == ("steps", slice(None), "x")
    with pytest.raises(AddressError):
        as_path(("steps", slice(None), "x"))


def test_a_single_component_stands_alone():
    assert bare(("x",)) == "x"
    assert bare(("x", 1)) == ("x", 1)
    assert bare(()) == ()
