"""The execution under way."""

import threading

import genmlx as gm
from genmlx import gen, normal
from genmlx.core import execution


def test_no_model_is_running_outside():
    assert execution.current() is None

    @gen
    def model():
        assert execution.current() is not None
        return normal(0.0, 1.0) @ "x"

    model().simulate(key=0)
    assert execution.current() is None


def test_an_error_leaves_no_model_running():
    @gen
    def broken():
        raise RuntimeError("stop")

    for n in (None, 2):
        try:
            broken().simulate(n=n, key=0)
        except RuntimeError:
            pass
        assert execution.current() is None


def test_runs_inside_runs_are_apart():
    """A model may simulate another one: its choices are not choices of the outer model."""

    @gen
    def inner():
        return normal(0.0, 1.0) @ "x"

    @gen
    def outer():
        other = inner().simulate(key=5)
        return normal(other.retval, 1.0) @ "x"

    trace = outer().simulate(key=0)
    assert trace.choices.paths() == [("x",)]


def test_threads_do_not_meet():
    barrier = threading.Barrier(4)
    results = {}

    @gen
    def model(i):
        barrier.wait(timeout=20)
        x = normal(0.0, 1.0) @ f"x{i}"
        barrier.wait(timeout=20)
        return x

    def work(i):
        results[i] = model(i).simulate(key=i).choices.paths()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {i: [(f"x{i}",)] for i in range(4)}


def test_validation_is_off_unless_asked_for():
    assert not execution.is_validating()
    with gm.validating():
        assert execution.is_validating()
        with gm.validating(False):
            assert not execution.is_validating()
    assert not execution.is_validating()
