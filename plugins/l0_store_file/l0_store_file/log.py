"""The log of one stream: a file that is only appended to."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from l0_eventsourcing import Head, Record, StreamEnded, WrongExpectedVersion

from l0_core import StoreError
from l0_store_file import system
from l0_store_file.folder import Damage, Folder, logger
from l0_store_file.lines import CHUNK, dump, head_of, is_torn, load, read_lines, stream_id_in
from l0_store_file.locked import LockedFile
from l0_store_file.snapshots import Snapshots

__all__ = ["Log"]

SPACING = 1 << 16
"""Bytes between two places of a log that are remembered."""


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Where a log stops to be what was written to it, and why; torn if a write was merely cut short."""

    offset: int
    reason: str
    is_torn: bool = False


class Log:
    """The log of one stream, and what is known of it. Of one thread.

    `stream_id` may be None where the name of the file does not say it: then the file does. What the operating system
    refuses is an OSError.
    """

    def __init__(self, folder: Folder, stem: str, stream_id: str | None) -> None:
        self.stream_id = stream_id
        self.path = os.path.join(folder.path, f"{stem}.log")
        self._folder, self._stem = folder, stem
        self._file = LockedFile(folder, self.path)
        self._snapshots = Snapshots(folder, stem)
        self._forget()

    def close(self) -> None:
        """Let go of the file. What is known of it is checked when it is opened again."""
        self._file.close()

    def append(self, batches: Sequence[Sequence[Record]], ts: float | None) -> list[StoreError | None]:
        """Append what continues the stream, in one write, and say for each batch why it does not.

        `ts` is the time in ms of the epoch that the file is to have; None for that of the system.
        """
        if reason := self._folder.failed.get(self._stem):
            raise StoreError(f"{self.path} is not written to any more: {reason}. Close the store, and open it again")
        with self._locked(exclusive=True, creates=any(batch[0].seq == 0 for batch in batches)) as is_there:
            if is_there:
                self._mend()
            records, refusals = self._accepted(batches)
            if is_there:
                self._write(records, ts)
        return refusals

    def read(self, from_seq: int, limit: int | None) -> list[Record]:
        """The records from the one that holds event `from_seq` on, at most `limit`."""
        for _ in range(2):
            with self._looked_at():
                try:
                    return self._records(from_seq, limit)
                except ValueError:
                    self._forget()  # It was changed in place: it is looked through as if it were new.
        raise StoreError(f"{self.path} changes while it is read: something else than L0 writes to it")

    def head(self) -> Head | None:
        """Where the stream stands; None if there is none."""
        with self._looked_at():
            if not self._next_seq or self._file.found is None:
                return None
            return Head(self._next_seq, self._is_ended, self._file.found.st_mtime_ns / 1e6)

    def has_begun(self) -> bool:
        """Whether the stream has an event. It reads the beginning of the file only, if there is nothing wrong with it.

        Of a log that has not been used: whether its file has been deleted meanwhile is not asked.
        """
        if not self._file.open():
            return False
        size = system.fstat(self._file.fd).st_size
        for offset, line, is_whole in read_lines(self._file.fd, 0, size, 1 << 12):
            record = load(line) if is_whole else None
            if record is None:
                break
            if offset:
                return True
            self._identify(record)
        return self.head() is not None

    def may_have(self, seq: int) -> bool:
        """Whether event `seq` may be there, or the stream be gone: what the size of the file tells."""
        try:
            there = system.lstat(self.path)
        except FileNotFoundError:
            return seq > 0
        found = self._file.found
        return self._next_seq > seq or found is None or there.st_size != found.st_size

    def remove(self) -> bool:
        """Delete the file and all that belongs to it; return whether there was a stream in it."""
        existed = False
        with self._locked(exclusive=True) as is_there:
            if is_there:
                self._refresh()
                existed = self._next_seq > 0
                self._snapshots.remove()
                for path in self._copies():
                    system.unlink(path)
                system.unlink(self.path)
                self._folder.sync()
        self.close()
        self._forget()
        self._folder.failed.pop(self._stem, None)
        return existed

    def add_snapshot(self, seq: int, body: bytes) -> None:
        """Keep a snapshot, if there is a stream."""
        with self._locked(exclusive=True) as is_there:
            if is_there:
                self._mend()
            if self._next_seq and self.stream_id is not None:
                self._snapshots.add(self.stream_id, seq, body)

    def snapshot(self, seq: int) -> bytes | None:
        """The newest snapshot whose number is not above `seq`."""
        with self._looked_at():
            if not self._next_seq or self.stream_id is None:
                return None
            kept = self._snapshots.read(self.stream_id)
            newest = max((at for at in kept if at <= seq and at < self._next_seq), default=None)
            return None if newest is None else kept[newest]

    @contextmanager
    def _locked(self, *, exclusive: bool, creates: bool = False) -> Iterator[bool]:
        with self._file.locked(exclusive=exclusive, creates=creates) as is_there:
            if not is_there:
                self._forget()
            yield is_there

    @contextmanager
    def _looked_at(self) -> Iterator[None]:
        """Hold the lock for reading, and know the stream. A write that was cut short is left to the next writer."""
        with self._locked(exclusive=False) as is_there:
            flaw = self._refresh() if is_there else None
            if flaw is None or flaw.is_torn:
                yield
                return
        with self._locked(exclusive=True) as is_there:
            if is_there:
                self._mend()
            yield

    # What is known. From here on the lock is held.

    def _forget(self) -> None:
        """Know nothing of the file: what is known has turned out to be wrong, or there is no file."""
        self._next_seq, self._is_ended = 0, False
        self._size = 0
        """Where the last intact line ends."""
        self._last = (0, b"")
        """Where the last intact line begins, and its checksum."""
        self._seqs: list[int] = []
        self._offsets: list[int] = []
        """Some places: the record that begins at the offset has the number."""
        self._is_synced = self._is_linked = self._is_tidy = False

    def _refresh(self) -> _Flaw | None:
        """Learn what has been appended since; return where the file stops to be a log, if it does."""
        assert self._file.found is not None
        end, (offset, checksum) = self._file.found.st_size, self._last
        if self._size and (end < self._size or system.pread(self._file.fd, len(checksum), offset) != checksum):
            self._forget()
        if end == self._size:
            return None
        knew = self._size > 0
        flaw = self._scan(end)
        if flaw is not None and not flaw.is_torn and knew:
            self._forget()  # It may be what was known that was wrong, and not the file.
            flaw = self._scan(end)
        return flaw

    def _scan(self, end: int) -> _Flaw | None:
        self._is_synced = False
        for offset, line, is_whole in read_lines(self._file.fd, self._size, end):
            record = load(line) if is_whole else None
            if record is None:
                return _Flaw(offset, "the checksum is wrong", not is_whole and is_torn(line))
            if offset == 0:
                self._identify(record)
            elif self._is_ended:
                return _Flaw(offset, "there is an event after the last one")
            elif record.seq != self._next_seq:
                return _Flaw(offset, f"event {record.seq} is where event {self._next_seq} should be")
            self._learn(record, offset, len(line) + 1, line[:8])
        return None

    def _identify(self, head: Record) -> None:
        """Check the first line. Raises StoreError for the log of another stream, or of a later version."""
        found = stream_id_in(head, "log", self.path)
        if self.stream_id not in (None, found):
            raise StoreError(f"{self.path} is the log of another stream: it was renamed or copied. Move it away")
        self.stream_id = found

    def _learn(self, record: Record, offset: int, length: int, checksum: bytes) -> None:
        """Know one more line."""
        if record.count and (not self._offsets or offset - self._offsets[-1] >= SPACING):
            self._seqs.append(record.seq)
            self._offsets.append(offset)
        self._next_seq, self._is_ended = record.end, record.is_terminal
        self._size, self._last = offset + length, (offset, checksum)

    def _records(self, from_seq: int, limit: int | None) -> list[Record]:
        """Raises ValueError where the file is not what it was."""
        records: list[Record] = []
        if from_seq >= self._next_seq:
            return records
        place = max(0, bisect_right(self._seqs, from_seq) - 1)
        seq = self._seqs[place]
        for _, line, _ in read_lines(self._file.fd, self._offsets[place], self._size):
            record = load(line)
            if record is None or record.seq != seq:
                raise ValueError(f"the record of event {seq} is not where it was")
            seq = record.end
            if seq > from_seq:
                if limit is not None and len(records) >= limit:
                    break
                records.append(record)
        return records

    # What is written.

    def _accepted(self, batches: Sequence[Sequence[Record]]) -> tuple[list[Record], list[StoreError | None]]:
        """What is to be written of some batches, and for each why it is not."""
        accepted: list[Record] = []
        refusals: list[StoreError | None] = []
        next_seq, is_ended = self._next_seq, self._is_ended
        for batch in batches:
            refusal = self._refusal(batch, next_seq, is_ended)
            if refusal is None:
                accepted += batch
                next_seq, is_ended = batch[-1].end, batch[-1].is_terminal
            refusals.append(refusal)
        return accepted, refusals

    def _refusal(self, batch: Sequence[Record], next_seq: int, is_ended: bool) -> StoreError | None:
        assert self.stream_id is not None
        for record in batch:
            if is_ended:
                return StreamEnded(self.stream_id)
            if record.seq != next_seq:
                return WrongExpectedVersion(self.stream_id, record.seq, next_seq)
            next_seq, is_ended = record.end, record.is_terminal
        return None

    def _write(self, records: Sequence[Record], ts: float | None) -> None:
        """Write records in one go: all of them, or none. What others have written before is synced with them."""
        lines = [dump(record) for record in records]
        offset = self._size
        if lines and offset == 0:
            assert self.stream_id is not None
            lines.insert(0, head_of("log", self.stream_id))
            records = [Record(0, 0, b""), *records]
        try:
            if lines:
                self._put(b"".join(lines), ts)
            self._sync()
        except (OSError, StoreError):
            self._take_back()
            raise
        for record, line in zip(records, lines, strict=True):
            self._learn(record, offset, len(line), line[:8])
            offset += len(line)

    def _put(self, data: bytes, ts: float | None) -> None:
        self._is_synced = False
        system.write_whole(self._file.fd, data)
        if ts is not None:
            system.utime(self._file.fd, ns=(int(ts * 1e6), int(ts * 1e6)))

    def _sync(self) -> None:
        """Wait until it is on the disk, if that was promised.

        What fails is not tried again: the system may have dropped the data, and would then say that all is well.
        """
        if not self._folder.is_durable or self._is_synced:
            return
        try:
            system.sync(self._file.fd)
            if not self._is_linked:
                self._folder.sync()
        except OSError as error:
            reason = f"it could not be synced to the disk ({error.strerror or error})"
            self._folder.failed[self._stem] = reason
            raise StoreError(f"{self.path}: {reason}") from error
        self._is_synced = self._is_linked = True

    def _take_back(self) -> None:
        """Cut off what was not acknowledged."""
        try:
            self._cut()
        except OSError as error:
            reason = f"a write that failed could not be taken back ({error.strerror or error})"
            self._folder.failed.setdefault(self._stem, reason)

    # What is wrong, and is put right.

    def _mend(self) -> None:
        """Know the stream, and cut off what is no part of it; keep a copy of what was not just cut short."""
        flaw = self._refresh()
        if flaw is not None:
            if flaw.is_torn:
                logger.debug("%s ends in a write that was cut short at byte %d", self.path, flaw.offset)
            else:
                copy = self._preserve()
                self._folder.report(Damage(self.stream_id, self.path, flaw.offset, flaw.reason, copy))
            self._cut()
        if not self._is_tidy and self.stream_id is not None:
            self._snapshots.tidy(self.stream_id, self._next_seq)
            self._is_tidy = True

    def _cut(self) -> None:
        """End the file where what is known of it ends. It does not become younger by that."""
        found = system.fstat(self._file.fd)
        if found.st_size > self._size:
            system.ftruncate(self._file.fd, self._size)
            system.utime(self._file.fd, ns=(found.st_atime_ns, found.st_mtime_ns))

    def _preserve(self) -> str:
        """Copy the file, as it is, to a name beside it that is free; return the name."""
        path = self._copy_name(len(self._copies()) + 1)
        size = system.fstat(self._file.fd).st_size
        self._folder.write_new(path, (system.pread(self._file.fd, CHUNK, at) for at in range(0, size, CHUNK)))
        self._folder.sync()
        return path

    def _copies(self) -> list[str]:
        """The copies of the file as it was when it was found damaged."""
        paths: list[str] = []
        while True:
            path = self._copy_name(len(paths) + 1)
            try:
                system.lstat(path)
            except FileNotFoundError:
                return paths
            paths.append(path)

    def _copy_name(self, number: int) -> str:
        return os.path.join(self._folder.path, f"{self._stem}.corrupt-{number}")
