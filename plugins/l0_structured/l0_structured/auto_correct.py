"""The documented functions: JSON out of what a model answers, repaired if it has to be."""

from __future__ import annotations

import json
import re
from typing import Any

from l0_structured.corrections import AutoCorrectResult, Edit, apply, kinds_of
from l0_structured.extraction import (
    Place,
    extract_json,
    extract_json_from_markdown,
    find_json,
    prefix_edits,
    rest_edits,
)
from l0_structured.json_text import is_valid_json, loads, value_end
from l0_structured.repair import repair
from l0_structured.strings import read_string

__all__ = ["JSON", "auto_correct_json", "safe_json_parse"]


def auto_correct_json(text: str, track_corrections: bool = False) -> AutoCorrectResult:
    """Make JSON of the answer of a model. JSON is returned as it is, but for the blanks around it.

    Of several objects or arrays, the first one is taken. What cannot be repaired is returned as it is, with
    `success=False` and an `error`; nothing is raised. `track_corrections` asks for `corrections` and `edits`.
    """
    stripped = text.strip()
    if is_valid_json(stripped):
        return AutoCorrectResult(stripped, corrected=False)
    try:
        edits = _edits(text)
        corrected = apply(text, edits).strip()
        loads(corrected)
    except ValueError as error:
        return AutoCorrectResult(stripped, corrected=False, success=False, error=error)
    result = AutoCorrectResult(corrected, corrected=corrected != stripped)
    if track_corrections:
        result.corrections, result.edits = kinds_of(edits), edits
    return result


def safe_json_parse(text: str, auto_correct: bool = True) -> Any:
    """The value of a text that is JSON, or can be made JSON unless `auto_correct` is false.

    Raises `json.JSONDecodeError` for what cannot.
    """
    try:
        return loads(text)
    except ValueError:
        if not auto_correct:
            raise
    result = auto_correct_json(text)
    if result.error is not None:
        raise result.error
    return loads(result.text)


class JSON:
    """The functions for JSON under one name."""

    @staticmethod
    def extract(text: str) -> str:
        """See `extract_json`."""
        return extract_json(text)

    @staticmethod
    def is_valid(text: str) -> bool:
        """See `is_valid_json`."""
        return is_valid_json(text)

    @staticmethod
    def parse(text: str, auto_correct: bool = True) -> Any:
        """See `safe_json_parse`."""
        return safe_json_parse(text, auto_correct)

    @staticmethod
    def auto_correct(text: str, track_corrections: bool = False) -> AutoCorrectResult:
        """See `auto_correct_json`."""
        return auto_correct_json(text, track_corrections)

    @staticmethod
    def extract_from_markdown(text: str) -> str:
        """See `extract_json_from_markdown`."""
        return extract_json_from_markdown(text)


_ESCAPED = re.compile(r'[{\[](?:[\s{\[]|\\[nrt])*+\\"')
_LEVEL = re.compile(r'\\(["\\/nrt])')
_UNESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_OPEN_STRING = re.compile(r'"(?:[^"\\]|\\.)*+\\?\Z', re.DOTALL)


def _edits(text: str) -> list[Edit]:
    """The edits that make JSON of a text that is none. Raises `json.JSONDecodeError` if none are known."""
    place = find_json(text)
    if place is None:
        return _scalar_edits(text)
    before = prefix_edits(text, place)
    if place.opened and (end := value_end(text, place.at)) is not None:
        return [*before, *rest_edits(text, end)]
    if _ESCAPED.match(text, place.at):
        return [*before, _unescape(text, place)]
    repaired = repair(text, place.at, opened=place.opened)
    return [*before, *repaired.edits, *rest_edits(text, repaired.end)]


def _unescape(text: str, place: Place) -> Edit:
    """Repair JSON that was escaped like a string, though it is none."""
    inner = _LEVEL.sub(lambda found: _UNESCAPED.get(found[1], found[1]), text[place.at :])
    end = value_end(inner, 0)
    if end is None:
        repaired = repair(inner, 0)
        inner, end = apply(inner[: repaired.end], repaired.edits), None
    return Edit("unescape", place.at, len(text) - place.at, inner[:end])


def _scalar_edits(text: str) -> list[Edit]:
    """The edits of a text without object or array: a value in a block of its own, or a string that is cut."""
    content = extract_json_from_markdown(text)
    if content is not text and is_valid_json(content):
        at, end = text.index(content), text.index(content) + len(content)
        around = (Edit("strip_markdown_fence", 0, at, ""), Edit("strip_markdown_fence", end, len(text) - end, ""))
        return [edit for edit in around if edit.removed]
    start = len(text) - len(text.lstrip())
    if _OPEN_STRING.match(text, start):
        edits: list[Edit] = []
        end, _ = read_string(text, start, edits, key=False, in_object=False, depth=0)
        edits.append(Edit("close_string", end, 0, '"'))
        if end < len(text):
            edits.append(Edit("remove_incomplete", end, len(text) - end, ""))
        return edits
    raise json.JSONDecodeError("There is no JSON object or array in the text", text, 0)
