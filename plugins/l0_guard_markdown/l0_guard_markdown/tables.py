"""The rows of GFM tables: how many cells a line has, and what is a delimiter row."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Table", "delimiter_cells", "table_below"]

_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t\r]*$")
# What begins another block is no row, whatever it holds.
_OTHER_BLOCK = re.compile(r"[>`~<]|#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]")
_QUOTES = re.compile(r"[ \t]*(?:>[ \t]*)*")
_ESCAPE = re.compile(r"\\.")
_BACKTICKS = re.compile(r"`+")


@dataclass(slots=True)
class Table:
    """A table, after its delimiter row. `quotes` is how many block quotes it is in, `uneven` that this was reported."""

    cells: int
    quotes: int
    uneven: bool = False

    def row_of(self, line: str) -> str | None:
        """A line as a row of this table, without the marks of its quotes; None if the table ends before the line.

        A line without a pipe ends it. By GFM it would be a row of one cell, but it was meant as text.
        """
        if "|" not in line:
            return None
        prefix = _QUOTES.match(line)
        assert prefix is not None
        row = line[prefix.end() :]
        return row if prefix[0].count(">") == self.quotes and _is_row(row) else None

    def fits(self, row: str) -> bool:
        """Whether a row has as many cells as the table."""
        return _has_cells(row, self.cells)


def delimiter_cells(line: str) -> int:
    """How many cells a delimiter row has (`|---|:-:|`); 0 if the line is none."""
    return _cells(line.strip()) if "|" in line and _DELIMITER_ROW.match(line) else 0


def table_below(header: str, cells: int, quotes: int) -> Table | None:
    """The table that a header and its delimiter row begin, if they have equally many cells."""
    if _OTHER_BLOCK.match(header) or not header.strip() or not _has_cells(header, cells):
        return None
    return Table(cells, quotes)


def _is_row(line: str) -> bool:
    if line.startswith("|"):
        return True
    return _OTHER_BLOCK.match(line) is None and "|" in _ESCAPE.sub("", line)


def _has_cells(row: str, cells: int) -> bool:
    """Whether a row can be read as so many cells. GFM counts pipes in code spans, people do not: both may be meant."""
    row = row.strip()
    if "\\" in row:
        row = _ESCAPE.sub("", row)
    return _cells(row) == cells or ("`" in row and _cells(_without_code(row)) == cells)


def _cells(row: str) -> int:
    pipes = row.count("|")
    return pipes + 1 - row.startswith("|") - (row.endswith("|") and len(row) > 1)


def _without_code(row: str) -> str:
    """A row without its code spans: a run of backticks closes with the next run that is as long."""
    runs = [found.span() for found in _BACKTICKS.finditer(row)]
    closing: list[int | None] = [None] * len(runs)
    latest: dict[int, int] = {}
    for number in range(len(runs) - 1, -1, -1):
        length = runs[number][1] - runs[number][0]
        closing[number] = latest.get(length)
        latest[length] = number
    kept, at, number = [], 0, 0
    while number < len(runs):
        closer = closing[number]
        if closer is None:
            number += 1
            continue
        kept.append(row[at : runs[number][0]])
        at, number = runs[closer][1], closer + 1
    kept.append(row[at:])
    return "".join(kept)
