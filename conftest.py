"""Set-up of the whole test run, doctests in ``src`` included.

Types are checked while the tests run: jaxtyping (shapes, dtypes) with beartype (everything else) on every function of
genmlx. Both must be in place before genmlx is imported: `genmlx.numerics.types` gives its array kinds their shapes only
if jaxtyping is there already. Compiled kernels are kept for the next run, apart from the user's own.
"""

import os
import sys
import tempfile

import jaxtyping
import pytest

import helpers.type_checker  # noqa: F401 (the hook names it)

assert "genmlx" not in sys.modules, "genmlx was imported before the type checker: look for a pytest plugin that does so"
os.environ.setdefault("GENMLX_CACHE", os.path.join(tempfile.gettempdir(), f"genmlx-tests-{os.getuid()}"))
jaxtyping.install_import_hook("genmlx", "helpers.type_checker.check_types")


@pytest.fixture(scope="session", autouse=True)
def _doctest_names(doctest_namespace: dict[str, object]) -> None:
    import mlx.core as mx

    import genmlx as gm

    doctest_namespace.update(gm=gm, mx=mx)
