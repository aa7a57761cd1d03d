"""The programs that fix the public names, as the design states them: calls, traces, choice maps, selections, batches, edits.

Each test holds one program in its own words, with what must come out of it.
"""

import mlx.core as mx
import numpy as np
import pytest
import scipy.special
import scipy.stats

import genmlx as gm
from genmlx import gen, half_cauchy, normal
from helpers.tolerances import assert_close, assert_exact


@gen
def line(xs):  # any Python; a random choice is  distribution(parameters) @ address
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j, x in enumerate(xs):
        normal(slope * x + intercept, 1.0) @ f"y{j}"
    return slope


xs = [1.0, 2.0, 3.0, 4.0, 5.0]
obs = gm.choicemap(y0=2.1, y1=3.9, y2=6.2, y3=7.8, y4=10.1)  # a plain dict is accepted wherever a choice map is


@gen
def outer(x):
    z = line([x, x + 1.0]) @ "sub"
    return normal(z, 1.0) @ ("obs", 0)


@gen
def eight_schools(sigma):
    mu = normal(0.0, 5.0) @ "mu"
    tau = half_cauchy(5.0) @ "tau"
    theta = normal(mx.zeros(8), 1.0) @ "theta"  # array parameters: one site, an array value, a summed score
    normal(mu + tau * theta, sigma) @ "y"


SIGMA = mx.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
Y = mx.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])


def log_joint(choices):
    """The density of `line`, by SciPy."""
    slope, intercept = (float(choices[a]) for a in ("slope", "intercept"))
    ys = np.array([float(choices[f"y{j}"]) for j in range(5)])
    prior = scipy.stats.norm.logpdf([slope, intercept], 0.0, 10.0).sum()
    return prior + scipy.stats.norm.logpdf(ys, slope * np.array(xs) + intercept, 1.0).sum()


def test_simulate():
    tr = line(xs).simulate(key=gm.key(0))
    assert tr["slope"].shape == tr["intercept"].shape == ()
    assert tr.choices.paths() == [("slope",), ("intercept",), *[(f"y{j}",) for j in range(5)]]
    assert_exact(tr.retval, tr["slope"])
    assert_close(tr.score, log_joint(tr))
    assert tr.args == (xs,)
    assert tr.gen_fn is line
    assert line(xs).simulate().score.shape == ()  # key= is optional


def test_generate():
    tr, w = line(xs).generate(obs, key=gm.key(1))
    assert tr["y3"].item() == np.float32(7.8)
    prior = scipy.stats.norm.logpdf([tr["slope"].item(), tr["intercept"].item()], 0.0, 10.0).sum()
    assert_close(w, log_joint(tr) - prior)
    as_dict, same = line(xs).generate({"y0": 2.1, "y1": 3.9, "y2": 6.2, "y3": 7.8, "y4": 10.1}, key=gm.key(1))
    assert_exact(same, w)
    assert_exact(as_dict["slope"], tr["slope"])


def test_assess_and_propose():
    tr = line(xs).simulate(key=gm.key(0))
    w, r = line(xs).assess(tr.choices)
    assert_close(w, tr.score)
    assert_exact(r, tr.retval)
    choices, w, r = line(xs).propose(key=gm.key(2))
    assert_close(w, log_joint(choices))
    assert_exact(r, choices["slope"])


def test_update():
    tr, _ = line(xs).generate(obs, key=gm.key(1))
    u = tr.update({"slope": 2.0}, args=(xs,), argdiffs=(gm.NoChange,))
    assert u.trace["slope"].item() == 2.0
    assert_close(u.weight, log_joint(u.trace) - log_joint(tr), atol=1e-4)
    assert u.discard.paths() == [("slope",)]
    assert u.retdiff is gm.UnknownChange
    assert_exact(tr.update({"slope": 2.0}).weight, u.weight)  # args default: unchanged


def test_regenerate_and_project():
    tr, _ = line(xs).generate(obs, key=gm.key(1))
    g = tr.regenerate(gm.select("slope"), key=gm.key(3))
    slope, new = tr["slope"].item(), g.trace["slope"].item()
    assert new != slope
    ys = np.array([2.1, 3.9, 6.2, 7.8, 10.1])
    fit = [scipy.stats.norm.logpdf(ys, s * np.array(xs) + tr["intercept"].item(), 1.0).sum() for s in (new, slope)]
    assert_close(g.weight, fit[0] - fit[1], rtol=1e-4)
    assert g.retdiff is gm.UnknownChange
    assert_close(tr.project(gm.select("slope")), scipy.stats.norm.logpdf(slope, 0.0, 10.0))


