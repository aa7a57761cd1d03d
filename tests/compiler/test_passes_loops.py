"""Dead code, the structure of loops and branches, and what is lifted out of them, as the printed region shows."""

import textwrap

import numpy as np
import pytest

from genmlx.compiler.ir.graph import Builder, Type
from genmlx.compiler.ir.interpret import interpret
from genmlx.compiler.ir.printer import show
from genmlx.compiler.ir.verify import verify
from genmlx.compiler.passes import invariant, optimise
from genmlx.compiler.passes.dead import remove_dead_code
from genmlx.compiler.passes.invariant import lift_invariants
from genmlx.compiler.passes.loops import tidy_loops
from genmlx.compiler.passes.simplify import simplify
from helpers.programs import random_arguments, same_to_the_bit

F = Type("float32")
V = Type("float32", (3,))
FLAG = Type("bool")
INDEX = Type("int32")


def region(types, build):
    """A region: ``build(b, *parameters)`` gives its results."""
    b = Builder()
    results = build(b, *(b.parameter(t) for t in types))
    return b.finish(*(results if isinstance(results, tuple) else (results,)))


def scan(b, build, carry=(), xs=(), rest=(), length=5, reverse=False):
    types = [v.type for v in carry] + [Type(v.dtype, v.shape[1:]) for v in xs] + [v.type for v in rest]
    attributes = {"length": length, "carries": len(carry), "sequences": len(xs), "reverse": reverse}
    return b.emit("scan", (*carry, *xs, *rest), attributes, [region(types, build)])


def mapped(b, build, xs=(), rest=(), size=5):
    types = [Type(v.dtype, v.shape[1:]) for v in xs] + [v.type for v in rest]
    return b.emit("map", (*xs, *rest), {"size": size, "mapped": len(xs)}, [region(types, build)])


def loop(b, condition, build, carry=(), rest=()):
    types = [v.type for v in (*carry, *rest)]
    return b.emit("while", (*carry, *rest), {"carries": len(carry)}, [region(types, condition), region(types, build)])


def switch(b, index, branches, operands=()):
    return b.emit("switch", (index, *operands), {}, [region([v.type for v in operands], f) for f in branches])


def check(before, expected, *passes, times=1):
    """Passes give a region of this text, which means the same."""
    after = before
    for _ in range(times):
        for run in passes:
            after = verify(run(after))
    assert show(after) == textwrap.dedent(expected).strip()
    for seed in range(3):
        arguments = random_arguments(np.random.default_rng(seed), before)
        same_to_the_bit(interpret(after, arguments), interpret(before, arguments))


def unchanged(before, *passes):
    for run in passes:
        assert run(before) is before


# ---- dead code -------------------------------------------------------------------------------------------------------


def test_what_no_result_needs_is_removed():
    before = region([F, F], lambda b, x, y: (b("exp", y), b("sin", x))[1])
    check(before, "main(%0: float32[], %1: float32[])\n  %2 = sin(%0) : float32[]\n  return %2", remove_dead_code)
    unchanged(region([F], lambda b, x: b("exp", x)), remove_dead_code)


def test_a_carry_lives_if_another_that_lives_needs_it():
    def build(b, x, y, z, xs, ys):
        def body(b, x, y, z, a, c):
            return b("add", x, y), b("multiply", y, a), b("exp", z), b("sin", c), b("cos", a)

        last, _, _, _, cosines = scan(b, body, [x, y, z], [xs, ys])
        return last, cosines

    check(
        region([F, F, F, Type("float32", (5,)), Type("float32", (5,))], build),
        """
        main(%0: float32[], %1: float32[], %2: float32[], %3: float32[5], %4: float32[5])
          %5, %6, %7 = scan(%0, %1, %3) {length=5, carries=2, sequences=1, reverse=False} : float32[], float32[], float32[5]
            region 0(%8: float32[], %9: float32[], %10: float32[])
              %11 = add(%8, %9) : float32[]
              %12 = multiply(%9, %10) : float32[]
              %13 = cos(%10) : float32[]
              return %11, %12, %13
          return %5, %7
        """,
        remove_dead_code,
    )


