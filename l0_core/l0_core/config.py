"""Configuration: a file and the environment, read once, as the defaults below what a call says.

The file is `l0.toml`, or `pyproject.toml` with `[tool.l0]`, nearest upwards from the working directory. It is read when
a stream or a wrapped client first needs it. Without a file and without variables nothing is imported for it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from l0_core.errors import Error, ErrorCode

if TYPE_CHECKING:
    from l0_core.config_read import Configuration

__all__ = ["ConfigError", "Setting", "check_choice", "current", "effective", "refusal", "reload"]


class ConfigError(Error):
    """What is configured cannot be meant. The message says where it is written, and what is accepted there."""

    def __init__(self, message: str) -> None:
        super().__init__(masked(message), ErrorCode.PLUGIN)


class Setting(NamedTuple):
    """One key of the effective configuration, for people: secrets in its value are masked.

    `source` is the file with its table, the variable, or `"default"`. In a file it stands in `table` as `name`. `unit`
    is that of a duration, "ms" or "s".
    """

    key: str
    value: Any
    source: str
    table: str = ""
    name: str = ""
    unit: str = ""


def masked(text: str) -> str:
    """The text without the passwords of the URLs in it."""
    text = re.sub(r"(://[^\s:/@]*):[^\s'\"]*@", r"\1:***@", text)
    return re.sub(r"(?i)([?&](?:\w+[_-])?(?:password|secret|token|key)=)[^&\s'\"]+", r"\1***", text)


FREE = ("L0_TEST_", "L0_SEAM_")
"""Beginnings of variables that are not configuration."""


CHOICE = ("L0_PLUGINS", "L0_DISABLE_PLUGINS")
"""The variables that say which installed plugins may be loaded."""


def variables() -> dict[str, str]:
    """The variables that configure something, by name."""
    others = {"L0_CONFIG", *CHOICE}
    return {
        name: text
        for name, text in os.environ.items()
        if name.startswith("L0_") and not name.startswith(FREE) and name not in others
    }


def file() -> tuple[str, bytes] | None:
    """The path and the content of the file that `L0_CONFIG` names or that is nearest, or None. Raises ConfigError."""
    named = os.environ.get("L0_CONFIG")
    if named is not None:
        return (os.path.abspath(named), _content(named)) if named else None
    folder = os.getcwd()
    while True:
        for name in ("l0.toml", "pyproject.toml"):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                content = _content(path)
                # However `[tool.l0]` is written, the letters are in it.
                if name == "l0.toml" or (b"l0" in content and _has_table(path, content)):
                    return path, content
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise ConfigError(f"{os.path.abspath(path)} cannot be read: {error.strerror}") from error


def _has_table(path: str, content: bytes) -> bool:
    from l0_core.config_read import parsed

    return parsed(path, content) is not None


def chooses_plugins() -> bool:
    """Whether a variable says which installed plugins may be loaded."""
    return any(variable in os.environ for variable in CHOICE)


def refusal(distribution: str, name: str) -> str | None:
    """Why an installed plugin may not be loaded, or None if it may: `L0_PLUGINS` and `L0_DISABLE_PLUGINS`."""
    allowed, disabled = os.environ.get("L0_PLUGINS"), os.environ.get("L0_DISABLE_PLUGINS")
    if disabled and _listed(disabled, distribution, name):
        return "L0_DISABLE_PLUGINS names it"
    if allowed is not None and not _listed(allowed, distribution, name):
        return "L0_PLUGINS does not name it"
    return None


def check_choice() -> None:
    """Raise ConfigError for a name in `L0_PLUGINS` or `L0_DISABLE_PLUGINS` that nothing installed has."""
    for variable in CHOICE:
        if names := _split(os.environ.get(variable, "")):
            from l0_core.plugins import registry

            installed = registry().installed()
            for name in names:
                if not any(_listed(name, item.distribution, item.name) for item in installed):
                    from l0_core.config_values import unknown

                    known = {item.name for item in installed} | {item.distribution for item in installed} - {""}
                    raise ConfigError(
                        f"{variable} names {name!r}, and no plugin of that name is installed{unknown(name, known)}"
                    )


def _listed(names: str, distribution: str, name: str) -> bool:
    listed = _split(names)
    return name in listed or _normal(distribution) in map(_normal, listed)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


_current: Configuration | None = None
_is_read = False


def current() -> Configuration | None:
    """What is configured, or None if nothing is. Read once. Raises ConfigError."""
    global _current, _is_read
    if not _is_read:
        check_choice()
        found, chosen = file(), variables()
        if found or chosen:
            from l0_core.config_read import read

            _current = read(found, chosen)
        _is_read = True
    return _current


def reload() -> None:
    """Forget what was read, and the plugins that were made with it: both are made again when they are next needed."""
    global _current, _is_read
    from l0_core import plugins

    _current, _is_read = None, False
    if plugins._registry is not None:
        plugins._registry.forget()


def effective(*, plugins: bool = False) -> tuple[Setting, ...]:
    """Every key, its value and where that comes from.

    With `plugins`, every Option too of the plugins that the configuration names: they are loaded for it. Raises
    ConfigError.
    """
    from l0_core.config_read import Configuration

    return tuple((current() or Configuration({}, {})).settings(plugins=plugins))
