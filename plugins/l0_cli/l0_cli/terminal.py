"""What reaches a terminal: text without the characters that steer it, and errors on one line."""

from __future__ import annotations

import typer

__all__ = ["CommandError", "clean", "one_line"]

_STEERING: dict[int, str] = dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0)), "")
_STEERING |= {ord("\n"): "\n", ord("\t"): " "}
# Lone surrogates cannot be written at all; a model can produce them, escaped in JSON.
_STEERING |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


class CommandError(Exception):
    """Something that the user can mend: shown on one line, without a traceback, and the exit code is 2."""


def clean(text: str) -> str:
    """The text without control characters, so that it cannot move the cursor or change colours. Newlines stay."""
    return text.translate(_STEERING)


def one_line(text: str, length: int = 120) -> str:
    """The text cleaned, on one line, cut to a length."""
    line = " ".join(clean(text).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def say(error: str) -> None:
    """Write an error to stderr, on one line."""
    typer.echo(f"l0: {one_line(error, 1000)}", err=True)
