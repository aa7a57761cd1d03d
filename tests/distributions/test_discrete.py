"""The families of integers, where the battery does not reach: edges, large counts, gathers, kinds of values."""

import math

import mlx.core as mx
import numpy as np
import pytest
from scipy import special, stats

from genmlx import gen, key
from genmlx.distributions.bernoulli import bernoulli, flip
from genmlx.distributions.binomial import binomial
from genmlx.distributions.categorical import categorical
from genmlx.distributions.delta import delta
from genmlx.distributions.discrete_uniform import discrete_uniform
from genmlx.distributions.geometric import geometric
from genmlx.distributions.neg_binomial import neg_binomial
from genmlx.distributions.poisson import poisson
from genmlx.numerics.errors import DomainError, ShapeError, UsageError
from genmlx.numerics.random import split
from helpers.keys import key_for
from helpers.tolerances import assert_close, assert_exact, assert_gradient_close, assert_within_mc

PLAUSIBLE = 1e-4

CALLS = {
    "bernoulli": bernoulli(0.3),
    "bernoulli array": bernoulli(mx.array(0.3)),
    "bernoulli logits": bernoulli(logits=mx.array(0.4)),
    "bernoulli literal logits": bernoulli(logits=0.4),
    "categorical": categorical(mx.array([0.3, -1.0, 2.0])),
    "categorical probs": categorical(probs=[0.3, 0.2, 1.0]),
    "discrete_uniform": discrete_uniform(0, 3),
    "discrete_uniform arrays": discrete_uniform(mx.array(0), mx.array(3)),
    "binomial": binomial(4, 0.3),
    "binomial array p": binomial(4, mx.array(0.3)),
    "binomial array n": binomial(mx.array(4), 0.3),
    "binomial large n": binomial(70, 0.02),
    "binomial logits": binomial(4, logits=mx.array(0.3)),
    "binomial logits large n": binomial(70, logits=mx.array(-3.0)),
    "poisson": poisson(1.5),
    "poisson array": poisson(mx.array(1.5)),
    "poisson log_rate": poisson(log_rate=mx.array(0.4)),
    "geometric": geometric(0.3),
    "geometric array": geometric(mx.array(0.3)),
    "neg_binomial": neg_binomial(2.5, 0.4),
    "neg_binomial arrays": neg_binomial(mx.array(2.5), mx.array(0.4)),
    "neg_binomial mean": neg_binomial(mean=mx.array(1.5), concentration=2.0),
}


def each_call(test):
    return pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())(test)


# ---- values ---------------------------------------------------------------------------------------------------------


@each_call
def test_one_is_one_whatever_its_kind(call):
    one = call.log_prob(1)
    assert math.isfinite(one.item()) and one.dtype == mx.float32 and one.shape == ()
    for value in (1.0, True, mx.array(1, dtype=mx.uint32), mx.array(1, dtype=mx.int8), np.int64(1), np.float64(1.0)):
        assert_exact(call.log_prob(value), one)
    score, value = call.assess(True)
    assert_exact(score, one)
    assert_exact(call.log_prob(mx.array([True, False])), call.log_prob([1, 0]))


@each_call
def test_fractions_negative_numbers_and_infinities_are_impossible(call):
    outside = mx.array([-1.0, -0.5, 0.5, 1.0000001, 3.5, -1e30, 1.5e9 + 0.5, -math.inf, math.inf])
    values = np.asarray(outside)
    impossible = (values < 0) | (values != np.floor(values)) | np.isinf(values)
    assert (np.asarray(call.log_prob(outside))[impossible] == -np.inf).all()
    assert_exact(call.log_prob(mx.array([-1, -2_000_000_000])), mx.array([-math.inf, -math.inf]))
    assert call.log_prob(math.nan).item() == -math.inf


@each_call
def test_values_are_int32(call):
    draws = call.sample(key=key(0), shape=(3, 5))
    assert draws.dtype == mx.int32 and draws.shape == (3, 5)
    assert call.simulate(key=key(0)).retval.dtype == mx.int32
    assert call.gen_fn.discrete


