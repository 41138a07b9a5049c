"""What a store is, and what all stores have in common.

| a store of your own | derive it from | and write |
|---|---|---|
| that keeps envelopes | `BaseEventStore` | `append`, `get_events`, `exists`, `delete`, `list_streams` |
| that keeps bytes, fast | `RecordStore` | `write_records`, `read_records`, `read_head`, `remove`, `list_ids` |

Both record streams (`l0.run(record=store)`), are followed (`subscribe`) and replayed. The envelope's number is the
expected version: an append that does not carry the next number of its stream is refused with WrongExpectedVersion,
unless it is, to the byte, what the store has in that place already; then it was acknowledged before, and is again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

from l0_core import Sink, StoreError, hookimpl
from l0_eventsourcing.codec import Record, dump_snapshot, load_snapshot, pack, unpack
from l0_eventsourcing.types import TERMINAL, EventEnvelope, RecordedEvent, Snapshot

if TYPE_CHECKING:
    from types import TracebackType

    from l0_core import StreamContext

__all__ = [
    "BaseEventStore",
    "BaseEventStoreWithSnapshots",
    "EventStore",
    "EventStoreWithSnapshots",
    "Head",
    "RecordStore",
    "StoreUnavailable",
    "StreamEnded",
    "WrongExpectedVersion",
    "append_records",
    "events_after",
    "last_event",
]

S = TypeVar("S", bound="BaseEventStore")

PAGE = 256
"""Records that are read at a time where a stream is followed."""

PATIENCE = 60.0
"""Seconds for which a store may be unreachable before a follower is told."""


class WrongExpectedVersion(StoreError):
    """Somebody else has written to the stream: `actual` is its next number, `expected` the one that was given."""

    def __init__(self, stream_id: str, expected: int, actual: int) -> None:
        super().__init__(
            f"the stream {stream_id!r} is at event {actual}, and event {expected} was to be appended: "
            "another writer was there first, or the stream was deleted. Read it again before writing"
        )
        self.stream_id, self.expected, self.actual = stream_id, expected, actual


class StreamEnded(StoreError):
    """The stream has its last event, and nothing can be appended to it."""

    def __init__(self, stream_id: str) -> None:
        super().__init__(f"the stream {stream_id!r} has ended, and nothing can be appended to it")
        self.stream_id = stream_id


class StoreUnavailable(StoreError):
    """The store cannot be reached now. Trying again may help; events that carry their numbers are not written twice."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream stands: the number of its next event, and when it was last written to, in ms of the epoch."""

    next_seq: int
    is_ended: bool
    ts: float


@runtime_checkable
class EventStore(Protocol):
    """What any store can do. `l0.eventsourcing.BaseEventStore` has all but the first five methods ready."""

    async def append(self, stream_id: str, event: EventEnvelope) -> None:
        """Keep an event, whose number must be the next of the stream: it is kept when this returns."""
        ...

    async def get_events(self, stream_id: str) -> list[EventEnvelope]:
        """All events of a stream, in order; none for one that does not exist."""
        ...

    async def exists(self, stream_id: str) -> bool:
        """Whether the stream has events."""
        ...

    async def delete(self, stream_id: str) -> bool:
        """Delete a stream and its snapshots; return whether there was one."""
        ...

    async def list_streams(self, prefix: str | None = None) -> list[str]:
        """The ids of all streams, or of those whose ids begin with `prefix`, sorted."""
        ...

    async def get_last_event(self, stream_id: str) -> EventEnvelope | None:
        """The last event of a stream, or None."""
        events = await self.get_events(stream_id)
        return events[-1] if events else None

    async def get_events_after(self, stream_id: str, after_seq: int) -> list[EventEnvelope]:
        """The events with higher numbers than `after_seq`; -1 is before all."""
        return [envelope for envelope in await self.get_events(stream_id) if envelope.seq > after_seq]


@runtime_checkable
class EventStoreWithSnapshots(EventStore, Protocol):
    """A store that keeps snapshots too. It may forget old ones."""

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""
        ...

    async def get_snapshot(self, stream_id: str) -> Snapshot | None:
        """The newest snapshot of a stream, or None."""
        ...

    async def get_snapshot_before(self, stream_id: str, seq: int) -> Snapshot | None:
        """The newest snapshot that is not after event `seq`, or None."""
        ...


