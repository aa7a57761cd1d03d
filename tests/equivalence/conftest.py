"""The same code many times, all of it under the laws too: it runs as users run it, without the check of types."""

from collections.abc import Iterator

import pytest

from helpers.type_checker import as_users_run_it


@pytest.fixture(autouse=True, scope="module")
def _without_type_checks() -> Iterator[None]:
    with as_users_run_it():
        yield
