"""The pages of docs/ run as written: ```python blocks are executed, ```pycon blocks compared with what they show."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
INDEX = DOCS / "index.md"  # its chains take ten seconds; the README runs the same model in the fast tests
PAGES = [INDEX, *sorted(DOCS.glob("concepts/*.md"))]
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def run(page, text):
    """Run the blocks of a page in order, in one namespace; the failures, as doctest words them."""
    names, report = {}, []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for kind, code in BLOCK.findall(text):
        if kind == "python":
            exec(compile(code, page, "exec"), names)
        else:
            example = doctest.DocTestParser().get_doctest(code, names, page, page, 0)
            runner.run(example, out=report.append, clear_globs=False)
            names.update(example.globs)
    return "".join(report)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page is INDEX else [], id=page.stem) for page in PAGES],
)
def test_a_page_runs_as_written(page):
    text = page.read_text(encoding="utf-8")
    assert BLOCK.search(text)
    assert not run(page.name, text)


def test_a_wrong_result_and_a_wrong_program_are_seen():
    assert "Expected:" in run("page", "```python\nx = 1\n```\n\n```pycon\n>>> x\n2\n```\n")
    with pytest.raises(NameError):
        run("page", "```python\nmissing\n```\n")


def test_every_block_of_python_is_run():
    # A block under another name for the language would be shown and never run.
    for page in PAGES:
        languages = set(re.findall(r"^```(\w+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert languages <= {"python", "pycon", "sh"}, page
