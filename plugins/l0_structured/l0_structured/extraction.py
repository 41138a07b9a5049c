"""Where in the answer of a model the JSON is: in a Markdown block, behind an introduction, or all of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from l0_structured.corrections import Edit
from l0_structured.json_text import is_valid_json, value_end

__all__ = ["Place", "extract_json", "extract_json_from_markdown", "find_json", "prefix_edits", "rest_edits"]

_BLANK = r"[\s\u200b\u2060\ufeff]*+"
# A quote or a bracket before it on its line puts a fence inside JSON.
_FENCE = re.compile(r"^[^\"\n{\[`~]*+(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?P<tag>[\w+.-]*+)", re.MULTILINE)
_FENCE_LINE = re.compile(r"^[ \t]*+(?P<fence>`{3,}+|~{3,}+)", re.MULTILINE)
_CLOSING_FENCE = re.compile(r"\s*+(?:`{3,}+|~{3,}+)[ \t]*+")
_JSON_TAGS = ("json", "jsonc", "json5", "jsonl", "ndjson")
_PREFIX = re.compile(r"(?:json|javascript)\s*+:?", re.IGNORECASE)

_ANY = r"""["'`“”„«‘’]|\\[nrt"]|//|/\*|\.\.\.|,"""
_BARE_KEY = (
    r"(?:[^\W\d]|[_$])[\w$-]{0,63}+[\"'”’]?\s*+:(?!//)|-?[0-9]{1,20}+\s*+:|[A-Za-z][\w -]{0,63}+:\s*+[\"'0-9{\[]"
)
_LITERAL = r"[+-]?\.?[0-9]|-?(?:true|false|null|True|False|None|undefined|NaN|Infinity)\b|-?[a-z]{0,5}+\Z"
# What an object or array begins with, and the brackets of prose and code do not.
_START = re.compile(
    rf"""\{{{_BLANK}(?:{_ANY}|\#|\}}|{_BARE_KEY}|[{{\[]{_BLANK}["'“\w{{\[]|\Z)"""
    rf"""|\[{_BLANK}(?:{_ANY}|\#\s|[{{\[\]]|\((?=[^)\n]{{0,80}},)|{_LITERAL})"""
)
# A footnote, a checkbox, a placeholder.
_WEAK = re.compile(r"\[[\s\d.,-]{0,24}\]|\{\s{0,24}\}")
_PREFILLED = re.compile(rf'{_BLANK}"(?:[^"\\\n]|\\.){{1,128}}+"\s*+:\s*+(?:["\[{{0-9-]|(?:true|false|null)\b|\Z)')
_THINKING = re.compile(rf"{_BLANK}<(think(?:ing)?)>.*?</\1>", re.DOTALL)
_WORD_LIST = re.compile(r"\[\s*+\w")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)


class Place(NamedTuple):
    """Where JSON begins, and where the fence before it does, if there is one. Its opening brace may be missing."""

    at: int
    fence: int | None = None
    opened: bool = True


def find_json(text: str) -> Place | None:
    """Where the JSON object or array of an answer begins; None if there is none.

    It is that of the first Markdown block that is marked as JSON, or of the first block that begins like JSON, or the
    first one in the text. A number in brackets and an empty pair of them are taken only if there is no other. What the
    model thought before it answered (`<think>`) is not looked at.
    """
    thinking = _THINKING.match(text)
    begin = thinking.end() if thinking else 0
    first = _first_char(text, begin)
    if text[first : first + 1] in ("{", "[") and (_START.match(text, first) or _is_word_list(text, first)):
        return Place(first)
    in_block: Place | None = None
    for fence in _FENCE.finditer(text, begin):
        at = _first_char(text, fence.end())
        if _START.match(text, at) or (text[at : at + 1] == "[" and fence["tag"].lower() in _JSON_TAGS):
            if fence["tag"].lower() in _JSON_TAGS:
                return Place(at, fence.start("fence"))
            in_block = in_block or Place(at, fence.start("fence"))
    if in_block is not None:
        return in_block
    if _PREFILLED.match(text, begin):
        return Place(first, opened=False)
    weak: Place | None = None
    for start in _START.finditer(text, begin):
        if not _WEAK.match(text, start.start()):
            return Place(start.start())
        weak = weak or Place(start.start())
    return weak


def extract_json(text: str) -> str:
    """The first JSON object or array in a text, from its opening bracket to the one that closes it.

    If it is never closed, everything from its opening bracket on; if there is none, the text as it is. Nothing is
    repaired.
    """
    place = find_json(text)
    if place is None or is_valid_json(text):
        return text
    end = value_end(text, place.at)
    if end is None:
        end = _balanced_end(text, place.at) if place.opened else None
    return text[place.at : end].rstrip()


def extract_json_from_markdown(text: str) -> str:
    """What is in the first Markdown block that is marked as JSON; else in the first that begins like JSON; else in the
    first one. Without a block, the text as it is. Nothing is repaired.
    """
    if is_valid_json(text):
        return text
    first: str | None = None
    like_json: str | None = None
    at = 0
    while (fence := _FENCE.search(text, at)) is not None:
        content, at = _content(text, fence["fence"], fence.end("tag"))
        if fence["tag"].lower() in _JSON_TAGS:
            return content
        if like_json is None and content.startswith(("{", "[")):
            like_json = content
        first = content if first is None else first
    return next((content for content in (like_json, first) if content is not None), text)


def rest_edits(text: str, at: int) -> list[Edit]:
    """The edits that remove what follows the JSON, which ended at `at`."""
    edits = []
    if found := _CLOSING_FENCE.match(text, at):
        edits.append(Edit("strip_markdown_fence", at, found.end() - at, ""))
        at = found.end()
    if text[at:].strip():
        edits.append(Edit("remove_suffix_text", at, len(text) - at, ""))
    return edits


def prefix_edits(text: str, place: Place) -> list[Edit]:
    """The edits that remove what precedes the JSON."""
    end = place.at if place.fence is None else place.fence
    edits, prefix = [], text[:end].strip()
    if prefix:
        is_label = _PREFIX.fullmatch(prefix) is not None
        edits.append(Edit("strip_json_prefix" if is_label else "remove_prefix_text", 0, end, ""))
    if place.fence is not None:
        edits.append(Edit("strip_markdown_fence", end, place.at - end, ""))
    return edits


def _first_char(text: str, at: int) -> int:
    found = _FIRST.match(text, at)
    assert found is not None
    return found.end()


_FIRST = re.compile(_BLANK)


def _is_word_list(text: str, at: int) -> bool:
    """Whether the whole text is in brackets: words that are to be the elements of an array."""
    return _WORD_LIST.match(text, at) is not None and text.rstrip().endswith("]") and text.count("]") == 1


def _content(text: str, fence: str, at: int) -> tuple[str, int]:
    """What is in the block whose opening fence ended at `at`, and where it ends."""
    line_end = text.find("\n", at)
    line_end = len(text) if line_end < 0 else line_end
    closing = text.rfind(fence, at, line_end)
    if closing >= 0 and text[at:closing].strip():
        return text[at:closing].strip(), closing + len(fence)
    for line in _FENCE_LINE.finditer(text, line_end):
        if line["fence"].startswith(fence):
            return text[at : line.start()].strip(), line.start("fence") + len(fence)
    return text[at:].strip(), len(text)


def _balanced_end(text: str, at: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, at):
        if token[0] in ("{", "["):
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
            if not depth:
                return token.end()
    return None
