"""What inference returns: `Chains` (equally weighted draws, by chain) and `Particles` (weighted draws).

Both hold arrays in the model's own space, and give tables, ArviZ data and traces. ArviZ, pandas and xarray are
imported when a method needs them: they take longer to import than most models to run.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np

from genmlx.core.address import Pattern, bare
from genmlx.core.choicemap import EMPTY, ChoiceMap, lifted
from genmlx.core.gfi import Call
from genmlx.core.trace import Trace
from genmlx.inference.draws import DrawTable, on_host, pattern_name
from genmlx.inference.resampling import log_mean_exp, normalised, resample_indices
from genmlx.numerics.errors import AddressError, UsageError, format_path
from genmlx.numerics.random import as_key
from genmlx.numerics.types import Array

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["Chains", "Particles"]

_NO_KEY = mx.zeros(2, mx.uint32)  # replaying a draw makes no choice: every choice is given


class Chains:
    """Draws from Markov chains.

    ``chains["mu"]`` is an array of shape ``(chains, draws, ...)``; ``chains["group"]`` a dict of arrays;
    ``chains["steps", 3, "x"]`` one element of a stack of choices, ``chains["steps", :, "x"]`` all of them (the axis of
    the elements comes third); ``chains[c, i]`` the trace of draw i of chain c.

    Attributes:
        call: the model applied to its arguments.
        observations: the observed choices.
        interrupted: whether the run was stopped before all draws were made.
        table: the draws as they were collected.
    """

    def __init__(self, call: Call, observations: ChoiceMap, table: DrawTable, *, interrupted: bool = False) -> None:
        self.call, self.observations, self.interrupted = call, observations, interrupted
        self.table = table

    @property
    def shape(self) -> tuple[int, int]:
        """(chains, draws)."""
        return self.table.chains, self.table.draws

    @property
    def addresses(self) -> list[Any]:
        """The addresses of the draws."""
        return [bare(p) for p in self.table.patterns]

    def __getitem__(self, address: Any) -> Any:
        if isinstance(address, tuple) and len(address) == 2 and all(type(i) is int for i in address):
            return self.trace(*address)
        found = self.table.gather(address)
        if found.value is not None:
            return found.value
        return {pattern_name(pattern): values for pattern, values in found.stored()}

    def __contains__(self, address: object) -> bool:
        try:
            return bool(self.table.find(address))
        except AddressError:
            return False

    def present(self, address: Any) -> Array:
        """Which draws made the choice at ``address``, shape (chains, draws); where they did not, values are NaN."""
        found = self.table.find(address)
        if len(found) > 1:
            raise AddressError(f"{address!r} is a group of choices", fix=f"one of {[format_path(p) for p in found]}")
        return self.table.present(found[0])

    def trace(self, chain: int, draw: int) -> Trace:
        """The trace of one draw, rebuilt from its choices."""
        chains, draws = self.shape
        if not (-chains <= chain < chains and -draws <= draw < draws):
            raise IndexError(f"there are {chains} chains of {draws} draws, found [{chain}, {draw}]")
        choices = self.table.choices(chain % chains, draw % draws) | self.observations
        return self.call.gen_fn.generate(_NO_KEY, self.call.args, choices).trace

    @property
    def stats(self) -> dict[str, Array]:
        """Sample statistics under ArviZ's names, each of shape (chains, draws): lp, acceptance_rate, ..."""
        return {"lp": self.table.scores(), **self.table.stats()}

    def summary(self, **options: Any) -> pandas.DataFrame:
        """Mean, sd, intervals, effective sample sizes, R-hat and Monte Carlo errors (`arviz_stats.summary`).

        Args:
            **options: of ``arviz_stats.summary``: ``var_names=``, ``round_to=``, ``ci_prob=``, ...
        """
        import arviz_stats

        return arviz_stats.summary(self.to_arviz(), **options)  # type: ignore[no-any-return]

    def to_arviz(self) -> xarray.DataTree:
        """ArviZ data with the groups posterior, sample_stats and observed_data."""
        import arviz_base

        posterior = _by_name({p: self.table.column(p) for p in self.table.patterns})
        groups = {"posterior": posterior, "sample_stats": {k: np.array(v) for k, v in self.stats.items()}}
        return arviz_base.from_dict(groups | _observed_data(self.observations))

    def __len__(self) -> int:
        return self.shape[1]

    def __repr__(self) -> str:
        chains, draws = self.shape
        patterns = self.table.patterns
        names = ", ".join(map(format_path, patterns[:6])) + (", ..." if len(patterns) > 6 else "")
        return f"Chains({chains} chains of {draws} draws: {names})"


