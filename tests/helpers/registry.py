"""The registry: the generative functions that every law is tried on.

A law that holds on one flat chain of normals says little. Here stand plain distributions of several kinds, models with
dependent sites, nested calls, branches, recursion, factors, closures, methods and batches; who adds a kind of
generative function adds an entry, and the laws (`tests/laws`) and equivalences (`tests/equivalence`) find it.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

import genmlx as gm
from genmlx import (
    bernoulli,
    beta,
    categorical,
    dirichlet,
    exponential,
    gamma,
    gen,
    half_cauchy,
    laplace,
    multivariate_normal,
    normal,
    poisson,
    student_t,
)
from genmlx.core.batched import Batched
from genmlx.core.gfi import GenerativeFunction
from genmlx.numerics import domains

__all__ = ["BATCHED", "ENTRIES", "ENTRY_NAMES", "Entry", "entries", "is_slow"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A generative function with arguments.

    Attributes:
        name: how tests are labelled.
        gen_fn: the function.
        args: arguments, as `bind` gives them.
        other_args: arguments for an update; None where there are no others to try.
        branches: whether the addresses depend on the values, so that a constraint may have no place.
        blends: whether executions of several branches can run as one, which then have the union of the addresses.
        vectorises: whether n executions can run as one (no Python control flow over values).
        factors: whether the score has parts that belong to no choice.
        deterministic: whether there is nothing random, so that two keys make one trace.
    """

    name: str
    gen_fn: GenerativeFunction
    args: tuple[Any, ...] = ()
    other_args: tuple[Any, ...] | None = None
    branches: bool = False
    blends: bool = False
    vectorises: bool = True
    factors: bool = False
    deterministic: bool = False


_ENTRIES: list[Entry] = []


def _entry(name: str, *args: Any, **flags: Any) -> Callable[[GenerativeFunction], GenerativeFunction]:
    """Decorator: add a function to the registry."""

    def register(gen_fn: GenerativeFunction) -> GenerativeFunction:
        other = flags.pop("other", None)
        bound = None if other is None else gen_fn.bind(other, {})
        _ENTRIES.append(Entry(name, gen_fn, gen_fn.bind(args, {}), bound, **flags))
        return gen_fn

    return register


# ---- distributions --------------------------------------------------------------------------------------------------

_VECTOR = mx.array([0.3, -1.2, 0.8])

_entry("normal", 0.5, 2.0, other=(-0.5, 1.5))(normal)
_entry("normal, array parameters", _VECTOR, mx.array([1.0, 2.0, 0.5]), other=(-_VECTOR, 1.0))(normal)
_entry("normal, broadcast parameters", mx.zeros((2, 1)), mx.array([1.0, 2.0, 0.5]))(normal)
_entry("gamma", 3.0, 2.0, other=(2.5, mx.array(1.5)))(gamma)
_entry("bernoulli", 0.3, other=(0.6,))(bernoulli)
_entry("categorical", mx.array([0.1, -0.4, 0.7]), other=(mx.zeros(3),))(categorical)
_entry("poisson, array parameters", mx.array([0.5, 3.0]), other=(mx.array([1.0, 2.0]),))(poisson)
_entry("dirichlet", mx.array([[1.5, 2.0, 3.0], [3.0, 1.0, 2.0]]))(dirichlet)
_entry("iid", normal(mx.array([0.0, 1.0]), 2.0), 3, other=(normal(mx.zeros(2), 1.0), 3))(
    gm.iid(normal(0.0, 1.0), 3).gen_fn
)
_entry("multivariate_normal", mx.zeros(2), mx.array([[2.0, 0.5], [0.5, 1.0]]))(multivariate_normal)

_shifted = gm.distribution(
    "shifted_exponential",
    sample=lambda key, start, shape: start - mx.log1p(-mx.random.uniform(shape=shape, key=key)),
    log_prob=lambda x, start: mx.where(x >= start, start - x, -mx.inf),
    params=["start"],
    support=lambda start: domains.interval(start, math.inf),
)
_entry("user distribution", 1.0)(_shifted)


