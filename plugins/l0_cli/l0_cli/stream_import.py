"""`l0 import`: recorded streams from the lines that `l0 export` has written."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from l0_cli.stream_export import FORMAT, PAGE, VERSION, record_store
from l0_cli.streams import progress, told, visible, with_store
from l0_cli.terminal import CommandError, say
from l0_core import StoreError

if TYPE_CHECKING:
    from l0_eventsourcing import EventStore, Record, RecordStore

__all__ = ["command"]

LINE = 1 << 28
"""Bytes that a line may have: a file of somebody else's must not fill the memory."""

BATCH = 1 << 22
"""Bytes of records after which they are written, however few they are."""

SEQ = 1 << 62
"""What no event's number reaches. A store may keep it in 64 bits."""

BEFORE = "what stands before it is imported"


def command(url: str | None, path: Path, as_json: bool) -> int:
    """Import an export; returns the exit code."""
    with told(), path.open("rb") as file:
        status = os.fstat(file.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        return with_store(url, partial(_import, file=file, size=size, as_json=as_json), makes=True)


async def _import(store: EventStore, *, file: BinaryIO, size: int | None, as_json: bool) -> int:
    importing = _Import(record_store(store))
    problem: CommandError | None = None
    with progress("importing", size) as advance:
        try:
            async for stream_id, record in _read(file, advance):
                await importing.take(stream_id, record)
        except CommandError as error:
            problem = error
        await importing.write()
    said = {"streams": len(importing.streams), "records": importing.records, "new_records": importing.new_records}
    if as_json:
        typer.echo(json.dumps({**said, "conflicts": importing.conflicts}))
    else:
        typer.echo("{streams} streams in {records} records, of which {new_records} are new here.".format(**said))
    if problem is not None:
        raise problem
    return 1 if importing.conflicts else 0


class _Import:
    """Records on their way into a store, and how many have arrived."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._stream_id = ""
        self._waiting: list[Record] = []
        self._size = 0
        self.streams: set[str] = set()
        self.conflicts: list[str] = []
        self.records = self.new_records = 0

    async def take(self, stream_id: str, record: Record) -> None:
        """Take in a record: it is written with others of its stream."""
        if stream_id != self._stream_id or len(self._waiting) >= PAGE or self._size >= BATCH:
            await self.write()
        self._stream_id = stream_id
        self._waiting.append(record)
        self._size += len(record.body)

    async def write(self) -> None:
        """Write what waits. A stream that is another one here is told, and left as it is."""
        records, self._waiting, self._size = self._waiting, [], 0
        stream_id = self._stream_id
        if not records or stream_id in self.conflicts:
            return
        kept = await self._store.get_records(stream_id, records[0].seq, len(records))
        conflict = await self._conflict(stream_id, records, kept)
        if conflict is None:
            self.streams.add(stream_id)
            self.records += len(records)
            self.new_records += len(records) - len(kept)
            return
        self.conflicts.append(stream_id)
        advice = "delete it there, or import into another store"
        say(visible(f"the stream {stream_id!r} {conflict}: {advice}"))

    async def _conflict(self, stream_id: str, records: list[Record], kept: list[Record]) -> str | None:
        """Append records to those of them that are kept; or say why they cannot be."""
        from l0_eventsourcing import StreamEnded, WrongExpectedVersion

        for record, there in zip(records, kept, strict=False):
            if record != there:
                return f"is another one here, from event {record.seq} on"
        new = records[len(kept) :]
        try:
            await self._store.append_records(stream_id, new)
        except StreamEnded:
            return f"has ended here, and goes on in the file with event {new[0].seq}"
        except WrongExpectedVersion as error:
            return f"is at event {error.actual} here, and goes on in the file with event {new[0].seq}"
        return None


async def _read(file: BinaryIO, advance: Callable[[float], None]) -> AsyncIterator[tuple[str, Record]]:
    """The records of an export. Raises CommandError, with the line, for what is none."""
    name, order = visible(file.name), _Order()
    count = number = 0
    is_ended = False
    while line := file.readline(LINE):
        number += 1
        advance(len(line))
        try:
            if is_ended:
                raise ValueError("the line before it is the last of an export")
            if number == 1:
                _check_header(line)
            elif line.startswith(b'{"end":'):
                _check_end(line, count)
                is_ended = True
            else:
                stream_id, record = _parsed(line)
                order.check(stream_id, record)
                await _check_readable(record)
                count += 1
                yield stream_id, record
        except ValueError as error:
            raise CommandError(f"{name}, line {number}: {error}{f'; {BEFORE}' if number > 1 else ''}") from None
    if not number:
        raise CommandError(f"{name} is empty, and no export of l0")
    if not is_ended:
        raise CommandError(f"{name} was cut off after line {number}; what it holds is imported")


def _check_header(line: bytes) -> None:
    said = _json(line)
    if said.get("format") != FORMAT or not isinstance(version := said.get("version"), int):
        raise ValueError(f'this is no export of l0, which begins with {{"format":"{FORMAT}","version":{VERSION}}}')
    if version > VERSION:
        raise ValueError(f"version {version} of the format, and this l0-cli reads {VERSION}: pip install -U l0-cli")


def _check_end(line: bytes, count: int) -> None:
    said = _json(line)
    if said.get("records") != count:
        raise ValueError(f"the end of {said.get('records')} records, and there are {count}: some were lost")


def _json(line: bytes) -> dict[str, Any]:
    if len(line) == LINE and not line.endswith(b"\n"):
        raise ValueError(f"a line is longer than {LINE >> 20} MB")
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("cut off or damaged, and no JSON") from None
    if not isinstance(said, dict):
        raise ValueError("no JSON object")
    return said


def _parsed(line: bytes) -> tuple[str, Record]:
    from l0_eventsourcing import Record

    said = _json(line)
    # No string holds these bytes: a quote inside one has a backslash before it.
    _, _, body = line.rstrip().partition(b',"body":')
    if list(said) != ["stream", "seq", "count", "terminal", "body"] or not body:
        raise ValueError("no record as l0 export writes them")
    stream_id, seq, count, terminal = said["stream"], said["seq"], said["count"], said["terminal"]
    if not (isinstance(stream_id, str) and type(seq) is type(count) is int and isinstance(terminal, bool)):
        raise ValueError("stream must be text, seq and count numbers, and terminal true or false")
    # An event takes at least a byte.
    if not (0 <= seq < SEQ and 1 <= count <= len(body)):
        raise ValueError(f"no record has seq {seq} and count {count}")
    return stream_id, Record(seq, count, body[:-1], terminal)


class _Order:
    """Sees that the records of a stream follow each other."""

    def __init__(self) -> None:
        self._stream_id = ""
        self._last: Record | None = None

    def check(self, stream_id: str, record: Record) -> None:
        """Raises ValueError for a record that is not the next."""
        last = self._last if stream_id == self._stream_id else None
        if last is not None and (last.is_terminal or last.end != record.seq):
            raise ValueError(f"event {record.seq} cannot follow event {last.end - 1} of the stream {stream_id!r}")
        self._stream_id, self._last = stream_id, record


async def _check_readable(record: Record) -> None:
    """Raises ValueError for a record that could not be read again. Types of a later version are not judged."""
    import l0_eventsourcing as recorded

    store, fold, events = recorded.InMemoryEventStore(), recorded.Replay(), list[Any]()
    try:
        await store.append_records("", [recorded.Record(0, record.count, record.body)])
        events = [envelope.event for envelope in await store.get_events("")]
        for event in events:
            fold.apply(event)
        is_sound = all(isinstance(event.type, str) and isinstance(event.ts, int | float) for event in events)
    except (StoreError, ValueError, TypeError, LookupError, AttributeError):
        is_sound = False
    if not is_sound:
        raise ValueError(f"the record of event {record.seq} is damaged")
    last = events[-1]
    if isinstance(last, recorded.UnknownEvent):
        return
    ends = isinstance(last, recorded.CompleteEvent | recorded.ErrorEvent | recorded.AbortedEvent)
    if (len(events), ends) != (record.count, record.is_terminal):
        raise ValueError(f"the record of event {record.seq} is not what its count and terminal say")