@each_call
def test_masses_sum_to_one(call):
    assert_close(mx.sum(mx.exp(call.log_prob(mx.arange(-3, 200)))), 1.0, rtol=3e-6)


@pytest.mark.parametrize(
    ("call", "value", "expected"),
    [
        (poisson(100.0), 100, -3.222357),
        (poisson(mx.array(100.0)), 100, -3.222357),
        (neg_binomial(100.0, 0.5), 50, -11.574579),
        (neg_binomial(mx.array(1.0), mx.array(0.01)), 10, -4.705674),
        (bernoulli(0.3), 1, math.log(0.3)),
        (categorical([0.0, 0.0, 0.0]), 2, -math.log(3)),
        (binomial(10, 0.3), 3, -1.3211514),
        (geometric(0.25), 2, math.log(0.25 * 0.75**2)),
        (discrete_uniform(1, 6), 6, -math.log(6)),
    ],
)
def test_spot_values(call, value, expected):
    assert_close(call.log_prob(value), expected, rtol=3e-6)


# ---- edges of the parameters ----------------------------------------------------------------------------------------

EDGES = [
    (bernoulli, {"p": 0.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (bernoulli, {"p": 1.0}, [-math.inf, 0.0, -math.inf, -math.inf]),
    (binomial, {"n": 2, "p": 0.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (binomial, {"n": 2, "p": 1.0}, [-math.inf, -math.inf, 0.0, -math.inf]),
    (binomial, {"n": 0, "p": 0.3}, [0.0, -math.inf, -math.inf, -math.inf]),
    (binomial, {"n": 0, "p": 1.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (binomial, {"n": 0, "logits": 1.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (poisson, {"rate": 0.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (geometric, {"p": 1.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (neg_binomial, {"r": 3.0, "p": 1.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (neg_binomial, {"mean": 0.0, "concentration": 3.0}, [0.0, -math.inf, -math.inf, -math.inf]),
    (categorical, {"logits": [-math.inf, 0.0, -math.inf]}, [-math.inf, 0.0, -math.inf, -math.inf]),
    (categorical, {"probs": [0.0, 3.0, 0.0]}, [-math.inf, 0.0, -math.inf, -math.inf]),
    (discrete_uniform, {"lo": 1, "hi": 1}, [-math.inf, 0.0, -math.inf, -math.inf]),
]


@pytest.mark.parametrize(("family", "params", "expected"), EDGES, ids=lambda e: e if isinstance(e, dict) else None)
def test_certain_events_score_zero_and_impossible_ones_minus_infinity(family, params, expected):
    x = mx.arange(4)
    literal = family(**params)
    arrays = family(**{name: mx.array(value) for name, value in params.items()})
    assert_close(literal.log_prob(x), expected, atol=2e-7)
    assert_close(arrays.log_prob(x), expected, atol=2e-7)
    certain = expected.index(0.0)
    for call in (literal, arrays):
        assert set(call.sample(key=key(3), shape=(200,)).tolist()) == {certain}


@pytest.mark.parametrize(("family", "params", "expected"), EDGES, ids=lambda e: e if isinstance(e, dict) else None)
def test_gradients_at_the_edges_are_not_nan(family, params, expected):
    call = family(**{name: mx.array(value) for name, value in params.items()})
    floating = [i for i, a in enumerate(call.args) if mx.issubdtype(a.dtype, mx.floating)]
    for x in (0, 1, 2, 5, -1, 0.5, math.nan, math.inf):
        for i in floating:

            def of(p, i=i, x=x):
                return call.gen_fn.log_prob(mx.array(x), *call.args[:i], p, *call.args[i + 1 :])

            slope = np.asarray(mx.grad(of)(call.args[i]))
            assert not np.isnan(slope).any(), (x, i)  # infinite where the event is impossible for this value only
            assert np.isfinite(slope).all() or call.log_prob(x).item() == -math.inf


def test_the_gradient_of_a_small_binomial_at_an_edge_is_not_nan():
    x = mx.array([0.0, 1.0, 3.0, 4.0, -1.0, 0.5, math.nan])
    for p in (0.0, 1.0):
        slope = np.asarray(mx.grad(lambda p: mx.sum(binomial.log_prob(x, 3, p)))(mx.full((7,), p)))
        assert not np.isnan(slope).any()
        assert (slope[3:] == 0.0).all()  # outside the support


def test_the_gradient_is_right_at_an_edge():
    assert_gradient_close(mx.grad(lambda p: bernoulli(p).log_prob(0))(mx.array(0.0)), -1.0)
    assert_gradient_close(mx.grad(lambda p: bernoulli(p).log_prob(1))(mx.array(1.0)), 1.0)
    assert_gradient_close(mx.grad(lambda p: binomial(10, p).log_prob(0))(mx.array(0.0)), -10.0)
    assert_gradient_close(mx.grad(lambda p: binomial(100, p).log_prob(100))(mx.array(1.0)), 100.0)
    assert_gradient_close(mx.grad(lambda rate: poisson(rate).log_prob(0))(mx.array(0.0)), -1.0)
    assert_gradient_close(mx.grad(lambda p: geometric(p).log_prob(0))(mx.array(1.0)), 1.0)
    assert_gradient_close(mx.grad(lambda p: neg_binomial(3.0, p).log_prob(0))(mx.array(1.0)), 3.0)


def test_log_rates_that_overflow_or_underflow():
    eta = mx.array([-1e4, -200.0, 80.0, 100.0, 1e4])
    assert_close(poisson(log_rate=eta).log_prob(0), [0.0, 0.0, -np.exp(80.0), -np.inf, -np.inf], rtol=1e-4)
    assert_close(poisson(log_rate=eta[:2]).log_prob(3), [-3e4 - math.log(6), -600 - math.log(6)])
    gradient = mx.grad(lambda eta: poisson(log_rate=eta).gen_fn.log_prob(mx.array(3), eta).sum())(eta)
    assert_close(gradient[:3], [3.0, 3.0, 3 - np.exp(80.0)], rtol=1e-4)
    assert not np.isnan(np.asarray(gradient)).any()


def test_log_odds_keep_what_probabilities_round_away():
    assert_close(bernoulli(logits=mx.array(40.0)).log_prob(0), -40.0)
    assert_close(bernoulli(logits=-200.0).log_prob(1), -200.0)
    for n in (3, mx.array(3)):
        assert_close(binomial(n, logits=mx.array(-200.0)).log_prob([0, 3]), [0.0, -600.0])
        assert_close(binomial(n, logits=mx.array(30.0)).log_prob([3, 2]), [-3 * math.exp(-30), math.log(3) - 30])


# ---- gradients ------------------------------------------------------------------------------------------------------


def spread(mean, sd, top=math.inf):
    return np.unique(np.clip(np.round(mean + sd * np.array([-3.0, -1.5, 0.0, 0.7, 3.0])), 0, top)).astype(np.int32)


@pytest.mark.parametrize(("n", "p"), [(50, 0.3), (65, 0.97), (100_000, 0.3), (1_000_000, 0.5), (1_000_000, 1e-5)])
def test_the_gradient_of_a_binomial(n, p):
    p = float(np.float32(p))
    k = spread(n * p, math.sqrt(n * p * (1 - p)), n)
    fisher = math.sqrt(n / (p * (1 - p)))  # the standard deviation of the score
    for trials in (n, mx.array(n)):

        def total(family, parameter, trials=trials):
            return mx.grad(lambda v: mx.sum(family.log_prob(mx.array(k), trials, v)))(mx.full((len(k),), parameter))

        found = total(binomial, p)
        assert_close(np.asarray(found) / fisher, (k - n * p) / (p * (1 - p)) / fisher, atol=2e-4)
        logit, sd = float(np.float32(special.logit(p))), math.sqrt(n * p * (1 - p))
        found = total(binomial(trials, logits=0.0).gen_fn, logit)
        assert_close(np.asarray(found) / sd, (k - n * special.expit(logit)) / sd, atol=2e-4)


@pytest.mark.parametrize("rate", [0.3, 20.0, 1e4, 1e6])
def test_the_gradient_of_a_poisson(rate):
    k = spread(rate, math.sqrt(rate))
    found = mx.grad(lambda r: mx.sum(poisson(r).gen_fn.log_prob(mx.array(k), r)))(mx.full((len(k),), rate))
    assert_close(np.asarray(found) * math.sqrt(rate), (k / rate - 1) * math.sqrt(rate), atol=2e-4)


@pytest.mark.parametrize(("r", "p"), [(0.2, 0.1), (1.0, 0.5), (40.0, 0.7), (1e4, 0.3)])
def test_the_gradient_of_a_negative_binomial(r, p):
    r, p = float(np.float32(r)), float(np.float32(p))
    k = spread(r * (1 - p) / p, math.sqrt(r * (1 - p)) / p)

    def total(r, p):
        return mx.sum(neg_binomial(r, p).gen_fn.log_prob(mx.array(k), r, p))

    of_r, of_p = mx.grad(total, argnums=(0, 1))(mx.full((len(k),), r), mx.full((len(k),), p))
    assert_gradient_close(of_r, special.digamma(k + r) - special.digamma(r) + math.log(p))
    fisher = math.sqrt(r / (p * p * (1 - p)))
    assert_close(np.asarray(of_p) / fisher, (r / p - k / (1 - p)) / fisher, atol=2e-4)


def test_the_gradient_of_a_categorical_is_one_hot_minus_softmax():
    logits = np.array([[0.3, -1.0, 2.0], [5.0, -np.inf, 4.0]])
    x = mx.array([2, 0])
    found = mx.grad(lambda eta: mx.sum(categorical(eta).gen_fn.log_prob(x, eta)))(mx.array(logits))
    assert_gradient_close(found, np.eye(3)[[2, 0]] - special.softmax(logits, axis=-1))
    probs = np.array([[0.3, 0.1, 2.0], [1.0, 0.2, 3.0]])
    family = categorical(probs=probs).gen_fn
    found = mx.grad(lambda w: mx.sum(family.log_prob(x, w)))(mx.array(probs, dtype=mx.float32))
    assert_gradient_close(found, np.eye(3)[[2, 0]] / probs - 1 / probs.sum(-1, keepdims=True))
    outside = mx.grad(lambda w: mx.sum(family.log_prob(mx.array([1.5, -1.0]), w)))(mx.array(probs, dtype=mx.float32))
    assert_exact(outside, mx.zeros((2, 3)))


@each_call
def test_a_value_given_as_a_float_has_no_gradient(call):
    trace, _ = call.generate(1.0, key=key(0))
    assert trace.choice_gradients().gradients.value.item() == 0.0


# ---- batches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["logits", "probs"])
def test_each_row_of_a_categorical_batch_meets_its_own_index(form):
    rng = np.random.default_rng(1)
    table = rng.uniform(0.1, 2.0, size=(4, 6))
    x = rng.integers(0, 6, size=(3, 4))
    call = categorical(**{form: table})
    log_p = special.log_softmax(table, axis=-1) if form == "logits" else np.log(table / table.sum(-1, keepdims=True))
    result = call.log_prob(x)
    assert result.shape == (3, 4)  # a plain take would give (3, 4, 4)
    assert_close(result, log_p[np.arange(4), x])
    assert call.log_prob(2).shape == (4,)
    one_value_a_row = mx.vmap(lambda row, i: call.gen_fn.log_prob(i, row))(
        mx.array(table, dtype=mx.float32), mx.array(x[0])
    )
    assert_close(one_value_a_row, log_p[np.arange(4), x[0]])
    shared = mx.vmap(lambda i: call.gen_fn.log_prob(i, mx.array(table[0], dtype=mx.float32)))(mx.array(x[0]))
    assert_close(shared, log_p[0, x[0]])


def test_draws_of_a_categorical_batch_follow_their_rows():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    draws = np.asarray(categorical(logits).sample(key=key_for("rows"), shape=(20_000,)))
    for row in range(2):
        counts = np.bincount(draws[:, row], minlength=3)
        assert stats.chisquare(counts, 20_000 * np.exp(logits[row])).pvalue > PLAUSIBLE


@pytest.mark.parametrize(
    ("family", "params"),
    [
        (bernoulli, ([0.2, 0.7, 1.0],)),
        (binomial, ([3, 70, 5], [0.2, 0.7, 0.4])),
        (binomial, (4, [0.2, 0.7, 0.4])),
        (binomial, ([3, 70, 5], 0.3)),
        (poisson, ([0.0, 2.0, 50.0],)),
        (geometric, ([0.2, 0.7, 1.0],)),
        (neg_binomial, ([0.5, 3.0, 20.0], 0.3)),
        (neg_binomial, (2.0, [0.2, 0.7, 1.0])),
        (discrete_uniform, (0, [1, 2, 5])),
    ],
)
def test_batched_and_shared_parameters_are_a_loop(family, params):
    arrays = [mx.array(p) if isinstance(p, list) else p for p in params]
    x = mx.array([[0, 1, 2], [1, 3, 0]])
    batch = family(*arrays).log_prob(x)
    loop = [
        [
            family(*(p[j].item() if isinstance(p, mx.array) else p for p in arrays)).log_prob(x[i, j]).item()
            for j in range(3)
        ]
        for i in range(2)
    ]
    assert_close(batch, loop)
    mapped = [p for p in arrays if isinstance(p, mx.array)]

    def lane_log_prob(xs, *lane):
        values = iter(lane)
        return family.log_prob(xs, *[next(values) if isinstance(p, mx.array) else p for p in arrays])

    assert_close(mx.vmap(lane_log_prob, in_axes=(1, *[0] * len(mapped)), out_axes=1)(x, *mapped), batch)


def test_a_small_literal_number_of_trials_has_the_same_mass_as_an_array():
    for n in (0, 1, 2, 17, 64):
        k = mx.arange(-1, n + 2)
        for p in (0.0, 1e-6, 0.3, 0.9, 1.0):
            for form in (p, mx.array(p)):
                assert_close(binomial(n, form).log_prob(k), binomial(mx.array(n), mx.array(p)).log_prob(k), atol=1e-5)
        for eta in (-90.0, -3.0, 0.0, 20.0):
            array = binomial(mx.array(n), logits=mx.array(eta)).log_prob(k)
            assert_close(binomial(n, logits=mx.array(eta)).log_prob(k), array, atol=1e-5)
            assert_close(binomial(float(n), logits=eta).log_prob(k), array, atol=1e-5)


def test_a_batch_of_coins_has_the_probability_of_each():
    p = mx.array([[0.1], [0.5], [0.9]])
    for call in (binomial(5, mx.broadcast_to(p, (3, 2))), binomial(5, logits=mx.log(p / (1 - p)) + mx.zeros(2))):
        draws = np.asarray(call.sample(key=key_for("coins"), shape=(5000,)), dtype=np.float64)
        assert draws.shape == (5000, 3, 2)
        frozen = stats.binom(5, np.asarray(p))
        assert_within_mc(draws.mean(0), frozen.mean() + np.zeros(2), np.sqrt(frozen.var() / 5000) + np.zeros(2))


# ---- draws over wide ranges -----------------------------------------------------------------------------------------


def by_quantiles(frozen, cells=30):
    """Edges between neighbouring values, so that the cells have about equal probability."""
    return np.unique(frozen.ppf(np.arange(1, cells) / cells))


@pytest.mark.parametrize(
    ("call", "frozen"),
    [
        (binomial(1_000_000, 0.3), stats.binom(1_000_000, 0.3)),
        (binomial(100_000, logits=-12.0), stats.binom(100_000, special.expit(-12.0))),
        (binomial(10_000, logits=mx.array(6.0)), stats.binom(10_000, special.expit(6.0))),
        (poisson(1e6), stats.poisson(1e6)),
        (geometric(1e-6), stats.geom(1e-6, loc=-1)),
        (neg_binomial(1e4, 0.3), stats.nbinom(1e4, 0.3)),
        (neg_binomial(0.1, 1e-3), stats.nbinom(0.1, 1e-3)),
        (neg_binomial(mean=50.0, concentration=1e5), stats.nbinom(1e5, 1e5 / (1e5 + 50))),
        (discrete_uniform(-500_000, 20_000_000), stats.randint(-500_000, 20_000_001)),
    ],
    ids=lambda v: repr(v) if not hasattr(v, "ppf") else None,
)
def test_draws_over_wide_ranges_follow_the_law(call, frozen):
    draws = np.asarray(call.sample(key=key_for(repr(call)), shape=(20_000,)), dtype=np.float64)
    edges = by_quantiles(frozen)
    cell = np.searchsorted(edges, draws)
    probabilities = np.diff([0.0, *frozen.cdf(edges), 1.0])
    counts = np.bincount(cell, minlength=len(edges) + 1)
    assert stats.chisquare(counts, 20_000 * probabilities).pvalue > PLAUSIBLE


def test_uniform_integers_reach_every_value():
    draws = np.asarray(discrete_uniform(1_000_000_000, 1_000_000_009).sample(key=key_for("far"), shape=(20_000,)))
    counts = np.bincount(draws - 1_000_000_000, minlength=10)
    assert len(counts) == 10 and stats.chisquare(counts).pvalue > PLAUSIBLE
    wide = np.asarray(discrete_uniform(0, 2**30).sample(key=key_for("wide"), shape=(20_000,)))
    assert stats.binomtest(int((wide % 2).sum()), 20_000).pvalue > PLAUSIBLE  # float32 has only every 64th of these
    by_row = discrete_uniform(mx.array([0, -5]), mx.array([1, -4])).sample(key=key(1), shape=(50,))
    assert set(by_row[:, 0].tolist()) == {0, 1} and set(by_row[:, 1].tolist()) == {-5, -4}


def test_keys_of_one_draw_are_not_shared():
    """The gamma rate and the count of a negative binomial come from different keys: its variance says so."""
    draws = np.asarray(
        neg_binomial(mean=10.0, concentration=1.0).sample(key=key_for("nb"), shape=(20_000,)), dtype=float
    )
    squares = (draws - 10.0) ** 2
    assert abs(squares.mean() - 110.0) < 5 * squares.std() / math.sqrt(20_000)


# ---- parameterisations ----------------------------------------------------------------------------------------------


def test_keywords_choose_the_parameterisation():
    assert_close(bernoulli(p=0.25).log_prob(1), math.log(0.25))
    assert_close(bernoulli(logits=-math.log(3.0)).log_prob(1), math.log(0.25))
    assert_close(binomial(5, p=0.3).log_prob(2), binomial(5, logits=special.logit(0.3)).log_prob(2))
    assert_close(poisson(log_rate=math.log(4.0)).log_prob(3), poisson(rate=4.0).log_prob(3))
    assert_close(neg_binomial(mean=3.0, concentration=2.0).log_prob(4), neg_binomial(2.0, 0.4).log_prob(4))
    assert_close(categorical(probs=[1.0, 3.0]).log_prob(1), categorical(logits=[0.0, math.log(3.0)]).log_prob(1))
    assert flip is bernoulli


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bernoulli(0.3, logits=0.1),
        lambda: bernoulli(q=0.3),
        lambda: binomial(5, p=0.3, logits=0.1),
        lambda: poisson(rate=1.0, log_rate=0.0),
        lambda: neg_binomial(1.0, mean=2.0),
        lambda: categorical([0.0], probs=[1.0]),
    ],
)
def test_mixed_parameterisations_are_an_error_that_shows_the_choices(wrong):
    with pytest.raises(UsageError, match="none of its parameterisations"):
        wrong()


def test_numbers_outside_their_domains_are_errors():
    with pytest.raises(DomainError, match="parameter 'p' of bernoulli must be in \\[0, 1\\], found 1\\.5"):
        bernoulli(1.5).simulate(key=key(0))
    with pytest.raises(
        DomainError, match="parameter 'n' of binomial must be an integer, zero or positive, found 2\\.5"
    ):
        binomial(2.5, 0.5).log_prob(1)
    with pytest.raises(DomainError, match="parameter 'p' of geometric must be in \\(0, 1\\], found 0\\.0"):
        geometric(0.0).sample()


# ---- point masses ---------------------------------------------------------------------------------------------------


def test_a_vector_point_mass_has_one_score():
    v = mx.array([1.0, 2.0, 3.0])
    call = delta(v)
    assert_exact(call.log_prob(v), mx.array(0.0))
    assert_exact(call.log_prob(mx.array([1.0, 2.0, 3.0000002])), mx.array(-math.inf))
    assert_exact(call.log_prob(mx.stack([v, v + 1])), mx.array([0.0, -math.inf]))
    assert call.gen_fn.batch_shape(v) == () and call.gen_fn.value_shape(v) == (3,)
    trace = call.simulate(key=key(0))
    assert_exact(trace.retval, v)
    assert trace.score.shape == () and trace.score.item() == 0.0
    assert call.sample(key=key(0), shape=(2, 4)).shape == (2, 4, 3)
    with pytest.raises(ShapeError):
        call.assess(mx.array([1.0, 2.0]))


def test_a_point_mass_keeps_the_kind_of_its_value():
    assert delta(3).sample().dtype == mx.int32
    assert delta(3.5).sample().dtype == mx.float32
    assert delta(mx.array([1, 2])).sample().dtype == mx.int32
    assert delta(3).log_prob(3.0).item() == 0.0
    assert delta(3).log_prob(3.5).item() == -math.inf
    assert delta(True).log_prob(True).item() == 0.0
    assert_exact(delta(mx.array([[1.0, 2.0]])).mean(), mx.array([[1.0, 2.0]]))
    assert_exact(delta(mx.array([1.0, 2.0])).variance(), mx.zeros(2))
    assert delta(mx.array([1.0, 2.0])).support.contains(mx.array([[1.0, 2.0], [1.0, 3.0]])).tolist() == [True, False]


def test_a_point_mass_in_a_model():
    @gen
    def model(x):
        return delta(x * 2.0) @ "twice"

    trace = model(mx.array([1.0, 2.0])).simulate(key=key(0))
    assert_exact(trace["twice"], mx.array([2.0, 4.0]))
    moved = trace.update({"twice": mx.array([2.0, 5.0])})
    assert moved.weight.item() == -math.inf
    batched = model(mx.array([1.0, 2.0])).simulate(n=3, key=key(0))
    assert batched["twice"].shape == (3, 2) and batched.score.shape == (3,)


# ---- in models ------------------------------------------------------------------------------------------------------


def test_discrete_choices_in_a_vectorised_model_are_a_loop():
    @gen
    def model(w):
        k = categorical(w) @ "k"
        n = poisson(mx.take(mx.array([1.0, 5.0, 50.0]), k)) @ "n"
        b = bernoulli(logits=n * 0.1 - 1.0) @ "b"
        return binomial(n, 0.5) @ "x" + b

    keys = split(key_for("model"), 4)
    w = mx.array([0.0, 0.5, 0.2])
    alone = [model(w).simulate(key=k) for k in keys]
    together = mx.vmap(lambda k: model(w).gen_fn.simulate(k, (w,)).score)(keys)
    assert_close(together, [t.score.item() for t in alone])
    batched = model(w).simulate(n=5, key=key(0))
    assert batched["x"].shape == (5,) and batched["x"].dtype == mx.int32
    scores, _ = model(w).assess(batched.choices, n=5)
    assert_exact(scores, batched.score)
