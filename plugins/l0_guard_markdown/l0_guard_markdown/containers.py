"""Block quotes and list items: what stands before the content of a line, and how far content is indented for it."""

from __future__ import annotations

import re

__all__ = ["Containers", "width"]

_QUOTE_OR_MARKER = re.compile(r"[ \t]*(?:(>)[ \t]?|([-*+]|\d{1,9}[.)])(?=[ \t]|\r?$))")
# Most items, and nothing that could be more than an item: no quote, no other marker, no fence behind it.
_PLAIN_ITEM = re.compile(r"( *)(?:[-*+]|\d{1,9}[.)]) {1,4}(?=[^\s>`~*+\d-]|\*\*)")
_BLANK = re.compile(r"[ \t]*")

MAX_DEPTH = 100
"""How deep quotes and list items are followed. What is nested deeper is text."""


def width(indent: str) -> int:
    """The columns of an indent; a tab goes on to the next multiple of four."""
    return len(indent.expandtabs(4))


class Containers:
    """The block quotes and list items that a line stands in.

    `quotes` counts the block quotes, `offsets` holds the column at which the content of each open list item begins,
    after the mark of the innermost quote.
    """

    __slots__ = ("offsets", "quotes")

    def __init__(self) -> None:
        self.quotes = 0
        self.offsets: list[int] = []

    @property
    def offset(self) -> int:
        """The column at which content begins."""
        return self.offsets[-1] if self.offsets else 0

    def enter(self, line: str) -> int | None:
        """Follow the marks that a line begins with. Returns where its content begins; None if it is indented code."""
        at = quoted = quotes = marks = 0  # `quoted` is where the columns are counted from.
        pending: list[tuple[int, int]] = []
        while found := _QUOTE_OR_MARKER.match(line, at):
            marks += 1
            if marks > MAX_DEPTH:
                return None
            at = found.end()
            if found[1]:
                quotes, quoted, pending = quotes + 1, at, []
                continue
            blank = _BLANK.match(line, at)
            assert blank is not None
            content, begin = width(line[quoted : blank.end()]), width(line[quoted:at])
            if not 1 <= content - begin <= 4:
                content = begin + 1  # What is indented more is indented code of the item.
            pending.append((width(line[quoted : found.start(2)]), content))
            at = min(at + 1, len(line))
        if quotes != self.quotes:
            self.quotes, self.offsets = quotes, []
        for indent, content in pending:
            if not self._reach(indent):
                return None
            if len(self.offsets) < MAX_DEPTH:
                self.offsets.append(content)
        blank = _BLANK.match(line, at)
        assert blank is not None
        return blank.end() if self._reach(width(line[quoted : blank.end()])) else None

    def enter_item(self, text: str, start: int) -> bool:
        """The same for a line of `text` that is a list item and no more. Returns False and does nothing for others."""
        found = None if self.quotes else _PLAIN_ITEM.match(text, start)
        if found is None:
            return False
        if self._reach(found.end(1) - start) and len(self.offsets) < MAX_DEPTH:
            self.offsets.append(found.end() - start)
        return True

    def leave(self) -> None:
        """A paragraph that is not indented follows a blank line: all lists have ended."""
        self.offsets.clear()

    def _reach(self, column: int) -> bool:
        """End the items that content at this column does not belong to. Returns whether it is not indented code."""
        while self.offsets and self.offsets[-1] > column:
            self.offsets.pop()
        return column - self.offset <= 3