class BaseEventStore(EventStore):
    """What a store of envelopes is derived from. `ttl` is in milliseconds after the last event; 0 keeps for ever.

    `prefix` keeps what it writes apart from others' in a place that is shared. Raises ValueError for a `ttl` below 0.
    """

    def __init__(self, prefix: str = "l0", ttl: int = 0) -> None:
        if ttl < 0:
            raise ValueError(f"ttl is {ttl!r}; it is a number of milliseconds, and 0 keeps for ever")
        self.prefix, self.ttl = prefix, ttl
        self.clock: Callable[[], float] = lambda: time.time() * 1000
        """Now, in milliseconds since the epoch."""

    def get_stream_key(self, stream_id: str) -> str:
        """The name of a stream in a place that is shared."""
        return f"{self.prefix}:stream:{stream_id}"

    def get_meta_key(self, stream_id: str) -> str:
        """The name of what is kept about a stream."""
        return f"{self.prefix}:meta:{stream_id}"

    def is_expired(self, timestamp: float) -> bool:
        """Whether a stream that was last written to then, in milliseconds since the epoch, is past its time."""
        return self.ttl > 0 and self.clock() - timestamp > self.ttl

    async def append_records(self, stream_id: str, records: Sequence[Record]) -> None:
        """Keep what a recording has gathered. All of it is kept when this returns."""
        for record in records:
            for envelope in unpack(stream_id, record):
                await self.append(stream_id, envelope)

    async def next_seq(self, stream_id: str) -> int:
        """The number that the next event of a stream must have."""
        last = await self.get_last_event(stream_id)
        return 0 if last is None else last.seq + 1

    async def subscribe(
        self, stream_id: str, from_seq: int = 0, *, patience: float = PATIENCE
    ) -> AsyncIterator[EventEnvelope]:
        """Follow a stream: its events from number `from_seq` on, those to come as they come, until it ends.

        A stream that does not exist yet is waited for. A store that cannot be reached is tried again, without loss;
        after `patience` seconds its StoreUnavailable is raised. Raises StoreError where the stream is deleted.
        """
        place = Following(self, stream_id, from_seq, patience)
        while (events := await place.more()) is not None:
            for envelope in events:
                yield envelope

    async def some_events(self, stream_id: str, from_seq: int) -> tuple[list[EventEnvelope], Head | None]:
        """Some of the events from `from_seq` on, in order; and where there are none, where the stream stands."""
        events = await self.get_events_after(stream_id, from_seq - 1)
        last = None if events else await self.get_last_event(stream_id)
        return events, None if last is None else Head(last.seq + 1, last.event.type in TERMINAL, last.event.ts)

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        """Wait until event `seq` may be there, for `timeout` seconds at most. A store that is told may know better."""
        await asyncio.sleep(min(timeout, 0.02))

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink | None:
        """Record the stream."""
        from l0_eventsourcing.recording import Recording

        return Recording(self).store_event(ctx)

    async def aclose(self) -> None:
        """Let go of files, threads and connections. Whoever uses the store afterwards opens them again."""

    async def __aenter__(self: S) -> S:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.prefix!r}>"


class BaseEventStoreWithSnapshots(BaseEventStore, EventStoreWithSnapshots):
    """What a store of envelopes and snapshots is derived from."""

    def get_snapshot_key(self, stream_id: str) -> str:
        """The name of a stream's snapshots in a place that is shared."""
        return f"{self.prefix}:snapshot:{stream_id}"


