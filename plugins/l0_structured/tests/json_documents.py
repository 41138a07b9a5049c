"""Random JSON documents, and what becomes of them in a model: broken pieces, soup of tokens."""

from __future__ import annotations

import json
import os
import random
from typing import Any, NamedTuple

CASES = int(os.environ.get("L0_TEST_JSON_CASES", "100000"))
"""How many documents and fuzz inputs: a tenth of the full size, which is 1,000,000 and takes half an hour."""

SEED = int(os.environ.get("L0_TEST_JSON_SEED", "1"))

_TEXTS = [
    "",
    " ",
    "a",
    "naïve café",
    "https://example.com/a?b=1#c",
    "a /* b */ c // d",
    "# heading",
    "x, ]",
    "a, }",
    "[1, 2",
    '{"a": 1}',
    "He said: 'hi', ok",
    'say "hi", then "go": now',
    "```json\n{}\n```",
    "line\nbreak\r\n\ttab",
    "C:\\Users\\new",
    "\\",
    '\\"',
    '", "b": 1',
    '"',
    "“typographic”, ‘single’",
    "True, None, NaN",
    "...",
    "…",
    "日本語",
    "😀 two 👩‍🚀",
    "\u2028\u2029\u00a0\ufeff\u200b",
    "\x00\x1f\x7f",
    "a: b",
    ": ",
    ",",
    "}, {",
    'key": ',
    "-1e",
    "ends with comma, ",
]
_NUMBERS = [
    "0",
    "-0",
    "1",
    "-1",
    "12",
    "1.5",
    "-0.25",
    "1e5",
    "1E-7",
    "2.5e+10",
    "123456789012345678901234567890",
    "1e999",
]
_LITERALS = ["true", "false", "null"]
_BLANKS = ["", "", "", " ", "\n  ", "\t", "\r\n", "  "]


class Leaf(NamedTuple):
    """A value that is no object or array: where it is in the value, and where its text ends in the document."""

    path: tuple[int, ...]
    end: int
    text: str


class Document:
    """A random JSON text, made token by token."""

    def __init__(self, rng: random.Random, root: str = "") -> None:
        self.rng = rng
        self.pieces: list[str] = []
        self.size = 0
        self.leaves: list[Leaf] = []
        self.style = rng.random()
        self._value((), 0, root or rng.choice("{["))
        self.text = "".join(self.pieces)

    def _add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def _blank(self) -> None:
        if self.style > 0.6:
            self._add(self.rng.choice(_BLANKS))
        elif self.style > 0.3 and self.pieces[-1] in (",", ":"):
            self._add(" ")

    def _string(self) -> str:
        rng = self.rng
        text = "".join(rng.choice(_TEXTS) for _ in range(rng.randint(0, 3)))
        if rng.random() < 0.05:
            text += "".join(
                chr(rng.choice([rng.randint(0, 127), rng.randint(0, 0xD7FF)])) for _ in range(rng.randint(1, 40))
            )
        if rng.random() < 0.02:
            text = text * 50
        written = json.dumps(text, ensure_ascii=rng.random() < 0.5)
        return written.replace("/", "\\/") if rng.random() < 0.05 else written

    def _value(self, path: tuple[int, ...], depth: int, kind: str = "") -> None:
        rng = self.rng
        kind = kind or rng.choices(["{", "[", '"', "1", "t"], [depth < 6, depth < 6, 3, 2, 1])[0]
        if kind not in "{[":
            leaf = self._string() if kind == '"' else rng.choice(_NUMBERS if kind == "1" else _LITERALS)
            self._add(leaf)
            self.leaves.append(Leaf(path, self.size, leaf))
            return
        self._add(kind)
        self._blank()
        for place in range(rng.randint(0, 5)):
            if place:
                self._add(",")
                self._blank()
            if kind == "{":
                self._add(self._string())
                self._blank()
                self._add(":")
                self._blank()
            self._value((*path, place), depth + 1)
            self._blank()
        self._add("}" if kind == "{" else "]")


class Number(str):
    """A number, by its text: a prefix of it is what is there of it when the document is cut."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object, with all of its keys in order."""


def exact(text: str) -> Any:
    """The value of a JSON text in which no key and no digit is lost."""
    return json.loads(text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


_PIECES = [
    *"{}[]()\"'`,:;\\/#*<>=+-. \n\t\r",
    '"a"', '"b": ', '", "', '": "', "},{", "],[", "//", "/*", "*/", "```", "```json\n", "\n```\n", "true", "None",
    "nul", "NaN", "-", "1", "0.5", "1e", "\\", '\\"', "“", "”", "’", "‘", "«", "»", "...", "…", "key: ", "word",
    "\\u", "\\ud83d", "\x00", "\x0b", "\ufeff", "\u00a0", "\ud800", "\udc00", "😀", "Here is ", "\n\n", "=>",
    " and ", "undefined", "{{", "}}",
]  # fmt: skip


def fuzzed(rng: random.Random) -> str:
    """A text that is more or less like JSON: a document with some faults, or tokens at random."""
    if rng.random() < 0.3:
        return "".join(rng.choice(_PIECES) for _ in range(rng.randint(0, 60)))
    text = Document(rng).text
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(text))
        match rng.randint(0, 5):
            case 0:
                text = text[:at] + text[at + rng.randint(1, 4) :]
            case 1:
                text = text[:at]
            case 2:
                text = text[:at] + text[max(0, at - rng.randint(1, 30)) :]
            case 3:
                text = text.replace(rng.choice('"\\,:{}[]'), rng.choice(_PIECES), rng.randint(1, 4))
            case _:
                text = text[:at] + rng.choice(_PIECES) + text[at:]
    return text
