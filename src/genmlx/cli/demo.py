"""``genmlx demo``: two posteriors from real data, beside reference results.

Each study is what a user would write: the data, the model as a Python function, one call for the posterior. What comes
out is a table on the screen, and an ArviZ file and a figure in a folder.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import mlx.core as mx
import numpy as np
from rich.console import Console
from rich.table import Table

import genmlx as gm
from genmlx import data
from genmlx.numerics.errors import UsageError

if TYPE_CHECKING:
    import xarray

__all__ = ["add_parser", "eight_schools", "regression", "run"]

MSG_NO_NETCDF = "[yellow]{path} was not written: ArviZ files need h5netcdf, pip install 'genmlx\\[netcdf]'[/]"
MSG_NO_FIGURE = "[yellow]{path} was not written: figures need Matplotlib, pip install 'genmlx\\[plots]'[/]"


class Size(NamedTuple):
    """How much to compute."""

    chains: int
    samples: int
    burn: int
    particles: int


FULL = Size(chains=4, samples=3000, burn=500, particles=200_000)
QUICK = Size(chains=2, samples=500, burn=200, particles=20_000)
_DISPERSION = 5.0  # standard deviations of the posterior by which the chains of the regression start apart


class Estimate(NamedTuple):
    """What a study says about one scalar: mean, its Monte Carlo standard error, and standard deviation."""

    mean: float
    mcse: float
    sd: float


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo`` to the commands."""
    parser = commands.add_parser("demo", help="two posteriors from real data, beside reference results")
    parser.add_argument(
        "--output", type=Path, default=Path("genmlx-demo"), metavar="DIR", help="where figure and files go"
    )
    parser.add_argument("--quick", action="store_true", help="fewer draws")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run both studies."""
    console, output, size = Console(), arguments.output, QUICK if arguments.quick else FULL
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {output}: {error.strerror}", fix="genmlx demo --output DIR") from None
    _study_regression(console, output, size)
    _study_eight_schools(console, output, size)
    return 0


# ---- a regression, by Metropolis-Hastings with a proposal of our own ------------------------------------------------


@gm.gen
def regression(mom_hs: mx.array, mom_iq: mx.array) -> None:
    """Test scores of children, given whether the mother finished high school, and her IQ."""
    beta = gm.flat(4) @ "beta"
    sigma = gm.half_cauchy(2.5) @ "sigma"
    expected = beta[0] + beta[1] * mom_hs + beta[2] * mom_iq + beta[3] * mom_hs * mom_iq
    gm.normal(expected, sigma) @ "kid_score"


def random_walk(scale_tril: mx.array, sigma_sd: float) -> gm.GenerativeFunction:
    """A proposal: a generative function of the current trace. This one is a symmetric step."""

    @gm.gen
    def proposal(trace: gm.Trace) -> None:
        gm.multivariate_normal(trace["beta"], scale_tril=scale_tril) @ "beta"
        gm.normal(trace["sigma"], sigma_sd) @ "sigma"

    return proposal


@gm.gen
def starting_points(fit: mx.array, scale_tril: mx.array, residual_sd: float) -> None:
    """Where a chain starts: around the least squares fit, and much further from it than the posterior is wide."""
    gm.multivariate_normal(fit, scale_tril=scale_tril) @ "beta"
    gm.log_normal(math.log(residual_sd), 0.5) @ "sigma"


def infer_regression(size: Size) -> gm.Chains:
    """The posterior of `regression`, from chains that start far apart and move on the scale of the posterior.

    If they agree in the end, it is not because they began in one place: R-hat means something.
    """
    kidiq = data.load("kidiq")
    hs, iq, score = (np.asarray(kidiq[column], np.float64) for column in ("mom_hs", "mom_iq", "kid_score"))
    design = np.column_stack([np.ones_like(hs), hs, iq, hs * iq])
    fit, *_ = np.linalg.lstsq(design, score, rcond=None)
    residual_sd = float(np.std(score - design @ fit))
    # Gaussian approximation of the posterior; 2.38 / sqrt(5) is the best step on it (Roberts, Gelman, Gilks 1997).
    scale_tril = residual_sd * np.linalg.cholesky(np.linalg.inv(design.T @ design))
    sigma_sd = residual_sd / math.sqrt(2 * len(score))
    step = 2.38 / math.sqrt(5)
    return gm.mh(
        regression(kidiq["mom_hs"], kidiq["mom_iq"]),
        {"kid_score": kidiq["kid_score"]},
        proposal=random_walk(mx.array(step * scale_tril, mx.float32), step * sigma_sd),
        initial=starting_points(mx.array(fit, mx.float32), mx.array(_DISPERSION * scale_tril, mx.float32), residual_sd),
        samples=size.samples,
        burn=size.burn,
        chains=size.chains,
        key=gm.key(1),
    )


def _study_regression(console: Console, output: Path, size: Size) -> None:
    console.rule("A regression: test scores of 434 children")
    start = time.perf_counter()
    chains = infer_regression(size)
    seconds = time.perf_counter() - start

    rows = chains.summary(round_to="none").to_dict("index")
    estimates = {str(name): Estimate(row["mean"], row["mcse_mean"], row["sd"]) for name, row in rows.items()}
    console.print(_table(estimates, data.reference("kidiq")))
    console.print(
        f"{size.chains} chains of {size.samples:,} draws by random-walk Metropolis-Hastings in {seconds:.1f} s, "
        f"worth {min(row['ess_bulk'] for row in rows.values()):,.0f} independent draws; "
        f"R-hat at most {max(row['r_hat'] for row in rows.values()):.3f}"
    )
    _save_arviz(console, chains.to_arviz(), output / "kidiq.nc")
    _save_figure(console, {name: np.asarray(chains[name]) for name in ("beta", "sigma")}, output / "kidiq.png")


# ---- a hierarchy, by importance sampling from the prior -------------------------------------------------------------


@gm.gen
def eight_schools(sigma: mx.array) -> None:
    """Effects of coaching in schools that are similar, by an amount to be learnt."""
    mu = gm.normal(0.0, 5.0) @ "mu"
    tau = gm.half_cauchy(5.0) @ "tau"
    theta = gm.normal(mu * mx.ones(sigma.shape), tau) @ "theta"
    gm.normal(theta, sigma) @ "y"


def infer_eight_schools(size: Size) -> gm.Particles:
    """The posterior of `eight_schools`."""
    schools = data.load("eight_schools")
    model = eight_schools(schools["sigma"])
    return gm.importance_sampling(model, {"y": schools["y"]}, particles=size.particles, key=gm.key(2))


def _study_eight_schools(console: Console, output: Path, size: Size) -> None:
    console.rule("A hierarchy: coaching in eight schools")
    start = time.perf_counter()
    particles = infer_eight_schools(size)
    weights = np.asarray(particles.weights, np.float64)
    seconds = time.perf_counter() - start

    estimates = {}
    for name in ("mu", "tau", "theta"):
        draws = np.asarray(particles[name])
        for label, index in _elements(name, draws.shape[1:]):
            estimates[label] = _weighted(draws[(slice(None), *index)], weights)
    console.print(_table(estimates, data.reference("eight_schools")))
    console.print(
        f"{size.particles:,} particles by importance sampling from the prior in {seconds:.1f} s, "
        f"worth {float(particles.ess):,.0f} independent draws; "
        f"log marginal likelihood {float(particles.log_marginal_likelihood):.3f}"
    )
    _save_arviz(console, particles.to_arviz(key=gm.key(3)), output / "eight_schools.nc")


def _weighted(values: np.ndarray, weights: np.ndarray) -> Estimate:
    """Self-normalised importance sampling, with the standard error by the delta method."""
    mean = np.sum(weights * values)
    deviation = values - mean
    return Estimate(
        float(mean), float(np.sqrt(np.sum((weights * deviation) ** 2))), float(np.sqrt(np.sum(weights * deviation**2)))
    )


# ---- tables and files -----------------------------------------------------------------------------------------------


def _table(estimates: Mapping[str, Estimate], reference: Mapping[str, data.Moments]) -> Table:
    """Ours beside the reference, a row for every scalar."""
    table = Table("parameter", "mean", "± error", "sd", "reference mean", "reference sd")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, moments in reference.items():
        for label, index in _elements(name, moments.mean.shape):
            ours = estimates[label]
            digits = max(0, 2 - math.floor(math.log10(ours.sd)))
            numbers = (*ours, moments.mean[index].item(), moments.sd[index].item())
            table.add_row(label, *(f"{number:.{digits}f}" for number in numbers))
    return table


def _elements(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The elements of an array parameter: their names in ArviZ, and their places."""
    for index in np.ndindex(shape):
        yield (f"{name}[{', '.join(map(str, index))}]" if index else name), index


def _save_arviz(console: Console, results: xarray.DataTree, path: Path) -> None:
    engine = _netcdf_engine()
    if engine is None:
        console.print(MSG_NO_NETCDF.format(path=path))
        return
    results.to_netcdf(path, engine=engine)
    console.print(f"wrote {path}")


def _netcdf_engine() -> Literal["h5netcdf", "netcdf4"] | None:
    if find_spec("h5netcdf") and find_spec("h5py"):
        return "h5netcdf"
    return "netcdf4" if find_spec("netCDF4") else None


def _save_figure(console: Console, draws: Mapping[str, np.ndarray], path: Path) -> None:
    if find_spec("matplotlib") is None:
        console.print(MSG_NO_FIGURE.format(path=path))
        return
    from genmlx.plots import trace_density

    means = {name: np.asarray(moments.mean) for name, moments in data.reference(path.stem).items()}
    trace_density(draws, reference=means, title=path.stem).savefig(path, dpi=120)
    console.print(f"wrote {path}")
