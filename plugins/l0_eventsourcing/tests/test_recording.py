"""Recording as a switch: what it costs the consumer in time, and what becomes of a stream whose store fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import l0
import pytest
from l0_eventsourcing import (
    BaseEventStore,
    EventEnvelope,
    EventStore,
    InMemoryEventStore,
    Record,
    Recording,
    RecordStore,
    StoreOptions,
    StorePlugin,
    StoreUnavailable,
    TokenEvent,
    WrongExpectedVersion,
)
from l0_eventsourcing.codec import pack
from l0_eventsourcing.recording import LONGEST_RUN
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import DriftViolation, Sink, StoreError, hookimpl

TOKENS = tuple(f"word{number} " for number in range(200))


class FailingStore(InMemoryEventStore):
    """Raises what it is told to, write by write; None lets one through. `None` for ever after the last."""

    def __init__(self, *errors: Exception | None) -> None:
        super().__init__()
        self.errors = list(errors)
        self.writes = 0

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        self.writes += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        await super().write_records(stream_id, records)


class SlowStore(InMemoryEventStore):
    """Takes its time for each write, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        await asyncio.sleep(self.seconds)
        await super().write_records(stream_id, records)


class Envelopes(BaseEventStore):
    """A store of somebody's own, as the documentation shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: dict[str, list[EventEnvelope]] = {}

    async def append(self, stream_id: str, event: EventEnvelope) -> None:
        events = self.streams.setdefault(stream_id, [])
        if event.seq != len(events):
            raise WrongExpectedVersion(stream_id, event.seq, len(events))
        events.append(event)

    async def get_events(self, stream_id: str) -> list[EventEnvelope]:
        return list(self.streams.get(stream_id, ()))

    async def exists(self, stream_id: str) -> bool:
        return stream_id in self.streams

    async def delete(self, stream_id: str) -> bool:
        return self.streams.pop(stream_id, None) is not None

    async def list_streams(self, prefix: str | None = None) -> list[str]:
        return sorted(name for name in self.streams if name.startswith(prefix or ""))


async def recorded(store: Any, provider: FakeProvider | None = None, **options: Any) -> l0.Stream:
    provider = provider or FakeProvider(TOKENS, pace=0.01)
    stream = await l0.run(provider, adapter=provider, record=store, **options)
    await stream.read()
    return stream


def text_in(events: Sequence[EventEnvelope]) -> str:
    return "".join(each.event.value for each in events if each.event.type == "TOKEN")  # type: ignore[union-attr]


def test_a_store_of_envelopes_records_too() -> None:
    async def main() -> None:
        store = Envelopes()
        stream = await recorded(store, FakeProvider(TOKENS))
        events = await store.get_events(stream.stream_id)
        assert text_in(events) == "".join(TOKENS)
        assert events[-1].event.type == "COMPLETE"
        assert [each.seq async for each in store.subscribe(stream.stream_id, 150)] == list(range(150, len(events)))

    run(main())


def test_a_name_of_ones_own() -> None:
    async def main() -> None:
        store = InMemoryEventStore()
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, record=store, stream_id="chat/42")
        assert stream.stream_id == "chat/42"
        await stream.read()
        assert await store.list_streams() == ["chat/42"]

    run(main())


def test_a_stream_can_be_followed_while_it_runs() -> None:
    """What a consumer has, a follower has a quarter of a second later, whether the source goes on or not."""

    async def main() -> None:
        store, loop = InMemoryEventStore(), asyncio.get_running_loop()
        provider = FakeProvider(TOKENS[:5], [Mishap("late", at=3, seconds=30)])
        stream = await l0.run(provider, adapter=provider, record=store)
        got: dict[str, float] = {}
        seen: dict[str, float] = {}

        async def follow() -> None:
            async for envelope in store.subscribe(stream.stream_id):
                if envelope.event.type == "TOKEN":
                    seen[envelope.event.value] = loop.time()  # type: ignore[union-attr]

        following = asyncio.create_task(follow())
        async for event in stream:
            if event.is_token:
                got[event.text or ""] = loop.time()
        await following
        assert list(seen) == list(got)
        assert all(seen[token] - got[token] < 0.25 for token in got)

    run(main())


@pytest.mark.parametrize("seconds", [0.5, 50.0])
def test_the_consumer_does_not_wait_for_a_slow_store(seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    """It waits a second at its end, and no longer."""

    async def main() -> None:
        loop, store = asyncio.get_running_loop(), SlowStore(seconds)
        provider = FakeProvider(TOKENS, pace=0.01)
        stream = await l0.run(provider, adapter=provider, record=store)
        start, last = loop.time(), 0.0
        async for event in stream:
            last = loop.time() if event.is_complete else last
        assert last - start == pytest.approx(0.01 * 201, abs=0.05)
        assert loop.time() - last <= 1.1

    run(main())
    assert ("is left" in caplog.text) == (seconds == 50.0)


def test_a_store_that_comes_back_has_everything(caplog: pytest.LogCaptureFixture) -> None:
    """What happened while it was away is written when it is back, once and in order."""

    async def main() -> None:
        store = FailingStore(None, *[StoreUnavailable("the store is away")] * 3)
        stream = await recorded(store)
        events = await store.get_events(stream.stream_id)
        assert text_in(events) == "".join(TOKENS)
        assert events[-1].event.type == "COMPLETE"

    run(main())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "the store is away" in caplog.text


def test_an_answer_that_was_lost_is_no_loss() -> None:
    """The store has kept it and could not say so: what comes next goes where it belongs, and nothing is there twice."""

    class Mumbling(InMemoryEventStore):
        writes = 0

        async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
            await super().write_records(stream_id, records)
            self.writes += 1
            if self.writes % 2:
                raise StoreUnavailable("the connection was lost")

    async def main() -> None:
        store = Mumbling()
        stream = await recorded(store, FakeProvider(TOKENS, pace=0.05))
        events = await store.get_events(stream.stream_id)
        assert text_in(events) == "".join(TOKENS)
        assert [each.seq for each in events] == list(range(len(TOKENS) + 2))

    run(main())


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), StoreError("full"), WrongExpectedVersion("x", 1, 2), RuntimeError("secret")]
)
def test_a_stream_goes_on_without_its_store(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """By default: with one warning, that says where the record ends."""

    async def main() -> None:
        store = FailingStore(None, *[error] * 100)
        stream = await recorded(store)
        assert stream.state.completed
        assert stream.state.content == "".join(TOKENS)
        events = await store.get_events(stream.stream_id)
        assert "".join(TOKENS).startswith(text_in(events))

    run(main())
    ends = [record.getMessage() for record in caplog.records if "ends before event" in record.getMessage()]
    assert len(ends) == 1
    assert "secret" not in caplog.text


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreError("full"), RuntimeError("odd")])
def test_a_stream_ends_with_its_store_if_it_is_told_to(error: Exception, at: int) -> None:
    """`on_store_error="fail"`: a StoreError, no retry and no fallback, and the provider's stream is closed."""

    async def main() -> None:
        store = FailingStore(*[None] * at, *[error] * 100)
        provider, other = FakeProvider(TOKENS, pace=0.01), FakeProvider(TOKENS)
        stream = await l0.run(
            provider, adapter=provider, fallbacks=[other], record=Recording(store, on_store_error="fail")
        )
        with pytest.raises(StoreError):
            await stream.read()
        assert stream.state.outcome == "error"
        assert len(stream.state.content) < len("".join(TOKENS))
        assert (provider.opened, provider.open, other.opened) == (1, 0, 0)

    run(main())


