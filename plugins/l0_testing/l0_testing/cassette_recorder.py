"""The recorder: a reverse proxy on loopback that writes down what passes through it."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections import Counter
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from l0_testing.cassette import CassetteWriter, End, Piece, RecordedResponse
from l0_testing.cassette_http import Body, Incoming, framing, parse_head
from l0_testing.cassette_loopback import LoopbackServer, Peer, PeerLeftError
from l0_testing.wire import error_body, whole

__all__ = ["Recorder"]


class _BrokenOffError(Exception):
    """A response did not end as its framing says."""

    def __init__(self, how: str, garbage: bytes = b"") -> None:
        super().__init__(how)
        self.how, self.garbage = how, garbage


class Recorder(LoopbackServer):
    """Pass every request on to an upstream, and its answer back byte by byte as it comes; record both in a cassette.

    Each connection of a client has one of its own to the upstream, and they share their end: a response that breaks off
    or is reset upstream is so for the client, and when a client leaves, its upstream is left at once. An upstream that
    cannot be reached is a 502 that says why.

    Secrets in headers and in the query are masked, and the bodies of requests are not kept. Answers are kept as they
    are.

    Args:
        upstream: where requests go, as "https://api.openai.com" or with the path of a base URL. What is asked of `url`
            is asked of it.
        path: the cassette to create.
        port: 0 lets the system choose one.
        bodies: whether the bodies of requests are kept too.
    """

    def __init__(self, upstream: str, path: str | os.PathLike[str], *, port: int = 0, bodies: bool = False) -> None:
        """Raise ValueError unless the upstream is a URL of http or https, without a user, a password or a query."""
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError("the upstream must be like https://api.openai.com, without user, password and query")
        super().__init__(port, parts.path.rstrip("/"))
        self._upstream, self._file, self._bodies = upstream, path, bodies
        self._host, self._authority = parts.hostname, parts.netloc
        self._upstream_port = parts.port or (443 if parts.scheme == "https" else 80)
        self.ends: Counter[str] = Counter()
        """How many exchanges ended how."""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    @classmethod
    def in_thread(
        cls, upstream: str, path: str | os.PathLike[str], *, port: int = 0, bodies: bool = False
    ) -> AbstractContextManager[Recorder]:
        """Record from a thread with an event loop of its own, for the duration of the block."""
        return cls(upstream, path, port=port, bodies=bodies)._in_thread()

    async def start(self) -> None:
        """Create the file and listen, on the running event loop.

        Raises:
            FileExistsError: the file is there already.
            OSError: the file cannot be written, or the port is taken.
        """
        self._writer = CassetteWriter(self._file, self._upstream)
        try:
            await super().start()
        except OSError:
            self._writer.close()
            raise

    async def stop(self) -> None:
        """End every connection, stop listening, and close the file.

        Raises:
            OSError: something could not be written.
            BaseExceptionGroup: the recorder itself failed.
        """
        if self._server is None:
            return
        try:
            await super().stop()
        finally:
            self._writer.close()

    async def serve(self, client: Peer) -> None:
        """Pass on what one connection asks."""
        upstream: Peer | None = None
        goes_on = True
        try:
            while goes_on and (request := await _next_request(client, upstream)) is not None:
                take = _Take(self._writer, self.ends, request, self._bodies)
                try:
                    if upstream is None:
                        upstream = await client.unless_left(self._connect())
                    goes_on = await client.unless_left(_pass_on(request, self._authority, client, upstream, take))
                except _BrokenOffError as broken:
                    take.end(broken.how, garbage=broken.garbage)
                    await (client.reset() if broken.how == "reset" else client.close())
                    goes_on = False
                except OSError as error:
                    await _tell(client, request, f"{self._upstream} cannot be reached: {error}", take)
                    goes_on = False
                finally:
                    take.end("abandoned")
        finally:
            if upstream is not None:
                await upstream.abort()

    async def _connect(self) -> Peer:
        return await Peer.connect(self._host, self._upstream_port, ssl=self._tls)


class _Take:
    """One exchange on its way into the file."""

    def __init__(self, writer: CassetteWriter, ends: Counter[str], request: Incoming, bodies: bool) -> None:
        self._began = time.monotonic()
        self._writer, self._ends = writer, ends
        self._number = writer.request(request.recorded(keep=bodies))
        self._ended = False

    def now(self) -> float:
        """Milliseconds since the request."""
        return (time.monotonic() - self._began) * 1000

    def response(self, response: RecordedResponse) -> None:
        self._writer.response(self._number, response)

    def piece(self, at: float, data: bytes) -> None:
        self._writer.piece(self._number, Piece(at, data))

    def end(self, how: str, at: float | None = None, garbage: bytes = b"") -> None:
        """The end; the first one counts."""
        if not self._ended:
            self._ended = True
            self._ends[how] += 1
            self._writer.end(self._number, End(self.now() if at is None else at, how, garbage))


async def _next_request(client: Peer, upstream: Peer | None) -> Incoming | None:
    """The client's next request; None if it leaves, or its idle upstream does."""
    if upstream is None:
        return await client.read_request()
    try:
        return await upstream.unless_left(client.read_request())
    except PeerLeftError:
        return None


