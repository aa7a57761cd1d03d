"""Errors that teach: what happened, where, and what to write instead.

Every error that GenMLX raises on purpose is a `GenMLXError`. The address path grows on the way out: a nested call
raises with the address it knows, and each enclosing call adds its own in front (`GenMLXError.within`).
"""

from typing import Self

__all__ = [
    "AddressError",
    "ConstraintError",
    "ControlFlowError",
    "DomainError",
    "GenMLXError",
    "ImproperPriorError",
    "ShapeError",
    "UsageError",
    "WeightError",
    "format_path",
]


def format_path(path: tuple[object, ...]) -> str:
    """An address as the user writes it: ``'x'`` for one component, ``('a', 0, 'x')`` for a path."""
    parts = [_format_range(c) if isinstance(c, slice | range) else repr(c) for c in path]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _format_range(indices: slice | range) -> str:
    """Indices as in ``a[start:stop:step]``, without what goes without saying."""
    step = indices.step if indices.step not in (None, 1) else None
    whole = isinstance(indices, range) and indices.start == 0 and step is None  # of a stack: all that there are
    ends = [None, None] if whole else [indices.start, indices.stop]
    text = ":".join("" if end is None else str(end) for end in ends)
    return text if step is None else f"{text}:{step}"


class GenMLXError(Exception):
    """Base of all errors of this package.

    Args:
        what: one sentence, what happened and what was found.
        path: the address at which it happened, as far as it is known here.
        where: another place: a line of the user's model, a shape, an operation.
        fix: what to write instead.
    """

    def __init__(
        self, what: str, *, path: tuple[object, ...] | None = None, where: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what)
        self.what, self.path, self.where, self.fix = what, path, where, fix

    def within(self, path: tuple[object, ...]) -> Self:
        """Put the address of the enclosing call in front of the path."""
        self.path = path if self.path is None else path + self.path
        return self

    def __str__(self) -> str:
        lines = [self.what]
        if self.path:
            lines.append(f"  at address {format_path(self.path)}")
        if self.where:
            lines.append(f"  in {self.where}")
        if self.fix:
            lines.append(f"  instead: {self.fix}")
        return "\n".join(lines)


class AddressError(GenMLXError, LookupError):
    """An address that is missing, doubled, or not an address."""


class ConstraintError(GenMLXError, ValueError):
    """A constraint that no choice used, or that has the wrong form for the choice it meets."""


class ShapeError(GenMLXError, ValueError):
    """An array of the wrong shape."""


class DomainError(GenMLXError, ValueError):
    """A parameter outside the domain of its distribution."""


class ImproperPriorError(GenMLXError, ValueError):
    """An improper prior was asked for a draw."""


class UsageError(GenMLXError, TypeError):
    """A call used where a value is meant, or an argument of the wrong kind."""


class ControlFlowError(GenMLXError, TypeError):
    """Python control flow over a value that is not known while the model is vectorised or compiled."""


class WeightError(GenMLXError, ArithmeticError):
    """Weights that say nothing: all ``-inf``, or NaN."""