def test_a_stream_that_cannot_record_its_end_fails() -> None:
    async def main() -> None:
        store = FailingStore(StoreError("full"))
        with pytest.raises(StoreError, match="full"):
            await recorded(Recording(store, on_store_error="fail"), FakeProvider(TOKENS[:10]))
        slow = Recording(SlowStore(50), on_store_error="fail")
        with pytest.raises(StoreError, match="within 1 s"):
            await recorded(slow, FakeProvider(TOKENS[:10]))

    run(main())


def test_each_token_has_the_time_at_which_it_came() -> None:
    """After a failure and what it withdrew, too."""

    async def main() -> None:
        store, loop = InMemoryEventStore(), asyncio.get_running_loop()
        texts = [("one ", "two ", "three ", "four "), ("one ", "2 ", "3 ", "4 ")]
        provider = FakeProvider(texts[0], [Mishap("raise", 4)], texts=texts, pace=0.05)
        stream = await l0.run(provider, adapter=provider, record=store, retry=l0.Retry(base_delay=1, attempts=2))
        start, came = loop.time(), []
        async for event in stream:
            if event.is_token:
                came.append(round(loop.time() - start, 2))
        events = [envelope.event for envelope in await store.get_events(stream.stream_id)]
        times = [event.ts for event in events if event.type == "TOKEN"]
        assert len(times) == len(came)
        assert [round((ts - times[0]) / 1000 + came[0], 2) for ts in times] == pytest.approx(came, abs=0.02)
        assert [event.ts for event in events] == sorted(event.ts for event in events)

    run(main())


