"""Fixtures and settings for all tests."""

import hypothesis
import mlx.core as mx
import pytest

from helpers.keys import key_for

# One seed, one result: a red test stays red until its cause is found.
# To search for new examples: pytest --hypothesis-profile=explore
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("fixed")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> mx.array:
    """A key of the test's own: the same in every run, another one in every test."""
    return key_for(request.node.nodeid)


@pytest.fixture(autouse=True)
def _fixed_global_generator() -> None:
    """Calls without ``key=`` draw from MLX's global generator: it starts the same in every test."""
    mx.random.seed(0)
