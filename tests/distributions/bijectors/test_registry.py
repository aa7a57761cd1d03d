"""From a support to its bijector: the supports of the families, extension, errors that teach."""

import dataclasses
import math

import mlx.core as mx
import pytest

import genmlx as gm
from genmlx.distributions.bijectors import (
    Angle,
    ArrayBounds,
    Covariance,
    Exp,
    Identity,
    Independent,
    LowerBounded,
    Shift,
    Sigmoid,
    Simplex,
    Softplus,
    UpperBounded,
    bijector_for,
    register_bijector,
)
from genmlx.distributions.bijectors.registry import REGISTRY
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import ShapeError, UsageError


@pytest.fixture
def registry():
    """The registry, put back after the test."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        (domains.real, Identity),
        (domains.real_or_infinite, Identity),
        (domains.positive, Exp),
        (domains.nonnegative, Exp),
        (domains.above(0.0), Exp),
        (domains.above(2.0), LowerBounded),
        (domains.upper_bounded(2.0), UpperBounded),
        (domains.unit_interval, Sigmoid),
        (domains.interval(0, 1), Sigmoid),
        (domains.circular, Angle),
        (domains.simplex, Simplex),
        (domains.positive_definite, Covariance),
        (domains.interval(mx.array(0.0), 1.0), ArrayBounds),
        (domains.above(mx.zeros(3)), ArrayBounds),
        (gm.normal(0.0, 1.0).support, Identity),
        (gm.half_cauchy(1.0).support, Exp),
        (gm.beta(2.0, 2.0).support, Sigmoid),
        (gm.uniform(-1.0, 1.0).support, Sigmoid),
        (gm.uniform(-1.0, mx.array(1.0)).support, ArrayBounds),
        (gm.truncated_normal(0.0, 1.0, 2.0, math.inf).support, LowerBounded),
        (gm.truncated_normal(0.0, 1.0, -math.inf, math.inf).support, Identity),
    ],
)
def test_a_support_has_its_bijector(domain, kind):
    assert type(bijector_for(domain)) is kind


def test_event_axes_are_those_of_the_domain():
    for domain, bijector in REGISTRY.items():
        if isinstance(domain, Domain):
            assert bijector.event_ndim_out == domain.event_ndim


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (domains.lower_bounded(1.0), [1.0, 2.0], [0.9, math.inf, math.nan]),
        (domains.upper_bounded(1.0), [1.0, -2.0], [1.1, -math.inf, math.nan]),
        (domains.circular, [-math.pi, 0.0, math.pi], [3.2, -4.0, math.nan]),
        (
            domains.positive_ordered,
            [[0.5, 1.0]],
            [[1.0, 0.5], [0.0, 1.0], [1.0, 1.0], [1.0, math.inf], [1.0, math.nan]],
        ),
        (domains.unit_vector, [[0.6, -0.8], [0.0, 1.0]], [[0.6, 0.6], [0.0, 0.0], [1.0, math.nan]]),
        (
            domains.correlation,
            [[[1.0, 0.5], [0.5, 1.0]]],
            [[[1.0, 1.1], [1.1, 1.0]], [[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.5], [-0.5, 1.0]]],
        ),
    ],
)
def test_what_domains_contain(domain, inside, outside):
    assert domain.contains(mx.array(inside)).tolist() == [True] * len(inside)
    assert domain.contains(mx.array(outside)).tolist() == [False] * len(outside)


@pytest.mark.parametrize(
    "domain",
    [
        domains.boolean,
        domains.integer,
        domains.nonnegative_integer,
        domains.integer_interval(0, 5),
        gm.bernoulli(0.5).support,
    ],
)
def test_discrete_domains_are_an_error_that_teaches(domain):
    with pytest.raises(UsageError, match=r"are discrete: they have no gradient[\s\S]*gm.kernels.mh"):
        bijector_for(domain)


def test_an_unknown_domain_is_an_error_that_teaches():
    with pytest.raises(
        UsageError, match=r"no bijector onto the set of values that are strange[\s\S]*register_bijector"
    ):
        bijector_for(Domain("strange", mx.isfinite))


def test_a_domain_of_ones_own(registry):
    even = Domain("above 3", lambda x: x > 3)
    register_bijector(even, Shift(3.0) @ Exp())
    assert bijector_for(even).forward(0.0).item() == 4.0


def test_a_class_of_domains_of_ones_own(registry):
    @dataclasses.dataclass(frozen=True, eq=False)
    class Above(Domain):
        origin: float = 0.0

    register_bijector(Above, lambda domain: Shift(domain.origin) @ Exp())
    assert bijector_for(Above("above 2", lambda x: x > 2, origin=2.0)).forward(0.0).item() == 3.0


def test_a_later_registration_replaces(registry):
    register_bijector(domains.positive, Softplus())
    assert type(bijector_for(domains.positive)) is Softplus
    assert type(bijector_for(domains.nonnegative)) is Exp


def test_registrations_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"has 1 event axes[\s\S]*have 0[\s\S]*Independent"):
        register_bijector(Domain("v", lambda x: x, 1), Exp())
    for domain, bijector in ((Domain("v", lambda x: x), lambda d: Exp()), (Domain, Exp())):
        with pytest.raises(UsageError, match="a domain goes with a bijector"):
            register_bijector(domain, bijector)
    register_bijector(cube := Domain("v", lambda x: x, 1), Independent(Exp(), 1))
    del REGISTRY[cube]
