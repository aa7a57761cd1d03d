"""The site: Markdown and docstrings by Sphinx. Pages of families are written by `families` before anything is read."""

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import families  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

import genmlx  # noqa: E402

project = "GenMLX"
author = "The GenMLX authors"
release = version = genmlx.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "py:obj"  # `name` in a docstring: a link where there is a page for it, code elsewhere
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"GenMLX {release}"
html_show_sourcelink = False
highlight_language = "python"


def write_families(app: Sphinx) -> None:
    """The pages of `distributions/`."""
    families.write(HERE / "distributions")


def restructured(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings as Docutils reads them: formulas between dollars become directives and roles, and |x| stays |x|."""
    if what == "module":
        lines.clear()  # it speaks to readers of the source; the page has words of its own
    text, *rest = re.split(r"\$\$(.*?)\$\$", "\n".join(lines), flags=re.DOTALL)
    parts = [_prose(text)]
    for formula, text in zip(rest[::2], rest[1::2], strict=True):
        parts += [_display(formula), _prose(text)]
    lines[:] = "".join(parts).split("\n")


def _display(formula: str) -> str:
    body = "\n".join("   " + line.strip() for line in formula.strip().split("\n"))
    return f"\n.. math::\n\n{body}\n"


def _prose(text: str) -> str:
    """Formulas and bars, outside of code."""
    return re.sub(
        r"^ *(?:>>>|\.\.\.).*$|``.*?``|`.*?`|(?<![\w$])\$([^$]+)\$(?![\w$])|\|", _markup, text, flags=re.MULTILINE
    )


def _markup(match: re.Match[str]) -> str:
    if match[1]:
        return f":math:`{match[1]}`"
    return r"\|" if match[0] == "|" else match[0]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_families)
    app.connect("autodoc-process-docstring", restructured)
