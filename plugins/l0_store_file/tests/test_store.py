"""What is said of the store in files beside what any store promises."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Any

import l0_store_file.log
import l0_store_file.store
import pytest
from l0_eventsourcing import InMemoryEventStore, Record, StreamEnded, WrongExpectedVersion
from l0_store_file import FileEventStore, lines, system


def record(seq: int, count: int = 1, size: int = 5) -> Record:
    return Record(seq, count, b'{"n":%d,"value":"%b"}' % (seq, b"x" * size))


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_reading_from_anywhere_is_reading_what_the_model_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is remembered of places in the log, and however it is cut into reads."""
    monkeypatch.setattr(l0_store_file.log, "SPACING", 200)
    monkeypatch.setattr(lines.read_lines, "__defaults__", (64,))
    dice = random.Random(7)

    async def main() -> None:
        model = InMemoryEventStore()
        async with FileEventStore(tmp_path) as store:
            seq = 0
            for _ in range(120):
                more = record(seq, dice.randint(1, 60), dice.choice((0, 3, 100, 900)))
                seq = more.end
                await store.write_records("one", [more])
                await model.write_records("one", [more])
            async with FileEventStore(tmp_path) as other:
                for each in (store, other):
                    for _ in range(300):
                        at, limit = dice.randrange(-1, seq + 2), dice.choice((None, 0, 1, 2, 50))
                        assert await each.read_records("one", at, limit) == await model.read_records("one", at, limit)

    run(main())


