"""The snapshots of a stream: a file of the lines of a log, which is replaced whole."""

from __future__ import annotations

import os

from l0_eventsourcing import Record

from l0_core import StoreError
from l0_store_file import system
from l0_store_file.folder import Folder
from l0_store_file.lines import dump, head_of, load, read_lines, stream_id_in

__all__ = ["Snapshots"]

KEPT = 8
"""Snapshots of a stream; the oldest is forgotten."""


class Snapshots:
    """The snapshots of one stream, for whoever holds the lock of its log. What is damaged is not there.

    One file, and not one for each: its name is known, and nobody has to look through a folder of many streams for it.
    """

    def __init__(self, folder: Folder, stem: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder.path, f"{stem}.snapshots")
        self._new = f"{self._path}-new"

    def read(self, stream_id: str) -> dict[int, bytes]:
        """The snapshots that are intact, by their numbers."""
        try:
            fd = system.open_file(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return {}
        try:
            records = [load(line) for _, line, _ in read_lines(fd, 0, system.fstat(fd).st_size)]
        finally:
            system.close(fd)
        try:
            if not records or records[0] is None or stream_id_in(records[0], "snapshots", self._path) != stream_id:
                return {}
        except StoreError:
            return {}  # Of another version: a replay can begin at the beginning.
        return {record.seq: record.body for record in records[1:] if record is not None}

    def add(self, stream_id: str, seq: int, body: bytes) -> None:
        """Keep one more."""
        self._write(stream_id, {**self.read(stream_id), seq: body})

    def tidy(self, stream_id: str, next_seq: int) -> None:
        """Forget what a process that died has left, and snapshots of events that are not there."""
        _unlink(self._new)
        kept = self.read(stream_id)
        begun = {seq: kept[seq] for seq in kept if seq < next_seq}
        if not begun:
            _unlink(self._path)
        elif begun != kept:
            self._write(stream_id, begun)

    def remove(self) -> None:
        """Delete them."""
        _unlink(self._new)
        _unlink(self._path)

    def _write(self, stream_id: str, snapshots: dict[int, bytes]) -> None:
        lines = [head_of("snapshots", stream_id)]
        lines += [dump(Record(seq, 1, snapshots[seq])) for seq in sorted(snapshots)[-KEPT:]]
        _unlink(self._new)  # Left by a process that died.
        self._folder.write_new(self._new, lines)
        system.rename(self._new, self._path)
        self._folder.sync()


def _unlink(path: str) -> None:
    try:
        system.unlink(path)
    except FileNotFoundError:
        pass
