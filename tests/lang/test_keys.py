"""Keys of a model: one for each address, whatever else happens in the execution."""

import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np

import genmlx as gm
from genmlx import gen, normal
from genmlx.numerics.random import fold_in, scramble, split
from helpers.tolerances import assert_exact, assert_within_mc


@gen
def inner():
    return normal(0.0, 1.0) @ "x"


@gen
def wide():
    xs = [normal(0.0, 1.0) @ f"x{i}" for i in range(8)]
    xs += [normal(0.0, 1.0) @ ("t", i) for i in range(8)]
    xs += [inner() @ ("call", i) for i in range(8)]
    return xs


def test_constraining_one_choice_does_not_shift_the_draws_of_others():
    plain = wide().simulate(key=3)
    given, _ = wide().generate({"x0": 9.0, ("call", 2, "x"): 9.0}, key=3)
    for path, value in plain.choices.items():
        if path not in {("x0",), ("call", 2, "x")}:
            assert_exact(given.choices[path], value)


def test_the_order_of_calls_does_not_matter():
    @gen
    def forwards():
        normal(0.0, 1.0) @ "a"
        normal(0.0, 1.0) @ "b"

    @gen
    def backwards():
        normal(0.0, 1.0) @ "b"
        normal(0.0, 1.0) @ "a"

    one, two = forwards().simulate(key=1), backwards().simulate(key=1)
    assert_exact(one["a"], two["a"])
    assert_exact(one["b"], two["b"])


def test_all_choices_of_an_execution_have_their_own_key():
    values = [v.item() for _, v in wide().simulate(key=0).choices.items()]
    assert len(set(values)) == 24


def test_choices_of_an_execution_are_uncorrelated():
    """Keys of addresses are one key XOR a hash: the draws must not show it."""
    draws = np.stack([np.array(v, dtype=np.float64) for _, v in wide().simulate(n=20_000, key=0).choices.items()])
    correlations = np.corrcoef(draws)[np.triu_indices(24, 1)]
    assert_within_mc(correlations, np.zeros_like(correlations), np.full_like(correlations, 1 / np.sqrt(20_000)))
    assert_within_mc(draws.mean(axis=1), np.zeros(24), np.full(24, 1 / np.sqrt(20_000)))
    squares = np.corrcoef(draws**2)[np.triu_indices(24, 1)]
    assert_within_mc(squares, np.zeros_like(squares), np.full_like(squares, 1 / np.sqrt(20_000)))


def test_draws_of_successive_seeds_are_uncorrelated():
    @gen
    def two():
        return mx.stack([normal(0.0, 1.0) @ "a", inner() @ "b"])

    draws = np.array(mx.stack([two().simulate(key=k).retval for k in range(400)]), dtype=np.float64)
    lagged = np.corrcoef(np.concatenate([draws[1:], draws[:-1]], axis=1).T)[np.triu_indices(4, 1)]
    assert_within_mc(lagged, np.zeros_like(lagged), np.full_like(lagged, 1 / np.sqrt(399)))


def test_a_key_and_the_keys_made_from_it_make_different_draws():
    key = gm.key(0)
    keys = {tuple(k.tolist()): k for k in (key, scramble(key), *split(key, 2), *split(key, 3))}
    values = {inner().simulate(key=k).retval.item() for k in keys.values()}
    assert len(values) == len(keys) >= 5


def test_nested_runs_do_not_meet_their_caller():
    @gen
    def outer():
        normal(0.0, 1.0) @ "x"
        inner() @ "a"
        inner() @ ("a2", "x")

    values = [v.item() for _, v in outer().simulate(key=0).choices.items()]
    assert len(set(values)) == 3


def test_folds_of_one_key_differ_by_address():
    key = scramble(gm.key(0))
    paths = [("x",), ("x", 0), (0, "x"), ("x0",), (0,), ("0",), (1,), ("1",), (-1,), ("",), ("a", "b"), ("ab",)]
    folded = {tuple(fold_in(key, path).tolist()) for path in paths}
    assert len(folded) == len(paths)


def test_regenerating_with_new_keys_moves_every_time():
    trace = inner().simulate(key=0)
    values = [trace.retval.item()]
    for key in split(gm.key(5), 50):
        trace = trace.regenerate("x", key=key).trace
        values.append(trace.retval.item())
    assert len(set(values)) == 51


def test_draws_without_a_key_differ_and_follow_the_global_seed():
    trace = inner().simulate()
    again = [trace.regenerate("x").trace.retval.item() for _ in range(3)]
    assert len({trace.retval.item(), *again}) == 4
    mx.random.seed(1)
    first = inner().simulate().retval.item()
    mx.random.seed(1)
    assert inner().simulate().retval.item() == first
    mx.random.seed(2)
    assert inner().simulate().retval.item() != first


def test_keys_of_the_global_generator_are_apart_from_its_own_draws():
    """gm draws and mx.random draws after one seed are not one stream."""
    mx.random.seed(1)
    key = gm.numerics.random.next_key()
    mx.random.seed(1)
    state = mx.random.state[0]
    assert key.tolist() != state.tolist()
    mx.random.seed(1)
    plain = mx.random.normal().item()
    mx.random.seed(1)
    assert normal(0.0, 1.0).simulate().retval.item() != plain


def test_draws_are_the_same_in_another_process():
    """Python hashes strings anew in each process; addresses must not care."""
    program = (
        "import genmlx as gm; from genmlx import gen, normal\n"
        "m = gen(lambda: [normal(0.0, 1.0) @ a for a in ('x', ('y', 1), 3)])\n"
        "print([v.item() for v in m().simulate(key=7).retval])"
    )
    command = [sys.executable, "-c", program]
    here = gen(lambda: [normal(0.0, 1.0) @ a for a in ("x", ("y", 1), 3)])().simulate(key=7).retval
    environment = {"PYTHONPATH": str(Path(gm.__file__).parent.parent), "PYTHONHASHSEED": "5"}
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert there.stdout.strip() == str([v.item() for v in here])
