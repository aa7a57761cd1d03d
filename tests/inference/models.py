"""The models on which inference is tried, each with the reason why it is here."""

import mlx.core as mx

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.batched import Batched
from genmlx.core.choicemap import EMPTY, Stack, lifted
from genmlx.core.gfi import GenerativeFunction
from genmlx.core.trace import AssessResult, GenerateResult, RegenerateResult, Trace, UpdateResult
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.categorical import categorical
from genmlx.numerics.pytree import record

__all__ = [
    "LINE_OBSERVATIONS",
    "LINE_XS",
    "branches",
    "coins",
    "line",
    "location",
    "lost_observation",
    "nested",
    "rows",
    "resized",
    "selected",
    "selected_by_python",
    "tilted",
    "vectors",
]

LINE_XS = [1.0, 2.0, 3.0, 4.0, 5.0]
LINE_OBSERVATIONS = {"y0": 2.1, "y1": 3.9, "y2": 6.2, "y3": 7.8, "y4": 10.1}


@gen
def line(xs):
    """Two correlated latents."""
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j, x in enumerate(xs):
        normal(slope * x + intercept, 1.0) @ f"y{j}"
    return slope


@gen
def location(prior_sd):
    """One latent, one observation: everything is known in closed form."""
    mu = normal(0.0, prior_sd) @ "mu"
    normal(mu, 1.0) @ "y"
    return mu


@gen
def vectors():
    """Array-valued choices, and a group."""
    a = normal(mx.zeros(3), 1.0) @ "a"
    b = location(2.0) @ "sub"
    normal(a + b, 1.0) @ "y"
    return a


@gen
def branches():
    """Python control flow over a choice: the addresses differ between executions."""
    z = bernoulli(0.3) @ "z"
    if z.item() == 1:
        mean = normal(0.0, 1.0) @ "a"
    else:
        mean = normal(3.0, 0.5) @ "b"
    normal(mean, 1.0) @ "y"
    return mean


@gen
def selected():
    """`where` instead of Python control flow: one structure, so that it vectorises."""
    z = bernoulli(0.3) @ "z"
    x = normal(0.0, 1.0) @ "x"
    normal(mx.where(z == 1, x, 3.0 - x), 1.0) @ "y"
    return x


@gen
def selected_by_python():
    """The twin of `selected` that does not vectorise; the addresses are the same."""
    z = bernoulli(0.3) @ "z"
    x = normal(0.0, 1.0) @ "x"
    normal(x if z.item() == 1 else 3.0 - x, 1.0) @ "y"
    return x


@gen
def lost_observation():
    """The observed choice exists in one branch only."""
    z = bernoulli(0.5) @ "z"
    if z.item() == 1:
        normal(0.0, 1.0) @ "y"


@gen
def resized():
    """The shape of one choice depends on another: traces of one structure with arrays of different shapes."""
    n = categorical(probs=[1.0, 2.0, 1.0]) @ "n"
    x = normal(mx.zeros(int(n.item()) + 1), 1.0) @ "x"
    normal(mx.sum(x), 1.0) @ "y"


@gen
def coins(n):
    """Dependent discrete latents: a bias out of three, then coins."""
    bias = categorical(probs=[1.0, 1.0, 2.0]) @ "bias"
    p = mx.take(mx.array([0.2, 0.5, 0.9]), bias)
    count = mx.array(0)
    for i in range(n):
        count = count + bernoulli(p) @ ("coin", i)
    normal(count.astype(mx.float32), 0.5) @ "y"


@gen
def nested(n):
    """A call below an address, twice, and an observation that joins the two."""
    first = location(2.0) @ "first"
    second = location(1.0) @ "second"
    normal(first - second, 0.5) @ "y"
    return first + second


@gen
def tilted():
    """A factor: log N(x; 0, 1) + x / 2, that is N(1/2, 1), with evidence exp(1/8)."""
    x = normal(0.0, 1.0) @ "x"
    gm.factor("tilt", 0.5 * x)
    return x


class Rows(GenerativeFunction):
    """n executions of a function, whose choices are a stack: what combinators make, in little.

    Constraints cover all elements alike, and so do selections.
    """

    name = "rows"

    def __init__(self, kernel, n):
        self.batch = Batched(kernel, n)

    def __eq__(self, other):
        return isinstance(other, Rows) and self.batch == other.batch

    def __hash__(self):
        return hash(self.batch)

    def _trace(self, args, inner):
        return RowsTrace(self, args, inner.retval, mx.sum(inner.score), inner)

    def _given(self, constraints):
        return lifted(constraints.gather((slice(None),)), 1)

    def simulate(self, key, args):
        return self._trace(args, self.batch.simulate(key, args))

    def generate(self, key, args, constraints):
        inner, weight = self.batch.generate(key, args, self._given(constraints))
        return GenerateResult(self._trace(args, inner), mx.sum(weight))

    def assess(self, args, choices):
        weight, retval = self.batch.assess(args, self._given(choices))
        return AssessResult(mx.sum(weight), retval)

    def project(self, trace, selection):
        return mx.sum(self.batch.project(trace.inner, selection.at(0)))

    def update(self, key, trace, args, argdiffs, constraints):
        u = self.batch.update(key, trace.inner, args, argdiffs, self._given(constraints))
        discard = Stack(range(self.batch.n), lifted(u.discard, -1)) if u.discard else EMPTY
        return UpdateResult(self._trace(args, u.trace), mx.sum(u.weight), discard, u.retdiff)

    def regenerate(self, key, trace, args, argdiffs, selection):
        g = self.batch.regenerate(key, trace.inner, args, argdiffs, selection.at(0))
        return RegenerateResult(self._trace(args, g.trace), mx.sum(g.weight), g.retdiff)


@record(lambda t: ((t.gen_fn, t.args, t.retval, t.score, t.inner), None), lambda _, c: RowsTrace(*c))
class RowsTrace(Trace):
    __slots__ = ("inner",)

    def __init__(self, gen_fn, args, retval, score, inner):
        super().__init__(gen_fn, args, retval, score)
        self.inner = inner

    @property
    def choices(self):
        return Stack(range(len(self.inner)), self.inner.inner.choices)

    def with_args(self, args):
        return RowsTrace(self.gen_fn, args, self.retval, self.score, self.inner.with_args(args))


@gen
def point(mu):
    """One row: a latent and an observation."""
    x = normal(mu, 1.0) @ "x"
    return normal(x, 0.5) @ "y"


@gen
def rows(n):
    """A stack of n rows below an address, with observations among their choices."""
    mu = normal(0.0, 2.0) @ "mu"
    Rows(point, n)(mu) @ "rows"
