"""The registry: each module here has a list CASES, and the battery runs them all."""

import importlib
import pkgutil

from distributions.cases.case import Case

__all__ = ["ALL"]

ALL: list[Case] = [
    case
    for module in pkgutil.iter_modules(__path__)
    for case in getattr(importlib.import_module(f"{__name__}.{module.name}"), "CASES", [])
]
