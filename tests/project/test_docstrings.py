import importlib
import inspect
import pkgutil

import pytest

import genmlx


def modules():
    yield "genmlx"
    for module in pkgutil.walk_packages(genmlx.__path__, "genmlx."):
        if not module.name.endswith("__main__"):
            yield module.name


def docstring(thing):
    """The docstring that somebody wrote: not an inherited one, nor the signature that NamedTuple puts there."""
    if inspect.isclass(thing):
        text = vars(thing).get("__doc__") or ""
        return "" if text.startswith(f"{thing.__name__}(") else text
    return getattr(thing, "__doc__", None) or ""


def documentable(thing):
    return inspect.isclass(thing) or inspect.isroutine(inspect.unwrap(thing) if callable(thing) else thing)


def undocumented_methods(cls):
    """Public methods and properties of a class that say nothing, neither here nor in the base class that declares them."""
    for name, member in vars(cls).items():
        public = not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
        if public and not inspect.getdoc(getattr(cls, name)):
            yield f"{cls.__name__}.{name}"


@pytest.mark.parametrize("name", modules())
def test_a_module_says_what_it_is_and_so_does_every_public_name(name):
    module = importlib.import_module(name)
    assert docstring(module), f"{name} has no docstring"
    public = getattr(module, "__all__", ())
    missing = [n for n in public if not hasattr(module, n)]
    assert not missing, f"{name}.__all__ lists names that do not exist: {missing}"
    bare = [n for n in public if documentable(getattr(module, n)) and not docstring(getattr(module, n))]
    assert not bare, f"without a docstring in {name}: {bare}"
    own = [getattr(module, n) for n in public if getattr(getattr(module, n), "__module__", None) == name]
    silent = [m for cls in own if inspect.isclass(cls) for m in undocumented_methods(cls)]
    assert not silent, f"methods without a docstring in {name}: {silent}"
