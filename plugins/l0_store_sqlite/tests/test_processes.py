"""Several processes, and what becomes of them: they write, are killed, follow and fork."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from l0_eventsourcing import EventEnvelope, TokenEvent
from l0_store_sqlite import SqliteEventStore
from l0_testing.killing import kill_writers

APPENDS = int(os.environ.get("L0_TEST_STORE_APPENDS", "125"))
"""Appends of each of eight processes."""

WRITE = """
import asyncio, sys
from l0_eventsourcing import CompleteEvent, EventEnvelope, TokenEvent, WrongExpectedVersion
from l0_store_sqlite import SqliteEventStore

async def main(path, name, count, ends):
    done = told = 0
    async with SqliteEventStore(path) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        seq = await store.next_seq("one")
        while done < int(count):
            try:
                event = TokenEvent(ts=1.0, value=f"{name}.{done}", index=seq)
                await store.append("one", EventEnvelope("one", seq, event))
                done, seq = done + 1, seq + 1
            except WrongExpectedVersion as refused:
                told, seq = told + 1, refused.actual
        if ends:
            await store.append("one", EventEnvelope("one", seq, CompleteEvent(ts=1.0)))
    print(told)

asyncio.run(main(*sys.argv[1:]))
"""


def start(path: Path, name: str, count: int, ends: str = "") -> subprocess.Popen[str]:
    """A process that appends so many events, from when it is told to."""
    command = [sys.executable, "-c", WRITE, str(path), name, str(count), ends]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> int:
    """How often it was told that another was there first."""
    with process:
        said, _ = process.communicate("\n", timeout=100)
    assert process.returncode == 0
    return int(said)


def test_of_eight_processes_that_write_one_stream_one_wins_each_number(tmp_path: Path) -> None:
    """None of them finds the file there: they make it together."""
    path = tmp_path / "events.db"
    processes = [start(path, str(name), APPENDS) for name in range(8)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = sum(map(finish, processes))

    async def main() -> None:
        async with SqliteEventStore(path) as store:
            events = await store.get_events("one")
            assert [envelope.seq for envelope in events] == list(range(8 * APPENDS))
            values = [envelope.event.value for envelope in events]  # type: ignore[attr-defined]
            assert sorted(values) == sorted(f"{name}.{done}" for name in range(8) for done in range(APPENDS))
            for name in range(8):
                of_one = [value for value in values if value.startswith(f"{name}.")]
                assert of_one == [f"{name}.{done}" for done in range(APPENDS)]

    asyncio.run(main())
    assert told > 0


def test_a_follower_gets_what_another_process_writes(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "events.db"
        async with SqliteEventStore(path) as store:
            writer = await asyncio.to_thread(start, path, "other", 200, "ends")

            async def follow(from_seq: int) -> list[int]:
                return [envelope.seq async for envelope in store.subscribe("one", from_seq)]

            followers = asyncio.gather(*map(follow, (0, 0, 150)))
            await asyncio.to_thread(finish, writer)
            async with asyncio.timeout(30):
                assert await followers == [list(range(201)), list(range(201)), list(range(150, 201))]

    asyncio.run(main())


def test_what_was_acknowledged_survives_the_death_of_its_writer(tmp_path: Path) -> None:
    times = int(os.environ.get("L0_TEST_STORE_KILLS", "10"))
    tally = kill_writers(f"sqlite:///{tmp_path}/events.db", times, preload=["l0_store_sqlite"])
    assert tally.is_clean, tally
    assert tally.kills == times
    assert tally.acknowledged > 0


def token(stream_id: str, seq: int) -> EventEnvelope:
    return EventEnvelope(stream_id, seq, TokenEvent(ts=1.0, value="word", index=seq))


def child_of_fork(work: Any) -> int:
    """The id of a process that does some work and ends, with 0 if that went well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # It forks while it has threads; that is what is tested.
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        asyncio.run(work())
        status = 0
    finally:
        os._exit(status)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_process_forks_while_it_writes_and_parent_and_children_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteEventStore(tmp_path / "events.db")
        children: list[int] = []

        async def write(stream_id: str, count: int) -> None:
            for seq in range(count):
                await store.append(stream_id, token(stream_id, seq))
            assert await store.next_seq(stream_id) == count

        def started(name: str) -> int:
            async def work() -> None:
                await write(name, 20)
                assert await store.exists("parent-0")
                if name in ("child-1", "child-2"):  # The others leave it open.
                    await store.aclose()

            return child_of_fork(work)

        await store.append("parent-0", token("parent-0", 0))
        await store.delete("parent-0")
        writers = [asyncio.create_task(write(f"parent-{number}", 200)) for number in range(5)]
        for number in range(8):
            for _ in range(10):
                await store.next_seq("parent-0")
            children.append(started(f"child-{number}"))
        await asyncio.gather(*writers)
        for child in children:
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert status == 0
        for name in [f"parent-{number}" for number in range(5)]:
            assert len(await store.get_events(name)) == 200
        for name in [f"child-{number}" for number in range(8)]:
            assert len(await store.get_events(name)) == 20
        integrity = await store._file.read(lambda connection: connection.execute("PRAGMA integrity_check").fetchall())
        assert integrity == [("ok",)]
        await store.aclose()

    asyncio.run(main())


def links_of_open_files() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # The one by which the folder was read.
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be listed here")
def test_a_child_inherits_no_open_file(tmp_path: Path) -> None:
    """SQLite's locks are of a process: a child that had its parent's files would have locks that it does not have."""

    async def main() -> None:
        async with SqliteEventStore(tmp_path / "events.db") as store:
            await store.append("one", token("one", 0))
            assert await store.exists("one")
            assert [link for link in links_of_open_files() if "events.db" in link]

            async def look() -> None:
                links = await asyncio.to_thread(links_of_open_files)
                assert links
                assert not [link for link in links if "events.db" in link]

            _, status = await asyncio.to_thread(os.waitpid, child_of_fork(look), 0)
            assert status == 0
            await store.append("one", token("one", 1))

    asyncio.run(main())
