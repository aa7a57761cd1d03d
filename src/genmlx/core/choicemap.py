"""Choice maps: immutable trees from addresses to values.

A choice map is one of three things:

* a `Leaf`: the value of one choice;
* a `Group`: choice maps under string and int components (the empty group is the empty map);
* a `Stack`: the choices of many executions of one function, under the ints of a range, stored as one choice map
  whose arrays have a leading axis over that range. ``cm["steps", 3, "x"]`` addresses one element, ``cm["steps", :,
  "x"]`` the array.

In the choices of a batched trace the axis of the executions comes first. Leaves and stacks count such axes (``axis``,
set by `lifted`): an array of a stack of ``axis`` 1 has the shape (executions, indices, ...), and ``cm["steps", 3,
"x"]`` is the array of element 3 in each execution.

Merging is right-biased (``a | b``: b wins); a value never silently becomes a group or the other way round when set.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import mlx.core as mx

from genmlx.core.address import Component, Path, Pattern, as_pattern, bare
from genmlx.core.selection import ALL, NONE, Selection
from genmlx.numerics.errors import AddressError, ConstraintError, ShapeError, UsageError, format_path
from genmlx.numerics.fixed import fixed
from genmlx.numerics.pytree import map_nodes, record
from genmlx.numerics.types import Array

if TYPE_CHECKING:
    from rich.tree import Tree as RichTree

__all__ = [
    "EMPTY",
    "C",
    "ChoiceMap",
    "Group",
    "Lanes",
    "Leaf",
    "Stack",
    "as_choicemap",
    "as_value",
    "choicemap",
    "choices_at",
    "lifted",
    "selection_of",
]


T = TypeVar("T")


class Lanes(NamedTuple):
    """A constraint on many executions at once, before it is known what it means.

    The choice that it meets decides: an array of the choice's own shape is shared by all executions; one with a
    leading axis more is split among them.
    """

    lane: Array | None
    shared: Array

    def resolve(self, shape: tuple[int, ...]) -> Array:
        """The value for a choice of ``shape``."""
        if self.shared.shape == shape or self.lane is None:
            return self.shared
        return self.lane if self.lane.shape == shape else self.shared


def as_value(x: Any) -> Array:
    """The array of a value given by the user: numbers, nested lists, NumPy and MLX arrays.

    Floats become float32 (NumPy float64 too: MLX computes in float32); ints and bools keep their kind.

    Raises:
        ConstraintError: not a number or array.
    """
    if isinstance(x, Lanes):
        return x  # type: ignore[return-value]
    array = x if isinstance(x, mx.array) else _array(x)
    if array is None or array.dtype == mx.complex64:
        raise ConstraintError(
            f"{x!r} ({type(x).__name__}) is not the value of a choice",
            fix="a number, a list of numbers, a NumPy or MLX array; or a dict for a group of choices",
        )
    return array


def _array(x: Any) -> Array | None:
    """Numbers, nested lists and NumPy arrays as an array; None for what is none of these."""
    try:
        if isinstance(x, list | tuple) and any(isinstance(e, mx.array) for e in x):
            return mx.stack([as_value(e) for e in x])
        if isinstance(x, bool | int | float | list | tuple):
            return mx.array(x)
        if type(x).__module__ == "numpy" or hasattr(x, "__array__"):
            a = mx.array(x)
            return a.astype(mx.float32) if a.dtype == mx.float64 else a
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ConstraintError(f"{x!r} is not the value of a choice: {error}") from error
    return None


class ChoiceMap(abc.ABC):
    """A tree of choices. Build with `choicemap`, from a dict, or with ``gm.C[path].set(value)``."""

    __slots__ = ()

    # What the three kinds define.

    @abc.abstractmethod
    def child(self, component: Component) -> ChoiceMap:
        """The choices under ``component``; `EMPTY` if there are none."""

    @property
    @abc.abstractmethod
    def is_empty(self) -> bool:
        """Whether there is no choice at all."""

    @abc.abstractmethod
    def filter(self, selection: Selection) -> ChoiceMap:
        """The choices whose address is selected."""

    @abc.abstractmethod
    def map(self, f: Callable[[Array], Array]) -> ChoiceMap:
        """The same addresses with ``f`` of each stored array."""

    @abc.abstractmethod
    def components(self) -> list[tuple[Component, ChoiceMap]]:
        """The components at this level, with what is under each."""

    @abc.abstractmethod
    def gather(self, pattern: Pattern) -> ChoiceMap:
        """What is at a pattern, as a choice map, `EMPTY` if there is nothing; slices become leading axes."""

    # What follows from it.

    @property
    def value(self) -> Any:
        """The value at this very place, or None for a group."""
        return None

    def below(self, path: Path) -> ChoiceMap:
        """The choices under ``path``; `EMPTY` if there are none."""
        node = self
        for component in path:
            node = node.child(component)
        return node

    def get(self, address: object, default: Any = None) -> Any:
        """The value at an address, the choice map at a group, or ``default``."""
        node = self.gather(as_pattern(address))
        if node.is_empty:
            return default
        return node if node.value is None else node.value

    def __getitem__(self, address: object) -> Any:
        pattern = as_pattern(address)
        node = self.gather(pattern)
        if node.is_empty:
            raise AddressError(
                f"there is no choice at {format_path(pattern)}",
                fix=f"one of {self._known()}",
            )
        return node if node.value is None else node.value

    def __contains__(self, address: object) -> bool:
        return not self.gather(as_pattern(address)).is_empty

    def set(self, address: object, value: Any) -> ChoiceMap:
        """A copy with ``value`` (a value, a dict or a choice map) at an address; what was there is replaced.

        Raises:
            ConstraintError: the address leads through a value.
        """
        return self._set(as_pattern(address), _node(value), 0)

    def _set(self, pattern: Pattern, new: ChoiceMap, depth: int) -> ChoiceMap:
        if not pattern:
            return new
        if self.value is not None:
            raise ConstraintError(
                f"the address goes through a value: there is a choice here, and {format_path(pattern)} is below it",
                fix="remove the value first with cm.filter(~gm.select(address)), or choose another address",
            )
        head, *tail = pattern
        if isinstance(head, slice | range):
            indices = _range(head, new, depth)
            return self | Stack(indices, EMPTY._set(tuple(tail), new, depth + 1))
        if isinstance(self, Stack):
            return Group(dict(self.components()))._set(pattern, new, depth)
        children = dict(self.components())
        try:
            children[head] = self.child(head)._set(tuple(tail), new, depth)
        except ConstraintError as error:
            raise error.within((head,)) from None
        return Group(children)

    def __or__(self, other: Any) -> ChoiceMap:
        return _merge(self, as_choicemap(other))

    def __ror__(self, other: Any) -> ChoiceMap:
        return _merge(as_choicemap(other), self)

    def items(self) -> Iterator[tuple[Path, Array]]:
        """All choices, as (path, value); a stack is enumerated element by element."""
        for component, below in self.components():
            if below.value is not None:
                yield (component,), below.value
            else:
                for path, value in below.items():
                    yield (component, *path), value

    def stored(self) -> Iterator[tuple[Pattern, Array]]:
        """All stored arrays, as (pattern, array): one entry for a stack, with the range of its indices."""
        for component, below in self.components():
            for path, value in below.stored():
                yield (component, *path), value

    def paths(self) -> list[Path]:
        """The paths of all choices."""
        return [path for path, _ in self.items()]

    def __iter__(self) -> Iterator[Any]:
        return (bare(path) for path in self.paths())

    def __len__(self) -> int:
        return sum(len(below) for _, below in self.components())

    def __bool__(self) -> bool:
        return not self.is_empty

    def to_dict(self) -> dict[Component, Any]:
        """Nested dicts with the values as leaves."""
        return {c: below.value if below.value is not None else below.to_dict() for c, below in self.components()}

    def _known(self) -> str:
        names = [format_path(pattern) for pattern, _ in self.stored()]
        return (
            ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing: the choice map is empty"
        )

    def __rich__(self) -> RichTree:
        from rich.tree import Tree

        root = Tree("choices")
        _add_branches(root, self)
        return root

    def __repr__(self) -> str:
        return f"choicemap({_describe(self)})"


@record(lambda leaf: ((leaf._value,), leaf.axis), lambda axis, children: Leaf(children[0], axis))
class Leaf(ChoiceMap):
    """The value of one choice.

    Attributes:
        axis: how many axes of executions stand in front of the value.
    """

    __slots__ = ("_value", "axis")

    def __init__(self, value: Any, axis: int = 0) -> None:
        self._value, self.axis = fixed(value) if isinstance(value, mx.array) else value, axis

    @property
    def value(self) -> Any:
        return self._value

    @property
    def is_empty(self) -> bool:
        return False

    def child(self, component: Component) -> ChoiceMap:
        return EMPTY

    def filter(self, selection: Selection) -> ChoiceMap:
        return self if selection.here else EMPTY

    def map(self, f: Callable[[Array], Array]) -> ChoiceMap:
        v = self._value
        if isinstance(v, Lanes):
            return Leaf(Lanes(None if v.lane is None else f(v.lane), f(v.shared)), self.axis)
        return Leaf(f(v), self.axis)

    def components(self) -> list[tuple[Component, ChoiceMap]]:
        return []

    def __len__(self) -> int:
        return 1

    def to_dict(self) -> dict[Any, Any]:
        return {(): self._value}  # the empty path: the own choice of a distribution

    def items(self) -> Iterator[tuple[Path, Array]]:
        yield (), self._value

    def stored(self) -> Iterator[tuple[Pattern, Array]]:
        yield (), self._value

    def gather(self, pattern: Pattern) -> ChoiceMap:
        return EMPTY if pattern else self


@record(
    lambda group: (tuple(group._children.values()), tuple(group._children)),
    lambda names, children: Group(dict(zip(names, children, strict=True))),
)
class Group(ChoiceMap):
    """Choice maps under components."""

    __slots__ = ("_children",)

    def __init__(self, children: Mapping[Component, ChoiceMap]) -> None:
        self._children = {c: below for c, below in children.items() if not below.is_empty}

    @property
    def is_empty(self) -> bool:
        return not self._children

    def child(self, component: Component) -> ChoiceMap:
        return self._children.get(component, EMPTY)

    def filter(self, selection: Selection) -> ChoiceMap:
        if selection is ALL:
            return self
        if selection is NONE:
            return EMPTY
        return Group({c: below.filter(selection.at(c)) for c, below in self._children.items()})

    def map(self, f: Callable[[Array], Array]) -> ChoiceMap:
        return Group({c: below.map(f) for c, below in self._children.items()})

    def components(self) -> list[tuple[Component, ChoiceMap]]:
        return list(self._children.items())

    def gather(self, pattern: Pattern) -> ChoiceMap:
        if not pattern:
            return self
        head, *tail = pattern
        if not isinstance(head, slice | range):
            return self.child(head).gather(tuple(tail))
        found = sorted(c for c in self._children if isinstance(c, int))
        wanted = _indices(head, max(found, default=-1) + 1)
        return _stacked([self._children[i].gather(tuple(tail)) for i in found if i in wanted])


@record(
    lambda stack: ((stack._inner,), (stack.indices, stack.axis)),
    lambda static, children: Stack(static[0], children[0], static[1]),
)
class Stack(ChoiceMap):
    """The choices of one function at the ints of a range, stored with an axis over the range.

    Attributes:
        indices: the range.
        axis: which axis of the arrays: 0, or as many as executions of something outside stand in front of it. A stack
            inside an element counts its axis within the element.
    """

    __slots__ = ("_inner", "axis", "indices")

    def __init__(self, indices: range, inner: ChoiceMap, axis: int = 0) -> None:
        self.indices, self._inner, self.axis = indices, inner, axis

    @property
    def is_empty(self) -> bool:
        return len(self.indices) == 0 or self._inner.is_empty

    @property
    def inner(self) -> ChoiceMap:
        """The choices of one element, each array with the leading axis."""
        return self._inner

    def child(self, component: Component) -> ChoiceMap:
        if not isinstance(component, int) or component not in self.indices:
            return EMPTY
        i = self.indices.index(component)
        return self._inner.map(lambda v: mx.take(v, i, axis=self.axis) if self.axis else v[i])

    def filter(self, selection: Selection) -> ChoiceMap:
        below = selection.over(self.indices)
        if below is not None:
            inner = self._inner.filter(below)
            return EMPTY if inner.is_empty else Stack(self.indices, inner, self.axis)
        return Group({i: below.filter(selection.at(i)) for i, below in self.components()})

    def map(self, f: Callable[[Array], Array]) -> ChoiceMap:
        return Stack(self.indices, self._inner.map(f), self.axis)

    def __len__(self) -> int:
        return len(self.indices) * len(self._inner)

    def components(self) -> list[tuple[Component, ChoiceMap]]:
        return [(i, self.child(i)) for i in self.indices]

    def stored(self) -> Iterator[tuple[Pattern, Array]]:
        for path, value in self._inner.stored():
            yield (self.indices, *path), value

    def gather(self, pattern: Pattern) -> ChoiceMap:
        if not pattern:
            return self
        if not any(isinstance(c, slice | range) for c in pattern):
            return self.below(pattern)  # type: ignore[arg-type]
        return _under_axes(self, pattern, 0)


EMPTY: ChoiceMap = Group({})
"""The choice map without choices."""


def _under_axes(node: ChoiceMap, pattern: Pattern, kept: int) -> ChoiceMap:
    """`ChoiceMap.gather` in a stack: ``kept`` axes in front of the arrays of ``node`` belong to slices further out."""
    for depth, head in enumerate(pattern):
        if not isinstance(node, Stack):
            if isinstance(head, slice | range):
                return EMPTY
            node = node.child(head)
            continue
        indices, axis = node.indices, node.axis + kept
        if not isinstance(head, slice | range):
            if head not in indices:
                return EMPTY
            i = indices.index(int(head))
            node = node.inner.map(lambda v, i=i, axis=axis: mx.take(v, i, axis=axis))
            continue
        rows = [indices.index(i) for i in _indices(head, indices.stop) if i in indices]
        if not rows:
            return EMPTY
        inner = node.inner
        if rows != list(range(len(indices))):
            taken = mx.array(rows)
            inner = inner.map(lambda v, taken=taken, axis=axis: mx.take(v, taken, axis=axis))
        return _under_axes(inner, pattern[depth + 1 :], kept + 1)
    return lifted(node, kept)


def lifted(tree: T, by: int) -> T:
    """The same choices in a tree whose arrays have ``by`` more axes in front (fewer, where ``by`` is negative)."""

    def lift(node: ChoiceMap) -> ChoiceMap:
        if isinstance(node, Stack):
            return Stack(node.indices, lifted(node.inner, by), node.axis + by)
        return Leaf(node.value, node.axis + by) if isinstance(node, Leaf) else node

    return map_nodes(lift, Leaf | Stack, tree) if by else tree


def _leaves(node: ChoiceMap, path: Path) -> Iterator[tuple[Path, Leaf]]:
    if isinstance(node, Leaf):
        yield path, node
    for component, below in node.components():
        yield from _leaves(below, (*path, component))


def _stacked(nodes: list[ChoiceMap]) -> ChoiceMap:
    """Equal trees, stacked array by array; an error if they are not equal trees."""
    if not nodes:
        return EMPTY
    columns = [dict(_leaves(node, ())) for node in nodes]
    if any(column.keys() != columns[0].keys() for column in columns):
        raise AddressError(
            "the elements hold different addresses, so they do not form one array", fix="address them one by one"
        )
    entries: list[tuple[Pattern, ChoiceMap]] = []
    for path in columns[0]:
        leaves = [column[path] for column in columns]
        entries.append(
            (path, Leaf(_stacked_values([leaf.value for leaf in leaves], path, leaves[0].axis), leaves[0].axis))
        )
    return _assembled(entries)


def _stacked_values(values: list[Any], path: Path, axis: int) -> Any:
    if any(isinstance(v, Lanes) for v in values):
        lanes = [v.lane for v in values if isinstance(v, Lanes) and v.lane is not None]
        lane = _stacked_values(lanes, path, axis) if len(lanes) == len(values) else None
        return Lanes(lane, _stacked_values([v.shared if isinstance(v, Lanes) else v for v in values], path, axis))
    if any(v.shape != values[0].shape for v in values):
        raise ShapeError(f"the elements hold values of different shapes: {[v.shape for v in values]}", path=path)
    return mx.stack(values, axis=axis)


def _indices(wanted: slice | range, end: int) -> range:
    """The ints that a look-up asks for, where indices go up to ``end``."""
    return wanted if isinstance(wanted, range) else range(*wanted.indices(end))


def _range(indices: slice | range, new: ChoiceMap, depth: int) -> range:
    """The ints that a slice stands for, from the length of the values given for it."""
    sizes = {v.shape[depth] if v.ndim > depth else None for _, v in new.stored()}
    if len(sizes) != 1 or None in sizes:
        raise ShapeError(f"a slice takes values with one leading axis of one length, found lengths {sizes}")
    (length,) = sizes
    start, step = indices.start or 0, indices.step or 1
    assert length is not None
    found = range(start, start + step * length, step)
    if start < 0 or step < 1 or (indices.stop is not None and len(range(start, indices.stop, step)) != length):
        raise ShapeError(f"{length} values were given for the indices {start}:{indices.stop}:{step}")
    return found


def _merge(a: ChoiceMap, b: ChoiceMap) -> ChoiceMap:
    if b.is_empty:
        return a
    if a.is_empty or a.value is not None or b.value is not None:
        return b
    if isinstance(a, Stack) and isinstance(b, Stack) and (a.indices, a.axis) == (b.indices, b.axis):
        return Stack(a.indices, _merge(a.inner, b.inner), a.axis)
    children = dict(a.components())
    for component, below in b.components():
        children[component] = _merge(children[component], below) if component in children else below
    return Group(children)


def _node(x: Any) -> ChoiceMap:
    if isinstance(x, ChoiceMap):
        return x
    if isinstance(x, Mapping):
        return choicemap(x)
    return Leaf(as_value(x))


def choicemap(choices: Mapping[Any, Any] | ChoiceMap | None = None, /, **named: Any) -> ChoiceMap:
    """A choice map from a dict and keywords.

    Args:
        choices: addresses (strings, ints or tuples) to values, dicts or choice maps; dicts are groups.
        **named: further choices with string addresses.

    Raises:
        ConstraintError: a value that is not a number or array, or an address given twice or through a value.

    Example:
        >>> cm = choicemap({"a": 1.0, ("b", "c"): 2.0, "d": {"e": [1.0, 2.0]}})
        >>> cm["b", "c"].item(), cm["d", "e"].tolist(), "b" in cm
        (2.0, [1.0, 2.0], True)
    """
    if choices is not None and not isinstance(choices, Mapping | ChoiceMap):
        raise UsageError(
            f"a choice map is made from a dict or keywords, found {choices!r} ({type(choices).__name__})",
            fix='gm.choicemap({"x": 1.0, ("a", "b"): 2.0}) or gm.choicemap(x=1.0)',
        )
    given: list[tuple[Any, Any]] = list(choices.items()) if isinstance(choices, Mapping) else []
    entries = [(as_pattern(address), _labelled(address, value)) for address, value in [*given, *named.items()]]
    if isinstance(choices, ChoiceMap):
        entries.insert(0, ((), choices))
    return _assembled(entries)


def choices_at(stored: Iterable[tuple[Pattern, Any]], axes: int = 0) -> ChoiceMap:
    """The choice map with these arrays at these patterns: the inverse of `ChoiceMap.stored`.

    Args:
        stored: patterns with arrays.
        axes: how many axes of executions stand in front of every array.

    Raises:
        ConstraintError: two patterns meet at an address.
    """
    return lifted(_assembled([(pattern, Leaf(value)) for pattern, value in stored], axes), axes)


def _assembled(entries: list[tuple[Pattern, ChoiceMap]], axes: int = 0) -> ChoiceMap:
    """One choice map from choices at patterns, none of which replaces another.

    The entries under one component are collected first: setting them one at a time would copy the group each time.
    """
    if len(entries) == 1 and not entries[0][0]:
        return entries[0][1]
    here: ChoiceMap = EMPTY
    tails: dict[Component, list[tuple[Pattern, ChoiceMap]]] = {}
    for pattern, new in entries:
        if pattern and not isinstance(pattern[0], slice | range):
            tails.setdefault(pattern[0], []).append((pattern[1:], new))
        else:
            here = _joined(here, EMPTY._set(pattern, new, axes))
    children: dict[Component, ChoiceMap] = {}
    for component, below in tails.items():
        try:
            children[component] = _assembled(below, axes)
        except ConstraintError as error:
            raise error.within((component,)) from None
    return _joined(here, Group(children))


def _joined(a: ChoiceMap, b: ChoiceMap) -> ChoiceMap:
    """The choices of both, which may not meet at an address."""
    if a.is_empty or b.is_empty:
        return a if b.is_empty else b
    if (a.value is None) != (b.value is None):
        raise ConstraintError("a value is given here, and choices below it", fix="the one or the other")
    if a.value is not None:
        raise ConstraintError(f"the address is given twice: {a!r} and {b!r}", fix="one value for each address")
    if isinstance(a, Stack) and isinstance(b, Stack) and (a.indices, a.axis) == (b.indices, b.axis):
        return Stack(a.indices, _joined(a.inner, b.inner), a.axis)
    children = dict(a.components())
    for component, below in b.components():
        try:
            children[component] = _joined(children.get(component, EMPTY), below)
        except ConstraintError as error:
            raise error.within((component,)) from None
    return Group(children)


def _labelled(address: object, value: Any) -> ChoiceMap:
    try:
        return _node(value)
    except (ConstraintError, AddressError) as error:
        raise error.within(as_pattern(address)) from None


def as_choicemap(x: Any) -> ChoiceMap:
    """The choice map that an argument stands for: itself, a dict, nothing (None), or a distribution's bare value."""
    if isinstance(x, ChoiceMap):
        return x
    if x is None:
        return EMPTY
    return _node(x)