def test_an_append_costs_the_same_whatever_the_size_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many calls to the system, and eight bytes read: the checksum of the last line."""
    calls: list[str] = []
    read: list[int] = []

    def pread(fd: int, size: int, at: int) -> bytes:
        data = os.pread(fd, size, at)
        read.append(len(data))
        return data

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            costs = []
            for seq in (0, 1_000, 30_000):
                await store.write_records("one", [record(each) for each in range(await store.next_seq("one"), seq + 1)])
                with monkeypatch.context() as patch:
                    patch.setattr(system, "pread", pread)
                    for name in ("open_file", "fstat", "lstat", "flock", "write"):
                        patch.setattr(system, name, _counted(name, calls))
                    await store.write_records("one", [record(seq + 1)])
                costs.append((sorted(calls), sum(read)))
                calls.clear()
                read.clear()
            assert costs[0] == costs[1] == costs[2] == (["flock", "flock", "fstat", "lstat", "write"], 8)

    run(main())


def _counted(name: str, calls: list[str]) -> Any:
    real = getattr(system, name)

    def call(*args: Any) -> Any:
        calls.append(name)
        return real(*args)

    return call


def test_writes_that_wait_are_written_in_one_go_and_each_is_judged_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(0)])
            monkeypatch.setattr(system, "write", _counted("write", writes))
            with (tmp_path / "l0/s-one.log").open() as other:
                flock(other, LOCK_EX)
                reading = asyncio.create_task(store.read_records("one"))
                await asyncio.sleep(0)
                jobs = [store.write_records("one", [record(seq)]) for seq in (*range(1, 60), 7, 99)]
                jobs += [store.write_records("two", [record(seq)]) for seq in (0, 1, 0)]
                jobs.append(store.write_records("one", [Record(60, 1, b"{}", is_terminal=True), record(61)]))
                jobs.append(store.write_records("one", [Record(60, 1, b"{}", is_terminal=True)]))
                jobs.append(store.write_records("one", [record(61)]))
                waiting = asyncio.gather(*jobs, return_exceptions=True)
                await asyncio.sleep(0)
                flock(other, LOCK_UN)
                results = await waiting
                await reading
            assert len(writes) == 2, "one for each stream"
            refused = {place: result for place, result in enumerate(results) if result is not None}
            assert {place: type(result) for place, result in refused.items()} == {
                **dict.fromkeys((59, 60, 63), WrongExpectedVersion),
                **dict.fromkeys((64, 66), StreamEnded),
            }
            assert refused[60].actual == 60
            assert [each.seq for each in await store.read_records("one")] == list(range(61))
            assert await store.read_records("two") == [record(0), record(1)]

    run(main())


def test_the_thread_of_the_event_loop_never_touches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    for name in system.__all__:
        if callable(real := getattr(system, name)):

            def shim(*args: Any, real: Any = real, **options: Any) -> Any:
                threads.add(threading.current_thread())
                return real(*args, **options)

            monkeypatch.setattr(system, name, shim)

    async def main() -> None:
        async with FileEventStore(tmp_path, ttl=10_000, durability="power") as store:
            await store.write_records("one", [record(0)])
            await store.write_snapshot("one", 0, b"{}")
            await store.wait_for("one", 0, 1)
            assert await store.list_streams() == ["one"]
            assert await store.read_snapshot("one", 0) == b"{}"
            assert await store.delete("one")

    run(main())
    (thread,) = threads
    assert thread.name.startswith("l0-store-file")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no list of open files")
def test_few_files_are_open_however_many_streams_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l0_store_file.store, "OPEN", 4)
    monkeypatch.setattr(l0_store_file.store, "KNOWN", 8)
    ids = [f"stream-{number}" for number in range(20)]

    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        async with FileEventStore(tmp_path) as store:
            for seq in range(3):
                for stream_id in ids:
                    await store.write_records(stream_id, [record(seq)])
            for stream_id in ids:
                assert await store.read_records(stream_id) == [record(seq) for seq in range(3)]
            assert await store.list_streams() == sorted(ids)
            assert len(os.listdir("/proc/self/fd")) == before + 4
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


def test_what_is_known_of_a_log_is_checked_when_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not looked through again, unless it is another."""
    monkeypatch.setattr(l0_store_file.store, "OPEN", 1)
    read: list[int] = []

    def pread(fd: int, size: int, at: int) -> bytes:
        read.append(size)
        return os.pread(fd, size, at)

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(seq) for seq in range(100)])
            await store.write_records("two", [record(0)])
            with monkeypatch.context() as patch:
                patch.setattr(system, "pread", pread)
                assert await store.next_seq("one") == 100
            assert read == [8]
            async with FileEventStore(tmp_path) as other:
                await other.remove("one")
                await other.write_records("one", [record(seq, 2) for seq in range(0, 240, 2)])
            await store.read_head("two")
            assert await store.next_seq("one") == 240

    run(main())


def test_a_follower_waits_without_asking_for_more_than_it_must(tmp_path: Path) -> None:
    """A write that was cut short is not something new; an event is, at once, and so is the end of the stream."""

    async def main() -> None:
        async with FileEventStore(tmp_path) as store, FileEventStore(tmp_path) as other:
            await store.wait_for("one", 0, 0.01)
            await other.write_records("one", [record(0)])
            await asyncio.wait_for(store.wait_for("one", 0, 60), 10)
            with (tmp_path / "l0/s-one.log").open("ab") as log:
                log.write(b"0123")
            await store.read_head("one")
            started = time.monotonic()
            await store.wait_for("one", 1, 0.1)
            assert time.monotonic() - started >= 0.1
            waiting = asyncio.create_task(store.wait_for("one", 1, 60))
            await asyncio.sleep(0)
            await other.remove("one")
            await asyncio.wait_for(waiting, 10)

    run(main())


def test_the_time_of_the_last_event_is_that_of_the_clock_where_streams_expire(tmp_path: Path) -> None:
    async def main() -> None:
        async with FileEventStore(tmp_path, ttl=10) as store:
            store.clock = lambda: 1234567.25
            await store.write_records("one", [record(0)])
            head = await store.read_head("one")
            assert head is not None
            assert head.ts == 1234567.25
        async with FileEventStore(tmp_path) as store:
            before = time.time() * 1000 - 100  # The clock of a file system is coarse.
            await store.write_records("two", [record(0)])
            head = await store.read_head("two")
            assert head is not None
            assert before < head.ts < time.time() * 1000 + 100

    run(main())


