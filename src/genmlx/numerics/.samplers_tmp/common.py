"""What the samplers share: batch shapes, uniforms that have a logarithm, and rejection in a fixed number of rounds."""

import math
from collections.abc import Callable

import mlx.core as mx

from genmlx.numerics.special import promote
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = ["BELOW_ONE", "INT_MAX", "TINY", "batch_shape", "constants", "is_large", "rejection", "signed", "uniform"]

TINY = 1.1754944e-38  # the smallest normal float32
BELOW_ONE = 1.0 - 2.0**-24
INT_MAX = 2147483520.0  # the largest float32 below 2^31

_LARGE = 4096


def batch_shape(shape: Shape | None, *parameters: Array) -> Shape:
    """The shape asked for, by default that of the parameters."""
    return tuple(mx.broadcast_shapes(*(p.shape for p in parameters))) if shape is None else shape


def constants(*parameters: ArrayLike) -> tuple[Array, ...]:
    """The parameters as arrays without gradients."""
    return tuple(mx.stop_gradient(p) for p in promote(*parameters))


def uniform(key: Key, shape: Shape) -> Array:
    """MLX's uniforms, their zero raised to 2^-33."""
    return mx.maximum(mx.random.uniform(shape=shape, key=key), 2.0**-33)


def signed(key: Key, magnitude: Array) -> Array:
    """The magnitude with a random sign."""
    return mx.where(mx.random.uniform(shape=magnitude.shape, key=key) < 0.5, -magnitude, magnitude)


def is_large(shape: Shape) -> bool:
    """Whether memory counts for more than the number of operations."""
    return math.prod(shape) > _LARGE


def rejection(key: Key, shape: Shape, rounds: int, propose: Callable[[Key, Shape], tuple[Array, Array]]) -> Array:
    """A candidate that was accepted, of a fixed number of them.

    Args:
        key: the randomness of all rounds.
        shape: the batch shape.
        rounds: how many candidates there are for each value.
        propose: key and shape to candidates and whether they are accepted; called once for all rounds, along a new
            first axis, or (for a large shape, to save memory) once a round.
    """
    if not is_large(shape):
        candidates, accept = propose(key, (rounds, *shape))
        return mx.take_along_axis(candidates, mx.argmax(accept, axis=0, keepdims=True), axis=0)[0]
    keys = mx.random.split(key, rounds)
    value, _ = propose(keys[0], shape)
    for i in range(1, rounds):
        candidates, accept = propose(_after(keys[i], value), shape)
        value = mx.where(accept, candidates, value)
    return value


def _after(key: Key, value: Array) -> Key:
    """The key, with a graph that has it wait for the value: otherwise MLX holds the candidates of all rounds at once.

    ``mx.depends`` has no vmap.
    """
    return key + mx.isnan(value.reshape(-1)[0]).astype(mx.uint32)
