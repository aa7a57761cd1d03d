"""Automatic differentiation: a region to a region that computes its gradient.

* `genmlx.compiler.autodiff.rules`: the adjoint of each operation, a table; its longer rows are in
  `genmlx.compiler.autodiff.indexing` and `genmlx.compiler.autodiff.linear_algebra`;
* `genmlx.compiler.autodiff.activity`: which values a derivative passes through;
* `genmlx.compiler.autodiff.reverse`: a region forward and back;
* `genmlx.compiler.autodiff.structured`: the same for loops and branches;
* `genmlx.compiler.autodiff.checkpoints`: less memory for the gradients of long loops.
"""

from genmlx.compiler.autodiff.checkpoints import in_blocks
from genmlx.compiler.autodiff.reverse import expand_gradients, gradient, vjp
from genmlx.compiler.autodiff.structured import GradientError

__all__ = ["GradientError", "expand_gradients", "gradient", "in_blocks", "vjp"]
