"""One entry of the table: a function of the library, or a step that several of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from genmlx.compiler.codegen.mathlib.spelling import Bits

__all__ = ["Function", "parts"]


@dataclass(frozen=True)
class Function:
    """A function that kernels may call as `gm_<name>`.

    Attributes:
        name: Its name without the prefix.
        source: The template (see `spelling`), or where widths differ by more than constants, what makes it for a width.
        ulp: The largest error found, in units in the last place of the result, for float32 and float64; 0 is exact (or
            rounded correctly); None for steps that kernels do not call.
        bits: The widths it exists in.
        note: Domain, edges, semantics, where the name does not say them.
    """

    name: str
    source: str | Callable[[Bits], str]
    ulp: tuple[float, float] | None = None
    bits: tuple[Bits, ...] = (32, 64)
    note: str = field(default="", compare=False)

    def template(self, bits: Bits) -> str:
        return self.source if isinstance(self.source, str) else self.source(bits)


def parts(**sources: str) -> Mapping[str, Function]:
    """Shared steps by name."""
    return {name: Function(name, source) for name, source in sources.items()}
