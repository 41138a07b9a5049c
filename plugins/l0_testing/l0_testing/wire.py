"""HTTP/1.1 by hand: every byte of a response, and how its connection ends, is in the hands of whoever writes it."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import responses
from typing import Any, Literal, cast

from l0_testing.scripts import Answer, Fault, Piece, Script, to_json

__all__ = ["Connection", "Reply", "Request", "RequestLog"]

EVENT_STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json"


@dataclass(slots=True)
class RequestLog:
    """What the server saw of one request. Times are `time.monotonic()` seconds."""

    model: str
    attempt: int
    """1 for the first request to this model name."""
    fault: str | None
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    connection: int
    """Number of the connection, to tell a reused one from a new one."""
    opened_at: float
    ended_at: float | None = None
    ended_by: Literal["server", "client"] | None = None
    """Who ended the response; None while it is in progress."""
    tokens_sent: int = 0
    sent: list[str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        """The text of choice 0 that was sent."""
        return "".join(self.sent)

    def end(self, by: Literal["server", "client"]) -> None:
        """Record the end; the first to end it counts."""
        if self.ended_at is None:
            self.ended_by, self.ended_at = by, time.monotonic()


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed HTTP request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def take(cls, inbox: bytearray) -> Request | None:
        """Take the first request off what was received; None while it is not all there.

        Raises:
            ValueError: it is no HTTP request.
        """
        head, blank, _ = inbox.partition(b"\r\n\r\n")
        if not blank:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        start = len(head) + len(blank)
        end = start + int(headers.get("content-length", 0))
        if len(inbox) < end:
            return None
        body = bytes(inbox[start:end])
        del inbox[:end]
        method, path, _ = first.split(" ")
        return cls(method, path.partition("?")[0], headers, body)


class Connection(asyncio.Protocol):
    """One accepted socket. It always reads, so that the client's end is seen while the server is silent."""

    def __init__(
        self,
        number: int,
        handle: Callable[[Connection, Request], Coroutine[Any, Any, None]],
        opened: Callable[[Connection], None],
        lost: Callable[[Connection, BaseException | None], None],
    ) -> None:
        self.number = number
        self.log: RequestLog | None = None
        """The request being answered."""
        self.doomed = False
        """Set to drop the connection at its next request."""
        self._handle, self._opened, self._lost = handle, opened, lost
        self._inbox = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._failure: BaseException | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        # Nothing waits in user space, so that a reset cannot drop what was already "sent".
        self._transport.set_write_buffer_limits(high=0)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._inbox += data
        self._next()

    def eof_received(self) -> None:
        """Called by the event loop: the client has closed its end, and is taken at its word."""
        self._leave()
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._closed = True
        self._leave()
        self._writable.set()
        if self._task is None:
            self._lost(self, self._failure)

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Write bytes as they are; returns when the kernel has them, or the connection is gone."""
        self._transport.write(data)
        await self._writable.wait()
        await asyncio.sleep(0)  # lets the loop see a client that has left, even while it takes all we send

    def close(self) -> None:
        """End with a FIN."""
        self._transport.close()

    async def reset(self) -> None:
        """End with a RST, when all that was sent is on its way: a reset drops what still waits in the kernel."""
        sock = self._transport.get_extra_info("socket")
        while _unsent(sock):  # noqa: ASYNC110 - the kernel announces nothing
            await asyncio.sleep(0.001)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """End at once, whatever is in progress."""
        if self.log is not None:
            self.log.end("server")
        self._transport.abort()

    def _leave(self) -> None:
        if self.log is not None:
            self.log.end("client")
        if self._task is not None:
            self._task.cancel()

    def _next(self) -> None:
        if self._task is not None:
            return
        try:
            request = Request.take(self._inbox)
        except ValueError:
            self._transport.write(whole(400, error_body("this is not HTTP/1.1", "invalid_request_error")))
            self.close()
            return
        if request is None:
            return
        if self.doomed:
            self.close()
            return
        self._task = asyncio.get_running_loop().create_task(self._handle(self, request))
        self._task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._transport.abort()
        if self._closed:
            self._lost(self, self._failure)
        else:
            self._next()


def _unsent(sock: socket.socket) -> int:
    """Bytes that wait in the kernel for the congestion window; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    import fcntl

    siocoutqnsd = 0x894B
    return int.from_bytes(fcntl.ioctl(sock.fileno(), siocoutqnsd, bytes(4)), sys.byteorder)


