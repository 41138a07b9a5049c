"""Every public name says what it is, and names the errors that its own code raises."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import l0
import pytest

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = sorted(
    path.parent.name for path in [*ROOT.glob("l0_*/l0_*/py.typed"), *ROOT.glob("plugins/*/*/py.typed")]
)
FACE = ["l0", *(f"l0.{module.name}" for module in pkgutil.iter_modules(l0.__path__) if not module.name.startswith("_"))]

INNER = {staticmethod: "__func__", classmethod: "__func__", property: "fget", cached_property: "func"}
GENERATED = "<string>"  # where dataclasses write their constructors
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Name(NamedTuple):
    """A public class, function, method or property."""

    path: str
    said: str
    code: tuple[FunctionType, ...]


def is_ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("l0", *DISTRIBUTIONS)


def function_of(thing: Any) -> FunctionType | None:
    """The function of ours that a function, method or property is made of. None for anything else."""
    function = inspect.unwrap(getattr(thing, INNER[type(thing)]) if type(thing) in INNER else thing)
    return function if isinstance(function, FunctionType) and is_ours(function) else None


def of_class(owner: type) -> str:
    """What a class says of itself, and not what was made of its fields."""
    said = vars(owner).get("__doc__") or ""
    return "" if said.startswith(f"{owner.__name__}(") or said == "An enumeration." else said


def is_promised_elsewhere(owner: type, name: str, function: FunctionType) -> bool:
    """Hookspecs document hooks, a test's name is its promise, and a validator is pydantic's to call.

    A field that is a property is documented in the table of its class.
    """
    validators = getattr(getattr(owner, "__pydantic_decorators__", None), "model_validators", {})
    is_field = name in getattr(owner, "__dataclass_fields__", {}) and f"`{name}`" in of_class(owner)
    return hasattr(function, "l0_impl") or name.startswith("test_") or name in validators or is_field


def of_member(owner: type, name: str) -> Name | None:
    """A method or property, with what it or the one that it overrides says."""
    layers = [vars(base)[name] for base in owner.__mro__ if name in vars(base)]
    function = function_of(layers[0]) if layers else None
    if function is None or is_promised_elsewhere(owner, name, function):
        return None
    said = "\n".join(layer.__doc__ or "" for layer in layers).strip()
    return Name(f"{function.__module__}.{function.__qualname__}", said, (function,))


def public(module: str) -> Iterator[tuple[Name, str]]:
    """The public names of a module. Beside each: what the class of a member says, or the constructor of a class."""
    home = import_module(module)
    for thing in (getattr(home, name) for name in getattr(home, "__all__", ())):
        if isinstance(thing, type) and is_ours(thing):
            made = (function_of(vars(thing).get(name)) for name in ("__init__", "__post_init__"))
            code = tuple(function for function in made if function and function.__code__.co_filename != GENERATED)
            of_code = "\n".join(function.__doc__ or "" for function in code)
            yield Name(f"{thing.__module__}.{thing.__qualname__}", of_class(thing), code), of_code
            members = (of_member(thing, name) for name in dir(thing) if not name.startswith("_"))
            yield from ((member, of_class(thing)) for member in members if member)
        elif (function := function_of(thing)) is not None:
            yield Name(f"{function.__module__}.{function.__qualname__}", function.__doc__ or "", (function,)), ""


@cache
def definitions(file: str) -> dict[int, ast.AST]:
    """The functions of a file by the lines on which they begin, decorators included."""
    nodes = (node for node in ast.walk(ast.parse(Path(file).read_text())) if isinstance(node, FUNCTIONS))
    return {min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]): node for node in nodes}


def raised(function: FunctionType) -> set[str]:
    """The exception classes that the body of a function raises by name. NotImplementedError asks for an override."""
    found: set[str] = set()
    code = function.__code__
    definition = definitions(code.co_filename).get(code.co_firstlineno, ast.Pass())  # a lambda cannot raise
    todo = list(ast.iter_child_nodes(definition))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found.add(called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", ""))
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(node)
    return {name for name in found if name[:1].isupper()} - {"NotImplementedError"}


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, "l0"])
def test_every_public_name_says_what_it_is_and_what_it_raises(name: str) -> None:
    found = find_spec(name)
    if found is None or found.origin is None:  # a folder of that name is found as well
        pytest.skip(f"{name} is not installed")
    silent, unnamed = set(), set()
    for module in FACE if name == "l0" else [name]:
        for (path, said, code), around in public(module):
            if not said:
                silent.add(path)
            errors = {error for function in code for error in raised(function)}
            unnamed |= {f"{path}: {error}" for error in errors if not re.search(rf"\b{error}\b", said + around)}
    assert "\n".join(sorted(silent)) == "", "without a docstring"
    assert "\n".join(sorted(unnamed)) == "", "raised, and not named in the docstring"
