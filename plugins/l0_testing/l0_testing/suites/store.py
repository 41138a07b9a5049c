"""What an event store promises, as tests that compare it with a model in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import l0
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

if TYPE_CHECKING:
    from l0_eventsourcing import EventStore

__all__ = ["HOSTILE_IDS", "EventStoreSuite"]

T = TypeVar("T")

HOSTILE_IDS = (
    *("../../etc/passwd", "/absolute", "a/b", "a\\b", ".", "..", "", " ", "a\n", "a\x00b", "CON", "con", "nul.txt"),
    *("A", "a", "é", "e\u0301", "ß", "SS", "🙂", "\ud800", "%2e%2e", "a" * 300, "é" * 300, "x" * 100_000, "l0:*?[a]"),
    *("'; DROP TABLE events; --", "{}", "$1", "\u202etxt.exe", "a:b", "a\tb", "~", "-rf", "Ⅷ"),
)
"""Ids that are names of something else somewhere: each is a stream of its own."""

_CASES = int(os.environ.get("L0_TEST_STORE_CASES", "25"))
"""Random histories that a store is compared with the model on."""


class EventStoreSuite:
    """The tests of an event store. Derive a class `Test...` of it, say how the store is opened, and pytest runs them.

        class TestMyStore(EventStoreSuite):
            async def open(self, where):
                return MyStore(where)

    `where` is an empty folder of the test's own; a store that is elsewhere takes its name as a prefix. `survives` says
    whether what was written is there when the store is opened again. `skips` are tests that it is excused from, each
    with the reason.
    """

    survives: ClassVar[bool] = True
    skips: ClassVar[dict[str, str]] = {}

    async def open(self, where: Path) -> EventStore:
        """Open the store, with what is in `where` already."""
        raise NotImplementedError

    async def open_with_ttl(self, where: Path, ttl: int) -> EventStore:
        """Open the store so that its streams expire after `ttl` milliseconds."""
        store = await self.open(where)
        store.ttl = ttl  # type: ignore[attr-defined]
        return store

    async def pass_time(self, store: EventStore, milliseconds: float) -> None:
        """Let time pass for the store."""
        clock = store.clock  # type: ignore[attr-defined]
        store.clock = lambda: clock() + milliseconds  # type: ignore[attr-defined]

    @pytest.fixture(autouse=True)
    def _skipped_for_a_reason(self, request: pytest.FixtureRequest) -> None:
        reason = self.skips.get(getattr(request.node, "originalname", ""))
        if reason is not None:
            pytest.skip(reason)

    @pytest.fixture
    def where(self) -> Any:
        """A folder of the test's own."""
        folder = Path(tempfile.mkdtemp(prefix="l0-store-"))
        yield folder
        shutil.rmtree(folder, ignore_errors=True)

    @asynccontextmanager
    async def opened(self, where: Path) -> AsyncIterator[Any]:
        """The store, closed at the end."""
        store = await self.open(where)
        try:
            yield store
        finally:
            await _close(store)

    # Versions.

    def test_events_come_back_as_they_were_recorded(self, where: Path) -> None:
        async def main() -> None:
            async with self.opened(where) as store:
                events = _events_of_every_kind()
                for seq, event in enumerate(events):
                    await store.append("one", _envelope("one", seq, event))
                found = await store.get_events("one")
                assert [envelope.seq for envelope in found] == list(range(len(events)))
                assert [envelope.event for envelope in found] == events
                assert await store.get_last_event("one") == found[-1]
                assert await store.get_events_after("one", 3) == found[4:]
                assert await store.get_events_after("one", len(found)) == []

        _run(main())

    def test_a_stream_that_does_not_exist_is_empty(self, where: Path) -> None:
        async def main() -> None:
            async with self.opened(where) as store:
                assert await store.get_events("none") == []
                assert await store.get_last_event("none") is None
                assert not await store.exists("none")
                assert not await store.delete("none")
                assert await store.list_streams() == []

        _run(main())

    def test_an_append_out_of_turn_is_refused(self, where: Path) -> None:
        """Another number than the next is refused, and says which is."""

        async def main() -> None:
            from l0_eventsourcing import WrongExpectedVersion

            async with self.opened(where) as store:
                await store.append("one", _token("one", 0))
                for seq in (0, 2, 7):
                    with pytest.raises(WrongExpectedVersion) as refused:
                        await store.append("one", _token("one", seq, "other"))
                    assert (refused.value.expected, refused.value.actual) == (seq, 1)
                with pytest.raises(WrongExpectedVersion):
                    await store.append("two", _token("two", 1))
                assert not await store.exists("two")
                assert len(await store.get_events("one")) == 1

        _run(main())

    def test_the_same_append_again_is_acknowledged_again(self, where: Path) -> None:
        """Whoever did not hear the answer may ask again: nothing is written twice."""

        async def main() -> None:
            async with self.opened(where) as store:
                for seq in range(3):
                    await store.append("one", _token("one", seq))
                await store.append("one", _token("one", 1))
                await store.append("one", _ending("one", 3))
                await store.append("one", _ending("one", 3))
                assert [envelope.seq for envelope in await store.get_events("one")] == [0, 1, 2, 3]

        _run(main())

    def test_nothing_is_appended_after_the_end(self, where: Path) -> None:
        async def main() -> None:
            from l0_eventsourcing import StreamEnded

            async with self.opened(where) as store:
                await store.append("one", _token("one", 0))
                await store.append("one", _ending("one", 1))
                with pytest.raises(StreamEnded):
                    await store.append("one", _token("one", 2))
                assert len(await store.get_events("one")) == 2

        _run(main())

    def test_of_writers_at_once_one_wins_each_number(self, where: Path) -> None:
        """Eight writers of one stream: each number is there once, and the losers are told."""

        async def main() -> None:
            from l0_eventsourcing import WrongExpectedVersion

            stores: list[Any] = [await self.open(where) for _ in range(4 if self.survives else 1)]
            told = 0

            async def write(name: int) -> None:
                nonlocal told
                store, done, seq = stores[name % len(stores)], 0, 0
                while done < 10:
                    try:
                        await store.append("one", _token("one", seq, f"{name}.{done}"))
                        done += 1
                    except WrongExpectedVersion as refused:
                        told += 1
                        seq = refused.actual - 1
                    seq += 1

            await asyncio.gather(*map(write, range(8)))
            found = await stores[0].get_events("one")
            assert [envelope.seq for envelope in found] == list(range(80))
            written = sorted(envelope.event.value for envelope in found)
            assert written == sorted(f"{name}.{done}" for name in range(8) for done in range(10))
            assert told, "nobody lost, so nobody can have been told"
            for store in stores:
                await _close(store)

        _run(main())

    # Names and values.

    def test_any_text_is_an_id(self, where: Path) -> None:
        """Ids are texts and nothing else: no two are one, none leads out of the store."""

        async def main() -> None:
            async with self.opened(where) as store:
                for number, stream_id in enumerate(HOSTILE_IDS):
                    await store.append(stream_id, _token(stream_id, 0, str(number)))
                for number, stream_id in enumerate(HOSTILE_IDS):
                    (envelope,) = await store.get_events(stream_id)
                    assert (envelope.stream_id, envelope.event.value) == (stream_id, str(number))
                assert await store.list_streams() == sorted(HOSTILE_IDS)
                for prefix in ("a", "\ud800", "é", "l0:*", "%", "x" * 50_000):
                    assert await store.list_streams(prefix) == sorted(i for i in HOSTILE_IDS if i.startswith(prefix))
                for stream_id in HOSTILE_IDS:
                    assert await store.delete(stream_id)
                assert await store.list_streams() == []

        _run(main())

    def test_any_text_is_a_value(self, where: Path) -> None:
        async def main() -> None:
            values = ["", "\x00", "\n\r\n", "\ud83d", "🙂", "a" * 1_000_000, '"\\', "\u2028", "\ufeff", "ﷺ" * 10]
            async with self.opened(where) as store:
                for seq, value in enumerate(values):
                    await store.append("one", _token("one", seq, value))
                assert [envelope.event.value for envelope in await store.get_events("one")] == values

        _run(main())

    # Life and death.

    def test_a_deleted_stream_is_gone_whole(self, where: Path) -> None:
        """With its snapshots; its id can be used again, from number 0."""

        async def main() -> None:
            async with self.opened(where) as store:
                await store.append("one", _token("one", 0))
                await store.append("one", _ending("one", 1))
                await _save(store, "one", 1)
                assert await store.delete("one")
                assert not await store.exists("one")
                assert await store.list_streams() == []
                await store.append("one", _token("one", 0, "new"))
                assert [envelope.event.value for envelope in await store.get_events("one")] == ["new"]
                if hasattr(store, "get_snapshot"):
                    assert await store.get_snapshot("one") is None

        _run(main())

    def test_a_stream_expires_whole(self, where: Path) -> None:
        """All of it is there, or none: to read, to look for and to list. It lives on with each event."""

        async def main() -> None:
            store: Any = await self.open_with_ttl(where, 400)
            try:
                await store.append("one", _token("one", 0))
                await store.append("two", _token("two", 0))
                await self.pass_time(store, 250)
                await store.append("one", _token("one", 1))
                await self.pass_time(store, 250)
                assert len(await store.get_events("one")) == 2
                assert await store.get_events("two") == []
                assert await store.get_last_event("two") is None
                assert not await store.exists("two")
                assert await store.list_streams() == ["one"]
                assert not await store.delete("two")
                await store.append("two", _token("two", 0, "new"))
                assert [envelope.event.value for envelope in await store.get_events("two")] == ["new"]
                await self.pass_time(store, 450)
                assert await store.list_streams() == []
            finally:
                await _close(store)

        _run(main())

    def test_what_was_written_is_there_when_it_is_opened_again(self, where: Path) -> None:
        if not self.survives:
            pytest.skip("it keeps nothing for longer than it is open")

        async def main() -> None:
            async with self.opened(where) as store:
                for seq in range(5):
                    await store.append("one", _token("one", seq))
                written = await store.get_events("one")
            async with self.opened(where) as store:
                assert await store.get_events("one") == written
                await store.append("one", _token("one", 5))
                assert await store.list_streams() == ["one"]

        _run(main())

    # Snapshots.

    def test_the_newest_snapshot_before_a_number_is_found(self, where: Path) -> None:
        async def main() -> None:
            async with self.opened(where) as store:
                if not hasattr(store, "save_snapshot"):
                    pytest.skip("it keeps no snapshots")
                for seq in range(10):
                    await store.append("one", _token("one", seq))
                for seq in (2, 5, 8):
                    await _save(store, "one", seq)
                assert (await store.get_snapshot("one")).seq == 8
                for seq, expected in ((9, 8), (8, 8), (7, 5), (2, 2)):
                    assert (await store.get_snapshot_before("one", seq)).seq == expected
                assert await store.get_snapshot_before("one", 1) is None
                assert (await store.get_snapshot("one")).content == "text of 8 🙂\ud800"

        _run(main())

    # Following.

    def test_a_follower_gets_each_event_once_until_the_end(self, where: Path) -> None:
        """From its first number on, those that are there and those to come; a stream may begin after its follower."""

        async def main() -> None:
            async with self.opened(where) as store, self.opened(where) as other:
                writer = other if self.survives else store

                async def follow(from_seq: int) -> list[int]:
                    return [envelope.seq async for envelope in store.subscribe("one", from_seq)]

                followers = [asyncio.create_task(follow(seq)) for seq in (0, 0, 3, 11)]
                for seq in range(11):
                    await writer.append("one", _token("one", seq))
                    await asyncio.sleep(0.005 if seq % 3 else 0)
                await writer.append("one", _ending("one", 11))
                async with asyncio.timeout(10):
                    found = await asyncio.gather(*followers, follow(12))
                assert found == [list(range(12)), list(range(12)), list(range(3, 12)), [11], []]

        _run(main())

    # A whole recording.

    def test_a_recorded_stream_is_replayed_as_it_was(self, where: Path) -> None:
        async def main() -> None:
            from l0_eventsourcing import replay

            async with self.opened(where) as store:
                words = [f"word{number} " for number in range(200)]

                async def source() -> AsyncIterator[str]:
                    for word in words:
                        yield word

                stream = await l0.run(source, record=store)
                got = [event.text async for event in stream if event.is_token]
                replayed = await replay(stream.stream_id, store)
                assert [event.text async for event in replayed.stream if event.is_token] == got == words
                assert replayed.state.outcome == "complete"
                assert replayed.state.token_count == stream.state.token_count

        _run(main())

    # Anything, in any order.

    def test_it_does_what_the_model_does(self) -> None:
        """Random histories of appends, right and wrong, of reading, deleting and opening again."""
        suite = self

        class History(_History):
            owner = suite

        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=_CASES,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
                database=None,
            ),
        )


