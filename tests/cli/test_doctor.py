import sys

import mlx.core as mx
import pytest

from genmlx.cli import doctor
from genmlx.cli.main import main


@pytest.fixture
def compiler(tmp_path):
    """Makes a command that answers ``--version`` like a compiler, or breaks."""

    def make(name, version="toy C++ 1.0\nand more", exit_code=0):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nprintf '{version}\\n'\nexit {exit_code}\n")
        path.chmod(0o755)
        return path

    return make


def test_doctor_shows_versions_device_memory_and_compiler(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for text in ("genmlx", mx.__version__, "optree", "arviz-stats", "default device", "GPU", "active", "C++ compiler"):
        assert text in printed
    assert "GenMLX is ready." in printed


def test_doctor_fails_when_mlx_cannot_compute(capsys, monkeypatch):
    def broken():
        return RuntimeError("no such device")

    monkeypatch.setattr(doctor, "_try_mlx", broken)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "MLX cannot compute here: no such device" in printed
    assert "ready" not in printed


def test_doctor_says_how_to_get_the_cuda_library_back(capsys, monkeypatch):
    if mx.is_available(mx.gpu):
        pytest.skip("there is a GPU here")
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: "0.32.4" if package == "mlx-cuda-12" else real(package))
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["doctor"]) == 0
    assert "pip install --force-reinstall --no-deps mlx-cuda-12==0.32.4" in capsys.readouterr().out


def test_cxx_is_tried_first_and_may_have_arguments(compiler, monkeypatch):
    path = compiler("mycxx")
    monkeypatch.setenv("CXX", f"{path} -march=native")
    assert doctor.find_compiler() == doctor.Compiler((str(path), "-march=native"), "toy C++ 1.0")


def test_the_compilers_on_the_path_are_tried_in_order(compiler, monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None)
    paths = [compiler(name) for name in ("c++", "g++", "clang++")]
    assert list(doctor._compiler_candidates()) == [(str(path),) for path in paths]


def test_a_compiler_that_does_not_answer_is_passed_over(compiler, monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    compiler("c++", exit_code=1)
    good = compiler("clang++", version="clang 99")
    assert doctor.find_compiler() == doctor.Compiler((str(good),), "clang 99")


def test_the_compiler_of_the_ziglang_wheel_is_the_last_resort(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: object() if name == "ziglang" else None)
    assert list(doctor._compiler_candidates()) == [(sys.executable, "-m", "ziglang", "c++")]


def test_without_a_compiler_the_report_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "find_compiler", lambda: None)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["doctor"]) == 0  # compiled loops only need it
    assert "pip install ziglang" in capsys.readouterr().out
