"""Trees as JSON beside numbered arrays.

JSON has no arrays of numbers with a dtype, no tuples, and keys of one kind only. So an array is written as its number,
and what JSON cannot tell apart is tagged: ``{"tuple": [...]}``. The values themselves go to the file as they are.
"""

from typing import Any

import mlx.core as mx

from genmlx.core.address import Pattern
from genmlx.core.choicemap import EMPTY, ChoiceMap, Group, Leaf, Stack
from genmlx.lang.gen import Keywords
from genmlx.numerics.errors import UsageError
from genmlx.numerics.types import Array

__all__ = ["Decoder", "Encoder"]


class Encoder:
    """Makes JSON of trees.

    Attributes:
        arrays: the arrays that the JSON refers to, by name.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def array(self, a: Array) -> Any:
        """The name of an array; the format has no float64, which is written as its bits."""
        name = str(len(self.arrays))
        wide = a.dtype == mx.float64
        self.arrays[name] = a.view(mx.uint64) if wide else a
        return {"float64": name} if wide else {"array": name}

    def tree(self, x: Any) -> Any:
        """A tree of numbers, strings, None, arrays and choice maps, in tuples, lists and dicts.

        Raises:
            UsageError: something else is in it.
        """
        if x is None or type(x) in {bool, int, float, str}:
            return x
        if isinstance(x, mx.array):
            return self.array(x)
        if isinstance(x, ChoiceMap):
            return {"choices": self.choices(x)}
        if isinstance(x, dict) and type(x) in {dict, Keywords}:
            items = [[self.tree(k), self.tree(v)] for k, v in x.items()]
            return {"dict" if type(x) is dict else "keywords": items}
        if type(x) in {tuple, list}:
            items = [self.tree(e) for e in x]
            return items if type(x) is list else {"tuple": items}
        raise UsageError(
            f"{x!r} ({type(x).__name__}) cannot be written to a file",
            fix="gm.save(path, trace.choices), and later model(...).generate(gm.load(path)) with the arguments",
        )

    def choices(self, node: ChoiceMap) -> Any:
        """A choice map."""
        if isinstance(node, Leaf):
            return {"value": self.array(node.value), "axis": node.axis}
        if isinstance(node, Stack):
            return {"stack": _ends(node.indices), "axis": node.axis, "of": self.choices(node.inner)}
        return {"group": [[component, self.choices(below)] for component, below in node.components()]}

    def pattern(self, pattern: Pattern) -> list[Any]:
        """The address of a stored array."""
        return [_ends(c) if isinstance(c, range) else c for c in pattern]


class Decoder:
    """Makes trees of JSON: the inverse of `Encoder`."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays

    def array(self, code: Any) -> Array:
        """An array."""
        ((kind, name),) = code.items()
        return self._arrays[name].view(mx.float64) if kind == "float64" else self._arrays[name]

    def tree(self, code: Any) -> Any:
        """A tree."""
        if isinstance(code, list):
            return [self.tree(e) for e in code]
        if not isinstance(code, dict):
            return code
        ((kind, content),) = code.items()
        if kind == "choices":
            return self.choices(content)
        if kind == "tuple":
            return tuple([self.tree(e) for e in content])
        if kind in {"dict", "keywords"}:
            items = [(self.tree(k), self.tree(v)) for k, v in content]
            return dict(items) if kind == "dict" else Keywords(items)
        return self.array(code)

    def choices(self, code: Any) -> ChoiceMap:
        """A choice map."""
        if "value" in code:
            return Leaf(self.array(code["value"]), code["axis"])
        if "stack" in code:
            return Stack(range(*code["stack"]), self.choices(code["of"]), code["axis"])
        return Group({component: self.choices(below) for component, below in code["group"]}) if code["group"] else EMPTY

    def pattern(self, code: list[Any]) -> Pattern:
        """The address of a stored array."""
        return tuple([range(*c) if isinstance(c, list) else c for c in code])


def _ends(indices: range) -> list[int]:
    return [indices.start, indices.stop, indices.step]