def test_edit_and_gradients_and_show(capsys):
    @gen
    def fwd(trace):
        normal(trace["slope"], 0.1) @ "slope"

    @gen
    def bwd(trace):
        normal(trace["slope"], 0.2) @ "slope"

    tr, _ = line(xs).generate(obs, key=gm.key(1))
    e = tr.edit(gm.ProposalEdit(fwd, bwd), key=gm.key(4))
    old, new = tr["slope"].item(), e.trace["slope"].item()
    q = [scipy.stats.norm.logpdf(new, old, 0.1), scipy.stats.norm.logpdf(old, new, 0.2)]
    assert_close(e.weight, log_joint(e.trace) - log_joint(tr) - q[0] + q[1], rtol=1e-3, atol=1e-3)
    assert e.discard.paths() == [("slope",)]
    undone = e.trace.edit(e.backward)
    assert_exact(undone.trace["slope"], tr["slope"])

    gradient = tr.choice_gradients(gm.select("slope")).gradients["slope"].item()
    residuals = np.array([2.1, 3.9, 6.2, 7.8, 10.1]) - (old * np.array(xs) + tr["intercept"].item())
    assert_close(gradient, -old / 100 + (residuals * np.array(xs)).sum(), rtol=1e-4)

    tr.show()  # a readable tree: address, distribution, value, log density
    assert "'slope' ~ normal" in capsys.readouterr().out


def test_addresses_and_nesting():
    tr = outer(1.0).simulate(key=gm.key(0))
    assert tr.choices.paths() == [
        ("sub", "slope"),
        ("sub", "intercept"),
        ("sub", "y0"),
        ("sub", "y1"),
        ("obs", 0),
    ]
    assert_exact(tr["sub"]["slope"], tr["sub", "slope"])


def test_choice_maps():
    cm = gm.choicemap({"a": 1.0, ("b", "c"): 2.0, "d": {"e": mx.array([1.0, 2.0])}})
    assert cm["b", "c"].item() == 2.0
    assert cm["d"].paths() == [("e",)]
    assert ("b", "c") in cm
    assert "b" in cm
    assert cm.set("f", 3.0)["f"].item() == 3.0
    assert (cm | {"g": 4.0})["g"].item() == 4.0
    assert cm.filter(gm.select("a")).paths() == [("a",)]
    assert cm.to_dict()["d"]["e"].tolist() == [1.0, 2.0]
    ys = mx.array([1.0, 2.0, 3.0])
    stacked = gm.C["steps", :, "y"].set(ys)  # stacked leaves; integer paths address one element
    assert stacked["steps", 1, "y"].item() == 2.0
    assert_exact(stacked["steps", :, "y"], ys)


def test_selections():
    sel, sel2 = gm.select("a", ("b", "c")), gm.select("d")
    assert ("b", "c", "x") in sel
    assert "a" not in ~sel
    assert "d" in sel | sel2
    assert "d" not in sel & sel2
    assert "q" in gm.ALL
    assert "q" not in gm.NONE
    assert "y3" in gm.select_where(lambda address: address.startswith("y"))


def test_distributions():
    assert_close(normal(0.0, 1.0).log_prob(0.3), scipy.stats.norm.logpdf(0.3))
    assert normal(0.0, 1.0).sample(key=gm.key(0), shape=(1000,)).shape == (1000,)


def test_vectorised():
    vt = line(xs).simulate(n=1000, key=gm.key(0))
    assert vt["slope"].shape == (1000,)
    vt, logw = line(xs).generate(obs, n=1_000_000, key=gm.key(1))
    assert logw.shape == (1_000_000,)
    # a batched trace has update, regenerate, project, ... too
    assert vt.update({"slope": 2.0}).weight.shape == (1_000_000,)
    assert vt.regenerate(gm.select("slope"), key=gm.key(2)).weight.shape == (1_000_000,)
    assert vt.project(gm.select("slope")).shape == (1_000_000,)

    # The evidence in closed form: y is normal with covariance 100 (x x' + 1 1') + I.
    x, y = np.array(xs), np.array([2.1, 3.9, 6.2, 7.8, 10.1])
    exact = scipy.stats.multivariate_normal.logpdf(y, np.zeros(5), 100 * (np.outer(x, x) + 1) + np.eye(5))
    weights = np.exp(np.array(logw, dtype=np.float64) - exact)
    se = weights.std() / np.sqrt(weights.size)
    assert abs(weights.mean() - 1.0) < 5 * se < 0.2