IDS = st.sampled_from(["a", "A", "b/c", "é", "\x00", "z" * 400])
TEXTS = st.text(st.characters(), max_size=12)


class _History(RuleBasedStateMachine):
    """A store and its model: what each stream holds."""

    owner: Any

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.where = Path(tempfile.mkdtemp(prefix="l0-store-"))
        self.model: dict[str, list[Any]] = {}
        self.snapshots: dict[str, list[int]] = {}
        self.store: Any = self.run(self.owner.open(self.where))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(main)

    def _is_ended(self, stream_id: str) -> bool:
        events = self.model.get(stream_id, [])
        return bool(events) and events[-1].type in ("COMPLETE", "ERROR", "ABORTED")

    @rule(stream_id=IDS, texts=st.lists(TEXTS, min_size=1, max_size=5), at=st.integers(-2, 2))
    def append(self, stream_id: str, texts: list[str], at: int) -> None:
        from l0_eventsourcing import StreamEnded, WrongExpectedVersion

        events = self.model.get(stream_id, [])
        for text in texts:
            seq = len(events) + at
            if seq < 0:
                return
            envelope = _token(stream_id, seq, text)
            if seq < len(events) and events[seq] == envelope.event:
                self.run(self.store.append(stream_id, envelope))
            elif self._is_ended(stream_id) or at:
                with pytest.raises(StreamEnded if self._is_ended(stream_id) else WrongExpectedVersion):
                    self.run(self.store.append(stream_id, envelope))
            else:
                self.run(self.store.append(stream_id, envelope))
                self.model[stream_id] = events = [*events, envelope.event]

    @rule(stream_id=IDS, texts=st.lists(TEXTS, min_size=1, max_size=70), ends=st.booleans())
    def record(self, stream_id: str, texts: list[str], ends: bool) -> None:
        """A batch of a recording: a run of tokens, and perhaps the end."""
        from l0_eventsourcing import StreamEnded, TokenEvent, pack

        events = self.model.get(stream_id, [])
        batch: list[Any] = [TokenEvent(ts=1.0, value=text, index=place) for place, text in enumerate(texts)]
        if ends:
            batch.append(_ending(stream_id, 0).event)
        appended = self.store.append_records(stream_id, pack(len(events), batch))
        if self._is_ended(stream_id):
            with pytest.raises(StreamEnded):
                self.run(appended)
        else:
            self.run(appended)
            self.model[stream_id] = [*events, *batch]

    @rule(stream_id=IDS)
    def delete(self, stream_id: str) -> None:
        existed = self.model.pop(stream_id, None) is not None
        self.snapshots.pop(stream_id, None)
        assert self.run(self.store.delete(stream_id)) == existed

    @rule(stream_id=IDS)
    def snapshot(self, stream_id: str) -> None:
        if stream_id in self.model and hasattr(self.store, "save_snapshot"):
            seq = len(self.model[stream_id]) - 1
            self.run(_save(self.store, stream_id, seq))
            self.snapshots.setdefault(stream_id, []).append(seq)

    @rule(stream_id=IDS, seq=st.integers(0, 80))
    def look_for_a_snapshot(self, stream_id: str, seq: int) -> None:
        if hasattr(self.store, "get_snapshot_before"):
            found = self.run(self.store.get_snapshot_before(stream_id, seq))
            before = [at for at in self.snapshots.get(stream_id, []) if at <= seq]
            assert found is None or found.seq == max(before)
            newest = self.run(self.store.get_snapshot(stream_id))
            assert (newest is not None and newest.seq) == (max(self.snapshots.get(stream_id, []), default=False))

    @rule(stream_id=IDS, after=st.integers(-1, 80))
    def read(self, stream_id: str, after: int) -> None:
        events = self.model.get(stream_id, [])
        found = self.run(self.store.get_events_after(stream_id, after))
        assert [(envelope.seq, envelope.event) for envelope in found] == list(enumerate(events))[after + 1 :]
        assert self.run(self.store.exists(stream_id)) == bool(events)
        last = self.run(self.store.get_last_event(stream_id))
        assert (last and last.event) == (events[-1] if events else None)

    @rule(prefix=st.sampled_from(["", "a", "b/", "é", "zz", "q"]))
    def look_at_the_streams(self, prefix: str) -> None:
        assert self.run(self.store.list_streams(prefix)) == sorted(i for i in self.model if i.startswith(prefix))

    @rule()
    def open_again(self) -> None:
        if self.owner.survives:
            self.run(_close(self.store))
            self.store = self.run(self.owner.open(self.where))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            for stream_id, events in self.model.items():
                found = self.run(self.store.get_events(stream_id))
                assert [envelope.event for envelope in found] == events
            self.run(_close(self.store))
            self.runner.close()
            shutil.rmtree(self.where, ignore_errors=True)


