"""Record the streams of L0, replay them exactly, follow them and resume them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l0_eventsourcing.adapters import (
    StorageAdapterConfig,
    StorageAdapterFactory,
    create_event_store,
    get_registered_adapters,
    open_store,
    register_storage_adapter,
    unregister_storage_adapter,
)
from l0_eventsourcing.codec import Record, pack, unpack
from l0_eventsourcing.combined import CompositeEventStore, CompositeStoreError, TTLEventStore
from l0_eventsourcing.memory import InMemoryEventStore, create_in_memory_event_store
from l0_eventsourcing.recorder import EventRecorder, create_event_recorder
from l0_eventsourcing.recording import Recording, StoreOptions, StorePlugin
from l0_eventsourcing.replayer import (
    EventReplayer,
    ReplayCallbacks,
    ReplayResult,
    StreamMetadata,
    create_event_replayer,
    get_stream_metadata,
    replay,
)
from l0_eventsourcing.resuming import resume
from l0_eventsourcing.sourcing import EventSourcing
from l0_eventsourcing.state import Replay, ReplayComparison, ReplayedState, compare_replays
from l0_eventsourcing.store import (
    BaseEventStore,
    BaseEventStoreWithSnapshots,
    EventStore,
    EventStoreWithSnapshots,
    Head,
    RecordStore,
    StoreUnavailable,
    StreamEnded,
    WrongExpectedVersion,
)
from l0_eventsourcing.types import (
    AbortedEvent,
    CheckpointEvent,
    CompleteEvent,
    ContinuationEvent,
    DriftEvent,
    DriftEventResult,
    ErrorEvent,
    EventEnvelope,
    FallbackEvent,
    GuardrailEvent,
    GuardrailEventResult,
    OutputEvent,
    RecordedEvent,
    RecordedEventType,
    RecordOptions,
    ReplayOptions,
    ResetEvent,
    RetryEvent,
    SerializedError,
    SerializedOptions,
    Snapshot,
    StartEvent,
    TokenEvent,
    UnknownEvent,
    deserialize_error,
    generate_stream_id,
    now_ms,
    serialize_error,
)
from l0_eventsourcing.worker import Job, Worker

__all__ = [
    "AbortedEvent",
    "BaseEventStore",
    "BaseEventStoreWithSnapshots",
    "CheckpointEvent",
    "CompleteEvent",
    "CompositeEventStore",
    "CompositeStoreError",
    "ContinuationEvent",
    "DriftEvent",
    "DriftEventResult",
    "ErrorEvent",
    "EventEnvelope",
    "EventRecorder",
    "EventReplayer",
    "EventSourcing",
    "EventStore",
    "EventStoreWithSnapshots",
    "FallbackEvent",
    "GuardrailEvent",
    "GuardrailEventResult",
    "Head",
    "InMemoryEventStore",
    "Job",
    "OutputEvent",
    "Record",
    "RecordOptions",
    "RecordStore",
    "RecordedEvent",
    "RecordedEventType",
    "Recording",
    "Replay",
    "ReplayCallbacks",
    "ReplayComparison",
    "ReplayOptions",
    "ReplayResult",
    "ReplayedState",
    "ResetEvent",
    "RetryEvent",
    "SerializedError",
    "SerializedOptions",
    "Snapshot",
    "StartEvent",
    "StorageAdapterConfig",
    "StorageAdapterFactory",
    "StoreOptions",
    "StorePlugin",
    "StoreUnavailable",
    "StreamEnded",
    "StreamMetadata",
    "TTLEventStore",
    "TokenEvent",
    "UnknownEvent",
    "Worker",
    "WrongExpectedVersion",
    "compare_replays",
    "create_event_recorder",
    "create_event_replayer",
    "create_event_store",
    "create_in_memory_event_store",
    "deserialize_error",
    "generate_stream_id",
    "get_registered_adapters",
    "get_stream_metadata",
    "now_ms",
    "open_store",
    "pack",
    "register_storage_adapter",
    "replay",
    "resume",
    "serialize_error",
    "unpack",
    "unregister_storage_adapter",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "FileEventStore":
            from l0_eventsourcing.adapters import file_event_store

            return file_event_store()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
