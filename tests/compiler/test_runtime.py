import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import mlx.core as mx
import numpy as np
import pytest

from genmlx.compiler.runtime import ArraySpec, Kernel, KernelError, load, usable_cores
from genmlx.compiler.runtime.kernel import NUMPY_TYPES
from genmlx.numerics.errors import ShapeError, UsageError
from helpers import kernels

F32 = mx.float32
FOREVER = 2**62


def kernel(body, inputs=(), outputs=(), before="", **options):
    specs = [[ArraySpec(dtype, shape) for dtype, shape in side] for side in (inputs, outputs)]
    return Kernel(load(kernels.source(body, before)), *specs, **options)


# ---- loading ------------------------------------------------------------------------------------------------------------


def test_one_source_is_one_library():
    assert load(kernels.DOUBLE) is load(kernels.DOUBLE)
    assert load(kernels.DOUBLE) is not load(kernels.DOUBLE, flags=["-O1"])


def test_threads_that_load_one_source_compile_it_once(monkeypatch, tmp_path):
    from genmlx.compiler.runtime import cache

    monkeypatch.setattr(cache, "_open", {})
    monkeypatch.setenv("GENMLX_CACHE", str(tmp_path))
    builds, real = [], cache.Cache.build
    monkeypatch.setattr(cache.Cache, "build", lambda *args: builds.append(1) or real(*args))
    text = kernels.source("*(int*)outputs[0] = 17; return 0;")
    found = in_threads(8, lambda: load(text))
    assert len(builds) == 1
    assert all(library is found[0] for library in found)


def in_threads(n, function):
    """What the function returns in each of n threads at once."""
    results, barrier = [None] * n, threading.Barrier(n)

    def run(i):
        barrier.wait()
        results[i] = function()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- arrays in and out --------------------------------------------------------------------------------------------------


def test_a_kernel_computes():
    (y,) = kernels.double()([mx.arange(10).astype(F32)])
    np.testing.assert_array_equal(np.array(y), 2.0 * np.arange(10))


BYTES = """
    const char* from = (const char*)inputs[0]; char* to = (char*)outputs[0];
    for (int64_t i = 0; i < BYTES; ++i) to[i] = from[i];
    return 0;
"""


def copier(dtype, shape):
    """A kernel that copies its input byte by byte."""
    size = ArraySpec(dtype, shape).nbytes
    return kernel(BYTES.replace("BYTES", str(size)), [(dtype, shape)], [(dtype, shape)])


@pytest.mark.parametrize("dtype", NUMPY_TYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0, 4)], ids=str)
def test_every_dtype_passes_unchanged(dtype, shape):
    values = np.random.default_rng(0).integers(0, 2, shape).astype(NUMPY_TYPES[dtype]) * NUMPY_TYPES[dtype](1)
    (y,) = copier(dtype, shape)([mx.array(values, dtype=dtype)])
    assert (y.dtype, y.shape) == (dtype, shape)
    np.testing.assert_array_equal(np.array(y), values)


def test_the_bits_of_floats_and_keys_are_kept():
    odd = [np.nan, -np.inf, np.inf, -0.0, 1e-45, 3.4e38]
    (y,) = copier(F32, (6,))([mx.array(odd)])
    np.testing.assert_array_equal(np.array(y).view(np.uint32), np.array(odd, np.float32).view(np.uint32))
    (y,) = copier(mx.float64, (1,))([mx.array(np.array([1 + 1e-15]), dtype=mx.float64)])
    assert np.array(y)[0] == 1 + 1e-15
    key = mx.random.key(2**63 + 5)
    (y,) = copier(mx.uint32, (2,))([key])
    assert mx.array_equal(y, key)


BASE = np.arange(24, dtype=np.float32).reshape(4, 6)
VIEWS = {
    "transposed": lambda x: x.T,
    "every second row": lambda x: x[::2],
    "every second column": lambda x: x[:, ::2],
    "reversed": lambda x: x[::-1],
    "a column": lambda x: x[:, 2:3],
    "rows from the middle": lambda x: x[1:3],
    "nothing of it": lambda x: x[2:2, ::2],
    "broadcast": lambda x: (mx if isinstance(x, mx.array) else np).broadcast_to(x[0], (5, 6)),
    "one number broadcast": lambda x: (mx if isinstance(x, mx.array) else np).broadcast_to(x[1, 1], (3, 2)),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [mx.float32, mx.float64])
