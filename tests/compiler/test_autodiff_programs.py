"""Gradients of random programs with loops and branches, against a finite difference along a random direction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.test_autodiff_rules import along
from genmlx.compiler.autodiff import GradientError, gradient, vjp
from genmlx.compiler.autodiff import structured as loops
from genmlx.compiler.ir.graph import Builder, Region, Type
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.verify import verify
from helpers.programs import random_arguments, random_region

FLOAT = "float64"
SHAPES = ((), (3,), (2, 3))
BOUNDED = ("sin", "cos", "tanh", "sigmoid", "erf", "arctan", "arcsinh")
BINARY = ("add", "subtract", "multiply", "logaddexp", "arctan2")


class Programs:
    """Random programs: smooth almost everywhere, with values and slopes of moderate size."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def region(self, types, ops, depth, results=None):
        """A region of parameters of these types; its results have the types asked for, or are one scalar."""
        b = Builder()
        values = [b.parameter(t) for t in types]
        for _ in range(ops):
            new = self.structured(b, values, depth) if depth and self.rng.random() < 0.3 else [self.plain(b, values)]
            values += new
        if results is None:
            total = b.constant(0.0, FLOAT)
            for v in values[-4:]:
                total = b("add", total, b("reduce", v, kind="sum", axes=tuple(range(len(v.shape)))))
            return b.finish(total)
        return b.finish(*(self.shaped(b, self.pick(values), t.shape) for t in results))

    def shaped(self, b, v, shape):
        """A value made to have a shape, bounded."""
        v = b(self.pick(BOUNDED), v)
        if len(v.shape) > len(shape):
            v = b("reduce", v, kind=self.pick(("sum", "prod", "max")), axes=tuple(range(len(v.shape) - len(shape))))
        return b.broadcast(v, shape)

    def plain(self, b, values):
        x = self.pick(values)
        n = len(x.shape)
        choice = self.rng.integers(8)
        if choice < 2:
            return b(self.pick(BOUNDED), x)
        if choice < 4:
            return b("sin", b(self.pick(BINARY), x, self.shaped(b, self.pick(values), x.shape)))
        if choice == 4:
            flags = b.constant(self.rng.random(x.shape) < 0.5)
            return b("select", flags, x, self.shaped(b, self.pick(values), x.shape))
        if choice == 5 and n:
            kind = self.pick(("sum", "prod", "max", "logaddexp"))
            return b(
                "cumulative", b("sin", x), kind=kind, axis=n - 1, reverse=bool(self.rng.integers(2)), inclusive=True
            )
        if choice == 6 and n:
            index = b.constant(self.rng.integers(-4, 4, size=3).astype(np.int32))
            rows = b("gather", x, index, axes=(n - 1,), sizes=(*x.shape[:-1], 1))
            return (
                b.reshape(rows, (3, *x.shape[:-1])) if n == 1 else b("transpose", b.reshape(rows, (3, 2)), axes=(1, 0))
            )
        if choice == 7 and n == 1:
            return b("sort", x, axis=0)
        return b("multiply", x, b("sigmoid", x))

    def structured(self, b, values, depth):
        n = int(self.rng.integers(1, 4))
        rest = [self.pick(values) for _ in range(int(self.rng.integers(3)))]
        kinds = [v.type for v in rest]
        form = self.pick(("scan", "map", "switch"))
        if form == "switch":
            operands = [self.pick(values), *rest]
            outputs = [Type(FLOAT, self.pick(SHAPES))]
            types = [v.type for v in operands]
            branches = [self.region(types, 3, depth - 1, outputs) for _ in range(2)]
            return b.emit("switch", [b.constant(int(self.rng.integers(2)), "int32"), *operands], {}, branches)
        element = Type(FLOAT, self.pick(((), (3,))))
        xs = b.broadcast(self.shaped(b, self.pick(values), element.shape), (n, *element.shape))
        xs = b("add", xs, b.constant(self.rng.normal(size=xs.shape)))
        output = Type(FLOAT, ())
        if form == "map":
            body = self.region([element, *kinds], 4, depth - 1, [output])
            out = b.emit("map", [xs, *rest], {"size": n, "mapped": 1}, [body])
        else:
            carry = self.pick(values)
            body = self.region([carry.type, element, *kinds], 4, depth - 1, [carry.type, output])
            attributes = {"length": n, "carries": 1, "sequences": 1, "reverse": bool(self.rng.integers(2))}
            out = b.emit("scan", [carry, xs, *rest], attributes, [body])
        return [*out[:-1], b.reshape(b("reduce", out[-1], kind="sum", axes=(0,)), ())]


