"""Markdown collapse: a formatted answer whose formatting is lost."""

from __future__ import annotations

import re
from collections import deque

__all__ = ["Markup"]

ELEMENTS = 4
"""An answer is formatted if its latest lines had so many headings, list items and emphases."""

MEMORY = 4
"""Of how many blocks they are counted."""

RUN = 2
"""So many windows without a line break and without markup are a collapse."""

LOST = 3
"""So many headings or list items within one line are a collapse: their line breaks are lost."""

_LOST = re.compile(r"[.:;!?\w)] (?:#{2,4} [A-Z]|[-*•] \*\*[^*]+\*\*)")


class Markup:
    """Follows one text by its blocks."""

    __slots__ = ("_elements", "_lost", "_plain", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._elements: deque[int] = deque(maxlen=MEMORY)
        self._plain = self._lost = 0

    def block(self, block: str) -> bool:
        """Take the next block of text. Whether the formatting has been lost by now."""
        broken = "\n" in block
        if broken or "*" in block or "`" in block or "#" in block or "[" in block or "|" in block:
            self._plain = 0
            if broken:
                self._lost = 0
                self._elements.append(_elements(block))
            if " #" in block or "- **" in block or "* **" in block or "• **" in block:
                self._lost += len(_LOST.findall(block, block.rfind("\n") + 1))
                return self._lost >= LOST and self._is_formatted()
            return False
        self._plain += len(block)
        return self._plain >= RUN * self._window and self._is_formatted()

    def code(self) -> None:
        """A block of code is passed over. It is markup too."""
        self._plain = self._lost = 0
        self._elements.append(1)

    def _is_formatted(self) -> bool:
        elements = self._elements
        return sum(elements) >= ELEMENTS and sum(map(bool, elements)) * 2 > len(elements)


def _elements(block: str) -> int:
    count = block.count
    return count("\n- ") + count("\n#") + count("\n* ") + count("\n1") + count("\n2") + count("\n3") + count("**") // 2
