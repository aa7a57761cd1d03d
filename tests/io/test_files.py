"""Files: what is written comes back equal; what does not fit is an error that says so."""

import json
import os

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.choicemap import choices_at
from genmlx.numerics.errors import ShapeError, UsageError
from helpers.registry import ENTRIES
from helpers.tolerances import assert_close, assert_exact
from inference.models import LINE_OBSERVATIONS, LINE_XS, branches, line, location, resized, rows, vectors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it.safetensors"


def back(path, what, *model):
    gm.save(path, what)
    return gm.load(path, *model)


def assert_same_choices(a, b):
    a, b = dict(a.stored()), dict(b.stored())
    assert a.keys() == b.keys()
    for pattern, value in a.items():
        assert value.dtype == b[pattern].dtype
        assert_exact(value, b[pattern])


# ---- choice maps ----------------------------------------------------------------------------------------------------

VALUES = {
    "0-d": mx.array(1.5),
    "bool": mx.array([True, False]),
    "int": mx.array([[1, -2], [3, 2**31 - 1]]),
    "int64": mx.array(2**62 + 1),
    "uint32": mx.array([2**32 - 1], mx.uint32),
    "float16": mx.array([1.5, -2.0], mx.float16),
    "bfloat16": mx.array([1.5, 3.140625], mx.bfloat16),
    "empty": mx.zeros((0, 3)),
    "infinite": mx.array([mx.inf, -mx.inf, -0.0]),
    "tiny": mx.array([1e-45, 1.1754944e-38]),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_to_the_bit(name, path):
    found = back(path, {"x": VALUES[name]})["x"]
    assert found.dtype == VALUES[name].dtype
    assert found.shape == VALUES[name].shape
    bits = mx.uint16 if found.dtype == mx.bfloat16 else found.dtype  # NumPy does not know bfloat16
    assert np.array(found.view(bits)).tobytes() == np.array(VALUES[name].view(bits)).tobytes()


def test_float64_comes_back_to_the_bit(path):
    with mx.stream(mx.cpu):
        value = mx.array([np.pi, 1e300], mx.float64)
        found = back(path, {"x": value})["x"]
        assert found.dtype == mx.float64
        assert found.tolist() == [np.pi, 1e300]


def test_nan_stays_nan(path):
    assert mx.isnan(back(path, {"x": mx.nan})["x"]).item()


def test_addresses_keep_their_kinds_and_order(path):
    cm = gm.choicemap({"b": 1.0, ("a", 0, "c"): 2.0, 7: 3.0, "7": 4.0, "é\n": 5.0})
    assert back(path, cm).paths() == cm.paths()
    assert_same_choices(back(path, cm), cm)


def test_stacks_stay_stacks(path):
    cm = gm.C["steps", 1:6:2, :, "y"].set(mx.arange(6).reshape(3, 2)) | {"x": 1.0}
    assert_same_choices(back(path, cm), cm)
    assert back(path, cm)["steps", 3, 1, "y"].item() == 3
    lifted = choices_at([(("s", range(2), "y"), mx.arange(6).reshape(3, 2))], 1)
    assert back(path, lifted)["s", 1, "y"].tolist() == [1, 3, 5]


def test_no_choices_are_a_file_too(path):
    assert back(path, gm.EMPTY).is_empty


# ---- traces ---------------------------------------------------------------------------------------------------------

SAVED = [e for name, e in ENTRIES.items() if name != "iid"]


@pytest.mark.parametrize("entry", SAVED, ids=lambda e: e.name)
def test_a_trace_of_every_function_comes_back(entry, path):
    trace = entry.gen_fn.simulate(gm.key(3), entry.args)
    found = back(path, trace, getattr(entry.gen_fn, "gen_fn", entry.gen_fn))
    assert_same_choices(found.choices, trace.choices)
    assert_close(found.score, trace.score)
    assert type(found) is type(trace)
    assert found.gen_fn == trace.gen_fn
    moved = found.regenerate(gm.ALL, key=gm.key(1))  # it is a trace like any other
    assert_close(moved.weight, np.zeros(moved.weight.shape), atol=1e-4) if not entry.factors else None


@gen
def many(x, *more, sd=1.0, **others):
    normal(x + sum(more), sd + others.get("extra", 0.0)) @ "y"


def test_arguments_come_back(path):
    trace = many(mx.array([1.0, 2.0]), 3.0, sd=2.0, extra=1.0).simulate(key=gm.key(0))
    found = back(path, trace, many)
    assert_exact(found.args[0], mx.array([1.0, 2.0]))
    assert found.args[1:] == (3.0, {"sd": 2.0, "extra": 1.0})
    assert_exact(found.update({"y": [0.0, 1.0]}).weight, trace.update({"y": [0.0, 1.0]}).weight)


@gen
def trees(tree):
    normal(tree["a"][0], tree["b"][1]["c"]) @ ("y", tree["d"])


def test_arguments_may_be_trees(path):
    tree = {
        "a": (1.0, None, True),
        "n": (-mx.inf, -0.0, 2**60 + 1),
        "b": [2, {"c": mx.array(3.0)}],
        "d": "name",
        5: gm.choicemap(x=1.0),
    }
    found = back(path, trees(tree).simulate(key=gm.key(0)), trees).args[0]
    assert found["a"] == (1.0, None, True)
    assert type(found["a"]) is tuple
    assert repr(found["n"]) == repr((-mx.inf, -0.0, 2**60 + 1))
    assert found["b"][1]["c"].item() == 3.0
    assert found[5]["x"].item() == 1.0


def test_a_batched_trace_comes_back(path):
    trace = line(LINE_XS).generate(LINE_OBSERVATIONS, n=5, key=gm.key(0)).trace  # as many executions as observations
    found = back(path, trace, line)
    assert len(found) == 5
    assert_same_choices(found.choices, trace.choices)
    assert_close(found.score, trace.score)
    assert_exact(found.update({"slope": 1.0}).trace["slope"], mx.ones(5))


def test_the_file_is_safetensors_with_json(path):
    gm.save(path, location(2.0).simulate(key=gm.key(0)))
    arrays, metadata = mx.load(str(path), format="safetensors", return_metadata=True)
    structure = json.loads(metadata["genmlx"])
    assert structure["model"] == "location"
    assert len(arrays) == 3  # two choices and the score


# ---- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chains", [1, 3])
def test_chains_come_back(chains, path):
    options = {"samples": 10, "chains": chains, "key": gm.key(1)}
    made = gm.mh(vectors(), {"y": [1.0, 2.0, 3.0]}, **options)
    found = back(path, made, vectors)
    assert found.shape == made.shape
    assert found.addresses == made.addresses
    for address in made.addresses:
        assert_exact(found[address], made[address])
    assert found.stats.keys() == made.stats.keys()
    for name, values in made.stats.items():
        assert_exact(found.stats[name], values)
    assert_exact(found[0, 4].score, made[0, 4].score)
    assert found.interrupted is False
    assert_exact(found.to_arviz()["posterior"]["a"].values, made.to_arviz()["posterior"]["a"].values)


def test_chains_with_gaps_and_stacks_come_back(path):
    starts = [branches().generate({"y": 1.0, "z": z}, key=gm.key(0)).trace for z in (0, 1)]
    made = gm.run_chain(gm.kernels.mh(~gm.select("y")), starts, observations={"y": 1.0}, samples=40, key=gm.key(0))
    found = back(path, made, branches)
    for name in "zab":
        assert_exact(found.present(name), made.present(name))
        assert_exact(found[name], made[name])
    assert found[1, 7].choices.paths() == made[1, 7].choices.paths()
    stacked = gm.mh(rows(3), gm.C["rows", :, "y"].set(mx.array([1.0, 2.0, 3.0])), samples=4, key=gm.key(0))
    assert_exact(back(path, stacked, rows)["rows", 1, "x"], stacked["rows", 1, "x"])


def test_draws_of_different_shapes_cannot_be_written(path):
    made = gm.mh(resized(), {"y": 1.0}, samples=30, key=gm.key(0))
    with pytest.raises(ShapeError, match="different shapes"):
        gm.save(path, made)
    assert not path.exists()


def test_particles_come_back(path):
    made = gm.importance_sampling(line(LINE_XS), LINE_OBSERVATIONS, particles=50, key=gm.key(0))
    found = back(path, made, line)
    assert_exact(found.log_weights, made.log_weights)
    assert_exact(found.log_marginal_likelihood, made.log_marginal_likelihood)
    assert_exact(found["slope"], made["slope"])
    assert_exact(found[3].score, made[3].score)
    drawn = made.resample(20, key=gm.key(1))
    assert_exact(back(path, drawn, line).log_marginal_likelihood, made.log_marginal_likelihood)


def test_weights_of_zero_stay_zero(path):
    made = gm.importance_sampling(location(2.0), {"y": 1.0}, particles=4, key=gm.key(0))
    made = gm.Particles(made.call, made.observations, made.choices, mx.array([0.0, -mx.inf, -1.0, -mx.inf]))
    assert back(path, made, location).weights.tolist() == made.weights.tolist()
    assert made.weights[1].item() == 0.0


def test_particles_with_different_addresses_come_back(path):
    with pytest.warns(UserWarning, match="not vectorised"):
        made = gm.importance_sampling(branches(), {"y": 1.0}, particles=20, key=gm.key(0))
    found = back(path, made, branches)
    assert_exact(found["a"], made["a"])
    assert found[2].choices.paths() == made[2].choices.paths()


# ---- what does not fit ----------------------------------------------------------------------------------------------


@gen
def renamed(sd):
    m = normal(0.0, sd) @ "m"
    normal(m, 1.0) @ "y"


@gen
def longer(sd):
    mu = normal(0.0, sd) @ "mu"
    normal(mu, 1.0) @ "y"
    normal(mu, 1.0) @ "z"


@gen
def wider(sd):
    mu = normal(0.0, 2 * sd) @ "mu"
    normal(mu, 1.0) @ "y"


@gen
def other_arguments(a, b):
    normal(a, b) @ "mu"


WRONG = {
    renamed: "made no choice at 'mu'",
    longer: "a choice at 'z', which the file does not have",
    wider: "the file recorded",
    other_arguments: "missing a required argument",
}


@pytest.mark.parametrize("model", WRONG, ids=lambda m: m.name)
@pytest.mark.parametrize("kind", ["trace", "chains", "particles"])
def test_another_model_is_an_error(model, kind, path):
    what = {
        "trace": lambda: location(2.0).generate({"y": 1.0}, key=gm.key(0)).trace,
        "chains": lambda: gm.mh(location(2.0), {"y": 1.0}, samples=3, key=gm.key(0)),
        "particles": lambda: gm.importance_sampling(location(2.0), {"y": 1.0}, particles=3, key=gm.key(0)),
    }[kind]()
    gm.save(path, what)
    if kind == "particles" and model is wider:
        return  # weights say nothing of the density of the free choices
    with pytest.raises(UsageError, match=WRONG[model]) as error:
        gm.load(path, model)
    assert f"of 'location', which does not fit '{model.name}'" in str(error.value)


@pytest.mark.parametrize("model", [(), (location(2.0),), ("location",)], ids=["none", "a call", "a name"])
def test_a_trace_needs_its_model(model, path):
    gm.save(path, location(2.0).simulate(key=gm.key(0)))
    with pytest.raises(UsageError, match=r"holds a trace of 'location'") as error:
        gm.load(path, *model)
    assert "gm.load(path, location)" in str(error.value)


@pytest.mark.parametrize("argument", [print, object(), gm.normal(0.0, 1.0), {1, 2}])
def test_what_cannot_be_written_is_an_error_and_leaves_the_file_alone(argument, path):
    @gen
    def model(x):
        return normal(0.0, 1.0) @ "y"

    gm.save(path, {"x": 1.0})
    with pytest.raises(UsageError, match="cannot be written to a file") as error:
        gm.save(path, model(argument).simulate(key=gm.key(0)))
    assert "gm.save(path, trace.choices)" in str(error.value)
    assert gm.load(path)["x"].item() == 1.0
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("what", [3.0, "x", None, gm.normal(0.0, 1.0)])
def test_only_some_things_are_saved(what, path):
    with pytest.raises(UsageError, match=r"gm\.save writes a trace, a choice map, chains or particles"):
        gm.save(path, what)


def test_a_failed_write_leaves_nothing_behind(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mx, "save_safetensors", full)
    with pytest.raises(OSError, match="No space"):
        gm.save(path, {"x": 1.0})
    assert os.listdir(path.parent) == []


def test_other_files_are_an_error(path):
    path.write_bytes(b"not this")
    with pytest.raises(UsageError, match=r"is not a file of gm\.save"):
        gm.load(path)
    mx.save_safetensors(str(path), {"x": mx.array(1.0)})
    with pytest.raises(UsageError, match="says nothing of genmlx"):
        gm.load(path)
    mx.save_safetensors(str(path), {}, {"genmlx": json.dumps({"genmlx": 99})})
    with pytest.raises(UsageError, match="format 99"):
        gm.load(path)
    with pytest.raises(FileNotFoundError):
        gm.load(path.with_name("nowhere"))


def test_a_truncated_file_is_an_error(path):
    gm.save(path, {"x": mx.arange(1000)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match=r"is not a file of gm\.save"):
        gm.load(path)
