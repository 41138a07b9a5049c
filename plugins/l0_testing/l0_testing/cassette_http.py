"""HTTP/1.1 for cassettes: heads as they were written, and where a body ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from l0_testing.cassette import RecordedRequest

__all__ = ["FIELD", "HEAD_LIMIT", "NAME", "Body", "Headers", "Incoming", "framing", "head", "parse_head", "value_of"]

Headers = Sequence[tuple[str, str]]
"""Names and values, in their order and as they were written."""

HEAD_LIMIT = 1 << 16
"""Bytes of a head at most."""

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What a header's name, or a method, may be."""

FIELD = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What a header's value, or a reason, may hold."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request, whole; a body that came in chunks is put together."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def recorded(self, *, keep: bool) -> RecordedRequest:
        """What a cassette holds of it, with the body only if that is to be kept."""
        digest = sha256(self.body).hexdigest()
        body = self.body if keep else None
        return RecordedRequest(self.method, self.target, self.headers, len(self.body), digest, body)

    def outgoing(self, host: str) -> bytes:
        """Its bytes, as they are sent to a host."""
        dropped = {"host", "expect", "upgrade", "transfer-encoding", "content-length"}
        headers = [("host", host), *(each for each in self.headers if each[0].lower() not in dropped)]
        if framing(self.method, 0, self.headers) != 0 or value_of(self.headers, "content-length"):
            headers.append(("content-length", str(len(self.body))))
        return head(f"{self.method} {self.target} {self.version}", headers) + self.body


class Body:
    """Finds what a body holds in the bytes that come, and where it ends.

    Args:
        kind: how many bytes it has, or "chunked", or "close": until the connection ends.
    """

    def __init__(self, kind: int | Literal["chunked", "close"]) -> None:
        self.chunked = kind == "chunked"
        self.until_close = kind == "close"
        self.left = kind if isinstance(kind, int) else 0
        """Bytes that are still to come; of the chunk, where there are chunks."""
        self.done = kind == 0
        self.garbage: bytes | None = None
        """What came where a chunk's size, or its end, should have stood."""
        self._waiting = bytearray()
        self._line: Literal["size", "end of chunk", "trailer"] = "size"

    def feed(self, data: bytes) -> bytes:
        """The bytes of the entity in the next bytes of the message."""
        if self.chunked:
            return self._feed_chunks(data)
        if self.until_close:
            return data
        data = data[: self.left]
        self.left -= len(data)
        self.done = not self.left
        return data

    def _feed_chunks(self, data: bytes) -> bytes:
        waiting, entity = self._waiting, bytearray()
        waiting += data
        while waiting and not self.done:
            if self.left:
                part = waiting[: self.left]
                del waiting[: self.left]
                entity += part
                self.left -= len(part)
                continue
            line, newline, _ = waiting.partition(b"\r\n")
            if not newline and len(waiting) <= HEAD_LIMIT:
                break
            if not newline or not self._take(bytes(line)):
                self.garbage, self.done = bytes(waiting), True
            else:
                del waiting[: len(line) + 2]
        return bytes(entity)

    def _take(self, line: bytes) -> bool:
        """Take a line between chunks; whether it may stand there."""
        if self._line == "trailer":
            self.done = not line
        elif self._line == "end of chunk":
            self._line = "size"
            return not line
        else:
            size = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
                return False
            self.left = int(size, 16)
            self._line = "end of chunk" if self.left else "trailer"
        return True


def framing(method: str, status: int, headers: Headers) -> int | Literal["chunked", "close"]:
    """How a body ends (RFC 9112, 6.3): after so many bytes, after its last chunk, or with the connection.

    Args:
        method: the request's.
        status: the response's; 0 for the body of a request.
        headers: the message's own.

    Raises:
        ValueError: the headers contradict one another.
    """
    if status and (method == "HEAD" or status < 200 or status in (204, 304)):
        return 0
    coding = value_of(headers, "transfer-encoding")
    if coding is not None:
        return "chunked" if coding.lower().rpartition(",")[2].strip() == "chunked" else "close"
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    if not lengths:
        return "close" if status else 0
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,15}", next(iter(lengths))):
        raise ValueError(f"content-length is {', '.join(sorted(lengths))[:80]!r}")
    return int(lengths.pop())


def head(first: str, headers: Headers) -> bytes:
    """The bytes of a head."""
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def parse_head(raw: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The first line and the headers of a head.

    Raises:
        ValueError: it is none.
    """
    first, *lines = raw.removesuffix(b"\r\n\r\n").decode("latin-1").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not NAME.fullmatch(name) or not FIELD.fullmatch(value):
            raise ValueError(f"{line[:80]!r} is no header")
        headers.append((name, value))
    return first, headers


def value_of(headers: Headers, wanted: str) -> str | None:
    """The value of a header (its name in lower case), the last one if there are several."""
    return next((value for name, value in reversed(headers) if name.lower() == wanted), None)
