"""Several processes, event loops and threads at one database."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from l0_eventsourcing import EventEnvelope, StreamEnded, TokenEvent, WrongExpectedVersion
from l0_eventsourcing.codec import pack
from l0_store_postgres import PostgresEventStore, connections
from l0_testing.leaks import LeakCheck

from l0_core import StoreError

APPENDS = int(os.environ.get("L0_TEST_STORE_APPENDS", "125"))
"""Appends of each of the eight processes."""

PATIENCE = 100 + APPENDS
"""Seconds for all of them."""


def started(dsn: str, name: str, appends: int, durability: str = "process") -> subprocess.Popen[str]:
    """A process that waits for a line before it does anything."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("writer.py")), dsn, durability, name, str(appends)],
        env={**os.environ, "PYTHONPATH": path}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def lines(process: subprocess.Popen[str]) -> list[int]:
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return [int(line) for line in output.splitlines()]


async def events(dsn: str) -> list[EventEnvelope]:
    async with PostgresEventStore(dsn) as store:
        return await store.get_events("one")


@pytest.mark.timeout(PATIENCE + 20)
def test_of_processes_at_once_one_wins_each_number(dsn: str) -> None:
    """Eight processes that open a database at the same moment, in which there is nothing yet, and write to one stream:
    each number is there once, and the losers are told."""
    processes = [started(dsn, str(number), APPENDS) for number in range(8)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    acknowledged: list[int] = []
    told = 0
    for process in processes:
        *numbers, lost = lines(process)
        acknowledged += numbers
        told += lost
    found = asyncio.run(events(dsn))
    assert sorted(acknowledged) == [envelope.seq for envelope in found] == list(range(8 * APPENDS))
    written = {f"{name}.{number}" for name in range(8) for number in range(APPENDS)}
    assert {envelope.event.value for envelope in found if isinstance(envelope.event, TokenEvent)} == written
    assert told, "nobody lost, so nobody can have been told"


@pytest.mark.parametrize("durability", ["power", "process"])
def test_what_was_acknowledged_survives_the_killing_of_the_process(dsn: str, durability: str) -> None:
    """At a moment of chance; what was not acknowledged is there, or not, and the stream can be gone on with."""
    kept = 0
    for number in range(5):
        process = started(dsn, str(number), 1_000_000, durability)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        said = [process.stdout.readline() for _ in range(random.randrange(1, 40))]
        process.kill()
        with process:
            said += process.stdout.readlines()
        first, *others = acknowledged = [int(line) for line in said if line.endswith("\n")]
        assert first - kept in (0, 1), "the server may have gone on with what the killed process had sent"
        assert others == list(range(first + 1, first + len(acknowledged)))
        kept = len(found := asyncio.run(events(dsn)))
        assert [envelope.seq for envelope in found] == list(range(kept))
        assert kept - acknowledged[-1] in (1, 2), "the last may have been made without an answer"


def test_a_store_is_used_from_one_loop_after_another(dsn: str, fetch: Any) -> None:
    """Nobody closes it: its connections are closed with each loop, with nothing left behind."""
    store = PostgresEventStore(dsn)

    async def main(seq: int) -> int:
        waiting = asyncio.create_task(store.wait_for("one", seq, 60.0))
        await store.append("one", EventEnvelope("one", seq, TokenEvent(ts=1.0)))
        await waiting
        return len(await store.get_events("one"))

    for seq in range(3):
        with LeakCheck():
            assert asyncio.run(main(seq)) == seq + 1

    async def gone() -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
        async with asyncio.timeout(10):
            while await fetch(query, dsn.rpartition("=")[2]) != [(0,)]:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)

    asyncio.run(gone())


def test_a_store_is_used_from_two_loops_at_once(dsn: str) -> None:
    store = PostgresEventStore(dsn)
    failures: list[BaseException] = []

    async def write(name: str) -> None:
        async with store:
            await asyncio.gather(*(store.append(name, TokenEvent(ts=1.0)) for _ in range(10)))

    def run(name: str) -> None:
        try:
            asyncio.run(write(name))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures

    async def read() -> list[int]:
        return [len(await store.get_events(name)) for name in "ab"]

    assert asyncio.run(read()) == [10, 10]


def test_a_store_can_be_used_again_after_it_was_closed(dsn: str) -> None:
    async def main() -> None:
        store = PostgresEventStore(dsn)
        for seq in range(3):
            async with LeakCheck():
                await store.append("one", EventEnvelope("one", seq, TokenEvent(ts=1.0)))
                await store.wait_for("one", seq, 1.0)
                await store.aclose()
        await store.aclose()

    asyncio.run(main())


