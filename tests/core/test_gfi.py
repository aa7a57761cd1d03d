"""Calls and the interface's defaults."""

import math

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import gen, normal
from genmlx.core.batched import Batched
from genmlx.core.gfi import as_arguments
from genmlx.numerics.errors import GenMLXError, UsageError
from helpers.tolerances import assert_exact
from helpers.type_checker import unchecked


@gen
def model(x):
    return normal(x, 1.0) @ "x"


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_a_seed_stands_for_its_key():
    assert_exact(model(0.0).simulate(key=3).retval, model(0.0).simulate(key=gm.key(3)).retval)


def test_without_a_key_the_global_generator_rules():
    mx.random.seed(5)
    first = [model(0.0).simulate().retval.item() for _ in range(3)]
    mx.random.seed(5)
    again = [model(0.0).simulate().retval.item() for _ in range(3)]
    assert first == again
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (mx.array([1, 2]), r"array of shape \(2,\) and dtype mlx.core.int32"),
        (mx.array([1.0, 2.0]), "float32"),
        (gm.key(0)[0], r"shape \(\)"),
        (mx.random.split(gm.key(0), 3), r"shape \(3, 2\)"),
        ("seed", "'seed'"),
        (1.5, "1.5"),
        (True, "True"),
    ],
)
def test_bad_keys_are_refused_in_every_method(bad, found):
    trace = model(0.0).simulate(key=0)
    methods = [
        lambda: model(0.0).simulate(key=bad),
        lambda: model(0.0).generate({}, key=bad),
        lambda: model(0.0).propose(key=bad),
        lambda: model(0.0).simulate(n=3, key=bad),
        lambda: trace.update({"x": 1.0}, key=bad),
        lambda: trace.regenerate("x", key=bad),
        lambda: trace.edit(gm.SelectionEdit("x"), key=bad),
        lambda: normal(0.0, 1.0).sample(key=bad),
    ]
    for method in methods:
        with pytest.raises(GenMLXError, match=rf"(?s)key= takes.*found .*{found}.*instead: key=gm.key\(0\)"):
            method()


@pytest.mark.parametrize("bad", [1.5, "a", None, True, mx.array(3)])
def test_bad_seeds_are_refused(bad):
    with pytest.raises(UsageError, match=r"(?s)a seed is an int, found.*instead: gm.key\(0\)"):
        unchecked(gm.key)(bad)


def test_any_int_is_a_seed():
    keys = [tuple(gm.key(seed).tolist()) for seed in (0, 1, -1, 2**32, 2**40 + 1, 2**63)]
    assert len(set(keys)) == len(keys)
    assert all(gm.key(seed).dtype == mx.uint32 for seed in (0, -1))


# ---- n= -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, -1, 1.5, "3", True, mx.array(3)])
def test_bad_numbers_of_executions_are_refused(bad):
    with pytest.raises(UsageError, match=r"(?s)n= takes a positive int, found.*instead: n=1000"):
        unchecked(Batched.__init__)(object.__new__(Batched), model, bad)
    if isinstance(bad, int):
        calls = [lambda: model(0.0).simulate(n=bad), lambda: model(0.0).generate({"x": 1.0}, n=bad)]
        for call in [*calls, lambda: model(0.0).propose(n=bad), lambda: model(0.0).assess({"x": 1.0}, n=bad)]:
            with pytest.raises(UsageError, match="n= takes a positive int, found"):
                call()


# ---- arguments ------------------------------------------------------------------------------------------------------


def test_numpy_arguments_become_mlx_arrays_and_numbers():
    a, b, c, d = as_arguments((np.array([1.0, 2.0]), np.float64(0.5), np.array(3), "text"))
    assert isinstance(a, mx.array)
    assert a.dtype == mx.float32
    assert (type(b), type(c), d) == (float, int, "text")
    assert as_arguments((np.array([1, 2]),))[0].tolist() == [1, 2]


def test_numpy_keywords_become_mlx_arrays_too():
    @gen
    def keyword(*, x):
        return normal(x, 1.0) @ "x"

    trace = keyword(x=np.array([1.0, 2.0])).simulate(key=0)
    assert isinstance(trace.args[-1]["x"], mx.array)


def test_arguments_that_do_not_fit_name_the_signature():
    with pytest.raises(UsageError, match=r"(?s)model\(x\): missing a required argument: 'x'"):
        model()
    with pytest.raises(UsageError, match=r"(?s)model\(x\): got an unexpected keyword argument 'y'"):
        model(1.0, y=2.0)


def test_calls_print_as_they_are_written():
    assert repr(model(0.5)) == "model(0.5)"
    assert repr(normal(0.0, mx.array(1.0))) == "normal(0.0, 1)"
    assert len(repr(model(list(range(1000))))) < 60
    assert f"{model(0.5)}" == "model(0.5)"


def test_calls_are_equal_only_to_themselves():
    call = model(0.5)
    assert call == call
    assert call != model(0.5)
    assert call in {call}


# ---- the forgotten address ------------------------------------------------------------------------------------------

COIN = normal(0.0, 1.0)
ONE = mx.array(1.0)

