"""The effective configuration: for people in the form in which it is written, and for programs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from l0_cli.terminal import clean, one_line
from l0_core import Setting, config

__all__ = ["as_object", "show"]

DEFAULT = "default"
"""The source of what nobody configured."""

NOTHING = "Nothing is configured, and so everything is at its default: l0 config --all shows it."


def as_object(everything: bool) -> dict[str, Any]:
    """The file that is read or None, the folder where the search for it begins, and the settings.

    Times are in milliseconds under `timeout`, and in seconds everywhere else. Raises ConfigError.
    """
    return {
        "file": _path(),
        "searched_from": None if "L0_CONFIG" in os.environ else os.getcwd(),
        "settings": [
            {"key": setting.key, "value": _plain(setting.value), "source": setting.source}
            for setting in _settings(everything)
        ],
    }


def show(everything: bool, console: Console | None = None) -> None:
    """Print the configuration, what is at its default dimmed. Raises ConfigError, before anything is printed."""
    console = console or Console(highlight=False)
    path, settings = _path(), _settings(everything)
    for line in _lines(path, settings):
        console.print(line, soft_wrap=True)


def _settings(everything: bool) -> list[Setting]:
    return [setting for setting in config.effective(plugins=everything) if everything or setting.source != DEFAULT]


def _path() -> str | None:
    found = config.file()
    return found[0] if found else None


def _lines(path: str | None, settings: list[Setting]) -> Iterator[Text]:
    yield Text(f"# {_where(path)}")
    if not settings:
        yield Text(f"# {NOTHING}")
        return
    written = {setting.key: f"{setting.name} = {_shown(setting)}" for setting in settings}
    width = min(max(map(len, written.values())), 60)
    for table, inside in groupby(settings, lambda setting: setting.table):
        yield Text()
        if table:
            yield Text(f"[{one_line(table)}]", "bold")
        for setting in inside:
            source = setting.source if path is None else setting.source.replace(path, os.path.basename(path))
            style = "dim" if setting.source == DEFAULT else ""
            line = Text(written[setting.key].ljust(width), style)
            yield line.append(f"  # {one_line(source, 300)}", "dim")


def _where(path: str | None) -> str:
    """Which file is read, or where one was looked for."""
    named = os.environ.get("L0_CONFIG")
    if path is not None:
        return clean(path) if named is None else f"{clean(path)}, which L0_CONFIG names"
    if named is not None:
        return "No file is read: L0_CONFIG is empty"
    return f"No file: there is no l0.toml, and no pyproject.toml with [tool.l0], in {clean(os.getcwd())} and above it"


def _shown(setting: Setting) -> str:
    """A value as a file has it."""
    value = setting.value
    if setting.unit and value is not None:
        milliseconds = value * (1000 if setting.unit == "s" else 1)
        value = f"{milliseconds:.10g}ms" if milliseconds % 1000 else f"{milliseconds / 1000:.10g}s"
    return one_line(_toml(_plain(value)), 300)


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it. What JSON has not is text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
