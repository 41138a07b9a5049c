"""What this store promises beyond what every store does."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from l0_eventsourcing import (
    CompleteEvent,
    EventEnvelope,
    Record,
    Snapshot,
    StoreUnavailable,
    TokenEvent,
    WrongExpectedVersion,
)
from l0_store_sqlite import SqliteEventStore, database, watch
from l0_testing import LeakCheck

from l0_core import StoreError


def token(stream_id: str, seq: int, value: str = "word") -> EventEnvelope:
    return EventEnvelope(stream_id, seq, TokenEvent(ts=1.0, value=value, index=seq))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else is writing to the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_stores_of_different_prefixes_share_a_file_and_do_not_see_each_other(tmp_path: Path) -> None:
    async def main() -> None:
        path, prefixes = tmp_path / "events.db", ["l0", "l", "", "l0:", "L0", "\ud800", "%"]
        stores = [SqliteEventStore(path, prefix) for prefix in prefixes]
        for number, store in enumerate(stores):
            await store.append("one", token("one", 0, f"of {number}"))
            await store.append(f"only {number}", token(f"only {number}", 0))
        for number, store in enumerate(stores):
            assert await store.list_streams() == ["one", f"only {number}"]
            assert [each.event.value for each in await store.get_events("one")] == [f"of {number}"]  # type: ignore[attr-defined]
        assert await stores[0].delete("one")
        assert [await store.exists("one") for store in stores] == [False, *[True] * (len(stores) - 1)]
        for store in stores:
            await store.aclose()

    asyncio.run(main())


def test_of_a_group_that_is_written_together_the_refused_are_told_and_the_others_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused for its number, or for what cannot be written: of neither anything is kept."""
    groups: list[int] = []
    has_begun = threading.Event()
    transaction = database.Channel._transaction

    def counted(channel: database.Channel, jobs: Any) -> Any:
        groups.append(len(jobs))
        has_begun.set()
        return transaction(channel, jobs)

    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store:
            await store.append("first", token("first", 0))
            monkeypatch.setattr(database.Channel, "_transaction", counted)
            unwritable = [Record(0, 1, b"{}"), Record(1, 1, object())]  # type: ignore[arg-type]
            with locked(path):
                # The first one waits for the lock, and the others gather behind it.
                appends = [asyncio.create_task(store.append("zero", token("zero", 0)))]
                await asyncio.to_thread(has_begun.wait, 10)
                appends += [asyncio.create_task(store.append(f"s{n}", token(f"s{n}", n % 2))) for n in range(6)]
                appends += [asyncio.create_task(store.append_records("unwritable", unwritable))]
                await asyncio.sleep(0)
            results = await asyncio.gather(*appends, return_exceptions=True)
            refused = [type(result) for result in results]
            nothing, told = type(None), WrongExpectedVersion
            assert refused == [nothing, nothing, told, nothing, told, nothing, told, StoreError]
            assert max(groups) == 7
            assert await store.list_streams() == ["first", "s0", "s2", "s4", "zero"]

    asyncio.run(main())


def test_a_file_that_stays_locked_is_unavailable_and_then_available_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store:
            await store.append("one", token("one", 0))
            monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
            await store.aclose()
            with locked(path), pytest.raises(StoreUnavailable, match=r"events\.db is locked"):
                await store.append("one", token("one", 1))
            await store.append("one", token("one", 1))
            assert await store.next_seq("one") == 2

    asyncio.run(main())


