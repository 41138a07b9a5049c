"""Prompts and answers as the conventions write them, for those who ask for them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from l0_core import State

__all__ = ["captures_content", "input_messages", "output_messages"]

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON_SPANS = frozenset(("true", "span_only", "span_and_event"))


def captures_content() -> bool:
    """Whether the environment asks for content on spans."""
    return os.environ.get(VARIABLE, "").strip().lower() in _ON_SPANS


def input_messages(context: Mapping[str, Any], key: str) -> str | None:
    """The prompt, as far as the caller has given it: L0 does not know it. Text is taken as it is."""
    given = context.get(key)
    if given is None or isinstance(given, str):
        return given
    return json.dumps(given, ensure_ascii=False, skipkeys=True, default=str)


def output_messages(state: State) -> str:
    """What the consumer got, as a JSON array of one message for each choice."""
    parts: list[dict[str, Any]] = []
    if state.reasoning:
        parts.append({"type": "reasoning", "content": state.reasoning})
    for text in (state.content, state.refusal):
        if text:
            parts.append({"type": "text", "content": text})
    for call in state.tool_calls:
        told = {key: call.get(key) for key in ("id", "name", "arguments")}
        parts.append({"type": "tool_call", **told})
    messages = [parts, *([{"type": "text", "content": text}] for _, text in sorted(state.choices.items()))]
    end = {"finish_reason": state.finish_reason} if state.finish_reason else {}
    return json.dumps(
        [{"role": "assistant", "parts": message, **end} for message in messages],
        ensure_ascii=False,
        default=str,
    )
