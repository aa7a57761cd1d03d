"""Simplification: the rules on single operations, applied to all of a region until none applies.

Input form: any region. Output form: no rule of `constants`, `algebra`, `views`, `indexing`, `joining` and `reductions`
applies, and no two operations of a region are equal. Preserved: what the tables preserve. What is no longer used stays,
for `dead`.
"""

from __future__ import annotations

from genmlx.compiler.ir.graph import Region
from genmlx.compiler.passes import algebra, constants, indexing, joining, reductions, views
from genmlx.compiler.passes.patterns import merged
from genmlx.compiler.passes.rewriting import rewritten

__all__ = ["simplify"]

# Views before algebra: an operation on broadcast constants is one on constants.
_RULES = merged(constants.RULES, views.RULES, algebra.RULES, indexing.RULES, joining.RULES, reductions.RULES)


def simplify(region: Region) -> Region:
    """The region, simplified."""
    return rewritten(region, _RULES)