def test_the_condition_of_a_while_keeps_carries_alive():
    def build(b, x, n, unused):
        return loop(
            b,
            lambda b, x, n, unused: b("less", n, b.constant(3.0, "float32")),
            lambda b, x, n, unused: (
                b("add", x, x),
                b("add", b("abs", n), b.constant(1.0, "float32")),
                b("exp", unused),
            ),
            [x, n, unused],
        )[0]

    after = remove_dead_code(region([F, F, F], build))
    (op,) = after.ops
    assert op.attributes["carries"] == 2
    assert [o.name for o in op.regions[1].ops] == ["add", "abs", "constant", "add"]


def test_branches_lose_operands_and_outputs_that_nobody_needs():
    def build(b, i, x, y):
        branches = [lambda b, x, y: (b("exp", x), b("exp", y)), lambda b, x, y: (b("sin", x), b("sin", y))]
        return switch(b, i, branches, [x, y])[1]

    check(
        region([INDEX, F, F], build),
        """
        main(%0: int32[], %1: float32[], %2: float32[])
          %3 = switch(%0, %2) : float32[]
            region 0(%4: float32[])
              %5 = exp(%4) : float32[]
              return %5
            region 1(%6: float32[])
              %7 = sin(%6) : float32[]
              return %7
          return %3
        """,
        remove_dead_code,
    )


def test_dead_code_in_loops_in_loops():
    def build(b, x, y):
        def inner(b, x, y):
            return b("add", x, x), b("exp", y)

        return mapped(b, lambda b, x, y: scan(b, inner, [x, y])[0], [x], [y])[0]

    after = remove_dead_code(region([Type("float32", (5,)), F], build))
    (op,) = after.ops
    assert len(op.inputs) == 1
    assert op.regions[0].ops[0].attributes["carries"] == 1


# ---- loops that do not loop, branches that are known -----------------------------------------------------------------


def test_a_scan_of_one_iteration_is_its_body():
    before = region(
        [F, Type("float32", (1,)), F],
        lambda b, x, xs, r: scan(b, lambda b, x, a, r: (b("add", x, a), b("multiply", x, r)), [x], [xs], [r], length=1),
    )
    check(
        before,
        """
        main(%0: float32[], %1: float32[1], %2: float32[])
          %3 = reshape(%1) {shape=()} : float32[]
          %4 = add(%0, %3) : float32[]
          %5 = multiply(%0, %2) : float32[]
          %6 = reshape(%5) {shape=(1,)} : float32[1]
          return %4, %6
        """,
        tidy_loops,
    )


def test_a_loop_without_iterations_is_its_carry():
    before = region(
        [F, F], lambda b, x, r: scan(b, lambda b, x, r: (b("add", x, r), b("exp", x)), [x], rest=[r], length=0)
    )
    expected = """
        main(%0: float32[], %1: float32[])
          %2 = constant() {value=0.0} : float32[]
          %3 = broadcast(%2) {shape=(0,)} : float32[0]
          return %0, %3
    """
    check(before, expected, tidy_loops)
    never = region([F], lambda b, x: loop(b, lambda b, x: b.constant(False), lambda b, x: b("exp", x), [x]))
    check(never, "main(%0: float32[])\n  return %0", tidy_loops)
    unchanged(
        region([F], lambda b, x: loop(b, lambda b, x: b("less", x, b("exp", x)), lambda b, x: b("exp", x), [x])),
        tidy_loops,
    )


def test_maps_of_one_element_and_of_none():
    def build(size):
        return region(
            [Type("float32", (size,)), F],
            lambda b, xs, r: mapped(b, lambda b, x, r: b("add", x, r), [xs], [r], size),
        )

    names = [[op.name for op in tidy_loops(build(size)).ops] for size in (0, 1, 2)]
    assert names == [["constant", "broadcast"], ["reshape", "add", "reshape"], ["map"]]


@pytest.mark.parametrize(("index", "name"), [(0, "exp"), (1, "sin"), (9, "sin"), (-1, "exp")])
def test_a_known_branch_is_taken(index, name):
    branches = [lambda b, x: b("exp", x), lambda b, x: b("sin", x)]
    before = region([F], lambda b, x: switch(b, b.constant(index, "int32"), branches, [x]))
    check(before, f"main(%0: float32[])\n  %1 = {name}(%0) : float32[]\n  return %1", tidy_loops, remove_dead_code)


