"""How a source is read: the adapter contract, the documented adapters, and what reads plain iterators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from l0_core.errors import AdapterNotFound, PluginError
from l0_core.events import ContentType, DataPayload, Event, EventType, Progress
from l0_core.plugins import recognition, registry
from l0_core.raised import described

if TYPE_CHECKING:
    from l0_core.hookspecs import AttemptContext

__all__ = ["AdaptedEvent", "Adapter", "Adapters", "EventPassthroughAdapter"]

C = TypeVar("C")


@dataclass(slots=True)
class AdaptedEvent(Generic[C]):
    """An event together with the provider's chunk that it came from."""

    event: Event
    raw_chunk: C | None = None


@runtime_checkable
class Adapter(Protocol):
    """The documented form of an adapter: `wrap` yields `Event` or `AdaptedEvent`, the last of them COMPLETE.

    An ERROR event says that the source failed. Text is passed on exactly.
    """

    name: str

    def detect(self, stream: Any) -> bool:
        """Whether the stream is this adapter's."""
        ...

    def wrap(self, stream: Any, options: Any = None) -> AsyncIterator[Any]:
        """The stream as events."""
        ...


class Registrable(Protocol):
    """What can be registered as an adapter: one whose `wrap` takes no options is one too."""

    @property
    def name(self) -> str: ...

    def detect(self, stream: Any, /) -> bool: ...

    def wrap(self, stream: Any, /) -> AsyncIterator[Any]: ...


class Reading:
    """How one source is read: what to iterate, what makes events of it, and what proves the end."""

    __slots__ = ("adapter", "decode", "end_is_proof", "iterator", "linger", "wrapped")

    def __init__(self, adapter: Any, source: Any, iterator: Any, decode: Callable[[Any], Any] | None) -> None:
        self.adapter = adapter
        self.iterator = iterator
        self.wrapped = iterator is not source
        self.decode = decode
        self.end_is_proof: bool = getattr(adapter, "end_is_proof", False)
        self.linger: float = getattr(adapter, "linger", 0.0)


class EventPassthroughAdapter:
    """Reads what yields `Event`, `AdaptedEvent` or text. A plain iterator's own end is the proof of its end."""

    name = "event"
    end_is_proof = True
    linger = 0.0

    def detect(self, stream: Any) -> bool:
        """Whether it can be iterated with `async for`."""
        return hasattr(stream, "__aiter__")

    def wrap(self, stream: Any, options: Any = None) -> AsyncIterator[Any]:
        """The stream itself. `options` is not looked at."""
        return stream  # type: ignore[no-any-return]


_passthrough = EventPassthroughAdapter()


class _Within(EventPassthroughAdapter):
    """Reads a stream of L0's own. One that was left ends quietly: only its COMPLETE is proof."""

    name = "l0"
    end_is_proof = False


_within = _Within()


def unwrap(item: Any) -> Event:
    """The event in what a documented adapter or a plain iterator yields."""
    if item.__class__ is AdaptedEvent:
        item = item.event
    elif isinstance(item, str):
        return Event(EventType.TOKEN, item)
    if isinstance(item, Event):
        return item
    kind = type(item)
    raise AdapterNotFound(
        f"The stream yields {kind.__module__}.{kind.__qualname__} objects, and no installed adapter reads them. "
        "Install the adapter of that SDK, pass adapter=, or yield Event objects"
    )


def read(ctx: AttemptContext, source: Any, chosen: Any) -> Reading:
    """Find out how to read what a factory returned. `chosen` is the caller's adapter, an instance or a name.

    Raises AdapterNotFound.
    """
    if type(source).__module__ == "l0_core.stream":
        return Reading(_within, source, aiter(source), None)
    adapter = chosen
    if chosen is None or isinstance(chosen, str):
        adapter = _find(ctx, source, chosen)
    if hasattr(adapter, "stream_adapter"):
        adapter = adapter.stream_adapter()
    if hasattr(adapter, "decode"):
        iterate = getattr(adapter, "iterate", None)
        iterable = source if iterate is None else iterate(source)
        return Reading(adapter, source, _iterator(iterable), adapter.decode)
    return Reading(adapter, source, _iterator(adapter.wrap(source)), None)


def _iterator(iterable: Any) -> Any:
    try:
        return iterable.__aiter__()
    except AttributeError:
        pass
    kind = type(iterable)
    what = f"{kind.__module__}.{kind.__qualname__}"
    if hasattr(iterable, "__iter__"):
        raise AdapterNotFound(f"The stream is a synchronous {what}; L0 reads asynchronous streams, as from AsyncOpenAI")
    raise AdapterNotFound(f"The stream is a {what}, which is not an asynchronous iterator")


