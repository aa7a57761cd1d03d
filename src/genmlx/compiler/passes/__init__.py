"""Passes: a region to a region that computes the same in less.

In the order in which they run, again and again until none changes anything:

* `genmlx.compiler.passes.simplify`: single operations, by the tables `constants`, `algebra`, `views`, `indexing`,
  `joining` and `reductions`, whose rows `patterns` spells; equal operations become one;
* `genmlx.compiler.passes.dead`: what no result depends on;
* `genmlx.compiler.passes.loops`: loops that do not loop, branches that are known, what flows through for nothing;
* `genmlx.compiler.passes.invariant`: what does not change in a loop goes before it.

Gradients are expanded before: a body that is still to be differentiated stays as it is. A pass that changes nothing
returns the region itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from genmlx.compiler.ir.graph import Region
from genmlx.compiler.ir.verify import verify as checked
from genmlx.compiler.passes.dead import remove_dead_code
from genmlx.compiler.passes.invariant import lift_invariants
from genmlx.compiler.passes.loops import tidy_loops
from genmlx.compiler.passes.simplify import simplify

__all__ = ["PASSES", "optimise"]

PASSES: Sequence[Callable[[Region], Region]] = (simplify, remove_dead_code, tidy_loops, lift_invariants)

_ROUNDS = 10  # a bound on compile time; two or three are enough for most programs


def optimise(region: Region, verify: bool = False) -> Region:
    """A region that computes the same, exactly (`PASSES` say where a rounding may differ), in fewer steps.

    Args:
        region: what to optimise.
        verify: check the region after every pass; always done under ``GENMLX_VERIFY=1``.
    """
    verify = verify or os.environ.get("GENMLX_VERIFY") == "1"
    for _ in range(_ROUNDS):
        before = region
        for run in PASSES:
            region = run(region)
            if verify:
                checked(region, run.__name__)
        if region is before:
            break
    return region
