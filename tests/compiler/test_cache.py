import errno
import os
import stat
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import pytest

from genmlx.compiler.runtime import (
    CacheWarning,
    CompileError,
    CompileTimeout,
    LibraryError,
    cache,
    library,
    load,
    open_cache,
)
from genmlx.compiler.runtime.cache import Cache, cache_folder, entry_name
from genmlx.numerics.errors import UsageError
from helpers import kernels

NAME = "0123456789abcdef"


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """A cache folder that does not exist yet, and a process that has opened none."""
    monkeypatch.setattr(cache, "_open", {})
    monkeypatch.setattr(cache, "_temporary", {})
    monkeypatch.setenv("GENMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def on_disk(monkeypatch):
    """Compiles a source without loading it, as if another process had done so; its library."""

    def compile_only(text):
        with monkeypatch.context() as patch:
            patch.setattr(library, "_loaded", {})
            patch.setattr(library.ctypes, "CDLL", lambda path: None)
            path = load(text).path
        monkeypatch.setattr(library, "_loaded", {})
        return path

    return compile_only


def fake_compile(source, target):
    target.write_text("compiled " + source.read_text())


def entries(folder):
    return sorted(path.name for path in (folder / "kernels").iterdir())


# ---- the folder ---------------------------------------------------------------------------------------------------------


def test_the_folder_is_chosen_by_the_environment(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/home/her")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/hers")
    assert cache_folder() == Path(os.environ["GENMLX_CACHE"])
    monkeypatch.delenv("GENMLX_CACHE")
    assert cache_folder() == Path("/var/hers/genmlx")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored
    assert cache_folder() == Path("/home/her/.cache/genmlx")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path("/home/her/Library/Caches/genmlx")
    monkeypatch.setenv("GENMLX_CACHE", "~/mine")
    assert cache_folder() == Path("/home/her/mine")


def test_a_user_without_a_home_has_a_folder_all_the_same(monkeypatch):
    monkeypatch.delenv("GENMLX_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache_folder() == Path(f"/tmp/genmlx-{os.geteuid()}")


def test_the_folder_is_made_for_the_user_alone(folder):
    before = os.umask(0)
    try:
        open_cache().build(NAME, "text", fake_compile)
    finally:
        os.umask(before)
    made = [folder, folder / "kernels", folder / "kernels" / NAME]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o700] * 3


def assert_falls_back(folder, reason):
    """One warning that says why; kernels compile and run; the refused folder is not used."""
    with pytest.warns(CacheWarning, match=reason) as caught:
        assert open_cache().folder != folder
    assert len(caught) == 1
    assert "GENMLX_CACHE=" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = open_cache().build(NAME, "text", fake_compile)
    assert stat.S_IMODE(open_cache().folder.stat().st_mode) == 0o700
    assert folder not in path.parents


def test_a_folder_of_another_user_is_refused(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    real = os.stat

    def foreign(path, *args, **kwargs):
        status = real(path, *args, **kwargs)
        if Path(path) != folder:
            return status
        return os.stat_result([*status[:4], status.st_uid + 1, *status[5:]])

    monkeypatch.setattr(os, "stat", foreign)
    assert_falls_back(folder, "belongs to another user")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    assert_falls_back(folder, f"other users may write to it .its mode is {mode:o}")
    assert not list(folder.iterdir())


def test_a_file_in_place_of_the_folder_is_refused(folder):
    folder.write_text("")
    assert_falls_back(folder, "it is not a folder")


def test_a_folder_that_cannot_be_made_is_replaced(folder, monkeypatch):
    real = os.mkdir

    def refuse(path, *args, **kwargs):
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", refuse)
    assert_falls_back(folder, "Permission denied")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_no_more_is_replaced_when_it_is_written_to(folder, monkeypatch, number):
    real = Path.write_text

    def refuse(path, *args):
        if folder in path.parents and path.name == "kernel.cpp":
            raise OSError(number, os.strerror(number))
        return real(path, *args)

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(library, "_loaded", {})
    with pytest.warns(CacheWarning, match=os.strerror(number)) as caught:
        loaded = load(kernels.DOUBLE)
    assert len(caught) == 1
    assert folder not in loaded.path.parents
    assert entries(folder) == []
    assert load(kernels.COUNT).path.parents[1] == loaded.path.parents[1]  # and says nothing


def test_a_folder_that_vanishes_is_made_again(folder):
    opened = open_cache()
    opened.build(NAME, "text", fake_compile)
    subprocess.run(["rm", "-r", folder], check=True)
    assert opened.find(NAME) is None
    opened.build(NAME, "text", fake_compile)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_temporary_folder_goes_with_its_process(folder):
    folder.write_text("")
    code = "from genmlx.compiler.runtime import open_cache; print(open_cache().folder)"
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert Path(answer.stdout.strip()).name.startswith("genmlx-")
    assert not Path(answer.stdout.strip()).exists()


# ---- entries ------------------------------------------------------------------------------------------------------------


def test_the_name_depends_on_everything_that_makes_the_library(monkeypatch):
    first = ("source", ("-O3",), "compiler")
    others = [
        ("source2", ("-O3",), "compiler"),
        ("source", ("-O2",), "compiler"),
        ("source", (), "compiler"),
        ("source", ("-O3",), "compiler2"),
        ("source", ("-O", "3"), "compiler"),  # no boundary is lost
        ("source-O3", (), "compiler"),
    ]
    names = [entry_name(*parts, cpu="cpu") for parts in [first, *others]]
    names += [entry_name(*first, cpu="cpu2")]
    monkeypatch.setattr(cache, "ABI_VERSION", 2)
    names += [entry_name(*first, cpu="cpu")]
    assert len(set(names)) == len(names)
    assert entry_name(*first, cpu="cpu") == names[-1]


def test_an_entry_is_found_and_holds_its_source(folder):
    opened = open_cache()
    assert opened.find(NAME) is None
    path = opened.build(NAME, "text", fake_compile)
    assert opened.find(NAME) == path
    assert path.read_text() == "compiled text"
    assert path.with_name("kernel.cpp").read_text() == "text"
    assert entries(folder) == [NAME]


def truncate(entry):
    data = (entry / "kernel.so").read_bytes()
    (entry / "kernel.so").write_bytes(data[: len(data) // 2])


def flip_a_bit(entry):
    data = bytearray((entry / "kernel.so").read_bytes())
    data[len(data) // 2] ^= 1
    (entry / "kernel.so").write_bytes(data)


FAULTS = {
    "truncated": truncate,
    "a bit flipped": flip_a_bit,
    "empty": lambda entry: (entry / "kernel.so").write_bytes(b""),
    "no library": lambda entry: (entry / "kernel.so").unlink(),
    "no hash": lambda entry: (entry / "sha256").unlink(),
    "half a hash": lambda entry: (entry / "sha256").write_text("12"),
    "another hash": lambda entry: (entry / "sha256").write_text("0" * 64),
    "a folder for a file": lambda entry: ((entry / "kernel.so").unlink(), (entry / "kernel.so").mkdir()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_corrupt_entry_is_made_anew(folder, fault, on_disk):
    text = kernels.source(f"*(int*)outputs[0] = {list(FAULTS).index(fault)}; return 0;")  # one that is not loaded yet
    path = on_disk(text)
    FAULTS[fault](path.parent)
    assert load(text).path == path
    assert open_cache().find(path.parent.name) == path
    assert entries(folder) == [path.parent.name]


def test_a_library_that_the_system_refuses_is_made_anew(folder, on_disk):
    text = kernels.source("*(int*)outputs[0] = -1; return 0;")
    path = on_disk(text)
    name = path.parent.name
    open_cache().discard(name)
    open_cache().build(name, "not a library", fake_compile)  # whole, by its hash
    assert load(text).path == path
    assert path.with_name("kernel.cpp").read_text() == text


def test_a_library_that_the_system_never_takes_is_an_error_that_says_so(folder, monkeypatch):
    def refuse(path):
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(library.ctypes, "CDLL", refuse)
    with pytest.raises(LibraryError, match=r"failed to map segment[\s\S]*noexec.*GENMLX_CACHE"):
        load(kernels.source("return 0; // not mounted for programs"))


@pytest.mark.parametrize("fault", [KeyboardInterrupt, CompileTimeout(1.0), ValueError])
def test_an_interrupted_compilation_leaves_nothing_behind(folder, fault):
    def interrupted(source, target):
        target.write_text("half a lib")
        raise fault

    with pytest.raises(fault if isinstance(fault, type) else type(fault)):
        open_cache().build(NAME, "text", interrupted)
    assert entries(folder) == []
    assert open_cache().find(NAME) is None


def test_ctrl_c_ends_the_compiler_and_leaves_nothing_behind(folder, tmp_path):
    compiler = tmp_path / "c++"  # compiles the small programs, and hangs at a kernel
    compiler.write_text(
        f'#!/bin/sh\nfor a; do case "$a" in *kernel.cpp) echo $$ > {tmp_path}/pid; exec sleep 600;; esac; done\nexec c++ "$@"\n'
    )
    compiler.chmod(0o755)
    code = "from genmlx.compiler.runtime import load; load('int x;')"
    environment = {**os.environ, "GENMLX_CXX": str(compiler)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    process.send_signal(2)
    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert entries(folder) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_refused_source_is_saved_with_what_the_compiler_said(folder):
    with pytest.raises(CompileError, match=r"in .*/failed/.*\.cpp") as caught:
        load("int f() { return nonsense; }")
    path = Path(caught.value.where)
    assert path.read_text() == "int f() { return nonsense; }"
    assert "nonsense" in path.with_suffix(".log").read_text()
    assert folder in path.parents
    assert entries(folder) == []


def test_who_comes_second_takes_what_the_first_made(folder):
    opened = open_cache()

    def slow(source, target):
        Cache(folder).build(NAME, "theirs", fake_compile)  # another process, meanwhile
        fake_compile(source, target)

    assert opened.build(NAME, "ours", slow).read_text() == "compiled theirs"
    assert entries(folder) == [NAME]


def test_who_comes_second_replaces_what_is_corrupt(folder):
    opened = open_cache()

    def slow(source, target):
        truncate(Cache(folder).build(NAME, "theirs", fake_compile).parent)
        fake_compile(source, target)

    assert opened.build(NAME, "ours", slow).read_text() == "compiled ours"
    assert entries(folder) == [NAME]


PROCESS = """
    import sys, time
    from pathlib import Path
    import mlx.core as mx
    from genmlx.compiler.runtime import find_toolchain
    from helpers import kernels
    find_toolchain()
    folder = Path(sys.argv[1])
    (folder / sys.argv[2]).touch()
    while len(list(folder.iterdir())) < 4: time.sleep(0.001)
    print(kernels.double()([mx.arange(10).astype(mx.float32)])[0].sum().item())
"""


def python(code, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **options)


def test_processes_that_compile_the_same_at_once_all_succeed(folder, tmp_path):
    (tmp_path / "ready").mkdir()
    processes = [python(PROCESS, tmp_path / "ready", i) for i in range(4)]
    for process in processes:
        answer, _ = process.communicate(timeout=120)
        assert (process.returncode, answer) == (0, "90.0\n")
    assert len(entries(folder)) == 2  # the kernel and the launcher, and no scratch folder


# ---- size ---------------------------------------------------------------------------------------------------------------


def test_the_least_recently_used_go_when_the_limit_is_exceeded(folder, monkeypatch):
    opened = open_cache()
    for i in range(5):
        path = opened.build(f"entry{i}", "x" * 150_000, fake_compile)  # twice: source and library
        os.utime(path.with_name("sha256"), (i, i))
    opened.find("entry0")  # now the latest
    monkeypatch.setenv("GENMLX_CACHE_MB", "1")
    opened.trim()
    assert entries(folder) == ["entry0", "entry4"]  # at most 80% of the limit remain


def test_a_new_process_looks_at_the_size_when_it_stores(folder, monkeypatch):
    open_cache().build("old", "x" * 600_000, fake_compile)
    monkeypatch.setenv("GENMLX_CACHE_MB", "1")
    Cache(folder).build("new", "x", fake_compile)
    assert entries(folder) == ["new"]


def test_a_limit_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("GENMLX_CACHE_MB", "lots")
    with pytest.raises(UsageError, match="a number of megabytes"):
        open_cache().build(NAME, "text", fake_compile)


def test_what_killed_processes_left_is_removed_and_what_is_being_built_is_not(folder):
    opened = open_cache()
    opened.build(NAME, "text", fake_compile)
    for name, age in (("building-old", 7200), ("building-young", 60)):
        (folder / "kernels" / name).mkdir()
        then = time.time() - age
        os.utime(folder / "kernels" / name, (then, then))
    opened.trim()
    assert entries(folder) == [NAME, "building-young"]


# ---- the second process -------------------------------------------------------------------------------------------------

WARM = """
    import sys, time
    import mlx.core, genmlx.compiler.runtime as runtime
    from genmlx.compiler.runtime import toolchain
    from helpers import kernels
    before = set(sys.modules)
    start = time.perf_counter()
    runtime.load(kernels.DOUBLE)
    print(time.perf_counter() - start, *sorted(set(sys.modules) - before))
"""


def test_a_second_process_loads_at_once_and_runs_no_compiler():
    for _ in range(2):
        process = python(WARM, stderr=subprocess.PIPE)
        answer, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    seconds, *modules = answer.split()
    print(f"source to library, warm: {1e3 * float(seconds):.2f} ms")
    assert not {"subprocess", "tempfile", "shutil", "json"} & set(modules)
    assert float(seconds) < 0.1  # a hundred times what it takes, and a tenth of what the compiler takes
