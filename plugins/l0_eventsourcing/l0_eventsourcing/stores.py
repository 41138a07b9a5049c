"""Every kind of store that the documentation names, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l0_eventsourcing.combined import CompositeEventStore, CompositeStoreError, TTLEventStore
from l0_eventsourcing.memory import InMemoryEventStore
from l0_eventsourcing.store import (
    BaseEventStore,
    BaseEventStoreWithSnapshots,
    EventStore,
    EventStoreWithSnapshots,
    RecordStore,
    StoreUnavailable,
    StreamEnded,
    WrongExpectedVersion,
)

__all__ = [
    "BaseEventStore",
    "BaseEventStoreWithSnapshots",
    "CompositeEventStore",
    "CompositeStoreError",
    "EventStore",
    "EventStoreWithSnapshots",
    "InMemoryEventStore",
    "RecordStore",
    "StoreUnavailable",
    "StreamEnded",
    "TTLEventStore",
    "WrongExpectedVersion",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "FileEventStore":
            from l0_eventsourcing.adapters import file_event_store

            return file_event_store()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
