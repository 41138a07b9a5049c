"""`EventSourcing`: all of it under one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from l0_eventsourcing import adapters
from l0_eventsourcing.adapters import StorageAdapterConfig, StorageAdapterFactory
from l0_eventsourcing.combined import CompositeEventStore, TTLEventStore
from l0_eventsourcing.memory import InMemoryEventStore
from l0_eventsourcing.recorder import EventRecorder
from l0_eventsourcing.replayer import (
    EventReplayer,
    ReplayComparison,
    ReplayedState,
    ReplayResult,
    StreamMetadata,
    compare_replays,
    get_stream_metadata,
    replay,
)
from l0_eventsourcing.store import BaseEventStore, EventStore
from l0_eventsourcing.types import (
    EventEnvelope,
    RecordedEvent,
    RecordedEventType,
    RecordOptions,
    Snapshot,
    generate_stream_id,
)

__all__ = ["EventSourcing"]


class EventSourcing:
    """Stores, recording and replaying, under one name."""

    Event: TypeAlias = RecordedEvent
    EventType: TypeAlias = RecordedEventType
    Envelope: TypeAlias = EventEnvelope
    State: TypeAlias = ReplayedState
    Snapshot: TypeAlias = Snapshot
    Metadata: TypeAlias = StreamMetadata
    Comparison: TypeAlias = ReplayComparison
    Config: TypeAlias = StorageAdapterConfig

    @staticmethod
    def memory(prefix: str = "l0", ttl: int = 0) -> InMemoryEventStore:
        """A store in memory. `ttl` is in milliseconds, 0 for ever."""
        return InMemoryEventStore(prefix, ttl)

    @staticmethod
    def file(base_path: str = "./l0-events", prefix: str = "l0", ttl: int = 0) -> EventStore:
        """A store in the files of a folder. Of the l0-store-file package; raises ImportError without it."""
        store: EventStore = adapters.file_event_store()(base_path, prefix=prefix, ttl=ttl)
        return store

    @staticmethod
    def composite(stores: Sequence[EventStore], primary_index: int = 0) -> CompositeEventStore:
        """Several stores at once; what is read comes from the one at `primary_index`."""
        return CompositeEventStore(stores, primary_index)

    @staticmethod
    def with_ttl(store: EventStore, ttl_ms: int) -> TTLEventStore:
        """A store whose streams expire, whole, `ttl_ms` milliseconds after their last event."""
        return TTLEventStore(store, ttl_ms)

    @staticmethod
    async def create(config: StorageAdapterConfig) -> EventStore:
        """A store of a registered kind."""
        return await adapters.create_event_store(config)

    @staticmethod
    def open(url: str) -> BaseEventStore:
        """The store that a URL means: `sqlite:///runs.db`."""
        return adapters.open_store(url)

    @staticmethod
    def recorder(
        store: EventStore, stream_id: str | None = None, options: RecordOptions | None = None
    ) -> EventRecorder:
        """What records a stream by hand."""
        return EventRecorder(store, stream_id, options)

    @staticmethod
    def replayer(store: EventStore) -> EventReplayer:
        """What replays the streams of a store."""
        return EventReplayer(store)

    @staticmethod
    async def replay(
        stream_id: str | EventStore,
        store: EventStore | str,
        *,
        speed: float = 0,
        fire_callbacks: bool = False,
        from_seq: int = 0,
        to_seq: int | None = None,
    ) -> ReplayResult:
        """Replay a stream; see `l0.eventsourcing.replay`."""
        return await replay(
            *_ordered(stream_id, store), speed=speed, fire_callbacks=fire_callbacks, from_seq=from_seq, to_seq=to_seq
        )

    @staticmethod
    async def metadata(stream_id: str | EventStore, store: EventStore | str) -> StreamMetadata | None:
        """What a recorded stream is like, or None if there is none of that name."""
        name, found = _ordered(stream_id, store)
        return await get_stream_metadata(found, name)

    @staticmethod
    def compare(state1: ReplayedState, state2: ReplayedState) -> ReplayComparison:
        """Compare two states in everything but their times."""
        return compare_replays(state1, state2)

    @staticmethod
    def generate_id() -> str:
        """A name for a stream: a UUIDv7."""
        return generate_stream_id()

    @staticmethod
    def register_adapter(adapter_type: str, factory: StorageAdapterFactory) -> None:
        """Register what makes the stores of a kind."""
        adapters.register_storage_adapter(adapter_type, factory)

    @staticmethod
    def unregister_adapter(adapter_type: str) -> bool:
        """Forget a kind of store; return whether it was registered."""
        return adapters.unregister_storage_adapter(adapter_type)

    @staticmethod
    def list_adapters() -> list[str]:
        """The kinds of stores that can be created."""
        return adapters.get_registered_adapters()

    # Older names.
    generate_stream_id = generate_id
    get_metadata = metadata
    create_store = memory
    create_recorder = recorder
    create_replayer = replayer


def _ordered(one: str | EventStore, other: EventStore | str) -> tuple[str, EventStore]:
    """A stream's name and its store: the older package of that name had some of them the other way round."""
    if isinstance(one, str) and not isinstance(other, str):
        return one, other
    if isinstance(other, str) and not isinstance(one, str):
        return other, one
    raise TypeError(f"a stream's id and its store are needed, not {one!r} and {other!r}")
