"""Connections of which nothing is hidden, neither what came before a reset nor the end, and a server of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import struct
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any, Self, TypeVar

from l0_testing.cassette_http import HEAD_LIMIT, Body, Incoming, framing, parse_head, value_of
from l0_testing.wire import _unsent, error_body, whole

__all__ = ["LoopbackServer", "Peer", "PeerLeftError"]

T = TypeVar("T")
READ_SIZE = 1 << 20


class PeerLeftError(Exception):
    """The other side closed its connection, or reset it."""


class MalformedRequestError(ValueError):
    """What came is no HTTP request."""


class _Reader(asyncio.StreamReader):
    """A StreamReader that gives what came before a reset, too, and tells the end before it is read."""

    def __init__(self) -> None:
        super().__init__(HEAD_LIMIT)
        self.ended = asyncio.Event()
        self.failure: Exception | None = None

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        self.failure = exc
        self.feed_eof()


class Peer:
    """One connection. What it is sent after it has left is dropped: that it left is found out by reading."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        # Nothing waits in user space, so that a reset cannot drop what was already "sent".
        writer.transport.set_write_buffer_limits(high=0)

    @classmethod
    async def connect(cls, host: str, port: int, **more: Any) -> Peer:
        """Connect; further arguments are those of `loop.create_connection`.

        Raises:
            OSError: there is nobody, or TLS fails.
        """
        loop = asyncio.get_running_loop()
        reader = _Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_connection(lambda: protocol, host, port, **more)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    @property
    def was_reset(self) -> bool:
        """Whether the connection ended with an error, after what can still be read."""
        return self._reader.failure is not None

    async def left(self) -> None:
        """Wait until the other side has left."""
        await self._reader.ended.wait()

    async def unless_left(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work, which is cancelled if the other side leaves first.

        Raises:
            PeerLeftError: it did.
        """
        task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self.left())
        try:
            await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise PeerLeftError
            return task.result()
        finally:
            task.cancel()
            leaving.cancel()
            await asyncio.gather(task, leaving, return_exceptions=True)

    async def read(self) -> bytes:
        """What has come, at least one byte; nothing at the end."""
        return await self._reader.read(READ_SIZE)

    async def read_head(self) -> bytes:
        """Everything up to the blank line, and that.

        Raises:
            asyncio.IncompleteReadError: the connection ended before it.
            asyncio.LimitOverrunError: it is longer than 64 KB.
        """
        return await self._reader.readuntil(b"\r\n\r\n")

    async def read_request(self) -> Incoming | None:
        """The next request, whole; None if the other side leaves before it is.

        Raises:
            MalformedRequestError: it is no HTTP request.
        """
        try:
            first, headers = parse_head(await self.read_head())
            method, target, version = first.split(" ")
            kind = framing(method, 0, headers)
            if not target.startswith("/") or kind == "close":
                raise ValueError(f"{first[:80]!r} is not answered here")
            if kind != 0 and (value_of(headers, "expect") or "").lower() == "100-continue":
                await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await self._chunks() if kind == "chunked" else await self._reader.readexactly(kind)
        except asyncio.IncompleteReadError:
            return None
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise MalformedRequestError(f"this is no HTTP/1.1 request: {error}") from error
        return Incoming(method, target, version, tuple(headers), body)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; returns when the kernel has them."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def close(self) -> None:
        """End with a FIN."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def reset(self) -> None:
        """End with a RST, when all that was sent is on its way: a reset drops what still waits in the kernel."""
        sock = self._writer.get_extra_info("socket")
        while not self._writer.is_closing() and _unsent(sock):  # noqa: ASYNC110 - the kernel announces nothing
            await asyncio.sleep(0.001)
        if not self._writer.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.abort()

    async def abort(self) -> None:
        """End at once."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _chunks(self) -> bytes:
        body = Body("chunked")
        data = b""
        while not body.done:
            # Line by line: what follows the body belongs to the next request.
            more = self._reader.readexactly(body.left) if body.left else self._reader.readuntil(b"\n")
            data += body.feed(await more)
            if body.garbage is not None:
                raise ValueError("the chunks of a request are malformed")
        return data


class LoopbackServer:
    """Serves on 127.0.0.1, each connection with `serve`. A base class.

    Args:
        port: 0 lets the system choose one.
        path: what of the URL comes after the port; for a client's base URL it is "/v1" if it is empty.
    """

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    @property
    def url(self) -> str:
        """What stands for the URL of the upstream."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return self.url if self._path else f"{self.url}/v1"

    async def serve(self, client: Peer) -> None:
        """Answer one connection until it ends. It is closed afterwards."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen, on the running event loop.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection and stop listening.

        Raises:
            BaseExceptionGroup: the server itself failed.
        """
        if self._server is None:
            return
        self._server.close()
        for _iteration in range(5):  # in which a client that has connected is accepted
            await asyncio.sleep(0)
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()
        self._server = None
        if self._failures:
            raise BaseExceptionGroup(f"{type(self).__name__} failed", self._failures)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop."""
        await self.stop()

    @contextlib.contextmanager
    def _in_thread(self) -> Iterator[Self]:
        ready: concurrent.futures.Future[Any] = concurrent.futures.Future()
        with concurrent.futures.ThreadPoolExecutor(1, "l0-testing-cassette") as pool:
            served = pool.submit(lambda: asyncio.run(self._until_stopped(ready)))
            stop = ready.result()
            try:
                yield self
            finally:
                stop()
                served.result()

    async def _until_stopped(self, ready: concurrent.futures.Future[Any]) -> None:
        try:
            await self.start()
        except OSError as error:
            ready.set_exception(error)
            return
        stopping = asyncio.Event()
        ready.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set))
        await stopping.wait()
        await self.stop()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = _Reader()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(Peer(reader, writer)))
            self._tasks.add(task)
            task.add_done_callback(self._served)

        return asyncio.StreamReaderProtocol(reader, connected)

    async def _serve(self, client: Peer) -> None:
        try:
            await self.serve(client)
            await client.close()
        except PeerLeftError:
            pass
        except MalformedRequestError as error:
            await client.send(whole(400, error_body(str(error), "invalid_request_error"), {"connection": "close"}))
            await client.close()
        finally:
            await client.abort()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)
