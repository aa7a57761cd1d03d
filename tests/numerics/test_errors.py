"""Errors: three parts, and a path that grows on the way out."""

import pytest

from genmlx.numerics import errors
from genmlx.numerics.errors import AddressError, GenMLXError, format_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("x",), "'x'"),
        ((3,), "3"),
        (("a", 0, "x"), "('a', 0, 'x')"),
        (("s", slice(None), "y"), "('s', :, 'y')"),
        (("s", range(3), "y"), "('s', :, 'y')"),
        (("s", range(1, 3), "y"), "('s', 1:3, 'y')"),
        (("s", slice(1, 6, 2)), "('s', 1:6:2)"),
        ((slice(None),), ":"),
        ((), "()"),
    ],
)
def test_paths_print_as_they_are_written(path, text):
    assert format_path(path) == text


def test_an_error_prints_what_where_and_how_to_fix_it():
    error = GenMLXError("It broke", path=("a", 0), where="line 3", fix="do it")
    assert str(error) == "It broke\n  at address ('a', 0)\n  in line 3\n  instead: do it"
    assert str(GenMLXError("It broke")) == "It broke"
    assert str(GenMLXError("It broke", path=())) == "It broke"


def test_the_path_grows_in_front():
    error = AddressError("missing")
    assert error.within(("c",)) is error
    assert error.within(("a", "b")).path == ("a", "b", "c")


def test_every_error_is_ours_and_one_of_pythons():
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(kinds) >= 9
    for kind in kinds:
        assert issubclass(kind, GenMLXError)
        assert kind is GenMLXError or any(
            issubclass(kind, b) for b in (LookupError, ValueError, TypeError, ArithmeticError)
        )
