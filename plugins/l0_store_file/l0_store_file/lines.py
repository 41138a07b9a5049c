"""The lines that a log is made of, and how a line that a dying process has left is told from one that is damaged.

    <crc32> <length> <seq> <count> <terminal> <json>

The first number is the CRC-32 of everything after it, as eight hexadecimal digits; `length` counts the bytes of the
JSON, and `terminal` is 0 or 1. The first line of a file holds no events (its count is 0), and says what the file is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from zlib import crc32

from l0_eventsourcing import Record

from l0_core import StoreError
from l0_store_file import system
from l0_store_file.names import escaped, unescaped

__all__ = ["dump", "head_of", "is_torn", "load", "read_lines", "stream_id_in"]

VERSION = 1
"""Of the format."""

CHUNK = 1 << 18
"""Bytes that are read at a time."""

_HEAD = re.compile(rb"[0-9a-f]{8} (\d{1,19}) (\d{1,19}) (\d{1,19}) ([01]) ")
_BEGINNING = re.compile(rb"[0-9a-f]{0,8}|[0-9a-f]{8} [0-9 ]{0,62}")


def dump(record: Record) -> bytes:
    """A record as a line, with its newline."""
    body = record.body
    rest = b" %d %d %d %d %b" % (len(body), record.seq, record.count, record.is_terminal, body)
    return b"%08x%b\n" % (crc32(rest), rest)


def load(line: bytes) -> Record | None:
    """The record of a line, which is given without its newline; None for a line that is damaged."""
    # The digits are compared as they stand: to int() a flipped bit of case is nothing.
    if b"%08x" % crc32(memoryview(line)[8:]) != line[:8]:
        return None
    head = _HEAD.match(line)
    if head is None or len(line) - head.end() != int(head[1]):
        return None
    return Record(int(head[2]), int(head[3]), line[head.end() :], head[4] == b"1")


def is_torn(line: bytes) -> bool:
    """Whether the end of a file, which has no newline, is the beginning of a line: a write that was cut short.

    A line that is all there but for its newline is none: something has become of the newline.
    """
    head = _HEAD.match(line)
    if head is None:
        return _BEGINNING.fullmatch(line) is not None
    return len(line) - head.end() <= int(head[1])


def head_of(kind: str, stream_id: str) -> bytes:
    """The first line of a file of a kind, `"log"` or `"snapshots"`.

    The id is escaped, for JSON has no form for some that two streams must not share.
    """
    body = json.dumps({"l0": kind, "version": VERSION, "stream": escaped(stream_id)}, separators=(",", ":"))
    return dump(Record(0, 0, body.encode("ascii")))


def stream_id_in(head: Record, kind: str, path: str) -> str:
    """The stream that the first line of a file names. Raises StoreError for a file of another kind or version."""
    try:
        said = json.loads(head.body)
        version, found = said["version"], said["l0"]
        if found == kind and version == VERSION:
            return unescaped(said["stream"])
    except (ValueError, TypeError, KeyError):
        version = found = "unknown"
    raise StoreError(
        f"{path} is a file of the kind {found!r} and the version {version!r}, and this l0-store-file reads "
        f"{kind!r} of version {VERSION}: upgrade it, or move the file away"
    )


def read_lines(fd: int, start: int, end: int, chunk: int = CHUNK) -> Iterator[tuple[int, bytes, bool]]:
    """The lines between two offsets: where each begins, what is in it, and whether there is a newline after it."""
    offset = at = start
    rest = b""
    while at < end and (data := system.pread(fd, min(max(chunk, len(rest)), end - at), at)):
        at += len(data)
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield offset, line, True
            offset += len(line) + 1
    if rest:
        yield offset, rest, False
