import numpy as np
import pytest
import scipy.special
import scipy.stats

import genmlx.data
from genmlx.cli import demo
from genmlx.cli.main import main
from helpers.tolerances import assert_close, assert_within_mc

SMALL = demo.Size(chains=2, samples=20, burn=5, particles=500)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(demo, "QUICK", SMALL)
    monkeypatch.setenv("COLUMNS", "200")


def test_the_demo_prints_tables_and_writes_its_files(small, tmp_path, capsys):
    output = tmp_path / "a" / "b"
    assert main(["demo", "--quick", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    for parameter in ("beta[0]", "beta[3]", "sigma", "mu", "tau", "theta[0]", "theta[7]"):
        assert printed.count(f"│ {parameter} ") == 1, printed
    assert "-0.48" in printed  # the reference mean of beta[3]
    assert (output / "kidiq.png").read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in output.iterdir()} == {"eight_schools.nc", "kidiq.nc", "kidiq.png"}


def test_the_files_are_what_arviz_reads(small, tmp_path):
    xarray = pytest.importorskip("xarray")
    assert main(["demo", "--quick", "--output", str(tmp_path)]) == 0
    with xarray.open_datatree(tmp_path / "kidiq.nc") as kidiq:
        assert kidiq["posterior/beta"].shape == (SMALL.chains, SMALL.samples, 4)
        assert kidiq["posterior/sigma"].shape == (SMALL.chains, SMALL.samples)
        np.testing.assert_array_equal(
            kidiq["observed_data/kid_score"], np.asarray(genmlx.data.load("kidiq")["kid_score"])
        )


def test_without_the_optional_packages_the_demo_says_how_to_get_them(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    assert main(["demo", "--quick", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "pip install 'genmlx[netcdf]'" in printed
    assert "pip install 'genmlx[plots]'" in printed
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_cannot_be_is_an_error_that_says_so(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--quick", "--output", str(tmp_path / "file")]) == 1
    error = capsys.readouterr().err
    assert "cannot write to" in error
    assert "--output DIR" in error


def test_the_regression_is_the_model_of_the_reference():
    # Unnormalised by a constant: the flat prior has log density 0.
    kidiq = {name: np.asarray(column, np.float64) for name, column in genmlx.data.load("kidiq").items()}
    beta, sigma = np.array([-10.0, 50.0, 0.9, -0.4]), 17.0
    hs, iq = kidiq["mom_hs"], kidiq["mom_iq"]
    expected = scipy.stats.halfcauchy(scale=2.5).logpdf(sigma)
    expected += scipy.stats.norm(beta @ [np.ones_like(hs), hs, iq, hs * iq], sigma).logpdf(kidiq["kid_score"]).sum()
    choices = {"beta": beta, "sigma": sigma, "kid_score": kidiq["kid_score"]}
    assert_close(demo.regression(hs, iq).assess(choices)[0], expected)


def test_the_hierarchy_is_the_model_of_the_reference():
    schools = {name: np.asarray(column, np.float64) for name, column in genmlx.data.load("eight_schools").items()}
    mu, tau, theta = 3.0, 2.0, np.linspace(-1, 8, 8)
    expected = scipy.stats.norm(0, 5).logpdf(mu) + scipy.stats.halfcauchy(scale=5).logpdf(tau)
    expected += scipy.stats.norm(mu, tau).logpdf(theta).sum()
    expected += scipy.stats.norm(theta, schools["sigma"]).logpdf(schools["y"]).sum()
    choices = {"mu": mu, "tau": tau, "theta": theta, "y": schools["y"]}
    assert_close(demo.eight_schools(schools["sigma"]).assess(choices)[0], expected)


def test_the_chains_of_the_regression_start_further_apart_than_the_posterior_is_wide():
    starts = demo.infer_regression(demo.Size(chains=10, samples=1, burn=0, particles=1))
    reference = genmlx.data.reference("kidiq")
    assert (np.asarray(starts["beta"])[:, 0].std(axis=0) > 3 * np.asarray(reference["beta"].sd)).all()
    assert np.asarray(starts["sigma"]).std() > 5 * np.asarray(reference["sigma"].sd)


@pytest.mark.slow
def test_the_regression_finds_the_reference_means():
    summary = demo.infer_regression(demo.FULL).summary(round_to="none")
    reference = genmlx.data.reference("kidiq")
    rows = [f"beta[{i}]" for i in range(4)] + ["sigma"]
    mean = np.append(reference["beta"].mean, reference["sigma"].mean)
    sd = np.append(reference["beta"].sd, reference["sigma"].sd)
    assert (summary.loc[rows, "r_hat"] < 1.02).all()
    assert_within_mc(
        summary.loc[rows, "mean"], mean, np.hypot(summary.loc[rows, "mcse_mean"], sd / 100), max_se=sd / 10
    )
    assert_within_mc(summary.loc[rows, "sd"], sd, np.hypot(summary.loc[rows, "mcse_sd"], sd / 140), max_se=sd / 10)


def test_the_hierarchy_finds_the_reference_means_and_the_marginal_likelihood():
    particles = demo.infer_eight_schools(demo.FULL)
    ess = float(particles.ess)
    for name, (mean, sd) in genmlx.data.reference("eight_schools").items():
        se = np.asarray(sd) * np.sqrt(1 / ess + 1 / 10_000)
        assert_within_mc(particles.mean(name), mean, se, max_se=0.1 * np.asarray(sd))
    relative_variance = 1 / ess - 1 / len(particles)
    assert_within_mc(particles.log_marginal_likelihood, log_marginal_likelihood(), np.sqrt(relative_variance))


def log_marginal_likelihood():
    """Of eight schools, by quadrature over mu and tau: theta is integrated out in closed form."""
    schools = {name: np.asarray(column, np.float64) for name, column in genmlx.data.load("eight_schools").items()}
    mu = np.linspace(-40, 40, 801)[:, None]
    u = (np.arange(4000) + 0.5) / 4000  # tau at the quantiles of its prior
    tau = scipy.stats.halfcauchy(scale=5).ppf(u)
    log_density = scipy.stats.norm(0, 5).logpdf(mu) + sum(
        scipy.stats.norm(mu, np.hypot(tau, s)).logpdf(y) for y, s in zip(schools["y"], schools["sigma"], strict=True)
    )
    return scipy.special.logsumexp(log_density) + np.log(mu[1, 0] - mu[0, 0]) - np.log(len(u))
