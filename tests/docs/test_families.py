"""Every family has a page and a figure, and the pages say what the families do."""

import importlib
import re
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

import genmlx as gm
from genmlx import distributions

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def docs():
    """The modules that write the site, which Sphinx finds beside its configuration."""
    names = ["families", "figures", "settings"]
    sys.path.insert(0, str(DOCS))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(DOCS))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def families(docs):
    return docs["families"]


def test_every_exported_family_has_a_page(families):
    for name in distributions.__all__:
        assert families.page_of(name) in families.SETTINGS, name


def test_a_family_without_a_row_is_told_where_to_give_it_one(families, monkeypatch):
    monkeypatch.delitem(families.SETTINGS, "gamma")
    with pytest.raises(LookupError, match=r"'gamma' has no page: give it a row in docs/settings\.py"):
        families.page_of("gamma")


def test_second_names_stand_on_the_page_of_the_first(families):
    assert families.aliases("normal") == ["broadcasted_normal", "gaussian"]
    assert families.aliases("bernoulli") == ["flip"]
    assert "`flip`" in families.page("bernoulli").split("\n## ")[0]


def test_every_row_is_two_or_three_settings_of_its_family(families):
    for name, shown in families.SETTINGS.items():
        own = {call.gen_fn.name for call in shown.calls}
        assert own == {name}, shown.texts
        assert 1 <= len(shown.texts) == len(set(shown.texts)) <= 3, shown.texts


def test_every_family_has_a_painter_that_knows_its_values(docs):
    figures, drawn = docs["figures"], {}
    for name, shown in docs["settings"].SETTINGS.items():
        drawn.setdefault(figures.painter(shown.calls[0]).__name__, []).append(name)
        shapes = {call.gen_fn.event_shape(*call.args) for call in shown.calls}
        assert shapes <= {(), (2,), (1, 2), (3,), (2, 2)}, name  # what painters can show
    assert "gamma" in drawn["curves"]
    assert "poisson" in drawn["masses"]
    assert "multivariate_normal" in drawn["planes"]
    assert drawn["triangles"] == ["dirichlet", "relaxed_categorical"]
    assert drawn["firsts"] == ["zero_sum_normal"]
    assert drawn["correlations"] == ["lkj", "lkj_cholesky", "wishart", "inv_wishart"]


@pytest.mark.parametrize("name", ["normal", "poisson"])
def test_a_figure_shows_the_density(docs, name, tmp_path):
    svg = docs["figures"].draw(name, tmp_path).read_text(encoding="utf-8")
    assert svg.lstrip().startswith("<?xml")
    shown = docs["settings"].SETTINGS[name]
    for text in shown.texts:
        assert f"<!-- {text} -->" in svg  # Matplotlib's comment beside the glyphs of a text
    figure = docs["figures"].Figure()
    docs["figures"].painter(shown.calls[0])(figure, shown)
    (axes,) = figure.axes
    for i, call in enumerate(shown.calls):
        if name == "normal":
            x, density = axes.lines[i].get_data()
        else:
            bars = axes.containers[i]
            x = np.round([bar.get_x() + bar.get_width() / 2 for bar in bars]).astype(int)
            density = np.array([bar.get_height() for bar in bars])
        np.testing.assert_allclose(density, np.exp(np.array(call.log_prob(mx.array(x)))), rtol=1e-6)


def test_every_page_is_whole(families):
    for name in families.SETTINGS:
        page = families.page(name)
        titles = re.findall(r"^## (.*)$", page, flags=re.MULTILINE)
        assert titles[0] == "Parameters", name
        assert {"What it has", "Example"} <= set(titles), name
        assert f"(figures/{name}.svg)" in page
        for formula in page.split("$$")[1::2]:  # set off, in a paragraph of its own
            assert f"\n\n$${formula}$$\n\n" in page, name


@pytest.mark.slow
def test_every_figure_can_be_drawn(docs, tmp_path):
    for name in docs["settings"].SETTINGS:
        assert docs["figures"].draw(name, tmp_path).stat().st_size > 2000


def test_a_page_has_the_parts_of_the_docstring(families):
    page = families.page("multivariate_normal")
    assert page.startswith("# multivariate_normal\n\nMultivariate normal distribution with mean vector and covariance")
    assert re.search(r"\n\n\$\$\\log p\(x\) = .*\$\$\n\n", page)
    assert "| `cov` | a symmetric positive definite matrix | `(...,\u00a0n,\u00a0n)` | covariance, symmetric" in page
    assert "* `multivariate_normal(mean, scale_tril=)`" in page
    assert "```pycon\n>>> call = multivariate_normal(" in page


def test_every_docstring_has_what_a_page_needs(families):
    for name in families.SETTINGS:
        parts = families.docstring(name)
        assert parts.summary.endswith((".", ":")) or "$" in parts.summary, name
        assert "$" in parts.summary + parts.prose, f"{name} has no formula"
        assert ">>> " in parts.example, f"{name} has no example"


def test_every_parameter_of_every_form_has_a_row_with_its_meaning(families):
    for name in families.SETTINGS:
        family = getattr(distributions, name)
        if isinstance(family, gm.Distribution):  # the functions (mixture, iid) have arguments, and rows for these
            forms = [family, *family.alternatives.values()]
            meanings = families.meanings(name)
            without = [p for form in forms for p in form.params if not meanings.get(p)]
            assert not without, f"the docstring of {name} does not say what they are"


def test_the_table_says_what_the_families_have(families):
    table = families.table()
    rows = {row.split("]")[0][3:]: row.split(" | ") for row in table.splitlines() if row.startswith("| [")}
    assert set(rows) == set(families.SETTINGS)
    # mean, variance, entropy, cdf, quantile
    assert [cell == "✓" for cell in rows["normal"][3:8]] == [True] * 5
    assert [cell == "✓" for cell in rows["half_cauchy"][3:8]] == [False, False, True, True, True]
    assert rows["dirichlet"][1:3] == ["a vector on the simplex (non-negative, sum 1)", "`(n)`"]
    assert [rows[name][2] for name in ("gamma", "wishart", "matrix_normal")] == [
        "`()`",
        "`(n,\u00a0n)`",
        "`(n,\u00a0m)`",
    ]
    assert rows["uniform"][1] == "by the parameters"
    assert "`mu`, `sigma` |" in rows["normal"][8]


def test_every_public_name_is_described():
    described = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.rst"))
    named = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)$", described, flags=re.MULTILINE))
    modules = {"control", "domains", "kernels", "linalg", "special"}
    missing = [
        name
        for name in gm.__all__
        if name not in named
        and name not in {"__version__", *distributions.__all__}
        and not (name in modules and getattr(gm, name).__name__ in named)
    ]
    assert not missing, "give them a line in docs/api"