class RecordStore(BaseEventStoreWithSnapshots):
    """What a store of bytes is derived from: write the coroutine functions that raise NotImplementedError here.

    Each is one operation of the store: whole, or not at all, but for `write_records`, of which a beginning may be left
    by a process that dies. They raise StoreUnavailable where the store cannot be reached, and StoreError where it can
    and cannot do it.
    """

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        """Keep records, in order, as the next of the stream.

        Raises WrongExpectedVersion unless the first has the stream's next number, and StreamEnded if it has ended.
        """
        raise NotImplementedError

    async def read_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        """The records from the one that holds event `from_seq` on, in order; at most `limit`."""
        raise NotImplementedError

    async def read_head(self, stream_id: str) -> Head | None:
        """Where a stream stands; None for one that does not exist. `ts` is what `self.clock` said."""
        raise NotImplementedError

    async def remove(self, stream_id: str) -> bool:
        """Delete a stream with its snapshots; return whether there was one."""
        raise NotImplementedError

    async def list_ids(self, prefix: str) -> list[str]:
        """The ids that begin with `prefix`, in any order, expired ones too."""
        raise NotImplementedError

    async def write_snapshot(self, stream_id: str, seq: int, body: bytes) -> None:
        """Keep a snapshot. Eight for each stream are enough."""
        raise NotImplementedError

    async def read_snapshot(self, stream_id: str, seq: int) -> bytes | None:
        """The newest snapshot whose number is not above `seq`."""
        raise NotImplementedError

    # What follows from these.

    async def append(self, stream_id: str, event: EventEnvelope | RecordedEvent) -> None:
        """Keep an event: an envelope with the stream's next number, or an event alone, which takes the next.

        Raises ValueError for an envelope of another stream.
        """
        if isinstance(event, EventEnvelope):
            if event.stream_id != stream_id:
                raise ValueError(f"an event of the stream {event.stream_id!r} was to be appended to {stream_id!r}")
            await self.append_records(stream_id, pack(event.seq, [event.event]))
            return
        while True:
            seq = await self.next_seq(stream_id)
            try:
                # Not `append_records`: what another has written in its place, and is the same, is not this.
                await self._make_room(stream_id, seq)
                await self.write_records(stream_id, pack(seq, [event]))
            except WrongExpectedVersion:
                continue
            return

    async def append_records(self, stream_id: str, records: Sequence[Record]) -> None:
        if not records:
            return
        await self._make_room(stream_id, records[0].seq)
        try:
            await self.write_records(stream_id, records)
        except (WrongExpectedVersion, StreamEnded):
            # A beginning of it may have been kept before, and the answer lost.
            kept = await self.read_records(stream_id, records[0].seq, len(records))
            if not kept or kept != list(records[: len(kept)]):
                raise
            if len(kept) < len(records):
                await self.write_records(stream_id, records[len(kept) :])

    async def _make_room(self, stream_id: str, seq: int) -> None:
        """Delete a stream that is past its time, where another is to begin."""
        if self.ttl and seq == 0 and await self.is_past(stream_id):
            await self.remove(stream_id)

    async def is_past(self, stream_id: str) -> bool:
        """Whether a stream is past its time, and still there. A store whose server deletes such streams says no."""
        head = await self.read_head(stream_id)
        return head is not None and self.is_expired(head.ts)

    async def _head(self, stream_id: str) -> Head | None:
        head = await self.read_head(stream_id)
        return None if head is None or self.is_expired(head.ts) else head

    async def next_seq(self, stream_id: str) -> int:
        head = await self._head(stream_id)
        return 0 if head is None else head.next_seq

    async def get_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        """The records of a stream as they are kept; none of one that is past its time."""
        if self.ttl and await self.is_past(stream_id):
            return []
        return await self.read_records(stream_id, from_seq, limit)

    async def get_events(self, stream_id: str) -> list[EventEnvelope]:
        return await self.get_events_after(stream_id, -1)

    async def get_events_after(self, stream_id: str, after_seq: int) -> list[EventEnvelope]:
        return _from(after_seq + 1, stream_id, await self.get_records(stream_id, max(0, after_seq + 1)))

    async def get_last_event(self, stream_id: str) -> EventEnvelope | None:
        head = await self._head(stream_id)
        if head is None or not head.next_seq:
            return None
        records = await self.read_records(stream_id, head.next_seq - 1)
        return unpack(stream_id, records[-1])[-1] if records else None

    async def exists(self, stream_id: str) -> bool:
        return await self._head(stream_id) is not None

    async def delete(self, stream_id: str) -> bool:
        past = self.ttl > 0 and await self.is_past(stream_id)
        return await self.remove(stream_id) and not past

    async def list_streams(self, prefix: str | None = None) -> list[str]:
        ids = sorted(await self.list_ids(prefix or ""))
        if not self.ttl:
            return ids
        return [stream_id for stream_id in ids if not await self._removed_if_past(stream_id)]

    async def purge(self) -> int:
        """Delete the streams that are past their time; return how many. Listing the streams does it too."""
        return sum([await self._removed_if_past(stream_id) for stream_id in await self.list_ids("")])

    async def _removed_if_past(self, stream_id: str) -> bool:
        return await self.is_past(stream_id) and await self.remove(stream_id)

    async def some_events(self, stream_id: str, from_seq: int) -> tuple[list[EventEnvelope], Head | None]:
        events = _from(from_seq, stream_id, await self.get_records(stream_id, from_seq, PAGE))
        return events, None if events else await self._head(stream_id)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self.write_snapshot(snapshot.stream_id, snapshot.seq, dump_snapshot(asdict(snapshot)))

    async def get_snapshot(self, stream_id: str) -> Snapshot | None:
        return await self.get_snapshot_before(stream_id, (1 << 62))

    async def get_snapshot_before(self, stream_id: str, seq: int) -> Snapshot | None:
        if await self._head(stream_id) is None:
            return None
        body = await self.read_snapshot(stream_id, seq)
        return None if body is None else load_snapshot(body)


