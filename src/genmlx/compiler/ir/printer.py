"""A region as text, for people: ``%3 = multiply(%0, %1) : float32[8]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from genmlx.compiler.ir.types import Op, Region, Value

__all__ = ["show"]


def show(region: Region, name: str = "main") -> str:
    """The region as text: parameters, an operation a line, inner regions indented, results.

    >>> from genmlx.compiler.ir.graph import Builder, Type
    >>> b = Builder()
    >>> x = b.parameter(Type("float32", (3,)))
    >>> print(show(b.finish(b("reduce", b("exp", x), kind="sum", axes=(0,)))))
    main(%0: float32[3])
      %1 = exp(%0) : float32[3]
      %2 = reduce(%1) {kind=sum, axes=(0,)} : float32[]
      return %2
    """
    return "\n".join(_lines(region, name, {}, ""))


def _lines(region: Region, name: str, names: dict[Value, str], indent: str) -> Iterator[str]:
    def named(value: Value) -> str:
        return names.setdefault(value, f"%{len(names)}")

    yield f"{indent}{name}({', '.join(f'{named(p)}: {p.type}' for p in region.parameters)})"
    for op in region.ops:
        inputs = ", ".join(named(v) for v in op.inputs)
        outputs = ", ".join(named(v) for v in op.outputs)
        types = ", ".join(str(v.type) for v in op.outputs)
        source = f"    # {op.source}" if op.source else ""
        yield f"{indent}  {outputs} = {op.name}({inputs}){_attributes(op)} : {types}{source}"
        for i, inner in enumerate(op.regions):
            yield from _lines(inner, f"region {i}", names, indent + "    ")
    yield f"{indent}  return {', '.join(named(r) for r in region.results)}"


def _attributes(op: Op) -> str:
    if not op.attributes:
        return ""
    return " {" + ", ".join(f"{k}={_value(v)}" for k, v in op.attributes.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return str(value) if value.size <= 4 else f"[... {value.size} elements]"
    return str(value)