def test_branches_that_are_the_same_are_no_branches():
    def build(second):
        return region(
            [INDEX, F, F],
            lambda b, i, x, y: switch(b, i, [lambda b, x, y: b("add", x, y), lambda b, x, y: b(second, y, x)], [x, y]),
        )

    assert [op.name for op in tidy_loops(build("add")).ops] == ["add"]
    unchanged(build("subtract"), tidy_loops)


# ---- carries, operands, outputs --------------------------------------------------------------------------------------


def test_a_carry_that_stays_the_same_is_an_operand():
    before = region([F, F], lambda b, x, y: scan(b, lambda b, x, y: (b("add", x, y), y), [x, y]))
    check(
        before,
        """
        main(%0: float32[], %1: float32[])
          %2 = scan(%0, %1) {length=5, carries=1, sequences=0, reverse=False} : float32[]
            region 0(%3: float32[], %4: float32[])
              %5 = add(%3, %4) : float32[]
              return %5
          return %2, %1
        """,
        tidy_loops,
    )
    unchanged(region([F, F], lambda b, x, y: scan(b, lambda b, x, y: (y, x), [x, y])), tidy_loops)


def test_carries_that_stay_equal_are_one():
    def build(second):
        return region(
            [F, F], lambda b, x, r: scan(b, lambda b, x, y, r: (b("add", x, r), b(second, r, y)), [x, x], rest=[r])
        )

    check(
        build("add"),
        """
        main(%0: float32[], %1: float32[])
          %2 = scan(%0, %1) {length=5, carries=1, sequences=0, reverse=False} : float32[]
            region 0(%3: float32[], %4: float32[])
              %5 = add(%3, %4) : float32[]
              return %5
          return %2, %2
        """,
        tidy_loops,
        simplify,
        remove_dead_code,
    )
    unchanged(build("subtract"), tidy_loops)


def test_carries_are_equal_only_together():
    """x and y are equal if z and w are, and those are not."""

    def body(b, x, y, z, w, r):
        return b("add", x, z), b("add", y, w), b("add", z, r), b("subtract", w, r)

    unchanged(region([F, F, F], lambda b, x, z, r: scan(b, body, [x, x, z, z], rest=[r])), tidy_loops)


def test_equal_carries_of_a_while():
    before = region(
        [F],
        lambda b, x: loop(
            b,
            lambda b, x, y: b("less", b("add", x, y), b.constant(9.0, "float32")),
            lambda b, x, y: (b("add", b("abs", x), b.constant(1.0, "float32")),) * 2,
            [x, x],
        ),
    )
    after = optimise(before, verify=True)
    assert after.ops[0].attributes["carries"] == 1
    same_to_the_bit(interpret(after, [np.float32(-3.0)]), interpret(before, [np.float32(-3.0)]))


def test_constants_and_broadcasts_are_made_inside():
    def build(b, x, s):
        operands = [b.constant(2.0, "float32"), b.broadcast(s, (3,))]
        return scan(b, lambda b, x, two, v: b("add", b("multiply", x, b.broadcast(two, (3,))), v), [x], rest=operands)

    check(
        region([V, F], build),
        """
        main(%0: float32[3], %1: float32[])
          %2 = scan(%0, %1) {length=5, carries=1, sequences=0, reverse=False} : float32[3]
            region 0(%3: float32[3], %4: float32[])
              %5 = constant() {value=2.0} : float32[]
              %6 = broadcast(%4) {shape=(3,)} : float32[3]
              %7 = broadcast(%5) {shape=(3,)} : float32[3]
              %8 = multiply(%3, %7) : float32[3]
              %9 = add(%8, %6) : float32[3]
              return %9
          return %2
        """,
        tidy_loops,
        remove_dead_code,
    )


def test_a_large_constant_is_not_made_inside():
    value = np.arange(100, dtype=np.float32)
    before = region(
        [Type("float32", (100,))],
        lambda b, x: scan(b, lambda b, x, c: b("add", x, c), [x], rest=[b.constant(value)]),
    )
    unchanged(before, tidy_loops)


@pytest.mark.parametrize("shape", [(), (1, 3)])
def test_a_sequence_of_one_value_is_an_operand(shape):
    def build(b, x, v):
        return scan(b, lambda b, x, a: b("add", x, a), [x], [b.broadcast(v, (5, 3))])

    after = optimise(region([V, Type("float32", shape)], build), verify=True)
    op = after.ops[-1]
    assert (op.name, op.attributes["sequences"], len(op.inputs)) == ("scan", 0, 2)


