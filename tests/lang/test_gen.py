"""@gen: which Python functions become generative functions, and how they are called."""

import functools

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.gfi import GenerativeFunction
from genmlx.lang.gen import GenFunction
from genmlx.numerics.errors import UsageError
from helpers.tolerances import assert_close, assert_exact


def paths(call):
    return call.simulate(key=0).choices.paths()


# ---- signatures -----------------------------------------------------------------------------------------------------


@gen
def model(x, sd=2.0, *more, shift=0.0, **named):
    """A model with every kind of parameter."""
    return normal(x + shift + sum(more) + sum(named.values()), sd) @ "x"


def test_defaults_keywords_and_star_arguments_are_bound():
    def mean(call):
        return call.simulate(n=2000, key=0)["x"].mean().item()

    assert abs(mean(model(1.0, 0.1)) - 1.0) < 0.05
    assert abs(mean(model(1.0, sd=0.1, shift=5.0)) - 6.0) < 0.05
    assert abs(mean(model(1.0, 0.1, 10.0, 20.0, shift=1.0, extra=100.0)) - 132.0) < 0.05
    assert model(1.0).args == (1.0, 2.0, {"shift": 0.0})
    assert model(x=1.0).args == model(1.0).args


def test_arguments_written_in_two_ways_are_one_call():
    assert_exact(model(1.0, 2.0, shift=0.0).simulate(key=1).retval, model(x=1.0).simulate(key=1).retval)


def test_keyword_arguments_survive_every_method():
    trace = model(1.0, 0.5, shift=3.0).simulate(key=0)
    assert trace.args == (1.0, 0.5, {"shift": 3.0})
    score = normal(4.0, 0.5).log_prob(trace["x"])
    assert_close(trace.score, score)
    assert_close(model(1.0, 0.5, shift=3.0).assess(trace.choices).weight, score)
    updated = trace.update({"x": 4.0})
    assert_close(updated.trace.score, normal(4.0, 0.5).log_prob(4.0))
    assert updated.trace.args == trace.args
    assert_close(trace.update(args=trace.args).trace.score, score)
    assert trace.regenerate("x", key=1).trace.args == trace.args
    batch = model(1.0, 0.5, shift=3.0).simulate(n=3, key=0)
    assert batch.args == trace.args
    assert_close(batch.score, normal(4.0, 0.5).log_prob(batch["x"]))