def _find(ctx: AttemptContext, source: Any, name: str | None) -> Any:
    if name is not None:
        return by_name(name, ctx, source)
    for adapter in _registered:
        if adapter.detect(source):
            return adapter
    return next(registry().recognitions(ctx, source), _passthrough)


def by_name(name: str, ctx: AttemptContext | None, source: Any) -> Any:
    """An adapter by its name: one registered in code, the passthrough, or an installed one. Raises AdapterNotFound."""
    for adapter in _registered:
        if adapter.name == name:
            return adapter
    if name == _passthrough.name:
        return _passthrough
    if not any(item.name == name for item in registry().installed("adapter")):
        known = sorted({"event", *(a.name for a in _registered), *(b.name for b in registry().adapters())})
        raise AdapterNotFound(f"Unknown adapter: {name!r}. Known are {', '.join(map(repr, known))}")
    bound = registry().load("adapter", name)
    forced = getattr(bound.plugin, "stream_adapter", None)
    try:
        found = forced() if forced is not None else recognition(bound, ctx, source)
    except AdapterNotFound:
        raise
    except Exception as error:
        raise PluginError(f"The adapter {name!r} of {bound.origin} raised {described(error)}") from error
    if found is None:
        kind = type(source)
        raise AdapterNotFound(f"The adapter {name!r} does not read {kind.__module__}.{kind.__qualname__} objects")
    return found


_registered: list[Any] = []


class Adapters:
    """The documented registry of adapters in code. What is registered here goes before what is installed."""

    @staticmethod
    def register(adapter: Registrable, *, silent: bool = False) -> None:
        """Add an adapter, before all others. One without `detect(stream)` is used by name only, and a warning says so.

        `silent` leaves the warning out. Raises TypeError for what is no adapter.
        """
        if not callable(getattr(adapter, "wrap", None)) or not getattr(adapter, "name", None):
            raise TypeError(f"{adapter!r} is not an adapter: it needs name, detect(stream) and wrap(stream)")
        if not hasattr(adapter, "detect"):
            if not silent:
                import warnings

                warnings.warn(
                    f"the adapter {adapter.name!r} has no detect(stream): it is used by name only", stacklevel=2
                )
            adapter.detect = lambda stream: False  # type: ignore[method-assign]
        _registered.insert(0, adapter)

    @staticmethod
    def unregister(name: str) -> bool:
        """Remove an adapter by name; return whether it was there."""
        before = len(_registered)
        _registered[:] = [adapter for adapter in _registered if adapter.name != name]
        return len(_registered) < before

    @staticmethod
    def unregister_all_except(names: list[str] | None = None) -> list[str]:
        """Remove all but those named; return the names of the removed."""
        removed = [adapter.name for adapter in _registered if adapter.name not in (names or ())]
        _registered[:] = [adapter for adapter in _registered if adapter.name in (names or ())]
        return removed

    @staticmethod
    def clear() -> None:
        """Remove all. What is installed stays."""
        _registered.clear()

    reset = clear

    @staticmethod
    def registered() -> list[str]:
        """The names, in the order in which they are asked."""
        return [*(a.name for a in _registered), *(b.name for b in registry().adapters()), _passthrough.name]

    @staticmethod
    def get(name: str) -> Any | None:
        """An adapter by name, or None."""
        try:
            return by_name(name, None, None)
        except AdapterNotFound:
            return None

    @staticmethod
    def detect(stream: Any, hint: Any = None) -> Any:
        """The adapter that reads a stream; `hint` is a name or an adapter. Raises AdapterNotFound."""
        if hint is not None and not isinstance(hint, str):
            return hint
        found = _find(None, stream, hint)  # type: ignore[arg-type]
        if found is _passthrough and not _passthrough.detect(stream):
            raise AdapterNotFound(f"No adapter found for {type(stream).__module__}.{type(stream).__qualname__}")
        return found

    @staticmethod
    def detect_adapter(stream: Any) -> Any | None:
        """The adapter that reads a stream, or None."""
        try:
            return Adapters.detect(stream)
        except AdapterNotFound:
            return None

    @staticmethod
    def has_matching(stream: Any) -> bool:
        """Whether any adapter reads a stream."""
        return Adapters.detect_adapter(stream) is not None

    @staticmethod
    def openai() -> Any:
        """The adapter of l0-openai. Raises AdapterNotFound if it is not installed."""
        return by_name("openai", None, None)

    @staticmethod
    def litellm() -> Any:
        """The adapter of l0-litellm. Raises AdapterNotFound if it is not installed."""
        return by_name("litellm", None, None)

    # Building one's own.

    @staticmethod
    def token_event(value: str) -> Event:
        """A piece of the answer's text."""
        return Event(EventType.TOKEN, value)

    @staticmethod
    def complete_event(usage: dict[str, int] | None = None) -> Event:
        """The end, which is the proof that the model was done. `usage` counts tokens."""
        return Event(EventType.COMPLETE, usage=usage)

    @staticmethod
    def error_event(error: Exception) -> Event:
        """The source failed: the attempt ends with this exception."""
        return Event(EventType.ERROR, error=error)

    @staticmethod
    def data_event(payload: DataPayload) -> Event:
        """A non-text output."""
        return Event(EventType.DATA, payload=payload)

    @staticmethod
    def progress_event(progress: Progress) -> Event:
        """How far something has come."""
        return Event(EventType.PROGRESS, progress=progress)

    @staticmethod
    def image_event(
        url: str | None = None,
        base64: str | None = None,
        mime_type: str = "image/png",
        width: int | None = None,
        height: int | None = None,
        **metadata: Any,
    ) -> Event:
        """An image; width and height are in pixels."""
        metadata |= {"width": width, "height": height}
        return _media_event(ContentType.IMAGE, mime_type, url, base64, metadata)

    @staticmethod
    def audio_event(
        url: str | None = None,
        base64: str | None = None,
        mime_type: str = "audio/mp3",
        duration: float | None = None,
        **metadata: Any,
    ) -> Event:
        """A recording; the duration is in seconds."""
        metadata |= {"duration": duration}
        return _media_event(ContentType.AUDIO, mime_type, url, base64, metadata)

    @staticmethod
    def to_l0_events(stream: Any, extract_text: Callable[[Any], str | None]) -> AsyncIterator[Event]:
        """The text of each chunk as a token, and COMPLETE at the end; an exception becomes an ERROR event.

        The stream is closed with what this returns.
        """
        return _events_of(stream, (extract_text, Adapters.token_event))

    @staticmethod
    def to_l0_events_with_messages(
        stream: Any,
        extract_text: Callable[[Any], str | None],
        extract_message: Callable[[Any], dict[str, Any] | None] | None = None,
    ) -> AsyncIterator[Event]:
        """As `to_l0_events`; and what is a message in a chunk, as MESSAGE events with it in `data`."""
        return _events_of(stream, (extract_text, Adapters.token_event), (extract_message, _message_event))

    @staticmethod
    def to_multimodal_l0_events(
        stream: Any,
        extract_text: Callable[[Any], str | None] | None = None,
        extract_data: Callable[[Any], DataPayload | None] | None = None,
        extract_progress: Callable[[Any], Progress | None] | None = None,
        extract_message: Callable[[Any], dict[str, Any] | None] | None = None,
    ) -> AsyncIterator[Event]:
        """As `to_l0_events`, for all that may be in a chunk. Each function is asked about each chunk."""
        return _events_of(
            stream,
            (extract_text, Adapters.token_event),
            (extract_data, Adapters.data_event),
            (extract_progress, Adapters.progress_event),
            (extract_message, _message_event),
        )


