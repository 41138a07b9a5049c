"""What a caller holds: a stream to iterate, read or leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from types import AsyncGeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, cast

from l0_core.events import Event, EventType
from l0_core.session import Session
from l0_core.settings import compile_settings
from l0_core.state import State

if TYPE_CHECKING:
    from l0_core.reporter import Reporter
    from l0_core.state_machine import StateMachine

__all__ = ["LazyStream", "Stream", "consume_stream", "get_text"]


SAYING = frozenset((EventType.DATA, EventType.MESSAGE, EventType.TOOL_CALL))
"""What says something by itself; text does if it is more than blanks."""


class Stream:
    """A dependable stream: iterate over its events, or `read()` its text.

    Leave it early with `async with`, `aclose()` or `abort()`: the provider's connection is closed at once. A stream
    that is simply dropped closes it too, when the interpreter lets go of it.
    """

    __slots__ = ("__weakref__", "_events", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        events = self._events = cast("AsyncGeneratorType[Event, None]", session.events())
        session.watch.watch(events)
        if session.observers is not None and session.observers.watches_events:
            self._events = cast("AsyncGeneratorType[Event, None]", _told(events, session.observers))

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __anext__(self) -> Event:
        return await self._events.__anext__()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def stream_id(self) -> str:
        """The name under which it is recorded: what was given to `run()`, or a UUIDv7."""
        return self._session.stream_id

    @property
    def state(self) -> State:
        """What is known of the stream so far."""
        return self._session.state

    @property
    def errors(self) -> list[BaseException]:
        """Every error so far, those that were survived included, in order."""
        return self._session.errors

    @property
    def state_machine(self) -> StateMachine:
        """What the stream is doing, and its history: ask for it before the stream is read, or it is a RuntimeError.

        A stream that was left ends in ERROR, for it is no success; `state.outcome` says which it is.
        """
        return self._session.machine

    def raw(self) -> list[Any]:
        """The provider's chunks, of all attempts so far, as its SDK makes them.

        They are kept on request: `keep_raw=True`. Raises RuntimeError otherwise.
        """
        if self._session.raw is None:
            raise RuntimeError("the provider's chunks were not kept; pass keep_raw=True to run() or wrap()")
        return self._session.raw.chunks()

    def abort(self) -> None:
        """Stop the stream, from wherever. Whoever iterates it finds it ended; text so far stays in `state`."""
        self._session.abort(self._events)

    async def aclose(self) -> None:
        """Leave the stream: close the provider's connection, and wait until it is closed."""
        events, session = self._events, self._session
        if not events.ag_running:
            session.abort(events) if session.watch.loop is None else None
            await events.aclose()
            return
        session.abort(events)
        if session.watch.task is not asyncio.current_task():
            await session.wait_ended()

    async def read(self) -> str:
        """Iterate over what is left, and return the whole text. Raises what iterating raises."""
        async for _ in self._events:
            pass
        if self._session.state.outcome == "error" and self._session.errors:
            raise self._session.errors[-1]
        return self._session.state.content

    async def started(self) -> bool:
        """Wait until the stream says something: text, reasoning, data or a tool call. False if it ends without.

        Nothing is lost by it: iteration begins with what came. Raises what iterating raises.
        """
        ahead: list[Event] = []
        events = self._events
        try:
            async for event in events:
                ahead.append(event)
                if event.type in SAYING or (event.text and not event.text.isspace()):
                    return True
            return False
        finally:
            if ahead:
                self._events = cast("AsyncGeneratorType[Event, None]", _after(ahead, events))
                await anext(self._events)  # Only a generator that has begun closes what it reads from.

    async def text(self) -> AsyncIterator[str]:
        """The text alone, for consumers that cannot take anything back. Raises RuntimeError where text is withdrawn."""
        async for event in self._events:
            if event.type is EventType.TOKEN and event.text and not event.choice:
                yield event.text
            elif event.type is EventType.RESET and not event.choice:
                raise RuntimeError(
                    "text that was already delivered has been withdrawn; iterate over events to handle that"
                )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._session.state!r}>"


async def _after(ahead: list[Event], events: AsyncGeneratorType[Event, None]) -> AsyncIterator[Event]:
    """What was read ahead, and then the events. A generator of its own: only who reads ahead pays for it."""
    try:
        yield ahead[0]
        for event in ahead:
            yield event
        async for event in events:
            yield event
    finally:
        await events.aclose()


async def _told(events: AsyncGeneratorType[Event, None], reporter: Reporter) -> AsyncIterator[Event]:
    """The events, each of them told to `on_stream_event`. A generator of its own: only who asks for it pays for it."""
    try:
        async for event in events:
            reporter.stream_event(event)
            yield event
    finally:
        await events.aclose()


class Rest:
    """What stands of a stream that has begun anew, and then the rest of it: a source like the stream itself."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[Event]:
        state = self.stream.state
        for kind, text, choice in (
            (EventType.REASONING, state.reasoning, 0),
            (EventType.TOKEN, state.content, 0),
            (EventType.REFUSAL, state.refusal, 0),
            *((EventType.TOKEN, text, choice) for choice, text in state.choices.items()),
        ):
            if text:
                yield Event(kind, text, choice=choice)
        async for event in self.stream:
            yield event

    async def aclose(self) -> None:
        await self.stream.aclose()


class LazyStream(Stream):
    """A raw stream made dependable, as far as a stream can be that is read only once: no retry, no fallback."""

    __slots__ = ()

    def __init__(self, stream: Any, **options: Any) -> None:
        super().__init__(Session((stream,), compile_settings(options)))


async def consume_stream(stream: AsyncIterable[Event]) -> str:
    """The text of a stream of events, with whatever was withdrawn taken out."""
    pieces: list[str] = []
    async for event in stream:
        if event.choice:
            continue
        if event.type is EventType.TOKEN and event.text:
            pieces.append(event.text)
        elif event.type is EventType.RESET:
            pieces = ["".join(pieces)[: (event.data or {}).get("keep", 0)]]
    return "".join(pieces)


async def get_text(result: Stream) -> str:
    """`await result.read()`."""
    return await result.read()
