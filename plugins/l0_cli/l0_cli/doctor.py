"""`l0 doctor`: what is wrong with an installation and its configuration, and what mends it."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from l0_cli import doctor_configured, doctor_installed, doctor_outside
from l0_cli.findings import Finding
from l0_cli.terminal import clean

__all__ = ["CHECKS", "command", "examine"]

CHECKS: dict[str, Callable[[], Iterable[Finding]]] = {
    "python": doctor_installed.python,
    "distributions": doctor_installed.distributions,
    "import l0": doctor_installed.face,
    "plugins": doctor_configured.plugins,
    "sdk": doctor_installed.sdks,
    "configuration": doctor_configured.configuration,
    "store": doctor_outside.store,
    "exporters": doctor_outside.exporters,
}
"""The checks by name, in the order in which they are made."""

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def command(as_json: bool) -> int:
    """Make every check and print what it found; returns the exit code: 1 if there is a problem."""
    if as_json:
        # What an import prints is not to be among it.
        with redirect_stdout(sys.stderr):
            found = list(examine())
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        found = _show(examine(), Console(highlight=False))
    return 1 if any(each.status == "problem" for each in found) else 0


def examine(checks: dict[str, Callable[[], Iterable[Finding]]] | None = None) -> Iterator[Finding]:
    """What every check finds. One that raises is a problem, and what it had found before it stays."""
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            yield from check()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # What it imports may end the process.
            said = f"this check failed: {type(error).__name__}: {error}"
            yield Finding.of(
                name, "problem", said, "the rest holds; this is a mistake in l0-cli, or in what it imported"
            )


def _show(findings: Iterable[Finding], console: Console) -> list[Finding]:
    """Print findings as they come."""
    found = []
    width = max(map(len, CHECKS))
    for each in findings:
        found.append(each)
        head = Text.assemble((f"{each.status:<7}", _STYLES[each.status]), f"  {each.check:<{width}}  ")
        lines = _wrapped(each.message, head, console)
        if each.fix is not None:
            lines += [
                f"-> {line}" if at == 0 else f"   {line}" for at, line in enumerate(_wrapped(each.fix, head, console))
            ]
        for at, line in enumerate(lines):
            console.print((head if at == 0 else Text(" " * len(head))) + Text(line), soft_wrap=True)
    console.print(_verdict(found))
    return found


def _wrapped(text: str, head: Text, console: Console) -> list[str]:
    """The lines of a text beside a heading; one where output is no terminal."""
    text = clean(text)
    room = console.width - len(head) - len("-> ")
    if not console.is_terminal or room < 20:
        return [text]
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def _verdict(found: list[Finding]) -> Text:
    counts = {status: sum(each.status == status for each in found) for status in ("problem", "warning")}
    told = [f"{count} {status}{'s' if count > 1 else ''}" for status, count in counts.items() if count]
    if not told:
        return Text("Nothing is wrong.", "green")
    return Text(f"{' and '.join(told)}.", _STYLES["problem" if counts["problem"] else "warning"])