def test_many_at_once_share_a_few_connections(dsn: str, fetch: Any) -> None:
    """The first use of a store, by two hundred at the same moment."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            await asyncio.gather(*(store.append(f"stream {number}", TokenEvent(ts=1.0)) for number in range(200)))
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
            ((count,),) = await fetch(query, dsn.rpartition("=")[2])
            assert 1 <= count <= connections.CONNECTIONS
            assert len(await store.list_streams()) == 200

    asyncio.run(main())


def test_writing_and_deleting_at_once_leave_no_part_of_a_stream(dsn: str, fetch: Any) -> None:
    """Records belong to a stream, are without gaps, and end where it says."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:

            async def write() -> None:
                for _ in range(60):
                    seq = await store.next_seq("one")
                    batch: list[Any] = [TokenEvent(ts=1.0, index=index, extra={"n": index}) for index in range(3)]
                    try:
                        await store.append_records("one", pack(seq, batch))
                        await store.write_snapshot("one", seq, b"{}")
                    except (WrongExpectedVersion, StreamEnded):
                        pass

            async def delete() -> None:
                for _ in range(60):
                    await store.delete("one")

            await asyncio.gather(write(), write(), write(), delete())
            await store.append("one", TokenEvent(ts=1.0))
            found = await store.get_records("one")
            head = await store.read_head("one")
            assert head is not None
            assert [record.seq for record in found] == list(range(head.next_seq))
            assert await fetch("SELECT count(*) FROM l0_records", dsn=dsn) == [(head.next_seq,)]
            await store.delete("one")
            for table in ("l0_streams", "l0_records", "l0_snapshots"):
                assert await fetch(f"SELECT count(*) FROM {table}", dsn=dsn) == [(0,)]

    asyncio.run(main())


@pytest.mark.parametrize(("durability", "setting"), [("power", "on"), ("process", "off")])
def test_durability_decides_whether_the_disk_is_waited_for(dsn: str, durability: Any, setting: str) -> None:
    """Whatever the server, the role or the dsn has for a default."""

    async def main() -> None:
        other = "off" if setting == "on" else "remote_write"
        async with PostgresEventStore(f"{dsn}&synchronous_commit={other}", durability=durability) as store:

            async def look(connection: Any) -> Any:
                return await connection.fetchval("SHOW synchronous_commit")

            assert await store._connections.run("looking", look) == setting

    asyncio.run(main())


def test_a_token_segment_is_one_row(dsn: str, fetch: Any) -> None:
    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            batch: list[Any] = [TokenEvent(ts=1.0, value="word", index=index) for index in range(60)]
            await store.append_records("one", pack(0, batch))
            assert await fetch("SELECT seq, count FROM l0_records", dsn=dsn) == [(0, 60)]
            assert [envelope.seq for envelope in await store.get_events_after("one", 41)] == list(range(42, 60))

    asyncio.run(main())


def test_what_is_past_its_time_is_purged_from_the_tables(dsn: str, fetch: Any) -> None:
    async def main() -> None:
        async with PostgresEventStore(dsn, ttl=1000) as store:
            now = 5_000_000.0
            store.clock = lambda: now
            await store.append("old", TokenEvent(ts=1.0))
            now += 900
            await store.append("new", TokenEvent(ts=1.0))
            now += 900
            assert await store.purge() == 1
            assert await fetch("SELECT stream_id, ts FROM l0_streams", dsn=dsn) == [(b"new", 5_000_900.0)]
            assert await fetch("SELECT count(*) FROM l0_records", dsn=dsn) == [(1,)]

    asyncio.run(main())


def test_no_more_than_eight_snapshots_are_kept(dsn: str, fetch: Any) -> None:
    """The newest, whichever was saved last."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            await store.append("one", TokenEvent(ts=1.0))
            for seq in (*range(0, 24, 2), 5, 22):
                await store.write_snapshot("one", seq, b"%d" % seq)
            await store.write_snapshot("no such stream", 1, b"")
            kept = [seq for (seq,) in await fetch("SELECT seq FROM l0_snapshots ORDER BY seq", dsn=dsn)]
            assert kept[-8:] == list(range(8, 24, 2))
            assert len(kept) <= 9
            assert [await store.read_snapshot("one", seq) for seq in (9, 8, 100)] == [b"8", b"8", b"22"]

    asyncio.run(main())


def test_a_table_that_is_no_longer_there_is_an_error_that_names_it(dsn: str, fetch: Any) -> None:
    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            await store.append("one", TokenEvent(ts=1.0))
            await fetch("DROP TABLE l0_snapshots, l0_records", dsn=dsn)
            with pytest.raises(StoreError, match='"l0_records" does not exist') as refused:
                await store.append("two", TokenEvent(ts=1.0))
            assert isinstance(refused.value.__cause__, asyncpg.UndefinedTableError)

    asyncio.run(main())
