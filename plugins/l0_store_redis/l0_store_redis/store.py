"""The store in Redis."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from l0_eventsourcing import Head, Record, RecordStore, StreamEnded, WrongExpectedVersion

from l0_core import StoreError
from l0_store_redis import scripts
from l0_store_redis.connections import Connections
from l0_store_redis.keys import encode, find_id, make_key, make_pattern

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["RedisEventStore"]

PAGE = 500
"""Entries that are read at a time: the server serves others in between."""


class RedisEventStore(RecordStore):
    """Keeps each stream as a Redis Stream, and its snapshots in a hash beside it.

    An append returns when the server has it in memory; `appendfsync` decides when it is on the server's disk. `ttl` is
    in milliseconds after the last append, and the server drops the stream then; the last append's `ttl` counts.

    `client` is a client of redis-py's asyncio in place of a URL: of a cluster, behind Sentinel, with credentials of its
    own. It belongs to one event loop, must not decode responses, and is not closed by the store.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        prefix: str = "l0",
        ttl: int = 0,
        *,
        client: Redis | RedisCluster | None = None,
    ) -> None:
        super().__init__(prefix, ttl)
        self._connections = Connections(url, client)

    def get_stream_key(self, stream_id: str) -> str:
        return make_key(self.prefix, "stream", stream_id)

    def get_snapshot_key(self, stream_id: str) -> str:
        return make_key(self.prefix, "snapshots", stream_id)

    def is_expired(self, timestamp: float) -> bool:
        """Never: the server drops a stream that is past its time, so what is found is not."""
        return False

    async def is_past(self, stream_id: str) -> bool:
        return False

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        args: list[bytes | str | int] = [records[0].seq, self.ttl, int(self.clock()), os.urandom(8).hex()]
        for record in records:
            args += (f"{record.end}-{int(record.is_terminal)}", record.count, record.body)
        with self._connections.told(f"an append to the stream {stream_id!r} was not confirmed"):
            answer, actual = await self._run(scripts.APPEND, self._keys(stream_id), args)
        if answer == b"ended":
            raise StreamEnded(stream_id)
        if answer == b"wrong":
            raise WrongExpectedVersion(stream_id, records[0].seq, int(actual))

    async def read_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        key = self._keys(stream_id)[0]
        with self._connections.told(f"the stream {stream_id!r} could not be read"):
            client = (await self._connections.get()).commands
            while True:
                records: list[Record] = []
                pages, seq, first = 0, from_seq, None
                while limit is None or len(records) < limit:
                    size = PAGE if limit is None else min(PAGE, limit - len(records))
                    entries = await client.xrange(key, min=str(seq + 1), count=size)
                    records += [_record(stream_id, *entry) for entry in entries]
                    if not pages:
                        first = entries[:1]
                    pages += 1
                    if len(entries) < size:
                        break
                    seq = records[-1].end
                # Between two pages the stream may have been deleted, and written anew.
                if pages < 2 or await client.xrange(key, min=str(from_seq + 1), count=1) == first:
                    return records

    async def read_head(self, stream_id: str) -> Head | None:
        with self._connections.told(f"the stream {stream_id!r} could not be looked up"):
            found = await self._run(scripts.READ_HEAD, self._keys(stream_id)[:1])
        if found is None:
            return None
        end, _, is_ended = found[0].partition(b"-")
        return Head(int(end), is_ended != b"0", float(found[1]))

    async def remove(self, stream_id: str) -> bool:
        with self._connections.told(f"that the stream {stream_id!r} is deleted was not confirmed"):
            return bool(await self._run(scripts.REMOVE, self._keys(stream_id)))

    async def list_ids(self, prefix: str) -> list[str]:
        """The ids that begin with `prefix`. The server looks at all keys of the database, a thousand at a time."""
        pattern = make_pattern(self.prefix, "stream", prefix)
        with self._connections.told("the streams could not be listed"):
            client = (await self._connections.get()).commands
            found = {find_id(self.prefix, "stream", key) async for key in client.scan_iter(match=pattern, count=1000)}
        return [stream_id for stream_id in found if stream_id is not None]

    async def write_snapshot(self, stream_id: str, seq: int, body: bytes) -> None:
        with self._connections.told(f"a snapshot of the stream {stream_id!r} was not confirmed"):
            await self._run(scripts.WRITE_SNAPSHOT, self._keys(stream_id), [seq, body])

    async def read_snapshot(self, stream_id: str, seq: int) -> bytes | None:
        with self._connections.told(f"the snapshots of the stream {stream_id!r} could not be read"):
            found: bytes | None = await self._run(scripts.READ_SNAPSHOT, self._keys(stream_id)[1:], [seq])
        return found

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        """Wait until the server says that event `seq` is there, for `timeout` seconds and at most one."""
        with self._connections.told(f"the stream {stream_id!r} could not be followed"):
            clients = await self._connections.get()
            milliseconds = max(1, int(min(timeout, clients.wait) * 1000))
            await clients.waiting.xread({self._keys(stream_id)[0]: f"{seq}-1"}, count=1, block=milliseconds)

    async def aclose(self) -> None:
        """Close the connections that the running event loop has opened. The store can be used again."""
        await self._connections.aclose()

    async def _run(self, script: scripts.Script, keys: Sequence[bytes], args: Sequence[bytes | str | int] = ()) -> Any:
        return await script.run((await self._connections.get()).commands, keys, args)

    def _keys(self, stream_id: str) -> tuple[bytes, bytes]:
        return encode(self.get_stream_key(stream_id)), encode(self.get_snapshot_key(stream_id))


def _record(stream_id: str, entry_id: bytes, fields: dict[bytes, bytes]) -> Record:
    try:
        end, _, is_terminal = entry_id.partition(b"-")
        count = int(fields[b"n"])
        return Record(int(end) - count, count, fields[b"body"], is_terminal != b"0")
    except (KeyError, ValueError):
        raise StoreError(
            f"the entry {entry_id.decode()} of the stream {stream_id!r} is not one that this store has written"
        ) from None
