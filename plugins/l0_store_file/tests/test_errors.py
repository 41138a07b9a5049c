"""The disk is full, or does not work: nothing acknowledged is lost, and nothing but a StoreError is raised."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from l0_eventsourcing import Record, StoreUnavailable
from l0_store_file import FileEventStore, system

from l0_core import StoreError


def record(seq: int) -> Record:
    return Record(seq, 1, b'{"value":"%b"}' % (b"word " * 20))


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


class Failing:
    """Lets a call to the system fail: the one with this number, or all from it on."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, code: int, *, for_good: bool) -> None:
        self._number, self._code, self._for_good = number, code, for_good
        self.calls = 0
        self.is_on = True
        for name in ("open_file", "fstat", "lstat", "flock", "pread", "write", "utime", "ftruncate", "mkdir", "rename"):
            patch.setattr(system, name, self._shim(name, getattr(system, name)))
        for name in ("unlink", "listdir", "close"):
            patch.setattr(system, name, self._shim(name, getattr(system, name)))
        for name in ("sync", "sync_folder"):
            patch.setattr(system, name, self._shim(name, lambda _: None))

    def _shim(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def shim(*args: Any, **options: Any) -> Any:
            self.calls += 1
            fails = self.is_on and (self.calls > self._number if self._for_good else self.calls == self._number + 1)
            if fails and name == "write" and self._code == errno.ENOSPC:
                return real(args[0], args[1][: len(args[1]) // 2])
            if fails and name == "close":
                real(*args)
            if fails:
                raise OSError(self._code, os.strerror(self._code))
            return real(*args, **options)

        return shim


class Client:
    """Somebody who writes, and remembers how much was acknowledged, and how much was asked for."""

    def __init__(self, where: Path, durability: Any) -> None:
        self._where, self._durability = where, durability
        self.kept = {"one": 0, "two": 0}
        self.asked = {"one": 0, "two": 0}
        self.snapshot = 0
        self.open()

    def open(self) -> None:
        self.store = FileEventStore(self._where, ttl=10**9, durability=self._durability)

    async def append(self, stream_id: str, number: int) -> None:
        end = self.kept[stream_id] + number
        self.asked[stream_id] = max(end, self.asked[stream_id])
        await self.store.append_records(stream_id, [record(seq) for seq in range(self.kept[stream_id], end)])
        self.kept[stream_id] = end

    async def delete(self, stream_id: str) -> None:
        self.kept[stream_id] = 0
        await self.store.remove(stream_id)
        self.asked[stream_id] = 0

    async def save(self) -> None:
        number = self.kept["one"]
        if number:
            await self.store.write_snapshot("one", number - 1, b"%d" % number)
            self.snapshot = number

    async def look(self) -> None:
        await self.check(self.store)
        await self.store.list_ids("")

    async def reopen(self) -> None:
        await self.store.aclose()
        self.open()

    async def work(self) -> None:
        """Do all kinds of things, and go on whatever fails."""
        for do in (
            *(lambda: self.append("one", 2), lambda: self.append("two", 1), self.save, self.look),
            *(lambda: self.append("one", 3), self.reopen, lambda: self.append("one", 1), lambda: self.append("two", 5)),
            *(lambda: self.delete("two"), self.save, lambda: self.append("one", 1), self.look),
        ):
            with suppress(StoreError):
                await do()

    async def check(self, store: FileEventStore) -> None:
        """Nothing that was acknowledged is missing, and there is nothing that was not asked for."""
        for stream_id, kept in self.kept.items():
            head = await store.read_head(stream_id)
            found = await store.read_records(stream_id)
            assert found == [record(seq) for seq in range(len(found))]
            assert kept <= len(found) <= self.asked[stream_id]
            assert (head.next_seq if head is not None else 0) == len(found)
        assert self.snapshot <= int(await store.read_snapshot("one", 100) or 0) <= self.asked["one"]
        assert store.damaged == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_whatever_call_fails_nothing_acknowledged_is_lost(
    code: int, for_good: bool, durability: str, tmp_path: Path
) -> None:
    """Each call to the system in turn, until there are no more: once, and from then on."""

    async def main(number: int) -> bool:
        client = Client(tmp_path / str(number), durability)
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, number, code, for_good=for_good)
            await client.work()
            failing.is_on = False
            await client.check(client.store)
            await client.store.aclose()
        async with FileEventStore(tmp_path / str(number)) as store:
            await client.check(store)
            for stream_id in client.kept:
                await store.write_records(stream_id, [record(len(await store.read_records(stream_id)))])
        return failing.calls > number

    number = 0
    while asyncio.run(main(number)):
        number += 1
    assert number > 100, "hardly anything was called"


def test_a_full_disk_may_have_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is not there, in no part, and can be written later."""

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(0)])
            size = (tmp_path / "l0/s-one.log").stat().st_size
            with monkeypatch.context() as patch:
                patch.setattr(system, "write", lambda fd, data: os.write(fd, data[:70]))
                with pytest.raises(StoreUnavailable, match="70 of 132 bytes"):
                    await store.write_records("one", [record(1)])
            assert (tmp_path / "l0/s-one.log").stat().st_size == size
            assert await store.read_records("one") == [record(0)]
            await store.write_records("one", [record(1)])
            assert await store.read_records("one") == [record(0), record(1)]

    run(main())


def test_a_damaged_log_is_left_as_it_is_while_there_is_no_room_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "l0/s-one.log"

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(0)])
            with log.open("ab") as other:
                other.write(b"damage\n")
            data = log.read_bytes()
            with monkeypatch.context() as patch:
                patch.setattr(system, "write", lambda fd, data: os.write(fd, data[:70]))
                with pytest.raises(StoreUnavailable, match="70 of"):
                    await store.read_records("one")
                with pytest.raises(StoreUnavailable, match="70 of"):
                    await store.write_records("one", [record(1)])
            assert log.read_bytes() == data
            assert list(log.parent.iterdir()) == [log]
            await store.write_records("one", [record(1)])
            assert await store.read_records("one") == [record(0), record(1)]
            assert len(store.damaged) == 1

    run(main())


def test_after_a_sync_that_failed_a_stream_is_not_written_to_until_the_store_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second sync might say that all is well, of data that the system has dropped. Other streams go on."""

    async def main() -> None:
        async with FileEventStore(tmp_path, durability="power") as store:
            await store.write_records("one", [record(0)])
            syncs = []

            def fail(fd: int) -> None:
                syncs.append(fd)
                raise OSError(errno.EIO, "the disk is broken")

            with monkeypatch.context() as patch:
                patch.setattr(system, "sync", fail)
                with pytest.raises(StoreError, match="the disk is broken"):
                    await store.write_records("one", [record(1)])
                with pytest.raises(StoreError, match="open it again"):
                    await store.write_records("one", [record(1)])
            assert len(syncs) == 1
            with pytest.raises(StoreError, match="open it again"):
                await store.write_records("one", [record(1)])
            await store.write_records("two", [record(0)])
            assert await store.read_records("one") == [record(0)]
            await store.aclose()
            await store.write_records("one", [record(1)])
            assert await store.read_records("one") == [record(0), record(1)]

    run(main())


def test_writes_that_wait_together_fail_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that would have been refused only because another came before it."""

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(0)])
            jobs = [store.write_records("one", [record(seq)]) for seq in (1, 2, 2)]
            with monkeypatch.context() as patch:
                patch.setattr(system, "write", lambda fd, data: os.write(fd, data[:1]))
                results = await asyncio.gather(*jobs, return_exceptions=True)
            assert all(isinstance(result, StoreError) for result in results)
            assert await store.read_records("one") == [record(0)]

    run(main())


def test_a_file_that_may_not_be_read_is_an_error_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [record(0)])
        async with FileEventStore(tmp_path) as store:
            monkeypatch.setattr(system, "open_file", refuse)
            with pytest.raises(StoreError, match=r"s-one\.log cannot be used: Permission denied"):
                await store.read_records("one")
            assert await store.list_ids("") == []

    run(main())