def _shift_right(x: mx.array) -> mx.array:
    return mx.concatenate([mx.zeros_like(x[..., :1]), x[..., :-1]], axis=-1)


_walk = gm.distribution(
    "vector_walk",
    sample=lambda key, scale, shape: scale[..., None] * mx.cumsum(mx.random.normal((*shape, 3), key=key), axis=-1),
    log_prob=lambda x, scale: (
        mx.sum(-0.5 * mx.square((x - _shift_right(x)) / scale[..., None]), axis=-1)
        - 3 * (mx.log(scale) + 0.5 * math.log(2 * math.pi))
    ),
    params={"scale": domains.positive},
    support=domains.real_vector,
    event_shape=(3,),
)
_entry("user distribution of vectors", mx.array([1.0, 2.0]), other=(mx.array([0.5, 1.0]),))(_walk)


# ---- straight models ------------------------------------------------------------------------------------------------


@_entry("two dependent sites", 1.5, other=(0.7,))
@gen
def two_sites(sd):
    mu = normal(0.0, sd) @ "mu"
    return normal(mu, 1.0) @ "x"


@_entry("chain", 5, other=(8,))
@gen
def chain(length):
    """Other arguments make the chain longer: update draws the new sites."""
    x = normal(0.0, 1.0) @ "x0"
    for i in range(1, length):
        x = normal(0.9 * x, 0.5) @ f"x{i}"
    return x


@_entry("regression", [1.0, 2.0, 3.0], other=([1.0, 2.5],))
@gen
def line(xs):
    """The arguments are a Python list; other arguments have fewer elements, so that a site vanishes."""
    slope = normal(0.0, 10.0) @ "slope"
    intercept = normal(0.0, 10.0) @ "intercept"
    for j, x in enumerate(xs):
        normal(slope * x + intercept, 1.0) @ f"y{j}"
    return slope


@_entry("eight schools", mx.array([15.0, 10.0, 16.0]), other=(mx.array([10.0, 9.0, 8.0]),))
@gen
def schools(sigma):
    mu = normal(0.0, 5.0) @ "mu"
    tau = half_cauchy(5.0) @ "tau"
    theta = normal(mx.zeros(3), 1.0) @ "theta"
    normal(mu + tau * theta, sigma) @ "y"
    return {"mu": mu, "tau": tau}


@_entry("discrete and continuous", mx.array([-2.0, 0.0, 3.0]))
@gen
def mixture(means):
    weights = dirichlet(mx.array([2.0, 1.0, 1.0])) @ "weights"
    z = categorical(mx.log(weights)) @ "z"
    p = beta(2.0, 3.0) @ "p"
    return (normal(mx.take(means, z), 1.0) @ "x", bernoulli(p) @ "coin")


@_entry("tuple addresses")
@gen
def paths():
    a = normal(0.0, 1.0) @ ("a", "b")
    b = normal(a, 1.0) @ ("a", 0, "c")
    normal(b, 1.0) @ 7
    return gamma(2.0, 1.0) @ ("d", np.int64(3))


# ---- signatures -----------------------------------------------------------------------------------------------------


class Settings:
    def __init__(self, sd: float) -> None:
        self.sd = sd

    @gen
    def model(self, x):
        """A model as a method."""
        m = normal(x, self.sd) @ "m"
        return self.inner(m) @ "in"

    @gen
    def inner(self, m):
        return normal(m, self.sd) @ "x"


_entry("method", 0.4, other=(1.0,))(Settings(2.0).model)


class Stateful:
    @gen
    def model(self):
        """The object carries a value from one call to the next."""
        self.mu = normal(0.0, 1.0) @ "mu"
        return self.inner() @ "in"

    @gen
    def inner(self):
        return normal(self.mu, 1.0) @ "x"


_entry("method that changes its object")(Stateful().model)


@gen
def keywords(x, sd=1.0, *, shift=0.5):
    return normal(x + shift, sd) @ "x"


_ENTRIES.append(Entry("defaults and keywords", keywords, keywords.bind((1.0,), {"shift": 2.0})))


