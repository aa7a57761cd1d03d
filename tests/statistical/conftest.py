"""Statistics need many draws: they run as users run them, without the check of types (which every other test has)."""

from collections.abc import Iterator

import pytest

from helpers.type_checker import as_users_run_it


@pytest.fixture(autouse=True, scope="module")
def _without_type_checks() -> Iterator[None]:
    with as_users_run_it():
        yield