class Particles:
    """Weighted draws: importance samples, or the particles of a filter.

    Attributes:
        call: the model applied to its arguments.
        observations: the observed choices.
        choices: the free choices, with a leading axis over particles (as in a batched trace).
        rows: where the particles have different addresses, one choice map a particle (and ``choices`` is empty).
        log_weights: unnormalised log weights, shape (n,).
        log_marginal_likelihood: estimate of log p(observations), 0-d.
    """

    def __init__(
        self,
        call: Call,
        observations: ChoiceMap,
        choices: ChoiceMap | list[ChoiceMap],
        log_weights: Array,
        log_marginal_likelihood: Array | None = None,
    ) -> None:
        self.call, self.observations, self.log_weights = call, observations, log_weights
        self.rows: list[ChoiceMap] | None = None
        if isinstance(choices, list):
            self.rows, choices = choices, EMPTY
        self.choices = choices
        if log_marginal_likelihood is None:
            log_marginal_likelihood = mx.array(log_mean_exp(log_weights))
        self.log_marginal_likelihood = log_marginal_likelihood

    def __len__(self) -> int:
        return self.log_weights.shape[0]

    @functools.cached_property
    def _normalised(self) -> np.ndarray:
        return normalised(self.log_weights)

    @property
    def weights(self) -> Array:
        """Normalised weights, shape (n,)."""
        return mx.array(self._normalised.astype(np.float32))

    @property
    def ess(self) -> Array:
        """Effective sample size, 1 / sum of squared normalised weights: between 1 and n."""
        return mx.array(float(1.0 / np.square(self._normalised).sum()))

    def __getitem__(self, address: Any) -> Any:
        """The values of a choice, with a leading axis over particles; for an int, the trace of that particle."""
        if type(address) is int:
            return self.trace(address)
        if self.rows is None:
            return self.choices[address]
        values = [row.get(address) for row in self.rows]
        made = [v for v in values if v is not None]
        if not made:
            raise AddressError(f"no particle made a choice at {address!r}", fix=f"one of {list(self.rows[0])}")
        if any(isinstance(v, ChoiceMap) or v.shape != made[0].shape for v in made):
            raise AddressError(f"the particles have different choices at {address!r}", fix="particles[i] for one trace")
        gap = mx.full(made[0].shape, mx.nan)
        if len(made) < len(values):
            values = [gap if v is None else v.astype(mx.float32) for v in values]
        return mx.stack(values)

    def trace(self, i: int) -> Trace:
        """The trace of particle ``i``, rebuilt from its choices."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"particle {i} of {len(self)}")
        return self.call.gen_fn.generate(_NO_KEY, self.call.args, self.free(i) | self.observations).trace

    def free(self, i: int) -> ChoiceMap:
        """The free choices of particle ``i``."""
        return self.rows[i] if self.rows is not None else lifted(self.choices.map(lambda v: v[i]), -1)

    def mean(self, address: Any) -> Array:
        """The weighted mean of a choice. A particle that did not make the choice makes it NaN."""
        return mx.array(self._expectation(on_host(self[address])).astype(np.float32))

    def variance(self, address: Any) -> Array:
        """The weighted variance of a choice."""
        values = on_host(self[address])
        return mx.array(self._expectation(np.square(values - self._expectation(values))).astype(np.float32))

    def _expectation(self, values: np.ndarray) -> np.ndarray:
        """The weighted mean over the leading axis. A value of weight 0 does not count, even if it is infinite."""
        weights = self._normalised
        if not np.isfinite(values).all():
            counts = weights.reshape(-1, *[1] * (values.ndim - 1)) > 0
            values = np.where(counts, values, 0.0)
        return np.tensordot(weights, values.astype(np.float64), axes=1)

    def quantile(self, address: Any, q: float) -> Array:
        """The weighted ``q``-quantile of a choice: the least value with weighted CDF of at least ``q``."""
        if not 0 <= q <= 1:
            raise UsageError(f"q= is a probability, found {q}", fix="q=0.5")
        values = on_host(self[address])
        weights = self._normalised
        order = np.argsort(values, axis=0)
        cumulative = np.cumsum(weights[order], axis=0)
        below = (cumulative < q * cumulative[-1:]) | (cumulative == 0)  # a value of weight 0 is no quantile
        ranked = np.take_along_axis(values, order, axis=0)
        return mx.array(np.take_along_axis(ranked, below.sum(axis=0)[None], axis=0)[0])

    def resample(self, n: int | None = None, *, method: str = "systematic", key: Any = None) -> Particles:
        """Draw particles in proportion to their weights; the new ones weigh the same.

        Args:
            n: how many; default: as many as there are.
            method: "systematic", "stratified", "multinomial" or "residual".
            key: random key.

        Returns:
            Particles with equal weights whose mean is the evidence, so that ``log_marginal_likelihood`` stays.
        """
        n = len(self) if n is None else n
        indices = resample_indices(as_key(key), self.log_weights, n, method)
        if self.rows is not None:
            choices: Any = [self.rows[i] for i in np.array(indices)]
        else:
            choices = self.choices.map(lambda v: mx.take(v, indices, axis=0))
        log_weights = mx.broadcast_to(self.log_marginal_likelihood, (n,))
        return Particles(self.call, self.observations, choices, log_weights, self.log_marginal_likelihood)

    def _columns(self) -> dict[Any, Array]:
        if self.rows is None:
            return dict(self.choices.stored())
        return {path: self[path] for path in dict.fromkeys(p for row in self.rows for p, _ in row.stored())}

    def summary(self) -> pandas.DataFrame:
        """Weighted mean, sd and quantiles (5%, 50%, 95%) of every choice, element by element."""
        import pandas

        rows: dict[str, list[float]] = {}
        for pattern in self._columns():
            address = bare(pattern)
            parts = [self.mean(address), mx.sqrt(self.variance(address))]
            parts += [self.quantile(address, q) for q in (0.05, 0.5, 0.95)]
            stats = np.stack([np.array(x, dtype=np.float64) for x in parts])
            for index in np.ndindex(stats.shape[1:]):
                name = pattern_name(pattern) + (f"[{', '.join(map(str, index))}]" if index else "")
                rows[name] = stats[(slice(None), *index)].tolist()
        return pandas.DataFrame.from_dict(rows, orient="index", columns=["mean", "sd", "5%", "50%", "95%"])

    def to_arviz(self, n: int | None = None, *, key: Any = None) -> xarray.DataTree:
        """ArviZ data: one chain of ``n`` draws, resampled by weight (default: the effective sample size, at least 1).

        The attributes hold ``log_marginal_likelihood`` and ``effective_sample_size`` of the weighted particles.
        """
        import arviz_base

        count = n if n is not None else max(1, int(np.array(self.ess)))
        drawn = self.resample(count, key=key)
        posterior = _by_name({p: v[None] for p, v in drawn._columns().items()})
        data = arviz_base.from_dict({"posterior": posterior} | _observed_data(self.observations))
        data.attrs["log_marginal_likelihood"] = self.log_marginal_likelihood.item()
        data.attrs["effective_sample_size"] = self.ess.item()
        return data

    def __repr__(self) -> str:
        return (
            f"Particles({len(self)}, log_marginal_likelihood={self.log_marginal_likelihood.item():.4g}, "
            f"ess={self.ess.item():.4g})"
        )


def _by_name(columns: dict[Pattern, Array]) -> dict[str, np.ndarray]:
    """Arrays by the name of their address."""
    named: dict[str, np.ndarray] = {}
    for pattern, values in columns.items():
        name = pattern_name(pattern)
        if name in named:
            raise AddressError(
                f"two addresses have the name {name!r} in a table",
                path=pattern,
                fix='names without dots and brackets in one of them: "a_b" instead of "a.b"',
            )
        named[name] = on_host(values)
    return named


def _observed_data(observations: ChoiceMap) -> dict[str, dict[str, np.ndarray]]:
    named = _by_name(dict(observations.stored()))
    return {"observed_data": {name: np.atleast_1d(v) for name, v in named.items()}} if named else {}
