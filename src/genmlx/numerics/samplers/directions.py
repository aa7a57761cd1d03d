"""Directions: the von Mises law on the circle, points uniform on a sphere."""

import math

import mlx.core as mx

from genmlx.numerics.samplers.common import batch_shape, rejection, uniform
from genmlx.numerics.special import promote
from genmlx.numerics.special.bessel import ratio_complement
from genmlx.numerics.special.elementary import exp
from genmlx.numerics.special.tails import nodes
from genmlx.numerics.types import Array, ArrayLike, Key, Shape

__all__ = ["uniform_on_sphere", "von_mises"]

VON_MISES_ROUNDS = 23
VON_MISES_REJECTED = 0.3425


def von_mises(
    key: Key, mu: ArrayLike, kappa: ArrayLike, shape: Shape | None = None, *, pathwise: bool = False
) -> Array:
    """Draws of the von Mises law with density exp(κ cos(x - mu)) / (2π I0(κ)), in [-π, π); for κ from 0 to 1e30.

    Best and Fisher's rejection from a wrapped Cauchy law, written for the tangent of half the angle, so that nothing
    cancels for large κ: acceptance rate at least 0.6577, 23 rounds: total-variation error below 2e-11. Differentiable
    in mu; with ``pathwise`` once in κ.

    References:
        Best and Fisher, Efficient simulation of the von Mises distribution, Applied Statistics 28 (1979).
    """
    mu, kappa = promote(mu, kappa)
    k = mx.stop_gradient(kappa)
    root = mx.sqrt(1.0 + 4.0 * mx.square(mx.minimum(k, 1e15)))
    share = 0.5 + 0.5 / (root + 2.0 * k)  # κ s, from 1 down to 1/2; the envelope's density is 1/(s + 1 - cos)
    h = 2.0 * k / share  # 2/s

    def propose(key: Key, shape: Shape, share: Array, h: Array) -> tuple[Array, Array]:
        k_angle, k_accept = mx.random.split(key)
        tangent = mx.tan(math.pi * (uniform(k_angle, shape) - 0.5))
        q = mx.square(mx.clip(tangent, -1e15, 1e15))
        e = h * (q / (1.0 + h + q))  # (1 - cos)/s
        return tangent, mx.log(uniform(k_accept, shape)) <= mx.log(1.0 + e) - share * e - (share - 1.0 - mx.log(share))

    tangent = rejection(key, batch_shape(shape, mu, kappa), VON_MISES_ROUNDS, VON_MISES_REJECTED, propose, share, h)
    angle = 2.0 * mx.arctan(tangent * mx.rsqrt(1.0 + h))
    if pathwise:
        angle = angle + (kappa - k) * mx.stop_gradient(_slope(k, angle))
    turned = mu + angle
    return turned - (2.0 * math.pi) * mx.floor(mx.stop_gradient(turned + math.pi) * (0.5 / math.pi))


def _slope(kappa: Array, angle: Array) -> Array:
    """dx/dκ = -(∂F/∂κ) / p of a draw x: ∫ (cos t - A) exp(κ (cos t - cos x)) dt over |x| < t < π, with the sign of x.

    A = I1/I0. The integral over 0 < t < |x| is the same up to its sign, and is taken where it is the shorter one.
    """
    kappa, angle = mx.broadcast_arrays(kappa, angle)
    size = mx.abs(angle)
    sine = mx.sin(0.5 * size)
    inner = kappa * mx.square(sine) < 0.5
    # Beyond x the exponent falls below -17 where sin²(t/2) exceeds that of x by 8.5/κ.
    end = 2.0 * mx.arcsin(mx.minimum(mx.sqrt(mx.square(sine) + 8.5 / mx.maximum(kappa, 1e-3)), 1.0))
    places, weights = nodes(kappa.dtype, kappa.ndim)
    start, width = mx.where(inner, 0.0, size), mx.where(inner, size, end - size)
    half = 0.5 * (start + width * places)
    square = mx.square(mx.sin(half))
    # cos t - cos x = -2 (sin²(t/2) - sin²(x/2)) = -2 sin((t - x)/2) sin((t + x)/2)
    exponent = -2.0 * kappa * mx.sin(half - 0.5 * size) * mx.sin(half + 0.5 * size)
    integral = width * ((ratio_complement(kappa) - 2.0 * square) * exp(exponent) * weights).sum(axis=0)
    return mx.where(angle < 0.0, -1.0, 1.0) * mx.where(inner, -integral, integral)


def uniform_on_sphere(key: Key, dim: int, shape: Shape = ()) -> Array:
    """Unit vectors in ``dim`` dimensions, along a new last axis: normals, divided by their length."""
    x = mx.random.normal((*shape, dim), key=key)
    return x * mx.rsqrt(mx.maximum(mx.square(x).sum(axis=-1, keepdims=True), 1e-30))
