import mlx.core as mx
import pytest

from genmlx.cli import doctor
from genmlx.cli.main import main


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


def test_without_a_compiler_the_report_says_what_was_tried_and_what_to_install(capsys, monkeypatch):
    monkeypatch.setenv("GENMLX_CXX", "/no/such/compiler")
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["doctor"]) == 0  # compiled loops only need it
    printed = capsys.readouterr().out
    assert "GENMLX_CXX: '/no/such/compiler' is not a program" in printed
    assert "genmlx[compiler]" in printed  # the brackets are no markup