def selection_of(choices: ChoiceMap, where: Callable[[Array], bool] | None = None) -> Selection:
    """The addresses of the choices of a map, as a selection; of those only for which ``where(value)`` holds."""
    return _Of(choices, where)


class _Of(Selection):
    __slots__ = ("_choices", "_where")

    def __init__(self, choices: ChoiceMap, where: Callable[[Array], bool] | None) -> None:
        self._choices, self._where = choices, where

    @property
    def here(self) -> bool:
        value = self._choices.value
        return value is not None and (self._where is None or self._where(value))

    def at(self, component: Component) -> Selection:
        return self._of(self._choices.child(component))

    def over(self, indices: range) -> Selection | None:
        choices = self._choices
        if isinstance(choices, Stack) and all(i in choices.indices for i in indices):
            return self._of(choices.inner)  # what holds of an element holds of all, which have one shape and dtype
        if self._where is not None:
            return None
        children = [choices.child(i) for i in indices]
        alike = all(below.paths() == children[0].paths() for below in children)
        return self._of(children[0]) if children and alike else None

    def _of(self, below: ChoiceMap) -> Selection:
        return NONE if below.is_empty else _Of(below, self._where)

    def __repr__(self) -> str:
        return f"selection_of({self._choices!r})"


class _Builder:
    """``gm.C[path].set(value)``: a choice map with one entry."""

    def __init__(self, pattern: Pattern | None = None) -> None:
        self._pattern = pattern

    def __getitem__(self, address: object) -> Self:
        return type(self)((self._pattern or ()) + as_pattern(address))

    def set(self, value: Any) -> ChoiceMap:
        """The choice map with ``value`` at the path; slices take the leading axes of the value."""
        if self._pattern is None:
            raise UsageError("gm.C needs an address", fix='gm.C["steps", :, "y"].set(ys)')
        return EMPTY._set(self._pattern, _node(value), 0)