def _run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


async def _close(store: Any) -> None:
    if hasattr(store, "aclose"):
        await store.aclose()


def _envelope(stream_id: str, seq: int, event: Any) -> Any:
    from l0_eventsourcing import EventEnvelope

    return EventEnvelope(stream_id, seq, event)


def _token(stream_id: str, seq: int, value: str = "word") -> Any:
    from l0_eventsourcing import TokenEvent

    return _envelope(stream_id, seq, TokenEvent(ts=1000.0 + seq, value=value, index=seq))


def _ending(stream_id: str, seq: int) -> Any:
    from l0_eventsourcing import CompleteEvent

    return _envelope(stream_id, seq, CompleteEvent(ts=2000.0, content="word", token_count=1))


def _events_of_every_kind() -> list[Any]:
    """One event of each type, the terminal one last, each with something in its fields."""
    import l0_eventsourcing as es

    kinds = [es.StartEvent, es.TokenEvent, es.TokenEvent, es.CheckpointEvent, es.GuardrailEvent, es.DriftEvent]
    kinds += [es.RetryEvent, es.FallbackEvent, es.ContinuationEvent, es.ResetEvent, es.OutputEvent, es.UnknownEvent]
    events = [kind(ts=float(number), extra={"of_a_later_version": [number]}) for number, kind in enumerate(kinds)]
    events[-1].type = "OF_A_LATER_VERSION"
    events[4] = dataclasses.replace(events[4], result=es.GuardrailEventResult([{"rule": "r"}], True))
    events[6] = dataclasses.replace(events[6], error=es.SerializedError("ValueError", "no"))
    return [*events, es.ErrorEvent(ts=99.0, error=es.SerializedError("OSError", "gone"))]


async def _save(store: Any, stream_id: str, seq: int) -> None:
    from l0_eventsourcing import Snapshot

    if hasattr(store, "save_snapshot"):
        await store.save_snapshot(Snapshot(stream_id, seq, 1.0, f"text of {seq} 🙂\ud800", seq, "text"))
