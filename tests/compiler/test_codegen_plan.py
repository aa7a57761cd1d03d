"""What is decided before anything is printed: views, which operations share loops, what varies, where memory is reused."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from genmlx.compiler.codegen import Lanes, generate, lane_width
from genmlx.compiler.codegen.places import Kind, Place, Root, dense
from genmlx.compiler.codegen.schedule import Nest, schedule
from genmlx.compiler.codegen.uniformity import Uniformity
from genmlx.compiler.ir.graph import Builder, Region, Type, Value

F = "float32"


def region_of(types: list[Type], make: Callable[..., tuple[Value, ...]]) -> Region:
    b = Builder()
    return b.finish(*make(b, *(b.parameter(t) for t in types)))


# ---- places ------------------------------------------------------------------------------------------------------------


def addresses(place: Place) -> np.ndarray:
    """The index of every element, by its own account."""
    flat = [int(str(place.at([str(i) for i in at]))) for at in np.ndindex(*place.shape)]
    return np.array(flat, int).reshape(place.shape)


SHAPES = [(24,), (4, 6), (6, 4), (2, 12), (12, 2), (2, 1, 3, 4), (3, 8), (8, 3), (4, 3, 2), (2, 2, 6), (1, 24, 1)]


@pytest.mark.parametrize("seed", range(50))
def test_chains_of_views_name_the_elements_that_numpy_finds(seed):
    source = random.Random(seed)
    place = Place(Root("b", F, False, Kind.MEMORY, 24), (2, 3, 4), dense((2, 3, 4)))
    array = np.arange(24).reshape(2, 3, 4)
    for _ in range(4):
        axes = source.sample(range(array.ndim), array.ndim)
        place, array = place.transpose(axes), array.transpose(axes)
        steps = [source.choice([1, -1]) for _ in axes]
        starts = [0 if s > 0 else n - 1 for s, n in zip(steps, array.shape, strict=True)]
        place = place.slice(starts, array.shape, steps)
        array = array[tuple(slice(None, None, s) for s in steps)]
        shape = source.choice(SHAPES)
        reshaped = place.reshape(shape)
        # NumPy shares memory exactly where strides can say it.
        assert (reshaped is not None) == np.shares_memory(array, array.reshape(shape))
        if reshaped is None:
            break
        place, array = reshaped, array.reshape(shape)
        np.testing.assert_array_equal(addresses(place), array)
    wide = place.broadcast((2, *place.shape))
    np.testing.assert_array_equal(addresses(wide), np.broadcast_to(addresses(place), (2, *place.shape)))


def test_large_arrays_are_indexed_in_64_bits():
    small, large = (Place(Root("b", F, False, Kind.MEMORY, n), (n // 10, 10), (10, 1)) for n in (1000, 2**32))
    assert str(small.at(["i", "j"])) == "i * 10 + j"
    assert str(large.at(["i", "j"])) == "(i64)i * 10 + (i64)j"


# ---- schedule ----------------------------------------------------------------------------------------------------------


def nests(region: Region) -> list[list[str]]:
    varying = dict.fromkeys((v for op in region.ops for v in op.outputs), False)
    return [[op.name for op in step.ops] for step in schedule(region, varying) if isinstance(step, Nest)]


def test_independent_operations_of_one_shape_share_loops_across_others():
    vector, other = Type(F, (8,)), Type(F, (5,))

    def make(b, x, y):
        a = b("exp", x)
        c = b("tanh", y)
        s = b("reduce", a, kind="sum", axes=(0,))
        d = b("log", x)
        return c, s, d, b("reduce", c, kind="max", axes=(0,))

    assert sorted(nests(region_of([vector, other], make))) == [["exp", "reduce", "log"], ["tanh", "reduce"]]


def test_what_needs_a_reduction_starts_new_loops():
    def make(b, x):
        top = b("reduce", x, kind="max", axes=(0,))
        e = b("exp", b("subtract", x, b.broadcast(top, (8,))))
        total = b("reduce", e, kind="sum", axes=(0,))
        return (b("divide", e, b.broadcast(total, (8,))),)

    found = nests(region_of([Type(F, (8,))], make))
    assert found == [["reduce"], ["subtract", "exp", "reduce"], ["divide"]]


def test_axes_of_one_element_do_not_part_loops():
    def make(b, x):
        y = b("reshape", b("exp", x), shape=(1, 8))
        z = b("transpose", b("square", y), axes=(1, 0))
        return (b("negative", z),)

    assert nests(region_of([Type(F, (8,))], make)) == [["exp", "reshape", "square", "transpose", "negative"]]


def test_the_shape_that_others_wait_for_comes_first():
    """The exp of the vector waits for the matrix: were the vector's loops printed first, it would need loops again."""

    def make(b, v, m):
        first = b("exp", v)
        rows = b("reduce", b("square", m), kind="sum", axes=(1,))
        return (b("add", first, b("exp", rows)),)

    found = nests(region_of([Type(F, (8,)), Type(F, (8, 3))], make))
    assert found == [["square", "reduce"], ["exp", "exp", "add"]]


