r"""Importance sampling.

For particles $t_i \sim q$ that agree with the observations $y$, the log weights are
$w_i = \log p(t_i, y) - \log q(t_i)$; $\frac1n \sum_i e^{w_i}$ is an unbiased estimate of $p(y)$, and normalised weights
estimate posterior expectations. Without a proposal, $q$ is the model's internal proposal (for `@gen` functions the
prior), and the weight is that of ``generate``.

Particles run vectorised, in chunks, and particle i always uses the i-th key, so the result does not depend on the
chunk size. Memory is linear in what is kept (for a particle, 4 bytes for each free number and for the weight; the
largest array twice while the chunks are joined) plus what one chunk holds on the way. A model that cannot be
vectorised (Python control flow over random values) runs one particle at a time.

Reference: Robert and Casella, "Monte Carlo Statistical Methods", 2nd ed. (2004), section 3.3.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx

from genmlx.core.choicemap import ChoiceMap, lifted, selection_of
from genmlx.core.gfi import Call, GenerativeFunction
from genmlx.inference.base import (
    alike,
    check_count,
    evaluate,
    explain_weight,
    free_selection,
    not_vectorisable,
    problem,
)
from genmlx.inference.resampling import check_weights
from genmlx.inference.results import Particles
from genmlx.numerics.errors import ControlFlowError, UsageError, WeightError
from genmlx.numerics.pytree import join_arrays, map_arrays, split_arrays
from genmlx.numerics.random import as_key, fold_in, scramble, split
from genmlx.numerics.transforms import vmap
from genmlx.numerics.types import Array, Key, Keys

__all__ = ["importance_resampling", "importance_sampling"]

_CHUNK = 65_536
_BLOCK = 4_096  # particle keys are made this many at a time

_Particle = Callable[[Key], tuple[ChoiceMap, Array]]


def importance_sampling(
    call: Any,
    observations: Any = None,
    *,
    particles: int = 1000,
    proposal: Any = None,
    chunk: int = _CHUNK,
    key: Any = None,
) -> Particles:
    """Weighted draws from the posterior.

    Args:
        call: the model applied to its arguments.
        observations: observed choices (choice map or dict).
        particles: how many.
        proposal: a generative function applied to its arguments, with choices at free addresses of the model; what it
            does not choose comes from the model's internal proposal. Default: all from the internal proposal.
        chunk: particles at once; bounds the memory of intermediate values.
        key: random key.

    Raises:
        WeightError: all weights are -inf, or one is NaN; names the choices at fault.

    Example:
        >>> from genmlx import gen, normal, importance_sampling, key
        >>> @gen
        ... def model():
        ...     mu = normal(0.0, 5.0) @ "mu"
        ...     normal(mu, 1.0) @ "y"
        >>> p = importance_sampling(model(), {"y": 2.0}, particles=100_000, key=key(0))
        >>> abs(p.log_marginal_likelihood.item() + 2.6249) < 0.02
        True
    """
    target, given = problem(call, observations)
    check_count("particles", particles, 1)
    check_count("chunk", chunk, 1)
    guide = _proposal(proposal)
    particle = _particle(target, given, guide)
    root = scramble(as_key(key))
    try:
        choices, log_weights = _vectorised(particle, root, particles, chunk)
    except (ControlFlowError, ValueError) as error:
        reason = not_vectorisable(error)
        if reason is None:
            raise
        choices, log_weights = _one_by_one(particle, root, particles, reason)
    result = Particles(target, given, choices, log_weights)
    _check(result, guide)
    return result


def importance_resampling(
    call: Any,
    observations: Any = None,
    *,
    particles: int = 1000,
    samples: int = 1,
    proposal: Any = None,
    method: str = "systematic",
    chunk: int = _CHUNK,
    key: Any = None,
) -> Particles:
    """Equally weighted draws from the posterior: importance sampling, then resampling (sampling-importance-resampling).

    Args:
        call: the model applied to its arguments.
        observations: observed choices.
        particles: how many weighted draws are made.
        samples: how many are kept.
        proposal: as for `importance_sampling`.
        method: as for `Particles.resample`.
        chunk: as for `importance_sampling`.
        key: random key.
    """
    key_sample, key_resample = split(as_key(key))
    weighted = importance_sampling(
        call, observations, particles=particles, proposal=proposal, chunk=chunk, key=key_sample
    )
    return weighted.resample(check_count("samples", samples, 1), method=method, key=key_resample)


def _proposal(proposal: Any) -> Call | None:
    if proposal is None or isinstance(proposal, Call):
        return proposal
    if isinstance(proposal, GenerativeFunction):
        return proposal()
    raise UsageError(
        f"proposal= takes a generative function applied to its arguments, found {proposal!r}",
        fix="proposal=guide(xs, ys)",
    )


def _particle(call: Call, observations: ChoiceMap, guide: Call | None) -> _Particle:
    """The function of a key that makes one particle: free choices and log weight."""
    free, observed = free_selection(observations), selection_of(observations)

    def particle(key: Key) -> tuple[ChoiceMap, Array]:
        if guide is None:
            trace, weight = call.gen_fn.generate(key, call.args, observations)
            return trace.choices.filter(free), weight
        key_guide, key_model = split(key)
        proposed, log_q, _ = guide.gen_fn.propose(key_guide, guide.args)
        overlap = proposed.filter(observed)
        if not overlap.is_empty:
            raise UsageError(
                f"the proposal chooses the observed addresses {list(overlap)}", fix="propose free choices only"
            )
        trace, weight = call.gen_fn.generate(key_model, call.args, observations | proposed)
        return trace.choices.filter(free), weight - log_q

    return particle


def _blocks(root: Key, particles: int, size: int) -> Iterator[Keys]:
    """The keys of all particles, ``size`` at a time: made in blocks of one size, so that chunks do not matter."""
    left: list[Keys] = []
    for block in range(0, particles, _BLOCK):
        left.append(split(fold_in(root, ("particles", block)), _BLOCK)[: particles - block])
        while sum(len(keys) for keys in left) >= size:
            keys = mx.concatenate(left)
            yield keys[:size]
            left = [keys[size:]]
    keys = mx.concatenate(left)
    if len(keys):
        yield keys


def _vectorised(particle: _Particle, root: Key, particles: int, chunk: int) -> tuple[ChoiceMap, Array]:
    parts: list[list[Array]] = []
    structure: Any = None
    for keys in _blocks(root, particles, chunk):
        arrays, structure = split_arrays(vmap(particle)(keys))
        mx.eval(arrays)
        parts.append(arrays)
    joined: list[Array] = []
    while parts[0]:  # one array at a time, so that memory holds at most one twice
        joined.insert(0, mx.concatenate([arrays.pop() for arrays in parts]))
        mx.eval(joined[0])
    choices, log_weights = join_arrays(structure, joined)
    return lifted(choices, 1), log_weights


def _one_by_one(
    particle: _Particle, root: Key, particles: int, reason: str
) -> tuple[ChoiceMap | list[ChoiceMap], Array]:
    warnings.warn(f"the particles run one after the other, not vectorised: {reason}", UserWarning, stacklevel=3)
    rows: list[ChoiceMap] = []
    weights: list[Array] = []
    for keys in _blocks(root, particles, _BLOCK):
        for key in keys:
            choices, weight = particle(key)
            evaluate(choices, weight)
            rows.append(choices)
            weights.append(weight)
    log_weights = mx.stack(weights)
    if all(alike(row, rows[0]) for row in rows):
        return lifted(map_arrays(lambda *xs: mx.stack(list(xs)), *rows), 1), log_weights
    return rows, log_weights


def _check(particles: Particles, guide: Call | None) -> None:
    """Weights that say nothing are an error that names the choices at fault, seen in one particle."""
    try:
        check_weights(particles.log_weights, "of the particles")
    except WeightError as error:
        # NaN and +inf say more than a -inf beside them.
        wrong = mx.logical_not(particles.log_weights < mx.inf)
        i: Any = mx.argmax(wrong).item()
        trace = particles.trace(i)
        if guide is not None and mx.isfinite(trace.score).item():
            error.what += f"; the density of the model is finite, that of the proposal {guide!r} is not"
        raise explain_weight(trace, error.what, error.fix or "") from None