@_entry("star arguments", 1.0, mx.array(2.0), 3.0, other=(1.0, 2.0))
@gen
def star(*xs):
    return [normal(x, 1.0) @ ("x", i) for i, x in enumerate(xs)]


_entry("lambda", 0.1, other=(0.2,))(gen(lambda x: normal(x, 1.0) @ "x"))


# ---- return values --------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: Any
    second: Any


@_entry("constant return value")
@gen
def constant():
    normal(0.0, 1.0) @ "x"
    return 1.0


@_entry("no return value")
@gen
def nothing():
    normal(0.0, 1.0) @ "x"


@_entry("structured return value")
@gen
def structured():
    x = normal(0.0, 1.0) @ "x"
    return Pair([x, 2.0, "text"], {"y": (normal(x, 1.0) @ "y", None)})


@_entry("no choices", 2.0, deterministic=True)
@gen
def empty(x):
    return x + 1.0


@_entry("call without choices", 2.0)
@gen
def around_empty(x):
    y = empty(x) @ "none"
    return normal(y, 1.0) @ "x"


# ---- nested calls ---------------------------------------------------------------------------------------------------


@_entry("nested two deep", 0.5, other=(1.5,))
@gen
def nested(x):
    a = two_sites(1.0) @ "first"
    b = two_sites(2.0) @ ("second", 0)
    return normal(a + b + x, 1.0) @ "x"


@_entry("nested three deep", 0.5, other=(1.5,))
@gen
def deep(x):
    scale = gamma(2.0, 1.0) @ "scale"
    inner = nested(x * scale) @ ("a", "b")
    return normal(inner, scale) @ ("a", "c")


@_entry("closure without arguments")
@gen
def closure():
    """The inner function captures a choice and is a new one in each execution."""
    mu = normal(0.0, 1.0) @ "mu"

    @gen
    def inner():
        return normal(mu, 1.0) @ "x"

    return inner() @ "in"


@_entry("closures with arguments", 1.0, other=(2.0,))
@gen
def closures(sd):
    mu = normal(0.0, sd) @ "mu"
    step = gen(lambda shift: normal(mu + shift, 1.0) @ "x")
    return step(1.0) @ ("s", 0) + step(mu) @ ("s", 1)


@_entry("recursion of fixed depth", 4, other=(6,))
@gen
def recursive(depth):
    x = normal(0.0, 1.0) @ "x"
    return x if depth == 1 else x + recursive(depth - 1) @ "next"


# ---- addresses that depend on values --------------------------------------------------------------------------------

_PYTHON = {"branches": True, "vectorises": False}


@_entry("branch, overlapping addresses", 0.4, other=(0.7,), **_PYTHON)
@gen
def overlapping(p):
    if bernoulli(p) @ "heads":
        x = normal(0.0, 1.0) @ "x"
        return normal(x, 0.5) @ "y"
    z = normal(1.0, 2.0) @ "z"
    return normal(z, 3.0) @ "y"


@_entry("branch, disjoint addresses", 0.4, **_PYTHON)
@gen
def disjoint(p):
    if bernoulli(p) @ "heads":
        return normal(0.0, 1.0) @ ("left", "x")
    a = exponential(1.0) @ ("right", "x")
    return normal(a, 1.0) @ ("right", "y")


@_entry("branch, nested", **_PYTHON)
@gen
def branch_nested():
    inner = overlapping(0.5) @ "in"
    if inner > 0:
        return two_sites(1.0) @ "pair"
    return normal(inner, 1.0) @ "single"


@_entry("kind changes at an address", **_PYTHON)
@gen
def kinds():
    """One address is a distribution in one branch and a model in the other."""
    if bernoulli(0.5) @ "heads":
        return normal(0.0, 1.0) @ "a"
    return two_sites(2.0) @ "a"


@_entry("function changes at an address", **_PYTHON)
@gen
def functions():
    """One address is one model in one branch and another in the other; they share an address."""
    mu = normal(0.0, 1.0) @ "mu"
    if bernoulli(0.5) @ "heads":
        return two_sites(2.0) @ "a"
    return deeper(mu) @ "a"


