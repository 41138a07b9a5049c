"""What the documentation shows of event sourcing works as it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, get_args

import l0
import pytest
from l0 import EventSourcing
from l0.eventsourcing import (
    EventEnvelope,
    EventStoreWithSnapshots,
    RecordedEventType,
    Snapshot,
    StorageAdapterConfig,
)

from l0_core import StoreError


def documented(example: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """An example, as a test."""

    def test() -> None:
        asyncio.run(example())

    test.__name__, test.__doc__ = example.__name__, example.__doc__
    return test


async def hello(store: Any, stream_id: str | None = None) -> Any:
    recorder = EventSourcing.recorder(store, stream_id=stream_id)
    await recorder.record_start({"model": "gpt-4"})
    await recorder.record_token("Hello", 0)
    await recorder.record_token(" world", 1)
    await recorder.record_complete("Hello world", 2)
    return recorder


@documented
async def test_the_quick_start() -> None:
    store = EventSourcing.memory()
    recorder = await hello(store)
    result = await EventSourcing.replay(recorder.stream_id, store)
    said = [each.event.value async for each in result if each.event.type == "TOKEN"]  # type: ignore[union-attr]
    assert said == ["Hello", " world"]
    assert (result.state.token_count, result.state.content) == (2, "Hello world")
    assert recorder.seq == 4


def test_the_event_types() -> None:
    documented = "START TOKEN CHECKPOINT GUARDRAIL DRIFT RETRY FALLBACK CONTINUATION COMPLETE ERROR".split()
    assert [RecordedEventType[name].value for name in documented] == documented


@documented
async def test_every_method_of_the_recorder() -> None:
    store = EventSourcing.memory()
    recorder = EventSourcing.recorder(store, stream_id="my-stream-123")
    assert recorder.stream_id == "my-stream-123"
    await recorder.record_start(options={"model": "gpt-4", "temperature": 0.7})
    await recorder.record_token("Hello", index=0)
    await recorder.record_token(" world", index=1)
    await recorder.record_checkpoint(content="Hello", at=1)
    violation = {"rule": "x", "message": "no"}
    await recorder.record_guardrail(result={"passed": True, "violations": []}, check_type="content")
    await recorder.record_guardrail(at=2, result={"violations": [violation]})
    await recorder.record_drift(result={"detected": False, "type": None})
    await recorder.record_retry(attempt=1, reason="network_error", delay=1000, counts_toward_limit=False)
    await recorder.record_fallback(from_index=0, to_index=1, reason="max_retries_exceeded")
    await recorder.record_continuation(checkpoint="Hello", at=1)
    await recorder.record_error(error={"name": "TimeoutError", "message": "Stream timed out"})
    state = await EventSourcing.replayer(store).replay_to_state("my-stream-123")
    assert (state.content, state.token_count, state.checkpoint) == ("Hello", 1, "Hello")
    assert (state.completed, state.violations, state.drift_detected) == (False, [violation], False)
    assert (state.retry_attempts, state.network_retry_count, state.fallback_index) == (0, 1, 1)
    assert state.error is not None
    assert (state.error.name, state.error.message) == ("TimeoutError", "Stream timed out")
    assert 0 < state.start_ts <= state.end_ts
    meta = await EventSourcing.metadata("my-stream-123", store)
    assert meta is not None
    assert meta.options is not None
    assert (meta.options.model, meta.options.metadata) == ("gpt-4", {"temperature": 0.7})
    assert meta.has_error
    fallback = (await store.get_events("my-stream-123"))[8].event
    assert (fallback.from_, fallback.to, fallback.reason) == (0, 1, "max_retries_exceeded")  # type: ignore[union-attr]
    with pytest.raises(StoreError, match="has ended"):
        await recorder.record_token("late", 2)
    with pytest.raises(StoreError, match="has ended"):
        await recorder.record_complete("Hello", 1)


@documented
async def test_tokens_alone() -> None:
    """Of the text that stood in the end: nothing twice, and nothing that was withdrawn."""
    store = EventSourcing.memory()
    recorder = EventSourcing.recorder(store)
    await recorder.record_start()
    await recorder.record_token("bad", 0)
    await recorder.record_retry(reason="guardrail", attempt=1)
    await recorder.record_token("good", 0)
    await recorder.record_token(" word", 1)
    await recorder.record_continuation(checkpoint="good wor", at=2)
    await recorder.record_token("d", 2)
    replayer = EventSourcing.replayer(store)
    assert [token async for token in replayer.replay_tokens(recorder.stream_id, speed=0)] == ["good", " wor", "d"]
    assert (await replayer.replay_to_state(recorder.stream_id)).content == "good word"


@documented
async def test_a_range() -> None:
    store = EventSourcing.memory()
    recorder = EventSourcing.recorder(store)
    await recorder.record_start()
    for index in range(30):
        await recorder.record_token(f"{index} ", index)
    result = await EventSourcing.replay(recorder.stream_id, store, from_seq=5, to_seq=20)
    assert [each.seq async for each in result] == list(range(5, 21))
    assert result.state.content == "".join(f"{index} " for index in range(20))
    meta = await EventSourcing.metadata(recorder.stream_id, store)
    assert meta is not None
    half = await EventSourcing.replay(recorder.stream_id, store, to_seq=meta.event_count // 2)
    async for _ in half:
        pass
    assert half.state.token_count == 15


@documented
async def test_callbacks_fire_if_they_are_to() -> None:
    store = EventSourcing.memory()
    recorder = EventSourcing.recorder(store)
    await recorder.record_start()
    await recorder.record_token("Hello", 0)
    await recorder.record_guardrail(at=1, result={"violations": [{"rule": "x"}]})
    await recorder.record_retry(reason="timeout", attempt=1)
    await recorder.record_complete("Hello", 1)
    for fires in (True, False):
        told: list[Any] = []
        result = await EventSourcing.replay(recorder.stream_id, store, fire_callbacks=fires)
        result.set_callbacks(
            on_token=told.append,
            on_violation=told.append,
            on_retry=lambda attempt, reason, told=told: told.append((attempt, reason)),
            on_event=lambda envelope, told=told: told.append(envelope.event.type.value),
        )
        async for _ in result:
            pass
        expected = ["START", "TOKEN", "Hello", "GUARDRAIL", {"rule": "x"}, "RETRY", (1, "timeout"), "COMPLETE"]
        assert told == (expected if fires else [])


@documented
async def test_metadata() -> None:
    store = EventSourcing.memory()
    recorder = await hello(store)
    meta = await EventSourcing.metadata(recorder.stream_id, store)
    assert meta is not None
    assert (meta.stream_id, meta.event_count, meta.token_count) == (recorder.stream_id, 4, 2)
    assert (meta.completed, meta.has_error) == (True, False)
    assert 0 < meta.start_ts <= meta.end_ts
    assert await EventSourcing.metadata("none", store) is None
    empty = await EventSourcing.replay("none", store)
    assert [each async for each in empty] == []


@documented
async def test_comparison() -> None:
    store = EventSourcing.memory()
    await hello(store, "model-a")
    await hello(store, "model-b")
    other = EventSourcing.recorder(store, "model-c")
    await other.record_token("Hi", 0)
    replayer = EventSourcing.replayer(store)
    a, b, c = [await replayer.replay_to_state(f"model-{name}") for name in "abc"]
    assert EventSourcing.compare(a, b).identical
    assert EventSourcing.compare(a, b).differences == []
    comparison = EventSourcing.compare(a, c)
    assert not comparison.identical
    assert comparison.differences[:2] == ["content: 'Hello world' vs 'Hi'", "token_count: 2 vs 1"]


@documented
async def test_adapters() -> None:
    class OwnStore(l0.InMemoryEventStore):
        pass

    def sync_factory(config: StorageAdapterConfig) -> Any:
        return OwnStore(config.prefix, config.ttl)

    async def async_factory(config: StorageAdapterConfig) -> Any:
        return OwnStore(config.prefix, **config.options)

    assert {"memory", "file"} <= set(EventSourcing.list_adapters())
    assert isinstance(await EventSourcing.create(StorageAdapterConfig(type="memory")), l0.InMemoryEventStore)
    EventSourcing.register_adapter("own", sync_factory)
    EventSourcing.register_adapter("own-async", async_factory)
    try:
        made: Any = await EventSourcing.create(StorageAdapterConfig(type="own", prefix="p", ttl=5))
        assert (made.prefix, made.ttl) == ("p", 5)
        assert isinstance(
            await EventSourcing.create(StorageAdapterConfig(type="own-async", options={"ttl": 7})), OwnStore
        )
        assert "own" in EventSourcing.list_adapters()
    finally:
        assert EventSourcing.unregister_adapter("own")
        assert EventSourcing.unregister_adapter("own-async")
    assert not EventSourcing.unregister_adapter("own")
    with pytest.raises(ValueError, match="'own'; registered are memory, file"):
        await EventSourcing.create(StorageAdapterConfig(type="own"))


@documented
async def test_a_custom_store_by_the_protocol_alone() -> None:
    """A store that derives from nothing of ours, and has the five documented methods and no more."""

    class Own:
        def __init__(self) -> None:
            self.streams: dict[str, list[EventEnvelope]] = {}

        async def append(self, stream_id: str, event: EventEnvelope) -> None:
            self.streams.setdefault(stream_id, []).append(event)

        async def get_events(self, stream_id: str) -> list[EventEnvelope]:
            return self.streams.get(stream_id, [])

        async def exists(self, stream_id: str) -> bool:
            return stream_id in self.streams

        async def delete(self, stream_id: str) -> bool:
            return self.streams.pop(stream_id, None) is not None

        async def list_streams(self, prefix: str | None = None) -> list[str]:
            return [name for name in self.streams if name.startswith(prefix or "")]

    store: Any = Own()
    recorder = await hello(store)
    result = await EventSourcing.replay(recorder.stream_id, store)
    assert await result.read() == "Hello world"
    ttl = EventSourcing.with_ttl(store, ttl_ms=3_600_000)
    assert len(await ttl.get_events(recorder.stream_id)) == 4
    both = EventSourcing.composite([EventSourcing.memory(), store], primary_index=0)
    await hello(both, "both")
    assert len(await store.get_events("both")) == len(await both.get_events("both")) == 4

    async def source() -> Any:
        yield "one "
        yield "two"

    from l0.eventsourcing import Recording

    stream = await l0.run(source, record=Recording(store))
    await stream.read()
    assert [type(each.event).__name__ for each in await store.get_events(stream.stream_id)] == [
        "StartEvent", "TokenEvent", "TokenEvent", "CompleteEvent",
    ]  # fmt: skip


@documented
async def test_snapshots() -> None:
    store = EventSourcing.memory()
    assert isinstance(store, EventStoreWithSnapshots)
    snapshot = Snapshot(
        stream_id="my-stream", seq=100, content="...", token_count=100, checkpoint="...", violations=[],
        drift_detected=False, retry_attempts=0, network_retry_count=0, fallback_index=0, ts=1234567890.0,
    )  # fmt: skip
    for seq in range(102):
        await store.append(
            "my-stream", EventEnvelope("my-stream", seq, l0.eventsourcing.TokenEvent(value="x", index=seq))
        )
    await store.save_snapshot(snapshot)
    assert await store.get_snapshot("my-stream") == snapshot
    state = await EventSourcing.replayer(store).replay_to_state("my-stream")
    assert state.content == "...x"


@documented
async def test_real_time_and_faster() -> None:
    store, loop = EventSourcing.memory(), asyncio.get_running_loop()
    recorder = EventSourcing.recorder(store)
    for index in range(3):
        await recorder.record(l0.eventsourcing.TokenEvent(ts=1000.0 + 40 * index, value="x", index=index))
    for speed, least in ((1, 0.08), (2, 0.04)):
        start = loop.time()
        assert await (await EventSourcing.replay(recorder.stream_id, store, speed=speed)).read() == "xxx"
        assert loop.time() - start >= least
    with pytest.raises(ValueError, match="speed"):
        await EventSourcing.replay(recorder.stream_id, store, speed=-1)


def test_ids_are_in_the_order_of_time() -> None:
    ids = [EventSourcing.generate_id() for _ in range(100)]
    assert sorted(ids) == ids
    assert len(set(ids)) == 100


def test_the_aliases() -> None:
    assert EventSourcing.Envelope is EventEnvelope
    assert EventSourcing.EventType is RecordedEventType
    assert EventSourcing.Snapshot is Snapshot
    assert EventSourcing.Config is StorageAdapterConfig
    assert EventSourcing.State is l0.ReplayedState
    assert EventSourcing.Metadata is l0.StreamMetadata
    assert EventSourcing.Comparison is l0.ReplayComparison
    assert l0.eventsourcing.StartEvent in get_args(EventSourcing.Event)


@documented
async def test_the_older_order_of_arguments() -> None:
    store = EventSourcing.create_store()
    recorder = EventSourcing.create_recorder(store)
    await recorder.record_complete("x", 1)
    meta = await EventSourcing.get_metadata(store, recorder.stream_id)
    assert meta is not None
    assert meta.completed
