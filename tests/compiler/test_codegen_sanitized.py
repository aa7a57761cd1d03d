"""Generated code under AddressSanitizer and UndefinedBehaviorSanitizer: no index leaves an array, nothing is undefined."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np
import pytest

from genmlx.compiler.codegen import FLAGS, Lanes, generate
from genmlx.compiler.ir.graph import Builder, Region, Type, Value
from genmlx.compiler.ir.ops import ELEMENTWISE
from genmlx.compiler.ir.types import DTYPES
from genmlx.compiler.runtime import ArraySpec
from helpers.op_cases import CASES, arguments, region_of
from helpers.programs import random_arguments, random_region
from helpers.sanitize import SanitizerError, run_sanitized

LANES, WIDTH = 6, 4  # the last block is half full


def merged(regions: Sequence[Region]) -> Region:
    """Many regions side by side as one, so that one program checks all."""
    b = Builder()
    results: list[Value] = []
    for region in regions:
        results.extend(b.inline(region, [b.parameter(t) for t in region.parameter_types]))
    return b.finish(*results)


def run(regions: Sequence[Region], inputs: Sequence[np.ndarray], lanes: bool) -> None:
    region = merged(regions)
    mapped = (True,) * len(region.parameters)
    source = generate(region, lanes=Lanes(mapped, WIDTH) if lanes else None)
    lead = (LANES,) if lanes else ()
    specs = [
        ArraySpec(getattr(mx, "bool_" if t.dtype == "bool" else t.dtype), (*lead, *t.shape)) for t in source.outputs
    ]
    run_sanitized(
        source.text,
        inputs,
        specs,
        workspace_bytes=source.workspace_bytes,
        lanes=LANES if lanes else None,
        lane_block=WIDTH if lanes else 1,
        flags=FLAGS,
        timeout=300.0,
    )


def op_inputs(cases, lanes: bool, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for case in cases:
        flags = (True,) * len(case.types)
        found.extend(arguments(case, "float32", rng, LANES if lanes else None, flags))
    return found


INDEXING = {"dynamic_slice", "dynamic_slice_update", "gather", "scatter", "gather_axis", "scatter_axis", "searchsorted"}


@pytest.mark.parametrize("lanes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_index_leaves_an_array(lanes):
    cases = [case for case in CASES if case.op in INDEXING]
    run([region_of(case, "float32") for case in cases], op_inputs(cases, lanes, 0), lanes)


def test_the_sanitizers_would_see_an_index_that_does():
    b = Builder()
    x, i = b.parameter(Type("float32", (5,))), b.parameter(Type("int32", ()))
    region = b.finish(b("gather", x, i, axes=(0,), sizes=(1,)))
    source = generate(region)
    broken = source.text.replace("i > high ? high : i", "i")
    assert broken != source.text
    with pytest.raises(SanitizerError, match="AddressSanitizer"):
        run_sanitized(broken, [np.ones(5, np.float32), np.int32(7)], [ArraySpec(mx.float32, (1,))])


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [False, True])
def test_all_operations(lanes):
    for start in range(0, len(CASES), 40):
        cases = CASES[start : start + 40]
        run([region_of(case, "float32") for case in cases], op_inputs(cases, lanes, 1), lanes)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint64", "float32", "float64"])
def test_elementwise_operations_at_edges(dtype, lanes):
    b = Builder()
    x, y = b.parameter(Type(dtype, (9,))), b.parameter(Type(dtype, (9,)))
    results = [b("cast", x, dtype=target) for target in DTYPES]
    for name in sorted(ELEMENTWISE - {"cast", "select"}):
        for operands in ((x,), (x, y)):
            try:
                results.append(b(name, *operands))
            except ValueError:
                continue
    if dtype.startswith("float"):
        edges = np.array([0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 2.0**31, -0.5, 1.0])
    else:
        info = np.iinfo(dtype)
        edges = np.array([0, 1, info.max, info.min, 3, 64, 7, info.max - 1, info.max // 2], object)
    rows = [np.roll(edges, k) for k in range(LANES if lanes else 1)]
    inputs = [np.stack(rows).astype(dtype), np.stack(rows)[::-1, ::-1].astype(dtype)]
    run([b.finish(*results)], [x if lanes else x[0] for x in inputs], lanes)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [False, True])
@pytest.mark.parametrize("block", range(2))
def test_random_programs(block, lanes):
    rng = np.random.default_rng(block)
    regions = [random_region(rng, dtypes=("float32", "int32", "bool", "uint8")) for _ in range(12)]
    inputs: list[np.ndarray] = []
    for region in regions:
        runs = [random_arguments(rng, region) for _ in range(LANES if lanes else 1)]
        inputs.extend(np.stack(column) if lanes else column[0] for column in zip(*runs, strict=True))
    run(regions, inputs, lanes)
