"""The structure of Markdown, followed as its text arrives: code fences (CommonMark) and tables (GFM), and no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from l0_guard_markdown.containers import Containers, width
from l0_guard_markdown.tables import Table, delimiter_cells, table_below

__all__ = ["Fault", "MarkdownAnalysis", "Reader", "analyze_markdown_structure", "looks_like_markdown"]

MAX_LINE = 10_000
"""Characters. A longer line is text, neither a fence nor a part of a table, and need not be kept."""

_KEPT = 2 * MAX_LINE + 4  # Room for two lines, so that a line of which something is dropped is a longer one.

UNCLOSED = "Unclosed code fence"

# Each alternative is tried at a line break and looks at the line below it. Nearly all lines are none of them, and
# nothing else is done for those.
_MARKER = r"[-*+](?=[ \t\r\n])|\d{1,9}[.)](?=[ \t\r\n])"
_INDENT = r"[ \t>]{0,1000}"  # What decides about a line must be among the characters that are kept of it.
_CANDIDATE = rf"\n(?={_INDENT}(?:```|~~~|{_MARKER}|[|:-][ \t|:-]{{0,1000}}\r?\n))"
_CANDIDATES = re.compile(_CANDIDATE)
# With a list open, also the line that ends it: one that is not indented, after a blank one.
_CANDIDATES_IN_LIST = re.compile(rf"{_CANDIDATE}|\n(?:(?<=\n\n)|(?<=\n\r\n))(?=[^\s>])")
_FIRST_OF_CANDIDATES = frozenset(" \t>`~-*+|:0123456789")
_FENCE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_ONLY_FENCE = re.compile(rf"\n({_INDENT})(`{{3,}}|~{{3,}})[ \t\r]*(?=\n)")
# In a container, also lines that may stand outside of it.
_FENCE_OR_TEXT = re.compile(rf"\n({_INDENT})(?:(`{{3,}}|~{{3,}})[ \t\r]*(?=\n)|(?=[^\s>]))")
_ANY_LINE = re.compile(r"\n")


class Fault(NamedTuple):
    """What is wrong with a text, where (an offset in characters), and how much it matters."""

    message: str
    position: int
    severity: Literal["warning", "error"]


@dataclass(slots=True)
class _Fence:
    """An open code fence. `left` says that a line since then has stood outside the quote or list item of the fence."""

    marks: str
    quotes: int
    offset: int
    position: int
    left: bool = False

    @property
    def contained(self) -> bool:
        return bool(self.quotes or self.offset)

    def closed_by(self, marks: str) -> bool:
        return marks[0] == self.marks[0] and len(marks) >= len(self.marks)


class Reader:
    """Reads one answer as it arrives.

    It keeps the line that is not complete yet and the one before it. `languages` gathers the first words of the info
    strings, if a list is given.
    """

    __slots__ = (
        "_at",
        "_closed_in_doubt",
        "_containers",
        "_fence",
        "_line_number",
        "_seen",
        "_table",
        "_tail",
        "_worth_reading",
        "closed",
        "languages",
        "opened",
        "rows",
        "uneven",
    )

    def __init__(self, languages: list[str] | None = None) -> None:
        self.languages = languages
        self.opened = self.closed = self.rows = 0
        self.uneven = False
        self._tail, self._at = "\n\n", 1  # The last two lines, and where in there the line break between them is.
        self._seen, self._line_number = 0, 1
        self._worth_reading = _CANDIDATES
        self._containers = Containers()
        self._fence: _Fence | None = None
        self._table: Table | None = None
        self._closed_in_doubt = False

    @property
    def in_fence(self) -> bool:
        """Whether the text so far ends inside a code fence."""
        return self._fence is not None

    def feed(self, delta: str) -> Sequence[Fault]:
        """Read on. Lines are looked at when they are complete."""
        self._seen += len(delta)
        if "\n" not in delta:
            if len(self._tail) < _KEPT:
                self._tail += delta[:_KEPT]
            return ()
        text = self._tail + delta
        last = text.rfind("\n")
        faults: Sequence[Fault] = ()
        if self._worth_reading.search(text, self._at, last + 1) is not None:
            faults = self._read(text, last)
        self._line_number += delta.count("\n")
        before = text.rfind("\n", 0, last)
        self._at = min(last - before, MAX_LINE + 2)
        self._tail = text[before : before + self._at] + text[last : last + _KEPT]
        return faults

    def end(self) -> Sequence[Fault]:
        """The text has ended: a fence that is open now is a fault where it was opened."""
        faults = list(self.feed("\n"))
        fence = self._fence
        if fence is not None and not fence.left and not self._closed_in_doubt:
            faults.append(Fault(UNCLOSED, fence.position, "error"))
        return faults

    def _read(self, text: str, last: int) -> Sequence[Fault]:
        """Read the complete lines of `text` behind those that were read; `last` is where the last line break is."""
        faults: list[Fault] = []
        at, shift = self._at, self._seen - len(text)
        line, counted = self._line_number, at + 1
        while at < last:
            if self._fence is not None:
                at = self._read_fence(self._fence, text, at, last)
            elif self._table is not None:
                at, uneven = self._read_table(self._table, text, at, last)
                if uneven:
                    line += text.count("\n", counted, uneven)
                    counted, self.uneven = uneven, True
                    faults.append(Fault(f"Inconsistent table columns at line {line}", uneven + shift, "warning"))
            else:
                at = self._read_text(text, at, last, shift)
        self._worth_reading = self._what_is_worth_reading()
        return faults

    def _what_is_worth_reading(self) -> re.Pattern[str]:
        """What must be found in new lines for anything to change."""
        if self._fence is not None:
            return _FENCE_OR_TEXT if self._fence.contained else _ONLY_FENCE
        if self._table is not None:
            return _ANY_LINE
        return _CANDIDATES_IN_LIST if self._containers.offsets else _CANDIDATES

    def _read_text(self, text: str, at: int, last: int, shift: int) -> int:
        """Go on to the line break behind the next line that opens a fence or a table, or to the last one."""
        containers = self._containers
        while True:
            candidates = _CANDIDATES_IN_LIST if containers.offsets else _CANDIDATES
            found = candidates.search(text, at, last + 1)
            if found is None:
                return last
            start = found.end()
            at = text.find("\n", start)
            if text[start] not in _FIRST_OF_CANDIDATES:
                containers.leave()
                continue
            if containers.enter_item(text, start):
                continue
            line = text[start : min(at, start + MAX_LINE + 1)]
            content = containers.enter(line)
            if content is None or len(line) > MAX_LINE:
                continue
            if self._opens_fence(line, content, start + shift) or self._opens_table(text, start, line[content:]):
                return at

    def _opens_fence(self, line: str, content: int, position: int) -> bool:
        found = _FENCE.match(line, content)
        if found is None:
            return False
        self.opened += 1
        info = (found[2] or found[4] or "").split()
        if info:
            self._closed_in_doubt = False
            if self.languages is not None:
                self.languages.append(info[0])
        containers = self._containers
        self._fence = _Fence(found[1] or found[3], containers.quotes, containers.offset, position + content)
        return True

    def _opens_table(self, text: str, start: int, line: str) -> bool:
        cells = delimiter_cells(line)
        if not cells:
            return False
        header = text[text.rfind("\n", 0, start - 1) + 1 : start - 1]
        above = Containers()
        content = above.enter(header[: MAX_LINE + 1])
        # The header of a table that begins a list item stands behind the marker, which is no indent of its own.
        if content is None and self._containers.offsets:
            content = len(header) - len(header.lstrip())
        if content is None or len(header) > MAX_LINE or above.quotes != self._containers.quotes:
            return False
        self._table = table_below(header[content:], cells, above.quotes)
        self.rows += self._table is not None
        return self._table is not None

    def _read_table(self, table: Table, text: str, at: int, last: int) -> tuple[int, int]:
        """Go on to the end of the table, or behind its first uneven row. Returns also where that row begins, or 0."""
        while at < last:
            stop = text.find("\n", at + 1)
            row = table.row_of(text[at + 1 : stop]) if stop - at - 1 <= MAX_LINE else None
            if row is None:
                self._table = None
                break
            self.rows += 1
            start, at = at + 1, stop
            if not table.uneven and not table.fits(row):
                table.uneven = True
                return at, start
        return at, 0

    def _read_fence(self, fence: _Fence, text: str, at: int, last: int) -> int:
        """Go on to the line break behind the closing fence, or to the last one."""
        for found in (_FENCE_OR_TEXT if fence.contained else _ONLY_FENCE).finditer(text, at, last + 1):
            prefix, marks = found[1], found[2]
            quotes, indent = prefix.count(">"), width(prefix[prefix.rfind(">") + 1 :])
            outside = quotes < fence.quotes or (quotes == fence.quotes and indent < fence.offset)
            fence.left = fence.left or outside
            if marks is None:
                if outside and self._opens_another(text, found.end()):
                    return found.start()
                continue
            if quotes > fence.quotes or indent > fence.offset + 3 or not fence.closed_by(marks):
                continue
            if found.end() - found.start() - 1 > MAX_LINE:
                continue
            self._closed_in_doubt = self._closed_in_doubt or fence.left
            self._close()
            return found.end()
        return last

    def _opens_another(self, text: str, start: int) -> bool:
        """Whether a line outside of the fence's container opens a fence that says what it holds; it ends the other."""
        line = text[start : min(text.find("\n", start), start + MAX_LINE + 1)]
        if not _FENCE.match(line) or len(line) > MAX_LINE:
            return False
        self._close()
        return True

    def _close(self) -> None:
        self.closed += 1
        self._fence = None