class Reply:
    """One response in the making: what a fault handles.

    Body bytes go through `write`, which frames them; `raw` does not. A kind of fault ends a reply in exactly one way:
    `rest` or `end` (complete), `close` (FIN), `reset` (RST), or `forever` (until the client leaves).
    """

    def __init__(
        self, connection: Connection, log: RequestLog, script: Script, answer: Answer, fault: Fault, request: Request
    ) -> None:
        self.answer = answer
        """May be replaced before the first piece is sent."""
        self.fault = fault
        self.log = log
        self.request = request
        self.streaming = bool(log.body.get("stream"))
        self.frame: Callable[[bytes], bytes] = sse if self.streaming else bytes
        """Turns the payload of a piece into body bytes."""
        self.split: int | None = None
        """Bytes per write; None writes each event whole."""
        self.held: bytearray | None = bytearray() if script.framing == "coalesced" else None
        """Body bytes kept back for one burst; None sends them as they come."""
        self.connection = connection
        self._pace = script.pace
        self._framing: Literal["chunked", "length", "close"] | None = None
        self._next_piece = 0
        self._tokens_taken = 0

    @cached_property
    def pieces(self) -> list[Piece]:
        """What the healthy response consists of."""
        options = self.log.body.get("stream_options") or {}
        if self.streaming:
            return self.answer.pieces(include_usage=bool(options.get("include_usage")))
        return self.answer.document()

    async def head(
        self, *, framing: Literal["chunked", "length", "close"] = "chunked", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the status line and headers of a 200; a "length" is in `headers`."""
        self._framing = framing
        content_type = EVENT_STREAM if self.streaming else JSON
        framed = {"chunked": {"transfer-encoding": "chunked"}, "length": {}, "close": {"connection": "close"}}[framing]
        await self.connection.send(head(200, {"content-type": content_type, **framed, **(headers or {})}))

    async def status(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response of another kind."""
        self.log.end("server")
        await self.connection.send(whole(status, body, headers))

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.flush()
        await self.connection.send(data)

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send body bytes (after the head, if it was not sent); the last ones carry the end of the body with them."""
        if self._framing is None:
            await self.head()
        if self.held is not None:
            self.held += data
            if not last:
                return
            data, self.held = bytes(self.held), None
        parts = [data[i : i + self.split] for i in range(0, len(data), self.split)] if self.split else [data]
        for part in parts[:-1]:
            await self.connection.send(self._framed(part))
        # The end travels with the last bytes, and is recorded before they leave: a client that has read them may be
        # gone before another write.
        if last:
            self.log.end("server")
        await self.connection.send(self._framed(b"".join(parts[-1:]), last=last))
        if last and self._framing == "close":
            self.connection.close()

    async def flush(self) -> None:
        """Send what was held back."""
        if self._framing is None:
            await self.head()
        if self.held:
            await self.connection.send(self._framed(bytes(self.held)))
            self.held.clear()

    async def event(self, payload: bytes) -> None:
        """Send one more event."""
        await self.write(self.frame(payload))

    async def text(self, text: str) -> None:
        """Send one more delta of text, which the script does not hold."""
        self.log.tokens_sent += 1
        await self.event(self.answer.delta({"content": text}))

    def take(self, at: int) -> Iterator[Piece]:
        """The pieces before token `at`, or before the end when there are fewer tokens."""
        while (piece := self._peek()) is not None:
            if piece.kind in ("finish", "usage", "done") or (piece.kind == "token" and self._tokens_taken >= at):
                return
            yield self._advance()

    async def until(self, at: int) -> None:
        """Send everything that stands before token `at`."""
        for piece in self.take(at):
            await self.piece(piece)

    async def until_done(self) -> None:
        """Send everything but the marker of the end."""
        while (piece := self._peek()) is not None and piece.kind != "done":
            await self.piece(self._advance())

    async def through_finish(self) -> None:
        """Send everything up to the finish reason, and that."""
        while (piece := self._peek()) is not None and piece.kind in ("open", "token", "finish"):
            await self.piece(self._advance())

    def next_piece(self) -> Piece:
        """Take the next piece, without sending it."""
        return self._advance()

    async def rest(self) -> None:
        """Send what is left, to the regular end."""
        while self._peek() is not None:
            piece = self._advance()
            await self.piece(piece, last=self._peek() is None)

    async def piece(self, piece: Piece, *, data: bytes | None = None, last: bool = False) -> None:
        """Send one piece, with other body bytes if they are given."""
        if piece.kind == "token":
            if self._pace:
                await self.pause(self._pace)
            self.log.tokens_sent += 1
            self.log.sent.append(piece.text)
        await self.write(self.frame(piece.data) if data is None else data, last=last)

    async def pause(self, seconds: float) -> None:
        """Let time pass, in seconds."""
        await asyncio.sleep(seconds)

    async def end(self) -> None:
        """End the body as its framing ends it, whatever was sent."""
        await self.write(b"", last=True)

    async def close(self) -> None:
        """End the connection with a FIN, whatever was promised."""
        await self.flush()
        self.connection.close()

    async def reset(self) -> None:
        """End the connection with a RST."""
        await self.flush()
        await self.connection.reset()

    async def forever(self) -> None:
        """Send nothing more, until the client leaves."""
        await self.flush()
        await asyncio.Event().wait()

    def _peek(self) -> Piece | None:
        return self.pieces[self._next_piece] if self._next_piece < len(self.pieces) else None

    def _advance(self) -> Piece:
        piece = self.pieces[self._next_piece]
        self._next_piece += 1
        self._tokens_taken += piece.kind == "token"
        return piece

    def _framed(self, data: bytes, *, last: bool = False) -> bytes:
        if self._framing != "chunked":
            return data
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk + b"0\r\n\r\n" if last else chunk


def sse(payload: bytes) -> bytes:
    """One server-sent event."""
    return b"data: " + payload + b"\n\n"


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """A status line and headers."""
    lines = [
        f"HTTP/1.1 {status} {responses.get(status, 'Overloaded')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def whole(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole response with a content length; JSON unless the headers say otherwise."""
    return head(status, {"content-type": JSON, "content-length": str(len(body)), **(headers or {})}) + body


def error_body(message: str, type_: str, code: str | None = None) -> bytes:
    """The body of an error, in the form of the chat-completions API."""
    return to_json({"error": {"message": message, "type": type_, "param": None, "code": code}})
