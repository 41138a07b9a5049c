"""A proxy that stands between a client and its server, and does to connections what a network does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, Literal, TypeVar

__all__ = ["CuttingProxy"]

P = TypeVar("P", bound="CuttingProxy")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class CuttingProxy:
    """Passes on what a client of `port` on 127.0.0.1 and the server say to each other, until it is told otherwise.

    `cuts` says when to cut: each is a direction, `"up"` to the server or `"down"` from it, and how many bytes are let
    through before that, counted over all connections since the cut before. `passed` counts the bytes. `flows` is clear
    while nothing is passed on. Derive from it, and override `halves`, for cuts that depend on what is said.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        """What it listens on, once it is open; the same when it is opened again."""
        self.cuts: deque[tuple[Literal["up", "down"], int]] = deque()
        self.passed = {"up": 0, "down": 0}
        self.flows = asyncio.Event()
        self.flows.set()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Let nobody in any more, and cut off who is."""
        if self._server is not None:
            self._server.close()
            self.drop()
            await self.emptied()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """Cut all connections, without a farewell."""
        for writer in self._writers:
            writer.transport.abort()

    async def emptied(self) -> None:
        """Wait until nobody is connected."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self: P) -> P:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.flows.set()
        await self.close()

    def halves(self, client: Streams, server: Streams) -> Iterable[Coroutine[Any, Any, None]]:
        """What passes on what each side says. When one of them ends, the connection is cut."""
        return self._pass("up", client[0], server[1]), self._pass("down", server[0], client[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        server = await asyncio.open_connection(*self._address)
        pair = {writer, server[1]}
        self._writers |= pair
        halves = [asyncio.create_task(half) for half in self.halves((reader, writer), server)]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= pair
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            for each in pair:
                each.close()
            await asyncio.gather(*(each.wait_closed() for each in pair), return_exceptions=True)

    async def _pass(
        self, direction: Literal["up", "down"], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(1 << 16):
            await self.flows.wait()
            if self.cuts and self.cuts[0][0] == direction:
                left = self.cuts.popleft()[1] - len(data)
                if left <= 0:
                    writer.write(data[: left + len(data)])
                    return
                self.cuts.appendleft((direction, left))
            self.passed[direction] += len(data)
            writer.write(data)
