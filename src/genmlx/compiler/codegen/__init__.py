"""From IR to source text: one C-family printer, and the math library it draws on.

In the order of the way of a region:

* `width`: how many lanes a vector should have;
* `uniformity`: which values differ between lanes;
* `schedule`: the order of the operations, and which of them share a loop nest;
* `places`: where values lie, and views of them; `writer`: the text, names and memory; `frame`: one region in print;
* `nest`: elementwise operations and reductions; `views`, `arrays`, `along_axis`, `sorting`, `linear_algebra`,
  `random_bits`: what has loops of its own; `structured`: loops and branches;
* `cstyle`: how C spells types, literals and elementwise operations;
* `kernel`: the kernel as a whole, `generate`.
"""

from genmlx.compiler.codegen.kernel import FLAGS, Lanes, Source, generate
from genmlx.compiler.codegen.width import lane_width

__all__ = ["FLAGS", "Lanes", "Source", "generate", "lane_width"]