def test_operands_and_outputs_that_are_given_twice_are_one():
    def build(b, x, r, xs):
        def body(b, x, a, c, r, s):
            y = b("multiply", b("divide", a, c), b("divide", r, s))
            return b("add", x, y), y, y

        return scan(b, body, [x], [xs, xs], [r, r])

    check(
        region([F, F, Type("float32", (5,))], build),
        """
        main(%0: float32[], %1: float32[], %2: float32[5])
          %3, %4 = scan(%0, %2, %1) {length=5, carries=1, sequences=1, reverse=False} : float32[], float32[5]
            region 0(%5: float32[], %6: float32[], %7: float32[])
              %8 = divide(%6, %6) : float32[]
              %9 = divide(%7, %7) : float32[]
              %10 = multiply(%8, %9) : float32[]
              %11 = add(%5, %10) : float32[]
              return %11, %10
          return %3, %4, %4
        """,
        tidy_loops,
        simplify,
    )


def test_outputs_that_are_operands_are_made_outside():
    def build(b, x, r, xs):
        return scan(b, lambda b, x, a, r: (b("add", x, a), a, r, b.full(V, 2.0)), [x], [xs], [r], reverse=True)

    check(
        region([F, F, Type("float32", (5,))], build),
        """
        main(%0: float32[], %1: float32[], %2: float32[5])
          %3 = broadcast(%1) {shape=(5,)} : float32[5]
          %4 = constant() {value=2.0} : float32[]
          %5 = broadcast(%4) {shape=(5, 3)} : float32[5, 3]
          %6 = scan(%0, %2) {length=5, carries=1, sequences=1, reverse=True} : float32[]
            region 0(%7: float32[], %8: float32[])
              %9 = add(%7, %8) : float32[]
              return %9
          return %6, %2, %3, %5
        """,
        tidy_loops,
        remove_dead_code,
    )


def test_outputs_of_a_switch_that_no_branch_chooses():
    def build(zero):
        branches = [
            lambda b, x, y: (x, b("exp", y), b.constant(0.0, "float32")),
            lambda b, x, y: (x, b("sin", y), b.constant(zero, "float32")),
        ]
        return region([INDEX, F, F], lambda b, i, x, y: switch(b, i, branches, [x, y]))

    after = tidy_loops(build(0.0))
    assert after.results[0] is after.parameters[1]
    assert [op.name for op in after.ops] == ["constant", "broadcast", "switch"]
    assert len(after.ops[-1].outputs) == 1
    assert len(tidy_loops(build(-0.0)).ops[-1].outputs) == 2  # zeros have signs


# ---- invariants ------------------------------------------------------------------------------------------------------


def test_what_does_not_change_goes_before_the_loop():
    def build(b, x, r, v):
        def body(b, x, r, v):
            return b("add", x, b("multiply", b.broadcast(b("exp", r), (3,)), b.broadcast(v, (3,))))

        return scan(b, body, [x], rest=[r, v])

    check(
        region([V, F, F], build),
        """
        main(%0: float32[3], %1: float32[], %2: float32[])
          %3 = exp(%1) : float32[]
          %4 = broadcast(%3) {shape=(3,)} : float32[3]
          %5 = broadcast(%2) {shape=(3,)} : float32[3]
          %6 = multiply(%4, %5) : float32[3]
          %7 = scan(%0, %6) {length=5, carries=1, sequences=0, reverse=False} : float32[3]
            region 0(%8: float32[3], %9: float32[3])
              %10 = add(%8, %9) : float32[3]
              return %10
          return %7
        """,
        lift_invariants,
        remove_dead_code,
    )


def test_views_and_constants_stay_inside():
    def build(b, x, r):
        return scan(b, lambda b, x, r: b("add", x, b.broadcast(b.reshape(r, (1,)), (3,))), [x], rest=[r])

    unchanged(region([V, F], build), lift_invariants)
    unchanged(region([V], lambda b, x: scan(b, lambda b, x: b("add", x, b.full(V, 2.0)), [x])), lift_invariants)


