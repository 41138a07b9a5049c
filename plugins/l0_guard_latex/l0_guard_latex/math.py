"""Math in LaTeX: which dollars and brackets open and close it, and which dollars are prices."""

from __future__ import annotations

__all__ = ["Math"]

_CLOSER = {"\\(": "\\)", "\\[": "\\]"}


class Math:
    """Follows the math of one text.

    What is out of balance is remembered by its first position, each kind by itself: `display` for `$$`, `bracket` for
    `\\[ \\]` and `\\( \\)`, `inline` for `$`. They are None while all is well.
    """

    __slots__ = ("_at", "_first_loose", "_in_doubt", "_loose", "_may_be_text", "_open", "bracket", "display", "inline")

    def __init__(self) -> None:
        self.display: int | None = None
        self.bracket: int | None = None
        self.inline: int | None = None
        self._open = ""  # What opened the math that is open now, and where.
        self._at = 0
        self._may_be_text = False
        # Dollars of this paragraph that belong to no pair, and whether there are some that can be read in two ways.
        self._loose = self._first_loose = 0
        self._in_doubt = False

    def dollar(self, position: int, before: str, after: str) -> None:
        """A single dollar, the character before it and the two behind it."""
        if self._open and self._open != "$":
            return  # Text in the math, as in \\text{...}.
        if self._open:
            if not (before.isspace() or (self._may_be_text and after[0].isdigit())):
                self._in_doubt = self._in_doubt or (self._may_be_text and after[0].isalpha())  # $5/$x$, or the $2n$th.
                self._open = ""
                return
            self._abandon()
        if not (after[0].isspace() or after[0] in "\"')”’"):
            self._open, self._at = "$", position
            self._may_be_text = after[0].isdigit() or _begins_variable(after)  # $5, $HOME
        elif before.isspace() or before in "\"'(“‘":
            self._in_doubt = True  # The $ sign, or math with blanks around it.
        elif not (before.isdigit() or before.isupper()):  # 5$ and US$ are prices.
            self._is_loose(position)

    def double_dollar(self, position: int, before: str, after: str) -> None:
        """Two dollars and no more, with the same characters around them."""
        if self._open == "$$":
            self._open = ""
        elif self._open == "$" and not (self._may_be_text or before.isspace()):
            self.dollar(position, before, "$" + after[0])  # One piece of inline math behind the other.
            self.dollar(position + 1, "$", after)
        elif self._open in ("", "$"):
            self._abandon()
            self._open, self._at = "$$", position

    def bracket_opens(self, position: int, opener: str) -> None:
        """`\\[` or `\\(`."""
        if self._open == "$":
            self._abandon()
        if self._open in ("\\(", opener):
            self._unbalanced_bracket(position)
        elif not self._open:
            self._open, self._at = opener, position

    def bracket_closes(self, position: int, closer: str) -> None:
        """`\\]` or `\\)`."""
        if self._open == "$":
            self._abandon()
        if _CLOSER.get(self._open) == closer:
            self._open = ""
        elif self._open != "$$" and (self._open, closer) != (
            "\\[",
            "\\)",
        ):  # \(x\) may be in \text{...} of display math.
            self._unbalanced_bracket(position)
            self._open = ""

    def end_paragraph(self) -> None:
        """A blank line: inline math ends, display math does not."""
        if self._open == "$":
            self._abandon()
        elif self._open == "\\(":
            self._unbalanced_bracket(self._at)
            self._open = ""
        if self._loose % 2 and not self._in_doubt and self.inline is None:
            self.inline = self._first_loose
        self._loose, self._in_doubt = 0, False

    def end(self) -> None:
        """The end of the text."""
        self.end_paragraph()
        if self._open == "$$":
            self.display = self._at
        elif self._open:
            self._unbalanced_bracket(self._at)

    def _abandon(self) -> None:
        """What looked like the beginning of inline math is not closed. A price or a variable need not be."""
        if self._open and not self._may_be_text:
            self._is_loose(self._at)
        self._open = ""

    def _is_loose(self, position: int) -> None:
        if not self._loose:
            self._first_loose = position
        self._loose += 1

    def _unbalanced_bracket(self, position: int) -> None:
        if self.bracket is None:
            self.bracket = position


def _begins_variable(after: str) -> bool:
    """Whether a name like $HOME may begin here."""
    return after[0].isupper() and (after[1].isupper() or after[1] == "_")
