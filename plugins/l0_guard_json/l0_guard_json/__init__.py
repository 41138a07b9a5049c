"""Guardrails for answers in JSON: `Json` follows the structure while it arrives, `StrictJson` parses the whole."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

from l0_core import AttemptContext, Check, Judge, Violation, hookimpl
from l0_guard_json.structure import (
    IncrementalJsonState,
    JsonAnalysis,
    Reader,
    analyze_json_structure,
    looks_like_json,
    update_json_state_incremental,
)

__all__ = [
    "IncrementalJsonState",
    "Json",
    "JsonAnalysis",
    "StrictJson",
    "analyze_json_structure",
    "looks_like_json",
    "update_json_state_incremental",
]


class Json:
    """Finds unmatched brackets, unclosed strings and doubled commas in an answer that begins like JSON."""

    @hookimpl
    def check(self, ctx: AttemptContext) -> Judge:
        reader = Reader()

        def judge(delta: str, final: bool) -> list[Violation] | None:
            faults = reader.end() if final else reader.feed(delta)
            if not faults:
                return None
            return [Violation("json", fault.message, position=fault.position) for fault in faults]

        return judge


class StrictJson:
    """Finds answers that are not, as a whole, a JSON object or array. It keeps the text, and parses it at the end."""

    streaming = False

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        deltas: list[str] = []

        def judge(delta: str, final: bool) -> Violation | None:
            if not final:
                deltas.append(delta)
                return None
            text = "".join(deltas)
            # A model that calls a tool instead of answering has not failed to answer.
            if not text.strip() and ctx.state.tool_calls:
                return None
            return _parse(text)

        # It may object to any of the text, and only at the end.
        return Check(judge, holdback=sys.maxsize)


def _parse(text: str) -> Violation | None:
    if not text.strip():
        return _strict("Empty output, expected JSON")
    try:
        # As floats, integers of any length are numbers; as integers, Python refuses those of thousands of digits.
        root = json.loads(text, parse_int=float, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        if looks_like_json(text):
            return _strict(f"Invalid JSON: {error.msg}", error.pos)
        return _strict("Output does not appear to be JSON")
    except ValueError as error:
        return _strict(f"Invalid JSON: {error}")
    except RecursionError:
        return _strict("Invalid JSON: nested too deeply to be parsed")
    if isinstance(root, dict | list):
        return None
    return _strict(f"JSON root must be object or array, got {_TYPE[type(root)]}")


_TYPE = {str: "string", float: "number", bool: "boolean", type(None): "null"}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _strict(message: str, position: int | None = None) -> Violation:
    return Violation("strict_json", message, position=position)