def test_eight_schools():
    tr, w = eight_schools(SIGMA).generate({"y": Y}, key=gm.key(0))
    assert tr["theta"].shape == tr["y"].shape == (8,)
    expected = scipy.stats.norm.logpdf(Y, tr["mu"].item() + tr["tau"].item() * np.array(tr["theta"]), SIGMA).sum()
    assert_close(w, expected)
    vt, logw = eight_schools(SIGMA).generate({"y": Y}, n=8, key=gm.key(0))  # as many executions as schools
    assert vt["y"].shape == (8, 8)
    assert_exact(vt["y"][3], Y)
    assert logw.shape == (8,)


def test_further_names():
    @gen
    def penalised():
        w = normal(0.0, 1.0) @ "w"
        gm.factor("penalty", -mx.abs(w))  # without @

    tr = penalised().simulate(key=gm.key(0))
    assert_close(tr.score, scipy.stats.norm.logpdf(tr["w"].item()) - abs(tr["w"].item()))
    requests = [
        gm.ConstraintEdit({"w": 1.0}),
        gm.SelectionEdit(gm.select("w")),
        gm.SequenceEdit([gm.SelectionEdit("w")]),
    ]
    for request in requests:
        assert tr.edit(request, key=0).trace.choices.paths() == [("w",)]
    assert gm.normal is normal
    assert isinstance(line(xs), gm.Call)
    assert isinstance(line, gm.GenerativeFunction)
    assert isinstance(tr, gm.Trace)


# ---- inference ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def posterior():
    """Mean and covariance of (slope, intercept) given the observations, in closed form."""
    design = np.stack([np.array(xs), np.ones(5)], axis=1)
    covariance = np.linalg.inv(design.T @ design + np.eye(2) / 100)
    return covariance @ design.T @ np.array([2.1, 3.9, 6.2, 7.8, 10.1]), covariance


def test_importance_sampling(posterior):
    p = gm.importance_sampling(line(xs), obs, particles=10_000, proposal=None, key=gm.key(0))
    x, y = np.array(xs), np.array([2.1, 3.9, 6.2, 7.8, 10.1])
    exact = scipy.stats.multivariate_normal.logpdf(y, np.zeros(5), 100 * (np.outer(x, x) + 1) + np.eye(5))
    assert p.log_weights.shape == (10_000,)
    error = 1.0 / np.sqrt(p.ess)
    assert abs(p.log_marginal_likelihood.item() - exact) < 5 * error < 1.5
    assert abs(float(p.mean("slope")) - posterior[0][0]) < 5 * np.sqrt(posterior[1][0, 0]) * error
    assert p.resample(100, key=gm.key(1)).log_weights.shape == (100,)
    assert p.to_arviz(key=gm.key(2))["posterior"]["slope"].shape == (1, max(1, int(p.ess.item())))
    draws = gm.importance_resampling(line(xs), obs, particles=10_000, samples=50, key=gm.key(0))
    assert draws["slope"].shape == (50,)


def test_a_proposal_of_ones_own(posterior):
    @gen
    def guide(ys):
        normal(mx.mean(ys) / 3.0, 0.5) @ "slope"
        normal(0.0, 2.0) @ "intercept"

    ys = mx.array([2.1, 3.9, 6.2, 7.8, 10.1])
    p = gm.importance_sampling(line(xs), obs, particles=10_000, proposal=guide(ys), key=gm.key(0))
    assert p.ess.item() > 1000
    assert abs(p.mean("slope").item() - posterior[0][0]) < 5 * np.sqrt(posterior[1][0, 0] / p.ess.item())


def test_mh():
    chains = gm.mh(line(xs), obs, samples=100, burn=20, key=gm.key(1))  # default selection: everything not observed
    assert chains["slope"].shape == (1, 100)
    summary = chains.summary()
    assert {"slope", "intercept"} == set(summary.index)
    assert chains.to_arviz()["posterior"]["slope"].shape == (1, 100)
    assert {"lp", "acceptance_rate", "accepted"} <= set(chains.stats)
    tr = chains[0, 17]
    assert isinstance(tr, gm.Trace)
    assert_exact(tr["slope"], chains["slope"][0, 17])
    assert tr["y0"].item() == np.float32(2.1)  # observations are never resampled


