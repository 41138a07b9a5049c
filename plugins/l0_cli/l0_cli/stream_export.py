"""`l0 export`: recorded streams as lines of JSON.

The first line is `{"format": "l0-streams", "version": 1}` and the last `{"end": true, "streams": 2, "records": 40}`.
Between them each line is a record, as the store keeps it:

    {"stream":"chat/42","seq":0,"count":1,"terminal":false,"body":{...}}

`body` comes last, and is the record's to the byte: nothing that a later version has written is lost.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from l0_cli.streams import BIDI, find, progress, told, visible, with_store
from l0_cli.terminal import CommandError, say
from l0_core import StoreError

if TYPE_CHECKING:
    from l0_eventsourcing import EventStore, Record, RecordStore

__all__ = ["FORMAT", "PAGE", "VERSION", "command", "record_store"]

FORMAT, VERSION = "l0-streams", 1

PAGE = 256
"""Records that are in memory at a time."""

_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *BIDI, 0x2028, 0x2029)}
"""What JSON leaves as it is, and a terminal must not see."""


def command(url: str | None, given: Sequence[str], everything: bool, output: Path | None, as_json: bool) -> int:
    """Export streams; returns the exit code."""
    with told():
        if everything == bool(given):
            raise CommandError("name the streams to export, or give --all for every stream of the store")
        with _written(output, as_json) as write:
            export = _Export(write)
            # Two progresses of one terminal would be one too many.
            with_store(url, partial(_export, given=given, export=export, shows=output is not None))
        if output is not None and as_json:
            typer.echo(json.dumps({"file": str(output), "streams": export.streams, "records": export.records}))
        elif output is not None:
            typer.echo(f"{visible(str(output))} holds {export.streams} streams in {export.records} records.")
        return 1 if export.has_failed else 0


class _Export:
    """What has been written so far."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.streams = self.records = 0
        self.has_failed = False

    def begin(self) -> None:
        self._write(_line({"format": FORMAT, "version": VERSION}))

    def end(self) -> None:
        self._write(_line({"end": True, "streams": self.streams, "records": self.records}))

    async def stream(self, stream_id: str, pages: AsyncIterator[list[Record]]) -> None:
        """Write a stream. One that the store cannot read is told, and ends before what cannot be read."""
        name = json.dumps(stream_id)
        seq = 0
        try:
            async for records in pages:
                for record in records:
                    if b"\n" in record.body:
                        raise StoreError(f"the record of event {record.seq} is not on one line")
                    terminal = "true" if record.is_terminal else "false"
                    head = f'{{"stream":{name},"seq":{record.seq},"count":{record.count},"terminal":{terminal},"body":'
                    self._write(head.encode("ascii") + record.body + b"}\n")
                    seq = record.end
                    self.records += 1
        except StoreError as error:
            if _is_away(error):
                raise
            say(visible(f"the stream {stream_id!r} is exported up to event {seq} only: {error}"))
            self.has_failed = True
        self.streams += seq > 0


async def _export(store: EventStore, *, given: Sequence[str], export: _Export, shows: bool) -> None:
    kept = record_store(store)
    ids = [await find(kept, each) for each in given] or await kept.list_streams()
    export.begin()
    with progress("exporting streams", len(ids) if shows else 0) as advance:
        for stream_id in dict.fromkeys(ids):
            await export.stream(stream_id, _pages(kept, stream_id))
            advance(1)
    export.end()


def record_store(store: EventStore) -> RecordStore:
    """The store, if it keeps records. Raises CommandError otherwise."""
    from l0_eventsourcing import RecordStore

    if not isinstance(store, RecordStore):
        raise CommandError(
            f"a {type(store).__name__} keeps no records, and l0 export and l0 import take them as they are kept: "
            "derive it from l0.eventsourcing.RecordStore"
        )
    return store


async def _pages(store: RecordStore, stream_id: str) -> AsyncIterator[list[Record]]:
    seq = 0
    while records := await store.get_records(stream_id, seq, PAGE):
        yield records
        seq = records[-1].end


def _is_away(error: StoreError) -> bool:
    from l0_eventsourcing import StoreUnavailable

    return isinstance(error, StoreUnavailable)


def _line(said: dict[str, object]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"


@contextmanager
def _written(path: Path | None, as_json: bool) -> Iterator[Callable[[bytes], object]]:
    """What writes to a file, or to stdout. A file is in its place when it is whole, and only its owner may read it."""
    if path is None:
        sys.stdout.flush()
        out = sys.stdout.buffer
        # What a person copies from a terminal means the same, and its bytes are not those that are kept.
        shown = sys.stdout.isatty() and not as_json
        yield (lambda line: out.write(line.decode().translate(_ESCAPES).encode())) if shown else out.write
        out.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as special:
            yield special.write
    else:
        target = path.resolve()
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            try:
                yield file.write
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, target)
