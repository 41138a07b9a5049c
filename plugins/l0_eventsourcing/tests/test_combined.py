"""Stores made of stores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from l0_eventsourcing import (
    BaseEventStore,
    CompositeEventStore,
    CompositeStoreError,
    EventEnvelope,
    InMemoryEventStore,
    Record,
    Snapshot,
    StoreUnavailable,
    TokenEvent,
    TTLEventStore,
    WrongExpectedVersion,
)
from l0_testing.virtual import run

from l0_core import StoreError


def token(seq: int, ts: float = 1000.0) -> EventEnvelope:
    return EventEnvelope("one", seq, TokenEvent(ts=ts, value=str(seq), index=seq))


class Away(InMemoryEventStore):
    """A store that is away for a while."""

    is_away = False

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        if self.is_away:
            raise StoreUnavailable("it is away")
        await super().write_records(stream_id, records)

    async def remove(self, stream_id: str) -> bool:
        if self.is_away:
            raise StoreUnavailable("it is away")
        return await super().remove(stream_id)


def test_a_store_that_was_away_is_brought_up_to_date() -> None:
    """Who failed is told with each append; what it missed it gets with the first that reaches it."""

    async def main() -> None:
        first, second, third = InMemoryEventStore(), Away(), InMemoryEventStore()
        both = CompositeEventStore([first, second, third], primary_index=0)
        await both.append("one", token(0))
        second.is_away = True
        for seq in (1, 2):
            with pytest.raises(CompositeStoreError) as failed:
                await both.append("one", token(seq))
            assert (failed.value.succeeded_indices, failed.value.failed_indices) == ([0, 2], [1])
            assert [str(error) for error in failed.value.errors] == ["it is away"]
            assert "store 1" in str(failed.value)
        second.is_away = False
        await both.append("one", token(3))
        for store in (first, second, third):
            assert [each.seq for each in await store.get_events("one")] == [0, 1, 2, 3]
        second.is_away = True
        with pytest.raises(CompositeStoreError):
            await both.delete("one")
        assert not await both.exists("one")

    run(main())


def test_what_the_primary_refuses_nobody_gets() -> None:
    async def main() -> None:
        first, second = InMemoryEventStore(), InMemoryEventStore()
        both = CompositeEventStore([second, first], primary_index=1)
        await both.append("one", token(0))
        with pytest.raises(WrongExpectedVersion):
            await both.append("one", token(2))
        assert len(await second.get_events("one")) == len(await first.get_events("one")) == 1
        await second.append("one", token(1))
        with pytest.raises(CompositeStoreError, match="another writer"):
            await both.append("one", token(1, ts=7.0))
        with pytest.raises(ValueError, match="primary_index"):
            CompositeEventStore([first], primary_index=1)

    run(main())


def test_streams_expire_by_the_time_of_their_last_event() -> None:
    """Whole, whatever store they are in; their space is given back."""

    async def main() -> None:
        inner = InMemoryEventStore()
        store = TTLEventStore(inner, ttl_ms=100)
        now = 1000.0
        store.clock = lambda: now
        await store.append("one", token(0, ts=1000.0))
        now = 1090.0
        await store.append("one", token(1, ts=1090.0))
        now = 1150.0
        assert len(await store.get_events("one")) == 2
        assert await store.list_streams() == ["one"]
        now = 1191.0
        assert await store.list_streams() == []
        assert inner.get_stream_count() == 0
        await store.append("one", token(0, ts=now))
        assert len(await store.get_events_after("one", -1)) == 1
        now = 1300.0
        assert (await store.get_last_event("one"), await store.exists("one")) == (None, False)
        await store.append("one", token(0, ts=now))
        now = 1500.0
        assert not await store.delete("one")
        assert await store.get_snapshot("one") is None

    run(main())


def test_a_purge_frees_what_has_expired() -> None:
    async def main() -> None:
        store = InMemoryEventStore(ttl=100)
        now = 0.0
        store.clock = lambda: now
        for number in range(5):
            await store.append(f"old {number}", TokenEvent(ts=1.0, value="x"))
        now = 200.0
        await store.append("new", TokenEvent(ts=1.0, value="x"))
        assert await store.purge() == 5
        assert (store.get_stream_count(), store.get_total_event_count()) == (1, 1)
        now = 400.0
        await store.append("new", TokenEvent(ts=2.0, value="again"))
        assert [each.event.ts for each in await store.get_events("new")] == [2.0]
        with pytest.raises(ValueError, match="ttl"):
            InMemoryEventStore(ttl=-1)

    run(main())


def test_a_follower_is_told_of_a_store_that_stays_away_and_of_a_deleted_stream() -> None:
    async def main() -> None:
        class Gone(InMemoryEventStore):
            away = False

            async def read_records(self, *args: Any) -> list[Record]:
                if self.away:
                    raise StoreUnavailable("it is away")
                return await super().read_records(*args)

        store = Gone()
        await store.append("one", token(0))
        following = store.subscribe("one", patience=5)
        assert (await anext(following)).seq == 0
        store.away = True
        with pytest.raises(StoreUnavailable):
            await anext(following)
        store.away = False
        following = store.subscribe("one")
        assert (await anext(following)).seq == 0
        await store.delete("one")
        with pytest.raises(StoreError, match="deleted while it was followed"):
            await anext(following)

    run(main())


class Events(BaseEventStore):
    """Keeps envelopes, and no snapshots."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[EventEnvelope] = []
        self.is_closed = False

    async def append(self, stream_id: str, event: EventEnvelope) -> None:
        self.events.append(event)

    async def get_events(self, stream_id: str) -> list[EventEnvelope]:
        return list(self.events)

    async def exists(self, stream_id: str) -> bool:
        return bool(self.events)

    async def delete(self, stream_id: str) -> bool:
        self.events.clear()
        return True

    async def list_streams(self, prefix: str | None = None) -> list[str]:
        return ["one"]

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("combine", [lambda store: CompositeEventStore([store]), lambda store: TTLEventStore(store, 9)])
def test_a_store_that_keeps_no_snapshots_has_none_when_it_is_combined(combine: Any) -> None:
    snapshot = Snapshot("one", 0, "0", 1, "", [], False, 0, 0, 0, 1.0)

    async def main() -> None:
        store, kept = Events(), InMemoryEventStore()
        for inner, found in ((store, None), (kept, snapshot)):
            outer = combine(inner)
            outer.clock = lambda: 1001.0
            await outer.append("one", token(0))
            await outer.save_snapshot(snapshot)
            assert await outer.get_snapshot("one") == found
            await outer.aclose()
        assert store.is_closed

    run(main())


def test_closing_a_store_that_is_made_of_one_by_the_protocol_alone_leaves_that_open() -> None:
    class Own:
        async def get_events(self, stream_id: str) -> list[EventEnvelope]:
            return []

    run(TTLEventStore(Own(), 9).aclose())  # type: ignore[arg-type]


def test_a_cancellation_is_not_the_failure_of_a_store() -> None:
    class Ending(InMemoryEventStore):
        async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
            raise asyncio.CancelledError("it was cancelled")

    async def main() -> None:
        both = CompositeEventStore([InMemoryEventStore(), Ending()])
        with pytest.raises(asyncio.CancelledError):
            await both.append("one", token(0))

    run(main())