def test_neither_readers_nor_the_event_loop_wait_for_a_writer_that_waits_for_a_lock(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store:
            await store.append("one", token("one", 0))
            with locked(path):
                append = asyncio.create_task(store.append("one", token("one", 1)))
                for _ in range(100):
                    assert len(await store.get_events("one")) == 1
                assert not append.done()
            await append
            assert len(await store.get_events("one")) == 2

    asyncio.run(main())


def test_the_thread_of_the_event_loop_never_touches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[int]] = {"opened": set(), "worked": set(), "closed": set()}

    def noting(what: str, function: Any) -> Any:
        def note(*args: Any) -> Any:
            threads[what].add(threading.get_ident())
            return function(*args)

        return note

    monkeypatch.setattr(database, "_connect", noting("opened", database._connect))
    monkeypatch.setattr(database, "_outcome", noting("worked", database._outcome))
    monkeypatch.setattr(database.Channel, "close", noting("closed", database.Channel.close))

    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            await store.append("one", token("one", 0))
            await store.save_snapshot(Snapshot("one", 0, 1.0, "word", 1, ""))
            assert await store.get_snapshot("one")
            assert await store.list_streams() == ["one"]
            await store.delete("one")

    asyncio.run(main())
    assert all(threads.values())
    assert not any(threading.get_ident() in found for found in threads.values())


def test_a_store_that_was_closed_opens_again(tmp_path: Path) -> None:
    """In another event loop too. Closed twice, or never used, is no error."""
    store = SqliteEventStore(tmp_path / "events.db")

    async def write(seq: int) -> None:
        async with LeakCheck():
            await store.append("one", token("one", seq))
            await store.aclose()
            await store.aclose()

    asyncio.run(store.aclose())
    assert not os.listdir(tmp_path)
    for seq in range(3):
        asyncio.run(write(seq))
    assert os.listdir(tmp_path) == ["events.db"]


def test_what_is_queued_is_written_before_it_closes(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "events.db"
        store = SqliteEventStore(path)
        appends = [asyncio.create_task(store.append(f"{number}", token(f"{number}", 0))) for number in range(200)]
        await asyncio.sleep(0)
        await store.aclose()
        await asyncio.gather(*appends)
        async with SqliteEventStore(path) as store:
            assert len(await store.list_streams()) == 200

    asyncio.run(main())


def test_a_store_that_nobody_closed_goes_without_a_warning(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "events.db")
    asyncio.run(store.append("one", token("one", 0)))
    del store
    until = time.monotonic() + 30
    while os.listdir(tmp_path) != ["events.db"]:  # The thread may have yet to return from its last job.
        gc.collect()
        assert time.monotonic() < until


def test_only_its_owner_can_read_the_files(tmp_path: Path) -> None:
    async def main() -> None:
        before = os.umask(0o022)
        try:
            folder = tmp_path / "new"
            async with SqliteEventStore(folder / "events.db") as store:
                await store.append("one", token("one", 0))
                found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
                assert found == {"events.db": 0o600, "events.db-wal": 0o600, "events.db-shm": 0o600}
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        finally:
            os.umask(before)

    asyncio.run(main())


def test_nothing_of_a_deleted_stream_is_left_in_any_file(tmp_path: Path) -> None:
    """Of streams that share pages with others, in records and snapshots of every size, and in their ids."""

    def left() -> bytes:
        return b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))

    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            for round_ in range(40):
                for number in range(20):
                    stream_id = f"{'canary' if number % 2 else 'kept'}-{number}"
                    body = f"{stream_id} ".encode() * (1 + round_ * number % 97)
                    await store.append_records(stream_id, [Record(round_, 1, body)])
                    await store.write_snapshot(stream_id, round_, body)
        assert b"canary" in left()
        async with SqliteEventStore(tmp_path / "events.db") as store:
            for stream_id in await store.list_streams("canary"):
                assert await store.delete(stream_id)
        assert b"canary" not in left()
        assert b"kept" in left()
        assert os.listdir(tmp_path) == ["events.db"]
        async with SqliteEventStore(tmp_path / "events.db") as store:
            assert len(await store.list_streams()) == 10
            assert len(await store.read_records("kept-2")) == 40

    asyncio.run(main())


def test_the_newest_eight_snapshots_are_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            await store.append("one", token("one", 0))
            for seq in range(20):
                await store.write_snapshot("one", seq, str(seq).encode())
            assert [await store.read_snapshot("one", seq) for seq in (11, 12, 99)] == [None, b"12", b"19"]
            await store.write_snapshot("none", 1, b"of no stream")
            assert await store.read_snapshot("none", 1) is None

    asyncio.run(main())


