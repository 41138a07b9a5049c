"""The promises of every store, held by those of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l0_eventsourcing import CompositeEventStore, InMemoryEventStore, TTLEventStore
from l0_testing import EventStoreSuite


class TestMemory(EventStoreSuite):
    survives = False

    async def open(self, where: Path) -> Any:
        return InMemoryEventStore()


class TestComposite(EventStoreSuite):
    survives = False
    skips = {"test_a_stream_expires_whole": "it leaves that to its stores"}

    async def open(self, where: Path) -> Any:
        return CompositeEventStore([InMemoryEventStore(), InMemoryEventStore()])


class TestTTL(EventStoreSuite):
    survives = False
    skips = {"test_a_stream_expires_whole": "it goes by the time of events, see test_combined.py"}

    async def open(self, where: Path) -> Any:
        return TTLEventStore(InMemoryEventStore(), ttl_ms=0)
