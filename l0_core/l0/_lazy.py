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
    top = module.partition(".")[0]
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name != top:
            raise
    else:
        # A folder of that name is a package too, and has nothing in it.
        if getattr(sys.modules[top], "__file__", None):
            return found
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

    def is_here(module: str) -> bool:
        found = find_spec(module.partition(".")[0])
        return found is not None and found.origin is not None

    return [name for module, names in table.items() if is_here(module) for name in names.split()]


class _Showing(ModuleType):
    """A module of the face that shows another module."""

    _shown: ModuleType
    _rooms: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        # What is asked of a module as such, like __path__, is this one's to answer.
        if not (name.startswith("__") or name in ("_shown", "_rooms")):
            if name in self._rooms:
                return import_module(f"{self.__name__}.{name}")
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


class _Absent(_Showing):
    """One whose distribution is not here. Those of rooms in it may be, so what is missing is told when it is used."""

    _module: str

    def __getattr__(self, name: str) -> Any:
        if name == "_shown":
            return provider(self._module, self.__name__)
        return super().__getattr__(name)

    @property
    def __all__(self) -> list[str]:
        return list(self._shown.__all__)

    def __dir__(self) -> list[str]:
        return sorted(self._rooms)


def show(face: str, module: str, *, is_function: bool = False, rooms: str = "", rooms_of_others: str = "") -> None:
    """Make a module of the face show another module, all of it; and be the function of its name, if it has one.

    `rooms` are the modules within it, which are loaded when they are used. They are the face's own, whatever the other
    module has under their names. `rooms_of_others` are shown by distributions that do not need this one, and are there
    without it. Raises ImportError, which says what to install.
    """
    showing = sys.modules[face]
    showing.__dict__["_rooms"] = (*rooms.split(), *rooms_of_others.split())
    try:
        shown = provider(module, face)
    except ImportError:
        if not rooms_of_others:
            raise
        showing.__dict__["_module"] = module
        showing.__class__ = _Absent
        return
    showing.__dict__["_shown"] = shown
    if hasattr(shown, "__all__"):
        showing.__dict__["__all__"] = list(shown.__all__)
    showing.__class__ = _Callable if is_function else _Showing
