"""Many processes share a folder, and some of them are forked."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Any

import pytest
from l0_eventsourcing import Record, StoreUnavailable, WrongExpectedVersion
from l0_store_file import FileEventStore, locked
from l0_store_file.lines import dump

PROCESSES = 8
APPENDS = int(os.environ.get("L0_TEST_STORE_APPENDS", "125"))

WRITER = """
import asyncio, json, sys
from l0_eventsourcing import Record, WrongExpectedVersion
from l0_store_file import FileEventStore

async def main(where, name, appends):
    told = 0
    async with FileEventStore(where) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        seq = done = 0
        while done < appends:
            try:
                await store.append_records("one", [Record(seq, 1, b'{"by":"%b","number":%d}' % (name, done))])
                done += 1
                seq += 1
            except WrongExpectedVersion as refused:
                told += 1
                seq = refused.actual
    print(told, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])))
"""


def record(seq: int) -> Record:
    return Record(seq, 1, b'{"n":%d}' % seq)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.mark.timeout(600)
def test_of_many_processes_one_wins_each_number(tmp_path: Path) -> None:
    """Every number is there once, everything is there once, and the losers are told."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), f"w{name}", str(APPENDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in range(PROCESSES)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        told = [int(writer.communicate()[0]) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert sum(told) > 0, "nobody lost, so nobody can have been told"

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            found = await store.read_records("one")
            assert [each.seq for each in found] == list(range(PROCESSES * APPENDS))
            done = sorted((json.loads(each.body)["by"], json.loads(each.body)["number"]) for each in found)
            assert done == sorted((f"w{name}", number) for name in range(PROCESSES) for number in range(APPENDS))
            assert store.damaged == []

    run(main())


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no list of open files")
def test_a_child_opens_files_of_its_own(tmp_path: Path) -> None:
    """The store goes on in both processes, each with a thread and descriptors of its own."""

    def open_logs() -> list[str]:
        names = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                names.append(os.readlink(f"/proc/self/fd/{fd}"))
            except FileNotFoundError:
                continue  # The folder's own, which was open while it was listed.
        return [name for name in names if Path(name).is_relative_to(tmp_path)]

    async def write(first: int) -> None:
        for seq in range(first, first + 3):
            await store.write_records("one", [record(seq)])

    store = FileEventStore(tmp_path)
    with asyncio.Runner() as runner:
        runner.run(write(0))
        assert len(open_logs()) == 1
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert open_logs() == []
                asyncio.run(write(3))
                asyncio.run(store.aclose())
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(WrongExpectedVersion) as refused:
            runner.run(write(3))
        assert refused.value.actual == 6
        runner.run(write(6))
        assert runner.run(store.read_records("one")) == [record(seq) for seq in range(9)]
        assert store.damaged == []
        runner.run(store.aclose())


def test_what_another_is_in_the_middle_of_writing_is_neither_read_nor_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked, "PATIENCE", 0.02)
    line = dump(record(1))

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(0)])
            other = os.open(tmp_path / "l0/s-one.log", os.O_WRONLY | os.O_APPEND)
            flock(other, LOCK_EX)
            os.write(other, line[:9])
            size = os.fstat(other).st_size
            for doing in (store.read_records, store.read_head, store.delete, store.next_seq):
                with pytest.raises(StoreUnavailable, match="locked by another process"):
                    await doing("one")
            assert os.fstat(other).st_size == size
            os.write(other, line[9:])
            flock(other, LOCK_UN)
            os.close(other)
            assert await store.read_records("one") == [record(0), record(1)]

    run(main())


def test_a_stream_that_another_store_deletes_begins_anew(tmp_path: Path) -> None:
    """Although its old file is still open here."""

    async def main() -> None:
        async with FileEventStore(tmp_path) as one, FileEventStore(tmp_path) as other:
            for _ in range(3):
                await one.write_records("one", [record(0), record(1)])
                await one.write_snapshot("one", 1, b"{}")
                assert await other.next_seq("one") == 2
                assert await other.remove("one")
                assert await one.read_head("one") is None
                assert await one.read_snapshot("one", 9) is None
                with pytest.raises(WrongExpectedVersion) as refused:
                    await one.write_records("one", [record(2)])
                assert refused.value.actual == 0
                assert not await one.remove("one")

    run(main())
    assert list((tmp_path / "l0").iterdir()) == []
