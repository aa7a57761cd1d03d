import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(config: Path) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports({str(config)!r}, no_cache=True))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def test_imports_follow_the_layers():
    pytest.importorskip("importlinter")
    answer = lint_imports(ROOT / "pyproject.toml")
    assert answer.returncode == 0, answer.stdout


def test_the_contracts_see_an_upward_import(tmp_path):
    # The same contracts with two layers exchanged must fail: the tool looks at our imports, and it is not silent.
    pytest.importorskip("importlinter")
    text = (ROOT / "pyproject.toml").read_text()
    exchanged = text.replace('    "core | data",', '    "@",').replace('    "numerics",', '    "core | data",')
    upside_down = exchanged.replace('    "@",', '    "numerics",')
    assert upside_down != text
    config = tmp_path / "pyproject.toml"
    config.write_text(upside_down)
    answer = lint_imports(config)
    assert answer.returncode == 1, answer.stdout
    assert "numerics" in answer.stdout
