"""What the samplers share: batch shapes, uniforms that have a logarithm, and rejection in a fixed number of rounds."""

import itertools
import math
from collections.abc import Callable

import mlx.core as mx

from genmlx.numerics.special import promote
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = [
    "BELOW_ONE",
    "INT_MAX",
    "TINY",
    "argmax",
    "batch_shape",
    "constants",
    "in_blocks",
    "is_large",
    "rejection",
    "signed",
    "uniform",
]

TINY = 1.1754944e-38  # the smallest normal float32
BELOW_ONE = 1.0 - 2.0**-24
INT_MAX = 2147483520.0  # the largest float32 below 2^31

_LARGE = 4096
_BLOCKED, _BLOCKS = 2**16, 16


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


def argmax(x: Array, axis: int, *, keepdims: bool = False) -> Array:
    """``mx.argmax``, which refuses an empty array, and for one with nothing to choose from an empty result."""
    if x.size:
        return mx.argmax(x, axis=axis, keepdims=keepdims)
    return mx.zeros_like(x.sum(axis=axis, keepdims=keepdims)).astype(mx.uint32)


def is_large(shape: Shape) -> bool:
    """Whether memory counts for more than the number of operations."""
    return math.prod(shape) > _LARGE


def in_blocks(draw: Callable[..., Array], key: Key, shape: Shape, *parameters: Array) -> Array:
    """Counts ``draw(key, shape, *parameters)``, for many values in 16 blocks one after the other, in the memory of one.

    The graph of 16 times as many operations is worth it where each has a million values.
    """
    size = math.prod(shape)
    if size <= _BLOCKED:
        return draw(key, shape, *parameters)
    flat = [p if p.size == 1 else mx.broadcast_to(p, shape).reshape(-1) for p in parameters]
    keys, edges, blocks = mx.random.split(key, _BLOCKS), [size * i // _BLOCKS for i in range(_BLOCKS + 1)], []
    for i, (start, end) in enumerate(itertools.pairwise(edges)):
        block = [p.reshape(()) if p.size == 1 else p[start:end] for p in flat]
        # A key that hangs on the block before, so that MLX does not begin all of them at once.
        after = (blocks[-1][0] * 0).astype(mx.uint32) if blocks else 0
        blocks.append(draw(keys[i] + after, (end - start,), *block))
    return mx.concatenate(blocks).reshape(shape)


def rejection(
    key: Key,
    shape: Shape,
    rounds: int,
    rejected: float,
    propose: Callable[..., tuple[Array, Array]],
    *parameters: Array,
) -> Array:
    """A candidate that was accepted, out of a fixed number.

    Args:
        key: the randomness of all rounds.
        shape: the batch shape.
        rounds: how many candidates there are for each value.
        rejected: more than the probability of a rejection.
        propose: key, shape and parameters to candidates and whether they are accepted.
        parameters: constants that broadcast to ``shape``.

    For a small shape ``propose`` is called once, for all rounds along a new first axis. For a large one those that were
    rejected in the first round are gathered in an array with room for 8 standard deviations more than their expected
    number (it is too small with probability 1e-15), and so on: 1 / (1 - rejected) candidates a value in all.
    """
    if not is_large(shape):
        candidates, accept = propose(key, (rounds, *shape), *parameters)
        return mx.take_along_axis(candidates, argmax(accept, 0, keepdims=True), axis=0)[0]
    k_first, k_others = mx.random.split(key)
    candidates, accept = propose(k_first, shape, *parameters)
    again = mx.logical_not(accept).reshape(-1)
    size = again.size
    room = math.ceil(rejected * size + 8.0 * math.sqrt(rejected * size))
    slot = mx.minimum(mx.where(again, mx.cumsum(again.astype(mx.int32)) - 1, room), room)
    index = mx.put_along_axis(mx.zeros(room + 1, mx.int32), slot, mx.arange(size, dtype=mx.int32), axis=0)

    def gathered(parameter: Array) -> Array:
        if parameter.size == 1:
            return parameter.reshape(())
        return mx.take_along_axis(mx.broadcast_to(parameter, shape).reshape(-1), index, axis=0)

    others = rejection(k_others, (room + 1,), rounds - 1, rejected, propose, *map(gathered, parameters))
    return mx.where(again, mx.take_along_axis(others, slot, axis=0), candidates.reshape(-1)).reshape(shape)
