"""Writes a page for each family, and the table of all: from docstrings, `settings`, and what the families say.

The prose of a docstring is Markdown with TeX formulas; it stands on the page as it is. The rest is asked of the family:
domains and shapes of parameters, support, which moments and functions it has, in what its draws are differentiable.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from figures import draw
from settings import GROUPS, SETTINGS

from genmlx import distributions
from genmlx.core.distribution import Distribution, DistributionCall
from genmlx.distributions.bijectors import bijector_for
from genmlx.numerics import domains
from genmlx.numerics.domains import Domain
from genmlx.numerics.errors import GenMLXError

__all__ = ["Docstring", "aliases", "docstring", "meanings", "methods", "page", "page_of", "table", "write"]

METHODS = ("mean", "variance", "entropy", "cdf", "quantile")
SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Example", "References")
# A space in a table that breaks the line, breaks the shape.
SHAPES = {0: "`(...)`", 1: "`(...,\u00a0n)`", 2: "`(...,\u00a0n,\u00a0n)`"}
RECTANGLE = "`(...,\u00a0n,\u00a0m)`"

INTRODUCTION = """\
Every family has `sample`, `log_prob` and `support`, and the whole generative function interface: a choice is
`family(parameters) @ address`. The tables say what else there is in closed form, the shape of one draw (event), and in
which parameters draws are differentiable (`rsample`). Parameters are numbers or arrays, which broadcast; the families
of vectors and matrices batch over leading axes. Densities are exactly 0 outside the support, and a parameter out of its
domain is an error that names it. How exact the special functions behind them are is [measured](../accuracy.md)."""


class Docstring(NamedTuple):
    """A docstring in its parts."""

    summary: str
    prose: str
    arguments: dict[str, str]
    example: str
    references: str


def write(folder: Path) -> None:
    """Write all pages and figures into a folder."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name in SETTINGS:
        draw(name, folder / "figures")
        _write(folder / f"{name}.md", page(name))
    _write(folder / "index.md", table())


def _write(path: Path, text: str) -> None:
    """A page that says the same keeps its time stamp, so that it is not built again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# What there is.


def page_of(exported: str) -> str:
    """The page on which a public name of `genmlx.distributions` stands; a second name stands on that of the first."""
    if exported in SETTINGS:
        return exported
    same = [name for name in SETTINGS if getattr(distributions, name) is getattr(distributions, exported)]
    if not same:
        raise LookupError(f"the family {exported!r} has no page: give it a row in docs/settings.py")
    return same[0]


def aliases(name: str) -> list[str]:
    """The other names of a family."""
    family = getattr(distributions, name)
    return [other for other in distributions.__all__ if other != name and getattr(distributions, other) is family]


def docstring(name: str) -> Docstring:
    """The parts of the docstring of a family: of its class, or of the function that makes its calls."""
    public = getattr(distributions, name)
    return _parts(type(public) if isinstance(public, Distribution) else public)


def meanings(name: str) -> dict[str, str]:
    """What each argument is, those of other parameterisations after one's own."""
    others = [_parts(type(form)).arguments for form in _forms(SETTINGS[name].calls[0].gen_fn)[1:]]
    found = docstring(name).arguments
    for other in others:
        found = {**found, **{argument: what for argument, what in other.items() if argument not in found}}
    return found


def _parts(documented: Any) -> Docstring:
    text = inspect.getdoc(documented) or ""
    head, *rest = re.split(rf"^({'|'.join(SECTIONS)}):$", text, flags=re.MULTILINE)
    parts = {
        title: textwrap.dedent(body.strip("\n")).strip() for title, body in zip(rest[::2], rest[1::2], strict=True)
    }
    summary, _, prose = head.strip().partition("\n\n")
    arguments = dict(re.findall(r"^(\w+): (.*(?:\n +.*)*)", parts.get("Args", ""), flags=re.MULTILINE))
    return Docstring(
        summary,
        prose,
        {argument: " ".join(meaning.split()) for argument, meaning in arguments.items()},
        parts.get("Example", ""),
        parts.get("References", ""),
    )


def methods(call: DistributionCall) -> dict[str, bool]:
    """Which of mean, variance, entropy, cdf and quantile the family has, by asking for them."""
    return {name: _gives(call, name) for name in METHODS}


def _gives(call: DistributionCall, name: str) -> bool:
    try:
        getattr(call, name)(*([0.5] if name in ("cdf", "quantile") else []))
    except (GenMLXError, NotImplementedError):
        return False
    return True


# The page of a family.