@gen
def deeper(mu):
    x = normal(mu, 0.5) @ "x"
    return normal(x, 1.0) @ "w"


@_entry("family changes at an address", **_PYTHON)
@gen
def families():
    """One address is of one family in one branch and of another in the other; the value is kept."""
    mu = normal(0.0, 1.0) @ "mu"
    x = (laplace(mu, 1.0) if mu > 0 else student_t(3.0, mu, 1.0)) @ "x"
    return normal(x, 1.0) @ "y"


@_entry("recursion of geometric length", 0.5, other=(0.7,), **_PYTHON)
@gen
def geometric_length(p):
    x = normal(0.0, 1.0) @ "x"
    if bernoulli(p) @ "more":
        return x + geometric_length(p) @ "next"
    return x


@_entry("number of sites drawn", **_PYTHON)
@gen
def counted():
    n = int(poisson(2.0) @ "n")
    return sum([normal(0.0, 1.0) @ ("x", i) for i in range(n)], mx.array(0.0))


# ---- factors --------------------------------------------------------------------------------------------------------


@_entry("factor", 2.0, other=(-1.0,), factors=True)
@gen
def tilted(strength):
    x = normal(0.0, 1.0) @ "x"
    gm.factor("tilt", strength * x)
    y = normal(x, 1.0) @ "y"
    gm.factor(("more", 0), -0.5 * mx.square(y))
    return y


@_entry("factor in a call", factors=True)
@gen
def tilted_call():
    s = gamma(2.0, 1.0) @ "s"
    y = tilted(s) @ "in"
    gm.factor("outer", -mx.abs(y))
    return normal(y, s) @ "z"


@_entry("factor in a branch", factors=True, **_PYTHON)
@gen
def branch_factor():
    if bernoulli(0.5) @ "heads":
        x = normal(0.0, 1.0) @ "x"
        gm.factor("tilt", 1.5 * x)
        return tilted(1.0) @ "a"
    gm.factor("constant", 0.25)
    return normal(0.0, 1.0) @ "a"


@_entry("only a factor", deterministic=True, factors=True)
@gen
def only_factor():
    gm.factor("f", -1.25)


# ---- combinators ----------------------------------------------------------------------------------------------------

_XS = mx.array([0.5, -1.0, 2.0])


@gen
def noisy(x):
    """A kernel with dependent sites."""
    z = normal(x, 1.0) @ "z"
    return normal(z, 0.5) @ "y"


@gen
def shared_scale(x, scale):
    return normal(x["at"] * scale, scale) @ "y"


@gen
def of_map(sd):
    """A combinator below a call, under a path of two components."""
    mu = normal(0.0, sd) @ "mu"
    ys = gm.Map(noisy)(mu + _XS) @ ("a", "ys")
    return normal(ys.sum(), 1.0) @ "total"


_entry("map", _XS, other=(mx.array([0.5, 1.0]),))(gm.Map(noisy))
_entry("map that grows", _XS, other=(mx.array([0.5, -1.0, 2.0, 3.0, 4.0]),))(gm.Map(noisy))
_entry("map of a distribution", _XS, mx.array([1.0, 2.0, 0.5]), other=(_XS + 1.0, mx.ones(3)))(gm.Map(normal))
_entry("map over trees, a shared argument", {"at": _XS}, 0.5, other=({"at": -_XS}, 1.5))(
    gm.Map(shared_scale, in_axes=(0, None))
)
_entry("map of nothing", mx.zeros((0,)), other=(mx.array([1.0]),), deterministic=True)(gm.Map(noisy))
_entry("map of a branching kernel", mx.array([0.3, 0.6, 0.9]), other=(mx.array([0.5, 0.5]),), **_PYTHON)(
    gm.Map(overlapping)
)
_entry("map of a map", mx.arange(6.0).reshape(2, 3), other=(mx.ones((2, 3)),))(gm.Map(gm.Map(noisy)))
_entry("map of a map of a branching kernel", mx.full((2, 2), 0.5), **_PYTHON)(gm.Map(gm.Map(overlapping)))
_entry("map in a call", 1.0, other=(2.0,))(of_map)
_entry("map of calls of a map", mx.array([1.0, 2.0]), other=(mx.array([2.0, 1.0, 0.5]),))(gm.Map(of_map))
_entry("map of factors", _XS, other=(-_XS,), factors=True)(gm.Map(tilted))