def test_what_is_recorded_holds_no_secret_of_the_callers() -> None:
    async def main() -> None:
        store = InMemoryEventStore()
        refused = ConnectionError("denied for Bearer abcdefghijklmnop0123456789")
        provider = FakeProvider(TOKENS[:3], [Mishap("refuse", error=refused)])
        context = {
            "api_key": "canary-1",
            "nested": {"Authorization": "canary-2", "user": "u-7"},
            "n": [1, {"token": "canary-3"}],
        }
        stream = await recorded(store, provider, context=context, retry=l0.Retry(base_delay=0))
        kept = b"".join(record.body for record in await store.read_records(stream.stream_id))
        assert b"canary" not in kept
        assert b"abcdefghijklmnop" not in kept
        assert b"u-7" in kept
        assert b"RETRY" in kept

    run(main())


def test_the_store_of_a_call_goes_before_the_configured_one(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And `record=False` records nowhere."""
    (tmp_path / "l0.toml").write_text('store = "memory://here"\n')
    monkeypatch.chdir(tmp_path)
    from l0_eventsourcing import open_store

    from l0_core import config

    config.reload()
    try:

        async def main() -> None:
            provider = FakeProvider(TOKENS[:3])
            for record, expected in ((None, 1), (False, 1), (InMemoryEventStore(), 1)):
                stream = await l0.run(provider, adapter=provider, record=record)
                await stream.read()
                from l0_core.plugins import registry

                configured = registry().load("store", "memory").plugin.store  # type: ignore[attr-defined]
                assert len(await configured.list_streams()) == expected
            assert await open_store("memory://other").list_streams() == []
            assert open_store("memory://other") is open_store("memory://other")

        run(main())
    finally:
        monkeypatch.undo()
        config.reload()


def test_a_recorded_stream_is_let_go_of_when_it_has_ended() -> None:
    """Without the garbage collector: a server does not keep what it has recorded until that runs."""
    import gc
    import weakref

    async def main() -> None:
        for mishap in (None, Mishap("raise", 2), Mishap("refuse")):
            store = InMemoryEventStore()
            provider = FakeProvider(TOKENS[:5], [mishap])
            stream = await l0.run(provider, adapter=provider, record=store, retry=l0.Retry(base_delay=0))
            session = weakref.ref(stream._session)
            gc.disable()
            try:
                await stream.read()
                del stream
                await asyncio.sleep(0)
                assert session() is None
            finally:
                gc.enable()

    run(main())


def test_what_is_no_store_is_refused() -> None:
    async def main() -> None:
        for record, says in (
            (object(), "no store_event hook"),
            ("runs.db", "no URL"),
            ("nosuch:///x", "No store named 'nosuch'"),
        ):
            with pytest.raises(l0.PluginError, match=says):
                await l0.run(FakeProvider(TOKENS), record=record)
        with pytest.raises(ValueError, match="on_store_error"):
            Recording(InMemoryEventStore(), on_store_error="explode")  # type: ignore[arg-type]

    run(main())


def test_a_required_sink_of_any_plugin_ends_the_stream() -> None:
    """The kernel's half: what a plain plugin says with `Sink.required`."""

    class Picky:
        @hookimpl
        def store_event(self) -> Sink:
            def write(batch: Any) -> None:
                raise ValueError("disk full")

            return Sink(write, tokens=True, required=True)

    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=0.01)
        stream = await l0.run(provider, adapter=provider, plugins=[Picky()])
        with pytest.raises(StoreError, match=r"Picky.*ValueError: disk full"):
            await stream.read()
        assert (provider.open, stream.state.outcome) == (0, "error")

    run(main())