def test_records_that_no_line_can_hold_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            for wrong in (Record(0, 1, b"{\n}"), Record(0, 0, b"{}")):
                with pytest.raises(ValueError, match="event 0"):
                    await store.write_records("one", [wrong])
            with pytest.raises(WrongExpectedVersion):
                await store.write_records("one", [record(0), record(2)])
            await store.write_records("one", [])
            assert await store.list_streams() == []

    run(main())


def test_lines_say_whether_they_are_torn() -> None:
    """Every beginning of a line is; a line whose newline has become something else is not."""
    for each in (record(0), record(1, 60, 700), Record(2**62, 2**40, b"{}", is_terminal=True)):
        line = lines.dump(each)
        assert lines.load(line[:-1]) == each
        for length in range(len(line)):
            assert lines.is_torn(line[:length])
        for last in range(256):
            assert not lines.is_torn(line[:-1] + bytes([last]))


def test_nothing_follows_the_end_also_after_it_was_opened_again(tmp_path: Path) -> None:
    last = Record(0, 1, b"{}", is_terminal=True)

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            with pytest.raises(StreamEnded):
                await store.write_records("one", [last, record(1)])
            assert await store.read_head("one") is None
            await store.write_records("one", [last])
        async with FileEventStore(tmp_path) as store:
            with pytest.raises(StreamEnded):
                await store.write_records("one", [record(1)])

    run(main())


def test_a_store_that_was_closed_opens_again_when_it_is_used(tmp_path: Path) -> None:
    """What was asked for before is done first; nothing is left open in between."""

    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("l0-store-file")]

    async def main() -> None:
        store = FileEventStore(tmp_path)
        for seq in range(3):
            writing = asyncio.create_task(store.write_records("one", [record(seq)]))
            await asyncio.sleep(0)
            await store.aclose()
            await writing
            assert threads() == []
            await store.aclose()
        assert await store.next_seq("one") == 3
        await store.aclose()

    run(main())


def test_a_store_that_is_used_while_it_is_closed_keeps_everything(tmp_path: Path) -> None:
    """Whichever thread does it."""

    async def main() -> None:
        store = FileEventStore(tmp_path)
        for seq in range(200):
            closing = asyncio.create_task(store.aclose())
            await asyncio.gather(*(store.append_records("one", [record(seq)]) for _ in range(3)))
            await closing
        assert await store.read_records("one") == [record(seq) for seq in range(200)]
        assert store.damaged == []
        await store.aclose()

    run(main())


def test_a_relative_folder_is_the_one_that_it_was_when_the_store_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        (tmp_path / "here").mkdir()
        (tmp_path / "there").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        async with FileEventStore() as store:
            monkeypatch.chdir(tmp_path / "there")
            await store.write_records("one", [record(0)])
        assert (tmp_path / "here/l0-events/l0/s-one.log").exists()

    run(main())


def test_a_folder_that_is_deleted_is_made_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with FileEventStore(tmp_path / "base", durability="power") as store:
            for _ in range(2):
                await store.write_records("one", [record(0)])
                (tmp_path / "base/l0/s-one.log").unlink()
                (tmp_path / "base/l0").rmdir()
                (tmp_path / "base").rmdir()
                assert await store.list_streams() == []
                assert await store.read_head("one") is None

    run(main())


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="durability is 'disk'"):
        FileEventStore(tmp_path, durability="disk")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ttl is -1"):
        FileEventStore(tmp_path, ttl=-1)


def test_where_files_cannot_be_locked_the_import_says_so() -> None:
    program = "import sys; sys.modules['fcntl'] = None; import l0_store_file"
    failed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ImportError: l0-store-file locks its files with fcntl" in failed.stderr
