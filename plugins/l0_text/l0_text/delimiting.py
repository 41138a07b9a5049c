"""What keeps a text within its place, whatever is in it: one line, lines that hang, an end that does not occur."""

from __future__ import annotations

import re

__all__ = ["BREAKS", "enclose", "hang", "one_line"]

BREAKS = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
"""All that anything takes for a line break, to be put into the brackets of a regular expression."""

_NEXT_LINE = re.compile(rf"(\r\n|[{BREAKS}])(?=[^{BREAKS}])")


def one_line(value: object) -> str:
    """A value in one line: all whitespace in it as single spaces."""
    return " ".join(str(value).split())


def hang(text: str) -> str:
    """Indent each line after the first by two spaces. Empty lines stay empty."""
    return _NEXT_LINE.sub(r"\1  ", text)


def enclose(start: str, content: str, end: str) -> str:
    """A content on lines of its own between two delimiters.

    A backslash comes after the first character of the end delimiter wherever it occurs in the content; after those that
    are there, so that each can be told. Raises ValueError for an end delimiter that cannot be broken so: of one
    character, of several lines, or with a backslash.
    """
    if len(end) < 2 or "\\" in end or "\n" in end:
        raise ValueError(f"the end delimiter {end!r} must be two characters or more of one line, without a backslash")
    escaped = re.sub(rf"({re.escape(end[0])}\\*+)(?={re.escape(end[1:])})", r"\1\\", content)
    return f"{start}\n{escaped}\n{end}"