def test_a_value_larger_than_what_it_is_made_from_stays_inside():
    def build(n):
        wide = Type("float32", (n, n))

        def body(b, x, r):
            rows, columns = b.broadcast(b.reshape(r, (n, 1)), (n, n)), b.broadcast(r, (n, n))
            return b("add", x, b("exp", b("add", rows, columns)))

        return region([wide, Type("float32", (n,))], lambda b, x, r: scan(b, body, [x], rest=[r]))

    assert [op.name for op in lift_invariants(build(8)).ops].count("exp") == 1
    assert 4 * 200 * 200 > invariant.LARGEST
    unchanged(build(200), lift_invariants)


def test_what_is_computed_from_large_values_and_is_small_is_lifted():
    n = 200

    def body(b, x, r):
        rows, columns = b.broadcast(b.reshape(r, (n, 1)), (n, n)), b.broadcast(r, (n, n))
        return b("add", x, b("reduce", b("multiply", rows, columns), kind="sum", axes=(0, 1)))

    before = region([F, Type("float32", (n,))], lambda b, x, r: scan(b, body, [x], rest=[r]))
    after = remove_dead_code(lift_invariants(before))
    assert [op.name for op in after.ops] == ["reshape", "broadcast", "broadcast", "multiply", "reduce", "scan"]


def test_costly_operations_stay_in_a_while_that_may_not_run():
    def build(name, attributes, in_condition=False):
        square = Type("float32", (8, 8))

        def first(b, m):
            return b("slice", b.reshape(b(name, m, **attributes), (64,)), starts=(0,), sizes=(1,), steps=(1,))

        def condition(b, x, m):
            bound = b.reshape(first(b, m), ()) if in_condition else b.constant(3.0, "float32")
            return b("less", x, bound)

        def body(b, x, m):
            return b("add", b("abs", x), b("exp", b.reshape(first(b, m), ())))

        return region([F, square], lambda b, x, m: loop(b, condition, body, [x], [m]))

    def outside(before):
        return [op.name for op in lift_invariants(before).ops]

    assert outside(build("exp", {})).count("exp") == 2
    assert outside(build("inverse", {})) == ["while"]
    # A condition is computed once at least.
    assert outside(build("inverse", {}, in_condition=True)).count("inverse") == 1


def test_operations_of_branches_leave_a_loop_if_they_are_cheap():
    def build(name, attributes):
        def body(b, x, i, m):
            branches = [
                lambda b, x, m: b("add", x, b("reduce", b(name, m, **attributes), kind="sum", axes=(0, 1))),
                lambda b, x, m: b("multiply", x, b("reduce", m, kind="max", axes=(0, 1))),
            ]
            return switch(b, i, branches, [x, m])[0]

        return region(
            [F, Type("int32", (5,)), Type("float32", (4, 4))],
            lambda b, x, i, m: scan(b, body, [x], [i], [m]),
        )

    cheap = optimise(build("exp", {}), verify=True)
    assert sorted(op.name for op in cheap.ops) == ["exp", "reduce", "reduce", "scan"]
    (inner,) = [op for op in cheap.ops[-1].regions[0].ops if op.name == "switch"]
    assert [[op.name for op in r.ops] for r in inner.regions] == [["add"], ["multiply"]]
    costly = optimise(build("cholesky", {"upper": False}), verify=True)
    assert sorted(op.name for op in costly.ops) == ["reduce", "scan"]


def test_branches_outside_of_loops_keep_their_operations():
    before = region(
        [INDEX, F],
        lambda b, i, x: switch(b, i, [lambda b, x: b("exp", x), lambda b, x: b("sin", x)], [x]),
    )
    unchanged(before, lift_invariants)


def test_what_does_not_change_leaves_all_loops():
    def build(b, x, r):
        def inner(b, x, r):
            return b("add", x, b("exp", r))

        return scan(b, lambda b, x, r: scan(b, inner, [x], rest=[r])[0], [x], rest=[r])

    check(
        region([F, F], build),
        """
        main(%0: float32[], %1: float32[])
          %2 = exp(%1) : float32[]
          %3 = scan(%0, %2) {length=5, carries=1, sequences=0, reverse=False} : float32[]
            region 0(%4: float32[], %5: float32[])
              %6 = scan(%4, %5) {length=5, carries=1, sequences=0, reverse=False} : float32[]
                region 0(%7: float32[], %8: float32[])
                  %9 = add(%7, %8) : float32[]
                  return %9
              return %6
          return %3
        """,
        optimise,
    )
