"""What type checkers see of the models, made of the models: `python tests/stub.py`, and format what it writes."""

from __future__ import annotations

import ast
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import l0_pydantic
from l0_pydantic.sources import installed
from l0_pydantic.table import WRITTEN
from pydantic import BaseModel

STUB = Path(l0_pydantic.__path__[0]) / "__init__.pyi"

HEAD = '''\
"""What type checkers see. It is made by `python tests/stub.py`, in the folder of the distribution."""

from enum import Enum
from typing import Any, Literal

'''

FOOT = """
def derive(type_: type) -> Any: ...
"""


def said(hint: Any) -> str:
    """An annotation of a model, as it is written."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return said(args[0])
    if origin in (Union, UnionType):
        return " | ".join(said(arg) for arg in args)
    if origin is Literal:
        return f"Literal[{', '.join(literal(arg) for arg in args)}]"
    if hint is Any:
        return "Any"
    if hint in (None, NoneType):
        return "None"
    if hint is ...:
        return "..."
    if origin is not None:
        return f"{origin.__name__}[{', '.join(said(arg) for arg in args)}]"
    return str(hint.__name__)


def literal(value: Any) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def declaration(name: str) -> str:
    """The class of a name, as it is declared in a stub, or the other name of it."""
    model = getattr(l0_pydantic, name)
    if model.__name__ != name:
        return f"{name} = {model.__name__}\n"
    if issubclass(model, Enum):
        mixed = "str, Enum" if issubclass(model, str) else "Enum"
        return f"class {name}({mixed}):\n" + "".join(f"    {member.name} = {member.value!r}\n" for member in model)
    assert issubclass(model, BaseModel)
    lines = [
        f"    {field}: {said(info.annotation)}{'' if info.is_required() else ' = ...'}\n"
        for field, info in model.model_fields.items()
    ]
    return f"class {name}(BaseModel):\n" + "".join(lines)


@cache
def classes(text: str) -> dict[str, str]:
    """The classes that a stub declares, and their other names, as they are written."""
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.Assign):
            name = node.name if isinstance(node, ast.ClassDef) else ast.unparse(node.targets[0])
            found[name] = f"{ast.get_source_segment(text, node)}\n"
    return found


def imports(text: str) -> dict[str, str]:
    """What a stub imports of other distributions of L0, with the module of each."""
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    return {
        alias.name: node.module
        for node in nodes
        for alias in node.names
        if node.module is not None and node.module.startswith("l0_") and alias.asname is None
    }


def imports_now() -> dict[str, str]:
    """The types that are models as they are, and not derived."""
    models = [getattr(l0_pydantic, name) for name in installed() if name not in WRITTEN]
    return {model.__name__: model.__module__ for model in models if not model.__module__.startswith("l0_pydantic")}


def stub(before: str) -> str:
    """The whole stub. What was in it before of distributions that are not installed here is kept."""
    written = [f"from {module} import {name} as {name}\n" for name, (_, module) in WRITTEN.items()]
    others = imports(before) | imports_now()
    imported = [
        f"from {module} import {', '.join(sorted(name for name in others if others[name] == module))}\n"
        for module in sorted(set(others.values()))
    ]
    kept = {name: declared for name, declared in classes(before).items() if is_known(name)}
    declared = kept | {name: declaration(name) for name in installed() if name not in WRITTEN}
    return (
        HEAD
        + "".join(
            [
                *imported,
                "from pydantic import BaseModel\n\n",
                *written,
                *(f"\n{declared[name]}" for name in sorted(declared)),
            ]
        )
        + FOOT
    )


def is_known(name: str) -> bool:
    try:
        return hasattr(l0_pydantic, name)
    except ImportError:
        return True


if __name__ == "__main__":
    STUB.write_text(stub(STUB.read_text()))
