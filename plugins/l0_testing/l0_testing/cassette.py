"""Cassettes: what a provider sent, byte for byte and with its pauses, in a file of JSON lines.

The first line says what the file is. Each other one says what happened next in one exchange, so a file that was cut
anywhere can be read up to there:

    {"format": "l0-cassette", "version": 1, "upstream": "https://api.openai.com"}
    {"exchange": 1, "request": {"method": "POST", "path": "/v1/chat/completions", "headers": [["host", "x"]], ...}}
    {"exchange": 1, "at": 412.08, "response": {"status": 200, "reason": "OK", "headers": [["server", "y"]]}}
    {"exchange": 1, "at": 412.31, "text": "data: {}\n\n"}
    {"exchange": 1, "at": 430.755, "bytes": "8J+M"}
    {"exchange": 1, "at": 431.7, "end": "clean"}

`at` is in milliseconds since the request was sent. A piece is what one read gave of the response's body, without the
framing of HTTP and with its content encoding: `text` if it is UTF-8, else `bytes` in base64. A request has the `length`
and `sha256` of its body, and the body itself, as `text` or `bytes`, only where that was asked for. `end` is one of
`ENDS`; after "malformed", `bytes` is what came in the place of HTTP.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

__all__ = [
    "ENDS",
    "Cassette",
    "CassetteError",
    "CassetteWriter",
    "End",
    "Exchange",
    "Piece",
    "RecordedRequest",
    "RecordedResponse",
    "write_cassette",
]

FORMAT = "l0-cassette"
VERSION = 1

ENDS = {
    "clean": "the body ended as its framing says",
    "truncated": "the connection was closed before that, or before there was a response",
    "reset": "the connection was reset",
    "malformed": "what came was not HTTP, and the connection was closed",
    "abandoned": "the client left, or the recording was ended: what would have come is not known",
}
"""How an exchange can end, and what that means. One without an end was being recorded when the recorder was killed."""

MASK = "***"
SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|session|signature|token|^sig$", re.IGNORECASE)
"""Names of headers and of query parameters whose values are masked."""

STEERING = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What a model could say to a terminal that shows the file; JSON has escaped the other control characters."""


class CassetteError(ValueError):
    """A file is no cassette, or is damaged. The message says where."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """What was asked: the headers, and the path with its query, as they came. They are masked when they are written."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    length: int
    """Bytes of the body."""
    sha256: str
    body: bytes | None = None
    """None if it was not recorded."""


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """The head of a response, without what sets cookies."""

    at: float
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one read gave of a body."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """How an exchange ended."""

    at: float
    how: str
    """One of `ENDS`."""
    garbage: bytes = b""
    """After "malformed": what came in the place of HTTP."""


@dataclass(slots=True)
class Exchange:
    """A request and what came of it. Times are in milliseconds since the request."""

    request: RecordedRequest
    response: RecordedResponse | None = None
    pieces: list[Piece] = field(default_factory=list)
    end: End | None = None

    @property
    def body(self) -> bytes:
        """The response's body, as far as it came."""
        return b"".join(piece.data for piece in self.pieces)


@dataclass(slots=True)
class Cassette:
    """The exchanges of a recording, in the order in which they began."""

    upstream: str
    exchanges: list[Exchange]


class CassetteWriter:
    """Writes a cassette line by line, each at once and whole, so that a process that is killed leaves a readable file.

    An error in writing (a full disk) is kept for `close`, and nothing more is written: what is recorded goes on.
    """

    def __init__(self, path: str | os.PathLike[str], upstream: str) -> None:
        """Create the file, readable by its owner only, since prompts and answers may be in it.

        Raises:
            FileExistsError: there is one already: a recording is not overwritten.
        """
        self._file = open(path, "xb", buffering=0, opener=_private)  # noqa: SIM115 - closed by close()
        self._failure: OSError | None = None
        self._count = 0
        self._line({"format": FORMAT, "version": VERSION, "upstream": upstream})

    def request(self, request: RecordedRequest) -> int:
        """Begin an exchange; returns its number."""
        self._count += 1
        fields: dict[str, Any] = {
            "method": request.method,
            "path": _without_secrets(request.path),
            "headers": [[name, _masked(name, value)] for name, value in request.headers],
            "length": request.length,
            "sha256": request.sha256,
        }
        self._line({"exchange": self._count, "request": fields | ({} if request.body is None else _data(request.body))})
        return self._count

    def response(self, exchange: int, response: RecordedResponse) -> None:
        """The head of a response."""
        headers = [
            [name, _without_secrets(value) if name.lower().endswith("location") else value]
            for name, value in response.headers
            if not name.lower().startswith("set-cookie")
        ]
        fields = {"status": response.status, "reason": response.reason, "headers": headers}
        self._line({"exchange": exchange, "at": round(response.at, 3), "response": fields})

    def piece(self, exchange: int, piece: Piece) -> None:
        """The next piece of a body."""
        self._line({"exchange": exchange, "at": round(piece.at, 3), **_data(piece.data)})

    def end(self, exchange: int, end: End) -> None:
        """The end of an exchange."""
        garbage = {"bytes": base64.b64encode(end.garbage).decode()} if end.garbage else {}
        self._line({"exchange": exchange, "at": round(end.at, 3), "end": end.how, **garbage})

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: something could not be written.
        """
        self._file.close()
        if self._failure is not None:
            raise self._failure

    def _line(self, fields: Mapping[str, Any]) -> None:
        if self._failure is not None:
            return
        text = json.dumps(fields, ensure_ascii=False, separators=(", ", ": "))
        line = memoryview(STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n")
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            self._failure = error


def write_cassette(path: str | os.PathLike[str], cassette: Cassette) -> None:
    """Write a cassette, such as one that was read and cut down to the exchange that matters.

    Raises:
        OSError: the file cannot be written, or is there already.
    """
    writer = CassetteWriter(path, cassette.upstream)
    try:
        for exchange in cassette.exchanges:
            number = writer.request(exchange.request)
            if exchange.response is not None:
                writer.response(number, exchange.response)
            for piece in exchange.pieces:
                writer.piece(number, piece)
            if exchange.end is not None:
                writer.end(number, exchange.end)
    finally:
        writer.close()


def _data(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(data).decode()}


def _masked(name: str, value: str) -> str:
    return MASK if SECRET.search(name) else _without_secrets(value) if name.lower() == "referer" else value


def _without_secrets(url: str) -> str:
    """A URL or path with the secrets in its query masked."""
    path, mark, query = url.partition("?")
    # A semicolon separates parameters only where another one follows it.
    return path + mark + re.sub(r"([^&;=]*)=(?:[^&;]|;(?![^&;=]*=))*", _mask_parameter, query)


def _mask_parameter(found: re.Match[str]) -> str:
    return f"{found[1]}={MASK}" if SECRET.search(unquote_plus(found[1])) else found[0]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
