"""Compiled = eager: every family's log density and draws can be captured, and a kernel gives the same numbers."""

import mlx.core as mx
import numpy as np
import pytest

from distributions.cases import ALL
from distributions.cases.case import as_array
from genmlx.compiler.capture import capture
from genmlx.compiler.ir.interpret import interpret
from genmlx.control import compile
from genmlx.numerics.pytree import join_arrays, split_arrays

CASES = {case.name: case for case in ALL if case.sampler}
FEW = ("normal", "gamma", "poisson", "multivariate_normal", "dirichlet")


def programs(name):
    """Log density and draw of a family as functions of arrays, and arguments for both."""
    case = CASES[name]
    family = case.family
    args = family.bind(tuple(as_array(p) for p in case.points[0]), {})
    arrays, structure = split_arrays(args)
    batch = family.batch_shape(*args)

    def log_prob(x, *parameters):
        return family.log_prob(x, *join_arrays(structure, list(parameters)))

    def sample(key, *parameters):
        return family.sample(key, *join_arrays(structure, list(parameters)), batch)

    key = mx.random.key(3)
    return log_prob, sample, (family.sample(key, *args, batch), *arrays), (key, *arrays)


def same(got, expected):
    np.testing.assert_allclose(np.array(got), np.array(expected), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_graphs_mean_what_mlx_computes(name):
    for f, args in zip(programs(name)[:2], programs(name)[2:], strict=True):
        region, data = capture(lambda *xs, f=f: (f(*xs),), *args)
        same(interpret(region, [np.array(a) for a in (*args, *data)])[0], f(*args))


@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_kernels_compute_what_mlx_computes(name):
    log_prob, sample, densities, draws = programs(name)
    same(compile(log_prob, backend="native")(*densities), log_prob(*densities))
    same(compile(sample, backend="native")(*draws), sample(*draws))
