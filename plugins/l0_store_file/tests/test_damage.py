"""What was damaged is found, what is before it stays, and the stream goes on."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import l0_store_file.log
import l0_store_file.system
import pytest
from l0_eventsourcing import Record
from l0_store_file import FileEventStore
from l0_store_file.lines import dump, head_of, load
from l0_store_file.log import Log

from l0_core import StoreError

EVENTS = 50


def record(seq: int, count: int = 1, is_terminal: bool = False) -> Record:
    return Record(seq, count, b'{"n":%d}' % seq, is_terminal)


RECORDS = [record(seq) for seq in range(EVENTS)]
HEAD = head_of("log", "one")
LINES = [dump(each) for each in RECORDS]
WHOLE = HEAD + b"".join(LINES)
ENDS = [len(HEAD) + sum(map(len, LINES[: place + 1])) for place in range(EVENTS)]
"""Where the records end in the file."""


def intact(length: int) -> int:
    """How many records end before this byte."""
    return sum(end <= length for end in ENDS)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


class Place:
    """A folder with one log in it."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.folder = where / "l0"
        self.log = self.folder / "s-one.log"
        self.folder.mkdir()

    def put(self, data: bytes) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        self.log.write_bytes(data)

    def copies(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.glob("*.corrupt-*"))]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "l0")


def test_a_log_is_what_it_is_said_to_be(place: Place) -> None:
    """The bytes of a log do not change without a new version of the format."""

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_records("one", [Record(0, 2, b'{"a":1}'), Record(2, 1, b"{}", is_terminal=True)])

    run(main())
    assert place.log.read_bytes() == (
        b'e77662d9 39 0 0 0 {"l0":"log","version":1,"stream":"one"}\n5d65f0b4 7 0 2 0 {"a":1}\n97fb0c95 2 2 1 1 {}\n'
    )


