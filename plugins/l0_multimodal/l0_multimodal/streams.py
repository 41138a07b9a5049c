"""A provider's chunks as events.

Functions say what is in a chunk; each is asked about each chunk. The last event is COMPLETE, or ERROR if anything
raised. The source is closed when the events end, or are left.
"""

from __future__ import annotations

import reprlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from l0_core import DataPayload, Event, EventType, Progress
from l0_multimodal.events import create_data_event, create_error_event, create_message_event, create_token_event

__all__ = ["Chunks", "to_events", "to_events_with_messages", "to_multimodal_events"]

Chunks = AsyncIterable[Any] | Awaitable[Any]
"""A provider's stream, or what awaits to one: the call of an asynchronous client that nobody has awaited."""


@dataclass(frozen=True, slots=True)
class _Extractor:
    """One function of the caller's: what it may return besides nothing, and what event that becomes."""

    name: str
    kind: EventType
    wanted: tuple[type, ...]
    make: Callable[[Any], Event]
    extract: Callable[[Any], Any]

    def event(self, chunk: Any) -> Event | None:
        found = self.extract(chunk)
        if not found:
            return None
        if isinstance(found, self.wanted):
            return self.make(found)
        if isinstance(found, Event) and found.type is self.kind:
            return found
        # What was said is for nobody's logs, except for what the provider said of its failure.
        said = f": {reprlib.repr(found)}" if self.kind is EventType.ERROR else ""
        wanted = " or ".join(kind.__name__ for kind in self.wanted)
        raise TypeError(
            f"{self.name} returned {type(found).__name__}{said}; it may return {wanted}, an event of the type "
            f"{self.kind.value}, or None"
        )


_KINDS: dict[str, tuple[EventType, tuple[type, ...], Callable[[Any], Event]]] = {
    "extract_text": (EventType.TOKEN, (str,), create_token_event),
    "extract_data": (EventType.DATA, (DataPayload,), create_data_event),
    "extract_progress": (EventType.PROGRESS, (Progress,), lambda found: Event(EventType.PROGRESS, progress=found)),
    "extract_message": (EventType.MESSAGE, (str, Mapping), create_message_event),
    "extract_error": (EventType.ERROR, (Exception,), create_error_event),
}
"""What may be in a chunk, in the order in which it is asked for."""


def to_multimodal_events(
    stream: Chunks,
    *,
    extract_text: Callable[[Any], str | Event | None] | None = None,
    extract_data: Callable[[Any], DataPayload | Event | None] | None = None,
    extract_progress: Callable[[Any], Progress | Event | None] | None = None,
    extract_message: Callable[[Any], str | Mapping[str, Any] | Event | None] | None = None,
    extract_error: Callable[[Any], Exception | Event | None] | None = None,
) -> AsyncGenerator[Event, None]:
    """What the functions find in each chunk, in the order text, data, progress, message, error; then COMPLETE.

    A function returns what it found, or an event made of it (`Multimodal.image(...)`); what is empty or None is not
    found. An error that is found, or that the stream or a function raises, becomes an ERROR event, and the end.

    Args:
        stream: the provider's chunks; it is closed with what this returns.
        extract_text: a piece of the answer's text.
        extract_data: an output that is not text.
        extract_progress: how far something has come.
        extract_message: a whole message, as `create_message_event` takes it.
        extract_error: an error that the provider reports in a chunk.

    Raises:
        TypeError: at once, if a function is not one, or if there is none: nothing could ever be found.
    """
    given = {
        "extract_text": extract_text,
        "extract_data": extract_data,
        "extract_progress": extract_progress,
        "extract_message": extract_message,
        "extract_error": extract_error,
    }
    extractors = []
    for name, extract in given.items():
        if extract is None:
            continue
        if not callable(extract):
            raise TypeError(f"{name} takes a function of a chunk, not {type(extract).__name__}")
        extractors.append(_Extractor(name, *_KINDS[name], extract))
    if not extractors:
        raise TypeError(f"Nothing says what is in a chunk: give at least one of {', '.join(given)}")
    return _events(stream, extractors)


def to_events(stream: Chunks, extract_text: Callable[[Any], str | Event | None]) -> AsyncGenerator[Event, None]:
    """As `to_multimodal_events`, for text alone."""
    return to_multimodal_events(stream, extract_text=extract_text)


def to_events_with_messages(
    stream: Chunks,
    *,
    extract_text: Callable[[Any], str | Event | None] | None = None,
    extract_message: Callable[[Any], str | Mapping[str, Any] | Event | None] | None = None,
) -> AsyncGenerator[Event, None]:
    """As `to_multimodal_events`, for text and messages."""
    return to_multimodal_events(stream, extract_text=extract_text, extract_message=extract_message)


async def _events(stream: Any, extractors: list[_Extractor]) -> AsyncGenerator[Event, None]:
    iterator = None
    try:
        if hasattr(stream, "__await__"):
            stream = await stream
        iterator = _iterator(stream)
        async for chunk in iterator:
            for extractor in extractors:
                event = extractor.event(chunk)
                if event is None:
                    continue
                yield event
                if event.type is EventType.ERROR:
                    return
        yield Event(EventType.COMPLETE)
    except Exception as error:
        yield Event(EventType.ERROR, error=error)
    finally:
        try:
            if iterator is not stream:
                await _close(iterator)
        finally:
            await _close(stream)


def _iterator(stream: Any) -> AsyncIterator[Any]:
    if hasattr(stream, "__aiter__"):
        return aiter(stream)
    kind = type(stream)
    hint = "; call it" if callable(stream) else ""
    raise TypeError(f"The stream is a {kind.__module__}.{kind.__qualname__}, not an asynchronous iterator{hint}")


async def _close(source: Any) -> None:
    close: Callable[[], Any] | None = getattr(source, "aclose", None) or getattr(source, "close", None)
    if close is None:
        return
    closing = close()
    if hasattr(closing, "__await__"):
        await closing
