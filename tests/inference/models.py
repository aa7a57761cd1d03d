"""The models on which inference is tried, each with the reason why it is here."""

import mlx.core as mx

import genmlx as gm
from genmlx import gen, normal
from genmlx.distributions.bernoulli import bernoulli
from genmlx.distributions.categorical import categorical

__all__ = [
    "LINE_OBSERVATIONS",
    "LINE_XS",
    "branches",
    "coins",
    "line",
    "location",
    "lost_observation",
    "nested",
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