def page(name: str) -> str:
    """The page of a family, in Markdown."""
    parts, calls = docstring(name), SETTINGS[name].calls
    also = "".join(f" Also called `{other}`." for other in aliases(name))
    sections = [
        f"# {name}",
        f"{parts.summary}{also}",
        _display(parts.prose),
        f"![Density of {name}](figures/{name}.svg)",
        "## Parameters\n\n" + _rows(["parameter", "domain", "shape", "meaning"], _parameters(name)),
        _parameterisations(calls[0].gen_fn, name),
        "## What it has\n\n" + _rows(["", ""], _facts(name)),
        f"## Example\n\n```pycon\n{parts.example}\n```",
        f"## References and notes\n\n{parts.references}" if parts.references else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _display(prose: str) -> str:
    """The prose, with each formula that is set off in a paragraph of its own."""
    return re.sub(r"\n*^(\$\$.*?\$\$)[ ]*\n*", r"\n\n\1\n\n", prose, flags=re.MULTILINE | re.DOTALL).strip()


def _forms(family: Distribution) -> list[Distribution]:
    return [family, *family.alternatives.values()]


def _parameters(name: str) -> list[list[str]]:
    """A row for each argument."""
    found: dict[str, Domain] = {}
    for form in _forms(SETTINGS[name].calls[0].gen_fn):
        found = {**form.params, **found}
    rows = []
    for argument, meaning in meanings(name).items():
        domain = found.get(argument)
        if domain is None or domain is domains.any_value:
            kind = ["", ""]
        else:
            kind = [domain.name, RECTANGLE if domain is domains.real_matrix else SHAPES[domain.event_ndim]]
        rows.append([f"`{argument}`", *kind, meaning])
    return rows


def _parameterisations(family: Distribution, name: str) -> str:
    forms = _forms(family)
    if len(forms) == 1:
        return ""
    lines = [f"* `{name}({', '.join(forms[0].params)})`"]
    for form in forms[1:]:
        own = [p if p in forms[0].params else f"{p}=" for p in form.params]
        lines.append(f"* `{name}({', '.join(own)})`: {_parts(type(form)).summary}")
    text = "Each set of parameters stands for itself; mixtures of two sets are refused."
    return "## Parameterisations\n\n" + "\n".join(lines) + f"\n\n{text}"


def _facts(name: str) -> list[list[str]]:
    calls = SETTINGS[name].calls
    family = calls[0].gen_fn
    has = methods(calls[0])
    return [
        ["support", _support(name, calls)],
        ["one value", _event(calls[0]) + (", int32" if family.discrete else ", float32")],
        ["unconstrained by", _bijector(calls[0])],
        ["closed forms", ", ".join(f"`{m}`" for m, there in has.items() if there) or "none"],
        ["differentiable draws", _pathwise(family)],
    ]


def _support(name: str, calls: list[DistributionCall]) -> str:
    """The support, for each setting where it depends on the parameters."""
    shown = {call.support.name: text for text, call in zip(SETTINGS[name].texts, calls, strict=True)}
    return next(iter(shown)) if len(shown) == 1 else "; ".join(f"{what} for `{text}`" for what, text in shown.items())


def _event(call: DistributionCall) -> str:
    shape = call.gen_fn.event_shape(*call.args)
    return {0: "a number", 1: "a vector"}.get(len(shape), "a matrix") + (
        f", in the figure of shape `{shape}`" if shape else ""
    )


def _bijector(call: DistributionCall) -> str:
    try:
        return f"`{bijector_for(call.support)!r}`"
    except GenMLXError:
        return "nothing: it has no gradient" if call.gen_fn.discrete else "nothing"


def _pathwise(family: Distribution) -> str:
    if not family.pathwise:
        return "none"
    by = "`sample`" if type(family).rsample is Distribution.rsample else "`rsample`"
    return f"in {', '.join(f'`{p}`' for p in family.pathwise)}, by {by}"


# The table of all families.


def table() -> str:
    """The page with all families."""
    header = ["family", "support", "event", *METHODS, "draws differentiable in"]
    sections = ["# Distributions", INTRODUCTION]
    for group, rows in GROUPS.items():
        sections += [f"## {group}", _rows(header, [_summary(name) for name in rows])]
    listed = "\n".join(name for rows in GROUPS.values() for name in rows)
    sections.append(f"```{{toctree}}\n:hidden:\n\n{listed}\n```")
    return "\n\n".join(sections) + "\n"


def _summary(name: str) -> list[str]:
    calls = SETTINGS[name].calls
    family = calls[0].gen_fn
    supports = {call.support.name for call in calls}
    shape = family.event_shape(*calls[0].args)
    return [
        f"[{name}]({name}.md)" + "".join(f", `{other}`" for other in aliases(name)),
        supports.pop() if len(supports) == 1 else "by the parameters",
        _symbols(shape),
        *("✓" if there else "" for there in methods(calls[0]).values()),
        ", ".join(f"`{p}`" for p in family.pathwise),
    ]


def _symbols(shape: tuple[int, ...]) -> str:
    """The shape of a draw in letters, one for each different length."""
    letters = dict(zip(dict.fromkeys(shape), "nm", strict=False))
    listed = ",\u00a0".join(letters[size] for size in shape)
    return f"`({listed})`"


def _rows(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
