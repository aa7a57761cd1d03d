r"""The No-U-Turn sampler.

From the current point a trajectory doubles, forwards or backwards in time at random, until it turns back on itself.
The next state is drawn from its points with probabilities that favour $e^{-H}$ and the last doubling. Every point of a
finished trajectory would have made the same trajectory with the same probability, so $e^{-H}$ is left invariant.

* **Doubling.** Extension number $k$ is a subtree of $2^k$ leapfrog steps from one end. If it turns back within itself,
  or diverges, it is discarded and the trajectory ends before it.
* **Turning back.** A stretch of a trajectory with first momentum $p_a$, last momentum $p_n$ and sum of momenta $\rho$
  turns back if $p_a^\top M^{-1} \rho \le 0$ or $p_n^\top M^{-1} \rho \le 0$. A stretch of two halves $a..b$ and
  $c..n$ is also checked over $a..c$ and over $b..n$, which finds turns that fit between the halves.
* **Drawing.** Within a subtree a leaf is drawn by its weight $e^{-\Delta H}$ (multinomial); a finished subtree with
  weight $W'$ then replaces the draw of the trajectory with weight $W$ with probability $\min(1, W'/W)$ (biased
  progressive sampling).

The tree is not built by recursion. Leaves are visited in order, and a stack holds, of each complete subtree that waits
for its sibling, how it starts; as in a binary counter, leaf $n$ completes as many subtrees as $n$ ends in ones. The
sum over a subtree is the difference of two running sums. So there are at most as many records as levels.

Cost per step: at most $2^{\text{max\_tree\_depth}} - 1$ gradients.

References: Hoffman and Gelman, "The No-U-Turn sampler", JMLR 15 (2014); Betancourt, "A conceptual introduction to
Hamiltonian Monte Carlo", arXiv:1701.02434 (2017), appendix A; Phan, Pradhan and Jankowiak, "Composable effects for
flexible and accelerated probabilistic programming in NumPyro", arXiv:1912.11554 (2019), on trees without recursion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mlx.core as mx

from genmlx.control import while_loop
from genmlx.inference.adaptation import windows
from genmlx.inference.mcmc.integrator import (
    LogDensity,
    Metric,
    Point,
    State,
    as_metric,
    diverges,
    draw_momentum,
    energy_change,
    init,
    kinetic_energy,
    leapfrog,
    step_ratio,
    velocity,
)
from genmlx.numerics.errors import UsageError
from genmlx.numerics.random import split
from genmlx.numerics.transforms import where
from genmlx.numerics.types import Array, Key

__all__ = ["Info", "State", "build_kernel", "init", "is_turning", "warmup_and_sample"]


class Info(NamedTuple):
    """What a transition says of itself.

    Attributes:
        acceptance_rate: mean of min(1, exp(-energy change)) over the points that were visited.
        diverging: whether the energy rose beyond the threshold, or was not finite, at some point.
        energy: $H$ of the new state, with the momentum that it came with.
        tree_depth: finished doublings.
        n_steps: leapfrog steps, that is gradients.
    """

    acceptance_rate: Array
    diverging: Array
    energy: Array
    tree_depth: Array
    n_steps: Array


class _Draw(NamedTuple):
    """A state drawn from a set of points.

    Attributes:
        state: the draw.
        change: its energy, relative to the start of the trajectory.
        log_weight: log of the sum of exp(-change) over the points.
        momentum_sum: sum of the momenta of the points.
    """

    state: State
    change: Array
    log_weight: Array
    momentum_sum: Array


class _Visits(NamedTuple):
    """What is counted over all points that are visited: their number, their acceptance, and whether one diverged."""

    leaves: Array
    acceptance: Array
    diverging: Array


class _Trajectory(NamedTuple):
    first: Point
    last: Point
    draw: _Draw
    depth: Array
    stopped: Array
    visits: _Visits


class _Subtree(NamedTuple):
    """A subtree under construction.

    Attributes:
        tip: the point that was visited last.
        draw: from its points.
        size: number of its points.
        stack: of each complete subtree without a sibling: the momentum of its first point, that of the point before,
            and the sum of the momenta before it. Shape ``(levels, 3, d)``.
        height: number of records on the stack.
        turning: whether a part of it turned back.
        visits: as of the trajectory.
    """

    tip: Point
    draw: _Draw
    size: Array
    stack: Array
    height: Array
    turning: Array
    visits: _Visits


def is_turning(metric: Metric, a: Array, b: Array, c: Array, n: Array, left: Array, right: Array) -> Array:
    """Whether a trajectory of two halves turns back.

    Args:
        metric: gives velocities.
        a: first momentum of the first half.
        b: its last momentum.
        c: first momentum of the second half.
        n: its last momentum.
        left: sum of the momenta of the first half.
        right: sum of the momenta of the second half.
    """

    def turns(first: Array, last: Array, total: Array) -> Array:
        v = velocity(metric, total)
        return (mx.sum(first * v) <= 0) | (mx.sum(last * v) <= 0)

    return turns(a, n, left + right) | turns(a, c, left + c) | turns(b, n, b + right)


def build_kernel(
    log_density: LogDensity, *, max_tree_depth: int = 10
) -> Callable[[Key, State, Array, Metric], tuple[State, Info]]:
    """The transition ``kernel(key, state, step_size, metric) -> (state, info)``.

    Args:
        log_density: of a position of shape ``(d,)``.
        max_tree_depth: most doublings of a trajectory.

    Raises:
        UsageError: ``max_tree_depth`` is not between 1 and 20.
    """
    if not 1 <= max_tree_depth <= 20:
        raise UsageError(f"max_tree_depth={max_tree_depth} is not between 1 and 20", fix="max_tree_depth=10")
    extend = _subtree_builder(log_density, max_tree_depth)

    def kernel(key: Key, state: State, step_size: Array, metric: Metric) -> tuple[State, Info]:
        key_momentum, key_doublings, key_leaves = split(key, 3)
        start = Point(state, draw_momentum(key_momentum, metric))
        zero = mx.zeros_like(step_size)

        def goes_on(t: _Trajectory) -> Array:
            return ~t.stopped & (t.depth < max_tree_depth)

        def double(t: _Trajectory) -> _Trajectory:
            u = mx.random.uniform(shape=(2,), key=key_doublings + t.depth.astype(mx.uint32))
            forward = u[0] < 0.5
            near, far = where(forward, t.last, t.first), where(forward, t.first, t.last)
            signed = mx.where(forward, step_size, -step_size)
            tree = extend(key_leaves, start, near, signed, metric, t.visits)
            stopped = tree.turning | tree.visits.diverging
            accepted = ~stopped & (mx.log(u[1]) < tree.draw.log_weight - t.draw.log_weight)
            turning = is_turning(
                metric,
                far.momentum,
                near.momentum,
                tree.stack[0, 0],
                tree.tip.momentum,
                t.draw.momentum_sum,
                tree.draw.momentum_sum,
            )
            return _Trajectory(
                first=where(forward, t.first, tree.tip),
                last=where(forward, tree.tip, t.last),
                draw=_Draw(
                    where(accepted, tree.draw.state, t.draw.state),
                    mx.where(accepted, tree.draw.change, t.draw.change),
                    mx.logaddexp(t.draw.log_weight, tree.draw.log_weight),
                    t.draw.momentum_sum + tree.draw.momentum_sum,
                ),
                depth=t.depth + mx.where(stopped, 0, 1),
                stopped=stopped | turning,
                visits=tree.visits,
            )

        t = while_loop(
            goes_on,
            double,
            _Trajectory(
                first=start,
                last=start,
                draw=_Draw(state, zero, zero, start.momentum),
                depth=mx.array(0),
                stopped=mx.array(False),
                visits=_Visits(mx.array(0), zero, mx.array(False)),
            ),
        )
        energy = kinetic_energy(metric, start.momentum) - state.log_density + t.draw.change
        rate = t.visits.acceptance / t.visits.leaves
        return t.draw.state, Info(rate, t.visits.diverging, energy, t.depth, t.visits.leaves)

    return kernel


def _subtree_builder(log_density: LogDensity, levels: int) -> Callable[..., _Subtree]:
    step = leapfrog(log_density)

    def extend(key: Key, start: Point, near: Point, step_size: Array, metric: Metric, visits: _Visits) -> _Subtree:
        """The subtree that goes on from ``near`` and doubles the trajectory, as far as it does not turn or diverge."""
        length = visits.leaves + 1  # the trajectory: what was visited, and its start

        def goes_on(tree: _Subtree) -> Array:
            return (tree.size < length) & ~tree.turning & ~tree.visits.diverging

        def visit(tree: _Subtree) -> _Subtree:
            tip = step(tree.tip, step_size, metric)
            change = energy_change(start, tip, metric)
            failed = diverges(change)
            u = mx.random.uniform(key=key + tree.visits.leaves.astype(mx.uint32))
            stack, height, turning = _push(metric, tree, tip)
            return _Subtree(
                tip=tip,
                draw=_drawn(tree.draw, tip, mx.where(failed, mx.inf, change), u),
                size=tree.size + 1,
                stack=stack,
                height=height,
                turning=turning,
                visits=_Visits(
                    tree.visits.leaves + 1,
                    tree.visits.acceptance + mx.where(failed, 0.0, mx.exp(-mx.maximum(change, 0.0))),
                    failed,
                ),
            )

        zero = mx.zeros_like(step_size)
        nothing = _Draw(near.state, zero, mx.full((), -mx.inf), mx.zeros_like(near.momentum))
        stack = mx.zeros((levels, 3, near.momentum.shape[0]))
        return while_loop(
            goes_on, visit, _Subtree(near, nothing, mx.array(0), stack, mx.array(0), mx.array(False), visits)
        )

    return extend


def _drawn(draw: _Draw, point: Point, change: Array, u: Array) -> _Draw:
    """A draw from a set of points and one more, which is taken with its share of the weight."""
    log_weight = mx.logaddexp(draw.log_weight, -change)
    taken = mx.log(u) < -change - log_weight
    return _Draw(
        where(taken, point.state, draw.state),
        mx.where(taken, change, draw.change),
        log_weight,
        draw.momentum_sum + point.momentum,
    )


def _push(metric: Metric, tree: _Subtree, tip: Point) -> tuple[Array, Array, Array]:
    """Put the next leaf on the stack, and merge the subtrees that it completes: stack, height, and whether one turns.

    The top record starts the right half that ends here, and the record below it the left half; when they are merged
    the right one is dropped. What lies above the height is free to be overwritten.
    """
    before = tree.draw.momentum_sum
    record = mx.stack([tip.momentum, tree.tip.momentum, before])
    stack = mx.slice_update(tree.stack, record[None], tree.height.reshape(1), axes=(0,))
    through = before + tip.momentum

    def completes(carry: tuple[Array, Array, Array]) -> Array:
        bits, _, turning = carry
        return (bits % 2 == 1) & ~turning

    def merge(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        bits, top, _ = carry
        pair = mx.slice(stack, (top - 1).reshape(1), (0,), (2, *stack.shape[1:]))
        (a, _, before_a), (c, b, before_c) = pair[0], pair[1]
        turning = is_turning(metric, a, b, c, tip.momentum, before_c - before_a, through - before_c)
        return bits // 2, top - 1, turning

    _, top, turning = while_loop(completes, merge, (tree.size, tree.height, mx.array(False)))
    return stack, top + 1, turning


def warmup_and_sample(
    log_density: LogDensity,
    position: Array,
    key: Key,
    warmup: int,
    samples: int,
    *,
    max_tree_depth: int = 10,
    metric: str = "diag",
    target_accept: float = 0.8,
    step_size: Any = None,
) -> windows.Run:
    """A chain of the No-U-Turn sampler with its warm-up; see `genmlx.inference.adaptation.windows.run`."""
    return windows.run(
        build_kernel(log_density, max_tree_depth=max_tree_depth),
        init(log_density, position),
        key,
        warmup,
        samples,
        as_metric=as_metric,
        step_ratio=step_ratio(log_density),
        metric=metric,
        target_accept=target_accept,
        step_size=step_size,
    )
