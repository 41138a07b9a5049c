"""Processes of their own, in which a plugin is imported and configured as its users do it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

__all__ = ["as_toml", "look", "table"]

TOGETHER = 4
"""Processes that run at the same time, at most."""


def look(*arguments: str, files: Sequence[str] = ("",)) -> list[dict[str, Any]]:
    """What `l0_testing.alone` says of these arguments, once for each text of an `l0.toml` that lies where it runs.

    Raises RuntimeError for a process that did not come to an end of its own.
    """
    answers: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, len(files), TOGETHER):
            group = files[begin : begin + TOGETHER]
            processes = [_started(arguments, Path(folder) / str(begin + at), text) for at, text in enumerate(group)]
            answers += [_answer(process) for process in processes]
    return answers


def _started(arguments: Sequence[str], folder: Path, config: str) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "l0.toml").write_text(config, "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("L0_")}
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", "l0_testing.alone", *arguments],
        cwd=folder, env={**kept, "PYTHONPATH": path}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    with process:
        try:
            output, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError("a process that only imports the plugin was not done in 60 seconds") from None
    try:
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(
            f"a process that only imports the plugin ended with exit code {process.returncode}: "
            f"{errors.strip()[-2000:] or 'it said nothing'}"
        ) from None
    return answer


def table(kind: str, name: str, options: Mapping[str, Any]) -> str:
    """The table of an `l0.toml` that configures a plugin. Raises TypeError for what no file can hold."""
    lines = [f"{json.dumps(key)} = {as_toml(value)}" for key, value in options.items() if value is not None]
    return "\n".join([f"[{kind}.{json.dumps(name)}]", *lines, ""])


def as_toml(value: Any) -> str:
    """A value as TOML. Raises TypeError for what it has no form for."""
    if isinstance(value, Enum):
        return as_toml(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, str | PurePath):
        return json.dumps(str(value), ensure_ascii=False)
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        inner = (f"{json.dumps(str(key))} = {as_toml(item)}" for key, item in value.items() if item is not None)
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(as_toml, value))}]"
    raise TypeError(f"a {type(value).__name__} cannot be written in a file")