def test_positional_only_parameters():
    @gen
    def positional(x, /, y=1.0):
        return normal(x, y) @ "x"

    assert paths(positional(0.0)) == [("x",)]
    with pytest.raises(UsageError, match="positional"):
        positional(x=0.0)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'x'"),
        ((1.0, 2.0, 3.0), {}, "too many positional arguments"),
        ((1.0,), {"z": 1.0}, "got an unexpected keyword argument 'z'"),
        ((1.0,), {"x": 1.0}, "multiple values for argument 'x'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_when_the_call_is_made(args, kwargs, message):
    @gen
    def plain(x, y=1.0):
        return normal(x, y) @ "x"

    with pytest.raises(UsageError, match=rf"(?s)plain\(x, y=1.0\): {message}.*arguments that fit the signature"):
        plain(*args, **kwargs)


def test_name_and_docstring_are_kept():
    assert model.name == model.__name__ == "model"
    assert model.__doc__ == "A model with every kind of parameter."
    assert repr(model) == "<gen function model>"
    assert isinstance(model, GenerativeFunction)


def test_lambdas_partials_and_nested_functions():
    assert paths(gen(lambda: normal(0.0, 1.0) @ "x")()) == [("x",)]

    def two(a, b):
        return normal(a, b) @ "x"

    partial = gen(functools.partial(two, b=0.001))
    assert abs(partial(5.0).simulate(key=0).retval.item() - 5.0) < 0.1

    def make(sd):
        @gen
        def made(x):
            return normal(x, sd) @ "x"

        return made

    assert_close(make(0.5)(1.0).assess({"x": 0.0}).weight, normal(1.0, 0.5).log_prob(0.0))


def test_numpy_arguments_become_mlx_arrays():
    seen = []

    @gen
    def looking(x, *more, y=None):
        seen.extend([isinstance(x, mx.array), *[isinstance(m, float) for m in more], isinstance(y, mx.array)])
        return normal(0.0, 1.0) @ "x"

    looking(np.zeros(2), np.float64(1.0), y=np.ones(3)).simulate(key=0)
    assert seen == [True, True, True]


# ---- methods --------------------------------------------------------------------------------------------------------


class Model:
    sd = 3.0

    def __init__(self, mean):
        self.mean = mean

    @gen
    def prior(self):
        return normal(self.mean, self.sd) @ "mu"

    @gen
    def full(self, n, scale=1.0):
        """Calls another method."""
        mu = self.prior() @ "prior"
        return [normal(mu, scale) @ ("y", i) for i in range(n)]

    @staticmethod
    @gen
    def fixed(x):
        return normal(x, 1.0) @ "x"

    @classmethod
    @gen
    def of_class(cls, x):
        return normal(x, cls.sd) @ "x"


def test_methods_see_their_object():
    one, two = Model(0.0), Model(100.0)
    trace = one.full(2).simulate(key=0)
    assert trace.choices.paths() == [("prior", "mu"), ("y", 0), ("y", 1)]
    assert trace.args == (2, 1.0)
    assert abs(two.full(2).simulate(key=0)["prior", "mu"].item() - 100.0) < 20.0
    assert_close(one.prior().assess({"mu": 1.0}).weight, normal(0.0, 3.0).log_prob(1.0))
    assert one.full(3, scale=0.5).simulate(n=4, key=0).score.shape == (4,)
    assert trace.update(args=(3,), key=1).trace.choices.paths()[-1] == ("y", 2)
    with pytest.raises(UsageError, match=r"full\(n, scale=1.0\): missing a required argument: 'n'"):
        one.full()


def test_methods_of_one_object_are_equal():
    one = Model(0.0)
    assert one.prior == one.prior
    assert hash(one.prior) == hash(one.prior)
    assert one.prior != Model(0.0).prior
    assert one.prior != one.full
    assert Model.prior == Model.prior
    assert one.full(1).simulate(key=0).gen_fn == one.full


def test_methods_from_the_class_take_the_object_as_first_argument():
    assert Model.prior(Model(1.0)).simulate(key=0).choices.paths() == [("mu",)]


def test_static_and_class_methods():
    for owner in (Model, Model(0.0)):
        assert_close(owner.fixed(1.0).assess({"x": 1.0}).weight, normal(0.0, 1.0).log_prob(0.0))
        assert_close(owner.of_class(1.0).assess({"x": 1.0}).weight, normal(0.0, 3.0).log_prob(0.0))


def test_a_method_runs_again_because_its_object_may_have_changed():
    """Its arguments are the same, and the object they do not mention is not."""

    class Carrying:
        @gen
        def model(self):
            self.mu = normal(0.0, 1.0) @ "mu"
            self.inner() @ "in"

        @gen
        def inner(self):
            return normal(self.mu, 1.0) @ "x"

    carrying = Carrying()
    trace = carrying.model().simulate(key=0)
    for result in (trace.update({"mu": 3.0}), trace.edit(gm.ConstraintEdit({"mu": 3.0}))):
        assert_close(result.trace.score, carrying.model().assess(result.trace.choices).weight)
    redrawn = trace.regenerate("mu", key=1)
    assert_close(redrawn.weight, redrawn.trace.project("in") - trace.project("in"))


# ---- closures -------------------------------------------------------------------------------------------------------


def test_a_closure_without_arguments_runs_again_with_the_new_values():
    @gen
    def outer():
        mu = normal(0.0, 1.0) @ "mu"

        @gen
        def inner():
            return normal(mu, 1.0) @ "x"

        return inner() @ "in"

    trace = outer().simulate(key=0)
    x, mu = trace["in", "x"], trace["mu"]
    updated = trace.update({"mu": 2.0})
    assert_close(updated.trace.score, normal(0.0, 1.0).log_prob(2.0) + normal(2.0, 1.0).log_prob(x))
    assert_close(updated.weight, updated.trace.score - trace.score)
    redrawn = trace.regenerate("mu", key=1)
    expected = normal(redrawn.trace["mu"], 1.0).log_prob(x) - normal(mu, 1.0).log_prob(x)
    assert_close(redrawn.weight, expected, atol=1e-5)


def test_functions_are_equal_if_they_are_the_same():
    assert model == model
    assert model != gen(model.function.__get__(object()))

    def make(x):
        @gen
        def made():
            return normal(x, 1.0) @ "x"

        return made

    assert make(1.0) != make(1.0)
    assert make(1.0).structure_key == make(2.0).structure_key


# ---- recursion ------------------------------------------------------------------------------------------------------


@gen
def walk(p):
    x = normal(0.0, 1.0) @ "x"
    if gm.bernoulli(p) @ "more":
        return x + walk(p) @ "next"
    return x


def test_recursion_follows_its_choices():
    given = {"more": 1, "next": {"more": 1, "next": {"more": 0}}}
    trace, weight = walk(0.3).generate(given, key=0)
    assert [len(p) for p in trace.choices.paths() if p[-1] == "x"] == [1, 2, 3]
    assert_close(trace.retval, trace["x"] + trace["next", "x"] + trace["next", "next", "x"])
    assert_close(weight, 2 * np.log(0.3) + np.log(0.7))
    shorter = trace.update({"next": {"more": 0}})
    assert shorter.discard.paths() == [("next", "more"), ("next", "next", "x"), ("next", "next", "more")]
    longer = shorter.trace.update(shorter.discard)
    assert_close(longer.weight, -shorter.weight)
    assert_close(longer.trace.score, trace.score)


def test_recursion_of_a_hundred_levels():
    @gen
    def deep(k):
        x = normal(0.0, 1.0) @ "x"
        return x if k == 0 else x + deep(k - 1) @ "next"

    import inspect
    import sys

    level = len(inspect.stack())
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(level + 4000)  # the type checker of the test run doubles the frames
    try:
        trace = deep(100).simulate(key=0)
        assert len(trace.choices) == 101
        assert_close(deep(100).assess(trace.choices).weight, trace.score, rtol=1e-4)
        bottom = ("next",) * 100 + ("x",)
        assert trace.update(gm.EMPTY.set(bottom, 0.0)).discard.paths() == [bottom]
    finally:
        sys.setrecursionlimit(limit)


# ---- what is not a model --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [3.0, "model", None, normal, model, int, staticmethod(lambda: 1), property(lambda s: 1)]
)
def test_gen_decorates_functions_only(bad):
    with pytest.raises(UsageError, match=r"(?s)@gen decorates a Python function, found.*@gen directly above def model"):
        unchecked_gen(bad)


