r"""Importance sampling.

For particles $t_i \sim q$ that agree with the observations $y$, the log weights are
$w_i = \log p(t_i, y) - \log q(t_i)$; $\frac1n \sum_i e^{w_i}$ is an unbiased estimate of $p(y)$, and normalised weights
estimate posterior expectations. Without a proposal, $q$ is the model's internal proposal (for `@gen` functions the
prior), and the weight is that of ``generate``.

Particles run vectorised, in chunks: memory is linear in the chunk plus the choices that are kept (4 bytes a number
and particle), and the result does not depend on the chunk size, because particle i always uses the i-th key. A model
whose Python control flow depends on random values runs one particle at a time.

Reference: Robert and Casella, "Monte Carlo Statistical Methods", 2nd ed. (2004), section 3.3.
"""

from __future__ import annotations

import warnings
from typing import Any

import mlx.core as mx

from genmlx.core.batched import Batched
from genmlx.core.choicemap import ChoiceMap, selection_of
from genmlx.core.gfi import Call, GenerativeFunction
from genmlx.core.trace import Trace
from genmlx.inference.base import check_count, evaluate, explain_weight, free_selection, problem
from genmlx.inference.resampling import check_weights
from genmlx.inference.results import Particles
from genmlx.numerics.errors import ControlFlowError, ShapeError, UsageError, WeightError
from genmlx.numerics.pytree import map_arrays
from genmlx.numerics.random import as_key, fold_in, scramble, split
from genmlx.numerics.transforms import vmap
from genmlx.numerics.types import Array, Key, Keys

__all__ = ["importance_resampling", "importance_sampling"]

_CHUNK = 65_536


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
    root = scramble(as_key(key))
    parts = []
    try:
        for start in range(0, particles, chunk):
            keys = _particle_keys(root, start, min(chunk, particles - start), chunk)
            parts.append(_chunk(target, given, guide, keys))
            evaluate(parts[-1])
    except (ControlFlowError, ShapeError) as error:
        if not isinstance(error, ControlFlowError) and particles > 1:
            raise
        return _one_by_one(target, given, guide, root, particles, chunk, error)
    log_weights = mx.concatenate([w for _, w in parts])
    choices = (
        map_arrays(lambda *xs: mx.concatenate(list(xs)), *[c for c, _ in parts]) if len(parts) > 1 else parts[0][0]
    )
    evaluate(choices, log_weights)
    _check(target, given, log_weights, lambda i: choices.map(lambda v: v[i]))
    return Particles(target, given, choices, log_weights)


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


def _particle_keys(root: Key, start: int, count: int, chunk: int) -> Keys:
    """The keys of particles start .. start + count: blocks of a fixed size, so that chunks do not matter."""
    first, last = start // _CHUNK, (start + count - 1) // _CHUNK
    blocks = [split(fold_in(root, ("particles", b)), _CHUNK) for b in range(first, last + 1)]
    keys = blocks[0] if len(blocks) == 1 else mx.concatenate(blocks)
    return keys[start - first * _CHUNK : start - first * _CHUNK + count]


def _chunk(call: Call, observations: ChoiceMap, guide: Call | None, keys: Keys) -> tuple[ChoiceMap, Array]:
    """Free choices and log weights of the particles with these keys."""
    free = free_selection(observations)
    if guide is None:
        batched = Batched(call.gen_fn, keys.shape[0])
        trace, log_weights = batched.generate(keys, call.args, observations)
        return trace.choices.filter(free), log_weights

    def particle(key: Key) -> tuple[ChoiceMap, Array]:
        trace, weight = _guided(call, observations, guide, key)
        return trace.choices.filter(free), weight

    return vmap(particle)(keys)


def _guided(call: Call, observations: ChoiceMap, guide: Call, key: Key) -> tuple[Trace, Array]:
    key_guide, key_model = split(key)
    proposed, log_q, _ = guide.gen_fn.propose(key_guide, guide.args)
    overlap = proposed.filter(selection_of(observations))
    if not overlap.is_empty:
        raise UsageError(
            f"the proposal chooses the observed addresses {list(overlap)}", fix="propose free choices only"
        )
    trace, weight = call.gen_fn.generate(key_model, call.args, observations | proposed)
    return trace, weight - log_q


def _one_by_one(
    call: Call, observations: ChoiceMap, guide: Call | None, root: Key, particles: int, chunk: int, error: Any
) -> Particles:
    warnings.warn(
        f"the particles run one after the other, not vectorised: {error.what} (in {error.where})",
        UserWarning,
        stacklevel=3,
    )
    free = free_selection(observations)
    rows, weights = [], []
    for start in range(0, particles, chunk):
        for key in _particle_keys(root, start, min(chunk, particles - start), chunk):
            if guide is None:
                trace, weight = call.gen_fn.generate(key, call.args, observations)
            else:
                trace, weight = _guided(call, observations, guide, key)
            choices = trace.choices.filter(free)
            evaluate(choices, weight)
            rows.append(choices)
            weights.append(weight)
    log_weights = mx.stack(weights)
    _check(call, observations, log_weights, lambda i: rows[i])
    return Particles(call, observations, rows, log_weights)


def _check(call: Call, observations: ChoiceMap, log_weights: Array, choices_of: Any) -> None:
    """Weights that say nothing are an error that names the choices at fault, seen in one particle."""
    try:
        check_weights(log_weights, "of the particles")
    except WeightError as error:
        bad = mx.isnan(log_weights) | mx.isinf(log_weights)
        i: Any = mx.argmax(bad).item()
        trace, _ = call.gen_fn.generate(mx.zeros(2, mx.uint32), call.args, choices_of(i) | observations)
        raise explain_weight(trace, error.what, error.fix or "") from None
