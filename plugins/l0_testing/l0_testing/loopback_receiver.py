"""A server on loopback that keeps what it is sent, and answers well, late, with an error, or not at all."""

from __future__ import annotations

import asyncio
import threading
import zlib
from dataclasses import dataclass
from importlib import import_module
from typing import Self

from l0_testing.cassette_http import Incoming
from l0_testing.cassette_loopback import LoopbackServer, Peer
from l0_testing.wire import JSON, error_body, whole

__all__ = ["Receiver", "RefusedError", "Request"]

LIMIT = 256 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came: `headers` have lower-case names, and `body` is decompressed."""

    path: str
    headers: dict[str, str]
    body: bytes


class RefusedError(Exception):
    """A request that a server of this kind would refuse, with this status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver(LoopbackServer):
    """Receives in a thread for the duration of a `with` block, at whose end no connection and no thread is left.

    A base class: `keep` says what becomes of a request. `status`, `delay` and `silent` may be changed at any time, and
    count for the requests that come from then on.

    Args:
        status: what is answered; anything but 200 is a refusal, and what is refused is not decoded.
        delay: seconds before an answer.
        silent: requests are taken, and never answered.
        limit: bytes of bodies that are kept in all, decompressed; a request beyond them is answered with a 413.
    """

    media = JSON
    """The media type of what `keep` returns."""

    def __init__(self, *, status: int = 200, delay: float = 0.0, silent: bool = False, limit: int = LIMIT) -> None:
        super().__init__(0, "")
        self.status, self.delay, self.silent = status, delay, silent
        self.requests: list[Request] = []
        """Whatever came, in order of arrival; what was refused by `status` or never answered has come too."""
        self.refused: list[str] = []
        """Why requests were answered with a 4xx: they are not what such a server takes."""
        self._left = limit
        self._came = threading.Condition()

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of `requests`, decompressed."""
        return [request.body for request in self.requests]

    def wait(self, requests: int = 1, timeout: float = 5.0) -> None:
        """Block until so many requests have come since the beginning, for `timeout` seconds at most.

        Raises:
            AssertionError: fewer have come.
        """
        with self._came:
            if not self._came.wait_for(lambda: len(self.requests) >= requests, timeout):
                raise AssertionError(f"{len(self.requests)} of {requests} requests came in {timeout:g} s")

    def keep(self, request: Request) -> bytes:
        """Decode a request, and return the body of the answer. Called in the receiver's thread.

        Raises:
            RefusedError: it is none that is taken here.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start."""
        self._thread = self._in_thread()
        return self._thread.__enter__()

    def __exit__(self, *exc_info: object) -> None:
        """Stop: connections are cut, answers that are owed are not given."""
        self._thread.__exit__(None, None, None)

    async def serve(self, client: Peer) -> None:
        """Answer the requests of one connection."""
        while (incoming := await client.read_request()) is not None:
            status, answer = self._take(incoming)
            if self.silent:
                await client.left()
                return
            if self.delay:
                await client.unless_left(asyncio.sleep(self.delay))
            await client.send(whole(status, answer, {"content-type": self.media if status == 200 else JSON}))

    def _take(self, incoming: Incoming) -> tuple[int, bytes]:
        headers = {name.lower(): value for name, value in incoming.headers}
        with self._came:
            try:
                if incoming.method != "POST":
                    raise RefusedError(405, f"{incoming.method} is not taken here")
                body = _unpacked(incoming.body, headers.get("content-encoding", ""), self._left)
                self._left -= len(body)
                request = Request(incoming.target.partition("?")[0], headers, body)
                self.requests.append(request)
                return (200, self.keep(request)) if self.status == 200 else (self.status, b"{}")
            except RefusedError as error:
                self.refused.append(str(error))
                return error.status, error_body(str(error), "refused")
            finally:
                self._came.notify_all()


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("gzip", "deflate"):
        unpacker = zlib.decompressobj(wbits=47)
        try:
            data = unpacker.decompress(body, limit + 1)
        except zlib.error as error:
            raise RefusedError(400, f"the body is no {encoding}: {error}") from error
        if not unpacker.eof and len(data) <= limit:
            raise RefusedError(400, f"the body's {encoding} ends too early")
    elif encoding == "br":
        data = _of_brotli(body)
    elif encoding in ("", "identity"):
        data = body
    else:
        raise RefusedError(415, f"the encoding {encoding!r} is not known here")
    if len(data) > limit:
        raise RefusedError(413, "more came than is kept here")
    return data


def _of_brotli(body: bytes) -> bytes:
    try:
        brotli = import_module("brotli")  # whoever sends it has it
    except ImportError as error:
        raise RefusedError(415, "the body is compressed with Brotli: pip install brotli") from error
    try:
        unpacked: bytes = brotli.decompress(body)
    except brotli.error as error:
        raise RefusedError(400, f"the body is no br: {error}") from error
    return unpacked
