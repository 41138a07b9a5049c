"""The cassette server: recorded answers, served again with their bytes, their pauses and their end."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from math import inf
from urllib.parse import urlsplit

from l0_testing.cassette import Exchange, RecordedRequest
from l0_testing.cassette_http import Incoming, framing, head, value_of
from l0_testing.cassette_loopback import LoopbackServer, Peer
from l0_testing.cassette_reader import read_cassette
from l0_testing.wire import error_body, whole

__all__ = ["CassetteServer"]


class CassetteServer(LoopbackServer):
    """Serve a cassette on 127.0.0.1.

    A request gets the next recorded answer to its method and path (its query and body are not compared): the same head,
    the same pieces, the same end. An answer that its client had abandoned falls silent where that left. A request that
    nothing is left for is a 404 that lists what there was.

    Use `in_thread()` in tests that block, or run an event loop of their own.

    Args:
        path: the cassette.
        speed: 1 serves with the recorded pauses, 2 with half of them, 0 (the default) with none.
        port: 0 lets the system choose one.
    """

    def __init__(self, path: str | os.PathLike[str], *, speed: float = 0, port: int = 0) -> None:
        """Read the cassette.

        Raises:
            CassetteError: it is damaged.
            ValueError: the speed is negative.
        """
        if not 0 <= speed < inf:
            raise ValueError(f"speed is {speed!r}: it is 0 (no pauses), 1 (as recorded), or another positive number")
        self.cassette = read_cassette(path)
        super().__init__(port, urlsplit(self.cassette.upstream).path.rstrip("/"))
        self._speed = speed
        self._left: defaultdict[tuple[str, str], deque[Exchange]] = defaultdict(deque)
        for exchange in self.cassette.exchanges:
            self._left[_key(exchange.request.method, exchange.request.path)].append(exchange)
        self.requests: list[RecordedRequest] = []
        """Every request, in order of arrival, with its body."""

    @classmethod
    def in_thread(
        cls, path: str | os.PathLike[str], *, speed: float = 0, port: int = 0
    ) -> AbstractContextManager[CassetteServer]:
        """Serve from a thread with an event loop of its own, for the duration of the block."""
        return cls(path, speed=speed, port=port)._in_thread()

    async def serve(self, client: Peer) -> None:
        """Answer what one connection asks."""
        while (request := await client.read_request()) is not None:
            self.requests.append(request.recorded(keep=True))
            left = self._left.get(_key(request.method, request.target))
            if not left:
                body = error_body(self._nothing_for(request), "not_recorded")
                await client.send(whole(404, b"" if request.method == "HEAD" else body))
            elif not await client.unless_left(self._play(client, left.popleft())):
                return

    async def _play(self, client: Peer, exchange: Exchange) -> bool:
        """Serve an exchange; whether the connection goes on."""
        before = 0.0
        for at, pieces in groupby(_bytes(exchange), key=lambda piece: piece[0]):
            # From piece to piece, so that no pause is shorter than it was, even when one was late.
            await asyncio.sleep(max(0, at - before) / 1000 / self._speed if self._speed else 0)
            await client.send(b"".join(data for _, data in pieces))
            before = at
        end = exchange.end
        if end is None or end.how == "abandoned":
            await client.left()
            return False
        if end.how == "clean":
            return not _closes(exchange)
        await (client.reset() if end.how == "reset" else client.close())
        return False

    def _nothing_for(self, request: Incoming) -> str:
        counts = Counter(_key(each.request.method, each.request.path) for each in self.cassette.exchanges)
        there = [
            f"{method} {path} ({len(self._left[method, path])} of {n} left)" for (method, path), n in counts.items()
        ]
        asked = " ".join(_key(request.method, request.target))
        return f"nothing is recorded, or left, for {asked}; there is: {', '.join(there) or 'nothing'}"


def _key(method: str, path: str) -> tuple[str, str]:
    return method, path.partition("?")[0]


def _closes(exchange: Exchange) -> bool:
    """Whether the connection ends with a clean answer."""
    response = exchange.response
    if response is None:
        return True
    kind = framing(exchange.request.method, response.status, response.headers)
    return kind == "close" or (value_of(response.headers, "connection") or "").lower() == "close"


def _bytes(exchange: Exchange) -> Iterator[tuple[float, bytes]]:
    """What is sent, each with its time: the head, the pieces in the response's framing, and the end of that."""
    response, end = exchange.response, exchange.end
    chunked = False
    if response is not None:
        chunked = framing(exchange.request.method, response.status, response.headers) == "chunked"
        yield response.at, head(f"HTTP/1.1 {response.status} {response.reason}", response.headers)
    for piece in exchange.pieces:
        yield piece.at, b"%x\r\n%b\r\n" % (len(piece.data), piece.data) if chunked and piece.data else piece.data
    if end is not None:
        yield end.at, b"0\r\n\r\n" if chunked and end.how == "clean" else end.garbage