def test_reading_a_recorded_stream_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay is no execution: no provider, no tool, no network."""
    import socket

    async def main() -> None:
        store = InMemoryEventStore()
        stream = await recorded(store, FakeProvider(TOKENS[:20]))

        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError("a replay opened a socket")

        monkeypatch.setattr(socket, "socket", refuse)
        from l0_eventsourcing import EventSourcing

        result = await EventSourcing.replay(stream.stream_id, store)
        assert await result.read() == "".join(TOKENS[:20])
        resumed = await l0.resume(stream.stream_id, store=store, stream=refuse)
        assert await resumed.read() == "".join(TOKENS[:20])

    run(main())


def test_what_befell_a_stream_is_in_its_record() -> None:
    """Retries, the source that answered instead, drift, other choices that were withdrawn, and the error at the end."""
    attempts = 0

    class Wandering:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            return lambda delta, final: (
                DriftViolation("drift", "drifts", types=("tone",), confidence=0.5) if final else None
            )

    async def failing() -> Any:
        error = RuntimeError("no such model as sk-0123456789abcdefghijklmnop")
        error.status_code = 404  # type: ignore[attr-defined]
        raise error

    async def source() -> Any:
        nonlocal attempts
        attempts += 1
        yield l0.Event(l0.EventType.TOKEN, "one ")
        yield l0.Event(l0.EventType.TOKEN, "first" if attempts == 1 else "fine", choice=1)
        if attempts == 1:
            raise ConnectionResetError("gone")
        yield l0.Event(l0.EventType.TOKEN, "two")

    async def main() -> None:
        store = InMemoryEventStore()
        stream = await l0.run(
            failing,
            fallbacks=[source],
            record=store,
            guardrails=[Wandering()],
            retry=l0.Retry(attempts=1, base_delay=0),
        )
        assert await stream.read() == "one two"
        events = {each.event.type.value: each.event for each in await store.get_events(stream.stream_id)}
        fallback: Any = events["FALLBACK"]
        assert (fallback.from_, fallback.to, fallback.error.name) == (0, 1, "RuntimeError")
        assert fallback.error.message == "no such model as ***"
        drift: Any = events["DRIFT"]
        assert (drift.result.detected, drift.result.types) == (True, ["tone"])
        state = await l0.EventSourcing.replayer(store).replay_to_state(stream.stream_id)
        assert (state.content, state.choices, state.fallback_index) == ("one two", {1: "fine"}, 1)
        assert state.drift_detected

    run(main())


def test_a_stream_that_failed_is_recorded_as_failed() -> None:
    async def main() -> None:
        store = InMemoryEventStore()
        provider = FakeProvider(TOKENS, [Mishap("raise", at=2, error=ConnectionResetError("gone"))])
        stream = await l0.run(provider, adapter=provider, record=store, retry=l0.Retry(max_retries=0))
        with pytest.raises(ConnectionResetError):
            await stream.read()
        last: Any = (await store.get_events(stream.stream_id))[-1].event
        assert (last.type.value, last.error.name, last.error.message) == ("ERROR", "ConnectionResetError", "gone")
        assert last.failure_type == "network"
        state = await l0.EventSourcing.replayer(store).replay_to_state(stream.stream_id)
        assert (state.content, state.outcome) == ("".join(TOKENS[:2]), "error")

    run(main())


def test_tokens_that_come_by_the_thousand_are_recorded_one_by_one() -> None:
    tokens = [f"{number} " for number in range(5 * LONGEST_RUN)]

    async def main() -> None:
        store = InMemoryEventStore()
        stream = await recorded(store, FakeProvider(tokens))
        events = [each.event for each in await store.get_events(stream.stream_id) if each.event.type == "TOKEN"]
        assert [event.value for event in events] == tokens  # type: ignore[union-attr]
        assert [event.index for event in events] == list(range(len(tokens)))  # type: ignore[union-attr]
        times = [event.ts for event in events]
        assert times == sorted(times)

    run(main())


def test_a_store_has_to_say_how_it_is_opened() -> None:
    with pytest.raises(NotImplementedError):
        StorePlugin(StoreOptions(url="x://y"))


def test_what_a_store_of_bytes_leaves_out_is_said_when_it_is_asked_for() -> None:
    store = RecordStore()

    async def main() -> None:
        for asked in (
            store.write_records("one", []),
            store.read_records("one"),
            store.read_head("one"),
            store.remove("one"),
            store.list_ids(""),
            store.write_snapshot("one", 1, b""),
            store.read_snapshot("one", 1),
        ):
            with pytest.raises(NotImplementedError):
                await asked

    run(main())


def test_the_names_of_a_place_that_is_shared_are_kept_apart() -> None:
    one, other = InMemoryEventStore("a"), InMemoryEventStore("b")
    names = [
        name
        for store in (one, other)
        for name in (store.get_stream_key("x"), store.get_meta_key("x"), store.get_snapshot_key("x"))
    ]
    assert len(set(names)) == 6


def test_an_event_without_a_number_takes_the_next_even_where_another_writes() -> None:
    class Contended(InMemoryEventStore):
        async def next_seq(self, stream_id: str) -> int:
            seq = await super().next_seq(stream_id)
            if not races:
                races.append(seq)
                await self.write_records(stream_id, pack(seq, [TokenEvent(value="other", index=0)]))
            return seq

    races: list[int] = []

    async def main() -> None:
        store = Contended()
        await store.append("one", TokenEvent(value="mine", index=0))
        await store.append_records("one", [])
        assert [(each.seq, each.event.value) for each in await store.get_events("one")] == [(0, "other"), (1, "mine")]  # type: ignore[union-attr]
        with pytest.raises(ValueError, match="an event of the stream 'two' was to be appended to 'one'"):
            await store.append("one", EventEnvelope("two", 2, TokenEvent(value="x", index=2)))

    run(main())


def test_a_store_by_the_protocol_alone_need_not_know_of_numbers() -> None:
    class Own(EventStore):
        async def append(self, stream_id: str, event: EventEnvelope) -> None: ...

        async def get_events(self, stream_id: str) -> list[EventEnvelope]:
            return [EventEnvelope(stream_id, seq, TokenEvent(value="x", index=seq)) for seq in range(3)] * (
                stream_id == "x"
            )

        async def exists(self, stream_id: str) -> bool:
            return True

        async def delete(self, stream_id: str) -> bool:
            return False

        async def list_streams(self, prefix: str | None = None) -> list[str]:
            return ["x"]

    async def main() -> None:
        last = await Own().get_last_event("x")
        assert last is not None
        assert last.seq == 2
        assert await Own().get_last_event("y") is None
        assert [each.seq for each in await Own().get_events_after("x", 0)] == [1, 2]

    run(main())


def test_a_follower_of_a_store_that_tells_nobody_looks_again() -> None:
    async def main() -> None:
        store = Envelopes()
        got: list[int] = []

        async def follow() -> None:
            async for envelope in store.subscribe("one"):
                got.append(envelope.seq)

        following = asyncio.ensure_future(follow())
        await asyncio.sleep(0.1)
        await store.append("one", EventEnvelope("one", 0, TokenEvent(ts=1, value="x", index=0)))
        await asyncio.sleep(0.1)
        assert got == [0]
        following.cancel()

    run(main())