_entry("dimap", 0.5, other=(1.5,))(two_sites.dimap(lambda sd: 2.0 * sd, lambda x: {"x": x}))
_entry("contramap of a distribution", 2.0, other=(0.5,))(normal.contramap(lambda sd: (0.0, sd)))
_entry("map_retval of a branching model", 0.4, other=(0.7,), **_PYTHON)(overlapping.map_retval(lambda y: -y))
_entry("dimap of a factor", 0.5, factors=True)(tilted.dimap(lambda x: x + 1.0, lambda y: (y, y)))
_entry("map of a dimap", _XS, other=(_XS[:2],))(gm.Map(noisy.dimap(lambda x: 2.0 * x, lambda y: y + 1.0)))

_BLEND = {"branches": True, "blends": True}


@gen
def gapped(sd):
    """A kernel with one address in common with two_sites."""
    z = gamma(2.0, 1.0) @ "z"
    return normal(z, sd) @ "x"


@gen
def far(sd):
    """It shares nothing, and has a factor."""
    w = exponential(1.0) @ ("w", 0)
    gm.factor("tilt", 0.5 * w * sd)
    return w


@gen
def of_switch(p):
    k = bernoulli(p) @ "k"
    x = gm.Switch(two_sites, gapped)(k, 2.0) @ "in"
    return normal(x, 1.0) @ "y"


@gen
def of_mask(p):
    on = bernoulli(p) @ "on"
    x = gm.Mask(two_sites)(on, 2.0) @ "in"
    return normal(0.0 if x is None else mx.where(on, x, 0.0), 1.0) @ "y"


def _listing(self: GenerativeFunction) -> GenerativeFunction:
    @gen
    def element(depth, mean):
        x = normal(mean, 1.0) @ "x"
        return x + gm.Mask(self)(depth > 1, depth - 1, x) @ "next" if depth > 1 else x

    return element


@gen
def of_recursion(depth):
    total = gm.Recurse(_listing)(depth, 0.5) @ "list"
    return normal(total, 1.0) @ "y"


_two = gm.Mix([two_sites, gapped], [0.3, -0.2])

