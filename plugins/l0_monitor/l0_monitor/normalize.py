"""Chunks of any stream as events of one form. Timestamps are in seconds since the epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from l0_core import Event

__all__ = [
    "L0Event",
    "L0EventType",
    "create_complete_event",
    "create_error_event",
    "create_message_event",
    "create_token_event",
    "extract_tokens",
    "filter_events_by_type",
    "get_first_error",
    "is_complete_event",
    "is_error_event",
    "is_token_event",
    "normalize_error",
    "normalize_stream_event",
    "normalize_stream_events",
    "reconstruct_text",
]


class L0EventType(str, Enum):
    """What an `L0Event` is."""

    TOKEN = "token"
    MESSAGE = "message"
    DATA = "data"
    PROGRESS = "progress"
    ERROR = "error"
    COMPLETE = "complete"


@dataclass
class L0Event:
    """One thing that a stream says: text in `value`, whose message it is in `role`, what failed in `error`."""

    type: L0EventType
    timestamp: float
    value: str | None = None
    role: str | None = None
    error: Exception | None = None

    @property
    def is_token(self) -> bool:
        """Whether it is a piece of the answer's text, in `value`."""
        return self.type is L0EventType.TOKEN

    @property
    def is_complete(self) -> bool:
        """Whether it is the end of the stream."""
        return self.type is L0EventType.COMPLETE

    @property
    def is_error(self) -> bool:
        """Whether the stream failed, with `error`."""
        return self.type is L0EventType.ERROR


_TYPES = {kind.value: kind for kind in L0EventType} | {
    # What the providers' own streams call theirs.
    "content_block_delta": L0EventType.TOKEN,
    "response.output_text.delta": L0EventType.TOKEN,
    "message_stop": L0EventType.COMPLETE,
    "response.completed": L0EventType.COMPLETE,
    "done": L0EventType.COMPLETE,
}


def normalize_stream_event(chunk: object) -> L0Event:
    """A chunk as an event: text, an `Event` of L0, an exception, or a chunk of a provider, as an object or a mapping.

    Text is a token. What is not recognised is a DATA event without a value.
    """
    if isinstance(chunk, L0Event):
        return chunk
    if isinstance(chunk, str):
        return create_token_event(chunk)
    if isinstance(chunk, BaseException):
        return normalize_error(chunk)
    choices = _get(chunk, "choices")
    if isinstance(choices, Sequence):
        return _of_choices(choices)
    kind = _TYPES.get(_text(_get(chunk, "type")) or "")
    if kind is None:
        return _made(L0EventType.DATA)
    event = _made(kind)
    if isinstance(chunk, Event) and chunk.timestamp is not None:
        event.timestamp = chunk.timestamp
    if kind is L0EventType.ERROR:
        event.error = _exception(_get(chunk, "error") or _get(chunk, "message") or "the stream failed")
    elif kind is not L0EventType.COMPLETE:
        event.value, event.role = _value(chunk), _text(_get(chunk, "role") or _get(_get(chunk, "data"), "role"))
    return event


def normalize_error(error: object) -> L0Event:
    """An error as an event; what is no exception becomes the message of one."""
    return create_error_event(_exception(error))


def create_token_event(value: str) -> L0Event:
    """A token, now."""
    return _made(L0EventType.TOKEN, value=value)


def create_message_event(value: str, role: str = "assistant") -> L0Event:
    """A whole message, now."""
    return _made(L0EventType.MESSAGE, value=value, role=role)


def create_complete_event() -> L0Event:
    """The end, now."""
    return _made(L0EventType.COMPLETE)


def create_error_event(error: Exception) -> L0Event:
    """A failure, now."""
    return _made(L0EventType.ERROR, error=error)


def normalize_stream_events(chunks: Iterable[object]) -> list[L0Event]:
    """Each chunk as an event, in order."""
    return [normalize_stream_event(chunk) for chunk in chunks]


def filter_events_by_type(events: Iterable[L0Event], event_type: L0EventType | str) -> list[L0Event]:
    """The events of a type. Raises ValueError for a type that there is not."""
    wanted = L0EventType(event_type)
    return [event for event in events if event.type is wanted]


def extract_tokens(events: Iterable[L0Event]) -> list[str]:
    """The texts of the tokens, in order."""
    return [event.value for event in events if event.is_token and event.value is not None]


def reconstruct_text(events: Iterable[L0Event]) -> str:
    """The text that the tokens make."""
    return "".join(extract_tokens(events))


def is_error_event(event: L0Event) -> bool:
    return event.is_error


def is_complete_event(event: L0Event) -> bool:
    return event.is_complete


def is_token_event(event: L0Event) -> bool:
    return event.is_token


def get_first_error(events: Iterable[L0Event]) -> Exception | None:
    """The error of the first ERROR event, or None if none failed."""
    return next((event.error for event in events if event.is_error), None)


def _made(kind: L0EventType, **given: Any) -> L0Event:
    return L0Event(kind, time.time(), **given)


def _get(chunk: object, name: str) -> Any:
    return chunk.get(name) if isinstance(chunk, Mapping) else getattr(chunk, name, None)


def _text(value: object) -> str | None:
    if isinstance(value, Enum):
        value = value.value
    return value if isinstance(value, str) else None


def _exception(error: object) -> Exception:
    if isinstance(error, Exception):
        return error
    said = _text(error) or _text(_get(error, "message")) or str(error)
    return RuntimeError(said)


def _value(chunk: object) -> str | None:
    delta = _get(chunk, "delta")
    found = (_get(chunk, "value"), _get(chunk, "text"), _get(chunk, "content"), delta, _get(delta, "text"))
    return next((text for text in map(_text, found) if text is not None), None)


def _of_choices(choices: Sequence[Any]) -> L0Event:
    """A chunk of a chat completion: the text of the first choice, or its end."""
    choice = choices[0] if choices else None
    delta = _get(choice, "delta")
    text = _text(_get(delta, "content"))
    if text:
        return create_token_event(text)
    return _made(L0EventType.COMPLETE if _get(choice, "finish_reason") else L0EventType.DATA)
