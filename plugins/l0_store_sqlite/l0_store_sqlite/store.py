"""The store in an SQLite database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import get_args

from l0_eventsourcing import Head, Record, RecordStore, StreamEnded, WrongExpectedVersion

from l0_store_sqlite.database import Database, Durability
from l0_store_sqlite.watch import Watch

__all__ = ["SqliteEventStore"]

SNAPSHOTS = 8
"""Snapshots that are kept of a stream."""

_STREAM = "SELECT key, next_seq, is_ended, ts FROM streams WHERE prefix = ? AND id = ?"

_RECORDS = """
    SELECT records.seq, count, body, is_terminal FROM streams JOIN records ON stream = key
    WHERE prefix = :prefix AND id = :id AND records.seq + count > :from_seq AND records.seq >= ifnull(
        (SELECT max(seq) FROM records WHERE stream = key AND seq <= :from_seq), 0
    )
    ORDER BY records.seq LIMIT :limit
"""

_SNAPSHOT = """
    SELECT body FROM streams JOIN snapshots ON stream = key WHERE prefix = ? AND id = ? AND seq <= ?
    ORDER BY seq DESC LIMIT 1
"""

_OLD_SNAPSHOTS = """
    DELETE FROM snapshots WHERE stream = :key AND seq <= (
        SELECT seq FROM snapshots WHERE stream = :key ORDER BY seq DESC LIMIT 1 OFFSET :kept
    )
