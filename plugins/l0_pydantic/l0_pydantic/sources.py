"""Where the types are that models are made of."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from l0_pydantic.table import NAMED, NARROWED, TYPES, WRITTEN

__all__ = ["installed", "name_of", "provider", "source"]

KERNEL = "l0_core"
"""The package of the types that `l0` shows."""


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """The home and the name of the type, by the name of the model."""
    return {
        NAMED.get((home, name), f"{name}Model"): (home, name) for home, names in TYPES.items() for name in names.split()
    }


@cache
def _names() -> dict[tuple[str, str], str]:
    """The name of the model, by the package and the name of the type."""
    return {(_package(home), name): model for model, (home, name) in _homes().items()}


def _package(module: str) -> str:
    top = module.partition(".")[0]
    return KERNEL if top == "l0" else top


def name_of(type_: type) -> str | None:
    """The name of a type's model, if it has one in the table."""
    return _names().get((_package(type_.__module__), type_.__name__))


def source(model: str) -> Any:
    """The type that a model is made of, or None if the model has none in the table.

    Raises ImportError if its distribution is not installed, or has no such type.
    """
    if model not in _homes():
        return None
    home, name = _homes()[model]
    provider(home.partition(".")[0], model)
    try:
        return getattr(import_module(home), name)
    except AttributeError:
        raise ImportError(f"l0.pydantic.{model} needs {home}.{name}, which the installed {home} has not") from None


def provider(package: str, model: str) -> ModuleType:
    """The package that a model is about. Raises ImportError, which says what to install."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        distribution = package.replace("_", "-")
        raise ImportError(f"l0.pydantic.{model} needs the {distribution} package: pip install {distribution}") from None


def installed() -> list[str]:
    """The names of the models that can be had here. No package is imported to know that."""
    tops = {model: home.partition(".")[0] for model, (home, _) in _homes().items()}
    tops |= {model: package for model, (package, _) in WRITTEN.items()}
    tops |= dict.fromkeys(NARROWED, "l0")
    found = {top for top in set(tops.values()) if find_spec(top) is not None}
    return sorted(model for model, top in tops.items() if top in found)