# ---- uniformity --------------------------------------------------------------------------------------------------------


def test_a_carry_varies_if_any_iteration_makes_it_vary():
    """a <- b, b <- c, c <- c + x with x varying: it takes three iterations to reach a; d and e stay uniform."""
    types = [Type(F)] * 5 + [Type(F)]
    body = region_of(types, lambda b, a, c, d, e, f, x: (c, d, b("add", d, x), b("sin", e), f))

    def make(b, a, c, d, e, f, x):
        attributes = {"length": 9, "carries": 5, "sequences": 0, "reverse": False}
        return b.emit("scan", (a, c, d, e, f, x), attributes, (body,))

    region = region_of(types, make)
    assert Uniformity().results(region, [False] * 5 + [True]) == (True, True, True, False, False)


def test_where_lanes_leave_a_loop_apart_all_that_changes_varies():
    types = [Type(F), Type(F), Type(F), Type(F)]
    condition = region_of(types, lambda b, a, c, d, limit: (b("less", a, limit),))
    body = region_of(types, lambda b, a, c, d, limit: (b("add", a, b.constant(1.0, F)), b("sin", c), d))
    region = region_of(types, lambda b, *xs: b.emit("while", xs, {"carries": 3}, (condition, body)))
    assert Uniformity().results(region, [False] * 4) == (False, False, False)
    assert Uniformity().results(region, [False, False, False, True]) == (True, True, False)


def test_branches_chosen_apart_vary():
    branches = tuple(region_of([Type(F)], lambda b, x, k=k: (b.constant(float(k), F),)) for k in range(2))
    region = region_of([Type("int32"), Type(F)], lambda b, k, x: b.emit("switch", (k, x), {}, branches))
    assert Uniformity().results(region, [True, False]) == (True,)
    assert Uniformity().results(region, [False, True]) == (False,)


# ---- memory ------------------------------------------------------------------------------------------------------------


def test_dead_arrays_are_used_again():
    n = 100_000
    reverse = {"starts": (n - 1,), "sizes": (n,), "steps": (-1,)}

    def make(b, x):
        for _ in range(12):  # each needs the one before, turned around: twelve loops, twelve arrays
            x = b("slice", b("exp", x), **reverse)
        return (x,)

    assert generate(region_of([Type(F, (n,))], make)).workspace_bytes <= 2 * 4 * n + 128


def test_a_chain_of_elementwise_operations_needs_no_memory():
    def make(b, x):
        for name in ("exp", "sin", "tanh", "log1p", "square"):
            x = b(name, x)
        return x, b("reduce", x, kind="sum", axes=(0, 1))

    source = generate(region_of([Type(F, (300, 1000))], make))
    assert source.workspace_bytes == 0 and source.text.count("for (i32") == 1


def test_stacked_results_of_lanes_are_written_where_they_belong():
    body = region_of([Type(F, (4,))], lambda b, c: (b("sin", c), b("exp", c)))

    def make(b, c):
        return b.emit("scan", (c,), {"length": 10_000, "carries": 1, "sequences": 0, "reverse": False}, (body,))

    assert generate(region_of([Type(F, (4,))], make), lanes=Lanes((True,), 16)).workspace_bytes == 0


