"""Arithmetic on values of a region, so that a rule of differentiation reads like its formula."""

from __future__ import annotations

from collections.abc import Callable

from genmlx.compiler.ir.graph import Builder, Value

__all__ = ["Term", "arithmetic", "where"]

Number = int | float


class Term:
    """A value, and the builder of its region: ``x * x + 1.0`` appends operations. Numbers stand for full arrays."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value) -> None:
        self.b, self.value = b, value

    def like(self, number: Number) -> Term:
        """A number everywhere, in the type of this term."""
        return Term(self.b, self.b.full(self.value.type, number))

    def apply(self, name: str, *others: Term | Number) -> Term:
        """An elementwise operation of this term and others."""
        terms = [o if isinstance(o, Term) else self.like(o) for o in others]
        return Term(self.b, self.b(name, self.value, *(t.value for t in terms)))

    def __add__(self, other: Term | Number) -> Term:
        return self.apply("add", other)

    def __radd__(self, other: Number) -> Term:
        return self.like(other) + self

    def __sub__(self, other: Term | Number) -> Term:
        return self.apply("subtract", other)

    def __rsub__(self, other: Number) -> Term:
        return self.like(other) - self

    def __mul__(self, other: Term | Number) -> Term:
        return self.apply("multiply", other)

    def __rmul__(self, other: Number) -> Term:
        return self.like(other) * self

    def __truediv__(self, other: Term | Number) -> Term:
        return self.apply("divide", other)

    def __rtruediv__(self, other: Number) -> Term:
        return self.like(other) / self

    def __neg__(self) -> Term:
        return self.apply("negative")

    def equals(self, other: Term | Number) -> Term:
        """Where two are equal, as bools; ``==`` stays the identity of Python objects."""
        return self.apply("equal", other)


def where(flag: Term, yes: Term | Number, no: Term | Number) -> Term:
    """``yes`` where the flag is set, elsewhere ``no``; one of them is a term."""
    if not isinstance(yes, Term):
        assert isinstance(no, Term)
        yes = no.like(yes)
    elif not isinstance(no, Term):
        no = yes.like(no)
    return flag.apply("select", yes, no)


def arithmetic(name: str) -> Callable[..., Term]:
    """An elementwise operation as a function of terms; numbers may follow the first."""
    return lambda x, *others: x.apply(name, *others)
