"""Stores made of stores: several at once, and one whose streams expire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from l0_core import StoreError
from l0_eventsourcing.codec import Record, pack
from l0_eventsourcing.store import (
    BaseEventStore,
    BaseEventStoreWithSnapshots,
    EventStore,
    EventStoreWithSnapshots,
    WrongExpectedVersion,
    append_records,
    events_after,
    last_event,
)
from l0_eventsourcing.types import EventEnvelope, Snapshot

__all__ = ["CompositeEventStore", "CompositeStoreError", "TTLEventStore"]


class CompositeStoreError(StoreError):
    """Some of several stores have not kept what others have. Appending the same again asks only those."""

    def __init__(
        self, message: str, succeeded_indices: list[int], failed_indices: list[int], errors: list[Exception]
    ) -> None:
        super().__init__(message)
        self.succeeded_indices, self.failed_indices, self.errors = succeeded_indices, failed_indices, errors


class CompositeEventStore(BaseEventStoreWithSnapshots):
    """Writes to several stores, and reads from one: that at `primary_index`, which decides about versions.

    The primary is written first; if it refuses, nothing is written. A store that has missed something, because it
    could not be reached or was added later, is brought up to date by the next append that reaches it.

    Raises ValueError if there is no store at `primary_index`.
    """

    def __init__(self, stores: Sequence[EventStore], primary_index: int = 0) -> None:
        super().__init__()
        self._stores = list(stores)
        if not -len(self._stores) <= primary_index < len(self._stores):
            raise ValueError(f"primary_index is {primary_index}, and there are {len(self._stores)} stores")
        self._primary = self._stores[primary_index]

    async def append(self, stream_id: str, event: EventEnvelope) -> None:
        await self.append_records(stream_id, pack(event.seq, [event.event]))

    async def append_records(self, stream_id: str, records: Sequence[Record]) -> None:
        await append_records(self._primary, stream_id, records)
        await self._on_others(lambda store: self._follow(store, stream_id, records))

    async def _follow(self, store: EventStore, stream_id: str, records: Sequence[Record]) -> None:
        try:
            await append_records(store, stream_id, records)
        except WrongExpectedVersion as refused:
            if refused.actual > refused.expected:
                raise
            missing = await events_after(self._primary, stream_id, refused.actual - 1)
            await append_records(store, stream_id, pack(refused.actual, [envelope.event for envelope in missing]))

    async def _on_others(self, do: Any) -> None:
        others = [store for store in self._stores if store is not self._primary]
        results = await asyncio.gather(*(do(store) for store in others), return_exceptions=True)
        failed = {self._stores.index(store): error for store, error in zip(others, results, strict=True)
                  if isinstance(error, BaseException)}  # fmt: skip
        for error in failed.values():
            if not isinstance(error, Exception):
                raise error
        if failed:
            said = "; ".join(f"store {index}: {type(error).__name__}: {error}" for index, error in failed.items())
            raise CompositeStoreError(
                f"{len(failed)} of {len(self._stores)} stores failed, and the primary did not: {said}",
                [index for index in range(len(self._stores)) if index not in failed],
                list(failed),
                [error for error in failed.values() if isinstance(error, Exception)],
            )

    async def get_events(self, stream_id: str) -> list[EventEnvelope]:
        return await self._primary.get_events(stream_id)

    async def get_events_after(self, stream_id: str, after_seq: int) -> list[EventEnvelope]:
        return await events_after(self._primary, stream_id, after_seq)

    async def get_last_event(self, stream_id: str) -> EventEnvelope | None:
        return await last_event(self._primary, stream_id)

    async def exists(self, stream_id: str) -> bool:
        return await self._primary.exists(stream_id)

    async def list_streams(self, prefix: str | None = None) -> list[str]:
        return await self._primary.list_streams(prefix)

    async def delete(self, stream_id: str) -> bool:
        deleted = await self._primary.delete(stream_id)
        await self._on_others(lambda store: store.delete(stream_id))
        return deleted

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        if isinstance(self._primary, EventStoreWithSnapshots):
            await self._primary.save_snapshot(snapshot)

    async def get_snapshot(self, stream_id: str) -> Snapshot | None:
        return await self.get_snapshot_before(stream_id, 1 << 62)

    async def get_snapshot_before(self, stream_id: str, seq: int) -> Snapshot | None:
        if not isinstance(self._primary, EventStoreWithSnapshots):
            return None
        return await self._primary.get_snapshot_before(stream_id, seq)

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        await _wait_in(self._primary, super().wait_for, stream_id, seq, timeout)

    async def aclose(self) -> None:
        for store in self._stores:
            await _close(store)


class TTLEventStore(BaseEventStoreWithSnapshots):
    """A store whose streams expire, whole, `ttl_ms` milliseconds after their last event.

    One that is past its time is deleted when it is next asked for, written to or listed.
    """

    def __init__(self, store: EventStore, ttl_ms: int) -> None:
        super().__init__(ttl=ttl_ms)
        self._store = store

    async def _expire(self, stream_id: str) -> bool:
        """Delete the stream if it is past its time; return whether it was."""
        last = await last_event(self._store, stream_id)
        return last is not None and self.is_expired(last.event.ts) and await self._store.delete(stream_id)

    async def append(self, stream_id: str, event: EventEnvelope) -> None:
        if event.seq == 0:
            await self._expire(stream_id)
        await self._store.append(stream_id, event)

    async def append_records(self, stream_id: str, records: Sequence[Record]) -> None:
        if records and records[0].seq == 0:
            await self._expire(stream_id)
        await append_records(self._store, stream_id, records)

    async def get_events(self, stream_id: str) -> list[EventEnvelope]:
        return [] if await self._expire(stream_id) else await self._store.get_events(stream_id)

    async def get_events_after(self, stream_id: str, after_seq: int) -> list[EventEnvelope]:
        return [] if await self._expire(stream_id) else await events_after(self._store, stream_id, after_seq)

    async def get_last_event(self, stream_id: str) -> EventEnvelope | None:
        return None if await self._expire(stream_id) else await last_event(self._store, stream_id)

    async def exists(self, stream_id: str) -> bool:
        return not await self._expire(stream_id) and await self._store.exists(stream_id)

    async def delete(self, stream_id: str) -> bool:
        return not await self._expire(stream_id) and await self._store.delete(stream_id)

    async def list_streams(self, prefix: str | None = None) -> list[str]:
        return [stream_id for stream_id in await self._store.list_streams(prefix) if not await self._expire(stream_id)]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        if isinstance(self._store, EventStoreWithSnapshots):
            await self._store.save_snapshot(snapshot)

    async def get_snapshot(self, stream_id: str) -> Snapshot | None:
        return await self.get_snapshot_before(stream_id, 1 << 62)

    async def get_snapshot_before(self, stream_id: str, seq: int) -> Snapshot | None:
        if await self._expire(stream_id) or not isinstance(self._store, EventStoreWithSnapshots):
            return None
        return await self._store.get_snapshot_before(stream_id, seq)

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        await _wait_in(self._store, super().wait_for, stream_id, seq, timeout)

    async def aclose(self) -> None:
        await _close(self._store)


async def _wait_in(store: EventStore, otherwise: Any, stream_id: str, seq: int, timeout: float) -> None:
    await (store.wait_for if isinstance(store, BaseEventStore) else otherwise)(stream_id, seq, timeout)


async def _close(store: EventStore) -> None:
    if isinstance(store, BaseEventStore):
        await store.aclose()
