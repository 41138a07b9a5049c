"""How the face finds what it shows: a name is loaded when it is first used, from the distribution that provides it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["find", "installed", "provider", "show"]


def provider(module: str, wanted: str) -> ModuleType:
    """A module that provides a name of the face. Raises ImportError, which says what to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name != top:
            raise
        package = top.replace("_", "-")
        raise ImportError(f"{wanted} needs the {package} package: pip install {package}") from None


def find(name: str, namespace: dict[str, Any], table: Mapping[str, str], modules: str = "") -> Any:
    """What a name of a module of the face stands for. It is put into the module's namespace, and found there next time.

    `table` has the names by the module that provides them, `modules` those that are modules of the face themselves.
    Raises AttributeError for an unknown name, and ImportError for one whose distribution is not installed.
    """
    face = namespace["__name__"]
    if name in modules.split():
        return import_module(f"{face}.{name}")
    home = next((module for module, names in table.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module {face!r} has no attribute {name!r}")
    value = namespace[name] = getattr(provider(home, f"{face}.{name}"), name)
    return value


def installed(table: Mapping[str, str]) -> list[str]:
    """The names of a table that can be had here. Nothing is imported to know that."""
    from importlib.util import find_spec

    return [
        name for module, names in table.items() if find_spec(module.partition(".")[0]) is not None
        for name in names.split()
    ]  # fmt: skip


class _Showing(ModuleType):
    """A module of the face that shows another module."""

    _shown: ModuleType

    def __getattr__(self, name: str) -> Any:
        # What is asked of a module as such, like __path__, is this one's to answer.
        if not (name.startswith("__") or name == "_shown"):
            try:
                return getattr(self._shown, name)
            except AttributeError:
                pass
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return dir(self._shown)


class _Callable(_Showing):
    """One that has the name of a function in it, and is called in its place.

    Python makes `l0.parallel` the module as soon as anything imports it. It is the module always, so that both forms
    work whatever was imported before.
    """

    @property
    def _function(self) -> Any:
        return getattr(self._shown, self.__name__.rpartition(".")[2])

    @property
    def __wrapped__(self) -> Any:
        """For `inspect.signature`."""
        return self._function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


def show(face: str, module: str, *, is_function: bool = False) -> None:
    """Make a module of the face show another module, all of it; and be the function of its name, if it has one.

    Raises ImportError, which says what to install.
    """
    shown = provider(module, face)
    showing = sys.modules[face]
    showing.__dict__["_shown"] = shown
    if hasattr(shown, "__all__"):
        showing.__dict__["__all__"] = list(shown.__all__)
    showing.__class__ = _Callable if is_function else _Showing
