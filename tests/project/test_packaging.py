import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import genmlx as gm

ROOT = Path(__file__).parents[2]


def test_python_m_genmlx_is_the_command():
    answer = subprocess.run([sys.executable, "-m", "genmlx", "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout == f"genmlx {metadata.version('genmlx')}\n"


def test_the_version_is_one_and_the_changelog_knows_it():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert metadata.version("genmlx") == gm.__version__ == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_type_information_is_shipped():
    assert (ROOT / "src" / "genmlx" / "py.typed").exists()
