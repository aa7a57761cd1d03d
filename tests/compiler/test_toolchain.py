import errno
import os
import time
from pathlib import Path

import pytest

from genmlx.compiler.runtime import CompileError, CompilerNotFound, CompileTimeout, find_toolchain, toolchain
from genmlx.numerics.errors import UsageError

REAL = next(c for c in toolchain.candidates() if c.command).program
PATH = os.environ["PATH"]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    """Nothing is known of any compiler, and no variable names one."""
    monkeypatch.setattr(toolchain, "_found", {})
    monkeypatch.setenv("GENMLX_CACHE", str(tmp_path / "cache"))
    for name in ("GENMLX_CXX", "CXX", "GENMLX_COMPILE_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def program(tmp_path):
    """Makes a program that stands where a compiler might."""

    def make(name, script=f'exec {REAL} "$@"', folder="bin"):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nexport PATH='{PATH}'\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def no_runs(monkeypatch):
    """From when it is called, no compiler may be run."""

    def refuse(*args):
        raise AssertionError(f"a compiler was run: {args}")

    return lambda: monkeypatch.setattr(toolchain, "run_compiler", refuse)


def origins():
    return [(c.origin, c.command[:1]) for c in toolchain.candidates() if c.command]


# ---- which compiler ---------------------------------------------------------------------------------------------------


def test_the_compilers_on_the_path_are_tried_in_order(program, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(toolchain.util, "find_spec", lambda name: None)
    paths = {name: (str(program(name)),) for name in ("clang++", "g++", "c++")}
    assert origins() == [(name, paths[name]) for name in ("c++", "g++", "clang++")]


def test_cxx_is_tried_first_and_may_have_arguments(program, monkeypatch):
    path = program("my compiler")
    monkeypatch.setenv("CXX", f"'{path}' -pipe")
    found = find_toolchain()
    assert found.command == (str(path), "-pipe")
    assert found.version  # the real one answers


def test_where_genmlx_cxx_is_set_nothing_else_is_tried(program, monkeypatch):
    program("broken", "exit 1")
    monkeypatch.setenv("CXX", REAL)
    monkeypatch.setenv("GENMLX_CXX", str(program("broken", "echo 'no licence'; exit 1")))
    with pytest.raises(CompilerNotFound, match=r"GENMLX_CXX: .*broken: no licence"):
        find_toolchain()


@pytest.mark.parametrize("script", ["exit 1", "echo version 1", "exec /no/such/program"])
def test_a_compiler_that_does_not_compile_is_passed_over(program, monkeypatch, script):
    monkeypatch.setenv("CXX", str(program("broken", script)))
    assert find_toolchain().command[0] == REAL


def test_the_compiler_of_the_ziglang_wheel_is_the_last_resort(monkeypatch, tmp_path):
    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(toolchain.util, "find_spec", lambda name: Spec if name == "ziglang" else None)
    last = list(toolchain.candidates())[-1]
    assert last.command[1:] == ("-m", "ziglang", "c++")
    assert last.program == Spec.origin


def test_without_any_compiler_the_error_lists_what_was_tried_and_what_to_install(program, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(toolchain.util, "find_spec", lambda name: None)
    program("g++", "echo 'cannot execute cc1plus'; exit 1")
    with pytest.raises(CompilerNotFound) as caught:
        find_toolchain()
    text = str(caught.value)
    for part in (
        "no C++ compiler was found",
        "c++: not on the PATH",
        "cannot execute cc1plus",
        "clang++: not on the PATH",
        "ziglang: not installed",
        "apt install g++",
        "xcode-select --install",
        "pip install 'genmlx[compiler]'",
    ):
        assert part in text


# ---- what is known of it ------------------------------------------------------------------------------------------------


def test_a_second_process_finds_the_record_and_runs_no_compiler(no_runs, monkeypatch):
    first = find_toolchain()
    no_runs()
    monkeypatch.setattr(toolchain, "_found", {})
    assert find_toolchain() == first


def test_another_compiler_at_the_same_place_is_asked_anew(program, monkeypatch):
    path = program("c++")
    monkeypatch.setenv("GENMLX_CXX", str(path))
    first = find_toolchain()
    monkeypatch.setattr(toolchain, "_found", {})
    program("c++", f'[ "$1" = --version ] && echo newer && exit; exec {REAL} "$@"')
    second = find_toolchain()
    assert second.version == "newer"
    assert second.identity != first.identity  # so the kernels of the first are not found


@pytest.mark.parametrize("text", ["", "('/usr/bin/c++',", "(1, 2)", "(('x',), 'v', (), 16, 'other')", "\0"])
def test_half_a_record_is_written_anew(monkeypatch, tmp_path, text):
    first = find_toolchain()
    (record,) = (tmp_path / "cache" / "toolchains").iterdir()
    whole = record.read_text()
    record.write_text(text)
    monkeypatch.setattr(toolchain, "_found", {})
    assert find_toolchain() == first
    assert record.read_text() == whole


def test_flags_that_the_compiler_does_not_know_are_left_out(program, monkeypatch):
    unknown = "-march=native|-fno-trapping-math"
    path = program("c++", f'for a; do case "$a" in {unknown}) echo unknown $a; exit 1;; esac; done; exec {REAL} "$@"')
    monkeypatch.setenv("GENMLX_CXX", str(path))
    flags = find_toolchain().flags
    assert not set(unknown.split("|")) & set(flags)
    assert "-fno-math-errno" in flags


def test_a_compiler_without_vector_types_is_refused(program, monkeypatch):
    script = f'for a; do case "$a" in *.cpp) grep -q vector_size $a && echo no vectors && exit 1;; esac; done; exec {REAL} "$@"'
    monkeypatch.setenv("GENMLX_CXX", str(program("c++", script)))
    with pytest.raises(CompilerNotFound, match="no vectors"):
        find_toolchain()


def test_the_vector_width_is_that_of_the_machine():
    try:
        features = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].split()
    except FileNotFoundError:
        pytest.skip("no /proc/cpuinfo")
    assert find_toolchain().vector_bytes == (64 if "avx512f" in features else 32 if "avx" in features else 16)


# ---- compiling ----------------------------------------------------------------------------------------------------------


def compile_text(text, folder, **options):
    (folder / "kernel.cpp").write_text(text)
    find_toolchain().compile(folder / "kernel.cpp", folder / "kernel.so", **options)


def test_no_shell_reads_the_arguments(tmp_path):
    folder = tmp_path / "a b; touch surprise; $(touch surprise)"
    folder.mkdir()
    compile_text("int x;", folder)
    assert (folder / "kernel.so").exists()
    assert not list(tmp_path.rglob("surprise"))


def test_a_refused_source_shows_the_first_lines_and_whose_fault_it_is(tmp_path):
    with pytest.raises(CompileError) as caught:
        compile_text("int f() { return nonsense; }\n" * 30, tmp_path)
    text = str(caught.value)
    assert "nonsense" in text
    assert "exit code 1" in text
    assert "bug of GenMLX" in text
    assert len(text.splitlines()) < 20 < len(caught.value.output.splitlines())


def test_a_compiler_that_is_killed_says_by_what(program, monkeypatch, tmp_path):
    find_toolchain()
    killed = find_toolchain()._replace(command=(str(program("killed", "kill -9 $$")),))
    (tmp_path / "kernel.cpp").write_text("")
    with pytest.raises(CompileError, match="killed by signal 9"):
        killed.compile(tmp_path / "kernel.cpp", tmp_path / "kernel.so")


def test_a_compiler_that_hangs_is_ended_with_all_that_it_started(program, tmp_path):
    # The child holds the pipe open, as cc1plus does: ending the driver alone would wait for it.
    slow = find_toolchain()._replace(command=(str(program("slow", f"sleep 600 & echo $! > {tmp_path}/child; wait")),))
    (tmp_path / "kernel.cpp").write_text("")
    start = time.monotonic()
    with pytest.raises(CompileTimeout, match=r"within 0.5 s\n.*GENMLX_COMPILE_TIMEOUT=5"):
        slow.compile(tmp_path / "kernel.cpp", tmp_path / "kernel.so", timeout=0.5)
    assert time.monotonic() - start < 10
    assert gone(int((tmp_path / "child").read_text()))


def gone(process, seconds=5.0):
    """Whether a process has ended, or does so soon (one that nobody waits for remains as a zombie)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(process, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_the_time_limit_comes_from_the_environment(monkeypatch):
    assert toolchain.compile_timeout() == 60
    monkeypatch.setenv("GENMLX_COMPILE_TIMEOUT", "2.5")
    assert toolchain.compile_timeout() == 2.5


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_a_time_limit_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("GENMLX_COMPILE_TIMEOUT", text)
    with pytest.raises(UsageError, match="a number of seconds"):
        toolchain.compile_timeout()


def test_a_full_disk_is_no_fault_of_the_source(program, tmp_path):
    script = "echo 'ld: final link failed: No space left on device'; exit 1"
    full = find_toolchain()._replace(command=(str(program("full", script)),))
    (tmp_path / "kernel.cpp").write_text("")
    with pytest.raises(OSError) as caught:
        full.compile(tmp_path / "kernel.cpp", tmp_path / "kernel.so")
    assert caught.value.errno == errno.ENOSPC


def test_the_files_of_the_compiler_itself_stay_in_the_folder(program, tmp_path):
    shows = find_toolchain()._replace(command=(str(program("shows", "echo $TMPDIR; pwd; exit 1")),))
    (tmp_path / "kernel.cpp").write_text("")
    with pytest.raises(CompileError) as caught:
        shows.compile(tmp_path / "kernel.cpp", tmp_path / "kernel.so")
    assert caught.value.output.split() == [str(tmp_path)] * 2