def program(seed, ops, depth):
    generator = Programs(seed)
    types = [Type(FLOAT, s) for s in SHAPES]
    region = verify(generator.region(types, ops, depth))
    rng = generator.rng
    arguments, direction = ([np.asarray(rng.normal(size=t.shape)) for t in types] for _ in range(2))
    return region, arguments, direction


def check(region: Region, arguments, direction):
    adjoint = verify(gradient(region, range(len(arguments))))
    value, *slopes = interpret(adjoint, arguments)
    found = sum(float(np.sum(s * d)) for s, d in zip(slopes, direction, strict=True))
    np.testing.assert_allclose(value, interpret(region, arguments)[0], rtol=1e-12)
    np.testing.assert_allclose(found, along(region, arguments, dict(enumerate(direction))), rtol=1e-6, atol=1e-7)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_gradients_of_random_programs(seed, ops):
    check(*program(seed, ops, depth=2))


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 10**9), st.integers(1, 40), st.integers(0, 3))
def test_gradients_of_many_random_programs(seed, ops, depth):
    check(*program(seed, ops, depth))


@pytest.mark.parametrize("seed", range(0, 30, 10))
def test_programs_of_all_operations_have_an_adjoint(seed):
    """With axes of size 0, inf and nan: well formed, twice, and the values stay what they were."""
    for rng in map(np.random.default_rng, range(seed, seed + 10)):
        region = random_region(rng, ops=(1, 40), dtypes=("float64", "float32", "int32", "bool"))
        arguments = random_arguments(rng, region)
        try:
            adjoint = verify(vjp(region, floats(region.parameter_types)))
        except GradientError as error:
            assert "while loop" in str(error)
            continue
        seeds = [np.ones(t.shape, t.dtype) for t in region.result_types if t.is_float]
        results = interpret(adjoint, [*arguments, *seeds])
        for found, expected in zip(results, interpret(region, arguments), strict=False):
            np.testing.assert_array_equal(found, expected)
        verify(vjp(adjoint, floats(adjoint.parameter_types)))


def floats(types):
    return [i for i, t in enumerate(types) if t.is_float]


@pytest.mark.parametrize("seed", range(2))
def test_what_is_saved_does_not_change_the_gradient(seed, monkeypatch):
    region, arguments, _ = program(seed, 12, depth=2)
    expected = interpret(gradient(region, [0, 1, 2]), arguments)
    monkeypatch.setattr(loops, "SAVED_BYTES", 0)
    monkeypatch.setattr(loops, "STACKED_BYTES", 0)
    for a, e in zip(interpret(gradient(region, [0, 1, 2]), arguments), expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", (0, 3))
def test_second_derivatives_of_random_programs(seed):
    region, arguments, direction = program(seed, 5, depth=2)
    adjoint = gradient(region, range(3))
    b = Builder()
    parameters = [b.parameter(t) for t in region.parameter_types]
    total = b.constant(0.0, FLOAT)
    for i, slope in enumerate(b.inline(adjoint, parameters)[1:]):
        weighted = b("multiply", slope, b.constant(np.cos(i + np.arange(slope.type.size)).reshape(slope.shape)))
        total = b("add", total, b("reduce", weighted, kind="sum", axes=tuple(range(len(slope.shape)))))
    check(verify(b.finish(total)), arguments, direction)
