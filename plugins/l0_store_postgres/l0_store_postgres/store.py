"""The store in PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal, get_args
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]
from l0_eventsourcing import Head, Record, RecordStore, StreamEnded, WrongExpectedVersion

from l0_store_postgres import statements
from l0_store_postgres.connections import Connections, make_channel

__all__ = ["Durability", "PostgresEventStore"]

Durability = Literal["process", "power"]

LONGEST_PREFIX = 1000
"""Bytes of a prefix in UTF-8. It is part of an index, and a page must hold several of its entries."""


class PostgresEventStore(RecordStore):
    """Keeps streams in three tables of a PostgreSQL database, which it makes where the dsn's `search_path` leads.

    What was acknowledged survives the end of this process, however it comes. With `durability="power"` it is on the
    server's disk (and on that of its synchronous standbys); with `"process"` the server is not waited for, and
    a crash of the server or its machine loses what was acknowledged last, less than a second of it.

    `prefix` separates applications within the tables. `ttl` is in milliseconds after the last append; what is past it
    is not found, and deleted by `purge()`. A server that gives no answer for `timeout` seconds is unavailable.

    Raises ValueError for a dsn that cannot be read, and for a prefix of more than 1,000 bytes.
    """

    def __init__(
        self,
        dsn: str,
        prefix: str = "l0",
        ttl: int = 0,
        *,
        durability: Durability = "power",
        timeout: float = 5.0,
    ) -> None:
        super().__init__(prefix, ttl)
        if durability not in get_args(Durability):
            raise ValueError(f"durability is {durability!r}; it must be 'process' or 'power'")
        self._prefix = _encoded(prefix)
        if len(self._prefix) > LONGEST_PREFIX:
            raise ValueError(f"prefix has {len(self._prefix)} bytes in UTF-8; it can have {LONGEST_PREFIX}")
        settings = {"synchronous_commit": "on" if durability == "power" else "off"}
        self._connections = Connections(dsn, timeout, make_channel(self._prefix), settings)

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        key, first, append_id = self._key(stream_id), records[0].seq, uuid4()
        values = (
            *key,
            records[-1].end,
            records[-1].is_terminal,
            self.clock(),
            append_id,
            [record.seq for record in records],
            [record.count for record in records],
            [record.is_terminal for record in records],
            [record.body for record in records],
        )

        async def append(connection: Any) -> None:
            while True:
                if first:
                    written = await connection.fetchval(statements.CONTINUE, *values, first)
                else:
                    written = await connection.fetchval(statements.BEGIN, *values)
                if written is not None:
                    return
                found = await connection.fetchrow(statements.EXPLAIN, *key, first)
                actual, is_ended, kept_id = found or (0, False, None)
                if kept_id == append_id:
                    return  # The connection was lost after the commit, and this is the second time.
                if is_ended:
                    raise StreamEnded(stream_id)
                if actual != first:
                    raise WrongExpectedVersion(stream_id, first, actual)
                # What was in the way has gone in between.

        await self._connections.run(f"an append to the stream {stream_id!r} was not confirmed", append)
        await self._connections.tell(_notice(key))

    async def read_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        async def read(connection: Any) -> list[Record]:
            rows = await connection.fetch(statements.READ, *self._key(stream_id), from_seq, limit)
            return [Record(*row) for row in rows]

        return await self._connections.run(f"the stream {stream_id!r} could not be read", read)

    async def read_head(self, stream_id: str) -> Head | None:
        async def read(connection: Any) -> Head | None:
            row = await connection.fetchrow(statements.HEAD, *self._key(stream_id))
            return None if row is None else Head(*row)

        return await self._connections.run(f"the stream {stream_id!r} could not be looked up", read)

    async def remove(self, stream_id: str) -> bool:
        key = self._key(stream_id)

        async def remove(connection: Any) -> bool:
            return await connection.fetchval(statements.REMOVE, *key) is not None

        # Done a second time, it would say that there was none.
        doing = f"that the stream {stream_id!r} is deleted was not confirmed"
        removed = await self._connections.run(doing, remove, again=False)
        if removed:
            await self._connections.tell(_notice(key))
        return removed

    async def list_ids(self, prefix: str) -> list[str]:
        beginning = _encoded(prefix)

        async def read(connection: Any) -> list[str]:
            rows = await connection.fetch(statements.LIST, self._prefix, beginning, len(beginning))
            return [row[0].decode("utf-8", "surrogatepass") for row in rows]

        return await self._connections.run("the streams could not be listed", read)

    async def write_snapshot(self, stream_id: str, seq: int, body: bytes) -> None:
        async def write(connection: Any) -> None:
            try:
                await connection.execute(statements.WRITE_SNAPSHOT, *self._key(stream_id), seq, body)
            except asyncpg.ForeignKeyViolationError:
                return  # The stream was deleted in between, and its snapshots with it.

        await self._connections.run(f"a snapshot of the stream {stream_id!r} was not confirmed", write)

    async def read_snapshot(self, stream_id: str, seq: int) -> bytes | None:
        async def read(connection: Any) -> bytes | None:
            body: bytes | None = await connection.fetchval(statements.READ_SNAPSHOT, *self._key(stream_id), seq)
            return body

        return await self._connections.run(f"the snapshots of the stream {stream_id!r} could not be read", read)

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        """Wait until event `seq` is there, or the stream ends or is deleted, for `timeout` seconds at most."""
        key = self._key(stream_id)

        async def is_there(connection: Any) -> bool:
            row = await connection.fetchrow(statements.HEAD, *key)
            return row is not None and bool(row["next_seq"] > seq or row["is_ended"])

        await self._connections.wait(f"the stream {stream_id!r} could not be followed", _notice(key), is_there, timeout)

    async def aclose(self) -> None:
        """Close the connections that the running event loop has opened. The store can be used again."""
        await self._connections.aclose()

    def _key(self, stream_id: str) -> tuple[bytes, bytes, bytes]:
        encoded = _encoded(stream_id)
        return self._prefix, hashlib.sha256(encoded).digest(), encoded


def _encoded(text: str) -> bytes:
    """A text as bytes. Halves of surrogate pairs, which have no UTF-8, stay what they are."""
    return text.encode("utf-8", "surrogatepass")


def _notice(key: tuple[bytes, bytes, bytes]) -> str:
    """What a notice says of a stream."""
    return key[1].hex()