C = _Builder()
"""Builds a choice map with one entry: ``gm.C["steps", :, "y"].set(ys)``."""


def _add_branches(tree: RichTree, node: ChoiceMap) -> None:
    for component, below in node.components() if not isinstance(node, Stack) else [(":", node.inner)]:
        if below.value is not None:
            tree.add(f"{component} = {show_value(below.value)}")
        else:
            _add_branches(tree.add(str(component)), below)


def _describe(node: ChoiceMap) -> str:
    if node.value is not None:
        return show_value(node.value)
    if isinstance(node, Stack):
        r = node.indices
        return f"{{{format_path((slice(r.start, r.stop, r.step),))}: {_describe(node.inner)}}}"
    return "{" + ", ".join(f"{c!r}: {_describe(below)}" for c, below in node.components()) + "}"


def show_value(value: Any) -> str:
    """A value in one short line. Values that do not exist yet (under vmap or compile) show as their shape."""
    if isinstance(value, Lanes):
        value = value.shared
    if not isinstance(value, mx.array):
        return str(value)
    try:
        if value.size <= 6:
            return str(_rounded(value.tolist()))
        flat = value.reshape(-1)[:3].tolist()
        return f"{_rounded(flat)[:-1]}, ...] {value.dtype}{list(value.shape)}".replace("mlx.core.", "")
    except (ValueError, TypeError):
        return f"<traced {value.dtype}{list(value.shape)}>".replace("mlx.core.", "")


def _rounded(x: Any) -> Any:
    if isinstance(x, list):
        return "[" + ", ".join(str(_rounded(e)) for e in x) + "]"
    return f"{x:.4g}" if isinstance(x, float) else str(x)