def unchecked_gen(x):
    from helpers.type_checker import unchecked

    return unchecked(gen)(x)


def test_static_method_below_gen_is_refused():
    """The other order works: @staticmethod above @gen."""
    with pytest.raises(UsageError, match="below @staticmethod or @classmethod"):

        class Wrong:
            @gen
            @staticmethod
            def model(x):
                return normal(x, 1.0) @ "x"


def test_generators_and_coroutines_are_refused():
    """Called, they return an object and run nothing: the model would have no choices."""

    def generator():
        yield normal(0.0, 1.0) @ "x"

    async def coroutine():
        return normal(0.0, 1.0) @ "x"

    async def both():
        yield normal(0.0, 1.0) @ "x"

    for bad in (generator, coroutine, both):
        with pytest.raises(UsageError, match=rf"(?s){bad.__name__} does not run when it is called.*returns a list"):
            gen(bad)


def test_generators_inside_a_model_are_ordinary_python():
    @gen
    def inside():
        def values():
            for i in range(3):
                yield normal(0.0, 1.0) @ ("x", i)

        return sum(values()) + sum(normal(0.0, 1.0) @ f"y{i}" for i in range(2))

    assert len(inside().simulate(key=0).choices) == 5


def test_a_gen_function_is_one_value():
    assert isinstance(model, GenFunction)
    with pytest.raises(UsageError, match="found <gen function model>"):
        unchecked_gen(model)
