"""What a consumer receives: events and their payloads.

Every provider's stream becomes a sequence of `Event` objects. The last event of a stream that ends well is COMPLETE,
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["ContentType", "DataPayload", "Event", "EventType", "Progress"]


class EventType(str, Enum):
    """What an `Event` is."""

    TOKEN = "token"
    """A piece of the answer's text, in `Event.text`."""
    MESSAGE = "message"
    """A whole message, in `Event.text` or `Event.data`."""
    DATA = "data"
    """A non-text output, in `Event.payload`."""
    PROGRESS = "progress"
    """Something on its way: `Event.progress`, or a fragment of a tool call in `Event.data["tool_call"]`."""
    TOOL_CALL = "tool_call"
    """One whole tool call: `Event.data` holds `id`, `name`, `arguments` (valid JSON, as text) and `index`."""
    ERROR = "error"
    """From an adapter only: the source failed, with `Event.error`. Consumers get the exception instead."""
    COMPLETE = "complete"
    """The end, with `Event.usage` and `Event.data["finish_reason"]`."""
    REASONING = "reasoning"
    """A piece of the model's reasoning, in `Event.text`: not part of the answer."""
    REFUSAL = "refusal"
    """A piece of the model's refusal, in `Event.text`: not part of the answer."""
    RESET = "reset"
    """Text already delivered is withdrawn: only its first `Event.data["keep"]` characters stand."""


class ContentType(str, Enum):
    """What a `DataPayload` holds."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    JSON = "json"
    BINARY = "binary"


@dataclass(slots=True)
class DataPayload:
    """A non-text output. `base64`, `url` and `data` (bytes) are alternatives."""

    content_type: ContentType
    mime_type: str | None = None
    base64: str | None = None
    url: str | None = None
    data: bytes | None = None
    json: Any | None = None
    metadata: dict[str, Any] | None = None

    def _meta(self, key: str) -> Any:
        return None if self.metadata is None else self.metadata.get(key)

    @property
    def width(self) -> int | None:
        """In pixels."""
        return self._meta("width")  # type: ignore[no-any-return]

    @property
    def height(self) -> int | None:
        """In pixels."""
        return self._meta("height")  # type: ignore[no-any-return]

    @property
    def duration(self) -> float | None:
        """In seconds."""
        return self._meta("duration")  # type: ignore[no-any-return]

    @property
    def size(self) -> int | None:
        """In bytes."""
        return self._meta("size")  # type: ignore[no-any-return]

    @property
    def filename(self) -> str | None:
        """The name that the file was given, if the metadata says one."""
        return self._meta("filename")  # type: ignore[no-any-return]

    @property
    def seed(self) -> int | None:
        """The number that the generation began from, by which it can be repeated, if the metadata says one."""
        return self._meta("seed")  # type: ignore[no-any-return]

    @property
    def model(self) -> str | None:
        """The model that made it, if the metadata says one."""
        return self._meta("model")  # type: ignore[no-any-return]


@dataclass(slots=True)
class Progress:
    """How far something has come: `percent` from 0 to 100, `eta` in seconds."""

    percent: float | None = None
    step: int | None = None
    total_steps: int | None = None
    message: str | None = None
    eta: float | None = None


@dataclass(slots=True)
class Event:
    """One thing that a stream says. Which fields are set follows from `type`.

    `timestamp` is in seconds since the epoch where a source gives one; `usage` counts tokens
    (`input_tokens`, `output_tokens`); `choice` is the index of the answer that the event belongs to, 0 unless several
    were asked for.
    """

    type: EventType
    text: str | None = None
    data: dict[str, Any] | None = None
    payload: DataPayload | None = None
    progress: Progress | None = None
    error: Exception | None = None
    usage: dict[str, int] | None = None
    timestamp: float | None = None
    choice: int = 0

    @property
    def is_token(self) -> bool:
        """Whether it is a piece of the answer's text, in `text`."""
        return self.type is EventType.TOKEN

    @property
    def is_message(self) -> bool:
        """Whether it is a whole message, in `text` or `data`."""
        return self.type is EventType.MESSAGE

    @property
    def is_data(self) -> bool:
        """Whether it is a non-text output, in `payload`."""
        return self.type is EventType.DATA

    @property
    def is_progress(self) -> bool:
        """Whether it is something on its way: in `progress`, or a fragment in `data["tool_call"]`."""
        return self.type is EventType.PROGRESS

    @property
    def is_tool_call(self) -> bool:
        """Whether it is one whole tool call, in `data`."""
        return self.type is EventType.TOOL_CALL

    @property
    def is_error(self) -> bool:
        """Whether the source failed, with `error`. Adapters make such events; consumers get the exception instead."""
        return self.type is EventType.ERROR

    @property
    def is_complete(self) -> bool:
        """Whether it is the end, with `usage` and `data["finish_reason"]`."""
        return self.type is EventType.COMPLETE

    @property
    def is_reasoning(self) -> bool:
        """Whether it is a piece of the model's reasoning, in `text`: not part of the answer."""
        return self.type is EventType.REASONING

    @property
    def is_refusal(self) -> bool:
        """Whether it is a piece of the model's refusal, in `text`: not part of the answer."""
        return self.type is EventType.REFUSAL

    @property
    def is_reset(self) -> bool:
        """Whether text is withdrawn: only its first `data["keep"]` characters stand."""
        return self.type is EventType.RESET