def _message_event(message: dict[str, Any]) -> Event:
    return Event(EventType.MESSAGE, data=message)


def _media_event(
    content_type: ContentType, mime_type: str, url: str | None, base64: str | None, metadata: dict[str, Any]
) -> Event:
    known = {name: value for name, value in metadata.items() if value is not None}
    return Adapters.data_event(DataPayload(content_type, mime_type, base64, url, metadata=known or None))


async def _events_of(
    stream: Any, *extractors: tuple[Callable[[Any], Any] | None, Callable[[Any], Event]]
) -> AsyncIterator[Event]:
    """What the extractors find in each chunk, as events; nothing and empty text are not found."""
    asked = [(extract, make) for extract, make in extractors if extract is not None]
    try:
        async for chunk in stream:
            for extract, make in asked:
                found = extract(chunk)
                if found:
                    yield make(found)
        yield Event(EventType.COMPLETE)
    except Exception as error:
        yield Event(EventType.ERROR, error=error)
    finally:
        await _close(stream)


async def _close(stream: Any) -> None:
    close: Callable[[], Any] | None = getattr(stream, "aclose", None) or getattr(stream, "close", None)
    if close is None:
        return
    closing = close()
    if hasattr(closing, "__await__"):
        await closing


register_adapter = Adapters.register
unregister_adapter = Adapters.unregister
unregister_all_except = Adapters.unregister_all_except
get_adapter = Adapters.get
get_registered_adapters = Adapters.registered
clear_adapters = Adapters.clear
detect_adapter = Adapters.detect_adapter
has_matching_adapter = Adapters.has_matching
to_l0_events = Adapters.to_l0_events
to_l0_events_with_messages = Adapters.to_l0_events_with_messages
to_multimodal_l0_events = Adapters.to_multimodal_l0_events
create_token_event = Adapters.token_event
create_complete_event = Adapters.complete_event
create_error_event = Adapters.error_event
create_data_event = Adapters.data_event
create_progress_event = Adapters.progress_event
create_image_event = Adapters.image_event
create_audio_event = Adapters.audio_event