async def _pass_on(request: Incoming, host: str, client: Peer, upstream: Peer, take: _Take) -> bool:
    """Pass a request on and its response back; whether the connections can be used again.

    What comes is written down before it is passed on, since a client that has it may be gone at once.

    Raises:
        _BrokenOffError: the upstream did not send all of it.
    """
    await upstream.send(request.outgoing(host))
    raw, response = await _head(request, client, upstream, take)
    body = Body(framing(request.method, response.status, response.headers))
    take.response(response)
    if body.done:
        take.end("clean", response.at)
    await client.send(raw)
    while not body.done:
        data = await upstream.read()
        at = take.now()
        if not data:
            if upstream.was_reset or not body.until_close:
                raise _BrokenOffError("reset" if upstream.was_reset else "truncated")
            take.end("clean", at)
            return False
        if entity := body.feed(data):
            take.piece(at, entity)
        if body.done and body.garbage is None:
            take.end("clean", at)
        await client.send(data)
    if body.garbage is not None:
        raise _BrokenOffError("malformed", body.garbage)
    return True


async def _head(request: Incoming, client: Peer, upstream: Peer, take: _Take) -> tuple[bytes, RecordedResponse]:
    """The head of the final response, as bytes and parsed. Interim ones (1xx) are passed on and not recorded."""
    raw = b""
    try:
        while True:
            raw = await upstream.read_head()
            response = _parse(raw, take.now(), request.method)
            if response.status >= 200:
                return raw, response
            await client.send(raw)
    except asyncio.IncompleteReadError as cut:
        if upstream.was_reset or not cut.partial:
            raise _BrokenOffError("reset" if upstream.was_reset else "truncated") from None
        raw = cut.partial
    except asyncio.LimitOverrunError:
        raw = await upstream.read()
    except ValueError:
        pass  # what was read is passed on, for the client to judge
    await client.send(raw)
    raise _BrokenOffError("malformed", raw)


def _parse(raw: bytes, at: float, method: str) -> RecordedResponse:
    first, headers = parse_head(raw)
    line = re.fullmatch(r"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?", first)
    if line is None:
        raise ValueError(f"{first[:80]!r} is no status")
    response = RecordedResponse(at, int(line[1]), line[2] or "", tuple(headers))
    framing(method, response.status, response.headers)
    return response


async def _tell(client: Peer, request: Incoming, message: str, take: _Take) -> None:
    """Answer a 502, and record it as an answer like any other."""
    reply = whole(502, error_body(message, "upstream_unreachable"), {"connection": "close"})
    head, blank, body = reply.partition(b"\r\n\r\n")
    at = take.now()
    take.response(_parse(head + blank, at, request.method))
    if request.method == "HEAD":
        body = b""
    else:
        take.piece(at, body)
    take.end("clean", at)
    await client.send(head + blank + body)