def test_vectors_of_lanes_fill_a_register_and_no_more():
    single = region_of([Type(F, (4,))], lambda b, x: (b("exp", x),))
    double = region_of([Type("float64", (4,))], lambda b, x: (b("exp", x),))
    shared = region_of([Type(F), Type("float64")], lambda b, x, y: (b("add", x, b.cast(b("exp", y), F)),))
    assert lane_width(single, (True,), 64, 1000) == 16
    assert lane_width(single, (True,), 64, 5) == 8
    assert lane_width(single, (True,), 16, 1000) == 4
    assert lane_width(double, (True,), 64, 1000) == 8
    assert lane_width(shared, (True, False), 64, 1000) == 16  # only a number that all lanes share is of 64 bits


def test_few_lanes_with_long_arrays_run_one_after_the_other():
    def make(b, x, beta):
        logits = b("add", x, b.broadcast(beta, (3000,)))
        return (b("reduce", b("exp", logits), kind="sum", axes=(0,)),)

    region = region_of([Type(F, (3000,)), Type(F)], make)
    short = region_of([Type(F, (8,)), Type(F)], lambda b, x, y: (b("multiply", x, b.broadcast(y, (8,))),))
    widths = {n: lane_width(region, (False, True), 64, n, threads=2) for n in (2, 8, 16, 32, 1000)}
    assert widths == {2: 1, 8: 1, 16: 1, 32: 16, 1000: 16}
    assert lane_width(short, (False, True), 64, 8, threads=2) == 8
    text = generate(region, lanes=Lanes((False, True), 1)).text
    assert "f32x" not in text and "lane += 1" in text


# ---- where vectors are put together and taken apart --------------------------------------------------------------------


def test_pieces_of_a_concatenation_are_made_where_they_belong():
    def make(b, x, y):
        inner = b("concatenate", b("exp", x), b("tanh", y), axis=0)
        return (b("concatenate", inner, b("sin", x), axis=0),)

    text = generate(region_of([Type(F, (30,)), Type(F, (50,))], make)).text
    assert "alignas" not in text and text.count("for (i32") == 2
    assert "out0[j0 + 80]" in text


def test_a_carry_is_put_together_in_place():
    """The new carry is made of pieces, in the old one's array, which only the step before the pieces reads."""

    def body(b, c):
        low = b("slice", b("exp", c), starts=(0,), sizes=(100,), steps=(1,))
        return (b("concatenate", b("sin", low), b("cos", low), axis=0),)

    inner = region_of([Type(F, (200,))], body)
    attributes = {"length": 5, "carries": 1, "sequences": 0, "reverse": False}
    region = region_of([Type(F, (200,))], lambda b, c: b.emit("scan", (c,), attributes, (inner,)))
    assert generate(region).text.count("alignas") == 2  # the carry, and the exponentials


def test_loops_over_a_short_vector_are_cut_where_it_is_taken_apart():
    def body(b, c):
        first = b("slice", c, starts=(0,), sizes=(1,), steps=(1,))
        rest = b("slice", c, starts=(1,), sizes=(8,), steps=(1,))
        new = b("concatenate", b("sin", first), b("cos", rest), axis=0)
        return (b("square", new),)

    inner = region_of([Type(F, (9,))], body)
    attributes = {"length": 5, "carries": 1, "sequences": 0, "reverse": False}
    region = region_of([Type(F, (9,))], lambda b, c: b.emit("scan", (c,), attributes, (inner,)))
    text = generate(region).text
    loop = text[text.index("// scan") :]
    assert "= 1; j" in loop and "< 9; ++j" in loop and "= 0;\n" in loop


def test_short_sums_are_added_in_pairs_and_long_ones_by_the_compiler():
    short, long = (
        generate(region_of([Type(F, (n,))], lambda b, x: (b("reduce", x, kind="sum", axes=(0,)),))).text
        for n in (24, 1000)
    )
    assert "gm_total16" in short and "gm_total8" in short and "reduction" not in short
    assert "reduction(+:r0)" in long and "gm_total" not in long