_entry("switch", 0, 1.5, other=(0, 0.7))(gm.Switch(two_sites, gapped))
_entry("switch, overlapping flip", 0, 1.5, other=(1, 0.7))(gm.Switch(two_sites, gapped))
_entry("switch, disjoint flip", 2, 1.5, other=(0, 0.7), factors=True)(gm.Switch(two_sites, gapped, far))
_entry("switch, flip between kinds", 0, 1.5, other=(1, 0.7))(gm.Switch(two_sites, gapped.map_retval(lambda x: -x)))
_entry("switch of distributions", 1, 0.5, 2.0, other=(0, 0.0, 1.0))(gm.Switch(normal, laplace))
_entry("switch of maps of different lengths", 0, 0.5, other=(1, 1.5))(
    gm.Switch(two_sites.repeat(2), two_sites.repeat(3))
)
_entry("switch of a switch", 1, 0.5, other=(0, 1.5))(
    gm.Switch(two_sites, gm.Switch(gapped, far).contramap(lambda sd: (0, sd)))
)
_entry("switch over a branching model", 0, 0.4, other=(1, 0.7), **_PYTHON)(gm.Switch(overlapping, disjoint))
_entry("switch in a call", 0.4, other=(0.7,), **_BLEND)(of_switch)
_entry(
    "map of a switch", mx.array([0, 1, 1, 0]), mx.arange(1.0, 5.0), other=(mx.array([0, 1, 1, 0]), mx.ones(4)), **_BLEND
)(gm.Map(gm.Switch(two_sites, gapped)))
_entry("map of a switch with a factor", mx.array([2, 0, 1]), mx.ones(3), factors=True, **_BLEND)(
    gm.Map(gm.Switch(two_sites, gapped, far))
)
_entry("switch of a map of a switch", 1, mx.array([0, 1, 1]), mx.ones(3), **_BLEND)(
    gm.Switch(gm.Map(gm.Switch(gapped, two_sites)), gm.Map(gm.Switch(two_sites, gapped)))
)
_entry("mask that is on", True, 1.5, other=(True, 0.7))(gm.Mask(two_sites))
_entry("mask that goes off", True, 1.5, other=(False, 0.7), factors=True)(gm.Mask(far))
_entry("mask that goes on", False, 1.5, other=(True, 0.7), deterministic=True)(gm.Mask(two_sites))
_entry("mask in a call", 0.5, other=(0.8,), **_BLEND)(of_mask)
_entry("map of a mask", mx.array([True, False, True]), _XS, other=(mx.array([True, False, True]), -_XS), **_BLEND)(
    gm.Map(gm.Mask(noisy))
)
_entry("mix", 1.5, other=(0.7,), **_BLEND)(_two)
_entry("mix, weights of the arguments", 1.5, other=(0.7,), factors=True, **_BLEND)(
    gm.Mix([two_sites, gapped, far], lambda sd: mx.stack([mx.array(sd), mx.array(0.0), mx.array(-sd)]))
)
_entry("mix in a call", 1.5, **_BLEND)(gen(lambda sd: normal(_two(sd) @ "mix", 1.0) @ "y"))
_entry("map of a mix", mx.array([1.0, 2.0, 0.5]), **_BLEND)(gm.Map(_two))
_entry("recursion by Recurse", 3, 0.5, other=(5, 1.5))(gm.Recurse(_listing))
_entry("recursion by Recurse in a call", 3, other=(2,))(of_recursion)
_entry("repeat", 1.5, other=(0.7,))(two_sites.repeat(3))
_entry("repeat of a distribution, in a map", _XS, mx.ones(3))(gm.Map(normal.repeat(2)))
_entry("or_else", True, (1.5,), (0.4,), other=(False, (0.7,), (0.5,)))(two_sites.or_else(gapped))


@gen
def walk(t, x, sd):
    """A state that is the choice itself: a changed choice reaches one step further."""
    x = normal(0.9 * x, sd) @ "x"
    normal(x + 0.1 * t, 1.0) @ "y"
    return x


@gen
def adding(total, x):
    """A carry that remembers every choice, and an output."""
    y = normal(x + 0.1 * total["sum"], 1.0) @ "y"
    return {"sum": total["sum"] + y}, (y, x)


@gen
def branching_step(t, x):
    """Other choices, at other addresses, in other steps."""
    if bernoulli(0.5) @ "jump":
        return normal(x, 5.0) @ "far"
    y = normal(x, 0.5) @ "near"
    normal(y, 1.0) @ "y"
    return y


@gen
def tilted_step(x, _):
    y = normal(x, 1.0) @ "y"
    gm.factor("tilt", -0.25 * mx.square(y))
    return y, None


@gen
def many_branches(x, ps):
    """A map of a branching model below a step."""
    ys = gm.Map(overlapping)(ps) @ "ys"
    y = normal(x + mx.stack(ys).sum() if isinstance(ys, list) else x + ys.sum(), 1.0) @ "y"
    return y, y


@gen
def of_unfold(sd):
    """A sequence below a call, whose kernel closes over a choice."""
    mu = normal(0.0, sd) @ "mu"
    xs = gm.Unfold(gen(lambda t, x: normal(x + mu, 1.0) @ "x"))(3, 0.0) @ ("a", "xs")
    return normal(xs[-1], 1.0) @ "end"


@gen
def row_of_steps(x, row):
    """A scan as the kernel of a scan."""
    (last, ys) = gm.Scan(adding)({"sum": x}, row) @ "row"
    return last["sum"], ys[0]


@gen
def walk_in_map(x0, sd):
    xs = gm.Unfold(walk)(2, x0, sd) @ "xs"
    return normal(xs.sum(), 1.0) @ "z"