def test_followers_are_told_at_once_of_what_their_own_store_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PERIOD", 3600.0)

    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            read: asyncio.Queue[int] = asyncio.Queue()

            async def follow() -> None:
                async for envelope in store.subscribe("one"):
                    read.put_nowait(envelope.seq)

            follower = asyncio.create_task(follow())
            for seq in range(50):
                await store.append("one", token("one", seq))
                assert await asyncio.wait_for(read.get(), 10) == seq
            await store.append("one", EventEnvelope("one", 50, CompleteEvent(ts=1.0)))
            await follower

    asyncio.run(main())


def test_followers_share_one_look_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred that wait for 0.3 s look 0.3 s / 20 ms times together, and only once at more than the version."""
    looks: list[object] = []
    look = SqliteEventStore._look

    async def counted(store: SqliteEventStore, version: object, awaited: Any) -> Any:
        looks.append(version)
        return await look(store, version, awaited)

    monkeypatch.setattr(SqliteEventStore, "_look", counted)

    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            await store.append("one", token("one", 0))
            await asyncio.gather(*(store.wait_for(f"{number}", 0, 0.3) for number in range(100)))

    asyncio.run(main())
    assert 1 <= len(looks) <= 16
    assert looks.count(None) == 1


def test_a_change_while_the_file_was_closed_is_seen(tmp_path: Path) -> None:
    """As it is before a fork. The versions that two connections see are not comparable."""

    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store, SqliteEventStore(path) as other:
            version, changed = await store._look(None, {"one": 0})
            assert not changed
            for seq in range(5):
                assert (await store._look(version, {"one": seq}))[1] == ()
                await store.aclose()
                await other.append("one", token("one", seq))
                version, changed = await store._look(version, {"one": seq})
                assert list(changed) == ["one"]

    asyncio.run(main())


def test_a_follower_learns_that_its_stream_was_deleted_by_another_store(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store, SqliteEventStore(path) as other:
            await store.append("one", token("one", 0))
            events = store.subscribe("one")
            assert (await anext(events)).seq == 0
            next_event = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            await other.delete("one")
            with pytest.raises(StoreError, match="deleted while it was followed"):
                await asyncio.wait_for(next_event, 10)

    asyncio.run(main())


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_store_without_a_file_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="InMemoryEventStore"):
        SqliteEventStore(path)


def test_an_unknown_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'process' or 'power'"):
        SqliteEventStore(tmp_path / "x.db", durability="never")  # type: ignore[arg-type]


def test_traces_that_cannot_be_swept_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes to the file meanwhile: what was deleted is deleted, and may be left in free space."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)

    async def main() -> None:
        path = tmp_path / "events.db"
        store = SqliteEventStore(path)
        for seq in range(3):
            await store.append("one", token("one", seq))
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            assert await store.delete("one")
            connection.execute("BEGIN IMMEDIATE")
            await store.aclose()
        assert "traces of deleted streams may be left in free space" in caplog.text
        async with SqliteEventStore(path) as again:
            assert not await again.exists("one")

    asyncio.run(main())


def test_a_follower_is_told_what_is_the_matter_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store:
            await store.append("one", token("one", 0))
            events = store.subscribe("one")
            assert (await anext(events)).seq == 0
            next_event = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.05)
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("PRAGMA user_version = 99")
                for table in ("records", "snapshots", "streams"):
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
            with pytest.raises(StoreError):
                await asyncio.wait_for(next_event, 10)

    asyncio.run(main())


def test_what_is_written_when_all_followers_have_gone_is_there_for_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            await store.append("one", token("one", 0))
            first = store.subscribe("one", 1)
            waiting = asyncio.ensure_future(anext(first))
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait([waiting])
            await asyncio.sleep(0.1)
            await store.append("one", token("one", 1))
            assert (await asyncio.wait_for(anext(store.subscribe("one", 1)), 5)).seq == 1

    asyncio.run(main())
