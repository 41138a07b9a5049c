"""Replaying a recorded stream: from the store alone. No provider is called, no tool, and no network but the store's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from l0_core import Event, EventType
from l0_eventsourcing import types as t
from l0_eventsourcing.state import Replay, ReplayComparison, ReplayedState, compare_replays
from l0_eventsourcing.store import EventStore, EventStoreWithSnapshots, events_after
from l0_eventsourcing.types import EventEnvelope, ReplayOptions, SerializedOptions, TokenEvent

__all__ = [
    "EventReplayer",
    "ReplayCallbacks",
    "ReplayComparison",
    "ReplayResult",
    "ReplayedState",
    "StreamMetadata",
    "compare_replays",
    "create_event_replayer",
    "get_stream_metadata",
    "replay",
]


@dataclass
class StreamMetadata:
    """What a recorded stream is like. Times are in milliseconds since the epoch; `end_ts` is that of the last event."""

    stream_id: str
    event_count: int
    token_count: int
    start_ts: float
    end_ts: float
    completed: bool
    has_error: bool
    options: SerializedOptions | None = None


@dataclass
class ReplayCallbacks:
    """Whom a replay tells what happens."""

    on_token: Callable[[str], object] | None = None
    on_violation: Callable[[Any], object] | None = None
    on_retry: Callable[[int, str], object] | None = None
    on_event: Callable[[EventEnvelope], object] | None = None


class EventReplayer:
    """Replays the streams of a store."""

    def __init__(self, event_store: EventStore) -> None:
        self._store = event_store

    async def replay(
        self, stream_id: str, *, speed: float = 0, from_seq: int = 0, to_seq: int | None = None
    ) -> AsyncGenerator[EventEnvelope, None]:
        """The events of a stream from `from_seq` to `to_seq`, both included, at `speed` times real time (0: at once).

        A stream that does not exist has none. Raises ValueError for a speed below 0.
        """
        if speed < 0:
            raise ValueError(f"speed is {speed!r}; it is 0 for at once, 1 for real time, 2 for twice as fast")
        last_ts: float | None = None
        for envelope in await events_after(self._store, stream_id, from_seq - 1):
            if to_seq is not None and envelope.seq > to_seq:
                return
            ts = envelope.event.ts
            if speed > 0:
                if last_ts is not None and ts > last_ts:
                    await asyncio.sleep((ts - last_ts) / 1000 / speed)
                last_ts = ts if last_ts is None else max(ts, last_ts)
            yield envelope

    async def replay_to_state(self, stream_id: str, to_seq: int | None = None) -> ReplayedState:
        """The state after all events, or after event `to_seq`. It begins at the newest snapshot, if there is one."""
        replay, seq = await self._begun(stream_id, (1 << 62) if to_seq is None else to_seq)
        for envelope in await events_after(self._store, stream_id, seq - 1):
            if to_seq is not None and envelope.seq > to_seq:
                break
            replay.apply(envelope.event)
        return replay.state()

    async def _begun(self, stream_id: str, seq: int) -> tuple[Replay, int]:
        """A replay that stands as near before the end of event `seq` as a snapshot can put it, and its next event."""
        if seq >= 0 and isinstance(self._store, EventStoreWithSnapshots):
            snapshot = await self._store.get_snapshot_before(stream_id, seq)
            if snapshot is not None:
                return Replay(snapshot), snapshot.seq + 1
        return Replay(), 0

    async def replay_tokens(self, stream_id: str, *, speed: float = 0) -> AsyncGenerator[str, None]:
        """The tokens of the text that stood in the end: none that was withdrawn, at the times at which they came."""
        last_ts: float | None = None
        for token in _standing(await self._store.get_events(stream_id)):
            if speed > 0:
                if last_ts is not None and token.ts > last_ts:
                    await asyncio.sleep((token.ts - last_ts) / 1000 / speed)
                last_ts = token.ts
            yield token.value

    async def prefix(self, stream_id: str, from_seq: int) -> Replay:
        """A replay of all events before `from_seq`."""
        replay, seq = await self._begun(stream_id, from_seq - 1)
        if seq >= from_seq:
            return replay
        for envelope in await events_after(self._store, stream_id, seq - 1):
            if envelope.seq >= from_seq:
                break
            replay.apply(envelope.event)
        return replay


def _standing(events: list[EventEnvelope]) -> list[TokenEvent]:
    """The tokens that nothing withdrew."""
    standing: list[TokenEvent] = []
    replay = Replay()
    for envelope in events:
        event = envelope.event
        for got in replay.apply(event):
            if got.type is EventType.RESET and not got.choice and set(got.data or ()) == {"keep"}:
                standing = _cut(standing, (got.data or {})["keep"])
        if isinstance(event, TokenEvent):
            standing.append(event)
    return standing


def _cut(tokens: list[TokenEvent], keep: int) -> list[TokenEvent]:
    """The first `keep` characters of tokens."""
    kept = []
    for token in tokens:
        if keep <= 0:
            break
        kept.append(token if len(token.value) <= keep else TokenEvent(ts=token.ts, value=token.value[:keep]))
        keep -= len(token.value)
    return kept


class ReplayResult:
    """A replay under way: iterate over its envelopes, or over `stream`, which is what the consumer saw.

    `state` is what the events so far lead to, those before `from_seq` included.
    """

    is_replay = True

    def __init__(self, replayer: EventReplayer, stream_id: str, options: ReplayOptions) -> None:
        self._replayer, self._options = replayer, options
        self.stream_id = stream_id
        self.errors: list[Exception] = []
        self.original_options: dict[str, Any] = {}
        self._callbacks = ReplayCallbacks()
        self._fires = options.fire_callbacks
        self._replay = Replay()
        self._got: list[Event] = []
        self._is_aborted = False
        self._envelopes = self._run()

    def set_callbacks(
        self,
        callbacks: ReplayCallbacks | None = None,
        *,
        on_token: Callable[[str], object] | None = None,
        on_violation: Callable[[Any], object] | None = None,
        on_retry: Callable[[int, str], object] | None = None,
        on_event: Callable[[EventEnvelope], object] | None = None,
    ) -> None:
        """Say who is told. They are called only if the replay was asked to (`fire_callbacks=True`)."""
        self._callbacks = callbacks or ReplayCallbacks(on_token, on_violation, on_retry, on_event)

    @property
    def state(self) -> ReplayedState:
        """The state so far."""
        return self._replay.state()

    def abort(self) -> None:
        """End the replay: whoever iterates finds it ended."""
        self._is_aborted = True

    def __aiter__(self) -> AsyncIterator[EventEnvelope]:
        return self._envelopes

    async def _run(self) -> AsyncGenerator[EventEnvelope, None]:
        options = self._options
        self._replay = await self._replayer.prefix(self.stream_id, options.from_seq)
        async for envelope in self._replayer.replay(
            self.stream_id, speed=options.speed, from_seq=options.from_seq, to_seq=options.to_seq
        ):
            if self._is_aborted:
                return
            event = envelope.event
            self._got = self._replay.apply(event)
            if isinstance(event, t.StartEvent):
                self.original_options = {
                    name: value for name, value in vars(event.options).items() if value not in (None, 0, False)
                }
            elif isinstance(event, t.ErrorEvent):
                self.errors.append(t.deserialize_error(event.error))
            if self._fires:
                self._tell(envelope)
            yield envelope

    def _tell(self, envelope: EventEnvelope) -> None:
        told, event = self._callbacks, envelope.event
        if told.on_event is not None:
            told.on_event(envelope)
        if isinstance(event, TokenEvent) and told.on_token is not None:
            told.on_token(event.value)
        elif isinstance(event, t.GuardrailEvent) and told.on_violation is not None:
            for violation in event.result.violations:
                told.on_violation(violation)
        elif isinstance(event, t.RetryEvent) and told.on_retry is not None:
            told.on_retry(event.attempt, event.reason)

    @property
    def stream(self) -> AsyncGenerator[Event, None]:
        """What the consumer got, event by event, text that was withdrawn and the RESETs that withdrew it included.

        A stream that ended in an error raises it at its end, as an exception that says the same.
        """
        return self._events()

    async def _events(self) -> AsyncGenerator[Event, None]:
        async for envelope in self._envelopes:
            for event in self._got:
                yield event
            if isinstance(envelope.event, t.ErrorEvent):
                raise t.deserialize_error(envelope.event.error)

    async def read(self) -> str:
        """Replay what is left, and return the text."""
        async for _ in self._envelopes:
            pass
        return self.state.content


async def replay(
    stream_id: str,
    event_store: EventStore,
    *,
    speed: float = 0,
    fire_callbacks: bool = False,
    from_seq: int = 0,
    to_seq: int | None = None,
) -> ReplayResult:
    """Replay a stream, or its events from `from_seq` to `to_seq`, both included, at `speed` times real time.

    A `speed` of 0 is at once. A stream that does not exist has no events. Raises ValueError for a `speed` below 0.
    """
    if speed < 0:
        raise ValueError(f"speed is {speed!r}; it is 0 for at once, 1 for real time, 2 for twice as fast")
    options = ReplayOptions(stream_id, speed, fire_callbacks, from_seq, to_seq)
    return ReplayResult(EventReplayer(event_store), stream_id, options)


async def get_stream_metadata(event_store: EventStore, stream_id: str) -> StreamMetadata | None:
    """What a recorded stream is like, or None if there is none of that name."""
    events = await event_store.get_events(stream_id)
    if not events:
        return None
    replay, options = Replay(), None
    for envelope in events:
        replay.apply(envelope.event)
        if isinstance(envelope.event, t.StartEvent) and options is None:
            options = envelope.event.options
    state = replay.state()
    return StreamMetadata(
        stream_id,
        event_count=len(events),
        token_count=state.token_count,
        start_ts=events[0].event.ts,
        end_ts=events[-1].event.ts,
        completed=state.outcome in ("complete", "incomplete"),
        has_error=state.error is not None,
        options=options,
    )


def create_event_replayer(event_store: EventStore) -> EventReplayer:
    """A replayer of a store's streams."""
    return EventReplayer(event_store)