"""


class SqliteEventStore(RecordStore):
    """Keeps streams in a database at `path`, which several stores and processes may use at the same time.

    What is acknowledged survives the process, however it ends; with `durability="power"` it is on the disk, and
    survives a loss of power too. `ttl` is in milliseconds, 0 for ever. Nothing is opened before it is needed. A store
    that was closed, and one in a child of a fork, opens the file again with its next use.

    Raises StoreUnavailable where another process has locked the file for longer than 5 s, and StoreError where it is
    damaged, not a database of this store, or cannot be read or written. The constructor raises ValueError for a path
    that is no file, a durability that there is not, and a `ttl` below 0.
    """

    def __init__(
        self, path: str | os.PathLike[str], prefix: str = "l0", ttl: int = 0, *, durability: Durability = "process"
    ) -> None:
        super().__init__(prefix, ttl)
        name = os.fspath(path)
        if name in ("", ":memory:"):
            raise ValueError(f"path is {name!r}, which is no file; what keeps streams in memory is InMemoryEventStore")
        if durability not in get_args(Durability):
            raise ValueError(f"durability is {durability!r}; it must be 'process' or 'power'")
        self.path = os.path.abspath(name)
        self.durability: Durability = durability
        self._prefix = _encoded(prefix)
        self._database: Database | None = None
        self._watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = weakref.WeakKeyDictionary()

    @property
    def _file(self) -> Database:
        if self._database is None:
            self._database = Database(self.path, self.durability)
        return self._database

    def _name(self, stream_id: str) -> tuple[bytes, bytes]:
        return self._prefix, _encoded(stream_id)

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        name, ts = self._name(stream_id), self.clock()
        await self._file.write(lambda connection: _append(connection, name, stream_id, records, ts))
        self._tell(stream_id, records[-1].end)

    async def read_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        prefix, name = self._name(stream_id)
        wanted = {"prefix": prefix, "id": name, "from_seq": from_seq, "limit": -1 if limit is None else limit}
        rows = await self._file.read(lambda connection: connection.execute(_RECORDS, wanted).fetchall())
        return [Record(seq, count, body, bool(is_terminal)) for seq, count, body, is_terminal in rows]

    async def read_head(self, stream_id: str) -> Head | None:
        name = self._name(stream_id)
        return await self._file.read(lambda connection: _head(connection, name))

    async def remove(self, stream_id: str) -> bool:
        name, file = self._name(stream_id), self._file

        def remove(connection: sqlite3.Connection) -> bool:
            existed = _remove(connection, name)
            file.has_deleted |= existed
            return existed

        existed = await file.write(remove)
        self._tell(stream_id)
        return existed

    async def list_ids(self, prefix: str) -> list[str]:
        first = _encoded(prefix)
        # No byte of UTF-8 is as high as 0xff.
        wanted = self._prefix, first, first + b"\xff"
        query = "SELECT id FROM streams WHERE prefix = ? AND id BETWEEN ? AND ?"
        rows = await self._file.read(lambda connection: connection.execute(query, wanted).fetchall())
        return [name.decode("utf-8", "surrogatepass") for (name,) in rows]

    async def write_snapshot(self, stream_id: str, seq: int, body: bytes) -> None:
        name = self._name(stream_id)
        await self._file.write(lambda connection: _keep_snapshot(connection, name, seq, body))

    async def read_snapshot(self, stream_id: str, seq: int) -> bytes | None:
        wanted = *self._name(stream_id), seq
        row = await self._file.read(lambda connection: connection.execute(_SNAPSHOT, wanted).fetchone())
        return None if row is None else row[0]

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        watch = self._watches.get(loop)
        if watch is None:
            watch = self._watches[loop] = Watch(self._look)
        await watch.wait(stream_id, seq, timeout)

    def _tell(self, stream_id: str, next_seq: int = 0) -> None:
        watch = self._watches.get(asyncio.get_running_loop())
        if watch is not None:
            watch.tell(stream_id, next_seq)

    async def _look(self, version: object, awaited: Mapping[str, int]) -> tuple[object, Collection[str]]:
        return await self._file.read(lambda connection: self._changed(connection, version, awaited))

    def _changed(
        self, connection: sqlite3.Connection, version: object, awaited: Mapping[str, int]
    ) -> tuple[object, Collection[str]]:
        """The version of the file, and the streams that have what is awaited, or have ended."""
        # Each connection counts by itself.
        now = connection, connection.execute("PRAGMA data_version").fetchone()
        if now == version:
            return now, ()
        changed = []
        for stream_id, seq in awaited.items():
            head = _head(connection, self._name(stream_id))
            if head is not None and (head.is_ended or head.next_seq > seq):
                changed.append(stream_id)
        return now, changed

    async def aclose(self) -> None:
        """Write what is queued, move the log into the file, and close it. The store may be used again.

        Where streams were deleted the file is written anew, so that nothing of them is left in it.
        """
        database, self._database = self._database, None
        if database is not None:
            await database.aclose()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _head(connection: sqlite3.Connection, name: tuple[bytes, bytes]) -> Head | None:
    row = connection.execute(_STREAM, name).fetchone()
    return None if row is None else Head(row[1], bool(row[2]), row[3])


def _append(
    connection: sqlite3.Connection, name: tuple[bytes, bytes], stream_id: str, records: Sequence[Record], ts: float
) -> None:
    key, next_seq, is_ended, _ = connection.execute(_STREAM, name).fetchone() or (None, 0, 0, 0.0)
    if is_ended:
        raise StreamEnded(stream_id)
    if records[0].seq != next_seq:
        raise WrongExpectedVersion(stream_id, records[0].seq, next_seq)
    state = records[-1].end, records[-1].is_terminal, ts
    if key is None:
        insert = "INSERT INTO streams (prefix, id, next_seq, is_ended, ts) VALUES (?, ?, ?, ?, ?)"
        key = connection.execute(insert, (*name, *state)).lastrowid
    else:
        connection.execute("UPDATE streams SET next_seq = ?, is_ended = ?, ts = ? WHERE key = ?", (*state, key))
    connection.executemany(
        "INSERT INTO records (stream, seq, count, is_terminal, body) VALUES (?, ?, ?, ?, ?)",
        [(key, record.seq, record.count, record.is_terminal, record.body) for record in records],
    )


def _remove(connection: sqlite3.Connection, name: tuple[bytes, bytes]) -> bool:
    row = connection.execute(_STREAM, name).fetchone()
    if row is None:
        return False
    connection.execute("DELETE FROM records WHERE stream = ?", row[:1])
    connection.execute("DELETE FROM snapshots WHERE stream = ?", row[:1])
    connection.execute("DELETE FROM streams WHERE key = ?", row[:1])
    return True


def _keep_snapshot(connection: sqlite3.Connection, name: tuple[bytes, bytes], seq: int, body: bytes) -> None:
    row = connection.execute(_STREAM, name).fetchone()
    if row is not None:
        connection.execute("INSERT OR REPLACE INTO snapshots (stream, seq, body) VALUES (?, ?, ?)", (row[0], seq, body))
        connection.execute(_OLD_SNAPSHOTS, {"key": row[0], "kept": SNAPSHOTS})
