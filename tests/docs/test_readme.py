"""The programs of README.md run as written."""

import re
from pathlib import Path

import mlx.core as mx
import pytest

from helpers.type_checker import as_users_run_it

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the programs define, in the order in which they are read."""
    found = {}
    with as_users_run_it():
        for program in PROGRAMS:
            exec(compile(program, "README.md", "exec"), found)
    return found


def test_the_posterior_of_eight_schools_is_the_reference(names):
    # Reference of posteriordb: mean of mu 4.4, of tau 3.6; the estimates below have a standard error of about 0.1.
    posterior, chains = names["posterior"], names["chains"]
    assert abs(posterior.mean("mu").item() - 4.4) < 0.3
    assert abs(posterior.mean("tau").item() - 3.6) < 0.3
    assert chains["theta"].shape == (4, 500, 8)
    assert abs(mx.mean(chains["mu"]).item() - 4.4) < 1.5


def test_the_interface_gives_what_the_text_says(names):
    trace, weight = names["trace"], names["weight"]
    assert weight.item() == pytest.approx(trace.score.item(), rel=1e-5)
    assert set(names["gradients"].gradients) == {"slope", "intercept"}
    assert names["log_weights"].shape == (100_000,)


def test_an_update_of_one_element(names):
    points, changed = names["points"], names["changed"]
    assert changed.trace[:, "y"].tolist() == [*points[:, "y"].tolist()[:3], 8.0, points[4, "y"].item()]
    assert changed.discard[3, "y"].item() == points[3, "y"].item()


def test_the_compiled_loop_climbs_to_the_mode(names):
    assert names["tops"].shape == (64,)
    assert mx.max(mx.abs(names["tops"] - 3.0)).item() < 1e-3


def test_every_distribution_is_listed():
    from genmlx import distributions

    missing = [name for name in distributions.__all__ if f"`{name}`" not in README]
    assert not missing