_MARKUP = re.compile(
    rf"""^[ \t>]{{0,100}}(?:[#]{{1,6}}[ \t]|```|~~~|{_MARKER}|>)  # headings, fences, lists, quotes
    |^[ ]{{0,3}}\|?[ \t]*:?-+:?[ \t]*\|[ \t|:-]*$               # the delimiter row of a table
    |\*\*\S|`[^`\s]|\]\([^\s)]                                # bold, code, links""",
    re.MULTILINE | re.VERBOSE,
)


def looks_like_markdown(content: str) -> bool:
    """Whether a text has anything that Markdown marks up: a heading, fence, list, quote, table, link, bold or code."""
    return _MARKUP.search(content) is not None


@dataclass(slots=True)
class MarkdownAnalysis:
    """The structure of a whole text.

    `fence_languages` holds the first word of each info string. `table_rows` counts the rows of all tables, headers
    among them and delimiter rows not.
    """

    is_balanced: bool
    in_fence: bool
    open_fences: int
    close_fences: int
    fence_languages: list[str]
    table_rows: int
    inconsistent_columns: bool
    issues: list[str] = field(default_factory=list)


def analyze_markdown_structure(content: str) -> MarkdownAnalysis:
    """Analyse a whole text. It is balanced if no code fence is left open; uneven tables are issues all the same."""
    languages: list[str] = []
    reader = Reader(languages)
    faults = [*reader.feed(content), *reader.end()]
    return MarkdownAnalysis(
        is_balanced=all(fault.severity != "error" for fault in faults),
        in_fence=reader.in_fence,
        open_fences=reader.opened,
        close_fences=reader.closed,
        fence_languages=languages,
        table_rows=reader.rows,
        inconsistent_columns=reader.uneven,
        issues=[fault.message for fault in faults],
    )
