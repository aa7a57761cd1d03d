"""Gradients of a trace's score, for any generative function: `assess`, differentiated."""

from typing import Any

import mlx.core as mx

from genmlx.core.choicemap import ChoiceMap, selection_of
from genmlx.core.selection import Selection
from genmlx.core.trace import ChoiceGradients, Trace
from genmlx.numerics import transforms
from genmlx.numerics.pytree import flatten, split_arrays, unflatten
from genmlx.numerics.types import Array

__all__ = ["choice_gradients", "is_floating"]


def is_floating(value: Array) -> bool:
    """Whether a value has a gradient: integers and booleans are constants."""
    return mx.issubdtype(value.dtype, mx.floating)


def choice_gradients(
    gen_fn: Any, trace: Trace, selection: Selection | None, retval_gradient: Any = None
) -> ChoiceGradients:
    """d/dt [log p(t; x) + <retval_gradient, r(t, x)>] for the selected choices t, and the same for the arguments.

    The gradient of an argument that is a Python number or an integer array is None: those are constants to MLX.
    """
    chosen = trace.choices if selection is None else trace.choices.filter(selection)
    chosen = chosen.filter(selection_of(chosen, is_floating))
    weights = None if retval_gradient is None else split_arrays(retval_gradient)[0]

    def objective(variables: tuple[ChoiceMap, tuple[Any, ...]]) -> Array:
        values, args = variables
        score, retval = gen_fn.assess(args, trace.choices | values)
        total = mx.sum(score)  # a batched function has one score an execution, each with its own choices
        if weights is not None:
            for result, weight in zip(split_arrays(retval)[0], weights, strict=True):
                total = total + mx.sum(result * weight)
        return total

    _, (gradients, args) = transforms.value_and_grad(objective)((chosen, trace.args))
    return ChoiceGradients(chosen, gradients, _of_floating_arrays(trace.args, args))


def _of_floating_arrays(args: Any, gradients: Any) -> Any:
    """The gradients, with None in the place of numbers and integer arrays; what is not a value stays as it is."""
    values, treedef = flatten(args)

    def of(value: Any, gradient: Any) -> Any:
        floating = isinstance(value, mx.array) and is_floating(value)
        return None if isinstance(value, mx.array | int | float) and not floating else gradient

    return unflatten(treedef, [of(v, g) for v, g in zip(values, flatten(gradients)[0], strict=True)])
