"""What the documentation shows of event sourcing works as it is shown."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, get_args

import l0
import l0_eventsourcing
import pytest
from l0 import EventSourcing
from l0.eventsourcing import (
    EventEnvelope,
    EventStoreWithSnapshots,
    RecordedEventType,
    Snapshot,
    StorageAdapterConfig,
)
from l0_core.plugins import Registry
from l0_eventsourcing import (
    BaseEventStore,
    DriftEventResult,
    EventRecorder,
    RecordOptions,
    SerializedError,
    SerializedOptions,
    adapters,
    create_event_recorder,
    create_event_replayer,
    create_in_memory_event_store,
    stores,
)

from l0_core import PluginError, StoreError, hookimpl


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


@documented
async def test_a_recorder_takes_errors_and_results_as_they_come() -> None:
    store = EventSourcing.memory()
    for error, says in (
        (ValueError("no"), ("ValueError", "no")),
        ({"message": "no"}, ("Error", "no")),
        (SerializedError("Own", "key sk-0123456789abcdefghijklmnop"), ("Own", "key ***")),
    ):
        recorder = create_event_recorder(store)
        await recorder.record_start(SerializedOptions(model="m"))
        await recorder.record_token("bad", 0)
        await recorder.record_reset(keep=1, token_count=1)
        await recorder.record_guardrail()
        await recorder.record_drift(result=DriftEventResult(True, ["tone"], 0.5))
        await recorder.record_drift(result={"detected": True})
        await recorder.record_error(error)
        state = await create_event_replayer(store).replay_to_state(recorder.stream_id)
        assert (state.content, state.drift_detected, state.outcome) == ("b", True, "error")
        assert state.error is not None
        assert (state.error.name, state.error.message) == says
    with pytest.raises(TypeError, match="GuardrailEventResult has no field 'violation'; it has"):
        await EventSourcing.recorder(store).record_guardrail(result={"violation": []})
    with pytest.raises(TypeError, match="needs the index of the source that is asked next: to"):
        await EventSourcing.recorder(store).record_fallback()


@documented
async def test_a_recorder_that_saves_snapshots_goes_on_where_another_stopped() -> None:
    store = EventSourcing.memory()
    await (first := EventRecorder(store, "one")).record_start()
    await first.record_token("a", 0)
    second = EventRecorder(store, "one", RecordOptions(save_snapshots=True, snapshot_interval=3))
    await second.record_token("b", 1)
    snapshot = await store.get_snapshot("one")
    assert snapshot is not None
    assert (snapshot.seq, snapshot.content) == (2, "ab")

    class Envelopes(BaseEventStore):
        """Keeps no snapshots."""

    with pytest.raises(TypeError, match="save_snapshots: a Envelopes keeps no snapshots"):
        EventRecorder(Envelopes(), "one", RecordOptions(save_snapshots=True))  # type: ignore[abstract]


@documented
async def test_a_replay_can_be_ended_and_told_of_in_part() -> None:
    store = EventSourcing.memory()
    recorder = await hello(store)
    told: list[str] = []
    result = await EventSourcing.replay(recorder.stream_id, store, fire_callbacks=True)
    result.set_callbacks(on_token=told.append)
    async for envelope in result:
        if envelope.seq == 1:
            result.abort()
    assert (result.state.content, told) == ("Hello", ["Hello"])


@documented
async def test_an_error_is_replayed_as_what_it_said() -> None:
    store = EventSourcing.memory()
    recorder = EventSourcing.recorder(store)
    await recorder.record_start()
    await recorder.record_token("Hel", 0)
    await recorder.record_error(ConnectionResetError("gone"))
    result = await EventSourcing.replay(recorder.stream_id, store)
    got = []
    with pytest.raises(Exception, match="gone"):
        async for event in result.stream:
            got.append(event.text)
    assert got == ["Hel"]
    result = await EventSourcing.replay(recorder.stream_id, store)
    assert await result.read() == "Hel"
    assert [str(error) for error in result.errors] == ["gone"]


@documented
async def test_tokens_take_the_time_that_they_took() -> None:
    store, loop = EventSourcing.memory(), asyncio.get_running_loop()
    recorder = EventSourcing.recorder(store)
    for index in range(3):
        await recorder.record(l0.eventsourcing.TokenEvent(ts=1000.0 + 40 * index, value="x", index=index))
    replayer = EventSourcing.replayer(store)
    start = loop.time()
    assert [token async for token in replayer.replay_tokens(recorder.stream_id, speed=2)] == ["x"] * 3
    assert loop.time() - start >= 0.04
    with pytest.raises(ValueError, match="speed is -1"):
        [each async for each in replayer.replay(recorder.stream_id, speed=-1)]


@documented
async def test_a_long_difference_is_shown_where_it_is() -> None:
    store = EventSourcing.memory()
    states = []
    for text in ("x" * 300 + "a" + "y" * 300, "x" * 300 + "b"):
        recorder = EventSourcing.recorder(store)
        await recorder.record_token(text, 0)
        await recorder.record_complete(text, 1)
        states.append(await EventSourcing.replayer(store).replay_to_state(recorder.stream_id))
    (content, *_) = EventSourcing.compare(*states).differences
    assert content.startswith("content: at character 300, 'xxx")
    assert len(content) < 300
    assert "a" in content.partition(" vs ")[0]


def test_what_is_no_stream_and_no_store_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="a stream's id and its store are needed, not 1 and 2"):
            await EventSourcing.replay(1, 2)  # type: ignore[arg-type]

    asyncio.run(main())


def test_a_store_in_files_is_had_from_its_package_or_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    module = types.ModuleType("l0_store_file")
    module.FileEventStore = lambda *args, **more: made.append((args, more)) or "made"  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "l0_store_file", module)
        assert l0_eventsourcing.FileEventStore is module.FileEventStore
        assert EventSourcing.file(str(tmp_path), ttl=5) == "made"
        config = StorageAdapterConfig(type="file", connection="here", options={"durability": "power"})
        assert asyncio.run(EventSourcing.create(config)) == "made"  # type: ignore[comparison-overlap]
    assert [args for args, _ in made] == [(str(tmp_path),), ("here",)]
    assert [more["ttl"] for _, more in made] == [5, 0]
    assert made[1][1]["durability"] == "power"

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name, name=found)

    monkeypatch.setattr(adapters, "import_module", missing)
    found = "l0_store_file"
    with pytest.raises(ImportError, match="needs the l0-store-file package: pip install l0-store-file"):
        EventSourcing.file(str(tmp_path))
    found = "fcntl"
    with pytest.raises(ModuleNotFoundError, match="l0_store_file"):
        EventSourcing.file(str(tmp_path))
    for module in (l0_eventsourcing, stores):
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            module.nonsense  # noqa: B018


def test_a_store_that_only_records_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    class Writing:
        @dataclass(frozen=True, kw_only=True)
        class Options:
            url: str = ""

        def __init__(self, options: Options) -> None: ...

        @hookimpl
        def store_event(self, ctx: Any) -> None: ...

    module = types.ModuleType("l0_test_writing")
    module.Writing = Writing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = EntryPoint("writing", f"{module.__name__}:Writing", "l0.stores")
    monkeypatch.setattr("l0_core.plugins._registry", Registry([point]))
    with pytest.raises(PluginError, match="installed as the store 'writing' records, and cannot be read from here"):
        EventSourcing.open("writing://x")


@documented
async def test_a_store_in_memory_can_be_emptied() -> None:
    store = create_in_memory_event_store()
    await hello(store)
    assert (store.get_stream_count(), store.get_total_event_count()) == (1, 4)
    store.clear()
    assert (store.get_stream_count(), await store.list_streams()) == (0, [])
    await store.save_snapshot(Snapshot("gone", 0, "0", 1, "", [], False, 0, 0, 0, 1.0))
    assert await store.get_snapshot("gone") is None


@documented
async def test_a_replay_from_beyond_the_end_has_no_events_and_the_whole_state() -> None:
    store = EventSourcing.memory()
    recorder = await hello(store)
    result = await EventSourcing.replay(recorder.stream_id, store, from_seq=100)
    assert [each async for each in result] == []
    assert result.state.content == "Hello world"


@documented
async def test_a_follower_that_is_cancelled_as_an_event_comes_is_in_nobodys_way() -> None:
    store = EventSourcing.memory()
    waiting = [asyncio.ensure_future(store.wait_for("one", 0, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    await store.append("one", EventEnvelope("one", 0, l0.eventsourcing.TokenEvent(value="x", index=0)))
    await asyncio.wait_for(waiting[1], 5)
    assert waiting[0].cancelled()
