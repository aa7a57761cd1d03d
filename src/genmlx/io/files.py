"""Files of traces, choice maps, chains and particles.

One file holds everything: the arrays in the safetensors format (which any tool of it can read), and the structure as
JSON in its metadata. No code is written, and none is run when a file is read; so a model is not in the file. Where it
is needed to rebuild a trace, the reader gives it, and what the file recorded is checked against it.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import mlx.core as mx
import numpy as np

from genmlx.core.batched import Batched, BatchedTrace
from genmlx.core.choicemap import ChoiceMap, as_choicemap
from genmlx.core.gfi import Call, GenerativeFunction
from genmlx.core.trace import Trace
from genmlx.inference.draws import DrawTable
from genmlx.inference.results import Chains, Particles
from genmlx.io.encoding import Decoder, Encoder
from genmlx.numerics.errors import GenMLXError, UsageError, format_path
from genmlx.numerics.types import Array

__all__ = ["load", "save"]

_FORMAT = 1
_TAG = "genmlx"
_NO_KEY = mx.zeros(2, mx.uint32)  # a rebuilt trace makes no choice: every choice is given


def save(path: str | os.PathLike[str], what: Any) -> None:
    """Write a trace, a choice map, chains or particles to a file.

    The file appears at once or not at all; one that was there is replaced.

    Args:
        path: where; the name is used as it is (``.safetensors`` is usual).
        what: a trace (also a batched one), a choice map or dict of choices, `Chains` or `Particles`. Of a trace, its
            choices, score and arguments are written; arguments may be numbers, strings, arrays and choice maps, in
            tuples, lists and dicts.

    Raises:
        UsageError: something in it cannot be written, such as a function among the arguments.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "x.safetensors"
        >>> trace = gm.normal(0.0, 1.0).simulate(key=gm.key(0))
        >>> gm.save(path, trace)
        >>> gm.load(path, gm.normal).score.item() == trace.score.item()
        True
    """
    encoder = Encoder()
    structure = {_TAG: _FORMAT, **_structure(encoder, what)}
    path = Path(path)
    folder = path.parent
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name}.", delete=False) as file:
        try:
            mx.save_safetensors(file, encoder.arrays, {_TAG: json.dumps(structure)})  # type: ignore[arg-type]
            file.close()
            os.replace(file.name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file.name)
            raise


def load(path: str | os.PathLike[str], gen_fn: Any = None) -> Any:
    """Read what `save` wrote.

    Args:
        path: the file.
        gen_fn: the model of a trace, of chains or of particles, not applied to arguments (those are in the file). A
            choice map needs none.

    Returns:
        What was saved.

    Raises:
        UsageError: the file is not of `save`, the model is missing, or it is not the one of the file: it makes other
            choices, or gives them another density.
    """
    structure, decoder = _read(Path(path))
    holds = structure["holds"]
    if holds == "choices":
        return decoder.choices(structure["choices"])
    if not isinstance(gen_fn, GenerativeFunction):
        name = structure["model"]
        raise UsageError(
            f"{path} holds {_ARTICLE[holds]} of {name!r}, and the model that was given is {gen_fn!r}",
            fix=f"gm.load(path, {name}): the model itself, without its arguments, which are in the file",
        )
    reader = {"trace": _load_trace, "chains": _load_chains, "particles": _load_particles}[holds]
    try:
        return reader(structure, decoder, gen_fn)
    except _Other as error:
        raise UsageError(
            f"{path} holds {_ARTICLE[holds]} of {structure['model']!r}, which does not fit {gen_fn.name!r}: {error}",
            fix="the model as it was when the file was written",
        ) from error.__cause__


_ARTICLE = {"trace": "a trace", "chains": "chains", "particles": "particles"}


class _Other(Exception):
    """The file belongs to another model, or to another version of it."""


# ---- writing --------------------------------------------------------------------------------------------------------


def _structure(encoder: Encoder, what: Any) -> dict[str, Any]:
    if isinstance(what, Trace):
        return _trace_structure(encoder, what)
    if isinstance(what, Chains):
        return _chains_structure(encoder, what)
    if isinstance(what, Particles):
        return _particles_structure(encoder, what)
    if isinstance(what, ChoiceMap | dict):
        return {"holds": "choices", "choices": encoder.choices(as_choicemap(what))}
    raise UsageError(
        f"gm.save writes a trace, a choice map, chains or particles, found {what!r} ({type(what).__name__})",
        fix="gm.save(path, trace) or gm.save(path, {...})",
    )


def _trace_structure(encoder: Encoder, trace: Trace) -> dict[str, Any]:
    gen_fn: Any = trace.gen_fn
    n = len(trace) if isinstance(trace, BatchedTrace) else None
    return {
        "holds": "trace",
        "n": n,
        **_call_structure(encoder, gen_fn if n is None else gen_fn.gen_fn, trace.args),
        "choices": encoder.choices(trace.choices),
        "score": encoder.array(trace.score),
    }


def _call_structure(encoder: Encoder, gen_fn: Any, args: Any) -> dict[str, Any]:
    return {"model": gen_fn.name, "args": encoder.tree(args)}


def _chains_structure(encoder: Encoder, chains: Chains) -> dict[str, Any]:
    table = chains.table
    columns = []
    for pattern in table.patterns:
        values, present = table.filled(pattern)
        made = None if present.all() else encoder.array(mx.array(present))
        columns.append([encoder.pattern(pattern), encoder.array(values), made])
    return {
        "holds": "chains",
        **_call_structure(encoder, chains.call.gen_fn, chains.call.args),
        "observations": encoder.choices(chains.observations),
        "interrupted": chains.interrupted,
        "columns": columns,
        "scores": encoder.array(table.scores()),
        "stats": [[name, encoder.array(values)] for name, values in table.stats().items()],
    }


def _particles_structure(encoder: Encoder, particles: Particles) -> dict[str, Any]:
    rows = particles.rows
    return {
        "holds": "particles",
        **_call_structure(encoder, particles.call.gen_fn, particles.call.args),
        "observations": encoder.choices(particles.observations),
        "choices": encoder.choices(particles.choices) if rows is None else [encoder.choices(row) for row in rows],
        "log_weights": encoder.array(particles.log_weights),
        "log_marginal_likelihood": encoder.array(particles.log_marginal_likelihood),
    }


# ---- reading --------------------------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[dict[str, Any], Decoder]:
    with open(path, "rb") as file:
        try:
            arrays, metadata = _with_metadata(file)
            mx.eval(list(arrays.values()))  # while the file is open
        except (RuntimeError, ValueError) as error:
            raise UsageError(f"{path} is not a file of gm.save: {error}") from error
    if _TAG not in metadata:
        raise UsageError(f"{path} is not a file of gm.save: it says nothing of genmlx", fix="mx.load(path)")
    structure = json.loads(metadata[_TAG])
    if structure[_TAG] > _FORMAT:
        raise UsageError(
            f"{path} has the format {structure[_TAG]}, and this version of genmlx reads up to {_FORMAT}",
            fix="a newer genmlx",
        )
    return structure, Decoder(arrays)


def _with_metadata(file: BinaryIO) -> tuple[dict[str, Array], dict[str, str]]:
    loaded: Any = mx.load(file, format="safetensors", return_metadata=True)
    return loaded


def _load_trace(structure: dict[str, Any], decoder: Decoder, gen_fn: Any) -> Trace:
    choices = decoder.choices(structure["choices"])
    if structure["n"] is not None:
        gen_fn = Batched(gen_fn, structure["n"])
    trace = _rebuilt(_call(structure, decoder, gen_fn), choices)
    _compare(trace.score, decoder.array(structure["score"]))
    return trace


def _load_chains(structure: dict[str, Any], decoder: Decoder, gen_fn: GenerativeFunction) -> Chains:
    columns = {
        decoder.pattern(pattern): (decoder.array(values), None if made is None else decoder.array(made))
        for pattern, values, made in structure["columns"]
    }
    stats = {name: decoder.array(values) for name, values in structure["stats"]}
    scores = decoder.array(structure["scores"])
    table = DrawTable.of(columns, scores, stats)
    observations = decoder.choices(structure["observations"])
    call = _call(structure, decoder, gen_fn)
    chains = Chains(call, observations, table, interrupted=structure["interrupted"])
    _compare(_rebuilt(call, table.choices(0, 0) | observations).score, scores[0, 0])
    return chains


def _load_particles(structure: dict[str, Any], decoder: Decoder, gen_fn: GenerativeFunction) -> Particles:
    code = structure["choices"]
    choices = [decoder.choices(row) for row in code] if isinstance(code, list) else decoder.choices(code)
    call, observations = _call(structure, decoder, gen_fn), decoder.choices(structure["observations"])
    log_weights, evidence = (decoder.array(structure[name]) for name in ("log_weights", "log_marginal_likelihood"))
    particles = Particles(call, observations, choices, log_weights, evidence)
    _rebuilt(call, particles.free(0) | observations)
    return particles


def _call(structure: dict[str, Any], decoder: Decoder, gen_fn: Any) -> Call:
    try:
        return Call(gen_fn, gen_fn.bind(decoder.tree(structure["args"]), {}))
    except GenMLXError as error:
        raise _Other(str(error)) from error


def _rebuilt(call: Call, choices: ChoiceMap) -> Trace:
    """The trace with exactly these choices."""
    try:
        trace, _ = call.gen_fn.generate(_NO_KEY, call.args, choices)
    except GenMLXError as error:
        raise _Other(str(error)) from error
    missing = [path for path in trace.choices.paths() if path not in choices]
    if missing:
        raise _Other(f"it makes a choice at {format_path(missing[0])}, which the file does not have") from None
    return trace


def _compare(score: Array, recorded: Array) -> None:
    """Another device or version may round differently, another model gives other numbers altogether."""
    found, expected = np.array(score, np.float64), np.array(recorded, np.float64)
    if not np.allclose(found, expected, rtol=1e-4, atol=1e-3, equal_nan=True):
        raise _Other(f"the log density of its choices is {found}, and the file recorded {expected}") from None
