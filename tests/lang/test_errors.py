"""Errors, not silence: each bad input of a model is an error that names the address, what was found, and the fix."""

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.numerics.errors import (
    AddressError,
    ConstraintError,
    ControlFlowError,
    DomainError,
    ImproperPriorError,
    ShapeError,
    UsageError,
)

KEY = gm.key(0)


@gen
def line(xs):
    slope = normal(0.0, 10.0) @ "slope"
    for j, x in enumerate(xs):
        normal(slope * x, 1.0) @ f"y{j}"
    return slope


@gen
def outer(x):
    z = line([x, x + 1.0]) @ "sub"
    normal(z, 1.0) @ ("obs", 0)


@gen
def pair():
    normal(mx.zeros(3), 1.0) @ "v"


def trace():
    return outer(1.0).simulate(key=KEY)


def complete(**changes):
    return gm.choicemap({"sub": {"slope": 1.0, "y0": 0.0, "y1": 0.0}, ("obs", 0): 0.0}) | changes


@gen
def twice():
    normal(0.0, 1.0) @ "x"
    normal(0.0, 1.0) @ "x"


@gen
def above():
    normal(0.0, 1.0) @ ("a", "b")
    normal(0.0, 1.0) @ "a"


@gen
def below():
    normal(0.0, 1.0) @ "a"
    normal(0.0, 1.0) @ ("a", "b")


@gen
def traced_address():
    normal(0.0, 1.0) @ mx.array(1)


@gen
def empty_address():
    normal(0.0, 1.0) @ ()


@gen
def forgotten_arithmetic():
    return normal(0.0, 1.0) + 1.0


@gen
def forgotten_reflected():
    return mx.array(2.0) * normal(0.0, 1.0)


@gen
def forgotten_function():
    return mx.exp(normal(0.0, 1.0))


@gen
def forgotten_reduction():
    return mx.sum(normal(0.0, 1.0))


@gen
def forgotten_comparison():
    return 1.0 if normal(0.0, 1.0) > 0 else 0.0


@gen
def forgotten_parameter():
    return normal(normal(0.0, 1.0), 1.0) @ "x"


@gen
def forgotten_return():
    return normal(0.0, 1.0)


@gen
def bad_number():
    normal(0.0, -1.0) @ "x"


@gen
def nested_bad_number():
    bad_number() @ "inner"


@gen
def bad_array():
    normal(0.0, mx.array([1.0, -2.0])) @ "x"


@gen
def branch():
    k = normal(0.0, 1.0) @ "k"
    if k > 0:
        normal(0.0, 1.0) @ "a"


@gen
def improper():
    gm.flat() @ "w"


