"""The type checker of the test run: beartype, with the one setting that our code needs."""

from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype

__all__ = ["check_types"]

# jaxtyping decorates methods one at a time, where beartype cannot know what Self is.
check_types = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: Any})))
