"""The structure of JSON, followed as its text arrives: brackets, strings and commas, and no more of the grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "Fault",
    "IncrementalJsonState",
    "JsonAnalysis",
    "Reader",
    "analyze_json_structure",
    "looks_like_json",
    "update_json_state_incremental",
]

MAX_DEPTH = 1000
"""How many open brackets are remembered by kind. Deeper ones are only counted, so that memory stays bounded."""

CACHED = 32
"""Runs of brackets that are shorter come again and again, and are not worked out again."""

FENCE = "```json"

DOUBLED_COMMA = "Multiple consecutive commas"

_BLANKS = b" \t\n\r\f\v"
_NO_MARKS = bytes(byte for byte in range(256) if chr(byte) not in '{}[]"')

_CLOSERS = bytes.maketrans(b"{[", b"}]")

# What is left of a string, and its closing quote if that has arrived. A backslash at the very end is left over.
_REST = r'[^"\\]*(?:\\.[^"\\]*)*("?)'
_STRING_REST = re.compile(_REST, re.DOTALL)
# Strings are matched whole, so that nothing inside them is. Of the commas only those are that another one may follow.
_MARK = re.compile(rf'"{_REST}|[{{}}\[\]]|,(?=\s*(?:,|\Z))', re.DOTALL | re.ASCII)
_NOT_BLANK = re.compile(r"\S", re.ASCII)
_NOT_BETWEEN_VALUES = re.compile(r"[^\s,]")


class _Run(NamedTuple):
    """What a run of brackets does: it closes what is due, the last of it first, and leaves something else due."""

    closed: str
    due: str
    open_braces: int
    close_braces: int
    open_brackets: int
    close_brackets: int


@lru_cache(maxsize=1024)
def _run_of(brackets: bytes) -> _Run | None:
    """What a run of brackets does; None if a bracket in it closes another kind of bracket in it."""
    left, size = brackets, 0
    while len(left) != size:
        size = len(left)
        left = left.replace(b"{}", b"").replace(b"[]", b"")
    opened = left.lstrip(b"}]")
    if b"}" in opened or b"]" in opened:
        return None
    closed = left[: len(left) - len(opened)]
    counts = (brackets.count(bracket) for bracket in (b"{", b"}", b"[", b"]"))
    return _Run(closed[::-1].decode(), opened.translate(_CLOSERS).decode(), *counts)


@dataclass(slots=True)
class IncrementalJsonState:
    """The structure of a text so far. Brackets inside strings do not count."""

    open_braces: int = 0
    close_braces: int = 0
    open_brackets: int = 0
    close_brackets: int = 0
    in_string: bool = False
    escape_next: bool = False
    processed_length: int = 0
    _due: str = field(default="", init=False, repr=False, compare=False)
    _beyond: int = field(default=0, init=False, repr=False, compare=False)
    _after_comma: bool = field(default=False, init=False, repr=False, compare=False)
    _mismatched: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def is_open(self) -> bool:
        """Whether the text so far ends inside a value."""
        return bool(self._due) or self.in_string

    @property
    def is_balanced(self) -> bool:
        """Whether every bracket and string so far is closed by its like."""
        return not (self._mismatched or self.is_open)

    def scan(self, text: str, start: int = 0) -> tuple[int, str]:
        """Follow `text` to the end of a root value, to a fault, or to its own end.

        Returns the offset behind the last character that was read, and what is wrong with that one, if anything is.
        """
        if self.in_string:
            rest = _STRING_REST.match(text, start + self.escape_next)
            assert rest is not None
            start = rest.end()
            self.in_string, self.escape_next = not rest[1], not rest[1] and start < len(text)
            if self.in_string:
                return len(text), ""
        if self._after_comma:
            found = _NOT_BLANK.search(text, start)
            if found is None:
                return len(text), ""
            self._after_comma = False
            if found[0] == ",":
                return found.end(), DOUBLED_COMMA
        for mark in _MARK.finditer(text, start):
            at = mark.start()
            char = text[at]
            if char == '"':
                if not mark[1]:
                    self.in_string, self.escape_next = True, mark.end() < len(text)
                    break
            elif char == "{":
                self.open_braces += 1
                self._open("}")
            elif char == "[":
                self.open_brackets += 1
                self._open("]")
            elif char == ",":
                found = _NOT_BLANK.search(text, at + 1)
                if found is not None:
                    return found.end(), DOUBLED_COMMA
                self._after_comma = True
            else:
                if char == "}":
                    self.close_braces += 1
                else:
                    self.close_brackets += 1
                if self._beyond:
                    self._beyond -= 1
                elif self._due.endswith(char):
                    self._due = self._due[:-1]
                    if not self._due:
                        return at + 1, ""
                else:
                    self._mismatched = True
                    return at + 1, self._mismatch(char)
        return len(text), ""

    def skim(self, text: str) -> bool:
        """Follow a piece of text as a whole, inside a value, if nothing in it is a fault or the value's end.

        Returns whether it did; if not, nothing is changed, and `scan` tells what there is. It gives the same state as
        `scan`, at a fraction of its cost: it never looks at single marks. Strings that hold a bracket or an escape
        are left to `scan`.
        """
        quoted = self.in_string
        if "\\" in text or self.escape_next:
            return False
        if quoted and '"' not in text:
            return True
        squeezed = text.encode("utf-8", "surrogatepass").translate(None, _BLANKS)
        if squeezed.find(b",,") >= 0 or (self._after_comma and squeezed[:1] == b","):
            return False
        marks = squeezed.translate(None, _NO_MARKS)
        # Of a string that holds no bracket, two quotes are left, side by side; the first of a pair always opens one.
        brackets = (b'"' + marks if quoted else marks).replace(b'""', b"")
        begun = brackets.find(b'"')
        if begun >= 0:
            if brackets.find(b'"', begun + 1) >= 0:
                return False
            brackets = brackets[:begun]
        if brackets and not self._skim_brackets(brackets):
            return False
        self.in_string = begun >= 0
        if squeezed:
            self._after_comma = begun < 0 and squeezed[-1:] == b","
        return True

    def _skim_brackets(self, brackets: bytes) -> bool:
        """Take in a run of brackets, if they fit and do not close the value."""
        run = _run_of(brackets) if len(brackets) < CACHED else _run_of.__wrapped__(brackets)
        if run is None or self._beyond:
            return False
        depth = len(self._due) - len(run.closed)
        if depth <= 0 or depth + len(brackets) > MAX_DEPTH or self._due[depth:] != run.closed:
            return False
        self._due = self._due[:depth] + run.due
        self.open_braces += run.open_braces
        self.close_braces += run.close_braces
        self.open_brackets += run.open_brackets
        self.close_brackets += run.close_brackets
        return True

    def _open(self, closer: str) -> None:
        if len(self._due) < MAX_DEPTH:
            self._due += closer
        else:
            self._beyond += 1

    def _mismatch(self, closer: str) -> str:
        if closer == "}":
            kind, opened, closed = "brace", self.open_braces, self.close_braces
        else:
            kind, opened, closed = "bracket", self.open_brackets, self.close_brackets
        if closed > opened or not self._due:
            return f"Too many closing {kind}s: {closed} close vs {opened} open"
        return f"Mismatched closing {kind}: {closer!r} where {self._due[-1]!r} is due"

    def missing(self) -> list[str]:
        """What is missing if the text ends here."""
        missing = []
        if self.in_string:
            missing.append("Unclosed string detected")
        for kind, opened, closed in (
            ("braces", self.open_braces, self.close_braces),
            ("brackets", self.open_brackets, self.close_brackets),
        ):
            if opened > closed:
                missing.append(f"Missing closing {kind}: {opened} open vs {closed} close")
        return missing


def update_json_state_incremental(state: IncrementalJsonState, delta: str) -> IncrementalJsonState:
    """Go on with the next piece of the text. Returns the same `state`."""
    at = 0
    while at < len(delta):
        at, _ = state.scan(delta, at)
    state.processed_length += len(delta)
    return state


class Fault(NamedTuple):
    """What is wrong with a text, and where: an offset in characters."""

    message: str
    position: int


class Reader:
    """Reads one answer as it arrives, and finds the first fault of its structure.

    It says nothing about an answer that does not begin like JSON, and nothing about what follows the JSON: several
    values in a row are read on, but with a closing fence or with prose it stops for good.
    """

    __slots__ = ("_begun", "_head", "_over", "_state")

    def __init__(self) -> None:
        self._state = IncrementalJsonState()
        self._head = ""
        self._begun = self._over = False

    def feed(self, delta: str) -> Sequence[Fault]:
        """Read on. The first fault is the only one: what follows it cannot be judged."""
        if self._over:
            return ()
        state = self._state
        offset = state.processed_length
        state.processed_length += len(delta)
        if state._due and state.skim(delta):
            return ()
        at = 0 if self._begun else self._begin(delta)
        while at < len(delta):
            if not state.is_open:
                found = _NOT_BETWEEN_VALUES.search(delta, at)
                if found is None:
                    break
                if found[0] not in "{}[]":
                    self._over = True
                    break
                at = found.start()
            at, fault = state.scan(delta, at)
            if fault:
                self._over = True
                return (Fault(fault, offset + at - 1),)
        return ()

    def end(self) -> Sequence[Fault]:
        """The text has ended: what is missing is a fault at its end."""
        if self._over:
            return ()
        self._over = True
        return [Fault(message, self._state.processed_length) for message in self._state.missing()]

    def _begin(self, delta: str) -> int:
        """Where in `delta` the JSON begins; the length of `delta` if it does not."""
        head = (self._head + delta).lstrip()
        body = head.removeprefix(FENCE).lstrip()
        if body.startswith(("{", "[")):
            self._begun, self._head = True, ""
            return len(delta) - len(body)
        self._over = bool(body) and not FENCE.startswith(head)
        # No more is remembered than a part of the fence.
        self._head = head if body else head.rstrip()
        return len(delta)


def looks_like_json(content: str) -> bool:
    """Whether a text begins like a JSON object or array, be it after an opening fence (```` ```json ````)."""
    return content.lstrip().removeprefix(FENCE).lstrip().startswith(("{", "["))


@dataclass(slots=True)
class JsonAnalysis:
    """The structure of a whole text. `issues` holds its first fault, or else what is missing at its end."""

    is_balanced: bool
    open_braces: int
    close_braces: int
    open_brackets: int
    close_brackets: int
    in_string: bool
    unclosed_string: bool
    issues: list[str] = field(default_factory=list)


def analyze_json_structure(content: str) -> JsonAnalysis:
    """Analyse a whole text as JSON, whatever it begins with."""
    state, first, at = IncrementalJsonState(), "", 0
    while at < len(content):
        at, fault = state.scan(content, at)
        first = first or fault
    return JsonAnalysis(
        is_balanced=state.is_balanced,
        open_braces=state.open_braces,
        close_braces=state.close_braces,
        open_brackets=state.open_brackets,
        close_brackets=state.close_brackets,
        in_string=state.in_string,
        unclosed_string=state.in_string,
        issues=[first] if first else state.missing(),
    )