CASES = {
    "unused in generate": (
        lambda: line([1.0]).generate({"slpoe": 1.0}),
        ConstraintError,
        ["'slpoe'", "did you mean 'slope'"],
    ),
    "unused in a nested call": (
        lambda: outer(1.0).generate({("sub", "z"): 1.0}),
        ConstraintError,
        ["no choice at 'z'", "at address 'sub'"],
    ),
    "unused in update": (lambda: trace().update({"nowhere": 1.0}), ConstraintError, ["'nowhere'", "addresses"]),
    "unused in assess": (lambda: outer(1.0).assess(complete(extra=1.0)), ConstraintError, ["'extra'"]),
    "a group at a choice": (
        lambda: outer(1.0).generate({("sub", "slope", "deep"): 1.0}),
        ConstraintError,
        ["('sub', 'slope')", "one choice (normal)", "a number or an array"],
    ),
    "a group at a choice in update": (
        lambda: trace().update({("sub", "slope"): {"deep": 1.0}}),
        ConstraintError,
        ["('sub', 'slope')", "one choice"],
    ),
    "a value at a group": (lambda: outer(1.0).generate({"sub": 1.0}), ConstraintError, ["'sub'"]),
    "a value at a prefix": (lambda: outer(1.0).generate({"obs": 1.0}), ConstraintError, ["'obs'", "('obs', 0)"]),
    "duplicate address": (lambda: twice().simulate(), AddressError, ["used twice", "'x'", 'f"y{j}"']),
    "address above another": (lambda: above().simulate(), AddressError, ["'a'", "below this address"]),
    "address below another": (lambda: below().simulate(), AddressError, ["('a', 'b')", "lies below"]),
    "an array as address": (lambda: traced_address().simulate(), AddressError, ["string, an int", "Python int"]),
    "the empty address": (lambda: empty_address().simulate(), AddressError, ["empty tuple"]),
    "missing choice": (
        lambda: outer(1.0).assess({("sub", "slope"): 1.0}),
        AddressError,
        ["('sub', 'y0')", "missing", "generate"],
    ),
    "wrong shape": (
        lambda: outer(1.0).generate({("sub", "slope"): [1.0, 2.0]}),
        ShapeError,
        ["('sub', 'slope')", "shape ()", "(2,)", "gm.iid"],
    ),
    "wrong shape in update": (lambda: pair().simulate().update({"v": 1.0}), ShapeError, ["'v'", "(3,)", "()"]),
    "not a value": (lambda: line([1.0]).generate({"slope": "three"}), ConstraintError, ["'slope'", "three"]),
    "parameter out of domain": (
        lambda: nested_bad_number().simulate(),
        DomainError,
        ["('inner', 'x')", "'sigma' of normal must be positive", "-1.0"],
    ),
    "array out of domain, validating": (
        lambda: validated(bad_array()),
        DomainError,
        ["'x'", "'sigma'", "-2", "index (1,)"],
    ),
    "array out of domain, outside a model": (
        lambda: normal(0.0, mx.array([1.0, -2.0])).sample(),
        DomainError,
        ["'sigma'", "-2", "index (1,)"],
    ),
    "NumPy out of domain": (lambda: normal(0.0, np.float64(-3.0)).log_prob(0.0), DomainError, ["'sigma'", "-3"]),
    "forgotten @, arithmetic": (
        lambda: forgotten_arithmetic().simulate(),
        UsageError,
        ["normal(0.0, 1.0)", '@ "address"'],
    ),
    "forgotten @, array * call": (lambda: forgotten_reflected().simulate(), UsageError, ["address is missing"]),
    "forgotten @, MLX function": (lambda: forgotten_function().simulate(), UsageError, ["address is missing"]),
    "forgotten @, MLX reduction": (lambda: forgotten_reduction().simulate(), UsageError, ["address is missing"]),
    "forgotten @, comparison": (lambda: forgotten_comparison().simulate(), UsageError, ["address is missing"]),
    "forgotten @, parameter": (
        lambda: forgotten_parameter().simulate(),
        UsageError,
        ["'mu' of normal", "address is missing"],
    ),
    "forgotten @, return": (
        lambda: forgotten_return().simulate(),
        UsageError,
        ["returned the call", "address is missing"],
    ),
    "@ outside a model": (lambda: normal(0.0, 1.0) @ "x", UsageError, ["no model is running", "@gen"]),
    "factor outside a model": (lambda: gm.factor("f", 1.0), UsageError, ["inside a @gen function"]),
    "control flow under n=": (
        lambda: branch().simulate(n=3),
        ControlFlowError,
        ["if k > 0:", "test_errors.py", "mx.where", "gm.Switch"],
    ),
    "improper prior": (lambda: improper().simulate(), ImproperPriorError, ["'w'"]),
    "too many parameters": (lambda: normal(0.0, 1.0, 2.0), UsageError, ["takes 2 parameters (mu, sigma)", "found 3"]),
    "mixed parameterisations": (
        lambda: gm.bernoulli(0.5, logits=0.0),
        UsageError,
        ["none of its parameterisations", "bernoulli(p)", "bernoulli(logits)"],
    ),
    "arguments of a model": (lambda: line(), UsageError, ["line(xs)", "missing"]),
    "a bad key": (lambda: line([1.0]).simulate(key=1.5), UsageError, ["1.5", "gm.key(0)"]),
    "keys of a batch": (lambda: line([1.0]).simulate(key=gm.split(KEY)), UsageError, ["(2, 2)", "gm.key(0)"]),
    "a bad seed": (lambda: gm.key("a"), UsageError, ["'a'", "gm.key(0)"]),
    "n=0": (lambda: line([1.0]).simulate(n=0), UsageError, ["positive int", "0"]),
    "args is no tuple": (lambda: trace().update(args=1.0), UsageError, ["args=(xs,)"]),
    "argdiffs of wrong length": (lambda: trace().update(argdiffs=()), UsageError, ["0 entries for 1"]),
    "not a selection": (lambda: trace().regenerate(3.5), UsageError, ["3.5", "gm.select"]),
    "not an edit": (lambda: trace().edit("move"), UsageError, ["'move'", "gm.ConstraintEdit"]),
    "a proposal that is a call": (lambda: gm.ProposalEdit(line([1.0])), UsageError, ["forward", "without calling it"]),
    "an unknown address": (lambda: trace()["sub", "nope"], AddressError, ["('sub', 'nope')", "('sub', 'slope')"]),
    "gen of no function": (lambda: gen(3), UsageError, ["@gen", "3"]),
}


def validated(call):
    with gm.validating():
        return call.simulate(key=KEY)


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_what_where_and_what_instead(name):
    action, kind, texts = CASES[name]
    with pytest.raises(kind) as caught:
        action()
    message = str(caught.value)
    missing = [text for text in texts if text not in message]
    assert not missing, f"{missing} not in:\n{message}"


def test_all_our_errors_have_one_base():
    with pytest.raises(gm.GenMLXError):
        line([1.0]).generate({"nope": 1.0})
