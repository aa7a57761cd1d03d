"""The programs that fix the public names run as written: models, the interface, choice maps, batches, inference."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, half_cauchy, normal


@gen
def line(xs):
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j, x in enumerate(xs):
        normal(slope * x + intercept, 1.0) @ f"y{j}"
    return slope


@gen
def outer(x):
    z = line([x, x + 1.0]) @ "sub"
    return normal(z, 1.0) @ ("obs", 0)


@gen
def eight_schools(sigma):
    mu = normal(0.0, 5.0) @ "mu"
    tau = half_cauchy(5.0) @ "tau"
    theta = normal(mx.zeros(8), 1.0) @ "theta"
    normal(mu + tau * theta, sigma) @ "y"


@gen
def fwd(trace):
    normal(trace["slope"], 0.5) @ "slope"


@gen
def bwd(trace):
    normal(trace["slope"] + 0.1, 0.7) @ "slope"


xs = [1.0, 2.0, 3.0, 4.0, 5.0]
obs = gm.choicemap(y0=2.1, y1=3.9, y2=6.2, y3=7.8, y4=10.1)
EVIDENCE, SLOPE, SLOPE_SD = -11.235136, 1.988178, 0.314661  # exact: the model is linear and Gaussian


def test_the_interface():
    tr = line(xs).simulate(key=gm.key(0))
    assert tr["slope"].item() == tr.retval.item() == tr.choices["slope"].item()
    assert tr.args == (xs,)
    assert tr.gen_fn is line
    tr, w = line(xs).generate(obs, key=gm.key(1))
    assert w.item() == pytest.approx(tr.project(gm.select("y0", "y1", "y2", "y3", "y4")).item(), rel=1e-5)
    w, r = line(xs).assess(tr.choices)
    assert w.item() == tr.score.item()
    assert r.item() == tr["slope"].item()
    choices, w, r = line(xs).propose(key=gm.key(2))
    assert line(xs).simulate(key=gm.key(2))["slope"].item() == choices["slope"].item() == r.item()
    u = tr.update({"slope": 2.0}, args=(xs,), argdiffs=(gm.NoChange,))
    assert u.weight.item() == pytest.approx((u.trace.score - tr.score).item(), rel=1e-4)
    assert u.discard["slope"].item() == tr["slope"].item()
    g = tr.regenerate(gm.select("slope"), key=gm.key(3))
    rest = ~gm.select("slope")
    assert g.weight.item() == pytest.approx((g.trace.project(rest) - tr.project(rest)).item(), rel=1e-4)
    s = tr.project(gm.select("slope"))
    assert s.item() == pytest.approx(normal(0.0, 10.0).log_prob(tr["slope"]).item(), rel=1e-6)
    e = tr.edit(gm.ProposalEdit(fwd, bwd), key=gm.key(4))
    back = e.trace.edit(e.backward)
    assert back.weight.item() == pytest.approx(-e.weight.item(), rel=1e-4)
    assert back.trace["slope"].item() == tr["slope"].item() == e.discard["slope"].item()
    assert set(tr.choice_gradients(gm.select("slope")).gradients) == {"slope"}


def test_show_prints_address_distribution_value_and_log_density(capsys):
    outer(1.0).simulate(key=gm.key(0)).show()
    printed = capsys.readouterr().out
    for text in ("'sub' ~ line", "'slope' ~ normal", "('obs', 0) ~ normal", "log p", "score"):
        assert text in printed


def test_addresses_nest():
    tr = outer(1.0).simulate(key=gm.key(0))
    assert {("sub", "slope"), ("sub", "intercept"), ("sub", "y0"), ("sub", "y1"), ("obs", 0)} == set(tr.choices)


def test_choice_maps():
    cm = gm.choicemap({"a": 1.0, ("b", "c"): 2.0, "d": {"e": mx.array([1.0, 2.0])}})
    assert cm["b", "c"].item() == 2.0
    assert cm["d"].to_dict()["e"].tolist() == [1.0, 2.0]
    assert ("b", "c") in cm
    assert "b" in cm
    assert cm.set("f", 3.0)["f"].item() == 3.0
    assert (cm | {"g": 4.0})["g"].item() == 4.0
    assert list(cm.filter(gm.select("a"))) == ["a"]
    assert list(cm.to_dict()) == ["a", "b", "d"]
    ys = mx.arange(3.0)
    steps = gm.C["steps", :, "y"].set(ys)
    assert steps["steps", 1, "y"].item() == 1.0
    assert steps["steps", :, "y"].tolist() == [0.0, 1.0, 2.0]


def test_selections():
    sel, sel2 = gm.select("a", ("b", "c")), gm.select_where(lambda address: address == "z")
    assert "a" in sel
    assert "a" not in ~sel
    assert "z" in (sel | sel2)
    assert "z" not in (sel & sel2)
    assert "q" in gm.ALL
    assert "q" not in gm.NONE


def test_a_distribution_is_a_generative_function():
    assert normal(0.0, 1.0).log_prob(0.3).item() == pytest.approx(-0.9639385)
    assert normal(0.0, 1.0).sample(key=gm.key(0), shape=(1000,)).shape == (1000,)
    assert normal(0.0, 1.0).simulate(key=gm.key(0)).score.shape == ()


def test_batches():
    vt = line(xs).simulate(n=1000, key=gm.key(0))
    assert vt["slope"].shape == (1000,)
    vt, logw = line(xs).generate(obs, n=1_000_000, key=gm.key(1))
    evidence = mx.logsumexp(logw).item() - np.log(1e6)
    assert abs(evidence - EVIDENCE) < 4 * 0.02  # the weights have an effective sample size of 2,700
    assert vt.update({"slope": 2.0}).weight.shape == (1_000_000,)
    assert vt.regenerate(gm.select("slope")).weight.shape == (1_000_000,)


def test_metropolis_hastings():
    chains = gm.mh(line(xs), obs, samples=500, burn=100, key=gm.key(1))
    assert chains["slope"].shape == (1, 500)
    assert "slope" in chains.summary().index
    assert chains.to_arviz().posterior["slope"].shape == (1, 500)
    assert chains.stats["acceptance_rate"].shape == (1, 500)
    assert chains[0, 17]["slope"].item() == chains["slope"][0, 17].item()


def test_importance_sampling():
    p = gm.importance_sampling(line(xs), obs, particles=10_000, proposal=None, key=gm.key(0))
    assert p.log_weights.shape == (10_000,)
    assert abs(p.log_marginal_likelihood.item() - EVIDENCE) < 4 / np.sqrt(p.ess.item())
    assert abs(p.mean("slope").item() - SLOPE) < 4 * SLOPE_SD / np.sqrt(p.ess.item())
    assert p.resample(100, key=gm.key(1))["slope"].shape == (100,)
    assert p.to_arviz().posterior["slope"].shape[0] == 1


def test_kernels_compose():
    y = mx.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    sigma = mx.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    tr, _ = eight_schools(sigma).generate({"y": y}, key=gm.key(0))
    k = gm.kernels
    step = k.cycle(
        [k.random_walk("tau", 1.0), k.mix([(0.5, k.mh(gm.select("theta"))), (0.5, k.random_walk("mu", 0.1))])]
    )
    chains = gm.run_chain(k.repeat(step, 3), tr, samples=20, burn=5, key=gm.key(0))
    assert chains["theta"].shape == (1, 20, 8)
    assert mx.all(chains["tau"] > 0)
    assert mx.array_equal(chains["y"][0, 3], y)


def test_the_global_generator_rules_where_no_key_is_given():
    mx.random.seed(7)
    first = line(xs).simulate()["slope"].item()
    second = line(xs).simulate()["slope"].item()
    mx.random.seed(7)
    assert line(xs).simulate()["slope"].item() == first != second


def test_memory_report_and_user_distributions():
    assert gm.memory_report().active >= 0
    shifted = gm.distribution(
        "shifted",
        sample=lambda key, start, shape: start - mx.log1p(-mx.random.uniform(shape=shape, key=key)),
        log_prob=lambda x, start: mx.where(x >= start, start - x, -mx.inf),
        params=["start"],
    )

    @gen
    def model():
        x = shifted(1.0) @ "x"
        gm.factor("penalty", -0.5 * x)
        return gm.iid(normal(x, 1.0), 3) @ "ys"

    tr = model().simulate(key=gm.key(0))
    assert tr["ys"].shape == (3,)
    assert tr.score.item() == pytest.approx(model().assess(tr.choices).weight.item())