def test_run_chain():
    tr, _ = line(xs).generate(obs, key=gm.key(1))
    k = gm.kernels
    step = k.cycle([k.mh(gm.select("slope")), k.mix([(0.5, k.mh("intercept")), (0.5, k.random_walk("slope", 0.1))])])
    chains = gm.run_chain(k.repeat(step, 3), tr, samples=15, burn=2, key=gm.key(0))
    assert chains["intercept"].shape == (1, 15)


@gen
def near(trace):
    normal(trace["slope"], 0.2) @ "slope"


k = gm.kernels
KERNELS = {
    "custom": k.custom(near),
    "custom with backward": k.custom(near, backward=near),
    "chain": k.chain(k.mh("slope"), k.random_walk("intercept", 0.5)),
    "when": k.when(lambda trace: trace["slope"] > 0.0, k.random_walk("intercept", 0.5)),
    "seed": k.seed(k.random_walk("slope", 0.5), gm.key(7)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_map_a_key_and_a_trace_to_a_trace_and_an_info(name):
    tr, _ = line(xs).generate(obs, key=gm.key(1))
    new, info = KERNELS[name](gm.key(0), tr)
    assert isinstance(new, gm.Trace)
    assert 0.0 <= info.acceptance_rate.item() <= 1.0
    moved = any(not mx.array_equal(new[a], tr[a]).item() for a in ("slope", "intercept"))
    assert moved == info.accepted.item()
    assert_exact(new["y0"], tr["y0"])


# ---- the rest of the surface ----------------------------------------------------------------------------------------


def test_save_and_load(tmp_path):
    tr, _ = line(xs).generate(obs, key=gm.key(1))
    gm.save(tmp_path / "line.safetensors", tr)
    again = gm.load(tmp_path / "line.safetensors", line)
    assert_exact(again["slope"], tr["slope"])
    assert_exact(again.score, tr.score)


def test_memory_report():
    report = gm.memory_report()
    assert report.active >= 0
    assert report.peak >= report.active
    assert report.limit > 0


def test_improper_priors_and_independent_copies():
    @gen
    def model():
        w = gm.flat() @ "w"
        s = gm.positive_flat() @ "s"
        gm.iid(normal(w, s), 3) @ "y"

    weight, _ = model().assess({"w": 1.0, "s": 2.0, "y": [0.0, 1.0, 2.0]})
    assert_close(weight, scipy.stats.norm.logpdf([0.0, 1.0, 2.0], 1.0, 2.0).sum())  # flat priors have log density 0


def test_functions_with_gradients():
    assert_close(gm.special.lgamma(mx.array(4.5)), scipy.special.gammaln(4.5))
    assert_close(gm.linalg.cholesky(mx.array([[4.0, 2.0], [2.0, 3.0]])), np.linalg.cholesky([[4.0, 2.0], [2.0, 3.0]]))
    slope = mx.grad(lambda x: gm.linalg.cholesky(mx.array([[1.0, 0.0], [0.0, 0.0]]) * x + mx.eye(2))[0, 0])
    assert_close(slope(mx.array(3.0)), 0.25)  # d/dx sqrt(1 + x)


def test_results_are_named_tuples_and_weights_are_scalars():
    tr, w = line(xs).generate(obs, key=gm.key(1))
    results = {
        ("trace", "weight"): line(xs).generate(obs),
        ("weight", "retval"): line(xs).assess(tr.choices),
        ("choices", "weight", "retval"): line(xs).propose(),
        ("trace", "weight", "discard", "retdiff"): tr.update({"slope": 2.0}),
        ("trace", "weight", "retdiff"): tr.regenerate(gm.select("slope")),
        ("trace", "weight", "discard", "backward", "retdiff"): tr.edit(gm.SelectionEdit("slope")),
    }
    for fields, result in results.items():
        assert result._fields == fields
        assert result.weight.shape == ()
        assert result.weight.dtype == mx.float32
    assert tr.score.shape == w.shape == ()


def test_a_call_used_as_a_number_says_what_is_missing():
    @gen
    def forgotten():
        return 2.0 * normal(0.0, 1.0)

    with pytest.raises(TypeError, match="the address is missing"):
        forgotten().simulate()


def test_without_a_key_the_global_generator_rules():
    mx.random.seed(5)
    a = line(xs).simulate()["slope"]
    mx.random.seed(5)
    assert_exact(line(xs).simulate()["slope"], a)