def test_inputs_need_not_be_dense(view, dtype):
    with mx.stream(mx.cpu):
        x = VIEWS[view](mx.array(BASE).astype(dtype))
    (y,) = copier(dtype, x.shape)([x])
    np.testing.assert_array_equal(np.array(y), VIEWS[view](BASE))


def test_the_dense_copy_of_an_input_lives_as_long_as_the_call():
    before = mx.set_cache_limit(0)  # MLX gives freed memory back at once, and the system writes its own notes there
    try:
        for _ in range(20):
            (y,) = copier(F32, (6, 4))([mx.array(BASE).T])
            np.testing.assert_array_equal(np.array(y), BASE.T)
    finally:
        mx.set_cache_limit(before)


def test_an_input_that_is_not_evaluated_yet_is_evaluated():
    (y,) = kernels.double()([mx.ones(10) + mx.ones(10)])
    assert y.tolist() == [4.0] * 10


def test_a_traced_input_is_an_error_of_mlx_and_not_the_end_of_the_process():
    with pytest.raises(ValueError, match="eval an array during function transformations"):
        mx.vmap(lambda x: kernels.double()([x])[0])(mx.zeros((3, 10)))


def test_outputs_are_new_arrays_and_inputs_stay():
    x = mx.arange(10).astype(F32)
    double = kernels.double()
    first, second = double([x])[0], double([x + 1.0])[0]
    assert first.tolist() == [2.0 * i for i in range(10)]
    assert second.tolist() == [2.0 * i + 2 for i in range(10)]
    assert x.tolist() == list(range(10))


def test_no_inputs_and_several_outputs():
    body = "*(float*)outputs[0] = 1; ((int32_t*)outputs[1])[1] = 2; *(char*)outputs[2] = 1; return 0;"
    a, b, c = kernel(body, [], [(F32, ()), (mx.int32, (2, 1)), (mx.bool_, ())])([])
    assert (a.item(), b.tolist(), c.item()) == (1.0, [[0], [2]], True)


def test_outputs_outlive_the_kernel_and_its_inputs():
    (y,) = kernels.double()([mx.full((10,), 3.0)])
    gc.collect()
    mx.eval(mx.full((10,), 7.0))  # would take the freed memory
    assert y.tolist() == [6.0] * 10


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        ([], UsageError, "takes 1 inputs, found 0"),
        ([mx.zeros(10), mx.zeros(10)], UsageError, "takes 1 inputs, found 2"),
        ([mx.zeros(9)], ShapeError, r"input 0 of the kernel is float32\[9\], and it was compiled for float32\[10\]"),
        ([mx.zeros((10, 1))], ShapeError, r"float32\[10, 1\]"),
        ([mx.zeros(10, dtype=mx.int32)], ShapeError, r"input 0 of the kernel is int32\[10\]"),
    ],
)
def test_wrong_inputs_are_named(inputs, error, text):
    with pytest.raises(error, match=text):
        kernels.double()(inputs)


def test_an_input_that_is_no_array_is_named():
    process = script("""
        try:
            kernels.double()([1.0])
        except TypeError as error:
            say(error)
    """)  # elsewhere, because here the type checker of the test run would see it first
    assert "input 0 of the kernel is 1.0, not an MLX array instead: mx.array(...)" in " ".join(answer_of(process))


def test_bfloat16_is_refused_when_the_kernel_is_made():
    with pytest.raises(UsageError, match=r"an output of dtype .*bfloat16[\s\S]*astype"):
        kernel("return 0;", [], [(mx.bfloat16, (2,))])


# ---- lanes and threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 16, 100])
@pytest.mark.parametrize("block", [1, 3, 16, 128])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_lane_is_computed_once_by_any_number_of_threads(n, block, threads):
    x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    total, reverse = kernels.lanes(n, block)([mx.array(x)], threads=threads)
    np.testing.assert_array_equal(np.array(total), (x[:, 0] + x[:, 1]) + x[:, 2])
    np.testing.assert_array_equal(np.array(reverse), x[:, ::-1])


def test_no_lanes_are_no_work():
    total, reverse = kernels.lanes(0, 4)([mx.zeros((0, 3))])
    assert (total.shape, reverse.shape) == ((0,), (0, 3))


def test_blocks_are_what_was_asked_for():
    body = "((int64_t*)outputs[0])[lane_begin] = lane_end; return 0;"
    (ends,) = kernel(body, [], [(mx.int64, (10,))], lanes=10, lane_block=4)([])
    assert ends.tolist() == [4, 0, 0, 0, 8, 0, 0, 0, 10, 0]
    (range_,) = kernel("int64_t* y = (int64_t*)outputs[0]; y[0] = lane_begin; y[1] = lane_end; return 0;",
                       [], [(mx.int64, (2,))])([])  # fmt: skip
    assert range_.tolist() == [0, 1]