class Following:
    """Where a follower of a stream stands."""

    def __init__(self, store: BaseEventStore, stream_id: str, seq: int, patience: float) -> None:
        self._store, self._stream_id, self._seq, self._patience = store, stream_id, seq, patience
        self._is_over = self._has_begun = False

    async def more(self) -> list[EventEnvelope] | None:
        """The next events, as soon as there are some; None after the last."""
        loop, since, pause = asyncio.get_running_loop(), None, 0.05
        while not self._is_over:
            try:
                events, head = await self._store.some_events(self._stream_id, self._seq)
                if events:
                    self._seq, self._is_over, self._has_begun = events[-1].seq + 1, _is_last(events[-1]), True
                    return events
                if head is None and self._has_begun:
                    raise StoreError(f"the stream {self._stream_id!r} was deleted while it was followed")
                if head is not None and head.is_ended and head.next_seq <= self._seq:
                    return None
                self._has_begun = head is not None
                await self._store.wait_for(self._stream_id, self._seq, 1.0)
                since, pause = None, 0.05
            except StoreUnavailable:
                since = loop.time() if since is None else since
                if loop.time() - since > self._patience:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
        return None


def _is_last(envelope: EventEnvelope) -> bool:
    return envelope.event.type in TERMINAL


def _from(seq: int, stream_id: str, records: Sequence[Record]) -> list[EventEnvelope]:
    """The events of records, from number `seq` on."""
    return [envelope for record in records for envelope in unpack(stream_id, record) if envelope.seq >= seq]


async def events_after(store: EventStore, stream_id: str, after_seq: int) -> list[EventEnvelope]:
    """The events after a number, of any store: one by the documented protocol alone need not know of numbers."""
    get_events_after = getattr(store, "get_events_after", None)
    if get_events_after is not None:
        return cast("list[EventEnvelope]", await get_events_after(stream_id, after_seq))
    return [envelope for envelope in await store.get_events(stream_id) if envelope.seq > after_seq]


async def last_event(store: EventStore, stream_id: str) -> EventEnvelope | None:
    """The last event of a stream, of any store."""
    get_last_event = getattr(store, "get_last_event", None)
    if get_last_event is not None:
        return cast("EventEnvelope | None", await get_last_event(stream_id))
    return next(reversed(await store.get_events(stream_id)), None)


async def append_records(store: EventStore, stream_id: str, records: Sequence[Record]) -> None:
    """Keep records in any store: those that know only envelopes get them one by one."""
    if isinstance(store, BaseEventStore):
        await store.append_records(stream_id, records)
        return
    for record in records:
        for envelope in unpack(stream_id, record):
            await store.append(stream_id, envelope)
