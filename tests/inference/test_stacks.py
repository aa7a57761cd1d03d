"""Choices that are a stack: observed, collected, addressed by element, resampled, rebuilt into traces."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx.core.choicemap import Stack, choicemap
from genmlx.inference.base import Info
from genmlx.inference.draws import DrawTable
from genmlx.numerics.errors import AddressError
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact
from inference.models import rows

YS = mx.array([1.0, 2.0, 3.0])
OBSERVED = {
    "as a stack": gm.C["rows", :, "y"].set(YS),
    "one by one": gm.choicemap({("rows", i, "y"): YS[i] for i in range(3)}),
}


@pytest.fixture(scope="module")
def particles():
    return gm.importance_sampling(rows(3), OBSERVED["as a stack"], particles=4000, key=key_for("stacked particles"))


@pytest.fixture(scope="module", params=[1, 3])
def chains(request):
    observed = OBSERVED["as a stack"]
    return gm.mh(rows(3), observed, samples=12, chains=request.param, key=key_for("stacked chains"))


@pytest.mark.parametrize("how", OBSERVED)
def test_what_is_free_of_a_partly_observed_stack_stays_a_stack(how):
    trace, _ = rows(3).generate(OBSERVED[how], key=gm.key(0))
    free = trace.choices.filter(~gm.core.choicemap.selection_of(OBSERVED[how]))
    assert isinstance(free.child("rows"), Stack)
    assert [path for path, _ in free.stored()] == [("mu",), ("rows", range(3), "x")]


def test_particles_are_addressed_by_element(particles):
    x = particles["rows", :, "x"]
    assert x.shape == (4000, 3)
    for i in range(3):
        assert_exact(particles["rows", i, "x"], x[:, i])
        assert_close(particles.mean(("rows", i, "x")), particles.mean(("rows", slice(None), "x"))[i])
    assert_exact(particles["rows", 1:, "x"], x[:, 1:])
    with pytest.raises(AddressError, match="no choice at"):
        particles["rows", 3, "x"]


def test_the_posterior_of_a_stack_is_exact(particles):
    # Each y is N(mu, 1 + 1/4) with mu ~ N(0, 4): precision 1/4 + 3 / 1.25.
    precision = 1 / 4 + 3 / 1.25
    mean = 6.0 / 1.25 / precision
    error = 1 / np.sqrt(particles.ess.item())
    assert abs(particles.mean("mu").item() - mean) < 5 * error / np.sqrt(precision)
    expected = (mean / 1.0 + np.array([1.0, 2.0, 3.0]) / 0.25) / (1 + 4)  # x given y and the mean of mu
    assert np.abs(np.array(particles.mean(("rows", slice(None), "x"))) - expected).max() < 5 * error


def test_a_particle_is_a_trace_with_its_stack(particles):
    trace = particles[7]
    assert_exact(trace["rows", :, "x"], particles["rows", :, "x"][7])
    assert_exact(trace["rows", :, "y"], YS)


def test_resampled_particles_keep_their_elements_together(particles):
    drawn = particles.resample(50, key=gm.key(3))
    before = {tuple(row) for row in np.array(particles["rows", :, "x"]).tolist()}
    assert {tuple(row) for row in np.array(drawn["rows", :, "x"]).tolist()} <= before
    assert_exact(drawn[4]["rows", :, "x"], drawn["rows", :, "x"][4])


def test_tables_of_particles_have_a_row_an_element(particles):
    summary = particles.summary()
    assert list(summary.index) == ["mu", "rows.x[0]", "rows.x[1]", "rows.x[2]"]
    assert_close(summary.loc["rows.x[1]", "mean"], particles.mean(("rows", 1, "x")).item())
    data = particles.to_arviz(n=5, key=gm.key(0))
    assert data["posterior"]["rows.x"].shape == (1, 5, 3)
    assert data["observed_data"]["rows.y"].shape == (3,)


def test_particles_that_ran_one_by_one_are_stacked_too():
    @gm.gen
    def reading(n):
        float(gm.normal(0.0, 1.0) @ "z")
        rows(n) @ "in"

    observed = gm.C["in", "rows", :, "y"].set(YS)
    with pytest.warns(UserWarning, match="not vectorised"):
        particles = gm.importance_sampling(reading(3), observed, particles=4, key=gm.key(0))
    assert particles["in", "rows", :, "x"].shape == (4, 3)
    assert_exact(particles[2]["in", "rows", :, "x"], particles["in", "rows", :, "x"][2])


def test_chains_are_addressed_by_element(chains):
    x = chains["rows", :, "x"]
    assert x.shape == (*chains.shape, 3)
    for i in range(3):
        assert_exact(chains["rows", i, "x"], x[:, :, i])
    assert_exact(chains["rows", :2, "x"], x[:, :, :2])
    assert_exact(chains["rows"]["x"], x)
    assert_exact(chains["rows", 1]["x"], x[:, :, 1])
    assert ("rows", 2, "x") in chains
    assert ("rows", 3, "x") not in chains
    with pytest.raises(AddressError, match=r"no draws of \('rows', 3, 'x'\)") as error:
        chains["rows", 3, "x"]
    assert "('rows', :, 'x')" in str(error.value)


def test_a_draw_is_a_trace_with_its_stack(chains):
    c = chains.shape[0] - 1
    trace = chains[c, 5]
    assert_exact(trace["rows", :, "x"], chains["rows", :, "x"][c, 5])
    assert_exact(trace["rows", :, "y"], YS)
    assert_close(trace.score.item(), chains.stats["lp"][c, 5].item())


def test_tables_of_chains_have_a_row_an_element(chains):
    posterior = chains.to_arviz()["posterior"]
    assert posterior["rows.x"].shape == (*chains.shape, 3)
    assert repr(chains).endswith("'mu', ('rows', :, 'x'))")


def table(*draws):
    result = DrawTable(1)
    for draw in draws:
        result.add([draw], [mx.array(0.0)], [Info(mx.array(1.0), mx.array(True))])
    return result


def test_stacks_may_start_anywhere_and_skip():
    draws = [gm.C["s", 1:6:2].set(mx.array([1.0, 2.0, 3.0]) + i) for i in range(2)]
    t = table(*draws)
    assert t.gather(("s", 3)).value.tolist() == [[2.0, 3.0]]
    assert t.gather(("s", slice(None))).value.shape == (1, 2, 3)
    assert t.choices(0, 1)["s", 5].item() == 4.0
    with pytest.raises(AddressError, match=r"\('s', 1:7:2\)"):
        t.gather(("s", 2))


def test_a_slice_reads_separate_elements_of_draws_as_one_array():
    t = table(choicemap({("s", 0): 1.0, ("s", 1): 2.0}), choicemap({("s", 0): 3.0, ("s", 1): 4.0}))
    assert t.gather(("s", slice(None))).value.tolist() == [[[1.0, 2.0], [3.0, 4.0]]]
    assert t.gather(("s", slice(1, None))).value.tolist() == [[[2.0], [4.0]]]


def test_stacks_of_different_length_are_told_apart():
    t = table(gm.C["s", :].set(mx.zeros(2)), gm.C["s", :].set(mx.zeros(3)))
    with pytest.raises(AddressError, match="different forms") as error:
        t.gather(("s", 1))
    assert "chains[c, i]" in str(error.value)
    assert t.choices(0, 1)["s"].paths() == [(0,), (1,), (2,)]