THREADS_SEEN = """
    ((int64_t*)outputs[0])[lane_begin] = (int64_t)pthread_self();
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, nullptr);
    return 0;
"""


def seen(threads):
    run = kernel(THREADS_SEEN, [], [(mx.int64, (8,))], "#include <pthread.h>\n#include <time.h>\n", lanes=8)
    return len(set(run([], threads=threads)[0].tolist()))


def test_as_many_threads_work_as_were_asked_for(monkeypatch):
    assert seen(1) == 1
    assert seen(4) == 4
    monkeypatch.setenv("GENMLX_THREADS", "2")
    assert seen(None) == 2


def test_the_default_are_the_usable_cores(monkeypatch):
    monkeypatch.delenv("GENMLX_THREADS", raising=False)
    if sys.platform == "linux":
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(before)})
            assert usable_cores() == 1
        finally:
            os.sched_setaffinity(0, before)
        assert usable_cores() == len(before)


@pytest.mark.parametrize("text", ["0", "many", "-2", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("GENMLX_THREADS", text)
    with pytest.raises(UsageError, match="GENMLX_THREADS=4"):
        usable_cores()
    with pytest.raises(UsageError, match="in 0 threads"):
        kernels.lanes(4, 1)([mx.zeros((4, 3))], threads=0)


# Fills its workspace with its own mark, waits, and answers 2 if somebody else was there.
PRIVATE = """
    int64_t mark = ((const int64_t*)inputs[0])[0] * 1000 + lane_begin;
    if ((int64_t)workspace % 64) { control->error = 64; return 2; }
    volatile int64_t* own = (volatile int64_t*)workspace;
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 128; ++i) own[i] = mark;
        for (int i = 0; i < 128; ++i) if (own[i] != mark) { control->error = 1; return 2; }
    }
    ((int64_t*)outputs[0])[lane_begin] = mark;
    return 0;
"""


def test_concurrent_calls_of_one_kernel_do_not_meet():
    run = kernel(PRIVATE, [(mx.int64, (1,))], [(mx.int64, (8,))], workspace_bytes=1024, lanes=8)
    numbers = iter(range(8))

    def call():
        number = next(numbers)
        return number, [run([mx.array([number], dtype=mx.int64)], threads=3)[0].tolist() for _ in range(20)]

    for number, results in in_threads(8, call):
        assert results == [[number * 1000 + lane for lane in range(8)]] * 20


def test_calls_release_the_interpreter():
    # One kernel waits until Python, in another thread, has run.
    body = "while (!*(volatile const int32_t*)inputs[0]) if (control->stop) return 1; return 0;"
    flag = mx.zeros((), dtype=mx.int32)
    mx.eval(flag)
    run = kernel(body, [(mx.int32, ())])
    thread = threading.Thread(target=run, args=([flag],))
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    np.array(flag, copy=False)[...] = 1
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_memory_is_reported():
    run = kernels.lanes(100, 10)
    assert run.memory(threads=4) == (1200, 400 + 1200, 4 * 12)
    assert run.memory(threads=4).total == 2848
    assert run.memory(threads=50).workspace == 10 * 12  # no more threads than blocks
    assert kernels.double().memory() == (40, 40, 0)


# ---- faults of a kernel -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [1, 64])
@pytest.mark.parametrize("progress", [None, lambda done: None])
def test_an_internal_error_names_the_code_and_the_source(lanes, progress):
    body = "if (lane_begin == 0) { control->error = 42; return 2; } return 0;"
    run = kernel(body, lanes=lanes)
    with pytest.raises(KernelError, match=r"internal error 42\n.*bug of GenMLX.*kernel\.cpp"):
        run([], progress=progress)


def test_an_error_in_one_block_stops_the_others():
    body = (
        f"if (lane_begin == 3) return 2; for (int64_t i = 0; i < {FOREVER}; ++i) if (control->stop) return 1; return 0;"
    )
    with pytest.raises(KernelError):
        kernel(body, lanes=4)([], threads=4)


@pytest.mark.parametrize("progress", [None, lambda done: None])
def test_no_memory_for_the_workspace_is_a_memory_error(progress):
    run = kernel("return 0;", workspace_bytes=2**60, lanes=2)
    with pytest.raises(MemoryError, match="workspace of 1152921504606846976 bytes in each of 2 threads"):
        run([], threads=2, progress=progress)
    assert kernels.double()([mx.zeros(10)])[0].tolist() == [0.0] * 10  # the threads go on


# ---- progress -----------------------------------------------------------------------------------------------------------


def number(n):
    return mx.array(n, dtype=mx.int64)


def test_progress_is_called_while_the_kernel_runs_and_at_the_end():
    counts = []
    n = 500
    (total,) = kernels.slow_count()([number(n)], progress=counts.append)
    assert total.item() == n
    assert counts[-1] == n
    assert len(counts) >= 2
    assert counts == sorted(counts)
    assert 0 < counts[0] < n


def test_an_exception_in_progress_stops_the_kernel_and_is_passed_on():
    def fail(done):
        raise LookupError("enough")

    start = time.monotonic()
    with pytest.raises(LookupError, match="enough"):
        kernels.count(lanes=4)([number(FOREVER)], progress=fail, threads=3)
    assert time.monotonic() - start < 10
    assert kernels.count()([number(5)])[0].item() == 5


def test_a_kernel_may_be_called_from_progress():
    def call(done):
        assert kernels.count(lanes=4)([number(3)], threads=2)[0].tolist() == [3] * 4
        raise StopIteration

    with pytest.raises(StopIteration):
        kernels.count()([number(FOREVER)], progress=call)


# ---- signals ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def alarm():
    """Sends SIGALRM to this process after some time, to a handler; afterwards all is as before."""
    before = signal.getsignal(signal.SIGALRM)

    def arm(seconds, handler):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield arm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("progress", [None, lambda done: None])
@pytest.mark.parametrize("lanes", [None, 4])
def test_an_exception_in_a_signal_handler_leaves_the_kernel(alarm, progress, lanes):
    def out_of_time(*_):
        raise TimeoutError("out of time")

    alarm(0.1, out_of_time)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="out of time"):
        kernels.count(lanes)([number(FOREVER)], progress=progress, threads=2)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("lanes", [None, 4])
def test_after_a_signal_handler_that_returns_the_kernel_is_finished(alarm, lanes):
    calls = []
    alarm(0.05, lambda *_: calls.append(time.monotonic()))
    n = 300
    (total,) = kernels.slow_count(lanes)([number(n)], threads=2)
    assert len(calls) == 1
    assert calls[0] < time.monotonic() - 0.05  # it did not wait for the kernel
    assert total.tolist() == [n] * (lanes or 1)


def test_signals_that_come_often_do_not_keep_a_kernel_from_finishing(alarm):
    calls = []
    alarm(1, lambda *_: calls.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    (total,) = kernels.slow_count()([number(200)])
    assert total.item() == 200
    assert len(calls) >= 2


def test_after_a_call_signals_are_handled_as_before(alarm):
    before = signal.getsignal(signal.SIGINT)
    kernels.double()([mx.zeros(10)])
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    calls = []
    alarm(60, lambda *_: calls.append(1))
    kernels.double()([mx.zeros(10)])
    signal.raise_signal(signal.SIGALRM)
    assert calls == [1]


def script(code):
    """Starts a process that runs this code after the imports, and tells it apart from this one's type checker."""
    head = """
        import os, signal, sys, threading, time
        import mlx.core as mx
        from genmlx.compiler.runtime import Interrupted
        from helpers import kernels
        FOREVER = mx.array(2**62, dtype=mx.int64)
        def say(*words): print(*words, flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def answer_of(process, timeout=60):
    output, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors
    return output.split()


@pytest.mark.parametrize(
    "options",
    ["", "lanes=6, threads=3", "progress=lambda done: None", "lanes=6, threads=3, progress=lambda done: None"],
)
def test_ctrl_c_stops_a_long_kernel_and_keeps_what_it_has_done(options):
    process = script(f"""
        def run(lanes=None, **options):
            kernel = kernels.count(lanes)
            say("ready")
            return kernel([FOREVER], **options)
        try:
            run({options})
        except Interrupted as interrupted:
            now = time.monotonic()
            assert isinstance(interrupted, KeyboardInterrupt)
            assert not isinstance(interrupted, Exception)
            (counts,) = interrupted.outputs
            say(now, interrupted.progress, *counts.tolist())
            assert kernels.count()([mx.array(7, dtype=mx.int64)])[0].item() == 7  # the next one runs
    """)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    now, progress, *counts = answer_of(process)
    print(f"Ctrl-C to Interrupted: {1e3 * (float(now) - sent):.1f} ms")
    assert float(now) - sent < 5.0
    assert int(progress) > 1000
    assert abs(int(counts[0]) - int(progress)) <= 1
    if "threads=3" in options:
        assert [int(count) > 1000 for count in counts] == [True] * 3 + [False] * 3
        assert counts[3:] == ["0"] * 3  # not reached


def test_a_call_does_not_wait_for_the_threads_of_another():
    process = script("""
        stop = threading.Event()
        def until_stopped(done):
            if stop.is_set(): raise StopIteration
        def long():
            try: kernels.count(4)([FOREVER], threads=3, progress=until_stopped)
            except StopIteration: say("stopped")
        thread = threading.Thread(target=long)
        thread.start()
        time.sleep(0.3)
        end = time.monotonic() + 10
        def impatient(done):
            if time.monotonic() > end: raise TimeoutError
        try: say(*kernels.count(4)([mx.array(9, dtype=mx.int64)], threads=2, progress=impatient)[0].tolist())
        except TimeoutError: say("it waits")
        stop.set()
        thread.join()
    """)
    assert answer_of(process) == ["9"] * 4 + ["stopped"]


def test_the_process_ends_while_a_kernel_runs_in_a_daemon_thread():
    start = time.monotonic()
    process = script("""
        kernel = kernels.count(4)
        threading.Thread(target=lambda: kernel([FOREVER], threads=2), daemon=True).start()
        threading.Thread(target=lambda: kernel([FOREVER], progress=lambda done: None), daemon=True).start()
        time.sleep(0.3)
        say("end")
    """)
    assert answer_of(process) == ["end"]
    assert time.monotonic() - start < 30


def test_a_child_of_fork_has_threads_of_its_own():
    # The threads of the pool do not live on in the child: to wait for them would be to wait forever.
    process = script("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, from Python 3.12
        kernel, ten = kernels.count(4), mx.array(10, dtype=mx.int64)
        mx.eval(ten)
        counts = lambda: kernel([ten], threads=3, progress=lambda done: None)[0].tolist()
        counts()
        busy = threading.Thread(target=lambda: kernel([FOREVER], threads=3), daemon=True)
        busy.start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            say("child", *counts())
            say("child", *kernel([ten], threads=3)[0].tolist())
            os._exit(0)
        say("ended", os.waitpid(child, 0)[1])
        say("parent", *counts())
    """)
    ten = ["10"] * 4
    assert answer_of(process) == ["child", *ten, "child", *ten, "ended", "0", "parent", *ten]


def test_a_child_that_is_forked_while_a_kernel_runs_in_the_main_thread_takes_signals():
    process = script("""
        def fork():
            time.sleep(0.3)
            if os.fork() == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                ten = mx.array(10, dtype=mx.int64)
                say("child", kernels.count()([ten])[0].item())
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(5)
                except KeyboardInterrupt:
                    say("stopped")
                os._exit(0)
            os.wait()
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=fork).start()
        try:
            kernels.count()([FOREVER])
        except Interrupted:
            say("parent")
    """)
    assert answer_of(process) == ["child", "10", "stopped", "parent"]


# ---- cost ---------------------------------------------------------------------------------------------------------------


def test_a_call_costs_a_few_microseconds():
    process = script("""
        kernel, x = kernels.double(), mx.zeros(10)
        kernel([x])
        def seconds(n=2000):
            start = time.process_time()
            for _ in range(n):
                kernel([x])
            return (time.process_time() - start) / n
        say(min(seconds() for _ in range(10)))
    """)
    (seconds,) = answer_of(process)
    print(f"one call: {1e6 * float(seconds):.1f} us")
    assert float(seconds) < 40e-6  # six times what it takes


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_outputs_are_held_once():
    # 100 MB of output: if it was computed elsewhere and copied, the process would grow by twice that.
    process = script("""
        from pathlib import Path
        from genmlx.compiler.runtime import ArraySpec, Kernel, load
        n = 25_000_000
        text = kernels.source(f"float* y = (float*)outputs[0]; for (int64_t i = 0; i < {n}; ++i) y[i] = i; return 0;")
        kernel = Kernel(load(text), [], [ArraySpec(mx.float32, (n,))])
        def peak():
            lines = Path("/proc/self/status").read_text().splitlines()
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = peak()
        (y,) = kernel([])
        say(peak() - before, y[-1].item())
    """)
    grown, last = answer_of(process)
    assert float(last) == np.float32(24_999_999)
    assert 0.9e8 < float(grown) < 1.5e8