USES = {
    "sum": lambda c: c + 1.0,
    "array sum": lambda c: ONE + c,
    "difference": lambda c: 1.0 - c,
    "product": lambda c: c * ONE,
    "quotient": lambda c: 1.0 / c,
    "power": lambda c: c**2,
    "negation": lambda c: -c,
    "absolute value": abs,
    "remainder": lambda c: divmod(c, 2),
    "less": lambda c: c < 0,
    "array less": lambda c: ONE < c,
    "equal": lambda c: c == 1,
    "equal on the right": lambda c: 1 == c,
    "array equal": lambda c: ONE == c,
    "not equal": lambda c: c != 1.0,
    "element of a list": lambda c: 1.0 in [c],
    "truth": lambda c: 1.0 if c else 2.0,
    "and": lambda c: c and True,
    "float": float,
    "int": int,
    "round": round,
    "range": range,
    "math": math.exp,
    "sum of a list": lambda c: sum([c, c]),
    "maximum of Python": lambda c: max(c, 0.0),
    "index": lambda c: [1.0, 2.0][c],
    "element": lambda c: c[0],
    "iteration": list,
    "length": len,
    "mx.exp": mx.exp,
    "mx.sum": mx.sum,
    "mx.maximum": lambda c: mx.maximum(c, 0.0),
    "mx.where": lambda c: mx.where(c, 1.0, 2.0),
    "mx.array": mx.array,
    "mx.array of a list": lambda c: mx.array([c, c]),
    "mx.matmul": lambda c: mx.matmul(c, c),
    "mx.logsumexp": mx.logsumexp,
    "assignment": lambda c: mx.zeros(3).__setitem__(0, c),
    "array index": lambda c: mx.arange(3)[c],
    "NumPy": np.exp,
    "NumPy array": np.asarray,
    "attribute of arrays": lambda c: c.shape,
    "method of arrays": lambda c: c.item(),
    "format": lambda c: f"{c:.2f}",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_call_used_as_a_number_says_that_the_address_is_missing(use):
    @gen
    def forgetful():
        return use(normal(0.0, 1.0))

    for n in (None, 2):
        with pytest.raises(UsageError, match=r'(?s)the address is missing.*instead: .*normal\(0.0, 1.0\) @ "address"'):
            forgetful().simulate(n=n, key=0)


@pytest.mark.parametrize(
    "use", [v for k, v in USES.items() if k.startswith(("sum", "less", "equal", "truth", "mx.exp"))]
)
def test_a_call_of_a_model_used_as_a_number_says_so_too(use):
    @gen
    def forgetful():
        return use(model(0.5))

    with pytest.raises(UsageError, match=r'(?s)the address is missing.*instead: .*@ "address"'):
        forgetful().simulate(key=0)


def test_a_call_in_a_list_given_to_an_mlx_function_gets_a_note():
    """MLX says only that a list was given; a note says what to look for."""

    @gen
    def forgetful():
        return mx.stack([normal(0.0, 1.0) for _ in range(3)])

    with pytest.raises(TypeError) as caught:
        forgetful().simulate(key=0)
    assert any("its address is missing" in note for note in caught.value.__notes__)


def test_other_errors_of_a_model_pass_unchanged():
    @gen
    def wrong():
        normal(0.0, 1.0) @ "x"
        return mx.zeros(3) + mx.zeros(4)

    with pytest.raises(ValueError, match="broadcast"):
        wrong().simulate(key=0)

    @gen
    def raising():
        raise TypeError("something about genmlx.core and a Call")

    with pytest.raises(TypeError, match="something about"):
        raising().simulate(key=0)


def test_a_call_as_parameter_of_a_distribution_names_both():
    @gen
    def forgetful():
        return normal(normal(0.0, 1.0), 1.0) @ "x"

    with pytest.raises(UsageError, match=r"(?s)parameter 'mu' of normal is the call normal\(0.0, 1.0\).*missing"):
        forgetful().simulate(key=0)

    @gen
    def in_a_list():
        return normal([normal(0.0, 1.0), 1.0], 1.0) @ "x"

    with pytest.raises(UsageError, match="parameter 'mu' of normal must be a real number"):
        in_a_list().simulate(key=0)


def test_a_returned_call_says_so():
    @gen
    def forgetful():
        return normal(0.0, 1.0)

    with pytest.raises(
        UsageError, match=r"(?s)forgetful returned the call normal\(0.0, 1.0\), not a value.*return normal"
    ):
        forgetful().simulate(key=0)

    @gen
    def outer():
        return forgetful() @ "in"

    for method in (outer().simulate, outer().generate, outer().propose):
        with pytest.raises(UsageError, match=r"(?s)forgetful returned the call.*at address 'in'"):
            method(key=0)


def test_a_call_as_argument_of_a_model_is_a_value_like_any_other():
    """Models take distributions as arguments."""

    @gen
    def with_prior(prior):
        return normal(prior @ "mu", 1.0) @ "x"

    trace = with_prior(normal(5.0, 0.1)).simulate(key=0)
    assert abs(trace["mu"].item() - 5.0) < 1.0


def test_an_address_outside_a_model_is_refused():
    with pytest.raises(UsageError, match=r"(?s)no model is running, so normal\(0.0, 1.0\) @ 'x'.*@gen.*\.sample\(\)"):
        normal(0.0, 1.0) @ "x"

    @gen
    def lazy():
        return lambda: normal(0.0, 1.0) @ "x"

    with pytest.raises(UsageError, match="no model is running"):
        lazy().simulate(key=0).retval()


def test_what_is_not_an_edit_request_is_refused():
    trace = model(0.0).simulate(key=0)
    with pytest.raises(UsageError, match=r"(?s)is not an edit request.*gm.ConstraintEdit\(choices\)"):
        unchecked(type(trace.gen_fn).edit)(model, gm.key(0), trace, {"x": 1.0}, (0.0,), (gm.NoChange,))
