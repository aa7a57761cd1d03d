import jaxtyping
import mlx.core as mx
import pytest

from genmlx.numerics.random import split


def test_types_are_checked_during_tests():
    with pytest.raises(jaxtyping.TypeCheckError):
        split("seven")


def test_shapes_and_dtypes_are_checked_during_tests():
    with pytest.raises(jaxtyping.TypeCheckError):
        split(mx.zeros(3, dtype=mx.uint32))
    with pytest.raises(jaxtyping.TypeCheckError):
        split(mx.zeros(2, dtype=mx.int32))
