import importlib
import inspect
import pkgutil

import pytest

import genmlx as gm


def modules():
    yield "genmlx"
    for module in pkgutil.walk_packages(gm.__path__, "genmlx."):
        if not module.name.endswith("__main__"):
            yield module.name


def docstring(thing):
    """The docstring that somebody wrote: not an inherited one, nor the signature that NamedTuple puts there."""
    if inspect.isclass(thing):
        text = vars(thing).get("__doc__") or ""
        return "" if text.startswith(f"{thing.__name__}(") else text
    return getattr(thing, "__doc__", None) or ""


def is_ours(thing):
    """Classes and functions of genmlx; constants and type aliases are told by a comment or their name."""
    kind = inspect.isclass(thing) or inspect.isfunction(inspect.unwrap(thing) if callable(thing) else thing)
    return kind and str(getattr(thing, "__module__", "")).startswith("genmlx")


def says_something(cls, name):
    """Whether a method or property has a docstring, here or in a class above."""
    return any(docstring(vars(base)[name]) for base in cls.__mro__ if name in vars(base))


@pytest.mark.parametrize("name", list(modules()))
def test_a_module_says_what_it_is_and_so_does_every_public_name(name):
    module = importlib.import_module(name)
    assert docstring(module), f"{name} has no docstring"
    public = getattr(module, "__all__", ())
    missing = [n for n in public if not hasattr(module, n)]
    assert not missing, f"{name}.__all__ lists names that do not exist: {missing}"
    bare = [n for n in public if is_ours(getattr(module, n)) and not docstring(getattr(module, n))]
    assert not bare, f"without a docstring in {name}: {bare}"


def test_every_method_that_a_user_meets_has_a_docstring():
    classes = {c for c in map(vars(gm).get, gm.__all__) if inspect.isclass(c) and is_ours(c)}
    assert classes, "genmlx.__all__ names no class"
    silent = [
        f"{cls.__name__}.{name}"
        for cls in classes
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
        if not says_something(cls, name)
    ]
    assert not silent, f"without a docstring: {sorted(silent)}"
