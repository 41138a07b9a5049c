"""Normalizing text: line breaks, whitespace, indentation. Line breaks are `\\n`, `\\r\\n` and `\\r`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from l0_text.options import one_of
from l0_text.similarity import common_prefix

__all__ = [
    "NormalizeOptions",
    "Text",
    "WhitespaceOptions",
    "count_lines",
    "dedent",
    "ensure_trailing_newline",
    "get_line",
    "indent",
    "is_whitespace_only",
    "normalize_for_model",
    "normalize_indentation",
    "normalize_newlines",
    "normalize_text",
    "normalize_whitespace",
    "remove_trailing_whitespace",
    "replace_line",
    "trim_text",
]

_BREAK = re.compile(r"(\r\n|[\r\n])")
_SPACES_IN_A_LINE = re.compile(r"(?<=\S)[ \t]++")


@dataclass
class WhitespaceOptions:
    """The keywords of `normalize_whitespace`."""

    collapse_spaces: bool = False
    trim_lines: bool = False
    remove_empty_lines: bool = False


@dataclass
class NormalizeOptions:
    """The keywords of `normalize_text`; `dedent` is its `dedent_text`."""

    newlines: bool = True
    whitespace: bool = False
    indentation: Literal["spaces", "tabs", False] = False
    spaces_per_tab: int = 2
    dedent: bool = False
    trim: bool = False


def normalize_newlines(text: str) -> str:
    """Every line break as `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def normalize_whitespace(
    text: str,
    options: WhitespaceOptions | None = None,
    *,
    collapse_spaces: bool = False,
    trim_lines: bool = False,
    remove_empty_lines: bool = False,
) -> str:
    """Make runs of spaces and tabs one space; strip each line at both ends; leave out lines of nothing but whitespace.

    Collapsing keeps the indentation of lines. `options`, if given, stand for the keywords.
    """
    given = options or WhitespaceOptions(collapse_spaces, trim_lines, remove_empty_lines)
    if given.collapse_spaces:
        text = _SPACES_IN_A_LINE.sub(" ", text)
    if given.trim_lines:
        text = _by_line(text, str.strip)
    if given.remove_empty_lines:
        parts = [*_BREAK.split(text), ""]
        kept = [(line, end) for line, end in zip(parts[::2], parts[1::2], strict=True) if line.strip()]
        text = "".join(line + end for line, end in kept[:-1]) + (kept[-1][0] if kept else "")
    return text


def normalize_indentation(text: str, mode: Literal["spaces", "tabs"] = "spaces", spaces_per_tab: int = 2) -> str:
    """Indent with spaces or with tabs only. A tab reaches to the next multiple of `spaces_per_tab`.

    What does not make a whole tab stays as spaces. Raises ValueError for another mode, or less than one space per tab.
    """
    one_of("normalize_indentation: mode", mode, ("spaces", "tabs"))
    if spaces_per_tab < 1:
        raise ValueError(f"normalize_indentation: spaces_per_tab is {spaces_per_tab}; it must be 1 or more")

    def indented(line: str) -> str:
        rest = line.lstrip(" \t")
        columns = len(line[: len(line) - len(rest)].expandtabs(spaces_per_tab))
        tabs, spaces = divmod(columns, spaces_per_tab) if mode == "tabs" else (0, columns)
        return "\t" * tabs + " " * spaces + rest

    return _by_line(text, indented)


def dedent(text: str) -> str:
    """Without the indentation that all lines have in common. Lines of nothing but whitespace become empty."""
    parts = _BREAK.split(text)
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in parts[::2] if line.strip()]
    # What the first and the last have in common, all between them have.
    margin = common_prefix(min(indents), max(indents)) if indents else 0
    parts[::2] = [line[margin:] if line.strip() else "" for line in parts[::2]]
    return "".join(parts)


def indent(text: str, prefix: int | str = 2) -> str:
    """Put so many spaces, or a text, before each line, but not before lines of nothing but whitespace."""
    before = " " * prefix if isinstance(prefix, int) else prefix
    return _by_line(text, lambda line: before + line if line.strip() else line)


def trim_text(text: str) -> str:
    """Without the whitespace at both ends."""
    return text.strip()


def normalize_text(
    text: str,
    options: NormalizeOptions | None = None,
    *,
    newlines: bool = True,
    whitespace: bool = False,
    indentation: Literal["spaces", "tabs", False] = False,
    spaces_per_tab: int = 2,
    dedent_text: bool = False,
    trim: bool = False,
) -> str:
    """Normalize, in this order: line breaks, whitespace, the common indentation, indentation, both ends.

    `whitespace` collapses spaces within lines, and removes them from the ends of lines. `options`, if given, stand for
    the keywords.
    """
    given = options or NormalizeOptions(newlines, whitespace, indentation, spaces_per_tab, dedent_text, trim)
    if given.newlines:
        text = normalize_newlines(text)
    if given.whitespace:
        text = remove_trailing_whitespace(normalize_whitespace(text, collapse_spaces=True))
    if given.dedent:
        text = dedent(text)
    if given.indentation:
        text = normalize_indentation(text, given.indentation, given.spaces_per_tab)
    return trim_text(text) if given.trim else text


def ensure_trailing_newline(text: str) -> str:
    """With a line break at the end."""
    return text if text.endswith(("\n", "\r")) else text + "\n"


def remove_trailing_whitespace(text: str) -> str:
    """Without whitespace at the ends of lines."""
    return _by_line(text, str.rstrip)


def normalize_for_model(text: str) -> str:
    """For a prompt: line breaks, spaces within lines, and both ends. The indentation of lines is kept."""
    return normalize_text(text, whitespace=True, trim=True)


def is_whitespace_only(text: str) -> bool:
    """Whether there is nothing, or nothing but whitespace."""
    return not text.strip()


def count_lines(text: str) -> int:
    """One more than there are line breaks."""
    return len(_BREAK.split(text)) // 2 + 1


def get_line(text: str, line_index: int) -> str | None:
    """A line without its line break, counted from 0; None if there is none."""
    lines = _BREAK.split(text)[::2]
    return lines[line_index] if 0 <= line_index < len(lines) else None


def replace_line(text: str, line_index: int, new_line: str) -> str:
    """The text with another line there, counted from 0; the same text if there is none."""
    parts = _BREAK.split(text)
    if 0 <= 2 * line_index < len(parts):
        parts[2 * line_index] = new_line
    return "".join(parts)


def _by_line(text: str, change: Callable[[str], str]) -> str:
    """Each line changed, and the line breaks as they are."""
    parts = _BREAK.split(text)
    parts[::2] = map(change, parts[::2])
    return "".join(parts)


class Text:
    """The functions of this module under short names."""

    normalize_newlines = staticmethod(normalize_newlines)
    normalize_whitespace = staticmethod(normalize_whitespace)
    normalize_indentation = staticmethod(normalize_indentation)
    dedent = staticmethod(dedent)
    indent = staticmethod(indent)
    trim = staticmethod(trim_text)
    normalize = staticmethod(normalize_text)
    for_model = staticmethod(normalize_for_model)
    ensure_trailing_newline = staticmethod(ensure_trailing_newline)
    remove_trailing_whitespace = staticmethod(remove_trailing_whitespace)
    is_whitespace_only = staticmethod(is_whitespace_only)
    count_lines = staticmethod(count_lines)
    get_line = staticmethod(get_line)
    replace_line = staticmethod(replace_line)
