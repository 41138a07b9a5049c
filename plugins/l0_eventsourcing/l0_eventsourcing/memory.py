"""The store in memory: for tests, and the model that every other store is compared with."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from l0_eventsourcing.codec import Record
from l0_eventsourcing.recording import StoreOptions, StorePlugin
from l0_eventsourcing.store import Head, RecordStore, StreamEnded, WrongExpectedVersion

__all__ = ["InMemoryEventStore", "MemoryStore", "create_in_memory_event_store"]


@dataclass
class _Stream:
    records: list[Record] = field(default_factory=list)
    ts: float = 0.0
    snapshots: dict[int, bytes] = field(default_factory=dict)

    @property
    def next_seq(self) -> int:
        return self.records[-1].end if self.records else 0

    @property
    def is_ended(self) -> bool:
        return bool(self.records) and self.records[-1].is_terminal


class InMemoryEventStore(RecordStore):
    """Keeps streams in memory, for as long as the process lives. Of one event loop at a time."""

    def __init__(self, prefix: str = "l0", ttl: int = 0) -> None:
        super().__init__(prefix, ttl)
        self._streams: dict[str, _Stream] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        stream = self._streams.get(stream_id) or _Stream()
        if stream.is_ended:
            raise StreamEnded(stream_id)
        if records[0].seq != stream.next_seq:
            raise WrongExpectedVersion(stream_id, records[0].seq, stream.next_seq)
        stream.records.extend(records)
        stream.ts = self.clock()
        self._streams[stream_id] = stream
        for waiting in self._waiting.pop(stream_id, ()):
            if not waiting.done():
                waiting.set_result(None)

    async def read_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        stream = self._streams.get(stream_id)
        if stream is None:
            return []
        first = bisect.bisect_right(stream.records, from_seq, key=lambda record: record.end)
        return stream.records[first : None if limit is None else first + limit]

    async def read_head(self, stream_id: str) -> Head | None:
        stream = self._streams.get(stream_id)
        return None if stream is None else Head(stream.next_seq, stream.is_ended, stream.ts)

    async def remove(self, stream_id: str) -> bool:
        return self._streams.pop(stream_id, None) is not None

    async def list_ids(self, prefix: str) -> list[str]:
        return [stream_id for stream_id in self._streams if stream_id.startswith(prefix)]

    async def write_snapshot(self, stream_id: str, seq: int, body: bytes) -> None:
        if stream_id in self._streams:
            self._streams[stream_id].snapshots[seq] = body

    async def read_snapshot(self, stream_id: str, seq: int) -> bytes | None:
        stream = self._streams.get(stream_id)
        found = [at for at in stream.snapshots if at <= seq] if stream is not None else []
        return stream.snapshots[max(found)] if stream is not None and found else None

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(stream_id, set()).add(waiting)
        try:
            await asyncio.wait((waiting,), timeout=timeout)
        finally:
            self._waiting.get(stream_id, set()).discard(waiting)

    def clear(self) -> None:
        """Forget everything."""
        self._streams.clear()

    def get_total_event_count(self) -> int:
        """How many events there are in all streams."""
        return sum(stream.next_seq for stream in self._streams.values())

    def get_stream_count(self) -> int:
        """How many streams there are."""
        return len(self._streams)


class MemoryStore(StorePlugin):
    """What `memory://` means: a store for each URL, in this process."""

    def open(self, options: StoreOptions) -> InMemoryEventStore:
        return InMemoryEventStore(ttl=options.ttl)


def create_in_memory_event_store() -> InMemoryEventStore:
    """A store in memory."""
    return InMemoryEventStore()
