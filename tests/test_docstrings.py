"""Every public name says what it is, and which errors it raises."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import l0
import pytest

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = sorted(path.parents[1].name for path in ROOT.glob("**/l0_*/l0_*/py.typed") if "examples" not in path.parts)
FACE = ["l0", *(f"l0.{module.name}" for module in pkgutil.iter_modules(l0.__path__) if not module.name.startswith("_"))]


def is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in ("l0", *DISTRIBUTIONS)


def function_of(value: Any) -> Any:
    """The function that a member of a class or a module is made of. None if it is made of something else."""
    inner = {staticmethod: "__func__", classmethod: "__func__", property: "fget", cached_property: "func"}.get(type(value))
    function = inspect.unwrap(value if inner is None else getattr(value, inner))
    return function if inspect.isfunction(function) else None


def is_promised_elsewhere(owner: type, name: str, function: Any) -> bool:
    """Hooks are documented by their hookspecs, tests of suites by their names; validators are pydantic's to call."""
    validators = getattr(getattr(owner, "__pydantic_decorators__", None), "model_validators", {})
    return hasattr(function, "l0_impl") or name.startswith("test_") or name in validators


def members(owner: type) -> Iterator[tuple[str, Any, Any, str]]:
    """Public methods and properties of a class: name, value, function, and what it or a base says of it."""
    for name in dir(owner):
        if name.startswith("_"):
            continue
        values = [vars(base)[name] for base in owner.__mro__ if name in vars(base)]
        function = function_of(values[0]) if values else None
        if function is not None and is_ours(function) and not is_promised_elsewhere(owner, name, function):
            yield name, values[0], function, "\n".join(value.__doc__ or "" for value in values).strip()


def said_of(owner: type) -> str:
    """The docstring of a class, and not one that was made of its fields."""
    said = vars(owner).get("__doc__") or ""
    return "" if said.startswith(f"{owner.__name__}(") or said == "An enumeration." else said


def public(module: str) -> Iterator[tuple[str, Any, str, str]]:
    """Public classes, functions, methods and properties: path, function or class, docstring, and that of the class."""
    home = import_module(module)
    for name in getattr(home, "__all__", ()):
        value = getattr(home, name)
        if not is_ours(value):
            continue
        if isinstance(value, type):
            yield f"{module}.{name}", value, said_of(value), ""
            for member, _, function, said in members(value):
                yield f"{module}.{name}.{member}", function, said, said_of(value)
        elif function_of(value) is not None:
            yield f"{module}.{name}", function_of(value), value.__doc__ or "", ""


def raised(function: Any) -> set[str]:
    """The exception classes that a function's own body raises by name."""
    if function.__name__ == "<lambda>":
        return set()
    todo: list[ast.AST] = list(ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body)
    found = set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name[:1].isupper():
                found.add(name)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo += ast.iter_child_nodes(node)
    return found


