"""How a source is read: the adapter contract, the documented adapters, and what reads plain iterators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from l0_core.errors import AdapterNotFound
from l0_core.events import DataPayload, Event, EventType, Progress
from l0_core.plugins import registry

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
        return hasattr(stream, "__aiter__")

    def wrap(self, stream: Any, options: Any = None) -> AsyncIterator[Any]:
        return stream  # type: ignore[no-any-return]


_passthrough = EventPassthroughAdapter()


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
    for bound in registry().adapters():
        found = bound.hooks["adapt"](ctx, source)
        if found is not None:
            return found
    return _passthrough


def by_name(name: str, ctx: AttemptContext | None, source: Any) -> Any:
    """An adapter by its name: one registered in code, the passthrough, or an installed one. Raises AdapterNotFound."""
    for adapter in _registered:
        if adapter.name == name:
            return adapter
    if name == _passthrough.name:
        return _passthrough
    installed = [bound for bound in registry().adapters() if bound.name == name]
    if not installed:
        known = sorted({"event", *(a.name for a in _registered), *(b.name for b in registry().adapters())})
        raise AdapterNotFound(f"Unknown adapter: {name!r}. Known are {', '.join(map(repr, known))}")
    plugin = installed[0].plugin
    forced = getattr(plugin, "stream_adapter", None)
    found = forced() if forced is not None else installed[0].hooks["adapt"](ctx, source)
    if found is None:
        kind = type(source)
        raise AdapterNotFound(f"The adapter {name!r} does not read {kind.__module__}.{kind.__qualname__} objects")
    return found


_registered: list[Any] = []


class Adapters:
    """The documented registry of adapters in code. What is registered here goes before what is installed."""

    @staticmethod
    def register(adapter: Adapter, *, silent: bool = False) -> None:
        """Add an adapter, before all others."""
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
        try:
            return Adapters.detect(stream)
        except AdapterNotFound:
            return None

    @staticmethod
    def has_matching(stream: Any) -> bool:
        return Adapters.detect_adapter(stream) is not None

    @staticmethod
    def openai() -> Any:
        return by_name("openai", None, None)

    @staticmethod
    def litellm() -> Any:
        return by_name("litellm", None, None)

    # Building one's own.

    @staticmethod
    def token_event(value: str) -> Event:
        return Event(EventType.TOKEN, value)

    @staticmethod
    def complete_event(usage: dict[str, int] | None = None) -> Event:
        return Event(EventType.COMPLETE, usage=usage)

    @staticmethod
    def error_event(error: Exception) -> Event:
        return Event(EventType.ERROR, error=error)

    @staticmethod
    def data_event(payload: DataPayload) -> Event:
        return Event(EventType.DATA, payload=payload)

    @staticmethod
    def progress_event(progress: Progress) -> Event:
        return Event(EventType.PROGRESS, progress=progress)

    @staticmethod
    async def to_l0_events(stream: Any, extract_text: Callable[[Any], str | None]) -> AsyncIterator[Event]:
        """The text of each chunk as a token, and COMPLETE at the end; an exception becomes an ERROR event."""
        try:
            async for chunk in stream:
                text = extract_text(chunk)
                if text:
                    yield Event(EventType.TOKEN, text)
        except Exception as error:
            yield Event(EventType.ERROR, error=error)
            return
        yield Event(EventType.COMPLETE)
