from importlib import metadata

import pytest

from genmlx.cli import doctor
from genmlx.cli.main import main
from genmlx.numerics.errors import UsageError


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"genmlx {metadata.version('genmlx')}\n"


def test_without_a_command_the_usage_names_the_commands(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "demo" in printed
    assert "doctor" in printed


def test_our_own_errors_are_printed_without_a_traceback(capsys, monkeypatch):
    def fail(arguments):
        raise UsageError("the [bold] thing broke", fix="another thing")

    monkeypatch.setattr(doctor, "run", fail)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == "the [bold] thing broke\n  instead: another thing\n"


def test_ctrl_c_is_no_traceback(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupted)
    assert main(["doctor"]) == 130