@pytest.mark.timeout(600)
def test_a_log_that_was_cut_short_at_any_byte_loses_what_was_cut_and_nothing_else(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """It reads as it was up to there, takes what comes next, and nobody is alarmed."""

    async def main() -> None:
        for length in range(len(WHOLE)):
            place.put(WHOLE[:length])
            left = intact(length)
            async with FileEventStore(place.where) as store:
                assert await store.read_records("one") == RECORDS[:left], length
                assert await store.list_streams() == (["one"] if left else [])
                assert place.log.read_bytes() == WHOLE[:length], "a reader has changed it"
                await store.write_records("one", RECORDS[left : left + 1])
                assert await store.read_records("one") == RECORDS[: left + 1]
                assert store.damaged == []
            assert place.log.read_bytes() == WHOLE[: ENDS[left]]
        assert place.copies() == []

    run(main())
    assert {each.levelno for each in caplog.records} == {logging.DEBUG}


@pytest.mark.timeout(600)
def test_any_bit_that_flips_is_found(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Each bit of a log of 50 events: what is before stays, what was there is kept beside it, and appending works."""

    async def main() -> None:
        for bit in range(8 * len(WHOLE)):
            at = bit // 8
            flipped = bytearray(WHOLE)
            flipped[at] ^= 1 << bit % 8
            place.put(flipped)
            left = intact(at) if at >= len(HEAD) else 0
            start = max([0, len(HEAD), *ENDS][left + 1 if at >= len(HEAD) else 0], 0)
            caplog.clear()
            async with FileEventStore(place.where) as store:
                if bit % 2:
                    assert await store.read_records("one") == RECORDS[:left], bit
                await store.write_records("one", RECORDS[left:])
                assert await store.read_records("one") == RECORDS
                (damage,) = store.damaged
            assert (damage.stream_id, damage.path, damage.offset) == ("one", str(place.log), start), bit
            assert damage.preserved == f"{place.folder}/s-one.corrupt-1"
            assert place.copies() == [flipped]
            assert place.log.read_bytes() == WHOLE
            (warning,) = caplog.records
            assert warning.levelno == logging.WARNING
            assert f"{place.log} is damaged at byte {start}:" in warning.message

    run(main())


def test_a_store_that_is_open_finds_what_was_changed_behind_its_back(place: Place) -> None:
    """A byte of a log that it knows, a log that was shortened, and one in whose place there is another."""

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_records("one", RECORDS)
            data = bytearray(WHOLE)
            data[ENDS[20] + 20] ^= 1
            place.log.write_bytes(data)
            assert await store.read_records("one") == RECORDS[:21]
            assert [damage.offset for damage in store.damaged] == [ENDS[20]]
            place.log.write_bytes(WHOLE[: ENDS[9]])
            assert await store.next_seq("one") == 10
            (place.where / "other").write_bytes(WHOLE[: ENDS[4]])
            os.replace(place.where / "other", place.log)
            assert await store.next_seq("one") == 5
            await store.write_records("one", RECORDS[5:])
            assert await store.read_records("one") == RECORDS

    run(main())
    assert place.log.read_bytes() == WHOLE


def test_a_log_that_was_rewritten_in_place_is_read_as_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although its size and its last line are what they were."""
    monkeypatch.setattr(l0_store_file.log, "SPACING", 1)
    before = [Record(0, 1, b"{}"), Record(1, 2, b"{}"), record(3)]
    after = [Record(0, 2, b"{}"), Record(2, 1, b"{}"), record(3)]

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_records("one", before)
            assert await store.read_records("one", 1) == before[1:]
            place.log.write_bytes(HEAD + b"".join(map(dump, after)))
            assert await store.read_records("one", 1) == after
            assert store.damaged == []

    run(main())


@pytest.mark.parametrize(
    ("data", "left", "reason"),
    [
        (HEAD + LINES[0] + LINES[2], 1, "event 2 is where event 1 should be"),
        (HEAD + LINES[0] + LINES[0], 1, "event 0 is where event 1 should be"),
        (HEAD + dump(record(0, is_terminal=True)) + LINES[1], 1, "after the last one"),
        (HEAD + LINES[0] + b"\n" + LINES[1], 1, "checksum"),
        (HEAD + LINES[0] + bytes(700), 1, "checksum"),
        (WHOLE[:-1] + b"\0", 49, "checksum"),
        (HEAD[:-1] + b" " + LINES[0], 0, "checksum"),
        (bytes(700), 0, "checksum"),
        (b"what is this?", 0, "checksum"),
    ],
)
def test_what_no_write_leaves_is_kept_beside_the_log(data: bytes, left: int, reason: str, place: Place) -> None:
    async def main() -> None:
        place.put(data)
        async with FileEventStore(place.where) as store:
            assert [each.seq for each in await store.read_records("one")] == list(range(left))
            (damage,) = store.damaged
            assert reason in damage.reason
            await store.read_records("one")
            assert len(store.damaged) == 1
        assert place.copies() == [data]

    run(main())


def test_copies_of_damaged_logs_do_not_replace_each_other_and_go_with_the_stream(place: Place) -> None:
    async def main() -> None:
        place.put(b"first")
        async with FileEventStore(place.where) as store:
            await store.write_records("one", RECORDS[:1])
            place.log.write_bytes(b"second")
            assert await store.read_records("one") == []
            assert place.copies() == [b"first", b"second"]
            await store.write_records("one", RECORDS[:1])
            assert await store.delete("one")
        assert list(place.folder.iterdir()) == []

    run(main())


@pytest.mark.timeout(600)
def test_mutations_of_all_kinds_are_repaired_or_refused_and_never_anything_else(place: Place) -> None:
    """2,000 logs with bytes changed, inserted, removed, doubled or cut: the beginning that is read was written so."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)

    def mutated() -> bytes:
        data = bytearray(WHOLE)
        for _ in range(dice.randint(1, 4)):
            at, length = dice.randrange(len(data) + 1), dice.choice((1, 2, 8, 100, 512))
            match dice.randrange(5):
                case 0:
                    data[at : at + length] = dice.randbytes(len(data[at : at + length]))
                case 1:
                    data[at:at] = dice.choice((dice.randbytes(length), bytes(length), data[at : at + length], b"\n"))
                case 2:
                    del data[at : at + length]
                case 3:
                    data[at : at + length] = bytes(len(data[at : at + length]))
                case 4:
                    del data[at:]
        return bytes(data)

    async def main() -> None:
        for _ in range(2_000):
            data = mutated()
            place.put(data)
            async with FileEventStore(place.where) as store:
                try:
                    found = await store.read_records("one")
                    await store.list_streams()
                    await store.write_records("one", RECORDS[len(found) :] or [record(EVENTS)])
                    found = await store.read_records("one")
                except StoreError:
                    continue
            assert found[:EVENTS] == RECORDS
            assert all(copy == data for copy in place.copies())

    try:
        run(main())
    except BaseException as error:
        error.add_note(f"with the seed {seed}")
        raise


def test_a_log_of_a_later_version_or_of_another_stream_is_left_alone(place: Place) -> None:
    """It is not damaged: whoever wrote it can read it."""

    async def main() -> None:
        later = dump(Record(0, 0, b'{"l0":"log","version":2,"stream":"one"}')) + b"what is new"
        for data in (later, head_of("log", "two") + LINES[0], head_of("snapshots", "one"), LINES[0]):
            place.put(data)
            async with FileEventStore(place.where) as store:
                for doing in (store.read_records, store.delete, partial(store.write_records, records=RECORDS)):
                    with pytest.raises(StoreError, match=r"[Mm]ove"):
                        await doing("one")
                assert await store.list_streams() == []
                assert store.damaged == []
            assert place.log.read_bytes() == data
            assert place.copies() == []

    run(main())


def test_a_damaged_log_whose_name_is_a_hash_is_found_by_listing(place: Place) -> None:
    """Its id is lost with its first line."""
    stream_id = "x" * 300

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_records(stream_id, RECORDS[:3])
            (log,) = place.folder.iterdir()
            assert log.name.startswith("h-")
            assert await store.list_streams("x") == [stream_id]
            assert await store.list_streams("y") == []
        data = bytearray(log.read_bytes())
        data[50] ^= 1
        log.write_bytes(data)
        async with FileEventStore(place.where) as store:
            assert await store.list_streams() == []
            (damage,) = store.damaged
            assert (damage.stream_id, damage.offset, damage.preserved) == (None, 0, str(log)[:-4] + ".corrupt-1")
            assert await store.list_streams() == []
            assert len(store.damaged) == 1
            await store.write_records(stream_id, RECORDS[:1])
            assert await store.list_streams() == [stream_id]

    run(main())


@pytest.mark.parametrize("wrong", ["link", "dangling link", "folder", "fifo"])
def test_what_is_no_file_is_no_log(wrong: str, place: Place) -> None:
    """Neither read nor written, and nothing outside of the folder is touched."""
    outside = place.where / "outside"

    async def main() -> None:
        if wrong == "link":
            outside.write_bytes(WHOLE[: ENDS[0]])
        if "link" in wrong:
            place.log.symlink_to(outside)
        elif wrong == "folder":
            place.log.mkdir()
        else:
            os.mkfifo(place.log)
        async with FileEventStore(place.where) as store:
            for doing in (store.read_records, store.read_head, partial(store.write_records, records=RECORDS)):
                with pytest.raises(StoreError, match=r"s-one\.log"):
                    await doing("one")
            assert await store.list_streams() == []

    run(main())
    assert (outside.read_bytes() if outside.exists() else None) == (WHOLE[: ENDS[0]] if wrong == "link" else None)


@pytest.mark.timeout(600)
def test_snapshots_that_are_damaged_or_ahead_of_the_log_are_not_there(place: Place) -> None:
    snapshots = place.folder / "s-one.snapshots"

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_records("one", RECORDS)
            for seq in range(20):
                await store.write_snapshot("one", seq, b'{"at":%d}' % seq)
            assert await store.read_snapshot("one", 12) == b'{"at":12}'
            assert await store.read_snapshot("one", 11) is None, "eight are kept"
            data = snapshots.read_bytes()
            for bit in range(8 * len(data)):
                flipped = bytearray(data)
                flipped[bit // 8] ^= 1 << bit % 8
                snapshots.write_bytes(flipped)
                for seq in range(12, 20):
                    found = await store.read_snapshot("one", seq)
                    assert found in (None, *(b'{"at":%d}' % at for at in range(12, seq + 1)))
            snapshots.write_bytes(data)
            (place.folder / "s-one.snapshots-new").write_bytes(b"left by a process that died")
        place.log.write_bytes(WHOLE[: ENDS[14]])
        async with FileEventStore(place.where) as store:
            assert await store.read_snapshot("one", 100) == b'{"at":14}'
            await store.write_records("one", RECORDS[15:30])
            assert await store.read_snapshot("one", 100) == b'{"at":14}', "it is of events that are gone"
        for _ in range(2):
            assert sorted(os.listdir(place.folder)) == ["s-one.log", "s-one.snapshots"]
            (place.folder / "s-one.snapshots-new").write_bytes(b"left by a process that died")
            async with FileEventStore(place.where) as store:
                await store.write_records("one", [record(await store.next_seq("one"))])
        place.log.unlink()
        async with FileEventStore(place.where) as store:
            await store.write_records("one", RECORDS)
            assert await store.read_snapshot("one", 100) is None, "it is of a stream that is gone"

    run(main())


def test_a_stream_does_not_become_younger_by_repair(place: Place) -> None:
    async def main() -> None:
        for data in (WHOLE[:-3], WHOLE + b"damage\n"):
            place.put(data)
            os.utime(place.log, ns=(0, 5_000_000_000))
            async with FileEventStore(place.where, ttl=1000) as store:
                store.clock = lambda: 5500.0
                with pytest.raises(StoreError):
                    await store.write_records("one", RECORDS[:1])
                assert not place.log.read_bytes().endswith((b"damage\n", WHOLE[-10:-3]))
                head = await store.read_head("one")
                assert head is not None
                assert head.ts == 5000.0

    run(main())


@pytest.mark.parametrize("rest", [b" what is this?", b" 9 0 1 0 {}", b" 2 0 1 2 {}"])
def test_a_checksum_alone_does_not_make_a_line(rest: bytes) -> None:
    assert load(b"%08x" % crc32(rest) + rest) is None


def test_a_log_that_something_else_writes_to_is_not_read_for_ever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(l0_store_file.log, "SPACING", 1)
    two = [Record(0, 1, b"{}"), Record(1, 2, b"{}"), record(3)]
    other = [Record(0, 2, b"{}"), Record(2, 1, b"{}"), record(3)]

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_records("one", two)
            assert await store.read_records("one", 2) == two[1:]
            looked = Log._refresh
            turns = itertools.cycle((other, two))

            def rewritten(log: Log) -> Any:
                """Each time that the log has been looked through it is another."""
                found = looked(log)
                place.log.write_bytes(HEAD + b"".join(map(dump, next(turns))))
                return found

            with monkeypatch.context() as patched:
                patched.setattr(Log, "_refresh", rewritten)
                with pytest.raises(StoreError, match="changes while it is read: something else than L0 writes to it"):
                    await store.read_records("one", 2)
            assert await store.read_records("one", 0) in (two, other)

    run(main())


def test_snapshots_of_a_later_version_are_left_alone_and_not_used(place: Place) -> None:
    """A replay can do without."""
    later = dump(Record(0, 0, b'{"l0":"snapshots","version":2,"stream":"one"}')) + b"what is new"

    async def main() -> None:
        place.put(WHOLE)
        snapshots = place.folder / "s-one.snapshots"
        snapshots.write_bytes(later)
        async with FileEventStore(place.where) as store:
            assert await store.read_snapshot("one", 100) is None
            assert len(await store.read_records("one")) == EVENTS
        assert snapshots.read_bytes() == later

    run(main())


def test_a_log_that_is_deleted_while_logs_are_listed_is_not_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put(WHOLE)
    listdir = l0_store_file.system.listdir

    def slow(path: str) -> list[str]:
        names = listdir(path)
        place.log.unlink()
        return names

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            monkeypatch.setattr(l0_store_file.system, "listdir", slow)
            assert await store.list_streams() == []

    run(main())


def test_of_a_stream_that_is_not_there_nothing_is_kept_and_nothing_deleted(place: Place) -> None:
    async def main() -> None:
        async with FileEventStore(place.where) as store:
            await store.write_snapshot("one", 3, b"{}")
            assert await store.read_snapshot("one", 3) is None
            assert await store.delete("one") is False
        assert os.listdir(place.folder) == []

    run(main())


def test_a_damaged_log_that_is_deleted_before_it_is_mended_is_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock for reading is let go of before the one for writing is had."""
    place.put(HEAD + LINES[0] + b"damage\n" + LINES[1])
    looked = Log._refresh

    def deleted(log: Log) -> Any:
        found = looked(log)
        place.log.unlink(missing_ok=True)
        return found

    async def main() -> None:
        async with FileEventStore(place.where) as store:
            monkeypatch.setattr(Log, "_refresh", deleted)
            assert await store.read_records("one") == []
            assert store.damaged == []
            assert place.copies() == []

    run(main())