_STEP_TOTAL = {"sum": mx.array(0.0)}
_entry("unfold", 4, 0.0, 1.0, other=(4, 1.0, 0.5))(gm.Unfold(walk))
_entry("unfold that grows", 2, 0.5, 1.0, other=(4, 0.5, 1.0))(gm.Unfold(walk))
_entry("unfold that shrinks", 4, 0.5, 1.0, other=(1, 0.5, 1.0))(gm.Unfold(walk))
_entry("unfold of no step", 0, 0.5, 1.0, other=(2, 0.5, 1.0), deterministic=True)(gm.Unfold(walk))
_entry("unfold of one step", 1, 0.5, 1.0, other=(0, 0.5, 1.0))(gm.Unfold(walk))
_entry("unfold of a distribution", 3, mx.zeros(2), other=(3, mx.ones(2)))(
    gm.Unfold(normal.contramap(lambda t, x: (x, 1.0)))
)
_entry("unfold of a branching kernel", 4, 0.0, other=(3, 1.0), **_PYTHON)(gm.Unfold(branching_step))
_entry("unfold in a call", 1.0, other=(2.0,))(of_unfold)
_entry("scan", _STEP_TOTAL, _XS, other=(_STEP_TOTAL, mx.array([0.5, 1.0, 2.0])))(gm.Scan(adding))
_entry("scan that grows", _STEP_TOTAL, _XS, other=({"sum": 1.0}, mx.arange(5.0)))(gm.Scan(adding))
_entry("scan of nothing", _STEP_TOTAL, mx.zeros((0,)), other=(_STEP_TOTAL, _XS), deterministic=True)(gm.Scan(adding))
_entry("scan without inputs, of factors", 0.0, other=(1.0,), factors=True)(gm.Scan(tilted_step, length=3))
_entry("scan of a map of a branching model", 0.0, mx.full((2, 2), 0.5), **_PYTHON)(gm.Scan(many_branches))
_entry("scan of a scan", 0.0, mx.arange(6.0).reshape(2, 3), other=(1.0, mx.ones((2, 3))))(gm.Scan(row_of_steps))
_entry("map of an unfold", mx.array([0.0, 1.0]), 1.0, other=(mx.array([2.0]), 0.5))(
    gm.Map(walk_in_map, in_axes=(0, None))
)


# ---- batches --------------------------------------------------------------------------------------------------------

BATCHED = 3
"""The number of executions in the batched entries: as many as the eight-schools and normal entries have elements, so
that an axis of executions cannot be told from an axis of a value by its length."""

_BATCHED_TOO = (
    "normal, array parameters",
    "bernoulli",
    "dirichlet",
    "user distribution of vectors",
    "two dependent sites",
    "regression",
    "eight schools",
    "discrete and continuous",
    "method that changes its object",
    "structured return value",
    "no choices",
    "nested three deep",
    "closure without arguments",
    "factor in a call",
    "map",
    "map in a call",
    "unfold",
    "scan",
)

for _one in [e for e in _ENTRIES if e.name in _BATCHED_TOO]:
    _product: Any = Batched(_one.gen_fn, BATCHED)
    _ENTRIES.append(dataclasses.replace(_one, name=f"{_one.name}, batched", gen_fn=_product))

ENTRIES: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
assert len(ENTRIES) == len(_ENTRIES), "two entries have one name"
ENTRY_NAMES = list(ENTRIES)


def entries(keep: Callable[[Entry], bool]) -> list[str]:
    """The names of the entries that a law applies to; never none."""
    found = [name for name, entry in ENTRIES.items() if keep(entry)]
    assert found, "no entry is left, and a test of nothing would pass"
    return found


# Combinators of combinators, and cases beside the plain one: what is tried on each entry is slow for these.
_SLOW = ("map of a ", "map of calls", "map of an ", "switch of ", "switch over", "scan of ", "in a map", "recursion by")
_SLOW += ("that grows", "that shrinks", "map of factors", "of one step", "of nothing", "unfold of a ", "goes")


def is_slow(name: str) -> bool:
    """Whether the tests of an entry are left to the slow ones."""
    return any(part in name for part in _SLOW)
